//! AUTH and its kin (RFC 4954): which client text is secret, and what of an attempt may be told.
//!
//! [`Attempts`] is driven by what was said: [`begin`](Attempts::begin), [`challenge`](Attempts::challenge),
//! [`response`](Attempts::response), [`end`](Attempts::end), and [`role`](Attempts::role) for each line where commands are
//! read. A user's name is told only where it cannot be a password that a client sent in its place.

use data_encoding::BASE64;

use super::command::Role;
use super::secrets::{Secret, Secrets};
use super::session::Auth;
use super::wire::base64;
use super::wire::line::Line;
use super::wire::verb::{self, Verb};

/// The session's attempts to authenticate, and what stays secret of them. Most sessions have none.
#[derive(Clone, Debug, Default)]
pub(super) struct Attempts(Option<Box<State>>);

#[derive(Clone, Debug, Default)]
struct State {
    open: Option<Attempt>,
    behind: Behind,
    /// So many of the next lines may be of an exchange that was taken to be over: a user's name that in base64 is a verb
    /// (`HELP`), and the password behind it.
    doubtful: u8,
    /// The last reply was 334 though no AUTH was captured.
    prompted: bool,
    secrets: Secrets,
}

/// Why a line that looks like base64 may be a secret though no 334 came before it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Behind {
    #[default]
    Nothing,
    /// AUTH was refused, and no other command has come since: the client may not have listened.
    Refused,
    /// AUTH succeeded with a reply that ends there, and only such lines have come since: the client may have wrapped what
    /// it sent.
    Accepted(u64),
}

/// What an attempt came to.
#[derive(Debug)]
pub(super) struct Ended {
    pub told: Auth,
    /// Success may have switched on a security layer (RFC 4422 3.7), behind which nothing is readable.
    pub may_add_layer: bool,
}

impl Attempts {
    /// An AUTH command, by its argument: mechanism and perhaps an initial response.
    pub(super) fn begin(&mut self, argument: &[u8]) {
        let state = self.0.get_or_insert_default();
        state.behind = Behind::Nothing;
        let mut attempt = Attempt::default();
        let (name, initial) = verb::first_word(argument);
        if verb::is_mechanism(name) {
            attempt.mechanism = name.to_ascii_uppercase();
        } else {
            attempt.mechanism = Secret::SHOWN.to_vec();
            state.secrets.keep_stray(name);
        }
        if !initial.trim_ascii().is_empty() {
            attempt.initial = true;
            attempt.response(initial, &mut state.secrets);
        }
        state.open = Some(attempt);
    }

