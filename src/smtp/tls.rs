//! TLS as far as it shows without a key: the record layer and the ClientHello (RFC 8446 4.1.2, RFC 6066 3).

/// What is known of a session's TLS (FORMATS.md, `tls`).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tls {
    pub state: State,
    /// As the ServerHello chose it, else as the ClientHello offered it: `1.2`, `1.3`, ...
    pub version: Option<&'static str>,
    pub sni: Option<Vec<u8>>,
    pub alpn: Vec<Vec<u8>>,
    /// The handshake ended in an alert (its description, RFC 8446 section 6).
    pub alert: Option<u8>,
}

/// How far TLS went.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum State {
    #[default]
    None,
    Offered,
    Refused,
    Started,
    Failed,
    Implicit,
    Decrypted,
}

impl State {
    /// Its name in records (FORMATS.md, `tls`).
    pub(crate) const fn name(self) -> &'static str {
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
