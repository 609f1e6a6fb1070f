//! What makes two greetings of a server one: those that differ only in dates, times, ids and numbers of a session are.
//! The versions of its software are none of these: a server that was updated greets anew.

use std::borrow::Cow;

/// The greeting with a `#` for each word that is of one session only.
pub(super) fn lasting(text: &[u8]) -> Cow<'_, [u8]> {
    // A date has digits, and so has every id but a rare one.
    if !text.iter().any(u8::is_ascii_digit) {
        return Cow::Borrowed(text);
    }
    let mut lasting = Vec::with_capacity(text.len());
    for (nth, word) in text.split(u8::is_ascii_whitespace).enumerate() {
        if nth > 0 {
            lasting.push(b' ');
        }
        // The first word is the host, whose numbers are its own.
        if nth > 0 && is_passing(word) {
            // Words of a date come and go: the day before the month has one digit or two, a zone may be named twice.
            if !lasting.ends_with(b"# ") {
                lasting.push(b'#');
            }
        } else {
            lasting.extend_from_slice(word);
        }
    }
    Cow::Owned(lasting)
}

/// Whether a word is of one session only.
fn is_passing(word: &[u8]) -> bool {
    let is_edge = |byte: &u8| byte.is_ascii_punctuation() && !matches!(byte, b'+' | b'-');
    let bracketed = matches!(word.first(), Some(b'[' | b'<'));
    let start = word.iter().position(|byte| !is_edge(byte)).unwrap_or(word.len());
    let end = word.iter().rposition(|byte| !is_edge(byte)).map_or(start, |last| last.saturating_add(1));
    let word = word.get(start..end).unwrap_or_default();
    let digits = word.iter().filter(|byte| byte.is_ascii_digit()).count();
    if digits == 0 {
        return is_of_a_date(word) || is_upper_hex(word);
    }
    let only = |allowed: &[u8]| word.iter().all(|byte| byte.is_ascii_digit() || allowed.contains(byte));
    // An address, or what stands in brackets as the id of a session or message does.
    let named = bracketed && (only(b".") || word.contains(&b'@') || word.contains(&b':'));
    // 24, 2026-11-24, 14:45:44, +0000, 2026-11-24T14:45:44Z.
    let counted = only(b":/+-,") || (digits >= 8 && only(b":.+-TZ") && word.contains(&b':'));
    named || counted || is_id(word)
}

/// A day, a month, half a day or a zone.
fn is_of_a_date(word: &[u8]) -> bool {
    const DAYS: &[&[u8]] = &[b"mon", b"tue", b"wed", b"thu", b"fri", b"sat", b"sun"];
    const MONTHS: &[&[u8]] =
        &[b"jan", b"feb", b"mar", b"apr", b"may", b"jun", b"jul", b"aug", b"sep", b"oct", b"nov", b"dec"];
    const ZONES: &[&[u8]] = &[
        b"AM", b"PM", b"GMT", b"UTC", b"UT", b"CET", b"CEST", b"EET", b"EEST", b"WET", b"WEST", b"BST", b"MSK", b"EST",
        b"EDT", b"CST", b"CDT", b"MST", b"MDT", b"PST", b"PDT", b"JST", b"IST", b"AEST", b"AEDT",
    ];
    let short = DAYS.iter().chain(MONTHS).any(|name| word.eq_ignore_ascii_case(name));
    let long = word.len() > 4
        && [&b"monday"[..], b"tuesday", b"wednesday", b"thursday", b"friday", b"saturday", b"sunday", b"january"]
            .iter()
            .chain([&b"february"[..], b"march", b"april", b"august", b"september", b"october", b"november"].iter())
            .chain([&b"december"[..]].iter())
            .any(|name| word.eq_ignore_ascii_case(name));
    short || long || ZONES.contains(&word)
}

