//! Styles, or none where the output shows none. No meaning is carried by colour alone.

use std::fmt::Display;

use anstyle::{AnsiColor, Style};

use crate::record::Severity;

/// Whether there are any.
#[derive(Clone, Copy, Debug)]
pub(in crate::report) struct Styles {
    pub color: bool,
}

impl Styles {
    pub(in crate::report) fn bold(self, text: impl Display) -> String {
        self.paint(Style::new().bold(), text)
    }

    pub(in crate::report) fn dim(self, text: impl Display) -> String {
        self.paint(Style::new().dimmed(), text)
    }

    pub(in crate::report) fn server(self, text: impl Display) -> String {
        self.paint(AnsiColor::Blue.on_default(), text)
    }

    pub(in crate::report) fn severity(self, severity: Severity, text: impl Display) -> String {
        let style = match severity {
            Severity::Info => Style::new().dimmed(),
            Severity::Low => AnsiColor::Cyan.on_default(),
            Severity::Medium => AnsiColor::Yellow.on_default(),
            Severity::High => AnsiColor::Red.on_default().bold(),
            Severity::Critical => AnsiColor::BrightWhite.on(AnsiColor::Red).bold(),
        };
        self.paint(style, text)
    }

    fn paint(self, style: Style, text: impl Display) -> String {
        if self.color { format!("{style}{text}{style:#}") } else { text.to_string() }
    }
}
