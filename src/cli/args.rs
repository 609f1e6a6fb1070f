//! The arguments: what each subcommand takes.

#[cfg(live)]
mod watch;

#[cfg(live)]
pub(super) use watch::Watch;

use std::io::{self, IsTerminal};
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};

use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser};
use clap::{Args, Parser, Subcommand, ValueEnum, value_parser};

use crate::capture::ShownPath;
use crate::ledger::{Kind, Records};
use crate::record::{Options, Program, Start};
use crate::report::digest::By;
use crate::report::layout::USUAL;
use crate::report::{self, Detail, FORMATS, Look};
use crate::rules::Severity;
use crate::{capture, config, engine};

use super::file;
use super::options::Flags;
use super::show::Wanted;
use super::values;

/// Find what is wrong in SMTP traffic, in packet captures or on a network interface
#[derive(Debug, Parser)]
#[command(
    name = "mailtap",
    version,
    override_usage = "mailtap FILE...\n       mailtap COMMAND [OPTIONS]",
    after_help = AFTER_HELP
)]
pub(super) struct Arguments {
    #[command(subcommand)]
    pub command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Scan capture files and report what the rules find
    #[command(override_usage = "mailtap scan [OPTIONS] PATH...", before_help = SCAN_PATHS, after_help = SCAN_AFTER_HELP)]
    Scan(Box<Scan>),
    /// Report what passes on network interfaces, as it happens
    #[cfg(live)]
    #[command(override_usage = "mailtap watch [OPTIONS] IFACE...", after_help = watch::AFTER_HELP)]
    Watch(Box<Watch>),
    #[cfg(not(live))]
    #[command(hide = true)]
    Watch(Absent),
    /// List the network interfaces to watch
    #[cfg_attr(not(live), command(hide = true))]
    Interfaces(Interfaces),
    /// Show conversations as dialogues, with findings marked inline
    #[command(override_usage = "mailtap show [OPTIONS] WHAT PATH...", before_help = SHOW_WHAT, after_help = SHOW_AFTER_HELP)]
    Show(Box<Show>),
    /// Print all options and their values as a configuration file
    #[command(after_help = "Save the output, change it, and use it with --config FILE.")]
    Config(Box<Config>),
    /// List the rules, or explain one
    Rules(Rules),
    /// Print the JSON Schema of the records that --format jsonl writes
    Schema,
}

const OUTPUT: &str = "Output";

const AFTER_HELP: &str = "'mailtap FILE...' scans files, and 'mailtap COMMAND --help' describes a command.\n\
                          -h, --help prints this help, -V, --version the version.";

const SCAN_PATHS: &str = "PATH is a capture (pcap or pcapng; also gzip, zstd, lz4 or xz), a directory, or\n\
                          - for standard input. LEVEL is info, low, medium, high or critical. Lists are\n\
                          separated by commas. Times are UTC unless they have an offset.";

const SCAN_AFTER_HELP: &str = "More options, such as timeouts and limits, are listed by 'mailtap config'.\n\
                               Exit code: 1 findings at or above --fail-on; 2 an error, or nothing to judge.";

const SHOW_WHAT: &str = "WHAT is the ID of a session or the fingerprint of a finding, or the first 4\n\
                         or more digits of it; or a client's address or network, for all of its\n\
                         sessions. PATH is a capture or a directory, as for 'mailtap scan'.\n\
                         --select, --ignore and --min-severity choose findings, all other filters choose\n\
                         sessions; a session is always shown whole.";

const SHOW_AFTER_HELP: &str = "Exit code: 2 on an error, if nothing is found, or if WHAT is ambiguous.";

