//! Reading for one round: a few batches, and what every shard has to do before which packet.

use std::collections::BTreeSet;
use std::path::PathBuf;

use crate::base::{Clock, LinkType, Ordinal, Tick, Time};
use crate::capture::batch::PacketEntry;
use crate::capture::{Batch, CaptureFile, Cause, Follows, Next, Options, Portion, Problem, Reader, Stop};
use crate::decode;

use super::Observer;

/// What one round analyses.
#[derive(Default)]
pub(super) struct Round {
    pub batches: Vec<Batch>,
    /// In the order of their packets.
    pub marks: Vec<Mark>,
    /// Captures that began in this round, in the order of their ranks.
    pub starts: Vec<PathBuf>,
    /// Nothing is left to read behind this round.
    pub last: bool,
}

/// Something that happens in every shard before a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Mark {
    pub before: Ordinal,
    pub what: What,
}

/// What a [`Mark`] stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum What {
    /// The packet begins a file that carries on where the last one ended.
    Continues,
    /// The packet begins a file that has nothing to do with what was read before.
    Fresh,
    Tick(Tick),
}

/// How far the packets came, and the scan's clock.
#[derive(Default)]
pub(super) struct Course {
    pub clock: Clock,
    /// The least and the greatest time of all packets.
    pub span: Option<(Time, Time)>,
    /// The last packet.
    pub last: Ordinal,
    /// How many packets came.
    pub packets: u64,
}

impl Course {
    /// Lets the clock see every packet.
    pub(super) fn watch(&mut self, batch: &Batch, marks: &mut Vec<Mark>) {
        for (run, packets) in batch.runs() {
            if run.rising {
                self.watch_rising(run.first, packets, marks);
                continue;
            }
            for (before, packet) in run.of(packets) {
                self.advance(before, packet.time, marks);
            }
        }
        self.packets = self.packets.saturating_add(batch.packets.len() as u64);
    }

    /// The same for packets of which none is earlier than the one before it: of most of them nothing comes.
    fn watch_rising(&mut self, first: Ordinal, packets: &[PacketEntry], marks: &mut Vec<Mark>) {
        let mut left = packets;
        while let Some(packet) = left.first() {
            let passed = self.clock.pass(left, |packet| packet.time);
            if passed == 0 {
                let behind = packets.len().saturating_sub(left.len()) as u64;
                let before = Ordinal::new(packet.time, first.rank(), first.frame().saturating_add(behind));
                self.advance(before, packet.time, marks);
            } else {
                // The last of them is the greatest, and none is below those before.
                self.reach(self.clock.now());
            }
            left = left.get(passed.max(1)..).unwrap_or_default();
        }
        if let Some(last) = packets.last() {
            let behind = packets.len().saturating_sub(1) as u64;
            self.last = Ordinal::new(last.time, first.rank(), first.frame().saturating_add(behind));
        }
    }

    fn advance(&mut self, before: Ordinal, time: Time, marks: &mut Vec<Mark>) {
        marks.extend(self.clock.advance(time).map(|tick| Mark { before, what: What::Tick(tick) }));
        self.reach(Some(time));
        self.last = before;
    }

    /// No packet before `time` is to come: the clock reaches it, unless it has.
    pub(super) fn idle(&mut self, time: Time, marks: &mut Vec<Mark>) {
        if self.clock.now().is_some_and(|now| now < time) {
            let before = self.last.following(self.last.reached());
            marks.extend(self.clock.advance(time).map(|tick| Mark { before, what: What::Tick(tick) }));
        }
    }

    /// Widens the span to a time.
    fn reach(&mut self, time: Option<Time>) {
        let Some(time) = time else { return };
        let (first, last) = self.span.unwrap_or((time, time));
        self.span = Some((first.min(time), last.max(time)));
    }
}

/// The reader, how far it came, and blocks to read into.
pub(super) struct Reading {
    reader: Reader,
    pub course: Course,
    pub problems: u64,
    /// Asked from outside: the reading ends before its input does.
    stop: Stop,
    /// Whether it did.
    pub interrupted: bool,
    spare: Vec<Batch>,
    /// How many of the reader's files were told.
    told: usize,
    /// The link types of the current file that cannot be decoded.
    unsupported: BTreeSet<LinkType>,
}

impl Reading {
    /// So many batches make a round, unless they have many packets: enough that the threads' meeting at its end
    /// costs little, few enough that what is analysed was read a moment ago and still lies in the cache.
    const BATCHES: usize = 4;
    /// With so many packets a round takes no further batch: tiny packets make segments that need more room than they
    /// do themselves.
    const PACKETS: u64 = 3000;

    pub(super) fn open(paths: &[PathBuf], options: &Options) -> Self {
        Reading {
            reader: Reader::open(paths, options),
            course: Course::default(),
            problems: 0,
            stop: options.stop.clone(),
            interrupted: false,
            spare: Vec::new(),
            told: 0,
            unsupported: BTreeSet::new(),
        }
    }

    /// Reads the next round, which is a short one where a pipe pauses: what came is to be told. `done` is one whose blocks
    /// may be used again.
    pub(super) fn round(&mut self, done: Round, observer: &dyn Observer) -> Round {
        self.spare.extend(done.batches);
        let mut round = Round::default();
        let enough = self.course.packets.saturating_add(Self::PACKETS);
        while round.batches.len() < Self::BATCHES && self.course.packets < enough && !round.last {
            if self.stop.is_set() {
                (self.interrupted, round.last) = (true, true);
                break;
            }
            match self.reader.next(self.spare.pop()) {
                Next::Batch(batch) => {
                    self.begin(&batch, &mut round);
                    self.watch(&batch, &mut round.marks, observer);
                    round.batches.push(batch);
                }
                Next::Problem(problem) => self.problem(&problem, observer),
                Next::Notice(notice) => observer.notice(&notice),
                Next::Pause => break,
                Next::End => round.last = true,
            }
        }
        observer.progress(&self.reader.progress());
        round
    }

