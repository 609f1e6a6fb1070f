//! A reply: one or more server lines, each but the last with a hyphen behind its code (RFC 5321 4.2).

use super::secrets::Secret;
use super::wire::line::{Ending, Line};
use super::wire::reply::{code, is_tabbed, text};
use crate::base::Packets;

/// A complete reply.
#[derive(Clone, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "facts, each on its own")]
pub(crate) struct Reply {
    /// The last line's code; `None` where that line has none (only a greeting can be so).
    pub code: Option<u16>,
    /// Whether the lines before the last have other codes.
    pub codes_differ: bool,
    /// A tab stands behind a code.
    pub tab: bool,
    /// The lines without their line ends, codes included, as they came; at most `Limit::ReplyLines` of
    /// them, and no more behind `Limit::LineLength` octets of text. A line that repeats a secret reads `<redacted>` behind its code: [`Reply::hidden`].
    pub lines: Vec<Vec<u8>>,
    /// Lines beyond the limit.
    pub dropped: u64,
    /// The most octets of one of its lines, line end included.
    pub longest: u64,
    /// A line that ended in LF without CR; a CR without LF.
    pub bare_lf: bool,
    pub bare_cr: bool,
    pub at: Packets,
    /// How far the server had acknowledged the client's stream when it sent the reply's first byte.
    pub seen: Option<u64>,
    /// How far the client's stream had been captured, in packet order, when the reply's first packet was.
    pub captured: u64,
    /// The server had acknowledged the client's FIN when it sent the reply's first byte.
    pub after_fin: bool,
    /// The positions of its first byte and behind its last one in the server's stream.
    pub start: u64,
    pub end: u64,
    /// Not sure to be what it looks like: a gap lies before it.
    pub uncertain: bool,
    /// Its last line never came: a gap, the session's end, or (a greeting) the reply to a client that
    /// spoke before it was complete.
    pub unfinished: bool,
    /// The reply repeats secrets of the client (an AUTH line), or is a challenge: its text is not to be shown.
    pub secret: bool,
    /// The lines whose text is secret, by their place in `lines`.
    pub hidden: Vec<(usize, Secret)>,
}

impl Reply {
    /// Its code is a greeting's: the connection is accepted, or refused (RFC 5321 section 3.1, RFC 7504).
    pub(crate) fn may_greet(&self) -> bool {
        matches!(self.code, Some(220 | 421 | 521 | 554))
    }

    fn new(line: Line, code: Option<u16>) -> Reply {
        let Line { text, octets, ending, bare_cr, start, end, at, seen, captured, after_fin } = line;
        Reply {
            code,
            codes_differ: false,
            tab: is_tabbed(&text),
            lines: vec![text],
            dropped: 0,
            longest: octets,
            bare_lf: ending == Ending::Lf,
            bare_cr,
            at,
            seen,
            captured,
            after_fin,
            start,
            end,
            uncertain: false,
            unfinished: false,
            secret: false,
            hidden: Vec::new(),
        }
    }

    fn add(&mut self, line: Line, code: Option<u16>, keep: Keep) {
        if code.is_some() && self.code.is_some() {
            self.codes_differ |= code != self.code;
            self.code = code;
        }
        self.tab |= is_tabbed(&line.text);
        self.longest = self.longest.max(line.octets);
        self.bare_lf |= line.ending == Ending::Lf;
        self.bare_cr |= line.bare_cr;
        self.at.extend(&line.at);
        self.end = line.end;
        let octets = self.lines.iter().fold(0, |sum: usize, line| sum.saturating_add(line.len()));
        if self.lines.len() < keep.lines && octets < keep.octets {
            self.lines.push(line.text);
        } else {
            self.dropped = self.dropped.saturating_add(1);
        }
    }

    /// Positive: 2yz.
    pub(crate) fn accepts(&self) -> bool {
        matches!(self.code, Some(200..=299))
    }

    /// Whether it says that its command is none here (RFC 5321 section 4.2.4; Exim's 503 where CHUNKING or AUTH was not on
    /// offer).
    pub(super) fn knows_no_such_command(&self) -> bool {
        let says_so = |line: &[u8]| memchr::memmem::find(line, b"not advertised").is_some();
        matches!(self.code, Some(500 | 502)) || self.code == Some(503) && self.texts().any(says_so)
    }

    /// The text of its lines, codes left out.
    pub(crate) fn texts(&self) -> impl Iterator<Item = &[u8]> {
        self.lines.iter().map(|line| text(line))
    }

    /// Octets kept of its lines, and what the lines cost.
    pub(super) fn held(&self) -> usize {
        self.lines
            .iter()
            .fold(0, |sum: usize, line| sum.saturating_add(line.len()).saturating_add(size_of::<Vec<u8>>()))
    }

    /// Takes out of its lines those whose text is secret.
    pub(super) fn hide(&mut self, is_secret: impl Fn(&[u8]) -> bool) {
        for (place, line) in self.lines.iter_mut().enumerate() {
            let behind = text(line);
            if is_secret(behind) {
                let code = line.len().saturating_sub(behind.len());
                let mut shown = line.get(..code).unwrap_or_default().to_vec();
                shown.extend_from_slice(Secret::SHOWN);
                self.hidden.push((place, Secret::new(std::mem::replace(line, shown))));
                self.secret = true;
            }
        }
    }
}

/// How much of a reply is kept.
#[derive(Clone, Copy, Debug)]
pub(super) struct Keep {
    pub lines: usize,
    pub octets: usize,
}

/// What a server line made of the reply under way.
#[derive(Debug)]
pub(super) enum Step {
    /// More lines are to come.
    More,
    Complete(Reply),
    /// The line has no code; the reply under way, if there is one, goes on.
    NoCode(Line),
}

/// Puts replies together, line by line.
#[derive(Clone, Debug, Default)]
pub(super) struct ReplyReader {
    /// A reply of which more lines are to come.
    open: Option<Box<Reply>>,
}

impl ReplyReader {
    pub(super) fn take(&mut self, line: Line, keep: Keep) -> Step {
        let (code, more) = code(&line.text);
        if code.is_none() {
            return Step::NoCode(line);
        }
        match self.open.take() {
            None if !more => Step::Complete(Reply::new(line, code)),
            None => {
                self.open = Some(Box::new(Reply::new(line, code)));
                Step::More
            }
            Some(mut reply) => {
                reply.add(line, code, keep);
                if more {
                    self.open = Some(reply);
                    return Step::More;
                }
                Step::Complete(*reply)
            }
        }
    }

    /// The code of the reply of which lines have come but not the last.
    pub(super) fn open_code(&self) -> Option<u16> {
        self.open.as_ref().and_then(|reply| reply.code)
    }

    /// The position behind what has come of it.
    pub(super) fn open_end(&self) -> Option<u64> {
        self.open.as_ref().map(|reply| reply.end)
    }

    pub(super) fn is_open(&self) -> bool {
        self.open.is_some()
    }

    /// Gives a reply up as far as it came.
    pub(super) fn abandon(&mut self) -> Option<Reply> {
        let mut reply = self.open.take()?;
        reply.unfinished = true;
        Some(*reply)
    }

    /// A reply of one line without a code: only a greeting can be so.
    pub(super) fn codeless(line: Line) -> Reply {
        let (code, _) = code(&line.text);
        Reply::new(line, code)
    }

    pub(super) fn held(&self) -> usize {
        self.open.as_ref().map_or(0, |reply| reply.held())
    }
}
