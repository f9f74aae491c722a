//! What answers rest on, and which events touch it.

use domain::event::{Event, Reading};

/// One part of what an org's answers show.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u16)]
pub enum Topic {
    /// The org itself: zone, plan, limits.
    Org,
    /// API keys.
    Keys,
    /// Projects.
    Projects,
    /// Creators and what platforms say of them.
    Creators,
    /// Videos and what platforms say of them.
    Videos,
    /// Campaigns and what they hold.
    Campaigns,
    /// Goals.
    Goals,
    /// Marks on the time axis.
    Annotations,
    /// Where events are sent.
    Webhooks,
}

/// A set of topics.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Topics(u16);

impl Topic {
    /// How many there are.
    pub const COUNT: usize = 9;
}

impl Topics {
    /// None: an event that no answer shows.
    pub const NONE: Self = Self(0);
    /// Every one: what is not known to be harmless.
    pub const ALL: Self = Self((1 << Topic::COUNT) - 1);

    /// The set of these.
    pub const fn of(topics: &[Topic]) -> Self {
        let mut bits = 0;
        let mut index = 0;
        while index < topics.len() {
            bits |= 1 << topics[index] as u16;
            index += 1;
        }
        Self(bits)
    }

    /// The places of its topics, 0 to [`Topic::COUNT`].
    pub fn indices(self) -> impl Iterator<Item = usize> {
        (0..Topic::COUNT).filter(move |index| self.0 & (1 << index) != 0)
    }

    const fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// What an event may change. Too many topics cost a computation, one too few would make a
    /// stale answer: whoever adds an event decides here, and in doubt says [`Topics::ALL`].
    pub fn touched_by(event: &Event) -> Self {
        match event {
            // The zone moves the borders of days, the plan the history that is shown.
            Event::OrgCreated(_)
            | Event::OrgChanged(_)
            | Event::PlanChanged(_)
            | Event::LimitChanged(_)
            | Event::OrgSuspended(_)
            | Event::OrgReinstated(_) => Self::of(&[Topic::Org]),
            Event::KeyCreated(_)
            | Event::KeyChanged(_)
            | Event::KeyRotated(_)
            | Event::KeyRevoked(_) => Self::of(&[Topic::Keys]),
            // Keys name their owners, and orgs the role of who asks.
            Event::MemberJoined(_)
            | Event::MemberRoleChanged(_)
            | Event::MemberRemoved(_)
            | Event::MemberBanned(_)
            | Event::MemberUnbanned(_) => Self::of(&[Topic::Org, Topic::Keys]),
            Event::ProjectAdded(_) | Event::ProjectChanged(_) => Self::of(&[Topic::Projects]),
            // Its creators and videos leave with it.
            Event::ProjectRemoved(_) => Self::of(&[
                Topic::Projects,
                Topic::Creators,
                Topic::Videos,
                Topic::Campaigns,
                Topic::Goals,
                Topic::Annotations,
            ]),
            // What happens to creators leaves marks.
            Event::CreatorAdded(_)
            | Event::CreatorChanged(_)
            | Event::CreatorRenamed(_)
            | Event::CreatorAutoDisabled(_)
            | Event::CreatorReenabled(_) => Self::of(&[Topic::Creators, Topic::Annotations]),
            // Their videos and goals leave or come back with them.
            Event::CreatorReactivated(_) | Event::CreatorRemoved(_) => Self::of(&[
                Topic::Creators,
                Topic::Videos,
                Topic::Goals,
                Topic::Annotations,
            ]),
            Event::VideoAdded(_)
            | Event::VideoDiscovered(_)
            | Event::VideoChanged(_)
            | Event::VideoPromoted(_)
            | Event::VideoReviewed(_)
            | Event::VideoTrackingDisabled(_)
            | Event::VideoTrackingEnabled(_)
            | Event::VideoRemoved(_) => Self::of(&[Topic::Videos]),
            Event::CampaignAdded(_)
            | Event::CampaignChanged(_)
            | Event::CampaignRemoved(_)
            | Event::CampaignItemsAdded(_)
            | Event::CampaignItemsRemoved(_) => Self::of(&[Topic::Campaigns]),
            Event::GoalAdded(_) | Event::GoalChanged(_) | Event::GoalRemoved(_) => {
                Self::of(&[Topic::Goals])
            }
            Event::AnnotationAdded(_)
            | Event::AnnotationChanged(_)
            | Event::AnnotationRemoved(_) => Self::of(&[Topic::Annotations]),
            Event::WebhookAdded(_)
            | Event::WebhookChanged(_)
            | Event::WebhookRemoved(_)
            | Event::WebhookDisabled(_) => Self::of(&[Topic::Webhooks]),
            Event::ObservationRecorded(recorded) => recorded
                .readings
                .iter()
                .map(Self::touched_by_reading)
                .fold(Self::NONE, Self::union),
            // Answers about them are not kept: they show what stands outside the log.
            Event::InvitationCreated(_)
            | Event::InvitationAccepted(_)
            | Event::InvitationDeclined(_)
            | Event::InvitationRevoked(_)
            | Event::SessionOpened(_)
            | Event::SessionEnded(_)
            | Event::HandleBanned(_)
            | Event::HandleUnbanned(_)
            | Event::LimitWarned(_) => Self::NONE,
        }
    }

    const fn touched_by_reading(reading: &Reading) -> Self {
        match reading {
            Reading::VideoStats(_) | Reading::Video(_) => Self::of(&[Topic::Videos]),
            Reading::CreatorProfile(_) => Self::of(&[Topic::Creators]),
            // No answer shows comments yet.
            Reading::Comment(_) => Self::NONE,
        }
    }
}
