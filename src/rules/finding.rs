//! A finding: which check fired, on what evidence. Raw bytes; turning them into text is `report`'s.

use serde::{Deserialize, Serialize};

use crate::base::written::{self, Literal, octets};
use crate::base::{Moment, Packets};
use crate::smtp::{Command, Reply};

use super::reading;
use super::{Check, CheckNumber, Rule, Scope};

/// A finding quotes at most so many octets of one line.
pub(crate) const MOST_OCTETS: usize = 1024;
/// A finding quotes at most so many lines of one reply.
pub(crate) const MOST_LINES: usize = 32;

/// How bad a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Severity {
    /// A fact, no fault by itself.
    Info,
    /// The mildest fault.
    Low,
    /// Worse than low.
    Medium,
    /// Worse than medium.
    High,
    /// The worst.
    Critical,
}

impl Severity {
    /// Every severity, the mildest first.
    pub const ALL: [Severity; 5] =
        [Severity::Info, Severity::Low, Severity::Medium, Severity::High, Severity::Critical];

    /// Its name in records and on the command line.
    pub const fn name(self) -> &'static str {
        match self {
            Severity::Info => "info",
            Severity::Low => "low",
            Severity::Medium => "medium",
            Severity::High => "high",
            Severity::Critical => "critical",
        }
    }
}

/// What a rule found. Session, client and server are added by the engine, the rest by `report`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Finding {
    pub check: CheckNumber,
    /// How often the check is reported.
    pub scope: Scope,
    /// The check's own, unless the rule or the configuration says otherwise.
    pub severity: Severity,
    /// The same, whatever the configuration says.
    pub judged: Severity,
    pub confidence: u8,
    /// The event that it is about.
    pub subject: Subject,
    /// The packet that completed the condition, or the session's last one where that was decided at its end.
    pub at: Moment,
    /// The packets that carry the evidence.
    pub packets: Packets,
    /// One sentence for a person; it holds nothing from the wire but verbs, codes and versions.
    pub message: String,
    #[serde(deserialize_with = "written::named")]
    pub evidence: Vec<(Literal, Evidence)>,
    /// What it is reported once for, beside its check: the verb of a command, or where it was found.
    pub verb: Option<String>,
}

/// The event that a finding is about: its number among those of its session that have a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Subject {
    /// The one that is being judged when the finding is given to [`super::Findings`].
    Judged,
    Event(u64),
    /// None that has a record, or one that is not known any more.
    Nothing,
}

impl Subject {
    /// What it is, `judged` being the number of the event that is judged.
    pub(super) fn or(self, judged: Option<u64>) -> Self {
        match self {
            Subject::Judged => judged.map_or(Subject::Nothing, Subject::Event),
            known => known,
        }
    }

    /// The event's number.
    pub(crate) fn number(self) -> Option<u64> {
        match self {
            Subject::Event(number) => Some(number),
            Subject::Judged | Subject::Nothing => None,
        }
    }
}

