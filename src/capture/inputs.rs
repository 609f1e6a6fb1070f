//! The paths of the command line as an ordered list: files by the time of their first packet, then by path, each once.
//!
//! A file is opened for a look at its first packet and closed again, so that ten thousand need no more
//! handles than one. What can be read only once (standard input, a pipe) stays open and keeps what was read.

use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::fs::{self, File, Metadata};
use std::io;
use std::path::{Path, PathBuf};

use walkdir::WalkDir;

use super::ahead::{Ahead, Begun};
use super::batch::Counting;
use super::blocks::{Block, Blocks, More};
use super::pipe::{Pipe, Stop};
use super::problem::{Cause, Fault, Problem};
use super::reader::{Notice, Options};
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
    pub notices: VecDeque<Notice>,
    /// Bytes of the listed files on disk.
    pub bytes: u64,
}

/// One file, pipe or standard input.
pub(super) struct Input {
    pub path: PathBuf,
    pub source: Source,
    /// Its size on disk; 0 where it has none.
    pub bytes: u64,
    /// The time that its first packet counts at, where there is one.
    pub first: Option<Time>,
    /// What its decoder is taken to need.
    pub window: u64,
    /// Which file it is, under whatever name.
    identity: Option<Identity>,
}

/// The file system's own name of a file.
type Identity = (u64, u64);

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
        inputs.once_each();
        inputs
    }

    /// Of a file that is named more than once the first in the list stays.
    fn once_each(&mut self) {
        let mut known: BTreeMap<Identity, PathBuf> = BTreeMap::new();
        let mut same: Option<(PathBuf, PathBuf, u64)> = None;
        let mut bytes = 0;
        self.list.retain(|input| {
            let Some(identity) = input.identity else { return true };
            let Some(other) = known.get(&identity) else {
                known.insert(identity, input.path.clone());
                return true;
            };
            match &mut same {
                Some((.., more)) => *more = more.saturating_add(1),
                None => same = Some((input.path.clone(), other.clone(), 0)),
            }
            bytes = input.bytes.saturating_add(bytes);
            false
        });
        self.bytes = self.bytes.saturating_sub(bytes);
        self.notices.extend(same.map(|(path, other, more)| Notice::SameFile { path, other, more }));
    }

    fn path(&mut self, path: &Path, options: &Options) {
        if path == Path::new("-") {
            if self.list.iter().any(|input| input.path == path) {
                self.notices.push_back(Notice::SameFile { path: path.into(), other: path.into(), more: 0 });
                return;
            }
            return match Pipe::stdin() {
                Ok(pipe) => self.once(path, pipe, None, options),
                Err(error) => self.problem(path, error),
            };
        }
        match fs::metadata(path) {
            Ok(found) if found.is_dir() => self.directory(path, options),
            Ok(found) if found.is_file() => {
                let looked = look(path);
                self.file(path, &found, looked);
            }
            // A pipe can be read but once.
            Ok(found)
                if self.list.iter().any(|input| input.identity.is_some() && input.identity == identity(&found)) =>
            {
                self.notices.push_back(Notice::SameFile { path: path.into(), other: path.into(), more: 0 });
            }
            Ok(found) => match File::open(path) {
                Ok(file) => self.once(path, Pipe::new(file), identity(&found), options),
                Err(error) => self.problem(path, error),
            },
            Err(error) => self.problem(path, error),
        }
    }

    /// Everything below a directory; links are not followed, so there are no rings.
    fn directory(&mut self, directory: &Path, options: &Options) {
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
            // A link that is named itself is followed.
            if entry.file_type().is_dir() || entry.depth() == 0 {
                continue;
            }
            if !entry.file_type().is_file() {
                let link = entry.file_type().is_symlink();
                self.pass_over(entry.path(), &if link { "a symbolic link" } else { "not a regular file" }, options);
                continue;
            }
            match (look(entry.path()), entry.metadata()) {
                (Err(Fault { cause: cause @ (Cause::Empty | Cause::NotACapture), .. }), _) => {
                    self.pass_over(entry.path(), &cause, options);
                }
                (looked, Ok(found)) => self.file(entry.path(), &found, looked),
                (_, Err(error)) => self.problem(entry.path(), error.into()),
            }
        }
        if known == (self.list.len(), self.problems.len()) {
            self.problems.push_back(Fault::from(Cause::NothingToScan).of(directory.to_path_buf()));
        }
    }

    /// Counts a file that is no capture, names it if there are not many, and tells of it where that is wanted.
    fn pass_over(&mut self, path: &Path, why: &dyn fmt::Display, options: &Options) {
        self.skipped = self.skipped.saturating_add(1);
        if self.passed_over.len() < MOST_NAMED {
            self.passed_over.push(path.to_path_buf());
        }
        if options.name_skipped {
            self.notices.push_back(Notice::Skipped { path: path.to_path_buf(), why: why.to_string() });
        }
    }

    fn file(&mut self, path: &Path, found: &Metadata, looked: Result<Look, Fault>) {
        let (source, first, bytes, window) = match looked {
            Ok(Look { first, window: 0 }) => (Source::File, first, found.len(), 0),
            Ok(Look { first, window }) => (Source::Packed, first, found.len(), window),
            Err(fault) => (Source::Failed(fault), None, 0, 0),
        };
        self.bytes = self.bytes.saturating_add(bytes);
        let identity = identity(found);
        self.list.push_back(Input { path: path.to_path_buf(), source, bytes, first, window, identity });
    }

    fn once(&mut self, path: &Path, pipe: Pipe, identity: Option<Identity>, options: &Options) {
        let stored = Stored::new(Box::new(pipe), options.hash, &options.stop);
        let (source, first, window) = match Begun::new(stored, options) {
            Ok(mut begun) => {
                let window = begun.blocks.window();
                let first = first_time(|| begun.more(&options.stop).map(times));
                (Source::Begun(begun), first, window)
            }
            Err(fault) => (Source::Failed(fault), None, 0),
        };
        self.list.push_back(Input { path: path.to_path_buf(), source, bytes: 0, first, window, identity });
    }

    fn problem(&mut self, path: &Path, error: io::Error) {
        self.problems.push_back(Fault::from(Cause::from(error)).of(path.to_path_buf()));
    }
}

