//! SMTP: bytes of both directions per second, and events.

use criterion::{Criterion, Throughput};
use mailtap::bench::Packets;
use synth::{LinkType, Packet, Plan};

use crate::input::{self, Folder};

pub(crate) fn bench(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("smtp");
    let mut each = |name: &str, packets: &[Packet], least: u64| {
        let folder = Folder::new();
        let streams = Packets::read(&folder.pcap(packets, LinkType::Ethernet)).segments().streams();
        let events = streams.parse();
        assert!(events > least, "{name}: {events} events");
        group.throughput(Throughput::ElementsAndBytes { elements: events, bytes: streams.octets() });
        group.bench_function(name, |bencher| bencher.iter(|| streams.parse()));
    };
    // Four groups of MAIL, RCPT, RSET and NOOP in each session, and their replies.
    each("commands", &input::commands(40, &Plan::new()), 40 * 4 * 8);
    // A few commands, and some tens of kilobytes of message data behind them.
    each("message data", &input::mail(30, &Plan::new()), 30 * 14);
    group.finish();
}
