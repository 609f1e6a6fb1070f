//! What a scan reports of all that it finds: `--since`, `--until`, `--client`, `--session` and `--match`, each against
//! the records of a scan without it, and whatever the threads and the files.

use std::collections::BTreeSet;
use std::path::Path;

use regex::Regex;
use serde_json::Value;

use crate::invariance::{assert_same, scan, split_gives_the_same};
use crate::support::{self, of_type, records, run};

/// Real servers: hundreds of sessions within hours, all of one client.
const SERVERS: &str = "testdata/servers";

fn all(options: &[&str]) -> Vec<Value> {
    records(&scan(options, &[Path::new(SERVERS)]))
}

fn text<'v>(record: &'v Value, name: &str) -> &'v str {
    record[name].as_str().unwrap_or_default()
}

/// Commands, replies, message data, TLS and gaps.
fn events(records: &[Value]) -> Vec<&Value> {
    let is_one = |record: &&Value| matches!(text(record, "type"), "command" | "reply" | "data" | "tls" | "gap");
    records.iter().filter(is_one).collect()
}

/// The sum of the numbers in objects of objects, or in an object.
fn sum(counts: &Value) -> u64 {
    counts.as_object().map_or_else(|| counts.as_u64().unwrap_or(0), |inner| inner.values().map(sum).sum())
}

/// What holds of every filtered scan: counts are of what is reported, and what was read is the same.
fn assert_counted(whole: &[Value], part: &[Value]) {
    let (before, after) = (whole.last().unwrap(), part.last().unwrap());
    for name in ["packets", "sessions", "connections", "not_analysed", "skipped", "limits_hit"] {
        assert_eq!(before[name], after[name], "{name}: what is analysed does not change");
    }
    assert_eq!(sum(&after["findings"]), of_type(part, "finding").len() as u64, "findings of the summary");
    let of_servers: u64 = of_type(part, "server").iter().map(|server| server["sessions"].as_u64().unwrap()).sum();
    assert_eq!(of_servers, of_type(part, "session").len() as u64, "sessions of servers");
    let counted = |kind: &str| of_type(part, kind).iter().map(|record| sum(&record["findings"])).sum::<u64>();
    assert_eq!(counted("server"), counted("session"), "findings of servers and of sessions");
    let known: BTreeSet<&str> = of_type(whole, "session").iter().map(|session| text(session, "session")).collect();
    let sessions: BTreeSet<&str> = of_type(part, "session").iter().map(|session| text(session, "session")).collect();
    assert!(sessions.is_subset(&known));
    for record in events(part).into_iter().chain(of_type(part, "finding")) {
        assert!(sessions.contains(text(record, "session")), "its session is reported: {record}");
    }
}

/// The time in the middle of all that was said, and that of one in ten before and behind it.
fn times(whole: &[Value]) -> (String, String) {
    let mut times: Vec<&str> = events(whole).iter().map(|event| text(event, "time")).collect();
    times.sort_unstable();
    (times[times.len() * 4 / 10].to_owned(), times[times.len() * 6 / 10].to_owned())
}

#[test]
fn in_a_window_is_what_happened_in_it_and_every_session_that_overlaps_it() {
    let whole = all(&[]);
    let (since, until) = times(&whole);
    for (options, from, to) in [
        (vec!["--since", &since], since.as_str(), "9"),
        (vec!["--until", &until], "", until.as_str()),
        (vec!["--since", &since, "--until", &until], since.as_str(), until.as_str()),
    ] {
        let part = all(&options);
        assert_counted(&whole, &part);
        let within = |time: &str| (from..=to).contains(&time);
        let expected: Vec<&Value> = events(&whole).into_iter().filter(|event| within(text(event, "time"))).collect();
        assert_eq!(events(&part), expected, "{options:?}");
        let overlaps = |session: &&Value| text(session, "end") >= from && text(session, "start") <= to;
        let of = |records: &[Value]| -> Vec<String> {
            of_type(records, "session").into_iter().filter(overlaps).map(|s| text(s, "session").to_owned()).collect()
        };
        assert_eq!(of(&part), of(&whole), "{options:?}");
        assert_eq!(of(&part).len(), of_type(&part, "session").len());
        let found = of_type(&part, "finding");
        assert!(!found.is_empty() && found.iter().all(|finding| within(text(finding, "time"))), "{options:?}");
        for finding in of_type(&whole, "finding").into_iter().filter(|finding| within(text(finding, "time"))) {
            assert!(found.contains(&finding), "what is reported without the window is reported with it: {finding}");
        }
    }
}

