//! [`Config`]: everything that decides what a scan finds and tells, as the command line's options of the same names.

use std::collections::BTreeMap;
use std::num::{NonZeroU32, NonZeroU64, NonZeroUsize};
use std::time::Duration;

use ipnet::IpNet;

use crate::base::{Limit, Limits, Time, Timeouts};
use crate::ledger::{Kind, Records};
use crate::record::{self, Start};
use crate::rules::selection::Selector;
use crate::rules::{Selection, Severity};
use crate::{capture, engine};

/// What a scan looks at, and what it tells. What is not said has the default of the command line.
///
/// ```
/// use std::time::Duration;
/// use mailtap::record::Severity;
/// use mailtap::{Config, Limit, RecordKind};
///
/// let config = Config::new()
///     .ports([25, 587])
///     .ignore(["non-compliant/bare-lf".parse()?])
///     .min_severity(Severity::Low)
///     .severity("help-exposed".parse()?, Severity::High)
///     .servers(["192.0.2.0/24".parse()?])
///     .idle_timeout(Duration::from_secs(600))
///     .limit(Limit::Servers, 1000.try_into()?)
///     .records([RecordKind::Findings, RecordKind::Summary]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
#[must_use]
pub struct Config {
    ports: Vec<u16>,
    select: Vec<Selector>,
    ignore: Vec<Selector>,
    min_severity: Severity,
    severity: BTreeMap<Selector, Severity>,
    servers: Vec<IpNet>,
    exchange_peers: Vec<IpNet>,
    limits: Limits,
    timeouts: Timeouts,
    separate: bool,
    hash: bool,
    merge_files: u32,
    records: Vec<Kind>,
    show_secrets: bool,
    threads: Option<NonZeroUsize>,
    batch_bytes: usize,
    stop: capture::Stop,
}

impl Default for Config {
    fn default() -> Self {
        let engine::Config { ports, limits, timeouts, reading, threads, servers, records, .. } =
            engine::Config::default();
        Config {
            ports,
            select: Vec::new(),
            ignore: Vec::new(),
            min_severity: Severity::Info,
            severity: BTreeMap::new(),
            servers,
            exchange_peers: Vec::new(),
            limits,
            timeouts,
            separate: reading.separate,
            hash: reading.hash,
            merge_files: u32::try_from(reading.merge_files).unwrap_or(u32::MAX),
            records: Kind::ALL.into_iter().filter(|kind| records.has(*kind)).collect(),
            show_secrets: false,
            threads,
            batch_bytes: reading.batch_bytes,
            stop: reading.stop,
        }
    }
}

/// What is reported.
impl Config {
    /// Port 25, all rules, findings, servers and summary, as many threads as the machine has cores.
    pub fn new() -> Self {
        Config::default()
    }

    /// Only these rules or checks; all where there are none.
    pub fn select(mut self, select: impl IntoIterator<Item = Selector>) -> Self {
        self.select = select.into_iter().collect();
        self
    }

    /// All but these rules or checks, whatever else selects them.
    pub fn ignore(mut self, ignore: impl IntoIterator<Item = Selector>) -> Self {
        self.ignore = ignore.into_iter().collect();
        self
    }

    /// Nothing below this severity; [`Severity::Info`] by default, which is all.
    pub fn min_severity(mut self, least: Severity) -> Self {
        self.min_severity = least;
        self
    }

    /// The severity of a rule, or of one check, whatever the rule says. What is said of a check wins over what is said of
    /// its rule, and what is said last over what was said before.
    pub fn severity(mut self, of: Selector, severity: Severity) -> Self {
        self.severity.insert(of, severity);
        self
    }

    /// Only what concerns servers in these networks; all where there are none.
    pub fn servers(mut self, servers: impl IntoIterator<Item = IpNet>) -> Self {
        self.servers = servers.into_iter().collect();
        self
    }

    /// Networks of Exchange servers, whose own verbs are usual between them; none by default.
    pub fn exchange_peers(mut self, peers: impl IntoIterator<Item = IpNet>) -> Self {
        self.exchange_peers = peers.into_iter().collect();
        self
    }

    /// Which kinds of records are given beside the first one: findings, servers and summary by default.
    pub fn records(mut self, kinds: impl IntoIterator<Item = Kind>) -> Self {
        self.records = kinds.into_iter().collect();
        self
    }

    /// Whether records hold what AUTH exchanges show of passwords, which are `<redacted>` by default.
    pub fn show_secrets(mut self, show: bool) -> Self {
        self.show_secrets = show;
        self
    }
}

/// How captures are read.
impl Config {
    /// The TCP ports that carry SMTP; 25 by default (RFC 5321 section 4.5.4.2).
    pub fn ports(mut self, ports: impl IntoIterator<Item = u16>) -> Self {
        self.ports = ports.into_iter().collect();
        self
    }

    /// Whether every capture is treated alone: no connection carries on from one into another, and servers are told of
    /// each. By default captures that overlap in time are merged.
    pub fn separate(mut self, separate: bool) -> Self {
        self.separate = separate;
        self
    }

    /// Whether the summary has the SHA-256 of every capture.
    pub fn hash(mut self, hash: bool) -> Self {
        self.hash = hash;
        self
    }

    /// So many captures that overlap in time are open at once at most; 256 by default. The others come behind them, which
    /// is told and counted.
    pub fn merge_files(mut self, most: NonZeroU32) -> Self {
        self.merge_files = most.get();
        self
    }

    /// How many threads work, the calling one not counted; by default as many as the machine has cores, or one where there
    /// is little to read. It changes no record.
    pub fn threads(mut self, threads: NonZeroUsize) -> Self {
        self.threads = Some(threads);
        self
    }

