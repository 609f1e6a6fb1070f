//! Sequence numbers, which wrap, and stream positions, which do not (RFC 9293 section 3.4).

/// How far from a direction's first segment its beginning may lie, where that has to be guessed; and how far beyond what
/// is known of it the numbers of a segment may lie that another capture has.
pub(super) const NEARBY: u64 = 1 << 20;

/// A sequence or acknowledgement number as it stands in a header. It has no order of its own: only
/// near a known [`Position`] does it say which byte it means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Seq(pub u32);

impl Seq {
    /// The number `count` octets further on.
    pub(super) fn plus(self, count: u32) -> Seq {
        Seq(self.0.wrapping_add(count))
    }

    /// Whether the other number lies at most [`NEARBY`] away.
    pub(super) fn is_near(self, other: Seq) -> bool {
        let ahead = other.0.wrapping_sub(self.0).cast_signed();
        u64::from(ahead.unsigned_abs()) <= NEARBY
    }

    /// Whether it lies between `start` and [`NEARBY`] behind `end`, which lies behind `start`.
    pub(super) fn is_between(self, start: Seq, end: Seq) -> bool {
        let length = u64::from(end.0.wrapping_sub(start.0)).saturating_add(NEARBY);
        u64::from(self.0.wrapping_sub(start.0)) <= length
    }
}

/// A sequence number that has been unwrapped: its low 32 bits are the number, the high ones count the
/// wraps from an arbitrary beginning, so positions of one direction have an order, beyond 4 GiB too.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Position(u64);

impl Position {
    /// Below every position of any stream.
    pub(super) const LOWEST: Position = Position(0);
    /// Above every position of any stream.
    pub(super) const HIGHEST: Position = Position(u64::MAX);

    /// Where a direction's numbering begins: far enough from 0 that earlier bytes have positions too.
    pub(super) fn first(seq: Seq) -> Position {
        Position((1 << 48) | u64::from(seq.0))
    }

    /// The position that `seq` means here: the nearest one, at most 2 GiB away.
    pub(super) fn near(self, seq: Seq) -> Position {
        let ahead = seq.0.wrapping_sub(self.seq().0).cast_signed();
        Position(self.0.wrapping_add_signed(i64::from(ahead)))
    }

    pub(super) fn seq(self) -> Seq {
        #[expect(clippy::cast_possible_truncation, reason = "the low 32 bits are the sequence number")]
        Seq(self.0 as u32)
    }

    pub(super) fn plus(self, octets: u64) -> Position {
        Position(self.0.saturating_add(octets))
    }

    pub(super) fn minus(self, octets: u64) -> Position {
        Position(self.0.saturating_sub(octets))
    }

    /// How many octets lie between `earlier` and this; 0 where `earlier` is not earlier.
    pub(super) fn since(self, earlier: Position) -> u64 {
        self.0.saturating_sub(earlier.0)
    }

    pub(super) fn distance(self, other: Position) -> u64 {
        self.0.abs_diff(other.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_behind_the_wrap_is_later() {
        let before = Position::first(Seq(u32::MAX - 4));
        let after = before.near(Seq(5));
        assert_eq!(after.since(before), 10);
        assert_eq!(after.near(Seq(u32::MAX - 4)), before);
    }

    #[test]
    fn a_stream_beyond_four_gigabytes_keeps_counting() {
        let start = Position::first(Seq(7));
        let mut at = start;
        for _ in 0..5 {
            at = at.near(at.seq().plus(1 << 30));
        }
        assert_eq!(at.since(start), 5 << 30);
    }

    #[test]
    fn the_first_number_has_positions_below_it() {
        let start = Position::first(Seq(0));
        assert_eq!(start.since(start.near(Seq(u32::MAX))), 1);
    }
}
