//! Findings as they come, each in a line that never wraps: when, how bad, who, what, and the session. One like the line before is
//! counted, and told with the next that is not.

use crate::record::{End, Finding, Name, ServerEnd, Severity};
use crate::report::Look;
use crate::report::figures::count;
use crate::report::layout::{cut_end, cut_middle, left};

use super::styles::Styles;

/// From here on a line also names the client, and from here on the session.
const WITH_CLIENT: usize = 100;
const WITH_SESSION: usize = 120;
/// What a server's name or address is cut to.
const WHO: usize = 40;

/// What was printed last.
#[derive(Debug, Default)]
pub(super) struct Live {
    last: Option<Alike>,
    more: u64,
}

/// Findings that are alike are folded.
#[derive(Debug, PartialEq, Eq)]
struct Alike {
    severity: Severity,
    rule: Name,
    check: Name,
    client: std::net::IpAddr,
    server: ServerEnd,
}

impl Live {
    /// The line of a finding, or nothing where it is like the one before.
    pub(super) fn finding(&mut self, finding: &Finding, look: &Look) -> String {
        let alike = Alike {
            severity: finding.severity,
            rule: finding.rule.clone(),
            check: finding.check.clone(),
            client: finding.client.ip,
            server: finding.server.clone(),
        };
        if self.last.as_ref() == Some(&alike) {
            self.more = self.more.saturating_add(1);
            return String::new();
        }
        let mut text = self.end();
        self.last = Some(alike);
        text.push_str(&line(finding, look));
        text
    }

    /// How many were like the last one.
    pub(super) fn end(&mut self) -> String {
        self.last = None;
        match std::mem::take(&mut self.more) {
            0 => String::new(),
            more => format!("          … {} more like it\n", count(more)),
        }
    }
}

fn line(finding: &Finding, look: &Look) -> String {
    let style = Styles { color: look.color };
    let time = finding.time.to_string();
    let severity = style.severity(finding.severity, left(finding.severity.name(), 8));
    let Some(width) = look.terminal else {
        // A file or another program has room for all of it.
        let who = who(finding.client, &finding.server);
        let id = format_args!("{}/{}", finding.rule, finding.check);
        return format!("{time}  {severity}{who}  {}  [{id}]  session {}\n", finding.message, finding.session);
    };
    let time = time.get(11..19).unwrap_or(&time);
    let who = if width < WITH_CLIENT {
        cut_middle(&finding.server.to_string(), WHO).into_owned()
    } else {
        who(finding.client, &finding.server)
    };
    // Eight for the time and for the severity, blanks between.
    let used =
        8_usize.saturating_add(2).saturating_add(8).saturating_add(super::super::layout::width(&who)).saturating_add(2);
    let session = finding.session.get(..8).filter(|_| width >= WITH_SESSION);
    let room = width.saturating_sub(used).saturating_sub(if session.is_some() { 10 } else { 0 });
    let message = cut_end(&finding.message, room);
    let line = match session {
        Some(session) => format!("{}  {}", left(&message, room), style.dim(session)),
        None => message.into_owned(),
    };
    format!("{}  {severity}{who}  {line}\n", style.dim(time))
}

fn who(client: End, server: &ServerEnd) -> String {
    format!("{} > {}", client.ip, cut_middle(&server.to_string(), WHO))
}
