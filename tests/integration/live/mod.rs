//! `mailtap watch` on real interfaces: pairs of virtual Ethernet in network namespaces of their own, made by the test.
#![expect(clippy::disallowed_methods, reason = "what runs beside the test is waited for by the clock, and on a thread")]

mod confined;
mod ends;
mod evidence;
mod hostile;
mod idle;
mod killed;
mod links;
mod metrics;
mod mta;
mod output;
mod ports;
mod replay;

use std::fs::{self, Permissions};
use std::io::{BufRead, BufReader, Read};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::support::records;

/// A network namespace with a pair of interfaces, `here` and `there`: what one sends the other receives. Gone when
/// dropped.
pub(crate) struct Net {
    name: String,
}

/// For so long an end is waited for.
const LONGEST: Duration = Duration::from_secs(30);
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
        let watching = self.watch_unread(options);
        watching.read();
        watching
    }

    /// The same, but nobody reads its standard output.
    pub(crate) fn watch_unread(&self, options: &[&str]) -> Watching {
        let mut command = self.command(env!("CARGO_BIN_EXE_mailtap"));
        // Memory is what was asked for: of a huge page all counts at once, when the kernel gets to making it one.
        command.args(["watch", "-i", "there"]).args(options).env("MIMALLOC_ALLOW_THP", "0");
        Watching::start(command)
    }

    /// Sends the packets of a capture from `here`, as they were sent once unless the options say otherwise.
    pub(crate) fn replay(&self, options: &[&str], capture: impl AsRef<Path>) {
        self.replaying(options, capture).wait();
    }

    /// The same, beside the test.
    pub(crate) fn replaying(&self, options: &[&str], capture: impl AsRef<Path>) -> Replaying {
        let mut command = self.command("tcpreplay");
        command.args(["--quiet", "--timer=nano", "--intf1=here"]).args(options).arg(capture.as_ref());
        Replaying(command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap())
    }

    /// How many packets `here` has sent.
    pub(crate) fn sent(&self) -> u64 {
        let output = self.run(&["cat", "/sys/class/net/here/statistics/tx_packets"]);
        String::from_utf8(output.stdout).unwrap().trim().parse().unwrap()
    }
}

/// A capture that is being sent; no longer when dropped.
pub(crate) struct Replaying(Child);

impl Replaying {
    /// Until all of it is sent.
    pub(crate) fn wait(mut self) {
        let status = self.0.wait().unwrap();
        let mut told = String::new();
        self.0.stderr.take().unwrap().read_to_string(&mut told).unwrap();
        assert!(status.success(), "tcpreplay: {status}\n{told}");
    }
}

impl Drop for Replaying {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A fresh directory in which everybody may write, whoever the program goes on as.
pub(crate) fn writable() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::set_permissions(folder.path(), Permissions::from_mode(0o777)).unwrap();
    folder
}

impl Drop for Net {
    fn drop(&mut self) {
        let _ = Command::new("ip").args(["netns", "del", &self.name]).status();
    }
}

