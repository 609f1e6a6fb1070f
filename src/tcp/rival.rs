//! Port reuse: another connection of the same ends begins while this one is not known to be over.
//!
//! It waits beside this one, and its segments with it, until the other side goes along; so neither a
//! forged SYN ends a connection nor is the beginning of a true one lost.

use crate::base::Moment;
use crate::decode::Segment;

use super::chunk::Listener;
use super::connection::{Connection, Context, InOrder};
use super::counters::Counters;
use super::direction::{Direction, FAR, Origin};
use super::seq::{NEARBY, Position, Seq};

impl<L: Listener> Connection<L> {
    /// A SYN or far-off numbers that this connection does not know begin another one, which replaces
    /// this one only once the other side has agreed to it.
    pub(super) fn challenge<F>(&mut self, at: Moment, segment: &Segment<'_>, context: &mut Context<'_, L, F>) {
        self.drop_rival(context.counters);
        let mut rival = Box::new(Connection::new(at, context.tick));
        rival.store(at, segment, context);
        self.rival = Some(rival);
    }

    /// Takes a segment but hands nothing on.
    fn store<F>(&mut self, at: Moment, segment: &Segment<'_>, context: &mut Context<'_, L, F>) {
        self.last = at;
        self.packets = self.packets.saturating_add(1);
        if segment.flags.syn {
            self.take_syn(at, segment, context.tick);
        } else if let Some(InOrder { bytes, note }) = self.take(at, segment, context) {
            let own = &mut self.sides[segment.from];
            own.insert(own.next, bytes.len() as u64, Some(bytes), &note);
        }
    }

    /// Whether a segment belongs to the new connection rather than to this one.
    pub(super) fn rival_takes<F>(
        &mut self,
        at: Moment,
        segment: &Segment<'_>,
        context: &mut Context<'_, L, F>,
    ) -> bool {
        let Some(mut rival) = self.rival.take() else { return false };
        let flags = segment.flags;
        if flags.rst {
            let refused = rival.resets(segment) && !self.resets(segment);
            if !refused {
                self.rival = Some(rival);
            }
            return refused;
        }
        let takes = if flags.syn {
            !self.fits(segment) && rival.fits(segment)
        } else {
            !self.is_near(segment) && rival.is_near(segment)
        };
        if takes {
            rival.store(at, segment, context);
            let agreed = rival.sides.a.came && rival.sides.b.came;
            let unopposed = !self.sides[segment.from.other()].came && !rival.sides[segment.from].is_empty();
            self.replaced = agreed || unopposed;
        }
        self.rival = Some(rival);
        takes
    }

    /// Whether data lies far from all that both sides said before: the end of this connection and the
    /// handshake of another may have been missed.
    pub(super) fn is_foreign(&self, segment: &Segment<'_>) -> bool {
        let (own, other) = (&self.sides[segment.from], &self.sides[segment.from.other()]);
        let Some(ack) = segment.ack.filter(|_| own.came && !segment.payload.is_empty()) else { return false };
        let far = |of: &Direction, from: Position, seq| {
            from.near(Seq(seq)).distance(from) > FAR && of.last_ack != Some(Seq(seq))
        };
        far(own, own.edge, segment.seq) && far(other, other.edge.max(other.acked), ack)
    }

    fn is_near(&self, segment: &Segment<'_>) -> bool {
        let own = &self.sides[segment.from];
        own.origin != Origin::Unknown && own.edge.near(Seq(segment.seq)).distance(own.edge) <= NEARBY
    }

    /// The connection that has replaced this one.
    pub(super) fn replacement(&mut self) -> Option<Box<Connection<L>>> {
        if self.replaced { self.rival.take() } else { None }
    }

    /// Forgets the connection that waits to replace this one: its segments belong to none.
    pub(super) fn drop_rival(&mut self, counters: &mut Counters) {
        let packets = self.rival.take().map_or(0, |rival| rival.packets);
        counters.out_of_window = counters.out_of_window.saturating_add(packets);
    }
}
