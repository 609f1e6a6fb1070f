//! The library gives what the program prints, as values, and tells what is wrong as values too.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use mailtap::record::{Help, Record, Severity};
use mailtap::{
    Cause, Config, Engine, Error, Limit, Notice, Observer, Outcome, Problem, Progress, RecordKind, Source, Stop,
};

use crate::support::{package, run_in};

const ALL: [RecordKind; 5] = RecordKind::ALL;

/// All that a scan of these paths gives.
fn records(config: Config, paths: &[&str]) -> Vec<Record> {
    let mut records = Vec::new();
    let outcome = Engine::new(config).scan(&source(paths), |record| records.push(record)).unwrap();
    assert!(outcome.is_complete(), "{:?}", outcome.problems);
    records
}

fn source(paths: &[&str]) -> Source {
    Source::paths(paths.iter().map(|path| package().join(path)))
}

/// What the program prints of the same paths, which name captures as the library does.
fn printed(arguments: &[&str], paths: &[&str]) -> String {
    let paths: Vec<String> = paths.iter().map(|path| package().join(path).to_str().unwrap().to_owned()).collect();
    let paths: Vec<&str> = paths.iter().map(String::as_str).collect();
    let ran = run_in(package(), &[&["scan", "--format", "jsonl"], arguments, &paths].concat());
    assert_eq!(ran.code(), 0, "{}", ran.stderr);
    ran.stdout
}

fn written(records: &[Record]) -> String {
    records.iter().flat_map(|record| [record.to_json(), "\n".to_owned()]).collect()
}

fn assert_same(told: &str, expected: &str) {
    for (told, expected) in told.lines().zip(expected.lines()) {
        assert_eq!(told, expected);
    }
    assert_eq!(told.lines().count(), expected.lines().count());
}

#[test]
fn records_are_what_the_program_prints_and_each_line_of_it_is_a_record() {
    let all = &["--records", "findings,sessions,servers,events,summary"];
    for folder in ["testdata/servers", "testdata/rules", "testdata/session"] {
        let expected = printed(all, &[folder]);
        let records = records(Config::new().records(ALL), &[folder]);
        assert!(
            matches!(records.first(), Some(Record::Start(_))) && matches!(records.last(), Some(Record::Summary(_)))
        );
        assert_same(&written(&records), &expected);
        for (line, record) in expected.lines().zip(&records) {
            let read = Record::from_json(line).unwrap();
            assert_eq!((&read, read.to_json().as_str()), (record, line));
        }
    }
}

#[test]
fn every_option_that_changes_results_is_the_programs() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("mailtap.toml");
    let text =
        "exchange_peers = [\"192.0.2.0/24\"]\n[severity]\nstarttls = \"info\"\n\"starttls/refused\" = \"critical\"\n";
    std::fs::write(&file, text).unwrap();
    let flags = "--port 25,587 --select help-exposed,starttls,non-compliant,exchange-command --ignore help-exposed/advertised,non-compliant/bare-lf \
        --min-severity low --servers 192.0.2.0/24,2001:db8::/32 --records servers,findings,sessions,summary --separate --hash --merge-files 3 --show-secrets \
        --half-open-timeout 7 --idle-timeout 8 --closed-timeout 9 --fragment-timeout 11 --max-servers 12 --max-recipients 1 --max-findings-per-rule 1";
    let mut arguments: Vec<&str> = flags.split_whitespace().collect();
    arguments.extend(["--config", file.to_str().unwrap()]);
    let selectors = |text: &str| text.split(',').map(|one| one.parse().unwrap()).collect::<Vec<_>>();
    let networks = ["192.0.2.0/24", "2001:db8::/32"].map(|net| net.parse().unwrap());
    let limit = |most: u64| most.try_into().unwrap();
    let config = Config::new()
        .ports([25, 587])
        .select(selectors("help-exposed,starttls,non-compliant,exchange-command"))
        .ignore(selectors("help-exposed/advertised,non-compliant/bare-lf"))
        .min_severity(Severity::Low)
        .severity("starttls".parse().unwrap(), Severity::Info)
        .severity("starttls/refused".parse().unwrap(), Severity::Critical)
        .servers(networks)
        .exchange_peers([networks[0]])
        .records([RecordKind::Servers, RecordKind::Findings, RecordKind::Sessions, RecordKind::Summary])
        .separate(true)
        .hash(true)
        .merge_files(3.try_into().unwrap())
        .show_secrets(true)
        .half_open_timeout(Duration::from_secs(7))
        .idle_timeout(Duration::from_secs(8))
        .closed_timeout(Duration::from_secs(9))
        .fragment_timeout(Duration::from_secs(11))
        .limit(Limit::Servers, limit(12))
        .limit(Limit::Recipients, limit(1))
        .limit(Limit::FindingsPerRule, limit(1))
        .threads(2.try_into().unwrap())
        .batch_bytes(4096);
    let paths = ["testdata/servers", "testdata/rules/exchange-command"];
    let records = records(config, &paths);
    assert_same(&written(&records), &printed(&arguments, &paths));
    let critical = |record: &Record| matches!(record, Record::Finding(found) if found.severity == Severity::Critical);
    assert!(records.iter().any(critical));
}

