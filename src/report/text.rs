//! `text`: a report for a person. Findings grouped by server, then a table of the servers, then what was read
//! and what was not.

use std::collections::BTreeMap;
use std::fmt::{Display, Write as _};
use std::sync::Arc;

use anstyle::{AnsiColor, Style};
use comfy_table::{Cell, ContentArrangement, Table, presets};

use super::{Format, Look, meaning};
use crate::base::meaning::Meaning;
use crate::base::{Known, Limit};
use crate::ledger::elsewhere::Line;
use crate::record::{Clockwork, End, Finding, Proof, Record, Server, Session, Stats, Summary, When};
use crate::rules::Severity;

/// A person reads no more; the rest is counted.
const MOST_FINDINGS: u64 = 10_000;
/// What one finding quotes of a reply is cut to so many lines.
const MOST_LINES: usize = 16;
/// Labels are as wide as this, or as the longest of the same finding.
const LABEL: usize = 12;

/// The format: it keeps the findings, rendered, until it can group them.
#[derive(Default)]
pub(super) struct Text {
    look: Look,
    clock: Clockwork,
    /// Live: SMTP on other ports passes the kernel's filter.
    notices_ports: bool,
    findings: BTreeMap<Known, Vec<String>>,
    kept: u64,
    beyond: u64,
    /// Each as it was told last; where captures are treated alone, each capture's.
    servers: BTreeMap<(Known, Option<Arc<str>>), Row>,
    /// The summary, rendered.
    summary: Option<String>,
}

impl Format for Text {
    fn record(&mut self, record: &Record, out: &mut Vec<u8>) {
        match record {
            Record::Start(start) => {
                let bpf = start.options.bpf.as_ref().is_some_and(|bpf| bpf.given().is_some());
                self.notices_ports = bpf || start.options.notice_ports == Some(true);
            }
            Record::Finding(finding) => self.finding(finding, out),
            Record::Session(session) => self.session(session, out),
            Record::Command(command) => self.event(command.time, &command.session, &said(record), out),
            Record::Reply(reply) => self.event(reply.time, &reply.session, &said(record), out),
            Record::Data(data) => self.event(data.time, &data.session, &said(record), out),
            Record::Tls(tls) => self.event(tls.time, &tls.session, &said(record), out),
            Record::Gap(gap) => self.event(gap.time, &gap.session, &said(record), out),
            Record::Server(server) => {
                self.servers.insert((server.known(), server.capture.clone()), Row::of(server));
            }
            Record::Stats(stats) => self.stats(stats, out),
            Record::Summary(summary) => self.summary = Some(render_summary(summary, self.notices_ports, self.styles())),
        }
    }

    fn end(&mut self, out: &mut Vec<u8>) {
        let style = self.styles();
        for (known, findings) in &self.findings {
            let mut rows = self.servers.range((known.clone(), None)..);
            let row = rows.next().filter(|((server, _), _)| server == known).map(|(_, row)| row);
            let software = row.and_then(|row| row.software.as_ref());
            let software = software.map(|software| format!("  {}", style.dim(software))).unwrap_or_default();
            push(out, format_args!("{}{software}\n\n", style.bold(known)));
            for finding in findings {
                push(out, format_args!("{finding}\n"));
            }
        }
        if self.beyond > 0 {
            push(out, format_args!("{} more findings; --format jsonl prints all of them\n\n", count(self.beyond)));
        }
        if !self.servers.is_empty() {
            push(out, format_args!("{}\n{}\n\n", style.bold("Servers"), table(&self.servers)));
        }
        if let Some(summary) = &self.summary {
            push(out, format_args!("{summary}"));
        }
    }
}

impl Text {
    pub(super) fn new(look: Look) -> Self {
        Text { look, ..Text::default() }
    }

    fn styles(&self) -> Styles {
        Styles { color: self.look.color }
    }

    fn event(&mut self, time: When, session: &str, said: &str, out: &mut Vec<u8>) {
        let (time, style) = (self.clock.stamp(time.0), self.styles());
        push(out, format_args!("{} {} {said}\n", style.dim(time), style.dim(session.get(..8).unwrap_or_default())));
    }

