//! Message data, chunks and where they end.

use super::{
    HELLO, HELLO_EVENTS, MAIL, Talk, assert_after_hello, assert_after_mail, assert_events, assert_heard, events,
};

#[test]
fn only_354_opens_message_data() {
    assert_after_hello(
        "
        C: DATA\\r\\nHELP\\r\\n.\\r\\nQUIT
        S: 503 no mail\\r\\n214 help\\r\\n500 what\\r\\n221 bye
        ",
        "
        C DATA
        R 503 DATA
        C HELP [behind 1, last DATA]
        C . [behind 2, last DATA]
        C QUIT [behind 3, last DATA]
        R 214 HELP
        R 500 -
        R 221 QUIT
        ",
    );
}

#[test]
fn message_data_in_the_flight_of_data_is_held_and_told_as_early() {
    assert_after_mail(
        "
        C: DATA\\r\\nHELP\\r\\n.\\r\\nQUIT
        S: 354 go\\r\\n250 ok\\r\\n221 bye
        ",
        "
        C DATA
        R 354 DATA
        D 6 in 1 dot early
        C QUIT [behind 2, last DATA]
        R 250 message DATA
        R 221 QUIT
        ",
    );
}

#[test]
fn a_message_of_nothing_but_the_dot_is_empty() {
    assert_after_mail(
        "
        C: DATA
        S: 354 go
        C: .
        S: 250 ok
        ",
        "
        C DATA
        R 354 DATA
        D 0 in 0 dot
        R 250 message DATA
        ",
    );
}

#[test]
fn a_session_without_any_crlf_ends_data_at_lf_dot_lf() {
    assert_events(
        "
        S: 220 mx
        C> HELO me\\n
        S: 250 mx
        C> MAIL FROM:<a@b>\\n
        S: 250 ok
        C> RCPT TO:<c@d>\\n
        S: 250 ok
        C> DATA\\n
        S: 354 go
        C> Subject: x\\n\\nbody\\n.\\n
        S: 250 queued
        C> QUIT\\n
        S: 221 bye
        ",
        "
        greeting 220 mx
        C HELO me [lf]
        R 250 HELO
        C MAIL FROM:<a@b> [lf]
        R 250 MAIL
        C RCPT TO:<c@d> [lf]
        R 250 RCPT
        C DATA [lf]
        R 354 DATA
        F BareLfInData
        D 17 in 3 dot
        R 250 message DATA
        C QUIT [lf]
        R 221 QUIT
        ",
    );
}

/// Each kind of lone dot but CRLF.CRLF, as it stands in a message, and its name.
const DOTS: [(&str, &str); 8] = [
    ("\\n.\\n", "LF.LF"),
    ("\\n.\\r\\n", "LF.CRLF"),
    ("\\r\\n.\\n", "CRLF.LF"),
    ("\\r.\\r", "CR.CR"),
    ("\\r.\\r\\n", "CR.CRLF"),
    ("\\r.\\n", "CR.LF"),
    ("\\n.\\r", "LF.CR"),
    ("\\r\\n.\\r", "CRLF.CR"),
];

#[test]
fn a_server_that_ends_data_at_another_dot_was_smuggled_to() {
    for (dot, name) in DOTS {
        let talk = Talk::new(
            &[
                HELLO,
                MAIL,
                &format!(
                    "
                C: DATA
                S: 354 go
                C: Subject: x\\r\\n\\r\\nfirst{dot}MAIL FROM:<evil@b>\\r\\nRCPT TO:<c@d>\\r\\nDATA\\r\\nsecond\\r\\n.
                S: 250 queued
                s: 250 ok
                s: 250 ok
                s: 354 go
                s: 250 queued
                C: QUIT
                S: 221 bye
                "
                ),
            ]
            .concat(),
        );
        let heard = talk.run();
        let seconds = heard.lines.iter().position(|line| line.starts_with("D ")).unwrap();
        assert!(heard.lines[seconds].contains(&format!("smuggled {name}")), "{dot}: {:?}", heard.lines);
        assert_heard(
            &heard.lines[seconds + 1..],
            "
            C MAIL FROM:<evil@b> [behind 1]
            C RCPT TO:<c@d> [behind 2]
            C DATA [behind 3]
            R 250 message DATA
            R 250 MAIL
            R 250 RCPT
            R 354 DATA
            D 8 in 1 dot early
            R 250 message DATA
            C QUIT
            R 221 QUIT
            ",
        );
        let [first, second] = heard.session().transactions.as_slice() else { panic!() };
        assert_eq!((first.smuggled, second.smuggled, second.mail_from.as_slice()), (false, true, &b"evil@b"[..]));
    }
}

