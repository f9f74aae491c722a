//! One org: what it may decide, and how what it decided changes it.
//!
//! All decisions of an org are one stream folded into one [`OrgState`], so every rule that spans
//! entities is checked in one pure function, [`decide`], and an append on the stream's version
//! makes it atomic. The caller's own key is part of the state: a key that was revoked a
//! microsecond earlier decides nothing, whatever any cache says.

mod account;
mod annotations;
mod caller;
mod campaigns;
mod command;
mod creators;
mod denials;
mod deny_again;
mod goals;
mod handles;
mod invitations;
mod keys;
mod members;
mod projects;
mod rejection;
mod sessions;
mod state;
mod videos;
mod videos_evolve;
mod webhooks;

#[cfg(test)]
mod tests;

pub use self::annotations::{Annotation, Mark, MarkKind};
use self::caller::Required;
pub use self::caller::{Authority, Caller, Context, SubjectKeys};
pub use self::campaigns::Campaign;
pub use self::command::{
    AnnotationPatch, CampaignPatch, Command, CreatorPatch, Founding, GoalPatch, InvitationCommand,
    KeyDisposition, KeyPatch, NewAnnotation, NewCampaign, NewCreator, NewGoal, NewInvitation,
    NewKey, NewSession, NewVideo, NewWebhook, ProjectPatch, ReviewDecision, Rotation,
    SessionCommand, VideoPatch, WebhookCommand, WebhookPatch,
};
pub use self::denials::Denials;
pub use self::deny_again::{Again, NotAgain, deny_again};
pub use self::goals::Goal;
pub use self::invitations::{Closed, Invitation, InvitationStatus};
pub use self::rejection::{Decision, Existing, ItemOutcome, ItemStatus, Outcome, Rejection};
pub use self::sessions::{EndedSession, Session};
pub use self::state::{
    Creator, CreatorStatus, Denial, Key, KeyStatus, Member, OrgState, Profile, Project, Recorded,
    Review, SNAPSHOT_FORMAT, Video,
};
pub use self::webhooks::Webhook;

use crate::event::Event;
use crate::plan::LimitKey;
use crate::scope::Scope;

