//! Greetings, replies and what they answer.

use super::{CLIENT, Step, Talk, assert_after_hello, assert_after_mail, assert_events, assert_heard, events};

#[test]
fn a_plain_session_is_told_in_order() {
    assert_after_mail(
        "
        C: DATA
        S: 354 go
        C: Subject: x\\r\\n\\r\\nbody\\r\\n.
        S: 250 queued
        C: QUIT
        S: 221 bye
        ",
        "
        C DATA
        R 354 DATA
        D 20 in 3 dot
        R 250 message DATA
        C QUIT
        R 221 QUIT
        ",
    );
}

#[test]
fn a_reply_of_several_lines_is_one() {
    assert_events(
        "
        S: 220-mx
        S: 220 ready
        C: HELP
        S: 214-a
        S: 214-b
        S: 214
        ",
        "
        greeting 220 mx|ready
        C HELP
        R 214 HELP
        ",
    );
}

#[test]
fn pipelined_commands_are_answered_in_order() {
    assert_after_hello(
        "
        C: MAIL FROM:<a@b>\\r\\nRCPT TO:<c@d>\\r\\nRSET
        S: 250 sender
        S: 550 no
        s: 250 reset
        ",
        "
        C MAIL FROM:<a@b>
        C RCPT TO:<c@d> [behind 1]
        C RSET [behind 2]
        R 250 MAIL
        R 550 RCPT
        R 250 RSET
        ",
    );
}

#[test]
fn unknown_codes_are_replies_like_others() {
    assert_events(
        "
        S: 220 mx
        C: NOOP
        S: 999 what
        C: QUIT
        S: 000
        ",
        "
        greeting 220 mx
        C NOOP
        R 999 NOOP
        C QUIT
        R 0 QUIT
        ",
    );
}

#[test]
fn codes_that_differ_inside_one_reply_are_told_and_the_last_counts() {
    assert_events(
        "
        S: 220 mx
        C: NOOP
        S: 250-a
        S: 500 b
        ",
        "
        greeting 220 mx
        C NOOP
        R 500 NOOP
        F CodesDiffer
        ",
    );
}

#[test]
fn a_server_line_without_a_code_uses_up_no_reply() {
    assert_events(
        "
        S: 220 mx
        C: NOOP
        S: what?
        S: 250 ok
        ",
        "
        greeting 220 mx
        C NOOP
        F no code: what?
        R 250 NOOP
        ",
    );
}

#[test]
fn a_line_that_the_reply_had_not_seen_is_not_answered_by_it() {
    // A timeout crosses the command.
    assert_events(
        "
        S: 220 mx
        C: NOOP
        S: 250 ok
        C: QUIT
        s: 421 timeout
        ",
        "
        greeting 220 mx
        C NOOP
        R 250 NOOP
        C QUIT
        R 421 nothing
        ",
    );
    assert_events(
        "
        S: 220 mx
        C: NOOP
        S: 250 ok
        s: 250 again
        ",
        "
        greeting 220 mx
        C NOOP
        R 250 NOOP
        R 250 unsolicited
        ",
    );
}

#[test]
fn after_421_the_session_goes_on_if_the_server_answers_on() {
    assert_events(
        "
        S: 220 mx
        C: FOO
        S: 421 too many errors
        C: NOOP
        S: 250 ok
        ",
        "
        greeting 220 mx
        C FOO
        R 421 FOO
        C NOOP
        R 250 NOOP
        ",
    );
}

#[test]
fn a_554_that_closes_answers_a_whole_group() {
    assert_events(
        "
        S: 220 mx
        C: HELO me
        S: 250 mx
        C: MAIL FROM:<a@b>\\r\\nRCPT TO:<c@d>
        S: 554 SMTP synchronization error
        S.
        ",
        "
        greeting 220 mx
        C HELO me
        R 250 HELO
        C MAIL FROM:<a@b>
        C RCPT TO:<c@d> [behind 1]
        R 554 MAIL
        ",
    );
}

