//! Compressed files whose turn is yet to come, unpacked by other threads meanwhile.
//!
//! Packets are analysed in one order, so what is unpacked early has to wait in memory. Who has a thread to spare
//! does a [`Portion`] of one file's work; what comes of it is the same blocks that would have been read later.
//!
//! Bounds: [`FILES`] files at a time, each with a decoder (see [`super::compressed`]), and of each [`BYTES`] and as
//! much more as one block has.

use std::collections::VecDeque;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use super::blocks::{Block, Blocks, More};
use super::pipe::Stop;
use super::problem::{Cause, Fault};
use super::reader::Options;
use super::stored::Stored;

/// Two, so that one thread has something to do while another one's file is taken.
pub(super) const FILES: usize = 2;
/// Of one file, the tables of its packets included.
const BYTES: usize = 8 << 20;
/// Blocks of one portion: as many as a round of analysis reads.
const PORTION: usize = 4;

/// A file that may be unpacked before its turn.
#[derive(Clone)]
pub(super) struct Ahead(Arc<Mutex<State>>);

/// A share of the work on one file, to be done on any thread.
pub(crate) struct Portion(Ahead);

enum State {
    Waiting(PathBuf, Options),
    Begun(Begun),
    Failed(Fault),
    /// The reader came to the file.
    Taken,
}

/// A file that is open, and its first blocks.
pub(super) struct Begun {
    pub blocks: Box<Blocks>,
    pub ready: VecDeque<Block>,
    /// Bytes of `ready`.
    held: usize,
    /// Whether `ready` holds the last ones.
    over: bool,
}

impl Begun {
    pub(super) fn open(path: &Path, options: &Options) -> Result<Self, Fault> {
        let file = File::open(path).map_err(Cause::from)?;
        Self::new(Stored::new(Box::new(file), options.hash, &options.stop), options)
    }

    pub(super) fn new(stored: Stored, options: &Options) -> Result<Self, Fault> {
        let blocks = Box::new(Blocks::open(stored, options.block_bytes(), &options.stop)?);
        Ok(Begun { blocks, ready: VecDeque::new(), held: 0, over: false })
    }

    /// Reads the next block, through all pauses of a pipe unless reading is to end.
    pub(super) fn more(&mut self, stop: &Stop) -> Option<&Block> {
        let known = self.ready.len();
        while self.ready.len() == known && !self.over && !stop.is_set() {
            self.step();
        }
        self.ready.get(known)
    }

    /// Reads one more block.
    fn step(&mut self) {
        match self.blocks.next(&mut Block::default()) {
            More::Block(block) => {
                self.held =
                    self.held.saturating_add(block.data.len()).saturating_add(size_of_val(block.packets.as_slice()));
                self.ready.push_back(block);
            }
            More::Pause => {}
            More::End => self.over = true,
        }
    }

    fn has_room(&self) -> bool {
        !self.over && self.held < BYTES
    }
}

impl Ahead {
    pub(super) fn new(path: &Path, options: &Options) -> Self {
        Ahead(Arc::new(Mutex::new(State::Waiting(path.to_path_buf(), options.clone()))))
    }

    /// The file as far as it was unpacked; nobody works on it any longer.
    pub(super) fn take(&self) -> Result<Begun, Fault> {
        let state = self.with(|state| std::mem::replace(state, State::Taken));
        match state {
            State::Waiting(path, options) => Begun::open(&path, &options),
            State::Begun(begun) => Ok(begun),
            State::Failed(fault) => Err(fault),
            State::Taken => Err(Cause::from(std::io::Error::from(std::io::ErrorKind::Other)).into()),
        }
    }

    /// Something to do for the file, if there is.
    pub(super) fn portion(&self) -> Option<Portion> {
        let more = self.with(|state| match state {
            State::Waiting(..) => true,
            State::Begun(begun) => begun.has_room(),
            State::Failed(_) | State::Taken => false,
        });
        more.then(|| Portion(self.clone()))
    }

