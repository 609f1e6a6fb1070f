//! Replies that a server gives early, late, twice, in part or not at all: matching finds back to what the codes say.

use std::fmt::Write as _;

use super::{Kind, Turn, ehlo, every_verb, greeting, help, mail, quit, rcpt, text, whole};
use crate::told::{all, holds};

const ANSWERED: &str = "help-exposed/answered";
const MALFORMED_REPLY: &str = "non-compliant/malformed-reply";
const UNSOLICITED: &str = "non-compliant/unsolicited-reply";

/// What a client said so far is answered though its line has no end yet.
#[test]
fn a_line_that_is_answered_before_its_end_costs_nothing() {
    let mut kind = Kind::new("answered before its end", 30);
    for (start, rest) in [
        ("\\x01\\x02", "\\r\\n"),
        ("\\x01", "\\x02\\r\\n"),
        ("\\0", "abc\\r\\n"),
        ("NOOP\\x07", "\\r\\n"),
        ("FOO \\x1b", "bar\\r\\n"),
        ("EHLO\\x01", " client.example.org\\r\\n"),
    ] {
        for _ in 0..6 {
            let mut turns = whole();
            let place = kind.rng.between(1, turns.len() - 1);
            let said = format!("C> {start}\nS: 500 5.5.2 Invalid command syntax\nC> {rest}\n@ +0s\n");
            turns.insert(place, Turn::new(said, &["*"], &[("*", 500)]));
            kind.claim(&format!("{start}|{rest} before turn {place}"), &turns, |told| {
                all([told.finds(ANSWERED), told.finds_no("unsolicited"), told.finds_no("pipelining")])
            });
        }
    }
    kind.hold();
}

#[test]
fn a_reply_to_the_clients_end_is_none_that_nobody_asked_for() {
    let mut kind = Kind::new("reply to FIN", 31);
    for line in
        ["421 4.4.2 timeout", "554 5.5.0 error reading command: EOF", "221 2.0.0 closing", "451 4.3.0 gone", "250 ok"]
    {
        for _ in 0..6 {
            let all_turns = whole();
            let place = kind.rng.between(1, all_turns.len() - 1);
            let said = format!("{}C FIN\nS: {line}\nS FIN\n", text(&all_turns[..place]));
            let asked = all_turns[..place].iter().any(|turn| turn.verbs.contains(&"HELP"));
            kind.only(&format!("{line} behind turn {place}"), &said, move |told| {
                told.finds_only(if asked { &[ANSWERED] } else { &[] })
            });
        }
    }
    // The look-alike: the same line to a client that did not close.
    for line in ["554 5.5.0 error", "250 ok"] {
        let mut turns = whole();
        let place = kind.rng.between(2, 8);
        turns.insert(
            place,
            Turn::new(format!("S: {line}\n@ +1s\n"), &[], &[("unsolicited", line[..3].parse().unwrap())]),
        );
        kind.found(&format!("{line} unasked before turn {place}"), &turns, &[ANSWERED, UNSOLICITED]);
    }
    kind.hold();
}

#[test]
fn commands_that_were_never_answered_cost_only_themselves() {
    let mut kind = Kind::new("unanswered", 32);
    for line in ["NOOP", "NOOP x", "RSET", "FOO", "VRFY b"] {
        let verb: &'static str = line.split(' ').next().unwrap();
        for count in 1..=3 {
            // Behind any turn but a mail's last, where a certain pair follows: a code that only its command can get.
            for place in [1, 2, 5, 6, 9, 10] {
                let mut turns = whole();
                let said = format!("C: {line}\n@ +2s\n");
                for _ in 0..count {
                    turns.insert(place, Turn::new(said.clone(), &[verb], &[]));
                }
                kind.claim(&format!("{count} times {line} before turn {place}"), &turns, |told| {
                    all([told.finds(ANSWERED), told.finds_no("unsolicited"), told.no_command("body@example.org")])
                });
            }
        }
    }
    kind.hold();
}

#[test]
fn a_tab_behind_a_code_is_malformed_and_still_a_reply() {
    let mut kind = Kind::new("a tab", 33);
    for _ in 0..30 {
        let mut turns = whole();
        // Any turn whose reply is one line.
        let place = [2, 3, 5, 6, 7, 8, 9, 11][kind.rng.below(8)];
        let at = turns[place].text.rfind("S: ").unwrap() + 6;
        turns[place].text.replace_range(at..=at, "\\t");
        let findings = [ANSWERED, MALFORMED_REPLY];
        kind.found(&format!("in turn {place}"), &turns, &findings);
    }
    kind.hold();
}

#[test]
fn a_reply_without_its_last_line_ends_where_the_client_went_on() {
    let mut kind = Kind::new("unfinished", 34);
    for _ in 0..40 {
        let mut turns = whole();
        let place = [2, 3, 5, 6, 7, 8, 9, 10][kind.rng.below(8)];
        let at = turns[place].text.rfind("S: ").unwrap() + 6;
        turns[place].text.replace_range(at..=at, "-");
        if kind.rng.chance(500) {
            let code = turns[place].answers[0].1;
            let _ = writeln!(turns[place].text, "S: {code}-and more");
        }
        kind.claim(&format!("in turn {place}"), &turns, |told| {
            all([
                told.finds(ANSWERED),
                told.finds(MALFORMED_REPLY),
                told.finds_no("unsolicited"),
                told.finds_no("pipelining"),
            ])
        });
    }
    kind.hold();
}

