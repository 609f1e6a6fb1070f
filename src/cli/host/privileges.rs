//! Giving up what only the opening of a capture needs: the user root, every capability, and each way back to them.
//!
//! Sockets that are open stay so. Capabilities and "no new privileges" are a thread's own and are handed on to the
//! threads that it starts: whence the main thread, before it has started one.

use std::error::Error;
use std::fmt;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::unistd::{self, Gid, ResGid, ResUid, Uid, User};
use rustix::fs::{Access, AtFlags};
use rustix::thread::{self, CapabilitySet, CapabilitySets};

use crate::capture::ShownPath;

/// Whom root becomes where no user was asked for.
const DEFAULT_USER: &str = "nobody";

/// Becomes `user` (a name or a number; `nobody` where none was asked for) if root started the program, then drops every
/// capability and all hope of new ones. Root that asks for `root` stays it, without capabilities; who is not root stays
/// who it is, and cannot ask for another.
///
/// To be called by the main thread, after the captures were opened and before another thread starts.
pub(in crate::cli) fn give_up(user: Option<&str>) -> Result<Given, Problem> {
    let own = unistd::geteuid();
    let account = match user {
        Some(user) => Account::asked_for(user)?,
        None if own.is_root() => Account::asked_for(DEFAULT_USER)?,
        None => Account::own(own),
    };
    if !own.is_root() && account.uid != own {
        return Err(Problem::NotRoot { asked: account, own: Account::own(own) });
    }
    empty_bounding_set();
    if own.is_root() && !account.uid.is_root() {
        account.enter()?;
    }
    drop_capabilities().map_err(|source| Problem::Refused { what: "drop the capabilities", source })?;
    thread::set_no_new_privs(true)
        .map_err(|errno| Problem::Refused { what: "forgo new privileges", source: errno.into() })?;
    // The question is put to the kernel itself: saved ids and capabilities that nobody thought of would answer it.
    if !account.uid.is_root() && unistd::setuid(Uid::from_raw(0)).is_ok() {
        return Err(Problem::StillRoot);
    }
    Ok(Given { account })
}

/// Whether a packet socket may be opened; the problem tells how to allow it.
pub(in crate::cli) fn may_capture() -> Result<(), Problem> {
    match thread::capabilities(None) {
        Ok(sets) if !sets.effective.contains(CapabilitySet::NET_RAW) => {
            let program = std::env::current_exe().unwrap_or_else(|_| PathBuf::from("mailtap"));
            Err(Problem::MayNotCapture { program })
        }
        // Where the kernel does not tell, opening will.
        _ => Ok(()),
    }
}

/// Whether an output may be created, renamed and removed in this directory (empty: the current one). It is asked for, not
/// tried: whoever is killed while trying leaves a file behind.
pub(in crate::cli) fn try_directory(directory: &Path) -> Result<(), Problem> {
    let directory = if directory.as_os_str().is_empty() { Path::new(".") } else { directory };
    may_write(directory).map_err(|source| Problem::Directory { path: directory.to_owned(), source })
}

fn may_write(directory: &Path) -> io::Result<()> {
    if !fs::metadata(directory)?.is_dir() {
        return Err(io::ErrorKind::NotADirectory.into());
    }
    let access = Access::WRITE_OK | Access::EXEC_OK;
    Ok(rustix::fs::accessat(rustix::fs::CWD, directory, access, AtFlags::EACCESS)?)
}

/// What the program says of its privileges at start, as a phrase.
#[derive(Debug)]
pub(in crate::cli) struct Given {
    account: Account,
}

impl fmt::Display for Given {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let asked = if self.account.uid.is_root() { " as asked for" } else { "" };
        write!(out, "running as user {}{asked}, no capabilities, no new privileges", self.account)
    }
}

/// A user and its group.
#[derive(Debug)]
pub(in crate::cli) struct Account {
    name: Option<String>,
    uid: Uid,
    gid: Gid,
}

