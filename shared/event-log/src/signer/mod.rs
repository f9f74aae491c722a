//! The signer: grows the tree over the log, signs its head, and carries the signed heads to places that
//! who can change the database cannot change with it: a JetStream stream and a folder.
//!
//! One process signs at a time, under an advisory lock that its connection holds; every round begins
//! with what stands in the database, so that whoever takes over goes on where the last one was killed.

mod copies;
mod folder;
mod round;
mod stream;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use domain::ids::{GlobalPosition, OrgId, TreeSize};
use domain::merkle::NodeHash;
use domain::signed::NoteSigner;
use runtime::lifecycle::Tasks;
use runtime::retry::Policy;
use runtime::telemetry::chain;
use sqlx::postgres::PgConnectOptions;
use sqlx::{ConnectOptions, PgConnection};
use thiserror::Error;

use self::copies::Copies;
use self::round::Round;
use crate::error::ReadError;
use crate::log::EventLog;
use crate::metrics as names;

pub use self::copies::{CheckpointCopy, InvalidCopy};
pub use self::folder::{CheckpointFolder, FolderError};
pub use self::stream::{
    CHECKPOINT_STREAM, CHECKPOINT_SUBJECT, StreamCopyError, checkpoints_of_stream,
};

/// Number of the advisory lock that the one signer holds.
const LOCK: i64 = 0x7467_615f_7369_676e;
/// How often the lock is tried while another signer has it.
const LOCK_AGAIN: Duration = Duration::from_millis(500);
/// How often requests for seals are looked for; also how the connection says that it lives.
const LOOK: Duration = Duration::from_millis(500);
/// How long the connection may be silent: afterwards the server ends it and frees the lock, so
/// that a stopped process does not keep the others from signing.
const IDLE_SECONDS: u32 = 5;
/// How long one statement may take.
const STATEMENT: Duration = Duration::from_secs(10);
const RETRY: Policy = Policy::exponential(Duration::from_millis(100), Duration::from_secs(5));

/// By what and how often is signed, and where copies go.
#[derive(Debug, Clone)]
pub struct SignerConfig {
    /// The key, with the log's name.
    pub key: Arc<NoteSigner>,
    /// How often a log that stands still is signed anew. The newest signature is to be at most
    /// [`CHECKPOINT_SECONDS`](domain::limits::CHECKPOINT_SECONDS) old, so what goes wrong once may take the
    /// rest.
    pub every: Duration,
    /// A folder for a copy of every signed head.
    pub folder: Option<PathBuf>,
    /// Copies of the stream in a NATS cluster.
    pub stream_replicas: usize,
}

impl SignerConfig {
    /// Every 7 s, without a folder, one copy of the stream.
    pub fn new(key: NoteSigner) -> Self {
        Self {
            key: Arc::new(key),
            every: Duration::from_secs(7),
            folder: None,
            stream_replicas: 1,
        }
    }
}

