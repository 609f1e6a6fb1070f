//! Text in columns: how many cells it takes, how it is wrapped by words, and how it is shortened where it does not fit. Nothing is
//! cut without `…`.
//!
//! Widths are cells of a terminal: a wide character takes two, a combining one none. What comes here was escaped before, so no
//! control character is left.

use std::borrow::Cow;

use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

/// Nothing is narrower than this, whatever the terminal says.
const LEAST: usize = 40;
/// Nothing is wider: in a long line numbers lose their words.
const MOST: usize = 140;
/// Where there is no terminal.
pub(crate) const USUAL: usize = 80;

/// The width to print for, of a terminal of so many columns.
pub(crate) fn of_terminal(columns: usize) -> usize {
    columns.clamp(LEAST, MOST)
}

/// How many cells a text takes.
pub(crate) fn width(text: &str) -> usize {
    text.width()
}

/// The text and blanks behind it up to so many cells.
pub(crate) fn left(text: &str, cells: usize) -> String {
    let mut padded = text.to_owned();
    padded.extend(std::iter::repeat_n(' ', cells.saturating_sub(width(text))));
    padded
}

/// Blanks up to so many cells, and the text.
pub(crate) fn right(text: &str, cells: usize) -> String {
    let blanks = cells.saturating_sub(width(text));
    let mut padded = String::with_capacity(blanks.saturating_add(text.len()));
    padded.extend(std::iter::repeat_n(' ', blanks));
    padded.push_str(text);
    padded
}

/// At most so many cells, shortened at the end: for sentences.
pub(crate) fn cut_end(text: &str, cells: usize) -> Cow<'_, str> {
    if width(text) <= cells {
        return Cow::Borrowed(text);
    }
    Cow::Owned(format!("{}…", head(text, cells.saturating_sub(1)).trim_end()))
}

/// At most so many cells, shortened in the middle: for lines from the wire, whose ends both tell something.
pub(crate) fn cut_middle(text: &str, cells: usize) -> Cow<'_, str> {
    if width(text) <= cells {
        return Cow::Borrowed(text);
    }
    let tail_cells = cells.saturating_sub(1) / 2;
    let head_cells = cells.saturating_sub(1).saturating_sub(tail_cells);
    Cow::Owned(format!("{}…{}", head(text, head_cells), tail(text, tail_cells)))
}

/// At most so many cells of a path: the middle of its folders goes first, then all of them, and the file's name last.
pub(crate) fn cut_path(path: &str, cells: usize) -> Cow<'_, str> {
    if width(path) <= cells {
        return Cow::Borrowed(path);
    }
    let Some((folders, name)) = path.rsplit_once('/') else { return cut_middle(path, cells) };
    let room = cells.saturating_sub(width(name));
    match room {
        0 => Cow::Owned(cut_middle(&format!("…{name}"), cells).into_owned()),
        1 | 2 => Cow::Owned(format!("…{name}")),
        _ => Cow::Owned(format!("{}…/{name}", head(folders, room.saturating_sub(2)))),
    }
}

/// As lines of at most so many cells, broken between words; a word that is longer than a line is broken where that line ends.
pub(crate) fn wrap(text: &str, cells: usize) -> Vec<String> {
    let cells = cells.max(1);
    let (mut lines, mut line) = (Vec::new(), String::new());
    for word in text.split(' ') {
        let mut word = word;
        let between = usize::from(!line.is_empty());
        if width(&line).saturating_add(between).saturating_add(width(word)) > cells && !line.is_empty() {
            lines.push(std::mem::take(&mut line));
        }
        while width(word) > cells {
            let first = head(word, cells);
            // A character that is wider than the line goes alone.
            let first = if first.is_empty() { first_char(word) } else { first };
            lines.push(first.to_owned());
            word = word.get(first.len()..).unwrap_or_default();
        }
        if !line.is_empty() {
            line.push(' ');
        }
        line.push_str(word);
    }
    if !line.is_empty() || lines.is_empty() {
        lines.push(line);
    }
    lines
}

/// As many of the items as fit into so many cells, and how many more there are: `a, b and 5 more`. The first always stands.
pub(crate) fn some_of(items: &[String], all: usize, most: usize, cells: usize) -> String {
    let mut shown = items.len().min(most);
    loop {
        let text = joined(items, shown, all);
        if shown <= 1 || width(&text) <= cells {
            return text;
        }
        shown = shown.saturating_sub(1);
    }
}

