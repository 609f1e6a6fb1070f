//! A finding: which check fired, on what evidence. Raw bytes; turning them into text is `report`'s.

use crate::base::Packets;

use super::{Check, Rule};

/// How bad it is (RULES.md, per check).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Severity {
    Info,
    Low,
    Medium,
    High,
    Critical,
}

/// What a rule found. Session, client and server are added by the engine, the rest by `report`.
#[derive(Clone, Debug)]
pub(crate) struct Finding {
    pub rule: &'static Rule,
    pub check: &'static Check,
    /// The check's own, unless the rule or the configuration says otherwise.
    pub severity: Severity,
    pub confidence: u8,
    /// The packets that carry the evidence; the last one completed the condition.
    pub packets: Packets,
    /// One sentence for a person.
    pub message: String,
    pub evidence: Vec<(&'static str, Evidence)>,
    /// The verb and the reply code that the fingerprint is made over.
    pub verb: Option<String>,
    pub code: Option<u16>,
}

/// A piece of evidence under its name.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Evidence {
    Bytes(Vec<u8>),
    List(Vec<Vec<u8>>),
    Number(u64),
    Flag(bool),
    Word(&'static str),
}
