//! Records: what a scan tells, as values of its own. A record names captures and frames instead of packet numbers, its text
//! is escaped, and what is secret in it is hidden; so whatever prints or keeps records can neither leak nor misplace
//! anything. [`Clerk`] makes them of what the ledger gives; they are written as JSON and read back.
//!
#![doc = include_str!("FORMATS.md")]
//!
//! Read in this order: [`escape`], [`ascii`], [`word`], [`stamp`], [`places`], [`ids`], then a file per record: [`start`],
//! [`finding`], [`session`], [`event`], [`server`], [`stats`], [`summary`]; then [`clerk`] and [`mod@schema`].

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
mod word;

pub(crate) use ascii::Ascii;
pub(crate) use clerk::Clerk;
pub(crate) use escape::Text;
pub(crate) use event::{Command, Data, Gap, Reply, Tls, TlsEvent};
pub(crate) use finding::{Finding, Proof};
pub(crate) use schema::schema;
pub(crate) use server::Server;
pub(crate) use session::{Session, Transaction};
pub(crate) use stamp::{Clockwork, When};
pub(crate) use start::{Filter, Options, Start};
pub(crate) use stats::Stats;
pub(crate) use summary::{OtherPort, Summary};
pub(crate) use word::{BySeverity, Named, Program, Word};

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::base::{Endpoint, Known, ServerName, ServerNames};
use crate::ledger::FindingCounts;

/// The version of the records: of their names and of what these mean. New fields do not change it.
pub(crate) const FORMAT: u32 = 2;

/// One record; as JSON an object whose `type` says which.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "lowercase")]
pub(crate) enum Record {
    Start(Box<Start>),
    Finding(Box<Finding>),
    Session(Box<Session>),
    Command(Box<Command>),
    Reply(Box<Reply>),
    Data(Box<Data>),
    Tls(Box<TlsEvent>),
    Gap(Box<Gap>),
    Server(Box<Server>),
    Stats(Box<Stats>),
    Summary(Box<Summary>),
}

/// A name of ours: nearly always one of the program's own words.
pub(crate) type Name = Cow<'static, str>;

/// One end of a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct End {
    pub ip: IpAddr,
    pub port: u16,
}

/// The server's end of a session.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ServerEnd {
    pub ip: IpAddr,
    pub port: u16,
    /// Which stands for the address, if it has one.
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

impl From<Endpoint> for End {
    fn from(Endpoint { ip, port }: Endpoint) -> Self {
        End { ip, port }
    }
}

/// A frame of a capture file, counted from 1 as Wireshark does.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Frame {
    pub capture: Arc<str>,
    pub frame: u64,
}

/// How often something was found, by rule and severity.
type ByRule = BTreeMap<String, BySeverity>;

fn by_rule(findings: &FindingCounts) -> ByRule {
    let severities = |counts: &BTreeMap<crate::rules::Severity, u64>| {
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
