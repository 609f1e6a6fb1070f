//! What a person at the terminal sees on standard error: problems, notices, and how far the reading came.

use std::io::{self, IsTerminal, Write};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::capture::{Notice, Problem, Progress};
use crate::engine::{Bug, Observer};

/// Standard error. Copies of it are the same one.
#[derive(Clone)]
pub(super) struct Terminal {
    bar: ProgressBar,
    quiet: bool,
}

impl Terminal {
    /// With `quiet` neither progress nor notices; problems are always told. Records that stream to the same
    /// terminal leave no place for progress.
    pub(super) fn new(quiet: bool, streams_to_stdout: bool) -> Self {
        let in_the_way = streams_to_stdout && io::stdout().is_terminal();
        let shown = !quiet && !in_the_way && io::stderr().is_terminal();
        let target = if shown { ProgressDrawTarget::stderr_with_hz(10) } else { ProgressDrawTarget::hidden() };
        let bar = ProgressBar::with_draw_target(None, target);
        if let Ok(style) =
            ProgressStyle::with_template("{bar:32} {bytes} of {total_bytes}, {bytes_per_sec}, {eta} left")
        {
            bar.set_style(style);
        }
        Terminal { bar, quiet }
    }

    /// For what has no end to come nearer to: in place of progress a status stays at the bottom ([`Terminal::status`]).
    #[cfg(live)]
    pub(super) fn with_status(quiet: bool) -> Self {
        let shown = !quiet && io::stderr().is_terminal();
        // Whatever is written next to it waits for it, so it is drawn no more often than it changes.
        let target = if shown { ProgressDrawTarget::stderr_with_hz(4) } else { ProgressDrawTarget::hidden() };
        let bar = ProgressBar::with_draw_target(None, target);
        if let Ok(style) = ProgressStyle::with_template("{msg}") {
            bar.set_style(style);
        }
        Terminal { bar, quiet }
    }

    /// Whether a person sees a status.
    #[cfg(live)]
    pub(super) fn has_status(&self) -> bool {
        !self.bar.is_hidden()
    }

    /// What stays at the bottom.
    #[cfg(live)]
    pub(super) fn status(&self, status: String) {
        self.bar.set_message(status);
    }

    /// Lines for standard output, which may be the same terminal: above the status.
    #[cfg(live)]
    pub(super) fn above<T>(&self, write: impl FnOnce() -> T) -> T {
        self.bar.suspend(write)
    }

    /// One whole line on standard error, above the progress.
    pub(super) fn line(&self, line: &str) {
        self.bar.suspend(|| {
            // Nobody is left to be told where this fails.
            let _ = io::stderr().lock().write_all(format!("{line}\n").as_bytes());
        });
    }

    /// A notice: not with `--quiet`.
    pub(super) fn say(&self, notice: &str) {
        if !self.quiet {
            self.line(&format!("mailtap: {notice}"));
        }
    }

    /// Takes the progress away: the report is printed, or the program ends.
    pub(super) fn clear(&self) {
        self.bar.finish_and_clear();
    }
}

impl Observer for Terminal {
    fn problem(&self, problem: &Problem) {
        self.line(&format!("mailtap: {problem}"));
    }

    fn notice(&self, notice: &Notice) {
        self.say(&notice.to_string());
    }

    fn internal_error(&self, bug: &Bug) {
        self.line(&format!("mailtap: {bug}"));
    }

    fn progress(&self, progress: &Progress) {
        self.bar.set_length(progress.total.max(progress.read));
        self.bar.set_position(progress.read);
    }
}