#[test]
fn a_client_that_only_acknowledges_at_the_end_was_early_all_the_same() {
    // The greeting was captured first, but the client had not seen it; no other data of it tells.
    let mut talk = Talk::new("S: 554 mx\nC: EHLO me\nS: 550 no");
    talk.see(1, 0);
    assert!(!talk.run().session().early_talk, "nothing tells that its acknowledgements mean anything");
    talk.client_acknowledges = true;
    assert!(talk.run().session().early_talk);
}

#[test]
fn where_a_command_waits_only_exim_answers_the_long_line_before_it_twice() {
    let replies = |server: &str| {
        let long = "x".repeat(17 << 10);
        let text = format!("S: 220 {server}\nC: RSET {long}\r\\nNOOP\nS: 500 a\\r\\n500 b\\r\\n250 ok")
            .replace("\r\\n", "\\r\\n");
        let events = events(&text);
        events.into_iter().filter(|line| line.starts_with("R ")).collect::<Vec<_>>()
    };
    assert_eq!(replies("mx ESMTP Exim 4.96"), ["R 500 RSET", "R 500 RSET", "R 250 NOOP"]);
    assert_eq!(replies("mx ESMTP"), ["R 500 RSET", "R 500 NOOP", "R 250 unsolicited"]);
}

#[test]
fn exim_answers_a_line_above_16_kib_twice() {
    let long = "x".repeat(17 << 10);
    assert_events(
        &format!(
            "
            S: 220 mx
            C: NOOP {long}
            S: 500 too long
            s: 500 unrecognized
            C: QUIT
            S: 221 bye
            "
        ),
        &format!(
            "
            greeting 220 mx
            C NOOP {long}
            R 500 NOOP
            R 500 NOOP
            C QUIT
            R 221 QUIT
            "
        ),
    );
}

#[test]
fn the_greeting_is_complete_at_its_last_line_and_a_client_that_does_not_wait_is_early() {
    assert_events(
        "
        S: 220-mx
        C: EHLO me
        s: 220 ready
        S: 250 mx
        ",
        "
        C EHLO me [early]
        greeting 220 mx|ready
        R 250 EHLO
        ",
    );
}

#[test]
fn postscreens_teaser_is_cut_short_by_the_reply_to_an_early_client() {
    assert_events(
        "
        S: 220-mx
        C: EHLO me
        S: 250-mx
        S: 250 SIZE
        ",
        "
        C EHLO me [early]
        greeting 220 mx cut short
        R 250 EHLO
        ",
    );
    // Codes that differ without an early client are one greeting.
    assert_events("S: 220-mx\nS: 554 no\nC: QUIT\nS: 221 bye", "greeting 554 mx|no\nC QUIT\nR 221 QUIT");
}

#[test]
fn what_crosses_the_greeting_is_early_by_what_its_sender_had_seen() {
    // The greeting was captured first, but the client had not seen it.
    let talk = Talk::new(
        "
        S: 220 mx
        c: HELP
        S: 214 help
        C: QUIT
        ",
    );
    let heard = talk.run();
    assert_heard(&heard.lines, "greeting 220 mx\nC HELP\nR 214 HELP\nC QUIT");
    assert!(heard.session().early_talk, "the client's first acknowledgement proves it");
    // Where nobody ever acknowledges, packet order decides.
    assert!(!Talk::new("S: 220 mx\nC: HELP\nS: 214 help").without_acks().run().session().early_talk);
    assert!(Talk::new("C: HELP\nS: 220 mx\nS: 214 help").without_acks().run().session().early_talk);
}

#[test]
fn the_probe_of_the_atk_plugin_gets_its_help() {
    assert_events(
        "
        C> HELP\\n
        S: 220 mx
        S: 214-Commands supported:
        S: 214 AUTH HELO
        ",
        "
        C HELP [early, lf]
        greeting 220 mx
        R 214 HELP
        ",
    );
}

