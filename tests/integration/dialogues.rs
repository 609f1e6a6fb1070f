//! Dialogues against the records that the binary prints for their captures.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;
use synth::Dialogue;
use synth::dialogue::Connection;
use synth::expect::{Answers, Event, Field, Finding, Tls, What};

/// Every dialogue below a folder of testdata, by its path, sorted.
pub(crate) fn below(folder: &str) -> Vec<(PathBuf, Dialogue)> {
    let mut paths = Vec::new();
    collect(&Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata").join(folder), &mut paths);
    assert!(!paths.is_empty(), "no dialogue below testdata/{folder}");
    paths.sort();
    let read = |path: PathBuf| {
        let dialogue = Dialogue::parse(&fs::read_to_string(&path).unwrap());
        let dialogue = dialogue.unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        (path, dialogue)
    };
    paths.into_iter().map(read).collect()
}

fn collect(folder: &Path, into: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display())) {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect(&path, into);
        } else if path.extension().is_some_and(|suffix| suffix == "smtp") {
            into.push(path);
        }
    }
}

/// What the binary prints for a capture.
pub(crate) struct Scan {
    text: String,
    records: Vec<Value>,
}

impl Scan {
    /// Scans a capture, with all rules or the selected ones.
    pub(crate) fn of(capture: &Path, rules: &[&str]) -> Scan {
        let mut command = assert_cmd::Command::new(env!("CARGO_BIN_EXE_mailtap"));
        command.arg("scan").arg(capture).args(["--format", "jsonl", "--port", "25,465,587"]);
        command.args(["--records", "findings,sessions,servers,events,summary"]);
        if !rules.is_empty() {
            command.args(["--select", &rules.join(",")]);
        }
        let output = command.output().unwrap();
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{}: {}\n{errors}", capture.display(), output.status);
        Scan::printed(String::from_utf8(output.stdout).unwrap())
    }

    fn printed(text: String) -> Scan {
        let records = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        Scan { text, records }
    }

    /// Every finding as its client's port and its name in the catalogue, sorted.
    pub(crate) fn findings(&self) -> Vec<(u64, Finding)> {
        let text = |record: &Value, key: &str| record[key].as_str().unwrap_or_default().to_owned();
        let found = |record: &Value| {
            let finding = Finding {
                rule: text(record, "rule"),
                check: text(record, "check"),
                severity: text(record, "severity"),
            };
            (record["client"]["port"].as_u64().unwrap_or(0), finding)
        };
        let mut findings: Vec<_> = self.of_type("finding").map(found).collect();
        findings.sort();
        findings
    }

    fn of_type(&self, kind: &str) -> impl Iterator<Item = &Value> {
        self.records.iter().filter(move |record| record["type"] == kind)
    }
}

/// The findings that a dialogue expects, as [`Scan::findings`] gives them.
pub(crate) fn expected_findings(dialogue: &Dialogue) -> Vec<(u64, Finding)> {
    let expected = dialogue.findings();
    let mut findings: Vec<_> =
        expected.map(|(connection, finding)| (u64::from(connection.client.port()), finding.clone())).collect();
    findings.sort();
    findings
}

/// Everything in which the records differ from what the dialogue expects of them, findings aside.
pub(crate) fn differences(dialogue: &Dialogue, scan: &Scan) -> Vec<String> {
    dialogue.connections.iter().flat_map(|connection| of_connection(connection, scan)).collect()
}

fn of_connection(connection: &Connection, scan: &Scan) -> Vec<String> {
    let expected = &connection.expected;
    let mut wrong = Vec::new();
    for text in &expected.absent {
        if scan.text.contains(text) {
            wrong.push(format!("`{text}` stands in the output"));
        }
    }
    let port = connection.client.port();
    let mut sessions = scan.of_type("session");
    let Some(session) = sessions.find(|session| session["client"]["port"] == port) else {
        wrong.push(format!("no session from port {port}"));
        return wrong;
    };
    let own = |kinds: &[&str]| -> Vec<&Value> {
        let of_session = scan.records.iter().filter(|record| record["session"] == session["session"]);
        of_session.filter(|record| kinds.iter().any(|&kind| record["type"] == kind)).collect()
    };
    if let Some(events) = &expected.events {
        let records = own(&["command", "reply", "data"]);
        if expected.concurrent {
            let (said, answered) = events.iter().partition::<Vec<&Event>, _>(|event| !is_reply(event));
            let (commands, replies) = records.iter().partition::<Vec<&Value>, _>(|record| record["type"] != "reply");
            wrong.extend(compare("client", &said, &commands));
            wrong.extend(compare("server", &answered, &replies));
        } else {
            wrong.extend(compare("both sides", &events.iter().collect::<Vec<_>>(), &records));
        }
        wrong.extend(compare_tls(expected.tls.as_ref(), &own(&["tls"])));
    }
    wrong.extend(expected.session.iter().filter_map(|field| compare_field("session", field, session)));
    if !expected.server.is_empty() {
        let (ip, port) = (connection.server.ip().to_string(), connection.server.port());
        let server = scan.of_type("server").find(|server| server["ip"] == ip && server["port"] == port);
        let server = server.unwrap_or(&Value::Null);
        wrong.extend(expected.server.iter().filter_map(|field| compare_field("server", field, server)));
    }
    wrong
}

fn is_reply(event: &Event) -> bool {
    matches!(event.what, What::Reply { .. })
}

