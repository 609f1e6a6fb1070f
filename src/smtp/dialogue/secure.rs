//! Behind the 220 to STARTTLS: TLS, bytes that were sent before it was known, or SMTP all the same (RFC 3207 section 4).

use super::Dialogue;
use crate::base::{Moment, Packets};
use crate::smtp::Hears;
use crate::smtp::auth::Secret;
use crate::smtp::client::{Cause, State};
use crate::smtp::command::redacted;
use crate::smtp::event::FaultKind;
use crate::smtp::handshake::Begins;
use crate::smtp::wire::line::{Cut, Piece};
use crate::smtp::wire::tls::{self, State as TlsState};

impl Dialogue {
    /// Behind the 220: TLS, bytes that were sent before it was known, or SMTP all the same.
    pub(super) fn read_hello(&mut self, piece: &mut Piece<'_>, hears: &mut dyn Hears) {
        let bound = self.limits.0.line;
        let seen = self.streams.client_seen(&piece.from);
        let State::Hello(hello) = &mut *self.client else { return };
        let handshake = match hello.begins {
            Begins::Other => Some(false),
            _ => tls::begins_handshake(piece.bytes),
        };
        let in_flight = seen.zip(hello.prompt_end).is_some_and(|(seen, end)| seen < end);
        if in_flight && (hello.injected.is_some() || handshake == Some(false)) {
            let part = piece.take(usize::MAX);
            let (bytes, at) = hello.injected.get_or_insert_with(|| (Vec::new(), Packets::one(part.from.at)));
            let room = bound.saturating_sub(bytes.len());
            bytes.extend_from_slice(part.bytes.get(..room).unwrap_or(part.bytes));
            at.push(part.from.at);
            hello.begins = Begins::Awaited;
            return;
        }
        match handshake {
            None => hello.begins = Begins::Undecided,
            Some(true) => self.begin_tls(hears),
            Some(false) if piece.bytes.first().is_some_and(u8::is_ascii_alphabetic) => {
                hello.begins = Begins::Clear;
                self.tell_injected(hears);
            }
            Some(false) => {
                self.not_tls(hears);
                piece.take(usize::MAX);
            }
        }
    }

    fn begin_tls(&mut self, hears: &mut dyn Hears) {
        self.tell_injected(hears);
        self.client.enter(State::Tls(Box::default()), Cause::Bytes);
    }

    /// Looks whether enough bytes are held to tell whether they begin a handshake; returns whether they did.
    pub(super) fn look_at_hello(&mut self, hears: &mut dyn Hears) -> bool {
        /// So many octets tell.
        const ENOUGH: usize = 4;
        let prefix = self.held.prefix(ENOUGH);
        let State::Hello(hello) = &mut *self.client else { return false };
        if hello.begins != Begins::Undecided {
            return false;
        }
        match tls::begins_handshake(&prefix) {
            None if !self.held.is_cut() => return false,
            Some(true) => self.begin_tls(hears),
            None | Some(false) => hello.begins = Begins::Other,
        }
        true
    }

    /// Waits no longer for what would tell what the client's bytes are.
    pub(super) fn release_hello(&mut self, hears: &mut dyn Hears) {
        match &mut *self.client {
            State::Hello(hello) if hello.begins == Begins::Undecided => hello.begins = Begins::Other,
            State::Hello(hello) if hello.begins == Begins::Clear => self.not_tls(hears),
            _ => {}
        }
    }

    pub(super) fn tell_injected(&mut self, hears: &mut dyn Hears) {
        self.tell_server_injected(hears);
        let side = self.streams.client_side();
        if let State::Hello(hello) = &mut *self.client
            && let Some((bytes, at)) = hello.injected.take()
        {
            let accepted = hello.prompt_end.is_some();
            let shown = redacted(&bytes);
            let hidden = (shown != bytes).then(|| Secret::new(bytes));
            self.fault(FaultKind::Injected { bytes: shown, hidden, accepted }, side, at, hears);
        }
    }

    fn tell_server_injected(&mut self, hears: &mut dyn Hears) {
        let side = self.streams.server_side();
        if let State::Hello(hello) = &mut *self.client
            && let Some((bytes, at)) = hello.server_clear.take()
        {
            hello.server_injected = true;
            let bytes = redacted(&bytes);
            self.fault(FaultKind::ServerInjected { bytes }, side, at, hears);
        }
    }

    /// Behind the 220 there was neither TLS nor SMTP that the server answers.
    pub(super) fn not_tls(&mut self, hears: &mut dyn Hears) {
        self.tell_injected(hears);
        self.client.enter(State::Opaque, Cause::Bytes);
        let whole = !self.session.doubt.rests();
        let tls = &mut self.session.tls;
        // Where bytes are missing it may be SMTP whose replies are among them.
        (tls.state, tls.not_tls, tls.settled) = (TlsState::Failed, whole, true);
        let at = self.held.source().map_or(self.session.last, |source| source.at);
        self.tell_tls(at, hears);
    }

    /// Server bytes behind its 220 to STARTTLS; returns whether they may be SMTP.
    pub(super) fn server_behind_prompt(&mut self, piece: &Piece<'_>, hears: &mut dyn Hears) -> bool {
        let bound = self.limits.0.line;
        let begun = self.lines.server.held() > 0;
        let record = !begun && tls::begins_record(piece.bytes);
        let ahead = self.streams.server_is_ahead(piece.from.seen);
        let State::Hello(hello) = &mut *self.client else { return true };
        if ahead && !hello.is_clear() {
            // It answers what the client went on with, whatever that is.
            self.lose_late(hears);
            return false;
        }
        match (hello.is_clear(), record) {
            (true, false) => return true,
            (true, true) => self.not_tls(hears),
            (false, true) => {}
            (false, false) if hello.server_injected => {}
            (false, false) => {
                let (line, at) = hello.server_clear.get_or_insert_with(|| (Vec::new(), Packets::one(piece.from.at)));
                at.push(piece.from.at);
                let end = memchr::memchr(b'\n', piece.bytes).map(|at| at.saturating_add(1));
                let part = piece.bytes.get(..end.unwrap_or(piece.bytes.len())).unwrap_or(piece.bytes);
                let room = bound.saturating_sub(line.len());
                line.extend_from_slice(part.get(..room).unwrap_or(part));
                if end.is_some() || line.len() >= bound {
                    self.tell_server_injected(hears);
                }
            }
        }
        false
    }

    /// The client went on in clear behind the 220, and the server answers: a mirror that decrypts.
    pub(super) fn go_on_decrypted(&mut self, at: &Packets, hears: &mut dyn Hears) {
        self.session.tls.state = TlsState::Decrypted;
        self.session.tls.settled = true;
        self.client.enter(State::Command, Cause::Bytes);
        self.lines.cut = self.lines.cut.or(Some(Cut::Lf));
        self.tell_tls(at.first(), hears);
        self.proceed(hears);
    }

    /// TLS from the first byte, as both sides show.
    pub(super) fn begin_implicit_tls(&mut self, at: Moment, hears: &mut dyn Hears) {
        self.session.tls.state = TlsState::Implicit;
        self.tell_tls(at, hears);
        self.client.enter(State::Tls(Box::default()), Cause::Reply);
        self.proceed(hears);
    }

    /// The session is over: a handshake that told nothing more is settled.
    pub(super) fn settle_tls(&mut self, hears: &mut dyn Hears) {
        let tls = &mut self.session.tls;
        if matches!(tls.state, TlsState::Started | TlsState::Implicit) && !tls.settled {
            tls.settled = true;
            self.tell_tls(self.session.last, hears);
        }
    }
}
