//! `mailtap show`: what it prints of recordings, what it answers where it is asked for what is not there, and whether each side
//! said what it shows, octet by octet, by tshark's account.

use std::fmt::Write as _;
use std::path::Path;
use std::process::Command;

use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::support::{Ran, of_type, package, run};

fn show(arguments: &[&str]) -> Ran {
    run(&[&["show"], arguments].concat())
}

/// What is printed where it is whole.
fn shown(arguments: &[&str]) -> String {
    let ran = show(arguments);
    assert_eq!((ran.code(), ran.stderr.as_str()), (0, ""), "{arguments:?}");
    ran.stdout
}

/// The sessions of a capture, in the order in which they ended.
fn sessions(path: &str) -> Vec<Value> {
    let records = run(&["scan", "--quiet", "--format", "jsonl", "--records", "sessions", path]).records();
    of_type(&records, "session").into_iter().cloned().collect()
}

fn id(session: &Value) -> &str {
    session["session"].as_str().unwrap()
}

const SMUGGLED: [&str; 2] = ["64036c48aa04296e", "testdata/servers/postfix-3.7.11/ends-of-data.pcap"];
const TLS: [&str; 2] = ["f20ea8698d803e39", "testdata/servers/smtp-server-3.21.6-tls-auth/starttls.pcap"];

#[test]
fn a_smuggled_mail_reads_so() {
    insta::assert_snapshot!(shown(&SMUGGLED));
}

#[test]
fn a_session_that_goes_on_in_tls_reads_so() {
    insta::assert_snapshot!(shown(&TLS));
}

#[test]
fn a_ticket_reads_so() {
    insta::assert_snapshot!(shown(&[&SMUGGLED[..], &["--markdown"]].concat()));
}

/// One session for each, of one client.
#[test]
fn odd_sessions_read_so() {
    let names = [
        "auth-login",
        "bdat",
        "data-no-server",
        "data-refused",
        "gap-in-data",
        "gap-in-pipelined-replies",
        "midway",
        "proxy-v1",
        "reply-pipelined",
        "starttls-decrypted",
    ];
    let pages = names.map(|name| shown(&["192.0.2.0/24", &format!("testdata/session/{name}.pcap")]));
    insta::assert_snapshot!(pages.join("\n"));
}

#[test]
fn a_prefix_does_where_one_thing_alone_has_it() {
    let [id, path] = SMUGGLED;
    assert_eq!(shown(&[&id[..4], path]), shown(&[id, path]));
    assert_eq!(shown(&[&id.to_uppercase(), path]), shown(&[id, path]));
}

#[test]
fn where_several_have_it_they_are_named() {
    // So many sessions that some begin alike.
    let folder = tempfile::tempdir().unwrap();
    let mut dialogue = String::new();
    for port in 0..600 {
        write!(dialogue, "[{}]\nS: 220 mx\nC: QUIT\nS: 221 bye\n", 20_000 + port).unwrap();
    }
    let dialogue = synth::Dialogue::parse(&dialogue).unwrap();
    let path = folder.path().join("many.pcap");
    std::fs::write(&path, synth::render(&dialogue, &synth::Plan::new()).pcap()).unwrap();
    let path = path.to_str().unwrap();
    let mut ids: Vec<String> = sessions(path).iter().map(|session| id(session).to_owned()).collect();
    ids.sort();
    let Some(alike) = ids.windows(2).find(|pair| pair[0][..4] == pair[1][..4]) else {
        panic!("no two of {} ids begin alike: choose other ports", ids.len());
    };
    let ran = show(&["--quiet", &alike[0][..4], path]);
    assert_eq!((ran.code(), ran.stdout.as_str()), (2, ""));
    let told: Vec<&str> = ran.stderr.lines().collect();
    assert_eq!(
        told[0],
        format!("mailtap: '{}' is the beginning of more than one id: give more digits", &alike[0][..4])
    );
    for id in alike {
        assert!(
            told[1..].iter().any(|line| line.trim_start().starts_with(&format!("{id}  session 192.0.2."))),
            "{told:?}"
        );
    }
}