#[test]
fn a_problem_names_its_input_its_place_and_its_cause() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    let whole = std::fs::read(package().join("testdata/servers/exim-4.96/help.pcap")).unwrap();
    std::fs::write(path("cut.pcap"), &whole[..whole.len() - 1]).unwrap();
    std::fs::write(path("none.txt"), "no capture").unwrap();
    let (mut servers, named) = (Vec::new(), ["missing.pcap", "none.txt", "cut.pcap"].map(path));
    let engine = Engine::new(Config::new().records([RecordKind::Servers]));
    let outcome = engine.scan(&Source::paths(&named), |record| servers.extend(help(&record))).unwrap();
    assert_eq!(servers, [("192.0.2.25:25".to_owned(), Help::Exposed)]);
    assert!(!outcome.is_complete() && !outcome.interrupted);
    assert_eq!((outcome.more_problems, outcome.internal_errors, outcome.worst), (0, 0, Some(Severity::Low)));
    assert!(outcome.sessions > 0 && outcome.connections >= outcome.sessions && outcome.packets > outcome.sessions);
    let mut problems: Vec<&Problem> = outcome.problems.iter().collect();
    problems.sort_by_key(|problem| named.iter().position(|path| *path == problem.path));
    assert_eq!(problems.iter().map(|problem| &problem.path).collect::<Vec<_>>(), named.iter().collect::<Vec<_>>());
    assert!(matches!(&problems[0].cause, Cause::Io(error) if error.kind() == std::io::ErrorKind::NotFound));
    assert!(matches!((&problems[1].cause, problems[1].offset), (Cause::NotACapture, None)));
    assert!(matches!((&problems[2].cause, problems[2].offset), (Cause::Truncated, Some(24..))));
    assert!(problems[2].to_string().ends_with(&format!("cut.pcap: truncated at byte {}", problems[2].offset.unwrap())));
}

fn help(record: &Record) -> Option<(String, Help)> {
    let Record::Server(server) = record else { return None };
    Some((server.to_string(), server.help))
}

#[test]
fn of_many_problems_the_first_are_kept_and_the_others_counted() {
    let missing = (0..Outcome::MOST_PROBLEMS + 2).map(|nth| format!("/missing/{nth}"));
    let outcome = Engine::new(Config::new()).scan(&Source::paths(missing), |_| {}).unwrap();
    assert_eq!((outcome.problems.len(), outcome.more_problems), (Outcome::MOST_PROBLEMS, 2));
}

#[test]
fn where_there_is_nothing_to_look_at_nothing_is_scanned() {
    let scanned = |config, source: &Source| Engine::new(config).scan(source, |record| panic!("{record:?}"));
    assert!(matches!(scanned(Config::new(), &Source::paths([""; 0])), Err(Error::NoSource)));
    for ports in [&[][..], &[0]] {
        let config = Config::new().ports(ports.iter().copied());
        let error = scanned(config, &source(&["testdata/servers"])).unwrap_err();
        assert_eq!(error.to_string(), "no ports: nothing would be analysed");
    }
}

/// Remembers what it is told.
#[derive(Default)]
struct Told {
    notices: Mutex<Vec<String>>,
    problems: AtomicU64,
    read: AtomicU64,
}

impl Observer for Told {
    fn problem(&self, _: &Problem) {
        self.problems.fetch_add(1, Ordering::Relaxed);
    }

    fn notice(&self, notice: &Notice) {
        self.notices.lock().unwrap().push(notice.to_string());
    }

    fn progress(&self, progress: &Progress) {
        self.read.fetch_max(progress.read, Ordering::Relaxed);
    }
}

#[test]
fn an_observer_is_told_how_the_reading_goes() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("none.txt"), "no capture").unwrap();
    let capture = package().join("testdata/servers/exim-4.96/help.pcap");
    let told = Told::default();
    let source = Source::paths([&capture, &capture, &folder.path().to_path_buf(), &"/missing".into()]);
    let outcome = Engine::new(Config::new()).scan_observed(&source, &told, |_| {}).unwrap();
    assert_eq!(told.read.into_inner(), std::fs::metadata(&capture).unwrap().len());
    // The folder holds nothing to scan, and what is missing is missing.
    assert_eq!((told.problems.into_inner(), outcome.problems.len()), (2, 2));
    let notices = told.notices.into_inner().unwrap();
    assert!(notices.iter().any(|line| line.ends_with("help.pcap: named twice, but read only once")), "{notices:?}");
    assert!(notices.iter().any(|line| line.ends_with("none.txt: skipped: not a capture file")), "{notices:?}");
}

#[test]
fn a_scan_that_is_stopped_says_so() {
    let stop = Stop::default();
    let config = Config::new().stop(stop.clone());
    stop.set();
    let mut last = None;
    let outcome = Engine::new(config).scan(&source(&["testdata/servers"]), |record| last = Some(record)).unwrap();
    assert!(outcome.interrupted && !outcome.is_complete());
    assert!(matches!(last, Some(Record::Summary(summary)) if summary.interrupted));
}

#[test]
fn the_example_is_short_and_is_what_the_documentation_shows() {
    let example = std::fs::read_to_string(package().join("examples/help_servers.rs")).unwrap();
    assert!(example.lines().count() <= 20);
    let page = std::fs::read_to_string(package().join("docs/library.md")).unwrap();
    assert!(page.contains(&format!("```rust\n{example}```\n")));
}
