//! `--records events` against tshark, on captures that others recorded: the verbs and codes of each connection.
//!
//! Beside each capture lies what tshark 4.0.17 makes of it, one packet a line. It is a witness, not a judge: where it
//! and mailtap differ the bytes decided, and [`DIFFERENCES`] says why they are on mailtap's side. An entry that the
//! witness does not bear out any more fails too.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::Value;

use crate::support::{files_ending, run, shared_captures};

/// Where tshark's sequence (`witness`, found exactly once in that stream's) is not what the bytes hold (`bytes`).
struct Difference {
    capture: &'static str,
    stream: u64,
    of: What,
    witness: &'static str,
    bytes: &'static str,
    why: &'static str,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum What {
    Verbs,
    Codes,
}

const CUT: &str = "tshark takes the first four letters of a line for its verb: STAR and TLS";
const IN_ONE_SEGMENT: &str = "the commands and the message came in one segment, of which tshark shows no command";

static DIFFERENCES: &[Difference] = &[
    verbs("arkime-starttls.pcap", 0, "STAR", "STARTTLS", CUT),
    verbs("suricata-starttls.pcap", 0, "STAR", "STARTTLS", CUT),
    verbs("zeek-starttls.pcap", 0, "STAR", "STARTTLS", CUT),
    verbs("suricata-rset-starttls.pcap", 0, "STAR", "STARTTLS", CUT),
    verbs("suricata-pipelining.pcap", 0, "EHLO", "EHLO MAIL RCPT DATA", IN_ONE_SEGMENT),
    verbs(
        "suricata-bdat-pipelined.pcap",
        0,
        "EHLO MAIL RCPT",
        "EHLO MAIL RCPT BDAT BDAT MAIL RCPT DATA QUIT",
        "frame 13 holds two chunks with their commands and the next MAIL and RCPT; tshark gives up there",
    ),
    verbs(
        "suricata-data-rejected.pcap",
        0,
        "EHLO MAIL RCPT DATA",
        "EHLO MAIL RCPT DATA RSET MAIL RCPT DATA",
        "DATA was refused with 503, so what follows are commands (frames 11 and 14); tshark takes it for a message",
    ),
    verbs(
        "suricata-errors.pcap",
        0,
        "",
        "G",
        "the client sends noise, and one of its lines begins with g and a tab, which is a verb's end",
    ),
    verbs(
        "suricata-errors.pcap",
        1,
        "HELO MAIL RCPT DATA",
        "HELO MAIL RCPT DATA QUIT",
        "frame 124 is QUIT behind the end of the message; without a line end tshark does not show it",
    ),
    verbs(
        "suricata-long-command.pcap",
        0,
        "EHLO AUTH QUIT",
        "EHLO AUTH",
        "a 334 asked for the user's name, so QUIT in frame 19 is the answer to it, and got the next 334",
    ),
    codes(
        "suricata-one-flow-1mb.pcap",
        0,
        "220 250 354",
        "220 250 250 250 354",
        "frames 9 and 13 answer HELO and MAIL with 250; tshark shows neither",
    ),
    verbs(
        "zeek-bdat-gap.pcap",
        0,
        "EHLO MAIL RCPT BDAT",
        "EHLO MAIL RCPT BDAT DATA QUIT",
        "behind the gap in the chunk come DATA (frame 26), answered with 354, and QUIT (frame 34)",
    ),
    verbs(
        "zeek-bdat-invalid.pcapng",
        0,
        "EHLO MAIL RCPT BDAT",
        "EHLO MAIL RCPT BDAT QUIT",
        "QUIT is in frame 20, in the stream of a BDAT without a size, where tshark waits for a chunk",
    ),
    verbs(
        "zeek-bdat-invalid.pcapng",
        1,
        "EHLO MAIL RCPT BDAT",
        "EHLO MAIL RCPT BDAT QUIT",
        "the 521 refused the chunk of 1234 octets, which the client never sent: QUIT is in frame 42",
    ),
];

const fn verbs(
    capture: &'static str,
    stream: u64,
    witness: &'static str,
    bytes: &'static str,
    why: &'static str,
) -> Difference {
    Difference { capture, stream, of: What::Verbs, witness, bytes, why }
}

const fn codes(
    capture: &'static str,
    stream: u64,
    witness: &'static str,
    bytes: &'static str,
    why: &'static str,
) -> Difference {
    Difference { capture, stream, of: What::Codes, witness, bytes, why }
}

