//! The truth about traffic: a line for each mail session and each finding as they come, and the sums at the end.

use std::collections::{BTreeMap, HashSet};
use std::fmt;
use std::io::{self, Write};
use std::net::SocketAddr;

use super::flow::Flow;
use super::plant::Finding;
use super::wire::Counts;

/// The sums.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// Packets in the capture.
    pub packets: u64,
    /// Their octets.
    pub bytes: u64,
    /// Packets of 64 to 128 octets.
    pub small: u64,
    /// Flows, mail or not.
    pub flows: u64,
    /// The most flows that ran at the same time.
    pub concurrent: u64,
    /// TCP connections to port 25.
    pub connections: u64,
    /// Those on which something was said.
    pub sessions: u64,
    /// Commands in them, captured or not.
    pub commands: u64,
    /// Replies in them.
    pub replies: u64,
    /// Sessions of which the capture does not hold every octet.
    pub torn: u64,
    /// Findings that have to be told, by check and severity.
    pub findings: BTreeMap<(String, String), u64>,
}

impl Totals {
    /// All but the findings, with their names.
    fn named(&self) -> [(&'static str, u64); 10] {
        [
            ("packets", self.packets),
            ("bytes", self.bytes),
            ("small", self.small),
            ("flows", self.flows),
            ("concurrent", self.concurrent),
            ("connections", self.connections),
            ("sessions", self.sessions),
            ("commands", self.commands),
            ("replies", self.replies),
            ("torn", self.torn),
        ]
    }
}

impl fmt::Display for Totals {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (name, count) in self.named() {
            writeln!(f, "{name}\t{count}")?;
        }
        for ((check, severity), count) in &self.findings {
            writeln!(f, "{check} {severity}\t{count}")?;
        }
        Ok(())
    }
}

/// The truth while it is being written.
pub(super) struct Tally<'t, T> {
    out: &'t mut T,
    totals: Totals,
    /// The conditions of servers that were told.
    told: HashSet<(SocketAddr, Finding)>,
}

impl<'t, T: Write> Tally<'t, T> {
    pub(super) fn new(out: &'t mut T) -> Self {
        Tally { out, totals: Totals::default(), told: HashSet::new() }
    }

    /// So many flows run at the same time.
    pub(super) fn running(&mut self, flows: usize) {
        self.totals.concurrent = self.totals.concurrent.max(flows as u64);
    }

    /// A connection that nobody answered.
    pub(super) fn unanswered(&mut self) {
        self.totals.flows += 1;
        self.totals.connections += 1;
    }

    /// A flow is over.
    pub(super) fn over(&mut self, flow: &Flow) -> io::Result<()> {
        let (script, client, server) = (&flow.script, flow.client, flow.server);
        self.totals.flows += 1;
        if script.udp || server.port() != 25 {
            return Ok(());
        }
        self.totals.connections += 1;
        self.totals.sessions += 1;
        self.totals.commands += script.commands;
        self.totals.replies += script.replies;
        let [missing_client, missing_server] = flow.missing;
        self.totals.torn += u64::from(missing_client + missing_server > 0);
        let checks: Vec<String> =
            script.findings.iter().map(|finding| format!("{}={}", finding.check, finding.times)).collect();
        let (commands, replies) = (script.commands, script.replies);
        writeln!(
            self.out,
            "session\t{client}\t{server}\t{commands}\t{replies}\t{missing_client}\t{missing_server}\t{}",
            checks.join(",")
        )?;
        for &finding in &script.findings {
            let Finding { check, severity, of_server, .. } = finding;
            if of_server && !self.told.insert((server, finding)) {
                continue;
            }
            let who = if of_server { "-".to_owned() } else { client.to_string() };
            writeln!(self.out, "finding\t{who}\t{server}\t{check}\t{severity}")?;
            *self.totals.findings.entry((check.to_owned(), severity.to_owned())).or_default() += 1;
        }
        Ok(())
    }

    /// The sums, with those of the capture.
    pub(super) fn finish(mut self, counts: Counts) -> io::Result<Totals> {
        (self.totals.packets, self.totals.bytes, self.totals.small) = (counts.packets, counts.bytes, counts.small);
        for (name, count) in self.totals.named() {
            writeln!(self.out, "total\t{name}\t{count}")?;
        }
        self.out.flush()?;
        Ok(self.totals)
    }
}
