//! The one place where bytes from outside become text (FORMATS.md): UTF-8 stays; what is none, control
//! characters and those that cannot be seen are written as `\xNN` and `\u{NNNN}`, and a backslash is doubled, so
//! that what is printed can be read back and no terminal or log is steered by it.

use std::fmt::{self, Write as _};

#[cfg(test)]
use serde::{Serialize, Serializer};

use crate::base::octets;

/// Bytes that show as escaped text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Text<'b>(pub &'b [u8]);

impl Text<'_> {
    /// The usual case: printable ASCII without a backslash stays as it is.
    fn is_plain(&self) -> bool {
        octets::none(self.0, |word| octets::unprintable(word) | octets::same(word, b'\\'))
    }

    fn plain(&self) -> Option<&str> {
        self.is_plain().then(|| std::str::from_utf8(self.0).ok()).flatten()
    }
}

impl fmt::Display for Text<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(plain) = self.plain() {
            return out.write_str(plain);
        }
        for chunk in self.0.utf8_chunks() {
            chunk.valid().chars().try_for_each(|char| show(char, out))?;
            chunk.invalid().iter().try_for_each(|byte| write!(out, "\\x{byte:02x}"))?;
        }
        Ok(())
    }
}

/// Bytes as text; where all of them are plain they are not copied.
pub(super) fn shown(bytes: Vec<u8>) -> String {
    if !Text(&bytes).is_plain() {
        return Text(&bytes).to_string();
    }
    String::from_utf8(bytes).unwrap_or_default()
}

/// Several of them.
pub(super) fn all_shown(items: Vec<Vec<u8>>) -> Vec<String> {
    items.into_iter().map(shown).collect()
}

fn show(char: char, out: &mut fmt::Formatter<'_>) -> fmt::Result {
    match char {
        '\\' => out.write_str("\\\\"),
        '\0'..='\x1f' | '\x7f' => write!(out, "\\x{:02x}", u32::from(char)),
        _ if is_invisible(char) => write!(out, "\\u{{{:04x}}}", u32::from(char)),
        _ => out.write_char(char),
    }
}

/// Controls above ASCII, line separators, and characters that show as nothing or change how others show (Unicode's general
/// categories Cc, Cf, Zl and Zp, as far as they are in use).
fn is_invisible(char: char) -> bool {
    matches!(
        char,
        '\u{80}'..='\u{9f}'
            | '\u{ad}'
            | '\u{61c}'
            | '\u{180e}'
            | '\u{200b}'..='\u{200f}'
            | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}'
            | '\u{feff}'
            | '\u{fff9}'..='\u{fffb}'
            | '\u{e0000}'..='\u{e007f}'
    )
}

#[cfg(test)]
impl Serialize for Text<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.plain() {
            Some(plain) => serializer.serialize_str(plain),
            None => serializer.collect_str(self),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(bytes: &[u8]) -> String {
        let text = Text(bytes).to_string();
        assert_eq!(serde_json::to_value(Text(bytes)).unwrap(), serde_json::Value::from(text.clone()));
        text
    }

    #[test]
    fn printable_text_stays_and_a_backslash_is_doubled() {
        assert_eq!(shown(b"250 mx ~ \"ok\""), "250 mx ~ \"ok\"");
        assert_eq!(shown(b"a\\x00b"), "a\\\\x00b");
        assert_eq!(shown("Grüße 日本".as_bytes()), "Grüße 日本");
        assert_eq!(shown(b""), "");
    }

    #[test]
    fn controls_are_written_out_at_every_edge() {
        assert_eq!(shown(b"\x00\x1f \x7e\x7f"), "\\x00\\x1f ~\\x7f");
        assert_eq!(shown(b"\t\r\n\x1b[31m"), "\\x09\\x0d\\x0a\\x1b[31m");
        assert_eq!(shown("\u{7f}\u{80}\u{9f}\u{a0}".as_bytes()), "\\x7f\\u{0080}\\u{009f}\u{a0}");
    }

    #[test]
    fn what_cannot_be_seen_is_written_out_and_its_neighbours_not() {
        for (from, to) in
            [(0x80, 0x9f), (0x200b, 0x200f), (0x2028, 0x202e), (0x2060, 0x206f), (0xfff9, 0xfffb), (0xe_0000, 0xe_007f)]
        {
            let text = |code: u32| char::from_u32(code).map(|char| shown(char.to_string().as_bytes())).unwrap();
            assert_eq!([text(from), text(to)], [from, to].map(|code| format!("\\u{{{code:04x}}}")));
            assert!(!text(to + 1).starts_with('\\'), "{to:x}");
        }
        assert_eq!(shown("a\u{ad}b\u{feff}\u{61c}\u{a0}".as_bytes()), "a\\u{00ad}b\\u{feff}\\u{061c}\u{a0}");
    }

    #[test]
    fn bytes_that_are_no_utf8_are_told_from_the_characters_of_that_number() {
        assert_eq!(shown(b"\x85\xc2\x85"), "\\x85\\u{0085}");
        assert_eq!(shown(b"ok\xff\xc3"), "ok\\xff\\xc3");
        assert_eq!(shown(b"\xed\xa0\x80"), "\\xed\\xa0\\x80", "a surrogate is no UTF-8");
    }
}
