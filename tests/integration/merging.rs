//! Captures that overlap in time: taps, queues, pieces whose edges cross, and captures that have nothing to do with each
//! other. What is found is what the whole gives, or each alone, for any number of threads.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;
use synth::{Dialogue, LinkType, Packet, Plan, pcap};

use crate::invariance::{assert_same, scan};
use crate::support;

/// A session in which something is found each time, and the server is asked for help.
const SAID: &str = "S: 220 mx ESMTP\nC: EHLO a.example\nS: 250 mx\nC: HELP\nS: 214 HELO MAIL RCPT\n\
                    C: MAIL FROM: <a@example.com>\nS: 250 ok\nC: QUIT\nS: 221 bye\n";
const SECOND: u64 = 1_000_000_000;
const YEAR: u64 = 365 * 86_400 * SECOND;

/// The packets of one session of the client's port, which begins so many nanoseconds behind the start of all.
fn session(port: u16, seed: u64, plan: &Plan, later: u64) -> Vec<Packet> {
    let plan = plan.clone().seed(seed).start(plan.start + later);
    synth::render(&Dialogue::parse(&format!("[{port}]\n{SAID}")).unwrap(), &plan).packets
}

/// So many sessions that go on at the same time, in the order of time.
fn sessions(count: u16, plan: &Plan) -> Vec<Packet> {
    let one = |nth: u16| session(40_000 + nth, u64::from(nth) + 1, plan, u64::from(nth) * plan.pace * 3 / 2 + 1000);
    in_time((0..count).flat_map(one).collect())
}

fn in_time(mut packets: Vec<Packet>) -> Vec<Packet> {
    packets.sort_by_key(|packet| packet.time);
    packets
}

/// The ports of an IPv4 packet on Ethernet.
fn ports(packet: &Packet) -> (u16, u16) {
    let port = |from: usize| u16::from_be_bytes([packet.bytes[from], packet.bytes[from + 1]]);
    (port(34), port(36))
}

fn clients(packet: &Packet) -> u16 {
    let (from, to) = ports(packet);
    if to == 25 { from } else { to }
}

/// A folder of captures.
struct Folder(tempfile::TempDir);

impl Folder {
    fn new() -> Self {
        Folder(tempfile::tempdir().unwrap())
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    fn put(&self, name: &str, packets: &[Packet]) -> PathBuf {
        let path = self.path().join(name);
        let format = pcap::Format { nanoseconds: true, ..pcap::Format::default() };
        fs::write(&path, pcap::bytes(packets, LinkType::Ethernet, format)).unwrap();
        path
    }

    /// Puts the packets into so many files.
    fn rotate(&self, name: &str, packets: &[Packet], files: usize) {
        for (nth, part) in pcap::split(packets, files).into_iter().enumerate() {
            self.put(&format!("{name}-{nth}.pcap"), part);
        }
    }

    /// Puts a packed copy in the place of a file of it.
    fn pack(&self, name: &str) {
        let path = &self.path().join(name);
        let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        packed.write_all(&fs::read(path).unwrap()).unwrap();
        fs::write(path.with_extension("gz"), packed.finish().unwrap()).unwrap();
        fs::remove_file(path).unwrap();
    }
}

/// Everything that is found, the same for any threads and batches.
fn records(paths: &[&Path]) -> Vec<Value> {
    let expected = scan(&["--threads", "1"], paths);
    for options in [["--threads", "2", "--batch-bytes", "4096"], ["--threads", "8", "--batch-bytes", "70000"]] {
        assert_same(&options.join(" "), &expected, &scan(&options, paths));
    }
    support::records(&expected)
}

/// Sessions and findings without what names captures and frames, sorted.
fn found(records: &[Value]) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    for record in records.iter().filter(|record| record["type"] == "finding" || record["type"] == "session") {
        let mut record = record.clone();
        let object = record.as_object_mut().unwrap();
        for name in ["packets", "wireshark_filter", "capture", "last_capture", "first_frame", "last_frame"] {
            object.remove(name);
        }
        found.push(record.to_string());
    }
    found.sort();
    found
}

fn count(records: &[Value], name: &str) -> usize {
    support::of_type(records, name).len()
}

/// Fails with the first that differs.
fn assert_found(what: &str, expected: &[String], got: &[String]) {
    assert_same(what, &expected.join("\n"), &got.join("\n"));
}

