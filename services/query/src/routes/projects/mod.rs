//! Projects (v1-contract.md 9).

pub mod get;
pub mod list;

use api::v1::Project;
use domain::ids::OrgId;

use crate::cache::{Topic, Topics};

/// What answers about projects rest on.
const RESTS_ON: Topics = Topics::of(&[Topic::Projects]);

fn wire(org: OrgId, found: &read_model::Project) -> Project {
    Project::new(org, found.id, &found.project)
}
