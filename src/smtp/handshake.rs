//! Where SMTP may give way to what cannot be read: behind the 220 to STARTTLS (RFC 3207 4), in TLS from the connection's
//! first byte, behind an AUTH that may have switched on a security layer (RFC 4422 3.7).
//!
//! The machine is given each side's bytes with what their sender had seen, and says what becomes of them. It knows
//! nothing of commands and replies: who drives it holds bytes, reads lines and tells events ([`Outcome`], [`Answer`]).

use super::wire::line::{Ending, Line, Piece, Source};
use super::wire::tls::{self, State, Tls, Watch};
use crate::base::Packets;

/// What may hide SMTP, from its first byte on.
#[derive(Clone, Debug)]
pub(super) struct Handshake {
    stage: Stage,
    /// Where in the server's stream the 220 ended; `None` where it was not captured.
    prompt_end: Option<u64>,
    injected: Option<Injected>,
    /// Server bytes in clear behind its 220 were told.
    server_told: bool,
    watch: Watch,
    /// Where the client's bytes begin that are no SMTP, as it seems.
    begins: u64,
    /// Client bytes before this position were the failed handshake's.
    consumed: u64,
}

/// What the client's bytes are, as far as that is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// Behind the 220 nothing has come.
    Awaited,
    /// Too few to tell: held.
    Undecided,
    /// No handshake.
    Other,
    /// SMTP, as it seems: held until the server answers.
    Clear,
    Tls,
    /// The handshake failed, or there was none. A server line with a code brings SMTP back.
    Failed,
    /// The same with text of the client, which is held.
    FailedHeld,
    /// Behind AUTH.
    Layer,
    /// Behind AUTH and no text: held until the server shows whether it speaks SMTP.
    LayerHeld,
}

/// Client bytes in the flight of STARTTLS.
#[derive(Clone, Debug)]
pub(super) struct Injected {
    pub bytes: Vec<u8>,
    pub at: Packets,
    pub start: u64,
    pub from: Source,
    /// The position behind the last of them, those that are not kept too.
    end: u64,
    told: bool,
}

/// What bytes are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// They are used up.
    Taken,
    /// TLS begins with them: what was slipped in before it is told now.
    Begins,
    /// More is known of the handshake.
    Told,
    /// The client's: they wait for what tells.
    Hold,
    /// The client's: SMTP goes on.
    Smtp,
    /// The server's: lines of text.
    Lines,
    /// The server answers client bytes that have not come.
    Ahead,
    /// Nothing can be read any more.
    Opaque,
}

/// What a server's line in clear is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Answer {
    /// A line like others.
    Reply,
    /// It was slipped in before the handshake.
    Injected,
    /// It answers what the client slipped in before the handshake: that is read as commands.
    ToInjected,
    /// The server answers SMTP in SMTP: so the session goes on.
    Smtp,
    /// The same behind a handshake that failed. `told`: its failure is news.
    FailedSmtp { told: bool },
    /// The session goes on in SMTP, and that it is decrypted is news.
    Decrypted,
    /// There was no handshake, which is news.
    NotTls,
    /// No part of anything.
    Ignored,
    /// Nothing can be read any more.
    Opaque,
}

/// What is known around the machine.
#[derive(Debug)]
pub(super) struct Around<'t> {
    pub tls: &'t mut Tls,
    /// Nothing is missing: what does not come was not sent.
    pub whole: bool,
    /// Octets that are kept of one line.
    pub bound: usize,
    /// How far the sender had seen the other side's stream, as far as that may be relied on.
    pub seen: Option<u64>,
}

impl Handshake {
    fn new(stage: Stage, prompt_end: Option<u64>) -> Handshake {
        Handshake {
            stage,
            prompt_end,
            injected: None,
            server_told: false,
            watch: Watch::default(),
            begins: 0,
            consumed: 0,
        }
    }

    /// Behind the 220 to STARTTLS.
    pub(super) fn behind_prompt(prompt_end: Option<u64>) -> Handshake {
        Handshake::new(Stage::Awaited, prompt_end)
    }

