//! The configuration file: TOML in, [`Options`] out, and what is wrong in it with the line where it stands. The only
//! file that knows of TOML's reading; [`super::config`] writes it.

use std::error::Error;
use std::fmt;
use std::fs::File;
use std::io::{self, Read};
use std::marker::PhantomData;
use std::path::{Path, PathBuf};

use ipnet::IpNet;
use serde::de::{self, Deserializer, MapAccess, Visitor};
use serde::{Deserialize, de::Error as _};

use crate::base::Limit;
use crate::capture::ShownPath;
use crate::ledger::Kind;
use crate::rules::Severity;
use crate::rules::selection::{Selector, UnknownSelector};

use super::options::{self, Options, SetLimits};

/// A file above this is no configuration; nobody is to wait for the end of `/dev/zero`.
const MOST_BYTES: u64 = 1 << 20;

/// Reads what a file says.
pub(super) fn read(path: &Path) -> Result<Options, Problem> {
    let unreadable = |source| Problem::Unreadable { path: path.to_owned(), source };
    let mut bytes = Vec::new();
    let file = File::open(path).map_err(unreadable)?;
    file.take(MOST_BYTES.saturating_add(1)).read_to_end(&mut bytes).map_err(unreadable)?;
    if bytes.len() as u64 > MOST_BYTES {
        return Err(unreadable(io::Error::other(format!("it has more than {MOST_BYTES} bytes"))));
    }
    parse(&bytes).map_err(|(line, what)| Problem::Wrong { path: path.to_owned(), line, what })
}

/// What the text says, or the line and what is wrong there.
fn parse(bytes: &[u8]) -> Result<Options, (usize, String)> {
    let text = std::str::from_utf8(bytes)
        .map_err(|error| (line_of(bytes, error.valid_up_to()), "not UTF-8 text".to_owned()))?;
    toml::from_str(text).map_err(|error| {
        // What is wrong with the whole (there is no such thing yet) is wrong from its beginning.
        let span = error.span().unwrap_or_default();
        let mut what = error.message().to_owned();
        if what == "duplicate key" {
            what = format!("{what} `{}`", text.get(span.clone()).unwrap_or_default());
        }
        (line_of(bytes, span.start), one_line(&what))
    })
}

fn line_of(bytes: &[u8], at: usize) -> usize {
    bytes.iter().take(at).filter(|&&byte| byte == b'\n').count().saturating_add(1)
}

/// The message of the parser in our words, with nothing in it that drives a terminal.
fn one_line(message: &str) -> String {
    let mut line = String::new();
    for char in message.replace("unknown field `", "unknown key `").chars() {
        match char {
            '\n' => line.push_str(", "),
            char if char.is_control() => line.extend(char.escape_default()),
            char => line.push(char),
        }
    }
    line
}

/// Why a file is no configuration.
#[derive(Debug)]
pub(super) enum Problem {
    Unreadable { path: PathBuf, source: io::Error },
    Wrong { path: PathBuf, line: usize, what: String },
}

impl fmt::Display for Problem {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Problem::Unreadable { path, .. } => write!(out, "cannot read the configuration {}", ShownPath(path)),
            Problem::Wrong { path, line, what } => write!(out, "{}:{line}: {what}", ShownPath(path)),
        }
    }
}

impl Error for Problem {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Problem::Unreadable { source, .. } => Some(source),
            Problem::Wrong { .. } => None,
        }
    }
}

/// What is written as a string, as on the command line.
pub(super) trait Word: Sized {
    fn read(text: &str) -> Result<Self, String>;
}

impl Word for Selector {
    fn read(text: &str) -> Result<Self, String> {
        text.parse().map_err(|unknown: UnknownSelector| unknown.to_string())
    }
}

impl Word for IpNet {
    fn read(text: &str) -> Result<Self, String> {
        options::network(text).map_err(|wanted| format!("'{text}': {wanted}"))
    }
}

impl Word for Severity {
    fn read(text: &str) -> Result<Self, String> {
        named(text, "severity", "severities", &Severity::ALL, Severity::name)
    }
}

impl Word for Kind {
    fn read(text: &str) -> Result<Self, String> {
        named(text, "kind of records", "kinds", &Kind::ALL, Kind::name)
    }
}

impl Word for Limit {
    fn read(text: &str) -> Result<Self, String> {
        let limits = Limit::ALL.iter().map(|bound| bound.limit).collect::<Vec<_>>();
        named(text, "limit", "limits", &limits, Limit::key)
    }
}

