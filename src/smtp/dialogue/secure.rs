//! Carries out what the [`handshake`](crate::smtp::handshake) finds: who is told, and how the bytes are read on.

use super::Dialogue;
use crate::base::Moment;
use crate::smtp::Hears;
use crate::smtp::client::{Cause, State};
use crate::smtp::command::{Role, redacted};
use crate::smtp::event::FaultKind;
use crate::smtp::handshake::{Answer, Around, Handshake, Injected, Outcome};
use crate::smtp::secrets::Secret;
use crate::smtp::wire::line::{Cut, Line, LineReader, Piece};
use crate::smtp::wire::tls::State as TlsState;

impl Dialogue {
    /// Lets the handshake judge with what is known around it.
    fn judge<T>(&mut self, seen: Option<u64>, judge: impl FnOnce(&mut Handshake, &mut Around<'_>) -> T) -> Option<T> {
        let State::Hidden(handshake) = &mut *self.client else { return None };
        let whole = !self.session.doubt.rests();
        let mut around = Around { tls: &mut self.session.tls, whole, bound: self.limits.0.line, seen };
        Some(judge(handshake, &mut around))
    }

    /// Client bytes where SMTP may be hidden.
    pub(super) fn read_hidden(&mut self, piece: &mut Piece<'_>, hears: &mut dyn Hears) {
        let seen = self.streams.client_seen(&piece.from);
        let at = piece.from.at;
        let Some(outcome) = self.judge(seen, |handshake, around| handshake.client(piece, around)) else { return };
        self.carry_out(outcome, at, hears);
    }

    fn carry_out(&mut self, outcome: Outcome, at: Moment, hears: &mut dyn Hears) {
        match outcome {
            Outcome::Taken | Outcome::Lines => {}
            Outcome::Begins => self.tell_injected(hears),
            Outcome::Told => {
                self.tell_injected(hears);
                self.tell_tls(at, hears);
            }
            Outcome::Hold => {
                let layer = matches!(&*self.client, State::Hidden(handshake) if handshake.is_layer());
                self.session.sasl_layer |= layer;
            }
            Outcome::Smtp => self.client.enter(State::Command, Cause::Bytes),
            Outcome::Ahead => self.lose_late(hears),
            Outcome::Opaque => self.client.enter(State::Opaque, Cause::Bytes),
        }
    }

    /// Looks whether enough bytes are held to tell whether they begin a handshake; returns whether they did.
    pub(super) fn look_at_hidden(&mut self, hears: &mut dyn Hears) -> bool {
        /// So many octets tell.
        const ENOUGH: usize = 4;
        let (prefix, is_cut) = (self.held.prefix(ENOUGH), self.held.is_cut());
        let outcome = self.judge(None, |handshake, _| handshake.look(&prefix, is_cut)).flatten();
        let at = self.held.source().map_or(self.session.last, |source| source.at);
        outcome.map(|outcome| self.carry_out(outcome, at, hears)).is_some()
    }

    /// Waits no longer for what would tell what the client's bytes are.
    pub(super) fn release_hidden(&mut self, hears: &mut dyn Hears) {
        let at = self.held.source().map_or(self.session.last, |source| source.at);
        if let Some(outcome) = self.judge(None, Handshake::release) {
            self.carry_out(outcome, at, hears);
        }
    }

    /// Server bytes where SMTP may be hidden; what is left of the piece are lines.
    pub(super) fn server_hidden(&mut self, piece: &mut Piece<'_>, hears: &mut dyn Hears) {
        while !piece.is_empty() {
            let (in_line, ahead) = (self.lines.server.is_open(), self.streams.server_is_ahead(piece.from.seen));
            let (seen, at) = (self.streams.server_seen(piece.from.seen), piece.from.at);
            let step =
                |handshake: &mut Handshake, around: &mut Around<'_>| handshake.server(piece, in_line, ahead, around);
            let held = self.held.source().map(|source| source.at);
            match self.judge(seen, step) {
                None | Some(Outcome::Lines) => return,
                Some(outcome) => {
                    // What the client sent instead of a handshake tells that there was none.
                    let none = self.session.tls.state == TlsState::Failed && self.session.tls.alert.is_none();
                    self.carry_out(outcome, held.filter(|_| none).unwrap_or(at), hears);
                }
            }
            self.proceed(hears);
            if matches!(*self.client, State::Opaque) {
                piece.take(usize::MAX);
            }
        }
    }

    /// A server's line where SMTP may be hidden; returns whether it is one like others.
    pub(super) fn line_hidden(&mut self, line: &Line, code: Option<u16>, hears: &mut dyn Hears) -> bool {
        let (seen, due, at) = (self.streams.server_seen(line.seen), !self.matching.is_empty(), line.at.first());
        let Some(answer) = self.judge(seen, |handshake, around| handshake.answer(line, code, due, around)) else {
            return true;
        };
        match answer {
            Answer::Reply => return true,
            Answer::Injected => self.tell_server_injected(line, hears),
            Answer::ToInjected => {
                self.read_injected(hears);
                return true;
            }
            Answer::Smtp => {
                self.session.sasl_layer = false;
                return self.bring_back(hears);
            }
            Answer::FailedSmtp { told } => {
                if told {
                    self.carry_out(Outcome::Told, at, hears);
                }
                self.lines.excused = true;
                return self.bring_back(hears);
            }
            Answer::Decrypted => {
                self.lines.cut = self.lines.cut.or(Some(Cut::Lf));
                self.tell_tls(at, hears);
                return self.bring_back(hears);
            }
            Answer::NotTls => {
                let held = self.held.source().map_or(at, |source| source.at);
                self.carry_out(Outcome::Told, held, hears);
            }
            Answer::Ignored => {}
            Answer::Opaque => self.client.enter(State::Opaque, Cause::Reply),
        }
        self.proceed(hears);
        false
    }

    fn bring_back(&mut self, hears: &mut dyn Hears) -> bool {
        self.client.enter(State::Command, Cause::Reply);
        self.proceed(hears);
        true
    }

    /// Tells what either side slipped in before the handshake.
    pub(super) fn tell_injected(&mut self, hears: &mut dyn Hears) {
        if let State::Hidden(handshake) = &*self.client
            && handshake.may_be_injected()
            && let Some(line) = self.lines.server.finish()
        {
            self.tell_server_injected(&line, hears);
        }
        let side = self.streams.client_side();
        if let State::Hidden(handshake) = &mut *self.client
            && let accepted = handshake.is_accepted()
            && let Some(Injected { bytes, at, .. }) = handshake.take_injected().cloned()
        {
            let shown = redacted(&bytes);
            let hidden = (shown != bytes).then(|| Secret::new(bytes));
            self.fault(FaultKind::Injected { bytes: shown, hidden, accepted }, side, at, hears);
        }
    }

    fn tell_server_injected(&mut self, line: &Line, hears: &mut dyn Hears) {
        let bytes = redacted(&Injected::of_server(line));
        self.fault(FaultKind::ServerInjected { bytes }, self.streams.server_side(), line.at.clone(), hears);
    }

    /// The server executed in clear what stood in the flight of STARTTLS: its whole lines are commands.
    fn read_injected(&mut self, hears: &mut dyn Hears) {
        let State::Hidden(handshake) = &*self.client else { return };
        let Some(injected) = handshake.injected().cloned() else { return };
        self.tell_injected(hears);
        let hidden = self.client.leave();
        self.client.enter(State::Command, Cause::Reply);
        let mut piece = Piece { offset: injected.start, bytes: &injected.bytes, from: injected.from };
        let mut lines = LineReader::default();
        while let Some(line) = lines.take(&mut piece, Cut::Lf, self.limits.0.line) {
            self.command(line, Role::Command, false, hears);
            if !matches!(*self.client, State::Command) {
                break;
            }
        }
        self.client.enter(hidden, Cause::Reply);
    }

    /// TLS from the first byte, as both sides show, or as one does where the other was not captured.
    pub(super) fn begin_implicit_tls(&mut self, at: Moment, cause: Cause, hears: &mut dyn Hears) {
        let handshake = Handshake::implicit(&mut self.session.tls);
        self.tell_tls(at, hears);
        self.client.enter(State::Hidden(Box::new(handshake)), cause);
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
