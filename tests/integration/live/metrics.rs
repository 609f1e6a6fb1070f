//! `--metrics`: a page that says what the records say.

use std::collections::BTreeMap;
use std::io::Write;
use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use super::Net;

#[test]
fn the_page_tells_what_was_captured_and_found() {
    let Some(net) = Net::new() else { return };
    let watching = net.watch(&["--format", "jsonl", "--metrics", "127.0.0.1:9925", "--bpf", "", "--strict-sandbox"]);
    assert!(watching.said.contains("metrics at http://127.0.0.1:9925/metrics"), "{}", watching.said);
    let before = page(&net);
    assert_eq!(samples(&before)["mailtap_packets_total"], "0", "{before}");
    net.replay(&["--topspeed"], "testdata/servers/exim-4.96/help.pcap");
    net.replay(&["--topspeed"], "testdata/rules/private-command/used.fires.pcap");
    let last = Instant::now() + Duration::from_secs(10);
    let sent = net.sent().to_string();
    let mut text = before;
    while samples(&text)["mailtap_packets_total"] != sent {
        assert!(Instant::now() < last, "{sent} packets were sent\n{text}");
        sleep(Duration::from_millis(100));
        text = page(&net);
    }
    let samples = samples(&text);
    assert_eq!(samples["mailtap_packets_total"], sent);
    assert_eq!(samples["mailtap_findings_total{rule=\"help-exposed\",severity=\"low\"}"], "1", "{text}");
    assert_eq!(samples["mailtap_findings_total{rule=\"help-exposed\",severity=\"info\"}"], "1", "{text}");
    assert_eq!(samples["mailtap_findings_total{rule=\"private-command\",severity=\"low\"}"], "1", "{text}");
    assert_eq!(samples["mailtap_kernel_dropped_packets_total"], "0");
    let number = |name: &str| samples[name].parse::<u64>().unwrap();
    assert!(number("mailtap_resident_memory_bytes") > 1_000_000, "{text}");
    let ended = watching.end();
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    let summary = ended.records().pop().unwrap();
    assert_eq!(summary["packets"].to_string(), sent);
    let sessions = number("mailtap_sessions_total");
    assert!(sessions > 0 && Some(sessions) <= summary["sessions"].as_u64(), "{text}\n{summary}");
    accepted(&text);
}

/// The page of a watch with `--metrics 9925`.
pub(super) fn page(net: &Net) -> String {
    let output =
        net.run(&["curl", "--silent", "--show-error", "--fail", "--max-time", "5", "http://127.0.0.1:9925/metrics"]);
    String::from_utf8(output.stdout).unwrap()
}

/// Its values by their names, labels and all.
pub(super) fn samples(page: &str) -> BTreeMap<&str, &str> {
    let lines = page.lines().filter(|line| !line.starts_with('#'));
    lines.map(|line| line.rsplit_once(' ').unwrap_or_else(|| panic!("{line}"))).collect()
}

/// Prometheus takes the page.
fn accepted(page: &str) {
    let promtool = Command::new("promtool").args(["check", "metrics"]).stdin(Stdio::piped()).spawn();
    let Ok(mut promtool) = promtool else { return println!("skipped: promtool is missing") };
    promtool.stdin.take().unwrap().write_all(page.as_bytes()).unwrap();
    assert!(promtool.wait().unwrap().success(), "{page}");
}
