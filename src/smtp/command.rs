//! A command: a client line outside message data (RFC 5321 4.1).

use memchr::memmem;

use super::knowledge::{Knew, Knowledge};
use super::secrets::Secret;
use super::wire::argument::{Argument, initial_response, is_strict, without_cr};
use super::wire::base64;
use super::wire::line::{Ending, Line};
use super::wire::verb::{self, Verb};
use crate::base::{Packets, octets};

/// A client line, with everything that a rule may ask of it.
#[derive(Clone, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "facts, each on its own")]
pub(crate) struct Command {
    /// Its place among the session's commands, from 0.
    pub number: u64,
    /// `None` for a line that has none (binary, empty), for a line of an AUTH exchange, and for one that
    /// is secret all the same.
    pub verb: Option<Verb>,
    /// The line without its line end, as it came; its first `Limit::LineLength` octets. What is secret in
    /// it reads `<redacted>`: [`Command::hidden`] has it.
    line: Vec<u8>,
    /// Where the argument begins in `line` (behind the verb and the blanks or colon after it).
    pub argument_at: usize,
    /// What it says. Its places are those of `line`.
    argument: Argument,
    /// The line holds line feeds: a server that ends lines at CRLF only reads on to the next one.
    pub joined: bool,
    /// Octets of the whole line, line end included.
    pub octets: u64,
    pub ending: Ending,
    /// Holds a CR that no LF follows.
    pub bare_cr: bool,
    /// A line of an AUTH exchange (or its kin): secret, never shown.
    pub exchange: bool,
    /// Holds a secret (an exchange, an initial response, base64 after a refused AUTH).
    pub secret: bool,
    /// The whole line where it holds a secret. Only `--show-secrets` and checks of its bytes look at it.
    hidden: Option<Secret>,
    pub at: Packets,
    /// How far the client had acknowledged the server's stream when it sent the line's first byte.
    pub seen: Option<u64>,
    /// How far the server's stream had been captured, in packet order, when this line's first packet was.
    /// It counts only where no end ever acknowledged anything (RULES.md): see [`End::client_acknowledges`].
    ///
    /// [`End::client_acknowledges`]: super::event::End::client_acknowledges
    pub captured: u64,
    /// The positions of its first byte and behind its line end in the client's stream.
    pub start: u64,
    pub end: u64,
    /// After a gap: not sure to be a command at all.
    pub uncertain: bool,
    /// Bytes that are missing may have told that the line is something else (see `Session::lines_in_doubt`).
    pub in_doubt: bool,
    /// It begins like another protocol, as which it was named: that is told, and nothing else of it.
    pub foreign: bool,
    /// The client did not know the whole greeting when it sent this; `None` where it cannot be told (yet).
    pub early: Option<bool>,
    /// What the client knew of the session when it sent this.
    pub knew: Knowledge,
}

/// What kind of line a client line is, which its bytes alone do not tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    Command,
    /// A line of an AUTH exchange.
    Exchange,
    /// Base64 of a client that did not listen to the refusal of its AUTH, what is left of a wrapped secret, or a secret
    /// that was said before.
    Leaked,
    /// A command that from there on repeats a secret.
    Repeats(usize),
}

