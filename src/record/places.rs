//! From a packet's ordinal to what a person opens: a capture file and a frame number in it.

use std::path::Path;
use std::sync::Arc;

use crate::base::{Ordinal, Packets};

use super::Frame;
use super::escape::Text;

/// The captures that began so far, by rank.
#[derive(Clone, Debug, Default)]
pub(crate) struct Places(Vec<Arc<str>>);

/// The frames that carry a finding: the least and the greatest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Range {
    pub first: u64,
    pub last: u64,
}

impl Places {
    /// The capture of the next rank begins.
    pub(crate) fn begin(&mut self, path: &Path) {
        self.0.push(Text(path.as_os_str().as_encoded_bytes()).to_string().into());
    }

    pub(crate) fn of(&self, packet: Ordinal) -> Frame {
        Frame { capture: self.name(packet.rank()), frame: packet.frame() }
    }

    /// The name of the capture of this rank.
    pub(crate) fn name(&self, rank: u32) -> Arc<str> {
        self.0.get(rank as usize).map_or_else(|| Arc::from(""), Arc::clone)
    }
}

impl Range {
    /// The least one that holds the frames of all `packets`, whichever file each lies in: a display filter cannot name
    /// files, and is to show them in each.
    pub(crate) fn of(packets: &Packets) -> Self {
        let last = packets.last().ordinal.frame();
        let frames = packets.iter().map(Ordinal::frame);
        frames.fold(Range { first: last, last }, |range, frame| Range {
            first: range.first.min(frame),
            last: range.last.max(frame),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::{Moment, Time};

    fn at(rank: u32, frame: u64) -> Moment {
        Moment { ordinal: Ordinal::new(Time::default(), rank, frame), time: Time::default() }
    }

    fn frame(capture: &str, frame: u64) -> Frame {
        Frame { capture: capture.into(), frame }
    }

    #[test]
    fn a_range_holds_the_frames_of_every_capture() {
        let mut places = Places::default();
        places.begin(Path::new("a.pcap"));
        places.begin(Path::new("b.pcap"));
        let mut packets = Packets::one(at(0, 8));
        packets.push(at(1, 3));
        packets.push(at(1, 2));
        assert_eq!(Range::of(&packets), Range { first: 2, last: 8 });
        assert_eq!(places.of(packets.last().ordinal), frame("b.pcap", 2));
    }
}
