//! What a dialogue expects of an analyser: findings (`=>`) and records (`~`), as data. Nothing here compares;
//! [`crate::compare`] does.
//!
//! ```text
//! => RULE/CHECK SEVERITY
//! ~ C HELP "MAIL"               a command: verb (`-` for none, `*` for any), argument
//! ~ R 214 answers HELP          a reply: code (`-` for none), what it answers: a verb, `message` (the end of
//!                               message data or of a chunk), `nothing`, `unsolicited` or `unknown`
//! ~ D smuggled bytes 120        message data: how it ended (dot, smuggled, chunk, last-chunk, refused, unfinished, any)
//! ~ T started sni=NAME          a TLS record: the state (`any`: or none at all), and any other of its fields
//! ~ none                        no command, reply or data at all
//! ~ concurrent                  only the order within each side is fixed, for what follows crossed or was held
//! ~ more                        with `concurrent`: more commands and data may come behind these
//! ~ accepted 2                  so many transactions whose code is 2yz
//! ~ session tls.state=started   a field of the session's record, by its path (`*=`: its value holds that text)
//! ~ server help=exposed         a field of the server's record
//! ~ absent c2VjcmV0             a text that must stand nowhere in the output
//! ```
//!
//! A command, reply or data line may end in `uncertain`, or in `uncertain?` where both is right, and behind that in `maybe`
//! where the record need not be there. What a line leaves
//! out is not compared, but a line without `uncertain` expects a certain record. The argument's text is written as
//! the JSON string holds it.

use crate::dialogue::Cause;

/// A finding that must be there.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Finding {
    /// The rule's id.
    pub rule: String,
    /// Which of its checks.
    pub check: String,
    /// `info`, `low`, `medium`, `high` or `critical`.
    pub severity: String,
}

/// What is expected of one connection beside findings.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Expected {
    /// The records of the session, in order; `None` where the dialogue says nothing of them.
    pub events: Option<Vec<Event>>,
    /// Only the order within each side is fixed.
    pub concurrent: bool,
    /// More commands and message data may come behind those of `events`.
    pub more: bool,
    /// The TLS record: its state and other fields; `None` where there must be none.
    pub tls: Option<Tls>,
    /// How many mails the server took: transactions with a code of 2yz.
    pub accepted: Option<usize>,
    /// Fields of the session's record.
    pub session: Vec<Field>,
    /// Fields of the server's record.
    pub server: Vec<Field>,
    /// Texts that must stand nowhere in the output.
    pub absent: Vec<String>,
}

/// One record of a session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// What kind of record, and its parts.
    pub what: What,
    /// After a gap: not sure to be what it looks like; `None` where both is right.
    pub uncertain: Option<bool>,
    /// It need not be there.
    pub optional: bool,
}

/// The kinds of record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum What {
    /// A client line.
    Command {
        /// Its verb, if it has one.
        verb: Option<String>,
        /// Its argument, where the dialogue tells it.
        argument: Option<String>,
    },
    /// A client line, whatever its verb.
    Line,
    /// A reply.
    Reply {
        /// Its code, if it has one.
        code: Option<u16>,
        /// What it answers, where the dialogue tells it.
        answers: Option<Answers>,
    },
    /// Message data.
    Data {
        /// What ended it.
        end: String,
        /// Its octets, where the dialogue tells them.
        bytes: Option<u64>,
        /// Its line feeds, where the dialogue tells them.
        lines: Option<u64>,
    },
}

/// What a reply answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answers {
    /// The connection itself.
    Nothing,
    /// A command with that verb.
    Verb(String),
    /// The end of message data, or a chunk.
    Message,
    /// No command was left to answer.
    Unsolicited,
    /// It cannot be told.
    Unknown,
}

/// A TLS record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tls {
    /// `started`, `refused`, ...
    pub state: String,
    /// Other fields.
    pub fields: Vec<Field>,
}

/// A field of a JSON record: its path with dots, and its value as JSON or as plain text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Field {
    /// `transactions.0.smuggled`
    pub path: String,
    /// `true`, `250`, `mx.example.com`
    pub value: String,
    /// It is enough that the field's value holds this text.
    pub part: bool,
}

/// `RULE/CHECK SEVERITY`.
pub(crate) fn finding(text: &str) -> Result<Finding, Cause> {
    let parsed = text.split_once(' ').and_then(|(id, severity)| {
        let (rule, check) = id.split_once('/')?;
        ["info", "low", "medium", "high", "critical"].contains(&severity).then(|| Finding {
            rule: rule.to_owned(),
            check: check.to_owned(),
            severity: severity.to_owned(),
        })
    });
    parsed.ok_or_else(|| Cause::Expectation(text.to_owned()))
}

impl Expected {
    /// Reads what stands behind a `~`.
    pub(crate) fn read(&mut self, text: &str) -> Result<(), Cause> {
        self.take(text).ok_or_else(|| Cause::Expectation(text.to_owned()))
    }

