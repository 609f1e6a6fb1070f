//! `mailtap show`: reads captures for one session, or for all of a client, and prints them as dialogues.
//!
//! The id of a session is found while it is followed, and reading stops when it is over. A fingerprint is known only once the finding is,
//! when most of its session has gone by: so the captures are read again for the first session that has it. What is not shown is never
//! kept: of other sessions that would also be meant only the ids, and not many.
//!
//! Filters say which sessions are shown, and these are shown whole: where one lets a part of a session through (a time, a pattern), the
//! captures are read for the ids of what passes, and then for these.

mod following;
mod passing;
mod search;
mod wanted;

use std::error::Error;
use std::io::{self, Write};
use std::sync::Arc;

use ipnet::IpNet;

use crate::capture::Stop;
use crate::engine::{self, Config, Outcome, Sink};
use crate::ledger::{Filter, Kind, Records};
use crate::record::{Clerk, Options, SessionId};
use crate::report::dialogue::{Dialogue, View, markdown, text};

use super::args::Show;
use super::evidence::may_be_read_again;
use super::exit::Exit;
use super::nothing;
use super::progress::Terminal;
use super::scan::{CannotWrite, chain, closed_pipe, why};
use super::stop;
use following::Following;
use passing::Passing;
use search::{Having, Meant, Search};
pub(super) use wanted::Wanted;

const STDOUT: &str = "standard output";

/// Finds and prints.
pub(super) fn run(arguments: &Show) -> Exit {
    let in_force = match arguments.choice.options() {
        Ok(in_force) => in_force,
        Err(problem) => return super::told(&chain(&problem)),
    };
    let terminal = Terminal::new(arguments.quiet, matches!(arguments.what, Wanted::Clients(_)) || arguments.follow);
    let shown = Showing { arguments, in_force: &in_force, terminal: &terminal }.show();
    terminal.clear();
    match shown {
        Ok(exit) => exit,
        Err(error) if closed_pipe(&*error) => Exit::Done,
        Err(error) => {
            terminal.line(&format!("mailtap: {}", chain(&*error)));
            Exit::Problem
        }
    }
}

struct Showing<'a> {
    arguments: &'a Show,
    in_force: &'a Options,
    terminal: &'a Terminal,
}

