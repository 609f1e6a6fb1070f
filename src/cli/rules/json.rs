//! The catalogue as one JSON document: `{"mailtap": VERSION, "format": 2, "rules": [...]}`.

use serde::{Serialize, Serializer};

use crate::rules::{Check, Fix, Otherwise, RULES, Reference, Rule, Scope};

/// The catalogue, or the same with one rule alone, or with one check of it.
pub(super) fn document(one: Option<&Rule>, check: Option<&Check>) -> String {
    let asked = RULES.iter().copied().filter(|rule| one.is_none_or(|one| one.id == rule.id));
    let mut rules: Vec<OneRule> = asked.map(OneRule::of).collect();
    for rule in &mut rules {
        rule.checks.retain(|known| check.is_none_or(|check| known.id == check.id));
    }
    let document = Document { mailtap: env!("CARGO_PKG_VERSION"), format: 2, rules };
    // Nothing in it can fail to be JSON: strings and numbers under names.
    serde_json::to_string_pretty(&document).unwrap_or_default() + "\n"
}

#[derive(Serialize)]
struct Document {
    mailtap: &'static str,
    /// Of this document; fields may be added.
    format: u8,
    rules: Vec<OneRule>,
}

#[derive(Serialize)]
struct OneRule {
    id: &'static str,
    title: &'static str,
    what: &'static str,
    why: &'static str,
    honesty: &'static str,
    checks: Vec<OneCheck>,
    fixes: Vec<OneFix>,
    references: Vec<OneReference>,
    #[serde(serialize_with = "in_order")]
    source_data: &'static [(&'static str, &'static str)],
}

impl OneRule {
    fn of(rule: &Rule) -> Self {
        OneRule {
            id: rule.id,
            title: rule.title,
            what: rule.what,
            why: rule.why,
            honesty: rule.honesty,
            checks: rule.checks.iter().map(|check| OneCheck::of(check)).collect(),
            fixes: rule.fixes.iter().map(OneFix::of).collect(),
            references: rule.references.iter().map(OneReference::of).collect(),
            source_data: rule.source_data,
        }
    }
}

#[derive(Serialize)]
struct OneCheck {
    id: &'static str,
    title: &'static str,
    /// Whom it is about: `server`, `client` or `session`.
    about: &'static str,
    severity: &'static str,
    /// The same of findings whose rule gives them another severity.
    otherwise: Vec<OneOtherwise>,
    confidence: u8,
    /// The evidence that the fingerprint is made over, beside rule, check and server.
    discriminator: &'static [&'static str],
    /// What it is reported once for: `server` or `session`.
    scope: &'static str,
    fires_when: &'static str,
    /// `null` where the rule's says it.
    why: Option<&'static str>,
}

impl OneCheck {
    fn of(check: &Check) -> Self {
        let scope = match check.scope {
            Scope::Server => "server",
            Scope::Session | Scope::Total => "session",
        };
        let &Check { id, title, confidence, discriminator, fires: fires_when, why, .. } = check;
        let otherwise = check.otherwise.iter().map(OneOtherwise::of).collect();
        let (about, severity) = (check.about.name(), check.severity.name());
        OneCheck { id, title, about, severity, otherwise, confidence, discriminator, scope, fires_when, why }
    }
}

#[derive(Serialize)]
struct OneOtherwise {
    severity: &'static str,
    about: &'static str,
    title: &'static str,
}

impl OneOtherwise {
    fn of(Otherwise { severity, about, title }: &Otherwise) -> Self {
        OneOtherwise { severity: severity.name(), about: about.name(), title }
    }
}

#[derive(Serialize)]
struct OneFix {
    /// As `server` records name it; `null` where it is for any.
    software: Option<&'static str>,
    /// Of which checks; of all where there is none.
    checks: &'static [&'static str],
    text: &'static str,
    source: &'static str,
}

impl OneFix {
    fn of(&Fix { software, checks, text, source }: &Fix) -> Self {
        OneFix { software, checks, text, source }
    }
}

#[derive(Serialize)]
struct OneReference {
    text: &'static str,
    /// `null` where there is none that lasts.
    url: Option<&'static str>,
}

impl OneReference {
    fn of(&Reference { text, url }: &Reference) -> Self {
        OneReference { text, url: Some(url).filter(|url| !url.is_empty()) }
    }
}

/// An object whose names keep their order.
fn in_order<S: Serializer>(rows: &&'static [(&'static str, &'static str)], to: S) -> Result<S::Ok, S::Error> {
    to.collect_map(rows.iter().copied())
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    #[test]
    fn the_document_has_every_rule_whole() {
        let document: Value = serde_json::from_str(&document(None, None)).unwrap();
        let listed = document["rules"].as_array().unwrap();
        assert_eq!(listed.len(), RULES.len());
        for (rule, listed) in RULES.iter().zip(listed) {
            let texts = [listed["id"].as_str(), listed["title"].as_str(), listed["what"].as_str()];
            assert_eq!(texts, [rule.id, rule.title, rule.what].map(Some));
            assert_eq!([&listed["why"], &listed["honesty"]], [rule.why, rule.honesty]);
            let counts = ["checks", "fixes", "references"].map(|name| listed[name].as_array().unwrap().len());
            assert_eq!(counts, [rule.checks.len(), rule.fixes.len(), rule.references.len()]);
            for (name, value) in rule.source_data {
                assert_eq!(listed["source_data"][name], *value);
            }
        }
        let answered = &document["rules"][0]["checks"][0];
        let (severity, scope) = (&answered["severity"], &answered["scope"]);
        assert_eq!((severity.as_str(), scope.as_str()), (Some("low"), Some("server")));
        assert!(answered["fires_when"].as_str().unwrap().contains("211 or 214"));
    }
}
