//! The engine: runs the path from batches to output, on as many threads as it is given, to the same
//! bytes whatever their number. The only room with threads; knows nothing of formats and arguments.
//!
//! It goes in rounds. While one round's batches are analysed, the next round's are read and the output
//! of the one before is written; the three meet at the end of each round, so at most two rounds of
//! batches exist at once and a slow output holds back the reading. A thread that has nothing to do unpacks compressed
//! files whose turn is yet to come, a few blocks a round. Within a round batches are decoded
//! in parallel slices, fragments are put together serially, and 64 shards, always as many, follow
//! their connections in parallel. What they say is sorted into one total order ([`crate::ledger::Key`]).
//!
//! Some of the shards may be followed alone, so that several processes share one scan: what each found is written down and
//! merged ([`part`], [`merge`]).
//!
//! Read in this order: [`config`], [`rounds`], [`route`], [`bug`], [`shard`], [`analysis`], then this file; then [`part`] and
//! [`merge`]; then, for the packets behind findings, [`flagged`] and [`again`]; then [`live`] for what has no end, with
//! [`evidence`].

pub(crate) mod again;
mod analysis;
mod bug;
mod config;
mod evidence;
mod flagged;
#[cfg(live)]
mod live;
#[cfg_attr(not(test), expect(dead_code, reason = "no command merges yet"))]
mod merge;
#[cfg_attr(not(test), expect(dead_code, reason = "no command follows some of the shards alone yet"))]
mod part;
#[cfg(test)]
mod properties;
mod rounds;
mod route;
mod shard;
#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;

pub use bug::Bug;
#[cfg(feature = "cli")]
pub(crate) use bug::take_over;
pub(crate) use config::Config;
#[cfg(live)]
pub(crate) use live::{Host, Plan, watch};

use std::fmt;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use rayon::prelude::*;

use crate::base::Ordinal;
#[cfg(live)]
use crate::base::Time;
use crate::capture::{CaptureFile, Notice, Options, Portion, Problem, Progress, ShownPath};
use crate::decode::{Ports, Skips};
use crate::defrag::Defrag;
use crate::ledger::{Entry, Item, Kind, Ledger, Noticed, OfShards, Output, Totals};
use crate::rules::Severity;

use again::Evidence;
use analysis::Analysis;
use evidence::Holder;
use flagged::Flagged;
use rounds::{Reading, Round};
use shard::Settings;

/// Where output goes, in its order: one call at a time, on any thread. An error ends the scan.
pub(crate) trait Sink: Send {
    fn take(&mut self, outputs: Vec<Output>) -> io::Result<()>;
}

/// Who is told how the reading goes, at once and in its order, on any thread.
pub trait Observer: Sync {
    /// An input cannot be read, or not to its end; the others are.
    fn problem(&self, _problem: &Problem) {}

    /// Something about the inputs is worth telling.
    fn notice(&self, _notice: &Notice) {}

    /// Reading went on.
    fn progress(&self, _progress: &Progress) {}

    /// A bug was caught; the connection that met it was given up, the others go on.
    fn internal_error(&self, _bug: &Bug) {}
}

/// What a scan came to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Outcome {
    /// Inputs that could not be read, or not to their end.
    pub problems: u64,
    /// Bugs that were caught.
    pub internal_errors: u64,
    /// Whether it was ended before its input was, from outside.
    pub interrupted: bool,
    /// The worst severity that was reported.
    pub worst: Option<Severity>,
    pub sessions: u64,
    /// Sessions that pass all filters.
    pub reported: u64,
    pub connections: u64,
    pub packets: u64,
    /// Packets that gave neither a segment nor a fragment.
    pub skips: Skips,
    /// SMTP servers on ports that were not analysed.
    pub elsewhere: Vec<Noticed>,
    /// What the packets behind the findings can be had with ([`again::packets`]), where [`Config::evidence`] says so.
    pub evidence: Option<Evidence>,
}

