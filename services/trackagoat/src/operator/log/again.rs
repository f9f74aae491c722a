//! Takes away again what was lost: by the same decisions as everyone's.

use std::collections::HashMap;
use std::fmt;

use command::app::{CommandContext, CommandError, Commander};
use domain::event::{Actor, DecodeError};
use domain::ids::OrgId;
use domain::org::{
    Again, Caller, Context, NotAgain, OrgState, Recorded, Rejection, SubjectKeys, decide,
    deny_again, evolve,
};

use super::Failure;
use super::lost::Lost;
use crate::terminal::say;

/// What came of one lost denial.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Denied {
    /// It is in force again.
    Again,
    /// It was in force.
    Held,
    /// The log knows nothing of what it is about.
    Nothing,
}

/// Why a lost denial is not in force.
#[derive(Debug, thiserror::Error)]
pub enum NotDenied {
    /// Somebody must decide.
    #[error(transparent)]
    NotAgain(#[from] NotAgain),
    /// A rule of the business refuses it.
    #[error(transparent)]
    Rejected(Rejection),
    /// It is of a newer build.
    #[error("this build cannot read it")]
    Undecodable(#[source] DecodeError),
    /// Nothing is known: the command is to be run again.
    #[error(transparent)]
    Failed(CommandError),
}

/// Decides on the log itself.
pub struct Replay<'a>(&'a Commander);

/// Decides on copies of the orgs' states.
pub struct Rehearsal<'a> {
    commander: &'a Commander,
    orgs: HashMap<OrgId, OrgState>,
}

/// How many came to what.
pub struct Tally {
    present: usize,
    again: usize,
    held: usize,
    nothing: usize,
    /// Those that are not in force.
    pub refused: usize,
}

impl<'a> Replay<'a> {
    pub const fn new(commander: &'a Commander) -> Self {
        Self(commander)
    }

    /// Returns once it is in force everywhere.
    pub async fn deny(&self, lost: &Lost) -> Result<Denied, NotDenied> {
        let (org, event) = (lost.0.org_id, decode(lost)?);
        let now = self.0.now();
        let again = self.0.inspect(org, |state| deny_again(state, &event, now));
        let command = match again.await?? {
            Again::Decide(command) => command,
            Again::Holds => return Ok(Denied::Held),
            Again::Nothing => return Ok(Denied::Nothing),
        };
        let context = CommandContext::operator(lost.correlation_id());
        self.0.execute(org, &command, &context, None).await?;
        Ok(Denied::Again)
    }
}

impl<'a> Rehearsal<'a> {
    pub fn new(commander: &'a Commander) -> Self {
        Self {
            commander,
            orgs: HashMap::new(),
        }
    }

    /// As if it were in force everywhere when this returns.
    pub async fn deny(&mut self, lost: &Lost) -> Result<Denied, NotDenied> {
        let (org, event) = (lost.0.org_id, decode(lost)?);
        let now = self.commander.now();
        let state = match self.orgs.remove(&org) {
            Some(state) => state,
            None => self.commander.inspect(org, OrgState::clone).await?,
        };
        let state = self.orgs.entry(org).or_insert(state);
        let command = match deny_again(state, &event, now)? {
            Again::Decide(command) => command,
            Again::Holds => return Ok(Denied::Held),
            Again::Nothing => return Ok(Denied::Nothing),
        };
        let context = Context {
            now,
            caller: Caller::Operator,
            subject_keys: &SubjectKeys::default(),
        };
        let decided = decide(state, &command, &context).map_err(NotDenied::Rejected)?;
        for event in &decided.events {
            let recorded = Recorded {
                event,
                at: now,
                actor: Actor::System,
                position: lost.0.position,
            };
            evolve(state, &recorded);
        }
        Ok(Denied::Again)
    }
}

fn decode(lost: &Lost) -> Result<domain::event::Event, NotDenied> {
    let recorded = lost.0.decode().map_err(NotDenied::Undecodable)?;
    Ok(recorded.event)
}

impl From<CommandError> for NotDenied {
    fn from(error: CommandError) -> Self {
        match error {
            CommandError::Rejected(rejection) => Self::Rejected(rejection),
            other => Self::Failed(other),
        }
    }
}

impl Tally {
    /// Of `present` denials the log has those that were lost nowhere.
    pub const fn new(present: usize) -> Self {
        Self {
            present,
            again: 0,
            held: 0,
            nothing: 0,
            refused: 0,
        }
    }

    /// Counts one, and says so if it is news.
    pub fn count(
        &mut self,
        verb: &str,
        lost: &Lost,
        outcome: Result<Denied, NotDenied>,
    ) -> Result<(), Failure> {
        match outcome {
            Ok(Denied::Again) => {
                self.again += 1;
                say(format_args!("{verb} {lost}"));
            }
            Ok(Denied::Held) => self.held += 1,
            Ok(Denied::Nothing) => self.nothing += 1,
            Err(NotDenied::Failed(error)) => {
                return Err(Failure::Decide(lost.0.position, error));
            }
            Err(error) => {
                self.refused += 1;
                say(format_args!("cannot be applied: {lost}: {error}"));
            }
        }
        Ok(())
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            present,
            again,
            held,
            nothing,
            refused,
        } = self;
        let there = present + held;
        write!(
            f,
            "restored {again}, already there {there}, about nothing that the log knows {nothing}, \
             cannot be applied {refused}"
        )
    }
}
