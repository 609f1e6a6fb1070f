//! Rules: events per second of each one, and bytes of the sessions that they came of. Rules that tell the ledger facts
//! of servers always hear: what a rule costs is the difference to `none`.

use criterion::{Criterion, Throughput};
use mailtap::bench::{Packets, Rules, rules};
use synth::{LinkType, Packet, Plan};

use crate::input::{self, Folder};

pub(crate) fn bench(criterion: &mut Criterion) {
    let mut each = |name: &str, packets: &[Packet], selected: &[(&str, Rules)]| {
        let folder = Folder::new();
        let streams = Packets::read(&folder.pcap(packets, LinkType::Ethernet)).segments().streams();
        let events = streams.events();
        assert!(events.count() == streams.parse() && events.count() > 0, "{name}: events");
        assert!(events.judge(&Rules::all()) > 0, "{name}: verdicts");
        let mut group = criterion.benchmark_group(name);
        group.throughput(Throughput::ElementsAndBytes { elements: events.count(), bytes: streams.octets() });
        for (name, rules) in selected {
            group.bench_function(*name, |bencher| bencher.iter(|| events.judge(rules)));
        }
        group.finish();
    };
    let mut selected = vec![("none", Rules::only(&[])), ("all", Rules::all())];
    each("rules, mail", &input::mail(10, &Plan::new()), &selected);
    selected.extend(rules().map(|id| (id, Rules::only(&[id]))));
    each("rules, commands", &input::commands(10, &Plan::new()), &selected);
}