impl Account {
    /// The account of this name or else of this number. A number that has no entry is its group's too, so that a
    /// container without `/etc/passwd` can have a user.
    fn asked_for(user: &str) -> Result<Self, Problem> {
        let unreadable = |errno: Errno| Problem::Lookup { user: user.to_owned(), source: errno.into() };
        if let Some(found) = entry(User::from_name(user)).map_err(unreadable)? {
            return Ok(found.into());
        }
        // The highest number means "as it was" to setresuid.
        let number = user.parse().ok().filter(|number| *number != u32::MAX);
        let number = number.ok_or_else(|| Problem::Unknown { user: user.to_owned() })?;
        let uid = Uid::from_raw(number);
        let found = entry(User::from_uid(uid)).map_err(unreadable)?;
        Ok(found.map_or(Account { name: None, uid, gid: Gid::from_raw(number) }, Account::from))
    }

    /// The account that the process has already; its name is for telling alone.
    fn own(uid: Uid) -> Self {
        let name = entry(User::from_uid(uid)).ok().flatten().map(|user| user.name);
        Account { name, uid, gid: unistd::getegid() }
    }

    /// Becomes it: its group alone, then its user, each for good.
    fn enter(&self) -> Result<(), Problem> {
        let (uid, gid) = (self.uid, self.gid);
        let refused = |what| move |errno: Errno| Problem::Refused { what, source: errno.into() };
        unistd::setgroups(&[gid]).map_err(refused("leave the groups"))?;
        unistd::setresgid(gid, gid, gid).map_err(refused("change the group"))?;
        unistd::setresuid(uid, uid, uid).map_err(refused("change the user"))?;
        let is_user = unistd::getresuid() == Ok(ResUid { real: uid, effective: uid, saved: uid });
        let is_group = unistd::getresgid() == Ok(ResGid { real: gid, effective: gid, saved: gid });
        if is_user && is_group { Ok(()) } else { Err(Problem::StillRoot) }
    }
}

impl From<User> for Account {
    fn from(user: User) -> Self {
        Account { name: Some(user.name), uid: user.uid, gid: user.gid }
    }
}

impl fmt::Display for Account {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.name {
            Some(name) => write!(out, "{} ({})", name.escape_debug(), self.uid),
            None => write!(out, "{}", self.uid),
        }
    }
}

/// The entry that was found; not found has several errors, by where it was looked for.
fn entry(found: nix::Result<Option<User>>) -> nix::Result<Option<User>> {
    match found {
        Err(Errno::ENOENT | Errno::ESRCH | Errno::EBADF | Errno::EPERM) => Ok(None),
        found => found,
    }
}

/// Takes every capability from what a program that is started later could have. Only who may do that can; without it
/// there is still "no new privileges".
fn empty_bounding_set() {
    for number in 0..u64::BITS {
        let capability = CapabilitySet::from_bits_retain(1_u64.wrapping_shl(number));
        if thread::capability_is_in_bounding_set(capability) == Ok(true) {
            let _ = thread::remove_capability_from_bounding_set(capability);
        }
    }
}

fn drop_capabilities() -> io::Result<()> {
    let none = CapabilitySet::empty();
    match thread::clear_ambient_capability_set() {
        // Linux before 4.3 has no such set.
        Ok(()) | Err(rustix::io::Errno::INVAL) => {}
        Err(errno) => return Err(errno.into()),
    }
    let nothing = CapabilitySets { effective: none, permitted: none, inheritable: none };
    thread::set_capabilities(None, nothing)?;
    Ok(())
}

