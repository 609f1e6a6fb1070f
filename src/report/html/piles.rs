//! Which findings the page shows: of each group some in full, of each message and server one first, and the others as rows.
//!
//! Bounds: [`of_group`] and [`MOST_WHOLE`] in full; all others as rows up to [`MANY`] findings, beyond that [`ROWS`] of a group
//! and [`MOST_ROWS`] in all; [`MOST_PILES`] groups. What a bound leaves out is of the least severity, and is counted by the group.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::base::Known;
use crate::record::{End, Finding, Fingerprint, Frame, Name, Proof, ServerEnd, SessionId, When};
use crate::report::digest::Group;
use crate::rules::Severity;

use super::line::Line;

/// In full, of all groups together.
const MOST_WHOLE: usize = 1_000;
/// Up to so many findings all of them are shown.
const MANY: u64 = 3_000;
/// Where there are more, so many rows of a group.
const ROWS: usize = 200;
/// And so many of all groups together.
const MOST_ROWS: usize = 8_000;
/// Groups of which findings are kept.
const MOST_PILES: usize = 500;
/// Of a reply that is quoted as evidence, so many lines.
const QUOTED: usize = 8;

/// In full, of one group.
fn of_group(severity: Severity) -> usize {
    if severity >= Severity::High { 25 } else { 10 }
}

/// A finding that is shown in full.
#[derive(Clone, Debug)]
pub(super) struct Whole {
    pub row: Row,
    pub client: End,
    pub server: ServerEnd,
    pub packets: Vec<Frame>,
    pub confidence: u8,
    pub fingerprint: Fingerprint,
    pub evidence: Vec<(Name, Quoted)>,
    /// None before it in its group has its message and server.
    is_new: bool,
}

/// A finding that is a row of a table.
#[derive(Clone, Debug)]
pub(super) struct Row {
    /// Its number among all findings.
    pub nth: u64,
    pub time: When,
    pub client: End,
    pub server: Known,
    pub message: Line,
    /// The first of its packets.
    pub capture: Arc<str>,
    pub frame: u64,
    pub session: SessionId,
}

/// A piece of evidence.
#[derive(Clone, Debug)]
pub(super) enum Quoted {
    Words(Line),
    Number(u64),
    Flag(bool),
    /// Lines, and how many more there are.
    Lines(Vec<Line>, usize),
}

/// A group's name. The least severe sort first.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Key {
    severity: Severity,
    rule: Name,
    check: Name,
    title: Name,
}

/// What is kept of one group.
#[derive(Debug, Default)]
pub(super) struct Pile {
    pub whole: Vec<Whole>,
    pub rows: Vec<Row>,
    /// Messages and servers that are among those in full.
    seen: BTreeSet<(Line, Known)>,
}

/// What is kept of all groups.
#[derive(Debug, Default)]
pub(super) struct Piles {
    groups: BTreeMap<Key, Pile>,
    findings: u64,
    whole: usize,
    rows: usize,
}

/// What became of a finding.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Taken {
    /// It is shown in full, under this number.
    pub whole: Option<u64>,
    /// This one is not shown in full any more.
    pub not_whole: Option<u64>,
}

impl Piles {
    pub(super) fn take(&mut self, finding: &Finding) -> Taken {
        let nth = self.findings;
        self.findings = self.findings.saturating_add(1);
        if nth == MANY {
            self.cut();
        }
        let key = Key {
            severity: finding.severity,
            rule: finding.rule.clone(),
            check: finding.check.clone(),
            title: finding.title.clone(),
        };
        if !self.groups.contains_key(&key) && !self.makes_pile(finding.severity) {
            return Taken::default();
        }
        let mut taken = Taken::default();
        let pile = self.groups.entry(key).or_default();
        let row = Row::of(nth, finding);
        let most = of_group(finding.severity);
        let is_new = pile.seen.len() < most && pile.seen.insert((row.message.clone(), row.server.clone()));
        let is_full = pile.whole.len() >= most;
        // One that is new takes the place of the last that is not.
        let repeat = pile.whole.iter().rposition(|whole| !whole.is_new).filter(|_| is_full && is_new);
        let mut spare = None;
        if is_full && repeat.is_none() {
            spare = Some(row);
        } else {
            if let Some(at) = repeat {
                let old = pile.whole.remove(at).row;
                taken.not_whole = Some(old.nth);
                spare = Some(old);
                self.whole = self.whole.saturating_sub(1);
            }
            pile.whole.push(Whole::of(row, finding, is_new));
            taken.whole = Some(nth);
            self.whole = self.whole.saturating_add(1);
        }
        let most = if nth >= MANY { ROWS } else { usize::MAX };
        if let Some(row) = spare.filter(|_| pile.rows.len() < most) {
            pile.rows.push(row);
            self.rows = self.rows.saturating_add(1);
        }
        if self.rows > MOST_ROWS {
            self.drop_row();
        }
        if self.whole > MOST_WHOLE {
            // Only one of the two can happen: a finding that takes another's place adds none.
            taken.not_whole = self.drop_whole();
        }
        taken
    }

    /// What is kept of the group.
    pub(super) fn of(&self, group: &Group) -> Option<&Pile> {
        self.groups.get(&Key {
            severity: group.severity,
            rule: group.rule.clone(),
            check: group.check.clone(),
            title: group.title.clone(),
        })
    }

    /// There are too many findings for all to be rows.
    fn cut(&mut self) {
        for pile in self.groups.values_mut() {
            pile.rows.sort_by_key(|row| row.nth);
            pile.rows.truncate(ROWS);
        }
        self.rows = self.groups.values().map(|pile| pile.rows.len()).fold(0, usize::saturating_add);
    }

