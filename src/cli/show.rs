//! `mailtap show`: reads captures for one session, or for all of a client, and prints them as dialogues.
//!
//! The id of a session is found while it is followed, and reading stops when it is over. A fingerprint is known only once the finding is,
//! when most of its session has gone by: so the captures are read again for the first session that has it. What is not shown is never
//! kept: of other sessions that would also be meant only the ids, and not many.

mod following;
mod search;
mod wanted;

use std::error::Error;
use std::io::{self, Write};
use std::sync::Arc;

use ipnet::IpNet;

use crate::capture::Stop;
use crate::engine::{self, Config, Outcome, Sink};
use crate::ledger::{Kind, Records};
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
        let stop = stop::listen()?;
        let id = match &self.arguments.what {
            Wanted::Clients(net) => return self.follow(*net, &stop.into()),
            Wanted::Id(id) => id,
        };
        let is_signal = Stop::from(stop);
        let (search, outcome) = self.search(id, &is_signal)?;
        let over = search.is_over();
        let (dialogue, having, outcome) = match search.meant() {
            Meant::Session(dialogue) => (dialogue, None, outcome),
            Meant::Finding(having) => {
                self.can_read_again(having.first)?;
                let (search, again) = self.search(&having.first, &is_signal)?;
                let Meant::Session(dialogue) = search.meant() else {
                    return Ok(
                        self.told(&format!("session {} is not there any more: the captures changed", having.first))
                    );
                };
                // What was wrong with the captures was told of the first reading, which was the longer one.
                (dialogue, Some(having), Outcome { interrupted: again.interrupted && outcome.interrupted, ..outcome })
            }
            Meant::Several(ids) => {
                self.terminal.line(&format!("mailtap: '{id}' is the beginning of more than one id: give more digits"));
                ids.iter().for_each(|id| self.terminal.line(&format!("  {id}")));
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
        let mut out = io::stdout();
        let mut first = true;
        let mut print = |dialogue: &Dialogue| {
            let parted = if std::mem::take(&mut first) { "" } else { "\n" };
            out.write_all(format!("{parted}{}", self.page(dialogue)).as_bytes()).and_then(|()| out.flush())
        };
        let config = self.config(stop);
        let mut following = Following::new(self.clerk(&config), net, &mut print);
        let outcome = self.run(&config, &mut following)?;
        let shown = following.end().map_err(cannot)?;
        if shown == 0 {
            let why = nothing::judged(&outcome, &self.in_force.port);
            return Ok(self.told(&why.unwrap_or_else(|| format!("no session of a client in {net} in these captures"))));
        }
        Ok(self.exit(&outcome, false))
    }

    fn search(&self, id: &str, stop: &Stop) -> Result<(Search, Outcome), Box<dyn Error>> {
        let config = self.config(stop);
        let mut search = Search::new(self.clerk(&config), id, stop.clone());
        let outcome = self.run(&config, &mut search)?;
        Ok((search, outcome))
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
        let ids = having.ids.iter().map(|id| id.to_string()).collect::<Vec<_>>().join(", ");
        let more = if *others > having.ids.len() as u64 { ", …" } else { "" };
        let line = format!("Fingerprint {fingerprint} is also in {sessions}: {ids}{more}");
        if self.arguments.markdown { format!("\n{line}\n") } else { format!("\n  {line}\n") }
    }

    /// Why there was nothing to show.
    fn nothing(&self, id: &str, outcome: &Outcome) -> String {
        let none = || {
            format!(
                "no session and no finding has an id that begins with '{id}': \
                 mailtap scan --format jsonl --records sessions,findings lists them"
            )
        };
        nothing::judged(outcome, &self.in_force.port).unwrap_or_else(none)
    }

    fn can_read_again(&self, first: SessionId) -> Result<(), Box<dyn Error>> {
        let again = self.arguments.paths.iter().try_for_each(|path| may_be_read_again(path));
        again.map_err(|once| format!("{once}: show the session by its id, {first}").into())
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
