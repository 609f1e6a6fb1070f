//! All inputs as one stream of packets in their order: the door of the room.
//!
//! Captures are opened in the order of their ranks, each when its first packet is due, and merged packet by packet where
//! they overlap; where they do not, a block goes out as it was read.
//! Bounds: [`Options::merge_files`] captures open at once, whose blocks together have about [`BLOCKS`] bytes where they
//! are many, and whose decoders are taken to need [`WINDOWS`] at most, with what they read ahead; beyond either a capture
//! waits until another one ends, and is not merged in its place: that is told and counted.

use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::num::NonZeroU32;
use std::path::PathBuf;

use super::CaptureFile;
use super::ahead::{self, Ahead, Begun, Portion};
use super::batch::{Batch, Boundary, Run};
use super::blocks::Block;
use super::current::{Current, Loaded, Taken};
use super::inputs::{Input, Inputs, Source};
use super::pipe::Stop;
use super::problem::{Cause, Fault, Problem, ShownPath};
use crate::base::{Ordinal, Time};

/// About how many bytes the blocks of all open captures have, where they are more than a few.
const BLOCKS: usize = 4 << 20;
/// How many bytes the decoders' windows of all open captures have at most, unless one alone has more.
const WINDOWS: u64 = 24 << 20;

/// How to read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Options {
    /// About how many bytes a batch has; at least [`Options::LEAST_BATCH`], and always one whole packet.
    pub batch_bytes: usize,
    /// Whether every file stands alone: none is merged with another.
    pub separate: bool,
    /// Whether to compute the SHA-256 of each file as it is stored.
    pub hash: bool,
    /// Pipes are waited for no longer once this is set; who reads is to ask it too.
    pub stop: Stop,
    /// So many captures are open at once at most.
    pub merge_files: usize,
    /// Whether to tell which files of a directory are passed over.
    pub name_skipped: bool,
}

impl Options {
    /// Measured here: 15 to 22 % faster than 1 MiB, whose bytes leave the cache before they are decoded.
    pub(crate) const DEFAULT_BATCH: usize = 256 << 10;
    pub(crate) const LEAST_BATCH: usize = 4096;
    /// Offsets in a batch have 32 bits.
    pub(crate) const MOST_BATCH: usize = 1 << 30;
    /// A quarter of the files that a usual shell lets a program open.
    pub(crate) const DEFAULT_MERGE_FILES: NonZeroU32 = NonZeroU32::MIN.saturating_add(255);
    /// What acted where more captures overlap (FORMATS.md, `limits_hit`).
    pub(crate) const MERGE_FILES: &str = "merge_files";

    pub(super) fn block_bytes(&self) -> usize {
        self.batch_bytes.clamp(Self::LEAST_BATCH, Self::MOST_BATCH)
    }
}

impl Default for Options {
    fn default() -> Self {
        Options {
            batch_bytes: Self::DEFAULT_BATCH,
            separate: false,
            hash: false,
            stop: Stop::default(),
            merge_files: Self::DEFAULT_MERGE_FILES.get() as usize,
            name_skipped: false,
        }
    }
}

/// What comes next from a [`Reader`].
#[derive(Debug)]
pub(crate) enum Next {
    Batch(Batch),
    /// Something could not be read; what follows can be.
    Problem(Problem),
    /// Something to be told that is no problem.
    Notice(Notice),
    /// A pipe has nothing more for now.
    Pause,
    End,
}

/// What is worth telling about the reading though nothing is wrong. As text it is one line.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Notice {
    /// A file was named that is named otherwise too; it is read once.
    #[non_exhaustive]
    SameFile {
        /// The name that is passed over.
        path: PathBuf,
        /// The name under which it is read.
        other: PathBuf,
        /// So many other files were named twice.
        more: u64,
    },
    /// A file in a directory is passed over.
    #[non_exhaustive]
    Skipped {
        /// The file.
        path: PathBuf,
        /// Why, in a few words.
        why: String,
    },
    /// Captures overlap with others that were open when they were due, and came behind them.
    #[non_exhaustive]
    NotMerged {
        /// How many.
        captures: u64,
    },
}

