//! One round from batches to entries in their total order.

use std::sync::Arc;

use rayon::prelude::*;

use crate::base::{FlowKey, Ordinal, ShardSet};
use crate::capture::Batch;
use crate::decode::{self, Datagram, Decoded, Skips};
use crate::defrag::Defrag;
use crate::ledger::{Elsewhere, Entry, OfShards, Totals};
use crate::tcp::Counters;

use super::evidence::Holder;
use super::rounds::{Mark, Round, What};
use super::route::{self, ByShard, Routed, Slice};
use super::shard::{Settings, Shard};

/// The shards that are followed, and what comes before them.
pub(super) struct Analysis {
    settings: Arc<Settings>,
    defrag: Defrag,
    /// Each with its number.
    shards: Vec<(usize, Shard)>,
    skips: Skips,
    elsewhere: Elsewhere,
    segments: u64,
    fragments: u64,
    /// Whether threads share a round's work.
    shares: bool,
}

/// Handing so few segments to another thread costs more than it saves.
const WORTH_SHARING: usize = 256;

impl Analysis {
    pub(super) fn new(settings: Settings, shards: ShardSet, defrag: Defrag) -> Self {
        let settings = Arc::new(settings);
        Analysis {
            shards: shards.iter().map(|number| (number, Shard::new(&settings))).collect(),
            settings,
            defrag,
            skips: Skips::default(),
            elsewhere: Elsewhere::default(),
            segments: 0,
            fragments: 0,
            shares: true,
        }
    }

    /// Whether threads are to share the work of the next rounds, as they do at first. Waking them costs more than it
    /// saves where one of them keeps up alone.
    pub(super) fn share(&mut self, shares: bool) {
        self.shares = shares;
    }

    /// Analyses a round; what it found is sorted into the one order of all output.
    pub(super) fn round(&mut self, round: &Round) -> Vec<Entry> {
        self.round_held(round, None)
    }

