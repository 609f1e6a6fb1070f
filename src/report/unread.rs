//! What a scan did not analyse, as rows: how much of what, why, where it began, and what to do about it. Packets by how many, then
//! bytes, sessions and files.

use std::cmp::Reverse;

use crate::base::Limit;
use crate::base::meaning::{Meaning, Unit};
use crate::ledger::elsewhere::Line;
use crate::record::Summary;

use super::figures::counted;
use super::meaning;

/// One reason.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Row {
    /// How many of it.
    pub count: u64,
    /// What is counted.
    pub unit: Unit,
    /// Why they were not analysed.
    pub what: String,
    /// The first of them: a capture and a frame.
    pub first: Option<(String, u64)>,
    /// What to do about it.
    pub advice: Option<String>,
}

impl Row {
    fn new(count: u64, Meaning { unit, what, advice, .. }: Meaning) -> Self {
        Row { count, unit, what: what.to_owned(), first: None, advice: advice.map(str::to_owned) }
    }

    fn said(count: u64, unit: Unit, what: String, advice: Option<String>) -> Self {
        Row { count, unit, what, first: None, advice }
    }
}

/// How many packets were not analysed.
pub(crate) fn packets(summary: &Summary) -> u64 {
    let packets = summary.not_analysed.iter().filter(|(name, _)| meaning::of(name).unit == Unit::Packets);
    packets.map(|(_, count)| *count).fold(0, u64::saturating_add)
}

/// Every reason; `notices_ports`: the kernel passed SMTP on other ports too.
pub(crate) fn rows(summary: &Summary, notices_ports: bool) -> Vec<Row> {
    let mut rows: Vec<Row> = summary
        .not_analysed
        .iter()
        .map(|(name, &count)| {
            let first = summary.skipped.iter().find(|skipped| skipped.reason == *name);
            let first = first.map(|skipped| (skipped.capture.to_string(), skipped.frame));
            Row { first, ..Row::new(count, meaning::of(name)) }
        })
        .collect();
    // Whoever knows that none of them is mail needs no advice.
    if summary.smtp_on_other_ports.is_empty()
        && let Some(at) = summary.not_analysed.keys().position(|name| name == "other-port")
        && let Some(row) = rows.get_mut(at)
    {
        row.what.push_str(", none of it SMTP as far as can be seen");
        row.advice = None;
    }
    rows.sort_by_key(|row| (row.unit != Unit::Packets, Reverse(row.count)));
    rows.push(Row::new(summary.capture_dropped, meaning::CAPTURE_DROPPED));
    let other_ports = (!notices_ports).then(|| "--notice-ports notices SMTP on other ports.".to_owned());
    let filtered = Row::new(summary.filtered_out.unwrap_or(0), meaning::FILTERED_OUT);
    rows.push(Row { advice: other_ports, ..filtered });
    rows.push(Row::new(summary.encrypted_sessions, meaning::ENCRYPTED));
    rows.push(Row::new(summary.internal_errors, meaning::INTERNAL_ERRORS));
    let truncated = summary.captures.iter().filter(|capture| capture.truncated);
    rows.extend(truncated.map(|file| Row::said(1, Unit::Files, format!("{} ends inside a packet", file.path), None)));
    rows.push(Row::new(summary.problems, meaning::PROBLEMS));
    rows.push(Row::new(summary.files_skipped, meaning::FILES_SKIPPED));
    rows.extend(summary.limits_hit.iter().map(|(name, &times)| {
        let is_flag = Limit::ALL.iter().any(|bound| bound.key == name);
        let raise = is_flag.then(|| format!("Raise it with --max-{}.", name.replace('_', "-")));
        Row::said(times, Unit::Times, format!("the limit on {} was reached", name.replace('_', " ")), raise)
    }));
    rows.retain(|row| row.count > 0);
    rows
}

/// SMTP on ports that were not analysed, with what to do.
pub(crate) fn elsewhere(summary: &Summary) -> Option<String> {
    let ports = &summary.smtp_on_other_ports;
    (!ports.is_empty()).then(|| format!("SMTP was seen on {}; analyse it with --port.", Line(ports)))
}

/// What the captures' clock did.
pub(crate) fn clock(summary: &Summary) -> Option<String> {
    let back = (summary.time_backwards > 0).then(|| {
        counted(
            summary.time_backwards,
            "packet is earlier than the one before",
            "packets are earlier than the ones before",
        )
    });
    let ahead = (summary.time_jumps > 0).then(|| {
        counted(
            summary.time_jumps,
            "step of more than an hour between packets",
            "steps of more than an hour between packets",
        )
    });
    match (back, ahead) {
        (None, None) => None,
        (one, other) => {
            let both = [one, other].into_iter().flatten().collect::<Vec<_>>().join(", ");
            Some(format!("Clock: {both}"))
        }
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
        let amounts: Vec<_> = rows.iter().map(|row| (row.count, row.unit)).collect();
        assert_eq!(amounts[..3], [(200, Unit::Packets), (2, Unit::Packets), (9000, Unit::Bytes)]);
        assert!(amounts.contains(&(1, Unit::Sessions)) && amounts.contains(&(2, Unit::Files)), "{rows:?}");
        assert_eq!(packets(&summary), 202);
    }
}
