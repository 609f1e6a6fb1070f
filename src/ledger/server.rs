//! What is known of one server: a partial record that merges with others of the same server in any order.

use std::collections::BTreeMap;

use crate::base::{Endpoint, Ordinal, Time};
use crate::rules::{Catalogue, CheckNumber, Finding, Note, Scope, Severity, Software};
use crate::smtp::Session;
use crate::smtp::wire::tls::State;

use super::greeting::lasting;
use super::{Key, SessionEnd, Who};

/// A server as its record tells it (FORMATS.md, `server`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Server {
    /// Of one with a name, where its first connection went.
    pub endpoint: Endpoint,
    /// The rank of the capture that alone this was seen in, where every one is treated alone.
    pub capture: Option<u32>,
    pub sessions: u64,
    /// Distinct texts as they first came, the first [`MOST_GREETINGS`] of them, in the order in which they were first
    /// seen ([`super::greeting`]).
    pub greetings: Vec<Vec<u8>>,
    pub software: Option<Software>,
    /// Where greetings of different sessions name different software: all of it, in the order in which each
    /// was first named as it is told.
    pub several: Vec<Software>,
    pub capabilities: Vec<Vec<u8>>,
    pub help: Help,
    pub starttls: StartTls,
    pub first_seen: Time,
    pub last_seen: Time,
    /// Per check, repeats included.
    pub findings: BTreeMap<CheckNumber, u64>,
}

impl Server {
    /// Whether the other record tells the same, counts and the time of the last packet aside.
    pub(crate) fn is_alike(&self, other: &Server) -> bool {
        let Server {
            endpoint,
            sessions: _,
            greetings,
            software,
            several,
            capabilities,
            help,
            starttls,
            first_seen,
            ..
        } = self;
        (endpoint, greetings, software, several, capabilities)
            == (&other.endpoint, &other.greetings, &other.software, &other.several, &other.capabilities)
            && (help, starttls, first_seen) == (&other.help, &other.starttls, &other.first_seen)
            && self.findings.keys().eq(other.findings.keys())
    }
}

/// What the server makes of HELP: the strongest that was seen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Help {
    /// Nobody asked.
    #[default]
    Unknown,
    /// It was asked, and gave no clear answer.
    Unclear,
    /// It was refused.
    Refused,
    /// It was offered in the reply to EHLO.
    Advertised,
    /// It was answered.
    Exposed,
}

/// Whether the server offers STARTTLS: the strongest that was seen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum StartTls {
    /// No reply to EHLO was captured whole.
    #[default]
    Unknown,
    /// The reply to EHLO does not have it.
    NotOffered,
    /// The reply to EHLO has it.
    Offered,
}

impl Help {
    /// Its name in records.
    pub const fn name(self) -> &'static str {
        match self {
            Help::Unknown => "unknown",
            Help::Unclear => "unclear",
            Help::Refused => "refused",
            Help::Advertised => "advertised",
            Help::Exposed => "exposed",
        }
    }
}

impl StartTls {
    /// Its name in records.
    pub const fn name(self) -> &'static str {
        match self {
            StartTls::Unknown => "unknown",
            StartTls::NotOffered => "not-offered",
            StartTls::Offered => "offered",
        }
    }
}

/// A server keeps so many greetings.
pub(crate) const MOST_GREETINGS: usize = 8;

/// The check that is withheld where a refused HELP of the server stands earlier in the total order.
pub(super) fn withheld(catalogue: &Catalogue) -> Option<CheckNumber> {
    catalogue.find("help-exposed", "advertised")
}

/// A server's record in the making.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Partial {
    /// The first connection that is known of, and where it went.
    at: (Ordinal, Endpoint),
    sessions: u64,
    /// Distinct greetings by what lasts of them, each with the place where it first stood and its text there.
    greetings: BTreeMap<Vec<u8>, (Key, Vec<u8>)>,
    /// What names a version goes before what does not, then what stands first.
    software: Option<(bool, Key, Software)>,
    /// The same of each product that a greeting names; there are as many as we know.
    greets_as: BTreeMap<&'static str, (bool, Key, Software)>,
    /// Of the last session that tells them.
    capabilities: Option<(Key, Vec<Vec<u8>>)>,
    help: Help,
    starttls: StartTls,
    seen: Option<(Time, Time)>,
    findings: BTreeMap<CheckNumber, u64>,
}

