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
use super::{CommunityId, End, Fingerprint, Frame, Name, ServerEnd, SessionId, When};

/// What was found.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Finding {
    /// Which rule fired.
    pub rule: Name,
    /// Which of its checks.
    pub check: Name,
    /// A short title of the check for people; it can depend on the severity.
    pub title: Name,
    /// Who has to change something.
    pub about: About,
    /// How bad it is.
    pub severity: Severity,
    /// How sure that is: 0 to 100.
    pub confidence: u8,
    /// Of the packet that completed the condition, or of the session's last packet if it was decided at the end.
    pub time: When,
    /// The session that it was found in.
    pub session: SessionId,
    /// Which event of the session it is about, counting from 1; null if that event has no record.
    pub event: Option<u64>,
    /// The session's client.
    pub client: End,
    /// The session's server.
    pub server: ServerEnd,
    /// Community ID version 1 of the flow, seed 0 (<https://github.com/corelight/community-id-spec>).
    pub community_id: CommunityId,
    /// Live capture only: the interface that received the packet which completed it, if known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub interface: Option<Arc<str>>,
    /// The packets that carry the evidence, 16 at most.
    pub packets: Vec<Frame>,
    /// A Wireshark display filter that shows these packets and no other connection.
    pub wireshark_filter: String,
    /// One sentence for people: what was seen.
    pub message: String,
    /// What it is based on.
    pub evidence: Evidence,
    /// The same for the same fault of the same server in every run.
    pub fingerprint: Fingerprint,
    /// Live capture with `--write` only: what has been kept of the session so far.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kept: Option<KeptPackets>,
}

/// What is kept of the session's packets.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct KeptPackets {
    /// Packets kept so far.
    pub packets: u64,
    /// Their captured lengths together.
    pub bytes: u64,
    /// Packets lost for lack of room before something was found; 1 if the number is unknown.
    pub fell_out: u64,
}

impl Finding {
    pub(super) fn of(found: Found, scene: &Scene) -> Self {
        let window = window(&found, scene);
        let fingerprint = ids::fingerprint(&found, &scene.names, &scene.catalogue);
        let Found { who, finding, kept, interface } = found;
        let (rule, check) = scene.catalogue.ids(finding.check);
        let said = scene.catalogue.check(finding.check).map(|check| check.of(finding.judged));
        let (about, title) = said.unwrap_or((About::Session, ""));
        let evidence = finding.evidence.into_iter().map(|(name, raw)| (name, Proof::of(raw, scene.show_secrets)));
        Finding {
            rule: Cow::Borrowed(rule),
            check: Cow::Borrowed(check),
            title: Cow::Borrowed(title),
            about,
            severity: finding.severity,
            confidence: finding.confidence,
            time: When(finding.at.time),
            session: ids::session(&who),
            event: finding.subject.number(),
            client: who.client.into(),
            server: ServerEnd::of(who.server, &scene.names),
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

/// Evidence under its names (`command`, `verb`, `reply_code`, ...), in the order in which the rule gave it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Evidence(Vec<(Name, Proof)>);

/// One piece of evidence.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
#[non_exhaustive]
pub enum Proof {
    /// Whether it is so.
    Flag(bool),
    /// A count, a code, a length.
    Number(u64),
    /// A line or a word, escaped.
    Text(String),
    /// Lines or words, escaped.
    List(Vec<String>),
}

impl Evidence {
    /// What there is under that name.
    pub fn get(&self, name: &str) -> Option<&Proof> {
        self.iter().find(|(known, _)| *known == name).map(|(_, proof)| proof)
    }

    /// Each piece with its name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Proof)> {
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
