//! `server`: what is known of one server.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::base::{Endpoint, Known, ServerName};
use crate::ledger::server::{self as known, Help, StartTls};
use crate::rules;

use super::clerk::Scene;
use super::escape::{all_shown, shown};
use super::{Name, When};

/// One server, by its name or address, and port.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Server {
    /// Its address; if it has a name, the address where it was seen first.
    pub ip: IpAddr,
    /// Its port.
    pub port: u16,
    /// Its name, which replaces the address, if it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub name: Option<ServerName>,
    /// With `--separate`: the capture that this record is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub capture: Option<Arc<str>>,
    /// How many sessions it had.
    pub sessions: u64,
    /// The first 8 different texts of its greetings.
    pub greetings: Vec<String>,
    /// What it says about its software.
    pub software: Option<Software>,
    /// If greetings name different software, so that several servers answer here: all of it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub several_software: Vec<Software>,
    /// Keywords with their parameters of the last accepted EHLO whose reply was captured completely.
    pub capabilities: Vec<String>,
    /// How it responds to HELP.
    pub help: Help,
    /// Whether it offers STARTTLS.
    pub starttls: StartTls,
    /// The time of its first packet.
    pub first_seen: When,
    /// The time of its last packet.
    pub last_seen: When,
    /// How often each `rule/check` fired.
    pub findings: BTreeMap<String, u64>,
}

/// What a server says about its software.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Software {
    /// As the catalogue names it: `Postfix`.
    pub name: Name,
    /// As the greeting has it.
    pub version: Option<String>,
}

impl fmt::Display for Software {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.name)?;
        self.version.as_ref().map_or(Ok(()), |version| write!(out, " {version}"))
    }
}

impl Software {
    fn of(rules::Software { name, version }: rules::Software) -> Self {
        Software { name: Cow::Borrowed(name), version: version.map(|version| shown(version.into_bytes())) }
    }
}

/// Its name or its address, and its port: `mx-a:25`, `192.0.2.25:25`, `[2001:db8::25]:25`.
impl fmt::Display for Server {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.known().fmt(out)
    }
}

impl Server {
    /// What the server is known by.
    pub(crate) fn known(&self) -> Known {
        Known::by(self.name.as_ref(), Endpoint { ip: self.ip, port: self.port })
    }

    pub(super) fn of(server: known::Server, scene: &Scene) -> Self {
        let count = |(check, count): (&rules::CheckNumber, &u64)| (scene.catalogue.name(*check).to_owned(), *count);
        Server {
            ip: server.endpoint.ip,
            port: server.endpoint.port,
            name: scene.names.name(server.endpoint).cloned(),
            capture: server.capture.map(|rank| scene.places.name(rank)),
            sessions: server.sessions,
            greetings: all_shown(server.greetings),
            software: server.software.map(Software::of),
            several_software: server.several.into_iter().map(Software::of).collect(),
            capabilities: all_shown(server.capabilities),
            help: server.help,
            starttls: server.starttls,
            first_seen: When(server.first_seen),
            last_seen: When(server.last_seen),
            findings: server.findings.iter().map(count).collect(),
        }
    }
}
