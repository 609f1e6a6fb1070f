//! The catalogue in its three forms, and the page of it that the documentation has.

use std::fs;

use serde_json::Value;

use crate::support::{package, run};

/// The output of a run that went well.
fn printed(arguments: &[&str]) -> String {
    let ran = run(arguments);
    assert_eq!((ran.code(), ran.stderr.as_str()), (0, ""), "{arguments:?}");
    ran.stdout
}

#[test]
fn the_page_in_docs_is_what_the_program_prints() {
    let page = fs::read_to_string(package().join("docs/rules.md")).unwrap_or_default();
    let printed = printed(&["rules", "--format", "markdown"]);
    let differs = page.lines().zip(printed.lines()).find(|(page, printed)| page != printed);
    assert!(
        page == printed,
        "docs/rules.md is not what the rules say now ({differs:?}); make it anew:\n\
         cargo run --quiet -- rules --format markdown > docs/rules.md"
    );
}

#[test]
fn json_is_one_document_with_everything_known() {
    let document: Value = serde_json::from_str(&printed(&["rules", "--format", "json"])).unwrap();
    let rules = document["rules"].as_array().unwrap();
    assert_eq!(rules.len(), 8);
    for rule in rules {
        assert!(["id", "title", "what", "why", "honesty"].iter().all(|name| rule[name].is_string()), "{rule}");
        assert!(["fixes", "references"].iter().all(|name| !rule[name].as_array().unwrap().is_empty()), "{rule}");
        for check in rule["checks"].as_array().unwrap() {
            assert!(["id", "severity", "scope", "fires_when"].iter().all(|name| check[name].is_string()), "{check}");
            assert!(check["confidence"].is_u64(), "{check}");
        }
    }
    // The plugin whose finding help-exposed is.
    let data = &rules[0]["source_data"];
    for (name, value) in [
        ("popularity", "9"),
        ("accuracy", "70"),
        ("author", "Marc Ruef, computec.ch"),
        ("detection", "open|send HELP\\n|sleep|close|pattern_exists 220 *HELP*"),
    ] {
        assert_eq!(data[name], value);
    }
    let one: Value = serde_json::from_str(&printed(&["rules", "starttls", "--format", "json"])).unwrap();
    assert_eq!(one["rules"].as_array().unwrap().len(), 1);
    assert_eq!(one["rules"][0]["id"], "starttls");
}

#[test]
fn one_rule_is_printed_whole_in_each_form() {
    let fires = "STARTTLS got a reply other than 220";
    for format in ["text", "json", "markdown"] {
        let text = printed(&["rules", "starttls", "--format", format]);
        let found = text.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(found.contains(fires) && found.contains("injected"), "{format}: {text}");
        assert!(!text.contains("help-exposed"), "{format}");
        assert_eq!(run(&["rules", "no-such-rule", "--format", format]).code(), 2);
    }
}
