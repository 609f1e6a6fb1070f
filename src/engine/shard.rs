//! One shard: the connections whose flow falls into it, each followed by a parser and judged by the rules.

use std::sync::Arc;

use crate::base::{Limits, Moment, Ordinal, Side, Tally, Timeouts};
use crate::decode::Ports;
use crate::ledger::{Cause, Entry, Item, Key, SessionEnd, Told, Who};
use crate::rules::{Judge, Selection, Verdict};
use crate::smtp::{End, Event, Hears, Options, Parser, Session};
use crate::tcp::{Anomaly, Chunk, Closing, Counters, Gap, Listener, Opening, Place, Reach, Table};

use super::bug;
use super::rounds::{Mark, What};
use super::route::Routed;

/// What every session is followed with.
pub(super) struct Settings {
    pub ports: Ports,
    /// Those of one shard.
    pub limits: Limits,
    pub timeouts: Timeouts,
    pub selection: Selection,
    /// Whether events are wanted: as records, or to be matched.
    pub events: bool,
    /// Whether message data is hashed.
    pub data_hash: bool,
}

/// A shard's connections, and what they said in this round.
pub(super) struct Shard {
    table: Table<Ear>,
    outbox: Outbox,
    settings: Arc<Settings>,
}

impl Shard {
    pub(super) fn new(settings: &Arc<Settings>) -> Self {
        Shard {
            table: Table::new(&settings.limits, settings.timeouts),
            outbox: Outbox::default(),
            settings: Arc::clone(settings),
        }
    }

