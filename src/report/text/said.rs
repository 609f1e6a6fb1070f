//! Records that are printed while a scan goes on, each in a line: sessions, events, and what was counted.

use std::fmt::Display;

use crate::record::{Clockwork, Record, Session, Stats};
use crate::report::figures::{count, counted};

use super::styles::Styles;

/// An event: when, in which session, what was said.
pub(super) fn event(record: &Record, clock: &mut Clockwork, style: Styles) -> String {
    let (time, session) = match record {
        Record::Command(command) => (command.time, command.session),
        Record::Reply(reply) => (reply.time, reply.session),
        Record::Data(data) => (data.time, data.session),
        Record::Tls(tls) => (tls.time, tls.session),
        Record::Gap(gap) => (gap.time, gap.session),
        _ => return String::new(),
    };
    let time = clock.stamp(time.0);
    format!("{} {} {}\n", style.dim(time), style.dim(session.get(..8).unwrap_or_default()), said(record))
}

/// A session that is over.
pub(super) fn session(session: &Session, clock: &mut Clockwork, style: Styles) -> String {
    let start = clock.stamp(session.start.0);
    let ends = format_args!("{} -> {}", session.client, session.server);
    let helo = session.helo.as_ref();
    let helo = helo.map(|helo| format!("  {} {}", helo.verb, helo.argument)).unwrap_or_default();
    let Session { capture, first_frame, last_frame, last_capture, .. } = session;
    let frames = if last_capture == capture {
        format!("{capture} frames {first_frame}-{last_frame}")
    } else {
        format!("{capture} frame {first_frame} to {last_capture} frame {last_frame}")
    };
    format!(
        "{} {}  {ends}{helo}  {}, {}, {}, tls {}, {}  {frames}\n",
        style.dim(start),
        style.dim(session.session.get(..8).unwrap_or_default()),
        counted(session.commands, "command", "commands"),
        counted(session.replies, "reply", "replies"),
        counted(session.transactions.len() as u64, "mail", "mails"),
        session.tls.state,
        session.closed,
    )
}

/// What a live capture counted so far.
pub(super) fn stats(stats: &Stats, clock: &mut Clockwork, style: Styles) -> String {
    let time = clock.stamp(stats.time.0);
    let (packets, bytes) = (counted(stats.packets, "packet", "packets"), counted(stats.bytes, "byte", "bytes"));
    let dropped = count(stats.kernel_dropped.saturating_add(stats.interface_dropped));
    let filtered = stats.filtered_out.map(|packets| format!(", {} filtered out", count(packets))).unwrap_or_default();
    let (connections, sessions) = (count(stats.connections), count(stats.sessions));
    let (open, memory) = (count(stats.open_connections), count(stats.memory_bytes));
    format!(
        "{} {packets}, {bytes}, {dropped} dropped{filtered}, {connections} connections ({open} open), {sessions} sessions, {memory} bytes of memory\n",
        style.dim(time),
    )
}

/// What an event was.
fn said(record: &Record) -> String {
    let uncertain = |flag: bool| if flag { "  (uncertain)" } else { "" };
    match record {
        Record::Command(command) => {
            let (verb, argument) = (command.verb.as_deref().unwrap_or_default(), &command.argument);
            let blank = if verb.is_empty() || argument.is_empty() { "" } else { " " };
            format!("C: {verb}{blank}{argument}{}", uncertain(command.uncertain))
        }
        Record::Reply(reply) => {
            let code = reply.code.map_or_else(|| "---".to_owned(), |code| format!("{code:03}"));
            let lines = joined_lines(&reply.lines);
            let blank = if lines.is_empty() { "" } else { " " };
            format!("S: {code}{blank}{lines}{}", uncertain(reply.uncertain))
        }
        Record::Data(data) => {
            let (bytes, lines) = (counted(data.bytes, "byte", "bytes"), counted(data.lines, "line", "lines"));
            format!("   message data: {bytes}, {lines}, {}", data.end)
        }
        Record::Tls(tls) => {
            let version = tls.version.as_ref().map(|version| format!(" {version}")).unwrap_or_default();
            let sni = tls.sni.as_ref().map(|sni| format!(" for {sni}")).unwrap_or_default();
            format!("   TLS{version}{sni}: {}", tls.state)
        }
        Record::Gap(gap) => {
            format!("   {} from the {} missing", counted(gap.bytes, "byte", "bytes"), gap.side)
        }
        _ => String::new(),
    }
}

fn joined_lines(lines: &[impl Display]) -> String {
    lines.iter().map(ToString::to_string).collect::<Vec<_>>().join(" | ")
}
