//! Why a packet gives no segment: counted by reason in the summary, with layer and byte offset.

/// A refusal: `reason` is its key in the summary, `layer` and `offset` (in the packet) say where.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Skip {
    pub reason: Reason,
    pub layer: Layer,
    pub offset: u32,
}

/// The header at which decoding stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Layer {
    Link,
    Vlan,
    Ip,
    Tcp,
}

/// Why decoding stopped; each has a stable name in the summary.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Reason {
    /// TCP, but neither port is wanted.
    OtherPort,
}