    /// Follows this shard's segments of one round, and does what is to be done before which packet.
    pub(super) fn round(&mut self, segments: &[&Routed<'_>], marks: &[Mark]) {
        let mut rest = segments;
        for mark in marks {
            let before = rest.partition_point(|routed| routed.at.ordinal < mark.before);
            let (now, later) = rest.split_at_checked(before).unwrap_or((rest, &[]));
            self.follow(now);
            self.mark(mark);
            rest = later;
        }
        self.follow(rest);
    }

    /// Ends all connections: nothing follows, or nothing that has to do with them.
    pub(super) fn finish(&mut self, before: Ordinal) {
        self.outbox.cause = Cause::end(before);
        // Each failed try takes one connection out of the table.
        while !self.caught(|table, listen, out| table.finish(listen, out)) {}
    }

    /// What it found since the last call, in no order.
    pub(super) fn take(&mut self) -> Vec<Entry> {
        std::mem::take(&mut self.outbox.entries)
    }

    /// Connections that are not over.
    pub(super) fn open_connections(&self) -> usize {
        self.table.open_connections()
    }

    pub(super) fn counters(&self) -> &Counters {
        self.table.counters()
    }

    pub(super) fn limits_hit(&self) -> &Tally {
        &self.outbox.limits
    }

    /// The packets at which a connection was given up because of a bug, and the bug's place in the source.
    pub(super) fn take_bugs(&mut self) -> Vec<(Ordinal, Option<String>)> {
        std::mem::take(&mut self.outbox.bugs)
    }

    fn mark(&mut self, mark: &Mark) {
        match mark.what {
            What::Begins(capture) => self.table.capture_begins(capture),
            What::Ended(capture) => self.table.capture_ended(capture),
            What::Fresh => self.finish(mark.before),
            What::Restored(time) => self.table.restore(time),
            What::Tick(tick) => {
                self.outbox.cause = Cause::tick(mark.before, tick.nth);
                let before = Moment { ordinal: mark.before, time: tick.time };
                if !self.caught(|table, listen, out| table.tick(tick, before, listen, out)) {
                    while !self.caught(|table, listen, out| table.expire(before, listen, out)) {}
                }
            }
        }
    }

    fn follow(&mut self, segments: &[&Routed<'_>]) {
        for some in segments.chunks(Self::AT_ONCE) {
            let mut places = [Place::default(); Self::AT_ONCE];
            for (place, routed) in places.iter_mut().zip(some) {
                *place = self.table.look_up(&routed.segment);
            }
            self.prefetch(&places, some);
            let mut some = places.iter().zip(some);
            let mut rest = |table: &mut Table<Ear>, listen: &mut Listen<'_>, out: &mut Outbox| {
                for (&place, routed) in some.by_ref() {
                    out.cause = Cause::packet(routed.at.ordinal);
                    table.segment(place, routed.at, &routed.segment, listen, out);
                }
            };
            // Each failed try has taken one segment.
            while !self.caught(&mut rest) {}
        }
    }

    /// Reads what the segments will need before the first of them is taken: so the waits for memory overlap, where
    /// one connection's steps behind the other's would wait one by one. In a scan of many sessions that is a large
    /// part of what a segment costs.
    fn prefetch(&self, places: &[Place], segments: &[&Routed<'_>]) {
        /// A cache line, as most processors have them.
        const LINE: usize = 64;
        /// Lines of a whole Ethernet frame; what is larger would drive out what was read before it.
        const LINES: usize = 24;
        let mut read = 0;
        for routed in segments {
            let payload = routed.segment.payload;
            let (lines, rest) = payload.get(..LINE * LINES).unwrap_or(payload).as_chunks::<LINE>();
            let octet = lines.iter().fold(0, |sum, [first, ..]| sum ^ first);
            read ^= u64::from(octet ^ rest.first().copied().unwrap_or(0));
        }
        for reach in [Reach::Connection, Reach::Listener, Reach::Behind] {
            for (place, routed) in places.iter().zip(segments) {
                if reach == Reach::Connection || !routed.segment.payload.is_empty() {
                    read ^= self.table.prefetch(place, reach);
                }
            }
        }
        std::hint::black_box(read);
    }

    /// So many segments are looked up before the first of them is taken.
    const AT_ONCE: usize = 16;

    /// Runs steps of the table. A panic in one ends the connection that was worked on, not the scan: false
    /// then. (A bug in one session must not end a sensor.)
    fn caught(&mut self, step: impl FnOnce(&mut Table<Ear>, &mut Listen<'_>, &mut Outbox)) -> bool {
        let Shard { table, outbox, settings } = self;
        let mut listen: &mut dyn FnMut(&Opening) -> Ear = &mut |opening| Ear::new(opening, settings);
        // What a panic leaves half done belongs to the connection, which is dropped.
        let ran = bug::caught(|| step(table, &mut listen, outbox));
        if let Err(place) = &ran {
            self.outbox.bugs.push((self.outbox.cause.packet, place.clone()));
            self.table.abandon();
        }
        ran.is_ok()
    }
}

/// For tests: what a session says to meet a bug.
#[cfg(test)]
pub(super) const A_BUG: &[u8] = b"X-A-BUG";

/// Makes the listener of a connection that begins to speak.
type Listen<'l> = &'l mut dyn FnMut(&Opening) -> Ear;

/// Where the sessions of a shard put what they found.
#[derive(Default)]
struct Outbox {
    /// The packet or tick that is being worked on.
    cause: Cause,
    entries: Vec<Entry>,
    limits: Tally,
    bugs: Vec<(Ordinal, Option<String>)>,
    /// Empty between two events; kept for its memory.
    verdicts: Vec<Verdict>,
}

/// Listens to one connection. What every chunk needs lies in front.
#[repr(C)]
struct Ear {
    parser: Parser,
    mind: Mind,
}

/// What hears the parser's events.
#[repr(C)]
struct Mind {
    judge: Judge,
    settings: Arc<Settings>,
    first: Ordinal,
    /// The running number of the next entry.
    next: u32,
    /// Events so far that have a record, whether it is wanted or not.
    told: u64,
}

impl Ear {
    fn new(opening: &Opening, settings: &Arc<Settings>) -> Self {
        let options = Options { want_data_hash: settings.data_hash };
        Ear {
            parser: Parser::new(opening, |port| settings.ports.has(port), &settings.limits, options),
            mind: Mind {
                judge: Judge::default(),
                settings: Arc::clone(settings),
                first: opening.first.ordinal,
                next: 0,
                told: 0,
            },
        }
    }

    fn step(&mut self, out: &mut Outbox, step: impl FnOnce(&mut Parser, &mut Hearing<'_>)) {
        step(&mut self.parser, &mut Hearing { mind: &mut self.mind, out, end: None });
    }
}

impl Listener for Ear {
    type Out = Outbox;

    fn chunk(&mut self, chunk: &Chunk<'_>, out: &mut Outbox) {
        #[cfg(test)]
        assert!(!chunk.bytes.starts_with(A_BUG), "a bug, as the tests want one");
        self.step(out, |parser, hearing| parser.chunk(chunk, hearing));
    }

    fn gap(&mut self, gap: &Gap, out: &mut Outbox) {
        self.step(out, |parser, hearing| parser.gap(gap, hearing));
    }

    fn end_of_stream(&mut self, side: Side, at: Moment, out: &mut Outbox) {
        self.step(out, |parser, hearing| parser.end_of_stream(side, at, hearing));
    }

    fn anomaly(&mut self, _: &Anomaly, _: &mut Outbox) {
        // Counted by the table; judged once a rule asks for it.
    }

    fn close(mut self, closing: &Closing, out: &mut Outbox) {
        let mut hearing = Hearing { mind: &mut self.mind, out, end: None };
        self.parser.close(closing, &mut hearing);
        let end = hearing.end;
        out.limits.merge(&self.parser.take_tally());
        if let Some(end) = end {
            let findings = self.mind.judge.take_counts();
            let ended = SessionEnd { session: self.parser.into_session(), end, findings };
            self.mind.put(Key::END, Item::End(Box::new(ended)), out);
        }
    }

    fn prefetch(&self, reach: Reach) -> u64 {
        self.parser.prefetch(reach)
    }

    fn held_bytes(&self) -> usize {
        self.parser.held_bytes().saturating_add(self.mind.judge.held_bytes())
    }

    fn let_go(&mut self, out: &mut Outbox) {
        self.step(out, |parser, hearing| parser.release(hearing));
    }
}

/// A session's events on their way into the outbox.
struct Hearing<'h> {
    mind: &'h mut Mind,
    out: &'h mut Outbox,
    /// Its last event, which is told once the session can be had whole.
    end: Option<End>,
}

impl Mind {
    fn put(&mut self, place: u16, item: Item, out: &mut Outbox) {
        let key = Key { cause: out.cause, connection: self.first, reading: 0, place, nth: self.next };
        self.next = self.next.saturating_add(1);
        out.entries.push(Entry { key, item });
    }
}

impl Hears for Hearing<'_> {
    fn hear(&mut self, event: &Event<'_>, session: &Session) {
        let Hearing { mind, out, .. } = self;
        let number = Told::is_told(event).then(|| {
            mind.told = mind.told.saturating_add(1);
            mind.told
        });
        if mind.settings.events
            && let Some((number, told)) = number.zip(Told::of(event, session))
        {
            mind.put(Key::EVENT, Item::Event(Who::of(session), number, Box::new(told)), out);
        }
        mind.judge.hear(event, number, session, &mind.settings.selection, &mut out.limits, &mut out.verdicts);
        if !out.verdicts.is_empty() {
            let mut verdicts = std::mem::take(&mut out.verdicts);
            let who = Who::of(session);
            for verdict in verdicts.drain(..) {
                mind.put(Key::of(verdict.rule), Item::of(verdict, who), out);
            }
            out.verdicts = verdicts;
        }
        if let Event::End(end) = event {
            self.end = Some((*end).clone());
        }
    }
}
