//! What the engine counts outside the sessions, and how the parts of one scan make one sum of it.
//!
//! Parts read the same captures, so what comes before the shards is the same in each of them: packets, segments, skips,
//! fragments, the clock. It is told once, of whichever part, and parts that differ in it are not of one scan
//! ([`Totals`], compared as a whole). What shards count is summed up ([`OfShards`]). What the ledger counts it counts
//! anew. Nothing is a maximum or a minimum of several parts.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::base::written::octets;
use crate::base::{Ordinal, Tally, Time};
use crate::capture::CaptureFile;
use crate::decode::Skips;

use super::elsewhere::Noticed;

/// What the engine counted outside the sessions.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Totals {
    pub captures: Vec<CaptureFile>,
    /// Files below the named directories that were no captures.
    pub files_skipped: u64,
    /// The first of them.
    #[serde(with = "octets")]
    pub skipped_files: Vec<PathBuf>,
    pub packets: u64,
    /// The sum of the captured lengths.
    pub bytes: u64,
    pub segments: u64,
    pub fragments: u64,
    /// Packets that gave neither.
    pub skips: Skips,
    /// What else was not analysed, by its name: fragments without their siblings, bytes never captured, ...
    pub not_analysed: Tally,
    /// SMTP servers on ports that were not analysed.
    pub elsewhere: Vec<Noticed>,
    pub limits_hit: Tally,
    pub first_time: Option<Time>,
    pub last_time: Option<Time>,
    pub connections: u64,
    pub capture_dropped: u64,
    /// Live: packets that did not pass the kernel's filter.
    pub filtered_out: Option<u64>,
    pub time_backwards: u64,
    pub time_jumps: u64,
    /// Inputs that could not be read, or not to their end.
    pub problems: u64,
    pub internal_errors: u64,
    /// Whether the scan was ended before its input was.
    pub interrupted: bool,
}

/// What shards count.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct OfShards {
    pub connections: u64,
    pub not_analysed: Tally,
    pub limits_hit: Tally,
    pub internal_errors: u64,
    /// The first of the packets at which a connection was given up because of a bug, each with the bug's place in the
    /// source.
    pub bugs: Vec<(Ordinal, Option<String>)>,
}

impl Totals {
    /// Adds what the shards counted.
    pub(crate) fn add(&mut self, shards: &OfShards) {
        self.connections = self.connections.saturating_add(shards.connections);
        self.not_analysed.merge(&shards.not_analysed);
        self.limits_hit.merge(&shards.limits_hit);
        self.internal_errors = self.internal_errors.saturating_add(shards.internal_errors);
    }
}

impl OfShards {
    /// So many bugs are told with their packets; the others are counted.
    pub(crate) const MOST_BUGS: usize = 64;

    /// Adds what other shards counted.
    pub(crate) fn merge(&mut self, other: OfShards) {
        self.connections = self.connections.saturating_add(other.connections);
        self.not_analysed.merge(&other.not_analysed);
        self.limits_hit.merge(&other.limits_hit);
        self.internal_errors = self.internal_errors.saturating_add(other.internal_errors);
        self.bugs.extend(other.bugs);
    }

    /// Bugs were met at these packets.
    pub(crate) fn met(&mut self, bugs: Vec<(Ordinal, Option<String>)>) {
        self.internal_errors = self.internal_errors.saturating_add(bugs.len() as u64);
        let room = Self::MOST_BUGS.saturating_sub(self.bugs.len());
        self.bugs.extend(bugs.into_iter().take(room));
    }
}
