//! A packet's place in the whole scan, what was captured of it, and the packets that carry a piece of evidence.

use std::cmp::Ordering;
use std::fmt;

use serde::{Deserialize, Serialize};

use super::Time;

/// A packet's place in the one order of all packets of a scan, and in its capture.
///
/// Packets stand in the order of the greatest time so far within their capture, then of the capture's rank, then of
/// the frame. So captures that overlap in time can be merged while their ends are unknown. Nothing is computed with
/// ordinals: they are compared, and tell which capture and frame they stand for.
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash)]
pub(crate) struct Ordinal {
    /// The time with its sign flipped, so that it compares as an unsigned number.
    reached: u64,
    /// The rank above [`Ordinal::FRAME_BITS`] bits of the frame.
    place: u64,
}

impl Ordinal {
    /// A capture has fewer frames than these bits can count: empty ones would fill 16 TiB.
    const FRAME_BITS: u32 = 40;
    const MOST_FRAMES: u64 = (1 << Self::FRAME_BITS) - 1;
    /// The greatest rank of a capture.
    pub(crate) const MOST_RANK: u32 = (1 << (u64::BITS - Self::FRAME_BITS)) - 1;
    const SIGN: u64 = 1 << 63;

    /// Behind every packet.
    pub(crate) const END: Ordinal = Ordinal { reached: u64::MAX, place: u64::MAX };

    /// The packet of this frame, from 1, in the capture of this rank, from 0; `reached` is the greatest time of that
    /// capture's packets up to this one.
    pub(crate) fn new(reached: Time, rank: u32, frame: u64) -> Self {
        let rank = u64::from(rank.min(Self::MOST_RANK));
        let place = (rank << Self::FRAME_BITS) | frame.min(Self::MOST_FRAMES);
        Ordinal { reached: reached.0.cast_unsigned() ^ Self::SIGN, place }
    }

    /// The frame behind this one in the same capture; no packet up to it is later than `reached`.
    #[inline]
    pub(crate) fn following(self, reached: Time) -> Self {
        Ordinal { reached: reached.0.cast_unsigned() ^ Self::SIGN, place: self.place.wrapping_add(1) }
    }

    /// The same frame, where no packet up to it is later than `reached`.
    #[inline]
    pub(crate) fn at(self, reached: Time) -> Self {
        Ordinal { reached: reached.0.cast_unsigned() ^ Self::SIGN, ..self }
    }

    /// The greatest time of its capture so far.
    #[inline]
    pub(crate) fn reached(self) -> Time {
        Time((self.reached ^ Self::SIGN).cast_signed())
    }

    /// The capture, counted from 0 in the order of the first packets' times, then of paths.
    pub(crate) fn rank(self) -> u32 {
        u32::try_from(self.place >> Self::FRAME_BITS).unwrap_or(Self::MOST_RANK)
    }

    /// The packet's number in its capture, from 1, as Wireshark counts.
    pub(crate) fn frame(self) -> u64 {
        self.place & Self::MOST_FRAMES
    }

    /// Both halves as one number, so that comparing is one compare.
    #[inline]
    fn key(self) -> u128 {
        (u128::from(self.reached) << u64::BITS) | u128::from(self.place)
    }

    /// For tests: the packet of this frame in a capture of which nothing else matters; no time is ahead of it.
    #[cfg(test)]
    pub(crate) fn of(frame: u64) -> Self {
        Ordinal::new(Time(i64::MAX), 0, frame)
    }
}

impl Ord for Ordinal {
    #[inline]
    fn cmp(&self, other: &Self) -> Ordering {
        self.key().cmp(&other.key())
    }
}

impl PartialOrd for Ordinal {
    #[inline]
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl fmt::Debug for Ordinal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}@{}", self.rank(), self.frame(), self.reached().0)
    }
}

/// Which packet, and its time by the capture's own clock.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Moment {
    pub ordinal: Ordinal,
    pub time: Time,
}

impl Moment {
    /// Whether the packet is far ahead of those around it: its time tells nothing.
    #[inline]
    pub(crate) fn is_far_ahead(self) -> bool {
        self.time > self.ordinal.reached()
    }

    /// The time that the packet counts at: its own, unless that is far ahead of those around it.
    pub(crate) fn counts_at(self) -> Time {
        self.time.min(self.ordinal.reached())
    }
}

/// A link type of the registry that libpcap and pcapng share (LINKTYPE_ values: 1 is Ethernet).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct LinkType(pub u16);

