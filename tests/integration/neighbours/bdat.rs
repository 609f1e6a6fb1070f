//! BDAT in all spellings, after every opening: executed, swallowed, refused, never sent.

use std::fmt::Write as _;

use serde_json::Value;

use super::{Kind, Turn, ehlo, every_verb, greeting, help, mail, quit, rcpt};
use crate::told::all;

const ANSWERED: &str = "help-exposed/answered";
const MALFORMED: &str = "non-compliant/malformed-command";

/// How a session opens, and whether the server offered CHUNKING in it.
fn openings() -> Vec<(&'static str, Vec<Turn>)> {
    let helo = Turn::command("HELO client.example.org", "HELO", 250);
    let chunking = ehlo(&["8BITMIME", "CHUNKING"]);
    let tail = [mail(), rcpt()];
    vec![
        ("HELO", [&[greeting(), helo.clone()][..], &tail].concat()),
        ("no EHLO", [&[greeting()][..], &tail].concat()),
        ("EHLO", [&[greeting(), chunking.clone()][..], &tail].concat()),
        ("EHLO, HELO", [&[greeting(), chunking, helo][..], &tail].concat()),
        ("EHLO without CHUNKING", [&[greeting(), ehlo(&["8BITMIME"])][..], &tail].concat()),
    ]
}

/// How six octets may be announced as the last ones, where the server takes them for a chunk; and what is found of it.
const SPELLINGS: [(&str, &[&str]); 8] = [
    ("BDAT 6 LAST", &[]),
    ("BDAT 6\\tLAST", &[]),
    ("bdat 6 last", &[]),
    ("BDAT  6  LAST", &[]),
    ("BDAT\\t6 LAST\\s", &[]),
    ("BDAT 006 LAST", &[]),
    ("BDAT +6 LAST", &[MALFORMED]),
    ("BDAT 4294967302 LAST", &[]),
];

/// Six octets that look like a command.
const CHUNKS: [&str; 5] = ["HELP\\r\\n", "QUIT\\r\\n", "NOOP\\r\\n", "WORD\\r\\n", "abcdef"];

fn chunk(line: &str, octets: &str, code: u64) -> Turn {
    let sent = if octets.is_empty() { String::new() } else { format!("C> {octets}\n") };
    // What was refused is no message.
    let answers = if code == 250 { "message" } else { "*" };
    Turn::new(format!("C: {line}\n{sent}S: {code} 2.0.0 as it is\n"), &["BDAT"], &[(answers, code)])
}

#[test]
fn a_chunk_that_got_its_250_is_data_after_every_opening() {
    let mut kind = Kind::new("executed as data", 20);
    for (opening, turns) in openings() {
        for (line, findings) in SPELLINGS {
            for octets in CHUNKS {
                let mut turns = turns.clone();
                turns.extend([chunk(line, octets, 250), help(), quit()]);
                let sequence = opening == "no EHLO";
                kind.claim(&format!("{opening}: {line}, {octets}"), &turns, move |told| {
                    let out = ["non-compliant/out-of-sequence"];
                    let more: &[&str] = if sequence { &out } else { &[] };
                    all([
                        told.finds_only(&[&[ANSWERED], findings, more].concat()),
                        told.transactions(1),
                        told.transaction(0, "data_bytes", 6),
                        told.transaction(0, "code", 250),
                    ])
                });
            }
        }
    }
    kind.hold();
}

#[test]
fn a_chunk_without_last_leaves_its_transaction_open() {
    let mut kind = Kind::new("not the last", 21);
    // Exim takes the digits, and LAST only where it stands alone behind them.
    let spellings: [(&str, &[&str]); 5] =
        [("BDAT 6", &[]), ("BDAT\\t6", &[]), ("bdat 6", &[]), ("BDAT 00006", &[]), ("BDAT 6x LAST", &[MALFORMED])];
    for (line, findings) in spellings {
        for octets in CHUNKS {
            let mut turns = vec![greeting(), ehlo(&["CHUNKING"]), mail(), rcpt()];
            turns.extend([chunk(line, octets, 250), chunk("BDAT 0 LAST", "", 250), help(), quit()]);
            kind.claim(&format!("{line}, {octets}"), &turns, move |told| {
                all([
                    told.finds_only(&[&[ANSWERED], findings].concat()),
                    told.transactions(1),
                    told.transaction(0, "data_bytes", 6),
                    told.transaction(0, "code", 250),
                ])
            });
        }
    }
    kind.hold();
}

#[test]
fn a_refused_chunk_that_the_server_swallowed_is_no_command() {
    let mut kind = Kind::new("swallowed", 22);
    for (opening, turns) in openings() {
        for code in [503, 452, 550, 500] {
            for octets in ["NOOP\\r\\nHELP\\r\\n", "HELP\\r\\nHELP\\r\\n", "QUIT\\r\\nNOOP\\r\\n", "planted text"] {
                let mut turns = turns.clone();
                turns.push(chunk("BDAT 12 LAST", octets, code));
                // The chunk's lines and what follows begin alike: only the number of replies tells them apart.
                turns.extend([Turn::command("NOOP", "NOOP", 250), Turn::command("RSET", "RSET", 250), help(), quit()]);
                kind.claim(&format!("{opening}, {code}, {octets}"), &turns, |told| {
                    all([
                        told.finds(ANSWERED),
                        told.finds_no("pipelining"),
                        told.finds_no("unsolicited"),
                        told.absent(&["planted"]),
                    ])
                });
            }
        }
    }
    kind.hold();
}

