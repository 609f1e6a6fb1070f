//! A real server and real clients, watched as they talk.
#![expect(clippy::disallowed_methods, reason = "what is promised is a time")]

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use super::{Net, Watching};
use crate::support::package;

/// What completed a condition is told so soon.
const SOON: Duration = Duration::from_secs(1);

/// Debian's Postfix, for as long as this lives.
struct Postfix(Child);

impl Postfix {
    fn start(net: &Net) -> Self {
        let mut child = Command::new(package().join("tests/integration/live/postfix"))
            .args([net.name(), "192.0.2.25"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        assert_eq!(line, "ready\n", "Postfix did not start; it said why on standard error");
        Postfix(child)
    }
}

impl Drop for Postfix {
    fn drop(&mut self) {
        drop(self.0.stdin.take());
        let _ = self.0.wait();
    }
}

/// Waits for a record until a second after the client was done.
fn soon(watching: &mut Watching, done: Instant, what: &str, wanted: impl Fn(&Value) -> bool) {
    let found = watching.next(done + SOON, wanted);
    assert!(found.is_some(), "{what}: not told within a second");
}

fn is_finding(record: &Value, rule: &str, check: &str) -> bool {
    record["type"] == "finding" && record["rule"] == rule && record["check"] == check
}

#[test]
fn what_postfix_and_its_clients_do_is_told_within_a_second() {
    let Some(net) = Net::new() else { return };
    let client = net.apart();
    let _postfix = Postfix::start(&net);
    let mut watching = net.watch(&["--format", "jsonl"]);
    let curl = |arguments: &[&str]| {
        let mut command = client.command("curl");
        command.args(["--silent", "--show-error", "--max-time", "20"]).args(arguments);
        let output = command.stdin(Stdio::null()).output().unwrap();
        (Instant::now(), output)
    };

    // Without a mail to send curl asks for HELP.
    let (done, refused) = curl(&["smtp://192.0.2.25/client.example.org"]);
    assert!(!refused.status.success(), "Postfix refuses HELP");
    soon(&mut watching, done, "HELP is refused", |record| record["type"] == "server" && record["help"] == "refused");

    let folder = tempfile::tempdir().unwrap();
    let mail = folder.path().join("mail");
    std::fs::File::create(&mail).unwrap().write_all(b"Subject: a test\r\n\r\nHello.\r\n").unwrap();
    let (done, sent) = curl(&[
        "--ssl-reqd",
        "--insecure",
        "--mail-from",
        "alice@example.net",
        "--mail-rcpt",
        "bob@example.org",
        "--upload-file",
        mail.to_str().unwrap(),
        "smtp://192.0.2.25/client.example.org",
    ]);
    assert!(sent.status.success(), "{}", String::from_utf8_lossy(&sent.stderr));
    soon(&mut watching, done, "STARTTLS", |record| is_finding(record, "starttls", "started"));

    let (done, _) = curl(&["--request", "XPRIVATE of=ours", "smtp://192.0.2.25/client.example.org"]);
    soon(&mut watching, done, "a private command", |record| is_finding(record, "private-command", "used"));

    let ended = watching.end();
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    let above_info: Vec<_> =
        ended.records().into_iter().filter(|r| r["type"] == "finding" && r["severity"] != "info").collect();
    assert!(above_info.iter().all(|r| r["rule"] == "private-command"), "{above_info:?}");
}
