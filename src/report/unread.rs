//! What a scan did not analyse, as rows: how much of what, why, where it began, and what to do about it. Packets by how many, then
//! bytes, sessions and files.

use crate::ledger::elsewhere::Line;
use crate::record::Summary;

use super::figures::{count, counted};
use super::meaning::{self, Unit};

/// One reason.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Row {
    /// How many of it.
    pub count: u64,
    /// What is counted, in its number: `packets`.
    pub unit: &'static str,
    /// Why they were not analysed.
    pub what: String,
    /// The first of them: a capture and a frame.
    pub first: Option<(String, u64)>,
    /// What to do about it; empty where there is nothing.
    pub advice: String,
}

impl Row {
    fn new(count: u64, (one, many): (&'static str, &'static str), what: impl Into<String>) -> Self {
        Row { count, unit: if count == 1 { one } else { many }, what: what.into(), first: None, advice: String::new() }
    }

    fn advice(self, advice: impl Into<String>) -> Self {
        Row { advice: advice.into(), ..self }
    }

    /// How much of what: `200 packets`.
    pub(crate) fn amount(&self) -> String {
        format!("{} {}", count(self.count), self.unit)
    }
}

const PACKETS: (&str, &str) = ("packet", "packets");
const BYTES: (&str, &str) = ("byte", "bytes");
const SESSIONS: (&str, &str) = ("session", "sessions");
const FILES: (&str, &str) = ("file", "files");
const TIMES: (&str, &str) = ("time", "times");

/// How many packets were not analysed.
pub(crate) fn packets(summary: &Summary) -> u64 {
    let packets = summary.not_analysed.iter().filter(|(name, _)| meaning::of(name).unit == Unit::Packets);
    packets.map(|(_, count)| *count).fold(0, u64::saturating_add)
}

/// Every reason; `notices_ports`: the kernel passed SMTP on other ports too.
pub(crate) fn rows(summary: &Summary, notices_ports: bool) -> Vec<Row> {
    let mut rows = Vec::new();
    for (name, &count) in &summary.not_analysed {
        let meaning = meaning::of(name);
        let unit = if meaning.unit == Unit::Packets { PACKETS } else { BYTES };
        let first = summary.skipped.iter().find(|skipped| skipped.reason == *name);
        let first = first.map(|skipped| (skipped.capture.to_string(), skipped.frame));
        rows.push((unit, Row { first, ..Row::new(count, unit, meaning.what).advice(meaning.advice) }));
    }
    rows.sort_by_key(|(unit, row)| (*unit != PACKETS, std::cmp::Reverse(row.count)));
    let mut rows: Vec<Row> = rows.into_iter().map(|(_, row)| row).collect();
    let mut add = |row: Row| rows.extend(Some(row).filter(|row| row.count > 0));
    add(Row::new(summary.capture_dropped, PACKETS, "dropped while they were captured")
        .advice("Give the capture a larger buffer or a filter for the mail ports."));
    if let Some(packets) = summary.filtered_out {
        let row = Row::new(packets, PACKETS, "held back by the kernel's filter");
        add(if notices_ports { row } else { row.advice("With --notice-ports, SMTP on other ports is noticed.") });
    }
    add(Row::new(summary.encrypted_sessions, SESSIONS, "switched to TLS: only what came before was read"));
    add(Row::new(summary.internal_errors, SESSIONS, "given up because of a bug in mailtap"));
    for capture in summary.captures.iter().filter(|capture| capture.truncated) {
        add(Row::new(1, FILES, format!("{} ends inside a packet", capture.path)));
    }
    add(Row::new(summary.problems, FILES, "could not be read, or not to the end: see the messages"));
    add(Row::new(summary.files_skipped, FILES, "not a capture").advice("-v lists them."));
    for (name, &times) in &summary.limits_hit {
        let is_flag = crate::base::Limit::ALL.iter().any(|bound| bound.key == name);
        let flag = format!("--max-{}", name.replace('_', "-"));
        let row = Row::new(times, TIMES, format!("the limit {} was reached", name.replace('_', " ")));
        add(if is_flag { row.advice(format!("Raise it with {flag}.")) } else { row });
    }
    rows
}

/// SMTP on ports that were not analysed, with what to do.
pub(crate) fn elsewhere(summary: &Summary) -> Option<String> {
    let ports = &summary.smtp_on_other_ports;
    (!ports.is_empty()).then(|| format!("SMTP was seen on {}; take it in with --port.", Line(ports)))
}

/// What the captures' clock did.
pub(crate) fn clock(summary: &Summary) -> Option<String> {
    let back = (summary.time_backwards > 0)
        .then(|| counted(summary.time_backwards, "packet is earlier than the one before", "packets are earlier than the ones before"));
    let ahead = (summary.time_jumps > 0)
        .then(|| counted(summary.time_jumps, "jump of more than an hour", "jumps of more than an hour"));
    match (back, ahead) {
        (None, None) => None,
        (one, other) => Some([one, other].into_iter().flatten().collect::<Vec<_>>().join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::{Record, testing};

    #[test]
    fn packets_come_first_each_kind_in_its_own_unit() {
        let Record::Summary(mut summary) = testing::summary() else { unreachable!("a summary's record") };
        summary.not_analysed = [("missing-bytes", 9000), ("not-ip", 2), ("other-port", 200)]
            .map(|(name, count)| (name.into(), count))
            .into();
        summary.encrypted_sessions = 1;
        summary.problems = 2;
        let rows = rows(&summary, false);
        let amounts: Vec<String> = rows.iter().take(4).map(Row::amount).collect();
        assert_eq!(amounts[..3], ["200 packets", "2 packets", "9,000 bytes"]);
        assert_eq!(packets(&summary), 202);
        assert!(rows.iter().any(|row| row.amount() == "1 session"), "{rows:?}");
        assert!(rows.iter().any(|row| row.amount() == "2 files"), "{rows:?}");
    }
}
