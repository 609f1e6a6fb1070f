//! Parts of a scan, merged: the files of entries that [`super::part`] wrote, in any order, read as sorted runs, and what
//! stands in them taken by one ledger in one order. What it gives is byte for byte what one process gives.
//!
//! Nothing is merged by halves: before anything of them is taken the files' heads say that every shard was followed once,
//! with one set of options; a file that turns out not to be whole, or not to be of the same captures, ends the merge.
//!
//! Bounds: a block and an entry of each file ([`BLOCK`]), [`FlowKey::SHARDS`] files, and what the ledger keeps.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::fmt;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

use crate::base::{FlowKey, ShardSet};
use crate::capture::ShownPath;
use crate::ledger::written::{LONGEST_LINE, Line, Lines, Malformed, Stand, Tail};
use crate::ledger::{Entry, OfShards, Totals};

use super::part::Terms;
use super::{Config, Observer, Outcome, Sink, Stopped, Takes, Writing, bug_at};

/// Octets of a file that are read at once.
const BLOCK: usize = 256 << 10;
/// So many entries are taken at once.
const ENTRIES: usize = 1024;

/// Why parts make no scan.
#[derive(Debug)]
pub(crate) enum NotMerged {
    /// A file cannot be read.
    Read { path: PathBuf, source: io::Error },
    /// A file is not what a part of this scan writes; the line is counted from 1.
    File { path: PathBuf, line: u64, fault: Malformed },
    /// More files than there are shards.
    TooMany(usize),
    /// These shards are in two files.
    Twice { shards: ShardSet, one: PathBuf, other: PathBuf },
    /// These shards are in none.
    Missing(ShardSet),
    /// Two parts read different captures, or not the same of them.
    Captures { one: PathBuf, other: PathBuf },
    /// A part was ended before its input was.
    Interrupted(PathBuf),
    /// The ledger's output could not be written.
    Stopped(Stopped),
}

impl fmt::Display for NotMerged {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            NotMerged::Read { path, .. } => write!(f, "{}: cannot be read", ShownPath(path)),
            NotMerged::File { path, line, fault } => write!(f, "{}: line {line}: {fault}", ShownPath(path)),
            NotMerged::TooMany(files) => write!(f, "{files} files, where a scan has {} shards", FlowKey::SHARDS),
            NotMerged::Twice { shards, one, other } => {
                write!(f, "{} and {} both have shards {shards}", ShownPath(one), ShownPath(other))
            }
            NotMerged::Missing(shards) => write!(f, "no file has shards {shards}"),
            NotMerged::Captures { one, other } => {
                write!(f, "{} and {} are not of the same captures", ShownPath(one), ShownPath(other))
            }
            NotMerged::Interrupted(path) => write!(f, "{}: ended before its input was", ShownPath(path)),
            NotMerged::Stopped(stopped) => stopped.fmt(f),
        }
    }
}

impl std::error::Error for NotMerged {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            NotMerged::Read { source, .. } => Some(source),
            NotMerged::File { fault, .. } => std::error::Error::source(fault),
            NotMerged::Stopped(stopped) => std::error::Error::source(stopped),
            NotMerged::TooMany(_)
            | NotMerged::Twice { .. }
            | NotMerged::Missing(_)
            | NotMerged::Captures { .. }
            | NotMerged::Interrupted(_) => None,
        }
    }
}

/// Makes one scan of its parts, in any order: what they found goes to `sink`, as [`super::run`] gives it. What they had to
/// tell of how the reading went was told when they read; bugs are told once more.
pub(crate) fn merge(
    config: &Config,
    terms: &Terms<'_>,
    parts: &[PathBuf],
    sink: &mut dyn Sink,
    observer: &dyn Observer,
) -> Result<Outcome, NotMerged> {
    let output = |source| NotMerged::Stopped(Stopped::Output(source));
    let mut runs = open(config, terms, parts)?;
    let mut writing = Writing::new(config, sink);
    let mut merging = Merging::default();
    // The next entry of each file that has one left, the first on top.
    let mut next = BinaryHeap::with_capacity(runs.len());
    for (nth, run) in runs.iter_mut().enumerate() {
        next.extend(merging.next_of(run)?.map(|head| Reverse((head, nth))));
    }
    while let Some(Reverse((_, nth))) = next.pop() {
        let Some(run) = runs.get_mut(nth) else { break };
        merging.found.extend(run.entry.take());
        next.extend(merging.next_of(run)?.map(|head| Reverse((head, nth))));
        if merging.found.len() >= ENTRIES {
            merging.give(&mut writing).map_err(output)?;
        }
    }
    merging.give(&mut writing).map_err(output)?;
    let (totals, shards) = sum(&mut runs)?;
    for (packet, place) in &shards.bugs {
        observer.internal_error(&bug_at(&totals.captures, *packet, place.as_deref()));
    }
    writing.conclude(totals, &shards, None).map_err(NotMerged::Stopped)
}

/// A file of entries, and how far it was read.
struct PartFile {
    path: PathBuf,
    from: BufReader<File>,
    lines: Lines,
    /// Lines so far.
    line: u64,
    /// How many captures began so far.
    captures: usize,
    /// The next one.
    entry: Option<Entry>,
    /// Once everything was read.
    tail: Option<Box<Tail>>,
    octets: Vec<u8>,
}

