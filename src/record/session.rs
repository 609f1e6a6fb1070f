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
use super::word::Word;
use super::{Ascii, End, Frame, Name, ServerEnd, Tls, When, ids};

/// A connection of which at least one byte was captured.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[expect(clippy::struct_field_names, reason = "the names are the record's")]
pub(crate) struct Session {
    pub session: Ascii<16>,
    pub client: End,
    pub server: ServerEnd,
    pub community_id: Ascii<30>,
    pub capture: Arc<str>,
    pub first_frame: u64,
    pub last_frame: u64,
    pub last_capture: Arc<str>,
    pub start: When,
    pub end: When,
    pub proxied_for: Option<String>,
    pub greeting: Option<Greeting>,
    pub helo: Option<Helo>,
    pub capabilities: Vec<String>,
    pub tls: Tls,
    pub auth: Vec<Auth>,
    pub transactions: Vec<Transaction>,
    pub commands: u64,
    pub replies: u64,
    pub findings: BTreeMap<String, u64>,
    pub missing_bytes: Missing,
    pub complete: bool,
    pub closed: Word<Closed>,
}

/// What the server said first.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Greeting {
    pub code: Option<u16>,
    pub text: String,
}

/// How the client introduced itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Helo {
    pub verb: Name,
    pub argument: String,
}

/// An attempt to authenticate.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Auth {
    pub mechanism: String,
    pub user: Option<String>,
    pub code: Option<u16>,
}

/// MAIL to end of data.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Transaction {
    pub mail_from: String,
    pub rcpt_to: Vec<Recipient>,
    pub data_bytes: u64,
    pub code: Option<u16>,
    pub subject: Option<String>,
    pub message_id: Option<String>,
    pub smuggled: bool,
}

/// A recipient, and the reply that it got.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Recipient {
    pub address: String,
    pub code: Option<u16>,
}

/// Bytes of each side that were not captured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Missing {
    pub client: u64,
    pub server: u64,
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
            complete: end.complete,
            closed: Word(end.closed),
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
