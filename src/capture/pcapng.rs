//! The pcapng format (draft-ietf-opsawg-pcapng): blocks in sections, each section with a byte order and
//! interfaces of its own, each interface with a link type and a clock of its own.
//!
//! Bounds: 65,536 interfaces per section; 16 MiB for a block that is read as a whole, a packet aside.

use super::batch::PacketEntry;
use super::blocks::{Stopped, Walked};
use super::container::Order;
use super::pcap::most_captured;
use super::problem::Cause;
use crate::base::{LinkType, Time};

/// What the blocks so far say of those to come.
#[derive(Debug)]
pub(super) struct Pcapng {
    order: Order,
    interfaces: Vec<Interface>,
    /// The last time stamp, which a simple packet block, having none, is given too.
    last_time: Time,
    /// Packets dropped in the sections that are over.
    dropped: u64,
}

/// An interface description block, and the statistics of the interface.
#[derive(Clone, Debug)]
struct Interface {
    link_type: LinkType,
    /// 0 is no limit.
    snap_length: u32,
    unit: Unit,
    /// Seconds to be added to each time stamp.
    offset: i64,
    /// Packets dropped for lack of room in the interface and in the system (`isb_ifdrop`, `isb_osdrop`).
    /// They count from the start of the capture: later ones replace earlier ones.
    ifdrop: u64,
    osdrop: u64,
}

/// What a time stamp counts.
#[derive(Clone, Copy, Debug)]
enum Unit {
    /// So many nanoseconds.
    Nanoseconds(i128),
    /// So few that this many are a nanosecond.
    PerNanosecond(i128),
    /// Seconds divided by two to this power.
    Binary(u32),
}

const SECTION: u32 = 0x0a0d_0d0a;
const INTERFACE: u32 = 1;
const OBSOLETE_PACKET: u32 = 2;
const SIMPLE_PACKET: u32 = 3;
const STATISTICS: u32 = 5;
const ENHANCED_PACKET: u32 = 6;

/// A block's type and length before its body, and the length again behind it.
const HEADER: usize = 8;
const TRAILER: usize = 4;
/// The statistics block without options; a shorter one tells nothing.
const STATISTICS_LEAST: usize = 24;
const MOST_BLOCK: usize = 16 << 20;
const MOST_INTERFACES: usize = 1 << 16;

impl Pcapng {
    /// Before the first section header, which sets the order.
    pub(super) fn new() -> Self {
        Pcapng { order: Order::Little, interfaces: Vec::new(), last_time: Time::default(), dropped: 0 }
    }

    /// Packets that interfaces or the system below them dropped, by the statistics so far.
    pub(super) fn dropped(&self) -> u64 {
        self.interfaces
            .iter()
            .fold(self.dropped, |sum, interface| sum.saturating_add(interface.ifdrop).saturating_add(interface.osdrop))
    }

    /// Lists the packets that lie whole in `block`.
    pub(super) fn walk(&mut self, block: &[u8], packets: &mut Vec<PacketEntry>) -> Walked {
        let mut at = 0_usize;
        loop {
            match self.block(block.get(at..).unwrap_or_default(), at, packets) {
                Ok(length) => at = at.saturating_add(length),
                Err(stopped) => return Walked { consumed: at, stopped },
            }
        }
    }

    /// Takes the block that `rest` begins with, which lies at `at` of the walk; returns its length.
    fn block(&mut self, rest: &[u8], at: usize, packets: &mut Vec<PacketEntry>) -> Result<usize, Stopped> {
        let kind = self.u32(rest, 0)?;
        // The section header's type reads the same in both orders, so that its own can be found.
        if kind == SECTION {
            self.order = section_order(rest)?;
        }
        let length = self.u32(rest, 4)?;
        if length < 12 || length % 4 != 0 {
            return Err(malformed("a block with an impossible length"));
        }
        let length = usize::try_from(length).unwrap_or(usize::MAX);
        match kind {
            SECTION => {
                let body = self.body(rest, length, 16)?;
                self.section(body)?;
            }
            INTERFACE => {
                let body = self.body(rest, length, 8)?;
                self.interface(body)?;
            }
            STATISTICS if length >= STATISTICS_LEAST => {
                let body = self.body(rest, length, 12)?;
                self.statistics(body)?;
            }
            ENHANCED_PACKET | OBSOLETE_PACKET | SIMPLE_PACKET => {
                let found = self.packet(kind, rest, length)?;
                packets.push(PacketEntry { offset: found.offset.saturating_add(u32_of(at)), ..found });
            }
            _ if length > rest.len() => return Err(Stopped::Skip(length as u64)),
            _ => {}
        }
        Ok(length)
    }

