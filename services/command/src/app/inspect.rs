//! Looking at an org without deciding anything.

use domain::ids::OrgId;
use domain::org::OrgState;

use super::{CommandError, Commander};

impl Commander {
    /// What `look` sees in an org's state, brought up to the log first.
    pub async fn inspect<T>(
        &self,
        org: OrgId,
        look: impl FnOnce(&OrgState) -> T,
    ) -> Result<T, CommandError> {
        let org = self.inner().org(org);
        self.inner().catch_up(&org).await?;
        let folded = org.state.read().await;
        Ok(look(&folded.state))
    }
}
