//! One direction of a connection: which bytes were captured, which of them were handed on, where the
//! holes are. Knows nothing of the other direction but what its acknowledgements say.
//!
//! Three positions rise through the stream: `next` (all before it was handed on), `edge` (all before
//! it was captured or given up), `top` (nothing behind it was captured). Between `next` and `edge`
//! bytes wait for causal order, behind `edge` they wait for a hole to be filled.
//! Bounds: what is stored counts in [`Direction::held`], each object with a constant for itself.

use std::collections::BTreeMap;

use crate::base::Moment;

use super::seq::{NEARBY, Position, Seq};

/// Numbers further than this from what was captured are no part of the stream: the largest window
/// that TCP can offer (RFC 7323 section 2.3).
pub(super) const WINDOW: u64 = 1 << 30;
/// What lies so far from the captured bytes is believed only where the other side confirms it.
pub(super) const FAR: u64 = 16 << 20;
/// What a stored piece costs beside its bytes: itself, in a tree that may be half empty, and an allocation.
pub(super) const PIECE_COST: usize = 240;
/// What an entry of [`Direction::bounds`] costs.
const BOUND_COST: usize = 16;
/// So many entries bound what a sender knew; further ones are not kept.
const MOST_BOUNDS: usize = 1024;
/// Room for so many stays when they are no longer needed.
const SPARE_BOUNDS: usize = 16;

/// How it is known where the direction's stream begins.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Origin {
    /// Nothing tells.
    #[default]
    Unknown,
    /// The peer's acknowledgements.
    Acked,
    /// The first segment that was captured of it.
    Seen,
    /// The acknowledgement that completed the handshake; the SYN it answers was not captured.
    Told,
    /// Its SYN, or the SYN-ACK that acknowledged it.
    Handshake,
}

impl Origin {
    /// Whether the stream's very first byte is known.
    pub(super) fn is_first_byte(self) -> bool {
        matches!(self, Origin::Told | Origin::Handshake)
    }
}

/// When something came: in ticks of the shard and in packets of the connection.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Stamp {
    pub tick: u64,
    pub packet: u64,
}

/// What is remembered of the packet that brought bytes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Note {
    pub at: Moment,
    pub came: Stamp,
    /// How far its sender had acknowledged the other direction; `None` where the packet does not say.
    pub knew: Option<Position>,
    /// How far the other direction had been captured by then.
    pub captured_of_other: Position,
}

/// Bytes that wait, or bytes that are known to be missing.
#[derive(Debug)]
pub(super) enum Content {
    Bytes(Box<[u8]>),
    Missing(u64),
}

#[derive(Debug)]
pub(super) struct Piece {
    pub content: Content,
    pub note: Note,
    /// When it was both captured and acknowledged by the peer: then what is missing before it is lost.
    pub shown: Option<Stamp>,
}

impl Piece {
    pub(super) fn len(&self) -> u64 {
        match &self.content {
            Content::Bytes(bytes) => bytes.len() as u64,
            Content::Missing(count) => *count,
        }
    }

    fn cost(&self) -> usize {
        match &self.content {
            Content::Bytes(bytes) => bytes.len().saturating_add(PIECE_COST),
            Content::Missing(_) => PIECE_COST,
        }
    }
}

/// A FIN that waits for everything before it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Fin {
    /// The position behind the last data byte: the FIN's own number.
    pub position: Position,
    pub note: Note,
    pub shown: Option<Stamp>,
}

/// Bytes that came twice with different content.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Overlap {
    pub position: Position,
    pub length: u64,
}

/// The first hole of a direction.
#[derive(Clone, Copy, Debug)]
pub(super) struct Hole {
    pub end: Position,
    /// What was captured behind it.
    pub beyond: Note,
    pub shown: Option<Stamp>,
}