impl Showing<'_> {
    fn show(&self) -> Result<Exit, Box<dyn Error>> {
        let stop = Stop::from(stop::listen()?);
        let id = match &self.arguments.what {
            Wanted::Clients(net) => return self.follow(*net, &stop),
            Wanted::Id(id) => id,
        };
        let config = self.config(&stop);
        let in_part = config.filter.is_within_sessions();
        let (search, outcome) = self.search(id, &config)?;
        let (over, meant) = (search.is_over(), search.meant());
        let (dialogue, having) = match meant {
            Meant::Session(dialogue) if !in_part => (dialogue, None),
            Meant::Session(dialogue) => (self.whole(dialogue.session.session, &stop)?, None),
            Meant::Finding(having) => (self.whole(having.first, &stop)?, Some(having)),
            Meant::Several(ids) => {
                self.terminal.line(&format!("mailtap: '{id}' is the beginning of more than one id: give more digits"));
                for id in ids {
                    self.terminal.line(&format!("  {id}"));
                }
                return Ok(Exit::Problem);
            }
            Meant::Nothing => return Ok(self.told(&self.nothing(id, &outcome))),
        };
        if self.arguments.follow {
            return self.follow(dialogue.session.client.ip.into(), &Stop::default());
        }
        self.terminal.clear();
        let mut out = self.page(&dialogue);
        out += &having.map(|having| self.others(&having)).unwrap_or_default();
        let mut to = io::stdout().lock();
        to.write_all(out.as_bytes()).and_then(|()| to.flush()).map_err(cannot)?;
        Ok(self.exit(&outcome, over))
    }

    /// All sessions of clients in a network.
    fn follow(&self, net: IpNet, stop: &Stop) -> Result<Exit, Box<dyn Error>> {
        let mut config = self.config(stop);
        if config.filter.is_within_sessions() {
            let mut passing = Passing::new(self.clerk(&config), net);
            let outcome =
                self.run(&Config { records: Records::of(&[Kind::Sessions]), ..config.clone() }, &mut passing)?;
            if outcome.interrupted {
                return Ok(self.exit(&outcome, false));
            }
            let ids = passing.end()?;
            if ids.is_empty() {
                return Ok(self.told(&self.none_of(net, &outcome)));
            }
            self.can_read_again(|| "its sessions".to_owned())?;
            config.filter = Filter { sessions: ids, ..Filter::default() };
        }
        let mut out = io::stdout();
        let mut first = true;
        let mut print = |dialogue: &Dialogue| {
            let parted = if std::mem::take(&mut first) { "" } else { "\n" };
            out.write_all(format!("{parted}{}", self.page(dialogue)).as_bytes()).and_then(|()| out.flush())
        };
        let mut following = Following::new(self.clerk(&config), net, &mut print);
        let outcome = self.run(&config, &mut following)?;
        let shown = following.end().map_err(cannot)?;
        if shown == 0 { Ok(self.told(&self.none_of(net, &outcome))) } else { Ok(self.exit(&outcome, false)) }
    }

    fn search(&self, id: &str, config: &Config) -> Result<(Search, Outcome), Box<dyn Error>> {
        let mut search = Search::new(self.clerk(config), id, config.reading.stop.clone());
        let outcome = self.run(config, &mut search)?;
        Ok((search, outcome))
    }

    /// The whole of a session that was found, whatever part of it the filters let through. What is wrong with the captures was told
    /// of the first reading.
    fn whole(&self, session: SessionId, stop: &Stop) -> Result<Box<Dialogue>, Box<dyn Error>> {
        self.can_read_again(|| format!("the session by its id, {session}"))?;
        // A reading that was over has set it.
        let stop = if stop.is_set() { Stop::default() } else { stop.clone() };
        let config = Config { filter: Filter::default(), ..self.config(&stop) };
        let (search, _) = self.search(&session, &config)?;
        match search.meant() {
            Meant::Session(dialogue) => Ok(dialogue),
            _ => Err(format!("session {session} is not there any more: the captures changed").into()),
        }
    }

    fn config(&self, stop: &Stop) -> Config {
        let records = Records::of(&[Kind::Events, Kind::Findings, Kind::Sessions, Kind::Servers]);
        let mut config = Config { records, repeats: true, ..self.arguments.work.engine(self.in_force) };
        config.reading.hash = false;
        config.reading.stop = stop.clone();
        config
    }

    fn clerk(&self, config: &Config) -> Clerk {
        let clerk = Clerk::new(Arc::clone(config.selection.catalogue()), self.arguments.show_secrets);
        clerk.naming(self.in_force.server_name.clone())
    }

    fn run(&self, config: &Config, sink: &mut dyn Sink) -> Result<Outcome, Box<dyn Error>> {
        engine::run(config, &self.arguments.paths, sink, self.terminal).map_err(|stopped| why(stopped, STDOUT))
    }

    fn page(&self, dialogue: &Dialogue) -> String {
        let Show { markdown: is_markdown, verbose, color, .. } = *self.arguments;
        if is_markdown {
            return markdown(dialogue, verbose);
        }
        let look = color.look(true);
        text(dialogue, View { width: look.width(), color: look.color, whole: verbose })
    }

    /// Who else has the finding.
    fn others(&self, having: &Having) -> String {
        let Having { fingerprint, others, .. } = having;
        let sessions = match others {
            0 => return String::new(),
            1 => "1 more session".to_owned(),
            more => format!("{more} more sessions"),
        };
        let ids = having.ids.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
        let more = if *others > having.ids.len() as u64 { ", …" } else { "" };
        let line = format!("Fingerprint {fingerprint} is also in {sessions}: {ids}{more}");
        if self.arguments.markdown { format!("\n{line}\n") } else { format!("\n  {line}\n") }
    }

    /// Why there was nothing to show.
    fn nothing(&self, id: &str, outcome: &Outcome) -> String {
        let none = || {
            format!(
                "no session and no finding {}has an ID that begins with '{id}': \
                 mailtap scan --format jsonl --records sessions,findings lists them",
                self.passing()
            )
        };
        nothing::judged(outcome, &self.in_force.port).unwrap_or_else(none)
    }

    /// What came by a pipe cannot; then it is to be asked for otherwise.
    fn can_read_again(&self, instead: impl Fn() -> String) -> Result<(), Box<dyn Error>> {
        let again = self.arguments.paths.iter().try_for_each(|path| may_be_read_again(path));
        again.map_err(|once| format!("{once}: save it to a file, or show {}", instead()).into())
    }

    fn none_of(&self, net: IpNet, outcome: &Outcome) -> String {
        let one = net.addr();
        let who = if net.prefix_len() == net.max_prefix_len() { one.to_string() } else { net.to_string() };
        let none = || format!("no session of the client {who} {}in these captures", self.passing());
        nothing::judged(outcome, &self.in_force.port).unwrap_or_else(none)
    }

    /// What is said of sessions where filters leave some out.
    fn passing(&self) -> &'static str {
        let plain = Options { port: self.in_force.port.clone(), ..Options::default() };
        let filters = |options: &Options| {
            let (since, until) = (options.since, options.until);
            (
                since,
                until,
                options.servers.clone(),
                options.client.clone(),
                options.session.clone(),
                options.pattern.clone(),
            )
        };
        if filters(self.in_force) == filters(&plain) { "" } else { "that passes the filters " }
    }

    fn told(&self, problem: &str) -> Exit {
        self.terminal.line(&format!("mailtap: {problem}"));
        Exit::Problem
    }

    /// `over` where reading stopped since all was found.
    fn exit(&self, outcome: &Outcome, over: bool) -> Exit {
        let interrupted = outcome.interrupted && !over;
        if interrupted {
            self.terminal.line("mailtap: interrupted: what is shown is what was read until then");
        }
        if interrupted || outcome.problems > 0 || outcome.internal_errors > 0 { Exit::Problem } else { Exit::Done }
    }
}

fn cannot(source: io::Error) -> CannotWrite {
    CannotWrite { to: STDOUT.to_owned(), source }
}
