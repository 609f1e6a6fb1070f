//! Reports: findings, sessions, servers and the summary in, bytes of one output format out. Knows nothing of
//! where they came from.
//!
#![doc = include_str!("FORMATS.md")]
//!
//! # How to add a format
//! Write its file with a type that is a [`Format`], add one line to [`FORMATS`]. [`record`] has the shapes that
//! all formats are made from, [`escape`] is the only place where bytes from outside become text.
//!
//! Read in this order: [`escape`], [`ascii`], [`stamp`], [`places`], [`ids`], [`record`], [`json`], [`session`], a file
//! per format; then [`pcapng`], which is no report but the packets behind one.

pub(crate) mod ascii;
pub(crate) mod escape;
pub(crate) mod ids;
mod json;
mod jsonl;
pub(crate) mod pcapng;
pub(crate) mod places;
pub(crate) mod record;
mod session;
pub(crate) mod stamp;
#[cfg(test)]
#[expect(clippy::arithmetic_side_effects, reason = "a few fixed times")]
mod testing;
#[cfg(feature = "cli")]
mod text;

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::sync::Arc;

use crate::ledger::{Found, Output, Server, SessionEnd, Stats, Summary, Told, Who};
use crate::rules::Catalogue;

use places::Places;

/// The first record: what ran, with which options that change results.
#[derive(Clone, Debug, Default)]
pub(crate) struct Start {
    pub command: &'static str,
    pub options: BTreeMap<&'static str, serde_json::Value>,
}

/// What a format needs beside the thing it formats.
#[derive(Clone, Debug)]
pub(crate) struct Scene {
    pub catalogue: Arc<Catalogue>,
    pub places: Places,
    pub show_secrets: bool,
    /// Styles are wanted: the output is a terminal that shows them.
    pub color: bool,
    /// There is no end in sight to wait for, and no file behind the frames' numbers.
    pub as_it_goes: bool,
}

impl Default for Scene {
    fn default() -> Self {
        let catalogue = Catalogue::built_in();
        Scene { catalogue, places: Places::default(), show_secrets: false, color: false, as_it_goes: false }
    }
}

/// An output format: appends whole lines to `out`. Only the end is required.
pub(crate) trait Format: Send {
    fn start(&mut self, _start: &Start, _scene: &Scene, _out: &mut Vec<u8>) {}
    fn event(&mut self, _who: &Who, _told: &Told, _scene: &Scene, _out: &mut Vec<u8>) {}
    fn finding(&mut self, _found: &Found, _scene: &Scene, _out: &mut Vec<u8>) {}
    fn session(&mut self, _ended: &SessionEnd, _scene: &Scene, _out: &mut Vec<u8>) {}
    fn server(&mut self, _server: &Server, _scene: &Scene, _out: &mut Vec<u8>) {}
    fn stats(&mut self, _stats: &Stats, _scene: &Scene, _out: &mut Vec<u8>) {}
    fn summary(&mut self, _summary: &Summary, _scene: &Scene, _out: &mut Vec<u8>) {}
    /// Nothing follows.
    fn end(&mut self, scene: &Scene, out: &mut Vec<u8>);
}

/// One row of the table of formats.
pub(crate) struct Named {
    pub name: &'static str,
    pub help: &'static str,
    /// Whether findings are kept until the end.
    pub groups: bool,
    pub make: fn() -> Box<dyn Format>,
}

/// The default.
#[cfg(feature = "cli")]
pub(crate) static TEXT: Named =
    Named { name: "text", help: "a report for a person", groups: true, make: || Box::<text::Text>::default() };

/// What other programs read.
pub(crate) static JSONL: Named =
    Named { name: "jsonl", help: "one JSON object per line", groups: false, make: || Box::<jsonl::Jsonl>::default() };

/// Every output format, the default first.
#[cfg(feature = "cli")]
pub(crate) static FORMATS: &[&Named] = &[&TEXT, &JSONL];

/// Formats what it is given and writes it, whole lines at a time.
pub(crate) struct Printer<W> {
    format: Box<dyn Format>,
    scene: Scene,
    buffer: Vec<u8>,
    to: W,
}

impl<W: Write> Printer<W> {
    /// So much is collected before it is written.
    const ENOUGH: usize = 64 << 10;

    pub(crate) fn new(format: &Named, show_secrets: bool, color: bool, to: W) -> Self {
        let scene = Scene { show_secrets, color, ..Scene::default() };
        Printer { format: (format.make)(), scene, buffer: Vec::new(), to }
    }

    /// Findings are printed as they come, also where the format would group them.
    #[must_use]
    pub(crate) fn reporting_as_it_goes(mut self) -> Self {
        self.scene.as_it_goes = true;
        self
    }

    /// Where it writes to.
    pub(crate) fn target(&mut self) -> &mut W {
        &mut self.to
    }

    pub(crate) fn start(&mut self, start: &Start) -> io::Result<()> {
        self.format.start(start, &self.scene, &mut self.buffer);
        self.write()
    }

    /// Prints these, in this order; all of it has been written when this returns.
    pub(crate) fn print(&mut self, outputs: impl IntoIterator<Item = Output>) -> io::Result<()> {
        for output in outputs {
            self.one(&output);
            if self.buffer.len() >= Self::ENOUGH {
                self.write()?;
            }
        }
        self.write()
    }

    fn one(&mut self, output: &Output) {
        let Printer { format, scene, buffer, .. } = self;
        match output {
            Output::Capture(path) => scene.places.begin(path),
            Output::Event(who, told) => format.event(who, told, scene, buffer),
            Output::Finding(found) => format.finding(found, scene, buffer),
            Output::Session(ended) => format.session(ended, scene, buffer),
            Output::Server(server) => format.server(server, scene, buffer),
            // What carries packets is no report.
            Output::Exhibits(_) => {}
            Output::Stats(stats) => format.stats(stats, scene, buffer),
            Output::Summary(summary) => format.summary(summary, scene, buffer),
        }
    }

    /// Nothing follows.
    pub(crate) fn end(mut self) -> io::Result<()> {
        self.format.end(&self.scene, &mut self.buffer);
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
