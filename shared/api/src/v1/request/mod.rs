//! Bodies of commands as callers write them: for the document and for clients of ours. What is
//! `None` is not sent. The services read the same fields more strictly than a derive could
//! ([`crate::input`]); a test there holds the two together.

mod annotations;
mod campaigns;
mod creators;
mod goals;
mod keys;
mod people;
mod projects;
mod videos;
mod webhooks;

use serde::Serialize;
use utoipa::ToSchema;

pub use self::annotations::{ChangeAnnotation, CreateAnnotation, MarkedEntity};
pub use self::campaigns::{
    AddCampaignItem, AddCampaignItems, AddManyCampaignItems, ChangeCampaign, CreateCampaign,
};
pub use self::creators::{AddCreator, AddCreators, AddManyCreators, ChangeCreator, CreatorIds};
pub use self::goals::{ChangeGoal, CreateGoal};
pub use self::keys::{ChangeApiKey, CreateApiKey, RotateApiKey};
pub use self::people::{ChangeMember, ChangeOrg, CreateInvitation, CreateSession};
pub use self::projects::{ChangeProject, CreateProject};
pub use self::videos::{
    AddManyVideos, AddVideo, AddVideos, ChangeVideo, DecidedStatus, Decision, ReviewVideo,
    ReviewVideos, VideoIds,
};
pub use self::webhooks::{ChangeWebhook, CreateWebhook};

/// No field: a command that says everything in its path. The body may be left out.
#[derive(Debug, Clone, Copy, Default, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NoFields {}
