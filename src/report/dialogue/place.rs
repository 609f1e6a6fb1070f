//! Where the findings of a session belong in its dialogue: at the event that they name; without one at what their packets carry.

use std::collections::BTreeMap;

use crate::record::{Finding, Proof};

use super::model::{Dialogue, Entry, Mark, What};

/// Puts the findings at their entries, and counts those that were not reported.
pub(super) fn place(dialogue: &mut Dialogue, findings: Vec<Finding>) {
    let mut reported: BTreeMap<String, u64> = BTreeMap::new();
    for finding in findings {
        let count = reported.entry(format!("{}/{}", finding.rule, finding.check)).or_default();
        *count = count.saturating_add(1);
        match of(&dialogue.entries, &finding) {
            Some((at, is_exact)) => {
                if let Some(entry) = dialogue.entries.get_mut(at) {
                    entry.marks.push(Mark { finding, is_exact });
                }
            }
            None => dialogue.others.push(finding),
        }
    }
    // What was found first stands first among those that are as bad.
    for entry in &mut dialogue.entries {
        entry.marks.sort_by_key(|mark| std::cmp::Reverse(mark.finding.severity));
    }
    dialogue.others.sort_by_key(|finding| std::cmp::Reverse(finding.severity));
    let more = |(check, fired): (&String, &u64)| {
        let more = fired.saturating_sub(reported.get(check).copied().unwrap_or(0));
        (more > 0).then(|| (check.clone(), more))
    };
    dialogue.unreported = dialogue.session.findings.iter().filter_map(more).collect();
}

/// The place of a finding's entry, and whether it is about that very one.
fn of(entries: &[Entry], finding: &Finding) -> Option<(usize, bool)> {
    if let Some(event) = finding.event {
        let exact = entries.iter().position(|entry| entry.events.1 == event);
        let within = || entries.iter().position(|entry| (entry.events.0..=entry.events.1).contains(&event));
        if let Some(at) = exact.or_else(within) {
            return Some((at, true));
        }
    }
    let carries = |entry: &Entry| {
        let is_one = |packet: &crate::record::Frame| packet.frame == entry.frame && packet.capture == entry.capture;
        !matches!(entry.what, What::LeftOut(_)) && finding.packets.iter().any(is_one)
    };
    let of_data = matches!(finding.evidence.get("place"), Some(Proof::Text(place)) if place == "data");
    let is_message = |entry: &Entry| matches!(entry.what, What::Message(_));
    if of_data && let Some(at) = entries.iter().position(|entry| is_message(entry) && carries(entry)) {
        return Some((at, true));
    }
    let mut places = entries.iter().enumerate().filter(|(_, entry)| carries(entry)).map(|(at, _)| at);
    let first = places.next()?;
    Some((first, places.next().is_none()))
}
