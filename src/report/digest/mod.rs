//! What a person looks at, gathered from records: findings in groups with the worst first, servers with the worst first, and the
//! summary. Knows nothing of how it is shown.
//!
//! Bounds: [`groups::MOST_GROUPS`] groups, [`Keep`] findings of them, [`servers::MOST_SERVERS`] servers. What a bound leaves out is
//! of the least severity, and is counted.
//!
//! Read in this order: [`distinct`], [`groups`], [`servers`], then this file.

mod distinct;
mod groups;
mod servers;

pub(crate) use distinct::Distinct;
pub(crate) use groups::{By, Group, Grouped, Groups, Keep, Subject};
pub(crate) use servers::{Listed, Servers};

use std::collections::BTreeMap;

use crate::ledger::{Kind, Records};
use crate::record::{Record, Start, Summary};
use crate::rules::Severity;

/// Everything that was told, gathered.
#[derive(Debug)]
pub(crate) struct Digest {
    pub start: Option<Box<Start>>,
    pub groups: Groups,
    pub servers: Servers,
    pub summary: Option<Box<Summary>>,
    /// The records that it is made of.
    pub kinds: Records,
    /// Every finding that came, by severity.
    times: BTreeMap<Severity, u64>,
}

impl Digest {
    pub(crate) fn new(by: By, keep: Keep, kinds: Records) -> Self {
        Digest {
            start: None,
            groups: Groups::new(by, keep),
            servers: Servers::default(),
            summary: None,
            kinds,
            times: BTreeMap::new(),
        }
    }

    /// How many findings there were, by severity: those that came or, where none were asked for, those that the summary counts.
    pub(crate) fn times(&self) -> BTreeMap<Severity, u64> {
        match &self.summary {
            Some(summary) if !self.kinds.has(Kind::Findings) => {
                let of = |severity: Severity| {
                    summary.findings.values().map(|by| by.of(severity)).fold(0, u64::saturating_add)
                };
                Severity::ALL.into_iter().map(|severity| (severity, of(severity))).collect()
            }
            _ => self.times.clone(),
        }
    }

    /// Whether anything came that there is something to say of.
    pub(crate) fn is_empty(&self) -> bool {
        self.summary.is_none() && self.servers.len() == 0 && self.times.is_empty()
    }

    /// Takes the next record; sessions and events leave nothing here.
    pub(crate) fn take(&mut self, record: &Record) {
        match record {
            Record::Start(start) => self.start = Some(start.clone()),
            Record::Finding(finding) => {
                let times = self.times.entry(finding.severity).or_default();
                *times = times.saturating_add(1);
                let separate = self.start.as_ref().is_some_and(|start| start.options.separate);
                self.servers.found(finding, separate);
                self.groups.take(finding);
            }
            Record::Server(server) => self.servers.told(server),
            Record::Summary(summary) => self.summary = Some(summary.clone()),
            _ => {}
        }
    }
}
