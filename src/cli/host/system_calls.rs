//! What a live capture may ask of the kernel after its start: a list of system calls, kept by seccomp.
//!
//! The list holds what reading packet sockets, writing files, the page of metrics, signals, memory and threads need,
//! and nothing that starts a program, opens a socket, or changes who the process is.

use std::fmt;

/// What happens to a call that is not on the list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Violations {
    /// It is done, and the kernel's audit log tells of it.
    Logged,
    /// The process ends by SIGSYS.
    Killed,
}

impl fmt::Display for Violations {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Violations::Logged => "seccomp (violations are logged)",
            Violations::Killed => "seccomp (violations kill)",
        })
    }
}

#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
pub(super) use filters::Filters;

#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
mod filters {
    use std::fs;

    use libc::{c_int, c_long};
    use seccompiler::SeccompCmpArgLen::{Dword, Qword};
    use seccompiler::SeccompCmpOp::{Eq, MaskedEq};
    use seccompiler::{
        BackendError, BpfProgram, Error, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition,
        SeccompFilter, SeccompRule, TargetArch,
    };

    use super::Violations;

    /// Filters that are ready; what they need of files was read.
    pub(in super::super) struct Filters {
        /// In the order in which they are installed.
        programs: [BpfProgram; 2],
        violations: Violations,
    }

    impl Filters {
        /// Makes them, or says why the kernel cannot have them.
        pub(in super::super) fn prepare(strict: bool) -> Result<Result<Self, &'static str>, Error> {
            let violations = if strict { Violations::Killed } else { Violations::Logged };
            let (word, action) = match violations {
                Violations::Logged => ("log", SeccompAction::Log),
                Violations::Killed => ("kill_process", SeccompAction::KillProcess),
            };
            // An action that the kernel does not know would kill a thread.
            let Ok(known) = fs::read_to_string("/proc/sys/kernel/seccomp/actions_avail") else {
                return Ok(Err("this kernel has none"));
            };
            if !known.split_whitespace().any(|known| known == word) {
                return Ok(Err("this kernel is too old"));
            }
            let programs = [without_clone3()?, listed(action)?];
            Ok(Ok(Filters { programs, violations }))
        }

