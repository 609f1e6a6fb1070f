//! `text`: a report for a person. Findings grouped by server, then a table of the servers, then what was read
//! and what was not.

use std::collections::BTreeMap;
use std::fmt::{Display, Write as _};

use anstyle::{AnsiColor, Style};
use comfy_table::{Cell, ContentArrangement, Table, presets};

use super::escape;
use super::record::{self, EventRecord, FindingRecord, Proof, SummaryRecord};
use super::stamp::{Clockwork, Stamp};
use super::{Format, Scene, ids};
use crate::base::{Endpoint, Limit};
use crate::ledger::{self, Found, Server, SessionEnd, Stats, Summary, Told, Who};
use crate::{defrag, tcp};

/// A person reads no more; the rest is counted.
const MOST_FINDINGS: u64 = 10_000;
/// What one finding quotes of a reply is cut to so many lines.
const MOST_LINES: usize = 16;
/// Labels are as wide as this, or as the longest of the same finding.
const LABEL: usize = 12;

/// The format: it keeps the findings, rendered, until it can group them.
#[derive(Default)]
pub(super) struct Text {
    clock: Clockwork,
    findings: BTreeMap<Endpoint, Vec<String>>,
    kept: u64,
    beyond: u64,
    /// Each as it was told last; where captures are treated alone, each capture's.
    servers: BTreeMap<(Endpoint, Option<u32>), Server>,
    /// The summary, rendered, and whether it stands for a scan that found nothing.
    summary: Option<String>,
}

impl Format for Text {
    fn event(&mut self, who: &Who, told: &Told, scene: &Scene, out: &mut Vec<u8>) {
        let time = self.clock.stamp(told.at().time);
        let session = ids::session(who);
        let style = Styles::of(scene);
        let said = event(&EventRecord::of(who, told, &session, scene, time));
        push(out, format_args!("{} {} {said}\n", style.dim(time), style.dim(session.get(..8).unwrap_or_default())));
    }

    fn finding(&mut self, found: &Found, scene: &Scene, out: &mut Vec<u8>) {
        if scene.as_it_goes {
            let time = self.clock.stamp(found.finding.at.time);
            let server = Styles::of(scene).bold(address(found.who.server));
            let rendered = finding(found, &FindingRecord::of(found, scene, time), scene);
            push(out, format_args!("{server}\n{rendered}\n"));
            return;
        }
        if self.kept >= MOST_FINDINGS {
            self.beyond = self.beyond.saturating_add(1);
            return;
        }
        self.kept = self.kept.saturating_add(1);
        let time = self.clock.stamp(found.finding.at.time);
        let rendered = finding(found, &FindingRecord::of(found, scene, time), scene);
        self.findings.entry(found.who.server).or_default().push(rendered);
    }

    fn session(&mut self, ended: &SessionEnd, scene: &Scene, out: &mut Vec<u8>) {
        let start = self.clock.stamp(ended.session.first.time);
        session(ended, scene, start, out);
    }

    fn server(&mut self, server: &Server, _scene: &Scene, _out: &mut Vec<u8>) {
        self.servers.insert((server.endpoint, server.capture), server.clone());
    }

    fn stats(&mut self, stats: &Stats, scene: &Scene, out: &mut Vec<u8>) {
        let style = Styles::of(scene);
        let time = self.clock.stamp(stats.time);
        let (packets, bytes) = (counted(stats.packets, "packet", "packets"), counted(stats.bytes, "byte", "bytes"));
        let dropped = count(stats.kernel_dropped.saturating_add(stats.interface_dropped));
        let (connections, sessions) = (count(stats.connections), count(stats.sessions));
        let (open, memory) = (count(stats.open_connections), count(stats.memory_bytes));
        push(
            out,
            format_args!(
                "{} {packets}, {bytes}, {dropped} dropped, {connections} connections ({open} open), {sessions} sessions, {memory} bytes of memory\n",
                style.dim(time),
            ),
        );
    }