    /// The same, where the packets of the round are held until something is found.
    pub(super) fn round_held(&mut self, round: &Round, holder: Option<&mut Holder>) -> Vec<Entry> {
        let slices = self.decode_all(&round.batches);
        for slice in &slices {
            self.skips.merge(&slice.skips);
            slice.elsewhere.iter().for_each(|&(server, at)| self.elsewhere.add(server, at));
            self.segments = self.segments.saturating_add(slice.segments.len() as u64);
            self.fragments = self.fragments.saturating_add(slice.fragments.len() as u64);
        }
        let datagrams = self.put_together(&slices, &round.marks);
        let completed = self.decode_again(&datagrams);
        if let Some(holder) = holder {
            holder.round(&round.batches, &slices, &completed);
        }
        let segments = slices.iter().flat_map(|slice| slice.segments.iter().zip(slice.shards.iter().copied()));
        if completed.is_empty() {
            return self.follow(&ByShard::new(segments), &round.marks);
        }
        let completed = completed.iter().map(|(routed, _)| (routed, route::shard(&routed.segment)));
        let mut all: Vec<(&Routed<'_>, u8)> = segments.chain(completed).collect();
        all.sort_by_key(|(routed, _)| routed.at.ordinal);
        self.follow(&ByShard::new(all.iter().copied()), &round.marks)
    }

    /// The fragments of this round's datagrams that hold a segment which is `wanted`, in no order. Nothing else is done
    /// with the round.
    pub(super) fn fragments(&mut self, round: &Round, wanted: impl Fn(&FlowKey, Ordinal) -> bool) -> Vec<Ordinal> {
        let slices = self.decode_all(&round.batches);
        let datagrams = self.put_together(&slices, &round.marks);
        let completed = self.decode_again(&datagrams);
        let wanted = completed.iter().filter(|(routed, _)| wanted(&routed.segment.flow, routed.at.ordinal));
        wanted.flat_map(|(_, datagram)| datagram.fragments.iter().copied().chain([datagram.at.ordinal])).collect()
    }

    /// The end of all connections.
    pub(super) fn finish(&mut self) -> Vec<Entry> {
        self.defrag.finish();
        self.shards.par_iter_mut().for_each(|(_, shard)| shard.finish(Ordinal::END));
        self.take()
    }

    /// The packets at which a connection was given up because of a bug, since the last call, each with the bug's
    /// place in the source.
    pub(super) fn take_bugs(&mut self) -> Vec<(Ordinal, Option<String>)> {
        let mut bugs: Vec<_> = self.shards.iter_mut().flat_map(|(_, shard)| shard.take_bugs()).collect();
        bugs.sort_unstable();
        bugs
    }

    /// Connections that are not over.
    pub(super) fn open_connections(&self) -> u64 {
        self.shards.iter().fold(0, |sum, (_, shard)| sum.saturating_add(shard.open_connections() as u64))
    }

    /// Adds what was counted before the shards: the same, whichever of them are followed.
    pub(super) fn count(&self, totals: &mut Totals) {
        totals.skips = self.skips.clone();
        totals.elsewhere = self.elsewhere.servers();
        totals.limits_hit.merge(&self.elsewhere.limits_hit());
        totals.segments = self.segments;
        totals.fragments = self.fragments;
        let defrag = self.defrag.counts();
        totals.not_analysed.merge(&defrag.not_analysed);
        totals.limits_hit.merge(&defrag.limits_hit);
    }

    /// What the shards counted.
    pub(super) fn of_shards(&self) -> OfShards {
        let mut tcp = Counters::default();
        let mut counted = OfShards::default();
        for (_, shard) in &self.shards {
            tcp.merge(shard.counters());
            counted.limits_hit.merge(shard.limits_hit());
        }
        counted.limits_hit.merge(&tcp.limits_hit);
        counted.connections = tcp.connections;
        counted.not_analysed = tcp.not_analysed();
        counted
    }

    fn follow(&mut self, by_shard: &ByShard<'_, '_>, marks: &[Mark]) -> Vec<Entry> {
        let step = |(number, shard): &mut (usize, Shard)| shard.round(by_shard.of(*number), marks);
        if !self.shares || by_shard.len() < WORTH_SHARING {
            self.shards.iter_mut().for_each(step);
        } else {
            self.shards.par_iter_mut().for_each(step);
        }
        self.take()
    }

    fn take(&mut self) -> Vec<Entry> {
        let mut entries: Vec<Entry> = self.shards.iter_mut().flat_map(|(_, shard)| shard.take()).collect();
        entries.sort_unstable_by_key(|entry| entry.key);
        entries
    }

    /// Fragments in packet order to whole datagrams, with the ticks between them.
    fn put_together(&mut self, slices: &[Slice<'_>], marks: &[Mark]) -> Vec<Datagram> {
        let mut marks = marks.iter().peekable();
        let mut datagrams = Vec::new();
        for (at, fragment) in slices.iter().flat_map(|slice| &slice.fragments) {
            while let Some(mark) = marks.next_if(|mark| mark.before <= at.ordinal) {
                self.mark(mark);
            }
            datagrams.extend(self.defrag.fragment(fragment, *at));
        }
        marks.for_each(|mark| self.mark(mark));
        datagrams
    }

    fn mark(&mut self, mark: &Mark) {
        match mark.what {
            What::Tick(tick) => self.defrag.tick(tick),
            What::Fresh => self.defrag.finish(),
            What::Begins(_) | What::Ended(_) | What::Restored(_) => {}
        }
    }

    fn decode_all<'r>(&self, batches: &'r [Batch]) -> Vec<Slice<'r>> {
        let decode = |&(batch, from): &(&'r Batch, usize)| route::decode_slice(batch, from, &self.settings.ports);
        let tasks = tasks(batches);
        if self.shares { tasks.par_iter().map(decode).collect() } else { tasks.iter().map(decode).collect() }
    }

    /// What the datagrams hold. A datagram is no packet: one without a wanted segment is no skip of its own,
    /// its fragments were counted.
    fn decode_again<'d>(&self, datagrams: &'d [Datagram]) -> Vec<(Routed<'d>, &'d Datagram)> {
        let segment = |datagram: &'d Datagram| match decode::decode_datagram(datagram, &self.settings.ports) {
            Decoded::Segment(segment) => Some((Routed { at: datagram.at, segment }, datagram)),
            Decoded::Fragment(_) | Decoded::Skipped(_) => None,
        };
        datagrams.iter().filter_map(segment).collect()
    }
}

/// The slices of all batches, each by the place of its first packet.
pub(super) fn tasks<'r>(batches: &'r [Batch]) -> Vec<(&'r Batch, usize)> {
    let slices_of = |batch: &'r Batch| (0..batch.packets.len()).step_by(route::SLICE).map(move |from| (batch, from));
    batches.iter().flat_map(slices_of).collect()
}
