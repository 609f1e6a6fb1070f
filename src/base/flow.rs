//! The two ends of a connection, and the key that is the same whichever of them sends.

use std::hash::{Hash, Hasher};
use std::net::IpAddr;

/// An address and a port.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Endpoint {
    pub ip: IpAddr,
    pub port: u16,
}

/// One of a connection's two ends before it is known which of them is the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
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
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct FlowKey {
    a: Endpoint,
    b: Endpoint,
}

impl FlowKey {
    /// The key, and which side of it `from` is. A connection of an end with itself is all side A.
    pub(crate) fn new(from: Endpoint, to: Endpoint) -> (FlowKey, Side) {
        if from <= to { (FlowKey { a: from, b: to }, Side::A) } else { (FlowKey { a: to, b: from }, Side::B) }
    }

    pub(crate) fn end(&self, side: Side) -> Endpoint {
        match side {
            Side::A => self.a,
            Side::B => self.b,
        }
    }

    /// The flow's shard out of [`FlowKey::SHARDS`]: fixed and unseeded, so that every run and every
    /// machine cuts the same traffic alike. Collisions only unbalance the shards; the tables inside
    /// them are seeded.
    pub(crate) fn shard(&self) -> usize {
        let (ip_a, ip_b) = (words(self.a.ip), words(self.b.ip));
        let mut hash = 0x9e37_79b9_7f4a_7c15_u64;
        let ports = (u64::from(self.a.port) << 16) | u64::from(self.b.port);
        for word in [ip_a.0, ip_a.1, ip_b.0, ip_b.1, ports] {
            // The multiply-xorshift step of splitmix64 (Steele, Lea, Flood 2014).
            hash = (hash ^ word).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            hash ^= hash >> 29;
        }
        usize::try_from(hash & Self::MASK).unwrap_or(0)
    }

    /// Always so many, whatever the threads: limits are divided by it, so results depend on it. A power of two.
    pub(crate) const SHARDS: usize = 64;
    const MASK: u64 = Self::SHARDS as u64 - 1;
}

impl Hash for FlowKey {
    fn hash<H: Hasher>(&self, state: &mut H) {
        let (ip_a, ip_b) = (words(self.a.ip), words(self.b.ip));
        for word in [ip_a.0, ip_a.1, ip_b.0, ip_b.1] {
            state.write_u64(word);
        }
        state.write_u32((u32::from(self.a.port) << 16) | u32::from(self.b.port));
    }
}

/// An address as two words; an IPv4 address differs from the IPv6 address that maps it.
fn words(ip: IpAddr) -> (u64, u64) {
    match ip {
        IpAddr::V4(v4) => (u64::MAX, u64::from(v4.to_bits())),
        IpAddr::V6(v6) => {
            let bits = v6.to_bits();
            let low = u64::try_from(bits & u128::from(u64::MAX)).unwrap_or(0);
            (u64::try_from(bits >> 64).unwrap_or(0), low)
        }
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
    fn shards_are_even_enough_over_many_clients() {
        let mut counts = [0_u32; FlowKey::SHARDS];
        for port in 0..6400 {
            let (key, _) = FlowKey::new(end("192.0.2.1", port), end("2001:db8::25", 25));
            counts[key.shard()] += 1;
        }
        assert!(counts.iter().all(|&n| (50..=160).contains(&n)), "{counts:?}");
    }
}
