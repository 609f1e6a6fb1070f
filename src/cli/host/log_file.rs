//! The file that reports go to for months: appended to, rotated, opened anew on demand, and ending in a whole line
//! whatever happened before.
#![expect(clippy::disallowed_methods, reason = "files are rotated by the clock")]

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::time::Instant;

use jiff::Timestamp;

use crate::cli::units::Rotate;

/// An output file, open for appending.
pub(in crate::cli) struct LogFile {
    path: PathBuf,
    file: File,
    /// So long it is.
    bytes: u64,
    began: Timestamp,
    since: Instant,
    rotate: Option<Rotate>,
}

impl LogFile {
    /// Opens or creates it. What stands behind its last line end, because a writer before us was killed, is cut off:
    /// how many octets is returned too.
    pub(in crate::cli) fn open(path: &Path, rotate: Option<Rotate>) -> io::Result<(Self, u64)> {
        let file = OpenOptions::new().read(true).append(true).create(true).open(path)?;
        let is_file = file.metadata()?.is_file();
        if !is_file && rotate.is_some() {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "only a regular file can be rotated"));
        }
        let (began, since) = (Timestamp::now(), Instant::now());
        let mut opened = LogFile { path: path.to_owned(), file, bytes: 0, began, since, rotate };
        let cut = if is_file { opened.cut()? } else { 0 };
        Ok((opened, cut))
    }

    /// Whether it is full.
    pub(in crate::cli) fn is_due(&self) -> bool {
        self.rotate.is_some_and(|rotate| rotate.is_due(self.since.elapsed(), self.bytes))
    }

    /// Renames the file, which is whole, and begins another one under its name.
    pub(in crate::cli) fn rotate(&mut self) -> io::Result<()> {
        self.file.flush()?;
        fs::rename(&self.path, finished(&self.path, self.began))?;
        self.reopen()
    }

    /// Opens what is found under the name now: somebody else renamed the file. A pipe or a device stays open: there is
    /// nothing to finish, and the sandbox would not let it be opened.
    pub(in crate::cli) fn reopen(&mut self) -> io::Result<()> {
        if !self.file.metadata()?.is_file() {
            return Ok(());
        }
        let (new, _) = LogFile::open(&self.path, self.rotate)?;
        *self = new;
        Ok(())
    }

    /// Cuts off what stands behind the last line end, and returns how many octets. How long the file is the system has
    /// to say: somebody may have emptied it.
    fn cut(&mut self) -> io::Result<u64> {
        let long = self.file.metadata()?.len();
        self.bytes = whole_lines(&mut self.file, long)?;
        let cut = long.saturating_sub(self.bytes);
        if cut > 0 {
            self.file.set_len(self.bytes)?;
        }
        Ok(cut)
    }
}

/// How a finished file is called: `eth0-20261128T221028Z.jsonl`, by the time it was begun at.
pub(super) fn finished(path: &Path, began: Timestamp) -> PathBuf {
    let stem = path.file_stem().unwrap_or_default().to_string_lossy();
    let extension = path.extension().map(|extension| format!(".{}", extension.to_string_lossy())).unwrap_or_default();
    let time = began.strftime("%Y%m%dT%H%M%SZ");
    let mut name = path.with_file_name(format!("{stem}-{time}{extension}"));
    let mut nth = 2_u64;
    // Several within one second, by size.
    while name.exists() {
        name = path.with_file_name(format!("{stem}-{time}-{nth}{extension}"));
        nth = nth.saturating_add(1);
    }
    name
}

/// How many octets of the file are whole lines.
fn whole_lines(file: &mut File, long: u64) -> io::Result<u64> {
    const STEP: u64 = 64 << 10;
    let mut end = long;
    while end > 0 {
        let from = end.saturating_sub(STEP);
        file.seek(SeekFrom::Start(from))?;
        let mut block = Vec::new();
        file.take(end.saturating_sub(from)).read_to_end(&mut block)?;
        if let Some(at) = memchr::memrchr(b'\n', &block) {
            return Ok(from.saturating_add(at as u64).saturating_add(1));
        }
        end = from;
    }
    Ok(0)
}

impl Write for LogFile {
    /// Writes all of it, or whole lines: what a full disk took of another line is taken back.
    fn write(&mut self, lines: &[u8]) -> io::Result<usize> {
        if let Err(error) = self.file.write_all(lines) {
            // The error is told; where this fails too, the last line is not whole.
            let _ = self.cut();
            return Err(error);
        }
        self.bytes = self.bytes.saturating_add(lines.len() as u64);
        Ok(lines.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn files(folder: &Path) -> Vec<String> {
        let mut names: Vec<_> =
            fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    #[test]
    fn it_goes_on_behind_the_last_whole_line() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.jsonl");
        fs::write(&path, [&b"one\ntwo\n"[..], &vec![b'x'; 100_000]].concat()).unwrap();
        let (mut file, cut) = LogFile::open(&path, None).unwrap();
        file.write_all(b"three\n").unwrap();
        assert_eq!((cut, fs::read(&path).unwrap()), (100_000, b"one\ntwo\nthree\n".to_vec()));
        fs::write(&path, "torn").unwrap();
        assert_eq!((LogFile::open(&path, None).unwrap().1, fs::read(&path).unwrap()), (4, Vec::new()));
    }

    #[test]
    fn a_full_file_is_renamed_whole_and_another_one_begun() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.jsonl");
        let (mut file, _) = LogFile::open(&path, Some(Rotate::At(8))).unwrap();
        for line in ["one\n", "two\n", "three\n", "four\n", "five\n"] {
            if file.is_due() {
                file.rotate().unwrap();
            }
            file.write_all(line.as_bytes()).unwrap();
        }
        let names = files(folder.path());
        assert_eq!(names.len(), 3, "{names:?}");
        let finished_name =
            |name: &&String| name.starts_with("a-20") && Path::new(name).extension() == path.extension();
        assert_eq!(names.iter().filter(finished_name).count(), 2, "{names:?}");
        assert_eq!(fs::read_to_string(&path).unwrap(), "five\n");
        let mut finished: Vec<String> = names
            .iter()
            .filter(|name| *name != "a.jsonl")
            .map(|name| fs::read_to_string(folder.path().join(name)).unwrap())
            .collect();
        finished.sort();
        assert_eq!(finished, ["one\ntwo\n", "three\nfour\n"]);
    }

    #[test]
    fn a_file_that_was_renamed_is_found_again_under_its_name() {
        let folder = tempfile::tempdir().unwrap();
        let (path, moved) = (folder.path().join("a.jsonl"), folder.path().join("a.jsonl.1"));
        let (mut file, _) = LogFile::open(&path, None).unwrap();
        file.write_all(b"one\n").unwrap();
        fs::rename(&path, &moved).unwrap();
        file.write_all(b"two\n").unwrap();
        file.reopen().unwrap();
        file.write_all(b"three\n").unwrap();
        assert_eq!(fs::read_to_string(moved).unwrap(), "one\ntwo\n");
        assert_eq!(fs::read_to_string(path).unwrap(), "three\n");
    }

    #[test]
    fn what_is_no_file_is_not_rotated() {
        let refused = LogFile::open(Path::new("/dev/null"), Some(Rotate::At(1)));
        assert!(refused.is_err_and(|error| error.kind() == io::ErrorKind::InvalidInput));
    }
}