/// The first cache line holds all that the usual segment needs.
#[derive(Debug, Default)]
#[repr(C)]
pub(super) struct Direction {
    /// Offset 0 of the stream.
    pub base: Position,
    pub next: Position,
    pub edge: Position,
    pub top: Position,
    /// How far the peer acknowledged it; never below `base`.
    pub acked: Position,
    /// The acknowledgement number of the peer's latest segment.
    pub last_ack: Option<Seq>,
    /// Something of it was captured behind its acknowledgement: the capture shows this direction late.
    pub late: bool,
    pub origin: Origin,
    /// Something was handed on that counts from `base`: it stays.
    pub fixed: bool,
    /// A segment of this direction was captured.
    pub came: bool,
    /// All that tells its beginning so far is one segment that may have been a keep-alive.
    probe: bool,
    /// Its SYN was captured.
    pub syn: bool,
    /// Its FIN was handed on.
    pub ended: bool,
    pub fin: Option<Box<Fin>>,
    /// Bytes handed on as gaps.
    pub missing: u64,
    /// Bytes that came where others had come before, or behind what was handed on.
    pub again: u64,
    pieces: BTreeMap<Position, Piece>,
    /// Ends of captured segments and what their sender had acknowledged in them, both rising: what
    /// comes before such an end was sent with no greater knowledge. Only ends behind `next` are kept.
    bounds: Vec<(Position, Position)>,
    stored: usize,
}

impl Direction {
    /// Reads what the next segment will need.
    pub(super) fn prefetch(&self) -> u64 {
        self.base.since(self.next) ^ self.pieces.len() as u64
    }

    /// Sets the stream's beginning, where nothing of it was handed on yet.
    pub(super) fn rebase(&mut self, base: Position, origin: Origin) {
        self.origin = origin;
        self.probe = false;
        self.base = base;
        self.next = base;
        self.edge = base;
        self.top = if self.is_empty() { base } else { self.top.max(base) };
        self.acked = self.acked.max(base);
        while let Some(piece) = self.pieces.first_entry().filter(|piece| *piece.key() < base) {
            self.stored = self.stored.saturating_sub(piece.remove().cost());
        }
        self.advance_edge();
    }

    /// The position of a captured segment's first octet. A direction that was picked up midway begins at
    /// its first segment or where the peer's first acknowledgement points, whichever is earlier.
    pub(super) fn place(&mut self, seq: Seq, length: u64, fin: bool) -> Position {
        let may_be_keep_alive = length <= 1 && !fin;
        if self.origin == Origin::Unknown {
            let position = Position::first(seq);
            self.rebase(position, Origin::Seen);
            self.probe = may_be_keep_alive;
            return position;
        }
        let position = self.edge.near(seq);
        if self.fixed || self.origin == Origin::Handshake {
            return position;
        }
        let keep_alive = may_be_keep_alive && position.plus(1) == self.acked;
        let ahead = !self.came && position.since(self.base) > NEARBY;
        // The first acknowledgement may have counted a FIN.
        let counted = fin && length == 0 && position.plus(1) == self.base;
        let behind = position < self.base && (counted || !self.came) && !keep_alive;
        if ahead || behind {
            self.rebase(position, Origin::Seen);
            self.probe = may_be_keep_alive;
        } else if self.origin == Origin::Acked {
            self.origin = Origin::Seen;
        }
        position
    }

    /// Takes the peer's acknowledgement; the position it means, `None` where it means none.
    pub(super) fn acknowledge(&mut self, ack: Seq, now: Stamp) -> Option<Position> {
        if self.origin == Origin::Unknown {
            self.rebase(Position::first(ack), Origin::Acked);
        }
        let position = self.edge.near(ack);
        let first = self.last_ack.replace(ack).is_none();
        if position.distance(self.edge) > WINDOW {
            return None;
        }
        if !self.fixed && self.origin != Origin::Handshake {
            let sensible = self.base.since(position) <= NEARBY;
            if position < self.base && (!self.came || (first && sensible)) {
                self.rebase(position, self.origin);
            } else if self.came && position == self.base.plus(1) && self.only_a_keep_alive() {
                self.rebase(position, Origin::Seen);
            }
        }
        if position > self.acked {
            for piece in self.pieces.range_mut(self.acked..position).map(|(_, piece)| piece) {
                piece.shown = Some(now);
            }
            if let Some(fin) = self.fin.as_mut().filter(|fin| fin.position < position) {
                fin.shown.get_or_insert(now);
            }
            self.acked = position;
        }
        Some(position)
    }

    /// Whether all that was captured at the beginning is one octet at most.
    fn only_a_keep_alive(&self) -> bool {
        let octet = self.pieces.get(&self.base).is_none_or(|piece| piece.len() == 1);
        self.probe
            && octet
            && self.edge <= self.base.plus(1)
            && self.fin.as_ref().is_none_or(|fin| fin.position > self.base)
    }

