//! Every credential that may call was made by an event of the log.

use std::collections::HashMap;

use domain::ids::{GlobalPosition, OrgId};
use event_log::{Credential, EventLog, ReadError};
use uuid::Uuid;

use super::report::Fault;

/// Credentials of one read.
const PAGE: u16 = 5_000;

/// Those that may call and whose making was not met yet.
#[derive(Debug, Default)]
pub struct Unmade(HashMap<Uuid, (OrgId, String)>);

impl Unmade {
    /// All that may call now.
    pub async fn read(log: &EventLog) -> Result<Self, ReadError> {
        let mut unmade = HashMap::new();
        let mut after = None;
        loop {
            let page = log.active_credentials(after, PAGE).await?;
            after = page.last().map(|last| last.id);
            let is_last = page.len() < usize::from(PAGE);
            unmade.extend(page.into_iter().map(|one| (one.id, (one.org, one.sha256))));
            if is_last {
                return Ok(Self(unmade));
            }
        }
    }

    /// Takes out those that events up to a position made as they are.
    pub async fn meet(
        &mut self,
        log: &EventLog,
        after: GlobalPosition,
        until: GlobalPosition,
    ) -> Result<(), ReadError> {
        for Credential { id, org, sha256 } in log.made_credentials(after, until).await? {
            if self.0.get(&id) == Some(&(org, sha256)) {
                self.0.remove(&id);
            }
        }
        Ok(())
    }

    /// One that nobody made, if there is one.
    pub fn fault(&self) -> Option<Fault> {
        let (id, (org, _)) = self.0.iter().min_by_key(|(id, _)| **id)?;
        Some(Fault::beside(format!(
            "credential {id} of org {org} may call, and no event of the log made it as it is ({} such)",
            self.0.len()
        )))
    }
}
