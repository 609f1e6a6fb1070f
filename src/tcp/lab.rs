//! A bench for tests: segments by relative numbers in, what the listeners heard out as readable lines.
//!
//! Numbers are relative as Wireshark shows them: the SYN is 0, the first data octet 1. `c` is the client
//! (side A), `s` the server (side B).
#![expect(clippy::arithmetic_side_effects, reason = "tests count")]

use crate::base::{Endpoint, FlowKey, Limits, Moment, Ordinal, Side, Tick, Time, Timeouts};
use crate::decode::{Flags, Segment};

use super::{Anomaly, Chunk, Closing, Gap, Listener, Opening, Table};

/// A listener that writes down what it hears.
#[derive(Debug)]
pub(super) struct Ear {
    pub opening: Opening,
    /// What it claims to hold back.
    pub holds: usize,
}

/// One call of a listener: the connection's first packet, and the call as a line.
pub(super) type Heard = (u64, String);

fn name(side: Side) -> char {
    if side == Side::A { 'c' } else { 's' }
}

impl Ear {
    fn hear(&self, out: &mut Vec<Heard>, line: String) {
        out.push((self.opening.first.ordinal.frame(), line));
    }
}

impl Listener for Ear {
    type Out = Vec<Heard>;

    fn chunk(&mut self, chunk: &Chunk<'_>, out: &mut Self::Out) {
        assert!(!chunk.bytes.is_empty(), "an empty chunk says nothing");
        let seen = chunk.seen.map_or("?".to_owned(), |seen| seen.to_string());
        let text = String::from_utf8_lossy(chunk.bytes);
        if text == "PANIC" {
            std::panic::panic_any("asked to");
        }
        if let Some(holds) = text.strip_prefix("HOLD ") {
            self.holds = holds.parse().unwrap();
        }
        let fin = if chunk.after_fin { " and the end" } else { "" };
        self.hear(out, format!("{} {} {text} knew {seen}{fin}", name(chunk.side), chunk.offset));
    }

    fn gap(&mut self, gap: &Gap, out: &mut Self::Out) {
        self.hear(out, format!("{} {} gap of {}", name(gap.side), gap.offset, gap.length));
    }

    fn end_of_stream(&mut self, side: Side, _: Moment, out: &mut Self::Out) {
        self.hear(out, format!("{} end", name(side)));
    }

    fn anomaly(&mut self, anomaly: &Anomaly, out: &mut Self::Out) {
        let line = match anomaly {
            Anomaly::Overlap { side, offset, length, .. } => format!("{} {offset} overlap of {length}", name(*side)),
            Anomaly::StrayReset { side, .. } => format!("{} stray reset", name(*side)),
        };
        self.hear(out, line);
    }

    fn close(self, closing: &Closing, out: &mut Self::Out) {
        let missing = closing.missing.a + closing.missing.b;
        let missing = if missing > 0 { format!(", {missing} missing") } else { String::new() };
        self.hear(out, format!("closed {:?}{missing}", closing.how));
    }

    fn held_bytes(&self) -> usize {
        self.holds
    }

    fn let_go(&mut self, out: &mut Self::Out) {
        self.holds = 0;
        self.hear(out, "let go".to_owned());
    }
}

pub(super) struct Lab {
    pub table: Table<Ear>,
    pub out: Vec<Heard>,
    /// How each connection was introduced to its listener.
    pub openings: Vec<Opening>,
    pub client_isn: u32,
    pub server_isn: u32,
    /// The client's port tells flows apart.
    pub port: u16,
    capture: u32,
    ordinal: u64,
    time: i64,
}

/// One segment being put together.
#[derive(Clone, Debug)]
pub(super) struct Part {
    pub from: Side,
    pub seq: u32,
    pub ack: Option<u32>,
    pub flags: Flags,
    pub payload: Vec<u8>,
    pub missing: u32,
}

fn part(from: Side, seq: u32, ack: u32, payload: &str) -> Part {
    Part { from, seq, ack: Some(ack), flags: Flags::default(), payload: payload.as_bytes().to_vec(), missing: 0 }
}

/// A segment of the client.
pub(super) fn c(seq: u32, ack: u32, payload: &str) -> Part {
    part(Side::A, seq, ack, payload)
}

/// A segment of the server.
pub(super) fn s(seq: u32, ack: u32, payload: &str) -> Part {
    part(Side::B, seq, ack, payload)
}

/// The client's SYN.
pub(super) fn syn() -> Part {
    Part { ack: None, flags: Flags { syn: true, ..Flags::default() }, ..c(0, 0, "") }
}

