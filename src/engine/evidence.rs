//! Packets that come only once, held until something is found in their session: then they are given out, and all that
//! follow at once.
//!
//! Bounds: [`Limit::EvidenceBytesPerSession`] and [`Limit::EvidenceBytes`], on accounted bytes. Of a session that has
//! more than there is room for, a quarter of the room is for its beginning, in which greeting and EHLO stand, without
//! which nothing that follows can be read; the rest is for the latest packets, of which a finding is usually made. In
//! all, what was idle longest goes first: whole connections without a completed handshake (so a flood of SYNs drives
//! out nothing but itself), then the packets of the others, of which it stays known how many fell out. What is given
//! out waits until the round is over: at most what was held, and the packets of one round.
//!
//! No clock, no thread, no I/O. In a round: [`Holder::round`] before its packets are analysed; [`Holder::found`] and
//! [`Holder::ended`] for what the ledger prints and takes, in its order; [`Holder::take`], what is to be written; then
//! [`Holder::tick`].

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, VecDeque};
use std::ops::Bound;

use foldhash::fast::RandomState;
use hashbrown::HashMap;

use crate::base::{Captured, FlowKey, Limit, Limits, Moment, Ordinal, Tally, Time, Timeouts};
use crate::capture::Batch;
use crate::decode::{Datagram, Fragment, Segment};
use crate::ledger::{Exhibit, Found, Kept, SessionEnd, Who};
use crate::report::pcapng;
use crate::rules::Catalogue;

use super::route::{Routed, Slice};

/// What a connection and a packet are taken to cost beside the packet's bytes.
const CONNECTION_COST: usize = 448;
const PACKET_COST: usize = 96;

/// One in so many bytes of the room of a session is for its beginning ...
const BEGINNING: usize = 4;
/// ... and of all room for fragments without their siblings, and for connections of which nothing is held any more.
const SHARE: usize = 8;

/// Packets that are held, and those to be given out.
#[derive(Debug)]
pub(crate) struct Holder {
    most: usize,
    most_of_one: usize,
    timeouts: Timeouts,
    connections: HashMap<FlowKey, Connection, RandomState>,
    /// The connections in the order in which they go.
    order: BTreeMap<Place, FlowKey>,
    /// Connections so far.
    begun: u64,
    /// Fragments that wait for their siblings.
    fragments: BTreeMap<Ordinal, Exhibit>,
    fragment_bytes: usize,
    /// Connections of which nothing is held any more.
    emptied: usize,
    /// Accounted bytes of all that is held.
    held: usize,
    /// To be given out, by their numbers.
    ready: BTreeMap<Ordinal, (FlowKey, Held)>,
    limits_hit: Tally,
}

/// What a connection is, the packet that it was last seen with, and its number.
type Place = (Class, Ordinal, u64);

/// What a connection is, in the order in which they go.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Class {
    /// Its handshake is not complete.
    HalfOpen,
    /// Its packets are held.
    Open,
    /// Nothing is held of it any more.
    Emptied,
    /// Something was found.
    Flagged,
}

/// A packet, and the one that completed its segment: the same, but for fragments.
#[derive(Debug)]
struct Held {
    segment: Ordinal,
    packet: Exhibit,
}

#[derive(Debug)]
struct Connection {
    number: u64,
    /// The last packet, and its time.
    touched: Moment,
    syn: bool,
    established: bool,
    /// The beginning, and what of it is full.
    beginning: Vec<Held>,
    begun: bool,
    /// The latest packets.
    latest: VecDeque<Held>,
    /// Accounted bytes of both.
    cost: (usize, usize),
    fell_out: u64,
    /// What was given out, since something was found.
    kept: Option<Kept>,
}

