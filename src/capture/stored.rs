//! The bytes of an input as they are stored, before any unpacking: counted, and hashed where asked for.

use std::io::{self, BufRead, Read};

use sha2::{Digest, Sha256};

use super::pipe::{Stop, is_pause};

/// An input with a window of bytes that were read ahead.
///
/// A decoder sees the window only once it is filled to its end, however small the pieces in which a pipe delivers: what
/// it is given at once, and so what it makes of damaged data, is the same for a file and a pipe. Where a pipe pauses
/// before that, reading fails so, and goes on with the next call.
pub(super) struct Stored {
    source: Source,
    window: Box<[u8]>,
    start: usize,
    end: usize,
    /// How many bytes of the next window came, while nobody may have them yet; `start` is `end` then.
    came: usize,
}

/// Where the bytes come from, and what is known of those that came.
struct Source {
    input: Box<dyn Read + Send>,
    read: u64,
    hash: Option<Sha256>,
    /// An error that showed behind bytes which had to be handed on first.
    late: Option<io::Error>,
    failed: bool,
    /// The end was seen, and is not asked for again.
    ended: bool,
    /// Nobody waits any longer for a pipe that pauses.
    stop: Stop,
}

impl Stored {
    /// What a decoder reads ahead.
    const WINDOW: usize = 64 << 10;
    /// What is enough to see which kind of input it is.
    const GLANCE: usize = 4 << 10;

    pub(super) fn new(input: Box<dyn Read + Send>, hash: bool, stop: &Stop) -> Self {
        let hash = hash.then(Sha256::new);
        let source = Source { input, read: 0, hash, late: None, failed: false, ended: false, stop: stop.clone() };
        Stored { source, window: vec![0; Self::GLANCE].into(), start: 0, end: 0, came: 0 }
    }

    /// Makes room to read ahead as decoders want it; of what is not packed little is read ahead.
    pub(super) fn widen(&mut self) {
        self.hold_back();
        let mut window = vec![0; Self::WINDOW];
        if let Some((front, came)) = window.get_mut(..self.came).zip(self.window.get(..self.came)) {
            front.copy_from_slice(came);
        }
        (self.window, self.start, self.end) = (window.into(), 0, 0);
    }

    /// How many bytes were read so far.
    pub(super) fn bytes_read(&self) -> u64 {
        self.source.read
    }

    /// Whether reading failed: what a decoder then reports is no fault of the data.
    pub(super) fn failed(&self) -> bool {
        self.source.failed
    }

    /// The next `count` bytes (fewer only where the input ends), which stay to be read.
    pub(super) fn peek(&mut self, count: usize) -> io::Result<&[u8]> {
        self.hold_back();
        while self.came < count {
            match self.source.some(self.window.get_mut(self.came..).unwrap_or_default()) {
                Ok(0) => break,
                Ok(more) => self.came = self.came.saturating_add(more),
                Err(error) if is_pause(&error) && !self.source.stop.is_set() => {}
                Err(error) => return Err(error),
            }
        }
        let came = self.window.get(..self.came).unwrap_or_default();
        Ok(came.get(..count).unwrap_or(came))
    }

    /// Passes over `count` bytes; false where the input ends before.
    pub(super) fn pass(&mut self, mut count: u64) -> io::Result<bool> {
        while count > 0 {
            if self.peek(1)?.is_empty() {
                return Ok(false);
            }
            let step = usize::try_from(count).map_or(self.came, |count| count.min(self.came));
            (self.start, self.end) = (step, std::mem::take(&mut self.came));
            count = count.saturating_sub(step as u64);
        }
        Ok(true)
    }

    /// What is ahead is to be the beginning of the next window.
    fn hold_back(&mut self) {
        if self.start < self.end {
            self.window.copy_within(self.start..self.end, 0);
            self.came = self.end.saturating_sub(self.start);
        }
        self.start = self.end;
    }

