//! Lawful pipelined sessions (RFC 2920 section 3.1), cut anywhere on both sides while the client acknowledges replies in
//! part: nothing is found, and every reply stands at its command.

use synth::dialogue::{Connection, Knows, Line, Step};
use synth::exchange::exchange;
use synth::perturb::perturb;
use synth::{Dialogue, LinkType, Plan, Rng, Side, frame, pcap};

use crate::cases::Cases;
use crate::told::{Claim, Told, all, holds};

const SESSIONS: u64 = 400;
const MAILS: usize = 3;
const MILLISECOND: u64 = 1_000_000;

/// What the client sends until a reply is due, and that reply.
struct Unit {
    /// The verb as it is told; `message` for the end of message data, and `-` for the connection itself.
    answers: &'static str,
    sent: String,
    code: u64,
    lines: Vec<String>,
    /// Nothing may be sent behind it before its reply is known.
    last_of_group: bool,
}

impl Unit {
    fn new(answers: &'static str, sent: impl Into<String>, code: u64, lines: &[String]) -> Unit {
        let last_of_group = matches!(answers, "-" | "EHLO" | "DATA" | "NOOP" | "VRFY" | "QUIT");
        Unit { answers, sent: sent.into(), code, lines: lines.to_vec(), last_of_group }
    }

    /// The reply as it stands on the wire.
    fn reply(&self) -> String {
        let last = self.lines.len() - 1;
        let line = |(place, line): (usize, &String)| {
            format!("{}{}{line}\r\n", self.code, if place == last { ' ' } else { '-' })
        };
        self.lines.iter().enumerate().map(line).collect()
    }
}

/// A mail as the session's record must have it.
struct Mail {
    code: u64,
    bytes: usize,
    subject: String,
}

/// A session of some mails, in whose replies numbers stand that look like codes where a line is cut.
fn session(rng: &mut Rng) -> (Vec<Unit>, Vec<Mail>) {
    let own = |text: &str| vec![text.to_owned()];
    let offered = ["mx.example.net at your service", "PIPELINING", "SIZE 26214400", "8BITMIME", "CHUNKING"];
    let mut units = vec![
        Unit::new("-", "", 220, &own("mx.example.net ESMTP 250 ready")),
        Unit::new("EHLO", "EHLO client.example.org\r\n", 250, &offered.map(str::to_owned)),
    ];
    let mut mails = Vec::new();
    for mail in 0..MAILS {
        if rng.chance(150) {
            units.push(Unit::new("RSET", "RSET\r\n", 250, &own("2.0.0 flushed 221 times")));
        }
        let from = format!("MAIL FROM:<s{mail}@example.org> SIZE=1000\r\n");
        units.push(Unit::new("MAIL", from, 250, &own(&format!("2.1.0 sender {mail} ok, limit 26214400 octets"))));
        let recipients = rng.between(1, 8);
        for nth in 0..recipients {
            let code = if nth > 0 && rng.chance(250) { 550 } else { 250 };
            let to = format!("RCPT TO:<r{nth}@example.net>\r\n");
            let mut lines = own(&format!("2.1.5 recipient {nth} of 250 354 451"));
            if rng.chance(200) {
                lines.push("2.1.5 and more of it, 550 once".to_owned());
            }
            units.push(Unit::new("RCPT", to, code, &lines));
        }
        let subject = format!("mail {mail}");
        let filler = "HELP\r\nQUIT\r\n".repeat(rng.below(40));
        let body = format!("Subject: {subject}\r\n\r\n{filler}..250 ok\r\n");
        let code = if rng.chance(200) { 451 } else { 250 };
        let queued = own(&format!("2.0.0 mail {mail} is 221 in the queue"));
        if rng.chance(500) {
            units.push(Unit::new("DATA", "DATA\r\n", 354, &own("End data with <CR><LF>.<CR><LF>")));
            units.push(Unit::new("message", format!("{body}.\r\n"), code, &queued));
        } else {
            // Behind the header: where a subject is cut, `neighbours` looks.
            let header = subject.len() + "Subject: \r\n\r\n".len();
            let parts = body.split_at(rng.between(header, body.len()));
            let first = format!("BDAT {}\r\n{}", parts.0.len(), parts.0);
            units.push(Unit::new("message", first, 250, &own(&format!("2.0.0 {} octets", parts.0.len()))));
            let second = format!("BDAT {} LAST\r\n{}", parts.1.len(), parts.1);
            units.push(Unit::new("message", second, code, &queued));
        }
        mails.push(Mail { code, bytes: body.len(), subject });
        if rng.chance(100) {
            units.push(Unit::new("NOOP", "NOOP\r\n", 250, &own("2.0.0 214 nothing done")));
        }
    }
    units.push(Unit::new("QUIT", "QUIT\r\n", 221, &own("2.0.0 Bye")));
    (units, mails)
}

/// One side while its stream is cut: what is left of it, and what it sent and knew, in pieces and octets.
struct Speaker {
    stream: Vec<u8>,
    /// Where each unit ends in the stream.
    ends: Vec<usize>,
    sent: usize,
    /// Where each piece that was sent ends.
    pieces: Vec<usize>,
    /// How many of the peer's pieces it acknowledged.
    knows: usize,
}

impl Speaker {
    fn new(parts: impl Iterator<Item = String>) -> Speaker {
        let (mut stream, mut ends) = (Vec::new(), Vec::new());
        for part in parts {
            stream.extend(part.into_bytes());
            ends.push(stream.len());
        }
        Speaker { stream, ends, sent: 0, pieces: Vec::new(), knows: 0 }
    }

    /// How many octets the piece of that count reaches to.
    fn reached(&self, pieces: usize) -> usize {
        pieces.checked_sub(1).map_or(0, |last| self.pieces[last])
    }
}