impl Holder {
    pub(crate) fn new(limits: &Limits, timeouts: Timeouts) -> Self {
        let most = |limit| usize::try_from(limits.get(limit)).unwrap_or(usize::MAX);
        Holder {
            most: most(Limit::EvidenceBytes),
            most_of_one: most(Limit::EvidenceBytesPerSession),
            timeouts,
            connections: HashMap::default(),
            order: BTreeMap::new(),
            begun: 0,
            fragments: BTreeMap::new(),
            fragment_bytes: 0,
            emptied: 0,
            held: 0,
            ready: BTreeMap::new(),
            limits_hit: Tally::default(),
        }
    }

    /// Takes the packets of a round that gave segments and fragments, and the datagrams that were completed in it.
    pub(super) fn round(&mut self, batches: &[Batch], slices: &[Slice<'_>], completed: &[(Routed<'_>, &Datagram)]) {
        let captured = |number: Ordinal| batches.iter().find_map(|batch| batch.captured(number));
        for (at, fragment) in slices.iter().flat_map(|slice| &slice.fragments) {
            if let Some(captured) = captured(at.ordinal) {
                self.fragment(*at, fragment, &captured);
            }
        }
        for Routed { at, segment } in slices.iter().flat_map(|slice| &slice.segments) {
            if let Some(captured) = captured(at.ordinal) {
                self.packet(*at, segment, &captured);
            }
        }
        for (Routed { at, segment }, datagram) in completed {
            self.datagram(*at, segment, &datagram.fragments);
        }
    }

    /// Takes a packet that gave a segment.
    pub(crate) fn packet(&mut self, at: Moment, segment: &Segment<'_>, captured: &Captured<'_>) {
        if self.see(at, segment) {
            self.add(segment.flow, Held::new(at, captured), at.ordinal);
            self.enforce();
        }
    }

    /// Takes a fragment that may be one of a segment.
    fn fragment(&mut self, at: Moment, fragment: &Fragment<'_>, captured: &Captured<'_>) {
        /// TCP's number; in IPv6 only the first fragment tells it.
        const TCP: u8 = 6;
        if fragment.protocol != TCP && fragment.source.is_ipv4() {
            return;
        }
        let packet = Held::new(at, captured).packet;
        let cost = cost(&packet);
        self.fragment_bytes = self.fragment_bytes.saturating_add(cost);
        self.held = self.held.saturating_add(cost);
        self.fragments.insert(at.ordinal, packet);
        while self.fragment_bytes > self.most / SHARE {
            self.limits_hit.one(Limit::EvidenceBytes.key());
            self.oldest_fragment();
        }
        self.enforce();
    }

    /// A segment that came in these fragments.
    fn datagram(&mut self, at: Moment, segment: &Segment<'_>, fragments: &[Ordinal]) {
        let last = [at.ordinal];
        let last = last.iter().filter(|last| !fragments.contains(last));
        let found: Vec<Option<Exhibit>> =
            fragments.iter().chain(last).map(|number| self.remove_fragment(*number)).collect();
        if !self.see(at, segment) {
            return;
        }
        for fragment in found {
            match fragment {
                Some(packet) => self.add(segment.flow, Held { segment: at.ordinal, packet }, at.ordinal),
                None => self.change(&segment.flow, Connection::miss).unwrap_or_default(),
            }
        }
        self.enforce();
    }

    /// Something was reported: the packets of its session are to be written from now on, those that are held first.
    /// What is kept, and what fell out, is told in the finding.
    pub(crate) fn found(&mut self, found: &mut Found, catalogue: &Catalogue) {
        let (flow, first) = (found.who.flow(), found.who.first.ordinal);
        self.connection(flow, found.finding.at);
        for held in self.change(&flow, |connection| connection.flag(first)).unwrap_or_default() {
            self.ready.insert(held.packet.at.ordinal, (flow, held));
        }
        let comment = pcapng::comment(&found.finding, catalogue);
        for number in found.finding.packets.iter() {
            let carries = self.ready.get_mut(&number).filter(|(of, _)| *of == flow);
            let comments = carries.map(|(_, held)| &mut held.packet.comments);
            if let Some(comments) = comments.filter(|comments| !comments.contains(&comment)) {
                comments.push(comment.clone());
            }
        }
        found.kept = self.connections.get(&flow).and_then(|connection| connection.kept);
        self.enforce();
    }

    /// A session is over, and so is its connection. What came behind it between the same ends belongs to another one.
    pub(crate) fn ended(&mut self, ended: &SessionEnd) {
        let (flow, last) = (Who::of(&ended.session).flow(), ended.session.last.ordinal);
        let Some(connection) = self.connections.get(&flow) else { return };
        if connection.touched.ordinal <= last {
            self.remove(flow);
            return;
        }
        let mut numbers = Vec::new();
        if connection.kept.is_some() {
            let behind = self.ready.range((Bound::Excluded(last), Bound::Unbounded));
            numbers.extend(behind.filter(|(_, (of, _))| *of == flow).map(|(number, _)| *number));
        }
        self.change(&flow, |connection| connection.begin_anew(last));
        for number in numbers {
            if let Some((_, held)) = self.ready.remove(&number) {
                let segment = held.segment;
                self.add(flow, held, segment);
            }
        }
        self.enforce();
    }

    /// The clock went on: forgets connections that have been idle for so long that they are taken to be over, and
    /// fragments whose siblings did not come.
    pub(crate) fn tick(&mut self, now: Time) {
        let since = |time: Time| now.since(time).saturating_abs();
        let Timeouts { half_open, idle, fragments, .. } = self.timeouts;
        let classes =
            [(Class::HalfOpen, half_open), (Class::Open, idle), (Class::Emptied, idle), (Class::Flagged, idle)];
        for (class, timeout) in classes {
            while let Some(flow) = self.oldest(class)
                && self.connections.get(&flow).is_none_or(|connection| since(connection.touched.time) > timeout)
            {
                self.remove(flow);
            }
        }
        while self.fragments.first_key_value().is_some_and(|(_, fragment)| since(fragment.at.time) > fragments) {
            self.oldest_fragment();
        }
    }

    /// What is to be written, in the packets' order.
    pub(crate) fn take(&mut self) -> Vec<Exhibit> {
        std::mem::take(&mut self.ready).into_values().map(|(_, held)| held.packet).collect()
    }

    /// How often the bounds acted: once for each packet of a session that has too many, and for each connection or
    /// fragment that had to go.
    pub(crate) fn limits_hit(&self) -> &Tally {
        &self.limits_hit
    }

    /// Accounted bytes of all that is held.
    #[cfg(test)]
    pub(crate) fn held_bytes(&self) -> usize {
        self.held
    }

    /// A segment came: whether it is of a connection. A RST that opens nothing is of none.
    fn see(&mut self, at: Moment, segment: &Segment<'_>) -> bool {
        if segment.flags.rst && !self.connections.contains_key(&segment.flow) {
            return false;
        }
        self.connection(segment.flow, at);
        self.change(&segment.flow, |connection| connection.see(at, segment));
        true
    }

    /// Makes room for a connection, unless it is known.
    fn connection(&mut self, flow: FlowKey, at: Moment) {
        self.connections.entry(flow).or_insert_with(|| {
            let connection = Connection::new(self.begun, at);
            self.begun = self.begun.saturating_add(1);
            self.order.insert(connection.place(), flow);
            self.held = self.held.saturating_add(CONNECTION_COST);
            connection
        });
    }

    /// A packet of a known connection: to be given out, or held.
    fn add(&mut self, flow: FlowKey, held: Held, segment: Ordinal) {
        let held = Held { segment, ..held };
        let most = self.most_of_one;
        match self.change(&flow, |connection| connection.add(held, most)) {
            Some(Added::GivenOut(held)) => drop(self.ready.insert(held.packet.at.ordinal, (flow, held))),
            Some(Added::Held { fell_out }) => {
                self.limits_hit.add(Limit::EvidenceBytesPerSession.key(), fell_out);
            }
            None => {}
        }
    }

    /// Changes a connection, and brings its place and what is accounted up to date.
    fn change<T>(&mut self, flow: &FlowKey, change: impl FnOnce(&mut Connection) -> T) -> Option<T> {
        let connection = self.connections.get_mut(flow)?;
        let (place, cost) = (connection.place(), connection.cost());
        let changed = change(connection);
        let (now, cost_now) = (connection.place(), connection.cost());
        self.held = self.held.saturating_sub(cost).saturating_add(cost_now);
        if now != place {
            self.leave(place);
            self.order.insert(now, *flow);
            self.emptied = self.emptied.saturating_add(usize::from(now.0 == Class::Emptied));
        }
        Some(changed)
    }

    fn remove(&mut self, flow: FlowKey) {
        if let Some(connection) = self.connections.remove(&flow) {
            self.held = self.held.saturating_sub(connection.cost());
            self.leave(connection.place());
        }
    }

    fn leave(&mut self, place: Place) {
        self.order.remove(&place);
        self.emptied = self.emptied.saturating_sub(usize::from(place.0 == Class::Emptied));
    }

    /// The connection of a class that was idle longest.
    fn oldest(&self, class: Class) -> Option<FlowKey> {
        let oldest = self.order.range((class, Ordinal::default(), 0)..).next();
        oldest.filter(|((of, ..), _)| *of == class).map(|(_, flow)| *flow)
    }

    fn oldest_fragment(&mut self) {
        if let Some((&number, _)) = self.fragments.first_key_value() {
            self.remove_fragment(number);
        }
    }

    fn remove_fragment(&mut self, number: Ordinal) -> Option<Exhibit> {
        let packet = self.fragments.remove(&number)?;
        self.fragment_bytes = self.fragment_bytes.saturating_sub(cost(&packet));
        self.held = self.held.saturating_sub(cost(&packet));
        Some(packet)
    }

    /// Lets the bound of all that is held act.
    fn enforce(&mut self) {
        while self.held > self.most {
            let many = self.emptied.saturating_mul(CONNECTION_COST) > self.most / SHARE;
            let emptied = if many { Some(Class::Emptied) } else { None };
            let classes =
                [Some(Class::HalfOpen), emptied, Some(Class::Open), Some(Class::Emptied), Some(Class::Flagged)];
            let next = |class: Class| self.oldest(class).map(|flow| (class, flow));
            let Some((class, flow)) = classes.into_iter().flatten().find_map(next) else { return };
            self.limits_hit.one(Limit::EvidenceBytes.key());
            if class == Class::Open {
                self.change(&flow, Connection::empty);
            } else {
                self.remove(flow);
            }
        }
    }
}

