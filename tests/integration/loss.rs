//! What the capture missed: each data segment in turn, the beginning, a whole direction. The session tells how many
//! bytes are missing, and no finding arises that the missing bytes could explain.

use std::collections::BTreeMap;
use std::fs;

use serde_json::Value;
use synth::exchange::{Control, Segment, exchange};
use synth::{Cut, Dialogue, LinkType, Plan, Side, frame, pcap};

use crate::invariance::scan;
use crate::{dialogues, support};

/// Findings that a part of a capture gives and the whole does not, and that are true all the same: the dialogue, the
/// check, why.
const TRUE_ALL_THE_SAME: &[(&str, &str, &str)] = &[
    ("answered-once", "help-exposed/answered", "told of the second session where the first one is not heard"),
    ("advertised-refused", "help-exposed/advertised", "HELP was refused, but neither it nor the refusal is heard"),
    ("refused-early", "bad-greeting/refused", "low instead of info: that the client spoke early is not heard"),
    ("starttls-lost-segment", "help-exposed/answered", "without the STARTTLS it is a conversation like any other"),
];

/// Findings that are not true, because what would tell so does not reach the rule yet.
const NOT_TRUE: &[(&str, &str, &str)] = &[
    (
        "none-unacknowledged",
        "bad-greeting/unexpected-code",
        "nobody acknowledges anything, so nothing tells of the loss",
    ),
    (
        "early-talk-unacknowledged",
        "non-compliant/unadvertised-pipelining",
        "nobody acknowledges anything, so nothing tells of the loss",
    ),
    (
        "lf-line-end-crlf-only",
        "non-compliant/unadvertised-pipelining",
        "the line end is chosen by replies before the loss shows",
    ),
    ("greeting-cut-short", "bad-greeting/inconsistent", "only what the first line's sender knew is told of a reply"),
    ("inconsistent-cut", "bad-greeting/inconsistent", "only what the first line's sender knew is told of a reply"),
    ("answered-in-auth", "help-exposed/answered", "a line of AUTH whose 334 was lost is read as a command"),
];

