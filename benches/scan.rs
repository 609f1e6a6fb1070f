//! The whole scan, from the file to its records: bytes of the file per second.

use std::num::NonZeroUsize;

use criterion::{Criterion, SamplingMode, Throughput};
use mailtap::record::Record;
use mailtap::{Config, Engine, RecordKind, Source};
use synth::traffic::Kind;
use synth::{LinkType, Plan};

use crate::input::{self, Folder};

/// What a sensor would keep; no event by itself.
const RECORDS: [RecordKind; 4] = [RecordKind::Findings, RecordKind::Sessions, RecordKind::Servers, RecordKind::Summary];

pub(crate) fn bench(criterion: &mut Criterion) {
    let mail = synth::pcap::bytes(&input::mail(100, &Plan::new()), LinkType::Ethernet, synth::pcap::Format::default());
    let folder = Folder::new();
    let mut group = criterion.benchmark_group("scan");
    group.sampling_mode(SamplingMode::Flat);
    for (name, file) in [
        ("span", input::traffic(Kind::Span, 64 << 20)),
        ("relay", input::traffic(Kind::Relay, 32 << 20)),
        // What capture's, tcp's and smtp's benches are given.
        ("mail", mail),
    ] {
        let path = Source::path(folder.file(name, &file));
        group.throughput(Throughput::BytesDecimal(file.len() as u64));
        for threads in [1, 2] {
            let config = Config::new().records(RECORDS).threads(NonZeroUsize::new(threads).unwrap());
            let engine = Engine::new(config);
            assert!(sessions(&engine, &path) > 5, "{name}: sessions");
            group.bench_function(format!("{name}, --threads {threads}"), |bencher| {
                bencher.iter(|| sessions(&engine, &path));
            });
        }
    }
    group.finish();
}

/// How many sessions a scan tells.
fn sessions(engine: &Engine, source: &Source) -> usize {
    let mut sessions = 0;
    let outcome = engine.scan(source, |record| sessions += usize::from(matches!(record, Record::Session(_)))).unwrap();
    assert!(outcome.problems.is_empty(), "{:?}", outcome.problems);
    sessions
}