#[test]
fn a_fingerprint_shows_the_first_session_that_has_it_and_names_the_others() {
    let folder = "testdata/servers/postfix-3.7.11";
    let records = run(&["scan", "--quiet", "--format", "jsonl", "--records", "findings", folder]).records();
    let findings = of_type(&records, "finding");
    let smuggled = findings.iter().find(|finding| finding["check"] == "end-of-data").unwrap();
    let print = smuggled["fingerprint"].as_str().unwrap();
    let mut having: Vec<&str> = Vec::new();
    for finding in findings.iter().filter(|finding| finding["fingerprint"] == print) {
        let session = finding["session"].as_str().unwrap();
        if !having.contains(&session) {
            having.push(session);
        }
    }
    let page = shown(&[print, folder]);
    assert!(page.starts_with(&format!("Session {}  ", having[0])), "{page}");
    let others = having.len() - 1;
    if others == 0 {
        assert!(!page.contains("is also in"), "{page}");
    }
    // Found in each session, told once by a scan.
    let advertised = findings.iter().find(|finding| finding["check"] == "started" || finding["check"] == "not-offered");
    if let Some(once) = advertised {
        let page = shown(&[once["fingerprint"].as_str().unwrap(), folder]);
        assert!(page.starts_with(&format!("Session {}  ", once["session"].as_str().unwrap())), "{page}");
    }
}

/// What a scan reports once per server is in every session that has it.
#[test]
fn a_finding_that_is_reported_once_per_server_is_shown_in_each_session() {
    let path = "testdata/servers/exim-4.96/ends-of-data.pcap";
    let records = run(&["scan", "--quiet", "--format", "jsonl", "--records", "findings,sessions", path]).records();
    let advertised = |record: &Value| record["findings"]["help-exposed/advertised"].as_u64().unwrap_or(0) > 0;
    let having: Vec<&str> =
        of_type(&records, "session").into_iter().filter(|session| advertised(session)).map(id).collect();
    assert!(having.len() > 1, "{having:?}");
    for id in &having {
        let page = shown(&[id, path]);
        assert!(page.contains("[help-exposed/advertised]") && !page.contains("Counted in this session"), "{page}");
    }
    let finding = of_type(&records, "finding").into_iter().find(|finding| finding["check"] == "advertised").unwrap();
    let page = shown(&[finding["fingerprint"].as_str().unwrap(), path]);
    let sessions =
        if having.len() == 2 { "1 more session: ".to_owned() } else { format!("{} more sessions: ", having.len() - 1) };
    assert!(page.contains(&sessions), "{page}");
}

#[test]
fn what_is_not_there_is_told_in_one_line_with_what_to_do() {
    let path = SMUGGLED[1];
    let told = |arguments: &[&str]| {
        let ran = show(arguments);
        assert_eq!((ran.code(), ran.stdout.as_str()), (2, ""), "{arguments:?}");
        ran.stderr
    };
    assert_eq!(
        told(&["0123456789abcdef", path]),
        "mailtap: no session and no finding has an ID that begins with '0123456789abcdef': \
         mailtap scan --format jsonl --records sessions,findings lists them\n"
    );
    assert_eq!(told(&["203.0.113.9", path]), "mailtap: no session of the client 203.0.113.9 in these captures\n");
    assert!(told(&[path, path]).starts_with("mailtap: invalid value"));
    assert!(told(&["0123", "--port", "26", path]).contains("--port"), "no session at all");
}

#[test]
fn all_sessions_of_a_client_come_in_the_order_in_which_they_began() {
    let [one, path] = SMUGGLED;
    let page = shown(&[one, "--follow", path]);
    let mut begun: Vec<(String, String)> = sessions(path)
        .iter()
        .filter(|session| session["client"]["ip"] == "192.0.2.10")
        .map(|session| (session["start"].as_str().unwrap().to_owned(), id(session).to_owned()))
        .collect();
    begun.sort();
    let heads: Vec<&str> = page.lines().filter_map(|line| line.strip_prefix("Session ")?.split(' ').next()).collect();
    assert_eq!(heads, begun.iter().map(|(_, id)| id.as_str()).collect::<Vec<_>>());
    assert!(heads.len() > 1 && page == shown(&["192.0.2.10", path]), "{heads:?}");
}

#[test]
fn a_fingerprint_needs_captures_that_can_be_read_twice() {
    let path = package().join(SMUGGLED[1]);
    let print = "79d3ffe2ba9ea81a";
    let from_standard_input = |what: &str| {
        let output = Command::new(env!("CARGO_BIN_EXE_mailtap"))
            .args(["show", "--quiet", what, "-"])
            .stdin(std::fs::File::open(&path).unwrap())
            .output()
            .unwrap();
        (output.status.code(), String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap())
    };
    let (code, page, told) = from_standard_input(print);
    assert_eq!((code, page.as_str()), (Some(2), ""));
    assert!(told.contains("can be read only once") && told.contains(SMUGGLED[0]), "{told}");
    let (code, page, _) = from_standard_input(SMUGGLED[0]);
    assert!(code == Some(0) && page.starts_with("Session 64036c48aa04296e  "), "{page}");
}

