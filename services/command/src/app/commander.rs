//! decide -> append -> fold, and the barrier of what took access away.

use std::sync::Arc;

use domain::credential::CredentialSecret;
use domain::ids::{GlobalPosition, OrgId, SessionId, StreamVersion};
use domain::limits::DECIDE_ATTEMPTS;
use domain::org::{
    Caller, Command, Context, Decision, OrgState, Outcome, Rejection, SubjectKeys, decide,
};
use domain::time::Timestamp;
use event_log::{AppendError, AppendRequest, Appended, EventLog, Guard};
use gate::{Coordinator, Denials};
use runtime::clock::Clock;
use runtime::entropy::Entropy;
use runtime::lifecycle::Tasks;
use tokio::sync::{RwLockReadGuard, mpsc};

use super::context::{CommandContext, Remember};
use super::denial::{self, Denial};
use super::error::CommandError;
use super::ingest::Places;
use super::mint::{self, Minted};
use super::orgs::{Folded, Org, Orgs};
use super::snapshots::Snapshotter;
use crate::metrics;

/// Takes commands; cheap to clone.
#[derive(Clone)]
pub struct Commander(Arc<Inner>);

pub(super) struct Inner {
    pub(super) log: EventLog,
    pub(super) coordinator: Coordinator,
    pub(super) clock: Clock,
    pub(super) entropy: Entropy,
    pub(super) tasks: Tasks,
    pub(super) orgs: Orgs,
    /// Where ingest requests wait for a processor.
    pub(super) places: Places,
    pub(super) snapshots: mpsc::Sender<OrgId>,
}

/// What a commander rests on.
pub struct Parts {
    /// The log.
    pub log: EventLog,
    /// Runs barriers.
    pub coordinator: Coordinator,
    /// The time.
    pub clock: Clock,
    /// Where ids and secrets come from.
    pub entropy: Entropy,
    /// For barriers that nobody waits for.
    pub tasks: Tasks,
    /// Bytes that states of orgs may take in memory, by estimate.
    pub org_cache_bytes: u64,
    /// Ingest requests that may use the processor at once.
    pub ingest_places: usize,
}

/// A command that was carried out, or found to be already so.
pub struct Executed {
    /// What it came to.
    pub outcome: Outcome,
    /// The position of its last event, or of the log's head if it made none.
    pub position: GlobalPosition,
    /// What it took away, now or, if it was already so, before.
    pub denial: Option<Denial>,
    pub(super) org: Arc<Org>,
}

/// An org's state, locked for reading.
pub struct State<'a>(RwLockReadGuard<'a, Folded>);

/// A decision that is in the log.
pub(super) struct Done<T> {
    pub(super) outcome: T,
    pub(super) position: GlobalPosition,
    pub(super) denial: Option<Denial>,
}

impl Commander {
    /// A commander, and the task that makes its snapshots.
    pub fn new(parts: Parts) -> (Self, Snapshotter) {
        let (snapshots, snapshotter) = Snapshotter::new(parts.log.clone());
        let commander = Self(Arc::new(Inner {
            log: parts.log,
            coordinator: parts.coordinator,
            places: Places::new(parts.ingest_places, parts.clock.clone()),
            clock: parts.clock,
            entropy: parts.entropy,
            tasks: parts.tasks,
            orgs: Orgs::new(parts.org_cache_bytes),
            snapshots,
        }));
        (commander, snapshotter)
    }

    /// Carries a command out. Returns only after the commit, and after the barrier if it took
    /// something away and `context` waits.
    ///
    /// # Errors
    /// [`CommandError`]; only its variants that say "recorded" or "not known" may have changed
    /// anything.
    pub async fn execute(
        &self,
        org: OrgId,
        command: &Command,
        context: &CommandContext,
        remember: Option<&Remember<Outcome>>,
    ) -> Result<Executed, CommandError> {
        let mut executed = self.record(org, command, context, remember).await?;
        if let Some(denial) = &mut executed.denial {
            self.settle(denial, context.wait).await?;
        }
        Ok(executed)
    }

