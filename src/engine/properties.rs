//! Reassembly, SMTP, rules and timers together, driven by operations: a few flows whose packets lie about numbers,
//! lengths and times.
#![expect(clippy::arithmetic_side_effects, reason = "tests count")]

use proptest::prelude::*;

use super::rounds::{Mark, What};
use super::route::Routed;
use super::shard::{Settings, Shard};
use super::{Config, settings};
use crate::base::{Clock, Endpoint, FlowKey, Limit, Moment, Ordinal, Time, Turn};
use crate::decode::{Flags, Segment};
use crate::ledger::{Entry, Item, Kind, Records};
use std::sync::Arc;

/// Few enough for every run; raise it after a change of the rooms between.
const CASES: u32 = 300;

const SAID: &[&str] = &[
    "",
    "220 mx.example.com ESMTP\r\n",
    "EHLO client.example.org\r\n",
    "250-mx\r\n250-STARTTLS\r\n250-CHUNKING\r\n250 HELP\r\n",
    "HELP\r\n",
    "214 HELO MAIL RCPT\r\n",
    "MAIL FROM:<a@example.org>\r\nRCPT TO:<b@example.com>\r\nDATA\r\n",
    "250 ok\r\n250 ok\r\n354 go on\r\n",
    "Subject: x\r\n\r\nbody\r\n.\r\n",
    ".\nQUIT\r\n",
    "STARTTLS\r\n",
    "\x16\x03\x01\x00\x05hello",
    "AUTH LOGIN\r\n",
    "334 VXNlcm5hbWU6\r\n",
    "BDAT 4294967295 LAST\r\n",
    "BDAT 3\r\nabc",
    "4",
    "\r",
    "\n",
    "\0\u{ff}",
    "PROXY TCP4 192.0.2.1 192.0.2.2 1 25\r\n",
    "554 no\r\n",
    "221 bye\r\n",
];

/// One packet, told by what it does to the numbers of its flow.
#[derive(Clone, Debug)]
struct Step {
    flow: u16,
    client: bool,
    said: usize,
    /// How far the packet's number lies from its side's next one, and the acknowledged one from the other's.
    off: (u32, u32),
    flags: u8,
    missing: u32,
    /// Nanoseconds since the packet before.
    later: i64,
}

fn number() -> impl Strategy<Value = u32> {
    let extremes = [1, 5, u32::MAX, u32::MAX - 30, 1 << 20, 1 << 30, (1 << 30) + 1, 1 << 31, (1 << 31) + 1, 3 << 30];
    prop_oneof![12 => Just(0), 2 => 0..60_u32, 2 => prop::sample::select(extremes.to_vec()), 1 => any::<u32>()]
}

fn step() -> impl Strategy<Value = Step> {
    let times = [0, 1, 900_000_000, 1_000_000_000, 2_500_000_000, 70_000_000_000, 4_000_000_000_000];
    let back = [-1, -1_000_000_000, -100_000_000_000, i64::MIN, i64::MAX];
    let later = prop_oneof![8 => Just(1_000_000), 4 => prop::sample::select(times.to_vec()), 1 => prop::sample::select(back.to_vec())];
    let missing = prop_oneof![20 => Just(0), 1 => Just(1), 1 => Just(u32::MAX)];
    (0..3_u16, any::<bool>(), 0..SAID.len(), (number(), number()), 0..24_u8, missing, later).prop_map(
        |(flow, client, said, off, flags, missing, later)| Step { flow, client, said, off, flags, missing, later },
    )
}

