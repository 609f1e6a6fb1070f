//! The options that change what is reported: each may stand on the command line or, under the same name but for
//! hyphens, in the configuration file. What was said nowhere is `None`; [`super::settings`] has the defaults.

use clap::builder::PossibleValue;
use clap::{Arg, ArgMatches, Args, FromArgMatches, ValueEnum, value_parser};
use ipnet::IpNet;
use serde::Deserialize;

use crate::base::Limit;
use crate::base::limits::Bound;
use crate::ledger::Kind;
use crate::rules::Severity;
use crate::rules::selection::Selector;

use super::file;

pub(super) const REPORT: &str = "What to report";
pub(super) const READING: &str = "Reading";
pub(super) const TIMEOUTS: &str = "Timeouts, in seconds of the capture's time";
const LIMITS: &str = "Limits";

/// What was said on the command line, or in the file. The names of the fields are the keys of the file.
#[derive(Clone, Debug, Default, PartialEq, Eq, Args, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Options {
    /// Report nothing below this severity [default: info]
    #[arg(long, value_name = "SEVERITY", help_heading = REPORT)]
    #[serde(deserialize_with = "file::word")]
    pub min_severity: Option<Severity>,
    /// Only these rules or checks [default: all]
    #[arg(long, value_name = "RULE[/CHECK]", value_delimiter = ',', help_heading = REPORT)]
    #[serde(deserialize_with = "file::words")]
    pub select: Option<Vec<Selector>>,
    /// All but these rules or checks [default: none]
    #[arg(long, value_name = "RULE[/CHECK]", value_delimiter = ',', help_heading = REPORT)]
    #[serde(deserialize_with = "file::words")]
    pub ignore: Option<Vec<Selector>>,
    /// Only what concerns servers in these networks [default: all]
    #[arg(long, value_name = "NET", value_delimiter = ',', value_parser = network, help_heading = REPORT)]
    #[serde(deserialize_with = "file::words")]
    pub servers: Option<Vec<IpNet>>,
    /// Networks of Exchange servers, whose own verbs are usual between them.
    #[arg(skip)]
    #[serde(deserialize_with = "file::words")]
    pub exchange_peers: Option<Vec<IpNet>>,
    /// The severity of whole rules, or of checks.
    #[arg(skip)]
    #[serde(deserialize_with = "file::severities")]
    pub severity: Option<Vec<(Selector, Severity)>>,
    /// Which records to print [default: findings,servers,summary]
    #[arg(long, value_name = "KINDS", value_delimiter = ',', help_heading = REPORT)]
    #[serde(deserialize_with = "file::words")]
    pub records: Option<Vec<Kind>>,

    /// The TCP ports to analyse [default: 25]
    #[arg(long, value_name = "PORT", value_delimiter = ',', value_parser = value_parser!(u16).range(1..), help_heading = READING)]
    #[serde(deserialize_with = "file::ports")]
    pub port: Option<Vec<u16>>,
    /// Treat every file alone: no connection carries on from one into another [default: false]
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true", hide_possible_values = true, help_heading = READING)]
    pub separate: Option<bool>,
    /// Compute the SHA-256 of every file [default: false]
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true", hide_possible_values = true, help_heading = READING)]
    pub hash: Option<bool>,
    /// Captures that are open at once, where they overlap in time [default: 256]
    #[arg(long, value_name = "N", value_parser = value_parser!(u32).range(1..), help_heading = READING)]
    pub merge_files: Option<u32>,

    /// Seconds without a packet that end a connection whose handshake was not completed [default: 60]
    #[arg(long, value_name = "SECONDS", help_heading = TIMEOUTS)]
    #[serde(deserialize_with = "file::seconds")]
    pub half_open_timeout: Option<u32>,
    /// Seconds without a packet that end an open connection [default: 3600]
    #[arg(long, value_name = "SECONDS", help_heading = TIMEOUTS)]
    #[serde(deserialize_with = "file::seconds")]
    pub idle_timeout: Option<u32>,
    /// Seconds that a closed connection is kept for late packets [default: 60]
    #[arg(long, value_name = "SECONDS", help_heading = TIMEOUTS)]
    #[serde(deserialize_with = "file::seconds")]
    pub closed_timeout: Option<u32>,
    /// Seconds that fragments wait for their siblings [default: 30]
    #[arg(long, value_name = "SECONDS", help_heading = TIMEOUTS)]
    #[serde(deserialize_with = "file::seconds")]
    pub fragment_timeout: Option<u32>,

    #[command(flatten)]
    #[serde(deserialize_with = "file::limits")]
    pub limits: SetLimits,
}

