//! `stats`: what a live capture tells of itself.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::ledger;

use super::{ByRule, Name, When, by_rule, named};

/// What a live capture counted since its start.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Stats {
    /// Of the count, by the clock of the machine.
    pub time: When,
    /// Packets that were analysed.
    pub packets: u64,
    /// Their captured lengths.
    pub bytes: u64,
    /// Packets that found no room in the kernel's buffer.
    pub kernel_dropped: u64,
    /// Packets that an interface or its driver dropped.
    pub interface_dropped: u64,
    /// Packets that the interfaces received and sent and that did not pass the kernel's filter; none where no interface counts.
    pub filtered_out: Option<u64>,
    /// The time of the last packet.
    pub last_packet: Option<When>,
    /// TCP connections so far.
    pub connections: u64,
    /// Those that are not over now.
    pub open_connections: u64,
    /// Sessions that are over.
    pub sessions: u64,
    /// How often something was found, by rule and severity.
    pub findings: ByRule,
    /// How often each limit acted.
    pub limits_hit: BTreeMap<Name, u64>,
    /// What the process has of memory.
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