/// The steps as segments: each side's next number follows from what it sent, lies aside.
fn segments(steps: &[Step]) -> Vec<(Moment, Segment<'static>)> {
    let mut next = [[1000_u32, 5000]; 3];
    let (mut time, mut reached) = (0_i64, i64::MIN);
    let mut out = Vec::new();
    for (frame, step) in (1..).zip(steps) {
        time = time.saturating_add(step.later);
        reached = reached.max(time);
        let client = Endpoint { ip: [192, 0, 2, 1].into(), port: 40_000 + step.flow };
        let server = Endpoint { ip: [198, 51, 100, 25].into(), port: 25 };
        let (from, to) = if step.client { (client, server) } else { (server, client) };
        let (flow, side) = FlowKey::new(from, to);
        let numbers = &mut next[usize::from(step.flow)];
        let (own, other) = (usize::from(!step.client), usize::from(step.client));
        let payload = SAID[step.said].as_bytes();
        let flags = Flags { syn: step.flags == 1, fin: step.flags == 2, rst: step.flags == 3 };
        let segment = Segment {
            flow,
            from: side,
            seq: numbers[own].wrapping_add(step.off.0),
            ack: (step.flags != 4).then(|| numbers[other].wrapping_add(step.off.1)),
            flags,
            payload,
            missing: step.missing,
        };
        if step.off.0 == 0 {
            let length = u32::try_from(payload.len()).unwrap() + u32::from(flags.syn) + u32::from(flags.fin);
            numbers[own] = numbers[own].wrapping_add(length);
        }
        out.push((Moment { ordinal: Ordinal::new(Time(reached), 0, frame), time: Time(time) }, segment));
    }
    out
}

/// What a shard finds, its packets handed over in rounds of so many.
fn found(segments: &[(Moment, Segment<'static>)], tight: bool, round: usize) -> (Vec<Entry>, Vec<Ordinal>) {
    let mut config = Config { records: Records::of(&Kind::ALL), ..Config::default() };
    if tight {
        for limit in [Limit::LineLength, Limit::PendingReplies, Limit::ReplyLines, Limit::Recipients] {
            config.limits.set(limit, 2);
        }
        config.limits.set(Limit::HeldBytesPerConnection, 600);
        config.limits.set(Limit::HeldBytes, 64 * 1000);
        config.limits.set(Limit::Connections, 64 * 2);
        config.limits.set(Limit::HalfOpen, 64);
    }
    let settings: Arc<Settings> = Arc::new(settings(&config));
    let mut shard = Shard::new(&settings);
    let mut clock = Clock::default();
    let mut entries = Vec::new();
    for segments in segments.chunks(round) {
        let mut marks = Vec::new();
        for (at, _) in segments {
            marks.extend(clock.advance(at.ordinal, at.time).map(|turn| {
                let what = match turn {
                    Turn::Restored(time) => What::Restored(time),
                    Turn::Tick(tick) => What::Tick(tick),
                };
                Mark { before: at.ordinal, what }
            }));
        }
        let routed: Vec<Routed<'_>> = segments.iter().map(|&(at, segment)| Routed { at, segment }).collect();
        shard.round(&routed.iter().collect::<Vec<_>>(), &marks);
        let mut of_round = shard.take();
        of_round.sort_unstable_by_key(|entry| entry.key);
        entries.extend(of_round);
    }
    shard.finish(Ordinal::END);
    let mut of_end = shard.take();
    of_end.sort_unstable_by_key(|entry| entry.key);
    entries.extend(of_end);
    (entries, shard.take_bugs().into_iter().map(|(packet, _)| packet).collect())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: CASES, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn hostile_packets_are_no_bug_and_give_the_same_in_any_rounds_and_read_back(
        steps in prop::collection::vec(step(), 0..60),
        tight in any::<bool>(),
        round in 1..20_usize,
    ) {
        let segments = segments(&steps);
        let (entries, errors) = found(&segments, tight, usize::MAX);
        prop_assert_eq!(errors, []);
        prop_assert!(entries.is_sorted_by(|left, right| left.key < right.key), "the order is total");
        let (in_rounds, _) = found(&segments, tight, round);
        prop_assert_eq!(format!("{entries:?}"), format!("{in_rounds:?}"));
        let read: Vec<Entry> = entries.iter().map(Entry::read_back).collect();
        prop_assert_eq!(format!("{entries:?}"), format!("{read:?}"));

        let mut open = std::collections::BTreeSet::new();
        for entry in &entries {
            let connection = entry.key.connection;
            match &entry.item {
                Item::End(ended) => {
                    let complete = ended.end.complete;
                    let missing = ended.session.missing_client + ended.session.missing_server;
                    prop_assert!(!complete || missing == 0);
                    prop_assert!(open.insert(connection), "a session ends once");
                }
                _ => prop_assert!(!open.contains(&connection), "nothing comes of a session behind its end"),
            }
        }
    }
}
