//! For tests of what a process cannot undo: each is done by a process of its own, the same test of the same program.

use std::any::type_name_of_val;
use std::error::Error;
use std::io::Write;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use crate::cli::scan::chain;

/// Set for the process that acts: the path that it acts upon.
const PATH: &str = "MAILTAP_TEST_ALONE";

/// Runs `act` in a process of its own, with the path of what `prepare` makes outside of it. Once a test.
pub(super) fn alone<T: AsRef<Path>>(prepare: impl FnOnce() -> T, act: impl FnOnce(&Path)) -> Ended {
    if let Some(path) = std::env::var_os(PATH) {
        act(&PathBuf::from(path));
        return Ended(None);
    }
    // The closure's name is the test's with something behind it.
    let name = type_name_of_val(&act).strip_suffix("::{{closure}}").unwrap();
    let (_, test) = name.split_once("::").unwrap();
    let prepared = prepare();
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args([test, "--exact", "--nocapture"]).env(PATH, prepared.as_ref());
    Ended(Some(command.output().unwrap()))
}

/// For [`alone`] where nothing has to be prepared.
pub(super) fn nothing() -> PathBuf {
    PathBuf::new()
}

/// How the process ended; nothing in that process itself.
pub(super) struct Ended(Option<Output>);

impl Ended {
    /// It came to its end, with all that it asserted.
    pub(super) fn passes(&self) {
        let Some(output) = &self.0 else { return };
        let said = said(output);
        assert!(output.status.success() && said.contains("1 passed"), "{}\n{said}", output.status);
    }

    /// The kernel killed it for a system call, after it had said `last`.
    pub(super) fn is_killed_after(&self, last: &str) {
        let Some(output) = &self.0 else { return };
        let said = said(output);
        assert_eq!(output.status.signal(), Some(libc::SIGSYS), "{}\n{said}", output.status);
        assert!(said.contains(last), "{said}");
    }
}

fn said(output: &Output) -> String {
    [&output.stdout, &output.stderr].map(|bytes| String::from_utf8_lossy(bytes)).join("")
}

pub(super) fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// Says why a test did nothing.
pub(super) fn skipped(why: &str) {
    let _ = writeln!(std::io::stderr(), "skipped: {why}");
}

/// The error as it is told, which is one line.
pub(super) fn one_line(error: &dyn Error) -> String {
    let line = chain(error);
    assert!(!line.contains('\n'), "{line}");
    line
}