#[test]
fn a_day_a_minute_or_a_second_is_meant_as_a_whole_and_without_a_zone_as_utc() {
    let count = |options: &[&str]| of_type(&all(options), "session").len();
    let whole = count(&[]);
    assert_eq!(count(&["--since", "2026-11-24", "--until", "2026-11-25"]), whole);
    let first = count(&["--until", "2026-11-24"]);
    assert!(first > 0 && first < whole, "{first} of {whole}");
    assert_eq!(count(&["--since", "2026-11-25"]) + first, whole, "no session spans midnight");
    assert_eq!(count(&["--until", "2026-11-24T23:59"]), first);
    assert_eq!(count(&["--until", "2026-11-25 00:59:59+01:00"]), first);
    assert_eq!(count(&["--since", "2026-11-26"]), 0);
}

#[test]
fn a_session_is_asked_for_by_its_id_or_the_first_digits_of_it() {
    let whole = all(&[]);
    let sessions = of_type(&whole, "session");
    let id = text(sessions[sessions.len() / 2], "session").to_owned();
    let part = all(&["--session", &id]);
    assert_counted(&whole, &part);
    let of_it = |records: &[Value]| -> Vec<Value> {
        events(records).into_iter().filter(|event| text(event, "session") == id).cloned().collect()
    };
    assert!(!of_it(&whole).is_empty());
    assert_eq!((of_it(&part), events(&part).len()), (of_it(&whole), of_it(&whole).len()));
    assert_eq!(of_type(&part, "session"), [sessions[sessions.len() / 2]]);
    let other = text(sessions[0], "session");
    let two = all(&["--session", &format!("{},{}", &id[..12], &other[..12].to_uppercase())]);
    assert_eq!(of_type(&two, "session").len(), 2);
    let servers: BTreeSet<String> = of_type(&two, "session").iter().map(|s| s["server"]["ip"].to_string()).collect();
    let told: BTreeSet<String> = of_type(&two, "server").iter().map(|server| server["ip"].to_string()).collect();
    assert_eq!(told, servers);
}

#[test]
fn of_a_client_everything_is_reported_and_of_another_nothing() {
    let whole = all(&[]);
    let lines = |records: &[Value]| records.iter().skip(1).map(Value::to_string).collect::<Vec<_>>();
    assert_eq!(lines(&all(&["--client", "192.0.2.10"])), lines(&whole));
    let none = all(&["--client", "192.0.2.11,2001:db8::/32"]);
    assert_counted(&whole, &none);
    assert_eq!(none.len(), 2, "the start and the summary");
}

/// The lines of an event as a pattern sees them.
fn said(event: &Value) -> Vec<String> {
    match text(event, "type") {
        "command" if event["verb"].is_null() => vec![text(event, "argument").to_owned()],
        "command" => vec![format!("{} {}", text(event, "verb"), text(event, "argument")).trim_end().to_owned()],
        "reply" => {
            let lines = event["lines"].as_array().unwrap().iter().map(|line| line.as_str().unwrap());
            lines.map(|line| event["code"].as_u64().map_or(line.to_owned(), |code| format!("{code} {line}"))).collect()
        }
        _ => Vec::new(),
    }
}

