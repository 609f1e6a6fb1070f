//! What was not judged is told: SMTP on ports that were not analysed, and a scan that had nothing to judge by.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use synth::{Dialogue, LinkType, Packet, Plan, frame, pcap};

use crate::support::{self, Ran, run};

/// A session with one finding, of severity low.
const HELP: &str =
    "S: 220 mx.example.com ESMTP\nC: EHLO a.example.org\nS: 250 mx\nC: HELP\nS: 214 MAIL RCPT\nC: QUIT\nS: 221 bye\n";

/// Captures that a test makes.
struct Captures(tempfile::TempDir);

impl Captures {
    fn new() -> Self {
        Captures(tempfile::tempdir().unwrap())
    }

    fn put(&self, name: &str, packets: &[Packet]) -> PathBuf {
        let path = self.0.path().join(name);
        fs::write(&path, pcap::bytes(packets, LinkType::Ethernet, pcap::Format::default())).unwrap();
        path
    }
}

/// The session between `client` and `server`.
fn session(client: &str, server: &str) -> Vec<Packet> {
    let text = format!("[40001 client={client} server={server}]\n{HELP}");
    synth::render(&Dialogue::parse(&text).unwrap(), &Plan::new()).packets
}

/// Each packet inside a VXLAN datagram (RFC 7348 section 5).
fn in_vxlan(packets: &[Packet]) -> Vec<Packet> {
    let ends: [SocketAddr; 2] = ["192.0.2.1:50000", "192.0.2.2:4789"].map(|end| end.parse().unwrap());
    let wrapped = |packet: &Packet| {
        let payload = [&[8, 0, 0, 0, 0, 0, 7, 0][..], &packet.bytes].concat();
        frame::udp(ends[0], ends[1], &payload, packet.time, &Plan::new())
    };
    packets.iter().map(wrapped).collect()
}

fn scan(options: &[&str], capture: &Path) -> Ran {
    run(&[&["scan"], options, &[capture.to_str().unwrap()]].concat())
}

/// The code and standard error of a scan that is to fail on findings.
fn judged(options: &[&str], capture: &Path) -> (i32, String) {
    let ran = scan(&[&["--fail-on", "low"], options].concat(), capture);
    (ran.code(), ran.stderr)
}

fn summary(ran: &Ran) -> Value {
    ran.records().pop().unwrap()
}

#[test]
fn smtp_on_another_port_fails_with_the_port_to_ask_for() {
    let captures = Captures::new();
    let capture = captures.put("port.pcap", &session("192.0.2.1", "192.0.2.9:2525"));
    let hint = "SMTP was seen on 192.0.2.9:2525 (2 packets); add --port 25,2525 to analyse it";
    for threads in ["1", "2", "8"] {
        let told = judged(&["--threads", threads], &capture);
        assert_eq!(
            told,
            (2, format!("mailtap: nothing was judged: {hint}. --allow-nothing accepts that.\n")),
            "{threads}"
        );
    }
    assert_eq!(judged(&["--port", "25,2525"], &capture), (1, String::new()), "what it says helps");
    assert_eq!(judged(&["--quiet"], &capture).0, 2);
    assert_eq!(judged(&["--allow-nothing"], &capture), (0, format!("mailtap: {hint}\n")));
    let plain = scan(&[], &capture);
    assert_eq!((plain.code(), plain.stderr), (0, format!("mailtap: {hint}\n")), "without --fail-on it is a hint");
    assert!(plain.stdout.contains("  SMTP was seen on 192.0.2.9:2525 (2 packets); analyse it with --port.\n"));
    assert_eq!(scan(&["--quiet"], &capture).stderr, "");
}

#[test]
fn smtp_on_other_ports_is_counted_by_server_whatever_the_threads_and_batches() {
    let captures = Captures::new();
    let mut packets: Vec<Packet> = Vec::new();
    for nth in 0..40 {
        packets.extend(session("192.0.2.1", &format!("198.51.100.{}:587", nth % 3)));
        packets.extend(session("192.0.2.1", "198.51.100.25:25"));
    }
    let capture = captures.put("many.pcap", &packets);
    let expected = json!([
        { "ip": "198.51.100.0", "port": 587, "packets": 28 },
        { "ip": "198.51.100.1", "port": 587, "packets": 26 },
        { "ip": "198.51.100.2", "port": 587, "packets": 26 },
    ]);
    for threads in ["1", "2", "8"] {
        for batch in ["4096", "1048576"] {
            let told = summary(&scan(&["--format", "jsonl", "--threads", threads, "--batch-bytes", batch], &capture));
            assert_eq!(told["smtp_on_other_ports"], expected, "--threads {threads} --batch-bytes {batch}");
            assert_eq!(told["not_analysed"]["other-port-smtp"], 80);
        }
    }
    assert_eq!(judged(&[], &capture).0, 1, "what was judged is judged");
}

