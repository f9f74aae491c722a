//! The handle that answers every request.

use std::net::IpAddr;
use std::sync::Arc;

use chrono::TimeDelta;
use domain::credential::CredentialHash;
use domain::ids::GlobalPosition;
use domain::time::Timestamp;
use event_log::EventLog;
use http::HeaderMap;
use runtime::clock::Clock;
use runtime::entropy::Entropy;
use runtime::lifecycle::Tasks;
use sqlx::PgPool;
use tokio::sync::watch;

use crate::admission::{Admission, Denial};
use crate::core::clocks::FencePoint;
use crate::core::decision::{Verdict, decide};
use crate::core::entry::{Entry, EntryRef, Refused, Status};
use crate::core::stamp::Generation;
use crate::follow::{self, Offer, ReplicaConfig, Trusted};
use crate::limiter::{Limiter, Moment};
use crate::metrics::Decisions;
use crate::presented::presented;
use crate::verifier::{Unavailable, Verifier, VerifyConfig};

/// Keys that end so soon say so on every answer.
const SOON: TimeDelta = TimeDelta::days(7);

/// Decides about requests; cheap to clone.
#[derive(Clone)]
pub struct Gate(Arc<Inner>);

struct Inner {
    clock: Clock,
    limiter: Limiter,
    verifier: Verifier,
    mode: Mode,
    decisions: Decisions,
}

enum Mode {
    /// A query service: its own cache while the lease lasts.
    Cached(Arc<Trusted>),
    /// A command service: the primary, for every request.
    VerifyAlways,
}

/// What a replica needs beside its limiter.
pub struct ReplicaParts {
    /// The primary.
    pub primary: PgPool,
    /// The log, for auth events.
    pub log: EventLog,
    /// NATS, for acknowledgements and a quicker feed; without it revocations take up to 0.6 s.
    pub nats: Option<async_nats::Client>,
    /// Where incarnations and jitter come from.
    pub entropy: Entropy,
}

/// A request's decision so far.
enum Known {
    Allowed(EntryRef),
    Denied(Denial),
    /// Only the primary can tell.
    Ask,
}

impl Gate {
    /// For a query service. Starts the tasks that load, follow the log and keep the lease; they
    /// must stop after whatever takes requests. Until the load is done every request is verified.
    /// A limiter may serve one such gate and any number of those that verify always.
    pub fn cached(
        limiter: Limiter,
        parts: ReplicaParts,
        verify: VerifyConfig,
        config: &ReplicaConfig,
        tasks: &Tasks,
    ) -> Self {
        let clock = limiter.clock().clone();
        let verifier = Verifier::new(parts.primary.clone(), clock.clone(), verify);
        let registry = Arc::clone(limiter.registry());
        let trusted = follow::start(registry, parts, config, &clock, tasks);
        Self::new(limiter, verifier, Mode::Cached(trusted))
    }

    /// For a command service: no cache and no lease.
    pub fn verify_always(limiter: Limiter, primary: PgPool, verify: VerifyConfig) -> Self {
        let verifier = Verifier::new(primary, limiter.clock().clone(), verify);
        Self::new(limiter, verifier, Mode::VerifyAlways)
    }

    fn new(limiter: Limiter, verifier: Verifier, mode: Mode) -> Self {
        Self(Arc::new(Inner {
            clock: limiter.clock().clone(),
            limiter,
            verifier,
            mode,
            decisions: Decisions::new(),
        }))
    }

    /// Becomes true once the gate answers as it always will: a replica has loaded every credential
    /// and had its first lease, or knows that it will get none.
    pub fn ready(&self) -> watch::Receiver<bool> {
        match &self.0.mode {
            Mode::Cached(trusted) => trusted.ready(),
            Mode::VerifyAlways => watch::Sender::new(true).subscribe(),
        }
    }

    /// Up to where every auth event is known here. A request that needs more is answered by
    /// [`authorize_strictly`](Self::authorize_strictly), which always knows everything.
    pub fn applied(&self) -> GlobalPosition {
        match &self.0.mode {
            Mode::Cached(trusted) => trusted.applied(),
            Mode::VerifyAlways => GlobalPosition::new(u64::MAX),
        }
    }

    /// Steps 1 to 3 of the order of checks (v1-contract.md 4): authenticate, window, day. To be
    /// called once the headers are complete, for every request anew (pitfall 16).
    pub async fn authorize(&self, headers: &HeaderMap, peer: IpAddr) -> Result<Admission, Denial> {
        self.answer(headers, peer, false).await
    }

    /// The same, with the credential checked on the primary whatever is cached (revocation.md 5.6).
    pub async fn authorize_strictly(
        &self,
        headers: &HeaderMap,
        peer: IpAddr,
    ) -> Result<Admission, Denial> {
        self.answer(headers, peer, true).await
    }

    async fn answer(
        &self,
        headers: &HeaderMap,
        peer: IpAddr,
        strictly: bool,
    ) -> Result<Admission, Denial> {
        let answer = self.decide(headers, peer, strictly).await;
        if let Err(denial) = &answer {
            self.0.decisions.count(denial);
        }
        answer
    }

