//! What reassembly counts beside what it hands on.

use crate::base::Tally;
#[cfg(feature = "cli")]
use crate::base::meaning::Meaning;

/// What reassembly counts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counters {
    /// Connections of which at least one packet was captured.
    pub connections: u64,
    /// Connections dropped to stay below a limit.
    pub evicted: u64,
    /// Each limit that acted, by [`Limit::key`](crate::base::Limit::key).
    pub limits_hit: Tally,
    /// RSTs that were not at the place where they would end a connection.
    pub stray_resets: u64,
    /// Segments that brought other bytes than a copy before them.
    pub overlaps: u64,
    /// Segments whose numbers cannot be part of their stream.
    pub out_of_window: u64,
    /// Octets that were keep-alives, not data.
    pub keep_alives: u64,
    /// Segments of connections that were over.
    pub late: u64,
}

const STRAY: &str = "stray-resets";
const OVERLAPPING: &str = "overlapping-segments";
const OUTSIDE: &str = "segments-out-of-window";
const LATE: &str = "segments-after-close";

/// The names of what was no part of a stream in the summary, and what they mean for a person.
#[cfg(feature = "cli")]
pub(crate) const NAMES: &[Meaning] = &[
    Meaning::packets(STRAY, "TCP resets whose sequence number ends no connection"),
    Meaning::packets(OVERLAPPING, "TCP data that contradicts an earlier copy"),
    Meaning::packets(OUTSIDE, "TCP sequence numbers outside the window"),
    Meaning::packets(LATE, "TCP after the end of its connection"),
];

impl Counters {
    /// Segments that were not read as part of a stream, by the reason why.
    pub(crate) fn not_analysed(&self) -> Tally {
        let mut tally = Tally::default();
        tally.add(STRAY, self.stray_resets);
        tally.add(OVERLAPPING, self.overlaps);
        tally.add(OUTSIDE, self.out_of_window);
        tally.add(LATE, self.late);
        tally
    }

    /// Adds what another table counted.
    pub(crate) fn merge(&mut self, other: &Counters) {
        self.connections = self.connections.saturating_add(other.connections);
        self.evicted = self.evicted.saturating_add(other.evicted);
        self.limits_hit.merge(&other.limits_hit);
        self.stray_resets = self.stray_resets.saturating_add(other.stray_resets);
        self.overlaps = self.overlaps.saturating_add(other.overlaps);
        self.out_of_window = self.out_of_window.saturating_add(other.out_of_window);
        self.keep_alives = self.keep_alives.saturating_add(other.keep_alives);
        self.late = self.late.saturating_add(other.late);
    }
}
