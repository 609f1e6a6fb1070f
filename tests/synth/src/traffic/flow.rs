//! A script as packets: handshake, segments and acknowledgements in turn, and the end; nothing is held but where it is.

use std::net::SocketAddr;

use super::script::Script;
use super::wire::Head;
use crate::dialogue::Side;
use crate::rng::Rng;

/// FIN, SYN, PSH and ACK of a TCP header.
pub(super) const FIN: u8 = 0x01;
pub(super) const SYN: u8 = 0x02;
pub(super) const PSH: u8 = 0x08;
pub(super) const ACK: u8 = 0x10;

/// A flow that runs.
pub(super) struct Flow {
    pub(super) client: SocketAddr,
    pub(super) server: SocketAddr,
    pub(super) script: Script,
    /// What stands before TCP or UDP in the packets of each side.
    pub(super) heads: [Head; 2],
    /// About how many octets of a capture it fills.
    pub(super) planned: u64,
    /// Octets of each side that the capture does not hold.
    pub(super) missing: [u64; 2],
    /// The longest payload of a segment.
    mss: usize,
    stage: Stage,
    /// Where the script is: a run, and how much of it was said.
    run: usize,
    skip: usize,
    /// The sequence number of what each side sends next.
    next: [u32; 2],
    /// Segments since the last acknowledgement of the peer.
    unacknowledged: u32,
    /// Who acknowledges before anything else is said.
    owed: Option<Side>,
    /// Whether the acknowledgement may go uncaptured as what it acknowledges.
    fragile: bool,
    /// A packet that the next one overtook.
    late: Option<Packet>,
    id: u16,
}

/// A packet of a flow, without its octets.
#[derive(Clone, Copy)]
pub(super) struct Packet {
    pub(super) side: Side,
    pub(super) flags: u8,
    pub(super) seq: u32,
    pub(super) ack: u32,
    pub(super) id: u16,
    /// Where its payload begins in the script: a run and a place in it.
    pub(super) run: usize,
    pub(super) skip: usize,
    pub(super) length: usize,
    /// Nothing depends on its being captured.
    pub(super) fragile: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Stage {
    Syn,
    SynAck,
    Established,
    Talk,
    ServerFin,
    ClientFin,
    LastAck,
    Over,
}

impl Flow {
    /// A flow between these ends; `random` is for what the ends choose at random.
    pub(super) fn new(ends: [SocketAddr; 2], vlan: Option<u16>, script: Script, mss: usize, random: u64) -> Self {
        let [client, server] = ends;
        let heads = [
            Head::new(client, server, Side::Client, vlan, script.udp),
            Head::new(server, client, Side::Server, vlan, script.udp),
        ];
        let octets: usize = script.runs.iter().map(|run| run.length).sum();
        let packets = if script.udp {
            script.runs.len()
        } else {
            let segments = octets / mss + script.runs.len() / 2;
            8 + segments + if mss == 1 { segments } else { segments / 2 }
        };
        Flow {
            planned: (octets + packets * (heads[0].length() + 16 + if script.udp { 8 } else { 32 })) as u64,
            client,
            server,
            heads,
            missing: [0; 2],
            mss,
            stage: if script.udp { Stage::Talk } else { Stage::Syn },
            run: 0,
            skip: 0,
            next: [low32(random), low32(random >> 32)],
            unacknowledged: 0,
            owed: None,
            fragile: false,
            late: None,
            id: u16::try_from(random & 0xffff).unwrap_or(0),
            script,
        }
    }

    /// The next packet as the capture has them: so many of a thousand behind the one that follows. Of segments that
    /// travel together each `stride`th is acknowledged at once.
    pub(super) fn next(&mut self, rng: &mut Rng, reorder: u32, stride: u32) -> Option<Packet> {
        if let Some(late) = self.late.take() {
            return Some(late);
        }
        let talks = self.stage == Stage::Talk;
        let packet = self.send(stride)?;
        if talks
            && rng.chance(reorder)
            && let Some(earlier) = self.send(stride)
        {
            self.late = Some(packet);
            return Some(earlier);
        }
        Some(packet)
    }

