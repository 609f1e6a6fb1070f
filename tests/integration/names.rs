//! Names in place of servers' addresses (`--server-name`): what is one server, what is found of it again at another
//! address, and what stays apart.

use std::fs;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};

use serde_json::Value;
use synth::{Dialogue, LinkType, Packet, Plan, pcap};

use crate::invariance::{assert_same, scan};
use crate::support::{self, of_type, run};

/// Something is found once per server, and something in each session.
const SAID: &str = "S: 220 mx ESMTP\nC: EHLO a.example\nS: 250 mx\nC: HELP\nS: 214 HELO MAIL RCPT\n\
                    C: MAIL FROM: <a@example.com>\nS: 250 ok\nC: QUIT\nS: 221 bye\n";

/// A session of the client's port with a server there, which begins so many seconds behind the start of all.
fn session(client: u16, address: [u8; 4], port: u16, later: u64) -> Vec<Packet> {
    let plan = Plan::default();
    let plan = plan.clone().seed(client.into()).start(plan.start + later * 1_000_000_000);
    let mut packets = synth::render(&Dialogue::parse(&format!("[{client}]\n{SAID}")).unwrap(), &plan).packets;
    for packet in &mut packets {
        // IPv4 without options on Ethernet: addresses from 26, ports from 34; checksums are not looked at.
        let from_server = packet.bytes[34..36] == 25_u16.to_be_bytes();
        let (ip, tcp) = if from_server { (26, 34) } else { (30, 36) };
        packet.bytes[ip..ip + 4].copy_from_slice(&address);
        packet.bytes[tcp..tcp + 2].copy_from_slice(&port.to_be_bytes());
    }
    packets
}

struct Folder(tempfile::TempDir);

impl Folder {
    fn new() -> Self {
        Folder(tempfile::tempdir().unwrap())
    }

    fn put(&self, name: &str, sessions: &[Vec<Packet>]) -> PathBuf {
        let path = self.0.path().join(name);
        fs::write(&path, pcap::bytes(&sessions.concat(), LinkType::Ethernet, pcap::Format::default())).unwrap();
        path
    }
}

/// What is found, the same for any threads and batches.
fn records(options: &[&str], capture: &Path) -> Vec<Value> {
    let all = ["--records", "findings,sessions,servers,events,summary"];
    let with = |more: &[&str]| scan(&[options, &all[..], more].concat(), &[capture]);
    let expected = with(&["--threads", "1"]);
    for more in [["--threads", "2", "--batch-bytes", "4096"], ["--threads", "8", "--batch-bytes", "70000"]] {
        assert_same(&more.join(" "), &expected, &with(&more));
    }
    support::records(&expected)
}

/// Each server as its record has it: name or null, address, port and sessions.
fn servers(records: &[Value]) -> Vec<String> {
    let server = |record: &&Value| {
        let [name, ip, port, sessions] = ["name", "ip", "port", "sessions"].map(|field| &record[field]);
        format!("{name} {ip} {port} {sessions}")
    };
    of_type(records, "server").iter().map(server).collect()
}

fn count(records: &[Value], check: &str) -> usize {
    of_type(records, "finding").iter().filter(|found| found["check"] == check).count()
}

fn fingerprints(records: &[Value]) -> Vec<String> {
    of_type(records, "finding").iter().map(|found| found["fingerprint"].to_string()).collect()
}

const NAMED: &[&str] = &["--server-name", "192.0.2.0/28=mx-a"];

