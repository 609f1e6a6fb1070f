//! What an analyser told of a capture against what its dialogue expects, findings aside.

use std::collections::BTreeMap;
use std::error::Error;
use std::fmt::Write as _;
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::dialogue::{Connection, Dialogue};
use crate::expect::{Answers, Event, Field, Tls, What};
use crate::{Plan, render};

/// Renders a dialogue and has it scanned: the capture goes to the scanner's standard input.
///
/// # Errors
/// The scanner cannot be run, fails, or prints what is no record.
#[expect(
    clippy::disallowed_methods,
    reason = "who feeds a pipe and reads another needs two threads; this is no room of mailtap"
)]
pub fn scan(dialogue: &Dialogue, plan: &Plan, mailtap: &Path) -> Result<Records, Box<dyn Error>> {
    let capture = render(dialogue, plan).pcap();
    let mut scanner = Command::new(mailtap)
        .args(["scan", "-", "--format", "jsonl", "--quiet", "--records", "findings,sessions,servers,events,summary"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()?;
    let mut input = scanner.stdin.take().ok_or("a scanner without standard input")?;
    let written = std::thread::spawn(move || input.write_all(&capture));
    let output = scanner.wait_with_output()?;
    if !output.status.success() {
        return Err(format!("{}: {}", mailtap.display(), output.status).into());
    }
    written.join().map_err(|_| "the capture was not written")??;
    Ok(Records::read(String::from_utf8(output.stdout)?)?)
}

/// The records that were printed for a capture.
#[derive(Debug)]
pub struct Records {
    text: String,
    all: Vec<Value>,
    /// Per client port the record of its first session and the places of all that belongs to that.
    sessions: BTreeMap<u64, (usize, Vec<usize>)>,
}

impl Records {
    /// Reads JSON lines.
    ///
    /// # Errors
    /// A line that is no JSON.
    pub fn read(text: String) -> serde_json::Result<Records> {
        let all: Vec<Value> = text.lines().map(serde_json::from_str).collect::<Result<_, _>>()?;
        let mut places: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
        for (place, record) in all.iter().enumerate() {
            if let Some(session) = record["session"].as_str() {
                places.entry(session).or_default().push(place);
            }
        }
        let mut sessions = BTreeMap::new();
        for (place, record) in all.iter().enumerate().filter(|(_, record)| record["type"] == "session") {
            let own = record["session"].as_str().and_then(|session| places.get(session)).cloned().unwrap_or_default();
            sessions.entry(record["client"]["port"].as_u64().unwrap_or(0)).or_insert((place, own));
        }
        Ok(Records { text, all, sessions })
    }

    /// Those of one type, in their order.
    pub fn of_type(&self, kind: &str) -> impl Iterator<Item = &Value> {
        self.all.iter().filter(move |record| record["type"] == kind)
    }
}

/// Everything in which the records differ from what the dialogue expects of them, findings aside.
pub fn differences(dialogue: &Dialogue, records: &Records) -> Vec<String> {
    dialogue.connections.iter().flat_map(|connection| of_connection(connection, records)).collect()
}

/// Those of one connection.
pub fn of_connection(connection: &Connection, records: &Records) -> Vec<String> {
    let expected = &connection.expected;
    let mut wrong = Vec::new();
    for text in &expected.absent {
        if records.text.contains(text) {
            wrong.push(format!("`{text}` stands in the output"));
        }
    }
    let port = connection.client.port();
    let Some((session, places)) = records.sessions.get(&u64::from(port)) else {
        wrong.push(format!("no session from port {port}"));
        return wrong;
    };
    let session = &records.all[*session];
    let own = |kinds: &[&str]| -> Vec<&Value> {
        let of_session = places.iter().map(|&place| &records.all[place]);
        of_session.filter(|record| kinds.iter().any(|&kind| record["type"] == kind)).collect()
    };
    if let Some(events) = &expected.events {
        let printed = own(&["command", "reply", "data"]);
        if expected.concurrent {
            let (said, answered) = events.iter().partition::<Vec<&Event>, _>(|event| !is_reply(event));
            let (commands, replies) = printed.iter().partition::<Vec<&Value>, _>(|record| record["type"] != "reply");
            wrong.extend(compare("client", &said, &commands, expected.more));
            wrong.extend(compare("server", &answered, &replies, false));
        } else {
            wrong.extend(compare("both sides", &events.iter().collect::<Vec<_>>(), &printed, false));
        }
        wrong.extend(compare_tls(expected.tls.as_ref(), &own(&["tls"])));
    }
    if let Some(accepted) = expected.accepted {
        let codes = session["transactions"].as_array().into_iter().flatten().map(|transaction| &transaction["code"]);
        let codes: Vec<_> = codes.filter(|code| code.as_u64().is_some_and(|code| code / 100 == 2)).collect();
        if codes.len() != accepted {
            wrong.push(format!("{} mails were taken, not {accepted}", codes.len()));
        }
    }
    wrong.extend(expected.session.iter().filter_map(|field| compare_field("session", field, session)));
    if !expected.server.is_empty() {
        let (ip, port) = (connection.server.ip().to_string(), connection.server.port());
        let server = records.of_type("server").find(|server| server["ip"] == ip && server["port"] == port);
        let server = server.unwrap_or(&Value::Null);
        wrong.extend(expected.server.iter().filter_map(|field| compare_field("server", field, server)));
    }
    wrong
}

fn is_reply(event: &Event) -> bool {
    matches!(event.what, What::Reply { .. })
}

/// Both sides whole where they differ, and where they begin to.
fn compare(whose: &str, expected: &[&Event], records: &[&Value], more: bool) -> Option<String> {
    let (place, printed) = first_difference(expected, records, more)?;
    let mut text =
        format!("records of {whose}, from {place} of the expected and {printed} of the printed on\n  expected:");
    for event in expected {
        let _ = write!(text, "\n    {event:?}");
    }
    text += "\n  printed:";
    for record in records {
        let _ = write!(text, "\n    {record}");
    }
    Some(text)
}

fn first_difference(expected: &[&Event], records: &[&Value], more: bool) -> Option<(usize, usize)> {
    let mut printed = 0;
    for (place, event) in expected.iter().enumerate() {
        if records.get(printed).is_some_and(|record| matches_record(event, record)) {
            printed += 1;
        } else if !event.optional {
            return Some((place, printed));
        }
    }
    (printed < records.len() && !more).then_some((expected.len(), printed))
}

fn matches_record(event: &Event, record: &Value) -> bool {
    let same = match &event.what {
        What::Command { verb, argument } => {
            record["type"] == "command"
                && record["verb"].as_str() == verb.as_deref()
                && argument.as_ref().is_none_or(|argument| record["argument"].as_str().unwrap_or_default() == argument)
        }
        What::Line => record["type"] == "command",
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
        Some(tls) if tls.state == "any" => Vec::new(),
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
        let records = Records::read(PRINTED.trim().to_owned()).unwrap();
        differences(&Dialogue::parse(expected).unwrap(), &records).len()
    }

    #[test]
    fn what_is_expected_and_printed_does_not_differ() {
        let both = "~ C HELP \"MAIL\"\n~ R 214 answers HELP uncertain\n~ D dot bytes 7\n~ T started version=1.2\n";
        assert_eq!(differing(both), 0);
        assert_eq!(differing("~ concurrent\n~ D any\n~ C HELP\n~ R 214\n~ T started"), 2, "order and certainty");
        assert_eq!(
            differing("~ accepted 0\n~ session tls.version=1.2\n~ session auth.0.code=235\n~ session client*=40001"),
            0
        );
    }

    #[test]
    fn what_may_be_missing_or_be_there_too_differs_in_neither_case() {
        let reply = "~ R 214 uncertain";
        assert_eq!(differing(&format!("~ C * maybe\n{reply}\n~ D dot\n~ D any maybe\n~ C RSET maybe\n~ T any")), 0);
        assert_eq!(differing(&format!("~ C HELO maybe\n~ C *\n{reply}\n~ D dot\n~ T any")), 0);
        assert_eq!(differing(&format!("~ concurrent\n~ more\n~ C HELP\n{reply}\n~ T any")), 0, "more of the client");
        assert_eq!(differing("~ concurrent\n~ more\n~ C HELP\n~ D dot\n~ T any"), 1, "no reply is more");
    }

    #[test]
    fn every_part_that_differs_is_told() {
        for (wrong, count) in [
            ("~ accepted 1", 1),
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
