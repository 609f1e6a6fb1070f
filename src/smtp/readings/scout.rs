//! A copy of the session that reads on in one way, and tells nobody.

use super::super::dialogue::Dialogue;
use super::super::event::Event;
use super::super::input::Input;
use super::super::{Hears, Session};
use super::choice::Reading;

/// Tells nobody, but counts.
#[derive(Debug, Default)]
pub(super) struct Mute {
    told: u64,
}

impl Hears for Mute {
    fn hear(&mut self, _: &Event<'_>, _: &Session) {
        self.told = self.told.saturating_add(1);
    }
}

/// A copy of the session that reads on in one way.
#[derive(Debug)]
pub(super) struct Scout {
    pub dialogue: Box<Dialogue>,
    mute: Mute,
}

impl Scout {
    pub(super) fn new(dialogue: &mut Dialogue, reading: Reading) -> Scout {
        let mut scout = Scout { dialogue: Box::new(dialogue.scout()), mute: Mute::default() };
        scout.dialogue.choose(reading, &mut scout.mute);
        scout
    }

    pub(super) fn take(&mut self, input: &Input<'_>) {
        self.dialogue.take(input, &mut self.mute);
    }

    /// Ends the server's open line where the client has seen exactly that much of it.
    pub(super) fn end_open_line(&mut self, seen: Option<u64>) {
        self.dialogue.end_open_line(seen, &mut self.mute);
    }

    /// Every command has its reply, and none is left over.
    pub(super) fn is_answered(&self) -> bool {
        self.dialogue.is_answered() && self.dialogue.score().misfits == 0
    }

    /// Whether a side that had seen so much had seen all that the server said.
    pub(super) fn is_known(&self, seen: Option<u64>) -> bool {
        self.dialogue.streams().client_waited(seen)
    }

    /// What cannot be in this reading.
    pub(super) fn faults(&self) -> u32 {
        let score = self.dialogue.score();
        score.misfits.saturating_add(score.odd)
    }

    /// It has told nothing, for it is in the middle of a message.
    pub(super) fn is_in_silent_data(&self) -> bool {
        self.mute.told == 0 && self.dialogue.is_in_data()
    }
}