    fn finding(&mut self, found: &Finding, out: &mut Vec<u8>) {
        if self.look.as_it_goes {
            let server = self.styles().bold(found.server.known());
            push(out, format_args!("{server}\n{}\n", finding(found, self.styles())));
            return;
        }
        if self.kept >= MOST_FINDINGS {
            self.beyond = self.beyond.saturating_add(1);
            return;
        }
        self.kept = self.kept.saturating_add(1);
        let rendered = finding(found, self.styles());
        self.findings.entry(found.server.known()).or_default().push(rendered);
    }

    fn session(&mut self, session: &Session, out: &mut Vec<u8>) {
        let (start, style) = (self.clock.stamp(session.start.0), self.styles());
        let ends = format_args!("{} -> {}", address(session.client), session.server.known());
        let helo = session.helo.as_ref();
        let helo = helo.map(|helo| format!("  {} {}", helo.verb, helo.argument)).unwrap_or_default();
        let Session { capture, first_frame, last_frame, last_capture, .. } = session;
        let frames = if last_capture == capture {
            format!("{capture} frames {first_frame}-{last_frame}")
        } else {
            format!("{capture} frame {first_frame} to {last_capture} frame {last_frame}")
        };
        push(
            out,
            format_args!(
                "{} {}  {ends}{helo}  {}, {}, {}, tls {}, {}  {frames}\n",
                style.dim(start),
                style.dim(session.session.get(..8).unwrap_or_default()),
                counted(session.commands, "command", "commands"),
                counted(session.replies, "reply", "replies"),
                counted(session.transactions.len() as u64, "mail", "mails"),
                session.tls.state,
                session.closed,
            ),
        );
    }

    fn stats(&mut self, stats: &Stats, out: &mut Vec<u8>) {
        let (time, style) = (self.clock.stamp(stats.time.0), self.styles());
        let (packets, bytes) = (counted(stats.packets, "packet", "packets"), counted(stats.bytes, "byte", "bytes"));
        let dropped = count(stats.kernel_dropped.saturating_add(stats.interface_dropped));
        let filtered =
            stats.filtered_out.map(|packets| format!(", {} filtered out", count(packets))).unwrap_or_default();
        let (connections, sessions) = (count(stats.connections), count(stats.sessions));
        let (open, memory) = (count(stats.open_connections), count(stats.memory_bytes));
        push(
            out,
            format_args!(
                "{} {packets}, {bytes}, {dropped} dropped{filtered}, {connections} connections ({open} open), {sessions} sessions, {memory} bytes of memory\n",
                style.dim(time),
            ),
        );
    }
}

fn push(out: &mut Vec<u8>, text: std::fmt::Arguments<'_>) {
    use std::io::Write as _;
    // Writing to a vector cannot fail.
    let _ = out.write_fmt(text);
}