#[test]
fn a_greeting_in_two_pieces_is_one_line_whoever_spoke_in_between() {
    let mut kind = Kind::new("greeting in pieces", 35);
    let greeting = "220 mx.example.net ESMTP 250 ready";
    for at in 1..greeting.len() {
        let (first, second) = greeting.split_at(at);
        let escape = |part: &str| part.replace(' ', "\\s");
        let mut said = format!("S> {}\nC: EHLO client.example.org\nS&> {}\\r\\n\n", escape(first), escape(second));
        said += "S: 250-mx.example.net\nS: 250 8BITMIME\n";
        said += &text(&whole()[2..]);
        kind.only(&format!("cut at {at}"), &said, move |told| {
            all([
                told.finds_only(&[ANSWERED, "non-compliant/early-talk"]),
                told.lines("-", &[&["mx.example.net ESMTP 250 ready"]]),
                told.codes("EHLO", &[250]),
                told.codes("QUIT", &[221]),
            ])
        });
    }
    kind.hold();
}

#[test]
fn thousands_of_commands_in_one_flight_keep_their_replies() {
    let mut kind = Kind::new("a long flight", 36);
    for (line, verb, count) in
        [("RSET", "RSET", 1000), ("RSET", "RSET", 1001), ("NOOP", "NOOP", 1100), ("RSET", "RSET", 1500)]
    {
        let commands = format!("C: {line}\n").repeat(count);
        let replies = "S: 250 2.0.0 ok\n".repeat(count);
        let flight = Turn::new(commands + &replies, &vec![verb; count], &vec![(verb, 250); count]);
        let turns = [greeting(), ehlo(&["PIPELINING"]), flight, mail(), rcpt(), Turn::data("behind"), help(), quit()];
        kind.claim(&format!("{count} {line}"), &turns, |told| {
            all([told.finds(ANSWERED), told.finds_no("unsolicited"), told.transaction(0, "subject", "behind")])
        });
    }
    kind.hold();
}

#[test]
fn replies_that_nobody_waited_for_at_the_end_are_timeouts() {
    let mut kind = Kind::new("timeout", 37);
    for line in ["421 4.4.2 idle too long", "451 4.4.2 idle too long"] {
        for _ in 0..5 {
            let turns = whole();
            let place = kind.rng.between(2, 10);
            let said = format!("{}@ +300s\nS: {line}\nS FIN\n", text(&turns[..place]));
            kind.only(&format!("{line} behind turn {place}"), &said, |told| {
                all([
                    told.finds_only(&[]),
                    holds(told.answers().iter().all(|(answers, _)| answers != "unknown"), String::new),
                ])
            });
        }
    }
    kind.hold();
}

#[test]
fn every_verb_may_get_an_odd_reply_and_the_next_one_has_its_own() {
    let mut kind = Kind::new("verb with an odd reply", 38);
    for verb in every_verb().into_iter().filter(|verb| verb.verbs != ["QUIT"]) {
        for (what, mark) in [("a tab", "\\t"), ("unfinished", "-")] {
            let mut odd = verb.clone();
            let at = odd.text.rfind("S: ").unwrap() + 6;
            odd.text.replace_range(at..=at, mark);
            let turns = [greeting(), odd, help(), quit()];
            kind.claim(&format!("{}, {what}", verb.verbs[0]), &turns, |told| {
                all([
                    told.finds(ANSWERED),
                    told.finds(MALFORMED_REPLY),
                    told.finds_no("unsolicited"),
                    told.finds_no("pipelining"),
                ])
            });
        }
        // Answered at a control octet, before its end.
        let line = verb.text.lines().next().unwrap().trim_start_matches("C: ").to_owned();
        let said = format!("C> {line}\\x01\nS: 500 5.5.2 what\nC> \\x02\\r\\n\n@ +0s\n");
        let turns = [greeting(), Turn::new(said, &["*"], &[("*", 500)]), help(), quit()];
        kind.claim(&format!("{line}, answered early"), &turns, |told| {
            all([told.finds(ANSWERED), told.finds_no("unsolicited"), told.finds_no("pipelining")])
        });
    }
    kind.hold();
}

#[test]
fn every_verb_that_waits_for_nothing_may_stay_unanswered() {
    let mut kind = Kind::new("verb unanswered", 39);
    // What stands behind the others waits for their reply, and may be no command.
    let waits =
        ["DATA", "AUTH", "XAUTH", "X-EXPS", "STARTTLS", "X-ANONYMOUSTLS", "XEXCH50", "TURN", "ATRN", "XCLIENT", "QUIT"];
    for verb in every_verb().into_iter().filter(|verb| !waits.contains(&verb.verbs[0])) {
        let line = verb.text.lines().next().unwrap().to_owned();
        let unanswered = Turn::new(format!("{line}\n@ +2s\n"), &verb.verbs, &[]);
        for behind in [1, 2, 5, 9] {
            let mut turns = whole();
            turns.insert(behind, unanswered.clone());
            kind.claim(&format!("{line} before turn {behind}"), &turns, |told| {
                all([told.finds(ANSWERED), told.finds_no("unsolicited"), told.no_command("body@example.org")])
            });
        }
    }
    kind.hold();
}