#[test]
fn a_server_that_does_not_end_data_at_another_dot_keeps_the_strict_reading() {
    for (dot, _) in DOTS {
        let heard = Talk::new(
            &[
                HELLO,
                MAIL,
                &format!(
                    "
                C: DATA
                S: 354 go
                C: first{dot}MAIL FROM:<evil@b>\\r\\n.
                S: 250 queued
                C: QUIT
                S: 221 bye
                "
                ),
            ]
            .concat(),
        )
        .run();
        let data = heard.lines.iter().position(|line| line.starts_with("D ")).unwrap();
        assert!(heard.lines[data].ends_with(" dot"), "{dot}: {:?}", heard.lines);
        assert_heard(&heard.lines[data + 1..], "R 250 message DATA\nC QUIT\nR 221 QUIT");
    }
}

#[test]
fn a_reply_that_has_seen_the_candidate_but_no_end_and_one_that_only_a_command_gets_prove_it() {
    // The client waits for the reply to its first dot before it goes on.
    assert_after_mail(
        "
        C: DATA
        S: 354 go
        C> first\\r\\n.\\n
        S: 250 queued
        C: NOOP
        S: 250 ok
        C: QUIT
        S: 221 bye
        ",
        "
        C DATA
        R 354 DATA
        F BareLfInData
        D 7 in 1 smuggled CRLF.LF
        R 250 message DATA
        C NOOP
        R 250 NOOP
        C QUIT
        R 221 QUIT
        ",
    );
}

#[test]
fn of_several_candidates_the_one_that_explains_the_replies_is_taken() {
    assert_after_mail(
        "
        C: DATA
        S: 354 go
        C: a\\r.\\rthis is text\\n.\\nHELP\\r\\nNOOP\\r\\nx\\r\\n.
        S: 250 queued\\r\\n214 help\\r\\n250 noop\\r\\n500 x\\r\\n500 dot
        C: QUIT
        S: 221 bye
        ",
        "
        C DATA
        R 354 DATA
        F BareLfInData
        F BareCrInData
        D 17 in 1 smuggled LF.LF
        C HELP [behind 1]
        C NOOP [behind 2]
        C X [behind 3, last NOOP]
        C . [behind 4, last NOOP]
        R 250 message DATA
        R 214 HELP
        R 250 NOOP
        R 500 X
        R 500 -
        C QUIT
        R 221 QUIT
        ",
    );
}

#[test]
fn a_candidate_is_strict_where_the_session_ends_or_more_than_64_kib_follow() {
    let begin = [HELLO, MAIL, "C: DATA\nS: 354 go\nC> a\\n.\\nRSET\\r\\n\n"].concat();
    let ends = Talk::new(&begin).events();
    assert_heard(&ends[ends.len() - 2..], "F BareLfInData\nD 10 in 3 unfinished");
    let long = format!("C: {}\nC: .\nS: 250 ok\nC: QUIT\nS: 221 bye", "x".repeat(70_000));
    let heard = Talk::new(&[&begin, &*long].concat()).run();
    assert_heard(
        &heard.lines[heard.lines.len() - 5..],
        "
        F BareLfInData
        D 70012 in 4 dot
        R 250 message DATA
        C QUIT
        R 221 QUIT
        ",
    );
    assert!(heard.most_held < 140_000, "{}", heard.most_held);
}

