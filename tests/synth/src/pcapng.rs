//! pcapng files (draft-ietf-opsawg-pcapng): sections in either byte order, several interfaces, options,
//! interface statistics.

use crate::frame::{LinkType, Packet};

/// A file, block by block. Each section has its own byte order and its own interfaces, numbered from 0.
#[derive(Clone, Debug, Default)]
pub struct Writer {
    bytes: Vec<u8>,
    big_endian: bool,
    interfaces: Vec<Interface>,
}

/// An interface description: what its packets' blocks mean.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Interface {
    /// Its link type.
    pub link: LinkType,
    /// Its snap length.
    pub snap_length: u32,
    /// `if_tsresol` where it is not the default of 6: decimal places, or with 0x80 set binary ones.
    pub resolution: Option<u8>,
    /// `if_tsoffset`: seconds to be added to its packets' times.
    pub offset: Option<i64>,
    /// `if_name`.
    pub name: Option<&'static str>,
}

impl Interface {
    /// One that tells its link type alone.
    pub fn plain(link: LinkType) -> Self {
        Interface { link, snap_length: 262_144, resolution: None, offset: None, name: None }
    }

    /// One with a name and times in nanoseconds, as Wireshark writes it.
    pub fn named(link: LinkType, name: &'static str) -> Self {
        Interface { name: Some(name), resolution: Some(9), ..Interface::plain(link) }
    }

    /// A time in this interface's units.
    fn units(&self, time: u64) -> u64 {
        let offset = u64::try_from(self.offset.unwrap_or(0)).unwrap_or(0);
        let time = u128::from(time - offset * 1_000_000_000);
        let resolution = self.resolution.unwrap_or(6);
        let scale =
            if resolution & 0x80 == 0 { 10_u128.pow(u32::from(resolution)) } else { 1_u128 << (resolution & 0x7f) };
        // Rounded up, so that a reader that rounds down finds the same nanosecond again.
        u64::try_from((time * scale).div_ceil(1_000_000_000)).expect("a time that fits its units")
    }
}

/// A file of one section and one interface.
pub fn bytes(packets: &[Packet], link: LinkType, big_endian: bool) -> Vec<u8> {
    let mut writer = Writer::default();
    writer.section(big_endian, Some("rendered from a dialogue"));
    let interface = writer.interface(Interface::named(link, "mirror0"));
    for packet in packets {
        writer.packet(interface, packet, None);
    }
    writer.statistics(interface, packets.len() as u64, 0);
    writer.into_bytes()
}

impl Writer {
    /// Begins a section (also the first).
    pub fn section(&mut self, big_endian: bool, comment: Option<&str>) {
        self.big_endian = big_endian;
        self.interfaces.clear();
        let mut body = self.word(0x1a2b_3c4d).to_vec();
        body.extend(self.half(1));
        body.extend(self.half(0));
        body.extend([0xff; 8]); // the section's length is not told
        if let Some(comment) = comment {
            body.extend(self.option(1, comment.as_bytes()));
            body.extend(self.option(0, &[]));
        }
        self.block(0x0a0d_0d0a, &body);
    }

    /// Describes an interface; gives its number in the section.
    pub fn interface(&mut self, interface: Interface) -> u32 {
        let mut body = self.half(interface.link.number()).to_vec();
        body.extend(self.half(0));
        body.extend(self.word(interface.snap_length));
        let mut options = Vec::new();
        if let Some(name) = interface.name {
            options.extend(self.option(2, name.as_bytes()));
        }
        if let Some(resolution) = interface.resolution {
            options.extend(self.option(9, &[resolution]));
        }
        if let Some(offset) = interface.offset {
            let value = if self.big_endian { offset.to_be_bytes() } else { offset.to_le_bytes() };
            options.extend(self.option(14, &value));
        }
        if !options.is_empty() {
            options.extend(self.option(0, &[]));
        }
        body.extend(options);
        self.block(1, &body);
        self.interfaces.push(interface);
        u32::try_from(self.interfaces.len() - 1).unwrap_or(0)
    }

    /// An enhanced packet block.
    pub fn packet(&mut self, interface: u32, packet: &Packet, comment: Option<&str>) {
        let time = self.interfaces[interface as usize].units(packet.time);
        let captured = u32::try_from(packet.bytes.len()).expect("a packet is shorter than 4 GiB");
        let (high, low) = (time >> 32, time & u64::from(u32::MAX));
        let half = |word: u64| u32::try_from(word).unwrap_or(0);
        let words = [interface, half(high), half(low), captured, packet.original];
        let mut body: Vec<u8> = words.iter().flat_map(|&word| self.word(word)).collect();
        body.extend(padded(&packet.bytes));
        if let Some(comment) = comment {
            body.extend(self.option(1, comment.as_bytes()));
            body.extend(self.option(0, &[]));
        }
        self.block(6, &body);
    }

    /// An interface statistics block: packets received, and dropped by the capturing kernel.
    pub fn statistics(&mut self, interface: u32, received: u64, dropped: u64) {
        let mut body: Vec<u8> = [interface, 0, 0].iter().flat_map(|&word| self.word(word)).collect();
        for (code, count) in [(4, received), (5, dropped)] {
            let value = if self.big_endian { count.to_be_bytes() } else { count.to_le_bytes() };
            body.extend(self.option(code, &value));
        }
        body.extend(self.option(0, &[]));
        self.block(5, &body);
    }

    /// A block of any type: what readers must skip.
    pub fn block(&mut self, kind: u32, body: &[u8]) {
        let body = padded(body);
        let length = self.word(u32::try_from(body.len() + 12).expect("a block is shorter than 4 GiB"));
        self.bytes.extend(self.word(kind));
        self.bytes.extend(length);
        self.bytes.extend(body);
        self.bytes.extend(length);
    }

    /// The file so far.
    pub fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }

    fn option(&self, code: u16, value: &[u8]) -> Vec<u8> {
        let length = u16::try_from(value.len()).expect("an option is shorter than 64 KiB");
        [&self.half(code)[..], &self.half(length), &padded(value)].concat()
    }

    fn word(&self, word: u32) -> [u8; 4] {
        if self.big_endian { word.to_be_bytes() } else { word.to_le_bytes() }
    }

    fn half(&self, half: u16) -> [u8; 2] {
        if self.big_endian { half.to_be_bytes() } else { half.to_le_bytes() }
    }
}

/// Bytes filled up with zeros to a multiple of four.
fn padded(bytes: &[u8]) -> Vec<u8> {
    let mut padded = bytes.to_vec();
    padded.resize(bytes.len().next_multiple_of(4), 0);
    padded
}
