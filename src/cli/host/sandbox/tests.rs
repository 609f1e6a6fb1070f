//! What stays open after [`confine`] and what does not; each in a process of its own.

use std::fs;
use std::io::{ErrorKind, IsTerminal, Read, Seek, SeekFrom, Write};
use std::net::{Shutdown, TcpListener, TcpStream, UdpSocket};
use std::os::unix::net::UnixStream;
use std::process::Command;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use super::super::testing::{alone, is_root, nothing, one_line, skipped};
use super::*;

/// Confines the process to `out` and `in` of the directory.
fn confined(directory: &Path, strict: bool) -> Confined {
    let (writable, readable) = (vec![directory.join("out")], vec![directory.join("in"), directory.join("missing")]);
    confine(&Confinement { writable, readable, strict }).unwrap()
}

/// A directory with `out`, `in/file` and `other/file`.
fn directory() -> tempfile::TempDir {
    let directory = tempfile::tempdir().unwrap();
    for name in ["out", "in", "other"] {
        fs::create_dir(directory.path().join(name)).unwrap();
        fs::write(directory.path().join(name).join("file"), name).unwrap();
    }
    directory
}

/// Whether the kernel has all that the tests are about: asked by a thread, which alone is confined by that.
fn kernel_confines() -> bool {
    let nothing = Confinement { writable: Vec::new(), readable: Vec::new(), strict: false };
    let asked = thread::scope(|scope| scope.spawn(|| confine(&nothing).unwrap()).join().unwrap());
    let confines = asked.files.is_ok_and(|version| version == NEWEST) && asked.calls.is_ok();
    if !confines {
        skipped(&format!("the kernel has {asked}"));
    }
    confines
}

/// For the parent to see how far the process came.
fn said(confined: &Confined) {
    writeln!(io::stdout(), "{confined}").unwrap();
}

fn refused<T>(done: io::Result<T>) -> bool {
    done.is_err_and(|error| error.kind() == ErrorKind::PermissionDenied)
}

#[test]
fn files_are_written_in_writable_and_read_in_readable_directories_alone() {
    if !kernel_confines() {
        return;
    }
    alone(directory, |at| {
        assert_eq!(confined(at, false).to_string(), "Landlock (ABI 7), seccomp (violations are logged)");
        let out = at.join("out");
        let mut file = OpenOptions::new().create(true).append(true).open(out.join("new")).unwrap();
        file.write_all(b"line\n").unwrap();
        file.set_len(1).unwrap();
        fs::rename(out.join("new"), out.join("newer")).unwrap();
        assert_eq!(fs::read_to_string(out.join("newer")).unwrap(), "l");
        fs::write(out.join("newer"), "again").unwrap();
        File::open(&out).unwrap().sync_all().unwrap();
        assert_eq!(fs::read_dir(&out).unwrap().count(), 2);
        fs::remove_file(out.join("newer")).unwrap();
        assert!(refused(fs::create_dir(out.join("directory"))));
        assert!(refused(std::os::unix::fs::symlink("/etc/passwd", out.join("link"))));
        assert_eq!(fs::read_to_string(at.join("in/file")).unwrap(), "in");
        assert!(refused(fs::write(at.join("in/file"), "")));
        assert!(refused(fs::remove_file(at.join("in/file"))));
        fs::rename(out.join("file"), at.join("in/other")).unwrap_err();
        for name in ["file", "new"] {
            assert!(refused(File::create(at.join("other").join(name))), "{name}");
        }
        for path in [&at.join("other/file"), Path::new("/etc/passwd"), Path::new("/")] {
            assert!(refused(File::open(path)), "{}", path.display());
        }
    })
    .passes();
}

#[test]
fn no_connection_is_made_or_waited_for_beside_those_that_were() {
    if !kernel_confines() {
        return;
    }
    alone(directory, |at| {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        // Waits in the queue of the listener.
        let before = TcpStream::connect(address).unwrap();
        confined(at, false);
        assert!(refused(TcpStream::connect(address)));
        assert!(refused(TcpListener::bind("127.0.0.1:0")));
        let (mut accepted, from) = listener.accept().unwrap();
        assert_eq!(from, before.local_addr().unwrap());
        accepted.write_all(b"metrics").unwrap();
    })
    .passes();
}

#[test]
fn a_call_beside_the_list_is_done_where_violations_are_logged() {
    if !kernel_confines() {
        return;
    }
    alone(directory, |at| {
        confined(at, false);
        UdpSocket::bind("127.0.0.1:0").unwrap();
        // The process is made; it is Landlock that lets it run nothing.
        assert!(refused(Command::new("/bin/true").status()));
    })
    .passes();
}

