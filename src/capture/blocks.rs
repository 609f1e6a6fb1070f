//! One capture as blocks of bytes with a table of the whole packets in each.
//!
//! Bytes are read into a block and stay where they are; only the packet that a block's end cuts is copied,
//! into the next block. A block grows for a packet that is larger, with what the file really holds.

use super::batch::PacketEntry;
use super::compressed::{Filled, Unpacked};
use super::container::Format;
use super::pcap::Pcap;
use super::pcapng::Pcapng;
use super::pipe::Stop;
use super::problem::{Cause, Fault};
use super::stored::Stored;

/// How far a walk over a block came, and why not further.
#[derive(Debug)]
pub(super) struct Walked {
    /// Bytes of the block that were understood.
    pub consumed: usize,
    pub stopped: Stopped,
}

/// Why a walk over a block stopped.
#[derive(Debug)]
pub(super) enum Stopped {
    /// The next record has at least so many bytes in all.
    Need(usize),
    /// The next record has so many bytes, more than are here, and holds nothing of interest.
    Skip(u64),
    /// The next record is nonsense; nothing behind it can be found.
    Fault(Cause),
}

/// A block and its packets.
#[derive(Debug, Default)]
pub(super) struct Block {
    /// What lies behind the last packet means nothing.
    pub data: Vec<u8>,
    pub packets: Vec<PacketEntry>,
}

/// What comes next of a capture.
pub(super) enum More {
    /// At least one packet.
    Block(Block),
    /// A pipe has nothing more for now; the buffers were not taken.
    Pause,
    /// The end, whose reason [`Blocks::fault`] tells.
    End,
}

/// A capture that is being read.
pub(super) struct Blocks {
    unpacked: Unpacked,
    records: Records,
    block_bytes: usize,
    /// Bytes that were read but not understood yet: the beginning of a record.
    tail: Vec<u8>,
    /// Where the tail begins in the unpacked file.
    position: u64,
    skip: Option<Skip>,
    /// Whether the input has no more bytes; `broke` says why where that is not its end.
    exhausted: bool,
    broke: Option<Cause>,
    /// Whether the last reading met a pause.
    pauses: bool,
    over: bool,
    fault: Option<Fault>,
}

/// The record format and what it remembers.
enum Records {
    Pcap(Pcap),
    Pcapng(Pcapng),
}

/// A record that is passed over.
struct Skip {
    left: u64,
    whole: u64,
}

impl Blocks {
    /// Recognises the input. Its blocks will have about `block_bytes` bytes.
    pub(super) fn open(stored: Stored, block_bytes: usize, stop: &Stop) -> Result<Self, Fault> {
        let mut unpacked = Unpacked::open(stored)?;
        let mut header = [0; Pcap::HEADER];
        let (filled, ended) = Self::fill_header(&mut unpacked, &mut header, stop);
        let start = header.get(..filled).unwrap_or_default();
        let format = match (Format::recognise(start), ended) {
            (Err(cause @ Cause::NotACapture), _) if filled >= 4 => return Err(cause.into()),
            (_, Filled::Broken(cause)) => return Err(Fault { offset: Some(0), cause }),
            (format, _) => format?,
        };
        let whole = filled == header.len();
        let (records, tail) = match format {
            Format::Pcapng => (Records::Pcapng(Pcapng::new()), start.to_vec()),
            Format::Pcap { .. } if !whole => return Err(Fault { offset: Some(0), cause: Cause::Truncated }),
            Format::Pcap { order, unit } => (Records::Pcap(Pcap::new(order, unit, &header)?), Vec::new()),
        };
        Ok(Blocks {
            unpacked,
            records,
            block_bytes,
            position: filled.saturating_sub(tail.len()) as u64,
            tail,
            skip: None,
            exhausted: !whole,
            broke: None,
            pauses: false,
            over: false,
            fault: None,
        })
    }

    /// Through all pauses of a pipe, unless reading is to end.
    fn fill_header(unpacked: &mut Unpacked, header: &mut [u8], stop: &Stop) -> (usize, Filled) {
        let mut filled = 0_usize;
        loop {
            let (count, ended) = unpacked.fill(header.get_mut(filled..).unwrap_or_default());
            filled = filled.saturating_add(count);
            if !matches!(ended, Filled::Pause) || stop.is_set() {
                return (filled, ended);
            }
        }
    }

