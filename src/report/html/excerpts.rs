//! Excerpts: what was said around a finding, taken from the events of its session while they pass by.
//!
//! A finding comes after the event that it is about, often some events later, and what follows that event comes after both. So
//! the last entries of each open session are kept, and an excerpt goes on being filled until it has all that it wants. Bounds:
//! [`MOST_ENTRIES`] of one session, [`MOST_BYTES`] of all; where the second acts, the session of which nothing was heard for the
//! longest time loses its entries, and an excerpt says how many entries stood before what it has.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use crate::record::{Finding, Proof, Record, SessionId};

use super::entry::{Entry, Kind};

/// So many entries stand before the one that is marked, and so many behind it.
const AROUND: u64 = 4;
/// Of one session.
const MOST_ENTRIES: usize = 96;
/// Of all open sessions together.
const MOST_BYTES: usize = 6 << 20;
/// What an open session takes beside its entries.
const OPEN: usize = 256;

/// What was said around a finding.
#[derive(Clone, Debug, Default)]
pub(super) struct Excerpt {
    pub entries: Vec<Arc<Entry>>,
    /// The number of the event that is marked.
    pub marked: Option<u64>,
    /// How many events stood before these entries.
    pub before: u64,
    /// How many followed them.
    pub after: u64,
    /// The last event that it wants.
    until: u64,
}

/// All excerpts, and what of open sessions may yet be wanted for one.
#[derive(Debug, Default)]
pub(super) struct Excerpts {
    open: BTreeMap<SessionId, Talk>,
    /// Open sessions by when they were heard of last.
    by_use: BTreeMap<u64, SessionId>,
    /// Rises with every event.
    now: u64,
    bytes: usize,
    taken: BTreeMap<u64, Excerpt>,
}

/// The last of what was said in one session.
#[derive(Debug, Default)]
struct Talk {
    used: u64,
    entries: VecDeque<Arc<Entry>>,
    bytes: usize,
    /// Findings with an excerpt of it.
    wanted: Vec<u64>,
}

impl Excerpts {
    /// Takes an event.
    pub(super) fn event(&mut self, record: &Record) {
        let Some((session, entry)) = Entry::of(record) else { return };
        self.now = self.now.saturating_add(1);
        let talk = self.open.entry(session).or_insert_with(|| {
            self.bytes = self.bytes.saturating_add(OPEN);
            Talk::default()
        });
        self.by_use.remove(&talk.used);
        talk.used = self.now;
        self.by_use.insert(self.now, session);
        let before = talk.bytes;
        let entry = talk.push(entry);
        self.bytes = self.bytes.saturating_add(talk.bytes).saturating_sub(before);
        let taken = &mut self.taken;
        talk.wanted.retain(|nth| taken.get_mut(nth).map(|excerpt| excerpt.push(&entry)).is_some());
        while self.bytes > MOST_BYTES && self.forget_one() {}
    }

    /// Begins the excerpt of the nth finding.
    pub(super) fn finding(&mut self, nth: u64, finding: &Finding) {
        let Some(talk) = self.open.get_mut(&finding.session) else { return };
        let Some((centre, is_marked)) = talk.centre(finding) else { return };
        let mut excerpt =
            Excerpt { marked: is_marked.then_some(centre), until: centre.saturating_add(AROUND), ..Excerpt::default() };
        let from = centre.saturating_sub(AROUND);
        for entry in talk.entries.iter().filter(|entry| entry.events.1 >= from) {
            excerpt.push(entry);
        }
        excerpt.before = excerpt.entries.first().map_or(0, |entry| entry.events.0.saturating_sub(1));
        self.taken.insert(nth, excerpt);
        talk.wanted.push(nth);
    }

    /// The session is over.
    pub(super) fn ended(&mut self, session: &SessionId) {
        if let Some(talk) = self.open.remove(session) {
            self.by_use.remove(&talk.used);
            self.bytes = self.bytes.saturating_sub(talk.bytes).saturating_sub(OPEN);
        }
    }

    /// The excerpt of the nth finding is not wanted any more.
    pub(super) fn forget(&mut self, nth: u64) {
        self.taken.remove(&nth);
    }

    /// The excerpt of the nth finding.
    pub(super) fn of(&self, nth: u64) -> Option<&Excerpt> {
        self.taken.get(&nth).filter(|excerpt| !excerpt.entries.is_empty())
    }

    /// Whether there was a session to forget.
    fn forget_one(&mut self) -> bool {
        let Some((_, session)) = self.by_use.pop_first() else { return false };
        if let Some(talk) = self.open.remove(&session) {
            self.bytes = self.bytes.saturating_sub(talk.bytes).saturating_sub(OPEN);
        }
        true
    }
}

