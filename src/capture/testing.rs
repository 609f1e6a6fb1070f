//! For this room's tests: captures written from literal fields, packed, and read back.
#![expect(clippy::arithmetic_side_effects, clippy::cast_possible_truncation, reason = "the numbers of tests are small")]

use std::io::{Cursor, Read, Write};
use std::path::PathBuf;

use super::batch::Run;
use super::blocks::{Block, Blocks, More};
use super::container::{Compression, Order};
use super::pipe::Stop;
use super::stored::Stored;
use super::{Batch, CaptureFile, Next, Options, Reader};
use crate::base::Ordinal;

/// Batch sizes that every capture must read alike with: below the least allowed, odd, and larger than all of it.
pub(super) const BATCHES: [usize; 3] = [64, 4097, 1 << 20];

/// A packet as it was read, with its bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Packet {
    pub time: i64,
    pub link_type: u16,
    pub original: u32,
    pub bytes: Vec<u8>,
}

pub(super) fn packet(time: i64, link_type: u16, original: u32, bytes: &[u8]) -> Packet {
    Packet { time, link_type, original, bytes: bytes.to_vec() }
}

/// What reading gave: the packets, what went wrong, and what the file says was dropped.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Reading {
    pub packets: Vec<Packet>,
    pub fault: Option<String>,
    pub dropped: u64,
}

/// Reads one capture from memory, as a pipe that gives 1 to 7 bytes at a time would deliver it.
pub(super) fn read(bytes: &[u8], block_bytes: usize) -> Reading {
    read_from(Box::new(Dribble(Cursor::new(bytes.to_vec()), 0)), block_bytes)
}

pub(super) fn read_from(input: Box<dyn Read + Send>, block_bytes: usize) -> Reading {
    let shown = |fault: super::problem::Fault| fault.of("x".into()).to_string();
    let mut blocks = match Blocks::open(Stored::new(input, false, &Stop::default()), block_bytes, &Stop::default()) {
        Ok(blocks) => blocks,
        Err(fault) => return Reading { packets: Vec::new(), fault: Some(shown(fault)), dropped: 0 },
    };
    let mut packets = Vec::new();
    let mut used = Block::default();
    loop {
        let Block { data, packets: entries } = match blocks.next(&mut used) {
            More::Block(block) => block,
            More::Pause => continue,
            More::End => break,
        };
        assert!(!entries.is_empty());
        let batch = Batch { data, packets: entries, ..Batch::default() };
        packets.extend(unbatch(&batch));
        used = Block { data: batch.data, packets: batch.packets };
    }
    Reading { packets, fault: blocks.fault().map(shown), dropped: blocks.dropped() }
}

/// Reads with every size of [`BATCHES`], and from a pipe that pauses, and requires the same from each.
pub(super) fn read_alike(bytes: &[u8]) -> Reading {
    let [first, second, third] = BATCHES.map(|size| read(bytes, size));
    assert_eq!(first, second);
    assert_eq!(first, third);
    for pieces in [1, 100, 5000, 100_000] {
        let pausing = Pausing { input: Cursor::new(bytes.to_vec()), pieces, pauses: false };
        assert_eq!(first, read_from(Box::new(pausing), 4097), "a pause behind every {pieces} bytes");
    }
    first
}

/// A pipe that pauses behind each piece.
struct Pausing {
    input: Cursor<Vec<u8>>,
    pieces: usize,
    pauses: bool,
}

impl Read for Pausing {
    fn read(&mut self, into: &mut [u8]) -> std::io::Result<usize> {
        if std::mem::replace(&mut self.pauses, false) {
            return Err(std::io::ErrorKind::WouldBlock.into());
        }
        self.pauses = true;
        let length = into.len().min(self.pieces);
        self.input.read(&mut into[..length])
    }
}

fn unbatch(batch: &Batch) -> impl Iterator<Item = Packet> + '_ {
    batch.packets.iter().map(|entry| {
        let bytes = batch.bytes(entry);
        assert_eq!(bytes.len(), entry.captured as usize);
        assert!(entry.original >= entry.captured);
        packet(entry.time.0, entry.link_type.0, entry.original, bytes)
    })
}

struct Dribble(Cursor<Vec<u8>>, usize);

impl Read for Dribble {
    fn read(&mut self, into: &mut [u8]) -> std::io::Result<usize> {
        self.1 = self.1 % 7 + 1;
        let most = into.len().min(self.1);
        self.0.read(&mut into[..most])
    }
}

