//! What crosses sessions: servers, once-per-server, counts, the summary. Takes what the shards found in its one
//! total order and gives what is printed; knows nothing of bytes and formats.
//!
//! What it gives is a function of the entries in their order. So what parts of a scan found is written down as entries
//! ([`written`]), merged by key, and taken here as one scan's.
//!
//! Bounds: [`Limit::Servers`]; beyond it findings are still reported, but once per session instead of once per
//! server. Findings are capped per session and rule in [`crate::rules::Judge`], where they arise.
//! Read in this order: [`entry`], [`server`], [`elsewhere`], [`totals`], [`stats`], [`identity`], [`filter`], then this
//! file; then [`written`].

pub(crate) mod elsewhere;
pub(crate) mod entry;
pub(crate) mod filter;
mod greeting;
pub(crate) mod identity;
pub(crate) mod server;
pub(crate) mod stats;
#[cfg(test)]
mod tests;
pub(crate) mod totals;
pub(crate) mod written;

pub(crate) use elsewhere::{Elsewhere, Noticed};
pub(crate) use entry::{Cause, Entry, Exhibit, Found, Item, Kept, Key, SessionEnd, Told, Who};
pub(crate) use filter::Filter;
pub(crate) use server::Server;
pub(crate) use stats::Stats;
pub(crate) use totals::{OfShards, Totals};

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;

use foldhash::fast::RandomState;
use hashbrown::hash_map::{EntryRef as Slot, HashMap};
use ipnet::IpNet;

use crate::base::meaning::{Meaning, Unit};
use crate::base::{Endpoint, Known, Limit, Limits, Ordinal, ServerNames, Tally, Time};
use crate::rules::{Catalogue, CheckNumber, Note, Severity};
use filter::Sieve;
use server::{Partial, Said};

/// A kind of records (`--records`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Kind {
    /// What the rules found.
    Findings,
    /// One for each session, at its end.
    Sessions,
    /// One for each server, last but for the summary.
    Servers,
    /// Every command and reply, message data and TLS handshakes.
    Events,
    /// The scan as a whole, last.
    Summary,
}

impl Kind {
    /// Every kind, in the order in which the documentation names them.
    pub const ALL: [Kind; 5] = [Kind::Findings, Kind::Sessions, Kind::Servers, Kind::Events, Kind::Summary];

    /// Its name on the command line.
    pub const fn name(self) -> &'static str {
        match self {
            Kind::Findings => "findings",
            Kind::Sessions => "sessions",
            Kind::Servers => "servers",
            Kind::Events => "events",
            Kind::Summary => "summary",
        }
    }
}

/// Which kinds of records are wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Records(u8);

impl Records {
    pub(crate) fn of(kinds: &[Kind]) -> Self {
        Records(kinds.iter().fold(0, |bits, kind| bits | Self::bit(*kind)))
    }

    /// These and one kind more.
    pub(crate) fn with(self, kind: Kind) -> Self {
        Records(self.0 | Self::bit(kind))
    }

    /// These and those.
    pub(crate) fn and(self, others: Records) -> Self {
        Records(self.0 | others.0)
    }

    pub(crate) fn has(self, kind: Kind) -> bool {
        self.0 & Self::bit(kind) != 0
    }

    fn bit(kind: Kind) -> u8 {
        1 << kind as u8
    }
}

impl Default for Records {
    fn default() -> Self {
        Records::of(&[Kind::Findings, Kind::Servers, Kind::Summary])
    }
}

/// What is printed.
#[derive(Clone, Debug)]
pub(crate) enum Output {
    /// The capture of the next rank begins: what comes behind may name its frames.
    Capture(PathBuf),
    /// With its number among those of its session.
    Event(Who, u64, Box<Told>),
    Finding(Box<Found>),
    /// Packets that are kept, in their order: of live captures alone.
    Exhibits(Vec<Exhibit>),
    Session(Box<SessionEnd>),
    Server(Box<Server>),
    Stats(Box<Stats>),
    Summary(Box<Summary>),
}

/// Bytes of sessions that were not captured: their name in `not_analysed`, and what it means.
pub(crate) const MISSING: Meaning = Meaning::of("missing-bytes", Unit::Bytes, "missing inside sessions (not captured)")
    .advice("Capture whole packets, and look for drops while capturing. Sessions with missing bytes are marked.");

