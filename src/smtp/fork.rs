//! Alternative readings: where bytes can be read in two ways, the replies tell which the server took.
//!
//! At a choice the session stops, and its input is kept. Copies read on, each in one way and telling
//! nobody, until the evidence decides; then the session takes that reading and reads what was kept. So
//! nothing is told twice or taken back, and each event comes with the facts as of then.

use std::collections::VecDeque;

use super::dialogue::{Choice, Dialogue, Reading};
use super::event::Event;
use super::held::Kept;
use super::wire::line::{Piece, Source};
use super::{Hears, Session};
use crate::base::{Moment, Side, Tally};
use crate::tcp::Gap;

/// One call of reassembly.
#[derive(Clone, Copy, Debug)]
pub(super) enum Input<'p> {
    Bytes(Side, Piece<'p>),
    Gap(Gap),
    /// A side's stream ended.
    End(Side, Moment),
}

/// The same, kept.
#[derive(Clone, Debug)]
pub(super) enum KeptInput {
    Bytes(Side, Kept),
    Gap(Gap),
    End(Side, Moment),
}

impl KeptInput {
    pub(super) fn new(input: &Input<'_>) -> KeptInput {
        match input {
            Input::Bytes(side, piece) => KeptInput::Bytes(*side, Kept::new(piece)),
            Input::Gap(gap) => KeptInput::Gap(*gap),
            Input::End(side, at) => KeptInput::End(*side, *at),
        }
    }

    pub(super) fn input(&self) -> Input<'_> {
        match self {
            KeptInput::Bytes(side, kept) => Input::Bytes(*side, kept.piece()),
            KeptInput::Gap(gap) => Input::Gap(*gap),
            KeptInput::End(side, at) => Input::End(*side, *at),
        }
    }

    /// Accounted bytes.
    pub(super) fn cost(input: &Input<'_>) -> usize {
        let bytes = match input {
            Input::Bytes(_, piece) => piece.bytes.len(),
            Input::Gap(_) | Input::End(..) => 0,
        };
        bytes.saturating_add(size_of::<KeptInput>())
    }
}

/// Tells nobody, but counts.
#[derive(Debug, Default)]
struct Mute {
    told: u64,
}

impl Hears for Mute {
    fn hear(&mut self, _: &Event<'_>, _: &Session) {
        self.told = self.told.saturating_add(1);
    }
}

/// A copy of the session that reads on in one way.
#[derive(Debug)]
struct Scout {
    dialogue: Box<Dialogue>,
    mute: Mute,
}

impl Scout {
    fn new(dialogue: &mut Dialogue, reading: Reading) -> Scout {
        let mut scout = Scout { dialogue: Box::new(dialogue.scout()), mute: Mute::default() };
        scout.dialogue.choose(reading, &mut scout.mute);
        scout
    }

    fn take(&mut self, input: &Input<'_>) {
        self.dialogue.take(input, &mut self.mute);
    }

    fn finish_acknowledged_line(&mut self, client: &Piece<'_>) {
        if self.dialogue.client_lines.held() == 0 {
            self.dialogue.finish_acknowledged_line(&client.from, &mut self.mute);
        }
    }

    /// Every command has its reply, and none is left over.
    fn is_answered(&self) -> bool {
        self.dialogue.pending.is_empty() && self.dialogue.misfits == 0
    }
}

/// A choice under trial.
#[derive(Debug)]
pub(super) struct Fork {
    /// The input since the choice, up to [`Fork::MOST`].
    log: Vec<KeptInput>,
    bytes: usize,
    /// A side had seen bytes of the other that had not come.
    ahead: bool,
    trial: Trial,
}

#[derive(Debug)]
enum Trial {
    /// Does a line end at LF?
    LineEnd {
        lf: Scout,
        crlf: Scout,
        /// How often the client, upon a reply, went on though only the reading with CRLF had all its commands
        /// answered; and how many it had had answered then.
        went_on: u32,
        answered: u32,
    },
    /// Does a lone dot end the message?
    EndOfData { strict: Scout, long: Option<Long> },
}