/// What was said of a server already, by which the ledger judges what it still has to say.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Said {
    /// What was reported, and when last, by the capture's time.
    reported: BTreeMap<(CheckNumber, Severity), Time>,
    /// What answers to HELP showed, the strongest of them: a server that answered one refuses what it was asked
    /// besides, not HELP.
    pub(super) help: Help,
}

impl Said {
    /// Whether a finding is withheld because of what this server did before; `check` is the one that may be.
    pub(super) fn withholds(&self, finding: &Finding, check: Option<CheckNumber>) -> bool {
        self.help == Help::Refused && Some(finding.check) == check
    }

    /// Whether this finding of the server was reported before, and not `renotify` nanoseconds ago; it now has been.
    pub(super) fn repeats(&mut self, finding: &Finding, renotify: Option<i64>) -> bool {
        if finding.scope != Scope::Server {
            return false;
        }
        let (what, now) = ((finding.check, finding.severity), finding.at.time);
        let repeats =
            self.reported.get(&what).is_some_and(|then| renotify.is_none_or(|after| now.since(*then) < after));
        if !repeats {
            self.reported.insert(what, now);
        }
        repeats
    }
}

impl Partial {
    /// Of a server to which a connection went.
    pub(super) fn new(connection: Ordinal, to: Endpoint) -> Self {
        Partial {
            at: (connection, to),
            sessions: 0,
            greetings: BTreeMap::new(),
            software: None,
            greets_as: BTreeMap::new(),
            capabilities: None,
            help: Help::default(),
            starttls: StartTls::default(),
            seen: None,
            findings: BTreeMap::new(),
        }
    }

    /// Joins what a session told.
    pub(super) fn note(&mut self, key: Key, note: Note, who: &Who) {
        self.at = self.at.min((key.connection, who.server));
        self.seen_at(who.first.time, who.first.time);
        match note {
            Note::HelpUnclear => self.help = self.help.max(Help::Unclear),
            Note::HelpRefused => self.help = self.help.max(Help::Refused),
            Note::HelpAdvertised => self.help = self.help.max(Help::Advertised),
            Note::HelpExposed => self.help = self.help.max(Help::Exposed),
            Note::Software { named, greeting } => {
                let named = (named.version.is_none(), key, named);
                if greeting {
                    self.greets_as(named.clone());
                }
                self.names(named);
            }
        }
    }

    /// Joins a session that is over.
    pub(super) fn session(&mut self, key: Key, ended: &SessionEnd) {
        let session = &ended.session;
        self.at = self.at.min((key.connection, session.server));
        self.sessions = self.sessions.saturating_add(1);
        if let Some(greeting) = &session.greeting {
            self.greeted(&greeting.text, key);
        }
        let offer = session.last_offer();
        if let Some(offer) = offer.filter(|_| !session.early_talk && session.tls.state != State::Decrypted) {
            self.lists(key, offer);
        }
        self.starttls = self.starttls.max(starttls(session, offer));
        self.seen_at(session.first.time, session.last.time);
        ended.findings.iter().for_each(|(check, count)| self.fired(check, count));
    }

    /// Joins another partial record of the same server; the order in which partial records are joined does not
    /// matter.
    pub(super) fn merge(&mut self, other: Partial) {
        self.sessions = self.sessions.saturating_add(other.sessions);
        self.at = self.at.min(other.at);
        other.greetings.values().for_each(|(key, text)| self.greeted(text, *key));
        if let Some(software) = other.software {
            self.names(software);
        }
        other.greets_as.into_values().for_each(|named| self.greets_as(named));
        if let Some((key, capabilities)) = &other.capabilities {
            self.lists(*key, capabilities);
        }
        self.help = self.help.max(other.help);
        self.starttls = self.starttls.max(other.starttls);
        if let Some((first, last)) = other.seen {
            self.seen_at(first, last);
        }
        other.findings.iter().for_each(|(check, count)| self.fired(*check, *count));
    }

