//! Exit codes: a script may rely on them.

use std::process::ExitCode;

use crate::engine::Outcome;
use crate::rules::Severity;

use super::args::Output;
use super::nothing;
use super::progress::Terminal;

/// How the program ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Exit {
    /// Everything was done.
    Done,
    /// There are findings at or above `--fail-on`.
    Findings,
    /// Wrong usage, an input that could not be read to its end, nothing to judge by `--fail-on`, an output that cannot be
    /// written, or a bug.
    Problem,
}

impl Exit {
    /// Tells what was not judged, and how the program ends: a problem wins over findings, for what was not read may hold
    /// more.
    pub(super) fn telling(outcome: &Outcome, ports: &[u16], options: &Output, terminal: &Terminal) -> Self {
        let exit = Self::of(outcome, options.fail_on);
        if outcome.interrupted {
            terminal.line("mailtap: interrupted: the report covers what was read until then");
        }
        let asked = exit == Exit::Done && options.fail_on.is_some() && !options.allow_nothing;
        let none_left = || Some(format!("{}. --allow-nothing accepts that.", nothing::reported(outcome)?));
        if let Some(why) = nothing::judged(outcome, ports).or_else(none_left).filter(|_| asked) {
            terminal.line(&format!("mailtap: {why}"));
            return Exit::Problem;
        }
        if let Some(hint) = nothing::reported(outcome) {
            terminal.say(&hint);
        }
        if let Some(hint) = nothing::elsewhere(outcome, ports) {
            terminal.say(&hint);
        }
        exit
    }

    fn of(outcome: &Outcome, fail_on: Option<Severity>) -> Self {
        let fails = fail_on.is_some_and(|least| outcome.worst.is_some_and(|worst| worst >= least));
        match (outcome.problems > 0 || outcome.internal_errors > 0 || outcome.interrupted, fails) {
            (true, _) => Exit::Problem,
            (false, true) => Exit::Findings,
            (false, false) => Exit::Done,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        match exit {
            Exit::Done => ExitCode::SUCCESS,
            Exit::Findings => ExitCode::from(1),
            Exit::Problem => ExitCode::from(2),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outcome(problems: u64, worst: Option<Severity>) -> Outcome {
        Outcome { problems, worst, ..Outcome::default() }
    }

    #[test]
    fn findings_fail_only_where_that_was_asked_for() {
        let found = outcome(0, Some(Severity::Low));
        assert_eq!(Exit::of(&found, None), Exit::Done);
        assert_eq!(Exit::of(&found, Some(Severity::Medium)), Exit::Done);
        assert_eq!(Exit::of(&found, Some(Severity::Low)), Exit::Findings);
        assert_eq!(Exit::of(&outcome(0, None), Some(Severity::Info)), Exit::Done);
    }

    #[test]
    fn a_problem_or_a_bug_wins_over_findings() {
        assert_eq!(Exit::of(&outcome(1, Some(Severity::High)), Some(Severity::Low)), Exit::Problem);
        let bug = Outcome { internal_errors: 1, ..Outcome::default() };
        let interrupted = Outcome { interrupted: true, ..Outcome::default() };
        assert_eq!((Exit::of(&bug, None), Exit::of(&interrupted, None)), (Exit::Problem, Exit::Problem));
    }
}
