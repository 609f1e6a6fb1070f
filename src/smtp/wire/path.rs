//! The path of MAIL and RCPT and the parameters behind it (RFC 5321 section 4.1.2), read once into a [`Path`].

use memchr::memchr2;

use super::verb::is_blank;
use crate::base::octets;

/// A stretch of a command's line.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Span {
    start: u32,
    end: u32,
}

impl Span {
    /// Where a line is longer than the numbers go it is empty.
    pub(super) fn new(start: usize, length: usize) -> Span {
        match (u32::try_from(start), u32::try_from(start.saturating_add(length))) {
            (Ok(start), Ok(end)) => Span { start, end },
            _ => Span::default(),
        }
    }

    pub(crate) fn of(self, line: &[u8]) -> &[u8] {
        line.get(self.start as usize..self.end as usize).unwrap_or_default()
    }

    pub(crate) fn is_empty(self) -> bool {
        self.start == self.end
    }
}

/// What `FROM:<address> parameters` says, and `TO:<address> parameters`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Path {
    /// What the brackets hold, also those behind a name; without brackets the first word. Where the keyword is missing,
    /// what stands where the path is to stand.
    pub address: Span,
    /// Where the parameters begin; they go on to the line's end.
    parameters: u32,
    /// Keyword and colon are there, and a path behind them.
    pub present: bool,
    /// Blanks stand before the path.
    pub blanks: bool,
    /// No bracket opens the path.
    pub bare: bool,
    pub fault: Option<PathFault>,
    pub shape: Shape,
    pub says: Says,
}

/// The parameters that what comes later depends on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Says {
    pub smtputf8: bool,
    pub prdr: bool,
    /// BODY=BINARYMIME.
    pub binary: bool,
}

/// Why a path is malformed. Of what stands inside the brackets [`Shape`] tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PathFault {
    /// The keyword, its colon, or the path is missing.
    Missing,
    BlankBeforeColon,
    Brackets,
    /// A parameter is not `keyword[=value]`.
    Parameter,
}

/// What kind of mailbox an address is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shape {
    /// `local@domain` without a source route, in which nothing is quoted: nearly all are.
    Plain,
    /// It has both, but is quoted or routed.
    Mailbox,
    /// The one that needs no domain (RFC 5321 section 4.5.1).
    Postmaster,
    LocalPart,
    /// `user%domain` without a domain behind it.
    Percent,
    /// `host!user` without a domain behind it.
    Bang,
    EmptyDomain,
    EmptyLocalPart,
    /// `<>`.
    Null,
}

impl Path {
    /// Reads what stands in the line from there on.
    pub(super) fn read(line: &[u8], at: usize, keyword: &[u8]) -> Path {
        let text = line.get(at..).unwrap_or_default();
        let (behind, missing) = behind_keyword(text, keyword);
        let path = skip_blanks(behind);
        let missing = if path.trim_ascii_end().is_empty() { Some(PathFault::Missing) } else { missing };
        let Parts { from, length, parameters, fault } = Parts::of(path);
        let (says, lawful) = Says::of(parameters);
        let parameter = (!lawful).then_some(PathFault::Parameter);
        // What is left of the line begins where the line's length less its own is.
        let place = |rest: &[u8]| line.len().saturating_sub(rest.len());
        let present = missing != Some(PathFault::Missing);
        Path {
            address: Span::new(place(from), length),
            parameters: u32::try_from(place(parameters)).unwrap_or(u32::MAX),
            present,
            blanks: present && path.len() < behind.len(),
            bare: !path.starts_with(b"<"),
            fault: missing.or(fault).or(parameter),
            shape: Shape::of(from.get(..length).unwrap_or_default().trim_ascii()),
            says,
        }
    }

    /// The parameters behind the path: `SIZE=1000`, `BODY=8BITMIME`.
    pub(in crate::smtp) fn parameters<'l>(&self, line: &'l [u8]) -> impl Iterator<Item = &'l [u8]> + use<'l> {
        words(line.get(self.parameters as usize..).unwrap_or_default())
    }

    /// `<>`, whatever stands around it. A blank before the colon is a fault all the same.
    pub(super) fn is_null(&self) -> bool {
        !self.bare && self.address.is_empty() && self.fault != Some(PathFault::BlankBeforeColon)
    }

    /// Keyword and colon are in their place, and a path behind them.
    pub(crate) fn has_its_keyword(&self) -> bool {
        self.present && self.fault != Some(PathFault::BlankBeforeColon)
    }

    /// Keyword, colon and bracket, with nothing between them.
    pub(crate) fn is_strict(&self) -> bool {
        self.has_its_keyword() && !self.bare && !self.blanks
    }
}

