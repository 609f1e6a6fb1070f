//! Pipes that stay open: what is complete is told though no more comes, and a signal ends the scan with the report of
//! what was read.
#![expect(clippy::disallowed_methods, reason = "a test reads beside what it writes")]

use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::Duration;

use serde_json::Value;
use synth::{Dialogue, Plan};

use crate::support;

/// Two sessions, each with a finding.
const BOTH: &str = "\
[40001]
S: 220 mx.example.com ESMTP
C: EHLO a.example.org
S: 250 mx
C: HELP
S: 214 MAIL RCPT
C: QUIT
S: 221 bye
[40002 server=198.51.100.26]
S: 220 mx.example.com ESMTP
C: EHLO a.example.org
S: 250 mx
C: HELP
S: 214 MAIL RCPT
C: QUIT
S: 221 bye
";

fn capture() -> Vec<u8> {
    synth::render(&Dialogue::parse(BOTH).unwrap(), &Plan::new()).pcap()
}

/// A scan of its standard input.
struct Scan {
    child: Child,
    stdin: Option<ChildStdin>,
    lines: Receiver<String>,
    /// What was read of them.
    told: String,
}

/// A line that does not come within this time never will.
const NEVER: Duration = Duration::from_mins(2);

impl Scan {
    fn begin(options: &[&str]) -> Self {
        Self::of(&[options, &["-"]].concat())
    }

    fn of(arguments: &[&str]) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_mailtap"))
            .arg("scan")
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let (stdin, mut stdout) = (child.stdin.take(), BufReader::new(child.stdout.take().unwrap()));
        let (tell, lines) = channel();
        thread::spawn(move || {
            let mut line = String::new();
            while stdout.read_line(&mut line).unwrap() > 0 && tell.send(std::mem::take(&mut line)).is_ok() {}
        });
        Scan { child, stdin, lines, told: String::new() }
    }

    fn write(&mut self, bytes: &[u8]) {
        let stdin = self.stdin.as_mut().unwrap();
        stdin.write_all(bytes).unwrap();
        stdin.flush().unwrap();
    }

    /// Reads lines until a record of this type has come.
    fn wait_for(&mut self, kind: &str) {
        self.wait_until(|line| line.starts_with(&format!("{{\"type\":\"{kind}\"")));
    }

    fn wait_until(&mut self, is: impl Fn(&str) -> bool) {
        loop {
            let Ok(line) = self.lines.recv_timeout(NEVER) else {
                let _ = self.child.kill();
                panic!("the line never came; before it: {}", self.told);
            };
            self.told.push_str(&line);
            if is(&line) {
                return;
            }
        }
    }

    fn signal(&self, name: &str) {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args(["-s", name, &pid]).status().unwrap().success());
    }

    /// Reads the rest: the exit code, all of standard output, all of standard error. The pipe stays open until then.
    fn end(mut self) -> (Option<i32>, String, String) {
        while let Ok(line) = self.lines.recv_timeout(NEVER) {
            self.told.push_str(&line);
        }
        let _ = self.child.kill();
        let mut stderr = String::new();
        self.child.stderr.take().unwrap().read_to_string(&mut stderr).unwrap();
        let status = self.child.wait().unwrap();
        drop(self.stdin);
        (status.code(), self.told, stderr)
    }

    /// Closes the pipe and reads the rest.
    fn close(mut self) -> String {
        self.stdin = None;
        self.end().1
    }
}

/// A scan of what comes at once.
fn at_once(options: &[&str], bytes: &[u8]) -> String {
    let mut scan = Scan::begin(options);
    scan.write(bytes);
    scan.close()
}

fn packed(program: &str, bytes: &[u8]) -> Vec<u8> {
    let mut packer = Command::new(program).arg("-c").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut stdin = packer.stdin.take().unwrap();
    let bytes = bytes.to_vec();
    let writing = thread::spawn(move || stdin.write_all(&bytes));
    let mut out = Vec::new();
    packer.stdout.take().unwrap().read_to_end(&mut out).unwrap();
    writing.join().unwrap().unwrap();
    packer.wait().unwrap();
    out
}

fn summary(told: &str) -> Value {
    support::records(told).pop().unwrap()
}

#[test]
fn what_is_complete_in_a_pipe_is_told_though_it_stays_open() {
    let capture = capture();
    for threads in ["1", "2", "8"] {
        let options =
            ["--format", "jsonl", "--threads", threads, "--records", "findings,sessions,servers,events,summary"];
        let mut scan = Scan::begin(&options);
        scan.wait_for("start");
        // All but the last packet, and a piece of that.
        scan.write(&capture[..capture.len() - 9]);
        scan.wait_for("finding");
        scan.wait_for("finding");
        scan.write(&capture[capture.len() - 9..]);
        let told = scan.close();
        assert_eq!(told, at_once(&options, &capture), "--threads {threads}");
    }
}