    fn summary(&mut self, summary: &Summary, scene: &Scene, _out: &mut Vec<u8>) {
        let record = SummaryRecord::of(summary, scene, &mut self.clock);
        self.summary = Some(render_summary(&record, Styles::of(scene)));
    }

    fn end(&mut self, scene: &Scene, out: &mut Vec<u8>) {
        let style = Styles::of(scene);
        for (endpoint, findings) in &self.findings {
            let mut servers = self.servers.range((*endpoint, None)..);
            let server = servers.next().filter(|((known, _), _)| known == endpoint).map(|(_, server)| server);
            let software = server.and_then(|server| server.software.as_ref());
            let software = software.map(|software| format!("  {}", style.dim(software))).unwrap_or_default();
            push(out, format_args!("{}{software}\n\n", style.bold(address(*endpoint))));
            for finding in findings {
                push(out, format_args!("{finding}\n"));
            }
        }
        if self.beyond > 0 {
            push(out, format_args!("{} more findings; --format jsonl prints all of them\n\n", count(self.beyond)));
        }
        if !self.servers.is_empty() {
            push(out, format_args!("{}\n{}\n\n", style.bold("Servers"), table(self.servers.values(), scene)));
        }
        if let Some(summary) = &self.summary {
            push(out, format_args!("{summary}"));
        }
    }
}

fn push(out: &mut Vec<u8>, text: std::fmt::Arguments<'_>) {
    use std::io::Write as _;
    // Writing to a vector cannot fail.
    let _ = out.write_fmt(text);
}

/// A finding: what, its evidence, where it is.
fn finding(found: &Found, record: &FindingRecord<'_>, scene: &Scene) -> String {
    let style = Styles::of(scene);
    let severity = style.severity(found.finding.severity, format_args!("{:<8}", record.severity));
    let name = style.bold(format_args!("{}/{}", record.rule, record.check));
    let mut text = format!("  {severity} {name}  {}\n", record.message);
    let width = record.evidence.0.iter().map(|(name, _)| name.len()).fold(LABEL, usize::max);
    let mut row = |label: &str, value: &dyn Display| {
        let _ = writeln!(text, "           {} {value}", style.dim(format_args!("{label:<width$}")));
    };
    for (name, proof) in &record.evidence.0 {
        let label = name.replace('_', " ");
        match proof {
            Proof::Text(shown) if shown.0.is_empty() => {}
            Proof::Text(shown) => row(&label, shown),
            Proof::Number(number) => row(&label, number),
            Proof::Flag(flag) => row(&label, &if *flag { "yes" } else { "no" }),
            Proof::Word(word) => row(&label, word),
            Proof::List(items) if lists_words(name) => row(&label, &joined(items)),
            Proof::List(items) if items.iter().all(|item| item.0.is_empty()) => {}
            Proof::List(items) => {
                // A line that says how many more there are takes the place of none but several.
                let shown = if items.len() > MOST_LINES.saturating_add(1) { MOST_LINES } else { items.len() };
                for (nth, item) in items.iter().take(shown).enumerate() {
                    row(if nth == 0 { &label } else { "" }, item);
                }
                if items.len() > shown {
                    row("", &format_args!("({} more lines)", items.len().saturating_sub(shown)));
                }
            }
        }
    }
    let client = format_args!("{} at {}", address(found.who.client), record.time);
    row("client", &client);
    row("where", &places(record));
    if let Some(kept) = &record.kept {
        let fell_out = if kept.fell_out > 0 { format!(", {} fell out", count(kept.fell_out)) } else { String::new() };
        row("kept", &format_args!("{}{fell_out}", counted(kept.packets, "packet", "packets")));
    }
    row("wireshark", &record.wireshark_filter);
    text
}

/// Lists of single words go on one line, replies keep their lines.
fn lists_words(name: &str) -> bool {
    !matches!(name, "reply_text" | "greeting")
}