impl Held {
    fn new(at: Moment, captured: &Captured<'_>) -> Self {
        let &Captured { link_type, original, bytes, .. } = captured;
        let packet = Exhibit { at, link_type, original, bytes: bytes.into(), comments: Vec::new() };
        Held { segment: at.ordinal, packet }
    }
}

/// What a packet is taken to cost.
fn cost(packet: &Exhibit) -> usize {
    packet.bytes.len().saturating_add(PACKET_COST)
}

/// What became of a packet.
enum Added {
    GivenOut(Held),
    Held { fell_out: u64 },
}

impl Connection {
    fn new(number: u64, at: Moment) -> Self {
        Connection {
            number,
            touched: at,
            syn: false,
            established: false,
            beginning: Vec::new(),
            begun: false,
            latest: VecDeque::new(),
            cost: (0, 0),
            fell_out: 0,
            kept: None,
        }
    }

    /// Where it stands among those that may have to go.
    fn place(&self) -> Place {
        let class = if self.kept.is_some() {
            Class::Flagged
        } else if !self.established {
            Class::HalfOpen
        } else if self.beginning.is_empty() && self.latest.is_empty() {
            Class::Emptied
        } else {
            Class::Open
        };
        (class, self.touched.ordinal, self.number)
    }

    fn cost(&self) -> usize {
        CONNECTION_COST.saturating_add(self.cost.0).saturating_add(self.cost.1)
    }

