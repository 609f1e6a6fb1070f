//! The whole room: paths, order, how files follow each other, and reading under damage.
#![expect(clippy::print_stdout, reason = "a skipped test says why")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use proptest::prelude::*;
use sha2::{Digest, Sha256};
use tempfile::TempDir;

use super::testing::*;
use super::{Options, Reader};

/// A fresh directory with files in it.
struct Dir(TempDir);

impl Dir {
    fn new(files: &[(&str, &[u8])]) -> Self {
        let dir = Dir(TempDir::new().unwrap());
        for (name, bytes) in files {
            let path = dir.path(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, bytes).unwrap();
        }
        dir
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn read(&self, names: &[&str], options: &Options) -> Told {
        let paths: Vec<PathBuf> = names.iter().map(|name| self.path(name)).collect();
        let mut told = read_paths(&paths, options);
        for line in told.problems.iter_mut().chain(&mut told.notices) {
            *line = line.replace(&format!("{}/", self.0.path().display()), "");
        }
        told
    }

    /// The names of the files read, in order.
    fn names(&self, told: &Told) -> Vec<String> {
        let name = |path: &Path| path.strip_prefix(self.0.path()).unwrap().display().to_string();
        told.files.iter().map(|file| name(&file.path)).collect()
    }
}

/// A pcap with one packet at each of the times, in seconds.
fn at(link_type: u32, seconds: &[u32]) -> Vec<u8> {
    let mut capture = LITTLE.pcap(MICRO, link_type);
    for &second in seconds {
        capture.extend(LITTLE.record(second, 0, 3, b"abc"));
    }
    capture
}

/// The packets' captures and frames, in order.
fn order(told: &Told) -> Vec<(u32, u64)> {
    told.places.iter().map(|place| (place.rank(), place.frame())).collect()
}

#[test]
fn rotated_files_are_sorted_and_read_one_after_the_other() {
    let dir =
        Dir::new(&[("a", &at(1, &[20, 30])), ("b", &pack(COMPRESSIONS[0], &at(1, &[10, 20]))), ("c", &at(1, &[31]))]);
    let told = dir.read(&["a", "b", "c"], &Options::default());
    assert_eq!(dir.names(&told), ["b", "a", "c"]);
    assert_eq!(order(&told), [(0, 1), (0, 2), (1, 1), (1, 2), (2, 1)]);
    let boundaries = [(0, 0, true), (2, 0, false), (2, 1, true), (4, 1, false), (4, 2, true)];
    assert_eq!(told.boundaries, boundaries);
    assert_eq!((told.notices.len(), told.problems.len()), (0, 0));
}

#[test]
fn files_that_overlap_are_merged_by_their_greatest_times() {
    let dir = Dir::new(&[
        ("a", &at(1, &[10, 30, 25, 40])),
        ("b", &pack(COMPRESSIONS[1], &at(113, &[20, 30, 35]))),
        ("c", &at(1, &[36, 37])),
    ]);
    for batch_bytes in [4096, 1 << 20] {
        let told = dir.read(&["a", "b", "c"], &Options { batch_bytes, ..Options::default() });
        assert_eq!(
            told.packets.iter().map(|one| one.time / 1_000_000_000).collect::<Vec<_>>(),
            [10, 20, 30, 25, 30, 35, 36, 37, 40]
        );
        assert_eq!(order(&told), [(0, 1), (1, 1), (0, 2), (0, 3), (1, 2), (1, 3), (2, 1), (2, 2), (0, 4)]);
        let boundaries = [(0, 0, true), (1, 1, true), (6, 1, false), (6, 2, true), (8, 2, false)];
        assert_eq!(told.boundaries, boundaries);
        assert_eq!(told.files.iter().map(|file| file.packets).collect::<Vec<_>>(), [4, 3, 2]);
        assert_eq!(told.files[0].last_time.unwrap().0, 40_000_000_000);
    }
}

#[test]
fn files_of_which_more_overlap_than_may_be_open_come_behind_and_that_is_told() {
    let dir = Dir::new(&[("a", &at(1, &[10, 30])), ("b", &at(1, &[20, 41])), ("c", &at(1, &[25, 35, 50]))]);
    let told = dir.read(&["a", "b", "c"], &Options { merge_files: 2, ..Options::default() });
    assert_eq!(order(&told), [(0, 1), (1, 1), (0, 2), (2, 1), (2, 2), (1, 2), (2, 3)]);
    assert_eq!(told.places[3].reached().0, 30_000_000_000);
    assert_eq!(
        told.notices,
        ["1 capture overlaps with more others than can be open at once, and came after them (--merge-files)"]
    );
    assert_eq!(dir.read(&["a", "b", "c"], &Options { merge_files: 3, ..Options::default() }).notices.len(), 0);
}

#[test]
fn separate_files_are_read_one_after_the_other() {
    let dir = Dir::new(&[("a", &at(1, &[10, 30])), ("b", &at(1, &[20])), ("c", &at(1, &[40]))]);
    let told = dir.read(&["a", "b", "c"], &Options { separate: true, ..Options::default() });
    assert_eq!((order(&told), told.notices.len()), (vec![(0, 1), (0, 2), (1, 1), (2, 1)], 0));
    assert_eq!(told.places[2].reached().0, 20_000_000_000);
}

#[test]
fn one_packet_far_ahead_counts_at_the_time_before_it_and_a_first_one_at_that_behind_it() {
    const HOUR: u32 = 3600;
    let ahead = 50_000;
    let dir = Dir::new(&[
        ("a", &at(1, &[10, ahead, 12, 20])),
        ("b", &at(1, &[ahead, 11, 15])),
        ("c", &at(1, &[13, 13 + HOUR, 14])),
        ("d", &at(1, &[14, 15 + HOUR, 15 + HOUR])),
        ("e", &at(1, &[16, ahead])),
    ]);
    for batch_bytes in [4096, 1 << 20] {
        let told = dir.read(&["a", "b", "c", "d", "e"], &Options { batch_bytes, ..Options::default() });
        assert_eq!(dir.names(&told), ["a", "b", "c", "d", "e"]);
        let reached = |rank: u32| -> Vec<i64> {
            let of = told.places.iter().filter(|place| place.rank() == rank);
            of.map(|place| place.reached().0 / 1_000_000_000).collect()
        };
        assert_eq!(reached(0), [10, 10, 12, 20]);
        assert_eq!(reached(1), [11, 11, 15], "the first one is ahead of its successor alone");
        assert_eq!(reached(2), [13, 13 + i64::from(HOUR), 13 + i64::from(HOUR)], "an hour is not more than an hour");
        assert_eq!(reached(3), [14, 15 + i64::from(HOUR), 15 + i64::from(HOUR)], "the next packet agrees");
        assert_eq!(reached(4), [16, i64::from(ahead)], "nothing behind it contradicts");
    }
}

#[test]
fn a_packet_far_ahead_at_the_end_of_a_block_is_judged_by_the_next_block() {
    let mut capture = LITTLE.pcap(MICRO, 1);
    let mut expected = Vec::new();
    for second in 0..300 {
        let ahead = second % 3 == 1;
        capture.extend(LITTLE.record(if ahead { 1 << 30 } else { second }, 0, 700, &[7; 700]));
        expected.push(i64::from(if ahead { second - 1 } else { second }) * 1_000_000_000);
    }
    let dir = Dir::new(&[("a", &capture)]);
    for batch_bytes in [4096, 8192, 1 << 20] {
        let told = dir.read(&["a"], &Options { batch_bytes, ..Options::default() });
        assert_eq!(told.places.iter().map(|place| place.reached().0).collect::<Vec<_>>(), expected);
    }
}

#[test]
fn a_file_that_is_named_twice_is_read_once_and_told() {
    let dir = Dir::new(&[("a", &at(1, &[10])), ("b", &at(1, &[20]))]);
    std::os::unix::fs::symlink(dir.path("a"), dir.path("link")).unwrap();
    fs::hard_link(dir.path("b"), dir.path("hard")).unwrap();
    let told = dir.read(&["a", "a"], &Options::default());
    assert_eq!(
        (dir.names(&told), told.notices),
        (vec!["a".to_owned()], vec!["a: named twice, but read only once".to_owned()])
    );
    let told = dir.read(&["link", "a"], &Options::default());
    assert_eq!(dir.names(&told), ["a"]);
    assert_eq!(told.notices, ["link: the same file as a; read only once"]);
    let told = dir.read(&[".", "link", "./a"], &Options::default());
    assert_eq!(dir.names(&told), ["a", "b"]);
    assert_eq!(told.notices.len(), 1);
    assert!(told.notices[0].ends_with("read only once; so are 2 more"), "{:?}", told.notices);
}

#[test]
fn what_is_passed_over_is_named_where_that_is_wanted() {
    let dir = Dir::new(&[("d/a", &at(1, &[10])), ("d/notes", b"to do"), ("d/empty", b"")]);
    std::os::unix::fs::symlink(dir.path("d/a"), dir.path("d/link")).unwrap();
    std::os::unix::fs::symlink(dir.path("d"), dir.path("linked")).unwrap();
    let told = dir.read(&["d"], &Options { name_skipped: true, ..Options::default() });
    assert_eq!(
        told.notices,
        ["d/empty: skipped: empty file", "d/link: skipped: a symbolic link", "d/notes: skipped: not a capture file"]
    );
    assert_eq!(told.skipped, 3);
    let told = dir.read(&["linked"], &Options::default());
    assert_eq!((dir.names(&told), told.notices.len(), told.skipped), (vec!["linked/a".to_owned()], 0, 3));
}

#[test]
fn files_of_one_time_are_sorted_by_path() {
    let dir = Dir::new(&[("b", &at(1, &[10])), ("a", &at(1, &[10])), ("c", &at(1, &[9])), ("0", &at(1, &[]))]);
    let told = dir.read(&["b", "0", "a", "c"], &Options::default());
    assert_eq!(dir.names(&told), ["c", "a", "b", "0"]);
}

#[test]
fn a_file_without_packets_is_listed_and_changes_nothing() {
    let dir = Dir::new(&[("a", &at(1, &[10])), ("b", &at(1, &[])), ("c", &at(1, &[20]))]);
    let told = dir.read(&["a", "b", "c"], &Options::default());
    assert_eq!((order(&told), told.problems.len()), (vec![(0, 1), (1, 1)], 0));
    assert_eq!(told.files.iter().map(|file| file.packets).collect::<Vec<_>>(), [1, 1, 0]);
}

#[test]
fn a_file_begins_once_and_is_counted_whole() {
    let dir = Dir::new(&[("a", &sample(0, 900))]);
    let told = dir.read(&["a"], &Options { batch_bytes: 4096, ..Options::default() });
    assert_eq!((&told.boundaries[..], told.packets.len()), (&[(0, 0, true)][..], 900));
    let file = &told.files[0];
    assert_eq!(file.bytes, told.packets.iter().map(|packet| packet.bytes.len() as u64).sum::<u64>());
    assert_eq!((file.first_time.unwrap().0, file.last_time.unwrap().0), (0, told.packets[899].time));
}

#[test]
fn directories_are_read_below_and_what_is_no_capture_is_counted() {
    let capture = at(1, &[10]);
    let dir = Dir::new(&[
        ("d/x/y.pcap", &capture),
        ("d/notes.txt", b"to do"),
        ("d/empty", b""),
        ("d/x/text.gz", &pack(COMPRESSIONS[0], b"a packed text")),
        ("d/x/packed.xz", &pack(COMPRESSIONS[3], &at(1, &[5]))),
        ("elsewhere/z.pcap", &capture),
    ]);
    std::os::unix::fs::symlink(dir.path("elsewhere"), dir.path("d/link")).unwrap();
    std::os::unix::fs::symlink(dir.path("elsewhere/z.pcap"), dir.path("d/z.pcap")).unwrap();
    Command::new("mkfifo").arg(dir.path("d/pipe")).status().unwrap();
    let told = dir.read(&["d"], &Options::default());
    assert_eq!(dir.names(&told), ["d/x/packed.xz", "d/x/y.pcap"]);
    assert_eq!((told.skipped, told.problems.len()), (6, 0));
    // Named on the command line, a link is followed and a text is an error.
    let told = dir.read(&["d/z.pcap", "d/notes.txt", "d/x/text.gz"], &Options::default());
    assert_eq!(dir.names(&told), ["d/z.pcap"]);
    assert_eq!(told.problems, ["d/notes.txt: not a capture file", "d/x/text.gz: not a capture file"]);
}

#[test]
fn captures_in_directories_that_cannot_be_read_to_their_end_are_told() {
    let capture = at(1, &[10, 20]);
    let dir = Dir::new(&[
        ("d/cut.pcap", &capture[..capture.len() - 1]),
        ("d/cut.gz", &pack(COMPRESSIONS[0], &capture)[..11]),
        ("d/modified", &LITTLE.pcap(0xa1b2_cd34, 1)),
    ]);
    let told = dir.read(&["d"], &Options::default());
    assert_eq!(
        told.problems,
        [
            "d/cut.pcap: truncated at byte 43",
            "d/cut.gz: truncated at byte 0",
            "d/modified: modified pcap (magic 0xa1b2cd34) is not supported",
        ]
    );
    let listed: Vec<_> = told.files.iter().map(|file| (file.packets, file.truncated)).collect();
    assert_eq!((listed, told.skipped), (vec![(1, true), (0, true)], 0));
}

#[test]
fn what_cannot_be_read_is_one_clear_line_each() {
    let mut noise = 7_u32;
    let random: Vec<u8> = (0..5000)
        .map(|_| {
            noise = noise.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            noise.to_be_bytes()[0]
        })
        .collect();
    let dir =
        Dir::new(&[("empty", b""), ("random", &random), ("text", b"hello"), ("none/text", b""), ("z", &at(1, &[1]))]);
    let told = dir.read(&["missing", "empty", "random", "text", "none", "z"], &Options::default());
    assert_eq!(
        told.problems,
        [
            "missing: cannot be read: no such file or directory (os error 2)",
            "none: nothing to scan",
            "empty: empty file",
            "random: not a capture file",
            "text: not a capture file",
        ]
    );
    assert_eq!((told.packets.len(), told.skipped), (1, 1));
}

#[test]
fn a_file_that_fails_when_it_is_read_is_told() {
    let memory = PathBuf::from("/proc/self/mem");
    if !memory.exists() {
        println!("skipped: no {}", memory.display());
        return;
    }
    let told = read_paths(&[memory], &Options::default());
    assert_eq!(told.problems, ["/proc/self/mem: cannot be read: input/output error (os error 5)"]);
    assert!(told.files.is_empty());
}

#[test]
fn a_pipe_is_read_once_and_sorted_like_a_file() {
    let dir = Dir::new(&[("a", &at(1, &[10])), ("b", &at(1, &[30])), ("piped", &sample(20, 8))]);
    assert!(Command::new("mkfifo").arg(dir.path("pipe")).status().unwrap().success());
    let script = format!("cat '{}' > '{}'", dir.path("piped").display(), dir.path("pipe").display());
    let mut writer = Command::new("sh").args(["-c", &script]).spawn().unwrap();
    let told = dir.read(&["b", "pipe", "a"], &Options { hash: true, ..Options::default() });
    writer.wait().unwrap();
    assert_eq!(dir.names(&told), ["a", "pipe", "b"]);
    assert_eq!(told.packets.len(), 10);
    assert_eq!(told.files[1].sha256.unwrap(), *Sha256::digest(sample(20, 8)));
}

#[test]
fn the_hash_is_that_of_the_file_as_it_is_stored() {
    let mut broken = at(1, &[10]);
    broken.extend(vec![0xff; 300_000]);
    let packed = pack(COMPRESSIONS[1], &sample(0, 900));
    let dir = Dir::new(&[("a", &packed), ("broken", &broken), ("empty", &at(1, &[]))]);
    let told = dir.read(&["a", "broken", "empty"], &Options { hash: true, ..Options::default() });
    let hashes: Vec<_> = told.files.iter().map(|file| file.sha256.unwrap()).collect();
    assert_eq!(hashes, [&packed, &broken, &at(1, &[])].map(|bytes| <[u8; 32]>::from(Sha256::digest(bytes))));
    assert_eq!(told.problems.len(), 1);
    assert_eq!(dir.read(&["a"], &Options::default()).files[0].sha256, None);
}

#[test]
fn a_thousand_files_need_no_thousand_handles() {
    let captures: Vec<(String, Vec<u8>)> = (0..1000).map(|n| (format!("d/{n}"), at(1, &[5000 - n]))).collect();
    let files: Vec<(&str, &[u8])> = captures.iter().map(|(name, bytes)| (name.as_str(), bytes.as_slice())).collect();
    let dir = Dir::new(&files);
    let reader = Reader::open(&[dir.path("d")], &Options::default());
    let open = fs::read_dir("/proc/self/fd").unwrap().filter_map(|entry| fs::read_link(entry.unwrap().path()).ok());
    assert_eq!(open.filter(|path| path.starts_with(dir.0.path())).count(), 0);
    drop(reader);
    let told = dir.read(&["d"], &Options::default());
    assert_eq!((told.files.len(), told.notices.len()), (1000, 0));
    assert!(told.packets.is_sorted_by_key(|packet| packet.time));
}

#[test]
fn progress_ends_at_the_total() {
    let mut broken = at(1, &[10]);
    broken.extend(vec![0xff; 300_000]);
    let dir = Dir::new(&[("a", &sample(0, 900)), ("b", &broken), ("c", &pack(COMPRESSIONS[2], &sample(0, 900)))]);
    let mut reader = Reader::open(&[dir.0.path().to_path_buf()], &Options::default());
    let total = reader.progress().total;
    assert_eq!(reader.progress().read, 0);
    let mut before = 0;
    while !matches!(reader.next(None), super::Next::End) {
        assert!((before..=total).contains(&reader.progress().read));
        before = reader.progress().read;
    }
    assert_eq!(before, total);
}

#[test]
fn the_reader_may_move_to_a_thread() {
    fn movable<T: Send>() {}
    movable::<Reader>();
    movable::<super::Next>();
}

/// A pcapng with every kind of block.
fn every_block() -> Vec<u8> {
    let long = vec![5; 5000];
    [
        LITTLE.section(),
        LITTLE.interface(1, 64, &[(9, &[9]), (2, b"eth0")]),
        LITTLE.enhanced(0, 1 << 33, 60, b"abcde"),
        LITTLE.block(4, b"names"),
        LITTLE.simple(100, &[1; 64]),
        LITTLE.block(0x0bad, &long),
        LITTLE.statistics(0, &[(5, &LITTLE.u64(3))]),
        BIG.section(),
        BIG.interface(113, 0, &[(9, &[0x94]), (14, &BIG.u64(7))]),
        BIG.obsolete(0, 77, 9, &long),
        BIG.enhanced(0, 78, 5, b"abcd"),
    ]
    .concat()
}

/// A capture of each kind, plain or packed.
fn captures() -> impl Strategy<Value = Vec<u8>> {
    let plain = prop_oneof![Just(sample(1, 40)), Just(every_block()), Just(every_block().repeat(3))];
    (plain, proptest::option::of(proptest::sample::select(COMPRESSIONS.to_vec())), any::<bool>()).prop_map(
        |(plain, compression, twice)| match compression {
            None => plain,
            Some(compression) if twice => {
                let (one, two) = plain.split_at(plain.len() / 3);
                [pack(compression, one), pack(compression, two)].concat()
            }
            Some(compression) => pack(compression, &plain),
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(400) })]

