//! No password gets out: captures of clients that log in well, badly and oddly, and every output searched for what was
//! planted in them, in every spelling.
#![expect(clippy::arithmetic_side_effects, reason = "small numbers of the tests' own")]
#![expect(clippy::too_many_lines, reason = "a list of situations")]
#![expect(clippy::option_option, reason = "no user, and a user that is not told, are two")]
#![expect(clippy::write_with_newline, reason = "lines of a dialogue")]

use std::fmt::Write as _;
use std::fs;

use data_encoding::{BASE64, HEXLOWER, HEXUPPER};
use serde_json::Value;
use synth::{Cut, Dialogue, Plan, Rng};

use crate::support;

/// A client that logs in: what both sides say from the AUTH command to its last reply and a little beyond.
struct Login {
    /// Which situation, for the message of a failure.
    name: String,
    /// Options of its connection.
    options: &'static str,
    lines: String,
    password: String,
    /// What else no output may hold: what stood on the wire.
    secrets: Vec<String>,
    /// Whether a server says what it heard.
    echoes: bool,
    /// Who must be told as the user of its first attempt, where that is sure.
    user: Option<Option<String>>,
}

/// How a client of that number writes, by a seed.
struct Client {
    rng: Rng,
    name: String,
    password: String,
    padded: bool,
    verb: &'static str,
    secrets: Vec<String>,
}

impl Client {
    fn new(number: u64) -> Client {
        let mut rng = Rng::new(number);
        let letters = b"abcdefghijkmnopqrstuvwxyzABCDEFGHJKLMNPQRSTUVWXYZ23456789";
        let mut word = |count| (0..count).map(|_| char::from(letters[rng.below(letters.len())])).collect::<String>();
        let (name, password) = (format!("alice-{}", word(5)), format!("Hunter2-{}", word(9)));
        let padded = rng.chance(700);
        let verb = ["AUTH", "AUTH", "X-EXPS", "XAUTH"][rng.below(4)];
        Client { rng, name, password, padded, verb, secrets: Vec::new() }
    }

    /// Text in base64, which is a secret from now on.
    fn encode(&mut self, text: &str) -> String {
        let encoded = BASE64.encode(text.as_bytes());
        let bare = encoded.trim_end_matches('=').to_owned();
        self.secrets.push(bare.clone());
        if self.padded { encoded } else { bare }
    }

    /// PLAIN's response with a long name, wrapped at so many octets: each line is a secret.
    fn wrapped(&mut self, width: usize) -> Vec<String> {
        let long = self.encode(&format!("\0{}\0{}{}", self.name, "longer ".repeat(20), self.password));
        let lines = long.as_bytes().chunks(width).map(|line| String::from_utf8(line.to_vec()).unwrap());
        let lines: Vec<String> = lines.collect();
        self.secrets.extend(lines.iter().map(|line| line.trim_end_matches('=').to_owned()));
        lines
    }

    fn name(&mut self) -> String {
        self.encode(&self.name.clone())
    }

    fn password(&mut self) -> String {
        self.encode(&self.password.clone())
    }

    /// PLAIN's response.
    fn triple(&mut self) -> String {
        self.encode(&format!("\0{}\0{}", self.name, self.password))
    }

    /// The last reply, which may repeat what the client said.
    fn last(&mut self, echoes: bool) -> String {
        let code = ["235", "535", "454", "504"][self.rng.below(4)];
        let (name, password) = (&self.name, &self.password);
        let quoted = match self.rng.below(if echoes { 9 } else { 1 }) {
            0 => "that is it".to_owned(),
            1 => format!("{password} for {name}"),
            2 => format!("unknown <{}>", self.secrets.last().unwrap_or(password)),
            3 => format!("\\\\x48{}", &password[1..]),
            4 => password.replace('-', "\\\\-"),
            5 => HEXLOWER.encode(password.as_bytes()),
            6 => HEXUPPER.encode(password.as_bytes()),
            7 => BASE64.encode(format!("sorry, {password}").as_bytes()),
            _ => password.replace('-', "%2D"),
        };
        match self.rng.below(3) {
            0 => format!("S: {code}-first\nS: {code}-{quoted}\nS: {code} last\n"),
            1 if echoes => format!("S: \\sline without a code: {quoted}\nS: {code} done\n"),
            _ => format!("S: {code} {quoted}\n"),
        }
    }

