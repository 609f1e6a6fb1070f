//! tshark as the witness: every packet of the shared captures, field by field.
#![expect(clippy::print_stdout, reason = "a skipped test says why")]
#![expect(clippy::arithmetic_side_effects, reason = "small numbers of a test")]

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use rayon::prelude::*;

use super::*;
use crate::base::{Limits, Ordinal, Time, Timeouts};
use crate::defrag::Defrag;

/// The fields asked of tshark, in the order of [`Seen`].
const FIELDS: [&str; 15] = [
    "frame.protocols",
    "ip.src",
    "ipv6.src",
    "ip.dst",
    "ipv6.dst",
    "tcp.srcport",
    "tcp.dstport",
    "tcp.seq_raw",
    "tcp.ack_raw",
    "tcp.flags",
    "tcp.len",
    "tcp.payload",
    "ip.proto",
    "ip.flags.mf",
    "ip.frag_offset",
];

/// What tshark says of one packet; of fields that occur more than once, the outermost.
struct Seen(Vec<String>);

impl Seen {
    fn get(&self, field: &str) -> &str {
        let place = FIELDS.iter().position(|&known| known == field).unwrap();
        &self.0[place]
    }

    /// The protocols behind the link layer and its tags, the outermost first.
    fn layers(&self) -> Vec<&str> {
        const LINK: [&str; 8] = ["eth", "sll", "null", "raw", "ethertype", "vlan", "llc", "ieee8021ad"];
        self.get("frame.protocols").split(':').skip_while(|layer| LINK.contains(layer)).collect()
    }

    /// An IP fragment; the last one of a datagram shows what was put together, like a whole one.
    fn is_fragment(&self) -> bool {
        matches!(self.get("ip.flags.mf"), "1" | "True") || !matches!(self.get("ip.frag_offset"), "" | "0")
    }
}

/// What should come of a packet by tshark's word: `segment`, `fragment`, or the keys of fitting reasons.
fn expected(seen: &Seen, link_type: LinkType) -> Vec<&'static str> {
    const NOT_TCP: &[&str] = &["not-tcp"];
    // By its port alone; tshark looks at the content too.
    const UDP: &[&str] = &["not-tcp", "vxlan", "geneve", "teredo", "gtp", "gre"];
    if !is_supported(link_type) {
        return vec!["unsupported-link-type"];
    }
    let layers = seen.layers();
    let inner =
        layers.iter().copied().find(|layer| !layer.starts_with("ipv6.") && !matches!(*layer, "ip" | "ipv6" | "ah"));
    let depth = layers.iter().take_while(|layer| matches!(**layer, "ip" | "ipv6")).count();
    match (layers.first().copied(), depth, inner) {
        (Some("mpls"), ..) => vec!["mpls"],
        (Some("pppoes" | "pppoed"), ..) => vec!["pppoe"],
        (Some("etag"), ..) => vec!["etag"],
        (Some("vntag"), ..) => vec!["vntag"],
        (_, 2.., _) => vec!["ip-in-ip"],
        (_, 0, _) => vec!["not-ip"],
        (_, _, Some("tcp" | "data")) if seen.is_fragment() && seen.get("ip.proto") == "6" => vec!["fragment"],
        (_, _, Some("tcp")) => vec!["segment"],
        (_, _, Some("gre")) => vec!["gre"],
        (_, _, Some("esp")) => vec!["esp"],
        (_, _, Some("udp")) => match layers.iter().find_map(|layer| match *layer {
            "vxlan" => Some("vxlan"),
            "geneve" => Some("geneve"),
            "teredo" => Some("teredo"),
            "gre" => Some("gre"),
            "gtp" => Some("gtp"),
            _ => None,
        }) {
            Some(tunnel) => vec![tunnel],
            None => UDP.to_vec(),
        },
        _ => NOT_TCP.to_vec(),
    }
}

/// The segment, written as tshark's fields would be.
fn fields_of(segment: &Segment<'_>) -> Vec<(&'static str, String)> {
    let (from, to) = (segment.flow.end(segment.from), segment.flow.end(segment.from.other()));
    let six = from.ip.is_ipv6();
    let payload = segment.payload.iter().fold(String::new(), |mut hex, octet| {
        write!(hex, "{octet:02x}").unwrap();
        hex
    });
    let length = segment.payload.len() + segment.missing as usize;
    let mut fields = vec![
        (if six { "ipv6.src" } else { "ip.src" }, from.ip.to_string()),
        (if six { "ipv6.dst" } else { "ip.dst" }, to.ip.to_string()),
        ("tcp.srcport", from.port.to_string()),
        ("tcp.dstport", to.port.to_string()),
        ("tcp.seq_raw", segment.seq.to_string()),
        ("tcp.len", length.to_string()),
        ("tcp.payload", payload),
    ];
    fields.extend(segment.ack.map(|ack| ("tcp.ack_raw", ack.to_string())));
    fields
}

