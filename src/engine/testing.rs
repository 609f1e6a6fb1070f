//! For tests: who is told nothing of how the reading goes.

use crate::capture::{Notice, Problem, Progress};

use super::{Bug, Observer};

pub(crate) struct Nobody;

impl Observer for Nobody {
    fn problem(&self, _: &Problem) {}
    fn notice(&self, _: &Notice) {}
    fn progress(&self, _: &Progress) {}
    fn internal_error(&self, _: &Bug) {}
}
