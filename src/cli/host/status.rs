//! What stays at the bottom of a terminal while a live capture goes on: dropped packets first, since they are what must not be
//! missed.

use std::collections::BTreeMap;

use anstyle::Style;

use crate::ledger::Stats;
use crate::record::When;
use crate::report::figures::{Span, count, counted};
use crate::report::layout::width;
use crate::rules::Severity;

/// The status for a terminal of so many columns. What does not fit is left out, the least telling first.
pub(super) fn status(stats: &Stats, interfaces: &str, columns: usize) -> String {
    let style = Style::new().invert();
    let line = line(stats, interfaces, columns);
    let rule = "─".repeat(columns);
    let rest = " ".repeat(columns.saturating_sub(width(&line)));
    format!("{rule}\n{style}{line}{rest}{style:#}")
}

fn line(stats: &Stats, interfaces: &str, columns: usize) -> String {
    let dropped = stats.kernel_dropped.saturating_add(stats.interface_dropped);
    let parts = [
        Span::Day.time(When(stats.time)),
        format!("{} dropped", count(dropped)),
        format!("{} ({} open)", counted(stats.sessions, "session", "sessions"), count(stats.open_connections)),
        found(stats),
        format!("{interfaces}, {}", counted(stats.packets, "packet", "packets")),
        format!("{} MB", count(stats.memory_bytes / 1_000_000)),
    ];
    parts.into_iter().fold(String::new(), |line, part| {
        let between = if line.is_empty() { "" } else { "  " };
        let longer = format!("{line}{between}{part}");
        if width(&longer) <= columns { longer } else { line }
    })
}

fn found(stats: &Stats) -> String {
    let mut all: BTreeMap<Severity, u64> = BTreeMap::new();
    for (severity, times) in stats.findings.values().flatten() {
        let sum = all.entry(*severity).or_default();
        *sum = sum.saturating_add(*times);
    }
    if all.is_empty() {
        return "no findings".to_owned();
    }
    all.iter().rev().map(|(severity, times)| format!("{} {severity}", count(*times))).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::Time;

    #[test]
    fn drops_stand_first_and_what_does_not_fit_is_left_out_whole() {
        let mut stats = Stats {
            time: Time(1_795_531_544_000_000_000),
            packets: 31_204,
            kernel_dropped: 7,
            sessions: 1589,
            open_connections: 1,
            memory_bytes: 61_000_000,
            ..Stats::default()
        };
        let narrow = "14:45:44  7 dropped  1,589 sessions (1 open)  no findings";
        assert_eq!(line(&stats, "eth0", 200), format!("{narrow}  eth0, 31,204 packets  61 MB"));
        assert_eq!(line(&stats, "eth0", 60), narrow);
        stats.findings.entry("starttls".to_owned()).or_default().extend([(Severity::Low, 3), (Severity::High, 1)]);
        assert!(line(&stats, "eth0", 80).contains("  1 high, 3 low"));
        assert!(
            status(&stats, "eth0", 40).lines().all(|line| width(&anstream::adapter::strip_str(line).to_string()) == 40)
        );
    }
}
