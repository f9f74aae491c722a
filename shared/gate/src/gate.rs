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
use crate::brake::Guess;
use crate::coordinator::Coordinator;
use crate::core::entry::{EntryRef, Refused};
use crate::core::hold::RestsOn;
use crate::core::lookup::{self, Denied, Known, look_up};
use crate::core::usage::Purpose;
use crate::drill::{self, Point};
use crate::follow::{self, Live, ReplicaConfig};
use crate::hold::Hold;
use crate::limiter::{Limiter, Moment};
use crate::metrics::Decisions;
use crate::presented::presented;
use crate::reads::{LiveReads, fence_point};
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
    hold: Arc<Hold>,
    mode: Mode,
    decisions: Decisions,
}

enum Mode {
    /// A query service: its own cache while the lease lasts.
    Cached(Live),
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
        let verifier = Verifier::new(parts.primary.clone(), tasks.clone(), clock.clone(), verify);
        let registry = Arc::clone(limiter.registry());
        let hold = Arc::clone(limiter.hold());
        limiter.join(parts.nats.clone(), &parts.entropy);
        let live = follow::start(registry, Arc::clone(&hold), parts, config, &clock, tasks);
        limiter.brake().trust(Arc::clone(&live.trusted));
        Self::new(limiter, verifier, hold, Mode::Cached(live))
    }

    /// For a command service: no cache and no lease. Its coordinator tells what is settled.
    pub fn verify_always(
        limiter: Limiter,
        primary: PgPool,
        coordinator: &Coordinator,
        verify: VerifyConfig,
    ) -> Self {
        let tasks = coordinator.tasks().clone();
        let verifier = Verifier::new(primary, tasks, limiter.clock().clone(), verify);
        let hold = Arc::clone(coordinator.hold());
        limiter.join(coordinator.nats().cloned(), &Entropy::os());
        Self::new(limiter, verifier, hold, Mode::VerifyAlways)
    }

    fn new(limiter: Limiter, verifier: Verifier, hold: Arc<Hold>, mode: Mode) -> Self {
        Self(Arc::new(Inner {
            clock: limiter.clock().clone(),
            limiter,
            verifier,
            hold,
            mode,
            decisions: Decisions::new(),
        }))
    }

    /// Becomes true once the gate answers as it always will: a replica has loaded every credential
    /// and had its first lease, or knows that it will get none.
    pub fn ready(&self) -> watch::Receiver<bool> {
        match &self.0.mode {
            Mode::Cached(live) => live.ready(),
            Mode::VerifyAlways => watch::Sender::new(true).subscribe(),
        }
    }

    /// Up to where every auth event is known here. A request that needs more is answered by
    /// [`authorize_strictly`](Self::authorize_strictly), which always knows everything.
    pub fn applied(&self) -> GlobalPosition {
        match &self.0.mode {
            Mode::Cached(live) => live.trusted.applied(),
            Mode::VerifyAlways => GlobalPosition::new(u64::MAX),
        }
    }

    /// Tells whenever more auth events are applied here, and up to where.
    pub fn applied_changes(&self) -> watch::Receiver<GlobalPosition> {
        match &self.0.mode {
            Mode::Cached(live) => live.applied(),
            Mode::VerifyAlways => watch::Sender::new(self.applied()).subscribe(),
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
            self.0.decisions.count(denial, || self.is_fenced());
        }
        answer
    }

    async fn decide(
        &self,
        headers: &HeaderMap,
        peer: IpAddr,
        strictly: bool,
    ) -> Result<Admission, Denial> {
        let hash = self.presented(headers)?;
        let at = Moment::read(&self.0.clock);
        let known = self.known(&hash, peer, strictly, at.wall);
        // Apart, so that requests answered from the cache do not carry these futures.
        let cached = match known {
            Known::Allowed(entry) => Some(entry),
            Known::Denied(denied) | Known::Ended(denied, _) => {
                Box::pin(self.refuse(denied)).await?;
                None
            }
            Known::Ask => None,
        };
        let (entry, at) = if let Some(entry) = cached {
            self.0.decisions.cached.increment(1);
            (entry, at)
        } else {
            let entry = Box::pin(self.verify(&hash, peer)).await?;
            let decisions = &self.0.decisions;
            let verified = if self.is_fenced() {
                &decisions.verified_without_lease
            } else {
                &decisions.verified
            };
            verified.increment(1);
            (entry, Moment::read(&self.0.clock))
        };
        let rate = self.0.limiter.admit(&entry, at).await?;
        drill::reach(Point::Decided, &hash);
        let is_soon = |end: &(Timestamp, bool)| end.1 || end.0 < at.wall.plus(SOON);
        Ok(Admission {
            principal: entry.principal(),
            known_at: entry.stamp().position(),
            narrowed_at: entry.narrowed_at(),
            rate,
            key_expires_at: entry
                .end()
                .filter(|_| !entry.is_session())
                .filter(is_soon)
                .map(|end| end.0),
            at: at.wall,
            entry,
        })
    }

    /// Whether a password or a one-time token from `peer` may be looked at: guesses of those count
    /// with guesses of credentials.
    ///
    /// # Errors
    /// [`Denial::VerificationUnavailable`], before anything was looked up.
    pub fn guess(&self, peer: IpAddr) -> Result<Guess<'_>, Denial> {
        self.0.limiter.brake().guess(peer)
    }

    /// Counts what an admitted request was for, once its route is known.
    pub fn count(&self, admission: &Admission, purpose: Purpose) {
        let credential = admission.entry.credential(self.0.limiter.registry());
        credential.state().usage.call(purpose, admission.at);
    }

    /// What is known of a credential without the primary; strictly nothing is.
    pub(crate) fn known(
        &self,
        hash: &CredentialHash,
        peer: IpAddr,
        strictly: bool,
        now: Timestamp,
    ) -> Known {
        match &self.0.mode {
            Mode::Cached(live) if !strictly => self.look_up(live, hash, peer, now),
            Mode::Cached(_) | Mode::VerifyAlways => Known::Ask,
        }
    }

    /// R4, as far as it goes without the primary.
    fn look_up(&self, live: &Live, hash: &CredentialHash, peer: IpAddr, now: Timestamp) -> Known {
        let mut reads = LiveReads {
            trusted: &live.trusted,
            registry: self.0.limiter.registry(),
            clock: &self.0.clock,
            hash,
        };
        match look_up(&mut reads, hash, peer, now) {
            Known::Ended(denied, offer) => {
                live.offer(offer);
                Known::Denied(denied)
            }
            known => known,
        }
    }

    /// What is no credential at all is refused at no cost, and only counted.
    pub(crate) fn presented(&self, headers: &HeaderMap) -> Result<CredentialHash, Denial> {
        presented(headers).inspect_err(|denial| {
            if *denial == Denial::Invalid {
                self.0.limiter.brake().malformed();
            }
        })
    }

    /// VERIFY, unless the brake forbids it; what it found is offered to the apply task.
    pub(crate) async fn verify(
        &self,
        hash: &CredentialHash,
        peer: IpAddr,
    ) -> Result<EntryRef, Denial> {
        let live = match &self.0.mode {
            Mode::Cached(live) => Some(live),
            Mode::VerifyAlways => None,
        };
        let brake = self.0.limiter.brake();
        let look_up = brake.ask(peer, hash)?;
        let known = live.map(|live| live.trusted.current());
        let answer = match self.0.verifier.verify(hash).await {
            Ok(answer) => answer,
            Err(unavailable) => {
                look_up.unanswered();
                return Err(unavailable.into());
            }
        };
        let (hold, verified) = (&self.0.hold, answer.verified);
        hold.see(verified.epoch, verified.auth_position, answer.longest_term);
        hold.settle(verified.epoch, verified.settled);
        let registry = self.0.limiter.registry();
        let judged = lookup::judge(verified, known, hash, peer, self.now(), registry);
        if let (Some(live), Some(offer)) = (live, judged.offer) {
            live.offer(offer);
        }
        match judged.decision {
            Ok(entry) => {
                look_up.found();
                Ok(entry)
            }
            Err(denied) => {
                let denial = self.tell(denied).await;
                brake.denied(look_up, hash, &denial);
                Err(denial)
            }
        }
    }

    /// Tells a denial that the cache knows of. What is not known to hold everywhere is asked of the
    /// primary if there is no lease: without renewals nobody else says what is settled.
    pub(crate) async fn refuse(&self, denied: Denied) -> Result<(), Denial> {
        match self.tell(denied).await {
            Denial::RevocationInProgress if !self.is_leased() => Ok(()),
            denial => Err(denial),
        }
    }

    /// A replica that trusts nothing it has; a command service is none.
    fn is_fenced(&self) -> bool {
        matches!(self.0.mode, Mode::Cached(_)) && !self.is_leased()
    }

    fn is_leased(&self) -> bool {
        match &self.0.mode {
            Mode::Cached(live) => {
                let deadlines = live.trusted.lease().deadlines();
                deadlines.cover(fence_point(&self.0.clock))
            }
            Mode::VerifyAlways => false,
        }
    }

    /// What may be told of a denial by now.
    async fn tell(&self, denied: Denied) -> Denial {
        match self.pass(denied.rests_on).await {
            Ok(()) => denied.why.into(),
            Err(in_progress) => in_progress,
        }
    }

    pub(crate) async fn pass(&self, rests_on: Option<RestsOn>) -> Result<(), Denial> {
        match rests_on {
            Some(rests_on) if self.0.hold.pass(rests_on).await.is_err() => {
                Err(Denial::RevocationInProgress)
            }
            _ => Ok(()),
        }
    }

    /// To be asked before a caller who was admitted is told that a scope is missing: it may have
    /// been taken away a moment ago.
    ///
    /// # Errors
    /// [`Denial::RevocationInProgress`], to be answered instead.
    pub async fn may_tell(&self, admission: &Admission) -> Result<(), Denial> {
        self.pass(admission.narrowed_at).await
    }

    /// To be asked before a caller who was admitted is told that the log refused them: what the
    /// primary says of them now. Counts for no limit.
    ///
    /// # Errors
    /// What is to be answered instead.
    pub async fn ask_again(&self, headers: &HeaderMap, peer: IpAddr) -> Result<(), Denial> {
        let hash = self.presented(headers)?;
        let entry = self.verify(&hash, peer).await?;
        self.pass(entry.narrowed_at()).await
    }

    pub(crate) fn now(&self) -> Timestamp {
        Timestamp::from_datetime(self.0.clock.now())
    }
}

impl From<Unavailable> for Denial {
    fn from(_: Unavailable) -> Self {
        Self::VerificationUnavailable
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
