//! Two simulated ends talk through loss, reordering and retransmission; a tap between them captures.
//! What reassembly hands on is held against what was really said and known.
#![expect(clippy::arithmetic_side_effects, reason = "tests count")]

use std::collections::{BTreeMap, VecDeque};

use proptest::prelude::*;

use super::lab::{Lab, Part, c, s, syn, syn_ack};
use super::order::CERTAIN_AFTER_PACKETS_IN_TIME;
use crate::base::{PerSide, Side};

/// Few enough for every run; raise it after a change of the order.
const CASES: u32 = 4000;

/// One end of the conversation.
#[derive(Clone, Debug, Default)]
struct End {
    /// For each byte sent, how much of the other side its sender had when it sent it first.
    knew: Vec<u64>,
    /// All bytes below this were received.
    received: u64,
    /// Received behind a hole: start to end.
    early: BTreeMap<u64, u64>,
    acknowledged: u64,
    /// On the way to the other end.
    flight: VecDeque<Sent>,
}

/// A segment as the tap sees it, with stream offsets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Sent {
    side: Side,
    start: u64,
    end: u64,
    ack: u64,
    last: Last,
}

/// Whether a segment is the last of its side.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Last {
    No,
    Fin,
    Rst,
}

#[derive(Clone, Debug)]
enum Step {
    Send { side: Side, length: u64 },
    Deliver { side: Side, answers: bool },
    Lose { side: Side },
    Swap { side: Side },
    Resend { side: Side, length: u64 },
}

fn step() -> impl Strategy<Value = Step> {
    let side = prop_oneof![Just(Side::A), Just(Side::B)];
    (0..12_u8, side, 1..30_u64).prop_map(|(kind, side, length)| match kind {
        0..4 => Step::Send { side, length },
        4..9 => Step::Deliver { side, answers: length % 2 == 0 },
        9 => Step::Lose { side },
        10 => Step::Swap { side },
        _ => Step::Resend { side, length },
    })
}

/// The conversation that the steps make, in the order in which the tap sees it; and both ends.
fn converse(steps: &[Step], reset: bool) -> (Vec<Sent>, PerSide<End>) {
    let mut ends = PerSide { a: End::default(), b: End::default() };
    let mut wire = Vec::new();
    for step in steps {
        match *step {
            Step::Send { side, length } => {
                let start = ends[side].knew.len() as u64;
                let knew = ends[side].received;
                ends[side].knew.extend((0..length).map(|_| knew));
                send(&mut ends, &mut wire, side, start, start + length);
            }
            Step::Deliver { side, answers } => deliver(&mut ends, &mut wire, side, answers),
            Step::Lose { side } => drop(ends[side].flight.pop_front()),
            Step::Swap { side } if ends[side].flight.len() > 1 => ends[side].flight.swap(0, 1),
            Step::Swap { .. } => {}
            Step::Resend { side, length } => resend(&mut ends, &mut wire, side, length),
        }
    }
    // Until all has arrived; then both say goodbye.
    for _ in 0..10_000 {
        for side in [Side::A, Side::B] {
            while !ends[side].flight.is_empty() {
                deliver(&mut ends, &mut wire, side, true);
            }
        }
        if [Side::A, Side::B].iter().all(|&side| ends[side.other()].received == ends[side].knew.len() as u64) {
            break;
        }
        for side in [Side::A, Side::B] {
            resend(&mut ends, &mut wire, side, 1000);
        }
    }
    let (a, b) = (ends.a.knew.len() as u64, ends.b.knew.len() as u64);
    if reset {
        wire.push(Sent { side: Side::A, start: a, end: a, ack: b, last: Last::Rst });
        return (wire, ends);
    }
    wire.push(Sent { side: Side::A, start: a, end: a, ack: b, last: Last::Fin });
    wire.push(Sent { side: Side::B, start: b, end: b, ack: a + 1, last: Last::Fin });
    wire.push(Sent { side: Side::A, start: a + 1, end: a + 1, ack: b + 1, last: Last::No });
    (wire, ends)
}

fn send(ends: &mut PerSide<End>, wire: &mut Vec<Sent>, side: Side, start: u64, end: u64) {
    let sent = Sent { side, start, end, ack: ends[side].received, last: Last::No };
    wire.push(sent);
    ends[side].flight.push_back(sent);
}

fn resend(ends: &mut PerSide<End>, wire: &mut Vec<Sent>, side: Side, length: u64) {
    let (start, all) = (ends[side].acknowledged, ends[side].knew.len() as u64);
    if start < all {
        send(ends, wire, side, start, all.min(start + length));
    }
}

