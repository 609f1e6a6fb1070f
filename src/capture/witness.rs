//! Witnesses: libpcap reads the same captures, and tshark those that libpcap refuses.
#![expect(clippy::print_stdout, reason = "a skipped test says why")]
#![expect(clippy::arithmetic_side_effects, reason = "times of captures made for tests")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use pcap::{Capture, Precision};
use walkdir::WalkDir;

use super::testing::*;

/// What libpcap makes of a file: its packets, and whether it ended with an error; `None` where it refuses it.
fn libpcap(path: &Path) -> Option<(Vec<Packet>, Option<String>)> {
    let mut capture = Capture::from_file_with_precision(path, Precision::Nano).ok()?;
    let link_type = u16::try_from(capture.get_datalink().0).unwrap();
    let mut packets = Vec::new();
    loop {
        match capture.next_packet() {
            Ok(found) => {
                let time = found.header.ts.tv_sec * 1_000_000_000 + found.header.ts.tv_usec;
                packets.push(packet(time, link_type, found.header.len.max(found.header.caplen), found.data));
            }
            Err(pcap::Error::NoMorePackets) => return Some((packets, None)),
            Err(error) => return Some((packets, Some(error.to_string()))),
        }
    }
}

/// Every file below the shared captures and our own testdata.
fn captures_at_hand() -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut files = Vec::new();
    for folder in ["../shared/captures", "testdata"] {
        if !root.join(folder).is_dir() {
            println!("skipped: no folder {folder}");
            continue;
        }
        let entries = WalkDir::new(root.join(folder)).sort_by_file_name().into_iter().map(Result::unwrap);
        files.extend(entries.filter(|entry| entry.file_type().is_file()).map(walkdir::DirEntry::into_path));
    }
    files
}

/// Compares a file with libpcap; false where that refuses it, or gives up where we read on.
fn agrees_with_libpcap(path: &Path) -> bool {
    let Some((packets, error)) = libpcap(path) else { return false };
    let reading = read(&fs::read(path).unwrap(), 4096);
    if error.is_some() && reading.fault.is_none() {
        return false;
    }
    assert_eq!(reading.packets.len(), packets.len(), "{}: {error:?} {:?}", path.display(), reading.fault);
    for (number, (ours, theirs)) in reading.packets.iter().zip(&packets).enumerate() {
        // libpcap has numbers of its own for a few link types (raw IP is 101 in files, 12 in memory).
        let ours = Packet { link_type: theirs.link_type, ..ours.clone() };
        assert_eq!(&ours, theirs, "{}: packet {number}", path.display());
    }
    assert_eq!(reading.fault.is_some(), error.is_some(), "{}: {error:?} {:?}", path.display(), reading.fault);
    true
}

/// Compares a file that we read to its end with tshark; false where there is none.
fn agrees_with_tshark(path: &Path) -> bool {
    let Some(theirs) = tshark(path) else { return false };
    let reading = read_alike(&fs::read(path).unwrap());
    let ours: Vec<_> =
        reading.packets.iter().map(|packet| (packet.time, packet.original, packet.bytes.len())).collect();
    assert_eq!((ours, reading.fault), (theirs, None), "{}", path.display());
    true
}

#[test]
fn libpcap_reads_the_same_packets_of_every_capture_at_hand() {
    let files = captures_at_hand();
    let (mut by_libpcap, mut by_tshark, mut refused) = (0, 0, 0);
    for path in &files {
        if agrees_with_libpcap(path) {
            by_libpcap += 1;
        } else if read(&fs::read(path).unwrap(), 4096).fault.is_some() {
            refused += 1;
        } else if agrees_with_tshark(path) {
            by_tshark += 1;
        } else {
            println!("skipped: no tshark for {}", path.display());
        }
    }
    println!("{} files: {by_libpcap} as libpcap, {by_tshark} as tshark, {refused} refused by both", files.len());
    assert!(files.is_empty() || by_libpcap > 0);
}