/// What the command makes of the state: events to append and what to answer, or why not.
///
/// "Already so" is no event, not an error, unless the contract says otherwise.
#[expect(clippy::too_many_lines, reason = "one arm for each command")]
pub fn decide(
    state: &OrgState,
    command: &Command,
    context: &Context<'_>,
) -> Result<Decision, Rejection> {
    if let Some(made) = account::make(state, command, context) {
        return made;
    }
    let authority = caller::authorise(state, command.required_of(context.caller), context)?;
    match command {
        Command::CreateOrg { .. } | Command::FoundOrg(_) => Err(Rejection::OrgExists),
        Command::ChangeOrg { name, timezone } => {
            account::change(state, name.as_ref(), timezone.as_deref())
        }
        Command::SetPlan { plan } => account::set_plan(state, *plan),
        Command::SetLimit { limit_key, value } => account::set_limit(state, *limit_key, *value),
        Command::Suspend { reason } => account::suspend(state, reason.as_deref()),
        Command::Reinstate => account::reinstate(state),
        Command::JoinMember { user_id, role } => {
            members::join(state, *user_id, *role, &authority, context)
        }
        Command::ChangeRole { user_id, role } => {
            members::change_role(state, *user_id, *role, &authority)
        }
        Command::RemoveMember { user_id, keys } => members::remove(state, *user_id, *keys, context),
        Command::BanMember { user_id, reason } => {
            Ok(members::ban(state, *user_id, reason.as_deref()))
        }
        Command::UnbanMember { user_id } => Ok(members::unban(state, *user_id)),
        Command::BanHandle {
            platform,
            handle,
            reason,
        } => Ok(handles::ban(state, *platform, handle, reason.as_deref())),
        Command::UnbanHandle { platform, handle } => Ok(handles::unban(state, *platform, handle)),
        Command::Invitation(command) => invitations::decide(state, command, &authority, context),
        Command::Session(command) => sessions::decide(state, command, &authority, context),
        Command::CreateKey(new) => keys::create(state, new, &authority, context),
        Command::ChangeKey { key_id, patch } => {
            keys::change(state, *key_id, patch, &authority, context)
        }
        Command::RotateKey { key_id, rotation } => {
            keys::rotate(state, *key_id, rotation, &authority, context)
        }
        Command::RevokeKey { key_id } => keys::revoke(state, *key_id, context),
        Command::AddProject {
            project_id,
            name,
            readme,
            metadata,
        } => projects::add(state, *project_id, name, readme.as_ref(), metadata, context),
        Command::ChangeProject { project_id, patch } => projects::change(state, *project_id, patch),
        Command::RemoveProject { project_id } => projects::remove(state, *project_id),
        Command::AddCreator {
            project_id,
            creator,
        } => creators::add_one(state, *project_id, creator, context),
        Command::AddCreators {
            project_id,
            creators,
        } => creators::add_many(state, *project_id, creators, context),
        Command::ChangeCreator { creator_id, patch } => {
            creators::change(state, *creator_id, patch, context)
        }
        Command::RemoveCreator { creator_id } => creators::remove(state, *creator_id),
        Command::RemoveCreators {
            project_id,
            creator_ids,
        } => creators::remove_many(state, *project_id, creator_ids),
        Command::ReenableCreators {
            project_id,
            creator_ids,
        } => creators::reenable_many(state, *project_id, creator_ids, context),
        Command::AutoDisableCreator { creator_id, reason } => {
            creators::auto_disable(state, *creator_id, reason)
        }
        Command::AddVideo { project_id, video } => {
            videos::add_one(state, *project_id, video, context)
        }
        Command::AddVideos { project_id, videos } => {
            videos::add_many(state, *project_id, videos, context)
        }
        Command::ChangeVideo { video_id, patch } => {
            videos::change(state, *video_id, patch, context)
        }
        Command::RemoveVideo { video_id } => videos::remove(state, *video_id),
        Command::ReviewVideo { video_id, decision } => {
            videos::review_one(state, *video_id, *decision)
        }
        Command::ReviewVideos {
            project_id,
            decision,
            video_ids,
        } => videos::review_many(state, *project_id, *decision, video_ids),
        Command::DisableTracking { video_id, reason } => {
            videos::disable_tracking(state, *video_id, *reason)
        }
        Command::DisableTrackingMany {
            project_id,
            video_ids,
        } => videos::disable_tracking_many(state, *project_id, video_ids),
        Command::AddCampaign {
            project_id,
            campaign,
        } => campaigns::add(state, *project_id, campaign, context),
        Command::ChangeCampaign { campaign_id, patch } => {
            campaigns::change(state, *campaign_id, patch)
        }
        Command::RemoveCampaign { campaign_id } => campaigns::remove(state, *campaign_id),
        Command::AddCampaignItem { campaign_id, item } => {
            campaigns::add_item(state, *campaign_id, *item, context)
        }
        Command::AddCampaignItems { campaign_id, items } => {
            campaigns::add_items(state, *campaign_id, items, context)
        }
        Command::RemoveCampaignItem { campaign_id, item } => {
            campaigns::remove_item(state, *campaign_id, *item)
        }
        Command::AddGoal { project_id, goal } => goals::add(state, *project_id, goal, context),
        Command::ChangeGoal { goal_id, patch } => goals::change(state, *goal_id, patch),
        Command::RemoveGoal { goal_id } => goals::remove(state, *goal_id),
        Command::AddAnnotation {
            project_id,
            annotation,
        } => annotations::add(state, *project_id, annotation, context),
        Command::ChangeAnnotation {
            annotation_id,
            patch,
        } => annotations::change(state, *annotation_id, patch),
        Command::RemoveAnnotation { annotation_id } => annotations::remove(state, *annotation_id),
        Command::Webhook(command) => webhooks::decide(state, command),
    }
}