/// The scan as a whole (FORMATS.md, `summary`).
#[derive(Clone, Debug, Default)]
pub(crate) struct Summary {
    pub totals: Totals,
    pub sessions: u64,
    /// Those of them of which the rest is TLS.
    pub encrypted_sessions: u64,
    pub findings: FindingCounts,
}

/// Findings that were reported, by rule and severity.
pub(crate) type FindingCounts = BTreeMap<String, BTreeMap<Severity, u64>>;

/// A new server is told when its first session is over, or after so many nanoseconds.
const FIRST_SESSION: i64 = 800_000_000;

/// A table of servers, for looking up; what leaves it is sorted.
type ByServer<T> = HashMap<Known, T, RandomState>;

/// Joins what was found; [`Ledger::take`] every entry in order, then [`Ledger::finish`].
#[derive(Debug)]
pub(crate) struct Ledger {
    records: Records,
    catalogue: Arc<Catalogue>,
    /// What a refused HELP silences.
    withheld_check: Option<CheckNumber>,
    /// Report only what concerns these servers; all where it is empty.
    nets: Vec<IpNet>,
    /// What else is not reported, if anything.
    sieve: Option<Box<Sieve>>,
    names: ServerNames,
    most_servers: usize,
    servers: ByServer<Partial>,
    /// What was said of the servers of which anything was; as many at most.
    said: ByServer<Said>,
    /// Every capture is treated alone: the rank of the last one that an entry came from.
    alone: Option<u32>,
    /// Connections of which a finding was withheld, until they end.
    withheld: BTreeSet<Ordinal>,
    sessions: u64,
    encrypted_sessions: u64,
    /// Those that pass all filters.
    reported: u64,
    findings: FindingCounts,
    worst: Option<Severity>,
    not_analysed: Tally,
    limits_hit: Tally,
    /// Nanoseconds after which what is reported once per server is reported again; never where it is `None`.
    renotify: Option<i64>,
    /// Of a capture that has no end in sight: what was told of its servers.
    told: Option<ToldServers>,
}

/// Servers that are told as they are seen.
#[derive(Debug)]
struct ToldServers {
    /// Nanoseconds between two records of one server at the least.
    interval: i64,
    /// Of which something new may be known.
    touched: BTreeSet<Known>,
    /// Of which something new is known, each with the time from which on it may be told.
    later: BTreeSet<(Time, Known)>,
    /// As they were told last, and when, by the clock of [`Ledger::tell_servers`].
    last: ByServer<(Server, Time)>,
}

impl Ledger {
    pub(crate) fn new(records: Records, nets: Vec<IpNet>, limits: &Limits, catalogue: &Arc<Catalogue>) -> Self {
        Ledger {
            records,
            catalogue: Arc::clone(catalogue),
            withheld_check: server::withheld(catalogue),
            nets,
            sieve: None,
            names: ServerNames::default(),
            most_servers: usize::try_from(limits.get(Limit::Servers)).unwrap_or(usize::MAX),
            servers: ByServer::default(),
            said: ByServer::default(),
            alone: None,
            withheld: BTreeSet::new(),
            sessions: 0,
            encrypted_sessions: 0,
            reported: 0,
            findings: BTreeMap::new(),
            worst: None,
            not_analysed: Tally::default(),
            limits_hit: Tally::default(),
            renotify: None,
            told: None,
        }
    }

    /// Servers have these names, and are told apart by them.
    pub(crate) fn naming(mut self, names: ServerNames) -> Self {
        self.names = names;
        self
    }

    /// Only what passes the filter is reported, beside what servers are asked for.
    pub(crate) fn filtering(mut self, filter: Filter) -> Self {
        self.sieve = Sieve::new(filter);
        self
    }

    /// For a capture that has no end in sight: servers are told by [`Ledger::tell_servers`], each at most once in
    /// `interval` nanoseconds; what is reported once per server is reported again after `renotify` nanoseconds.
    pub(crate) fn endless(mut self, renotify: Option<i64>, interval: i64) -> Self {
        self.renotify = renotify;
        self.told =
            Some(ToldServers { interval, touched: BTreeSet::new(), later: BTreeSet::new(), last: ByServer::default() });
        self
    }

    /// What is reported once per server is reported with every session.
    pub(crate) fn repeating(mut self) -> Self {
        self.renotify = Some(i64::MIN);
        self
    }

