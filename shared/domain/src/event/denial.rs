//! Which events can turn a future yes into a no.

use super::{Event, Role};
use crate::plan::LimitKey;

impl Event {
    /// Whether a request that was allowed before it may be refused after it: then it is of deny-type
    /// (revocation.md 4), and an answer that tells of it waits until every replica has heard of it.
    ///
    /// There is no `_` arm: a new event does not compile until it is decided here.
    pub const fn denies(&self) -> bool {
        match self {
            Self::KeyRevoked(_)
            | Self::SessionEnded(_)
            // The old key's end moved closer, and that end is a promise.
            | Self::KeyRotated(_)
            | Self::MemberRemoved(_)
            | Self::MemberBanned(_)
            | Self::OrgSuspended(_)
            // Raised or lowered: limits on requests hold on every replica at once.
            | Self::PlanChanged(_) => true,
            Self::KeyChanged(changed) => changed.narrowed,
            Self::MemberRoleChanged(changed) => matches!(changed.role, Role::Member),
            Self::LimitChanged(changed) => matches!(
                changed.limit_key,
                LimitKey::MaxApiRequestsPerDay | LimitKey::MaxRequestsPerMinutePerKey
            ),
            Self::OrgCreated(_)
            | Self::OrgChanged(_)
            | Self::OrgReinstated(_)
            | Self::MemberJoined(_)
            | Self::MemberUnbanned(_)
            | Self::HandleBanned(_)
            | Self::HandleUnbanned(_)
            | Self::InvitationCreated(_)
            | Self::InvitationAccepted(_)
            | Self::InvitationDeclined(_)
            | Self::InvitationRevoked(_)
            | Self::SessionOpened(_)
            | Self::KeyCreated(_)
            | Self::ProjectAdded(_)
            | Self::ProjectChanged(_)
            | Self::ProjectRemoved(_)
            | Self::CreatorAdded(_)
            | Self::CreatorChanged(_)
            | Self::CreatorRenamed(_)
            | Self::CreatorReactivated(_)
            | Self::CreatorRemoved(_)
            | Self::CreatorAutoDisabled(_)
            | Self::CreatorReenabled(_)
            | Self::VideoAdded(_)
            | Self::VideoDiscovered(_)
            | Self::VideoChanged(_)
            | Self::VideoPromoted(_)
            | Self::VideoReviewed(_)
            | Self::VideoTrackingDisabled(_)
            | Self::VideoTrackingEnabled(_)
            | Self::VideoRemoved(_)
            | Self::CampaignAdded(_)
            | Self::CampaignChanged(_)
            | Self::CampaignRemoved(_)
            | Self::CampaignItemsAdded(_)
            | Self::CampaignItemsRemoved(_)
            | Self::GoalAdded(_)
            | Self::GoalChanged(_)
            | Self::GoalRemoved(_)
            | Self::AnnotationAdded(_)
            | Self::AnnotationChanged(_)
            | Self::AnnotationRemoved(_)
            | Self::WebhookAdded(_)
            | Self::WebhookChanged(_)
            | Self::WebhookRemoved(_)
            | Self::WebhookDisabled(_)
            | Self::LimitWarned(_)
            | Self::ObservationRecorded(_) => false,
        }
    }
}
