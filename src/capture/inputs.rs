//! The paths of the command line as an ordered list: files by the time of their first packet, then by path.
//!
//! A file is opened for a look at its first packet and closed again, so that ten thousand need no more
//! handles than one. What can be read only once (standard input, a pipe) stays open and keeps what was read.

use std::collections::VecDeque;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use walkdir::WalkDir;

use super::ahead::{Ahead, Begun};
use super::blocks::{Block, Blocks, More};
use super::pipe::{Pipe, Stop};
use super::problem::{Cause, Fault, Problem};
use super::reader::Options;
use super::stored::Stored;
use crate::base::Time;

/// So many files that are no captures are named.
const MOST_NAMED: usize = 100;

/// What is to be read, in order, and what became known on the way.
#[derive(Default)]
pub(super) struct Inputs {
    pub list: VecDeque<Input>,
    /// Paths that name nothing that could be read.
    pub problems: VecDeque<Problem>,
    /// Files in directories that were passed over: no captures, no plain files, symbolic links.
    pub skipped: u64,
    /// The first [`MOST_NAMED`] of them.
    pub passed_over: Vec<PathBuf>,
    /// Bytes of the listed files on disk.
    pub bytes: u64,
}

/// One file, pipe or standard input.
pub(super) struct Input {
    pub path: PathBuf,
    pub source: Source,
    /// Its size on disk; 0 where it has none.
    pub bytes: u64,
    /// The time of its first packet, where there is one.
    first: Option<Time>,
}

/// Where an input's packets come from.
pub(super) enum Source {
    /// A plain file, to be opened when its turn comes.
    File,
    /// A compressed one, which may be opened before.
    Packed,
    Ahead(Ahead),
    /// Already being read.
    Begun(Begun),
    /// Found to be unreadable.
    Failed(Fault),
}

impl Inputs {
    pub(super) fn collect(paths: &[PathBuf], options: &Options) -> Self {
        let mut inputs = Inputs::default();
        for path in paths {
            inputs.path(path, options);
        }
        let list = inputs.list.make_contiguous();
        list.sort_by(|a, b| (a.first.is_none(), a.first, &a.path).cmp(&(b.first.is_none(), b.first, &b.path)));
        inputs
    }

    fn path(&mut self, path: &Path, options: &Options) {
        if path == Path::new("-") {
            return match Pipe::stdin() {
                Ok(pipe) => self.once(path, pipe, options),
                Err(error) => self.problem(path, error),
            };
        }
        match fs::metadata(path) {
            Ok(found) if found.is_dir() => self.directory(path),
            Ok(found) if found.is_file() => {
                let looked = look(path);
                self.file(path, found.len(), looked);
            }
            Ok(_) => match File::open(path) {
                Ok(file) => self.once(path, Pipe::new(file), options),
                Err(error) => self.problem(path, error),
            },
            Err(error) => self.problem(path, error),
        }
    }

    /// Everything below a directory; links are not followed, so there are no rings.
    fn directory(&mut self, directory: &Path) {
        let known = (self.list.len(), self.problems.len());
        for entry in WalkDir::new(directory).sort_by_file_name() {
            let entry = match entry {
                Ok(entry) => entry,
                Err(error) => {
                    let path = error.path().unwrap_or(directory).to_path_buf();
                    self.problem(&path, error.into_io_error().unwrap_or_else(|| io::ErrorKind::Other.into()));
                    continue;
                }
            };
            if entry.file_type().is_dir() {
                continue;
            }
            if !entry.file_type().is_file() {
                self.pass_over(entry.path());
                continue;
            }
            match look(entry.path()) {
                Err(Fault { cause: Cause::Empty | Cause::NotACapture, .. }) => {
                    self.pass_over(entry.path());
                }
                looked => self.file(entry.path(), entry.metadata().map_or(0, |found| found.len()), looked),
            }
        }
        if known == (self.list.len(), self.problems.len()) {
            self.problems.push_back(Fault::from(Cause::NothingToScan).of(directory.to_path_buf()));
        }
    }

    /// Counts a file that is no capture, and names it if there are not many.
    fn pass_over(&mut self, path: &Path) {
        self.skipped = self.skipped.saturating_add(1);
        if self.passed_over.len() < MOST_NAMED {
            self.passed_over.push(path.to_path_buf());
        }
    }

    fn file(&mut self, path: &Path, bytes: u64, looked: Result<Look, Fault>) {
        let (source, first, bytes) = match looked {
            Ok(Look { first, packed }) => (if packed { Source::Packed } else { Source::File }, first, bytes),
            Err(fault) => (Source::Failed(fault), None, 0),
        };
        self.bytes = self.bytes.saturating_add(bytes);
        self.list.push_back(Input { path: path.to_path_buf(), source, bytes, first });
    }

    fn once(&mut self, path: &Path, pipe: Pipe, options: &Options) {
        let stored = Stored::new(Box::new(pipe), options.hash, &options.stop);
        let (source, first) = match Begun::new(stored, options) {
            Ok(mut begun) => {
                begun.first(&options.stop);
                let first = first_time(begun.ready.front());
                (Source::Begun(begun), first)
            }
            Err(fault) => (Source::Failed(fault), None),
        };
        self.list.push_back(Input { path: path.to_path_buf(), source, bytes: 0, first });
    }

    fn problem(&mut self, path: &Path, error: io::Error) {
        self.problems.push_back(Fault::from(Cause::Io(error)).of(path.to_path_buf()));
    }
}

/// Whether a file is there and is a capture, of a kind that can be read or not.
pub(crate) fn is_capture(path: &Path) -> bool {
    let plain = fs::metadata(path).is_ok_and(|found| found.is_file());
    plain && !matches!(look(path), Err(Fault { cause: Cause::Empty | Cause::NotACapture | Cause::Io(_), .. }))
}

/// What a first look at a file shows.
struct Look {
    /// The time of its first packet.
    first: Option<Time>,
    packed: bool,
}

/// A fault behind the file's header shows when the file is read.
fn look(path: &Path) -> Result<Look, Fault> {
    let file = File::open(path).map_err(Cause::Io)?;
    let stop = Stop::default();
    let mut blocks = Blocks::open(Stored::new(Box::new(file), false, &stop), Options::LEAST_BATCH, &stop)?;
    let first = match blocks.next(&mut Block::default()) {
        More::Block(block) => first_time(Some(&block)),
        More::Pause | More::End => None,
    };
    Ok(Look { first, packed: blocks.is_packed() })
}

fn first_time(block: Option<&Block>) -> Option<Time> {
    Some(block?.packets.first()?.time)
}
