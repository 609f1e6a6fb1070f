//! A bug in one session: caught where it happens and told in one line, while the others go on.
//!
//! Of a panic only its place in the source is kept: its message may quote what came from the wire.

use std::cell::{Cell, RefCell};
use std::fmt;
use std::panic::{self, AssertUnwindSafe, PanicHookInfo};
use std::path::PathBuf;

use crate::capture::ShownPath;

thread_local! {
    /// Whether a panic on this thread would be caught.
    static CATCHING: Cell<bool> = const { Cell::new(false) };
    /// Where the last caught panic was.
    static PLACE: RefCell<Option<String>> = const { RefCell::new(None) };
}

/// A bug of mailtap's, which cost one connection. As text it is one line.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Bug {
    /// The capture that was analysed.
    pub capture: PathBuf,
    /// The frame that was analysed, from 1.
    pub frame: u64,
    /// File and line of the source, where the program catches panics.
    pub place: Option<String>,
}

impl fmt::Display for Bug {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: internal error at frame {}", ShownPath(&self.capture), self.frame)?;
        if let Some(place) = &self.place {
            write!(f, " ({place})")?;
        }
        f.write_str(": its connection was abandoned, the others continue")
    }
}

/// Lets panics that are caught here say nothing by themselves; any other is given to `tell` with its place.
pub(crate) fn take_over(tell: impl Fn(&str) + Send + Sync + 'static) {
    panic::set_hook(Box::new(move |info| {
        let place = place(info);
        if CATCHING.get() {
            PLACE.set(Some(place));
        } else {
            tell(&place);
        }
    }));
}

/// Runs a step; a panic in it is an error with the place in the source, where that is known.
pub(super) fn caught(step: impl FnOnce()) -> Result<(), Option<String>> {
    let outer = CATCHING.replace(true);
    let ran = panic::catch_unwind(AssertUnwindSafe(step));
    CATCHING.set(outer);
    ran.map_err(|_| PLACE.take())
}

fn place(info: &PanicHookInfo<'_>) -> String {
    info.location().map_or_else(String::new, |place| format!("{}:{}", place.file(), place.line()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bug_is_one_line_with_its_packet_and_its_place() {
        let bug = |place: Option<&str>| Bug { capture: "a.pcap".into(), frame: 7, place: place.map(str::to_owned) };
        assert_eq!(
            bug(Some("src/smtp/line.rs:12")).to_string(),
            "a.pcap: internal error at frame 7 (src/smtp/line.rs:12): its connection was abandoned, the others continue"
        );
        assert!(bug(None).to_string().starts_with("a.pcap: internal error at frame 7: "));
    }

    #[test]
    fn only_a_step_that_panics_is_an_error() {
        assert_eq!(caught(|| {}), Ok(()));
        assert!(caught(|| panic!("a bug, as it is wanted here")).is_err());
        assert!(!CATCHING.get());
    }
}
