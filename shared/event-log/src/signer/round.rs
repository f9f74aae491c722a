//! One round: is what was signed still the beginning of the log; grow the tree to its end; sign that.

use std::future::Future;

use chrono::TimeDelta;
use domain::event::Stream;
use domain::ids::{GlobalPosition, OrgId, TreeSize};
use domain::merkle::{Frontier, Grown, NodeHash, TILE_LEVELS, TILE_WIDTH};
use domain::signed::{Checkpoint, NoteSigner, Restoration, Seal};
use domain::time::Timestamp;
use runtime::clock::Clock;
use sqlx::PgConnection;

use super::{Asked, STATEMENT, Signed, SignerError};
use crate::error::{CorruptRow, ReadError};
use crate::log::{EventLog, Head};
use crate::metrics as names;
use crate::restorations::restorations;
use crate::{read, tree};

/// Events of one step, so that no statement lasts long.
const STEP: u64 = 8_192;
/// Most seals of one round; the others wait for the next.
const SEALS: i64 = 64;
/// How long an org waits for its next seal, so that it has 20 a minute at most; whoever asks meanwhile
/// gets the same one.
const SEAL_AGAIN: TimeDelta = TimeDelta::seconds(3);

/// A connection that holds the signer's lock, and what to sign with.
pub struct Round<'a> {
    connection: &'a mut PgConnection,
    key: &'a NoteSigner,
    log: &'a EventLog,
    clock: &'a Clock,
}

/// What a round signed.
pub struct NewCheckpoint {
    checkpoint: Checkpoint,
    note: String,
}

impl NewCheckpoint {
    /// The head alone.
    pub const fn head(&self) -> Signed {
        Signed {
            epoch: self.checkpoint.epoch,
            size: self.checkpoint.size,
            root: self.checkpoint.root,
        }
    }
}

impl<'a> Round<'a> {
    pub fn new(connection: &'a mut PgConnection, key: &'a NoteSigner, log: &'a EventLog) -> Self {
        Self {
            connection,
            key,
            log,
            clock: log.clock(),
        }
    }

    /// Who waits for a seal and may have one, the longest waiting first.
    pub async fn requests(&mut self) -> Result<Vec<Asked>, SignerError> {
        let clock = self.clock;
        let now = clock.now();
        let asked = sqlx::query!(
            // A seal of a clock that went ahead holds up nobody.
            "select r.org_id, r.asked_at from log.seal_requests r
             where not exists (select from log.seals s
                 where s.org_id = r.org_id and s.signed_at > $2 and s.signed_at <= $3)
             order by r.asked_at limit $1",
            SEALS,
            now - SEAL_AGAIN,
            now
        )
        .fetch_all(&mut *self.connection);
        let asked = in_time(clock, asked).await?.into_iter();
        Ok(asked
            .map(|row| Asked {
                org: OrgId::from_uuid(row.org_id),
                at: row.asked_at,
            })
            .collect())
    }

    /// Signs the log as it is now, which must go on from what is known to have been signed; none if it may
    /// not go on meanwhile. What is not kept in the history is the newest all the same.
    pub async fn sign(
        &mut self,
        known: &[Signed],
        is_kept: bool,
        may_go_on: impl Fn() -> bool,
    ) -> Result<Option<NewCheckpoint>, SignerError> {
        let clock = self.clock;
        let head = in_time(clock, read::head(self.connection)).await?;
        let mut edge = self.beginning(known, &head).await?;
        let end = TreeSize::new(head.position.get());
        while edge.size() < end.get() {
            if !may_go_on() {
                return Ok(None);
            }
            self.grow(&mut edge, end).await?;
        }
        self.fork(&head, edge.root()).await?;
        let checkpoint = Checkpoint {
            origin: self.key.name().clone(),
            size: end,
            root: edge.root(),
            epoch: head.epoch,
            at: Timestamp::from_datetime(clock.now()),
        };
        let note = checkpoint.sign(self.key);
        let signed = NewCheckpoint { checkpoint, note };
        self.keep(&signed, is_kept).await?;
        names::record_checkpoint(end);
        Ok(Some(signed))
    }

