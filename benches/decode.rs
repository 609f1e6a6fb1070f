//! Decode: packets per second of the port test and of full decode: 1000 by its Melem/s are nanoseconds per packet.

use criterion::{Criterion, Throughput};
use mailtap::bench::{Decoding, Packets};
use synth::{LinkType, Packet, Plan};

use crate::input::{self, Folder};

const HTTPS: u16 = 443;

pub(crate) fn bench(criterion: &mut Criterion) {
    let ethernet = Plan::new();
    let cooked = Plan::new().link(LinkType::Cooked);
    let smtp = |plan: &Plan| input::commands(40, plan);
    let other = |plan: &Plan| input::commands_on(HTTPS, 40, plan);

    let mut group = criterion.benchmark_group("decode");
    let mut each = |name: &str, plan: &Plan, packets: Vec<Packet>, is_mail: bool| {
        let folder = Folder::new();
        let read = Packets::read(&folder.pcap(&packets, plan.link));
        let all = packets.len() as u64;
        let expected = if is_mail {
            Decoding { segments: all, ..Decoding::default() }
        } else {
            Decoding { skipped: all, ..Decoding::default() }
        };
        assert_eq!(read.decode(), expected, "{name}");
        group.throughput(Throughput::Elements(all));
        group.bench_function(name, |bencher| bencher.iter(|| read.decode()));
    };
    // Refused by the port test.
    each("other port", &ethernet, other(&ethernet), false);
    // Link types without a port test go the whole way to the same refusal.
    each("other port, cooked", &cooked, other(&cooked), false);
    // Port test and full decode.
    each("segment", &ethernet, smtp(&ethernet), true);
    each("segment, cooked", &cooked, smtp(&cooked), true);
    for (name, plan) in [
        ("segment, VLAN", Plan::new().vlans(&[7])),
        ("segment, two VLANs", Plan::new().vlans(&[7, 8])),
        ("segment, IPv6", Plan::new().ipv6(true)),
    ] {
        each(name, &plan, smtp(&plan), true);
    }
    group.finish();
}
