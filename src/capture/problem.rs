//! What can go wrong with an input, as values: a problem names the file, the place and the cause once.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::container::Compression;
use crate::base::LinkType;

/// Why an input, or a part of it, could not be read. As text it is one line that names all three.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Problem {
    /// The input, as it was named or found below a directory that was; `-` is standard input.
    pub path: PathBuf,
    /// How far the (unpacked) file could be read, in bytes: where the packet or block begins that could not be.
    pub offset: Option<u64>,
    /// What is wrong with it.
    pub cause: Cause,
}

/// The cause of a [`Problem`].
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Cause {
    /// The operating system refused.
    Io(Arc<io::Error>),
    /// No byte in it.
    Empty,
    /// Its first bytes are those of no capture format.
    NotACapture,
    /// A capture of a kind that is known but not read.
    Unsupported(&'static str),
    /// A capture of a version that is not read.
    #[non_exhaustive]
    Version {
        /// pcap or pcapng.
        format: &'static str,
        /// The version's first number.
        major: u16,
        /// The version's second number.
        minor: u16,
    },
    /// It ends in the middle of a packet, a block, or its compressed data.
    Truncated,
    /// The decoder refused.
    #[non_exhaustive]
    Corrupt {
        /// Whose decoder.
        compression: Compression,
        /// What it said.
        error: Arc<io::Error>,
    },
    /// A packet header tells more captured bytes than any capture has.
    #[non_exhaustive]
    TooLong {
        /// So many bytes.
        captured: u32,
        /// So many at most.
        most: u32,
    },
    /// A block that contradicts itself or what came before it.
    Malformed(&'static str),
    /// Packets of a link type that nothing here decodes; told once a file and type.
    LinkType(LinkType),
    /// A directory without a capture.
    NothingToScan,
}

/// A [`Problem`] of a file whose path the one who met it does not know.
#[derive(Debug)]
pub(super) struct Fault {
    pub offset: Option<u64>,
    pub cause: Cause,
}

impl Fault {
    pub(super) fn of(self, path: PathBuf) -> Problem {
        Problem { path, offset: self.offset, cause: self.cause }
    }
}

/// A fault of a file as a whole.
impl From<Cause> for Fault {
    fn from(cause: Cause) -> Self {
        Fault { offset: None, cause }
    }
}

impl From<io::Error> for Cause {
    fn from(error: io::Error) -> Self {
        Cause::Io(Arc::new(error))
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", ShownPath(&self.path), self.cause)?;
        match self.offset {
            Some(offset) => write!(f, " at byte {offset}"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for Problem {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match &self.cause {
            Cause::Io(error) | Cause::Corrupt { error, .. } => Some(&**error),
            _ => None,
        }
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Cause::Io(error) => write!(f, "cannot be read: {}", Lower(error)),
            Cause::Empty => f.write_str("empty file"),
            Cause::NotACapture => f.write_str("not a capture file"),
            Cause::Unsupported(what) => write!(f, "{what} is not supported"),
            Cause::Version { format, major, minor } => write!(f, "{format} version {major}.{minor} is not supported"),
            Cause::Truncated => f.write_str("truncated"),
            Cause::Corrupt { compression, error } => write!(f, "corrupt {compression} data: {}", Lower(error)),
            Cause::TooLong { captured, most } => {
                write!(f, "a packet of {captured} captured bytes (the limit is {most})")
            }
            Cause::Malformed(what) => f.write_str(what),
            Cause::LinkType(LinkType(number)) => write!(f, "link type {number} is not supported"),
            Cause::NothingToScan => f.write_str("nothing to scan"),
        }
    }
}

/// A path for a person: standard input by its name, and of hostile names what steers a terminal or turns the line around escaped.
pub(crate) struct ShownPath<'a>(pub &'a Path);

impl fmt::Display for ShownPath<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0 == Path::new("-") {
            return f.write_str("standard input");
        }
        let steers = |c: char| c.is_control() || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
        self.0
            .to_string_lossy()
            .chars()
            .try_for_each(|c| if steers(c) { write!(f, "{}", c.escape_default()) } else { write!(f, "{c}") })
    }
}

/// An error's own words, which begin with a capital letter where the operating system wrote them.
struct Lower<'a>(&'a io::Error);

impl fmt::Display for Lower<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let words = self.0.to_string();
        let mut chars = words.chars();
        let first = chars.next().map(|c| c.to_ascii_lowercase());
        write!(f, "{}{}", first.map(String::from).unwrap_or_default(), chars.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_line_names_file_cause_and_place_once() {
        let show = |path: &str, offset, cause| Problem { path: path.into(), offset, cause }.to_string();
        assert_eq!(show("a.pcap", Some(24), Cause::Truncated), "a.pcap: truncated at byte 24");
        assert_eq!(
            show("missing", None, io::Error::from_raw_os_error(2).into()),
            "missing: cannot be read: no such file or directory (os error 2)"
        );
        assert_eq!(show("-", None, Cause::NotACapture), "standard input: not a capture file");
        assert_eq!(show("empty/", None, Cause::NothingToScan), "empty/: nothing to scan");
        assert_eq!(
            show("a.pcap", Some(40), Cause::TooLong { captured: u32::MAX, most: 262_144 }),
            "a.pcap: a packet of 4294967295 captured bytes (the limit is 262144) at byte 40"
        );
    }

    #[test]
    fn a_name_that_would_write_to_the_terminal_is_escaped() {
        assert_eq!(ShownPath(Path::new("a\x1b[2J\n.pcap")).to_string(), "a\\u{1b}[2J\\n.pcap");
        assert_eq!(ShownPath(Path::new("a\u{202e}pacp.exe")).to_string(), "a\\u{202e}pacp.exe");
    }
}