    /// The edge to go on from: that of what was signed last, or of what was grown since. Fails if what was
    /// signed is no longer the beginning of the log.
    async fn beginning(&mut self, known: &[Signed], head: &Head) -> Result<Frontier, SignerError> {
        let clock = self.clock;
        let kept = [
            in_time(clock, tree::newest(self.connection)).await?,
            in_time(clock, tree::largest(self.connection, head.epoch)).await?,
        ];
        let kept = kept.into_iter().flatten().map(|kept| Signed {
            epoch: kept.epoch,
            size: kept.size,
            root: kept.root,
        });
        let mut checked = Vec::new();
        let mut signed = Frontier::default();
        for known in kept.chain(known.iter().copied()) {
            // They are one and the same while nothing is appended.
            if checked.contains(&known) {
                continue;
            }
            checked.push(known);
            if known.epoch != head.epoch && !self.is_common(&known, head).await? {
                continue;
            }
            let edge = self.require(&known, head).await?;
            if edge.size() > signed.size() {
                signed = edge;
            }
        }
        let grown = self.grown().await?;
        if grown.get() > head.position.get() {
            return Err(SignerError::Cut {
                head: head.position,
                signed: grown,
            });
        }
        if grown.get() > signed.size() {
            return self.edge(grown).await;
        }
        Ok(signed)
    }

    /// Whether what was signed in another life must still be the beginning of this one.
    async fn is_common(&mut self, known: &Signed, head: &Head) -> Result<bool, SignerError> {
        let clock = self.clock;
        let keys = [self.key.verifier()];
        let all = in_time(clock, restorations(self.connection)).await?;
        let copies = all.into_iter().filter_map(|one| one.copy);
        let notes: Vec<_> = copies
            .filter_map(|copy| copy.restoration(&keys).ok())
            .collect();
        let common = Restoration::common(&notes, known.epoch, head.epoch);
        let common = common.ok_or(SignerError::Unattested(known.epoch))?;
        Ok(known.size <= common)
    }

    /// What was signed must be the beginning of the log; its edge.
    async fn require(&mut self, known: &Signed, head: &Head) -> Result<Frontier, SignerError> {
        if known.size.get() > head.position.get() {
            return Err(SignerError::Cut {
                head: head.position,
                signed: known.size,
            });
        }
        let edge = self.edge(known.size).await?;
        let found = edge.root();
        if found == known.root {
            return Ok(edge);
        }
        Err(SignerError::Changed {
            size: known.size,
            signed: known.root,
            found,
        })
    }

