//! API keys (v1-contract.md 7).

pub mod get;
pub mod list;
pub mod own;
pub mod usage;

use std::collections::HashMap;

use api::envelope::Meta;
use api::error::ApiError;
use api::v1::{ApiKey, KeyContext};
use domain::ids::{GlobalPosition, KeyId};
use domain::org::KeyStatus;
use domain::time::Timestamp;
use gate::Used;
use read_model::ApiKey as Found;
use uuid::Uuid;

use crate::app::Snapshot;
use crate::routes::FIGURES_LATE;

/// What keys are shown with, beside what was decided on them.
struct Shown {
    now: Timestamp,
    used: HashMap<Uuid, Used>,
    /// When revocations were in force everywhere, by their positions.
    settled: HashMap<GlobalPosition, Timestamp>,
    replaced: HashMap<KeyId, Found>,
}

impl Snapshot<'_> {
    /// Looks up what these keys are shown with. Their use stands on the primary, not in the
    /// projection: it moves without events.
    async fn shown(&mut self, keys: &[Found]) -> Result<Shown, ApiError> {
        let partners = keys.iter().filter_map(|found| found.key.partner());
        let ids = keys.iter().map(|found| found.id).chain(partners);
        let ids: Vec<Uuid> = ids.map(KeyId::as_uuid).collect();
        let now = self.now.datetime();
        let used = gate::used(&self.app.primary, self.call.org(), &ids, now).await;
        let unavailable = |error| self.app.unavailable().because(error);
        let denials = keys.iter().filter_map(|found| found.key.revoked);
        let denials: Vec<_> = denials.map(|denial| denial.position).collect();
        let settled = if denials.is_empty() {
            HashMap::new()
        } else {
            let settled = gate::settled_at(&self.app.primary, &denials).await;
            settled.map_err(unavailable)?
        };
        let replaced: Vec<KeyId> = keys.iter().filter_map(|found| found.key.replaces).collect();
        let replaced = if replaced.is_empty() {
            Vec::new()
        } else {
            let found = self.reader.api_keys_by_id(&replaced).await;
            found.map_err(|error| self.read_error(error))?
        };
        Ok(Shown {
            now: self.now,
            used: used.map_err(unavailable)?,
            settled,
            replaced: replaced
                .into_iter()
                .map(|found| (found.id, found))
                .collect(),
        })
    }
}

impl Shown {
    fn used_of(&self, id: KeyId) -> Used {
        self.used.get(&id.as_uuid()).copied().unwrap_or_default()
    }

    fn wire(&self, found: &Found) -> ApiKey {
        let used = self.used_of(found.id);
        let partner = found.key.partner().map(|id| self.used_of(id));
        let replaced = found.key.replaces.and_then(|old| self.replaced.get(&old));
        let context = KeyContext {
            replaced: replaced.map(|old| &old.key),
            last_used_at: used.last_used_at,
            requests_by_day: used.by_day,
            requests_last_hour: used.last_hour,
            partner_requests_last_hour: partner.map_or(0, |used| used.last_hour),
            needed: used.needed,
            revocation_effective_at: found
                .key
                .revoked
                .and_then(|denial| self.settled.get(&denial.position).copied()),
        };
        ApiKey::new(found.id, &found.key, self.now, context)
    }

    /// When an answer with these keys can next differ by time alone, or its figures are too old.
    fn valid_until<'a>(&self, keys: impl IntoIterator<Item = &'a Found>) -> Timestamp {
        let ends = keys.into_iter().filter(|found| {
            matches!(
                found.key.status(self.now),
                KeyStatus::Active | KeyStatus::Rotating
            )
        });
        ends.filter_map(|found| found.key.ends_at())
            .fold(self.now.plus(FIGURES_LATE), Ord::min)
    }

    fn meta<'a>(&self, keys: impl IntoIterator<Item = &'a Found>, meta: Meta) -> Meta {
        meta.valid_until(Some(self.valid_until(keys)))
    }
}