fn joined(items: &[impl Display]) -> String {
    items.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

/// `a.pcap frames 3, 5; b.pcap frame 1`.
fn places(record: &FindingRecord<'_>) -> String {
    let mut text = String::new();
    for in_file in record.packets.chunk_by(|a, b| a.capture == b.capture) {
        let frames: Vec<_> = in_file.iter().map(|place| place.frame).collect();
        let capture = in_file.first().map_or("", |place| place.capture);
        let separator = if text.is_empty() { "" } else { "; " };
        let plural = if frames.len() > 1 { "frames" } else { "frame" };
        let _ = write!(text, "{separator}{capture} {plural} {}", joined(&frames));
    }
    text
}

fn event(record: &EventRecord<'_>) -> String {
    let uncertain = |flag: &bool| if *flag { "  (uncertain)" } else { "" };
    match record {
        EventRecord::Command { verb, argument, uncertain: flag, .. } => {
            let verb = verb.unwrap_or_default();
            let blank = if verb.is_empty() || argument.0.is_empty() { "" } else { " " };
            format!("C: {verb}{blank}{argument}{}", uncertain(flag))
        }
        EventRecord::Reply { code, lines, uncertain: flag, .. } => {
            let code = code.map_or_else(|| "---".to_owned(), |code| format!("{code:03}"));
            let lines = joined_lines(lines);
            let blank = if lines.is_empty() { "" } else { " " };
            format!("S: {code}{blank}{lines}{}", uncertain(flag))
        }
        EventRecord::Data { bytes, lines, end, .. } => {
            let (bytes, lines) = (counted(*bytes, "byte", "bytes"), counted(*lines, "line", "lines"));
            format!("   message data: {bytes}, {lines}, {end}")
        }
        EventRecord::Tls { tls, .. } => {
            let version = tls.version.map(|version| format!(" {version}")).unwrap_or_default();
            let sni = tls.sni.map(|sni| format!(" for {sni}")).unwrap_or_default();
            format!("   TLS{version}{sni}: {}", tls.state)
        }
    }
}

fn joined_lines(lines: &[impl Display]) -> String {
    lines.iter().map(ToString::to_string).collect::<Vec<_>>().join(" | ")
}

fn session(ended: &SessionEnd, scene: &Scene, start: Stamp, out: &mut Vec<u8>) {
    let SessionEnd { session, end, .. } = ended;
    let style = Styles::of(scene);
    let ends = format_args!("{} -> {}", address(session.client), address(session.server));
    let helo = session.helo.as_ref();
    let helo = helo.map(|helo| format!("  {} {}", helo.verb.name(), escape::Text(&helo.argument))).unwrap_or_default();
    let (first, last) = (scene.places.of(session.first.ordinal), scene.places.of(session.last.ordinal));
    let frames = if last.capture == first.capture {
        format!("{} frames {}-{}", first.capture, first.frame, last.frame)
    } else {
        format!("{} frame {} to {} frame {}", first.capture, first.frame, last.capture, last.frame)
    };
    let id = ids::session(&Who::of(session));
    push(
        out,
        format_args!(
            "{} {}  {ends}{helo}  {}, {}, {}, tls {}, {}  {frames}\n",
            style.dim(start),
            style.dim(id.get(..8).unwrap_or_default()),
            counted(session.commands, "command", "commands"),
            counted(session.replies, "reply", "replies"),
            counted(session.transactions.len() as u64, "mail", "mails"),
            session.tls.state.name(),
            record::closed(end.closed),
        ),
    );
}

/// `192.0.2.1:25`, `[2001:db8::1]:25`.
fn address(endpoint: Endpoint) -> String {
    std::net::SocketAddr::new(endpoint.ip, endpoint.port).to_string()
}

fn table<'s>(servers: impl Iterator<Item = &'s Server>, scene: &Scene) -> String {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_content_arrangement(ContentArrangement::Disabled);
    table.set_header(["  server", "software", "sessions", "help", "starttls", "findings, with repeats"]);
    for server in servers {
        let software = server.software.as_ref().map_or_else(|| "-".to_owned(), ToString::to_string);
        let findings: Vec<_> =
            server.findings.iter().map(|((rule, check), times)| format!("{rule}/{check} {}", count(*times))).collect();
        table.add_row([
            Cell::new(match server.capture {
                Some(rank) => format!("  {} in {}", address(server.endpoint), scene.places.name(rank)),
                None => format!("  {}", address(server.endpoint)),
            }),
            Cell::new(software),
            Cell::new(count(server.sessions)),
            Cell::new(server.help.name()),
            Cell::new(server.starttls.name()),
            Cell::new(if findings.is_empty() { "-".to_owned() } else { findings.join("\n") }),
        ]);
    }
    for column in table.column_iter_mut() {
        column.set_padding((0, 2));
    }
    table.trim_fmt()
}

