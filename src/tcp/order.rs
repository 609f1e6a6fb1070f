//! Causal order: bytes of both directions are handed on so that nobody speaks before what it had
//! acknowledged (DESIGN.md, "Causal order").
//!
//! The head of a direction is what would be handed on of it next. It waits while it acknowledges
//! bytes of the other direction that were not handed on; of the heads that do not wait, the one
//! captured first goes.

use crate::base::{Moment, Ordinal, PerSide, Side};

use super::chunk::{Chunk, Gap, Listener, Opening};
use super::connection::{Connection, Context, InOrder, PATIENCE, pair};
use super::direction::{Content, FAR, Hole, Note, Origin};
use super::seq::Position;

/// A hole is certain so many packets of the connection after the one that showed it, at the latest.
const CERTAIN_AFTER_PACKETS: u64 = 1000;
/// The same where nothing of the direction ever came behind its acknowledgement. A capture in the true order shows
/// octets before their acknowledgement, so an acknowledged hole is lost at once (Zeek takes every one for that);
/// the few packets are for a capture that mixes its two directions now and then.
pub(super) const CERTAIN_AFTER_PACKETS_IN_TIME: u64 = 16;
/// A hole of a direction whose peer was never seen is certain after so many ticks.
const CERTAIN_UNSEEN: u64 = 10;

/// What would be handed on next of one direction.
#[derive(Clone, Copy, Debug)]
struct Head {
    ordinal: Ordinal,
    tick: u64,
    state: State,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Ready,
    /// It acknowledges bytes that were not handed on yet.
    Waits,
    /// A FIN that its receiver has not acknowledged: it may be none.
    Unacknowledged,
}

impl<L: Listener> Connection<L> {
    /// Hands on all that may go.
    pub(super) fn drain<F: FnMut(&Opening) -> L>(&mut self, context: &mut Context<'_, L, F>) {
        while let Some(side) = self.pick(context.tick) {
            self.hand_on(side, context);
        }
    }

    /// The side whose head goes next.
    fn pick(&self, tick: u64) -> Option<Side> {
        let heads = [Side::A, Side::B].map(|side| self.head(side, tick).map(|head| (head, side)));
        match heads {
            // Each waits for the other: the one captured first goes at once.
            [Some((a, _)), Some((b, _))] if a.state == State::Waits && b.state == State::Waits => Some(earlier(a, b)),
            _ => {
                let ready = heads.into_iter().flatten().filter(|(head, _)| head.state == State::Ready);
                ready.min_by_key(|&(head, side)| (head.ordinal, side)).map(|(_, side)| side)
            }
        }
    }

    fn head(&self, side: Side, tick: u64) -> Option<Head> {
        let own = &self.sides[side];
        if own.ended {
            return None;
        }
        if let Some((piece, _)) = own.head() {
            let waits = match piece.content {
                Content::Bytes(_) => self.waits(side, self.knew(side, &piece.note).0, tick),
                Content::Missing(_) => false,
            };
            let state = if waits { State::Waits } else { State::Ready };
            return Some(Head { ordinal: piece.note.at.ordinal, tick: piece.note.came.tick, state });
        }
        let fin = own.fin.as_ref().filter(|fin| fin.position == own.next)?;
        let state = if self.waits(side, fin.note.knew, tick) {
            State::Waits
        } else if own.fin_acknowledged() || !self.sides[side.other()].came {
            State::Ready
        } else {
            State::Unacknowledged
        };
        Some(Head { ordinal: fin.note.at.ordinal, tick: fin.note.came.tick, state })
    }

    /// What the sender of the next bytes knew, if their packet noted `note`, and how many bytes that holds for.
    fn knew(&self, side: Side, note: &Note) -> (Option<Position>, u64) {
        let own = &self.sides[side];
        match (note.knew, own.knew_at_next()) {
            (Some(knew), Some((until, bound))) if bound < knew => (Some(bound), until.since(own.next)),
            (knew, _) => (knew, u64::MAX),
        }
    }

    /// Whether something that acknowledges the other direction up to `knew` has to wait for it.
    fn waits(&self, side: Side, knew: Option<Position>, tick: u64) -> bool {
        let other = &self.sides[side.other()];
        if !other.came {
            // Where its stream begins may still be told otherwise than by acknowledgements.
            return tick < self.first_tick.saturating_add(PATIENCE);
        }
        knew.is_some_and(|knew| knew.min(other.last_number()) > other.handed_on())
    }

    /// The position in the other direction's stream that `knew` means, as far as it is known where that stream begins.
    fn seen(&self, side: Side, knew: Option<Position>) -> Option<u64> {
        let other = &self.sides[side.other()];
        let data = knew?.min(other.end());
        let begun = other.fixed || (other.came && data <= other.next);
        (begun || other.origin == Origin::Handshake).then(|| data.since(other.base))
    }