/// What a scan of all packets in one capture gives; where mergecap is at hand, it makes the same of the folder.
fn whole(packets: &[Packet], parts: &Path) -> Vec<String> {
    let folder = Folder::new();
    let records = records(&[&folder.put("whole.pcap", packets)]);
    let merged = folder.path().join("merged.pcapng");
    let files = support::files_ending(parts, &[".pcap", ".gz"]);
    match Command::new("mergecap").arg("-w").arg(&merged).args(&files).status() {
        Ok(status) if status.success() => {
            let merged = support::records(&scan(&[], &[&merged]));
            assert_found("what mergecap makes of it", &found(&records), &found(&merged));
        }
        _ => println!("skipped: no mergecap as a witness"),
    }
    assert!(count(&records, "finding") > count(&records, "session"), "each session brings something");
    found(&records)
}

/// What each of the captures gives alone, together.
fn each_alone(paths: &[&Path]) -> Vec<String> {
    let mut all: Vec<String> = paths.iter().flat_map(|path| found(&records(&[path]))).collect();
    all.sort();
    all
}

/// Two taps, each of which has one direction of everything.
fn taps(packets: &[Packet]) -> [Vec<Packet>; 2] {
    let (to_server, to_client) = packets.iter().cloned().partition(|packet| ports(packet).1 == 25);
    [to_server, to_client]
}

#[test]
fn two_taps_of_one_direction_each_give_what_the_whole_gives() {
    let packets = sessions(40, &Plan::new());
    for rotated in [1, 5] {
        let folder = Folder::new();
        for (name, tap) in ["a", "b"].into_iter().zip(taps(&packets)) {
            folder.rotate(name, &tap, rotated);
        }
        let records = records(&[folder.path()]);
        assert_found(&format!("{rotated} files each"), &whole(&packets, folder.path()), &found(&records));
        assert_eq!(records.last().unwrap()["connections"], 40);
    }
}

#[test]
fn pieces_whose_edges_cross_give_what_the_whole_gives() {
    let packets = sessions(40, &Plan::new().pace(3000));
    let folder = Folder::new();
    let mut pieces: Vec<Vec<Packet>> = pcap::split(&packets, 8).into_iter().map(<[Packet]>::to_vec).collect();
    for nth in 1..pieces.len() {
        let (before, behind) = pieces.split_at_mut(nth);
        let (before, behind) = (before.last_mut().unwrap(), behind.first_mut().unwrap());
        let place = before.len() - 2;
        std::mem::swap(&mut before[place], &mut behind[1]);
        for piece in [&mut *before, &mut *behind] {
            piece.sort_by_key(|packet| packet.time);
        }
        assert!(before.last().unwrap().time > behind[0].time, "the edges cross");
    }
    for (nth, piece) in pieces.iter().enumerate() {
        folder.put(&format!("{nth}.pcap"), piece);
    }
    let records = records(&[folder.path()]);
    assert_found("crossing edges", &whole(&packets, folder.path()), &found(&records));
}

#[test]
fn three_queues_each_rotated_give_what_the_whole_gives() {
    let packets = sessions(30, &Plan::new());
    let folder = Folder::new();
    for queue in 0..3 {
        let of: Vec<Packet> = packets.iter().filter(|packet| clients(packet) % 3 == queue).cloned().collect();
        folder.rotate(&format!("queue{queue}"), &of, 3);
    }
    let records = records(&[folder.path()]);
    assert_found("queues", &whole(&packets, folder.path()), &found(&records));
}

#[test]
fn compressed_and_plain_captures_are_merged_alike() {
    let packets = sessions(20, &Plan::new());
    let folder = Folder::new();
    for (name, tap) in ["a", "b"].into_iter().zip(taps(&packets)) {
        folder.rotate(name, &tap, 4);
    }
    for name in ["a-1.pcap", "a-3.pcap", "b-0.pcap", "b-1.pcap"] {
        folder.pack(name);
    }
    let records = records(&[folder.path()]);
    assert_found("compressed and plain", &whole(&packets, folder.path()), &found(&records));
}

