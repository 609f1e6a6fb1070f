//! What the value of an option can be, and how each kind of it is read: from a flag's text, and from the configuration file.

use std::collections::BTreeMap;
use std::num::NonZeroU32;

use clap::builder::{PossibleValuesParser, TypedValueParser, ValueParser};
use clap::{Arg, ArgAction, ArgMatches, value_parser};
use ipnet::IpNet;
use serde::Serialize;

use crate::base::limits::Bound;
use crate::base::{Limit, Limits, ServerName, ServerNames, Whose, names};
use crate::ledger::Kind;
use crate::record::{Named, NotAMoment, NotAPattern, Pattern, SessionPrefix, Since, Until};
use crate::rules::Severity;
use crate::rules::selection::{Selector, UnknownSelector};

use super::file::{self, Told, Wrong};

/// The value of an option, as a whole.
pub(super) trait Value: Serialize + 'static {
    /// The option with how its value is written, and flags of its parts, if it has any.
    fn flags(option: Arg) -> Vec<Arg> {
        vec![option]
    }

    /// Takes over what the option's flags say, if they were given.
    fn take(&mut self, _key: &str, _flags: &ArgMatches) {}

    /// Takes over what the file says.
    fn read(&mut self, from: &Told<'_>) -> Result<(), Wrong>;
}

/// A single value, or one of a list.
pub(super) trait Item: Clone + Send + Sync + Serialize + 'static {
    /// What a list of none would mean, where it must not be.
    const NONE: Option<&'static str> = None;

    /// The option with how one of it is written.
    fn spelled(option: Arg) -> Arg;

    fn read(from: &Told<'_>) -> Result<Self, Wrong>;
}

impl<T: Item> Value for T {
    fn flags(option: Arg) -> Vec<Arg> {
        vec![T::spelled(option)]
    }

    fn take(&mut self, key: &str, flags: &ArgMatches) {
        if let Ok(Some(value)) = flags.try_get_one::<T>(key) {
            self.clone_from(value);
        }
    }

    fn read(&mut self, from: &Told<'_>) -> Result<(), Wrong> {
        *self = T::read(from)?;
        Ok(())
    }
}

/// Where there is none, nothing is asked for.
impl<T: Item> Value for Option<T> {
    fn flags(option: Arg) -> Vec<Arg> {
        vec![T::spelled(option)]
    }

    fn take(&mut self, key: &str, flags: &ArgMatches) {
        if let Ok(Some(value)) = flags.try_get_one::<T>(key) {
            *self = Some(value.clone());
        }
    }

    fn read(&mut self, from: &Told<'_>) -> Result<(), Wrong> {
        *self = Some(T::read(from)?);
        Ok(())
    }
}

/// A list takes the place of the whole list that was in force.
impl<T: Item> Value for Vec<T> {
    fn flags(option: Arg) -> Vec<Arg> {
        vec![T::spelled(option).value_delimiter(',').action(ArgAction::Append)]
    }

    fn take(&mut self, key: &str, flags: &ArgMatches) {
        if let Ok(Some(values)) = flags.try_get_many::<T>(key) {
            *self = values.cloned().collect();
        }
    }

    fn read(&mut self, from: &Told<'_>) -> Result<(), Wrong> {
        *self = file::list(from)?.iter().map(T::read).collect::<Result<_, _>>()?;
        match T::NONE.filter(|_| self.is_empty()) {
            Some(none) => Err(Wrong::at(from.span(), none)),
            None => Ok(()),
        }
    }
}

/// A row is an option of its own: it takes the place of the one for the same network or port alone.
impl Value for ServerNames {
    fn flags(option: Arg) -> Vec<Arg> {
        vec![option.value_parser(ValueParser::new(server_name)).value_delimiter(',').action(ArgAction::Append)]
    }

    fn take(&mut self, key: &str, flags: &ArgMatches) {
        for (whose, name) in flags.try_get_many(key).ok().flatten().into_iter().flatten().cloned() {
            self.insert(whose, name);
        }
    }

    fn read(&mut self, from: &Told<'_>) -> Result<(), Wrong> {
        for (key, value) in file::table(from)? {
            let whose = key.get_ref().parse().map_err(|wrong: String| Wrong::at(key.span(), wrong))?;
            self.insert(whose, file::text(value, str::parse)?);
        }
        Ok(())
    }
}

