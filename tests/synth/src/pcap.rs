//! pcap files (draft-ietf-opsawg-pcap): microseconds or nanoseconds, both byte orders.

use crate::frame::{LinkType, Packet};

/// Which of the pcap formats.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Format {
    /// Times in nanoseconds, else in microseconds.
    pub nanoseconds: bool,
    /// Big-endian, else little-endian.
    pub big_endian: bool,
    /// The snap length that the header tells.
    pub snap_length: u32,
}

impl Default for Format {
    fn default() -> Self {
        Format { nanoseconds: false, big_endian: false, snap_length: 262_144 }
    }
}

/// A whole file.
pub fn bytes(packets: &[Packet], link: LinkType, format: Format) -> Vec<u8> {
    let mut out = header(link, format);
    for packet in packets {
        record(packet, format, &mut out);
    }
    out
}

/// The file's header.
pub fn header(link: LinkType, format: Format) -> Vec<u8> {
    let mut out = Vec::with_capacity(24);
    put32(if format.nanoseconds { 0xa1b2_3c4d } else { 0xa1b2_c3d4 }, format, &mut out);
    out.extend(if format.big_endian { [0, 2, 0, 4] } else { [2, 0, 4, 0] });
    for word in [0, 0, format.snap_length, u32::from(link.number())] {
        put32(word, format, &mut out);
    }
    out
}

/// One packet's record.
pub fn record(packet: &Packet, format: Format, out: &mut Vec<u8>) {
    let unit = if format.nanoseconds { 1 } else { 1000 };
    let seconds = u32::try_from(packet.time / 1_000_000_000).expect("a time before 2106");
    let fraction = u32::try_from(packet.time % 1_000_000_000 / unit).unwrap_or(0);
    let captured = u32::try_from(packet.bytes.len()).unwrap_or(u32::MAX);
    for word in [seconds, fraction, captured, packet.original] {
        put32(word, format, out);
    }
    out.extend_from_slice(&packet.bytes);
}

/// The packets in so many runs of about equal count, each the content of one file. A run begins where time does
/// not step back.
pub fn split(packets: &[Packet], files: usize) -> Vec<&[Packet]> {
    let mut runs = Vec::with_capacity(files);
    let mut rest = packets;
    for left in (1..=files.max(1)).rev() {
        let mut end = if left == 1 { rest.len() } else { rest.len() / left };
        while end > 0
            && end < rest.len()
            && rest[end].time < rest[..end].iter().map(|packet| packet.time).max().unwrap_or(0)
        {
            end += 1;
        }
        let (run, behind) = rest.split_at(end);
        runs.push(run);
        rest = behind;
    }
    runs
}

fn put32(word: u32, format: Format, out: &mut Vec<u8>) {
    out.extend(if format.big_endian { word.to_be_bytes() } else { word.to_le_bytes() });
}
