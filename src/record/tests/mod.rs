//! Every record of all recordings: written, read back and written again, and held against the schema.

mod validator;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::io;
use std::path::{Path, PathBuf};

use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

use super::{Clerk, Program, Proof, Record, Start, schema, testing};
use crate::base::ServerNames;
use crate::engine::testing::Nobody;
use crate::engine::{self, Config, Sink};
use crate::ledger::{Kind, Output, Records};
use crate::report::{JSONL, Look, Printer, Report};
use validator::Validator;

/// What a scan gave.
#[derive(Default)]
struct Outputs(Vec<Output>);

impl Sink for Outputs {
    fn take(&mut self, outputs: Vec<Output>) -> io::Result<()> {
        self.0.extend(outputs);
        Ok(())
    }
}

/// All that is told of the captures below `folder`.
fn outputs(folder: &str) -> Vec<Output> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
    let mut config = Config { records: Records::of(&Kind::ALL), ..Config::default() };
    config.reading.separate = true;
    config.reading.hash = true;
    let mut outputs = Outputs::default();
    engine::run(&config, &[path as PathBuf], &mut outputs, &Nobody).unwrap();
    outputs.0
}

fn records(outputs: Vec<Output>, show_secrets: bool) -> Vec<Record> {
    let mut clerk = Clerk::new(Config::default().selection.catalogue().clone(), show_secrets);
    outputs.into_iter().filter_map(|output| clerk.record(output)).collect()
}

/// The first record of a scan and of a live capture.
fn starts() -> [Record; 2] {
    let options = serde_json::from_value(json!({
        "closed_timeout": 60, "exchange_peers": ["192.0.2.0/24"], "fragment_timeout": 30, "half_open_timeout": 60,
        "hash": false, "idle_timeout": 3600, "ignore": [], "limits": crate::base::Limits::default(), "merge_files": 256,
        "min_severity": "info", "port": [25], "records": ["findings"], "select": ["starttls"], "separate": false,
        "server_name": { "192.0.2.0/24": "mx-a", "[2001:db8::25]:25": "mx-b" },
        "servers": [], "severity": { "starttls/refused": "high" }, "show_secrets": false,
    }));
    let options: super::Options = options.unwrap();
    let watch = super::Options {
        interface: Some(vec!["eth0".to_owned()]),
        snap_length: Some(65_535),
        bpf: Some(super::Filter(None)),
        notice_ports: Some(true),
        stats_interval: Some(60),
        renotify: Some(86_400),
        ..options.clone()
    };
    [Start::new(Program::Scan, options), Start::new(Program::Watch, watch)].map(|start| Record::Start(Box::new(start)))
}

fn others() -> Vec<Record> {
    let stats = testing::stats().into_iter().chain([testing::finding(), testing::session(), testing::server()]);
    starts()
        .into_iter()
        .chain(stats)
        .chain(testing::events())
        .chain(testing::named())
        .chain([testing::summary()])
        .collect()
}

#[test]
fn every_record_read_back_and_written_again_is_the_same_bytes() {
    let mut printed = Vec::new();
    let clerk = Clerk::new(Config::default().selection.catalogue().clone(), false);
    let all = Records::of(&Kind::ALL);
    let mut writer = Printer::new(clerk, Report::new(&JSONL, &Look::default(), all, &mut printed, String::new()));
    let told = outputs("testdata");
    writer.print(told.clone()).unwrap();
    writer.end().unwrap();
    let printed = String::from_utf8(printed).unwrap();
    let records: Vec<Record> = records(told, false);
    assert_eq!(records.len(), printed.lines().count());
    assert!(records.len() > 10_000, "{} records", records.len());
    for (record, line) in records.iter().zip(printed.lines()) {
        assert_eq!(serde_json::to_string(record).unwrap(), line, "the formats' own writer and serde's differ");
    }
    for record in records.iter().chain(&others()) {
        let line = serde_json::to_string(record).unwrap();
        let read: Record = serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line}"));
        assert_eq!(read, *record, "{line}");
        assert_eq!(serde_json::to_string(&read).unwrap(), line);
    }
}

#[test]
fn the_schema_takes_every_record_and_refuses_what_is_missing_of_another_type_or_unknown() {
    let schema = schema();
    let validator = Validator::new(&schema);
    let mut shapes = BTreeSet::new();
    let told = outputs("testdata");
    let all = records(told.clone(), false).into_iter().chain(records(told, true)).chain(others());
    for record in all {
        let value = serde_json::to_value(&record).unwrap();
        validator.check(&value).unwrap_or_else(|why| panic!("{why}: {value}"));
        if shapes.insert(shape(&value)) {
            for (what, changed) in changes(&value) {
                assert!(validator.check(&changed).is_err(), "{what} is taken: {changed}");
            }
        }
    }
    assert!(shapes.len() > 50, "{} shapes", shapes.len());
}

