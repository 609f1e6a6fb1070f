//! What somebody types who has not read the help, and who knows tshark, tcpdump, Suricata, Zeek, ripgrep or trivy: it ends
//! in what was meant, or in exit code 2 with one line that says how to say it.

use std::process::Command;

use crate::support::{self, Ran, run};

/// A finding of severity low: HELP is answered at 198.51.100.25, on 2026-05-05.
const X: &str = "testdata/rules/help-exposed/answered.fires.pcap";

/// What must come of a line.
enum Comes {
    /// What these arguments give, on standard output, with the same exit code.
    Of(&'static str),
    /// Exit code 2, and one line on standard error that contains this.
    Line(&'static str),
}
use Comes::{Line, Of};

/// `X` stands for the capture.
const LINES: &[(&str, Comes)] = &[
    // A file is scanned.
    ("X", Of("scan X")),
    ("X --json", Of("scan --format jsonl X")),
    ("-r X", Of("scan X")),
    ("-r X --json", Of("scan --format jsonl X")),
    ("-q X", Of("scan -q X")),
    ("scan -r X", Of("scan X")),
    ("scan --pcap X", Of("scan X")),
    ("scan --input X -q", Of("scan -q X")),
    ("read X", Of("scan X")),
    ("check X", Of("scan X")),
    ("analyze X", Of("scan X")),
    ("scan -n X", Of("scan X")),
    ("scan --recursive X", Of("scan X")),
    ("no-such-file.pcap", Line("no-such-file.pcap")),
    ("./missing", Line("./missing")),
    ("scan", Line("mailtap scan PATH...")),
    // Commands.
    ("help", Of("--help")),
    ("-h", Of("--help")),
    ("help scan", Of("scan --help")),
    ("scan -h", Of("scan --help")),
    ("version", Of("--version")),
    ("-V", Of("--version")),
    ("scan --version", Of("--version")),
    ("scna X", Line("'scan'")),
    ("wacth eth0", Line("'watch'")),
    ("list", Line("mailtap rules")),
    ("diff a.pcap b.pcap", Line("--json")),
    ("convert X", Line("scan --format jsonl")),
    ("in\u{1b}out", Line("in\\u{1b}out")),
    ("frobnicate", Line("scan, watch, interfaces, show, config, rules")),
    // Rules.
    ("--list-rules", Of("rules")),
    ("scan --list-rules", Of("rules")),
    ("list-rules", Of("rules")),
    ("explain help-exposed", Of("rules help-exposed")),
    ("rules HELP-EXPOSED", Of("rules help-exposed")),
    ("rules --json", Of("rules --format json")),
    ("rules help-exposed -f JSON", Of("rules help-exposed --format json")),
    ("rules --markdown", Of("rules --format markdown")),
    ("rules help", Line("help-exposed")),
    ("rules help-exposed/answer", Line("answered")),
    // Which findings.
    ("scan --rule help-exposed X", Of("scan --select help-exposed X")),
    ("scan --rules=help-exposed,starttls X", Of("scan --select help-exposed,starttls X")),
    ("scan --severity HIGH X", Of("scan --min-severity high X")),
    ("scan --min-level low X", Of("scan --min-severity low X")),
    ("scan --severity HIGH,CRITICAL X", Line("info, low, medium, high or critical")),
    ("scan --min-severity warning X", Line("info, low, medium, high or critical")),
    ("scan --fail-on Low X", Of("scan --fail-on low X")),
    ("scan --fail-on error X", Line("info, low, medium, high or critical")),
    ("scan --exit-code 1 X", Line("--fail-on SEVERITY")),
    ("scan --exclude help-exposed X", Line("--ignore RULE")),
    ("scan --include *.pcap X", Line("--select RULE")),
    ("scan --select help X", Line("help-exposed")),
    // Whose, and when.
    ("scan --server 198.51.100.25 X", Of("scan --servers 198.51.100.25 X")),
    ("scan --dst 198.51.100.25 X", Of("scan --servers 198.51.100.25 X")),
    ("scan --src 192.0.2.0/24 X", Of("scan --client 192.0.2.0/24 X")),
    ("scan --host 192.0.2.10 X", Line("--servers NET or --client NET")),
    ("scan --start 2026-01-01 --end 2026-12-31 X", Of("scan --since 2026-01-01 --until 2026-12-31 X")),
    ("scan --from 2026-01-01 X", Line("--since TIME")),
    ("scan --to bob@example.org X", Line("--match 'RCPT TO:")),
    ("scan --sicne 2026-01-01 X", Line("--since")),
    ("scan --since 10:00 X", Line("2026-11-24T14:45:03")),
    ("scan -e ^HELP X", Of("scan --match ^HELP X")),
    ("scan --grep ^VRFY X", Of("scan --match ^VRFY X")),
    ("scan --filter smtp X", Line("--match")),
    ("scan -Y smtp.req.command X", Line("--match")),
    // Ports.
    ("scan --ports 25,587 X", Of("scan --port 25,587 X")),
    ("scan -p 25 X", Of("scan --port 25 X")),
    ("scan --port smtp,submission X", Of("scan --port 25,587 X")),
    ("scan --port all X", Line("--port 25,587")),
    ("scan --port 1-1024 X", Line("--port 25,587")),
    ("scan --port imap X", Line("1 to 65535")),
    // Output.
    ("scan -f json X", Of("scan --format jsonl X")),
    ("scan --output-format JSON X", Of("scan --format jsonl X")),
    ("scan -T json X", Of("scan --format jsonl X")),
    ("scan --format xml X", Line("jsonl")),
    ("scan --no-color X", Of("scan --color never X")),
    ("scan --colour off X", Of("scan --color never X")),
    ("scan --records all --json X", Line("findings, sessions, servers, events or summary")),
    ("scan --events X", Line("--records events")),
    ("scan -o", Line("--output needs a value")),
    ("scan --quiet=yes X", Line("--quiet")),
    // How it runs.
    ("scan -j 2 X", Of("scan --threads 2 X")),
    ("scan -j two X", Line("--threads: expected a number")),
    ("scan --threads 0 X", Line("from 1")),
    ("scan -c mailtap.yaml X", Line("--config FILE")),
    ("scan -i eth0", Line("mailtap watch -i IFACE")),
    ("scan --rotate 1h X", Line("mailtap watch")),
    ("scan --max-servers 0 X", Line("--max-servers")),
    ("scan --xyzzy X", Line("mailtap scan --help")),
];

fn typed(line: &str) -> Ran {
    let words: Vec<&str> = line.split_whitespace().map(|word| if word == "X" { X } else { word }).collect();
    run(&words)
}

#[test]
fn each_line_ends_in_what_was_meant_or_in_one_line_that_says_how_to_say_it() {
    assert!(LINES.len() >= 75, "{}", LINES.len());
    let mut wrong = Vec::new();
    for (line, comes) in LINES {
        let ran = typed(line);
        let fits = match comes {
            Of(meant) => {
                let meant = typed(meant);
                (ran.stdout == meant.stdout && ran.code() == meant.code() && ran.stderr == meant.stderr)
                    && !ran.stdout.is_empty()
            }
            Line(told) => {
                let one = ran.stderr.lines().count() == 1 && ran.stderr.starts_with("mailtap: ");
                // Of a file that is missing there is a report: it says that nothing was read.
                let quiet = ran.stdout.is_empty() || ran.stderr.contains("cannot be read");
                ran.code() == 2 && one && quiet && ran.stderr.contains(told)
            }
        };
        if !fits {
            wrong.push(format!(
                "mailtap {line}: {}: {}{}",
                ran.code(),
                ran.stderr,
                ran.stdout.lines().next().unwrap_or("")
            ));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn standard_input_is_scanned_without_a_command() {
    let whole = Command::new(env!("CARGO_BIN_EXE_mailtap"))
        .args(["-", "--json", "-q"])
        .stdin(std::fs::File::open(support::package().join(X)).unwrap())
        .output()
        .unwrap();
    assert!(String::from_utf8(whole.stdout).unwrap().contains("\"check\":\"answered\""));
}

#[cfg(unix)]
#[test]
fn arguments_that_are_no_text_are_told_in_one_line() {
    use std::ffi::OsString;
    use std::os::unix::ffi::OsStringExt;
    let word = |bytes: &[u8]| OsString::from_vec(bytes.to_vec());
    for arguments in [
        vec![word(b"\xff")],
        vec![word(b"--\xff")],
        vec![word(b"scan"), word(b"--select=\xff"), word(b"x")],
        vec![word(b"scan"), word(b"--match"), word(b"\xff"), word(b"x")],
        vec![word(b"rules"), word(b"\xff\xfe")],
        vec![word(b"watch"), word(b"\xff")],
        vec![word(b"-i\xff")],
    ] {
        let ran = run(&arguments);
        assert_eq!(
            (ran.code(), ran.stdout.as_str(), ran.stderr.lines().count()),
            (2, "", 1),
            "{arguments:?}: {}",
            ran.stderr
        );
        assert!(ran.stderr.starts_with("mailtap: ") && !ran.stderr.contains("internal"), "{}", ran.stderr);
    }
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(word(b"\xff.pcap"));
    std::fs::copy(support::package().join(X), &path).unwrap();
    assert_eq!(run(&[path.as_os_str()]).code(), 0, "a file may be named so");
}

#[test]
fn what_is_watched_is_named_as_other_programs_want_it() {
    for (line, told) in [
        ("watch no-such-if0", "no-such-if0"),
        ("-i no-such-if0", "no-such-if0"),
        ("sniff no-such-if0", "no-such-if0"),
        ("watch", "mailtap interfaces"),
        ("watch X", "mailtap scan"),
        ("watch -r X", "mailtap scan FILE"),
        ("watch lo -c 10", "--packets N"),
        ("watch lo --filter tcp", "--bpf FILTER"),
        ("watch lo --hlep", "--help"),
        ("watch lo lo", "named twice"),
    ] {
        let ran = typed(line);
        assert_eq!((ran.code(), ran.stdout.as_str()), (2, ""), "{line}");
        assert_eq!(ran.stderr.lines().count(), 1, "{line}: {}", ran.stderr);
        assert!(ran.stderr.contains(told), "{line}: {}", ran.stderr);
    }
}
