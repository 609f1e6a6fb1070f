//! The checks of the catalogue: for each a dialogue that fires it and a look-alike, one line apart, that must not.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use crate::dialogues::{self, Scan};
use crate::support;

/// The rule that a dialogue below `testdata/rules` belongs to.
fn rule(path: &Path) -> String {
    path.parent().and_then(Path::file_name).unwrap().to_string_lossy().into_owned()
}

/// The check that a dialogue's name begins with: `answered` of `answered-in-data.fires.smtp`, or the name whole.
fn is_of(check: &str, path: &Path) -> bool {
    let name = path.file_name().unwrap().to_string_lossy().into_owned();
    name.strip_prefix(check).is_some_and(|rest| rest.starts_with(['-', '.']))
}

fn twin(path: &Path) -> PathBuf {
    let name = path.to_string_lossy();
    PathBuf::from(if name.contains(".fires.") {
        name.replace(".fires.", ".silent.")
    } else {
        name.replace(".silent.", ".fires.")
    })
}

/// Every rule and check, as `mailtap rules` lists them.
fn catalogue() -> Vec<(String, String)> {
    let listed = support::run(&["rules"]).stdout;
    let (mut rule, mut checks) = (String::new(), Vec::new());
    // Behind the empty line at the end stands how to go on.
    for line in listed.lines().filter(|line| !line.starts_with("mailtap")) {
        let word = line.split_whitespace().next().unwrap_or_default().to_owned();
        if line.starts_with(' ') {
            checks.push((rule.clone(), word));
        } else {
            rule = word;
        }
    }
    assert!(checks.len() > 10, "{listed}");
    checks
}

/// The lines of a dialogue that say something.
fn said(path: &Path) -> Vec<String> {
    let text = fs::read_to_string(path).unwrap();
    let lines = text.lines().filter(|line| !line.is_empty() && !line.starts_with(['#', '~', '=']));
    lines.map(str::to_owned).collect()
}

#[test]
fn every_check_of_the_table_has_a_dialogue_that_fires_it_and_a_look_alike() {
    let catalogue = catalogue();
    let all = dialogues::below("rules");
    let mut missing = Vec::new();
    for (id, check) in &catalogue {
        // `empty-domain.fires.smtp` begins with the check `empty` too, but is of the longer one.
        let of_longer =
            |path: &Path| catalogue.iter().any(|(_, other)| other.len() > check.len() && is_of(other, path));
        let own = |path: &Path| rule(path) == *id && is_of(check, path) && !of_longer(path);
        let fires = all.iter().any(|(path, dialogue)| {
            own(path)
                && path.to_string_lossy().contains(".fires.")
                && twin(path).is_file()
                && dialogue.findings().any(|(_, finding)| finding.check == *check)
        });
        if !fires {
            missing.push(format!("{id}/{check}"));
        }
    }
    assert!(missing.is_empty(), "no pair for {}", missing.join(", "));
}

#[test]
fn every_dialogue_has_its_findings_and_no_other() {
    let mut failures = Vec::new();
    for (path, dialogue) in dialogues::below("rules") {
        let scan = Scan::of(&path.with_extension("pcap"), &[&rule(&path)]);
        let mut wrong = dialogues::differences(&dialogue, &scan);
        let (expected, found) = (dialogues::expected_findings(&dialogue), scan.findings());
        if expected != found {
            wrong.push(format!("findings\n  expected: {expected:?}\n  printed: {found:?}"));
        }
        failures.extend(wrong.into_iter().map(|wrong| format!("{}: {wrong}", path.display())));
    }
    assert!(failures.is_empty(), "{} differences\n{}", failures.len(), failures.join("\n"));
}

#[test]
fn twins_are_one_line_apart_and_only_one_of_them_fires() {
    for (path, dialogue) in dialogues::below("rules") {
        let name = path.display();
        assert!(twin(&path).is_file(), "{name} has no twin");
        let (here, there) = (said(&path), said(&twin(&path)));
        let before = here.iter().zip(&there).take_while(|(one, other)| one == other).count();
        let behind = here.iter().rev().zip(there.iter().rev()).take_while(|(one, other)| one == other).count();
        let longer = here.len().max(there.len());
        assert!(here != there && before + behind >= longer.saturating_sub(1), "{name} differs in more than a line");
        let checks: BTreeSet<_> = dialogue.findings().map(|(_, finding)| finding).collect();
        let own = checks.iter().filter(|finding| finding.rule == rule(&path) && is_of(&finding.check, &path));
        if path.to_string_lossy().contains(".fires.") {
            assert!(own.count() > 0, "{name} expects no finding of its check");
        }
    }
}

#[test]
fn a_silent_dialogue_expects_fewer_findings_of_its_check() {
    let of_check = |dialogue: &synth::Dialogue, path: &Path| {
        dialogue.findings().filter(|(_, finding)| is_of(&finding.check, path)).count()
    };
    let all = dialogues::below("rules");
    for (path, dialogue) in all.iter().filter(|(path, _)| path.to_string_lossy().contains(".silent.")) {
        let (other, fires) = all.iter().find(|(other, _)| *other == twin(path)).unwrap();
        assert!(of_check(dialogue, path) < of_check(fires, other), "{} is not silent", path.display());
    }
}
