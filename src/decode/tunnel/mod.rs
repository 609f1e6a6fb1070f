//! Tunnels, known by the number that announces them. None is opened yet: a packet inside one is
//! skipped under the tunnel's name, so the summary says what was not looked at.
//!
//! The decoder of a tunnel gets its own file here and takes the place of the row that refuses it;
//! what announces the tunnel goes to `wanted` in [`super::kernel_filter`] too, or a live capture never sees one.

use super::Reason;

/// By Ethernet type.
const ETHER_TYPES: &[(u16, Reason)] = &[
    (0x8847, Reason::Mpls),
    (0x8848, Reason::Mpls),
    (0x8863, Reason::Pppoe),
    (0x8864, Reason::Pppoe),
    (0x893f, Reason::Etag),
    (0x8926, Reason::Vntag),
    (0x88e5, Reason::Macsec),
];

/// By IP protocol number.
const PROTOCOLS: &[(u8, Reason)] = &[(4, Reason::IpInIp), (41, Reason::IpInIp), (47, Reason::Gre), (50, Reason::Esp)];

/// By UDP port: that of the receiver, where the sender's is not fixed.
const UDP_PORTS: &[(u16, Reason)] = &[
    (4789, Reason::Vxlan),  // RFC 7348 section 5
    (8472, Reason::Vxlan),  // Linux before the port was assigned
    (6081, Reason::Geneve), // RFC 8926 section 3.3
    (4754, Reason::Gre),    // RFC 8086
    (2152, Reason::Gtp),    // 3GPP TS 29.281 section 4.4.2
    (TEREDO, Reason::Teredo),
];

/// Both a Teredo server's and a relay's port, so that answers come from it (RFC 4380 section 2.8).
const TEREDO: u16 = 3544;

pub(super) fn by_ether_type(ether_type: u16) -> Option<Reason> {
    ETHER_TYPES.iter().find(|&&(known, _)| known == ether_type).map(|&(_, reason)| reason)
}

pub(super) fn by_protocol(protocol: u8) -> Option<Reason> {
    PROTOCOLS.iter().find(|&&(known, _)| known == protocol).map(|&(_, reason)| reason)
}

pub(super) fn by_udp_ports(source: u16, destination: u16) -> Option<Reason> {
    if source == TEREDO {
        return Some(Reason::Teredo);
    }
    UDP_PORTS.iter().find(|&&(known, _)| known == destination).map(|&(_, reason)| reason)
}