    /// TLS from the connection's first byte.
    pub(super) fn implicit(tls: &mut Tls) -> Handshake {
        tls.state = State::Implicit;
        Handshake::new(Stage::Tls, None)
    }

    /// Behind a successful AUTH that may have switched on a security layer.
    pub(super) fn layer() -> Handshake {
        Handshake::new(Stage::Layer, None)
    }

    /// A segment is missing: what comes is TLS that cannot be read.
    pub(super) fn miss(&mut self) {
        self.watch.miss();
        match self.stage {
            Stage::Tls | Stage::Failed | Stage::FailedHeld | Stage::Layer | Stage::LayerHeld => {}
            _ => self.stage = Stage::Tls,
        }
    }

    pub(super) fn waits(&self) -> bool {
        matches!(self.stage, Stage::Undecided | Stage::Clear | Stage::FailedHeld | Stage::LayerHeld)
    }

    /// Whether nothing that the server says can be SMTP, as far as is known.
    pub(super) fn is_opaque(&self) -> bool {
        matches!(self.stage, Stage::Tls | Stage::Failed | Stage::FailedHeld)
    }

    /// Whether all that comes is encrypted: nothing of it is read.
    pub(super) fn is_encrypted(&self, tls: &Tls) -> bool {
        self.stage == Stage::Tls && tls.is_encrypted()
    }

    /// Whether it is about a security layer, not TLS.
    pub(super) fn is_layer(&self) -> bool {
        matches!(self.stage, Stage::Layer | Stage::LayerHeld)
    }

    /// Whether server text so far would be slipped in before the handshake.
    pub(super) fn may_be_injected(&self) -> bool {
        matches!(self.stage, Stage::Awaited | Stage::Undecided | Stage::Other) && !self.server_told
    }

    pub(super) fn held(&self) -> usize {
        self.injected.as_ref().map_or(0, |injected| injected.bytes.len()).saturating_add(self.watch.held())
    }

    pub(super) fn injected(&self) -> Option<&Injected> {
        self.injected.as_ref()
    }

    /// What the client slipped in, to be told once.
    pub(super) fn take_injected(&mut self) -> Option<&Injected> {
        let injected = self.injected.as_mut().filter(|injected| !injected.told)?;
        injected.told = true;
        Some(injected)
    }

    /// Whether the server accepted STARTTLS, as far as the capture shows.
    pub(super) fn is_accepted(&self) -> bool {
        self.prompt_end.is_some()
    }

    /// The client's next bytes.
    pub(super) fn client(&mut self, piece: &mut Piece<'_>, around: &mut Around<'_>) -> Outcome {
        match self.stage {
            Stage::Awaited | Stage::Undecided | Stage::Other => self.behind(piece, around),
            Stage::Tls => self.watch(true, piece, around),
            Stage::Failed => {
                let ours = self.consumed.saturating_sub(piece.offset);
                piece.take(usize::try_from(ours).unwrap_or(usize::MAX));
                self.skip(true, piece);
                match piece.bytes {
                    [] => Outcome::Taken,
                    [first, ..] if first.is_ascii_alphabetic() => {
                        self.stage = Stage::FailedHeld;
                        Outcome::Hold
                    }
                    _ => taken(piece),
                }
            }
            Stage::Layer if piece.bytes.first().is_some_and(|&byte| byte == b'\r' || byte >= b' ') => Outcome::Smtp,
            Stage::Layer => {
                (self.stage, self.begins) = (Stage::LayerHeld, piece.offset);
                Outcome::Hold
            }
            Stage::Clear | Stage::FailedHeld | Stage::LayerHeld => Outcome::Hold,
        }
    }

