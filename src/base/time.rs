//! Time as the capture tells it, the scan's clock, and the ticks at which timers fire.

use serde::{Deserialize, Serialize};

use super::Ordinal;

/// Nanoseconds since 1970-01-01T00:00:00Z by the capture's own clock; may be negative (pcapng offsets).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub(crate) struct Time(pub i64);

impl Time {
    pub(crate) const SECOND: i64 = 1_000_000_000;

    /// `self - earlier` in nanoseconds, saturating: hostile times must not wrap.
    pub(crate) fn since(self, earlier: Time) -> i64 {
        self.0.saturating_sub(earlier.0)
    }

    /// Whole seconds, rounded towards the past.
    pub(crate) fn seconds(self) -> i64 {
        self.0.div_euclid(Self::SECOND)
    }
}

/// One advance of the scan's clock: every shard gets it before the packet that caused it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Tick {
    /// The clock from now on.
    pub time: Time,
    /// The first or the second tick before one packet (0 or 1): part of the total order of output.
    pub nth: u8,
}

/// How long each kind of state may stay without a packet, in nanoseconds; each is a flag.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Timeouts {
    /// A connection whose handshake was not completed.
    pub half_open: i64,
    /// An open connection; RFC 5321 section 4.5.3.2 lets ends wait for minutes.
    pub idle: i64,
    /// A closed connection, kept for late segments.
    pub closed: i64,
    /// Fragments that wait for their siblings.
    pub fragments: i64,
}

impl Default for Timeouts {
    fn default() -> Self {
        Timeouts {
            half_open: 60 * Time::SECOND,
            idle: 3600 * Time::SECOND,
            closed: 60 * Time::SECOND,
            fragments: 30 * Time::SECOND,
        }
    }
}

/// What becomes of the scan's clock before a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Turn {
    /// A step back of one capture is over: the clock stands at this time, where it was before.
    Restored(Time),
    Tick(Tick),
}

/// The scan's clock: the greatest time so far. A packet far behind it in its capture re-bases it, as long as the
/// packets of that capture go on which do not reach beyond the greatest time.
#[derive(Clone, Debug, Default)]
pub(crate) struct Clock {
    now: Option<Time>,
    /// Where the second of `now` ends and the next one begins.
    second_ends: i64,
    /// The greatest time of the packets so far, and the rank of the capture that the last one is of.
    within: Option<(Time, u32)>,
    /// Packets behind the clock (FORMATS.md, `time_backwards`).
    pub backwards: u64,
    /// Steps forward of more than an hour, believed or not (`time_jumps`).
    pub jumps: u64,
}

impl Clock {
    /// A packet this far behind the clock moves nothing; one further behind re-bases it.
    const TOLERANCE: i64 = 60 * Time::SECOND;
    /// A step above this is counted; it is believed where the capture's next packet agrees.
    pub(crate) const JUMP: i64 = 3600 * Time::SECOND;

    /// Takes the times of packets of one capture, of which none is below those before it, as long as they are within
    /// the second that the clock is in and not behind it, as nearly every packet's is: nothing is due before such a
    /// packet, and nothing to be counted. It looks at few of them. The first packet behind those of another capture
    /// is for [`Clock::advance`], and so is the one behind those that were taken. Returns how many it took.
    pub(crate) fn pass<T>(&mut self, rank: u32, all: &[T], time: impl Fn(&T) -> Time) -> usize {
        let Some(now) = self.now else { return 0 };
        let is_within = |of: &T| time(of).0 < self.second_ends;
        let passed = match (all.first(), all.last()) {
            (Some(first), _) if time(first) < now => 0,
            (_, Some(last)) if is_within(last) => all.len(),
            _ => all.partition_point(is_within),
        };
        if let Some(last) = passed.checked_sub(1).and_then(|last| all.get(last)) {
            self.now = Some(time(last));
            self.within = Some((time(last), rank));
        }
        passed
    }

    /// Whether a packet far behind has re-based it: it stands before the greatest time.
    pub(crate) fn is_rebased(&self) -> bool {
        self.within.zip(self.now).is_some_and(|((greatest, _), now)| now < greatest)
    }