    /// The situation of that name, or `None` where the list ends. The user that must be told stands beside it.
    fn situation(&mut self, number: usize, echoes: bool) -> Option<(&'static str, String, Option<Option<String>>)> {
        let verb = self.verb;
        let sure = |name: &Client| name.padded.then(|| Some(name.name.clone()));
        let ask = |text: &str| format!("S: 334 {}\n", BASE64.encode(text.as_bytes()));
        let ask_name = ask(["Username:", "User Name\0", "login", ""][self.rng.below(4)]);
        let ask_password = ask("Password:");
        let mut talk = String::new();
        let (what, user) = match number {
            0 => {
                write!(talk, "C: {verb} PLAIN {}\n{}", self.triple(), self.last(echoes)).unwrap();
                ("PLAIN, initial response", sure(self))
            }
            1 => {
                write!(talk, "C: {verb} PLAIN\nS: 334 \nC: {}\n{}", self.triple(), self.last(echoes)).unwrap();
                ("PLAIN, response", sure(self))
            }
            2 => {
                let two = self.encode(&format!("{}\0{}", self.name, self.password));
                write!(talk, "C: {verb} PLAIN {two}\n{}", self.last(echoes)).unwrap();
                ("PLAIN, two parts", Some(None))
            }
            3 => {
                let two = self.encode(&format!("{}\0{}\0", self.name, self.password));
                write!(talk, "C: {verb} PLAIN\nS: 334 \nC: {two}\n{}", self.last(echoes)).unwrap();
                ("PLAIN, two parts and a NUL", Some(None))
            }
            4 => {
                write!(talk, "C: {verb} PLAIN {}\n{}", self.password(), self.last(echoes)).unwrap();
                ("PLAIN, password alone", Some(None))
            }
            5 => {
                let same = self.encode(&format!("\0{0}\0{0}", self.password));
                write!(talk, "C: {verb} PLAIN {same}\n{}", self.last(echoes)).unwrap();
                ("PLAIN, password twice", Some(None))
            }
            6 => {
                write!(talk, "C: {verb} LOGIN\n{ask_name}C: {}\n{ask_password}C: {}\n", self.name(), self.password())
                    .unwrap();
                talk += &self.last(echoes);
                ("LOGIN", sure(self))
            }
            7 => {
                write!(talk, "C: {verb} LOGIN {}\n{ask_password}C: {}\n", self.name(), self.password()).unwrap();
                talk += &self.last(echoes);
                ("LOGIN, initial response", sure(self))
            }
            8 => {
                let words = ["Password:", "Passwort:", "密码", "Contraseña :", "Парол\u{44c}", "Username or password"];
                let first = ask(words[self.rng.below(words.len())]);
                write!(talk, "C: {verb} LOGIN\n{first}C: {}\n{ask_name}C: {}\n", self.password(), self.name()).unwrap();
                talk += &self.last(echoes);
                ("LOGIN, asked for the password first", Some(None))
            }
            9 => {
                write!(talk, "C: {verb} LOGIN\n{ask_name}C: {}\n{}", self.triple(), self.last(echoes)).unwrap();
                ("LOGIN, answered with PLAIN's response", Some(None))
            }
            10 => {
                write!(talk, "C: {verb} LOGIN\n{ask_name}C: {0}\n{ask_password}C: {0}\n", self.password()).unwrap();
                talk += &self.last(echoes);
                ("LOGIN, the password for both", Some(None))
            }
            11 => {
                write!(talk, "C: {verb} LOGIN {0}\n{ask_password}C: {0}\n{1}", self.password(), self.last(echoes))
                    .unwrap();
                ("LOGIN, the password for both, initial response", Some(None))
            }
            12 => {
                let plain = self.password.clone();
                write!(talk, "C: {verb} LOGIN\n{ask_name}C: {plain}\n{ask_password}C: {plain}\n").unwrap();
                talk += &self.last(echoes);
                ("LOGIN, in plain text", Some(None))
            }
            13 => {
                let password = self.password();
                write!(talk, "C: {verb} LOGIN\n{ask_name}C: {password}\n{ask_password}C: *\nS: 501 cancelled\n")
                    .unwrap();
                write!(talk, "C: {verb} PLAIN {}\n{}", self.triple(), self.last(echoes)).unwrap();
                ("LOGIN, the password for the name, and PLAIN", Some(None))
            }
            14 => {
                write!(talk, "C: {verb} LOGIN\nS: 504 not that\nC: {}\nS: 500 what\n", self.name()).unwrap();
                write!(talk, "C: {}\n{}", self.password(), self.last(echoes)).unwrap();
                ("LOGIN refused, and the client goes on", Some(None))
            }
            15 => {
                let lines = self.wrapped(60);
                write!(talk, "C: {verb} PLAIN {}\n", lines.join("\nC: ")).unwrap();
                talk += &self.last(false);
                talk += &"S: 500 what is that\n".repeat(lines.len() - 1);
                ("PLAIN, wrapped", None)
            }
            16 => {
                let lines = self.wrapped(76);
                write!(talk, "C: {verb} PLAIN\nS: 334 \nC: {}\n{}", lines[0], self.last(false)).unwrap();
                for line in &lines[1..] {
                    let quoted = if echoes { line.as_str() } else { "what" };
                    write!(talk, "C: {line}\nS: 500 unrecognized: {quoted}\n").unwrap();
                }
                ("PLAIN, wrapped, a client that waits", None)
            }
            17 => {
                let password = self.password();
                write!(talk, "C: {verb} PLAIN {}\n{}", self.triple(), self.last(false)).unwrap();
                let again = [self.password.clone(), password, format!("NOOP {}", self.password)];
                write!(talk, "C: {}\n", again[self.rng.below(3)]).unwrap();
                talk += &self.last(echoes);
                ("PLAIN, and the password again", sure(self))
            }
            18 => {
                write!(talk, "C: {verb} CRAM-MD5\nS: 334 PDEuMkBteD4=\nC: {}\n{}", self.password(), self.last(echoes))
                    .unwrap();
                ("CRAM-MD5, the password", Some(None))
            }
            19 => {
                let token = self.encode(&format!("user={}\u{1}auth=Bearer {}\u{1}\u{1}", self.name, self.password));
                write!(talk, "C: {verb} XOAUTH2 {token}\n{}", self.last(echoes)).unwrap();
                ("XOAUTH2", Some(None))
            }
            20 => {
                let mechanism = ["X-OWN", "NTLM", "SCRAM-SHA-1", "EXTERNAL", "GSSAPI"][self.rng.below(5)];
                write!(talk, "C: {verb} {mechanism} {}\n{}", self.password(), self.last(echoes)).unwrap();
                ("another mechanism", Some(None))
            }
            21 => {
                write!(talk, "C: {verb} {}\n{}", self.triple(), self.last(echoes)).unwrap();
                ("no mechanism", Some(None))
            }
            22 => {
                let misspelt = ["AUTHLOGIN", "AUTH=LOGIN", "Auth-login", "AUTHENTICATE LOGIN"][self.rng.below(4)];
                write!(talk, "C: {misspelt}\nS: 500 what\nC: {}\nS: 500 what\n", self.name()).unwrap();
                write!(talk, "C: {}\n{}", self.password(), self.last(echoes)).unwrap();
                ("AUTH misspelt", None)
            }
            23 => {
                write!(talk, "C: {}\n{}", self.triple(), self.last(echoes)).unwrap();
                ("a response without AUTH", None)
            }
            24 => {
                write!(talk, "C: {verb} LOGIN\nC: {}\nC: {}\nS: 503 no\nS: 500 no\n", self.name(), self.password())
                    .unwrap();
                talk += &self.last(false);
                ("LOGIN, all at once", Some(None))
            }
            25 => {
                write!(talk, "C: {verb} PLAIN {}\n", self.triple()).unwrap();
                ("the capture ends behind it", sure(self))
            }
            _ => return None,
        };
        Some((what, talk, user))
    }
}

