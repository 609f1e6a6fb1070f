//! `command`, `reply`, `data`, `tls`, `gap`: what was said in a session, in causal order.

use std::borrow::Cow;
use std::sync::Arc;

use data_encoding::HEXLOWER;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::ledger::entry::Answered;
use crate::ledger::{Told, Who};
use crate::smtp::Verb;
use crate::smtp::event as raw;
use crate::smtp::wire::tls::{self, State as TlsState};

use super::clerk::Scene;
use super::escape::{all_shown, shown};
use super::word::{DataEnd, Side};
use super::{Ascii, End, Frame, Name, Record, ServerEnd, SessionId, Sha256Hex, When, is_false};

/// A line of the client (RFC 5321 section 4.1.1).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Command {
    /// The session that it is an event of.
    pub session: SessionId,
    /// Its number among the events of its session, from 1.
    pub event: u64,
    /// The capture of the packet that completed it.
    pub capture: Arc<str>,
    /// The frame of that packet, from 1.
    pub frame: u64,
    /// The time of that packet.
    pub time: When,
    /// The session's client.
    pub client: End,
    /// The session's server.
    pub server: ServerEnd,
    /// In upper case; null if the line has none.
    pub verb: Option<Name>,
    /// What follows the verb, or the whole line if there is none.
    pub argument: String,
    /// The whole line as it came, if it is not the verb, a blank and the argument: [`Command::line`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sent: Option<String>,
    /// Whether a gap leaves doubt about it.
    #[serde(default, skip_serializing_if = "is_false")]
    pub uncertain: bool,
}

/// A reply of the server (RFC 5321 section 4.2).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Reply {
    /// The session that it is an event of.
    pub session: SessionId,
    /// Its number among the events of its session, from 1.
    pub event: u64,
    /// The capture of the packet that completed it.
    pub capture: Arc<str>,
    /// The frame of that packet, from 1.
    pub frame: u64,
    /// The time of that packet.
    pub time: When,
    /// The session's client.
    pub client: End,
    /// The session's server.
    pub server: ServerEnd,
    /// The reply code; null if the line has none.
    pub code: Option<u16>,
    /// The text of each line, without its code.
    pub lines: Vec<String>,
    /// The verb that it answers; in lower case `message` (the end of message data), `exchange` (a line of an AUTH exchange), `line`
    /// (a command line without a verb), `unsolicited` or `unknown`; null for the greeting and for a 421 out of turn.
    pub answers: Option<Name>,
    /// The argument of the command it answers.
    pub argument: Option<String>,
    /// The whole lines as they came, codes included, if they are not what `code` and `lines` make:
    /// [`Reply::whole_lines`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sent: Option<Vec<String>>,
    /// Whether a gap leaves doubt about it.
    #[serde(default, skip_serializing_if = "is_false")]
    pub uncertain: bool,
}

/// Message data, or one chunk of it, that ended (RFC 5321 section 4.1.1.4, RFC 3030).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Data {
    /// The session that it is an event of.
    pub session: SessionId,
    /// Its number among the events of its session, from 1.
    pub event: u64,
    /// The capture of the packet that completed it.
    pub capture: Arc<str>,
    /// The frame of that packet, from 1.
    pub frame: u64,
    /// The time of that packet.
    pub time: When,
    /// The session's client.
    pub client: End,
    /// The session's server.
    pub server: ServerEnd,
    /// Bytes as they were on the wire, without the final dot.
    pub bytes: u64,
    /// Line feeds among them.
    pub lines: u64,
    /// The SHA-256 of these bytes; null if some are missing.
    pub sha256: Option<Sha256Hex>,
    /// How it ended.
    pub end: DataEnd,
    /// If it was smuggled: what the server took for the end. `LF.LF` also in a session whose client never used CRLF.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended_by: Option<Name>,
    /// Whether a gap leaves doubt about it.
    #[serde(default, skip_serializing_if = "is_false")]
    pub uncertain: bool,
}

/// More is known about the session's TLS.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct TlsEvent {
    /// The session that it is an event of.
    pub session: SessionId,
    /// Its number among the events of its session, from 1.
    pub event: u64,
    /// The capture of the packet that completed it.
    pub capture: Arc<str>,
    /// The frame of that packet, from 1.
    pub frame: u64,
    /// The time of that packet.
    pub time: When,
    /// The session's client.
    pub client: End,
    /// The session's server.
    pub server: ServerEnd,
    /// How far it went.
    pub state: TlsState,
    /// The version that the server's hello chose: `1.3`.
    pub version: Option<Name>,
    /// The server's name that the client asked for (RFC 6066 section 3).
    pub sni: Option<String>,
    /// Protocols that the client offered (RFC 7301).
    pub alpn: Vec<String>,
    /// The fatal alert that ended the handshake, by its number (RFC 8446 section 6).
    pub alert: Option<u8>,
}