#[test]
fn a_pipe_that_pauses_gives_the_bytes_of_one_that_does_not() {
    let plain = synth::render(&Dialogue::parse(BOTH).unwrap(), &Plan::new().mss(5)).pcap();
    let options = ["--format", "jsonl", "--records", "findings,sessions,servers,events,summary"];
    for bytes in
        [plain.clone(), packed("gzip", &plain), packed("zstd", &plain), packed("xz", &plain), packed("lz4", &plain)]
    {
        let mut scan = Scan::begin(&options);
        for piece in bytes.chunks(bytes.len().div_ceil(4)) {
            scan.write(piece);
            thread::sleep(Duration::from_millis(150));
        }
        let told = scan.close();
        assert_eq!(told, at_once(&options, &bytes));
        assert_eq!(support::of_type(&support::records(&told), "finding").len(), 2);
    }
}

#[test]
fn what_was_unpacked_of_a_compressed_pipe_is_told_though_it_stays_open() {
    // Random, so that it fills the decoder's window; behind the sessions, so that these are unpacked by then.
    let mut packets = synth::render(&Dialogue::parse(BOTH).unwrap(), &Plan::new()).packets;
    let ends = ["192.0.2.1:53", "192.0.2.2:53"].map(|end| end.parse().unwrap());
    let last = packets.last().unwrap().time;
    let mut random = synth::Rng::new(1);
    for _ in 0..1000 {
        let payload: Vec<u8> = (0..1000).map(|_| u8::try_from(random.below(256)).unwrap()).collect();
        packets.push(synth::frame::udp(ends[0], ends[1], &payload, last, &Plan::new()));
    }
    let capture = synth::pcap::bytes(&packets, synth::LinkType::Ethernet, synth::pcap::Format::default());
    // One block of lz4's may have 4 MB, and nothing of it is unpacked before all of it is there.
    for program in ["gzip", "zstd"] {
        let bytes = packed(program, &capture);
        let mut scan = Scan::begin(&["--format", "jsonl"]);
        scan.write(&bytes[..bytes.len() - 1000]);
        scan.wait_for("finding");
        scan.write(&bytes[bytes.len() - 1000..]);
        assert_eq!(summary(&scan.close())["packets"], packets.len(), "{program}");
    }
}

#[test]
fn standard_input_that_is_named_twice_is_read_once_and_told() {
    let mut scan = Scan::of(&["--format", "jsonl", "-", "-"]);
    scan.write(&capture());
    scan.stdin = None;
    let (code, told, stderr) = scan.end();
    assert_eq!((code, stderr.as_str()), (Some(0), "mailtap: standard input: named twice, but read only once\n"));
    assert_eq!(told, at_once(&["--format", "jsonl"], &capture()));
}

#[test]
fn a_signal_ends_a_scan_with_the_report_of_what_was_read() {
    let line = "mailtap: interrupted: the report covers what was read until then\n";
    for signal in ["INT", "TERM"] {
        let mut scan = Scan::begin(&["--format", "jsonl", "--fail-on", "low"]);
        scan.write(&capture());
        scan.wait_for("finding");
        scan.signal(signal);
        let (code, told, stderr) = scan.end();
        assert_eq!((code, stderr.as_str()), (Some(2), line), "SIG{signal}");
        let last = summary(&told);
        assert_eq!(
            (&last["type"], &last["interrupted"], &last["sessions"]),
            (&"summary".into(), &true.into(), &2.into())
        );
        assert_eq!(last["problems"], 0);
        assert_eq!(last["captures"][0]["truncated"], false);
    }
    let whole = summary(&at_once(&["--format", "jsonl"], &capture()));
    assert_eq!(whole["interrupted"], Value::Null, "what was read to its end has no such field");
}

#[test]
fn a_signal_ends_a_scan_with_a_text_report_too() {
    // What the records of another scan tell is what this one has read by then.
    let (mut text, mut events) = (Scan::begin(&["--records", "findings,events,servers,summary"]), capture());
    events.truncate(events.len() - 1);
    text.write(&events);
    text.wait_until(|line| line.contains("S: 221"));
    text.signal("INT");
    let (code, told, _) = text.end();
    assert_eq!(code, Some(2));
    for part in
        ["help-exposed/answered", "\nServers, worst first\n", "(interrupted: this is what was read until then)\n"]
    {
        assert!(told.contains(part), "{part}: {told}");
    }
}

#[test]
fn a_signal_ends_a_scan_that_waits_for_its_first_byte() {
    for begin in [0, 10, 24, 30] {
        let mut scan = Scan::begin(&["--format", "jsonl"]);
        scan.wait_for("start");
        scan.write(&capture()[..begin]);
        scan.signal("INT");
        let (code, told, stderr) = scan.end();
        assert_eq!((code, summary(&told)["interrupted"].clone()), (Some(2), true.into()), "{begin} bytes: {stderr}");
        assert_eq!(stderr.lines().count(), 1, "{begin} bytes: {stderr}");
    }
}

#[test]
fn a_signal_ends_a_scan_of_a_pipe_beside_a_file() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("a.pcap");
    std::fs::write(&file, capture()).unwrap();
    let mut scan = Scan::of(&["--format", "jsonl", file.to_str().unwrap(), "-"]);
    scan.wait_for("start");
    scan.write(&capture()[..24]);
    scan.signal("INT");
    let (code, told, stderr) = scan.end();
    assert_eq!((code, summary(&told)["interrupted"].clone()), (Some(2), true.into()));
    assert_eq!(stderr.lines().count(), 1, "{stderr}");
}
