//! The arguments, and what they mean for the engine. Limits are flags made from their own table.

use std::num::NonZeroUsize;
use std::path::PathBuf;

use clap::builder::PossibleValuesParser;
use clap::{Arg, ArgMatches, Args, FromArgMatches, Parser, Subcommand, ValueEnum, value_parser};
use ipnet::IpNet;

use crate::base::limits::Bound;
use crate::base::{Limit, Limits, Time, Timeouts};
use crate::capture;
use crate::engine::Config;
use crate::ledger::{Kind, Records};
use crate::report::{self, FORMATS};
use crate::rules::selection::Selector;
use crate::rules::{Selection, Severity};

/// Passive SMTP analyser: reads packet captures, follows each SMTP session, and reports what its rules find.
#[derive(Debug, Parser)]
#[command(name = "mailtap", version, max_term_width = 100)]
pub(super) struct Arguments {
    #[command(subcommand)]
    pub command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Scan capture files
    #[command(after_help = EXIT_CODES)]
    Scan(Box<Scan>),
    /// List the rules, or print everything known of one
    Rules(Rules),
}

const EXIT_CODES: &str = "Exit codes: 0 done, 1 findings at or above --fail-on, 2 wrong usage, an input that could not be \
                          read to its end, or an output that could not be written; 2 wins over 1";

/// The arguments of `scan`.
#[derive(Debug, Args)]
pub(super) struct Scan {
    /// Capture files (pcap or pcapng, also gzip, zstd, lz4 or xz), directories, or - for standard input
    #[arg(required = true, value_name = "PATH")]
    pub paths: Vec<PathBuf>,

    #[command(flatten)]
    pub output: Output,
    #[command(flatten)]
    pub choice: Choice,
    #[command(flatten)]
    pub reading: Reading,
    #[command(flatten)]
    pub timers: Timers,
    #[command(flatten)]
    pub limits: LimitFlags,
}

/// How to print.
#[derive(Debug, Args)]
#[command(next_help_heading = "Output")]
pub(super) struct Output {
    /// The output format
    #[arg(long, value_name = "FORMAT", default_value = "text", value_parser = formats())]
    pub format: String,
    /// Which records to print
    #[arg(long, value_name = "KINDS", value_delimiter = ',', default_value = "findings,servers,summary")]
    pub records: Vec<Kind>,
    /// Write to FILE instead of standard output; a capture is never overwritten
    #[arg(long = "output", short = 'o', value_name = "FILE")]
    pub file: Option<PathBuf>,
    /// Exit with 1 where a finding of at least this severity was reported
    #[arg(long, value_name = "SEVERITY")]
    pub fail_on: Option<Severity>,
    /// Show passwords and other secrets instead of `<redacted>`
    #[arg(long)]
    pub show_secrets: bool,
    /// Neither progress nor notices on standard error
    #[arg(long, short)]
    pub quiet: bool,
    /// Colour in the text report
    #[arg(long, value_name = "WHEN", default_value = "auto")]
    pub color: Color,
}

/// When to use colour.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Color {
    /// On a terminal, unless `NO_COLOR` is set
    Auto,
    Always,
    Never,
}

/// What to report.
#[derive(Debug, Args)]
#[command(next_help_heading = "What to report")]
pub(super) struct Choice {
    /// Report nothing below this severity
    #[arg(long, value_name = "SEVERITY", default_value = "info")]
    pub min_severity: Severity,
    /// Only these rules or checks
    #[arg(long, value_name = "RULE[/CHECK]", value_delimiter = ',')]
    pub select: Vec<Selector>,
    /// All but these rules or checks
    #[arg(long, value_name = "RULE[/CHECK]", value_delimiter = ',')]
    pub ignore: Vec<Selector>,
    /// Only what concerns servers in these networks
    #[arg(long, value_name = "NET", value_delimiter = ',', value_parser = network)]
    pub servers: Vec<IpNet>,
}

/// How to read.
#[derive(Debug, Args)]
#[command(next_help_heading = "Reading")]
pub(super) struct Reading {
    /// The TCP ports to analyse
    #[arg(long, value_name = "PORT", value_delimiter = ',', default_values_t = [Config::PORT], value_parser = value_parser!(u16).range(1..))]
    pub port: Vec<u16>,
    /// Treat every file alone: no connection carries on from one into another
    #[arg(long)]
    pub separate: bool,
    /// Compute the SHA-256 of every file
    #[arg(long)]
    pub hash: bool,
    /// Threads, the reader's too; changes no result [default: one per core]
    #[arg(long, value_name = "N")]
    pub threads: Option<NonZeroUsize>,
    /// Bytes read at a time; changes no result
    #[arg(long, value_name = "N", default_value_t = capture::Options::DEFAULT_BATCH)]
    pub batch_bytes: usize,
}

