//! Recordings of real servers against what must be found in them.
//!
//! Beside each `X.pcap` below `testdata/servers` stands `X.jsonl`: what mailtap prints of it when it runs in that folder,
//! but for the `start` record, which tells the options. `scripts/expect-testdata` writes these files anew; what changes in
//! them is read before it is kept. What ordinary mail may give stands here, since a person decides it.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::support::{self, of_type, package, records, run};

/// Set by `scripts/expect-testdata`: expected records are written, not compared.
const WRITE: &str = "MAILTAP_WRITE_EXPECTED";

#[test]
fn each_recording_gives_the_records_beside_it() {
    let mut differences = Vec::new();
    for capture in recordings() {
        let expected = capture.with_extension("jsonl");
        let printed = printed(&capture);
        let kept = fs::read_to_string(&expected).unwrap_or_default();
        if printed == kept {
            continue;
        }
        if std::env::var_os(WRITE).is_some() {
            fs::write(&expected, printed).unwrap();
            println!("written: {}", below_servers(&expected));
        } else {
            differences.push(difference(&expected, &kept, &printed));
        }
    }
    assert!(
        differences.is_empty(),
        "{} differ; scripts/expect-testdata writes them anew\n{}",
        differences.len(),
        differences.join("\n")
    );
}

/// A capture that was renamed or thrown away takes its records and its transcript along.
#[test]
fn nothing_stands_beside_a_capture_that_is_gone() {
    let left: Vec<PathBuf> = support::files_ending(&folder(), &[".jsonl", ".txt"])
        .into_iter()
        .filter(|file| !file.with_extension("pcap").is_file())
        .collect();
    assert!(left.is_empty(), "{left:?}");
}

/// What the configuration of each server shows to clients that only deliver mail, or ask what any client may ask; all else
/// would be a false alarm.
///
/// Server, finding, why it is true, and the recordings that show it.
const SHOWN_TO_CLIENTS: &[(&str, &str, &str, &[&str])] = &[
    ("aiosmtpd-1.4.6", "help-exposed/advertised info", "its EHLO reply lists HELP", SAY_EHLO),
    ("aiosmtpd-1.4.6", "help-exposed/answered low", "HELP gets 250 and names its commands", ASK_FOR_HELP),
    ("exim-4.96", "help-exposed/advertised info", "its EHLO reply lists HELP", SAY_EHLO),
    ("exim-4.96", "help-exposed/answered low", "HELP gets 214 and names its commands", ASK_FOR_HELP),
    ("opensmtpd-6.8.0p2", "help-exposed/advertised info", "its EHLO reply lists HELP", SAY_EHLO),
    ("opensmtpd-6.8.0p2", "help-exposed/answered low", "HELP gets 214 and says that it is OpenSMTPD", ASK_FOR_HELP),
    ("sendmail-8.17.1.9", "help-exposed/advertised info", "its EHLO reply lists HELP", SAY_EHLO),
    ("sendmail-8.17.1.9", "help-exposed/answered low", "HELP gets 214 and names version and commands", ASK_FOR_HELP),
    (
        "postfix-3.10.13",
        "help-exposed/answered low",
        "HELP gets 214 and names its commands, though no EHLO reply lists it",
        ASK_FOR_HELP,
    ),
    ("smtp-server-3.21.6", "help-exposed/answered low", "HELP gets 214 and where to read the standard", ASK_FOR_HELP),
    ("aiosmtpd-1.4.6-tls-auth", "help-exposed/advertised info", "its EHLO reply in clear lists HELP", INSIDE_TLS),
    ("exim-4.96-tls-auth", "help-exposed/advertised info", "its EHLO reply in clear lists HELP", INSIDE_TLS),
    ("opensmtpd-6.8.0p2-tls-auth", "help-exposed/advertised info", "its EHLO reply in clear lists HELP", INSIDE_TLS),
    ("opensmtpd-7.6.0p1-tls-auth", "help-exposed/advertised info", "its EHLO reply in clear lists HELP", INSIDE_TLS),
    ("sendmail-8.17.1.9-tls-auth", "help-exposed/advertised info", "its EHLO reply in clear lists HELP", INSIDE_TLS),
];

/// s-nail says HELO where it has no reason to say more.
const SAY_EHLO: &[&str] =
    &["client-curl", "client-curl-help", "client-msmtp", "client-nodemailer", "client-smtplib", "client-swaks"];
/// curl without a recipient does so by itself; smtplib was told to.
const ASK_FOR_HELP: &[&str] = &["client-curl-help", "client-smtplib"];
const INSIDE_TLS: &[&str] = &[
    "client-curl-tls",
    "client-msmtp-tls",
    "client-nodemailer-tls",
    "client-s-nail-tls",
    "client-smtplib-tls",
    "client-swaks-tls",
];

