//! What each count of things that were not analysed means, for every view that prints one. The names of a summary's
//! `not_analysed` are explained by the rooms that count them; the summary's own numbers are explained here.

use crate::base::meaning::{Meaning, Unit};
use crate::{decode, defrag, ledger, tcp};

/// What a name in a summary's `not_analysed` means; a name of another version of mailtap has an empty text.
pub(crate) fn of(name: &str) -> Meaning {
    let known = all().find(|meaning| meaning.name == name);
    known.unwrap_or(Meaning::packets("", ""))
}

/// Every name that `not_analysed` can have.
pub(crate) fn all() -> impl Iterator<Item = Meaning> {
    let skips = decode::Reason::ALL.iter().map(|row| row.meaning);
    skips.chain(defrag::NAMES.iter().chain(tcp::NAMES).copied()).chain([ledger::MISSING])
}

/// The summary's `problems`.
pub(crate) const PROBLEMS: Meaning = Meaning::of("problems", Unit::Files, "not read, or only in part")
    .advice("The messages on standard error name each of them and the cause.");

/// The summary's `files_skipped`.
pub(crate) const FILES_SKIPPED: Meaning =
    Meaning::of("files_skipped", Unit::Files, "not a capture").advice("-v lists some of them.");

/// The summary's `capture_dropped`.
pub(crate) const CAPTURE_DROPPED: Meaning =
    Meaning::packets("capture_dropped", "dropped while capturing").advice("Capture with a larger buffer.");

/// The summary's `internal_errors`.
pub(crate) const INTERNAL_ERRORS: Meaning =
    Meaning::of("internal_errors", Unit::Connections, "given up because of a bug in mailtap")
        .advice("Please report the messages on standard error.");

/// The summary's `encrypted_sessions`.
pub(crate) const ENCRYPTED: Meaning =
    Meaning::of("encrypted_sessions", Unit::Sessions, "switched to TLS: only what came before was read");

/// The summary's `filtered_out`.
pub(crate) const FILTERED_OUT: Meaning = Meaning::packets("filtered_out", "excluded by the kernel's filter");

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn each_name_is_explained_once_and_every_text_fits_beside_a_count() {
        let mut names = BTreeSet::new();
        for Meaning { name, what, advice, .. } in
            all().chain([PROBLEMS, FILES_SKIPPED, CAPTURE_DROPPED, INTERNAL_ERRORS])
        {
            assert!(names.insert(name), "{name} twice");
            assert_eq!(of(name).what, if all().any(|known| known.name == name) { what } else { "" });
            assert!(!what.is_empty() && !what.ends_with('.') && what.len() <= 60, "{name}: {what:?}");
            assert!(advice.is_none_or(|advice| advice.ends_with('.')), "{name}: {advice:?}");
        }
    }

    #[test]
    fn a_name_that_is_not_known_has_no_meaning() {
        let Meaning { what, advice, unit, .. } = of("flux-inverted");
        assert_eq!((what, advice, unit), ("", None, Unit::Packets));
    }

    #[test]
    fn bytes_are_not_counted_as_packets() {
        assert_eq!(of(ledger::MISSING.name).unit, Unit::Bytes);
        assert_eq!((Unit::Bytes.word(1), Unit::Packets.word(0)), ("byte", "packets"));
    }
}
