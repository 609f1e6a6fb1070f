//! Decoding a batch in slices, and sorting what came out of it by shard.

use crate::base::{Endpoint, FlowKey, Moment, Ordinal};
use crate::capture::Batch;
use crate::capture::batch::Run;
use crate::decode::{self, Fragment, Ports, Reason, Segment, Skip, Skips, Takes};

/// A segment on its way to its shard.
#[derive(Clone, Copy, Debug)]
pub(super) struct Routed<'p> {
    pub at: Moment,
    pub segment: Segment<'p>,
}

/// What a run of packets gave, each kind in packet order.
#[derive(Default)]
pub(super) struct Slice<'p> {
    pub segments: Vec<Routed<'p>>,
    /// The shard of each segment.
    pub shards: Vec<u8>,
    pub fragments: Vec<(Moment, Fragment<'p>)>,
    pub skips: Skips,
    /// The server of each packet that was skipped as [`Reason::OtherPortSmtp`].
    pub elsewhere: Vec<(Endpoint, Ordinal)>,
}

/// So many packets are decoded by one thread at a time.
pub(super) const SLICE: usize = Run::MOST;

/// Decodes the packets of `batch` from the one at `from`, a multiple of [`SLICE`], at most so many of them.
pub(super) fn decode_slice<'p>(batch: &'p Batch, from: usize, ports: &Ports) -> Slice<'p> {
    let to = from.saturating_add(SLICE).min(batch.packets.len());
    let count = to.saturating_sub(from);
    let mut slice =
        Slice { segments: Vec::with_capacity(count), shards: Vec::with_capacity(count), ..Slice::default() };
    let first = batch.runs.partition_point(|run| (run.from as usize) < from);
    let runs = || (first..).map_while(|nth| batch.run(nth)).take_while(|(run, _)| (run.from as usize) < to);
    for (run, packets) in runs() {
        for (ordinal, packet) in run.of(packets) {
            let at = Moment { ordinal, time: packet.time };
            let mut place = Place { at, slice: &mut slice };
            decode::decode(packet.link_type, batch.bytes(packet), packet.original, ports, &mut place);
        }
    }
    // Nearly no packet begins so: who sent it is looked for again, so that the others pay nothing for it.
    if slice.skips.of(Reason::OtherPortSmtp) > 0 {
        let packets = runs().flat_map(|(run, packets)| run.of(packets));
        slice.elsewhere.extend(packets.filter_map(|(ordinal, packet)| {
            let server = decode::elsewhere::server(packet.link_type, batch.bytes(packet), packet.original, ports)?;
            Some((server, ordinal))
        }));
    }
    slice
}

/// The number of a segment's shard.
pub(super) fn shard(segment: &Segment<'_>) -> u8 {
    u8::try_from(segment.flow.shard()).unwrap_or(0)
}

/// Puts what comes of one packet into its slice.
struct Place<'s, 'p> {
    at: Moment,
    slice: &'s mut Slice<'p>,
}

impl<'p> Takes<'p> for Place<'_, 'p> {
    #[inline]
    fn segment(&mut self, segment: Segment<'p>) {
        self.slice.shards.push(shard(&segment));
        self.slice.segments.push(Routed { at: self.at, segment });
    }

    #[cold]
    fn fragment(&mut self, fragment: Fragment<'p>) {
        self.slice.fragments.push((self.at, fragment));
    }

    #[inline]
    fn skip(&mut self, skip: Skip) {
        self.slice.skips.next(self.at.ordinal, skip);
    }
}

/// Segments in packet order within each shard.
pub(super) struct ByShard<'s, 'p> {
    routed: Vec<&'s Routed<'p>>,
    /// Where each shard's run begins in `routed`; one more for the end of the last.
    starts: [usize; FlowKey::SHARDS + 1],
}

impl<'s, 'p> ByShard<'s, 'p> {
    /// Sorts segments, each with its shard, by shard and keeps the order within each: a counting sort.
    pub(super) fn new(segments: impl Iterator<Item = (&'s Routed<'p>, u8)> + Clone) -> Self {
        let mut starts = [0_usize; FlowKey::SHARDS + 1];
        segments.clone().for_each(|(_, shard)| {
            if let Some(count) = starts.get_mut(usize::from(shard).saturating_add(1)) {
                *count = count.saturating_add(1);
            }
        });
        let mut sum = 0_usize;
        for start in &mut starts {
            sum = sum.saturating_add(*start);
            *start = sum;
        }
        let mut next = starts;
        let any = segments.clone().next().map(|(segment, _)| segment);
        let mut routed: Vec<&'s Routed<'p>> = any.map_or_else(Vec::new, |any| vec![any; sum]);
        segments.for_each(|(segment, shard)| {
            let Some(place) = next.get_mut(usize::from(shard)) else { return };
            if let Some(slot) = routed.get_mut(*place) {
                *slot = segment;
            }
            *place = place.saturating_add(1);
        });
        ByShard { routed, starts }
    }

    pub(super) fn of(&self, shard: usize) -> &[&'s Routed<'p>] {
        let from = self.starts.get(shard).copied().unwrap_or(0);
        let to = self.starts.get(shard.saturating_add(1)).copied().unwrap_or(from);
        self.routed.get(from..to).unwrap_or_default()
    }

    pub(super) fn len(&self) -> usize {
        self.routed.len()
    }
}
