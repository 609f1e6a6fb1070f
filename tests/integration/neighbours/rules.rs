//! Rules that said nothing, too much or the wrong thing: each with the look-alike that must not fire.

use std::fmt::Write as _;

use synth::{Dialogue, Plan};

use super::{Kind, Turn, ehlo, greeting, quit, text, whole};
use crate::cases::Cases;
use crate::told::{all, holds};

const ANSWERED: &str = "help-exposed/answered";
const EARLY: &str = "non-compliant/early-talk";
const LAX_PATH: &str = "non-compliant/lax-path";
const MALFORMED: &str = "non-compliant/malformed-command";
const PIPELINING: &str = "non-compliant/unadvertised-pipelining";
const REPLY_TOO_LONG: &str = "non-compliant/reply-too-long";
const UNKNOWN_VERB: &str = "non-compliant/unknown-verb";

#[test]
fn an_unknown_verb_before_the_greeting_is_told() {
    let mut kind = Kind::new("early verb", 80);
    for verb in ["FOO", "BAR x", "GETMAIL", "A", "hello there", "MAIL-FROM:<x@example.org>"] {
        for ehlo_behind in [false, true] {
            let rest = if ehlo_behind { text(&[ehlo(&["SIZE 1000"]), quit()]) } else { text(&[quit()]) };
            let said = format!("C: {verb}\nS&: 220 mx.example.net ESMTP\nS: 500 5.5.2 what\n{rest}");
            kind.only(&format!("{verb}, EHLO {ehlo_behind}"), &said, |told| {
                all([told.finds_only(&[EARLY, UNKNOWN_VERB]), told.finds_no("unsolicited")])
            });
        }
    }
    // The look-alike: the server lists the verb when it is asked.
    for _ in 0..4 {
        let said = format!(
            "C: FOO\nS&: 220 mx.example.net ESMTP\nS: 250 ok\n{}",
            text(&[ehlo(&["SIZE 1000", "FOO"]), quit()])
        );
        kind.only("FOO, on offer", &said, |told| told.finds_only(&[EARLY]));
    }
    kind.hold();
}

#[test]
fn lines_without_a_verb_are_told_and_empty_ones_otherwise() {
    let mut kind = Kind::new("no verb", 81);
    for (line, found) in [
        ("Hello, Alice", UNKNOWN_VERB),
        (".", UNKNOWN_VERB),
        ("..", UNKNOWN_VERB),
        ("<x@example.org>", UNKNOWN_VERB),
        ("1234", UNKNOWN_VERB),
        (":", UNKNOWN_VERB),
        ("Subject: x", UNKNOWN_VERB),
        ("\\s", MALFORMED),
    ] {
        for _ in 0..4 {
            let mut turns = whole();
            let place = kind.rng.between(2, turns.len() - 1);
            turns.insert(place, Turn::new(format!("C: {line}\nS: 500 5.5.2 what\n"), &["*"], &[("*", 500)]));
            kind.found(&format!("{line} before turn {place}"), &turns, &[ANSWERED, found]);
        }
    }
    kind.hold();
}

#[test]
fn a_client_that_says_everything_to_a_silent_server_is_told() {
    let mut kind = Kind::new("silent server", 82).undisturbed();
    let blast = "C: EHLO a.example.org\nC: MAIL FROM:<a@example.org>\nC: RCPT TO:<b@example.net>\nC: DATA\nC: Subject: x\nC:\nC: hi\nC: .\nC: QUIT\n";
    for end in ["C FIN\n", "C RST\n", "S FIN\n", "S RST\n", ""] {
        for _ in 0..3 {
            kind.only(&format!("{end:?}"), &format!("{blast}{end}"), |told| told.finds_only(&[EARLY, PIPELINING]));
        }
    }
    // The look-alikes: what the server said was not captured, or the start was not.
    for options in ["no-server", "midway", "midway no-server"] {
        kind.only(options, &format!("[40001 {options}]\n{blast}"), |told| told.finds_only(&[]));
    }
    kind.hold();
}

#[test]
fn a_long_reply_that_quotes_what_it_answers_is_not_too_long() {
    let mut kind = Kind::new("long reply", 83);
    for length in [300, 420, 480, 600] {
        let path = format!("{}@example.net", "x".repeat(length));
        let long = if length > 490 { &["non-compliant/command-too-long"][..] } else { &[] };
        for (what, reply) in [
            (
                "its path",
                format!("550 5.1.1 <{path}>: Recipient address rejected: {}", "y".repeat(520 - length.min(500))),
            ),
            (
                "its path in a sentence",
                format!("550 5.1.1 no such user {path} here, {}", "y".repeat(520 - length.min(500))),
            ),
            ("the command", format!("500 5.5.2 unknown: RCPT TO:<{path}> {}", "y".repeat(520 - length.min(500)))),
        ] {
            let code = reply[..3].parse().unwrap();
            let mut turns = whole();
            turns.insert(3, Turn::new(format!("C: RCPT TO:<{path}>\nS: {reply}\n"), &["RCPT"], &[("RCPT", code)]));
            kind.found(&format!("{what}, {length}"), &turns, &[&[ANSWERED], long].concat());
        }
        // The look-alike quotes nothing.
        let mut turns = whole();
        let reply = format!("550 5.1.1 {}", "y".repeat(520));
        turns.insert(3, Turn::new(format!("C: RCPT TO:<{path}>\nS: {reply}\n"), &["RCPT"], &[("RCPT", 550)]));
        kind.found(&format!("nothing, {length}"), &turns, &[&[ANSWERED, REPLY_TOO_LONG], long].concat());
    }
    kind.hold();
}

