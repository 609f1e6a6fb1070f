//! `mailtap watch`: opens the interfaces, gives up what it no longer needs, and reports until it is told to end.
//! `mailtap interfaces`: what can be listened on.

use std::error::Error;
use std::fmt::Write as _;
use std::io::{self, Write};
use std::path::Path;
use std::sync::{Arc, Mutex};

use crate::base::LinkType;
use crate::capture::ShownPath;
use crate::capture::live::{self, Live, Lost, LostCause};
use crate::decode;
use crate::decode::kernel_filter::{KernelFilter, kernel_filter};
use crate::engine::{self, Config, Plan};
use crate::record::Options;

use super::args::{Interfaces, Watch, Work};
use super::evidence;
use super::exit::Exit;
use super::host::signals::Signals;
use super::host::station::Station;
use super::host::{metrics, privileges, sandbox};
use super::progress::Terminal;
use super::reporting::Reporting;
use super::scan::{chain, why};

/// Listens and reports.
pub(super) fn run(arguments: &Watch) -> Exit {
    if let Some(file) = arguments.file() {
        let file = ShownPath(Path::new(file));
        return super::told(&format!("{file} is a file: use 'mailtap scan {file}'"));
    }
    if !arguments.format().goes_on {
        return super::told(&format!("--format {} works with 'mailtap scan' only", arguments.format().name));
    }
    let options = match arguments.choice.options() {
        Ok(options) => options,
        Err(problem) => return super::told(&chain(&problem)),
    };
    match watch(arguments, &options) {
        Ok(exit) => exit,
        Err(error) => super::told(&chain(&*error)),
    }
}

/// Prints what can be listened on, a line for each: what is up and carries packets of a network, or everything.
pub(super) fn interfaces(arguments: &Interfaces) -> Exit {
    let listed = match live::interfaces() {
        Ok(listed) => listed,
        Err(problem) => return super::told(&problem),
    };
    super::print(&listing(&listed, arguments.verbose))
}

fn listing(listed: &[live::Listed], all: bool) -> String {
    let (shown, left): (Vec<_>, Vec<_>) = listed.iter().partition(|interface| all || interface.is_usual());
    let width = shown.iter().map(|interface| interface.name.chars().count()).max().unwrap_or_default();
    let mut text = String::new();
    for live::Listed { name, description, state } in shown {
        let state = if state.is_empty() { String::new() } else { format!("  {}", state.join(", ")) };
        let description = description.as_ref().map(|description| format!("  {description}")).unwrap_or_default();
        // Writing to a string cannot fail.
        let _ = writeln!(text, "{}", format!("{name:<width$}{state}{description}").trim_end());
    }
    if text.is_empty() {
        text.push_str("No network interface is up.\n");
    }
    if !left.is_empty() {
        let _ = writeln!(text, "{} more that are down, loopback or no network: mailtap interfaces -v", left.len());
    }
    text
}

