//! The page itself, in Prometheus's text format 0.0.4 (<https://prometheus.io/docs/instrumenting/exposition_formats/>):
//! for every metric what it means and what kind it is, then its samples, of which there may be none yet.

use std::borrow::Cow;
use std::fmt::{Display, Write};
use std::time::Duration;

use crate::base::Time;
use crate::ledger::Stats;

pub(super) const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

const COUNTER: &str = "counter";
const GAUGE: &str = "gauge";

/// The counts, and how long before `now` the last packet came.
pub(super) fn page(stats: &Stats, now: Time) -> String {
    let mut page = Page(String::new());
    for (name, help, count) in [
        ("mailtap_packets_total", "Packets captured.", stats.packets),
        ("mailtap_captured_bytes_total", "Bytes captured.", stats.bytes),
        (
            "mailtap_kernel_dropped_packets_total",
            "Packets dropped by the kernel because mailtap was too slow.",
            stats.kernel_dropped,
        ),
        (
            "mailtap_interface_dropped_packets_total",
            "Packets dropped by the network interface or its driver.",
            stats.interface_dropped,
        ),
        ("mailtap_connections_total", "TCP connections seen.", stats.connections),
        ("mailtap_sessions_total", "SMTP sessions that ended.", stats.sessions),
    ] {
        page.metric(COUNTER, name, help).sample(&[], count);
    }

    let mut filtered =
        page.metric(COUNTER, "mailtap_filtered_out_packets_total", "Packets excluded by the kernel's filter.");
    if let Some(packets) = stats.filtered_out {
        filtered.sample(&[], packets);
    }
    let mut findings = page.metric(COUNTER, "mailtap_findings_total", "Findings reported, by rule and severity.");
    for (rule, by_severity) in &stats.findings {
        for (severity, count) in by_severity {
            findings.sample(&[("rule", rule), ("severity", severity.name())], count);
        }
    }
    let mut limits = page.metric(COUNTER, "mailtap_limits_hit_total", "How often each limit took effect.");
    for (limit, count) in stats.limits_hit.iter() {
        limits.sample(&[("limit", limit)], count);
    }

    page.metric(GAUGE, "mailtap_open_connections", "TCP connections that are still open, as far as captured.")
        .sample(&[], stats.open_connections);
    page.metric(GAUGE, "mailtap_resident_memory_bytes", "Memory used by the process.").sample(&[], stats.memory_bytes);
    let mut age = page.metric(GAUGE, "mailtap_last_packet_age_seconds", "Time since the last packet was captured.");
    if let Some(last) = stats.last_packet {
        // The packet's clock may be ahead of ours.
        let nanoseconds = u64::try_from(now.since(last)).unwrap_or(0);
        age.sample(&[], Duration::from_nanos(nanoseconds).as_secs_f64());
    }
    page.metric(GAUGE, "mailtap_build_info", "The running version, as a label; the value is always 1.")
        .sample(&[("version", env!("CARGO_PKG_VERSION"))], 1);
    page.0
}

struct Page(String);

impl Page {
    /// What is told of a metric before its samples.
    fn metric(&mut self, kind: &str, name: &'static str, help: &str) -> Metric<'_> {
        // Writing into a string does not fail.
        let _ = writeln!(self.0, "# HELP {name} {help}\n# TYPE {name} {kind}");
        Metric { page: &mut self.0, name }
    }
}

struct Metric<'p> {
    page: &'p mut String,
    name: &'static str,
}

impl Metric<'_> {
    fn sample(&mut self, labels: &[(&str, &str)], value: impl Display) {
        let labels: Vec<String> = labels.iter().map(|(name, value)| format!("{name}=\"{}\"", escaped(value))).collect();
        let labels = if labels.is_empty() { String::new() } else { format!("{{{}}}", labels.join(",")) };
        // Writing into a string does not fail.
        let _ = writeln!(self.page, "{}{labels} {value}", self.name);
    }
}

/// A label's value: backslash, quote and line feed are escaped.
fn escaped(value: &str) -> Cow<'_, str> {
    if !value.contains(['\\', '"', '\n']) {
        return Cow::Borrowed(value);
    }
    Cow::Owned(value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n"))
}

