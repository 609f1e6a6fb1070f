//! Text from outside as markup: whatever it says, it is text. Records escaped it before; here what that wrote (`\x00`, `\u{202e}`)
//! is set apart, `<`, `>`, `&` and quotes are written as HTML wants them, and all of it is isolated, so that its direction ends
//! where it ends.

use std::fmt::{self, Write as _};

use askama::filters::HtmlSafe;

/// A line with more characters than this is cut.
const LONG: usize = 240;
/// So many of its characters are kept at its beginning, and at its end.
const HEAD: usize = 140;
const TAIL: usize = 60;

/// Text from the wire or the name of a file, cut in its middle where it is long.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Line {
    head: Box<str>,
    /// How many characters are not kept.
    left_out: usize,
    tail: Box<str>,
}

impl Line {
    pub(super) fn of(text: &str) -> Self {
        let characters = if text.len() <= LONG { 0 } else { text.chars().count() };
        if characters <= LONG {
            return Line { head: text.into(), left_out: 0, tail: Box::default() };
        }
        let left_out = characters.saturating_sub(HEAD).saturating_sub(TAIL);
        let at = |nth: usize| text.char_indices().nth(nth).map_or(text.len(), |(at, _)| at);
        let (head, tail) = (text.get(..at(HEAD)), text.get(at(HEAD.saturating_add(left_out))..));
        Line { head: head.unwrap_or_default().into(), left_out, tail: tail.unwrap_or_default().into() }
    }

    /// What it takes of a bound on memory.
    pub(super) fn cost(&self) -> usize {
        size_of::<Line>().saturating_add(self.head.len()).saturating_add(self.tail.len())
    }
}

impl HtmlSafe for Line {}

impl fmt::Display for Line {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("<bdi>")?;
        escaped(&self.head, out)?;
        if self.left_out > 0 {
            write!(out, "<i> … {} characters left out … </i>", self.left_out)?;
            escaped(&self.tail, out)?;
        }
        out.write_str("</bdi>")
    }
}

/// As HTML has it, with what the records escaped set apart.
fn escaped(text: &str, out: &mut fmt::Formatter<'_>) -> fmt::Result {
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let escape = escape(rest);
        if escape > 0 {
            let (name, behind) = rest.split_at_checked(escape).unwrap_or((rest, ""));
            write!(out, "<b class=\"x\">{name}</b>")?;
            rest = behind;
            continue;
        }
        character(first, out)?;
        rest = rest.get(first.len_utf8()..).unwrap_or_default();
        // The second half of a doubled backslash begins nothing.
        if first == '\\' && rest.starts_with('\\') {
            out.write_char('\\')?;
            rest = rest.get(1..).unwrap_or_default();
        }
    }
    Ok(())
}

fn character(char: char, out: &mut fmt::Formatter<'_>) -> fmt::Result {
    match char {
        '<' => out.write_str("&lt;"),
        '>' => out.write_str("&gt;"),
        '&' => out.write_str("&amp;"),
        '"' => out.write_str("&#34;"),
        '\'' => out.write_str("&#39;"),
        _ => out.write_char(char),
    }
}

/// How many bytes an escape takes at the beginning of the text: `\xNN` or `\u{NNNN}`; none where there is none.
fn escape(text: &str) -> usize {
    let is_hex = |bytes: Option<&[u8]>| bytes.is_some_and(|bytes| bytes.iter().all(u8::is_ascii_hexdigit));
    let bytes = text.as_bytes();
    match bytes {
        [b'\\', b'x', ..] if is_hex(bytes.get(2..4)) => 4,
        // Four digits, or as many more as the character's number has.
        [b'\\', b'u', b'{', digits @ ..] => match digits.iter().take(7).position(|&byte| byte == b'}') {
            Some(count) if count >= 4 && is_hex(digits.get(..count)) => count.saturating_add(4),
            _ => 0,
        },
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn shown(text: &str) -> String {
        Line::of(text).to_string()
    }

    #[test]
    fn markup_from_the_wire_is_text() {
        assert_eq!(shown("</bdi><script>\"'&"), "<bdi>&lt;/bdi&gt;&lt;script&gt;&#34;&#39;&amp;</bdi>");
    }

    #[test]
    fn what_was_escaped_is_set_apart_and_a_backslash_of_the_text_is_not() {
        assert_eq!(shown("a\\x00b"), "<bdi>a<b class=\"x\">\\x00</b>b</bdi>");
        assert_eq!(shown("\\u{202e}"), "<bdi><b class=\"x\">\\u{202e}</b></bdi>");
        assert_eq!(shown("\\u{e0041}"), "<bdi><b class=\"x\">\\u{e0041}</b></bdi>");
        assert_eq!(shown("a\\\\x00"), "<bdi>a\\\\x00</bdi>", "a backslash and `x00`, as they came");
        assert_eq!(shown("\\x<b\\"), "<bdi>\\x&lt;b\\</bdi>");
    }

    #[test]
    fn a_long_line_keeps_its_ends_and_says_how_much_is_missing() {
        let line = shown(&format!("RCPT TO:<{}>", "é".repeat(500)));
        assert!(line.starts_with("<bdi>RCPT TO:&lt;éé") && line.ends_with("éé&gt;</bdi>"), "{line}");
        assert!(line.contains("<i> … 310 characters left out … </i>"), "{line}");
    }

    proptest! {
        #[test]
        fn nothing_from_the_wire_is_markup(text in "[ -~é日\u{301}]{0,400}") {
            let line = shown(&text);
            let ours = ["<bdi>", "</bdi>", "<b class=\"x\">", "</b>", "<i>", "</i>"];
            let rest = ours.iter().fold(line, |line, tag| line.replace(tag, ""));
            prop_assert!(!rest.contains(['<', '>', '"', '\'']), "{}", rest);
        }
    }
}
