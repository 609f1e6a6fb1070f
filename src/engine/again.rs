//! Reading the captures once more for the packets of the connections in which something was reported: every one of
//! them, in the captures' order, as it was captured.
//!
//! A fragment belongs to a connection where its datagram does, and that shows only once the last of its siblings came.
//! So where there are fragments they are looked through before anything is written.
//!
//! Bounds: two rounds of batches, as in a scan; the numbers of fragments count towards
//! [`Limit::EvidenceBytes`](crate::base::Limit::EvidenceBytes).

use std::io;
use std::path::PathBuf;

use rayon::prelude::*;

use crate::base::{Captured, Ordinal};
use crate::capture::{self, Batch, CaptureFile, Notice, Problem, Progress};
use crate::decode::Ports;
use crate::defrag::Defrag;

use super::analysis::{self, Analysis};
use super::flagged::Flagged;
use super::rounds::{Reading, Round};
use super::{Bug, Config, Observer, Stopped, route};

/// What a scan leaves for those who want the packets behind its findings.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Evidence {
    pub(super) flagged: Flagged,
    /// The captures as they were read.
    pub(super) captures: Vec<CaptureFile>,
    /// Whether they have fragments.
    pub(super) fragments: bool,
    /// How many packets were read, where reading was ended before its end.
    pub(super) until: Option<u64>,
}

/// What a fragment's number is taken to cost.
const FRAGMENT_COST: usize = 16;

/// Who takes packets, each with what is to be said beside it.
pub(crate) type Keep<'k> = dyn FnMut(&Captured<'_>, &[String]) -> io::Result<()> + Send + 'k;

/// Gives the packets to `keep`, in their order; returns for how many findings and fragments there was no room.
pub(crate) fn packets(
    config: &Config,
    paths: &[PathBuf],
    mut evidence: Evidence,
    keep: &mut Keep<'_>,
    observer: &dyn Observer,
) -> Result<u64, Stopped> {
    if !evidence.flagged.is_empty() {
        super::pool(config, paths)?.install(|| {
            let observer = &Again(observer);
            let mut fragments = Vec::new();
            if evidence.fragments {
                fragments = fragments_of(config, paths, &mut evidence, observer);
            }
            write(config, paths, &evidence, &fragments, keep, observer)
        })?;
    }
    Ok(evidence.flagged.left_out())
}

/// The numbers of the fragments that belong to the connections, sorted.
fn fragments_of(config: &Config, paths: &[PathBuf], evidence: &mut Evidence, observer: &dyn Observer) -> Vec<Ordinal> {
    let mut reading = Further::open(config, paths, evidence.until);
    let mut analysis =
        Analysis::new(super::settings(config), config.shards, Defrag::new(&config.limits, &config.timeouts));
    let mut all = Vec::new();
    let mut round = Round::default();
    while !round.last {
        round = reading.round(round, observer);
        let found = analysis.fragments(&round, |flow, at| evidence.flagged.wants(flow, at));
        for fragment in found {
            if evidence.flagged.has_room(FRAGMENT_COST) {
                all.push(fragment);
            } else {
                evidence.flagged.leave_out();
            }
        }
    }
    all.sort_unstable();
    all.dedup();
    all
}

/// Reads everything, and gives what is wanted of it to `keep`. While one round is written the next is read.
fn write(
    config: &Config,
    paths: &[PathBuf],
    evidence: &Evidence,
    fragments: &[Ordinal],
    keep: &mut Keep<'_>,
    observer: &dyn Observer,
) -> Result<(), Stopped> {
    let wanted = Wanted { flagged: &evidence.flagged, fragments, ports: &Ports::new(config.ports.iter().copied()) };
    let mut reading = Further::open(config, paths, evidence.until);
    let mut round = reading.round(Round::default(), observer);
    let mut done = Round::default();
    loop {
        let last = round.last;
        let read = || if last { Round::default() } else { reading.round(done, observer) };
        let (next, written) = rayon::join(read, || wanted.write(&round.batches, keep));
        written.map_err(Stopped::Output)?;
        done = std::mem::replace(&mut round, next);
        if last {
            break;
        }
    }
    let files = reading.0.files();
    // Where reading was ended before, this one may have come a little further.
    let files = files.get(..evidence.captures.len()).filter(|_| evidence.until.is_some()).unwrap_or(files);
    changed(&evidence.captures, files).map_or(Ok(()), |path| Err(Stopped::Changed(path)))
}