    /// The next packets. The buffers of `used`, a block that is no longer needed, are taken for them.
    pub(super) fn next(&mut self, used: &mut Block) -> More {
        let Block { data, packets } = used;
        packets.clear();
        if data.capacity() > self.block_bytes.saturating_mul(4) {
            *data = Vec::new();
        }
        let mut wanted = self.block_bytes;
        while !self.over {
            self.pass_over();
            if self.skip.is_some() {
                return More::Pause;
            }
            let filled = self.fill(data, wanted);
            let block = data.get(..filled).unwrap_or_default();
            let Walked { consumed, stopped } = self.records.walk(block, packets);
            let rest = block.get(consumed..).unwrap_or_default();
            self.position = self.position.saturating_add(consumed as u64);
            match stopped {
                Stopped::Need(length) => {
                    self.tail.extend_from_slice(rest);
                    // By doubling: a length may be a lie.
                    wanted = self.block_bytes.max(length.min(rest.len().saturating_mul(2)));
                    if self.exhausted {
                        let cut = (!rest.is_empty()).then_some(Cause::Truncated);
                        let cause = self.broke.take().or(cut);
                        self.finish(cause);
                    }
                }
                Stopped::Skip(whole) => {
                    self.skip = Some(Skip { left: whole.saturating_sub(rest.len() as u64), whole });
                }
                Stopped::Fault(cause) => self.finish(Some(cause)),
            }
            if !packets.is_empty() {
                return More::Block(std::mem::take(used));
            }
            if self.pauses && !self.over {
                return More::Pause;
            }
        }
        More::End
    }

    /// The next blocks will have about so many bytes.
    pub(super) fn set_block_bytes(&mut self, block_bytes: usize) {
        self.block_bytes = block_bytes;
    }

    /// Why the capture ended, where that was not its proper end.
    pub(super) fn fault(&mut self) -> Option<Fault> {
        self.fault.take()
    }

    /// Packets that were dropped before they reached the file, as far as the file says so.
    pub(super) fn dropped(&self) -> u64 {
        match &self.records {
            Records::Pcap(_) => 0,
            Records::Pcapng(pcapng) => pcapng.dropped(),
        }
    }

    /// How many bytes the input's decoder is taken to need; 0 where it is not compressed.
    pub(super) fn window(&self) -> u64 {
        self.unpacked.window()
    }

    /// How many bytes of the stored input were read.
    pub(super) fn bytes_read(&mut self) -> u64 {
        self.unpacked.stored().map_or(0, |stored| stored.bytes_read())
    }

    /// The SHA-256 of the stored input, where it was asked for.
    pub(super) fn hash(&mut self) -> Option<[u8; 32]> {
        self.unpacked.stored()?.finish()
    }

    /// Puts the tail at the block's front and fills it up; returns how many bytes of it are the file's.
    /// The rest of the block keeps what was there: to clear it would cost as much as to read it.
    fn fill(&mut self, data: &mut Vec<u8>, wanted: usize) -> usize {
        let length = wanted.max(self.tail.len());
        if data.len() < length {
            *data = vec![0; length];
        }
        let block = data.get_mut(..length).unwrap_or_default();
        let Some((front, free)) = block.split_at_mut_checked(self.tail.len()) else { return 0 };
        front.copy_from_slice(&self.tail);
        let carried = self.tail.len();
        self.tail.clear();
        carried.saturating_add(self.read(free))
    }

    fn read(&mut self, into: &mut [u8]) -> usize {
        self.pauses = false;
        if self.exhausted {
            return 0;
        }
        let (count, ended) = self.unpacked.fill(into);
        match ended {
            Filled::Full => {}
            Filled::Pause => self.pauses = true,
            Filled::End => self.exhausted = true,
            Filled::Broken(cause) => (self.exhausted, self.broke) = (true, Some(cause)),
        }
        count
    }

    fn pass_over(&mut self) {
        let Some(mut skip) = self.skip.take() else { return };
        let mut scratch = vec![0; Self::SCRATCH];
        self.pauses = false;
        while skip.left > 0 && !self.exhausted && !self.pauses {
            let step = usize::try_from(skip.left).map_or(Self::SCRATCH, |left| left.min(Self::SCRATCH));
            let passed = self.read(scratch.get_mut(..step).unwrap_or_default());
            skip.left = skip.left.saturating_sub(passed as u64);
        }
        if skip.left > 0 && self.pauses {
            self.skip = Some(skip);
        } else if skip.left > 0 {
            let cause = self.broke.take().unwrap_or(Cause::Truncated);
            self.finish(Some(cause));
        } else {
            self.position = self.position.saturating_add(skip.whole);
        }
    }

    const SCRATCH: usize = 64 << 10;

    fn finish(&mut self, cause: Option<Cause>) {
        self.over = true;
        self.fault = self.fault.take().or(cause.map(|cause| Fault { offset: Some(self.position), cause }));
    }
}

impl Records {
    fn walk(&mut self, block: &[u8], packets: &mut Vec<PacketEntry>) -> Walked {
        match self {
            Records::Pcap(pcap) => pcap.walk(block, packets),
            Records::Pcapng(pcapng) => pcapng.walk(block, packets),
        }
    }
}