/// Why privileges were not given up, or what the user that is left may not do.
#[derive(Debug)]
pub(in crate::cli) enum Problem {
    /// No user of that name or number.
    Unknown { user: String },
    /// The list of users cannot be read.
    Lookup { user: String, source: io::Error },
    /// Another user was asked for, which only root can become.
    NotRoot { asked: Account, own: Account },
    /// The kernel refused a step.
    Refused { what: &'static str, source: io::Error },
    /// Every step was done, and root is within reach still.
    StillRoot,
    /// The user may not write in a directory of outputs.
    Directory { path: PathBuf, source: io::Error },
    /// Packets cannot be captured without a capability.
    MayNotCapture { program: PathBuf },
}

impl fmt::Display for Problem {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Problem::Unknown { user } => write!(out, "no user '{}'", user.escape_debug()),
            Problem::Lookup { user, .. } => write!(out, "cannot look up the user '{}'", user.escape_debug()),
            Problem::NotRoot { asked, own } => {
                write!(out, "cannot become user {asked}: only root can, and mailtap runs as {own}")
            }
            Problem::Refused { what, .. } => write!(out, "cannot {what}"),
            Problem::StillRoot => out.write_str("privileges were dropped, but root can be regained"),
            Problem::Directory { path, .. } => {
                let own = Account::own(unistd::geteuid());
                write!(out, "user {own} cannot write in {}", ShownPath(path))
            }
            Problem::MayNotCapture { program } => {
                write!(
                    out,
                    "capturing needs the capability CAP_NET_RAW: start as root, or grant it with: \
                     setcap cap_net_raw=ep {}",
                    ShownPath(program)
                )
            }
        }
    }
}

