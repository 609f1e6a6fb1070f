//! What the capture missed: each data segment in turn, the beginning, a whole direction. The session tells how many
//! bytes are missing, and no finding arises that the whole capture does not give.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;
use synth::exchange::{Control, Segment, exchange};
use synth::{Cut, Dialogue, LinkType, Plan, frame, pcap};

use crate::invariance::scan;
use crate::{dialogues, support};

/// A scan of these segments.
fn scanned(dialogue: &Dialogue, segments: &[Segment], plan: &Plan, scratch: &Path) -> Vec<Value> {
    let packets = frame::frame(dialogue, segments, plan);
    fs::write(scratch, pcap::bytes(&packets, LinkType::Ethernet, pcap::Format::default())).unwrap();
    support::records(&scan(&["--port", "25,465,587"], &[scratch]))
}

/// How often each check was found, by the client's port.
fn findings(records: &[Value]) -> BTreeMap<String, usize> {
    let mut found = BTreeMap::new();
    for finding in support::of_type(records, "finding") {
        let name =
            format!("{} {}/{} {}", finding["client"]["port"], finding["rule"], finding["check"], finding["severity"]);
        *found.entry(name).or_default() += 1;
    }
    found
}

/// What was found beside what the whole capture gives.
fn more(whole: &BTreeMap<String, usize>, part: &[Value]) -> Vec<String> {
    let beyond = |(name, count): &(String, usize)| *count > whole.get(name).copied().unwrap_or(0);
    findings(part).into_iter().filter(beyond).map(|(name, _)| name).collect()
}

fn missing(records: &[Value]) -> u64 {
    let of_session = |session: &&Value| -> u64 {
        ["client", "server"].iter().map(|side| session["missing_bytes"][side].as_u64().unwrap()).sum()
    };
    support::of_type(records, "session").iter().map(of_session).sum()
}

fn plans() -> Vec<(&'static str, Plan)> {
    vec![
        ("writes", Plan::new()),
        ("lines", Plan::new().cut(Cut::Lines).pace(300_000_000)),
        ("pieces", Plan::new().mss(7).pace(40_000_000)),
    ]
}

fn all() -> Vec<(PathBuf, Dialogue)> {
    let mut all = dialogues::below("session");
    all.extend(dialogues::below("rules"));
    all
}

/// Runs a check over every dialogue, on as many threads as there are cores.
fn over_all(check: impl Fn(&Path, &Dialogue, &Path) -> Vec<String> + Sync) {
    use rayon::prelude::*;
    let folder = tempfile::tempdir().unwrap();
    let wrong: Vec<String> = all()
        .par_iter()
        .enumerate()
        .flat_map_iter(|(number, (path, dialogue))| {
            let scratch = folder.path().join(format!("{number}.pcap"));
            check(path, dialogue, &scratch)
        })
        .collect();
    assert!(wrong.is_empty(), "{} differences\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn one_lost_segment_is_told_and_gives_no_finding_of_its_own() {
    over_all(|path, dialogue, scratch| {
        let mut wrong = Vec::new();
        for (name, plan) in plans() {
            let segments: Vec<Segment> =
                exchange(dialogue, &plan).segments.into_iter().filter(|segment| segment.captured).collect();
            let whole = scanned(dialogue, &segments, &plan, scratch);
            let (found, missed) = (findings(&whole), missing(&whole));
            let data = |segment: &Segment| segment.offset.is_some() && segment.control == Control::None;
            for lost in (0..segments.len()).filter(|&at| data(&segments[at])) {
                let mut kept = segments.clone();
                let gone = kept.remove(lost);
                let records = scanned(dialogue, &kept, &plan, scratch);
                let at = format!(
                    "{} ({name}), {:?} {:?}",
                    path.display(),
                    gone.side,
                    String::from_utf8_lossy(&gone.payload)
                );
                let more = more(&found, &records);
                if !more.is_empty() {
                    wrong.push(format!("{at}: found {more:?}"));
                }
                let beyond = kept.iter().any(|other| {
                    (other.connection, other.side) == (gone.connection, gone.side)
                        && (other.offset > gone.offset || other.control == Control::Fin)
                });
                let expected = missed + if beyond { gone.payload.len() as u64 } else { 0 };
                if missing(&records) != expected {
                    wrong.push(format!("{at}: {} bytes are missing, not {expected}", missing(&records)));
                }
            }
        }
        wrong
    });
}

#[test]
fn a_capture_that_begins_midway_gives_no_finding_of_its_own() {
    over_all(|path, dialogue, scratch| {
        let mut wrong = Vec::new();
        for (name, plan) in plans() {
            let segments: Vec<Segment> =
                exchange(dialogue, &plan).segments.into_iter().filter(|segment| segment.captured).collect();
            let found = findings(&scanned(dialogue, &segments, &plan, scratch));
            for from in 1..segments.len() {
                let records = scanned(dialogue, &segments[from..], &plan, scratch);
                let more = more(&found, &records);
                if !more.is_empty() {
                    wrong.push(format!("{} ({name}) from {from}: found {more:?}", path.display()));
                }
            }
        }
        wrong
    });
}

#[test]
fn one_direction_alone_gives_no_finding_of_its_own() {
    over_all(|path, dialogue, scratch| {
        let mut wrong = Vec::new();
        for (name, plan) in plans() {
            let segments: Vec<Segment> =
                exchange(dialogue, &plan).segments.into_iter().filter(|segment| segment.captured).collect();
            let found = findings(&scanned(dialogue, &segments, &plan, scratch));
            for side in synth::Side::BOTH {
                let kept: Vec<Segment> = segments.iter().filter(|segment| segment.side == side).cloned().collect();
                if kept.is_empty() {
                    continue;
                }
                let more = more(&found, &scanned(dialogue, &kept, &plan, scratch));
                if !more.is_empty() {
                    wrong.push(format!("{} ({name}) {side:?} alone: found {more:?}", path.display()));
                }
            }
        }
        wrong
    });
}
