//! A direction that is captured seconds late: longer than what acknowledges it waits for it.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use synth::exchange::{Segment, exchange};
use synth::perturb::perturb;
use synth::{Dialogue, LinkType, Plan, Side, frame, pcap};

use crate::invariance::{per_side, scan};
use crate::{dialogues, mirror, support};

const MILLISECOND: u64 = 1_000_000;
/// Milliseconds from one packet to the next.
const PACES: [u64; 4] = [1, 100, 450, 900];

/// What comes late of a side, and how.
#[derive(Clone, Copy, Debug)]
enum Late {
    /// Each of its packets.
    Always,
    /// Each from its data segment of that number on.
    From(usize),
    /// The direction stands still at that segment, and then what stood comes at once.
    Stalled(usize),
    /// That segment alone.
    Only(usize),
}

/// The dialogue's capture with packets of a side late by so many nanoseconds.
fn capture(dialogue: &Dialogue, plan: &Plan, side: Side, late: Late, by: u64) -> Vec<u8> {
    let mut segments = perturb(exchange(dialogue, plan).segments, plan);
    let of_side = |segment: &Segment| segment.side == side;
    let nth = |nth: usize| {
        let data = |segment: &&Segment| of_side(segment) && segment.offset.is_some() && !segment.payload.is_empty();
        segments.iter().filter(data).nth(nth).map(|segment| segment.time)
    };
    let (from, until) = match late {
        Late::Always => (Some(0), u64::MAX),
        Late::From(place) | Late::Stalled(place) => (nth(place), u64::MAX),
        Late::Only(place) => (nth(place), nth(place).unwrap_or(0)),
    };
    let from = from.unwrap_or(u64::MAX);
    for segment in segments.iter_mut().filter(|segment| of_side(segment)) {
        if (from..=until).contains(&segment.time) {
            segment.time = match late {
                Late::Stalled(_) => segment.time.max(from + by),
                _ => segment.time + by,
            };
        }
    }
    segments.sort_by_key(|segment| segment.time);
    pcap::bytes(&frame::frame(dialogue, &segments, plan), LinkType::Ethernet, pcap::Format::default())
}

/// Findings that are as true, or as open, as with any other missing bytes: HELP is on offer though its refusal is not
/// matched, a line of an exchange is told from a command by a reply, what is not offered depends on who spoke first.
const OTHERWISE: [&str; 3] = ["advertised-refused", "answered-in-auth", "nul-in-proxy-header"];
/// Not as it should be: who speaks is told by a reply that is late; a line has no end but what is late acknowledges it;
/// that a chunk was swallowed, or a handshake refused in clear, is told by replies of which the client's bytes are late.
const OPEN: [&str; 5] = ["turn", "atrn", "line-without-end", "nul-in-chunk.silent", "nul-in-tls.silent"];

/// Every dialogue of testdata under some of these ways of being so late: each capture on time, and those to
/// compare with it, by what they are. They lie in the folder.
fn groups(folder: &Path, ways: &[Late], by: u64) -> Vec<(String, Vec<(String, String)>)> {
    /// Of all ways, one in so many.
    const EACH: usize = 23;
    let mut dialogues = dialogues::below("session");
    dialogues.extend(dialogues::below("rules"));
    dialogues.retain(|(path, dialogue)| {
        let name = path.file_stem().unwrap().to_string_lossy();
        let known = OTHERWISE.iter().chain(&OPEN).any(|known| name.starts_with(known));
        mirror::is_whole(dialogue) && !mirror::is_by_packet_order(path) && !known
    });
    let put = |name: String, bytes: Vec<u8>| {
        let path = folder.join(name);
        fs::write(&path, bytes).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let mut groups = Vec::new();
    let mut turn = 0;
    for (place, dialogue) in &dialogues {
        for pace in PACES {
            let plan = Plan::new().pace(pace * MILLISECOND);
            let mut late = Vec::new();
            for (side, way) in Side::BOTH.into_iter().flat_map(|side| ways.iter().map(move |way| (side, *way))) {
                turn += 1;
                if turn % EACH == 0 {
                    let what = format!("{}: {side:?} {way:?}, {pace} ms", place.display());
                    late.push((what, put(format!("{turn}.pcap"), capture(dialogue, &plan, side, way, by))));
                }
            }
            let on_time = put(format!("{turn}-on-time.pcap"), synth::render(dialogue, &plan).pcap());
            groups.push((on_time, late));
        }
    }
    groups
}

/// The findings of a capture: rule and check.
fn findings(lines: &[String]) -> BTreeSet<String> {
    let records = support::records(&lines.join("\n"));
    let findings = records.iter().filter(|record| record["type"] == "finding");
    findings.map(|finding| format!("{}/{}", finding["rule"], finding["check"])).collect()
}

/// What differs, by the given test, between the captures on time and those that are late.
fn differences(ways: &[Late], by: u64, differ: impl Fn(&[String], &[String]) -> Option<String>) -> Vec<String> {
    let folder = tempfile::tempdir().unwrap();
    let groups = groups(folder.path(), ways, by);
    let given = support::by_capture(&scan(&["--separate", "--port", "25,465,587"], &[folder.path()]));
    let of = |path: &String| given.get(path).map(Vec::as_slice).unwrap_or_default();
    let all = groups.iter().flat_map(|(on_time, late)| late.iter().map(move |late| (on_time, late)));
    all.filter_map(|(on_time, (what, path))| Some(format!("{what}: {}", differ(of(on_time), of(path))?))).collect()
}

#[test]
fn what_is_later_than_anything_waits_gives_no_finding_of_its_own() {
    let parts = (0..8).flat_map(|nth| [Late::From(nth), Late::Stalled(nth), Late::Only(nth)]);
    let ways: Vec<Late> = [Late::Always].into_iter().chain(parts).collect();
    let wrong = differences(&ways, 3000 * MILLISECOND, |on_time, late| {
        let more: Vec<String> = findings(late).difference(&findings(on_time)).cloned().collect();
        (!more.is_empty()).then(|| more.join(", "))
    });
    assert!(wrong.is_empty(), "{} give more\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn what_is_less_than_a_second_late_changes_nothing() {
    // A segment alone may count as lost before: sixteen packets behind its acknowledgement.
    let parts = (0..8).flat_map(|nth| [Late::From(nth), Late::Stalled(nth)]);
    let ways: Vec<Late> = [Late::Always].into_iter().chain(parts).collect();
    let wrong = differences(&ways, 900 * MILLISECOND, |on_time, late| {
        let (on_time, late) = (per_side(&on_time.join("\n")), per_side(&late.join("\n")));
        let mut lines = on_time.lines().map(Some).chain([None]).zip(late.lines().map(Some).chain([None]));
        lines.find(|(left, right)| left != right).map(|(left, right)| format!("{left:?}, {right:?}"))
    });
    assert!(wrong.is_empty(), "{} differ\n{}", wrong.len(), wrong.join("\n"));
}
