//! Sizes and durations as people write them: `64MiB`, `100MB`, `1h`, `90s`.

use std::time::Duration;

use jiff::SignedDuration;

/// Suffixes of sizes: powers of ten, and with an `i` powers of two.
const SIZES: &[(&str, u64)] = &[
    ("KiB", 1 << 10),
    ("MiB", 1 << 20),
    ("GiB", 1 << 30),
    ("KB", 1_000),
    ("MB", 1_000_000),
    ("GB", 1_000_000_000),
    ("B", 1),
    ("", 1),
];

/// Bytes, with a suffix or without.
pub(super) fn size(text: &str) -> Result<u64, String> {
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let suffix = text.get(digits.len()..).unwrap_or_default();
    let factor = SIZES.iter().find(|(name, _)| name.eq_ignore_ascii_case(suffix)).map(|(_, factor)| *factor);
    let bytes = digits.trim().parse::<u64>().ok().zip(factor).and_then(|(number, factor)| number.checked_mul(factor));
    bytes.filter(|bytes| *bytes > 0).ok_or_else(|| "expected a size such as 64MiB, 100MB or 4096".to_owned())
}

/// A duration above zero; a bare number is seconds.
pub(super) fn duration(text: &str) -> Result<Duration, String> {
    let seconds = text.parse().map(SignedDuration::from_secs);
    let parsed = seconds.ok().or_else(|| text.parse::<SignedDuration>().ok());
    let duration = parsed.and_then(|duration| Duration::try_from(duration).ok());
    duration
        .filter(|duration| !duration.is_zero())
        .ok_or_else(|| "expected a duration such as 90s, 30m or 24h".to_owned())
}

/// When a file is full: after a time, or at a size.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Rotate {
    After(Duration),
    At(u64),
}

impl Rotate {
    /// Whether a file of this age and so many bytes is full.
    pub(super) fn is_due(self, age: Duration, bytes: u64) -> bool {
        match self {
            Rotate::After(time) => age >= time,
            Rotate::At(most) => bytes >= most,
        }
    }
}

/// `1h`, or `100MB`; a bare number is neither.
pub(super) fn rotate(text: &str) -> Result<Rotate, String> {
    let bare = text.parse::<u64>().is_ok();
    let size = size(text).map(Rotate::At);
    let either = size.or_else(|_| duration(text).map(Rotate::After)).ok().filter(|_| !bare);
    either.ok_or_else(|| "expected a duration such as 1h or a size such as 100MB".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_have_suffixes_of_either_kind() {
        assert_eq!(
            ["64MiB", "100MB", "4096", "1gb", "7 KiB"].map(size),
            [64 << 20, 100_000_000, 4096, 1_000_000_000, 7168].map(Ok)
        );
        for wrong in ["", "MB", "0", "-1", "1.5MB", "1XB", "99999999999GB"] {
            assert!(size(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn durations_are_what_people_write() {
        assert_eq!(
            ["90", "90s", "24h", "1h 30m"].map(duration),
            [90, 90, 86_400, 5400].map(|s| Ok(Duration::from_secs(s)))
        );
        for wrong in ["", "0", "-1s", "soon"] {
            assert!(duration(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_file_is_rotated_after_a_time_or_at_a_size() {
        assert_eq!(rotate("1h"), Ok(Rotate::After(Duration::from_hours(1))));
        assert_eq!(rotate("100MB"), Ok(Rotate::At(100_000_000)));
        assert!(rotate("100").is_err(), "seconds, or bytes?");
    }
}
