//! Base64 as clients and servers write it (RFC 4648): told from commands, and decoded.

use super::verb::Verb;

/// Decodes it leniently: with or without padding, in either alphabet, whatever the bits left over at its end are.
/// What is searched for secrets must not depend on how tidy a client is.
pub(in crate::smtp) fn decode(text: &[u8]) -> Option<Vec<u8>> {
    let mut decoded = Vec::new();
    decode_into(text, &mut decoded).then_some(decoded)
}

/// The same into a buffer that is used again; returns whether it is base64.
pub(in crate::smtp) fn decode_into(text: &[u8], decoded: &mut Vec<u8>) -> bool {
    decoded.clear();
    let body = without_padding(text.trim_ascii());
    if body.len() % 4 == 1 {
        return false;
    }
    for group in body.chunks(4) {
        let mut bits = 0_u32;
        for &byte in group {
            let Some(value) = value(byte) else { return false };
            bits = bits << 6 | value;
        }
        let missing = 4_usize.saturating_sub(group.len());
        for _ in 0..missing {
            bits <<= 6;
        }
        let [_, octets @ ..] = bits.to_be_bytes();
        decoded.extend_from_slice(octets.get(..3_usize.saturating_sub(missing)).unwrap_or_default());
    }
    true
}

fn value(byte: u8) -> Option<u32> {
    let value = match byte {
        b'A'..=b'Z' => byte.wrapping_sub(b'A'),
        b'a'..=b'z' => byte.wrapping_sub(b'a').wrapping_add(26),
        b'0'..=b'9' => byte.wrapping_sub(b'0').wrapping_add(52),
        b'+' | b'-' => 62,
        b'/' | b'_' => 63,
        _ => return None,
    };
    Some(u32::from(value))
}

pub(in crate::smtp) fn without_padding(text: &[u8]) -> &[u8] {
    let end = text.iter().rposition(|&byte| byte != b'=').map_or(0, |at| at.saturating_add(1));
    text.get(..end).unwrap_or_default()
}

/// Whether a line is base64 and nothing else, and no known verb.
pub(in crate::smtp) fn is_likely(line: &[u8]) -> bool {
    may_be(line) && line.trim_ascii().len().is_multiple_of(4)
}

/// Whether a line could be base64 of a client that leaves the padding out: one word of its letters.
pub(in crate::smtp) fn may_be(line: &[u8]) -> bool {
    let line = line.trim_ascii();
    let body = line.strip_suffix(b"==").or_else(|| line.strip_suffix(b"=")).unwrap_or(line);
    line.len() >= 4
        && body.iter().all(|&byte| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/'))
        && !Verb::of(line).is_known()
}

/// Whether a line that may be base64 is hardly a word of letters in one case, as a verb is.
pub(in crate::smtp) fn is_no_word(line: &[u8]) -> bool {
    let line = line.trim_ascii();
    let upper = line.iter().any(u8::is_ascii_uppercase);
    let lower = line.iter().any(u8::is_ascii_lowercase);
    may_be(line) && (upper && lower || line.iter().any(|byte| !byte.is_ascii_alphabetic()))
}

/// Whether a word is PLAIN's response (RFC 4616): text with a NUL in its middle, which nothing else in SMTP is.
pub(in crate::smtp) fn is_plain_response(word: &[u8]) -> bool {
    /// NUL, a letter, NUL, a letter.
    const SHORTEST: usize = 6;
    if word.len() < SHORTEST {
        return false;
    }
    let Some(decoded) = decode(word) else { return false };
    let Some(first) = decoded.iter().position(|&byte| byte == 0) else { return false };
    let inside = decoded.iter().skip(first).any(|&byte| byte != 0);
    inside && std::str::from_utf8(&decoded).is_ok_and(|text| text.chars().all(|c| c == '\0' || !c.is_control()))
}

/// Whether a server's text quotes one.
pub(in crate::smtp) fn holds_plain_response(text: &[u8]) -> bool {
    let in_word = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'=');
    text.split(|&byte| !in_word(byte)).any(is_plain_response)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_of_four_letters_are_no_base64() {
        assert!(is_likely(b"dXNlcg=="));
        assert!(!is_likely(b"QUIT"));
        assert!(!is_likely(b"*"));
        assert!(!is_likely(b"MAIL FROM:<a>"));
    }

    #[test]
    fn it_is_decoded_with_and_without_padding() {
        for text in ["dXNlcg==", "dXNlcg=", "dXNlcg", " dXNlcg\r", "dXNlch"] {
            assert_eq!(decode(text.as_bytes()).as_deref(), Some(&b"user"[..]), "{text}");
        }
        assert_eq!(decode(b"+-/_"), Some(vec![0xfb, 0xef, 0xff]));
        assert_eq!(decode(b""), Some(Vec::new()));
        for text in ["dXNlc", "dXN!", "dX Nl", "a=bc"] {
            assert_eq!(decode(text.as_bytes()), None, "{text}");
        }
    }

    #[test]
    fn a_verb_in_one_case_is_no_surer_base64_than_a_word() {
        assert!(is_no_word(b"dXNlcg==") && is_no_word(b"cGFzcw") && is_no_word(b"ABC1"));
        assert!(!is_no_word(b"XFOO") && !is_no_word(b"foobar") && !is_no_word(b"FOO BAR1"));
    }

    #[test]
    fn only_text_around_a_nul_is_a_response_of_plain() {
        for word in ["AHVzZXIAcGFzcw==", "AHVzZXIAcGFzcw", "dXNlcgBwYXNz", "AGEAYg=="] {
            assert!(is_plain_response(word.as_bytes()), "{word}");
        }
        // `User Name` NUL, a blob, a verb.
        for word in ["VXNlciBOYW1lAA==", "AAECAwQFBgcICQ==", "STARTTLS", "AUTHLOGIN", "AAAAAAAA"] {
            assert!(!is_plain_response(word.as_bytes()), "{word}");
        }
    }
}
