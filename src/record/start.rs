//! `start`: what ran, with which options that change results.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::num::NonZeroU32;

use ipnet::IpNet;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::{Map, Value};

use crate::base::{Limit, Limits, SMTP, ServerNames, Time, Timeouts};
use crate::capture;
use crate::ledger::{Kind, Records};
use crate::rules::Severity;
use crate::rules::selection::Selector;

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
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Options {
    /// Of `watch` alone, as the other optional ones; null where the filter is made of the ports.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "there")]
    pub bpf: Option<Filter>,
    pub closed_timeout: u32,
    /// Networks of Exchange servers, whose own verbs are usual between them.
    #[schemars(with = "Vec<String>")]
    pub exchange_peers: Vec<IpNet>,
    pub fragment_timeout: u32,
    pub half_open_timeout: u32,
    pub hash: bool,
    pub idle_timeout: u32,
    #[schemars(with = "Vec<String>")]
    pub ignore: Vec<Selector>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub interface: Option<Vec<String>>,
    pub limits: Limits,
    pub merge_files: NonZeroU32,
    pub min_severity: Word<Severity>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub notice_ports: Option<bool>,
    pub port: Vec<u16>,
    pub records: Vec<Word<Kind>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub renotify: Option<u64>,
    /// All, where it is empty.
    #[schemars(with = "Vec<String>")]
    pub select: Vec<Selector>,
    pub separate: bool,
    #[serde(default)]
    #[schemars(with = "BTreeMap<String, String>")]
    pub server_name: ServerNames,
    /// All, where it is empty.
    #[schemars(with = "Vec<String>")]
    pub servers: Vec<IpNet>,
    /// Of whole rules, or of checks.
    #[schemars(with = "BTreeMap<String, Word<Severity>>")]
    pub severity: BTreeMap<Selector, Word<Severity>>,
    pub show_secrets: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub snap_length: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stats_interval: Option<u32>,
}

impl Default for Options {
    /// What is in force where nothing was said, in a scan.
    fn default() -> Self {
        let Timeouts { half_open, idle, closed, fragments } = Timeouts::default();
        let seconds = |nanoseconds: i64| u32::try_from(nanoseconds.div_euclid(Time::SECOND)).unwrap_or(u32::MAX);
        let kinds = Kind::ALL.into_iter().filter(|kind| Records::default().has(*kind));
        Options {
            bpf: None,
            closed_timeout: seconds(closed),
            exchange_peers: Vec::new(),
            fragment_timeout: seconds(fragments),
            half_open_timeout: seconds(half_open),
            hash: false,
            idle_timeout: seconds(idle),
            ignore: Vec::new(),
            interface: None,
            limits: Limits::default(),
            merge_files: capture::Options::DEFAULT_MERGE_FILES,
            min_severity: Word(Severity::Info),
            notice_ports: None,
            port: vec![SMTP],
            records: kinds.map(Word).collect(),
            renotify: None,
            select: Vec::new(),
            separate: false,
            server_name: ServerNames::default(),
            servers: Vec::new(),
            severity: BTreeMap::new(),
            show_secrets: false,
            snap_length: None,
            stats_interval: None,
        }
    }
}

/// What the kernel is asked for; nothing where that is made of the ports.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub(crate) struct Filter(pub Option<String>);

impl Filter {
    /// Whether it is one of the user's own.
    pub(crate) fn is_given(&self) -> bool {
        self.0.is_some()
    }
}

impl Start {
    /// Of this version of the program.
    pub(crate) fn new(command: Program, options: Options) -> Self {
        Start {
            mailtap: Cow::Borrowed(env!("CARGO_PKG_VERSION")),
            format: FORMAT,
            fingerprint_version: FINGERPRINTS,
            command: Word(command),
            options,
        }
    }
}

/// A field that is there, though it may be null.
fn there<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Filter>, D::Error> {
    Option::deserialize(deserializer).map(|filter| Some(Filter(filter)))
}

impl Serialize for Limits {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let values: BTreeMap<&str, u64> = Limit::ALL.iter().map(|bound| (bound.key, self.get(bound.limit))).collect();
        values.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Limits {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut limits = Limits::default();
        for (name, value) in BTreeMap::<String, u64>::deserialize(deserializer)? {
            let bound = Limit::ALL.iter().find(|bound| bound.key == name);
            let bound = bound.ok_or_else(|| D::Error::custom(format!("no limit '{name}'")))?;
            limits.set(bound.limit, value);
        }
        Ok(limits)
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