    /// Tells the servers that are new, and those of which something other than a count changed. `now` is of any clock
    /// that does not go back.
    pub(crate) fn tell_servers(&mut self, now: Time, print: &mut impl FnMut(Output)) {
        let Some(ToldServers { interval, touched, later, last }) = &mut self.told else { return };
        let mut due = BTreeSet::new();
        while later.first().is_some_and(|(time, _)| *time <= now) {
            due.extend(later.pop_first().map(|(_, known)| known));
        }
        let touched = std::mem::take(touched);
        for known in due.iter().chain(touched.difference(&due)) {
            let Some(partial) = self.servers.get(known) else { continue };
            let server = partial.clone().finish();
            let may = match last.get(known) {
                Some((told, _)) if told.is_alike(&server) => continue,
                Some((_, then)) => Time(then.0.saturating_add(*interval)),
                // Its first session will soon have told more.
                None if server.sessions == 0 && !due.contains(known) => Time(now.0.saturating_add(FIRST_SESSION)),
                None => now,
            };
            if now < may {
                later.insert((may, known.clone()));
                continue;
            }
            print(Output::Server(Box::new(server.clone())));
            last.insert(known.clone(), (server, now));
        }
    }

    /// What names its checks.
    pub(crate) fn catalogue(&self) -> &Arc<Catalogue> {
        &self.catalogue
    }

    /// Sessions that ended, and findings that were reported.
    pub(crate) fn counts(&self) -> (u64, &FindingCounts) {
        (self.sessions, &self.findings)
    }

    /// Sessions that ended and pass all filters.
    pub(crate) fn reported(&self) -> u64 {
        self.reported
    }

    /// Limits that acted here.
    pub(crate) fn limits_hit(&self) -> &Tally {
        &self.limits_hit
    }

    /// Something is known of a server: whether it is to be told.
    fn touch(&mut self, known: Known) {
        if let Some(told) = &mut self.told
            && self.records.has(Kind::Servers)
            && self.servers.contains_key(&known)
        {
            told.touched.insert(known);
        }
    }

    /// Every capture is treated alone: what was said of one does not silence what is found in the next.
    pub(crate) fn separate(mut self) -> Self {
        self.alone = Some(0);
        self
    }

    /// Takes the next entry; what is to be printed for it goes to `print`.
    pub(crate) fn take(&mut self, entry: Entry, print: &mut impl FnMut(Output)) {
        let Entry { key, item } = entry;
        let rank = key.connection.rank();
        if self.alone.is_some_and(|last| last != rank) {
            self.all_servers(print);
            self.alone = Some(rank);
            self.said.clear();
        }
        match item {
            Item::Event(who, number, told) => {
                let passes =
                    self.concerns(who.server) && self.sieve.as_mut().is_none_or(|sieve| sieve.event(key, &who, &told));
                if passes && self.records.has(Kind::Events) {
                    print(Output::Event(who, number, told));
                }
            }
            Item::Note(who, note) => self.note(key, who, note),
            Item::Finding(found) => self.finding(key, found, print),
            Item::End(ended) => self.end(key, ended, print),
        }
    }

    /// Everything is taken: the servers and the summary, which come last.
    pub(crate) fn finish(mut self, mut totals: Totals, print: &mut impl FnMut(Output)) {
        totals.limits_hit.merge(&self.limits_hit);
        totals.not_analysed.merge(&self.not_analysed);
        self.all_servers(print);
        if self.records.has(Kind::Summary) {
            let (sessions, encrypted_sessions) = (self.sessions, self.encrypted_sessions);
            let summary = Summary { totals, sessions, encrypted_sessions, findings: self.findings };
            print(Output::Summary(Box::new(summary)));
        }
    }

    /// Tells the servers that are not as they were told last; nothing more is to come of them.
    fn all_servers(&mut self, print: &mut impl FnMut(Output)) {
        let mut servers: Vec<(Known, Partial)> = std::mem::take(&mut self.servers).into_iter().collect();
        servers.sort_unstable_by(|(one, _), (other, _)| one.cmp(other));
        for (known, partial) in servers {
            if self.records.has(Kind::Servers) {
                let server = Server { capture: self.alone, ..partial.finish() };
                let last = self.told.as_ref().and_then(|told| told.last.get(&known));
                if last.is_none_or(|(last, _)| *last != server) {
                    print(Output::Server(Box::new(server)));
                }
            }
        }
    }