    /// Bytes complete the handshake, and so does whatever is no SYN behind one.
    fn see(&mut self, at: Moment, segment: &Segment<'_>) {
        let spoke = !segment.payload.is_empty() || segment.missing > 0;
        self.established |= spoke || (self.syn && !segment.flags.syn);
        self.syn |= segment.flags.syn;
        if at.ordinal > self.touched.ordinal {
            self.touched = at;
        }
    }

    fn add(&mut self, held: Held, most: usize) -> Added {
        let cost = cost(&held.packet);
        if let Some(kept) = &mut self.kept {
            kept.packets = kept.packets.saturating_add(1);
            kept.bytes = kept.bytes.saturating_add(held.packet.bytes.len() as u64);
            return Added::GivenOut(held);
        }
        if !self.begun && self.cost.0.saturating_add(cost) <= most / BEGINNING {
            self.cost.0 = self.cost.0.saturating_add(cost);
            self.beginning.push(held);
            return Added::Held { fell_out: 0 };
        }
        self.begun = true;
        let before = self.fell_out;
        if self.cost.0.saturating_add(cost) > most {
            // Alone it has no room: the others need not go for it.
            self.miss();
        } else {
            self.cost.1 = self.cost.1.saturating_add(cost);
            self.latest.push_back(held);
            while self.cost.0.saturating_add(self.cost.1) > most {
                self.drop_oldest();
            }
        }
        Added::Held { fell_out: self.fell_out.saturating_sub(before) }
    }

