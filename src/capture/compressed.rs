//! Unpacking: gzip with several members, zstd and lz4 with several frames, xz with several streams.
//!
//! Decoders differ in what they hand out before they report damage, by the size of the buffer they are
//! given. So they are only ever given buffers of one size: the same bytes come out for every batch size. Such a
//! buffer is the next piece of the block that is to be filled, wherever there is room for a whole one.
//! Bounds: 128 MiB each for a zstd window and for xz; a gzip window is 32 KiB, an lz4 block 4 MiB. There is one
//! decoder for each open input ([`super::reader`] says how many), and those of [`super::ahead`].
//!
//! Of a pipe that pauses what was unpacked is handed on, and of what was not the decoder waits for a whole window, so that it
//! is given the same pieces whenever they came.

use std::io::{self, BufRead, Read};
use std::sync::Arc;

use flate2::bufread::MultiGzDecoder;
use liblzma::stream::{Action, CONCATENATED, Status, Stream};
use lz4_flex::frame::FrameDecoder;

use super::container::{self, Compression};
use super::pipe::is_pause;
use super::problem::Cause;
use super::stored::Stored;

/// An input's bytes without their compression, if it has any.
pub(super) enum Unpacked {
    Plain(Stored),
    Packed(Packed),
}

/// A decoder, and what it gave where less was wanted.
pub(super) struct Packed {
    compression: Compression,
    decoder: Decoder,
    window: u64,
    chunk: Box<[u8]>,
    start: usize,
    end: usize,
    /// Whether the decoder may have something to give without another byte of its input.
    has_more: bool,
}

enum Decoder {
    Gzip(Box<MultiGzDecoder<Stored>>),
    Zstd(zstd::Decoder<'static, Stored>),
    Lz4(Box<Lz4>),
    Xz(Xz),
}

impl Unpacked {
    pub(super) fn open(mut stored: Stored) -> Result<Self, Cause> {
        if !pass_skippable(&mut stored)? {
            return Err(Cause::Truncated);
        }
        let Some(compression) = Compression::recognise(stored.peek(Compression::LOOK_AT)?) else {
            return Ok(Self::Plain(stored));
        };
        let window = compression.window(stored.peek(Compression::HEADERS)?);
        stored.widen();
        let decoder = Decoder::new(compression, stored)
            .map_err(|error| Cause::Corrupt { compression, error: Arc::new(error) })?;
        Ok(Self::Packed(Packed {
            compression,
            decoder,
            window,
            chunk: vec![0; Packed::CHUNK].into(),
            start: 0,
            end: 0,
            has_more: false,
        }))
    }

    /// Fills `into` as far as the input goes, or until a pipe pauses.
    pub(super) fn fill(&mut self, into: &mut [u8]) -> (usize, Filled) {
        let mut filled = 0_usize;
        while let Some(free) = into.get_mut(filled..).filter(|free| !free.is_empty()) {
            match self.read(free) {
                Ok(0) => return (filled, Filled::End),
                Ok(count) => filled = filled.saturating_add(count),
                Err(error) if is_pause(&error) => return (filled, Filled::Pause),
                Err(error) => return (filled, Filled::Broken(self.cause(error))),
            }
        }
        (filled, Filled::Full)
    }

    /// How many bytes the decoder is taken to need; 0 where there is none.
    pub(super) fn window(&self) -> u64 {
        match self {
            Self::Plain(_) => 0,
            Self::Packed(packed) => packed.window,
        }
    }

    /// The input below, to count and to finish.
    pub(super) fn stored(&mut self) -> Option<&mut Stored> {
        match self {
            Self::Plain(stored) => Some(stored),
            Self::Packed(packed) => packed.decoder.stored(),
        }
    }

    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Plain(stored) => stored.some(into),
            Self::Packed(packed) => packed.read(into),
        }
    }

    fn cause(&mut self, error: io::Error) -> Cause {
        match self {
            Self::Plain(_) => error.into(),
            Self::Packed(packed) => packed.cause(error),
        }
    }
}

/// How far an input filled what was to be filled.
pub(super) enum Filled {
    Full,
    /// A pipe has nothing more for now.
    Pause,
    End,
    /// It ended early.
    Broken(Cause),
}