#[test]
fn a_program_that_is_started_ends_the_process_where_the_sandbox_is_strict() {
    if !kernel_confines() {
        return;
    }
    alone(directory, |at| {
        said(&confined(at, true));
        let _ = Command::new("/bin/true").spawn();
    })
    .is_killed_after("seccomp (violations kill)");
}

#[test]
fn a_socket_that_is_opened_ends_the_process_where_the_sandbox_is_strict() {
    if !kernel_confines() {
        return;
    }
    alone(directory, |at| {
        said(&confined(at, true));
        let _ = UdpSocket::bind("127.0.0.1:0");
    })
    .is_killed_after("seccomp (violations kill)");
}

#[test]
fn a_bound_of_an_argument_is_kept_where_the_sandbox_is_strict() {
    if !kernel_confines() {
        return;
    }
    alone(directory, |at| {
        said(&confined(at, true));
        // `prctl` may name threads and do no more.
        let _ = rustix::process::set_dumpable_behavior(rustix::process::DumpableBehavior::NotDumpable);
    })
    .is_killed_after("seccomp (violations kill)");
}

#[test]
fn threads_work_and_are_confined_where_the_sandbox_is_strict() {
    if !kernel_confines() {
        return;
    }
    alone(directory, |at| {
        said(&confined(at, true));
        let (to, from) = mpsc::sync_channel(1);
        let threads: Vec<_> = (0..4)
            .map(|number| {
                let to = to.clone();
                let work = move || to.send(vec![1_u8; 1 << 22].len()).unwrap();
                thread::Builder::new().name(format!("shard {number}")).spawn(work).unwrap()
            })
            .collect();
        thread::sleep(Duration::from_millis(1));
        assert_eq!(from.iter().take(4).sum::<usize>(), 4 << 22);
        assert_eq!(from.recv_timeout(Duration::from_millis(1)), Err(mpsc::RecvTimeoutError::Timeout));
        for thread in threads {
            thread.join().unwrap();
        }
        assert!(thread::scope(|scope| scope.spawn(|| refused(File::open("/etc/passwd"))).join().unwrap()));
        thread::available_parallelism().unwrap();
        // A bug that is caught, with what is looked up for telling it.
        let traced = std::panic::catch_unwind(|| panic!("{}", std::backtrace::Backtrace::force_capture()));
        assert!(traced.is_err());
    })
    .passes();
}

#[test]
fn outputs_are_written_and_rotated_where_the_sandbox_is_strict() {
    if !kernel_confines() {
        return;
    }
    alone(directory, |at| {
        said(&confined(at, true));
        let out = at.join("out");
        let mut file = OpenOptions::new().create(true).append(true).read(true).open(out.join("new")).unwrap();
        file.lock().unwrap();
        file.write_all(b"line\n").unwrap();
        assert_eq!(file.write_vectored(&[io::IoSlice::new(b"and "), io::IoSlice::new(b"more\n")]).unwrap(), 9);
        file.sync_all().unwrap();
        file.sync_data().unwrap();
        file.set_len(5).unwrap();
        file.seek(SeekFrom::Start(0)).unwrap();
        assert_eq!(file.metadata().unwrap().len(), 5);
        fs::rename(out.join("new"), out.join("new.1")).unwrap();
        let mut copy = File::create_new(out.join("copy")).unwrap();
        assert_eq!(io::copy(&mut file, &mut copy).unwrap(), 5);
        assert!(out.join("copy").exists() && fs::symlink_metadata(out.join("copy")).unwrap().len() == 5);
        assert_eq!(fs::read_dir(&out).unwrap().count(), 3);
        fs::remove_file(out.join("copy")).unwrap();
        File::open(&out).unwrap().sync_all().unwrap();
        super::super::privileges::try_directory(&out).unwrap();
        let _ = (io::stdout().is_terminal(), std::env::current_dir());
    })
    .passes();
}

