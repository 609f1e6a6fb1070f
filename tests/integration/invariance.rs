//! Determinism: the same capture gives the same bytes, whatever the threads, the batch size, the way it is
//! stored and the limits in force; and the same findings where a mirror port delays one direction.

use std::fmt::Write as _;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::support;

const RECORDS: &str = "findings,sessions,servers,events,summary";

/// All captures at hand: ours, and those beside the repository.
fn captures() -> Vec<PathBuf> {
    let mut folders = vec![support::package().join("testdata")];
    folders.extend(support::shared_captures());
    // What two hosts took of packets that contradict each other is not told yet.
    let contradicts = |path: &PathBuf| path.components().any(|part| part.as_os_str() == "wire");
    let all = folders.iter().flat_map(|folder| support::files_ending(folder, &[".pcap", ".pcapng"]));
    all.filter(|path| !contradicts(path)).collect()
}

/// A scan of `paths` with everything that can be printed.
pub(crate) fn scan(options: &[&str], paths: &[&Path]) -> String {
    let mut arguments: Vec<&str> = vec!["scan", "--quiet", "--format", "jsonl", "--records", RECORDS];
    arguments.extend(options);
    arguments.extend(paths.iter().map(|path| path.to_str().unwrap()));
    let ran = support::run(&arguments);
    assert!(matches!(ran.code(), 0 | 2), "{paths:?}: {}", ran.stderr);
    ran.stdout
}

/// Fails with the first line that differs, which says more than two whole outputs.
pub(crate) fn assert_same(what: &str, expected: &str, got: &str) {
    for (number, (left, right)) in expected.lines().zip(got.lines()).enumerate() {
        assert_eq!(left, right, "{what}: line {}", number + 1);
    }
    assert_eq!(expected.lines().count(), got.lines().count(), "{what}: number of lines");
}

/// One call over everything: one scan of a folder of captures of all kinds, in every division of the work.
#[test]
fn threads_and_batches_change_no_byte() {
    for limits in [&[][..], &["--max-connections", "64"], &["--max-held-bytes", "4096"]] {
        let folders: Vec<PathBuf> =
            support::shared_captures().into_iter().chain([support::package().join("testdata")]).collect();
        let paths: Vec<&Path> = folders.iter().map(PathBuf::as_path).collect();
        let mut options = vec!["--threads", "1", "--batch-bytes", "262144"];
        options.extend(limits);
        let expected = scan(&options, &paths);
        assert!(expected.lines().count() > 100, "there is something to compare");
        let summary = support::records(&expected).pop().unwrap();
        let acted = summary["limits_hit"].as_object().unwrap();
        for limit in limits.iter().filter_map(|option| option.strip_prefix("--max-")) {
            assert!(acted.contains_key(&limit.replace('-', "_")), "{limit} acts: {acted:?}");
        }
        for threads in ["1", "2", "3", "8"] {
            for batch in ["4096", "65536", "1048576"] {
                let mut options = vec!["--threads", threads, "--batch-bytes", batch];
                options.extend(limits);
                let what = format!("--threads {threads} --batch-bytes {batch} {limits:?}");
                assert_same(&what, &expected, &scan(&options, &paths));
            }
        }
    }
}

#[test]
fn a_pipe_and_compressed_copies_give_what_the_file_gives() {
    /// How a file is stored has nothing to do with what is said in it: of our own captures one in so many will do.
    const EACH: usize = 9;
    let folder = tempfile::tempdir().unwrap();
    let work = folder.path();
    let (ours, others): (Vec<_>, Vec<_>) =
        captures().into_iter().partition(|capture| capture.starts_with(support::package().join("testdata")));
    for capture in ours.into_iter().step_by(EACH).chain(others) {
        let bytes = fs::read(&capture).unwrap();
        let expected = by_ordinal(&scan(&[], &[&capture]));
        let what = capture.display();
        assert_same(&format!("{what} in a pipe"), &expected, &by_ordinal(&piped(&bytes)));
        for (tool, suffix) in [("gzip", "gz"), ("zstd", "zst"), ("lz4", "lz4"), ("xz", "xz")] {
            let packed = work.join(format!("copy.{suffix}"));
            if !pack(tool, &bytes, &packed) {
                println!("skipped: no {tool}");
                continue;
            }
            assert_same(&format!("{what} by {tool}"), &expected, &by_ordinal(&scan(&[], &[&packed])));
        }
    }
}

#[test]
fn a_capture_split_in_three_gives_what_the_whole_gives() {
    let compared = captures().iter().filter(|capture| split_gives_the_same(&[], capture)).count();
    assert!(compared > 0, "at least one capture can be split");
}