impl Packed {
    /// Small enough that little is lost before damage, large enough to cost nothing.
    const CHUNK: usize = 32 << 10;

    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        if self.start == self.end {
            // A decoder that is asked where there is nothing may give up for want of progress; lz4's forgets what it had
            // read when it has to wait within a frame, and so waits through all pauses.
            if !std::mem::replace(&mut self.has_more, false)
                && let Some(stored) = self.decoder.stored()
            {
                stored.refill()?;
            }
            if let Some(room) = into.get_mut(..Self::CHUNK) {
                let count = self.decoder.read(room)?;
                self.has_more = count == room.len();
                return Ok(count);
            }
            self.start = 0;
            self.end = 0;
            self.end = self.decoder.read(&mut self.chunk)?;
            self.has_more = self.end == self.chunk.len();
        }
        let mut ahead = self.chunk.get(self.start..self.end).unwrap_or_default();
        let count = ahead.read(into)?;
        self.start = self.start.saturating_add(count);
        Ok(count)
    }

    /// What a decoder's error means: the input failed, it ended too early, or it is damaged.
    fn cause(&mut self, error: io::Error) -> Cause {
        if self.decoder.stored().is_some_and(|stored| stored.failed()) {
            error.into()
        } else if error.kind() == io::ErrorKind::UnexpectedEof {
            Cause::Truncated
        } else {
            Cause::Corrupt { compression: self.compression, error: Arc::new(error) }
        }
    }
}

impl Decoder {
    /// log2 of the largest zstd window that is accepted, that of `zstd --long`.
    const ZSTD_WINDOW_LOG: u32 = 27;
    /// What xz may use, twice what `xz -9` needs.
    const XZ_MEMORY: u64 = 128 << 20;

    fn new(compression: Compression, stored: Stored) -> io::Result<Self> {
        Ok(match compression {
            Compression::Gzip => Self::Gzip(Box::new(MultiGzDecoder::new(stored))),
            Compression::Zstd => {
                let mut decoder = zstd::Decoder::with_buffer(stored)?;
                decoder.window_log_max(Self::ZSTD_WINDOW_LOG)?;
                Self::Zstd(decoder)
            }
            Compression::Lz4 => Self::Lz4(Box::new(Lz4::new(stored))),
            Compression::Xz => {
                let stream = Stream::new_stream_decoder(Self::XZ_MEMORY, CONCATENATED)?;
                Self::Xz(Xz { stored, stream, late: None })
            }
        })
    }

    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Gzip(decoder) => decoder.read(into),
            Self::Zstd(decoder) => decoder.read(into),
            Self::Lz4(decoder) => decoder.read(into),
            Self::Xz(decoder) => decoder.read(into),
        }
    }

    fn stored(&mut self) -> Option<&mut Stored> {
        match self {
            Self::Gzip(decoder) => Some(decoder.get_mut()),
            Self::Zstd(decoder) => Some(decoder.get_mut()),
            Self::Lz4(decoder) => decoder.frame.as_mut().map(|frame| &mut frame.get_mut().stored),
            Self::Xz(decoder) => Some(&mut decoder.stored),
        }
    }
}

/// All frames of an lz4 input: the crate's decoder reads one and calls that the end, also where the
/// input ends in the middle of it.
struct Lz4 {
    /// `None` only while one frame's decoder is exchanged for the next one's.
    frame: Option<FrameDecoder<Dry>>,
}

/// An input that remembers whether more was asked of it than it had.
struct Dry {
    stored: Stored,
    dry: bool,
}

impl Lz4 {
    fn new(stored: Stored) -> Self {
        Lz4 { frame: Some(FrameDecoder::new(Dry { stored, dry: false })) }
    }

    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        while let Some(frame) = &mut self.frame {
            let count = frame.read(into)?;
            if count > 0 {
                return Ok(count);
            }
            let below = frame.get_mut();
            // The end mark was read without asking for more; without one the decoder ran dry.
            if below.dry || !pass_skippable(&mut below.stored)? {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            if below.stored.fill_buf()?.is_empty() {
                return Ok(0);
            }
            self.frame = self.frame.take().map(|frame| FrameDecoder::new(frame.into_inner()));
        }
        Ok(0)
    }
}

impl Read for Dry {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let count = self.stored.read(into)?;
        self.dry |= count == 0 && !into.is_empty();
        Ok(count)
    }
}

/// All streams of an xz input: the crate's own reader drops what was unpacked in the call that meets damage.
struct Xz {
    stored: Stored,
    stream: Stream,
    /// An error that showed behind bytes which had to be handed on first.
    late: Option<io::Error>,
}

