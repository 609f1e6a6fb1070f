//! `mailtap config`: what is in force, as a configuration file. What is said of each key is the help of its flag.

use std::fmt::{Display, Write as _};

use clap::Args as _;

use crate::base::Limit;

use super::args;
use super::exit::Exit;
use super::options::{Options, READING, REPORT, TIMEOUTS, flag_of};
use super::rules::wrapped;
use super::scan::chain;
use super::settings::{Settings, seconds};

const HEAD: &str = "What is in force, as a configuration: save it, change it, and name it with --config FILE. A key that is \
                    left out has its default. What the command line says wins over the file; a list there takes the place of \
                    the whole list here.";
const EXCHANGE_PEERS: &str = "Networks or addresses of Exchange servers: what two of them say to each other with Exchange's \
                              own verbs is reported as info [default: none]";
const SEVERITY: &str = "The severity that every finding of a rule, or of one check, is reported with, whatever the rule or \
                        exchange_peers makes of it; a check's row wins over its rule's [default: none]";
/// Shown where no severity is set, for the quotes around a check's name are easily forgotten.
const SUCH_AS: &str = "# starttls = \"low\"\n# \"starttls/masked\" = \"high\"\n";

/// Prints what is in force.
pub(super) fn run(arguments: &args::Config) -> Exit {
    match arguments.choice.settings() {
        Ok(settings) => super::print(&toml(&settings)),
        Err(problem) => super::told(&chain(&problem)),
    }
}

/// A file that gives these settings.
fn toml(settings: &Settings) -> String {
    let mut page = Page { text: wrapped("# ", HEAD), flags: Options::augment_args(clap::Command::new("")) };
    page.section(REPORT);
    page.option("min_severity", quoted(settings.min_severity.name()));
    page.option("select", list(settings.select.iter().map(quoted)));
    page.option("ignore", list(settings.ignore.iter().map(quoted)));
    page.option("servers", list(settings.servers.iter().map(quoted)));
    page.key(EXCHANGE_PEERS, "exchange_peers", list(settings.exchange_peers.iter().map(quoted)));
    page.option("records", list(settings.records.iter().map(|kind| quoted(kind.name()))));
    page.section(READING);
    page.option("port", list(&settings.ports));
    page.option("separate", settings.separate);
    page.option("hash", settings.hash);
    page.option("merge_files", settings.merge_files);
    page.section(TIMEOUTS);
    page.option("half_open_timeout", seconds(settings.timeouts.half_open));
    page.option("idle_timeout", seconds(settings.timeouts.idle));
    page.option("closed_timeout", seconds(settings.timeouts.closed));
    page.option("fragment_timeout", seconds(settings.timeouts.fragments));
    page.table(SEVERITY, "severity");
    if settings.severity.is_empty() {
        page.text += SUCH_AS;
    }
    for (selector, severity) in &settings.severity {
        page.row(quoted(selector), quoted(severity.name()));
    }
    page.table("Bounds on what the traffic can make grow; the summary's limits_hit names them so", "limits");
    for bound in Limit::ALL {
        let comment = page.help(&flag_of(bound));
        page.key(&comment, bound.key, settings.limits.get(bound.limit));
    }
    page.text
}

/// The file as far as it is written, and the flags whose help it quotes.
struct Page {
    text: String,
    flags: clap::Command,
}

impl Page {
    fn section(&mut self, title: &str) {
        let _ = write!(self.text, "\n### {title}\n");
    }

    /// A key that is a flag too.
    fn option(&mut self, key: &str, value: impl Display) {
        let comment = self.help(key);
        self.key(&comment, key, value);
    }

    fn key(&mut self, comment: &str, key: &str, value: impl Display) {
        self.text.push('\n');
        self.text += &wrapped("# ", comment);
        self.row(key, value);
    }

    fn row(&mut self, key: impl Display, value: impl Display) {
        let _ = writeln!(self.text, "{key} = {value}");
    }

    fn table(&mut self, comment: &str, name: &str) {
        self.text.push('\n');
        self.text += &wrapped("# ", comment);
        let _ = writeln!(self.text, "[{name}]");
    }

    /// What the help says of a flag, the values that it can have, and its name.
    fn help(&self, id: &str) -> String {
        let Some(flag) = self.flags.get_arguments().find(|flag| flag.get_id() == id) else { return String::new() };
        let mut help = flag.get_help().map(ToString::to_string).unwrap_or_default();
        let values = flag.get_possible_values();
        if !values.is_empty() && !flag.is_hide_possible_values_set() {
            let values = values.iter().map(clap::builder::PossibleValue::get_name).collect::<Vec<_>>();
            let _ = write!(help, " [possible values: {}]", values.join(", "));
        }
        if let Some(long) = flag.get_long() {
            let _ = write!(help, " (--{long})");
        }
        help
    }
}

/// A string; nothing that is written here needs an escape.
fn quoted(text: impl Display) -> String {
    format!("\"{text}\"")
}

fn list(items: impl IntoIterator<Item = impl Display>) -> String {
    let items = items.into_iter().map(|item| item.to_string()).collect::<Vec<_>>();
    format!("[{}]", items.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the help says of a default, of the value as TOML has it.
    fn told(value: &str) -> String {
        value.replace(['"', '[', ']', ' '], "")
    }

    #[test]
    fn every_key_says_what_it_is_for_and_the_default_that_it_has() {
        let text = toml(&Settings::default());
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
        assert_eq!(keys, 14 + Limit::ALL.len(), "{text}");
    }

    #[test]
    fn severities_are_written_with_their_rules_before_their_checks() {
        let mut settings = Settings::default();
        for (selector, severity) in [("starttls/masked", "high"), ("starttls", "low")] {
            let severity = crate::rules::Severity::ALL.into_iter().find(|known| known.name() == severity).unwrap();
            settings.severity.insert(selector.parse().unwrap(), severity);
        }
        assert!(toml(&settings).contains("[severity]\n\"starttls\" = \"low\"\n\"starttls/masked\" = \"high\"\n"));
    }
}
