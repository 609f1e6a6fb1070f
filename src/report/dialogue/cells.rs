//! Lines from the wire in rows of so many cells, so that nothing of them is lost, or shortened so that it shows.

use std::borrow::Cow;

use unicode_width::UnicodeWidthChar;

use crate::report::layout::width;

/// A line from the wire with more characters than this is shortened.
const LONG: usize = 240;
/// So many of its characters are kept at its beginning, and at its end.
const ENDS: usize = 100;

/// A line from the wire, shortened in the middle where it is long.
pub(super) fn shortened(line: &str) -> Cow<'_, str> {
    let characters = line.chars().count();
    if characters <= LONG {
        return Cow::Borrowed(line);
    }
    let left_out = characters.saturating_sub(ENDS).saturating_sub(ENDS);
    let head: String = line.chars().take(ENDS).collect();
    let tail: String = line.chars().skip(ENDS.saturating_add(left_out)).collect();
    Cow::Owned(format!("{head}…({left_out} characters)…{tail}"))
}

/// A line from the wire in rows of so many cells: broken behind a blank where there is one, so that the rows one after the other are
/// the line.
pub(super) fn rows(line: &str, cells: usize) -> Vec<&str> {
    let mut rows = Vec::new();
    let mut rest = line;
    while width(rest) > cells {
        let fits = fitting(rest, cells.max(1));
        let at = fits.rfind(' ').map_or(fits.len(), |blank| blank.saturating_add(1));
        // A first word that takes less than half of the row would leave most of it empty.
        let at = if at.saturating_mul(2) < fits.len() { fits.len() } else { at };
        let (row, behind) = rest.split_at(at);
        rows.push(row);
        rest = behind;
    }
    rows.push(rest);
    rows
}

/// The longest beginning of at most so many cells; one character at least.
fn fitting(text: &str, cells: usize) -> &str {
    let mut taken = 0_usize;
    let too_wide = |(at, char): &(usize, char)| {
        taken = taken.saturating_add(char.width().unwrap_or(0));
        taken > cells && *at > 0
    };
    text.char_indices().find(too_wide).map_or(text, |(at, _)| text.get(..at).unwrap_or(text))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_long_line_keeps_its_ends_and_says_what_is_missing() {
        let line = format!("RCPT TO:<{}>", "a".repeat(500));
        let short = shortened(&line);
        assert!(short.starts_with("RCPT TO:<aaa") && short.ends_with("aaa>"), "{short}");
        assert!(short.contains("…(310 characters)…"), "{short}");
        assert_eq!(shortened("QUIT"), "QUIT");
    }

    #[test]
    fn a_line_breaks_behind_a_blank_where_there_is_one() {
        assert_eq!(
            rows("MAIL FROM:<alice@example.org> SIZE=1000", 32),
            ["MAIL FROM:<alice@example.org> ", "SIZE=1000"]
        );
        assert_eq!(rows("日本語", 4), ["日本", "語"]);
        assert_eq!(rows("", 4), [""]);
    }

    proptest! {
        #[test]
        fn rows_fit_and_together_are_the_line(line in "[ -~é日\u{301}]{0,80}", cells in 2_usize..40) {
            let rows = rows(&line, cells);
            prop_assert!(rows.iter().all(|row| width(row) <= cells), "{:?}", rows);
            prop_assert_eq!(rows.concat(), line);
        }
    }
}