/// Why nothing was signed.
#[derive(Debug, Error)]
pub enum SignerError {
    /// The database did not answer, or refused.
    #[error("the database did not answer")]
    Database(#[from] sqlx::Error),
    /// The log or the tree could not be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The database did not answer in time.
    #[error("the database did not answer in time")]
    Late,
    /// The log has fewer events than were signed: its end was cut off.
    #[error(
        "the log ends at {head}, but {signed} events were signed: its end is gone; if its database was restored, run \
         `trackagoat log restored` with the log's key"
    )]
    Cut {
        /// Where it ends.
        head: GlobalPosition,
        /// What was signed.
        signed: TreeSize,
    },
    /// What was signed is no beginning of the log any more: it was changed.
    #[error(
        "the tree over the first {size} events is {found}, but {signed} was signed: the log was changed; if its \
         database was restored, run `trackagoat log restored` with the log's key"
    )]
    Changed {
        /// Events under the signed head.
        size: TreeSize,
        /// The root that was signed.
        signed: NodeHash,
        /// The root that the log gives now.
        found: NodeHash,
    },
    /// Part of the tree that was signed is not there.
    #[error("the tree over the first {0} events cannot be made from what is kept of it")]
    Incomplete(TreeSize),
    /// What is kept of the tree is not what the log gives.
    #[error("the kept tree differs from the log at level {level}, from event {first} on")]
    Tile {
        /// The level.
        level: u8,
        /// The first event under the wrong hash.
        first: GlobalPosition,
    },
    /// The log is said to have begun a new life, and nothing under the log's key says why: whoever changed
    /// the log could have changed its epoch too.
    #[error(
        "what was signed of the life {0} of the log is not of this one, and no signed note says that it was \
         restored: run `trackagoat log restored` with the log's key if it was"
    )]
    Unattested(domain::ids::LogEpoch),
    /// Another root was signed for this size in this life of the log.
    #[error(
        "another tree over the first {0} events was signed before: the log was changed; if its database was restored, \
         run `trackagoat log restored` with the log's key"
    )]
    Forked(TreeSize),
    /// Another process signs.
    #[error("another process signs")]
    Busy,
    /// The log has begun another life meanwhile.
    #[error("the log has begun a new epoch")]
    Epoch,
}

impl SignerError {
    /// Whether signing would vouch for a log that is not the one that was vouched for.
    pub const fn is_refusal(&self) -> bool {
        matches!(
            self,
            Self::Cut { .. }
                | Self::Changed { .. }
                | Self::Incomplete(_)
                | Self::Tile { .. }
                | Self::Unattested(_)
                | Self::Forked(_)
        )
    }
}

/// Signs; [`run`](Self::run) it as a critical task.
#[derive(Debug)]
pub struct Signer {
    log: EventLog,
    client: Option<async_nats::Client>,
    config: SignerConfig,
}

impl Signer {
    /// A signer of this log; its connection must be in `tga_command`.
    pub const fn new(
        log: EventLog,
        client: Option<async_nats::Client>,
        config: SignerConfig,
    ) -> Self {
        Self {
            log,
            client,
            config,
        }
    }

    /// Signs until the process stops. Waits while another process signs.
    pub async fn run(self, tasks: Tasks) {
        let entropy = self.log.entropy().clone();
        let mut waits = RETRY.waits(&entropy);
        let mut last = None;
        let mut copies = Copies::new(self.log.clone(), self.client.clone(), &self.config);
        while !tasks.is_stopping() {
            let mut has_signed = false;
            let ended =
                Box::pin(self.session(&tasks, &mut copies, &mut last, &mut has_signed)).await;
            let Err(error) = ended else { return };
            if error.is_refusal() {
                metrics::counter!(names::SIGNING_REFUSED).increment(1);
                tracing::error!(error = %chain(&error), "NOT SIGNED: see `trackagoat log verify`");
            } else {
                tracing::warn!(error = %chain(&error), "the log cannot be signed just now");
            }
            if has_signed {
                waits = RETRY.waits(&entropy);
            }
            let wait = waits.next().unwrap_or(RETRY.ceiling);
            tokio::select! {
                () = self.log.clock().sleep(wait) => {}
                () = tasks.stopping() => {}
            }
        }
    }

    /// Signs once, also the seals that were asked for, and carries copies.
    ///
    /// # Errors
    /// [`SignerError`]; [`SignerError::Busy`] while another process signs.
    pub async fn sign_once(&self) -> Result<TreeSize, SignerError> {
        let mut connection = self.connect().await?;
        if !self.try_lock(&mut connection).await? {
            return Err(SignerError::Busy);
        }
        let signed = self.sign_alone(&mut connection).await;
        // The next one to sign need not wait until the server sees that this connection is gone.
        if let Err(error) = self.unlock(&mut connection).await {
            tracing::warn!(error = %chain(&error), "the signer's lock is held until its connection ends");
        }
        signed
    }

