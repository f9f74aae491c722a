//! The audit trail (v1-contract.md 19): events as they stand in the log, how the org
//! stood, and what proves both.

pub mod as_of;
pub mod checkpoint;
pub mod events;
pub mod export;
mod params;
pub mod proof;
mod seal;
pub mod stream;

use api::error::ApiError;
use api::input::issue::Issues;
use api::rate::{Policy, Refusal};
use domain::event::Stream;
use domain::ids::{GlobalPosition, OrgId};
use domain::time::Timestamp;
use event_log::{Head, Moment, OrgWalk, ReadError, SignedCheckpoint, StoredEvent};
use read_model::AuditFilter;
use runtime::places::Full;

use self::params::Bounds;
use crate::app::App;
use crate::call::Call;

/// Seconds after which a caller may ask again for what goes on, of which its org has all it may.
const AGAIN_SECONDS: u64 = 60;
/// Bytes with which a part of an answer that goes on ends. The caller is looked at before each.
const PART_BYTES: usize = 128 * 1024;

impl App {
    /// The end of the log.
    async fn head(&self) -> Result<Head, ApiError> {
        self.log.head().await.map_err(|error| self.log_error(error))
    }

    /// Maps what the log says.
    fn log_error(&self, error: ReadError) -> ApiError {
        match error {
            // What is recorded is recorded: elsewhere, or once its archive is there again.
            ReadError::Archived { earliest, .. } => ApiError::gone_position(earliest),
            ReadError::Database(_) | ReadError::Archive { .. } => self.unavailable().because(error),
            ReadError::Corrupt(_) => ApiError::internal(error),
        }
    }

    /// The newest signed head of the log; 503 if there is none.
    async fn newest_checkpoint(&self) -> Result<SignedCheckpoint, ApiError> {
        let newest = self.log.newest_checkpoint().await;
        let newest = newest.map_err(|error| self.log_error(error))?;
        newest.ok_or_else(|| ApiError::not_signed(self.jitter()))
    }

    /// Where the last event recorded at an instant or before it stands.
    async fn moment(&self, at: Timestamp) -> Result<Moment, ApiError> {
        let moment = self.log.moment(at).await;
        moment.map_err(|error| self.log_error(error))
    }

    /// A walk along these streams of the caller's org, which is begun: what is archived later is missed
    /// from there on. 410 as [`Self::require_kept`] has it.
    async fn walk(
        &self,
        call: &Call,
        streams: &[Stream],
        bounds: Bounds,
    ) -> Result<OrgWalk, ApiError> {
        let Bounds { after, to } = bounds;
        let mut walk = self.log.walk_org(call.org(), streams, after, to.max(after));
        walk.begin().await.map_err(|error| self.log_error(error))?;
        self.require_kept(call, streams, bounds, &mut walk).await?;
        Ok(walk)
    }

    /// 410 if some of these events of the caller's org can be read no more: observations that are
    /// archived, where no archive is at hand. Decisions are all kept online. Where there are none, the walk
    /// passes over them.
    async fn require_kept(
        &self,
        call: &Call,
        streams: &[Stream],
        bounds: Bounds,
        walk: &mut OrgWalk,
    ) -> Result<(), ApiError> {
        let attached = self.log.require_attached(bounds.after).await;
        attached.map_err(|error| self.log_error(error))?;
        let earliest = self.earliest().await?;
        let is_kept = bounds.after.next() >= earliest || self.log.has_archive();
        if is_kept || !streams.contains(&Stream::Observations) {
            return Ok(());
        }
        let upto = bounds.to.min(GlobalPosition::new(earliest.get() - 1));
        let gone = AuditFilter {
            streams: vec![Stream::Observations],
            after: bounds.after,
            to: upto,
            ..AuditFilter::all()
        };
        let mut reader = self.open(call).await?;
        let gone = reader.audit_positions(&gone, false, 1).await;
        let gone = gone.map_err(|error| self.read_error(error))?;
        if gone.is_empty() {
            walk.pass(Stream::Observations, upto);
            return Ok(());
        }
        Err(ApiError::gone_position(earliest))
    }

    async fn earliest(&self) -> Result<GlobalPosition, ApiError> {
        let earliest = self.log.earliest().await;
        earliest.map_err(|error| self.log_error(error))
    }

    /// The events of an org at positions that are known to be its own, of these streams: as far as they
    /// are kept online or in an archive at hand. Decisions are all kept online.
    async fn events_at(
        &self,
        org: OrgId,
        streams: &[Stream],
        positions: &[GlobalPosition],
    ) -> Result<Vec<StoredEvent>, ApiError> {
        let events = self.log.read_org_at(org, positions).await;
        let events = events.map_err(|error| self.log_error(error))?;
        if events.len() == positions.len() {
            return Ok(events);
        }
        let is_there = |position: &GlobalPosition| {
            let found = events.binary_search_by_key(position, |event| event.position);
            found.is_ok()
        };
        if streams.contains(&Stream::Observations) {
            let earliest = self.earliest().await?;
            if positions.iter().all(|it| *it < earliest || is_there(it)) {
                return Ok(events);
            }
        }
        Err(ApiError::internal(
            "the log has no event where the projection says that one is",
        ))
    }
}

/// 429 if the org has all answers that go on that it may, 503 if all orgs together do.
fn not_now(app: &App, full: Full, policy: Policy, limit: usize) -> ApiError {
    match full {
        Full::Owner => ApiError::rate_limited(Refusal {
            policy,
            limit: limit as u64,
            retry_after_seconds: AGAIN_SECONDS,
        }),
        Full::All => app.unavailable(),
    }
}

/// 400 for a position that the log does not have yet.
fn require_reached(
    name: &str,
    position: Option<GlobalPosition>,
    head: GlobalPosition,
) -> Result<(), ApiError> {
    match position {
        Some(position) if position > head => Err(refused(name, "is beyond the head of the log")),
        _ => Ok(()),
    }
}

/// 400 for one parameter.
fn refused(name: &str, message: &'static str) -> ApiError {
    ApiError::invalid_query(&Issues::one(name, message))
}
