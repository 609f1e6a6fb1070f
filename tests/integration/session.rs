//! How a session is read: a dialogue for every row of the reading rules, each with the records it must give, under
//! the plan of its capture in testdata and under others that cut, repeat, reorder and delay the same bytes.

use std::collections::BTreeSet;
use std::fs;

use synth::{Cut, Plan};

use crate::dialogues::{self, Scan};

/// What is read, by the names that the dialogues' first lines use.
const ROWS: &[&str] = &[
    "reply",
    "data",
    "holding",
    "end of data",
    "BDAT",
    "AUTH",
    "STARTTLS",
    "EHLO, HELO",
    "XEXCH50",
    "TURN, ATRN",
    "XCLIENT",
    "LHLO",
    "PRDR",
    "BURL",
    "refusals that do not wait",
    "LF as a line end",
    "after a refused AUTH",
    "PROXY header",
    "PIPECONNECT",
    "421",
    "334",
    "first line of an EHLO reply",
    "a server line without an end",
    "postscreen and multi-line greetings",
    "after a gap in the client's bytes",
    "after a gap ..., or a midway start",
    "after a gap in the server's bytes",
    "who is the server",
    "other protocols",
];

#[test]
fn every_row_has_a_dialogue_and_every_dialogue_a_row() {
    let mut found = BTreeSet::new();
    for (path, _) in dialogues::below("session") {
        let text = fs::read_to_string(&path).unwrap();
        let row = text.strip_prefix("# Row \"").and_then(|rest| rest.split_once('"')).map(|(row, _)| row.to_owned());
        let row = row.unwrap_or_else(|| panic!("{} names no row in its first line", path.display()));
        assert!(ROWS.contains(&&row[..]), "{} names the row \"{row}\", which there is not", path.display());
        found.insert(row);
    }
    let missing: Vec<_> = ROWS.iter().filter(|&&row| !found.contains(row)).collect();
    assert!(missing.is_empty(), "rows without a dialogue: {missing:?}");
}

#[test]
fn every_dialogue_gives_its_records() {
    let mut failures = Vec::new();
    for (path, dialogue) in dialogues::below("session") {
        let expected = dialogues::expected_findings(&dialogue);
        let rules: BTreeSet<&str> = expected.iter().map(|(_, finding)| &finding.rule[..]).collect();
        let scan = Scan::of(&path.with_extension("pcap"), &rules.into_iter().collect::<Vec<_>>());
        let mut wrong = dialogues::differences(&dialogue, &scan);
        if !expected.is_empty() && scan.findings() != expected {
            wrong.push(format!("findings\n  expected: {expected:?}\n  printed: {:?}", scan.findings()));
        }
        failures.extend(wrong.into_iter().map(|wrong| format!("{}: {wrong}", path.display())));
    }
    assert!(failures.is_empty(), "{} differences\n{}", failures.len(), failures.join("\n"));
}

#[test]
fn the_records_are_the_same_however_the_bytes_travelled() {
    let plans = [
        ("octets", Plan::new().mss(1)),
        ("lines", Plan::new().cut(Cut::Lines)),
        ("random", Plan::new().cut(Cut::Random).seed(2)),
        ("near-wrap", Plan::new().near_wrap(true).data_on_fin(true)),
        ("lossy-network", Plan::new().mss(40).retransmit(200).duplicate(100).reorder(200).seed(3)),
        ("keep-alives", Plan::new().keep_alives(true)),
        ("late-server", Plan::new().delay([0, 4])),
        ("late-client", Plan::new().delay([4, 0])),
    ];
    let folder = tempfile::tempdir().unwrap();
    let mut failures = Vec::new();
    for (path, mut dialogue) in dialogues::below("session") {
        for connection in &mut dialogue.connections {
            // Which of two lines that nobody waited for comes first may depend on the plan.
            connection.expected.concurrent = true;
        }
        for (name, plan) in &plans {
            let capture = folder.path().join("plan.pcap");
            fs::write(&capture, synth::render(&dialogue, plan).pcap()).unwrap();
            let wrong = dialogues::differences(&dialogue, &Scan::of(&capture, &[]));
            failures.extend(wrong.into_iter().map(|wrong| format!("{} ({name}): {wrong}", path.display())));
        }
    }
    assert!(failures.is_empty(), "{} differences\n{}", failures.len(), failures.join("\n"));
}