impl Command {
    /// Makes a command of a line. What only the dialogue knows (number, early, in flight) is left for it to set.
    pub(super) fn new(line: Line, role: Role) -> Command {
        let Line { text, octets, ending, bare_cr, start, end, at, seen, captured, after_fin: _ } = line;
        let (verb, argument_at) = match role {
            Role::Command | Role::Repeats(_) => verb::split(&text),
            Role::Exchange | Role::Leaked => (None, 0),
        };
        let secret_at = match role {
            Role::Command if verb.as_ref().is_some_and(Verb::is_auth) => initial_response(&text, argument_at),
            // A password of POP3 or FTP, which are no names of a client's first line.
            Role::Command if matches!(&verb, Some(Verb::Other(name)) if name == "PASS") => Some(argument_at),
            Role::Command => stray_response(&text, verb.as_ref()),
            Role::Repeats(at) => Some(at),
            Role::Exchange | Role::Leaked => Some(0),
        };
        let joined = text.contains(&b'\n');
        // What looked like the verb is the secret.
        let (verb, argument_at, secret_at) = match secret_at {
            Some(at) if at < argument_at => (None, 0, Some(0)),
            _ => (verb, argument_at, secret_at),
        };
        let (line, hidden) = match secret_at {
            // A server that ends lines at CRLF only joins what looked like lines of their own.
            None if joined => {
                let shown = redacted(&text);
                let hidden = (shown != text).then(|| Secret::new(text));
                (shown, hidden)
            }
            None => (text, None),
            Some(at) => {
                let mut shown = text.get(..at).unwrap_or_default().to_vec();
                shown.extend_from_slice(Secret::SHOWN);
                (shown, Some(Secret::new(text)))
            }
        };
        Command {
            number: 0,
            joined,
            argument: Argument::read(verb.as_ref(), &line, argument_at),
            verb,
            line,
            argument_at,
            octets,
            ending,
            bare_cr,
            exchange: role == Role::Exchange,
            secret: hidden.is_some(),
            hidden,
            at,
            seen,
            captured,
            start,
            end,
            uncertain: false,
            in_doubt: false,
            foreign: false,
            early: None,
            knew: Knowledge::Unknown,
        }
    }

    /// What the command says.
    pub(crate) fn argument(&self) -> &Argument {
        &self.argument
    }

    /// The argument as evidence shows it: trailing blanks included, secrets redacted. A CR before the CRLF is no part of
    /// it. What it says is [`Command::argument`]'s to tell.
    pub(crate) fn shown(&self) -> &[u8] {
        without_cr(self.line.get(self.argument_at..).unwrap_or_default())
    }

    /// The verb as it came, in its own case; empty where there is none.
    pub(crate) fn verb_as_sent(&self) -> &str {
        let length = self.verb.as_ref().map_or(0, |verb| verb.name().len());
        let verb = self.line.trim_ascii_start().get(..length);
        verb.and_then(|verb| std::str::from_utf8(verb).ok()).unwrap_or_default()
    }

    /// The argument as it came, for those who may see secrets or check bytes.
    pub(crate) fn argument_revealed(&self) -> &[u8] {
        self.hidden.as_ref().map_or(self.shown(), |secret| secret.reveal().get(self.argument_at..).unwrap_or_default())
    }

    /// The line as it came, secrets too: for checks of its octets, which show none of it.
    pub(crate) fn raw(&self) -> &[u8] {
        self.hidden.as_ref().map_or(self.line.as_slice(), |secret| secret.reveal())
    }

    /// The whole line as evidence shows it, secrets redacted.
    pub(crate) fn shown_line(&self) -> &[u8] {
        &self.line
    }

    /// The whole line as it came, for those who may see secrets.
    pub(crate) fn line_revealed(&self) -> &[u8] {
        self.raw()
    }

    /// Octets of the line that are kept.
    pub(super) fn octets_kept(&self) -> usize {
        self.line.len()
    }

    /// Whether it is in strict form: message text hardly has that by chance.
    pub(super) fn is_strict(&self) -> bool {
        is_strict(&self.line)
    }

    /// The verb that the line's first letters would be; some servers pass over a CR before them (Postfix, Sendmail).
    pub(super) fn begins_with(&self) -> Option<Verb> {
        let line = self.line.trim_ascii_start();
        let letters = line.iter().take_while(|byte| byte.is_ascii_alphabetic()).count();
        line.get(..letters).filter(|word| !word.is_empty()).map(Verb::of)
    }

    /// Whether all of the line is printable ASCII.
    pub(crate) fn is_printable(&self) -> bool {
        octets::are_printable(self.raw())
    }

    /// Octets of the line from this place on, its line end left out, whatever was kept of it.
    pub(crate) fn octets_from(&self, place: usize) -> u64 {
        let ending = match self.ending {
            Ending::CrLf => 2,
            Ending::Lf => 1,
            Ending::None => 0,
        };
        self.octets.saturating_sub(ending).saturating_sub(place as u64)
    }

