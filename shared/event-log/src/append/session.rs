//! The appender's own connection, and the statements of its one transaction.

use std::time::Duration;

use chrono::{DateTime, Utc};
use domain::event::{ChainHash, Stream};
use domain::ids::{GlobalPosition, OrgId, StreamVersion};
use domain::time::Timestamp;
use runtime::clock::Clock;
use sqlx::postgres::{PgConnectOptions, PgRow};
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, PgConnection, Row as _};
use uuid::Uuid;

use super::outcome::Evidence;
use super::settle::{Answers, Settlement};
use super::tail::{Caller, End};
use super::{NotCommitted, StoredAnswer, write};
use crate::error::CorruptRow;
use crate::idempotency;
use crate::log::Head;

/// Where the row of the head stands: found so, it costs the same however many dead versions a long
/// snapshot keeps. Not more than a place: another version of the row may come to stand there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tid {
    pub ctid: String,
    /// The row's fence; a statement that names another one does nothing.
    pub fence: i64,
}

/// A connection whose steps each have a deadline. After an error it is of no use any more.
#[derive(Debug)]
pub struct Session {
    connection: PgConnection,
    clock: Clock,
    step: Duration,
}

impl Session {
    /// Connects. Who stops in the middle of a transaction must not stop the others: the server
    /// ends an idle transaction after a second and a statement after a step.
    pub async fn open(
        options: &PgConnectOptions,
        clock: &Clock,
        step: Duration,
    ) -> Result<Self, NotCommitted> {
        let step_ms = step.as_millis();
        let options = options
            .clone()
            .disable_statement_logging()
            .application_name("tga appender")
            .options([
                ("idle_in_transaction_session_timeout", "1000"),
                ("statement_timeout", &step_ms.to_string()),
                ("tcp_user_timeout", &step_ms.to_string()),
                ("synchronous_commit", "on"),
                // Batches differ in size alone, so one plan serves all; planning costs as much as
                // inserting fifty events.
                ("plan_cache_mode", "force_generic_plan"),
                ("enable_seqscan", "off"),
                ("enable_hashjoin", "off"),
                ("enable_mergejoin", "off"),
                ("jit", "off"),
            ]);
        let connect = PgConnection::connect_with(&options);
        let connection = within(clock, step, "connect", connect).await?;
        Ok(Self {
            connection,
            clock: clock.clone(),
            step,
        })
    }

    /// Begins the transaction and takes the right to append; one round trip, or two if the row
    /// does not stand at `known` any more.
    pub async fn lock_head(&mut self, known: Option<&Tid>) -> Result<(Head, Tid), NotCommitted> {
        // Simple queries: the extended protocol takes one statement at a time. Read committed, so
        // that every later statement sees all that was committed before the lock was given.
        let begin = "begin isolation level read committed";
        let select = "select position, auth_position, recorded_at, epoch, ctid::text, fence \
                      from log.head";
        let first = match known {
            Some(tid) => format!("{begin}; {select} where ctid = '{}' for update", tid.ctid),
            None => format!("{begin}; {select} for update"),
        };
        let mut row = self.lock_row(first).await?;
        if row.is_none() && known.is_some() {
            row = self.lock_row(format!("{select} for update")).await?;
        }
        let corrupt =
            |_| NotCommitted::from(CorruptRow::new("log.head", "*", "the row", "changed"));
        let row = row.ok_or_else(|| corrupt(sqlx::Error::RowNotFound))?;
        let head = Head::try_from_row(
            row.try_get(0).map_err(corrupt)?,
            row.try_get(1).map_err(corrupt)?,
            row.try_get(2).map_err(corrupt)?,
            row.try_get(3).map_err(corrupt)?,
        )?;
        let tid = Tid {
            ctid: row.try_get(4).map_err(corrupt)?,
            fence: row.try_get(5).map_err(corrupt)?,
        };
        Ok((head, tid))
    }

