//! Verbs: the known ones, and how a line's verb is found.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

/// Defines [`Verb`], its names and the table of known verbs from one list.
macro_rules! verbs {
    ($($variant:ident $name:literal),+ $(,)?) => {
        /// A command's verb (SESSION.md's list); [`Verb::Other`] keeps an unknown one, upper-cased.
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(from = "String", into = "Cow<'static, str>")]
        pub(crate) enum Verb {
            $(#[doc = $name] $variant,)+
            /// A verb that is not known, upper-cased.
            Other(String),
        }

        impl Verb {
            /// The known verb of that name in upper case.
            fn known(name: &[u8]) -> Option<Verb> {
                match std::str::from_utf8(name) {
                    $(Ok($name) => Some(Verb::$variant),)+
                    _ => None,
                }
            }

            /// Every known verb.
            pub(crate) const KNOWN: &'static [Verb] = &[$(Verb::$variant),+];

            /// The verb in upper case, as records show it.
            pub(crate) fn name(&self) -> &str {
                match self {
                    $(Verb::$variant => $name,)+
                    Verb::Other(name) => name,
                }
            }

            /// The same, to keep.
            pub(crate) fn into_name(self) -> Cow<'static, str> {
                match self {
                    $(Verb::$variant => Cow::Borrowed($name),)+
                    Verb::Other(name) => Cow::Owned(name),
                }
            }
        }
    };
}

verbs! {
    Helo "HELO", Ehlo "EHLO", Lhlo "LHLO", Mail "MAIL", Rcpt "RCPT", Data "DATA", Bdat "BDAT", Burl "BURL",
    Rset "RSET", Vrfy "VRFY", Expn "EXPN", Help "HELP", Noop "NOOP", Quit "QUIT", Auth "AUTH",
    StartTls "STARTTLS", Etrn "ETRN", Atrn "ATRN", Turn "TURN", Send "SEND", Soml "SOML", Saml "SAML",
    XExch50 "XEXCH50", XLink2State "X-LINK2STATE", XExps "X-EXPS", XAnonymousTls "X-ANONYMOUSTLS",
    XClient "XCLIENT", XForward "XFORWARD", XAuth "XAUTH",
}

impl From<String> for Verb {
    fn from(name: String) -> Self {
        Verb::of(name.as_bytes())
    }
}

impl From<Verb> for Cow<'static, str> {
    fn from(verb: Verb) -> Self {
        verb.into_name()
    }
}

impl Verb {
    /// The verb of that name, whatever its case.
    pub(crate) fn of(name: &[u8]) -> Verb {
        /// No known one is longer.
        const LONGEST: usize = 16;
        let mut upper = [0; LONGEST];
        let known = upper.get_mut(..name.len()).and_then(|upper| {
            upper.copy_from_slice(name);
            upper.make_ascii_uppercase();
            Verb::known(upper)
        });
        known.unwrap_or_else(|| Verb::Other(String::from_utf8_lossy(name).to_ascii_uppercase()))
    }

    pub(crate) fn is_known(&self) -> bool {
        !matches!(self, Verb::Other(_))
    }

    /// HELO and its kin: accepted, they begin the session and clear the transaction.
    pub(crate) fn is_hello(&self) -> bool {
        matches!(self, Verb::Helo | Verb::Ehlo | Verb::Lhlo)
    }

    /// AUTH and its kin: a 334 to them opens an exchange.
    pub(crate) fn is_auth(&self) -> bool {
        matches!(self, Verb::Auth | Verb::XExps | Verb::XAuth)
    }

    pub(crate) fn starts_tls(&self) -> bool {
        matches!(self, Verb::StartTls | Verb::XAnonymousTls)
    }

    /// It takes no argument (RFC 5321 section 4.1.1, RFC 3207 section 4).
    pub(crate) fn takes_no_argument(&self) -> bool {
        matches!(self, Verb::Data | Verb::Rset | Verb::Quit | Verb::Turn | Verb::StartTls | Verb::XAnonymousTls)
    }

    /// Nothing may stand behind it in one flight (RFC 2920 section 3.1 and the verbs' own RFCs).
    pub(crate) fn must_be_last(&self) -> bool {
        matches!(
            self,
            Verb::Ehlo
                | Verb::Data
                | Verb::Vrfy
                | Verb::Expn
                | Verb::Turn
                | Verb::Quit
                | Verb::Noop
                | Verb::StartTls
                | Verb::Auth
                | Verb::Burl
        )
    }
}

pub(crate) fn is_blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t')
}