#[test]
fn a_refused_chunk_whose_lines_the_server_answered_was_commands() {
    let mut kind = Kind::new("executed", 23);
    let lines: [(&str, &'static str, u64); 5] = [
        ("NOOP", "NOOP", 250),
        ("HELP", "HELP", 214),
        ("RSET", "RSET", 250),
        ("VRFY b", "VRFY", 252),
        ("FOO", "FOO", 500),
    ];
    for (opening, turns) in openings() {
        for _ in 0..12 {
            let code = [500, 502, 503][kind.rng.below(3)];
            let inner: Vec<_> = (0..kind.rng.between(1, 5)).map(|_| lines[kind.rng.below(lines.len())]).collect();
            let octets: String = inner.iter().flat_map(|(line, ..)| [line, "\\r\\n"]).collect();
            let size: usize = inner.iter().map(|(line, ..)| line.len() + 2).sum();
            let mut text = format!("C: BDAT {size} LAST\nC> {octets}\nS: {code} no chunks\n");
            let (mut verbs, mut answers) = (vec!["BDAT"], vec![("*", code)]);
            for &(_, verb, code) in &inner {
                let _ = writeln!(text, "S: {code} HELO EHLO MAIL RCPT");
                verbs.push(verb);
                answers.push((verb, code));
            }
            let mut turns = turns.clone();
            turns.extend([Turn::new(text, &verbs, &answers), Turn::command("NOOP", "NOOP", 250), quit()]);
            let asked = verbs.contains(&"HELP");
            kind.claim(&format!("{opening}, {code}, {octets}"), &turns, move |told| {
                let help = if asked { told.finds(ANSWERED) } else { told.finds_no("help-exposed") };
                all([help, told.finds_no("unsolicited")])
            });
        }
    }
    kind.hold();
}

#[test]
fn a_chunk_that_was_announced_refused_and_never_sent_hides_nothing() {
    let mut kind = Kind::new("never sent", 24);
    for (opening, turns) in openings() {
        for line in ["BDAT 6 LAST", "BDAT 12", "BDAT 100000 LAST", "BDAT 4294967302 LAST", "BDAT\\t70 LAST"] {
            for code in [500, 503] {
                let mut turns = turns.clone();
                turns.push(Turn::new(format!("C: {line}\nS: {code} no chunks\n"), &["BDAT"], &[("*", code)]));
                turns.extend([Turn::command("RSET", "RSET", 250), Turn::command("VRFY b", "VRFY", 252)]);
                turns.extend([help(), mail(), rcpt(), Turn::data("sent otherwise"), quit()]);
                kind.claim(&format!("{opening}: {line}, {code}"), &turns, |told| {
                    all([told.finds(ANSWERED), told.finds_no("pipelining"), told.finds_no("unsolicited")])
                });
            }
        }
    }
    kind.hold();
}

#[test]
fn a_size_without_digits_is_no_chunk() {
    let mut kind = Kind::new("no size", 25);
    for line in ["BDAT", "BDAT LAST", "BDAT x LAST", "BDAT -6 LAST", "BDAT + LAST"] {
        for code in [500, 501, 503] {
            let mut turns = vec![greeting(), ehlo(&["CHUNKING"]), mail(), rcpt()];
            turns.push(Turn::new(format!("C: {line}\nS: {code} no\n"), &["BDAT"], &[("*", code)]));
            turns.extend([help(), quit()]);
            kind.found(&format!("{line}, {code}"), &turns, &[ANSWERED, MALFORMED]);
        }
    }
    kind.hold();
}

#[test]
fn a_subject_that_two_chunks_share_is_told_whole() {
    let mut kind = Kind::new("a header in two chunks", 26);
    let text = "Subject: one subject\\r\\nMessage-ID: <1@example.org>\\r\\n\\r\\nplanted\\r\\n";
    let plain = text.replace("\\r\\n", "\r\n");
    for at in 1..plain.len() {
        let (first, second) = plain.split_at(at);
        let escape = |part: &str| part.replace('\r', "\\r").replace('\n', "\\n").replace(' ', "\\s");
        let mut turns = vec![greeting(), ehlo(&["CHUNKING"]), mail(), rcpt()];
        turns.push(chunk(&format!("BDAT {at}"), &escape(first), 250));
        turns.push(chunk(&format!("BDAT {} LAST", plain.len() - at), &escape(second), 250));
        turns.push(quit());
        let bytes = plain.len();
        kind.claim(&format!("at {at}"), &turns, move |told| {
            all([
                told.finds_only(&[]),
                told.transaction(0, "subject", "one subject"),
                told.transaction(0, "message_id", "<1@example.org>"),
                told.transaction(0, "data_bytes", bytes),
                told.transaction(0, "code", 250),
                told.transaction(0, "smuggled", Value::Bool(false)),
            ])
        });
    }
    kind.hold();
}

#[test]
fn every_verb_behind_a_chunk_has_its_own_reply() {
    let mut kind = Kind::new("verb behind a chunk", 27);
    for (opening, turns) in openings() {
        for verb in every_verb() {
            // The chunk was data, was refused and swallowed, or was never sent.
            let (line, _) = SPELLINGS[kind.rng.below(SPELLINGS.len())];
            let code = [500, 502, 503][kind.rng.below(3)];
            for (what, chunk) in [
                ("data", chunk(line, CHUNKS[kind.rng.below(CHUNKS.len())], 250)),
                (
                    "never sent",
                    Turn::new(format!("C: BDAT 600 LAST\nS: {code} no chunks\n"), &["BDAT"], &[("*", code)]),
                ),
            ] {
                let mut turns = [&turns[..], &[chunk, verb.clone()]].concat();
                if verb.verbs != ["QUIT"] {
                    turns.push(quit());
                }
                kind.unshifted(&format!("{opening}: {line}, {what}, then {}", verb.verbs[0]), &turns, |_| Ok(()));
            }
        }
    }
    kind.hold();
}
