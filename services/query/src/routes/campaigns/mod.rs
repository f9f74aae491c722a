//! Campaigns and what they hold (v1-contract.md 13).

pub mod get;
pub mod items;
pub mod list;

use api::v1::Campaign;

use crate::cache::{Topic, Topics};

/// What answers about campaigns rest on. Those of a removed project leave with it, which touches
/// campaigns too.
const RESTS_ON: Topics = Topics::of(&[Topic::Campaigns]);

fn wire(found: &read_model::Campaign) -> Campaign {
    Campaign::new(found.id, &found.campaign, found.item_count)
}
