//! `mailtap rules`: the catalogue, and one rule whole, as text, JSON or Markdown. Everything comes from the rules'
//! records.

mod json;
mod markdown;

use std::fmt::{Display, Write as _};

use anstyle::Style;

use crate::rules::selection::Selector;
use crate::rules::{self, Check, Fix, Otherwise, RULES, Rule, Scope};

use super::args::{self, Catalogue};
use super::exit::Exit;

/// Prints the catalogue, one rule, or one check.
pub(super) fn run(arguments: &args::Rules) -> Exit {
    let asked = match arguments.id.as_deref().map(named).transpose() {
        Ok(asked) => asked,
        Err(problem) => return super::told(&problem),
    };
    if let Some(software) = &arguments.software {
        return match changes(software, asked.map(|(rule, _)| rule)) {
            Ok(text) => super::print(&text),
            Err(problem) => super::told(&problem),
        };
    }
    let (one, check) = asked.map_or((None, None), |(rule, check)| (Some(rule), check));
    super::print(&match arguments.format {
        Catalogue::Text => one.map_or_else(catalogue, |rule| whole(rule, check)),
        Catalogue::Json => json::document(one, check),
        Catalogue::Markdown => one.map_or_else(markdown::catalogue, markdown::page),
    })
}

/// A rule, or one of its checks: `help-exposed`, `help-exposed/answered`, and in any case.
fn named(id: &str) -> Result<(&'static Rule, Option<&'static Check>), String> {
    let id = id.to_ascii_lowercase();
    if let Err(unknown) = id.parse::<Selector>() {
        let meant = RULES.iter().flat_map(|rule| rule.checks.iter().map(|check| (rule.id, check.id)));
        let meant = meant.filter(|(_, check)| *check == id).map(|(rule, check)| format!("{rule}/{check}"));
        let meant = meant.collect::<Vec<_>>().join(" or ");
        return Err(if meant.is_empty() {
            unknown.to_string()
        } else {
            format!("no rule '{id}'; did you mean {meant}?")
        });
    }
    let (rule, check) = id.split_once('/').map_or((&id[..], None), |(rule, check)| (rule, Some(check)));
    let rule = rules::find(rule).ok_or_else(|| format!("no rule '{rule}'"))?;
    Ok((rule, check.and_then(|id| rule.checks.iter().copied().find(|check| check.id == id))))
}

/// What to change on that software, rule by rule.
fn changes(software: &str, only: Option<&Rule>) -> Result<String, String> {
    let is_it = |fix: &&Fix| fix.software.is_some_and(|name| name.eq_ignore_ascii_case(software));
    let mut text = String::new();
    for rule in RULES.iter().filter(|rule| only.is_none_or(|only| only.id == rule.id)) {
        for fix in rule.fixes.iter().filter(is_it) {
            let of = if fix.checks.is_empty() {
                rule.id.to_owned()
            } else {
                format!("{}: {}", rule.id, fix.checks.join(", "))
            };
            let _ = write!(text, "{}\n{}\n", bold(of), wrapped("  ", fix.text));
        }
    }
    if text.is_empty() {
        let mut known: Vec<&str> =
            RULES.iter().flat_map(|rule| rule.fixes.iter().filter_map(|fix| fix.software)).collect();
        known.sort_unstable();
        known.dedup();
        return Err(format!("no fix for '{software}': there are fixes for {}", known.join(", ")));
    }
    Ok(text)
}

/// Every rule with its checks, a line each.
fn catalogue() -> String {
    let mut text = String::new();
    for rule in RULES {
        let _ = writeln!(text, "{}  {}", bold(rule.id), rule.title);
        for check in rule.checks {
            let (severity, confidence) = (check.severity.name(), check.confidence);
            let _ = writeln!(text, "  {:<24} {severity:<9} {confidence:>3}  {}", check.id, check.title);
        }
        text.push('\n');
    }
    text.push_str("'mailtap rules RULE' explains a rule, 'mailtap rules RULE/CHECK' one check.\n");
    text
}

/// Everything that is known of a rule; of one of its checks alone, what concerns it.
fn whole(rule: &Rule, one: Option<&Check>) -> String {
    let is_asked = |check: &&&Check| one.is_none_or(|one| one.id == check.id);
    let concerns = |fix: &&Fix| fix.checks.is_empty() || one.is_none_or(|one| fix.checks.contains(&one.id));
    let mut text = format!("{}  {}\n", bold(rule.id), rule.title);
    let mut section = |title: &str, body: &str| {
        if !body.is_empty() {
            let _ = write!(text, "\n{}\n{body}", bold(title));
        }
    };
    section("What", &wrapped("  ", rule.what));
    let reasons = rule.checks.iter().filter(is_asked).filter_map(|check| Some((check.id, check.why?)));
    let reasons = reasons.map(|(check, why)| format!("  {check}\n{}", wrapped("    ", why)));
    section("Why it matters", &(wrapped("  ", rule.why) + &reasons.collect::<String>()));
    section("Checks", &rule.checks.iter().filter(is_asked).map(|check| one_check(check)).collect::<String>());
    section("Where the triggers come from", &wrapped("  ", rule.honesty));
    let fixes = rule.fixes.iter().filter(concerns).map(|fix| {
        let (whom, text, source) = (whom(fix), wrapped("    ", fix.text), fix.source);
        format!("  {whom}\n{text}{}", wrapped("    ", &format!("({source})")))
    });
    section("How to fix it", &fixes.collect::<String>());
    let references = rule.references.iter().map(|reference| match reference.url {
        "" => wrapped("  ", reference.text),
        url => format!("{}    {url}\n", wrapped("  ", reference.text)),
    });
    section("References", &references.collect::<String>());
    let source = rule.source_data.iter().map(|(name, value)| format!("  {name:<22} {value}\n"));
    section("What the rule's source says", &source.collect::<String>());
    text
}

