//! Each bound of the holder, packet by packet; then the holder on whole captures, against a second reading of them.
#![expect(clippy::arithmetic_side_effects, reason = "the numbers of tests are small")]

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use proptest::prelude::*;

use super::*;
use crate::base::{Endpoint, LinkType};
use crate::capture;
use crate::decode::Flags;
use crate::defrag::Defrag;
use crate::engine::analysis::Analysis;
use crate::engine::rounds::{Reading, Round};
use crate::engine::testing::Nobody;
use crate::engine::{Config, Sink, Stopped, again, settings};
use crate::ledger::{Item, Kind, Ledger, Output, Records};
use crate::rules::Catalogue;
use crate::rules::dialogue::Dialogue;

const SERVER: ([u8; 4], u16) = ([198, 51, 100, 25], 25);

fn end(ip: [u8; 4], port: u16) -> Endpoint {
    Endpoint { ip: IpAddr::from(ip), port }
}

fn at(ordinal: u64) -> Moment {
    Moment { ordinal: Ordinal::of(ordinal), time: Time(i64::try_from(ordinal).unwrap() * 1_000_000) }
}

const SYN: Flags = Flags { syn: true, fin: false, rst: false };
const RST: Flags = Flags { syn: false, fin: false, rst: true };

/// A client and the holder that its packets go to.
struct Lab {
    holder: Holder,
    next: u64,
}

impl Lab {
    fn new(limits: &[(Limit, u64)]) -> Lab {
        let mut all = Limits::default();
        for (limit, value) in limits {
            all.set(*limit, *value);
        }
        Lab { holder: Holder::new(&all, Timeouts::default()), next: 0 }
    }

    /// A packet of this client with so many octets, of which none is payload where there are flags.
    fn packet(&mut self, client: u32, flags: Flags, octets: usize) -> Moment {
        let (flow, from) = FlowKey::new(end(client.to_be_bytes(), 40_000), end(SERVER.0, SERVER.1));
        let at = at(self.next);
        self.next += 1;
        let bytes = vec![u8::try_from(self.next % 251).unwrap(); octets];
        let payload: &[u8] = if flags == Flags::default() { &bytes } else { &[] };
        let segment = Segment { flow, from, seq: 1, ack: None, flags, payload, missing: 0 };
        let captured = Captured { time: at.time, link_type: LinkType(1), original: 9000, bytes: &bytes };
        self.holder.packet(at, &segment, &captured);
        at
    }

    fn data(&mut self, client: u32, octets: usize) -> Moment {
        self.packet(client, Flags::default(), octets)
    }

    /// Something is found in this client's session that began with `first`; it names the packet `of`.
    fn found(&mut self, client: u32, first: Moment, of: Moment) -> Kept {
        let mut finding = Dialogue::read("S: 220 mx\nC: HELP\nS: 214 HELO MAIL").findings().remove(0);
        finding.at = of;
        finding.packets = crate::base::Packets::one(of);
        let who = Who { client: end(client.to_be_bytes(), 40_000), server: end(SERVER.0, SERVER.1), first };
        let mut found = Found { who, finding, kept: None, interface: None };
        self.holder.found(&mut found, &Catalogue::built_in());
        found.kept.unwrap()
    }

    fn ended(&mut self, client: u32, first: Moment, last: Moment) {
        let dialogue = Dialogue::read("S: 220 mx\nC: QUIT\nS: 221 bye");
        let mut session = dialogue.session.clone();
        (session.client, session.server) = (end(client.to_be_bytes(), 40_000), end(SERVER.0, SERVER.1));
        (session.first, session.last) = (first, last);
        let findings = dialogue.verdicts().0.counts().clone();
        self.holder.ended(&SessionEnd { session, end: dialogue.end(), findings });
    }

    fn taken(&mut self) -> Vec<u64> {
        self.holder.take().iter().map(|packet| packet.at.ordinal.frame()).collect()
    }

