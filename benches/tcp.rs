//! Reassembly: bytes of both directions per second.

use criterion::{Criterion, Throughput};
use mailtap::bench::Packets;
use synth::{Acks, LinkType, Packet, Plan};

use crate::input::{self, Folder};

pub(crate) fn bench(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("tcp");
    let mut each = |name: &str, packets: &[Packet]| {
        let folder = Folder::new();
        let read = Packets::read(&folder.pcap(packets, LinkType::Ethernet));
        let segments = read.segments();
        assert_eq!(segments.count(), packets.len() as u64, "{name}: segments");
        let octets = segments.streams().octets();
        assert!(octets > 0 && segments.reassemble() == octets, "{name}: octets");
        group.throughput(Throughput::ElementsAndBytes { elements: segments.count(), bytes: octets });
        group.bench_function(name, |bencher| bencher.iter(|| segments.reassemble()));
        octets
    };
    let ordered = input::mail(30, &Plan::new());
    let reordered = input::mail(30, &Plan::new().reorder(10));
    let bytes = |packet: &Packet| packet.bytes.clone();
    assert!(ordered.iter().map(bytes).ne(reordered.iter().map(bytes)), "another order");
    assert_eq!(each("in order", &ordered), each("1 % reordered", &reordered), "nothing is lost by it");
    each("commands", &input::commands(100, &Plan::new()));
    each("a byte a segment", &input::commands(10, &Plan::new().mss(1).acks(Acks::Every)));
    group.finish();
}