#[test]
fn verbs_and_codes_are_those_that_tshark_sees() {
    let Some(shared) = shared_captures() else { return };
    let captures = files_ending(&shared.join("smtp"), &[".pcap", ".pcapng"]);
    assert!(captures.len() >= 25, "only {} captures", captures.len());
    let told: Vec<String> = captures.iter().flat_map(|capture| compare(capture)).collect();
    assert!(told.is_empty(), "{} differences that no entry explains:\n{}", told.len(), told.join("\n"));
}

/// What one connection said, each sequence joined by blanks.
#[derive(Debug, Default, PartialEq, Eq)]
struct Said {
    verbs: String,
    codes: String,
}

impl Said {
    fn of(&mut self, what: What) -> &mut String {
        match what {
            What::Verbs => &mut self.verbs,
            What::Codes => &mut self.codes,
        }
    }

    fn add(&mut self, what: What, word: &str) {
        let sequence = self.of(what);
        if !sequence.is_empty() {
            sequence.push(' ');
        }
        sequence.push_str(&word.to_uppercase());
    }
}

/// Every difference of this capture that no entry explains.
fn compare(capture: &Path) -> Vec<String> {
    let name = capture.file_name().unwrap().to_str().unwrap();
    let (mut expected, frames) = witness(&capture.with_extension("tshark.tsv"));
    for difference in DIFFERENCES.iter().filter(|difference| difference.capture == name) {
        let sequence = expected.entry(difference.stream).or_default().of(difference.of);
        let found = sequence.matches(difference.witness).count();
        assert_eq!(found, 1, "{name}: tshark's {sequence:?} does not bear out: {}", difference.why);
        *sequence = sequence.replacen(difference.witness, difference.bytes, 1);
    }

    let ran = run(&["scan", capture.to_str().unwrap(), "--format", "jsonl", "--records", "events,summary"]);
    if ran.code() != 0 {
        return vec![format!("{name}: exit {}: {}", ran.code(), ran.stderr)];
    }
    let mut told = Vec::new();
    let mut found = sessions(&ran.records());
    for (stream, expected) in expected {
        let of_stream = |session: &Session| session.frames.iter().any(|frame| frames.get(frame) == Some(&stream));
        let said = found.iter().position(of_stream).map(|at| found.remove(at).said).unwrap_or_default();
        if said != expected {
            told.push(format!("{name}, stream {stream}:\n  expected {expected:?}\n  found    {said:?}"));
        }
    }
    told.extend(found.iter().map(|session| format!("{name}: not in tshark's: {:?}", session.said)));
    told
}

/// tshark's view: what each stream said, and the stream of each frame. Its lines are frame, stream, verbs,
/// parameters and codes; several verbs or codes of a packet are parted by commas.
fn witness(path: &Path) -> (BTreeMap<u64, Said>, BTreeMap<u64, u64>) {
    let mut streams: BTreeMap<u64, Said> = BTreeMap::new();
    let mut frames = BTreeMap::new();
    for line in std::fs::read_to_string(path).unwrap().lines() {
        let fields: Vec<&str> = line.split('\t').collect();
        let [frame, stream, verbs, _parameters, codes] = fields[..] else { panic!("{line:?}") };
        let stream = stream.parse().unwrap();
        frames.insert(frame.parse().unwrap(), stream);
        let said = streams.entry(stream).or_default();
        for verb in verbs.split(',').filter(|verb| !verb.is_empty()) {
            said.add(What::Verbs, verb);
        }
        for code in codes.split(',').filter(|code| !code.is_empty()) {
            said.add(What::Codes, code);
        }
    }
    (streams, frames)
}

struct Session {
    id: String,
    frames: Vec<u64>,
    said: Said,
}

/// mailtap's view, in the order in which the sessions spoke first. A line without a verb is none to tshark either.
fn sessions(records: &[Value]) -> Vec<Session> {
    let mut sessions: Vec<Session> = Vec::new();
    for record in records {
        let (what, word) = match record["type"].as_str() {
            Some("command") => (What::Verbs, record["verb"].as_str().unwrap_or_default().to_owned()),
            Some("reply") if record["code"].is_u64() => (What::Codes, record["code"].to_string()),
            _ => continue,
        };
        let id = record["session"].as_str().unwrap();
        let at = sessions.iter().position(|session| session.id == id).unwrap_or_else(|| {
            sessions.push(Session { id: id.to_owned(), frames: Vec::new(), said: Said::default() });
            sessions.len() - 1
        });
        sessions[at].frames.extend(record["frame"].as_u64());
        if !word.is_empty() {
            sessions[at].said.add(what, &word);
        }
    }
    sessions
}
