//! The dialogue file: text to connections and steps. The crate's documentation describes the format.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use crate::expect::{self, Expected, Finding};
use crate::{escape, tls};

/// Who speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Side {
    /// The side that opens the connection.
    Client,
    /// The other one.
    Server,
}

impl Side {
    /// Both, the client first.
    pub const BOTH: [Side; 2] = [Side::Client, Side::Server];

    /// The peer.
    #[must_use]
    pub fn other(self) -> Side {
        match self {
            Side::Client => Side::Server,
            Side::Server => Side::Client,
        }
    }

    /// 0 for the client, 1 for the server: where a pair keeps what belongs to this side.
    pub fn index(self) -> usize {
        match self {
            Side::Client => 0,
            Side::Server => 1,
        }
    }
}

/// A whole file: its connections, what happens on them in order, and what is expected of an analyser.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Dialogue {
    /// In the order in which they first appear.
    pub connections: Vec<Connection>,
    /// In the file's order.
    pub steps: Vec<Step>,
}

/// One connection: its ends, what the capture holds of it, what is expected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Connection {
    /// The client's address and port.
    pub client: SocketAddr,
    /// The server's address and port.
    pub server: SocketAddr,
    /// The handshake was not captured.
    pub midway: bool,
    /// Which directions were captured, by [`Side::index`].
    pub captured: [bool; 2],
    /// No segment acknowledges a byte of the other side.
    pub unacknowledged: bool,
    /// Nobody closes it before the capture ends.
    pub open: bool,
    /// The findings that are expected, in the file's order.
    pub findings: Vec<Finding>,
    /// What else is expected.
    pub expected: Expected,
}

/// Something that happens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// A side says something.
    Say(Line),
    /// A side ends its stream.
    Fin(usize, Side),
    /// A side resets the connection.
    Rst(usize, Side),
    /// Time passes for everyone: nanoseconds.
    Wait(u64),
}

/// What one side says in one line of the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// Its place in [`Dialogue::connections`].
    pub connection: usize,
    /// Who says it.
    pub side: Side,
    /// The bytes on the wire, line end included where there is one.
    pub bytes: Vec<u8>,
    /// What the speaker had seen of the other side.
    pub knows: Knows,
    /// Whether the capture holds it.
    pub captured: bool,
}

/// What a speaker had seen of what the other side said above.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Knows {
    /// All of it.
    All,
    /// No more than when it last spoke.
    AsBefore,
    /// All but so many of its last lines.
    AllBut(usize),
}

/// A line of the file that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParseError {
    /// Its number, from 1.
    pub line: usize,
    /// What is wrong with it.
    pub cause: Cause,
}

/// What is wrong with a line, with the part of it that is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Cause {
    /// It begins as no line does.
    Kind(String),
    /// No such mark between the side and the colon.
    Mark(String),
    /// No such escape.
    Escape(String),
    /// Not an even number of hexadecimal digits.
    Hex(String),
    /// No such option of a TLS record.
    Tls(String),
    /// Not `+` and a number with `ms`, `s`, `m` or `h`.
    Time(String),
    /// No such option of a connection.
    Connection(String),
    /// No such expectation.
    Expectation(String),
    /// A side speaks behind its own FIN, or anyone behind a RST.
    Ended,
    /// A blank at the end, which editors lose: write `\s`.
    TrailingBlank,
}

impl fmt::Display for ParseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: ", self.line)?;
        match &self.cause {
            Cause::Kind(text) => write!(f, "no kind of line begins like `{text}`"),
            Cause::Mark(text) => write!(f, "no mark is called `{text}`"),
            Cause::Escape(text) => write!(f, "no escape is called `{text}`"),
            Cause::Hex(text) => write!(f, "`{text}` is not pairs of hexadecimal digits"),
            Cause::Tls(text) => write!(f, "no TLS record has an option `{text}`"),
            Cause::Time(text) => write!(f, "`{text}` is not a time such as +5s"),
            Cause::Connection(text) => write!(f, "no connection has an option `{text}`"),
            Cause::Expectation(text) => write!(f, "`{text}` is nothing that can be expected"),
            Cause::Ended => write!(f, "this side cannot speak any more"),
            Cause::TrailingBlank => write!(f, "a blank at the end is easily lost: write it \\s"),
        }
    }
}

impl std::error::Error for ParseError {}

/// Nanoseconds in a second.
pub(crate) const SECOND: u64 = 1_000_000_000;

impl Dialogue {
    /// Reads a dialogue file.
    ///
    /// # Errors
    /// The first line that cannot be read, and why.
    pub fn parse(text: &str) -> Result<Dialogue, ParseError> {
        let mut reader = Reader::default();
        for (number, line) in (1..).zip(text.lines()) {
            reader.read(line).map_err(|cause| ParseError { line: number, cause })?;
        }
        Ok(reader.dialogue)
    }

