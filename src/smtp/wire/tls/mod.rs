//! TLS as far as it shows without a key: the record layer, the hellos, an alert in clear
//! (RFC 8446 sections 4.1 and 5.1, RFC 5246 sections 6.2 and 7, RFC 6066 section 3, RFC 7301 section 3.1).

mod hello;
mod records;
mod watch;

pub(in crate::smtp) use watch::Watch;

use serde::{Deserialize, Serialize};

use crate::base::written::{self, Literal, octets};

/// What is known of a session's TLS (FORMATS.md, `tls`).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[expect(clippy::struct_field_names, reason = "`tls` alone would not tell what is not")]
pub(crate) struct Tls {
    pub state: State,
    /// The client's hello was captured.
    pub hello: bool,
    /// As the server's hello chose it: `1.2`, `1.3`, ...
    #[serde(deserialize_with = "written::any_word")]
    pub version: Option<Literal>,
    #[serde(with = "octets")]
    pub sni: Option<Vec<u8>>,
    #[serde(with = "octets")]
    pub alpn: Vec<Vec<u8>>,
    /// The handshake ended in this fatal alert (its description, RFC 8446 section 6).
    pub alert: Option<u8>,
    /// The client's first bytes behind the 220 were neither a TLS record nor SMTP that the server answered.
    pub not_tls: bool,
    /// The code that a refused STARTTLS got.
    pub refusal: Option<u16>,
    /// Nothing more will become known of this handshake: its last event.
    pub settled: bool,
}

impl Tls {
    /// Whether it says no more than that nothing more will become known.
    pub(crate) fn only_settles(&self) -> bool {
        self.is_encrypted() && self.version.is_some()
    }

    /// Whether the last word on it is the reply to STARTTLS.
    pub(in crate::smtp) fn is_granted_or_refused(&self) -> bool {
        matches!(self.state, State::Started | State::Refused)
    }

    /// Whether all that follows is encrypted: nothing of it is read any more.
    pub(in crate::smtp) fn is_encrypted(&self) -> bool {
        self.settled && self.alert.is_none() && matches!(self.state, State::Started | State::Implicit)
    }
}

/// How far TLS went.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum State {
    /// Nothing of it was seen.
    #[default]
    None,
    /// The server offers STARTTLS (RFC 3207), and nobody asked for it.
    Offered,
    /// STARTTLS was refused.
    Refused,
    /// STARTTLS got its 220.
    Started,
    /// What followed the 220 was no handshake, or one that a fatal alert ended.
    Failed,
    /// TLS from the first byte, without STARTTLS (RFC 8314 section 3.3).
    Implicit,
    /// Behind the 220 the capture goes on in clear: whoever made it decrypted it.
    Decrypted,
}

impl State {
    /// Whether what follows in the session cannot be read.
    pub(crate) const fn is_encrypted(self) -> bool {
        matches!(self, State::Started | State::Implicit)
    }

    /// Its name in records (FORMATS.md, `tls`).
    pub const fn name(self) -> &'static str {
        match self {
            State::None => "none",
            State::Offered => "offered",
            State::Refused => "refused",
            State::Started => "started",
            State::Failed => "failed",
            State::Implicit => "implicit",
            State::Decrypted => "decrypted",
        }
    }
}

/// Whether bytes begin (as far as they go) like a TLS record of a handshake; `None` if too few to tell.
pub(in crate::smtp) fn begins_handshake(bytes: &[u8]) -> Option<bool> {
    match bytes {
        [] | [0x16] => None,
        [0x16, 0x03, ..] => Some(true),
        // An SSL 2 ClientHello: length with the high bit, type 1, a version from 2.0 on.
        [length, _, 0x01, major, ..] if length & 0x80 != 0 => Some(matches!(major, 0x00 | 0x02 | 0x03)),
        [length, ..] if length & 0x80 != 0 && bytes.len() < 4 => None,
        _ => Some(false),
    }
}

/// Whether bytes begin like a TLS record of any kind, or an SSL 2 hello; `None` if too few to tell. A connection
/// whose first bytes do so may be anything, behind the 220 to STARTTLS it is TLS.
pub(in crate::smtp) fn begins_tls(bytes: &[u8]) -> Option<bool> {
    match bytes {
        [0x14..=0x18] => None,
        [0x14..=0x18, 0x03, ..] => Some(true),
        _ => begins_handshake(bytes),
    }
}

/// Whether bytes begin like a TLS record of any kind, as no text does.
pub(in crate::smtp) fn begins_record(bytes: &[u8]) -> bool {
    matches!(bytes, [0x14..=0x18, ..])
}