fn joined(items: &[String], shown: usize, all: usize) -> String {
    let text = items.get(..shown).unwrap_or(items).join(", ");
    match all.saturating_sub(shown) {
        0 => text,
        more => format!("{text} and {} more", super::figures::count(more as u64)),
    }
}

/// The longest beginning of at most so many cells.
fn head(text: &str, cells: usize) -> &str {
    let mut taken = 0_usize;
    let end = text.char_indices().find(|(_, char)| {
        taken = taken.saturating_add(char.width().unwrap_or(0));
        taken > cells
    });
    end.map_or(text, |(at, _)| text.get(..at).unwrap_or_default())
}

/// The longest end of at most so many cells.
fn tail(text: &str, cells: usize) -> &str {
    let mut taken = 0_usize;
    let mut start = text.len();
    for (at, char) in text.char_indices().rev() {
        taken = taken.saturating_add(char.width().unwrap_or(0));
        if taken > cells {
            break;
        }
        start = at;
    }
    // No combining character without what it combines with.
    let rest = text.get(start..).unwrap_or_default();
    rest.trim_start_matches(|char: char| char.width() == Some(0))
}

fn first_char(text: &str) -> &str {
    text.chars().next().and_then(|first| text.get(..first.len_utf8())).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_fits_stays_and_what_does_not_says_so() {
        assert_eq!(cut_end("Mail ended early", 20), "Mail ended early");
        assert_eq!(cut_end("Mail ended early", 12), "Mail ended…");
        assert_eq!(cut_middle("RCPT TO:<somebody@example.org>", 15), "RCPT TO…le.org>");
    }

    #[test]
    fn a_path_keeps_its_files_name() {
        let path = "servers/smtp-server-3.21.6-tls-auth/starttls.pcap";
        assert_eq!(cut_path(path, 60), path);
        assert_eq!(cut_path(path, 40), "servers/smtp-server-3.21.…/starttls.pcap");
        assert_eq!(cut_path(path, 16), "s…/starttls.pcap");
        assert_eq!(cut_path(path, 14), "…starttls.pcap");
        assert_eq!(cut_path(path, 12), "…start….pcap");
    }

    #[test]
    fn lines_are_broken_between_words() {
        assert_eq!(wrap("one two three", 7), ["one two", "three"]);
        assert_eq!(wrap("unbreakable", 5), ["unbre", "akabl", "e"]);
        assert_eq!(wrap("", 5), [""]);
        assert_eq!(wrap("日本語", 1), ["日", "本", "語"]);
    }

    #[test]
    fn a_list_names_the_first_and_counts_the_rest() {
        let items: Vec<String> = (1..=3).map(|nth| format!("192.0.2.{nth}:25")).collect();
        assert_eq!(some_of(&items, 8, 3, 80), "192.0.2.1:25, 192.0.2.2:25, 192.0.2.3:25 and 5 more");
        assert_eq!(some_of(&items, 8, 3, 30), "192.0.2.1:25 and 7 more");
        assert_eq!(some_of(&items, 3, 3, 80), "192.0.2.1:25, 192.0.2.2:25, 192.0.2.3:25");
    }

    #[test]
    fn wide_and_combining_characters_keep_columns() {
        assert_eq!((width("日本"), width("e\u{301}")), (4, 1));
        assert_eq!((left("日本", 6), right("日本", 6)), ("日本  ".to_owned(), "  日本".to_owned()));
        assert_eq!(cut_end("日本語", 5), "日本…");
    }

    proptest! {
        #[test]
        fn nothing_is_wider_than_it_may_be(text in "[ -~é日\u{301}/]{0,60}", cells in 2_usize..40) {
            for cut in [cut_end(&text, cells), cut_middle(&text, cells), cut_path(&text, cells)] {
                prop_assert!(width(&cut) <= cells, "{cut:?}");
                prop_assert!(cut == text.as_str() || cut.contains('…'), "{cut:?}");
            }
            for line in wrap(&text, cells) {
                prop_assert!(width(&line) <= cells, "{line:?}");
            }
        }

        #[test]
        fn wrapping_loses_no_word(text in "[a-z ]{0,80}", cells in 20_usize..40) {
            let wrapped = wrap(&text, cells).join(" ");
            prop_assert!(wrapped.split_whitespace().eq(text.split_whitespace()), "{wrapped:?}");
        }
    }
}