    /// Hands in-order bytes on from where they lie, as far as they need not wait.
    pub(super) fn hand_on_directly<F: FnMut(&Opening) -> L>(
        &mut self,
        side: Side,
        in_order: &InOrder<'_>,
        context: &mut Context<'_, L, F>,
    ) {
        let InOrder { mut bytes, note } = *in_order;
        while !bytes.is_empty() {
            let (knew, holds) = self.knew(side, &note);
            if self.waits(side, knew, context.tick) {
                let own = &mut self.sides[side];
                own.insert(own.next, bytes.len() as u64, Some(bytes), &note);
                return;
            }
            let length = usize::try_from(holds).unwrap_or(usize::MAX).min(bytes.len());
            let Some((part, rest)) = bytes.split_at_checked(length) else { return };
            let place = self.place(side, knew, &note);
            if let Some(listener) = self.listener(context) {
                listener.chunk(&place.chunk(side, part, note.at), context.out);
            }
            self.sides[side].skip(part.len() as u64);
            bytes = rest;
        }
    }

    /// Hands on the head of a direction, whether it waits or not.
    fn hand_on<F: FnMut(&Opening) -> L>(&mut self, side: Side, context: &mut Context<'_, L, F>) {
        let Some((piece, from)) = self.sides[side].head() else {
            self.hand_on_fin(side, context);
            return;
        };
        let note = piece.note;
        let left = piece.len().saturating_sub(from);
        let is_gap = matches!(piece.content, Content::Missing(_));
        let (knew, holds) = if is_gap { (None, u64::MAX) } else { self.knew(side, &note) };
        let length = left.min(holds);
        let place = self.place(side, knew, &note);
        // The listener is called into being before the stored bytes are borrowed for it.
        self.listener(context);
        let PerSide { a, b } = &self.sides;
        let own = if side == Side::A { a } else { b };
        if let (Some(listener), Some((piece, _))) = (&mut self.listener, own.head()) {
            match &piece.content {
                Content::Bytes(bytes) => {
                    let from = usize::try_from(from).unwrap_or(usize::MAX);
                    let to = from.saturating_add(usize::try_from(length).unwrap_or(usize::MAX)).min(bytes.len());
                    let part = bytes.get(from..to).unwrap_or_default();
                    listener.chunk(&place.chunk(side, part, note.at), context.out);
                }
                Content::Missing(_) => {
                    listener.gap(&Gap { side, offset: place.offset, length, at: note.at }, context.out);
                }
            }
        }
        let own = &mut self.sides[side];
        if is_gap {
            own.missing = own.missing.saturating_add(length);
        }
        own.skip(length);
    }

    fn hand_on_fin<F: FnMut(&Opening) -> L>(&mut self, side: Side, context: &mut Context<'_, L, F>) {
        let own = &mut self.sides[side];
        let Some(fin) = own.fin.as_ref().filter(|fin| fin.position == own.next && !own.ended) else { return };
        let at = fin.note.at;
        own.ended = true;
        if self.sides.a.ended && self.sides.b.ended {
            self.ended = Some(context.tick);
        }
        if let Some(listener) = &mut self.listener {
            listener.end_of_stream(side, at, context.out);
        }
    }

    /// Where bytes stand that are now handed on; from here on both streams' beginnings stay.
    fn place(&mut self, side: Side, knew: Option<Position>, note: &Note) -> Place {
        let seen = self.seen(side, knew);
        let (own, other) = pair(&mut self.sides, side);
        own.fixed = true;
        other.fixed |= seen.is_some_and(|seen| seen <= other.next.since(other.base));
        Place {
            offset: own.next.since(own.base),
            seen,
            captured_of_other: note.captured_of_other.since(other.base),
            after_fin: knew.is_some_and(|knew| knew > other.end()),
        }
    }

    /// Declares the gaps that have become certain; returns whether there were any.
    pub(super) fn give_up(&mut self, tick: u64) -> bool {
        let mut any = false;
        for side in [Side::A, Side::B] {
            while let Some(hole) = self.sides[side].hole().filter(|hole| self.is_certain(side, hole, tick)) {
                self.sides[side].declare(&hole);
                any = true;
            }
        }
        any
    }

    fn is_certain(&self, side: Side, hole: &Hole, tick: u64) -> bool {
        match hole.shown {
            Some(shown) => {
                let late = self.sides[side].late;
                let packets = if late { CERTAIN_AFTER_PACKETS } else { CERTAIN_AFTER_PACKETS_IN_TIME };
                tick >= shown.tick.saturating_add(PATIENCE) || self.packets >= shown.packet.saturating_add(packets)
            }
            None => self.certain_unshown(side, hole).is_some_and(|certain| tick >= certain),
        }
    }

