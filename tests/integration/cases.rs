//! Many small captures, scanned in one run, each told of alone.

use std::collections::BTreeMap;
use std::fs;

use serde_json::Value;
use synth::{Dialogue, Plan};
use tempfile::TempDir;

use crate::invariance::scan;
use crate::support;
use crate::told::{Claim, Told};

/// What must be told of a capture.
type Must<'c> = Box<dyn Fn(&Told) -> Claim + 'c>;

/// Captures in a folder of their own, each with a claim of what is told of it.
pub(crate) struct Cases<'c> {
    folder: TempDir,
    claims: Vec<(String, Must<'c>)>,
}

impl<'c> Cases<'c> {
    pub(crate) fn new() -> Cases<'c> {
        Cases { folder: tempfile::tempdir().unwrap(), claims: Vec::new() }
    }

    /// A capture, what it is (with its seed, to make it again), and what must be told of it.
    pub(crate) fn put(&mut self, what: String, capture: &[u8], claim: impl Fn(&Told) -> Claim + 'c) {
        fs::write(self.folder.path().join(format!("{}.pcap", self.claims.len())), capture).unwrap();
        self.claims.push((what, Box::new(claim)));
    }

    /// A dialogue as the plan has it.
    pub(crate) fn say(&mut self, what: &str, text: &str, plan: &Plan, claim: impl Fn(&Told) -> Claim + 'c) {
        let dialogue = Dialogue::parse(&self.own_ends(text)).unwrap_or_else(|error| panic!("{what}: {error}\n{text}"));
        let what = format!(
            "{what} ({:?}, mss {}, late {:?}, retransmit {}, seed {})",
            plan.cut, plan.mss, plan.delay, plan.retransmit, plan.seed
        );
        self.put(what, &synth::render(&dialogue, plan).pcap(), claim);
    }

    /// The dialogue between two ends that no other case has, for a server is told by its address.
    fn own_ends(&self, text: &str) -> String {
        let number = self.claims.len() + 1;
        let own = format!("client=2001:db8::{number:x} server=[2001:db8:1::{number:x}]:25");
        // A later connection between the same ends says so.
        let text = text.replace("SAME", &own);
        match text.strip_prefix("[40001") {
            Some(rest) => format!("[40001 {own}{rest}"),
            None => format!("[40001 {own}]\n{text}"),
        }
    }

    /// The report for a person of all captures so far.
    pub(crate) fn text(&self) -> String {
        let ran =
            support::run(&["scan".as_ref(), "--quiet".as_ref(), "--separate".as_ref(), self.folder.path().as_os_str()]);
        assert_eq!(ran.code(), 0, "{}", ran.stderr);
        assert!(!ran.stdout.is_empty());
        ran.stdout
    }

    /// Fails with every claim that does not hold.
    pub(crate) fn hold(self) {
        let lines = scan(&["--separate"], &[self.folder.path()]);
        let mut of_capture = support::by_capture(&lines);
        let mut servers: BTreeMap<String, String> = BTreeMap::new();
        for line in lines.lines().filter(|line| line.starts_with("{\"type\":\"server\"")) {
            let server: Value = serde_json::from_str(line).unwrap();
            servers.insert(server["ip"].as_str().unwrap().to_owned(), line.to_owned());
        }
        let mut wrong = Vec::new();
        for (number, (what, claim)) in self.claims.iter().enumerate() {
            let path = self.folder.path().join(format!("{number}.pcap"));
            let mut lines = of_capture.remove(path.to_str().unwrap()).unwrap_or_default();
            lines.extend(servers.remove(&format!("2001:db8:1::{:x}", number + 1)));
            wrong.extend(claim(&Told::new(lines.join("\n"))).err().map(|error| format!("{what}: {error}")));
        }
        let count = self.claims.len();
        assert!(count > 0, "there is something to claim");
        println!("{count} captures, {} differ", wrong.len());
        assert!(wrong.is_empty(), "{} of {count} differ\n{}", wrong.len(), wrong.join("\n"));
    }
}
