//! The shapes of the JSON records, in the order of FORMATS.md; the text report is made from the same. That of a
//! session is in [`super::session`].

use std::collections::BTreeMap;

use serde::{Serialize, Serializer};

use crate::base::{Endpoint, Moment, Tally};
use crate::ledger::entry::Answered;
use crate::ledger::{FindingCounts, Found, Kept, Server, Stats, Summary, Told, Who};
use crate::rules::{Counts, Evidence};
use crate::smtp::DataEnd;
use crate::smtp::wire::tls::Tls;
use crate::tcp::Closed;

use super::Scene;
use super::ascii::Ascii;
use super::escape::Text;
use super::ids::{self, Window};
use super::places::Place;
use super::stamp::Stamp;

#[derive(Serialize)]
pub(crate) struct End {
    pub ip: std::net::IpAddr,
    pub port: u16,
}

impl From<Endpoint> for End {
    fn from(Endpoint { ip, port }: Endpoint) -> Self {
        End { ip, port }
    }
}

#[derive(Serialize)]
#[serde(tag = "type", rename = "finding")]
pub(crate) struct FindingRecord<'f> {
    pub rule: &'static str,
    pub check: &'static str,
    pub severity: &'static str,
    pub confidence: u8,
    pub time: Stamp,
    pub session: Ascii<16>,
    pub client: End,
    pub server: End,
    pub community_id: Ascii<30>,
    pub packets: Vec<Place<'f>>,
    pub wireshark_filter: String,
    pub message: &'f str,
    pub evidence: EvidenceMap<'f>,
    pub fingerprint: Ascii<16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kept: Option<KeptFields>,
}

/// What is kept of the session's packets.
#[derive(Serialize)]
pub(crate) struct KeptFields {
    pub packets: u64,
    pub bytes: u64,
    pub fell_out: u64,
}

impl<'f> FindingRecord<'f> {
    pub(crate) fn of(found: &'f Found, scene: &'f Scene, time: Stamp) -> Self {
        let Found { who, finding, kept } = found;
        FindingRecord {
            rule: finding.rule.id,
            check: finding.check.id,
            severity: finding.severity.name(),
            confidence: finding.confidence,
            time,
            session: ids::session(who),
            client: who.client.into(),
            server: who.server.into(),
            community_id: ids::community(who.flow()),
            packets: finding.packets.iter().map(|packet| scene.places.of(packet)).collect(),
            wireshark_filter: ids::wireshark_filter(who, window(found, scene)),
            message: &finding.message,
            evidence: EvidenceMap(finding.evidence.iter().map(|(name, e)| (*name, Proof::of(e, scene))).collect()),
            fingerprint: ids::fingerprint(found),
            kept: kept.map(|Kept { packets, bytes, fell_out }| KeptFields { packets, bytes, fell_out }),
        }
    }
}

/// Evidence in the order in which the rule gave it.
pub(crate) struct EvidenceMap<'f>(pub Vec<(&'static str, Proof<'f>)>);

impl Serialize for EvidenceMap<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(name, proof)| (name, proof)))
    }
}

/// One piece of evidence, as text.
#[derive(Serialize)]
#[serde(untagged)]
pub(crate) enum Proof<'f> {
    Text(Text<'f>),
    List(Vec<Text<'f>>),
    Number(u64),
    Flag(bool),
    Word(&'static str),
}

impl<'f> Proof<'f> {
    fn of(evidence: &'f Evidence, scene: &Scene) -> Self {
        match evidence {
            Evidence::Bytes(bytes) => Proof::Text(Text(bytes)),
            Evidence::List(items) => Proof::List(items.iter().map(|item| Text(item)).collect()),
            Evidence::Secret { shown, whole } => Proof::of(if scene.show_secrets { whole } else { shown }, scene),
            Evidence::Number(number) => Proof::Number(*number),
            Evidence::Flag(flag) => Proof::Flag(*flag),
            Evidence::Word(word) => Proof::Word(word),
        }
    }
}

#[derive(Serialize)]
pub(crate) struct TlsFields<'s> {
    pub state: &'static str,
    pub version: Option<&'static str>,
    pub sni: Option<Text<'s>>,
    pub alpn: Vec<Text<'s>>,
    pub alert: Option<u8>,
}

impl<'s> TlsFields<'s> {
    pub(crate) fn of(tls: &'s Tls) -> Self {
        TlsFields {
            state: tls.state.name(),
            version: tls.version,
            sni: tls.sni.as_deref().map(Text),
            alpn: tls.alpn.iter().map(|protocol| Text(protocol)).collect(),
            alert: tls.alert,
        }
    }
}

/// How a session ended.
pub(super) fn closed(how: Closed) -> &'static str {
    match how {
        Closed::Fin => "fin",
        Closed::Rst => "rst",
        Closed::Timeout => "timeout",
        Closed::EndOfCapture => "end-of-capture",
        Closed::Evicted => "evicted",
    }
}