fn deliver(ends: &mut PerSide<End>, wire: &mut Vec<Sent>, side: Side, answers: bool) {
    let Some(sent) = ends[side].flight.pop_front() else { return };
    let end = &mut ends[side.other()];
    end.acknowledged = end.acknowledged.max(sent.ack);
    let until = end.early.entry(sent.start).or_default();
    *until = sent.end.max(*until);
    while let Some((&start, &until)) = end.early.first_key_value().filter(|(start, _)| **start <= end.received) {
        end.received = end.received.max(until);
        end.early.remove(&start);
    }
    if answers && sent.end > sent.start {
        let next = end.knew.len() as u64;
        send(ends, wire, side.other(), next, next);
    }
}

/// The byte at an offset of a side's stream.
fn byte(side: Side, offset: u64) -> char {
    let first = if side == Side::A { b'A' } else { b'a' };
    char::from(first + u8::try_from((offset * 7 + offset / 26) % 26).unwrap())
}

fn part(sent: &Sent) -> Part {
    let text: String = (sent.start..sent.end).map(|offset| byte(sent.side, offset)).collect();
    let (seq, ack) = (u32::try_from(sent.start).unwrap() + 1, u32::try_from(sent.ack).unwrap() + 1);
    let part = if sent.side == Side::A { c(seq, ack, &text) } else { s(seq, ack, &text) };
    match sent.last {
        Last::No => part,
        Last::Fin => part.fin(),
        Last::Rst => part.rst(),
    }
}

/// What was handed on of one side: for each offset the byte (`None`: missing) and what was known.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Heard {
    bytes: Vec<(Option<char>, Option<u64>)>,
    ended: bool,
}

/// Reads the lines of [`super::lab::Ear`]; asserts that they come in stream order and in causal order.
fn read(lines: &[String]) -> (PerSide<Heard>, Vec<String>) {
    let mut sides: PerSide<Heard> = PerSide { a: Heard::default(), b: Heard::default() };
    let mut rest = Vec::new();
    for line in lines {
        let words: Vec<&str> = line.split(' ').collect();
        let side = if words[0] == "c" { Side::A } else { Side::B };
        match words[..] {
            ["c" | "s", offset, "gap", "of", length] => {
                assert_eq!(offset.parse(), Ok(sides[side].bytes.len()));
                let length: usize = length.parse().unwrap();
                sides[side].bytes.extend((0..length).map(|_| (None, None)));
            }
            ["c" | "s", offset, text, "knew", seen] => {
                assert_eq!(offset.parse(), Ok(sides[side].bytes.len()));
                // Beyond what was handed on it tells nothing of the other side's bytes.
                let handed_on = sides[side.other()].bytes.len() as u64;
                let seen = seen.parse().ok().filter(|&seen: &u64| seen <= handed_on);
                sides[side].bytes.extend(text.chars().map(|byte| (Some(byte), seen)));
            }
            ["c" | "s", "end"] => sides[side].ended = true,
            _ => rest.push(line.clone()),
        }
    }
    (sides, rest)
}

fn play(events: Vec<Event>) -> (PerSide<Heard>, Vec<String>) {
    let mut lab = Lab::new();
    for event in events {
        match event {
            Event::Packet(part) => lab.take([part]),
            Event::Tick => lab.tick(),
        }
    }
    lab.finish();
    assert_eq!(lab.table.held_bytes(), 0);
    read(&lab.heard())
}

#[derive(Clone, Debug)]
enum Event {
    Packet(Part),
    Tick,
}

/// The conversation with the handshake before it.
fn whole(wire: &[Sent]) -> Vec<Part> {
    [syn(), syn_ack(), c(1, 1, "")].into_iter().chain(wire.iter().map(part)).collect()
}

/// The packets with a tick after each `every` of them, and one direction late by
/// `by` packets.
fn delayed(parts: &[Part], every: usize, side: Side, by: usize) -> Vec<Event> {
    let mut order: Vec<(usize, Event)> = Vec::new();
    for (nth, part) in parts.iter().cloned().enumerate() {
        if nth > 0 && nth % every == 0 {
            order.push((nth, Event::Tick));
        }
        order.push((if part.from == side { nth + by } else { nth }, Event::Packet(part)));
    }
    order.sort_by_key(|&(nth, _)| nth);
    order.into_iter().map(|(_, event)| event).collect()
}

