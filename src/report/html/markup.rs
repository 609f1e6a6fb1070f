//! Markup, and how much of it there may be. What is [`Markup`] was rendered by a template, which escapes all that is none: so
//! nothing else gets into the page as it stands.

use std::fmt;

use askama::Template;
use askama::filters::HtmlSafe;

/// What a template rendered.
#[derive(Clone, Debug, Default)]
pub(super) struct Markup(String);

impl Markup {
    pub(super) fn of(template: &impl Template) -> Self {
        // A template fails where a value's Display does, and none of ours does.
        Markup(template.render().unwrap_or_default())
    }

    pub(super) fn as_bytes(&self) -> &[u8] {
        self.0.as_bytes()
    }
}

impl HtmlSafe for Markup {}

impl fmt::Display for Markup {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.0)
    }
}

/// The page's style sheet or its script.
#[derive(Clone, Copy, Debug)]
pub(super) struct Own(pub &'static str);

impl HtmlSafe for Own {}

impl fmt::Display for Own {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.0)
    }
}

/// How many bytes a part of the page may yet take.
#[derive(Debug)]
pub(super) struct Room(usize);

impl Room {
    pub(super) const fn of(bytes: usize) -> Self {
        Room(bytes)
    }

    /// Takes the room for one more; where there is none, none is left for those behind it either, so that what is shown is the
    /// beginning of what there is.
    pub(super) fn takes(&mut self, markup: &Markup) -> bool {
        let left = self.0.checked_sub(markup.0.len());
        self.0 = left.unwrap_or(0);
        left.is_some()
    }

    /// As many of the items, rendered, as there is room for, and how many others there are.
    pub(super) fn fill<T: Template>(&mut self, items: impl IntoIterator<Item = T>) -> (Vec<Markup>, u64) {
        let (mut shown, mut more) = (Vec::new(), 0_u64);
        for item in items {
            // Rendering what is not shown would cost as much as showing it.
            let markup = if self.0 == 0 { None } else { Some(Markup::of(&item)) };
            match markup {
                Some(markup) if self.takes(&markup) => shown.push(markup),
                _ => more = more.saturating_add(1),
            }
        }
        (shown, more)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn where_one_does_not_fit_none_behind_it_is_shown() {
        let mut room = Room::of(10);
        let markups = [4, 7, 1].map(|length| Markup("x".repeat(length)));
        assert_eq!(markups.map(|markup| room.takes(&markup)), [true, false, false]);
    }
}
