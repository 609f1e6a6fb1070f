//! `--metrics ADDRESS`: the counts of a live capture for Prometheus to fetch, by `GET /metrics` (HTTP/1.1, RFC 9112) and
//! nothing else. [`page`] writes them.
//!
//! Bounds: one connection at a time, of [`DEADLINE`] in all and with a request of [`MOST_BYTES`] at most; further ones
//! wait in the system's queue of connections, which has a bound of its own.
#![expect(clippy::disallowed_methods, reason = "the deadline of a connection and the age of a packet need clocks")]

mod page;

use std::error::Error;
use std::fmt;
use std::io::{self, BufRead, BufReader, ErrorKind, Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, PoisonError, TryLockError};
use std::thread;
use std::time::{Duration, Instant};

use crate::capture::live::now;
use crate::ledger::Stats;

/// How long a connection may last, from being accepted to being closed.
const DEADLINE: Duration = Duration::from_secs(2);
/// The octets of a request up to the empty line.
const MOST_BYTES: u64 = 8 << 10;

/// Why there is no page.
#[derive(Debug)]
pub(in crate::cli) enum Problem {
    NoAddress(String),
    Cannot { address: SocketAddr, source: io::Error },
}

impl fmt::Display for Problem {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Problem::NoAddress(text) => {
                write!(
                    out,
                    "cannot serve metrics at {text:?}: expected an address such as 127.0.0.1:9925 or [::1]:9925"
                )
            }
            Problem::Cannot { address, .. } => write!(out, "cannot serve metrics at {address}"),
        }
    }
}

impl Error for Problem {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Problem::NoAddress(_) => None,
            Problem::Cannot { source, .. } => Some(source),
        }
    }
}

/// Takes the address, `ADDRESS:PORT`; a port alone, with its colon or without, is one of loopback.
pub(in crate::cli) fn bind(text: &str) -> Result<TcpListener, Problem> {
    let address = address(text).ok_or_else(|| Problem::NoAddress(text.to_owned()))?;
    TcpListener::bind(address).map_err(|source| Problem::Cannot { address, source })
}

fn address(text: &str) -> Option<SocketAddr> {
    let on_loopback = || {
        let port = text.strip_prefix(':').unwrap_or(text);
        // A number's sign is none of a port's.
        let port = port.bytes().all(|byte| byte.is_ascii_digit()).then(|| port.parse().ok())??;
        Some(SocketAddr::from((Ipv4Addr::LOCALHOST, port)))
    };
    text.parse().ok().or_else(on_loopback)
}

/// Starts the thread that serves the page for as long as the process lives.
pub(in crate::cli) fn serve(listener: TcpListener, stats: Arc<Mutex<Stats>>) -> io::Result<()> {
    /// What it waits where no connection can be had: the process may have no file descriptor left.
    const PAUSE: Duration = Duration::from_millis(100);
    let forever = move || {
        loop {
            match listener.accept() {
                Ok((stream, _)) => {
                    // Who went away, or was too slow, is told nothing.
                    let _ = converse(&stream, &stats);
                }
                Err(_) => thread::sleep(PAUSE),
            }
        }
    };
    thread::Builder::new().name("metrics".to_owned()).spawn(forever)?;
    Ok(())
}

/// One request and its answer.
fn converse(stream: &TcpStream, counts: &Mutex<Stats>) -> io::Result<()> {
    /// What a peer may send behind a refused request before it is cut off all the same.
    const MOST_BEHIND: u64 = 1 << 20;
    let mut peer = Peer { stream, since: Instant::now() };
    let (method, mut status) = request(&mut peer)?;
    let counted = if status == Status::Ok { copy(counts) } else { None };
    if status == Status::Ok && counted.is_none() {
        status = Status::Busy;
    }
    let body = counted.map_or_else(|| status.line(), |counted| page::page(&counted, now()));
    let mut answer = status.head(body.len());
    if method != Method::Head {
        answer.push_str(&body);
    }
    peer.write_all(answer.as_bytes())?;
    if method == Method::Other {
        // What nobody read of it would make the system reset the connection, and the peer lose the answer.
        stream.shutdown(Shutdown::Write)?;
        io::copy(&mut peer.take(MOST_BEHIND), &mut io::sink())?;
    }
    Ok(())
}

/// The other end, for as long as it may take: each read and each write has what is left of the time.
struct Peer<'s> {
    stream: &'s TcpStream,
    since: Instant,
}

impl Peer<'_> {
    fn left(&self) -> io::Result<Option<Duration>> {
        match DEADLINE.saturating_sub(self.since.elapsed()) {
            Duration::ZERO => Err(ErrorKind::TimedOut.into()),
            left => Ok(Some(left)),
        }
    }
}

