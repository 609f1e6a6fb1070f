//! [`Config`]: everything that decides what a scan finds and tells, as the command line's options of the same names.

use std::net::SocketAddr;
use std::num::{NonZeroU32, NonZeroU64, NonZeroUsize};
use std::time::Duration;

use ipnet::IpNet;

use crate::base::{Endpoint, Limit, ServerName, ShardSet, Time, Timeouts, Whose};
use crate::ledger::{Filter, Kind, Records};
use crate::record::{Options, Pattern, SessionPrefix, Since, Until, When};
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
///     .since("2026-11-24T14:45:00Z".parse()?)
///     .matching("(?i)^HELP".parse()?)
///     .idle_timeout(Duration::from_secs(600))
///     .limit(Limit::Servers, 1000.try_into()?)
///     .records([RecordKind::Findings, RecordKind::Summary]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
#[must_use]
pub struct Config {
    options: Options,
    threads: Option<NonZeroUsize>,
    batch_bytes: usize,
    stop: capture::Stop,
}

impl Default for Config {
    fn default() -> Self {
        let capture::Options { batch_bytes, stop, .. } = capture::Options::default();
        Config { options: Options::default(), threads: None, batch_bytes, stop }
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
        self.options.select = select.into_iter().collect();
        self
    }

    /// All but these rules or checks, whatever else selects them.
    pub fn ignore(mut self, ignore: impl IntoIterator<Item = Selector>) -> Self {
        self.options.ignore = ignore.into_iter().collect();
        self
    }

    /// Nothing below this severity; [`Severity::Info`] by default, which is all.
    pub fn min_severity(mut self, least: Severity) -> Self {
        self.options.min_severity = least;
        self
    }

    /// The severity of a rule, or of one check, whatever the rule says. What is said of a check wins over what is said of
    /// its rule, and what is said last over what was said before.
    pub fn severity(mut self, of: Selector, severity: Severity) -> Self {
        self.options.severity.insert(of, severity);
        self
    }

    /// Only what concerns servers in these networks; all where there are none.
    pub fn servers(mut self, servers: impl IntoIterator<Item = IpNet>) -> Self {
        self.options.servers = servers.into_iter().collect();
        self
    }

    /// Only what clients in these networks take part in; all where there are none.
    pub fn clients(mut self, clients: impl IntoIterator<Item = IpNet>) -> Self {
        self.options.client = clients.into_iter().collect();
        self
    }

    /// Only sessions whose ids begin so; all where there are none.
    pub fn sessions(mut self, ids: impl IntoIterator<Item = SessionPrefix>) -> Self {
        self.options.session = ids.into_iter().collect();
        self
    }

    /// Only what was said from then on, by the capture's time: findings and events of that time, and sessions of which
    /// some packet is.
    pub fn since(mut self, first: When) -> Self {
        self.options.since = Some(Since(first));
        self
    }

    /// Only what was said until then, the moment itself included.
    pub fn until(mut self, last: When) -> Self {
        self.options.until = Some(Until(last));
        self
    }

    /// Only findings whose evidence matches, commands and replies that match, and sessions with any of these. It sees what
    /// records show: neither secrets nor message data.
    pub fn matching(mut self, pattern: Pattern) -> Self {
        self.options.pattern = Some(pattern);
        self
    }

    /// A name that stands for the addresses of the servers in a network, on whichever port, wherever servers are told apart:
    /// in records and in fingerprints. The name of the smallest network wins, and one for a port over all of these.
    pub fn server_name(mut self, net: IpNet, name: ServerName) -> Self {
        self.options.server_name.insert(Whose::Net(net.trunc()), name);
        self
    }

    /// The same for the one server at this address and port.
    pub fn server_name_at(mut self, at: SocketAddr, name: ServerName) -> Self {
        self.options.server_name.insert(Whose::Port(Endpoint { ip: at.ip(), port: at.port() }), name);
        self
    }

    /// Networks of Exchange servers, whose own verbs are usual between them; none by default.
    pub fn exchange_peers(mut self, peers: impl IntoIterator<Item = IpNet>) -> Self {
        self.options.exchange_peers = peers.into_iter().collect();
        self
    }

    /// Which kinds of records are given beside the first one: findings, servers and summary by default.
    pub fn records(mut self, kinds: impl IntoIterator<Item = Kind>) -> Self {
        self.options.records = kinds.into_iter().collect();
        self
    }

    /// Whether records hold what AUTH exchanges show of passwords, which are `<redacted>` by default.
    pub fn show_secrets(mut self, show: bool) -> Self {
        self.options.show_secrets = show;
        self
    }
}