    #[test]
    fn a_prefix_gives_the_first_packets_for_any_batch_size(capture in captures(), cut in any::<proptest::sample::Index>()) {
        let whole = read_alike(&capture);
        prop_assert_eq!(&whole.fault, &None);
        let part = read_alike(&capture[..cut.index(capture.len())]);
        prop_assert_eq!(&part.packets[..], &whole.packets[..part.packets.len()]);
    }

    #[test]
    fn damaged_bytes_give_the_same_for_any_batch_size(
        capture in captures(),
        damage in proptest::collection::vec((any::<proptest::sample::Index>(), any::<u8>()), 1..5),
    ) {
        let mut capture = capture;
        for (place, byte) in damage {
            let place = place.index(capture.len());
            capture[place] = byte;
        }
        read_alike(&capture);
    }

    #[test]
    fn bytes_behind_any_magic_give_the_same_for_any_batch_size(
        start in proptest::sample::select(vec![
            LITTLE.pcap(MICRO, 1),
            BIG.pcap(NANO, 1),
            [LITTLE.section(), LITTLE.interface(1, 0, &[])].concat(),
            vec![0x1f, 0x8b, 8, 0],
            vec![0x28, 0xb5, 0x2f, 0xfd],
            vec![0x04, 0x22, 0x4d, 0x18],
            b"\xfd7zXZ\0\0".to_vec(),
            vec![0x50, 0x2a, 0x4d, 0x18],
        ]),
        rest in proptest::collection::vec(prop_oneof![Just(0_u8), Just(32), any::<u8>()], 0..300),
    ) {
        read_alike(&[start, rest].concat());
    }
}