impl Error for Problem {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Problem::Lookup { source, .. } | Problem::Refused { source, .. } | Problem::Directory { source, .. } => {
                Some(source)
            }
            Problem::Unknown { .. } | Problem::NotRoot { .. } | Problem::StillRoot | Problem::MayNotCapture { .. } => {
                None
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::super::testing::{alone, is_root, nothing, one_line, skipped};
    use super::*;

    /// The calling thread's words for itself.
    fn status(key: &str) -> String {
        let status = fs::read_to_string("/proc/thread-self/status").unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(':')).unwrap();
        line.split_whitespace().collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn root_becomes_nobody_for_good() {
        if !is_root() {
            return skipped("only root can become nobody");
        }
        alone(
            || tempfile::NamedTempFile::new().unwrap(),
            |path| {
                assert!(fs::File::open(path).is_ok());
                let given = give_up(None).unwrap();
                assert_eq!(given.to_string(), "running as user nobody (65534), no capabilities, no new privileges");
                assert_eq!(
                    (status("Uid"), status("Gid")),
                    ("65534 ".repeat(4).trim().into(), "65534 ".repeat(4).trim().into())
                );
                assert_eq!(status("Groups"), "65534");
                for set in ["CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"] {
                    assert_eq!(status(set), "0".repeat(16), "{set}");
                }
                assert_eq!(status("NoNewPrivs"), "1");
                assert_eq!(unistd::setuid(Uid::from_raw(0)), Err(Errno::EPERM));
                assert_eq!(unistd::setgid(Gid::from_raw(0)), Err(Errno::EPERM));
                assert_eq!(fs::File::open(path).unwrap_err().kind(), io::ErrorKind::PermissionDenied);
            },
        )
        .passes();
    }

    #[test]
    fn root_that_asks_for_root_keeps_it_without_capabilities() {
        if !is_root() {
            return skipped("only root can stay root");
        }
        alone(nothing, |_| {
            let given = give_up(Some("root")).unwrap();
            assert_eq!(given.to_string(), "running as user root (0) as asked for, no capabilities, no new privileges");
            assert_eq!((status("CapEff"), status("CapBnd")), ("0".repeat(16), "0".repeat(16)));
            assert_eq!(status("NoNewPrivs"), "1");
        })
        .passes();
    }

    #[test]
    fn a_user_is_found_by_number_and_one_without_an_entry_is_its_own_group() {
        if !is_root() {
            return skipped("only root can become another user");
        }
        alone(nothing, |_| {
            let given = give_up(Some("54321")).unwrap();
            assert_eq!(given.to_string(), "running as user 54321, no capabilities, no new privileges");
            assert_eq!(
                (status("Uid"), status("Gid")),
                ("54321 ".repeat(4).trim().into(), "54321 ".repeat(4).trim().into())
            );
        })
        .passes();
        assert_eq!(Account::asked_for("65534").unwrap().to_string(), "nobody (65534)");
    }

    #[test]
    fn who_is_not_root_stays_and_cannot_ask_for_another() {
        if !is_root() {
            return skipped("only root can set the scene");
        }
        alone(nothing, |_| {
            give_up(None).unwrap();
            let given = give_up(None).unwrap();
            assert_eq!(given.to_string(), "running as user nobody (65534), no capabilities, no new privileges");
            give_up(Some("nobody")).unwrap();
            give_up(Some("65534")).unwrap();
            let problem = give_up(Some("root")).unwrap_err();
            assert_eq!(
                one_line(&problem),
                "cannot become user root (0): only root can, and mailtap runs as nobody (65534)"
            );
        })
        .passes();
    }

    #[test]
    fn capabilities_that_a_plain_user_was_started_with_are_dropped() {
        if !is_root() {
            return skipped("only root can set the scene");
        }
        alone(nothing, |_| {
            let raw = CapabilitySet::NET_RAW;
            thread::set_keep_capabilities(true).unwrap();
            let nobody = Uid::from_raw(65534);
            unistd::setresuid(nobody, nobody, nobody).unwrap();
            thread::set_capabilities(None, CapabilitySets { effective: raw, permitted: raw, inheritable: raw })
                .unwrap();
            thread::configure_capability_in_ambient_set(raw, true).unwrap();
            assert_eq!(status("CapAmb"), "0000000000002000");
            may_capture().unwrap();
            give_up(None).unwrap();
            for set in ["CapInh", "CapPrm", "CapEff", "CapAmb"] {
                assert_eq!(status(set), "0".repeat(16), "{set}");
            }
            assert!(
                one_line(&may_capture().unwrap_err()).contains("CAP_NET_RAW: start as root, or grant it with: setcap")
            );
        })
        .passes();
    }

    /// What the last question of [`give_up`] is for.
    #[test]
    fn a_saved_id_of_root_is_found() {
        if !is_root() {
            return skipped("only root can set the scene");
        }
        alone(nothing, |_| {
            let nobody = Uid::from_raw(65534);
            unistd::setresuid(nobody, nobody, Uid::from_raw(0)).unwrap();
            let problem = give_up(None).unwrap_err();
            assert_eq!(one_line(&problem), "privileges were dropped, but root can be regained");
        })
        .passes();
    }

    #[test]
    fn an_unknown_user_is_an_error_of_one_line() {
        for (user, told) in [
            ("no-such-user", "no user 'no-such-user'"),
            ("a\nb", "no user 'a\\nb'"),
            ("a\0b", "no user 'a\\0b'"),
            ("", "no user ''"),
            ("-1", "no user '-1'"),
            ("4294967295", "no user '4294967295'"),
        ] {
            assert_eq!(one_line(&give_up(Some(user)).unwrap_err()), told);
        }
    }

    #[test]
    fn a_directory_is_asked_for_and_left_alone() {
        let directory = tempfile::tempdir().unwrap();
        let opened = fs::File::open(directory.path()).unwrap();
        opened.set_modified(std::time::UNIX_EPOCH).unwrap();
        try_directory(directory.path()).unwrap();
        assert_eq!(opened.metadata().unwrap().modified().unwrap(), std::time::UNIX_EPOCH);
        let file = directory.path().join("file");
        fs::write(&file, "").unwrap();
        let told = one_line(&try_directory(&file).unwrap_err());
        assert!(told.contains("cannot write in /") && told.contains("file: not a directory"), "{told}");
        let missing = directory.path().join("missing");
        let told = one_line(&try_directory(&missing).unwrap_err());
        assert!(told.contains("cannot write in /") && told.contains("missing: No such file"), "{told}");
    }

    #[test]
    fn a_directory_that_the_user_may_not_write_is_told() {
        if !is_root() {
            return skipped("only root can become nobody");
        }
        let directory = || {
            let directory = tempfile::tempdir().unwrap();
            fs::set_permissions(directory.path(), fs::Permissions::from_mode(0o755)).unwrap();
            directory
        };
        alone(directory, |directory| {
            try_directory(directory).unwrap();
            give_up(None).unwrap();
            let told = one_line(&try_directory(directory).unwrap_err());
            assert!(told.starts_with("user nobody (65534) cannot write in /"), "{told}");
            assert!(told.ends_with(": Permission denied (os error 13)"), "{told}");
        })
        .passes();
    }
}
