//! A mirror port that delivers one direction late, or both: every dialogue of testdata under delays of 1 to 50
//! packets and less than a second, at paces that put few or many packets into one second of the scan's clock.

use std::fs;
use std::path::Path;

use synth::dialogue::Step;
use synth::{Acks, Cut, Dialogue, LinkType, Plan, pcap};

use crate::invariance::{per_side, scan};
use crate::{dialogues, support};

/// Milliseconds from one packet to the next.
const PACES: [u64; 7] = [1, 30, 100, 250, 450, 700, 900];
/// By how many packets the client's and the server's side come late.
const DELAYS: [[usize; 2]; 12] =
    [[1, 0], [0, 1], [2, 0], [0, 2], [5, 0], [0, 5], [50, 0], [0, 50], [3, 1], [1, 3], [50, 9], [9, 50]];
/// So many of the paces, and of the delays at each, every dialogue meets in each shape; which ones, it takes turns.
const PACES_EACH: usize = 3;
const DELAYS_EACH: usize = 2;

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

/// Where packet order decides: nobody acknowledges anything; and (not as it should be) how much of a message counts as
/// sent where the server refuses it midway and the client's rest crosses that.
const BY_PACKET_ORDER: [&str; 2] = ["unacknowledged", "refusal-in-data"];

/// Whether all of it was captured. What is lost is told by ticks and counts of packets, so when a gap is told beside the
/// other side's bytes may differ where a side is late.
pub(crate) fn is_whole(dialogue: &Dialogue) -> bool {
    let connections =
        dialogue.connections.iter().all(|connection| !connection.midway && connection.captured == [true; 2]);
    connections && dialogue.steps.iter().all(|step| !matches!(step, Step::Say(line) if !line.captured))
}

/// Whether packet order decides in the dialogue of that file.
pub(crate) fn is_by_packet_order(path: &Path) -> bool {
    let name = path.file_stem().map(|name| name.to_string_lossy()).unwrap_or_default();
    BY_PACKET_ORDER.iter().any(|known| name.contains(known))
}

/// Two conversations, one after the other, between the same ends.
#[test]
fn late_sides_change_nothing_where_a_port_is_used_again() {
    const SAID: [&str; 3] = [
        "S: 220 mx\nC: EHLO a\nS: 250-mx\nS: 250 HELP\nC: HELP\nS: 214 MAIL RCPT\nC: QUIT\nS: 221 bye\n",
        "S: 220 mx\nC: HELP\nS: 502 no\nC: NOOP\nS: 250 ok\nC RST\n",
        "S: 220 mx\nC: HELP\nS: 214 MAIL RCPT\nC: QUIT\nS: 221 bye\nS FIN\nC RST\n",
    ];
    let folder = tempfile::tempdir().unwrap();
    let mut groups = Vec::new();
    for (first, second) in [(0, 0), (0, 1), (1, 0), (2, 0), (1, 1), (2, 2)] {
        for pace in [1, 100, 450] {
            for pause in [1, 3_000, 90_000] {
                let put = |delay: [usize; 2]| {
                    let plan = Plan::new().pace(pace * 1_000_000).delay(delay);
                    let mut packets = synth::render(&Dialogue::parse(SAID[first]).unwrap(), &plan).packets;
                    let on_time = synth::render(&Dialogue::parse(SAID[first]).unwrap(), &plan.clone().delay([0, 0]));
                    let start = on_time.packets.last().unwrap().time + pause * 1_000_000;
                    let again = plan.seed(9).start(start);
                    packets.extend(synth::render(&Dialogue::parse(SAID[second]).unwrap(), &again).packets);
                    packets.sort_by_key(|packet| packet.time);
                    let name = format!("{first}, then {second}, {pace} ms, pause {pause} ms, late by {delay:?}.pcap");
                    let path = folder.path().join(name);
                    fs::write(&path, pcap::bytes(&packets, LinkType::Ethernet, pcap::Format::default())).unwrap();
                    path.to_str().unwrap().to_owned()
                };
                let on_time = put([0, 0]);
                groups.push((on_time, DELAYS.map(put)));
            }
        }
    }
    let given = support::by_capture(&scan(&["--separate"], &[folder.path()]));
    let mut wrong = Vec::new();
    for (on_time, late) in groups {
        let lines = &given[&on_time];
        let sessions = lines.iter().filter(|line| line.starts_with("{\"type\":\"session\"")).count();
        if sessions != 2 {
            wrong.push(format!("{on_time}: {sessions} sessions"));
        }
        let expected = per_side(&lines.join("\n"));
        for path in late {
            let got = per_side(&given.get(&path).map(|lines| lines.join("\n")).unwrap_or_default());
            if got != expected {
                wrong.push(path);
            }
        }
    }
    assert!(wrong.is_empty(), "{} differences\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn late_sides_change_no_finding_and_no_sides_events() {
    let mut dialogues = dialogues::below("session");
    dialogues.extend(dialogues::below("rules"));
    dialogues.retain(|(path, dialogue)| is_whole(dialogue) && !is_by_packet_order(path));
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