    /// Every expected finding with its connection.
    pub fn findings(&self) -> impl Iterator<Item = (&Connection, &Finding)> {
        self.connections
            .iter()
            .flat_map(|connection| connection.findings.iter().map(move |finding| (connection, finding)))
    }
}

/// A dialogue that is being read.
#[derive(Default)]
struct Reader {
    dialogue: Dialogue,
    /// The connection that the lines belong to.
    current: Option<usize>,
    /// Which sides of each connection cannot speak any more.
    ended: Vec<[bool; 2]>,
}

impl Reader {
    fn read(&mut self, line: &str) -> Result<(), Cause> {
        if line.is_empty() || line.starts_with('#') {
            return Ok(());
        }
        if line.ends_with([' ', '\t']) {
            return Err(Cause::TrailingBlank);
        }
        if let Some(time) = line.strip_prefix('@') {
            self.dialogue.steps.push(Step::Wait(duration(time.trim())?));
            return Ok(());
        }
        if let Some(section) = line.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            self.current = Some(self.section(section)?);
            return Ok(());
        }
        let number = match self.current {
            Some(number) => number,
            None => self.section("40001")?,
        };
        self.current = Some(number);
        let connection = &mut self.dialogue.connections[number];
        if let Some(finding) = line.strip_prefix("=>") {
            connection.findings.push(expect::finding(finding.trim())?);
        } else if let Some(expected) = line.strip_prefix('~') {
            connection.expected.read(expected.trim())?;
        } else {
            let (side, step) = step(number, line)?;
            let ended = &mut self.ended[number];
            if ended[side.index()] {
                return Err(Cause::Ended);
            }
            match step {
                Step::Fin(..) => ended[side.index()] = true,
                Step::Rst(..) => *ended = [true; 2],
                Step::Say(_) | Step::Wait(_) => {}
            }
            self.dialogue.steps.push(step);
        }
        Ok(())
    }

    /// The connection that a section's head names: a new one, or one that goes on.
    fn section(&mut self, head: &str) -> Result<usize, Cause> {
        let mut words = head.split_whitespace();
        let port = words.next().unwrap_or_default();
        let port: u16 = port.parse().map_err(|_| Cause::Connection(port.to_owned()))?;
        let known = &mut self.dialogue.connections;
        if let Some(number) = known.iter().position(|connection| connection.client.port() == port) {
            return words.next().map_or(Ok(number), |option| Err(Cause::Connection(option.to_owned())));
        }
        let mut connection = Connection::new(port);
        for word in words {
            connection.option(word).ok_or_else(|| Cause::Connection(word.to_owned()))?;
        }
        known.push(connection);
        self.ended.push([false; 2]);
        Ok(known.len() - 1)
    }
}

impl Connection {
    /// A connection from 192.0.2.10 and that port to 198.51.100.25 port 25, captured whole.
    pub fn new(port: u16) -> Self {
        Connection {
            client: (Ipv4Addr::new(192, 0, 2, 10), port).into(),
            server: (Ipv4Addr::new(198, 51, 100, 25), 25).into(),
            midway: false,
            captured: [true; 2],
            unacknowledged: false,
            open: false,
            findings: Vec::new(),
            expected: Expected::default(),
        }
    }

    fn option(&mut self, word: &str) -> Option<()> {
        match word.split_once('=') {
            None => match word {
                "midway" => self.midway = true,
                "no-client" => self.captured[Side::Client.index()] = false,
                "no-server" => self.captured[Side::Server.index()] = false,
                "unacknowledged" => self.unacknowledged = true,
                "open" => self.open = true,
                _ => return None,
            },
            Some(("client", ip)) => self.client.set_ip(ip.parse().ok()?),
            Some(("server", end)) => match end.parse::<IpAddr>() {
                Ok(ip) => self.server.set_ip(ip),
                Err(_) => self.server = end.parse().ok()?,
            },
            Some(_) => return None,
        }
        Some(())
    }
}

/// A line that a side says, or its end, and which side.
fn step(connection: usize, text: &str) -> Result<(Side, Step), Cause> {
    let kind = || Cause::Kind(text.chars().take(12).collect());
    let (side, rest) = match text.split_at_checked(1) {
        Some(("C", rest)) => (Side::Client, rest),
        Some(("S", rest)) => (Side::Server, rest),
        _ => return Err(kind()),
    };
    match rest {
        " FIN" => return Ok((side, Step::Fin(connection, side))),
        " RST" => return Ok((side, Step::Rst(connection, side))),
        _ => {}
    }
    let at = rest.find([':', '>', '!']).ok_or_else(kind)?;
    let (marks, said) = (&rest[..at], &rest[at + 1..]);
    let (knows, captured) = marked(marks)?;
    let said = said.strip_prefix(' ').unwrap_or(said);
    let bytes = match rest.as_bytes()[at] {
        b':' => [escape::unescape(said)?, b"\r\n".to_vec()].concat(),
        b'>' => escape::unescape(said)?,
        _ => match tls::named(said)? {
            Some(record) => record,
            None => escape::unhex(said)?,
        },
    };
    Ok((side, Step::Say(Line { connection, side, bytes, knows, captured })))
}

