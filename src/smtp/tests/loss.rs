//! Gaps, sessions picked up midway, limits.

use super::{CLIENT, HELLO, HELLO_EVENTS, MAIL, Talk, assert_after_hello, assert_after_mail, assert_heard};
use crate::base::Limit;

#[test]
fn after_a_gap_commands_resume_at_the_first_line_in_strict_form_that_gets_a_reply() {
    assert_after_hello(
        "
        C> NOO
        C- 10
        C: this could be message text
        C: HELP
        S: 250 ok
        C: MAIL FROM:<a@b>
        S: 250 ok
        C: HELP
        S: 214 help
        ",
        "
        C NOO [cut, uncertain]
        R 250 unknown
        C MAIL FROM:<a@b>
        R 250 MAIL
        C HELP
        R 214 HELP
        ",
    );
}

#[test]
fn a_line_in_strict_form_that_gets_no_reply_stays_uncertain() {
    assert_after_hello("C- 10\nC: MAIL FROM:<a@b>\nC: HELP", "C MAIL FROM:<a@b> [uncertain]");
}

#[test]
fn a_line_that_alone_gets_a_reply_of_its_own_is_a_command_though_not_a_sure_one() {
    assert_after_hello(
        "
        C- 6
        S: 250 ok
        C: HELP
        S: 214 help
        C: X-UNKNOWN x
        S: 500 what
        C: RSET
        S: 250 ok
        C: HELP
        S: 214 help
        ",
        "
        R 250 unknown
        C HELP [uncertain]
        R 214 HELP uncertain
        C X-UNKNOWN x [uncertain]
        R 500 X-UNKNOWN uncertain
        C RSET [uncertain]
        R 250 RSET uncertain
        C HELP
        R 214 HELP
        ",
    );
}

#[test]
fn message_text_behind_a_gap_is_never_told() {
    for text in [
        // Several lines, of which the last one looks like a command.
        "C- 6\nS: 250 ok\nC: some text\\r\\nHELP\nS: 250 queued",
        // One alone, but the dot behind it is in the reply's sight.
        "C- 6\nS: 250 ok\nC: HELP\nc: .\nS: 250 queued",
        "C- 6\nS: 250 ok\nC: HELP\nC- 3\nS: 250 queued",
        // The rest of a chunk: such a reply is no proof directly behind what was lost.
        "C- 600\nC: NOOP\nS: 250 queued",
        // A line of an exchange.
        "C- 12\nS: 334 VXNlcm5hbWU6\nC: XGh1bnRlcjIy\nS: 235 ok",
        "C- 12\nC: XGh1bnRlcjIy\nS: 535 no",
        // The client had not waited for all that the server said.
        "C- 6\nS: 250 ok\ns: 250 ok\nc: NOOP\nS: 250 ok",
    ] {
        let heard = Talk::new(&[HELLO, text].concat()).run();
        assert!(!heard.lines.iter().skip(3).any(|line| line.starts_with("C ")), "{text}: {:?}", heard.lines);
    }
}

#[test]
fn a_command_that_opens_something_opens_it_behind_a_gap_too() {
    assert_after_hello(
        "
        C- 6
        S: 250 ok
        C: DATA
        S: 354 go
        C: HELP\\r\\n.
        S: 250 queued
        C: HELP
        S: 214 help
        ",
        "
        R 250 unknown
        C DATA [uncertain]
        R 354 DATA uncertain
        D 6 in 1 dot uncertain
        R 250 message DATA uncertain
        C HELP
        R 214 HELP
        ",
    );
    let text = "C- 6\nS: 250 ok\nC: AUTH LOGIN\nS: 334 VXNlcm5hbWU6\nC: QUIT\nS: 535 no";
    let heard = Talk::new(&[HELLO, text].concat()).run();
    assert_eq!(
        heard.lines[4..],
        ["C AUTH LOGIN [uncertain]", "R 334 AUTH uncertain", "C <redacted> [exchange]", "R 535 exchange"]
    );
    let text = "C- 6\nS: 250 ok\nC: STARTTLS\nS: 220 go\nC: HELP\nS: 214 help";
    let heard = Talk::new(&[HELLO, text].concat()).run();
    assert_eq!(heard.lines[4..6], ["C STARTTLS [uncertain]", "R 220 STARTTLS uncertain"]);
    assert!(!heard.lines.iter().any(|line| line.starts_with('T')), "{:?}", heard.lines);
}

