//! One surprise costs one command (SESSION.md, *reply*): a server that answers truthfully, but for one reply.

use proptest::prelude::*;

use super::{CLIENT, HELLO, Step, Talk};

/// What a client sends until a reply is due, and what it gets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Noop,
    Unknown,
    Refused,
    Help,
    Verify,
    /// DATA, and then its message.
    Data,
    Message,
}

impl Kind {
    fn line(self, tag: &str) -> String {
        match self {
            Kind::Noop => format!("NOOP {tag}"),
            Kind::Unknown => format!("FOO {tag}"),
            Kind::Refused => format!("RCPT TO:<{tag}@d>"),
            Kind::Help => format!("HELP {tag}"),
            Kind::Verify => format!("VRFY {tag}"),
            Kind::Data => format!("DATA {tag}"),
            Kind::Message => "HELP\\r\\n250 x\\r\\n.".to_owned(),
        }
    }

    fn code(self) -> u16 {
        match self {
            Kind::Noop | Kind::Message => 250,
            Kind::Unknown => 500,
            Kind::Refused => 550,
            Kind::Help => 214,
            Kind::Verify => 252,
            Kind::Data => 354,
        }
    }

    /// Whether a reply of that code cannot be its own.
    fn contradicts(self, code: u16) -> bool {
        matches!(code, 214 | 252 | 354) && code != self.code()
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Surprise {
    None,
    Unanswered,
    Surplus,
    /// The reply is of several lines, and the last never comes.
    Unfinished,
    Tab,
    /// The reply's line has no end.
    Endless,
}

#[derive(Clone, Copy, Debug)]
struct Unit {
    kind: Kind,
    /// Its reply has two lines.
    long: bool,
    /// The client sends it in the flight of the one before.
    joins: bool,
}

fn units() -> impl Strategy<Value = Vec<Unit>> {
    let kinds = [Kind::Noop, Kind::Unknown, Kind::Refused, Kind::Help, Kind::Verify, Kind::Data];
    let unit = (prop::sample::select(kinds.to_vec()), prop::bool::weighted(0.2), prop::bool::weighted(0.6));
    prop::collection::vec(unit, 1..14).prop_map(|all| {
        let mut units: Vec<Unit> = Vec::new();
        for (kind, long, joins) in all {
            // Nothing is sent behind DATA or its message until they are answered.
            let behind = units.last().is_some_and(|unit| unit.kind == Kind::Message);
            units.push(Unit { kind, long, joins: joins && !behind });
            if kind == Kind::Data {
                units.push(Unit { kind: Kind::Message, long: false, joins: false });
            }
        }
        units
    })
}

/// The dialogue, with the surprise at the unit of that place.
fn talk(units: &[Unit], pipelined: bool, surprise: Surprise, at: usize) -> Talk {
    let joins = |place: usize| pipelined && units.get(place).is_some_and(|unit| unit.joins && place > 0);
    let mut text = HELLO.trim_end().to_owned();
    // The steps that are replies, and the places of their units.
    let (mut steps, mut sees) = (HELLO.trim().lines().count(), Vec::new());
    let mut add = |line: String, of: Option<usize>| {
        text.push('\n');
        text.push_str(&line);
        sees.extend(of.map(|of| (steps, of)));
        steps += 1;
    };
    let mut from = 0;
    while from < units.len() {
        let mut to = from + 1;
        while joins(to) {
            to += 1;
        }
        for (place, unit) in units.iter().enumerate().take(to).skip(from) {
            let by = if place > from { 'c' } else { 'C' };
            add(format!("{by}: {}", unit.kind.line(&format!("n{place}n"))), None);
        }
        for (place, unit) in units.iter().enumerate().take(to).skip(from) {
            let (code, here) = (unit.kind.code(), place == at);
            let reply = match surprise {
                Surprise::Unanswered if here => continue,
                Surprise::Unfinished if here => format!("S: {code}-n{place}n"),
                Surprise::Tab if here => format!("S: {code}\\tn{place}n ok"),
                Surprise::Endless if here => format!("S> {code} n{place}n ok"),
                _ if unit.long => format!("S: {code}-n{place}n\\r\\n{code} more"),
                _ => format!("S: {code} n{place}n ok"),
            };
            add(reply, Some(place));
            if here && surprise == Surprise::Surplus {
                add("S: 250 surplus".to_owned(), Some(place));
            }
        }
        from = to;
    }
    let mut talk = Talk::new(&text);
    let (mut ends, mut sent) = (Vec::new(), 0);
    for step in &talk.steps {
        if let Step::Bytes { side: CLIENT, bytes, .. } = step {
            sent += bytes.len() as u64;
            ends.push(sent);
        }
    }
    for (step, unit) in sees {
        // EHLO is the client's first write.
        talk.see(step, ends[unit + 1]);
    }
    talk
}

/// The command from which on replies are given to the one before theirs; `None`: all are given to their own.
fn shifted_from(units: &[Unit], surprise: Surprise, at: usize) -> Option<usize> {
    let next = units.get(at + 1).copied();
    match surprise {
        Surprise::None | Surprise::Surplus | Surprise::Tab | Surprise::Endless => None,
        Surprise::Unanswered => Some(at),
        Surprise::Unfinished => {
            let next = next?;
            // The next reply is its last line, unless the code tells.
            (units[at].kind.code() == next.kind.code()).then_some(at + 1)
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn one_surprise_costs_one_command(
        units in units(),
        pipelined in any::<bool>(),
        surprise in prop::sample::select(vec![
            Surprise::None,
            Surprise::Unanswered,
            Surprise::Surplus,
            Surprise::Unfinished,
            Surprise::Tab,
            Surprise::Endless,
        ]),
        at in any::<prop::sample::Index>(),
    ) {
        // A client that gets no 354 sends no message; a message's reply is told at once, and what it knew of DATA.
        let places: Vec<usize> = (0..units.len()).filter(|&at| !matches!(units[at].kind, Kind::Data | Kind::Message)).collect();
        // There is none where the client sends nothing else.
        let at = if places.is_empty() { units.len() } else { places[at.index(places.len())] };
        let mut units = units;
        if let Some(next) = units.get_mut(at + 1)
            && matches!(surprise, Surprise::Endless | Surprise::Unfinished)
        {
            // Where a reply ends is told by a client that waited.
            next.joins = false;
        }
        let shifted = shifted_from(&units, surprise, at);
        let code = |place: usize| units[place].kind.code();
        let contradiction = shifted.map(|from| (from + 1..units.len()).find(|&place| units[place - 1].kind.contradicts(code(place))));
        let heard = talk(&units, pipelined, surprise, at).run();
        let tagged = |text: &str, place: usize| text.contains(&format!("n{place}n"));
        let mut answered = vec![None; units.len()];
        for (text, command, is_message) in &heard.pairs {
            let of = (0..units.len()).filter(|&place| tagged(text, place));
            let to = (0..units.len()).find(|&place| command.as_deref().is_some_and(|line| tagged(line, place)));
            let to = to.map(|place| place + usize::from(*is_message));
            of.for_each(|place| answered[place] = Some(to));
        }
        // Two replies in lines of which one is no line of its own: a reply in two lines behind it hides that.
        let merges = surprise == Surprise::Unfinished || surprise == Surprise::Endless && units.get(at + 1).is_some_and(|next| next.long);
        let merged = |place: usize| merges && (place == at || place == at + 1);
        for (place, to) in answered.iter().enumerate() {
            let silent = surprise == Surprise::Unanswered && place == at;
            // Nothing tells before the first contradiction, and it is told then.
            let unknown = contradiction == Some(None) && shifted.is_some_and(|from| place >= from);
            if !(silent || unknown || merged(place)) {
                prop_assert_eq!(*to, Some(Some(place)), "{:?} {:?}\n{}", units, heard.pairs, heard.lines.join("\n"));
            }
        }
        if surprise == Surprise::Surplus && at < units.len() {
            prop_assert!(heard.lines.contains(&"R 250 unsolicited".to_owned()), "{}", heard.lines.join("\n"));
        }
    }
}
