//! `session`: a session that is over. By far the most frequent record where it is asked for, so it takes over what the session
//! kept instead of copying it.

use std::collections::BTreeMap;
use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::ledger::{SessionEnd, Who};
use crate::smtp::session as told;
use crate::tcp::Closed;

use super::clerk::Scene;
use super::escape::{all_shown, shown};
use super::{CommunityId, End, Frame, Name, ServerEnd, SessionId, Tls, When, ids};

/// A connection with at least one captured byte, written when it is over.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Session {
    /// Its id: the same in every run that sees its first packet.
    pub session: SessionId,
    /// Who opened the connection, or who speaks as a client if its opening was not captured.
    pub client: End,
    /// The other end.
    pub server: ServerEnd,
    /// Community ID version 1 of the flow, seed 0.
    pub community_id: CommunityId,
    /// The capture of its first packet.
    pub capture: Arc<str>,
    /// The frame of its first packet, in `capture`.
    pub first_frame: u64,
    /// The frame of its last packet, in `last_capture`.
    pub last_frame: u64,
    /// The capture of its last packet.
    pub last_capture: Arc<str>,
    /// The time of its first packet.
    pub start: When,
    /// The time of its last packet.
    pub end: When,
    /// The client named by a PROXY protocol header at the start.
    pub proxied_for: Option<String>,
    /// What the server said first.
    pub greeting: Option<Greeting>,
    /// How the client introduced itself: what was accepted last.
    pub helo: Option<Helo>,
    /// Keywords with their parameters of the last accepted EHLO whose reply was captured completely (RFC 5321 section 4.1.1.1).
    pub capabilities: Vec<String>,
    /// What is known of its TLS.
    pub tls: Tls,
    /// Attempts to authenticate (RFC 4954), in their order.
    pub auth: Vec<Auth>,
    /// Its mails, in their order.
    pub transactions: Vec<Transaction>,
    /// How many command lines the client sent.
    pub commands: u64,
    /// How many replies the server sent.
    pub replies: u64,
    /// How often each `rule/check` fired, including repeats.
    pub findings: BTreeMap<String, u64>,
    /// Bytes that were not captured.
    pub missing_bytes: Missing,
    /// Bytes that came again, if any did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retransmitted: Option<Retransmitted>,
    /// Whether the handshake, every byte of both sides and the end were captured.
    pub complete: bool,
    /// How the connection ended.
    pub closed: Closed,
}

/// What the server said first.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Greeting {
    /// The reply code; null if the line has none.
    pub code: Option<u16>,
    /// The text of all its lines.
    pub text: String,
}

/// How the client introduced itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Helo {
    /// `EHLO`, `HELO` or `LHLO`.
    pub verb: Name,
    /// What it named, as it came.
    pub argument: String,
}

/// An attempt to authenticate; its secrets are never kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Auth {
    /// The SASL mechanism that was named.
    pub mechanism: String,
    /// The user's name, where the exchange shows it.
    pub user: Option<String>,
    /// The code of the last reply; null if none came.
    pub code: Option<u16>,
}

/// A mail: MAIL to end of data (RFC 5321 section 3.3).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Transaction {
    /// The reverse-path, as it came.
    pub mail_from: String,
    /// The forward-paths, in their order.
    pub rcpt_to: Vec<Recipient>,
    /// Bytes of message data as they were on the wire, without the final dot.
    pub data_bytes: u64,
    /// The code of the last reply to the message; null if none came.
    pub code: Option<u16>,
    /// The header field of that name.
    pub subject: Option<String>,
    /// The header field of that name.
    pub message_id: Option<String>,
    /// Whether it came from inside the message of the mail before it.
    pub smuggled: bool,
}

/// A recipient, and the reply that it got.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Recipient {
    /// The forward-path, as it came.
    pub address: String,
    /// The code of the reply to RCPT; null if none came.
    pub code: Option<u16>,
}

/// Bytes of each side that were not captured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Missing {
    /// Those of the client.
    pub client: u64,
    /// Those of the server.
    pub server: u64,
}

/// Bytes of each side that were captured once more, or too late to be read: retransmissions and duplicates.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Retransmitted {
    /// Those of the client.
    pub client: u64,
    /// Those of the server.
    pub server: u64,
}

impl Retransmitted {
    /// Nothing where nothing came again.
    fn of(client: u64, server: u64) -> Option<Self> {
        (client > 0 || server > 0).then_some(Retransmitted { client, server })
    }
}

impl Session {
    pub(super) fn of(ended: SessionEnd, scene: &Scene) -> Self {
        let SessionEnd { mut session, end, findings } = ended;
        let capabilities = session.take_last_offer();
        let (first, last) = (scene.places.of(session.first.ordinal), scene.places.of(session.last.ordinal));
        let (Frame { capture, frame: first_frame }, Frame { capture: last_capture, frame: last_frame }) = (first, last);
        let count = |(check, count)| (scene.catalogue.name(check).to_owned(), count);
        Session {
            session: ids::session(&Who::of(&session)),
            client: session.client.into(),
            server: ServerEnd::of(session.server, &scene.names),
            community_id: ids::community(session.flow),
            capture,
            first_frame,
            last_frame,
            last_capture,
            start: When(session.first.time),
            end: When(session.last.time),
            proxied_for: session.proxied_for.map(shown),
            greeting: session.greeting.map(|told::Spoken { code, text }| Greeting { code, text: shown(text) }),
            helo: session.helo.map(|helo| Helo { verb: helo.verb.into_name(), argument: shown(helo.argument) }),
            capabilities: all_shown(capabilities),
            tls: Tls::of(session.tls),
            auth: session.auth.into_iter().map(Auth::of).collect(),
            transactions: session.transactions.into_iter().map(Transaction::of).collect(),
            commands: session.commands,
            replies: session.replies,
            findings: findings.iter().map(count).collect(),
            missing_bytes: Missing { client: session.missing_client, server: session.missing_server },
            retransmitted: Retransmitted::of(session.again_client, session.again_server),
            complete: end.complete,
            closed: end.closed,
        }
    }
}

impl Auth {
    fn of(told::Auth { mechanism, user, code }: told::Auth) -> Self {
        Auth { mechanism: shown(mechanism), user: user.map(shown), code }
    }
}

impl Transaction {
    fn of(mail: told::Transaction) -> Self {
        let told::Transaction { mail_from, rcpt_to, data_bytes, code, subject, message_id, smuggled } = mail;
        let recipient = |(address, code)| Recipient { address: shown(address), code };
        Transaction {
            mail_from: shown(mail_from),
            rcpt_to: rcpt_to.into_iter().map(recipient).collect(),
            data_bytes,
            code,
            subject: subject.map(shown),
            message_id: message_id.map(shown),
            smuggled,
        }
    }
}
