//! What a live capture writes: records to standard output or to a file, and packets to another one. Files are rotated,
//! and opened anew where somebody renamed them.

use std::io::{self, IsTerminal, Write};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::capture::{self, ShownPath};
use crate::engine::Sink;
use crate::ledger::{Output, Records};
use crate::record::{Clerk, Options, Start};
use crate::report::{Look, Printer, Report};
use crate::rules::Catalogue;

use super::args::Watch;
use super::host::log_file::LogFile;
use super::host::packet_file::PacketFile;
use super::host::signals::Pulse;
use super::progress::Terminal;
use super::scan::CannotWrite;

/// Formatting and writing, on the engine's output thread.
pub(super) struct Reporting {
    printer: Printer<Target>,
    start: Start,
    /// How the printer's target is called.
    name: String,
    packets: Option<Packets>,
    /// What is being written, or was last.
    written: String,
    /// Somebody renamed the files.
    reopen: Arc<AtomicBool>,
    pulse: Arc<Pulse>,
}

/// Where records go.
enum Target {
    File(LogFile),
    /// With the terminal that shows a status, where it is the same one.
    Stdout(io::Stdout, Option<Terminal>),
}

/// Where packets go.
struct Packets {
    file: PacketFile,
    name: String,
    /// How the interfaces are called together.
    interface: String,
}

impl Write for Target {
    fn write(&mut self, lines: &[u8]) -> io::Result<usize> {
        match self {
            Target::File(file) => file.write(lines),
            Target::Stdout(stdout, None) => stdout.write(lines),
            Target::Stdout(stdout, Some(terminal)) => {
                terminal.above(|| stdout.write_all(lines).and_then(|()| stdout.flush()))?;
                Ok(lines.len())
            }
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Target::File(file) => file.flush(),
            Target::Stdout(stdout, _) => stdout.flush(),
        }
    }
}

impl Reporting {
    /// Opens everything, and writes the first record.
    pub(super) fn open(
        arguments: &Watch,
        in_force: &Options,
        catalogue: &Arc<Catalogue>,
        reopen: Arc<AtomicBool>,
        terminal: &Terminal,
    ) -> Result<Self, CannotWrite> {
        let options = &arguments.output;
        let name =
            options.file.as_deref().map_or_else(|| "standard output".to_owned(), |path| ShownPath(path).to_string());
        let cannot = |source| CannotWrite { to: name.clone(), source };
        let target = match options.file.as_deref() {
            Some(path) => Target::File(log_file(path, arguments, terminal).map_err(cannot)?),
            None if arguments.rotate.is_some() && options.write.is_none() => {
                return Err(cannot(io::Error::other("only a regular file can be rotated")));
            }
            None => {
                // Whoever does not read a pipe must not hold up what is told beside it.
                let same = terminal.has_status() && io::stdout().is_terminal();
                Target::Stdout(io::stdout(), same.then(|| terminal.clone()))
            }
        };
        let packets = options.write.as_deref().map(|path| Packets::create(path, arguments)).transpose()?;
        let clerk = Clerk::live(Arc::clone(catalogue), options.show_secrets).naming(in_force.server_name.clone());
        let look =
            Look { as_it_goes: true, inputs: arguments.interfaces.clone(), ..options.look(options.file.is_none()) };
        let asked = Records::of(&in_force.records);
        let mut printer = Printer::new(clerk, Report::new(arguments.format(), &look, asked, target, name.clone()));
        let start = arguments.start(in_force);
        printer.start(&start).map_err(cannot)?;
        let written = name.clone();
        Ok(Reporting { printer, start, name, packets, written, reopen, pulse: Arc::default() })
    }

    /// Whether a write is under way.
    pub(super) fn pulse(&self) -> Arc<Pulse> {
        Arc::clone(&self.pulse)
    }

    /// What was written last: where writing failed, what cannot be written.
    pub(super) fn written(&self) -> &str {
        &self.written
    }

    /// Begins another file where one is full, or somebody renamed it; of records, each begins with the first one.
    fn turn(&mut self) -> io::Result<()> {
        let reopen = self.reopen.swap(false, Ordering::Relaxed);
        if let Some(packets) = &mut self.packets {
            self.written.clone_from(&packets.name);
            packets.file.turn(reopen)?;
        }
        self.written.clone_from(&self.name);
        let Target::File(file) = self.printer.target() else { return Ok(()) };
        match (reopen, file.is_due()) {
            (true, _) => file.reopen()?,
            (false, true) => file.rotate()?,
            (false, false) => return Ok(()),
        }
        self.pulse.during(|| self.printer.start(&self.start))
    }

    fn one(&mut self, output: Output) -> io::Result<()> {
        match (output, &mut self.packets) {
            (Output::Exhibits(exhibits), Some(Packets { file, name, interface })) => {
                self.written.clone_from(name);
                self.pulse.during(|| file.add(&exhibits, interface))
            }
            (output, _) => self.pulse.during(|| self.printer.print([output])),
        }
    }

    /// Nothing follows.
    pub(super) fn end(self) -> Result<(), CannotWrite> {
        let Reporting { mut printer, name, pulse, .. } = self;
        pulse.during(|| printer.end()).map_err(|source| CannotWrite { to: name, source })
    }
}

impl Sink for Reporting {
    fn take(&mut self, outputs: Vec<Output>) -> io::Result<()> {
        self.turn()?;
        for output in outputs {
            self.one(output)?;
            self.turn()?;
        }
        Ok(())
    }
}

impl Packets {
    fn create(path: &Path, arguments: &Watch) -> Result<Self, CannotWrite> {
        let name = ShownPath(path).to_string();
        match PacketFile::create(path, arguments.rotate) {
            Ok(file) => Ok(Packets { file, name, interface: arguments.interfaces.join(",") }),
            Err(source) => Err(CannotWrite { to: name, source }),
        }
    }
}

fn log_file(path: &Path, arguments: &Watch, terminal: &Terminal) -> io::Result<LogFile> {
    if capture::is_capture(path) {
        return Err(io::Error::other("it is a capture, and mailtap does not overwrite it"));
    }
    let (file, cut) = LogFile::open(path, arguments.rotate)?;
    if cut > 0 {
        terminal.line(&format!("mailtap: {}: removed an incomplete last line ({cut} bytes)", ShownPath(path)));
    }
    Ok(file)
}
