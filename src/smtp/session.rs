//! The facts of one session: who talks to whom, and what its record says (FORMATS.md, `session`).

use crate::base::{Endpoint, FlowKey, Moment, Side};

use super::tls::Tls;

/// Everything known of a session so far. Rules read it beside each event; it never holds a judgement.
#[derive(Clone, Debug)]
pub(crate) struct Session {
    pub flow: FlowKey,
    /// The connection's first packet, whose time is part of the session's id.
    pub first: Moment,
    pub last: Moment,
    /// Which side is the server, and whether that is known yet.
    pub server_side: Side,
    pub client: Endpoint,
    pub server: Endpoint,
    /// Both streams were captured from their first byte.
    pub from_start: bool,
    pub greeting: Option<Spoken>,
    /// Whether the server's first byte was captured at all (false: its direction is missing so far).
    pub server_heard: bool,
    /// The client sent something before it knew the whole greeting.
    pub early_talk: bool,
    pub helo: Option<Helo>,
    /// Keywords of the latest accepted EHLO reply, upper-cased, with their parameters; empty after HELO.
    pub capabilities: Vec<Vec<u8>>,
    pub tls: Tls,
    pub auth: Vec<Auth>,
    pub transactions: Vec<Transaction>,
    pub commands: u64,
    pub replies: u64,
    pub missing_client: u64,
    pub missing_server: u64,
    pub proxied_for: Option<Vec<u8>>,
}

/// A code and its text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Spoken {
    pub code: Option<u16>,
    pub text: Vec<u8>,
}

/// How the client introduced itself, last accepted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Helo {
    pub verb: super::verb::Verb,
    pub argument: Vec<u8>,
}

/// One attempt to authenticate; it never holds a secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Auth {
    pub mechanism: Vec<u8>,
    pub user: Option<Vec<u8>>,
    pub code: Option<u16>,
}

/// MAIL to end of data.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Transaction {
    pub mail_from: Vec<u8>,
    pub rcpt_to: Vec<(Vec<u8>, Option<u16>)>,
    pub data_bytes: u64,
    pub code: Option<u16>,
    pub subject: Option<Vec<u8>>,
    pub message_id: Option<Vec<u8>>,
    pub smuggled: bool,
}