/// Judges the caller alone, for what is no command of its own: lines of an ingest.
///
/// # Errors
/// Why the caller may not act, as [`decide`] says it.
pub fn authorise(
    state: &OrgState,
    required: Scope,
    context: &Context<'_>,
) -> Result<Authority, Rejection> {
    caller::authorise(state, Required::Scope(required), context)
}

/// Folds one recorded event into the state. Total: every event of the log folds.
pub fn evolve(state: &mut OrgState, recorded: &Recorded<'_>) {
    state.events += 1;
    denials::evolve(state, recorded);
    match recorded.event {
        Event::OrgCreated(_)
        | Event::OrgChanged(_)
        | Event::PlanChanged(_)
        | Event::LimitChanged(_)
        | Event::OrgSuspended(_)
        | Event::OrgReinstated(_)
        | Event::LimitWarned(_) => account::evolve(state, recorded),
        Event::MemberJoined(_)
        | Event::MemberRoleChanged(_)
        | Event::MemberRemoved(_)
        | Event::MemberBanned(_)
        | Event::MemberUnbanned(_) => members::evolve(state, recorded),
        Event::HandleBanned(_) | Event::HandleUnbanned(_) => handles::evolve(state, recorded.event),
        Event::InvitationCreated(_)
        | Event::InvitationAccepted(_)
        | Event::InvitationDeclined(_)
        | Event::InvitationRevoked(_) => invitations::evolve(state, recorded),
        Event::SessionOpened(_) | Event::SessionEnded(_) => sessions::evolve(state, recorded),
        Event::KeyCreated(_)
        | Event::KeyChanged(_)
        | Event::KeyRotated(_)
        | Event::KeyRevoked(_) => keys::evolve(state, recorded),
        Event::ProjectAdded(_) | Event::ProjectChanged(_) | Event::ProjectRemoved(_) => {
            projects::evolve(state, recorded);
        }
        Event::CreatorAdded(_)
        | Event::CreatorChanged(_)
        | Event::CreatorRenamed(_)
        | Event::CreatorReactivated(_)
        | Event::CreatorRemoved(_)
        | Event::CreatorAutoDisabled(_)
        | Event::CreatorReenabled(_) => {
            creators::evolve(state, recorded);
            annotations::mark(state, recorded);
        }
        Event::VideoAdded(_)
        | Event::VideoDiscovered(_)
        | Event::VideoChanged(_)
        | Event::VideoPromoted(_)
        | Event::VideoReviewed(_)
        | Event::VideoTrackingDisabled(_)
        | Event::VideoTrackingEnabled(_)
        | Event::VideoRemoved(_) => videos_evolve::evolve(state, recorded),
        Event::CampaignAdded(_)
        | Event::CampaignChanged(_)
        | Event::CampaignRemoved(_)
        | Event::CampaignItemsAdded(_)
        | Event::CampaignItemsRemoved(_) => campaigns::evolve(state, recorded),
        Event::GoalAdded(_) | Event::GoalChanged(_) | Event::GoalRemoved(_) => {
            goals::evolve(state, recorded);
        }
        Event::AnnotationAdded(_) | Event::AnnotationChanged(_) | Event::AnnotationRemoved(_) => {
            annotations::evolve(state, recorded);
        }
        Event::WebhookAdded(_)
        | Event::WebhookChanged(_)
        | Event::WebhookRemoved(_)
        | Event::WebhookDisabled(_) => webhooks::evolve(state, recorded),
        // Observations are the other stream; they decide nothing.
        Event::ObservationRecorded(_) => state.events -= 1,
    }
}

/// Refuses if `adding` more would exceed the limit.
fn check_limit(
    state: &OrgState,
    key: LimitKey,
    current: u64,
    adding: u64,
) -> Result<(), Rejection> {
    match state.limits().max(key) {
        Some(max) if current + adding > max => Err(Rejection::LimitReached {
            limit_key: key,
            current,
            max,
        }),
        _ => Ok(()),
    }
}
