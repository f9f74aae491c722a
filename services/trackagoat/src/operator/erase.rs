//! `trackagoat erase`: what the law calls erasure. Events stay, and with them every chain of hashes;
//! what they say of a person cannot be read any more.

use std::collections::HashSet;
use std::fmt::Write;

use clap::{Args, Subcommand, ValueEnum};
use command::app::CommandError;
use command::people::{Belongings, PeopleError};
use domain::event::{DecodeError, Event, Reading, Stream};
use domain::ids::{CreatorId, GlobalPosition, KeyId, OrgId, UserId, VideoId};
use domain::org::{Command, CreatorStatus, InvitationCommand, KeyDisposition, OrgState, Rejection};
use domain::text::Name;
use event_log::{EventLog, OrgWalk, ReadError, StoredEvent};
use indicatif::ProgressBar;
use uuid::Uuid;

use super::connection::Operator;
use super::{OperatorError, decide};
use crate::terminal::say;

/// Keys that one statement destroys.
const SUBJECTS: usize = 1_000;

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

/// Which person.
#[derive(Debug, Args)]
pub struct EraseUser {
    /// Their e-mail address or id.
    #[arg(value_name = "EMAIL|ID")]
    person: String,
    /// What becomes of the keys that they own: revoked, or kept without an owner.
    #[arg(long)]
    keys: Option<Keys>,
}

/// Which creator.
#[derive(Debug, Args)]
pub struct EraseCreator {
    /// The org's id, as `orgs list` shows it.
    org: OrgId,
    /// The creator's id there.
    creator: CreatorId,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Keys {
    Revoke,
    Keep,
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

impl EraseUser {
    async fn run(self, operator: &Operator) -> Result<(), OperatorError> {
        let people = &operator.people;
        let person = people.find_either(&self.person).await;
        let person = person.map_err(EraseError::from)?;
        let person = person.ok_or(EraseError::Nobody)?;
        let has = people.belongings(person).await.map_err(EraseError::from)?;
        self.refuse(person, &has)?;
        for org in &has.orgs {
            let leave = Command::RemoveMember {
                user_id: person,
                keys: self.keys.map(Keys::disposition),
            };
            decide(operator, *org, &leave).await?;
        }
        for (org, invitation_id) in has.invitations {
            let revoke = InvitationCommand::Revoke { invitation_id };
            decide(operator, org, &Command::Invitation(revoke)).await?;
        }
        if !people.erase(person).await.map_err(EraseError::from)? {
            return Err(EraseError::Joined(person).into());
        }
        people.vacuum().await;
        say(format_args!(
            "{person} is erased; what of them is in former backups ends with those"
        ));
        Ok(())
    }

    /// Before anything is done: nobody is erased by halves because of what could be known.
    fn refuse(&self, person: UserId, has: &Belongings) -> Result<(), EraseError> {
        if !has.only_admin_of.is_empty() {
            let orgs = has.only_admin_of.clone();
            return Err(EraseError::OnlyAdmin { person, orgs });
        }
        if self.keys.is_none() && !has.keys.is_empty() {
            let keys = has.keys.clone();
            return Err(EraseError::OwnsKeys { person, keys });
        }
        Ok(())
    }
}

impl Keys {
    const fn disposition(self) -> KeyDisposition {
        match self {
            Self::Revoke => KeyDisposition::Revoke,
            Self::Keep => KeyDisposition::Keep,
        }
    }
}

impl EraseCreator {
    async fn run(self, operator: &Operator) -> Result<(), OperatorError> {
        let Self { org, creator } = self;
        let (commander, log) = (&operator.commander, operator.commander.log());
        let known = commander
            .inspect(org, |state| known(state, creator))
            .await?;
        let known = known.map_err(CommandError::Rejected)?;
        let known = known.ok_or(EraseError::NoCreator { org, creator })?;
        observations(log, org).await?;
        if !known.is_removed {
            let creator_id = creator;
            decide(operator, org, &Command::RemoveCreator { creator_id }).await?;
        }
        // Nothing more is recorded of it, nor of videos that it has.
        let videos = commander
            .inspect(org, |state| videos(state, creator))
            .await?;
        let mut subjects = comments(log, org, &videos).await?;
        let comments = subjects.len();
        subjects.push(creator.as_uuid());
        for some in subjects.chunks(SUBJECTS) {
            let destroyed = log.erase_subjects(org, some).await;
            destroyed.map_err(EraseError::from)?;
        }
        let forgotten = log.forget_answers(Some(org), &creator.to_string()).await;
        forgotten.map_err(EraseError::from)?;
        operator.people.vacuum().await;
        say(format_args!(
            "{creator} is erased, and {comments} comments under its videos; the read model lets go \
             of what it had opened within seconds"
        ));
        Ok(())
    }
}

struct Known {
    is_removed: bool,
}

fn known(state: &OrgState, creator: CreatorId) -> Result<Option<Known>, Rejection> {
    state.profile.as_ref().ok_or(Rejection::NoSuchOrg)?;
    let creator = state.creators.get(&creator);
    Ok(creator.map(|creator| Known {
        // Removing its project leaves it as it was, and shut.
        is_removed: creator.status == CreatorStatus::Removed
            || state.project(creator.project_id).is_none(),
    }))
}

/// Its videos, removed ones too.
fn videos(state: &OrgState, creator: CreatorId) -> HashSet<VideoId> {
    let videos = state.videos.iter();
    let videos = videos.filter(|(_, video)| video.creator_id == Some(creator));
    videos.map(|(id, _)| *id).collect()
}

/// Everything that an org ever recorded, as a walk that has begun: an archive that it needs is missed
/// before anything is done.
async fn observations(
    log: &EventLog,
    org: OrgId,
) -> Result<(OrgWalk, Vec<StoredEvent>), EraseError> {
    let head = log.head().await?.position;
    let mut walk = log.walk_org(org, &[Stream::Observations], GlobalPosition::ZERO, head);
    let page = walk.next_page().await?;
    Ok((walk, page))
}

/// The comments under videos that were ever recorded.
async fn comments(
    log: &EventLog,
    org: OrgId,
    videos: &HashSet<VideoId>,
) -> Result<Vec<Uuid>, EraseError> {
    let bar = ProgressBar::new_spinner().with_prefix("looking for comments");
    let mut found = HashSet::new();
    let (mut walk, mut page) = observations(log, org).await?;
    while !videos.is_empty() && !page.is_empty() {
        for event in &page {
            let recorded = event.decode().map_err(|source| EraseError::Undecodable {
                position: event.position,
                source,
            })?;
            let Event::ObservationRecorded(observation) = recorded.event else {
                continue;
            };
            found.extend(
                observation
                    .readings
                    .iter()
                    .filter_map(|reading| match reading {
                        Reading::Comment(comment) if videos.contains(&comment.video_id) => {
                            Some(comment.comment_id.as_uuid())
                        }
                        _ => None,
                    }),
            );
        }
        bar.inc(page.len() as u64);
        page = walk.next_page().await?;
    }
    bar.finish_and_clear();
    Ok(found.into_iter().collect())
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
