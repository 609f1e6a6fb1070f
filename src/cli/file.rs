//! The configuration file: TOML in, options in force out, and what is wrong in it with the line where it stands. The only
//! file that knows TOML's values; [`super::config`] writes them.

use std::error::Error;
use std::fmt;
use std::fs::File;
use std::io::{self, Read};
use std::ops::{Range, RangeInclusive};
use std::path::{Path, PathBuf};

use serde::de::Unexpected;
use toml::Spanned;
use toml::de::{DeString, DeTable, DeValue};

use crate::capture::ShownPath;
use crate::record::Options;

use super::options;

/// A file above this is no configuration; nobody is to wait for the end of `/dev/zero`.
const MOST_BYTES: u64 = 1 << 20;

/// The greatest number that TOML can say.
pub(super) const MOST: u64 = i64::MAX.unsigned_abs();

/// Puts what a file says in force.
pub(super) fn read(path: &Path, options: &mut Options) -> Result<(), Problem> {
    let unreadable = |source| Problem::Unreadable { path: path.to_owned(), source };
    let mut bytes = Vec::new();
    let file = File::open(path).map_err(unreadable)?;
    file.take(MOST_BYTES.saturating_add(1)).read_to_end(&mut bytes).map_err(unreadable)?;
    if bytes.len() as u64 > MOST_BYTES {
        return Err(unreadable(io::Error::other(format!("it is larger than {MOST_BYTES} bytes"))));
    }
    parse_at(path, &bytes, options)
}

/// Puts what the text of that file says in force.
fn parse_at(path: &Path, bytes: &[u8], options: &mut Options) -> Result<(), Problem> {
    parse(bytes, options).map_err(|Wrong { at, what }| {
        let line = bytes.iter().take(at).filter(|&&byte| byte == b'\n').count().saturating_add(1);
        Problem::Wrong { path: path.to_owned(), line, what: one_line(&what) }
    })
}

/// Puts it in force, or tells what is wrong and where.
fn parse(bytes: &[u8], options: &mut Options) -> Result<(), Wrong> {
    let text =
        std::str::from_utf8(bytes).map_err(|error| Wrong { at: error.valid_up_to(), what: "not UTF-8 text".into() })?;
    let table = DeTable::parse(text).map_err(|error| {
        let span = error.span().unwrap_or_default();
        let repeated = if error.message() == "duplicate key" { text.get(span.clone()) } else { None };
        let key = repeated.map(|key| format!(" `{key}`")).unwrap_or_default();
        Wrong::at(span, format!("{}{key}", error.message()))
    })?;
    for (key, value) in in_order(table.get_ref()) {
        let Some(row) = options::rows().find(|row| row.about().key == key.get_ref()) else {
            let known: Vec<String> = options::rows().map(|row| format!("`{}`", row.about().key)).collect();
            let what = format!("unknown key `{}`, expected one of {}", key.get_ref(), known.join(", "));
            return Err(Wrong::at(key.span(), what));
        };
        row.read(value, options)?;
    }
    Ok(())
}

/// With nothing in it that drives a terminal.
pub(super) fn one_line(message: &str) -> String {
    let shown = |char: char| if char.is_control() { char.escape_default().to_string() } else { char.to_string() };
    message.replace('\n', ", ").chars().map(shown).collect()
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

/// What is wrong, and at which byte of the file.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Wrong {
    at: usize,
    what: String,
}

impl Wrong {
    pub(super) fn at(span: Range<usize>, what: impl Into<String>) -> Self {
        Wrong { at: span.start, what: what.into() }
    }

    /// It is of another type than is wanted.
    fn is_no(from: &Told<'_>, wanted: impl fmt::Display) -> Self {
        let found = match from.get_ref() {
            DeValue::String(text) => Unexpected::Str(text),
            DeValue::Integer(number) => {
                let what = format!("invalid type: integer `{number}`, expected {wanted}");
                return Wrong::at(from.span(), what);
            }
            DeValue::Float(number) => Unexpected::Float(number.as_str().parse().unwrap_or(f64::NAN)),
            DeValue::Boolean(flag) => Unexpected::Bool(*flag),
            DeValue::Datetime(_) => Unexpected::Other("date or time"),
            DeValue::Array(_) => Unexpected::Seq,
            DeValue::Table(_) => Unexpected::Map,
        };
        Wrong::at(from.span(), format!("invalid type: {found}, expected {wanted}"))
    }
}