#[test]
fn a_server_without_a_greeting_is_told_by_a_first_reply_that_fits_the_first_command() {
    let heard = Talk::new("C: EHLO me\nS: 250 mx\nC: QUIT\nS: 221 bye").run();
    assert_heard(&heard.lines, "C EHLO me [early]\nR 250 EHLO\nC QUIT\nR 221 QUIT");
    assert!(heard.session().greeting_missing);
    // What an end knew decides, not which packet was captured first.
    let mut crossed = Talk::new("C: EHLO me\nS: 250 mx\nC: QUIT\nS: 221 bye");
    if let Some(Step::Bytes { captured, .. }) = crossed.steps.first_mut() {
        *captured = 8;
    }
    assert_heard(&crossed.events(), "C EHLO me [early]\nR 250 EHLO\nC QUIT\nR 221 QUIT");
    // Sendmail's greeting to an early client is one, though it refuses.
    assert_events(
        "
        C> HELP\\n
        S: 554 mx ESMTP not accepting messages
        S: 550 5.0.0 Command rejected
        ",
        "
        C HELP [early, lf]
        greeting 554 mx ESMTP not accepting messages
        R 550 HELP
        ",
    );
}

#[test]
fn pipeconnect_is_matched_by_order() {
    assert_events(
        "
        C: EHLO me\\r\\nSTARTTLS
        S: 220 mx\\r\\n250-mx\\r\\n250 PIPECONNECT\\r\\n220 go
        ",
        "
        C EHLO me [early]
        C STARTTLS [early, behind 1, last EHLO]
        greeting 220 mx
        R 250 EHLO
        R 220 STARTTLS
        T started
        T started settled
        ",
    );
}

#[test]
fn a_server_line_without_an_end_ends_where_the_next_command_acknowledges_it() {
    assert_events(
        "
        S> 220 mx
        C: NOOP
        S> 250 ok
        C: QUIT
        S> 221 bye
        ",
        "
        greeting 220 mx
        C NOOP
        R 250 NOOP
        C QUIT
        R 221 QUIT
        ",
    );
    // A reply cut by a segment boundary while more commands wait is none.
    assert_events(
        "
        S: 220 mx
        C: NOOP\\r\\nNOOP\\r\\nNOOP
        S> 250 o
        C: RSET
        S> k\\r\\n250 ok\\r\\n250 ok\\r\\n250 ok\\r\\n
        ",
        "
        greeting 220 mx
        C NOOP
        C NOOP [behind 1, last NOOP]
        C NOOP [behind 2, last NOOP]
        C RSET [behind 3, last NOOP]
        R 250 NOOP
        R 250 NOOP
        R 250 NOOP
        R 250 RSET
        ",
    );
}

#[test]
fn lhlo_makes_it_lmtp_with_a_reply_for_each_accepted_recipient() {
    assert_events(
        "
        S: 220 mx
        C: LHLO me
        S: 250 mx
        C: MAIL FROM:<a@b>
        S: 250 ok
        C: RCPT TO:<c@d>
        S: 250 ok
        C: RCPT TO:<e@d>
        S: 550 no
        C: RCPT TO:<f@d>
        S: 250 ok
        C: DATA
        S: 354 go
        C: x\\r\\n.
        S: 250 c
        s: 452 f
        C: QUIT
        S: 221 bye
        ",
        "
        greeting 220 mx
        C LHLO me
        R 250 LHLO
        C MAIL FROM:<a@b>
        R 250 MAIL
        C RCPT TO:<c@d>
        R 250 RCPT
        C RCPT TO:<e@d>
        R 550 RCPT
        C RCPT TO:<f@d>
        R 250 RCPT
        C DATA
        R 354 DATA
        D 3 in 1 dot
        R 250 message DATA
        R 452 message DATA
        C QUIT
        R 221 QUIT
        ",
    );
}

