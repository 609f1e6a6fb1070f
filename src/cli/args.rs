//! The arguments: what each subcommand takes.

use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::builder::PossibleValuesParser;
use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::capture;
use crate::capture::live::Request;
use crate::ledger::{Kind, Records};
use crate::report::{self, FORMATS};
use crate::rules::Severity;

use super::file;
use super::host::sandbox::Confinement;
use super::options::Options;
use super::settings::Settings;
use super::units::{self, Rotate};

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
    #[command(after_help = WATCH_EXIT_CODES)]
    Watch(Box<Watch>),
    /// List the network interfaces that can be listened on
    Interfaces,
    /// Print the options that are in force as a configuration file, with what each is for
    Config(Box<Config>),
    /// List the rules, or print everything known of one
    Rules(Rules),
}

const OUTPUT: &str = "Output";
const CAPTURE: &str = "Capture";
const PRIVILEGES: &str = "Privileges";

const EXIT_CODES: &str = "Exit codes: 0 done, 1 findings at or above --fail-on, 2 wrong usage, an input that could not be \
                          read to its end, or an output that could not be written; 2 wins over 1";

const WATCH_EXIT_CODES: &str = "Signals: SIGINT and SIGTERM end the capture, SIGHUP opens the output file anew.\n\n\
                                Exit codes: 0 ended as it was told to, 1 with findings at or above --fail-on, 2 wrong usage, an \
                                interface that is gone, or an output that could not be written; 2 wins over 1";

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

/// The arguments of `watch`.
#[derive(Debug, Args)]
pub(super) struct Watch {
    /// The interface to listen on, or any; may be given several times
    #[arg(short, long = "interface", value_name = "IFACE", required = true, value_delimiter = ',', help_heading = CAPTURE)]
    pub interfaces: Vec<String>,
    /// Take only what is addressed to this machine
    #[arg(short = 'p', long, help_heading = CAPTURE)]
    pub no_promiscuous_mode: bool,
    /// The kernel's buffer for each interface
    #[arg(long, value_name = "SIZE", default_value = "64MiB", value_parser = units::size, help_heading = CAPTURE)]
    pub buffer: u64,
    /// Octets kept of a packet
    #[arg(long, short, value_name = "N", default_value_t = 262_144, value_parser = clap::value_parser!(u32).range(64..=262_144), help_heading = CAPTURE)]
    pub snap_length: u32,
    /// A filter for the kernel instead of the one that --port makes, in libpcap's language (pcap-filter(7))
    #[arg(long, value_name = "FILTER", help_heading = CAPTURE)]
    pub bpf: Option<String>,
    /// End after so many packets
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..), help_heading = CAPTURE)]
    pub packets: Option<u64>,
    /// End after so long, as 90s, 30m or 24h
    #[arg(long, value_name = "TIME", value_parser = units::duration, help_heading = CAPTURE)]
    pub duration: Option<Duration>,
    /// Threads that analyse, besides one that reads and one that writes [default: one per core]
    #[arg(long, value_name = "N", help_heading = CAPTURE)]
    pub threads: Option<NonZeroUsize>,

    /// The user to go on as once the interfaces are open [default: nobody where it is started as root]
    #[arg(long, value_name = "USER", help_heading = PRIVILEGES)]
    pub user: Option<String>,
    /// Be killed by a system call that the program has no use for, where it would otherwise be logged; begin only where
    /// the kernel can confine it
    #[arg(long, help_heading = PRIVILEGES)]
    pub strict_sandbox: bool,

    #[command(flatten)]
    pub output: Output,
    /// Begin another output file after a time (1h) or at a size (100MB); the finished one gets its time in its name
    #[arg(long, value_name = "WHEN", value_parser = units::rotate, help_heading = OUTPUT)]
    pub rotate: Option<Rotate>,
    /// A record of what was counted every so many seconds, and a server's at most so often; 0 for no such record
    #[arg(long, value_name = "SECONDS", default_value_t = 60, help_heading = OUTPUT)]
    pub stats_interval: u32,
    /// Serve what was counted to Prometheus at GET /metrics; a port alone is one of loopback
    #[arg(long, value_name = "ADDRESS:PORT", help_heading = OUTPUT)]
    pub metrics: Option<String>,
    /// Report again after so long what is reported once per server
    #[arg(long, value_name = "TIME", default_value = "24h", value_parser = units::duration, help_heading = OUTPUT)]
    pub renotify: Duration,

    #[command(flatten)]
    pub choice: Choice,
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

/// Everything that decides what is found and reported.
#[derive(Debug, Args)]
pub(super) struct Choice {
    /// Read options from a TOML file; what the command line says wins (`mailtap config` prints one)
    #[arg(long, value_name = "FILE", help_heading = "What to report")]
    pub config: Option<PathBuf>,
    #[command(flatten)]
    pub options: Options,
}

