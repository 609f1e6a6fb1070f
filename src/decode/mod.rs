//! Decoding: one packet's bytes in; a TCP segment that borrows from them, an IP fragment, or the
//! reason why there is neither. Knows nothing of connections or SMTP, and keeps nothing.
//!
//! Bounds: VLAN tags and extension headers of one packet; nothing is copied.
//! Read in this order: [`skip`], [`ports`], one file per link type ([`ethernet`], [`cooked`], [`raw`],
//! [`loopback`]), [`ether_type`], [`ipv4`], [`ipv6`], [`ip`], [`tcp`], [`elsewhere`], [`tunnel`]; then [`straight`], the
//! short way through all of them that nearly every packet takes; and [`kernel_filter`], which holds back of a live
//! capture what they would refuse.
//!
//! A new link type is a file with its decoder, and a row in [`LINKS`].

#[cfg(test)]
mod agreement;
mod cooked;
pub(crate) mod elsewhere;
mod ether_type;
mod ethernet;
mod ip;
mod ipv4;
mod ipv6;
#[cfg(live)]
pub(crate) mod kernel_filter;
mod loopback;
mod ports;
#[cfg(test)]
mod properties;
mod raw;
mod rest;
pub(crate) mod skip;
mod straight;
mod tcp;
#[cfg(test)]
mod tests;
mod tunnel;
#[cfg(live)]
#[cfg(test)]
mod witness;

pub(crate) use ports::Ports;
pub(crate) use skip::{Layer, Reason, Skip, Skips};

use std::net::IpAddr;

use rest::Rest;

use crate::base::{FlowKey, LinkType, Moment, Ordinal, Side};

/// What one packet gives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Decoded<'p> {
    Segment(Segment<'p>),
    Fragment(Fragment<'p>),
    Skipped(Skip),
}

/// A TCP segment of a wanted port (RFC 9293 section 3.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Segment<'p> {
    pub flow: FlowKey,
    /// Which side of the flow sent it.
    pub from: Side,
    /// The sequence number of the first octet (of the SYN itself where it is set).
    pub seq: u32,
    /// The acknowledgement number, where the ACK bit is set.
    pub ack: Option<u32>,
    pub flags: Flags,
    /// The payload as far as it was captured.
    pub payload: &'p [u8],
    /// Payload octets that were on the wire behind `payload` but not captured (snap length).
    pub missing: u32,
}

/// The TCP control bits that reassembly looks at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Flags {
    pub syn: bool,
    pub fin: bool,
    pub rst: bool,
}

/// An IP fragment, to be put together by `defrag` in capture order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Fragment<'p> {
    pub source: IpAddr,
    pub destination: IpAddr,
    /// The identification field, 16 bits in IPv4 (RFC 791), 32 in IPv6 (RFC 8200 section 4.5).
    pub identification: u32,
    /// The protocol of the whole datagram's payload (that of the fragment header in IPv6).
    pub protocol: u8,
    /// Where in the datagram's payload these bytes lie, in octets.
    pub offset: u32,
    /// Whether more fragments follow.
    pub more: bool,
    pub payload: &'p [u8],
    /// Octets that were on the wire behind `payload` but not captured.
    pub missing: u32,
}

/// The payload of a datagram that `defrag` put together; owned, so that a segment can borrow from it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Datagram {
    pub source: IpAddr,
    pub destination: IpAddr,
    /// The protocol of the payload.
    pub protocol: u8,
    /// The payload up to the first octet that was not captured.
    pub payload: Vec<u8>,
    /// Octets of the payload behind that.
    pub missing: u32,
    /// The packet that completed it.
    pub at: Moment,
    /// The packets that each brought a part of it, in packet order; not those that only repeated one.
    pub fragments: Vec<Ordinal>,
}

/// One row of the table of link types.
struct Link {
    /// LINKTYPE_ values of the registry that libpcap and pcapng share.
    types: &'static [u16],
    decode: for<'p> fn(Rest<'p>, &Ports) -> Result<Decoded<'p>, Skip>,
}