/// How often each check fired, by `rule/check`.
pub(super) fn counts(counts: &Counts) -> BTreeMap<String, u64> {
    counts.iter().map(|(rule, check, count)| (format!("{rule}/{check}"), count)).collect()
}

/// A `command`, `reply`, `data` or `tls` record.
#[derive(Serialize)]
#[serde(tag = "type", rename_all = "lowercase")]
pub(crate) enum EventRecord<'e> {
    Command {
        #[serde(flatten)]
        at: At<'e>,
        verb: Option<&'e str>,
        argument: Text<'e>,
        #[serde(skip_serializing_if = "is_false")]
        uncertain: bool,
    },
    Reply {
        #[serde(flatten)]
        at: At<'e>,
        code: Option<u16>,
        lines: Vec<Text<'e>>,
        answers: Option<&'e str>,
        #[serde(skip_serializing_if = "is_false")]
        uncertain: bool,
    },
    Data {
        #[serde(flatten)]
        at: At<'e>,
        bytes: u64,
        lines: u64,
        sha256: Option<String>,
        end: &'static str,
        #[serde(skip_serializing_if = "Option::is_none")]
        ended_by: Option<&'static str>,
        #[serde(skip_serializing_if = "is_false")]
        uncertain: bool,
    },
    Tls {
        #[serde(flatten)]
        at: At<'e>,
        #[serde(flatten)]
        tls: TlsFields<'e>,
    },
}

/// When and where an event was, and between whom.
#[derive(Serialize)]
pub(crate) struct At<'e> {
    pub session: &'e str,
    pub capture: &'e str,
    pub frame: u64,
    pub time: Stamp,
    pub client: End,
    pub server: End,
}

/// The packets that carry a finding; where there is no file yet, those of its session up to it.
fn window(found: &Found, scene: &Scene) -> Window {
    let Found { who, finding, .. } = found;
    if scene.as_it_goes {
        Window::Times(who.first.time.min(finding.at.time), finding.at.time.max(finding.packets.last().time))
    } else {
        Window::Frames(scene.places.range(&finding.packets))
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it so")]
fn is_false(flag: &bool) -> bool {
    !flag
}

impl Told {
    /// The packet that completed it.
    pub(crate) fn at(&self) -> Moment {
        match self {
            Told::Command { at, .. } | Told::Reply { at, .. } | Told::Data { at, .. } | Told::Tls(at, _) => *at,
        }
    }
}

impl<'e> EventRecord<'e> {
    pub(crate) fn of(who: &Who, told: &'e Told, session: &'e str, scene: &'e Scene, time: Stamp) -> Self {
        let Place { capture, frame } = scene.places.of(told.at().ordinal);
        let at = At { session, capture, frame, time, client: who.client.into(), server: who.server.into() };
        match told {
            Told::Command { verb, argument, uncertain, .. } => EventRecord::Command {
                at,
                verb: verb.as_ref().map(crate::smtp::Verb::name),
                argument: Text(argument.get(scene.show_secrets)),
                uncertain: *uncertain,
            },
            Told::Reply { code, lines, answers, uncertain, .. } => EventRecord::Reply {
                at,
                code: *code,
                lines: lines.get(scene.show_secrets).iter().map(|line| Text(line)).collect(),
                answers: answered(answers),
                uncertain: *uncertain,
            },
            Told::Data { bytes, lines, sha256, end, uncertain, .. } => {
                let (end, ended_by) = ended(*end);
                EventRecord::Data {
                    at,
                    bytes: *bytes,
                    lines: *lines,
                    sha256: sha256.map(|hash| data_encoding::HEXLOWER.encode(&hash)),
                    end,
                    ended_by,
                    uncertain: *uncertain,
                }
            }
            Told::Tls(_, tls) => EventRecord::Tls { at, tls: TlsFields::of(tls) },
        }
    }
}

/// A verb in upper case, or a word in lower case for what has none; nothing for the greeting and a 421 out of turn.
fn answered(answers: &Answered) -> Option<&str> {
    match answers {
        Answered::Nothing => None,
        Answered::Verb(verb) => Some(verb.name()),
        Answered::Line => Some("line"),
        Answered::Exchange => Some("exchange"),
        Answered::Message => Some("message"),
        Answered::Unsolicited => Some("unsolicited"),
        Answered::Unknown => Some("unknown"),
    }
}

fn ended(end: DataEnd) -> (&'static str, Option<&'static str>) {
    match end {
        DataEnd::Dot => ("dot", None),
        DataEnd::Smuggled(by) => ("smuggled", Some(by)),
        DataEnd::Chunk { last: false } => ("chunk", None),
        DataEnd::Chunk { last: true } => ("last-chunk", None),
        DataEnd::Refused => ("refused", None),
        DataEnd::Unfinished => ("unfinished", None),
    }
}

#[derive(Serialize)]
#[serde(tag = "type", rename = "server")]
pub(crate) struct ServerRecord<'s> {
    pub ip: std::net::IpAddr,
    pub port: u16,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub capture: Option<&'s str>,
    pub sessions: u64,
    pub greetings: Vec<Text<'s>>,
    pub software: Option<SoftwareFields<'s>>,
    pub capabilities: Vec<Text<'s>>,
    pub help: &'static str,
    pub starttls: &'static str,
    pub first_seen: Stamp,
    pub last_seen: Stamp,
    pub findings: BTreeMap<String, u64>,
}

#[derive(Serialize)]
pub(crate) struct SoftwareFields<'s> {
    pub name: &'static str,
    pub version: Option<&'s str>,
}

