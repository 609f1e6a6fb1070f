//! IP fragments in packet order in; whole datagrams out, to be decoded again (RFC 791 section 3.2,
//! RFC 8200 section 4.5). Never asks the time: a fragment and a tick bring theirs.
//!
//! Of bytes that came twice the first copy wins; IPv6 receivers drop a datagram whose fragments overlap
//! (RFC 5722), and so does this. Fragments that the snap length cut are put together all the same: the
//! datagram is then known up to the first octet that was not captured.
//!
//! Datagrams are in 64 shards, by what their fragments have in common, so that parts of the work done elsewhere give the
//! same: nothing in a shard depends on another one.
//!
//! Bounds: of [`Limit::FragmentBytes`] a 64th in each shard (the datagram that began first goes), [`MOST_PIECES`] per
//! datagram, 65,535 octets of payload, and [`Timeouts::fragments`] at ticks.

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::net::IpAddr;

#[cfg(feature = "cli")]
use crate::base::meaning::Meaning;
use crate::base::{FlowKey, Limit, Limits, Moment, Ordinal, Tally, Tick, Timeouts};
use crate::decode::{Datagram, Fragment};

/// What became of fragments that gave no datagram, and which bounds acted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    /// Fragments by the reason why they were of no use: [`INCOMPLETE`], [`REFUSED`], [`OVERLAPPING`].
    pub not_analysed: Tally,
    /// Datagrams given up at a bound, by its name: [`Limit::FragmentBytes`], [`TOO_MANY_PIECES`].
    pub limits_hit: Tally,
    /// Fragments that brought bytes which had been there, and were not plain repetitions.
    pub overlaps: u64,
}

/// Fragments whose siblings never came, or not in time, or were given up at a bound.
pub(crate) const INCOMPLETE: &str = "fragments-incomplete";
/// Fragments that no receiver takes: empty, beyond 65,535 octets or beyond their datagram's end, or of an
/// odd length though more follow.
pub(crate) const REFUSED: &str = "fragments-refused";
/// Fragments of IPv6 datagrams dropped because two of them overlap (RFC 5722).
pub(crate) const OVERLAPPING: &str = "fragments-overlapping";
/// These names, and what they mean for a person.
#[cfg(feature = "cli")]
pub(crate) const NAMES: &[Meaning] = &[
    Meaning::packets(INCOMPLETE, "IP fragments of incomplete packets"),
    Meaning::packets(REFUSED, "invalid IP fragments"),
    Meaning::packets(OVERLAPPING, "IPv6 fragments of packets whose fragments overlap"),
];
/// [`MOST_PIECES`] under its name in the summary.
pub(crate) const TOO_MANY_PIECES: &str = "fragment_pieces";

/// Pieces held of one datagram: a TCP segment of 64 KiB over the smallest IPv6 link has 54.
const MOST_PIECES: usize = 1024;
/// The greatest end of a datagram's payload (the total length is a 16-bit field).
const LONGEST: u32 = 65_535;

/// What a datagram and a piece of one are taken to cost besides their bytes, so that many small ones
/// cannot hold more memory than the limit says. A piece's has room for the number of the packet that brought it.
const DATAGRAM_COST: usize = 320;
const PIECE_COST: usize = 64;

/// Fragments that wait for their siblings.
#[derive(Debug)]
pub(crate) struct Defrag {
    shards: Vec<Shard>,
}

impl Defrag {
    pub(crate) fn new(limits: &Limits, timeouts: &Timeouts) -> Self {
        let limits = limits.of_one_shard();
        Defrag { shards: (0..FlowKey::SHARDS).map(|_| Shard::new(&limits, timeouts)).collect() }
    }

    /// Takes the next fragment, and returns the datagram that it completes.
    pub(crate) fn fragment(&mut self, fragment: &Fragment<'_>, at: Moment) -> Option<Datagram> {
        self.shards.get_mut(Key::of(fragment).shard())?.fragment(fragment, at)
    }

    /// Gives up what began longer ago than the timeout.
    pub(crate) fn tick(&mut self, tick: Tick) {
        self.shards.iter_mut().for_each(|shard| shard.tick(tick));
    }

    /// Gives up all that is pending: the end of the captures, or of one that is treated alone.
    pub(crate) fn finish(&mut self) {
        self.shards.iter_mut().for_each(Shard::finish);
    }

    pub(crate) fn counts(&self) -> Counts {
        let mut sum = Counts::default();
        for Shard { counts, .. } in &self.shards {
            sum.not_analysed.merge(&counts.not_analysed);
            sum.limits_hit.merge(&counts.limits_hit);
            sum.overlaps = sum.overlaps.saturating_add(counts.overlaps);
        }
        sum
    }
}

/// Those of one shard.
#[derive(Debug)]
struct Shard {
    limit: usize,
    timeout: i64,
    /// Ordered maps: no seed, no flood of collisions, one order for all runs. Fragments are rare.
    pending: BTreeMap<Key, Pending>,
    /// The same, by the packet that began each.
    oldest: BTreeMap<Ordinal, Key>,
    /// Accounted bytes of all that is pending.
    held: usize,
    counts: Counts,
}