impl Xz {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        if let Some(error) = self.late.take() {
            return Err(error);
        }
        loop {
            let input = self.stored.fill_buf()?;
            let at_end = input.is_empty();
            let (had, gave) = (self.stream.total_in(), self.stream.total_out());
            let status = self.stream.process(input, into, if at_end { Action::Finish } else { Action::Run });
            let consumed = usize::try_from(self.stream.total_in().wrapping_sub(had)).unwrap_or_default();
            let count = usize::try_from(self.stream.total_out().wrapping_sub(gave)).unwrap_or_default();
            self.stored.consume(consumed);
            match status {
                Ok(_) if count > 0 => return Ok(count),
                Err(error) if count > 0 => {
                    self.late = Some(error.into());
                    return Ok(count);
                }
                Err(error) => return Err(error.into()),
                Ok(Status::StreamEnd) => return Ok(0),
                Ok(_) if at_end => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(_) if consumed == 0 => return Err(io::ErrorKind::InvalidData.into()),
                Ok(_) => {}
            }
        }
    }
}

/// Passes over skippable frames; false where the input ends inside one.
fn pass_skippable(stored: &mut Stored) -> io::Result<bool> {
    while let Some(length) = container::skippable(stored.peek(8)?) {
        if !stored.pass(u64::from(length).saturating_add(8))? {
            return Ok(false);
        }
    }
    Ok(true)
}

#[cfg(test)]
mod tests {
    use super::super::container::Compression;
    use super::super::testing::*;

    #[test]
    fn one_member_reads_as_the_plain_capture() {
        let capture = sample(0, 900);
        for compression in COMPRESSIONS {
            assert_eq!(read_alike(&pack(compression, &capture)), read(&capture, 4096), "{compression}");
        }
    }

    #[test]
    fn members_frames_and_streams_are_read_to_the_last() {
        let capture = sample(0, 900);
        for compression in COMPRESSIONS {
            // Cut inside packets, with empty members between and at the end.
            let parts = [&capture[..10], b"", &capture[10..70_001], &capture[70_001..], b""];
            let packed: Vec<u8> = parts.iter().flat_map(|part| pack(compression, part)).collect();
            let reading = read_alike(&packed);
            assert_eq!((reading.packets.len(), &reading.fault), (900, &None), "{compression}");
            assert_eq!(reading, read(&capture, 4096));
        }
    }

    #[test]
    fn sections_packed_one_by_one_are_one_capture() {
        let section = [LITTLE.section(), LITTLE.interface(1, 0, &[]), LITTLE.enhanced(0, 1, 3, b"abc")].concat();
        for compression in COMPRESSIONS {
            let reading = read_alike(&pack(compression, &section).repeat(3));
            assert_eq!((reading.packets.len(), reading.fault), (3, None), "{compression}");
        }
    }

    #[test]
    fn what_was_unpacked_before_a_cut_is_analysed() {
        let capture = sample(0, 3000);
        let whole = read(&capture, 1 << 20).packets;
        for compression in COMPRESSIONS {
            let packed = pack(compression, &capture);
            let mut most = 0;
            for part in [1, 5, 9] {
                let reading = read_alike(&packed[..packed.len() * part / 10]);
                assert!(reading.packets.len() >= most, "{compression}");
                most = reading.packets.len();
                assert_eq!(reading.packets, whole[..most], "{compression}");
                assert!(reading.fault.unwrap().starts_with("x: truncated at byte "), "{compression}");
            }
            assert!(most > 0, "{compression}");
        }
    }

    #[test]
    fn a_missing_end_mark_or_checksum_is_told_though_no_packet_is_missing() {
        let capture = sample(0, 900);
        for compression in COMPRESSIONS {
            let packed = pack(compression, &capture);
            // lz4 ends with a mark and a checksum of 4 bytes each, gzip with 8, xz with a footer of 12 and more before it.
            for cut in if compression == Compression::Zstd { 1..=1 } else { 1..=8 } {
                let reading = read_alike(&packed[..packed.len() - cut]);
                let all = compression == Compression::Zstd || reading.packets.len() == 900;
                let told = reading.fault.as_deref().is_some_and(|fault| fault.starts_with("x: truncated at byte "));
                assert!(all && told, "{compression} {cut} {:?}", reading.fault);
            }
        }
    }