    fn hit(&self, limit: Limit) -> u64 {
        self.holder.limits_hit().get(limit.key())
    }
}

const OF_ONE: Limit = Limit::EvidenceBytesPerSession;
const OF_ALL: Limit = Limit::EvidenceBytes;

#[test]
fn held_packets_are_given_out_once_something_is_found_and_those_that_follow_at_once() {
    let mut lab = Lab::new(&[]);
    let first = lab.packet(1, SYN, 60);
    lab.packet(2, SYN, 60);
    let help = lab.data(1, 70);
    lab.data(2, 70);
    assert_eq!(lab.taken(), [0_u64; 0]);
    assert_eq!(lab.found(1, first, help), Kept { packets: 2, bytes: 130, fell_out: 0 });
    let given = lab.holder.take();
    assert_eq!(given.iter().map(|packet| packet.at).collect::<Vec<_>>(), [first, help]);
    assert_eq!((given[0].original, given[0].link_type, given[0].bytes.len()), (9000, LinkType(1), 60));
    assert!(given[0].comments.is_empty() && given[1].comments[0].starts_with("help-exposed/answered: HELP"));
    assert_eq!(given[1].captured().bytes.len(), 70);
    let next = lab.data(1, 80);
    lab.data(2, 80);
    assert_eq!(lab.found(1, first, next), Kept { packets: 3, bytes: 210, fell_out: 0 });
    assert_eq!(lab.taken(), [next.ordinal.frame()]);
    assert_eq!(lab.taken(), [0_u64; 0]);
}

#[test]
fn of_a_long_session_its_beginning_and_the_latest_packets_are_held() {
    let mut lab = Lab::new(&[]);
    let first = lab.data(1, 904);
    let mut last = first;
    for _ in 1..200 {
        last = lab.data(1, 904);
        assert!(lab.holder.held_bytes() <= CONNECTION_COST + (64 << 10));
    }
    let kept = lab.found(1, first, last);
    assert_eq!((kept.packets, kept.fell_out), (65, 135));
    let expected: Vec<u64> = (0..16).chain(151..200).collect();
    assert_eq!(lab.taken(), expected);
    assert_eq!((lab.hit(OF_ONE), lab.hit(OF_ALL)), (135, 0));
}

#[test]
fn a_packet_that_has_no_room_alone_drives_out_no_other() {
    let mut lab = Lab::new(&[]);
    let first = lab.data(1, 100);
    lab.data(1, 66_000);
    let last = lab.data(1, 100);
    let kept = lab.found(1, first, last);
    assert_eq!((kept.packets, kept.bytes, kept.fell_out), (2, 200, 1));
}

#[test]
fn what_was_idle_longest_goes_first_and_how_much_is_remembered() {
    let mut lab = Lab::new(&[(OF_ALL, 60_000)]);
    let firsts: Vec<Moment> = (0..5).map(|client| lab.data(client, 10_000)).collect();
    // The first one was seen again, so the second is the one that was idle longest.
    lab.data(0, 10);
    let last = lab.data(5, 10_000);
    assert!(lab.holder.held_bytes() <= 60_000);
    assert_eq!(lab.hit(OF_ALL), 1);
    assert_eq!(lab.found(0, firsts[0], firsts[0]).fell_out, 0);
    assert_eq!(lab.found(2, firsts[2], firsts[2]).fell_out, 0);
    assert_eq!(lab.found(5, last, last), Kept { packets: 1, bytes: 10_000, fell_out: 0 });
    let again = lab.data(1, 10);
    assert_eq!(lab.found(1, firsts[1], again), Kept { packets: 1, bytes: 10, fell_out: 1 });
}

#[test]
fn a_flood_of_syns_drives_out_nothing_but_itself_and_stays_below_the_limit() {
    let mut lab = Lab::new(&[(OF_ALL, 1 << 20)]);
    let first = lab.packet(0, SYN, 60);
    let data = lab.data(0, 500);
    for client in 1..20_000 {
        lab.packet(client, SYN, 60);
        assert!(lab.holder.held_bytes() <= 1 << 20);
    }
    assert!(lab.hit(OF_ALL) > 10_000);
    assert_eq!(lab.found(0, first, data), Kept { packets: 2, bytes: 560, fell_out: 0 });
}

