//! What is searched for in server text: the ATK plugin's glob, SMTP verbs, EHLO keywords, software names. Data
//! first; the two long tables become an Aho-Corasick automaton each, built once.

use std::sync::LazyLock;

use aho_corasick::{AhoCorasick, AhoCorasickKind, MatchKind};
use serde::{Deserialize, Serialize};

use crate::base::octets;
use crate::base::written::{self, Literal};
use crate::smtp::Verb;
use crate::smtp::wire::extension::EXTENSIONS;

/// The parts of the ATK plugin's glob `220 *HELP*`, upper case as written.
const GLOB: [[u8; 4]; 2] = [*b"220 ", *b"HELP"];

/// Verbs that a HELP reply may disclose: the known ones, and what extensions bring besides.
static VERBS: LazyLock<Vec<&'static str>> = LazyLock::new(|| {
    let known = Verb::KNOWN.iter().map(Verb::name);
    let brought = EXTENSIONS.iter().flat_map(|extension| extension.verbs).copied();
    let unknown = brought.filter(|verb| !Verb::of(verb.as_bytes()).is_known());
    known.chain(unknown).collect()
});

/// Verbs that are English words too: in lower case they say nothing.
const WORDS: &[&str] = &["MAIL", "DATA", "HELP", "QUIT", "TURN", "SEND", "VERB"];

/// Keywords that the rules ask an EHLO reply for.
pub(crate) const HELP: &str = "HELP";
/// See [`HELP`].
pub(crate) const STARTTLS: &str = "STARTTLS";
const KEYWORDS: &[&str] = &[HELP, STARTTLS];

/// Software that names itself: the text in its greeting or HELP reply, and the name that it is reported under.
/// Where two fit at one place the longer one is taken.
const SOFTWARE: &[(&str, &str)] = &[
    ("aiosmtpd", "aiosmtpd"),
    ("Apache James", "Apache James"),
    ("AppleMailServer", "AppleMailServer"),
    ("Axigen", "Axigen"),
    ("chasquid", "chasquid"),
    ("Citadel server", "Citadel"),
    ("CommuniGate Pro", "CommuniGate Pro"),
    ("Courier", "Courier"),
    ("Courier-MTA", "Courier"),
    ("Cyrus", "Cyrus"),
    ("Cyrus LMTP", "Cyrus"),
    ("Cyrus LMTP Murder", "Cyrus"),
    ("Dovecot", "Dovecot"),
    ("Exim", "Exim"),
    ("FirstClass ESMTP Mail Server", "FirstClass"),
    ("GroupWise Internet Agent", "GroupWise"),
    ("Haraka", "Haraka"),
    ("HCL Domino", "HCL Domino"),
    ("hMailServer", "hMailServer"),
    ("IBM Domino", "HCL Domino"),
    ("IceWarp", "IceWarp"),
    ("JAMES SMTP Server", "Apache James"),
    ("Kerio Connect", "Kerio Connect"),
    ("Kerio MailServer", "Kerio Connect"),
    ("Lotus Domino", "HCL Domino"),
    ("MailEnable Service", "MailEnable"),
    ("MailEnable", "MailEnable"),
    ("MailHog", "MailHog"),
    ("Mailpit", "Mailpit"),
    ("MailSite ESMTP Receiver", "MailSite"),
    ("MasqMail", "MasqMail"),
    ("MDaemon", "MDaemon"),
    ("Merak", "Merak"),
    ("Mercury/32", "Mercury/32"),
    ("Microsoft ESMTP MAIL Service", "Microsoft ESMTP MAIL Service"),
    ("Microsoft Exchange Server", "Microsoft Exchange"),
    ("Microsoft Exchange Internet Mail Service", "Microsoft Exchange"),
    ("Microsoft Exchange", "Microsoft Exchange"),
    ("netqmail", "netqmail"),
    ("OpenSMTPD", "OpenSMTPD"),
    ("Postfix", "Postfix"),
    ("PowerMTA(TM)", "PowerMTA"),
    ("PowerMTA", "PowerMTA"),
    ("Python SMTP proxy", "Python smtpd"),
    ("Python SMTP", "aiosmtpd"),
    ("qmail", "qmail"),
    ("qpsmtpd", "qpsmtpd"),
    ("Sendmail", "Sendmail"),
    ("Stalwart", "Stalwart"),
    ("VPOP3", "VPOP3"),
    ("XMail", "XMail"),
    ("ZMailer", "ZMailer"),
];

/// What may stand between a name and its version, the longest first.
const BEFORE_VERSION: &[&str] = &[", version: ", " version: ", " version ", " release ", " v", " (", "/", " "];

/// A server's software as it names itself.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) struct Software {
    #[serde(deserialize_with = "written::word")]
    pub name: Literal,
    pub version: Option<String>,
}

