//! The engine: a stand-in until the path is there. It reads nothing and finds nothing.

mod config;

pub(crate) use config::Config;

use std::io;
use std::path::PathBuf;

use crate::capture::{Notice, Problem, Progress};
use crate::ledger::{Ledger, Output, Totals};
use crate::rules::Severity;

/// Where output goes, in its order: called from the output's own thread, one call at a time. An error ends the scan.
pub(crate) trait Sink: Send {
    fn take(&mut self, outputs: Vec<Output>) -> io::Result<()>;
}

/// Who is told how the reading goes, at once: called from the reader's thread.
pub(crate) trait Observer: Sync {
    /// An input cannot be read, or not to its end.
    fn problem(&self, problem: &Problem);
    fn notice(&self, notice: &Notice);
    fn progress(&self, progress: &Progress);
}

/// What a scan came to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Outcome {
    /// Inputs that could not be read, or not to their end.
    pub problems: u64,
    /// Bugs that were caught.
    pub internal_errors: u64,
    /// The worst severity that was reported.
    pub worst: Option<Severity>,
}

/// Why a scan ended before its input did.
#[derive(Debug)]
pub(crate) enum Stopped {
    /// The sink could not take any more.
    Output(io::Error),
    /// Threads could not be started.
    Threads(String),
}

impl std::fmt::Display for Stopped {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Stopped::Output(_) => f.write_str("cannot write the output"),
            Stopped::Threads(cause) => write!(f, "cannot start threads: {cause}"),
        }
    }
}

impl std::error::Error for Stopped {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Stopped::Output(error) => Some(error),
            Stopped::Threads(_) => None,
        }
    }
}

/// Scans `paths`.
pub(crate) fn run(
    config: &Config,
    _paths: &[PathBuf],
    sink: &mut dyn Sink,
    _observer: &dyn Observer,
) -> Result<Outcome, Stopped> {
    let ledger = Ledger::new(config.records, config.servers.clone(), &config.limits);
    let mut outputs = Vec::new();
    let worst = ledger.worst();
    ledger.finish(Totals::default(), &mut |output| outputs.push(output));
    sink.take(outputs).map_err(Stopped::Output)?;
    Ok(Outcome { worst, ..Outcome::default() })
}
