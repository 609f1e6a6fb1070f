//! Dialogues against the records that the binary prints for their captures.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;
use synth::Dialogue;
use synth::compare::{self, Records};
use synth::expect::Finding;

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
pub(crate) struct Scan(Records);

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
        Scan(Records::read(String::from_utf8(output.stdout).unwrap()).unwrap())
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
        let mut findings: Vec<_> = self.0.of_type("finding").map(found).collect();
        findings.sort();
        findings
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
    compare::differences(dialogue, &scan.0)
}
