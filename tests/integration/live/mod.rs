//! `mailtap watch` on real interfaces: pairs of virtual Ethernet in network namespaces of their own, made by the test.
#![expect(clippy::disallowed_methods, reason = "what runs beside the test is waited for by the clock, and on a thread")]

mod ends;
mod evidence;
mod mta;
mod replay;

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, ChildStderr, Command, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::support::records;

/// A network namespace with a pair of interfaces, `here` and `there`: what one sends the other receives. Gone when
/// dropped.
pub(crate) struct Net {
    name: String,
}

/// Frames of this size are the largest that fit.
const MTU: &str = "65535";

impl Net {
    /// Where the system lets nobody make a namespace, a line is printed, and the caller returns; that is an error where
    /// `MAILTAP_LIVE_TESTS` says `required`, as `scripts/test` does once it has made one itself. Everything else that is
    /// missing is an error.
    pub(crate) fn new() -> Option<Self> {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let name = format!("mailtap-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let made = Command::new("ip").args(["netns", "add", &name]).output();
        if !made.as_ref().is_ok_and(|made| made.status.success()) {
            let why =
                made.map_or_else(|error| error.to_string(), |made| String::from_utf8_lossy(&made.stderr).into_owned());
            let why = format!("no network namespace can be made: {}", why.trim());
            assert!(std::env::var_os("MAILTAP_LIVE_TESTS").is_none_or(|says| says != "required"), "{why}");
            println!("skipped: {why}");
            return None;
        }
        let net = Net { name };
        net.run(&["sysctl", "-qw", "net.ipv6.conf.all.disable_ipv6=1", "net.ipv6.conf.default.disable_ipv6=1"]);
        net.run(&["ip", "link", "add", "here", "mtu", MTU, "type", "veth", "peer", "name", "there", "mtu", MTU]);
        for interface in ["lo", "here", "there"] {
            net.run(&["ip", "link", "set", interface, "up"]);
        }
        Some(net)
    }

    /// Puts `here` into another namespace, so that the two ends are two machines: `here` is 192.0.2.10, `there` 192.0.2.25.
    pub(crate) fn apart(&self) -> Net {
        let name = format!("{}-client", self.name);
        let made = Command::new("ip").args(["netns", "add", &name]).status().unwrap();
        assert!(made.success(), "{name}");
        let client = Net { name };
        self.run(&["ip", "link", "set", "here", "netns", &client.name]);
        self.run(&["ip", "address", "add", "192.0.2.25/24", "dev", "there"]);
        client.run(&["ip", "address", "add", "192.0.2.10/24", "dev", "here"]);
        client.run(&["ip", "link", "set", "here", "up"]);
        client
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// A command inside of it.
    pub(crate) fn command(&self, program: &str) -> Command {
        let mut command = Command::new("ip");
        command.args(["netns", "exec", &self.name, program]);
        command
    }

    /// Runs a command inside of it to its end, which has to be a good one.
    pub(crate) fn run(&self, command: &[&str]) -> Output {
        let output = self.command(command[0]).args(&command[1..]).output().unwrap();
        let told = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{command:?}: {}\n{told}", output.status);
        output
    }

    /// `mailtap watch` on `there`, once it listens.
    pub(crate) fn watch(&self, options: &[&str]) -> Watching {
        let mut command = self.command(env!("CARGO_BIN_EXE_mailtap"));
        command.args(["watch", "-i", "there"]).args(options);
        Watching::start(command)
    }
}

impl Drop for Net {
    fn drop(&mut self) {
        let _ = Command::new("ip").args(["netns", "del", &self.name]).status();
    }
}

/// A running `mailtap watch`; killed when dropped.
pub(crate) struct Watching {
    child: Child,
    /// What it said before it listened, and from there on a pipe.
    said: String,
    stderr: BufReader<ChildStderr>,
    /// Lines of standard output, each with the time when it came.
    lines: Receiver<(Instant, String)>,
    /// Those that were looked at.
    seen: String,
}

/// How it ended.
pub(crate) struct Ended {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
    /// How long its end was waited for.
    pub(crate) took: Duration,
}

impl Watching {
    fn start(mut command: Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut stderr = BufReader::new(child.stderr.take().unwrap());
        let stdout = BufReader::new(child.stdout.take().unwrap());
        let mut said = String::new();
        while !said.contains("listening on") {
            let begun = said.len();
            stderr.read_line(&mut said).unwrap();
            assert!(said.len() > begun, "it does not listen: {said}");
        }
        let (put, lines) = channel();
        std::thread::spawn(move || {
            for line in stdout.lines() {
                // Where nobody wants them any more it is over.
                let Ok(()) = put.send((Instant::now(), line.unwrap())) else { break };
            }
        });
        Watching { child, said, stderr, lines, seen: String::new() }
    }

    pub(crate) fn signal(&self, signal: &str) {
        let sent = Command::new("kill").args([signal, &self.child.id().to_string()]).status().unwrap();
        assert!(sent.success(), "kill {signal}");
    }

    /// The first of the next records that is wanted, and when it came; waits for it until then.
    pub(crate) fn next(&mut self, until: Instant, wanted: impl Fn(&Value) -> bool) -> Option<(Instant, Value)> {
        loop {
            let left = until.saturating_duration_since(Instant::now());
            let (came, line) = self.lines.recv_timeout(left).ok()?;
            let record: Value = serde_json::from_str(&line).unwrap();
            self.seen.push_str(&line);
            self.seen.push('\n');
            if wanted(&record) {
                return Some((came, record));
            }
        }
    }

    /// Ends it by a signal and takes all that it printed.
    pub(crate) fn end(self) -> Ended {
        self.signal("-TERM");
        self.wait()
    }

    /// Waits until it ends by itself, and takes all that it printed.
    pub(crate) fn wait(mut self) -> Ended {
        let since = Instant::now();
        let status = self.child.wait().unwrap();
        let took = since.elapsed();
        let (mut stdout, mut stderr) = (std::mem::take(&mut self.seen), std::mem::take(&mut self.said));
        for (_, line) in &self.lines {
            stdout.push_str(&line);
            stdout.push('\n');
        }
        self.stderr.read_to_string(&mut stderr).unwrap();
        Ended { code: status.code(), stdout, stderr, took }
    }
}

impl Drop for Watching {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Ended {
    pub(crate) fn records(&self) -> Vec<Value> {
        records(&self.stdout)
    }
}
