//! The IPv6 header (RFC 8200 section 3). It has no checksum; see [`super::ipv4`] for those of TCP.

use std::net::{IpAddr, Ipv6Addr};

use super::ip::{self, Ends, Next};
use super::rest::Rest;
use super::{Decoded, Layer, Ports, Reason, Skip};

/// The length of the fixed header.
pub(super) const HEADER: usize = 40;

pub(super) fn decode<'p>(packet: Rest<'p>, ports: &Ports) -> Result<Decoded<'p>, Skip> {
    let (Some(header), Some(rest)) = (packet.header::<HEADER>(), packet.behind(HEADER)) else {
        return Err(Reason::IpTruncated.at(Layer::Ip, packet.at));
    };
    if header[0] >> 4 != 6 {
        return Err(Reason::IpVersion.at(Layer::Ip, packet.at));
    }
    let payload = match u16::from_be_bytes([header[4], header[5]]) {
        // A jumbogram (RFC 2675) or one that the card splits later (TSO): all of the frame is it.
        0 => rest,
        length => rest.clip(usize::from(length)),
    };
    let ends = Ends { source: address(header, 8), destination: address(header, 24) };
    ip::upper(ends, Next { protocol: header[6], at: packet.place(6) }, payload, ports)
}

fn address(header: &[u8; HEADER], at: usize) -> IpAddr {
    let octets = header.get(at..).and_then(<[u8]>::first_chunk::<16>);
    IpAddr::V6(Ipv6Addr::from_octets(octets.copied().unwrap_or_default()))
}
