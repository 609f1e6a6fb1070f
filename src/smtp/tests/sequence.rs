//! What a client could know of its session.

use super::super::command::Role;
use super::super::wire::line::LineReader;
use super::super::wire::line::{Cut, Piece, Source};
use super::*;
use crate::base::Moment;

/// A step for each line; the nth is command `n`, and its reply, if it has one, ends at `10 * (n + 1)`.
fn sequence(said: &[(&str, Option<u16>)]) -> Sequence {
    let mut sequence = Sequence::new(true);
    for ((number, end), &(line, code)) in (0..).zip((10..).step_by(10)).zip(said) {
        let pending = pending(number, line);
        sequence.push(&pending, 99);
        if let Some(code) = code {
            sequence.answered(number, code, end, Some(true));
        }
    }
    sequence
}

fn pending(number: u64, line: &str) -> Pending {
    let text = format!("{line}\r\n");
    let from = Source { at: Moment::default(), seen: Some(0), captured: 0, after_fin: false };
    let mut piece = Piece { offset: 0, bytes: text.as_bytes(), from };
    let line = LineReader::default().take(&mut piece, Cut::Lf, 999).unwrap();
    let mut command = Command::new(line, Role::Command);
    command.number = number;
    Pending {
        command: std::sync::Arc::new(command),
        awaits: Awaits::Reply,
        end: 0,
        waited_at: None,
        facts: None,
        optional: false,
        known: false,
    }
}

const SAID: &[(&str, Option<u16>)] =
    &[("EHLO a", Some(250)), ("MAIL FROM:<a@b>", Some(550)), ("RCPT TO:<c@d>", Some(503)), ("DATA", None)];

#[test]
fn what_it_had_not_seen_counts_as_accepted_and_what_it_had_as_it_was() {
    let nothing = sequence(SAID).known(0).unwrap();
    assert!(nothing.stage.hello && nothing.stage.mail && nothing.stage.rcpt);
    assert_eq!((nothing.in_flight, nothing.behind), (4, Some(Verb::Ehlo)));
    assert_eq!(nothing.stage.pipelining, Some(false), "an offer counts once it is known");
    let hello = sequence(SAID).known(10).unwrap();
    assert!(hello.stage.mail && hello.stage.rcpt);
    assert_eq!((hello.stage.pipelining, hello.in_flight, hello.behind), (Some(true), 3, Some(Verb::Data)));
    let refused = sequence(SAID).known(20).unwrap();
    assert!(!refused.stage.mail && !refused.stage.rcpt, "RCPT is nothing without MAIL");
}

#[test]
fn a_refused_mail_leaves_the_first_transaction_open_and_reset_ends_it() {
    let said = &[("HELO a", Some(250)), ("MAIL FROM:<a@b>", Some(250)), ("MAIL FROM:<c@d>", Some(503))];
    let stage = sequence(said).known(99).unwrap().stage;
    assert!(stage.mail && stage.hello && !stage.extended);
    let said = &[("HELO a", Some(250)), ("MAIL FROM:<a@b>", Some(250)), ("RSET", None)];
    assert!(!sequence(said).known(20).unwrap().stage.mail);
}

#[test]
fn after_a_loss_nothing_is_known_until_a_250_tells() {
    let mut sequence = sequence(SAID);
    sequence.lose();
    assert_eq!(sequence.known(99), None);
    sequence.push(&pending(7, "NOOP"), 99);
    sequence.answered(7, 250, 100, None);
    assert_eq!(sequence.known(100), None);
    sequence.push(&pending(8, "RSET"), 99);
    sequence.answered(8, 250, 110, None);
    let knew = sequence.known(110).unwrap();
    assert!(knew.stage.hello && !knew.stage.mail && knew.stage.pipelining.is_none());
}

#[test]
fn one_that_acknowledged_nothing_is_told_both_ways() {
    let (by_seen, by_order) = sequence(SAID).doubtful(20).unwrap();
    assert_eq!((by_seen.in_flight, by_order.in_flight), (4, 2));
    assert!(by_seen.stage.mail && !by_order.stage.mail);
}

#[test]
fn the_steps_that_are_kept_are_bounded() {
    let mut sequence = Sequence::new(true);
    for number in 0..1000 {
        sequence.push(&pending(number, "NOOP"), 20);
        sequence.answered(number, 250, number, None);
    }
    assert!(sequence.steps.len() <= 21);
}