    /// What there is, at most as much as `into` has room for: for those whom it does not matter how it is cut.
    pub(super) fn some(&mut self, into: &mut [u8]) -> io::Result<usize> {
        if self.start == self.end {
            let came = std::mem::take(&mut self.came);
            if came == 0 && into.len() >= self.window.len() {
                return self.source.some(into);
            }
            let came = if came == 0 { self.source.some(&mut self.window)? } else { came };
            (self.start, self.end) = (0, came);
        }
        let count = self.ahead().read(into)?;
        self.consume(count);
        Ok(count)
    }

    /// Sees to it that there is something ahead, or the end; fails where a pipe pauses before the window is full.
    pub(super) fn refill(&mut self) -> io::Result<()> {
        if self.start == self.end {
            self.source.fill(&mut self.window, &mut self.came)?;
            (self.start, self.end) = (0, std::mem::take(&mut self.came));
        }
        Ok(())
    }

    /// [`Stored::refill`], through all pauses.
    fn wait(&mut self) -> io::Result<()> {
        loop {
            match self.refill() {
                Err(error) if is_pause(&error) && !self.source.stop.is_set() => {}
                refilled => return refilled,
            }
        }
    }

    /// Reads what is left and returns the SHA-256 of the whole, where it was asked for and all could be read.
    pub(super) fn finish(&mut self) -> Option<[u8; 32]> {
        self.source.hash.as_ref()?;
        if self.source.failed {
            return None;
        }
        loop {
            self.wait().ok()?;
            if self.start == self.end {
                break;
            }
            self.start = self.end;
        }
        Some(self.source.hash.take()?.finalize().into())
    }

    fn ahead(&self) -> &[u8] {
        self.window.get(self.start..self.end).unwrap_or_default()
    }
}

impl Source {
    /// Reads once.
    fn some(&mut self, into: &mut [u8]) -> io::Result<usize> {
        if let Some(error) = self.late.take() {
            self.failed = true;
            return Err(error);
        }
        while !self.ended {
            match self.input.read(into) {
                Ok(count) => {
                    self.ended = count == 0;
                    if let Some(hash) = &mut self.hash {
                        hash.update(into.get(..count).unwrap_or_default());
                    }
                    self.read = self.read.saturating_add(count as u64);
                    return Ok(count);
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => {
                    self.failed = !is_pause(&error);
                    return Err(error);
                }
            }
        }
        Ok(0)
    }

    /// Reads until `into` is full or the input ends; the first `filled` bytes of it came before.
    fn fill(&mut self, into: &mut [u8], filled: &mut usize) -> io::Result<()> {
        while let Some(free) = into.get_mut(*filled..).filter(|free| !free.is_empty()) {
            match self.some(free) {
                Ok(0) => break,
                Ok(count) => *filled = filled.saturating_add(count),
                Err(error) if is_pause(&error) || *filled == 0 => return Err(error),
                Err(error) => {
                    self.failed = false;
                    self.late = Some(error);
                    break;
                }
            }
        }
        Ok(())
    }
}

impl Read for Stored {
    /// Through all pauses, and past the window straight into `into` where that is no smaller.
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        if self.start == self.end && self.came == 0 && into.len() >= self.window.len() {
            let mut filled = 0;
            while let Err(error) = self.source.fill(into, &mut filled) {
                if !is_pause(&error) || self.source.stop.is_set() {
                    return Err(error);
                }
            }
            return Ok(filled);
        }
        self.wait()?;
        let count = self.ahead().read(into)?;
        self.consume(count);
        Ok(count)
    }
}

