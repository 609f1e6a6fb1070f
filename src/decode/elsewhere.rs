//! SMTP on ports that are not wanted: a look at the first octets of what is refused for its ports, so that nobody takes
//! silence for a clean result.
//!
//! On a mirror port nearly every packet comes by here, so the look is at one octet. Who the server is, [`server`] finds
//! out by decoding a second time, of which only slices with such a packet are in need.

use super::{Decoded, Ports, full, tcp};
use crate::base::{Endpoint, LinkType};

/// Which side speaks like this.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Speaker {
    Client,
    Server,
}

/// Whether the payload of a TCP segment, which came from the port `source`, begins as SMTP does.
#[inline]
pub(super) fn begins_smtp(segment: &[u8], source: u16) -> bool {
    let Some(length) = segment.get(12) else { return false };
    let header = usize::from(length >> 4) << 2;
    // What begins so has one of three characters in the third place.
    let Some(third) = segment.get(header.wrapping_add(2)) else { return false };
    (*third == b'0' || *third & !0x20 == b'L')
        && header >= tcp::HEADER
        && segment.get(header..).is_some_and(|payload| speaker(payload, source).is_some())
}

/// Who begins a payload so: the server with its greeting, the client with its hello (RFC 5321 sections 4.2 and 4.1.1.1,
/// RFC 2033 section 4.1). FTP has the same greeting (RFC 959 section 5.4), which its port tells apart.
#[cold]
fn speaker(payload: &[u8], source: u16) -> Option<Speaker> {
    const FTP: u16 = 21;
    if payload.starts_with(b"220 ") || payload.starts_with(b"220-") {
        return (source != FTP).then_some(Speaker::Server);
    }
    let hello: &[u8; 5] = payload.first_chunk()?;
    [b"EHLO ", b"HELO ", b"LHLO "].iter().any(|verb| hello.eq_ignore_ascii_case(*verb)).then_some(Speaker::Client)
}

/// The server of a packet that was refused as [`OtherPortSmtp`](super::Reason::OtherPortSmtp); `None` of any other packet.
pub(crate) fn server(link_type: LinkType, bytes: &[u8], original: u32, ports: &Ports) -> Option<Endpoint> {
    let Decoded::Segment(segment) = full(link_type, bytes, original, Ports::all()) else { return None };
    let (from, to) = (segment.flow.end(segment.from), segment.flow.end(segment.from.other()));
    if ports.either(from.port, to.port) {
        return None;
    }
    Some(match speaker(segment.payload, from.port)? {
        Speaker::Server => from,
        Speaker::Client => to,
    })
}