#[test]
fn connections_that_speak_without_end_stay_below_the_limit_too() {
    let mut lab = Lab::new(&[(OF_ALL, 1 << 20)]);
    for client in 0..20_000 {
        let first = lab.data(client, 100);
        if client % 3 == 0 {
            lab.found(client, first, first);
            lab.holder.take();
        }
        assert!(lab.holder.held_bytes() <= 1 << 20);
        assert!(lab.holder.connections.len() == lab.holder.order.len());
    }
    let emptied = lab.holder.order.keys().filter(|(class, ..)| *class == Class::Emptied).count();
    assert_eq!(lab.holder.emptied, emptied);
    // What goes last are those of which packets are being written.
    let flagged = lab.holder.order.keys().filter(|(class, ..)| *class == Class::Flagged).count();
    assert!(flagged > 2000, "{flagged}");
}

#[test]
fn what_is_over_is_forgotten_and_what_follows_between_the_same_ends_is_another_connection() {
    let mut lab = Lab::new(&[]);
    let first = lab.data(1, 100);
    let last = lab.data(1, 100);
    lab.ended(1, first, last);
    assert_eq!((lab.holder.held_bytes(), lab.holder.order.len()), (0, 0));

    // The next connection begins before the end of the one in which something was found is told.
    let first = lab.data(1, 100);
    lab.found(1, first, first);
    let last = lab.data(1, 100);
    let next = lab.packet(1, SYN, 60);
    lab.ended(1, first, last);
    assert_eq!(lab.taken(), [first.ordinal.frame(), last.ordinal.frame()]);
    lab.data(1, 100);
    assert_eq!(lab.taken(), [0_u64; 0]);
    assert_eq!(lab.found(1, next, next), Kept { packets: 2, bytes: 160, fell_out: 0 });
    assert_eq!(lab.taken(), [next.ordinal.frame(), next.ordinal.frame() + 1]);
}

#[test]
fn what_came_before_a_connection_is_not_of_it() {
    let mut lab = Lab::new(&[]);
    lab.packet(1, SYN, 60);
    let first = lab.packet(1, SYN, 60);
    let data = lab.data(1, 100);
    assert_eq!(lab.found(1, first, data), Kept { packets: 2, bytes: 160, fell_out: 0 });
    assert_eq!(lab.taken(), [1, 2]);
}

#[test]
fn a_connection_that_is_not_known_tells_that_something_fell_out() {
    let mut lab = Lab::new(&[]);
    assert_eq!(lab.found(1, at(3), at(5)), Kept { packets: 0, bytes: 0, fell_out: 1 });
    lab.next = 10;
    lab.data(1, 100);
    assert_eq!(lab.taken(), [10]);
    lab.packet(2, RST, 60);
    assert_eq!(lab.holder.connections.len(), 1, "a reset of nothing is no connection");
}

#[test]
fn the_idle_are_forgotten_those_that_never_spoke_earlier() {
    let mut lab = Lab::new(&[]);
    let minutes = |minutes: i64| Time(minutes * 60 * Time::SECOND);
    lab.packet(1, SYN, 60);
    lab.data(2, 100);
    let flagged = lab.data(3, 100);
    lab.found(3, flagged, flagged);
    // The handshake is complete, and nothing more.
    lab.packet(4, SYN, 60);
    lab.packet(4, Flags { fin: true, ..Flags::default() }, 60);
    for (minute, left) in [(1, 4), (2, 3), (59, 3), (61, 0)] {
        lab.holder.tick(minutes(minute));
        assert_eq!(lab.holder.connections.len(), left, "after {minute} minutes");
    }
    lab.holder.take();
    assert_eq!((lab.holder.held_bytes(), lab.holder.order.len()), (0, 0));
}