/// Why a scan ended before its input did.
#[derive(Debug)]
pub(crate) enum Stopped {
    /// The sink could not take any more.
    Output(io::Error),
    /// Threads could not be started.
    Threads(rayon::ThreadPoolBuildError),
    /// A capture is not what it was when it was read before.
    Changed(PathBuf),
}

impl fmt::Display for Stopped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Stopped::Output(_) => f.write_str("cannot write the output"),
            Stopped::Threads(_) => f.write_str("cannot start threads"),
            Stopped::Changed(path) => write!(f, "{}: changed while it was scanned", ShownPath(path)),
        }
    }
}

impl std::error::Error for Stopped {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Stopped::Output(error) => Some(error),
            Stopped::Threads(error) => Some(error),
            Stopped::Changed(_) => None,
        }
    }
}

/// For rayon: as many threads as the machine has cores, which it calls 0, but one where there is so little to read
/// that it lies in one batch. There the others would find nothing to do, and starting one takes as long as the scan.
fn usual_threads(paths: &[PathBuf]) -> usize {
    let batch = Options::DEFAULT_BATCH as u64;
    let length =
        |path: &PathBuf| std::fs::metadata(path).ok().filter(std::fs::Metadata::is_file).map(|file| file.len());
    let sum =
        paths.iter().try_fold(0_u64, |sum, path| Some(sum.saturating_add(length(path)?)).filter(|&sum| sum <= batch));
    usize::from(sum.is_some())
}

/// Scans `paths`: everything found goes to `sink`, in one order whatever the threads.
pub(crate) fn run(
    config: &Config,
    paths: &[PathBuf],
    sink: &mut dyn Sink,
    observer: &dyn Observer,
) -> Result<Outcome, Stopped> {
    pool(config, paths)?.install(|| scan(config, paths, sink, observer))
}

fn pool(config: &Config, paths: &[PathBuf]) -> Result<rayon::ThreadPool, Stopped> {
    let threads = config.threads.map_or_else(|| usual_threads(paths), std::num::NonZeroUsize::get);
    rayon::ThreadPoolBuilder::new().num_threads(threads).build().map_err(Stopped::Threads)
}

fn scan(config: &Config, paths: &[PathBuf], sink: &mut dyn Sink, observer: &dyn Observer) -> Result<Outcome, Stopped> {
    let mut writing = Writing::new(config, sink);
    let read = follow(config, paths, &mut writing, observer)?;
    let until = read.totals.interrupted.then_some(read.packets);
    writing.conclude(read.totals, &read.shards, until)
}

/// Who takes what the shards found, round by round, in its order.
trait Takes: Send {
    /// Takes a round's entries, after the captures that began in it.
    fn take(&mut self, starts: Vec<PathBuf>, entries: Vec<Entry>) -> io::Result<()>;
}

/// What was read and counted, once everything was taken.
struct Followed {
    /// What does not depend on which shards were followed.
    totals: Totals,
    shards: OfShards,
    /// How many packets came.
    packets: u64,
}

