//! Fetching blocks of an org's day: one statement at a time for each org.

use std::future::ready;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;
use std::time::Duration;

use chrono::NaiveDate;
use domain::ids::OrgId;
use futures_util::{StreamExt, stream};
use runtime::lifecycle::TaskKind;
use runtime::telemetry::chain;

use super::{Limiter, PREFETCHES, STRIPES};
use crate::core::quota::Day;
use crate::core::registry::Org;
use crate::store::{self, StoreError};

/// How long a request waits for a block.
const DEADLINE: Duration = Duration::from_millis(250);
/// Statements at once when the process stops.
const GIVE_BACK_AT_ONCE: usize = 8;
/// How long all of them may take.
const GIVE_BACK_DEADLINE: Duration = Duration::from_secs(3);

impl Limiter {
    /// Takes a place of a block that is yet to be reserved, by this request or one before it.
    pub(super) async fn reserve_and_take(&self, org: &Arc<Org>, limit: u64) -> Day {
        let clock = &self.0.clock;
        let taken = clock.timeout(DEADLINE, async {
            loop {
                let _turn = self.turn(org.id).await;
                match org.allowance.take(limit, clock.boottime()) {
                    Day::Ask => self.reserve(org, limit).await,
                    answer => return answer,
                }
            }
        });
        taken.await.unwrap_or(Day::Unavailable)
    }

    /// Fetches the next block before it is needed, if there is room for one more fetch.
    pub(super) fn prefetch(&self, org: &Arc<Org>, limit: u64) {
        let Ok(permit) = Arc::clone(&self.0.prefetches).try_acquire_owned() else {
            return org.allowance.not_fetched();
        };
        let (limiter, org) = (self.clone(), Arc::clone(org));
        let fetch = async move {
            let _permit = permit;
            let _turn = limiter.turn(org.id).await;
            if org.allowance.is_low(limiter.0.clock.boottime()) {
                limiter.reserve(&org, limit).await;
            } else {
                org.allowance.not_fetched();
            }
        };
        self.0.tasks.spawn(TaskKind::Request, "gate quota", fetch);
    }

    /// Gives back every block that is not used up. Requests must have ended.
    pub(super) async fn give_all_back(&self) {
        let clock = &self.0.clock;
        if clock
            .timeout(GIVE_BACK_DEADLINE, self.give_each_back())
            .await
            .is_err()
        {
            tracing::warn!("unused quota could not be given back in time");
        }
    }

    async fn give_each_back(&self) {
        // No fetch is under way any more, and none begins.
        let all = u32::try_from(PREFETCHES).expect("a few");
        let _none = self.0.prefetches.acquire_many(all).await;
        let mut give_back = Vec::new();
        for org in self.0.registry.orgs() {
            if let Some((day, left)) = org.allowance.close() {
                give_back.push(self.give_back(org.id, day, left));
            }
        }
        // What does not arrive is lost to the org until midnight, and to nobody else.
        stream::iter(give_back)
            .buffer_unordered(GIVE_BACK_AT_ONCE)
            .for_each(|_| ready(()))
            .await;
    }

    async fn give_back(&self, org: OrgId, day: NaiveDate, left: u64) -> Result<(), StoreError> {
        let mut connection = self.0.pool.acquire().await?;
        store::give_back(&mut connection, org, day, left).await
    }

    async fn turn(&self, org: OrgId) -> tokio::sync::MutexGuard<'_, ()> {
        let mut hasher = DefaultHasher::new();
        org.hash(&mut hasher);
        #[expect(clippy::cast_possible_truncation, reason = "any bits will do")]
        let stripe = hasher.finish() as usize % STRIPES;
        self.0.stripes[stripe].lock().await
    }

    /// Asks Postgres for a block; the caller has the org's turn.
    async fn reserve(&self, org: &Org, limit: u64) {
        let clock = &self.0.clock;
        let sent = clock.boottime();
        let reservation = org.allowance.reserve(limit, sent);
        let asked = async {
            let mut connection = store::connection(&self.0.pool, &self.0.tasks).await?;
            if let Some((day, left)) = reservation.give_back {
                store::give_back(&mut connection, org.id, day, left).await?;
            }
            store::reserve(&mut connection, org.id, reservation.wanted, limit).await
        };
        // Apart, so that requests with a block in hand do not carry it.
        let asked = clock.timeout(DEADLINE, Box::pin(asked));
        match asked.await.map_err(StoreError::from).flatten() {
            Ok(grant) => {
                let blocks = &self.0.blocks;
                let outcome = if grant.granted > 0 {
                    &blocks.granted
                } else {
                    &blocks.spent
                };
                outcome.increment(1);
                org.allowance.granted(limit, sent, &grant);
            }
            Err(error) => {
                self.0.blocks.failed.increment(1);
                tracing::debug!(error = %chain(&error), "no block of quota");
                org.allowance.failed(clock.boottime());
            }
        }
    }
}