#[cfg(test)]
mod tests {
    #![expect(clippy::print_stdout, reason = "a skipped test says why")]

    use std::io::Write as _;
    use std::process::{Command, Stdio};

    use super::*;
    use crate::base::Limit;
    use crate::rules::Severity;

    fn some() -> Stats {
        let mut stats = Stats {
            packets: 12,
            bytes: 3456,
            kernel_dropped: 1,
            interface_dropped: 2,
            connections: 3,
            open_connections: 9,
            sessions: 4,
            memory_bytes: 20 << 20,
            last_packet: Some(Time(1_500_000_000)),
            ..Stats::default()
        };
        stats.findings.entry("help-exposed".to_owned()).or_default().insert(Severity::Low, 5);
        stats.findings.entry("help-exposed".to_owned()).or_default().insert(Severity::High, 6);
        stats.findings.entry("starttls".to_owned()).or_default().insert(Severity::Info, 7);
        stats.limits_hit.add(Limit::HalfOpen.key(), 8);
        stats
    }

    /// The lines of the page that are no comments.
    fn samples(page: &str) -> Vec<&str> {
        page.lines().filter(|line| !line.starts_with('#')).collect()
    }

    #[test]
    fn every_count_is_on_it() {
        let build = format!("mailtap_build_info{{version=\"{}\"}} 1", env!("CARGO_PKG_VERSION"));
        assert_eq!(
            samples(&page(&some(), Time(4_250_000_000))),
            [
                "mailtap_packets_total 12",
                "mailtap_captured_bytes_total 3456",
                "mailtap_kernel_dropped_packets_total 1",
                "mailtap_interface_dropped_packets_total 2",
                "mailtap_connections_total 3",
                "mailtap_sessions_total 4",
                "mailtap_findings_total{rule=\"help-exposed\",severity=\"low\"} 5",
                "mailtap_findings_total{rule=\"help-exposed\",severity=\"high\"} 6",
                "mailtap_findings_total{rule=\"starttls\",severity=\"info\"} 7",
                "mailtap_limits_hit_total{limit=\"half_open\"} 8",
                "mailtap_open_connections 9",
                "mailtap_resident_memory_bytes 20971520",
                "mailtap_last_packet_age_seconds 2.75",
                &build,
            ]
        );
    }

    #[test]
    fn before_the_first_packet_there_is_no_age_but_its_description() {
        let page = page(&Stats::default(), Time(1));
        assert_eq!(samples(&page).len(), 9);
        assert!(page.contains("# TYPE mailtap_last_packet_age_seconds gauge\n# HELP mailtap_build_info "), "{page}");
        assert!(page.contains("# TYPE mailtap_findings_total counter\n# HELP mailtap_limits_hit_total "), "{page}");
    }

    #[test]
    fn a_packet_from_the_future_is_of_age_zero() {
        let page = page(&some(), Time(0));
        assert!(page.contains("\nmailtap_last_packet_age_seconds 0\n"), "{page}");
    }

    #[test]
    fn a_label_s_value_stays_within_its_quotes() {
        let mut page = Page(String::new());
        page.metric(COUNTER, "a_total", "A.").sample(&[("b", "x\\y\"z\n"), ("c", "d")], 1);
        assert_eq!(samples(&page.0), ["a_total{b=\"x\\\\y\\\"z\\n\",c=\"d\"} 1"]);
    }

    #[test]
    fn promtool_finds_nothing_wrong() {
        if Command::new("promtool").arg("--version").output().is_err() {
            println!("skipped: promtool is not installed");
            return;
        }
        for stats in [some(), Stats::default()] {
            let mut checking = Command::new("promtool")
                .args(["check", "metrics"])
                .stdin(Stdio::piped())
                .stderr(Stdio::piped())
                .spawn()
                .unwrap();
            checking.stdin.take().unwrap().write_all(page(&stats, Time(4_250_000_000)).as_bytes()).unwrap();
            let output = checking.wait_with_output().unwrap();
            assert!(output.status.success() && output.stderr.is_empty(), "{}", String::from_utf8_lossy(&output.stderr));
        }
    }
}