fn fragment(source: [u8; 4], protocol: u8) -> Fragment<'static> {
    let destination = SERVER.0.into();
    let source = source.into();
    Fragment {
        source,
        destination,
        identification: 1,
        protocol,
        offset: 0,
        more: true,
        payload: b"12345678",
        missing: 0,
    }
}

#[test]
fn fragments_wait_for_their_siblings_within_their_share() {
    let mut lab = Lab::new(&[(OF_ALL, 80_000)]);
    let bytes = [7; 904];
    let first = lab.data(1, 100);
    let put = |lab: &mut Lab, protocol: u8| {
        let at = at(lab.next);
        lab.next += 1;
        let captured = Captured { time: at.time, link_type: LinkType(1), original: 904, bytes: &bytes };
        lab.holder.fragment(at, &fragment([192, 0, 2, 1], protocol), &captured);
        at
    };
    assert_eq!((put(&mut lab, 17).ordinal.frame(), lab.holder.fragments.len()), (1, 0), "UDP is none of ours");
    let numbers: Vec<Moment> = (0..12).map(|_| put(&mut lab, 6)).collect();
    assert_eq!((lab.holder.fragments.len(), lab.hit(OF_ALL)), (10, 2));
    let (flow, from) = FlowKey::new(end(1_u32.to_be_bytes(), 40_000), end(SERVER.0, SERVER.1));
    let segment = Segment { flow, from, seq: 1, ack: None, flags: Flags::default(), payload: b"1", missing: 0 };
    // The first two are gone.
    let all: Vec<Ordinal> = numbers[..4].iter().map(|at| at.ordinal).collect();
    lab.holder.datagram(numbers[3], &segment, &all);
    assert_eq!(lab.found(1, first, numbers[3]), Kept { packets: 3, bytes: 100 + 2 * 904, fell_out: 2 });
    assert_eq!(lab.taken(), [0, 4, 5]);
    lab.holder.tick(Time(40 * Time::SECOND));
    assert_eq!((lab.holder.fragments.len(), lab.holder.fragment_bytes), (0, 0));
    assert_eq!(lab.holder.held_bytes(), CONNECTION_COST);
}

/// Something that happens to the holder.
#[derive(Clone, Debug)]
enum Step {
    Packet { client: u32, flags: Flags, octets: usize },
    Found { client: u32, first: u64, of: u64 },
    Ended { client: u32, first: u64, last: u64 },
    Fragment,
    Tick(i64),
    Take,
}

fn step() -> impl Strategy<Value = Step> {
    let flags = prop_oneof![4 => Just(Flags::default()), 2 => Just(SYN), 1 => Just(RST)];
    let client = || 0_u32..6;
    // Packets are named by how far they lie back.
    let back = || 0_u64..40;
    prop_oneof![
        12 => (client(), flags, 0_usize..3000).prop_map(|(client, flags, octets)| Step::Packet { client, flags, octets }),
        2 => (client(), back(), back()).prop_map(|(client, first, of)| Step::Found { client, first, of }),
        1 => (client(), back(), back()).prop_map(|(client, first, last)| Step::Ended { client, first, last }),
        2 => Just(Step::Fragment),
        1 => (0_i64..5000).prop_map(Step::Tick),
        1 => Just(Step::Take),
    ]
}

/// What is accounted is what is there, and below the limits.
fn check(holder: &Holder) {
    let of = |connection: &Connection| {
        let packets = connection.beginning.iter().chain(&connection.latest);
        let held: usize = packets.map(|held| cost(&held.packet)).sum();
        assert_eq!(held, connection.cost.0 + connection.cost.1);
        assert!(held <= holder.most_of_one);
        CONNECTION_COST + held
    };
    let connections: usize = holder.connections.values().map(of).sum();
    let fragments: usize = holder.fragments.values().map(cost).sum();
    assert_eq!((connections + fragments, fragments), (holder.held, holder.fragment_bytes));
    assert!(holder.held <= holder.most);
    let places = holder.connections.iter().map(|(flow, connection)| (connection.place(), *flow));
    assert!(places.clone().all(|(place, flow)| holder.order.get(&place) == Some(&flow)));
    assert_eq!(places.clone().count(), holder.order.len());
    assert_eq!(places.filter(|(place, _)| place.0 == Class::Emptied).count(), holder.emptied);
}

