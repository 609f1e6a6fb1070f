//! The pcap format (draft-ietf-opsawg-pcap): a file header, then packets behind headers of 16 bytes.

use super::batch::PacketEntry;
use super::blocks::{Stopped, Walked};
use super::container::Order;
use super::problem::Cause;
use crate::base::{LinkType, Time};

/// The most captured bytes of one packet that are believed: libpcap's own bounds, so that damage shows
/// where libpcap sees it. For all but a few link types it is 256 KiB (its `MAXIMUM_SNAPLEN`).
pub(super) fn most_captured(link_type: LinkType) -> u32 {
    match link_type.0 {
        // D-Bus messages; USB with a pseudo-header.
        231 | 249 => 128 << 20,
        // Elektrobit's bus recorder.
        279 => 8 << 20,
        _ => 256 << 10,
    }
}

/// What a pcap file's header says of its packets.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pcap {
    order: Order,
    /// The unit of a time stamp's fraction, in nanoseconds.
    unit: u32,
    link_type: LinkType,
    most: u32,
    lengths: Lengths,
}

/// In which order a packet header holds its two lengths.
#[derive(Clone, Copy, Debug)]
enum Lengths {
    /// The captured length, then the original one.
    Usual,
    /// The other way round: before version 2.3.
    Swapped,
    /// Version 2.3 was written by programs of both kinds.
    Either,
}

impl Pcap {
    pub(super) const HEADER: usize = 24;

    /// Reads the file header behind its magic. The snap length says nothing that packets do not say
    /// themselves; the upper half of the link type's field says how long a frame check sequence is.
    pub(super) fn new(order: Order, unit: u32, header: &[u8; Self::HEADER]) -> Result<Self, Cause> {
        let (&[_, [a, b, c, d], _, _, _, link_type], []) = header.as_chunks::<4>() else {
            return Err(Cause::Truncated);
        };
        let (major, minor) = (order.u16([a, b]), order.u16([c, d]));
        let lengths = match (major, minor) {
            (2, 0..=2) => Lengths::Swapped,
            (2, 3) => Lengths::Either,
            (2, 4) => Lengths::Usual,
            _ => return Err(Cause::Version { format: "pcap", major, minor }),
        };
        let link_type = LinkType(u16::try_from(order.u32(link_type) & 0xffff).unwrap_or_default());
        Ok(Pcap { order, unit, link_type, most: most_captured(link_type), lengths })
    }

    /// Lists the packets that lie whole in `block`.
    pub(super) fn walk(self, block: &[u8], packets: &mut Vec<PacketEntry>) -> Walked {
        // Asked once for the block, not for every number in it.
        match self.order {
            Order::Little => self.records(block, packets, u32::from_le_bytes),
            Order::Big => self.records(block, packets, u32::from_be_bytes),
        }
    }

    /// A function of its own, so that all it needs stays in registers from record to record.
    #[inline(never)]
    fn records(self, block: &[u8], packets: &mut Vec<PacketEntry>, number: impl Fn([u8; 4]) -> u32) -> Walked {
        const HEADER: usize = 16;
        let mut rest = block;
        let stopped = loop {
            let Some((header, behind)) = rest.split_first_chunk::<HEADER>() else { break Stopped::Need(HEADER) };
            let &[s0, s1, s2, s3, f0, f1, f2, f3, a0, a1, a2, a3, b0, b1, b2, b3] = header;
            let (first, second) = (number([a0, a1, a2, a3]), number([b0, b1, b2, b3]));
            let (captured, original) = match self.lengths {
                Lengths::Usual => (first, second),
                Lengths::Swapped => (second, first),
                Lengths::Either => (first.min(second), first.max(second)),
            };
            if captured > self.most {
                break Stopped::Fault(Cause::TooLong { captured, most: self.most });
            }
            let Some((_, next)) = behind.split_at_checked(captured as usize) else {
                break Stopped::Need(HEADER.saturating_add(captured as usize));
            };
            packets.push(PacketEntry {
                offset: offset(block, behind),
                captured,
                original: original.max(captured),
                link_type: self.link_type,
                interface: 0,
                time: self.time(number([s0, s1, s2, s3]), number([f0, f1, f2, f3])),
            });
            rest = next;
        };
        Walked { consumed: block.len().saturating_sub(rest.len()), stopped }
    }

    /// Both are 32 bits and the unit at most 1000: seconds and fraction stay far within 64 bits.
    #[inline]
    fn time(self, seconds: u32, fraction: u32) -> Time {
        let seconds = i64::from(seconds).wrapping_mul(Time::SECOND);
        Time(seconds.wrapping_add(i64::from(fraction).wrapping_mul(i64::from(self.unit))))
    }
}