#[test]
fn more_servers_than_are_kept_on_other_ports_are_counted_as_a_limit_that_acted() {
    let captures = Captures::new();
    let servers = (0..1100).map(|nth| format!("203.0.{}.{}:587", nth / 256, nth % 256));
    let packets: Vec<Packet> = servers.flat_map(|server| session("192.0.2.1", &server)).collect();
    let capture = captures.put("crowd.pcap", &packets);
    let told = |threads| summary(&scan(&["--format", "jsonl", "--threads", threads], &capture));
    let (one, eight) = (told("1"), told("8"));
    assert_eq!(one["smtp_on_other_ports"].as_array().unwrap().len(), 1024);
    assert_eq!(one["smtp_on_other_ports"][0], json!({ "ip": "203.0.0.0", "port": 587, "packets": 2 }));
    assert_eq!(one["limits_hit"]["servers_on_other_ports"], 2 * (1100 - 1024));
    assert_eq!(one, eight);
    let (_, line) = judged(&[], &capture);
    assert!(line.contains("203.0.0.2:587 (2 packets) and 1021 more; add --port 25,587 to"), "{line}");
}

#[test]
fn a_capture_wholly_inside_a_tunnel_fails_and_says_so() {
    let captures = Captures::new();
    let packets = in_vxlan(&session("192.0.2.1", "192.0.2.9:25"));
    let capture = captures.put("vxlan.pcap", &packets);
    let why = format!(
        "mailtap: nothing was judged: all {} packets were skipped: VXLAN. mailtap does not look inside. Capture \
         where this encapsulation has been removed. --allow-nothing accepts that.\n",
        packets.len()
    );
    assert_eq!(judged(&[], &capture), (2, why));
    assert_eq!(judged(&["--allow-nothing"], &capture), (0, String::new()));
    let plain = scan(&[], &capture);
    assert_eq!((plain.code(), plain.stderr.as_str()), (0, ""));
}

#[test]
fn what_has_no_session_fails_and_one_session_is_enough() {
    let captures = Captures::new();
    let whole = session("192.0.2.1", "192.0.2.9:25");
    let line = |why: &str| (2, format!("mailtap: nothing was judged: {why}. --allow-nothing accepts that.\n"));
    let (empty, syn) = (captures.put("empty.pcap", &[]), captures.put("syn.pcap", &whole[..1]));
    assert_eq!(judged(&[], &empty), line("no packet was read"));
    assert_eq!(judged(&[], &syn), line("the connections to port 25 carried no data"));
    assert_eq!(judged(&["--allow-nothing"], &empty), (0, String::new()));
    let one = captures.put("one.pcap", &whole);
    assert_eq!(judged(&[], &one), (1, String::new()));
    assert_eq!(judged(&["--ignore", "help-exposed"], &one), (0, String::new()));
}

#[test]
fn where_an_input_failed_that_alone_is_told() {
    let captures = Captures::new();
    let capture = captures.put("port.pcap", &session("192.0.2.1", "192.0.2.9:2525"));
    let missing = captures.0.path().join("missing");
    let ran = run(&["scan", "--quiet", "--fail-on", "low", capture.to_str().unwrap(), missing.to_str().unwrap()]);
    assert_eq!((ran.code(), ran.stderr.lines().count()), (2, 1), "{}", ran.stderr);
}

/// What `tshark -Y '!(tcp.port == 25) && tcp.payload matches "^(220[ -]|[EeHhLl][HhEe][Ll][Oo] )"'` counts of captures
/// that others made; it finds nothing in the rest of them.
#[test]
fn of_captures_of_others_as_many_packets_are_noticed_as_tshark_finds() {
    let Some(folder) = support::shared_captures() else { return };
    let found = [("suricata-errors.pcap", 1), ("N-unterminated-line-answered.pcap", 2)];
    for capture in support::files_ending(&folder, &[".pcap", ".pcapng"]) {
        let expected = found.iter().find(|(name, _)| capture.ends_with(name)).map_or(0, |(_, packets)| *packets);
        let told = summary(&scan(&["--quiet", "--format", "jsonl"], &capture));
        let servers = told["smtp_on_other_ports"].as_array().unwrap();
        let noticed: u64 = servers.iter().map(|server| server["packets"].as_u64().unwrap()).sum();
        assert_eq!(noticed, expected, "{}", capture.display());
    }
}
