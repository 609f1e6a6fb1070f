//! The scan as a whole, on every capture at hand.

use std::path::Path;
use std::process::Command;

use serde_json::Value;

use crate::support;

/// One call over everything: it ends as it should, and no packet is lost without a name.
#[test]
fn every_packet_of_every_capture_is_accounted_for() {
    let Some(folder) = support::shared_captures() else { return };
    let ran = support::run(&["scan", "--quiet", "--format", "jsonl", folder.to_str().unwrap()]);
    assert!(matches!(ran.code(), 0 | 2), "{}", ran.stderr);
    assert!(!ran.stderr.contains("panicked"), "{}", ran.stderr);
    let records = ran.records();
    let summary = records.last().unwrap();
    assert_eq!(summary["internal_errors"], 0);
    let captures = summary["captures"].as_array().unwrap();
    assert_eq!(captures.len(), support::files_ending(&folder, &[".pcap", ".pcapng"]).len());

    let sum = |name: &str| captures.iter().map(|capture| capture[name].as_u64().unwrap()).sum::<u64>();
    assert_eq!(summary["packets"], sum("packets"));
    let skipped: u64 =
        summary["skipped"].as_array().unwrap().iter().map(|skip| skip["packets"].as_u64().unwrap()).sum();
    let analysed = summary["segments"].as_u64().unwrap() + summary["fragments"].as_u64().unwrap();
    assert_eq!(summary["packets"], analysed + skipped, "packets are segments, fragments and skips");
    let mut compared = 0;
    for capture in captures {
        let path = capture["path"].as_str().unwrap();
        match tcpdump_count(Path::new(path)) {
            Some(count) => assert_eq!(capture["packets"], count, "{path}"),
            None => println!("skipped: libpcap does not read {path}"),
        }
        compared += 1;
    }
    assert!(compared > 100, "{compared} captures");
}

/// How many packets libpcap sees; `None` where it refuses the file.
fn tcpdump_count(path: &Path) -> Option<Value> {
    let output = Command::new("tcpdump").arg("-r").arg(path).arg("--count").output().expect("tcpdump is installed");
    let words = String::from_utf8(output.stdout).unwrap();
    output.status.success().then(|| words.split(' ').next().unwrap().parse::<u64>().unwrap().into())
}
