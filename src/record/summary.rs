//! `summary`: the scan as a whole.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::base::Endpoint;
use crate::ledger::{self, Noticed};

use super::clerk::Scene;
use super::event::hex;
use super::{ByRule, Frame, Name, Sha256Hex, Text, When, by_rule, named};

/// What was read, what of it was analysed, and what was found.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Summary {
    /// What was read, in the order of first packets.
    pub captures: Vec<Capture>,
    /// Files in a named directory that are not captures.
    pub files_skipped: u64,
    /// The first 100 of them.
    pub skipped_files: Vec<String>,
    /// Inputs that could not be read, or only in part.
    pub problems: u64,
    /// All packets.
    pub packets: u64,
    /// Their captured lengths.
    pub bytes: u64,
    /// TCP segments on the analysed ports.
    pub segments: u64,
    /// IP fragments; with segments and skipped packets they make up all packets.
    pub fragments: u64,
    /// The earliest time of a packet.
    pub first_time: Option<When>,
    /// The latest time of a packet.
    pub last_time: Option<When>,
    /// From the first to the last.
    pub duration_seconds: f64,
    /// TCP connections on the analysed ports.
    pub connections: u64,
    /// Those with at least one captured byte.
    pub sessions: u64,
    /// Those of them that switched to TLS: what came after that was not read.
    pub encrypted_sessions: u64,
    /// How often something was found, by rule and severity.
    pub findings: ByRule,
    /// What was not analysed, by reason: packets, but bytes for `missing-bytes`.
    pub not_analysed: BTreeMap<Name, u64>,
    /// Where decoding first stopped for each reason.
    pub skipped: Vec<Skipped>,
    /// Servers on ports that were not analysed.
    pub smtp_on_other_ports: Vec<OtherPort>,
    /// How often each limit took effect.
    pub limits_hit: BTreeMap<Name, u64>,
    /// Packets dropped by the capturing kernel or interface, according to the captures.
    pub capture_dropped: u64,
    /// Live capture only: packets excluded by the kernel's filter.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub filtered_out: Option<u64>,
    /// Packets with a time before the scan's clock.
    pub time_backwards: u64,
    /// Steps forward of more than an hour, and single packets that far ahead of their neighbours.
    pub time_jumps: u64,
    /// Bugs that were caught; each cost a connection.
    pub internal_errors: u64,
    /// Whether a signal ended the scan before the end of its input.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub interrupted: bool,
}

/// A file, or an interface.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Capture {
    /// As it was named, or found in a named directory.
    pub path: String,
    /// Its packets.
    pub packets: u64,
    /// The time of its first packet.
    pub first_time: Option<When>,
    /// The time of its last packet.
    pub last_time: Option<When>,
    /// Whether it ends in the middle of something.
    pub truncated: bool,
    /// The SHA-256 of the file as it is stored, in hexadecimal, with `--hash`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sha256: Option<Sha256Hex>,
}

/// Packets that were not analysed for one reason.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Skipped {
    /// Why: `not-tcp`, `other-port`, `vxlan`, ...
    pub reason: Name,
    /// How many.
    pub packets: u64,
    /// The header at which the first of them stopped.
    pub layer: String,
    /// The byte of that packet at which it stopped.
    pub offset: u32,
    /// The capture of that packet.
    pub capture: Arc<str>,
    /// The frame of that packet.
    pub frame: u64,
}

/// A server on a port that was not analysed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct OtherPort {
    /// Its address.
    pub ip: IpAddr,
    /// Its port.
    pub port: u16,
    /// Packets from it and to it that begin like SMTP.
    pub packets: u64,
}

impl OtherPort {
    fn of(noticed: &Noticed) -> Self {
        let Noticed { server: Endpoint { ip, port }, packets, .. } = *noticed;
        OtherPort { ip, port, packets }
    }
}

impl fmt::Display for OtherPort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        ledger::elsewhere::tell(SocketAddr::new(self.ip, self.port), self.packets, f)
    }
}

impl Summary {
    pub(super) fn of(summary: &ledger::Summary, scene: &Scene) -> Self {
        let totals = &summary.totals;
        let captures = totals.captures.iter().map(|file| Capture {
            path: shown_path(&file.path),
            packets: file.packets,
            first_time: file.first_time.map(When),
            last_time: file.last_time.map(When),
            truncated: file.truncated,
            sha256: file.sha256.as_ref().map(hex),
        });
        let mut not_analysed = totals.skips.tally();
        not_analysed.merge(&totals.not_analysed);
        let skipped = totals.skips.iter().filter_map(|(reason, skipped)| {
            let (first, skip) = skipped.first?;
            let Frame { capture, frame } = scene.places.of(first);
            let (reason, layer) = (Cow::Borrowed(reason.key()), skip.layer.to_string());
            Some(Skipped { reason, packets: skipped.packets, layer, offset: skip.offset, capture, frame })
        });
        Summary {
            captures: captures.collect(),
            files_skipped: totals.files_skipped,
            skipped_files: totals.skipped_files.iter().map(|path| shown_path(path)).collect(),
            problems: totals.problems,
            packets: totals.packets,
            bytes: totals.bytes,
            segments: totals.segments,
            fragments: totals.fragments,
            first_time: totals.first_time.map(When),
            last_time: totals.last_time.map(When),
            duration_seconds: duration(summary),
            connections: totals.connections,
            sessions: summary.sessions,
            encrypted_sessions: summary.encrypted_sessions,
            findings: by_rule(&summary.findings),
            not_analysed: named(&not_analysed),
            skipped: skipped.collect(),
            smtp_on_other_ports: totals.elsewhere.iter().map(OtherPort::of).collect(),
            limits_hit: named(&totals.limits_hit),
            capture_dropped: totals.capture_dropped,
            filtered_out: totals.filtered_out,
            time_backwards: totals.time_backwards,
            time_jumps: totals.time_jumps,
            internal_errors: totals.internal_errors,
            interrupted: totals.interrupted,
        }
    }
}

/// A path as records name it.
pub(crate) fn shown_path(path: &Path) -> String {
    Text(path.as_os_str().as_encoded_bytes()).to_string()
}

/// Seconds between the first and the last time; nanoseconds fit an `f64` exactly for the first hundred days.
#[expect(clippy::cast_precision_loss, reason = "a duration for people; the two times beside it are exact")]
fn duration(summary: &ledger::Summary) -> f64 {
    match (summary.totals.first_time, summary.totals.last_time) {
        (Some(first), Some(last)) => last.since(first) as f64 / 1e9,
        _ => 0.0,
    }
}
