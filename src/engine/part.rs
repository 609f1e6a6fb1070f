//! One part of a scan: the whole of its captures is read, some of the shards are followed, and what they find is written
//! down before it comes to the ledger ([`crate::ledger::written`]). [`super::merge`] makes one scan of all its parts.

use std::io::{self, Write};
use std::path::PathBuf;

use crate::ledger::written::{Head, Line, Tail};
use crate::ledger::{Entry, Kind};

use super::{Config, Followed, Observer, Stopped, Takes, follow, pool};

/// What the parts of one scan have in common, beside the configuration.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Terms<'m> {
    /// What stands for all options that change what is found or told, and nothing else: another part of the same scan has
    /// the same.
    pub options: &'m str,
    /// Whether what is hidden otherwise is written, for a merge that shows it.
    pub show_secrets: bool,
}

/// What a part came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Outcome {
    /// Inputs that could not be read, or not to their end.
    pub problems: u64,
    /// Bugs that were caught.
    pub internal_errors: u64,
    /// It was ended before its input was: no scan can be made of it.
    pub interrupted: bool,
}

/// Scans `paths`, follows the shards of the configuration, and writes to `to` what they find.
pub(crate) fn part(
    config: &Config,
    terms: &Terms<'_>,
    paths: &[PathBuf],
    to: &mut (dyn Write + Send),
    observer: &dyn Observer,
) -> Result<Outcome, Stopped> {
    pool(config, paths)?.install(|| {
        let mut writing = Writing {
            to,
            show_secrets: terms.show_secrets,
            sessions: config.records.has(Kind::Sessions),
            lines: Vec::new(),
            entries: 0,
        };
        let head = Head::new(terms.options, config.reading.separate, config.shards);
        writing.line(&Line::Head(head)).map_err(Stopped::Output)?;
        let followed = follow(config, paths, &mut writing, observer)?;
        let outcome = Outcome {
            problems: followed.totals.problems,
            internal_errors: followed.shards.internal_errors,
            interrupted: followed.totals.interrupted,
        };
        writing.end(followed).map_err(Stopped::Output)?;
        Ok(outcome)
    })
}

/// Writes entries as they are found.
struct Writing<'w> {
    to: &'w mut (dyn Write + Send),
    show_secrets: bool,
    /// Whether sessions have records.
    sessions: bool,
    /// Empty between two rounds; kept for its memory.
    lines: Vec<u8>,
    entries: u64,
}

impl Writing<'_> {
    fn line(&mut self, line: &Line) -> io::Result<()> {
        line.write(&mut self.lines)?;
        self.put()
    }

    fn put(&mut self) -> io::Result<()> {
        let written = self.to.write_all(&self.lines);
        self.lines.clear();
        written
    }

    fn end(&mut self, followed: Followed) -> io::Result<()> {
        let Followed { totals, shards, packets: _ } = followed;
        self.line(&Line::Tail(Box::new(Tail { entries: self.entries, totals, shards })))?;
        self.to.flush()
    }
}

impl Takes for Writing<'_> {
    fn take(&mut self, starts: Vec<PathBuf>, entries: Vec<Entry>) -> io::Result<()> {
        for path in starts {
            Line::Capture(path).write(&mut self.lines)?;
        }
        for mut entry in entries {
            if !self.show_secrets {
                entry.hide_secrets();
            }
            if !self.sessions {
                entry.shorten();
            }
            entry.write(&mut self.lines)?;
            self.entries = self.entries.saturating_add(1);
        }
        self.put()
    }
}