    /// The tick at which a hole that nobody acknowledged is certain.
    fn certain_unshown(&self, side: Side, hole: &Hole) -> Option<u64> {
        let came = hole.beyond.came.tick;
        if !self.sides[side.other()].came {
            return Some(came.saturating_add(CERTAIN_UNSEEN));
        }
        self.sides[side].begins_with_a_guess().then(|| came.saturating_add(PATIENCE))
    }

    /// What a tick does: gaps first, then what has waited long enough goes in capture order.
    pub(super) fn tick<F: FnMut(&Opening) -> L>(&mut self, context: &mut Context<'_, L, F>) {
        self.give_up(context.tick);
        self.drain(context);
        while let Some(side) = self.overdue(context.tick) {
            self.hand_on(side, context);
            self.give_up(context.tick);
            self.drain(context);
        }
        self.settle();
    }

    fn overdue(&self, tick: u64) -> Option<Side> {
        let heads = [Side::A, Side::B].into_iter().filter_map(|side| Some((self.head(side, tick)?, side)));
        let overdue = heads.filter(|(head, _)| tick >= head.tick.saturating_add(PATIENCE));
        overdue.min_by_key(|&(head, side)| (head.ordinal, side)).map(|(_, side)| side)
    }

    /// The next tick at which [`Connection::tick`] has something to do.
    pub(super) fn due(&self, tick: u64) -> Option<u64> {
        let heads = [Side::A, Side::B].into_iter().filter_map(|side| {
            let head = self.head(side, tick)?;
            let unseen = !self.sides[side.other()].came;
            let patience = head.tick.saturating_add(PATIENCE);
            Some(if unseen { patience.min(self.first_tick.saturating_add(PATIENCE)) } else { patience })
        });
        let holes = [Side::A, Side::B].into_iter().filter_map(|side| {
            let hole = self.sides[side].hole()?;
            let shown = hole.shown.map(|shown| shown.tick.saturating_add(PATIENCE));
            shown.or_else(|| self.certain_unshown(side, &hole))
        });
        let next = heads.chain(holes).chain(self.ends_at()).min()?;
        Some(next.max(tick.saturating_add(1)))
    }

    /// A limit acts: a hole that was acknowledged is given up, else one thing that waits goes, else any
    /// hole is given up. `false` where nothing is held here.
    pub(super) fn yield_one<F: FnMut(&Opening) -> L>(&mut self, context: &mut Context<'_, L, F>) -> bool {
        let yields = self.give_up_first(|hole| hole.shown.is_some(), context)
            || self.hand_on_first(context)
            || self.give_up_first(|_| true, context);
        self.drain(context);
        yields
    }

    /// Hands on everything, gaps first: the end of the connection.
    pub(super) fn flush<F: FnMut(&Opening) -> L>(&mut self, context: &mut Context<'_, L, F>) {
        self.drain(context);
        while self.give_up_first(|_| true, context) || self.hand_on_first(context) {
            self.drain(context);
        }
        self.settle();
    }

    /// Hands on the head that was captured first, whether it waits or not.
    fn hand_on_first<F: FnMut(&Opening) -> L>(&mut self, context: &mut Context<'_, L, F>) -> bool {
        let tick = context.tick;
        let heads = [Side::A, Side::B].into_iter().filter_map(|side| Some((self.head(side, tick)?, side)));
        let Some((_, side)) = heads.min_by_key(|&(head, side)| (head.ordinal, side)) else { return false };
        self.hand_on(side, context);
        true
    }

    /// Gives up the first hole of a side, of those the one that showed first.
    fn give_up_first<F>(&mut self, which: impl Fn(&Hole) -> bool, context: &mut Context<'_, L, F>) -> bool {
        let holes = [Side::A, Side::B].into_iter().filter_map(|side| Some((self.sides[side].hole()?, side)));
        let first = holes.filter(|(hole, _)| which(hole)).min_by_key(|&(hole, side)| (hole.beyond.at.ordinal, side));
        let Some((hole, side)) = first else { return false };
        let unseen = !self.sides[side.other()].came;
        let own = &mut self.sides[side];
        if hole.shown.is_none() && !unseen && hole.end.since(own.edge) > FAR {
            own.cut();
            context.counters.out_of_window = context.counters.out_of_window.saturating_add(1);
        } else {
            own.declare(&hole);
        }
        true
    }
}

/// What a chunk says beside its bytes.
struct Place {
    offset: u64,
    seen: Option<u64>,
    captured_of_other: u64,
    after_fin: bool,
}

impl Place {
    fn chunk<'b>(&self, side: Side, bytes: &'b [u8], at: Moment) -> Chunk<'b> {
        let Place { offset, seen, captured_of_other, after_fin } = *self;
        Chunk { side, offset, bytes, at, seen, captured_of_other, after_fin }
    }
}

fn earlier(a: Head, b: Head) -> Side {
    if a.ordinal <= b.ordinal { Side::A } else { Side::B }
}
