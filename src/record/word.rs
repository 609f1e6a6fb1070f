//! Words of which a field has one out of a few: written by their names, read back by the same table, and listed in the schema.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::{Map, Value, json};

use crate::ledger::Kind;
use crate::ledger::server::{Help, StartTls};
use crate::rules::{About, Severity};
use crate::smtp::wire::tls::State;
use crate::tcp::Closed;

/// Values that have names.
pub(crate) trait Named: Copy + 'static {
    /// What they are called together.
    const KIND: &'static str;
    const ALL: &'static [Self];

    fn name(self) -> &'static str;
}

/// One of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Word<T>(pub T);

impl<T: Named> Word<T> {
    pub(crate) fn name(self) -> &'static str {
        self.0.name()
    }
}

impl<T: Named> fmt::Display for Word<T> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.pad(self.name())
    }
}

impl<T: Named> Serialize for Word<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

impl<'de, T: Named> Deserialize<'de> for Word<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let name = Cow::<str>::deserialize(deserializer)?;
        let known = T::ALL.iter().copied().find(|known| known.name() == name);
        known.map(Word).ok_or_else(|| D::Error::custom(format!("no {} '{name}'", T::KIND)))
    }
}

impl<T: Named> JsonSchema for Word<T> {
    fn schema_name() -> Cow<'static, str> {
        Cow::Borrowed(T::KIND)
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let names: Vec<&str> = T::ALL.iter().map(|known| known.name()).collect();
        json_schema!({ "type": "string", "enum": names })
    }
}

impl Named for Severity {
    const KIND: &'static str = "Severity";
    const ALL: &'static [Self] = &Severity::ALL;

    fn name(self) -> &'static str {
        Severity::name(self)
    }
}

impl Named for Kind {
    const KIND: &'static str = "Kind";
    const ALL: &'static [Self] = &Kind::ALL;

    fn name(self) -> &'static str {
        Kind::name(self)
    }
}

impl Named for About {
    const KIND: &'static str = "About";
    const ALL: &'static [Self] = &[About::Server, About::Client, About::Session];

    fn name(self) -> &'static str {
        About::name(self)
    }
}

impl Named for Help {
    const KIND: &'static str = "Help";
    const ALL: &'static [Self] = &[Help::Unknown, Help::Unclear, Help::Refused, Help::Advertised, Help::Exposed];

    fn name(self) -> &'static str {
        Help::name(self)
    }
}

impl Named for StartTls {
    const KIND: &'static str = "StartTls";
    const ALL: &'static [Self] = &[StartTls::Unknown, StartTls::NotOffered, StartTls::Offered];

    fn name(self) -> &'static str {
        StartTls::name(self)
    }
}

impl Named for State {
    const KIND: &'static str = "TlsState";
    const ALL: &'static [Self] = &[
        State::None,
        State::Offered,
        State::Refused,
        State::Started,
        State::Failed,
        State::Implicit,
        State::Decrypted,
    ];

    fn name(self) -> &'static str {
        State::name(self)
    }
}

impl Named for Closed {
    const KIND: &'static str = "Closed";
    const ALL: &'static [Self] = &[Closed::Fin, Closed::Rst, Closed::Timeout, Closed::EndOfCapture, Closed::Evicted];

    fn name(self) -> &'static str {
        match self {
            Closed::Fin => "fin",
            Closed::Rst => "rst",
            Closed::Timeout => "timeout",
            Closed::EndOfCapture => "end-of-capture",
            Closed::Evicted => "evicted",
        }
    }
}

/// Counts by severity.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "BTreeMap<String, u64>")]
pub(crate) struct BySeverity(pub(super) BTreeMap<Cow<'static, str>, u64>);

impl BySeverity {
    /// How often it was of that one.
    pub(crate) fn of(&self, severity: Severity) -> u64 {
        self.0.get(severity.name()).copied().unwrap_or(0)
    }
}

impl TryFrom<BTreeMap<String, u64>> for BySeverity {
    type Error = String;

    fn try_from(counts: BTreeMap<String, u64>) -> Result<Self, String> {
        let known = |name: &String| Severity::ALL.iter().any(|severity| severity.name() == name);
        match counts.keys().find(|name| !known(name)) {
            Some(name) => Err(format!("no severity '{name}'")),
            None => Ok(BySeverity(counts.into_iter().map(|(name, count)| (Cow::Owned(name), count)).collect())),
        }
    }
}

impl JsonSchema for BySeverity {
    fn schema_name() -> Cow<'static, str> {
        Cow::Borrowed("BySeverity")
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let count = || json!({ "type": "integer", "minimum": 1 });
        let properties: Map<String, Value> =
            Severity::ALL.iter().map(|severity| (severity.name().to_owned(), count())).collect();
        json_schema!({ "type": "object", "properties": properties, "additionalProperties": false })
    }
}

/// How message data ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum DataEnd {
    Dot,
    Smuggled,
    Chunk,
    LastChunk,
    Refused,
    Unfinished,
}

impl Named for DataEnd {
    const KIND: &'static str = "DataEnd";
    const ALL: &'static [Self] =
        &[DataEnd::Dot, DataEnd::Smuggled, DataEnd::Chunk, DataEnd::LastChunk, DataEnd::Refused, DataEnd::Unfinished];

    fn name(self) -> &'static str {
        match self {
            DataEnd::Dot => "dot",
            DataEnd::Smuggled => "smuggled",
            DataEnd::Chunk => "chunk",
            DataEnd::LastChunk => "last-chunk",
            DataEnd::Refused => "refused",
            DataEnd::Unfinished => "unfinished",
        }
    }
}

/// Whose.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Side {
    Client,
    Server,
}

impl Named for Side {
    const KIND: &'static str = "Side";
    const ALL: &'static [Self] = &[Side::Client, Side::Server];

    fn name(self) -> &'static str {
        match self {
            Side::Client => "client",
            Side::Server => "server",
        }
    }
}

/// What ran.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Program {
    Scan,
    Watch,
}

impl Named for Program {
    const KIND: &'static str = "Program";
    const ALL: &'static [Self] = &[Program::Scan, Program::Watch];

    fn name(self) -> &'static str {
        match self {
            Program::Scan => "scan",
            Program::Watch => "watch",
        }
    }
}
