//! Names that others can find things by: session ids, Community IDs, fingerprints, Wireshark filters.

use std::fmt::{self, Write as _};

use data_encoding::{BASE64, HEXLOWER};
use sha1::Sha1;
use sha2::{Digest, Sha256};

use crate::base::{Endpoint, FlowKey, ServerNames, Side, Time};
use crate::ledger::identity::{self, FlowBytes, TCP};
use crate::ledger::{Found, Who};
use crate::rules::{Catalogue, Evidence, Finding};

use super::ascii::Ascii;
use super::escape::Text;
use super::places::Range;

/// The session's id in 16 hex digits ([`identity::session`]).
pub(crate) fn session(who: &Who) -> Ascii<16> {
    sixteen(&identity::session(who))
}

/// Community ID v1, seed 0 (<https://github.com/corelight/community-id-spec>).
pub(crate) fn community(flow: FlowKey) -> Ascii<30> {
    let (a, b) = (flow.end(Side::A), flow.end(Side::B));
    let mut told = FlowBytes::default();
    told.add(&[0, 0]);
    told.add_ip(a.ip);
    told.add_ip(b.ip);
    told.add(&[TCP, 0]);
    told.add(&a.port.to_be_bytes());
    told.add(&b.port.to_be_bytes());
    let mut text = *b"1:............................";
    if let Some(digest) = text.get_mut(2..) {
        BASE64.encode_mut(&Sha1::digest(told.bytes()), digest);
    }
    Ascii(text)
}

/// The version of fingerprints: only those of one version can be compared.
pub const FINGERPRINTS: u32 = 2;

/// 16 hex digits over rule, check, server (its name in place of its address, if it has one) and what the catalogue says tells
/// faults of that check apart: each name with what the evidence has under it.
pub(crate) fn fingerprint(found: &Found, names: &ServerNames, catalogue: &Catalogue) -> Ascii<16> {
    let Found { who, finding, .. } = found;
    let (rule, check) = catalogue.ids(finding.check);
    let server = names.name(who.server).map_or_else(|| who.server.ip.to_string(), ToString::to_string);
    let port = who.server.port.to_string();
    let mut hash = Sha256::new();
    for part in [&FINGERPRINTS.to_string(), rule, check, &server, &port] {
        hash.update(part);
        hash.update([0]);
    }
    for &name in catalogue.check(finding.check).map_or(&[][..], |check| check.discriminator) {
        if let Some(value) = told_apart(finding, name) {
            hash.update(name);
            hash.update("=");
            hash.update(value);
            hash.update([0]);
        }
    }
    sixteen(&hash.finalize())
}

/// What the finding has under that name of evidence. Verbs know no case.
fn told_apart(finding: &Finding, name: &str) -> Option<String> {
    let (_, evidence) = finding.evidence.iter().find(|(known, _)| *known == name)?;
    let text = match evidence {
        Evidence::Bytes(bytes) => Text(bytes).to_string(),
        Evidence::Number(number) => number.to_string(),
        Evidence::Word(word) => (*word).to_owned(),
        Evidence::Flag(flag) => flag.to_string(),
        Evidence::List(_) | Evidence::Secret { .. } => return None,
    };
    Some(if name == "verb" { text.to_ascii_uppercase() } else { text })
}

/// A display filter of Wireshark that shows this window of the connection and nothing of another.
pub(crate) fn wireshark_filter(who: &Who, window: Window) -> String {
    let mut filter = String::with_capacity(256);
    let _ =
        write!(filter, "(({}) || ({})) && {}", OneWay(who.client, who.server), OneWay(who.server, who.client), window);
    filter
}

struct OneWay(Endpoint, Endpoint);

impl fmt::Display for OneWay {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let OneWay(from, to) = self;
        let ip = if from.ip.is_ipv4() { "ip" } else { "ipv6" };
        write!(
            out,
            "{ip}.src == {} && tcp.srcport == {} && {ip}.dst == {} && tcp.dstport == {}",
            from.ip, from.port, to.ip, to.port
        )
    }
}

