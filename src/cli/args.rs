//! The arguments: what each subcommand takes.

#[cfg(live)]
mod watch;

#[cfg(live)]
pub(super) use watch::Watch;

use std::num::NonZeroUsize;
use std::path::PathBuf;

use clap::builder::PossibleValuesParser;
use clap::{Args, Parser, Subcommand, ValueEnum, value_parser};

use crate::ledger::{Kind, Records};
use crate::record::{Options, Program, Start};
use crate::report::{self, FORMATS};
use crate::rules::Severity;
use crate::{capture, config, engine};

use super::file;
use super::options::Flags;
use super::show::Wanted;
use super::values;

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
    /// Listen on network interfaces and report as it goes
    #[cfg(live)]
    #[command(after_help = watch::EXIT_CODES)]
    Watch(Box<Watch>),
    #[cfg(not(live))]
    #[command(hide = true)]
    Watch(Absent),
    /// List the network interfaces that can be listened on
    #[cfg_attr(not(live), command(hide = true))]
    Interfaces,
    /// Show one session as a dialogue, with its findings where they are
    #[command(after_help = SHOW_EXIT_CODES, mut_arg("records", |arg| arg.hide(true)))]
    Show(Box<Show>),
    /// Print the options that are in force as a configuration file, with what each is for
    Config(Box<Config>),
    /// List the rules, or print everything known of one
    Rules(Rules),
    /// Print the JSON Schema of all records
    Schema,
}

const OUTPUT: &str = "Output";

const EXIT_CODES: &str = "Signals: SIGINT and SIGTERM end the scan with the report of what was read; a second one ends it at once.\n\n\
                          Exit codes: 0 done, 1 findings at or above --fail-on, 2 wrong usage, an input that could not be \
                          read to its end, a signal, no session for --fail-on to judge, or an output that could not be \
                          written; 2 wins over 1";

const SHOW_EXIT_CODES: &str = "Exit codes: 0 shown, 2 wrong usage, nothing found, several things found, a signal, or an input or output that failed";

/// The arguments of `scan`.
#[derive(Debug, Args)]
pub(super) struct Scan {
    /// Capture files (pcap or pcapng, also gzip, zstd, lz4 or xz), directories, or - for standard input
    #[arg(required = true, value_name = "PATH")]
    pub paths: Vec<PathBuf>,
    /// Name on standard error the files of directories that are passed over, and say why
    #[arg(long, short, help_heading = "Reading")]
    pub verbose: bool,

    #[command(flatten)]
    pub output: Output,
    #[command(flatten)]
    pub choice: Choice,
    #[command(flatten)]
    pub work: Work,
}

/// The arguments of `show`.
#[derive(Debug, Args)]
pub(super) struct Show {
    /// The id of a session, the fingerprint of a finding, or at least 4 digits that only one of them begins with; or the address
    /// or network of clients, to show all of their sessions
    #[arg(value_name = "WHAT", value_parser = value_parser!(Wanted))]
    pub what: Wanted,
    /// The captures, as for scan
    #[arg(required = true, value_name = "CAPTURE")]
    pub paths: Vec<PathBuf>,
    /// Show all sessions of that session's client, in the order in which they began
    #[arg(long, help_heading = OUTPUT)]
    pub follow: bool,
    /// Print Markdown, for a ticket
    #[arg(long, help_heading = OUTPUT)]
    pub markdown: bool,
    /// Print long lines, long replies and hashes in full, and the fingerprint of each finding
    #[arg(long, short, help_heading = OUTPUT)]
    pub verbose: bool,
    /// Show passwords and other secrets instead of `<redacted>`
    #[arg(long, help_heading = OUTPUT)]
    pub show_secrets: bool,
    /// Neither progress nor notices on standard error
    #[arg(long, short, help_heading = OUTPUT)]
    pub quiet: bool,
    /// Colour
    #[arg(long, value_name = "WHEN", default_value = "auto", help_heading = OUTPUT)]
    pub color: Color,

    #[command(flatten)]
    pub choice: Choice,
    #[command(flatten)]
    pub work: Work,
}

