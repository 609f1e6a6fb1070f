//! What stands behind a command's verb, read once into a value. Whoever asks what a command says asks the value, and
//! nobody reads the text again.
//!
//! A value holds places in the line rather than copies of it: it costs no memory of its own.

use super::path::{Path, PathFault, Says, Span, words};
use super::verb::{self, Verb, is_blank};
use crate::base::octets;

/// The argument of a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Argument {
    /// There is none, or blanks alone.
    Bare,
    /// Something, and its verb (or that there is none) makes it no more than that.
    Other,
    /// The client's name.
    Hello {
        name: Span,
    },
    /// Of MAIL; and of SEND, SOML and SAML, which are written as it is.
    Mail(Path),
    Rcpt(Path),
    Bdat(Chunk),
    Burl {
        /// The last part of its message.
        last: bool,
    },
    /// Of AUTH and its kin.
    Auth {
        mechanism: Span,
        /// Where the initial response begins. Its text is a secret.
        initial: Option<u32>,
    },
    /// Of VRFY and EXPN.
    Name {
        /// Its last word is SMTPUTF8 (RFC 6531 section 3.7.4.2).
        smtputf8: bool,
    },
    /// Octets that follow XEXCH50, as a signed number; `None` where it has none. One too long for the type is its
    /// greatest or least.
    Exch50 {
        octets: Option<i64>,
    },
    LinkState(LinkState),
    /// Of XCLIENT and XFORWARD: `NAME=value`.
    Attributes,
}

/// What `BDAT n [LAST]` announces (RFC 3030 section 2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Chunk {
    /// The leading digits, a `+` passed over; without digits it is no chunk. More than the type holds is its greatest,
    /// as `strtoul` has it, by which Exim reads it.
    pub octets: Option<u64>,
    /// What stands behind the digits is LAST.
    pub last: bool,
    /// `None`: it is written as RFC 3030 has it.
    pub fault: Option<ChunkFault>,
}

/// How a chunk's announcement is malformed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ChunkFault {
    /// The first word is not digits that fit 63 bits.
    Size,
    /// Something else than LAST stands behind it.
    Rest,
}

/// `X-LINK2STATE [FIRST|NEXT|LAST] CHUNK={0000006d} ...` as far as it matters.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct LinkState {
    /// It says that it is the first chunk.
    pub first: bool,
    /// It says which chunk it is.
    pub placed: bool,
    pub chunk: Option<LinkChunk>,
}

/// How long a chunk of X-LINK2STATE is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LinkChunk {
    /// The hexadecimal number in braces; one too long for the type is its greatest.
    Octets(u64),
    /// From there up to the line's end.
    From(u32),
}

/// Why a command's argument is malformed (RULES.md, `malformed-command`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ArgumentFault {
    /// It has none, and must have one.
    Missing,
    /// It has one, and must have none.
    Surplus,
    Path(PathFault),
    Chunk(ChunkFault),
}

impl Argument {
    /// Reads what stands in the line from there on, behind the verb.
    pub(in crate::smtp) fn read(verb: Option<&Verb>, line: &[u8], at: usize) -> Argument {
        let line = without_cr(line);
        let text = line.get(at..).unwrap_or_default();
        // Nearly every argument begins with a letter.
        if text.first().is_none_or(u8::is_ascii_whitespace) && text.trim_ascii().is_empty() {
            return Argument::Bare;
        }
        let Some(verb) = verb else { return Argument::Other };
        match verb {
            Verb::Mail | Verb::Send | Verb::Soml | Verb::Saml => Argument::Mail(Path::read(line, at, b"FROM")),
            Verb::Rcpt => Argument::Rcpt(Path::read(line, at, b"TO")),
            Verb::Helo | Verb::Ehlo | Verb::Lhlo => {
                let name = text.trim_ascii_start();
                let place = line.len().saturating_sub(name.len());
                Argument::Hello { name: Span::new(place, name.trim_ascii_end().len()) }
            }
            Verb::Bdat => Argument::Bdat(Chunk::read(text)),
            Verb::Burl => {
                let mut words = words(text.trim_ascii_end());
                let several = words.next().is_some();
                Argument::Burl { last: several && words.last().is_some_and(|word| word.eq_ignore_ascii_case(b"LAST")) }
            }
            Verb::Auth | Verb::XExps | Verb::XAuth => {
                let initial = initial_response(line, at);
                let named = initial != Some(at);
                let mechanism = text.iter().position(u8::is_ascii_whitespace).unwrap_or(text.len());
                let mechanism = if named { mechanism } else { 0 };
                let initial = initial.and_then(|at| u32::try_from(at).ok());
                Argument::Auth { mechanism: Span::new(at, mechanism), initial }
            }
            Verb::Vrfy | Verb::Expn => {
                let last = text.split(u8::is_ascii_whitespace).rfind(|word| !word.is_empty());
                Argument::Name { smtputf8: last.is_some_and(|word| word.eq_ignore_ascii_case(b"SMTPUTF8")) }
            }
            Verb::XExch50 => Argument::Exch50 { octets: signed(first_word(text)) },
            Verb::XLink2State => Argument::LinkState(LinkState::read(text, at)),
            Verb::XClient | Verb::XForward if first_word(text).contains(&b'=') => Argument::Attributes,
            _ => Argument::Other,
        }
    }