    /// The same up to the commit: what was taken away is still to be settled.
    ///
    /// # Errors
    /// [`CommandError`], as of [`Self::execute`]
    pub async fn record(
        &self,
        org: OrgId,
        command: &Command,
        context: &CommandContext,
        remember: Option<&Remember<Outcome>>,
    ) -> Result<Executed, CommandError> {
        let org = self.0.org(org);
        let done = {
            let _turn = self.0.turn(&org).await?;
            let done = self.0.decide_and_append(&org, command, context, remember);
            let done = done.await;
            count(&done);
            done?
        };
        Ok(Executed {
            outcome: done.outcome,
            position: done.position,
            denial: done.denial,
            org,
        })
    }

    /// Waits until a denial is in force everywhere, or lets that go on behind.
    pub async fn settle(&self, denial: &mut Denial, wait: bool) -> Result<(), CommandError> {
        #[cfg(feature = "mutants")]
        if denial.settled.is_some() {
            return Ok(());
        }
        let coordinator = self.0.coordinator.clone();
        let denials = Denials {
            first: denial.first,
            last: denial.position,
        };
        let epoch = denial.epoch;
        if wait {
            let settled = coordinator.settle(epoch, denials).await;
            denial.settled = Some(settled.map_err(CommandError::Unsettled)?);
        } else {
            let settled = async move {
                if let Err(error) = coordinator.settle(epoch, denials).await {
                    tracing::warn!(error = %runtime::telemetry::chain(&error), "denial not settled");
                }
            };
            let kind = runtime::lifecycle::TaskKind::Request;
            self.0.tasks.spawn(kind, "denial settled behind", settled);
        }
        Ok(())
    }

    /// An id and a secret for a new key.
    pub fn mint(&self) -> Minted {
        Minted::new(self.now(), &self.0.entropy)
    }

    /// An id and a secret for a new session.
    pub fn mint_session(&self) -> (SessionId, CredentialSecret) {
        mint::session(self.now(), &self.0.entropy)
    }

    /// The random part of a new id.
    pub fn random_id_part(&self) -> [u8; 10] {
        self.0.entropy.bytes()
    }

    /// The present.
    pub fn now(&self) -> Timestamp {
        self.0.now()
    }

    /// The log.
    pub fn log(&self) -> &EventLog {
        &self.0.log
    }

    pub(super) fn inner(&self) -> &Inner {
        &self.0
    }
}

impl Executed {
    /// The org's state, at least as new as what was carried out. It is never waited for long:
    /// only folding excludes readers.
    pub async fn state(&self) -> State<'_> {
        State(self.org.state.read().await)
    }
}

impl std::ops::Deref for State<'_> {
    type Target = OrgState;

    fn deref(&self) -> &OrgState {
        &self.0.state
    }
}

impl Inner {
    pub(super) fn now(&self) -> Timestamp {
        Timestamp::from_datetime(self.clock.now())
    }

    async fn decide_and_append(
        &self,
        org: &Org,
        command: &Command,
        context: &CommandContext,
        remember: Option<&Remember<Outcome>>,
    ) -> Result<Done<Outcome>, CommandError> {
        self.load(org).await?;
        let mut attempts = Attempts::default();
        let mut keys = SubjectKeys::default();
        loop {
            let (version, decided) = {
                let folded = org.state.read().await;
                let context = Context {
                    now: self.now(),
                    caller: context.caller,
                    subject_keys: &keys,
                };
                let version = StreamVersion::new(folded.state.events);
                (version, decide(&folded.state, command, &context))
            };
            let decision = match decided {
                Err(Rejection::SubjectKeysNeeded(subjects)) => {
                    self.add_keys(org, &subjects, &mut keys).await?;
                    continue;
                }
                // Another process may have decided what makes this one's answer another. What is
                // appended is checked by its version; what is not must look for itself.
                Err(rejection) => {
                    if attempts.look_once() && self.catch_up(org).await? {
                        continue;
                    }
                    return Err(self.rejected(rejection, remember).await);
                }
                Ok(decision) => decision,
            };
            if decision.events.is_empty() && remember.is_none() {
                if attempts.look_once() && self.catch_up(org).await? {
                    continue;
                }
                return self.nothing_to_do(org, command, decision.outcome).await;
            }
            let record = remember.map(|remember| remember.record(&decision.outcome));
            let request = AppendRequest {
                org_id: org.id,
                expected: Some(version),
                events: decision.events.clone(),
                actor: context.caller.actor(),
                correlation_id: context.correlation_id.clone(),
                idempotency: record,
                guard: guard(context.caller),
            };
            let began = self.clock.monotonic();
            match self.log.append(request).await {
                Ok(appended) => {
                    if denial::newest(&decision.events).is_some() {
                        let took = self.clock.monotonic().saturating_since(began);
                        gate::metrics::revocation("commit", took);
                    }
                    self.fold(org, context.caller, version, &decision.events, &appended)
                        .await;
                    return self.done(org, command, decision, &appended).await;
                }
                Err(AppendError::Conflict { .. }) => {
                    attempts.conflict()?;
                    self.catch_up(org).await?;
                }
                Err(error) => return Err(error.into()),
            }
        }
    }

