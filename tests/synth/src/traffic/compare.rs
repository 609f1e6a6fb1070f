//! What mailtap's records say, against the truth: every finding, every session, every server and the sums.

use std::collections::{BTreeMap, HashMap};
use std::io::{self, BufRead};
use std::net::{IpAddr, SocketAddr};

use serde_json::Value;

/// How the records of a scan (`findings,sessions,servers,summary` as JSON lines) differ from the truth that
/// [`super::Recipe::write`] wrote: a line for each difference, none where they agree.
///
/// A session that the capture holds whole must have exactly its commands and replies, a torn one no more than those;
/// octets that are missing must be counted exactly.
///
/// # Errors
/// The readers' own; a line that is no truth or no record.
pub fn differences(truth: impl BufRead, records: impl BufRead) -> io::Result<Vec<String>> {
    let mut judge =
        Judge { truth: Truth::read(truth)?, wrong: Vec::new(), found: BTreeMap::new(), severities: BTreeMap::new() };
    for line in records.lines() {
        let record: Value = serde_json::from_str(&line?)?;
        match record["type"].as_str() {
            Some("finding") => judge.finding(&record),
            Some("session") => judge.session(&record),
            Some("server") => judge.server(&record),
            Some("summary") => judge.summary(&record),
            _ => {}
        }
    }
    Ok(judge.finish())
}

/// A truth file, read back.
#[derive(Default)]
struct Truth {
    sessions: HashMap<(SocketAddr, SocketAddr), Session>,
    servers: BTreeMap<SocketAddr, u64>,
    /// How often a finding has to be told: client (none for a condition of the server), server, check, severity.
    findings: BTreeMap<Finding, i64>,
    totals: BTreeMap<String, u64>,
}

type Finding = (Option<SocketAddr>, SocketAddr, String, String);

struct Session {
    commands: u64,
    replies: u64,
    missing: [u64; 2],
    /// `rule/check=times`, sorted.
    findings: Vec<String>,
}

impl Truth {
    fn read(lines: impl BufRead) -> io::Result<Truth> {
        let mut truth = Truth::default();
        for line in lines.lines() {
            let line = line?;
            truth.line(&line).ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, format!("no truth: {line}")))?;
        }
        Ok(truth)
    }

    fn line(&mut self, line: &str) -> Option<()> {
        let fields: Vec<&str> = line.split('\t').collect();
        match fields[..] {
            ["session", client, server, commands, replies, from_client, from_server, checks] => {
                let (client, server) = (client.parse().ok()?, server.parse().ok()?);
                let mut findings: Vec<String> =
                    checks.split(',').filter(|check| !check.is_empty()).map(str::to_owned).collect();
                findings.sort();
                let session = Session {
                    commands: commands.parse().ok()?,
                    replies: replies.parse().ok()?,
                    missing: [from_client.parse().ok()?, from_server.parse().ok()?],
                    findings,
                };
                self.sessions.insert((client, server), session);
                *self.servers.entry(server).or_default() += 1;
            }
            ["finding", client, server, check, severity] => {
                let client = if client == "-" { None } else { Some(client.parse().ok()?) };
                let finding = (client, server.parse().ok()?, check.to_owned(), severity.to_owned());
                *self.findings.entry(finding).or_default() += 1;
            }
            ["total", name, count] => {
                self.totals.insert(name.to_owned(), count.parse().ok()?);
            }
            _ => return None,
        }
        Some(())
    }
}

/// The truth, crossed off as records come.
struct Judge {
    truth: Truth,
    wrong: Vec<String>,
    found: BTreeMap<Finding, i64>,
    /// Findings by rule and severity.
    severities: BTreeMap<(String, String), u64>,
}

impl Judge {
    fn finding(&mut self, record: &Value) {
        let check = format!("{}/{}", text(&record["rule"]), text(&record["check"]));
        let severity = text(&record["severity"]).to_owned();
        let (client, server) = (end(&record["client"]), end(&record["server"]));
        let of_server = (None, server, check, severity.clone());
        let finding = if self.truth.findings.contains_key(&of_server) {
            of_server
        } else {
            (Some(client), server, of_server.2, severity.clone())
        };
        *self.found.entry(finding).or_default() += 1;
        *self.severities.entry((text(&record["rule"]).to_owned(), severity)).or_default() += 1;
    }

