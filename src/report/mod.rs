//! Reports: records in, bytes of one output format out. Knows nothing of where they came from: what a record holds may be
//! printed, and there is nothing else to print.
//!
//! # How to add a format
//! Write its file with a type that is a [`Format`], add one line to [`FORMATS`].
//!
//! Read in this order: for what a person reads [`figures`], [`layout`] and [`filters`], then [`digest`], which gathers records,
//! [`meaning`], [`unread`], [`words`], [`naming`] and [`verdict`]; then [`dialogue`], which shows one session; then [`json`] and a file per format; then [`pcapng`], which is no report but the
//! packets behind one.

#[cfg(feature = "cli")]
pub(crate) mod dialogue;
#[cfg(feature = "cli")]
pub(crate) mod digest;
#[cfg(feature = "cli")]
pub(crate) mod figures;
#[cfg(feature = "cli")]
mod filters;
#[cfg(feature = "cli")]
mod html;
mod json;
mod jsonl;
#[cfg(feature = "cli")]
pub(crate) mod layout;
#[cfg(feature = "cli")]
pub(crate) mod meaning;
#[cfg(feature = "cli")]
mod naming;
pub(crate) mod pcapng;
#[cfg(feature = "cli")]
mod text;
#[cfg(feature = "cli")]
mod unread;
#[cfg(feature = "cli")]
mod verdict;
#[cfg(feature = "cli")]
mod words;

use std::io::{self, Write};

use crate::ledger::{Kind, Output, Records};
use crate::record::{Clerk, Record, Start};

/// An output format: appends whole lines to `out`.
pub(crate) trait Format: Send {
    fn record(&mut self, record: &Record, out: &mut Vec<u8>);

    /// Nothing follows.
    fn end(&mut self, _out: &mut Vec<u8>) {}
}

/// How a format is to look.
#[derive(Clone, Debug, Default)]
pub(crate) struct Look {
    /// Styles are wanted: the output is a terminal that shows them.
    pub color: bool,
    /// There is no end in sight to wait for.
    pub as_it_goes: bool,
    /// The columns of the terminal; none where the output is something else.
    pub terminal: Option<usize>,
    /// How much is told of each finding.
    pub detail: Detail,
    /// What findings are grouped by.
    #[cfg(feature = "cli")]
    pub by: digest::By,
    /// So many servers, groups and findings of a group at the most.
    pub limit: Option<usize>,
    /// What was named to be read, escaped.
    pub inputs: Vec<String>,
    /// The records that the report is made of.
    pub kinds: Records,
}

#[cfg(feature = "cli")]
impl Look {
    /// The columns to print for.
    pub(crate) fn width(&self) -> usize {
        self.terminal.map_or(layout::USUAL, layout::of_terminal)
    }
}

/// How much is told of each finding.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Detail {
    /// Its group, and the first of it.
    #[default]
    Overview,
    /// Each in a few lines.
    #[cfg_attr(not(feature = "cli"), expect(dead_code, reason = "the program alone asks for it"))]
    Each,
    /// Each with its evidence and filters.
    #[cfg_attr(not(feature = "cli"), expect(dead_code, reason = "the program alone asks for it"))]
    Whole,
}

/// One row of the table of formats.
#[derive(Debug)]
pub(crate) struct Named {
    pub name: &'static str,
    pub help: &'static str,
    /// Whether findings are kept until the end.
    pub groups: bool,
    /// Whether it tells anything before the end, so that it is of use where none is in sight.
    #[cfg_attr(not(live), expect(dead_code, reason = "a live capture alone has no end in sight"))]
    pub goes_on: bool,
    /// The records that it is made of, whatever was asked for (`--records`); none where it prints what was asked for.
    pub needs: Option<&'static [Kind]>,
    pub make: fn(&Look) -> Box<dyn Format>,
}

impl Named {
    /// The records that it takes, where these were asked for.
    pub(crate) fn wants(&self, asked: Records) -> Records {
        self.needs.map_or(asked, Records::of)
    }
}

/// The default.
#[cfg(feature = "cli")]
pub(crate) static TEXT: Named = Named {
    name: "text",
    help: "a report for a person",
    groups: true,
    goes_on: true,
    needs: None,
    make: |look| Box::new(text::Text::new(look)),
};

/// What other programs read.
pub(crate) static JSONL: Named = Named {
    name: "jsonl",
    help: "one JSON object per line",
    groups: false,
    goes_on: true,
    needs: None,
    make: |_| Box::<jsonl::Jsonl>::default(),
};

/// What is handed to somebody without a terminal.
#[cfg(feature = "cli")]
static HTML: Named = Named {
    name: "html",
    help: "a page to share, in one file",
    groups: true,
    goes_on: false,
    needs: Some(&Kind::ALL),
    make: |look| Box::new(html::Html::new(look)),
};

/// Every output format, the default first.
#[cfg(feature = "cli")]
pub(crate) static FORMATS: &[&Named] = &[&TEXT, &JSONL, &HTML];