/// A running `mailtap watch`; killed when dropped.
pub(crate) struct Watching {
    child: Child,
    /// What it said before it listened.
    said: String,
    /// Lines of standard error from there on.
    errors: Receiver<(Instant, String)>,
    /// Lines of standard output, each with the time when it came.
    lines: Receiver<(Instant, String)>,
    /// Lets the reading of standard output begin; where it is dropped before, the pipe is closed.
    gate: Option<Sender<()>>,
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

/// Sends lines with the time when they came, once it may begin.
fn lines(from: impl Read + Send + 'static, gate: Receiver<()>) -> Receiver<(Instant, String)> {
    let (put, lines) = channel();
    std::thread::spawn(move || {
        let Ok(()) = gate.recv() else { return };
        for line in BufReader::new(from).lines() {
            // Where nobody wants them any more it is over.
            let Ok(()) = put.send((Instant::now(), line.unwrap())) else { break };
        }
    });
    lines
}

impl Watching {
    /// Starts it, and waits until it listens; nobody reads its standard output yet.
    pub(crate) fn start(mut command: Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let (open, opened) = channel();
        open.send(()).unwrap();
        let errors = lines(child.stderr.take().unwrap(), opened);
        let (gate, opened) = channel();
        let lines = lines(child.stdout.take().unwrap(), opened);
        let mut said = String::new();
        while !said.contains("listening on") {
            let Ok((_, line)) = errors.recv() else { panic!("it does not listen: {said}") };
            said.push_str(&line);
            said.push('\n');
        }
        Watching { child, said, errors, lines, gate: Some(gate), seen: String::new() }
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Begins to read standard output.
    pub(crate) fn read(&self) {
        self.gate.as_ref().unwrap().send(()).unwrap();
    }

    /// Closes the pipe of standard output, of which nothing was read.
    pub(crate) fn hang_up(&mut self) {
        self.gate = None;
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
            let record: Value = serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error} in {line:?}"));
            self.seen.push_str(&line);
            self.seen.push('\n');
            if wanted(&record) {
                return Some((came, record));
            }
        }
    }

    /// Waits until then for a line of standard error that holds this.
    pub(crate) fn says(&mut self, until: Instant, what: &str) -> bool {
        loop {
            let left = until.saturating_duration_since(Instant::now());
            let Ok((_, line)) = self.errors.recv_timeout(left) else { return false };
            self.said.push_str(&line);
            self.said.push('\n');
            if line.contains(what) {
                return true;
            }
        }
    }

    /// The first record of counts by which all that was sent was read or dropped.
    pub(crate) fn all_of(&mut self, sent: u64) -> Value {
        let counted = |stats: &Value| -> u64 {
            ["packets", "kernel_dropped", "interface_dropped"].iter().map(|name| stats[name].as_u64().unwrap()).sum()
        };
        let all = |record: &Value| record["type"] == "stats" && counted(record) >= sent;
        let found = self.next(Instant::now() + Duration::from_secs(30), all);
        let Some((_, stats)) = found else { panic!("not all of {sent} packets are accounted for\n{}", self.seen) };
        assert_eq!(counted(&stats), sent, "{stats}");
        stats
    }

    /// What the process has of memory, in octets.
    pub(crate) fn memory(&self) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.pid())).unwrap();
        let resident = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
        resident.trim().trim_end_matches(" kB").parse::<u64>().unwrap() << 10
    }

    /// Ends it by a signal and takes all that it printed.
    pub(crate) fn end(self) -> Ended {
        self.signal("-TERM");
        self.wait()
    }

    /// Waits until it ends by itself, and takes all that it printed.
    pub(crate) fn wait(mut self) -> Ended {
        let since = Instant::now();
        let status = loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                break status;
            }
            assert!(since.elapsed() < LONGEST, "it does not end: {}\n{}", self.said, self.seen);
            std::thread::sleep(Duration::from_millis(5));
        };
        let took = since.elapsed();
        self.gate = None;
        let (mut stdout, mut stderr) = (std::mem::take(&mut self.seen), std::mem::take(&mut self.said));
        for (lines, all) in [(&self.lines, &mut stdout), (&self.errors, &mut stderr)] {
            for (_, line) in lines {
                all.push_str(&line);
                all.push('\n');
            }
        }
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

    /// Lines of standard error that it said once it listened.
    pub(crate) fn complaints(&self) -> Vec<&str> {
        self.stderr.lines().skip_while(|line| !line.contains("listening on")).skip(1).collect()
    }
}

/// Rule and check of each finding, in their order.
pub(crate) fn found(records: &[Value]) -> Vec<String> {
    let findings = records.iter().filter(|record| record["type"] == "finding");
    findings.map(|f| format!("{}/{}", f["rule"].as_str().unwrap(), f["check"].as_str().unwrap())).collect()
}