impl Read for Peer<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.stream.set_read_timeout(self.left()?)?;
        self.stream.read(buffer)
    }
}

impl Write for Peer<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.stream.set_write_timeout(self.left()?)?;
        self.stream.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Method {
    Get,
    Head,
    Other,
}

/// How a request is answered (RFC 9110 section 15, RFC 6585 section 5).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Status {
    Ok,
    BadRequest,
    NotFound,
    NotAllowed,
    TooLarge,
    Busy,
}

impl Status {
    fn reason(self) -> &'static str {
        match self {
            Status::Ok => "200 OK",
            Status::BadRequest => "400 Bad Request",
            Status::NotFound => "404 Not Found",
            Status::NotAllowed => "405 Method Not Allowed",
            Status::TooLarge => "431 Request Header Fields Too Large",
            Status::Busy => "503 Service Unavailable",
        }
    }

    /// The body of an answer that is not the page.
    fn line(self) -> String {
        format!("{}\n", self.reason())
    }

    fn head(self, length: usize) -> String {
        let reason = self.reason();
        let content = if self == Status::Ok { page::CONTENT_TYPE } else { "text/plain; charset=utf-8" };
        let allow = if self == Status::NotAllowed { "Allow: GET, HEAD\r\n" } else { "" };
        format!(
            "HTTP/1.1 {reason}\r\nContent-Type: {content}\r\nContent-Length: {length}\r\n{allow}Connection: close\r\n\r\n"
        )
    }
}

/// Reads a request to the empty line, unless its first line says already that it is none.
fn request(peer: impl Read) -> io::Result<(Method, Status)> {
    let mut lines = BufReader::new(peer.take(MOST_BYTES));
    let mut asked = None;
    loop {
        let mut line = Vec::new();
        if lines.read_until(b'\n', &mut line)? == 0 && asked.is_none() && lines.get_ref().limit() > 0 {
            // It asked nothing, and has gone.
            return Err(ErrorKind::UnexpectedEof.into());
        }
        let Some(text) = line.strip_suffix(b"\n") else {
            let whole = lines.get_ref().limit() > 0;
            return Ok((Method::Other, if whole { Status::BadRequest } else { Status::TooLarge }));
        };
        let text = text.strip_suffix(b"\r").unwrap_or(text);
        match asked {
            Some(asked) if text.is_empty() => return Ok(asked),
            Some(_) => {}
            // RFC 9112 section 2.2: empty lines before a request are ignored.
            None if text.is_empty() => {}
            None => match request_line(text) {
                Some(line) => asked = Some(line),
                None => return Ok((Method::Other, Status::BadRequest)),
            },
        }
    }
}

/// Method, target and version (RFC 9112 section 3); `None` where it is no HTTP/1.
fn request_line(line: &[u8]) -> Option<(Method, Status)> {
    let mut words = std::str::from_utf8(line).ok()?.split(' ');
    let (Some(method), Some(target), Some(version), None) = (words.next(), words.next(), words.next(), words.next())
    else {
        return None;
    };
    let minor = version.strip_prefix("HTTP/1.")?;
    let is_token = |word: &str| !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_graphic());
    if !is_token(method) || !is_token(target) || minor.len() != 1 || !minor.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let method = match method {
        "GET" => Method::Get,
        "HEAD" => Method::Head,
        _ => Method::Other,
    };
    let path = target.split('?').next();
    Some((
        method,
        match method {
            _ if path != Some("/metrics") => Status::NotFound,
            Method::Get | Method::Head => Status::Ok,
            Method::Other => Status::NotAllowed,
        },
    ))
}

