//! The two limits on requests and what is counted of them. One [`Limiter`] serves every gate of a
//! process, so a key's window is one window wherever in the process its requests arrive.

mod gossip;
mod quota;
mod usage;

use std::sync::{Arc, Mutex, mpsc as std_mpsc};
use std::time::Duration;

use chrono::{NaiveTime, TimeDelta};
use domain::time::Timestamp;
use metrics::{Counter, counter};
use runtime::clock::{Boottime, Clock};
use runtime::lifecycle::{TaskKind, Tasks};
use sqlx::PgPool;
use tokio::sync::{Notify, Semaphore, mpsc};

use crate::admission::{Denial, Policy, Rate, RateLimited, Standing};
use crate::brake::Brake;
use crate::core::entry::Entry;
use crate::core::quota::Day;
use crate::core::registry::{Credential, Registry};
use crate::core::window::Taken;
use crate::hold::Hold;
use crate::metrics as names;

/// First uses that wait to be flushed; beyond, the minute's flush brings them.
const FIRST_USES: usize = 1_024;
/// Blocks fetched ahead of need at once.
const PREFETCHES: usize = 16;
/// Keys used between two ticks that are noted one by one; beyond, all of them are looked through.
const NOTED: usize = 8_192;
/// How long a process's first requests wait until it knows whether there are others.
const JUDGED_WITHIN: Duration = Duration::from_secs(1);
/// Locks that keep two requests of an org from asking for the same block.
const STRIPES: usize = 64;

/// Counts and limits requests; cheap to clone.
#[derive(Clone)]
pub struct Limiter(Arc<Inner>);

struct Inner {
    registry: Arc<Registry>,
    brake: Brake,
    hold: Arc<Hold>,
    clock: Clock,
    pool: PgPool,
    tasks: Tasks,
    stripes: [tokio::sync::Mutex<()>; STRIPES],
    prefetches: Arc<Semaphore>,
    first_uses: mpsc::Sender<Arc<Credential>>,
    /// What other processes are to be told of.
    noted: std_mpsc::SyncSender<Arc<Credential>>,
    /// The other end, until a gate joins them.
    unjoined: Mutex<Option<gossip::Noted>>,
    /// It was found out how this process stands with the others.
    judged: Notify,
    /// Others should be told before the next tick.
    urgent: Notify,
    blocks: Blocks,
}

/// What became of requests for blocks.
struct Blocks {
    granted: Counter,
    spent: Counter,
    failed: Counter,
}

/// When a request is judged.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Moment {
    pub boot: Boottime,
    pub wall: Timestamp,
}

impl Moment {
    pub fn read(clock: &Clock) -> Self {
        Self {
            boot: clock.boottime(),
            wall: Timestamp::from_datetime(clock.now()),
        }
    }
}

impl Limiter {
    /// Starts the task that flushes usage, frees what is idle, and gives unused quota back when
    /// `tasks` stop: they must stop after whatever takes requests.
    pub fn start(pool: PgPool, clock: Clock, tasks: &Tasks) -> Self {
        let (first_uses, receiver) = mpsc::channel(FIRST_USES);
        let (noted, unjoined) = std_mpsc::sync_channel(NOTED);
        let outcome = |name: &'static str| counter!(names::BLOCKS, "outcome" => name);
        let limiter = Self(Arc::new(Inner {
            registry: Arc::default(),
            brake: Brake::new(clock.clone()),
            hold: Arc::new(Hold::new(clock.clone())),
            clock,
            pool,
            tasks: tasks.clone(),
            stripes: std::array::from_fn(|_| tokio::sync::Mutex::default()),
            prefetches: Arc::new(Semaphore::new(PREFETCHES)),
            first_uses,
            noted,
            unjoined: Mutex::new(Some(unjoined)),
            judged: Notify::new(),
            urgent: Notify::new(),
            blocks: Blocks {
                granted: outcome("granted"),
                spent: outcome("spent"),
                failed: outcome("failed"),
            },
        }));
        let keeper = limiter.clone().keep(receiver);
        tasks.spawn(TaskKind::Critical, "gate usage", keeper);
        limiter
    }

    pub(crate) fn registry(&self) -> &Arc<Registry> {
        &self.0.registry
    }

    /// One for all gates of the process, as is all that counts here.
    pub(crate) fn brake(&self) -> &Brake {
        &self.0.brake
    }

    /// What this process knows of settled denials, for its coordinator.
    pub fn hold(&self) -> &Arc<Hold> {
        &self.0.hold
    }

    pub(crate) fn clock(&self) -> &Clock {
        &self.0.clock
    }

