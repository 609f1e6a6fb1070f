//! What real servers answered to odd clients (`scripts/lockstep`): every command, reply and message as their replies prove it.

use std::fs;
use std::path::Path;

use synth::{Dialogue, Plan, compare};

use crate::support;

#[test]
fn odd_dialogues_are_read_as_their_servers_read_them() {
    let (mut count, mut wrong) = (0, Vec::new());
    for path in support::files_ending(&support::package().join("testdata/lockstep"), &[".dialogues"]) {
        let name = path.file_stem().unwrap().to_string_lossy().into_owned();
        let dialogue = Dialogue::parse(&fs::read_to_string(&path).unwrap());
        let dialogue = dialogue.unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let records = compare::scan(&dialogue, &Plan::new(), Path::new(env!("CARGO_BIN_EXE_mailtap"))).unwrap();
        count += dialogue.connections.len();
        for connection in &dialogue.connections {
            for difference in compare::of_connection(connection, &records) {
                wrong.push(format!("{name}: port {}: {difference}", connection.client.port()));
            }
        }
    }
    assert_eq!(count, 300, "dialogues");
    assert!(wrong.is_empty(), "{} differences\n{}", wrong.len(), wrong.join("\n"));
}
