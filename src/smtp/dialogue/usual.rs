//! The usual chunk: more of what its sender was sending, at which nothing is to decide.
//!
//! Most chunks are message data, TLS, or part of a line. They need little of the session's state, which in a scan of many
//! sessions is far away: what is asked here stands at the front of [`Dialogue`]. Whatever else comes takes the long way,
//! through [`Dialogue::bytes`], which reads these chunks to the same effect.

use super::Dialogue;
use crate::base::Side;
use crate::smtp::Hears;
use crate::smtp::client::State;
use crate::smtp::wire::line::Piece;
use crate::tcp::Reach;

impl Dialogue {
    /// Reads what is usual, and takes it off the piece. Returns by how many bytes more is held, or `None` if (the rest of)
    /// the piece is to take the long way.
    pub(in crate::smtp) fn read_on(
        &mut self,
        side: Side,
        piece: &mut Piece<'_>,
        hears: &mut dyn Hears,
    ) -> Option<usize> {
        if self.choices.is_open() {
            None
        } else if side == self.streams.client_side() {
            self.client_goes_on(piece, hears)
        } else {
            self.server_goes_on(piece)
        }
    }

    /// Reads what [`Dialogue::read_on`] will need, so that it is in the cache by then.
    pub(in crate::smtp) fn prefetch(&self, reach: Reach) -> u64 {
        match (reach, &*self.client) {
            (Reach::Listener, _) => {
                let open = self.choices.is_open() ^ self.lines.client.is_open() ^ self.lines.server.is_open();
                let flags = self.session.client_crlf ^ self.session.server_heard ^ open;
                self.streams.client_end()
                    ^ u64::from(self.streams.client_acks())
                    ^ self.held.len() as u64
                    ^ self.session.last.ordinal.frame()
                    ^ u64::from(flags)
            }
            (Reach::Behind, State::Data(data)) => data.touch(),
            _ => 0,
        }
    }

    fn client_goes_on(&mut self, piece: &mut Piece<'_>, hears: &mut dyn Hears) -> Option<usize> {
        let first_ack = !self.streams.client_acks() && crate::smtp::streams::acknowledges(piece);
        let ahead = self.streams.client_is_ahead(piece.from.seen);
        if first_ack || ahead || !self.held.is_empty() || self.lines.server.is_open() || !self.session.server_heard {
            return None;
        }
        let more = match &mut *self.client {
            State::Data(data) if data.is_in_body() => {
                self.read_data(piece, hears);
                // A lone dot may have ended it, or left a choice.
                let goes_on = piece.is_empty() && matches!(*self.client, State::Data(_)) && !self.choices.is_open();
                goes_on.then_some(0)?
            }
            State::Chunk(chunk) if chunk.goes_on_behind(piece.bytes.len()) => {
                chunk.read(piece);
                0
            }
            State::Command | State::Exchange | State::Lost if is_part(piece) => {
                self.lines.client.append(*piece, self.limits.0.line)
            }
            State::Hidden(handshake) if handshake.is_encrypted(&self.session.tls) => 0,
            State::Opaque => 0,
            _ => return None,
        };
        self.session.last = piece.from.at;
        self.streams.client_came(piece.end());
        self.streams.client_speaks(piece.from.seen);
        Some(more)
    }

    fn server_goes_on(&mut self, piece: &Piece<'_>) -> Option<usize> {
        if !self.session.server_heard {
            return None;
        }
        let more = match &*self.client {
            State::Hidden(handshake) if handshake.is_encrypted(&self.session.tls) => 0,
            State::Opaque => 0,
            State::Hidden(_) | State::Foreign | State::Data(_) => return None,
            _ if is_part(piece) => self.lines.server.append(*piece, self.limits.0.line),
            _ => return None,
        };
        self.session.last = piece.from.at;
        self.streams.server_acknowledges(piece);
        self.streams.server_came(piece.end());
        Some(more)
    }
}

/// Whether no line ends in the piece.
fn is_part(piece: &Piece<'_>) -> bool {
    piece.bytes.last() != Some(&b'\n') && !piece.bytes.contains(&b'\n')
}
