//! SIGINT and SIGTERM end the capture, SIGHUP has the output file opened anew.
#![expect(clippy::disallowed_methods, reason = "an end is promised within a time")]

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use signal_hook::consts::SIGHUP;
use signal_hook::flag;

use crate::cli::stop;

/// What the operator asked for.
#[derive(Clone, Debug, Default)]
pub(in crate::cli) struct Signals {
    /// The capture is to end.
    pub stop: Arc<AtomicBool>,
    /// The output file is to be opened anew.
    pub reopen: Arc<AtomicBool>,
}

/// A capture that is to end has so long for it, a little less than the two seconds that are promised, where the output
/// takes nothing ...
const PATIENCE: Duration = Duration::from_millis(1800);
/// ... and that is where one write has waited for so long.
const BLOCKED: Duration = Duration::from_secs(1);
/// Where the output takes something, but the end does not come for all that.
const AT_MOST: Duration = Duration::from_secs(15);
/// How often it is looked whether it is to end.
const LOOK: Duration = Duration::from_millis(50);

impl Signals {
    /// Listens to the signals from now on.
    pub(in crate::cli) fn listen() -> io::Result<Self> {
        let signals = Signals { stop: stop::listen()?, reopen: Arc::default() };
        flag::register(SIGHUP, Arc::clone(&signals.reopen))?;
        Ok(signals)
    }

    /// Calls `give_up` where the capture is to end and the process is still there when its time is over: whoever reads
    /// the output takes nothing, or too slowly.
    pub(in crate::cli) fn enforce_end(
        &self,
        output: Arc<Pulse>,
        give_up: impl FnOnce() + Send + 'static,
    ) -> io::Result<()> {
        let stop = Arc::clone(&self.stop);
        let watchdog = move || {
            while !stop.load(Ordering::Relaxed) {
                thread::sleep(LOOK);
            }
            let asked = Instant::now();
            thread::sleep(PATIENCE);
            while output.waits() < BLOCKED && asked.elapsed() < AT_MOST {
                thread::sleep(LOOK);
            }
            give_up();
        };
        thread::Builder::new().name("watchdog".to_owned()).spawn(watchdog).map(drop)
    }
}

/// Whether a write is under way, and since when.
#[derive(Debug)]
pub(in crate::cli) struct Pulse {
    began: Instant,
    /// In milliseconds after that, and one more; 0 where none is.
    since: AtomicU64,
}

impl Default for Pulse {
    fn default() -> Self {
        Pulse { began: Instant::now(), since: AtomicU64::new(0) }
    }
}

impl Pulse {
    /// Runs a write.
    pub(in crate::cli) fn during<T>(&self, write: impl FnOnce() -> T) -> T {
        self.since.store(self.now(), Ordering::Relaxed);
        let written = write();
        self.since.store(0, Ordering::Relaxed);
        written
    }

    /// How long the write has waited that is under way.
    fn waits(&self) -> Duration {
        match self.since.load(Ordering::Relaxed) {
            0 => Duration::ZERO,
            since => Duration::from_millis(self.now().saturating_sub(since)),
        }
    }

    fn now(&self) -> u64 {
        u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX).saturating_add(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_write_that_is_under_way_waits() {
        let pulse = Pulse::default();
        assert_eq!(pulse.waits(), Duration::ZERO);
        let waited = pulse.during(|| {
            thread::sleep(Duration::from_millis(20));
            pulse.waits()
        });
        assert!(waited >= Duration::from_millis(15), "{waited:?}");
        assert_eq!(pulse.waits(), Duration::ZERO);
    }
}
