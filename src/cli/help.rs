//! How the help looks: which options a command's page shows, so that it fits two screens of 80 columns. What is rarely
//! needed stays an option that `mailtap config` describes; other programs' names for options are understood, not shown.

use std::fmt::Write as _;

use anstyle::Style;
use clap::{Arg, ArgAction, Command, CommandFactory};

use super::args::Arguments;
use super::spelling;

/// The widest line.
const COLUMNS: usize = 80;

/// In which order the parts of a page stand; others follow.
const ORDER: &[&str] = &["Arguments", "Capture", "Filters", "Output", "Reading", "Options"];

/// Options that a command's page leaves out, by id; of all commands where none is named.
const HIDDEN: &[(&str, &[&str])] = &[
    ("", &["half_open_timeout", "idle_timeout", "closed_timeout", "fragment_timeout", "merge_files", "batch_bytes"]),
    // What is shown is one session, not the records of a scan.
    ("show", &["hash", "records"]),
    // A live capture is one input, and its sessions are still to come.
    ("watch", &["separate", "hash", "since", "until", "session", "allow_nothing", "threads", "snap_length"]),
];

/// The program's commands and options, with every spelling that is understood.
pub(super) fn command() -> Command {
    let command = Arguments::command().disable_help_subcommand(true).max_term_width(COLUMNS);
    spelling::alias(with_help(command)).mut_subcommands(|command| {
        let name = command.get_name().to_owned();
        let shown = |arg: Arg| if is_hidden(&name, &arg) { arg.hide(true) } else { arg };
        // The one option about reading that a live capture shows.
        let placed =
            |arg: Arg| if name == "watch" && arg.get_id() == "port" { arg.help_heading("Capture") } else { arg };
        with_help(command.mut_args(|arg| placed(shown(arg))))
    })
}

fn with_help(command: Command) -> Command {
    let flag = |id: &'static str, letter, action| Arg::new(id).short(letter).long(id).action(action).hide(true);
    let command = command.version(env!("CARGO_PKG_VERSION")).disable_help_flag(true).disable_version_flag(true);
    command
        .arg(flag("help", 'h', ArgAction::HelpShort))
        .arg(flag("version", 'V', ArgAction::Version))
        .display_name("mailtap")
}

fn is_hidden(command: &str, arg: &Arg) -> bool {
    let id = arg.get_id().as_str();
    let mut rows = HIDDEN.iter().filter(|(of, _)| of.is_empty() || *of == command);
    arg.is_hide_set() || id.starts_with("limits.") || rows.any(|(_, ids)| ids.contains(&id))
}

/// The page of one command.
pub(super) fn page(command: &Command) -> String {
    let usage = command.clone().render_usage().to_string();
    let text = |part: Option<&clap::builder::StyledStr>| part.map(|part| format!("\n{part}\n")).unwrap_or_default();
    let about = command.get_about().map(ToString::to_string).unwrap_or_default();
    let mut page = format!("{about}\n\n{}\n{}", usage.trim_end(), text(command.get_before_help()));
    let shown: Vec<&Arg> = command.get_arguments().filter(|arg| !arg.is_hide_set()).collect();
    let column = shown.iter().map(|arg| name(arg).chars().count()).max().unwrap_or_default().saturating_add(2);
    let mut headings: Vec<&str> = Vec::new();
    for heading in ORDER.iter().copied().chain(shown.iter().map(|arg| heading(arg))) {
        if !headings.contains(&heading) {
            headings.push(heading);
        }
    }
    for title in headings {
        let rows: String = shown.iter().filter(|arg| heading(arg) == title).map(|arg| row(arg, column)).collect();
        if !rows.is_empty() {
            let bold = Style::new().bold();
            // Writing to a string cannot fail.
            let _ = write!(page, "\n{bold}{title}:{bold:#}\n{rows}");
        }
    }
    page + &text(command.get_after_help())
}

fn heading(arg: &Arg) -> &str {
    arg.get_help_heading().unwrap_or(if arg.is_positional() { "Arguments" } else { "Options" })
}

/// What is typed: `  -o, --output FILE`.
fn name(arg: &Arg) -> String {
    let value = arg.get_value_names().and_then(<[_]>::first).map(ToString::to_string).unwrap_or_default();
    let value = if arg.get_action().takes_values() && !arg.is_require_equals_set() { value } else { String::new() };
    let spelled = match (arg.get_short(), arg.get_long()) {
        (Some(short), Some(long)) => format!("-{short}, --{long} {value}"),
        (None, Some(long)) => format!("    --{long} {value}"),
        (Some(short), None) => format!("-{short} {value}"),
        (None, None) => value,
    };
    format!("  {}", spelled.trim_end())
}

/// An option with its help, which begins in the same column on every line.
fn row(arg: &Arg, column: usize) -> String {
    let mut help = arg.get_help().map(ToString::to_string).unwrap_or_default();
    if let [default] = arg.get_default_values()
        && arg.get_action().takes_values()
    {
        let _ = write!(help, " [default: {}]", default.to_string_lossy());
    }
    // A switch is off unless it is given.
    let help = help.strip_suffix(" [default: false]").unwrap_or(&help);
    let mut text = String::new();
    let mut line = format!("{:<column$}", name(arg));
    // What is in brackets stays together.
    let help = help.replace("[default: ", "[default:\u{a0}");
    for word in help.split(' ').map(|word| word.replace('\u{a0}', " ")) {
        let length = line.chars().count();
        if length.saturating_add(word.chars().count()) > COLUMNS && length > column {
            let _ = writeln!(text, "{}", line.trim_end());
            line = " ".repeat(column);
        }
        line.push_str(&word);
        line.push(' ');
    }
    let _ = writeln!(text, "{}", line.trim_end());
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    /// So many lines are two screens.
    const LINES: usize = 48;

    #[test]
    fn every_page_fits_two_screens_of_80_columns() {
        let mut command = command();
        command.build();
        let names: Vec<String> = command.get_subcommands().map(|command| command.get_name().to_owned()).collect();
        let pages = names.iter().map(|name| page(command.find_subcommand(name).unwrap()));
        for page in pages.collect::<Vec<_>>().into_iter().chain([command.render_help().to_string()]) {
            let page = anstream::adapter::strip_str(&page).to_string();
            assert!(page.lines().count() <= LINES, "{} lines:\n{page}", page.lines().count());
            for line in page.lines() {
                assert!(line.chars().count() <= COLUMNS && line.trim_end() == line, "{line:?}");
            }
        }
    }

    #[test]
    fn what_is_hidden_is_an_option_all_the_same() {
        let mut command = command();
        command.build();
        for (of, ids) in HIDDEN {
            let commands = command
                .get_subcommands()
                .filter(|command| command.get_name() == if of.is_empty() { "scan" } else { of });
            for command in commands {
                for id in *ids {
                    assert!(command.get_arguments().any(|arg| arg.get_id() == id), "{of} {id}");
                }
            }
        }
    }
}
