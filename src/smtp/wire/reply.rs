//! A reply line's code and text (RFC 5321 section 4.2).

/// A line's code, and whether more lines of the same reply follow it.
pub(crate) fn code(line: &[u8]) -> (Option<u16>, bool) {
    let Some(&[a, b, c]) = line.first_chunk::<3>() else { return (None, false) };
    if !(a.is_ascii_digit() && b.is_ascii_digit() && c.is_ascii_digit()) {
        return (None, false);
    }
    let digit = |byte: u8| u16::from(byte.wrapping_sub(b'0'));
    let code = digit(a).wrapping_mul(100).wrapping_add(digit(b).wrapping_mul(10)).wrapping_add(digit(c));
    match line.get(3) {
        // CR CR LF leaves a CR.
        None | Some(b' ' | b'\r' | b'\t') => (Some(code), false),
        Some(b'-') => (Some(code), true),
        Some(_) => (None, false),
    }
}

/// Whether a text may begin a reply: as far as it goes, a code of RFC 5321 section 4.2.1 and what may stand behind it.
pub(in crate::smtp) fn may_begin(text: &[u8]) -> bool {
    let places: [fn(u8) -> bool; 4] = [
        |byte| (b'2'..=b'5').contains(&byte),
        |byte| (b'0'..=b'5').contains(&byte),
        |byte| byte.is_ascii_digit(),
        |byte| matches!(byte, b' ' | b'-' | b'\t' | b'\r' | b'\n'),
    ];
    text.iter().zip(places).all(|(&byte, is)| is(byte))
}

/// Whether a tab stands where a blank is due.
pub(in crate::smtp) fn is_tabbed(line: &[u8]) -> bool {
    line.get(3) == Some(&b'\t') && code(line).0.is_some()
}

/// A reply line's text: what stands behind the code and its separator.
pub(crate) fn text(line: &[u8]) -> &[u8] {
    match code(line) {
        (Some(_), _) => line.get(4..).unwrap_or_default(),
        (None, _) => line,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_is_three_digits_and_a_separator() {
        assert_eq!(code(b"220 mx"), (Some(220), false));
        assert_eq!(code(b"220-mx"), (Some(220), true));
        assert_eq!(code(b"220"), (Some(220), false));
        assert_eq!(code(b"999 x"), (Some(999), false));
        assert_eq!(code(b"220\tx"), (Some(220), false), "it is told as malformed");
        for line in ["", "22", "2200", "22O x", "220x", "* OK", " 220 x"] {
            assert_eq!(code(line.as_bytes()).0, None, "{line}");
        }
    }
}
