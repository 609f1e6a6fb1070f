//! Numbers and times as a person reads them.

use crate::record::When;

/// A number with its thousands parted.
pub(crate) fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len().saturating_mul(2));
    for (nth, digit) in digits.chars().enumerate() {
        if nth > 0 && digits.len().saturating_sub(nth).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// `1 capture`, `1,234 captures`.
pub(crate) fn counted(number: u64, one: &str, many: &str) -> String {
    format!("{} {}", count(number), if number == 1 { one } else { many })
}

/// A share with one decimal: `1.7 %`, `<0.1 %`; never 0 % of something, nor 100 % where something is left.
pub(crate) fn percent(part: u64, whole: u64) -> String {
    let permille = u128::from(part).saturating_mul(1000).saturating_add(u128::from(whole) / 2);
    let permille = permille.checked_div(u128::from(whole)).unwrap_or(0);
    match permille {
        0 if part > 0 => "<0.1 %".to_owned(),
        1000.. if part < whole => ">99.9 %".to_owned(),
        _ => format!("{}.{} %", permille / 10, permille % 10),
    }
}

/// A whole time to the second: `2026-11-24 21:43:34`.
pub(crate) fn second(time: When) -> String {
    let stamp = time.to_string();
    stamp.get(..19).unwrap_or(&stamp).replace('T', " ")
}

/// A whole time to the millisecond: `2026-11-24 21:43:34.185`.
pub(crate) fn millisecond(time: When) -> String {
    let stamp = time.to_string();
    stamp.get(..23).unwrap_or(&stamp).replace('T', " ")
}

/// How much of a time has to be said, where the times of a whole scan are known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Span {
    /// All are of one day: `21:43:34`.
    Day,
    /// Of one year: `11-24 21:43:34`.
    Year,
    /// `2026-11-24 21:43:34`.
    #[default]
    Years,
}

impl Span {
    pub(crate) fn of(first: When, last: When) -> Self {
        let (first, last) = (first.to_string(), last.to_string());
        let same = |until: usize| first.get(..until) == last.get(..until);
        match (same(10), same(4)) {
            (true, _) => Span::Day,
            (false, true) => Span::Year,
            (false, false) => Span::Years,
        }
    }

    /// To the second.
    pub(crate) fn time(self, time: When) -> String {
        let whole = second(time);
        let from = match self {
            Span::Day => 11,
            Span::Year => 5,
            Span::Years => 0,
        };
        whole.get(from..).unwrap_or(&whole).to_owned()
    }

    /// `from` to `to`, with no more of the second than differs: `11-24 23:10:14 to 23:10:20`.
    pub(crate) fn times(self, from: When, to: When) -> String {
        let last = if Span::of(from, to) == Span::Day { Span::Day.time(to) } else { self.time(to) };
        let first = self.time(from);
        if second(from) == second(to) { first } else { format!("{first} to {last}") }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> When {
        text.parse().unwrap()
    }

    #[test]
    fn thousands_are_parted() {
        for (number, text) in [(0, "0"), (999, "999"), (1000, "1,000"), (1_234_567, "1,234,567")] {
            assert_eq!(count(number), text);
        }
    }

    #[test]
    fn a_share_is_never_rounded_to_none_or_all() {
        let shares =
            [(0, 9, "0.0 %"), (273, 16_256, "1.7 %"), (1, 1_000_000, "<0.1 %"), (999_999, 1_000_000, ">99.9 %")];
        for (part, whole, text) in shares.into_iter().chain([(9, 9, "100.0 %"), (0, 0, "0.0 %")]) {
            assert_eq!(percent(part, whole), text);
        }
        assert_eq!(percent(u64::MAX, u64::MAX), "100.0 %");
    }

    #[test]
    fn no_more_of_a_time_is_said_than_tells_something() {
        let (first, later, next) =
            (at("2026-11-24T21:43:34.1Z"), at("2026-11-24T23:00:00Z"), at("2026-11-25T01:23:53.9Z"));
        let year = at("2027-01-01T00:00:00Z");
        assert_eq!(
            [Span::of(first, later), Span::of(first, next), Span::of(first, year)],
            [Span::Day, Span::Year, Span::Years]
        );
        assert_eq!(Span::Day.times(first, later), "21:43:34 to 23:00:00");
        assert_eq!(Span::Year.times(first, later), "11-24 21:43:34 to 23:00:00");
        assert_eq!(Span::Year.times(first, next), "11-24 21:43:34 to 11-25 01:23:53");
        assert_eq!(Span::Years.times(first, first), "2026-11-24 21:43:34");
        assert_eq!(millisecond(first), "2026-11-24 21:43:34.100");
    }
}
