//! `stats`: what a live capture tells of itself.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::ledger;

use super::{ByRule, Name, When, by_rule, named};

/// What a live capture has counted since it started.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Stats {
    /// The time of the count, by the machine's clock.
    pub time: When,
    /// Packets that were analysed.
    pub packets: u64,
    /// Their captured lengths.
    pub bytes: u64,
    /// Packets dropped because the kernel's buffer was full.
    pub kernel_dropped: u64,
    /// Packets dropped by an interface or its driver.
    pub interface_dropped: u64,
    /// Packets that the interfaces sent or received but the kernel's filter excluded; null if no interface counts them.
    pub filtered_out: Option<u64>,
    /// The time of the last packet.
    pub last_packet: Option<When>,
    /// TCP connections so far.
    pub connections: u64,
    /// Those still open.
    pub open_connections: u64,
    /// Sessions that have ended.
    pub sessions: u64,
    /// How often something was found, by rule and severity.
    pub findings: ByRule,
    /// How often each limit took effect.
    pub limits_hit: BTreeMap<Name, u64>,
    /// Memory used by the process.
    pub memory_bytes: u64,
}

impl Stats {
    pub(super) fn of(stats: &ledger::Stats) -> Self {
        Stats {
            time: When(stats.time),
            packets: stats.packets,
            bytes: stats.bytes,
            kernel_dropped: stats.kernel_dropped,
            interface_dropped: stats.interface_dropped,
            filtered_out: stats.filtered_out,
            last_packet: stats.last_packet.map(When),
            connections: stats.connections,
            open_connections: stats.open_connections,
            sessions: stats.sessions,
            findings: by_rule(&stats.findings),
            limits_hit: named(&stats.limits_hit),
            memory_bytes: stats.memory_bytes,
        }
    }
}
