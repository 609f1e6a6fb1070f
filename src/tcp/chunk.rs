//! What reassembly hands on: chunks and gaps of both directions, in causal order.

use crate::base::{FlowKey, Moment, PerSide, Side};

/// In-order bytes of one direction, as they lay in one packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Chunk<'p> {
    /// Who sent them.
    pub side: Side,
    /// The position of the first byte in its direction's stream: data bytes only, SYN and FIN are none.
    pub offset: u64,
    pub bytes: &'p [u8],
    /// The packet that brought them.
    pub at: Moment,
    /// How far its sender had acknowledged the other direction's stream when it sent these bytes
    /// (a position in that stream, beyond what was handed on where that did not come in time); `None` where that is
    /// unknown.
    pub seen: Option<u64>,
    /// How far the other direction's stream had been captured, in packet order, when this packet was.
    /// Only a capture whose sides never acknowledge anything is judged by it (RULES.md).
    pub captured_of_other: u64,
    /// Whether its sender had acknowledged the other side's FIN: nobody waits for an answer any more.
    pub after_fin: bool,
}

/// Bytes of one direction that were never captured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Gap {
    pub side: Side,
    /// The position of the first missing byte in its direction's stream.
    pub offset: u64,
    /// How many bytes are missing.
    pub length: u64,
    /// The packet that showed the gap (the first one beyond it), or the last one of the connection.
    pub at: Moment,
}

/// How a connection came to be known; handed over before its first chunk or gap.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Opening {
    pub flow: FlowKey,
    /// The connection's first packet.
    pub first: Moment,
    /// Who sent the SYN (or received the SYN-ACK), where the capture shows it.
    pub opener: Option<Side>,
    /// Whether the beginning of that side's stream was captured (its SYN was seen, or the handshake's
    /// ACK numbers fix where it begins).
    pub from_start: PerSide<bool>,
}

/// How a connection ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Closed {
    /// By FIN of both sides, or the handshake of the next connection between the same ends.
    Fin,
    /// By RST.
    Rst,
    /// It was idle for too long.
    Timeout,
    /// It was open when the capture ended.
    EndOfCapture,
    /// Given up because a limit acted.
    Evicted,
}

/// What is known of a connection when it is over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Closing {
    pub how: Closed,
    /// The connection's last packet.
    pub last: Moment,
    /// Whether the capture shows the whole handshake (SYN and SYN-ACK).
    pub handshake: bool,
    /// Bytes of each side's stream that were never captured.
    pub missing: PerSide<u64>,
    /// Bytes of each side's stream that were captured once more, or too late to be handed on.
    pub again: PerSide<u64>,
    /// Whether that side ever acknowledged a byte of the other's stream.
    pub acknowledges: PerSide<bool>,
    /// Which sides sent a FIN (in sequence).
    pub fin: PerSide<bool>,
}

/// What is worth telling but changes no byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Anomaly {
    /// Bytes seen twice, with different content; the first copy won.
    Overlap { side: Side, offset: u64, length: u64, at: Moment },
    /// A RST that was not at the place where it would close the connection (RFC 5961 section 3).
    StrayReset { side: Side, at: Moment },
}

/// What a segment needs, by how many pointers lead there: each is read a step behind the one before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reach {
    Connection,
    /// What the connection's listener points at.
    Listener,
    /// What that points at.
    Behind,
}

/// Who listens to one connection. Calls come in causal order; `out` is where it puts what it makes of them.
pub(crate) trait Listener {
    /// Where a listener's own results go; reassembly only passes it on.
    type Out;

    fn chunk(&mut self, chunk: &Chunk<'_>, out: &mut Self::Out);
    fn gap(&mut self, gap: &Gap, out: &mut Self::Out);
    /// The side's stream ended with a FIN at its current end, everything before it handed on.
    fn end_of_stream(&mut self, side: Side, at: Moment, out: &mut Self::Out);
    fn anomaly(&mut self, anomaly: &Anomaly, out: &mut Self::Out);
    /// Always the last call.
    fn close(self, closing: &Closing, out: &mut Self::Out);
    /// Bytes that the listener holds back itself (they count in the connection's held bytes).
    fn held_bytes(&self) -> usize;
    /// A limit of held bytes acts: the listener decides now about what it holds back. No call that hands
    /// on anything comes of it; afterwards [`Listener::held_bytes`] should be (nearly) 0.
    fn let_go(&mut self, out: &mut Self::Out) {
        let _ = out;
    }
    /// Reads what the next chunk will need first, so that it is in the cache by then. What it returns
    /// means nothing, but it has to be made of all that was read.
    fn prefetch(&self, reach: Reach) -> u64 {
        let _ = reach;
        0
    }
}
