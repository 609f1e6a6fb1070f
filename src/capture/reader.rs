//! All inputs in their order as one stream of numbered packets: the door of the room.

use std::collections::VecDeque;
use std::fmt;
use std::path::PathBuf;

use super::CaptureFile;
use super::ahead::{self, Ahead, Begun, Portion};
use super::batch::{Batch, Counting, Follows, Run};
use super::blocks::{Block, Blocks, More};
use super::inputs::{Input, Inputs, Source};
use super::pipe::Stop;
use super::problem::{Cause, Fault, Problem, ShownPath};
use crate::base::{LinkType, Time};

/// How to read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Options {
    /// About how many bytes a batch has; at least [`Options::LEAST_BATCH`], and always one whole packet.
    pub batch_bytes: usize,
    /// Whether every file stands alone: none carries on where another ended.
    pub separate: bool,
    /// Whether to compute the SHA-256 of each file as it is stored.
    pub hash: bool,
    /// Pipes are waited for no longer once this is set; who reads is to ask it too.
    pub stop: Stop,
}

impl Options {
    /// Measured here: 15 to 22 % faster than 1 MiB, whose bytes leave the cache before they are decoded.
    pub(crate) const DEFAULT_BATCH: usize = 256 << 10;
    pub(crate) const LEAST_BATCH: usize = 4096;
    /// Offsets in a batch have 32 bits.
    pub(crate) const MOST_BATCH: usize = 1 << 30;

    pub(super) fn block_bytes(&self) -> usize {
        self.batch_bytes.clamp(Self::LEAST_BATCH, Self::MOST_BATCH)
    }
}

impl Default for Options {
    fn default() -> Self {
        Options { batch_bytes: Self::DEFAULT_BATCH, separate: false, hash: false, stop: Stop::default() }
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

/// What a person is told about the reading, in one line on stderr.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Notice {
    /// The file's first packet is older than the last packet before it: connections do not carry on into it.
    StartsEarlier { path: PathBuf },
}

impl fmt::Display for Notice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Notice::StartsEarlier { path } = self;
        write!(f, "{}: starts before the last packet read, so no connection is carried on into it", ShownPath(path))
    }
}

/// How far reading came, in bytes as they are stored.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Progress {
    pub read: u64,
    /// Of all files; pipes have no size and are not in it.
    pub total: u64,
}

/// Reads all inputs, one after the other.
pub(crate) struct Reader {
    options: Options,
    inputs: VecDeque<Input>,
    problems: VecDeque<Problem>,
    skipped: u64,
    passed_over: Vec<PathBuf>,
    progress: Progress,
    files: Vec<CaptureFile>,
    current: Option<Current>,
    /// The greatest time so far.
    reached: Time,
    /// Time and link type of the last packet read.
    last: Option<(Time, LinkType)>,
    /// A batch whose notice went first.
    held: Option<Batch>,
    /// Buffers to be used again.
    spare: Block,
    spare_runs: Vec<Run>,
}

