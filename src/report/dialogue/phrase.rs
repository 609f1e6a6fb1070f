//! What is said in words about a session and its entries, the same wherever a dialogue is printed.

use std::fmt::Write as _;

use crate::record::{Closed, DataEnd, End, ServerEnd, Session, Side, TlsState, When};

use crate::report::figures::{count, counted, millisecond};
use crate::report::layout::cut_path;

use super::model::{Dialogue, Entry, Message, Tls, What};

/// The letter before a line.
pub(super) fn letter(side: Option<Side>) -> &'static str {
    match side {
        Some(Side::Client) => "C",
        Some(Side::Server) => "S",
        None => " ",
    }
}

/// The explanation of the question mark behind that letter.
pub(super) const UNCERTAIN: &str = "C? or S?: bytes are missing before it, so it may be something else";

/// An entry that is no line, in brackets; `whole` has the whole hash. Nothing for lines.
pub(super) fn note(entry: &Entry, whole: bool) -> Option<String> {
    Some(match &entry.what {
        What::Lines(_) => return None,
        What::Message(message) => format!("[{}]", of_message(message, whole)),
        What::Tls(tls) => format!("[{}]", of_tls(tls)),
        What::Gap(bytes) => format!("[{} not captured]", counted(*bytes, "byte", "bytes")),
        What::LeftOut(entries) => {
            format!("[{} left out: there are too many to show]", counted(*entries, "entry", "entries"))
        }
    })
}

/// `message: 27 bytes, 3 lines, ended by LF.CRLF, sha256 c01a391f3277…`.
fn of_message(message: &Message, whole: bool) -> String {
    let Message { bytes, lines, sha256, end, ended_by } = message;
    let (what, how) = match end {
        DataEnd::Dot => ("message", format!(", ended by {}", ended_by.as_deref().unwrap_or("CRLF.CRLF"))),
        DataEnd::Smuggled => ("message", format!(", ended by {}", ended_by.as_deref().unwrap_or("another dot"))),
        DataEnd::Chunk => ("BDAT chunk", String::new()),
        DataEnd::LastChunk => ("last BDAT chunk", String::new()),
        DataEnd::Refused => ("message", ", refused before its end".to_owned()),
        DataEnd::Unfinished => ("message", ", its end was not captured".to_owned()),
    };
    let mut text = format!("{what}: {}, {}{how}", counted(*bytes, "byte", "bytes"), counted(*lines, "line", "lines"));
    let _ = match sha256 {
        Some(hash) if whole => write!(text, ", sha256 {hash}"),
        Some(hash) => write!(text, ", sha256 {}…", hash.get(..12).unwrap_or(hash)),
        None => write!(text, ", no sha256: bytes are missing"),
    };
    text
}

fn of_tls(tls: &Tls) -> String {
    let mut name = String::from("TLS");
    let version = tls.version.iter().map(|version| format!(" {version}"));
    let sni = tls.sni.iter().map(|sni| format!(" for {sni}"));
    name.extend(version.chain(sni));
    match (tls.state, tls.alert) {
        (TlsState::Failed, Some(alert)) => format!("{name}: the handshake failed, alert {alert}"),
        (TlsState::Failed, None) => format!("{name}: no handshake followed"),
        (TlsState::Decrypted, _) => format!("{name}: the capture has the session decrypted"),
        _ => format!("{name}: encrypted from here on"),
    }
}

/// `2026-11-24 23:10:17.045 UTC, 3.010 s, closed normally, nothing lost`.
pub(super) fn course(session: &Session) -> String {
    let start = millisecond(session.start);
    let took = seconds(session.start, session.end);
    format!("{start} UTC, {took} s, {}, {}", closed(session.closed), lost(session))
}

/// How the connection ended.
fn closed(closed: Closed) -> &'static str {
    match closed {
        Closed::Fin => "closed normally",
        Closed::Rst => "reset",
        Closed::Timeout => "given up after the idle timeout",
        Closed::EndOfCapture => "open at the end of the capture",
        Closed::Evicted => "given up for want of room",
    }
}