#[test]
fn a_server_at_two_addresses_is_one_and_its_neighbour_is_not() {
    let folder = Folder::new();
    let sessions = [[192, 0, 2, 1], [192, 0, 2, 15], [192, 0, 2, 16]].into_iter().zip(0_u16..);
    let sessions: Vec<_> = sessions.map(|(at, nth)| session(40_001 + nth, at, 25, u64::from(nth))).collect();
    let capture = folder.put("a.pcap", &sessions);
    let unnamed = records(&[], &capture);
    assert_eq!((servers(&unnamed).len(), count(&unnamed, "answered"), count(&unnamed, "lax-path")), (3, 3, 3));
    let named = records(NAMED, &capture);
    assert_eq!(servers(&named), [r#"null "192.0.2.16" 25 1"#, r#""mx-a" "192.0.2.1" 25 2"#]);
    assert_eq!((count(&named, "answered"), count(&named, "lax-path")), (2, 3), "once per server");
    for record in named.iter().filter(|record| record["server"].is_object()) {
        let server = &record["server"];
        assert_eq!(server["name"] == "mx-a", server["ip"] != "192.0.2.16", "{record}");
        assert!(record["client"].get("name").is_none(), "{record}");
    }
}

#[test]
fn a_server_that_changes_its_address_keeps_its_fingerprints() {
    let folder = Folder::new();
    let [one, other, neighbour] = [("one", 1), ("other", 9), ("neighbour", 77)].map(|(name, last)| {
        let capture = folder.put(name, &[session(40_001, [192, 0, 2, last], 25, 0)]);
        assert!(fingerprints(&records(&[], &capture)).len() > 1);
        (fingerprints(&records(&[], &capture)), fingerprints(&records(NAMED, &capture)))
    });
    assert_ne!(one.0, other.0, "without a name");
    assert_eq!(one.1, other.1);
    assert_ne!(one.1, one.0, "a name is another server than an address");
    assert_eq!(neighbour.0, neighbour.1, "whoever has no name keeps what it had");
}

#[test]
fn two_ports_at_one_address_with_two_names_are_two_servers() {
    let folder = Folder::new();
    let at = [192, 0, 2, 9];
    let capture = folder.put("a.pcap", &[session(40_001, at, 2525, 0), session(40_002, at, 2526, 1)]);
    let ports = ["--port", "2525,2526"];
    let rows = ["--server-name", "192.0.2.9:2525=mx-a", "--server-name", "192.0.2.9:2526=mx-b,192.0.2.0/24=others"];
    let named = records(&[&ports[..], &rows].concat(), &capture);
    assert_eq!(servers(&named), [r#""mx-a" "192.0.2.9" 2525 1"#, r#""mx-b" "192.0.2.9" 2526 1"#]);
    let prints = fingerprints(&named);
    assert_eq!(prints.iter().collect::<std::collections::BTreeSet<_>>().len(), prints.len(), "all of them differ");
    // Behind another address the same two are known again.
    let moved = [203, 0, 113, 7];
    let capture = folder.put("b.pcap", &[session(40_001, moved, 2525, 0), session(40_002, moved, 2526, 1)]);
    let rows = ["--server-name", "203.0.113.7:2525=mx-a,203.0.113.7:2526=mx-b"];
    assert_eq!(fingerprints(&records(&[&ports[..], &rows].concat(), &capture)), prints);
}

#[test]
fn where_files_are_treated_alone_a_name_is_told_in_each() {
    let folder = Folder::new();
    for (nth, last) in [(0, 1), (1, 2)] {
        folder.put(&format!("{nth}.pcap"), &[session(40_001 + nth, [192, 0, 2, last], 25, nth.into())]);
    }
    let named = records(&[NAMED, &["--separate"]].concat(), folder.0.path());
    assert_eq!(servers(&named), [r#""mx-a" "192.0.2.1" 25 1"#, r#""mx-a" "192.0.2.2" 25 1"#]);
}

#[test]
fn the_text_report_calls_a_server_by_its_name() {
    let folder = Folder::new();
    let sessions = [session(40_001, [192, 0, 2, 1], 25, 0), session(40_002, [192, 0, 2, 2], 25, 1)];
    let capture = folder.put("a.pcap", &sessions);
    let text = run(&[&["scan"], NAMED, &[capture.to_str().unwrap()]].concat()).stdout;
    let rows: Vec<_> = text.lines().filter(|line| line.contains(" mx-a:25 ")).collect();
    let [row] = rows.as_slice() else { panic!("one row: {text}") };
    assert!(row.split_whitespace().any(|word| word == "2"), "sessions of both: {text}");
    assert!(!text.contains("192.0.2.1:25") && !text.contains("192.0.2.2:25"), "{text}");
}

#[test]
fn what_is_no_name_is_refused_in_one_line() {
    for (row, told) in [
        ("192.0.2.1=mx a", "'mx a' is not a name for a server: use 1 to 64 printable ASCII characters"),
        ("192.0.2.1=", "'' is not a name for a server"),
        ("192.0.2.1=mx/a", "'mx/a' is not a name for a server"),
        ("192.0.2.1=m\u{fc}", "is not a name for a server"),
        ("192.0.2.1=a=b", "'a=b' is not a name for a server"),
        ("192.0.2.1=192.0.2.2", "'192.0.2.2' is not a name for a server"),
        ("192.0.2.1", "expected NET=NAME, such as 192.0.2.0/24=mx-a"),
        ("192.0.2.1:0=a", "'192.0.2.1:0': expected a network, an address or ADDRESS:PORT"),
        ("mx-a=192.0.2.1", "'mx-a': expected a network, an address or ADDRESS:PORT"),
    ] {
        let ran = run(&["scan", "--server-name", row, "testdata/session/starttls.pcap"]);
        assert_eq!((ran.code(), ran.stdout.as_str()), (2, ""));
        let first = ran.stderr.lines().next().unwrap_or_default();
        assert!(first.contains("--server-name") && first.contains(told), "{row}: {first}");
    }
    let long = format!("{}=x", Ipv4Addr::LOCALHOST).replace('x', &"x".repeat(65));
    assert_eq!(run(&["scan", "--server-name", &long, "testdata/session/starttls.pcap"]).code(), 2);
}
