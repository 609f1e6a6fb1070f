//! Where a message ends: all the lone dots that some server takes for its end, and those that none took.

use std::fmt::Write as _;

use super::{Kind, Turn, ehlo, every_verb, greeting, help, mail, quit, rcpt};
use crate::told::{Claim, Told, all};

const ANSWERED: &str = "help-exposed/answered";
const BARE_CR: &str = "non-compliant/bare-cr";
const END_OF_DATA: &str = "non-compliant/end-of-data";

/// Lone dots between line ends that are not CRLF.CRLF, and do not hold it.
const CANDIDATES: [&str; 7] = [
    "\\n.\\n",
    "\\n.\\r\\n",
    "\\r\\n.\\n",
    "\\r.\\r",
    "\\r\\n.\\r\\r\\n",
    "\\r\\r\\n.\\r\\r\\n",
    "\\r\\n.\\r\\r\\r\\n",
];

/// Text that looks like commands, and must be none.
const BODY: [&str; 5] =
    ["HELP\\r\\n", "planted\\r\\n", "MAIL FROM:<planted@example.org>\\r\\n", "RCPT TO:<planted>\\r\\n", "QUIT\\r\\n"];

/// What stands in front of a message.
fn opened() -> Vec<Turn> {
    vec![greeting(), ehlo(&["8BITMIME"]), mail(), rcpt()]
}

fn body(kind: &mut Kind) -> String {
    (0..kind.rng.between(1, 6)).map(|_| BODY[kind.rng.below(BODY.len())]).collect()
}

/// DATA with these octets, in one write, and that reply.
fn data(octets: &str, code: u64) -> Turn {
    let text = format!("C: DATA\nS: 354 go ahead\nC> {octets}\nS: {code} 2.0.0 as it is\n");
    Turn::new(text, &["DATA"], &[("DATA", 354), ("message", code)])
}

/// Nothing of a message is a command or is found.
fn body_is_body(told: &Told) -> Claim {
    all([told.no_command("planted"), told.absent(&["planted"])])
}

#[test]
fn a_dot_that_the_server_waits_behind_ends_the_mail() {
    let mut kind = Kind::new("an end with CRs", 10);
    for end in [
        "\\r\\n.\\r\\r\\n",
        "\\r\\r\\n.\\r\\r\\n",
        "\\r\\n.\\r\\r\\r\\n",
        "\\r\\r\\r\\n.\\r\\r\\r\\r\\n",
        "\\r.\\r",
        "\\r\\n.\\r",
        "\\r\\n.\\n",
        "\\n.\\n",
        "\\n.\\r\\n",
    ] {
        for _ in 0..5 {
            let first = body(&mut kind);
            let second = body(&mut kind);
            let code = [250, 250, 451, 550][kind.rng.below(4)];
            let mut turns = opened();
            turns.push(data(&format!("Subject: first\\r\\n\\r\\n{first}planted{end}"), code));
            turns.extend([mail(), rcpt(), data(&format!("Subject: second\\r\\n\\r\\n{second}.\\r\\n"), 250)]);
            turns.extend([help(), quit()]);
            kind.claim(&format!("{end}, {code}"), &turns, move |told| {
                all([
                    body_is_body(told),
                    told.transactions(2),
                    told.transaction(0, "code", code),
                    told.transaction(0, "subject", "first"),
                    told.transaction(1, "code", 250),
                    told.transaction(1, "subject", "second"),
                    told.finds(END_OF_DATA),
                    told.finds(ANSWERED),
                    told.finds_no("pipelining"),
                    told.finds_no("unknown-verb"),
                    told.finds_no("malformed"),
                    told.finds_no("unsolicited"),
                    told.finds_no("recipient"),
                ])
            });
        }
    }
    kind.hold();
}

#[test]
fn dots_that_no_server_took_for_the_end_are_text() {
    let mut kind = Kind::new("no end", 11);
    for candidate in CANDIDATES {
        for _ in 0..6 {
            let (before, behind) = (body(&mut kind), body(&mut kind));
            let code = [250, 250, 451, 554][kind.rng.below(4)];
            let mut turns = opened();
            turns.push(data(
                &format!("Subject: one\\r\\n\\r\\n{before}planted{candidate}{behind}planted\\r\\n.\\r\\n"),
                code,
            ));
            turns.extend([mail(), rcpt(), Turn::command("RSET", "RSET", 250), help(), quit()]);
            kind.unshifted(&format!("{candidate}, {code}"), &turns, move |told| {
                all([
                    body_is_body(told),
                    told.transaction(0, "code", code),
                    told.transaction(0, "subject", "one"),
                    told.finds(ANSWERED),
                    told.finds_no("unknown-verb"),
                    told.finds_no("recipient"),
                ])
            });
        }
    }
    kind.hold();
}