/// SYN, FIN, RST, and whether ACK is set.
fn flags_of(seen: &Seen) -> (Flags, bool) {
    let bits = u16::from_str_radix(seen.get("tcp.flags").trim_start_matches("0x"), 16).unwrap_or(0);
    (Flags { fin: bits & 1 != 0, syn: bits & 2 != 0, rst: bits & 4 != 0 }, bits & 16 != 0)
}

/// Where tshark and the decoder differ over a capture, a line each, and how many segments were compared.
fn differences(path: &Path) -> (Vec<String>, usize) {
    let name = path.file_name().unwrap().to_string_lossy();
    let witness = tshark(path);
    let ports = Ports::new(0..=u16::MAX);
    let mut defrag = Defrag::new(&Limits::default(), &Timeouts::default());
    let mut capture = pcap::Capture::from_file(path).unwrap();
    let link_type = LinkType(u16::try_from(capture.get_datalink().0).unwrap());
    let (mut different, mut segments, mut frame) = (Vec::new(), 0, 0);
    while let Ok(packet) = capture.next_packet() {
        let seen = &witness[frame];
        frame += 1;
        let at = Moment { ordinal: Ordinal::of(frame as u64), time: Time::default() };
        let decoded = decoded(link_type, packet.data, packet.header.len, &ports);
        let (kind, segment, datagram);
        match decoded {
            Decoded::Segment(whole) => (kind, segment) = ("segment", Some(whole)),
            Decoded::Fragment(part) => {
                kind = "fragment";
                datagram = defrag.fragment(&part, at);
                segment = datagram.as_ref().and_then(|datagram| match decode_datagram(datagram, &ports) {
                    Decoded::Segment(whole) => Some(whole),
                    _ => None,
                });
            }
            Decoded::Skipped(skip) => (kind, segment) = (skip.reason.key(), None),
        }
        let expected = expected(seen, link_type);
        if !expected.contains(&kind) {
            different.push(format!("{name} {frame}: {kind}, not {expected:?}: {}", seen.get("frame.protocols")));
        }
        // A fragment that completes nothing shows no TCP in tshark either.
        if segment.is_some() != (!seen.get("tcp.srcport").is_empty() && matches!(kind, "segment" | "fragment")) {
            different.push(format!("{name} {frame}: a segment for one of us: {decoded:?}"));
        }
        let Some(segment) = segment else { continue };
        segments += 1;
        for (field, ours) in fields_of(&segment) {
            if seen.get(field) != ours {
                different.push(format!("{name} {frame}: {field} {ours}, not {}", seen.get(field)));
            }
        }
        if (segment.flags, segment.ack.is_some()) != flags_of(seen) {
            different.push(format!("{name} {frame}: {:?}, not {}", segment.flags, seen.get("tcp.flags")));
        }
    }
    if frame != witness.len() {
        different.push(format!("{name}: {frame} packets, not {}", witness.len()));
    }
    (different, segments)
}

/// tshark's word on each packet of a capture.
fn tshark(path: &Path) -> Vec<Seen> {
    let fields = FIELDS.iter().flat_map(|field| ["-e", field]);
    let output = Command::new("tshark")
        .args(["-n", "-r"])
        .arg(path)
        .args(["-o", "tcp.relative_sequence_numbers:FALSE", "-o", "ip.defragment:TRUE"])
        .args(["-T", "fields", "-E", "occurrence=f"])
        .args(fields)
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    text.lines().map(|line| Seen(line.split('\t').map(str::to_owned).collect())).collect()
}

fn captures() -> Vec<PathBuf> {
    let shared = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/captures");
    let mut paths: Vec<PathBuf> = ["smtp", "mta", "link"]
        .iter()
        .filter_map(|folder| std::fs::read_dir(shared.join(folder)).ok())
        .flatten()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "pcap" || extension == "pcapng"))
        .collect();
    paths.sort();
    paths
}

#[test]
fn every_packet_of_the_shared_captures_is_what_tshark_says() {
    let paths = captures();
    if paths.is_empty() {
        println!("skipped: ../shared/captures is not there");
        return;
    }
    if Command::new("tshark").arg("--version").output().is_err() {
        println!("skipped: tshark is not installed");
        return;
    }
    let results: Vec<(Vec<String>, usize)> = paths.par_iter().map(|path| differences(path)).collect();
    let different: Vec<String> = results.iter().flat_map(|(lines, _)| lines).cloned().collect();
    assert!(different.is_empty(), "{} differences:\n{}", different.len(), different.join("\n"));
    let segments: usize = results.iter().map(|(_, segments)| segments).sum();
    println!("{} captures, {segments} segments", paths.len());
    assert!(segments > 5000, "only {segments} segments were compared");
}
