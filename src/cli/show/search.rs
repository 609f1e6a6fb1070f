//! Looks for the one session or finding whose id begins in a certain way.
//!
//! Bounds: one session is kept ([`Bounds::ONE`]), and of others that are meant as well [`MOST`] ids.

use std::collections::{BTreeMap, BTreeSet};
use std::io;

use crate::capture::Stop;
use crate::engine::Sink;
use crate::ledger::Output;
use crate::record::{Clerk, Finding, Fingerprint, Record, Session, SessionId};
use crate::report::dialogue::{Bounds, Collector, Dialogue};

/// So many candidates are named.
const MOST: usize = 20;

/// What an id turned out to mean.
pub(super) enum Meant {
    Nothing,
    Session(Box<Dialogue>),
    Finding(Having),
    /// A line for each of the first of them.
    Several(Vec<String>),
}

/// A finding, and which sessions have it.
pub(super) struct Having {
    pub fingerprint: Fingerprint,
    /// The session in which it was found first.
    pub first: SessionId,
    /// How many sessions beside that one have it, and the first of them.
    pub others: u64,
    pub ids: Vec<SessionId>,
    /// What it is.
    check: String,
    /// Sessions that have it and are not over.
    open: BTreeSet<SessionId>,
}

/// Takes what the engine finds.
pub(super) struct Search {
    clerk: Clerk,
    id: String,
    stop: Stop,
    open: Option<(SessionId, Collector)>,
    found: Option<Box<Dialogue>>,
    /// Sessions that are meant, and over.
    sessions: Vec<String>,
    more: u64,
    findings: BTreeMap<Fingerprint, Having>,
}

impl Search {
    /// Sets `stop` when nothing more can be meant.
    pub(super) fn new(clerk: Clerk, id: &str, stop: Stop) -> Self {
        Search {
            clerk,
            id: id.to_owned(),
            stop,
            open: None,
            found: None,
            sessions: Vec::new(),
            more: 0,
            findings: BTreeMap::new(),
        }
    }

    /// The session of a whole id was found and is over.
    pub(super) fn is_over(&self) -> bool {
        self.found.as_ref().is_some_and(|found| *found.session.session == *self.id)
    }

    /// What was found.
    pub(super) fn meant(mut self) -> Meant {
        match (self.sessions.len(), self.findings.len(), self.found) {
            (0, 0, _) => Meant::Nothing,
            (1, 0, Some(found)) => Meant::Session(found),
            (0, 1, _) => self.findings.pop_first().map_or(Meant::Nothing, |(_, having)| Meant::Finding(having)),
            _ => {
                let mut all = self.sessions;
                all.extend(self.findings.values().map(|Having { fingerprint, check, first, .. }| {
                    format!("{fingerprint}  finding {check}, first in session {first}")
                }));
                let more = self.more.saturating_add(all.len().saturating_sub(MOST) as u64);
                all.truncate(MOST);
                all.extend((more > 0).then(|| format!("and {more} more")));
                Meant::Several(all)
            }
        }
    }

    fn take(&mut self, output: Output) {
        if let Output::Capture(_) = output {
            self.clerk.record(output);
            return;
        }
        if let Output::Server(_) = output {
            let known = self.clerk.record(output);
            let (Some(Record::Server(server)), Some(found)) = (known, &mut self.found) else { return };
            let of_capture = server.capture.as_ref().is_none_or(|capture| *capture == found.session.capture);
            if of_capture && server.known() == found.session.server.known() {
                found.software = server.software;
            }
            return;
        }
        if self.is_over() {
            return;
        }
        let Some(session) = self.clerk.session(&output) else { return };
        if session.starts_with(&self.id) {
            return self.meant_session(session, output);
        }
        match output {
            Output::Finding(_) => {
                if let Some(Record::Finding(finding)) = self.clerk.record(output) {
                    self.finding(&finding);
                }
            }
            Output::Session(_) => self.ended(session),
            _ => {}
        }
    }

    /// Something of a session that is meant: the first one is kept.
    fn meant_session(&mut self, session: SessionId, output: Output) {
        let is_other = self.found.is_some() || self.open.as_ref().is_some_and(|(first, _)| *first != session);
        let record = match output {
            // Nothing of it is wanted but that it is there.
            Output::Event(..) if is_other => return,
            output => self.clerk.record(output),
        };
        match record {
            Some(Record::Session(ended)) => {
                if self.sessions.len() < MOST {
                    self.sessions.push(line(&ended));
                } else {
                    self.more = self.more.saturating_add(1);
                }
                self.ended(session);
                if !is_other {
                    let collector = self.open.take().map_or_else(|| Collector::new(Bounds::ONE), |(_, open)| open);
                    self.found = Some(Box::new(collector.finish(*ended, None)));
                }
                if self.is_over() {
                    self.stop.set();
                }
            }
            Some(record) => {
                if let Record::Finding(finding) = &record {
                    self.finding(finding);
                }
                if !is_other {
                    let (_, collector) = self.open.get_or_insert_with(|| (session, Collector::new(Bounds::ONE)));
                    collector.take(record);
                }
            }
            None => {}
        }
    }

    /// A finding, which may be meant.
    fn finding(&mut self, finding: &Finding) {
        if !finding.fingerprint.starts_with(&self.id) {
            return;
        }
        if self.findings.len() >= MOST && !self.findings.contains_key(&finding.fingerprint) {
            self.more = self.more.saturating_add(1);
            return;
        }
        let having = self.findings.entry(finding.fingerprint).or_insert_with(|| Having {
            fingerprint: finding.fingerprint,
            first: finding.session,
            others: 0,
            ids: Vec::new(),
            check: format!("{}/{}", finding.rule, finding.check),
            open: BTreeSet::new(),
        });
        having.open.insert(finding.session);
    }

    /// A session is over, of which findings may be meant.
    fn ended(&mut self, session: SessionId) {
        for having in self.findings.values_mut() {
            if having.open.remove(&session) && session != having.first {
                having.others = having.others.saturating_add(1);
                if having.ids.len() < MOST {
                    having.ids.push(session);
                }
            }
        }
    }
}

impl Sink for Search {
    fn take(&mut self, outputs: Vec<Output>) -> io::Result<()> {
        for output in outputs {
            self.take(output);
        }
        Ok(())
    }
}

/// A session among others that are meant.
fn line(session: &Session) -> String {
    let Session { session, client, server, start, capture, .. } = session;
    let start = start.to_string();
    format!(
        "{session}  session {client} > {server}, {} UTC, {capture}",
        start.get(..19).unwrap_or(&start).replace('T', " ")
    )
}
