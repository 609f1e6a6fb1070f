//! What a count that stands in a report under its name alone is about, for a person: of what, why, and what to do. Each
//! room keeps the meanings of its own names beside them.

/// What a name such as `other-port` in the summary's `not_analysed` means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Meaning {
    /// The name in records.
    pub name: &'static str,
    /// What is counted under it.
    pub unit: Unit,
    /// Why these were not analysed: lower case, no full stop, right beside any count (`1 packet: not IP`).
    pub what: &'static str,
    /// What to do about it, in one sentence or two; `None` where there is nothing to do.
    pub advice: Option<&'static str>,
}

/// What is counted. Numbers of different units are never added up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unit {
    Packets,
    Bytes,
    /// Files, or other inputs.
    Files,
    Connections,
    Sessions,
    /// How often something happened.
    Times,
}

impl Meaning {
    /// Packets that were not analysed, with nothing to be done about it.
    pub(crate) const fn packets(name: &'static str, what: &'static str) -> Self {
        Meaning::of(name, Unit::Packets, what)
    }

    pub(crate) const fn of(name: &'static str, unit: Unit, what: &'static str) -> Self {
        Meaning { name, unit, what, advice: None }
    }

    /// The same with what to do about it.
    pub(crate) const fn advice(self, advice: &'static str) -> Self {
        Meaning { advice: Some(advice), ..self }
    }
}

impl Unit {
    /// The word behind that number: `packet` behind 1, `packets` behind 2.
    pub(crate) fn word(self, number: u64) -> &'static str {
        match (self, number) {
            (Unit::Packets, 1) => "packet",
            (Unit::Packets, _) => "packets",
            (Unit::Bytes, 1) => "byte",
            (Unit::Bytes, _) => "bytes",
            (Unit::Files, 1) => "file",
            (Unit::Files, _) => "files",
            (Unit::Connections, 1) => "connection",
            (Unit::Connections, _) => "connections",
            (Unit::Sessions, 1) => "session",
            (Unit::Sessions, _) => "sessions",
            (Unit::Times, 1) => "time",
            (Unit::Times, _) => "times",
        }
    }
}
