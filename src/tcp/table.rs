//! All connections of one shard: found by flow, ended by timeouts, kept below the limits.
//!
//! Each packet costs one look-up and a constant (or logarithmic) amount of work, whatever the number
//! of connections. Nothing depends on the order of the hash table.

use std::collections::{BTreeMap, BTreeSet};
use std::hash::BuildHasher;

use foldhash::fast::RandomState;
use hashbrown::HashTable;

use crate::base::{FlowKey, Limit, Limits, Moment, Ordinal, Tick, Time, Timeouts};
use crate::decode::Segment;

use super::chunk::{Closed, Listener, Opening, Reach};
use super::connection::{Connection, Context};
use super::counters::Counters;
use super::elapsed::Elapsed;
use super::entry::{Embryo, Entry, Open, Still, Tombstone};
use super::idle::{List, Lists};

/// The limits that act here.
#[derive(Clone, Copy, Debug)]
struct Most {
    connections: usize,
    half_open: usize,
    held: usize,
    held_of_one: usize,
}

/// Where a flow was in the table when it was looked up.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Place {
    hash: u64,
    slot: Option<u32>,
    /// [`Table::changes`] as of then.
    changes: u64,
}

/// The connections of one shard.
#[derive(Debug)]
pub(crate) struct Table<L> {
    slots: HashTable<u32>,
    hasher: RandomState,
    entries: Vec<Entry<L>>,
    /// Beside each entry, what is in a slot without a whole connection.
    stills: Vec<Still>,
    free: Vec<u32>,
    /// How often a flow came into the table or left it.
    changes: u64,
    lists: Lists,
    /// Connections that have something to do at a tick, by that tick and their first packet.
    due: BTreeSet<(u64, Ordinal, u32)>,
    /// Connections that hold bytes, by the packet since which they do.
    holders: BTreeSet<(Ordinal, u32)>,
    held: usize,
    tick: u64,
    elapsed: Elapsed,
    /// Further connections of one flow, whose captures hold others than the first one's: by the first one's slot, in
    /// the order in which they began.
    further: BTreeMap<u32, Vec<u32>>,
    /// Captures that have begun and not ended.
    captures: BTreeSet<u32>,
    most: Most,
    timeouts: Timeouts,
    counters: Counters,
    /// The connection that is being worked on.
    current: Option<u32>,
    /// The connection that is being ended, already out of the table.
    ending: Option<(FlowKey, Moment)>,
}

impl<L: Listener> Table<L> {
    /// `limits` are those of one shard ([`Limits::of_one_shard`]).
    pub(crate) fn new(limits: &Limits, timeouts: Timeouts) -> Self {
        let most = |limit| usize::try_from(limits.get(limit)).unwrap_or(usize::MAX);
        Table {
            slots: HashTable::new(),
            hasher: RandomState::default(),
            entries: Vec::new(),
            stills: Vec::new(),
            free: Vec::new(),
            changes: 0,
            lists: Lists::new(),
            due: BTreeSet::new(),
            holders: BTreeSet::new(),
            held: 0,
            tick: 0,
            elapsed: Elapsed::default(),
            further: BTreeMap::new(),
            captures: BTreeSet::new(),
            most: Most {
                connections: most(Limit::Connections).max(1),
                half_open: most(Limit::HalfOpen).max(1),
                held: most(Limit::HeldBytes),
                held_of_one: most(Limit::HeldBytesPerConnection),
            },
            timeouts,
            counters: Counters::default(),
            current: None,
            ending: None,
        }
    }

    /// Looks the flow of a segment up that will be taken soon. Several look-ups in a row wait for memory at the
    /// same time, where look-ups between the steps of connections would wait one by one.
    pub(crate) fn look_up(&self, segment: &Segment<'_>) -> Place {
        let hash = self.hasher.hash_one(segment.flow);
        let slot = self.slot_of(hash, &segment.flow);
        Place { hash, slot, changes: self.changes }
    }

    /// Reads what the next segment of the flow at `place` will need, as [`Listener::prefetch`] does.
    pub(crate) fn prefetch(&self, place: &Place, reach: Reach) -> u64 {
        let open = place.slot.and_then(|slot| self.entries.get(slot as usize)?.open.as_deref());
        open.map_or(0, |open| open.connection.prefetch(reach))
    }