#[test]
fn a_message_whose_command_was_lost_waits_for_its_reply_and_then_all_is_known() {
    assert_after_hello(
        "
        C- 6
        S: 354 go
        C: HELP\\r\\n.\\r\\nNOOP\\r\\nQUIT
        S: 250 queued\\r\\n250 ok\\r\\n221 bye
        ",
        "
        R 354 unknown
        D 6 in 1 dot uncertain
        R 250 unknown
        C NOOP
        C QUIT
        R 250 NOOP
        R 221 QUIT
        ",
    );
}

#[test]
fn after_the_loss_of_an_ehlo_reply_a_chunk_waits_though_the_matching_is_sure_again() {
    let text = "S: 220 mx\nC: EHLO me\nS- 30\nC: NOOP\nS: 250 ok\nC: BDAT 6 LAST\nc: HELP\nS: 250 ok";
    assert_heard(
        &Talk::new(text).events(),
        "
        greeting 220 mx
        C EHLO me
        C NOOP
        R 250 NOOP
        C BDAT 6 LAST
        D 6 in 1 chunk last
        R 250 message BDAT
        ",
    );
}

#[test]
fn a_session_picked_up_midway_has_no_greeting() {
    let talk = Talk::new(
        "
        S: 250 ok
        C: some text
        C: RCPT TO:<c@d>
        S: 250 ok
        C: DATA
        S: 354 go
        C: x\\r\\n.
        S: 250 queued
        ",
    )
    .midway();
    assert_heard(
        &talk.events(),
        "
        R 250 unknown
        C RCPT TO:<c@d>
        R 250 RCPT
        C DATA
        R 354 DATA
        D 3 in 1 dot
        R 250 message DATA
        ",
    );
}

#[test]
fn a_354_without_its_command_means_message_data() {
    let talk = Talk::new(
        "
        S: 354 go
        C: MAIL FROM:<text@b>\\r\\nmore
        C: .
        S: 250 queued
        C: MAIL FROM:<a@b>
        S: 250 ok
        ",
    )
    .midway();
    assert_heard(
        &talk.events(),
        "
        R 354 unknown
        D 26 in 2 dot uncertain
        R 250 unknown
        C MAIL FROM:<a@b>
        R 250 MAIL
        ",
    );
}

#[test]
fn the_end_of_message_data_is_searched_behind_a_gap() {
    assert_after_mail(
        "
        C: DATA
        S: 354 go
        C: Subject: x
        C- 100
        C: .
        C: text\\r\\n.
        S: 250 queued
        C: QUIT
        S: 221 bye
        ",
        "
        C DATA
        R 354 DATA
        D 21 in 3 dot uncertain
        R 250 message DATA
        C QUIT
        R 221 QUIT
        ",
    );
}

#[test]
fn the_final_reply_tells_that_the_end_lies_in_the_gap() {
    assert_after_mail(
        "
        C: DATA
        S: 354 go
        C: Subject: x
        C- 100
        S: 250 queued
        C: QUIT
        S: 221 bye
        C: MAIL FROM:<a@b>
        S: 250 ok
        ",
        "
        C DATA
        R 354 DATA
        D 12 in 1 unfinished uncertain
        R 250 message DATA
        C QUIT [uncertain]
        R 221 QUIT uncertain
        C MAIL FROM:<a@b>
        R 250 MAIL
        ",
    );
}

#[test]
fn a_gap_inside_a_chunk_counts_against_its_size() {
    assert_after_mail(
        "
        C: BDAT 20 LAST
        c> 0123456789
        C- 8
        c: \\r\\nQUIT
        S: 250 queued
        s: 221 bye
        "
        .replace("c: \\r\\nQUIT", "c> \\r\\nQUIT\\r\\n")
        .as_str(),
        "
        C BDAT 20 LAST
        D 12 in 1 chunk last uncertain
        C QUIT
        R 250 message BDAT
        R 221 QUIT
        ",
    );
    // A gap that reaches beyond the chunk loses the client.
    assert_after_mail(
        "
        C: BDAT 20 LAST
        c> 0123456789
        C- 30
        c: HELP
        S: 250 queued
        C: MAIL FROM:<a@b>
        S: 250 ok
        ",
        "
        C BDAT 20 LAST
        D 10 in 0 chunk last uncertain
        R 250 message BDAT
        C MAIL FROM:<a@b>
        R 250 MAIL
        ",
    );
}

