//! Odd lines that the server answers 500 and goes on: one line costs one line, wherever it stands.

use synth::Rng;

use super::{Kind, Turn, every_verb, greeting, text, whole};
use crate::told::{Told, all};

const ANSWERED: &str = "help-exposed/answered";
const CONTROL: &str = "binary-in-command/control";
const EIGHT_BIT: &str = "binary-in-command/eight-bit";
const MALFORMED: &str = "non-compliant/malformed-command";
const NOT_SMTP: &str = "non-compliant/not-smtp";
const NUL: &str = "binary-in-command/nul";
const UNKNOWN_VERB: &str = "non-compliant/unknown-verb";

/// An odd line: what it is, as a dialogue has it, what is found where it is the first line, and elsewhere.
type Odd = (&'static str, &'static str, &'static [&'static str], &'static [&'static str]);

const ODD: &[Odd] = &[
    ("empty", "C:", &[MALFORMED], &[MALFORMED]),
    ("blanks", "C> \\s\\s\\r\\n", &[MALFORMED], &[MALFORMED]),
    ("a NUL", "C: \\0", &[NUL, UNKNOWN_VERB], &[NUL, UNKNOWN_VERB]),
    ("NULs and a verb", "C: \\0\\0NOOP", &[NUL, UNKNOWN_VERB], &[NUL, UNKNOWN_VERB]),
    ("octet 80", "C: \\x80", &[EIGHT_BIT, UNKNOWN_VERB], &[EIGHT_BIT, UNKNOWN_VERB]),
    ("octets above 80", "C: \\xff\\xfe\\x81hello", &[EIGHT_BIT, UNKNOWN_VERB], &[EIGHT_BIT, UNKNOWN_VERB]),
    ("octet 7f", "C: \\x7f", &[CONTROL, UNKNOWN_VERB], &[CONTROL, UNKNOWN_VERB]),
    ("digits", "C: 220 mx", &[UNKNOWN_VERB], &[UNKNOWN_VERB]),
    ("a dot", "C: .", &[UNKNOWN_VERB], &[UNKNOWN_VERB]),
    ("text", "C: Hello, Alice", &[UNKNOWN_VERB], &[UNKNOWN_VERB]),
    ("SSH-x", "C: SSH-x", &[NOT_SMTP], &[UNKNOWN_VERB]),
    ("SSH-2.0", "C: SSH-2.0-OpenSSH_9.2p1", &[NOT_SMTP], &[UNKNOWN_VERB]),
    ("a record", "C: \\x16\\x03\\x01\\0\\x05hello", &[NOT_SMTP], &[CONTROL, NUL, UNKNOWN_VERB]),
    ("RFB", "C: RFB 003.008", &[NOT_SMTP], &[UNKNOWN_VERB]),
    ("HTTP", "C: GET / HTTP/1.1", &[NOT_SMTP], &[UNKNOWN_VERB]),
    ("RDP", "C: \\x03\\0\\0\\x0b\\x06\\xe0\\0\\0\\0\\0\\0", &[NOT_SMTP], &[CONTROL, EIGHT_BIT, NUL, UNKNOWN_VERB]),
    ("SMB", "C: \\0\\0\\0\\x45\\xffSMBr\\0\\0", &[NOT_SMTP], &[EIGHT_BIT, NUL, UNKNOWN_VERB]),
];

fn refused(odd: &Odd) -> Turn {
    Turn::new(format!("{}\nS: 500 5.5.2 not understood\n", odd.1), &["*"], &[("*", 500)])
}

/// Places where a line may be put in: behind a greeting, EHLO, MAIL, RCPT, a mail, and so on.
fn place(rng: &mut Rng, turns: &[Turn]) -> usize {
    rng.between(2, turns.len() - 1)
}

#[test]
fn an_odd_first_line_costs_one_line() {
    let mut kind = Kind::new("first line", 1);
    for odd in ODD {
        let mut turns = whole();
        turns.insert(1, refused(odd));
        for _ in 0..4 {
            kind.found(odd.0, &turns, &[&[ANSWERED], odd.2].concat());
        }
    }
    kind.hold();
}

#[test]
fn an_odd_line_elsewhere_costs_one_line() {
    let mut kind = Kind::new("odd line", 2);
    for odd in ODD {
        for _ in 0..6 {
            let mut turns = whole();
            let place = place(&mut kind.rng, &turns);
            turns.insert(place, refused(odd));
            kind.found(&format!("{} before turn {place}", odd.0), &turns, &[&[ANSWERED], odd.3].concat());
        }
    }
    kind.hold();
}

#[test]
fn every_verb_behind_an_odd_first_line_has_its_own_reply() {
    let mut kind = Kind::new("verb behind an odd line", 3);
    for odd in ODD {
        for verb in every_verb() {
            let mut turns = vec![greeting(), refused(odd), verb.clone()];
            if verb.verbs != ["QUIT"] {
                turns.extend([refused(odd), Turn::command("QUIT", "QUIT", 221)]);
            }
            kind.unshifted(&format!("{}, then {}", odd.0, verb.verbs[0]), &turns, |_| Ok(()));
        }
    }
    kind.hold();
}

