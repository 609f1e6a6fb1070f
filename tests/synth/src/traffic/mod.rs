//! Traffic by the gigabyte: mail sessions of realistic shapes among other TCP and UDP flows, as the capture of a busy
//! mirror port holds them, and the truth about it. Both are written as they are made: memory holds the flows that run
//! at the same time and no packets.
//!
//! The defaults are those of a capture that flatters nobody: 40 % of the packets have 64 to 128 octets, 15 % of the
//! flows are IPv6 and 10 % have a VLAN tag, 1 % of what clients send was not captured, 0.5 % of the packets are captured
//! behind the next one of their flow. 5 % of the mail sessions bring findings, which loss spares; a third go on in TLS;
//! the rest are clean.
//!
//! Read in this order: `script` what is said, `plant` what is found, `flow` a script as packets, `wire` their octets,
//! `tally` the truth, `compare` mailtap's records against it.

mod compare;
mod flow;
mod plant;
mod script;
mod tally;
mod wire;

use std::io::{self, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::ops::RangeInclusive;

pub use compare::differences;
pub use tally::Totals;

use crate::dialogue::Side;
use crate::frame::LinkType;
use crate::pcap;
use crate::plan::START;
use crate::rng::Rng;
use flow::Flow;
use script::{Pools, Script};
use tally::Tally;
use wire::Wire;

/// What kind of traffic: each has its own defaults.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A mirror port: 2 % of the flows are mail.
    Span,
    /// A relay: all of it is mail.
    Relay,
    /// Mail with one octet in each segment, which is acknowledged before the next is sent; nothing lost or out of order.
    Tiny,
    /// SYNs to port 25, each from another source, and nothing else.
    Flood,
}

impl Kind {
    /// The one of that name: `span`, `relay`, `tiny`, `flood`.
    pub fn named(name: &str) -> Option<Kind> {
        Some(match name {
            "span" => Kind::Span,
            "relay" => Kind::Relay,
            "tiny" => Kind::Tiny,
            "flood" => Kind::Flood,
            _ => return None,
        })
    }
}

/// A recipe for traffic: the same recipe gives the same bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recipe {
    /// What every random choice depends on.
    pub seed: u64,
    /// About how many octets the capture shall have.
    pub bytes: u64,
    /// Flows that run at the same time, where the size has room for so many.
    pub flows: usize,
    /// Mail sessions, of a thousand flows.
    pub mail: u32,
    /// Octets of one mail.
    pub mail_bytes: RangeInclusive<usize>,
    /// Octets of one transfer that is no mail.
    pub transfer_bytes: RangeInclusive<usize>,
    /// Not captured, of a thousand packets that clients send (handshakes and ends excepted).
    pub loss: u32,
    /// Captured behind the next packet of their flow, of a thousand packets.
    pub reorder: u32,
    /// Mail sessions that bring findings, of a thousand.
    pub planted: u32,
    /// Mail sessions that start TLS, of a thousand.
    pub tls: u32,
    /// Flows over IPv6, of a thousand.
    pub ipv6: u32,
    /// Flows with a VLAN tag, of a thousand.
    pub vlan: u32,
    /// Packets of 64 to 128 octets that are aimed at, of a thousand.
    pub small: u32,
    /// The longest payload of a segment.
    pub mss: usize,
    /// SYNs of a flood; with any, there is nothing else.
    pub syns: u64,
}

impl Recipe {
    /// The defaults of a kind, about so many octets long.
    pub fn new(kind: Kind, bytes: u64) -> Self {
        let relay = Recipe {
            seed: 1,
            bytes,
            flows: 2000,
            mail: 1000,
            mail_bytes: 2000..=200_000,
            transfer_bytes: 300..=300_000,
            loss: 10,
            reorder: 5,
            planted: 50,
            tls: 333,
            ipv6: 150,
            vlan: 100,
            small: 400,
            mss: 1448,
            syns: 0,
        };
        match kind {
            Kind::Span => Recipe { mail: 20, ..relay },
            Kind::Relay => relay,
            Kind::Tiny => Recipe { flows: 100, mail_bytes: 2000..=20_000, loss: 0, reorder: 0, mss: 1, ..relay },
            Kind::Flood => Recipe { syns: bytes / wire::SYN_RECORD, ..relay },
        }
    }

