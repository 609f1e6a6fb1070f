//! Linux "cooked" captures, what the `any` device gives: link types 113 (`LINKTYPE_LINUX_SLL`) and
//! 276 (`LINKTYPE_LINUX_SLL2`), as the registry at tcpdump.org describes them.

use super::ether_type::{self, EtherType};
use super::rest::Rest;
use super::{Decoded, Layer, Ports, Reason, Skip};

pub(super) const V1: u16 = 113;
pub(super) const V2: u16 = 276;

/// Version 1: 16 octets, the device type at 2, the protocol at 14.
pub(super) fn decode_v1<'p>(frame: Rest<'p>, ports: &Ports) -> Result<Decoded<'p>, Skip> {
    let (Some(header), Some(rest)) = (frame.header::<16>(), frame.behind(16)) else {
        return Err(Reason::LinkTruncated.at(Layer::Link, frame.at));
    };
    let device = u16::from_be_bytes([header[2], header[3]]);
    let protocol = EtherType { value: u16::from_be_bytes([header[14], header[15]]), at: frame.place(14) };
    network(device, protocol, rest, ports)
}

/// Version 2: 20 octets, the protocol at 0, the device type at 8.
pub(super) fn decode_v2<'p>(frame: Rest<'p>, ports: &Ports) -> Result<Decoded<'p>, Skip> {
    let (Some(header), Some(rest)) = (frame.header::<20>(), frame.behind(20)) else {
        return Err(Reason::LinkTruncated.at(Layer::Link, frame.at));
    };
    let device = u16::from_be_bytes([header[8], header[9]]);
    let protocol = EtherType { value: u16::from_be_bytes([header[0], header[1]]), at: frame.at };
    network(device, protocol, rest, ports)
}

/// The protocol is an Ethernet type but on devices (ARPHRD_ values) that give it another meaning.
fn network<'p>(device: u16, protocol: EtherType, rest: Rest<'p>, ports: &Ports) -> Result<Decoded<'p>, Skip> {
    const FRAME_RELAY: u16 = 770;
    const RADIOTAP: u16 = 803;
    const NETLINK: u16 = 824;
    match device {
        FRAME_RELAY | RADIOTAP | NETLINK => Err(Reason::NotIp.at(Layer::Link, protocol.at)),
        _ => ether_type::decode(protocol, rest, ports),
    }
}
