//! pcapng for Wireshark (draft-ietf-opsawg-pcapng): the packets of sessions in which something was found, each with the
//! findings that it carries as comments. One section; an interface is described when its first packet comes.
//!
//! It lies in this room, beside the other formats, because what it gives is bytes for others to read; the reading of
//! captures is [`crate::capture`]'s, and this is tested against it.
//!
//! Bounds: [`ENOUGH`] bytes and a block wait to be written; interfaces, by link types and names.

use std::io::{self, Write};

use crate::base::{Captured, LinkType, Time};
use crate::rules::{Catalogue, Finding};

use crate::record::Text;

/// So much is collected before it is written.
const ENOUGH: usize = 64 << 10;
/// Octets of one packet that are kept, as each interface's description says: libpcap's own bound.
const SNAP_LENGTH: u32 = 262_144;
/// An option's length has 16 bits.
const MOST_OPTION: usize = u16::MAX as usize;

const SECTION: u32 = 0x0a0d_0d0a;
const INTERFACE: u32 = 1;
const ENHANCED_PACKET: u32 = 6;

/// `opt_comment`, `shb_userappl`, `if_name`, `if_tsresol`, `if_tsoffset`.
const COMMENT: u16 = 1;
const PROGRAM: u16 = 4;
const NAME: u16 = 2;
const RESOLUTION: u16 = 9;
const OFFSET: u16 = 14;

/// What is added to each time before 1970, for a time stamp has no sign: in seconds, and below the least time.
const BEFORE_1970: i64 = -9_223_372_037;

/// A file under way: whole blocks, many at a time, so that what was killed left whole ones but for the last.
pub(crate) struct Pcapng<W> {
    to: W,
    interfaces: Vec<Interface>,
    buffer: Vec<u8>,
    bytes: u64,
}

/// What packets share whose blocks name the same interface.
#[derive(Debug, PartialEq, Eq)]
struct Interface {
    link_type: LinkType,
    name: Option<String>,
    /// Its times are before 1970.
    early: bool,
}

impl<W: Write> Pcapng<W> {
    /// Begins a file, and writes its head: one without packets is a capture too.
    pub(crate) fn new(to: W) -> io::Result<Self> {
        let mut file = Pcapng { to, interfaces: Vec::new(), buffer: Vec::new(), bytes: 0 };
        block(&mut file.buffer, SECTION, |body| {
            body.extend(0x1a2b_3c4d_u32.to_le_bytes());
            body.extend([1, 0, 0, 0]);
            // The section's length is not known.
            body.extend(u64::MAX.to_le_bytes());
            option(body, PROGRAM, concat!("mailtap ", env!("CARGO_PKG_VERSION")).as_bytes());
            end_of_options(body);
        });
        file.flush()?;
        Ok(file)
    }

    /// Adds a packet of the interface of this name, where it has one, with its comments.
    pub(crate) fn packet(
        &mut self,
        packet: &Captured<'_>,
        name: Option<&str>,
        comments: &[impl AsRef<str>],
    ) -> io::Result<()> {
        let early = packet.time < Time::default();
        let number = self.interface(packet.link_type, name, early);
        let offset = if early { i128::from(BEFORE_1970) } else { 0 };
        let since = i128::from(packet.time.0).saturating_sub(offset.saturating_mul(i128::from(Time::SECOND)));
        let ticks = u64::try_from(since).unwrap_or_default();
        let half = |ticks: u64| u32::try_from(ticks & 0xffff_ffff).unwrap_or_default();
        block(&mut self.buffer, ENHANCED_PACKET, |body| {
            let captured = u32::try_from(packet.bytes.len()).unwrap_or(u32::MAX);
            for word in [number, half(ticks >> 32), half(ticks), captured, packet.original] {
                body.extend(word.to_le_bytes());
            }
            padded(body, packet.bytes);
            for comment in comments {
                option(body, COMMENT, cut(comment.as_ref()).as_bytes());
            }
            if !comments.is_empty() {
                end_of_options(body);
            }
        });
        if self.buffer.len() >= ENOUGH { self.flush() } else { Ok(()) }
    }

    /// Hands on whatever waits.
    pub(crate) fn flush(&mut self) -> io::Result<()> {
        if !self.buffer.is_empty() {
            self.to.write_all(&self.buffer)?;
            self.bytes = self.bytes.saturating_add(self.buffer.len() as u64);
            self.buffer.clear();
        }
        self.to.flush()
    }

    /// How long the file is, with what waits.
    pub(crate) fn len(&self) -> u64 {
        self.bytes.saturating_add(self.buffer.len() as u64)
    }

    /// The number of an interface, which is described if that was not done yet.
    fn interface(&mut self, link_type: LinkType, name: Option<&str>, early: bool) -> u32 {
        let same =
            |known: &Interface| known.link_type == link_type && known.name.as_deref() == name && known.early == early;
        let known = self.interfaces.iter().position(same);
        let number = known.unwrap_or(self.interfaces.len());
        if known.is_none() {
            block(&mut self.buffer, INTERFACE, |body| {
                body.extend(link_type.0.to_le_bytes());
                body.extend([0; 2]);
                body.extend(SNAP_LENGTH.to_le_bytes());
                if let Some(name) = name {
                    option(body, NAME, cut(name).as_bytes());
                }
                option(body, RESOLUTION, &[9]);
                if early {
                    option(body, OFFSET, &BEFORE_1970.to_le_bytes());
                }
                end_of_options(body);
            });
            self.interfaces.push(Interface { link_type, name: name.map(str::to_owned), early });
        }
        u32::try_from(number).unwrap_or(u32::MAX)
    }
}