/// What stands behind the keyword and its colon; all of it where they are missing.
fn behind_keyword<'t>(text: &'t [u8], keyword: &[u8]) -> (&'t [u8], Option<PathFault>) {
    let Some((_, rest)) = text.split_at_checked(keyword.len()).filter(|(head, _)| head.eq_ignore_ascii_case(keyword))
    else {
        return (text, Some(PathFault::Missing));
    };
    let colon = skip_blanks(rest);
    match colon.strip_prefix(b":") {
        Some(behind) => (behind, (colon.len() < rest.len()).then_some(PathFault::BlankBeforeColon)),
        None => (text, Some(PathFault::Missing)),
    }
}

/// A path and what follows it.
struct Parts<'p> {
    /// All from where the address begins, and the octets that it has.
    from: &'p [u8],
    length: usize,
    parameters: &'p [u8],
    fault: Option<PathFault>,
}

impl<'p> Parts<'p> {
    fn of(path: &'p [u8]) -> Parts<'p> {
        let bracketed = |inner: &'p [u8]| {
            let end = closing_bracket(inner);
            let parameters = end.and_then(|end| inner.get(end.saturating_add(1)..));
            let balanced = parameters.is_some_and(|parameters| parameters.first() != Some(&b'>'));
            let fault = (!balanced).then_some(PathFault::Brackets);
            Parts { from: inner, length: end.unwrap_or(inner.len()), parameters: parameters.unwrap_or_default(), fault }
        };
        if let Some(inner) = path.strip_prefix(b"<") {
            return bracketed(inner);
        }
        let length = first_word(path);
        let (word, parameters) = path.split_at_checked(length).unwrap_or((path, &[]));
        let odd = word.iter().any(|byte| matches!(byte, b'<' | b'>'));
        let fault = odd.then_some(PathFault::Brackets);
        match behind_name(path) {
            // A name is no part of an address, whatever else is wrong with it.
            Some(inner) => Parts { fault: fault.or(Some(PathFault::Parameter)), ..bracketed(inner) },
            None => Parts { from: path, length, parameters, fault },
        }
    }
}

/// What the bracket opens that stands behind a name: `a@b>` of `Ann <a@b>`.
fn behind_name(path: &[u8]) -> Option<&[u8]> {
    let blank = path.windows(2).position(|pair| matches!(pair, [b' ' | b'\t', b'<']))?;
    path.get(blank.saturating_add(2)..)
}

impl Says {
    /// Of what stands behind a path, and whether it is blanks and parameters.
    fn of(text: &[u8]) -> (Says, bool) {
        let mut says = Says::default();
        let mut lawful = text.trim_ascii_end().first().is_none_or(|&byte| is_blank(byte));
        for word in words(text) {
            lawful &= is_parameter(word.trim_ascii_end());
            match word.len() {
                4 => says.prdr |= word.eq_ignore_ascii_case(b"PRDR"),
                8 => says.smtputf8 |= word.eq_ignore_ascii_case(b"SMTPUTF8"),
                15 => says.binary |= word.eq_ignore_ascii_case(b"BODY=BINARYMIME"),
                _ => {}
            }
        }
        (says, lawful)
    }
}

/// `esmtp-param` of RFC 5321 section 4.1.2; values may be UTF-8 by RFC 6531 section 3.3.
fn is_parameter(word: &[u8]) -> bool {
    let mut parts = word.splitn(2, |&byte| byte == b'=');
    let keyword = parts.next().unwrap_or_default();
    let named = keyword.first().is_some_and(u8::is_ascii_alphanumeric)
        && keyword.iter().all(|byte| byte.is_ascii_alphanumeric() || *byte == b'-');
    let lawful =
        |value: &[u8]| !value.is_empty() && value.iter().all(|&byte| byte > b' ' && byte != b'=' && byte != 0x7f);
    named && parts.next().is_none_or(lawful)
}

impl Shape {
    /// Of an address without the blanks around it.
    fn of(address: &[u8]) -> Shape {
        if is_plain(address) {
            return Shape::Plain;
        }
        let mailbox = behind_route(address).trim_ascii();
        let Some(at) = last_unquoted(mailbox, b'@') else {
            return match () {
                () if mailbox.is_empty() => Shape::Null,
                () if is_postmaster(address) => Shape::Postmaster,
                () if last_unquoted(mailbox, b'%').is_some() => Shape::Percent,
                () if last_unquoted(mailbox, b'!').is_some() => Shape::Bang,
                () => Shape::LocalPart,
            };
        };
        match (at, mailbox.get(at.saturating_add(1)..)) {
            (_, None | Some([])) => Shape::EmptyDomain,
            (0, _) => Shape::EmptyLocalPart,
            _ => Shape::Mailbox,
        }
    }
}

