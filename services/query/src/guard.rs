//! Whether the caller of an answer that goes on may still have its next part.

use std::time::Duration;

use api::error::ApiError;
use api::header::wants_strict;
use axum::extract::FromRequestParts;
use domain::ids::GlobalPosition;
use gate::{Gate, Lapse, Lasting};
use http::request::Parts;
use runtime::clock::{Clock, Monotonic};
use tokio::sync::watch;

use crate::app::Shared;
use crate::call::Call;
use crate::http::{peer_of, refused};

/// How often it is looked at while nothing is sent: an answer that is silent ends as promptly as
/// one that is not, also if the credential ends by the clock, or the lease does.
const LOOK: Duration = Duration::from_secs(1);
/// How soon after a look something that the gate heard makes for another.
const LOOK_APART: Duration = Duration::from_millis(50);
/// For how long an answer waits while it is not known whether it may go on.
const UNKNOWN: Duration = Duration::from_secs(10);
/// Between two questions in that time.
const AGAIN: Duration = Duration::from_millis(50);

/// The caller of an answer that goes on.
pub struct Guard {
    gate: Gate,
    caller: Lasting,
    clock: Clock,
    applied: watch::Receiver<GlobalPosition>,
    looked_at: Monotonic,
}

/// Why an answer goes on no more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Over {
    /// The credential ended, or may have it no more.
    Credential,
    /// Nobody could tell for too long.
    Unknown,
}

impl Over {
    /// For counting.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Credential => "credential",
            Self::Unknown => "unknown",
        }
    }

    /// The code of it.
    pub const fn code(self) -> &'static str {
        match self {
            Self::Credential => "invalid_api_key",
            Self::Unknown => "verification_unavailable",
        }
    }
}

impl Guard {
    /// To be asked when a part is at hand, right before it is sent. While it is not known, or may not
    /// be told yet, this waits, and nothing is sent.
    ///
    /// # Errors
    /// [`Over`]; then nothing more may be sent.
    pub async fn admit(&mut self) -> Result<(), Over> {
        let began = self.clock.monotonic();
        loop {
            self.applied.mark_unchanged();
            let lapse = self.gate.still_allows(&self.caller).await;
            self.looked_at = self.clock.monotonic();
            match lapse {
                Ok(()) => return Ok(()),
                Err(Lapse::Ended) => return Err(Over::Credential),
                Err(Lapse::Unknown) => {
                    if self.looked_at.saturating_since(began) >= UNKNOWN {
                        return Err(Over::Unknown);
                    }
                    self.clock.sleep(AGAIN).await;
                }
            }
        }
    }

    /// Waits until it should be asked again although nothing is to be sent. Dropping the future loses
    /// nothing.
    pub async fn stirred(&mut self) {
        let heard = async {
            self.clock.sleep_until(self.looked_at + LOOK_APART).await;
            // Nobody tells any more if the gate is gone: then the clock does.
            if self.applied.changed().await.is_err() {
                std::future::pending::<()>().await;
            }
        };
        tokio::select! {
            () = heard => {}
            () = self.clock.sleep_until(self.looked_at + LOOK) => {}
        }
    }
}

impl FromRequestParts<Shared> for Guard {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &Shared) -> Result<Self, ApiError> {
        let call = Call::from_request_parts(parts, app).await?;
        let scope = call.scope();
        let scope =
            scope.ok_or_else(|| ApiError::internal("an answer that goes on has no scope"))?;
        let strictly = wants_strict(&parts.headers);
        let caller = app
            .gate
            .lasting(&parts.headers, peer_of(&parts.extensions), scope, strictly);
        let caller = caller.map_err(|denial| refused(denial, || app.jitter()).0)?;
        Ok(Self {
            gate: app.gate.clone(),
            caller,
            clock: app.clock.clone(),
            applied: app.gate.applied_changes(),
            looked_at: app.clock.monotonic(),
        })
    }
}