    /// Whether anything is in the slot.
    fn is_used(&self, slot: u32) -> bool {
        let slot = slot as usize;
        self.entries.get(slot).is_some_and(|entry| entry.open.is_some())
            || self.stills.get(slot).is_some_and(|still| !matches!(still, Still::Nothing))
    }

    /// How many slots are used.
    fn used(&self) -> usize {
        self.entries.len().saturating_sub(self.free.len())
    }

    fn slot_of(&self, hash: u64, flow: &FlowKey) -> Option<u32> {
        let same = |slot: &u32| self.entries.get(*slot as usize).is_some_and(|entry| entry.flow == *flow);
        self.slots.find(hash, same).copied()
    }

    /// Takes the next segment in packet order, looked up at `place` since the last tick. `listen` makes the listener
    /// of a connection, once it speaks; calls of other connections' listeners come of limits alone.
    pub(crate) fn segment<F: FnMut(&Opening) -> L>(
        &mut self,
        place: Place,
        at: Moment,
        segment: &Segment<'_>,
        listen: &mut F,
        out: &mut L::Out,
    ) {
        self.elapsed.packet(at, || self.captures.len() > 1);
        let Place { hash, slot, changes } = place;
        // Segments between the look-up and now may have changed the table.
        let slot = if changes == self.changes { slot } else { self.slot_of(hash, &segment.flow) };
        match slot {
            Some(slot) => self.known(slot, at, segment, listen, out),
            None => self.open(hash, None, at, segment, listen, out),
        }
    }

    /// The clock went on before the packet `at`: waits end, gaps become certain, timers fire.
    ///
    /// Should a listener panic, call [`Table::abandon`] and then [`Table::expire`] for the rest.
    pub(crate) fn tick<F: FnMut(&Opening) -> L>(&mut self, tick: Tick, at: Moment, listen: &mut F, out: &mut L::Out) {
        self.tick = self.tick.saturating_add(1);
        self.elapsed.tick(tick.time);
        self.expire(at, listen, out);
    }

    /// The scan's clock stands at `time` again, where a step back of one capture ends.
    pub(crate) fn restore(&mut self, time: Time) {
        self.elapsed.restore(time);
    }

    /// What is due by now: first what waits, in the order of the connections' first packets, then
    /// timeouts, in the order in which connections fell idle.
    pub(crate) fn expire<F: FnMut(&Opening) -> L>(&mut self, at: Moment, listen: &mut F, out: &mut L::Out) {
        while let Some(&(due, first, slot)) = self.due.first().filter(|(due, ..)| *due <= self.tick) {
            self.due.remove(&(due, first, slot));
            if let Some((connection, mut context)) = self.work_on(slot, listen, out) {
                connection.tick(&mut context);
            }
            if let Some(open) = self.open_at(slot) {
                open.due = None;
            }
            self.review(slot, at, listen, out);
            self.current = None;
        }
        let timeouts = [
            (List::HalfOpen, self.timeouts.half_open),
            (List::Open, self.timeouts.idle),
            (List::Closed, self.timeouts.closed),
        ];
        for (list, timeout) in timeouts {
            while let Some(slot) = self.lists.oldest(list).filter(|&slot| self.idle_for(slot) >= timeout) {
                self.remove_slot(slot, Closed::Timeout, listen, out);
            }
        }
    }

    /// The next packet begins a capture.
    pub(crate) fn capture_begins(&mut self, capture: u32) {
        self.captures.insert(capture);
    }

    /// No packet of the capture is to come any more.
    pub(crate) fn capture_ended(&mut self, capture: u32) {
        self.captures.remove(&capture);
    }

    /// The capture is over: all connections end, in the order of their first packets.
    ///
    /// Should a listener panic, call [`Table::abandon`] and then this again for the rest.
    pub(crate) fn finish<F: FnMut(&Opening) -> L>(&mut self, listen: &mut F, out: &mut L::Out) {
        let mut order: Vec<(Ordinal, u32)> = Vec::new();
        for (slot, entry) in (0..).zip(&self.entries) {
            order.extend(entry.open.as_ref().map(|open| (open.connection.first.ordinal, slot)));
        }
        order.sort_unstable();
        for (_, slot) in order {
            self.remove_slot(slot, Closed::EndOfCapture, listen, out);
        }
        // What is left says nothing.
        self.changes = self.changes.wrapping_add(1);
        self.slots.clear();
        self.entries.clear();
        self.stills.clear();
        self.free.clear();
        self.further.clear();
        self.lists = Lists::new();
        self.elapsed = Elapsed::default();
    }