impl std::fmt::Display for Software {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str(self.name)?;
        self.version.as_ref().map_or(Ok(()), |version| write!(out, " {version}"))
    }
}

/// How far a session's replies have matched the glob; two bits of a rule's word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Glob {
    Nothing,
    /// `220 ` has been seen.
    Begun,
    Matched,
}

/// Reads on in the glob with the next line, its code included.
pub(crate) fn glob(state: Glob, line: &[u8]) -> Glob {
    let [first, second] = GLOB;
    let rest = match state {
        Glob::Nothing => behind(line, first),
        Glob::Begun => Some(line),
        Glob::Matched => return state,
    };
    match rest.map(|rest| behind(rest, second)) {
        None => Glob::Nothing,
        Some(None) => Glob::Begun,
        Some(Some(_)) => Glob::Matched,
    }
}

/// What stands behind the first such part of a line.
fn behind(line: &[u8], part: [u8; 4]) -> Option<&[u8]> {
    // Most lines do not even have its first letter.
    let [first, ..] = part;
    if octets::none(line, |word| octets::same(word, first)) {
        return None;
    }
    let at = line.array_windows().position(|four| *four == part)?;
    line.get(at.saturating_add(part.len())..)
}

/// The SMTP verbs that stand in `text` as words of their own, each once, in order; in any case but for those that
/// are English words.
pub(crate) fn verbs(text: &[u8]) -> Vec<&'static str> {
    static AUTOMATON: LazyLock<Option<AhoCorasick>> = LazyLock::new(|| words(VERBS.iter().copied()));
    let mut verbs = Vec::new();
    for found in AUTOMATON.iter().flat_map(|automaton| automaton.find_iter(text)) {
        let verb = VERBS.get(found.pattern().as_usize()).copied().unwrap_or_default();
        let a_word = WORDS.contains(&verb) && text.get(found.range()) != Some(verb.as_bytes());
        if !a_word && stands_alone(text, found.range()) && !verbs.contains(&verb) {
            verbs.push(verb);
        }
    }
    verbs
}

/// Which of the keywords that rules ask for this EHLO keyword is.
pub(crate) fn known_keyword(keyword: &[u8]) -> Option<&'static str> {
    KEYWORDS.iter().copied().find(|known| known.as_bytes().eq_ignore_ascii_case(keyword))
}

/// The first software named in `text`.
pub(crate) fn software(text: &[u8]) -> Option<Software> {
    static AUTOMATON: LazyLock<Option<AhoCorasick>> =
        LazyLock::new(|| words(SOFTWARE.iter().map(|(needle, _)| *needle)));
    let found = AUTOMATON.as_ref()?.find_iter(text).find(|found| stands_alone(text, found.range()))?;
    let (_, name) = SOFTWARE.get(found.pattern().as_usize())?;
    Some(Software { name, version: version(text.get(found.end()..).unwrap_or_default()) })
}

fn words<'w>(words: impl Iterator<Item = &'w str>) -> Option<AhoCorasick> {
    let mut builder = AhoCorasick::builder();
    builder.ascii_case_insensitive(true).match_kind(MatchKind::LeftmostLongest);
    // A DFA takes longer to build than it saves in the few texts that are searched.
    builder.kind(Some(AhoCorasickKind::ContiguousNFA)).build(words).ok()
}

/// Whether a match is a word of its own: `HELP` in `HELP MAIL`, but not in `helpful`, `help-desk`,
/// `help.example.org` or `www.help`.
fn stands_alone(text: &[u8], range: std::ops::Range<usize>) -> bool {
    let in_word = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'@');
    let before = text.get(..range.start).unwrap_or_default();
    let after = text.get(range.end..).unwrap_or_default();
    let dotted = after.first() == Some(&b'.') && after.get(1).is_some_and(u8::is_ascii_alphanumeric);
    !dotted && !after.first().is_some_and(in_word) && !before.last().is_some_and(|byte| in_word(byte) || *byte == b'.')
}