    fn section(&mut self, body: &[u8]) -> Result<(), Stopped> {
        let (major, minor) = (self.u16(body, 4)?, self.u16(body, 6)?);
        if major != 1 {
            return Err(Stopped::Fault(Cause::Version { format: "pcapng", major, minor }));
        }
        self.dropped = self.dropped();
        self.interfaces.clear();
        Ok(())
    }

    fn interface(&mut self, body: &[u8]) -> Result<(), Stopped> {
        const RESOLUTION: u16 = 9;
        const OFFSET: u16 = 14;
        if self.interfaces.len() >= MOST_INTERFACES {
            return Err(malformed("more than 65536 interfaces"));
        }
        let mut interface = Interface {
            link_type: LinkType(self.u16(body, 0)?),
            snap_length: self.u32(body, 4)?,
            unit: Unit::Nanoseconds(1000),
            offset: 0,
            ifdrop: 0,
            osdrop: 0,
        };
        for (code, value) in self.options(body, 8) {
            match (code, value) {
                (RESOLUTION, &[resolution]) => interface.unit = Unit::new(resolution),
                (OFFSET, value) => {
                    if let Ok(value) = value.try_into() {
                        interface.offset = self.order.u64(value).cast_signed();
                    }
                }
                _ => {}
            }
        }
        self.interfaces.push(interface);
        Ok(())
    }

    fn statistics(&mut self, body: &[u8]) -> Result<(), Stopped> {
        const IFDROP: u16 = 5;
        const OSDROP: u16 = 7;
        let id = self.u32(body, 0)? as usize;
        // No packet depends on them: those of an unknown interface are no reason to stop.
        let Some(mut interface) = self.interfaces.get(id).cloned() else { return Ok(()) };
        for (code, value) in self.options(body, 12) {
            let Ok(value) = value.try_into() else { continue };
            match code {
                IFDROP => interface.ifdrop = self.order.u64(value),
                OSDROP => interface.osdrop = self.order.u64(value),
                _ => {}
            }
        }
        if let Some(known) = self.interfaces.get_mut(id) {
            *known = interface;
        }
        Ok(())
    }

    /// The packet of a block; its offset counts from the block.
    fn packet(&mut self, kind: u32, rest: &[u8], length: usize) -> Result<PacketEntry, Stopped> {
        let fixed = if kind == SIMPLE_PACKET { 4_usize } else { 20 };
        let begin = HEADER.saturating_add(fixed);
        let room = length
            .checked_sub(begin.saturating_add(TRAILER))
            .ok_or_else(|| malformed("a block too short for its type"))?;
        let id = match kind {
            SIMPLE_PACKET => 0,
            OBSOLETE_PACKET => u32::from(self.u16(rest, 8)?),
            _ => self.u32(rest, 8)?,
        };
        let interface = self.known(id)?;
        let (captured, original, time) = if kind == SIMPLE_PACKET {
            let original = self.u32(rest, 8)?;
            let snap_length = if interface.snap_length == 0 { u32::MAX } else { interface.snap_length };
            (original.min(snap_length).min(u32_of(room)), original, self.last_time)
        } else {
            let ticks = u64::from(self.u32(rest, 12)?) << 32 | u64::from(self.u32(rest, 16)?);
            (self.u32(rest, 20)?, self.u32(rest, 24)?, interface.time(ticks))
        };
        let link_type = interface.link_type;
        let most = most_captured(link_type);
        if captured > most {
            return Err(Stopped::Fault(Cause::TooLong { captured, most }));
        }
        if captured as usize > room {
            return Err(malformed("a packet longer than its block"));
        }
        if room.saturating_sub(captured as usize) > MOST_BLOCK {
            return Err(malformed("a block of more than 16 MiB"));
        }
        self.whole(rest, length)?;
        self.last_time = time;
        Ok(PacketEntry {
            offset: u32_of(begin),
            captured,
            original: original.max(captured),
            link_type,
            interface: 0,
            time,
        })
    }

