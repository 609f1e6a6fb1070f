//! What is gathered of message data and chunks on the way: octets, lines, hash, the header's fields.

use sha2::{Digest, Sha256};

use super::wire::data::{DotLine, DotScan, Found, Header};
use super::wire::line::Piece;
use crate::base::Packets;

/// What a message's header tells its transaction.
#[derive(Clone, Debug, Default)]
pub(super) struct MessageFacts {
    pub bytes: u64,
    pub subject: Option<Vec<u8>>,
    pub message_id: Option<Vec<u8>>,
}

/// What is gathered of message data or chunks on the way.
#[derive(Clone, Debug)]
pub(super) struct Gathered {
    pub bytes: u64,
    pub lines: u64,
    pub stop: u64,
    /// What was scanned but is not hashed yet: it may be the closing dot line.
    pending: DotLine,
    hash: Option<Box<Sha256>>,
    pub header: Header,
    /// The packets; `None` before the first one.
    pub at: Option<Packets>,
    /// Where the first one's bytes began, what its sender had seen, and how far the server's stream had been captured.
    pub start: u64,
    pub seen: Option<u64>,
    pub captured: u64,
    pub missing: u64,
}

impl Gathered {
    pub(super) fn new(want_hash: bool) -> Gathered {
        Gathered {
            bytes: 0,
            lines: 0,
            stop: 0,
            pending: DotLine::default(),
            hash: want_hash.then(Box::default),
            header: Header::default(),
            at: None,
            start: 0,
            seen: None,
            captured: 0,
            missing: 0,
        }
    }

    /// Takes scanned bytes of message data.
    pub(super) fn scanned(&mut self, piece: &Piece<'_>, scan: &DotScan, found: Option<Found>) {
        self.note(piece);
        self.lines = scan.lines;
        let pending = scan.dot_line(found);
        if let Some(hash) = &mut self.hash
            && let Some(sure) = (piece.bytes.len() as u64).checked_sub(pending.len())
            && let Ok(sure) = usize::try_from(sure)
        {
            self.pending.pieces().for_each(|piece| hash.update(piece));
            hash.update(piece.bytes.get(..sure).unwrap_or_default());
        }
        self.pending = pending;
    }

    /// Takes octets of a chunk.
    pub(super) fn counted(&mut self, piece: &Piece<'_>) {
        self.note(piece);
        self.lines = self.lines.saturating_add(memchr::memchr_iter(b'\n', piece.bytes).count() as u64);
        if let Some(hash) = &mut self.hash {
            hash.update(piece.bytes);
        }
    }

    fn note(&mut self, piece: &Piece<'_>) {
        self.stop = piece.end();
        self.bytes = self.bytes.saturating_add(piece.bytes.len() as u64);
        self.header.take(piece.bytes);
        if let Some(at) = &mut self.at {
            at.push(piece.from.at);
        } else {
            self.at = Some(Packets::one(piece.from.at));
            (self.start, self.seen, self.captured) = (piece.offset, piece.from.seen, piece.from.captured);
        }
    }

    /// Goes on with the header of the chunk before.
    pub(super) fn carry_on(&mut self, header: Header) {
        self.header = header;
    }

    /// The header that the next chunk goes on with, if it is not over.
    pub(super) fn take_header(&mut self) -> Option<Header> {
        (!self.header.is_done()).then(|| std::mem::take(&mut self.header))
    }

    pub(super) fn miss(&mut self, length: u64) {
        self.missing = self.missing.saturating_add(length);
        self.stop = self.stop.saturating_add(length);
        self.hash = None;
        self.pending = DotLine::default();
        self.header.done();
    }

    /// What the transaction is to know of it so far.
    pub(super) fn facts(&self) -> MessageFacts {
        MessageFacts {
            bytes: self.bytes,
            subject: self.header.field(b"Subject"),
            message_id: self.header.field(b"Message-ID"),
        }
    }

    /// The octets without the closing dot line, if it has one, and their hash.
    pub(super) fn close(&mut self, dot: bool) -> (u64, u64, Option<[u8; 32]>) {
        let hash = self.hash.take();
        let pending = std::mem::take(&mut self.pending);
        let closing = if dot { pending.len() } else { 0 };
        let lines = self.lines.saturating_sub(u64::from(dot && pending.lf));
        let sha256 = hash.map(|mut hash| {
            if !dot {
                pending.pieces().for_each(|piece| hash.update(piece));
            }
            Sha256::finalize(*hash).into()
        });
        (self.bytes.saturating_sub(closing), lines, sha256)
    }
}

#[cfg(test)]
mod tests {
    use super::super::wire::data::LineEnd;
    use super::super::wire::line::Source;
    use super::*;
    use crate::base::Moment;

    #[test]
    fn size_and_hash_leave_the_closing_dot_out() {
        let bytes = b"..x\r\n.\n\r\n.\r\n";
        for size in 1..=bytes.len() {
            let (mut scan, mut gathered) = (DotScan::new(LineEnd::CrLf), Gathered::new(true));
            let mut offset = 0;
            for chunk in bytes.chunks(size) {
                let from = Source { at: Moment::default(), seen: None, captured: 0, after_fin: false };
                let mut piece = Piece { offset, bytes: chunk, from };
                offset = piece.end();
                while !piece.is_empty() {
                    let (consumed, found) = scan.scan(piece.bytes, false);
                    gathered.scanned(&piece.take(consumed), &scan, found);
                }
            }
            let expected: [u8; 32] = Sha256::digest(b"..x\r\n.\n\r\n").into();
            assert_eq!(gathered.close(true), (9, 3, Some(expected)), "by {size}");
        }
    }
}
