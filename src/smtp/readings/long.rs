//! A message that goes on for more than is kept behind its first candidate for an end: the session itself reads it strictly,
//! and only the last few octets of what it reads stay.

use std::collections::VecDeque;

use super::super::dialogue::Dialogue;
use super::super::held::Kept;
use super::super::input::{Input, KeptInput};
use super::super::wire::line::{Piece, Source};
use super::choice::Reading;
use super::scout::{Mute, Scout};
use crate::base::{Side, Tally};
use crate::tcp::Gap;

#[derive(Debug)]
pub(super) struct Long {
    /// The session itself, read strictly as far as nothing was to tell.
    strict: Box<Dialogue>,
    /// The client's bytes that only it has read.
    skipped: Option<Skipped>,
    /// The input since then.
    log: Vec<KeptInput>,
    bytes: usize,
}

/// Client bytes that are not kept, but for the last few: they tell where a line ends.
#[derive(Debug)]
struct Skipped {
    side: Side,
    offset: u64,
    length: u64,
    tail: Vec<u8>,
    from: Source,
}

impl Long {
    /// Reads strictly what is kept: the message goes on, so there is nothing to tell.
    pub(super) fn new(dialogue: &Dialogue, log: &[KeptInput]) -> Long {
        let mut strict = Box::new(dialogue.clone());
        let mut mute = Mute::default();
        *strict.tally() = Tally::default();
        strict.choose(Reading::Strict, &mut mute);
        for kept in log {
            strict.take(&kept.input(), &mut mute);
        }
        Long { strict, skipped: None, log: Vec::new(), bytes: 0 }
    }

    /// Accounted bytes.
    pub(super) fn held(&self) -> usize {
        self.bytes
    }

    /// Reads an input that `scout` has read, if the message goes on behind it; else keeps it.
    pub(super) fn keep(&mut self, input: &Input<'_>, scout: &Scout) {
        if let Input::Bytes(side, piece) = input
            && *side == self.strict.streams().client_side()
            && self.log.is_empty()
            && scout.is_in_silent_data()
        {
            self.strict.take(input, &mut Mute::default());
            let (side, offset, from) = (*side, piece.offset, piece.from);
            let new = || Skipped { side, offset, length: 0, tail: Vec::new(), from };
            self.skipped.get_or_insert_with(new).add(piece);
            return;
        }
        self.bytes = self.bytes.saturating_add(KeptInput::cost(input));
        self.log.push(KeptInput::new(input));
    }

    /// What is left of the input behind the first log: a gap where only the strict reading has read.
    pub(super) fn inputs(&self) -> impl Iterator<Item = KeptInput> {
        self.skipped.iter().flat_map(Skipped::inputs).chain(self.log.iter().cloned())
    }

    /// The strict reading is the session's; returns the input behind it.
    pub(super) fn adopt(mut self, dialogue: &mut Dialogue) -> VecDeque<KeptInput> {
        self.strict.tally().merge(dialogue.tally());
        *dialogue = *self.strict;
        self.log.into()
    }
}

impl Skipped {
    /// CRLF, a dot, and CRLF cut before its LF.
    const TAIL: usize = 4;

    fn add(&mut self, piece: &Piece<'_>) {
        self.length = self.length.saturating_add(piece.bytes.len() as u64);
        self.from = piece.from;
        let from = piece.bytes.len().saturating_sub(Self::TAIL);
        self.tail.extend_from_slice(piece.bytes.get(from..).unwrap_or_default());
        let surplus = self.tail.len().saturating_sub(Self::TAIL);
        self.tail.drain(..surplus);
    }

    fn inputs(&self) -> [KeptInput; 2] {
        let missing = self.length.saturating_sub(self.tail.len() as u64);
        let gap = Gap { side: self.side, offset: self.offset, length: missing, at: self.from.at };
        let tail = Piece { offset: self.offset.saturating_add(missing), bytes: &self.tail, from: self.from };
        [KeptInput::Gap(gap), KeptInput::Bytes(self.side, Kept::new(&tail))]
    }
}
