//! From an Ethernet type to IP, through VLAN tags: shared by every link type that carries one.

use super::rest::Rest;
use super::{Decoded, Layer, Ports, Reason, Skip, ipv4, ipv6, tunnel};

pub(super) const IPV4: u16 = 0x0800;
pub(super) const IPV6: u16 = 0x86dd;

/// Tags followed in one frame. Three are seen in the field; the bound is against a frame full of them.
const VLANS: usize = 8;

/// An Ethernet type, and the place in the packet where it stands.
#[derive(Clone, Copy, Debug)]
pub(super) struct EtherType {
    pub value: u16,
    pub at: u32,
}

/// Whether the type announces a VLAN tag: 802.1Q, 802.1ad, or the 0x9100 that came before the latter.
pub(super) fn is_vlan(ether_type: u16) -> bool {
    matches!(ether_type, 0x8100 | 0x88a8 | 0x9100)
}

/// Decodes what lies behind the field `ether_type`.
pub(super) fn decode<'p>(mut ether_type: EtherType, mut rest: Rest<'p>, ports: &Ports) -> Result<Decoded<'p>, Skip> {
    let mut layer = Layer::Link;
    for _ in 0..=VLANS {
        match ether_type.value {
            IPV4 => return ipv4::decode(rest, ports),
            IPV6 => return ipv6::decode(rest, ports),
            tag if is_vlan(tag) => {
                // Two octets of priority and VLAN id, then the next type (IEEE 802.1Q section 9).
                let Some(&[_, _, high, low]) = rest.header() else {
                    return Err(Reason::LinkTruncated.at(Layer::Vlan, rest.at));
                };
                ether_type = EtherType { value: u16::from_be_bytes([high, low]), at: rest.place(2) };
                layer = Layer::Vlan;
                rest = rest.behind(4).unwrap_or(rest);
            }
            FIRST.. => {
                let reason = tunnel::by_ether_type(ether_type.value).unwrap_or(Reason::NotIp);
                return Err(reason.at(layer, ether_type.at));
            }
            _length => {
                (ether_type, rest) = snap(rest).ok_or(Reason::NotIp.at(layer, ether_type.at))?;
            }
        }
    }
    Err(Reason::VlanDepth.at(layer, ether_type.at))
}

/// The first value that is a type; below it stands the length of an LLC frame (IEEE 802.3 section 3.2.6).
const FIRST: u16 = 0x600;

/// The type in a SNAP header of organisation 0, which is an Ethernet type (RFC 1042).
fn snap(rest: Rest<'_>) -> Option<(EtherType, Rest<'_>)> {
    let &[0xaa, 0xaa, 0x03, 0, 0, 0, high, low] = rest.header()? else { return None };
    Some((EtherType { value: u16::from_be_bytes([high, low]), at: rest.place(6) }, rest.behind(8)?))
}
