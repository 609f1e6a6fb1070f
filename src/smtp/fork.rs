//! Alternative readings: where bytes can be read in two ways, the replies tell which the server took.
//!
//! At a choice the session stops, and its input is kept. Copies read on, each in one way and telling
//! nobody, until the evidence decides; then the session takes that reading and reads what was kept. So
//! nothing is told twice or taken back, and each event comes with the facts as of then.

use super::dialogue::{Choice, Dialogue, Reading};
use super::event::Event;
use super::held::Kept;
use super::line::Piece;
use super::{Hears, Session};
use crate::base::{Moment, Side};
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
pub(super) enum Kind {
    Bytes(Side, Kept),
    Gap(Gap),
    End(Side, Moment),
}

impl Kind {
    fn keep(input: &Input<'_>) -> Kind {
        match input {
            Input::Bytes(side, piece) => Kind::Bytes(*side, Kept::new(piece)),
            Input::Gap(gap) => Kind::Gap(*gap),
            Input::End(side, at) => Kind::End(*side, *at),
        }
    }

    pub(super) fn input(&self) -> Input<'_> {
        match self {
            Kind::Bytes(side, kept) => Input::Bytes(*side, kept.piece()),
            Kind::Gap(gap) => Input::Gap(*gap),
            Kind::End(side, at) => Input::End(*side, *at),
        }
    }
}

/// Hears nothing.
struct Mute;

impl Hears for Mute {
    fn hear(&mut self, _: &Event<'_>, _: &Session) {}
}

/// A choice under trial.
#[derive(Debug)]
pub(super) struct Fork {
    pub log: Vec<Kind>,
    bytes: usize,
    trial: Trial,
}

#[derive(Debug)]
enum Trial {
    LineEnd {
        lf: Box<Dialogue>,
        crlf: Box<Dialogue>,
        /// How often the client went on though only the reading with CRLF had all its commands answered.
        went_on: u32,
    },
    EndOfData {
        strict: Box<Dialogue>,
    },
}

impl Fork {
    /// So much input is kept; then the default reading is taken.
    const MOST: usize = 64 << 10;

    pub(super) fn new(dialogue: &mut Dialogue) -> Option<Fork> {
        let trial = match dialogue.choice.as_ref()? {
            Choice::LineEnd(_) => Trial::LineEnd {
                lf: Box::new(try_reading(dialogue, Reading::Lf)),
                crlf: Box::new(try_reading(dialogue, Reading::CrLf)),
                went_on: 0,
            },
            Choice::EndOfData(_) => Trial::EndOfData { strict: Box::new(try_reading(dialogue, Reading::Strict)) },
        };
        Some(Fork { log: Vec::new(), bytes: 0, trial })
    }

    pub(super) fn held(&self) -> usize {
        self.bytes
    }

    /// Keeps an input and tries it; returns the reading if that decides it. `dialogue` is the session as it
    /// stopped at the choice.
    pub(super) fn follow(&mut self, input: &Input<'_>, dialogue: &mut Dialogue) -> Option<Reading> {
        let decided = self.before(input, dialogue.client_side);
        let kept = Kind::keep(input);
        self.bytes = self.bytes.saturating_add(size_of::<Kind>());
        if let Input::Bytes(_, piece) = input {
            self.bytes = self.bytes.saturating_add(piece.bytes.len());
        }
        self.log.push(kept);
        if decided.is_some() {
            return decided;
        }
        match &mut self.trial {
            Trial::LineEnd { lf, crlf, .. } => {
                lf.take(input, &mut Mute);
                crlf.take(input, &mut Mute);
            }
            Trial::EndOfData { strict } => strict.take(input, &mut Mute),
        }
        self.verdict(dialogue)
    }

    /// What the client's next bytes tell by what they acknowledge.
    fn before(&mut self, input: &Input<'_>, client: Side) -> Option<Reading> {
        let Input::Bytes(side, piece) = input else { return None };
        if *side != client {
            return None;
        }
        match &mut self.trial {
            Trial::LineEnd { lf, crlf, went_on } => {
                piece.from.seen.filter(|&seen| seen >= lf.server_end)?;
                if lf.pending.is_empty() {
                    return Some(Reading::Lf);
                }
                if crlf.pending.is_empty() && crlf.misfits == 0 {
                    *went_on = went_on.saturating_add(1);
                    return (*went_on > 1).then_some(Reading::CrLf);
                }
                None
            }
            Trial::EndOfData { strict } => {
                let answered = strict.pending.is_empty() && strict.open_data().is_none();
                let all = piece.from.seen.is_some_and(|seen| seen >= strict.server_end);
                (answered && all).then_some(Reading::Strict)
            }
        }
    }

    /// What the replies tell.
    fn verdict(&self, dialogue: &mut Dialogue) -> Option<Reading> {
        match &self.trial {
            Trial::LineEnd { crlf, .. } if crlf.misfits > 0 => Some(Reading::Lf),
            Trial::LineEnd { .. } => (self.bytes > Self::MOST).then_some(Reading::Lf),
            Trial::EndOfData { strict } if strict.misfits > 0 => Some(self.candidate(strict, dialogue)),
            Trial::EndOfData { .. } => (self.bytes > Self::MOST).then_some(Reading::Strict),
        }
    }

    /// The session is over: what is the reading?
    pub(super) fn verdict_at_end(&self) -> Reading {
        match &self.trial {
            Trial::LineEnd { lf, crlf, went_on } => {
                let answered = *went_on > 0 && crlf.pending.is_empty() && crlf.misfits == 0;
                if answered && !lf.pending.is_empty() { Reading::CrLf } else { Reading::Lf }
            }
            Trial::EndOfData { .. } => Reading::Strict,
        }
    }

    /// The first candidate that, taken for the end, leaves no reply unexplained.
    fn candidate(&self, strict: &Dialogue, dialogue: &mut Dialogue) -> Reading {
        /// So many candidates are tried.
        const MOST: u32 = 16;
        dialogue.smuggled_until = strict.data_end.unwrap_or(strict.client_end);
        (0..strict.candidates.min(MOST))
            .map(Reading::EndAt)
            .find(|&reading| {
                let mut trial = try_reading(dialogue, reading);
                for kept in &self.log {
                    trial.take(&kept.input(), &mut Mute);
                }
                trial.misfits == 0
            })
            .unwrap_or(Reading::Strict)
    }
}

fn try_reading(dialogue: &mut Dialogue, reading: Reading) -> Dialogue {
    let mut scout = dialogue.scout();
    scout.choose(reading, &mut Mute);
    scout
}
