//! `--write`: the file that packets of sessions with findings go to, and what would make it of no use or do harm.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};

use crate::base::Captured;
use crate::capture::ShownPath;
use crate::engine::again::{self, Evidence};
use crate::engine::{Config, Observer, Stopped};
use crate::report::pcapng::Pcapng;

/// The file, and where it lies.
pub(super) struct Packets {
    file: Pcapng<File>,
}

impl Packets {
    /// Makes the file, which must not exist, for what it held might be the only evidence of something else. Devices and
    /// pipes may be written to. Nobody but the user can read it: it holds what others wrote to each other.
    pub(super) fn create(path: &Path, inputs: &[PathBuf]) -> io::Result<Self> {
        if path == Path::new("-") {
            return Err(io::Error::other("standard output is for the report"));
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
        let file = options.create_new(!special).open(path).map_err(|error| match error.kind() {
            io::ErrorKind::AlreadyExists => io::Error::other("it exists already, and is not overwritten"),
            _ => error,
        })?;
        Ok(Packets { file: Pcapng::new(file)? })
    }

    /// Reads the inputs again and writes what is wanted of them; returns for how many findings and fragments there was
    /// no room.
    pub(super) fn write(
        mut self,
        config: &Config,
        inputs: &[PathBuf],
        evidence: Evidence,
        observer: &dyn Observer,
    ) -> Result<u64, Stopped> {
        let mut keep = |packet: &Captured<'_>, comments: &[String]| self.file.packet(packet, None, comments);
        let left_out = again::packets(config, inputs, evidence, &mut keep, observer)?;
        self.file.flush().map_err(Stopped::Output)?;
        Ok(left_out)
    }
}

/// What is no file can be read only once. What does not exist is told as of any scan.
fn may_be_read_again(input: &Path) -> io::Result<()> {
    let once = |found: fs::Metadata| !found.is_file() && !found.is_dir();
    if input == Path::new("-") || fs::metadata(input).is_ok_and(once) {
        return Err(io::Error::other(format!("{} can be read only once, and is needed twice", ShownPath(input))));
    }
    Ok(())
}

/// In a folder that is scanned the file would be an input itself: of this scan while it is written, and of the next one,
/// which would find everything twice.
fn lies_outside(path: &Path, input: &Path) -> io::Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let (Ok(folder), Ok(scanned)) = (fs::canonicalize(folder), fs::canonicalize(input)) else { return Ok(()) };
    if scanned.is_dir() && folder.starts_with(scanned) {
        return Err(io::Error::other(format!("it lies in {}, which is scanned", ShownPath(input))));
    }
    Ok(())
}
