//! What must not be shown: a session's latest secrets, and where a line of either side repeats one of them, however it is spelt.

use std::collections::VecDeque;
use std::fmt;
use std::sync::Arc;

use data_encoding::{BASE64_NOPAD, HEXLOWER, HEXUPPER};

use super::wire::base64;
use super::wire::verb::{Verb, is_blank};

/// Text that must not be shown. It has no `Display`, and its `Debug` tells nothing.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Secret(Vec<u8>);

impl Secret {
    /// What stands in its place.
    pub(crate) const SHOWN: &'static [u8] = b"<redacted>";

    pub(super) fn new(text: Vec<u8>) -> Secret {
        Secret(text)
    }

    /// The text itself: for `--show-secrets`, and for checks that look at bytes and never show them.
    pub(crate) fn reveal(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("<redacted>")
    }
}

/// What was said in secret, the latest last.
#[derive(Clone, Debug, Default)]
pub(super) struct Secrets {
    kept: VecDeque<Arc<Kept>>,
    signs: Signs,
}

/// By their hash, the first octets of all that is searched for: most places of a text need no other look.
#[derive(Clone, Copy, Debug, Default)]
struct Signs([u64; 16]);

impl Signs {
    fn place(octets: &[u8]) -> (usize, u64) {
        let hash = octets
            .iter()
            .take(Secrets::SHORTEST)
            .fold(0_u32, |hash, &byte| hash.wrapping_mul(0x0100_0193) ^ u32::from(byte).wrapping_mul(0x9e37_79b1));
        (usize::try_from(hash >> 28).unwrap_or(0), 1 << (hash >> 22 & 63))
    }

    fn add(&mut self, text: &[u8]) {
        let (word, bit) = Signs::place(text);
        if let Some(word) = self.0.get_mut(word) {
            *word |= bit;
        }
    }

    fn may_begin(&self, octets: &[u8]) -> bool {
        let (word, bit) = Signs::place(octets);
        self.0.get(word).is_some_and(|word| word & bit != 0)
    }
}

/// One secret.
#[derive(Clone)]
struct Kept {
    text: Vec<u8>,
    /// What to find in a line: its first octets, for servers cut what they quote; the same in base64 and hexadecimal.
    spelt: [Vec<u8>; 4],
    /// As it is, it is found as a word of its own alone: so short, it stands in too many others.
    word: bool,
}

impl Kept {
    fn begins_at(&self, text: &[u8], at: usize) -> bool {
        let [as_it_is, others @ ..] = &self.spelt;
        let rest = text.get(at..).unwrap_or_default();
        let plain = rest.starts_with(as_it_is) && (!self.word || is_word_at(text, at, as_it_is.len()));
        plain || others.iter().any(|spelt| rest.starts_with(spelt))
    }
}

/// It tells nothing, as the `Debug` of what it holds must not.
impl fmt::Debug for Kept {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("<redacted>")
    }
}

impl Secrets {
    /// So many are kept.
    const MOST: usize = 32;
    /// Octets kept of each.
    const TEXT: usize = 256;
    /// So much of a longer secret is enough.
    const ENOUGH: usize = 12;
    /// Anything shorter stands in too many lines by chance.
    const SHORTEST: usize = 3;
    /// What means something and is shorter is found as a word alone: `pass` is no part of `password`.
    const PART: usize = 6;

    /// Keeps what stood on the wire: each of its words.
    pub(super) fn keep_line(&mut self, line: &[u8]) {
        let words = line.split(u8::is_ascii_whitespace);
        // A server's list of verbs repeats nothing.
        for word in words.filter(|word| word.len() > Self::SHORTEST && !Verb::of(word).is_known()) {
            self.keep(word, false);
        }
    }

    /// Keeps what a line means: a password, a token.
    pub(super) fn keep_meaning(&mut self, text: &[u8]) {
        let text = trimmed(text);
        if text.len() >= Self::SHORTEST && is_text(text) && !Verb::of(text).is_known() {
            self.keep(text, true);
        }
    }

