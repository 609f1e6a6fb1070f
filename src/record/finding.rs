//! `finding`: what a rule found, with its evidence and where that lies.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::ledger::{Found, Kept};
use crate::rules::finding::Evidence as Raw;
use crate::rules::{About, Severity};

use super::clerk::Scene;
use super::escape;
use super::ids::{self, Window};
use super::places::Range;
use super::word::Word;
use super::{Ascii, End, Frame, Name, When};

/// What was found.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Finding {
    pub rule: Name,
    pub check: Name,
    pub title: Name,
    pub about: Word<About>,
    pub severity: Word<Severity>,
    pub confidence: u8,
    pub time: When,
    pub session: Ascii<16>,
    /// The number of the event that it is about.
    pub event: Option<u64>,
    pub client: End,
    pub server: End,
    pub community_id: Ascii<30>,
    /// Of a live capture: where the packet came that completed it, if that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub interface: Option<Arc<str>>,
    pub packets: Vec<Frame>,
    pub wireshark_filter: String,
    pub message: String,
    pub evidence: Evidence,
    pub fingerprint: Ascii<16>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kept: Option<KeptPackets>,
}

/// What is kept of the session's packets.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct KeptPackets {
    pub packets: u64,
    pub bytes: u64,
    pub fell_out: u64,
}

impl Finding {
    pub(super) fn of(found: Found, scene: &Scene) -> Self {
        let window = window(&found, scene);
        let fingerprint = ids::fingerprint(&found, &scene.catalogue);
        let Found { who, finding, kept, interface } = found;
        let (rule, check) = scene.catalogue.ids(finding.check);
        let said = scene.catalogue.check(finding.check).map(|check| check.of(finding.judged));
        let (about, title) = said.unwrap_or((About::Session, ""));
        let evidence = finding.evidence.into_iter().map(|(name, raw)| (name, Proof::of(raw, scene.show_secrets)));
        Finding {
            rule: Cow::Borrowed(rule),
            check: Cow::Borrowed(check),
            title: Cow::Borrowed(title),
            about: Word(about),
            severity: Word(finding.severity),
            confidence: finding.confidence,
            time: When(finding.at.time),
            session: ids::session(&who),
            event: finding.subject.number(),
            client: who.client.into(),
            server: who.server.into(),
            community_id: ids::community(who.flow()),
            interface,
            packets: finding.packets.iter().map(|packet| scene.places.of(packet)).collect(),
            wireshark_filter: ids::wireshark_filter(&who, window),
            message: finding.message,
            evidence: Evidence(evidence.map(|(name, proof)| (Cow::Borrowed(name), proof)).collect()),
            fingerprint,
            kept: kept.map(|Kept { packets, bytes, fell_out }| KeptPackets { packets, bytes, fell_out }),
        }
    }
}

/// The packets that carry a finding; where there is no file yet, those of its session up to it.
fn window(found: &Found, scene: &Scene) -> Window {
    let Found { who, finding, .. } = found;
    if scene.as_it_goes {
        Window::Times(who.first.time.min(finding.at.time), finding.at.time.max(finding.packets.last().time))
    } else {
        Window::Frames(Range::of(&finding.packets))
    }
}

/// Evidence in the order in which the rule gave it.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Evidence(Vec<(Name, Proof)>);

/// One piece of evidence.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub(crate) enum Proof {
    Flag(bool),
    Number(u64),
    Text(String),
    List(Vec<String>),
}

impl Evidence {
    /// Each piece with its name.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&str, &Proof)> {
        self.0.iter().map(|(name, proof)| (name.as_ref(), proof))
    }
}

impl Proof {
    fn of(raw: Raw, show_secrets: bool) -> Self {
        match raw {
            Raw::Bytes(bytes) => Proof::Text(escape::shown(bytes)),
            Raw::List(items) => Proof::List(escape::all_shown(items)),
            Raw::Secret { shown, whole } => Proof::of(*whole.filter(|_| show_secrets).unwrap_or(shown), show_secrets),
            Raw::Number(number) => Proof::Number(number),
            Raw::Flag(flag) => Proof::Flag(flag),
            Raw::Word(word) => Proof::Text(word.to_owned()),
        }
    }
}

impl Serialize for Evidence {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.iter())
    }
}

impl<'de> Deserialize<'de> for Evidence {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct InOrder;
        impl<'de> Visitor<'de> for InOrder {
            type Value = Evidence;

            fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
                out.write_str("evidence by its names")
            }

            fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<Evidence, M::Error> {
                let mut evidence = Vec::new();
                while let Some((name, proof)) = map.next_entry::<String, Proof>()? {
                    evidence.push((Cow::Owned(name), proof));
                }
                Ok(Evidence(evidence))
            }
        }
        deserializer.deserialize_map(InOrder)
    }
}

impl JsonSchema for Evidence {
    fn schema_name() -> Cow<'static, str> {
        Cow::Borrowed("Evidence")
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let proof = generator.subschema_for::<Proof>();
        json_schema!({
            "type": "object",
            "propertyNames": { "pattern": "^[a-z][a-z0-9_]*$" },
            "additionalProperties": proof,
        })
    }
}
