//! Recordings of real servers against their transcripts, which a client wrote as it talked: who said what, in order.
//!
//! What a transcript tells of a connection is compared with that session's records: the client's bytes, cut where the
//! `command` and `data` records say, must give those commands and lengths and leave nothing over; the server's lines
//! must be the `reply` records, code and lines.

use std::path::Path;

use serde_json::Value;

use crate::support::{files_ending, of_type, package, run, shared_captures};

/// Recorded at the same time: each capture holds connections that the other's transcript tells.
const RECORDED_TOGETHER: [&str; 2] = ["sendmail-8.17.1.9-binary.pcap", "sendmail-8.17.1.9-rcpt-no-domain.pcap"];

#[test]
fn recorded_servers_said_what_their_transcripts_tell() {
    compare_all(&package().join("testdata/servers"));
}

#[test]
fn shared_recordings_said_what_their_transcripts_tell() {
    let Some(shared) = shared_captures() else { return };
    compare_all(&shared.join("mta"));
}

/// Compares every capture below this folder that has a transcript, and tells every difference, not only the first.
fn compare_all(folder: &Path) {
    let mut compared = 0;
    let mut differences = Vec::new();
    for capture in files_ending(folder, &[".pcap"]) {
        let transcript = capture.with_extension("txt");
        let told = read(&std::fs::read_to_string(&transcript).unwrap());
        compared += 1;
        if let Err(why) = compare(&capture, &told) {
            differences.push(format!("{}: {why}", capture.display()));
        }
    }
    assert!(compared > 0, "no recording below {}", folder.display());
    assert!(differences.is_empty(), "{} of {compared} differ:\n{}", differences.len(), differences.join("\n"));
}

/// One connection as the transcript tells it, as far as it was in clear.
#[derive(Debug, Default)]
struct Told {
    name: String,
    /// The client's port, where the client wrote the transcript itself.
    port: Option<u64>,
    /// All writes joined.
    client: Vec<u8>,
    /// Whole replies: code and, per line, what stands behind the code and its separator.
    replies: Vec<(String, Vec<Vec<u8>>)>,
    /// The client went away first: what the server said after that is in the capture alone.
    client_closed: bool,
    /// It begins with a TLS handshake.
    handshake: bool,
}

/// Reads a transcript. A block begins with `== `; its lines are `C: ` one write, `S: ` one server line, `-- ` what
/// happened. Nothing is read of what was inside TLS, where `C(tls)`, `[TLS ...]`, an accepted STARTTLS or a handshake
/// written as bytes begin it. Whether a server answers a handshake in SMTP, before or behind its greeting, the transcript does
/// not say: such a session is left to the records beside it.
fn read(transcript: &str) -> Vec<Told> {
    let mut blocks: Vec<Told> = Vec::new();
    let mut opaque = false;
    let mut unfinished = Vec::new();
    let mut last_write = String::new();
    for line in transcript.lines() {
        if let Some(name) = line.strip_prefix("== ") {
            blocks.push(Told { name: name.to_owned(), ..Told::default() });
            (opaque, unfinished, last_write) = (false, Vec::new(), String::new());
            continue;
        }
        let Some(block) = blocks.last_mut() else { continue };
        if let Some(port) = line.strip_prefix("-- connected, client port ") {
            block.port = Some(port.parse().unwrap());
        }
        block.client_closed |= line == "-- client closed";
        opaque |= line.starts_with("C(tls): ") || line.starts_with("S(tls): ") || line.get(3..7) == Some("[TLS");
        if line.starts_with("C: \\x16\\x03") {
            (opaque, block.handshake) = (true, true);
        }
        if opaque {
            continue;
        }
        let without_note = line.split_once("   [").map_or(line, |(text, _note)| text);
        if let Some(text) = without_note.strip_prefix("C: ") {
            // A reply is told whole before the client goes on, but for a greeting that it did not wait for.
            end_reply(&mut block.replies, &mut unfinished);
            block.client.extend(unescape(text));
            text.clone_into(&mut last_write);
        } else if let Some(text) = without_note.strip_prefix("S: ") {
            let more = text.as_bytes().get(3) == Some(&b'-');
            unfinished.push(text.to_owned());
            if !more {
                end_reply(&mut block.replies, &mut unfinished);
                opaque = text.starts_with("220") && starttls_ends(&last_write, &mut block.client);
                last_write.clear();
            }
        }
    }
    blocks
}

