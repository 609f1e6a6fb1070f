//! `--write`: the file that packets of sessions with findings go to, and what would make it of no use or do harm.

use std::error::Error;
use std::fs::{self, File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};

use crate::base::Captured;
use crate::capture::ShownPath;
use crate::engine::again::{self, Evidence};
use crate::engine::{Config, Observer, Stopped};
use crate::report::pcapng::Pcapng;

use super::scan::{CannotWrite, why};

/// The file.
pub(super) struct Packets {
    name: String,
    file: Pcapng<File>,
}

impl Packets {
    /// Makes the file. Nobody but the user can read it: it holds what others wrote to each other.
    pub(super) fn create(path: &Path, inputs: &[PathBuf]) -> Result<Self, CannotWrite> {
        let name = ShownPath(path).to_string();
        match open(path, inputs).and_then(Pcapng::new) {
            Ok(file) => Ok(Packets { name, file }),
            Err(source) => Err(CannotWrite { to: name, source }),
        }
    }

    /// What a person is to know of it before anything is written.
    pub(super) fn notice(&self) -> String {
        notice(&self.name)
    }

    /// Reads the inputs again and writes what is wanted of them.
    pub(super) fn write(
        mut self,
        config: &Config,
        inputs: &[PathBuf],
        evidence: Evidence,
        observer: &dyn Observer,
    ) -> Result<(), Box<dyn Error>> {
        let mut keep = |packet: &Captured<'_>, comments: &[String]| self.file.packet(packet, None, comments);
        let kept = again::packets(config, inputs, evidence, &mut keep, observer);
        let flushed = self.file.flush().map_err(Stopped::Output);
        let left_out =
            kept.and_then(|left_out| flushed.map(|()| left_out)).map_err(|stopped| why(stopped, &self.name))?;
        if left_out > 0 {
            let source = format!("no room for {left_out} findings or fragments (see --max-evidence-bytes)");
            return Err(CannotWrite { to: format!("all of {}", self.name), source: io::Error::other(source) }.into());
        }
        Ok(())
    }
}

/// What a person is to know before packets are kept in a file.
pub(super) fn notice(name: &str) -> String {
    format!("{name}: contains whole packets, including message content and passwords")
}

/// The file must not exist, for what it held might be the only evidence of something else. Devices and pipes may be
/// written to.
fn open(path: &Path, inputs: &[PathBuf]) -> io::Result<File> {
    if path == Path::new("-") {
        return Err(io::Error::other("standard output is needed for the report"));
    }
    for input in inputs {
        may_be_read_again(input)?;
        lies_outside(path, input)?;
    }
    let mut options = OpenOptions::new();
    options.write(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let special = fs::metadata(path).is_ok_and(|found| !found.is_file());
    options.create_new(!special).open(path).map_err(|error| match error.kind() {
        io::ErrorKind::AlreadyExists => io::Error::other("it exists, and mailtap does not overwrite it"),
        _ => error,
    })
}

/// What is no file can be read only once. What does not exist is told as of any scan.
pub(super) fn may_be_read_again(input: &Path) -> io::Result<()> {
    let once = |found: fs::Metadata| !found.is_file() && !found.is_dir();
    if input == Path::new("-") || fs::metadata(input).is_ok_and(once) {
        return Err(io::Error::other(format!(
            "{} can be read only once, and --write reads its input twice",
            ShownPath(input)
        )));
    }
    Ok(())
}

/// In a folder that is scanned the file would be an input itself: of this scan while it is written, and of the next one,
/// which would find everything twice.
fn lies_outside(path: &Path, input: &Path) -> io::Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let (Ok(folder), Ok(scanned)) = (fs::canonicalize(folder), fs::canonicalize(input)) else { return Ok(()) };
    if scanned.is_dir() && folder.starts_with(scanned) {
        return Err(io::Error::other(format!("it would be inside {}, which is being scanned", ShownPath(input))));
    }
    Ok(())
}
