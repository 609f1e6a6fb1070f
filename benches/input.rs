//! What the rooms are given: sessions that run side by side, made from one seed, and captures of them.

use std::fmt::Write as _;
use std::fs;
use std::io;
use std::path::PathBuf;

use synth::pcap::Format;
use synth::traffic::{Kind, Recipe};

use synth::{Dialogue, LinkType, Packet, Plan, Rng};
use tempfile::TempDir;

/// What every random choice depends on.
const SEED: u64 = 5;

/// The port that is looked at.
const SMTP: u16 = 25;

/// A folder of captures that goes with the benches.
pub(crate) struct Folder(TempDir);

impl Folder {
    pub(crate) fn new() -> Self {
        Folder(tempfile::tempdir().unwrap())
    }

    pub(crate) fn file(&self, name: &str, bytes: &[u8]) -> PathBuf {
        let path = self.0.path().join(name);
        fs::write(&path, bytes).unwrap();
        path
    }

    pub(crate) fn pcap(&self, packets: &[Packet], link: LinkType) -> PathBuf {
        self.file("packets.pcap", &synth::pcap::bytes(packets, link, Format::default()))
    }
}

/// About so many octets of traffic, as a pcap file.
pub(crate) fn traffic(kind: Kind, octets: u64) -> Vec<u8> {
    let mut file = Vec::new();
    Recipe { seed: SEED, ..Recipe::new(kind, octets) }.write(&mut file, &mut io::sink()).unwrap();
    file
}

/// So many sessions of one to three mails, 2 to 60 KB each, pipelined, to one to four recipients.
pub(crate) fn mail(sessions: usize, plan: &Plan) -> Vec<Packet> {
    rendered(sessions, SMTP, plan, |rng, text| {
        for _ in 0..rng.between(1, 3) {
            let recipients = rng.between(1, 4);
            *text += "C: MAIL FROM:<sender@example.com>\n";
            for number in 0..recipients {
                let _ = writeln!(text, "C: RCPT TO:<user{number}@example.org>");
            }
            let _ = write!(text, "C: DATA\nS: 250 2.1.0 Ok\n{}", "S: 250 2.1.5 Ok\n".repeat(recipients));
            *text += "S: 354 End data with <CR><LF>.<CR><LF>\n";
            let size = rng.between(2_000, 60_000);
            message(rng, size, text);
            *text += "C: .\nS: 250 2.0.0 Ok: queued as 4Xk2Tn1Zq3z5vMd\n";
        }
    })
}

/// So many sessions of commands and replies alone, pipelined in groups; in one of eight somebody asks for HELP.
pub(crate) fn commands(sessions: usize, plan: &Plan) -> Vec<Packet> {
    commands_on(SMTP, sessions, plan)
}

/// The same with servers that listen on another port.
pub(crate) fn commands_on(port: u16, sessions: usize, plan: &Plan) -> Vec<Packet> {
    rendered(sessions, port, plan, |rng, text| {
        for _ in 0..4 {
            let recipients = rng.between(1, 4);
            *text += "C: MAIL FROM:<sender@example.com> SIZE=23814 BODY=8BITMIME\n";
            for number in 0..recipients {
                let _ = writeln!(text, "C: RCPT TO:<user{number}@example.org>");
            }
            let _ = write!(text, "C: RSET\nS: 250 2.1.0 Ok\n{}", "S: 250 2.1.5 Ok\n".repeat(recipients));
            *text += "S: 250 2.0.0 Ok\nC: NOOP\nS: 250 2.0.0 Ok\n";
        }
        if rng.below(8) == 0 {
            *text += "C: HELP\nS: 214-Commands supported:\nS: 214 AUTH HELO EHLO MAIL RCPT DATA NOOP QUIT RSET HELP\n";
        }
    })
}

/// The header of a message and a body of about `size` octets: text first, then an attachment in base64.
fn message(rng: &mut Rng, size: usize, text: &mut String) {
    *text += "C: Received: from client.example.com (client.example.com [192.0.2.10])\n";
    *text += "C: \tby mx.example.org (Postfix) with ESMTPS id 4Xk2Tn1Zq3z5vMd\n";
    *text += "C: From: Sender <sender@example.com>\nC: To: <user0@example.org>\nC: Subject: the report\n";
    *text += "C: Message-ID: <20260102030405.4Xk2Tn1Zq3z5vMd@client.example.com>\nC:\n";
    let whole = text.len() + size;
    let prose = text.len() + size / 4;
    while text.len() < prose {
        let line: Vec<&str> = (0..rng.between(3, 11)).map(|_| WORDS[rng.below(WORDS.len())]).collect();
        let _ = writeln!(text, "C: {}", line.join(" "));
    }
    while text.len() < whole {
        let line: String = (0..76).map(|_| char::from(BASE64[rng.below(BASE64.len())])).collect();
        let _ = writeln!(text, "C: {line}");
    }
}

/// Sessions side by side: each says what `speak` writes between its greeting and its end.
fn rendered(sessions: usize, port: u16, plan: &Plan, mut speak: impl FnMut(&mut Rng, &mut String)) -> Vec<Packet> {
    let mut rng = Rng::new(SEED);
    let mut packets = Vec::new();
    for client_port in (20_000_u16..).take(sessions) {
        let host = rng.between(1, 254);
        let mut text = format!("[{client_port} server=198.51.100.{host}:{port}]\n{GREETED}");
        speak(&mut rng, &mut text);
        text += "C: QUIT\nS: 221 2.0.0 Bye\n";
        let dialogue = Dialogue::parse(&text).unwrap();
        let plan = plan.clone().seed(rng.next_u64()).pace(rng.between(20_000, 400_000) as u64);
        packets.extend(synth::render(&dialogue, &plan).packets);
    }
    packets.sort_by_key(|packet| packet.time);
    packets
}

const GREETED: &str = "S: 220 mx.example.org ESMTP Postfix\n\
C: EHLO client.example.com\n\
S: 250-mx.example.org\n\
S: 250-PIPELINING\n\
S: 250-SIZE 10240000\n\
S: 250-STARTTLS\n\
S: 250-ENHANCEDSTATUSCODES\n\
S: 250-8BITMIME\n\
S: 250-DSN\n\
S: 250 CHUNKING\n";

const WORDS: &[&str] = &[
    "the",
    "report",
    "of",
    "last",
    "quarter",
    "is",
    "attached,",
    "please",
    "read",
    "it",
    "before",
    "our",
    "meeting",
    "on",
    "Thursday.",
    "We",
    "have",
    "changed",
    "figures",
    "in",
    "section",
    "four",
    "and",
    "added",
    "a",
    "summary",
];

const BASE64: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
