//! One connection: what its segments say, who opened it, and how it ends (RFC 9293 section 3.10).
//! How its bytes are handed on is [`super::order`]'s part.

use crate::base::{FlowKey, Moment, PerSide, Side};
use crate::decode::Segment;

use super::chunk::{Anomaly, Closed, Closing, Listener, Opening, Reach};
use super::counters::Counters;
use super::direction::{Direction, Fin, Note, Origin, Overlap, Stamp, WINDOW};
use super::seq::{NEARBY, Position, Seq};

/// A gap is certain, a wait is over and a reset is believed after so many ticks.
pub(super) const PATIENCE: u64 = 2;
/// Overlaps that came before anybody listened are kept, so many of them.
const MOST_OVERLAPS: usize = 8;
/// What a connection that waits to replace this one costs.
const RIVAL_COST: usize = 1024;

/// What every step needs beside the connection itself.
pub(super) struct Context<'c, L: Listener, F> {
    pub flow: FlowKey,
    /// The shard's count of ticks.
    pub tick: u64,
    pub counters: &'c mut Counters,
    pub listen: &'c mut F,
    pub out: &'c mut L::Out,
}

/// A RST that was believed. The other side may have sent bytes before it came, so the connection stays
/// open to them for [`PATIENCE`] ticks.
#[derive(Clone, Copy, Debug)]
struct Reset {
    side: Side,
    position: Position,
    tick: u64,
}

/// Data on a SYN: it counts only as far as the other side acknowledges it (RFC 9293 section 3.4).
#[derive(Debug)]
struct SynData {
    side: Side,
    bytes: Box<[u8]>,
    note: Note,
}

/// In-order bytes that can be handed on from where they lie.
pub(super) struct InOrder<'p> {
    pub bytes: &'p [u8],
    pub note: Note,
}

/// What the usual segment needs lies in front.
#[derive(Debug)]
#[repr(C)]
pub(super) struct Connection<L> {
    /// Packets of the connection so far.
    pub(super) packets: u64,
    pub last: Moment,
    /// Its share of the table's held bytes.
    pub share: usize,
    /// Nothing waits and nothing is unusual: [`Connection::quick`] may try.
    quiet: bool,
    established: bool,
    opener: Option<Side>,
    /// The rival takes this connection's place.
    pub(super) replaced: bool,
    pub(super) sides: PerSide<Direction>,
    pub(super) listener: Option<L>,
    pub first: Moment,
    pub first_tick: u64,
    reset: Option<Reset>,
    /// The tick at which the second FIN was handed on.
    pub(super) ended: Option<u64>,
    syn_data: Option<Box<SynData>>,
    overlaps: Vec<(Side, Overlap, Moment)>,
    /// A new connection of the same ends, begun by a SYN that this one does not know; its segments wait
    /// until the other side has agreed to it.
    pub(super) rival: Option<Box<Connection<L>>>,
}

/// A side's value and the other side's.
pub(super) fn pair<T>(sides: &mut PerSide<T>, side: Side) -> (&mut T, &mut T) {
    match side {
        Side::A => (&mut sides.a, &mut sides.b),
        Side::B => (&mut sides.b, &mut sides.a),
    }
}

impl<L: Listener> Connection<L> {
    pub(super) fn new(first: Moment, tick: u64) -> Self {
        Connection {
            first,
            last: first,
            share: 0,
            first_tick: tick,
            sides: PerSide::default(),
            listener: None,
            packets: 0,
            opener: None,
            established: false,
            quiet: false,
            reset: None,
            ended: None,
            syn_data: None,
            overlaps: Vec::new(),
            rival: None,
            replaced: false,
        }
    }

    /// Takes the connection's next segment and hands on what may go.
    pub(super) fn segment<F: FnMut(&Opening) -> L>(
        &mut self,
        at: Moment,
        segment: &Segment<'_>,
        context: &mut Context<'_, L, F>,
    ) {
        self.last = at;
        self.packets = self.packets.saturating_add(1);
        self.carefully(at, segment, context);
        self.quiet = self.is_quiet();
    }