    fn session(&mut self, record: &Value) {
        let (client, server) = (end(&record["client"]), end(&record["server"]));
        let Some(session) = self.truth.sessions.remove(&(client, server)) else {
            self.wrong.push(format!("a session too many: {client} to {server}"));
            return;
        };
        let mut differs = |what: &str, is: String, expected: String| {
            self.wrong.push(format!("session {client} to {server}: {what} {is}, expected {expected}"));
        };
        let missing = ["client", "server"].map(|side| record["missing_bytes"][side].as_u64());
        if missing != session.missing.map(Some) {
            differs("missing", format!("{missing:?}"), format!("{:?}", session.missing));
        }
        let whole = session.missing == [0, 0];
        if record["complete"] != whole {
            differs("complete", record["complete"].to_string(), whole.to_string());
        }
        for (name, expected) in [("commands", session.commands), ("replies", session.replies)] {
            let is = record[name].as_u64();
            if is != Some(expected) && (whole || is.is_none_or(|is| is > expected)) {
                differs(name, record[name].to_string(), expected.to_string());
            }
        }
        let findings = record["findings"].as_object().into_iter().flatten();
        let mut findings: Vec<String> = findings.map(|(check, times)| format!("{check}={times}")).collect();
        findings.sort();
        if findings != session.findings {
            differs("findings", findings.join(","), session.findings.join(","));
        }
    }

    fn server(&mut self, record: &Value) {
        let server = end(record);
        let expected = self.truth.servers.remove(&server).unwrap_or(0);
        if record["sessions"] != expected {
            self.wrong.push(format!("server {server}: {} sessions, expected {expected}", record["sessions"]));
        }
    }

    fn summary(&mut self, record: &Value) {
        for name in ["packets", "bytes", "connections", "sessions"] {
            let expected = self.truth.totals.get(name).copied().unwrap_or(0);
            if record[name] != expected {
                self.wrong.push(format!("summary: {name} {}, expected {expected}", record[name]));
            }
        }
        for name in ["time_backwards", "time_jumps", "internal_errors", "capture_dropped"] {
            if record[name] != 0 {
                self.wrong.push(format!("summary: {name} {}", record[name]));
            }
        }
        // A flood is there to reach a limit; where anything is said, none may act.
        if self.truth.totals.get("sessions") != Some(&0)
            && record["limits_hit"] != Value::Object(serde_json::Map::default())
        {
            self.wrong.push(format!("summary: limits_hit {}", record["limits_hit"]));
        }
        let mut counted: BTreeMap<(String, String), u64> = BTreeMap::new();
        for (rule, severities) in record["findings"].as_object().into_iter().flatten() {
            for (severity, count) in severities.as_object().into_iter().flatten() {
                counted.insert((rule.clone(), severity.clone()), count.as_u64().unwrap_or(0));
            }
        }
        if counted != self.severities {
            self.wrong.push(format!("summary: findings {counted:?}, but {:?} were told", self.severities));
        }
        self.truth.totals.clear();
    }

    fn finish(mut self) -> Vec<String> {
        let Truth { sessions, servers, findings, totals } = self.truth;
        if !totals.is_empty() {
            self.wrong.push("there is no summary".to_owned());
        }
        for (finding, expected) in &findings {
            let found = self.found.remove(finding).unwrap_or(0);
            if found != *expected {
                self.wrong.push(format!("{} {found} times, expected {expected}", shown(finding)));
            }
        }
        self.wrong.extend(
            self.found.iter().map(|(finding, times)| format!("{} {times} times, expected none", shown(finding))),
        );
        let mut lost: Vec<_> =
            sessions.keys().map(|(client, server)| format!("no session {client} to {server}")).collect();
        lost.sort();
        self.wrong.extend(lost);
        self.wrong.extend(servers.keys().map(|server| format!("no server {server}")));
        self.wrong
    }
}

fn shown((client, server, check, severity): &Finding) -> String {
    let client = client.map_or_else(|| "any client".to_owned(), |client| client.to_string());
    format!("{check} {severity}, {client} to {server}:")
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

/// `{"ip": ..., "port": ...}`; an end that no flow has where it is not that.
fn end(value: &Value) -> SocketAddr {
    let ip: IpAddr = text(&value["ip"]).parse().unwrap_or(IpAddr::from([0; 4]));
    (ip, value["port"].as_u64().and_then(|port| u16::try_from(port).ok()).unwrap_or(0)).into()
}
