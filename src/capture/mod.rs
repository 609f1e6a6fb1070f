//! Captures: paths in, batches of whole packets out. Knows nothing of what a packet contains.
//!
//! What cannot be read is a [`Problem`] among the batches, never an end to the others.
//! Bounds: one block of bytes at a time (grown only for a packet that is larger, to a fixed most).
//! Read in this order: [`inputs`], [`container`], [`compressed`], [`pcap`], [`pcapng`], [`batch`].

pub(crate) mod batch;

pub(crate) use batch::{Batch, Follows, PacketEntry};

use std::path::PathBuf;

use crate::base::{Ordinal, Time};

/// One capture file (or standard input) as the summary tells it (FORMATS.md, `captures`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct CaptureFile {
    /// As named on the command line, or found below a directory that was.
    pub path: PathBuf,
    /// The ordinal of its first packet: frame = ordinal - first + 1.
    pub first: Ordinal,
    pub packets: u64,
    pub bytes: u64,
    pub first_time: Option<Time>,
    pub last_time: Option<Time>,
    pub truncated: bool,
    /// SHA-256 of the file as stored, where it was asked for.
    pub sha256: Option<[u8; 32]>,
    /// Packets that the capturing kernel or interface dropped, by pcapng interface statistics.
    pub dropped: u64,
}

/// Why something could not be read: one line on stderr, and exit code 2.
#[derive(Debug)]
pub(crate) struct Problem {
    pub path: PathBuf,
    /// The byte of the (unpacked) file at which it showed, where that means something.
    pub offset: Option<u64>,
    pub cause: Cause,
}

/// The cause of a [`Problem`].
#[derive(Debug)]
pub(crate) enum Cause {
    Io(std::io::Error),
}