    /// The worst severity that was reported: what `--fail-on` asks for.
    pub(crate) fn worst(&self) -> Option<Severity> {
        self.worst
    }

    /// Whether what concerns this server is to be reported.
    fn concerns(&self, server: Endpoint) -> bool {
        self.nets.is_empty() || self.nets.iter().any(|net| net.contains(&server.ip))
    }

    fn note(&mut self, key: Key, who: Who, note: Note) {
        if !self.concerns(who.server) {
            return;
        }
        let known = self.names.known(who.server);
        let answered = match note {
            Note::HelpRefused => Some(server::Help::Refused),
            Note::HelpExposed => Some(server::Help::Exposed),
            Note::HelpUnclear | Note::HelpAdvertised | Note::Software { .. } => None,
        };
        if let Some(help) = answered
            && let Some(said) = room(&mut self.said, &known, self.most_servers, Said::default)
        {
            said.help = said.help.max(help);
        }
        if let Some(sieve) = &mut self.sieve {
            return sieve.note(key, &who, note);
        }
        let new = || Partial::new(key.connection, who.server);
        if let Some(server) = room(&mut self.servers, &known, self.most_servers, new) {
            server.note(key, note, &who);
        }
        self.touch(known);
    }

    fn finding(&mut self, key: Key, found: Box<Found>, print: &mut impl FnMut(Output)) {
        // What is reported once per server is reported when it first passes.
        let passes =
            self.concerns(found.who.server) && self.sieve.as_mut().is_none_or(|sieve| sieve.finding(key, &found));
        if !passes {
            return;
        }
        let known = self.names.known(found.who.server);
        if let Some(said) = room(&mut self.said, &known, self.most_servers, Said::default) {
            if said.withholds(&found.finding, self.withheld_check) {
                self.withheld.insert(key.connection);
                return;
            }
            if said.repeats(&found.finding, self.renotify) {
                return;
            }
        }
        let severity = found.finding.severity;
        self.count(self.catalogue.rule_id(found.finding.check).to_owned(), severity);
        self.worst = self.worst.max(Some(severity));
        if self.records.has(Kind::Findings) {
            print(Output::Finding(found));
        }
    }

    fn count(&mut self, rule: String, severity: Severity) {
        let count = self.findings.entry(rule).or_default().entry(severity).or_default();
        *count = count.saturating_add(1);
    }

    fn end(&mut self, key: Key, mut ended: Box<SessionEnd>, print: &mut impl FnMut(Output)) {
        self.sessions = self.sessions.saturating_add(1);
        let session = &ended.session;
        if session.tls.state.is_encrypted() {
            self.encrypted_sessions = self.encrypted_sessions.saturating_add(1);
        }
        let missing = session.missing_client.saturating_add(session.missing_server);
        self.not_analysed.add(MISSING.name, missing);
        if self.withheld.remove(&key.connection) {
            self.withheld_check.into_iter().for_each(|check| ended.findings.forget(check));
        }
        if !self.concerns(ended.session.server) {
            return;
        }
        let mut told = None;
        if let Some(sieve) = &mut self.sieve {
            let Some(seen) = sieve.end(key, &mut ended) else { return };
            told = seen.told;
        }
        self.reported = self.reported.saturating_add(1);
        let known = self.names.known(ended.session.server);
        let new = || Partial::new(key.connection, ended.session.server);
        match room(&mut self.servers, &known, self.most_servers, new) {
            Some(server) => {
                if let Some(told) = told {
                    server.merge(*told);
                }
                server.session(key, &ended);
            }
            None => self.limits_hit.one(Limit::Servers.key()),
        }
        self.touch(known);
        if self.records.has(Kind::Sessions) {
            print(Output::Session(ended));
        }
    }
}

/// What the table keeps of a server; `None` where there is no room for another one.
fn room<'t, T>(table: &'t mut ByServer<T>, known: &Known, most: usize, new: impl FnOnce() -> T) -> Option<&'t mut T> {
    let full = table.len() >= most;
    match table.entry_ref(known) {
        Slot::Vacant(_) if full => None,
        slot => Some(slot.or_insert_with(new)),
    }
}