/// How long to keep what is silent, in seconds.
#[derive(Debug, Args)]
#[command(next_help_heading = "Timeouts, in seconds of the capture's time")]
pub(super) struct Timers {
    /// Of a connection whose handshake was not completed
    #[arg(long = "half-open-timeout", value_name = "SECONDS", default_value_t = seconds(Timeouts::default().half_open))]
    pub half_open: u32,
    /// Of an open connection
    #[arg(long = "idle-timeout", value_name = "SECONDS", default_value_t = seconds(Timeouts::default().idle))]
    pub idle: u32,
    /// Of a closed connection
    #[arg(long = "closed-timeout", value_name = "SECONDS", default_value_t = seconds(Timeouts::default().closed))]
    pub closed: u32,
    /// Of fragments that wait for their siblings
    #[arg(long = "fragment-timeout", value_name = "SECONDS", default_value_t = seconds(Timeouts::default().fragments))]
    pub fragment: u32,
}

/// The arguments of `rules`.
#[derive(Debug, Args)]
pub(super) struct Rules {
    /// The rule to print whole
    pub id: Option<String>,
}

/// `--max-KEY` for every row of the table of limits.
#[derive(Clone, Debug, Default)]
pub(super) struct LimitFlags {
    pub limits: Limits,
}

impl Args for LimitFlags {
    fn augment_args(command: clap::Command) -> clap::Command {
        Limit::ALL.iter().fold(command, |command, bound| {
            let flag = Arg::new(flag_of(bound))
                .long(flag_of(bound))
                .value_name("N")
                .value_parser(value_parser!(u64).range(1..))
                .help(format!("{} [default: {}]", capitalized(bound.help), bound.default))
                .help_heading("Limits");
            command.arg(flag)
        })
    }

    fn augment_args_for_update(command: clap::Command) -> clap::Command {
        Self::augment_args(command)
    }
}

impl FromArgMatches for LimitFlags {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let mut flags = LimitFlags::default();
        flags.update_from_arg_matches(matches)?;
        Ok(flags)
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        for bound in Limit::ALL {
            if let Some(value) = matches.get_one::<u64>(&flag_of(bound)) {
                self.limits.set(bound.limit, *value);
            }
        }
        Ok(())
    }
}

impl Scan {
    /// What the arguments mean for the engine.
    pub(super) fn config(&self) -> Config {
        let Choice { min_severity, select, ignore, servers } = &self.choice;
        let Reading { port, separate, hash, threads, batch_bytes } = &self.reading;
        let limits = self.limits.limits.clone();
        Config {
            ports: port.clone(),
            timeouts: Timeouts {
                half_open: nanoseconds(self.timers.half_open),
                idle: nanoseconds(self.timers.idle),
                closed: nanoseconds(self.timers.closed),
                fragments: nanoseconds(self.timers.fragment),
            },
            reading: capture::Options { batch_bytes: *batch_bytes, separate: *separate, hash: *hash },
            threads: *threads,
            selection: Selection::new(select, ignore, *min_severity, &limits),
            servers: servers.clone(),
            records: Records::of(&self.output.records),
            limits,
        }
    }

    /// The first record: the options that change results, by their flags' names. Threads and batches are none.
    pub(super) fn start(&self) -> report::Start {
        let texts = |values: &mut dyn Iterator<Item = String>| values.collect::<Vec<_>>();
        let mut options = std::collections::BTreeMap::new();
        let mut set = |name, value: serde_json::Value| options.insert(name, value);
        set("port", self.reading.port.clone().into());
        set("separate", self.reading.separate.into());
        set("hash", self.reading.hash.into());
        set("records", texts(&mut self.output.records.iter().map(|kind| kind.name().to_owned())).into());
        set("show_secrets", self.output.show_secrets.into());
        set("min_severity", self.choice.min_severity.name().into());
        set("select", texts(&mut self.choice.select.iter().map(ToString::to_string)).into());
        set("ignore", texts(&mut self.choice.ignore.iter().map(ToString::to_string)).into());
        set("servers", texts(&mut self.choice.servers.iter().map(ToString::to_string)).into());
        set("half_open_timeout", self.timers.half_open.into());
        set("idle_timeout", self.timers.idle.into());
        set("closed_timeout", self.timers.closed.into());
        set("fragment_timeout", self.timers.fragment.into());
        let limits = Limit::ALL.iter().map(|bound| (bound.key.to_owned(), self.limits.limits.get(bound.limit).into()));
        set("limits", serde_json::Value::Object(limits.collect()));
        report::Start { command: "scan", options }
    }

    /// Whether records are printed while the scan goes on: all but the text report's findings, which are grouped.
    pub(super) fn streams(&self) -> bool {
        let kinds = Records::of(&self.output.records);
        !self.format().groups || kinds.has(Kind::Events) || kinds.has(Kind::Sessions)
    }

    /// The chosen output format.
    pub(super) fn format(&self) -> &'static report::Named {
        FORMATS.iter().copied().find(|format| format.name == self.output.format).unwrap_or(&report::TEXT)
    }
}