/// Runs the path up to the entries: everything found goes to `taker`, in one order whatever the threads.
fn follow(
    config: &Config,
    paths: &[PathBuf],
    taker: &mut impl Takes,
    observer: &dyn Observer,
) -> Result<Followed, Stopped> {
    let mut reading = Reading::open(paths, &config.reading);
    let defrag = Defrag::new(&config.limits, &config.timeouts);
    let mut analysis = Analysis::new(settings(config), config.shards, defrag);
    let mut bugs = OfShards::default();

    let mut round = reading.round(Round::default(), observer);
    let mut done = Round::default();
    let mut found = Vec::new();
    loop {
        let last = round.last;
        let starts = std::mem::take(&mut done.starts);
        let ahead = reading.ahead();
        let read = || if last { Round::default() } else { reading.round(done, observer) };
        let write = || {
            let written = taker.take(starts, found);
            ahead.par_iter().for_each(Portion::work);
            written
        };
        let (next, (entries, written)) = rayon::join(read, || rayon::join(|| analysis.round(&round), write));
        written.map_err(Stopped::Output)?;
        bugs.met(tell_bugs(&mut analysis, &reading, observer));
        found = entries;
        done = std::mem::replace(&mut round, next);
        if last {
            break;
        }
    }
    taker.take(std::mem::take(&mut done.starts), found).map_err(Stopped::Output)?;
    let ended = analysis.finish();
    bugs.met(tell_bugs(&mut analysis, &reading, observer));
    taker.take(Vec::new(), ended).map_err(Stopped::Output)?;

    let mut totals = totals(&reading);
    totals.limits_hit.add(Options::MERGE_FILES, reading.not_merged());
    analysis.count(&mut totals);
    let mut shards = analysis.of_shards();
    shards.merge(bugs);
    Ok(Followed { totals, shards, packets: reading.course.packets })
}

/// Tells the bugs that were caught since the last call.
fn tell_bugs(analysis: &mut Analysis, reading: &Reading, observer: &dyn Observer) -> Vec<(Ordinal, Option<String>)> {
    let bugs = analysis.take_bugs();
    for (packet, place) in &bugs {
        observer.internal_error(&bug_at(reading.files(), *packet, place.as_deref()));
    }
    bugs
}

/// A bug at a packet, by file and frame; where nothing follows, the last one's.
fn bug_at(files: &[CaptureFile], packet: Ordinal, place: Option<&str>) -> Bug {
    let file = files.get(packet.rank() as usize).or(files.last());
    let (capture, frame) = file.map(|file| (file.path.clone(), packet.frame().min(file.packets))).unwrap_or_default();
    Bug { capture, frame, place: place.map(str::to_owned) }
}

fn settings(config: &Config) -> Settings {
    Settings {
        ports: Ports::new(config.ports.iter().copied()),
        limits: config.limits.of_one_shard(),
        timeouts: config.timeouts,
        selection: config.selection.clone(),
        events: config.records.has(Kind::Events) || config.filter.pattern.is_some(),
        data_hash: config.records.has(Kind::Events),
    }
}

/// What the reader counted.
fn totals(reading: &Reading) -> Totals {
    let files = reading.files();
    let (files_skipped, skipped_files) = reading.files_skipped();
    let sum = |of: fn(&CaptureFile) -> u64| files.iter().map(of).fold(0, u64::saturating_add);
    Totals {
        captures: files.to_vec(),
        files_skipped,
        skipped_files: skipped_files.to_vec(),
        problems: reading.problems,
        packets: sum(|file| file.packets),
        bytes: sum(|file| file.bytes),
        first_time: reading.course.span.map(|(first, _)| first),
        last_time: reading.course.span.map(|(_, last)| last),
        capture_dropped: sum(|file| file.dropped),
        time_backwards: reading.course.clock.backwards,
        time_jumps: reading.course.clock.jumps,
        interrupted: reading.interrupted,
        ..Totals::default()
    }
}

/// The ledger, and where what it lets through goes.
struct Writing<'s> {
    ledger: Ledger,
    /// In which connections something was reported, where that is wanted.
    flagged: Option<Flagged>,
    /// The packets of a live capture, where those of sessions with findings are wanted.
    holder: Option<Holder>,
    /// Whether findings are printed: the ledger tells them where they are wanted for anything.
    prints_findings: bool,
    sink: &'s mut dyn Sink,
}

impl<'s> Writing<'s> {
    fn new(config: &Config, sink: &'s mut dyn Sink) -> Self {
        let records = if config.evidence { config.records.with(Kind::Findings) } else { config.records };
        let ledger = Ledger::new(records, config.servers.clone(), &config.limits, config.selection.catalogue());
        let ledger = ledger.naming(config.server_names.clone()).filtering(config.filter.clone());
        let ledger = if config.repeats { ledger.repeating() } else { ledger };
        Writing {
            ledger: if config.reading.separate { ledger.separate() } else { ledger },
            flagged: config.evidence.then(|| Flagged::new(&config.limits, config.reading.separate)),
            holder: None,
            prints_findings: config.records.has(Kind::Findings),
            sink,
        }
    }

