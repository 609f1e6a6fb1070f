//! The catalogue as a page of documentation: `docs/rules.md` is made of it, and a test holds them together.

use std::fmt::Write as _;

use crate::rules::{Check, RULES, Rule, Scope};

use super::{otherwise_reads, whom};

/// Says in the page itself how it is made.
const MADE_BY: &str = "<!-- Made by: mailtap rules --format markdown > docs/rules.md -->";

/// Every rule whole, behind a table of all.
pub(super) fn catalogue() -> String {
    let mut text = format!(
        "{MADE_BY}\n\n# The rules\n\nA rule asks one question of every SMTP session; each of its checks is one answer to \
         report. The ids of rules and checks are stable. `mailtap rules ID` prints one rule, `mailtap rules --format json` \
         all of them for programs. Severities can be changed, and rules or checks left out: see `mailtap config`.\n\n\
         | rule | what it reports | checks |\n|---|---|---|\n"
    );
    for rule in RULES {
        let checks = rule.checks.iter().map(|check| format!("`{}`", check.id)).collect::<Vec<_>>();
        let _ = writeln!(text, "| [`{id}`](#{id}) | {} | {} |", cell(rule.title), checks.join(", "), id = rule.id);
    }
    for rule in RULES {
        text.push('\n');
        text += &section(rule, "##");
    }
    text
}

/// One rule whole.
pub(super) fn page(rule: &Rule) -> String {
    section(rule, "#")
}

/// A rule under a heading of this depth.
fn section(rule: &Rule, depth: &str) -> String {
    let mut text = format!("{depth} {}\n\n**{}.** {}\n", rule.id, prose(rule.title), prose(rule.what));
    let mut part = |title: &str, body: &str| {
        if !body.is_empty() {
            let _ = write!(text, "\n{depth}# {title}\n\n{}\n", body.trim_end());
        }
    };
    let reasons = rule.checks.iter().filter_map(|check| Some((check.id, check.why?)));
    let reasons = reasons.map(|(check, why)| format!("- `{check}`: {}\n", prose(why)));
    part("Why it matters", &format!("{}\n\n{}", prose(rule.why), reasons.collect::<String>()));
    let rows = rule.checks.iter().map(|check| row(check)).collect::<String>();
    part(
        "Checks",
        &format!(
            "| check | title | about | fires when | severity | confidence | reported |\n|---|---|---|---|---|---|---|\n{rows}"
        ),
    );
    part("Where the triggers come from", &prose(rule.honesty));
    let fixes = rule.fixes.iter().map(|fix| {
        let (whom, text, source) = (prose(&whom(fix)), prose(fix.text), prose(fix.source));
        format!("- **{whom}**: {text} ({source})\n")
    });
    part("How to fix it", &fixes.collect::<String>());
    let references = rule.references.iter().map(|reference| match (prose(reference.text), reference.url) {
        (text, "") => format!("- {text}\n"),
        (text, url) => format!("- [{text}]({url})\n"),
    });
    part("References", &references.collect::<String>());
    let data = rule.source_data.iter().map(|(name, value)| format!("| {} | {} |\n", cell(name), cell(value)));
    let data = data.collect::<String>();
    if !data.is_empty() {
        part("What the rule's source says", &format!("| field | value |\n|---|---|\n{data}"));
    }
    text
}

fn row(check: &Check) -> String {
    let often = match check.scope {
        Scope::Server => "once per server and severity",
        Scope::Session => "once per session and verb",
        Scope::Total => "once per session, with a count",
    };
    let (severity, confidence, about) = (check.severity.name(), check.confidence, check.about.name());
    let otherwise = check.otherwise.iter().map(|otherwise| format!("; {}", cell(&otherwise_reads(otherwise))));
    let (title, fires) = (cell(check.title), cell(check.fires));
    let otherwise = otherwise.collect::<String>();
    format!("| `{}` | {title}{otherwise} | {about} | {fires} | {severity} | {confidence} | {often} |\n", check.id)
}

/// Text for a paragraph or a list: what would be read as markup is escaped, but for code between backticks. A `_`
/// inside a word, and a bracket without a link behind it, are none.
fn prose(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let (mut code, mut before) = (false, ' ');
    let mut chars = text.chars().peekable();
    while let Some(char) = chars.next() {
        code ^= char == '`';
        let in_word = before.is_alphanumeric() && chars.peek().is_some_and(|next| next.is_alphanumeric());
        if !code && (matches!(char, '\\' | '*' | '<' | '&') || char == '_' && !in_word) {
            out.push('\\');
        }
        out.push(char);
        before = char;
    }
    out
}

/// The same for a table, whose cells a bar ends, in code too.
fn cell(text: &str) -> String {
    prose(text).replace('|', "\\|")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_code_is_no_markup() {
        assert_eq!(prose("<user> and `<user>`, a_b _c_ *d*"), "\\<user> and `<user>`, a_b \\_c\\_ \\*d\\*");
        assert_eq!(cell("open|send HELP\\n|close `a|b`"), "open\\|send HELP\\\\n\\|close `a\\|b`");
    }

    #[test]
    fn every_backtick_has_its_other() {
        for rule in RULES {
            let texts = rule.fixes.iter().flat_map(|fix| [fix.text, fix.source]);
            let texts = texts.chain(rule.checks.iter().flat_map(|check| [check.title, check.fires]));
            let texts = texts.chain(rule.references.iter().map(|reference| reference.text));
            let texts = texts.chain(rule.checks.iter().filter_map(|check| check.why));
            for text in texts.chain([rule.title, rule.what, rule.why, rule.honesty]) {
                assert_eq!(text.matches('`').count() % 2, 0, "{text}");
                assert!(!text.contains('\n'), "{text}");
            }
        }
    }

    #[test]
    fn every_rule_and_check_is_in_it() {
        let text = catalogue();
        for rule in RULES {
            assert!(text.contains(&format!("\n## {}\n", rule.id)), "{}", rule.id);
            for check in rule.checks {
                assert!(text.contains(&row(check)), "{}/{}", rule.id, check.id);
            }
        }
    }
}