#[test]
fn several_odd_lines_cost_so_many_lines() {
    let mut kind = Kind::new("odd lines", 4);
    for _ in 0..60 {
        let mut turns = whole();
        for _ in 0..kind.rng.between(2, 6) {
            let odd = &ODD[kind.rng.below(ODD.len())];
            let place = kind.rng.between(1, turns.len() - 1);
            turns.insert(place, refused(odd));
        }
        kind.unshifted("at random places", &turns, |told| told.finds(ANSWERED));
    }
    kind.hold();
}

#[test]
fn a_servers_first_line_of_another_protocol_ends_nothing() {
    let mut kind = Kind::new("server's first line", 5);
    for first in ["+OK POP3 ready", "* OK IMAP4rev1 ready", "HTTP/1.1 400 Bad Request", "SSH-2.0-x", "RFB 003.008"] {
        for _ in 0..4 {
            let mut turns = whole();
            turns[0] = Turn::new(format!("S: {first}\n"), &[], &[]);
            let said = text(&turns);
            let own = turns[1..].to_vec();
            kind.only(first, &said, move |told: &Told| {
                let answers: Vec<_> = own.iter().flat_map(|turn| turn.answers.clone()).collect();
                let verbs: Vec<_> = own.iter().flat_map(|turn| turn.verbs.clone()).collect();
                all([
                    told.commands(&verbs),
                    told.last_replies(&answers),
                    told.finds(NOT_SMTP),
                    told.finds(ANSWERED),
                    told.finds_no("unsolicited"),
                    told.finds_no("pipelining"),
                    told.finds_no("early-talk"),
                ])
            });
        }
    }
    kind.hold();
}

#[test]
fn a_refused_proxy_header_is_what_the_server_took_it_for() {
    let mut kind = Kind::new("PROXY", 6);
    for line in [
        "PROXY UNKNOWN",
        "PROXY TCP4 203.0.113.7 198.51.100.25 56324 25",
        "PROXY TCP6 2001:db8::7 2001:db8::25 56324 25",
    ] {
        for (code, times) in [(500, 3), (502, 1), (421, 0), (554, 1), (451, 1)] {
            for _ in 0..times {
                let mut turns = whole();
                turns.insert(1, Turn::command(line, "PROXY", code));
                kind.claim(&format!("{line}, {code}"), &turns, |told| {
                    all([
                        told.session_has("proxied_for", serde_json::Value::Null),
                        told.finds_only(&[ANSWERED, UNKNOWN_VERB]),
                    ])
                });
            }
        }
        // The look-alike: a header that is taken, whatever the greeting says.
        for _ in 0..3 {
            let mut turns = whole();
            turns.insert(0, Turn::new(format!("C: {line}\n"), &[], &[]));
            kind.claim(&format!("{line}, accepted"), &turns, move |told| {
                let known = line.contains("203.0.113.7");
                all([
                    told.finds_only(&[ANSWERED]),
                    crate::told::holds(
                        !known || told.session("proxied_for").to_string().contains("203.0.113.7"),
                        || "proxied_for is missing".to_owned(),
                    ),
                ])
            });
        }
    }
    // Version 2: two empty lines, a NUL, QUIT, and the binary rest.
    let header = "0d 0a 0d 0a 00 0d 0a 51 55 49 54 0a 21 11 00 0c cb 00 71 07 c6 33 64 19 9c 41 00 19";
    for _ in 0..4 {
        let refused =
            format!("S: 220 mx.example.net ESMTP\nC! {header}\nS: 500 no\nS: 500 no\nS: 500 no\nS: 221 bye\nS FIN\n");
        kind.only("version 2, refused", &refused, |told| {
            all([
                told.session_has("proxied_for", serde_json::Value::Null),
                told.last_replies(&[("*", 500), ("*", 500), ("*", 500), ("QUIT", 221)]),
                told.finds_no("unsolicited"),
            ])
        });
        let mut turns = whole();
        turns.insert(0, Turn::new(format!("C! {header}\n"), &[], &[]));
        kind.claim("version 2, accepted", &turns, |told| {
            let told_of = told.session("proxied_for").to_string();
            all([told.finds_only(&[ANSWERED]), crate::told::holds(told_of.contains("203.0.113.7"), || told_of)])
        });
    }
    kind.hold();
}

#[test]
fn every_verb_behind_a_refused_proxy_header_has_its_own_reply() {
    let mut kind = Kind::new("verb behind PROXY", 7);
    for verb in every_verb() {
        let proxy = Turn::command("PROXY TCP4 203.0.113.7 198.51.100.25 56324 25", "PROXY", 500);
        let mut turns = vec![greeting(), proxy, verb.clone()];
        if verb.verbs != ["QUIT"] {
            turns.push(Turn::command("QUIT", "QUIT", 221));
        }
        kind.unshifted(verb.verbs[0], &turns, |told| told.finds(UNKNOWN_VERB));
    }
    kind.hold();
}