#[test]
fn what_matches_is_reported_with_its_session_and_nothing_else() {
    let whole = all(&[]);
    for pattern in ["(?i)^help", "^220 .*(Exim|Postfix)", "^VRFY ", "^RCPT TO:<[^>]*@example", "^5[0-9][0-9] "] {
        let part = all(&["--match", pattern]);
        assert_counted(&whole, &part);
        let regex = Regex::new(pattern).unwrap();
        let matches = |event: &&Value| said(event).iter().any(|line| regex.is_match(line));
        let expected: Vec<&Value> = events(&whole).into_iter().filter(matches).collect();
        assert!(!expected.is_empty(), "{pattern}");
        assert_eq!(events(&part), expected, "{pattern}");
        for finding in of_type(&part, "finding") {
            let text = finding["evidence"].to_string();
            let words = regex.as_str().trim_start_matches("(?i)").trim_start_matches('^');
            let word = words.split([' ', '[', '.']).next().unwrap().to_lowercase();
            assert!(text.to_lowercase().contains(&word), "{pattern}: {text}");
        }
    }
    let help = all(&["--match", "(?i)^help"]);
    assert!(of_type(&help, "finding").iter().any(|finding| text(finding, "check") == "answered"));
    let without = run(&["scan", "-q", "--format", "jsonl", "--records", "findings", "--match", "(?i)^help", SERVERS]);
    let findings = |records: &[Value]| of_type(records, "finding").into_iter().cloned().collect::<Vec<_>>();
    assert_eq!(findings(&without.records()), findings(&help), "whether events have records or not");
}

#[test]
fn neither_secrets_nor_message_bodies_can_be_matched() {
    let folder = "testdata/servers/exim-4.96-tls-auth";
    let shown = records(&scan(&["--show-secrets"], &[Path::new(folder)]));
    let hidden = records(&scan(&[], &[Path::new(folder)]));
    let differing = events(&shown).into_iter().zip(events(&hidden)).find(|(shown, hidden)| said(shown) != said(hidden));
    let (secret, _) = differing.expect("a secret is said");
    let line = said(secret).pop().unwrap();
    let word = line.split(' ').next_back().unwrap();
    for options in [&["--show-secrets"][..], &[]] {
        let part = records(&scan(&[&["--match", &regex::escape(word)], options].concat(), &[Path::new(folder)]));
        assert_eq!(events(&part).len(), 0, "{word}");
    }
}

#[test]
fn several_filters_leave_what_passes_each() {
    let whole = all(&[]);
    let (since, until) = times(&whole);
    let part = all(&["--since", &since, "--until", &until, "--match", "^(HELP|214 )", "--client", "192.0.2.0/24"]);
    assert_counted(&whole, &part);
    let regex = Regex::new("^(HELP|214 )").unwrap();
    let passes = |event: &&Value| {
        (since.as_str()..=until.as_str()).contains(&text(event, "time"))
            && said(event).iter().any(|line| regex.is_match(line))
    };
    let expected: Vec<&Value> = events(&whole).into_iter().filter(passes).collect();
    assert!(!expected.is_empty());
    assert_eq!(events(&part), expected);
}

#[test]
fn threads_and_batches_change_no_byte_of_what_is_reported() {
    let (since, until) = times(&all(&[]));
    let filter = ["--since", &since, "--until", &until, "--match", "(?i)^(help|vrfy|2)"];
    let path = [Path::new(SERVERS)];
    let expected = scan(&[&filter[..], &["--threads", "1"]].concat(), &path);
    assert!(expected.lines().count() > 20);
    for threads in ["2", "8"] {
        for batch in ["4096", "65536"] {
            let got = scan(&[&filter[..], &["--threads", threads, "--batch-bytes", batch]].concat(), &path);
            assert_same(&format!("{threads} threads, batches of {batch}"), &expected, &got);
        }
    }
}

#[test]
fn a_capture_split_in_three_gives_what_the_whole_gives() {
    for name in ["help.pcap", "errors.pcap"] {
        let capture = support::package().join(SERVERS).join("exim-4.96").join(name);
        let whole = records(&scan(&[], &[&capture]));
        let (since, until) = times(&whole);
        let id = text(of_type(&whole, "session")[0], "session").to_owned();
        for options in [
            &["--since", &since][..],
            &["--until", &until],
            &["--since", &since, "--until", &until, "--match", "^(HELP|2)"],
            &["--match", "(?i)^help"],
            &["--session", &id],
            &["--client", "192.0.2.10", "--match", "^5"],
        ] {
            assert!(split_gives_the_same(options, &capture), "{name} {options:?}: it can be split");
        }
    }
}