/// What a packet that carries a finding is commented with: `rule/check: message`.
pub(crate) fn comment(finding: &Finding, catalogue: &Catalogue) -> String {
    format!("{}: {}", catalogue.name(finding.check), Text(finding.message.as_bytes()))
}

/// Appends a block: its type, its length, its body, its length again.
fn block(out: &mut Vec<u8>, kind: u32, body: impl FnOnce(&mut Vec<u8>)) {
    let start = out.len();
    out.extend(kind.to_le_bytes());
    out.extend([0; 4]);
    body(out);
    let length = u32::try_from(out.len().saturating_sub(start).saturating_add(4)).unwrap_or(u32::MAX).to_le_bytes();
    if let Some(place) = out.get_mut(start..).and_then(|block| block.get_mut(4..8)) {
        place.copy_from_slice(&length);
    }
    out.extend(length);
}

fn option(out: &mut Vec<u8>, code: u16, value: &[u8]) {
    out.extend(code.to_le_bytes());
    out.extend(u16::try_from(value.len()).unwrap_or(u16::MAX).to_le_bytes());
    padded(out, value);
}

fn end_of_options(out: &mut Vec<u8>) {
    out.extend([0; 4]);
}

/// Bytes up to the next 32-bit word; all that stands before them ends with one.
fn padded(out: &mut Vec<u8>, bytes: &[u8]) {
    out.extend_from_slice(bytes);
    out.resize(out.len().next_multiple_of(4), 0);
}

/// As much of a text as an option has room for.
fn cut(text: &str) -> &str {
    text.get(..text.floor_char_boundary(MOST_OPTION)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;
    use crate::capture::{Next, Options, Reader};

    const ETHERNET: LinkType = LinkType(1);
    const RAW: LinkType = LinkType(101);

    fn captured(time: i64, link_type: LinkType, original: u32, bytes: &[u8]) -> Captured<'_> {
        Captured { time: Time(time), link_type, original, bytes }
    }

    /// What our own reader finds in a file of these bytes; it must read to the end without a problem.
    fn read(bytes: &[u8]) -> Vec<(i64, u16, u32, Vec<u8>)> {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), bytes).unwrap();
        let mut reader = Reader::open(&[PathBuf::from(file.path())], &Options::default());
        let mut packets = Vec::new();
        loop {
            match reader.next(None) {
                Next::Batch(batch) => {
                    for packet in &batch.packets {
                        let bytes = batch.bytes(packet).to_vec();
                        packets.push((packet.time.0, packet.link_type.0, packet.original, bytes));
                    }
                }
                Next::End => return packets,
                other => panic!("{other:?}"),
            }
        }
    }

    fn written(packets: &[Captured<'_>]) -> Vec<u8> {
        let mut out = Vec::new();
        let mut file = Pcapng::new(&mut out).unwrap();
        for packet in packets {
            file.packet(packet, None, &[] as &[&str]).unwrap();
        }
        file.flush().unwrap();
        out
    }

    #[test]
    fn our_reader_finds_every_packet_as_it_was() {
        let long = vec![7; 262_144];
        let packets = [
            captured(1_795_531_544_123_456_789, ETHERNET, 60, b"abcde"),
            captured(0, RAW, 0, b""),
            captured(i64::MAX, ETHERNET, 4, b"abcd"),
            captured(-1, ETHERNET, 1, b"a"),
            captured(i64::MIN, RAW, 3, b"abc"),
            captured(5, ETHERNET, 300_000, &long),
        ];
        let expected: Vec<_> =
            packets.iter().map(|p| (p.time.0, p.link_type.0, p.original, p.bytes.to_vec())).collect();
        assert_eq!(read(&written(&packets)), expected);
    }

    #[test]
    fn a_file_without_packets_is_a_capture() {
        assert_eq!(read(&written(&[])), []);
    }

    #[test]
    fn an_interface_is_described_once_for_each_link_type_and_name() {
        let mut out = Vec::new();
        let mut file = Pcapng::new(&mut out).unwrap();
        for name in [None, Some("eth0"), Some("eth1"), Some("eth0"), None] {
            file.packet(&captured(1, ETHERNET, 1, b"a"), name, &[] as &[&str]).unwrap();
        }
        assert_eq!(file.interfaces.len(), 3);
        let length = file.len();
        file.flush().unwrap();
        assert_eq!((read(&out).len(), out.len() as u64), (5, length));
    }

    #[test]
    fn whole_blocks_are_written_at_a_time() {
        /// Takes note of what each write brings.
        struct Writes(Vec<Vec<u8>>);
        impl Write for Writes {
            fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
                self.0.push(bytes.to_vec());
                Ok(bytes.len())
            }
            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
        let mut writes = Writes(Vec::new());
        let mut file = Pcapng::new(&mut writes).unwrap();
        for time in 0..1000 {
            file.packet(&captured(time, ETHERNET, 999, &[7; 999]), None, &["a comment"]).unwrap();
        }
        file.flush().unwrap();
        assert!(writes.0.len() > 10);
        let (mut so_far, mut packets) = (Vec::new(), 0);
        for bytes in writes.0 {
            so_far.extend(bytes);
            let found = read(&so_far).len();
            assert!(found >= packets);
            packets = found;
        }
        assert_eq!(packets, 1000);
    }

    #[test]
    fn a_comment_longer_than_an_option_is_cut_between_characters() {
        let long = "ä".repeat(MOST_OPTION);
        let mut out = Vec::new();
        let mut file = Pcapng::new(&mut out).unwrap();
        file.packet(&captured(1, ETHERNET, 1, b"a"), None, &[&long, "short"]).unwrap();
        file.flush().unwrap();
        assert_eq!(read(&out).len(), 1);
        assert_eq!(cut(&long).len(), MOST_OPTION - 1);
    }
}