/// Whatever the arguments of a subcommand are that this program has not.
#[cfg(not(live))]
#[derive(Debug, Args)]
pub(super) struct Absent {
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    arguments: Vec<std::ffi::OsString>,
}

/// How to print.
#[derive(Debug, Args)]
#[command(next_help_heading = OUTPUT)]
pub(super) struct Output {
    /// The output format
    #[arg(long, value_name = "FORMAT", default_value = "text", value_parser = formats())]
    pub format: String,
    /// Write to FILE instead of standard output; a capture is never overwritten
    #[arg(long = "output", short = 'o', value_name = "FILE")]
    pub file: Option<PathBuf>,
    /// Keep the packets of every session with a finding in FILE, a new one, as pcapng for Wireshark: with all that they
    /// hold, message content and passwords too. A scan reads its captures twice for it, so pipes cannot be scanned
    #[arg(long, value_name = "FILE")]
    pub write: Option<PathBuf>,
    /// Exit with 1 where a finding of at least this severity was reported
    #[arg(long, value_name = "SEVERITY", value_parser = values::word::<Severity>())]
    pub fail_on: Option<Severity>,
    /// With --fail-on, where no session was followed: exit with 0 all the same
    #[arg(long)]
    pub allow_nothing: bool,
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

/// Everything that decides what is found and reported.
#[derive(Debug, Args)]
pub(super) struct Choice {
    /// Read options from a TOML file; what the command line says wins (`mailtap config` prints one)
    #[arg(long, value_name = "FILE", help_heading = "What to report")]
    pub config: Option<PathBuf>,
    #[command(flatten)]
    pub flags: Flags,
}

impl Choice {
    /// What is in force: the defaults, over them the configuration file, over that the command line.
    pub(super) fn options(&self) -> Result<Options, file::Problem> {
        let mut options = Options::default();
        self.config.as_deref().map_or(Ok(()), |path| file::read(path, &mut options))?;
        self.flags.take(&mut options);
        Ok(options)
    }
}

/// How the work is divided.
#[derive(Debug, Args)]
#[command(next_help_heading = "Reading")]
pub(super) struct Work {
    /// Threads, the reader's too; changes no result [default: one per core]
    #[arg(long, value_name = "N")]
    pub threads: Option<NonZeroUsize>,
    /// Bytes read at a time; changes no result
    #[arg(long, value_name = "N", default_value_t = capture::Options::DEFAULT_BATCH)]
    pub batch_bytes: usize,
}

impl Default for Work {
    fn default() -> Self {
        Work { threads: None, batch_bytes: capture::Options::DEFAULT_BATCH }
    }
}

impl Work {
    /// What the options in force mean for the engine, and how it is to divide its work.
    pub(super) fn engine(&self, options: &Options) -> engine::Config {
        let config = config::engine(options);
        let reading = capture::Options { batch_bytes: self.batch_bytes, ..config.reading };
        engine::Config { threads: self.threads, reading, ..config }
    }
}

/// The arguments of `config`.
#[derive(Debug, Args)]
pub(super) struct Config {
    #[command(flatten)]
    pub choice: Choice,
}

/// The arguments of `rules`.
#[derive(Debug, Args)]
pub(super) struct Rules {
    /// The rule to print whole
    pub id: Option<String>,
    /// How to print
    #[arg(long, value_name = "FORMAT", default_value = "text")]
    pub format: Catalogue,
}

/// In which form the catalogue is printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Catalogue {
    /// For a terminal
    Text,
    /// One JSON document
    Json,
    /// A page of documentation
    Markdown,
}

impl Scan {
    /// The first record: the options that change results, by their names. Threads and batches are none.
    pub(super) fn start(&self, options: &Options) -> Start {
        Start::new(Program::Scan, Options { show_secrets: self.output.show_secrets, ..options.clone() })
    }

    /// Whether records are printed while the scan goes on: all but the text report's findings, which are grouped.
    pub(super) fn streams(&self, options: &Options) -> bool {
        let kinds = Records::of(&options.records);
        !self.format().groups || kinds.has(Kind::Events) || kinds.has(Kind::Sessions)
    }

