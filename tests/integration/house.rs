//! The house: a room uses only the rooms before it on the path, and each rule file is in the table.

use std::fs;
use std::path::{Path, PathBuf};

use crate::support;

/// The path of DESIGN's first page, top to bottom. A room may use those before it, and itself.
const PATH: &[&str] =
    &["base", "capture", "decode", "defrag", "tcp", "smtp", "rules", "ledger", "report", "engine", "cli"];

/// Rooms with no clock, no thread and no I/O: time is an argument.
const PURE: &[&str] = &["base", "decode", "defrag", "tcp", "smtp", "rules", "ledger"];

#[test]
fn arrows_run_one_way() {
    let mut wrong = Vec::new();
    for (place, room) in PATH.iter().enumerate() {
        let files = files_of(room);
        assert!(!files.is_empty(), "the room `{room}` has no files");
        for (path, text) in files {
            for used in rooms_used(&text) {
                let Some(at) = PATH.iter().position(|known| *known == used) else {
                    panic!("{}: uses `crate::{used}`, which is no room", path.display());
                };
                if at > place {
                    wrong.push(format!("{}: `{room}` uses `{used}`, which comes after it", path.display()));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn protocol_rooms_have_no_clock_no_thread_and_no_io() {
    for room in PURE {
        for (path, text) in files_of(room) {
            for forbidden in ["std::fs", "std::io", "std::thread", "std::net::Tcp", "SystemTime", "Instant::", "rayon"]
            {
                let code = without_tests(&text);
                assert!(!code.contains(forbidden), "{}: uses {forbidden}", path.display());
            }
        }
    }
}

#[test]
fn only_the_engine_has_threads() {
    for room in PATH.iter().filter(|room| **room != "engine") {
        for (path, text) in files_of(room) {
            let code = without_tests(&text);
            assert!(!code.contains("rayon::"), "{}: uses rayon", path.display());
            let threads =
                ["thread::spawn", "thread::Builder", "thread::scope"].iter().any(|start| code.contains(start));
            // What waits for the machine rather than for packets has a thread of its own.
            let waits = path.components().any(|folder| folder.as_os_str() == "host");
            assert!(!threads || (*room == "cli" && waits), "{}: starts a thread", path.display());
        }
    }
}

#[test]
fn each_rule_file_is_in_the_table() {
    let listed = support::run(&["rules"]);
    for (path, text) in files_of("rules") {
        if text.contains("static RULE: Rule") {
            // The largest rule is a folder.
            let named = if path.ends_with("mod.rs") { path.parent().unwrap() } else { path.as_path() };
            let id = named.file_stem().unwrap().to_str().unwrap().replace('_', "-");
            assert!(listed.stdout.contains(&id), "{} is not among `mailtap rules`", path.display());
            assert!(text.contains(&format!("id: \"{id}\"")), "{} holds a rule of another name", path.display());
        }
    }
}

/// What a client's line says is read once, in `smtp/wire`. Its text is private to `smtp/command.rs`, and what hands it
/// out is called by few: evidence, which shows it; AUTH, which takes names out of it; and the one check that is of octets.
#[test]
fn a_commands_octets_are_read_in_one_place() {
    let (_, maker) = files_of("smtp").into_iter().find(|(path, _)| path.ends_with("smtp/command.rs")).unwrap();
    for field in ["line: Vec<u8>,", "argument: Argument,", "hidden: Option<Secret>,"] {
        let declared = without_tests(&maker).lines().map(str::trim).filter(|line| line.ends_with(field));
        assert_eq!(declared.collect::<Vec<_>>(), [field], "a field that is not private, or none of that name");
    }
    let evidence = ["ledger/entry.rs", "rules/finding.rs", "rules/reading.rs"];
    for (call, allowed) in [
        (".raw()", &["rules/binary_in_command.rs"][..]),
        (".shown()", &evidence),
        (".shown_line()", &evidence),
        // What a reply repeats of HELP's argument discloses nothing.
        ("reading::argument(", &["rules/finding.rs", "rules/help_exposed.rs"]),
        (
            ".argument_revealed()",
            &["ledger/entry.rs", "rules/finding.rs", "smtp/dialogue/command.rs", "smtp/dialogue/answer.rs"],
        ),
        (".line_revealed()", &["rules/finding.rs"]),
        (".secret_part()", &["smtp/dialogue/command.rs", "smtp/dialogue/server.rs"]),
    ] {
        for (path, text) in PATH.iter().flat_map(|room| files_of(room)) {
            let calls = path.ends_with("smtp/command.rs") || allowed.iter().any(|allowed| path.ends_with(allowed));
            assert!(calls || !without_tests(&text).contains(call), "{}: calls {call}", path.display());
        }
    }
}

/// The room's files with their text, but for its tests': `src/ROOM.rs` and all below `src/ROOM/`.
fn files_of(room: &str) -> Vec<(PathBuf, String)> {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    let single = src.join(format!("{room}.rs"));
    if single.exists() {
        files.push(single);
    }
    collect(&src.join(room), &mut files);
    let read = |path: PathBuf| (path.clone(), fs::read_to_string(path).unwrap());
    let files: Vec<(PathBuf, String)> = files.into_iter().map(read).collect();
    let tests: Vec<PathBuf> = files.iter().flat_map(|(path, text)| modules_of_tests(path, text)).collect();
    files
        .into_iter()
        .filter(|(path, _)| {
            !tests.iter().any(|module| path.starts_with(module) || *path == module.with_extension("rs"))
        })
        .collect()
}

/// The modules in files of their own that are compiled for tests alone, without the `.rs`.
fn modules_of_tests(path: &Path, text: &str) -> Vec<PathBuf> {
    let folder = match path.file_stem().unwrap().to_str().unwrap() {
        "mod" | "lib" => path.parent().unwrap().to_owned(),
        _ => path.with_extension(""),
    };
    let lines: Vec<&str> = text.lines().map(str::trim).collect();
    lines
        .windows(2)
        .filter(|pair| pair[0] == "#[cfg(test)]")
        .filter_map(|pair| pair[1].split_once("mod ")?.1.strip_suffix(';'))
        .map(|name| folder.join(name))
        .collect()
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    for entry in entries {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect(&path, files);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
}

/// The `NAME` of each `crate::NAME`, and of each in `crate::{NAME, ...}`, outside comments.
fn rooms_used(text: &str) -> Vec<String> {
    let mut used = Vec::new();
    for line in text.lines().filter(|line| !line.trim_start().starts_with("//")) {
        for rest in line.split("crate::").skip(1) {
            let name: String = rest.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
            if !name.is_empty() && name != "support" {
                used.push(name);
            }
        }
    }
    used
}

/// The file up to its tests.
fn without_tests(text: &str) -> &str {
    text.split("#[cfg(test)]").next().unwrap_or(text)
}