#[test]
fn checks_of_sequence_rest_after_loss_until_a_fresh_start() {
    let rests = |text: &str| Talk::new(&[HELLO, text].concat()).run().session().doubt.rests();
    assert!(!rests("C: NOOP\nS: 250 ok"));
    assert!(rests("C: NOOP\nS- 10\nC: NOOP\nS: 250 ok"));
    assert!(!rests("C: NOOP\nS- 10\nC: RSET\nS: 250 ok"));
    assert!(rests("C- 10\nC: RCPT TO:<c@d>\nS: 250 ok"));
    assert!(!rests("C- 10\nC: MAIL FROM:<a@b>\nS: 250 ok"));
    assert!(Talk::new("C: NOOP\nS: 250 ok").midway().run().session().doubt.rests());
}

#[test]
fn envelope_state_is_not_carried_over_a_gap() {
    let heard = Talk::new(&[HELLO, MAIL, "C- 10"].concat()).run();
    assert!(!heard.session().in_transaction);
}

#[test]
fn after_a_gap_in_the_servers_bytes_replies_match_once_the_client_waits() {
    assert_after_hello(
        "
        C: NOOP\\r\\nRSET
        S- 10
        S: 250 ok
        C: HELP
        S: 214 help
        ",
        "
        C NOOP
        C RSET [behind 1, last NOOP]
        R 250 unknown
        C HELP
        R 214 HELP
        ",
    );
    // Two commands open: which one the reply answers cannot be told.
    assert_after_hello(
        "
        C: NOOP
        S- 10
        C: HELP\\r\\nNOOP
        S: 250 ok
        s: 214 help
        C: QUIT
        S: 221 bye
        ",
        "
        C NOOP
        C HELP
        C NOOP
        R 250 unknown
        R 214 unknown
        C QUIT
        R 221 QUIT
        ",
    );
}

#[test]
fn where_the_reply_lies_in_a_gap_the_command_counts_as_accepted() {
    assert_after_mail(
        "
        C: DATA
        S- 10
        C: HELP\\r\\n.
        S: 250 queued
        ",
        "
        C DATA
        D 6 in 1 dot
        R 250 message DATA
        ",
    );
    // Unless the first line behind it is a command in strict form.
    assert_after_mail(
        "
        C: DATA
        S- 10
        C: MAIL FROM:<a@b>
        S: 250 ok
        ",
        "
        C DATA
        C MAIL FROM:<a@b>
        R 250 MAIL
        ",
    );
}

#[test]
fn a_chunk_whose_ehlo_reply_was_not_captured_waits_for_its_own() {
    let begin = "S: 220 mx\nC: EHLO me\nS- 30\nC: BDAT 6 LAST\\r\\nHELP\n";
    let accepted = Talk::new(&[begin, "S: 250 ok\nC: QUIT\nS: 221 bye"].concat()).events();
    assert_heard(
        &accepted,
        "
        greeting 220 mx
        C EHLO me
        C BDAT 6 LAST
        D 6 in 1 chunk last
        R 250 message BDAT
        C QUIT
        R 221 QUIT
        ",
    );
    let refused = Talk::new(&[begin, "S: 500 what\ns: 214 help"].concat()).events();
    assert_heard(
        &refused,
        "
        greeting 220 mx
        C EHLO me
        C BDAT 6 LAST
        C HELP
        R 500 BDAT
        R 214 HELP
        ",
    );
}

#[test]
fn a_greeting_in_a_gap_is_none() {
    let heard = Talk::new("S- 10\nS: 220 rest\nC: HELP\nS: 214 help").run();
    assert_heard(&heard.lines, "R 220 unknown\nC HELP\nR 214 HELP");
    assert!(heard.session().greeting.is_none() && !heard.session().early_talk);
}

#[test]
fn a_reply_whose_last_line_is_missing_is_unfinished() {
    assert_after_hello(
        "
        C: EHLO again
        S: 250-mx
        S- 20
        C: HELP
        S: 214 help
        ",
        "
        C EHLO again
        R 250 unknown unfinished
        C HELP
        R 214 HELP
        ",
    );
    let heard = Talk::new(&[HELLO, "C: EHLO again\nS: 250-mx\nS- 20"].concat()).run();
    assert_eq!(heard.session().offers("HELP"), None);
}

