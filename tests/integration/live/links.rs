//! Interfaces of every kind: two legs of a tap, `any`, frames with VLAN tags.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::thread::sleep;
use std::time::Duration;

use serde_json::Value;
use synth::{Dialogue, Plan, pcap as writer, render};

use super::replay::told;
use super::{Ended, Net, Watching, found, writable};
use crate::support::{files_ending, package, records, run};

const MAIL: &str = "testdata/servers/exim-4.96/help.pcap";
const RECORDS: &str = "findings,sessions,servers,events,summary";

/// Watches with these options, and sends the capture that way.
fn watched(net: &Net, options: &[&str], send: impl FnOnce()) -> Ended {
    let mut command = net.command(env!("CARGO_BIN_EXE_mailtap"));
    command.args(["watch", "--format", "jsonl", "--strict-sandbox", "--records", RECORDS]).args(options);
    let watching = Watching::start(command);
    watching.read();
    send();
    sleep(Duration::from_millis(300));
    let ended = watching.end();
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    assert_eq!(ended.records().last().unwrap()["capture_dropped"], 0, "{}", ended.stderr);
    ended
}

/// What was told alive is what the file's scan tells.
fn same(live: &[Value], capture: &Path) {
    let scanned = run(&["scan", "--format", "jsonl", "--records", RECORDS, capture.to_str().unwrap()]);
    let (live, file) = (told(live), told(&records(&scanned.stdout)));
    assert!(!file["finding"].is_empty(), "{}", capture.display());
    let mut wrong = Vec::new();
    for what in file.keys().chain(live.keys()) {
        let [file, live] = [&file, &live].map(|told| told.get(what).cloned().unwrap_or_default());
        if let Some(nth) = (0..file.len().max(live.len())).find(|&nth| file.get(nth) != live.get(nth)) {
            wrong.push(format!("{what} {nth}:\n  scanned {:?}\n  watched {:?}", file.get(nth), live.get(nth)));
        }
    }
    assert!(wrong.is_empty(), "{} differ\n{}", wrong.len(), wrong.join("\n"));
}

/// The dialogues of the rules one behind the other, each with ports of its own: client and server take turns every
/// millisecond.
fn many_turns(to: &Path) {
    let mut packets = Vec::new();
    let mut start = synth::plan::START;
    for dialogue in files_ending(&package().join("testdata/rules"), &[".fires.smtp"]).into_iter().step_by(2) {
        let text = std::fs::read_to_string(&dialogue).unwrap();
        let rendered = render(&Dialogue::parse(&text).unwrap(), &Plan::new().acks(synth::Acks::Piggyback).start(start));
        let last = rendered.packets.iter().map(|packet| packet.time).max().unwrap();
        // What waits long in the dialogue would be waited for here.
        if rendered.packets.len() < 60 && last - start < 200_000_000 {
            start = last + 3_000_000;
            packets.extend(rendered.packets);
        }
    }
    std::fs::write(to, writer::bytes(&packets, synth::LinkType::Ethernet, writer::Format::default())).unwrap();
}

#[test]
fn two_legs_of_a_tap_are_one_link() {
    let Some(net) = Net::new() else { return };
    net.run(&["ip", "link", "add", "here2", "type", "veth", "peer", "name", "there2"]);
    for interface in ["here2", "there2"] {
        net.run(&["ip", "link", "set", interface, "up"]);
    }
    let folder = writable();
    let [capture, legs] = ["turns.pcap", "turns.legs"].map(|name| folder.path().join(name));
    many_turns(&capture);
    net.run(&["tcpprep", "--port", "--pcap", capture.to_str().unwrap(), "--cachefile", legs.to_str().unwrap()]);
    let ended = watched(&net, &["-i", "there", "-i", "there2"], || {
        net.replay(&["--intf2=here2", "--cachefile", legs.to_str().unwrap()], &capture);
    });
    let records = ended.records();
    let captures = records.last().unwrap()["captures"].as_array().unwrap().clone();
    let packets: Vec<_> = captures.iter().map(|capture| capture["packets"].as_u64().unwrap()).collect();
    println!("{packets:?} packets, {} behind the clock", records.last().unwrap()["time_backwards"]);
    assert!(packets.len() == 2 && packets.iter().all(|&packets| packets > 100), "{packets:?}");
    assert_eq!(records.last().unwrap()["time_backwards"], 0, "the legs are put in order");
    // What a server's greeting completes was found on the server's leg, which is the second one's.
    let findings = records.iter().filter(|record| record["rule"] == "bad-greeting");
    let legs: BTreeSet<&str> = findings.map(|finding| finding["interface"].as_str().unwrap()).collect();
    assert_eq!(legs, BTreeSet::from(["there2"]));
    same(&records, &capture);
}

#[test]
fn any_interface_is_listened_on_at_once() {
    let Some(net) = Net::new() else { return };
    let client = net.apart();
    let ended = watched(&net, &["-i", "any"], || client.replay(&["--topspeed"], MAIL));
    assert!(ended.stderr.contains("any: libpcap cannot filter behind VLAN tags"), "{}", ended.stderr);
    same(&ended.records(), Path::new(MAIL));
}

#[test]
fn what_passes_two_interfaces_is_found_once() {
    let Some(net) = Net::new() else { return };
    let ended = watched(&net, &["-i", "any", "--bpf", ""], || net.replay(&["--topspeed"], MAIL));
    assert_eq!(found(&ended.records()), ["help-exposed/answered", "help-exposed/advertised"]);
    let once = run(&["scan", "--format", "jsonl", MAIL]).records().last().unwrap()["packets"].as_u64().unwrap();
    assert_eq!(ended.records().last().unwrap()["packets"], 2 * once);
}

/// The capture with these tags in each frame.
fn tagged(folder: &Path, tags: &[[u8; 4]]) -> PathBuf {
    let path = folder.join(format!("{}.pcap", tags.len()));
    let mut plain = pcap::Capture::from_file(MAIL).unwrap();
    let mut out = pcap::Capture::dead(pcap::Linktype::ETHERNET).unwrap().savefile(&path).unwrap();
    while let Ok(packet) = plain.next_packet() {
        let mut frame = packet.data.to_vec();
        frame.splice(12..12, tags.concat());
        let length = u32::try_from(frame.len()).unwrap();
        let header = pcap::PacketHeader { caplen: length, len: length, ..*packet.header };
        out.write(&pcap::Packet { header: &header, data: &frame });
    }
    path
}

#[test]
fn frames_with_tags_pass_the_default_filter() {
    let Some(net) = Net::new() else { return };
    let folder = writable();
    let (customer, service) = ([0x81, 0, 0, 7], [0x88, 0xa8, 0, 9]);
    for tags in [&[customer][..], &[service], &[service, customer], &[service, service, customer]] {
        let capture = tagged(folder.path(), tags);
        for interface in ["there", "any"] {
            let ended = watched(&net, &["-i", interface], || net.replay(&["--topspeed"], &capture));
            let found = found(&ended.records());
            assert_eq!(found, ["help-exposed/answered", "help-exposed/advertised"], "{tags:x?} on {interface}");
            if interface == "there" {
                same(&ended.records(), &capture);
            }
        }
    }
}