/// An argument's first word, and what stands behind it and its blanks.
pub(in crate::smtp) fn first_word(argument: &[u8]) -> (&[u8], &[u8]) {
    let argument = argument.trim_ascii();
    let end = argument.iter().position(u8::is_ascii_whitespace).unwrap_or(argument.len());
    let (word, rest) = argument.split_at_checked(end).unwrap_or((argument, &[]));
    (word, rest.trim_ascii_start())
}

/// Whether a word can be the name of a mechanism (RFC 4422 section 3.1), in one case unless it is a known one: base64
/// nearly always is in both, and a client may have left the mechanism out. No word at all is none that could be secret.
pub(in crate::smtp) fn is_mechanism(word: &[u8]) -> bool {
    const LONGEST: usize = 20;
    const KNOWN: &[&str] =
        &["PLAIN", "LOGIN", "CRAM-MD5", "DIGEST-MD5", "EXTERNAL", "ANONYMOUS", "NTLM", "GSSAPI", "XOAUTH2"];
    let one_case = !(word.iter().any(u8::is_ascii_uppercase) && word.iter().any(u8::is_ascii_lowercase));
    word.len() <= LONGEST
        && word.iter().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
        && (one_case || KNOWN.iter().any(|known| known.as_bytes().eq_ignore_ascii_case(word)))
}

/// A line's verb and where its argument begins: letters, digits and hyphens, beginning with a letter, up
/// to a blank, a colon or the line end, leading blanks skipped. A line without a verb is all argument.
pub(in crate::smtp) fn split(line: &[u8]) -> (Option<Verb>, usize) {
    let start = line.iter().position(|&byte| !is_blank(byte)).unwrap_or(line.len());
    let rest = line.get(start..).unwrap_or_default();
    let length = rest.iter().position(|&byte| !(byte.is_ascii_alphanumeric() || byte == b'-')).unwrap_or(rest.len());
    let (name, behind) = rest.split_at_checked(length).unwrap_or((rest, &[]));
    let ends = match behind.first() {
        None => true,
        Some(&byte) if is_blank(byte) || byte == b':' => true,
        // CR CR LF: the line ended, if untidily.
        Some(b'\r') => behind.iter().all(|&byte| byte == b'\r'),
        Some(_) => false,
    };
    if !ends || !name.first().is_some_and(u8::is_ascii_alphabetic) {
        return (None, 0);
    }
    let mut skip = behind.iter().take_while(|&&byte| is_blank(byte)).count();
    if behind.get(skip) == Some(&b':') {
        skip = skip.saturating_add(1);
        skip = skip.saturating_add(behind.iter().skip(skip).take_while(|&&byte| is_blank(byte)).count());
    }
    (Some(Verb::of(name)), start.saturating_add(length).saturating_add(skip))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(line: &str) -> (Option<Verb>, &str) {
        let (verb, at) = split(line.as_bytes());
        (verb, &line[at..])
    }

    #[test]
    fn every_known_verb_is_found_whatever_its_case() {
        for verb in Verb::KNOWN {
            let lower = verb.name().to_ascii_lowercase();
            assert_eq!((Verb::of(verb.name().as_bytes()), Verb::of(lower.as_bytes())), (verb.clone(), verb.clone()));
            let longer = format!("{}X", verb.name());
            assert_eq!(Verb::of(longer.to_ascii_lowercase().as_bytes()), Verb::Other(longer));
        }
        assert_eq!(Verb::of(&[b'x'; 40]), Verb::Other("X".repeat(40)));
        assert_eq!(Verb::of(b"qu\xefit"), Verb::Other("QU\u{fffd}IT".to_owned()));
    }

    #[test]
    fn a_verb_ends_at_a_blank_a_colon_or_the_line_end() {
        assert_eq!(of("MAIL FROM:<a@b>"), (Some(Verb::Mail), "FROM:<a@b>"));
        assert_eq!(of("mail\tFROM:<a@b>"), (Some(Verb::Mail), "FROM:<a@b>"));
        assert_eq!(of("From: <a@b>"), (Some(Verb::Other("FROM".into())), "<a@b>"));
        assert_eq!(of("  quit"), (Some(Verb::Quit), ""));
        assert_eq!(of("X-Link2State first"), (Some(Verb::XLink2State), "first"));
    }

    #[test]
    fn binary_and_empty_lines_have_no_verb() {
        for line in ["", "   ", "NO\0OP", "NOOP\u{8}", ".", "8BIT x", "-x"] {
            assert_eq!(of(line), (None, line));
        }
    }

    #[test]
    fn a_cr_before_crlf_does_not_hide_the_verb() {
        assert_eq!(split(b"QUIT\r").0, Some(Verb::Quit));
        assert_eq!(split(b"NOOP\rNOOP").0, None);
    }
}