#[test]
fn a_capture_that_is_named_twice_is_read_once_and_told() {
    let folder = Folder::new();
    let path = folder.put("a.pcap", &sessions(3, &Plan::new()));
    let link = folder.path().join("link.pcap");
    std::os::unix::fs::symlink(&path, &link).unwrap();
    let alone = records(&[&path]);
    assert_found("twice", &found(&alone), &found(&records(&[&path, &path, folder.path()])));
    let arguments = ["scan", "--format", "jsonl"].map(AsRef::as_ref);
    let ran = support::run(&[&arguments[..], &[path.as_os_str(), path.as_os_str()]].concat());
    assert_eq!((ran.code(), ran.stderr.lines().count()), (0, 1), "{}", ran.stderr);
    assert!(ran.stderr.ends_with("a.pcap: named twice, but read only once\n"), "{}", ran.stderr);
    let ran = support::run(&[&arguments[..], &[link.as_os_str(), path.as_os_str()]].concat());
    assert!(ran.stderr.contains("link.pcap: the same file as "), "{}", ran.stderr);
    let ran = support::run(&[&arguments[..], &[link.as_os_str()]].concat());
    assert_eq!((ran.code(), ran.stderr.as_str()), (0, ""), "a link that is named is followed");
}

/// Sessions of the same ends at the same times, which have other numbers and say other things.
fn unrelated(folder: &Folder) -> Vec<PathBuf> {
    let other = SAID.replace("MAIL FROM: <a@example.com>", "RCPT TO:<b@example.com>");
    let texts = [SAID, &other, "S: 220 mx\nC: HELP\nS: 502 no\nC: QUIT\nS: 221 bye\n"];
    let capture = |(nth, text): (u64, &str)| {
        let plan = Plan::new().seed(1000 + nth);
        let all = (40_000..40_005).map(|port| format!("[{port}]\n{text}")).collect::<Vec<_>>().concat();
        folder.put(&format!("{nth}.pcap"), &synth::render(&Dialogue::parse(&all).unwrap(), &plan).packets)
    };
    (0..).zip(texts).map(capture).collect()
}

/// Without what is told once per server, of which the first in the order tells.
fn of_sessions(found: Vec<String>) -> Vec<String> {
    found.into_iter().filter(|line| !line.contains("\"rule\":\"help-exposed\"")).collect()
}

#[test]
fn captures_of_the_same_ends_and_times_that_have_nothing_to_do_with_each_other_do_not_mix() {
    let folder = Folder::new();
    let paths = unrelated(&folder);
    let paths: Vec<&Path> = paths.iter().map(PathBuf::as_path).collect();
    let together = records(&[folder.path()]);
    assert_eq!(count(&together, "session"), 15);
    let ran = support::run(&["scan".as_ref(), "--format".as_ref(), "jsonl".as_ref(), folder.path().as_os_str()]);
    assert_eq!((ran.code(), ran.stderr.as_str()), (0, ""), "there is nothing to be told of it");
    assert_found("unrelated", &of_sessions(each_alone(&paths)), &of_sessions(found(&together)));
}

#[test]
fn captures_that_are_treated_alone_give_what_each_gives_alone_and_their_servers_are_told_per_capture() {
    let folder = Folder::new();
    let paths = unrelated(&folder);
    let together = support::records(&scan(&["--separate"], &[folder.path()]));
    let paths: Vec<&Path> = paths.iter().map(PathBuf::as_path).collect();
    assert_found("separate", &each_alone(&paths), &found(&together));
    let server = |record: &Value| {
        let mut record = record.clone();
        let capture = record.as_object_mut().unwrap().remove("capture");
        (capture.map(|capture| capture.as_str().unwrap().to_owned()), record)
    };
    let told: Vec<_> = support::of_type(&together, "server").into_iter().map(server).collect();
    let alone = paths.iter().map(|path| {
        let alone = support::records(&scan(&[], &[path]));
        let servers = support::of_type(&alone, "server");
        (Some(path.to_str().unwrap().to_owned()), servers[0].clone())
    });
    assert_eq!(told, alone.collect::<Vec<_>>());
}

#[test]
fn times_from_the_epoch_s_beginning_are_times_too() {
    let folder = Folder::new();
    let packets = sessions(5, &Plan::new().start(0));
    let [to_server, to_client] = taps(&packets);
    let paths = [
        folder.put("a.pcap", &to_server),
        folder.put("b.pcap", &to_client),
        folder.put("c.pcap", &sessions(5, &Plan::new())),
    ];
    let zero = records(&[&paths[0], &paths[1]]);
    let alone = records(&[&paths[2]]);
    assert_eq!((count(&zero, "session"), count(&alone, "session")), (5, 5));
    let mut both = [of_sessions(found(&zero)), of_sessions(found(&alone))].concat();
    both.sort();
    assert_found("both", &both, &of_sessions(found(&records(&[folder.path()]))));
}

