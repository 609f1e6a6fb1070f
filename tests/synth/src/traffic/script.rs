//! What a flow says: who writes what in turn, without packets.

use std::io::Write as _;

use super::Recipe;
use super::plant::{self, Finding, PLANTS};
use crate::dialogue::Side;
use crate::rng::Rng;
use crate::tls;

/// What a flow says from its first byte to its last.
#[derive(Default)]
pub(super) struct Script {
    /// The server's port.
    pub(super) port: u16,
    /// Every run is a datagram, and nothing is acknowledged.
    pub(super) udp: bool,
    /// Bytes that are this script's own.
    text: Vec<u8>,
    /// In the order in which they are said; runs of one side that follow each other are one write.
    pub(super) runs: Vec<Run>,
    /// SMTP commands in it, as far as it can be read.
    pub(super) commands: u64,
    /// SMTP replies in it, the greeting among them.
    pub(super) replies: u64,
    /// What an analyser has to find.
    pub(super) findings: Vec<Finding>,
}

/// Bytes that one side says.
#[derive(Clone, Copy)]
pub(super) struct Run {
    pub(super) side: Side,
    source: Source,
    start: usize,
    pub(super) length: usize,
    /// Nothing depends on its bytes being captured.
    pub(super) fragile: bool,
}

#[derive(Clone, Copy)]
enum Source {
    Text,
    Mail,
    Noise,
}

/// Bytes that all scripts share.
pub(super) struct Pools {
    /// Lines of text, CRLF behind each.
    mail: Vec<u8>,
    /// Where each of its lines begins.
    lines: Vec<usize>,
    /// What looks encrypted.
    noise: Vec<u8>,
}

/// Octets in each of the pools.
const POOL: usize = 4 << 20;

impl Pools {
    pub(super) fn new(seed: u64) -> Self {
        let mut rng = Rng::new(seed ^ 0x706f_6f6c);
        let (mut mail, mut lines) = (Vec::with_capacity(POOL + 100), Vec::new());
        while mail.len() < POOL {
            lines.push(mail.len());
            let width = rng.between(1, 76);
            if rng.chance(10) {
                mail.extend_from_slice(b".."); // a line that began with a dot (RFC 5321 section 4.5.2)
            }
            let letter =
                |word: u64| b"etaoinshrdlucmfwypvbgkqjxz ETAOINSHRDLU,.- 0123456789+/ e t a o "[(word & 63) as usize];
            let first = b'A' + u8::try_from(rng.below(26)).unwrap_or(0);
            mail.push(first);
            mail.extend((1..width).map(|_| letter(rng.next_u64() >> 20)));
            mail.extend_from_slice(b"\r\n");
        }
        let noise = (0..POOL / 8).flat_map(|_| rng.next_u64().to_le_bytes()).collect();
        Pools { mail, lines, noise }
    }

    /// Whole lines of about so many octets.
    fn lines(&self, rng: &mut Rng, octets: usize) -> (usize, usize) {
        let last = self.mail.len() - octets.min(self.mail.len() / 2);
        let first = self.lines[rng.below(self.lines.partition_point(|&start| start < last))];
        let behind = self.lines.partition_point(|&start| start < first + octets);
        (first, self.lines.get(behind).copied().unwrap_or(self.mail.len()) - first)
    }

    fn noise(&self, rng: &mut Rng, octets: usize) -> usize {
        rng.below(self.noise.len() - octets)
    }
}

impl Script {
    /// The bytes of a run, from the `skip`th on.
    pub(super) fn bytes<'s>(&'s self, pools: &'s Pools, run: usize, skip: usize) -> &'s [u8] {
        let run = self.runs[run];
        let source = match run.source {
            Source::Text => &self.text,
            Source::Mail => &pools.mail,
            Source::Noise => &pools.noise,
        };
        &source[run.start + skip..run.start + run.length]
    }

    fn push(&mut self, side: Side, source: Source, start: usize, length: usize) {
        self.runs.push(Run { side, source, start, length, fragile: true });
    }

    fn text(&mut self, side: Side, bytes: &[u8]) {
        self.push(side, Source::Text, self.text.len(), bytes.len());
        self.text.extend_from_slice(bytes);
    }

    fn commands(&mut self, bytes: &[u8]) {
        self.commands += bytes.split(|&byte| byte == b'\n').count() as u64 - 1;
        self.text(Side::Client, bytes);
    }

