//! The straight path: Ethernet, two VLAN tags at most, IPv4 or IPv6, then TCP, UDP or ping, each header where it lies
//! in nearly every packet. On a mirror port 98 of 100 packets are not SMTP, and show it here at a few fixed places.
//!
//! It only says what [`super::full`] would say, be it a segment or a refusal; whatever looks unusual (fragments,
//! extension headers, more tags, lengths that contradict, headers that are cut) it leaves to that.

use super::ether_type::{IPV4, IPV6, is_vlan};
use super::ip::{self, Next, TCP, UDP};
use super::rest::Rest;
use super::{Ports, Takes, ipv4, ipv6, tcp};
use crate::base::{FlowKey, Side};

/// Gives what comes of an Ethernet frame to `takes`; `None` where [`super::full`] has to say what that is.
#[inline]
pub(super) fn decode<'p>(frame: &'p [u8], ports: &Ports, takes: &mut impl Takes<'p>) -> Option<()> {
    let (header, mut packet) = frame.split_first_chunk::<14>()?;
    let mut ether_type = u16::from_be_bytes([header[12], header[13]]);
    let (mut at, mut tags) = (14_u32, 0..VLANS);
    loop {
        match ether_type {
            IPV4 => return decode_ipv4(packet, at, ports, takes),
            IPV6 => return decode_ipv6(packet, at, ports, takes),
            tag if is_vlan(tag) && tags.next().is_some() => {
                let (tag, behind) = packet.split_first_chunk::<4>()?;
                ether_type = u16::from_be_bytes([tag[2], tag[3]]);
                packet = behind;
                at = at.wrapping_add(4);
            }
            _ => return None,
        }
    }
}

/// A port's own tag, and a provider's around it.
const VLANS: usize = 2;

#[inline]
fn decode_ipv4<'p>(packet: &'p [u8], at: u32, ports: &Ports, takes: &mut impl Takes<'p>) -> Option<()> {
    let header = packet.first_chunk::<20>()?;
    // Version 4 and a header of at least 20 octets.
    if !matches!(header[0], 0x45..=0x4f) || !ipv4::is_whole([header[6], header[7]]) {
        return None;
    }
    let length = ipv4::header_length(header[0]);
    // A total length of 0 means something else (see `ipv4`); like one that ends within the header it gives `None`.
    let total = usize::from(u16::from_be_bytes([header[2], header[3]]));
    let datagram = packet.get(..total).unwrap_or(packet);
    let payload = Rest {
        bytes: datagram.get(length..)?,
        missing: total.wrapping_sub(datagram.len()),
        at: at.wrapping_add(u32::from(header[0] & 0x0f) << 2),
    };
    let [.., s0, s1, s2, s3, d0, d1, d2, d3] = *header;
    let flow = |from, to| {
        FlowKey::of_v4((u32::from_be_bytes([s0, s1, s2, s3]), from), (u32::from_be_bytes([d0, d1, d2, d3]), to))
    };
    upper(Next { protocol: header[9], at: at.wrapping_add(9) }, payload, ports, flow, takes)
}

#[inline]
fn decode_ipv6<'p>(packet: &'p [u8], at: u32, ports: &Ports, takes: &mut impl Takes<'p>) -> Option<()> {
    let (header, behind) = packet.split_first_chunk::<{ ipv6::HEADER }>()?;
    let length = usize::from(u16::from_be_bytes([header[4], header[5]]));
    // A length of 0 means something else too.
    if header[0] >> 4 != 6 || length == 0 {
        return None;
    }
    let bytes = behind.get(..length).unwrap_or(behind);
    let payload = Rest { bytes, missing: length.wrapping_sub(bytes.len()), at: at.wrapping_add(40) };
    let (source, destination) = (header[8..].first_chunk()?, header[24..].first_chunk()?);
    let flow = |from, to| FlowKey::of_v6((u128::from_be_bytes(*source), from), (u128::from_be_bytes(*destination), to));
    upper(Next { protocol: header[6], at: at.wrapping_add(6) }, payload, ports, flow, takes)
}

/// The payload of a whole datagram that has no extension header.
#[inline]
fn upper<'p>(
    next: Next,
    payload: Rest<'p>,
    ports: &Ports,
    flow: impl FnOnce(u16, u16) -> (FlowKey, Side),
    takes: &mut impl Takes<'p>,
) -> Option<()> {
    let skip = match next.protocol {
        TCP => match tcp::decode(payload, ports, flow) {
            Ok(segment) => {
                takes.segment(segment);
                return Some(());
            }
            Err(skip) => skip,
        },
        UDP => ip::udp(next, payload),
        // Any other protocol is rare, but for ping.
        ICMP | ICMPV6 => ip::refusal(next),
        _ => return None,
    };
    takes.skip(skip);
    Some(())
}

const ICMP: u8 = 1;
const ICMPV6: u8 = 58;