    /// Drops the connection that was being worked on when a listener panicked, without a word to its
    /// listener; tells which it was, by its flow and first packet.
    pub(crate) fn abandon(&mut self) -> Option<(FlowKey, Moment)> {
        if let Some(ended) = self.ending.take() {
            self.current = None;
            return Some(ended);
        }
        let slot = self.current.take()?;
        let told = (self.entries.get(slot as usize)?.flow, self.first(slot)?);
        self.detach(slot);
        Some(told)
    }

    pub(crate) fn counters(&self) -> &Counters {
        &self.counters
    }

    /// Connections that are not over, as far as was captured.
    pub(crate) fn open_connections(&self) -> usize {
        self.lists.len(List::HalfOpen).saturating_add(self.lists.len(List::Open))
    }

    /// Connections that are kept now, those included that are over.
    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.used()
    }

    /// Bytes held now, with a constant for each object.
    #[cfg(test)]
    pub(crate) fn held_bytes(&self) -> usize {
        self.held
    }

    fn idle_for(&self, slot: u32) -> i64 {
        self.entries.get(slot as usize).map_or(0, |entry| self.elapsed.now.saturating_sub(entry.active))
    }

    /// A segment of a flow that the table knows.
    #[inline(always)]
    #[expect(clippy::inline_always, reason = "once for each segment: a call costs a tenth of one-octet segments")]
    fn known<F: FnMut(&Opening) -> L>(
        &mut self,
        slot: u32,
        at: Moment,
        segment: &Segment<'_>,
        listen: &mut F,
        out: &mut L::Out,
    ) {
        let Some(entry) = self.entries.get_mut(slot as usize) else { return };
        if entry.capture != at.ordinal.rank() {
            self.of_another_capture(slot, at, segment, listen, out);
            return;
        }
        let Some(open) = &mut entry.open else {
            self.still(slot, at, segment, listen, out);
            return;
        };
        self.current = Some(slot);
        let usual = open.connection.quick(at, segment, out);
        if !usual {
            if open.connection.is_succeeded_by(segment) {
                self.current = None;
                self.begin_anew(slot, Closed::EndOfCapture, at, segment, listen, out);
                return;
            }
            let counters = &mut self.counters;
            let mut context = Context { flow: entry.flow, tick: self.tick, counters, listen, out };
            open.connection.segment(at, segment, &mut context);
        }
        entry.active = self.elapsed.now;
        self.lists.touch(entry.list, slot);
        if !usual {
            self.review(slot, at, listen, out);
            self.enforce(slot, at, listen, out);
        } else if open.connection.held() != open.connection.share {
            // Nothing else of it has changed.
            self.account(slot, at);
            self.enforce(slot, at, listen, out);
        }
        self.current = None;
    }

    /// The same where it is looked at a second time.
    #[inline(never)]
    fn again<F: FnMut(&Opening) -> L>(
        &mut self,
        slot: u32,
        at: Moment,
        segment: &Segment<'_>,
        listen: &mut F,
        out: &mut L::Out,
    ) {
        self.known(slot, at, segment, listen, out);
    }

    /// A segment of a flow that says nothing, not yet or no longer.
    #[inline(never)]
    fn still<F: FnMut(&Opening) -> L>(
        &mut self,
        slot: u32,
        at: Moment,
        segment: &Segment<'_>,
        listen: &mut F,
        out: &mut L::Out,
    ) {
        let Some(entry) = self.entries.get_mut(slot as usize) else { return };
        match self.stills.get_mut(slot as usize) {
            Some(Still::Embryo(embryo)) => {
                if embryo.takes(at, segment) {
                    entry.active = self.elapsed.now;
                    self.lists.touch(entry.list, slot);
                    return;
                }
                self.hatch(slot, listen, out);
                self.again(slot, at, segment, listen, out);
            }
            Some(Still::Tombstone(tombstone)) => {
                if tombstone.is_late(segment) {
                    self.counters.late = self.counters.late.saturating_add(1);
                } else if let Some(other) =
                    self.of_flow(slot).into_iter().find(|&other| other != slot && self.fits(other, segment))
                {
                    self.move_to(other, at.ordinal.rank());
                    self.again(other, at, segment, listen, out);
                } else {
                    self.begin_anew(slot, Closed::Fin, at, segment, listen, out);
                }
            }
            Some(Still::Nothing) | None => {}
        }
    }

    /// A segment of a flow that the table knows, of another capture than the last packet of the connection in `slot`. It
    /// belongs to the connection of its flow that has packets of its capture, or that its numbers fit. Else, where the
    /// captures of one have ended, it is taken as if it stood in the same one; and where they have not, its connection
    /// is another one.
    #[inline(never)]
    fn of_another_capture<F: FnMut(&Opening) -> L>(
        &mut self,
        slot: u32,
        at: Moment,
        segment: &Segment<'_>,
        listen: &mut F,
        out: &mut L::Out,
    ) {
        let capture = at.ordinal.rank();
        let slots = self.of_flow(slot);
        let known = slots.iter().find(|&&slot| self.came_from(slot, capture));
        let known = known.or_else(|| slots.iter().find(|&&slot| self.fits(slot, segment)));
        if let Some(&slot) = known {
            self.move_to(slot, capture);
            self.again(slot, at, segment, listen, out);
        } else if let Some(&slot) = slots.iter().find(|&&slot| self.is_complete(slot)) {
            if segment.flags.syn || segment.flags.rst {
                self.move_to(slot, capture);
                self.again(slot, at, segment, listen, out);
            } else {
                self.begin_anew(slot, Closed::EndOfCapture, at, segment, listen, out);
            }
        } else {
            let hash = self.hasher.hash_one(segment.flow);
            self.open(hash, Some(slot), at, segment, listen, out);
        }
    }

    /// All connections of the flow, by the slot of the first one.
    fn of_flow(&self, first: u32) -> Vec<u32> {
        let further = self.further.get(&first).into_iter().flatten().copied();
        std::iter::once(first).chain(further).collect()
    }

    /// Whether packets of the connection came from the capture.
    fn came_from(&self, slot: u32, capture: u32) -> bool {
        let Some(entry) = self.entries.get(slot as usize) else { return false };
        entry.capture == capture || entry.open.as_ref().is_some_and(|open| open.came_from(capture))
    }

    /// Whether the numbers of a segment that another capture has fit the connection.
    fn fits(&self, slot: u32, segment: &Segment<'_>) -> bool {
        let open = self.entries.get(slot as usize).and_then(|entry| entry.open.as_ref());
        open.map_or_else(
            || match self.stills.get(slot as usize) {
                Some(Still::Embryo(embryo)) => embryo.fits(segment),
                Some(Still::Tombstone(tombstone)) => tombstone.fits(segment),
                Some(Still::Nothing) | None => false,
            },
            |open| open.connection.has(segment),
        )
    }

    /// Whether no packet is to come from the captures that the connection's came from.
    fn is_complete(&self, slot: u32) -> bool {
        let Some(entry) = self.entries.get(slot as usize) else { return false };
        let others = self.captures.iter().any(|&capture| self.came_from(slot, capture));
        !self.captures.contains(&entry.capture) && !others
    }

    /// The connection's next packet comes from this capture.
    fn move_to(&mut self, slot: u32, capture: u32) {
        let Some(entry) = self.entries.get_mut(slot as usize) else { return };
        let before = std::mem::replace(&mut entry.capture, capture);
        if let Some(open) = entry.open.as_mut().filter(|_| before != capture) {
            open.leave(before);
        }
    }

    /// Ends what is in the slot, and begins a connection with this segment.
    fn begin_anew<F: FnMut(&Opening) -> L>(
        &mut self,
        slot: u32,
        how: Closed,
        at: Moment,
        segment: &Segment<'_>,
        listen: &mut F,
        out: &mut L::Out,
    ) {
        self.remove_slot(slot, how, listen, out);
        let hash = self.hasher.hash_one(segment.flow);
        let first = self.slot_of(hash, &segment.flow);
        self.open(hash, first, at, segment, listen, out);
    }

    /// An embryo becomes a whole connection.
    fn hatch<F: FnMut(&Opening) -> L>(&mut self, slot: u32, listen: &mut F, out: &mut L::Out) {
        let Some(entry) = self.entries.get_mut(slot as usize) else { return };
        let Some(still) = self.stills.get_mut(slot as usize) else { return };
        let Still::Embryo(embryo) = std::mem::replace(still, Still::Nothing) else { return };
        let mut connection = Connection::new(embryo.first, embryo.tick);
        let counters = &mut self.counters;
        let mut context = Context { flow: entry.flow, tick: embryo.tick, counters, listen, out };
        for segment in embryo.segments(entry.flow) {
            connection.segment(embryo.first, &segment, &mut context);
        }
        connection.last = embryo.last();
        entry.open = Some(Open::new(connection));
    }

    /// A new connection, unless a RST is all there is of it; `first` is that of its flow, where the table knows one.
    fn open<F: FnMut(&Opening) -> L>(
        &mut self,
        hash: u64,
        first: Option<u32>,
        at: Moment,
        segment: &Segment<'_>,
        listen: &mut F,
        out: &mut L::Out,
    ) {
        if segment.flags.rst {
            self.counters.stray_resets = self.counters.stray_resets.saturating_add(1);
            return;
        }
        let mut first = first;
        while self.used() >= self.most.connections {
            let Some(oldest) = List::ALL.into_iter().find_map(|list| self.lists.oldest(list)) else { break };
            self.evict(oldest, Limit::Connections, listen, out);
            first = first.and_then(|_| self.slot_of(hash, &segment.flow));
        }
        self.counters.connections = self.counters.connections.saturating_add(1);
        let embryo = Embryo::new(at, self.tick, segment);
        let open = embryo.is_none().then(|| Open::new(Connection::new(at, self.tick)));
        let whole = open.is_some();
        let capture = at.ordinal.rank();
        let entry = Entry { flow: segment.flow, active: self.elapsed.now, capture, list: List::HalfOpen, open };
        let slot = self.insert(hash, first, entry, embryo.map_or(Still::Nothing, Still::Embryo));
        if whole {
            self.again(slot, at, segment, listen, out);
        }
        while self.lists.len(List::HalfOpen) > self.most.half_open {
            let Some(oldest) = self.lists.oldest(List::HalfOpen) else { break };
            self.evict(oldest, Limit::HalfOpen, listen, out);
        }
    }

    fn insert(&mut self, hash: u64, first: Option<u32>, entry: Entry<L>, still: Still) -> u32 {
        let list = entry.list;
        let slot = self.free.pop().unwrap_or(u32::try_from(self.entries.len()).unwrap_or(u32::MAX));
        let free = self.entries.get_mut(slot as usize).zip(self.stills.get_mut(slot as usize));
        if let Some((free, nothing)) = free {
            (*free, *nothing) = (entry, still);
        } else {
            self.entries.push(entry);
            self.stills.push(still);
        }
        if let Some(first) = first {
            self.further.entry(first).or_default().push(slot);
        } else {
            let (entries, hasher) = (&self.entries, &self.hasher);
            let hash_of = |slot: &u32| entries.get(*slot as usize).map_or(0, |entry| hasher.hash_one(entry.flow));
            self.slots.insert_unique(hash, slot, hash_of);
        }
        self.changes = self.changes.wrapping_add(1);
        self.lists.push(list, slot);
        slot
    }

    fn evict<F: FnMut(&Opening) -> L>(&mut self, slot: u32, limit: Limit, listen: &mut F, out: &mut L::Out) {
        self.counters.limits_hit.one(limit.key());
        self.counters.evicted = self.counters.evicted.saturating_add(1);
        self.remove_slot(slot, Closed::Evicted, listen, out);
    }

    fn open_at(&mut self, slot: u32) -> Option<&mut Open<L>> {
        self.entries.get_mut(slot as usize)?.open.as_deref_mut()
    }

    /// The first packet of what is in the slot.
    fn first(&self, slot: u32) -> Option<Moment> {
        let open = self.entries.get(slot as usize).and_then(|entry| entry.open.as_ref());
        open.map(|open| open.connection.first).or_else(|| match self.stills.get(slot as usize)? {
            Still::Nothing => None,
            Still::Embryo(embryo) => Some(embryo.first),
            Still::Tombstone(Tombstone { first, .. }) => Some(Moment { ordinal: *first, time: first.reached() }),
        })
    }

    /// The connection in the slot and what its steps need; it is the current one from here on.
    fn work_on<'t, F>(
        &'t mut self,
        slot: u32,
        listen: &'t mut F,
        out: &'t mut L::Out,
    ) -> Option<(&'t mut Connection<L>, Context<'t, L, F>)> {
        self.current = Some(slot);
        let entry = self.entries.get_mut(slot as usize)?;
        let open = entry.open.as_mut()?;
        let context = Context { flow: entry.flow, tick: self.tick, counters: &mut self.counters, listen, out };
        Some((&mut open.connection, context))
    }

    /// Brings the table up to date with a connection that has changed.
    fn review<F: FnMut(&Opening) -> L>(&mut self, slot: u32, at: Moment, listen: &mut F, out: &mut L::Out) {
        let tick = self.tick;
        while let Some(new) = self.open_at(slot).and_then(|open| open.connection.replacement()) {
            self.replace(slot, *new, listen, out);
        }
        let Some(open) = self.open_at(slot) else { return };
        if let Some(how) = open.connection.over(tick) {
            self.bury(slot, how, listen, out);
            return;
        }
        let established = open.connection.is_established();
        let first = open.connection.first.ordinal;
        let due = open.connection.due(tick);
        let queued = open.due;
        if let Some(due) = due.filter(|due| queued.is_none_or(|queued| *due < queued)) {
            open.due = Some(due);
            if let Some(queued) = queued {
                self.due.remove(&(queued, first, slot));
            }
            self.due.insert((due, first, slot));
        }
        self.account(slot, at);
        if let Some(entry) = self.entries.get_mut(slot as usize).filter(|entry| entry.list == List::HalfOpen)
            && established
        {
            entry.list = List::Open;
            self.lists.remove(List::HalfOpen, slot);
            self.lists.push(List::Open, slot);
        }
    }

    /// Counts what the connection holds.
    fn account(&mut self, slot: u32, at: Moment) {
        let Some(open) = self.open_at(slot) else { return };
        let (before, since) = (open.connection.share, open.holds_since);
        let held = open.connection.held();
        open.connection.share = held;
        open.holds_since = (held > 0).then(|| since.unwrap_or(at.ordinal));
        let now = open.holds_since;
        if since != now {
            if let Some(since) = since {
                self.holders.remove(&(since, slot));
            }
            if let Some(now) = now {
                self.holders.insert((now, slot));
            }
        }
        self.held = self.held.saturating_sub(before).saturating_add(held);
    }

    /// Lets the limits of held bytes act, at the very packet that exceeds them: first the connection's
    /// own, then that of all, where those that have held for longest go first.
    fn enforce<F: FnMut(&Opening) -> L>(&mut self, slot: u32, at: Moment, listen: &mut F, out: &mut L::Out) {
        let most = self.most;
        if self.open_at(slot).is_some_and(|open| open.connection.share > most.held_of_one) {
            self.counters.limits_hit.one(Limit::HeldBytesPerConnection.key());
            if let Some((connection, mut context)) = self.work_on(slot, listen, out) {
                connection.drop_rival(context.counters);
                while connection.held() > most.held_of_one && connection.yield_one(&mut context) {}
                connection.settle();
                if connection.held() > most.held_of_one
                    && let Some(listener) = &mut connection.listener
                {
                    listener.let_go(context.out);
                }
            }
            self.review(slot, at, listen, out);
        }
        let mut tries = self.holders.len();
        while self.held > most.held && tries > 0 {
            tries = tries.saturating_sub(1);
            let Some(&(since, victim)) = self.holders.first() else { break };
            self.counters.limits_hit.one(Limit::HeldBytes.key());
            if let Some((connection, mut context)) = self.work_on(victim, listen, out) {
                connection.drop_rival(context.counters);
                connection.flush(&mut context);
                if let Some(listener) = &mut connection.listener {
                    listener.let_go(context.out);
                }
            }
            // What it still holds, it holds from now on.
            self.holders.remove(&(since, victim));
            if let Some(open) = self.open_at(victim) {
                open.holds_since = None;
            }
            self.review(victim, at, listen, out);
        }
    }

    /// Ends a connection and keeps its place for late segments.
    fn bury<F: FnMut(&Opening) -> L>(&mut self, slot: u32, how: Closed, listen: &mut F, out: &mut L::Out) {
        self.leave_queues(slot);
        let Some(entry) = self.entries.get_mut(slot as usize) else { return };
        let Some(Open { connection, .. }) = entry.open.take().map(|open| *open) else { return };
        let spoke = connection.listener.is_some();
        if let Some(still) = self.stills.get_mut(slot as usize) {
            let (starts, ends) = (connection.starts(), connection.ends());
            *still = Still::Tombstone(Tombstone { first: connection.first.ordinal, starts, ends, spoke });
        }
        entry.active = self.elapsed.now;
        self.lists.remove(entry.list, slot);
        entry.list = List::Closed;
        self.lists.push(List::Closed, slot);
        let flow = entry.flow;
        self.end(flow, connection, how, listen, out);
    }

    /// Another connection of the same ends takes the place of this one, whose end was not captured.
    fn replace<F: FnMut(&Opening) -> L>(
        &mut self,
        slot: u32,
        mut new: Connection<L>,
        listen: &mut F,
        out: &mut L::Out,
    ) {
        self.leave_queues(slot);
        self.counters.connections = self.counters.connections.saturating_add(1);
        let Some(entry) = self.entries.get_mut(slot as usize) else { return };
        let flow = entry.flow;
        new.settle();
        let Some(old) = entry.open.replace(Open::new(new)) else { return };
        self.lists.remove(entry.list, slot);
        entry.list = List::HalfOpen;
        self.lists.push(List::HalfOpen, slot);
        self.end(flow, old.connection, Closed::Timeout, listen, out);
        if let Some((connection, mut context)) = self.work_on(slot, listen, out) {
            connection.drain(&mut context);
            connection.settle();
        }
    }

    /// Ends whatever is in the slot and frees it.
    fn remove_slot<F: FnMut(&Opening) -> L>(&mut self, slot: u32, cause: Closed, listen: &mut F, out: &mut L::Out) {
        let Some(flow) = self.entries.get(slot as usize).map(|entry| entry.flow) else { return };
        if let Some(open) = self.detach(slot) {
            self.end(flow, open.connection, cause, listen, out);
        }
    }

    fn end<F: FnMut(&Opening) -> L>(
        &mut self,
        flow: FlowKey,
        connection: Connection<L>,
        how: Closed,
        listen: &mut F,
        out: &mut L::Out,
    ) {
        self.ending = Some((flow, connection.first));
        let mut context = Context { flow, tick: self.tick, counters: &mut self.counters, listen, out };
        connection.close(how, &mut context);
        self.ending = None;
    }

    /// Takes what is in the slot out of the table; gives it where it is a whole connection.
    fn detach(&mut self, slot: u32) -> Option<Box<Open<L>>> {
        if !self.is_used(slot) {
            return None;
        }
        self.leave_queues(slot);
        let entry = self.entries.get_mut(slot as usize)?;
        let open = entry.open.take();
        *self.stills.get_mut(slot as usize)? = Still::Nothing;
        self.lists.remove(entry.list, slot);
        let flow = entry.flow;
        self.forget(slot, &flow);
        self.free.push(slot);
        open
    }

    /// Takes a slot out of the table of flows; the next connection of its flow takes the place of the first.
    fn forget(&mut self, slot: u32, flow: &FlowKey) {
        let hash = self.hasher.hash_one(flow);
        let mut further = self.further.remove(&slot).unwrap_or_default().into_iter();
        let next = further.next();
        if let Ok(mut found) = self.slots.find_entry(hash, |other| *other == slot) {
            self.changes = self.changes.wrapping_add(1);
            match next {
                Some(next) => *found.get_mut() = next,
                None => drop(found.remove()),
            }
        } else if let Some(first) = self.slot_of(hash, flow)
            && let Some(others) = self.further.get_mut(&first)
        {
            others.retain(|other| *other != slot);
            if others.is_empty() {
                self.further.remove(&first);
            }
        }
        if let Some(next) = next.filter(|_| further.len() > 0) {
            self.further.insert(next, further.collect());
        }
    }

    fn leave_queues(&mut self, slot: u32) {
        let Some(open) = self.open_at(slot) else { return };
        let (first, held) = (open.connection.first.ordinal, std::mem::take(&mut open.connection.share));
        let (due, since) = (open.due.take(), open.holds_since.take());
        if let Some(due) = due {
            self.due.remove(&(due, first, slot));
        }
        if let Some(since) = since {
            self.holders.remove(&(since, slot));
        }
        self.held = self.held.saturating_sub(held);
    }
}