    /// Whether there is room for one more group of that severity.
    fn makes_pile(&mut self, severity: Severity) -> bool {
        if self.groups.len() < MOST_PILES {
            return true;
        }
        match self.groups.first_entry() {
            Some(least) if least.key().severity < severity => {
                let pile = least.remove();
                self.whole = self.whole.saturating_sub(pile.whole.len());
                self.rows = self.rows.saturating_sub(pile.rows.len());
                true
            }
            _ => false,
        }
    }

    fn drop_row(&mut self) {
        if let Some(pile) = self.groups.values_mut().find(|pile| !pile.rows.is_empty()) {
            pile.rows.pop();
            self.rows = self.rows.saturating_sub(1);
        }
    }

    /// The last one in full of the least severe group that has several, which becomes a row.
    fn drop_whole(&mut self) -> Option<u64> {
        let pile = self.groups.values_mut().find(|pile| pile.whole.len() > 1)?;
        let row = pile.whole.pop()?.row;
        self.whole = self.whole.saturating_sub(1);
        let nth = row.nth;
        if pile.rows.len() < ROWS && self.rows < MOST_ROWS {
            pile.rows.push(row);
            self.rows = self.rows.saturating_add(1);
        }
        Some(nth)
    }
}

impl Row {
    fn of(nth: u64, finding: &Finding) -> Self {
        let first = finding.packets.first();
        Row {
            nth,
            time: finding.time,
            client: finding.client,
            server: finding.server.known(),
            message: Line::of(&finding.message),
            capture: first.map_or_else(|| Arc::from(""), |packet| Arc::clone(&packet.capture)),
            frame: first.map_or(0, |packet| packet.frame),
            session: finding.session,
        }
    }
}

impl Whole {
    /// Those that differ from the ones before them first, then in their order.
    pub(super) fn sort_key(&self) -> impl Ord + use<> {
        (!self.is_new, self.row.nth)
    }

    fn of(row: Row, finding: &Finding, is_new: bool) -> Self {
        Whole {
            row,
            client: finding.client,
            server: finding.server.clone(),
            packets: finding.packets.clone(),
            confidence: finding.confidence,
            fingerprint: finding.fingerprint,
            evidence: finding.evidence.iter().filter_map(quoted).collect(),
            is_new,
        }
    }
}

/// Empty evidence says nothing.
fn quoted((name, proof): (&str, &Proof)) -> Option<(Name, Quoted)> {
    let quoted = match proof {
        Proof::Text(text) if text.is_empty() => return None,
        Proof::Text(text) => Quoted::Words(Line::of(text)),
        Proof::Number(number) => Quoted::Number(*number),
        Proof::Flag(flag) => Quoted::Flag(*flag),
        Proof::List(items) if items.iter().all(String::is_empty) => return None,
        Proof::List(items) if !matches!(name, "reply_text" | "greeting") => Quoted::Words(Line::of(&items.join(", "))),
        Proof::List(items) => {
            let lines = items.iter().take(QUOTED).map(|line| Line::of(line)).collect();
            Quoted::Lines(lines, items.len().saturating_sub(QUOTED))
        }
    };
    Some((name.to_owned().into(), quoted))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::{Record, testing};

    fn finding(severity: Severity, title: &'static str, server: u8) -> Finding {
        let Record::Finding(mut finding) = testing::finding() else { unreachable!("a finding's record") };
        finding.server.ip = [192, 0, 2, server].into();
        Finding { severity, title: title.into(), ..*finding }
    }

    fn kept(piles: &Piles) -> Vec<(&str, usize, usize)> {
        piles.groups.iter().map(|(key, pile)| (&*key.title, pile.whole.len(), pile.rows.len())).collect()
    }

    #[test]
    fn a_new_server_takes_the_place_of_a_repeat() {
        let mut piles = Piles::default();
        for _ in 0..20 {
            piles.take(&finding(Severity::Low, "low", 1));
        }
        assert_eq!(kept(&piles), [("low", 10, 10)]);
        assert_eq!(piles.take(&finding(Severity::Low, "low", 2)), Taken { whole: Some(20), not_whole: Some(9) });
        assert_eq!(piles.take(&finding(Severity::Low, "low", 2)), Taken::default());
        assert_eq!(kept(&piles), [("low", 10, 12)]);
    }

    #[test]
    fn of_many_findings_each_group_keeps_its_first_rows() {
        let mut piles = Piles::default();
        for _ in 0..MANY {
            piles.take(&finding(Severity::High, "high", 1));
        }
        assert_eq!(kept(&piles), [("high", 25, 2975)]);
        for _ in 0..MANY {
            piles.take(&finding(Severity::Low, "low", 1));
        }
        assert_eq!(kept(&piles), [("low", 10, ROWS), ("high", 25, ROWS)]);
        assert_eq!(piles.groups.values().last().unwrap().rows.last().unwrap().nth, 224);
    }

    #[test]
    fn of_too_many_groups_the_least_severe_go_and_no_group_loses_its_last_one_in_full() {
        let mut piles = Piles::default();
        let title = |nth: usize| -> &'static str { Box::leak(nth.to_string().into_boxed_str()) };
        for nth in 0..=MOST_PILES {
            for _ in 0..3 {
                piles.take(&finding(Severity::Low, title(nth), 1));
            }
        }
        assert_eq!((piles.groups.len(), piles.whole), (MOST_PILES, MOST_WHOLE));
        assert!(piles.groups.values().all(|pile| !pile.whole.is_empty()));
        piles.take(&finding(Severity::High, "high", 1));
        assert_eq!(piles.groups.len(), MOST_PILES);
        assert!(piles.groups.last_key_value().unwrap().0.title == "high");
    }
}
