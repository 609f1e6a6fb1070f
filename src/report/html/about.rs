//! How the page was made: by which version, with which options. No wall clock: the same captures and options give the same bytes.

use askama::Template;
use serde_json::{Map, Value};

use crate::record::{Options, Start};

use super::line::Line;

#[derive(Template)]
#[template(path = "about.html")]
pub(super) struct About<'p> {
    start: Option<&'p Start>,
    /// Options that are not as they are where nothing is said, and the ports.
    set: Vec<(String, Line)>,
    usual: Vec<(String, Line)>,
}

pub(super) fn about(start: Option<&Start>) -> About<'_> {
    let usual = in_force(&Options::default());
    let all = start.map(|start| in_force(&start.options)).unwrap_or_default();
    let is_set = |(name, value): &(&String, &Value)| *name == "port" || usual.get(*name) != Some(*value);
    let row = |(name, value): (&String, &Value)| (format!("--{}", name.replace('_', "-")), Line::of(&said(value)));
    let (set, usual): (Vec<_>, Vec<_>) = all.iter().partition(is_set);
    About { start, set: set.into_iter().map(row).collect(), usual: usual.into_iter().map(row).collect() }
}

/// Every option; limits each under its own name.
fn in_force(options: &Options) -> Map<String, Value> {
    let Ok(Value::Object(mut all)) = serde_json::to_value(options) else { return Map::new() };
    if let Some(Value::Object(limits)) = all.remove("limits") {
        all.extend(limits.into_iter().map(|(name, value)| (format!("max_{name}"), value)));
    }
    // A page is made of all records, whatever was asked for.
    all.remove("records");
    all
}

fn said(value: &Value) -> String {
    match value {
        Value::Null => "none".to_owned(),
        Value::Bool(flag) => if *flag { "yes" } else { "no" }.to_owned(),
        Value::String(text) => text.clone(),
        Value::Array(items) if items.is_empty() => "none".to_owned(),
        Value::Array(items) => items.iter().map(said).collect::<Vec<_>>().join(", "),
        Value::Object(rows) if rows.is_empty() => "none".to_owned(),
        Value::Object(rows) => {
            rows.iter().map(|(name, value)| format!("{name}={}", said(value))).collect::<Vec<_>>().join(", ")
        }
        Value::Number(number) => number.to_string(),
    }
}
