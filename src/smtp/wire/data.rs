//! Message data: where it ends (RFC 5321 4.5.2), and what a record tells of it.
//!
//! Blocks in which every line ends in CRLF and none begins with a dot, which most are, are passed over as they lie
//! ([`plain`]); the others are searched from line end to line end. Only header lines, up to the empty line and
//! 64 KiB at most, are copied.

use memchr::memchr2;

/// What stood before or behind a lone dot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::smtp) enum LineEnd {
    CrLf,
    Lf,
    Cr,
    /// CRs, and then CRLF: some servers strip every CR before the LF (Postfix, measured).
    CrCrLf,
    /// A gap: nobody knows.
    Unknown,
}

/// What a scan came upon.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::smtp) enum Found {
    /// CRLF.CRLF, or the agreed LF.LF.
    End,
    /// Another lone dot between line ends, by its name; some servers end data there.
    Candidate(&'static str),
}

/// The line of a closing dot, as far as it has come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::smtp) struct DotLine {
    dot: bool,
    crs: u64,
    pub lf: bool,
}

impl DotLine {
    pub(in crate::smtp) fn len(&self) -> u64 {
        u64::from(self.dot).saturating_add(self.crs).saturating_add(u64::from(self.lf))
    }

    /// Its octets, in pieces.
    pub(in crate::smtp) fn pieces(&self) -> impl Iterator<Item = &'static [u8]> + use<> {
        let dot: &[u8] = if self.dot { b"." } else { b"" };
        let lf: &[u8] = if self.lf { b"\n" } else { b"" };
        let crs = (0..self.crs).map(|_| b"\r".as_slice());
        std::iter::once(dot).chain(crs).chain([lf])
    }
}

/// What the current line holds so far.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Content {
    Empty,
    Dot,
    /// A dot and NULs: `OpenSMTPD` reads up to the first (6.8, measured).
    DotNul,
    Other,
}

/// Finds the end of message data over any number of pieces.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "facts, each on its own")]
pub(in crate::smtp) struct DotScan {
    before: LineEnd,
    content: Content,
    /// The last byte was a CR; the next one tells whether an LF follows.
    cr: bool,
    /// So many CRs stand behind a lone dot.
    crs: u64,
    pub lines: u64,
    pub bare_lf: bool,
    pub bare_cr: bool,
    pub crlf: bool,
}

impl DotScan {
    /// Begins behind the line that began the data, which ended in `before`.
    pub(in crate::smtp) fn new(before: LineEnd) -> DotScan {
        DotScan {
            before,
            content: Content::Empty,
            cr: false,
            crs: 0,
            lines: 0,
            bare_lf: false,
            bare_cr: false,
            crlf: false,
        }
    }

    /// Nothing follows a dot and its CR: takes that for a line end; returns what the dot then is.
    pub(in crate::smtp) fn finish_dot(&mut self) -> Option<Found> {
        if !self.cr || self.content != Content::Dot {
            return None;
        }
        self.cr = false;
        self.line_end(LineEnd::Cr, false)
    }

    /// After a gap: what stood before is unknown.
    pub(in crate::smtp) fn lose_place(&mut self) {
        (self.before, self.content, self.cr, self.crs) = (LineEnd::Unknown, Content::Empty, false, 0);
    }

    /// Scans up to the first lone dot; returns the bytes consumed (its line end included) and what it is.
    /// With `lf_ends` LF.LF is an agreed end: no line of the session so far ended in CRLF.
    pub(in crate::smtp) fn scan(&mut self, bytes: &[u8], lf_ends: bool) -> (usize, Option<Found>) {
        if let [byte] = bytes
            && !(self.cr || is_line_end(*byte))
        {
            // One byte of a line: nothing is to be searched.
            self.text(bytes);
            return (1, None);
        }
        let mut consumed = 0_usize;
        while let Some(rest) = bytes.get(consumed..).filter(|rest| !rest.is_empty()) {
            // Passes over what is plain, and searches the small block behind it.
            let passed = self.pass(rest);
            let rest = rest.get(passed..).unwrap_or_default();
            let (count, found) = self.search(rest, SMALL, lf_ends);
            consumed = consumed.saturating_add(passed).saturating_add(count);
            if found.is_some() {
                return (consumed, found);
            }
        }
        (bytes.len(), None)
    }

