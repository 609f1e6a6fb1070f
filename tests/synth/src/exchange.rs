//! Two TCP stacks that hold the dialogue: steps to segments, each with the sequence and acknowledgement numbers
//! that its sender's knowledge allows. Nothing is lost or late here; that is [`crate::perturb`]'s part.

use crate::dialogue::{Connection, Dialogue, Knows, Line, Side, Step};
use crate::plan::{Acks, Cut, Plan};
use crate::rng::Rng;
use crate::truth::LineTruth;

/// One TCP segment, before it has any header.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Segment {
    /// Its place in [`Dialogue::connections`].
    pub connection: usize,
    /// Who sends it.
    pub side: Side,
    /// When it passes the capture point: nanoseconds since 1970.
    pub time: u64,
    /// Sequence number.
    pub seq: u32,
    /// Acknowledgement number; `None` only in a SYN.
    pub ack: Option<u32>,
    /// What it does to the connection.
    pub control: Control,
    /// Its bytes.
    pub payload: Vec<u8>,
    /// The place of its first byte in its side's stream; `None` where it carries none of the stream
    /// (a pure acknowledgement, a keep-alive's garbage).
    pub offset: Option<u64>,
    /// IP identification.
    pub id: u16,
    /// Whether the capture holds it.
    pub captured: bool,
}

/// What a segment does to its connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Control {
    /// Nothing.
    None,
    /// SYN: begins the stream.
    Syn,
    /// FIN: ends the stream.
    Fin,
    /// RST: resets the connection.
    Rst,
}

/// What the two stacks made of a dialogue.
#[derive(Clone, Debug)]
pub struct Exchanged {
    /// In the order in which they passed the capture point.
    pub segments: Vec<Segment>,
    /// Every line that was said, in order.
    pub lines: Vec<LineTruth>,
}

/// Holds the dialogue.
pub fn exchange(dialogue: &Dialogue, plan: &Plan) -> Exchanged {
    let known = knowledge(dialogue);
    let mut stacks = Stacks {
        dialogue,
        plan,
        known: &known,
        clock: plan.start,
        rng: Rng::new(plan.seed),
        talks: Vec::new(),
        segments: Vec::new(),
    };
    stacks.talks = dialogue.connections.iter().map(|_| stacks.talk()).collect();
    let mut at = 0;
    while let Some(step) = dialogue.steps.get(at) {
        let (next, time) = (at + 1, stacks.clock);
        at = match step {
            Step::Wait(wait) => {
                stacks.clock = time + wait;
                next
            }
            Step::Say(line) => stacks.write(at, line),
            Step::Fin(connection, side) => {
                stacks.begin(*connection, &[]);
                stacks.fin(*connection, *side, at, true);
                next
            }
            Step::Rst(connection, side) => {
                stacks.begin(*connection, &[]);
                stacks.rst(*connection, *side);
                next
            }
        };
    }
    for (number, connection) in dialogue.connections.iter().enumerate() {
        if !connection.open && stacks.talks[number].begun {
            stacks.fin(number, Side::Server, at, false);
            stacks.fin(number, Side::Client, at, true);
        }
    }
    Exchanged { segments: stacks.segments, lines: known.into_iter().flatten().collect() }
}

/// For each step that says something: where its bytes lie in their stream, and how much of the other
/// stream its speaker knew.
fn knowledge(dialogue: &Dialogue) -> Vec<Option<LineTruth>> {
    // Per connection and side: where each of its lines begins, where its stream ends, what it knows.
    let mut starts = vec![[Vec::new(), Vec::new()]; dialogue.connections.len()];
    let mut ends = vec![[0_u64; 2]; dialogue.connections.len()];
    let mut knew = vec![[0_u64; 2]; dialogue.connections.len()];
    let truth = |step: &Step| {
        let Step::Say(line) = step else { return None };
        let (me, peer) = (line.side.index(), line.side.other().index());
        let (starts, ends, knew) =
            (&mut starts[line.connection], &mut ends[line.connection], &mut knew[line.connection]);
        let now = match line.knows {
            Knows::All => ends[peer],
            Knows::AsBefore => knew[me],
            Knows::AllBut(count) => {
                let lines: &Vec<u64> = &starts[peer];
                if count == 0 { ends[peer] } else { lines.iter().rev().nth(count - 1).copied().unwrap_or(0) }
            }
        };
        knew[me] = knew[me].max(now);
        let start = ends[me];
        starts[me].push(start);
        ends[me] += line.bytes.len() as u64;
        let captured = line.captured && dialogue.connections[line.connection].captured[me];
        Some(LineTruth { connection: line.connection, side: line.side, start, end: ends[me], knew: knew[me], captured })
    };
    dialogue.steps.iter().map(truth).collect()
}