    /// Writes the capture, a pcap file in microseconds, and the truth about it as lines of tab-separated fields (see
    /// [`Totals`] for the sums; `session` lines tell client, server, commands, replies, octets of each side that the
    /// capture does not hold, and every check that fired; `finding` lines client, server, check and severity, with `-`
    /// for the client of a condition that is told once per server).
    ///
    /// # Errors
    /// The writers' own.
    pub fn write(&self, capture: &mut impl Write, truth: &mut impl Write) -> io::Result<Totals> {
        let header = pcap::header(LinkType::Ethernet, pcap::Format::default());
        let mut traffic = Traffic {
            recipe: self,
            rng: Rng::new(self.seed),
            pools: Pools::new(self.seed),
            wire: Wire::new(capture, header, START),
            tally: Tally::new(truth),
            begun: 0,
            planned: 0,
        };
        if self.syns > 0 {
            traffic.flood()?;
        } else {
            traffic.flows()?;
        }
        let Traffic { wire, tally, .. } = traffic;
        tally.finish(wire.finish()?)
    }
}

/// Of more flows than this each has its turn so seldom that a packet which is behind comes at once: no network holds
/// one back for seconds.
const CROWD: usize = 10_000;

/// Traffic that is being made.
struct Traffic<'r, C, T> {
    recipe: &'r Recipe,
    rng: Rng,
    pools: Pools,
    wire: Wire<'r, C>,
    tally: Tally<'r, T>,
    /// Flows that were begun.
    begun: u32,
    /// Octets of the capture that the running flows are still going to fill, about.
    planned: u64,
}

impl<C: Write, T: Write> Traffic<'_, C, T> {
    /// Flows side by side: each packet is of one that chance picks.
    fn flows(&mut self) -> io::Result<()> {
        let mut running: Vec<Flow> = Vec::new();
        // The flow whose turn it is though chance did not pick it.
        let mut due: Option<usize> = None;
        loop {
            while running.len() < self.recipe.flows && self.wire.written() + self.planned < self.recipe.bytes {
                running.push(self.begin());
            }
            self.tally.running(running.len());
            if running.is_empty() {
                return Ok(());
            }
            let picked = due.take().unwrap_or_else(|| self.rng.below(running.len()));
            let crowded = running.len() > CROWD;
            let flow = &mut running[picked];
            // Acknowledgements are what makes packets small: fewer where there are too many, as receivers with offload do.
            let scarce = self.recipe.mss == 1 || self.wire.small_per_mille() < self.recipe.small;
            if let Some(packet) = flow.next(&mut self.rng, self.recipe.reorder, if scarce { 1 } else { 6 }) {
                due = (crowded && flow.is_behind()).then_some(picked);
                if packet.side == Side::Client && packet.fragile && self.rng.chance(self.recipe.loss) {
                    flow.lose(&packet);
                } else {
                    self.wire.packet(flow, &packet, &self.pools)?;
                }
            } else {
                let over = running.swap_remove(picked);
                self.planned -= over.planned;
                self.tally.over(&over)?;
            }
        }
    }

    /// A new flow between ends that no other one had.
    fn begin(&mut self) -> Flow {
        let recipe = self.recipe;
        let ipv6 = self.rng.chance(recipe.ipv6);
        let client = client(self.begun, ipv6);
        self.begun += 1;
        let mail = self.rng.chance(recipe.mail);
        let server = self.rng.below(SERVERS);
        let script = if mail {
            script::mail(&mut self.rng, &self.pools, recipe, server)
        } else {
            script::background(&mut self.rng, &self.pools, recipe)
        };
        let server = end(server, ipv6, script.port);
        let vlan = self.rng.chance(recipe.vlan).then_some(100 + u16::try_from(self.begun % 16).unwrap_or(0));
        let flow = Flow::new([client, server], vlan, script, recipe.mss, self.rng.next_u64());
        self.planned += flow.planned;
        flow
    }

    fn flood(&mut self) -> io::Result<()> {
        for number in 0..self.recipe.syns {
            let ipv6 = self.rng.chance(self.recipe.ipv6);
            let client = client(u32::try_from(number & 0xffff_ffff).unwrap_or(0), ipv6);
            let vlan = self.rng.chance(self.recipe.vlan).then_some(100);
            let ends = [client, end(0, ipv6, 25)];
            let mut flow = Flow::new(ends, vlan, Script::default(), self.recipe.mss, self.rng.next_u64());
            if let Some(syn) = flow.next(&mut self.rng, 0, 1) {
                self.wire.packet(&flow, &syn, &self.pools)?;
            }
            self.tally.unanswered();
        }
        Ok(())
    }
}

/// How many hosts serve.
const SERVERS: usize = 200;