/// What the fragments of one datagram have in common. The protocol is 0 for IPv6, where only that of the
/// first fragment counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Key {
    source: IpAddr,
    destination: IpAddr,
    identification: u32,
    protocol: u8,
}

impl Shard {
    /// `limits` are those of one shard.
    fn new(limits: &Limits, timeouts: &Timeouts) -> Self {
        Shard {
            limit: usize::try_from(limits.get(Limit::FragmentBytes)).unwrap_or(usize::MAX),
            timeout: timeouts.fragments,
            pending: BTreeMap::new(),
            oldest: BTreeMap::new(),
            held: 0,
            counts: Counts::default(),
        }
    }

    /// Takes the next fragment, and returns the datagram that it completes.
    fn fragment(&mut self, fragment: &Fragment<'_>, at: Moment) -> Option<Datagram> {
        let Some(range) = Range::of(fragment) else {
            self.counts.not_analysed.one(REFUSED);
            return None;
        };
        let key = Key::of(fragment);
        let pending = self.pending.entry(key).or_insert_with(|| {
            self.oldest.insert(at.ordinal, key);
            self.held = self.held.saturating_add(DATAGRAM_COST);
            Pending::new(at)
        });
        let before = pending.cost;
        let taken = pending.take(fragment, range, at.ordinal);
        self.held = self.held.saturating_add(pending.cost.saturating_sub(before));
        match taken {
            Taken::New | Taken::Again => {}
            Taken::Refused => self.counts.not_analysed.one(REFUSED),
            Taken::Overlaps => {
                self.counts.overlaps = self.counts.overlaps.saturating_add(1);
                if fragment.source.is_ipv6() {
                    self.give_up(key, OVERLAPPING);
                    return None;
                }
            }
        }
        let pending = self.pending.get(&key)?;
        if pending.is_complete() {
            return self.remove(key).map(|pending| pending.join(key, at));
        }
        if pending.pieces.len() > MOST_PIECES {
            self.counts.limits_hit.one(TOO_MANY_PIECES);
            self.give_up(key, INCOMPLETE);
        }
        while self.held > self.limit
            && let Some((_, &key)) = self.oldest.first_key_value()
        {
            self.counts.limits_hit.one(Limit::FragmentBytes.key());
            self.give_up(key, INCOMPLETE);
        }
        None
    }

    /// Gives up what began longer ago than the timeout, by the packet that began it. A clock that was
    /// re-based leaves old fragments in its future: they are as far away.
    fn tick(&mut self, tick: Tick) {
        let late =
            |pending: &Pending| tick.time.since(pending.began.counts_at()).unsigned_abs() > self.timeout.unsigned_abs();
        let keys: Vec<Key> = self.pending.iter().filter(|(_, pending)| late(pending)).map(|(&key, _)| key).collect();
        for key in keys {
            self.give_up(key, INCOMPLETE);
        }
    }

    /// Gives up all that is pending.
    fn finish(&mut self) {
        while let Some((_, &key)) = self.oldest.first_key_value() {
            self.give_up(key, INCOMPLETE);
        }
    }

    #[cfg(test)]
    fn counts(&self) -> &Counts {
        &self.counts
    }

    /// Accounted bytes of all that is pending.
    #[cfg(test)]
    fn held_bytes(&self) -> usize {
        self.held
    }

    fn give_up(&mut self, key: Key, why: &'static str) {
        if let Some(pending) = self.remove(key) {
            self.counts.not_analysed.add(why, pending.fragments);
        }
    }

    fn remove(&mut self, key: Key) -> Option<Pending> {
        let pending = self.pending.remove(&key)?;
        self.oldest.remove(&pending.began.ordinal);
        self.held = self.held.saturating_sub(pending.cost);
        Some(pending)
    }
}

impl Key {
    fn of(fragment: &Fragment<'_>) -> Key {
        let Fragment { source, destination, identification, .. } = *fragment;
        let protocol = if source.is_ipv4() { fragment.protocol } else { 0 };
        Key { source, destination, identification, protocol }
    }

    /// Its shard: fixed and unseeded, as that of a flow is.
    fn shard(&self) -> usize {
        let word = |ip: IpAddr| match ip {
            IpAddr::V4(v4) => u128::from(v4.to_bits()),
            IpAddr::V6(v6) => v6.to_bits(),
        };
        let number = u128::from(self.identification) << 8 | u128::from(self.protocol);
        let mut hash = 0x9e37_79b9_7f4a_7c15_u64;
        for octets in [word(self.source), word(self.destination), number].map(u128::to_be_bytes) {
            for word in octets.as_chunks().0 {
                // The multiply-xorshift step of splitmix64 (Steele, Lea, Flood 2014).
                hash = (hash ^ u64::from_be_bytes(*word)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
                hash ^= hash >> 29;
            }
        }
        usize::try_from(hash & FlowKey::MASK).unwrap_or(0)
    }
}

/// Octets of a datagram's payload; never empty.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Range {
    start: u32,
    end: u32,
}

