//! From a packet's ordinal to what a person opens: a capture file and a frame number in it.

use std::path::Path;

use serde::Serialize;

use crate::base::{Ordinal, Packets};

use super::escape::Text;

/// The captures that began so far, by rank.
#[derive(Clone, Debug, Default)]
pub(crate) struct Places(Vec<String>);

/// A frame of a capture file, counted from 1 as Wireshark does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Place<'p> {
    pub capture: &'p str,
    pub frame: u64,
}

/// The frames that carry a finding: the least and the greatest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Range {
    pub first: u64,
    pub last: u64,
}

impl Places {
    /// The capture of the next rank begins.
    pub(crate) fn begin(&mut self, path: &Path) {
        self.0.push(Text(path.as_os_str().as_encoded_bytes()).to_string());
    }

    pub(crate) fn of(&self, packet: Ordinal) -> Place<'_> {
        Place { capture: self.name(packet.rank()), frame: packet.frame() }
    }

    /// The name of the capture of this rank.
    pub(crate) fn name(&self, rank: u32) -> &str {
        self.0.get(rank as usize).map_or("", String::as_str)
    }

    /// The least range that holds the frames of all `packets`, whichever file each lies in: a display filter
    /// cannot name files, and is to show them in each.
    pub(crate) fn range(&self, packets: &Packets) -> Range {
        let last = self.of(packets.last().ordinal).frame;
        let frames = packets.iter().map(|packet| self.of(packet).frame);
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

    #[test]
    fn a_range_holds_the_frames_of_every_capture() {
        let mut places = Places::default();
        places.begin(Path::new("a.pcap"));
        places.begin(Path::new("b.pcap"));
        let mut packets = Packets::one(at(0, 8));
        packets.push(at(1, 3));
        packets.push(at(1, 2));
        assert_eq!(places.range(&packets), Range { first: 2, last: 8 });
        assert_eq!(places.of(packets.last().ordinal), Place { capture: "b.pcap", frame: 2 });
    }
}
