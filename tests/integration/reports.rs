//! Captures that were made after public reports of faults, each with a text that says what must come out behind `=>`:
//! every clause of it is an assertion of its own, and no other finding may come.

use std::fs;

use serde_json::Value;

use crate::support::{files_ending, shared_captures};
use crate::told::{Claim, Told, all};

/// A clause of a text, word for word, and what it claims.
type Clause = (&'static str, fn(&Told) -> Claim);

/// A capture: its name, the findings that it has, and the clauses of its text.
struct Report {
    name: &'static str,
    findings: &'static [&'static str],
    clauses: &'static [Clause],
}

const fn report(name: &'static str, findings: &'static [&'static str], clauses: &'static [Clause]) -> Report {
    Report { name, findings, clauses }
}

const ADVERTISED: &str = "help-exposed/advertised";
const ANSWERED: &str = "help-exposed/answered";
const BARE_CR: &str = "non-compliant/bare-cr";
const BARE_LF: &str = "non-compliant/bare-lf";
const CONTROL: &str = "binary-in-command/control";
const EARLY: &str = "non-compliant/early-talk";
const END_OF_DATA: &str = "non-compliant/end-of-data";
const LOCAL_PART_ONLY: &str = "recipient-without-domain/local-part-only";
const MALFORMED: &str = "non-compliant/malformed-command";
const NOT_SMTP: &str = "non-compliant/not-smtp";
const PIPELINING: &str = "non-compliant/unadvertised-pipelining";
const PRIVATE: &str = "private-command/used";
const STARTED: &str = "starttls/started";
const UNKNOWN_VERB: &str = "non-compliant/unknown-verb";
const UNSOLICITED: &str = "non-compliant/unsolicited-reply";

/// The password of all these captures: plain, as base64, and what holds it with the user's name in base64.
const SECRETS: [&str; 4] = ["geheim-pass", "Z2VoZWltLXBhc3M", "YWxpY2UAZ2VoZWltLXBhc3M", "AGFsaWNlAGdlaGVpbS1wYXNz"];

static REPORTS: &[Report] = &[
    report(
        "01c-reply-cut-in-line-pipelined",
        &[],
        &[
            ("No finding", |told| told.finds_only(&[])),
            ("MAIL and both RCPT TO have their 250", |told| {
                all([told.codes("MAIL", &[250]), told.codes("RCPT", &[250, 250])])
            }),
            ("QUIT its 221", |told| told.codes("QUIT", &[221])),
            ("the cut reply is told with its whole text", |told| told.lines("RCPT", &[&["2.1.5 Ok"], &["2.1.5 Ok"]])),
        ],
    ),
    report(
        "01e-reply-cut-data",
        &[],
        &[
            ("No finding", |told| told.finds_only(&[])),
            ("each chunk has its own 250", |told| told.lines("message", &[&["2.0.0 3000 octets"], &["queued"]])),
            ("QUIT has the 221", |told| told.codes("QUIT", &[221])),
            ("the message has code 250", |told| all([told.transactions(1), told.transaction(0, "code", 250)])),
            ("3,000 bytes", |told| told.transaction(0, "data_bytes", 3000)),
        ],
    ),
    report(
        "01g-greeting-cut-in-text",
        &[EARLY],
        &[
            ("One greeting with its whole text", |told| told.lines("-", &[&["mx.example.net ESMTP"]])),
            ("non-compliant/early-talk", |told| told.finds(EARLY)),
            ("no malformed-reply", |told| told.finds_no("malformed-reply")),
            ("EHLO has its 250", |told| told.codes("EHLO", &[250])),
            ("QUIT its 221", |told| told.codes("QUIT", &[221])),
        ],
    ),
    report(
        "14c-auth-login-password-first",
        &[],
        &[
            ("The attempt stands in the session's auth with its code", |told| {
                all([told.session_has("auth.0.mechanism", "LOGIN"), told.session_has("auth.0.code", 535)])
            }),
            ("the password stands in no record", |told| told.absent(&SECRETS)),
            ("not as the user either", |told| told.session_has("auth.0.user", "<redacted>")),
        ],
    ),
    report(
        "14m-auth-plain-two-parts",
        &[],
        &[
            ("The attempt is told", |told| {
                all([told.session_has("auth.0.mechanism", "PLAIN"), told.session_has("auth.0.code", 535)])
            }),
            ("the password stands in no record", |told| told.absent(&SECRETS)),
        ],
    ),
    report(
        "14s-auth-login-gets-plain",
        &[],
        &[
            ("The attempt is told", |told| {
                all([told.session_has("auth.0.mechanism", "LOGIN"), told.session_has("auth.0.code", 535)])
            }),
            ("the password stands in no record", |told| told.absent(&["geheim"])),
            ("neither plain nor escaped nor as base64", |told| {
                all([told.absent(&SECRETS), told.session_has("auth.0.user", "<redacted>")])
            }),
        ],
    ),
    report(
        "39-one-side-syn",
        &[],
        &[
            ("Commands", |told| told.commands(&["EHLO", "MAIL", "RCPT", "DATA", "QUIT"])),
            ("message are read", |told| all([told.transactions(1), told.transaction(0, "subject", "x")])),
            ("nothing is found", |told| told.finds_only(&[])),
            ("the server record says starttls unknown: no EHLO reply was seen", |told| {
                told.server_has("starttls", "unknown")
            }),
        ],
    ),
    report(
        "39g-ehlo-reply-lost-second-session",
        &[],
        &[
            ("The server record keeps the capabilities that were seen", |told| {
                told.server_has("capabilities", vec!["8BITMIME", "STARTTLS"])
            }),
            ("starttls offered", |told| told.server_has("starttls", "offered")),
            ("nothing found", |told| told.finds_only(&[])),
        ],
    ),
    report(
        "39i-ehlo-reply-half-lost",
        &[],
        &[
            ("The server record says starttls unknown", |told| told.server_has("starttls", "unknown")),
            ("nothing found", |told| told.finds_only(&[])),
        ],
    ),
    report(
        "43-client-lost-in-chunk",
        &[],
        &[
            ("No finding", |told| told.finds_only(&[])),
            ("no byte of the chunk is a command", |told| told.commands(&["EHLO", "MAIL", "RCPT", "BDAT"])),
            ("the transaction has data_bytes 65536", |told| told.transaction(0, "data_bytes", 65_536)),
            ("code 421", |told| told.transaction(0, "code", 421)),
        ],
    ),
    report(
        "43e-data-unfinished-small",
        &[],
        &[
            // Header and line are 52 octets on the wire.
            ("The transaction has the message's data_bytes so far", |told| told.transaction(0, "data_bytes", 52)),
            ("its subject", |told| told.transaction(0, "subject", "half")),
            ("message_id", |told| told.transaction(0, "message_id", "<1@example.org>")),
            ("code null", |told| told.transaction(0, "code", Value::Null)),
        ],
    ),
    report(
        "43g-whole-message-no-reply",
        &[],
        &[
            ("The transaction has data_bytes", |told| told.transaction(0, "data_bytes", 24)),
            ("subject", |told| told.transaction(0, "subject", "whole")),
            ("code null", |told| told.transaction(0, "code", Value::Null)),
        ],
    ),
    report(
        "43l-chunk-421-then-on",
        &[],
        &[
            ("The transaction has code 552", |told| told.transaction(0, "code", 552)),
            ("all 6,000 data_bytes", |told| told.transaction(0, "data_bytes", 6000)),
            ("the subject", |told| told.transaction(0, "subject", "big")),
            ("QUIT has its 221", |told| told.codes("QUIT", &[221])),
            ("no finding", |told| told.finds_only(&[])),
        ],
    ),
    report(
        "52c-helo-after-ehlo",
        &[],
        &[
            ("The server record has the capabilities of that EHLO reply", |told| {
                told.server_has("capabilities", vec!["8BITMIME", "DSN"])
            }),
            ("starttls not-offered", |told| told.server_has("starttls", "not-offered")),
        ],
    ),
    report(
        "55c-two-alerts-one-segment",
        &[STARTED],
        &[
            ("tls failed with alert 40", |told| {
                all([told.session_has("tls.state", "failed"), told.session_has("tls.alert", 40)])
            }),
            ("not 0", |told| told.finding_has(STARTED, "evidence.alert", 40)),
            ("Also starttls/started", |told| told.finds(STARTED)),
        ],
    ),
    report(
        "55g-warning-then-hello-two-segments",
        &[STARTED],
        &[
            ("tls started with version 1.2", |told| {
                all([told.session_has("tls.state", "started"), told.session_has("tls.version", "1.2")])
            }),
            ("not failed", |told| told.session_has("tls.alert", Value::Null)),
            ("Also starttls/started", |told| told.finds(STARTED)),
        ],
    ),
    report(
        "55i-client-refuses-certificate",
        &[STARTED],
        &[
            ("tls failed with alert 48", |told| {
                all([told.session_has("tls.state", "failed"), told.session_has("tls.alert", 48)])
            }),
            ("starttls/started says that it ended in the alert", |told| {
                all([told.finding_tells(STARTED, "ended in an alert"), told.finding_has(STARTED, "evidence.alert", 48)])
            }),
        ],
    ),
    report(
        "85-auth-at-the-end",
        &[],
        &[
            ("The session's auth lists the attempt with code null", |told| {
                all([
                    told.session_has("auth.0.mechanism", "PLAIN"),
                    told.session_has("auth.0.code", Value::Null),
                    told.session_has("auth.1", Value::Null),
                ])
            }),
            ("nothing of the password", |told| told.absent(&SECRETS)),
        ],
    ),
    report(
        "85c-rcpt-at-the-end",
        &[],
        &[("The transaction lists that recipient with code null", |told| {
            all([
                told.session_has("transactions.0.rcpt_to.0.address", "b@example.net"),
                told.session_has("transactions.0.rcpt_to.0.code", Value::Null),
            ])
        })],
    ),
    report(
        "F1-empty-first",
        &[ANSWERED, MALFORMED],
        &[
            ("The empty line is a command with its reply: no unsolicited-reply", |told| {
                all([told.commands(&["-", "HELP", "QUIT"]), told.codes("line", &[500]), told.finds_no(UNSOLICITED)])
            }),
            ("no pipelining", |told| told.finds_no(PIPELINING)),
            ("help-exposed/answered", |told| told.finds(ANSWERED)),
            ("QUIT has its 221", |told| told.codes("QUIT", &[221])),
            ("Also non-compliant/malformed-command for the empty line", |told| told.finds(MALFORMED)),
        ],
    ),
    report(
        "F1-mail-leaks",
        &[MALFORMED],
        &[
            ("The mail is a mail with code 250", |told| all([told.transactions(1), told.transaction(0, "code", 250)])),
            ("its subject", |told| told.transaction(0, "subject", "secret")),
            ("nothing of its body is a command or stands in a finding", |told| {
                all([told.commands(&["-", "EHLO", "MAIL", "RCPT", "DATA", "QUIT"]), told.no_command("secret")])
            }),
            ("no help-exposed", |told| told.finds_no("help-exposed")),
            ("no pipelining", |told| told.finds_no(PIPELINING)),
            ("no unsolicited-reply", |told| told.finds_no(UNSOLICITED)),
            ("Also non-compliant/malformed-command for the empty line", |told| told.finds(MALFORMED)),
        ],
    ),
    report(
        "F10-proxy-500",
        &[ANSWERED, UNKNOWN_VERB],
        &[
            ("The 500 is the reply to that line: no unsolicited-reply", |told| {
                all([told.codes("PROXY", &[500]), told.finds_no(UNSOLICITED)])
            }),
            ("help-exposed/answered", |told| told.finds(ANSWERED)),
            ("Also non-compliant/unknown-verb for PROXY", |told| told.finding_tells(UNKNOWN_VERB, "PROXY")),
        ],
    ),
    report(
        "F2-cr-cr",
        &[ANSWERED, BARE_CR, END_OF_DATA],
        &[
            ("Both mails have code 250", |told| {
                all([told.transactions(2), told.transaction(0, "code", 250), told.transaction(1, "code", 250)])
            }),
            ("the second one's body is no command", |told| {
                all([told.no_command("secret body"), told.absent(&["secret body"])])
            }),
            ("help-exposed/answered", |told| told.finds(ANSWERED)),
            ("no empty command behind the dot", |told| {
                told.commands(&["EHLO", "MAIL", "RCPT", "DATA", "MAIL", "RCPT", "DATA", "HELP", "QUIT"])
            }),
            ("Also non-compliant/bare-cr", |told| told.finds(BARE_CR)),
            ("non-compliant/end-of-data", |told| told.finds(END_OF_DATA)),
        ],
    ),
    report(
        "F3-ssh-first",
        &[ANSWERED, LOCAL_PART_ONLY, NOT_SMTP],
        &[
            ("The rules judge what follows: help-exposed/answered", |told| told.finds(ANSWERED)),
            ("recipient-without-domain/local-part-only", |told| told.finds(LOCAL_PART_ONLY)),
            ("Also non-compliant/not-smtp for the first line", |told| told.finding_tells(NOT_SMTP, "SSH")),
        ],
    ),
    report(
        "F4-helo-bdat-postfix",
        &[ANSWERED],
        &[
            ("A transaction of 6 data_bytes with code 250", |told| {
                all([told.transactions(1), told.transaction(0, "data_bytes", 6), told.transaction(0, "code", 250)])
            }),
            ("the chunk's text is no command", |told| told.commands(&["HELO", "MAIL", "RCPT", "BDAT", "HELP", "QUIT"])),
            ("help-exposed/answered", |told| told.finds(ANSWERED)),
            ("no pipelining", |told| told.finds_no(PIPELINING)),
        ],
    ),
    report(
        "F4-mod32-exim",
        &[ANSWERED],
        &[
            ("The transaction has code 250", |told| told.transaction(0, "code", 250)),
            ("HELP has its 214 (help-exposed/answered)", |told| {
                all([told.codes("HELP", &[214]), told.finds(ANSWERED)])
            }),
            ("QUIT its 221", |told| told.codes("QUIT", &[221])),
            ("nothing is unsolicited", |told| all([told.finds_no(UNSOLICITED), told.codes("unsolicited", &[])])),
        ],
    ),
    report("F7-no-verb", &[UNKNOWN_VERB], &[("non-compliant/unknown-verb", |told| told.finds(UNKNOWN_VERB))]),
    report(
        "F8-early-unknown",
        &[EARLY, UNKNOWN_VERB],
        &[
            ("non-compliant/early-talk", |told| told.finds(EARLY)),
            ("non-compliant/unknown-verb", |told| told.finding_tells(UNKNOWN_VERB, "FOO")),
        ],
    ),
    report(
        "F9-silent-server",
        &[EARLY, PIPELINING],
        &[
            ("non-compliant/early-talk", |told| told.finds(EARLY)),
            ("non-compliant/unadvertised-pipelining", |told| told.finds(PIPELINING)),
        ],
    ),
    report(
        "H1-bdat-tab",
        &[],
        &[("No finding: LAST is read alike whatever blank stands before it", |told| {
            all([
                told.finds_only(&[]),
                told.transactions(2),
                told.transaction(0, "data_bytes", 5),
                told.transaction(1, "data_bytes", 5),
                told.codes("message", &[250, 250]),
            ])
        })],
    ),
    report(
        "N-smuggle-outer-refused",
        &[BARE_LF, END_OF_DATA, PIPELINING],
        &[
            ("end-of-data", |told| told.finds(END_OF_DATA)),
            ("the smuggled mail is a transaction with its 250", |told| {
                all([
                    told.transactions(2),
                    told.transaction(0, "code", 550),
                    told.transaction(1, "mail_from", "admin@example.net"),
                    told.transaction(1, "subject", "smuggled"),
                    told.transaction(1, "code", 250),
                ])
            }),
            ("Also non-compliant/bare-lf", |told| told.finds(BARE_LF)),
            ("non-compliant/unadvertised-pipelining (text behind the smuggled DATA)", |told| told.finds(PIPELINING)),
        ],
    ),
    report(
        "N-starttls-fin-554",
        &[ADVERTISED, STARTED],
        &[
            ("Nothing is injected: no starttls/injected", |told| told.finds_no("injected")),
            ("the session's tls is not decrypted", |told| told.session_has("tls.state", "started")),
            ("Also starttls/started", |told| told.finds(STARTED)),
            ("help-exposed/advertised", |told| told.finds(ADVERTISED)),
        ],
    ),
    report(
        "N-tls-failed-then-clear",
        &[ADVERTISED, ANSWERED, PRIVATE, STARTED],
        &[
            ("All of that is read: help-exposed/answered", |told| {
                all([told.finds(ANSWERED), told.codes("HELP", &[214]), told.session_has("tls.state", "failed")])
            }),
            ("private-command/used", |told| told.finding_tells(PRIVATE, "XSECRET")),
            ("a transaction", |told| {
                all([told.transactions(1), told.transaction(0, "subject", "evaded"), told.transaction(0, "code", 250)])
            }),
            ("Also starttls/started", |told| told.finds(STARTED)),
            ("help-exposed/advertised", |told| told.finds(ADVERTISED)),
        ],
    ),
    report(
        "N-unterminated-line-answered",
        &[CONTROL, PRIVATE, UNKNOWN_VERB],
        &[
            ("No unsolicited-reply", |told| told.finds_no(UNSOLICITED)),
            ("every later reply stands at its own command", |told| {
                told.replies(&[("-", 220), ("line", 500), ("EHLO", 250), ("HELP", 500), ("XFOO", 500), ("QUIT", 221)])
            }),
            ("Also binary-in-command/control", |told| told.finds(CONTROL)),
            ("non-compliant/unknown-verb", |told| told.finds(UNKNOWN_VERB)),
            ("private-command/used", |told| told.finding_tells(PRIVATE, "XFOO")),
        ],
    ),
];

/// The clauses of a text behind `=>`: what stands between its full stops, semicolons, commas and `and`s, word for word.
fn clauses(text: &str) -> Vec<String> {
    let expected = text.split_once("=>").unwrap_or_else(|| panic!("no => in {text:?}")).1;
    let sentences = expected.trim().trim_end_matches('.').split(['.', ';']);
    // A full stop or comma inside of a number ends nothing.
    let mut parts: Vec<String> = Vec::new();
    let mut open = false;
    for part in sentences {
        let joined = open && part.starts_with(|first: char| first.is_ascii_digit());
        match parts.last_mut() {
            Some(last) if joined => *last = format!("{last}.{part}"),
            _ => parts.push(part.to_owned()),
        }
        open = part.ends_with(|last: char| last.is_ascii_digit());
    }
    let commas = parts.iter().flat_map(|part| part.split(", "));
    let parts = commas.flat_map(|part| part.split(" and "));
    let mut clauses: Vec<String> = Vec::new();
    for part in parts {
        let part = part.trim().trim_start_matches("and ");
        match clauses.last_mut() {
            // `MAIL and both RCPT TO have ...` is one claim.
            Some(last) if last == "MAIL" => *last = format!("{last} and {part}"),
            _ => clauses.push(part.to_owned()),
        }
    }
    clauses
}

#[test]
fn every_clause_of_a_report_holds_and_no_other_finding_comes() {
    let Some(folder) = shared_captures().map(|folder| folder.join("reports")) else { return };
    if !folder.is_dir() {
        println!("skipped: {} is missing", folder.display());
        return;
    }
    let mut wrong = Vec::new();
    let (mut captures, mut checked) = (0, 0);
    for path in files_ending(&folder, &[".txt"]).into_iter().filter(|path| path.parent() == Some(&folder)) {
        let name = path.file_stem().unwrap().to_string_lossy().into_owned();
        let text = fs::read_to_string(&path).unwrap();
        let port: &[&str] = if text.starts_with("Scan with --port 587.") { &["--port", "587"] } else { &[] };
        let told = Told::of(port, &path.with_extension("pcap"));
        let report = REPORTS.iter().find(|report| report.name == name);
        let (findings, known) = report.map_or((&[][..], &[][..]), |report| (report.findings, report.clauses));
        captures += 1;
        let text = clauses(&text);
        let unknown = known.iter().filter(|(known, _)| !text.iter().any(|clause| clause == known));
        wrong.extend(unknown.map(|(known, _)| format!("{name}: `{known}` is no clause of its text")));
        for clause in text {
            checked += 1;
            let claim = known.iter().find(|(known, _)| *known == clause).map(|(_, claim)| claim);
            let claim = claim.map_or_else(|| Err("nobody knows what this claims".to_owned()), |claim| claim(&told));
            wrong.extend(claim.err().map(|error| format!("{name}: `{clause}`: {error}")));
        }
        wrong.extend(told.finds_only(findings).err().map(|error| format!("{name}: {error}")));
    }
    println!("{captures} captures, {checked} clauses");
    let gone = REPORTS.iter().filter(|report| !folder.join(format!("{}.txt", report.name)).exists());
    wrong.extend(gone.map(|report| format!("{}: there is no such capture", report.name)));
    assert!(
        wrong.is_empty(),
        "{captures} captures, {checked} clauses: {} do not hold\n{}",
        wrong.len(),
        wrong.join("\n")
    );
}
