//! `start`: what ran, with which options that change results.

use std::borrow::Cow;
use std::collections::BTreeMap;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Map, Value};

use crate::base::{self, Limit};
use crate::rules::Severity;

use super::ids::FINGERPRINTS;
use super::word::Program;
use super::{FORMAT, Name};

/// The first record: what ran, and with which options.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Start {
    /// The version of mailtap.
    pub mailtap: Name,
    /// The version of the records: 2.
    pub format: u32,
    /// The version of fingerprints: only those of one version can be compared.
    pub fingerprint_version: u32,
    /// What ran.
    pub command: Program,
    /// With which options.
    pub options: Options,
}

/// The options that change results, by their names, each with the value that was in force.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Options {
    /// `watch` alone: what the kernel was asked for.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "there")]
    pub bpf: Option<Filter>,
    /// Seconds that a closed connection is kept.
    pub closed_timeout: u32,
    /// Networks of Exchange servers.
    pub exchange_peers: Vec<String>,
    /// Seconds that fragments wait for their siblings.
    pub fragment_timeout: u32,
    /// Seconds that a connection may stay half-open.
    pub half_open_timeout: u32,
    /// Whether captures were hashed.
    pub hash: bool,
    /// Seconds that an open connection may be idle.
    pub idle_timeout: u32,
    /// Rules and checks that were left out.
    pub ignore: Vec<String>,
    /// `watch` alone: the interfaces.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub interface: Option<Vec<String>>,
    /// Every limit.
    pub limits: Limits,
    /// Captures that might be open at once.
    pub merge_files: u32,
    /// Nothing below it was reported.
    pub min_severity: Severity,
    /// `watch` alone: whether the kernel's filter let SMTP on other ports pass.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub notice_ports: Option<bool>,
    /// The TCP ports that carry SMTP.
    pub port: Vec<u16>,
    /// The kinds of records that were wanted.
    pub records: Vec<Name>,
    /// `watch` alone: seconds after which what is told once per server is told again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub renotify: Option<u64>,
    /// Rules and checks that were asked for; all where there is none.
    pub select: Vec<String>,
    /// Whether each capture was treated alone.
    pub separate: bool,
    /// Networks of servers; all where there is none.
    pub servers: Vec<String>,
    /// Severities that were set, by rule or `rule/check`.
    pub severity: BTreeMap<String, Severity>,
    /// Whether secrets are shown.
    pub show_secrets: bool,
    /// `watch` alone: octets that were captured of a packet at most.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub snap_length: Option<u32>,
    /// `watch` alone: seconds from one `stats` record to the next.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stats_interval: Option<u32>,
}

/// What the kernel is asked for; nothing where that is made of the ports.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct Filter(Option<String>);

impl Filter {
    /// The user's own, where there is one.
    pub fn given(&self) -> Option<&str> {
        self.0.as_deref()
    }
}

/// What `watch` has besides.
#[derive(Clone, Debug)]
pub(crate) struct Watch {
    pub interface: Vec<String>,
    pub snap_length: u32,
    pub bpf: Option<String>,
    pub notice_ports: bool,
    pub stats_interval: u32,
    pub renotify: u64,
}

impl Start {
    /// Of a scan.
    pub(crate) fn scan(options: Options) -> Self {
        Start {
            mailtap: Cow::Borrowed(env!("CARGO_PKG_VERSION")),
            format: FORMAT,
            fingerprint_version: FINGERPRINTS,
            command: Program::Scan,
            options,
        }
    }

    /// Of a live capture.
    pub(crate) fn watch(options: Options, watch: Watch) -> Self {
        let Watch { interface, snap_length, bpf, notice_ports, stats_interval, renotify } = watch;
        let options = Options {
            interface: Some(interface),
            snap_length: Some(snap_length),
            bpf: Some(Filter(bpf)),
            notice_ports: Some(notice_ports),
            stats_interval: Some(stats_interval),
            renotify: Some(renotify),
            ..options
        };
        Start { command: Program::Watch, ..Start::scan(options) }
    }
}

/// A field that is there, though it may be null.
fn there<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Filter>, D::Error> {
    Option::deserialize(deserializer).map(|filter| Some(Filter(filter)))
}

/// Every limit with its value.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "BTreeMap<String, u64>")]
pub struct Limits(BTreeMap<Name, u64>);

impl Limits {
    /// Each limit's name and value.
    pub fn iter(&self) -> impl Iterator<Item = (&str, u64)> {
        self.0.iter().map(|(name, value)| (name.as_ref(), *value))
    }
}

impl TryFrom<BTreeMap<String, u64>> for Limits {
    type Error = String;

    fn try_from(limits: BTreeMap<String, u64>) -> Result<Self, String> {
        let known = |name: &String| Limit::ALL.iter().any(|bound| bound.key == name);
        match limits.keys().find(|name| !known(name)) {
            Some(name) => Err(format!("no limit '{name}'")),
            None => Ok(Limits(limits.into_iter().map(|(name, value)| (Cow::Owned(name), value)).collect())),
        }
    }
}

impl From<&base::Limits> for Limits {
    fn from(limits: &base::Limits) -> Self {
        let value = |bound: &base::limits::Bound| (Cow::Borrowed(bound.key), limits.get(bound.limit));
        Limits(Limit::ALL.iter().map(value).collect())
    }
}

impl JsonSchema for Limits {
    fn schema_name() -> Cow<'static, str> {
        Cow::Borrowed("Limits")
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let number = || serde_json::json!({ "type": "integer", "minimum": 1 });
        let properties: Map<String, Value> = Limit::ALL.iter().map(|bound| (bound.key.to_owned(), number())).collect();
        let required: Vec<&str> = Limit::ALL.iter().map(|bound| bound.key).collect();
        json_schema!({
            "type": "object", "properties": properties, "required": required, "additionalProperties": false,
        })
    }
}