/// Letters and digits in a mix, as ids are: at least six, and not in a version's dotted form.
fn is_id(word: &[u8]) -> bool {
    const SHORTEST: usize = 6;
    let (head, tail) = word.split_at(word.iter().position(|&byte| byte == b'.').unwrap_or(word.len()));
    let counter = tail.iter().all(|byte| byte.is_ascii_digit() || *byte == b'.');
    let mixed = head.iter().any(u8::is_ascii_digit) && head.iter().any(u8::is_ascii_alphabetic);
    let plain = head.iter().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'));
    // The number of a version would stand behind its name at once: `v10`, `ESMTP4`.
    let letters_first = head.iter().take_while(|byte| byte.is_ascii_alphabetic()).count();
    let (letters, rest) = head.split_at(letters_first);
    let named = letters.len() >= 3 && !letters.iter().all(|byte| matches!(byte, b'A'..=b'F'));
    let numbered = named && rest.iter().all(u8::is_ascii_digit) && tail.is_empty();
    head.len() >= SHORTEST && mixed && plain && counter && !numbered
}

/// An id in hexadecimal that happens to have no digit.
fn is_upper_hex(word: &[u8]) -> bool {
    word.len() >= 6 && word.iter().all(|byte| matches!(byte, b'A'..=b'F'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn alike(one: &str, other: &str) -> bool {
        lasting(one.as_bytes()) == lasting(other.as_bytes())
    }

    #[test]
    fn dates_times_ids_and_numbers_of_a_session_make_no_other_greeting() {
        for (one, other) in [
            (
                "mx.example.org ESMTP Exim 4.96 Tue, 24 Nov 2026 14:45:44 +0000",
                "mx.example.org ESMTP Exim 4.96 Wed, 2 Dec 2026 01:12:29 +0100",
            ),
            (
                "mx ESMTP Sendmail 8.17.1.9/8.17.1.9/Debian-2; Wed, 25 Nov 2026 01:14:04 GMT; from: a(OK)-a [192.0.2.10]",
                "mx ESMTP Sendmail 8.17.1.9/8.17.1.9/Debian-2; Sat, 1 May 2027 11:00:00 CEST; from: a(OK)-a [192.0.2.99]",
            ),
            ("mx ESMTP Haraka/3.3.4 ready (FB154E)", "mx ESMTP Haraka/3.3.4 ready (FAECDB)"),
            ("mx ESMTP Haraka/3.3.4 ready (FAB154)", "mx ESMTP Haraka/3.3.4 ready (12E456)"),
            ("mx.example.com ESMTP a640c23a62f3a-b2dsi45.123 - gsmtp", "mx.example.com ESMTP d2si1234567abc.9 - gsmtp"),
            ("<1700000000.7@mx> ESMTP ready <12.34@mx>", "<1700000000.7@mx> ESMTP ready <56.78@mx>"),
            ("mx ready at 2026-11-24T14:45:44.123Z", "mx ready at 2027-01-01T00:00:00.000Z"),
            ("mx Service ready at Tuesday, 3/4/2026 9:05:00 AM", "mx Service ready at Friday, 12/14/2026 10:15:00 PM"),
        ] {
            assert!(alike(one, other), "{one}\n{other}");
        }
    }

    #[test]
    fn another_host_version_or_text_makes_another_greeting() {
        for (one, other) in [
            ("mx1.example.org ESMTP Exim 4.96", "mx2.example.org ESMTP Exim 4.96"),
            ("mx ESMTP Exim 4.96", "mx ESMTP Exim 4.97"),
            ("mx ESMTP Haraka/3.0.3 ready", "mx ESMTP Haraka/3.3.4 ready"),
            ("mx ESMTP Postfix (3.7.11)", "mx ESMTP Postfix (3.10.13)"),
            ("mx ESMTP 8.17.1.9/8.17.1.9/Debian-2+deb12u2", "mx ESMTP 8.17.1.9/8.17.1.9/Debian-2+deb12u3"),
            ("mx ESMTP 1", "mx SMTP 1"),
        ] {
            assert!(!alike(one, other), "{one}\n{other}");
        }
    }
}