impl fmt::Display for Notice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Notice::SameFile { path, other, more } => {
                if path == other {
                    write!(f, "{}: named twice, but read only once", ShownPath(path))?;
                } else {
                    write!(f, "{}: the same file as {}; read only once", ShownPath(path), ShownPath(other))?;
                }
                if *more > 0 { write!(f, "; so are {more} more") } else { Ok(()) }
            }
            Notice::Skipped { path, why } => write!(f, "{}: skipped: {why}", ShownPath(path)),
            Notice::NotMerged { captures } => {
                let these = if *captures == 1 { "1 capture overlaps" } else { &format!("{captures} captures overlap") };
                write!(f, "{these} with more others than can be open at once, and came after them (--merge-files)")
            }
        }
    }
}

/// How far reading came, in bytes as they are stored.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Progress {
    /// What was read so far.
    pub read: u64,
    /// Of all files; pipes have no size and are not in it.
    pub total: u64,
}

/// Reads all inputs.
pub(crate) struct Reader {
    options: Options,
    /// Those that are not open yet, in the order of their ranks.
    inputs: VecDeque<Input>,
    problems: VecDeque<Problem>,
    notices: VecDeque<Notice>,
    skipped: u64,
    passed_over: Vec<PathBuf>,
    progress: Progress,
    files: Vec<CaptureFile>,
    /// Captures that are being read, by their next packet.
    open: BTreeMap<Ordinal, Box<Current>>,
    /// Those of which no packet is here: they are to read on before anything else is done.
    #[expect(clippy::vec_box, reason = "each goes to `open` and back as it is")]
    emptied: Vec<Box<Current>>,
    /// How many are being read, and what their decoders need.
    reading: usize,
    windows: u64,
    /// Captures that ended since the last packet.
    ended: Vec<u32>,
    /// The greatest time so far.
    reached: Time,
    /// Captures that could not be opened when they were due.
    waited: u64,
    /// Buffers to be used again.
    spare: Block,
    spare_runs: Vec<Run>,
}

/// What a step of bringing in packets came to.
enum Step {
    Taken,
    /// A pipe has nothing for now.
    Pause,
    /// Nothing is left to do: the next packet of every capture is here.
    None,
}

impl Reader {
    /// Finds all files and looks at each one's first packet. What cannot be read is told by [`Reader::next`].
    pub(crate) fn open(paths: &[PathBuf], options: &Options) -> Self {
        Self::of(Inputs::collect(paths, options), options)
    }

    fn of(inputs: Inputs, options: &Options) -> Self {
        Reader {
            options: options.clone(),
            inputs: inputs.list,
            problems: inputs.problems,
            notices: inputs.notices,
            skipped: inputs.skipped,
            passed_over: inputs.passed_over,
            progress: Progress { read: 0, total: inputs.bytes },
            files: Vec::new(),
            open: BTreeMap::new(),
            emptied: Vec::new(),
            reading: 0,
            windows: 0,
            ended: Vec::new(),
            reached: Time(i64::MIN),
            waited: 0,
            spare: Block::default(),
            spare_runs: Vec::new(),
        }
    }

    /// The next batch, or what else there is to tell. A batch that is no longer needed lends its buffers.
    pub(crate) fn next(&mut self, recycled: Option<Batch>) -> Next {
        if let Some(Batch { data, packets, runs, .. }) = recycled {
            self.spare = Block { data, packets };
            self.spare_runs = runs;
        }
        loop {
            if let Some(problem) = self.problems.pop_front() {
                return Next::Problem(problem);
            }
            if let Some(notice) = self.notices.pop_front() {
                return Next::Notice(notice);
            }
            match self.step() {
                Step::Taken => {}
                Step::Pause => return Next::Pause,
                Step::None => {
                    let next = self.open.pop_first();
                    return next.map_or(Next::End, |(_, current)| Next::Batch(self.hand_on(current)));
                }
            }
        }
    }

    /// One step of bringing in the next packets of all captures that are being read or due.
    fn step(&mut self) -> Step {
        if let Some(current) = self.emptied.pop() {
            return if self.read_on(current) { Step::Taken } else { Step::Pause };
        }
        if self.is_due() {
            self.start();
            return Step::Taken;
        }
        Step::None
    }

    /// The captures by rank. Of those that are being read the counts are those so far.
    pub(crate) fn files(&self) -> &[CaptureFile] {
        &self.files
    }

    /// Files below the named directories that were passed over, being no captures.
    pub(crate) fn skipped(&self) -> u64 {
        self.skipped
    }

    /// The first of them.
    pub(crate) fn passed_over(&self) -> &[PathBuf] {
        &self.passed_over
    }

    /// Whether every file stands alone.
    pub(crate) fn is_separate(&self) -> bool {
        self.options.separate
    }