impl<'s> ServerRecord<'s> {
    pub(crate) fn of(server: &'s Server, scene: &'s Scene, first_seen: Stamp, last_seen: Stamp) -> Self {
        let software = server.software.as_ref();
        ServerRecord {
            ip: server.endpoint.ip,
            port: server.endpoint.port,
            capture: server.capture.map(|rank| scene.places.name(rank)),
            sessions: server.sessions,
            greetings: server.greetings.iter().map(|greeting| Text(greeting)).collect(),
            software: software.map(|s| SoftwareFields { name: s.name, version: s.version.as_deref() }),
            capabilities: server.capabilities.iter().map(|capability| Text(capability)).collect(),
            help: server.help.name(),
            starttls: server.starttls.name(),
            first_seen,
            last_seen,
            findings: server.findings.iter().map(|((rule, check), n)| (format!("{rule}/{check}"), *n)).collect(),
        }
    }
}

#[derive(Serialize)]
#[serde(tag = "type", rename = "stats")]
pub(crate) struct StatsRecord {
    pub time: Stamp,
    pub packets: u64,
    pub bytes: u64,
    pub kernel_dropped: u64,
    pub interface_dropped: u64,
    pub last_packet: Option<Stamp>,
    pub connections: u64,
    pub open_connections: u64,
    pub sessions: u64,
    pub findings: BTreeMap<&'static str, BTreeMap<&'static str, u64>>,
    pub limits_hit: BTreeMap<&'static str, u64>,
    pub memory_bytes: u64,
}

impl StatsRecord {
    pub(crate) fn of(stats: &Stats, clock: &mut super::stamp::Clockwork) -> Self {
        StatsRecord {
            time: clock.stamp(stats.time),
            packets: stats.packets,
            bytes: stats.bytes,
            kernel_dropped: stats.kernel_dropped,
            interface_dropped: stats.interface_dropped,
            last_packet: stats.last_packet.map(|time| clock.stamp(time)),
            connections: stats.connections,
            open_connections: stats.open_connections,
            sessions: stats.sessions,
            findings: by_name(&stats.findings),
            limits_hit: named(&stats.limits_hit),
            memory_bytes: stats.memory_bytes,
        }
    }
}

#[derive(Serialize)]
#[serde(tag = "type", rename = "summary")]
pub(crate) struct SummaryRecord<'s> {
    pub captures: Vec<CaptureFields<'s>>,
    pub files_skipped: u64,
    /// Inputs that could not be read, or not to their end.
    pub problems: u64,
    pub packets: u64,
    pub bytes: u64,
    pub segments: u64,
    pub fragments: u64,
    pub first_time: Option<Stamp>,
    pub last_time: Option<Stamp>,
    pub duration_seconds: f64,
    pub connections: u64,
    pub sessions: u64,
    pub findings: BTreeMap<&'static str, BTreeMap<&'static str, u64>>,
    pub not_analysed: BTreeMap<&'static str, u64>,
    /// Where decoding first stopped for each reason.
    pub skipped: Vec<SkipFields<'s>>,
    pub limits_hit: BTreeMap<&'static str, u64>,
    pub capture_dropped: u64,
    pub time_backwards: u64,
    pub time_jumps: u64,
    pub internal_errors: u64,
}

