//! What to type next: the commands that go on from an overview.

use crate::report::digest::Digest;
use crate::report::layout::{left, width};
use crate::report::{Detail, Look, naming};

use super::page::Page;

/// The commands, each with what it shows where there is room for that.
pub(super) fn write(page: &mut Page, digest: &Digest, look: &Look) {
    let worst = digest.groups.worst_first();
    let Some(group) = worst.first().and_then(|grouped| grouped.groups.first()) else { return };
    let mut commands: Vec<(String, &str)> = Vec::new();
    if !look.as_it_goes
        && let Some(finding) = group.findings.first()
    {
        let show = naming::show(&finding.session, look, digest.start.as_deref());
        commands.extend(show.map(|show| (show, "one conversation")));
    }
    commands.push((format!("mailtap rules {}", group.id()), "why it matters, how to fix it"));
    if !look.as_it_goes {
        if look.detail == Detail::Overview {
            commands.push(("-v".to_owned(), "every finding"));
        }
        commands.push(("--report html=FILE".to_owned(), "a page to share"));
    }
    page.blank();
    // A command is never cut: whoever copies it wants all of it. What is too long stands without its words.
    let fits =
        |(command, what): &&(String, &str)| width(command).saturating_add(width(what)).saturating_add(4) <= page.width;
    let widest = commands.iter().filter(fits).map(|(command, _)| width(command)).max().unwrap_or(0);
    for command in &commands {
        let both = format!("  {}  {}", left(&command.0, widest), command.1);
        page.line(if width(&both) <= page.width { both } else { format!("  {}", command.0) });
    }
}