    /// Something else than blanks is there.
    pub(crate) fn is_there(&self) -> bool {
        *self != Argument::Bare
    }

    /// What is wrong with it as this verb's argument.
    pub(crate) fn fault(&self, verb: &Verb) -> Option<ArgumentFault> {
        match (verb, self) {
            (Verb::Mail | Verb::Rcpt, Argument::Bare) => Some(ArgumentFault::Path(PathFault::Missing)),
            // `TO:<>` is no fault of form: it says that the recipient is nobody.
            (Verb::Rcpt, Argument::Rcpt(path)) if path.is_null() => None,
            (Verb::Mail, Argument::Mail(path)) | (Verb::Rcpt, Argument::Rcpt(path)) => {
                path.fault.map(ArgumentFault::Path)
            }
            (Verb::Bdat, Argument::Bare) => Some(ArgumentFault::Chunk(ChunkFault::Size)),
            (Verb::Bdat, Argument::Bdat(chunk)) => chunk.fault.map(ArgumentFault::Chunk),
            (
                Verb::Helo | Verb::Ehlo | Verb::Lhlo | Verb::Vrfy | Verb::Expn | Verb::Etrn | Verb::Auth,
                Argument::Bare,
            ) => Some(ArgumentFault::Missing),
            // That is no verb of a standard.
            (Verb::XAnonymousTls, _) => None,
            (verb, argument) => (verb.takes_no_argument() && argument.is_there()).then_some(ArgumentFault::Surplus),
        }
    }

    /// The chunk that BDAT announces in lawful form: its octets, and whether it is the message's last.
    pub(crate) fn chunk(&self) -> Option<(u64, bool)> {
        match self {
            Argument::Bdat(chunk) => chunk.octets.map(|octets| (octets, chunk.last)),
            _ => None,
        }
    }

    /// BDAT's or BURL's: it ends the message.
    pub(crate) fn is_last(&self) -> bool {
        matches!(self, Argument::Bdat(Chunk { last: true, .. }) | Argument::Burl { last: true })
    }

    pub(crate) fn path(&self) -> Option<&Path> {
        match self {
            Argument::Mail(path) | Argument::Rcpt(path) => Some(path),
            _ => None,
        }
    }

    /// The command itself says SMTPUTF8.
    pub(crate) fn says_utf8(&self) -> bool {
        matches!(
            self,
            Argument::Mail(Path { says: Says { smtputf8: true, .. }, .. }) | Argument::Name { smtputf8: true }
        )
    }
}

impl Chunk {
    fn read(text: &[u8]) -> Chunk {
        let text = text.trim_ascii();
        let unsigned = text.strip_prefix(b"+").unwrap_or(text);
        let count = unsigned.iter().take_while(|byte| byte.is_ascii_digit()).count();
        let (digits, behind) = unsigned.split_at_checked(count).unwrap_or((unsigned, &[]));
        let octets = number(digits);
        let rest = behind.trim_ascii_start();
        let last = octets.is_some() && rest.eq_ignore_ascii_case(b"LAST");
        let fits = octets.is_some_and(|octets| i64::try_from(octets).is_ok());
        let fault = if !fits || unsigned.len() < text.len() || !behind.first().is_none_or(|&byte| is_blank(byte)) {
            Some(ChunkFault::Size)
        } else {
            (!rest.is_empty() && !last).then_some(ChunkFault::Rest)
        };
        Chunk { octets, last, fault }
    }
}