#[test]
fn metrics_and_signals_are_answered_where_the_sandbox_is_strict() {
    if !kernel_confines() {
        return;
    }
    alone(directory, |at| {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let mut client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        said(&confined(at, true));
        client.write_all(b"GET /metrics HTTP/1.1\r\n\r\n").unwrap();
        listener.set_nonblocking(true).unwrap();
        let (mut accepted, _) = listener.accept().unwrap();
        accepted.set_nonblocking(false).unwrap();
        accepted.set_read_timeout(Some(Duration::from_secs(1))).unwrap();
        accepted.set_nodelay(true).unwrap();
        let mut request = [0; 8];
        accepted.peek(&mut request).unwrap();
        accepted.read_exact(&mut request).unwrap();
        let _ = (accepted.peer_addr().unwrap(), accepted.local_addr().unwrap(), accepted.take_error().unwrap());
        accepted.write_all(b"HTTP/1.1 200 OK\r\n\r\n").unwrap();
        accepted.shutdown(Shutdown::Both).unwrap();
        let (mut read, write) = UnixStream::pair().unwrap();
        signal_hook::low_level::pipe::register(signal_hook::consts::SIGHUP, write).unwrap();
        signal_hook::low_level::raise(signal_hook::consts::SIGHUP).unwrap();
        read.read_exact(&mut [0]).unwrap();
        let wait = rustix::event::Timespec { tv_sec: 0, tv_nsec: 1 };
        let mut ready = [rustix::event::PollFd::new(&read, rustix::event::PollFlags::IN)];
        assert_eq!(rustix::event::poll(&mut ready, Some(&wait)).unwrap(), 0);
    })
    .passes();
}

#[test]
fn packets_are_read_and_their_loss_is_counted_where_the_sandbox_is_strict() {
    if !is_root() {
        return skipped("only root can capture");
    }
    if !kernel_confines() {
        return;
    }
    alone(nothing, |_| {
        let mut capture = pcap::Capture::from_device("lo").unwrap().immediate_mode(true).timeout(100).open().unwrap();
        let to = UdpSocket::bind("127.0.0.1:0").unwrap();
        capture.filter(&format!("udp port {}", to.local_addr().unwrap().port()), true).unwrap();
        let sender = UdpSocket::bind("127.0.0.1:0").unwrap();
        sender.connect(to.local_addr().unwrap()).unwrap();
        super::super::privileges::give_up(None).unwrap();
        let counters = Path::new("/sys/class/net/lo/statistics");
        let confinement = Confinement { writable: Vec::new(), readable: vec![counters.to_owned()], strict: true };
        said(&confine(&confinement).unwrap());
        sender.send(b"one packet").unwrap();
        assert!(capture.next_packet().unwrap().data.ends_with(b"one packet"));
        let mut capture = capture.setnonblock().unwrap();
        assert!(matches!(capture.next_packet(), Err(pcap::Error::TimeoutExpired | pcap::Error::NoMorePackets)));
        assert!(capture.stats().unwrap().received > 0);
        fs::read_to_string(counters.join("rx_missed_errors")).unwrap();
        assert!(refused(File::open("/sys/class/net/lo/mtu")));
    })
    .passes();
}

#[test]
fn a_directory_that_is_not_there_is_a_problem() {
    let missing = tempfile::tempdir().unwrap().path().join("missing");
    let told = confine(&Confinement { writable: vec![missing], readable: Vec::new(), strict: false }).unwrap_err();
    let told = one_line(&told);
    assert!(told.ends_with("/missing in the sandbox: No such file or directory (os error 2)"), "{told}");
}

#[test]
fn a_newer_kernel_is_told_by_what_was_tried_and_an_older_one_with_what_it_lacks() {
    let told = |files, calls| Confined { files, calls }.to_string();
    assert_eq!(told(Ok(ABI::V7), Ok(Violations::Killed)), "Landlock (ABI 7), seccomp (violations kill)");
    assert_eq!(
        told(Ok(ABI::V3), Ok(Violations::Logged)),
        "Landlock (ABI 3; not restricted: TCP, devices, signals), seccomp (violations are logged)"
    );
    assert_eq!(
        told(Err("this kernel has none"), Err("not supported on this architecture")),
        "no Landlock (this kernel has none), no seccomp (not supported on this architecture)"
    );
}

#[test]
fn a_kernel_that_cannot_confine_is_a_problem_where_the_sandbox_is_strict() {
    let told = |files, calls, strict| {
        Confined { files, calls }.enough(strict).map_or_else(|p| one_line(&p), |c| c.to_string())
    };
    let kept = Ok(Violations::Killed);
    assert_eq!(told(Err("it has none"), kept, true), "a strict sandbox needs Landlock: it has none");
    assert_eq!(told(Ok(ABI::V7), Err("it has none"), true), "a strict sandbox needs seccomp: it has none");
    assert_eq!(told(Err("it has none"), kept, false), "no Landlock (it has none), seccomp (violations kill)");
    assert!(told(Ok(ABI::V1), kept, true).starts_with("Landlock (ABI 1; not restricted: truncation, "));
}
