//! The command line: arguments in, an exit code out. The only room that knows of arguments, of standard output and
//! standard error; one file per subcommand.
//!
//! Read in this order: [`args`], [`help`], [`spelling`], [`usage`], [`options`], [`values`], [`mod@file`], [`scan`], [`evidence`], [`units`], [`host`],
//! [`reporting`], [`watch`], [`show`], [`config`], [`rules`], [`schema`], [`nothing`], [`exit`], [`stop`], [`progress`].

mod args;
mod config;
mod evidence;
mod exit;
mod file;
mod help;
#[cfg(live)]
mod host;
mod nothing;
mod options;
mod progress;
#[cfg(live)]
mod reporting;
mod rules;
mod scan;
mod schema;
mod show;
mod spelling;
mod stop;
#[cfg(live)]
mod units;
mod usage;
mod values;
#[cfg(live)]
mod watch;

use std::io::Write;
use std::process::ExitCode;

use clap::FromArgMatches;
use clap::error::ErrorKind;

use crate::engine;
use args::{Arguments, Command};
use exit::Exit;

/// Runs the program with the process's arguments.
pub fn main() -> ExitCode {
    engine::take_over(|place| {
        // Nobody is left to be told where this fails.
        let _ = writeln!(std::io::stderr(), "mailtap: internal error ({place}): giving up");
    });
    std::panic::catch_unwind(run).unwrap_or(Exit::Problem).into()
}

fn run() -> Exit {
    let mut command = help::command();
    let words = spelling::understood(std::env::args_os(), &command);
    let parsed = command.try_get_matches_from_mut(&words).and_then(|matches| Arguments::from_arg_matches(&matches));
    match parsed.map(Arguments::settled) {
        Ok(arguments) => match arguments.command {
            Command::Scan(arguments) => scan::run(&arguments),
            #[cfg(live)]
            Command::Watch(arguments) => watch::run(&arguments),
            #[cfg(live)]
            Command::Interfaces(arguments) => watch::interfaces(&arguments),
            #[cfg(not(live))]
            Command::Watch(_) | Command::Interfaces(_) => {
                told("this build cannot capture live traffic: that needs Linux and the feature `live`")
            }
            Command::Show(arguments) => show::run(&arguments),
            Command::Config(arguments) => config::run(&arguments),
            Command::Rules(arguments) => rules::run(&arguments),
            Command::Schema => schema::run(),
        },
        Err(error) => match error.kind() {
            ErrorKind::DisplayHelp => {
                let named = words.get(1).and_then(|name| name.to_str()).and_then(|name| command.find_subcommand(name));
                print(&named.map_or_else(|| error.render().ansi().to_string(), help::page))
            }
            ErrorKind::DisplayVersion => print(&error.render().ansi().to_string()),
            ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => {
                // Nobody is left to be told where this fails.
                let _ = error.print();
                Exit::Problem
            }
            _ => told(&usage::wrong(&error, &words, &command)),
        },
    }
}

/// Prints what a subcommand gives beside reports, with styles where the terminal shows them.
fn print(text: &str) -> Exit {
    let mut out = anstream::stdout();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => {
            told(&format!("cannot write standard output: {error}"))
        }
        _ => Exit::Done,
    }
}

/// Says in one line why nothing more is done.
fn told(problem: &str) -> Exit {
    // Nobody is left to be told where this fails.
    let _ = writeln!(std::io::stderr(), "mailtap: {problem}");
    Exit::Problem
}