    /// A 334 to the command or to a line of its exchange, by its lines' texts.
    pub(super) fn challenge<'t>(&mut self, mut texts: impl Iterator<Item = &'t [u8]>) {
        let Some(attempt) = self.open_mut() else { return };
        if attempt.responses == 0 {
            let text = texts.next().filter(|_| texts.next().is_none());
            attempt.asks_name = text.is_some_and(asks_for_name);
        }
    }

    /// A client line of the exchange.
    pub(super) fn response(&mut self, line: &[u8]) {
        let state = self.0.get_or_insert_default();
        match &mut state.open {
            Some(attempt) => attempt.response(line, &mut state.secrets),
            None => state.secrets.keep_stray(line),
        }
    }

    /// A secret that is part of no attempt.
    pub(super) fn stray(&mut self, text: &[u8]) {
        self.0.get_or_insert_default().secrets.keep_stray(text);
    }

    /// A command that is AUTH misspelt: a client that does not listen to its refusal goes on with its secrets.
    pub(super) fn misspelt(&mut self) {
        self.0.get_or_insert_default().behind = Behind::Refused;
    }

    /// The attempt got its last reply, which ends there (no code: it was not captured).
    pub(super) fn end(&mut self, code: Option<u16>, reply_end: u64) -> Option<Ended> {
        let state = self.0.as_mut()?;
        let Attempt { mechanism, user, given, .. } = state.open.take()?;
        let succeeded = matches!(code, None | Some(200..=299));
        state.behind = match code {
            // The reply may have come between two lines of what the client wrapped.
            None => Behind::Accepted(0),
            Some(_) if succeeded => Behind::Accepted(reply_end),
            Some(_) => Behind::Refused,
        };
        let user = user.filter(|user| !state.secrets.holds(user)).or_else(|| given.then(|| Secret::SHOWN.to_vec()));
        let layers: &[&[u8]] = &[b"GSSAPI", b"GSS-SPNEGO", b"DIGEST-MD5", b"NTLM", b"KERBEROS_V4"];
        let may_add_layer = code.is_some() && succeeded && layers.contains(&mechanism.as_slice());
        Some(Ended { told: Auth { mechanism, user, code }, may_add_layer })
    }

    /// The exchange was taken to be over though its last reply was not captured.
    pub(super) fn doubt(&mut self) {
        if let Some(state) = &mut self.0 {
            state.doubtful = 2;
        }
    }

    /// A 334 though no AUTH was captured: the next line may be of its exchange.
    pub(super) fn prompted(&mut self) {
        self.0.get_or_insert_default().prompted = true;
    }

    /// What was under way is not known any more.
    pub(super) fn lose(&mut self) {
        if let Some(state) = &mut self.0 {
            state.open = None;
        }
    }

    pub(super) fn is_open(&self) -> bool {
        self.0.as_ref().is_some_and(|state| state.open.is_some())
    }

    fn open_mut(&mut self) -> Option<&mut Attempt> {
        self.0.as_mut()?.open.as_mut()
    }

    /// What a line is where commands are read: a command, or a secret all the same.
    pub(super) fn role(&mut self, line: &Line) -> Role {
        let Some(state) = &mut self.0 else { return Role::Command };
        let text = &line.text;
        let doubtful = state.doubtful > 0;
        state.doubtful = state.doubtful.saturating_sub(1);
        let prompted = std::mem::take(&mut state.prompted);
        let may_be = base64::may_be(text);
        let known = verb::split(text).0.is_some_and(|verb| verb.is_known());
        let left_over = match state.behind {
            Behind::Nothing => false,
            Behind::Refused => may_be,
            Behind::Accepted(end) => may_be && (line.seen.is_none_or(|seen| seen < end) || base64::is_no_word(text)),
        };
        if left_over || doubtful && may_be || prompted && may_be && !known {
            return Role::Leaked;
        }
        if known || state.behind != Behind::Refused {
            state.behind = Behind::Nothing;
        }
        match state.secrets.repeated_at(text) {
            Some(0) => Role::Leaked,
            Some(at) => Role::Repeats(at),
            None => Role::Command,
        }
    }

    /// Whether anything secret was said.
    pub(super) fn have_secrets(&self) -> bool {
        self.0.as_ref().is_some_and(|state| !state.secrets.is_empty())
    }

    /// Whether a server's text repeats one of the session's secrets.
    pub(super) fn quoted_in(&self, text: &[u8]) -> bool {
        self.0.as_ref().is_some_and(|state| state.secrets.stand_in(text))
    }

    /// Takes back the names that have turned out to be secrets: a later answer equals them.
    pub(super) fn withdraw_from(&self, told: &mut [Auth]) {
        let Some(state) = &self.0 else { return };
        for auth in told {
            if let Some(user) = auth.user.as_mut().filter(|user| state.secrets.holds(user)) {
                *user = Secret::SHOWN.to_vec();
            }
        }
    }
}

impl Secrets {
    /// Keeps a response that nobody read for its parts: the last of them, where PLAIN's password stands.
    fn keep_stray(&mut self, line: &[u8]) {
        self.keep_line(line);
        for word in line.split(u8::is_ascii_whitespace) {
            if let Some(decoded) = base64::decode(word) {
                self.keep_meaning(parts(&decoded).last().unwrap_or_default());
            }
        }
    }
}

/// An attempt under way: from the AUTH command to its last reply.
#[derive(Clone, Debug, Default)]
struct Attempt {
    /// Upper-cased, as the client named it.
    mechanism: Vec<u8>,
    /// The user's name, as long as it may be told.
    user: Option<Vec<u8>>,
    /// The command held the first response.
    initial: bool,
    /// The first challenge asks for the user's name.
    asks_name: bool,
    /// A response came that is more than a cancellation, nothing, or a command all the same.
    given: bool,
    /// Client lines so far, an initial response included.
    responses: u32,
}

impl Attempt {
    /// Octets kept of a user's name.
    const NAME: usize = 256;