/// Octets on both sides of an `@`, no source route, nothing quoted.
fn is_plain(address: &[u8]) -> bool {
    let [first, .., last] = address else { return false };
    *first != b'@'
        && *last != b'@'
        && !octets::none(address, |word| octets::same(word, b'@'))
        && octets::none(address, |word| octets::same(word, b'"') | octets::same(word, b'\\'))
}

/// The mailbox behind a source route: `user@domain` of `@relay,@[IPv6:2001:db8::1]:user@domain`.
fn behind_route(path: &[u8]) -> &[u8] {
    if !path.starts_with(b"@") {
        return path;
    }
    let mut in_literal = false;
    let colon = path.iter().position(|&byte| {
        in_literal = (in_literal || byte == b'[') && byte != b']';
        byte == b':' && !in_literal
    });
    colon.and_then(|at| path.get(at.saturating_add(1)..)).unwrap_or(path)
}

/// The last such byte that is neither quoted nor escaped. Where a quote is never closed nothing is quoted.
fn last_unquoted(text: &[u8], wanted: u8) -> Option<usize> {
    let (mut quoted, mut escaped, mut last) = (false, false, None);
    for (at, &byte) in text.iter().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'"' => quoted = !quoted,
            _ if byte == wanted && !quoted => last = Some(at),
            _ => {}
        }
    }
    if quoted { text.iter().rposition(|&byte| byte == wanted) } else { last }
}

/// The one recipient that needs no domain (RFC 5321 section 4.5.1), quoted or not.
fn is_postmaster(path: &[u8]) -> bool {
    let inner = path.strip_prefix(b"\"").and_then(|rest| rest.strip_suffix(b"\"")).unwrap_or(path);
    inner.iter().filter(|&&byte| byte != b'\\').map(u8::to_ascii_lowercase).eq(*b"postmaster")
}