/// Each side as tshark follows it: every octet that is not in a gap, and nothing else, is what `show` says.
#[test]
fn both_sides_said_what_is_shown_octet_by_octet() {
    if Command::new("tshark").arg("--version").output().is_err() {
        eprintln!("skipped: no tshark");
        return;
    }
    // What it is, the capture, and how many sessions of it are compared.
    let captures = [
        ("plain", "servers/postfix-3.7.11/client-smtplib.pcap", 1),
        ("pipelined", "servers/postfix-3.7.11/pipelining.pcap", 2),
        ("smuggled", "servers/postfix-3.7.11/ends-of-data.pcap", 3),
        ("odd lines", "servers/postfix-3.7.11/line-ends.pcap", 2),
        ("binary", "servers/exim-4.96/binary.pcap", 2),
        ("lower case", "servers/exim-4.96/errors.pcap", 2),
        ("BDAT", "servers/postfix-3.7.11/bdat.pcap", 2),
        ("AUTH", "servers/postfix-3.7.11-tls-auth/auth.pcap", 3),
        ("TLS", "servers/postfix-3.7.11-tls-auth/client-smtplib-tls.pcap", 1),
        ("refused DATA", "session/data-refused.pcap", 1),
        ("one side only", "session/data-no-server.pcap", 1),
        ("lost in data", "session/gap-in-data.pcap", 1),
        ("lost among replies", "session/gap-in-pipelined-replies.pcap", 1),
        ("LF alone", "session/end-of-data-all-lf.pcap", 1),
    ];
    let mut compared = 0;
    for (what, name, most) in captures {
        let path = format!("testdata/{name}");
        for session in sessions(&path).iter().take(most) {
            let wire = followed(&path, session["first_frame"].as_u64().unwrap());
            for options in [&["--show-secrets"][..], &[]] {
                let page = shown(&[&["--markdown", "-v", id(session), &path], options].concat());
                let said = said(&page);
                for (side, wire) in ["C", "S"].into_iter().zip(&wire) {
                    compare(&format!("{what}, {name}, {} {side} {options:?}", id(session)), &said, side, wire);
                }
            }
            compared += 1;
        }
    }
    assert!(compared >= 14, "{compared}");
}

/// What tshark has of the client and of the server.
fn followed(path: &str, frame: u64) -> [Vec<u8>; 2] {
    let tshark = |arguments: &[&str]| {
        let output = Command::new("tshark").current_dir(package()).args(["-r", path]).args(arguments).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    };
    let fields = tshark(&["-Y", &format!("frame.number == {frame}"), "-T", "fields", "-e", "tcp.stream"]);
    let text = tshark(&["-q", "-z", &format!("follow,tcp,raw,{}", fields.trim())]);
    let port =
        |node: &str| text.lines().find_map(|line| line.strip_prefix(node)).unwrap().rsplit(':').next().unwrap() == "25";
    let first_is_server = port("Node 0: ");
    let mut sides = [Vec::new(), Vec::new()];
    for line in text.lines().filter(|line| line.trim_start().bytes().all(|digit| digit.is_ascii_hexdigit())) {
        let of_second = line.starts_with('\t');
        let octets = data_encoding::HEXLOWER.decode(line.trim().as_bytes()).unwrap();
        sides[usize::from(of_second != first_is_server)].extend(octets);
    }
    sides
}

/// A line of the dialogue: who, and what.
#[derive(Debug)]
struct Said {
    side: String,
    text: String,
}

/// The dialogue of a page: the first block of code, without what is said of findings.
fn said(page: &str) -> Vec<Said> {
    let block = page.split("```text\n").nth(1).unwrap().split("\n```").next().unwrap();
    let first = block.lines().next().unwrap();
    // Frame, two blanks, seconds in eight columns, two blanks, side, question mark, blank.
    let frame = first.len() - first.trim_start().len() + first.trim_start().split(' ').next().unwrap().len();
    let column = frame + 2 + 8 + 2;
    let mut side = String::new();
    let mut said = Vec::new();
    for line in block.lines() {
        if line.is_empty() {
            break;
        }
        let (place, rest) = line.split_at(column);
        let text = &rest[3..];
        if place.trim().is_empty() {
            if text.starts_with("^ ") {
                continue;
            }
        } else {
            rest[..1].clone_into(&mut side);
        }
        said.push(Said { side: side.clone(), text: text.to_owned() });
    }
    said
}

