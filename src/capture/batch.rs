//! A batch: one owned block of bytes and a table of the whole packets in it.

use crate::base::{Captured, Clock, LinkType, Ordinal, Time};

/// Before a packet, a capture begins or has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Boundary {
    pub before: Ordinal,
    pub rank: u32,
    /// It begins with that packet; else it has ended before it.
    pub begins: bool,
}

/// Whole packets in the order of all packets.
#[derive(Debug, Default)]
pub(crate) struct Batch {
    /// Captures that begin or end in it, in the order of their packets.
    pub boundaries: Vec<Boundary>,
    /// The block that the packets' bytes lie in.
    pub data: Vec<u8>,
    pub packets: Vec<PacketEntry>,
    /// Where the packets stand in the order of all, run by run; the first run begins with the first packet.
    pub runs: Vec<Run>,
}

/// Packets of a [`Batch`] whose frames follow each other in one capture.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Run {
    /// Where it begins in the batch; it ends where the next one begins.
    pub from: u32,
    /// Whether no time in it is below the greatest one before, as in nearly all captures.
    pub rising: bool,
    /// Whether its packets may have several link types.
    pub mixed: bool,
    /// Its first packet's place in the order.
    pub first: Ordinal,
    /// Of one packet that is far ahead of both its neighbours, which is a run of its own: the time that it counts at.
    pub counts_at: Option<Time>,
}

/// One packet of a [`Batch`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct PacketEntry {
    /// Where its bytes begin in the batch's block.
    pub offset: u32,
    /// How many bytes were captured.
    pub captured: u32,
    /// How many bytes it had on the wire; never below `captured` (a lying header is corrected).
    pub original: u32,
    pub link_type: LinkType,
    /// Of a live capture, the place of its interface among all; 0 of files.
    pub interface: u16,
    pub time: Time,
}

impl Batch {
    /// The captured bytes of a packet of this batch.
    pub(crate) fn bytes(&self, packet: &PacketEntry) -> &[u8] {
        let start = packet.offset as usize;
        let end = start.saturating_add(packet.captured as usize);
        self.data.get(start..end).unwrap_or_default()
    }

    /// What the table has of the packet of this ordinal, if it is in this batch.
    pub(crate) fn entry(&self, ordinal: Ordinal) -> Option<&PacketEntry> {
        let begun = self.runs.partition_point(|run| run.first <= ordinal);
        let (first, packets) = self.run(begun.checked_sub(1)?)?;
        let behind =
            ordinal.frame().checked_sub(first.first.frame()).filter(|_| first.first.rank() == ordinal.rank())?;
        packets.get(usize::try_from(behind).ok()?)
    }

    /// The packet of this ordinal, if it is in this batch.
    pub(crate) fn captured(&self, ordinal: Ordinal) -> Option<Captured<'_>> {
        let packet = self.entry(ordinal)?;
        let &PacketEntry { time, link_type, original, .. } = packet;
        Some(Captured { time, link_type, original, bytes: self.bytes(packet) })
    }

    /// A run and its packets.
    pub(crate) fn run(&self, nth: usize) -> Option<(&Run, &[PacketEntry])> {
        let run = self.runs.get(nth)?;
        let end = self.runs.get(nth.saturating_add(1)).map_or(self.packets.len(), |next| next.from as usize);
        Some((run, self.packets.get(run.from as usize..end)?))
    }

    /// The runs, each with its packets.
    pub(crate) fn runs(&self) -> impl Iterator<Item = (&Run, &[PacketEntry])> {
        (0..self.runs.len()).filter_map(|nth| self.run(nth))
    }
}

impl Run {
    /// No run is longer, and one begins at each multiple of it in a batch: slices of a batch need not look back.
    pub(crate) const MOST: usize = 1024;

    /// Its packets with their ordinals.
    #[inline]
    pub(crate) fn of<'p>(
        &self,
        packets: &'p [PacketEntry],
    ) -> impl Iterator<Item = (Ordinal, &'p PacketEntry)> + use<'p> {
        let rising = self.rising;
        let most = if self.counts_at.is_some() { self.first.reached() } else { Time(i64::MAX) };
        let (mut reached, mut next) = (self.first.reached(), self.first);
        packets.iter().map(move |packet| {
            reached = if rising { packet.time } else { reached.max(packet.time.min(most)) };
            let ordinal = next.at(reached);
            next = ordinal.following(reached);
            (ordinal, packet)
        })
    }
}

/// What is known of the packet behind some of a capture.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Behind {
    /// It was not read yet.
    Unknown,
    Packet(Time),
    /// There is none, or none to wait for.
    Nothing,
}

