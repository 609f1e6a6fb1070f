//! The two ends of a connection, and the key that is the same whichever of them sends.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use serde::{Deserialize, Serialize};

/// SMTP's port (RFC 5321 section 4.5.4.2).
pub(crate) const SMTP: u16 = 25;

/// An address and a port.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub(crate) struct Endpoint {
    pub ip: IpAddr,
    pub port: u16,
}

/// One of a connection's two ends before it is known which of them is the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Side {
    A,
    B,
}

impl Side {
    pub(crate) fn other(self) -> Side {
        match self {
            Side::A => Side::B,
            Side::B => Side::A,
        }
    }
}

/// Two values, one for each side: indexed by [`Side`], so no index can be out of range.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct PerSide<T> {
    pub a: T,
    pub b: T,
}

impl<T> std::ops::Index<Side> for PerSide<T> {
    type Output = T;
    fn index(&self, side: Side) -> &T {
        match side {
            Side::A => &self.a,
            Side::B => &self.b,
        }
    }
}

impl<T> std::ops::IndexMut<Side> for PerSide<T> {
    fn index_mut(&mut self, side: Side) -> &mut T {
        match side {
            Side::A => &mut self.a,
            Side::B => &mut self.b,
        }
    }
}

/// What makes two segments belong to the same connection: both ends, the smaller one as side A.
/// VLAN ids are no part of it: a mirror may show the two directions in different VLANs.
///
/// It is made, compared and hashed for every packet, so it is kept as words; an [`Endpoint`] is made of them
/// where one is wanted.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct FlowKey {
    a: Address,
    b: Address,
    /// Side A's port above side B's, and the marks [`FlowKey::SIX_A`] and [`FlowKey::SIX_B`] above both.
    ports: u64,
}

/// An IPv6 address, or an IPv4 address below a word of ones: that word keeps it apart from the IPv6 address which
/// maps it, and the key's marks from those that begin with such a word themselves.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Address(u64, u64);

impl FlowKey {
    /// The key, and which side of it `from` is. A connection of an end with itself is all side A.
    pub(crate) fn new(from: Endpoint, to: Endpoint) -> (FlowKey, Side) {
        let key = |a: Endpoint, b: Endpoint| FlowKey {
            a: Address::of(a.ip),
            b: Address::of(b.ip),
            ports: ports(a.port, b.port)
                | if a.ip.is_ipv6() { Self::SIX_A } else { 0 }
                | if b.ip.is_ipv6() { Self::SIX_B } else { 0 },
        };
        if from <= to { (key(from, to), Side::A) } else { (key(to, from), Side::B) }
    }

    /// [`FlowKey::new`] of two IPv4 addresses and ports as they stand in a packet's headers.
    #[inline]
    pub(crate) fn of_v4(from: (u32, u16), to: (u32, u16)) -> (FlowKey, Side) {
        let word = |(bits, port): (u32, u16)| u64::from(bits) << 16 | u64::from(port);
        let (a, b, side) = if word(from) <= word(to) { (from, to, Side::A) } else { (to, from, Side::B) };
        (FlowKey { a: Address::v4(a.0), b: Address::v4(b.0), ports: ports(a.1, b.1) }, side)
    }

    /// [`FlowKey::new`] of two IPv6 addresses and ports as they stand in a packet's headers.
    #[inline]
    pub(crate) fn of_v6(from: (u128, u16), to: (u128, u16)) -> (FlowKey, Side) {
        let (a, b, side) = if from <= to { (from, to, Side::A) } else { (to, from, Side::B) };
        let ports = ports(a.1, b.1) | Self::SIX_A | Self::SIX_B;
        (FlowKey { a: Address::v6(a.0), b: Address::v6(b.0), ports }, side)
    }

    pub(crate) fn end(&self, side: Side) -> Endpoint {
        let (address, six, [high, low]) = match (side, self.port_octets()) {
            (Side::A, [high, low, ..]) => (self.a, Self::SIX_A, [high, low]),
            (Side::B, [.., high, low]) => (self.b, Self::SIX_B, [high, low]),
        };
        Endpoint { ip: address.ip(self.ports & six != 0), port: u16::from_be_bytes([high, low]) }
    }

    /// The flow's shard out of [`FlowKey::SHARDS`]: fixed and unseeded, so that every run and every
    /// machine cuts the same traffic alike. Collisions only unbalance the shards; the tables inside
    /// them are seeded.
    #[inline]
    pub(crate) fn shard(&self) -> usize {
        let mut hash = 0x9e37_79b9_7f4a_7c15_u64;
        for word in [self.a.0, self.a.1, self.b.0, self.b.1, self.ports & Self::PORTS] {
            // The multiply-xorshift step of splitmix64 (Steele, Lea, Flood 2014).
            hash = (hash ^ word).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            hash ^= hash >> 29;
        }
        usize::try_from(hash & Self::MASK).unwrap_or(0)
    }

    /// Always so many, whatever the threads: limits are divided by it, so results depend on it. A power of two.
    pub(crate) const SHARDS: usize = 64;
    pub(crate) const MASK: u64 = Self::SHARDS as u64 - 1;

