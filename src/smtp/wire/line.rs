//! Lines out of pieces of a stream: where each begins and ends, which packets carry it, what ended it.

use memchr::{memchr, memchr_iter};

use crate::base::{Moment, Packets};

/// Where bytes came from: the packet, and what its sender knew.
#[derive(Clone, Copy, Debug)]
pub(in crate::smtp) struct Source {
    pub at: Moment,
    /// How far the sender had acknowledged the other direction.
    pub seen: Option<u64>,
    /// How far the other direction had been captured.
    pub captured: u64,
    /// The sender had acknowledged the other side's FIN.
    pub after_fin: bool,
}

/// A stretch of one direction's bytes that lay in one packet.
#[derive(Clone, Copy, Debug)]
pub(in crate::smtp) struct Piece<'p> {
    /// The position of the first byte in its direction's stream.
    pub offset: u64,
    pub bytes: &'p [u8],
    pub from: Source,
}

impl<'p> Piece<'p> {
    /// The position behind the last byte.
    pub(in crate::smtp) fn end(&self) -> u64 {
        self.offset.saturating_add(self.bytes.len() as u64)
    }

    pub(in crate::smtp) fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// Takes the first `count` bytes off.
    pub(in crate::smtp) fn take(&mut self, count: usize) -> Piece<'p> {
        let (head, rest) = self.bytes.split_at_checked(count).unwrap_or((self.bytes, &[]));
        let taken = Piece { offset: self.offset, bytes: head, from: self.from };
        self.offset = taken.end();
        self.bytes = rest;
        taken
    }
}

/// Where lines are cut. Most servers end a command at LF; some only at CRLF (SESSION.md).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::smtp) enum Cut {
    Lf,
    CrLf,
}

/// What ended a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ending {
    CrLf,
    Lf,
    /// The stream ended, or a gap came, or (a server's line) the other side answered it as it was.
    None,
}

/// One line, complete or as far as it came.
#[derive(Clone, Debug)]
pub(in crate::smtp) struct Line {
    /// Without its line end; at most `Limit::LineLength` octets of it.
    pub text: Vec<u8>,
    /// All octets, line end included, those beyond the limit too.
    pub octets: u64,
    pub ending: Ending,
    /// Holds a CR that no LF follows.
    pub bare_cr: bool,
    /// The positions of its first byte and behind its last one.
    pub start: u64,
    pub end: u64,
    pub at: Packets,
    /// What the sender knew at the first byte.
    pub seen: Option<u64>,
    pub captured: u64,
    pub after_fin: bool,
}

/// A line of which the end has not come.
#[derive(Clone, Debug)]
struct Open {
    /// As it came, line end included once it is there.
    text: Vec<u8>,
    octets: u64,
    carriage_returns: u64,
    last: u8,
    start: u64,
    at: Packets,
    seen: Option<u64>,
    captured: u64,
    after_fin: bool,
}

/// Puts lines together over any number of pieces.
#[derive(Clone, Debug, Default)]
pub(in crate::smtp) struct LineReader {
    open: Option<Open>,
}

impl LineReader {
    /// Takes bytes off the piece up to the next line end, and gives the line if there is one. Of a line
    /// `keep` octets are kept.
    pub(in crate::smtp) fn take(&mut self, piece: &mut Piece<'_>, cut: Cut, keep: usize) -> Option<Line> {
        let length = self.line_length(piece.bytes, cut);
        let head = piece.take(length.unwrap_or(piece.bytes.len()));
        self.append(head, keep);
        length?;
        self.finish()
    }

    /// Gives what there is of a line whose end never came.
    pub(in crate::smtp) fn finish(&mut self) -> Option<Line> {
        let Open { mut text, octets, carriage_returns, last, start, at, seen, captured, after_fin } =
            self.open.take()?;
        let crlf = text.ends_with(b"\r\n") || (octets > text.len() as u64 && last == b'\n' && carriage_returns > 0);
        let (ending, end_length) = match last {
            b'\n' if crlf => (Ending::CrLf, 2),
            b'\n' => (Ending::Lf, 1),
            _ => (Ending::None, 0),
        };
        let content = usize::try_from(octets.saturating_sub(end_length)).unwrap_or(usize::MAX);
        text.truncate(content);
        // Where the stream ends behind a CR, nobody knows what would have followed it.
        let bare_cr = carriage_returns > u64::from(ending == Ending::CrLf || last == b'\r');
        let end = start.saturating_add(octets);
        Some(Line { text, octets, ending, bare_cr, start, end, at, seen, captured, after_fin })
    }

    /// Puts a line that ended in LF back, to be read on to its CRLF.
    pub(in crate::smtp) fn reopen(&mut self, line: Line, keep: usize) {
        let Line { mut text, octets, start, at, seen, captured, after_fin, .. } = line;
        let carriage_returns = carriage_returns(&text);
        if text.len() < keep {
            text.push(b'\n');
        }
        self.open = Some(Open { text, octets, carriage_returns, last: b'\n', start, at, seen, captured, after_fin });
    }

    pub(in crate::smtp) fn is_open(&self) -> bool {
        self.open.is_some()
    }

    /// Octets kept of the open line.
    pub(in crate::smtp) fn held(&self) -> usize {
        self.open.as_ref().map_or(0, |open| open.text.len())
    }