/// Bytes that were not captured.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Gap {
    /// The session that it is an event of.
    pub session: SessionId,
    /// Its number among the events of its session, from 1.
    pub event: u64,
    /// The capture of the packet that revealed it, the first one after the gap.
    pub capture: Arc<str>,
    /// The frame of that packet, from 1.
    pub frame: u64,
    /// The time of that packet.
    pub time: When,
    /// The session's client.
    pub client: End,
    /// The session's server.
    pub server: ServerEnd,
    /// Which side sent them.
    pub side: Side,
    /// The position of the first of them among all bytes of that side.
    pub offset: u64,
    /// How many are missing.
    pub bytes: u64,
}

/// What is known of a session's TLS, from the unencrypted part of its handshake.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Tls {
    /// How far it went.
    pub state: TlsState,
    /// The version that the server's hello chose: `1.3`.
    pub version: Option<Name>,
    /// The server's name that the client asked for (RFC 6066 section 3).
    pub sni: Option<String>,
    /// Protocols that the client offered (RFC 7301).
    pub alpn: Vec<String>,
    /// The fatal alert that ended the handshake, by its number (RFC 8446 section 6).
    pub alert: Option<u8>,
}

impl Tls {
    pub(super) fn of(tls: tls::Tls) -> Self {
        Tls {
            state: tls.state,
            version: tls.version.map(Cow::Borrowed),
            sni: tls.sni.map(shown),
            alpn: all_shown(tls.alpn),
            alert: tls.alert,
        }
    }
}

impl Command {
    /// The whole line as it came, without its line end.
    pub fn line(&self) -> Cow<'_, str> {
        match (&self.sent, self.verb.as_deref()) {
            (Some(sent), _) => Cow::Borrowed(sent),
            (None, None | Some("")) => Cow::Borrowed(&self.argument),
            (None, Some(verb)) if self.argument.is_empty() => Cow::Borrowed(verb),
            (None, Some(verb)) => Cow::Owned(format!("{verb} {}", self.argument)),
        }
    }
}

impl Reply {
    /// The whole lines as they came, codes included, without their line ends.
    pub fn whole_lines(&self) -> Vec<Cow<'_, str>> {
        if let Some(sent) = &self.sent {
            return sent.iter().map(|line| Cow::Borrowed(line.as_str())).collect();
        }
        let last = self.lines.len().saturating_sub(1);
        let line = |(nth, text): (usize, &String)| match self.code {
            None => Cow::Owned(text.clone()),
            Some(code) if nth < last => Cow::Owned(format!("{code:03}-{text}")),
            Some(code) if text.is_empty() => Cow::Owned(format!("{code:03}")),
            Some(code) => Cow::Owned(format!("{code:03} {text}")),
        };
        self.lines.iter().enumerate().map(line).collect()
    }
}

/// The record of an event in the session of that id.
pub(super) fn record(who: &Who, event: u64, told: Told, session: SessionId, scene: &Scene) -> Record {
    let at = told.at();
    let (time, client, server) = (When(at.time), End::from(who.client), ServerEnd::of(who.server, &scene.names));
    let Frame { capture, frame } = scene.places.of(at.ordinal);
    match told {
        Told::Command { verb, argument, sent, uncertain, .. } => Record::Command(Box::new(Command {
            session,
            event,
            capture,
            frame,
            time,
            client,
            server,
            verb: verb.map(Verb::into_name),
            argument: shown(argument.into_shown(scene.show_secrets)),
            sent: sent.map(|line| shown(line.into_shown(scene.show_secrets))),
            uncertain,
        })),
        Told::Reply { code, lines, sent, answers, argument, uncertain, .. } => Record::Reply(Box::new(Reply {
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
            sent: sent.map(|lines| all_shown(lines.into_shown(scene.show_secrets))),
            uncertain,
        })),
        Told::Data { bytes, lines, sha256, end, by_lf, uncertain, .. } => {
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
                end,
                ended_by: ended_by.or(by_lf.then_some("LF.LF")).map(Cow::Borrowed),
                uncertain,
            }))
        }
        Told::Gap { of_server, offset, length, .. } => {
            let side = if of_server { Side::Server } else { Side::Client };
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
pub(super) fn hex(hash: &[u8; 32]) -> Sha256Hex {
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