/// The format of that name.
#[cfg(feature = "cli")]
pub(crate) fn named(name: &str) -> Option<&'static Named> {
    FORMATS.iter().copied().find(|format| format.name == name)
}

/// The kind that a record is of; none for those that are always told.
fn kind(record: &Record) -> Option<Kind> {
    match record {
        Record::Start(_) | Record::Stats(_) => None,
        Record::Finding(_) => Some(Kind::Findings),
        Record::Session(_) => Some(Kind::Sessions),
        Record::Command(_) | Record::Reply(_) | Record::Data(_) | Record::Tls(_) | Record::Gap(_) => Some(Kind::Events),
        Record::Server(_) => Some(Kind::Servers),
        Record::Summary(_) => Some(Kind::Summary),
    }
}

/// One report: records of some kinds in one format, written to one place, whole lines at a time.
pub(crate) struct Report<W> {
    format: Box<dyn Format>,
    wants: Records,
    buffer: Vec<u8>,
    to: W,
    /// What it is written to, for messages.
    name: String,
    /// Whoever read it went away.
    closed: bool,
}

impl<W: Write> Report<W> {
    /// So much is collected before it is written.
    const ENOUGH: usize = 64 << 10;

    /// A report of the records that were `asked` for.
    pub(crate) fn new(format: &Named, look: &Look, asked: Records, to: W, name: String) -> Self {
        let wants = format.wants(asked);
        let format = (format.make)(&Look { kinds: wants, ..look.clone() });
        Report { format, wants, buffer: Vec::new(), to, name, closed: false }
    }

    fn take(&mut self, record: &Record) -> io::Result<()> {
        if self.closed || kind(record).is_some_and(|kind| !self.wants.has(kind)) {
            return Ok(());
        }
        self.format.record(record, &mut self.buffer);
        if self.buffer.len() >= Self::ENOUGH { self.write() } else { Ok(()) }
    }

    fn write(&mut self) -> io::Result<()> {
        if !self.buffer.is_empty() {
            self.to.write_all(&self.buffer)?;
            self.buffer.clear();
        }
        Ok(())
    }

    fn end(&mut self) -> io::Result<()> {
        if self.closed {
            return Ok(());
        }
        self.format.end(&mut self.buffer);
        self.write()?;
        self.to.flush()
    }
}

/// Has records made of what it is given, and gives them to every report.
pub(crate) struct Printer<W> {
    clerk: Clerk,
    main: Report<W>,
    beside: Vec<Report<Box<dyn Write + Send>>>,
    /// Where the main report is read no more, the others go on.
    outlives_reader: bool,
    /// What could not be written.
    failed: Option<String>,
}

impl<W: Write> Printer<W> {
    pub(crate) fn new(clerk: Clerk, main: Report<W>) -> Self {
        Printer { clerk, main, beside: Vec::new(), outlives_reader: false, failed: None }
    }

    /// One report more.
    #[cfg(feature = "cli")]
    pub(crate) fn and(&mut self, report: Report<Box<dyn Write + Send>>) {
        self.beside.push(report);
        self.outlives_reader = true;
    }

    /// Something else than the main report needs the records, or what comes with them.
    #[cfg(feature = "cli")]
    pub(crate) fn outlive_reader(&mut self) {
        self.outlives_reader = true;
    }

    /// Where the main report is written to.
    #[cfg(feature = "cli")]
    pub(crate) fn target(&mut self) -> &mut W {
        &mut self.main.to
    }

    /// What was written last: after an error, what cannot be written.
    #[cfg(feature = "cli")]
    pub(crate) fn written(&self) -> &str {
        self.failed.as_ref().unwrap_or(&self.main.name)
    }

    pub(crate) fn start(&mut self, start: &Start) -> io::Result<()> {
        let record = Record::Start(Box::new(start.clone()));
        self.each(|report| report.take(&record), |report| report.take(&record))?;
        self.flush()
    }

    /// Prints these, in this order; all of it has been written when this returns.
    pub(crate) fn print(&mut self, outputs: impl IntoIterator<Item = Output>) -> io::Result<()> {
        for output in outputs {
            if let Some(record) = self.clerk.record(output) {
                self.each(|report| report.take(&record), |report| report.take(&record))?;
            }
        }
        self.flush()
    }

    /// Nothing follows.
    pub(crate) fn end(&mut self) -> io::Result<()> {
        self.each(Report::end, Report::end)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.each(Report::write, Report::write)
    }

    fn each(
        &mut self,
        main: impl FnOnce(&mut Report<W>) -> io::Result<()>,
        mut beside: impl FnMut(&mut Report<Box<dyn Write + Send>>) -> io::Result<()>,
    ) -> io::Result<()> {
        match main(&mut self.main) {
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe && self.outlives_reader => self.main.closed = true,
            done => done?,
        }
        for report in &mut self.beside {
            if let Err(error) = beside(report) {
                self.failed = Some(report.name.clone());
                return Err(error);
            }
        }
        Ok(())
    }
}