        /// From now on, for this thread and those that it starts.
        pub(in super::super) fn install(self) -> Result<Violations, Error> {
            for program in &self.programs {
                seccompiler::apply_filter(program)?;
            }
            Ok(self.violations)
        }
    }

    #[cfg(target_arch = "x86_64")]
    const ARCHITECTURE: TargetArch = TargetArch::x86_64;
    #[cfg(target_arch = "aarch64")]
    const ARCHITECTURE: TargetArch = TargetArch::aarch64;

    /// `clone3` hides from a filter whether it starts a thread or a process. Where it is said to be missing, the C
    /// library takes `clone`, which does not.
    fn without_clone3() -> Result<BpfProgram, BackendError> {
        let missing = SeccompAction::Errno(libc::ENOSYS.unsigned_abs());
        let rules = [(libc::SYS_clone3, Vec::new())].into();
        SeccompFilter::new(rules, SeccompAction::Allow, missing, ARCHITECTURE)?.try_into()
    }

    fn listed(otherwise: SeccompAction) -> Result<BpfProgram, BackendError> {
        let any = CALLS.iter().map(|&call| (call, Vec::new()));
        let rules = any.chain(bounded()?).collect();
        SeccompFilter::new(rules, otherwise, SeccompAction::Allow, ARCHITECTURE)?.try_into()
    }

    /// Calls that are allowed whatever their arguments: a file is Landlock's affair, a socket's is decided by the
    /// sockets that are open.
    const CALLS: &[c_long] = &[
        // Files: outputs, and libpcap's look at the interface's counters.
        libc::SYS_openat,
        libc::SYS_close,
        libc::SYS_read,
        libc::SYS_readv,
        libc::SYS_pread64,
        libc::SYS_write,
        libc::SYS_writev,
        libc::SYS_pwrite64,
        libc::SYS_lseek,
        libc::SYS_fsync,
        libc::SYS_fdatasync,
        libc::SYS_ftruncate,
        libc::SYS_fstat,
        libc::SYS_newfstatat,
        libc::SYS_statx,
        libc::SYS_faccessat,
        libc::SYS_faccessat2,
        libc::SYS_readlinkat,
        libc::SYS_getcwd,
        libc::SYS_getdents64,
        libc::SYS_renameat,
        libc::SYS_renameat2,
        libc::SYS_unlinkat,
        libc::SYS_fcntl,
        libc::SYS_flock,
        // What std's copying takes for two files that are open.
        libc::SYS_copy_file_range,
        libc::SYS_sendfile,
        libc::SYS_splice,
        // Sockets that are open: packets, the page of metrics, the pipe of signals.
        libc::SYS_ppoll,
        libc::SYS_recvfrom,
        libc::SYS_recvmsg,
        libc::SYS_sendto,
        libc::SYS_accept,
        libc::SYS_accept4,
        libc::SYS_shutdown,
        libc::SYS_getsockopt,
        libc::SYS_setsockopt,
        libc::SYS_getsockname,
        libc::SYS_getpeername,
        libc::SYS_pipe2,
        // libpcap, where it is told whether to wait for packets.
        libc::SYS_eventfd2,
        libc::SYS_uname,
        // Memory.
        libc::SYS_brk,
        libc::SYS_munmap,
        libc::SYS_mremap,
        libc::SYS_madvise,
        libc::SYS_getcpu,
        // Threads and signals.
        libc::SYS_clone3, // to be refused by the other filter, whose answer is the milder one
        libc::SYS_futex,
        libc::SYS_set_robust_list,
        libc::SYS_rseq,
        libc::SYS_sched_yield,
        libc::SYS_sched_getaffinity,
        libc::SYS_gettid,
        libc::SYS_getpid,
        libc::SYS_exit,
        libc::SYS_exit_group,
        libc::SYS_rt_sigaction,
        libc::SYS_rt_sigprocmask,
        libc::SYS_rt_sigreturn,
        libc::SYS_sigaltstack,
        libc::SYS_restart_syscall,
        // Time and chance.
        libc::SYS_clock_gettime,
        libc::SYS_clock_getres,
        libc::SYS_clock_nanosleep,
        libc::SYS_gettimeofday,
        libc::SYS_nanosleep,
        libc::SYS_getrandom,
        // What C libraries say for some of the above where it exists.
        #[cfg(target_arch = "x86_64")]
        libc::SYS_open,
        #[cfg(target_arch = "x86_64")]
        libc::SYS_stat,
        #[cfg(target_arch = "x86_64")]
        libc::SYS_lstat,
        #[cfg(target_arch = "x86_64")]
        libc::SYS_access,
        #[cfg(target_arch = "x86_64")]
        libc::SYS_readlink,
        #[cfg(target_arch = "x86_64")]
        libc::SYS_rename,
        #[cfg(target_arch = "x86_64")]
        libc::SYS_unlink,
        #[cfg(target_arch = "x86_64")]
        libc::SYS_poll,
    ];

    /// What a device or a socket may be asked: flags of descriptors, a terminal's width, whether an interface is up.
    fn controls() -> [u64; 7] {
        [
            flag(libc::FIONBIO),
            flag(libc::FIOCLEX),
            flag(libc::TCGETS),
            flag(libc::TIOCGWINSZ),
            flag(libc::SIOCGIFFLAGS),
            flag(libc::SIOCGIFINDEX),
            flag(libc::SIOCGIFNAME),
        ]
    }

    /// Names of threads and, by allocators, of memory.
    const NAMINGS: &[c_int] = &[libc::PR_SET_NAME, libc::PR_GET_NAME, libc::PR_SET_VMA];

    /// Calls that are allowed with some arguments alone.
    fn bounded() -> Result<Vec<(c_long, Vec<SeccompRule>)>, BackendError> {
        let not_executable = || only(2, Dword, MaskedEq(flag(libc::PROT_EXEC)), 0);
        let thread = flag(libc::CLONE_THREAD);
        Ok(vec![
            // A thread is no process.
            (libc::SYS_clone, vec![only(0, Qword, MaskedEq(thread), thread)?]),
            (libc::SYS_mmap, vec![not_executable()?]),
            (libc::SYS_mprotect, vec![not_executable()?]),
            (libc::SYS_socketpair, vec![only(0, Dword, Eq, flag(libc::AF_UNIX))?]),
            (
                libc::SYS_ioctl,
                controls().into_iter().map(|control| only(1, Dword, Eq, control)).collect::<Result<_, _>>()?,
            ),
            (
                libc::SYS_prctl,
                NAMINGS.iter().map(|&naming| only(0, Dword, Eq, flag(naming))).collect::<Result<_, _>>()?,
            ),
            // A signal to itself, as `abort` sends it.
            (libc::SYS_tgkill, vec![only(0, Dword, Eq, u64::from(std::process::id()))?]),
            // Reading a limit, not setting it.
            (libc::SYS_prlimit64, vec![only(2, Qword, Eq, 0)?]),
        ])
    }

    /// The constants are positive, whatever their type, which is not the same with every C library.
    fn flag(constant: impl TryInto<u64>) -> u64 {
        constant.try_into().unwrap_or(u64::MAX)
    }

    fn only(at: u8, length: SeccompCmpArgLen, how: SeccompCmpOp, value: u64) -> Result<SeccompRule, BackendError> {
        SeccompRule::new(vec![SeccompCondition::new(at, length, how, value)?])
    }
}

#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
pub(super) use none::Filters;

/// Elsewhere the numbers of the list are not known.
#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
mod none {
    use std::io::Error;

    pub(in super::super) enum Filters {}

    impl Filters {
        pub(in super::super) fn prepare(_strict: bool) -> Result<Result<Self, &'static str>, Error> {
            Ok(Err("not supported on this architecture"))
        }

        pub(in super::super) fn install(self) -> Result<super::Violations, Error> {
            match self {}
        }
    }
}
