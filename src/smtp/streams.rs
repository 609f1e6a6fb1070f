//! Both directions of a connection: who is the client now, how far each stream has come, and what may be made of what an
//! end had acknowledged.

use super::wire::line::{Piece, Source};
use crate::base::Side;

/// Where both streams stand.
#[derive(Clone, Copy, Debug)]
pub(super) struct Streams {
    /// The positions behind the last byte that came.
    client_end: u64,
    server_end: u64,
    /// TURN changes it.
    client_side: Side,
    /// What the client had seen when it sent the last bytes that came.
    client_knew: Option<u64>,
    /// Whether that end ever acknowledged a byte.
    client_acks: bool,
    server_acks: bool,
}

impl Streams {
    pub(super) fn new(client_side: Side) -> Streams {
        Streams { client_end: 0, server_end: 0, client_side, client_knew: None, client_acks: false, server_acks: false }
    }

    pub(super) fn client_side(&self) -> Side {
        self.client_side
    }

    pub(super) fn server_side(&self) -> Side {
        self.client_side.other()
    }

    pub(super) fn client_end(&self) -> u64 {
        self.client_end
    }

    pub(super) fn server_end(&self) -> u64 {
        self.server_end
    }

    /// Whether the client has acknowledged a byte so far.
    pub(super) fn client_acks(&self) -> bool {
        self.client_acks
    }

    /// Takes note of client bytes; returns whether theirs is the client's first acknowledgement.
    pub(super) fn client_acknowledges(&mut self, piece: &Piece<'_>) -> bool {
        let first = !self.client_acks && acknowledges(piece);
        self.client_acks |= first;
        first
    }

    pub(super) fn server_acknowledges(&mut self, piece: &Piece<'_>) {
        self.server_acks |= acknowledges(piece);
    }

    /// The client said something, having seen so much.
    pub(super) fn client_speaks(&mut self, seen: Option<u64>) {
        self.client_knew = seen;
    }

    /// Whether a client that speaks now, having seen so much, has seen more than when it spoke last.
    pub(super) fn client_learnt(&self, seen: Option<u64>) -> bool {
        seen > self.client_knew
    }

    /// The client's stream has come, or is lost, up to there.
    pub(super) fn client_came(&mut self, end: u64) {
        self.client_end = end;
    }

    pub(super) fn server_came(&mut self, end: u64) {
        self.server_end = end;
    }

    /// What the client has seen, as far as that may be relied on: one that never acknowledged anything, though bytes had
    /// been captured, has told nothing yet.
    pub(super) fn client_seen(&self, source: &Source) -> Option<u64> {
        source.seen.filter(|_| self.client_acks || source.captured == 0)
    }

    /// What the server has seen. Where it never acknowledged anything, order decides.
    pub(super) fn server_seen(&self, seen: Option<u64>) -> Option<u64> {
        seen.filter(|_| self.server_acks)
    }

    /// Whether the server had more of the client's bytes than have come: they are lost, or captured late.
    pub(super) fn server_is_ahead(&self, seen: Option<u64>) -> bool {
        seen.is_some_and(|seen| seen > self.client_end)
    }

    /// The same of the client and the server's bytes.
    pub(super) fn client_is_ahead(&self, seen: Option<u64>) -> bool {
        seen.is_some_and(|seen| seen > self.server_end)
    }

    /// Whether the client had seen everything that the server said.
    pub(super) fn client_waited(&self, seen: Option<u64>) -> bool {
        seen.is_some_and(|seen| seen >= self.server_end)
    }

    /// Client and server change roles.
    pub(super) fn turn(&mut self) {
        self.client_side = self.client_side.other();
        self.client_knew = None;
        std::mem::swap(&mut self.client_end, &mut self.server_end);
        std::mem::swap(&mut self.client_acks, &mut self.server_acks);
    }
}

/// Whether the sender had acknowledged anything.
pub(super) fn acknowledges(piece: &Piece<'_>) -> bool {
    piece.from.seen.is_some_and(|seen| seen > 0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::Moment;

    fn source(seen: u64, captured: u64) -> Source {
        Source { at: Moment::default(), seen: Some(seen), captured, after_fin: false }
    }

    #[test]
    fn a_client_that_never_acknowledged_has_told_nothing() {
        let mut streams = Streams::new(Side::A);
        assert_eq!(streams.client_seen(&source(0, 0)), Some(0), "there was nothing to acknowledge");
        assert_eq!(streams.client_seen(&source(0, 8)), None);
        let piece = Piece { offset: 0, bytes: b"x", from: source(8, 8) };
        assert!(streams.client_acknowledges(&piece));
        assert!(!streams.client_acknowledges(&piece), "only the first is the first");
        assert_eq!(streams.client_seen(&source(0, 8)), Some(0));
    }

    #[test]
    fn roles_change_with_all_that_is_known_of_them() {
        let mut streams = Streams::new(Side::A);
        streams.client_came(10);
        streams.server_came(20);
        streams.turn();
        assert_eq!((streams.client_side(), streams.client_end(), streams.server_end()), (Side::B, 20, 10));
        assert!(streams.server_is_ahead(Some(21)) && !streams.client_is_ahead(Some(10)));
    }
}
