//! The table's own time, by which connections fall idle.

use crate::base::{Clock, Moment, Time};

/// Time that only rises: how long the table has seen time go on, whatever steps back it made.
#[derive(Debug, Default)]
pub(super) struct Elapsed {
    /// Nanoseconds since the table's first packet.
    pub now: i64,
    last: Option<Time>,
}

impl Elapsed {
    /// Packets this far behind are late; those further behind re-base the clock.
    const TOLERANCE: i64 = 60 * Time::SECOND;

    /// A packet came; where there are `several` captures, one that has stepped back does not let the time go on.
    #[inline]
    pub(super) fn packet(&mut self, at: Moment, several: impl FnOnce() -> bool) {
        let on = self.last.map_or(0, |last| at.time.since(last));
        if (1..=Clock::JUMP).contains(&on) {
            self.now = self.now.saturating_add(on);
            self.last = Some(at.time);
        } else if on != 0 || self.last.is_none() {
            self.unusual(at, on, several());
        }
    }

    #[cold]
    fn unusual(&mut self, at: Moment, on: i64, several: bool) {
        let steps_back = at.ordinal.reached().since(at.time) > Self::TOLERANCE;
        if at.is_far_ahead() || (several && steps_back) || (-Self::TOLERANCE..0).contains(&on) {
            return;
        }
        self.now = self.now.saturating_add(on.max(0));
        self.last = Some(at.time);
    }

    pub(super) fn tick(&mut self, time: Time) {
        if self.last.is_some_and(|last| time < last) {
            self.last = Some(time);
        }
        self.forward(time);
    }

    /// The scan's clock ends a step back of one capture: what lies between did not go on.
    pub(super) fn restore(&mut self, time: Time) {
        self.last = self.last.map(|last| last.max(time));
    }

    fn forward(&mut self, time: Time) {
        let last = self.last.unwrap_or(time);
        if time >= last {
            self.now = self.now.saturating_add(time.since(last));
            self.last = Some(time);
        }
    }
}