impl Choice {
    /// What is in force.
    pub(super) fn settings(&self) -> Result<Settings, file::Problem> {
        let file = self.config.as_deref().map_or_else(|| Ok(Options::default()), file::read)?;
        Ok(self.options.clone().or(file).into())
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
    pub(super) fn start(&self, settings: &Settings) -> report::Start {
        let mut options = settings.options();
        options.insert("show_secrets", self.output.show_secrets.into());
        report::Start { command: "scan", options }
    }

    /// Whether records are printed while the scan goes on: all but the text report's findings, which are grouped.
    pub(super) fn streams(&self, settings: &Settings) -> bool {
        let kinds = Records::of(&settings.records);
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

impl Watch {
    /// What to listen on.
    pub(super) fn request(&self) -> Result<Request, &'static str> {
        // libpcap takes its size as an int.
        let buffer_bytes = u32::try_from(self.buffer).ok().filter(|bytes| i32::try_from(*bytes).is_ok());
        let twice =
            self.interfaces.iter().enumerate().any(|(nth, name)| self.interfaces.iter().take(nth).any(|n| n == name));
        if twice {
            return Err("--interface: one is named twice");
        }
        Ok(Request {
            interfaces: self.interfaces.clone(),
            promiscuous: !self.no_promiscuous_mode,
            buffer_bytes: buffer_bytes.ok_or("--buffer: 2 GiB are too much")?,
            snap_length: self.snap_length,
        })
    }

    /// The first record, as [`Scan::start`].
    pub(super) fn start(&self, settings: &Settings) -> report::Start {
        let mut options = settings.options();
        options.insert("show_secrets", self.output.show_secrets.into());
        options.insert("interface", self.interfaces.clone().into());
        options.insert("snap_length", self.snap_length.into());
        options.insert("bpf", self.bpf.clone().into());
        options.insert("stats_interval", self.stats_interval.into());
        options.insert("renotify", self.renotify.as_secs().into());
        report::Start { command: "watch", options }
    }

    /// The chosen output format.
    pub(super) fn format(&self) -> &'static report::Named {
        self.output.named()
    }

    /// How often to print what was counted.
    pub(super) fn stats_interval(&self) -> Option<Duration> {
        (self.stats_interval > 0).then(|| Duration::from_secs(self.stats_interval.into()))
    }

    /// What the process still needs of the file system once it listens.
    pub(super) fn confinement(&self) -> Confinement {
        let directory = |path: &PathBuf| {
            let named = path.parent().filter(|parent| !parent.as_os_str().is_empty());
            named.unwrap_or(Path::new(".")).to_owned()
        };
        // A pipe or a device is opened once; nothing is created beside it.
        let is_created = |path: &&PathBuf| !path.metadata().is_ok_and(|is| !is.is_file() && !is.is_dir());
        let outputs = self.output.file.iter().chain(&self.output.write).filter(is_created);
        let statistics = |name: &String| PathBuf::from(format!("/sys/class/net/{name}/statistics"));
        Confinement {
            writable: outputs.map(directory).collect(),
            readable: self.interfaces.iter().map(statistics).collect(),
            strict: self.strict_sandbox,
        }
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

    fn settings(arguments: &[&str]) -> Settings {
        scan(arguments).unwrap().choice.settings().unwrap()
    }

    #[test]
    fn the_definitions_hold_together() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn without_options_the_defaults_are_in_force() {
        assert_eq!(settings(&["a.pcap"]), Settings::default());
        let Work { threads, batch_bytes } = scan(&["a.pcap"]).unwrap().work;
        assert_eq!((threads, batch_bytes), (None, capture::Options::DEFAULT_BATCH));
    }

    #[test]
    fn every_limit_is_a_flag() {
        for bound in Limit::ALL {
            let flag = format!("--max-{}", bound.key);
            assert_eq!(settings(&[&flag, "7", "a.pcap"]).limits.get(bound.limit), 7, "{flag}");
            assert!(scan(&[&flag, "0", "a.pcap"]).is_err(), "{flag} 0");
        }
    }

    #[test]
    fn lists_and_timeouts_reach_the_engine() {
        let options = ["--port", "25,587", "--half-open-timeout", "1", "--idle-timeout", "2", "--closed-timeout", "3"];
        let more = ["--fragment-timeout", "4", "--servers", "192.0.2.1,2001:db8::/32", "--records", "events", "-"];
        let config = settings(&[&options[..], &more].concat()).engine(&Work::default());
        assert_eq!(config.ports, [25, 587]);
        let crate::base::Timeouts { half_open, idle, closed, fragments } = config.timeouts;
        assert_eq!([half_open, idle, closed, fragments], [1, 2, 3, 4].map(|s| s * 1_000_000_000));
        assert_eq!(config.servers.len(), 2);
        assert!(config.records.has(Kind::Events) && !config.records.has(Kind::Findings));
    }

    #[test]
    fn a_switch_takes_no_path_for_its_value_and_can_be_turned_off() {
        let settings = settings(&["--separate", "--hash=false", "a.pcap"]);
        assert_eq!((settings.separate, settings.hash), (true, false));
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
        let scan = scan(&["--threads", "3", "--batch-bytes", "4096", "--max-servers", "9", "a.pcap"]).unwrap();
        let start = scan.start(&scan.choice.settings().unwrap());
        assert_eq!(start.options["limits"]["servers"], 9);
        let text = serde_json::to_string(&start.options).unwrap();
        assert!(!text.contains("threads") && !text.contains("4096"), "{text}");
    }
}