#[test]
fn a_clock_that_steps_back_inside_a_capture_harms_no_other() {
    let side_by_side = |ports: u16| {
        let one = |nth: u16| session(ports + nth, u64::from(ports + nth), &Plan::new(), u64::from(nth) * 10_000);
        in_time((0..10).flat_map(one).collect())
    };
    for pause in [0, 80 * SECOND] {
        let folder = Folder::new();
        let mut steps = side_by_side(40_000);
        let from = steps.len() / 2;
        // Until it is nearly there again, if it pauses: longer than a connection may be idle.
        for (nth, packet) in (0..).zip(&mut steps[from..]) {
            packet.time = packet.time - 7200 * SECOND + nth * pause;
        }
        let paths = [folder.put("steps.pcap", &steps), folder.put("other.pcap", &side_by_side(50_000))];
        let together = records(&[&paths[0], &paths[1]]);
        assert_eq!((count(&together, "session"), together.last().unwrap()["connections"].as_u64()), (20, Some(20)));
        // What steps back is told alike but for when it ends, which is after two ticks where it is alone.
        let told = |found: Vec<String>| -> Vec<String> {
            let other = |line: &String| pause == 0 || line.contains("\"port\":5000") || line.contains("\"finding\"");
            of_sessions(found).into_iter().filter(other).collect()
        };
        assert_found("a step back", &told(each_alone(&[&paths[0], &paths[1]])), &told(found(&together)));
        assert!(together.last().unwrap()["time_backwards"].as_u64().unwrap() > 0);
    }
}

#[test]
fn one_packet_years_ahead_ends_no_connection_and_sets_nothing_behind_the_others() {
    let packets = sessions(20, &Plan::new());
    let [to_server, to_client] = taps(&packets);
    let (from, to) = ("192.0.2.77:53".parse().unwrap(), "192.0.2.78:53".parse().unwrap());
    let ahead = |packets: &[Packet]| {
        let middle = packets.len() / 2;
        let stray = synth::frame::udp(from, to, b"stray", packets[middle].time + 9 * YEAR, &Plan::new());
        [&packets[..middle], &[stray], &packets[middle..]].concat()
    };
    let folder = Folder::new();
    folder.put("a.pcap", &ahead(&to_server));
    folder.put("b.pcap", &to_client);
    let without = Folder::new();
    let expected = found(&records(&[&without.put("whole.pcap", &packets)]));
    let records = records(&[folder.path()]);
    assert_found("years ahead", &expected, &found(&records));
    let summary = records.last().unwrap();
    assert_eq!((summary["time_jumps"].as_u64(), summary["connections"].as_u64()), (Some(1), Some(20)));
    assert!(summary["last_time"].as_str().unwrap().starts_with("2034"), "what is told is the packet's own: {summary}");
}

#[test]
fn ten_thousand_captures_at_once_stay_within_memory_and_files_and_what_was_not_merged_is_told() {
    const CAPTURES: u32 = 10_000;
    let folder = Folder::new();
    // Each lasts for minutes and begins a moment behind the one before it: all of them overlap.
    let plan = Plan::new().pace(10 * SECOND);
    for nth in 0..CAPTURES {
        let port = 10_000 + u16::try_from(nth % 50_000).unwrap();
        folder.put(&format!("{nth:05}.pcap"), &session(port, u64::from(nth), &plan, u64::from(nth) * 1_000_000));
    }
    let path = folder.path().to_str().unwrap();
    let mut first = None;
    for threads in ["1", "2", "8"] {
        let (memory, files, out, err) = support::measured(&[
            "scan",
            "--format",
            "jsonl",
            "--records",
            "sessions,summary",
            "--threads",
            threads,
            path,
        ]);
        let records = support::records(&out);
        assert_eq!(count(&records, "session"), CAPTURES as usize, "--threads {threads}: {err}");
        assert!(support::of_type(&records, "session").iter().all(|session| session["closed"] == "fin"));
        let summary = records.last().unwrap();
        let waited = summary["limits_hit"]["merge_files"].as_u64().unwrap();
        let told = format!("mailtap: {waited} captures overlap with more others than can be open at once");
        assert!(err.starts_with(&told) && err.lines().count() == 1, "{err}");
        assert!(waited > u64::from(CAPTURES) / 2, "{waited}");
        assert!(memory > 1024 && memory < 64 << 10, "{memory} KiB with {threads} threads");
        assert!(files > 256 && files < 300, "{files} open files");
        assert_eq!(first.get_or_insert_with(|| out.clone()), &out);
    }
}
