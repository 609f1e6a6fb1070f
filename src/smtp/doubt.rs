//! Doubt: what bytes that are missing hide, and until when (SESSION.md, the rows on gaps; RULES.md, *After loss*).

use serde::{Deserialize, Serialize};

/// What of a session is not known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Doubt {
    /// What depends on sequence, groups or replies.
    sequence: bool,
    /// Whether lines are commands.
    lines: bool,
    /// Where the client's bytes begin behind what was lost.
    lost_at: Option<u64>,
    /// Commands that begin before this place in the client's stream may be message text, though a reply seemed to prove the
    /// first of them.
    unproved_until: u64,
}

impl Doubt {
    /// Of a session captured from its start, or picked up midway.
    pub(super) fn new(from_start: bool) -> Doubt {
        Doubt { sequence: !from_start, lines: !from_start, lost_at: None, unproved_until: 0 }
    }

    /// For tests of rules: of a session in which bytes are missing.
    #[cfg(test)]
    pub(crate) fn after_loss() -> Doubt {
        Doubt { sequence: true, ..Doubt::new(true) }
    }

    /// Bytes are missing or came behind what acknowledges them, or the session was picked up midway, and no MAIL, RSET,
    /// HELO or EHLO has got 250 since: what depends on sequence, groups or replies cannot be told.
    pub(crate) fn rests(&self) -> bool {
        self.sequence
    }

    /// What is read as commands may be something else (message text, an exchange, TLS): bytes that would tell are missing,
    /// and no MAIL, RSET, HELO or EHLO has got 250 since.
    pub(crate) fn of_lines(&self) -> bool {
        self.lines
    }

    /// Bytes of either side are missing, or come late.
    pub(super) fn of_sequence(&mut self) {
        self.sequence = true;
    }

    /// Bytes are missing that would tell what the client's lines are.
    pub(super) fn whether_commands(&mut self) {
        self.lines = true;
    }

    /// The client's bytes are missing before that place of its stream.
    pub(super) fn lose_client(&mut self, until: u64) {
        self.lines = true;
        self.lost_at = Some(until);
    }

    /// Whether the client's bytes directly before that place are missing.
    pub(super) fn lost_before(&self, start: u64) -> bool {
        self.lost_at == Some(start)
    }

    /// Text up to there may hold what looks like commands.
    pub(super) fn unproved_until(&mut self, position: u64) {
        self.unproved_until = position;
    }

    /// A MAIL, RSET, HELO or EHLO that began there got 250: everything is known again.
    pub(super) fn settle(&mut self, start: u64) {
        if start >= self.unproved_until {
            (self.sequence, self.lines) = (false, false);
        }
    }

    /// What was lost lies in the other role's stream now.
    pub(super) fn turn(&mut self) {
        self.lost_at = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_proved_ends_doubt() {
        let mut doubt = Doubt::new(true);
        doubt.lose_client(10);
        doubt.of_sequence();
        assert!(doubt.rests() && doubt.of_lines() && doubt.lost_before(10) && !doubt.lost_before(11));
        doubt.unproved_until(30);
        doubt.settle(20);
        assert!(doubt.rests() && doubt.of_lines(), "it may be message text");
        doubt.settle(30);
        assert!(!doubt.rests() && !doubt.of_lines());
    }
}
