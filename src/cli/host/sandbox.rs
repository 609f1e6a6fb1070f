//! Confinement of a live capture: Landlock for files, connections and signals, and the list of [`super::system_calls`].
//!
//! Both are kept by the kernel for the thread that asks and for those that it starts: whence the main thread, before it
//! has started one. What is open stays open: captures, a listener of metrics, outputs.
//!
//! A kernel that lacks some of it keeps the rest, and what it does not keep is told.

use std::error::Error;
use std::fmt;
use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use landlock::{
    ABI, Access, AccessFs, AccessNet, BitFlags, LandlockStatus, PathBeneath, Ruleset, RulesetAttr, RulesetCreatedAttr,
    RulesetError, Scope,
};

use super::system_calls::{Filters, Violations};
use crate::capture::ShownPath;

/// What a live capture needs after its start.
#[derive(Debug)]
pub(in crate::cli) struct Confinement {
    /// The directories in which outputs are created, appended, renamed within the directory, and removed. Each must be
    /// there; an empty path is the current directory.
    pub writable: Vec<PathBuf>,
    /// The files and directories that are read. What is not there is passed over.
    ///
    /// libpcap's counters of lost packets need, for each interface, `/sys/class/net/IFACE/statistics` (a link; what it
    /// leads to is what can be read). libpcap before 1.10 reads `/proc/net/dev` instead, for which `/proc/net` is to be
    /// named: the file itself is another one each time that it is opened.
    pub readable: Vec<PathBuf>,
    /// A system call that is not on the list ends the process, and a kernel that cannot confine is a problem.
    pub strict: bool,
}

/// Confines the process for good. To be called by the main thread, after [`super::privileges::give_up`] and before
/// another thread starts: a thread that runs already would stay free.
pub(in crate::cli) fn confine(to: &Confinement) -> Result<Confined, Problem> {
    // What seccomp needs to know of the kernel is in a file, which Landlock would close.
    let filters = Filters::prepare(to.strict).map_err(|error| Problem::Seccomp { source: error.into() })?;
    let files = restrict_files(to)?;
    let calls = match filters {
        Ok(filters) => Ok(filters.install().map_err(|error| Problem::Seccomp { source: error.into() })?),
        Err(why) => Err(why),
    };
    Confined { files, calls }.enough(to.strict)
}

/// The newest restrictions that were tried. A newer kernel is not asked for more, since nobody knows what that would
/// close.
const NEWEST: ABI = ABI::V7;

/// What each version of Landlock came to restrict, if it was not there from the beginning.
const GAPS: &[(ABI, &str)] = &[(ABI::V3, "truncation"), (ABI::V4, "TCP"), (ABI::V5, "devices"), (ABI::V6, "signals")];

/// How far Landlock goes, or why there is none.
fn restrict_files(to: &Confinement) -> Result<Result<ABI, &'static str>, Problem> {
    let read = AccessFs::ReadFile | AccessFs::ReadDir;
    let write = read | AccessFs::WriteFile | AccessFs::Truncate | AccessFs::MakeReg | AccessFs::RemoveFile;
    let failed = |source| Problem::Landlock { source };
    let mut rules = Ruleset::default()
        .handle_access(AccessFs::from_all(NEWEST))
        .and_then(|rules| rules.handle_access(AccessNet::from_all(NEWEST)))
        .and_then(|rules| rules.scope(Scope::from_all(NEWEST)))
        .and_then(Ruleset::create)
        .map_err(failed)?;
    for path in &to.writable {
        let path = if path.as_os_str().is_empty() { Path::new(".") } else { path };
        let (file, access) = opened(path, write).map_err(|source| Problem::Path { path: path.to_owned(), source })?;
        rules = rules.add_rule(PathBeneath::new(file, access)).map_err(failed)?;
    }
    for path in &to.readable {
        match opened(path, read) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(source) => return Err(Problem::Path { path: path.clone(), source }),
            Ok((file, access)) => rules = rules.add_rule(PathBeneath::new(file, access)).map_err(failed)?,
        }
    }
    match rules.restrict_self().map_err(failed)?.landlock {
        LandlockStatus::Available { effective_abi, .. } => Ok(Ok(effective_abi.min(NEWEST))),
        LandlockStatus::NotEnabled => Ok(Err("not enabled at boot")),
        LandlockStatus::NotImplemented => Ok(Err("this kernel has none")),
    }
}

/// The path as a rule names it, and what of `access` a thing of its kind can have.
fn opened(path: &Path, access: BitFlags<AccessFs>) -> io::Result<(File, BitFlags<AccessFs>)> {
    let file = OpenOptions::new().read(true).custom_flags(libc::O_PATH).open(path)?;
    let access = if file.metadata()?.is_dir() { access } else { access & AccessFs::from_file(NEWEST) };
    Ok((file, access))
}

/// What the program says of its confinement at start, as a phrase.
#[derive(Debug)]
pub(in crate::cli) struct Confined {
    files: Result<ABI, &'static str>,
    calls: Result<Violations, &'static str>,
}

impl Confined {
    /// Itself, unless it lacks what a strict sandbox must have.
    fn enough(self, strict: bool) -> Result<Self, Problem> {
        match (self.files, self.calls) {
            (Err(why), _) if strict => Err(Problem::Missing { what: "Landlock", why }),
            (_, Err(why)) if strict => Err(Problem::Missing { what: "seccomp", why }),
            _ => Ok(self),
        }
    }
}

impl fmt::Display for Confined {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.files {
            Ok(version) => {
                write!(out, "Landlock (ABI {version}")?;
                let mut before = "; not restricted: ";
                for (_, gap) in GAPS.iter().filter(|(since, _)| version < *since) {
                    write!(out, "{before}{gap}")?;
                    before = ", ";
                }
                out.write_str(")")?;
            }
            Err(why) => write!(out, "no Landlock ({why})")?,
        }
        match self.calls {
            Ok(violations) => write!(out, ", {violations}"),
            Err(why) => write!(out, ", no seccomp ({why})"),
        }
    }
}

/// Why the process is not confined.
#[derive(Debug)]
pub(in crate::cli) enum Problem {
    /// A directory or file that is to stay open cannot be found.
    Path { path: PathBuf, source: io::Error },
    /// Landlock's rules were refused.
    Landlock { source: RulesetError },
    /// The list of system calls was refused.
    Seccomp { source: Box<dyn Error + Send + Sync> },
    /// The kernel cannot do what was asked for strictly.
    Missing { what: &'static str, why: &'static str },
}

impl fmt::Display for Problem {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Problem::Path { path, .. } => write!(out, "cannot allow access to {} in the sandbox", ShownPath(path)),
            Problem::Landlock { .. } => out.write_str("cannot confine the process with Landlock"),
            Problem::Seccomp { .. } => out.write_str("cannot confine the process with seccomp"),
            Problem::Missing { what, why } => write!(out, "a strict sandbox needs {what}: {why}"),
        }
    }
}

impl Error for Problem {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Problem::Path { source, .. } => Some(source),
            Problem::Landlock { source } => Some(source),
            Problem::Seccomp { source } => Some(&**source),
            Problem::Missing { .. } => None,
        }
    }
}

#[cfg(test)]
mod tests;