/// Which packets of a flow a display filter shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Window {
    /// By their numbers in a capture file.
    Frames(Range),
    /// By their times, both included: there is no file, or not yet.
    Times(Time, Time),
}

impl fmt::Display for Window {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Window::Frames(Range { first, last }) if first == last => write!(out, "frame.number == {first}"),
            Window::Frames(Range { first, last }) => {
                write!(out, "frame.number >= {first} && frame.number <= {last}")
            }
            Window::Times(first, last) => {
                write!(out, "frame.time_epoch >= {} && frame.time_epoch <= {}", Epoch(*first), Epoch(*last))
            }
        }
    }
}

/// Seconds since 1970, as display filters have them.
struct Epoch(Time);

impl fmt::Display for Epoch {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}.{:09}", self.0.seconds(), self.0.0.rem_euclid(Time::SECOND))
    }
}

fn sixteen(hash: &[u8]) -> Ascii<16> {
    let mut text = [b'0'; 16];
    HEXLOWER.encode_mut(hash.get(..8).unwrap_or_default(), &mut text);
    Ascii(text)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use std::net::IpAddr;

    use super::*;
    use crate::base::{Moment, Ordinal};

    fn end(ip: impl Into<IpAddr>, port: u16) -> Endpoint {
        Endpoint { ip: ip.into(), port }
    }

    fn who(client: Endpoint, server: Endpoint, time: i64) -> Who {
        Who { client, server, first: Moment { ordinal: Ordinal::of(0), time: Time(time) } }
    }

    fn witness(a: Endpoint, b: Endpoint) -> String {
        community_id::calculate_community_id(0, a.ip, b.ip, Some(a.port), Some(b.port), TCP, false).unwrap()
    }

    proptest! {
        #[test]
        fn community_ids_are_those_of_the_witness(a: [u8; 4], b: [u8; 4], c: [u8; 16], d: [u8; 16], p: u16, q: u16) {
            for (one, other) in [(end(a, p), end(b, q)), (end(a, p), end(a, q)), (end(c, p), end(d, q))] {
                prop_assert_eq!(community(FlowKey::new(one, other).0), witness(one, other));
            }
        }
    }

    #[test]
    fn a_session_is_the_same_whoever_is_the_server_but_not_at_another_time() {
        let (a, b) = (end([192, 0, 2, 1], 40000), end([198, 51, 100, 25], 25));
        assert_eq!(session(&who(a, b, 7)), session(&who(b, a, 7)));
        assert_ne!(session(&who(a, b, 7)), session(&who(a, b, 8)));
        assert_eq!(session(&who(a, b, 7)).len(), 16);
    }

    #[test]
    fn a_filter_names_both_directions_and_the_frames() {
        let who = who(end([192, 0, 2, 1], 40000), end([198, 51, 100, 25], 25), 0);
        insta::assert_snapshot!(wireshark_filter(&who, Window::Frames(Range { first: 4, last: 9 })), @"((ip.src == 192.0.2.1 && tcp.srcport == 40000 && ip.dst == 198.51.100.25 && tcp.dstport == 25) || (ip.src == 198.51.100.25 && tcp.srcport == 25 && ip.dst == 192.0.2.1 && tcp.dstport == 40000)) && frame.number >= 4 && frame.number <= 9");
        let filter = wireshark_filter(&who, Window::Frames(Range { first: 4, last: 4 }));
        assert!(filter.ends_with("&& frame.number == 4"), "{filter}");
        let filter = wireshark_filter(&who, Window::Times(Time(1_000_000_001), Time(2_500_000_000)));
        assert!(filter.ends_with("&& frame.time_epoch >= 1.000000001 && frame.time_epoch <= 2.500000000"), "{filter}");
    }
}
