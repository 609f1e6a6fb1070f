//! Words of which a field has one out of a few: written by their names, read back by the same table, and listed in the schema.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

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

/// What each of them can do by its name: be printed, parsed, written and read, and be told in the schema.
macro_rules! words {
    ($($word:ty),+ $(,)?) => {$(
        impl fmt::Display for $word {
            fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
                out.pad(Named::name(*self))
            }
        }

        impl FromStr for $word {
            type Err = UnknownWord;

            fn from_str(text: &str) -> Result<Self, UnknownWord> {
                of_name(text)
            }
        }

        impl Serialize for $word {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(Named::name(*self))
            }
        }

        impl<'de> Deserialize<'de> for $word {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                of_name(&Cow::<str>::deserialize(deserializer)?).map_err(D::Error::custom)
            }
        }

        impl JsonSchema for $word {
            fn schema_name() -> Cow<'static, str> {
                Cow::Borrowed(<$word as Named>::KIND)
            }

            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                json_schema!({ "type": "string", "enum": names::<$word>() })
            }
        }
    )+};
}

words!(About, Closed, DataEnd, Help, Kind, Program, Severity, Side, StartTls, State);

fn of_name<T: Named>(text: &str) -> Result<T, UnknownWord> {
    let known = T::ALL.iter().copied().find(|known| known.name() == text);
    known.ok_or_else(|| UnknownWord { word: text.to_owned(), known: names::<T>() })
}

fn names<T: Named>() -> Vec<&'static str> {
    T::ALL.iter().map(|known| known.name()).collect()
}

/// A word that is none of those that may stand there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnknownWord {
    word: String,
    known: Vec<&'static str>,
}

impl fmt::Display for UnknownWord {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "'{}' is none of {}", self.word, self.known.join(", "))
    }
}

impl std::error::Error for UnknownWord {}

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

impl Closed {
    /// Its name in records.
    pub const fn name(self) -> &'static str {
        match self {
            Closed::Fin => "fin",
            Closed::Rst => "rst",
            Closed::Timeout => "timeout",
            Closed::EndOfCapture => "end-of-capture",
            Closed::Evicted => "evicted",
        }
    }
}

impl Named for Closed {
    const KIND: &'static str = "Closed";
    const ALL: &'static [Self] = &[Closed::Fin, Closed::Rst, Closed::Timeout, Closed::EndOfCapture, Closed::Evicted];

    fn name(self) -> &'static str {
        Closed::name(self)
    }
}

/// Counts by severity; those of which there are none are not in it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "BTreeMap<String, u64>")]
pub struct BySeverity(pub(super) BTreeMap<Cow<'static, str>, u64>);

impl BySeverity {
    /// How often it was of that severity.
    pub fn of(&self, severity: Severity) -> u64 {
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
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum DataEnd {
    /// By `<CRLF>.<CRLF>` (RFC 5321 section 4.1.1.4), or `<LF>.<LF>` in a session that never used CRLF.
    Dot,
    /// By another line with a dot alone, which the server took for the end: what follows was smuggled.
    Smuggled,
    /// A chunk that is not the last (RFC 3030 section 2).
    Chunk,
    /// The chunk of `BDAT ... LAST`.
    LastChunk,
    /// By a reply in the middle of it.
    Refused,
    /// The session ended first, or its end was not captured.
    Unfinished,
}

impl DataEnd {
    /// Its name in records.
    pub const fn name(self) -> &'static str {
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

impl Named for DataEnd {
    const KIND: &'static str = "DataEnd";
    const ALL: &'static [Self] =
        &[DataEnd::Dot, DataEnd::Smuggled, DataEnd::Chunk, DataEnd::LastChunk, DataEnd::Refused, DataEnd::Unfinished];

    fn name(self) -> &'static str {
        DataEnd::name(self)
    }
}

/// Whose bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Side {
    /// The client's.
    Client,
    /// The server's.
    Server,
}

impl Side {
    /// Its name in records.
    pub const fn name(self) -> &'static str {
        match self {
            Side::Client => "client",
            Side::Server => "server",
        }
    }
}

impl Named for Side {
    const KIND: &'static str = "Side";
    const ALL: &'static [Self] = &[Side::Client, Side::Server];

    fn name(self) -> &'static str {
        Side::name(self)
    }
}

/// What ran.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Program {
    /// `mailtap scan`, or this library.
    Scan,
    /// `mailtap watch`.
    Watch,
}

impl Program {
    /// Its name in records.
    pub const fn name(self) -> &'static str {
        match self {
            Program::Scan => "scan",
            Program::Watch => "watch",
        }
    }
}

impl Named for Program {
    const KIND: &'static str = "Program";
    const ALL: &'static [Self] = &[Program::Scan, Program::Watch];

    fn name(self) -> &'static str {
        Program::name(self)
    }
}