/// Every link type that is decoded, the most frequent first.
static LINKS: &[Link] = &[
    Link { types: &[ethernet::LINK_TYPE], decode: ethernet::decode },
    Link { types: &[cooked::V1], decode: cooked::decode_v1 },
    Link { types: &[cooked::V2], decode: cooked::decode_v2 },
    Link { types: raw::EITHER, decode: raw::decode },
    Link { types: &[raw::V4], decode: ipv4::decode },
    Link { types: &[raw::V6], decode: ipv6::decode },
    Link { types: &[loopback::NULL], decode: loopback::decode_null },
    Link { types: &[loopback::LOOP], decode: loopback::decode_loop },
];

/// Whether packets of this link type are decoded. Those of others are skipped, and the scan says so.
pub(crate) fn is_supported(link_type: LinkType) -> bool {
    link(link_type).is_some()
}

fn link(link_type: LinkType) -> Option<&'static Link> {
    LINKS.iter().find(|link| link.types.contains(&link_type.0))
}

/// Who takes what comes of a packet, there where it becomes known: so a segment is written once, to where it is wanted.
pub(crate) trait Takes<'p> {
    fn segment(&mut self, segment: Segment<'p>);
    fn fragment(&mut self, fragment: Fragment<'p>);
    fn skip(&mut self, skip: Skip);
}

/// Decodes one packet that had `original` octets on the wire.
#[inline]
pub(crate) fn decode<'p>(
    link_type: LinkType,
    bytes: &'p [u8],
    original: u32,
    ports: &Ports,
    takes: &mut impl Takes<'p>,
) {
    if link_type.0 == ethernet::LINK_TYPE && straight::decode(bytes, ports, takes).is_some() {
        return;
    }
    match full(link_type, bytes, original, ports) {
        Decoded::Segment(segment) => takes.segment(segment),
        Decoded::Fragment(fragment) => takes.fragment(fragment),
        Decoded::Skipped(skip) => takes.skip(skip),
    }
}

/// [`decode`], as a value.
#[cfg(any(test, feature = "bench"))]
pub(crate) fn decoded<'p>(link_type: LinkType, bytes: &'p [u8], original: u32, ports: &Ports) -> Decoded<'p> {
    let mut decoded = None;
    decode(link_type, bytes, original, ports, &mut decoded);
    decoded.unwrap_or(Decoded::Skipped(Reason::UnsupportedLinkType.at(Layer::Link, 0)))
}

#[cfg(any(test, feature = "bench"))]
impl<'p> Takes<'p> for Option<Decoded<'p>> {
    fn segment(&mut self, segment: Segment<'p>) {
        *self = Some(Decoded::Segment(segment));
    }

    fn fragment(&mut self, fragment: Fragment<'p>) {
        *self = Some(Decoded::Fragment(fragment));
    }

    fn skip(&mut self, skip: Skip) {
        *self = Some(Decoded::Skipped(skip));
    }
}

/// [`decode`] without the straight path before it.
#[inline(never)]
fn full<'p>(link_type: LinkType, bytes: &'p [u8], original: u32, ports: &Ports) -> Decoded<'p> {
    let packet = Rest::new(bytes, original as usize);
    let decoded = match link(link_type) {
        Some(link) => (link.decode)(packet, ports),
        None => Err(Reason::UnsupportedLinkType.at(Layer::Link, 0)),
    };
    decoded.unwrap_or_else(Decoded::Skipped)
}

/// For tests: what the straight path alone says of an Ethernet frame.
#[cfg(test)]
fn straight<'p>(frame: &'p [u8], ports: &Ports) -> Option<Decoded<'p>> {
    let mut decoded = None;
    straight::decode(frame, ports, &mut decoded)?;
    decoded
}

/// Decodes a datagram that was put together from fragments; offsets of a refusal count from its payload.
pub(crate) fn decode_datagram<'p>(datagram: &'p Datagram, ports: &Ports) -> Decoded<'p> {
    let ends = ip::Ends { source: datagram.source, destination: datagram.destination };
    let payload = Rest { bytes: &datagram.payload, missing: datagram.missing as usize, at: 0 };
    match ip::upper(ends, ip::Next { protocol: datagram.protocol, at: 0 }, payload, ports) {
        Ok(Decoded::Fragment(_)) => Decoded::Skipped(Reason::NestedFragment.at(Layer::Extension, 0)),
        Ok(decoded) => decoded,
        Err(skip) => Decoded::Skipped(skip),
    }
}