    /// The clock's time, once it has seen a packet.
    pub(crate) fn now(&self) -> Option<Time> {
        self.now
    }

    /// Takes the next packet, which counts at `time`, and returns what happens before it.
    pub(crate) fn advance(&mut self, packet: Ordinal, time: Time) -> impl Iterator<Item = Turn> + use<> {
        let restored = self.turn_to((packet.reached(), packet.rank()));
        restored.map(Turn::Restored).into_iter().chain(self.reach(time).map(Turn::Tick))
    }

    /// Time goes on without a packet.
    pub(crate) fn idle(&mut self, time: Time) -> impl Iterator<Item = Tick> + use<> {
        self.reach(time)
    }

    /// A re-base ends before a packet that is of another capture, or beyond the greatest time: the time where the
    /// clock stands again, if it does.
    fn turn_to(&mut self, within: (Time, u32)) -> Option<Time> {
        let (greatest, _) = self.within.replace(within).filter(|last| *last != within)?;
        let rebased = self.now.is_some_and(|now| now < greatest);
        rebased.then(|| {
            self.set(greatest);
            greatest
        })
    }

    /// The ticks due before something at this time, 0 to 2 of them.
    fn reach(&mut self, time: Time) -> impl Iterator<Item = Tick> + use<> {
        let (first, second) = match self.now {
            Some(now) if time < now => {
                self.backwards = self.backwards.saturating_add(1);
                if now.since(time) > Self::TOLERANCE {
                    self.set(time);
                }
                (None, None)
            }
            Some(now) => {
                if time.since(now) > Self::JUMP {
                    self.jumps = self.jumps.saturating_add(1);
                }
                self.set(time);
                match time.seconds().saturating_sub(now.seconds()) {
                    0 => (None, None),
                    1 => (Some(Tick { time, nth: 0 }), None),
                    _ => (Some(Tick { time: now, nth: 0 }), Some(Tick { time, nth: 1 })),
                }
            }
            None => {
                self.set(time);
                (None, None)
            }
        };
        [first, second].into_iter().flatten()
    }

    fn set(&mut self, time: Time) {
        self.now = Some(time);
        self.second_ends = time.seconds().saturating_add(1).saturating_mul(Time::SECOND);
    }