proptest! {
    #[test]
    fn whatever_happens_what_is_accounted_is_there_and_below_the_limits(
        steps in proptest::collection::vec(step(), 1..200),
        of_one in 1_u64..8000,
        of_all in 3000_u64..30_000,
    ) {
        let mut lab = Lab::new(&[(OF_ONE, of_one), (OF_ALL, of_all)]);
        lab.next = 40;
        for step in steps {
            match step {
                Step::Packet { client, flags, octets } => drop(lab.packet(client, flags, octets)),
                Step::Found { client, first, of } => drop(lab.found(client, at(lab.next - first), at(lab.next - of))),
                Step::Ended { client, first, last } => lab.ended(client, at(lab.next - first), at(lab.next - last)),
                Step::Fragment => {
                    let at = at(lab.next);
                    lab.next += 1;
                    let captured = Captured { time: at.time, link_type: LinkType(1), original: 9, bytes: b"123456789" };
                    lab.holder.fragment(at, &fragment([192, 0, 2, 1], 6), &captured);
                }
                Step::Tick(seconds) => lab.holder.tick(Time(seconds * Time::SECOND)),
                Step::Take => drop(lab.holder.take()),
            }
            check(&lab.holder);
        }
    }
}

impl Sink for Nobody {
    fn take(&mut self, _: Vec<Output>) -> std::io::Result<()> {
        Ok(())
    }
}

/// A packet with what is said beside it.
type Told = (Time, Vec<u8>, Vec<String>);

/// What the holder gives out where a capture comes as if it were live, round by round.
fn live(path: &std::path::Path, config: &Config) -> (Vec<Told>, Vec<Kept>) {
    let mut reading = Reading::open(&[path.to_path_buf()], &config.reading);
    let mut analysis = Analysis::new(settings(config), config.shards, Defrag::new(&config.limits, &config.timeouts));
    let mut ledger = Ledger::new(Records::of(&[Kind::Findings]), Vec::new(), &config.limits, &Catalogue::built_in());
    let mut holder = Holder::new(&config.limits, config.timeouts);
    let (mut told, mut kept) = (Vec::new(), Vec::new());
    let mut last = false;
    while !last {
        let round = reading.round(Round::default(), &Nobody);
        last = round.last;
        let mut entries = analysis.round_held(&round, Some(&mut holder));
        if last {
            entries.extend(analysis.finish());
        }
        for entry in entries {
            if let Item::End(ended) = &entry.item {
                holder.ended(ended);
            }
            ledger.take(entry, &mut |output| {
                if let Output::Finding(mut found) = output {
                    holder.found(&mut found, &Catalogue::built_in());
                    kept.extend(found.kept);
                }
            });
        }
        told.extend(holder.take().into_iter().map(|packet| (packet.at.time, packet.bytes.to_vec(), packet.comments)));
    }
    assert_eq!((holder.held_bytes() > 0, holder.ready.len()), (!holder.order.is_empty(), 0));
    (told, kept)
}

/// What a second reading gives.
fn twice(path: &std::path::Path, config: &Config) -> Result<Vec<Told>, Stopped> {
    Ok(twice_from(path, config, &mut Nobody)?.0)
}

