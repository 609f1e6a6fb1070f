//! Offline equals live: what a capture's packets give when they come over an interface is what they give when the file
//! is scanned.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Mutex;
use std::time::Duration;

use serde_json::Value;

use super::Net;
use crate::support::{files_ending, of_type, package, records, run, shared_captures};

/// Pauses are cut to this, in microseconds.
const LONGEST_PAUSE: i64 = 10_000_000;
/// So many captures are replayed at a time: most of the time they wait for their own next packet.
const AT_ONCE: usize = 32;
/// So often a capture that differs is replayed alone.
const TRIED_AGAIN: usize = 3;
const ETHERNET: i32 = 1;
/// A frame longer than this does not fit through the interface: the MTU and an Ethernet header.
const LONGEST_FRAME: u32 = 65_535 + 14;

#[test]
fn a_replayed_capture_gives_what_its_file_gives() {
    let Some(first) = Net::new() else { return };
    let nets: Vec<Net> = std::iter::once(first).chain((1..AT_ONCE).filter_map(|_| Net::new())).collect();
    let folder = tempfile::tempdir().unwrap();
    let mut captures = files_ending(&package().join("testdata"), &[".pcap", ".pcapng"]);
    if let Some(shared) = shared_captures() {
        captures.extend(files_ending(&shared.join("smtp"), &[".pcap", ".pcapng"]));
    }
    let left = Mutex::new(captures.iter().enumerate());
    let (replayed, left_out, differ) = (Mutex::new((0, 0)), Mutex::new(Vec::new()), Mutex::new(Vec::new()));
    std::thread::scope(|scope| {
        for net in &nets {
            scope.spawn(|| {
                loop {
                    let Some((nth, capture)) = left.lock().unwrap().next() else { break };
                    let copy = folder.path().join(format!("{nth}.pcap"));
                    if let Err(why) = cut_pauses(capture, &copy) {
                        left_out.lock().unwrap().push((capture.clone(), why));
                        continue;
                    }
                    let compared = replay(net, &copy);
                    let mut replayed = replayed.lock().unwrap();
                    replayed.0 += 1;
                    match compared {
                        Ok(records) => replayed.1 += records,
                        Err(differs) => differ.lock().unwrap().push((capture, copy, differs)),
                    }
                }
            });
        }
    });
    for (capture, why) in left_out.into_inner().unwrap() {
        println!("not replayed: {}: {why}", capture.display());
    }
    let ((replayed, records), differ) = (replayed.into_inner().unwrap(), differ.into_inner().unwrap());
    println!("{replayed} captures replayed, {records} records compared");
    assert!(replayed > 700 && records > 10 * replayed, "too little was replayed");
    // Where the machine is busy a sender is late, and pauses are no longer those of the file: what differs is sent again,
    // with nobody beside it. One that differs for any other reason does so again.
    assert!(differ.len() <= replayed / 10, "{} of {replayed} captures differ: {differ:?}", differ.len());
    let mut wrong = Vec::new();
    for (capture, copy, differs) in differ {
        let again: Vec<String> = (0..TRIED_AGAIN).map_while(|_| replay(&nets[0], &copy).err()).collect();
        if again.len() == TRIED_AGAIN {
            wrong.push(format!("{}: {differs}\nthen {}", capture.display(), again.join("\nthen ")));
        } else {
            println!("{} differed where others were sent beside it: {differs}", capture.display());
        }
    }
    assert!(wrong.is_empty(), "{} of {replayed} captures differ:\n{}", wrong.len(), wrong.join("\n"));
}