impl Options {
    /// What is said here, and of what is not, what `other` says. Lists are not joined, but for rows of `severity`
    /// and `limits`, which are options of their own.
    pub(super) fn or(self, other: Options) -> Options {
        let limits = other.limits.0.into_iter().chain(self.limits.0).collect();
        Options {
            min_severity: self.min_severity.or(other.min_severity),
            select: self.select.or(other.select),
            ignore: self.ignore.or(other.ignore),
            servers: self.servers.or(other.servers),
            exchange_peers: self.exchange_peers.or(other.exchange_peers),
            severity: self.severity.or(other.severity),
            records: self.records.or(other.records),
            port: self.port.or(other.port),
            separate: self.separate.or(other.separate),
            hash: self.hash.or(other.hash),
            merge_files: self.merge_files.or(other.merge_files),
            half_open_timeout: self.half_open_timeout.or(other.half_open_timeout),
            idle_timeout: self.idle_timeout.or(other.idle_timeout),
            closed_timeout: self.closed_timeout.or(other.closed_timeout),
            fragment_timeout: self.fragment_timeout.or(other.fragment_timeout),
            limits: SetLimits(limits),
        }
    }
}

/// The limits that were set, the later ones winning: `--max-KEY` for every row of the table of limits.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct SetLimits(pub Vec<(Limit, u64)>);

impl SetLimits {
    /// The greatest that TOML can say.
    pub(super) const MOST: u64 = i64::MAX.unsigned_abs();
}

impl Args for SetLimits {
    fn augment_args(command: clap::Command) -> clap::Command {
        Limit::ALL.iter().fold(command, |command, bound| {
            let flag = Arg::new(flag_of(bound))
                .long(flag_of(bound))
                .value_name("N")
                .value_parser(value_parser!(u64).range(1..=SetLimits::MOST))
                .help(format!("{} [default: {}]", capitalized(bound.help), bound.default))
                .help_heading(LIMITS);
            command.arg(flag)
        })
    }

    fn augment_args_for_update(command: clap::Command) -> clap::Command {
        Self::augment_args(command)
    }
}

impl FromArgMatches for SetLimits {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let mut flags = SetLimits::default();
        flags.update_from_arg_matches(matches)?;
        Ok(flags)
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        for bound in Limit::ALL {
            if let Some(value) = matches.get_one::<u64>(&flag_of(bound)) {
                self.0.push((bound.limit, *value));
            }
        }
        Ok(())
    }
}

/// The flag of a limit, without its hyphens: the name of its argument too.
pub(super) fn flag_of(bound: &Bound) -> String {
    format!("max-{}", bound.key.replace('_', "-"))
}

fn capitalized(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map(|first| first.to_uppercase().chain(chars).collect()).unwrap_or_default()
}

/// A network, or a single address.
pub(super) fn network(text: &str) -> Result<IpNet, String> {
    let address = || text.parse::<std::net::IpAddr>().map(IpNet::from).ok();
    let net = text.parse::<IpNet>().ok().or_else(address);
    net.ok_or_else(|| "a network such as 192.0.2.0/24 or 2001:db8::/32, or an address, is wanted".to_owned())
}

impl ValueEnum for Severity {
    fn value_variants<'a>() -> &'a [Self] {
        &Severity::ALL
    }

    fn to_possible_value(&self) -> Option<PossibleValue> {
        Some(PossibleValue::new(self.name()))
    }
}

impl ValueEnum for Kind {
    fn value_variants<'a>() -> &'a [Self] {
        &Kind::ALL
    }

    fn to_possible_value(&self) -> Option<PossibleValue> {
        Some(PossibleValue::new(self.name()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_said_wins_and_what_is_not_comes_from_the_other() {
        let selector = |text: &str| Some(vec![text.parse().unwrap()]);
        let limit = |limit, value| SetLimits(vec![(limit, value)]);
        let flags = Options { select: selector("starttls"), limits: limit(Limit::Servers, 1), ..Options::default() };
        let file = Options {
            select: selector("help-exposed"),
            ignore: selector("help-exposed/pattern"),
            limits: limit(Limit::Servers, 2),
            ..Options::default()
        };
        let both = flags.clone().or(file.clone());
        assert_eq!((both.select, both.ignore), (flags.select, file.ignore));
        assert_eq!(both.limits.0, [(Limit::Servers, 2), (Limit::Servers, 1)]);
    }
}
