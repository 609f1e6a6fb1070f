//! A direction that is captured so late that what acknowledges it was handed on first.

use super::tls::{client_hello, escape};
use super::{CLIENT, HELLO, MAIL, Talk, assert_heard};

/// A whole mail: EHLO is step 1, MAIL 3, RCPT 5, DATA 7, the message 9, QUIT 11.
fn mail() -> Talk {
    mail_of("Subject: x")
}

fn mail_of(text: &str) -> Talk {
    let message = format!("C: DATA\nS: 354 go\nC: {text}\\r\\n.\nS: 250 queued\nC: QUIT\nS: 221 bye");
    Talk::new(&[HELLO, MAIL, &message].concat())
}

/// Asserts the events, however the bytes are cut; returns whether checks of sequence rest at the end.
#[track_caller]
fn assert_late(talk: &Talk, expected: &str) -> bool {
    let heard = talk.run();
    assert_heard(&heard.lines, expected);
    for size in [1, 2, 3, 7, 20] {
        assert_heard(&talk.clone().in_pieces(size).events(), expected);
    }
    heard.session().doubt.rests()
}

#[test]
fn a_reply_before_its_command_is_not_taken_for_that_of_the_next() {
    let rests = assert_late(
        &mail().late(1, 1),
        "
        greeting 220 mx
        R 250 unknown
        C EHLO me
        C MAIL FROM:<a@b>
        R 250 MAIL
        C RCPT TO:<c@d>
        R 250 RCPT
        C DATA
        R 354 DATA
        D 12 in 1 dot
        R 250 message DATA
        C QUIT
        R 221 QUIT
        ",
    );
    assert!(!rests, "MAIL got 250");
    let session = mail().late(1, 1).run().session().clone();
    assert_eq!((session.helo.is_some(), session.offers("PIPELINING")), (true, None), "its reply is told already");

    assert_late(
        &mail().late(3, 1),
        "
        greeting 220 mx
        C EHLO me
        R 250 EHLO
        R 250 unknown
        C MAIL FROM:<a@b>
        C RCPT TO:<c@d>
        R 250 RCPT
        C DATA
        R 354 DATA
        D 12 in 1 dot
        R 250 message DATA
        C QUIT
        R 221 QUIT
        ",
    );
}

#[test]
fn a_354_before_its_data_opens_the_message_all_the_same() {
    // Its first line looks like a command.
    let rests = assert_late(
        &mail_of("MAIL FROM:<text>").late(7, 1),
        "
        greeting 220 mx
        C EHLO me
        R 250 EHLO
        C MAIL FROM:<a@b>
        R 250 MAIL
        C RCPT TO:<c@d>
        R 250 RCPT
        R 354 unknown
        C DATA
        D 18 in 1 dot
        R 250 message DATA
        C QUIT
        R 221 QUIT
        ",
    );
    assert!(rests);
}

#[test]
fn a_reply_before_the_end_of_its_message_neither_ends_nor_refuses_it() {
    for code in [250, 554] {
        let text = format!(
            "C: DATA\nS: 354 go\nC: Subject: x\nc: a\\n.\\nb\\r\\n.\nS: {code} so\nC: QUIT\nS: 221 bye\nC: NOOP\nS: 250 ok"
        );
        // The end, behind the lone dot that might be one, comes behind the reply.
        let talk = Talk::new(&[HELLO, MAIL, &text].concat()).late(10, 1);
        assert_late(
            &talk,
            &format!(
                "
                greeting 220 mx
                C EHLO me
                R 250 EHLO
                C MAIL FROM:<a@b>
                R 250 MAIL
                C RCPT TO:<c@d>
                R 250 RCPT
                C DATA
                R 354 DATA
                R {code} unknown
                F BareLfInData
                D 19 in 4 dot
                C QUIT
                R 221 QUIT
                C NOOP
                R 250 NOOP
                "
            ),
        );
    }
}

