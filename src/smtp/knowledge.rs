//! What a client could know of its session when it sent a command (RULES.md, *Definitions*).

use super::wire::verb::Verb;

/// How far a session was, as its client knew it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "facts, each on its own")]
pub(crate) struct Stage {
    /// HELO, EHLO or LHLO was accepted.
    pub hello: bool,
    /// One of them was EHLO or LHLO.
    pub extended: bool,
    /// MAIL was accepted, and neither reset nor ended since.
    pub mail: bool,
    /// RCPT was accepted in this transaction.
    pub rcpt: bool,
    /// A BDAT chunk was accepted in this transaction.
    pub chunk: bool,
    /// MAIL said BODY=BINARYMIME.
    pub binary: bool,
    /// AUTH succeeded.
    pub authenticated: bool,
    /// QUIT was sent, and not refused.
    pub quit: bool,
    /// The last reply to EHLO lists PIPELINING (a reply to HELO lists nothing); `None` where it was not captured.
    pub pipelining: Option<bool>,
}

/// What a client knew when it sent a command.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Knew {
    pub stage: Stage,
    /// Commands, message ends and BDAT chunks before it to which it had no reply.
    pub in_flight: u32,
    /// The first of those that must be the last of its group (RFC 2920 section 3.1).
    pub behind: Option<Verb>,
    /// Among those is an EHLO that was sent before the greeting was known.
    pub behind_early_hello: bool,
}

/// How sure it is what a client knew.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) enum Knowledge {
    /// It cannot be told: after a gap, or one direction only.
    #[default]
    Unknown,
    Sure(Knew),
    /// No acknowledgement of the client has come yet. Should one come, it had seen nothing; should none ever come,
    /// packet order decides (RULES.md).
    Doubtful {
        by_seen: Knew,
        by_order: Knew,
    },
}
