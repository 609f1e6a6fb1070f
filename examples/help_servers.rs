//! Prints the servers that answer HELP in the captures that are named on the command line.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "it is a program")]

use mailtap::record::{Help, Record};
use mailtap::{Config, Engine, RecordKind, Source};

fn main() -> Result<std::process::ExitCode, mailtap::Error> {
    let captures = Source::paths(std::env::args_os().skip(1));
    let engine = Engine::new(Config::new().records([RecordKind::Servers]));
    let outcome = engine.scan(&captures, |record| {
        if let Record::Server(server) = record
            && server.help == Help::Exposed
        {
            println!("{server}");
        }
    })?;
    outcome.problems.iter().for_each(|problem| eprintln!("{problem}"));
    Ok(if outcome.is_complete() { 0 } else { 2 }.into())
}