/// The input that is being read; its [`CaptureFile`] is the last of the list.
struct Current {
    blocks: Box<Blocks>,
    /// Blocks that were read before.
    ready: VecDeque<Block>,
    /// Whether its first batch went out.
    begun: bool,
    bytes: u64,
    counting: Counting,
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
            skipped: inputs.skipped,
            passed_over: inputs.passed_over,
            progress: Progress { read: 0, total: inputs.bytes },
            files: Vec::new(),
            current: None,
            reached: Time(i64::MIN),
            last: None,
            held: None,
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
        if let Some(batch) = self.held.take() {
            return Next::Batch(batch);
        }
        loop {
            if let Some(problem) = self.problems.pop_front() {
                return Next::Problem(problem);
            }
            let Some(mut current) = self.current.take() else {
                let Some(input) = self.inputs.pop_front() else { return Next::End };
                self.start(input);
                continue;
            };
            let spare = &mut self.spare;
            match current.ready.pop_front().map_or_else(|| current.blocks.next(spare), More::Block) {
                More::Block(block) => return self.hand_on(current, block),
                More::Pause => {
                    self.current = Some(current);
                    return Next::Pause;
                }
                More::End => self.finish(current),
            }
        }
    }

    /// The captures in the order in which they are read. All but the last are complete; of that one the
    /// counts are those so far, until the next one begins or the end is reached.
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

    pub(crate) fn progress(&mut self) -> Progress {
        let current = self.current.as_mut().map_or(0, |current| current.blocks.bytes_read());
        Progress { read: self.progress.read.saturating_add(current), total: self.progress.total }
    }

    /// Work on the compressed files that come next, which other threads may do while [`Reader::next`] goes on.
    pub(crate) fn portions(&mut self) -> Vec<Portion> {
        let mut portions = Vec::new();
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

    fn start(&mut self, input: Input) {
        let Input { path, source, bytes, .. } = input;
        let opened = match source {
            Source::File | Source::Packed => Begun::open(&path, &self.options),
            Source::Ahead(ahead) => ahead.take(),
            Source::Begun(begun) => Ok(begun),
            Source::Failed(fault) => Err(fault),
        };
        // What was cut off before its header ended was a capture as far as can be told, and is listed.
        let truncated = matches!(&opened, Err(Fault { cause: Cause::Truncated, .. }));
        let rank = u32::try_from(self.files.len()).unwrap_or(u32::MAX);
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
            Ok(Begun { blocks, ready, .. }) => {
                let counting = Counting::new(rank, self.reached);
                self.current = Some(Current { blocks, ready, begun: false, bytes, counting });
            }
            Err(fault) => {
                self.progress.read = self.progress.read.saturating_add(bytes);
                self.problems.push_back(fault.of(path));
            }
        }
    }

    /// Numbers a block's packets and says how it follows what was read before.
    fn hand_on(&mut self, mut current: Current, block: Block) -> Next {
        let Block { data, packets } = block;
        let (Some(first), Some(last)) = (packets.first(), packets.last()) else {
            self.current = Some(current);
            return self.next(None);
        };
        let begins = !std::mem::replace(&mut current.begun, true);
        let mut runs = std::mem::take(&mut self.spare_runs);
        let captured = current.counting.number(&packets, &mut runs);
        self.reached = current.counting.reached();
        self.current = Some(current);
        let (follows, earlier) = match self.last {
            _ if !begins => (Follows::Same, false),
            Some((time, _)) if !self.options.separate && first.time < time => (Follows::Fresh, true),
            Some((_, link_type)) if !self.options.separate && first.link_type == link_type => {
                (Follows::Continues, false)
            }
            _ => (Follows::Fresh, false),
        };
        self.last = Some((last.time, last.link_type));
        let mut path = None;
        if let Some(file) = self.files.last_mut() {
            file.packets = file.packets.saturating_add(packets.len() as u64);
            file.bytes = file.bytes.saturating_add(captured);
            file.first_time = file.first_time.or(Some(first.time));
            file.last_time = Some(last.time);
            path = earlier.then(|| file.path.clone());
        }
        let batch = Batch { follows, data, packets, runs };
        match path {
            Some(path) => {
                self.held = Some(batch);
                Next::Notice(Notice::StartsEarlier { path })
            }
            None => Next::Batch(batch),
        }
    }

    fn finish(&mut self, mut current: Current) {
        let fault = current.blocks.fault();
        let read = current.blocks.bytes_read();
        // A file may end early for us; what it was counted with is then done all the same.
        self.progress.read = self.progress.read.saturating_add(if current.bytes > 0 { current.bytes } else { read });
        if let Some(file) = self.files.last_mut() {
            file.dropped = current.blocks.dropped();
            file.sha256 = current.blocks.hash();
            if let Some(fault) = fault {
                file.truncated = matches!(fault.cause, Cause::Truncated);
                self.problems.push_back(fault.of(file.path.clone()));
            }
        }
    }
}