    /// Fails if another root was signed for this size in this life.
    async fn fork(&mut self, head: &Head, root: NodeHash) -> Result<(), SignerError> {
        let clock = self.clock;
        let asking = sqlx::query_scalar!(
            r#"select exists (
                   select from log.checkpoints where tree_size = $1 and epoch = $2 and root <> $3
               ) as "is_other!""#,
            head.position.as_i64(),
            head.epoch.as_uuid(),
            root.as_bytes().as_slice()
        )
        .fetch_one(&mut *self.connection);
        if in_time(clock, asking).await? {
            return Err(SignerError::Forked(TreeSize::new(head.position.get())));
        }
        Ok(())
    }

    async fn edge(&mut self, size: TreeSize) -> Result<Frontier, SignerError> {
        let clock = self.clock;
        if let Some(edge) = in_time(clock, tree::frontier(self.connection, size)).await? {
            return Ok(edge);
        }
        // An older copy may end among events that are archived since.
        let edge = in_time(clock, self.log.tree_edge(size)).await?;
        edge.ok_or(SignerError::Incomplete(size))
    }

    /// How far the kept tree goes: further than the newest checkpoint if a round was broken off.
    async fn grown(&mut self) -> Result<TreeSize, SignerError> {
        let clock = self.clock;
        let newest = sqlx::query_scalar!(
            "select max(index) from log.merkle where level = $1",
            i16::from(TILE_LEVELS)
        )
        .fetch_one(&mut *self.connection);
        let tiles = in_time(clock, newest).await?.map_or(0, |index| index + 1);
        let tiles = u64::try_from(tiles).unwrap_or_default();
        Ok(TreeSize::new(tiles * TILE_WIDTH))
    }

    /// Adds the next events, and keeps the subtrees that are complete with them.
    async fn grow(&mut self, edge: &mut Frontier, end: TreeSize) -> Result<(), SignerError> {
        let clock = self.clock;
        let after = GlobalPosition::new(edge.size());
        let count = STEP.min(end.get() - edge.size());
        let leaves = tree::leaves_after(self.connection, after, count);
        let leaves = in_time(clock, leaves).await?;
        if leaves.len() as u64 != count {
            let missing = after.plus(leaves.len() as u64).next();
            let corrupt = CorruptRow::new("log.events", "position", missing, "is missing");
            return Err(ReadError::from(corrupt).into());
        }
        let mut grown = Vec::new();
        for leaf in leaves {
            edge.push(leaf, |subtree| grown.push(subtree));
        }
        self.keep_subtrees(&grown).await
    }

    async fn keep_subtrees(&mut self, grown: &[Grown]) -> Result<(), SignerError> {
        if grown.is_empty() {
            return Ok(());
        }
        let clock = self.clock;
        let kept = in_time(clock, tree::keep(self.connection, grown)).await?;
        if kept == grown.len() as u64 {
            return Ok(());
        }
        // Some were there: a round that was broken off made them, or somebody else did.
        let wrong = in_time(clock, tree::wrong_subtrees(self.connection, grown)).await?;
        let Some(wrong) = wrong.first() else {
            return Ok(());
        };
        let Grown { level, index, .. } = wrong.due;
        Err(SignerError::Tile {
            level,
            first: GlobalPosition::new(index << level).next(),
        })
    }

    /// Keeps it as the newest, unless the log has begun another life since.
    async fn keep(&mut self, signed: &NewCheckpoint, is_kept: bool) -> Result<(), SignerError> {
        let clock = self.clock;
        let NewCheckpoint { checkpoint, note } = signed;
        let keeping = sqlx::query!(
            "with life as (select from log.head where epoch = $1),
             kept as (
                 insert into log.checkpoints (epoch, tree_size, root, signed_at, public_key, note)
                 select $1, $2, $3, $4, $5, $6 from life where $7 on conflict do nothing
             )
             insert into log.newest_checkpoint as n (epoch, tree_size, root, signed_at, public_key, note)
             select $1, $2, $3, $4, $5, $6 from life
             on conflict (one) do update set epoch = excluded.epoch, tree_size = excluded.tree_size,
                 root = excluded.root, signed_at = excluded.signed_at,
                 public_key = excluded.public_key, note = excluded.note",
            checkpoint.epoch.as_uuid(),
            checkpoint.size.as_i64(),
            checkpoint.root.as_bytes().as_slice(),
            checkpoint.at.datetime(),
            self.key.verifier().to_string(),
            note,
            is_kept
        )
        .execute(&mut *self.connection);
        match in_time(clock, keeping).await?.rows_affected() {
            1 => Ok(()),
            _ => Err(SignerError::Epoch),
        }
    }

    /// Signs the ends of these orgs' streams as of a checkpoint.
    pub async fn seal(
        &mut self,
        signed: &NewCheckpoint,
        asked: &[Asked],
    ) -> Result<(), SignerError> {
        for one in asked {
            self.seal_one(signed, *one).await?;
        }
        Ok(())
    }

    async fn seal_one(&mut self, signed: &NewCheckpoint, asked: Asked) -> Result<(), SignerError> {
        let (clock, checkpoint) = (self.clock, &signed.checkpoint);
        let (org, size) = (asked.org, checkpoint.size);
        let mut end = async |stream| {
            let end = tree::ends(self.connection, org, stream, size);
            in_time(clock, end).await
        };
        let seal = Seal {
            origin: checkpoint.origin.clone(),
            org,
            size,
            root: checkpoint.root,
            epoch: checkpoint.epoch,
            decisions: end(Stream::Decisions).await?,
            observations: end(Stream::Observations).await?,
            at: checkpoint.at,
        };
        let sealing = sqlx::query!(
            "with answered as (delete from log.seal_requests where org_id = $1 and asked_at <= $4)
             insert into log.seals (org_id, epoch, tree_size, asked_at, signed_at, seal, checkpoint)
             values ($1, $2, $3, $4, $5, $6, $7)
             on conflict (org_id) do update set epoch = excluded.epoch,
                 tree_size = excluded.tree_size, asked_at = excluded.asked_at,
                 signed_at = excluded.signed_at, seal = excluded.seal,
                 checkpoint = excluded.checkpoint",
            org.as_uuid(),
            checkpoint.epoch.as_uuid(),
            size.as_i64(),
            asked.at,
            seal.at.datetime(),
            seal.sign(self.key),
            signed.note
        )
        .execute(&mut *self.connection);
        in_time(clock, sealing).await?;
        metrics::counter!(names::SEALS).increment(1);
        Ok(())
    }
}

/// An interrupted connection lets questions wait for ever.
async fn in_time<T, E>(
    clock: &Clock,
    asking: impl Future<Output = Result<T, E>>,
) -> Result<T, SignerError>
where
    SignerError: From<E>,
{
    match clock.timeout(STATEMENT, Box::pin(asking)).await {
        Ok(answer) => Ok(answer?),
        Err(_) => Err(SignerError::Late),
    }
}
