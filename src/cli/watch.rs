//! `mailtap watch`: opens the interfaces, gives up what it no longer needs, and reports until it is told to end.
//! `mailtap interfaces`: what can be listened on.

use std::error::Error;
use std::fmt::Write as _;
use std::io::{self, Write};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use crate::base::LinkType;
use crate::capture::live::{self, Live, Lost, LostCause};
use crate::capture::{self, ShownPath};
use crate::decode;
use crate::decode::kernel_filter::{KernelFilter, kernel_filter};
use crate::engine::{self, Plan, Sink, Stopped};
use crate::ledger::Output;
use crate::report::{Printer, Start};

use super::args::{Watch, Work};
use super::exit::Exit;
use super::host::log_file::LogFile;
use super::host::signals::{Pulse, Signals};
use super::host::station::Station;
use super::host::{metrics, privileges, sandbox};
use super::progress::Terminal;
use super::scan::{CannotWrite, chain, styled};
use super::settings::Settings;

/// Listens and reports.
pub(super) fn run(arguments: &Watch) -> Exit {
    let settings = match arguments.choice.settings() {
        Ok(settings) => settings,
        Err(problem) => return super::told(&chain(&problem)),
    };
    match watch(arguments, &settings) {
        Ok(exit) => exit,
        Err(error) => super::told(&chain(&*error)),
    }
}

/// Prints what can be listened on, a line for each.
pub(super) fn interfaces() -> Exit {
    let listed = match live::interfaces() {
        Ok(listed) => listed,
        Err(problem) => return super::told(&problem),
    };
    let mut text = String::new();
    for live::Listed { name, description, state } in listed {
        let description = description.map(|description| format!("  {description}")).unwrap_or_default();
        let state = if state.is_empty() { String::new() } else { format!("  ({})", state.join(", ")) };
        // Writing to a string cannot fail.
        let _ = writeln!(text, "{name}{description}{state}");
    }
    super::print(&text)
}

fn watch(arguments: &Watch, settings: &Settings) -> Result<Exit, Box<dyn Error>> {
    let terminal = Terminal::new(arguments.output.quiet, true);
    let signals = Signals::listen()?;
    let filters = |link_type| filter(arguments, settings, link_type);
    let live = Live::open(&arguments.request()?, |link_type| filters(link_type).expression).map_err(unopened)?;
    if let Some((name, LinkType(number))) = live.link_types().find(|(_, link_type)| !decode::is_supported(*link_type)) {
        return Err(format!("{name}: link type {number} is not supported").into());
    }
    let metrics = arguments.metrics.as_deref().map(metrics::bind).transpose()?;
    // Counted while the system still tells; the rest is opened as the user that is left, and before nothing can be.
    let threads = arguments.threads.or_else(|| std::thread::available_parallelism().ok());
    let given = privileges::give_up(arguments.user.as_deref())?;
    let confinement = arguments.confinement();
    for directory in &confinement.writable {
        privileges::try_directory(directory)?;
    }
    let mut reporting = Reporting::open(arguments, settings, Arc::clone(&signals.reopen), &terminal)?;
    let stats = Arc::new(Mutex::default());
    let station = Station::new(terminal, Arc::clone(&stats));
    let confined = sandbox::confine(&confinement)?;
    // From here on there are threads.
    signals.enforce_end(Arc::clone(&reporting.pulse), end_at_once)?;
    let say = |line: &str| station.say(line);
    say(&format!("{given}; {confined}"));
    if let Some(listener) = metrics {
        say(&format!("metrics at http://{}/metrics", listener.local_addr()?));
        metrics::serve(listener, Arc::clone(&stats))?;
    }
    for (name, link_type) in live.link_types() {
        let KernelFilter { expression, note } = filters(link_type);
        say(&format!("listening on {name}, link type {}, filter: {expression}", link_type.0));
        if let Some(note) = note {
            say(&format!("{name}: {note}"));
        }
    }
    let plan = Plan {
        stop: signals.stop,
        packets: arguments.packets,
        duration: arguments.duration,
        stats_interval: arguments.stats_interval(),
        renotify: i64::try_from(arguments.renotify.as_nanos()).ok(),
    };
    let ran =
        engine::watch(&settings.engine(&Work { threads, ..Work::default() }), &plan, live, &mut reporting, &station);
    let outcome = ran.map_err(|stopped| match stopped {
        Stopped::Output(error) => Box::<dyn Error>::from(reporting.cannot(error)),
        Stopped::Threads(_) => stopped.into(),
    })?;
    station.terminal().clear();
    station.tell_last_drops();
    reporting.end()?;
    Ok(Exit::of(&outcome, arguments.output.fail_on))
}