    /// What other threads may unpack while the next round is read; nothing where there are none.
    pub(super) fn ahead(&mut self) -> Vec<Portion> {
        if rayon::current_num_threads() > 1 { self.reader.portions() } else { Vec::new() }
    }

    pub(super) fn files(&self) -> &[CaptureFile] {
        self.reader.files()
    }

    pub(super) fn files_skipped(&self) -> (u64, &[PathBuf]) {
        (self.reader.skipped(), self.reader.passed_over())
    }

    fn problem(&mut self, problem: &Problem, observer: &dyn Observer) {
        self.problems = self.problems.saturating_add(1);
        observer.problem(problem);
    }

    /// Notes how the batch follows the one before it.
    fn begin(&mut self, batch: &Batch, round: &mut Round) {
        let files = self.reader.files();
        let new = files.get(self.told..).unwrap_or_default();
        round.starts.extend(new.iter().map(|file| file.path.clone()));
        self.told = files.len();
        let what = match batch.follows {
            Follows::Same => return,
            Follows::Continues => What::Continues,
            Follows::Fresh => {
                self.course.clock.reset();
                What::Fresh
            }
        };
        self.unsupported.clear();
        round.marks.extend(batch.runs.first().map(|run| Mark { before: run.first, what }));
    }

    /// Lets the clock see every packet, and tells of link types that nothing decodes.
    fn watch(&mut self, batch: &Batch, marks: &mut Vec<Mark>, observer: &dyn Observer) {
        for run in batch.packets.chunk_by(|one, next| one.link_type == next.link_type) {
            if let Some(packet) = run.first() {
                self.check(packet.link_type, observer);
            }
        }
        self.course.watch(batch, marks);
    }

    /// Tells of a link type that cannot be decoded, once a file.
    fn check(&mut self, link_type: LinkType, observer: &dyn Observer) {
        if !decode::is_supported(link_type) && self.unsupported.insert(link_type) {
            let path = self.reader.files().last().map(|file| file.path.clone()).unwrap_or_default();
            let cause = Cause::LinkType(link_type);
            self.problem(&Problem { path, offset: None, cause }, observer);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::capture::Counting;

    const SECOND: i64 = Time::SECOND;

    /// So far as one packet at this time.
    fn after(time: i64) -> Course {
        let packet =
            PacketEntry { offset: 0, captured: 0, original: 0, link_type: LinkType(1), interface: 0, time: Time(time) };
        let (mut course, mut marks) = (Course::default(), Vec::new());
        let mut batch = Batch { packets: vec![packet], ..Batch::default() };
        Counting::new(0, Time(i64::MIN)).number(&batch.packets, &mut batch.runs);
        course.watch(&batch, &mut marks);
        assert_eq!(marks, []);
        course
    }

    /// The ticks of an idle link that has come to this time.
    fn idle(course: &mut Course, time: i64) -> Vec<Mark> {
        let mut marks = Vec::new();
        course.idle(Time(time), &mut marks);
        marks
    }

    #[test]
    fn an_idle_link_is_ticked_once_for_each_second_that_it_crosses() {
        let mut course = after(10 * SECOND);
        let ticks: Vec<(i64, Mark)> = (100..=130)
            .map(|tenth| tenth * SECOND / 10)
            .flat_map(|time| idle(&mut course, time).into_iter().map(move |mark| (time, mark)))
            .collect();
        let tick = |time| {
            let what = What::Tick(Tick { time: Time(time), nth: 0 });
            (time, Mark { before: Ordinal::new(Time(10 * SECOND), 0, 2), what })
        };
        assert_eq!(ticks, [11, 12, 13].map(|second| tick(second * SECOND)));
    }

    #[test]
    fn an_idle_link_that_was_not_looked_at_for_long_is_ticked_twice() {
        let mut course = after(10 * SECOND);
        let ticks = [(10 * SECOND, 0), (15 * SECOND, 1)];
        let ticks = ticks.map(|(time, nth)| What::Tick(Tick { time: Time(time), nth }));
        assert_eq!(idle(&mut course, 15 * SECOND).iter().map(|mark| mark.what).collect::<Vec<_>>(), ticks);
    }

    #[test]
    fn an_idle_link_takes_the_clock_never_back_and_is_no_packet() {
        let mut course = after(10 * SECOND);
        for time in [i64::MIN, 0, 9 * SECOND, 10 * SECOND] {
            assert_eq!(idle(&mut course, time), [], "{time}");
        }
        assert_eq!((course.clock.now(), course.clock.backwards), (Some(Time(10 * SECOND)), 0));
        idle(&mut course, 12 * SECOND);
        assert_eq!(idle(&mut course, 11 * SECOND), []);
        assert_eq!(course.clock.now(), Some(Time(12 * SECOND)));
        let packet = Time(10 * SECOND);
        assert_eq!((course.span, course.packets), (Some((packet, packet)), 1));
    }

    #[test]
    fn before_the_first_packet_there_is_no_clock_to_tick() {
        let mut course = Course::default();
        assert_eq!(idle(&mut course, 10 * SECOND), []);
        assert_eq!((course.clock.now(), course.span), (None, None));
    }
}
