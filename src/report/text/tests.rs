use super::*;
use crate::ledger::{Found, Output};
use crate::record::{Finding, testing};
use crate::report::digest::By;
use crate::rules::Severity;
use crate::rules::finding::Evidence;

fn as_it_goes() -> Look {
    Look { as_it_goes: true, ..Look::default() }
}

fn looking(detail: Detail) -> Look {
    Look { detail, inputs: vec!["mail".to_owned()], ..Look::default() }
}

fn printed(look: &Look, records: impl IntoIterator<Item = Record>) -> String {
    let (mut format, mut out) = (Text::new(look), Vec::new());
    records.into_iter().for_each(|record| format.record(&record, &mut out));
    format.end(&mut out);
    String::from_utf8(out).unwrap()
}

/// The report of one finding whose evidence `tell` gives, with all detail.
fn with_evidence(tell: impl FnOnce(crate::rules::Finding) -> crate::rules::Finding) -> String {
    let mut found = testing::found();
    found.finding.evidence.clear();
    let found = Found { finding: tell(found.finding), ..testing::found() };
    let finding = testing::record_of(testing::clerk(), Output::Finding(Box::new(found)));
    printed(&looking(Detail::Whole), [finding])
}

fn of_severity(severity: Severity) -> Record {
    let Record::Finding(finding) = testing::finding() else { unreachable!("a finding's record") };
    Record::Finding(Box::new(Finding { severity, title: severity.name().into(), ..*finding }))
}

fn all() -> [Record; 3] {
    [testing::finding(), testing::server(), testing::summary()]
}

#[test]
fn an_overview_reads_so() {
    insta::assert_snapshot!(printed(&looking(Detail::Overview), all()));
}

#[test]
fn every_finding_reads_so() {
    insta::assert_snapshot!(printed(&looking(Detail::Each), all()));
}

#[test]
fn every_finding_with_its_evidence_reads_so() {
    insta::assert_snapshot!(printed(&looking(Detail::Whole), all()));
}

#[test]
fn findings_by_server_client_and_session_read_so() {
    let by = [By::Server, By::Client, By::Session];
    let printed =
        by.map(|by| printed(&Look { by, ..looking(Detail::Overview) }, [testing::finding(), testing::server()]));
    insta::assert_snapshot!(printed.join("\n-----\n"));
}

#[test]
fn a_live_report_tells_findings_and_stats_as_they_come_and_servers_at_the_end() {
    let finding = || testing::record_of(testing::live_clerk(), Output::Finding(Box::new(testing::found())));
    let Record::Server(mut server) = testing::server() else { unreachable!("a server's record") };
    server.sessions = 3;
    let [stats, _] = testing::stats();
    let records = [testing::server(), finding(), stats, finding(), Record::Server(server), testing::summary()];
    insta::assert_snapshot!(printed(&as_it_goes(), records));
}

#[test]
fn on_a_terminal_a_finding_is_a_line_that_never_wraps_and_its_likes_are_counted() {
    for columns in [40, 60, 80, 100, 120, 200] {
        let look = Look { terminal: Some(columns), ..as_it_goes() };
        let (mut format, mut out) = (Text::new(&look), Vec::new());
        (0..4).for_each(|_| format.record(&testing::finding(), &mut out));
        format.record(&of_severity(Severity::High), &mut out);
        let text = String::from_utf8(out).unwrap();
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!((lines.len(), lines[1]), (3, "          … 3 more like it"), "{text}");
        assert!(lines.iter().all(|line| super::super::layout::width(line) <= columns.max(60)), "{columns}: {text}");
        assert_eq!(lines[0].contains("192.0.2.1 > "), columns >= 100, "{text}");
    }
}

#[test]
fn events_and_sessions_read_so() {
    insta::assert_snapshot!(printed(&Look::default(), testing::events().into_iter().chain([testing::session()])));
}