fn named<T: Copy>(text: &str, what: &str, all: &str, values: &[T], name: fn(T) -> &'static str) -> Result<T, String> {
    values.iter().copied().find(|&value| name(value) == text).ok_or_else(|| {
        let known = values.iter().map(|&value| name(value)).collect::<Vec<_>>().join(", ");
        format!("no {what} '{text}'; the {all} are: {known}")
    })
}

/// A [`Word`] as TOML has it, so that what is wrong is told with its place.
struct Spelled<T>(T);

impl<'de, T: Word> Deserialize<'de> for Spelled<T> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Spelling<T>(PhantomData<T>);

        impl<T: Word> Visitor<'_> for Spelling<T> {
            type Value = Spelled<T>;

            fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
                out.write_str("a string")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Spelled<T>, E> {
                T::read(text).map(Spelled).map_err(E::custom)
            }
        }
        from.deserialize_str(Spelling(PhantomData))
    }
}

/// A whole number between two bounds.
struct Whole<const LEAST: u64, const MOST: u64>(u64);

impl<'de, const LEAST: u64, const MOST: u64> Deserialize<'de> for Whole<LEAST, MOST> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Range<const LEAST: u64, const MOST: u64>;

        impl<const LEAST: u64, const MOST: u64> Visitor<'_> for Range<LEAST, MOST> {
            type Value = Whole<LEAST, MOST>;

            fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(out, "a whole number from {LEAST} to {MOST}")
            }

            fn visit_i64<E: de::Error>(self, value: i64) -> Result<Self::Value, E> {
                let within = u64::try_from(value).ok().filter(|value| (LEAST..=MOST).contains(value));
                within.map(Whole).ok_or_else(|| E::invalid_value(de::Unexpected::Signed(value), &self))
            }
        }
        from.deserialize_i64(Range)
    }
}

impl<const LEAST: u64, const MOST: u64> Whole<LEAST, MOST> {
    /// The number in a type that has room for `MOST`.
    fn fit<T: TryFrom<u64>, E: de::Error>(self) -> Result<T, E> {
        T::try_from(self.0).map_err(|_| E::custom(format!("{} is out of range", self.0)))
    }
}

/// A table whose keys and values are read one after the other, in their order.
struct Rows<K, V>(Vec<(K, V)>);

impl<'de, K: Deserialize<'de>, V: Deserialize<'de>> Deserialize<'de> for Rows<K, V> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Table<K, V>(PhantomData<(K, V)>);

        impl<'de, K: Deserialize<'de>, V: Deserialize<'de>> Visitor<'de> for Table<K, V> {
            type Value = Rows<K, V>;

            fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
                out.write_str("a table")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut table: A) -> Result<Self::Value, A::Error> {
                let mut rows = Vec::new();
                while let Some(row) = table.next_entry()? {
                    rows.push(row);
                }
                Ok(Rows(rows))
            }
        }
        from.deserialize_map(Table(PhantomData))
    }
}

/// For `deserialize_with`: one word.
pub(super) fn word<'de, T: Word, D: Deserializer<'de>>(from: D) -> Result<Option<T>, D::Error> {
    Spelled::deserialize(from).map(|Spelled(value)| Some(value))
}

/// For `deserialize_with`: a list of words.
pub(super) fn words<'de, T: Word, D: Deserializer<'de>>(from: D) -> Result<Option<Vec<T>>, D::Error> {
    let words = Vec::deserialize(from)?;
    Ok(Some(words.into_iter().map(|Spelled(value)| value).collect()))
}

/// For `deserialize_with`: TCP ports, of which there must be one.
pub(super) fn ports<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Vec<u16>>, D::Error> {
    let ports = Vec::<Whole<1, { u16::MAX as u64 }>>::deserialize(from)?;
    if ports.is_empty() {
        return Err(D::Error::custom("no ports: nothing would be analysed"));
    }
    ports.into_iter().map(Whole::fit).collect::<Result<_, _>>().map(Some)
}

/// For `deserialize_with`: a time in seconds.
pub(super) fn seconds<'de, D: Deserializer<'de>>(from: D) -> Result<Option<u32>, D::Error> {
    Whole::<0, { u32::MAX as u64 }>::deserialize(from)?.fit().map(Some)
}

/// For `deserialize_with`: the table of severities.
pub(super) fn severities<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Vec<(Selector, Severity)>>, D::Error> {
    let Rows(rows) = Rows::deserialize(from)?;
    Ok(Some(rows.into_iter().map(|(Spelled(selector), Spelled(severity))| (selector, severity)).collect()))
}

