//! Findings in groups: those of one check that have one severity, of all servers or of one server, client or session each.
//!
//! A bound leaves out what is least severe: where a group too many comes, the least severe one goes, and where a finding too many
//! is kept, one of a less severe group.

use std::collections::BTreeMap;
use std::net::IpAddr;

use crate::base::Known;
use crate::record::{Finding, Name, SessionId, When};
use crate::rules::{About, Severity};

use super::Distinct;

/// A person reads no more groups; the least severe ones go.
pub(super) const MOST_GROUPS: usize = 10_000;

/// What findings are grouped by, beside severity and check.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum By {
    #[default]
    Check,
    Server,
    Client,
    Session,
}

/// How many findings are kept whole.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Keep {
    /// Of one group, the first ones; one at least.
    pub per_group: usize,
    /// Beside the first of each group.
    pub in_all: usize,
}

/// Whose findings stand together.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Subject {
    /// Everybody's.
    All,
    Server(Known),
    Client(IpAddr),
    Session(SessionId),
}

/// A group's name. The least severe sort first.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Key {
    severity: Severity,
    subject: Subject,
    rule: Name,
    check: Name,
    title: Name,
}

/// Findings of one check with one severity.
#[derive(Clone, Debug)]
pub(crate) struct Group {
    pub severity: Severity,
    pub rule: Name,
    pub check: Name,
    pub title: Name,
    pub about: About,
    /// The greatest of them.
    pub confidence: u8,
    /// How many there are.
    pub times: u64,
    pub first: When,
    pub last: When,
    pub servers: Distinct<Known>,
    pub clients: Distinct<IpAddr>,
    /// The first of them, in their order; one at least.
    pub findings: Vec<Finding>,
}

impl Group {
    fn of(finding: &Finding) -> Self {
        Group {
            severity: finding.severity,
            rule: finding.rule.clone(),
            check: finding.check.clone(),
            title: finding.title.clone(),
            about: finding.about,
            confidence: 0,
            times: 0,
            first: finding.time,
            last: finding.time,
            servers: Distinct::default(),
            clients: Distinct::default(),
            findings: vec![finding.clone()],
        }
    }

    fn add(&mut self, finding: &Finding) {
        self.confidence = self.confidence.max(finding.confidence);
        self.times = self.times.saturating_add(1);
        self.first = self.first.min(finding.time);
        self.last = self.last.max(finding.time);
        self.servers.add(finding.server.known());
        self.clients.add(finding.client.ip);
    }

    /// `rule/check`.
    pub(crate) fn id(&self) -> String {
        format!("{}/{}", self.rule, self.check)
    }

    /// The worst first: by severity, then faults of a server before what a client does and plain facts, then by confidence, by
    /// how many servers it concerns, and by how often.
    fn rank(&self) -> impl Ord + use<> {
        use std::cmp::Reverse;
        let often = (Reverse(self.confidence), Reverse(self.servers.len()), Reverse(self.times));
        (Reverse(self.severity), self.about, often, self.rule.clone(), self.check.clone(), self.title.clone())
    }
}

/// All groups, while findings come.
#[derive(Debug)]
pub(crate) struct Groups {
    by: By,
    keep: Keep,
    by_name: BTreeMap<Key, Group>,
    /// How many findings are kept beside the first of each group.
    kept: usize,
    /// For each severity: of which group a finding is kept beside the first, the last one on top.
    extras: BTreeMap<Severity, Vec<Key>>,
    /// Findings of groups that had to go, by severity.
    gone: BTreeMap<Severity, u64>,
}

/// One subject's groups, the worst first.
#[derive(Debug)]
pub(crate) struct Grouped<'g> {
    pub subject: &'g Subject,
    pub groups: Vec<&'g Group>,
}

impl Grouped<'_> {
    /// How many findings.
    pub(crate) fn times(&self) -> u64 {
        self.groups.iter().map(|group| group.times).fold(0, u64::saturating_add)
    }
}

impl Groups {
    pub(super) fn new(by: By, keep: Keep) -> Self {
        Groups { by, keep, by_name: BTreeMap::new(), kept: 0, extras: BTreeMap::new(), gone: BTreeMap::new() }
    }

    pub(crate) fn by(&self) -> By {
        self.by
    }

    /// Findings of groups for which there was no room, by severity: of the least severe groups.
    pub(crate) fn gone(&self) -> &BTreeMap<Severity, u64> {
        &self.gone
    }

