//! The door of `benches/`: the work of each room alone, on input that lies in memory. It exists with the feature
//! `bench` only and is no part of the library's face.
//!
//! What one step gives is the next one's input, as on the path itself: [`Packets`], [`Segments`], [`Streams`],
//! [`Events`]. Each step can be done again and again, and returns what shows that it was done.

use std::hint::black_box;
use std::path::Path;

use crate::base::{Clock, Limits, Moment, SMTP, Side, Tally, Timeouts, Turn};
use crate::capture::{self, Batch, Next, Reader};
use crate::decode::{self, Decoded, Ports, Segment};
use crate::rules::{Judge, RULES, Selection, Severity};
use crate::smtp::event::{Fault, MessageData, OwnedAnswers};
use crate::smtp::wire::tls::Tls;
use crate::smtp::{Command, End, Event, Hears, Options, Parser, Reply, Session};
use crate::tcp::{Anomaly, Chunk, Closing, Gap, Listener, Opening, Table};

/// Reads a capture into one block, as a scan does; returns how many packets it holds.
pub fn read(path: &Path) -> u64 {
    let mut packets = 0_u64;
    each_batch(path, |batch| {
        packets = packets.saturating_add(batch.packets.len() as u64);
        Some(batch)
    });
    packets
}

/// Gives every batch of the capture to `take`, which may give it back to be read into. What cannot be read gives none.
fn each_batch(path: &Path, mut take: impl FnMut(Batch) -> Option<Batch>) {
    let mut reader = Reader::open(&[path.to_path_buf()], &capture::Options::default());
    let mut used = None;
    loop {
        match reader.next(used.take()) {
            Next::Batch(batch) => used = take(batch),
            Next::Problem(_) | Next::Notice(_) | Next::Pause => {}
            Next::End => return,
        }
    }
}

/// The packets of a capture.
pub struct Packets {
    batches: Vec<Batch>,
    ports: Ports,
}

/// How many packets gave what.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Decoding {
    /// A segment of port 25.
    pub segments: u64,
    /// An IP fragment.
    pub fragments: u64,
    /// Neither.
    pub skipped: u64,
}

impl Packets {
    /// Reads a capture.
    pub fn read(path: &Path) -> Self {
        let mut batches = Vec::new();
        each_batch(path, |batch| {
            batches.push(batch);
            None
        });
        Packets { batches, ports: Ports::new([SMTP]) }
    }

    /// Decodes every packet.
    pub fn decode(&self) -> Decoding {
        let mut decoding = Decoding::default();
        self.each(|_, decoded| {
            let count = match black_box(&decoded) {
                Decoded::Segment(_) => &mut decoding.segments,
                Decoded::Fragment(_) => &mut decoding.fragments,
                Decoded::Skipped(_) => &mut decoding.skipped,
            };
            *count = count.saturating_add(1);
        });
        decoding
    }

    /// The segments of port 25, in the order of their packets; fragments are left out.
    pub fn segments(&self) -> Segments<'_> {
        let mut segments = Vec::new();
        self.each(|at, decoded| {
            if let Decoded::Segment(segment) = decoded {
                segments.push((at, segment));
            }
        });
        Segments(segments)
    }

    fn each<'p>(&'p self, mut take: impl FnMut(Moment, Decoded<'p>)) {
        for batch in &self.batches {
            for (ordinal, packet) in batch.runs().flat_map(|(run, packets)| run.of(packets)) {
                let at = Moment { ordinal, time: packet.time };
                take(at, decode::decoded(packet.link_type, batch.bytes(packet), packet.original, &self.ports));
            }
        }
    }
}

/// Segments of many connections in one order.
pub struct Segments<'p>(Vec<(Moment, Segment<'p>)>);

