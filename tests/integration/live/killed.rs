//! Killed at any moment, `mailtap watch` leaves whole lines, and nothing else that it would have had to clean up.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::path::Path;
use std::process::Stdio;
use std::thread::sleep;
use std::time::Duration;

use synth::Rng;

use super::output::files;
use super::{Net, writable};
use crate::support::records;

/// So many at the same time, each with files of its own.
const WORKERS: u64 = 4;
const KILLS: usize = 25;
/// From the start to the kill at most: so long that most of them have begun to write.
const LONGEST: usize = 500;

#[test]
fn killed_a_hundred_times_it_leaves_whole_lines() {
    let Some(net) = Net::new() else { return };
    let _traffic =
        net.replaying(&["--topspeed", "--unique-ip", "--loop=100000000"], "testdata/servers/exim-4.96/help.pcap");
    std::thread::scope(|scope| {
        for seed in 1..=WORKERS {
            let net = &net;
            scope.spawn(move || killed_often(net, seed));
        }
    });
}

fn killed_often(net: &Net, seed: u64) {
    let folder = writable();
    let file = folder.path().join("a.jsonl");
    let mut rng = Rng::new(seed);
    let (mut finished, mut torn) = (0, 0);
    for nth in 0..KILLS {
        let mut command = net.command(env!("CARGO_BIN_EXE_mailtap"));
        command.args(["watch", "-i", "there", "--format", "jsonl", "--rotate", "20KB", "--buffer", "1MiB"]);
        command.args(["--records", "findings,sessions,servers,events,summary", "--threads", "1", "--output"]);
        let mut watching = command.arg(&file).stderr(Stdio::null()).spawn().unwrap();
        sleep(Duration::from_millis(rng.below(LONGEST) as u64));
        let _ = watching.kill();
        let ended = watching.wait().unwrap();
        assert_eq!(ended.code(), None, "it was killed: {ended}");
        for path in files(folder.path()) {
            let name = path.file_name().unwrap().to_str().unwrap().to_owned();
            if path == file {
                torn += u32::from(whole_but_the_last(&path) > 0);
            } else {
                assert!(name.starts_with("a-20") && path.extension() == file.extension(), "{name} is left");
                assert_eq!(whole_but_the_last(&path), 0, "{name} was finished");
                finished += 1;
                fs::remove_file(path).unwrap();
            }
        }
        // What a kill does too seldom: the next one begins behind half a line.
        if nth % 5 == 4 && file.exists() {
            OpenOptions::new().append(true).open(&file).unwrap().write_all(b"{\"type\":\"fin").unwrap();
        }
    }
    println!("{finished} finished files, {torn} ended within a line");
    assert!(finished > KILLS, "little was written: {finished} files");
}

/// Octets behind the last whole line; every line is a record, the first a `start`.
fn whole_but_the_last(file: &Path) -> usize {
    let text = fs::read_to_string(file).unwrap();
    let whole = text.rfind('\n').map_or(0, |end| end + 1);
    let records = records(&text[..whole]);
    assert!(records.first().is_none_or(|first| first["type"] == "start"), "{}", file.display());
    text.len() - whole
}
