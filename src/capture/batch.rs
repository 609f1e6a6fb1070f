//! A batch: one owned block of bytes and a table of the whole packets in it.

use crate::base::{Captured, LinkType, Ordinal, Time};

/// How a batch follows the one before it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Follows {
    /// The same file goes on.
    #[default]
    Same,
    /// The first batch of a file that carries on where the last one ended (a rotated capture):
    /// connections go on where their sequence numbers continue.
    Continues,
    /// The first batch of a file that has nothing to do with what was read before (or of the first).
    Fresh,
}

/// Whole packets in the order of all packets.
#[derive(Debug, Default)]
pub(crate) struct Batch {
    pub follows: Follows,
    /// The block that the packets' bytes lie in.
    pub data: Vec<u8>,
    pub packets: Vec<PacketEntry>,
    /// Where the packets stand in the order of all, run by run; the first run begins with the first packet.
    pub runs: Vec<Run>,
}

/// Packets of a [`Batch`] whose frames follow each other in one capture.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Run {
    /// Where it begins in the batch; it ends where the next one begins.
    pub from: u32,
    /// Whether no time in it is below the greatest one before, as in nearly all captures.
    pub rising: bool,
    /// Its first packet's place in the order.
    pub first: Ordinal,
}

/// One packet of a [`Batch`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct PacketEntry {
    /// Where its bytes begin in the batch's block.
    pub offset: u32,
    /// How many bytes were captured.
    pub captured: u32,
    /// How many bytes it had on the wire; never below `captured` (a lying header is corrected).
    pub original: u32,
    pub link_type: LinkType,
    /// Of a live capture, the place of its interface among all; 0 of files.
    pub interface: u16,
    pub time: Time,
}

impl Batch {
    /// The captured bytes of a packet of this batch.
    pub(crate) fn bytes(&self, packet: &PacketEntry) -> &[u8] {
        let start = packet.offset as usize;
        let end = start.saturating_add(packet.captured as usize);
        self.data.get(start..end).unwrap_or_default()
    }

    /// What the table has of the packet of this ordinal, if it is in this batch.
    pub(crate) fn entry(&self, ordinal: Ordinal) -> Option<&PacketEntry> {
        let begun = self.runs.partition_point(|run| run.first <= ordinal);
        let (first, packets) = self.run(begun.checked_sub(1)?)?;
        let behind =
            ordinal.frame().checked_sub(first.first.frame()).filter(|_| first.first.rank() == ordinal.rank())?;
        packets.get(usize::try_from(behind).ok()?)
    }

    /// The packet of this ordinal, if it is in this batch.
    pub(crate) fn captured(&self, ordinal: Ordinal) -> Option<Captured<'_>> {
        let packet = self.entry(ordinal)?;
        let &PacketEntry { time, link_type, original, .. } = packet;
        Some(Captured { time, link_type, original, bytes: self.bytes(packet) })
    }

    /// A run and its packets.
    pub(crate) fn run(&self, nth: usize) -> Option<(&Run, &[PacketEntry])> {
        let run = self.runs.get(nth)?;
        let end = self.runs.get(nth.saturating_add(1)).map_or(self.packets.len(), |next| next.from as usize);
        Some((run, self.packets.get(run.from as usize..end)?))
    }

    /// The runs, each with its packets.
    pub(crate) fn runs(&self) -> impl Iterator<Item = (&Run, &[PacketEntry])> {
        (0..self.runs.len()).filter_map(|nth| self.run(nth))
    }
}

impl Run {
    /// No run is longer, and one begins at each multiple of it in a batch: slices of a batch need not look back.
    pub(crate) const MOST: usize = 1024;

    /// Its packets with their ordinals.
    #[inline]
    pub(crate) fn of<'p>(
        &self,
        packets: &'p [PacketEntry],
    ) -> impl Iterator<Item = (Ordinal, &'p PacketEntry)> + use<'p> {
        let mut next = self.first;
        packets.iter().map(move |packet| {
            let reached = next.reached().max(packet.time);
            let ordinal = next.at(reached);
            next = ordinal.following(reached);
            (ordinal, packet)
        })
    }
}

/// How far the packets of one capture came.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Counting {
    rank: u32,
    /// Its next frame.
    frame: u64,
    /// The greatest time so far.
    reached: Time,
}

impl Counting {
    /// A capture begins; no packet of it stands before `reached`.
    pub(crate) fn new(rank: u32, reached: Time) -> Self {
        Counting { rank, frame: 1, reached }
    }

    /// The greatest time so far.
    pub(crate) fn reached(&self) -> Time {
        self.reached
    }

    /// Numbers the capture's next packets, all of a batch; returns the sum of their captured lengths.
    pub(crate) fn number(&mut self, packets: &[PacketEntry], runs: &mut Vec<Run>) -> u64 {
        runs.clear();
        let mut octets = 0_u64;
        let mut from = 0_u32;
        for packets in packets.chunks(Run::MOST) {
            let Some(first) = packets.first() else { break };
            let first = Ordinal::new(self.reached.max(first.time), self.rank, self.frame);
            let (mut last, mut rising) = (self.reached, true);
            for packet in packets {
                octets = octets.saturating_add(u64::from(packet.captured));
                rising &= last <= packet.time;
                last = packet.time;
            }
            let greatest = |packets: &[PacketEntry]| packets.iter().map(|packet| packet.time).max();
            self.reached = if rising { last } else { self.reached.max(greatest(packets).unwrap_or(last)) };
            runs.push(Run { from, rising, first });
            let count = u32::try_from(packets.len()).unwrap_or(u32::MAX);
            from = from.saturating_add(count);
            self.frame = self.frame.saturating_add(u64::from(count));
        }
        octets
    }
}