#[derive(Serialize)]
pub(crate) struct CaptureFields<'s> {
    #[serde(serialize_with = "escaped")]
    pub path: &'s std::path::Path,
    pub packets: u64,
    pub first_time: Option<Stamp>,
    pub last_time: Option<Stamp>,
    pub truncated: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sha256: Option<String>,
}

fn escaped<S: Serializer>(path: &std::path::Path, serializer: S) -> Result<S::Ok, S::Error> {
    Text(path.as_os_str().as_encoded_bytes()).serialize(serializer)
}

#[derive(Serialize)]
pub(crate) struct SkipFields<'s> {
    pub reason: &'static str,
    pub packets: u64,
    /// The header at which the first of them stopped, and the octet of that packet.
    pub layer: String,
    pub offset: u32,
    pub capture: &'s str,
    pub frame: u64,
}

impl<'s> SummaryRecord<'s> {
    pub(crate) fn of(summary: &'s Summary, scene: &'s Scene, clock: &mut super::stamp::Clockwork) -> Self {
        let totals = &summary.totals;
        let captures = totals.captures.iter().map(|file| CaptureFields {
            path: &file.path,
            packets: file.packets,
            first_time: file.first_time.map(|time| clock.stamp(time)),
            last_time: file.last_time.map(|time| clock.stamp(time)),
            truncated: file.truncated,
            sha256: file.sha256.map(|hash| data_encoding::HEXLOWER.encode(&hash)),
        });
        let captures = captures.collect();
        let mut not_analysed = totals.skips.tally();
        not_analysed.merge(&totals.not_analysed);
        let skipped = totals.skips.iter().filter_map(|(reason, skipped)| {
            let (first, skip) = skipped.first?;
            let Place { capture, frame } = scene.places.of(first);
            let (packets, layer) = (skipped.packets, skip.layer.to_string());
            Some(SkipFields { reason: reason.key(), packets, layer, offset: skip.offset, capture, frame })
        });
        SummaryRecord {
            captures,
            files_skipped: totals.files_skipped,
            problems: totals.problems,
            packets: totals.packets,
            bytes: totals.bytes,
            segments: totals.segments,
            fragments: totals.fragments,
            first_time: totals.first_time.map(|time| clock.stamp(time)),
            last_time: totals.last_time.map(|time| clock.stamp(time)),
            duration_seconds: duration(summary),
            connections: totals.connections,
            sessions: summary.sessions,
            findings: by_name(&summary.findings),
            not_analysed: named(&not_analysed),
            skipped: skipped.collect(),
            limits_hit: named(&totals.limits_hit),
            capture_dropped: totals.capture_dropped,
            time_backwards: totals.time_backwards,
            time_jumps: totals.time_jumps,
            internal_errors: totals.internal_errors,
        }
    }
}

/// Seconds between the first and the last time; nanoseconds fit an `f64` exactly for the first hundred days.
#[expect(clippy::cast_precision_loss, reason = "a duration for people; the two times beside it are exact")]
fn duration(summary: &Summary) -> f64 {
    match (summary.totals.first_time, summary.totals.last_time) {
        (Some(first), Some(last)) => last.since(first) as f64 / 1e9,
        _ => 0.0,
    }
}

fn by_name(findings: &FindingCounts) -> BTreeMap<&'static str, BTreeMap<&'static str, u64>> {
    let severities = |counts: &BTreeMap<_, u64>| {
        counts.iter().map(|(severity, count): (&crate::rules::Severity, _)| (severity.name(), *count)).collect()
    };
    findings.iter().map(|(rule, counts)| (*rule, severities(counts))).collect()
}

fn named(tally: &Tally) -> BTreeMap<&'static str, u64> {
    tally.iter().collect()
}

/// The first line: what this is, and the options that change results.
#[derive(Serialize)]
#[serde(tag = "type", rename = "start")]
pub(crate) struct StartRecord<'o> {
    pub mailtap: &'static str,
    pub format: u32,
    pub command: &'static str,
    pub options: &'o BTreeMap<&'static str, serde_json::Value>,
}
