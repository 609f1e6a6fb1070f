//! Why a packet gives no segment: counted by reason in the summary, with layer and byte offset.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::base::meaning::Meaning;
use crate::base::{Ordinal, Tally};

/// A refusal: `reason` is its key in the summary, `layer` and `offset` say where decoding stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Skip {
    pub reason: Reason,
    pub layer: Layer,
    /// The octet of the packet that decided: a field's first, or the first of a header that is cut.
    pub offset: u32,
}

/// The header at which decoding stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Layer {
    Link,
    Vlan,
    Ip,
    /// An IPv6 extension header, or AH.
    Extension,
    Udp,
    Tcp,
}

impl fmt::Display for Layer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Layer::Link => "link",
            Layer::Vlan => "vlan",
            Layer::Ip => "ip",
            Layer::Extension => "extension",
            Layer::Udp => "udp",
            Layer::Tcp => "tcp",
        })
    }
}

/// Why decoding stopped; each has a stable name in the summary ([`Reason::key`]).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Reason {
    OtherPort,
    OtherPortSmtp,
    NotTcp,
    NotIp,
    UnsupportedLinkType,
    LinkTruncated,
    VlanDepth,
    IpTruncated,
    IpVersion,
    IpHeaderLength,
    IpTotalLength,
    ExtensionDepth,
    NestedFragment,
    TcpTruncated,
    TcpHeaderLength,
    Esp,
    Macsec,
    Mpls,
    Pppoe,
    Etag,
    Vntag,
    IpInIp,
    Gre,
    Vxlan,
    Geneve,
    Teredo,
    Gtp,
}

/// One row of the table of reasons.
pub(crate) struct Named {
    pub reason: Reason,
    /// Its name is the key in the summary.
    pub meaning: Meaning,
}

impl Reason {
    /// Every reason, in the order of the enum.
    pub(crate) const ALL: &'static [Named] = &[
        named(Reason::OtherPort, "other-port", "TCP on other ports")
            .advice("If mail runs on other ports too, name them with --port."),
        named(Reason::OtherPortSmtp, "other-port-smtp", "SMTP on other ports")
            .advice("Name these ports with --port to analyse it."),
        named(Reason::NotTcp, "not-tcp", "IP, but not TCP (UDP, ICMP and the like)"),
        named(Reason::NotIp, "not-ip", "not IP (ARP, LLDP, spanning tree and the like)"),
        named(Reason::UnsupportedLinkType, "unsupported-link-type", "a link type that mailtap cannot decode")
            .advice("Capture on an interface with another link type, such as Ethernet."),
        named(Reason::LinkTruncated, "link-truncated", "cut off inside the link header").advice(SNAP_LENGTH),
        named(Reason::VlanDepth, "vlan-depth", "too many VLAN tags"),
        named(Reason::IpTruncated, "ip-truncated", "cut off inside the IP header").advice(SNAP_LENGTH),
        named(Reason::IpVersion, "ip-version", "an IP version that contradicts the layer below"),
        named(Reason::IpHeaderLength, "ip-header-length", "an IPv4 header length below 20 bytes"),
        named(Reason::IpTotalLength, "ip-total-length", "an IPv4 total length below the header length"),
        named(Reason::ExtensionDepth, "extension-depth", "too many IPv6 extension headers"),
        named(Reason::NestedFragment, "nested-fragment", "a fragment header inside a reassembled packet"),
        named(Reason::TcpTruncated, "tcp-truncated", "cut off inside the TCP header").advice(SNAP_LENGTH),
        named(Reason::TcpHeaderLength, "tcp-header-length", "a TCP header length that cannot be right"),
        named(Reason::Esp, "esp", "encrypted with IPsec (ESP)").advice(DECRYPTED),
        named(Reason::Macsec, "macsec", "MACsec, usually encrypted").advice(DECRYPTED),
        named(Reason::Mpls, "mpls", "MPLS").advice(UNWRAPPED),
        named(Reason::Pppoe, "pppoe", "PPP over Ethernet").advice(UNWRAPPED),
        named(Reason::Etag, "etag", "802.1BR E-Tag").advice(UNWRAPPED),
        named(Reason::Vntag, "vntag", "VN-Tag").advice(UNWRAPPED),
        named(Reason::IpInIp, "ip-in-ip", "IP inside IP").advice(UNWRAPPED),
        named(Reason::Gre, "gre", "GRE, over IP or UDP (including ERSPAN)").advice(UNWRAPPED),
        named(Reason::Vxlan, "vxlan", "VXLAN").advice(UNWRAPPED),
        named(Reason::Geneve, "geneve", "Geneve").advice(UNWRAPPED),
        named(Reason::Teredo, "teredo", "Teredo").advice(UNWRAPPED),
        named(Reason::Gtp, "gtp", "GTP user data").advice(UNWRAPPED),
    ];

    /// How many reasons there are.
    pub(crate) const COUNT: usize = Self::ALL.len();

    /// The reason's name in the summary.
    pub(crate) fn key(self) -> &'static str {
        Self::ALL.get(self as usize).map_or("", |named| named.meaning.name)
    }

    /// A refusal for this reason.
    pub(super) fn at(self, layer: Layer, offset: u32) -> Skip {
        Skip { reason: self, layer, offset }
    }
}