/// Where `rest`, which ends with `block`, begins in it; a block is far below 4 GiB.
#[inline]
fn offset(block: &[u8], rest: &[u8]) -> u32 {
    u32::try_from(block.len().wrapping_sub(rest.len())).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::super::testing::*;

    #[test]
    fn both_byte_orders_and_both_units() {
        for writer in [LITTLE, BIG] {
            for (magic, time) in [(MICRO, 1_000_000_000_000_007_000), (NANO, 1_000_000_000_000_000_007)] {
                let mut capture = writer.pcap(magic, 113);
                capture.extend(writer.record(1_000_000_000, 7, 60, b"abc"));
                let reading = read_alike(&capture);
                assert_eq!(reading.packets, [packet(time, 113, 60, b"abc")]);
                assert_eq!(reading.fault, None);
            }
        }
    }

    #[test]
    fn times_beyond_2038_and_fractions_beyond_a_second_are_taken_as_they_are() {
        let mut capture = LITTLE.pcap(MICRO, 1);
        capture.extend(LITTLE.record(u32::MAX, u32::MAX, 0, b""));
        assert_eq!(read_alike(&capture).packets, [packet(4_294_967_295_000_000_000 + 4_294_967_295_000, 1, 0, b"")]);
    }

    #[test]
    fn the_frame_check_bits_are_no_part_of_the_link_type() {
        let mut capture = LITTLE.pcap(MICRO, 0x5400_0001);
        capture.extend(LITTLE.record(0, 0, 1, b"a"));
        assert_eq!(read_alike(&capture).packets, [packet(0, 1, 1, b"a")]);
    }

    #[test]
    fn any_snap_length_will_do() {
        for snap_length in [0, 1, u32::MAX] {
            let mut capture = LITTLE.pcap(MICRO, 1);
            capture[16..20].copy_from_slice(&LITTLE.u32(snap_length));
            capture.extend(LITTLE.record(0, 0, 3, b"abc"));
            assert_eq!(read_alike(&capture).packets, [packet(0, 1, 3, b"abc")]);
        }
    }

    #[test]
    fn an_original_length_below_the_captured_one_is_corrected() {
        let mut capture = LITTLE.pcap(MICRO, 1);
        capture.extend(LITTLE.record(0, 0, 2, b"abc"));
        assert_eq!(read_alike(&capture).packets, [packet(0, 1, 3, b"abc")]);
    }

    #[test]
    fn a_header_without_packets_is_a_capture() {
        let reading = read_alike(&LITTLE.pcap(MICRO, 1));
        assert_eq!((reading.packets, reading.fault), (vec![], None));
    }

    #[test]
    fn a_cut_anywhere_keeps_the_whole_packets_and_says_where_they_end() {
        let mut capture = LITTLE.pcap(MICRO, 1);
        capture.extend(LITTLE.record(0, 0, 3, b"abc"));
        capture.extend(LITTLE.record(1, 0, 3, b"def"));
        for cut in 1..19 {
            let reading = read_alike(&capture[..capture.len() - cut]);
            assert_eq!(reading.packets, [packet(0, 1, 3, b"abc")]);
            assert_eq!(reading.fault.unwrap(), "x: truncated at byte 43");
        }
        for length in 4..24 {
            let reading = read_alike(&capture[..length]);
            assert_eq!((reading.packets, reading.fault.unwrap().as_str()), (vec![], "x: truncated at byte 0"));
        }
    }

    #[test]
    fn a_nonsense_length_ends_the_file_where_libpcap_ends_it() {
        let with_length = |link_type, length| {
            let mut capture = LITTLE.pcap(MICRO, link_type);
            capture.extend(LITTLE.record(0, 0, 3, b"abc"));
            capture.extend(LITTLE.words(&[0, 0, length, length]));
            capture.extend([7; 100]);
            let reading = read_alike(&capture);
            assert_eq!(reading.packets.len(), 1);
            reading.fault.unwrap()
        };
        assert_eq!(with_length(1, 262_145), "x: a packet of 262145 captured bytes (the limit is 262144) at byte 43");
        assert_eq!(with_length(1, 262_144), "x: truncated at byte 43");
        assert_eq!(with_length(231, 262_145), "x: truncated at byte 43");
    }

    #[test]
    fn a_packet_larger_than_a_batch_is_read_whole() {
        let large = vec![9; 262_144];
        let mut capture = LITTLE.pcap(MICRO, 1);
        for bytes in [&b"abc"[..], &large, b"def"] {
            capture.extend(LITTLE.record(0, 0, 0, bytes));
        }
        let reading = read_alike(&capture);
        assert_eq!(reading.packets.iter().map(|packet| packet.bytes.len()).collect::<Vec<_>>(), [3, 262_144, 3]);
        assert_eq!(reading.packets[2].bytes, b"def");
    }

    #[test]
    fn old_versions_have_their_lengths_the_other_way_round() {
        for (minor, lengths, original) in [(2_u16, [9, 3], 9), (3, [9, 3], 9), (3, [3, 9], 9), (4, [3, 9], 9)] {
            let mut capture = BIG.pcap(MICRO, 1);
            capture[6..8].copy_from_slice(&BIG.u16(minor));
            capture.extend(BIG.words(&[0, 0, lengths[0], lengths[1]]));
            capture.extend(b"abc");
            assert_eq!(read_alike(&capture).packets, [packet(0, 1, original, b"abc")]);
        }
    }

    #[test]
    fn a_version_that_is_not_read_is_named() {
        let mut capture = LITTLE.pcap(MICRO, 1);
        capture[6] = 5;
        assert_eq!(read_alike(&capture).fault.unwrap(), "x: pcap version 2.5 is not supported");
    }
}
