//! What is in force: the defaults, over them the configuration file, over that the command line.

use std::collections::BTreeMap;

use ipnet::IpNet;

use crate::base::{Limits, ShardSet, Time, Timeouts};
use crate::capture;
use crate::engine::Config;
use crate::ledger::{Kind, Records};
use crate::record::{self, Word};
use crate::rules::selection::Selector;
use crate::rules::{Selection, Severity};

use super::args::Work;
use super::options::Options;

/// Every option that changes results, with its value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Settings {
    pub min_severity: Severity,
    /// All, where it is empty.
    pub select: Vec<Selector>,
    pub ignore: Vec<Selector>,
    /// All, where it is empty.
    pub servers: Vec<IpNet>,
    pub exchange_peers: Vec<IpNet>,
    pub severity: BTreeMap<Selector, Severity>,
    pub records: Vec<Kind>,
    pub ports: Vec<u16>,
    pub separate: bool,
    pub hash: bool,
    pub merge_files: u32,
    pub timeouts: Timeouts,
    pub limits: Limits,
}

impl Default for Settings {
    fn default() -> Self {
        Settings {
            min_severity: Severity::Info,
            select: Vec::new(),
            ignore: Vec::new(),
            servers: Vec::new(),
            exchange_peers: Vec::new(),
            severity: BTreeMap::new(),
            records: Kind::ALL.into_iter().filter(|kind| Records::default().has(*kind)).collect(),
            ports: vec![Config::PORT],
            separate: false,
            hash: false,
            merge_files: u32::try_from(capture::Options::DEFAULT_MERGE_FILES).unwrap_or(u32::MAX),
            timeouts: Timeouts::default(),
            limits: Limits::default(),
        }
    }
}

impl From<Options> for Settings {
    /// What was said, and the default of what was not.
    fn from(said: Options) -> Self {
        let default = Settings::default();
        let timeout = |said: Option<u32>, default| said.map_or(default, nanoseconds);
        let mut limits = default.limits;
        for (limit, value) in said.limits.0 {
            limits.set(limit, value);
        }
        Settings {
            min_severity: said.min_severity.unwrap_or(default.min_severity),
            select: said.select.unwrap_or(default.select),
            ignore: said.ignore.unwrap_or(default.ignore),
            servers: said.servers.unwrap_or(default.servers),
            exchange_peers: said.exchange_peers.unwrap_or(default.exchange_peers),
            severity: said.severity.unwrap_or_default().into_iter().collect(),
            records: said.records.unwrap_or(default.records),
            ports: said.port.unwrap_or(default.ports),
            separate: said.separate.unwrap_or(default.separate),
            hash: said.hash.unwrap_or(default.hash),
            merge_files: said.merge_files.unwrap_or(default.merge_files),
            timeouts: Timeouts {
                half_open: timeout(said.half_open_timeout, default.timeouts.half_open),
                idle: timeout(said.idle_timeout, default.timeouts.idle),
                closed: timeout(said.closed_timeout, default.timeouts.closed),
                fragments: timeout(said.fragment_timeout, default.timeouts.fragments),
            },
            limits,
        }
    }
}

impl Settings {
    /// What they mean for the engine; how the work is divided changes no result.
    pub(super) fn engine(&self, work: &Work) -> Config {
        let mut selection = Selection::new(&self.select, &self.ignore, self.min_severity, &self.limits);
        selection.exchange_peers.clone_from(&self.exchange_peers);
        Config {
            ports: self.ports.clone(),
            limits: self.limits.clone(),
            timeouts: self.timeouts,
            reading: capture::Options {
                batch_bytes: work.batch_bytes,
                separate: self.separate,
                hash: self.hash,
                merge_files: usize::try_from(self.merge_files).unwrap_or(usize::MAX),
                ..capture::Options::default()
            },
            threads: work.threads,
            selection: selection.severities(&self.severity),
            servers: self.servers.clone(),
            records: Records::of(&self.records),
            evidence: false,
            shards: ShardSet::ALL,
        }
    }

    /// Their names and values, as the first record has them.
    pub(super) fn options(&self, show_secrets: bool) -> record::Options {
        record::Options {
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
            min_severity: Word(self.min_severity),
            notice_ports: None,
            port: self.ports.clone(),
            records: self.records.iter().map(|kind| kind.name().into()).collect(),
            renotify: None,
            select: texts(&self.select),
            separate: self.separate,
            servers: texts(&self.servers),
            severity: self.severity.iter().map(|(named, severity)| (named.to_string(), Word(*severity))).collect(),
            show_secrets,
            snap_length: None,
            stats_interval: None,
        }
    }
}

fn texts(values: &[impl ToString]) -> Vec<String> {
    values.iter().map(ToString::to_string).collect()
}

/// Whole seconds, as options have them.
pub(super) fn seconds(nanoseconds: i64) -> u32 {
    u32::try_from(nanoseconds.div_euclid(Time::SECOND)).unwrap_or(u32::MAX)
}

fn nanoseconds(seconds: u32) -> i64 {
    i64::from(seconds).saturating_mul(Time::SECOND)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn where_nothing_is_said_the_engines_defaults_hold() {
        let settings = Settings::from(Options::default());
        assert_eq!(settings, Settings::default());
        let config = settings.engine(&Work::default());
        let default = Config::default();
        assert_eq!((config.ports, config.timeouts, config.limits), (default.ports, default.timeouts, default.limits));
        assert_eq!((config.threads, config.records), (default.threads, default.records));
        assert_eq!(config.reading, default.reading);
    }
}
