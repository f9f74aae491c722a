//! A deliberate fault: requests take what others asked for before they began (pitfall 13).

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use domain::credential::CredentialHash;
use tokio::sync::watch;

use super::Unavailable;
use crate::store::VerifyAnswer;

/// The answers that are under way.
#[derive(Default)]
pub struct Joined(Mutex<HashMap<CredentialHash, watch::Receiver<Option<VerifyAnswer>>>>);

impl Joined {
    /// The answer that somebody waits for already, or that of `load`.
    pub async fn verify(
        &self,
        hash: &CredentialHash,
        load: impl Future<Output = Result<VerifyAnswer, Unavailable>>,
    ) -> Result<VerifyAnswer, Unavailable> {
        let (sender, receiver) = watch::channel(None);
        let earlier = {
            let mut loads = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            let earlier = loads.get(hash).filter(|load| load.has_changed().is_ok());
            let earlier = earlier.cloned();
            if earlier.is_none() {
                loads.insert(*hash, receiver);
            }
            earlier
        };
        if let Some(mut earlier) = earlier {
            let answer = earlier.wait_for(Option::is_some).await;
            return answer
                .ok()
                .and_then(|answer| answer.clone())
                .ok_or(Unavailable);
        }
        let answer = load.await?;
        sender.send_replace(Some(answer.clone()));
        Ok(answer)
    }
}