/// A client that no other number has: 10.0.0.0/8 or `2001:2::/48`, the network for benchmarks (RFC 5180). As tcpreplay
/// counts the greater end of a flow up and the other one down (`--unique-ip`, the last 32 bits), clients lie below
/// servers, and both far from where they would wrap: there the directions of a flow would part.
fn client(number: u32, ipv6: bool) -> SocketAddr {
    let mixed = number.wrapping_mul(0x9e37_79b1); // odd: no two numbers give the same
    let (host, port) = (mixed >> 15, 0x8000 | u16::try_from(mixed & 0x7fff).unwrap_or(0));
    let [_, a, b, c] = host.to_be_bytes();
    let ip: IpAddr = if ipv6 {
        Ipv6Addr::new(0x2001, 2, 0, 1, 0, 0, 0x4000 | u16::from(a), u16::from_be_bytes([b, c])).into()
    } else {
        Ipv4Addr::new(10, a, b, c).into()
    };
    (ip, port).into()
}

/// A server: 198.18.0.0/15, the network for benchmarks (RFC 2544), or `2001:2::/48`.
fn end(number: usize, ipv6: bool, port: u16) -> SocketAddr {
    let host = u8::try_from(number % 250).unwrap_or(0) + 1;
    let ip: IpAddr = if ipv6 {
        Ipv6Addr::new(0x2001, 2, 0, 2, 0, 0, 0xc000, u16::from(host)).into()
    } else {
        Ipv4Addr::new(198, 18, 0, host).into()
    };
    (ip, port).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn made(recipe: &Recipe) -> (Vec<u8>, String, Totals) {
        let (mut capture, mut truth) = (Vec::new(), Vec::new());
        let totals = recipe.write(&mut capture, &mut truth).unwrap();
        (capture, String::from_utf8(truth).unwrap(), totals)
    }

    fn relay(bytes: u64) -> Recipe {
        Recipe { flows: 30, ..Recipe::new(Kind::Relay, bytes) }
    }

    #[test]
    fn a_recipe_gives_the_same_bytes_and_another_seed_gives_others() {
        let recipe = relay(300_000);
        assert_eq!(made(&recipe), made(&recipe));
        assert_ne!(made(&recipe).0, made(&Recipe { seed: 2, ..recipe }).0);
    }

    #[test]
    fn size_and_shares_are_about_what_was_asked_for() {
        for kind in [Kind::Span, Kind::Relay] {
            let recipe = Recipe { flows: 50, ..Recipe::new(kind, 20_000_000) };
            let (capture, _, totals) = made(&recipe);
            assert_eq!(capture.len() as u64, totals.bytes + 24 + 16 * totals.packets);
            let off = capture.len().abs_diff(20_000_000);
            assert!(off < 1_000_000, "{kind:?}: {off} octets off");
            let small = totals.small * 1000 / totals.packets;
            assert!((390..=420).contains(&small), "{kind:?}: {small} of a thousand packets are small");
            let mail = totals.sessions * 1000 / totals.flows;
            assert!(mail.abs_diff(u64::from(recipe.mail)) < 10, "{kind:?}: {mail} of a thousand flows are mail");
        }
    }

    #[test]
    fn one_direction_loses_its_share_and_sessions_with_findings_lose_nothing() {
        let recipe = Recipe { loss: 100, tls: 0, planted: 500, ..relay(10_000_000) };
        let (_, truth, totals) = made(&recipe);
        let (mut torn, mut found) = (0, 0);
        for line in truth.lines().filter(|line| line.starts_with("session\t")) {
            let fields: Vec<&str> = line.split('\t').collect();
            assert_eq!(fields[6], "0", "{line}");
            assert!(fields[5] == "0" || fields[7].is_empty(), "{line}");
            torn += u64::from(fields[5] != "0");
            found += u64::from(!fields[7].is_empty());
        }
        assert_eq!(torn, totals.torn);
        assert!(torn * 10 > totals.sessions * 4 && found * 10 > totals.sessions * 4, "{torn} torn, {found} found");
    }

    #[test]
    fn a_flood_is_as_many_syns_as_fit() {
        let (capture, truth, totals) = made(&Recipe::new(Kind::Flood, 100_000));
        assert!((90_000..110_000).contains(&capture.len()), "{}", capture.len());
        assert_eq!((totals.connections, totals.sessions), (totals.packets, 0));
        assert!(!truth.contains("session\t"));
    }

    #[test]
    fn no_two_flows_have_the_same_client() {
        let mut clients: Vec<SocketAddr> = (0..100_000).map(|number| client(number, false)).collect();
        clients.sort_unstable();
        clients.dedup();
        assert_eq!(clients.len(), 100_000);
    }
}
