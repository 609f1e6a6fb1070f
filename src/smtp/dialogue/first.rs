//! The client's first bytes: SMTP, a PROXY header, or another protocol, which the server may still take for SMTP.

use super::Dialogue;
use crate::base::{Moment, Packets, Side};
use crate::smtp::Hears;
use crate::smtp::client::{Cause, Header, State};
use crate::smtp::command::Role;
use crate::smtp::event::FaultKind;
use crate::smtp::held::Kept;
use crate::smtp::readings::{Choice, Reading};
use crate::smtp::reply::Reply;
use crate::smtp::wire::foreign::{self, First};
use crate::smtp::wire::line::{Cut, LineReader, Piece};
use crate::smtp::wire::tls;

/// A handshake as a client's first bytes.
const TLS: &str = "TLS";

impl Dialogue {
    /// Looks at what is held of the first bytes; returns whether it is known what they are.
    pub(super) fn look_at_first(&mut self, hears: &mut dyn Hears) -> bool {
        /// More than any sign of another protocol, and a PROXY header as far as it names the client.
        const SIGNS: usize = 128;
        let prefix = self.held.prefix(SIGNS);
        let Some(source) = self.held.source() else {
            // Nothing but a gap, or the end.
            let is_cut = self.held.is_cut();
            if is_cut {
                self.client.enter(State::Command, Cause::Bytes);
            }
            return is_cut;
        };
        let is_cut = self.held.is_cut();
        match foreign::client(&prefix) {
            First::More if !is_cut && !is_line(&prefix) => return false,
            First::Proxy(length, client) if !self.opening.is_proxied() => {
                let header = Header {
                    bytes: Vec::new(),
                    offset: self.held.offset().unwrap_or(0),
                    from: source,
                    left: length as u64,
                    client,
                };
                self.client.enter(State::Header(Box::new(header)), Cause::Bytes);
            }
            // Cut by a gap: what it begins is not known.
            First::More
                if !is_line(&prefix) && (!prefix.is_ascii() || prefix.contains(&0) || prefix.starts_with(b"\r")) =>
            {
                self.client.enter(State::Lost, Cause::Gap);
            }
            First::More | First::Smtp | First::Proxy(..) => self.client.enter(State::Command, Cause::Bytes),
            First::Tls => {
                self.begin_foreign(TLS, source.at, hears);
                if self.server_missing(source.seen) {
                    self.begin_implicit_tls(source.at, Cause::NoReply, hears);
                }
            }
            First::Lines(name) | First::Binary(name) => self.begin_foreign(name, source.at, hears),
        }
        true
    }

    /// The client's first bytes are another protocol's: they wait for what the server makes of them.
    fn begin_foreign(&mut self, name: &'static str, at: Moment, hears: &mut dyn Hears) {
        self.name_protocol(name, self.streams.client_side(), Packets::one(at), hears);
        let next = match self.opening.server_fits() {
            Some(false) if name != TLS => State::Opaque,
            Some(true) if foreign::is_text(name) => State::Command,
            _ => State::Foreign,
        };
        self.client.enter(next, Cause::Bytes);
    }

    /// The client's stream is another protocol.
    pub(super) fn name_protocol(&mut self, name: &'static str, side: Side, at: Packets, hears: &mut dyn Hears) {
        if self.session.protocol.is_none() {
            self.session.protocol = Some(name);
            self.fault(FaultKind::OtherProtocol { name }, side, at, hears);
        }
    }

    /// Neither side's first line is one of SMTP.
    pub(super) fn name_unknown(&mut self, side: Side, at: &Packets, hears: &mut dyn Hears) {
        self.name_protocol(foreign::UNKNOWN, side, at.clone(), hears);
    }

    /// A reply beyond the greeting that has seen what the client began with: it was taken for SMTP.
    pub(super) fn first_is_answered(&mut self, reply: &Reply, hears: &mut dyn Hears) {
        let Some(offset) = self.held.offset() else { return };
        let seen = self.streams.server_seen(reply.seen);
        if seen.is_some_and(|seen| seen <= offset) {
            return;
        }
        match &*self.client {
            State::First | State::Foreign => {
                self.session.answered_in_smtp |= self.session.protocol.is_some();
                self.opening.note_foreign_line(matches!(*self.client, State::Foreign));
                self.opening.server_speaks_smtp();
                self.note_cut();
                self.client.enter(State::Command, Cause::Reply);
                self.proceed(hears);
            }
            _ => {}
        }
    }

