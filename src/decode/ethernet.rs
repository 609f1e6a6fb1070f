//! Ethernet, link type 1: two addresses and a type (IEEE 802.3 section 3).

use super::ether_type::{self, EtherType};
use super::rest::Rest;
use super::{Decoded, Layer, Ports, Reason, Skip};

pub(super) const LINK_TYPE: u16 = 1;

pub(super) fn decode<'p>(frame: Rest<'p>, ports: &Ports) -> Result<Decoded<'p>, Skip> {
    let (Some(&[.., high, low]), Some(rest)) = (frame.header::<14>(), frame.behind(14)) else {
        return Err(Reason::LinkTruncated.at(Layer::Link, frame.at));
    };
    ether_type::decode(EtherType { value: u16::from_be_bytes([high, low]), at: frame.place(12) }, rest, ports)
}