/// How far the packets of one capture came, and which of their times are believed.
///
/// A step forward of more than an hour is believed where the next packet agrees. A single packet that far ahead of
/// both its neighbours counts at the time of the one before it; the first packet at that of the one behind it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Counting {
    rank: u32,
    /// Its next frame.
    frame: u64,
    /// The greatest time so far.
    reached: Time,
    /// What the last packet counts at.
    last: Option<Time>,
}

impl Counting {
    /// A capture begins; no packet of it stands before `reached`.
    pub(crate) fn new(rank: u32, reached: Time) -> Self {
        Counting { rank, frame: 1, reached, last: None }
    }

    /// The greatest time so far.
    pub(super) fn reached(&self) -> Time {
        self.reached
    }

    /// Where its last packet stands.
    pub(super) fn last(&self) -> Ordinal {
        Ordinal::new(self.reached, self.rank, self.frame.saturating_sub(1))
    }

    /// Where its next packet stands, if that counts at this time.
    fn first(&self, time: Time) -> Ordinal {
        Ordinal::new(self.reached.max(time), self.rank, self.frame)
    }

    /// What the first packet of a capture counts at, by the times of it and of the one behind it.
    pub(crate) fn believed_first(first: Time, behind: Option<Time>) -> Time {
        behind.filter(|behind| first.since(*behind) > Clock::JUMP).unwrap_or(first)
    }

    /// Gives the capture's next packets, all of a batch, their places; returns the sum of their captured lengths.
    /// `None`, and nothing is done, where the last one cannot be judged without the packet behind it.
    pub(crate) fn number(&mut self, packets: &[PacketEntry], behind: Behind, runs: &mut Vec<Run>) -> Option<u64> {
        let mut counting = *self;
        runs.clear();
        let mut octets = 0_u64;
        let mut rest = packets;
        while !rest.is_empty() {
            let from = packets.len().saturating_sub(rest.len());
            let (some, more) = rest.split_at_checked(Run::MOST).unwrap_or((rest, &[]));
            let behind = more.first().map_or(behind, |packet| Behind::Packet(packet.time));
            let Some(first) = some.first() else { break };
            let mut last = counting.reached;
            let (mut greatest_step, mut links) = (0, 0);
            for packet in some {
                // A step back is a great one so.
                greatest_step = packet.time.0.wrapping_sub(last.0).cast_unsigned().max(greatest_step);
                last = packet.time;
                links |= packet.link_type.0 ^ first.link_type.0;
                octets = octets.wrapping_add(u64::from(packet.captured));
            }
            let mixed = links != 0;
            // So far from the end of time no difference wraps into a small one.
            let orderly = counting.last == Some(counting.reached)
                && counting.reached.0 < i64::MAX / 2
                && greatest_step <= Clock::JUMP.unsigned_abs();
            let from = u32::try_from(from).unwrap_or(u32::MAX);
            if orderly {
                runs.push(Run { from, rising: true, mixed, first: counting.first(first.time), counts_at: None });
                (counting.reached, counting.last) = (last, Some(last));
                counting.frame = counting.frame.saturating_add(some.len() as u64);
            } else {
                counting.judge(from, some, behind, runs)?;
            }
            rest = more;
        }
        *self = counting;
        Some(octets)
    }

    /// The same for packets of which one is behind another or far ahead.
    fn judge(&mut self, from: u32, packets: &[PacketEntry], behind: Behind, runs: &mut Vec<Run>) -> Option<()> {
        let mut run: Option<Run> = None;
        for (place, (packet, at)) in (0_usize..).zip(packets.iter().zip(from..)) {
            let next = packets.get(place.saturating_add(1));
            let behind = next.map_or(behind, |packet| Behind::Packet(packet.time));
            if let Some(time) = self.instead(packet.time, behind)? {
                runs.extend(run.take());
                let first = self.first(time);
                runs.push(Run { from: at, rising: false, mixed: false, first, counts_at: Some(time) });
                self.reached = self.reached.max(time);
                self.last = Some(time);
            } else {
                let rising = self.reached <= packet.time;
                let first = self.first(packet.time);
                let run = run.get_or_insert(Run { from: at, rising, mixed: true, first, counts_at: None });
                run.rising &= rising;
                self.reached = self.reached.max(packet.time);
                self.last = Some(packet.time);
            }
            self.frame = self.frame.saturating_add(1);
        }
        runs.extend(run);
        Some(())
    }

    /// What the next packet counts at, where that is not its own time; `None` where that cannot be told yet.
    #[expect(clippy::option_option, reason = "not yet known, or none")]
    fn instead(&self, time: Time, behind: Behind) -> Option<Option<Time>> {
        if self.last.is_some_and(|last| time.since(last) <= Clock::JUMP) {
            return Some(None);
        }
        match behind {
            Behind::Unknown => None,
            Behind::Packet(behind) if time.since(behind) > Clock::JUMP => Some(Some(self.last.unwrap_or(behind))),
            Behind::Packet(_) | Behind::Nothing => Some(None),
        }
    }
}