/// A value of the file, which knows its place.
pub(super) type Told<'t> = Spanned<DeValue<'t>>;

/// A word, as `read` has it.
pub(super) fn text<T>(from: &Told<'_>, read: impl FnOnce(&str) -> Result<T, String>) -> Result<T, Wrong> {
    let DeValue::String(text) = from.get_ref() else { return Err(Wrong::is_no(from, "a string")) };
    read(text).map_err(|what| Wrong::at(from.span(), what))
}

/// A date or a time, which TOML can write as a word or as a date.
pub(super) fn time<T>(from: &Told<'_>, read: impl FnOnce(&str) -> Result<T, String>) -> Result<T, Wrong> {
    let text = match from.get_ref() {
        DeValue::String(text) => text.to_string(),
        DeValue::Datetime(time) => time.to_string(),
        _ => return Err(Wrong::is_no(from, "a date or a time")),
    };
    read(&text).map_err(|what| Wrong::at(from.span(), what))
}

pub(super) fn flag(from: &Told<'_>) -> Result<bool, Wrong> {
    from.get_ref().as_bool().ok_or_else(|| Wrong::is_no(from, "a boolean"))
}

/// A whole number of that range, all of which has room in a `T`.
pub(super) fn whole<T: TryFrom<u64>>(from: &Told<'_>, range: RangeInclusive<u64>) -> Result<T, Wrong> {
    let wanted = format!("a whole number from {} to {}", range.start(), range.end());
    let DeValue::Integer(number) = from.get_ref() else { return Err(Wrong::is_no(from, wanted)) };
    let value = u64::from_str_radix(number.as_str(), number.radix()).ok().filter(|value| range.contains(value));
    let value = value.and_then(|value| T::try_from(value).ok());
    value.ok_or_else(|| Wrong::at(from.span(), format!("invalid value: integer `{number}`, expected {wanted}")))
}

pub(super) fn list<'f, 't>(from: &'f Told<'t>) -> Result<&'f [Told<'t>], Wrong> {
    from.get_ref().as_array().map(|items| &items[..]).ok_or_else(|| Wrong::is_no(from, "a sequence"))
}

/// The rows of a table, as they stand in the file.
pub(super) fn table<'f, 't>(from: &'f Told<'t>) -> Result<Vec<(&'f Spanned<DeString<'t>>, &'f Told<'t>)>, Wrong> {
    from.get_ref().as_table().map(in_order).ok_or_else(|| Wrong::is_no(from, "a table"))
}