/// The same, and how many packets were read; the sink may end the first reading.
fn twice_from(path: &std::path::Path, config: &Config, sink: &mut dyn Sink) -> Result<(Vec<Told>, u64), Stopped> {
    let (config, paths) = (Config { evidence: true, ..config.clone() }, [path.to_path_buf()]);
    let outcome = crate::engine::run(&config, &paths, sink, &Nobody)?;
    let mut told = Vec::new();
    let mut keep = |packet: &Captured<'_>, comments: &[String]| {
        told.push((packet.time, packet.bytes.to_vec(), comments.to_vec()));
        Ok(())
    };
    again::packets(&config, &paths, outcome.evidence.unwrap(), &mut keep, &Nobody)?;
    Ok((told, outcome.packets))
}

/// Ends the reading once something was found.
struct Ends(Arc<AtomicBool>);

impl Sink for Ends {
    fn take(&mut self, outputs: Vec<Output>) -> std::io::Result<()> {
        if outputs.iter().any(|output| matches!(output, Output::Finding(_))) {
            self.0.store(true, Ordering::Relaxed);
        }
        Ok(())
    }
}

#[test]
fn a_reading_that_is_ended_leaves_the_evidence_of_what_was_read() {
    use synth::traffic::{Kind, Recipe};
    let folder = tempfile::tempdir().unwrap();
    let (path, part) = (folder.path().join("all"), folder.path().join("part"));
    let recipe = Recipe { flows: 50, planted: 300, mail_bytes: 500..=5000, ..Recipe::new(Kind::Relay, 1_000_000) };
    let mut relay = Vec::new();
    recipe.write(&mut relay, &mut std::io::sink()).unwrap();
    std::fs::write(&path, &relay).unwrap();
    let stop = Arc::new(AtomicBool::new(false));
    let reading = capture::Options { batch_bytes: 4096, stop: Arc::clone(&stop).into(), ..capture::Options::default() };
    let (told, packets) =
        twice_from(&path, &Config { reading, ..Config::default() }, &mut Ends(Arc::clone(&stop))).unwrap();
    // So many records of the file: each has its captured length in its third word.
    let mut length = 24;
    for _ in 0..packets {
        let captured = relay[length + 8..].first_chunk().map(|word| u32::from_le_bytes(*word)).unwrap();
        length += 16 + captured as usize;
    }
    assert!(stop.load(Ordering::Relaxed) && length < relay.len() / 2 && !told.is_empty(), "{packets} packets");
    std::fs::write(&part, &relay[..length]).unwrap();
    assert!(told == twice(&part, &Config::default()).unwrap());
}

#[test]
fn what_is_held_is_what_a_second_reading_gives() {
    use synth::traffic::{Kind, Recipe};
    let folder = tempfile::tempdir().unwrap();
    let recipe = Recipe { flows: 50, planted: 300, mail_bytes: 500..=5000, ..Recipe::new(Kind::Relay, 1_000_000) };
    let mut relay = Vec::new();
    recipe.write(&mut relay, &mut std::io::sink()).unwrap();
    let text = "S: 220 mx ESMTP\nC: EHLO a.example\nS: 250 mx\nC: HELP\nS: 214 HELO MAIL RCPT\nC: QUIT\nS: 221 bye\n";
    let dialogue = synth::Dialogue::parse(text).unwrap();
    let fragments = synth::render(&dialogue, &synth::Plan::new().fragment(32).fragments_reversed(true)).pcap();
    for (name, bytes) in [("relay", relay), ("fragments", fragments)] {
        let path = folder.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        for batch_bytes in [4096, 1 << 20] {
            let reading = capture::Options { batch_bytes, ..capture::Options::default() };
            let config = Config { reading, ..Config::default() };
            let mut expected = twice(&path, &config).unwrap();
            let (mut got, kept) = live(&path, &config);
            assert!(expected.len() > 10 && !kept.is_empty());
            assert!(kept.iter().all(|kept| kept.fell_out == 0), "{name}: {kept:?}");
            // Comments on packets that were given out in an earlier round came too late.
            for told in expected.iter_mut().chain(&mut got) {
                told.2.clear();
            }
            expected.sort();
            got.sort();
            assert!(got == expected, "{name}, {batch_bytes}: {} packets, {} expected", got.len(), expected.len());
        }
    }
}
