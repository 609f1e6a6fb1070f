//! What several rules read of a line alike: argument, text, code, EHLO keywords.

use crate::smtp::{Answers, Command, Reply, Verb};

/// The argument of a command, without the blanks around it.
pub(super) fn argument(command: &Command) -> &[u8] {
    argument_as_sent(command).trim_ascii()
}

/// The argument of a command as it was sent; of a line without a verb the whole line.
pub(crate) fn argument_as_sent(command: &Command) -> &[u8] {
    command.line.get(command.argument_at..).unwrap_or_default()
}

/// The text of a reply line behind its code and the space or hyphen; the whole line where it has no code.
pub(crate) fn text(line: &[u8]) -> &[u8] {
    match code(line) {
        Some(_) => line.get(4..).unwrap_or_default(),
        None => line,
    }
}

/// The code of a reply line: three digits followed by space, hyphen or the line's end (RFC 5321 4.2).
pub(super) fn code(line: &[u8]) -> Option<u16> {
    let (digits, rest) = line.split_at_checked(3)?;
    if !matches!(rest.first(), None | Some(b' ' | b'-' | b'\t')) {
        return None;
    }
    digits.iter().try_fold(0_u16, |code, digit| {
        let digit = digit.is_ascii_digit().then(|| u16::from(digit.wrapping_sub(b'0')))?;
        code.checked_mul(10)?.checked_add(digit)
    })
}

/// The keywords of an EHLO reply as they came, without their parameters; its first line is the server's name.
pub(super) fn keywords(reply: &Reply) -> impl Iterator<Item = &[u8]> {
    reply.lines.iter().skip(1).map(|line| keyword(text(line))).filter(|keyword| !keyword.is_empty())
}

/// The word at the start of an EHLO line: up to a blank, or the `=` that old servers put behind AUTH.
pub(super) fn keyword(text: &[u8]) -> &[u8] {
    let text = text.trim_ascii();
    let end = text.iter().position(|byte| matches!(byte, b' ' | b'\t' | b'=')).unwrap_or(text.len());
    text.get(..end).unwrap_or_default()
}

/// The command that a reply answers, where both are certain; lines of an AUTH exchange are none.
pub(super) fn answered<'e>(reply: &Reply, answers: &Answers<'e>) -> Option<(&'e Command, &'e Verb)> {
    match *answers {
        Answers::Command(command) if !reply.uncertain && !command.uncertain && !command.exchange => {
            command.verb.as_ref().map(|verb| (command, verb))
        }
        _ => None,
    }
}

/// Whether a reply to EHLO (or LHLO) accepted it: then it lists what the server can.
pub(super) fn lists_capabilities(verb: &Verb, reply: &Reply) -> bool {
    matches!(verb, Verb::Ehlo | Verb::Lhlo) && matches!(reply.code, Some(200..=299))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_is_three_digits_and_space_hyphen_or_end() {
        for (line, want) in [("220 mx", Some(220)), ("220-mx", Some(220)), ("220", Some(220)), ("099 x", Some(99))] {
            assert_eq!(code(line.as_bytes()), want, "{line}");
        }
        for line in ["", "22", "220mx", "22x mx", "2200", " 220 mx"] {
            assert_eq!(code(line.as_bytes()), None, "{line}");
        }
    }

    #[test]
    fn a_keyword_ends_at_a_blank_or_an_equals_sign() {
        for (text, want) in [("SIZE 100", "SIZE"), ("AUTH=LOGIN", "AUTH"), (" HELP ", "HELP"), ("", "")] {
            assert_eq!(keyword(text.as_bytes()), want.as_bytes());
        }
    }
}
