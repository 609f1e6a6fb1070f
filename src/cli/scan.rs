//! `mailtap scan`: opens the output, runs the engine, tells what went wrong in one line each.

use std::collections::BTreeSet;
use std::error::Error;
use std::fmt;
use std::fs::File;
use std::io::{self, Write};
use std::path::Path;
use std::sync::Arc;

use crate::capture::{self, ShownPath};
use crate::engine::{self, Config, Sink, Stopped};
use crate::ledger::{Output, Records};
use crate::record::{self, Clerk};
use crate::report::{Named, Printer, Report};

use super::args::{Output as Options, Scan};
use super::evidence::Packets;
use super::exit::Exit;
use super::progress::Terminal;
use super::stop;

/// Scans and prints.
pub(super) fn run(arguments: &Scan) -> Exit {
    let Options { quiet, file, .. } = &arguments.output;
    let in_force = match arguments.choice.options() {
        Ok(in_force) => in_force,
        Err(problem) => return super::told(&chain(&problem)),
    };
    let terminal = Terminal::new(*quiet, file.is_none() && arguments.streams(&in_force));
    let exit = scan(arguments, &in_force, &terminal);
    terminal.clear();
    match exit {
        Ok(exit) => exit,
        Err(error) if closed_pipe(&*error) => Exit::Done,
        Err(error) => {
            terminal.line(&format!("mailtap: {}", chain(&*error)));
            Exit::Problem
        }
    }
}

fn scan(arguments: &Scan, in_force: &record::Options, terminal: &Terminal) -> Result<Exit, Box<dyn Error>> {
    let options = &arguments.output;
    if arguments.paths.len() > 1 || arguments.paths.iter().any(|path| path.is_dir()) {
        no_huge_pages();
    }
    let stop = stop::listen()?;
    let packets = options.write.as_deref().map(|path| Packets::create(path, &arguments.paths)).transpose()?;
    if let Some(packets) = &packets {
        terminal.say(&packets.notice());
    }
    let mut config = Config { evidence: packets.is_some(), ..arguments.work.engine(in_force) };
    config.reading.stop = stop.into();
    config.reading.name_skipped = arguments.verbose > 0 && !arguments.format().groups;
    let clerk =
        Clerk::new(Arc::clone(config.selection.catalogue()), options.show_secrets).naming(in_force.server_name.clone());
    let asked = Records::of(&in_force.records);
    config.records = config.records.and(arguments.format().wants(asked));
    named_once(arguments)?;
    let mut printer = Printer::new(clerk, report(arguments, arguments.format(), options.file.as_deref(), asked)?);
    for (format, path) in &arguments.reports {
        printer.and(report(arguments, format, Some(path), asked)?);
        config.records = config.records.and(format.wants(asked));
    }
    if config.evidence {
        printer.outlive_reader();
    }
    let started = printer.start(&arguments.start(in_force));
    started.map_err(|source| CannotWrite { to: printer.written().to_owned(), source })?;
    let ran = engine::run(&config, &arguments.paths, &mut printer, terminal);
    let mut outcome = ran.map_err(|stopped| why(stopped, printer.written()))?;
    let evidence = outcome.evidence.take().unwrap_or_default();
    let kept = packets.map(|packets| packets.write(&config, &arguments.paths, evidence, terminal));
    terminal.clear();
    let ended = printer.end();
    kept.transpose()?;
    ended.map_err(|source| CannotWrite { to: printer.written().to_owned(), source })?;
    Ok(Exit::telling(&outcome, &in_force.port, options, terminal))
}

/// Two reports in one file would be none.
fn named_once(arguments: &Scan) -> Result<(), String> {
    let files = arguments.output.file.iter().chain(arguments.reports.iter().map(|(_, path)| path));
    let mut seen = BTreeSet::new();
    for file in files.chain(&arguments.output.write).filter(|path| !path.exists() || path.is_file()) {
        let whole = file.canonicalize().or_else(|_| std::path::absolute(file)).unwrap_or_else(|_| file.clone());
        if !seen.insert(whole) {
            return Err(format!("{}: named for two outputs", ShownPath(file)));
        }
    }
    Ok(())
}

/// A report to a file, which is a new one, or to standard output.
fn report(
    arguments: &Scan,
    format: &Named,
    file: Option<&Path>,
    asked: Records,
) -> Result<Report<Box<dyn Write + Send>>, CannotWrite> {
    let name = file.map_or_else(|| "standard output".to_owned(), |path| ShownPath(path).to_string());
    let to: io::Result<Box<dyn Write + Send>> = match file {
        Some(path) if capture::is_capture(path) => {
            Err(io::Error::other("it is a capture, and mailtap does not overwrite it"))
        }
        Some(path) => File::create(path).map(|file| Box::new(file) as Box<dyn Write + Send>),
        None => Ok(Box::new(io::stdout())),
    };
    match to {
        Ok(to) => Ok(Report::new(format, &arguments.look(file.is_none()), asked, to, name)),
        Err(source) => Err(CannotWrite { to: name, source }),
    }
}

impl<W: Write + Send> Sink for Printer<W> {
    fn take(&mut self, outputs: Vec<Output>) -> io::Result<()> {
        self.print(outputs)
    }
}

/// Of many captures that are open at once each has little memory, in pages of its own: a huge page counts whole however
/// little of it is used. 10,000 that overlap took 136 MB so with 8 threads, and 48 MB without.
fn no_huge_pages() {
    // Where the kernel has no say in it there is nothing to do.
    #[cfg(target_os = "linux")]
    let _ = rustix::thread::disable_transparent_huge_pages(true);
}

/// Why the engine stopped, which wrote to `name`.
pub(super) fn why(stopped: Stopped, name: &str) -> Box<dyn Error> {
    match stopped {
        Stopped::Output(source) => CannotWrite { to: name.to_owned(), source }.into(),
        Stopped::Threads(_) | Stopped::Changed(_) => stopped.into(),
    }
}

/// The output cannot be written, or not to its end.
#[derive(Debug)]
pub(super) struct CannotWrite {
    pub to: String,
    pub source: io::Error,
}

impl fmt::Display for CannotWrite {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cannot write {}", self.to)
    }
}

impl Error for CannotWrite {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&self.source)
    }
}

/// Whether the reader of our output went away, which is no error of ours (`mailtap scan ... | head`).
pub(super) fn closed_pipe(error: &(dyn Error + 'static)) -> bool {
    let mut cause = Some(error);
    while let Some(error) = cause {
        if error.downcast_ref::<io::Error>().is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe) {
            return true;
        }
        cause = error.source();
    }
    false
}

/// An error and its causes in one line.
pub(super) fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_closed_pipe_is_found_behind_what_it_stopped() {
        let closed = Stopped::Output(io::ErrorKind::BrokenPipe.into());
        let full = Stopped::Output(io::ErrorKind::StorageFull.into());
        assert!(closed_pipe(&closed) && !closed_pipe(&full));
    }

    #[test]
    fn an_error_is_one_line_with_its_causes() {
        let full = Stopped::Output(io::Error::other("disk full"));
        assert_eq!(chain(&full), "cannot write the output: disk full");
    }
}