    /// For what comes once and has no end.
    #[cfg(live)]
    fn live(config: &Config, plan: &Plan, sink: &'s mut dyn Sink) -> Self {
        let Writing { ledger, prints_findings, sink, .. } = Writing::new(config, sink);
        let holder = config.evidence.then(|| Holder::new(&config.limits, config.timeouts));
        let ledger = ledger.endless(plan.renotify, plan.server_interval());
        Writing { ledger, flagged: None, holder, prints_findings, sink }
    }

    /// The clock went on.
    #[cfg(live)]
    fn tick(&mut self, now: Option<Time>) {
        if let (Some(holder), Some(now)) = (&mut self.holder, now) {
            holder.tick(now);
        }
    }
}

impl Takes for Writing<'_> {
    fn take(&mut self, starts: Vec<PathBuf>, entries: Vec<Entry>) -> io::Result<()> {
        let mut outputs: Vec<Output> = starts.into_iter().map(Output::Capture).collect();
        let catalogue = Arc::clone(self.ledger.catalogue());
        for entry in entries {
            if let Item::End(ended) = &entry.item {
                self.flagged.iter_mut().for_each(|flagged| flagged.ended(ended));
                self.holder.iter_mut().for_each(|holder| holder.ended(ended));
            }
            self.ledger.take(entry, &mut |mut output| {
                if let Output::Finding(found) = &mut output {
                    self.flagged.iter_mut().for_each(|flagged| flagged.found(found, &catalogue));
                    self.holder.iter_mut().for_each(|holder| holder.found(found, &catalogue));
                }
                if self.prints_findings || !matches!(output, Output::Finding(_)) {
                    outputs.push(output);
                }
            });
        }
        let exhibits = self.holder.as_mut().map(Holder::take).unwrap_or_default();
        if !exhibits.is_empty() {
            outputs.push(Output::Exhibits(exhibits));
        }
        self.sink.take(outputs)
    }
}

impl Writing<'_> {
    /// Everything was taken: what it came to. Where reading was ended before its end, that was behind the packet `until`.
    fn conclude(self, mut totals: Totals, shards: &OfShards, until: Option<u64>) -> Result<Outcome, Stopped> {
        totals.add(shards);
        let (captures, fragments) = (totals.captures.clone(), totals.fragments > 0);
        let (outcome, flagged) = self.finish(totals).map_err(Stopped::Output)?;
        let evidence = flagged.map(|flagged| Evidence { flagged, captures, fragments, until });
        Ok(Outcome { evidence, ..outcome })
    }

    /// Everything was taken: what it came to, and the connections in which something was reported.
    fn finish(self, mut totals: Totals) -> io::Result<(Outcome, Option<Flagged>)> {
        if let Some(flagged) = &self.flagged {
            totals.limits_hit.merge(&flagged.limits_hit());
        }
        if let Some(holder) = &self.holder {
            totals.limits_hit.merge(holder.limits_hit());
        }
        let outcome = Outcome {
            problems: totals.problems,
            internal_errors: totals.internal_errors,
            interrupted: totals.interrupted,
            worst: self.ledger.worst(),
            sessions: self.ledger.counts().0,
            reported: self.ledger.reported(),
            connections: totals.connections,
            packets: totals.packets,
            skips: totals.skips.clone(),
            elsewhere: totals.elsewhere.clone(),
            evidence: None,
        };
        let mut outputs = Vec::new();
        self.ledger.finish(totals, &mut |output| outputs.push(output));
        self.sink.take(outputs)?;
        Ok((outcome, self.flagged))
    }
}
