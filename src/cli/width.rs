//! How wide the output is, in cells.

use std::io::{self, IsTerminal};

/// Nothing is narrower, whatever is said; nothing is wider, for in a long line numbers lose their words.
const LEAST: usize = 40;
const MOST: usize = 140;
/// Where nothing says more.
const USUAL: usize = 80;

/// What `COLUMNS` says, or the terminal that standard output is.
pub(super) fn of_output() -> usize {
    let told = std::env::var("COLUMNS").ok().and_then(|columns| columns.parse().ok()).filter(|&columns| columns > 0);
    told.or_else(of_terminal).unwrap_or(USUAL).clamp(LEAST, MOST)
}

#[cfg(unix)]
fn of_terminal() -> Option<usize> {
    let output = io::stdout();
    let size = if output.is_terminal() { rustix::termios::tcgetwinsize(&output).ok() } else { None };
    size.map(|size| usize::from(size.ws_col)).filter(|&columns| columns > 0)
}

#[cfg(not(unix))]
fn of_terminal() -> Option<usize> {
    None
}