    /// Whether its next packet is one that another overtook.
    pub(super) fn is_behind(&self) -> bool {
        self.late.is_some()
    }

    /// The capture does not hold this one.
    pub(super) fn lose(&mut self, packet: &Packet) {
        self.missing[packet.side.index()] += packet.length as u64;
    }

    /// The next packet as the ends sent them.
    fn send(&mut self, stride: u32) -> Option<Packet> {
        let (stage, packet) = match self.stage {
            Stage::Syn => (Stage::SynAck, self.bare(Side::Client, SYN)),
            Stage::SynAck => (Stage::Established, self.bare(Side::Server, SYN | ACK)),
            Stage::Established => (Stage::Talk, self.bare(Side::Client, ACK)),
            Stage::Talk => match self.talk(stride) {
                Some(packet) => (Stage::Talk, packet),
                None if self.script.udp => return None,
                None => (Stage::ServerFin, self.bare(Side::Server, FIN | ACK)),
            },
            Stage::ServerFin => (Stage::ClientFin, self.bare(Side::Client, ACK)),
            Stage::ClientFin => (Stage::LastAck, self.bare(Side::Client, FIN | ACK)),
            Stage::LastAck => (Stage::Over, self.bare(Side::Server, ACK)),
            Stage::Over => return None,
        };
        self.stage = stage;
        Some(packet)
    }

    /// An acknowledgement that is due, or else what the script says next.
    fn talk(&mut self, stride: u32) -> Option<Packet> {
        if let Some(side) = self.owed.take() {
            return Some(Packet { fragile: self.fragile, ..self.bare(side, ACK) });
        }
        let (run, skip) = (self.run, self.skip);
        let side = self.script.runs.get(run)?.side;
        let room = if self.script.udp { self.script.runs[run].length } else { self.mss };
        let (mut length, mut fragile) = (0, true);
        while let Some(said) = self.script.runs.get(self.run).filter(|said| said.side == side && length < room) {
            let taken = (said.length - self.skip).min(room - length);
            (length, fragile) = (length + taken, fragile && said.fragile);
            self.skip += taken;
            if self.skip == said.length {
                (self.run, self.skip) = (self.run + 1, 0);
            }
        }
        let ends = self.script.runs.get(self.run).is_none_or(|next| next.side != side);
        let mut packet = self.bare(side, if ends { PSH | ACK } else { ACK });
        (packet.run, packet.skip, packet.length, packet.fragile) = (run, skip, length, fragile);
        let sent = &mut self.next[side.index()];
        *sent = sent.wrapping_add(u32::try_from(length).unwrap_or(0));
        if !self.script.udp {
            self.unacknowledged += 1;
            // At the end of a write the peer's answer acknowledges, but where each segment is acknowledged alone.
            if self.unacknowledged >= stride && (!ends || stride == 1) {
                (self.owed, self.fragile) = (Some(side.other()), fragile);
            }
            if self.owed.is_some() || ends {
                self.unacknowledged = 0;
            }
        }
        Some(packet)
    }

    /// A packet without payload that acknowledges all that the peer sent.
    fn bare(&mut self, side: Side, flags: u8) -> Packet {
        self.id = self.id.wrapping_add(1);
        let seq = self.next[side.index()];
        if flags & (SYN | FIN) != 0 {
            self.next[side.index()] = seq.wrapping_add(1);
        }
        let ack = if flags & ACK != 0 { self.next[side.other().index()] } else { 0 };
        Packet { side, flags, seq, ack, id: self.id, run: 0, skip: 0, length: 0, fragile: false }
    }
}

fn low32(word: u64) -> u32 {
    u32::try_from(word & 0xffff_ffff).unwrap_or(0)
}
