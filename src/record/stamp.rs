//! Times as text: RFC 3339 in UTC with nine fractional digits, written by hand with the last second kept, for
//! many records fall into one second.

use std::borrow::Cow;
use std::cell::RefCell;
use std::fmt;
use std::str::FromStr;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::ascii::Ascii;
use crate::base::Time;

/// A time of a record, by the capture's clock. As text it is RFC 3339 in UTC with nine fractional digits:
/// `2026-11-24T14:45:44.123456789Z`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct When(pub(crate) Time);

impl When {
    /// So many nanoseconds after 1970-01-01T00:00:00Z, or before it.
    pub const fn from_nanoseconds(nanoseconds: i64) -> Self {
        When(Time(nanoseconds))
    }

    /// Nanoseconds since 1970-01-01T00:00:00Z.
    pub const fn nanoseconds(self) -> i64 {
        self.0.0
    }
}

impl fmt::Display for When {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&Clockwork::default().stamp(self.0), out)
    }
}

impl FromStr for When {
    type Err = NotATime;

    fn from_str(text: &str) -> Result<Self, NotATime> {
        let read = text.parse::<jiff::Timestamp>().ok();
        read.and_then(|read| i64::try_from(read.as_nanosecond()).ok()).map(When::from_nanoseconds).ok_or(NotATime)
    }
}

/// Text is no time in RFC 3339, or none of the years from 1678 to 2261, which 64 bits of nanoseconds reach.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotATime;

impl fmt::Display for NotATime {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("not a time such as 2026-11-24T14:45:44.123456789Z, or too far from today")
    }
}

impl std::error::Error for NotATime {}

impl Serialize for When {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        thread_local! {
            /// Nothing of it shows: it only spares the calendar where the next time is of the same second.
            static LAST: RefCell<Clockwork> = RefCell::default();
        }
        serializer.serialize_str(&LAST.with_borrow_mut(|clock| clock.stamp(self.0)))
    }
}

impl<'de> Deserialize<'de> for When {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Cow::<str>::deserialize(deserializer)?;
        text.parse().map_err(D::Error::custom)
    }
}

impl JsonSchema for When {
    fn schema_name() -> Cow<'static, str> {
        Cow::Borrowed("Time")
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "format": "date-time", "minLength": 30, "maxLength": 30 })
    }
}

/// `2026-11-24T14:45:44.123456789Z`.
pub(crate) type Stamp = Ascii<30>;

/// Makes [`Stamp`]s.
#[derive(Clone, Debug)]
pub(crate) struct Clockwork {
    second: i64,
    stamp: Stamp,
}

impl Default for Clockwork {
    fn default() -> Self {
        Clockwork { second: 0, stamp: Ascii(*b"1970-01-01T00:00:00.000000000Z") }
    }
}

impl Clockwork {
    pub(crate) fn stamp(&mut self, time: Time) -> Stamp {
        let second = time.seconds();
        if second != self.second {
            self.second = second;
            self.write_second(second);
        }
        write_digits(&mut self.stamp.0, 20, 9, time.0.rem_euclid(Time::SECOND));
        self.stamp
    }

    fn write_second(&mut self, second: i64) {
        let (days, of_day) = (second.div_euclid(86_400), second.rem_euclid(86_400));
        let (year, month, day) = civil(days);
        let text = &mut self.stamp.0;
        for (at, width, value) in [
            (0, 4, year),
            (5, 2, month),
            (8, 2, day),
            (11, 2, of_day.div_euclid(3600)),
            (14, 2, of_day.div_euclid(60).rem_euclid(60)),
            (17, 2, of_day.rem_euclid(60)),
        ] {
            write_digits(text, at, width, value);
        }
    }
}

/// Writes `value`, which is not negative and fits 32 bits, in `width` digits at `at`.
fn write_digits(text: &mut [u8; 30], at: usize, width: usize, value: i64) {
    let mut value = u32::try_from(value).unwrap_or(0);
    for digit in text.iter_mut().skip(at).take(width).rev() {
        *digit = u8::try_from(value % 10).unwrap_or(0).saturating_add(b'0');
        value /= 10;
    }
}

/// Year, month and day of a number of days since 1970-01-01, in the calendar of ISO 8601 (the algorithm of Hinnant,
/// "chrono-compatible low-level date algorithms"). 64 bits of nanoseconds reach from 1677 to 2262.
#[expect(
    clippy::arithmetic_side_effects,
    reason = "a day is at most 106,752 from the epoch: nothing here can overflow"
)]
fn civil(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let (era, of_era) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * of_year + 2) / 153;
    let day = of_year - (153 * shifted + 2) / 5 + 1;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    (year_of_era + era * 400 + i64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn witness(time: Time) -> String {
        format!("{:.9}", jiff::Timestamp::from_nanosecond(i128::from(time.0)).unwrap())
    }

    proptest! {
        #[test]
        fn any_time_reads_as_jiff_writes_it(times in proptest::collection::vec(any::<i64>(), 1..8)) {
            let mut clockwork = Clockwork::default();
            for time in times {
                let stamp = clockwork.stamp(Time(time));
                prop_assert_eq!(stamp.as_str(), witness(Time(time)));
            }
        }
    }

    #[test]
    fn a_time_reads_back_and_what_is_none_or_too_far_does_not() {
        for time in [0, -1, i64::MIN, i64::MAX, 1_795_531_544_123_456_789].map(When::from_nanoseconds) {
            assert_eq!(time.to_string().parse(), Ok(time));
        }
        for text in ["", "yesterday", "2026-11-24", "2026-13-24T14:45:44Z", "2263-01-01T00:00:00Z"] {
            assert_eq!(text.parse::<When>(), Err(NotATime), "{text}");
        }
    }

    #[test]
    fn the_edges_of_time_seconds_and_leap_years_hold() {
        let mut clockwork = Clockwork::default();
        for time in [
            0,
            -1,
            1,
            999_999_999,
            1_000_000_000,
            i64::MIN,
            i64::MAX,
            951_782_399_999_999_999,
            951_782_400 * Time::SECOND,
        ] {
            assert_eq!(clockwork.stamp(Time(time)).as_str(), witness(Time(time)));
        }
    }
}