/// Holds one side against what tshark has of it.
fn compare(what: &str, said: &[Said], side: &str, wire: &[u8]) {
    // Where the next octet stands, and where the first one stood that a gap follows of which nothing was shown yet.
    let (mut at, mut before_gap) = (0, None);
    for line in said {
        if line.side == " " && line.text.starts_with("[TLS") {
            let rest = wire.get(at).copied();
            assert!(rest.is_none_or(|first| (0x14..=0x18).contains(&first)), "{what}: no TLS behind {at}");
            return;
        }
        if line.side != side {
            continue;
        }
        match note(&line.text) {
            Some(note) if note.ends_with("not captured") => {
                let missing = number(note, " byte");
                let mark = format!("[{missing} bytes missing in capture file]\0");
                let found = wire[at..].windows(mark.len()).position(|window| window == mark.as_bytes());
                before_gap = before_gap.or(Some(at));
                at += found.unwrap_or_else(|| panic!("{what}: {note}, and no gap behind {at}")) + mark.len();
                continue;
            }
            Some(note) => at = message(what, note, wire, before_gap.unwrap_or(at)),
            None => at = spoken(what, &line.text, wire, at),
        }
        before_gap = None;
    }
    assert_eq!(String::from_utf8_lossy(&wire[at..]), "", "{what}: it is not shown");
}

/// What is told in brackets.
fn note(text: &str) -> Option<&str> {
    let inside = text.strip_prefix('[')?.strip_suffix(']')?;
    let is_note =
        inside.starts_with("message: ") || inside.contains("BDAT chunk: ") || inside.ends_with(" not captured");
    is_note.then_some(inside)
}

/// How long what tshark writes in place of missing bytes is, if that stands here.
fn mark(wire: &[u8]) -> Option<usize> {
    const BEHIND: &[u8] = b" bytes missing in capture file]\0";
    let digits = wire.strip_prefix(b"[")?.iter().take_while(|octet| octet.is_ascii_digit()).count();
    wire[1 + digits..].starts_with(BEHIND).then_some(1 + digits + BEHIND.len())
}

/// The number before a word.
fn number(note: &str, word: &str) -> usize {
    let before = note.split(word).next().unwrap().rsplit(' ').next().unwrap();
    before.replace(',', "").parse().unwrap_or_else(|_| panic!("no number before{word}: {note}"))
}

/// A line, and its line end.
fn spoken(what: &str, text: &str, wire: &[u8], at: usize) -> usize {
    const HIDDEN: &str = "<redacted>";
    let rest = &wire[at..];
    let end = if let Some(before) = text.strip_suffix(HIDDEN) {
        assert!(rest.starts_with(&unescaped(before)), "{what}: {text} at {at}");
        // Its length, and nothing else of it.
        let line = rest.split(|&octet| octet == b'\n').next().unwrap();
        line.strip_suffix(b"\r").unwrap_or(line).len()
    } else {
        let octets = unescaped(text);
        assert!(
            rest.starts_with(&octets),
            "{what}: shown {text:?}, on the wire {:?}",
            String::from_utf8_lossy(&rest[..rest.len().min(octets.len() + 8)])
        );
        octets.len()
    };
    let behind = &rest[end..];
    let line_end = if behind.starts_with(b"\r\n") { 2 } else { usize::from(behind.starts_with(b"\n")) };
    assert!(line_end > 0 || behind.is_empty(), "{what}: {text:?} is not the whole line");
    at + end + line_end
}

/// Message data, with what ended it.
fn message(what: &str, note: &str, wire: &[u8], begin: usize) -> usize {
    let (bytes, mut data, mut at) = (number(note, " byte"), Vec::new(), begin);
    while data.len() < bytes {
        if let Some(length) = mark(&wire[at..]) {
            at += length;
        } else {
            data.push(*wire.get(at).unwrap_or_else(|| panic!("{what}: {note} ends at {}", data.len())));
            at += 1;
        }
    }
    let lines = data.split(|&octet| octet == b'\n').count() - 1;
    assert_eq!(lines, number(note, " line"), "{what}: {note}");
    match note.split_once("sha256 ").map(|(_, hash)| hash) {
        Some(hash) => assert_eq!(data_encoding::HEXLOWER.encode(&Sha256::digest(&data)), hash, "{what}: {note}"),
        None => assert!(note.contains("no sha256") && at - begin > bytes, "{what}: {note}, and nothing is missing"),
    }
    let Some(ended) = note.split("ended by ").nth(1) else { return at };
    let closing = match ended.split(',').next().unwrap().split_once('.').unwrap().1 {
        "CRLF" => &b".\r\n"[..],
        "LF" => b".\n",
        "CR" => b".\r",
        other => panic!("{what}: {other}"),
    };
    assert!(wire[at..].starts_with(closing), "{what}: {note} ends otherwise");
    at + closing.len()
}

