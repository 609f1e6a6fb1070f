//! The IPv4 header (RFC 791 section 3.1).
//!
//! Its checksum is not verified, nor is that of TCP: network cards fill both in after the capture was
//! taken (checksum offload), so on the sending host they are wrong as a rule.

use std::net::{IpAddr, Ipv4Addr};

use super::ip::{self, Ends, Next, Place};
use super::rest::Rest;
use super::{Decoded, Layer, Ports, Reason, Skip};

pub(super) fn decode<'p>(packet: Rest<'p>, ports: &Ports) -> Result<Decoded<'p>, Skip> {
    let Some(header) = packet.header::<20>() else {
        return Err(Reason::IpTruncated.at(Layer::Ip, packet.at));
    };
    if header[0] >> 4 != 4 {
        return Err(Reason::IpVersion.at(Layer::Ip, packet.at));
    }
    let header_length = header_length(header[0]);
    if header_length < 20 {
        return Err(Reason::IpHeaderLength.at(Layer::Ip, packet.at));
    }
    let datagram = match usize::from(u16::from_be_bytes([header[2], header[3]])) {
        // The card splits the packet later (TSO) and had no room for its length: all of the frame is it.
        0 => packet,
        // Behind the total length is Ethernet's padding.
        total if total >= header_length => packet.clip(total),
        _ => return Err(Reason::IpTotalLength.at(Layer::Ip, packet.place(2))),
    };
    let Some(payload) = datagram.behind(header_length) else {
        return Err(Reason::IpTruncated.at(Layer::Ip, packet.at));
    };

    let next = Next { protocol: header[9], at: packet.place(9) };
    let ends = Ends { source: address(header, 12), destination: address(header, 16) };
    if is_whole([header[6], header[7]]) {
        return ip::upper(ends, next, payload, ports);
    }
    let field = u16::from_be_bytes([header[6], header[7]]);
    let identification = u32::from(u16::from_be_bytes([header[4], header[5]]));
    let place = Place { identification, offset: u32::from(field & OFFSET) << 3, more: field & MORE != 0 };
    ip::fragment(ends, next, place, payload)
}

/// The bit "more fragments" and the 13 bits of offset, in units of 8 octets.
const MORE: u16 = 0x2000;
const OFFSET: u16 = 0x1fff;

/// Whether the two octets of flags and offset say that this is a whole datagram.
pub(super) fn is_whole(field: [u8; 2]) -> bool {
    u16::from_be_bytes(field) & (MORE | OFFSET) == 0
}

/// The header's length in octets, from the octet that has it in units of four.
pub(super) fn header_length(first: u8) -> usize {
    usize::from(first & 0x0f) << 2
}

fn address(header: &[u8; 20], at: usize) -> IpAddr {
    let octets = header.get(at..).and_then(<[u8]>::first_chunk::<4>);
    IpAddr::V4(Ipv4Addr::from_octets(octets.copied().unwrap_or_default()))
}