    /// Behind the 220: TLS, bytes that were sent before it was known, or SMTP all the same.
    fn behind(&mut self, piece: &mut Piece<'_>, around: &mut Around<'_>) -> Outcome {
        let begins = if self.stage == Stage::Other { Some(false) } else { tls::begins_tls(piece.bytes) };
        let in_flight = around.seen.zip(self.prompt_end).is_some_and(|(seen, end)| seen < end);
        let slipped_in = self.injected.as_ref().is_some_and(|injected| !injected.told);
        if in_flight && (slipped_in || begins == Some(false)) {
            self.inject(piece, around.bound);
            return Outcome::Taken;
        }
        self.begins = piece.offset;
        match begins {
            None => {
                self.stage = Stage::Undecided;
                Outcome::Hold
            }
            Some(true) => {
                self.stage = Stage::Tls;
                Outcome::Begins
            }
            Some(false) if piece.bytes.first().is_some_and(u8::is_ascii_alphabetic) => {
                self.stage = Stage::Clear;
                Outcome::Begins
            }
            Some(false) => {
                self.fail(Some(piece.end()), around);
                piece.take(usize::MAX);
                Outcome::Told
            }
        }
    }

    fn inject(&mut self, piece: &mut Piece<'_>, bound: usize) {
        let part = piece.take(usize::MAX);
        let injected = self.injected.get_or_insert_with(|| Injected {
            bytes: Vec::new(),
            at: Packets::one(part.from.at),
            start: part.offset,
            from: part.from,
            end: part.offset,
            told: false,
        });
        let room = bound.saturating_sub(injected.bytes.len());
        injected.bytes.extend_from_slice(part.bytes.get(..room).unwrap_or(part.bytes));
        injected.at.push(part.from.at);
        injected.end = part.end();
        self.stage = Stage::Awaited;
    }

    /// Looks at the first of the bytes that are held; returns what they are, if that is known now.
    pub(super) fn look(&mut self, held: &[u8], is_cut: bool) -> Option<Outcome> {
        if self.stage != Stage::Undecided {
            return None;
        }
        match tls::begins_tls(held) {
            None if !is_cut => None,
            Some(true) => {
                self.stage = Stage::Tls;
                Some(Outcome::Begins)
            }
            None | Some(false) => {
                self.stage = Stage::Other;
                Some(Outcome::Taken)
            }
        }
    }

    /// Waits no longer for what would tell what the client's bytes are.
    pub(super) fn release(&mut self, around: &mut Around<'_>) -> Outcome {
        match self.stage {
            Stage::Undecided => self.stage = Stage::Other,
            Stage::Clear => {
                self.fail(None, around);
                return Outcome::Told;
            }
            Stage::FailedHeld => (self.stage, self.consumed) = (Stage::Failed, u64::MAX),
            Stage::LayerHeld => return Outcome::Opaque,
            _ => {}
        }
        Outcome::Taken
    }

    /// The server's next bytes. `in_line`: a line of text has begun; `ahead`: it had seen client bytes that have not come.
    pub(super) fn server(
        &mut self,
        piece: &mut Piece<'_>,
        in_line: bool,
        ahead: bool,
        around: &mut Around<'_>,
    ) -> Outcome {
        let record = !in_line && tls::begins_record(piece.bytes);
        match self.stage {
            Stage::Awaited | Stage::Undecided | Stage::Other if ahead => {
                // It answers what the client went on with, whatever that is.
                piece.take(usize::MAX);
                Outcome::Ahead
            }
            // It ends the handshake before it begins.
            Stage::Awaited | Stage::Undecided | Stage::Other if record || !self.watch.is_between(false) => {
                self.watch(false, piece, around)
            }
            Stage::Clear if record => {
                self.fail(around.seen, around);
                Outcome::Told
            }
            Stage::Awaited | Stage::Undecided | Stage::Other | Stage::Clear | Stage::Layer => Outcome::Lines,
            Stage::Tls if in_line || (begins_like_reply(piece.bytes) && self.watch.awaits_server()) => Outcome::Lines,
            Stage::Tls => self.watch(false, piece, around),
            Stage::Failed | Stage::FailedHeld => {
                if !in_line {
                    self.skip(false, piece);
                }
                if piece.is_empty() { Outcome::Taken } else { Outcome::Lines }
            }
            Stage::LayerHeld if in_line || begins_like_reply(piece.bytes) => Outcome::Lines,
            Stage::LayerHeld => {
                piece.take(usize::MAX);
                Outcome::Opaque
            }
        }
    }