    async fn lock_row(&mut self, statements: String) -> Result<Option<PgRow>, NotCommitted> {
        // Made of literals and of a ctid that the server itself gave.
        let lock = sqlx::raw_sql(AssertSqlSafe(statements)).fetch_optional(&mut self.connection);
        within(&self.clock, self.step, "lock", lock).await
    }

    /// Makes void whatever was sent to move the head and has not arrived yet; takes effect with
    /// the commit.
    pub async fn raise_fence(&mut self) -> Result<(), NotCommitted> {
        let raise =
            sqlx::query!("update log.head set fence = fence + 1").execute(&mut self.connection);
        within(&self.clock, self.step, "raise the fence", raise)
            .await
            .map(drop)
    }

    /// The ends of these streams in the log up to `head`; streams without an event are left out.
    pub async fn streams(
        &mut self,
        streams: &[(OrgId, Stream)],
        head: GlobalPosition,
    ) -> Result<Vec<((OrgId, Stream), End)>, NotCommitted> {
        let orgs: Vec<Uuid> = streams.iter().map(|(org, _)| org.as_uuid()).collect();
        let numbers: Vec<i16> = streams.iter().map(|(_, stream)| stream.number()).collect();
        let query = sqlx::query!(
            // In the partitions that are not folded yet every event is newer than the fold.
            r#"select wanted.org_id as "org_id!", wanted.stream as "stream!",
                   coalesce(newer.version, s.version) as "version!", coalesce(newer.hash, s.hash) as "hash!"
               from unnest($1::uuid[], $2::smallint[]) as wanted (org_id, stream)
               left join lateral (
                   select e.version, e.hash from log.events e
                   where e.org_id = wanted.org_id and e.stream = wanted.stream
                       and e.position > (select f.position from log.folded f) and e.position <= $3
                   order by e.version desc limit 1
               ) as newer on true
               left join log.streams s on s.org_id = wanted.org_id and s.stream = wanted.stream
               where coalesce(newer.version, s.version) is not null"#,
            &orgs,
            &numbers,
            head.as_i64()
        )
        .fetch_all(&mut self.connection);
        let rows = within(&self.clock, self.step, "read streams", query).await?;
        rows.into_iter()
            .map(|row| {
                let corrupt =
                    |column, problem| CorruptRow::new("log.streams", column, row.org_id, problem);
                let stream = Stream::from_number(row.stream)
                    .ok_or_else(|| corrupt("stream", "is no stream"))?;
                let end = End {
                    version: StreamVersion::try_from_i64(row.version)
                        .ok_or_else(|| corrupt("version", "is negative"))?,
                    hash: ChainHash::try_from_slice(&row.hash)
                        .ok_or_else(|| corrupt("hash", "is not 32 bytes"))?,
                };
                Ok(((OrgId::from_uuid(row.org_id), stream), end))
            })
            .collect()
    }

    /// Whether these credentials may act; unknown ones are left out.
    pub async fn callers(&mut self, ids: &[Uuid]) -> Result<Vec<(Uuid, Caller)>, NotCommitted> {
        let query = sqlx::query!(
            r#"select c.id as "id!", c.org_id as "org_id!",
                   c.status > 2 or c.owner_banned or coalesce(o.suspended, true) as "denied!",
                   least(c.expires_at, c.overlap_ends_at) as ends_at
               from gate.credentials c left join gate.orgs o on o.org_id = c.org_id
               where c.id = any($1)"#,
            ids
        )
        .fetch_all(&mut self.connection);
        let rows = within(&self.clock, self.step, "read callers", query).await?;
        Ok(rows
            .into_iter()
            .map(|row| {
                let caller = Caller {
                    org_id: OrgId::from_uuid(row.org_id),
                    denied: row.denied,
                    ends_at: row.ends_at.map(Timestamp::from_datetime),
                };
                (row.id, caller)
            })
            .collect())
    }