/// What a whole [`Reader`] told, in order.
#[derive(Debug, Default)]
pub(super) struct Told {
    pub packets: Vec<Packet>,
    /// Where they stand in the order.
    pub places: Vec<Ordinal>,
    /// Before which packet, counted from 0, the capture of which rank begins (or else ends).
    pub boundaries: Vec<(usize, u32, bool)>,
    pub problems: Vec<String>,
    pub notices: Vec<String>,
    pub files: Vec<CaptureFile>,
    pub skipped: u64,
}

pub(super) fn read_paths(paths: &[PathBuf], options: &Options) -> Told {
    let mut reader = Reader::open(paths, options);
    let mut told = Told::default();
    let mut recycled = None;
    loop {
        match reader.next(recycled.take()) {
            Next::Batch(batch) => {
                let before = told.packets.len();
                for (run, packets) in batch.runs() {
                    let rises = packets.is_sorted_by_key(|one| one.time) && run.counts_at.is_none();
                    assert!(packets.len() <= Run::MOST && (!run.rising || rises));
                    assert!(run.counts_at.is_none() || packets.len() == 1);
                    for (ordinal, packet) in run.of(packets) {
                        let frames = told.places.iter().filter(|known| known.rank() == ordinal.rank()).count() as u64;
                        assert_eq!(ordinal.frame(), frames + 1, "frames without a hole");
                        assert_eq!(packet.time > ordinal.reached(), run.counts_at.is_some());
                        assert_eq!(batch.captured(ordinal).unwrap().bytes, batch.bytes(packet));
                        told.places.push(ordinal);
                    }
                }
                let slices = (0..batch.packets.len()).step_by(Run::MOST);
                assert!(slices.map(|from| from as u32).all(|from| batch.runs.iter().any(|run| run.from == from)));
                told.packets.extend(unbatch(&batch));
                for boundary in &batch.boundaries {
                    let place = told.places[before..].iter().position(|place| *place == boundary.before).unwrap();
                    told.boundaries.push((before + place, boundary.rank, boundary.begins));
                }
                recycled = Some(batch);
            }
            Next::Problem(problem) => told.problems.push(problem.to_string()),
            Next::Notice(notice) => told.notices.push(notice.to_string()),
            Next::Pause => {}
            Next::End => break,
        }
    }
    assert!(matches!(reader.next(None), Next::End));
    assert!(options.separate || told.places.is_sorted_by(|one, next| one < next));
    told.files = reader.files().to_vec();
    told.skipped = reader.skipped();
    told
}

/// Writes numbers in one byte order.
#[derive(Clone, Copy)]
pub(super) struct Writer(pub Order);

impl Writer {
    pub(super) fn u16(self, number: u16) -> [u8; 2] {
        if self.0 == Order::Little { number.to_le_bytes() } else { number.to_be_bytes() }
    }

    pub(super) fn u32(self, number: u32) -> [u8; 4] {
        if self.0 == Order::Little { number.to_le_bytes() } else { number.to_be_bytes() }
    }

    pub(super) fn u64(self, number: u64) -> [u8; 8] {
        if self.0 == Order::Little { number.to_le_bytes() } else { number.to_be_bytes() }
    }

    pub(super) fn words(self, numbers: &[u32]) -> Vec<u8> {
        numbers.iter().flat_map(|&number| self.u32(number)).collect()
    }

    /// A pcap header of version 2.4.
    pub(super) fn pcap(self, magic: u32, link_type: u32) -> Vec<u8> {
        let mut header = self.u32(magic).to_vec();
        header.extend(self.u16(2));
        header.extend(self.u16(4));
        header.extend(self.words(&[0, 0, 65_535, link_type]));
        header
    }

    /// A pcap packet.
    pub(super) fn record(self, seconds: u32, fraction: u32, original: u32, bytes: &[u8]) -> Vec<u8> {
        let mut record = self.words(&[seconds, fraction, u32::try_from(bytes.len()).unwrap(), original]);
        record.extend(bytes);
        record
    }

    /// A pcapng block of any kind.
    pub(super) fn block(self, kind: u32, body: &[u8]) -> Vec<u8> {
        let padded = body.len().next_multiple_of(4);
        let length = u32::try_from(padded + 12).unwrap();
        let mut block = self.words(&[kind, length]);
        block.extend(body);
        block.resize(padded + 8, 0);
        block.extend(self.u32(length));
        block
    }