/// Whether the capture can be split in three, which then give what the whole gives with these options.
pub(crate) fn split_gives_the_same(options: &[&str], capture: &Path) -> bool {
    let bytes = fs::read(capture).unwrap();
    let Some(parts) = split_pcap(&bytes, 3) else { return false };
    let folder = tempfile::tempdir().unwrap();
    let paths: Vec<PathBuf> = parts
        .iter()
        .enumerate()
        .map(|(number, part)| {
            let path = folder.path().join(format!("part{number}.pcap"));
            fs::write(&path, part).unwrap();
            path
        })
        .collect();
    let paths: Vec<&Path> = paths.iter().map(PathBuf::as_path).collect();
    let expected = by_ordinal(&scan(options, &[capture]));
    assert_same(&format!("{} split, {options:?}", capture.display()), &expected, &by_ordinal(&scan(options, &paths)));
    true
}

fn piped(bytes: &[u8]) -> String {
    let mut mailtap = Command::new(env!("CARGO_BIN_EXE_mailtap"));
    mailtap.args(["scan", "--quiet", "--format", "jsonl", "--records", RECORDS, "-"]).stderr(Stdio::null());
    String::from_utf8(fed(&mut mailtap, bytes).unwrap()).unwrap()
}

/// Packs `bytes` in two members, since that is where decoders stop early; false where the tool is missing.
fn pack(tool: &str, bytes: &[u8], to: &Path) -> bool {
    let (left, right) = bytes.split_at(bytes.len() / 2);
    let mut packed = Vec::new();
    for member in [left, right] {
        let Some(output) = fed(Command::new(tool).arg("-c"), member) else { return false };
        packed.extend(output);
    }
    fs::write(to, packed).unwrap();
    true
}

/// What the command prints when it reads `bytes` in pieces that end anywhere; `None` where it cannot be started.
fn fed(command: &mut Command, bytes: &[u8]) -> Option<Vec<u8>> {
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().ok()?;
    let mut stdin = child.stdin.take()?;
    std::thread::scope(|scope| {
        // A reader that stops early ends the pipe, which is no failure here.
        scope.spawn(move || bytes.chunks(1000).try_for_each(|piece| stdin.write_all(piece)));
        Some(child.wait_with_output().unwrap().stdout)
    })
}

/// A mirror port that delivers one direction late: the same findings, and per side the same events.
#[test]
fn a_direction_that_comes_late_changes_no_finding() {
    let mut compared = 0;
    // Where nothing is ever acknowledged, packet order is all that tells what an end knew.
    let tells = |capture: &PathBuf| !capture.to_str().unwrap().contains("unacknowledged");
    for capture in captures().into_iter().filter(tells) {
        let bytes = fs::read(&capture).unwrap();
        let Some(packets) = Packets::parse(&bytes) else { continue };
        let folder = tempfile::tempdir().unwrap();
        let mut copies = Vec::new();
        for to_server in [true, false] {
            for late in [1, 2, 3, 5, 9, 20, 50] {
                let path = folder.path().join(format!("{}-{late}.pcap", if to_server { "client" } else { "server" }));
                fs::write(&path, packets.late(to_server, late)).unwrap();
                copies.push(path);
            }
        }
        let expected = per_side(&scan(&[], &[&capture]));
        let given = support::by_capture(&scan(&["--separate"], &[folder.path()]));
        for copy in copies {
            let what = format!("{}, late as {}", capture.display(), copy.display());
            let records = given.get(copy.to_str().unwrap()).map(|lines| lines.join("\n")).unwrap_or_default();
            assert_same(&what, &expected, &per_side(&records));
            compared += 1;
        }
    }
    assert!(compared > 0, "at least one capture was compared");
}

/// The packets of a little-endian microsecond Ethernet pcap.
struct Packets<'f> {
    header: &'f [u8],
    /// Microseconds, and the record with its header.
    records: Vec<(u64, &'f [u8])>,
}

impl<'f> Packets<'f> {
    fn parse(bytes: &'f [u8]) -> Option<Self> {
        let (header, mut rest) = bytes.split_at_checked(24)?;
        if header[..4] != 0xa1b2_c3d4_u32.to_le_bytes() {
            return None;
        }
        let word = |bytes: &[u8], at: usize| u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap());
        let mut records = Vec::new();
        while rest.len() >= 16 {
            let (record, behind) = rest.split_at_checked(16 + usize::try_from(word(rest, 8)).unwrap())?;
            records.push((u64::from(word(record, 0)) * 1_000_000 + u64::from(word(record, 4)), record));
            rest = behind;
        }
        Some(Packets { header, records })
    }

    /// The capture with the packets to (or from) port 25 `late` packets later, but less than a second.
    fn late(&self, to_server: bool, late: usize) -> Vec<u8> {
        let mut order: Vec<(usize, bool, usize)> = Vec::new();
        let mut place = 0;
        for (index, &(time, record)) in self.records.iter().enumerate() {
            if is_to_server(&record[16..]) == Some(to_server) {
                let within = |&other: &usize| self.records[other].0 < time + 900_000;
                let latest =
                    (index..=index + late).filter(|other| *other < self.records.len()).take_while(within).last();
                // In order within the direction, whatever the clock of the capture says.
                place = place.max(latest.unwrap_or(index));
                order.push((place, true, index));
            } else {
                order.push((index, false, index));
            }
        }
        order.sort_unstable();
        let mut file = self.header.to_vec();
        for (place, delayed, index) in order {
            let (_, record) = self.records[index];
            let time = if delayed { &self.records[place].1[..8] } else { &record[..8] };
            file.extend_from_slice(time);
            file.extend_from_slice(&record[8..]);
        }
        file
    }
}

