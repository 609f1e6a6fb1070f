//! What the options in force mean for the engine.

use crate::base::{Time, Timeouts};
use crate::capture;
use crate::engine::Config;
use crate::ledger::Records;
use crate::record::{Options, Word};
use crate::rules::Selection;

use super::args::Work;

/// What they mean for the engine; how the work is divided changes no result.
pub(super) fn engine(options: &Options, work: &Work) -> Config {
    let Word(least) = options.min_severity;
    let mut selection = Selection::new(&options.select, &options.ignore, least, &options.limits);
    selection.exchange_peers.clone_from(&options.exchange_peers);
    let severities = options.severity.iter().map(|(selector, Word(severity))| (selector, *severity));
    Config {
        ports: options.port.clone(),
        limits: options.limits.clone(),
        timeouts: Timeouts {
            half_open: nanoseconds(options.half_open_timeout),
            idle: nanoseconds(options.idle_timeout),
            closed: nanoseconds(options.closed_timeout),
            fragments: nanoseconds(options.fragment_timeout),
        },
        reading: capture::Options {
            batch_bytes: work.batch_bytes,
            separate: options.separate,
            hash: options.hash,
            merge_files: usize::try_from(options.merge_files.get()).unwrap_or(usize::MAX),
            ..capture::Options::default()
        },
        threads: work.threads,
        selection: selection.severities(severities),
        servers: options.servers.clone(),
        server_names: options.server_name.clone(),
        records: records(options),
        evidence: false,
    }
}

/// Which records are wanted.
pub(super) fn records(options: &Options) -> Records {
    Records::of(&options.records.iter().map(|Word(kind)| *kind).collect::<Vec<_>>())
}

fn nanoseconds(seconds: u32) -> i64 {
    i64::from(seconds).saturating_mul(Time::SECOND)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn where_nothing_is_said_the_engines_defaults_hold() {
        let config = engine(&Options::default(), &Work::default());
        let default = Config::default();
        assert_eq!((config.ports, config.timeouts, config.limits), (default.ports, default.timeouts, default.limits));
        assert_eq!((config.threads, config.records), (default.threads, default.records));
        assert_eq!(config.reading, default.reading);
    }
}
