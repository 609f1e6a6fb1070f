//! A command: a client line outside message data (RFC 5321 4.1).

use crate::base::Packets;

use super::verb::Verb;

/// A client line, with everything that a rule may ask of it.
#[derive(Clone, Debug)]
pub(crate) struct Command {
    /// `None` for a line that has none (binary, empty) and for a line of an AUTH exchange.
    pub verb: Option<Verb>,
    /// The line without its line end, as it came; its first `Limit::LineLength` octets.
    pub line: Vec<u8>,
    /// Where the argument begins in `line` (behind the verb and the blanks or colon after it).
    pub argument_at: usize,
    /// Octets of the whole line, line end included.
    pub octets: u64,
    pub ending: Ending,
    /// A line of an AUTH exchange (or its kin): secret, never shown.
    pub exchange: bool,
    /// Holds a secret all the same (an initial response, base64 after a refused AUTH).
    pub secret: bool,
    pub at: Packets,
    /// How far the client had acknowledged the server's stream when it sent the line's first byte.
    pub seen: Option<u64>,
    /// The positions of its first byte and behind its line end in the client's stream.
    pub start: u64,
    pub end: u64,
    /// After a gap: not sure to be a command at all.
    pub uncertain: bool,
    /// The client did not know the whole greeting when it sent this; `None` where it cannot be told.
    pub early: Option<bool>,
}

/// What ended a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ending {
    CrLf,
    Lf,
    /// The stream ended, or a gap came.
    None,
}
