//! Segments to frames: TCP, IP, fragments, VLAN tags and the link layer, with valid checksums.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use etherparse::{
    EtherType, Ethernet2Header, IpFragOffset, IpNumber, Ipv4Header, Ipv6FragmentHeader, Ipv6Header, SingleVlanHeader,
    TcpHeader, TcpOptionElement, UdpHeader, VlanId,
};

use crate::dialogue::{Connection, Dialogue, Side};
use crate::exchange::{Control, Segment};
use crate::plan::Plan;

/// A captured packet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Packet {
    /// When it was captured: nanoseconds since 1970.
    pub time: u64,
    /// The octets that were captured.
    pub bytes: Vec<u8>,
    /// How many octets there were.
    pub original: u32,
}

/// What stands before the IP header. The number is libpcap's (its registry is <https://www.tcpdump.org/linktypes.html>).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LinkType {
    /// BSD loopback: the address family in the byte order of the capturing machine (here little-endian).
    Null = 0,
    /// Ethernet.
    Ethernet = 1,
    /// IP without anything before it.
    Raw = 101,
    /// OpenBSD loopback: the address family in network byte order.
    Loop = 108,
    /// Linux cooked capture.
    Cooked = 113,
    /// Linux cooked capture, second version.
    Cooked2 = 276,
}

impl LinkType {
    /// libpcap's number.
    pub fn number(self) -> u16 {
        self as u16
    }

    /// The one of that name: `null`, `ethernet`, `raw`, `loop`, `cooked`, `cooked2`.
    pub fn named(name: &str) -> Option<LinkType> {
        Some(match name {
            "null" => LinkType::Null,
            "ethernet" => LinkType::Ethernet,
            "raw" => LinkType::Raw,
            "loop" => LinkType::Loop,
            "cooked" => LinkType::Cooked,
            "cooked2" => LinkType::Cooked2,
            _ => return None,
        })
    }
}

/// The packets of the segments, in their order.
pub fn frame(dialogue: &Dialogue, segments: &[Segment], plan: &Plan) -> Vec<Packet> {
    let mut packets = Vec::with_capacity(segments.len());
    for segment in segments {
        let connection = &dialogue.connections[segment.connection];
        let (from, to) = ends(connection, segment.side, plan);
        let payload = tcp(from, to, segment, plan);
        let frames = ip(from.ip(), to.ip(), IpNumber::TCP, &payload, segment.id, plan);
        packets
            .extend(frames.into_iter().map(|ip| packet(segment.time, link(&ip, segment.side, from.ip(), plan), plan)));
    }
    packets
}

/// A UDP datagram as a packet: traffic that is no mail.
pub fn udp(from: SocketAddr, to: SocketAddr, payload: &[u8], time: u64, plan: &Plan) -> Packet {
    let (source, destination) = (end(from, plan), end(to, plan));
    let header = match (source.ip(), destination.ip()) {
        (IpAddr::V4(from), IpAddr::V4(to)) => {
            UdpHeader::with_ipv4_checksum(source.port(), destination.port(), &ipv4(from, to, IpNumber::UDP), payload)
        }
        (from, to) => UdpHeader::with_ipv6_checksum(
            source.port(),
            destination.port(),
            &ipv6(mapped(from), mapped(to), IpNumber::UDP),
            payload,
        ),
    };
    let datagram = [&header.expect("fits a datagram").to_bytes()[..], payload].concat();
    let frames =
        ip(source.ip(), destination.ip(), IpNumber::UDP, &datagram, 1, &Plan { fragment: None, ..plan.clone() });
    packet(time, link(&frames[0], Side::Client, source.ip(), plan), plan)
}

/// An end as the plan has it written: an IPv4 address within `2001:db8::/32` where IPv6 is wanted.
pub(crate) fn end(end: SocketAddr, plan: &Plan) -> SocketAddr {
    match end.ip() {
        IpAddr::V4(ip) if plan.ipv6 => (mapped(IpAddr::V4(ip)), end.port()).into(),
        _ => end,
    }
}