#[test]
fn prdr_gives_a_reply_for_each_recipient_and_a_last_one() {
    assert_after_hello(
        "
        C: MAIL FROM:<a@b> PRDR\\r\\nRCPT TO:<c@d>\\r\\nRCPT TO:<e@f>\\r\\nBDAT 3 LAST\\r\\nx\\r\\nQUIT
        S: 250 PRDR Requested\\r\\n250 ok\\r\\n250 ok\\r\\n353 analysis\\r\\n250 c\\r\\n250 e\\r\\n250 done\\r\\n221 bye
        ",
        "
        C MAIL FROM:<a@b> PRDR
        C RCPT TO:<c@d> [behind 1]
        C RCPT TO:<e@f> [behind 2]
        C BDAT 3 LAST [behind 3]
        D 3 in 1 chunk last
        C QUIT [behind 4]
        R 250 MAIL
        R 250 RCPT
        R 250 RCPT
        R 353 message BDAT
        R 250 message BDAT
        R 250 message BDAT
        R 250 message BDAT
        R 221 QUIT
        ",
    );
}

#[test]
fn burl_is_a_command_with_one_reply() {
    assert_after_mail(
        "
        C: BURL imap://x LAST
        S: 250 ok
        C: QUIT
        S: 221 bye
        ",
        "
        C BURL imap://x LAST
        R 250 BURL
        C QUIT
        R 221 QUIT
        ",
    );
}

#[test]
fn an_accepted_ehlo_clears_the_transaction_and_a_refused_one_does_not() {
    let begin = "S: 220 mx\nC: EHLO me\nS: 250-mx\\r\\n250 SIZE\nC: MAIL FROM:<a@b>\nS: 250 ok\nC: EHLO again\n";
    let refused = Talk::new(&[begin, "S: 503 no"].concat()).run();
    assert!(refused.session().in_transaction);
    assert_eq!(refused.session().helo.as_ref().unwrap().argument, b"me");
    let accepted = Talk::new(&[begin, "S: 250-mx\\r\\n250 HELP"].concat()).run();
    assert!(!accepted.session().in_transaction);
    assert_eq!(accepted.session().helo.as_ref().unwrap().argument, b"again");
    assert_eq!(accepted.session().capabilities, [b"HELP".to_vec()]);
}

#[test]
fn the_first_line_of_an_ehlo_reply_is_no_keyword() {
    let heard = Talk::new("S: 220 mx\nC: EHLO me\nS: 250-HELP is here\nS: 250 size 10").run();
    assert_eq!(heard.session().capabilities, [b"SIZE 10".to_vec()]);
    let only = Talk::new("S: 220 mx\nC: EHLO me\nS: 250 HELP").run();
    assert_eq!(only.session().offers("HELP"), Some(false));
}

#[test]
fn turn_and_atrn_change_the_roles_and_etrn_does_not() {
    for verb in ["TURN", "ATRN example.org"] {
        assert_events(
            &format!(
                "
                S: 220 mx
                C: {verb}
                S: 250 ok
                C: 220 now me
                S: EHLO you
                C: 250 me
                S: QUIT
                C: 221 bye
                "
            ),
            &format!(
                "
                greeting 220 mx
                C {verb}
                R 250 {}
                R 220 nothing
                C EHLO you
                R 250 EHLO
                C QUIT
                R 221 QUIT
                ",
                &verb[..4]
            ),
        );
    }
    assert_events(
        "S: 220 mx\nC: ETRN example.org\nS: 250 ok\nC: QUIT\nS: 221 bye",
        "greeting 220 mx\nC ETRN example.org\nR 250 ETRN\nC QUIT\nR 221 QUIT",
    );
    // Refused, nothing changes.
    assert_events(
        "S: 220 mx\nC: TURN\nS: 502 no\nC: QUIT\nS: 221 bye",
        "greeting 220 mx\nC TURN\nR 502 TURN\nC QUIT\nR 221 QUIT",
    );
}