/// How captures are read.
impl Config {
    /// The TCP ports that carry SMTP; 25 by default (RFC 5321 section 4.5.4.2).
    pub fn ports(mut self, ports: impl IntoIterator<Item = u16>) -> Self {
        self.options.port = ports.into_iter().collect();
        self
    }

    /// Whether every capture is treated alone: no connection carries on from one into another, and servers are told of
    /// each. By default captures that overlap in time are merged.
    pub fn separate(mut self, separate: bool) -> Self {
        self.options.separate = separate;
        self
    }

    /// Whether the summary has the SHA-256 of every capture.
    pub fn hash(mut self, hash: bool) -> Self {
        self.options.hash = hash;
        self
    }

    /// So many captures that overlap in time are open at once at most; 256 by default. The others come behind them, which
    /// is told and counted.
    pub fn merge_files(mut self, most: NonZeroU32) -> Self {
        self.options.merge_files = most;
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
        self.options.limits.set(limit, most.get());
        self
    }

    /// How long a connection may stay without a completed handshake; 60 s by default.
    pub fn half_open_timeout(mut self, timeout: Duration) -> Self {
        self.options.half_open_timeout = seconds(timeout);
        self
    }

    /// How long an open connection may be idle; an hour by default, since RFC 5321 section 4.5.3.2 lets ends wait for minutes.
    pub fn idle_timeout(mut self, timeout: Duration) -> Self {
        self.options.idle_timeout = seconds(timeout);
        self
    }

    /// How long a closed connection is kept for late segments; 60 s by default.
    pub fn closed_timeout(mut self, timeout: Duration) -> Self {
        self.options.closed_timeout = seconds(timeout);
        self
    }

    /// How long IP fragments wait for their siblings; 30 s by default.
    pub fn fragment_timeout(mut self, timeout: Duration) -> Self {
        self.options.fragment_timeout = seconds(timeout);
        self
    }
}

impl Config {
    /// Whether there is a port to look at.
    pub(crate) fn has_ports(&self) -> bool {
        self.options.port.iter().any(|&port| port != 0)
    }

    pub(crate) fn options(&self) -> &Options {
        &self.options
    }

    /// What all this means for the engine.
    pub(crate) fn engine(&self) -> engine::Config {
        let config = engine(&self.options);
        let stop = self.stop.clone();
        let reading = capture::Options { batch_bytes: self.batch_bytes, stop, name_skipped: true, ..config.reading };
        engine::Config { threads: self.threads, reading, ..config }
    }
}

/// What options mean for the engine.
pub(crate) fn engine(options: &Options) -> engine::Config {
    let mut selection = Selection::new(&options.select, &options.ignore, options.min_severity, &options.limits);
    selection.exchange_peers.clone_from(&options.exchange_peers);
    let severities = options.severity.iter().map(|(selector, severity)| (selector, *severity));
    let nanoseconds = |seconds: u32| i64::from(seconds).saturating_mul(Time::SECOND);
    engine::Config {
        ports: options.port.clone(),
        limits: options.limits.clone(),
        timeouts: Timeouts {
            half_open: nanoseconds(options.half_open_timeout),
            idle: nanoseconds(options.idle_timeout),
            closed: nanoseconds(options.closed_timeout),
            fragments: nanoseconds(options.fragment_timeout),
        },
        reading: capture::Options {
            separate: options.separate,
            hash: options.hash,
            merge_files: usize::try_from(options.merge_files.get()).unwrap_or(usize::MAX),
            ..capture::Options::default()
        },
        threads: None,
        selection: selection.severities(severities),
        servers: options.servers.clone(),
        filter: Filter {
            since: options.since.map(|Since(When(first))| first),
            until: options.until.map(|Until(When(last))| last),
            clients: options.client.clone(),
            sessions: options.session.clone(),
            pattern: options.pattern.clone(),
        },
        server_names: options.server_name.clone(),
        records: Records::of(&options.records),
        repeats: false,
        evidence: false,
        shards: ShardSet::ALL,
    }
}

/// Whole seconds that are no less.
fn seconds(timeout: Duration) -> u32 {
    let seconds = timeout.as_secs().saturating_add(u64::from(timeout.subsec_nanos() > 0));
    u32::try_from(seconds).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_timeout_is_a_whole_number_of_seconds_that_is_no_less() {
        let told = |timeout| {
            let config = Config::new().idle_timeout(timeout);
            (config.options.idle_timeout, config.engine().timeouts.idle)
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
