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
    assert_eq!(samples(&before)["mailtap_packets_total"], 0.0, "{before}");
    net.replay(&["--topspeed"], "testdata/servers/exim-4.96/help.pcap");
    net.replay(&["--topspeed"], "testdata/rules/private-command/used.fires.pcap");
    let last = Instant::now() + Duration::from_secs(10);
    #[expect(clippy::cast_precision_loss, reason = "a few hundred packets")]
    let sent = net.sent() as f64;
    let mut text = before;
    while samples(&text)["mailtap_packets_total"] < sent {
        assert!(Instant::now() < last, "{sent} packets were sent\n{text}");
        sleep(Duration::from_millis(100));
        text = page(&net);
    }
    let samples = samples(&text);
    assert_eq!(samples["mailtap_packets_total"], sent);
    assert_eq!(samples["mailtap_findings_total{rule=\"help-exposed\",severity=\"low\"}"], 2.0, "{text}");
    assert_eq!(samples["mailtap_findings_total{rule=\"private-command\",severity=\"low\"}"], 1.0, "{text}");
    assert_eq!(samples["mailtap_kernel_dropped_packets_total"], 0.0);
    assert!(samples["mailtap_resident_memory_bytes"] > 1e6, "{text}");
    let ended = watching.end();
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    let summary = ended.records().pop().unwrap();
    assert_eq!(summary["packets"].as_f64(), Some(sent));
    assert!(samples["mailtap_sessions_total"] > 0.0, "{text}");
    assert!(Some(samples["mailtap_sessions_total"]) <= summary["sessions"].as_f64(), "{text}\n{summary}");
    accepted(&text);
}

fn page(net: &Net) -> String {
    let output =
        net.run(&["curl", "--silent", "--show-error", "--fail", "--max-time", "5", "http://127.0.0.1:9925/metrics"]);
    String::from_utf8(output.stdout).unwrap()
}

fn samples(page: &str) -> BTreeMap<String, f64> {
    let lines = page.lines().filter(|line| !line.starts_with('#'));
    let sample = |line: &str| line.rsplit_once(' ').map(|(name, value)| (name.to_owned(), value.parse().unwrap()));
    lines.map(|line| sample(line).unwrap_or_else(|| panic!("{line}"))).collect()
}

/// Prometheus takes the page.
fn accepted(page: &str) {
    let promtool = Command::new("promtool").args(["check", "metrics"]).stdin(Stdio::piped()).spawn();
    let Ok(mut promtool) = promtool else { return println!("skipped: promtool is missing") };
    promtool.stdin.take().unwrap().write_all(page.as_bytes()).unwrap();
    assert!(promtool.wait().unwrap().success(), "{page}");
}
