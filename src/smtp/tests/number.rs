//! What the number of replies proves: where a message ended, and whether a refused chunk's octets were data.

use super::{HELLO, MAIL, Talk, assert_after_mail, assert_events};

#[test]
fn a_mail_that_was_taken_before_its_end_ended_at_a_candidate_whatever_the_lines_behind_it_got() {
    // All in one flight (Postfix 3.7.11): the reply had seen more than the candidate, and HELP got what any line can get.
    assert_after_mail(
        "
        C: DATA
        S: 354 go
        C: text\\r\\n.\\r\\r\\nHELP
        S: 250 queued\\r\\n500 what
        C: QUIT
        S: 221 bye
        ",
        "
        C DATA
        R 354 DATA
        F BareCrInData
        D 6 in 1 smuggled CRLF.CRCRLF
        C HELP [behind 1]
        R 250 message DATA
        R 500 HELP
        C QUIT
        R 221 QUIT
        ",
    );
}

#[test]
fn lines_that_a_server_drops_behind_an_end_are_no_commands() {
    // One reply too few for the line behind the candidate (chasquid).
    let heard = Talk::new(
        &[HELLO, MAIL, "C: DATA\nS: 354 go\nC: text\\r\\n.\\nHELP\nS: 250 queued\nC: QUIT\nS: 221 bye"].concat(),
    )
    .run();
    assert!(!heard.lines.iter().any(|line| line.starts_with("C HELP")), "{:?}", heard.lines);
}

#[test]
fn a_refusal_in_the_middle_and_one_more_at_the_end_is_no_other_end() {
    assert_after_mail(
        "
        C: DATA
        S: 354 go
        C> text\\r\\n.\\nmore\\r\\n
        S: 452 later
        C: .
        S: 452 later
        C: QUIT
        S: 221 bye
        ",
        "
        C DATA
        R 354 DATA
        R 452 message DATA
        F BareLfInData
        D 14 in 3 refused
        R 452 message DATA
        C QUIT
        R 221 QUIT
        ",
    );
}

#[test]
fn a_mail_that_was_refused_before_any_end_and_went_on_as_commands_ended_there() {
    // Without a CRLF.CRLF no second reply was due (OpenSMTPD 6.8).
    assert_after_mail(
        "
        C: DATA
        S: 354 go
        C> text\\r\\n.\\n
        S: 550 no
        C: NOOP
        S: 250 ok
        C: QUIT
        S: 221 bye
        ",
        "
        C DATA
        R 354 DATA
        F BareLfInData
        D 6 in 1 smuggled CRLF.LF
        R 550 message DATA
        C NOOP
        R 250 NOOP
        C QUIT
        R 221 QUIT
        ",
    );
}

#[test]
fn of_several_candidates_the_first_that_explains_all_replies_is_the_end() {
    // Two in one flight: taken at the first, FOO and the second dot are lines.
    assert_after_mail(
        "
        C: DATA
        S: 354 go
        C: text\\r\\n.\\nFOO\\n.\\r\\nNOOP
        S: 250 queued\\r\\n500 what\\r\\n500 what\\r\\n250 ok
        C: QUIT
        S: 221 bye
        ",
        "
        C DATA
        R 354 DATA
        F BareLfInData
        D 6 in 1 smuggled CRLF.LF
        C FOO [lf, behind 1]
        C . [behind 2]
        C NOOP [behind 3]
        R 250 message DATA
        R 500 FOO
        R 500 -
        R 250 NOOP
        C QUIT
        R 221 QUIT
        ",
    );
}

#[test]
fn who_does_not_know_bdat_knows_of_no_octets() {
    // The chunk ends inside a line: executed and swallowed, one line gets one reply.
    for (code, text) in
        [(500, "unrecognized"), (502, "not implemented"), (503, "BDAT used when CHUNKING not advertised")]
    {
        assert_events(
            &format!(
                "S: 220 mx\nC: HELO me\nS: 250 mx\nC: BDAT 1 LAST\nS: {code} {text}\nC: xNOOP\nS: 500 what\nC: QUIT\nS: 221 bye"
            ),
            &format!(
                "greeting 220 mx\nC HELO me\nR 250 HELO\nC BDAT 1 LAST\nR {code} BDAT\nC XNOOP\nR 500 XNOOP\nC QUIT\nR 221 QUIT"
            ),
        );
    }
}

#[test]
fn a_chunk_behind_one_that_was_refused_is_what_its_own_reply_says() {
    // Exim reads no BDAT where a tab follows it; the next one it takes.
    assert_after_mail(
        "
        C: BDAT\\t8 LAST
        S: 500 unrecognized
        C: BDAT 6 LAST
        C: HELP
        S: 250 queued
        C: QUIT
        S: 221 bye
        ",
        "
        C BDAT 8 LAST
        R 500 BDAT
        C BDAT 6 LAST
        D 6 in 1 chunk last
        R 250 message BDAT
        C QUIT
        R 221 QUIT
        ",
    );
}

#[test]
fn a_recipient_that_is_taken_behind_a_refused_chunk_resumes_its_transaction() {
    let talk = "
        C: BDAT 6 LAST\\r\\nHELP
        S: 503 no valid recipient
        C: MAIL FROM:<a@b>
        S: 503 sender already given
        C: RCPT TO:<e@f>
        S: 250 ok
        C: DATA
        S: 354 go
        C: x\\r\\n.
        S: 250 queued
        C: QUIT
        S: 221 bye
        ";
    let heard = Talk::new(&[HELLO, "C: MAIL FROM:<a@b>\nS: 250 ok\n", talk].concat()).run();
    let codes: Vec<_> = heard.session().transactions.iter().map(|transaction| transaction.code).collect();
    assert_eq!(codes, [Some(250)]);
}
