//! Where a live capture runs: standard error, the process's memory, and who asks for its counts.
#![expect(clippy::disallowed_methods, reason = "drops are told once in a while")]

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::capture::live::Lost;
use crate::capture::{Notice, Problem, Progress};
use crate::cli::progress::Terminal;
use crate::engine::{Bug, Host, Observer};
use crate::ledger::Stats;

use super::status;

/// The host of a live capture.
pub(in crate::cli) struct Station {
    terminal: Terminal,
    /// Opened before the process confines itself.
    memory: Option<File>,
    page: u64,
    stats: Arc<Mutex<Stats>>,
    drops: Mutex<Drops>,
    /// Which interfaces it is, for the status.
    interfaces: String,
}

/// What was told of dropped packets.
#[derive(Default)]
struct Drops {
    told: (u64, u64),
    at: Option<Instant>,
}

/// Drops are told no more often.
const BETWEEN: Duration = Duration::from_secs(30);

impl Station {
    pub(in crate::cli) fn new(terminal: Terminal, stats: Arc<Mutex<Stats>>, interfaces: String) -> Self {
        let page = rustix::param::page_size() as u64;
        let memory = File::open("/proc/self/statm").ok();
        Station { terminal, memory, page, stats, drops: Mutex::default(), interfaces }
    }

    /// Something that a person may want to know, in one line.
    pub(in crate::cli) fn say(&self, line: &str) {
        self.terminal.say(line);
    }

    /// Tells the drops that were not told yet: the capture is over.
    pub(in crate::cli) fn tell_last_drops(&self) {
        let stats = self.stats.lock().unwrap_or_else(PoisonError::into_inner);
        let dropped = (stats.kernel_dropped, stats.interface_dropped);
        drop(stats);
        self.tell_drops(dropped, Duration::ZERO);
    }

    /// Tells drops that were not told yet, unless others were within `between`.
    fn tell_drops(&self, dropped: (u64, u64), between: Duration) {
        let mut drops = self.drops.lock().unwrap_or_else(PoisonError::into_inner);
        if drops.told != dropped && drops.at.is_none_or(|at| at.elapsed() >= between) {
            *drops = Drops { told: dropped, at: Some(Instant::now()) };
            let (kernel, interface) = dropped;
            self.terminal.line(&format!(
                "mailtap: packets dropped so far: {kernel} by the kernel, {interface} by the interfaces"
            ));
        }
    }

    pub(in crate::cli) fn terminal(&self) -> &Terminal {
        &self.terminal
    }
}

impl Observer for Station {
    fn problem(&self, problem: &Problem) {
        self.terminal.problem(problem);
    }

    fn notice(&self, notice: &Notice) {
        self.terminal.notice(notice);
    }

    fn progress(&self, progress: &Progress) {
        self.terminal.progress(progress);
    }

    fn internal_error(&self, bug: &Bug) {
        self.terminal.internal_error(bug);
    }
}

impl Host for Station {
    /// The resident set, the second number of statm (proc(5)).
    fn memory_bytes(&self) -> u64 {
        let mut text = [0; 128];
        let read = self.memory.as_ref().and_then(|file| file.read_at(&mut text, 0).ok()).unwrap_or(0);
        let text = std::str::from_utf8(text.get(..read).unwrap_or_default()).unwrap_or_default();
        let pages: Option<u64> = text.split(' ').nth(1).and_then(|pages| pages.parse().ok());
        pages.unwrap_or(0).saturating_mul(self.page)
    }

    fn dropped(&self, kernel: u64, interface: u64) {
        let mut stats = self.stats.lock().unwrap_or_else(PoisonError::into_inner);
        (stats.kernel_dropped, stats.interface_dropped) = (kernel, interface);
        drop(stats);
        self.tell_drops((kernel, interface), BETWEEN);
    }

    fn publish(&self, stats: &Stats) {
        if self.terminal.has_status() {
            let columns = terminal_size::terminal_size_of(std::io::stderr()).map_or(80, |(width, _)| width.0.into());
            self.terminal.status(status::status(stats, &self.interfaces, columns));
        }
        self.stats.lock().unwrap_or_else(PoisonError::into_inner).clone_from(stats);
    }

    fn lost(&self, lost: &Lost) {
        self.terminal.line(&format!("mailtap: {lost}"));
    }
}
