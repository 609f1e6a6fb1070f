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
    let filter = |capture| frames.get(capture).map(|frames| (capture, filters::frames(frames.iter().copied())));
    order.into_iter().filter_map(filter).collect()
}

/// All packets between its two ends.
pub(super) fn of_session(session: &Session) -> String {
    filters::session(session.client, &session.server)
}
