//! Erases again what a restored database has of what was erased since.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use command::app::CommandError;
use domain::ids::{CreatorId, InviteeId, OrgId, UserId};
use gate::{Erasure, erasures_left};
use uuid::Uuid;

use super::Failure;
use crate::operator::OperatorError;
use crate::operator::connection::Operator;
use crate::operator::erase::again;
use crate::terminal::say;

/// How many came to what.
#[derive(Default)]
pub struct Erased {
    again: usize,
    already: usize,
    /// Those that are not in force.
    pub refused: usize,
}

/// Parts of the same erasure, and erasures of the same person or creator, are one.
#[derive(Default)]
struct Together {
    /// Whether keys are kept: where that was ever said otherwise they are not.
    people: BTreeMap<UserId, (bool, BTreeSet<InviteeId>)>,
    creators: BTreeMap<(OrgId, CreatorId), BTreeSet<Uuid>>,
}

/// Erases them again, or says which would be.
pub async fn erase(
    operator: &Operator,
    erasures: Vec<Erasure>,
    dry_run: bool,
) -> Result<Erased, Failure> {
    let log = operator.commander.log();
    let all = Together::from(erasures).each();
    let known = all.len();
    let left = erasures_left(all, log, &operator.pool).await?;
    let mut tally = Erased {
        already: known - left.len(),
        ..Erased::default()
    };
    for erasure in left {
        let outcome = if dry_run {
            Ok(())
        } else {
            Box::pin(again(operator, &erasure)).await
        };
        let verb = if dry_run { "would erase" } else { "erased" };
        match outcome {
            Ok(()) => {
                tally.again += 1;
                say(format_args!("{verb} {erasure}"));
            }
            // Somebody must decide: to try again would not help.
            Err(error @ OperatorError::Command(CommandError::Rejected(_))) => {
                tally.refused += 1;
                say(format_args!("cannot be erased: {erasure}: {error}"));
            }
            Err(error) => return Err(Failure::Erase(erasure, Box::new(error))),
        }
    }
    if tally.again > 0 && !dry_run {
        operator.people.vacuum().await;
    }
    Ok(tally)
}

impl Together {
    fn from(erasures: Vec<Erasure>) -> Self {
        let mut together = Self::default();
        for erasure in erasures {
            match erasure {
                Erasure::Person {
                    user_id,
                    keeps_keys,
                    invitees,
                } => {
                    let person = together.people.entry(user_id);
                    let (keeps, known) = person.or_insert((true, BTreeSet::new()));
                    *keeps &= keeps_keys;
                    known.extend(invitees);
                }
                Erasure::Creator {
                    org_id,
                    creator_id,
                    subjects,
                } => {
                    let creator = together.creators.entry((org_id, creator_id));
                    creator.or_default().extend(subjects);
                }
            }
        }
        together
    }

    fn each(self) -> Vec<Erasure> {
        let people = self.people.into_iter();
        let people = people.map(|(user_id, (keeps_keys, invitees))| Erasure::Person {
            user_id,
            keeps_keys,
            invitees: invitees.into_iter().collect(),
        });
        let creators = self.creators.into_iter();
        let creators = creators.map(|((org_id, creator_id), subjects)| Erasure::Creator {
            org_id,
            creator_id,
            subjects: subjects.into_iter().collect(),
        });
        people.chain(creators).collect()
    }
}

impl fmt::Display for Erased {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            again,
            already,
            refused,
        } = self;
        write!(
            f,
            "erased again {again}, already erased {already}, cannot be erased {refused}"
        )
    }
}
