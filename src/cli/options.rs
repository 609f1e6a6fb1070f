//! The options that change what is reported, in one table: from its rows come the flags with their help, the keys of the
//! configuration file and the page that `mailtap config` prints. A row's key is its field of [`Options`], which is what is
//! in force and what the first record tells. So a new option is a field with its default, a row, and where it acts: mostly
//! [`crate::config`].

use clap::{Arg, ArgMatches, Args, Command, FromArgMatches};
use serde_json::Value as Json;

use crate::record::Options;

use super::file::{Told, Wrong};
use super::values::Value;

/// A part of the table: its title in the help, and its rows.
pub(super) struct Section(pub &'static str, pub &'static [&'static dyn Row]);

/// Every option.
pub(super) static SECTIONS: &[Section] = &[
    Section(
        "Filters",
        &[
            &opt("min_severity", "LEVEL", MIN_SEVERITY, |on| &mut on.min_severity),
            &opt("select", "RULE[/CHECK]", "Only these rules or checks", |on| &mut on.select).empty("all"),
            &opt("ignore", "RULE[/CHECK]", "All but these rules or checks", |on| &mut on.ignore),
            &opt("servers", "NET", "Only servers in these networks", |on| &mut on.servers).empty("all"),
            &opt("client", "NET", "Only clients in these networks", |on| &mut on.client).empty("all"),
            &opt("session", "ID", "Only sessions whose IDs start with these digits", |on| &mut on.session).empty("all"),
            &opt("since", "TIME", "Only from this time on, such as 2026-11-24T14:45", |on| &mut on.since)
                .such_as("since = \"2026-11-24\""),
            &opt("until", "TIME", "Only up to the end of this day, minute or second", |on| &mut on.until)
                .such_as("until = \"2026-11-24T14:45\""),
            &opt("match", "REGEX", "Only commands and replies that match REGEX", |on| &mut on.pattern)
                .such_as("match = \"(?i)^VRFY \""),
            &opt("records", "KINDS", RECORDS, |on| &mut on.records),
            &opt("server_name", "NET=NAME", SERVER_NAME, |on| &mut on.server_name)
                .such_as("\"192.0.2.0/24\" = \"mx-a\"\n\"192.0.2.9:2525\" = \"mx-b\""),
            &opt("exchange_peers", FILE_ALONE, EXCHANGE_PEERS, |on| &mut on.exchange_peers),
            // The quotes around a check's name are easily forgotten.
            &opt("severity", FILE_ALONE, SEVERITY, |on| &mut on.severity)
                .such_as("starttls = \"low\"\n\"starttls/masked\" = \"high\""),
        ],
    ),
    Section(
        "Reading",
        &[
            &opt("port", "PORT", "TCP ports to analyse", |on| &mut on.port),
            &opt("separate", "BOOL", "Analyse each file on its own", |on| &mut on.separate),
            &opt("hash", "BOOL", "Add the SHA-256 of each file to the summary", |on| &mut on.hash),
            &opt("merge_files", "N", "Number of files that overlap in time to keep open at once", |on| {
                &mut on.merge_files
            }),
        ],
    ),
    Section(
        "Timeouts, in seconds of the capture's time",
        &[
            &opt("half_open_timeout", "SECONDS", HALF_OPEN, |on| &mut on.half_open_timeout),
            &opt("idle_timeout", "SECONDS", "Seconds without a packet that end an open connection", |on| {
                &mut on.idle_timeout
            }),
            &opt("closed_timeout", "SECONDS", CLOSED, |on| &mut on.closed_timeout),
            &opt("fragment_timeout", "SECONDS", FRAGMENT, |on| &mut on.fragment_timeout),
        ],
    ),
    Section("Limits", &[&opt("limits", FILE_ALONE, LIMITS, |on| &mut on.limits)]),
];

const MIN_SEVERITY: &str = "Skip findings below this severity";
const RECORDS: &str = "Print findings, sessions, servers, events, summary";
const SERVER_NAME: &str = "Name for the server at an address or in a network";
const EXCHANGE_PEERS: &str = "Networks or addresses of Exchange servers; Exchange's own commands between two of them are \
                              reported as info";
const SEVERITY: &str = "Severity to report for all findings of a rule, or of one check; overrides the rule and \
                        exchange_peers, and a check overrides its rule";
const HALF_OPEN: &str = "Seconds without a packet that end a connection whose handshake is incomplete";
const CLOSED: &str = "Seconds to keep a closed connection for late packets";
const FRAGMENT: &str = "Seconds that IP fragments wait for the rest of their packet";
const LIMITS: &str = "Limits on what traffic can make grow; 'limits_hit' in the summary uses these names";

/// Every row, in the table's order.
pub(super) fn rows() -> impl Iterator<Item = &'static dyn Row> {
    SECTIONS.iter().flat_map(|Section(_, rows)| *rows).copied()
}

/// An option, whatever its value is.
pub(super) trait Row: Sync {
    fn about(&self) -> &About;

    /// Itself, with its help, its default and the values that it can have; then flags of its parts. Some have no name on the
    /// command line.
    fn flags(&self) -> Vec<Arg>;

    /// Takes over what the command line says.
    fn take(&self, flags: &ArgMatches, to: &mut Options);

    /// Takes over what the file says.
    fn read(&self, from: &Told<'_>, to: &mut Options) -> Result<(), Wrong>;
}

/// What is to be said of an option.
pub(super) struct About {
    /// Its name in the configuration file and in the first record.
    pub key: &'static str,
    /// What its value is called in the help, or [`FILE_ALONE`].
    value_name: &'static str,
    help: &'static str,
    /// What a list or a table without rows means.
    empty: &'static str,
    /// Lines of its table, to show where there are none.
    pub such_as: &'static str,
}

/// It is no flag.
const FILE_ALONE: &str = "";

/// An option whose value is a `T`.
struct Opt<T: 'static> {
    about: About,
    field: fn(&mut Options) -> &mut T,
}

const fn opt<T>(
    key: &'static str,
    value_name: &'static str,
    help: &'static str,
    field: fn(&mut Options) -> &mut T,
) -> Opt<T> {
    Opt { about: About { key, value_name, help, empty: "none", such_as: "" }, field }
}

impl<T> Opt<T> {
    const fn empty(self, empty: &'static str) -> Self {
        Opt { about: About { empty, ..self.about }, ..self }
    }

    const fn such_as(self, such_as: &'static str) -> Self {
        Opt { about: About { such_as, ..self.about }, ..self }
    }
}

impl<T: Value> Row for Opt<T> {
    fn about(&self) -> &About {
        &self.about
    }

    fn flags(&self) -> Vec<Arg> {
        let About { key, value_name, help, empty, .. } = self.about;
        let default = match serde_json::to_value((self.field)(&mut Options::default())).unwrap_or_default() {
            Json::Array(items) if !items.is_empty() => items.iter().map(bare).collect::<Vec<_>>().join(","),
            Json::Object(rows) if !rows.is_empty() => String::new(),
            Json::Array(_) | Json::Object(_) => empty.to_owned(),
            Json::Null => String::new(),
            value => bare(&value),
        };
        let default = if default.is_empty() { default } else { format!(" [default: {default}]") };
        let option = Arg::new(key).help(format!("{help}{default}"));
        let is_flag = value_name != FILE_ALONE;
        T::flags(if is_flag { option.long(key.replace('_', "-")).value_name(value_name) } else { option })
    }

    fn take(&self, flags: &ArgMatches, to: &mut Options) {
        (self.field)(to).take(self.about.key, flags);
    }

    fn read(&self, from: &Told<'_>, to: &mut Options) -> Result<(), Wrong> {
        (self.field)(to).read(from)
    }
}

/// A word without its quotes.
fn bare(value: &Json) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// What the command line says of the table's options.
#[derive(Clone, Debug, Default)]
pub(super) struct Flags(ArgMatches);

impl Flags {
    /// Puts what was said in force.
    pub(super) fn take(&self, options: &mut Options) {
        rows().for_each(|row| row.take(&self.0, options));
    }
}

impl Args for Flags {
    fn augment_args(command: Command) -> Command {
        SECTIONS.iter().fold(command, |command, Section(title, rows)| {
            let flags = rows.iter().flat_map(|row| row.flags().into_iter().map(|flag| short(flag, row.about())));
            let flags = flags.filter(|flag| flag.get_long().is_some());
            command.args(flags.map(|flag| flag.help_heading(*title)))
        })
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

/// On the command line it goes without saying what is meant by nothing.
fn short(flag: Arg, about: &About) -> Arg {
    let help = flag.get_help().map(ToString::to_string).unwrap_or_default();
    let empty = format!(" [default: {}]", about.empty);
    match help.strip_suffix(&empty) {
        Some(help) => flag.help(help.to_owned()),
        None => flag,
    }
}

impl FromArgMatches for Flags {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        Ok(Flags(matches.clone()))
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        self.0 = matches.clone();
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_option_of_the_first_record_is_a_row_but_for_secrets() {
        let record = serde_json::to_value(Options::default()).unwrap();
        let mut keys: Vec<&str> = rows().map(|row| row.about().key).chain(["show_secrets"]).collect();
        keys.sort_unstable();
        assert_eq!(record.as_object().unwrap().keys().collect::<Vec<_>>(), keys);
    }
}
