//! What is no capture, or only half of one: one clear line on stderr, exit code 2, never a panic.

use std::fs;
use std::path::{Path, PathBuf};

use crate::support::{self, Ran};

/// Runs a scan that must fail on its input, and returns the one line it says about it.
fn refused(path: &Path) -> String {
    let ran = support::run(&["scan", "--quiet", path.to_str().unwrap()]);
    one_line(&ran, path)
}

fn one_line(ran: &Ran, path: &Path) -> String {
    assert_eq!(ran.code(), 2, "{}: {}", path.display(), ran.stderr);
    assert!(!ran.stderr.contains("panicked"), "{}", ran.stderr);
    let lines: Vec<&str> = ran.stderr.lines().collect();
    assert_eq!(lines.len(), 1, "{}: one line, not {lines:?}", path.display());
    let name = path.file_name().unwrap().to_str().unwrap();
    assert!(lines[0].contains(name), "the line names the file: {}", lines[0]);
    lines[0].to_owned()
}

fn file(folder: &Path, name: &str, bytes: &[u8]) -> PathBuf {
    let path = folder.join(name);
    fs::write(&path, bytes).unwrap();
    path
}

/// A pcap header (little-endian, microseconds) of the link type, and `packets` of 60 zero bytes.
fn pcap(link_type: u32, packets: u32) -> Vec<u8> {
    let mut bytes = Vec::new();
    for word in [0xa1b2_c3d4, 0x0004_0002, 0, 0, 65_535, link_type] {
        bytes.extend_from_slice(&u32::to_le_bytes(word));
    }
    for packet in 0..packets {
        for word in [1_700_000_000 + packet, 0, 60, 60] {
            bytes.extend_from_slice(&word.to_le_bytes());
        }
        bytes.extend_from_slice(&[0; 60]);
    }
    bytes
}

#[test]
fn an_empty_file_is_no_capture() {
    let folder = tempfile::tempdir().unwrap();
    refused(&file(folder.path(), "empty.pcap", b""));
}

#[test]
fn a_text_file_is_no_capture() {
    let folder = tempfile::tempdir().unwrap();
    refused(&file(folder.path(), "notes.txt", b"220 this is not a capture\r\n"));
}

#[test]
fn random_bytes_are_no_capture() {
    let folder = tempfile::tempdir().unwrap();
    let mut state = 0x0123_4567_89ab_cdef_u64;
    let bytes: Vec<u8> = (0..5000)
        .map(|_| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 56) as u8
        })
        .collect();
    refused(&file(folder.path(), "random.bin", &bytes));
}

#[test]
fn a_missing_path_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let line = refused(&folder.path().join("nowhere.pcap"));
    assert!(line.contains("no such file"), "{line}");
}

#[test]
fn a_file_that_cannot_be_read_is_told() {
    let path = Path::new("/proc/self/mem");
    if path.exists() {
        refused(path);
    } else {
        println!("skipped: no {}", path.display());
    }
}

#[test]
fn a_directory_without_captures_has_nothing_to_scan() {
    let folder = tempfile::tempdir().unwrap();
    file(folder.path(), "notes.txt", b"nothing here");
    let line = refused(folder.path());
    assert!(line.contains("nothing to scan"), "{line}");
}

#[test]
fn an_unknown_link_type_is_told_by_its_number() {
    let folder = tempfile::tempdir().unwrap();
    let line = refused(&file(folder.path(), "wireless.pcap", &pcap(127, 3)));
    assert!(line.contains("127"), "{line}");
}

#[test]
fn the_modified_pcap_magic_is_named_as_unsupported() {
    let folder = tempfile::tempdir().unwrap();
    let mut bytes = pcap(1, 1);
    bytes[..4].copy_from_slice(&0xa1b2_cd34_u32.to_le_bytes());
    let line = refused(&file(folder.path(), "modified.pcap", &bytes));
    assert!(line.contains("modified pcap"), "{line}");
}

#[test]
fn a_cut_capture_is_analysed_to_its_last_whole_packet() {
    let folder = tempfile::tempdir().unwrap();
    let whole = pcap(1, 3);
    let path = file(folder.path(), "cut.pcap", &whole[..whole.len() - 7]);
    let ran = support::run(&["scan", "--quiet", "--format", "jsonl", path.to_str().unwrap()]);
    let line = one_line(&ran, &path);
    assert!(line.contains("truncated"), "{line}");
    let records = ran.records();
    let summary = records.last().unwrap();
    assert_eq!(summary["packets"], 2);
    assert_eq!(summary["captures"][0]["truncated"], true);
}

#[test]
fn a_capture_without_packets_is_fine() {
    let folder = tempfile::tempdir().unwrap();
    let path = file(folder.path(), "silence.pcap", &pcap(1, 0));
    let ran = support::run(&["scan", path.to_str().unwrap()]);
    assert_eq!((ran.code(), ran.stderr.as_str()), (0, ""));
}

#[test]
fn one_bad_file_does_not_keep_the_others_from_being_read() {
    let folder = tempfile::tempdir().unwrap();
    let bad = file(folder.path(), "bad.pcap", b"not a capture at all, whatever its name says");
    let good = file(folder.path(), "good.pcap", &pcap(1, 5));
    let ran = support::run(&["scan", "--quiet", "--format", "jsonl", bad.to_str().unwrap(), good.to_str().unwrap()]);
    one_line(&ran, &bad);
    assert_eq!(ran.records().last().unwrap()["packets"], 5);
}