/// Every situation so many times, each another client's.
fn logins(seed: u64, rounds: usize, echoes: bool) -> Vec<Login> {
    let mut logins = Vec::new();
    for round in 0..rounds {
        for number in 0.. {
            let mut client = Client::new(seed * 1_000_000 + round as u64 * 1000 + number as u64);
            let echoes = echoes && client.rng.chance(600);
            let Some((name, mut lines, user)) = client.situation(number, echoes) else { break };
            let alone = client.rng.chance(150);
            if name != "the capture ends behind it" {
                lines += "C: NOOP\nS: 250 ok\nC: MAIL FROM:<alice@example.org>\nS: 250 ok\nC: QUIT\nS: 221 bye\n";
            }
            logins.push(Login {
                name: format!("{name} ({}, round {round})", client.verb),
                options: if alone { " no-server" } else { "" },
                lines,
                password: client.password,
                secrets: client.secrets,
                echoes,
                user: user.filter(|_| !alone),
            });
        }
    }
    logins
}

fn dialogue(logins: &[Login]) -> Dialogue {
    let mut text = String::new();
    for (place, login) in logins.iter().enumerate() {
        let open = if login.name.starts_with("the capture ends") { " open" } else { "" };
        writeln!(text, "[{}{}{open}]", 40001 + place, login.options).unwrap();
        text +=
            "S: 220 mx.example.com ESMTP\nC: EHLO client.example.org\nS: 250-mx.example.com\nS: 250 AUTH PLAIN LOGIN\n";
        // A blank at a line's end is written so.
        text += &login.lines.replace("S: 334 \n", "S: 334\\s\n");
    }
    Dialogue::parse(&text).unwrap_or_else(|error| panic!("{error}\n{text}"))
}

