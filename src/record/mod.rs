//! Records: what a scan tells, as values of its own. A record names captures and frames instead of packet numbers, its text
//! is escaped, and what is secret in it is hidden; so whatever prints or keeps records can neither leak nor misplace
//! anything. They are written as JSON and read back: [`Record::to_json`], [`Record::from_json`], and by serde each alone.
//!
//! A later version may have more fields, variants and records: whoever matches them writes `..` or `_` for those.
//!
#![doc = include_str!("FORMATS.md")]
//!

// Read in this order: escape, ascii, word, stamp, places, ids, window, then a file per record: start, finding, session, event,
// server, stats, summary; then clerk, which makes them of what the ledger gives, and schema.

mod ascii;
mod clerk;
mod escape;
mod event;
mod finding;
mod ids;
mod places;
mod schema;
mod server;
mod session;
mod stamp;
mod start;
mod stats;
mod summary;
#[cfg(test)]
#[expect(clippy::arithmetic_side_effects, reason = "a few fixed times")]
pub(crate) mod testing;
#[cfg(test)]
mod tests;
mod window;
mod word;

pub use crate::base::{Limits, NotAPattern, Pattern, ServerName, ServerNames};
pub use crate::ledger::identity::SessionPrefix;
pub use crate::ledger::server::{Help, StartTls};
pub use crate::rules::{About, Severity};
pub use crate::smtp::wire::tls::State as TlsState;
pub use crate::tcp::Closed;
pub use ascii::Ascii;
pub use event::{Command, Data, Gap, Reply, Tls, TlsEvent};
pub use finding::{Evidence, Finding, KeptPackets, Proof};
pub use ids::FINGERPRINTS;
pub use schema::schema;
pub use server::{Server, Software};
pub use session::{Auth, Greeting, Helo, Missing, Recipient, Retransmitted, Session, Transaction};
pub use stamp::{NotATime, When};
pub use start::{Filter, Options, Start};
pub use stats::Stats;
pub use summary::{Capture, OtherPort, Skipped, Summary};
pub use window::{NotAMoment, Since, Until};
pub use word::{BySeverity, DataEnd, Program, Side, UnknownWord};

pub(crate) use clerk::Clerk;
pub(crate) use escape::Text;
pub(crate) use stamp::Clockwork;
#[cfg(feature = "cli")]
pub(crate) use summary::shown_path;
#[cfg(feature = "cli")]
pub(crate) use word::Named;

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::base::{Endpoint, Known};
use crate::ledger::FindingCounts;

/// The version of the records: of their names and of what these mean. New fields do not change it.
pub const FORMAT: u32 = 2;

/// One record; as JSON an object whose `type` says which.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "lowercase")]
#[non_exhaustive]
pub enum Record {
    /// What ran; always the first.
    Start(Box<Start>),
    /// What a rule found.
    Finding(Box<Finding>),
    /// A session that is over.
    Session(Box<Session>),
    /// A line of a client.
    Command(Box<Command>),
    /// A reply of a server.
    Reply(Box<Reply>),
    /// Message data that ended.
    Data(Box<Data>),
    /// Something more is known of a session's TLS.
    Tls(Box<TlsEvent>),
    /// Bytes that were not captured.
    Gap(Box<Gap>),
    /// What is known of one server.
    Server(Box<Server>),
    /// What a live capture counted so far.
    Stats(Box<Stats>),
    /// The scan as a whole; always the last.
    Summary(Box<Summary>),
}

impl Record {
    /// Reads a record of this version, such as a line of `mailtap scan --format jsonl`.
    ///
    /// ```
    /// # use mailtap::record::Record;
    /// assert!(Record::from_json("{\"type\":\"mail\"}").is_err());
    /// ```
    ///
    /// # Errors
    /// It is no JSON, or no record: a field is missing, has another type, or is none of this version's.
    pub fn from_json(json: &str) -> Result<Self, NotARecord> {
        serde_json::from_str(json).map_err(NotARecord)
    }

    /// The record as the program prints it, without a line end.
    pub fn to_json(&self) -> String {
        // No value of a record fails.
        serde_json::to_string(self).unwrap_or_default()
    }
}

/// Why text is no record.
#[derive(Debug)]
pub struct NotARecord(serde_json::Error);

impl fmt::Display for NotARecord {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "not a record of format {FORMAT}")
    }
}

impl std::error::Error for NotARecord {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.0)
    }
}

/// A session's id: 16 hexadecimal digits.
pub type SessionId = Ascii<16>;
/// 16 hexadecimal digits.
pub type Fingerprint = Ascii<16>;
/// `1:` and a digest in base64.
pub type CommunityId = Ascii<30>;
/// 64 hexadecimal digits.
pub type Sha256Hex = Ascii<64>;

/// A name of ours: nearly always one of the program's own words.
pub type Name = Cow<'static, str>;

/// One end of a session; as text `192.0.2.25:25` or `[2001:db8::25]:25`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct End {
    /// Its address.
    pub ip: IpAddr,
    /// Its TCP port.
    pub port: u16,
}

impl From<End> for SocketAddr {
    fn from(End { ip, port }: End) -> Self {
        SocketAddr::new(ip, port)
    }
}

impl fmt::Display for End {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        SocketAddr::from(*self).fmt(out)
    }
}

/// The server's end of a session.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct ServerEnd {
    /// Its address.
    pub ip: IpAddr,
    /// Its TCP port.
    pub port: u16,
    /// Its name, which replaces the address, if it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub name: Option<ServerName>,
}

impl ServerEnd {
    fn of(server: Endpoint, names: &ServerNames) -> Self {
        ServerEnd { ip: server.ip, port: server.port, name: names.name(server).cloned() }
    }

    /// What the server is known by.
    pub(crate) fn known(&self) -> Known {
        Known::by(self.name.as_ref(), Endpoint { ip: self.ip, port: self.port })
    }
}

impl fmt::Display for ServerEnd {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.known().fmt(out)
    }
}

impl From<Endpoint> for End {
    fn from(Endpoint { ip, port }: Endpoint) -> Self {
        End { ip, port }
    }
}

/// A frame of a capture file, counted from 1 as Wireshark does.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Frame {
    /// The capture, by its escaped name; of a live capture its interfaces.
    pub capture: Arc<str>,
    /// The frame's number.
    pub frame: u64,
}

/// How often something was found, by rule and severity.
pub type ByRule = BTreeMap<String, BySeverity>;

fn by_rule(findings: &FindingCounts) -> ByRule {
    let severities = |counts: &BTreeMap<Severity, u64>| {
        BySeverity(counts.iter().map(|(severity, count)| (Cow::Borrowed(severity.name()), *count)).collect())
    };
    findings.iter().map(|(rule, counts)| (rule.clone(), severities(counts))).collect()
}

fn named(tally: &crate::base::Tally) -> BTreeMap<Name, u64> {
    tally.iter().map(|(name, count)| (Cow::Borrowed(name), count)).collect()
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it so")]
fn is_false(flag: &bool) -> bool {
    !flag
}