fn in_order<'f, 't>(table: &'f DeTable<'t>) -> Vec<(&'f Spanned<DeString<'t>>, &'f Told<'t>)> {
    let mut rows: Vec<_> = table.iter().collect();
    rows.sort_by_key(|(key, _)| key.span().start);
    rows
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::{Limit, Limits, ServerNames};
    use crate::ledger::Kind;
    use crate::rules::Severity;

    fn parsed(text: &str) -> Options {
        let mut options = Options::default();
        parse(text.as_bytes(), &mut options).unwrap();
        options
    }

    #[test]
    fn every_key_is_read() {
        let said = parsed(
            "min_severity = 'low'\nselect = ['starttls']\nignore = ['starttls/masked']\nservers = ['192.0.2.1']\n\
             server_name = { '192.0.2.0/24' = 'mx-a' }\nexchange_peers = ['2001:db8::/32']\nrecords = ['events']\nport = [25, 587]\nseparate = true\nhash = true\nmerge_files = 7\n\
             half_open_timeout = 1\nidle_timeout = 2\nclosed_timeout = 3\nfragment_timeout = 4\n\
             since = 2026-11-24\nuntil = '2026-11-24T14:45:03'\nclient = ['192.0.2.7']\nsession = ['ABCD']\nmatch = '^HELP'\n\
             severity = { starttls = 'high' }\nlimits = { half_open = 9 }\n",
        );
        let mut limits = Limits::default();
        limits.set(Limit::HalfOpen, 9);
        let mut server_name = ServerNames::default();
        server_name.insert("192.0.2.0/24".parse().unwrap(), "mx-a".parse().unwrap());
        let meant = Options {
            server_name,
            min_severity: Severity::Low,
            select: vec!["starttls".parse().unwrap()],
            ignore: vec!["starttls/masked".parse().unwrap()],
            servers: vec!["192.0.2.1/32".parse().unwrap()],
            exchange_peers: vec!["2001:db8::/32".parse().unwrap()],
            records: vec![Kind::Events],
            port: vec![25, 587],
            separate: true,
            hash: true,
            merge_files: 7.try_into().unwrap(),
            half_open_timeout: 1,
            idle_timeout: 2,
            closed_timeout: 3,
            fragment_timeout: 4,
            since: Some("2026-11-24".parse().unwrap()),
            until: Some("2026-11-24T14:45:03.999999999Z".parse().unwrap()),
            client: vec!["192.0.2.7/32".parse().unwrap()],
            session: vec!["abcd".parse().unwrap()],
            pattern: Some("^HELP".parse().unwrap()),
            severity: [("starttls".parse().unwrap(), Severity::High)].into(),
            limits,
            ..Options::default()
        };
        assert_eq!(said, meant);
        assert_eq!(parsed(""), Options::default());
    }

    /// The line and what is wrong there.
    fn wrong(text: &[u8]) -> (usize, String) {
        let Err(Problem::Wrong { line, what, .. }) = parse_at(Path::new(""), text, &mut Options::default()) else {
            panic!("nothing is wrong");
        };
        (line, what)
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
            ("\nseparate = 1", 2, "invalid type: integer `1`, expected a boolean"),
            ("merge_files = 0", 1, "a whole number from 1 to 4294967295"),
            ("merge_files = 4294967296", 1, "a whole number from 1 to 4294967295"),
            ("idle_timeout = 2026-01-02", 1, "invalid type: date or time, expected a whole number"),
            ("zzz = 1\nport = 25", 1, "unknown key `zzz`"),
            ("idle_timeout = -1", 1, "a whole number from 0 to 4294967295"),
            ("min_severity = 'huge'", 1, "no severity 'huge'; the severities are: info, low"),
            ("records = ['all']", 1, "no kind of records 'all'; the kinds are: findings"),
            ("select = [\n'starttls',\n'helo']", 3, "no rule 'helo'; the rules are: help-exposed"),
            ("ignore = ['starttls/x']", 1, "rule 'starttls' has no check 'x'; its checks are: started"),
            ("servers = ['example.org']", 1, "'example.org': expected a network such as 192.0.2.0/24"),
            ("exchange_peers = ['192.0.2.0/33']", 1, "'192.0.2.0/33': expected a network"),
            ("since = 'yesterday'", 1, "'yesterday': expected a date or a date and time"),
            ("until = 7", 1, "integer `7`, expected a date or a time"),
            ("session = ['abc']", 1, "'abc': expected a session id, or at least its first 4 hexadecimal digits"),
            ("\nmatch = '('", 2, "not a regular expression: unclosed group"),
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
            let (at, what) = wrong(text.as_bytes());
            assert!(at == line && what.contains(told), "{text:?}: {at}: {what}");
        }
        assert_eq!(wrong(b"# \xe9\n"), (1, "not UTF-8 text".to_owned()));
    }

    #[test]
    fn a_file_without_an_end_is_given_up() {
        let problem = read(Path::new("/dev/zero"), &mut Options::default()).unwrap_err();
        assert_eq!(problem.to_string(), "cannot read the configuration /dev/zero");
        assert_eq!(problem.source().unwrap().to_string(), "it is larger than 1048576 bytes");
    }
}