    /// The body of a block, which must have at least so many bytes.
    fn body<'b>(&self, rest: &'b [u8], length: usize, least: usize) -> Result<&'b [u8], Stopped> {
        if length < HEADER.saturating_add(TRAILER).saturating_add(least) {
            return Err(malformed("a block too short for its type"));
        }
        if length > MOST_BLOCK {
            return Err(malformed("a block of more than 16 MiB"));
        }
        self.whole(rest, length)
    }

    /// The body of a block, once all of it is there and its two lengths agree.
    fn whole<'b>(&self, rest: &'b [u8], length: usize) -> Result<&'b [u8], Stopped> {
        let block = rest.get(..length).ok_or(Stopped::Need(length))?;
        let end = length.saturating_sub(TRAILER);
        if self.u32(block, end)? as usize != length {
            return Err(malformed("a block whose two lengths differ"));
        }
        Ok(block.get(HEADER..end).unwrap_or_default())
    }

    fn known(&self, id: u32) -> Result<&Interface, Stopped> {
        self.interfaces
            .get(id as usize)
            .ok_or_else(|| malformed("a block of an interface that the file does not describe"))
    }

    /// The options from `at` to the end of a body: code and value. What is cut short ends them.
    fn options<'b>(&self, body: &'b [u8], at: usize) -> impl Iterator<Item = (u16, &'b [u8])> + use<'b> {
        let order = self.order;
        let mut rest = body.get(at..).unwrap_or_default();
        std::iter::from_fn(move || {
            let (&[a, b, c, d], values) = rest.split_first_chunk::<4>()?;
            let (code, length) = (order.u16([a, b]), usize::from(order.u16([c, d])));
            let value = values.get(..length)?;
            rest = values.get(length.next_multiple_of(4)..).unwrap_or_default();
            (code != 0).then_some((code, value))
        })
    }

    fn u16(&self, bytes: &[u8], at: usize) -> Result<u16, Stopped> {
        Ok(self.order.u16(field(bytes, at)?))
    }

    fn u32(&self, bytes: &[u8], at: usize) -> Result<u32, Stopped> {
        Ok(self.order.u32(field(bytes, at)?))
    }
}

impl Interface {
    /// Nanoseconds since 1970, as near as 64 bits come to them.
    fn time(&self, ticks: u64) -> Time {
        let ticks = i128::from(ticks);
        let since = match self.unit {
            Unit::Nanoseconds(unit) => ticks.saturating_mul(unit),
            Unit::PerNanosecond(divisor) => ticks.checked_div(divisor).unwrap_or(0),
            Unit::Binary(power) => ticks.saturating_mul(SECOND).checked_shr(power).unwrap_or(0),
        };
        let time = since.saturating_add(i128::from(self.offset).saturating_mul(SECOND));
        Time(i64::try_from(time).unwrap_or(if time < 0 { i64::MIN } else { i64::MAX }))
    }
}

impl Unit {
    /// Of `if_tsresol`: a negative power of two where the highest bit is set, else of ten.
    fn new(resolution: u8) -> Self {
        let power = u32::from(resolution & 0x7f);
        if resolution & 0x80 != 0 {
            return Unit::Binary(power);
        }
        let factor = |exponent: u32| 10_i128.checked_pow(exponent).unwrap_or(i128::MAX);
        match power.checked_sub(9) {
            None | Some(0) => Unit::Nanoseconds(factor(9_u32.saturating_sub(power))),
            Some(finer) => Unit::PerNanosecond(factor(finer)),
        }
    }
}

const SECOND: i128 = 1_000_000_000;

/// The order that a section header's byte-order magic shows.
fn section_order(rest: &[u8]) -> Result<Order, Stopped> {
    match field(rest, 8)? {
        [0x1a, 0x2b, 0x3c, 0x4d] => Ok(Order::Big),
        [0x4d, 0x3c, 0x2b, 0x1a] => Ok(Order::Little),
        _ => Err(malformed("a section with an unknown byte order")),
    }
}

/// `N` bytes at `at`, or how many bytes it takes to have them.
fn field<const N: usize>(bytes: &[u8], at: usize) -> Result<[u8; N], Stopped> {
    let found = bytes.get(at..).and_then(|rest| rest.first_chunk::<N>());
    found.copied().ok_or(Stopped::Need(at.saturating_add(N)))
}

fn malformed(what: &'static str) -> Stopped {
    Stopped::Fault(Cause::Malformed(what))
}