    /// Captures that were not merged in their place, since too many others were open.
    pub(crate) fn not_merged(&self) -> u64 {
        self.waited
    }

    pub(crate) fn progress(&mut self) -> Progress {
        let current = self.open.values_mut().chain(self.emptied.iter_mut()).map(|current| current.bytes_read());
        Progress { read: current.fold(self.progress.read, u64::saturating_add), total: self.progress.total }
    }

    /// Work on the compressed files that come next, which other threads may do while [`Reader::next`] goes on; none
    /// where many files are open already.
    pub(crate) fn portions(&mut self) -> Vec<Portion> {
        let mut portions = Vec::new();
        if self.reading > 1 {
            return portions;
        }
        for input in self.inputs.iter_mut().take(ahead::FILES) {
            if let Source::Packed = input.source {
                input.source = Source::Ahead(Ahead::new(&input.path, &self.options));
            }
            if let Source::Ahead(ahead) = &input.source {
                portions.extend(ahead.portion());
            }
        }
        portions
    }

    /// Whether the next input is to be opened before any further packet goes out.
    fn is_due(&self) -> bool {
        match (self.inputs.front(), self.open.first_key_value()) {
            (None, _) => false,
            (Some(_), None) => true,
            (Some(_), Some((head, _))) => self.next_begins() < *head,
        }
    }

    /// Where the first packet of the next input stands, if it may be opened.
    fn next_begins(&self) -> Ordinal {
        let due = self.inputs.front().filter(|input| !self.options.separate && self.has_room(input.window));
        let first = due.and_then(|input| input.first).map(|first| first.max(self.reached));
        first.map_or(Ordinal::END, |first| Ordinal::new(first, self.next_rank(), 1))
    }

    fn next_rank(&self) -> u32 {
        u32::try_from(self.files.len()).unwrap_or(u32::MAX)
    }

    fn has_room(&self, window: u64) -> bool {
        let windows = self.windows.saturating_add(window);
        self.reading == 0 || (self.reading < self.options.merge_files && windows <= WINDOWS)
    }

    /// Opens the next input.
    fn start(&mut self) {
        let Some(Input { path, source, bytes, window, first, .. }) = self.inputs.pop_front() else { return };
        let opened = match source {
            Source::File | Source::Packed => Begun::open(&path, &self.options),
            Source::Ahead(ahead) => ahead.take(),
            Source::Begun(begun) => Ok(begun),
            Source::Failed(fault) => Err(fault),
        };
        // What was cut off before its header ended was a capture as far as can be told, and is listed.
        let truncated = matches!(&opened, Err(Fault { cause: Cause::Truncated, .. }));
        let rank = self.next_rank();
        if opened.is_ok() || truncated {
            self.files.push(CaptureFile {
                path: path.clone(),
                packets: 0,
                bytes: 0,
                first_time: None,
                last_time: None,
                truncated,
                sha256: None,
                dropped: 0,
            });
        }
        match opened {
            Ok(begun) => {
                if !self.options.separate && first.is_some_and(|first| first < self.reached) {
                    self.waited = self.waited.saturating_add(1);
                }
                self.reading = self.reading.saturating_add(1);
                self.windows = self.windows.saturating_add(window);
                let from = if self.options.separate { Time(i64::MIN) } else { self.reached };
                self.emptied.push(Box::new(Current::new(rank, begun, from, bytes, window)));
            }
            Err(fault) => {
                self.progress.read = self.progress.read.saturating_add(bytes);
                self.problems.push_back(fault.of(path));
                self.tell_waited();
            }
        }
    }

    /// Reads a capture's next block, or ends it; false where a pipe has nothing for now.
    fn read_on(&mut self, mut current: Box<Current>) -> bool {
        let share = BLOCKS.checked_div(self.reading).unwrap_or(BLOCKS).max(Options::LEAST_BATCH);
        // Where many are open none is to keep the buffers of a large batch.
        let mut nothing = Block::default();
        let buffers = if self.reading > 1 { &mut nothing } else { &mut self.spare };
        match current.load(self.options.block_bytes().min(share), buffers, &self.options.stop) {
            Loaded::Block => _ = self.open.insert(current.head(), current),
            Loaded::Pause => {
                self.emptied.push(current);
                return false;
            }
            Loaded::End => self.finish(*current),
        }
        true
    }