fn one_check(check: &Check) -> String {
    let often = match check.scope {
        Scope::Server => "once per server and severity",
        Scope::Session => "once per session and verb",
        Scope::Total => "once per session, with a count",
    };
    let (severity, confidence, about) = (check.severity.name(), check.confidence, check.about.name());
    let head = format!(
        "  {}  {}\n    {severity}, confidence {confidence}, about the {about}, reported {often}\n",
        check.id, check.title
    );
    let mut text = head + &wrapped("    ", check.fires);
    for otherwise in check.otherwise {
        text += &wrapped("    ", &otherwise_reads(otherwise));
    }
    text
}

/// What a check is called where its rule gives a finding another severity.
pub(super) fn otherwise_reads(otherwise: &Otherwise) -> String {
    format!("{}: {}, about the {}", otherwise.severity.name(), otherwise.title, otherwise.about.name())
}

/// What a fix is for: `Postfix, for end-of-data and bare-lf`.
pub(super) fn whom(fix: &Fix) -> String {
    let software = fix.software.unwrap_or("any software");
    match fix.checks {
        [] => software.to_owned(),
        checks => format!("{software}, for {}", checks.join(" and ")),
    }
}

fn bold(text: impl Display) -> String {
    let style = Style::new().bold();
    format!("{style}{text}{style:#}")
}

/// The text in lines of at most 80 columns behind `indent`; a longer word, such as an address to copy, stays whole.
pub(super) fn wrapped(indent: &str, text: &str) -> String {
    const WIDTH: usize = 80;
    let mut lines = String::new();
    let mut line = String::new();
    for word in text.split_whitespace() {
        let needed = indent.len().saturating_add(line.len()).saturating_add(word.len());
        if !line.is_empty() && needed >= WIDTH {
            let _ = writeln!(lines, "{indent}{line}");
            line.clear();
        }
        if !line.is_empty() {
            line.push(' ');
        }
        line.push_str(word);
    }
    if !line.is_empty() {
        let _ = writeln!(lines, "{indent}{line}");
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_catalogue_names_every_rule_and_check() {
        let text = catalogue();
        for rule in RULES {
            assert!(text.contains(rule.id) && rule.checks.iter().all(|check| text.contains(check.id)), "{}", rule.id);
        }
    }

    #[test]
    fn what_to_change_on_a_software_is_told_alone() {
        let told = changes("POSTFIX", None).unwrap();
        assert!(told.contains("smtpd_forbid_bare_newline") && told.contains("smtpd_command_filter"), "{told}");
        assert!(!told.contains("HELP_FILE"), "{told}");
        let help = RULES.iter().copied().find(|rule| rule.id == "help-exposed");
        assert!(!changes("postfix", help).unwrap().contains("smtpd_forbid_bare_newline"));
        assert!(changes("qmail", None).unwrap_err().contains("there are fixes for "));
    }

    #[test]
    fn a_check_without_its_rule_is_told_with_it() {
        assert_eq!(named("Answered").unwrap_err(), "no rule 'answered'; did you mean help-exposed/answered?");
        let both = "no rule 'refused'; did you mean bad-greeting/refused or starttls/refused?";
        assert_eq!(named("refused").unwrap_err(), both);
        assert!(named("nothing").unwrap_err().contains("help-exposed"));
    }

    #[test]
    fn a_rule_is_printed_whole() {
        for rule in RULES {
            let text = whole(rule, None).split_whitespace().collect::<Vec<_>>().join(" ");
            let parts = rule.fixes.iter().map(|fix| fix.text).chain(rule.checks.iter().map(|check| check.fires));
            let data = rule.source_data.iter().map(|(_, value)| *value);
            let data = data.chain(rule.checks.iter().filter_map(|check| check.why));
            for part in parts.chain(data).chain([rule.what, rule.why, rule.honesty]) {
                let part = part.split_whitespace().collect::<Vec<_>>().join(" ");
                assert!(text.contains(&part), "{}: {part}", rule.id);
            }
        }
    }

    #[test]
    fn of_one_check_only_what_concerns_it_is_printed() {
        let (rule, check) = named("Help-Exposed/answered").unwrap();
        let text = whole(rule, check);
        assert!(text.contains("\n  answered  ") && !text.contains("\n  advertised  "), "{text}");
        for (id, told) in [("nothing", "the rules are: help-exposed"), ("starttls/nothing", "its checks are: started")]
        {
            assert!(named(id).unwrap_err().contains(told), "{id}");
        }
    }

    #[test]
    fn lines_are_wrapped_between_words() {
        let text = wrapped("  ", &"word ".repeat(60));
        assert!(text.lines().count() == 4 && text.lines().all(|line| line.len() <= 100 && line.starts_with("  word")));
    }
}
