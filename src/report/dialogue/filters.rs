//! Display filters for Wireshark: exactly the frames that carry the findings, and the whole session.

use std::collections::{BTreeMap, BTreeSet};

use crate::record::Session;
use crate::report::filters;

use super::model::Dialogue;

/// For each capture with packets of findings, in the order of the findings: its name, and a filter of these frames.
pub(super) fn of_findings(dialogue: &Dialogue) -> Vec<(&str, String)> {
    let mut order: Vec<&str> = Vec::new();
    let mut frames: BTreeMap<&str, BTreeSet<u64>> = BTreeMap::new();
    for packet in dialogue.findings().flat_map(|finding| &finding.packets) {
        let of_capture = frames.entry(&packet.capture).or_insert_with(|| {
            order.push(&packet.capture);
            BTreeSet::new()
        });
        of_capture.insert(packet.frame);
    }
    let filter = |capture| frames.get(capture).map(|frames| (capture, of_frames(frames)));
    order.into_iter().filter_map(filter).collect()
}

/// `frame.number == 8`, `frame.number in {8, 10, 12..19}`.
fn of_frames(frames: &BTreeSet<u64>) -> String {
    let mut runs: Vec<(u64, u64)> = Vec::new();
    for &frame in frames {
        match runs.last_mut() {
            Some((_, last)) if last.checked_add(1) == Some(frame) => *last = frame,
            _ => runs.push((frame, frame)),
        }
    }
    let mut numbers = Vec::new();
    for (first, last) in runs {
        match last.saturating_sub(first) {
            0 => numbers.push(first.to_string()),
            1 => numbers.extend([first.to_string(), last.to_string()]),
            _ => numbers.push(format!("{first}..{last}")),
        }
    }
    match numbers.as_slice() {
        [one] if !one.contains('.') => format!("frame.number == {one}"),
        _ => format!("frame.number in {{{}}}", numbers.join(", ")),
    }
}

/// All packets between its two ends.
pub(super) fn of_session(session: &Session) -> String {
    filters::session(session.client, &session.server)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_that_follow_each_other_are_a_range() {
        let filter = |frames: &[u64]| of_frames(&frames.iter().copied().collect());
        assert_eq!(filter(&[8]), "frame.number == 8");
        assert_eq!(filter(&[8, 9]), "frame.number in {8, 9}");
        assert_eq!(filter(&[3, 12, 10, 11, 14]), "frame.number in {3, 10..12, 14}");
        assert_eq!(filter(&[10, 11, 12]), "frame.number in {10..12}");
    }
}
