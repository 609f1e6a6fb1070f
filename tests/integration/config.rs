//! The configuration file: what it says acts, the command line wins over it, what is wrong in it is told with its line,
//! and what `mailtap config` prints is such a file.

use std::fs;

use serde_json::Value;

use crate::support::{self, Ran, of_type, run};

/// HELP is answered (low) by a server at 198.51.100.25.
const HELP: &str = "testdata/rules/help-exposed/answered.fires.pcap";
/// An attack on XEXCH50 (high), from 192.0.2.10 on 198.51.100.25.
const ATTACK: &str = "testdata/rules/exchange-command/xexch50-negative.fires.pcap";

/// A file of this text, in a folder that goes with it.
struct File {
    folder: tempfile::TempDir,
}

impl File {
    fn of(text: &str) -> File {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("mailtap.toml"), text).unwrap();
        File { folder }
    }

    fn path(&self) -> String {
        self.folder.path().join("mailtap.toml").to_str().unwrap().to_owned()
    }

    /// Scans with it.
    fn scan(&self, arguments: &[&str]) -> Ran {
        run(&[&["scan", "--format", "jsonl", "--config", &self.path()], arguments].concat())
    }

    /// What a scan with it finds, as `rule/check severity`.
    fn findings(&self, arguments: &[&str]) -> Vec<String> {
        let ran = self.scan(&[&["--quiet"], arguments].concat());
        assert_eq!((ran.code(), ran.stderr.as_str()), (0, ""), "{arguments:?}");
        let text = |record: &Value, name: &str| record[name].as_str().unwrap().to_owned();
        let line =
            |found: &&Value| format!("{}/{} {}", text(found, "rule"), text(found, "check"), text(found, "severity"));
        of_type(&ran.records(), "finding").iter().map(line).collect()
    }

    /// The options of the first record.
    fn options(&self, arguments: &[&str]) -> Value {
        self.scan(arguments).records()[0]["options"].clone()
    }
}

fn findings(text: &str, arguments: &[&str]) -> Vec<String> {
    File::of(text).findings(arguments)
}

#[test]
fn what_is_selected_ignored_or_too_mild_is_as_the_file_says() {
    let found = ["help-exposed/answered low"];
    assert_eq!(findings("", &[HELP]), found);
    assert_eq!(findings("select = ['help-exposed']", &[HELP]), found);
    for text in [
        "select = ['starttls']",
        "ignore = ['help-exposed']",
        "ignore = ['help-exposed/answered']",
        "min_severity = 'medium'",
        "servers = ['203.0.113.0/24']",
        "port = [587]",
        "records = ['servers', 'summary']",
    ] {
        assert_eq!(findings(text, &[HELP]), [""; 0], "{text}");
    }
}

#[test]
fn the_command_line_wins_over_the_file() {
    let found = ["help-exposed/answered low"];
    for (text, option) in [
        ("select = ['starttls']", ["--select", "help-exposed"]),
        ("ignore = ['help-exposed']", ["--ignore", "starttls"]),
        ("min_severity = 'high'", ["--min-severity", "low"]),
        ("servers = ['203.0.113.0/24']", ["--servers", "198.51.100.25"]),
        ("client = ['203.0.113.0/24']", ["--client", "192.0.2.0/24"]),
        ("match = '^VRFY'", ["--match", "^HELP"]),
        ("until = 2000-01-01", ["--until", "2100-01-01"]),
        ("port = [587]", ["--port", "25"]),
        ("records = ['summary']", ["--records", "findings"]),
    ] {
        assert_eq!(findings(text, &[&option[..], &[HELP]].concat()), found, "{text} {option:?}");
    }
    let file = File::of(
        "separate = true\nhash = true\nidle_timeout = 7\nhalf_open_timeout = 7\n[limits]\nservers = 7\nrecipients = 8",
    );
    let options = file.options(&["--separate=false", "--idle-timeout", "9", "--max-servers", "9", HELP]);
    assert_eq!((&options["separate"], &options["hash"]), (&false.into(), &true.into()));
    assert_eq!((&options["idle_timeout"], &options["half_open_timeout"]), (&9.into(), &7.into()));
    assert_eq!((&options["limits"]["servers"], &options["limits"]["recipients"]), (&9.into(), &8.into()));
    let file = File::of("server_name = { '192.0.2.1' = 'a', '192.0.2.0/24' = 'b' }");
    let options = file.options(&["--server-name", "192.0.2.1=c,192.0.2.2=d", HELP]);
    let names = r#"{"192.0.2.0/24":"b","192.0.2.1/32":"c","192.0.2.2/32":"d"}"#;
    assert_eq!(options["server_name"].to_string(), names, "row by row");
}

