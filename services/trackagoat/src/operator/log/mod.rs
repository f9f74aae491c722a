//! `trackagoat log`: what an operator does about the log as a whole.

mod again;
mod archive;
mod checkpoint;
mod copies;
mod erased;
mod lives;
mod lost;
mod replay;
mod signing_key;
mod state;
mod verify;

use std::collections::HashSet;
use std::error::Error;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use clap::{Args, Subcommand};
use domain::event::Stream;
use domain::ids::{GlobalPosition, LogEpoch, OrgId, StreamVersion, TreeSize};
use domain::signed::{LogName, Restoration};
use domain::time::Timestamp;
use event_log::{EventLog, ReadError, begin_epoch_in_tx};
use gate::core::clocks::wait_bound;
use gate::{
    Erasure, LedgerAhead, LedgerError, Recorded, StoreError, forget_former_life_in_tx, read_ledger,
    remember_replayed,
};
use runtime::clock::Clock;
use runtime::entropy::Entropy;
use sqlx::{Connection, PgPool};
use uuid::Uuid;

use self::again::{Rehearsal, Replay, Tally};
pub use self::archive::{ArchiveFailure, ArchiveLog};
use self::checkpoint::Checkpoint;
use self::erased::{Erased, erase};
pub use self::lives::Lives;
use self::replay::Replay as ReplayLog;
use self::signing_key::NewSigningKey;
use self::state::State;
use self::verify::Verify;
use super::connection::{Operator, Target};
use super::{Action, OperatorError};
use crate::arguments::SignerArgs;
use crate::terminal::{complain, remark, say};

/// The log as a whole.
#[derive(Debug, Subcommand)]
pub enum Log {
    /// After the database was restored to an earlier moment, and before services are started: takes
    /// away and erases again what the ledgers know to have been taken away and erased since.
    Restored(Restored),
    /// Move old partitions into files, and keep of them online what has to be: every decision, and the
    /// newest observations.
    Archive(ArchiveLog),
    /// Tell again what happened: print it, one `CloudEvent` a line, or send it somewhere.
    Replay(ReplayLog),
    /// Print what an org was at a moment, folded from its events as the services do it.
    State(State),
    /// Whether the log, one org's part of it or an exported file is what was recorded.
    Verify(Box<Verify>),
    /// The newest signed head of the log.
    Checkpoint(Checkpoint),
    /// A new key to sign the log with.
    NewSigningKey(NewSigningKey),
}

impl Log {
    /// Carries it out, and says what to exit with.
    pub async fn run(self, target: &Target, clock: Clock, entropy: Entropy) -> ExitCode {
        let done: Result<(), Box<dyn Error>> = match self {
            Self::Restored(restored) => Box::pin(restored.begin(target, clock, entropy)).await,
            Self::Archive(archive) => {
                let done = Action::Archive(archive).run(target, clock, entropy).await;
                done.map_err(Into::into)
            }
            Self::Verify(verify) => match Box::pin(verify.run(target, clock, entropy)).await {
                Ok(exit_code) => return exit_code,
                Err(error) => {
                    complain(&error);
                    return error.exit_code();
                }
            },
            Self::Checkpoint(checkpoint) => {
                let done = checkpoint.run(target, clock, entropy).await;
                done.map_err(Into::into)
            }
            Self::NewSigningKey(new) => new.run(&entropy).map_err(Into::into),
            Self::Replay(replay) => {
                let done = Box::pin(replay.run(target, &clock, &entropy)).await;
                done.map_err(Into::into)
            }
            Self::State(state) => {
                let done = state.run(target, &clock, &entropy).await;
                done.map_err(Into::into)
            }
        };
        match done {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => {
                complain(&*error);
                ExitCode::FAILURE
            }
        }
    }
}

/// Whether the log has anything of an org; its first decision is online for ever.
async fn has_org(log: &EventLog, org: OrgId) -> Result<bool, ReadError> {
    let first = log.read_stream(org, Stream::Decisions, StreamVersion::ZERO, 1);
    Ok(!first.await?.is_empty())
}

