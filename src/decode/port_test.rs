//! The cheap test: on a mirror port 98 of 100 packets are not SMTP, and most of them show it at a few
//! fixed places.
//!
//! It only ever refuses, and only what [`super::full`] would refuse with the same [`Skip`]; whatever
//! looks unusual (fragments, extension headers, stacked tags, odd lengths) it leaves to that.

use super::ether_type::{IPV4, IPV6, is_vlan};
use super::ip::{self, Next, TCP, UDP};
use super::rest::Rest;
use super::{Layer, Ports, Reason, Skip, ipv4, ipv6};

/// Why an Ethernet frame, tagged at most once, is certainly not wanted; `None` where that is not certain.
pub(super) fn refuse(frame: &[u8], ports: &Ports) -> Option<Skip> {
    let header: &[u8; 14] = frame.first_chunk()?;
    let mut ether_type = u16::from_be_bytes([header[12], header[13]]);
    let mut at = 14;
    if is_vlan(ether_type) {
        let tagged: &[u8; 18] = frame.first_chunk()?;
        ether_type = u16::from_be_bytes([tagged[16], tagged[17]]);
        at = 18;
    }
    let packet = Rest { bytes: frame.get(at..)?, missing: 0, at: u32::try_from(at).unwrap_or(0) };
    match ether_type {
        IPV4 => refuse_ipv4(packet, ports),
        IPV6 => refuse_ipv6(packet, ports),
        _ => None,
    }
}

fn refuse_ipv4(packet: Rest<'_>, ports: &Ports) -> Option<Skip> {
    let header = packet.header::<20>()?;
    let length = ipv4::header_length(header[0]);
    // A total length that reaches over both ports; 0 is one too (see `ipv4`) but not usual.
    let total = usize::from(u16::from_be_bytes([header[2], header[3]]));
    let usual = header[0] >> 4 == 4 && length >= 20 && total >= length.wrapping_add(4);
    if !usual || !ipv4::is_whole([header[6], header[7]]) {
        return None;
    }
    refuse_upper(Next { protocol: header[9], at: packet.place(9) }, packet.behind(length)?, ports)
}

fn refuse_ipv6(packet: Rest<'_>, ports: &Ports) -> Option<Skip> {
    let header = packet.header::<{ ipv6::HEADER }>()?;
    if header[0] >> 4 != 6 || u16::from_be_bytes([header[4], header[5]]) < 4 {
        return None;
    }
    refuse_upper(Next { protocol: header[6], at: packet.place(6) }, packet.behind(ipv6::HEADER)?, ports)
}

fn refuse_upper(next: Next, payload: Rest<'_>, ports: &Ports) -> Option<Skip> {
    match next.protocol {
        TCP => {
            let &[s0, s1, d0, d1] = payload.header()?;
            let wanted = ports.either(u16::from_be_bytes([s0, s1]), u16::from_be_bytes([d0, d1]));
            (!wanted).then_some(Reason::OtherPort.at(Layer::Tcp, payload.at))
        }
        UDP => Some(ip::udp(next, payload)),
        // Anything else is rare, but for ping.
        ICMP | ICMPV6 => Some(ip::refusal(next)),
        _ => None,
    }
}

const ICMP: u8 = 1;
const ICMPV6: u8 = 58;