    /// A section header of unknown length.
    pub(super) fn section(self) -> Vec<u8> {
        let mut body = self.u32(0x1a2b_3c4d).to_vec();
        body.extend(self.u16(1));
        body.extend(self.u16(0));
        body.extend(self.u64(u64::MAX));
        self.block(0x0a0d_0d0a, &body)
    }

    pub(super) fn interface(self, link_type: u16, snap_length: u32, options: &[(u16, &[u8])]) -> Vec<u8> {
        let mut body = self.u16(link_type).to_vec();
        body.extend([0; 2]);
        body.extend(self.u32(snap_length));
        body.extend(self.options(options));
        self.block(1, &body)
    }

    pub(super) fn enhanced(self, id: u32, ticks: u64, original: u32, bytes: &[u8]) -> Vec<u8> {
        let mut body = self.words(&[id, (ticks >> 32) as u32, ticks as u32, bytes.len() as u32, original]);
        body.extend(bytes);
        self.block(6, &body)
    }

    pub(super) fn simple(self, original: u32, bytes: &[u8]) -> Vec<u8> {
        let mut body = self.u32(original).to_vec();
        body.extend(bytes);
        self.block(3, &body)
    }

    pub(super) fn obsolete(self, id: u16, ticks: u64, original: u32, bytes: &[u8]) -> Vec<u8> {
        let mut body = self.u16(id).to_vec();
        body.extend(self.u16(0xffff));
        body.extend(self.words(&[(ticks >> 32) as u32, ticks as u32, bytes.len() as u32, original]));
        body.extend(bytes);
        self.block(2, &body)
    }

    pub(super) fn statistics(self, id: u32, options: &[(u16, &[u8])]) -> Vec<u8> {
        let mut body = self.words(&[id, 0, 0]);
        body.extend(self.options(options));
        self.block(5, &body)
    }

    fn options(self, options: &[(u16, &[u8])]) -> Vec<u8> {
        let mut out = Vec::new();
        for (code, value) in options.iter().copied().chain([(0, &[][..])]) {
            out.extend(self.u16(code));
            out.extend(self.u16(u16::try_from(value.len()).unwrap()));
            out.extend(value);
            out.resize(out.len().next_multiple_of(4), 0);
        }
        out
    }
}

pub(super) const LITTLE: Writer = Writer(Order::Little);
pub(super) const BIG: Writer = Writer(Order::Big);
pub(super) const MICRO: u32 = 0xa1b2_c3d4;
pub(super) const NANO: u32 = 0xa1b2_3c4d;

/// A pcap with `count` packets of 0 to 300 bytes, a second apart from `start`, which do not compress away.
pub(super) fn sample(start: u32, count: u32) -> Vec<u8> {
    let mut capture = LITTLE.pcap(MICRO, 1);
    let mut noise = 1_u32;
    for number in 0..count {
        let bytes: Vec<u8> = (0..number * 37 % 301)
            .map(|_| {
                noise = noise.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                (noise >> 28) as u8
            })
            .collect();
        capture.extend(LITTLE.record(start + number, number, bytes.len() as u32, &bytes));
    }
    capture
}

pub(super) const COMPRESSIONS: [Compression; 4] =
    [Compression::Gzip, Compression::Zstd, Compression::Lz4, Compression::Xz];

/// One member, frame or stream.
pub(super) fn pack(compression: Compression, bytes: &[u8]) -> Vec<u8> {
    match compression {
        Compression::Gzip => {
            let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
            encoder.write_all(bytes).unwrap();
            encoder.finish().unwrap()
        }
        Compression::Zstd => zstd::encode_all(bytes, 1).unwrap(),
        Compression::Lz4 => {
            let info = lz4_flex::frame::FrameInfo::new()
                .block_size(lz4_flex::frame::BlockSize::Max64KB)
                .content_checksum(true);
            let mut encoder = lz4_flex::frame::FrameEncoder::with_frame_info(info, Vec::new());
            encoder.write_all(bytes).unwrap();
            encoder.finish().unwrap()
        }
        Compression::Xz => {
            let mut encoder = liblzma::write::XzEncoder::new(Vec::new(), 0);
            encoder.write_all(bytes).unwrap();
            encoder.finish().unwrap()
        }
    }
}