/// How many octets stand before the payload of a segment that is not fragmented.
pub(crate) fn headers_length(connection: &Connection, segment: &Segment, plan: &Plan) -> usize {
    let (from, to) = ends(connection, segment.side, plan);
    let payload = tcp(from, to, segment, plan);
    let ip = match from.ip() {
        IpAddr::V4(_) => Ipv4Header::MIN_LEN,
        IpAddr::V6(_) => Ipv6Header::LEN,
    };
    link(&[0x45], segment.side, from.ip(), plan).len() - 1 + ip + payload.len() - segment.payload.len()
}

fn ends(connection: &Connection, side: Side, plan: &Plan) -> (SocketAddr, SocketAddr) {
    let (client, server) = (end(connection.client, plan), end(connection.server, plan));
    match side {
        Side::Client => (client, server),
        Side::Server => (server, client),
    }
}

fn mapped(ip: IpAddr) -> Ipv6Addr {
    match ip {
        IpAddr::V4(v4) => {
            let [a, b, c, d] = v4.octets();
            let pair = |high, low| u16::from_be_bytes([high, low]);
            Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, pair(a, b), pair(c, d))
        }
        IpAddr::V6(v6) => v6,
    }
}

fn packet(time: u64, mut bytes: Vec<u8>, plan: &Plan) -> Packet {
    let original = u32::try_from(bytes.len()).expect("a packet is shorter than 4 GiB");
    bytes.truncate(plan.snap_length as usize);
    Packet { time, bytes, original }
}

/// A TCP segment with its header.
fn tcp(from: SocketAddr, to: SocketAddr, segment: &Segment, plan: &Plan) -> Vec<u8> {
    let mut header = TcpHeader::new(from.port(), to.port(), segment.seq, 64_240);
    header.syn = segment.control == Control::Syn;
    header.fin = segment.control == Control::Fin;
    header.rst = segment.control == Control::Rst;
    header.psh = !segment.payload.is_empty();
    header.ack = segment.ack.is_some();
    header.acknowledgment_number = segment.ack.unwrap_or(0);
    if segment.control == Control::Syn {
        let mss = u16::try_from(plan.mss.clamp(536, 65_000)).unwrap_or(1460);
        let options = [
            TcpOptionElement::MaximumSegmentSize(mss),
            TcpOptionElement::SelectiveAcknowledgementPermitted,
            TcpOptionElement::Noop,
            TcpOptionElement::WindowScale(7),
        ];
        header.set_options(&options).expect("four options fit");
    }
    header.checksum = match (from.ip(), to.ip()) {
        (IpAddr::V4(from), IpAddr::V4(to)) => {
            header.calc_checksum_ipv4_raw(from.octets(), to.octets(), &segment.payload)
        }
        (from, to) => header.calc_checksum_ipv6_raw(mapped(from).octets(), mapped(to).octets(), &segment.payload),
    }
    .expect("a segment fits a packet");
    [&header.to_bytes()[..], &segment.payload].concat()
}

fn ipv4(from: std::net::Ipv4Addr, to: std::net::Ipv4Addr, protocol: IpNumber) -> Ipv4Header {
    Ipv4Header {
        time_to_live: 64,
        protocol,
        source: from.octets(),
        destination: to.octets(),
        dont_fragment: true,
        ..Ipv4Header::default()
    }
}

fn ipv6(from: Ipv6Addr, to: Ipv6Addr, next_header: IpNumber) -> Ipv6Header {
    Ipv6Header { next_header, hop_limit: 64, source: from.octets(), destination: to.octets(), ..Ipv6Header::default() }
}