/// Whether a file is there and is a capture, of a kind that can be read or not.
#[cfg(feature = "cli")]
pub(crate) fn is_capture(path: &Path) -> bool {
    let plain = fs::metadata(path).is_ok_and(|found| found.is_file());
    plain && !matches!(look(path), Err(Fault { cause: Cause::Empty | Cause::NotACapture | Cause::Io(_), .. }))
}

/// What a first look at a file shows.
struct Look {
    /// The time that its first packet counts at.
    first: Option<Time>,
    /// What its decoder is taken to need; 0 where it has none.
    window: u64,
}

/// A fault behind the file's header shows when the file is read.
fn look(path: &Path) -> Result<Look, Fault> {
    let file = File::open(path).map_err(Cause::from)?;
    let stop = Stop::default();
    let mut blocks = Blocks::open(Stored::new(Box::new(file), false, &stop), Options::LEAST_BATCH, &stop)?;
    let window = blocks.window();
    let first = first_time(|| match blocks.next(&mut Block::default()) {
        More::Block(block) => Some(times(&block)),
        More::Pause | More::End => None,
    });
    Ok(Look { first, window })
}

/// What the first packet counts at, by the first two; `next` gives block after block.
fn first_time(mut next: impl FnMut() -> Option<[Option<Time>; 2]>) -> Option<Time> {
    let [first, second] = next()?;
    let second = second.or_else(|| next()?.into_iter().next()?);
    first.map(|first| Counting::believed_first(first, second))
}

/// The times of a block's first two packets.
fn times(block: &Block) -> [Option<Time>; 2] {
    [0, 1].map(|nth| block.packets.get(nth).map(|packet| packet.time))
}

#[cfg(unix)]
#[expect(clippy::unnecessary_wraps, reason = "other systems tell none")]
fn identity(found: &Metadata) -> Option<Identity> {
    use std::os::unix::fs::MetadataExt;
    Some((found.dev(), found.ino()))
}

/// Elsewhere only the name tells.
#[cfg(not(unix))]
fn identity(_: &Metadata) -> Option<Identity> {
    None
}