    #[test]
    fn a_second_member_that_is_cut_is_told_too() {
        let capture = sample(0, 900);
        for compression in COMPRESSIONS {
            let first = pack(compression, &capture[..50_000]);
            let packed = [first.clone(), pack(compression, &capture[50_000..])].concat();
            for cut in [first.len() + 1, first.len() + 3, first.len() + 5, packed.len() - 4] {
                let reading = read_alike(&packed[..cut]);
                assert!(
                    reading.fault.as_deref().unwrap().starts_with("x: truncated at byte "),
                    "{compression} {reading:?}"
                );
                assert!(reading.packets.len() > 100, "{compression}");
            }
        }
    }

    #[test]
    fn a_capture_that_is_cut_inside_whole_compression_is_told() {
        let capture = sample(0, 10);
        for compression in COMPRESSIONS {
            let reading = read_alike(&pack(compression, &capture[..capture.len() - 1]));
            assert_eq!(reading, read(&capture[..capture.len() - 1], 64), "{compression}");
            assert_eq!(reading.packets.len(), 9);
        }
    }

    #[test]
    fn damage_is_told_and_ends_alike_for_every_batch_size() {
        let capture = sample(0, 3000);
        for compression in COMPRESSIONS {
            let mut packed = pack(compression, &capture);
            let middle = packed.len() / 2;
            for byte in &mut packed[middle..middle + 64] {
                *byte ^= 0x55;
            }
            let fault = read_alike(&packed).fault.unwrap();
            // What lzma makes of damaged data goes on until a check fails, and reads as nonsense packets.
            let corrupt = fault.starts_with(&format!("x: corrupt {compression} data: "));
            assert!(
                corrupt || compression == Compression::Xz && fault.contains("captured bytes (the limit is"),
                "{fault}"
            );
        }
    }

    #[test]
    fn bytes_behind_the_end_are_told_after_all_packets() {
        let capture = sample(0, 900);
        for compression in COMPRESSIONS {
            let packed = [pack(compression, &capture), b"trailing text that is no member".to_vec()].concat();
            let reading = read_alike(&packed);
            assert_eq!(reading.packets.len(), 900, "{compression}");
            assert!(reading.fault.unwrap().starts_with(&format!("x: corrupt {compression}")), "{compression}");
        }
    }

    #[test]
    fn skippable_frames_may_stand_anywhere() {
        let capture = sample(0, 900);
        let skippable = [&[0x5a, 0x2a, 0x4d, 0x18, 5, 0, 0, 0][..], b"hello"].concat();
        for compression in [Compression::Zstd, Compression::Lz4] {
            let packed = [
                skippable.clone(),
                pack(compression, &capture[..70_000]),
                skippable.clone(),
                skippable.clone(),
                pack(compression, &capture[70_000..]),
                skippable.clone(),
            ]
            .concat();
            assert_eq!(read_alike(&packed), read(&capture, 4096), "{compression}");
            let reading = read_alike(&packed[..packed.len() - 1]);
            assert_eq!((reading.packets.len(), reading.fault.is_some()), (900, true), "{compression}");
        }
    }

    #[test]
    fn text_that_is_packed_is_no_capture() {
        for compression in COMPRESSIONS {
            let reading = read_alike(&pack(compression, b"hello\n"));
            assert_eq!(reading.fault.unwrap(), "x: not a capture file", "{compression}");
            assert_eq!(read_alike(&pack(compression, b"")).fault.unwrap(), "x: empty file", "{compression}");
        }
    }

    #[test]
    fn a_window_or_dictionary_beyond_the_bound_is_refused() {
        let mut encoder = zstd::Encoder::new(Vec::new(), 1).unwrap();
        encoder.window_log(28).unwrap();
        std::io::Write::write_all(&mut encoder, &sample(0, 900)).unwrap();
        assert!(read_alike(&encoder.finish().unwrap()).fault.unwrap().starts_with("x: corrupt zstd data: "));
        let options = liblzma::stream::LzmaOptions::new_preset(0).map(|mut options| {
            options.dict_size(512 << 20);
            options
        });
        let mut filters = liblzma::stream::Filters::new();
        filters.lzma2(&options.unwrap());
        let stream = liblzma::stream::Stream::new_stream_encoder(&filters, liblzma::stream::Check::Crc32).unwrap();
        let mut encoder = liblzma::read::XzEncoder::new_stream(&b"abc"[..], stream);
        let mut packed = Vec::new();
        std::io::Read::read_to_end(&mut encoder, &mut packed).unwrap();
        assert!(read_alike(&packed).fault.unwrap().starts_with("x: corrupt xz data: "));
    }
}