    /// Takes the usual segment, in-order data or a bare ACK on a connection where nothing waits, which changes
    /// nothing that the table needs to know but what the listener holds. `false` where it is another: nothing
    /// was done then.
    pub(super) fn quick(&mut self, at: Moment, segment: &Segment<'_>, out: &mut L::Out) -> bool {
        let Segment { from, flags, payload, .. } = *segment;
        let Some(ack) = segment.ack else { return false };
        if !self.quiet || flags.syn || flags.fin || flags.rst || segment.missing != 0 {
            return false;
        }
        let (own, other) = pair(&mut self.sides, from);
        let knew = other.next.near(Seq(ack));
        if own.next.seq() != Seq(segment.seq) || knew > other.next || knew < other.base {
            return false;
        }
        let Some(listener) = &mut self.listener else { return false };
        self.last = at;
        self.packets = self.packets.saturating_add(1);
        other.acked = other.acked.max(knew);
        other.last_ack = Some(Seq(ack));
        if payload.is_empty() {
            return true;
        }
        let chunk = super::Chunk {
            side: from,
            offset: own.next.since(own.base),
            bytes: payload,
            at,
            seen: Some(knew.since(other.base)),
            captured_of_other: other.next.since(other.base),
            // Where a FIN was captured, nothing is quick.
            after_fin: false,
        };
        own.next = own.next.plus(payload.len() as u64);
        own.late |= own.next <= own.acked;
        own.edge = own.next;
        own.top = own.next;
        listener.chunk(&chunk, out);
        true
    }

    /// Reads what the next segment will need first, as [`Listener::prefetch`] does.
    pub(super) fn prefetch(&self, reach: Reach) -> u64 {
        match (reach, &self.listener) {
            // Together these lie on all lines from the front to the listener.
            (Reach::Connection, _) => {
                self.packets ^ self.sides.a.prefetch() ^ self.sides.b.prefetch() ^ self.first_tick
            }
            (_, Some(listener)) => listener.prefetch(reach),
            (_, None) => 0,
        }
    }

    fn is_quiet(&self) -> bool {
        let unusual = self.reset.is_some() || self.syn_data.is_some() || self.rival.is_some();
        self.listener.is_some() && !unusual && self.sides.a.is_quiet() && self.sides.b.is_quiet()
    }

    fn carefully<F: FnMut(&Opening) -> L>(
        &mut self,
        at: Moment,
        segment: &Segment<'_>,
        context: &mut Context<'_, L, F>,
    ) {
        if self.rival.is_some() && self.rival_takes(at, segment, context) {
            return;
        }
        if segment.flags.rst {
            self.take_reset(at, segment, context);
            return;
        }
        let mut goes_on = true;
        if segment.flags.syn {
            if !self.fits(segment) {
                self.challenge(at, segment, context);
                return;
            }
            self.take_syn(at, segment, context.tick);
        } else if self.is_foreign(segment) {
            self.challenge(at, segment, context);
            return;
        } else {
            let in_order = self.take(at, segment, context);
            self.drain(context);
            goes_on = in_order.is_some();
            if let Some(in_order) = in_order {
                self.hand_on_directly(segment.from, &in_order, context);
            }
        }
        if self.give_up(context.tick) || goes_on {
            self.drain(context);
        }
    }

    /// Whether a SYN or SYN-ACK belongs to this connection as far as it is known.
    pub(super) fn fits(&self, segment: &Segment<'_>) -> bool {
        let (own, other) = (&self.sides[segment.from], &self.sides[segment.from.other()]);
        let start = own.base.near(Seq(segment.seq).plus(1));
        let begins = match own.origin {
            Origin::Unknown => true,
            _ if own.syn || own.fixed => start == own.base,
            // Only the other side's SYN-ACK was seen, which may have acknowledged data on the SYN.
            Origin::Handshake => start <= own.base && own.base.since(start) <= segment.payload.len() as u64,
            _ => start <= own.base && own.base.since(start) <= NEARBY,
        };
        let Some(ack) = segment.ack else { return begins };
        let acknowledged = other.base.near(Seq(ack));
        begins
            && match other.origin {
                Origin::Unknown => true,
                Origin::Handshake => {
                    acknowledged >= other.base
                        && acknowledged.since(other.base) <= self.syn_data_len(segment.from.other())
                }
                _ => acknowledged <= other.base && other.base.since(acknowledged) <= NEARBY,
            }
    }

    fn syn_data_len(&self, side: Side) -> u64 {
        let data = self.syn_data.as_ref().filter(|data| data.side == side);
        data.map_or(0, |data| data.bytes.len() as u64)
    }