/// Whether the last write asked for TLS; what the client sent behind it in the same write is not SMTP any more. An
/// argument makes it no STARTTLS of the standard, but servers take it for one.
fn starttls_ends(last_write: &str, client: &mut Vec<u8>) -> bool {
    let Some((first, behind)) = last_write.split_once("\\r\\n") else { return false };
    let sole = first == "STARTTLS" || first.starts_with("STARTTLS ");
    if sole {
        client.truncate(client.len() - unescape(behind).len());
    }
    sole
}

fn end_reply(replies: &mut Vec<(String, Vec<Vec<u8>>)>, lines: &mut Vec<String>) {
    if let Some(last) = lines.last() {
        let code = last.get(..3).unwrap_or(last).to_owned();
        replies.push((code, lines.iter().map(|line| unescape(line.get(4..).unwrap_or(""))).collect()));
        lines.clear();
    }
}

/// `\r`, `\n`, `\t`, `\\` and `\xNN` to bytes.
fn unescape(text: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut rest = text.as_bytes();
    while let Some((&first, behind)) = rest.split_first() {
        rest = behind;
        if first != b'\\' {
            bytes.push(first);
            continue;
        }
        let (&kind, behind) = rest.split_first().unwrap();
        rest = behind;
        bytes.push(match kind {
            b'r' => b'\r',
            b'n' => b'\n',
            b't' => b'\t',
            b'\\' => b'\\',
            b'x' => {
                let (digits, behind) = rest.split_at(2);
                rest = behind;
                u8::from_str_radix(std::str::from_utf8(digits).unwrap(), 16).unwrap()
            }
            other => panic!("what is \\{} in {text}?", char::from(other)),
        });
    }
    bytes
}

/// Runs mailtap over the capture and holds each session against its block.
fn compare(capture: &Path, told: &[Told]) -> Result<(), String> {
    let path = capture.to_str().unwrap();
    let options = ["--format", "jsonl", "--records", "events,sessions,summary", "--show-secrets"];
    let ran = run(&[&["scan", path][..], &options].concat());
    if ran.code() != 0 {
        return Err(format!("exit {}: {}", ran.code(), ran.stderr));
    }
    let records = ran.records();
    let mut sessions = of_type(&records, "session");
    sessions.sort_by_key(|session| session["first_frame"].as_u64());
    let together = RECORDED_TOGETHER.iter().any(|name| capture.ends_with(name));
    if sessions.len() != told.len() && !together {
        return Err(format!("{} connections told, {} sessions found", told.len(), sessions.len()));
    }
    for (number, block) in told.iter().enumerate() {
        let by_port = |session: &&&Value| session["client"]["port"].as_u64() == block.port;
        let session = match block.port {
            Some(port) => sessions.iter().find(by_port).ok_or(format!("no session from port {port}"))?,
            None => sessions[number],
        };
        let events: Vec<&Value> = records
            .iter()
            .filter(|record| record["type"] != "session" && record["session"] == session["session"])
            .collect();
        if block.handshake {
            continue;
        }
        client_said(block, &events).map_err(|why| format!("{}: client: {why}", block.name))?;
        server_said(block, &events).map_err(|why| format!("{}: server: {why}", block.name))?;
    }
    Ok(())
}

/// The client's bytes must be the commands and the data that were found, and nothing else.
fn client_said(told: &Told, events: &[&Value]) -> Result<(), String> {
    let mut rest = told.client.as_slice();
    for event in events {
        match event["type"].as_str() {
            Some("command") => {
                let end = rest.iter().position(|&byte| byte == b'\n').map_or(rest.len(), |at| at + 1);
                let (line, behind) = rest.split_at(end);
                rest = behind;
                let line = line.strip_suffix(b"\n").unwrap_or(line);
                let line = line.strip_suffix(b"\r").unwrap_or(line);
                same_command(line, event).map_err(|why| format!("{why}: {:?} is {event}", escape(line)))?;
            }
            Some("data") => {
                let bytes = usize::try_from(event["bytes"].as_u64().unwrap_or(u64::MAX)).unwrap();
                let Some((_, behind)) = rest.split_at_checked(bytes) else {
                    return Err(format!("{event}, but {} bytes are left", rest.len()));
                };
                // The lone dot that ended it belongs to neither; a chunk has none.
                let dots: [&[u8]; 2] = [b".\r\n", b".\n"];
                rest = match dots.iter().find_map(|dot| behind.strip_prefix(*dot)) {
                    Some(behind) if !is_chunk(event) => behind,
                    _ => behind,
                };
            }
            _ => {}
        }
    }
    if rest.is_empty() { Ok(()) } else { Err(format!("not found: {:?}", escape(rest))) }
}