    /// Passes over the plain blocks at the beginning; returns how many bytes these are.
    fn pass(&mut self, bytes: &[u8]) -> usize {
        if bytes.len() < SMALL {
            return 0;
        }
        // A block is looked at alone: its first byte must not make a line end or a dot with what is before it.
        let joins = match bytes.first() {
            Some(b'\n') => true,
            Some(b'.') => self.content == Content::Empty,
            _ => false,
        };
        if joins || self.cr || matches!(self.content, Content::Dot | Content::DotNul) {
            return 0;
        }
        // By the widest instructions that this processor has.
        let (passed, feeds) = fearless_simd::dispatch!(fearless_simd::Level::new(), _ => plain(bytes));
        let Some(&[last_but_one, last]) = bytes.get(..passed).and_then(<[u8]>::last_chunk) else { return 0 };
        self.cr = last == b'\r';
        // The LF of that CR is behind the block.
        let lines = feeds.saturating_sub(u64::from(self.cr));
        if lines > 0 {
            (self.before, self.crlf) = (LineEnd::CrLf, true);
            self.lines = self.lines.saturating_add(lines);
        }
        let begins = last == b'\n' || self.cr && last_but_one == b'\n';
        self.content = if begins { Content::Empty } else { Content::Other };
        passed
    }

    /// Searches from line end to line end, until at least so many bytes are consumed (and what ends a line is known)
    /// or a lone dot is found.
    fn search(&mut self, bytes: &[u8], least: usize, lf_ends: bool) -> (usize, Option<Found>) {
        let mut rest = bytes;
        let consumed = |rest: &[u8]| bytes.len().saturating_sub(rest.len());
        while let Some((&first, behind)) = rest.split_first()
            && (self.cr || consumed(rest) < least)
        {
            let end = if self.cr {
                if first == b'\r' && self.content == Content::Dot {
                    // The longest reading of a dot's line end comes first.
                    rest = behind;
                    self.crs = self.crs.saturating_add(1);
                    continue;
                }
                self.cr = false;
                match first {
                    b'\n' => {
                        rest = behind;
                        if self.crs > 0 && self.content == Content::Dot { LineEnd::CrCrLf } else { LineEnd::CrLf }
                    }
                    _ => LineEnd::Cr,
                }
            } else {
                let at = memchr2(b'\r', b'\n', rest);
                let (text, ending) = rest.split_at_checked(at.unwrap_or(rest.len())).unwrap_or((rest, &[]));
                self.text(text);
                rest = ending.get(1..).unwrap_or_default();
                match ending.first() {
                    Some(b'\n') => LineEnd::Lf,
                    Some(_) => {
                        self.cr = true;
                        continue;
                    }
                    None => continue,
                }
            };
            if let Some(found) = self.line_end(end, lf_ends) {
                return (consumed(rest), Some(found));
            }
        }
        (consumed(rest), None)
    }

    /// The last scanned bytes that may belong to the line of a closing dot.
    pub(in crate::smtp) fn dot_line(&self, found: Option<Found>) -> DotLine {
        let crs = self.crs.saturating_add(1);
        match (found, self.content, self.before, self.cr) {
            (Some(_), _, LineEnd::CrLf | LineEnd::CrCrLf, _) => DotLine { dot: true, crs, lf: true },
            (Some(_), _, LineEnd::Lf, _) => DotLine { dot: true, crs: 0, lf: true },
            (Some(_), _, _, _) | (None, Content::Dot, _, true) => DotLine { dot: true, crs, lf: false },
            (None, Content::Dot, _, false) => DotLine { dot: true, crs: 0, lf: false },
            (None, _, _, _) => DotLine::default(),
        }
    }

    fn text(&mut self, text: &[u8]) {
        self.content = match (self.content, text) {
            (content, []) => content,
            (Content::Empty, b".") => {
                self.crs = 0;
                Content::Dot
            }
            (Content::Dot | Content::DotNul, nuls) if nuls.iter().all(|&byte| byte == 0) => Content::DotNul,
            (Content::Empty, [b'.', nuls @ ..]) if nuls.iter().all(|&byte| byte == 0) => Content::DotNul,
            _ => Content::Other,
        };
    }