    /// About how many bytes are read at a time; from 4 KiB to 1 GiB, 256 KiB by default. It changes no record.
    pub fn batch_bytes(mut self, bytes: usize) -> Self {
        self.batch_bytes = bytes;
        self
    }

    /// What ends scans before their input ends, when it is [set](capture::Stop::set).
    pub fn stop(mut self, stop: capture::Stop) -> Self {
        self.stop = stop;
        self
    }
}

/// What the traffic may take. Timers fire at whole seconds of the capture's time, so what is more than a second counts as
/// the next one.
impl Config {
    /// How much there may be at most of what the traffic can make grow.
    pub fn limit(mut self, limit: Limit, most: NonZeroU64) -> Self {
        self.limits.set(limit, most.get());
        self
    }

    /// How long a connection may stay without a completed handshake; 60 s by default.
    pub fn half_open_timeout(mut self, timeout: Duration) -> Self {
        self.timeouts.half_open = nanoseconds(timeout);
        self
    }

    /// How long an open connection may be idle; an hour by default, since RFC 5321 section 4.5.3.2 lets ends wait for minutes.
    pub fn idle_timeout(mut self, timeout: Duration) -> Self {
        self.timeouts.idle = nanoseconds(timeout);
        self
    }

    /// How long a closed connection is kept for late segments; 60 s by default.
    pub fn closed_timeout(mut self, timeout: Duration) -> Self {
        self.timeouts.closed = nanoseconds(timeout);
        self
    }

    /// How long IP fragments wait for their siblings; 30 s by default.
    pub fn fragment_timeout(mut self, timeout: Duration) -> Self {
        self.timeouts.fragments = nanoseconds(timeout);
        self
    }
}

impl Config {
    /// Whether there is a port to look at.
    pub(crate) fn has_ports(&self) -> bool {
        self.ports.iter().any(|&port| port != 0)
    }

    pub(crate) fn shows_secrets(&self) -> bool {
        self.show_secrets
    }

    /// What all this means for the engine.
    pub(crate) fn engine(&self) -> engine::Config {
        let mut selection = Selection::new(&self.select, &self.ignore, self.min_severity, &self.limits);
        selection.exchange_peers.clone_from(&self.exchange_peers);
        engine::Config {
            ports: self.ports.clone(),
            limits: self.limits.clone(),
            timeouts: self.timeouts,
            reading: capture::Options {
                batch_bytes: self.batch_bytes,
                separate: self.separate,
                hash: self.hash,
                stop: self.stop.clone(),
                merge_files: usize::try_from(self.merge_files).unwrap_or(usize::MAX),
                name_skipped: true,
            },
            threads: self.threads,
            selection: selection.severities(&self.severity),
            servers: self.servers.clone(),
            records: Records::of(&self.records),
            evidence: false,
        }
    }

    /// The first record.
    pub(crate) fn start(&self) -> Start {
        Start::scan(record::Options {
            bpf: None,
            closed_timeout: seconds(self.timeouts.closed),
            exchange_peers: texts(&self.exchange_peers),
            fragment_timeout: seconds(self.timeouts.fragments),
            half_open_timeout: seconds(self.timeouts.half_open),
            hash: self.hash,
            idle_timeout: seconds(self.timeouts.idle),
            ignore: texts(&self.ignore),
            interface: None,
            limits: (&self.limits).into(),
            merge_files: self.merge_files,
            min_severity: self.min_severity,
            notice_ports: None,
            port: self.ports.clone(),
            records: self.records.iter().map(|kind| kind.name().into()).collect(),
            renotify: None,
            select: texts(&self.select),
            separate: self.separate,
            servers: texts(&self.servers),
            severity: self.severity.iter().map(|(named, severity)| (named.to_string(), *severity)).collect(),
            show_secrets: self.show_secrets,
            snap_length: None,
            stats_interval: None,
        })
    }
}

fn texts(values: &[impl ToString]) -> Vec<String> {
    values.iter().map(ToString::to_string).collect()
}

/// Whole seconds, as records have them.
fn seconds(nanoseconds: i64) -> u32 {
    u32::try_from(nanoseconds.div_euclid(Time::SECOND)).unwrap_or(u32::MAX)
}

/// Whole seconds that are no less, in nanoseconds.
fn nanoseconds(timeout: Duration) -> i64 {
    let seconds = timeout.as_secs().saturating_add(u64::from(timeout.subsec_nanos() > 0));
    i64::from(u32::try_from(seconds).unwrap_or(u32::MAX)).saturating_mul(Time::SECOND)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_timeout_is_a_whole_number_of_seconds_that_is_no_less() {
        let told = |timeout| {
            let start = Config::new().idle_timeout(timeout).start();
            (start.options.idle_timeout, nanoseconds(timeout))
        };
        assert_eq!(told(Duration::from_millis(1500)), (2, 2 * Time::SECOND));
        assert_eq!(told(Duration::from_secs(2)), (2, 2 * Time::SECOND));
        assert_eq!(told(Duration::ZERO), (0, 0));
        assert_eq!(told(Duration::MAX), (u32::MAX, i64::from(u32::MAX) * Time::SECOND));
    }

    #[test]
    fn where_nothing_is_said_the_engines_defaults_hold() {
        let (config, default) = (Config::new().engine(), engine::Config::default());
        assert_eq!((config.ports, config.timeouts, config.limits), (default.ports, default.timeouts, default.limits));
        assert_eq!((config.threads, config.records), (default.threads, default.records));
        assert_eq!(config.reading, capture::Options { name_skipped: true, ..default.reading });
    }
}
