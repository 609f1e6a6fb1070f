//! Capture: packets per second of each reader, and bytes of the unpacked file.

use std::io::Write as _;
use std::time::Duration;

use criterion::{Criterion, SamplingMode, Throughput};
use flate2::write::GzEncoder;
use liblzma::write::XzEncoder;
use lz4_flex::frame::FrameEncoder;
use mailtap::bench;
use synth::{LinkType, Plan};

use crate::input::{self, Folder};

pub(crate) fn bench(criterion: &mut Criterion) {
    let packets = input::mail(100, &Plan::new());
    let link = LinkType::Ethernet;
    let pcap = synth::pcap::bytes(&packets, link, synth::pcap::Format::default());
    let mut gzip = GzEncoder::new(Vec::new(), flate2::Compression::default());
    gzip.write_all(&pcap).unwrap();
    let mut lz4 = FrameEncoder::new(Vec::new());
    lz4.write_all(&pcap).unwrap();
    let mut xz = XzEncoder::new(Vec::new(), 1);
    xz.write_all(&pcap).unwrap();
    let files = [
        ("pcapng", synth::pcapng::bytes(&packets, link, false)),
        ("gzip", gzip.finish().unwrap()),
        ("zstd", zstd::encode_all(&*pcap, 3).unwrap()),
        ("lz4", lz4.finish().unwrap()),
        ("xz", xz.finish().unwrap()),
        ("pcap", pcap),
    ];

    let folder = Folder::new();
    let mut group = criterion.benchmark_group("capture");
    group.sampling_mode(SamplingMode::Flat).measurement_time(Duration::from_secs(4));
    let bytes = files[5].1.len() as u64;
    group.throughput(Throughput::ElementsAndBytes { elements: packets.len() as u64, bytes });
    for (name, file) in files {
        let path = folder.file(name, &file);
        assert_eq!(bench::read(&path), packets.len() as u64, "{name}: packets");
        group.bench_function(name, |bencher| bencher.iter(|| bench::read(&path)));
    }
    group.finish();
}