/// A finding: what, its evidence, where it is.
fn finding(record: &Finding, style: Styles) -> String {
    let severity = style.severity(record.severity, format_args!("{:<8}", record.severity));
    let name = style.bold(format_args!("{}/{}", record.rule, record.check));
    let mut text = format!("  {severity} {name}  {}\n", record.message);
    let width = record.evidence.iter().map(|(name, _)| name.len()).fold(LABEL, usize::max);
    let mut row = |label: &str, value: &dyn Display| {
        let _ = writeln!(text, "           {} {value}", style.dim(format_args!("{label:<width$}")));
    };
    let whole = record.evidence.iter().any(|(name, _)| name == "command");
    for (name, proof) in record.evidence.iter() {
        // The whole line says both.
        if whole && matches!(name, "verb" | "argument") {
            continue;
        }
        let label = name.replace('_', " ");
        match proof {
            Proof::Text(shown) if shown.is_empty() => {}
            Proof::Text(shown) => row(&label, shown),
            Proof::Number(number) => row(&label, number),
            Proof::Flag(flag) => row(&label, &if *flag { "yes" } else { "no" }),
            Proof::List(items) if lists_words(name) => row(&label, &joined(items)),
            Proof::List(items) if items.iter().all(String::is_empty) => {}
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
    row("client", &format_args!("{} at {}", address(record.client), record.time));
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
fn places(record: &Finding) -> String {
    let mut text = String::new();
    for in_file in record.packets.chunk_by(|a, b| a.capture == b.capture) {
        let frames: Vec<_> = in_file.iter().map(|place| place.frame).collect();
        let capture = in_file.first().map_or("", |place| &place.capture);
        let separator = if text.is_empty() { "" } else { "; " };
        let plural = if frames.len() > 1 { "frames" } else { "frame" };
        let _ = write!(text, "{separator}{capture} {plural} {}", joined(&frames));
    }
    text
}

/// What an event was, in a line.
fn said(record: &Record) -> String {
    let uncertain = |flag: bool| if flag { "  (uncertain)" } else { "" };
    match record {
        Record::Command(command) => {
            let (verb, argument) = (command.verb.as_deref().unwrap_or_default(), &command.argument);
            let blank = if verb.is_empty() || argument.is_empty() { "" } else { " " };
            format!("C: {verb}{blank}{argument}{}", uncertain(command.uncertain))
        }
        Record::Reply(reply) => {
            let code = reply.code.map_or_else(|| "---".to_owned(), |code| format!("{code:03}"));
            let lines = joined_lines(&reply.lines);
            let blank = if lines.is_empty() { "" } else { " " };
            format!("S: {code}{blank}{lines}{}", uncertain(reply.uncertain))
        }
        Record::Data(data) => {
            let (bytes, lines) = (counted(data.bytes, "byte", "bytes"), counted(data.lines, "line", "lines"));
            format!("   message data: {bytes}, {lines}, {}", data.end)
        }
        Record::Tls(tls) => {
            let version = tls.version.as_ref().map(|version| format!(" {version}")).unwrap_or_default();
            let sni = tls.sni.as_ref().map(|sni| format!(" for {sni}")).unwrap_or_default();
            format!("   TLS{version}{sni}: {}", tls.state)
        }
        Record::Gap(gap) => {
            format!("   {} of the {} were not captured", counted(gap.bytes, "byte", "bytes"), gap.side)
        }
        _ => String::new(),
    }
}

fn joined_lines(lines: &[impl Display]) -> String {
    lines.iter().map(ToString::to_string).collect::<Vec<_>>().join(" | ")
}

/// `192.0.2.1:25`, `[2001:db8::1]:25`.
fn address(end: End) -> String {
    std::net::SocketAddr::new(end.ip, end.port).to_string()
}

/// What the table tells of a server.
struct Row {
    software: Option<String>,
    several: Vec<String>,
    sessions: u64,
    help: &'static str,
    starttls: &'static str,
    findings: Vec<String>,
}

impl Row {
    fn of(server: &Server) -> Self {
        Row {
            software: server.software.as_ref().map(ToString::to_string),
            several: server.several_software.iter().map(ToString::to_string).collect(),
            sessions: server.sessions,
            help: server.help.name(),
            starttls: server.starttls.name(),
            findings: server.findings.iter().map(|(check, times)| format!("{check} {}", count(*times))).collect(),
        }
    }
}

fn table(servers: &BTreeMap<(Known, Option<Arc<str>>), Row>) -> String {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_content_arrangement(ContentArrangement::Disabled);
    table.set_header(["  server", "software", "sessions", "help", "starttls", "findings, with repeats"]);
    for ((known, capture), Row { software, several: _, sessions, help, starttls, findings }) in servers {
        table.add_row([
            Cell::new(match capture {
                Some(capture) => format!("  {known} in {capture}"),
                None => format!("  {known}"),
            }),
            Cell::new(software.as_deref().unwrap_or("-")),
            Cell::new(count(*sessions)),
            Cell::new(help),
            Cell::new(starttls),
            Cell::new(if findings.is_empty() { "-".to_owned() } else { findings.join("\n") }),
        ]);
    }
    for column in table.column_iter_mut() {
        column.set_padding((0, 2));
    }
    let mut text = table.trim_fmt();
    for ((known, _), Row { several, .. }) in servers.iter().filter(|(_, row)| !row.several.is_empty()) {
        let _ = write!(text, "\n  {known}: several servers answer here: {}", several.join(", "));
    }
    text
}

fn render_summary(record: &Summary, notices_ports: bool, style: Styles) -> String {
    let mut text = format!("{}\n", style.bold("Summary"));
    let mut row = |label: &str, value: &dyn Display| {
        let _ = writeln!(text, "  {} {value}", style.dim(format_args!("{label:<13}")));
    };
    let captures = counted(record.captures.len() as u64, "capture", "captures");
    let packets = counted(record.packets, "packet", "packets");
    row("read", &format_args!("{captures}, {packets}, {}", counted(record.bytes, "byte", "bytes")));
    if let (Some(first), Some(last)) = (record.first_time, record.last_time) {
        row("time", &format_args!("{} to {}", short(first), short(last)));
    }
    let (connections, sessions) = (record.connections, record.sessions);
    let connections = counted(connections, "connection", "connections");
    let sessions = counted(sessions, "session", "sessions");
    let segments = counted(record.segments, "segment", "segments");
    row("followed", &format_args!("{segments}, {connections}, {sessions}"));
    let mut by_severity: BTreeMap<Severity, u64> = BTreeMap::new();
    for severity in Severity::ALL {
        let of_rules = record.findings.values().map(|counts| counts.of(severity));
        let sum = of_rules.fold(0, u64::saturating_add);
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
        unread.push(format!("{} {name}: {}", count(*times), meaning::of(name).what));
    }
    for (number, Meaning { unit, what, .. }) in [
        (record.problems, meaning::PROBLEMS),
        (record.files_skipped, meaning::FILES_SKIPPED),
        (record.capture_dropped, meaning::CAPTURE_DROPPED),
        (record.internal_errors, meaning::INTERNAL_ERRORS),
    ] {
        if number > 0 {
            unread.push(format!("{} {}: {what}", count(number), unit.word(number)));
        }
    }
    if record.interrupted {
        unread.push("everything after the signal that ended the scan".to_owned());
    }
    if unread.is_empty() && record.packets > 0 {
        unread.push("none".to_owned());
    }
    for (nth, what) in unread.iter().enumerate() {
        row(if nth == 0 { "not analysed" } else { "" }, what);
    }
    if !record.smtp_on_other_ports.is_empty() {
        row("other ports", &format_args!("SMTP was seen on {}", Line(&record.smtp_on_other_ports)));
    }
    if let Some(packets) = record.filtered_out {
        let packets = counted(packets, "packet", "packets");
        let ports = if notices_ports { "" } else { ": other ports were not looked at (--notice-ports)" };
        row("filtered out", &format_args!("{packets} by the kernel{ports}"));
    }
    for capture in record.captures.iter().filter(|capture| capture.truncated) {
        row("truncated", &format_args!("{} ends inside a packet", capture.path));
    }
    for (nth, (name, times)) in record.limits_hit.iter().enumerate() {
        let is_flag = Limit::ALL.iter().any(|bound| bound.key == name);
        let name = if is_flag { format!("--max-{}", name.replace('_', "-")) } else { name.replace('_', " ") };
        let times = counted(*times, "time", "times");
        row(if nth == 0 { "limits hit" } else { "" }, &format_args!("{name}, {times}"));
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

/// To the second: the records have the rest.
fn short(time: When) -> String {
    let text = time.to_string();
    format!("{}Z", text.get(..19).unwrap_or(&text).replace('T', " "))
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
    fn bold(self, text: impl Display) -> String {
        self.paint(Style::new().bold(), text)
    }

    fn dim(self, text: impl Display) -> String {
        self.paint(Style::new().dimmed(), text)
    }

    fn severity(self, severity: Severity, text: impl Display) -> String {
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
    use crate::ledger::{self, Found, Output};
    use crate::record::testing;
    use crate::rules::finding::Evidence;

    const AS_IT_GOES: Look = Look { color: false, as_it_goes: true };

    fn printed(look: Look, records: impl IntoIterator<Item = Record>) -> String {
        let (mut format, mut out) = (Text::new(look), Vec::new());
        records.into_iter().for_each(|record| format.record(&record, &mut out));
        format.end(&mut out);
        String::from_utf8(out).unwrap()
    }

    /// The report of one finding whose evidence `tell` gives.
    fn with_evidence(tell: impl FnOnce(crate::rules::Finding) -> crate::rules::Finding) -> String {
        let mut found = testing::found();
        found.finding.evidence.clear();
        let found = Found { finding: tell(found.finding), ..testing::found() };
        printed(Look::default(), [testing::record_of(testing::clerk(), Output::Finding(Box::new(found)))])
    }

    #[test]
    fn a_report_reads_so() {
        let records = [testing::finding(), testing::server(), testing::summary()];
        insta::assert_snapshot!(printed(Look::default(), records));
    }

    #[test]
    fn a_live_report_tells_findings_and_stats_as_they_come_and_servers_at_the_end() {
        let finding = || testing::record_of(testing::live_clerk(), Output::Finding(Box::new(testing::found())));
        let Record::Server(mut server) = testing::server() else { unreachable!("a server's record") };
        server.sessions = 3;
        let [stats, _] = testing::stats();
        let records = [testing::server(), finding(), stats, finding(), Record::Server(server), testing::summary()];
        insta::assert_snapshot!(printed(AS_IT_GOES, records));
    }

    #[test]
    fn events_and_sessions_read_so() {
        insta::assert_snapshot!(printed(Look::default(), testing::events().into_iter().chain([testing::session()])));
    }

    #[test]
    fn a_quotation_is_cut_only_where_several_lines_go_and_labels_stand_in_one_column() {
        let report = |lines: usize| {
            let lines: Vec<String> = (0..lines).map(|line| format!("line {line}")).collect();
            with_evidence(|finding| finding.list("reply_text", lines).with("standard_refusal", Evidence::Flag(true)))
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
        let report = with_evidence(|finding| finding.list("reply_text", [""]).bytes("argument", b""));
        assert!(!report.contains("reply text") && !report.contains("argument"), "{report}");
        let Record::Command(mut command) = testing::events().remove(0) else { unreachable!("a command is first") };
        command.argument.clear();
        let line = printed(Look::default(), [Record::Command(command)]);
        assert!(line.contains(" C: HELP\n"), "{line:?}");
    }

    #[test]
    fn nothing_is_said_of_packets_where_there_were_none() {
        let summary = |summary| testing::record_of(testing::clerk(), Output::Summary(Box::new(summary)));
        let report = printed(Look::default(), [summary(ledger::Summary::default())]);
        assert!(!report.contains("not analysed"), "{report}");
        let mut unread = ledger::Summary::default();
        unread.totals.problems = 1;
        let report = printed(Look::default(), [summary(unread)]);
        assert!(report.contains("not analysed  1 file: not read, or only in part\n"), "{report}");
    }

    #[test]
    fn findings_beyond_what_a_person_reads_are_counted() {
        let finding = testing::finding();
        let report = printed(Look::default(), (0..MOST_FINDINGS + 1234).map(|_| finding.clone()));
        assert!(report.ends_with("1,234 more findings; --format jsonl prints all of them\n\n"));
    }

    #[test]
    fn styles_appear_only_where_they_are_wanted_and_nothing_from_the_wire_makes_one() {
        let plain = printed(Look::default(), [testing::finding()]);
        assert!(!plain.contains('\x1b') && plain.contains("\\x1b[31mEnd"), "{plain}");
        let styled = printed(Look { color: true, as_it_goes: false }, [testing::finding()]);
        assert!(styled.contains("\x1b[1mhelp-exposed/answered\x1b[0m"), "{styled}");
    }

    #[test]
    fn thousands_are_parted() {
        for (number, text) in [(0, "0"), (999, "999"), (1000, "1,000"), (1_234_567, "1,234,567")] {
            assert_eq!(count(number), text);
        }
    }
}
