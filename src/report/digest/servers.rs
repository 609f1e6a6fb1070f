//! Servers, the worst first: what their records say, and what was found of each.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::sync::Arc;

use crate::base::Known;
use crate::record::{Finding, Name, Server};
use crate::rules::{About, Severity};

/// So many servers are told apart; findings of others are in no row.
pub(super) const MOST_SERVERS: usize = 1 << 16;

/// A server, where captures are treated alone that of one.
type Which = (Known, Option<Arc<str>>);

/// All servers, while records come.
#[derive(Debug, Default)]
pub(crate) struct Servers {
    told: BTreeMap<Which, Box<Server>>,
    found: BTreeMap<Which, Found>,
}

/// What was found of one.
#[derive(Clone, Debug, Default)]
struct Found {
    times: BTreeMap<Severity, u64>,
    worst: Option<Worst>,
}

/// The worst finding: by severity, then as groups are ranked.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Worst {
    severity: Reverse<Severity>,
    about: About,
    check: Name,
    rule: Name,
}

/// A row of the table.
#[derive(Debug)]
pub(crate) struct Listed<'s> {
    pub server: &'s Server,
    /// Of the worst finding.
    pub severity: Option<Severity>,
    /// The worst finding's rule and check.
    pub worst: Option<(&'s str, &'s str)>,
    times: Option<&'s BTreeMap<Severity, u64>>,
}

impl Listed<'_> {
    /// How many findings of that severity.
    pub(crate) fn times(&self, severity: Severity) -> u64 {
        self.times.and_then(|times| times.get(&severity)).copied().unwrap_or(0)
    }
}

impl Servers {
    pub(super) fn told(&mut self, server: &Server) {
        let which = (server.known(), server.capture.clone());
        if self.told.len() < MOST_SERVERS || self.told.contains_key(&which) {
            self.told.insert(which, Box::new(server.clone()));
        }
    }

    pub(super) fn found(&mut self, finding: &Finding, separate: bool) {
        let capture = finding.packets.first().filter(|_| separate).map(|packet| Arc::clone(&packet.capture));
        let which = (finding.server.known(), capture);
        if self.found.len() >= MOST_SERVERS && !self.found.contains_key(&which) {
            return;
        }
        let found = self.found.entry(which).or_default();
        let times = found.times.entry(finding.severity).or_default();
        *times = times.saturating_add(1);
        let worst = Worst::of(finding);
        if found.worst.as_ref().is_none_or(|before| worst < *before) {
            found.worst = Some(worst);
        }
    }

    /// Those of which there is a record, the worst first.
    pub(crate) fn worst_first(&self) -> Vec<Listed<'_>> {
        let mut all: Vec<(&Which, Listed<'_>)> =
            self.told.iter().map(|(which, server)| (which, self.row(which, server))).collect();
        all.sort_by_cached_key(|(which, row)| {
            let worst = self.found.get(which).and_then(|found| found.worst.as_ref());
            let worst = worst.map(|worst| (worst.severity, worst.about));
            let times = Severity::ALL.iter().rev().map(|severity| Reverse(row.times(*severity))).collect::<Vec<_>>();
            // None sorts before all, so it is asked for first.
            (worst.is_none(), worst, times, (*which).clone())
        });
        all.into_iter().map(|(_, row)| row).collect()
    }

    /// How many there is a record of.
    pub(crate) fn len(&self) -> usize {
        self.told.len()
    }

    /// How many have a finding.
    pub(crate) fn with_findings(&self) -> usize {
        self.found.len()
    }

    /// The record of one.
    pub(crate) fn get(&self, known: &Known) -> Option<&Server> {
        let mut of_it = self.told.range((known.clone(), None)..);
        of_it.next().filter(|((other, _), _)| other == known).map(|(_, server)| &**server)
    }

    fn row<'s>(&'s self, which: &Which, server: &'s Server) -> Listed<'s> {
        let found = self.found.get(which);
        let worst = found.and_then(|found| found.worst.as_ref());
        Listed {
            server,
            severity: worst.map(|worst| worst.severity.0),
            worst: worst.map(|worst| (&*worst.rule, &*worst.check)),
            times: found.map(|found| &found.times),
        }
    }
}

impl Worst {
    fn of(finding: &Finding) -> Self {
        let (rule, check) = (finding.rule.clone(), finding.check.clone());
        Worst { severity: Reverse(finding.severity), about: finding.about, check, rule }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::{Record, testing};

    fn server(nth: u8) -> Server {
        let Record::Server(server) = testing::server() else { unreachable!("a server's record") };
        Server { ip: [192, 0, 2, nth].into(), ..*server }
    }

    fn finding(nth: u8, severity: Severity) -> Finding {
        let Record::Finding(mut finding) = testing::finding() else { unreachable!("a finding's record") };
        finding.server.ip = [192, 0, 2, nth].into();
        Finding { severity, ..*finding }
    }

    #[test]
    fn the_worst_server_is_first_and_one_without_findings_last() {
        let mut servers = Servers::default();
        for nth in [9, 10, 11, 12] {
            servers.told(&server(nth));
        }
        for (nth, severity) in [(10, Severity::Low), (11, Severity::High), (12, Severity::Low), (12, Severity::Low)] {
            servers.found(&finding(nth, severity), false);
        }
        let order: Vec<String> = servers.worst_first().iter().map(|row| row.server.ip.to_string()).collect();
        assert_eq!(order, ["192.0.2.11", "192.0.2.12", "192.0.2.10", "192.0.2.9"]);
        assert_eq!((servers.len(), servers.with_findings()), (4, 3));
        assert_eq!(servers.worst_first()[1].times(Severity::Low), 2);
    }

    #[test]
    fn where_captures_are_treated_alone_so_are_their_servers() {
        let mut servers = Servers::default();
        for capture in ["mail/monday.pcap", "mail/tuesday.pcap"] {
            servers.told(&Server { capture: Some(capture.into()), ..server(2) });
        }
        servers.found(&finding(2, Severity::Low), true);
        let found: Vec<_> =
            servers.worst_first().iter().map(|row| (row.server.capture.clone(), row.times(Severity::Low))).collect();
        assert_eq!(found, [(Some("mail/tuesday.pcap".into()), 1), (Some("mail/monday.pcap".into()), 0)]);
    }
}
