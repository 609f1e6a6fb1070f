//! The straight path and the full decoder say the same of every packet of every capture at hand.
#![expect(clippy::print_stdout, reason = "a skipped test says why")]
#![expect(clippy::arithmetic_side_effects, reason = "a test counts")]

use std::path::Path;

use super::*;
use crate::capture::{self, Next, Reader};

/// How many packets went straight to a segment, straight to a refusal, and the long way.
#[derive(Debug, Default)]
struct Ways {
    segments: u32,
    refusals: u32,
    long: u32,
}

impl Ways {
    /// Holds a packet's straight decoding, if it has one, against the full one.
    fn compare(&mut self, link_type: LinkType, bytes: &[u8], original: u32, ports: &Ports) {
        if link_type.0 != ethernet::LINK_TYPE {
            return;
        }
        let straight = straight(bytes, ports);
        let noticed = matches!(&straight, Some(Decoded::Skipped(skip)) if skip.reason == Reason::OtherPortSmtp);
        if straight.is_some() {
            let server = elsewhere::server(link_type, bytes, original, ports);
            assert_eq!(server.is_some(), noticed, "{bytes:02x?}");
        }
        match &straight {
            Some(Decoded::Segment(_)) => self.segments += 1,
            Some(_) => self.refusals += 1,
            None => self.long += 1,
        }
        if let Some(decoded) = straight {
            assert_eq!(decoded, full(link_type, bytes, original, ports), "{bytes:02x?}");
        }
    }
}

/// Compares every packet of every capture below a folder, as it is and cut within its headers.
fn compare_all(folder: &Path, ways: &mut Ways) {
    /// Behind Ethernet, two tags, IPv6 and TCP without options, and some more.
    const HEADERS: usize = 100;
    let all_ports = [Ports::new([25]), Ports::new([80, 587]), Ports::new(0..=u16::MAX)];
    let mut reader = Reader::open(&[folder.to_path_buf()], &capture::Options::default());
    loop {
        let batch = match reader.next(None) {
            Next::Batch(batch) => batch,
            Next::Problem(_) | Next::Notice(_) | Next::Pause => continue,
            Next::End => return,
        };
        for packet in &batch.packets {
            let bytes = batch.bytes(packet);
            for ports in &all_ports {
                ways.compare(packet.link_type, bytes, packet.original, ports);
                for captured in 0..bytes.len().min(HEADERS) {
                    let mut cut = Ways::default();
                    cut.compare(packet.link_type, &bytes[..captured], packet.original, ports);
                }
            }
        }
    }
}

#[test]
fn the_straight_path_and_the_full_decoder_agree_on_every_capture_at_hand() {
    let mut ways = Ways::default();
    for folder in ["testdata", "../shared/captures"] {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
        if !folder.is_dir() {
            println!("skipped: no folder {}", folder.display());
            continue;
        }
        compare_all(&folder, &mut ways);
    }
    println!("{ways:?}");
    assert!(ways.segments > 1000 && ways.refusals > 1000 && ways.long > 10, "{ways:?}");
}
