//! The library's door: an [`Engine`] scans a [`Source`] and gives typed records.

use std::fmt;
use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use crate::capture::{Notice, Problem, Progress};
use crate::config::Config;
use crate::engine::{self, Bug, Observer, Sink};
use crate::ledger::Output;
use crate::record::{Clerk, Program, Record, Severity, Start};

/// Where packets come from.
#[derive(Clone, Debug)]
pub struct Source {
    paths: Vec<PathBuf>,
}

impl Source {
    /// A capture file, a directory of them, or `-` for standard input.
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

impl Engine {
    /// An engine that scans as `config` says.
    pub fn new(config: Config) -> Self {
        Engine { config }
    }

    /// Scans the source and gives every record to `take`, in one order whatever the threads: [`Record::Start`], then what
    /// [`Config::records`] asks for.
    ///
    /// # Errors
    /// There is nothing to look at, or nobody to do it. What is wrong with an input is told in [`Outcome::problems`], and all
    /// else is analysed.
    pub fn scan(&self, source: &Source, take: impl FnMut(Record) + Send) -> Result<Outcome, Error> {
        struct Nobody;
        impl Observer for Nobody {}
        self.scan_observed(source, &Nobody, take)
    }

    /// The same, where `observer` is told at once how the reading goes.
    ///
    /// # Errors
    /// Those of [`Engine::scan`].
    pub fn scan_observed(
        &self,
        source: &Source,
        observer: &dyn Observer,
        mut take: impl FnMut(Record) + Send,
    ) -> Result<Outcome, Error> {
        if source.paths.is_empty() {
            return Err(Error::NoSource);
        }
        if !self.config.has_ports() {
            return Err(Error::NoPorts);
        }
        let config = self.config.engine();
        let options = self.config.options();
        let clerk = Clerk::new(Arc::clone(config.selection.catalogue()), options.show_secrets)
            .naming(options.server_name.clone());
        take(Record::Start(Box::new(Start::new(Program::Scan, options.clone()))));
        let keeping = Keeping { observer, problems: Mutex::default() };
        let ended = engine::run(&config, &source.paths, &mut ToCaller { clerk, take }, &keeping);
        let problems = keeping.problems.into_inner().unwrap_or_else(PoisonError::into_inner);
        let ended = ended.map_err(|stopped| Error::System(stopped.into()))?;
        Ok(Outcome::of(&ended, problems))
    }
}

/// What a scan came to, beside its records.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Outcome {
    /// Inputs that could not be read, or not to their end: the first [`Outcome::MOST_PROBLEMS`].
    pub problems: Vec<Problem>,
    /// How many problems there were beyond these.
    pub more_problems: u64,
    /// Bugs of mailtap's, each of which cost one connection: panics that were caught. The process's panic hook heard of them, and
    /// what it prints of a panic may quote what came from the wire.
    pub internal_errors: u64,
    /// Whether [`Config::stop`] ended it before its input ended.
    pub interrupted: bool,
    /// The worst severity that was reported, whether findings were among the records or not.
    pub worst: Option<Severity>,
    /// Connections of which at least one byte was captured. Where there is none, nothing was judged.
    pub sessions: u64,
    /// TCP connections on the ports that were analysed.
    pub connections: u64,
    /// All packets.
    pub packets: u64,
}

impl Outcome {
    /// So many problems are kept.
    pub const MOST_PROBLEMS: usize = 1000;

    /// Whether all of the input was read and analysed.
    pub fn is_complete(&self) -> bool {
        self.problems.is_empty() && self.internal_errors == 0 && !self.interrupted
    }

    fn of(ended: &engine::Outcome, problems: Vec<Problem>) -> Self {
        let kept = u64::try_from(problems.len()).unwrap_or(u64::MAX);
        Outcome {
            problems,
            more_problems: ended.problems.saturating_sub(kept),
            internal_errors: ended.internal_errors,
            interrupted: ended.interrupted,
            worst: ended.worst,
            sessions: ended.sessions,
            connections: ended.connections,
            packets: ended.packets,
        }
    }
}

/// Why there was no scan, or none to its end.
#[derive(Debug)]
#[non_exhaustive]
pub enum Error {
    /// The source names no path.
    NoSource,
    /// The configuration names no port.
    NoPorts,
    /// The system refused what a scan takes, such as threads.
    System(Box<dyn std::error::Error + Send + Sync>),
}

impl fmt::Display for Error {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Error::NoSource => "no path: nothing would be scanned",
            Error::NoPorts => "no ports: nothing would be analysed",
            Error::System(_) => "cannot scan",
        })
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Error::System(source) => Some(&**source),
            Error::NoSource | Error::NoPorts => None,
        }
    }
}

/// Forwards what is told of the reading, and keeps the problems.
struct Keeping<'o> {
    observer: &'o dyn Observer,
    problems: Mutex<Vec<Problem>>,
}

impl Observer for Keeping<'_> {
    fn problem(&self, problem: &Problem) {
        self.observer.problem(problem);
        let mut problems = self.problems.lock().unwrap_or_else(PoisonError::into_inner);
        if problems.len() < Outcome::MOST_PROBLEMS {
            problems.push(problem.clone());
        }
    }

    fn notice(&self, notice: &Notice) {
        self.observer.notice(notice);
    }

    fn progress(&self, progress: &Progress) {
        self.observer.progress(progress);
    }

    fn internal_error(&self, bug: &Bug) {
        self.observer.internal_error(bug);
    }
}

/// Records on their way to the caller.
struct ToCaller<F> {
    clerk: Clerk,
    take: F,
}

impl<F: FnMut(Record) + Send> Sink for ToCaller<F> {
    fn take(&mut self, outputs: Vec<Output>) -> io::Result<()> {
        outputs.into_iter().filter_map(|output| self.clerk.record(output)).for_each(&mut self.take);
        Ok(())
    }
}