#[test]
fn libpcap_agrees_on_cut_and_nonsense_files() {
    let dir = tempfile::tempdir().unwrap();
    let capture = sample(1_700_000_000, 30);
    let mut nonsense = capture.clone();
    nonsense[48..52].fill(0xff);
    let swapped = {
        let mut capture = BIG.pcap(NANO, 1);
        capture[6..8].copy_from_slice(&BIG.u16(3));
        capture.extend(BIG.words(&[1, 2, 9, 3]));
        capture.extend(b"abc");
        capture
    };
    let sections = [
        LITTLE.section(),
        LITTLE.interface(1, 100, &[(9, &[9])]),
        LITTLE.interface(1, 100, &[(9, &[0xa0]), (14, &LITTLE.u64(1000))]),
        LITTLE.enhanced(0, 1_700_000_000_000_000_007, 60, b"abcde"),
        LITTLE.enhanced(1, 1_700_000_000_u64 << 32 | 0x8000_0001, 60, b"abcde"),
        LITTLE.block(0x0bad, &[7; 5000]),
        LITTLE.statistics(1, &[(5, &LITTLE.u64(5))]),
        LITTLE.obsolete(1, 1 << 40, 2, b"ab"),
        LITTLE.enhanced(7, 0, 0, b""),
    ]
    .concat();
    // With less than its first headers libpcap refuses to begin.
    let files = [(24, capture), (24, nonsense), (24, swapped), (60, sections)];
    for (number, (headers, file)) in files.iter().enumerate() {
        for cut in [0, 1, 5, 17, 40, file.len() / 2, file.len()] {
            let cut = cut.min(file.len() - headers);
            let path = dir.path().join(format!("{number}-{cut}"));
            fs::write(&path, &file[..file.len() - cut]).unwrap();
            assert!(agrees_with_libpcap(&path), "{number} {cut}");
        }
    }
}

/// What tshark makes of a file: time in nanoseconds, original and captured length of each packet.
fn tshark(path: &Path) -> Option<Vec<(i64, u32, usize)>> {
    let fields = ["-T", "fields", "-e", "frame.time_epoch", "-e", "frame.len", "-e", "frame.cap_len"];
    let output = Command::new("tshark").arg("-r").arg(path).args(fields).output().ok()?;
    let text = String::from_utf8(output.stdout).unwrap();
    let packets = text.lines().map(|line| {
        let fields: Vec<&str> = line.split('\t').collect();
        let (seconds, fraction) = fields[0].split_once('.').unwrap_or(("0", "0"));
        let time = seconds.parse::<i64>().unwrap() * 1_000_000_000 + format!("{fraction:0<9}").parse::<i64>().unwrap();
        (time, fields[1].parse().unwrap(), fields[2].parse().unwrap())
    });
    Some(packets.collect())
}

#[test]
fn tshark_reads_the_same_packets_where_libpcap_refuses() {
    let dir = tempfile::tempdir().unwrap();
    let ethernet = [[0x02; 12].as_slice(), &[0x88, 0xb5], &[7; 30]].concat();
    let mixed_link_types = [
        LITTLE.section(),
        LITTLE.interface(1, 0, &[]),
        LITTLE.interface(101, 0, &[]),
        LITTLE.enhanced(0, 1_700_000_000_000_001, 60, &ethernet),
        LITTLE.enhanced(1, 1_700_000_000_000_002, 20, &[0x45; 20]),
    ]
    .concat();
    let mixed_snap_lengths = [
        BIG.section(),
        BIG.interface(1, 44, &[(9, &[9])]),
        BIG.interface(1, 65_535, &[(9, &[3])]),
        BIG.enhanced(0, 1_700_000_000_000_000_001, 60, &ethernet),
        BIG.enhanced(1, 1_700_000_000_003, 44, &ethernet),
    ]
    .concat();
    let both_orders = [
        LITTLE.section(),
        LITTLE.interface(1, 0, &[]),
        LITTLE.enhanced(0, 1_700_000_000_000_001, 60, &ethernet),
        BIG.section(),
        BIG.interface(1, 0, &[(9, &[0xa0]), (14, &BIG.u64(7))]),
        BIG.enhanced(0, 1_700_000_000_u64 << 32 | 0x4000_0000, 61, &ethernet),
        // Names: tshark shows a block of unknown type as a packet.
        BIG.block(4, &[0; 4]),
        BIG.enhanced(0, 1_700_000_000_u64 << 32 | 0x8000_0000, 62, &ethernet),
    ]
    .concat();
    let files = [("link types", mixed_link_types), ("snap lengths", mixed_snap_lengths), ("orders", both_orders)];
    for (name, file) in files {
        let path = dir.path().join(name);
        fs::write(&path, &file).unwrap();
        if !agrees_with_tshark(&path) {
            println!("skipped: no tshark");
            return;
        }
        assert!(!agrees_with_libpcap(&path), "{name}: libpcap reads it too");
    }
}
