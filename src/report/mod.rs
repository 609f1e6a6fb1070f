//! Reports: records in, bytes of one output format out. Knows nothing of where they came from: what a record holds may be
//! printed, and there is nothing else to print.
//!
//! # How to add a format
//! Write its file with a type that is a [`Format`], add one line to [`FORMATS`].
//!
//! Read in this order: [`json`], a file per format; then `dialogue`, which shows one session; then [`pcapng`], which is no report but the packets behind one.

#[cfg(feature = "cli")]
pub(crate) mod dialogue;
mod json;
mod jsonl;
pub(crate) mod pcapng;
#[cfg(feature = "cli")]
mod text;

use std::io::{self, Write};

use crate::ledger::Output;
use crate::record::{Clerk, Record, Start};

/// An output format: appends whole lines to `out`.
pub(crate) trait Format: Send {
    fn record(&mut self, record: &Record, out: &mut Vec<u8>);

    /// Nothing follows.
    fn end(&mut self, _out: &mut Vec<u8>) {}
}

/// How a format is to look.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Look {
    /// Styles are wanted: the output is a terminal that shows them.
    pub color: bool,
    /// There is no end in sight to wait for.
    pub as_it_goes: bool,
}

/// One row of the table of formats.
pub(crate) struct Named {
    pub name: &'static str,
    pub help: &'static str,
    /// Whether findings are kept until the end.
    pub groups: bool,
    pub make: fn(Look) -> Box<dyn Format>,
}

/// The default.
#[cfg(feature = "cli")]
pub(crate) static TEXT: Named =
    Named { name: "text", help: "a report for a person", groups: true, make: |look| Box::new(text::Text::new(look)) };

/// What other programs read.
pub(crate) static JSONL: Named =
    Named { name: "jsonl", help: "one JSON object per line", groups: false, make: |_| Box::<jsonl::Jsonl>::default() };

/// Every output format, the default first.
#[cfg(feature = "cli")]
pub(crate) static FORMATS: &[&Named] = &[&TEXT, &JSONL];

/// Has records made of what it is given, formats them and writes them, whole lines at a time.
pub(crate) struct Printer<W> {
    clerk: Clerk,
    format: Box<dyn Format>,
    buffer: Vec<u8>,
    to: W,
}

impl<W: Write> Printer<W> {
    /// So much is collected before it is written.
    const ENOUGH: usize = 64 << 10;

    pub(crate) fn new(format: &Named, look: Look, clerk: Clerk, to: W) -> Self {
        Printer { clerk, format: (format.make)(look), buffer: Vec::new(), to }
    }

    /// Where it writes to.
    pub(crate) fn target(&mut self) -> &mut W {
        &mut self.to
    }

    pub(crate) fn start(&mut self, start: &Start) -> io::Result<()> {
        self.format.record(&Record::Start(Box::new(start.clone())), &mut self.buffer);
        self.write()
    }

    /// Prints these, in this order; all of it has been written when this returns.
    pub(crate) fn print(&mut self, outputs: impl IntoIterator<Item = Output>) -> io::Result<()> {
        for output in outputs {
            if let Some(record) = self.clerk.record(output) {
                self.format.record(&record, &mut self.buffer);
            }
            if self.buffer.len() >= Self::ENOUGH {
                self.write()?;
            }
        }
        self.write()
    }

    /// Nothing follows.
    pub(crate) fn end(mut self) -> io::Result<()> {
        self.format.end(&mut self.buffer);
        self.write()?;
        self.to.flush()
    }

    fn write(&mut self) -> io::Result<()> {
        if !self.buffer.is_empty() {
            self.to.write_all(&self.buffer)?;
            self.buffer.clear();
        }
        Ok(())
    }
}
