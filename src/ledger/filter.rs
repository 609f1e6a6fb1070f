//! What is reported of all that is found, beside the servers that are asked for: sessions of some clients, single sessions,
//! what was said in a window of time, what matches a pattern.
//!
//! Nothing here changes what is analysed. A finding or an event is reported where its own time is in the window and its own
//! text matches; a session where it overlaps the window and anything of it that is in the window matches. A server's record
//! is made of the sessions that are reported, and counts what is.
//!
//! Bounds: a few words for each connection that is open, of which the engine bounds the number.

use std::collections::BTreeMap;

use ipnet::IpNet;

use crate::base::{Endpoint, Ordinal, Pattern, Time};
use crate::rules::{CheckNumber, Evidence, Finding, Note};

use super::identity::{self, SessionPrefix};
use super::server::Partial;
use super::{Found, Key, SessionEnd, Told, Who};

/// What is asked for; everything by default.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Filter {
    /// Nothing before it.
    pub since: Option<Time>,
    /// Nothing after it.
    pub until: Option<Time>,
    /// Only what clients in these networks take part in; all where it is empty.
    pub clients: Vec<IpNet>,
    /// Only sessions whose ids begin so; all where it is empty.
    pub sessions: Vec<SessionPrefix>,
    /// Only what it matches in what records show of commands, arguments and replies.
    pub pattern: Option<Pattern>,
}

impl Filter {
    /// Whether everything is reported.
    pub(crate) fn is_open(&self) -> bool {
        *self == Filter::default()
    }

    /// Whether findings of one session can differ in whether they are reported.
    pub(crate) fn is_within_sessions(&self) -> bool {
        self.since.is_some() || self.until.is_some() || self.pattern.is_some()
    }

    fn has_time(&self, time: Time) -> bool {
        self.overlaps(time, time)
    }

    /// Whether any time from the first to the last is in the window.
    fn overlaps(&self, first: Time, last: Time) -> bool {
        self.since.is_none_or(|since| last >= since) && self.until.is_none_or(|until| first <= until)
    }

    /// Whether the session is one of those that are asked for, whenever it was.
    fn concerns(&self, who: &Who) -> bool {
        let of_client = |Endpoint { ip, .. }: Endpoint| self.clients.iter().any(|net| net.contains(&ip));
        (self.clients.is_empty() || of_client(who.client)) && (self.sessions.is_empty() || self.names(who))
    }

    fn names(&self, who: &Who) -> bool {
        let id = identity::session(who);
        self.sessions.iter().any(|prefix| prefix.is_of(&id))
    }
}

/// A filter, and what it has to remember of connections until they end.
#[derive(Debug)]
pub(super) struct Sieve {
    filter: Filter,
    open: BTreeMap<Ordinal, Seen>,
}

/// What was seen of a connection.
#[derive(Debug, Default)]
pub(super) struct Seen {
    /// Something of it matched.
    matched: bool,
    /// Checks of which a finding was reported.
    checks: Vec<CheckNumber>,
    /// What it told of its server, which counts once it is known to be reported.
    pub told: Option<Box<Partial>>,
}

impl Sieve {
    /// `None` where there is nothing to do.
    pub(super) fn new(filter: Filter) -> Option<Box<Self>> {
        (!filter.is_open()).then(|| Box::new(Sieve { filter, open: BTreeMap::new() }))
    }

    /// Whether the event is reported.
    pub(super) fn event(&mut self, key: Key, who: &Who, told: &Told) -> bool {
        if !self.filter.has_time(told.at().time) || !self.filter.concerns(who) {
            return false;
        }
        let Some(pattern) = &self.filter.pattern else { return true };
        let matched = event_matches(pattern, told);
        if matched {
            self.open.entry(key.connection).or_default().matched = true;
        }
        matched
    }

    /// Whether the finding is reported.
    pub(super) fn finding(&mut self, key: Key, Found { who, finding, .. }: &Found) -> bool {
        let Sieve { filter, open } = self;
        let passes = filter.has_time(finding.at.time)
            && filter.concerns(who)
            && filter.pattern.as_ref().is_none_or(|pattern| finding_matches(pattern, finding));
        if passes && filter.is_within_sessions() {
            let seen = open.entry(key.connection).or_default();
            seen.matched = true;
            if !seen.checks.contains(&finding.check) {
                seen.checks.push(finding.check);
            }
        }
        passes
    }

    /// Keeps what a session told of its server.
    pub(super) fn note(&mut self, key: Key, who: &Who, note: Note) {
        if self.filter.concerns(who) {
            let seen = self.open.entry(key.connection).or_default();
            let told = seen.told.get_or_insert_with(|| Box::new(Partial::new(key.connection, who.server)));
            told.note(key, note, who);
        }
    }

    /// A session is over: what was seen of it, if it is reported. Then it counts no check of which nothing was.
    pub(super) fn end(&mut self, key: Key, ended: &mut SessionEnd) -> Option<Seen> {
        let Sieve { filter, open } = self;
        let seen = open.remove(&key.connection).unwrap_or_default();
        let session = &ended.session;
        let reported = filter.overlaps(session.first.time, session.last.time)
            && filter.concerns(&Who::of(session))
            && (seen.matched || filter.pattern.is_none());
        if filter.is_within_sessions() {
            ended.findings.keep(|check| seen.checks.contains(&check));
        }
        reported.then_some(seen)
    }
}

/// Whether the line of a command, or one of a reply, matches as its record shows it: secrets hidden.
fn event_matches(pattern: &Pattern, told: &Told) -> bool {
    match told {
        Told::Command { verb: Some(verb), argument, .. } if argument.shown.is_empty() => {
            pattern.matches(verb.name().as_bytes())
        }
        Told::Command { verb: Some(verb), argument, .. } => {
            pattern.matches(&[verb.name().as_bytes(), b" ", &argument.shown].concat())
        }
        Told::Command { verb: None, argument, .. } => pattern.matches(&argument.shown),
        Told::Reply { code, lines, .. } => reply_matches(pattern, code.map(u64::from), &lines.shown),
        Told::Data { .. } | Told::Tls(..) | Told::Gap { .. } => false,
    }
}

/// Whether any text of its evidence matches as its record shows it: secrets hidden.
fn finding_matches(pattern: &Pattern, finding: &Finding) -> bool {
    let code = finding.evidence.iter().find_map(|(name, evidence)| match evidence {
        Evidence::Number(code) if *name == "reply_code" => Some(*code),
        _ => None,
    });
    finding.evidence.iter().any(|(name, evidence)| {
        let shown = match evidence {
            Evidence::Secret { shown, .. } => shown,
            open => open,
        };
        match shown {
            Evidence::Bytes(text) => pattern.matches(text),
            Evidence::List(lines) if matches!(*name, "reply_text" | "greeting") => reply_matches(pattern, code, lines),
            Evidence::List(lines) => lines.iter().any(|line| pattern.matches(line)),
            Evidence::Secret { .. } | Evidence::Number(_) | Evidence::Flag(_) | Evidence::Word(_) => false,
        }
    })
}

/// Every line of a reply begins with its code.
fn reply_matches(pattern: &Pattern, code: Option<u64>, lines: &[Vec<u8>]) -> bool {
    let Some(code) = code else { return lines.iter().any(|line| pattern.matches(line)) };
    let code = format!("{code} ");
    lines.iter().any(|line| pattern.matches(&[code.as_bytes(), line].concat()))
}
