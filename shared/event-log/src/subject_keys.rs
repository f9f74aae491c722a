//! `auth.subject_keys`: the keys of the personal data in events. A deleted row erases the data.

use domain::ids::OrgId;
use domain::sealed::SubjectKey;
use runtime::entropy::Entropy;
use sqlx::PgConnection;
use uuid::Uuid;

use crate::error::{CorruptRow, ReadError};

/// The keys of those subjects that have one.
pub async fn find(
    connection: &mut PgConnection,
    org: OrgId,
    subjects: &[Uuid],
) -> Result<Vec<(Uuid, SubjectKey)>, ReadError> {
    let rows = sqlx::query!(
        "select subject, key from auth.subject_keys where org_id = $1 and subject = any($2)",
        org.as_uuid(),
        subjects
    )
    .fetch_all(connection)
    .await?;
    rows.into_iter()
        .map(|row| {
            let bytes: [u8; 32] = row.key.try_into().map_err(|_| {
                CorruptRow::new("auth.subject_keys", "key", row.subject, "is not 32 bytes")
            })?;
            Ok((row.subject, SubjectKey::from_bytes(bytes)))
        })
        .collect()
}

/// The keys of all those subjects; who has none gets one, committed before this returns.
pub async fn find_or_make(
    connection: &mut PgConnection,
    entropy: &Entropy,
    org: OrgId,
    subjects: &[Uuid],
) -> Result<Vec<(Uuid, SubjectKey)>, ReadError> {
    let found = find(&mut *connection, org, subjects).await?;
    let mut missing: Vec<_> = subjects
        .iter()
        .copied()
        .filter(|subject| found.iter().all(|(known, _)| known != subject))
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
