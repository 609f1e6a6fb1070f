//! The house: a room uses only the rooms before it on the path, and each rule file is in the table.

use std::fs;
use std::path::{Path, PathBuf};

use crate::support;

/// The path of DESIGN's first page, top to bottom. A room may use those before it, and itself.
const PATH: &[&str] =
    &["base", "capture", "decode", "defrag", "tcp", "smtp", "rules", "ledger", "record", "report", "engine", "cli"];

/// Rooms with no clock, no thread and no I/O: time is an argument.
const PURE: &[&str] = &["base", "decode", "defrag", "tcp", "smtp", "rules", "ledger", "record"];

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
        (".line_revealed()", &["ledger/entry.rs", "rules/finding.rs"]),
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

/// A room in which every file may use every other can only be changed as a whole.
#[test]
fn no_files_of_smtp_use_each_other_in_a_circle() {
    let files = files_of("smtp");
    let modules: Vec<String> = files.iter().map(|(path, _)| module_of(path)).collect();
    let mut uses: Vec<(usize, usize)> = Vec::new();
    for (from, (_, text)) in files.iter().enumerate() {
        for used in imports(&modules[from], without_tests(text)) {
            let longest = modules.iter().enumerate().filter(|(_, module)| is_within(&used, module));
            let of = longest.max_by_key(|(_, module)| module.len()).map(|(place, _)| place);
            uses.extend(of.filter(|&of| of != from && !modules[of].is_empty()).map(|of| (from, of)));
        }
    }
    assert!(uses.len() > 100, "{} imports: they are not read", uses.len());
    // What uses nothing that is left is taken away, until nothing changes.
    let mut left: Vec<usize> = (0..modules.len()).filter(|&place| !modules[place].is_empty()).collect();
    loop {
        let uses_some = |place: &usize| uses.iter().any(|(from, of)| from == place && left.contains(of));
        let rest: Vec<usize> = left.iter().copied().filter(uses_some).collect();
        if rest.len() == left.len() {
            break;
        }
        left = rest;
    }
    let circle: Vec<&str> = left.iter().map(|&place| modules[place].as_str()).collect();
    assert!(circle.is_empty(), "these use each other, or what does: {circle:?}");
}

/// The name of a file's module below `smtp`; the room's own is empty.
fn module_of(path: &Path) -> String {
    let parts: Vec<&str> = path.iter().map(|part| part.to_str().unwrap()).collect();
    let room = parts.iter().rposition(|part| *part == "smtp").unwrap();
    let name = parts[room + 1..].join("::");
    let name = name.strip_suffix(".rs").unwrap();
    name.strip_suffix("mod").map_or(name, |folder| folder.trim_end_matches("::")).to_owned()
}

/// Each path that a file of `smtp` names in a `use`, from the room on.
fn imports(module: &str, text: &str) -> Vec<String> {
    let mut imports = Vec::new();
    for statement in text.split("\nuse ").skip(1) {
        let statement = statement.split(';').next().unwrap();
        let (path, names) = match statement.split_once('{') {
            Some((path, names)) => (path, names.trim_end_matches('}')),
            None => (statement, ""),
        };
        let mut base: Vec<&str> = module.split("::").filter(|part| !part.is_empty()).collect();
        let rest = if let Some(rest) = path.strip_prefix("crate::smtp::") {
            base.clear();
            rest
        } else if path.starts_with("super::") {
            let mut rest = path;
            while let Some(outer) = rest.strip_prefix("super::") {
                base.pop();
                rest = outer;
            }
            rest
        } else {
            continue;
        };
        for name in names.split(',').map(str::trim) {
            let whole = [base.join("::").as_str(), rest.trim_end_matches("::"), name].map(str::to_owned);
            imports.push(whole.iter().filter(|part| !part.is_empty()).cloned().collect::<Vec<_>>().join("::"));
        }
    }
    imports
}

/// Whether a path names a module, or something in it.
fn is_within(path: &str, module: &str) -> bool {
    path.strip_prefix(module).is_some_and(|rest| rest.is_empty() || module.is_empty() || rest.starts_with("::"))
}

/// What one machine knows no other can write, and none knows much.
#[test]
fn fields_of_the_machines_of_smtp_are_private_and_few() {
    const MACHINES: &[(&str, &str)] = &[
        ("client.rs", "Client"),
        ("dialogue/mod.rs", "Dialogue"),
        ("doubt.rs", "Doubt"),
        ("envelope.rs", "Envelope"),
        ("matching.rs", "Matching"),
        ("message.rs", "Chunk"),
        ("message.rs", "Data"),
        ("opening.rs", "Opening"),
        ("readings/choice.rs", "Choices"),
        ("readings/trial.rs", "Trial"),
        ("sequence.rs", "Sequence"),
        ("streams.rs", "Streams"),
        ("telling.rs", "Telling"),
    ];
    let files = files_of("smtp");
    for (name, machine) in MACHINES {
        let (_, text) = files.iter().find(|(path, _)| path.ends_with(Path::new("smtp").join(name))).unwrap();
        let begin = text.find(&format!("struct {machine} {{\n")).unwrap_or_else(|| panic!("{name}: no {machine}"));
        let body = text[begin..].split("\n}\n").next().unwrap();
        let lines = body.lines().skip(1).map(str::trim);
        let fields: Vec<&str> = lines.filter(|line| !line.starts_with("//") && line.contains(": ")).collect();
        assert!((1..=15).contains(&fields.len()), "{machine} has {} fields", fields.len());
        assert!(fields.iter().all(|field| !field.starts_with("pub")), "{machine}: {fields:?}");
    }
}

#[test]
fn no_file_of_smtp_is_longer_than_five_hundred_lines() {
    for (path, text) in files_of("smtp") {
        let lines = text.lines().count();
        assert!(lines <= 500, "{}: {lines} lines", path.display());
    }
}
