//! Fields that several calls on videos read alike.

use api::input::body::Fields;
use api::input::issue::Invalid;
use api::input::node::Node;
use domain::ids::VideoId;
use domain::limits::BULK_ID_ITEMS;
use domain::org::ReviewDecision;

/// `decision`.
pub(in crate::http) fn decision(fields: &mut Fields<'_>) -> Result<ReviewDecision, Invalid> {
    let choices = [ReviewDecision::Include, ReviewDecision::Exclude];
    fields.required("decision", |it| it.one_of(&choices, name))
}

/// `video_ids`.
pub(in crate::http) fn video_ids(fields: &mut Fields<'_>) -> Result<Vec<VideoId>, Invalid> {
    fields.required("video_ids", |it| {
        it.list(1..=BULK_ID_ITEMS, Node::from_str::<VideoId>)
    })
}

const fn name(decision: ReviewDecision) -> &'static str {
    match decision {
        ReviewDecision::Include => "include",
        ReviewDecision::Exclude => "exclude",
    }
}
