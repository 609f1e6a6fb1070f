//! The file in which a live capture keeps packets (`--write`): pcapng, rotated and opened anew as the output file is.
#![expect(clippy::disallowed_methods, reason = "files are rotated by the clock")]

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::Instant;

use jiff::Timestamp;

use super::log_file;
use crate::capture;
use crate::cli::units::Rotate;
use crate::ledger::Exhibit;
use crate::report::pcapng::Pcapng;

/// A capture file under way.
pub(in crate::cli) struct PacketFile {
    path: PathBuf,
    file: Pcapng<File>,
    began: Timestamp,
    since: Instant,
    /// Whether it holds a packet: one that does not is not rotated.
    used: bool,
    rotate: Option<Rotate>,
}

impl PacketFile {
    /// Makes the file; a capture that stands there, of a run before, is renamed as a finished one. Nobody but the user
    /// can read it: it holds what others wrote to each other.
    pub(in crate::cli) fn create(path: &Path, rotate: Option<Rotate>) -> io::Result<Self> {
        if path.exists() {
            if !capture::is_capture(path) {
                return Err(io::Error::other("it exists and is not a capture"));
            }
            let modified = Timestamp::try_from(fs::metadata(path)?.modified()?).unwrap_or(Timestamp::UNIX_EPOCH);
            fs::rename(path, log_file::finished(path, modified))?;
        }
        let file = Pcapng::new(OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?)?;
        let (began, since) = (Timestamp::now(), Instant::now());
        Ok(PacketFile { path: path.to_owned(), file, began, since, used: false, rotate })
    }

    /// Adds packets that came on the interfaces of this name, and hands all on to the system.
    pub(in crate::cli) fn add(&mut self, packets: &[Exhibit], interface: &str) -> io::Result<()> {
        for packet in packets {
            self.file.packet(&packet.captured(), Some(interface), &packet.comments)?;
        }
        self.used = true;
        self.file.flush()
    }

    /// Begins another file where this one is full, or where `reopen` says that somebody may have renamed it.
    pub(in crate::cli) fn turn(&mut self, reopen: bool) -> io::Result<()> {
        let due = |rotate: Rotate| rotate.is_due(self.since.elapsed(), self.file.len());
        let full = self.used && self.rotate.is_some_and(due);
        if full {
            fs::rename(&self.path, log_file::finished(&self.path, self.began))?;
        }
        if full || (reopen && !self.path.exists()) {
            *self = PacketFile::create(&self.path, self.rotate)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::{LinkType, Moment, Ordinal, Time};

    fn packet(second: i64) -> Exhibit {
        let at = Moment { ordinal: Ordinal::of(0), time: Time(second.saturating_mul(Time::SECOND)) };
        Exhibit { at, link_type: LinkType(1), original: 60, bytes: [7; 60].into(), comments: Vec::new() }
    }

    /// How many packets each file of the folder holds, in the order of their names.
    fn packets(folder: &Path) -> Vec<usize> {
        let mut paths: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
        paths.sort();
        let count = |path: &PathBuf| {
            let mut capture = pcap::Capture::from_file(path).unwrap();
            std::iter::from_fn(|| capture.next_packet().ok().map(drop)).count()
        };
        paths.iter().map(count).collect()
    }

    #[test]
    fn a_full_file_is_renamed_and_one_without_packets_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("evidence.pcapng");
        let mut file = PacketFile::create(&path, Some(Rotate::At(1))).unwrap();
        file.turn(false).unwrap();
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
        file.add(&[packet(1), packet(2)], "eth0").unwrap();
        file.turn(false).unwrap();
        file.add(&[packet(3)], "eth0").unwrap();
        assert_eq!(packets(folder.path()), [2, 1]);
    }

    #[test]
    fn what_a_run_before_kept_stays() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("evidence.pcapng");
        PacketFile::create(&path, None).unwrap().add(&[packet(1)], "eth0").unwrap();
        PacketFile::create(&path, None).unwrap().add(&[packet(2), packet(3)], "eth0").unwrap();
        assert_eq!(packets(folder.path()), [1, 2]);
    }

    #[test]
    fn what_is_no_capture_is_not_touched() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("notes");
        fs::write(&path, "not to be lost").unwrap();
        assert!(PacketFile::create(&path, None).is_err());
        assert_eq!(fs::read_to_string(&path).unwrap(), "not to be lost");
    }

    #[test]
    fn a_file_that_somebody_renamed_is_begun_anew() {
        let folder = tempfile::tempdir().unwrap();
        let (path, moved) = (folder.path().join("evidence.pcapng"), folder.path().join("evidence.pcapng.1"));
        let mut file = PacketFile::create(&path, None).unwrap();
        file.add(&[packet(1)], "eth0").unwrap();
        file.turn(true).unwrap();
        assert_eq!(packets(folder.path()), [1], "nobody renamed it");
        fs::rename(&path, moved).unwrap();
        file.turn(true).unwrap();
        file.add(&[packet(2), packet(3)], "eth0").unwrap();
        assert_eq!(packets(folder.path()), [2, 1]);
    }
}