    /// Whether one octet here is a keep-alive: just below what the peer acknowledged, and the octet
    /// before it was never captured.
    pub(super) fn is_keep_alive(&self, position: Position, length: u64) -> bool {
        length == 1 && position.plus(1) == self.acked && position > self.edge && !self.covers(position.minus(1))
    }

    fn covers(&self, position: Position) -> bool {
        let before = self.pieces.range(..=position).next_back();
        before.is_some_and(|(start, piece)| start.plus(piece.len()) > position)
    }

    /// Remembers that a segment which ended here was sent with this knowledge of the other direction.
    pub(super) fn bound(&mut self, end: Position, knew: Position) {
        if end <= self.next {
            return;
        }
        let behind = self.bounds.partition_point(|&(other, _)| other < end);
        if self.bounds.get(behind).is_some_and(|&(_, other)| other <= knew) {
            return;
        }
        let keep = self.bounds.partition_point(|&(other, known)| other < end && known < knew);
        let equal = self.bounds.get(behind).is_some_and(|&(other, _)| other == end);
        let replaced = keep..if equal { behind.saturating_add(1) } else { behind };
        if replaced.is_empty() && self.bounds.len() >= MOST_BOUNDS {
            return;
        }
        self.bounds.splice(replaced, [(end, knew)]);
    }

    /// What the sender of the octet at `next` knew at most, and up to where that holds.
    pub(super) fn knew_at_next(&self) -> Option<(Position, Position)> {
        self.bounds.iter().find(|&&(end, _)| end > self.next).copied()
    }

    /// Stores what is new of a segment's octets (`None`: they were not captured). The first copy of an
    /// octet wins; where a later one differs, that is told.
    pub(super) fn insert(
        &mut self,
        start: Position,
        length: u64,
        bytes: Option<&[u8]>,
        note: &Note,
    ) -> Option<Overlap> {
        let end = start.plus(length);
        let mut at = start.max(self.next);
        let mut overlap = None;
        self.again = self.again.saturating_add(at.min(end).since(start));
        while at < end {
            // Mostly nothing was captured behind it.
            let is_behind_all = at >= self.top;
            let before = if is_behind_all { None } else { self.pieces.range(..=at).next_back() };
            if let Some((&first, piece)) = before.filter(|(first, piece)| first.plus(piece.len()) > at) {
                let until = first.plus(piece.len()).min(end);
                if let (Content::Bytes(old), Some(new)) = (&piece.content, bytes) {
                    let old = slice(old, at.since(first), until.since(first));
                    let new = slice(new, at.since(start), until.since(start));
                    overlap = overlap.or_else(|| differing(at, old, new));
                }
                self.again = self.again.saturating_add(until.since(at));
                at = until;
                continue;
            }
            let next = if is_behind_all { None } else { self.pieces.range(at..).next() };
            let until = next.map_or(end, |(&first, _)| first.min(end));
            let content = match bytes {
                Some(bytes) => Content::Bytes(slice(bytes, at.since(start), until.since(start)).into()),
                None => Content::Missing(until.since(at)),
            };
            self.store(at, content, *note);
            at = until;
        }
        self.top = self.top.max(end);
        self.advance_edge();
        overlap
    }

    fn store(&mut self, at: Position, content: Content, note: Note) {
        let shown = (self.acked > at).then_some(note.came);
        let piece = Piece { content, note, shown };
        self.stored = self.stored.saturating_add(piece.cost());
        self.pieces.insert(at, piece);
    }

    fn advance_edge(&mut self) {
        while let Some(piece) = self.pieces.get(&self.edge).filter(|piece| piece.len() > 0) {
            self.edge = self.edge.plus(piece.len());
        }
    }

    /// Octets at `next` were handed on without being stored.
    pub(super) fn skip(&mut self, octets: u64) {
        self.next = self.next.plus(octets);
        self.edge = self.edge.max(self.next);
        self.top = self.top.max(self.next);
        self.forget();
    }

    /// The piece that holds the octet at `next`, and where that octet lies in it.
    pub(super) fn head(&self) -> Option<(&Piece, u64)> {
        let (&start, piece) = self.pieces.first_key_value()?;
        (start <= self.next).then(|| (piece, self.next.since(start)))
    }

