//! Behind the 220 to STARTTLS: TLS, bytes that were sent before it was known, or SMTP all the same
//! (RFC 3207 4).

use crate::base::Packets;

/// The client between the 220 to its STARTTLS and its handshake.
#[derive(Clone, Debug)]
pub(super) struct Hello {
    /// Where in the server's stream the 220 ended; `None` where it was not captured.
    pub prompt_end: Option<u64>,
    pub injected: Option<(Vec<u8>, Packets)>,
    pub begins: Begins,
    /// The first line that the server sends in clear behind its 220, as far as it has come.
    pub server_clear: Option<(Vec<u8>, Packets)>,
    /// That was told.
    pub server_injected: bool,
}

/// What the client's first bytes behind the 220 are, as far as that is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Begins {
    /// They have not come.
    Awaited,
    /// Too few to tell: held.
    Undecided,
    /// No handshake.
    Other,
    /// SMTP, as it seems: held until the server answers.
    Clear,
}

impl Hello {
    pub(super) fn new(prompt_end: Option<u64>) -> Hello {
        Hello { prompt_end, injected: None, begins: Begins::Awaited, server_clear: None, server_injected: false }
    }

    pub(super) fn waits(&self) -> bool {
        matches!(self.begins, Begins::Undecided | Begins::Clear)
    }

    /// Whether the client went on in clear.
    pub(super) fn is_clear(&self) -> bool {
        self.begins == Begins::Clear
    }

    pub(super) fn held(&self) -> usize {
        let held = |kept: &Option<(Vec<u8>, Packets)>| kept.as_ref().map_or(0, |(bytes, _)| bytes.len());
        held(&self.injected).saturating_add(held(&self.server_clear))
    }
}
