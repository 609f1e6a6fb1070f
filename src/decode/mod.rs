//! Decoding: one packet's bytes in; a TCP segment that borrows from them, an IP fragment, or the
//! reason why there is neither. Knows nothing of connections or SMTP, and keeps nothing.
//!
//! Read in this order: [`skip`], [`port_test`], one file per link type, [`ip`], [`tcp`].

pub(crate) mod skip;

pub(crate) use skip::{Layer, Reason, Skip};

use crate::base::{FlowKey, Side};

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
    pub source: std::net::IpAddr,
    pub destination: std::net::IpAddr,
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