#[test]
fn a_reply_in_the_middle_of_message_data_answers_it() {
    assert_after_mail(
        "
        C: DATA
        S: 354 go
        C: a\\nb
        S: 421 4.5.0 Bare linefeed (LF) not allowed
        S.
        ",
        "
        C DATA
        R 354 DATA
        R 421 message DATA
        F BareLfInData
        D 5 in 2 refused
        ",
    );
}

#[test]
fn a_chunk_is_octets_where_chunking_was_offered() {
    assert_after_mail(
        "
        C: BDAT 20\\r\\nHELP\\r\\n.\\r\\nMAIL FROM:<BDAT 6 LAST\\r\\nQUIT\\r\\nQUIT
        S: 250 ok\\r\\n250 queued\\r\\n221 bye
        ",
        "
        C BDAT 20
        D 20 in 2 chunk
        C BDAT 6 LAST [behind 1]
        D 6 in 1 chunk last
        C QUIT [behind 2]
        R 250 message BDAT
        R 250 message BDAT
        R 221 QUIT
        ",
    );
}

#[test]
fn a_refused_chunk_is_octets_all_the_same() {
    assert_after_hello(
        "
        C: BDAT 6 LAST\\r\\nHELP\\r\\nQUIT
        S: 503 no\\r\\n221 bye
        ",
        "
        C BDAT 6 LAST
        D 6 in 1 chunk last
        C QUIT [behind 1]
        R 503 message BDAT
        R 221 QUIT
        ",
    );
}

#[test]
fn without_chunking_a_chunk_is_command_lines() {
    assert_events(
        &[
            "S: 220 mx\nC: EHLO me\nS: 250-mx\\r\\n250 HELP\n",
            MAIL,
            "
        C: BDAT 6 LAST\\r\\nHELP\\r\\nQUIT
        S: 500 what\\r\\n214 help\\r\\n221 bye
        ",
        ]
        .concat(),
        &[
            HELLO_EVENTS,
            super::MAIL_EVENTS,
            "
        C BDAT 6 LAST
        C HELP [behind 1]
        C QUIT [behind 2]
        R 500 BDAT
        R 214 HELP
        R 221 QUIT
        ",
        ]
        .concat(),
    );
}

#[test]
fn an_ehlo_that_is_not_answered_yet_decides_what_a_chunk_is() {
    for (offered, expected) in [
        (
            "250-mx\\r\\n250 CHUNKING",
            "C EHLO me\nC BDAT 6 LAST [behind 1, last EHLO]\nD 6 in 1 chunk last\nR 250 EHLO\nR 503 message BDAT",
        ),
        (
            "250-mx\\r\\n250 HELP",
            "C EHLO me\nC BDAT 6 LAST [behind 1, last EHLO]\nC HELP [behind 2, last EHLO]\nR 250 EHLO\nR 503 BDAT",
        ),
    ] {
        assert_events(
            &format!("S: 220 mx\nC: EHLO me\\r\\nBDAT 6 LAST\\r\\nHELP\nS: {offered}\ns: 503 no"),
            &format!("greeting 220 mx\n{expected}"),
        );
    }
}

#[test]
fn an_empty_last_chunk_ends_the_message() {
    let heard =
        Talk::new(&[HELLO, MAIL, "C: BDAT 3\\r\\nx\\r\\nBDAT 0 LAST\nS: 250 ok\\r\\n250 queued"].concat()).run();
    assert_heard(
        &heard.lines[heard.lines.len() - 6..],
        "
        C BDAT 3
        D 3 in 1 chunk
        C BDAT 0 LAST [behind 1]
        D 0 in 0 chunk last
        R 250 message BDAT
        R 250 message BDAT
        ",
    );
    let [transaction] = heard.session().transactions.as_slice() else { panic!() };
    assert_eq!((transaction.data_bytes, transaction.code), (3, Some(250)));
    assert!(!heard.session().in_transaction);
}