    /// In [`FlowKey::ports`]: both ports, and that an end has an IPv6 address.
    const PORTS: u64 = 0xffff_ffff;
    const SIX_A: u64 = 1 << 33;
    const SIX_B: u64 = 1 << 32;

    fn port_octets(&self) -> [u8; 4] {
        let [.., a0, a1, b0, b1] = self.ports.to_be_bytes();
        [a0, a1, b0, b1]
    }
}

#[inline]
fn ports(a: u16, b: u16) -> u64 {
    (u64::from(a) << 16) | u64::from(b)
}

impl Hash for FlowKey {
    /// IPv4's addresses go into one word: the words of ones above them say nothing.
    #[inline]
    fn hash<H: Hasher>(&self, state: &mut H) {
        if self.ports <= Self::PORTS {
            state.write_u64(self.a.1 << 32 | self.b.1);
        } else {
            for word in [self.a.0, self.a.1, self.b.0, self.b.1] {
                state.write_u64(word);
            }
        }
        state.write_u64(self.ports);
    }
}

impl fmt::Debug for FlowKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("FlowKey").field(&self.end(Side::A)).field(&self.end(Side::B)).finish()
    }
}

impl Address {
    fn of(ip: IpAddr) -> Self {
        match ip {
            IpAddr::V4(v4) => Self::v4(v4.to_bits()),
            IpAddr::V6(v6) => Self::v6(v6.to_bits()),
        }
    }

    #[inline]
    fn v4(bits: u32) -> Self {
        Address(u64::MAX, u64::from(bits))
    }

    #[inline]
    #[expect(clippy::cast_possible_truncation, reason = "a half of the bits each")]
    fn v6(bits: u128) -> Self {
        Address((bits >> 64) as u64, bits as u64)
    }

    fn ip(self, six: bool) -> IpAddr {
        if six {
            return IpAddr::V6(Ipv6Addr::from_bits(u128::from(self.0) << 64 | u128::from(self.1)));
        }
        IpAddr::V4(Ipv4Addr::from_bits(u32::try_from(self.1).unwrap_or_default()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn end(ip: &str, port: u16) -> Endpoint {
        Endpoint { ip: ip.parse().unwrap(), port }
    }

    #[test]
    fn both_directions_have_one_key_and_one_shard() {
        let (client, server) = (end("192.0.2.1", 40000), end("198.51.100.25", 25));
        let (there, from_client) = FlowKey::new(client, server);
        let (back, from_server) = FlowKey::new(server, client);
        assert_eq!((there, there.shard()), (back, back.shard()));
        assert_eq!(from_client, from_server.other());
        assert_eq!((there.end(from_client), there.end(from_server)), (client, server));
    }

    #[test]
    fn an_end_is_given_back_as_it_came_and_words_make_the_same_key() {
        let ends = [
            end("0.0.0.0", 0),
            end("192.0.2.1", 25),
            end("192.0.2.1", 40000),
            end("255.255.255.255", 65535),
            end("::", 25),
            end("::ffff:192.0.2.1", 25),
            end("ffff:ffff:ffff:ffff::192.0.2.1", 25),
            end("2001:db8::25", 1),
        ];
        for (&from, &to) in ends.iter().flat_map(|from| ends.iter().map(move |to| (from, to))) {
            let (key, side) = FlowKey::new(from, to);
            assert_eq!((key.end(side), side == Side::A), (from, from <= to), "{from:?} {to:?}");
            assert!(key.end(side.other()) == to || from == to, "{from:?} {to:?}");
            let of_words = match (from.ip, to.ip) {
                (IpAddr::V4(a), IpAddr::V4(b)) => FlowKey::of_v4((a.to_bits(), from.port), (b.to_bits(), to.port)),
                (IpAddr::V6(a), IpAddr::V6(b)) => FlowKey::of_v6((a.to_bits(), from.port), (b.to_bits(), to.port)),
                _ => continue,
            };
            assert_eq!(of_words, (key, side), "{from:?} {to:?}");
        }
    }

    #[test]
    fn an_ipv6_address_that_looks_like_an_ipv4_one_within_is_another() {
        let (four, six) = (end("192.0.2.1", 25), end("ffff:ffff:ffff:ffff::192.0.2.1", 25));
        assert_ne!(FlowKey::new(four, four).0, FlowKey::new(six, six).0);
        assert_ne!(FlowKey::new(four, six).0, FlowKey::new(six, six).0);
    }

    #[test]
    fn shards_stay_what_they_were() {
        let shard = |from, to| FlowKey::new(from, to).0.shard();
        assert_eq!(shard(end("192.0.2.1", 40000), end("198.51.100.25", 25)), 44);
        assert_eq!(shard(end("2001:db8::1", 40000), end("2001:db8::25", 25)), 12);
    }

    #[test]
    fn shards_are_even_enough_over_many_clients() {
        let mut counts = [0_u32; FlowKey::SHARDS];
        for port in 0..6400 {
            let (key, _) = FlowKey::new(end("192.0.2.1", port), end("2001:db8::25", 25));
            counts[key.shard()] += 1;
        }
        assert!(counts.iter().all(|&n| (50..=160).contains(&n)), "{counts:?}");
    }
}