/// What of the planted stands in an output. Each run of letters is decoded too, as base64 and as hexadecimal.
fn leaks(output: &str, logins: &[Login]) -> Vec<String> {
    let mut texts = vec![output.to_owned()];
    let is_letter = |c: char| c.is_ascii_alphanumeric() || matches!(c, '+' | '/');
    for run in output.split(|c| !is_letter(c)).filter(|run| run.len() >= 8) {
        for skipped in 0..4 {
            let run = &run.as_bytes()[skipped..];
            let whole = &run[..run.len() / 4 * 4];
            texts.extend(BASE64.decode(whole).ok().map(|text| String::from_utf8_lossy(&text).into_owned()));
        }
        let hex = run.to_ascii_lowercase();
        texts.extend(HEXLOWER.decode(hex.as_bytes()).ok().map(|text| String::from_utf8_lossy(&text).into_owned()));
    }
    let all = texts.join("\n");
    // Escapes leave the letters as they are.
    let letters: String = all.chars().filter(char::is_ascii_alphanumeric).collect();
    let mut found = Vec::new();
    for login in logins {
        let tail = &login.password["Hunter2-".len()..];
        if all.contains(&login.password) || letters.contains(tail) {
            found.push(format!("{}: the password {}\n{}", login.name, login.password, login.lines));
        }
        for secret in login.secrets.iter().filter(|secret| all.contains(&secret[..secret.len().min(24)])) {
            found.push(format!("{}: {secret}\n{}", login.name, login.lines));
        }
    }
    found
}

/// Every output of these logins under a plan: their dialogues, and the formats of a scan with all their records. The last is
/// JSON lines.
fn outputs(logins: &[Login], plan: &Plan) -> Vec<String> {
    let folder = tempfile::tempdir().unwrap();
    let capture = folder.path().join("logins.pcap");
    fs::write(&capture, synth::render(&dialogue(logins), plan).pcap()).unwrap();
    let capture = capture.to_str().unwrap();
    let everything = "findings,sessions,servers,events,summary";
    let clients = "0.0.0.0/0";
    let runs: [&[&str]; 9] = [
        &["show", clients, capture, "-v", "--color", "always"],
        &["show", clients, capture, "--markdown"],
        &["scan", capture, "--format", "html"],
        &["scan", capture, "--format", "text"],
        &["scan", capture, "--format", "text", "-vv"],
        &["scan", capture, "--format", "text", "-v", "--group-by", "session"],
        &["scan", capture, "--format", "text", "--records", everything, "--color", "always"],
        &["scan", capture, "--format", "jsonl"],
        &["scan", capture, "--format", "jsonl", "--records", everything],
    ];
    let run = |arguments: &&[&str]| {
        let ran = support::run(arguments);
        assert_eq!(ran.code(), 0, "{}", ran.stderr);
        ran.stdout + &ran.stderr
    };
    runs.iter().map(run).collect()
}

fn assert_kept(logins: &[Login], plan: &Plan) -> Vec<Value> {
    let outputs = outputs(logins, plan);
    let found: Vec<String> = outputs.iter().flat_map(|output| leaks(output, logins)).collect();
    assert!(found.is_empty(), "{} leaks, {plan:?}\n{}", found.len(), found.join("\n"));
    support::records(outputs.last().unwrap())
}

