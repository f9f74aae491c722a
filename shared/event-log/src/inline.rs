//! Which events change who may call, and how: the rows of `gate.*` that are written in the
//! transaction of the append, so that they are exactly as fresh as the log.

use domain::credential::CredentialHash;
use domain::event::{Event, KeyChanged, KeyCreated, Role, SessionOpened};
use domain::ids::{KeyId, UserId};
use domain::plan::{LimitKey, Plan};
use domain::text::Name;
use domain::time::Timestamp;
use uuid::Uuid;

/// A change of one or more rows of `gate.*`, all of the event's org.
#[derive(Debug, Clone, PartialEq)]
pub enum Change {
    /// A credential exists.
    Made(Box<KeyCreated>, CredentialHash),
    /// Some of its columns have other values.
    Altered(Box<KeyChanged>),
    /// It was replaced and ends at the end of the overlap.
    Replaced {
        /// The old credential.
        key: KeyId,
        /// The end of the overlap.
        ends_at: Timestamp,
    },
    /// It is ended for good.
    Ended {
        /// The key or session.
        credential: Uuid,
    },
    /// A session exists.
    Opened(Box<SessionOpened>, CredentialHash),
    /// A person belongs to the org, or has another role in it.
    Member {
        /// The person.
        user: UserId,
        /// The role that they have now.
        role: Role,
        /// Whether something was taken away.
        demoted: bool,
    },
    /// A person belongs to the org no more.
    Left {
        /// The person.
        user: UserId,
    },
    /// The org exists.
    OrgMade {
        /// Its first name.
        name: Name,
        /// Its first plan.
        plan: Plan,
    },
    /// It has another name.
    OrgNamed(Name),
    /// It has another plan.
    Plan {
        /// The new plan.
        plan: Plan,
    },
    /// The operator's number for requests a day; none: the plan's.
    RequestsPerDay(Option<u64>),
    /// The operator's number for a key's requests a minute; none: the plan's.
    RequestsPerMinutePerKey(Option<u64>),
    /// Nobody may call for the org, or somebody may again.
    Suspended(bool),
    /// A person was shut out, or let in again.
    Banned {
        /// The person.
        user: UserId,
        /// Whether they are shut out.
        banned: bool,
    },
}

/// The change that an event makes to the rows of `gate.*`.
///
/// There is no `_` arm: a new event does not compile until it is decided here.
pub fn change_of(event: &Event) -> Option<Change> {
    Some(match event {
        Event::KeyCreated(created) => Change::Made(Box::new(created.clone()), created.hash?),
        Event::KeyChanged(changed) => Change::Altered(Box::new(changed.clone())),
        Event::KeyRotated(rotated) => Change::Replaced {
            key: rotated.key_id,
            ends_at: rotated.ends_at,
        },
        Event::KeyRevoked(revoked) => Change::Ended {
            credential: revoked.key_id.as_uuid(),
        },
        Event::SessionOpened(opened) => Change::Opened(Box::new(opened.clone()), opened.hash?),
        Event::SessionEnded(ended) => Change::Ended {
            credential: ended.session_id.as_uuid(),
        },
        Event::OrgCreated(created) => Change::OrgMade {
            name: created.name.clone(),
            plan: created.plan,
        },
        Event::OrgChanged(changed) => Change::OrgNamed(changed.name.clone()?),
        Event::PlanChanged(changed) => Change::Plan { plan: changed.plan },
        Event::LimitChanged(changed) => match changed.limit_key {
            LimitKey::MaxApiRequestsPerDay => Change::RequestsPerDay(changed.value),
            LimitKey::MaxRequestsPerMinutePerKey => Change::RequestsPerMinutePerKey(changed.value),
            _ => return None,
        },
        Event::OrgSuspended(_) => Change::Suspended(true),
        Event::OrgReinstated(_) => Change::Suspended(false),
        Event::MemberBanned(banned) => Change::Banned {
            user: banned.user_id,
            banned: true,
        },
        Event::MemberUnbanned(unbanned) => Change::Banned {
            user: unbanned.user_id,
            banned: false,
        },
        Event::MemberJoined(joined) => Change::Member {
            user: joined.user_id,
            role: joined.role,
            demoted: false,
        },
        Event::MemberRoleChanged(changed) => Change::Member {
            user: changed.user_id,
            role: changed.role,
            demoted: event.denies(),
        },
        // What becomes of their keys stands in events of the keys.
        Event::MemberRemoved(removed) => Change::Left {
            user: removed.user_id,
        },
        Event::InvitationCreated(_)
        | Event::InvitationAccepted(_)
        | Event::InvitationDeclined(_)
        | Event::InvitationRevoked(_)
        | Event::HandleBanned(_)
        | Event::HandleUnbanned(_)
        | Event::ProjectAdded(_)
        | Event::ProjectChanged(_)
        | Event::ProjectRemoved(_)
        | Event::CreatorAdded(_)
        | Event::CreatorChanged(_)
        | Event::CreatorRenamed(_)
        | Event::CreatorReactivated(_)
        | Event::CreatorRemoved(_)
        | Event::CreatorAutoDisabled(_)
        | Event::CreatorReenabled(_)
        | Event::VideoAdded(_)
        | Event::VideoDiscovered(_)
        | Event::VideoChanged(_)
        | Event::VideoPromoted(_)
        | Event::VideoReviewed(_)
        | Event::VideoTrackingDisabled(_)
        | Event::VideoTrackingEnabled(_)
        | Event::VideoRemoved(_)
        | Event::CampaignAdded(_)
        | Event::CampaignChanged(_)
        | Event::CampaignRemoved(_)
        | Event::CampaignItemsAdded(_)
        | Event::CampaignItemsRemoved(_)
        | Event::GoalAdded(_)
        | Event::GoalChanged(_)
        | Event::GoalRemoved(_)
        | Event::AnnotationAdded(_)
        | Event::AnnotationChanged(_)
        | Event::AnnotationRemoved(_)
        | Event::WebhookAdded(_)
        | Event::WebhookChanged(_)
        | Event::WebhookRemoved(_)
        | Event::WebhookDisabled(_)
        | Event::LimitWarned(_)
        | Event::ObservationRecorded(_) => return None,
    })
}
