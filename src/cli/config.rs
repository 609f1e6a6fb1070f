//! `mailtap config`: what is in force, as a configuration file. What is said of each key is the help of its flag.

use std::fmt::{Display, Write as _};

use clap::Arg;
use serde_json::Value as Json;

use crate::record::Options;

use super::args;
use super::exit::Exit;
use super::options::{About, Row, SECTIONS, Section};
use super::rules::wrapped;
use super::scan::chain;

const HEAD: &str = "The options in effect, as a configuration file: save it, change it, and use it with --config FILE. A key \
                    that is left out has its default. The command line overrides the file; a list there replaces the whole \
                    list here.";

/// Prints what is in force.
pub(super) fn run(arguments: &args::Config) -> Exit {
    match arguments.choice.options() {
        Ok(options) => super::print(&toml(&options)),
        Err(problem) => super::told(&chain(&problem)),
    }
}

/// A file that gives these options. What is a table stands behind all else, as TOML wants it.
fn toml(options: &Options) -> String {
    let mut text = wrapped("# ", HEAD);
    let mut tables = String::new();
    let in_force = serde_json::to_value(options).unwrap_or_default();
    for Section(title, rows) in SECTIONS {
        let mut keys = String::new();
        for row in *rows {
            match in_force.get(row.about().key) {
                Some(Json::Object(rows)) => tables += &table(*row, rows),
                Some(Json::Null) => row.flags().iter().for_each(|flag| keys += &unset(flag, row.about().such_as)),
                Some(value) => row.flags().iter().for_each(|flag| keys += &key(flag, row.about().key, value)),
                None => {}
            }
        }
        if !keys.is_empty() {
            let _ = write!(text, "\n### {title}\n{keys}");
        }
    }
    text + &tables
}

/// A table under its heading; where its rows are flags, each is told in the order of these.
fn table(row: &dyn Row, rows: &serde_json::Map<String, Json>) -> String {
    let (About { key: name, such_as, .. }, flags) = (row.about(), row.flags());
    let mut text = format!("\n{}[{name}]\n", flags.first().map(comment).unwrap_or_default());
    if rows.is_empty() {
        such_as.lines().for_each(|line| _ = writeln!(text, "# {line}"));
    }
    let parts = flags.iter().filter_map(|flag| Some((flag, flag.get_id().as_str().split_once('.')?.1)));
    let told: Vec<String> = parts.filter_map(|(flag, name)| Some(key(flag, name, rows.get(name)?))).collect();
    if told.is_empty() {
        rows.iter().for_each(|(name, value)| line(&mut text, Json::from(name.as_str()), value));
    }
    text + &told.concat()
}

/// A key, and what it is for.
fn key(told: &Arg, name: &str, value: &Json) -> String {
    let mut text = format!("\n{}", comment(told));
    line(&mut text, name, value);
    text
}

/// A key that has no value, and what one would look like.
fn unset(told: &Arg, such_as: &str) -> String {
    format!("\n{}# {such_as}\n", comment(told))
}

/// What the help says of an option, the values that it can have, and its flag.
fn comment(told: &Arg) -> String {
    let mut help = told.get_help().map(ToString::to_string).unwrap_or_default();
    let values = told.get_possible_values();
    if !values.is_empty() && !told.is_hide_possible_values_set() {
        let values = values.iter().map(clap::builder::PossibleValue::get_name).collect::<Vec<_>>();
        let _ = write!(help, " [possible values: {}]", values.join(", "));
    }
    if let Some(long) = told.get_long() {
        let _ = write!(help, " (--{long})");
    }
    wrapped("# ", &help)
}

/// TOML writes words, numbers and switches as JSON does.
fn line(text: &mut String, key: impl Display, value: &Json) {
    let _ = match value.as_array() {
        Some(items) => {
            let items = items.iter().map(Json::to_string).collect::<Vec<_>>();
            writeln!(text, "{key} = [{}]", items.join(", "))
        }
        None => writeln!(text, "{key} = {value}"),
    };
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::Limit;

    /// What the help says of a default, of the value as TOML has it.
    fn told(value: &str) -> String {
        value.replace(['"', '[', ']', ' '], "")
    }

    #[test]
    fn every_key_says_what_it_is_for_and_the_default_that_it_has() {
        let text = toml(&Options::default());
        let mut keys = 0;
        for part in text.split("\n\n") {
            let row = part.lines().last().filter(|row| !row.starts_with('#')).and_then(|row| row.split_once(" = "));
            let Some((key, value)) = row else { continue };
            let comment = part.lines().filter_map(|line| line.strip_prefix("# ")).collect::<Vec<_>>().join(" ");
            let defaults = match told(value).as_str() {
                "" => vec!["[default: all]".to_owned(), "[default: none]".to_owned()],
                value => vec![format!("[default: {value}]")],
            };
            assert!(defaults.iter().any(|default| comment.contains(default)), "{key} = {value}: {comment}");
            assert!(comment.len() > 20, "{key}: {comment}");
            keys += 1;
        }
        assert_eq!(keys, 16 + Limit::ALL.len(), "{text}");
    }

    #[test]
    fn severities_are_written_with_their_rules_before_their_checks() {
        let mut options = Options::default();
        for (selector, severity) in [("starttls/masked", "high"), ("starttls", "low")] {
            let severity = crate::rules::Severity::ALL.into_iter().find(|known| known.name() == severity).unwrap();
            options.severity.insert(selector.parse().unwrap(), severity);
        }
        assert!(toml(&options).contains("[severity]\n\"starttls\" = \"low\"\n\"starttls/masked\" = \"high\"\n"));
    }
}