/// The octets that escaped text stands for (FORMATS.md).
fn unescaped(text: &str) -> Vec<u8> {
    let mut octets = Vec::new();
    let mut rest = text;
    while let Some((before, behind)) = rest.split_once('\\') {
        octets.extend(before.as_bytes());
        rest = if let Some(behind) = behind.strip_prefix('\\') {
            octets.push(b'\\');
            behind
        } else if let Some(behind) = behind.strip_prefix('x') {
            octets.push(u8::from_str_radix(&behind[..2], 16).unwrap());
            &behind[2..]
        } else {
            let (number, behind) = behind.strip_prefix("u{").unwrap().split_once('}').unwrap();
            let char = char::from_u32(u32::from_str_radix(number, 16).unwrap()).unwrap();
            octets.extend(char.to_string().as_bytes());
            behind
        };
    }
    octets.extend(rest.as_bytes());
    octets
}

/// What stands in a message is in no view, whatever is asked for.
#[test]
fn no_view_has_a_line_of_a_message() {
    const BODY: &str = "Planted-7f3a";
    let folder = tempfile::tempdir().unwrap();
    let dialogue = format!(
        "S: 220 mx\nC: EHLO a\nS: 250-mx\nS: 250 CHUNKING\nC: MAIL FROM:<a@example.org>\nS: 250 ok\n\
         C: RCPT TO:<b@example.org>\nS: 250 ok\nC: DATA\nS: 354 go\nC: Subject: x\nC: \nC: {BODY}\nC: .\nS: 250 ok\n\
         C: QUIT\nS: 221 bye\n"
    );
    let dialogue =
        synth::Dialogue::parse(&dialogue.replace("C: \n", "C: \\s\n")).unwrap_or_else(|error| panic!("{error}"));
    let path = folder.path().join("mail.pcap");
    let capture = synth::render(&dialogue, &synth::Plan::new()).pcap();
    assert!(capture.windows(BODY.len()).any(|window| window == BODY.as_bytes()), "it is planted");
    std::fs::write(&path, capture).unwrap();
    let path = path.to_str().unwrap();
    for options in [&[][..], &["-v"], &["--markdown"], &["--markdown", "-v", "--show-secrets"]] {
        let page = shown(&[&["192.0.2.0/24", path], options].concat());
        assert!(page.contains("[message: ") && !page.contains(BODY), "{page}");
    }
    assert!(Path::new(path).exists());
}

/// Bytes that came again, against what tshark takes for retransmissions.
#[test]
fn retransmissions_are_told_by_their_bytes() {
    if Command::new("tshark").arg("--version").output().is_err() {
        eprintln!("skipped: no tshark");
        return;
    }
    let mut dialogue = String::from("S: 220 mx.example.com ESMTP\nC: EHLO client.example.org\nS: 250 mx.example.com\n");
    for number in 0..40 {
        write!(dialogue, "C: VRFY user-{number}\nS: 252 perhaps {number}\n").unwrap();
    }
    let dialogue = synth::Dialogue::parse(&(dialogue + "C: QUIT\nS: 221 bye\n")).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("again.pcap");
    std::fs::write(&path, synth::render(&dialogue, &synth::Plan::new().retransmit(200).duplicate(100).seed(3)).pcap())
        .unwrap();
    let path = path.to_str().unwrap();
    let again = "tcp.len > 0 && (tcp.analysis.retransmission || tcp.analysis.out_of_order)";
    let output = Command::new("tshark")
        .args(["-r", path, "-Y", again, "-T", "fields", "-e", "tcp.srcport", "-e", "tcp.len"])
        .output();
    let (mut client, mut server) = (0_u64, 0_u64);
    for line in String::from_utf8(output.unwrap().stdout).unwrap().lines() {
        let (port, length) = line.split_once('\t').unwrap();
        *(if port == "25" { &mut server } else { &mut client }) += length.parse::<u64>().unwrap();
    }
    assert!(client > 0 && server > 0, "nothing came again");
    let session = &sessions(path)[0];
    assert_eq!(session["retransmitted"], serde_json::json!({"client": client, "server": server}));
    let page = shown(&[id(session), path]);
    assert!(
        page.contains(&format!("  retransmitted: {client} bytes of the client and {server} bytes of the server\n")),
        "{page}"
    );
    assert!(sessions(SMUGGLED[1]).iter().all(|session| session["retransmitted"].is_null()));
}