    /// Whether a text repeats the line, its argument or its path, as far as servers repeat what they quote.
    pub(crate) fn is_quoted_in(&self, text: &[u8]) -> bool {
        /// So much of a command must stand in the text; servers cut what they quote.
        const PART: usize = 64;
        /// Less than this may stand there by chance.
        const LEAST: usize = 8;
        let parts = [self.line.trim_ascii(), self.shown().trim_ascii(), self.address()];
        let mut parts = parts.into_iter().map(|part| part.get(..PART).unwrap_or(part));
        parts.any(|part| part.len() >= LEAST && memmem::find(text, part).is_some())
    }

    /// The name that HELO and its kin give.
    pub(super) fn hello_name(&self) -> &[u8] {
        match self.argument {
            Argument::Hello { name } => name.of(&self.line),
            _ => &[],
        }
    }

    /// The address of MAIL or RCPT, without the brackets.
    pub(crate) fn address(&self) -> &[u8] {
        self.argument.path().map_or(&[], |path| path.address.of(&self.line))
    }

    /// The parameters of MAIL or RCPT: `SIZE=1000`, `PRDR`.
    pub(crate) fn parameters(&self) -> impl Iterator<Item = &[u8]> {
        self.argument.path().into_iter().flat_map(|path| path.parameters(without_cr(&self.line)))
    }

    /// The chunk that BDAT announces, lawfully or not: its octets, and whether it is the message's last.
    pub(super) fn chunk(&self) -> Option<(u64, bool)> {
        self.argument.chunk()
    }

    /// The mechanism that AUTH and its kin name.
    pub(crate) fn mechanism(&self) -> &[u8] {
        match self.argument {
            Argument::Auth { mechanism, .. } => mechanism.of(&self.line),
            _ => &[],
        }
    }

    /// The octets that XEXCH50 announces.
    pub(super) fn announced_octets(&self) -> Option<u64> {
        match self.argument {
            Argument::Exch50 { octets } => octets.and_then(|octets| u64::try_from(octets).ok()),
            _ => None,
        }
    }

    /// What is secret of the line, without what stands before it and is shown; all of it where several lines are
    /// joined.
    pub(super) fn secret_part(&self) -> Option<&[u8]> {
        let whole = self.hidden.as_ref()?.reveal();
        let shown = self.line.strip_suffix(Secret::SHOWN);
        Some(shown.and_then(|shown| whole.strip_prefix(shown)).unwrap_or(whole))
    }

    /// Whether it begins like AUTH, which a client may have misspelt.
    pub(super) fn is_misspelt_auth(&self) -> bool {
        is_misspelt_auth(&self.line)
    }

    /// For tests: a whole line, of that verb whatever it says.
    #[cfg(test)]
    pub(crate) fn of_test(verb: Verb, line: &str, argument_at: usize, at: Packets) -> Command {
        Command {
            number: 0,
            argument: Argument::read(Some(&verb), line.as_bytes(), argument_at),
            joined: false,
            verb: Some(verb),
            line: line.into(),
            argument_at,
            octets: (line.len() as u64).saturating_add(2),
            ending: Ending::CrLf,
            bare_cr: false,
            exchange: false,
            secret: false,
            hidden: None,
            at,
            seen: None,
            captured: 0,
            start: 0,
            end: 0,
            uncertain: false,
            in_doubt: false,
            foreign: false,
            early: None,
            knew: Knowledge::Unknown,
        }
    }

    /// For tests: the line as it is kept. What it says is not read again.
    #[cfg(test)]
    pub(crate) fn line_mut(&mut self) -> &mut Vec<u8> {
        &mut self.line
    }

    pub(crate) fn is(&self, verb: &Verb) -> bool {
        self.verb.as_ref() == Some(verb)
    }

    /// What the client knew, where that is sure.
    pub(crate) fn surely_knew(&self) -> Option<&Knew> {
        match &self.knew {
            Knowledge::Sure(knew) => Some(knew),
            Knowledge::Doubtful { .. } | Knowledge::Unknown => None,
        }
    }
}