    fn keep(&mut self, text: &[u8], means: bool) {
        let text = text.get(..Self::TEXT).unwrap_or(text);
        if let Some(place) = self.kept.iter().position(|kept| kept.text == text) {
            let _ = self.kept.remove(place);
        }
        if self.kept.len() >= Self::MOST {
            self.kept.pop_front();
        }
        let first = text.get(..Self::ENOUGH).unwrap_or(text);
        let [base64, lower, upper] =
            [BASE64_NOPAD.encode(first), HEXLOWER.encode(first), HEXUPPER.encode(first)].map(String::into_bytes);
        let spelt = [first.to_vec(), base64, lower, upper];
        self.kept.push_back(Arc::new(Kept { text: text.to_vec(), word: means && first.len() < Self::PART, spelt }));
        self.signs = Signs::default();
        for spelt in self.kept.iter().flat_map(|kept| &kept.spelt) {
            self.signs.add(spelt);
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.kept.is_empty()
    }

    /// Whether it is one of them, whole.
    pub(super) fn holds(&self, text: &[u8]) -> bool {
        let text = text.get(..Self::TEXT).unwrap_or(text);
        self.kept.iter().any(|kept| kept.text == text)
    }

    /// Whether a server's text repeats one of them, or its first octets: as it is, in base64 or hexadecimal, escaped,
    /// or within base64.
    pub(super) fn stand_in(&self, text: &[u8]) -> bool {
        if self.kept.is_empty() {
            return false;
        }
        let mut inside = Vec::new();
        self.stand_plain_in(text)
            || unescaped(text).is_some_and(|text| self.stand_plain_in(&text))
            || words(text).any(|(_, word)| base64::decode_into(word, &mut inside) && self.stand_plain_in(&inside))
    }

    fn stand_plain_in(&self, text: &[u8]) -> bool {
        text.windows(Self::SHORTEST)
            .enumerate()
            .any(|(at, octets)| self.signs.may_begin(octets) && self.kept.iter().any(|kept| kept.begins_at(text, at)))
    }

    /// Where a client's line repeats one of them: as the whole line, or as a word of it, decoded or not. Not in a
    /// command with an argument that is read; who logs in with a password `1024` must not hide a chunk's size.
    pub(super) fn repeated_at(&self, line: &[u8]) -> Option<usize> {
        if self.kept.is_empty() {
            return None;
        }
        let (verb, argument_at) = super::wire::verb::split(line);
        let known = verb.filter(Verb::is_known);
        let from = match &known {
            None if self.is_same(trimmed(line)) => return Some(0),
            None => 0,
            Some(verb) if verb.takes_no_argument() => argument_at,
            Some(Verb::Help | Verb::Noop | Verb::Vrfy | Verb::Expn) => argument_at,
            Some(_) => return None,
        };
        words(line).find(|&(at, word)| at >= from && self.is_same(word)).map(|(at, _)| at)
    }

    fn is_same(&self, word: &[u8]) -> bool {
        let bare = base64::without_padding(word);
        let same = |text: &[u8]| text.len() >= Self::SHORTEST && self.holds(text);
        same(word)
            || self.kept.iter().any(|kept| bare.len() > Self::SHORTEST && base64::without_padding(&kept.text) == bare)
            || base64::may_be(word) && base64::decode(word).is_some_and(|text| same(trimmed(&text)))
    }
}

/// Without what a client's tool leaves at its end: line ends, NULs.
fn trimmed(text: &[u8]) -> &[u8] {
    let end = text.iter().rposition(|byte| !byte.is_ascii_whitespace() && *byte != 0);
    text.get(..end.map_or(0, |at| at.saturating_add(1))).unwrap_or_default()
}

/// Whether neither a letter nor a digit stands beside a part of a text.
fn is_word_at(text: &[u8], at: usize, length: usize) -> bool {
    let ends = |byte: Option<&u8>| !byte.is_some_and(u8::is_ascii_alphanumeric);
    let before = at.checked_sub(1).and_then(|before| text.get(before));
    ends(before) && ends(text.get(at.saturating_add(length)))
}

fn is_text(text: &[u8]) -> bool {
    std::str::from_utf8(text).is_ok_and(|text| !text.contains(char::is_control))
}

/// The words of a line with their places, quotes and brackets around them left out.
fn words(line: &[u8]) -> impl Iterator<Item = (usize, &[u8])> {
    let mut at = 0_usize;
    line.split(|&byte| is_blank(byte) || matches!(byte, b'"' | b'\'' | b'<' | b'>' | b'(' | b')' | b':' | b',' | b'\r'))
        .map(move |word| {
            let place = at;
            at = at.saturating_add(word.len()).saturating_add(1);
            (place, word)
        })
        .filter(|(_, word)| !word.is_empty())
}

/// The text with its escapes taken back: `\xNN`, `\NNN`, `\c`, `%NN`, `=NN`, `+NN`. `None` where there are none.
fn unescaped(text: &[u8]) -> Option<Vec<u8>> {
    if !text.iter().any(|byte| matches!(byte, b'\\' | b'%' | b'=' | b'+')) {
        return None;
    }
    let mut plain = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((&byte, behind)) = rest.split_first() {
        let (octet, length) = match (byte, behind) {
            (b'\\', [b'x' | b'X', digits @ ..]) => (number(digits, 2, 16), 4),
            (b'\\', [b'0'..=b'7', ..]) => (number(behind, 3, 8), 4),
            (b'\\', [other, ..]) => (Some(*other), 2),
            (b'%' | b'=' | b'+', _) => (number(behind, 2, 16), 3),
            _ => (None, 1),
        };
        plain.push(octet.unwrap_or(byte));
        rest = rest.get(octet.map_or(1, |_| length)..).unwrap_or_default();
    }
    (plain != text).then_some(plain)
}

fn number(digits: &[u8], count: usize, radix: u32) -> Option<u8> {
    let digits = digits.get(..count).filter(|digits| digits.iter().all(u8::is_ascii_alphanumeric))?;
    u8::from_str_radix(std::str::from_utf8(digits).ok()?, radix).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secrets() -> Secrets {
        let mut secrets = Secrets::default();
        secrets.keep_line(b"aHVudGVyMi1hbmQtbW9yZQ==");
        secrets.keep_meaning(b"hunter2-and-more\r\n");
        secrets
    }

    #[test]
    fn a_server_that_repeats_one_is_found_however_it_spells_it() {
        for text in [
            "500 Command unrecognized: \"aHVudGVyMi1hbmQtbW9yZQ==\"",
            "500 Command unrecognized: \"aHVudGVyMi1hbmQ",
            "535 no hunter2-and-more here",
            "535 hunter2-and-",
            "535 68756e746572322d616e642d6d6f7265",
            "535 68756E746572322D616E642D6D6F7265",
            "535 \\x68unter2\\x2dand-more",
            "535 \\150unter2-and-more",
            "535 hunter2\\-and\\-more",
            "535 hunter2%2Dand-more hunter2=2Dand+2Dmore",
            // Within `sorry, hunter2-and-more is wrong`.
            "334 c29ycnksIGh1bnRlcjItYW5kLW1vcmUgaXMgd3Jvbmc=",
        ] {
            assert!(secrets().stand_in(text.as_bytes()), "{text}");
        }
        for text in ["250 ok", "250 hunter", "334 UGFzc3dvcmQ6", "250 a=b+c%d\\", "250 \\x", ""] {
            assert!(!secrets().stand_in(text.as_bytes()), "{text}");
        }
        assert!(!Secrets::default().stand_in(b"535 hunter2-and-more"));
    }

    #[test]
    fn a_short_one_is_found_as_a_word_alone() {
        let mut secrets = Secrets::default();
        secrets.keep_meaning(b"abc");
        secrets.keep_meaning(b"xy");
        secrets.keep_meaning(b"pass");
        secrets.keep_meaning(b"HELP");
        secrets.keep_line(b"HELP abc1");
        assert!(secrets.stand_in(b"535 not abc."));
        assert!(secrets.stand_in(b"535 'abc1'"));
        assert!(secrets.stand_in(b"535 \"pass\" and passwords"));
        for text in ["535 the abcde, xy", "535 a password", "334 UGFzc3dvcmQ6"] {
            assert!(!secrets.stand_in(text.as_bytes()), "{text}");
        }
        assert!(!secrets.stand_in(b"214 HELO HELP"));
    }

    #[test]
    fn a_client_that_repeats_one_is_found_but_not_where_a_command_is_read() {
        let secrets = secrets();
        let at = |line: &str| secrets.repeated_at(line.as_bytes());
        for line in ["hunter2-and-more", "aHVudGVyMi1hbmQtbW9yZQ", "hunter2-and-more\r"] {
            assert_eq!(at(line), Some(0), "{line}");
        }
        assert_eq!(at("FOO hunter2-and-more"), Some(4));
        assert_eq!(at("PWD: aHVudGVyMi1hbmQtbW9yZQ==\r"), Some(5));
        assert_eq!(at("NOOP hunter2-and-more"), Some(5));
        assert_eq!(at("VRFY  \"hunter2-and-more\""), Some(7));
        for line in ["MAIL FROM:<hunter2-and-more>", "BDAT hunter2-and-more", "NOOP", "hunter2", "hunter2-and-more-x"] {
            assert_eq!(at(line), None, "{line}");
        }
    }

    #[test]
    fn the_latest_are_kept() {
        let mut secrets = Secrets::default();
        for number in 0..100 {
            secrets.keep_meaning(format!("password-{number:03}").as_bytes());
            secrets.keep_meaning(b"again and again");
        }
        assert!(secrets.kept.len() <= Secrets::MOST);
        assert!(secrets.holds(b"again and again") && secrets.holds(b"password-099") && !secrets.holds(b"password-001"));
    }

    #[test]
    fn escapes_are_taken_back() {
        assert_eq!(unescaped(b"a\\x62\\143\\d%65=66+67"), Some(b"abcdefg".to_vec()));
        assert_eq!(unescaped(b"a\\"), None);
        assert_eq!(unescaped(b"100%"), None);
        assert_eq!(unescaped(b"\\999"), Some(b"999".to_vec()));
        assert_eq!(unescaped(b"none"), None);
    }

    #[test]
    fn debug_tells_nothing() {
        assert_eq!(format!("{:?}", Secret::new(b"hunter2".to_vec())), "<redacted>");
        let shown = format!("{:?}", secrets());
        assert!(!shown.contains("117") && !shown.contains("hunter2"));
    }
}