impl Segments<'_> {
    /// How many there are.
    pub fn count(&self) -> u64 {
        self.0.len() as u64
    }

    /// Puts the connections together; returns how many octets of both directions were handed on.
    pub fn reassemble(&self) -> u64 {
        let mut octets = 0;
        self.follow(|_| Octets, &mut octets);
        octets
    }

    /// What reassembly hands on, connection by connection in the order of their ends.
    pub fn streams(&self) -> Streams {
        let mut streams = Vec::new();
        self.follow(Recording::new, &mut streams);
        Streams { streams, limits: Limits::default().of_one_shard() }
    }

    /// All connections in one table, with the clock's ticks.
    fn follow<L: Listener>(&self, mut listen: impl FnMut(&Opening) -> L, out: &mut L::Out) {
        let mut table = Table::new(&Limits::default(), Timeouts::default());
        let mut clock = Clock::default();
        for (at, segment) in &self.0 {
            for turn in clock.advance(at.ordinal, at.time) {
                if let Turn::Tick(tick) = turn {
                    table.tick(tick, Moment { time: tick.time, ..*at }, &mut listen, out);
                }
            }
            let place = table.look_up(segment);
            table.segment(place, *at, segment, &mut listen, out);
        }
        table.finish(&mut listen, out);
    }
}

/// A listener that counts octets.
struct Octets;

impl Listener for Octets {
    type Out = u64;

    fn chunk(&mut self, chunk: &Chunk<'_>, out: &mut u64) {
        *out = out.saturating_add(black_box(chunk).bytes.len() as u64);
    }

    fn gap(&mut self, _: &Gap, _: &mut u64) {}

    fn end_of_stream(&mut self, _: Side, _: Moment, _: &mut u64) {}

    fn anomaly(&mut self, _: &Anomaly, _: &mut u64) {}

    fn close(self, _: &Closing, _: &mut u64) {}

    fn held_bytes(&self) -> usize {
        0
    }
}

/// Both directions of many connections, in causal order.
pub struct Streams {
    streams: Vec<Recording>,
    limits: Limits,
}

/// All that a connection's listener was told.
struct Recording {
    opening: Opening,
    told: Vec<Told>,
    closing: Option<Closing>,
}

enum Told {
    /// The bytes, and the chunk without them.
    Chunk(Vec<u8>, Chunk<'static>),
    Gap(Gap),
    EndOfStream(Side, Moment),
}

impl Streams {
    /// Octets of both directions.
    pub fn octets(&self) -> u64 {
        let told = self.streams.iter().flat_map(|stream| &stream.told);
        told.map(|told| if let Told::Chunk(bytes, _) = told { bytes.len() as u64 } else { 0 }).sum()
    }

    /// Reads every session; returns how many events were told.
    pub fn parse(&self) -> u64 {
        let mut count = Count(0);
        for stream in &self.streams {
            stream.parse(&self.limits, &mut count);
        }
        count.0
    }

    /// The events of every session.
    pub fn events(&self) -> Events {
        let session = |stream: &Recording| {
            let mut kept = Kept(Vec::new());
            stream.parse(&self.limits, &mut kept);
            kept
        };
        Events(self.streams.iter().map(session).collect())
    }
}

impl Recording {
    fn new(opening: &Opening) -> Self {
        Recording { opening: opening.clone(), told: Vec::new(), closing: None }
    }

    fn parse(&self, limits: &Limits, hears: &mut dyn Hears) {
        let mut parser = Parser::new(&self.opening, |port| port == SMTP, limits, Options::default());
        for told in &self.told {
            match told {
                Told::Chunk(bytes, chunk) => parser.chunk(&Chunk { bytes, ..*chunk }, hears),
                Told::Gap(gap) => parser.gap(gap, hears),
                Told::EndOfStream(side, at) => parser.end_of_stream(*side, *at, hears),
            }
        }
        if let Some(closing) = &self.closing {
            parser.close(closing, hears);
        }
    }
}

impl Listener for Recording {
    type Out = Vec<Recording>;

    fn chunk(&mut self, chunk: &Chunk<'_>, _: &mut Self::Out) {
        self.told.push(Told::Chunk(chunk.bytes.to_vec(), Chunk { bytes: &[], ..*chunk }));
    }

    fn gap(&mut self, gap: &Gap, _: &mut Self::Out) {
        self.told.push(Told::Gap(*gap));
    }