#[test]
fn a_severity_of_the_file_is_the_findings_own() {
    let high = File::of("[severity]\nhelp-exposed = 'info'\n'help-exposed/answered' = 'high'");
    assert_eq!(high.findings(&[HELP]), ["help-exposed/answered high"]);
    assert_eq!(high.scan(&["--fail-on", "high", HELP]).code(), 1);
    assert_eq!(high.findings(&["--min-severity", "high", HELP]), ["help-exposed/answered high"]);
    let info = File::of("[severity]\nhelp-exposed = 'info'\n'help-exposed/pattern' = 'high'");
    assert_eq!(info.findings(&[HELP]), ["help-exposed/answered info"]);
    assert_eq!(info.scan(&["--fail-on", "low", HELP]).code(), 0);
    let summary = info.scan(&[HELP]).records().pop().unwrap();
    assert_eq!(summary["findings"].to_string(), r#"{"help-exposed":{"info":1}}"#);
}

#[test]
fn exchange_servers_may_say_what_is_theirs_to_each_other() {
    let select = ["--select", "exchange-command", ATTACK];
    let strangers = ["exchange-command/xexch50 high"];
    assert_eq!(findings("", &select), strangers);
    assert_eq!(findings("exchange_peers = ['198.51.100.25']", &select), strangers, "one of them alone");
    let peers = "exchange_peers = ['198.51.100.25', '192.0.2.0/24']";
    assert_eq!(findings(peers, &select), ["exchange-command/xexch50 info"]);
    let set = format!("{peers}\n[severity]\nexchange-command = 'low'");
    assert_eq!(findings(&set, &select), ["exchange-command/xexch50 low"], "what is set wins");
}

#[test]
fn a_limit_of_the_file_acts() {
    let talk = "testdata/servers/exim-4.96/help.pcap";
    let file = File::of("[limits]\nreply_lines = 1");
    let summary = file.scan(&[talk]).records().pop().unwrap();
    assert!(summary["limits_hit"].to_string().contains("reply_lines"), "{}", summary["limits_hit"]);
    let summary = file.scan(&["--max-reply-lines", "256", talk]).records().pop().unwrap();
    assert!(!summary["limits_hit"].to_string().contains("reply_lines"), "{}", summary["limits_hit"]);
}

#[test]
fn the_start_record_has_what_the_file_changed() {
    let options = File::of(ALL).options(&[HELP]);
    for (name, value) in [
        ("min_severity", r#""low""#),
        ("select", r#"["help-exposed","starttls/masked"]"#),
        ("ignore", r#"["help-exposed/pattern"]"#),
        ("servers", r#"["198.51.100.0/24","2001:db8::25/128"]"#),
        ("server_name", r#"{"192.0.2.0/24":"mx-c","198.51.100.25/32":"mx-a","[2001:db8::25]:587":"mx-b"}"#),
        ("exchange_peers", r#"["192.0.2.25/32"]"#),
        ("severity", r#"{"help-exposed":"medium","help-exposed/answered":"critical"}"#),
        ("client", r#"["192.0.2.10/32","2001:db8::/32"]"#),
        ("session", r#"["abcd1234"]"#),
        ("since", r#""2026-11-24T00:00:00.000000000Z""#),
        ("until", r#""2026-11-24T14:45:59.999999999Z""#),
        ("match", r#""^(?i)help\\b""#),
        ("records", r#"["findings","events"]"#),
        ("port", "[587,25]"),
        ("separate", "true"),
        ("hash", "true"),
        ("half_open_timeout", "1"),
        ("idle_timeout", "2"),
        ("closed_timeout", "3"),
        ("fragment_timeout", "4"),
        ("show_secrets", "false"),
    ] {
        assert_eq!(options[name].to_string(), value, "{name}");
    }
    assert_eq!(options["limits"]["half_open"], 5);
}

/// Every key, with another value than its default.
const ALL: &str = "\
min_severity = 'low'
select = ['help-exposed', 'starttls/masked']
ignore = ['help-exposed/pattern']
servers = ['198.51.100.0/24', '2001:db8::25']
server_name = { '198.51.100.25' = 'mx-a', '[2001:db8::25]:587' = 'mx-b', '192.0.2.7/24' = 'mx-c' }
exchange_peers = ['192.0.2.25']
client = ['192.0.2.10', '2001:db8::/32']
session = ['ABCD1234']
since = 2026-11-24
until = '2026-11-24T14:45'
match = '^(?i)help\\b'
records = ['findings', 'events']
port = [587, 25]
separate = true
hash = true
half_open_timeout = 1
idle_timeout = 2
closed_timeout = 3
fragment_timeout = 4
[severity]
'help-exposed/answered' = 'critical'
help-exposed = 'medium'
[limits]
half_open = 5
";

#[test]
fn what_config_prints_is_a_configuration_that_means_the_same() {
    for (text, flags) in [
        ("", &[][..]),
        (ALL, &[]),
        (
            ALL,
            &[
                "--server-name",
                "192.0.2.0/24=mx-d,203.0.113.0/24=mx-e",
                "--port",
                "2525",
                "--separate=false",
                "--ignore",
                "bad-greeting,starttls/injected",
                "--hash",
            ],
        ),
        ("", &["--max-connections", "9223372036854775807", "--idle-timeout", "4294967295"]),
    ] {
        let file = File::of(text);
        let effective = run(&[&["config", "--config", &file.path()], flags].concat());
        assert_eq!((effective.code(), effective.stderr.as_str()), (0, ""));
        let saved = File::of(&effective.stdout);
        let again = run(&["config", "--config", &saved.path()]);
        assert_eq!(again.stdout, effective.stdout, "{text}\n{flags:?}");
        assert_eq!(saved.options(&[HELP]), file.options(&[flags, &[HELP]].concat()), "{text}\n{flags:?}");
    }
}

#[test]
fn config_alone_prints_the_defaults() {
    let defaults = run(&["config"]).stdout;
    assert_eq!(run(&["config", "--config", &File::of("").path()]).stdout, defaults);
    assert_eq!(run(&["config", "--config", &File::of(&defaults).path()]).stdout, defaults);
    let merged = run(&["config", "--config", &File::of(ALL).path()]).stdout;
    for line in ["port = [587, 25]", "\"help-exposed/answered\" = \"critical\"", "half_open = 5", "servers = 65536"] {
        assert!(merged.lines().any(|merged| merged == line), "{line}: {merged}");
    }
}

#[test]
fn what_is_wrong_in_the_file_is_one_line_with_file_line_and_cause() {
    for (text, line, told) in [
        ("port = [25]\n\nprots = [25]", 3, "unknown key `prots`, expected one of `min_severity`, `select`"),
        ("[limits]\nservers = 1\nserver = 1", 3, "no limit 'server'; the limits are: connections"),
        ("select = 'starttls'", 1, "invalid type: string \"starttls\", expected a sequence"),
        ("\nport = ['smtp']", 2, "invalid type: string \"smtp\", expected a whole number from 1 to 65535"),
        ("select = [\n'helo']", 2, "no rule 'helo'; the rules are: help-exposed"),
        ("[severity]\n'starttls/x' = 'low'", 2, "rule 'starttls' has no check 'x'; its checks are: started"),
        ("exchange_peers = ['192.0.2.0/33']", 1, "'192.0.2.0/33': expected a network such as"),
        (
            "[server_name]\n'192.0.2.1' = 'a'\n'192.0.2' = 'b'",
            3,
            "'192.0.2': expected a network, an address or ADDRESS:PORT",
        ),
        ("[server_name]\n'192.0.2.1' = 'mx a'", 2, "'mx a' is not a name for a server: use 1 to 64 printable"),
        ("since = 'yesterday'", 1, "'yesterday': expected a date or a date and time, such as 2026-11-24"),
        ("match = '('", 1, "not a regular expression: unclosed group"),
        ("separate = true\nport = [25", 2, "unclosed array, expected `]`"),
        ("separate = true\nseparate = true", 2, "duplicate key `separate`"),
    ] {
        let file = File::of(text);
        let report = file.folder.path().join("report");
        let scan = ["scan", "--output", report.to_str().unwrap(), "--config", &file.path(), HELP].map(str::to_owned);
        for arguments in [&scan[..], &["config".to_owned(), "--config".to_owned(), file.path()]] {
            let ran = run(arguments);
            assert_eq!((ran.code(), ran.stdout.as_str(), ran.stderr.lines().count()), (2, "", 1), "{}", ran.stderr);
            let start = format!("mailtap: {}:{line}: {told}", file.path());
            assert!(ran.stderr.starts_with(&start), "{text:?}: {}", ran.stderr);
        }
        assert!(!report.exists(), "nothing is written where the configuration is wrong");
    }
}

#[test]
fn a_file_that_cannot_be_read_is_told_by_name() {
    for path in ["no-such.toml", "testdata"] {
        let ran = run(&["scan", "--config", path, HELP]);
        assert_eq!((ran.code(), ran.stderr.lines().count()), (2, 1), "{}", ran.stderr);
        assert!(ran.stderr.starts_with(&format!("mailtap: cannot read the configuration {path}: ")), "{}", ran.stderr);
    }
}

#[test]
fn no_file_is_read_that_was_not_named() {
    let file = File::of("ignore = ['help-exposed']");
    let output = std::process::Command::new(env!("CARGO_BIN_EXE_mailtap"))
        .args(["scan", "--format", "jsonl", support::package().join(HELP).to_str().unwrap()])
        .current_dir(file.folder.path())
        .env("HOME", file.folder.path())
        .env("XDG_CONFIG_HOME", file.folder.path())
        .output()
        .unwrap();
    assert!(String::from_utf8(output.stdout).unwrap().contains("help-exposed/answered"));
}
