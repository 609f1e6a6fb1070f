//! How `mailtap watch` begins and ends.

use std::time::Duration;

use serde_json::Value;

use super::Net;
use crate::formats::hold_against_the_table;
use crate::support::{of_type, run};

/// What is promised, and what starting and stopping processes on a busy machine may take besides.
const AT_ONCE: Duration = Duration::from_millis(2500);

#[test]
fn a_signal_ends_it_at_once_with_a_summary() {
    let Some(net) = Net::new() else { return };
    let watching = net.watch(&["--format", "jsonl"]);
    let ended = watching.end();
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    assert!(ended.took < AT_ONCE, "{:?}", ended.took);
    let records = ended.records();
    assert_eq!(of_type(&records, "summary").len(), 1);
    assert_eq!(records[0]["command"], "watch");
}

#[test]
fn what_came_before_the_signal_is_judged_before_the_end() {
    let Some(net) = Net::new() else { return };
    let captures =
        ["help", "private", "recipients", "binary"].map(|name| format!("testdata/servers/exim-4.96/{name}.pcap"));
    let findings = |records: &[Value]| -> Vec<String> {
        let of = |record: &&Value| format!("{}/{} {}", record["rule"], record["check"], record["evidence"]);
        of_type(records, "finding").iter().map(of).collect()
    };
    for capture in captures {
        let scanned = run(&["scan", "--format", "jsonl", &capture]).records();
        let watching = net.watch(&["--format", "jsonl"]);
        net.run(&["tcpreplay", "--quiet", "--topspeed", "--intf1=here", &capture]);
        let ended = watching.end();
        assert_eq!(ended.code, Some(0), "{}", ended.stderr);
        assert!(!findings(&scanned).is_empty());
        assert_eq!(findings(&ended.records()), findings(&scanned), "{capture}");
    }
}

#[test]
fn an_interface_that_goes_away_is_an_error_with_its_name() {
    let Some(net) = Net::new() else { return };
    let watching = net.watch(&["--format", "jsonl"]);
    net.run(&["ip", "link", "del", "there"]);
    let ended = watching.wait();
    assert_eq!(ended.code, Some(2));
    assert!(ended.stderr.lines().any(|line| line.starts_with("mailtap: there: ")), "{}", ended.stderr);
    assert_eq!(of_type(&ended.records(), "summary")[0]["problems"], 1);
}

#[test]
fn it_ends_by_itself_after_a_time_or_so_many_packets() {
    let Some(net) = Net::new() else { return };
    let by_time = net.watch(&["--format", "jsonl", "--duration", "1500ms", "--stats-interval", "1"]).wait();
    assert_eq!(by_time.code, Some(0), "{}", by_time.stderr);
    let kinds = hold_against_the_table(&by_time.stdout);
    assert_eq!(kinds.iter().map(String::as_str).collect::<Vec<_>>(), ["start", "stats", "summary"]);
    let by_packets = net.watch(&["--format", "jsonl", "--packets", "7"]);
    net.run(&["tcpreplay", "--quiet", "--topspeed", "--intf1=here", "testdata/servers/exim-4.96/help.pcap"]);
    let by_packets = by_packets.wait();
    assert_eq!(by_packets.code, Some(0), "{}", by_packets.stderr);
    assert_eq!(of_type(&by_packets.records(), "summary")[0]["packets"], 7);
}

#[test]
fn an_interface_that_is_none_is_one_line() {
    let ran = run(&["watch", "-i", "no-such-one"]);
    assert_eq!(ran.code(), 2);
    assert!(ran.stderr.starts_with("mailtap: no-such-one: "), "{}", ran.stderr);
    assert_eq!(ran.stderr.lines().count(), 1, "{}", ran.stderr);
}