    /// Drops the pieces and bounds that lie before `next`.
    pub(super) fn forget(&mut self) {
        while let Some(piece) = self.pieces.first_entry() {
            if piece.key().plus(piece.get().len()) > self.next {
                break;
            }
            self.stored = self.stored.saturating_sub(piece.remove().cost());
        }
        let gone = self.bounds.partition_point(|&(end, _)| end <= self.next);
        self.bounds.drain(..gone);
        if self.bounds.is_empty() && self.bounds.capacity() > SPARE_BOUNDS {
            self.bounds = Vec::new();
        }
    }

    /// The first hole behind which something was captured.
    pub(super) fn hole(&self) -> Option<Hole> {
        if self.top > self.edge
            && let Some((&end, piece)) = self.pieces.range(self.edge..).next()
        {
            return Some(Hole { end, beyond: piece.note, shown: piece.shown });
        }
        let fin = self.fin.as_ref().filter(|fin| fin.position > self.edge)?;
        Some(Hole { end: fin.position, beyond: fin.note, shown: fin.shown })
    }

    /// Whether the first hole lies where the stream is only guessed to begin.
    pub(super) fn begins_with_a_guess(&self) -> bool {
        !self.fixed && self.origin == Origin::Seen && self.edge == self.base
    }

    /// Gives the first hole up: its octets become missing ones, or the stream begins behind them.
    pub(super) fn declare(&mut self, hole: &Hole) {
        if hole.shown.is_none() && self.begins_with_a_guess() {
            self.rebase(hole.end, Origin::Seen);
            return;
        }
        let note = Note { knew: None, ..hole.beyond };
        self.store(self.edge, Content::Missing(hole.end.since(self.edge)), note);
        self.advance_edge();
    }

    /// Forgets everything behind the first hole.
    pub(super) fn cut(&mut self) {
        for (_, piece) in self.pieces.split_off(&self.edge) {
            self.stored = self.stored.saturating_sub(piece.cost());
        }
        self.fin = self.fin.take().filter(|fin| fin.position <= self.edge);
        self.top = self.edge;
    }

    /// All that was handed on, in sequence numbers: the FIN is one too.
    pub(super) fn handed_on(&self) -> Position {
        self.next.plus(u64::from(self.ended))
    }

    /// The greatest number that means something, as far as is known.
    pub(super) fn last_number(&self) -> Position {
        self.fin.as_ref().map_or(Position::HIGHEST, |fin| fin.position.plus(1))
    }

    /// Where its data ends, as far as is known.
    pub(super) fn end(&self) -> Position {
        self.fin.as_ref().map_or(Position::HIGHEST, |fin| fin.position)
    }

    /// The next number that the capture expects of it.
    pub(super) fn expected(&self) -> Position {
        let fin = self.fin.as_ref().is_some_and(|fin| fin.position == self.edge);
        self.edge.plus(u64::from(fin))
    }

    pub(super) fn fin_acknowledged(&self) -> bool {
        self.fin.as_ref().is_some_and(|fin| self.acked > fin.position)
    }

    /// Whether nothing waits and nothing bounds what is handed on next.
    pub(super) fn is_quiet(&self) -> bool {
        self.fixed && self.came && self.fin.is_none() && self.is_empty() && self.bounds.is_empty()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.pieces.is_empty()
    }

    /// Bytes held, with a constant for each object.
    pub(super) fn held(&self) -> usize {
        self.stored.saturating_add(self.bounds.len().saturating_mul(BOUND_COST))
    }
}

/// The octets `from..to` of `bytes`, as far as they exist.
fn slice(bytes: &[u8], from: u64, to: u64) -> &[u8] {
    let (from, to) = (usize::try_from(from).unwrap_or(usize::MAX), usize::try_from(to).unwrap_or(usize::MAX));
    bytes.get(from..to.min(bytes.len())).unwrap_or_default()
}

/// From the first to the last octet that differs.
fn differing(at: Position, old: &[u8], new: &[u8]) -> Option<Overlap> {
    if old == new {
        return None;
    }
    let differs = |(old, new): (&u8, &u8)| old != new;
    let first = old.iter().zip(new).position(differs)? as u64;
    let last = old.iter().zip(new).rposition(differs)? as u64;
    Some(Overlap { position: at.plus(first), length: last.saturating_sub(first).saturating_add(1) })
}