impl LinkState {
    /// `at` is where the text begins in the line.
    fn read(text: &[u8], at: usize) -> LinkState {
        const CHUNK: &[u8] = b"CHUNK=";
        let mut link = LinkState::default();
        let mut place = 0_usize;
        for word in text.split(|&byte| is_blank(byte)) {
            if word.get(..CHUNK.len()).is_some_and(|head| head.eq_ignore_ascii_case(CHUNK)) {
                let value = place.saturating_add(CHUNK.len());
                let octets = in_braces(text.get(value..).unwrap_or_default()).map(LinkChunk::Octets);
                let from = || u32::try_from(at.saturating_add(value)).map_or(LinkChunk::Octets(0), LinkChunk::From);
                link.chunk = Some(octets.unwrap_or_else(from));
                break;
            }
            let is = |name: &[u8]| word.eq_ignore_ascii_case(name);
            link.first |= is(b"FIRST");
            link.placed |= is(b"FIRST") || is(b"NEXT") || is(b"LAST");
            place = place.saturating_add(word.len()).saturating_add(1);
        }
        link
    }
}

/// The number of `{0000006d}`; one too long for the type is its greatest.
fn in_braces(text: &[u8]) -> Option<u64> {
    let inner = text.strip_prefix(b"{")?;
    let digits = inner.get(..inner.iter().position(|&byte| byte == b'}')?)?;
    let all = !digits.is_empty() && digits.iter().all(u8::is_ascii_hexdigit);
    let digits = std::str::from_utf8(digits).ok().filter(|_| all)?;
    Some(u64::from_str_radix(digits, 16).unwrap_or(u64::MAX))
}

/// `-5`, `5`.
fn signed(word: &[u8]) -> Option<i64> {
    let (negative, digits) = word.strip_prefix(b"-").map_or((false, word), |digits| (true, digits));
    let size = i64::try_from(number(digits)?).unwrap_or(i64::MAX);
    Some(if negative { size.saturating_neg() } else { size })
}

/// A number of digits alone; one too long for the type is its greatest.
fn number(digits: &[u8]) -> Option<u64> {
    let all = !digits.is_empty() && digits.iter().all(u8::is_ascii_digit);
    all.then(|| std::str::from_utf8(digits).ok()?.parse().ok().or(Some(u64::MAX)))?
}

fn first_word(text: &[u8]) -> &[u8] {
    text.split(u8::is_ascii_whitespace).next().unwrap_or_default()
}

/// A CR before the CRLF is no part of an argument.
pub(in crate::smtp) fn without_cr(line: &[u8]) -> &[u8] {
    let end = line.iter().rposition(|&byte| byte != b'\r').map_or(0, |at| at.saturating_add(1));
    line.get(..end).unwrap_or_default()
}

/// Where the initial response of AUTH begins: its second word, or the first if that names no mechanism.
pub(in crate::smtp) fn initial_response(line: &[u8], at: usize) -> Option<usize> {
    let argument = line.get(at..)?;
    if !verb::is_mechanism(verb::first_word(argument).0) {
        return Some(at);
    }
    // A bare CR parts words too: servers differ in what they make of it.
    let mechanism = argument.iter().position(u8::is_ascii_whitespace)?;
    let blanks = argument.iter().skip(mechanism).take_while(|byte| byte.is_ascii_whitespace()).count();
    let at = at.checked_add(mechanism)?.checked_add(blanks)?;
    (at < line.len()).then_some(at)
}

