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
use super::word::Word;
use super::{Name, When};

/// One server, by its name or address, and port.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Server {
    /// Of one with a name, the address at which it was seen first.
    pub ip: IpAddr,
    pub port: u16,
    /// Which stands for the address, if it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub name: Option<ServerName>,
    /// Where each capture is treated alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub capture: Option<Arc<str>>,
    pub sessions: u64,
    pub greetings: Vec<String>,
    pub software: Option<Software>,
    /// Where several servers answer here.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub several_software: Vec<Software>,
    pub capabilities: Vec<String>,
    pub help: Word<Help>,
    pub starttls: Word<StartTls>,
    pub first_seen: When,
    pub last_seen: When,
    pub findings: BTreeMap<String, u64>,
}

/// What a server says of its software.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Software {
    pub name: Name,
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
            help: Word(server.help),
            starttls: Word(server.starttls),
            first_seen: When(server.first_seen),
            last_seen: When(server.last_seen),
            findings: server.findings.iter().map(count).collect(),
        }
    }
}