#[test]
fn xexch50_is_octets_after_354_only() {
    assert_after_mail(
        "
        C: XEXCH50 6 2
        S: 354 go
        C: HELP\\r\\nQUIT
        S: 250 ok\\r\\n221 bye
        ",
        "
        C XEXCH50 6 2
        R 354 XEXCH50
        D 6 in 1 chunk last
        C QUIT [behind 1]
        R 250 message XEXCH50
        R 221 QUIT
        ",
    );
    assert_after_mail(
        "
        C: XEXCH50 6 2\\r\\nHELP
        S: 500 no\\r\\n214 help
        ",
        "
        C XEXCH50 6 2
        R 500 XEXCH50
        C HELP [behind 1]
        R 214 HELP
        ",
    );
}

#[test]
fn an_xexch50_size_that_nobody_means_hides_nothing_behind_the_next_reply() {
    for size in ["-1", "4294967295"] {
        assert_after_mail(
            &format!(
                "
                C: XEXCH50 {size} 2
                S: 354 go
                C: blob
                S: 500 no
                C: HELP
                S: 214 help
                "
            ),
            &format!(
                "
                C XEXCH50 {size} 2
                R 354 XEXCH50
                D 6 in 1 chunk last
                R 500 message XEXCH50
                C HELP
                R 214 HELP
                "
            ),
        );
    }
}

#[test]
fn a_smuggled_mail_of_more_than_64_kib_is_still_found_out() {
    let long = format!("C> {}\n", "y".repeat(1000) + "\\r\\n").repeat(100);
    let heard = Talk::new(
        &[
            HELLO,
            MAIL,
            "C: DATA\nS: 354 go\nC: first\\n.\\nMAIL FROM:<evil@b>\\r\\nRCPT TO:<c@d>\\r\\nDATA\n",
            &long,
            "c: .\nS: 250 queued\ns: 250 ok\ns: 250 ok\ns: 354 go\ns: 250 queued\nC: QUIT\nS: 221 bye",
        ]
        .concat(),
    )
    .run();
    let data = heard.lines.iter().position(|line| line.starts_with("D ")).unwrap();
    assert_heard(
        &heard.lines[data..],
        "
        D 6 in 1 smuggled LF.LF
        C MAIL FROM:<evil@b> [behind 1]
        C RCPT TO:<c@d> [behind 2]
        C DATA [behind 3]
        R 250 message DATA
        R 250 MAIL
        R 250 RCPT
        R 354 DATA
        D 60124 in 61 dot early uncertain
        R 250 message DATA
        C QUIT
        R 221 QUIT
        ",
    );
    assert!(heard.most_held < 3 * (64 << 10), "{}", heard.most_held);
}

#[test]
fn a_refused_message_that_goes_on_is_told_once() {
    let begin = "C: DATA\nS: 354 go\nC: a\\nb\nS: 451 Bare line-feed\n";
    let told = "C DATA\nR 354 DATA\nR 451 message DATA\nF BareLfInData\nD 5 in 2 refused\n";
    assert_after_mail(&[begin, "C: c\\r\\n.\nC: QUIT\nS: 221 bye"].concat(), &[told, "C QUIT\nR 221 QUIT"].concat());
    // The client knows, and goes on with commands: they stand alone and have replies of their own.
    assert_after_mail(
        &[begin, "C: RSET\nS: 250 ok\nC: QUIT\nS: 221 bye"].concat(),
        &[told, "C RSET [uncertain]\nR 250 RSET uncertain\nC QUIT\nR 221 QUIT"].concat(),
    );
    // A line of text alone gets none, however it looks: the message goes on.
    assert_after_mail(
        &[begin, "C: HELP\nc: QUIT\r\\n.\nC: NOOP\nS: 250 ok"].concat().replace("\r\\n", "\\r\\n"),
        &[told, "C NOOP\nR 250 NOOP"].concat(),
    );
    // A server that takes the rest for commands answers it: where it is then shows a line in strict form.
    assert_after_mail(
        &[begin, "C: c\nS: 500 what\nC: d\nS: 500 what\nC: MAIL FROM:<a@b>\nS: 250 ok"].concat(),
        &[told, "R 500 unknown\nR 500 unknown\nC MAIL FROM:<a@b>\nR 250 MAIL"].concat(),
    );
}

