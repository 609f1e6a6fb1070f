//! A rule's record: everything that the catalogue, the command line and the tests know of it.

use serde::{Deserialize, Serialize};

use super::{Findings, Severity};
use crate::smtp::{Event, Session};

/// A rule: a question that is asked of every session.
#[derive(Debug)]
pub struct Rule {
    /// Kebab-case, stable.
    pub(crate) id: &'static str,
    pub(crate) title: &'static str,
    /// What the condition is, in a few sentences.
    pub(crate) what: &'static str,
    /// Why it matters.
    pub(crate) why: &'static str,
    /// What a reader must know of the rule's own standing: where its triggers come from, what it departs from.
    pub(crate) honesty: &'static str,
    pub(crate) checks: &'static [&'static Check],
    pub(crate) fixes: &'static [Fix],
    pub(crate) references: &'static [Reference],
    /// What the rule's source says of it, field by field, in the source's order.
    pub(crate) source_data: &'static [(&'static str, &'static str)],
    /// What it wants to be called for; it is never called for anything else.
    pub(crate) hears: Hears,
    /// It also tells facts of servers ([`super::Note`]), so it is heard even where none of its checks is selected.
    pub(crate) tells: bool,
    /// Judges one event: `word` is what the rule remembers of this session, 0 at its start.
    pub(crate) judge: fn(event: &Event<'_>, session: &Session, word: &mut u32, out: &mut Findings<'_>),
}

impl Rule {
    /// Its id: kebab-case, stable.
    pub fn id(&self) -> &'static str {
        self.id
    }

    /// What it is called where a person reads.
    pub fn title(&self) -> &'static str {
        self.title
    }

    /// What the condition is, in a few sentences.
    pub fn what(&self) -> &'static str {
        self.what
    }

    /// Why it matters.
    pub fn why(&self) -> &'static str {
        self.why
    }

    /// What a reader must know of its own standing: where its triggers come from, what it departs from.
    pub fn honesty(&self) -> &'static str {
        self.honesty
    }

    /// What its source says of it, field by field, in the source's order.
    pub fn source_data(&self) -> &'static [(&'static str, &'static str)] {
        self.source_data
    }

    /// Its checks, in the order of the catalogue.
    pub fn checks(&self) -> impl Iterator<Item = &'static Check> {
        self.checks.iter().copied()
    }

    /// How to end the condition.
    pub fn fixes(&self) -> &'static [Fix] {
        self.fixes
    }

    /// Where to read more.
    pub fn references(&self) -> &'static [Reference] {
        self.references
    }
}

/// One condition of a rule.
#[derive(Debug, PartialEq, Eq)]
pub struct Check {
    /// Stable, unique within its rule.
    pub(crate) id: &'static str,
    /// What it is called where a person reads.
    pub(crate) title: &'static str,
    /// Whom it is about.
    pub(crate) about: About,
    /// The same where a finding has another severity than the usual one.
    pub(crate) otherwise: &'static [Otherwise],
    /// What tells its findings of one server apart: the names of their evidence, `verb` in upper case. Nothing that
    /// changes from run to run is among them.
    pub(crate) discriminator: &'static [&'static str],
    /// The usual severity; a finding may say otherwise where `fires` tells so.
    pub(crate) severity: Severity,
    /// 0 to 100.
    pub(crate) confidence: u8,
    pub(crate) scope: Scope,
    /// When it fires, for the catalogue.
    pub(crate) fires: &'static str,
    /// Why it matters, where that is something else than the rule as a whole says.
    pub(crate) why: Option<&'static str>,
}

impl Check {
    /// Its id: kebab-case, stable, unique within its rule.
    pub fn id(&self) -> &'static str {
        self.id
    }

    /// What it is called where a person reads.
    pub fn title(&self) -> &'static str {
        self.title
    }

    /// Whom it is about.
    pub fn about(&self) -> About {
        self.about
    }

    /// The usual severity of its findings.
    pub fn severity(&self) -> Severity {
        self.severity
    }

    /// The usual confidence of its findings: 0 to 100.
    pub fn confidence(&self) -> u8 {
        self.confidence
    }

    /// The names of the evidence that its fingerprints are made over, beside rule, check and server.
    pub fn discriminator(&self) -> &'static [&'static str] {
        self.discriminator
    }

    /// When it fires.
    pub fn fires(&self) -> &'static str {
        self.fires
    }

    /// Why it matters; where there is nothing special to say of it, [`Rule::why`] says it.
    pub fn why(&self) -> Option<&'static str> {
        self.why
    }

    /// What a finding of this severity, which its rule gave it, is called, and whom it is about.
    pub(crate) fn of(&self, severity: Severity) -> (About, &'static str) {
        let otherwise = self.otherwise.iter().find(|otherwise| otherwise.severity == severity);
        otherwise.map_or((self.about, self.title), |otherwise| (otherwise.about, otherwise.title))
    }
}