    /// Keeps a greeting where it is new, and of all of them the first ones.
    fn greeted(&mut self, text: &[u8], key: Key) {
        let lasting = lasting(text);
        if let Some(first) = self.greetings.get_mut(lasting.as_ref()) {
            if key < first.0 {
                *first = (key, text.to_vec());
            }
            return;
        }
        if self.greetings.len() >= MOST_GREETINGS {
            let last = self.greetings.iter().max_by_key(|(_, (key, _))| *key).filter(|(_, (last, _))| *last > key);
            let Some(last) = last.map(|(text, _)| text.clone()) else { return };
            self.greetings.remove(&last);
        }
        self.greetings.insert(lasting.into_owned(), (key, text.to_vec()));
    }

    fn lists(&mut self, at: Key, capabilities: &[Vec<u8>]) {
        match &mut self.capabilities {
            Some((key, _)) if *key > at => {}
            // Usually it lists the same again.
            Some((key, known)) if *known == capabilities => *key = at,
            known => *known = Some((at, capabilities.to_vec())),
        }
    }

    fn seen_at(&mut self, first: Time, last: Time) {
        let (earliest, latest) = self.seen.unwrap_or((first, last));
        self.seen = Some((first.min(earliest), last.max(latest)));
    }

    fn fired(&mut self, check: CheckNumber, count: u64) {
        let sum = self.findings.entry(check).or_default();
        *sum = sum.saturating_add(count);
    }

    fn names(&mut self, named: (bool, Key, Software)) {
        if self.software.as_ref().is_none_or(|known| named < *known) {
            self.software = Some(named);
        }
    }

    fn greets_as(&mut self, named: (bool, Key, Software)) {
        match self.greets_as.get_mut(named.2.name) {
            Some(known) if *known <= named => {}
            Some(known) => *known = named,
            None => _ = self.greets_as.insert(named.2.name, named),
        }
    }

    pub(super) fn finish(self) -> Server {
        let mut several: Vec<(Key, Software)> =
            self.greets_as.into_values().map(|(_, key, named)| (key, named)).collect();
        several.sort();
        if several.len() < 2 {
            several.clear();
        }
        let mut greetings: Vec<(Key, Vec<u8>)> = self.greetings.into_values().collect();
        greetings.sort();
        let (first_seen, last_seen) = self.seen.unwrap_or_default();
        Server {
            endpoint: self.at.1,
            capture: None,
            sessions: self.sessions,
            greetings: greetings.into_iter().map(|(_, text)| text).collect(),
            software: self.software.map(|(_, _, software)| software),
            several: several.into_iter().map(|(_, named)| named).collect(),
            capabilities: self.capabilities.map(|(_, capabilities)| capabilities).unwrap_or_default(),
            help: self.help,
            starttls: self.starttls,
            first_seen,
            last_seen,
            findings: self.findings,
        }
    }
}

/// What a session tells of STARTTLS: it was used or offered, or an EHLO reply that came whole did not list it.
fn starttls(session: &Session, offer: Option<&[Vec<u8>]>) -> StartTls {
    let used = matches!(session.tls.state, State::Offered | State::Started | State::Failed | State::Decrypted);
    let offered = session.capabilities.iter().chain(offer.into_iter().flatten()).any(|capability| {
        let keyword = capability.split(|&byte| byte == b' ').next().unwrap_or_default();
        keyword.eq_ignore_ascii_case(crate::rules::patterns::STARTTLS.as_bytes())
    });
    match (used || offered, offer.is_some()) {
        (true, _) => StartTls::Offered,
        (false, true) => StartTls::NotOffered,
        (false, false) => StartTls::Unknown,
    }
}