/// For `deserialize_with`: the table of limits.
pub(super) fn limits<'de, D: Deserializer<'de>>(from: D) -> Result<SetLimits, D::Error> {
    let Rows(rows) = Rows::<_, Whole<1, { SetLimits::MOST }>>::deserialize(from)?;
    Ok(SetLimits(rows.into_iter().map(|(Spelled(limit), Whole(value))| (limit, value)).collect()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_key_is_read() {
        let said = parse(
            b"min_severity = 'low'\nselect = ['starttls']\nignore = ['starttls/masked']\nservers = ['192.0.2.1']\n\
              exchange_peers = ['2001:db8::/32']\nrecords = ['events']\nport = [25, 587]\nseparate = true\nhash = false\nmerge_files = 7\n\
              half_open_timeout = 1\nidle_timeout = 2\nclosed_timeout = 3\nfragment_timeout = 4\n\
              severity = { starttls = 'high' }\nlimits = { half_open = 9 }\n",
        )
        .unwrap();
        assert_eq!(said.min_severity, Some(Severity::Low));
        assert_eq!(said.select.unwrap(), ["starttls".parse().unwrap()]);
        assert_eq!(said.ignore.unwrap(), ["starttls/masked".parse().unwrap()]);
        assert_eq!(said.servers.unwrap(), ["192.0.2.1/32".parse().unwrap()]);
        assert_eq!(said.exchange_peers.unwrap(), ["2001:db8::/32".parse().unwrap()]);
        assert_eq!(said.severity.unwrap(), [("starttls".parse().unwrap(), Severity::High)]);
        assert_eq!((said.records.unwrap(), said.port.unwrap()), (vec![Kind::Events], vec![25, 587]));
        assert_eq!((said.separate, said.hash, said.merge_files), (Some(true), Some(false), Some(7)));
        let timeouts = [said.half_open_timeout, said.idle_timeout, said.closed_timeout, said.fragment_timeout];
        assert_eq!(timeouts, [1, 2, 3, 4].map(Some));
        assert_eq!(said.limits.0, [(Limit::HalfOpen, 9)]);
        assert_eq!(parse(b"").unwrap(), Options::default());
    }

    #[test]
    fn what_is_wrong_is_told_with_its_line_and_cause() {
        for (text, line, told) in [
            ("port = [25]\n\nprots = [25]", 3, "unknown key `prots`"),
            ("show_secrets = true", 1, "unknown key `show_secrets`"),
            ("port = [\n25,\n'smtp']", 3, "a whole number from 1 to 65535"),
            ("port = [70000]", 1, "integer `70000`"),
            ("port = []", 1, "nothing would be analysed"),
            ("port = 25", 1, "expected a sequence"),
            ("\nseparate = 1", 2, "expected a boolean"),
            ("idle_timeout = -1", 1, "a whole number from 0 to 4294967295"),
            ("min_severity = 'huge'", 1, "no severity 'huge'; the severities are: info, low"),
            ("records = ['all']", 1, "no kind of records 'all'; the kinds are: findings"),
            ("select = [\n'starttls',\n'helo']", 3, "no rule 'helo'; the rules are: help-exposed"),
            ("ignore = ['starttls/x']", 1, "rule 'starttls' has no check 'x'; its checks are: started"),
            ("servers = ['example.org']", 1, "'example.org': a network such as 192.0.2.0/24"),
            ("exchange_peers = ['192.0.2.0/33']", 1, "'192.0.2.0/33': a network"),
            ("[severity]\nstarttls = 'low'\nhelo = 'low'", 3, "no rule 'helo'"),
            ("[severity]\nstarttls = 'huge'", 2, "no severity 'huge'"),
            ("[severity]\nstarttls.masked = 'low'", 2, "expected a string"),
            ("severity = ['low']", 1, "expected a table"),
            ("[limits]\nservers = 1\nserver = 1", 3, "no limit 'server'; the limits are: connections"),
            ("[limits]\nservers = 0", 2, "a whole number from 1 to 9223372036854775807"),
            ("port = [25]\nport = [587]", 2, "duplicate key `port`"),
            ("\nport = [25\n", 2, "unclosed array"),
            ("\"a\\u001bb\" = 1", 1, "unknown key `a\\u{1b}b`"),
            ("# \u{e9}\n= 1", 2, "keys cannot be empty"),
        ] {
            let (at, what) = parse(text.as_bytes()).unwrap_err();
            assert!(at == line && what.contains(told), "{text:?}: {at}: {what}");
        }
        assert_eq!(parse(b"# \xe9\n").unwrap_err(), (1, "not UTF-8 text".to_owned()));
    }

    #[test]
    fn a_file_without_an_end_is_given_up() {
        let problem = read(Path::new("/dev/zero")).unwrap_err();
        assert_eq!(problem.to_string(), "cannot read the configuration /dev/zero");
        assert_eq!(problem.source().unwrap().to_string(), "it has more than 1048576 bytes");
    }
}
