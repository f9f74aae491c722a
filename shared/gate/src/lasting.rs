//! Answers that go on: whether their caller may still have them. They are asked for each part, since
//! nothing is authorised per connection (pitfall 16).

use std::net::IpAddr;

use domain::credential::CredentialHash;
use domain::scope::Scope;
use http::HeaderMap;
use thiserror::Error;

use crate::admission::Denial;
use crate::core::lookup::Known;
use crate::gate::Gate;

/// A caller who was admitted and whose answer goes on.
#[derive(Debug, Clone)]
pub struct Lasting {
    hash: CredentialHash,
    peer: IpAddr,
    scope: Scope,
    strictly: bool,
}

/// Why the next part may not be sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum Lapse {
    /// The caller may not have it any more; that holds everywhere, so it may be told.
    #[error("the caller may not have the answer any more")]
    Ended,
    /// It is not known now, or may not be told yet: send nothing, ask again.
    #[error("it is not known now whether the caller may still have the answer")]
    Unknown,
}

impl Gate {
    /// Of a request that was admitted, and that needs this scope; strictly asks the primary each time.
    ///
    /// # Errors
    /// If it presents no credential.
    pub fn lasting(
        &self,
        headers: &HeaderMap,
        peer: IpAddr,
        scope: Scope,
        strictly: bool,
    ) -> Result<Lasting, Denial> {
        Ok(Lasting {
            hash: self.presented(headers)?,
            peer,
            scope,
            strictly,
        })
    }

    /// To be asked when the next part is at hand, right before it is sent: what a new request would
    /// be told, but that it counts for no limit. From the cache it costs as little as there.
    ///
    /// # Errors
    /// [`Lapse`]; then nothing may be sent.
    pub async fn still_allows(&self, caller: &Lasting) -> Result<(), Lapse> {
        let Lasting {
            hash,
            peer,
            scope,
            strictly,
        } = caller;
        let entry = match self.known(hash, *peer, *strictly, self.now()) {
            Known::Allowed(entry) => entry,
            Known::Denied(denied) | Known::Ended(denied, _) => {
                Box::pin(self.refuse(denied)).await?;
                Box::pin(self.verify(hash, *peer)).await?
            }
            Known::Ask => Box::pin(self.verify(hash, *peer)).await?,
        };
        if entry.principal().scopes().contains(*scope) {
            return Ok(());
        }
        // The scope may have been taken away a moment ago.
        Box::pin(self.pass(entry.narrowed_at())).await?;
        Err(Lapse::Ended)
    }
}

impl From<Denial> for Lapse {
    fn from(denial: Denial) -> Self {
        match denial {
            Denial::TwoCredentials
            | Denial::Missing
            | Denial::Invalid
            | Denial::AddressNotAllowed
            | Denial::OrgSuspended
            | Denial::UserSuspended => Self::Ended,
            Denial::RevocationInProgress
            | Denial::VerificationUnavailable
            | Denial::RateLimited(_) => Self::Unknown,
        }
    }
}