fn u32_of(place: usize) -> u32 {
    u32::try_from(place).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::super::testing::*;

    /// A section in one order with one Ethernet interface, then `blocks`.
    fn section(writer: Writer, options: &[(u16, &[u8])], blocks: &[Vec<u8>]) -> Vec<u8> {
        [writer.section(), writer.interface(1, 0, options), blocks.concat()].concat()
    }

    /// The time that an interface with these options gives to `ticks`.
    fn time(options: &[(u16, &[u8])], ticks: u64) -> i64 {
        read_alike(&section(LITTLE, options, &[LITTLE.enhanced(0, ticks, 0, b"")])).packets[0].time
    }

    #[test]
    fn every_kind_of_packet_block_in_both_byte_orders() {
        for writer in [LITTLE, BIG] {
            let capture = section(
                writer,
                &[],
                &[
                    writer.simple(5, b"early"),
                    writer.enhanced(0, 0x0001_0000_0002, 60, b"abcde"),
                    writer.obsolete(0, 9, 4, b"abcd"),
                    writer.simple(3, b"abc"),
                ],
            );
            let reading = read_alike(&capture);
            let expected = [
                packet(0, 1, 5, b"early"),
                packet(0x0001_0000_0002 * 1000, 1, 60, b"abcde"),
                packet(9000, 1, 4, b"abcd"),
                packet(9000, 1, 3, b"abc"),
            ];
            assert_eq!((reading.packets.as_slice(), reading.fault), (&expected[..], None));
        }
    }

    #[test]
    fn sections_of_both_orders_have_interfaces_of_their_own() {
        let capture = [
            section(LITTLE, &[(9, &[9])], &[LITTLE.interface(113, 0, &[]), LITTLE.enhanced(1, 1, 1, b"a")]),
            section(BIG, &[], &[BIG.enhanced(0, 2, 1, b"b"), BIG.enhanced(1, 3, 1, b"c")]),
        ]
        .concat();
        let reading = read_alike(&capture);
        assert_eq!(reading.packets, [packet(1000, 113, 1, b"a"), packet(2000, 1, 1, b"b")]);
        let place = capture.len() - BIG.enhanced(1, 3, 1, b"c").len();
        assert_eq!(
            reading.fault.unwrap(),
            format!("x: a block of an interface that the file does not describe at byte {place}")
        );
    }

    #[test]
    fn resolutions_of_ten_and_of_two() {
        assert_eq!(time(&[], 7), 7000);
        assert_eq!(time(&[(9, &[0])], 7), 7_000_000_000);
        assert_eq!(time(&[(9, &[9])], 7), 7);
        assert_eq!(time(&[(9, &[12])], 7999), 7);
        assert_eq!(time(&[(9, &[127])], u64::MAX), 0);
        assert_eq!(time(&[(9, &[0x80])], 7), 7_000_000_000);
        assert_eq!(time(&[(9, &[0x81])], 7), 3_500_000_000);
        assert_eq!(time(&[(9, &[0xa0])], 0x1_8000_0000), 1_500_000_000);
        assert_eq!(time(&[(9, &[0xff])], u64::MAX), 0);
    }

    #[test]
    fn offsets_and_extreme_times_saturate() {
        assert_eq!(time(&[(14, &LITTLE.u64(2))], 7), 2_000_007_000);
        assert_eq!(time(&[(14, &LITTLE.u64((-1_i64).cast_unsigned()))], 7), -999_993_000);
        assert_eq!(time(&[(9, &[0])], u64::MAX), i64::MAX);
        assert_eq!(time(&[(14, &LITTLE.u64(i64::MIN.cast_unsigned()))], 0), i64::MIN);
    }

    #[test]
    fn options_that_are_cut_or_of_a_wrong_length_change_nothing() {
        assert_eq!(time(&[(9, &[9, 9]), (14, &[1])], 7), 7000);
        let mut body = vec![1, 0, 0, 0, 0, 0, 0, 0];
        body.extend([9, 0, 200, 0, 9, 0, 0, 0]);
        let capture = [LITTLE.section(), LITTLE.block(1, &body), LITTLE.enhanced(0, 7, 0, b"")].concat();
        assert_eq!(read_alike(&capture).packets, [packet(7000, 1, 0, b"")]);
    }

    #[test]
    fn the_last_statistics_of_each_interface_count() {
        let dropped = |count: u64| LITTLE.u64(count);
        let capture = [
            section(
                LITTLE,
                &[],
                &[
                    LITTLE.interface(1, 0, &[]),
                    LITTLE.statistics(0, &[(5, &dropped(3)), (7, &dropped(1))]),
                    LITTLE.statistics(1, &[(7, &dropped(100))]),
                    LITTLE.statistics(0, &[(4, &dropped(50)), (5, &dropped(5))]),
                ],
            ),
            section(BIG, &[], &[BIG.statistics(0, &[(5, &BIG.u64(1000))])]),
        ]
        .concat();
        let reading = read_alike(&capture);
        assert_eq!((reading.dropped, reading.fault), (5 + 1 + 100 + 1000, None));
    }

    #[test]
    fn statistics_that_make_no_sense_stop_nothing() {
        let strange = [LITTLE.statistics(9, &[(5, &LITTLE.u64(3))]), LITTLE.block(5, &[0; 4])].concat();
        let reading = read_alike(&section(LITTLE, &[], &[strange, LITTLE.enhanced(0, 1, 1, b"a")]));
        assert_eq!((reading.packets.len(), reading.dropped, reading.fault), (1, 0, None));
    }

    #[test]
    fn unknown_blocks_are_passed_over_however_long() {
        for length in [0, 4, 4000, 300_000] {
            let capture = section(
                LITTLE,
                &[],
                &[
                    LITTLE.enhanced(0, 1, 1, b"a"),
                    LITTLE.block(0x0bad, &vec![7; length]),
                    LITTLE.enhanced(0, 2, 1, b"b"),
                ],
            );
            let reading = read_alike(&capture);
            assert_eq!(reading.packets, [packet(1000, 1, 1, b"a"), packet(2000, 1, 1, b"b")]);
            assert_eq!(reading.fault, None);
        }
    }

    #[test]
    fn an_unknown_block_that_is_cut_is_told() {
        let start = section(LITTLE, &[], &[LITTLE.enhanced(0, 1, 1, b"a")]);
        let capture = [start.clone(), LITTLE.block(0x0bad, &[7; 5000])].concat();
        let reading = read_alike(&capture[..capture.len() - 1]);
        assert_eq!(reading.packets.len(), 1);
        assert_eq!(reading.fault.unwrap(), format!("x: truncated at byte {}", start.len()));
    }

    #[test]
    fn a_simple_packet_is_cut_by_the_snap_length() {
        let capture =
            [LITTLE.section(), LITTLE.interface(1, 3, &[]), LITTLE.simple(60, b"abc"), LITTLE.simple(2, b"ab")];
        assert_eq!(read_alike(&capture.concat()).packets, [packet(0, 1, 60, b"abc"), packet(0, 1, 2, b"ab")]);
    }

    #[test]
    fn each_contradiction_is_named() {
        let cases: [(&str, Vec<u8>); 8] = [
            ("a block with an impossible length", LITTLE.words(&[6, 8, 0, 0])),
            ("a block with an impossible length", LITTLE.words(&[0x0bad, 13, 0, 0])),
            ("a block too short for its type", LITTLE.block(6, &[0; 12])),
            ("a block too short for its type", LITTLE.block(1, &[])),
            ("a block whose two lengths differ", LITTLE.words(&[6, 32, 0, 0, 0, 0, 0, 36])),
            ("a packet longer than its block", LITTLE.words(&[6, 32, 0, 0, 0, 4, 4, 32])),
            ("a block of more than 16 MiB", LITTLE.words(&[1, 17 << 20, 0])),
            (
                "a packet of 262145 captured bytes (the limit is 262144)",
                LITTLE.words(&[6, 1 << 20, 0, 0, 0, 262_145, 0]),
            ),
        ];
        for (what, block) in cases {
            let start = section(LITTLE, &[], &[LITTLE.enhanced(0, 1, 1, b"a")]);
            let reading = read_alike(&[start.clone(), block].concat());
            assert_eq!(reading.packets, [packet(1000, 1, 1, b"a")], "{what}");
            assert_eq!(reading.fault.unwrap(), format!("x: {what} at byte {}", start.len()));
        }
    }

    #[test]
    fn a_section_of_another_version_or_order_is_refused() {
        let mut capture = LITTLE.section();
        capture[12] = 2;
        assert_eq!(read_alike(&capture).fault.unwrap(), "x: pcapng version 2.0 is not supported at byte 0");
        capture[8] = 0;
        assert_eq!(read_alike(&capture).fault.unwrap(), "x: a section with an unknown byte order at byte 0");
    }

    #[test]
    fn a_cut_anywhere_keeps_the_whole_packets() {
        let start = section(BIG, &[], &[BIG.enhanced(0, 1, 1, b"a")]);
        let capture = [start.clone(), BIG.enhanced(0, 1, 6, b"second")].concat();
        for cut in start.len() + 1..capture.len() {
            let reading = read_alike(&capture[..cut]);
            assert_eq!(reading.packets.len(), 1);
            assert_eq!(reading.fault.unwrap(), format!("x: truncated at byte {}", start.len()));
        }
        assert_eq!(read_alike(&start).fault, None);
        assert_eq!(read_alike(&start[..20]).fault.unwrap(), "x: truncated at byte 0");
    }

    #[test]
    fn interfaces_without_end_are_bounded() {
        let mut capture = LITTLE.section();
        for _ in 0..=super::MOST_INTERFACES {
            capture.extend(LITTLE.interface(1, 0, &[]));
        }
        assert!(read(&capture, 1 << 20).fault.unwrap().starts_with("x: more than 65536 interfaces at byte"));
    }
}
