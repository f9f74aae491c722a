//! R1, R2 and R5: the statements of the lease, one at a time on a connection of their own.

use std::time::Duration;

use domain::ids::IncarnationId;
use futures_util::future::BoxFuture;
use metrics::counter;
use runtime::clock::Monotonic;
use runtime::telemetry::chain;

use super::Follower;
use crate::core::replica::{Head, Renewal, Renewed};
use crate::core::stamp::Generation;
use crate::metrics as names;
use crate::store::{LeaseLine, StoreError};

/// The renewal period T_r, and by how much it varies (revocation.md 3).
pub const PERIOD: Duration = Duration::from_millis(400);
const PERIOD_JITTER: f64 = 0.2;
/// After a registration that was refused: only an operator can mend that.
const REGISTER_AGAIN: Duration = Duration::from_secs(5);

/// The lease's connection.
pub enum Line {
    /// At rest, with the time of the next statement.
    Rests(Box<LeaseLine>, Monotonic),
    /// At work.
    Works(BoxFuture<'static, (Box<LeaseLine>, Done)>),
    /// Between the two.
    Nowhere,
}

/// What the lease's connection did.
pub enum Done {
    Registered(IncarnationId, Generation, Result<bool, StoreError>),
    Renewed(Renewal, Result<Option<Head>, StoreError>),
    Left(IncarnationId, Result<(), StoreError>),
}

impl Follower {
    /// Time for the lease's next statement.
    pub(super) fn beat(&mut self) {
        let Line::Rests(mut line, _) = std::mem::replace(&mut self.line, Line::Nowhere) else {
            return;
        };
        self.observe();
        let now = self.fence_point();
        if let Some(incarnation) = self.left_behind.pop() {
            self.line = Line::Works(Box::pin(async move {
                let left = line.leave(incarnation).await;
                (line, Done::Left(incarnation, left))
            }));
        } else if let (true, Some(epoch)) = (self.core.must_register(), self.core.epoch()) {
            let incarnation = IncarnationId::from_uuid(self.entropy.uuid_v4());
            let (name, term) = (self.config.name.clone(), self.config.term);
            let (applied, ack_key) = (self.core.applied(), self.entropy.bytes::<32>());
            let generation = self.core.generation();
            self.line = Line::Works(Box::pin(async move {
                let answer = line
                    .register(incarnation, &name, term, applied, epoch, &ack_key)
                    .await;
                (line, Done::Registered(incarnation, generation, answer))
            }));
        } else if let Some(renewal) = self.core.renew(now) {
            self.line = Line::Works(Box::pin(async move {
                let answer = line.renew(&renewal).await;
                (line, Done::Renewed(renewal, answer))
            }));
        } else {
            self.line = Line::Rests(line, self.clock.monotonic() + PERIOD);
        }
    }

    pub(super) fn finish(&mut self, line: Box<LeaseLine>, done: Done) {
        let period = self.entropy.jitter(PERIOD, PERIOD_JITTER);
        let now = self.clock.monotonic();
        let (next, outcome) = match done {
            Done::Registered(incarnation, generation, Ok(true)) => {
                if !self.core.registered(incarnation, generation) {
                    self.left_behind.push(incarnation);
                }
                (now, "registered")
            }
            Done::Registered(_, _, Ok(false)) => {
                let seconds = self.config.term.as_millis().div_ceil(1_000);
                tracing::error!(
                    lease.term_ms = self.config.term.as_millis(),
                    "the lease term is longer than is allowed, so every request is verified: \
                     run `trackagoat leases allow {seconds}`, or set a shorter term"
                );
                self.trusted.ready.send_replace(true);
                (now + REGISTER_AGAIN, "refused")
            }
            Done::Registered(incarnation, _, Err(error)) => {
                // It may have been committed all the same.
                self.left_behind.push(incarnation);
                self.complain(&error);
                (now + period, "failed")
            }
            Done::Renewed(renewal, Ok(head)) => self.renewed(&renewal, head, now + period),
            Done::Renewed(_, Err(error)) => {
                self.complain(&error);
                (now + period, "failed")
            }
            Done::Left(_, Ok(())) => (now, "left"),
            Done::Left(incarnation, Err(error)) => {
                self.left_behind.insert(0, incarnation);
                self.complain(&error);
                (now + period, "failed")
            }
        };
        counter!(names::RENEWALS, "outcome" => outcome).increment(1);
        self.line = Line::Rests(line, next);
    }

    fn renewed(
        &mut self,
        renewal: &Renewal,
        head: Option<Head>,
        next: Monotonic,
    ) -> (Monotonic, &'static str) {
        match self.core.renewed(renewal, head) {
            Renewed::Extend(deadlines) => {
                self.extend(deadlines);
                (next, "extended")
            }
            Renewed::CatchUp(_) => {
                self.read_soon();
                (next, "behind")
            }
            Renewed::Register => {
                tracing::warn!("the lease was collected: registering anew");
                self.fence();
                (self.clock.monotonic(), "collected")
            }
            Renewed::Reload => {
                tracing::warn!("the log is another one: dropping everything");
                self.drop_everything();
                (next, "other_log")
            }
            Renewed::Ignore => (next, "ignored"),
        }
    }

    /// The next statement of the lease is due at `at`, unless one is under way.
    pub(super) fn beat_at(&mut self, at: Monotonic) {
        if let Line::Rests(_, next) = &mut self.line {
            *next = at.min(*next);
        }
    }

    /// R5 LEAVE: refuse first, then delete the row (pitfall 10).
    pub(super) async fn leave(mut self) {
        self.fence();
        let mut line = match self.line {
            Line::Rests(line, _) => line,
            Line::Works(work) => {
                let (line, done) = work.await;
                if let Done::Registered(incarnation, ..) = done {
                    self.left_behind.push(incarnation);
                }
                line
            }
            Line::Nowhere => return,
        };
        self.left_behind.extend(self.core.incarnation());
        for incarnation in self.left_behind {
            if let Err(error) = line.leave(incarnation).await {
                // Whoever revokes waits until its lease has run out.
                tracing::warn!(error = %chain(&error), "the lease's row was not deleted");
            }
        }
    }

    /// What only people look at.
    fn observe(&self) {
        let leased = self.trusted.lease.deadlines().cover(self.fence_point());
        self.gauges.leased.set(f64::from(u8::from(leased)));
        #[expect(clippy::cast_precision_loss, reason = "a gauge is a float")]
        {
            self.gauges
                .entries
                .set(self.trusted.allowed.entry_count() as f64);
            self.gauges.tombs.set(self.registry.tombs() as f64);
        }
    }

    fn complain(&self, error: &StoreError) {
        let leased = self.trusted.lease.deadlines().cover(self.fence_point());
        if leased {
            tracing::debug!(error = %chain(error), "the lease could not be renewed");
        } else {
            tracing::warn!(error = %chain(error), "no lease: every request is verified");
        }
    }
}