    /// The chosen output format.
    pub(super) fn format(&self) -> &'static report::Named {
        self.output.named()
    }
}

impl Output {
    fn named(&self) -> &'static report::Named {
        FORMATS.iter().copied().find(|format| format.name == self.format).unwrap_or(&report::TEXT)
    }
}

fn formats() -> PossibleValuesParser {
    FORMATS
        .iter()
        .map(|format| clap::builder::PossibleValue::new(format.name).help(format.help))
        .collect::<Vec<_>>()
        .into()
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use crate::base::Limit;

    use super::*;

    fn scan(arguments: &[&str]) -> Result<Box<Scan>, String> {
        let arguments = ["mailtap", "scan"].iter().chain(arguments);
        match Arguments::try_parse_from(arguments).map_err(|error| error.to_string())?.command {
            Command::Scan(scan) => Ok(scan),
            _ => unreachable!("scan was asked for"),
        }
    }

    fn options(arguments: &[&str]) -> Options {
        scan(arguments).unwrap().choice.options().unwrap()
    }

    #[test]
    fn the_definitions_hold_together() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn without_options_the_defaults_are_in_force() {
        assert_eq!(options(&["a.pcap"]), Options::default());
        let Work { threads, batch_bytes } = scan(&["a.pcap"]).unwrap().work;
        assert_eq!((threads, batch_bytes), (None, capture::Options::DEFAULT_BATCH));
    }

    #[test]
    fn every_limit_is_a_flag() {
        for bound in Limit::ALL {
            let flag = format!("--max-{}", bound.key.replace('_', "-"));
            assert_eq!(options(&[&flag, "7", "a.pcap"]).limits.get(bound.limit), 7, "{flag}");
            assert!(scan(&[&flag, "0", "a.pcap"]).is_err(), "{flag} 0");
        }
    }

    #[test]
    fn lists_and_timeouts_reach_the_engine() {
        let flags = ["--port", "25,587", "--half-open-timeout", "1", "--idle-timeout", "2", "--closed-timeout", "3"];
        let more = ["--fragment-timeout", "4", "--servers", "192.0.2.1,2001:db8::/32", "--records", "events", "-"];
        let config = Work::default().engine(&options(&[&flags[..], &more].concat()));
        assert_eq!(config.ports, [25, 587]);
        let crate::base::Timeouts { half_open, idle, closed, fragments } = config.timeouts;
        assert_eq!([half_open, idle, closed, fragments], [1, 2, 3, 4].map(|s| s * 1_000_000_000));
        assert_eq!(config.servers.len(), 2);
        assert!(config.records.has(Kind::Events) && !config.records.has(Kind::Findings));
    }

    #[test]
    fn a_switch_takes_no_path_for_its_value_and_can_be_turned_off() {
        let options = options(&["--separate", "--hash=false", "a.pcap"]);
        assert_eq!((options.separate, options.hash), (true, false));
    }

    #[test]
    fn wrong_usage_is_told_with_what_there_is() {
        for (options, told) in [
            (&["--select", "help"][..], "no rule 'help'"),
            (&["--ignore", "help-exposed/nothing"], "no check 'nothing'"),
            (&["--servers", "example.org"], "192.0.2.0/24"),
            (&["--server-name", "192.0.2.1"], "NET=NAME is wanted, such as 192.0.2.0/24=mx-a"),
            (&["--server-name", "mx=192.0.2.1"], "'mx': a network, an address or ADDRESS:PORT is wanted"),
            (&["--server-name", "192.0.2.1=mx a"], "'mx a' is no name of a server"),
            (&["--server-name", "192.0.2.1="], "'' is no name of a server"),
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
        let scan = scan(&["--threads", "3", "--batch-bytes", "4096", "--max-servers", "9", "a.pcap"]).unwrap();
        let start = scan.start(&scan.choice.options().unwrap());
        let options = serde_json::to_value(start.options).unwrap();
        assert_eq!(options["limits"]["servers"], 9);
        let text = serde_json::to_string(&options).unwrap();
        assert!(!text.contains("threads") && !text.contains("4096"), "{text}");
    }
}
