//! Text of a dialogue line to the bytes it stands for: escapes and repetitions.

use crate::dialogue::Cause;

/// The bytes that `text` stands for.
pub(crate) fn unescape(text: &str) -> Result<Vec<u8>, Cause> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some(character) = rest.chars().next() {
        let (said, length) = match character {
            '\\' => escape(rest)?,
            '{' => match repetition(rest)? {
                Some(found) => found,
                None => (vec![b'{'], 1),
            },
            _ => (rest.as_bytes()[..character.len_utf8()].to_vec(), character.len_utf8()),
        };
        bytes.extend_from_slice(&said);
        rest = &rest[length..];
    }
    Ok(bytes)
}

/// The octets that a line of hexadecimal digits and blanks stands for.
pub(crate) fn unhex(text: &str) -> Result<Vec<u8>, Cause> {
    let digits: Vec<char> = text.chars().filter(|character| !character.is_whitespace()).collect();
    let octet = |pair: &[char]| match pair {
        [high, low] => u8::from_str_radix(&format!("{high}{low}"), 16).ok(),
        _ => None,
    };
    digits.chunks(2).map(octet).collect::<Option<_>>().ok_or_else(|| Cause::Hex(text.to_owned()))
}

/// The escape at the front of `text`, and how long it is.
fn escape(text: &str) -> Result<(Vec<u8>, usize), Cause> {
    let byte = match text.as_bytes().get(1) {
        Some(b'r') => b'\r',
        Some(b'n') => b'\n',
        Some(b't') => b'\t',
        Some(b'0') => 0,
        Some(b's') => b' ',
        Some(&literal @ (b'\\' | b'{')) => literal,
        Some(b'x') => {
            let octet = text.get(2..4).and_then(|digits| u8::from_str_radix(digits, 16).ok());
            return octet.map(|octet| (vec![octet], 4)).ok_or_else(|| Cause::Escape(text.chars().take(4).collect()));
        }
        _ => return Err(Cause::Escape(text.chars().take(2).collect())),
    };
    Ok((vec![byte], 2))
}

/// `{TEXT*COUNT}` at the front of `text`, and how long it is; `None` where the brace is only a brace.
fn repetition(text: &str) -> Result<Option<(Vec<u8>, usize)>, Cause> {
    let found = text.find('}').and_then(|close| {
        let (what, count) = text[1..close].rsplit_once('*')?;
        Some((what, count.parse::<usize>().ok()?, close + 1))
    });
    let Some((what, count, length)) = found else { return Ok(None) };
    Ok(Some((unescape(what)?.repeat(count), length)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_stand_for_their_bytes() {
        assert_eq!(unescape(r"a\r\n\t\0\s\\\xff").unwrap(), b"a\r\n\t\0 \\\xff");
        assert_eq!(unescape("ä").unwrap(), "ä".as_bytes());
    }

    #[test]
    fn a_repetition_repeats_and_other_braces_stay() {
        assert_eq!(unescape("x{ab*3}y").unwrap(), b"xabababy");
        assert_eq!(unescape(r"{\x00*2}").unwrap(), b"\0\0");
        assert_eq!(unescape(r"{1f} {a*b} \{a*2}").unwrap(), b"{1f} {a*b} {a*2}");
    }

    #[test]
    fn a_wrong_escape_is_named() {
        assert_eq!(unescape(r"a\q"), Err(Cause::Escape(r"\q".to_owned())));
        assert_eq!(unescape(r"\x4"), Err(Cause::Escape(r"\x4".to_owned())));
        assert_eq!(unescape("\\"), Err(Cause::Escape("\\".to_owned())));
    }

    #[test]
    fn hexadecimal_may_hold_blanks_but_no_half_octet() {
        assert_eq!(unhex("16 0301").unwrap(), [0x16, 3, 1]);
        assert!(unhex("160").is_err() && unhex("zz").is_err());
    }
}