/// The version behind a name: letters, digits and `.+_-` from a digit on, at most 32 of them.
fn version(behind: &[u8]) -> Option<String> {
    let starts_with =
        |prefix: &&&str| behind.get(..prefix.len()).is_some_and(|start| start.eq_ignore_ascii_case(prefix.as_bytes()));
    let rest = BEFORE_VERSION.iter().find(starts_with).and_then(|prefix| behind.get(prefix.len()..))?;
    let version: String = rest
        .iter()
        .take(32)
        .take_while(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'+' | b'_' | b'-'))
        .map(|&byte| char::from(byte))
        .collect();
    let version = version.trim_end_matches(['.', '-', '+', '_']);
    (version.starts_with(|first: char| first.is_ascii_digit())).then(|| version.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_glob_wants_220_and_a_blank_and_then_help_in_upper_case() {
        assert_eq!(glob(Glob::Nothing, b"220 mx HELP is here"), Glob::Matched);
        assert_eq!(glob(Glob::Nothing, b"220-mx HELP is here"), Glob::Nothing);
        assert_eq!(glob(Glob::Nothing, b"HELP 220 mx help"), Glob::Begun);
        assert_eq!(glob(Glob::Begun, b"250-HELP"), Glob::Matched);
        assert_eq!(glob(Glob::Begun, b"220 SELFHELPING"), Glob::Matched);
    }

    #[test]
    fn verbs_are_whole_words_each_once() {
        assert_eq!(verbs(b"AUTH STARTTLS HELO ehlo HELO"), ["AUTH", "STARTTLS", "HELO", "EHLO"]);
        assert_eq!(verbs(b"\tX-EXPS\tXEXCH50\tDATA."), ["X-EXPS", "XEXCH50", "DATA"]);
        assert!(verbs(b"send mail for help, then turn to the data").is_empty());
        assert!(verbs(b"email database helpful mail.example.org www.data re-send").is_empty());
    }

    #[test]
    fn an_ehlo_keyword_is_known_whole_and_in_any_case() {
        assert_eq!(known_keyword(b"help"), Some(HELP));
        assert_eq!(known_keyword(b"StartTLS"), Some(STARTTLS));
        assert_eq!(known_keyword(b"HELPDESK"), None);
        assert_eq!(known_keyword(b"XHELP"), None);
    }

    #[test]
    fn software_names_itself_in_many_ways() {
        for (text, name, version) in [
            ("mx ESMTP Postfix (Debian/GNU)", "Postfix", None),
            ("mx ESMTP Postfix (3.7.11)", "Postfix", Some("3.7.11")),
            ("mx ESMTP Exim 4.96 Tue, 24 Nov 2026 14:45:44 +0000", "Exim", Some("4.96")),
            ("mx ESMTP Sendmail 8.17.1.9/8.17.1.9/Debian-2+deb12u2; Tue", "Sendmail", Some("8.17.1.9")),
            ("2.0.0 This is sendmail version 8.17.1.9", "Sendmail", Some("8.17.1.9")),
            ("mx ESMTP Haraka/3.0.3 ready", "Haraka", Some("3.0.3")),
            (
                "mx Microsoft ESMTP MAIL Service, Version: 6.0.3790.4675 ready at",
                "Microsoft ESMTP MAIL Service",
                Some("6.0.3790.4675"),
            ),
            ("mx Python SMTP 1.4.4", "aiosmtpd", Some("1.4.4")),
            ("mx Python SMTP proxy version 0.3", "Python smtpd", Some("0.3")),
            ("mx ESMTP MDaemon 20.0.1; Tue", "MDaemon", Some("20.0.1")),
            ("mx Cyrus LMTP 3.6.1-Debian-3.6.1-4 server ready", "Cyrus", Some("3.6.1-Debian-3.6.1-4")),
            ("mx LMTP Cyrus v2.4.17 ready", "Cyrus", Some("2.4.17")),
            ("mx Cyrus LMTP Murder 2.3.7 server ready", "Cyrus", Some("2.3.7")),
            ("mx Dovecot (Debian) ready.", "Dovecot", None),
            ("mx ESMTP chasquid", "chasquid", None),
            ("mx ESMTP qpsmtpd 0.94 ready; send us your mail, but not your spam.", "qpsmtpd", Some("0.94")),
            ("mx ESMTP Citadel server ready.", "Citadel", None),
            ("mx MasqMail 0.3.4 ESMTP", "MasqMail", Some("0.3.4")),
            ("mx Mailpit ESMTP Service ready", "Mailpit", None),
            ("mx Mercury/32 v4.52 ESMTP server ready.", "Mercury/32", Some("4.52")),
            ("mx [XMail 1.27 ESMTP Server] service ready", "XMail", Some("1.27")),
            ("qmail home page: http://pobox.com/~djb/qmail.html", "qmail", None),
            ("mx ESMTP PowerMTA(TM) v4.5r1", "PowerMTA", Some("4.5r1")),
        ] {
            let want = Software { name, version: version.map(str::to_owned) };
            assert_eq!(software(text.as_bytes()), Some(want), "{text}");
        }
    }

    #[test]
    fn a_host_or_an_address_that_holds_a_name_is_no_software() {
        for text in ["exim.example.org ESMTP", "see http://www.sendmail.org/", "postfix-1 ready", "root@exim"] {
            assert_eq!(software(text.as_bytes()), None, "{text}");
        }
    }
}
