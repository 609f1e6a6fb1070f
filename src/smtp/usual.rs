//! The usual chunk: more of what its sender was sending, at which nothing is to decide.
//!
//! Most chunks are message data, TLS, or part of a line. They need little of the session's state, which in a scan of
//! many sessions is far away: what is asked here stands at the front of [`Dialogue`]. Whatever else comes takes the long
//! way, through [`Dialogue::bytes`], which reads these chunks to the same effect.

use super::Hears;
use super::client::Client;
use super::dialogue::Dialogue;
use super::wire::line::Piece;
use crate::base::Side;
use crate::tcp::Reach;

impl Dialogue {
    /// Reads what is usual, and takes it off the piece. Returns by how many bytes more is held, or `None` if (the rest
    /// of) the piece is to take the long way.
    pub(super) fn read_on(&mut self, side: Side, piece: &mut Piece<'_>, hears: &mut dyn Hears) -> Option<usize> {
        if self.choice.is_some() {
            None
        } else if side == self.client_side {
            self.client_goes_on(piece, hears)
        } else {
            self.server_goes_on(piece)
        }
    }

    /// Reads what [`Dialogue::read_on`] will need, so that it is in the cache by then.
    pub(super) fn prefetch(&self, side: Side, reach: Reach) -> u64 {
        match (reach, &self.client) {
            (Reach::Listener, _) => {
                let lines = if side == self.client_side { &self.client_lines } else { &self.server_lines };
                let flags = self.session.client_crlf ^ self.session.server_heard ^ lines.is_open();
                self.client_end ^ self.held.len() as u64 ^ self.session.last.ordinal.0 ^ u64::from(flags)
            }
            (Reach::Behind, Client::Data(data)) => {
                data.scan.lines ^ data.gathered.captured ^ data.gathered.bytes ^ u64::from(data.is_in_body())
            }
            _ => 0,
        }
    }

    fn client_goes_on(&mut self, piece: &mut Piece<'_>, hears: &mut dyn Hears) -> Option<usize> {
        let first_ack = !self.client_acks && acknowledges(piece);
        let ahead = piece.from.seen > Some(self.server_end);
        if first_ack || ahead || !self.held.is_empty() || self.server_lines.is_open() || !self.session.server_heard {
            return None;
        }
        let more = match &mut self.client {
            Client::Data(data) if data.is_in_body() => {
                self.read_data(piece, hears);
                // A lone dot may have ended it, or left a choice.
                let goes_on = piece.is_empty() && matches!(self.client, Client::Data(_)) && self.choice.is_none();
                goes_on.then_some(0)?
            }
            Client::Chunk(chunk) if chunk.is_in_body() && chunk.left > piece.bytes.len() as u64 => {
                self.read_chunk(piece, hears);
                0
            }
            Client::Command | Client::Exchange | Client::Lost if is_part(piece) => {
                self.client_lines.append(*piece, self.bounds.line)
            }
            Client::Tls(_) if self.session.tls.settled => 0,
            Client::Opaque => 0,
            _ => return None,
        };
        self.session.last = piece.from.at;
        self.client_end = piece.end();
        Some(more)
    }

    fn server_goes_on(&mut self, piece: &Piece<'_>) -> Option<usize> {
        if !self.session.server_heard {
            return None;
        }
        let more = match &self.client {
            Client::Tls(_) if self.session.tls.settled => 0,
            Client::Opaque => 0,
            Client::Tls(_) | Client::Hello(_) => return None,
            _ if is_part(piece) => self.server_lines.append(*piece, self.bounds.line),
            _ => return None,
        };
        self.session.last = piece.from.at;
        self.server_acks |= acknowledges(piece);
        self.server_end = piece.end();
        Some(more)
    }
}

/// Whether the sender had acknowledged anything.
pub(super) fn acknowledges(piece: &Piece<'_>) -> bool {
    piece.from.seen.is_some_and(|seen| seen > 0)
}

/// Whether no line ends in the piece.
fn is_part(piece: &Piece<'_>) -> bool {
    piece.bytes.last() != Some(&b'\n') && !piece.bytes.contains(&b'\n')
}