/// A message that goes on for more than is kept behind its first candidate.
#[derive(Debug)]
struct Long {
    /// The session itself, read strictly as far as nothing was to tell.
    strict: Box<Dialogue>,
    /// The client's bytes that only it has read.
    skipped: Option<Skipped>,
    /// The input since then, up to [`Fork::MOST`].
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

impl Fork {
    /// So much input is kept; then the default reading is taken.
    const MOST: usize = 64 << 10;

    pub(super) fn new(dialogue: &mut Dialogue) -> Option<Fork> {
        let trial = match dialogue.choice.as_ref()? {
            Choice::LineEnd(_) => Trial::LineEnd {
                lf: Scout::new(dialogue, Reading::Lf),
                crlf: Scout::new(dialogue, Reading::CrLf),
                went_on: 0,
                answered: 0,
            },
            Choice::EndOfData(_) => Trial::EndOfData { strict: Scout::new(dialogue, Reading::Strict), long: None },
        };
        Some(Fork { log: Vec::new(), bytes: 0, ahead: false, trial })
    }

    /// Bytes that are kept.
    pub(super) fn held(&self) -> usize {
        match &self.trial {
            Trial::EndOfData { long: Some(long), .. } => self.bytes.saturating_add(long.bytes),
            _ => self.bytes,
        }
    }

    /// Keeps an input and tries it; returns the reading if that decides it. `dialogue` is the session as it
    /// stopped at the choice.
    pub(super) fn follow(&mut self, input: &Input<'_>, dialogue: &mut Dialogue) -> Option<Reading> {
        let decided = self.before(input, dialogue.client_side);
        if decided.is_some() {
            self.keep(input);
            return decided;
        }
        match &mut self.trial {
            Trial::LineEnd { lf, crlf, .. } => {
                lf.take(input);
                crlf.take(input);
            }
            Trial::EndOfData { strict, .. } => strict.take(input),
        }
        self.keep(input);
        self.verdict(dialogue)
    }

    /// What the client's next bytes tell by what they acknowledge.
    fn before(&mut self, input: &Input<'_>, client: Side) -> Option<Reading> {
        let Input::Bytes(side, piece) = input else { return None };
        let (Trial::LineEnd { lf: scout, .. } | Trial::EndOfData { strict: scout, .. }) = &self.trial;
        let come = if *side == client { scout.dialogue.server_end } else { scout.dialogue.client_end };
        let ahead = piece.from.seen > Some(come);
        self.ahead |= ahead;
        if *side != client || ahead {
            return None;
        }
        match &mut self.trial {
            Trial::LineEnd { lf, crlf, .. } => {
                lf.finish_acknowledged_line(piece);
                crlf.finish_acknowledged_line(piece);
            }
            Trial::EndOfData { strict, .. } => strict.finish_acknowledged_line(piece),
        }
        let knows_all = |scout: &Scout| piece.from.seen.is_some_and(|seen| seen >= scout.dialogue.server_end);
        match &mut self.trial {
            Trial::LineEnd { lf, .. } if !knows_all(lf) => None,
            Trial::LineEnd { lf, .. } if lf.dialogue.pending.is_empty() => Some(Reading::Lf),
            Trial::LineEnd { crlf, went_on, answered, .. } => {
                if crlf.is_answered() && crlf.dialogue.matched > *answered {
                    *answered = crlf.dialogue.matched;
                    *went_on = went_on.saturating_add(1);
                }
                (*went_on > 1).then_some(Reading::CrLf)
            }
            Trial::EndOfData { strict, .. } => {
                let ended = strict.dialogue.open_data().is_none();
                (ended && strict.is_answered() && knows_all(strict)).then_some(Reading::Strict)
            }
        }
    }

    fn keep(&mut self, input: &Input<'_>) {
        if let Trial::EndOfData { strict, long: Some(long) } = &mut self.trial {
            return long.keep(input, strict);
        }
        self.bytes = self.bytes.saturating_add(KeptInput::cost(input));
        self.log.push(KeptInput::new(input));
    }

