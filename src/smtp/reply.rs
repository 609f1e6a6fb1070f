//! A reply: one or more server lines, each but the last with a hyphen behind its code (RFC 5321 4.2).

use crate::base::Packets;

/// A complete reply.
#[derive(Clone, Debug)]
pub(crate) struct Reply {
    /// The last line's code; `None` where that line has none (only a greeting can be so).
    pub code: Option<u16>,
    /// Whether the lines before the last have other codes.
    pub codes_differ: bool,
    /// The lines without their line ends, codes included, as they came. At most `Limit::ReplyLines`.
    pub lines: Vec<Vec<u8>>,
    pub at: Packets,
    /// How far the server had acknowledged the client's stream when it sent the reply's first byte.
    pub seen: Option<u64>,
    /// The positions of its first byte and behind its last one in the server's stream.
    pub start: u64,
    pub end: u64,
    /// Not sure to be what it looks like: a gap lies before it.
    pub uncertain: bool,
    /// The reply repeats secrets of the client (an AUTH line): its text is not to be shown.
    pub secret: bool,
}
