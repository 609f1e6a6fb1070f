//! What the binary tells of one capture, and short claims that hold of it or say what stands there instead.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::support;

/// Nothing, or how a claim and what was told differ.
pub(crate) type Claim = Result<(), String>;

/// The records of one capture, with the text that they were read from.
pub(crate) struct Told {
    text: String,
    records: Vec<Value>,
}

impl Told {
    /// Everything that is told of one capture with these options.
    pub(crate) fn of(options: &[&str], capture: &std::path::Path) -> Told {
        Told::new(crate::invariance::scan(options, &[capture]))
    }

    /// The records in these JSON lines.
    pub(crate) fn new(text: String) -> Told {
        let records = support::records(&text);
        Told { text, records }
    }

    fn of_type<'t>(&'t self, kind: &'static str) -> impl Iterator<Item = &'t Value> {
        self.records.iter().filter(move |record| record["type"] == kind)
    }

    /// The findings, each as `rule/check`.
    pub(crate) fn findings(&self) -> BTreeSet<String> {
        let name = |finding: &Value| format!("{}/{}", string(&finding["rule"]), string(&finding["check"]));
        self.of_type("finding").map(name).collect()
    }

    /// These findings and no other.
    pub(crate) fn finds_only(&self, expected: &[&str]) -> Claim {
        let expected: BTreeSet<String> = expected.iter().map(|&check| check.to_owned()).collect();
        let findings = self.findings();
        let list = |of: BTreeSet<&String>| of.into_iter().map(String::as_str).collect::<Vec<_>>().join(", ");
        let missing = list(expected.difference(&findings).collect());
        let more = list(findings.difference(&expected).collect());
        let told = [("missing", missing), ("too many", more)]
            .map(|(what, list)| if list.is_empty() { String::new() } else { format!("findings {what}: {list}; ") });
        holds(told.iter().all(String::is_empty), || told.concat())
    }

    /// A finding of that check.
    pub(crate) fn finds(&self, check: &str) -> Claim {
        holds(self.findings().contains(check), || format!("no {check} in {:?}", self.findings()))
    }

    /// No finding whose `rule/check` holds that text.
    pub(crate) fn finds_no(&self, check: &str) -> Claim {
        holds(!self.findings().iter().any(|found| found.contains(check)), || format!("{check} is found"))
    }

    /// A finding of that check whose record holds the text.
    pub(crate) fn finding_tells(&self, check: &str, text: &str) -> Claim {
        let told = |finding: &&Value| format!("{}/{}", string(&finding["rule"]), string(&finding["check"])) == check;
        let found: Vec<String> = self.of_type("finding").filter(told).map(Value::to_string).collect();
        holds(found.iter().any(|finding| finding.contains(text)), || {
            format!("no {check} that tells {text:?}: {found:?}")
        })
    }

    /// A finding of that check in whose evidence a field holds the name.
    pub(crate) fn finding_names(&self, check: &str, field: &str, name: &str) -> Claim {
        let own = |finding: &&Value| format!("{}/{}", string(&finding["rule"]), string(&finding["check"])) == check;
        let named: Vec<&str> =
            self.of_type("finding").filter(own).map(|finding| string(&finding["evidence"][field])).collect();
        holds(named.iter().any(|named| named.contains(name)), || format!("{check}: {field} is {named:?}, not {name}"))
    }

    /// A finding of that check whose evidence shows the text as it stood on the wire, in one piece or as verb and argument.
    pub(crate) fn finding_shows(&self, check: &str, text: &str) -> Claim {
        let own = |finding: &&Value| format!("{}/{}", string(&finding["rule"]), string(&finding["check"])) == check;
        let shown = |finding: &Value| {
            let field = |name: &str| string(&finding["evidence"][name]).to_owned();
            let joined = ["", " "].map(|blank| format!("{}{blank}{}", field("command"), field("argument")));
            let fields = finding["evidence"].as_object().into_iter().flat_map(|fields| fields.values());
            fields.map(|value| string(value).to_owned()).chain(joined).collect()
        };
        let shown: Vec<Vec<String>> = self.of_type("finding").filter(own).map(shown).collect();
        holds(shown.iter().flatten().any(|shown| shown == text), || format!("{check} shows {shown:?}, not {text:?}"))
    }

    /// A finding of that check with that in a field of its own.
    pub(crate) fn finding_has(&self, check: &str, path: &str, expected: impl Into<Value>) -> Claim {
        let expected = expected.into();
        let own = |finding: &&Value| format!("{}/{}", string(&finding["rule"]), string(&finding["check"])) == check;
        let told: Vec<&Value> = self.of_type("finding").filter(own).map(|finding| at(finding, path)).collect();
        holds(told.contains(&&expected), || format!("{check}: {path} is {told:?}, not {expected}"))
    }

    /// What the commands are, in order: the verb, or `-` where there is none.
    pub(crate) fn verbs(&self) -> Vec<String> {
        self.of_type("command").map(|command| command["verb"].as_str().unwrap_or("-").to_owned()).collect()
    }

    /// These commands, and no other; `*` is any.
    pub(crate) fn commands(&self, expected: &[&str]) -> Claim {
        let told = self.verbs();
        let alike = |(told, expected): (&String, &&str)| *expected == "*" || told == expected;
        let same = told.len() == expected.len() && told.iter().zip(expected).all(alike);
        holds(same, || format!("the commands: {told:?}, not {expected:?}"))
    }