    fn drop_oldest(&mut self) {
        if let Some(held) = self.latest.pop_front() {
            self.cost.1 = self.cost.1.saturating_sub(cost(&held.packet));
            self.miss();
        } else {
            self.cost.1 = 0;
        }
    }

    /// A packet fell out.
    fn miss(&mut self) {
        self.fell_out = self.fell_out.saturating_add(1);
    }

    /// Lets all its packets go; none that follows is one of its beginning.
    fn empty(&mut self) {
        let packets = self.beginning.len().saturating_add(self.latest.len()) as u64;
        self.fell_out = self.fell_out.saturating_add(packets);
        self.beginning = Vec::new();
        self.latest = VecDeque::new();
        self.cost = (0, 0);
        self.begun = true;
    }

    /// Something was found in the connection that began with the packet `first`: gives out what is held of it, the first
    /// time.
    fn flag(&mut self, first: Ordinal) -> Vec<Held> {
        if self.kept.is_some() {
            return Vec::new();
        }
        let beginning = std::mem::take(&mut self.beginning);
        let latest = std::mem::take(&mut self.latest);
        self.cost = (0, 0);
        // What came before that is of another connection, of which nothing was told.
        let held: Vec<Held> = beginning.into_iter().chain(latest).filter(|held| held.segment >= first).collect();
        if held.first().is_none_or(|held| held.segment > first) {
            self.fell_out = self.fell_out.max(1);
        }
        let bytes = held.iter().fold(0, |sum: u64, held| sum.saturating_add(held.packet.bytes.len() as u64));
        self.kept = Some(Kept { packets: held.len() as u64, bytes, fell_out: self.fell_out });
        held
    }

    /// Another connection begins behind the packet `last`.
    fn begin_anew(&mut self, last: Ordinal) {
        let beginning = std::mem::take(&mut self.beginning);
        let latest = std::mem::take(&mut self.latest);
        self.latest = beginning.into_iter().chain(latest).filter(|held| held.segment > last).collect();
        self.cost = (0, self.latest.iter().fold(0, |sum, held| sum.saturating_add(cost(&held.packet))));
        self.fell_out = 0;
        self.kept = None;
        // Its handshake is complete with the next packet, unless that is a SYN.
        (self.syn, self.established) = (true, false);
    }
}
