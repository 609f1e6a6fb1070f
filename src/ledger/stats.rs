//! What a live capture tells of itself.

use crate::base::{Tally, Time};

use super::FindingCounts;

/// What a live capture tells of itself, every interval (FORMATS.md, `stats`); counts are since its start, but for
/// those of what there is now.
#[derive(Clone, Debug, Default)]
pub(crate) struct Stats {
    /// When these were counted, by the wall clock.
    pub time: Time,
    pub packets: u64,
    pub bytes: u64,
    pub kernel_dropped: u64,
    pub interface_dropped: u64,
    /// Packets that did not pass the kernel's filter, where the interfaces count what comes and goes.
    pub filtered_out: Option<u64>,
    pub connections: u64,
    /// Those that are not over: what the memory mostly goes to.
    pub open_connections: u64,
    pub sessions: u64,
    pub findings: FindingCounts,
    pub limits_hit: Tally,
    pub memory_bytes: u64,
    pub last_packet: Option<Time>,
}