#[test]
fn xclient_starts_anew_and_its_220_is_no_greeting() {
    let talk = Talk::new(
        "
        S: 220 mx
        C: EHLO me
        S: 250-mx\\r\\n250 XCLIENT
        C: MAIL FROM:<a@b>
        S: 250 ok
        C: XCLIENT ADDR=192.0.2.1
        S: 220 mx
        C: HELO you
        S: 250 mx
        ",
    );
    let heard = talk.run();
    assert_heard(
        &heard.lines,
        "
        greeting 220 mx
        C EHLO me
        R 250 EHLO
        C MAIL FROM:<a@b>
        R 250 MAIL
        C XCLIENT ADDR=192.0.2.1
        R 220 XCLIENT
        C HELO you
        R 250 HELO
        ",
    );
    assert!(!heard.session().in_transaction);
    let after = Talk::new("S: 220 mx\nC: EHLO me\nS: 250-mx\\r\\n250 HELP\nC: XCLIENT NAME=x\nS: 220 mx").run();
    assert_eq!((after.session().offers("HELP"), &after.session().helo), (None, &None));
}

#[test]
fn the_session_record_has_its_transactions() {
    let heard = Talk::new(
        &[
            super::HELLO,
            super::MAIL,
            "
        C: RCPT TO:<no@d>
        S: 550 no
        C: DATA
        S: 354 go
        C: Subject: a\\r\\n b\\r\\nMessage-ID: <1@x>\\r\\n\\r\\nbody\\r\\n.
        S: 250 ok
        C: MAIL FROM:<>
        S: 250 ok
    ",
        ]
        .concat(),
    )
    .run();
    let [first, second] = heard.session().transactions.as_slice() else { panic!() };
    assert_eq!(first.mail_from, b"a@b");
    assert_eq!(first.rcpt_to, [(b"c@d".to_vec(), Some(250)), (b"no@d".to_vec(), Some(550))]);
    assert_eq!((first.data_bytes, first.code), (43, Some(250)));
    assert_eq!((first.subject.as_deref(), first.message_id.as_deref()), (Some(&b"a b"[..]), Some(&b"<1@x>"[..])));
    assert_eq!((second.mail_from.as_slice(), second.code, heard.session().in_transaction), (&b""[..], None, true));
}

#[test]
fn without_the_servers_direction_nothing_waits() {
    let talk = Talk::new(
        &[
            super::HELLO,
            super::MAIL,
            "
        C: DATA
        S: 354 go
        C: Subject: x\\r\\n\\r\\nHELP\\r\\n.
        S: 250 ok
        C: QUIT
    ",
        ]
        .concat(),
    )
    .without(CLIENT.other());
    assert_heard(
        &talk.events(),
        "
        C EHLO me
        C MAIL FROM:<a@b>
        C RCPT TO:<c@d>
        C DATA
        D 20 in 3 dot
        C QUIT
        ",
    );
    let heard = talk.run();
    assert_eq!(heard.session().transactions[0].rcpt_to, [(b"c@d".to_vec(), None)]);
    assert!(!heard.session().server_heard);
}

#[test]
fn a_reply_to_the_clients_fin_answers_nothing() {
    assert_after_hello("C: NOOP\nS: 250 ok\nC.\nS: 554 you went", "C NOOP\nR 250 NOOP\nR 554 nothing");
    // One that was sent before it had come is one too many.
    assert_after_hello("C: NOOP\nS: 250 ok\nC.\ns: 554 what", "C NOOP\nR 250 NOOP\nR 554 unsolicited");
    // What was asked before the FIN is answered behind it.
    assert_after_hello("C: NOOP\nC.\nS: 250 ok", "C NOOP\nR 250 NOOP");
}