    fn take(&mut self, text: &str) -> Option<()> {
        let (kind, rest) = text.split_once(' ').unwrap_or((text, ""));
        match kind {
            "none" => {
                self.events.get_or_insert_default();
            }
            "concurrent" => self.concurrent = true,
            "more" => self.more = true,
            "accepted" => self.accepted = Some(rest.parse().ok()?),
            "absent" => self.absent.push((!rest.is_empty()).then(|| rest.to_owned())?),
            "session" => self.session.push(field(rest)?),
            "server" => self.server.push(field(rest)?),
            "T" => {
                let mut words = rest.split_whitespace();
                let state = words.next()?.to_owned();
                self.tls = Some(Tls { state, fields: words.map(field).collect::<Option<_>>()? });
            }
            "C" | "R" | "D" => {
                let (rest, optional) = rest.strip_suffix(" maybe").map_or((rest, false), |rest| (rest, true));
                let (rest, uncertain) = match rest.rsplit_once(' ') {
                    Some((rest, "uncertain")) => (rest, Some(true)),
                    Some((rest, "uncertain?")) => (rest, None),
                    _ => (rest, Some(false)),
                };
                let what = match kind {
                    "C" => command(rest)?,
                    "R" => reply(rest)?,
                    _ => data(rest)?,
                };
                self.events.get_or_insert_default().push(Event { what, uncertain, optional });
            }
            _ => return None,
        }
        Some(())
    }
}

fn field(text: &str) -> Option<Field> {
    let (path, value) = text.split_once('=')?;
    let (path, part) = path.strip_suffix('*').map_or((path, false), |path| (path, true));
    Some(Field { path: path.to_owned(), value: value.to_owned(), part })
}

fn command(text: &str) -> Option<What> {
    let (verb, argument) = match text.split_once(' ') {
        Some((verb, quoted)) => (verb, Some(quoted.strip_prefix('"')?.strip_suffix('"')?.to_owned())),
        None => (text, None),
    };
    if verb == "*" {
        return Some(What::Line);
    }
    Some(What::Command { verb: (verb != "-").then(|| verb.to_owned()), argument })
}

fn reply(text: &str) -> Option<What> {
    let (code, answers) = match text.split_once(" answers ") {
        Some((code, answers)) => (code, Some(answers)),
        None => (text, None),
    };
    let answers = answers.map(|answers| match answers {
        "nothing" => Answers::Nothing,
        "message" => Answers::Message,
        "unsolicited" => Answers::Unsolicited,
        "unknown" => Answers::Unknown,
        verb => Answers::Verb(verb.to_owned()),
    });
    let code = if code == "-" { None } else { Some(code.parse().ok()?) };
    Some(What::Reply { code, answers })
}

fn data(text: &str) -> Option<What> {
    let mut words = text.split_whitespace();
    let end = words.next()?;
    if !["dot", "smuggled", "chunk", "last-chunk", "refused", "unfinished", "any"].contains(&end) {
        return None;
    }
    let (mut bytes, mut lines) = (None, None);
    while let Some(name) = words.next() {
        let number = words.next()?.parse().ok()?;
        match name {
            "bytes" => bytes = Some(number),
            "lines" => lines = Some(number),
            _ => return None,
        }
    }
    Some(What::Data { end: end.to_owned(), bytes, lines })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(lines: &[&str]) -> Expected {
        let mut expected = Expected::default();
        for line in lines {
            expected.read(line).unwrap();
        }
        expected
    }

    #[test]
    fn records_are_read_with_their_parts() {
        let expected = read(&[r#"C HELP "MAIL now""#, "C - uncertain", "R 214 answers HELP", "R -", "D dot bytes 7"]);
        let certain = |what| Event { what, uncertain: Some(false), optional: false };
        let verb = Some("HELP".to_owned());
        assert_eq!(
            expected.events.unwrap(),
            [
                certain(What::Command { verb: verb.clone(), argument: Some("MAIL now".to_owned()) }),
                Event { what: What::Command { verb: None, argument: None }, uncertain: Some(true), optional: false },
                certain(What::Reply { code: Some(214), answers: verb.map(Answers::Verb) }),
                certain(What::Reply { code: None, answers: None }),
                certain(What::Data { end: "dot".to_owned(), bytes: Some(7), lines: None }),
            ]
        );
    }

    #[test]
    fn nothing_expected_differs_from_no_expectation() {
        assert_eq!(read(&["session closed=fin"]).events, None);
        assert_eq!(read(&["none"]).events, Some(Vec::new()));
    }

    #[test]
    fn what_cannot_be_expected_is_refused() {
        for text in ["", "X", "absent", "C HELP MAIL", "R two", "D", "D dot bytes", "D gone", "session closed", "T"] {
            assert!(Expected::default().read(text).is_err(), "{text}");
        }
        for text in ["help-exposed/answered", "help-exposed low", "help-exposed/answered grave"] {
            assert!(finding(text).is_err(), "{text}");
        }
    }
}