/// The arguments of `scan`.
#[derive(Debug, Args)]
pub(super) struct Scan {
    /// Capture files (pcap or pcapng, also gzip, zstd, lz4 or xz), directories, or - for standard input
    #[arg(required_unless_present = "read", value_name = "PATH", hide = true)]
    pub paths: Vec<PathBuf>,
    /// A path, as tshark, Suricata and Zeek take it
    #[arg(long, short, value_name = "PATH", hide = true)]
    read: Vec<PathBuf>,
    /// Also write a text, jsonl or html report to FILE
    #[arg(long = "report", value_name = "FORMAT=FILE", value_parser = report_to, help_heading = OUTPUT)]
    pub reports: Vec<(&'static report::Named, PathBuf)>,
    /// Group findings by check, server, client or session
    #[arg(long, value_name = "WHAT", default_value = "check", hide_default_value = true, hide_possible_values = true, help_heading = OUTPUT)]
    pub group_by: GroupBy,
    /// List at most N servers, groups, findings per group
    #[arg(long, value_name = "N", help_heading = OUTPUT)]
    pub limit: Option<NonZeroUsize>,
    /// List every finding; -vv with evidence and filters
    #[arg(long, short, action = clap::ArgAction::Count, help_heading = OUTPUT)]
    pub verbose: u8,

    #[command(flatten)]
    pub output: Output,
    #[command(flatten)]
    pub choice: Choice,
    #[command(flatten)]
    pub work: Work,
}

/// The arguments of `show`.
#[derive(Debug, Args)]
#[expect(clippy::struct_excessive_bools, reason = "flags")]
#[expect(clippy::struct_field_names, reason = "the option is called so")]
pub(super) struct Show {
    /// A session, a finding or clients
    #[arg(value_name = "WHAT", hide = true, value_parser = value_parser!(Wanted))]
    pub what: Wanted,
    /// The captures, as for scan
    #[arg(required = true, hide = true, value_name = "PATH")]
    pub paths: Vec<PathBuf>,
    /// Show all sessions of that session's client
    #[arg(long, help_heading = OUTPUT)]
    pub follow: bool,
    /// Print Markdown, for a ticket or an issue
    #[arg(long, help_heading = OUTPUT)]
    pub markdown: bool,
    /// Show long lines, replies and hashes in full, and fingerprints
    #[arg(long, short, help_heading = OUTPUT)]
    pub verbose: bool,
    /// Show passwords instead of hiding them
    #[arg(long, help_heading = OUTPUT)]
    pub show_secrets: bool,
    /// Print no progress and no notices
    #[arg(long, short, help_heading = OUTPUT)]
    pub quiet: bool,
    /// Use colour: auto, always or never
    #[arg(long, value_name = "WHEN", default_value = "auto", ignore_case = true, help_heading = OUTPUT)]
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
    /// Output format: text, jsonl (also --json) or html
    #[arg(long, value_name = "FORMAT", default_value = "text", value_parser = formats(), ignore_case = true)]
    pub format: String,
    /// Write to FILE; a capture is never overwritten
    #[arg(long = "output", short = 'o', value_name = "FILE")]
    pub file: Option<PathBuf>,
    /// Save sessions with findings, bodies and passwords included, to a new pcapng FILE
    #[arg(long, value_name = "FILE")]
    pub write: Option<PathBuf>,
    /// Exit with 1 on findings at or above LEVEL
    #[arg(long, value_name = "LEVEL", value_parser = values::word::<Severity>(), ignore_case = true)]
    pub fail_on: Option<Severity>,
    /// Exit with 0 even if --fail-on has nothing to judge
    #[arg(long)]
    pub allow_nothing: bool,
    /// Show passwords, which are otherwise redacted
    #[arg(long)]
    pub show_secrets: bool,
    /// Print no progress and no notices
    #[arg(long, short)]
    pub quiet: bool,
    /// Use colour: auto, always or never
    #[arg(long, value_name = "WHEN", default_value = "auto", ignore_case = true)]
    pub color: Color,
}

/// What findings of the text report are grouped by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum GroupBy {
    Check,
    Server,
    Client,
    Session,
}

/// When to use colour.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Color {
    /// On a terminal, unless `NO_COLOR` is set
    Auto,
    #[value(alias("yes"), alias("on"))]
    Always,
    #[value(alias("no"), alias("off"))]
    Never,
}

impl Color {
    /// How a report is to look, on standard output or in a file.
    pub(super) fn look(self, on_stdout: bool) -> Look {
        let is_terminal = on_stdout && io::stdout().is_terminal();
        let color = match self {
            Color::Always => true,
            Color::Never => false,
            Color::Auto => is_terminal && anstream::AutoStream::choice(&io::stdout()) != anstream::ColorChoice::Never,
        };
        let terminal = if is_terminal {
            // Of a terminal that does not say its size the usual one is taken.
            Some(terminal_size::terminal_size().map_or(USUAL, |(width, _)| usize::from(width.0)))
        } else {
            // Somebody looks through a pager.
            std::env::var("COLUMNS").ok().filter(|_| on_stdout).and_then(|columns| columns.parse().ok())
        };
        Look { color, terminal, ..Look::default() }
    }
}

/// Everything that decides what is found and reported.
#[derive(Debug, Args)]
pub(super) struct Choice {
    /// Read options from FILE (see 'mailtap config')
    #[arg(long, value_name = "FILE", help_heading = "Filters")]
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
    /// Number of threads [default: one per core]
    #[arg(long, value_name = "N")]
    pub threads: Option<NonZeroUsize>,
    /// Number of bytes to read at a time; changes no result
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
    /// The rule or check to explain, such as help-exposed or help-exposed/answered
    pub id: Option<String>,
    /// Print only what to change on this software, such as postfix
    #[arg(long, value_name = "NAME")]
    pub software: Option<String>,
    /// Output format: text, json or markdown
    #[arg(long, value_name = "FORMAT", default_value = "text", ignore_case = true)]
    pub format: Catalogue,
}

/// In which form the catalogue is printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Catalogue {
    /// For a terminal
    Text,
    /// One JSON document
    #[value(alias("jsonl"))]
    Json,
    /// A page of documentation
    #[value(alias("md"))]
    Markdown,
}

/// The arguments of `interfaces`.
#[derive(Debug, Args)]
pub(super) struct Interfaces {
    /// Also list interfaces that are down, loopback or no network
    #[arg(long, short, alias = "all", short_alias = 'a')]
    pub verbose: bool,
}