#[test]
fn no_output_holds_what_was_planted() {
    let plans = [
        Plan::new(),
        Plan::new().cut(Cut::Lines),
        Plan::new().cut(Cut::Random).seed(2),
        Plan::new().cut(Cut::Random).seed(3).mss(7),
        Plan::new().retransmit(200).duplicate(100).reorder(200).seed(4),
        Plan::new().unacknowledged(true),
        Plan::new().delay([0, 3]),
    ];
    for (seed, plan) in (1..).zip(&plans) {
        let logins = logins(seed, 12, true);
        let records = assert_kept(&logins, plan);
        let mut wrong = Vec::new();
        for (port, login) in (40001_u64..).zip(&logins) {
            let Some(user) = login.user.as_ref().filter(|_| !login.echoes && !plan.unacknowledged) else { continue };
            let sessions = support::of_type(&records, "session");
            let session = sessions.iter().find(|session| session["client"]["port"] == port).unwrap();
            // Null where the attempt ended before a response.
            let told = session["auth"][0]["user"].as_str().filter(|&told| told != "<redacted>");
            if session["auth"][0]["mechanism"].is_null() || told != user.as_deref() {
                wrong.push(format!("{}: {user:?}, {}\n{}", login.name, session["auth"], login.lines));
            }
        }
        assert!(wrong.is_empty(), "{} users\n{}", wrong.len(), wrong.join("\n"));
    }
}

#[test]
fn nor_where_packets_are_missing() {
    for seed in 11..13 {
        // What the server repeats of a line that was not captured nobody can know.
        let mut logins = logins(seed, 12, false);
        // Nor that the answer to a question for a name is the password, where the attempt that shows it is missing.
        logins.retain(|login| !login.name.starts_with("LOGIN, the password for"));
        // Nor that a word is a password which was said before.
        logins.retain(|login| !login.name.contains("password again"));
        assert_kept(&logins, &Plan::new().cut(Cut::Random).drop(100).seed(seed));
        assert_kept(&logins, &Plan::new().delay([3, 0]).seed(seed));
    }
}

#[test]
fn the_search_finds_what_gets_out() {
    let logins = logins(21, 1, true);
    let capture = tempfile::tempdir().unwrap();
    let path = capture.path().join("logins.pcap");
    fs::write(&path, synth::render(&dialogue(&logins), &Plan::new()).pcap()).unwrap();
    let options = ["--format", "jsonl", "--records", "events", "--show-secrets"];
    let shown = support::run(&[&["scan", path.to_str().unwrap()], &options[..]].concat()).stdout;
    for login in logins {
        let alone = [login];
        assert!(!leaks(&shown, &alone).is_empty(), "{}\n{}", alone[0].name, alone[0].lines);
    }
}

/// Captures that others recorded, with the words that may stand in no output.
#[test]
fn recordings_give_no_password_away() {
    let Some(folder) = support::shared_captures() else { return };
    for name in ["14c-auth-login-password-first", "14m-auth-plain-two-parts", "14s-auth-login-gets-plain"] {
        let path = folder.join("reports").join(name).with_extension("pcap");
        let path = path.to_str().unwrap();
        let scan = |more: &[&str]| support::run(&[&["scan", path, "--format", "jsonl"], more].concat());
        let records = scan(&["--records", "sessions"]).records();
        let session = &support::of_type(&records, "session")[0];
        assert!(session["auth"][0]["code"].is_u64() && session["auth"][0]["user"] == "<redacted>", "{name}: {session}");
        let revealed = scan(&["--records", "events", "--show-secrets"]).records();
        let hidden = scan(&["--records", "findings,sessions,servers,events,summary"]).stdout;
        let text = support::run(&["scan", path]).stdout;
        let mut words = 0;
        for command in support::of_type(&revealed, "command")
            .iter()
            .filter(|command| command["verb"].is_null() || command["verb"] == "AUTH")
        {
            let argument = command["argument"].as_str().unwrap();
            for word in argument.split(' ').filter(|word| word.len() > 5) {
                let decoded = BASE64.decode(word.as_bytes()).unwrap_or_default();
                let password = decoded.split(|&byte| byte == 0).next_back().unwrap_or_default();
                let password = String::from_utf8_lossy(password).into_owned();
                words += 1;
                for output in [&hidden, &text] {
                    assert!(!output.contains(word), "{name}: {word}");
                    assert!(password.is_empty() || !output.contains(&password), "{name}: {password}");
                }
            }
        }
        assert!(words > 0, "{name}: nothing was planted");
    }
    let path = folder.join("reports/85-auth-at-the-end.pcap");
    let ran = support::run(&["scan", path.to_str().unwrap(), "--format", "jsonl", "--records", "sessions"]);
    let session = &support::of_type(&ran.records(), "session")[0].clone();
    assert!(session["auth"][0]["mechanism"] == "PLAIN" && session["auth"][0]["code"].is_null(), "{session}");
}