/// Both sides whole where they differ.
fn compare(whose: &str, expected: &[&Event], records: &[&Value]) -> Option<String> {
    let equal = expected.len() == records.len()
        && expected.iter().zip(records).all(|(event, record)| matches_record(event, record));
    if equal {
        return None;
    }
    let mut text = format!("records of {whose}\n  expected:");
    for event in expected {
        let _ = write!(text, "\n    {event:?}");
    }
    text += "\n  printed:";
    for record in records {
        let _ = write!(text, "\n    {record}");
    }
    Some(text)
}

fn matches_record(event: &Event, record: &Value) -> bool {
    let same = match &event.what {
        What::Command { verb, argument } => {
            record["type"] == "command"
                && record["verb"].as_str() == verb.as_deref()
                && argument.as_ref().is_none_or(|argument| record["argument"].as_str().unwrap_or_default() == argument)
        }
        What::Reply { code, answers } => {
            record["type"] == "reply"
                && record["code"].as_u64() == code.map(u64::from)
                && answers.as_ref().is_none_or(|answers| matches_answer(answers, &record["answers"]))
        }
        What::Data { end, bytes, lines } => {
            record["type"] == "data"
                && (end == "any" || record["end"] == **end)
                && bytes.is_none_or(|bytes| record["bytes"] == bytes)
                && lines.is_none_or(|lines| record["lines"] == lines)
        }
    };
    same && event.uncertain.is_none_or(|uncertain| uncertain == record["uncertain"].as_bool().unwrap_or(false))
}

fn matches_answer(expected: &Answers, answers: &Value) -> bool {
    match expected {
        Answers::Verb(verb) => answers == verb,
        Answers::Message => answers == "message",
        Answers::Unsolicited => answers == "unsolicited",
        Answers::Unknown => answers == "unknown",
        Answers::Nothing => answers.is_null(),
    }
}

/// A session's `tls` records tell more and more of one fact: the last of each field counts.
fn compare_tls(expected: Option<&Tls>, records: &[&Value]) -> Vec<String> {
    let mut known = serde_json::Map::new();
    for record in records {
        let fields = record.as_object().into_iter().flatten().filter(|(_, value)| !value.is_null());
        known.extend(fields.map(|(key, value)| (key.clone(), value.clone())));
    }
    let known = Value::Object(known);
    match expected {
        None => records.iter().map(|record| format!("an unexpected record: {record}")).collect(),
        Some(tls) => {
            let state = Field { path: "state".to_owned(), value: tls.state.clone(), part: false };
            std::iter::once(&state).chain(&tls.fields).filter_map(|field| compare_field("tls", field, &known)).collect()
        }
    }
}

fn compare_field(record: &str, field: &Field, value: &Value) -> Option<String> {
    let found = field.path.split('.').fold(value, |value, key| match key.parse::<usize>() {
        Ok(position) if value.is_array() => &value[position],
        _ => &value[key],
    });
    let same = if field.part {
        found.to_string().contains(&field.value)
    } else {
        // `1.2` is a version, not a number: text is compared as text first.
        found.as_str() == Some(&field.value)
            || serde_json::from_str(&field.value).is_ok_and(|json: Value| json == *found)
    };
    (!same).then(|| format!("{record}.{} is {found}, not {}", field.path, field.value))
}

#[cfg(test)]
mod tests {
    use super::*;

    const PRINTED: &str = r#"
{"type":"session","session":"ab","client":{"port":40001},"tls":{"state":"started","version":"1.2"},"auth":[{"code":235}]}
{"type":"command","session":"ab","verb":"HELP","argument":"MAIL"}
{"type":"reply","session":"ab","code":214,"answers":"HELP","uncertain":true}
{"type":"data","session":"ab","bytes":7,"end":"dot"}
{"type":"tls","session":"ab","state":"started","version":null}
{"type":"tls","session":"ab","state":"started","version":"1.2"}
{"type":"command","session":"cd","verb":"NOOP","argument":""}"#;

    fn differing(expected: &str) -> usize {
        let scan = Scan::printed(PRINTED.trim().to_owned());
        differences(&Dialogue::parse(expected).unwrap(), &scan).len()
    }

    #[test]
    fn what_is_expected_and_printed_does_not_differ() {
        let both = "~ C HELP \"MAIL\"\n~ R 214 answers HELP uncertain\n~ D dot bytes 7\n~ T started version=1.2\n";
        assert_eq!(differing(both), 0);
        assert_eq!(differing("~ concurrent\n~ D any\n~ C HELP\n~ R 214\n~ T started"), 2, "order and certainty");
        assert_eq!(differing("~ session tls.version=1.2\n~ session auth.0.code=235\n~ session client*=40001"), 0);
    }

    #[test]
    fn every_part_that_differs_is_told() {
        for (wrong, count) in [
            ("~ C HELP \"RCPT\"\n~ R 214 uncertain\n~ D dot\n~ T started", 1),
            ("~ C HELP\n~ R 250 uncertain\n~ D dot\n~ T started", 1),
            ("~ C HELP\n~ R 214 answers message uncertain\n~ D dot\n~ T started", 1),
            ("~ C HELP\n~ R 214 uncertain?\n~ D dot bytes 8\n~ T started", 1),
            ("~ C HELP\n~ R 214 uncertain\n~ T started", 1),
            ("~ C HELP\n~ R 214 uncertain\n~ D dot\n~ T refused", 1),
            ("~ C HELP\n~ R 214 uncertain\n~ D dot", 2),
            ("~ absent HELP\n~ session tls.state=none\n~ server help=exposed", 3),
            ("[40002]\n~ none", 1),
        ] {
            assert_eq!(differing(wrong), count, "{wrong}");
        }
    }
}