/// How far the client may send that knows so many octets of the replies: to the end of the first unit that must be the
/// last of its group and whose reply it does not know.
fn client_may(units: &[Unit], client: &Speaker, server: &Speaker, known: usize) -> usize {
    let waits = |&(place, unit): &(usize, &Unit)| unit.last_of_group && known < server.ends[place];
    units.iter().enumerate().find(waits).map_or(client.stream.len(), |(place, _)| client.ends[place])
}

/// How far the server may send that knows so many octets of the commands: to the reply of the last whole one.
fn server_may(client: &Speaker, server: &Speaker, known: usize) -> usize {
    let whole = client.ends.iter().take_while(|&&end| end <= known).count();
    server.ends[whole - 1]
}

/// The session in pieces that end anywhere, each sent with knowledge that need not end where a line does.
fn cut(units: &[Unit], rng: &mut Rng) -> Dialogue {
    let mut client = Speaker::new(units.iter().map(|unit| unit.sent.clone()));
    let mut server = Speaker::new(units.iter().map(Unit::reply));
    let mut steps = Vec::new();
    while client.sent < client.stream.len() || server.sent < server.stream.len() {
        // A client that speaks while a line of the server is open is what this is about.
        let open = server.sent > 0 && server.stream[server.sent - 1] != b'\n';
        let side = if rng.chance(if open { 850 } else { 400 }) { Side::Client } else { Side::Server };
        let (me, peer) = match side {
            Side::Client => (&client, &server),
            Side::Server => (&server, &client),
        };
        let all = peer.pieces.len();
        let knows = if rng.chance(600) { all } else { rng.between(me.knows, all) };
        let reached = peer.reached(knows);
        let may = match side {
            Side::Client => client_may(units, &client, &server, reached),
            Side::Server => server_may(&client, &server, reached),
        };
        let may = may.saturating_sub(me.sent);
        if may == 0 {
            continue;
        }
        // Short pieces cut lines, long ones carry groups.
        let length = if rng.chance(750) { rng.between(1, may.min(30)) } else { rng.between(1, may) };
        let unknown = peer.pieces.len() - knows;
        let bytes = me.stream[me.sent..me.sent + length].to_vec();
        let knows_of = if unknown == 0 { Knows::All } else { Knows::AllBut(unknown) };
        steps.push(Step::Say(Line { connection: 0, side, bytes, knows: knows_of, captured: true }));
        steps.push(Step::Wait(0));
        let me = match side {
            Side::Client => &mut client,
            Side::Server => &mut server,
        };
        me.sent += length;
        me.pieces.push(me.sent);
        me.knows = knows;
    }
    Dialogue { connections: vec![Connection::new(40001)], steps }
}

/// The dialogue's capture with one side so much later than it was.
fn late(dialogue: &Dialogue, plan: &Plan, side: Side, by: u64) -> Vec<u8> {
    let mut segments = perturb(exchange(dialogue, plan).segments, plan);
    for segment in segments.iter_mut().filter(|segment| segment.side == side) {
        segment.time += by;
    }
    segments.sort_by_key(|segment| segment.time);
    pcap::bytes(&frame::frame(dialogue, &segments, plan), LinkType::Ethernet, pcap::Format::default())
}

/// Nothing is found, each reply is whole and at its command, each mail has its own code.
fn all_is_right(told: &Told, units: &[Unit], mails: &[Mail]) -> Claim {
    let expected: Vec<(&str, u64)> = units.iter().map(|unit| (unit.answers, unit.code)).collect();
    let lines: Vec<Vec<String>> = units.iter().map(|unit| unit.lines.clone()).collect();
    let said = told.reply_lines();
    let mut claims = vec![
        told.finds_only(&[]),
        told.replies(&expected),
        holds(said == lines, || {
            let differ = said.iter().zip(&lines).find(|(said, lines)| said != lines);
            format!("the text of the replies: {differ:?}")
        }),
        told.transactions(mails.len()),
    ];
    for (nth, mail) in mails.iter().enumerate() {
        claims.extend([
            told.transaction(nth, "code", mail.code),
            told.transaction(nth, "data_bytes", mail.bytes),
            told.transaction(nth, "subject", &mail.subject[..]),
        ]);
    }
    all(claims)
}

/// Every session as a capture of that kind, held against the claim.
fn sessions(capture: impl Fn(&Dialogue, &mut Rng) -> Vec<u8>, claim: fn(&Told, &[Unit], &[Mail]) -> Claim) {
    let mut cases = Cases::new();
    for seed in 1..=SESSIONS {
        let mut rng = Rng::new(seed);
        let (units, mails) = session(&mut rng);
        let bytes = capture(&cut(&units, &mut rng), &mut rng);
        cases.put(format!("seed {seed}"), &bytes, move |told| claim(told, &units, &mails));
    }
    cases.hold();
}

#[test]
fn lawful_sessions_cut_anywhere_have_no_finding_and_every_code() {
    sessions(|dialogue, _| synth::render(dialogue, &Plan::new()).pcap(), all_is_right);
}

#[test]
fn lawful_sessions_of_which_one_side_is_late_have_no_finding_and_every_code() {
    let capture = |dialogue: &Dialogue, rng: &mut Rng| {
        let side = Side::BOTH[rng.below(2)];
        let plan = Plan::new().pace([1, 20, 100][rng.below(3)] * MILLISECOND);
        if rng.chance(500) {
            let packets = [1, 3, 10, 50][rng.below(4)];
            let delay = if side == Side::Client { [packets, 0] } else { [0, packets] };
            return synth::render(dialogue, &plan.delay(delay)).pcap();
        }
        late(dialogue, &plan, side, [100, 500, 900][rng.below(3)] * MILLISECOND)
    };
    sessions(capture, all_is_right);
}