/// `12 bytes of the client and 1 byte of the server`; nothing where there are none.
fn of_sides(client: u64, server: u64) -> Option<String> {
    let of =
        |bytes: u64, whose: &str| (bytes > 0).then(|| format!("{} of the {whose}", counted(bytes, "byte", "bytes")));
    let sides: Vec<String> = [of(client, "client"), of(server, "server")].into_iter().flatten().collect();
    (!sides.is_empty()).then(|| sides.join(" and "))
}

/// What of it was not captured.
fn lost(session: &Session) -> String {
    let missing = of_sides(session.missing_bytes.client, session.missing_bytes.server);
    let closed = matches!(session.closed, Closed::Fin | Closed::Rst);
    match (missing, session.complete) {
        (Some(missing), _) => format!("{missing} lost"),
        (None, true) => "nothing lost".to_owned(),
        (None, false) if closed => "its beginning was not captured".to_owned(),
        (None, false) => "no byte lost before that".to_owned(),
    }
}

/// What else is to be said of it at the head, a line each.
pub(super) fn remarks(dialogue: &Dialogue) -> Vec<String> {
    let mut remarks = Vec::new();
    if let Some(side) = dialogue.silent_side() {
        remarks.push(format!("one side only: nothing of the {side} was captured"));
    }
    if let Some((entry, tls)) = dialogue.encrypted_from() {
        let version = tls.version.as_ref().map(|version| format!(" {version}")).unwrap_or_default();
        remarks.push(format!("TLS{version}: encrypted from frame {} on, and so not analysed from there", entry.frame));
    }
    let again = dialogue.session.retransmitted.and_then(|again| of_sides(again.client, again.server));
    remarks.extend(again.map(|bytes| format!("retransmitted: {bytes}")));
    if let Some(client) = &dialogue.session.proxied_for {
        remarks.push(format!("the PROXY header names {client} as the client"));
    }
    remarks
}

/// Which frames of which captures it has, in so many cells where there is one capture.
pub(super) fn frames(session: &Session, cells: usize) -> String {
    let Session { capture, last_capture, first_frame, last_frame, .. } = session;
    if capture != last_capture {
        let of = |capture: &str| cut_path(capture, (cells / 2).saturating_sub(16).max(20)).into_owned();
        return format!("{}  frame {first_frame}, to {}  frame {last_frame}", of(capture), of(last_capture));
    }
    let frames = if first_frame == last_frame {
        format!("frame {first_frame}")
    } else {
        format!("frames {first_frame} to {last_frame}")
    };
    let room = cells.saturating_sub(frames.len()).saturating_sub(2).max(20);
    format!("{}  {frames}", cut_path(capture, room))
}

/// `192.0.2.10:50734 > 192.0.2.26:25`; of a server with a name that and its address.
pub(super) fn ends(client: End, server: &ServerEnd) -> String {
    match server.name {
        Some(_) => format!("{client} > {server} ({})", End { ip: server.ip, port: server.port }),
        None => format!("{client} > {server}"),
    }
}

/// `1 high, 2 low`, or that there is none.
pub(super) fn severities(dialogue: &Dialogue) -> String {
    let counts: Vec<String> =
        dialogue.severities().into_iter().map(|(severity, of)| format!("{} {severity}", count(of))).collect();
    if counts.is_empty() { "no findings".to_owned() } else { counts.join(", ") }
}

/// Seconds between two times, with three decimals; what is later may have an earlier time.
pub(super) fn seconds(start: When, time: When) -> String {
    let nanoseconds = time.nanoseconds().saturating_sub(start.nanoseconds());
    let sign = if nanoseconds < 0 { "-" } else { "" };
    let milliseconds = nanoseconds.unsigned_abs().saturating_add(500_000) / 1_000_000;
    format!("{sign}{}.{:03}", milliseconds / 1000, milliseconds % 1000)
}
