//! A packet's place in the whole scan, what was captured of it, and the packets that carry a piece of evidence.

use super::Time;

/// A packet's number in the whole scan, from 0, across all files in the order in which they are read.
///
/// File and frame (as Wireshark counts it) follow from the ordinal and the table of files, which only
/// the output needs; nothing between the reader and the output carries more than this.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Ordinal(pub u64);

/// Which packet, and its time by the capture's own clock.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Moment {
    pub ordinal: Ordinal,
    pub time: Time,
}

/// A link type of the registry that libpcap and pcapng share (LINKTYPE_ values: 1 is Ethernet).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct LinkType(pub u16);

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
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Packets {
    first: Moment,
    last: Moment,
    more: Vec<Ordinal>,
}

impl Packets {
    /// A finding names at most so many packets (FORMATS.md, `packets`).
    pub(crate) const MOST: usize = 16;

    pub(crate) fn one(at: Moment) -> Self {
        Packets { first: at, last: at, more: Vec::new() }
    }

    /// Adds the next packet of the same evidence; the same one again changes nothing.
    pub(crate) fn push(&mut self, at: Moment) {
        if at.ordinal == self.last.ordinal {
            return;
        }
        self.last = at;
        self.keep(at.ordinal);
    }

    /// Adds all packets of `other` behind these.
    pub(crate) fn extend(&mut self, other: &Packets) {
        for ordinal in other.iter() {
            self.keep(ordinal);
        }
        self.last = other.last;
    }

    fn keep(&mut self, ordinal: Ordinal) {
        if self.more.len() < Self::MOST - 1 && !self.iter().any(|kept| kept == ordinal) {
            self.more.push(ordinal);
        }
    }

    /// The packet that carries the first byte.
    pub(crate) fn first(&self) -> Moment {
        self.first
    }

    /// The packet that carries the last byte: the one that completed the evidence.
    pub(crate) fn last(&self) -> Moment {
        self.last
    }

    /// The kept packets, at most [`Packets::MOST`].
    pub(crate) fn iter(&self) -> impl Iterator<Item = Ordinal> + '_ {
        std::iter::once(self.first.ordinal).chain(self.more.iter().copied())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ordinal: u64) -> Moment {
        Moment { ordinal: Ordinal(ordinal), time: Time::default() }
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
    fn the_same_packet_is_named_once() {
        let mut packets = Packets::one(at(1));
        packets.push(at(1));
        packets.extend(&Packets::one(at(1)));
        assert_eq!(packets.iter().collect::<Vec<_>>(), [Ordinal(1)]);
    }
}
