//! What an input is, told by its first bytes alone: names and suffixes lie.

use std::fmt;

use super::problem::Cause;

/// The byte order of a file's numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Order {
    Little,
    Big,
}

impl Order {
    pub(super) fn u16(self, bytes: [u8; 2]) -> u16 {
        match self {
            Order::Little => u16::from_le_bytes(bytes),
            Order::Big => u16::from_be_bytes(bytes),
        }
    }

    pub(super) fn u32(self, bytes: [u8; 4]) -> u32 {
        match self {
            Order::Little => u32::from_le_bytes(bytes),
            Order::Big => u32::from_be_bytes(bytes),
        }
    }

    pub(super) fn u64(self, bytes: [u8; 8]) -> u64 {
        match self {
            Order::Little => u64::from_le_bytes(bytes),
            Order::Big => u64::from_be_bytes(bytes),
        }
    }
}

/// What a whole input may be packed in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Compression {
    /// RFC 1952.
    Gzip,
    /// RFC 8878.
    Zstd,
    /// The LZ4 frame format.
    Lz4,
    /// The .xz format.
    Xz,
}

impl Compression {
    /// How many bytes are enough to recognise one.
    pub(super) const LOOK_AT: usize = 6;

    pub(super) fn recognise(start: &[u8]) -> Option<Self> {
        match start {
            [0x1f, 0x8b, ..] => Some(Self::Gzip),
            [0x28, 0xb5, 0x2f, 0xfd, ..] => Some(Self::Zstd),
            [0x04, 0x22, 0x4d, 0x18, ..] => Some(Self::Lz4),
            [0xfd, b'7', b'z', b'X', b'Z', 0, ..] => Some(Self::Xz),
            _ => None,
        }
    }
}

impl Compression {
    /// How many bytes of the beginning are enough to tell what a decoder needs.
    pub(super) const HEADERS: usize = 32;
    /// The stored bytes that are read ahead, and those that were unpacked.
    const READ_AHEAD: u64 = 96 << 10;
    /// What is taken where the beginning does not tell.
    const UNKNOWN_WINDOW: u64 = 8 << 20;

    /// How many bytes a decoder is taken to need for an input that begins so, by its first frame, block or member, with
    /// what it reads ahead.
    pub(super) fn window(self, start: &[u8]) -> u64 {
        let window = match self {
            Self::Gzip => Some(64 << 10),
            Self::Zstd => zstd_window(start),
            Self::Lz4 => lz4_window(start),
            Self::Xz => xz_window(start),
        };
        window.unwrap_or(Self::UNKNOWN_WINDOW).saturating_add(Self::READ_AHEAD)
    }
}

/// RFC 8878 section 3.1.1.1.
fn zstd_window(start: &[u8]) -> Option<u64> {
    let descriptor = *start.get(4)?;
    let is_single = descriptor & 0x20 != 0;
    if !is_single {
        let window = *start.get(5)?;
        let base = 1_u64.checked_shl(10_u32.saturating_add(u32::from(window >> 3)))?;
        return Some(base.saturating_add((base / 8).saturating_mul(u64::from(window & 7))));
    }
    // The window is the content then.
    let from = [5_usize, 6, 7, 9].get(usize::from(descriptor & 3))?;
    let length = [1_usize, 2, 4, 8].get(usize::from(descriptor >> 6))?;
    let size = start.get(*from..from.saturating_add(*length))?;
    Some(size.iter().rev().fold(0, |size, octet| (size << 8) | u64::from(*octet)))
}

/// The greatest block, as it is stored and as it was.
fn lz4_window(start: &[u8]) -> Option<u64> {
    let code = u32::from(start.get(5)? >> 4 & 7);
    Some(2_u64 << code.saturating_mul(2).saturating_add(8))
}

/// The dictionary of the first block, where LZMA2 is its first filter (The .xz File Format, sections 3.1 and 5.3.1).
fn xz_window(start: &[u8]) -> Option<u64> {
    let flags = *start.get(13)?;
    let mut rest = start.get(14..)?;
    for _ in 0..(flags >> 6).count_ones() {
        let end = rest.iter().position(|octet| octet & 0x80 == 0)?;
        rest = rest.get(end.saturating_add(1)..)?;
    }
    let &[0x21, 1, bits, ..] = rest else { return None };
    let mantissa = 2 | u64::from(bits & 1);
    mantissa.checked_shl(u32::from(bits >> 1).saturating_add(11))
}

impl fmt::Display for Compression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Gzip => "gzip",
            Self::Zstd => "zstd",
            Self::Lz4 => "lz4",
            Self::Xz => "xz",
        })
    }
}

/// The length of a skippable frame's content, where `start` begins with one (RFC 8878 section 3.1.2;
/// lz4 has the same). Such frames may stand before and between those with data.
pub(super) fn skippable(start: &[u8]) -> Option<u32> {
    match start {
        &[0x50..=0x5f, 0x2a, 0x4d, 0x18, a, b, c, d, ..] => Some(u32::from_le_bytes([a, b, c, d])),
        _ => None,
    }
}

/// A capture format.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Format {
    /// pcap, with the unit of its time stamps' fraction in nanoseconds.
    Pcap { order: Order, unit: u32 },
    /// pcapng: byte orders are those of its sections.
    Pcapng,
}

impl Format {
    /// Recognises the (unpacked) beginning of a file.
    pub(super) fn recognise(start: &[u8]) -> Result<Self, Cause> {
        let Some(&magic) = start.first_chunk::<4>() else {
            return Err(if start.is_empty() { Cause::Empty } else { Cause::NotACapture });
        };
        if magic == [0x0a, 0x0d, 0x0d, 0x0a] {
            return Ok(Self::Pcapng);
        }
        for order in [Order::Little, Order::Big] {
            match order.u32(magic) {
                0xa1b2_c3d4 => return Ok(Self::Pcap { order, unit: 1000 }),
                0xa1b2_3c4d => return Ok(Self::Pcap { order, unit: 1 }),
                0xa1b2_cd34 => return Err(Cause::Unsupported("modified pcap (magic 0xa1b2cd34)")),
                0x184c_2102 if order == Order::Little => return Err(Cause::Unsupported("the legacy lz4 format")),
                _ => {}
            }
        }
        Err(Cause::NotACapture)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_magic_is_told_by_content() {
        let pcap = |order, unit| Format::Pcap { order, unit };
        for (start, format) in [
            ([0xd4, 0xc3, 0xb2, 0xa1], pcap(Order::Little, 1000)),
            ([0xa1, 0xb2, 0xc3, 0xd4], pcap(Order::Big, 1000)),
            ([0x4d, 0x3c, 0xb2, 0xa1], pcap(Order::Little, 1)),
            ([0xa1, 0xb2, 0x3c, 0x4d], pcap(Order::Big, 1)),
            ([0x0a, 0x0d, 0x0d, 0x0a], Format::Pcapng),
        ] {
            assert_eq!(Format::recognise(&start).unwrap(), format);
        }
    }

    #[test]
    fn what_is_known_but_not_read_is_named() {
        for start in [[0x34, 0xcd, 0xb2, 0xa1], [0xa1, 0xb2, 0xcd, 0x34], [0x02, 0x21, 0x4c, 0x18]] {
            assert!(matches!(Format::recognise(&start), Err(Cause::Unsupported(_))));
        }
        assert!(matches!(Format::recognise(b"%PDF"), Err(Cause::NotACapture)));
        assert!(matches!(Format::recognise(b"\xd4\xc3"), Err(Cause::NotACapture)));
        assert!(matches!(Format::recognise(b""), Err(Cause::Empty)));
    }
}
