//! BSD loopback: four octets of address family before the packet. Link type 0 writes them in the byte
//! order of the machine that captured, which is unknown here; 108 in network order.

use super::rest::Rest;
use super::{Decoded, Layer, Ports, Reason, Skip, ipv4, ipv6};

pub(super) const NULL: u16 = 0;
pub(super) const LOOP: u16 = 108;

/// Families are small numbers: only one of the two byte orders gives one.
pub(super) fn decode_null<'p>(packet: Rest<'p>, ports: &Ports) -> Result<Decoded<'p>, Skip> {
    family(packet, |octets| u32::from_be_bytes(octets).min(u32::from_le_bytes(octets)), ports)
}

pub(super) fn decode_loop<'p>(packet: Rest<'p>, ports: &Ports) -> Result<Decoded<'p>, Skip> {
    family(packet, u32::from_be_bytes, ports)
}

fn family<'p>(packet: Rest<'p>, number: fn([u8; 4]) -> u32, ports: &Ports) -> Result<Decoded<'p>, Skip> {
    let (Some(&octets), Some(rest)) = (packet.header(), packet.behind(4)) else {
        return Err(Reason::LinkTruncated.at(Layer::Link, packet.at));
    };
    match number(octets) {
        2 => ipv4::decode(rest, ports),
        // AF_INET6 of Linux, Windows, NetBSD and OpenBSD, FreeBSD, Darwin.
        10 | 23 | 24 | 28 | 30 => ipv6::decode(rest, ports),
        _ => Err(Reason::NotIp.at(Layer::Link, packet.at)),
    }
}