/// The counts as they are, even if whoever changed them panicked; `None` where somebody holds on to them.
fn copy(counts: &Mutex<Stats>) -> Option<Stats> {
    const TRIES: usize = 100;
    const PAUSE: Duration = Duration::from_millis(1);
    for _ in 0..TRIES {
        match counts.try_lock() {
            Ok(stats) => return Some(stats.clone()),
            Err(TryLockError::Poisoned(poisoned)) => return Some(PoisonError::into_inner(poisoned).clone()),
            Err(TryLockError::WouldBlock) => thread::sleep(PAUSE),
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Serves these counts at a port of its own.
    fn served(stats: &Arc<Mutex<Stats>>) -> SocketAddr {
        let listener = bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        serve(listener, Arc::clone(stats)).unwrap();
        address
    }

    fn serving() -> SocketAddr {
        served(&Arc::default())
    }

    fn connect(to: SocketAddr) -> TcpStream {
        let stream = TcpStream::connect(to).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        stream
    }

    /// Sends this, and reads until the other end closes.
    fn ask(to: SocketAddr, request: &[u8]) -> String {
        let mut stream = connect(to);
        stream.write_all(request).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    }

    /// The head of an answer, and its body, which is as long as the head says.
    #[track_caller]
    fn parts(answer: &str) -> (&str, &str) {
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        assert!(head.contains(&format!("\r\nContent-Length: {}\r\n", body.len())), "{answer}");
        assert!(head.ends_with("\r\nConnection: close"), "{answer}");
        (head, body)
    }

    #[test]
    fn the_page_is_served() {
        let stats = Arc::new(Mutex::new(Stats { packets: 1, ..Stats::default() }));
        let at = served(&stats);
        let answer = ask(at, b"GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n");
        let (head, body) = parts(&answer);
        assert!(head.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
        assert!(head.contains("\r\nContent-Type: text/plain; version=0.0.4; charset=utf-8\r\n"), "{answer}");
        assert!(body.contains("\nmailtap_packets_total 1\n"), "{answer}");
        stats.lock().unwrap().packets = 2;
        let later = ask(at, b"\r\nGET /metrics?name%5B%5D=x HTTP/1.0\n\n");
        assert!(parts(&later).1.contains("\nmailtap_packets_total 2\n"), "{later}");
    }

    #[test]
    fn head_is_the_page_without_its_body() {
        let at = serving();
        let page = ask(at, b"GET /metrics HTTP/1.1\r\n\r\n");
        let head = ask(at, b"HEAD /metrics HTTP/1.1\r\n\r\n");
        assert_eq!(head, format!("{}\r\n\r\n", parts(&page).0));
        assert!(ask(at, b"HEAD / HTTP/1.1\r\n\r\n").ends_with("\r\n\r\n"));
    }

    #[test]
    fn there_is_nothing_else() {
        let at = serving();
        for (request, status) in [
            ("GET / HTTP/1.1", "404 Not Found"),
            ("GET /metrics/ HTTP/1.1", "404 Not Found"),
            ("GET /metrics/../etc/passwd HTTP/1.1", "404 Not Found"),
            ("POST /other HTTP/1.1", "404 Not Found"),
            ("POST /metrics HTTP/1.1", "405 Method Not Allowed"),
            ("get /metrics HTTP/1.1", "405 Method Not Allowed"),
            ("GET /metrics HTTP/2.0", "400 Bad Request"),
            ("GET /metrics HTTP/1.", "400 Bad Request"),
            ("GET /metrics", "400 Bad Request"),
            ("GET  /metrics HTTP/1.1", "400 Bad Request"),
            ("GET /metrics HTTP/1.1 ", "400 Bad Request"),
            (" /metrics HTTP/1.1", "400 Bad Request"),
            ("EHLO there", "400 Bad Request"),
        ] {
            let answer = ask(at, format!("{request}\r\nHost: x\r\n\r\n").as_bytes());
            let (head, body) = parts(&answer);
            assert!(head.starts_with(&format!("HTTP/1.1 {status}\r\n")), "{request}: {answer}");
            assert_eq!(head.contains("\r\nAllow: GET, HEAD\r\n"), status.starts_with("405"), "{request}: {answer}");
            assert_eq!(body, format!("{status}\n"), "{request}");
        }
        // As soon as the first line says that it is none, and whatever is behind it.
        assert!(ask(at, b"\x16\x03\x01\n").starts_with("HTTP/1.1 400 "));
        let mut posted = b"POST /metrics HTTP/1.1\r\nContent-Length: 300000\r\n\r\n".to_vec();
        posted.resize(posted.len() + 300_000, b'x');
        assert!(ask(at, &posted).starts_with("HTTP/1.1 405 "));
    }

    #[test]
    fn a_request_that_ends_early_is_none() {
        let at = serving();
        let mut stream = connect(at);
        stream.write_all(b"GET /metrics HTTP/1.1\r\nHost:").unwrap();
        stream.shutdown(Shutdown::Write).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        assert!(answer.starts_with("HTTP/1.1 400 "), "{answer}");
        // Nothing was asked: no answer, and no waiting.
        drop(connect(at));
        assert!(ask(at, b"GET /metrics HTTP/1.1\r\n\r\n").starts_with("HTTP/1.1 200 "));
    }

    #[test]
    fn a_request_has_a_bound() {
        let at = serving();
        let most = usize::try_from(MOST_BYTES).unwrap();
        let of_length =
            |length: usize| format!("GET /metrics HTTP/1.1\r\nX: {}\r\n\r\n", "x".repeat(length - 30)).into_bytes();
        assert_eq!(of_length(most).len(), most);
        assert!(ask(at, &of_length(most)).starts_with("HTTP/1.1 200 "));
        for too_long in [of_length(most + 1), of_length(100_000), vec![b'x'; 100_000]] {
            let answer = ask(at, &too_long);
            assert!(parts(&answer).0.starts_with("HTTP/1.1 431 Request Header Fields Too Large\r\n"), "{answer}");
        }
        let lines = b"GET /metrics HTTP/1.1\r\n".iter().chain(b"A: b\r\n".iter().cycle()).copied().take(50_000);
        assert!(ask(at, &lines.collect::<Vec<_>>()).starts_with("HTTP/1.1 431 "));
    }

    /// How long it took until the page came.
    fn waiting(at: SocketAddr) -> Duration {
        let began = Instant::now();
        assert!(ask(at, b"GET /metrics HTTP/1.1\r\n\r\n").starts_with("HTTP/1.1 200 "));
        began.elapsed()
    }

    #[test]
    fn who_dribbles_is_cut_off_and_the_next_one_is_served() {
        let at = serving();
        let (mut slow, began) = (connect(at), Instant::now());
        let dribbling = thread::Builder::new().spawn(move || {
            let mut sent = slow.write_all(b"GET /metrics HTTP/1.1\r\n");
            while sent.is_ok() && began.elapsed() < DEADLINE * 3 {
                thread::sleep(Duration::from_millis(50));
                sent = slow.write_all(b"A: b\r\n");
            }
            (sent, began.elapsed())
        });
        // So that the slow one is first.
        thread::sleep(Duration::from_millis(200));
        let waited = waiting(at);
        assert!(waited > DEADLINE / 2 && waited < DEADLINE * 2, "{waited:?}");
        let (sent, after) = dribbling.unwrap().join().unwrap();
        assert!(sent.is_err() && after < DEADLINE * 2, "{sent:?} after {after:?}");
    }

    #[test]
    fn who_says_nothing_keeps_others_waiting_no_longer_than_the_deadline() {
        let at = serving();
        let mut silent = connect(at);
        thread::sleep(Duration::from_millis(200));
        let waited = waiting(at);
        assert!(waited < DEADLINE * 2, "{waited:?}");
        assert_eq!(silent.read(&mut [0; 1]).unwrap(), 0, "closed, and told nothing");
    }

    #[test]
    fn who_does_not_close_keeps_nobody_waiting() {
        let at = serving();
        let mut stays = connect(at);
        stays.write_all(b"GET /metrics HTTP/1.1\r\n\r\n").unwrap();
        let mut answer = String::new();
        stays.read_to_string(&mut answer).unwrap();
        assert!(waiting(at) < DEADLINE / 2);
    }

    #[test]
    fn counts_that_cannot_be_had_are_no_hang() {
        let stats: Arc<Mutex<Stats>> = Arc::default();
        let at = served(&stats);
        let held = stats.lock().unwrap();
        let answer = ask(at, b"GET /metrics HTTP/1.1\r\n\r\n");
        assert!(parts(&answer).0.starts_with("HTTP/1.1 503 Service Unavailable\r\n"), "{answer}");
        drop(held);
        let holder = Arc::clone(&stats);
        let panicked = thread::Builder::new().spawn(move || {
            let _held = holder.lock().unwrap();
            panic!("of the test");
        });
        panicked.unwrap().join().unwrap_err();
        assert!(stats.is_poisoned());
        assert!(ask(at, b"GET /metrics HTTP/1.1\r\n\r\n").starts_with("HTTP/1.1 200 "));
    }

    #[test]
    fn a_port_alone_is_one_of_loopback() {
        for (text, address) in [
            ("127.0.0.1:9925", "127.0.0.1:9925"),
            ("0.0.0.0:1", "0.0.0.0:1"),
            ("[::1]:9925", "[::1]:9925"),
            (":9925", "127.0.0.1:9925"),
            ("9925", "127.0.0.1:9925"),
        ] {
            assert_eq!(super::address(text), Some(address.parse().unwrap()), "{text}");
        }
        for text in ["", ":", "127.0.0.1", "::1", "localhost:9925", ":65536", "+1", "::9925", "127.0.0.1:9925\n"] {
            let problem = bind(text).unwrap_err().to_string();
            assert!(problem.starts_with(&format!("cannot serve metrics at {text:?}: ")), "{problem}");
            assert!(!problem.contains('\n'), "{problem}");
        }
    }

    #[test]
    fn an_address_that_is_taken_is_told() {
        let taken = bind(":0").unwrap();
        let address = taken.local_addr().unwrap();
        let problem = bind(&address.to_string()).unwrap_err();
        assert_eq!(problem.to_string(), format!("cannot serve metrics at {address}"));
        assert!(problem.source().unwrap().to_string().starts_with("Address already in use"));
    }
}
