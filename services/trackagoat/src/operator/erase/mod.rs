//! `trackagoat erase`: what the law calls erasure. Events stay, and with them every chain of hashes;
//! what they say of a person cannot be read any more.

mod creator;
mod person;

use std::fmt::Write;

use clap::Subcommand;
use command::people::PeopleError;
use domain::event::DecodeError;
use domain::ids::{CreatorId, GlobalPosition, KeyId, OrgId, UserId};
use domain::text::Name;
use event_log::ReadError;
use gate::{Erasure, LedgerError};

use self::creator::EraseCreator;
use self::person::EraseUser;
use super::OperatorError;
use super::connection::Operator;
use crate::terminal::remark;

/// Persons and creators.
#[derive(Debug, Subcommand)]
pub enum Erase {
    /// A person: they leave every org, their sessions end everywhere, and their name, address and
    /// password are deleted. Events name them by an id that nothing else knows any more.
    User(EraseUser),
    /// A creator of an org: it is removed, and the keys are destroyed without which its names and
    /// pictures, and comments under its videos, cannot be read. Handles and figures stay.
    Creator(EraseCreator),
}

/// Why somebody was not erased, or not wholly: the same command may be run again.
#[derive(Debug, thiserror::Error)]
pub enum EraseError {
    #[error(transparent)]
    People(#[from] PeopleError),
    #[error("nobody has this address or id; who was erased has neither")]
    Nobody,
    #[error(
        "{person} is the only admin of {}: make another one first (`trackagoat members invite <org> \
         <e-mail> --role admin`)", listed(.orgs)
    )]
    OnlyAdmin { person: UserId, orgs: Vec<OrgId> },
    #[error("{person} owns keys that work; say with --keys revoke|keep what becomes of them:{}",
        named(.keys))]
    OwnsKeys {
        person: UserId,
        keys: Vec<(OrgId, KeyId, Name)>,
    },
    #[error("{0} has joined an org meanwhile: run the command once more")]
    Joined(UserId),
    #[error("there is no creator {creator} in org {org}, and never was")]
    NoCreator { org: OrgId, creator: CreatorId },
    #[error("nothing was destroyed: it could not be recorded first")]
    Unrecorded(#[source] LedgerError),
    #[error(
        "everything was destroyed, but that it was could not be recorded: run the command once \
         more, or a service does not notice a restore that brings it back"
    )]
    Unfinished(#[source] LedgerError),
    #[error("the log could not be read or keys not be destroyed: run the command once more")]
    Log(#[from] ReadError),
    #[error("the event at position {position} cannot be read by this build")]
    Undecodable {
        position: GlobalPosition,
        #[source]
        source: DecodeError,
    },
}

impl Erase {
    /// Does it; may be killed at any point and run again.
    pub async fn run(self, operator: &Operator) -> Result<(), OperatorError> {
        match self {
            Self::User(user) => user.run(operator).await,
            Self::Creator(creator) => creator.run(operator).await,
        }
    }
}

/// Erases again what a restored database has of it; may be killed at any point and run again.
pub async fn again(operator: &Operator, erasure: &Erasure) -> Result<(), OperatorError> {
    match erasure {
        Erasure::Person {
            user_id,
            keeps_keys,
            invitees,
        } => person::again(operator, *user_id, *keeps_keys, invitees).await,
        Erasure::Creator {
            org_id,
            creator_id,
            subjects,
        } => creator::again(operator, *org_id, *creator_id, subjects).await,
    }
}

/// A second copy of the intent, before anything is destroyed.
async fn begin(operator: &Operator, erasure: &Erasure) -> Result<(), EraseError> {
    let Some(erasures) = &operator.erasures else {
        remark(
            "warning: no ledger is named, so nothing outside the database knows of this: a backup that \
             is restored brings back what is erased, until the same command is run again. Set \
             TGA_LEDGER_DIR to a folder on another volume, and `trackagoat log restored` does that",
        );
        return Ok(());
    };
    let begun = erasures.begin(operator.commander.now(), erasure).await;
    begun.map_err(EraseError::Unrecorded)
}

/// And once it is in force, of that.
async fn finish(operator: &Operator, erasure: &Erasure) -> Result<(), EraseError> {
    let Some(erasures) = &operator.erasures else {
        return Ok(());
    };
    let finished = erasures.finish(operator.commander.now(), erasure).await;
    finished.map_err(EraseError::Unfinished)
}

fn listed(orgs: &[OrgId]) -> String {
    let orgs: Vec<_> = orgs.iter().map(OrgId::to_string).collect();
    orgs.join(", ")
}

fn named(keys: &[(OrgId, KeyId, Name)]) -> String {
    let mut lines = String::new();
    for (org, key, name) in keys {
        let name = name.as_str();
        let _ = write!(lines, "\n  {key} ({name}) of org {org}");
    }
    lines
}