/// One end's view of its connection.
#[derive(Clone, Debug)]
struct Half {
    isn: u32,
    /// Octets of its stream that it sent.
    sent: u64,
    /// Octets of the peer's stream that it acknowledged.
    acked: u64,
    /// It sent its FIN.
    fin: bool,
    /// It acknowledged the peer's FIN.
    fin_acked: bool,
    /// Of its latest packet.
    id: u16,
}

/// One connection: both ends, by [`Side::index`].
struct Talk {
    halves: [Half; 2],
    begun: bool,
    reset: bool,
}

struct Stacks<'d> {
    dialogue: &'d Dialogue,
    plan: &'d Plan,
    known: &'d [Option<LineTruth>],
    clock: u64,
    rng: Rng,
    talks: Vec<Talk>,
    segments: Vec<Segment>,
}

impl Stacks<'_> {
    fn talk(&mut self) -> Talk {
        let halves = Side::BOTH.map(|_| {
            let random = u32::try_from(self.rng.next_u64() >> 33).unwrap_or(0);
            Half {
                isn: if self.plan.near_wrap { u32::MAX - 4 - random % 24 } else { random },
                sent: 0,
                acked: 0,
                fin: false,
                fin_acked: false,
                id: u16::try_from(random & 0xffff).unwrap_or(0),
            }
        });
        Talk { halves, begun: false, reset: false }
    }

    fn half(&mut self, connection: usize, side: Side) -> &mut Half {
        &mut self.talks[connection].halves[side.index()]
    }

    fn connection(&self, number: usize) -> &Connection {
        &self.dialogue.connections[number]
    }

    /// The handshake, if it did not happen yet; `early` travels on the SYN.
    fn begin(&mut self, connection: usize, early: &[u8]) {
        if std::mem::replace(&mut self.talks[connection].begun, true) {
            return;
        }
        let midway = self.connection(connection).midway;
        let at = self.segments.len();
        self.send(connection, Side::Client, early.to_vec(), (!early.is_empty()).then_some(0));
        let client = self.half(connection, Side::Client).isn;
        let syn = &mut self.segments[at];
        (syn.seq, syn.ack, syn.control) = (client, None, Control::Syn);
        self.half(connection, Side::Client).sent = early.len() as u64;
        self.acknowledge(connection, Side::Server, early.len() as u64);
        self.send(connection, Side::Server, Vec::new(), None);
        let server = self.half(connection, Side::Server).isn;
        let syn_ack = &mut self.segments[at + 1];
        (syn_ack.seq, syn_ack.control) = (server, Control::Syn);
        self.send(connection, Side::Client, Vec::new(), None);
        for segment in &mut self.segments[at..] {
            segment.captured &= !midway;
        }
    }

    /// A write: this line and those behind it that travel with it. Gives the first step behind them.
    fn write(&mut self, at: usize, first: &Line) -> usize {
        let (connection, side) = (first.connection, first.side);
        let known = self.known;
        let Some(begin) = said_at(known, at) else { return at + 1 };
        let together = |step: usize| {
            said_at(known, step).is_some_and(|line| {
                (line.connection, line.side, line.knew, line.captured) == (connection, side, begin.knew, begin.captured)
            })
        };
        let (knew, captured) = (begin.knew, begin.captured);
        let next = (at + 1..known.len()).find(|&step| !together(step)).unwrap_or(known.len());
        let mut pieces = self.cut(at, next);
        if self.plan.data_on_syn && side == Side::Client && !self.talks[connection].begun {
            let early = pieces.remove(0);
            self.begin(connection, &early);
        }
        self.begin(connection, &[]);
        if self.plan.keep_alives && self.half(connection, side).sent > 0 {
            self.keep_alive(connection, side);
        }
        let peer = side.other();
        self.acknowledge(connection, side, knew);
        let peer_speaks = said_at(known, next).is_some_and(|line| line.connection == connection && line.side == peer);
        let count = pieces.len();
        for (number, piece) in (1..).zip(pieces) {
            let offset = self.half(connection, side).sent;
            self.half(connection, side).sent += piece.len() as u64;
            self.send(connection, side, piece, Some(offset)).captured &= captured;
            let pure = match self.plan.acks {
                Acks::Every => true,
                Acks::Delayed if number == count => !peer_speaks,
                Acks::Delayed => number % 2 == 0,
                Acks::Piggyback => false,
            };
            if pure {
                self.pure_ack(connection, peer, next);
            }
        }
        if self.plan.acks != Acks::Piggyback && !peer_speaks {
            self.pure_ack(connection, side, next);
        }
        next
    }

    /// The payloads of the segments in which the lines of these steps travel.
    fn cut(&mut self, from: usize, to: usize) -> Vec<Vec<u8>> {
        let said = self.dialogue.steps[from..to].iter().filter_map(|step| match step {
            Step::Say(line) => Some(&line.bytes),
            _ => None,
        });
        let lines: Vec<Vec<u8>> = match self.plan.cut {
            Cut::Lines => said.cloned().collect(),
            Cut::Writes | Cut::Random => vec![said.flatten().copied().collect()],
        };
        let mss = self.plan.mss.max(1);
        let mut pieces = Vec::new();
        for line in lines {
            let mut rest = &line[..];
            while !rest.is_empty() {
                let longest = if self.plan.cut == Cut::Random { self.rng.between(1, mss.min(rest.len())) } else { mss };
                let (piece, behind) = rest.split_at(longest.min(rest.len()));
                pieces.push(piece.to_vec());
                rest = behind;
            }
        }
        pieces
    }

    fn keep_alive(&mut self, connection: usize, side: Side) {
        let probe = self.send(connection, side, vec![0], None);
        probe.seq = probe.seq.wrapping_sub(1);
        self.send(connection, side.other(), Vec::new(), None);
    }

    fn fin(&mut self, connection: usize, side: Side, at: usize, answered: bool) {
        if self.talks[connection].reset || self.half(connection, side).fin {
            return;
        }
        self.catch_up(connection, side, at + 1);
        let last = self.segments.iter_mut().rev().filter(|segment| segment.connection == connection);
        let last = last.take_while(|segment| segment.side == side || segment.payload.is_empty());
        let last_said = last.into_iter().find(|segment| segment.side == side && segment.offset.is_some());
        match last_said {
            Some(segment) if self.plan.data_on_fin && segment.control == Control::None => {
                segment.control = Control::Fin;
            }
            _ => {
                self.send(connection, side, Vec::new(), None).control = Control::Fin;
            }
        }
        self.half(connection, side).fin = true;
        if answered {
            self.pure_ack(connection, side.other(), at + 1);
        }
    }

    fn rst(&mut self, connection: usize, side: Side) {
        self.send(connection, side, Vec::new(), None).control = Control::Rst;
        self.talks[connection].reset = true;
    }

    /// An acknowledgement of its own, of everything that this side may know before it next speaks; none
    /// where that is nothing new.
    fn pure_ack(&mut self, connection: usize, side: Side, next: usize) {
        if self.catch_up(connection, side, next) {
            self.send(connection, side, Vec::new(), None);
        }
    }

    /// Moves what this side acknowledges as far as it may before what it says from step `next` on; whether it moved.
    fn catch_up(&mut self, connection: usize, side: Side, next: usize) -> bool {
        let mut later = self.known.get(next..).unwrap_or_default().iter().flatten();
        let later = later.find(|line| (line.connection, line.side) == (connection, side));
        let peer = self.half(connection, side.other());
        let (sent, fin) = (peer.sent, peer.fin);
        let me = self.half(connection, side);
        let before = (me.acked, me.fin_acked);
        self.acknowledge(connection, side, later.map_or(sent, |line| line.knew.min(sent)));
        let silent = self.silent(connection);
        let me = self.half(connection, side);
        me.fin_acked |= fin && me.acked == sent && !silent;
        (me.acked, me.fin_acked) != before
    }

    fn acknowledge(&mut self, connection: usize, side: Side, position: u64) {
        if !self.silent(connection) {
            let me = self.half(connection, side);
            me.acked = me.acked.max(position);
        }
    }

    /// Whether nobody acknowledges anything on this connection.
    fn silent(&self, connection: usize) -> bool {
        self.plan.unacknowledged || self.connection(connection).unacknowledged
    }

    /// Sends a segment: with `offset` bytes of the stream, without it at the stream's end.
    fn send(&mut self, connection: usize, side: Side, payload: Vec<u8>, offset: Option<u64>) -> &mut Segment {
        let captured = self.connection(connection).captured[side.index()];
        let peer = self.half(connection, side.other()).isn;
        let me = self.half(connection, side);
        me.id = me.id.wrapping_add(1);
        let segment = Segment {
            connection,
            side,
            seq: number(me.isn, offset.unwrap_or(me.sent + u64::from(me.fin))),
            ack: Some(number(peer, me.acked + u64::from(me.fin_acked))),
            control: Control::None,
            payload,
            offset,
            id: me.id,
            captured,
            time: self.clock,
        };
        self.clock += self.plan.pace;
        self.segments.push_mut(segment)
    }
}