    /// Opens the file or unpacks one block of it; false where there is nothing more to do.
    fn step(&self) -> bool {
        self.with(|state| match state {
            State::Waiting(path, options) => {
                *state = Begun::open(path, options).map_or_else(State::Failed, State::Begun);
                true
            }
            State::Begun(begun) if begun.has_room() => {
                begun.step();
                true
            }
            _ => false,
        })
    }

    fn with<R>(&self, act: impl FnOnce(&mut State) -> R) -> R {
        act(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Portion {
    /// Does the work, as far as the file's turn does not come before it is done.
    pub(crate) fn work(&self) {
        let _ = (0..PORTION).all(|_| self.0.step());
    }
}

#[cfg(test)]
mod tests {
    use super::super::container::Compression;
    use super::super::reader::{Next, Reader};
    use super::super::testing::*;
    use super::*;

    /// All packets and problems of a folder; `between` is called before each step.
    fn read_all(folder: &Path, mut between: impl FnMut(&mut Reader)) -> (Vec<Packet>, Vec<String>) {
        let options = Options { batch_bytes: Options::LEAST_BATCH, ..Options::default() };
        let mut reader = Reader::open(&[folder.to_path_buf()], &options);
        let (mut packets, mut problems) = (Vec::new(), Vec::new());
        loop {
            between(&mut reader);
            match reader.next(None) {
                Next::Batch(batch) => packets.extend(
                    batch
                        .packets
                        .iter()
                        .map(|found| packet(found.time.0, found.link_type.0, found.original, batch.bytes(found))),
                ),
                Next::Problem(problem) => problems.push(problem.to_string()),
                Next::Notice(_) | Next::Pause => {}
                Next::End => return (packets, problems),
            }
        }
    }

    /// Files of every compression, one of which is damaged, and a plain one among them.
    fn folder() -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for (nth, compression) in (0_u32..).zip(COMPRESSIONS.into_iter().chain([Compression::Gzip])) {
            let mut packed = pack(compression, &sample(nth.saturating_mul(1000), 900));
            if nth == 2 {
                packed.truncate(packed.len() / 2);
            }
            std::fs::write(folder.path().join(format!("{nth}")), packed).unwrap();
        }
        std::fs::write(folder.path().join("plain"), sample(1500, 10)).unwrap();
        folder
    }

    #[test]
    fn what_is_unpacked_ahead_is_what_would_have_been_read() {
        let folder = folder();
        let alone = read_all(folder.path(), |_| {});
        assert!(alone.0.len() > 3000 && alone.1.len() == 1, "{:?}", alone.1);
        let mut worked = 0;
        let helped = read_all(folder.path(), |reader| {
            for portion in reader.portions() {
                portion.work();
                worked += 1;
            }
        });
        assert!(worked > 10, "{worked}");
        assert_eq!(helped, alone);
        // Work that is begun when the file's turn comes, on another thread.
        let raced = std::thread::scope(|scope| {
            read_all(folder.path(), |reader| {
                for portion in reader.portions() {
                    scope.spawn(move || portion.work());
                }
            })
        });
        assert_eq!(raced, alone);
    }

    #[test]
    fn no_more_than_the_bound_is_kept() {
        let folder = tempfile::tempdir().unwrap();
        let capture = sample(0, 30_000);
        let copies = BYTES / capture.len() + 1;
        let whole = [&capture[..], &capture[24..].repeat(copies)].concat();
        for nth in 0..=FILES {
            std::fs::write(folder.path().join(format!("{nth}")), pack(Compression::Zstd, &whole)).unwrap();
        }
        let mut reader = Reader::open(&[folder.path().to_path_buf()], &Options::default());
        let mut steps = 0;
        loop {
            let portions = reader.portions();
            assert!(portions.len() <= FILES);
            if portions.is_empty() {
                break;
            }
            portions.iter().for_each(Portion::work);
            steps += PORTION;
        }
        assert!((8..=BYTES / Options::DEFAULT_BATCH + PORTION).contains(&steps), "{steps}");
    }
}
