//! Deliberate faults of the task that drives a replica.

use domain::ids::IncarnationId;
use sha2::{Digest, Sha256};
use uuid::Uuid;

use super::Parts;
use crate::bus::MacKey;
use crate::core::mutant::Mutant;

/// The key of this process's rows; with a fault that of every process of its name.
pub fn ack_key(parts: &Parts) -> MacKey {
    if Mutant::SameIdReplaces.is_active() {
        MacKey::new(&of_name(&parts.config.name))
    } else {
        MacKey::new(&parts.replica.entropy.bytes::<32>())
    }
}

/// The next incarnation; with a fault that of every process of its name.
pub fn incarnation(parts: &Parts) -> IncarnationId {
    if Mutant::SameIdReplaces.is_active() {
        let [id @ .., _, _, _, _, _, _, _, _, _, _, _, _, _, _, _, _] = of_name(&parts.config.name);
        IncarnationId::from_uuid(Uuid::from_bytes(id))
    } else {
        IncarnationId::from_uuid(parts.replica.entropy.uuid_v4())
    }
}

fn of_name(name: &str) -> [u8; 32] {
    Sha256::digest(name).into()
}