impl BufRead for Stored {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        self.refill()?;
        Ok(self.ahead())
    }

    fn consume(&mut self, count: usize) {
        self.start = self.start.saturating_add(count).min(self.end);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Gives one byte at a time, and an interruption before each.
    struct Drip(Vec<u8>, bool);

    impl Read for Drip {
        fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
            self.1 = !self.1;
            if self.1 {
                return Err(io::ErrorKind::Interrupted.into());
            }
            if self.0.is_empty() {
                return Ok(0);
            }
            into[0] = self.0.remove(0);
            Ok(1)
        }
    }

    #[test]
    fn a_dripping_pipe_fills_the_window_all_the_same() {
        let mut stored = Stored::new(Box::new(Drip(b"0123456789".to_vec(), false)), false, &Stop::default());
        assert_eq!(stored.fill_buf().unwrap(), b"0123456789");
        assert_eq!(stored.bytes_read(), 10);
    }

    /// A pipe that pauses behind each piece.
    struct Pausing(Vec<&'static [u8]>, bool);

    impl Read for Pausing {
        fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
            self.1 = !self.1;
            match (self.1, self.0.first()) {
                (false, _) => Err(io::ErrorKind::WouldBlock.into()),
                (true, None) => Ok(0),
                (true, Some(piece)) => {
                    into[..piece.len()].copy_from_slice(piece);
                    Ok(self.0.remove(0).len())
                }
            }
        }
    }

    fn pausing() -> Stored {
        Stored::new(Box::new(Pausing(vec![b"0123", b"45", b"6789"], false)), true, &Stop::default())
    }

    #[test]
    fn a_decoder_sees_a_whole_window_however_often_the_pipe_pauses() {
        let mut stored = pausing();
        for _ in 0..3 {
            assert!(is_pause(&stored.fill_buf().unwrap_err()));
        }
        assert_eq!(stored.fill_buf().unwrap(), b"0123456789");
        assert_eq!(stored.finish().unwrap(), *Sha256::digest(b"0123456789"));
    }

    #[test]
    fn whoever_takes_pieces_has_them_at_once_and_whoever_peeks_or_passes_waits() {
        let (mut stored, mut bytes) = (pausing(), [0; 16]);
        assert_eq!(stored.some(&mut bytes).unwrap(), 4);
        assert!(is_pause(&stored.some(&mut bytes).unwrap_err()));
        assert_eq!(stored.some(&mut bytes).unwrap(), 2);
        assert!(!stored.failed());
        let mut stored = pausing();
        assert_eq!(stored.peek(6).unwrap(), b"012345");
        let mut stored = pausing();
        assert!(is_pause(&stored.fill_buf().unwrap_err()));
        assert_eq!(stored.some(&mut bytes).unwrap(), 4, "what came for a decoder is there for others");
        let mut stored = pausing();
        assert!(stored.pass(7).unwrap());
        assert_eq!(stored.fill_buf().unwrap(), b"789");
    }

    #[test]
    fn nobody_waits_once_reading_is_to_end() {
        struct Silent;
        impl Read for Silent {
            fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
                Err(io::ErrorKind::WouldBlock.into())
            }
        }
        let stop = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(true));
        let mut stored = Stored::new(Box::new(Silent), false, &stop.into());
        assert!(
            stored.peek(4).is_err() && stored.read(&mut [0; 4]).is_err() && stored.read(&mut vec![0; 1 << 17]).is_err()
        );
    }

    #[test]
    fn peeked_bytes_are_read_afterwards() {
        let mut stored = Stored::new(Box::new(&b"0123456789"[..]), false, &Stop::default());
        assert_eq!(stored.peek(4).unwrap(), b"0123");
        assert!(stored.pass(2).unwrap());
        assert_eq!(stored.peek(20).unwrap(), b"23456789");
        let mut rest = Vec::new();
        stored.read_to_end(&mut rest).unwrap();
        assert_eq!(rest, b"23456789");
        assert!(!stored.pass(1).unwrap());
    }

    #[test]
    fn the_hash_covers_bytes_that_nobody_read() {
        let mut stored = Stored::new(Box::new(&b"abc"[..]), true, &Stop::default());
        stored.peek(1).unwrap();
        assert_eq!(stored.finish().unwrap(), *Sha256::digest(b"abc"));
    }

    #[test]
    fn an_error_comes_behind_the_bytes_before_it() {
        struct Broken;
        impl Read for Broken {
            fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
                Err(io::Error::other("broken"))
            }
        }
        let mut stored = Stored::new(Box::new((&b"abc"[..]).chain(Broken)), true, &Stop::default());
        assert_eq!(stored.fill_buf().unwrap(), b"abc");
        stored.consume(3);
        assert!(!stored.failed());
        assert!(stored.fill_buf().is_err());
        assert!(stored.failed());
        assert_eq!(stored.finish(), None);
    }
}
