//! The path of MAIL and RCPT, as far as a session's record needs it: what stands between the brackets.
//! Whether it is well formed is the rules' to judge.

use memchr::memchr2;

/// The address in `FROM:<...>` or `TO:<...>` (blanks behind the colon tolerated), without the brackets and
/// the parameters; without brackets the first word.
pub(crate) fn address<'l>(argument: &'l [u8], keyword: &[u8]) -> &'l [u8] {
    let path = behind_keyword(argument, keyword);
    match path.strip_prefix(b"<") {
        Some(inner) => inner.get(..closing_bracket(inner).unwrap_or(inner.len())).unwrap_or_default(),
        None => path.get(..first_word(path)).unwrap_or_default(),
    }
}

/// The parameters behind the path: `SIZE=1000 BODY=8BITMIME`.
pub(crate) fn parameters<'l>(argument: &'l [u8], keyword: &[u8]) -> impl Iterator<Item = &'l [u8]> {
    let path = behind_keyword(argument, keyword);
    let rest = if let Some(inner) = path.strip_prefix(b"<") {
        closing_bracket(inner).and_then(|at| inner.get(at.saturating_add(1)..)).unwrap_or_default()
    } else {
        path.get(first_word(path)..).unwrap_or_default()
    };
    rest.split(|&byte| byte.is_ascii_whitespace()).filter(|word| !word.is_empty())
}

fn behind_keyword<'l>(argument: &'l [u8], keyword: &[u8]) -> &'l [u8] {
    match argument.split_at_checked(keyword.len()) {
        Some((head, rest)) if head.eq_ignore_ascii_case(keyword) => rest.trim_ascii_start(),
        _ => argument,
    }
}

/// The bracket that closes a path: one inside a quoted string does not (RFC 5321 4.1.2, Quoted-string).
pub(crate) fn closing_bracket(path: &[u8]) -> Option<usize> {
    // No quote before the first one, the usual case.
    if let Some(at) = memchr2(b'>', b'"', path).filter(|&at| path.get(at) == Some(&b'>')) {
        return Some(at);
    }
    // A quote that nothing closes: the last bracket, if there is one.
    unquoted(path, |byte| byte == b'>').0.or_else(|| path.iter().rposition(|&byte| byte == b'>'))
}

/// Where a path without brackets ends: at a blank, but not at one inside a quoted string.
fn first_word(path: &[u8]) -> usize {
    let blank = |byte: u8| byte.is_ascii_whitespace();
    let end = match unquoted(path, blank) {
        (None, true) => path.iter().position(|&byte| blank(byte)),
        (end, _) => end,
    };
    end.unwrap_or(path.len())
}

/// The first such byte that stands in no quoted string; where there is none, whether a quote was never closed.
fn unquoted(path: &[u8], is: impl Fn(u8) -> bool) -> (Option<usize>, bool) {
    let (mut quoted, mut escaped) = (false, false);
    let found = path.iter().position(|&byte| {
        let found = is(byte) && !quoted;
        (quoted, escaped) = match byte {
            _ if escaped => (quoted, false),
            b'\\' if quoted => (true, true),
            b'"' => (!quoted, false),
            _ => (quoted, false),
        };
        found
    });
    (found, quoted)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mail(argument: &str) -> &str {
        std::str::from_utf8(address(argument.as_bytes(), b"FROM:")).unwrap()
    }

    #[test]
    fn the_address_is_what_the_brackets_hold() {
        assert_eq!(mail("FROM:<a@b> SIZE=1"), "a@b");
        assert_eq!(mail("from: <a@b>"), "a@b");
        assert_eq!(mail("FROM:a@b SIZE=1"), "a@b");
        assert_eq!(mail("FROM:\"John Doe\"@b SIZE=1"), "\"John Doe\"@b");
        assert_eq!(mail("FROM:\"John Doe SIZE=1"), "\"John");
        assert_eq!(mail("FROM:<>"), "");
        assert_eq!(mail("FROM:<\"a>b\"@c> X"), "\"a>b\"@c");
        assert_eq!(mail("FROM:<\"a@b> X"), "\"a@b");
        assert_eq!(mail("FROM:<a@b"), "a@b");
    }

    #[test]
    fn parameters_stand_behind_the_path() {
        let words: Vec<_> = parameters(b"FROM:<a b@c>  SIZE=1 PRDR", b"FROM:").collect();
        assert_eq!(words, [&b"SIZE=1"[..], b"PRDR"]);
    }
}