    /// Takes a SYN or SYN-ACK that fits.
    pub(super) fn take_syn(&mut self, at: Moment, segment: &Segment<'_>, tick: u64) {
        let side = segment.from;
        let now = Stamp { tick, packet: self.packets };
        let (own, other) = pair(&mut self.sides, side);
        own.came = true;
        if !own.syn {
            own.syn = true;
            let start = Seq(segment.seq).plus(1);
            let start = if own.origin == Origin::Unknown { Position::first(start) } else { own.base.near(start) };
            if own.fixed {
                own.origin = Origin::Handshake;
            } else {
                own.rebase(start, Origin::Handshake);
            }
            if !segment.payload.is_empty() {
                // Its sender knew nothing yet, whatever the other side's numbering.
                let knew = Some(Position::LOWEST);
                let note = Note { at, came: now, knew, captured_of_other: other.top };
                self.syn_data = Some(Box::new(SynData { side, bytes: segment.payload.into(), note }));
            }
        }
        if let Some(ack) = segment.ack.map(Seq) {
            self.opener.get_or_insert(side.other());
            if other.origin != Origin::Handshake && !other.fixed {
                let start = if other.origin == Origin::Unknown { Position::first(ack) } else { other.base.near(ack) };
                other.rebase(start, Origin::Handshake);
            }
            other.acknowledge(ack, now);
        } else {
            self.opener.get_or_insert(side);
        }
        self.settle_syn_data();
    }

    /// Once the other side has acknowledged a SYN, what it acknowledged of its data counts.
    fn settle_syn_data(&mut self) {
        let Some(side) = self.syn_data.as_ref().map(|data| data.side) else { return };
        let own = &mut self.sides[side];
        if own.last_ack.is_none() {
            return;
        }
        if let Some(data) = self.syn_data.take() {
            let length = own.acked.since(own.base).min(data.bytes.len() as u64);
            let bytes = usize::try_from(length).ok().and_then(|length| data.bytes.get(..length));
            own.insert(own.base, length, bytes, &data.note);
        }
    }

