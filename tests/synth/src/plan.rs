//! How a dialogue becomes packets: segmentation, what the network and the capture point do to them, link layer.

use crate::frame::LinkType;

/// Every choice that the dialogue leaves open. [`Plan::new`] is an ordinary clean capture on Ethernet; each
/// method changes one thing.
#[expect(clippy::struct_excessive_bools, reason = "each is a choice of its own")]
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// What every random choice depends on.
    pub seed: u64,
    /// The longest payload of a segment.
    pub mss: usize,
    /// Where writes are cut into segments, before `mss` cuts them again.
    pub cut: Cut,
    /// Which acknowledgements travel alone.
    pub acks: Acks,
    /// No segment acknowledges a byte, on any connection.
    pub unacknowledged: bool,
    /// Initial sequence numbers lie so close to the end that they wrap early.
    pub near_wrap: bool,
    /// The client's first write travels on the SYN, where it speaks first.
    pub data_on_syn: bool,
    /// A side's last write carries its FIN.
    pub data_on_fin: bool,
    /// Before each write but the first its sender probes with a keep-alive of one garbage octet (RFC 1122 4.2.3.6).
    pub keep_alives: bool,
    /// Captured twice, of a thousand packets.
    pub duplicate: u32,
    /// Sent again a little later, of a thousand data segments.
    pub retransmit: u32,
    /// Captured behind a later segment of its side, of a thousand data segments.
    pub reorder: u32,
    /// Not captured, of a thousand data segments.
    pub drop: u32,
    /// By how many packets each direction comes late at the capture point (always less than a second).
    pub delay: [usize; 2],
    /// The link type of the capture.
    pub link: LinkType,
    /// VLAN ids of each direction, the outermost first: one is 802.1Q, more are 802.1ad outside.
    pub vlans: [Vec<u16>; 2],
    /// IPv4 addresses are written as IPv6 ones.
    pub ipv6: bool,
    /// The longest IP payload before it is fragmented; a multiple of eight.
    pub fragment: Option<usize>,
    /// Fragments travel last one first.
    pub fragments_reversed: bool,
    /// Octets captured of each packet.
    pub snap_length: u32,
    /// Nanoseconds from one packet to the next.
    pub pace: u64,
    /// When the first packet was captured: nanoseconds since 1970.
    pub start: u64,
}

/// Where writes are cut into segments.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cut {
    /// Only where a segment is full.
    Writes,
    /// Behind each line of the dialogue file.
    Lines,
    /// Anywhere, by the seed.
    Random,
}

/// Which acknowledgements travel in segments of their own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Acks {
    /// Every second segment, and where the peer does not speak next (RFC 1122 section 4.2.3.2).
    Delayed,
    /// One for each segment.
    Every,
    /// None: only what travels with data, SYN and FIN.
    Piggyback,
}

/// 2026-01-02T03:04:05Z, when every dialogue begins.
pub const START: u64 = 1_767_323_045 * 1_000_000_000;

impl Default for Plan {
    fn default() -> Self {
        Plan {
            seed: 1,
            mss: 1460,
            cut: Cut::Writes,
            acks: Acks::Delayed,
            unacknowledged: false,
            near_wrap: false,
            data_on_syn: false,
            data_on_fin: false,
            keep_alives: false,
            duplicate: 0,
            retransmit: 0,
            reorder: 0,
            drop: 0,
            delay: [0; 2],
            link: LinkType::Ethernet,
            vlans: [Vec::new(), Vec::new()],
            ipv6: false,
            fragment: None,
            fragments_reversed: false,
            snap_length: 262_144,
            pace: 1_000_000,
            start: START,
        }
    }
}

/// Writes a builder method that sets the field of its name.
macro_rules! setters {
    ($($name:ident: $type:ty),* $(,)?) => {
        $(
            #[doc = concat!("Sets [`Plan::", stringify!($name), "`](Plan#structfield.", stringify!($name), ").")]
            #[must_use]
            pub fn $name(mut self, $name: $type) -> Self {
                self.$name = $name;
                self
            }
        )*
    };
}

impl Plan {
    /// An ordinary clean capture.
    pub fn new() -> Self {
        Plan::default()
    }

    setters! {
        seed: u64, mss: usize, cut: Cut, acks: Acks, unacknowledged: bool, near_wrap: bool, data_on_syn: bool,
        data_on_fin: bool, keep_alives: bool, duplicate: u32, retransmit: u32, reorder: u32, drop: u32,
        delay: [usize; 2], link: LinkType, ipv6: bool, fragments_reversed: bool, snap_length: u32, pace: u64, start: u64,
    }

    /// The same VLAN ids in both directions, the outermost first.
    #[must_use]
    pub fn vlans(mut self, ids: &[u16]) -> Self {
        self.vlans = [ids.to_vec(), ids.to_vec()];
        self
    }

    /// Fragments IP payloads longer than this, rounded down to a multiple of eight.
    #[must_use]
    pub fn fragment(mut self, longest: usize) -> Self {
        self.fragment = Some((longest / 8 * 8).max(8));
        self
    }
}