    fn end_of_stream(&mut self, side: Side, at: Moment, _: &mut Self::Out) {
        self.told.push(Told::EndOfStream(side, at));
    }

    fn anomaly(&mut self, _: &Anomaly, _: &mut Self::Out) {}

    fn close(mut self, closing: &Closing, out: &mut Self::Out) {
        self.closing = Some(closing.clone());
        out.push(self);
    }

    fn held_bytes(&self) -> usize {
        0
    }
}

/// Counts events.
struct Count(u64);

impl Hears for Count {
    fn hear(&mut self, event: &Event<'_>, session: &Session) {
        black_box((event, session));
        self.0 = self.0.saturating_add(1);
    }
}

/// The events of many sessions.
pub struct Events(Vec<Kept>);

/// One session's events, each with the session as it was then.
struct Kept(Vec<(Owned, Session)>);

/// An event that borrows nothing.
enum Owned {
    Greeting(Box<Reply>),
    Command(Box<Command>),
    Reply(Box<Reply>, OwnedAnswers),
    Data(Box<MessageData>),
    Tls(Box<Tls>, Moment),
    Gap(Gap),
    Fault(Box<Fault>),
    End(End),
}

/// Rules that judge together.
pub struct Rules(Selection);

/// The id of every rule, in catalogue order.
pub fn rules() -> impl Iterator<Item = &'static str> {
    RULES.iter().map(|rule| rule.id)
}

impl Rules {
    /// The rules of these ids. Those that tell facts of a server to the ledger are always among them, so that what
    /// one rule costs is the difference to none.
    pub fn only(ids: &[&str]) -> Self {
        let others: Vec<_> = rules().filter(|id| !ids.contains(id)).filter_map(|id| id.parse().ok()).collect();
        Rules(Selection::new(&[], &others, Severity::Info, &Limits::default()))
    }

    /// Every rule.
    pub fn all() -> Self {
        Rules(Selection::default())
    }
}

impl Events {
    /// How many there are.
    pub fn count(&self) -> u64 {
        self.0.iter().map(|session| session.0.len() as u64).sum()
    }

    /// Judges every session; returns how many findings and facts of servers were given.
    pub fn judge(&self, rules: &Rules) -> u64 {
        let (mut limits, mut verdicts, mut given) = (Tally::default(), Vec::new(), 0_u64);
        for session in &self.0 {
            let mut judge = Judge::default();
            for (event, session) in &session.0 {
                judge.hear(&event.borrowed(), None, session, &rules.0, &mut limits, &mut verdicts);
                given = given.saturating_add(black_box(&verdicts).len() as u64);
                verdicts.clear();
            }
        }
        given
    }
}

impl Hears for Kept {
    fn hear(&mut self, event: &Event<'_>, session: &Session) {
        self.0.push((Owned::of(event), session.clone()));
    }
}

impl Owned {
    fn of(event: &Event<'_>) -> Self {
        match *event {
            Event::Greeting(reply) => Owned::Greeting(Box::new(reply.clone())),
            Event::Command(command) => Owned::Command(Box::new(command.clone())),
            Event::Reply(reply, answers) => Owned::Reply(Box::new(reply.clone()), OwnedAnswers::of(answers)),
            Event::Data(data) => Owned::Data(Box::new(data.clone())),
            Event::Tls(tls, at) => Owned::Tls(Box::new(tls.clone()), at),
            Event::Gap(gap) => Owned::Gap(*gap),
            Event::Fault(fault) => Owned::Fault(Box::new(fault.clone())),
            Event::End(end) => Owned::End(end.clone()),
        }
    }

    fn borrowed(&self) -> Event<'_> {
        match self {
            Owned::Greeting(reply) => Event::Greeting(reply),
            Owned::Command(command) => Event::Command(command),
            Owned::Reply(reply, answers) => Event::Reply(reply, answers.borrowed()),
            Owned::Data(data) => Event::Data(data),
            Owned::Tls(tls, at) => Event::Tls(tls, *at),
            Owned::Gap(gap) => Event::Gap(gap),
            Owned::Fault(fault) => Event::Fault(fault),
            Owned::End(end) => Event::End(end),
        }
    }
}
