//! Raw IP, without a link header: link types 101 (either version; 12 and 14 where a system's own
//! number for it was written to a file), 228 (IPv4) and 229 (IPv6).

use super::rest::Rest;
use super::{Decoded, Layer, Ports, Reason, Skip, ipv4, ipv6};

pub(super) const EITHER: &[u16] = &[101, 12, 14];
pub(super) const V4: u16 = 228;
pub(super) const V6: u16 = 229;

/// The version, the first four bits of both headers, says which of them it is.
pub(super) fn decode<'p>(packet: Rest<'p>, ports: &Ports) -> Result<Decoded<'p>, Skip> {
    match packet.bytes.first().map(|first| first >> 4) {
        Some(4) => ipv4::decode(packet, ports),
        Some(6) => ipv6::decode(packet, ports),
        Some(_) => Err(Reason::IpVersion.at(Layer::Ip, packet.at)),
        None => Err(Reason::IpTruncated.at(Layer::Ip, packet.at)),
    }
}