    async fn decide(
        &self,
        headers: &HeaderMap,
        peer: IpAddr,
        strictly: bool,
    ) -> Result<Admission, Denial> {
        let hash = presented(headers)?;
        let at = Moment::read(&self.0.clock);
        let known = match &self.0.mode {
            Mode::Cached(trusted) if !strictly => self.look_up(trusted, &hash, peer, at.wall),
            Mode::Cached(_) | Mode::VerifyAlways => Known::Ask,
        };
        let (entry, at) = match known {
            Known::Allowed(entry) => {
                self.0.decisions.cached.increment(1);
                (entry, at)
            }
            Known::Denied(denial) => return Err(denial),
            Known::Ask => {
                // Apart, so that requests answered from the cache do not carry its future.
                let entry = Box::pin(self.verify(&hash, peer)).await?;
                self.0.decisions.verified.increment(1);
                (entry, Moment::read(&self.0.clock))
            }
        };
        let rate = self.0.limiter.admit(&entry, at).await?;
        let is_soon = |end: &(Timestamp, bool)| end.1 || end.0 < at.wall.plus(SOON);
        Ok(Admission {
            principal: entry.principal(),
            known_at: entry.stamp().position(),
            rate,
            key_expires_at: entry
                .end()
                .filter(|_| !entry.is_session())
                .filter(is_soon)
                .map(|end| end.0),
        })
    }

    /// R4, as far as it goes without the primary. The order of the reads is the protocol: first
    /// the deadlines, then cache and tombstones, last the clocks.
    fn look_up(
        &self,
        trusted: &Trusted,
        hash: &CredentialHash,
        peer: IpAddr,
        now: Timestamp,
    ) -> Known {
        let lease = trusted.lease().deadlines();
        let Some(entry) = trusted.get(hash) else {
            return if trusted.is_refused(hash) {
                Known::Denied(Denial::Invalid)
            } else {
                Known::Ask
            };
        };
        let facts = entry.facts(self.0.limiter.registry());
        let floor = trusted.lease().floor();
        let fence = FencePoint {
            boot: self.0.clock.boottime(),
            raw: self.0.clock.raw(),
        };
        match decide(&facts, floor, lease, fence) {
            Verdict::Accept => match entry.judge(peer, now) {
                Ok(()) => Known::Allowed(entry),
                Err(refused) => Known::Denied(refused.into()),
            },
            Verdict::DenyCredential => {
                trusted.offer(Offer::Ended {
                    hash: *hash,
                    stamp: facts.stamp,
                });
                Known::Denied(Denial::Invalid)
            }
            Verdict::DenyOrg => {
                let refused = entry
                    .judge(peer, now)
                    .err()
                    .unwrap_or(Refused::OrgSuspended);
                Known::Denied(refused.into())
            }
            Verdict::Verify => Known::Ask,
        }
    }

    /// VERIFY, and what it found is offered to the apply task.
    async fn verify(&self, hash: &CredentialHash, peer: IpAddr) -> Result<EntryRef, Denial> {
        // Read before the statement begins: its answer may be cached only if nothing was dropped
        // in between.
        let known = match &self.0.mode {
            Mode::Cached(trusted) => Some((trusted, trusted.current())),
            Mode::VerifyAlways => None,
        };
        let verified = self.0.verifier.verify(hash).await?;
        let cacheable = known.and_then(|(trusted, (generation, epoch))| {
            if epoch == Some(verified.epoch) {
                return Some((trusted, generation.at(verified.auth_position)));
            }
            if epoch.is_some() {
                trusted.offer(Offer::OtherEpoch { than: generation });
            }
            None
        });
        self.0.limiter.registry().read_from(verified.epoch);
        let Some((row, org)) = verified.rows else {
            if let Some((trusted, stamp)) = cacheable {
                trusted.offer(Offer::Ended { hash: *hash, stamp });
            }
            return Err(Denial::Invalid);
        };
        if let Err(refused) = row.judge(&org, peer, self.now()) {
            if let Some((trusted, stamp)) = cacheable.filter(|_| row.status == Status::Ended) {
                trusted.offer(Offer::Ended { hash: *hash, stamp });
            }
            return Err(refused.into());
        }
        let uncached = || Generation::NONE.at(verified.auth_position);
        let stamp = cacheable.map_or_else(uncached, |(_, stamp)| stamp);
        let entry = EntryRef::new(Entry::new(row, &org, stamp, self.0.limiter.registry()));
        if let Some((trusted, _)) = cacheable {
            trusted.offer(Offer::Allowed {
                hash: *hash,
                entry: EntryRef::clone(&entry),
            });
        }
        Ok(entry)
    }

    fn now(&self) -> Timestamp {
        Timestamp::from_datetime(self.0.clock.now())
    }
}

impl From<Refused> for Denial {
    fn from(refused: Refused) -> Self {
        match refused {
            Refused::Ended => Self::Invalid,
            Refused::Address => Self::AddressNotAllowed,
            Refused::OrgSuspended => Self::OrgSuspended,
            Refused::OwnerBanned => Self::UserSuspended,
        }
    }
}

impl From<Unavailable> for Denial {
    fn from(_: Unavailable) -> Self {
        Self::VerificationUnavailable
    }
}