impl ValueEnum for Severity {
    fn value_variants<'a>() -> &'a [Self] {
        &Severity::ALL
    }

    fn to_possible_value(&self) -> Option<clap::builder::PossibleValue> {
        Some(clap::builder::PossibleValue::new(self.name()))
    }
}

impl ValueEnum for Kind {
    fn value_variants<'a>() -> &'a [Self] {
        &Kind::ALL
    }

    fn to_possible_value(&self) -> Option<clap::builder::PossibleValue> {
        Some(clap::builder::PossibleValue::new(self.name()))
    }
}

impl std::fmt::Display for Kind {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str(self.name())
    }
}

fn formats() -> PossibleValuesParser {
    FORMATS
        .iter()
        .map(|format| clap::builder::PossibleValue::new(format.name).help(format.help))
        .collect::<Vec<_>>()
        .into()
}

/// A network, or a single address.
fn network(text: &str) -> Result<IpNet, String> {
    let address = || text.parse::<std::net::IpAddr>().map(IpNet::from).ok();
    let net = text.parse::<IpNet>().ok().or_else(address);
    net.ok_or_else(|| "a network such as 192.0.2.0/24 or 2001:db8::/32, or an address, is wanted".to_owned())
}

fn flag_of(bound: &Bound) -> String {
    format!("max-{}", bound.key)
}

fn capitalized(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map(|first| first.to_uppercase().chain(chars).collect()).unwrap_or_default()
}

fn seconds(nanoseconds: i64) -> u32 {
    u32::try_from(nanoseconds.div_euclid(Time::SECOND)).unwrap_or(u32::MAX)
}

fn nanoseconds(seconds: u32) -> i64 {
    i64::from(seconds).saturating_mul(Time::SECOND)
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    fn scan(arguments: &[&str]) -> Result<Box<Scan>, String> {
        let arguments = ["mailtap", "scan"].iter().chain(arguments);
        match Arguments::try_parse_from(arguments).map_err(|error| error.to_string())?.command {
            Command::Scan(scan) => Ok(scan),
            Command::Rules(_) => unreachable!("scan was asked for"),
        }
    }

    #[test]
    fn the_definitions_hold_together() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn without_options_the_config_is_the_default() {
        let config = scan(&["a.pcap"]).unwrap().config();
        let default = Config::default();
        assert_eq!((config.ports, config.timeouts, config.limits), (default.ports, default.timeouts, default.limits));
        assert_eq!((config.threads, config.records), (default.threads, default.records));
        assert_eq!(config.reading.batch_bytes, default.reading.batch_bytes);
    }

    #[test]
    fn every_limit_is_a_flag() {
        for bound in Limit::ALL {
            let flag = format!("--max-{}", bound.key);
            let config = scan(&[&flag, "7", "a.pcap"]).unwrap().config();
            assert_eq!(config.limits.get(bound.limit), 7, "{flag}");
            assert!(scan(&[&flag, "0", "a.pcap"]).is_err(), "{flag} 0");
        }
    }

    #[test]
    fn lists_and_timeouts_reach_the_engine() {
        let options = ["--port", "25,587", "--half-open-timeout", "1", "--idle-timeout", "2", "--closed-timeout", "3"];
        let more = ["--fragment-timeout", "4", "--servers", "192.0.2.1,2001:db8::/32", "--records", "events", "-"];
        let config = scan(&[&options[..], &more].concat()).unwrap().config();
        assert_eq!(config.ports, [25, 587]);
        let Timeouts { half_open, idle, closed, fragments } = config.timeouts;
        assert_eq!([half_open, idle, closed, fragments], [1, 2, 3, 4].map(|s| s * 1_000_000_000));
        assert_eq!(config.servers.len(), 2);
        assert!(config.records.has(Kind::Events) && !config.records.has(Kind::Findings));
    }

    #[test]
    fn wrong_usage_is_told_with_what_there_is() {
        for (options, told) in [
            (&["--select", "help"][..], "no rule 'help'"),
            (&["--ignore", "help-exposed/nothing"], "no check 'nothing'"),
            (&["--servers", "example.org"], "192.0.2.0/24"),
            (&["--min-severity", "huge"], "critical"),
            (&["--format", "xml"], "jsonl"),
            (&["--records", "all"], "findings"),
            (&["--port", "70000"], "70000"),
        ] {
            let error = scan(&[options, &["a.pcap"]].concat()).unwrap_err();
            assert!(error.contains(told), "{options:?}: {error}");
        }
        assert!(scan(&[]).is_err(), "no path");
    }

    #[test]
    fn the_start_record_names_what_changes_results_and_not_how_the_work_was_divided() {
        let start = scan(&["--threads", "3", "--batch-bytes", "4096", "--max-servers", "9", "a.pcap"]).unwrap().start();
        assert_eq!(start.options["limits"]["servers"], 9);
        let text = serde_json::to_string(&start.options).unwrap();
        assert!(!text.contains("threads") && !text.contains("4096"), "{text}");
    }
}