    /// What the replies tell.
    fn verdict(&mut self, dialogue: &mut Dialogue) -> Option<Reading> {
        let full = self.bytes > Self::MOST;
        match &mut self.trial {
            Trial::LineEnd { lf, crlf, .. } => {
                let fits = crlf.dialogue.misfits == 0 && crlf.dialogue.odd <= lf.dialogue.odd;
                (full || !fits).then_some(Reading::Lf)
            }
            Trial::EndOfData { strict, .. } if strict.dialogue.misfits > 0 => Some(self.candidate(dialogue)),
            Trial::EndOfData { long: Some(long), .. } => (long.bytes > Self::MOST).then_some(Reading::Strict),
            Trial::EndOfData { strict, long } => {
                if full && strict.mute.told == 0 && strict.dialogue.open_data().is_some() {
                    *long = Some(Long::new(dialogue, &self.log));
                    return None;
                }
                full.then_some(Reading::Strict)
            }
        }
    }

    /// The session is over: what is the reading?
    pub(super) fn verdict_at_end(&self) -> Reading {
        match &self.trial {
            Trial::LineEnd { lf, crlf, went_on, answered } => {
                let later = *went_on > 0 && crlf.dialogue.matched > *answered;
                let proved = later && crlf.is_answered() && !lf.dialogue.pending.is_empty();
                if proved { Reading::CrLf } else { Reading::Lf }
            }
            Trial::EndOfData { .. } => Reading::Strict,
        }
    }

    /// The first candidate that, taken for the end, explains the replies.
    fn candidate(&self, dialogue: &mut Dialogue) -> Reading {
        /// So many candidates are tried.
        const MOST: u32 = 16;
        let Trial::EndOfData { strict, long } = &self.trial else { return Reading::Strict };
        let strict = &strict.dialogue;
        dialogue.smuggled_until = strict.data_end.unwrap_or(strict.client_end);
        let fits = |&reading: &Reading| {
            let mut scout = Scout::new(dialogue, reading);
            let later = long.iter().flat_map(Long::inputs);
            self.log.iter().cloned().chain(later).for_each(|kept| scout.take(&kept.input()));
            scout.dialogue.misfits == 0 && scout.dialogue.odd <= strict.odd
        };
        (0..strict.candidates.min(MOST)).map(Reading::EndAt).find(fits).unwrap_or(Reading::Strict)
    }

    /// Takes the reading; returns the input that is to be read behind it.
    pub(super) fn take(self, reading: Reading, dialogue: &mut Dialogue, hears: &mut dyn Hears) -> VecDeque<KeptInput> {
        let long = match self.trial {
            Trial::EndOfData { long, .. } => long,
            Trial::LineEnd { .. } => None,
        };
        let unproved = reading == Reading::Lf && self.log.iter().any(|kept| matches!(kept, KeptInput::Gap(_)));
        match (long, reading) {
            (Some(mut long), Reading::Strict) => {
                long.strict.tally.merge(&dialogue.tally);
                *dialogue = *long.strict;
                long.log.into()
            }
            (long, reading) => {
                if self.ahead && matches!(reading, Reading::Lf | Reading::CrLf) {
                    // Which reading has more commands than replies cannot be told.
                    dialogue.lose_late();
                }
                if unproved {
                    // The line may have been one with the next: what was in flight is not known.
                    dialogue.sequence.lose();
                }
                dialogue.choose(reading, hears);
                self.log.into_iter().chain(long.iter().flat_map(Long::inputs)).collect()
            }
        }
    }
}

impl Long {
    /// Reads strictly what is kept: the message goes on, so there is nothing to tell.
    fn new(dialogue: &Dialogue, log: &[KeptInput]) -> Long {
        let mut strict = Box::new(dialogue.clone());
        let mut mute = Mute::default();
        strict.tally = Tally::default();
        strict.choose(Reading::Strict, &mut mute);
        for kept in log {
            strict.take(&kept.input(), &mut mute);
        }
        Long { strict, skipped: None, log: Vec::new(), bytes: 0 }
    }

    /// Reads an input that `scout` has read, if the message goes on behind it; else keeps it.
    fn keep(&mut self, input: &Input<'_>, scout: &Scout) {
        if let Input::Bytes(side, piece) = input
            && *side == self.strict.client_side
            && self.log.is_empty()
            && scout.mute.told == 0
            && scout.dialogue.open_data().is_some()
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
    fn inputs(&self) -> impl Iterator<Item = KeptInput> {
        self.skipped.iter().flat_map(Skipped::inputs).chain(self.log.iter().cloned())
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
