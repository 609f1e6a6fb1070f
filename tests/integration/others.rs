//! What the captures that others recorded hold above `info`: each finding was held against the bytes by a person, and
//! no other may come.

use std::collections::BTreeMap;

use crate::support::{of_type, run, shared_captures};

/// A finding above `info`: its capture, the first of its frames, rule and check, severity, and what the bytes show.
struct Found {
    capture: &'static str,
    frame: u64,
    check: &'static str,
    severity: &'static str,
    #[expect(dead_code, reason = "for the reader")]
    shows: &'static str,
}

const fn found(
    capture: &'static str,
    frame: u64,
    check: &'static str,
    severity: &'static str,
    shows: &'static str,
) -> Found {
    Found { capture, frame, check, severity, shows }
}

/// In the order of captures, then of frames. A check is told once per session and verb.
static FOUND: &[Found] = &[
    found("arkime-originating.pcap", 6, "help-exposed/advertised", "info", "HELP stands in the EHLO reply"),
    found("arkime-zip.pcap", 6, "help-exposed/advertised", "info", "HELP stands in the EHLO reply"),
    found("suricata-bug-3616.pcap", 7, "help-exposed/advertised", "info", "HELP stands in the EHLO reply"),
    found("suricata-data-rejected.pcap", 5, "help-exposed/advertised", "info", "HELP stands in the EHLO reply"),
    found(
        "suricata-errors.pcap",
        4,
        "binary-in-command/control",
        "medium",
        "noise of 1,024 octets sent as if it were SMTP",
    ),
    found(
        "suricata-errors.pcap",
        4,
        "binary-in-command/control",
        "medium",
        "noise of 1,024 octets sent as if it were SMTP",
    ),
    found("suricata-errors.pcap", 4, "binary-in-command/eight-bit", "medium", "the same noise"),
    found("suricata-errors.pcap", 4, "binary-in-command/eight-bit", "medium", "the same noise"),
    found("suricata-errors.pcap", 4, "binary-in-command/nul", "high", "the same noise"),
    found(
        "suricata-errors.pcap",
        4,
        "non-compliant/bare-lf",
        "low",
        "the noise holds lone line feeds, at which the server (Sendmail) ends its commands",
    ),
    found(
        "suricata-errors.pcap",
        4,
        "non-compliant/command-too-long",
        "medium",
        "one of the noise's lines has 576 octets",
    ),
    found(
        "suricata-errors.pcap",
        4,
        "non-compliant/early-talk",
        "low",
        "the noise acknowledges nothing of the greeting",
    ),
    found(
        "suricata-errors.pcap",
        4,
        "non-compliant/unadvertised-pipelining",
        "low",
        "several lines in one segment, without EHLO",
    ),
    found(
        "suricata-errors.pcap",
        6,
        "non-compliant/bare-cr",
        "low",
        "the server echoes the noise, carriage returns too",
    ),
    found("suricata-errors.pcap", 6, "non-compliant/bare-lf", "low", "the server echoes the noise, line feeds too"),
    found(
        "suricata-errors.pcap",
        122,
        "non-compliant/malformed-reply",
        "medium",
        "the message gets `4.7.0 [IPTS04] ...`, an enhanced code without the code",
    ),
    found("suricata-errors.pcap", 132, "help-exposed/advertised", "info", "HELP stands in the EHLO reply"),
    found(
        "suricata-long-command.pcap",
        6,
        "non-compliant/command-too-long",
        "medium",
        "EHLO with a name of 4,090 octets",
    ),
    found(
        "suricata-pipelining.pcap",
        11,
        "non-compliant/unadvertised-pipelining",
        "low",
        "DATA and the message in one segment; DATA must be the last of its group",
    ),
    found(
        "suricata-rset-starttls.pcap",
        4,
        "bad-greeting/none",
        "low",
        "made by hand: the server says nothing before EHLO",
    ),
    found("suricata-rset-starttls.pcap", 4, "non-compliant/bare-lf", "low", "`EHLO` and a line feed"),
    found("suricata-rset-starttls.pcap", 4, "non-compliant/malformed-command", "low", "EHLO without a name"),
    found(
        "suricata-rset-starttls.pcap",
        6,
        "non-compliant/unadvertised-pipelining",
        "low",
        "`rset` and `staRttLs` in one segment; EHLO got a bare 250",
    ),
    found("zeek-bdat-invalid.pcapng", 16, "non-compliant/malformed-command", "low", "`BDAT` without a size"),
    found("zeek-bdat-invalid.pcapng", 38, "non-compliant/malformed-command", "low", "`BDAT 1234 SCRAMBLE`"),
    found("zeek-bdat-invalid.pcapng", 60, "non-compliant/malformed-command", "low", "`BDAT SCRAMBLE`"),
    found("zeek-transactions-invalid.pcap", 4, "help-exposed/advertised", "info", "HELP stands in the EHLO reply"),
    found(
        "zeek-transactions-invalid.pcap",
        4,
        "non-compliant/early-talk",
        "low",
        "EHLO acknowledges nothing, and the greeting comes behind it; Exim 4.94 does not offer PIPECONNECT here",
    ),
    found(
        "zeek-transactions-invalid.pcap",
        24,
        "non-compliant/out-of-sequence",
        "low",
        "RCPT behind the end of a mail, without MAIL",
    ),
    found(
        "zeek-transactions-invalid.pcap",
        27,
        "non-compliant/out-of-sequence",
        "low",
        "DATA behind that RCPT, which got 503",
    ),
    found(
        "suricata-errors.pcap",
        4,
        "non-compliant/unknown-verb",
        "low",
        "a word that SMTP does not have, before a greeting",
    ),
    found("suricata-errors.pcap", 4, "non-compliant/unknown-verb", "low", "a line without a verb, there too"),
    found(
        "zeek-transactions-invalid.pcap",
        30,
        "non-compliant/unknown-verb",
        "low",
        "the dot behind DATA that got 503",
    ),
    found(
        "zeek-transactions-invalid.pcap",
        57,
        "non-compliant/out-of-sequence",
        "low",
        "MAIL inside the transaction that frame 36 opened",
    ),
];

#[test]
fn captures_of_others_give_what_their_bytes_show_and_nothing_else() {
    let Some(folder) = shared_captures().map(|folder| folder.join("smtp")) else { return };
    let ran = run(&["scan".as_ref(), "--format=jsonl".as_ref(), folder.as_os_str()]);
    let records = ran.records();
    let mut told = BTreeMap::<_, u32>::new();
    for finding in of_type(&records, "finding") {
        let text = |field: &str| finding[field].as_str().unwrap().to_owned();
        if text("severity") != "info" || text("rule") == "help-exposed" {
            let first = &finding["packets"][0];
            let capture = first["capture"].as_str().unwrap().rsplit('/').next().unwrap().to_owned();
            let check = format!("{}/{}", text("rule"), text("check"));
            *told.entry((capture, first["frame"].as_u64().unwrap(), check, text("severity"))).or_default() += 1;
        }
    }
    let mut expected = BTreeMap::<_, u32>::new();
    for Found { capture, frame, check, severity, .. } in FOUND {
        let key = ((*capture).to_owned(), *frame, (*check).to_owned(), (*severity).to_owned());
        *expected.entry(key).or_default() += 1;
    }
    assert_eq!(told, expected);
}
