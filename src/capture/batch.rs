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

/// Whole packets of one file, in the file's order.
#[derive(Debug, Default)]
pub(crate) struct Batch {
    /// The number of the first packet in the whole scan; the others follow without a hole.
    pub first: Ordinal,
    pub follows: Follows,
    /// The block that the packets' bytes lie in.
    pub data: Vec<u8>,
    pub packets: Vec<PacketEntry>,
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

    /// The packet of this number, if it is in this batch.
    pub(crate) fn captured(&self, number: Ordinal) -> Option<Captured<'_>> {
        let place = usize::try_from(number.0.checked_sub(self.first.0)?).ok()?;
        let packet = self.packets.get(place)?;
        let &PacketEntry { time, link_type, original, .. } = packet;
        Some(Captured { time, link_type, original, bytes: self.bytes(packet) })
    }
}
