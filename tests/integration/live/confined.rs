//! With how little `mailtap watch` does its work, and what it says where it has less.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;
use std::thread::sleep;
use std::time::{Duration, Instant};

use super::metrics::page;
use super::output::{files, whole};
use super::{Net, Watching, found, writable};

const MAIL: &str = "testdata/servers/exim-4.96/help.pcap";
const NOBODY: &[&str] = &["--reuid=65534", "--regid=65534", "--clear-groups", "--inh-caps=-all", "--no-new-privs"];

/// The program where everybody can start it.
fn copied(folder: &Path) -> String {
    let copy = folder.join("mailtap");
    fs::copy(env!("CARGO_BIN_EXE_mailtap"), &copy).unwrap();
    copy.to_str().unwrap().to_owned()
}

#[test]
fn without_a_capability_it_tells_how_to_grant_it() {
    let Some(net) = Net::new() else { return };
    let folder = writable();
    let copy = copied(folder.path());
    let output = net.command("setpriv").args(NOBODY).args([&copy, "watch", "-i", "there"]).output().unwrap();
    let told = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2), "{told}");
    assert_eq!(told.lines().count(), 1, "{told}");
    let grant = format!("setcap cap_net_raw=ep {copy}");
    assert!(told.starts_with("mailtap: ") && told.contains("CAP_NET_RAW") && told.contains(&grant), "{told}");
}

#[test]
fn with_one_capability_it_does_all_its_work() {
    let Some(net) = Net::new() else { return };
    let folder = writable();
    let copy = copied(folder.path());
    match Command::new("setcap").args(["cap_net_raw+ep", &copy]).output() {
        Err(error) => return println!("skipped: setcap: {error}"),
        Ok(set) => assert!(set.status.success(), "setcap: {}", String::from_utf8_lossy(&set.stderr)),
    }
    let file = folder.path().join("a.jsonl");
    let mut command = net.command("setpriv");
    // "No new privileges" would take the capability of the file away.
    command.args(&NOBODY[..NOBODY.len() - 1]).args([&copy, "watch", "-i", "there", "--format", "jsonl", "--output"]);
    command.arg(&file);
    let watching = Watching::start(command);
    watching.read();
    assert_eq!(privileges(&watching), CONFINED.map(|(name, value)| (name, value.to_owned())));
    net.replay(&["--topspeed"], MAIL);
    sleep(Duration::from_millis(300));
    let ended = watching.end();
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    assert_eq!(found(&whole(&file)), ["help-exposed/answered", "help-exposed/advertised"]);
}

const NONE: &str = "0000000000000000";
const CONFINED: [(&str, &str); 8] = [
    ("Uid", "65534 65534 65534 65534"),
    ("Gid", "65534 65534 65534 65534"),
    ("CapInh", NONE),
    ("CapPrm", NONE),
    ("CapEff", NONE),
    ("CapAmb", NONE),
    ("NoNewPrivs", "1"),
    ("Seccomp", "2"),
];

/// What every thread of it may do.
fn privileges(watching: &Watching) -> [(&'static str, String); 8] {
    let tasks = fs::read_dir(format!("/proc/{}/task", watching.pid())).unwrap();
    let statuses: Vec<String> =
        tasks.map(|task| fs::read_to_string(task.unwrap().path().join("status")).unwrap()).collect();
    assert!(statuses.len() > 1, "it has threads");
    CONFINED.map(|(name, _)| {
        let of = |status: &String| {
            let line = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':')).unwrap();
            line.split_whitespace().collect::<Vec<_>>().join(" ")
        };
        let values: Vec<String> = statuses.iter().map(of).collect();
        assert!(values.iter().all(|value| *value == values[0]), "{name}: {values:?}");
        (name, values[0].clone())
    })
}

#[test]
fn started_as_root_it_goes_on_as_nobody_without_privileges() {
    let Some(net) = Net::new() else { return };
    let watching = net.watch(&["--format", "jsonl", "--metrics", "9925"]);
    sleep(Duration::from_millis(200));
    let mut expected = CONFINED.map(|(name, value)| (name, value.to_owned()));
    // The name may stand for another group.
    expected[1].1 = privileges(&watching)[1].1.clone();
    assert_eq!(privileges(&watching), expected);
    assert!(!expected[1].1.contains("0 "), "{expected:?}");
    let status = fs::read_to_string(format!("/proc/{}/status", watching.pid())).unwrap();
    assert!(status.contains(&format!("CapBnd:\t{NONE}\n")), "{status}");
    assert_eq!(watching.end().code, Some(0));
}

#[test]
fn an_output_directory_that_is_not_writable_is_an_error_at_once() {
    let Some(net) = Net::new() else { return };
    let folder = tempfile::tempdir().unwrap();
    fs::set_permissions(folder.path(), Permissions::from_mode(0o755)).unwrap();
    let file = folder.path().join("a.jsonl");
    let mut command = net.command(env!("CARGO_BIN_EXE_mailtap"));
    let output = command.args(["watch", "-i", "there", "--output"]).arg(&file).output().unwrap();
    let told = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2), "{told}");
    assert_eq!(told.lines().count(), 1, "{told}");
    assert!(told.starts_with("mailtap: ") && told.contains(folder.path().to_str().unwrap()), "{told}");
    assert_eq!(files(folder.path()), Vec::<std::path::PathBuf>::new());
}

#[test]
fn nothing_that_it_does_is_forbidden_to_it() {
    let Some(net) = Net::new() else { return };
    let folder = writable();
    let file = folder.path().join("a.jsonl");
    let name = file.to_str().unwrap();
    let options = ["--strict-sandbox", "--format", "jsonl", "--stats-interval", "1", "--metrics", "9925"];
    let more = ["--records", "findings,sessions,servers,events,summary", "--rotate", "20KB", "--output", name];
    let watching = net.watch(&[&options[..], &more].concat());
    let traffic = net.replaying(&["--pps=2000", "--unique-ip", "--loop=200"], MAIL);
    let last = Instant::now() + Duration::from_millis(1500);
    while Instant::now() < last {
        page(&net);
        watching.signal("-HUP");
        sleep(Duration::from_millis(100));
    }
    drop(traffic);
    let ended = watching.end();
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    let files = files(folder.path());
    assert!(files.len() > 3, "{files:?}");
    let records: Vec<_> = files.iter().flat_map(|file| whole(file)).collect();
    assert!(found(&records).contains(&"help-exposed/answered".to_owned()));
    assert_eq!(records.iter().filter(|record| record["type"] == "summary").count(), 1);
}
