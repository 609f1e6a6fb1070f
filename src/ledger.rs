//! What crosses sessions: servers, once-per-server, caps, counts, the summary. Takes what the shards
//! found in its one total order; knows nothing of bytes and formats.

use crate::base::Ordinal;

/// Where an entry stands in the total order of output: sorted by its fields, first to last.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Key {
    /// The packet or tick that caused it.
    pub cause: Cause,
    /// The connection's first packet.
    pub connection: Ordinal,
    /// 0 for events, 1 + the rule's place in [`crate::rules::RULES`] for findings, the greatest for
    /// the session's end.
    pub place: u8,
    /// A running number.
    pub nth: u32,
}

/// A packet, or one of the at most two ticks before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Cause {
    pub packet: Ordinal,
    /// 0 and 1 for ticks before the packet, 2 for the packet itself.
    pub phase: u8,
}
