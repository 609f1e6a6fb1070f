//! Exit codes: 0 done, 1 findings at or above `--fail-on`, 2 wrong usage or an input that could not be read; 2 wins.

use std::path::PathBuf;
use std::process::Command;

use crate::support::{self, run};

/// A capture with one finding, of severity low.
fn exposed() -> String {
    let path: PathBuf = ["testdata", "rules", "help-exposed", "answered.fires.pcap"].iter().collect();
    path.to_str().unwrap().to_owned()
}

fn code(arguments: &[&str]) -> i32 {
    run(arguments).code()
}

#[test]
fn findings_fail_only_where_that_was_asked_for() {
    let capture = exposed();
    assert_eq!(code(&["scan", &capture]), 0);
    assert_eq!(code(&["scan", "--fail-on", "low", &capture]), 1);
    assert_eq!(code(&["scan", "--fail-on", "info", &capture]), 1);
    assert_eq!(code(&["scan", "--fail-on", "medium", &capture]), 0);
}

#[test]
fn only_what_is_reported_can_fail() {
    let capture = exposed();
    for options in [["--ignore", "help-exposed"], ["--min-severity", "medium"]] {
        let arguments = [&["scan", "--fail-on", "info"][..], &options, &[&capture]].concat();
        assert_eq!(code(&arguments), 0, "{options:?}");
    }
    let elsewhere = ["scan", "--fail-on", "info", "--servers", "203.0.113.0/24", &capture];
    assert_eq!(code(&elsewhere), 2, "nothing was judged");
    assert_eq!(code(&[&elsewhere[..], &["--allow-nothing"]].concat()), 0);
    let unprinted = ["scan", "--fail-on", "low", "--format", "jsonl", "--records", "summary", &capture];
    assert_eq!(code(&unprinted), 1, "a finding counts though its record is not printed");
}

#[test]
fn a_problem_wins_over_findings_and_what_could_be_read_is_printed() {
    let capture = exposed();
    let ran = run(&["scan", "--fail-on", "low", "--format", "jsonl", &capture, "no-such-file"]);
    assert_eq!(ran.code(), 2);
    assert_eq!(support::of_type(&ran.records(), "finding").len(), 1);
    assert_eq!(ran.stderr.lines().count(), 1, "{}", ran.stderr);
    assert!(ran.stderr.contains("no-such-file"), "{}", ran.stderr);
}

#[test]
fn wrong_usage_is_2_and_says_what_there_is() {
    for (arguments, told) in [
        (&[][..], "Usage"),
        (&["scan"], "PATH"),
        (&["scan", "--select", "no-such-rule", "x"], "help-exposed"),
        (&["scan", "--ignore", "help-exposed/no-such-check", "x"], "answered"),
        (&["scan", "--fail-on", "huge", "x"], "critical"),
        (&["scan", "--max-servers", "0", "x"], "--max-servers"),
        (&["scan", "--port", "0", "x"], "--port"),
        (&["rules", "no-such-rule"], "help-exposed"),
        (&["no-such-command"], "no-such-command"),
    ] {
        let ran = run(arguments);
        assert_eq!(ran.code(), 2, "{arguments:?}");
        assert!(ran.stderr.contains(told), "{arguments:?}: {}", ran.stderr);
        assert_eq!(ran.stdout, "", "{arguments:?}");
    }
}

#[test]
fn help_version_and_the_catalogue_are_0() {
    for arguments in
        [&["--help"][..], &["--version"], &["scan", "--help"], &["config"], &["rules"], &["rules", "help-exposed"]]
    {
        let ran = run(arguments);
        assert_eq!((ran.code(), ran.stderr.as_str()), (0, ""), "{arguments:?}");
        assert!(!ran.stdout.is_empty(), "{arguments:?}");
    }
    assert!(run(&["rules", "help-exposed"]).stdout.contains("open|send HELP\\n|sleep|close|pattern_exists 220 *HELP*"));
}

#[test]
fn an_output_that_cannot_be_written_is_2() {
    let ran = run(&["scan", "--output", "/no/such/folder/report", &exposed()]);
    assert_eq!((ran.code(), ran.stderr.lines().count()), (2, 1), "{}", ran.stderr);
    assert!(ran.stderr.contains("/no/such/folder/report"), "{}", ran.stderr);
}

#[test]
fn a_capture_is_never_overwritten() {
    let folder = tempfile::tempdir().unwrap();
    let capture = folder.path().join("a.pcap");
    std::fs::copy(support::package().join(exposed()), &capture).unwrap();
    let before = std::fs::read(&capture).unwrap();
    let path = capture.to_str().unwrap();
    let ran = run(&["scan", "-o", path, path]);
    assert_eq!(ran.code(), 2);
    assert_eq!(
        ran.stderr,
        format!("mailtap: cannot write {path}: it is a capture, and mailtap does not overwrite it\n")
    );
    assert_eq!(std::fs::read(&capture).unwrap(), before);
    let report = folder.path().join("report");
    for _ in 0..2 {
        assert_eq!(code(&["scan", "-o", report.to_str().unwrap(), path]), 0, "a report may be written again");
    }
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_is_2_and_one_line_that_names_the_output() {
    for format in ["text", "jsonl"] {
        let ran = run(&["scan", "--format", format, "--output", "/dev/full", &exposed()]);
        assert_eq!((ran.code(), ran.stderr.lines().count()), (2, 1), "{}", ran.stderr);
        assert!(ran.stderr.starts_with("mailtap: cannot write /dev/full: "), "{}", ran.stderr);
    }
    for arguments in [&["scan", &exposed()][..], &["rules"], &["rules", "starttls"], &["config"]] {
        let full = std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
        let output = Command::new(env!("CARGO_BIN_EXE_mailtap"))
            .args(arguments)
            .current_dir(support::package())
            .stdout(full)
            .output()
            .unwrap();
        let told = String::from_utf8(output.stderr).unwrap();
        assert_eq!((output.status.code(), told.lines().count()), (Some(2), 1), "{arguments:?}: {told}");
        assert!(told.starts_with("mailtap: cannot write standard output: "), "{told}");
    }
}

#[cfg(unix)]
#[test]
fn a_closed_pipe_ends_quietly() {
    let ran = support::run_unread(&["scan", "--fail-on", "low", &exposed()]);
    assert_eq!((ran.code(), ran.stderr.as_str()), (0, ""));
}