impl Talk {
    /// Handshakes are told in steps: a later one takes the place of the one before.
    fn push(&mut self, entry: Entry) -> Arc<Entry> {
        let mut entry = entry;
        if entry.kind == Kind::Tls
            && let Some(last) = self.entries.back().filter(|last| last.kind == Kind::Tls).map(Arc::clone)
        {
            entry.events.0 = last.events.0;
            self.bytes = self.bytes.saturating_sub(last.cost());
            self.entries.pop_back();
        }
        if self.entries.len() >= MOST_ENTRIES
            && let Some(first) = self.entries.pop_front()
        {
            self.bytes = self.bytes.saturating_sub(first.cost());
        }
        self.bytes = self.bytes.saturating_add(entry.cost());
        let entry = Arc::new(entry);
        self.entries.push_back(Arc::clone(&entry));
        entry
    }

    /// The event that a finding is about, and whether that is sure enough to mark it: by its number, else by its packets.
    fn centre(&self, finding: &Finding) -> Option<(u64, bool)> {
        if let Some(event) = finding.event {
            let is_kept = self.entries.iter().any(|entry| entry.has(event));
            return is_kept.then_some((event, true));
        }
        let carries =
            |entry: &&Arc<Entry>| finding.packets.iter().any(|packet| entry.is_in(&packet.capture, packet.frame));
        let of_data = matches!(finding.evidence.get("place"), Some(Proof::Text(place)) if place == "data");
        let message = self.entries.iter().filter(|entry| of_data && entry.kind == Kind::Message).find(carries);
        let placed = message.or_else(|| self.entries.iter().find(carries));
        let last = || self.entries.back().map(|entry| (entry.events.1, false));
        placed.map(|entry| (entry.events.1, true)).or_else(last)
    }
}

impl Excerpt {
    fn push(&mut self, entry: &Arc<Entry>) {
        match self.entries.last_mut() {
            Some(last) if last.kind == Kind::Tls && entry.kind == Kind::Tls => *last = Arc::clone(entry),
            _ if entry.events.0 <= self.until => self.entries.push(Arc::clone(entry)),
            _ => self.after = self.after.saturating_add(1),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::testing;

    fn command(session: u8, event: u64) -> Record {
        let Some(Record::Command(command)) = testing::events().into_iter().next() else {
            unreachable!("a command first")
        };
        Record::Command(Box::new(crate::record::Command { session: id(session), event, ..*command }))
    }

    fn id(nth: u8) -> SessionId {
        serde_json::from_str(&format!("\"{nth:016x}\"")).unwrap()
    }

    fn finding(session: u8, event: u64) -> Finding {
        let Record::Finding(finding) = testing::finding() else { unreachable!("a finding's record") };
        Finding { session: id(session), event: Some(event), ..*finding }
    }

    fn shape(excerpt: &Excerpt) -> (Vec<u64>, u64, u64) {
        (excerpt.entries.iter().map(|entry| entry.events.0).collect(), excerpt.before, excerpt.after)
    }

    #[test]
    fn an_excerpt_has_what_came_before_its_finding_and_what_came_after() {
        let mut excerpts = Excerpts::default();
        (1..=8).for_each(|event| excerpts.event(&command(1, event)));
        excerpts.finding(0, &finding(1, 7));
        (9..=20).for_each(|event| excerpts.event(&command(1, event)));
        assert_eq!(shape(excerpts.of(0).unwrap()), ((3..=11).collect(), 2, 9));
        assert_eq!(excerpts.of(0).unwrap().marked, Some(7));
    }

    #[test]
    fn sessions_that_alternate_do_not_mix() {
        let mut excerpts = Excerpts::default();
        for event in 1..=3 {
            excerpts.event(&command(1, event));
            excerpts.event(&command(2, event));
        }
        excerpts.finding(0, &finding(1, 1));
        excerpts.event(&command(2, 4));
        excerpts.ended(&id(1));
        assert_eq!(shape(excerpts.of(0).unwrap()), (vec![1, 2, 3], 0, 0));
    }

    #[test]
    fn a_finding_told_too_late_has_no_excerpt() {
        let mut excerpts = Excerpts::default();
        let most = MOST_ENTRIES as u64;
        (1..=most + 1).for_each(|event| excerpts.event(&command(1, event)));
        excerpts.finding(0, &finding(1, 1));
        excerpts.finding(1, &finding(1, 2));
        assert!(excerpts.of(0).is_none());
        assert_eq!(shape(excerpts.of(1).unwrap()).0, (2..=6).collect::<Vec<_>>());
    }

    #[test]
    fn many_open_sessions_take_no_more_than_the_bound_and_the_idlest_goes_first() {
        let mut excerpts = Excerpts::default();
        let id = |nth: u64| -> SessionId { serde_json::from_str(&format!("\"{nth:016x}\"")).unwrap() };
        for nth in 0..20_000 {
            let Record::Command(command) = command(0, 1) else { unreachable!("a command") };
            excerpts.event(&Record::Command(Box::new(crate::record::Command { session: id(nth), ..*command })));
            assert!(excerpts.bytes <= MOST_BYTES, "{nth}");
        }
        assert!(excerpts.open.len() < 20_000 && excerpts.open.contains_key(&id(19_999)));
        assert!(!excerpts.open.contains_key(&id(0)));
        (0..20_000).for_each(|nth| excerpts.ended(&id(nth)));
        assert_eq!((excerpts.bytes, excerpts.by_use.len()), (0, 0));
    }
}
