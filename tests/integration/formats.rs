//! Output: the records have the fields that are documented, in their order; the text report is a person's.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::PathBuf;
use std::process::Command;

use serde_json::Value;

use crate::support::{self, run};

/// The fields of each record, in their order; what stands behind `?` is there only where it applies.
const FIELDS: &[(&str, &str)] = &[
    ("start", "type mailtap format fingerprint_version command options"),
    (
        "finding",
        "type rule check title about severity confidence time session event client server community_id ?interface \
         packets wireshark_filter message evidence fingerprint ?kept",
    ),
    (
        "session",
        "type session client server community_id capture first_frame last_frame last_capture start end proxied_for \
         greeting helo capabilities tls auth transactions commands replies findings missing_bytes ?retransmitted complete closed",
    ),
    ("command", "type session event capture frame time client server verb argument ?sent ?uncertain"),
    ("reply", "type session event capture frame time client server code lines answers argument ?sent ?uncertain"),
    ("data", "type session event capture frame time client server bytes lines sha256 end ?ended_by ?uncertain"),
    ("tls", "type session event capture frame time client server state version sni alpn alert"),
    ("gap", "type session event capture frame time client server side offset bytes"),
    (
        "server",
        "type ip port ?name ?capture sessions greetings software ?several_software capabilities help starttls first_seen last_seen findings",
    ),
    (
        "stats",
        "type time packets bytes kernel_dropped interface_dropped filtered_out last_packet connections open_connections \
         sessions findings limits_hit memory_bytes",
    ),
    (
        "summary",
        "type captures files_skipped skipped_files problems packets bytes segments fragments first_time last_time duration_seconds \
         connections sessions encrypted_sessions findings not_analysed skipped smtp_on_other_ports limits_hit capture_dropped ?filtered_out time_backwards time_jumps \
         internal_errors ?interrupted",
    ),
];

/// Of a live capture alone: `live` holds it against the table.
const LIVE: &str = "stats";

fn testdata() -> String {
    support::package().join("testdata").to_str().unwrap().to_owned()
}

fn all_records() -> String {
    let kinds = "findings,sessions,servers,events,summary";
    run(&["scan", "--quiet", "--format", "jsonl", "--port", "25,465", "--records", kinds, &testdata()]).stdout
}

/// The keys of a line's object itself, in the order in which they stand.
fn keys(line: &str) -> Vec<String> {
    let (mut keys, mut depth, mut text, mut in_text, mut escaped) = (Vec::new(), 0, String::new(), false, false);
    for char in line.chars() {
        match char {
            _ if escaped => escaped = false,
            '\\' if in_text => escaped = true,
            '"' => {
                in_text = !in_text;
                if in_text {
                    text.clear();
                }
            }
            _ if in_text => text.push(char),
            '{' | '[' => depth += 1,
            '}' | ']' => depth -= 1,
            ':' if depth == 1 => keys.push(text.clone()),
            _ => {}
        }
    }
    keys
}

#[test]
fn every_record_has_its_fields_in_their_order_and_no_other() {
    let seen = hold_against_the_table(&all_records());
    for (kind, _) in FIELDS {
        assert!(seen.contains(*kind) != (*kind == LIVE), "testdata and `{kind}` records");
    }
}

/// Each record has its fields in their order and no other; which types there are.
pub(crate) fn hold_against_the_table(lines: &str) -> BTreeSet<String> {
    let fields: BTreeMap<&str, &str> = FIELDS.iter().copied().collect();
    let mut seen = BTreeSet::new();
    for line in lines.lines() {
        let record: Value = serde_json::from_str(line).unwrap();
        let kind = record["type"].as_str().unwrap();
        let expected: Vec<&str> = fields[kind].split_whitespace().collect();
        let keys = keys(line);
        let mut found = keys.iter().map(String::as_str).peekable();
        for name in expected {
            match name.strip_prefix('?') {
                Some(name) => drop(found.next_if_eq(&name)),
                None => assert_eq!(found.next(), Some(name), "{line}"),
            }
        }
        assert_eq!(found.next(), None, "{line}");
        seen.insert(kind.to_owned());
    }
    seen
}