/// What a check is called, and whom it is about, where its finding has this severity.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Otherwise {
    pub severity: Severity,
    pub about: About,
    pub title: &'static str,
}

/// Whom a finding is about: who has to change something.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum About {
    /// The server.
    Server,
    /// The client.
    Client,
    /// Neither: a fact of the session, or somebody in between.
    Session,
}

impl About {
    /// Its name in records.
    pub const fn name(self) -> &'static str {
        match self {
            About::Server => "server",
            About::Client => "client",
            About::Session => "session",
        }
    }
}

/// How often a check is reported.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Scope {
    /// Once per session, check and verb.
    Session,
    /// Once per session, told at its end with how often it was seen ([`Findings::tell_total`]).
    Total,
    /// Once per server (address and port), check and severity.
    Server,
}

/// How to end the condition on one kind of server.
#[derive(Debug)]
pub struct Fix {
    /// As servers' records name it; nobody's in particular where there is none.
    pub(crate) software: Option<&'static str>,
    /// Of which checks; of all where there is none.
    pub(crate) checks: &'static [&'static str],
    pub(crate) text: &'static str,
    /// Where this was measured, or which manual says so.
    pub(crate) source: &'static str,
}

impl Fix {
    /// Of which software, as servers' records name it; none where it is of any.
    pub fn software(&self) -> Option<&'static str> {
        self.software
    }

    /// The ids of the checks that it is of; all of the rule's where there are none.
    pub fn checks(&self) -> &'static [&'static str] {
        self.checks
    }

    /// What to do.
    pub fn text(&self) -> &'static str {
        self.text
    }

    /// Which manual says so, or which recording shows it.
    pub fn source(&self) -> &'static str {
        self.source
    }
}

/// Where to read more.
#[derive(Debug)]
pub struct Reference {
    pub(crate) text: &'static str,
    /// Empty where there is none that lasts.
    pub(crate) url: &'static str,
}

impl Reference {
    /// What it is.
    pub fn text(&self) -> &'static str {
        self.text
    }

    /// Where it is; none where nothing lasts.
    pub fn url(&self) -> Option<&'static str> {
        Some(self.url).filter(|url| !url.is_empty())
    }
}

/// Kinds of events: those that a rule wants, or what one event is. A rule is called for an event that is of any kind
/// that it wants, so it looks itself at what it is called for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Hears(u32);

impl Hears {
    pub(crate) const NOTHING: Hears = Hears(0);
    pub(crate) const GREETING: Hears = Hears(1);
    pub(crate) const COMMAND: Hears = Hears(1 << 1);
    pub(crate) const REPLY: Hears = Hears(1 << 2);
    pub(crate) const DATA: Hears = Hears(1 << 3);
    pub(crate) const TLS: Hears = Hears(1 << 4);
    pub(crate) const FAULT: Hears = Hears(1 << 5);
    pub(crate) const END: Hears = Hears(1 << 6);
    /// Goes on to hear a stream that was named as another binary protocol (RULES.md, "Other protocols").
    pub(crate) const OTHER_PROTOCOLS: Hears = Hears(1 << 7);
    /// The session's first command and the server's first reply.
    pub(crate) const FIRST: Hears = Hears(1 << 8);
    /// A command or reply that is not in every way as it usually is ([`super::glance`]).
    pub(crate) const ODD: Hears = Hears(1 << 9);
    /// RCPT that does not name a mailbox as it usually does, and every command and reply behind the first one.
    pub(crate) const ODD_RECIPIENT: Hears = Hears(1 << 10);
    /// MAIL, and replies to it.
    pub(crate) const MAIL: Hears = Hears(1 << 11);
    /// A reply to HELO and its kin.
    pub(crate) const HELLO: Hears = Hears(1 << 12);
    /// A reply to STARTTLS and its kin.
    pub(crate) const STARTS_TLS: Hears = Hears(1 << 13);
    /// A verb that begins with X, and replies to it.
    pub(crate) const PRIVATE: Hears = Hears(1 << 14);
    /// Anything, while a finding is kept whose fate is open.
    pub(crate) const KEPT: Hears = Hears(1 << 15);
    /// HELP, and replies to it.
    pub(crate) const HELP: Hears = Hears(1 << 16);

    pub(crate) const fn and(self, other: Hears) -> Hears {
        Hears(self.0 | other.0)
    }

    #[cfg(test)]
    pub(crate) const fn all() -> Hears {
        Hears(u32::MAX)
    }

    /// Those of `kinds` that are among these.
    pub(crate) const fn only(self, kinds: Hears) -> Hears {
        Hears(self.0 & kinds.0)
    }

    pub(crate) const fn has(self, kinds: Hears) -> bool {
        self.0 & kinds.0 != 0
    }
}
