//! `mailtap scan`: opens the output, runs the engine, tells what went wrong in one line each.

use std::error::Error;
use std::fmt;
use std::fs::File;
use std::io::{self, IsTerminal, Write};

use crate::capture::{self, ShownPath};
use crate::engine::{self, Sink, Stopped};
use crate::ledger::Output;
use crate::report::Printer;

use super::args::{Color, Output as Options, Scan};
use super::exit::Exit;
use super::progress::Terminal;
use super::settings::Settings;

/// Scans and prints.
pub(super) fn run(arguments: &Scan) -> Exit {
    let Options { quiet, file, .. } = &arguments.output;
    let settings = match arguments.choice.settings() {
        Ok(settings) => settings,
        Err(problem) => return super::told(&chain(&problem)),
    };
    let terminal = Terminal::new(*quiet, file.is_none() && arguments.streams(&settings));
    let exit = scan(arguments, &settings, &terminal);
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

fn scan(arguments: &Scan, settings: &Settings, terminal: &Terminal) -> Result<Exit, Box<dyn Error>> {
    let options = &arguments.output;
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
    let mut printer = Printer::new(arguments.format(), options.show_secrets, color, to);
    printer.start(&arguments.start(settings)).map_err(cannot)?;
    let ran = engine::run(&settings.engine(&arguments.work), &arguments.paths, &mut Printing(&mut printer), terminal);
    let outcome = ran.map_err(|stopped| match stopped {
        Stopped::Output(error) => Box::<dyn Error>::from(cannot(error)),
        Stopped::Threads(_) => stopped.into(),
    })?;
    terminal.clear();
    printer.end().map_err(cannot)?;
    Ok(Exit::of(&outcome, options.fail_on))
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
struct Printing<'p, W>(&'p mut Printer<W>);

impl<W: Write + Send> Sink for Printing<'_, W> {
    fn take(&mut self, outputs: Vec<Output>) -> io::Result<()> {
        self.0.print(outputs)
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
fn closed_pipe(error: &(dyn Error + 'static)) -> bool {
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