    /// Steps 2 and 3 of the order of checks: the window, then the org's day.
    pub(crate) async fn admit(&self, entry: &Entry, mut at: Moment) -> Result<Rate, Denial> {
        let limit = entry.per_minute();
        if !self.0.registry.fleet().is_known() {
            // Apart, so that other requests do not carry its future.
            Box::pin(self.until_judged()).await;
            at = Moment::read(&self.0.clock);
        }
        let (per_day, wall) = (entry.per_day(), at.wall);
        // What the day may yet refuse is counted once it has answered.
        let taken = self.take_minute(entry, limit, at, per_day.is_some());
        let minute = Standing {
            policy: if entry.is_session() {
                Policy::SessionMinute
            } else {
                Policy::KeyMinute
            },
            limit: u64::from(limit),
            remaining: u64::from(taken.remaining),
            reset_seconds: taken.reset_seconds(),
        };
        let Some(limit) = per_day else {
            return settle(taken.admitted, minute, Rate { minute, day: None });
        };
        let allowance = &entry.org().allowance;
        let mut day = Standing {
            policy: Policy::OrgDay,
            limit,
            remaining: 0,
            reset_seconds: day_ends_in(allowance.ends_in(at.boot), at.wall),
        };
        if !taken.admitted {
            day.remaining = allowance.remaining(limit, at.boot).unwrap_or(0);
            return settle(
                false,
                minute,
                Rate {
                    minute,
                    day: Some(day),
                },
            );
        }
        let answer = match allowance.take(limit, at.boot) {
            // Apart, so that other requests do not carry its future.
            Day::Ask => Box::pin(self.reserve_and_take(entry.org(), limit)).await,
            answer => answer,
        };
        match answer {
            Day::Admitted { remaining, fetch } => {
                self.count(entry, wall, true);
                if fetch {
                    self.prefetch(entry.org(), limit);
                }
                day.remaining = remaining;
                Ok(Rate {
                    minute,
                    day: Some(day),
                })
            }
            Day::Spent => {
                self.count(entry, wall, false);
                settle(
                    false,
                    day,
                    Rate {
                        minute,
                        day: Some(day),
                    },
                )
            }
            Day::Unavailable | Day::Ask => Err(Denial::VerificationUnavailable),
        }
    }

    /// Waits until it is known whether other processes admit the same keys: a moment, unless the
    /// primary is away. Who does not know has half.
    async fn until_judged(&self) {
        let judged = async {
            loop {
                let judged = self.0.judged.notified();
                if self.0.registry.fleet().is_known() {
                    return;
                }
                judged.await;
            }
        };
        let _ = self.0.clock.timeout(JUDGED_WITHIN, judged).await;
    }

    fn take_minute(&self, entry: &Entry, limit: u32, at: Moment, has_day: bool) -> Taken {
        let credential = entry.credential(&self.0.registry);
        let fleet = self.0.registry.fleet();
        let part = fleet.part(at.boot);
        let (taken, news, is_first) = {
            let mut state = credential.state();
            let (taken, news) = state.take(at.boot, limit, part);
            let is_decided = !(taken.admitted && has_day);
            let is_first = is_decided && state.usage.count(at.wall, taken.admitted);
            (taken, news, is_first)
        };
        if news.is_first && self.0.noted.try_send(Arc::clone(credential)).is_err() {
            fleet.could_not_note();
        }
        if news.is_urgent {
            self.0.urgent.notify_one();
        }
        if is_first {
            self.note_first(credential);
        }
        taken
    }

    fn count(&self, entry: &Entry, at: Timestamp, admitted: bool) {
        let credential = entry.credential(&self.0.registry);
        if credential.state().usage.count(at, admitted) {
            self.note_first(credential);
        }
    }

    /// Full: the next flush brings it.
    fn note_first(&self, credential: &Arc<Credential>) {
        let _ = self.0.first_uses.try_send(Arc::clone(credential));
    }
}

/// Ends well if `admitted`, else names the limit that refused.
fn settle(admitted: bool, by: Standing, rate: Rate) -> Result<Rate, Denial> {
    if admitted {
        return Ok(rate);
    }
    Err(Denial::RateLimited(RateLimited {
        policy: by.policy,
        limit: by.limit,
        retry_after_seconds: by.reset_seconds.max(1),
        rate,
    }))
}

/// Whole seconds until the day ends: Postgres's day if it named one, else the host's.
fn day_ends_in(known: Option<Duration>, now: Timestamp) -> u32 {
    let left = known.unwrap_or_else(|| {
        let midnight = (now.date() + TimeDelta::days(1)).and_time(NaiveTime::MIN);
        (midnight.and_utc() - now.datetime())
            .to_std()
            .unwrap_or_default()
    });
    let seconds = left.as_millis().div_ceil(1_000);
    u32::try_from(seconds).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn the_day_ends_at_midnight_of_postgres_or_else_of_the_host() {
        let now = Timestamp::parse("2026-01-05T23:00:00.5Z").unwrap();
        assert_eq!(day_ends_in(None, now), 3_600);
        assert_eq!(day_ends_in(Some(Duration::from_millis(1_001)), now), 2);
    }
}