#[test]
fn a_mail_that_was_smuggled_is_told_whatever_became_of_the_outer_one() {
    let mut kind = Kind::new("smuggled", 12);
    for candidate in CANDIDATES {
        for outer in [250, 451, 550, 554] {
            for at_once in [false, true] {
                let before = body(&mut kind);
                let text = format!(
                    "Subject: outer\\r\\n\\r\\n{before}first{candidate}MAIL FROM:<admin@example.net>\\r\\nRCPT TO:<c@example.net>\\r\\nDATA\\r\\nSubject: inner\\r\\n\\r\\nsecond"
                );
                let mut said = super::text(&opened());
                said += "C: DATA\nS: 354 go ahead\n";
                let replies = format!("S: {outer} 2.0.0 outer\nS: 250 2.1.0 ok\nS: 250 2.1.5 ok\nS: 354 go ahead\n");
                if at_once {
                    let _ = writeln!(said, "C> {text}\\r\\n.\\r\\n\n{replies}S: 250 2.0.0 queued as inner");
                } else {
                    let _ = writeln!(said, "C> {text}\n{replies}C> \\r\\n.\\r\\n\nS: 250 2.0.0 queued as inner");
                }
                said += &super::text(&[quit()]);
                let when = if at_once { "at once" } else { "in two" };
                kind.only(&format!("{candidate}, outer {outer}, {when}"), &said, move |told| {
                    all([
                        told.finds(END_OF_DATA),
                        told.transactions(2),
                        told.transaction(0, "code", outer),
                        told.transaction(0, "subject", "outer"),
                        told.transaction(1, "code", 250),
                        told.transaction(1, "subject", "inner"),
                        told.transaction(1, "mail_from", "admin@example.net"),
                        told.codes("QUIT", &[221]),
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
fn a_refusal_in_the_middle_and_again_at_the_end_is_no_smuggling() {
    let mut kind = Kind::new("refused twice", 13).undisturbed();
    for candidate in CANDIDATES.into_iter().chain([""]) {
        for code in [452, 451, 552] {
            for _ in 0..2 {
                let (before, behind) = (body(&mut kind), body(&mut kind));
                let mut said = super::text(&opened());
                let _ = write!(
                    said,
                    "C: DATA\nS: 354 go ahead\nC> Subject: one\\r\\n\\r\\n{before}planted{candidate}planted\n"
                );
                let _ = writeln!(said, "S: {code} 4.3.1 in the middle");
                // What the client still had to say crosses the refusal, or comes when it was known.
                let known = if kind.rng.chance(500) { "C" } else { "C&" };
                let _ = writeln!(said, "{known}> {behind}planted\\r\\n.\\r\\n\nS: {code} 4.3.1 at the end");
                said += &super::text(&[Turn::command("RSET", "RSET", 250), quit()]);
                kind.only(&format!("{candidate}, {code}, {known}"), &said, move |told| {
                    all([
                        told.finds_no("end-of-data"),
                        told.finds_no("unsolicited"),
                        told.finds_no("pipelining"),
                        told.finds_no("help-exposed"),
                        told.commands(&["EHLO", "MAIL", "RCPT", "DATA", "RSET", "QUIT"]),
                        told.transaction(0, "code", code),
                        told.codes("RSET", &[250]),
                        told.codes("QUIT", &[221]),
                        body_is_body(told),
                    ])
                });
            }
        }
    }
    kind.hold();
}

#[test]
fn octets_behind_an_end_that_the_server_dropped_are_no_commands() {
    let mut kind = Kind::new("dropped", 14);
    for candidate in CANDIDATES {
        for _ in 0..4 {
            let (before, behind) = (body(&mut kind), body(&mut kind));
            let code = [250, 550, 554][kind.rng.below(3)];
            let mut turns = opened();
            turns.push(data(&format!("Subject: one\\r\\n\\r\\n{before}planted{candidate}{behind}planted\\r\\n"), code));
            turns.extend([Turn::command("RSET", "RSET", 250), mail(), rcpt(), Turn::data("two"), quit()]);
            kind.claim(&format!("{candidate}, {code}"), &turns, move |told| {
                all([
                    body_is_body(told),
                    told.transaction(0, "code", code),
                    told.transaction(1, "subject", "two"),
                    told.finds_no("unsolicited"),
                    told.finds_no("pipelining"),
                    told.finds_no("help-exposed"),
                    told.finds_no("recipient"),
                ])
            });
        }
    }
    kind.hold();
}

#[test]
fn crs_in_front_of_a_dot_that_ends_the_mail_strictly_are_only_bare() {
    let mut kind = Kind::new("CRs", 15);
    for _ in 0..12 {
        let crs = "\\r".repeat(kind.rng.between(2, 5));
        let text = body(&mut kind).replace("\\r", &crs);
        let mut turns = opened();
        turns.push(data(&format!("Subject: one{crs}\\n{crs}\\n{text}\\r\\n.\\r\\n"), 250));
        turns.push(quit());
        kind.found(&crs, &turns, &[BARE_CR]);
    }
    kind.hold();
}

#[test]
fn every_verb_behind_a_dot_that_ended_the_mail_has_its_own_reply() {
    let mut kind = Kind::new("verb behind an end", 16);
    for end in ["\\r\\n.\\r\\r\\n", "\\r.\\r", "\\r\\n.\\r", "\\n.\\n", "\\r\\n.\\n"] {
        for verb in every_verb() {
            let mut turns = opened();
            turns.push(data(&format!("Subject: one\\r\\n\\r\\nplanted{end}"), 250));
            turns.push(verb.clone());
            if verb.verbs != ["QUIT"] {
                turns.push(quit());
            }
            kind.claim(&format!("{end}, then {}", verb.verbs[0]), &turns, |told| {
                all([
                    body_is_body(told),
                    told.transaction(0, "code", 250),
                    told.finds(END_OF_DATA),
                    told.finds_no("unsolicited"),
                    told.finds_no("pipelining"),
                ])
            });
        }
    }
    kind.hold();
}
