//! Webhooks.

pub mod deliveries;
pub mod get;
pub mod list;

use api::v1::Webhook;
use read_model::Webhook as Found;

use crate::cache::{Topic, Topics};

const RESTS_ON: Topics = Topics::of(&[Topic::Webhooks]);

fn wire(found: &Found) -> Webhook {
    Webhook::new(found.id, &found.webhook)
}
