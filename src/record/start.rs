//! `start`: what ran, with which options that change results.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::num::NonZeroU32;

use ipnet::IpNet;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::{Map, Value};

use crate::base::{Limit, Limits, Pattern, SMTP, ServerNames, Time, Timeouts};
use crate::capture;
use crate::ledger::identity::SessionPrefix;
use crate::ledger::{Kind, Records};
use crate::rules::Severity;
use crate::rules::selection::Selector;

use super::ids::FINGERPRINTS;
use super::window::{Since, Until};
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

/// The options that change results, by their names, each with the value in effect.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Options {
    /// `watch` alone: what the kernel was asked for.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "there")]
    pub bpf: Option<Filter>,
    /// Networks of clients; all where there is none.
    #[serde(default)]
    #[schemars(with = "Vec<String>")]
    pub client: Vec<IpNet>,
    /// Seconds that a closed connection is kept.
    pub closed_timeout: u32,
    /// Networks of Exchange servers, among which their own commands are normal.
    #[schemars(with = "Vec<String>")]
    pub exchange_peers: Vec<IpNet>,
    /// Seconds that IP fragments wait for the others.
    pub fragment_timeout: u32,
    /// Seconds that a connection may stay half-open.
    pub half_open_timeout: u32,
    /// Whether captures are hashed.
    pub hash: bool,
    /// Seconds that an open connection may be idle.
    pub idle_timeout: u32,
    /// Rules and checks to leave out.
    #[schemars(with = "Vec<String>")]
    pub ignore: Vec<Selector>,
    /// `watch` alone: the interfaces.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub interface: Option<Vec<String>>,
    /// Every limit.
    pub limits: Limits,
    /// What the lines that are reported match; everything where it is null.
    #[serde(default, rename = "match")]
    #[schemars(with = "Option<String>")]
    pub pattern: Option<Pattern>,
    /// Captures that may be open at once.
    pub merge_files: NonZeroU32,
    /// Findings below this severity are not reported.
    pub min_severity: Severity,
    /// `watch` alone: whether SMTP on other ports passes the kernel's filter.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub notice_ports: Option<bool>,
    /// The TCP ports that carry SMTP.
    pub port: Vec<u16>,
    /// The kinds of records to write.
    pub records: Vec<Kind>,
    /// `watch` alone: seconds after which findings of a server are reported again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub renotify: Option<u64>,
    /// Rules and checks to use; all if empty.
    #[schemars(with = "Vec<String>")]
    pub select: Vec<Selector>,
    /// Whether each capture is analysed on its own.
    pub separate: bool,
    /// Names that stand for addresses of servers, by network, address or `ADDRESS:PORT`.
    #[serde(default)]
    #[schemars(with = "BTreeMap<String, String>")]
    pub server_name: ServerNames,
    /// Networks of servers to report; all if empty.
    #[schemars(with = "Vec<String>")]
    pub servers: Vec<IpNet>,
    /// Ids of sessions, or their first digits; all if empty.
    #[serde(default)]
    #[schemars(with = "Vec<String>")]
    pub session: Vec<SessionPrefix>,
    /// Severities that were set, of whole rules or of checks.
    #[schemars(with = "BTreeMap<String, Severity>")]
    pub severity: BTreeMap<Selector, Severity>,
    /// Whether secrets are shown.
    pub show_secrets: bool,
    /// The first moment that is reported.
    #[serde(default)]
    pub since: Option<Since>,
    /// `watch` alone: bytes captured of each packet at most.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub snap_length: Option<u32>,
    /// `watch` alone: seconds from one `stats` record to the next.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stats_interval: Option<u32>,
    /// The last moment that is reported.
    #[serde(default)]
    pub until: Option<Until>,
}

impl Default for Options {
    /// What is in force where nothing was said, in a scan.
    fn default() -> Self {
        let Timeouts { half_open, idle, closed, fragments } = Timeouts::default();
        let seconds = |nanoseconds: i64| u32::try_from(nanoseconds.div_euclid(Time::SECOND)).unwrap_or(u32::MAX);
        let kinds = Kind::ALL.into_iter().filter(|kind| Records::default().has(*kind));
        Options {
            bpf: None,
            client: Vec::new(),
            closed_timeout: seconds(closed),
            exchange_peers: Vec::new(),
            fragment_timeout: seconds(fragments),
            half_open_timeout: seconds(half_open),
            hash: false,
            idle_timeout: seconds(idle),
            ignore: Vec::new(),
            interface: None,
            limits: Limits::default(),
            pattern: None,
            merge_files: capture::Options::DEFAULT_MERGE_FILES,
            min_severity: Severity::Info,
            notice_ports: None,
            port: vec![SMTP],
            records: kinds.collect(),
            renotify: None,
            select: Vec::new(),
            separate: false,
            server_name: ServerNames::default(),
            servers: Vec::new(),
            session: Vec::new(),
            severity: BTreeMap::new(),
            show_secrets: false,
            since: None,
            snap_length: None,
            stats_interval: None,
            until: None,
        }
    }
}

/// What the kernel is asked for; nothing where that is made of the ports.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct Filter(pub(crate) Option<String>);

impl Filter {
    /// The user's own, where there is one.
    pub fn given(&self) -> Option<&str> {
        self.0.as_deref()
    }
}

impl Start {
    /// Of this version of the program.
    pub(crate) fn new(command: Program, options: Options) -> Self {
        Start {
            mailtap: Cow::Borrowed(env!("CARGO_PKG_VERSION")),
            format: FORMAT,
            fingerprint_version: FINGERPRINTS,
            command,
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
        self.iter().map(|(limit, value)| (limit.key(), value)).collect::<BTreeMap<_, _>>().serialize(serializer)
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
