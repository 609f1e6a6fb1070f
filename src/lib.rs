//! mailtap: a passive analyser of SMTP conversations. It reads packets of files or interfaces, follows each session, and
//! reports what its rules find; it never sends a packet.
//!
//! One path, read top to bottom:
//!
//! ```text
//! base -> capture -> decode -> defrag -> tcp -> smtp -> rules -> ledger -> record -> report
//!               (engine runs the path in parallel; cli only parses arguments and prints)
//! ```
//!
//! | room | takes | gives |
//! |---|---|---|
//! | `base` | | the few values that every room uses |
//! | `capture` | paths, or interfaces | batches of packets |
//! | `decode` | one packet | a TCP segment, an IP fragment, or the reason why there is neither |
//! | `defrag` | fragments in packet order | whole datagrams |
//! | `tcp` | segments of one connection | bytes of both directions in causal order, and gaps |
//! | `smtp` | those | events: greeting, command, reply, message data, TLS, faults |
//! | `rules` | events with their session | findings |
//! | `ledger` | findings and session ends in one order | what crosses sessions: servers, counts, summary |
//! | `record` | all of that | records: placed, escaped, secrets hidden |
//! | `report` | records | bytes of one output format |
//!
//! The engine has the threads; those of a live capture that wait for the operating system are in `cli/host`.
//!
//! The library's face is small, and not stable yet: the program, its records and its exit codes are.
//!
//! ```
//! use mailtap::{Config, Engine, RecordKind, Source};
//!
//! let engine = Engine::new(Config::new().records(&[RecordKind::Findings, RecordKind::Summary]));
//! let capture = concat!(env!("CARGO_MANIFEST_DIR"), "/testdata/servers/exim-4.96/help.pcap");
//! let mut findings = 0;
//! let outcome = engine.scan(&Source::path(capture), |record| findings += usize::from(record.kind() == "finding"))?;
//! assert!(outcome.problems.is_empty());
//! assert_eq!(findings, 2); // HELP is answered, and offered in the reply to EHLO
//! # Ok::<(), mailtap::Error>(())
//! ```
#![cfg_attr(
    not(live),
    expect(dead_code, unused_imports, reason = "what the whole program asks for: there nothing is dead")
)]

mod base;
#[cfg(feature = "bench")]
#[doc(hidden)]
pub mod bench;
mod capture;
#[cfg(feature = "cli")]
mod cli;
mod decode;
mod defrag;
mod engine;
mod ledger;
mod record;
mod report;
mod rules;
#[expect(dead_code, reason = "facts that no rule asks for yet")]
mod smtp;
mod tcp;

#[cfg(feature = "cli")]
pub use cli::main;
pub use engine::Stopped as Error;
pub use ledger::Kind as RecordKind;

use std::io;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use engine::{Bug, Observer, Sink};
use ledger::{Output, Records};
use record::Clerk;
use report::{Look, Printer};

/// What a scan looks at, and what it tells; made from the defaults of the command line.
#[derive(Clone, Debug, Default)]
pub struct Config {
    engine: engine::Config,
}

impl Config {
    /// Port 25, all rules, as many threads as the machine has cores.
    pub fn new() -> Self {
        Config::default()
    }

    /// The TCP ports that carry SMTP.
    #[must_use]
    pub fn ports(mut self, ports: impl IntoIterator<Item = u16>) -> Self {
        self.engine.ports = ports.into_iter().collect();
        self
    }

    /// Which kinds of records are given.
    #[must_use]
    pub fn records(mut self, kinds: &[RecordKind]) -> Self {
        self.engine.records = Records::of(kinds);
        self
    }

    /// How many threads work, the calling one not counted. It changes no record.
    #[must_use]
    pub fn threads(mut self, threads: NonZeroUsize) -> Self {
        self.engine.threads = Some(threads);
        self
    }
}

/// Where packets come from.
#[derive(Clone, Debug)]
pub struct Source {
    paths: Vec<PathBuf>,
}

impl Source {
    /// A capture file, or a directory of them.
    pub fn path(path: impl Into<PathBuf>) -> Self {
        Source { paths: vec![path.into()] }
    }

    /// Several of them, merged in the order of their packets' times.
    pub fn paths(paths: impl IntoIterator<Item = impl Into<PathBuf>>) -> Self {
        Source { paths: paths.into_iter().map(Into::into).collect() }
    }
}

/// Runs the path from packets to records.
#[derive(Clone, Debug)]
pub struct Engine {
    config: Config,
}

/// One record: a JSON object on one line, as the documentation of the records (`src/record/FORMATS.md`) has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    json: String,
}

impl Record {
    /// The JSON object, without a line end.
    pub fn json(&self) -> &str {
        &self.json
    }

    /// Its type: `finding`, `session`, `server`, `command`, `reply`, `data`, `tls` or `summary`.
    pub fn kind(&self) -> &str {
        // Every record begins with its type, which is a plain word.
        self.json.strip_prefix("{\"type\":\"").and_then(|rest| rest.split('"').next()).unwrap_or_default()
    }
}

/// What became of a scan beside its records.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    /// Inputs that could not be read, or not to their end: one line each.
    pub problems: Vec<String>,
}

impl Engine {
    /// An engine that scans as `config` says.
    pub fn new(config: Config) -> Self {
        Engine { config }
    }

    /// Scans the source and gives every record to `take`, in one order whatever the threads.
    ///
    /// # Errors
    /// Threads could not be started. What is wrong with an input is told in [`Outcome::problems`]; all else
    /// is analysed.
    pub fn scan(&self, source: &Source, take: impl FnMut(Record) + Send) -> Result<Outcome, Error> {
        let clerk = Clerk::new(Arc::clone(self.config.engine.selection.catalogue()), false)
            .naming(self.config.engine.server_names.clone());
        let mut sink = ToCaller { printer: Printer::new(&report::JSONL, Look::default(), clerk, Lines(take)) };
        let problems = Problems::default();
        engine::run(&self.config.engine, &source.paths, &mut sink, &problems)?;
        sink.printer.end().map_err(Error::Output)?;
        Ok(Outcome { problems: problems.0.into_inner().unwrap_or_default() })
    }
}

/// Records on their way to the caller.
struct ToCaller<F: FnMut(Record)> {
    printer: Printer<Lines<F>>,
}

impl<F: FnMut(Record) + Send> Sink for ToCaller<F> {
    fn take(&mut self, outputs: Vec<Output>) -> io::Result<()> {
        self.printer.print(outputs)
    }
}

/// Turns the printer's writes, which are whole lines, into records.
struct Lines<F>(F);

impl<F: FnMut(Record)> io::Write for Lines<F> {
    fn write(&mut self, lines: &[u8]) -> io::Result<usize> {
        for line in String::from_utf8_lossy(lines).lines() {
            (self.0)(Record { json: line.to_owned() });
        }
        Ok(lines.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Keeps what is said of inputs.
#[derive(Default)]
struct Problems(Mutex<Vec<String>>);

impl Problems {
    fn keep(&self, line: String) {
        if let Ok(mut lines) = self.0.lock() {
            lines.push(line);
        }
    }
}

impl Observer for Problems {
    fn problem(&self, problem: &capture::Problem) {
        self.keep(problem.to_string());
    }

    fn notice(&self, _: &capture::Notice) {}

    fn progress(&self, _: &capture::Progress) {}

    fn internal_error(&self, bug: &Bug) {
        self.keep(bug.to_string());
    }
}
