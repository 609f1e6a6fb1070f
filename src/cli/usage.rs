//! What is wrong with the arguments, in one line that says how to say it.

use std::error::Error as _;
use std::ffi::OsString;

use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{Command, Error};

use super::file::one_line;
use super::spelling;

/// What is wrong: `words` are the arguments as the parser got them, the program's name first.
pub(super) fn wrong(error: &Error, words: &[OsString], command: &Command) -> String {
    one_line(&what(error, words, command))
}

fn what(error: &Error, words: &[OsString], command: &Command) -> String {
    let named = words.get(1).and_then(|word| word.to_str()).and_then(|name| command.find_subcommand(name));
    let option = text(error, ContextKind::InvalidArg).map(bare).unwrap_or_default();
    let value = text(error, ContextKind::InvalidValue).unwrap_or_default();
    match error.kind() {
        ErrorKind::InvalidSubcommand => {
            unknown_command(text(error, ContextKind::InvalidSubcommand).unwrap_or_default(), command)
        }
        ErrorKind::UnknownArgument => unknown_option(option, named, command),
        ErrorKind::InvalidValue if value.is_empty() => format!("{option} needs a value{}", values(error)),
        ErrorKind::InvalidValue => format!("invalid value '{value}' for {option}{}", values(error)),
        ErrorKind::ValueValidation => {
            let why = error.source().map(ToString::to_string).unwrap_or_default();
            format!("invalid value '{value}' for {option}: {}", reason(&why, value))
        }
        ErrorKind::MissingRequiredArgument => match named.map(Command::get_name) {
            Some("scan") => "no capture is named: use 'mailtap scan PATH...', or - for standard input".to_owned(),
            Some("watch") => {
                "no interface is named: use 'mailtap watch IFACE' ('mailtap interfaces' lists them)".to_owned()
            }
            Some("show") => {
                "WHAT or the captures are missing: use 'mailtap show SESSION PATH...', with an ID that a scan prints"
                    .to_owned()
            }
            _ => format!("{option} is missing"),
        },
        ErrorKind::ArgumentConflict => match text(error, ContextKind::PriorArg).map(bare) {
            Some(prior) if prior != option => format!("{option} and {prior} cannot be used together"),
            _ => format!("{option} can be given only once"),
        },
        ErrorKind::InvalidUtf8 => "an argument is not valid UTF-8".to_owned(),
        ErrorKind::TooManyValues => format!("{option} takes no value"),
        ErrorKind::NoEquals => format!("{option} takes its value after an equals sign: {option}=VALUE"),
        _ => {
            let text = error.to_string();
            let first = text.lines().next().unwrap_or_default();
            first.strip_prefix("error: ").unwrap_or(first).to_owned()
        }
    }
}

fn unknown_command(typed: &str, command: &Command) -> String {
    let nearest = || {
        let known = command.get_subcommands().filter(|command| !command.is_hide_set());
        let names: Vec<&str> = known.map(Command::get_name).collect();
        match spelling::nearest(typed, names.iter().copied()) {
            Some(name) => format!("did you mean '{name}'?"),
            None => format!("the commands are {} ('mailtap FILE' scans a file)", names.join(", ")),
        }
    };
    let hint = spelling::command_hint(typed).map_or_else(nearest, str::to_owned);
    format!("no command or file '{typed}': {hint}")
}

fn unknown_option(option: &str, named: Option<&Command>, command: &Command) -> String {
    let name = named.map_or("", Command::get_name);
    if !option.starts_with('-') {
        return format!("unexpected argument '{option}' (see 'mailtap {name} --help')");
    }
    let nearest = || {
        let other = command.get_subcommands().find(|command| longs(command).any(|long| long == option));
        let known: Vec<String> = named.into_iter().flat_map(longs).collect();
        match (other, spelling::nearest(option, known.iter().map(String::as_str))) {
            (Some(other), _) => format!("it is an option of 'mailtap {}'", other.get_name()),
            (None, Some(near)) => format!("did you mean '{near}'?"),
            (None, None) => format!("see 'mailtap {name} --help'").replace("  ", " "),
        }
    };
    let hint = spelling::hint(name, option).map_or_else(nearest, str::to_owned);
    format!("unknown option '{option}': {hint}")
}

/// The long options of a command.
fn longs(command: &Command) -> impl Iterator<Item = String> + '_ {
    command.get_arguments().filter_map(|arg| arg.get_long().map(|long| format!("--{long}")))
}

/// The values that there are.
fn values(error: &Error) -> String {
    match error.get(ContextKind::ValidValue) {
        Some(ContextValue::Strings(values)) if !values.is_empty() => format!(": expected {}", one_of(values)),
        _ => String::new(),
    }
}

/// `a, b or c`.
fn one_of(values: &[String]) -> String {
    match values.split_last() {
        Some((last, [])) => last.clone(),
        Some((last, others)) => format!("{} or {last}", others.join(", ")),
        None => String::new(),
    }
}

/// Why a value was refused, without the value once more, and as a person would say it.
fn reason(why: &str, value: &str) -> String {
    let why = why.strip_prefix(&format!("'{value}': ")).unwrap_or(why);
    if let Some((_, range)) = why.split_once(" is not in ") {
        let range = range.replace("..=", " to ").replace("..", " to ");
        return format!("expected a number from {}", range.replace(&format!(" to {}", u64::MAX), " up"));
    }
    match why {
        "invalid digit found in string" | "cannot parse integer from empty string" => "expected a number".to_owned(),
        "number would be zero for non-zero type" => "expected a number from 1 up".to_owned(),
        why => why.to_owned(),
    }
}

/// `--fail-on` of `--fail-on <SEVERITY>`.
fn bare(option: &str) -> &str {
    option.split([' ', '[', '=']).next().unwrap_or_default()
}

fn text(error: &Error, kind: ContextKind) -> Option<&str> {
    match error.get(kind) {
        Some(ContextValue::String(text)) => Some(text),
        Some(ContextValue::Strings(texts)) => texts.first().map(String::as_str),
        _ => None,
    }
}
