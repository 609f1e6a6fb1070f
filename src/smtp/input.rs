//! What reassembly hands on, as it comes and as it is kept.

use super::held::Kept;
use super::wire::line::Piece;
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
