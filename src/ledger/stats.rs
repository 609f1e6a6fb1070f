//! The record `stats`: the counts of a live capture.

use super::FindingCounts;
use crate::base::{Tally, Time};

/// What a live capture tells of itself, every interval (FORMATS.md, `stats`); all counts are since its start.
#[derive(Clone, Debug, Default)]
pub(crate) struct Stats {
    /// When these were counted, by the wall clock.
    pub time: Time,
    pub packets: u64,
    pub bytes: u64,
    pub kernel_dropped: u64,
    pub interface_dropped: u64,
    pub connections: u64,
    pub sessions: u64,
    pub findings: FindingCounts,
    pub limits_hit: Tally,
    pub memory_bytes: u64,
    pub last_packet: Option<Time>,
}
