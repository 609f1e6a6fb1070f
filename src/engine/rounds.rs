//! Reading for one round: a few batches, and what every shard has to do before which packet.

use std::collections::BTreeSet;
use std::path::PathBuf;

use crate::base::{Clock, LinkType, Ordinal, Tick, Time, Turn};
use crate::capture::batch::PacketEntry;
use crate::capture::{Batch, Boundary, CaptureFile, Cause, Next, Options, Portion, Problem, Reader, Stop};
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
    /// The packet begins the capture of this rank.
    Begins(u32),
    /// The capture of this rank has ended.
    Ended(u32),
    /// The packet begins a capture that is treated alone: it has nothing to do with what was read before.
    Fresh,
    /// The clock stands at this time again: a step back of one capture is over.
    Restored(Time),
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
    /// Captures that have begun and not ended.
    open: u64,
}

impl Course {
    /// Lets the clock see every packet.
    pub(super) fn watch(&mut self, batch: &Batch, marks: &mut Vec<Mark>) {
        let mut boundaries = batch.boundaries.iter().peekable();
        for (run, packets) in batch.runs() {
            // Where a capture begins or has ended, a run begins.
            while let Some(boundary) = boundaries.next_if(|boundary| boundary.before <= run.first) {
                self.open = if boundary.begins { self.open.saturating_add(1) } else { self.open.saturating_sub(1) };
            }
            if run.rising {
                self.watch_rising(run.first, packets, marks);
                continue;
            }
            self.clock.jumps = self.clock.jumps.saturating_add(u64::from(run.counts_at.is_some()));
            for (at, packet) in run.of(packets) {
                self.advance(at, run.counts_at.unwrap_or(packet.time), marks);
                self.reach(packet.time);
            }
        }
        self.packets = self.packets.saturating_add(batch.packets.len() as u64);
    }

    /// The same for packets of which none is earlier than the one before it: of most of them nothing comes.
    fn watch_rising(&mut self, first: Ordinal, packets: &[PacketEntry], marks: &mut Vec<Mark>) {
        let (Some(earliest), Some(latest)) = (packets.first(), packets.last()) else { return };
        let mut passed = 0;
        while let Some((packet, behind)) = packets.get(passed..).and_then(<[_]>::split_first) {
            let at = Ordinal::new(packet.time, first.rank(), first.frame().saturating_add(passed as u64));
            self.advance(at, packet.time, marks);
            let more = self.clock.pass(first.rank(), behind, |packet| packet.time);
            passed = passed.saturating_add(1).saturating_add(more);
        }
        let behind = packets.len().saturating_sub(1) as u64;
        self.last = Ordinal::new(latest.time, first.rank(), first.frame().saturating_add(behind));
        self.reach(earliest.time);
        self.reach(latest.time);
    }

    /// Where several captures are open, a step back of one of them must not let the time of the others go on: its ticks
    /// are for nobody then.
    fn advance(&mut self, at: Ordinal, time: Time, marks: &mut Vec<Mark>) {
        let mut mark = |what| marks.push(Mark { before: at, what });
        let mut stepped_back = self.clock.is_rebased();
        let turns = self.clock.advance(at, time);
        let steps_back = self.clock.is_rebased();
        for turn in turns {
            match turn {
                Turn::Restored(time) => {
                    stepped_back = false;
                    mark(What::Restored(time));
                }
                Turn::Tick(_) if self.open > 1 && (stepped_back || steps_back) => {}
                Turn::Tick(tick) => mark(What::Tick(tick)),
            }
        }
        self.last = at;
    }

    /// No packet before `time` is to come: the clock reaches it, unless it has.
    pub(super) fn idle(&mut self, time: Time, marks: &mut Vec<Mark>) {
        if self.clock.now().is_some_and(|now| now < time) {
            let before = self.last.following(self.last.reached());
            marks.extend(self.clock.idle(time).map(|tick| Mark { before, what: What::Tick(tick) }));
        }
    }

