//! `mailtap scan`: opens the output, runs the engine, tells what went wrong in one line each.

use std::error::Error;
use std::fmt;
use std::fs::File;
use std::io::{self, IsTerminal, Write};
use std::sync::Arc;

use crate::capture::{self, ShownPath};
use crate::engine::{self, Config, Sink, Stopped};
use crate::ledger::Output;
use crate::record::{self, Clerk};
use crate::report::{Look, Printer};

use super::args::{Color, Output as Options, Scan};
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
    let name = options.file.as_deref().map_or_else(|| "standard output".to_owned(), |path| ShownPath(path).to_string());
    let cannot = |source| CannotWrite { to: name.clone(), source };
    let to: Box<dyn Write + Send> = match &options.file {
        Some(path) if capture::is_capture(path) => {
            return Err(cannot(io::Error::other("it is a capture")).into());
        }
        Some(path) => Box::new(File::create(path).map_err(cannot)?),
        None => Box::new(io::stdout()),
    };
    let color = styled(options.color, options.file.is_none());
    let mut config = Config { evidence: packets.is_some(), ..arguments.work.engine(in_force) };
    config.reading.stop = stop.into();
    config.reading.name_skipped = arguments.verbose;
    let clerk =
        Clerk::new(Arc::clone(config.selection.catalogue()), options.show_secrets).naming(in_force.server_name.clone());
    let look = Look { color, as_it_goes: false };
    let printer = Printer::new(arguments.format(), look, clerk, to);
    let mut printing = Printing { printer, needed: !config.evidence, closed: false };
    printing.unless_closed(|printer| printer.start(&arguments.start(in_force))).map_err(cannot)?;
    let mut outcome =
        engine::run(&config, &arguments.paths, &mut printing, terminal).map_err(|stopped| why(stopped, &name))?;
    let evidence = outcome.evidence.take().unwrap_or_default();
    let kept = packets.map(|packets| packets.write(&config, &arguments.paths, evidence, terminal));
    terminal.clear();
    let ended = printing.printer.end().map_err(cannot);
    kept.transpose()?;
    ended?;
    Ok(Exit::telling(&outcome, &in_force.port, options, terminal))
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

/// Formatting and writing, on the engine's output thread.
struct Printing<W> {
    printer: Printer<W>,
    /// The scan is for nothing where nobody reads what it prints.
    needed: bool,
    /// The reader went away.
    closed: bool,
}

impl<W: Write + Send> Sink for Printing<W> {
    fn take(&mut self, outputs: Vec<Output>) -> io::Result<()> {
        self.unless_closed(|printer| printer.print(outputs))
    }
}

impl<W: Write> Printing<W> {
    fn unless_closed(&mut self, print: impl FnOnce(&mut Printer<W>) -> io::Result<()>) -> io::Result<()> {
        if self.closed {
            return Ok(());
        }
        match print(&mut self.printer) {
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe && !self.needed => {
                self.closed = true;
                Ok(())
            }
            printed => printed,
        }
    }
}

/// Whether the text report is to have styles: on a terminal that shows them, or where they were asked for.
pub(super) fn styled(color: Color, on_stdout: bool) -> bool {
    match color {
        Color::Always => true,
        Color::Never => false,
        Color::Auto => {
            let choice = anstream::AutoStream::choice(&io::stdout());
            on_stdout && io::stdout().is_terminal() && choice != anstream::ColorChoice::Never
        }
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