fn is_chunk(data: &Value) -> bool {
    data["end"].as_str().is_some_and(|end| end.contains("chunk"))
}

/// Whether a command record tells this line: its verb in any case, and behind it the argument.
fn same_command(line: &[u8], record: &Value) -> Result<(), &'static str> {
    let blanks = |byte: &u8| matches!(byte, b' ' | b'\t');
    let argument = record["argument"].as_str().unwrap_or("");
    let rest = match record["verb"].as_str() {
        None => line,
        Some(verb) => {
            let start = line.iter().position(|byte| !blanks(byte)).unwrap_or(line.len());
            let (word, rest) = line[start..].split_at_checked(verb.len()).ok_or("shorter than its verb")?;
            if !word.eq_ignore_ascii_case(verb.as_bytes()) {
                return Err("another verb");
            }
            let start = rest.iter().position(|byte| !blanks(byte) && *byte != b':').unwrap_or(rest.len());
            &rest[start..]
        }
    };
    if escape(rest).trim() == argument.trim() { Ok(()) } else { Err("another argument") }
}

/// The replies must be those of the transcript, code and lines.
fn server_said(told: &Told, events: &[&Value]) -> Result<(), String> {
    let found: Vec<&&Value> =
        events.iter().filter(|event| matches!(event["type"].as_str(), Some("greeting" | "reply"))).collect();
    for (number, (code, lines)) in told.replies.iter().enumerate() {
        let lines: Vec<String> = lines.iter().map(|line| escape(line)).collect();
        let Some(reply) = found.get(number) else { return Err(format!("not found: {code} {lines:?}")) };
        let same_lines = reply["lines"].as_array().is_some_and(|found| found.iter().eq(lines.iter()));
        let same_code = reply["code"].as_u64() == code.parse().ok();
        if !same_code || !same_lines {
            return Err(format!("told {code} {lines:?}, found {reply}"));
        }
    }
    match found.get(told.replies.len()) {
        Some(more) if !told.client_closed => Err(format!("not told: {more}")),
        _ => Ok(()),
    }
}

/// Bytes as a record shows them (FORMATS.md).
fn escape(bytes: &[u8]) -> String {
    use std::fmt::Write;

    let mut text = String::new();
    for chunk in bytes.utf8_chunks() {
        for character in chunk.valid().chars() {
            match character {
                '\\' => text.push_str("\\\\"),
                '\0'..='\x1f' | '\x7f' => write!(text, "\\x{:02x}", u32::from(character)).unwrap(),
                '\u{80}'..='\u{9f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => {
                    write!(text, "\\u{{{:04x}}}", u32::from(character)).unwrap();
                }
                _ => text.push(character),
            }
        }
        for byte in chunk.invalid() {
            write!(text, "\\x{byte:02x}").unwrap();
        }
    }
    text
}

#[test]
fn a_transcript_is_read_up_to_tls() {
    let told = read(concat!(
        "# topic: x\n\n== session one\n-- connected, client port 4711\n",
        "S: 220-mail\nC: EHLO a\\xe9\\r\\n\nS: 250-mail\nS: 250 \\tHELP\nC: STARTTLS\\r\\nNOOP\\r\\n\nS: 220 go\n",
        "-- TLS handshake complete\nC(tls): QUIT\\r\\n\nS(tls): 221 bye\n-- client closed\n",
    ));
    let [block] = told.as_slice() else { panic!("{told:?}") };
    assert_eq!((block.port, block.client_closed), (Some(4711), true));
    assert_eq!(block.client, b"EHLO a\xe9\r\nSTARTTLS\r\n");
    let replies: Vec<_> = block.replies.iter().map(|(code, lines)| (code.as_str(), lines.len())).collect();
    assert_eq!(replies, [("220", 1), ("250", 2), ("220", 1)]);
    assert_eq!(block.replies[1].1[1], b"\tHELP");
}

#[test]
fn another_argument_is_a_difference() {
    let record = serde_json::json!({"type": "command", "verb": "MAIL", "argument": "FROM:<a@b>"});
    assert_eq!(same_command(b"mail FROM:<a@b>", &record), Ok(()));
    assert_eq!(same_command(b"MAIL FROM:<a@c>", &record), Err("another argument"));
    assert_eq!(same_command(b"RCPT FROM:<a@b>", &record), Err("another verb"));
}
