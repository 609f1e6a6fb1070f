//! Packets to the octets of a pcap file, straight into one buffer: Ethernet, VLAN, IP, TCP or UDP with valid checksums.
//! What [`crate::frame`] does with etherparse for a few packets, done for millions.

use std::io::{self, Write};
use std::net::{IpAddr, SocketAddr};

use super::flow::{Flow, Packet, SYN};
use super::script::Pools;
use crate::dialogue::{SECOND, Side};

/// About how many octets of a capture a SYN takes.
pub(super) const SYN_RECORD: u64 = 93;

/// Nanoseconds from one packet to the next: 200,000 a second.
const PACE: u64 = 5000;

/// The buffer goes out when it has so many octets.
const FULL: usize = 1 << 18;

/// TCP options of a SYN: maximum segment size, SACK, timestamps, window scale (RFC 9293, 2018, 7323).
const SYN_OPTIONS: [u8; 20] = [2, 4, 5, 180, 4, 2, 8, 10, 0, 0, 0, 0, 0, 0, 0, 0, 1, 3, 3, 7];

/// TCP options of any other segment: timestamps.
const OPTIONS: [u8; 12] = [1, 1, 8, 10, 0, 0, 0, 0, 0, 0, 0, 0];

/// What stands before TCP or UDP: the same in all packets of a side, but for lengths, number and checksum.
#[derive(Clone, Copy)]
pub(super) struct Head {
    bytes: [u8; 58],
    /// Where the IP header begins.
    ip: usize,
    length: usize,
    ports: [u16; 2],
    udp: bool,
}

impl Head {
    pub(super) fn new(from: SocketAddr, to: SocketAddr, side: Side, vlan: Option<u16>, udp: bool) -> Self {
        let mut head = Head { bytes: [0; 58], ip: 0, length: 0, ports: [from.port(), to.port()], udp };
        let station = |side: Side| [0, 0, 0x5e, 0, 0x53, if side == Side::Client { 1 } else { 2 }];
        head.push(&station(side.other()));
        head.push(&station(side));
        if let Some(id) = vlan {
            head.push(&[0x81, 0]);
            head.push(&id.to_be_bytes());
        }
        let protocol = if udp { 17 } else { 6 };
        match (from.ip(), to.ip()) {
            (IpAddr::V4(from), IpAddr::V4(to)) => {
                head.push(&[8, 0]);
                head.ip = head.length;
                head.push(&[0x45, 0, 0, 0, 0, 0, 0x40, 0, 64, protocol, 0, 0]);
                head.push(&from.octets());
                head.push(&to.octets());
            }
            (IpAddr::V6(from), IpAddr::V6(to)) => {
                head.push(&[0x86, 0xdd]);
                head.ip = head.length;
                head.push(&[0x60, 0, 0, 0, 0, 0, protocol, 64]);
                head.push(&from.octets());
                head.push(&to.octets());
            }
            _ => unreachable!("both ends of a flow are of one family"),
        }
        head
    }

    pub(super) fn length(&self) -> usize {
        self.length
    }

    fn push(&mut self, bytes: &[u8]) {
        self.bytes[self.length..self.length + bytes.len()].copy_from_slice(bytes);
        self.length += bytes.len();
    }

    fn is_ipv4(&self) -> bool {
        self.length - self.ip == 20
    }

    /// The sum over both addresses and the protocol.
    fn pseudo(&self) -> u64 {
        let addresses = if self.is_ipv4() { self.ip + 12 } else { self.ip + 8 };
        sum(&self.bytes[addresses..self.length]) + u64::from(if self.udp { 17_u16 } else { 6 }.to_be())
    }
}

/// A pcap file that is being written.
pub(super) struct Wire<'w, W> {
    out: &'w mut W,
    buffer: Vec<u8>,
    /// Octets that went out of the buffer.
    gone: u64,
    time: u64,
    start: u64,
    counts: Counts,
}

/// What a finished capture holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Counts {
    pub(super) packets: u64,
    /// Their captured octets.
    pub(super) bytes: u64,
    /// Those of 64 to 128 octets.
    pub(super) small: u64,
}

impl<'w, W: Write> Wire<'w, W> {
    pub(super) fn new(out: &'w mut W, header: Vec<u8>, start: u64) -> Self {
        Wire { out, buffer: header, gone: 0, time: start, start, counts: Counts::default() }
    }

    /// Octets of the file so far.
    pub(super) fn written(&self) -> u64 {
        self.gone + self.buffer.len() as u64
    }

    /// Packets of 64 to 128 octets, of a thousand.
    pub(super) fn small_per_mille(&self) -> u32 {
        u32::try_from(self.counts.small * 1000 / self.counts.packets.max(1)).unwrap_or(1000)
    }