fn render_summary(record: &SummaryRecord<'_>, style: Styles) -> String {
    let mut text = format!("{}\n", style.bold("Summary"));
    let mut row = |label: &str, value: &dyn Display| {
        let _ = writeln!(text, "  {} {value}", style.dim(format_args!("{label:<13}")));
    };
    let captures = counted(record.captures.len() as u64, "capture", "captures");
    let packets = counted(record.packets, "packet", "packets");
    row("read", &format_args!("{captures}, {packets}, {}", counted(record.bytes, "byte", "bytes")));
    if let (Some(first), Some(last)) = (record.first_time, record.last_time) {
        row("time", &format_args!("{} to {}", short(&first), short(&last)));
    }
    let (connections, sessions) = (record.connections, record.sessions);
    let connections = counted(connections, "connection", "connections");
    let sessions = counted(sessions, "session", "sessions");
    let segments = counted(record.segments, "segment", "segments");
    row("followed", &format_args!("{segments}, {connections}, {sessions}"));
    let mut by_severity: BTreeMap<crate::rules::Severity, u64> = BTreeMap::new();
    for severity in crate::rules::Severity::ALL {
        let of_rules = record.findings.values().filter_map(|counts| counts.get(severity.name()));
        let sum = of_rules.fold(0_u64, |sum, count| sum.saturating_add(*count));
        if sum > 0 {
            by_severity.insert(severity, sum);
        }
    }
    let found: Vec<_> = by_severity
        .iter()
        .rev()
        .map(|(severity, sum)| style.severity(*severity, format_args!("{} {}", count(*sum), severity.name())))
        .collect();
    row("findings", &if found.is_empty() { "none".to_owned() } else { found.join(", ") });
    let mut unread: Vec<String> = Vec::new();
    for (name, times) in &record.not_analysed {
        unread.push(format!("{} {name}: {}", count(*times), meaning(name)));
    }
    for (number, one, many) in [
        (record.problems, "input that could not be read to its end", "inputs that could not be read to their end"),
        (record.files_skipped, "file that is no capture", "files that are no captures"),
        (record.capture_dropped, "packet dropped while capturing", "packets dropped while capturing"),
        (record.internal_errors, "connection given up because of a bug", "connections given up because of a bug"),
    ] {
        if number > 0 {
            unread.push(counted(number, one, many));
        }
    }
    if unread.is_empty() && record.packets > 0 {
        unread.push("nothing: every packet was".to_owned());
    }
    for (nth, what) in unread.iter().enumerate() {
        row(if nth == 0 { "not analysed" } else { "" }, what);
    }
    for capture in record.captures.iter().filter(|capture| capture.truncated) {
        let path = capture.path.as_os_str().as_encoded_bytes();
        row("truncated", &format_args!("{} ends inside a packet", escape::Text(path)));
    }
    for (nth, (name, times)) in record.limits_hit.iter().enumerate() {
        let flag = if Limit::ALL.iter().any(|bound| bound.key == *name) { "--max-" } else { "" };
        let times = counted(*times, "time", "times");
        row(if nth == 0 { "limits hit" } else { "" }, &format_args!("{flag}{name}, {times}"));
    }
    let mut clock = Vec::new();
    if record.time_backwards > 0 {
        clock.push(counted(record.time_backwards, "packet behind it", "packets behind it"));
    }
    if record.time_jumps > 0 {
        clock.push(counted(record.time_jumps, "jump of more than an hour", "jumps of more than an hour"));
    }
    if !clock.is_empty() {
        row("clock", &joined(&clock));
    }
    text
}

