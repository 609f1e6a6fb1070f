//! The conversations of real servers, as their transcripts have them: what was said must be read so.

use std::fs;
use std::path::PathBuf;

use super::{Heard, Talk, assert_heard};

/// One conversation of a transcript.
struct Conversation {
    /// File and title.
    name: String,
    talk: Talk,
    /// The codes of the server's replies in order, inside TLS aside.
    codes: Vec<u16>,
}

#[expect(clippy::print_stderr, reason = "a skipped test tells why")]
fn folder() -> Option<PathBuf> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../shared/captures/mta");
    if folder.is_dir() {
        return Some(folder);
    }
    eprintln!("skipped: no transcripts at {}", folder.display());
    None
}

/// Every conversation of the transcripts whose file name holds `part`.
fn conversations(part: &str) -> Vec<Conversation> {
    let mut files: Vec<PathBuf> = folder()
        .map_or(Vec::new(), |folder| fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect());
    files.sort();
    let mut all = Vec::new();
    for file in files {
        let name = file.file_name().unwrap().to_string_lossy().into_owned();
        if !(file.extension().is_some_and(|extension| extension == "txt") && name.contains(part)) {
            continue;
        }
        let text = String::from_utf8_lossy(&fs::read(&file).unwrap()).into_owned();
        for block in text.split("\n== ").skip(1) {
            let title = block.lines().next().unwrap_or_default();
            all.push(conversation(&format!("{name}: {title}"), block));
        }
    }
    all
}

fn conversation(name: &str, block: &str) -> Conversation {
    let (mut dialogue, mut codes) = (String::new(), Vec::new());
    for line in block.lines() {
        if line.contains("[TLS") || line.contains("(tls)") || line.contains("\\x15\\x03") {
            break;
        }
        if let Some(text) = line.strip_prefix("C: ") {
            let text = text.split("   [").next().unwrap_or_default();
            dialogue.push_str(&format!("C> {text}\n"));
        } else if let Some(text) = line.strip_prefix("S: ") {
            let text = text.split("   [").next().unwrap_or_default();
            dialogue.push_str(&format!("S: {text}\n"));
            if text.as_bytes().get(3) != Some(&b'-') {
                codes.push(text[..3].parse().unwrap());
            }
        } else if line.contains("server closed") {
            dialogue.push_str("S.\n");
        }
    }
    Conversation { name: name.to_owned(), talk: Talk::new(&dialogue), codes }
}

fn codes(heard: &Heard) -> Vec<u16> {
    let code = |line: &String| {
        let mut words = line.split(' ');
        match (words.next(), line.ends_with(" cut short")) {
            (Some("R"), _) | (Some("greeting"), false) => words.next().and_then(|word| word.parse().ok()),
            _ => None,
        }
    };
    heard.lines.iter().filter_map(code).collect()
}

#[test]
fn every_reply_of_a_real_server_is_told_and_answers_something() {
    for conversation in conversations("") {
        let heard = conversation.talk.run();
        assert_eq!(codes(&heard), conversation.codes, "{}\n{}", conversation.name, heard.lines.join("\n"));
        let odd = ["unsolicited", "unknown", "no code", "CodesDiffer", "uncertain"];
        let strange = heard.lines.iter().find(|line| {
            (line.starts_with("R ") || line.starts_with("F ")) && odd.iter().any(|word| line.contains(word))
        });
        assert_eq!(strange, None, "{}\n{}", conversation.name, heard.lines.join("\n"));
    }
}

#[test]
fn the_way_the_bytes_are_cut_changes_nothing() {
    for conversation in conversations("") {
        let whole = conversation.talk.events();
        for size in [1, 7] {
            assert_eq!(conversation.talk.clone().in_pieces(size).events(), whole, "{} by {size}", conversation.name);
        }
    }
}

/// The events behind the first that begins so.
fn from(heard: &Heard, begin: &str) -> Vec<String> {
    heard.lines.iter().skip_while(|line| !line.starts_with(begin)).cloned().collect()
}

#[test]
fn postfix_was_smuggled_to_and_exim_and_sendmail_were_not() {
    for conversation in conversations("smuggle-lf-dot-lf") {
        let heard = conversation.talk.run();
        let expected = match conversation.name.split('-').next() {
            Some("postfix") => {
                "
                R 354 DATA
                F BareLfInData
                D 72 in 5 smuggled LF.LF
                C MAIL FROM:<smuggled@example.com> [behind 1]
                C RCPT TO:<root@example.org> [behind 2]
                C DATA [behind 3]
                R 250 message DATA
                R 250 MAIL
                R 250 RCPT
                R 354 DATA
                D 74 in 5 dot early
                R 250 message DATA
                C QUIT
                R 221 QUIT
                "
            }
            Some("exim") => "R 354 DATA\nF BareLfInData\nD 216 in 14 dot\nR 250 message DATA\nC QUIT\nR 221 QUIT",
            _ => "R 354 DATA\nF BareLfInData\nD 216 in 14 dot\nR 421 message DATA",
        };
        assert_heard(&from(&heard, "R 354"), expected);
    }
}

#[test]
fn a_chunk_is_executed_by_the_server_that_does_not_offer_chunking() {
    let told: Vec<(String, Vec<String>)> = conversations("-bdat")
        .iter()
        .filter(|conversation| conversation.name.contains("session one chunk LAST"))
        .map(|conversation| (conversation.name.clone(), from(&conversation.talk.run(), "C BDAT")))
        .collect();
    for (name, events) in told {
        let chunk = "C BDAT 60 LAST\nD 60 in 6 chunk last\nR 250 message BDAT\nC QUIT\nR 221 QUIT";
        let lines = "
            C BDAT 60 LAST
            C FROM <sender@example.com> [behind 1]
            C SUBJECT bdat [behind 2]
            C  [behind 3]
            C HELP [behind 4]
            C . [behind 5]
            C QUIT [behind 6]
            R 500 BDAT
            R 500 FROM
            R 500 SUBJECT
            R 500 -
            R 214 HELP
            R 500 -
            R 221 QUIT
            C QUIT
        ";
        assert_heard(&events, if name.starts_with("sendmail") { lines } else { chunk });
    }
}

#[test]
fn early_talkers_are_told_by_each_server() {
    for conversation in conversations("early-ehlo").into_iter().chain(conversations("help-atk-early")) {
        let heard = conversation.talk.run();
        assert!(heard.session().early_talk, "{}", conversation.name);
        assert!(heard.session().greeting.is_some(), "{}", conversation.name);
    }
    for conversation in conversations("teaser") {
        let heard = conversation.talk.run();
        assert!(heard.lines[1].ends_with("cut short"), "{:?}", heard.lines);
    }
}

#[test]
fn an_early_pipe_of_exim_starts_tls() {
    for conversation in conversations("early-pipe") {
        let heard = conversation.talk.run();
        assert!(heard.lines.contains(&"R 220 STARTTLS".to_owned()), "{:?}", heard.lines);
    }
}
