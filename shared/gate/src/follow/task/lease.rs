//! R1, R2 and R5: the statements of the lease, one at a time on a connection of their own.

use std::time::Duration;

use domain::ids::IncarnationId;
use futures_util::future::BoxFuture;
use metrics::counter;
use runtime::clock::Monotonic;
use runtime::telemetry::chain;

use super::{Driver, Missing};
use crate::core::follower::{Registration, Statement};
use crate::core::replica::{Renewal, Renewed};
use crate::metrics as names;
use crate::store::{Answer, LeaseLine, StoreError};

/// The renewal period T_r, and by how much it varies (revocation.md 3).
pub const PERIOD: Duration = Duration::from_millis(400);
const PERIOD_JITTER: f64 = 0.2;
/// After a renewal that failed while the lease runs.
const RETRY: Duration = Duration::from_millis(50);
/// A renewal that found nobody knowing yet who else is there is followed by the next so soon.
const KNOWN_SOON: Duration = Duration::from_millis(50);
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
    Registered(Registration, Result<bool, StoreError>),
    Renewed(Renewal, Result<Option<Answer>, StoreError>),
    Left(IncarnationId, Result<(), StoreError>),
}

impl Driver {
    /// Time for the lease's next statement.
    pub(super) fn beat(&mut self) {
        let Line::Rests(line, _) = std::mem::replace(&mut self.line, Line::Nowhere) else {
            return;
        };
        self.observe();
        self.collect();
        #[cfg(not(feature = "mutants"))]
        let fresh = IncarnationId::from_uuid(self.parts.replica.entropy.uuid_v4());
        #[cfg(feature = "mutants")]
        let fresh = super::mutants::incarnation(&self.parts);
        let now = self.fence_point();
        self.line = match self.parts.core.statement(now, fresh) {
            None => Line::Rests(line, self.parts.clock.monotonic() + PERIOD),
            Some(Statement::Leave(incarnation)) => leave(line, incarnation),
            Some(Statement::Renew(renewal)) => renew(line, renewal),
            Some(Statement::Register(registration)) => self.register(line, registration),
        };
    }

    fn register(&self, mut line: Box<LeaseLine>, made: Registration) -> Line {
        let (name, term) = (self.parts.config.name.clone(), self.parts.config.term);
        Line::Works(Box::pin(async move {
            let answer = line.register(&made, &name, term).await;
            (line, Done::Registered(made, answer))
        }))
    }

    pub(super) fn finish(&mut self, line: Box<LeaseLine>, done: Done) {
        let entropy = &self.parts.replica.entropy;
        let period = entropy.jitter(PERIOD, PERIOD_JITTER);
        let now = self.parts.clock.monotonic();
        let (next, outcome) = match done {
            Done::Registered(made, Ok(true)) => {
                if self.parts.core.registered(&made) {
                    self.parts.registry.fleet().register(Some(made.incarnation));
                }
                (now, "registered")
            }
            Done::Registered(_, Ok(false)) => {
                let seconds = self.parts.config.term.as_millis().div_ceil(1_000);
                tracing::error!(
                    lease.term_ms = self.parts.config.term.as_millis(),
                    "the lease term is longer than is allowed, so every request is verified: \
                     run `trackagoat leases allow {seconds}`, or set a shorter term"
                );
                self.parts.ready.send_replace(true);
                (now + REGISTER_AGAIN, "refused")
            }
            Done::Registered(made, Err(error)) => {
                self.parts.core.unregistered(&made);
                self.complain(&error);
                (now + period, "failed")
            }
            Done::Renewed(renewal, Ok(answer)) => self.renewed(&renewal, answer, now + period),
            Done::Renewed(_, Err(error)) => {
                self.complain(&error);
                (now + self.pause_after_failure(period), "failed")
            }
            Done::Left(incarnation, Ok(())) => {
                self.parts.registry.fleet().leave(incarnation);
                (now, "left")
            }
            Done::Left(incarnation, Err(error)) => {
                self.parts.core.not_left(incarnation);
                self.complain(&error);
                (now + period, "failed")
            }
        };
        counter!(names::RENEWALS, "outcome" => outcome).increment(1);
        self.line = Line::Rests(line, next);
    }

