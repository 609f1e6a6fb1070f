//! What both versions of IP have in common: from a protocol number to TCP, through extension headers.

use std::net::IpAddr;

use super::rest::Rest;
use super::{Decoded, Fragment, Layer, Ports, Reason, Skip, tcp, tunnel};
use crate::base::{Endpoint, FlowKey, Side};

pub(super) const TCP: u8 = 6;
pub(super) const UDP: u8 = 17;
const HOP_BY_HOP: u8 = 0;
const ROUTING: u8 = 43;
const FRAGMENT: u8 = 44;
const AUTHENTICATION: u8 = 51;
const DESTINATION: u8 = 60;

/// Extension headers followed in one packet. RFC 8200 section 4.1 knows seven at most; the bound is
/// against a packet full of them.
const EXTENSIONS: usize = 16;

/// Who sent a datagram to whom.
///
/// A routing header with segments left names another final destination; the one in the IP header is
/// kept, as it is what every other tool shows.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ends {
    pub source: IpAddr,
    pub destination: IpAddr,
}

impl Ends {
    /// The key of a connection between them, and which side of it the source is.
    fn flow(self, source: u16, destination: u16) -> (FlowKey, Side) {
        FlowKey::new(Endpoint { ip: self.source, port: source }, Endpoint { ip: self.destination, port: destination })
    }
}

/// The number of the next header, and the place in the packet where it stands.
#[derive(Clone, Copy, Debug)]
pub(super) struct Next {
    pub protocol: u8,
    pub at: u32,
}

/// Decodes the payload of a whole datagram.
pub(super) fn upper<'p>(ends: Ends, mut next: Next, mut rest: Rest<'p>, ports: &Ports) -> Result<Decoded<'p>, Skip> {
    for _ in 0..=EXTENSIONS {
        match next.protocol {
            TCP => return tcp::decode(rest, ports, |from, to| ends.flow(from, to)).map(Decoded::Segment),
            UDP => return Err(udp(next, rest)),
            FRAGMENT if ends.source.is_ipv6() => {
                let Some(&[protocol, _, high, low, i0, i1, i2, i3]) = rest.header() else {
                    return Err(Reason::IpTruncated.at(Layer::Extension, rest.at));
                };
                let inner = Next { protocol, at: rest.at };
                rest = rest.behind(8).unwrap_or(rest);
                // RFC 8200 section 4.5: 13 bits of offset in units of 8 octets, two reserved, "more".
                let field = u16::from_be_bytes([high, low]);
                let identification = u32::from_be_bytes([i0, i1, i2, i3]);
                let place = Place { identification, offset: u32::from(field & 0xfff8), more: field & 1 != 0 };
                if place.more || place.offset > 0 {
                    return fragment(ends, inner, place, rest);
                }
                // An atomic fragment is a whole datagram (RFC 6946).
                next = inner;
            }
            protocol if is_extension(ends, protocol) => {
                let Some(&[following, length]) = rest.header() else {
                    return Err(Reason::IpTruncated.at(Layer::Extension, rest.at));
                };
                // In units of 8 octets without the first; AH counts fours, and not the first two (RFC 4302).
                let units = usize::from(length);
                let octets = if protocol == AUTHENTICATION {
                    units.saturating_add(2).saturating_mul(4)
                } else {
                    units.saturating_add(1).saturating_mul(8)
                };
                next = Next { protocol: following, at: rest.at };
                rest = rest.behind(octets).ok_or(Reason::IpTruncated.at(Layer::Extension, rest.at))?;
            }
            _ => return Err(refusal(next)),
        }
    }
    Err(Reason::ExtensionDepth.at(Layer::Extension, rest.at))
}

/// Where a fragment belongs.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    pub identification: u32,
    pub offset: u32,
    pub more: bool,
}

/// A fragment, where its datagram may carry TCP.
///
/// The protocol of any but the first fragment means nothing to an IPv6 receiver (RFC 8200 section 4.5); a
/// sender that puts another one there is taken at its word, since else all UDP would have to be kept.
pub(super) fn fragment(ends: Ends, next: Next, place: Place, rest: Rest<'_>) -> Result<Decoded<'_>, Skip> {
    if next.protocol != TCP && !is_extension(ends, next.protocol) {
        return Err(refusal(next));
    }
    Ok(Decoded::Fragment(Fragment {
        source: ends.source,
        destination: ends.destination,
        identification: place.identification,
        protocol: next.protocol,
        offset: place.offset,
        more: place.more,
        payload: rest.bytes,
        missing: u32::try_from(rest.missing).unwrap_or(u32::MAX),
    }))
}

/// Headers that stand before the payload and are walked over; of them IPv4 has only AH.
fn is_extension(ends: Ends, protocol: u8) -> bool {
    match protocol {
        AUTHENTICATION => true,
        HOP_BY_HOP | ROUTING | DESTINATION => ends.source.is_ipv6(),
        _ => false,
    }
}

/// Why a protocol that is neither TCP, UDP nor an extension header is not followed.
pub(super) fn refusal(next: Next) -> Skip {
    tunnel::by_protocol(next.protocol).unwrap_or(Reason::NotTcp).at(Layer::Ip, next.at)
}

/// UDP is a tunnel, by its ports, or nothing for us.
pub(super) fn udp(next: Next, rest: Rest<'_>) -> Skip {
    let Some(&[s0, s1, d0, d1]) = rest.header() else { return refusal(next) };
    match tunnel::by_udp_ports(u16::from_be_bytes([s0, s1]), u16::from_be_bytes([d0, d1])) {
        Some(reason) => reason.at(Layer::Udp, rest.at),
        None => refusal(next),
    }
}
