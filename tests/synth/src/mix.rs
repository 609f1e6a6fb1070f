//! Traffic by the gigabyte: mail sessions of realistic shapes side by side, among other TCP and UDP traffic. The
//! capture is written as it is made; memory holds one wave of some dozens of connections.

use std::fmt::Write as _;
use std::io::{self, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use crate::dialogue::{Dialogue, SECOND};
use crate::frame::{self, LinkType, Packet};
use crate::plan::{Plan, START};
use crate::rng::Rng;
use crate::{pcap, render};

/// A recipe for traffic: the same seed and size give the same bytes.
#[derive(Clone, Debug)]
pub struct Mix {
    rng: Rng,
    background: u32,
    next_port: u16,
}

/// Connections that run at the same time.
const WAVE: usize = 32;

impl Mix {
    /// Half of its octets are no mail.
    pub fn new(seed: u64) -> Self {
        Mix { rng: Rng::new(seed), background: 50, next_port: 20_000 }
    }

    /// How many octets of a hundred are no mail.
    #[must_use]
    pub fn background(mut self, percent: u32) -> Self {
        self.background = percent.min(99);
        self
    }

    /// Writes a pcap file of about that many octets: whole waves until it has them.
    ///
    /// # Errors
    /// The writer's own.
    pub fn write(&mut self, bytes: u64, out: &mut impl Write) -> io::Result<()> {
        let format = pcap::Format::default();
        let mut written = 0;
        let mut start = START;
        out.write_all(&pcap::header(LinkType::Ethernet, format))?;
        while written < bytes {
            let packets = self.wave(start);
            start = packets.last().map_or(start, |packet| packet.time) + SECOND / 100;
            let mut block = Vec::new();
            for packet in &packets {
                pcap::record(packet, format, &mut block);
            }
            out.write_all(&block)?;
            written += block.len() as u64;
        }
        Ok(())
    }

    /// The packets of connections that run side by side from `start` on, in order of time.
    fn wave(&mut self, start: u64) -> Vec<Packet> {
        let mut packets = Vec::new();
        for _ in 0..WAVE {
            let dialogue = self.session();
            packets.extend(self.rendered(&dialogue, start));
        }
        let mail = octets(&packets);
        let wanted = mail * u64::from(self.background) / u64::from(100 - self.background);
        while octets(&packets) - mail < wanted {
            let other = if self.rng.chance(300) { self.lookups(start) } else { self.transfer(start) };
            packets.extend(other);
        }
        packets.sort_by_key(|packet| packet.time);
        packets
    }

    fn rendered(&mut self, dialogue: &Dialogue, start: u64) -> Vec<Packet> {
        let begin = start + self.rng.below(300) as u64 * SECOND / 1000;
        let pace = self.rng.between(20, 400) as u64 * 1000;
        let plan = Plan::new().seed(self.rng.next_u64()).start(begin).pace(pace).retransmit(3).reorder(2);
        render(dialogue, &plan).packets
    }

    fn session(&mut self) -> Dialogue {
        let text = match self.rng.below(100) {
            0..55 => self.delivery(),
            55..70 => self.encrypted(),
            70..80 => self.chunked(),
            80..88 => REFUSED.to_owned(),
            88..94 => HELP.to_owned(),
            _ => LOGIN.to_owned(),
        };
        let mut dialogue = Dialogue::parse(&text).expect("the built-in dialogues can be read");
        let (client, server) = (self.client(), self.host(Ipv4Addr::new(198, 51, 100, 0), 25));
        for connection in &mut dialogue.connections {
            (connection.client, connection.server) = (client, server);
        }
        dialogue
    }

    /// One to three mails, pipelined.
    fn delivery(&mut self) -> String {
        let mut text = GREETED.to_owned();
        for _ in 0..self.rng.between(1, 3) {
            text += "C: MAIL FROM:<sender@example.com>\n";
            let recipients = self.rng.between(1, 4);
            for number in 0..recipients {
                let _ = writeln!(text, "C: RCPT TO:<user{number}@example.org>");
            }
            let _ = write!(text, "C: DATA\nS: 250 2.1.0 Ok\n{}", "S: 250 2.1.5 Ok\n".repeat(recipients));
            text += "S: 354 End data with <CR><LF>.<CR><LF>\n";
            text += &self.message();
            text += "C: .\nS: 250 2.0.0 Ok: queued\n";
        }
        text + "C: QUIT\nS: 221 2.0.0 Bye\n"
    }

    fn encrypted(&mut self) -> String {
        let mut text = format!(
            "{GREETED}C: STARTTLS\nS: 220 2.0.0 Ready\nC! client-hello sni=mx.example.org\nS! server-hello version=1.3\nS! application-data 2600\n"
        );
        for _ in 0..self.rng.between(4, 20) {
            let length = self.rng.between(40, 12_000);
            let _ = write!(text, "C! application-data {length}\nS! application-data 60\n");
        }
        text
    }

    fn chunked(&mut self) -> String {
        let size = self.rng.between(1000, 60_000);
        format!(
            "{GREETED}C: MAIL FROM:<sender@example.com>\nS: 250 Ok\nC: RCPT TO:<user@example.org>\nS: 250 Ok\nC: BDAT {size} LAST\nC> {{x*{size}}}\nS: 250 Ok\nC: QUIT\nS: 221 Bye\n"
        )
    }

    /// A header and a body of some kilobytes; one of ten is large.
    fn message(&mut self) -> String {
        let mut text = "C: From: <sender@example.com>\nC: To: <user0@example.org>\nC: Subject: report\nC:\n".to_owned();
        let lines = if self.rng.chance(100) { self.rng.between(1000, 3000) } else { self.rng.between(10, 300) };
        for _ in 0..lines {
            let width = self.rng.between(20, 76);
            let _ = writeln!(text, "C: {{x*{width}}}");
        }
        text
    }

    /// A web transfer: another port, mostly from the server.
    fn transfer(&mut self, start: u64) -> Vec<Packet> {
        let size = self.rng.between(500, 40_000);
        let text =
            format!("C: GET / HTTP/1.1\nC: Host: www.example.net\nC:\nS: HTTP/1.1 200 OK\nS:\nS> {{x*{size}}}\n");
        let mut dialogue = Dialogue::parse(&text).expect("the built-in dialogues can be read");
        let (client, server) = (self.client(), self.host(Ipv4Addr::new(203, 0, 113, 0), 443));
        for connection in &mut dialogue.connections {
            (connection.client, connection.server) = (client, server);
        }
        self.rendered(&dialogue, start)
    }

    /// Name lookups: a handful of small datagrams and their answers.
    fn lookups(&mut self, start: u64) -> Vec<Packet> {
        let (client, server) = (self.client(), self.host(Ipv4Addr::new(203, 0, 113, 0), 53));
        let mut time = start + self.rng.below(400) as u64 * SECOND / 1000;
        let mut packets = Vec::new();
        for _ in 0..self.rng.between(2, 12) {
            time += SECOND / 2000;
            packets.push(frame::udp(client, server, &lookup(0), time, &Plan::new()));
            time += SECOND / 2000;
            let answer = lookup(u8::try_from(self.rng.between(1, 24)).unwrap_or(1));
            packets.push(frame::udp(server, client, &answer, time, &Plan::new()));
        }
        packets
    }

    fn client(&mut self) -> SocketAddr {
        self.next_port = if self.next_port == 60_999 { 20_000 } else { self.next_port + 1 };
        self.host(Ipv4Addr::new(192, 0, 2, 0), self.next_port)
    }

    fn host(&mut self, network: Ipv4Addr, port: u16) -> SocketAddr {
        let [a, b, c, _] = network.octets();
        let host = u8::try_from(self.rng.between(1, 254)).unwrap_or(1);
        (IpAddr::V4(Ipv4Addr::new(a, b, c, host)), port).into()
    }
}

/// A DNS message that asks for the address of example.net, or with `answers` tells so many (RFC 1035 section 4.1).
fn lookup(answers: u8) -> Vec<u8> {
    let flags = if answers > 0 { [0x81, 0x80] } else { [0x01, 0x00] };
    let mut message = [&[0x2a, 0x2a][..], &flags, &[0, 1, 0, answers, 0, 0, 0, 0]].concat();
    message.extend(b"\x07example\x03net\x00\x00\x01\x00\x01");
    for host in 1..=answers {
        message.extend([0xc0, 12, 0, 1, 0, 1, 0, 0, 14, 16, 0, 4, 203, 0, 113, host]);
    }
    message
}

fn octets(packets: &[Packet]) -> u64 {
    packets.iter().map(|packet| packet.bytes.len() as u64 + 16).sum()
}

const GREETED: &str = "S: 220 mx.example.org ESMTP Postfix\n\
C: EHLO client.example.com\n\
S: 250-mx.example.org\n\
S: 250-PIPELINING\n\
S: 250-SIZE 10240000\n\
S: 250-STARTTLS\n\
S: 250-ENHANCEDSTATUSCODES\n\
S: 250-8BITMIME\n\
S: 250-DSN\n\
S: 250-SMTPUTF8\n\
S: 250 CHUNKING\n";

const REFUSED: &str = "S: 554 5.7.1 mx.example.org not accepting mail\nC: QUIT\nS: 221 Bye\n";

const HELP: &str = "S: 220 mx.example.org ESMTP Exim 4.96\n\
C: HELP\n\
S: 214-Commands supported:\n\
S: 214 AUTH STARTTLS HELO EHLO MAIL RCPT DATA BDAT NOOP QUIT RSET HELP\n\
C: QUIT\n\
S: 221 mx.example.org closing connection\n";

const LOGIN: &str = "S: 220 mx.example.org ESMTP\n\
C: EHLO client.example.com\n\
S: 250-mx.example.org\n\
S: 250 AUTH LOGIN PLAIN\n\
C: AUTH LOGIN\n\
S: 334 VXNlcm5hbWU6\n\
C: dXNlcg==\n\
S: 334 UGFzc3dvcmQ6\n\
C: c2VjcmV0\n\
S: 235 2.7.0 Authentication successful\n\
C: QUIT\n\
S: 221 Bye\n";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dialogue::{Connection, Side, Step};

    fn made(seed: u64, bytes: u64) -> Vec<u8> {
        let mut out = Vec::new();
        Mix::new(seed).write(bytes, &mut out).unwrap();
        out
    }

    #[test]
    fn a_seed_gives_the_same_bytes_and_another_gives_others() {
        assert_eq!(made(7, 100_000), made(7, 100_000));
        assert_ne!(made(7, 100_000), made(8, 100_000));
    }

    #[test]
    fn about_half_of_it_is_mail_and_time_never_steps_back() {
        let packets = Mix::new(1).wave(START);
        assert!(packets.is_sorted_by_key(|packet| packet.time));
        let mail = |packet: &&Packet| {
            let port = |at: usize| u16::from_be_bytes([packet.bytes[at], packet.bytes[at + 1]]);
            packet.bytes[23] == 6 && (port(34) == 25 || port(36) == 25)
        };
        let share = packets.iter().filter(mail).map(|packet| packet.bytes.len() + 16).sum::<usize>() * 100
            / usize::try_from(octets(&packets)).unwrap();
        assert!((40..=60).contains(&share), "{share} of a hundred octets are mail");
    }

    #[test]
    fn no_connection_uses_another_ones_port_in_a_wave() {
        let mut mix = Mix::new(3);
        let ports: Vec<u16> = (0..1000).map(|_| mix.client().port()).collect();
        let mut unique = ports.clone();
        unique.sort_unstable();
        unique.dedup();
        assert_eq!(unique.len(), ports.len());
    }

    #[test]
    fn every_shape_is_a_dialogue_of_both_sides() {
        let mut mix = Mix::new(5);
        for _ in 0..50 {
            let dialogue = mix.session();
            for side in Side::BOTH {
                assert!(dialogue.steps.iter().any(|step| matches!(step, Step::Say(line) if line.side == side)));
            }
            assert_eq!(
                dialogue.connections.iter().map(|Connection { server, .. }| server.port()).collect::<Vec<_>>(),
                [25]
            );
        }
    }
}
