//! Message data and chunks as the client sends them: how far they are, and what is known of them.

use std::sync::Arc;

use super::command::Command;
use super::gathered::{Gathered, MessageFacts};
use super::wire::data::{DotScan, Found, LineEnd};
use super::wire::line::{Ending, Piece};
use crate::base::Moment;

/// Message data as it is read.
#[derive(Clone, Debug)]
pub(super) struct Data {
    scan: DotScan,
    gathered: Gathered,
    /// `None` where only its 354 was captured.
    command: Option<Arc<Command>>,
    /// Where in the server's stream the 354 ended.
    prompt_end: Option<u64>,
    bare_lf_at: Option<Moment>,
    bare_cr_at: Option<Moment>,
    /// A reply in the middle answered it, and ended there in the server's stream.
    answered: Option<u64>,
    /// It was told.
    told: bool,
    /// No more choices in this message.
    settled: bool,
    /// Candidates left before the one that ends it.
    end_at: Option<u32>,
    /// Where the first candidate ends.
    candidate: Option<u64>,
}

/// What a lone dot in message data is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Dot {
    /// The end: CRLF.CRLF, or the agreed LF.LF.
    End,
    /// By what was decided, this candidate is the end.
    Chosen(&'static str),
    /// By what was decided, none of the candidates here is.
    Passed,
    /// Nothing was decided yet.
    Open(&'static str),
}

impl Data {
    pub(super) fn new(command: Option<Arc<Command>>, prompt_end: Option<u64>, want_hash: bool) -> Data {
        // Where the command lies in a gap, so may the message's first lines.
        let before = match command.as_ref().map_or(Ending::None, |command| command.ending) {
            Ending::CrLf => LineEnd::CrLf,
            Ending::Lf => LineEnd::Lf,
            Ending::None => LineEnd::Unknown,
        };
        Data {
            scan: DotScan::new(before),
            gathered: Gathered::new(want_hash),
            command,
            prompt_end,
            bare_lf_at: None,
            bare_cr_at: None,
            answered: None,
            told: false,
            settled: false,
            end_at: None,
            candidate: None,
        }
    }

    /// Reads on to the next lone dot, and takes what was read off the piece. With `lf_ends` LF.LF is an agreed end.
    pub(super) fn read(&mut self, piece: &mut Piece<'_>, lf_ends: bool) -> Option<Dot> {
        let (count, found) = self.scan.scan(piece.bytes, lf_ends);
        let part = piece.take(count);
        self.gathered.scanned(&part, &self.scan, found);
        if self.scan.bare_lf && self.bare_lf_at.is_none() {
            self.bare_lf_at = Some(part.from.at);
        }
        if self.scan.bare_cr && self.bare_cr_at.is_none() {
            self.bare_cr_at = Some(part.from.at);
        }
        found.map(|found| self.dot(found))
    }

    /// All that the client said ends in a dot and a CR: whoever answers now has taken that for the end of a line.
    pub(super) fn read_open_dot(&mut self) -> Option<Dot> {
        let found = self.scan.finish_dot()?;
        Some(self.dot(found))
    }

    fn dot(&mut self, found: Found) -> Dot {
        let kind = match found {
            Found::End => return Dot::End,
            Found::Candidate(kind) => kind,
        };
        self.candidate.get_or_insert(self.gathered.stop);
        match &mut self.end_at {
            Some(0) => Dot::Chosen(kind),
            Some(left) => {
                *left = left.saturating_sub(1);
                Dot::Passed
            }
            None if self.settled => Dot::Passed,
            None => Dot::Open(kind),
        }
    }

    /// The candidate of that number, from 0 at the one that is next, ends it; `None`: none of them.
    pub(super) fn decide(&mut self, end_at: Option<u32>) {
        (self.settled, self.end_at) = (true, end_at);
    }

    /// Bytes are missing.
    pub(super) fn miss(&mut self, length: u64) {
        self.scan.lose_place();
        self.gathered.miss(length);
        self.settled = true;
    }

    /// A reply that ends there in the server's stream has answered the message that is still read.
    pub(super) fn answer(&mut self, reply_end: u64) -> MessageFacts {
        (self.answered, self.settled, self.end_at) = (Some(reply_end), true, None);
        self.gathered.facts()
    }

    /// Its header is behind, so no more of it is kept, and no reply has answered it.
    pub(super) fn is_in_body(&self) -> bool {
        self.answered.is_none() && self.gathered.header.is_done()
    }

    /// A reply in the middle has answered it.
    pub(super) fn is_answered(&self) -> bool {
        self.answered.is_some()
    }

    /// Whether a client that had seen so much knew of the reply in the middle.
    pub(super) fn is_known_answered(&self, seen: Option<u64>) -> bool {
        seen.zip(self.answered).is_some_and(|(seen, end)| seen >= end)
    }

    pub(super) fn command(&self) -> Option<&Arc<Command>> {
        self.command.as_ref()
    }

    pub(super) fn prompt_end(&self) -> Option<u64> {
        self.prompt_end
    }

    /// Whether bytes of it are missing.
    pub(super) fn misses(&self) -> bool {
        self.gathered.missing > 0
    }

    /// Where its first candidate for an end stands.
    pub(super) fn candidate(&self) -> Option<u64> {
        self.candidate
    }

    /// Some line of it ended in CRLF.
    pub(super) fn has_crlf(&self) -> bool {
        self.scan.crlf
    }

    /// The position behind what was read.
    pub(super) fn stop(&self) -> u64 {
        self.gathered.stop
    }

    /// Where the first line without CR, and the first CR alone, were; told once.
    pub(super) fn take_faults(&mut self) -> (Option<Moment>, Option<Moment>) {
        (self.bare_lf_at.take(), self.bare_cr_at.take())
    }

    /// Marks it as told; returns whether it was.
    pub(super) fn tell(&mut self) -> bool {
        std::mem::replace(&mut self.told, true)
    }

    pub(super) fn is_told(&self) -> bool {
        self.told
    }

    pub(super) fn gathered(&mut self) -> &mut Gathered {
        &mut self.gathered
    }

    /// Accounted bytes.
    pub(super) fn held(&self) -> usize {
        self.gathered.header.held()
    }

    /// Reads what the next bytes need.
    pub(super) fn touch(&self) -> u64 {
        self.scan.lines ^ self.gathered.captured ^ self.gathered.bytes ^ u64::from(self.is_in_body())
    }
}

/// A BDAT chunk or the octets of XEXCH50 as they are read.
#[derive(Clone, Debug)]
pub(super) struct Chunk {
    command: Arc<Command>,
    left: u64,
    last: bool,
    /// A size that nobody means: the octets end with the server's next reply.
    until_reply: bool,
    /// A reply that ends there in the server's stream refused it before its end.
    refused: Option<u64>,
    gathered: Gathered,
}

impl Chunk {
    pub(super) fn new(command: Arc<Command>, size: u64, last: bool, want_hash: bool) -> Chunk {
        let mut gathered = Gathered::new(want_hash);
        gathered.stop = command.end;
        Chunk { command, left: size, last, until_reply: false, refused: None, gathered }
    }

    /// Octets of a size that nobody means.
    pub(super) fn until_reply(command: Arc<Command>, want_hash: bool) -> Chunk {
        Chunk { until_reply: true, ..Chunk::new(command, u64::MAX, true, want_hash) }
    }

    /// Takes its octets off the piece.
    pub(super) fn read(&mut self, piece: &mut Piece<'_>) {
        let count = usize::try_from(self.left).unwrap_or(usize::MAX).min(piece.bytes.len());
        let part = piece.take(count);
        self.gathered.counted(&part);
        self.left = self.left.saturating_sub(count as u64);
    }

    /// So many bytes are missing; returns how many of them lie behind the chunk.
    pub(super) fn miss(&mut self, length: u64) -> u64 {
        let own = if self.until_reply { length } else { length.min(self.left) };
        self.gathered.miss(own);
        self.left = self.left.saturating_sub(own);
        length.saturating_sub(own)
    }

    pub(super) fn is_complete(&self) -> bool {
        self.left == 0
    }

    /// None of its octets has come.
    pub(super) fn is_untouched(&self) -> bool {
        self.gathered.bytes == 0 && self.gathered.missing == 0
    }

    pub(super) fn ends_with_reply(&self) -> bool {
        self.until_reply
    }

    /// A reply that ends there in the server's stream refused it before its end.
    pub(super) fn refuse(&mut self, reply_end: u64) {
        self.refused = Some(reply_end);
    }

    /// Whether a client that had seen so much knew that it was refused; asked once.
    pub(super) fn take_known_refusal(&mut self, seen: Option<u64>) -> bool {
        let known = seen.zip(self.refused).is_some_and(|(seen, end)| seen >= end);
        if known {
            self.refused = None;
        }
        known
    }

    pub(super) fn is_refused(&self) -> bool {
        self.refused.is_some()
    }

    pub(super) fn command(&self) -> &Arc<Command> {
        &self.command
    }

    pub(super) fn is_last(&self) -> bool {
        self.last
    }

    /// More octets than those are still to come, and its header is behind, so no more of it is kept.
    pub(super) fn goes_on_behind(&self, octets: usize) -> bool {
        self.gathered.header.is_done() && self.refused.is_none() && self.left > octets as u64
    }

    pub(super) fn gathered(&mut self) -> &mut Gathered {
        &mut self.gathered
    }

    /// The position behind what was read.
    pub(super) fn stop(&self) -> u64 {
        self.gathered.stop
    }

    /// Accounted bytes.
    pub(super) fn held(&self) -> usize {
        self.gathered.header.held()
    }
}