#[test]
fn both_faults_of_a_path_are_named() {
    let mut kind = Kind::new("lax path", 84);
    for (line, verb) in [
        ("MAIL FROM: a@example.org", "MAIL"),
        ("RCPT TO: b@example.net", "RCPT"),
        ("MAIL FROM:\\ta@example.org", "MAIL"),
        ("RCPT TO:   b@example.net", "RCPT"),
    ] {
        let mut turns = vec![greeting(), ehlo(&["SIZE 1000"])];
        if verb == "RCPT" {
            turns.push(super::mail());
        }
        turns.extend([Turn::command(line, verb, 250), quit()]);
        kind.claim(line, &turns, |told| {
            all([
                told.finds_only(&[LAX_PATH]),
                told.finding_tells(LAX_PATH, "blank"),
                told.finding_tells(LAX_PATH, "bracket"),
            ])
        });
    }
    for (line, named, not) in
        [("MAIL FROM: <a@example.org>", "blank", "bracket"), ("MAIL FROM:a@example.org", "bracket", "blank")]
    {
        let turns = [greeting(), ehlo(&["SIZE 1000"]), Turn::command(line, "MAIL", 250), quit()];
        kind.claim(line, &turns, move |told| {
            all([
                told.finds_only(&[LAX_PATH]),
                told.finding_tells(LAX_PATH, named),
                holds(told.finding_tells(LAX_PATH, not).is_err(), || format!("{not} is named")),
            ])
        });
    }
    kind.hold();
}

#[test]
fn verbs_that_take_no_argument_are_malformed_with_one() {
    let mut kind = Kind::new("argument", 85);
    for (line, verb, code) in [
        ("TURN x", "TURN", 502),
        ("DATA x", "DATA", 501),
        ("RSET x", "RSET", 501),
        ("STARTTLS x", "STARTTLS", 501),
        ("QUIT x", "QUIT", 501),
    ] {
        for _ in 0..3 {
            let turns = [greeting(), ehlo(&["SIZE 1000"]), Turn::command(line, verb, code)];
            kind.claim(line, &turns, |told| told.finds(MALFORMED));
            let bare = line.replace(" x", "\\s");
            let turns = [greeting(), ehlo(&["SIZE 1000"]), Turn::command(&bare, verb, code)];
            kind.claim(&bare, &turns, |told| told.finds_no("malformed-command"));
        }
    }
    kind.hold();
}

#[test]
fn evidence_shows_what_stood_on_the_wire() {
    let mut kind = Kind::new("evidence", 86);
    for (line, shown) in [
        ("MAIL-FROM:<x@example.org>", "MAIL-FROM:<x@example.org>"),
        ("foo  Bar", "foo  Bar"),
        ("fOO:bar", "fOO:bar"),
        ("Foo\\tbar", "Foo\\x09bar"),
    ] {
        for _ in 0..3 {
            let mut turns = whole();
            let place = kind.rng.between(2, turns.len() - 1);
            turns.insert(place, Turn::new(format!("C: {line}\nS: 500 5.5.2 what\n"), &["*"], &[("*", 500)]));
            kind.claim(line, &turns, move |told| told.finding_shows(UNKNOWN_VERB, shown));
        }
    }
    // Small letters stay small.
    let turns = [greeting(), ehlo(&["SIZE 1000"]), Turn::command("a", "A", 500), quit()];
    kind.claim("a", &turns, |told| told.finding_shows(UNKNOWN_VERB, "a"));
    kind.hold();
}

#[test]
fn help_was_answered_where_the_snap_length_cut_its_last_line() {
    let mut cases = Cases::new();
    for lines in 2..8 {
        for (snap, code) in [(96, 214), (96, 211), (110, 214), (128, 214)] {
            let mut said = "S: 220 mx\nC: EHLO c.example.org\nS: 250-mx\nS: 250 SIZE 1000\nC: HELP\n".to_owned();
            for nth in 0..lines {
                let _ = writeln!(said, "S: {code}-2.0.0 HELO EHLO MAIL RCPT and {nth} more");
            }
            let _ = writeln!(said, "S: {code} 2.0.0 End of HELP info\nC: QUIT\nS: 221 bye");
            let dialogue = Dialogue::parse(&said).unwrap();
            let capture = synth::render(&dialogue, &Plan::new().snap_length(snap)).pcap();
            cases.put(format!("{lines} lines of {code}, snap length {snap}"), &capture, |told| told.finds(ANSWERED));
        }
    }
    cases.hold();
}
