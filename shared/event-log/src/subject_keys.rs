//! `auth.subject_keys`: the keys of the personal data in events. A destroyed key erases the data; its
//! row stays without it, so that the same subject never gets another one.

use chrono::{DateTime, Utc};
use domain::ids::OrgId;
use domain::sealed::SubjectKey;
use domain::time::Timestamp;
use runtime::entropy::Entropy;
use sqlx::PgConnection;
use uuid::Uuid;

use crate::error::{CorruptRow, ReadError};

/// What is known of subjects.
#[derive(Debug, Default)]
pub struct FoundKeys {
    /// Their keys.
    pub keys: Vec<(Uuid, SubjectKey)>,
    /// Those who were erased.
    pub erased: Vec<Uuid>,
}

/// A subject who was erased.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Erased {
    /// When.
    pub at: Timestamp,
    /// Whose it was.
    pub org_id: OrgId,
    /// The creator or comment.
    pub subject: Uuid,
}

/// The keys of those subjects that have one.
pub async fn find(
    connection: &mut PgConnection,
    org: OrgId,
    subjects: &[Uuid],
) -> Result<FoundKeys, ReadError> {
    let rows = sqlx::query!(
        "select subject, key from auth.subject_keys where org_id = $1 and subject = any($2)",
        org.as_uuid(),
        subjects
    )
    .fetch_all(connection)
    .await?;
    let mut found = FoundKeys::default();
    for row in rows {
        let Some(key) = row.key else {
            found.erased.push(row.subject);
            continue;
        };
        let bytes: [u8; 32] = key.try_into().map_err(|_| {
            CorruptRow::new("auth.subject_keys", "key", row.subject, "is not 32 bytes")
        })?;
        found
            .keys
            .push((row.subject, SubjectKey::from_bytes(bytes)));
    }
    Ok(found)
}

/// What is known of all those subjects; who has no key and was not erased gets one, committed before
/// this returns.
pub async fn find_or_make(
    connection: &mut PgConnection,
    entropy: &Entropy,
    org: OrgId,
    subjects: &[Uuid],
) -> Result<FoundKeys, ReadError> {
    let found = find(&mut *connection, org, subjects).await?;
    let mut missing: Vec<_> = subjects
        .iter()
        .copied()
        .filter(|subject| !found.knows(*subject))
        .collect();
    if missing.is_empty() {
        return Ok(found);
    }
    // One order for everybody, so that two who make the same keys do not wait for each other.
    missing.sort_unstable();
    missing.dedup();
    let keys: Vec<Vec<u8>> = missing
        .iter()
        .map(|_| entropy.bytes::<32>().to_vec())
        .collect();
    sqlx::query!(
        "insert into auth.subject_keys (org_id, subject, key)
         select $1, made.subject, made.key from unnest($2::uuid[], $3::bytea[]) as made (subject, key)
         on conflict (org_id, subject) do nothing",
        org.as_uuid(),
        &missing,
        &keys
    )
    .execute(&mut *connection)
    .await?;
    find(&mut *connection, org, subjects).await
}

impl FoundKeys {
    fn knows(&self, subject: Uuid) -> bool {
        self.erased.contains(&subject) || self.keys.iter().any(|(known, _)| *known == subject)
    }
}

/// Destroys the keys of these subjects, and keeps them from ever having another one; those who have
/// none yet too. How many keys there were.
pub async fn erase(
    connection: &mut PgConnection,
    org: OrgId,
    subjects: &[Uuid],
) -> Result<u64, ReadError> {
    let mut subjects = subjects.to_vec();
    // One order for everybody, as where keys are made.
    subjects.sort_unstable();
    subjects.dedup();
    let destroyed = sqlx::query_scalar!(
        r#"with had as (
               select subject from auth.subject_keys
               where org_id = $1 and subject = any($2) and key is not null),
           erased as (
               insert into auth.subject_keys as k (org_id, subject, key, erased_at)
               select $1, subject, null, now() from unnest($2::uuid[]) as subject
               on conflict (org_id, subject)
                   do update set key = null, erased_at = excluded.erased_at
                   where k.key is not null)
           select count(*) as "count!" from had"#,
        org.as_uuid(),
        &subjects
    )
    .fetch_one(connection)
    .await?;
    Ok(u64::try_from(destroyed).unwrap_or(0))
}

/// Up to `limit` subjects that were erased after another one in this order; all begin with none.
pub async fn erased_after(
    connection: &mut PgConnection,
    after: Option<Erased>,
    limit: u16,
) -> Result<Vec<Erased>, ReadError> {
    let rows = sqlx::query!(
        r#"select erased_at as "erased_at!", org_id, subject from auth.subject_keys
           where erased_at is not null and (erased_at, org_id, subject) > ($1, $2, $3)
           order by erased_at, org_id, subject limit $4"#,
        after.map_or(DateTime::<Utc>::UNIX_EPOCH, |last| last.at.datetime()),
        after.map_or(Uuid::nil(), |last| last.org_id.as_uuid()),
        after.map_or(Uuid::nil(), |last| last.subject),
        i64::from(limit)
    )
    .fetch_all(connection)
    .await?;
    let erased = rows.into_iter().map(|row| Erased {
        at: Timestamp::from_datetime(row.erased_at),
        org_id: OrgId::from_uuid(row.org_id),
        subject: row.subject,
    });
    Ok(erased.collect())
}