#[test]
fn clients_are_shown_what_the_configuration_shows_and_nothing_else() {
    let clients = || recordings().into_iter().filter(|path| name(path).starts_with("client-"));
    let known: BTreeSet<String> = clients().map(|path| below_servers(&path)).collect();
    let mut expected: BTreeMap<String, Vec<&str>> = BTreeMap::new();
    for (server, finding, why, captures) in SHOWN_TO_CLIENTS {
        assert!(!why.is_empty());
        for capture in *captures {
            let capture = format!("{server}/{capture}.pcap");
            assert!(known.contains(&capture), "there is no {capture}");
            expected.entry(capture).or_default().push(finding);
        }
    }
    let mut differences = Vec::new();
    for capture in clients() {
        let records = records(&printed(&capture));
        let mut found: Vec<String> = of_type(&records, "finding")
            .into_iter()
            .filter(|finding| finding["severity"] != "info" || finding["rule"] == "help-exposed")
            .map(|finding| {
                let field = |name: &str| finding[name].as_str().unwrap().to_owned();
                format!("{}/{} {}", field("rule"), field("check"), field("severity"))
            })
            .collect();
        let mut expected = expected.remove(&below_servers(&capture)).unwrap_or_default();
        found.sort();
        expected.sort_unstable();
        if found != expected {
            differences.push(format!("{}: expected {expected:?}, found {found:?}", below_servers(&capture)));
        }
    }
    assert!(differences.is_empty(), "{}", differences.join("\n"));
}

/// Every client has sent its mail to every server as it was installed, and inside TLS where a certificate was given.
#[test]
fn every_client_has_mailed_every_server() {
    const CLIENTS: [&str; 6] = ["curl", "swaks", "smtplib", "msmtp", "s-nail", "nodemailer"];
    let mut missing = Vec::new();
    let mut folders = 0;
    for folder in server_folders() {
        let end = match folder.file_name().unwrap().to_string_lossy() {
            name if name.ends_with("-tls-auth") => "-tls",
            _ if folder.join("help-atk-early.pcap").is_file() => "",
            _ => continue, // a variation that closes HELP
        };
        folders += 1;
        let captures = CLIENTS.map(|client| folder.join(format!("client-{client}{end}.pcap")));
        missing.extend(captures.into_iter().filter(|capture| !capture.is_file()));
    }
    assert!(folders > 0 && missing.is_empty(), "{missing:?}");
}

/// What `scripts/demo` promises.
#[test]
fn the_recordings_show_all_eight_conditions_and_who_answers_help() {
    let ran = run(&["scan", "testdata/servers", "--format", "jsonl"]);
    assert_eq!(ran.code(), 0, "{}", ran.stderr);
    let records = ran.records();
    let rules: BTreeSet<&str> =
        of_type(&records, "finding").into_iter().map(|finding| finding["rule"].as_str().unwrap()).collect();
    for rule in [
        "help-exposed",
        "bad-greeting",
        "binary-in-command",
        "exchange-command",
        "non-compliant",
        "private-command",
        "recipient-without-domain",
        "starttls",
    ] {
        assert!(rules.contains(rule), "no finding of {rule}");
    }
    for (server, help) in [
        ("192.0.2.25", "exposed"), // Exim
        ("192.0.2.26", "refused"), // Postfix of Debian 12
        ("192.0.2.27", "exposed"), // Sendmail
        ("192.0.2.28", "exposed"), // OpenSMTPD
    ] {
        let found: Vec<&Value> =
            of_type(&records, "server").into_iter().filter(|record| record["ip"] == server).collect();
        assert_eq!(found.len(), 1, "{server}");
        assert_eq!(found[0]["help"], help, "{server}");
    }
}

fn folder() -> PathBuf {
    package().join("testdata/servers")
}

fn recordings() -> Vec<PathBuf> {
    support::files_ending(&folder(), &[".pcap"])
}

fn server_folders() -> BTreeSet<PathBuf> {
    recordings().iter().map(|capture| capture.parent().unwrap().to_path_buf()).collect()
}

fn name(path: &Path) -> String {
    path.file_name().unwrap().to_string_lossy().into_owned()
}

/// `exim-4.96/help.pcap`.
fn below_servers(path: &Path) -> String {
    path.strip_prefix(folder()).unwrap().to_string_lossy().into_owned()
}

/// The records of one capture, which they name without a folder: the same wherever the repository lies.
fn printed(capture: &Path) -> String {
    let options = ["--format", "jsonl", "--records", "findings,sessions,servers,summary"];
    let ran = support::run_in(capture.parent().unwrap(), &[&["scan", &name(capture)], &options[..]].concat());
    assert_eq!(ran.code(), 0, "{}: {}", capture.display(), ran.stderr);
    ran.stdout.split_inclusive('\n').filter(|line| !line.starts_with(r#"{"type":"start","#)).collect()
}

/// The first line that is not the same, from both.
fn difference(expected: &Path, kept: &str, printed: &str) -> String {
    let mut lines = kept.lines().zip(printed.lines());
    let (was, is) = lines.find(|(was, is)| was != is).unwrap_or_else(|| {
        let both = kept.lines().count().min(printed.lines().count());
        (kept.lines().nth(both).unwrap_or("(its end)"), printed.lines().nth(both).unwrap_or("(its end)"))
    });
    format!("{}\n  expected {was}\n  printed  {is}", below_servers(expected))
}
