//! SIGINT and SIGTERM end the capture, SIGHUP has the output file opened anew.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::flag;

/// What the operator asked for.
#[derive(Clone, Debug, Default)]
pub(in crate::cli) struct Signals {
    /// The capture is to end.
    pub stop: Arc<AtomicBool>,
    /// The output file is to be opened anew.
    pub reopen: Arc<AtomicBool>,
}

/// A capture that is to end has so long for it, a little less than the two seconds that are promised.
const PATIENCE: Duration = Duration::from_millis(1800);
/// How often it is looked whether it is to end.
const LOOK: Duration = Duration::from_millis(50);

impl Signals {
    /// Listens to the signals from now on. The second SIGINT or SIGTERM ends the process at once, with exit code 2.
    pub(in crate::cli) fn listen() -> io::Result<Self> {
        let signals = Signals::default();
        for signal in [SIGINT, SIGTERM] {
            flag::register_conditional_shutdown(signal, 2, Arc::clone(&signals.stop))?;
            flag::register(signal, Arc::clone(&signals.stop))?;
        }
        flag::register(SIGHUP, Arc::clone(&signals.reopen))?;
        Ok(signals)
    }

    /// Calls `give_up` where the capture is to end and the process is still there when its time is over: whoever reads
    /// the output takes nothing.
    pub(in crate::cli) fn enforce_end(&self, give_up: impl FnOnce() + Send + 'static) -> io::Result<()> {
        let stop = Arc::clone(&self.stop);
        let watchdog = move || {
            while !stop.load(Ordering::Relaxed) {
                thread::sleep(LOOK);
            }
            thread::sleep(PATIENCE);
            give_up();
        };
        thread::Builder::new().name("watchdog".to_owned()).spawn(watchdog).map(drop)
    }
}