fn truth(ends: &PerSide<End>, side: Side) -> Vec<(Option<char>, Option<u64>)> {
    (0..).zip(&ends[side].knew).map(|(offset, &knew)| (Some(byte(side, offset)), Some(knew))).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: CASES, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_whole_capture_gives_every_byte_and_exactly_what_its_sender_knew(
        steps in prop::collection::vec(step(), 0..80),
    ) {
        let (wire, ends) = converse(&steps, false);
        let (sides, rest) = play(delayed(&whole(&wire), usize::MAX, Side::A, 0));
        for side in [Side::A, Side::B] {
            prop_assert_eq!(&sides[side].bytes, &truth(&ends, side));
        }
        if !ends.a.knew.is_empty() || !ends.b.knew.is_empty() {
            prop_assert_eq!(rest, ["closed Fin"]);
        }
    }

    #[test]
    fn one_direction_late_changes_no_byte_and_no_knowledge(
        steps in prop::collection::vec(step(), 0..80),
        late in prop_oneof![Just(Side::A), Just(Side::B)],
        by in 1..50_usize,
        more in 1..50_usize,
        reset in any::<bool>(),
    ) {
        // Less than a second late: at most one tick lies between.
        let (wire, _) = converse(&steps, reset);
        let (every, parts) = (by + more, whole(&wire));
        prop_assert_eq!(play(delayed(&parts, every, late, by)), play(delayed(&parts, every, late, 0)));
    }

    #[test]
    fn one_direction_late_changes_nothing_midway_either(
        steps in prop::collection::vec(step(), 0..80),
        late in prop_oneof![Just(Side::A), Just(Side::B)],
        by in 1..50_usize,
        from in any::<prop::sample::Index>(),
    ) {
        // What was lost before the capture began is sent again at times that a late side confuses, and
        // a first octet alone may be taken for a keep-alive.
        let plain = steps.into_iter().filter_map(|step| match step {
            Step::Send { side, length } => Some(Step::Send { side, length: length + 1 }),
            Step::Deliver { .. } => Some(step),
            _ => None,
        });
        let steps: Vec<Step> = plain.collect();
        let (wire, _) = converse(&steps, false);
        let parts: Vec<Part> = wire.iter().skip(from.index(wire.len())).map(part).collect();
        prop_assert_eq!(play(delayed(&parts, usize::MAX, late, by)), play(delayed(&parts, usize::MAX, late, 0)));
    }

    #[test]
    fn what_the_tap_missed_is_a_gap_and_nothing_else_changes(
        steps in prop::collection::vec(step(), 0..80),
        missed in prop::collection::vec(any::<prop::sample::Index>(), 0..12),
        ticks in any::<bool>(),
    ) {
        let (wire, ends) = converse(&steps, false);
        let mut captured = wire.clone();
        for index in missed {
            // The goodbyes are captured: so all bytes have something behind them.
            if captured.len() > 3 {
                captured.remove(index.index(captured.len() - 3));
            }
        }
        let mut lab = Lab::new();
        lab.take([syn(), syn_ack(), c(1, 1, "")]);
        for sent in &captured {
            lab.take([part(sent)]);
            if ticks {
                lab.tick();
            }
        }
        lab.finish();
        let (sides, _) = read(&lab.heard());
        for side in [Side::A, Side::B] {
            let known = truth(&ends, side);
            prop_assert_eq!(sides[side].bytes.len(), known.len());
            for (offset, (heard, known)) in (0..).zip(sides[side].bytes.iter().zip(&known)) {
                let packets = (0_u64..).zip(&captured);
                let copies = packets.clone().filter(|(_, sent)| sent.side == side && (sent.start..sent.end).contains(&offset));
                match (heard.0, copies.clone().map(|(_, sent)| sent.ack).max()) {
                    (None, None) => {}
                    (Some(byte), Some(newest)) => {
                        prop_assert_eq!(Some(byte), known.0);
                        prop_assert!(heard.1.unwrap_or(0) <= newest);
                    }
                    // A gap may have been told before the copy came: after ticks, or after so many packets
                    // behind the acknowledgement. One octet alone may be taken for a keep-alive.
                    (None, Some(_)) => {
                        let mut acks = packets.filter(|(_, sent)| sent.side != side && sent.ack > offset);
                        let certain = acks.next().map_or(u64::MAX, |(at, _)| at + CERTAIN_AFTER_PACKETS_IN_TIME);
                        let mut untold = copies.filter(|(at, _)| *at < certain);
                        prop_assert!(ticks || untold.all(|(_, sent)| sent.end - sent.start == 1));
                    }
                    (Some(_), None) => prop_assert!(false, "a byte that nobody captured"),
                }
            }
        }
    }

    #[test]
    fn any_segments_whatever_leave_nothing_behind(
        soup in prop::collection::vec((any::<bool>(), 0..40_u32, 0..40_u32, 0..8_usize, 0..32_u8, any::<bool>()), 0..200),
    ) {
        let mut lab = Lab::new();
        for (client, seq, ack, length, flags, tick) in soup {
            let text = "x".repeat(length);
            let mut part = if client { c(seq, ack, &text) } else { s(seq, ack, &text) };
            part.flags.syn = flags % 8 == 1;
            part.flags.fin = flags % 8 == 2;
            part.flags.rst = flags % 16 == 3;
            if flags == 4 {
                part.ack = None;
            }
            part.missing = u32::from(flags == 5);
            lab.take([part]);
            if tick {
                lab.tick();
            }
        }
        lab.finish();
        prop_assert_eq!((lab.table.len(), lab.table.held_bytes()), (0, 0));
        let lines = lab.heard_of_all();
        let closed = lines.iter().filter(|line| line.contains(": closed")).count();
        prop_assert_eq!(closed, lab.openings.len());
    }
}
