//! Who was erased. Their keys are gone, so nothing sealed of them can be opened any more; what was
//! opened before stands in these tables, and goes here.
//!
//! Level-triggered: all erasures there ever were are looked at when a session begins, and then those
//! that are new. What is cleared is cleared in every build there is, also in those that nobody
//! projects into; and in those beside again for a while, whatever becomes of who writes to them.

use std::collections::BTreeSet;

use chrono::TimeDelta;
use domain::ids::OrgId;
use event_log::{Erased, EventLog};
use sqlx::{AssertSqlSafe, Connection, PgConnection};
use uuid::Uuid;

use super::ProjectorError;
use crate::position::CHANNEL;
use crate::schema::{Build, is_undefined};
use crate::text::fold;

/// Erasures of one step.
const PAGE: u16 = 1_000;
/// An erasure that was under way may come into the order so late.
const LATE: TimeDelta = TimeDelta::minutes(2);

/// How far erasures were followed.
#[derive(Debug, Default)]
pub(super) struct Erasures {
    /// The newest that was seen.
    newest: Option<Erased>,
    /// Those of the last moments before it, which are met again.
    recent: BTreeSet<Erased>,
}

impl Erasures {
    /// Clears what is left of those who were erased since it was last called.
    pub async fn follow(
        &mut self,
        log: &EventLog,
        connection: &mut PgConnection,
        own: Build,
    ) -> Result<(), ProjectorError> {
        let mut after = self.newest.map(|newest| Erased {
            at: newest.at.minus(LATE),
            org_id: OrgId::from_uuid(Uuid::nil()),
            subject: Uuid::nil(),
        });
        loop {
            let page = log.erased_after(after, PAGE).await?;
            let is_last = page.len() < usize::from(PAGE);
            after = page.last().copied();
            let new: Vec<_> = page
                .into_iter()
                .filter(|erased| !self.recent.contains(erased))
                .collect();
            if !new.is_empty() {
                clear(connection, &new, own, Which::All).await?;
            }
            self.newest = self.newest.max(new.last().copied());
            self.recent.extend(new);
            if is_last {
                break;
            }
        }
        if let Some(newest) = self.newest {
            let since = newest.at.minus(LATE);
            self.recent.retain(|erased| erased.at >= since);
        }
        // A batch that had loaded its keys before may be committed beside after the look above, by
        // somebody who is killed before one of their own.
        let recent: Vec<_> = self.recent.iter().copied().collect();
        for some in recent.chunks(usize::from(PAGE)) {
            clear(connection, some, own, Which::Beside).await?;
        }
        Ok(())
    }
}

/// Which builds are cleared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Which {
    All,
    /// All but one's own, whose batches are applied by the same session.
    Beside,
}

/// Clears them from builds. Those of other programs may have other tables: what is not there holds
/// nothing.
async fn clear(
    connection: &mut PgConnection,
    erased: &[Erased],
    own: Build,
    which: Which,
) -> Result<(), ProjectorError> {
    let own = own.to_string();
    let schemas = sqlx::query_scalar!(
        r#"SELECT n.nspname::text AS "schema!" FROM pg_namespace n
           JOIN pg_class c ON c.relnamespace = n.oid AND c.relname = 'creator_profiles'
           WHERE n.nspname ~ '^read_[0-9]+(_b[0-9]+)?$' ORDER BY 1"#
    )
    .fetch_all(&mut *connection)
    .await?;
    for schema in schemas {
        if which == Which::Beside && schema == own {
            continue;
        }
        match clear_in(connection, &schema, erased).await {
            Ok(()) => {}
            Err(error) if is_undefined(&error) && schema != own => {
                tracing::warn!(schema, "tables of another program may hold who was erased");
            }
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

async fn clear_in(
    connection: &mut PgConnection,
    schema: &str,
    erased: &[Erased],
) -> Result<(), sqlx::Error> {
    let orgs: Vec<_> = erased
        .iter()
        .map(|erased| erased.org_id.as_uuid())
        .collect();
    let subjects: Vec<_> = erased.iter().map(|erased| erased.subject).collect();
    let mut tx = connection.begin().await?;
    // The name of a schema cannot be a parameter; this one fits the pattern above.
    let choose = format!("SET LOCAL search_path = {schema}");
    sqlx::query(AssertSqlSafe(choose)).execute(&mut *tx).await?;
    let profiles = sqlx::query!(
        "UPDATE creator_profiles SET display_name = NULL, display_name_at = NULL, search = NULL,
                avatar_url = NULL, avatar_url_at = NULL
         WHERE (org_id, creator_id) IN (SELECT * FROM unnest($1::uuid[], $2::uuid[]))
           AND num_nonnulls(display_name, display_name_at, search, avatar_url, avatar_url_at) > 0",
        &orgs,
        &subjects,
    )
    .execute(&mut *tx)
    .await?;
    let named = sqlx::query!(
        "SELECT creator_id, handle FROM creators
         WHERE (org_id, creator_id) IN (SELECT * FROM unnest($1::uuid[], $2::uuid[]))
           AND display_name IS NOT NULL FOR UPDATE",
        &orgs,
        &subjects,
    )
    .fetch_all(&mut *tx)
    .await?;
    let ids: Vec<_> = named.iter().map(|row| row.creator_id).collect();
    let searches: Vec<_> = named.iter().map(|row| fold(&row.handle)).collect();
    sqlx::query!(
        "UPDATE creators SET display_name = NULL, search = cleared.search
         FROM unnest($1::uuid[], $2::text[]) AS cleared (id, search) WHERE creator_id = cleared.id",
        &ids,
        &searches,
    )
    .execute(&mut *tx)
    .await?;
    let is_changed = profiles.rows_affected() > 0 || !named.is_empty();
    if is_changed {
        sqlx::query!(
            "UPDATE read.versions SET changes = changes + 1
             WHERE $1 = 'read_' || version || CASE WHEN build > 1 THEN '_b' || build ELSE '' END",
            schema,
        )
        .execute(&mut *tx)
        .await?;
        sqlx::query!("SELECT pg_notify($1, '')", CHANNEL)
            .execute(&mut *tx)
            .await?;
    }
    tx.commit().await
}
