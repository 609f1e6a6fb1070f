//! The clerk: makes a record of each thing that the ledger gives. The only one who knows which capture and frame a packet's
//! number stands for, and whether secrets are to be shown.

use std::sync::Arc;

use crate::base::ServerNames;
use crate::ledger::{Output, Who};
use crate::rules::Catalogue;

use super::places::Places;
use super::{Finding, Record, Server, Session, SessionId, Stats, Summary, event, ids};

/// Makes records, in the order of what it is given.
#[derive(Debug)]
pub(crate) struct Clerk {
    scene: Scene,
    /// The session of the last event and its id: events of one session often stand together.
    last: Option<(Who, SessionId)>,
}

/// What a record is made with, beside the thing that it is of.
#[derive(Debug)]
pub(super) struct Scene {
    pub catalogue: Arc<Catalogue>,
    pub names: ServerNames,
    pub places: Places,
    pub show_secrets: bool,
    /// There is no file behind the frames' numbers.
    pub as_it_goes: bool,
}

impl Clerk {
    /// For files.
    pub(crate) fn new(catalogue: Arc<Catalogue>, show_secrets: bool) -> Self {
        let (names, places) = (ServerNames::default(), Places::default());
        let scene = Scene { catalogue, names, places, show_secrets, as_it_goes: false };
        Clerk { scene, last: None }
    }

    /// For what is captured while it is analysed.
    pub(crate) fn live(catalogue: Arc<Catalogue>, show_secrets: bool) -> Self {
        let mut clerk = Clerk::new(catalogue, show_secrets);
        clerk.scene.as_it_goes = true;
        clerk
    }

    /// Servers have these names.
    pub(crate) fn naming(mut self, names: ServerNames) -> Self {
        self.scene.names = names;
        self
    }

    /// The record of it; what has none only tells what comes behind it where it lies, or carries packets.
    pub(crate) fn record(&mut self, output: Output) -> Option<Record> {
        let scene = &mut self.scene;
        Some(match output {
            Output::Capture(path) => {
                scene.places.begin(&path);
                return None;
            }
            Output::Exhibits(_) => return None,
            Output::Event(who, number, told) => {
                let session = self.session_of(&who);
                event::record(&who, number, *told, session, &self.scene)
            }
            Output::Finding(found) => Record::Finding(Box::new(Finding::of(*found, scene))),
            Output::Session(ended) => Record::Session(Box::new(Session::of(*ended, scene))),
            Output::Server(server) => Record::Server(Box::new(Server::of(*server, scene))),
            Output::Stats(stats) => Record::Stats(Box::new(Stats::of(&stats))),
            Output::Summary(summary) => Record::Summary(Box::new(Summary::of(&summary, scene))),
        })
    }

    /// The session that it is of, if it is an event, a finding or an end of one.
    pub(crate) fn session(&mut self, output: &Output) -> Option<SessionId> {
        let who = match output {
            Output::Event(who, ..) => *who,
            Output::Finding(found) => found.who,
            Output::Session(ended) => Who::of(&ended.session),
            _ => return None,
        };
        Some(self.session_of(&who))
    }

    fn session_of(&mut self, who: &Who) -> SessionId {
        match &self.last {
            Some((last, session)) if last.flow() == who.flow() && last.first == who.first => *session,
            _ => {
                let session = ids::session(who);
                self.last = Some((*who, session));
                session
            }
        }
    }
}