#[test]
fn held_bytes_stay_below_their_limit() {
    let text = format!("C: DATA\nc: {}\nS: 354 go\nC: .\nS: 250 ok", "x".repeat(5000));
    let mut talk = Talk::new(&[HELLO, MAIL, &*text].concat());
    talk.limits.set(Limit::HeldBytesPerConnection, 4096);
    let heard = talk.run();
    assert!(heard.most_held < 8192, "{}", heard.most_held);
    assert_eq!(heard.tally.get("held_bytes_per_connection"), 1);
    assert_heard(
        &heard.lines,
        &[HELLO_EVENTS, super::MAIL_EVENTS, "C DATA\nR 354 DATA\nD 5002 in 1 dot\nR 250 message DATA"].concat(),
    );
}

#[test]
fn more_open_commands_than_the_limit_lose_the_matching_but_not_the_session() {
    let text = format!("{}S: 250 ok\nC: QUIT\nS: 221 bye", "c: RSET\n".repeat(20));
    let mut talk = Talk::new(&[HELLO, &*text].concat());
    talk.limits.set(Limit::PendingReplies, 8);
    let heard = talk.run();
    assert_eq!(heard.lines.last().unwrap(), "R 221 QUIT");
    assert!(heard.tally.get("pending_replies") > 0);
}

#[test]
fn recipients_reply_lines_and_transactions_have_limits() {
    let mail = "C: MAIL FROM:<a@b>\nS: 250 ok\n";
    let rcpt = "C: RCPT TO:<c@d>\nS: 250 ok\n".repeat(5);
    let text = [HELLO, &mail.repeat(4), &rcpt, "C: HELP\nS: 214-a\\r\\n214-b\\r\\n214-c\\r\\n214 d"].concat();
    let mut talk = Talk::new(&text);
    talk.limits.set(Limit::Transactions, 4);
    talk.limits.set(Limit::Recipients, 3);
    talk.limits.set(Limit::ReplyLines, 2);
    let heard = talk.run();
    assert_eq!(heard.session().transactions[3].rcpt_to.len(), 3);
    assert_eq!((heard.tally.get("recipients"), heard.tally.get("transactions")), (2, 0));
    assert_eq!(heard.tally.get("reply_lines"), 2, "EHLO's reply and HELP's");
    let many = Talk { limits: talk.limits.clone(), ..Talk::new(&[HELLO, &mail.repeat(6)].concat()) }.run();
    assert_eq!((many.session().transactions.len(), many.tally.get("transactions")), (4, 2));
}

#[test]
fn a_line_above_the_limit_is_kept_in_part_and_counted() {
    let mut talk = Talk::new(&format!("S: 220 mx\nC: NOOP {}\nS: 250 ok", "x".repeat(1000)));
    talk.limits.set(Limit::LineLength, 10);
    let heard = talk.run();
    assert_heard(&heard.lines, "greeting 220 mx\nC NOOP xxxxx\nR 250 NOOP");
    assert_eq!(heard.tally.get("line_length"), 1);
}

#[test]
fn without_the_clients_direction_replies_are_listed() {
    let talk = Talk::new("S: 220 mx\nC: EHLO me\nS: 250 mx\nC: QUIT\nS: 221 bye").without(CLIENT);
    assert_heard(&talk.events(), "greeting 220 mx\nR 250 unknown\nR 221 unknown");
}

#[test]
fn a_client_that_has_seen_what_was_never_captured_waits_for_nothing() {
    // The first write of a session picked up midway has, by the positions' beginning, seen nothing.
    let text = "C: DATA\nC: HELP\\r\\n.\nC: QUIT";
    let talk = Talk::new(&["S: 220 mx\n", text].concat());
    let mut steps = talk.without(CLIENT.other());
    steps.see(0, 0);
    steps.see(1, 40);
    steps.see(2, 80);
    assert_heard(&steps.events(), "C DATA\nD 6 in 1 dot\nC QUIT");
}

#[test]
fn each_gap_is_told_with_its_place() {
    let heard = Talk::new(
        "S: 220 mx\nC: EHLO a\nS- 9\nS: 250 mx\nC: DATA\nS: 354 go\nC: text\nC- 7\nC: more\\r\\n.\nS: 250 ok",
    )
    .run();
    let gaps: Vec<_> = heard.gaps.iter().map(|gap| (gap.side == heard.session().server_side, gap.length)).collect();
    assert_eq!(gaps, [(true, 9), (false, 7)]);
    assert_eq!((heard.session().missing_server, heard.session().missing_client), (9, 7));
}