/// Whether an Ethernet frame holds a TCP segment to port 25 (over IPv4 or IPv6, without options before it).
fn is_to_server(frame: &[u8]) -> Option<bool> {
    let ports = match frame.get(12..14)? {
        [0x08, 0x00] if frame.get(23)? == &6 => 14 + usize::from(frame.get(14)? & 0x0f) * 4,
        [0x86, 0xdd] if frame.get(20)? == &6 => 54,
        _ => return None,
    };
    match frame.get(ports..ports + 4)? {
        [_, _, 0, 25] => Some(true),
        [0, 25, _, _] => Some(false),
        _ => None,
    }
}

/// What must not depend on who came late: findings, and each side's events in their order; without session ids,
/// times and frames, and the events' numbers: a command and a reply that crossed may change places.
pub(crate) fn per_side(jsonl: &str) -> String {
    let mut lines: Vec<(String, String)> = Vec::new();
    for mut record in support::records(jsonl) {
        let kind = record["type"].as_str().unwrap().to_owned();
        let object = record.as_object_mut().unwrap();
        for name in ["session", "event", "time", "frame", "capture", "packets", "wireshark_filter"] {
            object.remove(name);
        }
        let side = match kind.as_str() {
            "finding" => "finding",
            "reply" => "server",
            "command" | "data" => "client",
            "tls" => "tls",
            _ => continue,
        };
        let flow = format!("{} {} {side}", record["client"], record["server"]);
        lines.push((flow, record.to_string()));
    }
    // Stable: within a flow and side the order of the records stands; findings are a set.
    lines.sort_by(|left, right| {
        let both_findings = left.0.ends_with("finding");
        left.0.cmp(&right.0).then_with(|| if both_findings { left.1.cmp(&right.1) } else { std::cmp::Ordering::Equal })
    });
    lines.into_iter().fold(String::new(), |mut text, (flow, line)| {
        writeln!(text, "{flow}: {line}").unwrap();
        text
    })
}

/// A little-endian microsecond pcap in `count` parts of as many packets each; `None` for another format, too
/// few packets, or where time steps back at a cut (then the parts are no rotated capture).
fn split_pcap(bytes: &[u8], count: usize) -> Option<Vec<Vec<u8>>> {
    let Packets { header, records } = Packets::parse(bytes)?;
    let parts: Vec<&[(u64, &[u8])]> = records.chunks(records.len().div_ceil(count).max(1)).collect();
    if parts.len() < count {
        return None;
    }
    // A part that starts before the last packet read is scanned on its own (DESIGN, several files), and parts
    // are sorted by their first packet.
    let mut last = 0;
    for part in &parts {
        if part[0].0 < last {
            return None;
        }
        last = part.last().unwrap().0;
    }
    let file = |part: &&[(u64, &[u8])]| {
        [header].into_iter().chain(part.iter().map(|(_, record)| *record)).collect::<Vec<_>>().concat()
    };
    Some(parts.iter().map(file).collect())
}

/// The records with everything that names files and frames mapped to packet ordinals.
fn by_ordinal(jsonl: &str) -> String {
    let mut records = support::records(jsonl);
    let summary = records.last().unwrap().clone();
    let mut first = 0;
    let mut starts = Vec::new();
    for capture in summary["captures"].as_array().unwrap() {
        starts.push((capture["path"].as_str().unwrap().to_owned(), first));
        first += capture["packets"].as_u64().unwrap();
    }
    let ordinal = |capture: &Value, frame: &Value| -> u64 {
        let path = capture.as_str().unwrap();
        starts.iter().find(|(start, _)| start == path).unwrap().1 + frame.as_u64().unwrap()
    };
    let mut text = String::new();
    for record in &mut records {
        let object = record.as_object_mut().unwrap();
        // The options that change results name no file, but the list of files does.
        object.remove("captures");
        // It counts files.
        object.remove("problems");
        object.remove("wireshark_filter");
        if let Some(capture) = object.remove("last_capture") {
            let frame = &mut object["last_frame"];
            *frame = ordinal(&capture, frame).into();
        }
        if let Some(capture) = object.remove("capture") {
            for name in ["frame", "first_frame"] {
                if let Some(frame) = object.get_mut(name) {
                    *frame = ordinal(&capture, frame).into();
                }
            }
        }
        for skip in object.get_mut("skipped").and_then(Value::as_array_mut).into_iter().flatten() {
            skip["frame"] = ordinal(&skip["capture"], &skip["frame"]).into();
            skip["capture"].take();
        }
        if let Some(packets) = object.get_mut("packets").and_then(Value::as_array_mut) {
            for packet in packets {
                *packet = ordinal(&packet["capture"], &packet["frame"]).into();
            }
        }
        writeln!(text, "{record}").unwrap();
    }
    text
}