    fn replies(&mut self, text: &str) {
        self.replies += text.lines().filter(|line| line.as_bytes().get(3) != Some(&b'-')).count() as u64;
        self.text(Side::Server, text.as_bytes());
    }

    /// TLS records of about so many octets that hold what nobody can read.
    fn encrypted(&mut self, rng: &mut Rng, pools: &Pools, side: Side, mut octets: usize) {
        while octets > 0 {
            let length = octets.min(1 << 14);
            self.text(side, &[&[23, 3, 3], &u16::try_from(length).unwrap_or(0).to_be_bytes()[..]].concat());
            self.push(side, Source::Noise, pools.noise(rng, length), length);
            octets -= length;
        }
    }

    /// A script with findings loses nothing.
    fn spare(&mut self) {
        for run in &mut self.runs {
            run.fragile = false;
        }
    }
}

/// A number whose logarithm is evenly spread.
fn spread(rng: &mut Rng, low: usize, high: usize) -> usize {
    let (low, high) = (low.max(1), high.max(1));
    let mut top = low;
    let mut doublings = 0;
    while top < high {
        (top, doublings) = (top * 2, doublings + 1);
    }
    let floor = low << rng.below(doublings.max(1));
    rng.between(floor, (floor * 2).min(high).max(floor)).min(high)
}

/// A mail session with that server.
pub(super) fn mail(rng: &mut Rng, pools: &Pools, recipe: &Recipe, server: usize) -> Script {
    let mut script = Script { port: 25, ..Script::default() };
    if rng.chance(recipe.planted) {
        found(&mut script, rng, pools, recipe, server);
    } else {
        greeted(&mut script, server);
        if rng.chance(recipe.tls) {
            let plain = script.runs.len() + 4;
            let octets = spread(rng, *recipe.mail_bytes.start(), *recipe.mail_bytes.end());
            secured(&mut script, rng, pools, octets);
            script.runs.iter_mut().take(plain).for_each(|run| run.fragile = false);
        } else {
            deliveries(&mut script, rng, pools, recipe, server);
        }
    }
    script
}

/// A session with something to find, and a mail behind it.
fn found(script: &mut Script, rng: &mut Rng, pools: &Pools, recipe: &Recipe, server: usize) {
    let picked = rng.below(PLANTS.len() + 1);
    if let Some(plant) = PLANTS.get(picked) {
        greeted(script, server);
        for (client, server) in plant.talk {
            script.commands(client);
            script.replies(server);
        }
        script.findings.extend_from_slice(plant.findings);
        deliveries(script, rng, pools, recipe, server);
    } else {
        script.replies(&format!("554 5.7.1 {} does not take mail from you\r\n", name(server)));
        script.findings.push(plant::REFUSED_GREETING);
        script.commands(b"QUIT\r\n");
        script.replies("221 2.0.0 Bye\r\n");
    }
    script.spare();
}

fn name(server: usize) -> String {
    format!("mx{server}.example.org")
}

/// One server of four does not offer pipelining.
fn pipelining(server: usize) -> bool {
    !server.is_multiple_of(4)
}

/// Greeting, EHLO and what the server offers.
fn greeted(script: &mut Script, server: usize) {
    let name = name(server);
    let software = ["ESMTP Postfix", "ESMTP Exim 4.96", "ESMTP Sendmail 8.17.1/8.17.1", "ESMTP"][server / 4 % 4];
    script.replies(&format!("220 {name} {software}\r\n"));
    script.commands(b"EHLO client.example.com\r\n");
    let pipelining = if pipelining(server) { "250-PIPELINING\r\n" } else { "" };
    script.replies(&format!(
        "250-{name} at your service\r\n{pipelining}250-SIZE 52428800\r\n250-ETRN\r\n250-STARTTLS\r\n\
         250-ENHANCEDSTATUSCODES\r\n250-8BITMIME\r\n250 DSN\r\n"
    ));
}