    /// The position behind the open line's last byte.
    pub(in crate::smtp) fn open_end(&self) -> Option<u64> {
        self.open.as_ref().map(|open| open.start.saturating_add(open.octets))
    }

    /// The position of the open line's first byte.
    pub(in crate::smtp) fn open_start(&self) -> Option<u64> {
        self.open.as_ref().map(|open| open.start)
    }

    /// What has come of the open line.
    pub(in crate::smtp) fn open_text(&self) -> &[u8] {
        self.open.as_ref().map_or(&[], |open| &open.text)
    }

    fn line_length(&self, bytes: &[u8], cut: Cut) -> Option<usize> {
        let first = memchr(b'\n', bytes)?;
        if cut == Cut::Lf {
            return Some(first.saturating_add(1));
        }
        memchr_iter(b'\n', bytes)
            .find(|&at| match at.checked_sub(1) {
                Some(before) => bytes.get(before) == Some(&b'\r'),
                None => self.open.as_ref().is_some_and(|open| open.last == b'\r'),
            })
            .map(|at| at.saturating_add(1))
    }

    /// Adds bytes to the open line; returns how many of them are kept.
    pub(in crate::smtp) fn append(&mut self, piece: Piece<'_>, keep: usize) -> usize {
        let Some(&last) = piece.bytes.last() else { return 0 };
        let open = self.open.get_or_insert_with(|| Open {
            // Most lines come whole.
            text: Vec::with_capacity(piece.bytes.len().min(keep)),
            octets: 0,
            carriage_returns: 0,
            last,
            start: piece.offset,
            at: Packets::one(piece.from.at),
            seen: piece.from.seen,
            captured: piece.from.captured,
            after_fin: piece.from.after_fin,
        });
        let room = keep.saturating_sub(open.text.len());
        let kept = piece.bytes.get(..room).unwrap_or(piece.bytes);
        open.text.extend_from_slice(kept);
        open.octets = open.octets.saturating_add(piece.bytes.len() as u64);
        open.carriage_returns = open.carriage_returns.saturating_add(carriage_returns(piece.bytes));
        open.last = last;
        open.at.push(piece.from.at);
        kept.len()
    }
}

/// How many CRs there are. A whole line, the usual case, has one at its end; a part of one has none.
fn carriage_returns(bytes: &[u8]) -> u64 {
    match bytes {
        [byte] => u64::from(*byte == b'\r'),
        [text @ .., b'\r', b'\n'] if memchr(b'\r', text).is_none() => 1,
        _ => memchr_iter(b'\r', bytes).count() as u64,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(seen: u64) -> Source {
        Source { at: Moment::default(), seen: Some(seen), captured: 0, after_fin: false }
    }

    fn lines(pieces: &[&str], cut: Cut, keep: usize) -> Vec<(String, Ending, u64, bool)> {
        let (mut reader, mut offset, mut found) = (LineReader::default(), 0, Vec::new());
        for bytes in pieces {
            let mut piece = Piece { offset, bytes: bytes.as_bytes(), from: source(offset) };
            offset = piece.end();
            while let Some(line) = reader.take(&mut piece, cut, keep) {
                found.push((String::from_utf8(line.text).unwrap(), line.ending, line.octets, line.bare_cr));
            }
        }
        found
    }

    #[test]
    fn a_line_in_single_octets_is_one_line() {
        let expected = [("HELP".to_owned(), Ending::CrLf, 6, false)];
        assert_eq!(lines(&["HELP\r\n"], Cut::Lf, 99), expected);
        assert_eq!(lines(&["H", "E", "L", "P", "\r", "\n"], Cut::Lf, 99), expected);
        assert_eq!(lines(&["H", "E", "L", "P", "\r", "\n"], Cut::CrLf, 99), expected);
    }

    #[test]
    fn a_bare_cr_ends_nothing_and_is_told() {
        assert_eq!(lines(&["NOOP\rNOOP\r\n"], Cut::Lf, 99), [("NOOP\rNOOP".to_owned(), Ending::CrLf, 11, true)]);
        assert_eq!(lines(&["QUIT\r\r\n"], Cut::Lf, 99), [("QUIT\r".to_owned(), Ending::CrLf, 7, true)]);
    }

    #[test]
    fn where_only_crlf_ends_a_line_an_lf_is_part_of_it() {
        assert_eq!(lines(&["HELP\nQUIT", "\r\n"], Cut::CrLf, 99), [("HELP\nQUIT".to_owned(), Ending::CrLf, 11, false)]);
    }

    #[test]
    fn a_long_line_is_counted_whole_but_kept_in_part() {
        assert_eq!(
            lines(&["0123456789\r\nx\n"], Cut::Lf, 4),
            [("0123".to_owned(), Ending::CrLf, 12, false), ("x".to_owned(), Ending::Lf, 2, false)]
        );
    }

    #[test]
    fn a_line_knows_what_its_sender_had_seen_at_its_first_byte() {
        let mut reader = LineReader::default();
        let mut first = Piece { offset: 10, bytes: b"QU", from: source(5) };
        assert!(reader.take(&mut first, Cut::Lf, 99).is_none());
        let mut second = Piece { offset: 12, bytes: b"IT\r\nx", from: source(9) };
        let line = reader.take(&mut second, Cut::Lf, 99).unwrap();
        assert_eq!((line.seen, line.start, line.end, second.bytes), (Some(5), 10, 16, &b"x"[..]));
    }
}
