//! The page as a whole, from records that are made here; pages of captures are in `tests/integration/page.rs`.

use super::*;
use crate::ledger::Kind;
use crate::record::{Command, Finding, Options, Program, Session, SessionId, Start, testing};
use crate::rules::Severity;

fn start() -> Record {
    let options = Options { port: vec![25, 2525], records: Kind::ALL.to_vec(), ..Options::default() };
    Record::Start(Box::new(Start::new(Program::Scan, options)))
}

fn small() -> Vec<Record> {
    let mut records = vec![start()];
    records.extend(testing::events());
    records.extend([testing::finding(), testing::session(), testing::server(), testing::summary()]);
    records
}

fn page(records: impl IntoIterator<Item = Record>) -> String {
    let mut html = Html::new(&Look { inputs: vec!["mail".to_owned()], ..Look::default() });
    let mut out = Vec::new();
    for record in records {
        html.record(&record, &mut out);
    }
    assert!(out.is_empty(), "nothing is written before the end");
    html.end(&mut out);
    String::from_utf8(out).unwrap()
}

/// What stands between the first of `from` and the next of `to`.
fn between<'t>(text: &'t str, from: &str, to: &str) -> &'t str {
    let start = text.find(from).unwrap() + from.len();
    &text[start..start + text[start..].find(to).unwrap()]
}

#[test]
fn a_page_reads_so() {
    let page = page(small());
    let (style, script) = (between(&page, "<style>", "</style>"), between(&page, "<script>", "</script>"));
    let policy = between(&page, "Content-Security-Policy\" content=\"", "\"");
    insta::assert_snapshot!(page.replace(style, "…").replace(script, "…").replace(policy, "…"));
}

#[test]
fn the_policy_allows_the_pages_own_style_and_script_and_nothing_else() {
    use data_encoding::BASE64;
    use sha2::{Digest as _, Sha256};
    let page = page(small());
    let hash = |text: &str| BASE64.encode(&Sha256::digest(text.as_bytes()));
    let policy = between(&page, "Content-Security-Policy\" content=\"", "\"").replace("&#39;", "'");
    let (style, script) = (between(&page, "<style>", "</style>"), between(&page, "<script>", "</script>"));
    let expected = format!(
        "default-src 'none'; style-src 'sha256-{}'; script-src 'sha256-{}'; base-uri 'none'; form-action 'none'",
        hash(style),
        hash(script)
    );
    assert_eq!(policy, expected);
    assert!(!script.contains("</") && !style.contains("</"), "what would end them early");
    for forbidden in [" style=", " onclick=", " onload=", "javascript:", " src="] {
        assert!(!page.replace(script, "").contains(forbidden), "{forbidden}");
    }
}

#[test]
fn a_page_of_nothing_says_that_nothing_was_judged() {
    let Record::Summary(summary) = testing::summary() else { unreachable!("a summary's record") };
    let nothing = crate::record::Summary { sessions: 0, findings: [].into(), captures: Vec::new(), ..*summary };
    let page = page([start(), Record::Summary(Box::new(nothing))]);
    assert!(page.contains("<h1>Nothing was judged: no SMTP session was found.</h1>"), "{page}");
    assert!(page.contains("No server was seen.") && page.contains("No session was seen."), "{page}");
}

#[test]
fn what_can_be_seen_with_secrets_is_said_first() {
    let options = Options { show_secrets: true, ..Options::default() };
    let start = Record::Start(Box::new(Start::new(Program::Scan, options)));
    let page = page([start, testing::summary()]);
    assert!(page.contains("This report contains passwords: it was made with --show-secrets."), "{page}");
}

/// So many findings, each in a session of its own, of which one in `high` is high; two servers, and texts as long as they can be.
fn many(findings: u64, high: u64, texts: &str) -> impl Iterator<Item = Record> {
    let id = |nth: u64| -> SessionId { serde_json::from_str(&format!("\"{nth:016x}\"")).unwrap() };
    let Record::Finding(finding) = testing::finding() else { unreachable!("a finding's record") };
    let Record::Session(ended) = testing::session() else { unreachable!("a session's record") };
    let Some(Record::Command(command)) = testing::events().into_iter().next() else { unreachable!("a command first") };
    let texts = texts.to_owned();
    let sessions = (0..findings).flat_map(move |nth| {
        let said = (1..=3).map(|event| {
            Record::Command(Box::new(Command { session: id(nth), event, argument: texts.clone(), ..*command.clone() }))
        });
        let severity = if nth % high == high - 1 { Severity::High } else { Severity::Low };
        let title = ["one", "other"][usize::try_from(nth % 2).unwrap()].into();
        let message = format!("{nth} {texts}");
        let found = Finding { session: id(nth), event: Some(2), severity, title, message, ..*finding.clone() };
        let ended = Session { session: id(nth), ..*ended.clone() };
        said.chain([Record::Finding(Box::new(found)), Record::Session(Box::new(ended))]).collect::<Vec<_>>()
    });
    [start()].into_iter().chain(sessions).chain([testing::server(), testing::summary()])
}

const MEGABYTE: usize = 1_000_000;

#[test]
fn a_page_of_10_000_findings_stays_small_and_shows_the_worst_one_first() {
    let page = page(many(10_000, 9_000, "MAIL FROM:<somebody@example.com>"));
    assert!(page.len() < 2 * MEGABYTE, "{}", page.len());
    let first = between(&page, "<details class=\"g\"", "</h3>");
    assert!(first.contains("data-s=\"high\" open") && first.contains("<h3>other"), "{first}");
    // Of each low group ten stand in full and 200 in a table, and the page says how many do not.
    assert!(page.contains("<summary>4,990 more findings</summary>"));
    assert!(page.contains("Not on this page: 4,790 more findings of this check;"));
    assert!(page.contains("Not on this page: 9,000 more sessions,"));
    assert_eq!(page.matches("<tr id=\"s-").count(), 1_000);
}

#[test]
fn a_page_of_100_000_findings_with_the_longest_texts_is_below_5_megabytes() {
    // Each of these takes five bytes of the page.
    let page = page(many(100_000, 50, &"<".repeat(300)));
    assert!(page.len() < 5 * MEGABYTE, "{}", page.len());
    assert!(page.ends_with("</html>"), "whole to its end");
    assert!(page.contains("2,000 high findings"), "counted");
}

#[test]
fn the_same_records_give_the_same_bytes() {
    let once = page(many(500, 7, "NOOP"));
    assert_eq!(once, page(many(500, 7, "NOOP")));
}