    /// The answers that are remembered under these keys.
    pub async fn answers(
        &mut self,
        keys: &[(OrgId, &str)],
        now: DateTime<Utc>,
    ) -> Result<Answers, NotCommitted> {
        let orgs: Vec<Uuid> = keys.iter().map(|(org, _)| org.as_uuid()).collect();
        let names: Vec<&str> = keys.iter().map(|(_, key)| *key).collect();
        let query = sqlx::query_as!(
            idempotency::Row,
            "select i.org_id, i.key, i.route, i.fingerprint, i.status, i.answer, i.first_position,
                 i.last_position, i.recorded_at
             from unnest($1::uuid[], $2::text[]) as wanted (org_id, key)
             join log.idempotency i on i.org_id = wanted.org_id and i.key = wanted.key
             where i.recorded_at > $3",
            &orgs,
            &names as _,
            idempotency::cutoff(now)
        )
        .fetch_all(&mut self.connection);
        let rows = within(&self.clock, self.step, "read answers", query).await?;
        rows.into_iter()
            .map(|row| {
                let org = OrgId::from_uuid(row.org_id);
                let answer = StoredAnswer::try_from(row)?;
                Ok(((org, answer.record.key.clone()), answer))
            })
            .collect()
    }

    /// Writes the events of a settled batch and moves the head from where it is expected, in the
    /// open transaction or, without one, in a transaction of this one statement: then an error
    /// leaves open whether it was committed. None: somebody else has moved the head, and nothing
    /// was written.
    pub async fn write_events(
        &mut self,
        settlement: &Settlement,
        before: &Head,
        tid: Option<&Tid>,
        after: &Head,
    ) -> Result<Option<Tid>, NotCommitted> {
        let write = write::events(&mut self.connection, settlement, before, tid, after);
        within(&self.clock, self.step, "write", write).await
    }

    /// Writes the rows beside the log in the open transaction.
    pub async fn write_companions(&mut self, settlement: &Settlement) -> Result<(), NotCommitted> {
        let write = write::companions_in_tx(&mut self.connection, settlement);
        within(&self.clock, self.step, "write", write).await
    }

    /// Whether what proves a commit is there.
    pub async fn finds(&mut self, evidence: &Evidence) -> Result<bool, NotCommitted> {
        let look = evidence.exists_in_tx(&mut self.connection);
        within(&self.clock, self.step, "look for a commit", look).await
    }

    /// Ends the transaction. An error leaves open whether it was committed.
    pub async fn commit(&mut self) -> Result<(), NotCommitted> {
        let commit = sqlx::raw_sql("commit").execute(&mut self.connection);
        within(&self.clock, self.step, "commit", commit)
            .await
            .map(drop)
    }

    /// Ends the transaction without effect.
    pub async fn rollback(&mut self) -> Result<(), NotCommitted> {
        let rollback = sqlx::raw_sql("rollback").execute(&mut self.connection);
        within(&self.clock, self.step, "roll back", rollback)
            .await
            .map(drop)
    }

    /// Makes the partition that holds a position and the one behind it, unless they are there; returns
    /// from where on it is time to look again.
    pub async fn make_room(
        &mut self,
        here: GlobalPosition,
    ) -> Result<GlobalPosition, NotCommitted> {
        let query = sqlx::query_scalar!(r#"select log.make_room($1) as "again!""#, here.as_i64())
            .fetch_one(&mut self.connection);
        let again = within(&self.clock, self.step, "make a partition", query).await?;
        Ok(GlobalPosition::try_from_i64(again).unwrap_or(here))
    }
}

/// Runs a step for at most so long.
async fn within<T>(
    clock: &Clock,
    limit: Duration,
    step: &'static str,
    run: impl Future<Output = Result<T, sqlx::Error>> + Send,
) -> Result<T, NotCommitted> {
    match clock.timeout(limit, run).await {
        Ok(Ok(done)) => Ok(done),
        Ok(Err(source)) => Err(NotCommitted::Database { step, source }),
        Err(_) => Err(NotCommitted::Late { step }),
    }
}