    /// Writes a packet of a flow.
    pub(super) fn packet(&mut self, flow: &Flow, packet: &Packet, pools: &Pools) -> io::Result<()> {
        let head = &flow.heads[packet.side.index()];
        let record = self.buffer.len();
        self.buffer.extend_from_slice(&[0; 16]);
        self.buffer.extend_from_slice(&head.bytes[..head.length]);
        let transport = self.buffer.len();
        if head.udp {
            self.udp(head, packet.length);
        } else {
            self.tcp(head, packet);
        }
        let (mut run, mut skip, mut left) = (packet.run, packet.skip, packet.length);
        while left > 0 {
            let bytes = flow.script.bytes(pools, run, skip);
            let piece = &bytes[..bytes.len().min(left)];
            self.buffer.extend_from_slice(piece);
            (run, skip, left) = (run + 1, 0, left - piece.len());
        }
        self.seal(record, transport, head, packet.id);
        if self.buffer.len() >= FULL {
            self.flush()?;
        }
        Ok(())
    }

    /// Sends out what is left.
    pub(super) fn finish(mut self) -> io::Result<Counts> {
        self.flush()?;
        Ok(self.counts)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.write_all(&self.buffer)?;
        self.gone += self.buffer.len() as u64;
        self.buffer.clear();
        Ok(())
    }

    fn tcp(&mut self, head: &Head, packet: &Packet) {
        let options = if packet.flags & SYN == 0 { &OPTIONS[..] } else { &SYN_OPTIONS };
        let words = u8::try_from(5 + options.len() / 4).unwrap_or(0);
        self.ports(head);
        self.buffer.extend_from_slice(&packet.seq.to_be_bytes());
        self.buffer.extend_from_slice(&packet.ack.to_be_bytes());
        self.buffer.extend_from_slice(&[words << 4, packet.flags, 0xfa, 0xf0, 0, 0, 0, 0]);
        let stamp = self.buffer.len() + if packet.flags & SYN == 0 { 4 } else { 8 };
        self.buffer.extend_from_slice(options);
        let milliseconds = u32::try_from((self.time - self.start) / 1_000_000).unwrap_or(0) + 1;
        self.buffer[stamp..stamp + 4].copy_from_slice(&milliseconds.to_be_bytes());
        if packet.ack != 0 {
            self.buffer[stamp + 4..stamp + 8].copy_from_slice(&milliseconds.to_be_bytes());
        }
    }

    fn udp(&mut self, head: &Head, payload: usize) {
        self.ports(head);
        self.buffer.extend_from_slice(&u16::try_from(payload + 8).unwrap_or(0).to_be_bytes());
        self.buffer.extend_from_slice(&[0, 0]);
    }

    fn ports(&mut self, head: &Head) {
        for port in head.ports {
            self.buffer.extend_from_slice(&port.to_be_bytes());
        }
    }

    /// Fills in what depends on the packet's length and octets: record header, IP header, checksums.
    fn seal(&mut self, record: usize, transport: usize, head: &Head, id: u16) {
        let bytes = &mut self.buffer[record..];
        let (ip, transport) = (16 + head.ip, transport - record);
        let length = bytes.len() - transport;
        let check = fold(head.pseudo() + u64::from(short(length).to_be()) + sum(&bytes[transport..]));
        let place = transport + if head.udp { 6 } else { 16 };
        // In UDP a sum of zero means that there is none (RFC 768).
        let check = if head.udp && check == 0 { 0xffff } else { check };
        bytes[place..place + 2].copy_from_slice(&check.to_ne_bytes());
        if head.is_ipv4() {
            bytes[ip + 2..ip + 4].copy_from_slice(&short(length + 20).to_be_bytes());
            bytes[ip + 4..ip + 6].copy_from_slice(&id.to_be_bytes());
            let check = fold(sum(&bytes[ip..transport]));
            bytes[ip + 10..ip + 12].copy_from_slice(&check.to_ne_bytes());
        } else {
            bytes[ip + 4..ip + 6].copy_from_slice(&short(length).to_be_bytes());
        }
        let captured = bytes.len() - 16;
        let seconds = u32::try_from(self.time / SECOND).expect("a time before 2106");
        let fraction = u32::try_from(self.time % SECOND / 1000).unwrap_or(0);
        let octets = u32::from(short(captured));
        for (place, word) in bytes.chunks_exact_mut(4).zip([seconds, fraction, octets, octets]) {
            place.copy_from_slice(&word.to_le_bytes());
        }
        self.time += PACE;
        self.counts.packets += 1;
        self.counts.bytes += captured as u64;
        self.counts.small += u64::from((64..=128).contains(&captured));
    }
}

fn short(length: usize) -> u16 {
    u16::try_from(length).expect("a packet has less than 64 KiB")
}

/// The sum of 16-bit words in memory order (RFC 1071 section 2(B): the byte order does not matter).
fn sum(bytes: &[u8]) -> u64 {
    let (words, rest) = bytes.as_chunks::<4>();
    let mut total: u64 = words.iter().map(|&word| u64::from(u32::from_ne_bytes(word))).sum();
    for pair in rest.chunks(2) {
        total += u64::from(u16::from_ne_bytes([pair[0], pair.get(1).copied().unwrap_or(0)]));
    }
    total
}

/// The checksum that belongs to a sum, in memory order.
fn fold(mut total: u64) -> u16 {
    while total > 0xffff {
        total = (total & 0xffff) + (total >> 16);
    }
    !u16::try_from(total).unwrap_or(0)
}