    async fn done(
        &self,
        org: &Org,
        command: &Command,
        decision: Decision,
        appended: &Appended,
    ) -> Result<Done<Outcome>, CommandError> {
        let denial = match denial::newest(&decision.events) {
            Some(index) => Denial::of(appended, index),
            None if denial::repeats(command, &decision.events) => {
                self.earlier_denial(org, command).await?
            }
            None => None,
        };
        Ok(Done {
            outcome: decision.outcome,
            position: appended.last,
            denial,
        })
    }

    async fn nothing_to_do(
        &self,
        org: &Org,
        command: &Command,
        outcome: Outcome,
    ) -> Result<Done<Outcome>, CommandError> {
        let denial = self.earlier_denial(org, command).await?;
        let head = self.log.head().await.map_err(CommandError::Unread)?;
        Ok(Done {
            outcome,
            position: head.position,
            denial,
        })
    }

    pub(super) async fn add_keys(
        &self,
        org: &Org,
        subjects: &[uuid::Uuid],
        keys: &mut SubjectKeys,
    ) -> Result<(), CommandError> {
        let found = self.log.subject_keys(org.id, subjects).await;
        let found = found.map_err(CommandError::Unread)?;
        keys.extend(found.keys);
        keys.add_erased(found.erased);
        // Else the same question would come again for ever.
        if subjects.iter().all(|subject| keys.knows(*subject)) {
            Ok(())
        } else {
            Err(CommandError::Died("finding subject keys"))
        }
    }
}

/// What a person does in an org other than that of their session rests on a state that does not hold
/// the session.
const fn guard(caller: Caller) -> Option<Guard> {
    match caller {
        Caller::Person {
            session: Some(session),
            ..
        } => Some(Guard::Session(session)),
        _ => None,
    }
}

fn count(done: &Result<Done<Outcome>, CommandError>) {
    metrics::count_command(match done {
        Ok(done) if matches!(done.outcome, Outcome::Unchanged) => "unchanged",
        Ok(_) => "decided",
        Err(CommandError::Rejected(_) | CommandError::Answered(_)) => "rejected",
        Err(CommandError::Conflict) => "conflict",
        Err(_) => "failed",
    });
}

/// Counts what a command met.
#[derive(Default)]
pub(super) struct Attempts {
    conflicts: u32,
    has_looked: bool,
}

impl Attempts {
    /// True the first time.
    pub(super) const fn look_once(&mut self) -> bool {
        !std::mem::replace(&mut self.has_looked, true)
    }

    /// Counts a conflict; gives up after as many as a command may meet.
    pub(super) const fn conflict(&mut self) -> Result<(), CommandError> {
        self.conflicts += 1;
        if self.conflicts < DECIDE_ATTEMPTS {
            Ok(())
        } else {
            Err(CommandError::Conflict)
        }
    }
}

impl From<AppendError> for CommandError {
    fn from(error: AppendError) -> Self {
        match error {
            AppendError::Conflict { .. } => Self::Conflict,
            AppendError::IdempotencyTaken(answer) => Self::Answered(answer),
            AppendError::CallerDenied => Self::CallerDenied,
            AppendError::TooLarge { what, size, max } => Self::TooLarge { what, size, max },
            AppendError::NotCommitted(cause) => Self::NotCommitted(cause),
            AppendError::OutcomeUnknown => Self::OutcomeUnknown,
        }
    }
}
