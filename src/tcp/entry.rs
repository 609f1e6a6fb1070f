//! What the table keeps of one connection: little until it speaks, little once it is over.

use crate::base::{FlowKey, Moment, Ordinal, PerSide, Side};
use crate::decode::{Flags, Segment};

use super::connection::Connection;
use super::idle::List;
use super::seq::Seq;

/// One slot of the table: a cache line, for it is looked at for every segment.
#[derive(Debug)]
pub(super) struct Entry<L> {
    pub flow: FlowKey,
    /// When it was last active, by [`super::elapsed::Elapsed`].
    pub active: i64,
    /// The capture of its last packet.
    pub capture: u32,
    pub list: List,
    /// A whole connection. Without one, what there is of it is [`Still`], beside.
    pub open: Option<Box<Open<L>>>,
}

/// A connection that says nothing: not yet, or no longer.
#[derive(Debug)]
pub(super) enum Still {
    /// The slot is free, or a whole connection is in it.
    Nothing,
    /// One or two segments without data: a SYN flood costs no more than this.
    Embryo(Embryo),
    Tombstone(Tombstone),
}

/// A connection and where it stands in the table's queues.
#[derive(Debug)]
pub(super) struct Open<L> {
    pub connection: Connection<L>,
    /// The packet since which it holds any.
    pub holds_since: Option<Ordinal>,
    /// The tick for which it is queued.
    pub due: Option<u64>,
    /// Other captures that packets of it came from, the latest ones.
    others: [Option<u32>; 3],
}

impl<L> Open<L> {
    pub(super) fn new(connection: Connection<L>) -> Box<Self> {
        Box::new(Open { connection, holds_since: None, due: None, others: [None; 3] })
    }

    /// Whether packets of it came from the capture, some time ago.
    pub(super) fn came_from(&self, capture: u32) -> bool {
        self.others.contains(&Some(capture))
    }

    /// The next packets come from another capture than this.
    pub(super) fn leave(&mut self, capture: u32) {
        if !self.came_from(capture) {
            let [first, second, _] = self.others;
            self.others = [Some(capture), first, second];
        }
    }
}

/// A segment without data: all that a handshake needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Header {
    from: Side,
    syn: bool,
    seq: u32,
    ack: Option<u32>,
}

impl Header {
    fn of(segment: &Segment<'_>) -> Option<Header> {
        let &Segment { from, seq, ack, flags: Flags { syn, fin, rst }, payload, missing, .. } = segment;
        let bare = !fin && !rst && payload.is_empty() && missing == 0;
        bare.then_some(Header { from, syn, seq, ack })
    }
}

/// A connection of which only its first segment without data, and the SYN-ACK to it, was captured.
#[derive(Debug)]
pub(super) struct Embryo {
    pub first: Moment,
    pub tick: u64,
    opening: Header,
    /// What came behind the first segment; a flood's SYNs have none of it.
    more: Option<Box<More>>,
}

#[derive(Debug)]
struct More {
    last: Moment,
    answer: Option<Header>,
}

impl Embryo {
    pub(super) fn new(at: Moment, tick: u64, segment: &Segment<'_>) -> Option<Embryo> {
        let opening = Header::of(segment)?;
        Some(Embryo { first: at, tick, opening, more: None })
    }

    /// Its last packet.
    pub(super) fn last(&self) -> Moment {
        self.more.as_ref().map_or(self.first, |more| more.last)
    }

    fn answer(&self) -> Option<Header> {
        self.more.as_ref().and_then(|more| more.answer)
    }

    /// Whether the segment adds nothing that an embryo cannot hold.
    pub(super) fn takes(&mut self, at: Moment, segment: &Segment<'_>) -> bool {
        let Some(header) = Header::of(segment) else { return false };
        let answer = self.answer();
        let known = header == self.opening || answer == Some(header);
        let answers = answer.is_none() && self.opening.syn && header.syn && header.from != self.opening.from;
        if known || answers {
            let more = self.more.get_or_insert_with(|| Box::new(More { last: at, answer: None }));
            more.last = at;
            if answers {
                more.answer = Some(header);
            }
        }
        known || answers
    }

    /// Whether a segment that another capture has may be one of this connection, by its numbers.
    pub(super) fn fits(&self, segment: &Segment<'_>) -> bool {
        let begun = |header: Header| {
            let start = Seq(header.seq).plus(u32::from(header.syn));
            if header.from == segment.from {
                let begins = !segment.flags.syn || !header.syn || header.seq == segment.seq;
                begins && start.is_near(Seq(segment.seq))
            } else {
                segment.ack.is_none_or(|ack| start.is_near(Seq(ack)))
            }
        };
        let told = segment.ack.is_some() || self.opening.from == segment.from;
        told && begun(self.opening) && self.answer().is_none_or(begun)
    }

    /// Its segments, to be taken again by a whole connection.
    pub(super) fn segments(&self, flow: FlowKey) -> impl Iterator<Item = Segment<'static>> {
        std::iter::once(self.opening).chain(self.answer()).map(move |header| Segment {
            flow,
            from: header.from,
            seq: header.seq,
            ack: header.ack,
            flags: Flags { syn: header.syn, ..Flags::default() },
            payload: &[],
            missing: 0,
        })
    }
}

/// A connection that is over: its late segments are no new connection.
#[derive(Clone, Copy, Debug)]
pub(super) struct Tombstone {
    pub first: Ordinal,
    /// Where its streams began, and how far they were captured.
    pub starts: PerSide<Option<Seq>>,
    pub ends: PerSide<Seq>,
    /// Whether it carried any bytes.
    pub spoke: bool,
}

impl Tombstone {
    /// Whether a segment that another capture has may be one of the connection, by its numbers.
    pub(super) fn fits(&self, segment: &Segment<'_>) -> bool {
        let known = |side: Side, number: Seq| {
            self.starts[side].is_none_or(|start| start.is_near(number) || number.is_between(start, self.ends[side]))
        };
        let seq = Seq(segment.seq);
        let begins = !segment.flags.syn || self.starts[segment.from].is_none_or(|start| start == seq.plus(1));
        begins && known(segment.from, seq) && segment.ack.is_none_or(|ack| known(segment.from.other(), Seq(ack)))
    }

    /// Whether a segment is a late one of the connection that is over, not the first of a new one.
    pub(super) fn is_late(&self, segment: &Segment<'_>) -> bool {
        if !segment.flags.syn {
            return true;
        }
        let again = self.starts[segment.from] == Some(Seq(segment.seq).plus(1));
        // A client whose connection was refused may try again with the same number.
        again && (self.spoke || segment.ack.is_some())
    }
}