/// Text of several lines with what is secret in it replaced: responses behind AUTH, and base64 alone, behind AUTH
/// untidy base64 too.
pub(super) fn redacted(text: &[u8]) -> Vec<u8> {
    let mut behind_auth = false;
    let lines = text.split_inclusive(|&byte| byte == b'\n').map(|line| {
        let content = line.trim_ascii_end();
        let ending = line.get(content.len()..).unwrap_or_default();
        let (verb, argument_at) = verb::split(content);
        let known = verb.as_ref().is_some_and(Verb::is_known);
        behind_auth = verb.as_ref().is_some_and(Verb::is_auth) || behind_auth && !known;
        let secret_at = match verb {
            Some(verb) if verb.is_auth() => initial_response(content, argument_at),
            _ if behind_auth && base64::may_be(content) => Some(0),
            _ if base64::is_likely(content) => Some(0),
            verb => stray_response(content, verb.as_ref()),
        };
        match secret_at {
            Some(at) => [content.get(..at).unwrap_or_default(), Secret::SHOWN, ending].concat(),
            None => line.to_vec(),
        }
    });
    lines.collect::<Vec<_>>().concat()
}

/// Where a response begins that stands behind no AUTH: a long word of base64 behind a misspelt one (`AUTHPLAIN`,
/// `AUTH=PLAIN`), or behind a verb that takes no argument, where a client lost its place.
fn stray_response(line: &[u8], verb: Option<&Verb>) -> Option<usize> {
    /// The shortest word of base64 that is taken for one.
    const SHORTEST: usize = 16;
    let mut words = line.split(|&byte| verb::is_blank(byte));
    let mut at = 0_usize;
    let first = words.by_ref().find(|word| {
        at = at.saturating_add(word.len()).saturating_add(1);
        !word.is_empty()
    })?;
    let known = verb.is_some_and(Verb::is_known);
    // PLAIN's response is told from anything else, wherever it stands.
    if !known && base64::is_plain_response(first) {
        return Some(at.saturating_sub(first.len()).saturating_sub(1));
    }
    let stray = is_misspelt_auth(line) || verb.is_some_and(Verb::takes_no_argument);
    if known && !stray {
        return None;
    }
    let is_blob = |word: &[u8]| word.len() >= SHORTEST && base64::is_likely(word);
    for word in words {
        if stray && is_blob(word) || base64::is_plain_response(word) {
            return Some(at);
        }
        at = at.saturating_add(word.len()).saturating_add(1);
    }
    None
}

/// Whether a line begins with AUTH misspelt: `AUTHLOGIN`, `AUTH=LOGIN`.
fn is_misspelt_auth(line: &[u8]) -> bool {
    let line = line.trim_ascii_start();
    line.get(..4).is_some_and(|head| head.eq_ignore_ascii_case(b"AUTH"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn in_text_of_several_lines_every_secret_is_replaced() {
        let text = b"AUTH LOGIN\r\ndXNlcg==\r\nauth plain AHVzZXIAcGFzcw==\r\nNOOP x";
        assert_eq!(redacted(text), b"AUTH LOGIN\r\n<redacted>\r\nauth plain <redacted>\r\nNOOP x");
    }

    #[test]
    fn a_response_behind_no_auth_is_found() {
        let at = |line: &str| stray_response(line.as_bytes(), verb::split(line.as_bytes()).0.as_ref());
        assert_eq!(at("AUTHPLAIN AHVzZXIAcGFzcw=="), Some(10));
        assert_eq!(at(" auth=plain  AHVzZXIAcGFzcw=="), Some(13));
        assert_eq!(at("AUTHENTICATE PLAIN AHVzZXIAcGFzcw==\r"), Some(19));
        assert_eq!(at("STARTTLS AHVzZXIAcGFzcw=="), Some(9));
        for line in [
            "AUTHPLAIN dXNlcg==",
            "STARTTLS now",
            "NOOP AHVzZXIAcGFzcw==",
            "VRFY AHVzZXIAcGFzcw==",
            "STARTTLS",
            "",
            "  ",
        ] {
            assert_eq!(at(line), None, "{line}");
        }
    }
}