/// The same packets again, in the same batches.
struct Further(Reading, Option<u64>);

impl Further {
    /// The files' hashes are known, and what ended the first reading does not end this one.
    fn open(config: &Config, paths: &[PathBuf], until: Option<u64>) -> Self {
        let options = capture::Options { hash: false, stop: capture::Stop::default(), ..config.reading.clone() };
        Further(Reading::open(paths, &options), until)
    }

    fn round(&mut self, done: Round, observer: &dyn Observer) -> Round {
        let mut round = self.0.round(done, observer);
        round.last |= self.1.is_some_and(|until| self.0.course.packets >= until);
        round
    }
}

/// Which packets are to be written.
struct Wanted<'w> {
    flagged: &'w Flagged,
    fragments: &'w [Ordinal],
    ports: &'w Ports,
}

impl Wanted<'_> {
    fn write(&self, batches: &[Batch], keep: &mut Keep<'_>) -> io::Result<()> {
        let tasks = analysis::tasks(batches);
        let numbers: Vec<Vec<Ordinal>> = tasks.par_iter().map(|&(batch, from)| self.of_slice(batch, from)).collect();
        for ((batch, _), numbers) in tasks.into_iter().zip(numbers) {
            for number in numbers {
                if let Some(packet) = batch.captured(number) {
                    keep(&packet, self.flagged.comments(number))?;
                }
            }
        }
        Ok(())
    }

    /// The numbers of the packets that are wanted of a slice, in their order.
    fn of_slice(&self, batch: &Batch, from: usize) -> Vec<Ordinal> {
        let slice = route::decode_slice(batch, from, self.ports);
        let segments =
            slice.segments.iter().filter(|routed| self.flagged.wants(&routed.segment.flow, routed.at.ordinal));
        let fragments = slice.fragments.iter().map(|(at, _)| at.ordinal);
        let fragments = fragments.filter(|number| self.fragments.binary_search(number).is_ok());
        let mut numbers: Vec<Ordinal> = segments.map(|routed| routed.at.ordinal).chain(fragments).collect();
        numbers.sort_unstable();
        numbers
    }
}

/// The first capture that is no longer what it was. One may have grown: packets that are known keep their places.
fn changed(before: &[CaptureFile], now: &[CaptureFile]) -> Option<PathBuf> {
    let same = |nth: usize, file: &CaptureFile| {
        now.get(nth).is_some_and(|again| {
            (&file.path, file.first_time) == (&again.path, again.first_time) && file.packets <= again.packets
        })
    };
    let changed = before.iter().enumerate().find(|(nth, file)| !same(*nth, file)).map(|(_, file)| file);
    changed.or_else(|| now.get(before.len())).map(|file| file.path.clone())
}

/// Of a further reading only the progress is told: all else was told before.
struct Again<'o>(&'o dyn Observer);

impl Observer for Again<'_> {
    fn problem(&self, _: &Problem) {}

    fn notice(&self, _: &Notice) {}

    fn progress(&self, progress: &Progress) {
        self.0.progress(progress);
    }

    fn internal_error(&self, _: &Bug) {}
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::Time;

    fn file(path: &str, packets: u64, time: i64) -> CaptureFile {
        CaptureFile {
            path: path.into(),
            packets,
            bytes: 0,
            first_time: Some(Time(time)),
            last_time: None,
            truncated: false,
            sha256: None,
            dropped: 0,
        }
    }

    #[test]
    fn a_capture_that_is_not_what_it_was_is_named() {
        let before = [file("a", 10, 1), file("b", 5, 2)];
        assert_eq!(changed(&before, &before), None);
        assert_eq!(changed(&before, &[file("a", 12, 1), file("b", 9, 2)]), None, "they have grown");
        for (now, path) in [
            (vec![file("a", 10, 1), file("b", 4, 2)], "b"),
            (vec![file("a", 10, 1)], "b"),
            (vec![file("a", 10, 7), file("b", 5, 2)], "a"),
            (vec![file("a", 10, 1), file("b", 5, 2), file("c", 1, 3)], "c"),
            (vec![], "a"),
        ] {
            assert_eq!(changed(&before, &now), Some(path.into()), "{now:?}");
        }
    }
}