#[test]
fn every_field_is_documented() {
    let documentation = fs::read_to_string(support::package().join("src/record/FORMATS.md")).unwrap();
    for (kind, fields) in FIELDS {
        for field in fields.split_whitespace() {
            let field = field.trim_start_matches('?');
            assert!(documentation.contains(&format!("`{field}`")) || field == "uncertain", "{kind}: {field}");
        }
    }
}

#[test]
fn the_start_comes_first_and_the_summary_last_and_records_choose_between() {
    let kinds = |records: &str| -> Vec<String> {
        let ran = run(&["scan", "--quiet", "--format", "jsonl", "--records", records, &testdata()]);
        let mut kinds: Vec<_> = ran.records().iter().map(|r| r["type"].as_str().unwrap().to_owned()).collect();
        kinds.dedup();
        kinds
    };
    assert_eq!(kinds("summary"), ["start", "summary"]);
    assert_eq!(kinds("findings,summary"), ["start", "finding", "summary"]);
    assert_eq!(kinds("servers"), ["start", "server"]);
}

#[test]
fn the_output_file_holds_what_standard_output_would() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("report");
    for format in ["text", "jsonl"] {
        let printed = run(&["scan", "--quiet", "--format", format, &testdata()]).stdout;
        let ran = run(&["scan", "--quiet", "--format", format, "--output", file.to_str().unwrap(), &testdata()]);
        assert_eq!(ran.stdout, "");
        assert_eq!(fs::read_to_string(&file).unwrap(), printed);
    }
}

#[test]
fn a_pipe_gets_no_colour_unless_that_was_asked_for() {
    let scan = |color| run(&["scan", "--quiet", "--color", color, &testdata()]).stdout;
    assert!(!scan("auto").contains('\x1b') && !scan("never").contains('\x1b'));
    assert!(scan("always").contains('\x1b'));
}

#[test]
fn secrets_are_shown_only_where_that_was_asked_for() {
    let capture = support::package().join("testdata/session/auth-login.pcap");
    let scan = |more: &[&str]| {
        let path = [capture.to_str().unwrap()];
        run(&[&["scan", "--quiet", "--format", "jsonl", "--records", "events"], more, &path].concat()).stdout
    };
    let hidden = scan(&[]);
    let lines = |text: &str| text.lines().filter(|line| line.contains("<redacted>")).count();
    assert!(lines(&hidden) > 0 && lines(&scan(&["--show-secrets"])) == 0, "{hidden}");
}

/// A capture of this dialogue, and where it lies.
fn rendered(dialogue: &str) -> tempfile::NamedTempFile {
    let dialogue = synth::Dialogue::parse(dialogue).unwrap();
    let file = tempfile::NamedTempFile::new().unwrap();
    fs::write(file.path(), synth::render(&dialogue, &synth::Plan::new()).pcap()).unwrap();
    file
}

#[test]
fn a_login_in_the_flight_of_starttls_is_evidence_without_its_secret() {
    let capture = rendered(
        "S: 220 mx\nC: EHLO me\nS: 250-mx\nS: 250-AUTH PLAIN\nS: 250 STARTTLS\nC: STARTTLS\n\
         C&: AUTH PLAIN AHVzZXIAcGFzc3dvcmQ=\nS: 220 go\nC! client-hello sni=mx.example.com\n",
    );
    let finding = |more: &[&str]| {
        let path = [capture.path().to_str().unwrap()];
        let ran = run(&[&["scan", "--format", "jsonl", "--select", "starttls/injected"], more, &path].concat());
        support::of_type(&ran.records(), "finding")[0].clone()
    };
    let found = finding(&[]);
    let evidence = &found["evidence"];
    assert_eq!(evidence["injected"], "AUTH PLAIN <redacted>");
    assert_eq!(evidence["bytes"], "AUTH PLAIN AHVzZXIAcGFzc3dvcmQ=\r\n".len());
    assert_eq!((&evidence["command"], &evidence["reply_code"]), (&"STARTTLS".into(), &220.into()), "{evidence}");
    assert!(found["packets"].as_array().unwrap().len() > 1, "the 220 is evidence, too: {found}");
    assert_eq!(finding(&["--show-secrets"])["evidence"]["injected"], "AUTH PLAIN AHVzZXIAcGFzc3dvcmQ=");
}