    /// Each reply in order: what it answers and its code; the greeting answers `-`.
    pub(crate) fn answers(&self) -> Vec<(String, u64)> {
        let answer =
            |reply: &Value| (reply["answers"].as_str().unwrap_or("-").to_owned(), reply["code"].as_u64().unwrap_or(0));
        self.of_type("reply").map(answer).collect()
    }

    /// These are the replies in order, each with what it answers; `*` is any line of the client.
    pub(crate) fn replies(&self, expected: &[(&str, u64)]) -> Claim {
        in_order(&self.answers(), expected)
    }

    /// The last replies are these, as [`Told::replies`] has them.
    pub(crate) fn last_replies(&self, expected: &[(&str, u64)]) -> Claim {
        let told = self.answers();
        let last = &told[told.len().saturating_sub(expected.len())..];
        in_order(last, expected)
    }

    /// The lines of each reply, in order.
    pub(crate) fn reply_lines(&self) -> Vec<Vec<String>> {
        let lines = |reply: &Value| {
            reply["lines"].as_array().into_iter().flatten().map(|line| string(line).to_owned()).collect()
        };
        self.of_type("reply").map(lines).collect()
    }

    /// The codes of the replies that answer that (a verb, `message`, `line`, `unsolicited`, `-` for the greeting).
    pub(crate) fn codes(&self, verb: &str, expected: &[u64]) -> Claim {
        let answers = self.answers().into_iter().filter(|(answers, _)| answers == verb);
        same(&format!("the replies to {verb}"), &answers.map(|(_, code)| code).collect::<Vec<_>>(), &expected)
    }

    /// The lines of each reply that answers that.
    pub(crate) fn lines(&self, verb: &str, expected: &[&[&str]]) -> Claim {
        let own = self.of_type("reply").filter(|reply| reply["answers"].as_str().unwrap_or("-") == verb);
        let lines: Vec<&Value> = own.map(|reply| &reply["lines"]).collect();
        same(&format!("the lines of the replies to {verb}"), &json!(lines), &json!(expected))
    }

    /// So many transactions.
    pub(crate) fn transactions(&self, expected: usize) -> Claim {
        let transactions = self.session("transactions");
        same("the number of transactions", &transactions.as_array().map_or(0, Vec::len), &expected)
    }

    /// A field of a transaction.
    pub(crate) fn transaction(&self, nth: usize, field: &str, expected: impl Into<Value>) -> Claim {
        let told = &self.session("transactions")[nth][field];
        let expected = expected.into();
        holds(*told == expected, || format!("transaction {nth}: {field} is {told}, not {expected}"))
    }

    /// A field of the one session, by its path.
    pub(crate) fn session(&self, path: &str) -> &Value {
        self.of_type("session").next().map_or(&Value::Null, |session| at(session, path))
    }

    /// What a field of the session holds.
    pub(crate) fn session_has(&self, path: &str, expected: impl Into<Value>) -> Claim {
        same(&format!("session.{path}"), self.session(path), &expected.into())
    }

    /// A field of the one server, by its path.
    pub(crate) fn server(&self, path: &str) -> &Value {
        self.of_type("server").next().map_or(&Value::Null, |server| at(server, path))
    }

    /// What a field of the server holds.
    pub(crate) fn server_has(&self, path: &str, expected: impl Into<Value>) -> Claim {
        same(&format!("server.{path}"), self.server(path), &expected.into())
    }

    /// The text stands in no record.
    pub(crate) fn absent(&self, texts: &[&str]) -> Claim {
        let told = texts.iter().find(|text| self.text.contains(**text));
        holds(told.is_none(), || format!("{told:?} stands in the records"))
    }

    /// No command's verb or argument and no finding holds the text.
    pub(crate) fn no_command(&self, text: &str) -> Claim {
        let told =
            self.of_type("command").chain(self.of_type("finding")).find(|record| record.to_string().contains(text));
        holds(told.is_none(), || format!("{text:?} stands in {}", told.unwrap_or(&Value::Null)))
    }
}

/// The claim, or what is said against it.
pub(crate) fn holds(claim: bool, otherwise: impl FnOnce() -> String) -> Claim {
    if claim { Ok(()) } else { Err(otherwise()) }
}

fn in_order(told: &[(String, u64)], expected: &[(&str, u64)]) -> Claim {
    let alike = |((answers, code), (expected, expected_code)): (&(String, u64), &(&str, u64))| {
        let any = *expected == "*" && !["unsolicited", "unknown", "-"].contains(&&answers[..]);
        code == expected_code && (any || answers == expected)
    };
    let same = told.len() == expected.len() && told.iter().zip(expected).all(alike);
    holds(same, || format!("the replies: {told:?}, not {expected:?}"))
}

fn same<T: PartialEq<U> + std::fmt::Debug, U: std::fmt::Debug>(what: &str, told: &T, expected: &U) -> Claim {
    holds(told == expected, || format!("{what}: {told:?}, not {expected:?}"))
}

/// All of the claims, in one.
pub(crate) fn all(claims: impl IntoIterator<Item = Claim>) -> Claim {
    let wrong: Vec<String> = claims.into_iter().filter_map(Result::err).collect();
    holds(wrong.is_empty(), || wrong.join("; "))
}

fn at<'r>(record: &'r Value, path: &str) -> &'r Value {
    path.split('.').fold(record, |value, key| match key.parse::<usize>() {
        Ok(place) if value.is_array() => &value[place],
        _ => &value[key],
    })
}

fn string(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}