const SNAP_LENGTH: &str = "Capture with a larger snap length.";
const DECRYPTED: &str = "Capture where the traffic is decrypted.";
const UNWRAPPED: &str = "mailtap does not look inside. Capture where this encapsulation has been removed.";

const fn named(reason: Reason, key: &'static str, what: &'static str) -> Named {
    Named { reason, meaning: Meaning::packets(key, what) }
}

impl Named {
    const fn advice(self, advice: &'static str) -> Self {
        Named { meaning: self.meaning.advice(advice), ..self }
    }
}

/// Skips counted by reason, with the first packet of each. Cheap enough for every packet of a mirror
/// port (no table is searched); merging is commutative.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "Vec<(Reason, Skipped)>", into = "Vec<(Reason, Skipped)>")]
pub(crate) struct Skips {
    rows: [Skipped; Reason::COUNT],
}

/// What is known of the packets that were skipped for one reason.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Skipped {
    pub packets: u64,
    /// The first such packet, and where its decoding stopped.
    pub first: Option<(Ordinal, Skip)>,
}

impl Skips {
    /// Counts a packet behind all that were counted so far. A call of its own: where a packet is decoded, what is done
    /// with a segment should lie close together.
    #[inline(never)]
    pub(crate) fn next(&mut self, ordinal: Ordinal, skip: Skip) {
        if let Some(row) = self.rows.get_mut(skip.reason as usize) {
            row.packets = row.packets.wrapping_add(1);
            if row.first.is_none() {
                row.first = Some((ordinal, skip));
            }
        }
    }

    /// How many packets were skipped for this reason.
    pub(crate) fn of(&self, reason: Reason) -> u64 {
        self.rows.get(reason as usize).map_or(0, |row| row.packets)
    }

    pub(crate) fn merge(&mut self, other: &Skips) {
        for (row, from) in self.rows.iter_mut().zip(&other.rows) {
            row.packets = row.packets.saturating_add(from.packets);
            row.first = match (row.first, from.first) {
                (Some(ours), Some(theirs)) => Some(if theirs.0 < ours.0 { theirs } else { ours }),
                (ours, theirs) => ours.or(theirs),
            };
        }
    }

    /// All skipped packets.
    #[cfg(test)]
    pub(crate) fn total(&self) -> u64 {
        self.rows.iter().fold(0, |sum, row| sum.saturating_add(row.packets))
    }

    /// The reasons that occurred, in the table's order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (Reason, Skipped)> + '_ {
        Reason::ALL.iter().zip(&self.rows).filter(|(_, row)| row.packets > 0).map(|(named, &row)| (named.reason, row))
    }

    /// The counts under their names, for the summary.
    pub(crate) fn tally(&self) -> Tally {
        let mut tally = Tally::default();
        for (reason, row) in self.iter() {
            tally.add(reason.key(), row.packets);
        }
        tally
    }
}

impl From<Vec<(Reason, Skipped)>> for Skips {
    fn from(named: Vec<(Reason, Skipped)>) -> Self {
        let mut skips = Skips::default();
        for (reason, skipped) in named {
            skips.rows.get_mut(reason as usize).into_iter().for_each(|row| *row = skipped);
        }
        skips
    }
}

impl From<Skips> for Vec<(Reason, Skipped)> {
    fn from(skips: Skips) -> Self {
        skips.iter().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_has_the_order_of_the_enum_and_no_name_twice() {
        let mut keys = std::collections::BTreeSet::new();
        for (place, named) in Reason::ALL.iter().enumerate() {
            let key = named.meaning.name;
            assert_eq!(named.reason as usize, place, "{key}");
            assert!(keys.insert(key), "{key} twice");
            assert!(key.bytes().all(|b| b.is_ascii_lowercase() || b == b'-'), "{key}");
        }
        assert_eq!(Reason::Gtp as usize + 1, Reason::COUNT);
    }

    #[test]
    fn merged_counts_do_not_depend_on_the_order() {
        let (mut early, mut late) = (Skips::default(), Skips::default());
        early.next(Ordinal::of(3), Reason::NotIp.at(Layer::Link, 12));
        early.next(Ordinal::of(4), Reason::NotIp.at(Layer::Vlan, 16));
        late.next(Ordinal::of(9), Reason::NotIp.at(Layer::Vlan, 16));
        late.next(Ordinal::of(8), Reason::OtherPort.at(Layer::Tcp, 34));
        let (mut there, mut back) = (early.clone(), late.clone());
        there.merge(&late);
        back.merge(&early);
        assert_eq!(there, back);
        assert_eq!((there.total(), there.tally().get("not-ip")), (4, 3));
        let (_, not_ip) = there.iter().find(|&(reason, _)| reason == Reason::NotIp).unwrap();
        assert_eq!(not_ip.first, Some((Ordinal::of(3), Reason::NotIp.at(Layer::Link, 12))));
    }
}