fn said_at(known: &[Option<LineTruth>], step: usize) -> Option<&LineTruth> {
    known.get(step).and_then(Option::as_ref)
}

/// The sequence number of a place in a stream: the SYN has the number before the first byte.
fn number(isn: u32, position: u64) -> u32 {
    let low = u32::try_from(position & u64::from(u32::MAX)).unwrap_or(0);
    isn.wrapping_add(1).wrapping_add(low)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str, plan: &Plan) -> Exchanged {
        exchange(&Dialogue::parse(text).unwrap(), plan)
    }

    /// Side, payload length and how much of the peer's stream is acknowledged, of every segment behind the handshake.
    fn shape(exchanged: &Exchanged, connection: usize) -> Vec<(Side, usize, u32)> {
        let own: Vec<_> = exchanged.segments.iter().filter(|segment| segment.connection == connection).collect();
        let isn = |side: Side| own.iter().find(|segment| segment.side == side).unwrap().seq;
        let acked = |segment: &Segment| segment.ack.unwrap().wrapping_sub(isn(segment.side.other())).wrapping_sub(1);
        own.iter().skip(3).map(|segment| (segment.side, segment.payload.len(), acked(segment))).collect()
    }

    const CLIENT: Side = Side::Client;
    const SERVER: Side = Side::Server;

    #[test]
    fn a_dialogue_in_turns_needs_no_acknowledgement_of_its_own_until_the_end() {
        let exchanged = of("S: 220 mx\nC: QUIT\nS: 221 bye\n", &Plan::new());
        assert_eq!(
            shape(&exchanged, 0),
            [
                (SERVER, 8, 0),
                (CLIENT, 6, 8),
                (SERVER, 9, 6),
                (CLIENT, 0, 17),
                (SERVER, 0, 6),  // its FIN
                (CLIENT, 0, 18), // its FIN, and the other one acknowledged
                (SERVER, 0, 7),
            ]
        );
    }

    #[test]
    fn nothing_is_acknowledged_before_its_receiver_may_know_it() {
        let exchanged = of("[40001 open]\nS: 220 mx\nC&: NOOP\nC&1: HELP\nS: 250 ok\n", &Plan::new());
        // The greeting crosses with both lines; only then the client acknowledges it.
        assert_eq!(shape(&exchanged, 0), [(SERVER, 8, 0), (CLIENT, 12, 0), (SERVER, 8, 12), (CLIENT, 0, 16)]);
        assert!(exchanged.lines.iter().filter(|line| line.side == CLIENT).all(|line| line.knew == 0));
    }

    #[test]
    fn part_of_what_was_said_may_be_known() {
        let exchanged = of("[40001 open]\nS: 220-mx\nS: 220 mx\nC&1: NOOP\n", &Plan::new());
        assert_eq!(exchanged.lines[2].knew, 8);
    }

    #[test]
    fn connections_alternate_as_the_file_says() {
        let exchanged = of("S: 220 a\n[40002]\nS: 220 b\n[40001]\nC: QUIT\n[40002]\nC: NOOP\n", &Plan::new());
        let said = exchanged.segments.iter().filter(|segment| segment.offset.is_some());
        assert_eq!(said.map(|segment| segment.connection).collect::<Vec<_>>(), [0, 1, 0, 1]);
        assert_eq!(shape(&exchanged, 0)[..2], shape(&exchanged, 1)[..2]);
    }

    #[test]
    fn a_wrapping_sequence_number_changes_no_position() {
        let text = "S: 220 mx.example.com ESMTP\nC: EHLO client.example.org\nS: 250 mx.example.com\n";
        let wrapped = of(text, &Plan::new().near_wrap(true));
        assert_eq!(shape(&wrapped, 0), shape(&of(text, &Plan::new()), 0));
        assert!(wrapped.segments.iter().any(|segment| segment.seq < 100));
    }

    #[test]
    fn a_pause_makes_two_writes_of_one() {
        let lengths =
            |text| shape(&of(text, &Plan::new()), 0).into_iter().map(|(_, length, _)| length).collect::<Vec<_>>();
        assert_eq!(lengths("[40001 open]\nS: 220-mx\nS: 220 mx\n"), [16, 0]);
        assert_eq!(lengths("[40001 open]\nS: 220-mx\n@ +1s\nS: 220 mx\n"), [8, 0, 8, 0]);
    }

    #[test]
    fn a_reset_ends_the_connection_where_it_stands() {
        let exchanged = of("S: 220 mx\nC RST\n", &Plan::new());
        let last = exchanged.segments.last().unwrap();
        assert_eq!((last.side, last.control, last.payload.len()), (CLIENT, Control::Rst, 0));
        assert_eq!(last.ack, Some(exchanged.segments[1].seq.wrapping_add(9)));
    }
}
