//! The bytes of an input as they are stored, before any unpacking: counted, and hashed where asked for.

use std::io::{self, BufRead, Read};

use sha2::{Digest, Sha256};

/// An input with a window of bytes that were read ahead.
///
/// A window is always filled to its end, however small the pieces in which a pipe delivers: what a
/// decoder is given at once, and so what it makes of damaged data, is the same for a file and a pipe.
pub(super) struct Stored {
    source: Source,
    window: Box<[u8]>,
    start: usize,
    end: usize,
}

/// Where the bytes come from, and what is known of those that came.
struct Source {
    input: Box<dyn Read + Send>,
    read: u64,
    hash: Option<Sha256>,
    /// An error that showed behind bytes which had to be handed on first.
    late: Option<io::Error>,
    failed: bool,
}

impl Stored {
    /// What a decoder reads ahead.
    const WINDOW: usize = 64 << 10;
    /// What is enough to see which kind of input it is.
    const GLANCE: usize = 4 << 10;

    pub(super) fn new(input: Box<dyn Read + Send>, hash: bool) -> Self {
        let source = Source { input, read: 0, hash: hash.then(Sha256::new), late: None, failed: false };
        Stored { source, window: vec![0; Self::GLANCE].into(), start: 0, end: 0 }
    }

    /// Makes room to read ahead as decoders want it; of what is not packed little is read ahead.
    pub(super) fn widen(&mut self) {
        let mut window = vec![0; Self::WINDOW];
        let ahead = self.ahead();
        let end = ahead.len();
        if let Some(front) = window.get_mut(..end) {
            front.copy_from_slice(ahead);
        }
        (self.window, self.start, self.end) = (window.into(), 0, end);
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
        if self.end.saturating_sub(self.start) < count {
            self.window.copy_within(self.start..self.end, 0);
            self.end = self.end.saturating_sub(self.start);
            self.start = 0;
            let free = self.window.get_mut(self.end..).unwrap_or_default();
            self.end = self.end.saturating_add(self.source.fill(free)?);
        }
        let ahead = self.ahead();
        Ok(ahead.get(..count).unwrap_or(ahead))
    }

    /// Passes over `count` bytes; false where the input ends before.
    pub(super) fn pass(&mut self, mut count: u64) -> io::Result<bool> {
        while count > 0 {
            let ahead = self.fill_buf()?.len();
            if ahead == 0 {
                return Ok(false);
            }
            let step = usize::try_from(count).map_or(ahead, |count| count.min(ahead));
            self.consume(step);
            count = count.saturating_sub(step as u64);
        }
        Ok(true)
    }

    /// Reads what is left and returns the SHA-256 of the whole, where it was asked for and all could be read.
    pub(super) fn finish(&mut self) -> Option<[u8; 32]> {
        self.source.hash.as_ref()?;
        if self.source.failed {
            return None;
        }
        while self.source.fill(&mut self.window).ok()? > 0 {}
        Some(self.source.hash.take()?.finalize().into())
    }

    fn ahead(&self) -> &[u8] {
        self.window.get(self.start..self.end).unwrap_or_default()
    }
}

impl Source {
    /// Reads until `into` is full or the input ends.
    fn fill(&mut self, into: &mut [u8]) -> io::Result<usize> {
        if let Some(error) = self.late.take() {
            self.failed = true;
            return Err(error);
        }
        let mut filled = 0_usize;
        while let Some(free) = into.get_mut(filled..).filter(|free| !free.is_empty()) {
            match self.input.read(free) {
                Ok(0) => break,
                Ok(count) => filled = filled.saturating_add(count),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if filled == 0 => {
                    self.failed = true;
                    return Err(error);
                }
                Err(error) => {
                    self.late = Some(error);
                    break;
                }
            }
        }
        if let Some(hash) = &mut self.hash {
            hash.update(into.get(..filled).unwrap_or_default());
        }
        self.read = self.read.saturating_add(filled as u64);
        Ok(filled)
    }
}

impl Read for Stored {
    /// Past the window straight into `into`, where that is no smaller.
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        if self.start == self.end && into.len() >= self.window.len() {
            return self.source.fill(into);
        }
        let count = self.fill_buf()?.read(into)?;
        self.consume(count);
        Ok(count)
    }
}

impl BufRead for Stored {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if self.start == self.end {
            self.start = 0;
            self.end = 0;
            self.end = self.source.fill(&mut self.window)?;
        }
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
        let mut stored = Stored::new(Box::new(Drip(b"0123456789".to_vec(), false)), false);
        assert_eq!(stored.fill_buf().unwrap(), b"0123456789");
        assert_eq!(stored.bytes_read(), 10);
    }

    #[test]
    fn peeked_bytes_are_read_afterwards() {
        let mut stored = Stored::new(Box::new(&b"0123456789"[..]), false);
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
        let mut stored = Stored::new(Box::new(&b"abc"[..]), true);
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
        let mut stored = Stored::new(Box::new((&b"abc"[..]).chain(Broken)), true);
        assert_eq!(stored.fill_buf().unwrap(), b"abc");
        stored.consume(3);
        assert!(!stored.failed());
        assert!(stored.fill_buf().is_err());
        assert!(stored.failed());
        assert_eq!(stored.finish(), None);
    }
}
