//! The arguments of `watch`, and what they mean.

use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;

use crate::capture::live::Request;
use crate::record::{Filter, Options, Program, Start};
use crate::report;

use super::{Choice, OUTPUT, Output};
use crate::cli::host::sandbox::Confinement;
use crate::cli::units::{self, Rotate};

const CAPTURE: &str = "Capture";

pub(super) const AFTER_HELP: &str = "More options, such as timeouts and limits, are listed by 'mailtap config'.\n\
                                     SIGINT and SIGTERM end the capture, SIGHUP reopens the output file.\n\
                                     Exit code: 1 findings at or above --fail-on; 2 an error, or nothing to judge.";

/// The arguments of `watch`.
#[derive(Debug, Args)]
pub(in crate::cli) struct Watch {
    /// Interface, or 'any' for all; may be given several times
    #[arg(short, long = "interface", value_name = "IFACE", required_unless_present = "named", value_delimiter = ',', help_heading = CAPTURE)]
    pub interfaces: Vec<String>,
    /// The same without the option
    #[arg(value_name = "IFACE", value_delimiter = ',', hide = true)]
    named: Vec<String>,
    /// Capture only what is addressed to this machine
    #[arg(short = 'p', long, help_heading = CAPTURE)]
    pub no_promiscuous_mode: bool,
    /// Kernel buffer per interface
    #[arg(long, value_name = "SIZE", default_value = "64MiB", value_parser = units::size, help_heading = CAPTURE)]
    pub buffer: u64,
    /// Number of bytes to keep of each packet
    #[arg(long, short, value_name = "N", default_value_t = 262_144, value_parser = clap::value_parser!(u32).range(64..=262_144), help_heading = CAPTURE)]
    pub snap_length: u32,
    /// Kernel filter, instead of one made from --port
    #[arg(long, value_name = "FILTER", help_heading = CAPTURE)]
    pub bpf: Option<String>,
    /// Also report SMTP seen on other ports
    #[arg(long, conflicts_with = "bpf", help_heading = CAPTURE)]
    pub notice_ports: bool,
    /// Stop after N packets
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..), help_heading = CAPTURE)]
    pub packets: Option<u64>,
    /// Stop after this long: 90s, 30m, 24h
    #[arg(long, value_name = "TIME", value_parser = units::duration, help_heading = CAPTURE)]
    pub duration: Option<Duration>,
    /// Number of threads that analyse [default: one per core]
    #[arg(long, value_name = "N", help_heading = CAPTURE)]
    pub threads: Option<NonZeroUsize>,
    /// User to run as once the interfaces are open
    #[arg(long, value_name = "USER", help_heading = CAPTURE)]
    pub user: Option<String>,
    /// Refuse to start unless fully sandboxed
    #[arg(long, help_heading = CAPTURE)]
    pub strict_sandbox: bool,

    #[command(flatten)]
    pub output: Output,
    /// New output file by time (1h) or size (100MB)
    #[arg(long, value_name = "WHEN", value_parser = units::rotate, help_heading = OUTPUT)]
    pub rotate: Option<Rotate>,
    /// Seconds between stats, 0 for none
    #[arg(long, value_name = "N", default_value_t = 60, help_heading = OUTPUT)]
    pub stats_interval: u32,
    /// Serve Prometheus metrics at PORT or ADDRESS:PORT
    #[arg(long, value_name = "ADDRESS", help_heading = OUTPUT)]
    pub metrics: Option<String>,
    /// Repeat once-per-server findings
    #[arg(long, value_name = "TIME", default_value = "24h", value_parser = units::duration, help_heading = OUTPUT)]
    pub renotify: Duration,

    #[command(flatten)]
    pub choice: Choice,
}

impl Watch {
    /// Interfaces that are named without the option are so with it.
    pub(super) fn settle(&mut self) {
        self.interfaces.append(&mut self.named);
    }

    /// An interface that is a file: somebody wants to scan it.
    pub(in crate::cli) fn file(&self) -> Option<&str> {
        self.interfaces.iter().find(|name| Path::new(name).is_file()).map(String::as_str)
    }

    /// What to listen on.
    pub(in crate::cli) fn request(&self) -> Result<Request, &'static str> {
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

    /// The first record, as [`Scan::start`](super::Scan::start).
    pub(in crate::cli) fn start(&self, options: &Options) -> Start {
        let options = Options {
            show_secrets: self.output.show_secrets,
            interface: Some(self.interfaces.clone()),
            snap_length: Some(self.snap_length),
            bpf: Some(Filter(self.bpf.clone())),
            notice_ports: Some(self.notice_ports),
            stats_interval: Some(self.stats_interval),
            renotify: Some(self.renotify.as_secs()),
            ..options.clone()
        };
        Start::new(Program::Watch, options)
    }

    /// The chosen output format.
    pub(in crate::cli) fn format(&self) -> &'static report::Named {
        self.output.named()
    }

    /// How often to print what was counted.
    pub(in crate::cli) fn stats_interval(&self) -> Option<Duration> {
        (self.stats_interval > 0).then(|| Duration::from_secs(self.stats_interval.into()))
    }

    /// What the process still needs of the file system once it listens.
    pub(in crate::cli) fn confinement(&self) -> Confinement {
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