#[test]
fn what_was_sent_before_the_refusal_was_known_is_of_the_message_whichever_came_first() {
    let sorted = |text: &str| {
        let mut lines = events(&[HELLO, MAIL, "C: DATA\nS: 354 go\n", text].concat());
        lines.sort();
        lines
    };
    // The position that the server had seen when it refused: behind the first line of the message.
    let refused_first = |rest: &str| sorted(&["C: a\nS: 451 no\n", rest].concat());
    let refused_last = |rest: &str| {
        let text = [HELLO, MAIL, "C: DATA\nS: 354 go\nC: a\n", rest, "\nS: 451 no"].concat();
        let mut talk = Talk::new(&text);
        let place = text.lines().count() - 1;
        let seen = text.lines().filter(|line| line.starts_with('C')).map(|line| line.len() as u64 - 1).sum();
        talk.see(place, seen);
        let mut lines = talk.events();
        lines.sort();
        lines
    };
    assert_eq!(refused_first("c: b"), refused_last("c: b"));
    assert_eq!(refused_first("c> b\\r\\n.\\r\\n"), refused_last("c> b\\r\\n.\\r\\n"));
}

#[test]
fn data_that_no_reply_and_no_byte_followed_gives_no_message() {
    assert_after_mail("C: DATA\nS: 421 closing\nS.\nC.", "C DATA\nR 421 DATA");
    assert_after_mail(
        "C: RCPT TO:<e@f>\nc: DATA\nS: 554 too many errors\nS.\nC.",
        "C RCPT TO:<e@f>\nC DATA [behind 1]\nR 554 RCPT",
    );
    assert_after_mail("C: DATA\nc: x\nC.", "C DATA\nD 3 in 1 unfinished");
}

#[test]
fn a_malformed_bdat_announces_no_chunk() {
    for malformed in ["SCRAMBLE", "", "x6 LAST", "-6"] {
        let events = events(&[HELLO, MAIL, &format!("C: BDAT {malformed}\nS: 521 no\nC: QUIT\nS: 221 bye")].concat());
        let expected = ["R 521 BDAT", "C QUIT", "R 221 QUIT"];
        assert_eq!(events[events.len() - 3..], expected, "{malformed}");
    }
}

#[test]
fn choices_that_are_not_left_to_the_evidence_any_more_are_counted() {
    let mail = "C: DATA\nS: 354 go\nC: a\\n.\\nb\\r\\n.\nS: 250 ok\n";
    let heard = Talk::new(&[HELLO, &mail.repeat(67)].concat()).run();
    assert_eq!(heard.tally.get("choices"), 3);
}

#[test]
fn message_data_whose_354_never_came_is_read_at_the_end() {
    assert_after_mail(
        "C: DATA\\r\\nHELP\\n.\\nx\\r\\n.\\r\\nQUIT",
        "C DATA\nF BareLfInData\nD 10 in 3 dot\nC QUIT [behind 2, last DATA]",
    );
}

#[test]
fn a_choice_in_bytes_that_a_reply_set_free_is_decided_by_the_replies_behind_it() {
    // All of the server's replies come in one packet.
    assert_after_mail(
        "
        C: DATA\\r\\na\\n.\\nHELP\\r\\n.
        S: 354 go\\r\\n250 queued\\r\\n214 help\\r\\n500 dot
        C: QUIT
        S: 221 bye
        ",
        "
        C DATA
        R 354 DATA
        F BareLfInData
        D 2 in 1 smuggled LF.LF early
        C HELP [behind 2, last DATA]
        C . [behind 3, last DATA]
        R 250 message DATA
        R 214 HELP
        R 500 -
        C QUIT
        R 221 QUIT
        ",
    );
}