/// What a name in `not_analysed` means, for a person.
fn meaning(name: &str) -> &'static str {
    let skips = crate::decode::Reason::ALL.iter().map(|reason| (reason.key, reason.what));
    let mut all = skips.chain(defrag::NAMES.iter().chain(tcp::NAMES).chain([&ledger::MISSING]).copied());
    all.find(|(key, _)| *key == name).map_or("", |(_, what)| what)
}

/// To the second: the records have the rest.
fn short(stamp: &Stamp) -> String {
    let text = stamp.as_str();
    format!("{}Z", text.get(..19).unwrap_or(text).replace('T', " "))
}

/// `1 capture`, `1,234 captures`.
fn counted(number: u64, one: &str, many: &str) -> String {
    format!("{} {}", count(number), if number == 1 { one } else { many })
}

/// A number with its thousands parted.
fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len().saturating_mul(2));
    for (nth, digit) in digits.chars().enumerate() {
        if nth > 0 && digits.len().saturating_sub(nth).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// Styles, or none where the output shows none.
#[derive(Clone, Copy)]
struct Styles {
    color: bool,
}

impl Styles {
    fn of(scene: &Scene) -> Self {
        Styles { color: scene.color }
    }

    fn bold(self, text: impl Display) -> String {
        self.paint(Style::new().bold(), text)
    }

    fn dim(self, text: impl Display) -> String {
        self.paint(Style::new().dimmed(), text)
    }

    fn severity(self, severity: crate::rules::Severity, text: impl Display) -> String {
        use crate::rules::Severity;
        let style = match severity {
            Severity::Info => AnsiColor::Blue.on_default(),
            Severity::Low => AnsiColor::Cyan.on_default(),
            Severity::Medium => AnsiColor::Yellow.on_default(),
            Severity::High => AnsiColor::Red.on_default(),
            Severity::Critical => AnsiColor::Red.on_default().bold(),
        };
        self.paint(style, text)
    }

    fn paint(self, style: Style, text: impl Display) -> String {
        if self.color { format!("{style}{text}{style:#}") } else { text.to_string() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ledger::entry::Revealable;
    use crate::report::testing;
    use crate::rules::Evidence;

    fn printed(scene: &Scene, each: impl FnOnce(&mut Text, &mut Vec<u8>)) -> String {
        let (mut format, mut out) = (Text::default(), Vec::new());
        each(&mut format, &mut out);
        format.end(scene, &mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn a_report_reads_so() {
        let scene = testing::scene();
        let report = printed(&scene, |format, out| {
            format.finding(&testing::found(), &scene, out);
            format.server(&testing::server(), &scene, out);
            format.summary(&testing::summary(), &scene, out);
        });
        insta::assert_snapshot!(report);
    }

    #[test]
    fn a_live_report_tells_findings_and_stats_as_they_come_and_servers_at_the_end() {
        let scene = testing::live_scene();
        let report = printed(&scene, |format, out| {
            format.server(&testing::server(), &scene, out);
            format.finding(&testing::found(), &scene, out);
            format.stats(&testing::stats(), &scene, out);
            format.finding(&testing::found(), &scene, out);
            format.server(&Server { sessions: 3, ..testing::server() }, &scene, out);
            format.summary(&testing::summary(), &scene, out);
        });
        insta::assert_snapshot!(report);
    }

    #[test]
    fn events_and_sessions_read_so() {
        let scene = testing::scene();
        let report = printed(&scene, |format, out| {
            for (who, told) in testing::events() {
                format.event(&who, &told, &scene, out);
            }
            format.session(&testing::session_end(), &scene, out);
        });
        insta::assert_snapshot!(report);
    }

    #[test]
    fn a_quotation_is_cut_only_where_several_lines_go_and_labels_stand_in_one_column() {
        let scene = testing::scene();
        let report = |lines: usize| {
            let mut found = testing::found();
            let lines: Vec<String> = (0..lines).map(|line| format!("line {line}")).collect();
            found.finding.evidence.clear();
            found.finding = found.finding.list("reply_text", lines).with("standard_refusal", Evidence::Flag(true));
            printed(&scene, |format, out| format.finding(&found, &scene, out))
        };
        assert!(report(MOST_LINES + 1).contains("line 16\n") && !report(MOST_LINES + 1).contains("more lines"));
        assert!(report(MOST_LINES + 2).contains("(2 more lines)") && !report(MOST_LINES + 2).contains("line 16"));
        let column = |line: &str, value: &str| line.find(value).unwrap_or_default();
        let report = report(1);
        let lines: Vec<&str> = report.lines().filter(|line| line.starts_with("           ")).collect();
        let values = ["line 0", "yes", "192.0.2.1:40000 at", "mail/tuesday.pcap", "((ip.src"];
        let columns: Vec<usize> = lines.iter().zip(values).map(|(line, value)| column(line, value)).collect();
        assert!(columns.iter().all(|at| *at == columns[0] && *at > 0), "{report}");
    }

    #[test]
    fn an_empty_text_leaves_no_row_and_no_blank_at_a_lines_end() {
        let scene = testing::scene();
        let mut found = testing::found();
        found.finding.evidence.clear();
        found.finding = found.finding.list("reply_text", [""]).bytes("argument", b"");
        let report = printed(&scene, |format, out| format.finding(&found, &scene, out));
        assert!(!report.contains("reply text") && !report.contains("argument"), "{report}");
        let (who, told) = testing::events().remove(0);
        let Told::Command { at, verb, uncertain, .. } = told else { unreachable!("the first event is a command") };
        let argument = Revealable { shown: Vec::new(), whole: None };
        let told = Told::Command { at, verb, argument, uncertain };
        let line = printed(&scene, |format, out| format.event(&who, &told, &scene, out));
        assert!(line.contains(" C: HELP\n"), "{line:?}");
    }

    #[test]
    fn nothing_is_said_of_packets_where_there_were_none() {
        let scene = testing::scene();
        let empty = Summary::default();
        let report = printed(&scene, |format, out| format.summary(&empty, &scene, out));
        assert!(!report.contains("not analysed"), "{report}");
        let mut unread = Summary::default();
        unread.totals.problems = 1;
        let report = printed(&scene, |format, out| format.summary(&unread, &scene, out));
        assert!(report.contains("not analysed  1 input that could not be read to its end\n"), "{report}");
    }

    #[test]
    fn findings_beyond_what_a_person_reads_are_counted() {
        let scene = testing::scene();
        let report = printed(&scene, |format, out| {
            for _ in 0..MOST_FINDINGS + 1234 {
                format.finding(&testing::found(), &scene, out);
            }
        });
        assert!(report.ends_with("1,234 more findings; --format jsonl prints all of them\n\n"));
    }

    #[test]
    fn styles_appear_only_where_they_are_wanted_and_nothing_from_the_wire_makes_one() {
        let mut scene = testing::scene();
        let plain = printed(&scene, |format, out| format.finding(&testing::found(), &scene, out));
        assert!(!plain.contains('\x1b') && plain.contains("\\x1b[31mEnd"), "{plain}");
        scene.color = true;
        let styled = printed(&scene, |format, out| format.finding(&testing::found(), &scene, out));
        assert!(styled.contains("\x1b[1mhelp-exposed/answered\x1b[0m"), "{styled}");
    }

    #[test]
    fn thousands_are_parted() {
        for (number, text) in [(0, "0"), (999, "999"), (1000, "1,000"), (1_234_567, "1,234,567")] {
            assert_eq!(count(number), text);
        }
    }
}
