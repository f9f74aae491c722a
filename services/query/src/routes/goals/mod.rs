//! Goals (v1-contract.md 17).

pub mod compliance;
pub mod list;

use api::v1::Goal;

fn wire(found: &read_model::Goal) -> Goal {
    Goal::new(found.id, &found.goal, found.project_id)
}