    /// Widens the span to a time.
    fn reach(&mut self, time: Time) {
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
    /// A batch of the next round.
    held: Option<Batch>,
    /// The link types that cannot be decoded, by the capture's rank.
    unsupported: BTreeSet<(u32, LinkType)>,
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
            held: None,
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
            let next = self.held.take().map(Next::Batch);
            match next.unwrap_or_else(|| self.reader.next(self.spare.pop())) {
                // Keys of captures that are treated alone do not follow each other: a round has one of them.
                Next::Batch(batch) if self.begins_alone(&batch) && !round.batches.is_empty() => {
                    self.held = Some(batch);
                    break;
                }
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

    /// Captures that were not merged in their place.
    pub(super) fn not_merged(&self) -> u64 {
        self.reader.not_merged()
    }

    pub(super) fn files_skipped(&self) -> (u64, &[PathBuf]) {
        (self.reader.skipped(), self.reader.passed_over())
    }

    fn problem(&mut self, problem: &Problem, observer: &dyn Observer) {
        self.problems = self.problems.saturating_add(1);
        observer.problem(problem);
    }

    /// Notes which captures begin and end in the batch.
    fn begin(&mut self, batch: &Batch, round: &mut Round) {
        let files = self.reader.files();
        let new = files.get(self.told..).unwrap_or_default();
        round.starts.extend(new.iter().map(|file| file.path.clone()));
        self.told = files.len();
        let separate = self.reader.is_separate();
        for &Boundary { before, rank, begins } in &batch.boundaries {
            if separate && begins {
                self.course.clock.reset();
                self.unsupported.clear();
                round.marks.push(Mark { before, what: What::Fresh });
            }
            let what = if begins { What::Begins(rank) } else { What::Ended(rank) };
            round.marks.push(Mark { before, what });
        }
    }

    /// Whether the batch begins a capture that is treated alone.
    fn begins_alone(&self, batch: &Batch) -> bool {
        self.reader.is_separate() && batch.boundaries.iter().any(|boundary| boundary.begins)
    }

    /// Lets the clock see every packet, and tells of link types that nothing decodes.
    fn watch(&mut self, batch: &Batch, marks: &mut Vec<Mark>, observer: &dyn Observer) {
        for (run, packets) in batch.runs() {
            let packets = if run.mixed { packets } else { packets.get(..1).unwrap_or_default() };
            for packet in packets {
                self.check(run.first.rank(), packet.link_type, observer);
            }
        }
        self.course.watch(batch, marks);
        if !batch.boundaries.is_empty() {
            // What begins and ends before a packet comes before its ticks.
            marks.sort_by_key(|mark| mark.before);
        }
    }

    /// Tells of a link type that cannot be decoded, once a file.
    fn check(&mut self, rank: u32, link_type: LinkType, observer: &dyn Observer) {
        if !decode::is_supported(link_type) && self.unsupported.insert((rank, link_type)) {
            let path = self.reader.files().get(rank as usize).map(|file| file.path.clone()).unwrap_or_default();
            let cause = Cause::LinkType(link_type);
            self.problem(&Problem { path, offset: None, cause }, observer);
        }
    }
}

#[cfg(test)]
#[expect(clippy::arithmetic_side_effects, reason = "tests count")]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::capture::Counting;
    use crate::capture::batch::Behind;

    const SECOND: i64 = Time::SECOND;

    /// So far as one packet at this time.
    fn after(time: i64) -> Course {
        let packet =
            PacketEntry { offset: 0, captured: 0, original: 0, link_type: LinkType(1), interface: 0, time: Time(time) };
        let (mut course, mut marks) = (Course::default(), Vec::new());
        let mut batch = Batch { packets: vec![packet], ..Batch::default() };
        Counting::new(0, Time(i64::MIN)).number(&batch.packets, Behind::Nothing, &mut batch.runs);
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

    /// A packet, by its capture's rank and its frame, and what happens before it.
    type At = (u32, u64, What);

    /// The clock as the design has it, packet by packet: what happens before which, and both counters.
    fn model(captures: &[Vec<i64>]) -> (Vec<At>, u64, u64) {
        const HOUR: i64 = 3600 * SECOND;
        let (mut all, mut backwards, mut jumps) = (Vec::new(), 0, 0);
        for (rank, times) in (0..).zip(captures) {
            let (mut before, mut greatest) = (None, i64::MIN);
            for (frame, &time) in (1..).zip(times) {
                let behind = times.get(usize::try_from(frame).unwrap());
                let is_ahead = behind.is_some_and(|behind| time - behind > HOUR)
                    && before.is_none_or(|before: i64| time - before > HOUR);
                let believed = if is_ahead { before.unwrap_or(*behind.unwrap()) } else { time };
                jumps += u64::from(is_ahead);
                before = Some(believed);
                greatest = greatest.max(believed);
                all.push((greatest, rank, frame, believed));
            }
        }
        all.sort_unstable();
        let of = |rank| {
            all.iter().filter(move |(_, of, ..)| *of == rank).map(|&(greatest, rank, frame, _)| (greatest, rank, frame))
        };
        let spans: Vec<_> = (0..u32::try_from(captures.len()).unwrap())
            .map(|rank| (of(rank).next().unwrap(), of(rank).next_back().unwrap()))
            .collect();
        let mut out = Vec::new();
        // The packet before: its capture and greatest time, and where the clock stood behind it.
        let mut last: Option<((i64, u32), i64)> = None;
        for &(greatest, rank, frame, time) in &all {
            let mut turns = Vec::new();
            let mut stepped_back = false;
            let mut now = match last {
                None => time,
                Some((group, now)) if group == (greatest, rank) => {
                    stepped_back = now < greatest;
                    now
                }
                Some(((stood, _), now)) if now < stood => {
                    turns.push(What::Restored(Time(stood)));
                    stood
                }
                Some((_, now)) => now,
            };
            if time < now {
                backwards += 1;
                now = if now - time > 60 * SECOND { time } else { now };
            } else {
                jumps += u64::from(time - now > HOUR);
                let tick = |time, nth| What::Tick(Tick { time: Time(time), nth });
                match time.div_euclid(SECOND) - now.div_euclid(SECOND) {
                    0 => {}
                    1 => turns.push(tick(time, 0)),
                    _ => turns.extend([tick(now, 0), tick(time, 1)]),
                }
                now = time;
            }
            last = Some(((greatest, rank), now));
            // Where several are open, a step back of one lets nobody's time go on.
            let at = (greatest, rank, frame);
            let open = spans.iter().filter(|(first, last)| (*first..=*last).contains(&at)).count();
            if open > 1 && (stepped_back || now < greatest) {
                turns.retain(|turn| matches!(turn, What::Restored(_)));
            }
            out.extend(turns.into_iter().map(|turn| (rank, frame, turn)));
        }
        (out, backwards, jumps)
    }

    /// The same by the engine, from files.
    fn read(captures: &[Vec<i64>], batch_bytes: usize) -> (Vec<At>, u64, u64) {
        let folder = tempfile::tempdir().unwrap();
        for (rank, times) in captures.iter().enumerate() {
            let nanoseconds = synth::pcap::Format { nanoseconds: true, ..synth::pcap::Format::default() };
            let packet = |time: &i64| synth::Packet {
                time: u64::try_from(*time).unwrap(),
                bytes: vec![0; 60 + usize::try_from(time % 7 * 100).unwrap()],
                original: 1000,
            };
            let packets: Vec<_> = times.iter().map(packet).collect();
            let bytes = synth::pcap::bytes(&packets, synth::LinkType::Ethernet, nanoseconds);
            std::fs::write(folder.path().join(format!("{rank}")), bytes).unwrap();
        }
        let options = Options { batch_bytes, ..Options::default() };
        let mut reading = Reading::open(&[folder.path().to_path_buf()], &options);
        let mut out = Vec::new();
        let mut last = false;
        while !last {
            let round = reading.round(Round::default(), &Nobody);
            assert!(round.marks.is_sorted_by_key(|mark| mark.before));
            let turns = round.marks.iter().filter(|mark| matches!(mark.what, What::Tick(_) | What::Restored(_)));
            out.extend(turns.map(|mark| (mark.before.rank(), mark.before.frame(), mark.what)));
            last = round.last;
        }
        assert_eq!(reading.course.packets, captures.iter().map(|times| times.len() as u64).sum::<u64>());
        (out, reading.course.clock.backwards, reading.course.clock.jumps)
    }

    struct Nobody;

    impl Observer for Nobody {
        fn problem(&self, problem: &Problem) {
            panic!("{problem}");
        }
        fn notice(&self, _: &crate::capture::Notice) {}
        fn progress(&self, _: &crate::capture::Progress) {}
        fn internal_error(&self, _: &super::super::Bug) {}
    }

    /// Steps of a capture's time, in nanoseconds.
    fn steps() -> impl Strategy<Value = Vec<i64>> {
        let usual = [0, 1, 1_000_000, 300_000_000, SECOND, 2 * SECOND, 61 * SECOND];
        let back = [-1, -59 * SECOND, -60 * SECOND, -60 * SECOND - 1, -7200 * SECOND];
        let ahead = [3600 * SECOND, 3600 * SECOND + 1, 7200 * SECOND, 400_000_000 * SECOND, -400_000_000 * SECOND];
        let step = prop_oneof![
            8 => prop::sample::select(usual.to_vec()),
            2 => prop::sample::select(back.to_vec()),
            1 => prop::sample::select(ahead.to_vec()),
        ];
        prop::collection::vec(step, 1..40)
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn the_clock_of_captures_that_overlap_step_back_and_jump_is_that_of_the_design(
            captures in prop::collection::vec((0..4_i64, steps()), 1..5),
            batch_bytes in prop::sample::select(vec![4096_usize, 1 << 20]),
        ) {
            const BEGIN: i64 = 1_500_000_000 * SECOND;
            let times = |(late, steps): (i64, Vec<i64>)| {
                let mut time = BEGIN + late * SECOND / 2;
                let mut next = |step: i64| {
                    time = (time + step).clamp(0, i64::from(u32::MAX) * SECOND);
                    time
                };
                steps.into_iter().map(&mut next).collect::<Vec<i64>>()
            };
            let mut captures: Vec<Vec<i64>> = captures.into_iter().map(times).collect();
            // By what the first packet counts at, then by name.
            let first = |times: &Vec<i64>| match times[..] {
                [first, second, ..] if first - second > 3600 * SECOND => second,
                [first, ..] => first,
                [] => unreachable!(),
            };
            captures.sort_by_key(first);
            prop_assert_eq!(read(&captures, batch_bytes), model(&captures));
        }
    }
}