#[test]
fn what_fails_and_what_is_kept_follows_what_is_reported() {
    let answered = "testdata/rules/help-exposed/answered.fires.pcap";
    let code = |options: &[&str]| run(&[&["scan", "-q", "--fail-on", "low"], options, &[answered]].concat()).code();
    assert_eq!(code(&[]), 1);
    for option in [["--match", "^HELP"], ["--match", "^214 "], ["--client", "0.0.0.0/0"], ["--since", "2000-01-01"]] {
        assert_eq!(code(&option), 1, "{option:?}");
    }
    for option in
        [["--match", "^VRFY"], ["--client", "203.0.113.0/24"], ["--until", "2000-01-01"], ["--session", "0000"]]
    {
        assert_eq!(code(&option), 2, "nothing judged is not green: {option:?}");
        assert_eq!(code(&[&option[..], &["--allow-nothing"]].concat()), 0, "{option:?}");
    }
    let told = |options: &[&str]| run(&[&["scan"], options, &[answered]].concat()).stderr;
    assert_eq!(told(&["--match", "^VRFY"]), "mailtap: nothing to report: the only session does not pass the filters\n");
    assert_eq!((told(&["--match", "^HELP"]), told(&["--match", "^VRFY", "-q"])), (String::new(), String::new()));
    let folder = tempfile::tempdir().unwrap();
    let kept = |name: &str, pattern: &str| {
        let path = folder.path().join(name);
        let ran = run(&["scan", "-q", "--match", pattern, "--write", path.to_str().unwrap(), answered]);
        assert_eq!(ran.code(), 0, "{}", ran.stderr);
        run(&["scan", "-q", "--format", "jsonl", path.to_str().unwrap()]).records().pop().unwrap()["packets"].clone()
    };
    assert!(kept("some", "^HELP").as_u64() > Some(5));
    assert_eq!(kept("none", "^VRFY"), 0);
}

#[test]
fn the_start_record_has_the_filters_as_they_are_in_force() {
    let ran = run(&[
        "scan",
        "-q",
        "--format",
        "jsonl",
        "--since",
        "2026-11-24",
        "--until",
        "2026-11-24T14:45",
        "--client",
        "192.0.2.7",
        "--session",
        "ABCD",
        "--match",
        "^HELP",
        "testdata/rules/help-exposed/answered.fires.pcap",
    ]);
    let options = ran.records()[0]["options"].clone();
    for (name, value) in [
        ("since", r#""2026-11-24T00:00:00.000000000Z""#),
        ("until", r#""2026-11-24T14:45:59.999999999Z""#),
        ("client", r#"["192.0.2.7/32"]"#),
        ("session", r#"["abcd"]"#),
        ("match", r#""^HELP""#),
    ] {
        assert_eq!(options[name].to_string(), value, "{name}");
    }
    assert!(support::package().join(SERVERS).is_dir());
}
#[test]
fn a_filter_that_is_none_is_told_in_one_line_with_what_is_one() {
    for (option, value, told) in [
        ("--since", "yesterday", "2026-11-24T14:45:03"),
        ("--until", "14:45", "2026-11-24T14:45:03"),
        ("--client", "mail.example.org", "192.0.2.0/24"),
        ("--session", "abc", "first 4 hexadecimal digits"),
        ("--session", "xyzxyz", "first 4 hexadecimal digits"),
        ("--match", "(", "unclosed group"),
        ("--match", "a{1000}{1000}{9}", "too large"),
    ] {
        let ran = run(&["scan", option, value, "x.pcap"]);
        assert_eq!((ran.code(), ran.stdout.as_str(), ran.stderr.lines().count()), (2, "", 1), "{}", ran.stderr);
        assert!(ran.stderr.contains(option) && ran.stderr.contains(told), "{}", ran.stderr);
    }
}