    /// Takes a segment that is neither SYN nor RST: what it brings is stored, but for in-order bytes
    /// before which nothing waits.
    pub(super) fn take<'p, F>(
        &mut self,
        at: Moment,
        segment: &Segment<'p>,
        context: &mut Context<'_, L, F>,
    ) -> Option<InOrder<'p>> {
        let side = segment.from;
        let now = Stamp { tick: context.tick, packet: self.packets };
        let opener = self.opener;
        let (own, other) = pair(&mut self.sides, side);
        let captured = segment.payload.len() as u64;
        let mut length = captured.saturating_add(u64::from(segment.missing));
        let start = own.place(Seq(segment.seq), length, segment.flags.fin);
        if start.distance(own.edge) > WINDOW {
            context.counters.out_of_window = context.counters.out_of_window.saturating_add(1);
            return None;
        }
        own.came = true;
        self.established |= length > 0 || other.came;
        let knew = segment.ack.and_then(|ack| other.acknowledge(Seq(ack), now)).map(|knew| knew.max(other.base));
        let first_ack = length == 0 && own.syn && opener == Some(side) && start == own.base && own.top == own.base;
        if first_ack && other.origin == Origin::Acked && knew == Some(other.base) {
            other.origin = Origin::Told;
        }
        let note = Note { at, came: now, knew, captured_of_other: other.top };
        self.doubt_reset(side, context);
        self.settle_syn_data();

        let (own, _) = pair(&mut self.sides, side);
        let mut end = start.plus(length);
        let fin = own.fin.as_ref().map(|fin| fin.position);
        let probe = length == 1 && end == own.acked;
        if own.is_keep_alive(start, length) || (probe && fin == Some(start)) {
            context.counters.keep_alives = context.counters.keep_alives.saturating_add(1);
            (length, end) = (0, start);
        }
        if length > 0 && fin.is_some_and(|fin| end > fin) {
            if own.ended {
                context.counters.out_of_window = context.counters.out_of_window.saturating_add(1);
                return None;
            }
            // Bytes where a FIN was: it was none of the stream's.
            own.fin = None;
        }
        if let Some(knew) = knew {
            own.bound(end, knew);
        }
        if segment.flags.fin && own.fin.is_none() && end >= own.top && end >= own.next {
            let shown = (own.acked > end).then_some(now);
            own.fin = Some(Box::new(Fin { position: end, note, shown }));
        }
        if length == 0 {
            return None;
        }
        own.late |= end > own.edge && end <= own.acked;
        if own.is_empty() && start <= own.next && end > own.next && segment.missing == 0 {
            let again = own.next.since(start);
            own.again = own.again.saturating_add(again);
            let old = usize::try_from(again).unwrap_or(usize::MAX);
            let bytes = segment.payload.get(old..).unwrap_or_default();
            return Some(InOrder { bytes, note });
        }
        let overlap = own.insert(start, captured, Some(segment.payload), &note);
        if segment.missing > 0 {
            own.insert(start.plus(captured), u64::from(segment.missing), None, &note);
        }
        if let Some(overlap) = overlap {
            self.tell_overlap(side, overlap, at, context);
        }
        None
    }

    fn tell_overlap<F>(&mut self, side: Side, overlap: Overlap, at: Moment, context: &mut Context<'_, L, F>) {
        context.counters.overlaps = context.counters.overlaps.saturating_add(1);
        if let Some(listener) = &mut self.listener {
            let anomaly = overlap_of(&self.sides[side], side, overlap, at);
            listener.anomaly(&anomaly, context.out);
        } else if self.overlaps.len() < MOST_OVERLAPS {
            self.overlaps.push((side, overlap, at));
        }
    }

    /// The listener, called into being by the first bytes that are handed on.
    pub(super) fn listener<F: FnMut(&Opening) -> L>(&mut self, context: &mut Context<'_, L, F>) -> Option<&mut L> {
        if self.listener.is_none() {
            let from_start = PerSide { a: self.sides.a.origin.is_first_byte(), b: self.sides.b.origin.is_first_byte() };
            let opening = Opening { flow: context.flow, first: self.first, opener: self.opener, from_start };
            let mut listener = (context.listen)(&opening);
            for (side, overlap, at) in self.overlaps.drain(..) {
                listener.anomaly(&overlap_of(&self.sides[side], side, overlap, at), context.out);
            }
            self.listener = Some(listener);
        }
        self.listener.as_mut()
    }

    /// A RST ends the connection only at the exact number (RFC 9293 section 3.10.7, RFC 5961 section 3).
    fn take_reset<F>(&mut self, at: Moment, segment: &Segment<'_>, context: &mut Context<'_, L, F>) {
        if self.reset.is_some() {
            return;
        }
        if self.resets(segment) {
            let own = &self.sides[segment.from];
            let position = own.expected().max(own.edge.near(Seq(segment.seq)));
            self.reset = Some(Reset { side: segment.from, position, tick: context.tick });
            return;
        }
        context.counters.stray_resets = context.counters.stray_resets.saturating_add(1);
        if let Some(listener) = &mut self.listener {
            listener.anomaly(&Anomaly::StrayReset { side: segment.from, at }, context.out);
        }
    }

    pub(super) fn resets(&self, segment: &Segment<'_>) -> bool {
        let (own, other) = (&self.sides[segment.from], &self.sides[segment.from.other()]);
        let seq = Seq(segment.seq);
        if own.last_ack == Some(seq) || (own.origin != Origin::Unknown && own.expected().seq() == seq) {
            return true;
        }
        // In answer to a SYN it counts if it acknowledges it.
        let acknowledged = segment.ack.map(|ack| other.base.near(Seq(ack)));
        let data = self.syn_data_len(segment.from.other());
        !own.came && other.syn && acknowledged.is_some_and(|ack| ack >= other.base && ack.since(other.base) <= data)
    }

    /// Bytes behind a RST that its receiver acknowledges: the RST never reached it.
    fn doubt_reset<F>(&mut self, receiver: Side, context: &mut Context<'_, L, F>) {
        let Some(reset) = self.reset.filter(|reset| reset.side == receiver.other()) else { return };
        if self.sides[reset.side].acked > reset.position {
            self.reset = None;
            context.counters.stray_resets = context.counters.stray_resets.saturating_add(1);
        }
    }

    /// Whether a segment that another capture has belongs to this connection: a SYN by its number, any other by those
    /// of both sides, which lie within what is on its way and [`NEARBY`] on either side of it.
    pub(super) fn has(&self, segment: &Segment<'_>) -> bool {
        if self.rival.as_ref().is_some_and(|rival| rival.has(segment)) {
            return true;
        }
        let (own, other) = (&self.sides[segment.from], &self.sides[segment.from.other()]);
        if own.origin == Origin::Unknown && (other.origin == Origin::Unknown || segment.ack.is_none()) {
            return false;
        }
        if segment.flags.syn {
            return self.fits(segment);
        }
        let near = |of: &Direction, number: u32| {
            let position = of.edge.near(Seq(number));
            let lowest = of.acked.min(of.next);
            let reach = of.top.since(lowest).saturating_add(NEARBY);
            of.origin == Origin::Unknown || (position <= of.top.plus(reach) && position.plus(reach) >= lowest)
        };
        near(own, segment.seq) && segment.ack.is_none_or(|ack| near(other, ack))
    }

    /// How the connection ended, once it certainly has.
    pub(super) fn over(&self, tick: u64) -> Option<Closed> {
        if let Some(ended) = self.ended {
            let acknowledged = self.sides.a.fin_acknowledged() && self.sides.b.fin_acknowledged();
            let patient = tick >= ended.saturating_add(PATIENCE);
            return (acknowledged || patient || self.reset.is_some()).then_some(Closed::Fin);
        }
        let reset = self.reset?;
        let refused = !self.sides[reset.side].came && self.listener.is_none();
        (refused || tick >= reset.tick.saturating_add(PATIENCE)).then_some(Closed::Rst)
    }

    /// Whether a segment is the SYN of another connection, where this one has ended but for what may
    /// come late.
    pub(super) fn is_succeeded_by(&self, segment: &Segment<'_>) -> bool {
        segment.flags.syn && self.ends_at().is_some() && !self.fits(segment)
    }

    /// How a connection that `cause` befalls has ended: what was over before is no victim of it.
    fn ends_as(&self, cause: Closed) -> Closed {
        if self.ended.is_some() {
            Closed::Fin
        } else if self.reset.is_some() {
            Closed::Rst
        } else {
            cause
        }
    }

    /// The tick at which [`Connection::over`] may change by itself.
    pub(super) fn ends_at(&self) -> Option<u64> {
        let since = self.ended.or(self.reset.map(|reset| reset.tick));
        since.map(|tick| tick.saturating_add(PATIENCE))
    }

    /// Hands on what is left, and ends. What had ended before keeps its own end, and so does what is
    /// seen to have ended now that nothing waits any longer; but evicted is evicted.
    pub(super) fn close<F: FnMut(&Opening) -> L>(mut self, cause: Closed, context: &mut Context<'_, L, F>) {
        self.drop_rival(context.counters);
        let before = self.ends_as(cause);
        self.flush(context);
        let how = if before == Closed::Evicted { before } else { self.ends_as(before) };
        let Some(listener) = self.listener.take() else { return };
        let PerSide { a, b } = &self.sides;
        let acknowledged = |of: &Direction| of.acked.min(of.end()) > of.base;
        let closing = Closing {
            how,
            last: self.last,
            handshake: a.syn && b.syn,
            missing: PerSide { a: a.missing, b: b.missing },
            again: PerSide { a: a.again, b: b.again },
            acknowledges: PerSide { a: acknowledged(b), b: acknowledged(a) },
            fin: PerSide { a: a.ended, b: b.ended },
        };
        listener.close(&closing, context.out);
    }

    pub(super) fn is_established(&self) -> bool {
        self.established
    }

    /// The numbers at which both streams begin, where known.
    pub(super) fn starts(&self) -> PerSide<Option<Seq>> {
        let start = |of: &Direction| (of.origin != Origin::Unknown).then(|| of.base.seq());
        PerSide { a: start(&self.sides.a), b: start(&self.sides.b) }
    }

    /// How far both streams were captured.
    pub(super) fn ends(&self) -> PerSide<Seq> {
        PerSide { a: self.sides.a.top.seq(), b: self.sides.b.top.seq() }
    }

    /// Bytes held back here and by the listener.
    pub(super) fn held(&self) -> usize {
        self.listener.as_ref().map_or(0, Listener::held_bytes).saturating_add(self.held_here())
    }

    /// Bytes held back here.
    pub(super) fn held_here(&self) -> usize {
        if self.quiet {
            return 0;
        }
        let rival = self.rival.as_ref().map_or(0, |rival| RIVAL_COST.saturating_add(rival.held_here()));
        let syn_data = self.syn_data.as_ref().map_or(0, |data| data.bytes.len());
        [self.sides.a.held(), self.sides.b.held(), syn_data, rival].into_iter().fold(0, usize::saturating_add)
    }

    /// Recomputes whether the quick path may be tried.
    pub(super) fn settle(&mut self) {
        self.quiet = self.is_quiet();
    }
}

fn overlap_of(direction: &Direction, side: Side, overlap: Overlap, at: Moment) -> Anomaly {
    Anomaly::Overlap { side, offset: overlap.position.since(direction.base), length: overlap.length, at }
}