fn plans() -> [(&'static str, Plan); 3] {
    [
        ("writes", Plan::new()),
        ("lines", Plan::new().cut(Cut::Lines).pace(300_000_000)),
        ("pieces", Plan::new().mss(7).pace(40_000_000)),
    ]
}

/// A capture of which a part is missing.
struct Part {
    /// What is missing.
    name: String,
    segments: Vec<Segment>,
    /// How many bytes more than in the whole the session must tell to be missing; `None` where that cannot be known.
    missing: Option<u64>,
}

/// From the least to the most severe.
const SEVERITIES: [&str; 5] = ["info", "low", "medium", "high", "critical"];

/// How often each check was found, by the client's port; `severities` are those as which a finding counts.
fn findings(records: &[Value], severities: impl Fn(&str) -> Vec<String>) -> BTreeMap<String, usize> {
    let mut found = BTreeMap::new();
    for finding in support::of_type(records, "finding") {
        let text = |field: &str| finding[field].as_str().unwrap();
        for severity in severities(text("severity")) {
            let name = format!("{} {}/{} {severity}", finding["client"]["port"], text("rule"), text("check"));
            *found.entry(name).or_default() += 1;
        }
    }
    found
}

/// A severity and those below it: where a part tells less severely what the whole tells, nothing is wrong with it.
fn and_below(severity: &str) -> Vec<String> {
    let below = SEVERITIES.iter().take_while(|below| **below != severity).chain([&severity]);
    below.map(ToString::to_string).collect()
}

fn missing(records: &[Value]) -> u64 {
    let of_session = |session: &&Value| -> u64 {
        ["client", "server"].iter().map(|side| session["missing_bytes"][side].as_u64().unwrap()).sum()
    };
    support::of_type(records, "session").iter().map(of_session).sum()
}

/// Scans every part of every dialogue beside the whole, and tells what must not be.
fn compare(parts: impl Fn(&Dialogue, &[Segment]) -> Vec<Part>) {
    let mut all = dialogues::below("session");
    all.extend(dialogues::below("rules"));
    let (mut wrong, mut compared) = (Vec::new(), 0);
    for (plan_name, plan) in plans() {
        let folder = tempfile::tempdir().unwrap();
        let put = |name: String, dialogue: &Dialogue, segments: &[Segment]| {
            let path = folder.path().join(format!("{name}.pcap"));
            let packets = frame::frame(dialogue, segments, &plan);
            fs::write(&path, pcap::bytes(&packets, LinkType::Ethernet, pcap::Format::default())).unwrap();
            path.to_str().unwrap().to_owned()
        };
        let mut groups = Vec::new();
        for (number, (path, dialogue)) in all.iter().enumerate() {
            let mut segments = exchange(dialogue, &plan).segments;
            segments.retain(|segment| segment.captured);
            let whole = put(format!("{number}"), dialogue, &segments);
            for (part_number, part) in parts(dialogue, &segments).into_iter().enumerate() {
                let file = put(format!("{number}-{part_number}"), dialogue, &part.segments);
                groups.push((path, whole.clone(), file, part));
            }
        }
        let given = support::by_capture(&scan(&["--separate", "--port", "25,465,587"], &[folder.path()]));
        let records = |path: &str| given.get(path).map(|lines| support::records(&lines.join("\n"))).unwrap_or_default();
        for (path, whole, file, part) in groups {
            let (whole, records) = (records(&whole), records(&file));
            let found = findings(&whole, and_below);
            let stem = path.file_stem().unwrap().to_string_lossy();
            let allowed = |name: &str| {
                TRUE_ALL_THE_SAME
                    .iter()
                    .chain(NOT_TRUE)
                    .any(|(dialogue, check, _)| stem.starts_with(dialogue) && name.contains(check))
            };
            for (name, count) in findings(&records, |severity| vec![severity.to_owned()]) {
                if count > found.get(&name).copied().unwrap_or(0) && !allowed(&name) {
                    wrong.push(format!("{} ({plan_name}) without {}: {name}", path.display(), part.name));
                }
            }
            let expected = part.missing.map(|more| missing(&whole) + more);
            if expected.is_some_and(|expected| missing(&records) != expected) {
                let told = missing(&records);
                wrong.push(format!(
                    "{} ({plan_name}) without {}: {told} missing, not {expected:?}",
                    path.display(),
                    part.name
                ));
            }
            compared += 1;
        }
    }
    assert!(compared > 500 && wrong.is_empty(), "{} differences of {compared}\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn one_lost_segment_is_told_and_gives_no_finding_of_its_own() {
    compare(|dialogue, segments| {
        let data = |segment: &Segment| segment.offset.is_some() && segment.control == Control::None;
        let lost = (0..segments.len()).filter(|&at| data(&segments[at]));
        lost.map(|at| {
            let mut kept = segments.to_vec();
            let gone = kept.remove(at);
            let connection = &dialogue.connections[gone.connection];
            let own = |other: &&Segment| (other.connection, other.side) == (gone.connection, gone.side);
            let beyond =
                kept.iter().filter(own).any(|other| other.offset > gone.offset || other.control == Control::Fin);
            let known = !connection.midway && connection.captured == [true; 2];
            let missing = if beyond { gone.payload.len() as u64 } else { 0 };
            let name = format!("{:?}: {:?}", gone.side, String::from_utf8_lossy(&gone.payload));
            Part { name, segments: kept, missing: known.then_some(missing) }
        })
        .collect()
    });
}

#[test]
fn a_capture_that_begins_midway_gives_no_finding_of_its_own() {
    compare(|_, segments| {
        let from = 1..segments.len();
        from.map(|at| Part { name: format!("its first {at}"), segments: segments[at..].to_vec(), missing: None })
            .collect()
    });
}

#[test]
fn one_direction_alone_gives_no_finding_of_its_own() {
    compare(|_, segments| {
        let without = Side::BOTH.map(|side| {
            let segments = segments.iter().filter(|segment| segment.side != side).cloned().collect();
            Part { name: format!("the {side:?}"), segments, missing: None }
        });
        without.into_iter().filter(|part| !part.segments.is_empty()).collect()
    });
}