#[test]
fn what_the_schema_refuses_is_not_read_either() {
    for record in others() {
        let value = serde_json::to_value(&record).unwrap();
        for (what, changed) in changes(&value) {
            // What may be null is taken to be so where it is missing.
            let read = serde_json::from_value::<Record>(changed);
            let missing = what.starts_with("without ");
            assert!(read.is_err() || missing, "{what} is read");
        }
    }
}

/// The names and types of all that it holds, which tell what can be wrong with it.
fn shape(value: &Value) -> String {
    match value {
        Value::Object(fields) if is_map(fields) => "{..}".to_owned(),
        Value::Object(fields) => {
            let fields: Vec<String> = fields.iter().map(|(name, value)| format!("{name}:{}", shape(value))).collect();
            format!("{}{{{}}}", fields_of_kind(value), fields.join(","))
        }
        Value::Array(items) => items.first().map_or("[]".to_owned(), |first| format!("[{}]", shape(first))),
        Value::Null => "null".to_owned(),
        Value::String(_) => "text".to_owned(),
        Value::Number(_) => "number".to_owned(),
        Value::Bool(_) => "flag".to_owned(),
    }
}

fn fields_of_kind(value: &Value) -> &str {
    value["type"].as_str().unwrap_or_default()
}

/// An object whose names are data: counts by check, evidence by its name.
fn is_map(fields: &Map<String, Value>) -> bool {
    fields.is_empty() || fields.contains_key("reply_code") || fields.keys().any(|name| name.contains(['/', '-']))
}

/// The same with one thing wrong, in every way and place.
fn changes(value: &Value) -> Vec<(String, Value)> {
    let mut changed = Vec::new();
    at_every_place(value, &mut |place, part, put| {
        let mut change = |what: String, part: Value| changed.push((format!("{what} at {place}"), put(part)));
        change("another type".to_owned(), other_type(part));
        if let Value::Object(fields) = part
            && place.rsplit('/').next().is_some_and(|name| !MAPS.contains(&name))
        {
            let mut more = fields.clone();
            more.insert("surprise".to_owned(), json!(1));
            change("an unknown field".to_owned(), Value::Object(more));
            let of_server = place.is_empty() && value["type"] == "server";
            let optional = |name: &str| match name {
                "capture" => of_server,
                "name" => of_server || place == "/server",
                _ => OPTIONAL.contains(&name),
            };
            for name in fields.keys().filter(|name| !optional(name)) {
                let mut less = fields.clone();
                less.remove(name);
                changed.push((format!("without {name} at {place}"), put(Value::Object(less))));
            }
        }
    });
    changed
}

/// Objects whose names are data.
const MAPS: &[&str] = &["findings", "evidence", "limits_hit", "not_analysed", "server_name", "severity"];
/// Fields that are there only where they apply.
const OPTIONAL: &[&str] = &[
    "info",
    "low",
    "medium",
    "high",
    "critical",
    "sent",
    "retransmitted",
    "uncertain",
    "ended_by",
    "kept",
    "sha256",
    "bpf",
    "interface",
    "notice_ports",
    "several_software",
    "renotify",
    "snap_length",
    "stats_interval",
];

/// Who is shown a part's place, the part, and what puts another in its place.
type See<'s> = dyn FnMut(&str, &Value, &dyn Fn(Value) -> Value) + 's;

/// Calls `see` with every part of the value, and what puts another in its place.
fn at_every_place(value: &Value, see: &mut See<'_>) {
    fn walk(root: &Value, place: &str, see: &mut See<'_>) {
        let Some(part) = root.pointer(place) else { return };
        see(place, part, &|put| {
            let mut root = root.clone();
            if let Some(part) = root.pointer_mut(place) {
                *part = put;
            }
            root
        });
        let inner: Vec<String> = match part {
            Value::Object(fields) => fields.keys().map(|name| name.replace('~', "~0").replace('/', "~1")).collect(),
            Value::Array(items) => (0..items.len().min(2)).map(|nth| nth.to_string()).collect(),
            _ => Vec::new(),
        };
        for name in inner {
            walk(root, &format!("{place}/{name}"), see);
        }
    }
    walk(value, "", see);
}

/// A value of a type that no field has where this one stands.
fn other_type(value: &Value) -> Value {
    match value {
        Value::Array(_) => json!({ "surprise": [] }),
        _ => json!([[1.5]]),
    }
}