    /// The next response; a user's name in it is kept, the rest is secret.
    fn response(&mut self, line: &[u8], secrets: &mut Secrets) {
        secrets.keep_line(line);
        let is_first = self.responses == 0;
        self.responses = self.responses.saturating_add(1);
        let answer = line.trim_ascii();
        self.given |= !matches!(answer, b"" | b"*" | b"=") && !Verb::of(answer).is_known();
        // A client may answer in plain text.
        self.withdraw(line.trim_ascii());
        let Some(decoded) = base64::decode(line) else { return secrets.keep_stray(line) };
        let name = is_first.then(|| self.name_in(line, &decoded)).flatten();
        if let Some(name) = name {
            self.user = Some(name.get(..Self::NAME).unwrap_or(name).to_vec());
        }
        match self.mechanism.as_slice() {
            b"PLAIN" | b"LOGIN" => {
                let secret = parts(&decoded).last().unwrap_or_default();
                if name != Some(secret) {
                    secrets.keep_meaning(secret);
                }
            }
            // RFC 2195: the user's name, a blank, the digest.
            b"CRAM-MD5" => {
                let digest = decoded.iter().rposition(|&byte| byte == b' ').and_then(|at| decoded.get(at..));
                secrets.keep_meaning(digest.unwrap_or(&decoded).trim_ascii());
            }
            // XOAUTH2 and OAUTHBEARER (RFC 7628 3.1) have fields, other mechanisms one, which is none of a name. NTLM's
            // begin alike on both sides.
            _ => {
                for field in decoded.split(|&byte| byte <= 1) {
                    let named: &[&[u8]] = &[b"user=", b"host=", b"port=", b"n,", b"NTLMSSP"];
                    let token = field.strip_prefix(b"auth=Bearer ").unwrap_or(field);
                    if !named.iter().any(|name| token.starts_with(name)) {
                        secrets.keep_meaning(token);
                    }
                }
            }
        }
        if !is_first {
            for part in parts(&decoded) {
                self.withdraw(part);
            }
        }
    }

    /// Takes the name back if a later answer equals it.
    fn withdraw(&mut self, answer: &[u8]) {
        let answer = answer.get(..Self::NAME).unwrap_or(answer);
        self.user = self.user.take().filter(|user| user != answer);
    }

    /// The user's name in the first response, where it is one for sure.
    fn name_in<'d>(&self, line: &[u8], decoded: &'d [u8]) -> Option<&'d [u8]> {
        // A password in plain text may look like untidy base64.
        BASE64.decode(line.trim_ascii()).ok()?;
        let name = match self.mechanism.as_slice() {
            b"PLAIN" => {
                // RFC 4616: authorization identity NUL authentication identity NUL password.
                let mut parts = decoded.split(|&byte| byte == 0);
                let (acting_for, name, password) = (parts.next()?, parts.next()?, parts.next()?);
                // Else it may be name NUL password NUL.
                let placed = acting_for.is_empty() || !password.is_empty();
                (placed && parts.next().is_none() && name != password).then_some(name)?
            }
            b"LOGIN" if self.initial || self.asks_name => decoded,
            _ => return None,
        };
        let is_name = std::str::from_utf8(name).is_ok_and(|name| !name.contains(char::is_control));
        (is_name && !name.is_empty()).then_some(name)
    }
}

/// What stands between NULs, empty parts left out.
fn parts(decoded: &[u8]) -> impl Iterator<Item = &[u8]> {
    decoded.split(|&byte| byte == 0).filter(|part| !part.is_empty())
}

/// Whether a LOGIN challenge asks for the user's name, as far as anyone knows its language.
fn asks_for_name(text: &[u8]) -> bool {
    let asks = |text: &[u8]| {
        matches!(asked_for(text).as_slice(), b"" | b"user" | b"username" | b"user name" | b"login" | b"name")
    };
    asks(text) || base64::decode(text).is_some_and(|text| asks(&text))
}

/// Whether the text of a 334 is a challenge that is not to be shown: what it holds, an attacker needs to guess the password
/// from the client's answer, and of NTLM it names hosts and domains. The prompts of LOGIN tell nothing.
pub(super) fn is_challenge(text: &[u8]) -> bool {
    /// Shorter ones may be base64 by chance.
    const LEAST: usize = 8;
    let is_prompt = |text: &[u8]| matches!(asked_for(text).as_slice(), b"" | b"password" | b"pass" | b"passwd");
    let text = text.trim_ascii();
    let tells_nothing = || asks_for_name(text) || base64::decode(text).is_some_and(|text| is_prompt(&text));
    text.len() >= LEAST && base64::is_no_word(text) && !tells_nothing()
}

/// What a prompt asks for: its words in lower case, without what ends it.
fn asked_for(text: &[u8]) -> Vec<u8> {
    let end = text.iter().rposition(|&byte| !matches!(byte, b' ' | b'\t' | b'\r' | b':' | 0));
    text.get(..end.map_or(0, |at| at.saturating_add(1))).unwrap_or_default().to_ascii_lowercase()
}

#[cfg(test)]
mod tests;
