//! What real servers answered to odd clients (`scripts/lockstep`): every command, reply and message as their replies prove it.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use synth::{Dialogue, Plan, compare};

use crate::support;

/// What the wire does not tell, by the name that stands behind `# differs:` in a dialogue below `testdata/lockstep`, and in
/// `scripts/record/lockstep/names`.
const NAMES: &[(&str, &str)] = &[(
    "chunk-inside-line",
    "a refused chunk ends inside a line, so executed and swallowed it gets the same number of replies: SESSION.md's default \
     decides (BDAT), and where its first line is a command, that",
)];

#[test]
fn odd_dialogues_are_read_as_their_servers_read_them() {
    let (mut count, mut wrong) = (0, Vec::new());
    for path in support::files_ending(&support::package().join("testdata/lockstep"), &[".dialogues"]) {
        let name = path.file_stem().unwrap().to_string_lossy().into_owned();
        let text = fs::read_to_string(&path).unwrap();
        let differs = named(&text);
        let dialogue = Dialogue::parse(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let records = compare::scan(&dialogue, &Plan::new(), Path::new(env!("CARGO_BIN_EXE_mailtap"))).unwrap();
        count += dialogue.connections.len();
        for connection in &dialogue.connections {
            let port = connection.client.port();
            let differences = compare::of_connection(connection, &records);
            match (differs.get(&port), differences.is_empty()) {
                (None, true) | (Some(_), false) => {}
                (Some(why), true) => wrong.push(format!("{name}: port {port}: no {why} any more")),
                (None, false) => wrong.extend(differences.iter().map(|what| format!("{name}: port {port}: {what}"))),
            }
        }
    }
    assert_eq!(count, 300, "dialogues");
    assert!(wrong.is_empty(), "{} differences\n{}", wrong.len(), wrong.join("\n"));
}

/// The dialogues that are known to differ, by the client's port.
fn named(text: &str) -> BTreeMap<u16, String> {
    let mut port = 0;
    let mut names = BTreeMap::new();
    for line in text.lines() {
        if let Some(head) = line.strip_prefix('[') {
            port = head.split([' ', ']']).next().unwrap().parse().unwrap();
        } else if let Some(name) = line.strip_prefix("# differs: ") {
            assert!(NAMES.iter().any(|(known, _)| *known == name), "{name} is no name of a difference");
            names.insert(port, name.to_owned());
        }
    }
    names
}