/// A piece of evidence under its name.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Evidence {
    Bytes(#[serde(with = "octets")] Vec<u8>),
    List(#[serde(with = "octets")] Vec<Vec<u8>>),
    /// What holds a secret: as it is shown, and as it is shown with `--show-secrets`, unless that was left out.
    Secret {
        shown: Box<Evidence>,
        whole: Option<Box<Evidence>>,
    },
    Number(u64),
    Flag(bool),
    Word(#[serde(deserialize_with = "written::word")] Literal),
}

impl Evidence {
    fn secret(shown: Evidence, whole: Evidence) -> Self {
        Evidence::Secret { shown: Box::new(shown), whole: Some(Box::new(whole)) }
    }

    /// Text of which a part is not shown.
    pub(crate) fn partly_hidden(shown: &[u8], whole: &[u8]) -> Self {
        Self::secret(Evidence::Bytes(cut(shown)), Evidence::Bytes(cut(whole)))
    }

    fn lines(lines: impl IntoIterator<Item = impl AsRef<[u8]>>) -> Self {
        Evidence::List(lines.into_iter().take(MOST_LINES).map(|line| cut(line.as_ref())).collect())
    }
}

impl Finding {
    /// A finding with the check's own severity and confidence; `message` is one sentence.
    pub(crate) fn new(rule: &Rule, check: &Check, packets: &Packets, message: impl Into<String>) -> Self {
        Finding {
            check: CheckNumber::of(rule, check),
            scope: check.scope,
            severity: check.severity,
            judged: check.severity,
            confidence: check.confidence,
            subject: Subject::Judged,
            at: packets.last(),
            packets: packets.clone(),
            message: message.into(),
            evidence: Vec::new(),
            verb: None,
        }
    }

    pub(crate) fn severity(mut self, severity: Severity) -> Self {
        self.severity = severity;
        self
    }

    pub(crate) fn confidence(mut self, confidence: u8) -> Self {
        self.confidence = confidence;
        self
    }

    /// The packets of `other` carry evidence too.
    pub(crate) fn packets(mut self, other: &Packets) -> Self {
        let mut packets = other.clone();
        packets.extend(&self.packets);
        self.packets = packets;
        self
    }

    /// `verb` and `argument` as they came, and `command`, the whole line. The command's packets come first.
    pub(crate) fn command(mut self, command: &Command) -> Self {
        let verb = command.verb_as_sent();
        if !verb.is_empty() {
            self = self.bytes("verb", verb.as_bytes());
        }
        let argument = reading::argument(command);
        let secret = |shown: &[u8], whole: &[u8]| {
            if command.secret { Evidence::partly_hidden(shown, whole) } else { Evidence::Bytes(cut(shown)) }
        };
        if !argument.is_empty() {
            self = self.with("argument", secret(argument, command.argument_revealed().trim_ascii()));
        }
        self = self.with("command", secret(command.shown_line(), command.line_revealed()));
        self.verb = command.verb.as_ref().map(|verb| verb.name().to_owned());
        self.packets(&command.at)
    }

    /// `reply_code` and `reply_text` (its lines without their codes).
    pub(crate) fn reply(self, reply: &Reply) -> Self {
        self.said("reply_text", reply)
    }

    /// `reply_code` and `greeting`.
    pub(crate) fn greeting(self, reply: &Reply) -> Self {
        self.said("greeting", reply)
    }

    fn said(mut self, name: &'static str, reply: &Reply) -> Self {
        self.subject = Subject::Judged;
        if let Some(code) = reply.code {
            self.evidence.push(("reply_code", Evidence::Number(u64::from(code))));
        }
        let shown = Evidence::lines(reply.texts());
        let evidence = if reply.secret {
            let revealed = (0_usize..).zip(reply.texts()).map(|(place, shown)| {
                let hidden = reply.hidden.iter().find(|(hidden, _)| *hidden == place);
                hidden.map_or(shown, |(_, secret)| crate::smtp::wire::reply::text(secret.reveal()))
            });
            Evidence::secret(shown, Evidence::lines(revealed))
        } else {
            shown
        };
        self.evidence.push((name, evidence));
        if reply.lines.len() > MOST_LINES || reply.lines.iter().any(|line| line.len() > MOST_OCTETS) {
            self.evidence.push(("cut", Evidence::Flag(true)));
        }
        self
    }

    pub(crate) fn with(mut self, name: &'static str, evidence: Evidence) -> Self {
        self.evidence.push((name, evidence));
        self
    }

    pub(crate) fn bytes(self, name: &'static str, bytes: &[u8]) -> Self {
        self.with(name, Evidence::Bytes(cut(bytes)))
    }

    pub(crate) fn list(self, name: &'static str, items: impl IntoIterator<Item = impl AsRef<[u8]>>) -> Self {
        self.with(name, Evidence::lines(items))
    }

    /// What a check is reported once for, beside itself.
    pub(crate) fn verb(mut self, verb: impl Into<String>) -> Self {
        self.verb = Some(verb.into());
        self
    }
}

fn cut(bytes: &[u8]) -> Vec<u8> {
    bytes.iter().take(MOST_OCTETS).copied().collect()
}
