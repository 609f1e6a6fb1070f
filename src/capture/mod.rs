//! Captures: paths or interfaces in, batches of whole packets out. Knows nothing of what a packet contains.
//!
//! Captures that overlap in time are merged as they are read. What cannot be read is a [`Problem`] among the batches,
//! never an end to the others.
//! Bounds: of each capture that is open one block of bytes, grown only for a packet that is larger, with what the file
//! really holds and to at most what [`pcap`] lets a packet have (and [`pcapng`] a block); how many are open, and what
//! they need together, as [`reader`] says; decoders as [`compressed`] says.
//! Read in this order: [`inputs`], [`container`], [`pipe`], [`stored`], [`compressed`], [`pcap`], [`pcapng`],
//! [`blocks`], [`batch`], [`ahead`], [`current`], [`reader`]; and, for interfaces instead of files, [`live`].

mod ahead;
pub(crate) mod batch;
mod blocks;
mod compressed;
mod container;
mod current;
mod inputs;
#[cfg(live)]
pub(crate) mod live;
mod pcap;
mod pcapng;
mod pipe;
mod problem;
mod reader;
mod stored;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;
#[cfg(live)]
#[cfg(test)]
mod witness;

pub(crate) use ahead::Portion;
#[cfg(live)]
pub(crate) use batch::Counting;
pub(crate) use batch::{Batch, Boundary};
pub use container::Compression;
#[cfg(feature = "cli")]
pub(crate) use inputs::is_capture;
pub use pipe::Stop;
pub(crate) use problem::ShownPath;
pub use problem::{Cause, Problem};
pub(crate) use reader::{Next, Options, Reader};
pub use reader::{Notice, Progress};

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::base::Time;
use crate::base::written::octets;

/// One capture file (or standard input) as the summary tells it (FORMATS.md, `captures`).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct CaptureFile {
    /// As named on the command line, or found below a directory that was.
    #[serde(with = "octets")]
    pub path: PathBuf,
    pub packets: u64,
    /// The sum of the captured lengths.
    pub bytes: u64,
    /// The time of its first packet.
    pub first_time: Option<Time>,
    /// The time of its last packet, which need not be the greatest.
    pub last_time: Option<Time>,
    /// Whether it ends in the middle of something.
    pub truncated: bool,
    /// SHA-256 of the file as stored, where it was asked for.
    #[serde(with = "octets")]
    pub sha256: Option<[u8; 32]>,
    /// Packets that the capturing kernel or interface dropped, by pcapng interface statistics.
    pub dropped: u64,
}