#[test]
fn a_quotation_is_cut_only_where_several_lines_go_and_labels_stand_in_one_column() {
    let report = |lines: usize| {
        let lines: Vec<String> = (0..lines).map(|line| format!("line {line}")).collect();
        with_evidence(|finding| finding.list("reply_text", lines).with("standard_refusal", Evidence::Flag(true)))
    };
    assert!(report(17).contains("line 16\n") && !report(17).contains("more lines"));
    assert!(report(18).contains("(2 more lines)") && !report(18).contains("line 16"));
    let report = report(1);
    let column = |value: &str| report.lines().find_map(|line| line.find(value)).unwrap_or_default();
    let columns = ["line 0", "yes", "frame.number", "ip.addr"].map(column);
    assert!(columns.iter().all(|at| *at == columns[0] && *at > 0), "{report}");
}

#[test]
fn an_empty_text_leaves_no_row_and_no_blank_at_a_lines_end() {
    let report = with_evidence(|finding| finding.list("reply_text", [""]).bytes("argument", b""));
    assert!(!report.contains("reply text") && !report.contains("argument"), "{report}");
    let Record::Command(mut command) = testing::events().remove(0) else { unreachable!("a command is first") };
    command.argument.clear();
    let line = printed(&Look::default(), [Record::Command(command)]);
    assert!(line.contains(" C: HELP\n"), "{line:?}");
}

#[test]
fn a_scan_that_followed_no_session_is_never_told_as_clean() {
    let summary = |summary| testing::record_of(testing::clerk(), Output::Summary(Box::new(summary)));
    let report = printed(&Look::default(), [summary(crate::ledger::Summary::default())]);
    assert!(report.contains("Nothing was judged: no SMTP session was found."), "{report}");
    assert!(!report.contains("No findings"), "{report}");
    let followed = crate::ledger::Summary { sessions: 1, ..crate::ledger::Summary::default() };
    assert!(printed(&Look::default(), [summary(followed)]).contains("No findings"));
}

#[test]
fn the_one_high_finding_stands_before_ten_thousand_low_ones_and_what_is_left_out_is_counted() {
    let low = (0..MOST_FINDINGS + 1234).map(|_| of_severity(Severity::Low));
    let report = printed(&looking(Detail::Each), low.chain([of_severity(Severity::High)]));
    let first = report.lines().find(|line| line.starts_with("high") || line.starts_with("low")).unwrap();
    assert!(first.starts_with("high"), "{first}");
    assert!(report.contains("1,234 more findings of this check; --format jsonl has all of them"));
}

#[test]
fn styles_appear_only_where_they_are_wanted_and_nothing_from_the_wire_makes_one() {
    let plain = printed(&looking(Detail::Whole), [testing::finding()]);
    assert!(!plain.contains('\x1b') && plain.contains("\\x1b[31mEnd"), "{plain}");
    let styled = printed(&Look { color: true, ..looking(Detail::Whole) }, [testing::finding()]);
    assert!(styled.contains("\x1b[36mlow "), "{styled}");
    let stripped = anstream::adapter::strip_str(&styled).to_string();
    assert_eq!(stripped, plain, "colour carries nothing alone");
}

#[test]
fn nothing_is_wider_than_the_page_whatever_the_wire_says() {
    let Record::Finding(mut finding) = testing::finding() else { unreachable!("a finding's record") };
    finding.message = "x".repeat(300);
    let Record::Server(mut server) = testing::server() else { unreachable!("a server's record") };
    if let Some(software) = &mut server.software {
        software.version = Some("日本".repeat(40));
    }
    let records = [Record::Finding(finding), Record::Server(server), testing::summary()];
    for (columns, detail) in [40, 60, 80, 100, 120, 140, 200]
        .into_iter()
        .flat_map(|columns| [Detail::Overview, Detail::Each, Detail::Whole].map(|detail| (columns, detail)))
    {
        let look = Look { terminal: Some(columns), ..looking(detail) };
        let report = printed(&look, records.clone());
        // A command to copy, a filter and a check's name are never cut.
        let free = |line: &&str| !["mailtap ", "frame.number", "ip.addr"].iter().any(|word| line.contains(word));
        for line in report.lines().filter(free) {
            assert!(super::super::layout::width(line) <= columns.min(140), "{columns}: {line:?}");
        }
    }
}