    /// Each subject's groups, the worst subject first.
    pub(crate) fn worst_first(&self) -> Vec<Grouped<'_>> {
        let mut subjects: BTreeMap<&Subject, Vec<&Group>> = BTreeMap::new();
        for (key, group) in &self.by_name {
            subjects.entry(&key.subject).or_default().push(group);
        }
        let mut all: Vec<_> = subjects.into_iter().map(|(subject, groups)| Grouped { subject, groups }).collect();
        for grouped in &mut all {
            grouped.groups.sort_by_cached_key(|group| group.rank());
        }
        all.sort_by_cached_key(|grouped| {
            let worst = grouped.groups.first().map(|group| group.rank());
            let first = grouped.groups.iter().map(|group| group.first).min();
            (worst, std::cmp::Reverse(grouped.times()), first, grouped.subject.clone())
        });
        all
    }

    pub(super) fn take(&mut self, finding: &Finding) {
        let key = Key {
            severity: finding.severity,
            subject: self.subject(finding),
            rule: finding.rule.clone(),
            check: finding.check.clone(),
            title: finding.title.clone(),
        };
        if let Some(group) = self.by_name.get_mut(&key) {
            group.add(finding);
            if group.findings.len() < self.keep.per_group && self.makes_room(finding.severity) {
                self.keep(key, finding);
            }
            return;
        }
        if self.by_name.len() >= MOST_GROUPS {
            match self.by_name.first_entry() {
                Some(least) if least.key().severity < finding.severity => {
                    let (least, group) = least.remove_entry();
                    self.kept = self.kept.saturating_sub(group.findings.len().saturating_sub(1));
                    count(&mut self.gone, least.severity, group.times);
                }
                _ => return count(&mut self.gone, finding.severity, 1),
            }
        }
        let mut group = Group::of(finding);
        group.add(finding);
        self.by_name.insert(key, group);
    }

    fn subject(&self, finding: &Finding) -> Subject {
        match self.by {
            By::Check => Subject::All,
            By::Server => Subject::Server(finding.server.known()),
            By::Client => Subject::Client(finding.client.ip),
            By::Session => Subject::Session(finding.session),
        }
    }

    fn keep(&mut self, key: Key, finding: &Finding) {
        if let Some(group) = self.by_name.get_mut(&key) {
            group.findings.push(finding.clone());
            self.kept = self.kept.saturating_add(1);
            self.extras.entry(key.severity).or_default().push(key);
        }
    }

    /// Whether one more of this severity may be kept; where there is no room the last one of the least severity goes.
    fn makes_room(&mut self, severity: Severity) -> bool {
        while self.kept >= self.keep.in_all {
            let Some(mut least) = self.extras.first_entry() else { return false };
            if *least.key() >= severity {
                return false;
            }
            let Some(key) = least.get_mut().pop() else {
                least.remove();
                continue;
            };
            // A group that is gone took its findings along.
            if let Some(group) = self.by_name.get_mut(&key)
                && group.findings.len() > 1
            {
                group.findings.pop();
                self.kept = self.kept.saturating_sub(1);
            }
        }
        true
    }
}

fn count(counts: &mut BTreeMap<Severity, u64>, severity: Severity, times: u64) {
    let count = counts.entry(severity).or_default();
    *count = count.saturating_add(times);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::{Record, testing};

    const KEEP: Keep = Keep { per_group: 100, in_all: 10 };

    fn finding(severity: Severity, title: &'static str) -> Finding {
        let Record::Finding(finding) = testing::finding() else { unreachable!("a finding's record") };
        Finding { severity, title: title.into(), ..*finding }
    }

    fn gathered(by: By, findings: impl IntoIterator<Item = Finding>) -> Groups {
        let mut groups = Groups::new(by, KEEP);
        findings.into_iter().for_each(|finding| groups.take(&finding));
        groups
    }

    #[test]
    fn a_servers_fault_stands_before_what_many_clients_do() {
        let client = |nth: u8| {
            let mut finding = finding(Severity::High, "client");
            finding.about = About::Client;
            finding.server.ip = [192, 0, 2, nth].into();
            finding
        };
        let groups = gathered(
            By::Check,
            (0..9).map(client).chain([finding(Severity::Low, "low"), finding(Severity::High, "server")]),
        );
        let all = groups.worst_first();
        let titles: Vec<_> = all[0].groups.iter().map(|group| &*group.title).collect();
        assert_eq!(titles, ["server", "client", "low"]);
        assert_eq!((all[0].groups[1].servers.len(), all[0].times()), (9, 11));
    }

    #[test]
    fn findings_that_are_kept_give_way_to_worse_ones() {
        let many = |severity, title| (0..50).map(move |_| finding(severity, title));
        let groups = gathered(By::Check, many(Severity::Low, "low").chain(many(Severity::High, "high")));
        let all = groups.worst_first();
        let kept: Vec<_> =
            all[0].groups.iter().map(|group| (&*group.title, group.times, group.findings.len())).collect();
        assert_eq!(kept, [("high", 50, 11), ("low", 50, 1)], "the first of each, and ten of the worst");
    }

    #[test]
    fn of_too_many_groups_the_least_severe_go_and_are_counted() {
        let of_client = |severity, nth: u32| {
            let mut finding = finding(severity, "title");
            finding.client.ip = nth.to_be_bytes().into();
            finding
        };
        let most = u32::try_from(MOST_GROUPS).unwrap();
        let low = (0..most + 7).map(|nth| of_client(Severity::Low, nth));
        let groups = gathered(By::Client, low.chain([of_client(Severity::High, most + 8)]));
        assert_eq!(groups.gone(), &BTreeMap::from([(Severity::Low, 8)]));
        let all = groups.worst_first();
        assert_eq!((all.len(), all[0].groups[0].severity), (MOST_GROUPS, Severity::High));
    }
}