    fn line_end(&mut self, end: LineEnd, lf_ends: bool) -> Option<Found> {
        use LineEnd::{Cr, CrCrLf, CrLf, Lf, Unknown};
        match end {
            CrLf => self.crlf = true,
            CrCrLf => (self.crlf, self.bare_cr) = (true, true),
            // Behind a gap its CR may be what is missing.
            Lf => self.bare_lf |= self.before != Unknown || self.content != Content::Empty,
            Cr | Unknown => self.bare_cr = true,
        }
        if end != Cr {
            self.lines = self.lines.saturating_add(1);
        }
        let before = std::mem::replace(&mut self.before, end);
        match std::mem::replace(&mut self.content, Content::Empty) {
            Content::Dot => {}
            Content::DotNul if end != Unknown => return Some(Found::Candidate("dot and NUL")),
            _ => return None,
        }
        // What a line end was made of does not matter to the line behind it.
        let before = if before == CrCrLf { CrLf } else { before };
        Some(match (before, end) {
            (CrLf, CrLf) => Found::End,
            (Lf, Lf) if lf_ends && !self.crlf => Found::End,
            (Lf, Lf) => Found::Candidate("LF.LF"),
            (Lf, CrLf) => Found::Candidate("LF.CRLF"),
            (Lf, Cr) => Found::Candidate("LF.CR"),
            (Lf, CrCrLf) => Found::Candidate("LF.CRCRLF"),
            (CrLf, Lf) => Found::Candidate("CRLF.LF"),
            (CrLf, Cr) => Found::Candidate("CRLF.CR"),
            (CrLf, CrCrLf) => Found::Candidate("CRLF.CRCRLF"),
            (Cr, Cr) => Found::Candidate("CR.CR"),
            (Cr, Lf) => Found::Candidate("CR.LF"),
            (Cr, CrLf) => Found::Candidate("CR.CRLF"),
            (Cr, CrCrLf) => Found::Candidate("CR.CRCRLF"),
            (Unknown | CrCrLf, _) | (_, Unknown) => return None,
        })
    }
}

fn is_line_end(byte: u8) -> bool {
    matches!(byte, b'\r' | b'\n')
}

/// So many bytes are looked at together, a block and the two behind it: the compiler turns the loop over them into
/// vector instructions, and the larger the block, the less its end costs. Four large ones nearly fill a segment of
/// Ethernet; what they leave over is looked at in small ones.
const LARGE: usize = 352 + 2;
const SMALL: usize = 32 + 2;

/// How many bytes at the beginning, in whole blocks, hold no CR but before an LF, no LF but behind a CR (the first byte
/// is not looked at for that), and no CRLF before a dot; and how many LFs there are among them and the byte behind.
#[expect(clippy::inline_always, reason = "so it is compiled for each kind of processor")]
#[inline(always)]
fn plain(bytes: &[u8]) -> (usize, u64) {
    let (large, feeds_in_large) = plain_blocks::<LARGE>(bytes);
    let (small, feeds_in_small) = plain_blocks::<SMALL>(bytes.get(large..).unwrap_or_default());
    (large.saturating_add(small), feeds_in_large.saturating_add(feeds_in_small))
}

#[expect(clippy::inline_always, reason = "as above")]
#[inline(always)]
fn plain_blocks<const WINDOW: usize>(bytes: &[u8]) -> (usize, u64) {
    let (mut passed, mut feeds) = (0_usize, 0_u64);
    while let Some(window) = bytes.get(passed..).and_then(<[u8]>::first_chunk::<WINDOW>) {
        let (mut odd, mut count) = (0_u8, 0_u8);
        let next = window.get(1..).unwrap_or_default();
        let next_but_one = window.get(2..).unwrap_or_default();
        for ((&byte, &next), &next_but_one) in window.iter().zip(next).zip(next_but_one) {
            // All as numbers, without a branch.
            let (cr, lf, dot) = (u8::from(byte == b'\r'), u8::from(next == b'\n'), u8::from(next_but_one == b'.'));
            odd |= (cr ^ lf) | (cr & dot);
            count = count.wrapping_add(lf);
        }
        if odd != 0 {
            break;
        }
        feeds = feeds.saturating_add(u64::from(count));
        passed = passed.saturating_add(WINDOW.saturating_sub(2));
    }
    (passed, feeds)
}