/// The bracket that closes a path: one inside a quoted string does not (RFC 5321 4.1.2, Quoted-string).
fn closing_bracket(path: &[u8]) -> Option<usize> {
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

/// The words that blanks part.
pub(super) fn words(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    text.split(|&byte| is_blank(byte)).filter(|word| !word.is_empty())
}

fn skip_blanks(text: &[u8]) -> &[u8] {
    let blanks = text.iter().take_while(|&&byte| is_blank(byte)).count();
    text.get(blanks..).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(argument: &str) -> Path {
        let keyword = if argument.get(..2).is_some_and(|head| head.eq_ignore_ascii_case("TO")) { "TO" } else { "FROM" };
        let line = format!("MAIL {argument}");
        Path::read(line.as_bytes(), 5, keyword.as_bytes())
    }

    fn address(argument: &str) -> String {
        String::from_utf8_lossy(read(argument).address.of(format!("MAIL {argument}").as_bytes())).into_owned()
    }

    #[test]
    fn the_address_is_what_the_brackets_hold() {
        for (argument, expected) in [
            ("FROM:<a@b> SIZE=1", "a@b"),
            ("from: <a@b>", "a@b"),
            ("FROM:a@b SIZE=1", "a@b"),
            ("FROM:\"John Doe\"@b SIZE=1", "\"John Doe\"@b"),
            ("FROM:\"John Doe SIZE=1", "\"John"),
            ("FROM:<>", ""),
            ("FROM:<\"a>b\"@c> X", "\"a>b\"@c"),
            ("FROM:<\"a@b> X", "\"a@b"),
            ("FROM:<a@b", "a@b"),
            ("FROM : <a@b>", "a@b"),
            ("FROM: Ann <a@b> SIZE=1", "a@b"),
            ("<a@b>", "a@b"),
            ("a@b SIZE=1", "a@b"),
            ("", ""),
        ] {
            assert_eq!(address(argument), expected, "{argument}");
        }
    }

    #[test]
    fn parameters_stand_behind_the_path() {
        for (argument, expected) in [
            ("FROM:<a b@c>  SIZE=1 PRDR", vec!["SIZE=1", "PRDR"]),
            ("FROM:a@c\tSIZE=1", vec!["SIZE=1"]),
            ("FROM:Ann <a@c> SIZE=1", vec!["SIZE=1"]),
            ("FROM:<a@c>", vec![]),
            ("FROM:<a@c SIZE=1", vec![]),
        ] {
            let line = format!("MAIL {argument}");
            let words: Vec<_> = read(argument).parameters(line.as_bytes()).map(<[u8]>::to_vec).collect();
            assert_eq!(words, expected.iter().map(|word| word.as_bytes().to_vec()).collect::<Vec<_>>(), "{argument}");
        }
    }

    #[test]
    fn parameters_that_later_lines_depend_on_are_told() {
        let said = |argument: &str| {
            let path = read(argument);
            (path.says.smtputf8, path.says.prdr, path.says.binary)
        };
        assert_eq!(said("FROM:<a@b> smtputf8"), (true, false, false));
        assert_eq!(said("FROM:<a@b>\tPRDR"), (false, true, false));
        assert_eq!(said("FROM:<a@b> Body=BinaryMime SMTPUTF8"), (true, false, true));
        assert_eq!(said("FROM:<SMTPUTF8 PRDR> SMTPUTF8=1 PRDRX BODY=8BITMIME"), (false, false, false));
    }

    #[test]
    fn paths_are_read_around_their_brackets() {
        let mail = |argument: &str| {
            let path = read(argument);
            (path.fault.is_some(), path.blanks || path.present && path.bare)
        };
        for lawful in [
            "FROM:<>",
            "from:<a@b>  ",
            "FROM:<a@b> SIZE=1 BODY=8BITMIME",
            "FROM:<\"a>b c\"@d> X-Y=z",
            "FROM:<a@b> AUTH=<> RET=HDRS",
            "FROM:<not a path> SMTPUTF8",
        ] {
            assert_eq!(mail(lawful), (false, false), "{lawful}");
        }
        for (malformed, fault) in [
            ("", PathFault::Missing),
            ("FROM", PathFault::Missing),
            ("FROM:", PathFault::Missing),
            ("FROM:  ", PathFault::Missing),
            ("<a@b>", PathFault::Missing),
            ("FROM :<a@b>", PathFault::BlankBeforeColon),
            ("FROM:<a b", PathFault::Brackets),
            ("FROM:<a@b", PathFault::Brackets),
            ("FROM:<a@b>>", PathFault::Brackets),
            ("FROM:<a@b>SIZE=1", PathFault::Parameter),
            ("FROM:<a@b> =1", PathFault::Parameter),
            ("FROM:<a@b> SIZE=", PathFault::Parameter),
            ("FROM:<a@b> A=B=C", PathFault::Parameter),
            ("FROM:<a@b> A_B", PathFault::Parameter),
        ] {
            assert_eq!((mail(malformed), read(malformed).fault), ((true, false), Some(fault)), "{malformed}");
        }
        for lax in ["FROM: <a@b>", "FROM:a@b", "FROM: a@b SIZE=1", "FROM:\"a b\"@c", "FROM:postmaster"] {
            assert_eq!(mail(lax), (false, true), "{lax}");
        }
        for (both, fault) in [
            ("FROM:a@b>", PathFault::Brackets),
            ("FROM: Ann <a@b>", PathFault::Parameter),
            ("FROM:a@b <x>", PathFault::Parameter),
        ] {
            assert_eq!((mail(both), read(both).fault), ((true, true), Some(fault)), "{both}");
        }
    }

    #[test]
    fn an_address_has_a_shape() {
        for (address, shape) in [
            ("u@d", Shape::Plain),
            ("u@[IPv6:2001:db8::1]", Shape::Plain),
            ("\"a@b\"@d", Shape::Mailbox),
            ("@relay:u@d", Shape::Mailbox),
            ("@[IPv6:2001:db8::1],@b:u@d", Shape::Mailbox),
            ("\"Post\\master\"", Shape::Postmaster),
            ("postMaster", Shape::Postmaster),
            ("user", Shape::LocalPart),
            ("@relay:user", Shape::LocalPart),
            ("@relay:postmaster", Shape::LocalPart),
            ("\"a@b\"", Shape::LocalPart),
            ("a\\@b", Shape::LocalPart),
            ("user%dom", Shape::Percent),
            ("host!user", Shape::Bang),
            ("user@", Shape::EmptyDomain),
            ("@example.org", Shape::EmptyLocalPart),
            (" @example.org", Shape::EmptyLocalPart),
            ("@", Shape::EmptyDomain),
            ("", Shape::Null),
            ("@relay:", Shape::Null),
        ] {
            assert_eq!(read(&format!("TO:<{address}>")).shape, shape, "{address}");
        }
    }
}