impl Value for BTreeMap<Selector, Severity> {
    fn read(&mut self, from: &Told<'_>) -> Result<(), Wrong> {
        for (key, value) in file::table(from)? {
            let selector = key.get_ref().parse();
            let selector = selector.map_err(|unknown: UnknownSelector| Wrong::at(key.span(), unknown.to_string()))?;
            self.insert(selector, Item::read(value)?);
        }
        Ok(())
    }
}

/// A flag for each limit, and a row for each in a table of the file.
impl Value for Limits {
    fn flags(option: Arg) -> Vec<Arg> {
        let key = option.get_id().clone();
        let flag = |bound: &'static Bound| {
            Arg::new(format!("{key}.{}", bound.key))
                .long(format!("max-{}", bound.key.replace('_', "-")))
                .value_name("N")
                .value_parser(value_parser!(u64).range(1..=file::MOST))
                .help(format!("{} [default: {}]", capitalized(bound.help), bound.default))
        };
        [option].into_iter().chain(Limit::ALL.iter().map(flag)).collect()
    }

    fn take(&mut self, key: &str, flags: &ArgMatches) {
        for bound in Limit::ALL {
            if let Ok(Some(value)) = flags.try_get_one(&format!("{key}.{}", bound.key)) {
                self.set(bound.limit, *value);
            }
        }
    }

    fn read(&mut self, from: &Told<'_>) -> Result<(), Wrong> {
        let limits: Vec<Limit> = Limit::ALL.iter().map(|bound| bound.limit).collect();
        for (key, value) in file::table(from)? {
            let limit = named(key.get_ref(), "limit", "limits", &limits, Limit::key);
            let limit = limit.map_err(|wrong| Wrong::at(key.span(), wrong))?;
            self.set(limit, file::whole(value, 1..=file::MOST)?);
        }
        Ok(())
    }
}

impl Item for bool {
    fn spelled(option: Arg) -> Arg {
        let parsed = option.value_parser(value_parser!(bool)).hide_possible_values(true);
        parsed.num_args(0..=1).require_equals(true).default_missing_value("true")
    }

    fn read(from: &Told<'_>) -> Result<Self, Wrong> {
        file::flag(from)
    }
}

/// A TCP port.
impl Item for u16 {
    const NONE: Option<&'static str> = Some("no ports: nothing would be analysed");

    fn spelled(option: Arg) -> Arg {
        option.value_parser(ValueParser::new(port))
    }

    fn read(from: &Told<'_>) -> Result<Self, Wrong> {
        file::whole(from, 1..=u16::MAX.into())
    }
}

/// Seconds.
impl Item for u32 {
    fn spelled(option: Arg) -> Arg {
        option.value_parser(value_parser!(u32))
    }

    fn read(from: &Told<'_>) -> Result<Self, Wrong> {
        file::whole(from, 0..=u32::MAX.into())
    }
}

impl Item for NonZeroU32 {
    fn spelled(option: Arg) -> Arg {
        option.value_parser(value_parser!(u32).range(1..).try_map(NonZeroU32::try_from))
    }

    fn read(from: &Told<'_>) -> Result<Self, Wrong> {
        let number = file::whole::<u32>(from, 1..=u32::MAX.into())?;
        Ok(NonZeroU32::new(number).unwrap_or(NonZeroU32::MIN))
    }
}

impl Item for Selector {
    fn spelled(option: Arg) -> Arg {
        option.value_parser(ValueParser::new(str::parse::<Selector>))
    }

    fn read(from: &Told<'_>) -> Result<Self, Wrong> {
        file::text(from, |text| text.parse().map_err(|unknown: UnknownSelector| unknown.to_string()))
    }
}

impl Item for IpNet {
    fn spelled(option: Arg) -> Arg {
        option.value_parser(ValueParser::new(network))
    }

    fn read(from: &Told<'_>) -> Result<Self, Wrong> {
        file::text(from, |text| network(text).map_err(|wanted| format!("'{text}': {wanted}")))
    }
}

impl Item for Since {
    fn spelled(option: Arg) -> Arg {
        option.value_parser(ValueParser::new(str::parse::<Since>))
    }

