//! The truth about a rendered dialogue: what was said, what its speaker knew, what the capture holds of it.

use std::net::SocketAddr;
use std::ops::Range;

use crate::dialogue::{Dialogue, Side, Step};
use crate::exchange::Segment;
use crate::expect::Finding;
use crate::frame;
use crate::plan::Plan;

/// The truth about every connection of a dialogue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Truth {
    /// As in [`Dialogue::connections`].
    pub connections: Vec<ConnectionTruth>,
}

/// The truth about one connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConnectionTruth {
    /// The client's end, as the packets have it.
    pub client: SocketAddr,
    /// The server's end, as the packets have it.
    pub server: SocketAddr,
    /// What each side sent from its first byte to its last, by [`Side::index`], captured or not.
    pub streams: [Vec<u8>; 2],
    /// The parts of the streams that the capture holds (cuts by the snap length counted, where no packet is fragmented).
    pub captured: [Vec<Range<u64>>; 2],
    /// Every line in the order in which it was said.
    pub lines: Vec<LineTruth>,
    /// The findings that were planted.
    pub findings: Vec<Finding>,
}

/// The truth about one line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LineTruth {
    /// The place of its connection in [`Dialogue::connections`].
    pub connection: usize,
    /// Who said it.
    pub side: Side,
    /// The place of its first byte in its side's stream.
    pub start: u64,
    /// The place behind its last byte.
    pub end: u64,
    /// How many octets of the other side's stream its speaker had acknowledged.
    pub knew: u64,
    /// Whether the dialogue says that the capture holds it (what a plan drops is not counted here).
    pub captured: bool,
}

impl ConnectionTruth {
    /// What a side sent.
    pub fn stream(&self, side: Side) -> &[u8] {
        &self.streams[side.index()]
    }

    /// How many octets of a side's stream the capture does not hold.
    pub fn missing(&self, side: Side) -> u64 {
        let held: u64 = self.captured[side.index()].iter().map(|part| part.end - part.start).sum();
        self.stream(side).len() as u64 - held
    }
}

impl Truth {
    /// The truth about a dialogue of which `segments` were captured.
    pub(crate) fn of(dialogue: &Dialogue, lines: Vec<LineTruth>, segments: &[Segment], plan: &Plan) -> Truth {
        let whole = |connection: &crate::dialogue::Connection| ConnectionTruth {
            client: frame::end(connection.client, plan),
            server: frame::end(connection.server, plan),
            streams: [Vec::new(), Vec::new()],
            captured: [Vec::new(), Vec::new()],
            lines: Vec::new(),
            findings: connection.findings.clone(),
        };
        let mut connections: Vec<_> = dialogue.connections.iter().map(whole).collect();
        for step in &dialogue.steps {
            if let Step::Say(line) = step {
                connections[line.connection].streams[line.side.index()].extend_from_slice(&line.bytes);
            }
        }
        for line in lines {
            connections[line.connection].lines.push(line);
        }
        for segment in segments {
            let Some(offset) = segment.offset else { continue };
            let headers = frame::headers_length(&dialogue.connections[segment.connection], segment, plan);
            let room = (plan.snap_length as usize).saturating_sub(headers);
            let length = segment.payload.len().min(if plan.fragment.is_some() { usize::MAX } else { room });
            if length > 0 {
                let parts = &mut connections[segment.connection].captured[segment.side.index()];
                parts.push(offset..offset + length as u64);
            }
        }
        for connection in &mut connections {
            connection.captured.iter_mut().for_each(join);
        }
        Truth { connections }
    }
}

/// Sorts parts of a stream and joins those that touch.
fn join(parts: &mut Vec<Range<u64>>) {
    parts.sort_by_key(|part| (part.start, part.end));
    let mut joined: Vec<Range<u64>> = Vec::new();
    for part in parts.drain(..) {
        match joined.last_mut() {
            Some(last) if part.start <= last.end => last.end = last.end.max(part.end),
            _ => joined.push(part),
        }
    }
    *parts = joined;
}
