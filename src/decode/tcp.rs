//! The TCP header (RFC 9293 section 3.1). Options are stepped over; reassembly needs none of them.

use super::elsewhere;
use super::rest::Rest;
use super::{Flags, Layer, Ports, Reason, Segment, Skip};
use crate::base::{FlowKey, Side};

/// The length of the header without options.
pub(super) const HEADER: usize = 20;

/// Decodes the payload of a datagram; `flow` makes the key of the datagram's ends and the two ports.
#[inline]
pub(super) fn decode<'p>(
    rest: Rest<'p>,
    ports: &Ports,
    flow: impl FnOnce(u16, u16) -> (FlowKey, Side),
) -> Result<Segment<'p>, Skip> {
    let Some(&[s0, s1, d0, d1]) = rest.header() else { return Err(no_header(rest)) };
    let (source, destination) = (u16::from_be_bytes([s0, s1]), u16::from_be_bytes([d0, d1]));
    if !ports.either(source, destination) {
        let begins_smtp = elsewhere::begins_smtp(rest.bytes, source);
        let reason = if begins_smtp { Reason::OtherPortSmtp } else { Reason::OtherPort };
        return Err(reason.at(Layer::Tcp, rest.at));
    }
    let Some(&[_, _, _, _, q0, q1, q2, q3, a0, a1, a2, a3, length, bits, ..]) = rest.header::<HEADER>() else {
        return Err(no_header(rest));
    };
    let header_length = usize::from(length >> 4) << 2;
    let (payload, missing) = match rest.bytes.get(header_length..) {
        Some(payload) if header_length >= HEADER => (payload, rest.missing),
        // Where the snap length cut the options, it cut all of the payload, and that much is still known.
        None if header_length <= rest.on_wire() => (&[][..], rest.on_wire().saturating_sub(header_length)),
        _ => return Err(Reason::TcpHeaderLength.at(Layer::Tcp, rest.place(12))),
    };
    let (flow, from) = flow(source, destination);
    Ok(Segment {
        flow,
        from,
        seq: u32::from_be_bytes([q0, q1, q2, q3]),
        ack: (bits & 0x10 != 0).then_some(u32::from_be_bytes([a0, a1, a2, a3])),
        flags: Flags { fin: bits & 0x01 != 0, syn: bits & 0x02 != 0, rst: bits & 0x04 != 0 },
        payload,
        missing: u32::try_from(missing).unwrap_or(u32::MAX),
    })
}

/// The fixed header is not there: cut off by the capture, or never sent.
fn no_header(rest: Rest<'_>) -> Skip {
    let reason = if rest.on_wire() < HEADER { Reason::TcpHeaderLength } else { Reason::TcpTruncated };
    reason.at(Layer::Tcp, rest.at)
}
