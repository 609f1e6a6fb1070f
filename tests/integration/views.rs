//! What people look at: the overview at each width, what stands first in it, and what it must never hold.

use std::fmt::Write as _;
use std::path::Path;
use std::process::Command;

use crate::support::{self, package, run};

/// The overview that a scan prints for so many columns.
fn overview(columns: usize, arguments: &[&str]) -> String {
    let mut command = Command::new(env!("CARGO_BIN_EXE_mailtap"));
    let ran = command.env("COLUMNS", columns.to_string()).current_dir(package()).args(arguments).output().unwrap();
    String::from_utf8(ran.stdout).unwrap()
}

/// How many cells a line of a terminal takes; nothing here is wider than one.
fn cells(line: &str) -> usize {
    line.chars().count()
}

#[test]
fn the_overview_of_all_servers_fits_two_screens_at_every_width() {
    for columns in [60, 80, 100, 120, 200] {
        let report = overview(columns, &["scan", "--quiet", "testdata/servers"]);
        assert!(report.lines().count() <= 130, "{columns}: {} lines", report.lines().count());
        let free = |line: &&str| !line.trim_start().starts_with("mailtap show");
        for line in report.lines().filter(free) {
            assert!(cells(line) <= columns.min(140), "{columns}: {line}");
        }
        insta::assert_snapshot!(format!("overview-{columns}"), report);
    }
}

#[test]
fn other_groups_read_so() {
    for by in ["server", "client", "session"] {
        let arguments = ["scan", "--quiet", "--group-by", by, "--limit", "4", "testdata/servers/postfix-3.7.11"];
        insta::assert_snapshot!(format!("by-{by}"), overview(100, &arguments));
    }
}

#[test]
fn every_finding_of_a_capture_reads_so() {
    for (name, verbose) in [("each", "-v"), ("whole", "-vv")] {
        let arguments = ["scan", "--quiet", verbose, "testdata/servers/postfix-3.7.11/ends-of-data.pcap"];
        insta::assert_snapshot!(name, overview(80, &arguments));
    }
}

#[test]
fn with_all_detail_every_finding_stands_with_its_filters() {
    let path = package().join("testdata/servers/exim-4.96").display().to_string();
    let records = run(&["scan", "--quiet", "--format", "jsonl", &path]).records();
    let report = overview(140, &["scan", "--quiet", "-vv", &path]);
    let findings = support::of_type(&records, "finding");
    assert!(findings.len() > 50);
    for finding in findings {
        let client = finding["client"]["port"].as_u64().unwrap();
        assert!(report.contains(finding["fingerprint"].as_str().unwrap()), "{finding}");
        assert!(report.contains(&format!("tcp.port == {client}")), "{finding}");
        let frame = finding["packets"][0]["frame"].as_u64().unwrap();
        assert!(
            report.contains(&format!("frame.number == {frame}"))
                || report.contains(&format!("frame.number in {{{frame},")),
            "{finding}"
        );
    }
}

/// A capture of so many findings of unknown verbs, and of one NUL in a command in the middle.
fn noisy(folder: &Path, findings: usize) -> String {
    const OF_ONE: usize = 20;
    let mut said = String::from("S: 220 mx.example.com ESMTP\nC: EHLO a.example.com\nS: 250 mx.example.com\n");
    for nth in 0..OF_ONE {
        let verb = char::from(b'A' + u8::try_from(nth).unwrap());
        writeln!(said, "C: QQQ{verb}\nS: 500 no").unwrap();
    }
    let high = "C: NOOP a\\0b\nS: 500 no\n";
    let plan = synth::Plan::new();
    let mut packets = Vec::new();
    for nth in 0..findings / OF_ONE {
        let (port, client) = (10_000 + nth % 50_000, format!("client=198.18.{}.{}", nth / 250 % 250, nth % 250 + 1));
        let high = if nth == findings / OF_ONE / 2 { high } else { "" };
        let dialogue = synth::Dialogue::parse(&format!("[{port} {client}]\n{said}{high}")).unwrap();
        let plan = plan.clone().start(plan.start + u64::try_from(nth).unwrap() * 50_000_000);
        packets.extend(synth::render(&dialogue, &plan).packets);
    }
    packets.sort_by_key(|packet| packet.time);
    let path = folder.join("noisy.pcap");
    std::fs::write(&path, synth::pcap::bytes(&packets, synth::LinkType::Ethernet, synth::pcap::Format::default()))
        .unwrap();
    path.display().to_string()
}

#[test]
fn one_high_finding_stands_before_a_hundred_thousand_others_in_little_memory() {
    let folder = tempfile::tempdir().unwrap();
    let capture = noisy(folder.path(), 100_000);
    let (jsonl, ..) = support::measured(&["scan", "--quiet", "--format", "jsonl", &capture]);
    for arguments in [&["scan", "--quiet"][..], &["scan", "--quiet", "-v"]] {
        let (memory, _, report, _) = support::measured(&[arguments, &[&capture]].concat());
        let findings = report.split("Findings, worst first").nth(1).unwrap();
        let first = findings.lines().find(|line| !line.trim_start().starts_with("times")).unwrap();
        assert!(first.starts_with("high    NUL byte in a command"), "{first}");
        assert!(report.contains("1 high, 100,000 low"), "{}", report.get(..400).unwrap());
        assert!(memory > 1024 && memory < jsonl + (16 << 10), "{memory} KiB, jsonl {jsonl} KiB: {arguments:?}");
    }
}

#[test]
fn several_reports_are_written_at_once_and_each_is_what_it_is_alone() {
    let folder = tempfile::tempdir().unwrap();
    let capture = package().join("testdata/servers/postfix-3.7.11/ends-of-data.pcap").display().to_string();
    let file = |name: &str| folder.path().join(name).display().to_string();
    let to = |format: &str, name: &str| format!("{format}={}", file(name));
    let (jsonl, text) = (to("jsonl", "records.jsonl"), to("text", "report.txt"));
    let beside = run(&["scan", "--quiet", "--report", &jsonl, "--report", &text, &capture]);
    let read = |name: &str| std::fs::read_to_string(file(name)).unwrap();
    assert_eq!(read("report.txt"), beside.stdout);
    assert_eq!(read("records.jsonl"), run(&["scan", "--quiet", "--format", "jsonl", &capture]).stdout);
    let wrong = run(&["scan", "--report", "xml=a", &capture]);
    assert!(wrong.stderr.contains("no format 'xml'"), "{}", wrong.stderr);
    let overwritten = run(&["scan", "--quiet", "--report", &format!("jsonl={capture}"), &capture]);
    assert!(overwritten.stderr.contains("it is a capture"), "{}", overwritten.stderr);
}