/// One to three mails and QUIT.
fn deliveries(script: &mut Script, rng: &mut Rng, pools: &Pools, recipe: &Recipe, server: usize) {
    let mails = if rng.chance(800) { 1 } else { rng.between(2, 3) };
    for _ in 0..mails {
        let recipients = rng.between(1, 4);
        let (number, sender) = (rng.below(1_000_000), rng.below(10_000));
        let mut envelope =
            vec![(format!("MAIL FROM:<sender{sender}@example.com> SIZE=200000\r\n"), "250 2.1.0 Ok\r\n")];
        for recipient in 0..recipients {
            envelope.push((format!("RCPT TO:<user{}@example.org>\r\n", number + recipient), "250 2.1.5 Ok\r\n"));
        }
        envelope.push(("DATA\r\n".to_owned(), "354 End data with <CR><LF>.<CR><LF>\r\n"));
        if pipelining(server) {
            let (commands, replies): (Vec<String>, Vec<&str>) = envelope.into_iter().unzip();
            script.commands(commands.concat().as_bytes());
            script.replies(&replies.concat());
        } else {
            for (command, reply) in envelope {
                script.commands(command.as_bytes());
                script.replies(reply);
            }
        }
        let mut head = Vec::with_capacity(256);
        let _ = write!(
            head,
            "Received: from client.example.com by relay.example.net with ESMTP; Fri, 2 Jan 2026 03:04:05 +0000\r\n\
             From: <sender{sender}@example.com>\r\nTo: <user{number}@example.org>\r\nSubject: report {number}\r\n\
             Message-ID: <{number}.{sender}@client.example.com>\r\n\r\n"
        );
        script.text(Side::Client, &head);
        let octets = spread(rng, *recipe.mail_bytes.start(), *recipe.mail_bytes.end());
        let (start, length) = pools.lines(rng, octets);
        script.push(Side::Client, Source::Mail, start, length);
        script.text(Side::Client, b".\r\n");
        script.replies(&format!("250 2.0.0 Ok: queued as {number:X}\r\n"));
    }
    script.commands(b"QUIT\r\n");
    script.replies("221 2.0.0 Bye\r\n");
}

/// STARTTLS, a handshake in clear, and a mail that nobody can read. The first four runs are those that tell.
fn secured(script: &mut Script, rng: &mut Rng, pools: &Pools, octets: usize) {
    script.commands(b"STARTTLS\r\n");
    script.replies("220 2.0.0 Ready to start TLS\r\n");
    script.findings.push(plant::TLS_STARTED);
    script.text(Side::Client, &tls::client_hello(Some("mx.example.org"), &[], 0x0304));
    script.text(Side::Server, &tls::server_hello(0x0304));
    let certificates = rng.between(1500, 4000);
    script.encrypted(rng, pools, Side::Server, certificates);
    script.encrypted(rng, pools, Side::Client, 58);
    for _ in 0..rng.between(3, 6) {
        let (command, reply) = (rng.between(24, 80), rng.between(24, 250));
        script.encrypted(rng, pools, Side::Client, command);
        script.encrypted(rng, pools, Side::Server, reply);
    }
    script.encrypted(rng, pools, Side::Client, octets);
    script.encrypted(rng, pools, Side::Server, 60);
}

/// A flow that is no mail: transfers over TCP, lookups and streams of datagrams.
pub(super) fn background(rng: &mut Rng, pools: &Pools, recipe: &Recipe) -> Script {
    let mut script = Script::default();
    let say = |script: &mut Script, side, octets: usize, rng: &mut Rng| {
        script.push(side, Source::Noise, pools.noise(rng, octets), octets);
    };
    match rng.below(10) {
        0..6 => {
            script.port = [443, 443, 443, 80, 8080, 993, 22, 3306][rng.below(8)];
            for _ in 0..rng.between(1, 4) {
                let request = rng.between(100, 700);
                let answer = spread(rng, *recipe.transfer_bytes.start(), *recipe.transfer_bytes.end());
                say(&mut script, Side::Client, request, rng);
                say(&mut script, Side::Server, answer, rng);
            }
        }
        6..9 => {
            (script.udp, script.port) = (true, 53);
            for _ in 0..rng.between(1, 3) {
                let (question, answer) = (rng.between(28, 60), rng.between(44, 200));
                say(&mut script, Side::Client, question, rng);
                say(&mut script, Side::Server, answer, rng);
            }
        }
        _ => {
            (script.udp, script.port) = (true, [443, 4500, 5004][rng.below(3)]);
            for _ in 0..spread(rng, 10, 400) {
                let side = if rng.chance(200) { Side::Client } else { Side::Server };
                let octets = if side == Side::Client { rng.between(30, 80) } else { rng.between(160, 1250) };
                say(&mut script, side, octets, rng);
            }
        }
    }
    script
}
