//! Standard input and other pipes: what can be read once, and may have nothing for a while.
//!
//! Whoever waits for a whole block would keep what came before it to himself, so a pipe that pauses says so: reading
//! it then fails with [`ErrorKind::WouldBlock`], and goes on with the next call. When that is changes no packet, only
//! where batches are cut, and those decide nothing.
#![expect(clippy::disallowed_methods, reason = "a pipe is waited for by the clock, which no packet hears of")]

use std::fs::File;
use std::io::{self, ErrorKind, Read};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// Ends a scan before its input ends: what was read until then is told, and that it was interrupted. Its clones are one.
#[derive(Clone, Debug, Default)]
pub struct Stop(Arc<AtomicBool>);

impl Stop {
    /// Ends the scan, from any thread.
    pub fn set(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    /// Whether it was set.
    pub fn is_set(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

impl From<Arc<AtomicBool>> for Stop {
    fn from(flag: Arc<AtomicBool>) -> Self {
        Stop(flag)
    }
}

/// Two are the same where one cannot be set without the other.
impl PartialEq for Stop {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0) || self.is_set() == other.is_set()
    }
}

impl Eq for Stop {}

/// Nothing comes for so long: it pauses.
const PAUSE: Duration = Duration::from_millis(100);
/// Where something comes all the time, but little of it, it is as if it paused after so long.
const LONGEST: Duration = Duration::from_millis(500);

/// A pipe.
pub(super) struct Pipe {
    file: File,
    /// Since when something comes without a pause.
    since: Option<Instant>,
}

impl Pipe {
    pub(super) fn new(file: File) -> Self {
        Pipe { file, since: None }
    }

    /// Standard input, without the buffer that the standard library has before it.
    pub(super) fn stdin() -> io::Result<Self> {
        #[cfg(unix)]
        let handle = std::os::fd::AsFd::as_fd(&io::stdin()).try_clone_to_owned()?;
        #[cfg(windows)]
        let handle = std::os::windows::io::AsHandle::as_handle(&io::stdin()).try_clone_to_owned()?;
        Ok(Pipe::new(handle.into()))
    }

    /// Whether there is something to read, or the end, within [`PAUSE`].
    #[cfg(unix)]
    fn is_ready(&self) -> io::Result<bool> {
        use rustix::event::{PollFd, PollFlags, Timespec, poll};
        match poll(&mut [PollFd::new(&self.file, PollFlags::IN)], Timespec::try_from(PAUSE).ok().as_ref()) {
            Ok(ready) => Ok(ready > 0),
            // A signal came: who asked for it will look.
            Err(rustix::io::Errno::INTR) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    /// Elsewhere it is read until something comes.
    #[cfg(not(unix))]
    #[expect(clippy::unnecessary_wraps, clippy::unused_self, reason = "as on Unix")]
    fn is_ready(&self) -> io::Result<bool> {
        Ok(true)
    }
}

impl Read for Pipe {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let long = self.since.is_some_and(|since| since.elapsed() >= LONGEST);
        if long || !self.is_ready()? {
            self.since = None;
            return Err(ErrorKind::WouldBlock.into());
        }
        self.since.get_or_insert_with(Instant::now);
        self.file.read(into)
    }
}

/// Whether this says that a pipe pauses.
pub(super) fn is_pause(error: &io::Error) -> bool {
    error.kind() == ErrorKind::WouldBlock
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    fn pipe() -> (Pipe, io::PipeWriter) {
        let (reader, writer) = io::pipe().unwrap();
        (Pipe::new(File::from(std::os::fd::OwnedFd::from(reader))), writer)
    }

    #[test]
    fn a_pipe_that_has_nothing_says_so_and_goes_on() {
        let (mut pipe, mut writer) = pipe();
        let mut bytes = [0; 8];
        assert!(is_pause(&pipe.read(&mut bytes).unwrap_err()));
        writer.write_all(b"abc").unwrap();
        assert_eq!(pipe.read(&mut bytes).unwrap(), 3);
        assert!(is_pause(&pipe.read(&mut bytes).unwrap_err()));
        drop(writer);
        assert_eq!(pipe.read(&mut bytes).unwrap(), 0);
    }

    #[test]
    fn a_pipe_that_never_pauses_is_told_to_have_paused_now_and_then() {
        let (mut pipe, mut writer) = pipe();
        writer.write_all(&[7; 4096]).unwrap();
        pipe.since = Instant::now().checked_sub(LONGEST);
        let mut bytes = [0; 8];
        assert!(is_pause(&pipe.read(&mut bytes).unwrap_err()));
        assert_eq!(pipe.read(&mut bytes).unwrap(), 8);
    }
}
