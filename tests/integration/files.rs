//! Several files: the order in which they are read, what carries on from one into the next, and what does not.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;
use synth::{Dialogue, LinkType, Packet, Plan, pcap};

use crate::invariance::scan;
use crate::support;

const HELP: &str = "S: 220 mx ESMTP\nC: HELP\nS: 214 HELO MAIL RCPT\nC: QUIT\nS: 221 bye\n";

fn rendered(text: &str, plan: &Plan) -> Vec<Packet> {
    synth::render(&Dialogue::parse(text).unwrap(), plan).packets
}

/// A folder of captures.
struct Folder(tempfile::TempDir);

impl Folder {
    fn new() -> Self {
        Folder(tempfile::tempdir().unwrap())
    }

    fn put(&self, name: &str, packets: &[Packet], link: LinkType) -> PathBuf {
        let path = self.0.path().join(name);
        fs::write(&path, pcap::bytes(packets, link, pcap::Format::default())).unwrap();
        path
    }
}

fn records(options: &[&str], paths: &[&Path]) -> Vec<Value> {
    support::records(&scan(options, paths))
}

/// One word for each session: how it ended, and how many commands it had.
fn sessions(records: &[Value]) -> Vec<String> {
    let session = |session: &&Value| format!("{} {}", session["closed"].as_str().unwrap(), session["commands"]);
    support::of_type(records, "session").iter().map(session).collect()
}

#[test]
fn each_file_alone_gives_what_it_gives_without_the_others() {
    let mut folders = vec![support::package().join("testdata")];
    folders.extend(support::shared_captures().map(|folder| folder.join("smtp")));
    let files: Vec<PathBuf> =
        folders.iter().flat_map(|folder| support::files_ending(folder, &[".pcap", ".pcapng"])).collect();
    let paths: Vec<&Path> = files.iter().map(PathBuf::as_path).collect();
    let mut of_file = support::by_capture(&scan(&["--separate"], &paths));
    let mut compared = 0;
    for path in paths {
        let name = path.to_str().unwrap();
        let alone = support::by_capture(&scan(&[], &[path])).remove(name);
        compared += alone.as_ref().map_or(0, Vec::len);
        assert_eq!(alone, of_file.remove(name), "{name}");
    }
    assert!(compared > 1000 && of_file.is_empty());
}

#[test]
fn the_order_of_arguments_changes_nothing() {
    let folder = Folder::new();
    let packets = rendered(HELP, &Plan::new().mss(5));
    let parts: Vec<PathBuf> = (0..)
        .zip(pcap::split(&packets, 3))
        .map(|(number, part)| folder.put(&format!("{}.pcap", 9 - number), part, LinkType::Ethernet))
        .collect();
    let paths = |order: [usize; 3]| order.map(|number| parts[number].as_path());
    let expected = scan(&[], &paths([0, 1, 2]));
    for order in [[0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]] {
        assert_eq!(scan(&[], &paths(order)), expected);
    }
    assert_eq!(sessions(&support::records(&expected)), ["fin 2"]);
}

#[test]
fn a_connection_goes_on_in_a_capture_of_another_link_type() {
    let folder = Folder::new();
    let (ethernet, raw) = (rendered(HELP, &Plan::new()), rendered(HELP, &Plan::new().link(LinkType::Raw)));
    let middle = ethernet.len() / 2;
    let first = folder.put("first.pcap", &ethernet[..middle], LinkType::Ethernet);
    let second = folder.put("second.pcap", &raw[middle..], LinkType::Raw);
    assert_eq!(sessions(&records(&[], &[&first, &second])), ["fin 2"]);
}

#[test]
fn captures_without_packets_between_others_change_no_frame() {
    let folder = Folder::new();
    let packets = rendered(HELP, &Plan::new());
    let parts = pcap::split(&packets, 2);
    let first = folder.put("b.pcap", parts[0], LinkType::Ethernet);
    let second = folder.put("c.pcap", parts[1], LinkType::Ethernet);
    let mut empties = Vec::new();
    for name in ["a.pcap", "bb.pcap", "d.pcap"] {
        empties.push(folder.put(name, &[], LinkType::Ethernet));
    }
    let without = records(&[], &[&first, &second]);
    let all: Vec<&Path> = [&first, &second].into_iter().chain(&empties).map(PathBuf::as_path).collect();
    let with = records(&[], &all);
    let kept = |records: &[Value]| -> Vec<Value> {
        records.iter().filter(|record| record["type"] != "summary" && record["type"] != "start").cloned().collect()
    };
    assert_eq!(kept(&without), kept(&with));
    let finding = support::of_type(&with, "finding")[0];
    let last = &finding["packets"].as_array().unwrap().last().unwrap();
    let capture = Path::new(last["capture"].as_str().unwrap()).file_name().unwrap().to_str().unwrap();
    let frame = usize::try_from(last["frame"].as_u64().unwrap()).unwrap();
    let part = if capture == "b.pcap" { parts[0] } else { parts[1] };
    let carries = |needle: &[u8]| part[frame - 1].bytes.windows(needle.len()).any(|window| window == needle);
    assert!(carries(b"214 HELO"), "the finding names the packet with the reply");
}

#[test]
fn what_ends_with_a_file_that_is_treated_alone_is_told_before_what_the_next_one_brings() {
    let folder = Folder::new();
    let open = "[40001 open]\nS: 220 first\nC: NOOP\n";
    let first = folder.put("a.pcap", &rendered(open, &Plan::new()), LinkType::Ethernet);
    let other = Plan::new().link(LinkType::Raw).start(synth::plan::START + 60_000_000_000);
    let second =
        folder.put("b.pcap", &rendered("[40002]\nS: 220 second\nC: QUIT\nS: 221 bye\n", &other), LinkType::Raw);
    let records = records(&["--separate"], &[&first, &second]);
    let kinds: Vec<&str> = records.iter().filter_map(|record| record["type"].as_str()).collect();
    let end = kinds.iter().position(|kind| *kind == "session").unwrap();
    let greeting = records.iter().position(|record| record["lines"][0] == "second").unwrap();
    assert!(end < greeting, "{kinds:?}");
    assert_eq!(sessions(&records), ["end-of-capture 1", "fin 1"]);
}