    /// What [`Self::sign_once`] does under the lock.
    async fn sign_alone(&self, connection: &mut PgConnection) -> Result<TreeSize, SignerError> {
        let mut copies = Copies::new(self.log.clone(), self.client.clone(), &self.config);
        let known = copies.newest(&[self.config.key.verifier()]).await;
        let mut round = Round::new(connection, &self.config.key, &self.log);
        let asked = round.requests().await?;
        let signed = round.sign(&known, true, || true).await?;
        let signed = signed.ok_or(SignerError::Late)?;
        round.seal(&signed, &asked).await?;
        let head = signed.head();
        copies.carry(head.epoch).await;
        Ok(head.size)
    }

    /// Signs with one connection until told to stop, or until something fails. `last` is what this process
    /// signed last: it must not be gone from the database either.
    async fn session(
        &self,
        tasks: &Tasks,
        copies: &mut Copies,
        last: &mut Option<Signed>,
        has_signed: &mut bool,
    ) -> Result<(), SignerError> {
        let mut connection = self.connect().await?;
        while !self.try_lock(&mut connection).await? {
            tokio::select! {
                () = tasks.stopping() => return Ok(()),
                () = self.log.clock().sleep(LOCK_AGAIN) => {}
            }
        }
        let clock = self.log.clock().clone();
        // What others signed must not be gone from the database either.
        let mut known = copies.newest(&[self.config.key.verifier()]).await;
        known.extend(*last);
        let mut due = clock.monotonic();
        loop {
            let mut round = Round::new(&mut connection, &self.config.key, &self.log);
            let asked = round.requests().await?;
            // Whoever asks for seals must not make the history longer with each.
            let is_due = clock.monotonic() >= due;
            if is_due {
                due = clock.monotonic() + self.config.every;
            }
            if is_due || !asked.is_empty() {
                let going_on = || !tasks.is_stopping();
                let signed = round.sign(&known, is_due, going_on).await?;
                let Some(signed) = signed else { return Ok(()) };
                round.seal(&signed, &asked).await?;
                *last = Some(signed.head());
                known = vec![signed.head()];
                *has_signed = true;
                copies.carry(signed.head().epoch).await;
            }
            tokio::select! {
                () = tasks.stopping() => return Ok(()),
                () = clock.sleep(LOOK) => {}
            }
        }
    }

    async fn connect(&self) -> Result<PgConnection, SignerError> {
        let options: PgConnectOptions = self.log.pool().connect_options().as_ref().clone();
        let options = options.application_name("tga-signer").options([
            ("idle_session_timeout", format!("{IDLE_SECONDS}s")),
            (
                "idle_in_transaction_session_timeout",
                format!("{IDLE_SECONDS}s"),
            ),
            ("statement_timeout", format!("{}s", STATEMENT.as_secs())),
            ("tcp_keepalives_idle", "10".to_owned()),
            ("tcp_keepalives_interval", "5".to_owned()),
            ("tcp_keepalives_count", "3".to_owned()),
        ]);
        let connected = self.log.clock().timeout(STATEMENT, options.connect()).await;
        Ok(connected.map_err(|_| SignerError::Late)??)
    }

    async fn try_lock(&self, connection: &mut PgConnection) -> Result<bool, SignerError> {
        let locking = sqlx::query_scalar!(r#"select pg_try_advisory_lock($1) as "locked!""#, LOCK)
            .fetch_one(connection);
        let locked = self.log.clock().timeout(STATEMENT, locking).await;
        Ok(locked.map_err(|_| SignerError::Late)??)
    }

    async fn unlock(&self, connection: &mut PgConnection) -> Result<(), SignerError> {
        let unlocking = sqlx::query!("select pg_advisory_unlock($1)", LOCK).fetch_one(connection);
        let unlocked = self.log.clock().timeout(STATEMENT, unlocking).await;
        unlocked.map_err(|_| SignerError::Late)??;
        Ok(())
    }
}

/// What was signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Signed {
    epoch: domain::ids::LogEpoch,
    size: TreeSize,
    root: NodeHash,
}

/// Who asked for a seal, and when.
#[derive(Debug, Clone, Copy)]
struct Asked {
    org: OrgId,
    at: chrono::DateTime<chrono::Utc>,
}