fn watch(arguments: &Watch, options: &Options) -> Result<Exit, Box<dyn Error>> {
    let terminal = Terminal::with_status(arguments.output.quiet);
    let signals = Signals::listen()?;
    let filters = |link_type| filter(arguments, options, link_type);
    let live = Live::open(&arguments.request()?, |link_type| filters(link_type).expression).map_err(unopened)?;
    if let Some((name, LinkType(number))) = live.link_types().find(|(_, link_type)| !decode::is_supported(*link_type)) {
        return Err(format!("{name}: link type {number} is not supported").into());
    }
    let metrics = arguments.metrics.as_deref().map(metrics::bind).transpose()?;
    // Counted while the system still tells; the rest is opened as the user that is left, and before nothing can be.
    let threads = arguments.threads.or_else(|| std::thread::available_parallelism().ok());
    let work = Work { threads, ..Work::default() };
    let config = Config { evidence: arguments.output.write.is_some(), ..work.engine(options) };
    let given = privileges::give_up(arguments.user.as_deref())?;
    let confinement = arguments.confinement();
    for directory in &confinement.writable {
        privileges::try_directory(directory)?;
    }
    let mut reporting =
        Reporting::open(arguments, options, config.selection.catalogue(), Arc::clone(&signals.reopen), &terminal)?;
    let stats = Arc::new(Mutex::default());
    let station = Station::new(terminal, Arc::clone(&stats), arguments.interfaces.join(","));
    let confined = sandbox::confine(&confinement)?;
    // From here on there are threads.
    signals.enforce_end(reporting.pulse(), end_at_once)?;
    let say = |line: &str| station.say(line);
    if station.terminal().has_status() {
        station.terminal().line(&headline(&arguments.interfaces, &options.port));
    }
    say(&format!("{given}; {confined}"));
    if let Some(path) = &arguments.output.write {
        say(&evidence::notice(&ShownPath(path).to_string()));
    }
    if let Some(listener) = metrics {
        say(&format!("metrics at http://{}/metrics", listener.local_addr()?));
        metrics::serve(listener, Arc::clone(&stats))?;
    }
    for (name, link_type) in live.link_types() {
        let KernelFilter { expression, note } = filters(link_type);
        // A person has read the headline; a log has room for the filter.
        if !station.terminal().has_status() {
            say(&format!("listening on {name}, link type {}, filter: {expression}", link_type.0));
        }
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
    let ran = engine::watch(&config, &plan, live, &mut reporting, &station);
    let outcome = ran.map_err(|stopped| why(stopped, reporting.written()))?;
    station.terminal().clear();
    station.tell_last_drops();
    reporting.end()?;
    Ok(Exit::telling(&outcome, &options.port, &arguments.output, station.terminal()))
}

/// What a person at a terminal reads first.
fn headline(interfaces: &[String], ports: &[u16]) -> String {
    let (interfaces, word) = (interfaces.join(", "), if ports.len() == 1 { "port" } else { "ports" });
    let ports = ports.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
    format!("mailtap watch  {interfaces}, TCP {word} {ports}. Times are UTC. Ctrl-C ends it with a summary.")
}

/// Why no interface could be opened; of a missing privilege, how to grant it.
fn unopened(lost: Lost) -> Box<dyn Error> {
    match (&lost.cause, privileges::may_capture()) {
        (LostCause::Permission, Err(missing)) => missing.into(),
        _ => lost.into(),
    }
}

/// What is to pass the kernel: what was asked for, or all that the decoder would find something in.
fn filter(arguments: &Watch, options: &Options, link_type: LinkType) -> KernelFilter {
    match &arguments.bpf {
        Some(expression) => KernelFilter { expression: expression.clone(), note: None },
        None => kernel_filter(&options.port, arguments.notice_ports, link_type),
    }
}

/// The last resort where the end takes too long.
#[expect(clippy::exit, reason = "another thread waits for somebody who does not read")]
fn end_at_once() {
    // Nobody is left to be told where this fails.
    let _ = writeln!(io::stderr(), "mailtap: the output is blocked: ended without writing the last records");
    std::process::exit(2);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_up_and_a_network_is_listed_and_the_rest_counted() {
        let listed = |name: &str, state: &[&'static str]| live::Listed {
            name: name.to_owned(),
            description: None,
            state: state.to_vec(),
        };
        let all = [
            listed("enp0s31f6", &["up", "running", "connected"]),
            listed("wlan0", &["up", "running", "wireless", "connected"]),
            listed("eth1", &["up", "disconnected"]),
            listed("eth2", &[]),
            listed("lo", &["up", "running", "loopback"]),
            listed("any", &["up", "running"]),
            listed("nflog", &[]),
            listed("bluetooth-monitor", &["wireless"]),
            listed("usbmon1", &["up", "running"]),
            listed("dbus-system", &[]),
        ];
        assert_eq!(
            listing(&all, false),
            "enp0s31f6  up, running, connected\nwlan0      up, running, wireless, connected\n\
             eth1       up, disconnected\n7 more that are down, loopback or no network: mailtap interfaces -v\n"
        );
        assert_eq!(listing(&all, true).lines().count(), all.len());
        assert!(listing(&[], false).contains("No network interface is up"));
    }
}