/// The IP packets that carry a payload: one, or its fragments.
fn ip(from: IpAddr, to: IpAddr, protocol: IpNumber, payload: &[u8], id: u16, plan: &Plan) -> Vec<Vec<u8>> {
    let longest = plan.fragment.filter(|&longest| payload.len() > longest);
    let pieces: Vec<&[u8]> = match longest {
        Some(longest) => payload.chunks(longest).collect(),
        None => vec![payload],
    };
    let last = pieces.len() - 1;
    let mut offset = 0;
    let mut packets = Vec::with_capacity(pieces.len());
    for (number, piece) in pieces.into_iter().enumerate() {
        let units = IpFragOffset::try_new(offset / 8).expect("an offset within 64 KiB");
        let more = number < last;
        packets.push(match (from, to) {
            (IpAddr::V4(from), IpAddr::V4(to)) => {
                let mut header = ipv4(from, to, protocol);
                header.set_payload_len(piece.len()).expect("fits a packet");
                header.identification = id;
                header.dont_fragment = longest.is_none();
                (header.more_fragments, header.fragment_offset) = (more, units);
                header.header_checksum = header.calc_header_checksum();
                [&header.to_bytes()[..], piece].concat()
            }
            (from, to) => {
                let mut header = ipv6(mapped(from), mapped(to), protocol);
                let mut between = Vec::new();
                if longest.is_some() {
                    header.next_header = IpNumber::IPV6_FRAGMENTATION_HEADER;
                    between = Ipv6FragmentHeader::new(protocol, units, more, u32::from(id)).to_bytes().to_vec();
                }
                header.set_payload_length(between.len() + piece.len()).expect("fits a packet");
                [&header.to_bytes()[..], &between, piece].concat()
            }
        });
        offset += u16::try_from(piece.len()).expect("fits a packet");
    }
    if plan.fragments_reversed {
        packets.reverse();
    }
    packets
}

/// A link layer around an IP packet. The addresses are those for documentation (RFC 7042 section 2.1.2).
fn link(ip: &[u8], side: Side, from: IpAddr, plan: &Plan) -> Vec<u8> {
    const ADDRESSES: [[u8; 6]; 2] = [[0, 0, 0x5e, 0, 0x53, 1], [0, 0, 0x5e, 0, 0x53, 2]];
    let ether_type = if from.is_ipv4() { EtherType::IPV4 } else { EtherType::IPV6 };
    let family: u32 = if from.is_ipv4() { 2 } else { 30 };
    let (source, destination) = (ADDRESSES[side.index()], ADDRESSES[side.other().index()]);
    let mut bytes = match plan.link {
        LinkType::Raw => Vec::new(),
        LinkType::Null => family.to_le_bytes().to_vec(),
        LinkType::Loop => family.to_be_bytes().to_vec(),
        LinkType::Cooked => {
            // Packet type (0: to us, 4: from us), ARPHRD_ETHER, address length, address, protocol.
            let direction: u8 = if side == Side::Client { 0 } else { 4 };
            [&[0, direction, 0, 1, 0, 6], &source[..], &[0, 0], &ether_type.0.to_be_bytes()].concat()
        }
        LinkType::Cooked2 => {
            // Protocol, reserved, interface 2, ARPHRD_ETHER, packet type, address length, address.
            let direction: u8 = if side == Side::Client { 0 } else { 4 };
            let head = [&ether_type.0.to_be_bytes()[..], &[0, 0, 0, 0, 0, 2, 0, 1, direction, 6]].concat();
            [&head, &source[..], &[0, 0]].concat()
        }
        LinkType::Ethernet => ethernet(source, destination, ether_type, &plan.vlans[side.index()]),
    };
    bytes.extend_from_slice(ip);
    bytes
}

fn ethernet(source: [u8; 6], destination: [u8; 6], inner: EtherType, vlans: &[u16]) -> Vec<u8> {
    // The innermost tag is 802.1Q's, those outside it are 802.1ad's.
    let tag = |number: usize| match number {
        _ if number >= vlans.len() => inner,
        _ if number + 1 == vlans.len() => EtherType::VLAN_TAGGED_FRAME,
        _ => EtherType::PROVIDER_BRIDGING,
    };
    let mut bytes = Ethernet2Header { source, destination, ether_type: tag(0) }.to_bytes().to_vec();
    for (number, &id) in vlans.iter().enumerate() {
        let vlan_id = VlanId::try_new(id).expect("a VLAN id has twelve bits");
        let header = SingleVlanHeader { vlan_id, ether_type: tag(number + 1), ..SingleVlanHeader::default() };
        bytes.extend_from_slice(&header.to_bytes());
    }
    bytes
}