    fn read(from: &Told<'_>) -> Result<Self, Wrong> {
        file::time(from, |text| text.parse().map_err(|wrong: NotAMoment| wrong.to_string()))
    }
}

impl Item for Until {
    fn spelled(option: Arg) -> Arg {
        option.value_parser(ValueParser::new(str::parse::<Until>))
    }

    fn read(from: &Told<'_>) -> Result<Self, Wrong> {
        file::time(from, |text| text.parse().map_err(|wrong: NotAMoment| wrong.to_string()))
    }
}

impl Item for SessionPrefix {
    fn spelled(option: Arg) -> Arg {
        option.value_parser(ValueParser::new(str::parse::<SessionPrefix>))
    }

    fn read(from: &Told<'_>) -> Result<Self, Wrong> {
        file::text(from, str::parse)
    }
}

impl Item for Pattern {
    fn spelled(option: Arg) -> Arg {
        option.value_parser(ValueParser::new(str::parse::<Pattern>))
    }

    fn read(from: &Told<'_>) -> Result<Self, Wrong> {
        file::text(from, |text| text.parse().map_err(|wrong: NotAPattern| wrong.to_string()))
    }
}

impl Item for Severity {
    fn spelled(option: Arg) -> Arg {
        option.value_parser(word::<Severity>()).ignore_case(true)
    }

    fn read(from: &Told<'_>) -> Result<Self, Wrong> {
        file::text(from, |text| named(text, "severity", "severities", &Severity::ALL, Severity::name))
    }
}

impl Item for Kind {
    fn spelled(option: Arg) -> Arg {
        option.value_parser(word::<Kind>()).ignore_case(true)
    }

    fn read(from: &Told<'_>) -> Result<Self, Wrong> {
        file::text(from, |text| named(text, "kind of records", "kinds", &Kind::ALL, Kind::name))
    }
}

/// A flag's value that is one of a few words.
pub(super) fn word<T: Named + Send + Sync>() -> impl TypedValueParser<Value = T> {
    let known = |name: &String| T::ALL.iter().copied().find(|known| known.name().eq_ignore_ascii_case(name));
    PossibleValuesParser::new(T::ALL.iter().map(|known| known.name()))
        .try_map(move |name| known(&name).ok_or_else(|| format!("no {} '{name}'", T::KIND)))
}

fn named<T: Copy>(text: &str, what: &str, all: &str, values: &[T], name: fn(T) -> &'static str) -> Result<T, String> {
    values.iter().copied().find(|&value| name(value) == text).ok_or_else(|| {
        let known = values.iter().map(|&value| name(value)).collect::<Vec<_>>().join(", ");
        format!("no {what} '{text}'; the {all} are: {known}")
    })
}

/// [`names::network`], with what is wanted.
fn network(text: &str) -> Result<IpNet, String> {
    names::network(text)
        .ok_or_else(|| "expected a network such as 192.0.2.0/24 or 2001:db8::/32, or an address".to_owned())
}

/// A TCP port by its number, or as /etc/services names those of mail.
fn port(text: &str) -> Result<u16, String> {
    const NAMES: &[(&str, u16)] = &[("smtp", 25), ("submission", 587), ("submissions", 465), ("smtps", 465)];
    let named = NAMES.iter().find(|(name, _)| text.eq_ignore_ascii_case(name)).map(|(_, port)| *port);
    let port = named.or_else(|| text.parse().ok().filter(|&port| port > 0));
    port.ok_or_else(|| {
        let is_many = text.contains(['-', ':', '*']) || ["all", "any"].iter().any(|all| text.eq_ignore_ascii_case(all));
        let wanted = if is_many {
            "name each port, such as --port 25,587; a scan reports SMTP that it sees on other ports"
        } else {
            "expected a TCP port from 1 to 65535, such as 25"
        };
        wanted.to_owned()
    })
}

fn server_name(text: &str) -> Result<(Whose, ServerName), String> {
    let (whose, name) = text.split_once('=').ok_or("expected NET=NAME, such as 192.0.2.0/24=mx-a")?;
    Ok((whose.parse()?, name.parse()?))
}

fn capitalized(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map(|first| first.to_uppercase().chain(chars).collect()).unwrap_or_default()
}