    /// The packets that come next: the capture's block where no other packet stands among its own, else those of
    /// several captures.
    fn hand_on(&mut self, mut current: Box<Current>) -> Batch {
        if !current.stands_before(self.bound()) {
            return self.merge(current);
        }
        let boundaries = self.boundaries(&mut current);
        let runs = if self.reading > 1 { Vec::new() } else { std::mem::take(&mut self.spare_runs) };
        let (batch, taken) = current.take_all(runs);
        self.count(current.rank, &taken);
        self.emptied.push(current);
        Batch { boundaries, ..batch }
    }

    /// A batch from several captures, as long as they overlap.
    fn merge(&mut self, mut current: Box<Current>) -> Batch {
        let Block { mut data, mut packets } = std::mem::take(&mut self.spare);
        let mut runs = std::mem::take(&mut self.spare_runs);
        data.clear();
        packets.clear();
        runs.clear();
        let mut out = Batch { data, packets, runs, boundaries: Vec::new() };
        let enough = self.options.block_bytes();
        loop {
            let bound = self.bound();
            if !out.packets.is_empty() && (out.data.len() >= enough || current.stands_before(bound)) {
                self.open.insert(current.head(), current);
                return out;
            }
            out.boundaries.extend(self.boundaries(&mut current));
            let taken = current.take_until(bound, &mut out, enough);
            self.count(current.rank, &taken);
            if current.is_empty() {
                self.emptied.push(current);
            } else {
                self.open.insert(current.head(), current);
            }
            loop {
                match self.step() {
                    Step::Taken => {}
                    Step::Pause => return out,
                    Step::None => break,
                }
            }
            let Some((_, next)) = self.open.pop_first() else { return out };
            current = next;
        }
    }

    /// Where the first packet stands of another capture than the one that is taken from.
    fn bound(&self) -> Ordinal {
        self.open.first_key_value().map_or(Ordinal::END, |(head, _)| *head).min(self.next_begins())
    }

    /// What begins or has ended before the next packet, which is of this capture.
    fn boundaries(&mut self, current: &mut Current) -> Vec<Boundary> {
        let (before, rank) = (current.head(), current.rank);
        let ended = self.ended.drain(..).map(|rank| Boundary { before, rank, begins: false });
        let begins = !std::mem::replace(&mut current.begun, true);
        ended.chain(begins.then_some(Boundary { before, rank, begins })).collect()
    }

    /// Counts packets that go out.
    fn count(&mut self, rank: u32, taken: &Taken) {
        self.reached = self.reached.max(taken.reached);
        let (Some(file), Some((first, last))) = (self.files.get_mut(rank as usize), taken.times) else { return };
        file.packets = file.packets.saturating_add(taken.packets);
        file.bytes = file.bytes.saturating_add(taken.octets);
        file.first_time = file.first_time.or(Some(first));
        file.last_time = Some(last);
    }

    fn finish(&mut self, mut current: Current) {
        self.reading = self.reading.saturating_sub(1);
        self.windows = self.windows.saturating_sub(current.window);
        if current.begun {
            self.ended.push(current.rank);
        }
        let fault = current.fault();
        let read = current.bytes_read();
        // A file may end early for us; what it was counted with is then done all the same.
        self.progress.read = self.progress.read.saturating_add(if current.bytes > 0 { current.bytes } else { read });
        if let Some(file) = self.files.get_mut(current.rank as usize) {
            file.dropped = current.dropped();
            file.sha256 = current.hash();
            if let Some(fault) = fault {
                file.truncated = matches!(fault.cause, Cause::Truncated);
                self.problems.push_back(fault.of(file.path.clone()));
            }
        }
        self.tell_waited();
    }

    /// Once nothing is left to read.
    fn tell_waited(&mut self) {
        if self.waited > 0 && self.reading == 0 && self.inputs.is_empty() {
            self.notices.push_back(Notice::NotMerged { captures: self.waited });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_notice_is_one_line() {
        let same = |path: &str, more| Notice::SameFile { path: path.into(), other: "b".into(), more }.to_string();
        assert_eq!(same("a", 0), "a: the same file as b; read only once");
        assert_eq!(same("b", 2), "b: named twice, but read only once; so are 2 more");
        let skipped = Notice::Skipped { path: "notes".into(), why: "not a capture file".into() };
        assert_eq!(skipped.to_string(), "notes: skipped: not a capture file");
        let behind = "with more others than can be open at once, and came after them (--merge-files)";
        assert_eq!(Notice::NotMerged { captures: 1 }.to_string(), format!("1 capture overlaps {behind}"));
        assert_eq!(Notice::NotMerged { captures: 9 }.to_string(), format!("9 captures overlap {behind}"));
    }
}
