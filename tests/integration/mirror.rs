//! A mirror port that delivers one direction late, or both: every dialogue of testdata under delays of 1 to 50
//! packets and less than a second, at paces that put few or many packets into one second of the scan's clock.

use std::fs;

use synth::{Acks, Cut, Plan};

use crate::invariance::{per_side, scan};
use crate::{dialogues, support};

/// Milliseconds from one packet to the next.
const PACES: [u64; 7] = [1, 30, 100, 250, 450, 700, 900];
/// By how many packets the client's and the server's side come late.
const DELAYS: [[usize; 2]; 12] =
    [[1, 0], [0, 1], [2, 0], [0, 2], [5, 0], [0, 5], [50, 0], [0, 50], [3, 1], [1, 3], [50, 9], [9, 50]];
/// So many of the paces, and of the delays at each, every dialogue meets in each shape; which ones, it takes turns.
const PACES_EACH: usize = 7;
const DELAYS_EACH: usize = 3;

/// How the bytes travel.
fn shapes() -> Vec<(&'static str, Plan)> {
    vec![
        ("writes", Plan::new()),
        ("lines, an ACK for each", Plan::new().cut(Cut::Lines).acks(Acks::Every)),
        ("random, no ACKs alone", Plan::new().cut(Cut::Random).mss(30).acks(Acks::Piggyback).seed(3)),
        ("sent again, FIN with data", Plan::new().mss(20).retransmit(150).data_on_fin(true).near_wrap(true)),
        ("keep-alives", Plan::new().keep_alives(true)),
    ]
}

#[test]
fn late_sides_change_no_finding_and_no_sides_events() {
    let mut dialogues = dialogues::below("session");
    dialogues.extend(dialogues::below("rules"));
    let mut wrong = Vec::new();
    let mut turn = 0;
    for (name, shape) in shapes() {
        let folder = tempfile::tempdir().unwrap();
        let path = |of: &str| folder.path().join(format!("{of}.pcap"));
        // The on-time capture and those to compare with it.
        let mut groups = Vec::new();
        for (place, dialogue) in &dialogues {
            for _ in 0..PACES_EACH {
                turn += 1;
                let pace = PACES[turn % PACES.len()];
                let plan = shape.clone().pace(pace * 1_000_000);
                let put = |what: String, plan: &Plan| {
                    let path = path(&what);
                    fs::write(&path, synth::render(dialogue, plan).pcap()).unwrap();
                    path.to_str().unwrap().to_owned()
                };
                let on_time = put(format!("{turn}"), &plan);
                let delays = (0..DELAYS_EACH).map(|nth| DELAYS[(turn * DELAYS_EACH + nth) % DELAYS.len()]);
                let late: Vec<(String, String)> = delays
                    .map(|delay| {
                        let what = format!("{} ({name}, {pace} ms, late by {delay:?})", place.display());
                        (what, put(format!("{turn}-{}-{}", delay[0], delay[1]), &plan.clone().delay(delay)))
                    })
                    .collect();
                groups.push((on_time, late));
            }
        }
        let given = support::by_capture(&scan(&["--separate", "--port", "25,465,587"], &[folder.path()]));
        let sides = |path: &str| per_side(&given.get(path).map(|lines| lines.join("\n")).unwrap_or_default());
        for (on_time, late) in &groups {
            let on_time = sides(on_time);
            for (what, path) in late {
                let late = sides(path);
                if late != on_time {
                    let mut lines = on_time.lines().map(Some).chain([None]).zip(late.lines().map(Some).chain([None]));
                    wrong.push(format!("{what}: {:?}", lines.find(|(left, right)| left != right)));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{} differences\n{}", wrong.len(), wrong.join("\n"));
}