impl Arguments {
    /// What can be given in two ways, in the place of one of them.
    pub(super) fn settled(mut self) -> Self {
        match &mut self.command {
            Command::Scan(scan) => {
                let named = std::mem::take(&mut scan.read);
                scan.paths.splice(0..0, named);
            }
            #[cfg(live)]
            Command::Watch(watch) => watch.settle(),
            _ => {}
        }
        self
    }
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

    /// How a report is to look, on standard output or in a file.
    pub(super) fn look(&self, on_stdout: bool) -> Look {
        Look {
            detail: match self.verbose {
                0 => Detail::Overview,
                1 => Detail::Each,
                _ => Detail::Whole,
            },
            by: match self.group_by {
                GroupBy::Check => By::Check,
                GroupBy::Server => By::Server,
                GroupBy::Client => By::Client,
                GroupBy::Session => By::Session,
            },
            limit: self.limit.map(NonZeroUsize::get),
            inputs: self.paths.iter().map(|path| input(path)).collect(),
            ..self.output.look(on_stdout)
        }
    }
}

/// An input as records name it, for their captures are named below it; standard input as a person calls it.
fn input(path: &Path) -> String {
    if path == Path::new("-") { ShownPath(path).to_string() } else { crate::record::shown_path(path) }
}

/// `html=report.html`.
fn report_to(text: &str) -> Result<(&'static report::Named, PathBuf), String> {
    let formats = || FORMATS.iter().map(|format| format.name).collect::<Vec<_>>().join(", ");
    let Some((format, file)) = text.split_once('=').filter(|(_, file)| !file.is_empty()) else {
        return Err(format!("expected FORMAT=FILE, such as {}=FILE", report::JSONL.name));
    };
    let named = report::named(format).ok_or_else(|| format!("no format '{format}' (there are {})", formats()))?;
    Ok((named, PathBuf::from(file)))
}

impl Output {
    /// How a report is to look, on standard output or in a file.
    pub(super) fn look(&self, on_stdout: bool) -> Look {
        self.color.look(on_stdout)
    }

    fn named(&self) -> &'static report::Named {
        report::named(&self.format).unwrap_or(&report::TEXT)
    }
}

/// A format by its name, in any case; `json` is what most programs call JSON lines.
fn formats() -> impl TypedValueParser<Value = String> {
    let value = |format: &&report::Named| {
        let value = PossibleValue::new(format.name).help(format.help);
        if format.name == "jsonl" { value.aliases(["json", "ndjson"]) } else { value }
    };
    let values: Vec<PossibleValue> = FORMATS.iter().map(value).collect();
    let known = values.clone();
    PossibleValuesParser::from(values).map(move |typed| {
        let meant = known.iter().find(|value| value.matches(&typed, true));
        meant.map_or(typed, |value| value.get_name().to_owned())
    })
}

#[cfg(test)]
mod tests {
    use clap::FromArgMatches;

    use crate::base::Limit;
    use crate::cli::help;

    use super::*;

    fn scan(arguments: &[&str]) -> Result<Box<Scan>, String> {
        let arguments = ["mailtap", "scan"].iter().chain(arguments);
        let matches = help::command().try_get_matches_from(arguments).map_err(|error| error.to_string())?;
        match Arguments::from_arg_matches(&matches).unwrap().settled().command {
            Command::Scan(scan) => Ok(scan),
            _ => unreachable!("scan was asked for"),
        }
    }

    fn options(arguments: &[&str]) -> Options {
        scan(arguments).unwrap().choice.options().unwrap()
    }

    #[test]
    fn the_definitions_hold_together() {
        help::command().debug_assert();
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
            (&["--server-name", "192.0.2.1"], "expected NET=NAME, such as 192.0.2.0/24=mx-a"),
            (&["--server-name", "mx=192.0.2.1"], "'mx': expected a network, an address or ADDRESS:PORT"),
            (&["--server-name", "192.0.2.1=mx a"], "'mx a' is not a name for a server"),
            (&["--server-name", "192.0.2.1="], "'' is not a name for a server"),
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
    fn words_are_known_in_any_case_and_ports_by_their_names() {
        let scan =
            scan(&["--fail-on", "High", "--format", "JSON", "--port", "SMTP,submission,2525", "a.pcap"]).unwrap();
        assert_eq!((scan.output.fail_on, scan.format().name), (Some(Severity::High), "jsonl"));
        assert_eq!(scan.choice.options().unwrap().port, [25, 587, 2525]);
        assert_eq!(options(&["--min-severity", "LOW", "--records", "Events", "a.pcap"]).records, [Kind::Events]);
    }

    #[test]
    fn a_path_can_be_named_as_other_programs_want_it() {
        let scan = scan(&["b.pcap", "-r", "a.pcap", "c.pcap"]).unwrap();
        assert_eq!(scan.paths, ["a.pcap", "b.pcap", "c.pcap"].map(PathBuf::from));
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
