//! Lines of a page of some width.

use crate::report::layout;

use super::styles::Styles;

/// A page that is written line by line.
#[derive(Debug)]
pub(super) struct Page {
    text: String,
    pub width: usize,
    pub style: Styles,
}

impl Page {
    pub(super) fn new(width: usize, style: Styles) -> Self {
        Page { text: String::new(), width, style }
    }

    /// One line, which fits.
    pub(super) fn line(&mut self, line: impl AsRef<str>) {
        self.text.push_str(line.as_ref().trim_end_matches(' '));
        self.text.push('\n');
    }

    /// An empty line, unless one is there or nothing at all.
    pub(super) fn blank(&mut self) {
        if !self.text.is_empty() && !self.text.ends_with("\n\n") {
            self.text.push('\n');
        }
    }

    /// A label and words behind it, wrapped below their beginning; `styled` is how the label looks, which takes `cells`.
    pub(super) fn labelled(&mut self, styled: &str, cells: usize, words: &str) {
        for (nth, line) in layout::wrap(words, self.width.saturating_sub(cells)).iter().enumerate() {
            let label = if nth == 0 { styled.to_owned() } else { " ".repeat(cells) };
            self.line(format!("{label}{line}"));
        }
    }

    pub(super) fn into_text(self) -> String {
        self.text
    }
}