/// What knows of it.
#[derive(Debug, Args)]
pub struct Restored {
    /// The ledger's folder of every command service and operator; the one of --ledger-dir is read too.
    ledgers: Vec<PathBuf>,
    /// Say what would be done, and do nothing.
    #[arg(long)]
    dry_run: bool,
    /// You know that the log was restored, and what was written since: sign what the database alone says
    /// of restores, and that what was signed and is not there is lost. Run it without this first: it says
    /// what that would be.
    #[arg(long)]
    vouch: bool,
    #[command(flatten)]
    signer: SignerArgs,
}

/// Why services must not be started.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    #[error("no ledger is named: give the folders that command services had as --ledger-dir")]
    NoLedger,
    #[error(
        "command services run ({0} connections to the database): stop all services first, and \
         keep them stopped"
    )]
    Running(i64),
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    #[error("the log could not be read")]
    Read(#[from] event_log::ReadError),
    #[error("the database could not be written: run the command once more")]
    Store(#[from] StoreError),
    #[error("what stood at position {0} could not be taken away again: run the command once more")]
    Decide(GlobalPosition, #[source] command::app::CommandError),
    #[error("{0} could not be erased again: run the command once more")]
    Erase(Erasure, #[source] Box<OperatorError>),
    #[error("the database could not be compared with the ledger: run the command once more")]
    Compare(#[from] LedgerAhead),
    #[error(
        "{0} of the ledger's lines are not in force (see above): services must stay closed until \
         somebody has taken away what they say"
    )]
    NotInForce(usize),
}

impl Restored {
    /// Connects, and does it.
    async fn begin(
        self,
        target: &Target,
        clock: Clock,
        entropy: Entropy,
    ) -> Result<(), Box<dyn Error>> {
        let lives = Lives::known(&target.place()?, &self.signer, self.vouch, &clock).await?;
        let action = Action::Restored(self, lives);
        Ok(action.run(target, clock, entropy).await?)
    }

    /// Does it; may be killed at any point and run again.
    pub async fn run(
        self,
        operator: &Operator,
        lives: &Lives,
        clock: &Clock,
    ) -> Result<(), Failure> {
        let recorded = self.read(operator)?;
        if self.dry_run {
            plan(operator, lives, clock).await?;
            let lost = lost::of(operator, recorded.denials).await?;
            let mut tally = Tally::new(lost.present);
            let mut rehearsal = Rehearsal::new(&operator.commander);
            for lost in lost.lost {
                let outcome = rehearsal.deny(&lost).await;
                tally.count("would restore", &lost, outcome)?;
            }
            let erased = erase(operator, recorded.erasures, true).await?;
            let unreadable = (recorded.torn, &*recorded.damaged);
            return conclude(&tally, &erased, unreadable, "nothing was changed");
        }
        let running = running(&operator.pool).await?;
        if running > 0 {
            return Err(Failure::Running(running));
        }
        let Begun {
            epoch,
            longest_term,
            can_be_signed,
        } = begin(operator, lives, clock).await?;
        let begun = clock.monotonic();
        say(format_args!("the log has begun the life {epoch}"));
        let lost = lost::of(operator, recorded.denials).await?;
        let mut tally = Tally::new(lost.present);
        let replay = Replay::new(&operator.commander);
        for lost in lost.lost {
            let outcome = replay.deny(&lost).await;
            let is_denied = outcome.is_ok();
            tally.count("restored", &lost, outcome)?;
            if is_denied {
                let done = remember_replayed(&operator.pool, lost.0.event_id).await;
                done?;
            }
        }
        let erased = erase(operator, recorded.erasures, false).await?;
        // A replica that outlived the former life may trust its cache so long, and its row need not be
        // among those that were restored.
        clock.sleep_until(begun + wait_bound(longest_term)).await;
        let unreadable = (recorded.torn, &*recorded.damaged);
        let done = if can_be_signed {
            "services may be started"
        } else {
            "services may be started, but do not sign the log until what the warnings above name is done"
        };
        conclude(&tally, &erased, unreadable, done)
    }

    /// All ledgers, before anything is changed.
    fn read(&self, operator: &Operator) -> Result<Recorded, Failure> {
        let folders = self.folders(operator);
        if folders.is_empty() {
            return Err(Failure::NoLedger);
        }
        let mut all = Recorded::default();
        for folder in folders {
            let recorded = read_ledger(folder)?;
            if recorded.denials.is_empty() && recorded.erasures.is_empty() {
                let folder = folder.display();
                remark(format_args!(
                    "warning: the ledger {folder} holds nothing: if anything was ever revoked or erased, it is \
                     another folder that knows"
                ));
            }
            all.denials.extend(recorded.denials);
            all.erasures.extend(recorded.erasures);
            all.torn += recorded.torn;
            all.damaged.extend(recorded.damaged);
        }
        Ok(all)
    }

    /// Those that are named, and the operator's own, each once.
    fn folders<'a>(&'a self, operator: &'a Operator) -> Vec<&'a Path> {
        let own = operator.ledger_dir.iter();
        // Who has done nothing here yet has none.
        let own = own.filter(|folder| self.ledgers.is_empty() || folder.is_dir());
        let mut seen = HashSet::new();
        let all = self.ledgers.iter().chain(own);
        let once = all.filter(|folder| seen.insert(copies::resolved(folder)));
        once.map(PathBuf::as_path).collect()
    }
}

/// How many connections command services have. Query services may outlive the former life.
async fn running(pool: &PgPool) -> Result<i64, StoreError> {
    let connections = sqlx::query_scalar!(
        "select count(*) as \"connections!\" from pg_stat_activity
         join pg_roles on rolname = usename
         where datname = current_database() and usename <> session_user and not rolsuper
           and pg_has_role(usename, 'tga_command', 'member')"
    );
    Ok(connections.fetch_one(pool).await?)
}

/// A life of the log.
struct Begun {
    epoch: LogEpoch,
    /// Of a lease of the former one.
    longest_term: Duration,
    can_be_signed: bool,
}

/// The former life ends, and with it all that was noted of positions which it alone had.
async fn begin(operator: &Operator, lives: &Lives, clock: &Clock) -> Result<Begun, Failure> {
    let plan = plan(operator, lives, clock).await?;
    let can_be_signed = plan.can_be_signed;
    let mut connection = operator.pool.acquire().await.map_err(StoreError::from)?;
    let mut tx = connection.begin().await.map_err(StoreError::from)?;
    let longest_term = forget_former_life_in_tx(&mut tx).await?;
    let epoch = begin_epoch_in_tx(&mut tx).await.map_err(StoreError::from)?;
    let noted = lives.note_in_tx(&mut tx, epoch, plan).await;
    noted.map_err(StoreError::from)?;
    tx.commit().await.map_err(StoreError::from)?;
    Ok(Begun {
        epoch,
        longest_term,
        can_be_signed,
    })
}

/// What is to be said of the life that ends, and of those before it. Warns of what cannot be.
async fn plan(operator: &Operator, lives: &Lives, clock: &Clock) -> Result<lives::Plan, Failure> {
    let log = operator.commander.log();
    let (former, newest) = (log.head().await?, log.newest_checkpoint().await?);
    let noted = log.restorations().await?;
    let known = newest.filter(|newest| newest.epoch == former.epoch);
    let begun = Restoration {
        origin: LogName::default(),
        former: former.epoch,
        size: TreeSize::new(former.position.get()),
        known: known.map_or(TreeSize::ZERO, |newest| newest.size),
        // The database gives the new life its name as it begins.
        epoch: LogEpoch::from_uuid(Uuid::nil()),
        at: Timestamp::from_datetime(clock.now()),
    };
    Ok(lives.plan(log, &begun, &noted).await)
}

/// Says what came of all lines.
fn conclude(
    tally: &Tally,
    erased: &Erased,
    (torn, damaged): (usize, &[gate::Damaged]),
    done: &str,
) -> Result<(), Failure> {
    for line in damaged {
        say(format_args!("cannot read {line}"));
    }
    say(tally);
    say(erased);
    if torn > 0 {
        remark(format_args!(
            "{torn} lines broke off as they were written: nobody was told that they are there"
        ));
    }
    match tally.refused + erased.refused + damaged.len() {
        0 => {
            say(done);
            Ok(())
        }
        left => Err(Failure::NotInForce(left)),
    }
}