    /// A line that ended in LF was answered: this server ends lines there.
    fn note_cut(&mut self) {
        let prefix = self.held.prefix(512);
        let end = memchr::memchr(b'\n', &prefix);
        if end.is_some_and(|end| !prefix.get(..end).unwrap_or_default().ends_with(b"\r")) {
            self.lines.cut = self.lines.cut.or(Some(Cut::Lf));
        }
    }

    // ---- PROXY

    /// Takes a header's octets off the piece.
    pub(super) fn read_header(&mut self, piece: &mut Piece<'_>, hears: &mut dyn Hears) {
        let State::Header(header) = &mut *self.client else { return };
        let count = usize::try_from(header.left).unwrap_or(usize::MAX).min(piece.bytes.len());
        let part = piece.take(count);
        header.bytes.extend_from_slice(part.bytes);
        header.left = header.left.saturating_sub(count as u64);
        if header.left > 0 {
            return;
        }
        self.opening.note_proxy();
        if let State::Header(header) = self.client.leave() {
            self.client.enter(State::Proxied(header), Cause::Bytes);
        }
        if self.server_missing(part.from.seen) {
            self.take_proxy(Cause::NoReply);
        } else if !self.opening.is_greeting_due() {
            self.ask_proxy(hears);
        }
    }

    /// The greeting does not tell whether the server takes the header: its replies do, by their number.
    fn ask_proxy(&mut self, hears: &mut dyn Hears) {
        if self.choices.may_stop() {
            self.flush(hears);
            self.choices.stop(Choice::Proxy);
        } else {
            self.take_proxy(Cause::NoReply);
        }
    }

    pub(super) fn choose_proxy(&mut self, reading: Reading, hears: &mut dyn Hears) {
        if reading == Reading::Refused {
            self.refuse_proxy(hears);
        } else {
            self.take_proxy(Cause::Evidence);
        }
    }

    /// The server took the header.
    fn take_proxy(&mut self, cause: Cause) {
        if let State::Proxied(header) = self.client.leave() {
            self.accept_proxy(*header, cause);
        }
    }

    pub(super) fn accept_proxy(&mut self, header: Header, cause: Cause) {
        self.session.proxied_for = header.client;
        self.client.enter(State::First, cause);
    }

    /// The server greets behind a PROXY header.
    pub(super) fn judge_proxy(&mut self, hears: &mut dyn Hears) {
        if matches!(*self.client, State::Proxied(_)) {
            self.ask_proxy(hears);
        }
    }

    /// The server refused the header: version 1 is one command, version 2 is read as lines.
    fn refuse_proxy(&mut self, hears: &mut dyn Hears) {
        let State::Proxied(header) = self.client.leave() else { return };
        self.client.enter(State::Command, Cause::Reply);
        let mut piece = Piece { offset: header.offset, bytes: &header.bytes, from: header.from };
        if !header.bytes.starts_with(b"PROXY ") {
            self.lines.cut = self.lines.cut.or(Some(Cut::Lf));
            return self.held.put_front(Kept::new(&piece));
        }
        let mut reader = LineReader::default();
        if let Some(line) = reader.take(&mut piece, Cut::Lf, self.limits.0.line) {
            self.command(line, Role::Command, false, hears);
        }
    }

    /// A server that answers what began like a TLS handshake with a record speaks it.
    pub(super) fn foreign_server_bytes(&mut self, piece: &Piece<'_>, hears: &mut dyn Hears) {
        if matches!(*self.client, State::Foreign)
            && !self.lines.server.is_open()
            && tls::begins_record(piece.bytes)
            && tls::begins_handshake(&self.held.prefix(4)) == Some(true)
        {
            let at = self.held.source().map_or(piece.from.at, |source| source.at);
            self.begin_implicit_tls(at, Cause::Reply, hears);
        }
    }
}

/// Whether a whole line is there that begins no PROXY header of version 2.
fn is_line(prefix: &[u8]) -> bool {
    let is_header = foreign::PROXY_V2.starts_with(prefix) || prefix.starts_with(foreign::PROXY_V2);
    prefix.contains(&b'\n') && !is_header
}
