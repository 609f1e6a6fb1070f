//! One capture that is being read: its blocks one by one, and where in its block the next packet stands.

use std::collections::VecDeque;

use super::ahead::Begun;
use super::batch::{Batch, Behind, Counting, PacketEntry, Run};
use super::blocks::{Block, Blocks, More};
use super::pipe::Stop;
use super::problem::Fault;
use super::reader::Options;
use crate::base::{Ordinal, Time};

/// A capture, and the block of it whose packets come next.
pub(super) struct Current {
    pub rank: u32,
    /// Its size on disk; 0 where it has none.
    pub bytes: u64,
    /// What its decoder is taken to need.
    pub window: u64,
    /// Whether a packet of it went out.
    pub begun: bool,
    blocks: Box<Blocks>,
    /// Blocks that were read before.
    ready: VecDeque<Block>,
    counting: Counting,
    block: Block,
    runs: Vec<Run>,
    octets: u64,
    /// The next packet: its place in the block, its run, and where it stands in the order.
    next: usize,
    run: usize,
    head: Ordinal,
}

/// What came of reading a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Loaded {
    Block,
    /// A pipe has nothing for now.
    Pause,
    End,
}

/// Packets that went out.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Taken {
    pub packets: u64,
    /// The sum of their captured lengths.
    pub octets: u64,
    /// The times of the first and the last one.
    pub times: Option<(Time, Time)>,
    /// The greatest time of the capture up to there.
    pub reached: Time,
}

impl Current {
    pub(super) fn new(rank: u32, begun: Begun, reached: Time, bytes: u64, window: u64) -> Self {
        let Begun { blocks, ready, .. } = begun;
        Current {
            rank,
            bytes,
            window,
            begun: false,
            blocks,
            ready,
            counting: Counting::new(rank, reached),
            block: Block::default(),
            runs: Vec::new(),
            octets: 0,
            next: 0,
            run: 0,
            head: Ordinal::END,
        }
    }

    /// Reads the next block, of about so many bytes, where all packets of the last one went out. A block that is no longer
    /// needed lends its buffers.
    pub(super) fn load(&mut self, block_bytes: usize, spare: &mut Block, stop: &Stop) -> Loaded {
        // A small file needs no large block.
        let whole = usize::try_from(self.bytes).ok().filter(|bytes| *bytes > 0 && self.window == 0);
        let whole = whole.map_or(block_bytes, |bytes| bytes.max(Options::LEAST_BATCH));
        self.blocks.set_block_bytes(block_bytes.min(whole));
        if self.block.data.is_empty() {
            self.block = std::mem::take(spare);
        }
        let block = match self.ready.pop_front().map_or_else(|| self.blocks.next(&mut self.block), More::Block) {
            More::Block(block) => block,
            More::Pause => return Loaded::Pause,
            More::End => return Loaded::End,
        };
        let octets = self.counting.number(&block.packets, Behind::Unknown, &mut self.runs);
        self.octets = octets.unwrap_or_else(|| {
            // Through all pauses of a pipe: only the packet behind says where this one stands.
            while self.ready.is_empty() && !stop.is_set() {
                match self.blocks.next(&mut Block::default()) {
                    More::Block(block) => self.ready.push_back(block),
                    More::Pause => {}
                    More::End => break,
                }
            }
            let next = self.ready.front().and_then(|block| block.packets.first());
            let behind = next.map_or(Behind::Nothing, |packet| Behind::Packet(packet.time));
            self.counting.number(&block.packets, behind, &mut self.runs).unwrap_or_default()
        });
        self.block = block;
        (self.next, self.run) = (0, 0);
        self.head = self.runs.first().map_or(Ordinal::END, |run| run.first);
        Loaded::Block
    }

    /// Where the next packet stands, if it was read.
    pub(super) fn head(&self) -> Ordinal {
        self.head
    }

    /// Whether none of the block's packets went out, and all of them stand before `bound`.
    pub(super) fn stands_before(&self, bound: Ordinal) -> bool {
        self.next == 0 && self.counting.last() < bound
    }

    /// The block as it is, which is a batch of its own; the capture has to be loaded again.
    pub(super) fn take_all(&mut self, runs: Vec<Run>) -> (Batch, Taken) {
        let Block { data, packets } = std::mem::take(&mut self.block);
        let runs = std::mem::replace(&mut self.runs, runs);
        let times = packets.first().zip(packets.last()).map(|(first, last)| (first.time, last.time));
        let taken =
            Taken { packets: packets.len() as u64, octets: self.octets, times, reached: self.counting.reached() };
        self.next = packets.len();
        self.head = Ordinal::END;
        (Batch { data, packets, runs, ..Batch::default() }, taken)
    }

    /// Copies the packets before `bound` behind those of `out`, until that has `enough` bytes; where none is left of
    /// the block, the capture has to be loaded again.
    pub(super) fn take_until(&mut self, bound: Ordinal, out: &mut Batch, enough: usize) -> Taken {
        let mut taken = Taken { reached: self.head.reached(), ..Taken::default() };
        let mut goes_on = false;
        while let Some(packet) = self.block.packets.get(self.next)
            && self.head < bound
            && out.data.len() < enough
        {
            let start = packet.offset as usize;
            let bytes = self.block.data.get(start..start.saturating_add(packet.captured as usize)).unwrap_or_default();
            let (place, offset) = (out.packets.len(), out.data.len());
            let run = self.runs.get(self.run).copied();
            if let Some(run) = run.filter(|run| !goes_on || run.from as usize == self.next || place % Run::MOST == 0) {
                out.runs.push(Run { from: u32::try_from(place).unwrap_or(u32::MAX), first: self.head, ..run });
            }
            goes_on = true;
            out.data.extend_from_slice(bytes);
            out.packets.push(PacketEntry { offset: u32::try_from(offset).unwrap_or(u32::MAX), ..*packet });
            taken.packets = taken.packets.saturating_add(1);
            taken.octets = taken.octets.saturating_add(u64::from(packet.captured));
            taken.times = Some((taken.times.map_or(packet.time, |(first, _)| first), packet.time));
            taken.reached = self.head.reached();
            self.pass();
        }
        taken
    }

    /// Whether all packets of the block went out.
    pub(super) fn is_empty(&self) -> bool {
        self.next >= self.block.packets.len()
    }

    fn pass(&mut self) {
        self.next = self.next.saturating_add(1);
        let behind = self.run.saturating_add(1);
        let Some(packet) = self.block.packets.get(self.next) else {
            self.head = Ordinal::END;
            return;
        };
        match self.runs.get(behind).filter(|run| run.from as usize == self.next) {
            Some(run) => (self.run, self.head) = (behind, run.first),
            None => self.head = self.head.following(self.head.reached().max(packet.time)),
        }
    }

    /// Why the capture ended, where that was not its proper end.
    pub(super) fn fault(&mut self) -> Option<Fault> {
        self.blocks.fault()
    }

    /// Packets that were dropped before they reached the file, as far as the file says so.
    pub(super) fn dropped(&self) -> u64 {
        self.blocks.dropped()
    }

    /// How many bytes of the stored input were read.
    pub(super) fn bytes_read(&mut self) -> u64 {
        self.blocks.bytes_read()
    }

    /// The SHA-256 of the stored input, where it was asked for.
    pub(super) fn hash(&mut self) -> Option<[u8; 32]> {
        self.blocks.hash()
    }
}