    /// What a server's line in clear is. `due`: a command waits for its reply.
    pub(super) fn answer(&mut self, line: &Line, code: Option<u16>, due: bool, around: &mut Around<'_>) -> Answer {
        let had = |position: u64| around.seen.is_none_or(|seen| seen > position);
        match self.stage {
            Stage::Awaited | Stage::Undecided | Stage::Other => {
                let injected_end = self.injected.as_ref().filter(|injected| !injected.told).map(|had| had.end);
                if line.after_fin || due {
                    Answer::Reply
                } else if code.is_some() && injected_end.is_some_and(|end| had(end.saturating_sub(1))) {
                    Answer::ToInjected
                } else if self.server_told {
                    Answer::Ignored
                } else {
                    self.server_told = true;
                    Answer::Injected
                }
            }
            Stage::Clear if code.is_none() => {
                self.fail(around.seen, around);
                Answer::NotTls
            }
            // A reply to the client's FIN answers nothing that it said.
            Stage::Clear if line.after_fin && code.is_none_or(|code| code >= 400) => Answer::Reply,
            Stage::Clear => {
                (around.tls.state, around.tls.settled) = (State::Decrypted, true);
                Answer::Decrypted
            }
            Stage::Tls if code.is_some() && had(self.begins) => {
                self.stage = Stage::Failed;
                (around.tls.state, around.tls.settled) = (State::Failed, true);
                Answer::FailedSmtp { told: true }
            }
            Stage::Tls if code.is_some() && !self.server_told => {
                self.server_told = true;
                Answer::Injected
            }
            Stage::Tls => {
                if code.is_none() {
                    self.watch.lose(false);
                }
                Answer::Ignored
            }
            Stage::Failed | Stage::FailedHeld if code.is_some() => Answer::FailedSmtp { told: false },
            Stage::Failed | Stage::FailedHeld => Answer::Ignored,
            Stage::Layer => Answer::Reply,
            Stage::LayerHeld if code.is_some() && had(self.begins) => Answer::Smtp,
            Stage::LayerHeld => Answer::Opaque,
        }
    }

    fn watch(&mut self, from_client: bool, piece: &mut Piece<'_>, around: &mut Around<'_>) -> Outcome {
        let mut bytes = piece.bytes;
        let told = self.watch.take(from_client, &mut bytes, around.tls);
        piece.take(piece.bytes.len().saturating_sub(bytes.len()));
        if around.tls.alert.is_some() && around.tls.state == State::Failed {
            self.stage = Stage::Failed;
            self.consumed = if from_client { piece.offset } else { around.seen.unwrap_or(u64::MAX) };
            if !from_client {
                self.watch.restart_client();
            }
        }
        if told { Outcome::Told } else { Outcome::Taken }
    }

    /// Behind the 220 there was neither TLS nor SMTP that the server answers. `consumed`: so far the server had taken the
    /// client's bytes for a handshake.
    fn fail(&mut self, consumed: Option<u64>, around: &mut Around<'_>) {
        (self.stage, self.consumed) = (Stage::Failed, consumed.unwrap_or(u64::MAX));
        // Where bytes are missing it may be SMTP whose replies are among them.
        (around.tls.state, around.tls.not_tls, around.tls.settled) = (State::Failed, around.whole, true);
    }

    fn skip(&mut self, from_client: bool, piece: &mut Piece<'_>) {
        let mut bytes = piece.bytes;
        self.watch.skip(from_client, &mut bytes);
        piece.take(piece.bytes.len().saturating_sub(bytes.len()));
    }
}

impl Injected {
    /// A line that the server slipped in, as it stood on the wire.
    pub(super) fn of_server(line: &Line) -> Vec<u8> {
        let mut bytes = line.text.clone();
        bytes.extend_from_slice(match line.ending {
            Ending::CrLf => b"\r\n",
            Ending::Lf => b"\n",
            Ending::None => b"",
        });
        bytes
    }
}

fn taken(piece: &mut Piece<'_>) -> Outcome {
    piece.take(usize::MAX);
    Outcome::Taken
}

/// Whether bytes begin like a reply's code, as no record and no security layer's length does.
fn begins_like_reply(bytes: &[u8]) -> bool {
    matches!(bytes, [b'2'..=b'5', ..])
}