/// Writes the capture with no pause longer than that; refuses what cannot be sent as it was.
fn cut_pauses(capture: &Path, copy: &Path) -> Result<(), String> {
    let mut packets = pcap::Capture::from_file(capture).map_err(|error| error.to_string())?;
    if packets.get_datalink().0 != ETHERNET {
        return Err(format!("link type {}", packets.get_datalink().0));
    }
    let mut out = pcap::Capture::dead(pcap::Linktype(ETHERNET)).unwrap().savefile(copy).unwrap();
    let (mut last, mut shift, mut any) = (None, 0, false);
    loop {
        let packet = match packets.next_packet() {
            Ok(packet) => packet,
            Err(pcap::Error::NoMorePackets) => break,
            Err(error) => return Err(error.to_string()),
        };
        let mut header = *packet.header;
        if header.caplen != header.len {
            return Err("cut packets".to_owned());
        }
        if header.len > LONGEST_FRAME {
            return Err(format!("a frame of {} octets", header.len));
        }
        let time = header.ts.tv_sec * 1_000_000 + header.ts.tv_usec;
        let pause = time - last.unwrap_or(time);
        shift += (pause - LONGEST_PAUSE).max(0);
        last = Some(time);
        (header.ts.tv_sec, header.ts.tv_usec) =
            ((time - shift).div_euclid(1_000_000), (time - shift).rem_euclid(1_000_000));
        out.write(&pcap::Packet { header: &header, data: packet.data });
        any = true;
    }
    out.flush().map_err(|error| error.to_string())?;
    if any { Ok(()) } else { Err("no packet".to_owned()) }
}

const RECORDS: &str = "findings,sessions,servers,events,summary";

/// Sends the copy's packets, and compares what was told of them with what a scan of the copy tells: so many records.
fn replay(net: &Net, copy: &Path) -> Result<usize, String> {
    let watching = net.watch(&["--format", "jsonl", "--records", RECORDS, "--buffer", "8MiB", "--threads", "1"]);
    // Its usual timer waits in a loop, and two dozen at a time would keep each other from sending in time.
    net.run(&["tcpreplay", "--quiet", "--timer=nano", "--intf1=here", copy.to_str().unwrap()]);
    std::thread::sleep(Duration::from_millis(300));
    let ended = watching.end();
    let scanned = run(&["scan", "--format", "jsonl", "--records", RECORDS, copy.to_str().unwrap()]);
    let (live, file) = (ended.records(), records(&scanned.stdout));
    let summary = of_type(&live, "summary")[0];
    if ended.code != Some(0) || summary["capture_dropped"] != 0 {
        return Err(format!("exit {:?}, {} dropped: {}", ended.code, summary["capture_dropped"], ended.stderr));
    }
    let (live, file) = (told(&live), told(&file));
    for (what, lines) in &file {
        let other = live.get(what).cloned().unwrap_or_default();
        if let Some(nth) = (0..lines.len().max(other.len())).find(|&nth| lines.get(nth) != other.get(nth)) {
            let show = |lines: &[String]| lines.get(nth).cloned().unwrap_or_else(|| "nothing".to_owned());
            return Err(format!("{what} {nth}:\n  scanned {}\n  watched {}", show(lines), show(&other)));
        }
    }
    match live.keys().find(|what| !file.contains_key(*what)) {
        Some(what) => Err(format!("{what} of which the scan knows nothing")),
        None => Ok(file.values().map(Vec::len).sum()),
    }
}

/// What names this run, or this copy of the packets.
const OF_THE_RUN: &[&str] = &[
    "interface",
    "session",
    "capture",
    "last_capture",
    "first_frame",
    "last_frame",
    "start",
    "end",
    "closed",
    "time",
    "frame",
    "packets",
    "wireshark_filter",
    "first_seen",
    "last_seen",
];

/// The records but for what names the run: events in their order within a connection, the last record of each server,
/// the others sorted.
pub(super) fn told(records: &[Value]) -> BTreeMap<String, Vec<String>> {
    let mut told: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for record in records {
        let kind = record["type"].as_str().unwrap();
        let of = match kind {
            "start" | "stats" | "summary" => continue,
            "finding" | "session" => kind.to_owned(),
            "server" => format!("server {}:{}", record["ip"], record["port"]),
            _ => format!("event of {} to {}", record["client"], record["server"]),
        };
        let mut record = record.clone();
        let fields = record.as_object_mut().unwrap();
        fields.retain(|name, _| !OF_THE_RUN.contains(&name.as_str()) || (kind == "data" && name == "end"));
        let lines = told.entry(of).or_default();
        if kind == "server" {
            lines.clear();
        }
        lines.push(record.to_string());
    }
    for kind in ["finding", "session"] {
        told.entry(kind.to_owned()).or_default().sort();
    }
    told
}