#[test]
fn a_direction_that_is_all_behind_matches_nothing_and_loses_nothing() {
    let rests = assert_late(
        &mail().behind(CLIENT),
        "
        greeting 220 mx
        R 250 unknown
        R 250 unknown
        R 250 unknown
        R 354 unknown
        R 250 unknown
        R 221 unknown
        C EHLO me
        C MAIL FROM:<a@b>
        C RCPT TO:<c@d>
        C DATA
        D 12 in 1 dot
        C QUIT
        ",
    );
    assert!(rests);
    assert!(assert_late(
        &mail().behind(CLIENT.other()),
        "
        C EHLO me
        C MAIL FROM:<a@b>
        C RCPT TO:<c@d>
        C DATA
        D 12 in 1 dot
        C QUIT
        greeting 220 mx
        R 250 unknown
        R 250 unknown
        R 250 unknown
        R 354 unknown
        R 250 unknown
        R 221 unknown
        ",
    ));
}

#[test]
fn commands_before_the_replies_that_they_had_seen_are_answered_in_order() {
    // EHLO's reply comes behind MAIL.
    let rests = assert_late(
        &mail().late(2, 1),
        "
        greeting 220 mx
        C EHLO me
        C MAIL FROM:<a@b>
        R 250 EHLO
        R 250 MAIL
        C RCPT TO:<c@d>
        R 250 RCPT
        C DATA
        R 354 DATA
        D 12 in 1 dot
        R 250 message DATA
        C QUIT
        R 221 QUIT
        ",
    );
    assert!(!rests, "MAIL got 250");
}

#[test]
fn of_a_group_only_what_is_late_loses_its_replies() {
    let group = "C: MAIL FROM:<a@b>\nc: RCPT TO:<c@d>\nc: NOOP\nS: 250 a\ns: 550 b\ns: 250 c\nC: RSET\nS: 250 d\nC: NOOP\\r\\nNOOP";
    let talk = Talk::new(&[HELLO, group].concat());
    // The first reply had seen all three, of which two come behind all replies.
    let rests = assert_late(
        &talk.captured_as([0, 1, 2, 3, 6, 7, 8, 4, 5, 9, 10, 11]),
        "
        greeting 220 mx
        C EHLO me
        R 250 EHLO
        C MAIL FROM:<a@b>
        R 250 MAIL
        R 550 unknown
        R 250 unknown
        C RCPT TO:<c@d>
        C NOOP
        C RSET
        R 250 RSET
        C NOOP
        C NOOP [behind 1, last NOOP]
        ",
    );
    assert!(!rests, "what comes in time again is judged again");
}

#[test]
fn a_first_reply_that_may_answer_what_is_late_is_no_greeting() {
    let heard = Talk::new("C: EHLO me\nS: 250 mx\nC: QUIT\nS: 221 bye").late(0, 1).run();
    assert_heard(&heard.lines, "R 250 unknown\nC EHLO me\nC QUIT\nR 221 QUIT");
    let session = heard.session();
    assert!(session.greeting.is_none() && !session.greeting_missing && !session.early_talk);
    // One that no command gets is one all the same.
    let heard = Talk::new("C: EHLO me\nS: 554 no").late(0, 1).run();
    assert_heard(&heard.lines, "greeting 554 no\nC EHLO me");
}

#[test]
fn secrets_behind_a_late_auth_are_not_shown() {
    let auth = "C: AUTH LOGIN\nS: 334 VXNlcm5hbWU6\nC: dXNlcg==\nS: 334 UGFzc3dvcmQ6\nC: c2VjcmV0\nS: 535 no\nC: QUIT\nS: 221 bye";
    let talk = || Talk::new(&[HELLO, auth].concat());
    let late = [talk().late(3, 1), talk().late(5, 1), talk().late(7, 1), talk().behind(CLIENT), talk().late(3, 0)];
    for talk in late {
        let heard = talk.run();
        let shown = String::from_utf8(heard.shown).unwrap();
        assert!(!shown.contains("c2VjcmV0") && !shown.contains("C2VJCMV0"), "{:?}", heard.lines);
    }
}

#[test]
fn what_the_server_says_to_a_handshake_that_is_late_was_not_injected() {
    let hello = escape(&client_hello());
    let text = format!("C: STARTTLS\nS: 220 go\nC> {hello}\nS> \\x16\\x03\\x03\\0\\x30abc\ns: defgh");
    let talk = Talk::new(&[HELLO, &text].concat()).captured_as([0, 1, 2, 3, 4, 6, 7, 5]);
    let heard = talk.run();
    assert!(!heard.lines.iter().any(|line| line.starts_with('F')), "{:?}", heard.lines);
}
