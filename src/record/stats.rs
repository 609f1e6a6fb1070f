//! `stats`: what a live capture tells of itself.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::ledger;

use super::{ByRule, Name, When, by_rule, named};

/// Counts since the capture's start.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Stats {
    pub time: When,
    pub packets: u64,
    pub bytes: u64,
    pub kernel_dropped: u64,
    pub interface_dropped: u64,
    /// Null where no interface counts what comes and goes.
    pub filtered_out: Option<u64>,
    pub last_packet: Option<When>,
    pub connections: u64,
    pub open_connections: u64,
    pub sessions: u64,
    pub findings: ByRule,
    pub limits_hit: BTreeMap<Name, u64>,
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