/// The server's SYN-ACK.
pub(super) fn syn_ack() -> Part {
    Part { flags: Flags { syn: true, ..Flags::default() }, ..s(0, 1, "") }
}

impl Part {
    pub(super) fn fin(mut self) -> Part {
        self.flags.fin = true;
        self
    }

    pub(super) fn rst(mut self) -> Part {
        self.flags.rst = true;
        self
    }

    pub(super) fn no_ack(mut self) -> Part {
        self.ack = None;
        self
    }

    pub(super) fn with(mut self, payload: &str) -> Part {
        self.payload = payload.as_bytes().to_vec();
        self
    }

    pub(super) fn acking(mut self, ack: u32) -> Part {
        self.ack = Some(ack);
        self
    }

    pub(super) fn missing(mut self, octets: u32) -> Part {
        self.missing = octets;
        self
    }
}

impl Lab {
    pub(super) fn new() -> Lab {
        Lab::with(&Limits::default(), Timeouts::default())
    }

    pub(super) fn with(limits: &Limits, timeouts: Timeouts) -> Lab {
        Lab {
            table: Table::new(limits, timeouts),
            out: Vec::new(),
            openings: Vec::new(),
            client_isn: 1000,
            server_isn: 5000,
            port: 40000,
            ordinal: 0,
            time: 0,
            capture: 0,
        }
    }

    /// What follows is of this capture; others go on.
    pub(super) fn from(&mut self, capture: u32) -> &mut Self {
        for begun in [self.capture, capture] {
            self.table.capture_begins(begun);
        }
        self.capture = capture;
        self
    }

    /// The capture ends, and another begins.
    pub(super) fn next_capture(&mut self) {
        self.table.capture_ended(self.capture);
        self.capture += 1;
        self.table.capture_begins(self.capture);
    }

    /// A lab in which a connection is established.
    pub(super) fn established() -> Lab {
        let mut lab = Lab::new();
        lab.take([syn(), syn_ack(), c(1, 1, "")]);
        lab
    }

    pub(super) fn flow(&self) -> FlowKey {
        let end = |ip: &str, port| Endpoint { ip: ip.parse().unwrap(), port };
        FlowKey::new(end("192.0.2.1", self.port), end("198.51.100.25", 25)).0
    }

    pub(super) fn take(&mut self, parts: impl IntoIterator<Item = Part>) {
        for part in parts {
            let (own, other) = match part.from {
                Side::A => (self.client_isn, self.server_isn),
                Side::B => (self.server_isn, self.client_isn),
            };
            let segment = Segment {
                flow: self.flow(),
                from: part.from,
                seq: own.wrapping_add(part.seq),
                ack: part.ack.map(|ack| other.wrapping_add(ack)),
                flags: part.flags,
                payload: &part.payload,
                missing: part.missing,
            };
            let at =
                Moment { ordinal: Ordinal::new(Time(i64::MAX), self.capture, self.ordinal), time: Time(self.time) };
            self.ordinal += 1;
            let openings = &mut self.openings;
            let mut listen = |opening: &Opening| {
                openings.push(opening.clone());
                Ear { opening: opening.clone(), holds: 0 }
            };
            let place = self.table.look_up(&segment);
            self.table.segment(place, at, &segment, &mut listen, &mut self.out);
        }
    }

    /// One tick, a second later.
    pub(super) fn tick(&mut self) {
        self.later(1);
    }

    /// One tick, `seconds` later.
    pub(super) fn later(&mut self, seconds: i64) {
        self.time += seconds * Time::SECOND;
        let at = Moment { ordinal: Ordinal::new(Time(i64::MAX), self.capture, self.ordinal), time: Time(self.time) };
        let openings = &mut self.openings;
        let mut listen = |opening: &Opening| {
            openings.push(opening.clone());
            Ear { opening: opening.clone(), holds: 0 }
        };
        self.table.tick(Tick { time: at.time, nth: 0 }, at, &mut listen, &mut self.out);
    }

    pub(super) fn finish(&mut self) {
        let openings = &mut self.openings;
        let mut listen = |opening: &Opening| {
            openings.push(opening.clone());
            Ear { opening: opening.clone(), holds: 0 }
        };
        self.table.finish(&mut listen, &mut self.out);
    }

    /// What was heard since the last call, one line each.
    pub(super) fn heard(&mut self) -> Vec<String> {
        self.out.drain(..).map(|(_, line)| line).collect()
    }

    /// The same with the ordinal of each connection's first packet before it.
    pub(super) fn heard_of_all(&mut self) -> Vec<String> {
        self.out.drain(..).map(|(first, line)| format!("{first}: {line}")).collect()
    }
}
