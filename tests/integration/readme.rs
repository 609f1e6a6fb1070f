//! README and documentation show what the program prints, and nothing else.

use std::path::PathBuf;

use crate::support::{package, run};

/// Every page that a user reads.
fn pages() -> Vec<PathBuf> {
    let docs = std::fs::read_dir(package().join("docs")).unwrap().map(|entry| entry.unwrap().path());
    let docs = docs.filter(|path| path.extension().is_some_and(|extension| extension == "md"));
    docs.chain([package().join("README.md")]).collect()
}

/// Before a block of output stands `<!-- output of: mailtap ARGUMENTS -->`; the block must be part of that output.
#[test]
fn blocks_of_output_are_what_the_program_prints() {
    let mut compared = 0;
    for path in pages() {
        let page = std::fs::read_to_string(&path).unwrap();
        for part in page.split("<!-- output of: mailtap ").skip(1) {
            let (arguments, behind) = part.split_once(" -->").unwrap();
            let block = behind.split("```").nth(1).and_then(|block| block.split_once('\n')).unwrap().1;
            let ran = run(&arguments.split(' ').collect::<Vec<_>>());
            assert!(
                ran.stdout.contains(block),
                "mailtap {arguments} prints\n{}\n{}\nand {} shows\n{block}",
                ran.stdout,
                ran.stderr,
                path.display(),
            );
            compared += 1;
        }
    }
    assert!(compared > 2, "{compared} blocks of output are shown");
}

/// What a page says to type, each in its line: all of it is understood.
#[test]
fn every_command_that_is_shown_is_understood() {
    let mut tried = 0;
    for path in pages() {
        let page = std::fs::read_to_string(&path).unwrap();
        let shown = page.lines().filter_map(|line| line.strip_prefix("    "));
        let typed = shown.chain(page.split('`').skip(1).step_by(2)).filter_map(|text| {
            let text = text.split(" # ").next().unwrap_or_default().split(" | ").next().unwrap_or_default();
            text.trim().trim_start_matches("sudo ").strip_prefix("mailtap ")
        });
        for arguments in typed.filter(|text| text.is_ascii() && !text.contains("COMMAND")) {
            let mut words: Vec<String> = arguments
                .split(" > ")
                .next()
                .unwrap_or_default()
                .split_whitespace()
                .map(|word| word.trim_matches('\'').to_owned())
                .collect();
            // Understood, and then ended by what it is told of something that does not exist.
            words
                .iter_mut()
                .filter(|word| word.ends_with("captures/"))
                .for_each(|word| *word = "testdata/session".to_owned());
            words
                .iter_mut()
                .filter(|word| word.starts_with("eth"))
                .for_each(|word| *word = "no-such-interface".to_owned());
            if words.iter().any(|word| {
                word.starts_with("/srv")
                    || word.contains("=report")
                    || word.contains("mailtap.")
                    || word.contains("pcapng")
                    || word == "..."
            }) {
                continue;
            }
            let ran = run(&words.iter().map(String::as_str).collect::<Vec<_>>());
            let usage = ["unexpected", "Usage:", "not an option", "unknown", "no option"];
            assert!(!usage.iter().any(|word| ran.stderr.contains(word)), "mailtap {arguments}: {}", ran.stderr);
            tried += 1;
        }
    }
    assert!(tried > 15, "{tried} commands");
}
