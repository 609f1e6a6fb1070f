//! Every limit at a tiny value: it acts, is counted under its name, and the output stays the same whatever the threads
//! and batches.

use std::path::Path;
use std::{fs, io};

use synth::exchange::{Control, exchange};
use synth::traffic::{Kind, Recipe};
use synth::{Dialogue, LinkType, Plan, frame, pcap};

use crate::invariance::{assert_same, scan};
use crate::support;

/// A session that reaches every limit which is small enough.
const GREEDY: &str = "S: 220 mx.example.com ESMTP\n\
C: EHLO client.example.org\n\
S: 250-mx.example.com\n\
S: 250-HELP\n\
S: 250 SIZE 1000000\n\
C: HELP\n\
S: 214 MAIL RCPT DATA\n\
C: NOOP {x*300}\n\
C: NOOP\n\
C: NOOP\n\
S: 250 ok\n\
S: 250 ok\n\
S: 250 ok\n\
C: MAIL FROM:<a@example.org>\n\
S: 250 ok\n\
C: RCPT TO:<b@example.com>\n\
S: 250 ok\n\
C: RCPT TO:<c@example.com>\n\
S: 250 ok\n\
C: DATA\n\
C: Subject: held until the 354\n\
C: .\n\
S: 354 go on\n\
S: 250 queued\n\
C: MAIL FROM:<a@example.org>\n\
S: 250 ok\n\
C: RCPT TO:<b@example.com>\n\
S: 250 ok\n\
C: QUIT\n\
S: 221 bye\n";

/// The limits by their options, as the configuration names them, each with a value at which it acts.
fn limits() -> Vec<(String, &'static str)> {
    let page = support::run(&["config"]).stdout;
    let words = page.split_whitespace().filter_map(|word| word.strip_prefix("(--max-")?.strip_suffix(')'));
    // Those act where packets are kept, which `evidence` tests.
    let words = words.filter(|limit| !limit.starts_with("evidence-"));
    let limits: Vec<_> =
        words.map(|limit| (limit.to_owned(), if limit == "line-length" { "100" } else { "1" })).collect();
    assert!(limits.len() >= 12, "{limits:?}");
    limits
}

/// SYNs and SYN-ACKs of so many connections, and nothing else.
fn handshakes_alone(count: usize) -> Vec<u8> {
    let text = (0..count).map(|number| format!("[{}]\nS: 220 mx\n", 30_000 + number)).collect::<Vec<_>>().concat();
    let (dialogue, plan) = (Dialogue::parse(&text).unwrap(), Plan::new());
    let mut segments = exchange(&dialogue, &plan).segments;
    segments.retain(|segment| segment.control == Control::Syn);
    pcap::bytes(&frame::frame(&dialogue, &segments, &plan), LinkType::Ethernet, pcap::Format::default())
}

#[test]
fn each_limit_acts_under_its_name_and_changes_nothing_else_from_run_to_run() {
    let folder = tempfile::tempdir().unwrap();
    let put = |name: &str, bytes: &[u8]| fs::write(folder.path().join(name), bytes).unwrap();
    let mut mix = Vec::new();
    let recipe = Recipe { flows: 30, seed: 11, ..Recipe::new(Kind::Relay, 2_000_000) };
    recipe.write(&mut mix, &mut io::sink()).unwrap();
    put("mix.pcap", &mix);
    let greedy = Dialogue::parse(GREEDY).unwrap();
    put("greedy.pcap", &synth::render(&greedy, &Plan::new()).pcap());
    put("fragments.pcap", &synth::render(&greedy, &Plan::new().fragment(64).fragments_reversed(true)).pcap());
    put("reordered.pcap", &synth::render(&greedy, &Plan::new().mss(8).reorder(500)).pcap());
    put("syns.pcap", &handshakes_alone(500));
    let path: &[&Path] = &[folder.path()];
    for (limit, value) in limits() {
        let option = format!("--max-{limit}");
        let run = |threads, batch| scan(&[&option, value, "--threads", threads, "--batch-bytes", batch], path);
        let expected = run("1", "262144");
        let summary = support::records(&expected).pop().unwrap();
        assert!(
            summary["limits_hit"][limit.replace('-', "_")].as_u64() > Some(0),
            "{limit}: {}",
            summary["limits_hit"]
        );
        assert_eq!(summary["internal_errors"], 0);
        for (threads, batch) in [("2", "4096"), ("8", "1048576")] {
            assert_same(&format!("{option} {value}, {threads} threads, {batch}"), &expected, &run(threads, batch));
        }
    }
}