#[test]
fn events_are_numbered_in_their_session_and_gaps_add_up_to_what_is_missing() {
    let mut numbers: BTreeMap<(String, String), u64> = BTreeMap::new();
    let mut missing: BTreeMap<(String, String), [u64; 2]> = BTreeMap::new();
    let mut seen = 0;
    for record in records(outputs("testdata"), false) {
        let value = serde_json::to_value(&record).unwrap();
        let session = of_session(&value);
        match &record {
            Record::Session(ended) => {
                let gaps = missing.remove(&session).unwrap_or_default();
                assert_eq!(gaps, [ended.missing_bytes.client, ended.missing_bytes.server], "{value}");
                seen += u64::from(gaps != [0, 0]);
                numbers.remove(&session);
            }
            Record::Command(_) | Record::Reply(_) | Record::Data(_) | Record::Tls(_) | Record::Gap(_) => {
                let number = numbers.entry(session.clone()).or_default();
                *number += 1;
                assert_eq!(value["event"], *number, "{value}");
                if let Record::Gap(gap) = record {
                    let [client, server] = missing.entry(session).or_default();
                    *if gap.side == super::Side::Server { server } else { client } += gap.bytes;
                }
            }
            _ => {}
        }
    }
    assert!(seen > 0, "no session with a gap");
}

/// A finding names an event of its session: the command that it quotes, or a reply of the code that it quotes.
#[test]
fn a_finding_names_the_event_that_it_is_about() {
    let records = records(outputs("testdata"), false);
    let values: Vec<Value> = records.iter().map(|record| serde_json::to_value(record).unwrap()).collect();
    let events: BTreeMap<_, &Value> = values
        .iter()
        .filter(|value| value["type"] != "finding" && value["event"].is_u64())
        .map(|value| ((of_session(value), value["event"].as_u64().unwrap()), value))
        .collect();
    let mut named = 0;
    for finding in values.iter().filter(|value| value["type"] == "finding") {
        let Some(number) = finding["event"].as_u64() else { continue };
        let event = events[&(of_session(finding), number)];
        let evidence = &finding["evidence"];
        match event["type"].as_str().unwrap() {
            "command" if evidence["verb"].is_string() => {
                let verb = evidence["verb"].as_str().unwrap().to_ascii_uppercase();
                assert_eq!(event["verb"], verb, "{finding} {event}");
            }
            "reply" if evidence["reply_code"].is_u64() => {
                assert_eq!(event["code"], evidence["reply_code"], "{finding} {event}");
            }
            _ => {}
        }
        named += 1;
    }
    assert!(named > 500, "{named}");
}

/// Whoever has the records and the catalogue can say where a fingerprint comes from.
#[test]
fn a_fingerprint_can_be_made_again_of_its_record_and_tells_faults_apart() {
    let catalogue = Config::default().selection.catalogue().clone();
    let mut kinds: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    let told = outputs("testdata");
    let mut everybody = ServerNames::default();
    everybody.insert("0.0.0.0/0".parse().unwrap(), "mx-a".parse().unwrap());
    let mut clerk = Clerk::new(catalogue.clone(), false).naming(everybody);
    let named: Vec<Record> = told.clone().into_iter().filter_map(|output| clerk.record(output)).collect();
    for record in records(told, false).into_iter().chain(named) {
        let Record::Finding(finding) = record else { continue };
        let (_, check) =
            catalogue.checks().find(|(rule, check)| (rule.id, check.id) == (&*finding.rule, &*finding.check)).unwrap();
        let mut parts = ["2", &finding.rule, &finding.check].map(str::to_owned).to_vec();
        let server = finding.server.name.map_or(finding.server.ip.to_string(), |name| name.to_string());
        parts.extend([server, finding.server.port.to_string()]);
        let mut told = String::new();
        for name in check.discriminator {
            let proof = finding.evidence.iter().find(|(known, _)| known == name).map(|(_, proof)| proof.clone());
            let text = match proof {
                None => continue,
                Some(Proof::Text(text)) => text,
                Some(Proof::Number(number)) => number.to_string(),
                Some(other) => panic!("{name}: {other:?} cannot tell apart"),
            };
            let text = if *name == "verb" { text.to_ascii_uppercase() } else { text };
            let _ = write!(told, " {name}={text}");
            parts.push(format!("{name}={text}"));
        }
        let hashed: String = parts.iter().flat_map(|part| [part.as_str(), "\0"]).collect();
        let digest = data_encoding::HEXLOWER.encode(&Sha256::digest(hashed));
        assert_eq!(*finding.fingerprint, digest[..16], "{}/{}", finding.rule, finding.check);
        kinds.entry(format!("{}/{}", finding.rule, finding.check)).or_default().insert(told);
    }
    assert!(kinds["non-compliant/end-of-data"].len() >= 3, "{:?}", kinds["non-compliant/end-of-data"]);
    let mail = kinds["non-compliant/malformed-command"].iter().filter(|told| told.contains("verb=MAIL ")).count();
    assert!(mail >= 4, "{:?}", kinds["non-compliant/malformed-command"]);
}

/// The session's id, and the capture that it began in: two captures may hold the same packets.
fn of_session(value: &Value) -> (String, String) {
    let capture = match value["type"].as_str() {
        Some("finding") => &value["packets"][0]["capture"],
        _ => &value["capture"],
    };
    (value["session"].as_str().unwrap_or_default().to_owned(), capture.as_str().unwrap_or_default().to_owned())
}