    /// Forgets the time (a file that starts afresh) but keeps the counts.
    pub(crate) fn reset(&mut self) {
        self.now = None;
        self.within = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seconds(s: i64) -> Time {
        Time(s.saturating_mul(Time::SECOND))
    }

    /// The ticks before the next packet of a capture.
    fn ticks(clock: &mut Clock, time: Time) -> usize {
        let reached = clock.within.map_or(time, |(greatest, _)| greatest.max(time));
        clock.advance(Ordinal::new(reached, 0, 1), time).filter(|turn| matches!(turn, Turn::Tick(_))).count()
    }

    #[test]
    fn crossing_one_second_ticks_once_and_more_ticks_twice() {
        let mut clock = Clock::default();
        assert_eq!(ticks(&mut clock, seconds(10)), 0);
        assert_eq!(ticks(&mut clock, Time(10_999_999_999)), 0);
        assert_eq!(ticks(&mut clock, seconds(11)), 1);
        assert_eq!(ticks(&mut clock, seconds(13)), 2);
    }

    #[test]
    fn a_packet_a_little_late_moves_nothing_and_is_counted() {
        let mut clock = Clock::default();
        ticks(&mut clock, seconds(100));
        assert_eq!(ticks(&mut clock, seconds(40)), 0);
        assert_eq!(clock.now, Some(seconds(100)));
        assert_eq!(clock.backwards, 1);
    }

    #[test]
    fn a_packet_far_behind_rebases_the_clock() {
        let mut clock = Clock::default();
        ticks(&mut clock, seconds(100));
        ticks(&mut clock, seconds(39));
        assert_eq!(clock.now, Some(seconds(39)));
        assert_eq!(clock.backwards, 1);
    }

    #[test]
    fn a_rebase_ends_with_its_capture_s_own_step_back() {
        let turns = |clock: &mut Clock, reached, rank, time| -> Vec<Turn> {
            clock.advance(Ordinal::new(seconds(reached), rank, 1), seconds(time)).collect()
        };
        let tick = |time, nth| Turn::Tick(Tick { time: seconds(time), nth });
        for (reached, rank, time) in [(101, 0, 101), (100, 1, 100), (101, 1, 101)] {
            let mut clock = Clock::default();
            assert_eq!(turns(&mut clock, 100, 0, 100), []);
            assert_eq!(turns(&mut clock, 100, 0, 10), []);
            assert_eq!(turns(&mut clock, 100, 0, 11), [tick(11, 0)]);
            let mut expected = vec![Turn::Restored(seconds(100))];
            expected.extend((time > 100).then(|| tick(time, 0)));
            assert_eq!(turns(&mut clock, reached, rank, time), expected);
            assert_eq!((clock.now, clock.backwards), (Some(seconds(time)), 1));
        }
        let mut clock = Clock::default();
        turns(&mut clock, 100, 0, 100);
        turns(&mut clock, 100, 0, 10);
        assert_eq!(turns(&mut clock, 100, 0, 100), [tick(10, 0), tick(100, 1)], "it is not beyond the greatest time");
    }

    #[test]
    fn a_jump_is_believed_and_counted() {
        let mut clock = Clock::default();
        ticks(&mut clock, seconds(0));
        assert_eq!(ticks(&mut clock, seconds(3601)), 2);
        assert_eq!((clock.now, clock.jumps), (Some(seconds(3601)), 1));
    }

    #[test]
    fn what_is_passed_is_an_advance_that_nothing_comes_of() {
        let (mut quick, mut plain) = (Clock::default(), Clock::default());
        let times = [-1, 0, 1, 999_999_999, 1_000_000_000, 1_000_000_001, 1, 2_500_000_000, i64::MAX, i64::MIN, 0, 0];
        let passed = times.map(|time| {
            let counts = (plain.backwards, plain.jumps);
            let due = ticks(&mut plain, Time(time));
            let passes = quick.pass(0, &[Time(time)], |time| *time) == 1;
            if passes {
                assert_eq!((due, plain.backwards, plain.jumps), (0, counts.0, counts.1), "{time}");
            } else {
                ticks(&mut quick, Time(time));
            }
            let state = |clock: &Clock| (clock.now, clock.backwards, clock.jumps);
            assert_eq!(state(&quick), state(&plain), "{time}");
            passes
        });
        assert_eq!(passed, [false, false, true, true, false, true, false, false, false, false, false, true]);
        quick.reset();
        assert_eq!(quick.pass(0, &[Time(1)], |time| *time), 0, "a clock without a time knows no second");
    }

    #[test]
    fn rising_times_are_passed_at_once() {
        let all: Vec<Time> = [-1, 0, 0, 5, 999_999_999, 1_000_000_000, 1_000_000_001].map(Time).to_vec();
        for count in 0..=all.len() {
            let times = all.get(all.len().saturating_sub(count)..).unwrap_or_default();
            for begun in [None, Some(-2_000_000_000), Some(0), Some(1), Some(999_999_999), Some(1_500_000_000)] {
                let (mut quick, mut plain) = (Clock::default(), Clock::default());
                if let Some(time) = begun {
                    assert_eq!((ticks(&mut quick, Time(time)), ticks(&mut plain, Time(time))), (0, 0));
                }
                let one_by_one =
                    times.iter().take_while(|time| plain.pass(0, std::slice::from_ref(*time), |time| *time) == 1);
                let one_by_one = one_by_one.count();
                assert_eq!(
                    (quick.pass(0, times, |time| *time), quick.now),
                    (one_by_one, plain.now),
                    "{begun:?} {times:?}"
                );
            }
        }
    }

    #[test]
    fn extreme_times_saturate() {
        let mut clock = Clock::default();
        ticks(&mut clock, Time(i64::MIN));
        ticks(&mut clock, Time(i64::MAX));
        assert_eq!(clock.jumps, 1);
    }
}