    /// While a lease runs a failure costs none of its time; without one, replicas come back apart.
    fn pause_after_failure(&self, period: Duration) -> Duration {
        let is_leased = self.parts.core.deadlines().cover(self.fence_point());
        if is_leased { RETRY } else { period }
    }

    fn renewed(
        &mut self,
        renewal: &Renewal,
        answer: Option<Answer>,
        next: Monotonic,
    ) -> (Monotonic, &'static str) {
        if let Some(answer) = answer {
            self.longest_term = answer.longest_term;
            let head = answer.head;
            self.see(head.epoch, head.auth_position, answer.settled);
        }
        let head = answer.map(|answer| answer.head);
        let now = self.fence_point();
        match self.parts.core.renewed(renewal, head, now) {
            Renewed::Extend(_) => (self.extended(next), "extended"),
            Renewed::CatchUp(_) => {
                self.read_soon(Missing::Behind);
                (next, "behind")
            }
            Renewed::Register => {
                tracing::warn!("the lease was collected: registering anew");
                (self.parts.clock.monotonic(), "collected")
            }
            Renewed::Reload => {
                tracing::warn!("the log is another one: dropping everything");
                self.load_for = "other_log";
                (next, "other_log")
            }
            Renewed::Ignore => (next, "ignored"),
        }
    }

    /// It may serve, once it is known besides who admits the same keys; until then it looks again
    /// before the next renewal would be due.
    fn extended(&self, next: Monotonic) -> Monotonic {
        if self.parts.registry.fleet().is_known() {
            self.parts.ready.send_replace(true);
            return next;
        }
        next.min(self.parts.clock.monotonic() + KNOWN_SOON)
    }

    /// The next statement of the lease is due at `at`, unless one is under way.
    pub(super) fn beat_at(&mut self, at: Monotonic) {
        if let Line::Rests(_, next) = &mut self.line {
            *next = at.min(*next);
        }
    }

    /// R5 LEAVE: refuse first, then delete the row (pitfall 10).
    pub(super) async fn leave(mut self) {
        let mut rows = self.parts.core.leave();
        let mut line = match self.line {
            Line::Rests(line, _) => line,
            Line::Works(work) => {
                let (line, done) = work.await;
                if let Done::Registered(made, ..) = done {
                    rows.push(made.incarnation);
                }
                line
            }
            Line::Nowhere => return,
        };
        for incarnation in rows {
            if let Err(error) = line.leave(incarnation).await {
                // Whoever revokes waits until its lease has run out.
                tracing::warn!(error = %chain(&error), "the lease's row was not deleted");
            }
        }
    }

    /// What only people look at.
    pub(super) fn observe(&self) {
        let leased = self.parts.core.deadlines().cover(self.fence_point());
        self.gauges.leased.set(f64::from(u8::from(leased)));
        let cache = self.parts.core.trusted().cache();
        #[expect(clippy::cast_precision_loss, reason = "a gauge is a float")]
        {
            self.gauges.entries.set(cache.count() as f64);
            self.gauges.tombs.set(self.parts.registry.tombs() as f64);
        }
    }

    fn complain(&self, error: &StoreError) {
        let leased = self.parts.core.deadlines().cover(self.fence_point());
        if leased {
            tracing::debug!(error = %chain(error), "the lease could not be renewed");
        } else {
            tracing::warn!(error = %chain(error), "no lease: every request is verified");
        }
    }
}

fn leave(mut line: Box<LeaseLine>, incarnation: IncarnationId) -> Line {
    Line::Works(Box::pin(async move {
        let left = line.leave(incarnation).await;
        (line, Done::Left(incarnation, left))
    }))
}

fn renew(mut line: Box<LeaseLine>, renewal: Renewal) -> Line {
    Line::Works(Box::pin(async move {
        let answer = line.renew(&renewal).await;
        (line, Done::Renewed(renewal, answer))
    }))
}