/// Whether a line is a command in strict form: one whose syntax message text hardly has by chance.
/// `DATA` or `HELP` alone are no proof.
pub(in crate::smtp) fn is_strict(line: &[u8]) -> bool {
    if !line.first().is_some_and(u8::is_ascii_alphabetic) {
        return false;
    }
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    let (Some(verb), at) = verb::split(line) else { return false };
    let strict = match Argument::read(Some(&verb), line, at) {
        Argument::Mail(path) => verb == Verb::Mail && path.is_strict(),
        Argument::Rcpt(path) => path.is_strict(),
        Argument::Hello { name } => !name.of(line).iter().any(|&byte| is_blank(byte)),
        Argument::Bdat(chunk) => chunk.fault.is_none(),
        Argument::Attributes => true,
        _ => false,
    };
    // Addresses may be UTF-8 (RFC 6531).
    strict && octets::none(line, octets::control) && !line.contains(&0x7f)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(line: &str) -> Argument {
        let (verb, at) = verb::split(line.as_bytes());
        Argument::read(verb.as_ref(), line.as_bytes(), at)
    }

    fn fault(line: &str) -> Option<ArgumentFault> {
        read(line).fault(&verb::split(line.as_bytes()).0.unwrap())
    }

    #[test]
    fn blanks_alone_are_no_argument() {
        for line in ["", "  \t", "\r", "QUIT", "QUIT \t ", "MAIL", "EHLO ", "BDAT\r", "FOO\r\r"] {
            assert_eq!(read(line), Argument::Bare, "{line:?}");
        }
        for line in ["QUIT x", "NOOP \0", "FOO x", "\0", "é", "HELP MAIL", "XCLIENT x"] {
            assert_eq!(read(line), Argument::Other, "{line:?}");
        }
    }

    #[test]
    fn a_name_of_hello_stands_between_blanks() {
        for line in ["EHLO mx.example.org", "helo  mx.example.org \t", "LHLO:mx.example.org\r"] {
            let Argument::Hello { name } = read(line) else { panic!("{line}") };
            assert_eq!(name.of(line.as_bytes()), b"mx.example.org", "{line}");
        }
    }

    #[test]
    fn a_chunk_is_the_leading_digits_and_last_if_that_alone_follows() {
        let chunk = |argument: &str| {
            let line = format!("BDAT {argument}");
            let Argument::Bdat(Chunk { octets, last, fault }) = read(&line) else { panic!("{line}") };
            (octets, last, fault)
        };
        for (argument, octets, last) in [
            ("86", 86, false),
            ("0 last", 0, true),
            ("86\tLAST", 86, true),
            ("86  LAST \t\r", 86, true),
            ("9223372036854775807", i64::MAX as u64, false),
        ] {
            assert_eq!(chunk(argument), (Some(octets), last, None), "{argument:?}");
            assert_eq!(read(&format!("BDAT {argument}")).chunk(), Some((octets, last)), "{argument:?}");
        }
        for (argument, octets, last, fault) in [
            ("x", None, false, ChunkFault::Size),
            ("-1", None, false, ChunkFault::Size),
            ("+", None, false, ChunkFault::Size),
            ("LAST", None, false, ChunkFault::Size),
            ("+5", Some(5), false, ChunkFault::Size),
            ("+5 LAST", Some(5), true, ChunkFault::Size),
            ("5x", Some(5), false, ChunkFault::Size),
            ("5LAST", Some(5), true, ChunkFault::Size),
            ("4294967301 LAST x", Some(4_294_967_301), false, ChunkFault::Rest),
            ("5 X", Some(5), false, ChunkFault::Rest),
            ("9223372036854775808", Some(1 << 63), false, ChunkFault::Size),
            ("99999999999999999999 LAST", Some(u64::MAX), true, ChunkFault::Size),
        ] {
            assert_eq!(chunk(argument), (octets, last, Some(fault)), "{argument:?}");
            let chunk = octets.map(|octets| (octets, last));
            assert_eq!(read(&format!("BDAT {argument}")).chunk(), chunk, "{argument:?}");
        }
    }

    #[test]
    fn burl_ends_a_message_where_last_is_its_last_word() {
        for line in ["BURL imap://example.org/x LAST", "burl x\tlast  "] {
            assert!(read(line).is_last(), "{line}");
        }
        for line in ["BURL imap://example.org/x", "BURL LAST", "BURL LAST x", "BURL x LASTx"] {
            assert!(!read(line).is_last(), "{line}");
        }
    }

    #[test]
    fn a_login_has_a_mechanism_and_perhaps_a_response() {
        for (line, mechanism, initial) in [
            ("AUTH LOGIN", "LOGIN", None),
            ("AUTH PLAIN  dXNlcg==", "PLAIN", Some(12)),
            ("X-EXPS NTLM\tabc", "NTLM", Some(12)),
            ("auth plain ", "plain", None),
            // The mechanism was left out.
            ("AUTH AHVzZXIAcGFzcw==", "", Some(5)),
        ] {
            let Argument::Auth { mechanism: found, initial: at } = read(line) else { panic!("{line}") };
            assert_eq!((found.of(line.as_bytes()), at), (mechanism.as_bytes(), initial), "{line}");
        }
    }

    #[test]
    fn smtputf8_is_said_by_the_last_word_of_a_name_or_a_parameter() {
        for line in ["VRFY é SMTPUTF8", "expn a smtputf8 ", "MAIL FROM:<a@b> SIZE=1 SMTPUTF8"] {
            assert!(read(line).says_utf8(), "{line}");
        }
        for line in ["VRFY SMTPUTF8 é", "EXPN a", "MAIL FROM:<SMTPUTF8>", "RCPT TO:<a@b> SMTPUTF8", "HELP SMTPUTF8"] {
            assert!(!read(line).says_utf8(), "{line}");
        }
    }

    #[test]
    fn exchange_sizes_are_signed() {
        for (size, expected) in [
            ("104 2", Some(104)),
            ("-1 2", Some(-1)),
            ("-0", Some(0)),
            ("99999999999999999999", Some(i64::MAX)),
            ("-99999999999999999999", Some(-i64::MAX)),
            ("x", None),
            ("-", None),
        ] {
            assert_eq!(read(&format!("XEXCH50 {size}")), Argument::Exch50 { octets: expected }, "{size}");
        }
    }

    #[test]
    fn a_link_state_says_which_chunk_and_how_long() {
        let link = |line: &str| if let Argument::LinkState(link) = read(line) { link } else { panic!("{line}") };
        let of = |first, placed, chunk| LinkState { first, placed, chunk };
        assert_eq!(link("X-LINK2STATE first CHUNK={0000006d} a"), of(true, true, Some(LinkChunk::Octets(0x6d))));
        assert_eq!(link("X-LINK2STATE NEXT chunk={xyz} a"), of(false, true, Some(LinkChunk::From(24))));
        assert_eq!(link("X-LINK2STATE CHUNK={ffffffffffffffffff} LAST"), {
            of(false, false, Some(LinkChunk::Octets(u64::MAX)))
        });
        assert_eq!(link("X-LINK2STATE x FIRST"), of(true, true, None));
    }

    #[test]
    fn arguments_are_there_where_they_must_be_and_only_there() {
        for verb in ["HELO", "EHLO", "LHLO", "VRFY", "EXPN", "ETRN", "AUTH"] {
            assert_eq!(fault(verb), Some(ArgumentFault::Missing), "{verb}");
            assert_eq!(fault(&format!("{verb} x")), None, "{verb}");
        }
        for verb in ["DATA", "RSET", "QUIT", "STARTTLS"] {
            assert_eq!(fault(&format!("{verb} x")), Some(ArgumentFault::Surplus), "{verb}");
            assert_eq!(fault(&format!("{verb}  ")), None, "{verb}");
        }
        assert_eq!(fault("BDAT"), Some(ArgumentFault::Chunk(ChunkFault::Size)));
        assert_eq!(fault("MAIL"), Some(ArgumentFault::Path(PathFault::Missing)));
        assert_eq!(fault("MAIL FROM:<>"), None);
        assert_eq!(fault("RCPT TO :<>"), Some(ArgumentFault::Path(PathFault::BlankBeforeColon)));
        for line in ["NOOP x", "HELP x", "RCPT TO:<>", "RCPT TO: <>", "RCPT TO:<>>", "MAIL FROM:<a@b>"] {
            assert_eq!(fault(line), None, "{line}");
        }
    }

    #[test]
    fn only_what_text_hardly_has_by_chance_is_strict() {
        for line in
            ["MAIL FROM:<a@b>", "rcpt to:<>", "EHLO x", "BDAT 60 LAST\r", "XCLIENT ADDR=192.0.2.1", "RCPT TO:<é@b>"]
        {
            assert!(is_strict(line.as_bytes()), "{line}");
        }
        for line in [
            "DATA",
            "HELP",
            "QUIT",
            "EHLO",
            "hello world",
            "From: x",
            "Mail from here",
            "helo you there",
            "",
            "EHLO \u{1}",
            "MAIL FROM:<\u{7f}>",
        ] {
            assert!(!is_strict(line.as_bytes()), "{line}");
        }
    }
}