/// Header lines, up to the empty line (RFC 5322 2.1), for Subject and Message-ID.
#[derive(Clone, Debug, Default)]
pub(in crate::smtp) struct Header {
    bytes: Vec<u8>,
    done: bool,
}

impl Header {
    /// So much of a header is read.
    const MOST: usize = 64 << 10;
    /// So much of a field is kept.
    const FIELD: usize = 4096;

    pub(in crate::smtp) fn take(&mut self, bytes: &[u8]) {
        if self.done {
            return;
        }
        let from = self.bytes.len().saturating_sub(3);
        let room = Self::MOST.saturating_sub(self.bytes.len());
        self.bytes.extend_from_slice(bytes.get(..room).unwrap_or(bytes));
        if matches!(self.bytes.as_slice(), [b'\n', ..] | [b'\r', b'\n', ..]) {
            self.bytes.clear();
            self.done = true;
            return;
        }
        let new = self.bytes.get(from..).unwrap_or_default();
        let end = memchr::memchr_iter(b'\n', new)
            .find(|&at| matches!(new.get(at.wrapping_add(1)..), Some([b'\n', ..] | [b'\r', b'\n', ..])));
        if let Some(at) = end {
            self.bytes.truncate(from.saturating_add(at).saturating_add(1));
        }
        self.done = end.is_some() || self.bytes.len() >= Self::MOST;
    }

    pub(in crate::smtp) fn done(&mut self) {
        self.done = true;
    }

    pub(in crate::smtp) fn is_done(&self) -> bool {
        self.done
    }

    pub(in crate::smtp) fn held(&self) -> usize {
        self.bytes.len()
    }

    /// Its lines without their ends.
    fn lines(&self) -> impl Iterator<Item = &[u8]> {
        let ends = memchr::memchr_iter(b'\n', &self.bytes).chain([self.bytes.len()]);
        let starts = std::iter::once(0).chain(ends.clone().map(|end| end.saturating_add(1)));
        let line = |(start, end): (usize, usize)| self.bytes.get(start..end).unwrap_or_default();
        starts.zip(ends).map(line).map(|line| line.strip_suffix(b"\r").unwrap_or(line))
    }

    /// The first field of that name, unfolded (RFC 5322 2.2.3), without the blanks around it.
    pub(in crate::smtp) fn field(&self, name: &[u8]) -> Option<Vec<u8>> {
        let mut lines = self.lines();
        let first = lines.by_ref().find_map(|line| {
            let (head, value) = line.split_at_checked(name.len())?;
            let value = value.trim_ascii_start().strip_prefix(b":")?;
            head.eq_ignore_ascii_case(name).then_some(value)
        })?;
        let mut value = first.to_vec();
        for folded in lines.take_while(|line| line.first().is_some_and(|&byte| super::verb::is_blank(byte))) {
            value.extend_from_slice(folded);
        }
        value.truncate(Self::FIELD);
        Some(value.trim_ascii().to_vec())
    }
}

#[cfg(test)]
#[expect(clippy::arithmetic_side_effects, reason = "positions in short literals")]
mod tests {
    use proptest::prelude::*;

    use super::*;

    type Case = (&'static [u8], &'static [(usize, Found)]);

    /// Every lone dot that is found, over pieces of `size` bytes, and how many bytes stood before its end.
    fn dots(bytes: &[u8], size: usize, lf_ends: bool) -> Vec<(usize, Found)> {
        let mut scan = DotScan::new(LineEnd::CrLf);
        let (mut at, mut found) = (0, Vec::new());
        for mut piece in bytes.chunks(size) {
            while !piece.is_empty() {
                let (consumed, what) = scan.scan(piece, lf_ends);
                at += consumed;
                piece = &piece[consumed..];
                found.extend(what.map(|what| (at, what)));
            }
        }
        found
    }

