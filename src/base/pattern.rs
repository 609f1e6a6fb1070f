//! A regular expression that a user gives. Matching takes time linear in the text, whatever the expression, and the compiled
//! form has a bound: a short expression can ask for a large one (`(a{1000}){1000}`).

use std::fmt;
use std::str::FromStr;

use regex::bytes::{Regex, RegexBuilder};
use serde::{Deserialize, Serialize};

/// Bytes that the compiled form may have.
const MOST_BYTES: usize = 2 << 20;

/// A regular expression in the syntax of the `regex` crate, over bytes: text that is valid UTF-8 is matched by character,
/// `\x00` matches the byte that records write so.
#[derive(Clone, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Pattern(Regex);

impl Pattern {
    /// As it was given.
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }

    /// Whether it matches anywhere in the text.
    pub(crate) fn matches(&self, text: &[u8]) -> bool {
        self.0.is_match(text)
    }
}

impl FromStr for Pattern {
    type Err = NotAPattern;

    fn from_str(text: &str) -> Result<Self, NotAPattern> {
        let compiled = RegexBuilder::new(text).size_limit(MOST_BYTES).build();
        compiled.map(Pattern).map_err(|error| match error {
            regex::Error::CompiledTooBig(_) => NotAPattern("it is too large when compiled".to_owned()),
            // Several lines that draw where; the last one says why.
            error => {
                let text = error.to_string();
                let why = text.lines().last().unwrap_or_default().trim();
                NotAPattern(why.strip_prefix("error: ").unwrap_or(why).to_owned())
            }
        })
    }
}

impl TryFrom<String> for Pattern {
    type Error = NotAPattern;

    fn try_from(text: String) -> Result<Self, NotAPattern> {
        text.parse()
    }
}

impl From<Pattern> for String {
    fn from(pattern: Pattern) -> Self {
        pattern.as_str().to_owned()
    }
}

impl PartialEq for Pattern {
    fn eq(&self, other: &Pattern) -> bool {
        self.as_str() == other.as_str()
    }
}

impl Eq for Pattern {}

impl fmt::Debug for Pattern {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), out)
    }
}

/// Why text is no regular expression, in one line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NotAPattern(String);

impl fmt::Display for NotAPattern {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "not a regular expression: {}", self.0)
    }
}

impl std::error::Error for NotAPattern {}

#[cfg(test)]
mod tests {
    use super::*;

    fn matches(pattern: &str, text: &[u8]) -> bool {
        pattern.parse::<Pattern>().unwrap().matches(text)
    }

    #[test]
    fn a_byte_is_written_as_records_write_it() {
        assert!(matches(r"\x00", b"HELO\0") && !matches(r"\x00", b"HELO \\x00"));
        assert!(matches(r"a\\b", b"a\\b") && matches(r"\u{202e}", "\u{202e}".as_bytes()));
        assert!(matches("(?i)^help", b"HeLP") && !matches("^help", b"HELP"));
        assert!(matches("f.r", "f\u{fc}r".as_bytes()), "a character is one, whatever bytes it has");
    }

    #[test]
    fn what_is_none_is_told_in_one_line() {
        for (text, told) in [
            ("(", "not a regular expression: unclosed group"),
            ("a{2,1}", "not a regular expression: invalid repetition count range, the start must be <= the end"),
            ("(a{1000}){1000}", "not a regular expression: it is too large when compiled"),
            (r"\p{Nothing}", "not a regular expression: Unicode property not found"),
        ] {
            assert_eq!(text.parse::<Pattern>().unwrap_err().to_string(), told, "{text}");
        }
    }
}
