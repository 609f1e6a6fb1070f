//! In which connections something was reported: enough to find their packets again, and what to say beside those that
//! carry a finding.
//!
//! Bounds: [`Limit::EvidenceBytes`]; beyond it connections and comments are left out, and counted.

use std::collections::BTreeMap;

use foldhash::fast::RandomState;
use hashbrown::HashMap;

use crate::base::{FlowKey, Limit, Limits, Ordinal, Tally};
use crate::ledger::{Found, SessionEnd, Who};
use crate::report::pcapng;
use crate::rules::Catalogue;

/// What a connection and a comment are taken to cost beside the comment's text.
const CONNECTION_COST: usize = 128;
const COMMENT_COST: usize = 64;

/// The connections, and the comments on their packets.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Flagged {
    /// Whether every capture is treated alone: the keys of one say nothing of those of another.
    separate: bool,
    /// The packets of each flow's connections: of one the first and the last, in the order of the first ones.
    stretches: HashMap<FlowKey, Vec<Stretch>, RandomState>,
    comments: BTreeMap<Ordinal, Vec<String>>,
    most: usize,
    cost: usize,
    left_out: u64,
    /// Comments for which there was no room.
    untold: u64,
}

/// The packets of one connection, from its first to its last; one that did not end yet has no last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Stretch {
    first: Ordinal,
    last: Option<Ordinal>,
}

impl Stretch {
    fn holds(&self, packet: Ordinal) -> bool {
        self.first <= packet && self.last.is_none_or(|last| packet <= last)
    }
}

/// So many connections of one flow go on at the same time at most that are looked through: where one takes another's
/// place, a few packets of the old one come behind the first of the new; and captures that overlap may hold as many.
const AT_ONCE: usize = 512;

impl Flagged {
    pub(super) fn new(limits: &Limits, separate: bool) -> Self {
        let most = usize::try_from(limits.get(Limit::EvidenceBytes)).unwrap_or(usize::MAX);
        Flagged { separate, most, ..Flagged::default() }
    }

    /// What connections of one flow are sorted by.
    fn order(separate: bool, first: Ordinal) -> (u32, Ordinal) {
        (if separate { first.rank() } else { 0 }, first)
    }

    /// Something was reported.
    pub(super) fn found(&mut self, found: &Found, catalogue: &Catalogue) {
        let (flow, first) = (found.who.flow(), found.who.first.ordinal);
        let known = self.stretches.get(&flow).is_some_and(|known| known.iter().any(|one| one.first == first));
        if !known {
            if !self.has_room(CONNECTION_COST) {
                self.leave_out();
                return;
            }
            let stretches = self.stretches.entry(flow).or_default();
            let order = |first| Self::order(self.separate, first);
            let place = stretches.partition_point(|one| order(one.first) < order(first));
            stretches.insert(place, Stretch { first, last: None });
        }
        let text = pcapng::comment(&found.finding, catalogue);
        for packet in found.finding.packets.iter() {
            let said = self.comments.get(&packet).is_some_and(|said| said.contains(&text));
            if said {
                continue;
            }
            if self.has_room(text.len().saturating_add(COMMENT_COST)) {
                self.comments.entry(packet).or_default().push(text.clone());
            } else {
                self.untold = self.untold.saturating_add(1);
            }
        }
    }

    /// A session is over.
    pub(super) fn ended(&mut self, ended: &SessionEnd) {
        let who = Who::of(&ended.session);
        let stretches = self.stretches.get_mut(&who.flow()).into_iter().flatten();
        for stretch in stretches.filter(|one| one.first == who.first.ordinal) {
            stretch.last = Some(ended.session.last.ordinal);
        }
    }

    /// Whether a packet of this flow is one of a connection in which something was reported.
    pub(super) fn wants(&self, flow: &FlowKey, packet: Ordinal) -> bool {
        let Some(stretches) = self.stretches.get(flow) else { return false };
        let order = |first| Self::order(self.separate, first);
        let begun = stretches.partition_point(|one| order(one.first) <= order(packet));
        let begun = stretches.get(begun.saturating_sub(AT_ONCE)..begun).unwrap_or_default();
        let is_of = |one: &Stretch| !self.separate || one.first.rank() == packet.rank();
        begun.iter().rev().any(|one| is_of(one) && one.holds(packet))
    }

    /// What is to be said beside a packet.
    pub(super) fn comments(&self, packet: Ordinal) -> &[String] {
        self.comments.get(&packet).map_or(&[], Vec::as_slice)
    }

    /// Whether nothing was reported.
    pub(super) fn is_empty(&self) -> bool {
        self.stretches.is_empty()
    }

    /// Findings of connections for which there was no room.
    pub(super) fn left_out(&self) -> u64 {
        self.left_out
    }

    /// There is no room for one more of its packets.
    pub(super) fn leave_out(&mut self) {
        self.left_out = self.left_out.saturating_add(1);
    }

    /// How often the bound acted.
    pub(super) fn limits_hit(&self) -> Tally {
        let mut hit = Tally::default();
        hit.add(Limit::EvidenceBytes.key(), self.left_out.saturating_add(self.untold));
        hit
    }

    /// Takes so much of what there is, or nothing where there is less.
    pub(super) fn has_room(&mut self, cost: usize) -> bool {
        let after = self.cost.saturating_add(cost);
        let fits = after <= self.most;
        if fits {
            self.cost = after;
        }
        fits
    }
}