impl Range {
    /// The octets that the fragment had on the wire, where a receiver would take it.
    fn of(fragment: &Fragment<'_>) -> Option<Range> {
        let length = u32::try_from(fragment.payload.len()).ok()?.checked_add(fragment.missing)?;
        let end = fragment.offset.checked_add(length)?;
        let whole_units = !fragment.more || length.is_multiple_of(8);
        (length > 0 && end <= LONGEST && whole_units).then_some(Range { start: fragment.offset, end })
    }

    fn length(self) -> u32 {
        self.end.saturating_sub(self.start)
    }

    fn overlaps(self, other: Range) -> bool {
        self.start < other.end && other.start < self.end
    }
}

/// A datagram of which not all fragments were seen.
///
/// Invariant: the pieces are in order, do not overlap, and end at or before `total`.
#[derive(Debug)]
struct Pending {
    began: Moment,
    /// Fragments taken, repeated ones too.
    fragments: u64,
    /// The protocol of the fragment at offset 0.
    protocol: u8,
    /// Where the payload ends, once the last fragment was seen.
    total: Option<u32>,
    pieces: Vec<Piece>,
    /// The packets that brought pieces.
    brought_by: Vec<Ordinal>,
    /// Octets that the pieces had on the wire.
    covered: u32,
    cost: usize,
}

/// Octets of the payload: `bytes` is shorter than `range` where the snap length cut it.
#[derive(Debug)]
struct Piece {
    range: Range,
    bytes: Vec<u8>,
}

/// What a fragment brought.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Taken {
    New,
    /// Exactly what another one had brought.
    Again,
    /// Among other things bytes that were there; the first copy stayed.
    Overlaps,
    /// It cannot belong to the others.
    Refused,
}

impl Pending {
    fn new(began: Moment) -> Self {
        Pending {
            began,
            fragments: 0,
            protocol: 0,
            total: None,
            pieces: Vec::new(),
            brought_by: Vec::new(),
            covered: 0,
            cost: DATAGRAM_COST,
        }
    }

    fn take(&mut self, fragment: &Fragment<'_>, range: Range, packet: Ordinal) -> Taken {
        let end = self.pieces.last().map_or(0, |piece| piece.range.end);
        let fits = match self.total {
            Some(total) if fragment.more => range.end <= total,
            Some(total) => range.end == total,
            None => fragment.more || end <= range.end,
        };
        if !fits {
            return Taken::Refused;
        }
        self.fragments = self.fragments.saturating_add(1);
        if !fragment.more {
            self.total = Some(range.end);
        }
        if range.start == 0 && self.pieces.first().is_none_or(|piece| piece.range.start > 0) {
            self.protocol = fragment.protocol;
        }
        if let Some(same) = self.pieces.iter().find(|piece| piece.range == range) {
            return if same.bytes == fragment.payload { Taken::Again } else { Taken::Overlaps };
        }
        let overlaps = self.pieces.iter().any(|piece| piece.range.overlaps(range));
        let free = self.free(range);
        if !free.is_empty() {
            self.brought_by.push(packet);
        }
        for free in free {
            self.insert(free, fragment);
        }
        if overlaps { Taken::Overlaps } else { Taken::New }
    }

    /// The parts of `range` that no piece covers.
    fn free(&self, range: Range) -> Vec<Range> {
        let mut free = Vec::new();
        let mut start = range.start;
        for piece in self.pieces.iter().filter(|piece| piece.range.overlaps(range)) {
            if start < piece.range.start {
                free.push(Range { start, end: piece.range.start });
            }
            start = piece.range.end;
        }
        if start < range.end {
            free.push(Range { start, end: range.end });
        }
        free
    }

    fn insert(&mut self, free: Range, fragment: &Fragment<'_>) {
        let from = free.start.saturating_sub(fragment.offset) as usize;
        let to = free.end.saturating_sub(fragment.offset) as usize;
        let captured = fragment.payload.get(from..to.min(fragment.payload.len())).unwrap_or_default();
        let place = self.pieces.partition_point(|piece| piece.range.start < free.start);
        self.pieces.insert(place, Piece { range: free, bytes: captured.to_vec() });
        self.covered = self.covered.saturating_add(free.length());
        self.cost = self.cost.saturating_add(PIECE_COST).saturating_add(captured.len());
    }

    /// As pieces do not overlap, they cover all when they are as long as all.
    fn is_complete(&self) -> bool {
        self.total == Some(self.covered)
    }

    fn join(self, key: Key, at: Moment) -> Datagram {
        let mut payload = Vec::with_capacity(self.covered as usize);
        for piece in self.pieces {
            payload.extend_from_slice(&piece.bytes);
            if piece.bytes.len() < piece.range.length() as usize {
                break;
            }
        }
        let missing = (self.covered as usize).saturating_sub(payload.len());
        Datagram {
            source: key.source,
            destination: key.destination,
            protocol: self.protocol,
            payload,
            missing: u32::try_from(missing).unwrap_or(u32::MAX),
            at,
            fragments: self.brought_by,
        }
    }
}
