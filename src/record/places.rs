//! From a packet's number in the scan to what a person opens: a capture file and a frame number in it.

use std::path::Path;
use std::sync::Arc;

use crate::base::{Ordinal, Packets};

use super::Frame;
use super::escape::Text;

/// The files read so far, by the number of their first packet.
#[derive(Clone, Debug, Default)]
pub(crate) struct Places(Vec<(Ordinal, Arc<str>)>);

/// The frames that carry a finding: the least and the greatest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Range {
    pub first: u64,
    pub last: u64,
}

impl Places {
    /// A file begins; files come in the order of their packets. One without packets leaves no trace.
    pub(crate) fn begin(&mut self, path: &Path, first: Ordinal) {
        let path: Arc<str> = Text(path.as_os_str().as_encoded_bytes()).to_string().into();
        match self.0.last_mut() {
            Some((last, name)) if *last == first => *name = path,
            _ => self.0.push((first, path)),
        }
    }

    pub(crate) fn of(&self, packet: Ordinal) -> Frame {
        let (capture, frame) = self.find(packet);
        Frame { capture: capture.map_or_else(|| Arc::from(""), Arc::clone), frame }
    }

    fn find(&self, packet: Ordinal) -> (Option<&Arc<str>>, u64) {
        let behind = self.0.partition_point(|(first, _)| *first <= packet);
        let file = behind.checked_sub(1).and_then(|nth| self.0.get(nth));
        let first = file.map_or(Ordinal(0), |(first, _)| *first);
        (file.map(|(_, capture)| capture), packet.0.saturating_sub(first.0).saturating_add(1))
    }

    /// The least range that holds the frames of all `packets`, whichever file each lies in: a display filter
    /// cannot name files, and is to show them in each.
    pub(crate) fn range(&self, packets: &Packets) -> Range {
        let (_, last) = self.find(packets.last().ordinal);
        let frames = packets.iter().map(|packet| self.find(packet).1);
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

    fn at(ordinal: u64) -> Moment {
        Moment { ordinal: Ordinal(ordinal), time: Time::default() }
    }

    fn frame(capture: &str, frame: u64) -> Frame {
        Frame { capture: capture.into(), frame }
    }

    #[test]
    fn a_frame_counts_from_one_in_its_own_file() {
        let mut places = Places::default();
        places.begin(Path::new("a.pcap"), Ordinal(0));
        places.begin(Path::new("empty.pcap"), Ordinal(10));
        places.begin(Path::new("b.pcap"), Ordinal(10));
        assert_eq!(places.of(Ordinal(0)), frame("a.pcap", 1));
        assert_eq!(places.of(Ordinal(9)), frame("a.pcap", 10));
        assert_eq!(places.of(Ordinal(10)), frame("b.pcap", 1));
    }

    #[test]
    fn a_range_holds_the_frames_of_every_file() {
        let mut places = Places::default();
        places.begin(Path::new("a.pcap"), Ordinal(0));
        places.begin(Path::new("b.pcap"), Ordinal(10));
        let mut packets = Packets::one(at(7));
        packets.push(at(12));
        packets.push(at(11));
        assert_eq!(places.range(&packets), Range { first: 2, last: 8 });
    }
}