/// What the handshake shows is evidence of a start, so its packets are.
#[test]
fn the_packets_of_a_start_are_command_reply_and_handshake() {
    let capture = support::package().join("testdata/session/starttls.pcap");
    let ran = run(&["scan", "--format", "jsonl", "--select", "starttls/started", capture.to_str().unwrap()]);
    let records = ran.records();
    let found = support::of_type(&records, "finding")[0];
    assert!(found["packets"].as_array().unwrap().len() > 2, "{found}");
}

/// Wireshark itself says what a finding's filter shows: the finding's packets, and one connection alone.
#[test]
fn a_filter_shows_the_findings_packets_and_no_other_connection() {
    if Command::new("tshark").arg("--version").output().is_err() {
        eprintln!("skipped: no tshark");
        return;
    }
    let captures: Vec<PathBuf> = support::files_ending(&support::package().join("testdata/servers"), &[".pcap"]);
    let mut checks = BTreeSet::new();
    for capture in captures {
        let path = capture.to_str().unwrap();
        let records = run(&["scan", "--quiet", "--format", "jsonl", "--records", "findings", path]).records();
        for finding in support::of_type(&records, "finding") {
            // One of each check and conversation: tshark takes its time, and the next server's proves no more.
            let conversation = capture.file_name().unwrap().to_string_lossy();
            if !checks.insert(format!("{conversation} {}/{}", finding["rule"], finding["check"])) {
                continue;
            }
            let filter = finding["wireshark_filter"].as_str().unwrap();
            let shown = Command::new("tshark")
                .args(["-r", path, "-Y", filter, "-T", "fields", "-e", "frame.number", "-e", "tcp.stream"])
                .output()
                .unwrap();
            let shown = String::from_utf8(shown.stdout).unwrap();
            let shown: Vec<(u64, &str)> =
                shown.lines().filter_map(|line| line.split_once('\t')).map(|(f, s)| (f.parse().unwrap(), s)).collect();
            for packet in finding["packets"].as_array().unwrap() {
                assert!(shown.iter().any(|(frame, _)| packet["frame"] == *frame), "{packet} is not in {filter}");
            }
            assert!(shown.windows(2).all(|pair| pair[0].1 == pair[1].1), "{path}: {filter} shows two connections");
        }
    }
    assert!(!checks.is_empty(), "no finding in testdata/servers");
}

/// The fields that it names are those of the table above; what it takes and refuses is held against all recordings beside
/// the records' own code.
#[test]
fn the_schema_names_the_fields_of_every_record() {
    let ran = run(&["schema"]);
    assert_eq!((ran.code(), ran.stderr.as_str()), (0, ""));
    let schema: Value = serde_json::from_str(&ran.stdout).unwrap();
    assert_eq!(schema["oneOf"].as_array().unwrap().len(), FIELDS.len());
    for (record, fields) in FIELDS {
        let definition = &schema["$defs"][*record];
        let named: BTreeSet<&str> = definition["properties"].as_object().unwrap().keys().map(String::as_str).collect();
        let required = definition["required"].as_array().unwrap().iter().map(|name| name.as_str().unwrap());
        let (optional, always): (Vec<&str>, Vec<&str>) = fields.split_whitespace().partition(|f| f.starts_with('?'));
        assert_eq!(required.collect::<BTreeSet<_>>(), always.iter().copied().collect(), "{record}");
        let all = always.into_iter().chain(optional.into_iter().map(|field| &field[1..]));
        assert_eq!(named, all.collect(), "{record}");
        assert_eq!(definition["additionalProperties"], false, "{record}");
    }
}
