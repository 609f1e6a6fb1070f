//! SMTP servers on ports that were not analysed, by the packets that begin as SMTP does: what a scan did not look at, and
//! with which option it would.
//!
//! Bounds: [`Elsewhere::MOST`] servers, the first in packet order; what others had is counted under [`Elsewhere::LIMIT`].

use std::fmt;
use std::net::SocketAddr;

use foldhash::fast::RandomState;
use hashbrown::hash_map::HashMap;
use serde::{Deserialize, Serialize};

use crate::base::{Endpoint, Ordinal, Tally};

/// The servers that were noticed, while packets come.
#[derive(Clone, Debug, Default)]
pub(crate) struct Elsewhere {
    /// For looking up; what leaves it is sorted.
    servers: HashMap<Endpoint, Noticed, RandomState>,
    /// Packets of servers for which there was no room.
    beyond: u64,
}

/// A server on a port that was not analysed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Noticed {
    pub server: Endpoint,
    /// The first of its packets: of parts of a scan the least one.
    pub first: Ordinal,
    /// How many packets begin as SMTP does, of it and to it.
    pub packets: u64,
}

impl Elsewhere {
    const MOST: usize = 1024;
    /// The bound's name in the summary's `limits_hit`.
    pub(crate) const LIMIT: &str = "servers_on_other_ports";

    /// Counts the packet `at`, in packet order.
    pub(crate) fn add(&mut self, server: Endpoint, at: Ordinal) {
        let full = self.servers.len() >= Self::MOST;
        match self.servers.get_mut(&server) {
            Some(noticed) => noticed.packets = noticed.packets.saturating_add(1),
            None if full => self.beyond = self.beyond.saturating_add(1),
            None => _ = self.servers.insert(server, Noticed { server, first: at, packets: 1 }),
        }
    }

    /// Those with the most packets first.
    pub(crate) fn servers(&self) -> Vec<Noticed> {
        let mut servers: Vec<Noticed> = self.servers.values().copied().collect();
        servers.sort_unstable_by_key(|noticed| (std::cmp::Reverse(noticed.packets), noticed.server));
        servers
    }

    /// The bound, where it acted.
    pub(crate) fn limits_hit(&self) -> Tally {
        let mut hit = Tally::default();
        hit.add(Self::LIMIT, self.beyond);
        hit
    }
}

impl fmt::Display for Noticed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        tell(SocketAddr::new(self.server.ip, self.server.port), self.packets, f)
    }
}

/// The server, and how many packets of it and to it begin as SMTP does.
pub(crate) fn tell(server: SocketAddr, packets: u64, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    match packets {
        1 => write!(f, "{server} (1 packet)"),
        _ => write!(f, "{server} ({packets} packets)"),
    }
}

/// Some of them in one line.
pub(crate) struct Line<'n, T>(pub &'n [T]);

impl<'n, T> Line<'n, T> {
    /// A line names so many; the others are counted.
    const NAMED: usize = 3;

    /// Those that it names.
    pub(crate) fn named(&self) -> &'n [T] {
        self.0.get(..Self::NAMED).unwrap_or(self.0)
    }
}

impl<T: fmt::Display> fmt::Display for Line<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let named = self.named();
        for (nth, noticed) in named.iter().enumerate() {
            write!(f, "{}{noticed}", if nth > 0 { ", " } else { "" })?;
        }
        match self.0.len().saturating_sub(named.len()) {
            0 => Ok(()),
            more => write!(f, " and {more} more"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn server(ip: u32, port: u16) -> Endpoint {
        Endpoint { ip: std::net::Ipv4Addr::from_bits(ip).into(), port }
    }

    fn of(servers: impl IntoIterator<Item = Endpoint>) -> Elsewhere {
        let mut elsewhere = Elsewhere::default();
        (1..).zip(servers).for_each(|(frame, server)| elsewhere.add(server, Ordinal::of(frame)));
        elsewhere
    }

    #[test]
    fn a_line_names_those_with_the_most_packets() {
        let (a, b) = (server(0xc000_0209, 2525), server(0xc000_0201, 587));
        let noticed = of([a, b, a, a]).servers();
        assert_eq!(Line(&noticed).to_string(), "192.0.2.9:2525 (3 packets), 192.0.2.1:587 (1 packet)");
        let six = Endpoint { ip: "2001:db8::25".parse().unwrap(), port: 587 };
        assert_eq!(Line(&of([six]).servers()).to_string(), "[2001:db8::25]:587 (1 packet)");
        let line = Line(&of((0..9).map(|port| server(1, port))).servers()).to_string();
        assert!(line.starts_with("0.0.0.1:0 (1 ") && line.ends_with("0.0.0.1:2 (1 packet) and 6 more"), "{line}");
    }

    #[test]
    fn servers_beyond_the_bound_are_counted_and_the_first_keep_their_counts() {
        let elsewhere = of((0..1030).map(|ip| server(ip, 587)).chain([server(1029, 587), server(0, 587)]));
        let servers = elsewhere.servers();
        let first = Ordinal::of(1);
        assert_eq!((servers.len(), servers[0]), (1024, Noticed { server: server(0, 587), first, packets: 2 }));
        assert_eq!(elsewhere.limits_hit().get(Elsewhere::LIMIT), 7);
        assert!(of([server(1, 587)]).limits_hit().is_empty());
    }
}