/// Why no interface could be opened; of a missing privilege, how to grant it.
fn unopened(lost: Lost) -> Box<dyn Error> {
    match (&lost.cause, privileges::may_capture()) {
        (LostCause::Permission, Err(missing)) => missing.into(),
        _ => lost.into(),
    }
}

/// What is to pass the kernel: what was asked for, or all that the decoder would find something in.
fn filter(arguments: &Watch, settings: &Settings, link_type: LinkType) -> KernelFilter {
    match &arguments.bpf {
        Some(expression) => KernelFilter { expression: expression.clone(), note: None },
        None => kernel_filter(&settings.ports, link_type),
    }
}

/// The last resort where the end takes too long.
#[expect(clippy::exit, reason = "another thread waits for somebody who does not read")]
fn end_at_once() {
    // Nobody is left to be told where this fails.
    let _ = writeln!(io::stderr(), "mailtap: the output takes nothing any more: ended without the last records");
    std::process::exit(2);
}

/// Formatting and writing, on the engine's output thread.
struct Reporting {
    printer: Printer<Target>,
    start: Start,
    /// Whoever reads is told where a file begins; a terminal needs it not.
    name: String,
    reopen: Arc<AtomicBool>,
    pulse: Arc<Pulse>,
}

/// Where records go.
enum Target {
    File(LogFile),
    Stdout(io::Stdout),
}

impl Write for Target {
    fn write(&mut self, lines: &[u8]) -> io::Result<usize> {
        match self {
            Target::File(file) => file.write(lines),
            Target::Stdout(stdout) => stdout.write(lines),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Target::File(file) => file.flush(),
            Target::Stdout(stdout) => stdout.flush(),
        }
    }
}

impl Reporting {
    fn open(
        arguments: &Watch,
        settings: &Settings,
        reopen: Arc<AtomicBool>,
        terminal: &Terminal,
    ) -> Result<Self, CannotWrite> {
        let options = &arguments.output;
        let name =
            options.file.as_deref().map_or_else(|| "standard output".to_owned(), |path| ShownPath(path).to_string());
        let cannot = |source| CannotWrite { to: name.clone(), source };
        let target = match options.file.as_deref() {
            Some(path) => Target::File(log_file(path, arguments, terminal).map_err(cannot)?),
            None if arguments.rotate.is_some() => return Err(cannot(io::Error::other("only a file can be rotated"))),
            None => Target::Stdout(io::stdout()),
        };
        let color = styled(options.color, options.file.is_none());
        let printer = Printer::new(arguments.format(), options.show_secrets, color, target).reporting_as_it_goes();
        let mut reporting =
            Reporting { printer, start: arguments.start(settings), name, reopen, pulse: Arc::default() };
        reporting.printer.start(&reporting.start).map_err(|source| reporting.cannot(source))?;
        Ok(reporting)
    }

    fn cannot(&self, source: io::Error) -> CannotWrite {
        CannotWrite { to: self.name.clone(), source }
    }

    /// Begins another file where this one is full, or somebody renamed it; each begins with the first record.
    fn turn(&mut self) -> io::Result<()> {
        let reopen = self.reopen.swap(false, Ordering::Relaxed);
        let Target::File(file) = self.printer.target() else { return Ok(()) };
        match (reopen, file.is_due()) {
            (true, _) => file.reopen()?,
            (false, true) => file.rotate()?,
            (false, false) => return Ok(()),
        }
        self.pulse.during(|| self.printer.start(&self.start))
    }

    fn end(self) -> Result<(), CannotWrite> {
        let Reporting { printer, name, pulse, .. } = self;
        pulse.during(|| printer.end()).map_err(|source| CannotWrite { to: name, source })
    }
}

fn log_file(path: &Path, arguments: &Watch, terminal: &Terminal) -> io::Result<LogFile> {
    if capture::is_capture(path) {
        return Err(io::Error::other("it is a capture"));
    }
    let (file, cut) = LogFile::open(path, arguments.rotate)?;
    if cut > 0 {
        terminal.line(&format!("mailtap: {}: its last line was not whole: {cut} bytes were cut off", ShownPath(path)));
    }
    Ok(file)
}

impl Sink for Reporting {
    fn take(&mut self, outputs: Vec<Output>) -> io::Result<()> {
        self.turn()?;
        for output in outputs {
            self.pulse.during(|| self.printer.print([output]))?;
            self.turn()?;
        }
        Ok(())
    }
}
