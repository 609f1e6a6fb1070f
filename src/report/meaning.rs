//! stub
pub(crate) struct Meaning { pub what: &'static str, pub advice: &'static str, pub unit: Unit }
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unit { Packets, Bytes }
pub(crate) fn of(name: &str) -> Meaning {
    let skips = crate::decode::Reason::ALL.iter().map(|reason| (reason.key, reason.what));
    let mut all = skips.chain(crate::defrag::NAMES.iter().chain(crate::tcp::NAMES).chain([&crate::ledger::MISSING]).copied());
    let what = all.find(|(key, _)| *key == name).map_or("", |(_, what)| what);
    Meaning { what, advice: "", unit: if name == "missing-bytes" { Unit::Bytes } else { Unit::Packets } }
}
