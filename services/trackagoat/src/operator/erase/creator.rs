//! Creators.

use std::collections::HashSet;

use clap::Args;
use command::app::CommandError;
use domain::event::{Event, Reading, Stream};
use domain::ids::{CreatorId, GlobalPosition, OrgId, VideoId};
use domain::org::{Command, CreatorStatus, OrgState, Rejection};
use event_log::{EventLog, OrgWalk, StoredEvent};
use gate::Erasure;
use indicatif::ProgressBar;
use uuid::Uuid;

use super::{EraseError, begin, finish};
use crate::operator::connection::Operator;
use crate::operator::{OperatorError, decide};
use crate::terminal::say;

/// Keys that one statement destroys.
const SUBJECTS: usize = 1_000;

/// Which creator.
#[derive(Debug, Args)]
pub struct EraseCreator {
    /// The org's id, as `orgs list` shows it.
    org: OrgId,
    /// The creator's id there.
    creator: CreatorId,
}

impl EraseCreator {
    pub async fn run(self, operator: &Operator) -> Result<(), OperatorError> {
        let Self { org, creator } = self;
        let (commander, log) = (&operator.commander, operator.commander.log());
        let known = commander
            .inspect(org, |state| known(state, creator))
            .await?;
        let known = known.map_err(CommandError::Rejected)?;
        let known = known.ok_or(EraseError::NoCreator { org, creator })?;
        let videos = async || commander.inspect(org, |state| videos(state, creator)).await;
        // All that is looked through is read once before anything is done: what is archived may not be
        // at hand, or not be what was archived.
        let (had, mut looked) = (videos().await?, GlobalPosition::ZERO);
        let mut subjects = comments(log, org, &had, &mut looked).await?;
        remove(operator, org, creator, known).await?;
        // Nothing more is recorded of it, nor of videos that it has.
        let videos = videos().await?;
        let since: HashSet<_> = videos.difference(&had).copied().collect();
        if !since.is_empty() {
            let mut from_first = GlobalPosition::ZERO;
            subjects.extend(comments(log, org, &since, &mut from_first).await?);
        }
        subjects.extend(comments(log, org, &videos, &mut looked).await?);
        subjects.insert(creator.as_uuid());
        let mut erased = HashSet::new();
        // What was judged before the removal may be recorded after the look: then there is another.
        while !subjects.is_empty() {
            erased.extend(subjects.iter().copied());
            let these = readable_first(log, org, subjects.into_iter().collect()).await?;
            let erasure = Erasure::Creator {
                org_id: org,
                creator_id: creator,
                subjects: these.clone(),
            };
            begin(operator, &erasure).await?;
            destroy(operator, org, creator, &these).await?;
            finish(operator, &erasure).await?;
            subjects = comments(log, org, &videos, &mut looked).await?;
            subjects.retain(|subject| !erased.contains(subject));
        }
        let comments = erased.len() - 1;
        operator.people.vacuum().await;
        say(format_args!(
            "{creator} is erased, and {comments} comments under its videos; the read model lets go \
             of what it had opened within seconds"
        ));
        Ok(())
    }
}

/// Erases a creator again that a restored database has. Nothing is looked for: a log that was
/// restored to an earlier moment has no comment that was not there when it was erased.
pub async fn again(
    operator: &Operator,
    org: OrgId,
    creator: CreatorId,
    subjects: &[Uuid],
) -> Result<(), OperatorError> {
    let known = operator
        .commander
        .inspect(org, |state| known(state, creator))
        .await?;
    // Of a creator or an org that came after the backup only the ids are kept from coming back.
    if let Ok(Some(known)) = known {
        remove(operator, org, creator, known).await?;
    }
    Ok(destroy(operator, org, creator, subjects).await?)
}

async fn remove(
    operator: &Operator,
    org: OrgId,
    creator_id: CreatorId,
    known: Known,
) -> Result<(), OperatorError> {
    if !known.is_removed {
        decide(operator, org, &Command::RemoveCreator { creator_id }).await?;
    }
    Ok(())
}

/// What can still be read stands before what an earlier erasure has taken: the first one stands for
/// all when a database is compared with the ledger.
async fn readable_first(
    log: &EventLog,
    org: OrgId,
    subjects: Vec<Uuid>,
) -> Result<Vec<Uuid>, EraseError> {
    let (mut readable, mut rest) = (Vec::new(), Vec::new());
    for some in subjects.chunks(SUBJECTS) {
        let erased: HashSet<_> = log.erased_of(org, some).await?.into_iter().collect();
        for subject in some {
            let these = if erased.contains(subject) {
                &mut rest
            } else {
                &mut readable
            };
            these.push(*subject);
        }
    }
    readable.append(&mut rest);
    Ok(readable)
}

async fn destroy(
    operator: &Operator,
    org: OrgId,
    creator: CreatorId,
    subjects: &[Uuid],
) -> Result<(), EraseError> {
    let log = operator.commander.log();
    let name = creator.to_string();
    // Before, for whoever is killed in between; and after, for what was answered meanwhile.
    log.forget_answers(Some(org), &name).await?;
    for some in subjects.chunks(SUBJECTS) {
        log.erase_subjects(org, some).await?;
    }
    log.forget_answers(Some(org), &name).await?;
    Ok(())
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

/// What an org recorded after a position, as a walk that has begun, which misses an archive that it
/// begins in.
async fn observations(
    log: &EventLog,
    org: OrgId,
    after: GlobalPosition,
) -> Result<(OrgWalk, Vec<StoredEvent>), EraseError> {
    let head = log.head().await?.position;
    let mut walk = log.walk_org(org, &[Stream::Observations], after, head.max(after));
    let page = walk.next_page().await?;
    Ok((walk, page))
}

/// The comments under videos that were ever recorded after a position, which then is the newest.
async fn comments(
    log: &EventLog,
    org: OrgId,
    videos: &HashSet<VideoId>,
    after: &mut GlobalPosition,
) -> Result<HashSet<Uuid>, EraseError> {
    let bar = ProgressBar::new_spinner().with_prefix("looking for comments");
    let mut found = HashSet::new();
    let (mut walk, mut page) = observations(log, org, *after).await?;
    *after = walk.to();
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
    Ok(found)
}