/// The marks between a side's letter and its colon: `&`, `&N`, `-`.
fn marked(marks: &str) -> Result<(Knows, bool), Cause> {
    let (marks_left, captured) = match marks.strip_suffix('-') {
        Some(left) => (left, false),
        None => (marks, true),
    };
    let wrong = || Cause::Mark(marks.to_owned());
    let knows = match marks_left.strip_prefix('&') {
        Some("") => Knows::AsBefore,
        Some(count) => Knows::AllBut(count.parse().map_err(|_| wrong())?),
        None if marks_left.is_empty() => Knows::All,
        None => return Err(wrong()),
    };
    Ok((knows, captured))
}

/// `+5s` and the like, in nanoseconds.
fn duration(text: &str) -> Result<u64, Cause> {
    let wrong = || Cause::Time(text.to_owned());
    let rest = text.strip_prefix('+').ok_or_else(wrong)?;
    let (number, unit) = rest.split_at(rest.find(|character: char| !character.is_ascii_digit()).ok_or_else(wrong)?);
    let unit = match unit {
        "ms" => SECOND / 1000,
        "s" => SECOND,
        "m" => 60 * SECOND,
        "h" => 3600 * SECOND,
        _ => return Err(wrong()),
    };
    number.parse::<u64>().ok().and_then(|number| number.checked_mul(unit)).ok_or_else(wrong)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(text: &str) -> Vec<u8> {
        match &Dialogue::parse(text).unwrap().steps[..] {
            [Step::Say(line)] => line.bytes.clone(),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn only_a_colon_line_gets_a_line_end() {
        assert_eq!(said("C: HELP MAIL"), b"HELP MAIL\r\n");
        assert_eq!(said("C:"), b"\r\n");
        assert_eq!(said(r"C:  two\s"), b" two \r\n");
        assert_eq!(said(r"C> HELP\n"), b"HELP\n");
        assert_eq!(said("S! 0d 0a"), b"\r\n");
        assert_eq!(said("S! alert 40"), [21, 3, 3, 0, 2, 2, 40]);
    }

    #[test]
    fn marks_say_what_was_known_and_captured() {
        let dialogue = Dialogue::parse("S: 220 mx\nC&: A\nC&2-: B\nC-: C\n").unwrap();
        let lines: Vec<_> = dialogue
            .steps
            .iter()
            .map(|step| match step {
                Step::Say(line) => (line.knows, line.captured),
                other => panic!("{other:?}"),
            })
            .collect();
        assert_eq!(
            lines,
            [(Knows::All, true), (Knows::AsBefore, true), (Knows::AllBut(2), false), (Knows::All, false)]
        );
    }

    #[test]
    fn sections_alternate_and_keep_their_options() {
        let text = "[40001 midway server=203.0.113.9:587]\nC: A\n[40002 client=2001:db8::1 server=2001:db8::2]\nC: B\n[40001]\nC: C\n";
        let dialogue = Dialogue::parse(text).unwrap();
        assert_eq!(dialogue.connections.len(), 2);
        assert!(dialogue.connections[0].midway);
        assert_eq!(dialogue.connections[0].server, "203.0.113.9:587".parse().unwrap());
        assert_eq!(dialogue.connections[1].server, "[2001:db8::2]:25".parse().unwrap());
        assert!(matches!(&dialogue.steps[2], Step::Say(line) if line.connection == 0));
    }

    #[test]
    fn a_line_that_cannot_be_read_is_named() {
        let wrong = |text: &str| Dialogue::parse(text).unwrap_err();
        assert_eq!(wrong("S: a\nX: b"), ParseError { line: 2, cause: Cause::Kind("X: b".to_owned()) });
        assert_eq!(wrong("C?: b").cause, Cause::Mark("?".to_owned()));
        assert_eq!(wrong("C: b ").cause, Cause::TrailingBlank);
        assert_eq!(wrong("@ 5s").cause, Cause::Time("5s".to_owned()));
        assert_eq!(wrong("[40001 fast]").cause, Cause::Connection("fast".to_owned()));
        assert_eq!(wrong("[40001]\n[40001 midway]").cause, Cause::Connection("midway".to_owned()));
        assert_eq!(wrong("C FIN\nS: a\nC: b"), ParseError { line: 3, cause: Cause::Ended });
        assert_eq!(wrong("C RST\nS: a").cause, Cause::Ended);
        assert_eq!(wrong("=> help-exposed low").cause, Cause::Expectation("help-exposed low".to_owned()));
    }

    #[test]
    fn time_passes_in_several_units() {
        let steps = Dialogue::parse("@ +5s\n@ +20ms\n@ +1h").unwrap().steps;
        assert_eq!(steps, [Step::Wait(5 * SECOND), Step::Wait(SECOND / 50), Step::Wait(3600 * SECOND)]);
    }
}
