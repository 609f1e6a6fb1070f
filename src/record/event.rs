//! `command`, `reply`, `data`, `tls`: what was said in a session, in causal order.

use std::borrow::Cow;
use std::sync::Arc;

use data_encoding::HEXLOWER;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::ledger::entry::Answered;
use crate::ledger::{Told, Who};
use crate::smtp::Verb;
use crate::smtp::event as raw;
use crate::smtp::wire::tls::{self, State};

use super::clerk::Scene;
use super::escape::{all_shown, shown};
use super::word::{DataEnd, Side, Word};
use super::{Ascii, End, Frame, Name, Record, ServerEnd, When, is_false};

/// A client line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Command {
    pub session: Ascii<16>,
    pub event: u64,
    pub capture: Arc<str>,
    pub frame: u64,
    pub time: When,
    pub client: End,
    pub server: ServerEnd,
    pub verb: Option<Name>,
    pub argument: String,
    #[serde(default, skip_serializing_if = "is_false")]
    pub uncertain: bool,
}

/// A reply.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Reply {
    pub session: Ascii<16>,
    pub event: u64,
    pub capture: Arc<str>,
    pub frame: u64,
    pub time: When,
    pub client: End,
    pub server: ServerEnd,
    pub code: Option<u16>,
    pub lines: Vec<String>,
    pub answers: Option<Name>,
    /// Of the command that it answers.
    pub argument: Option<String>,
    #[serde(default, skip_serializing_if = "is_false")]
    pub uncertain: bool,
}

/// Message data that ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Data {
    pub session: Ascii<16>,
    pub event: u64,
    pub capture: Arc<str>,
    pub frame: u64,
    pub time: When,
    pub client: End,
    pub server: ServerEnd,
    pub bytes: u64,
    pub lines: u64,
    pub sha256: Option<Ascii<64>>,
    pub end: Word<DataEnd>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended_by: Option<Name>,
    #[serde(default, skip_serializing_if = "is_false")]
    pub uncertain: bool,
}

/// Something more is known of TLS.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct TlsEvent {
    pub session: Ascii<16>,
    pub event: u64,
    pub capture: Arc<str>,
    pub frame: u64,
    pub time: When,
    pub client: End,
    pub server: ServerEnd,
    pub state: Word<State>,
    pub version: Option<Name>,
    pub sni: Option<String>,
    pub alpn: Vec<String>,
    pub alert: Option<u8>,
}

/// Bytes that were not captured.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Gap {
    pub session: Ascii<16>,
    pub event: u64,
    pub capture: Arc<str>,
    pub frame: u64,
    pub time: When,
    pub client: End,
    pub server: ServerEnd,
    /// Whose they are.
    pub side: Word<Side>,
    /// The position of the first of them among all bytes of that side.
    pub offset: u64,
    pub bytes: u64,
}

/// What is known of a session's TLS.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Tls {
    pub state: Word<State>,
    pub version: Option<Name>,
    pub sni: Option<String>,
    pub alpn: Vec<String>,
    pub alert: Option<u8>,
}

impl Tls {
    pub(super) fn of(tls: tls::Tls) -> Self {
        Tls {
            state: Word(tls.state),
            version: tls.version.map(Cow::Borrowed),
            sni: tls.sni.map(shown),
            alpn: all_shown(tls.alpn),
            alert: tls.alert,
        }
    }
}

/// The record of an event in the session of that id.
pub(super) fn record(who: &Who, event: u64, told: Told, session: Ascii<16>, scene: &Scene) -> Record {
    let at = told.at();
    let (time, client, server) = (When(at.time), End::from(who.client), ServerEnd::of(who.server, &scene.names));
    let Frame { capture, frame } = scene.places.of(at.ordinal);
    match told {
        Told::Command { verb, argument, uncertain, .. } => Record::Command(Box::new(Command {
            session,
            event,
            capture,
            frame,
            time,
            client,
            server,
            verb: verb.map(Verb::into_name),
            argument: shown(argument.into_shown(scene.show_secrets)),
            uncertain,
        })),
        Told::Reply { code, lines, answers, argument, uncertain, .. } => Record::Reply(Box::new(Reply {
            session,
            event,
            capture,
            frame,
            time,
            client,
            server,
            code,
            lines: all_shown(lines.into_shown(scene.show_secrets)),
            answers: answered(answers),
            argument: argument.map(|argument| shown(argument.into_shown(scene.show_secrets))),
            uncertain,
        })),
        Told::Data { bytes, lines, sha256, end, uncertain, .. } => {
            let (end, ended_by) = ended(end);
            Record::Data(Box::new(Data {
                session,
                event,
                capture,
                frame,
                time,
                client,
                server,
                bytes,
                lines,
                sha256: sha256.map(|hash| hex(&hash)),
                end: Word(end),
                ended_by: ended_by.map(Cow::Borrowed),
                uncertain,
            }))
        }
        Told::Gap { of_server, offset, length, .. } => {
            let side = Word(if of_server { Side::Server } else { Side::Client });
            let gap = Gap { session, event, capture, frame, time, client, server, side, offset, bytes: length };
            Record::Gap(Box::new(gap))
        }
        Told::Tls(_, tls) => {
            let Tls { state, version, sni, alpn, alert } = Tls::of(tls);
            let tls =
                TlsEvent { session, event, capture, frame, time, client, server, state, version, sni, alpn, alert };
            Record::Tls(Box::new(tls))
        }
    }
}

/// SHA-256 in hexadecimal.
pub(super) fn hex(hash: &[u8; 32]) -> Ascii<64> {
    let mut text = [b'0'; 64];
    HEXLOWER.encode_mut(hash, &mut text);
    Ascii::of(text)
}

/// A verb in upper case, or a word in lower case for what has none; nothing for the greeting and a 421 out of turn.
fn answered(answers: Answered) -> Option<Name> {
    Some(match answers {
        Answered::Nothing => return None,
        Answered::Verb(verb) => verb.into_name(),
        Answered::Line => Cow::Borrowed("line"),
        Answered::Exchange => Cow::Borrowed("exchange"),
        Answered::Message => Cow::Borrowed("message"),
        Answered::Unsolicited => Cow::Borrowed("unsolicited"),
        Answered::Unknown => Cow::Borrowed("unknown"),
    })
}

fn ended(end: raw::DataEnd) -> (DataEnd, Option<&'static str>) {
    match end {
        raw::DataEnd::Dot => (DataEnd::Dot, None),
        raw::DataEnd::Smuggled(by) => (DataEnd::Smuggled, Some(by)),
        raw::DataEnd::Chunk { last: false } => (DataEnd::Chunk, None),
        raw::DataEnd::Chunk { last: true } => (DataEnd::LastChunk, None),
        raw::DataEnd::Refused => (DataEnd::Refused, None),
        raw::DataEnd::Unfinished => (DataEnd::Unfinished, None),
    }
}
