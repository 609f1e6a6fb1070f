//! `start`: what ran, with which options that change results.

use std::borrow::Cow;
use std::collections::BTreeMap;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Map, Value};

use crate::base::{self, Limit};
use crate::rules::Severity;

use super::ids::FINGERPRINTS;
use super::word::{Program, Word};
use super::{FORMAT, Name};

/// The first record.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Start {
    /// The program's version.
    pub mailtap: Name,
    pub format: u32,
    pub fingerprint_version: u32,
    pub command: Word<Program>,
    pub options: Options,
}

/// The options that change results, by their names, each with the value that is in force.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Options {
    /// Of `watch` alone, as the other optional ones; null where the filter is made of the ports.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "there")]
    pub bpf: Option<Filter>,
    pub closed_timeout: u32,
    pub exchange_peers: Vec<String>,
    pub fragment_timeout: u32,
    pub half_open_timeout: u32,
    pub hash: bool,
    pub idle_timeout: u32,
    pub ignore: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub interface: Option<Vec<String>>,
    pub limits: Limits,
    pub merge_files: u32,
    pub min_severity: Word<Severity>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub notice_ports: Option<bool>,
    pub port: Vec<u16>,
    pub records: Vec<Name>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub renotify: Option<u64>,
    pub select: Vec<String>,
    pub separate: bool,
    pub servers: Vec<String>,
    pub severity: BTreeMap<String, Word<Severity>>,
    pub show_secrets: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub snap_length: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stats_interval: Option<u32>,
}

/// What the kernel is asked for; nothing where that is made of the ports.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub(crate) struct Filter(Option<String>);

impl Filter {
    /// Whether it is one of the user's own.
    pub(crate) fn is_given(&self) -> bool {
        self.0.is_some()
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
            command: Word(Program::Scan),
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
        Start { command: Word(Program::Watch), ..Start::scan(options) }
    }
}

/// A field that is there, though it may be null.
fn there<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Filter>, D::Error> {
    Option::deserialize(deserializer).map(|filter| Some(Filter(filter)))
}

/// Every limit with its value.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "BTreeMap<String, u64>")]
pub(crate) struct Limits(BTreeMap<Name, u64>);

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