    #[test]
    fn every_kind_of_lone_dot_is_told_apart_however_it_is_cut() {
        let cases: [Case; 12] = [
            (b"a\r\n.\r\nb", &[(6, Found::End)]),
            (b".\r\n", &[(3, Found::End)]),
            (b"a\n.\nb", &[(4, Found::Candidate("LF.LF"))]),
            (b"a\n.\r\nb", &[(5, Found::Candidate("LF.CRLF"))]),
            (b"a\r\n.\nb", &[(5, Found::Candidate("CRLF.LF"))]),
            (b"a\r.\rb", &[(4, Found::Candidate("CR.CR"))]),
            (b"a\r.\r\nb", &[(5, Found::Candidate("CR.CRLF"))]),
            (b"a\r.\nb", &[(4, Found::Candidate("CR.LF"))]),
            (b"a\n.\rb", &[(4, Found::Candidate("LF.CR"))]),
            (b"a\r\n.\rb", &[(5, Found::Candidate("CRLF.CR"))]),
            (b"a\r\n..\r\n.x\r\n. \r\n", &[]),
            (b"a\n.\n.\r\n", &[(4, Found::Candidate("LF.LF")), (7, Found::Candidate("LF.CRLF"))]),
        ];
        for (bytes, expected) in cases {
            for size in 1..=bytes.len() {
                assert_eq!(dots(bytes, size, false), expected, "{:?} by {size}", bytes.escape_ascii().to_string());
            }
        }
    }

    /// Message text of few symbols, in which plain blocks and everything odd are likely, and where it is cut.
    fn text_and_cuts() -> impl Strategy<Value = (Vec<u8>, Vec<usize>)> {
        let odd = prop::sample::select(vec!["\r", "\n", ".", "a", "\r\n", "\r\n.", "\r\n.\r\n", "\n.\n", "\r\r\n"]);
        let ends = prop::sample::select(vec!["\r\n", "\r\n", "\n"]);
        let line = (0..150_usize, ends).prop_map(|(length, end)| ["a".repeat(length).as_str(), end].concat());
        let word = prop_oneof![1 => odd.prop_map(str::to_owned), 3 => line];
        let text = prop::collection::vec(word, 0..40).prop_map(|words| words.concat().into_bytes());
        (text, prop::collection::vec(prop_oneof![1..4_usize, 1..400_usize], 0..12))
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn passing_over_plain_blocks_changes_nothing((text, cuts) in text_and_cuts(), lf_ends: bool, lost: bool) {
            let begin = DotScan::new(if lost { LineEnd::Unknown } else { LineEnd::CrLf });
            let (mut blocks, mut lines) = (begin.clone(), begin);
            let mut rest = text.as_slice();
            for cut in cuts.into_iter().chain([usize::MAX]) {
                let (mut piece, behind) = rest.split_at_checked(cut).unwrap_or((rest, &[]));
                rest = behind;
                while !piece.is_empty() {
                    let found = blocks.scan(piece, lf_ends);
                    prop_assert_eq!(found, lines.search(piece, usize::MAX, lf_ends));
                    prop_assert_eq!(&blocks, &lines);
                    piece = &piece[found.0..];
                }
            }
        }
    }

    #[test]
    fn plain_blocks_are_passed_over_whole() {
        let line = [b"a".repeat(70), b"\r\n".to_vec()].concat();
        let dotted = [line.repeat(6), b".".to_vec(), line.repeat(6)].concat();
        assert_eq!(plain_blocks::<LARGE>(&line.repeat(21)), (1408, 19));
        assert_eq!((plain_blocks::<LARGE>(&dotted), plain_blocks::<SMALL>(&dotted)), ((352, 4), (416, 5)));
        assert_eq!(DotScan::new(LineEnd::CrLf).pass(&line.repeat(21)), 1504);
    }

    #[test]
    fn lf_dot_lf_ends_data_only_where_no_line_ended_in_crlf() {
        assert_eq!(dots(b"a\n.\n", 9, true), [(4, Found::End)]);
        assert_eq!(dots(b"a\r\nb\n.\n", 9, true), [(7, Found::Candidate("LF.LF"))]);
    }

    #[test]
    fn a_folded_subject_is_unfolded_and_the_body_is_not_read() {
        let mut header = Header::default();
        for byte in b"From: x\r\nSUBJECT: one\r\n two\r\nMessage-Id: <1@x>\r\n\r\nSubject: body\r\n" {
            header.take(&[*byte]);
        }
        assert_eq!(header.field(b"Subject").unwrap(), b"one two");
        assert_eq!(header.field(b"Message-ID").unwrap(), b"<1@x>");
        assert_eq!(header.field(b"To"), None);
    }
}