/// Opens the files; together they have every shard once.
fn open(config: &Config, terms: &Terms<'_>, parts: &[PathBuf]) -> Result<Vec<PartFile>, NotMerged> {
    let separate = config.reading.separate;
    if parts.len() > FlowKey::SHARDS {
        return Err(NotMerged::TooMany(parts.len()));
    }
    let mut runs: Vec<(PartFile, ShardSet)> = Vec::with_capacity(parts.len());
    let mut all = ShardSet::NONE;
    for path in parts {
        let mut run = PartFile::open(path, Lines::new(terms.options, separate))?;
        let shards = match run.next()? {
            Some(Line::Head(head)) => head.shards,
            _ => return Err(run.fault(Malformed::NoHead)),
        };
        if let Some((one, of)) = runs.iter().find(|(_, of)| !of.and(shards).is_empty()) {
            return Err(NotMerged::Twice { shards: of.and(shards), one: one.path.clone(), other: path.clone() });
        }
        all = all.or(shards);
        runs.push((run, shards));
    }
    match all.others() {
        ShardSet::NONE => Ok(runs.into_iter().map(|(run, _)| run).collect()),
        missing => Err(NotMerged::Missing(missing)),
    }
}

impl PartFile {
    fn open(path: &Path, lines: Lines) -> Result<Self, NotMerged> {
        let file = File::open(path).map_err(|source| NotMerged::Read { path: path.to_owned(), source })?;
        Ok(PartFile {
            path: path.to_owned(),
            from: BufReader::with_capacity(BLOCK, file),
            lines,
            line: 0,
            captures: 0,
            entry: None,
            tail: None,
            octets: Vec::new(),
        })
    }

    /// Its next line; `None` behind the last one of a whole file.
    fn next(&mut self) -> Result<Option<Line>, NotMerged> {
        self.octets.clear();
        let mut line = (&mut self.from).take(LONGEST_LINE);
        let read = line.read_until(b'\n', &mut self.octets);
        let read = read.map_err(|source| NotMerged::Read { path: self.path.clone(), source })?;
        if read == 0 {
            return self.lines.end().map(|()| None).map_err(|fault| self.fault(fault));
        }
        self.line = self.line.saturating_add(1);
        let Some((b'\n', line)) = self.octets.split_last() else {
            let fault = if read as u64 == LONGEST_LINE { Malformed::TooLong } else { Malformed::Cut };
            return Err(self.fault(fault));
        };
        self.lines.take(line).map(Some).map_err(|fault| self.fault(fault))
    }

    fn fault(&self, fault: Malformed) -> NotMerged {
        NotMerged::File { path: self.path.clone(), line: self.line, fault }
    }
}

/// What was read of all files and not taken by the ledger yet.
#[derive(Default)]
struct Merging {
    /// The captures that began, each with the file that told it first.
    captures: Vec<(PathBuf, PathBuf)>,
    /// How many of them were given.
    given: usize,
    found: Vec<Entry>,
}

impl Merging {
    /// Reads on in a file up to its next entry, and returns where that stands; `None` where there is none left. The
    /// captures on the way there are the same as in every other file.
    fn next_of(&mut self, run: &mut PartFile) -> Result<Option<Stand>, NotMerged> {
        loop {
            match run.next()? {
                Some(Line::Entry(entry)) => {
                    let stand = run.lines.stand();
                    run.entry = Some(*entry);
                    return Ok(stand);
                }
                Some(Line::Capture(path)) => {
                    match self.captures.get(run.captures) {
                        Some((known, _)) if *known == path => {}
                        Some((_, one)) => {
                            return Err(NotMerged::Captures { one: one.clone(), other: run.path.clone() });
                        }
                        None => self.captures.push((path, run.path.clone())),
                    }
                    run.captures = run.captures.saturating_add(1);
                }
                Some(Line::Tail(tail)) => run.tail = Some(tail),
                Some(Line::Head(_)) => return Err(run.fault(Malformed::Kind)),
                None => return Ok(None),
            }
        }
    }

    /// Gives what was read to the ledger.
    fn give(&mut self, writing: &mut Writing<'_>) -> io::Result<()> {
        let starts = self.captures.get(self.given..).unwrap_or_default().iter().map(|(path, _)| path.clone()).collect();
        self.given = self.captures.len();
        writing.take(starts, std::mem::take(&mut self.found))
    }
}

/// What the parts counted: what is the same in all of them, and the sum of the rest.
fn sum(runs: &mut [PartFile]) -> Result<(Totals, OfShards), NotMerged> {
    let mut common: Option<(Totals, PathBuf)> = None;
    let mut shards = OfShards::default();
    for run in runs {
        // A file that was read to its end has one.
        let Some(tail) = run.tail.take() else { return Err(run.fault(Malformed::Cut)) };
        if tail.totals.interrupted {
            return Err(NotMerged::Interrupted(run.path.clone()));
        }
        match &common {
            None => common = Some((tail.totals, run.path.clone())),
            Some((totals, _)) if *totals == tail.totals => {}
            Some((_, one)) => return Err(NotMerged::Captures { one: one.clone(), other: run.path.clone() }),
        }
        shards.merge(tail.shards);
    }
    shards.bugs.sort_unstable();
    Ok((common.map(|(totals, _)| totals).unwrap_or_default(), shards))
}

#[cfg(test)]
#[expect(clippy::arithmetic_side_effects, reason = "tests count")]
mod tests;
