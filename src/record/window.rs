//! The window of time of what is reported (`--since`, `--until`). A day, a minute or a second that a user names is meant as a
//! whole: a window begins with the first nanosecond of it, and ends with the last one.

use std::fmt;
use std::str::FromStr;

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::When;

/// Where a window begins: read from a date, or a date with a time, of which the first moment counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct Since(pub When);

/// Where a window ends: read from a date, or a date with a time, of which the last moment counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct Until(pub When);

impl FromStr for Since {
    type Err = NotAMoment;

    fn from_str(text: &str) -> Result<Self, NotAMoment> {
        span(text).map(|(first, _)| Since(first)).ok_or_else(|| NotAMoment(text.to_owned()))
    }
}

impl FromStr for Until {
    type Err = NotAMoment;

    fn from_str(text: &str) -> Result<Self, NotAMoment> {
        span(text).map(|(_, last)| Until(last)).ok_or_else(|| NotAMoment(text.to_owned()))
    }
}

/// The first and the last nanosecond of what the text names.
fn span(text: &str) -> Option<(When, When)> {
    let text = text.trim();
    let first = match text.parse::<Timestamp>() {
        Ok(time) => time,
        // Without a zone it is UTC, as everything that is printed.
        Err(_) => text.parse::<DateTime>().ok().and_then(|time| TimeZone::UTC.to_timestamp(time).ok())?,
    };
    let first = i64::try_from(first.as_nanosecond()).ok()?;
    let last = first.saturating_add(unit(text).saturating_sub(1));
    Some((When::from_nanoseconds(first), When::from_nanoseconds(last)))
}

/// How many nanoseconds the smallest unit that is written has.
fn unit(text: &str) -> i64 {
    const SECOND: i64 = 1_000_000_000;
    let time = text.split_once(['T', 't', ' ']).map_or("", |(_, time)| time);
    let clock = time.split(['Z', 'z', '+', '-', '[', ' ']).next().unwrap_or_default();
    let fraction = clock.split_once(['.', ',']).map(|(_, digits)| digits.len());
    match (fraction.map(u32::try_from), clock.split(':').count()) {
        (Some(digits), _) => 10_i64.pow(9_u32.saturating_sub(digits.unwrap_or(9))),
        (None, _) if clock.is_empty() => 86_400 * SECOND,
        (None, 1) => 3600 * SECOND,
        (None, 2) => 60 * SECOND,
        (None, _) => SECOND,
    }
}

/// Text is no date, and no date with a time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NotAMoment(String);

impl fmt::Display for NotAMoment {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "'{}': expected a date or a date and time, such as 2026-11-24 or 2026-11-24T14:45:03 (UTC)", self.0)
    }
}

impl std::error::Error for NotAMoment {}

#[cfg(test)]
mod tests {
    use super::*;

    fn window(text: &str) -> (String, String) {
        (text.parse::<Since>().unwrap().0.to_string(), text.parse::<Until>().unwrap().0.to_string())
    }

    #[test]
    fn what_is_named_is_meant_as_a_whole() {
        for (text, first, last) in [
            ("2026-11-24", "2026-11-24T00:00:00.000000000Z", "2026-11-24T23:59:59.999999999Z"),
            ("2026-11-24T14:45", "2026-11-24T14:45:00.000000000Z", "2026-11-24T14:45:59.999999999Z"),
            ("2026-11-24 14:45:03", "2026-11-24T14:45:03.000000000Z", "2026-11-24T14:45:03.999999999Z"),
            ("2026-11-24T14:45:03.5", "2026-11-24T14:45:03.500000000Z", "2026-11-24T14:45:03.599999999Z"),
            ("2026-11-24T14:45:03Z", "2026-11-24T14:45:03.000000000Z", "2026-11-24T14:45:03.999999999Z"),
            ("2026-11-24T14:45:03+01:00", "2026-11-24T13:45:03.000000000Z", "2026-11-24T13:45:03.999999999Z"),
            ("2026-11-24T14:45:03.123456789Z", "2026-11-24T14:45:03.123456789Z", "2026-11-24T14:45:03.123456789Z"),
        ] {
            assert_eq!(window(text), (first.to_owned(), last.to_owned()), "{text}");
            assert_eq!(window(last).1, last, "what is in force reads back");
        }
    }

    #[test]
    fn what_is_no_date_is_refused_with_what_is_one() {
        for text in
            ["", "yesterday", "14:45", "2026-13-01", "2026-11-24T25:00", "24.11.2026", "9999-01-01", "T", "\u{e9}"]
        {
            let told = text.parse::<Since>().unwrap_err().to_string();
            assert!(told.contains("2026-11-24T14:45:03 (UTC)") && text.parse::<Until>().is_err(), "{told}");
        }
    }
}