/// A packet as it was captured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Captured<'p> {
    pub time: Time,
    pub link_type: LinkType,
    /// How many octets it had on the wire; never below those captured.
    pub original: u32,
    pub bytes: &'p [u8],
}

/// The packets that carry a line, a reply or another piece of evidence: in stream order, without
/// repeats, the first [`Packets::MOST`] of them. One packet, the usual case, needs no allocation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Packets {
    first: Moment,
    /// Where there is more than one: a session keeps many of these.
    more: Option<Box<More>>,
}

/// The packets behind the first one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct More {
    last: Moment,
    kept: Vec<Ordinal>,
}

impl Packets {
    /// A finding names at most so many packets (FORMATS.md, `packets`).
    pub(crate) const MOST: usize = 16;

    pub(crate) fn one(at: Moment) -> Self {
        Packets { first: at, more: None }
    }

    /// Adds the next packet of the same evidence; the same one again changes nothing.
    #[inline]
    pub(crate) fn push(&mut self, at: Moment) {
        if at.ordinal != self.last().ordinal {
            self.keep(at.ordinal, at);
            self.set_last(at);
        }
    }

    /// Adds all packets of `other` behind these.
    pub(crate) fn extend(&mut self, other: &Packets) {
        for ordinal in other.iter() {
            self.keep(ordinal, other.last());
        }
        self.set_last(other.last());
    }

    /// Keeps a packet that is not among them, of some of which `last` is the last one.
    fn keep(&mut self, ordinal: Ordinal, last: Moment) {
        let kept = self.more.as_ref().map_or(0, |more| more.kept.len());
        if kept < Self::MOST - 1 && !self.iter().any(|kept| kept == ordinal) {
            self.more.get_or_insert_with(|| Box::new(More { last, kept: Vec::new() })).kept.push(ordinal);
        }
    }

    fn set_last(&mut self, last: Moment) {
        // Else it is the first one.
        if let Some(more) = &mut self.more {
            more.last = last;
        }
    }

    /// The packet that carries the first byte.
    pub(crate) fn first(&self) -> Moment {
        self.first
    }

    /// The packet that carries the last byte: the one that completed the evidence.
    pub(crate) fn last(&self) -> Moment {
        self.more.as_ref().map_or(self.first, |more| more.last)
    }

    /// The kept packets, at most [`Packets::MOST`].
    pub(crate) fn iter(&self) -> impl Iterator<Item = Ordinal> + '_ {
        let more = self.more.iter().flat_map(|more| more.kept.iter().copied());
        std::iter::once(self.first.ordinal).chain(more)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ordinal: u64) -> Moment {
        Moment { ordinal: Ordinal::of(ordinal), time: Time::default() }
    }

    #[test]
    fn a_line_in_thousand_packets_names_sixteen_and_knows_its_last() {
        let mut packets = Packets::one(at(7));
        for ordinal in 7..1000 {
            packets.push(at(ordinal));
        }
        assert_eq!(packets.iter().count(), Packets::MOST);
        assert_eq!(packets.first(), at(7));
        assert_eq!(packets.last(), at(999));
    }

    #[test]
    fn time_goes_before_rank_and_rank_before_frame() {
        let times = [i64::MIN, -1, 0, 1, i64::MAX];
        let ordinals: Vec<Ordinal> = times
            .iter()
            .flat_map(|&time| [0, 1, Ordinal::MOST_RANK].map(|rank| (Time(time), rank)))
            .flat_map(|(time, rank)| [1, 2, Ordinal::MOST_FRAMES].map(|frame| Ordinal::new(time, rank, frame)))
            .collect();
        assert!(ordinals.is_sorted_by(|one, next| one < next));
        assert!(ordinals.iter().all(|ordinal| *ordinal <= Ordinal::END));
        let one = Ordinal::new(Time(-7), 5, 9);
        assert_eq!((one.reached(), one.rank(), one.frame()), (Time(-7), 5, 9));
        assert_eq!(one.following(Time(3)), Ordinal::new(Time(3), 5, 10));
        let beyond = Ordinal::new(Time(0), u32::MAX, u64::MAX);
        assert_eq!((beyond.rank(), beyond.frame()), (Ordinal::MOST_RANK, Ordinal::MOST_FRAMES));
    }

    #[test]
    fn the_same_packet_is_named_once() {
        let mut packets = Packets::one(at(1));
        packets.push(at(1));
        packets.extend(&Packets::one(at(1)));
        assert_eq!(packets.iter().collect::<Vec<_>>(), [Ordinal::of(1)]);
    }
}
