//! The one door to the tables: a reader belongs to one org and one snapshot.

use std::fmt;

use domain::ids::{GlobalPosition, OrgId};
use sqlx::{PgPool, Postgres, Transaction};

use crate::error::ReadError;
use crate::schema::{Build, ProjectionVersion, is_undefined};

/// The projection of this build; cheap to clone.
#[derive(Clone, Debug)]
pub struct ReadModel {
    pool: PgPool,
}

/// What answers at the moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Standing {
    pub position: GlobalPosition,
    pub tables: Tables,
}

/// The tables that answer, as far as what they say can change without an event: another build took
/// their place, or somebody was erased from them. What was computed from other ones is not to be kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tables {
    /// Which build.
    pub build: Build,
    /// How often its rows changed without an event.
    pub changes: i64,
}

/// Answers questions about one org as of one position of the log. Whatever is asked through one
/// reader is answered from one snapshot; row-level security holds it to the org even where a
/// query's own predicate would not.
pub struct OrgReader {
    pub(crate) tx: Transaction<'static, Postgres>,
    pub(crate) org: OrgId,
    position: GlobalPosition,
}

impl ReadModel {
    /// Reads through `pool`, whose connections must have been made with
    /// [`ProjectionVersion::connect_options`].
    pub const fn new(pool: PgPool) -> Self {
        Self { pool }
    }

    /// Opens a reader of an org.
    ///
    /// # Errors
    /// [`ReadError::NotBuilt`] until the projection has reached the head of the log once.
    pub async fn org(&self, org: OrgId) -> Result<OrgReader, ReadError> {
        let mut tx = self
            .pool
            .begin_with("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
            .await?;
        // Tables' plain names mean those of the build that answers as of this very snapshot.
        let position = sqlx::query_scalar!(
            r#"SELECT position FROM read.versions,
                      LATERAL set_config('tga.org_id', $2, true) AS setting,
                      LATERAL set_config('search_path', CASE WHEN build > 1
                          THEN 'read_' || version || '_b' || build
                          ELSE current_setting('search_path') END, true) AS path
               WHERE version = $1 AND caught_up_at IS NOT NULL"#,
            ProjectionVersion::CURRENT.get(),
            org.to_string(),
        )
        .fetch_optional(&mut *tx)
        .await
        .map_err(absent_is_not_built)?;
        Ok(OrgReader {
            tx,
            org,
            position: built(position)?,
        })
    }

    /// The position up to which every event is applied.
    ///
    /// # Errors
    /// [`ReadError::NotBuilt`] until the projection has reached the head of the log once.
    pub async fn position(&self) -> Result<GlobalPosition, ReadError> {
        Ok(self.standing().await?.position)
    }

    /// Which build answers, and its position.
    ///
    /// # Errors
    /// As [`position`](Self::position).
    pub(crate) async fn standing(&self) -> Result<Standing, ReadError> {
        let row = sqlx::query!(
            "SELECT position, build, changes FROM read.versions
             WHERE version = $1 AND caught_up_at IS NOT NULL",
            ProjectionVersion::CURRENT.get(),
        )
        .fetch_optional(&self.pool)
        .await
        .map_err(absent_is_not_built)?;
        let row = row.ok_or(ReadError::NotBuilt)?;
        Ok(Standing {
            position: built(Some(row.position))?,
            tables: Tables {
                build: Build::new(ProjectionVersion::CURRENT, row.build),
                changes: row.changes,
            },
        })
    }

    pub(crate) const fn pool(&self) -> &PgPool {
        &self.pool
    }
}

impl OrgReader {
    /// The org whose rows are seen.
    pub const fn org_id(&self) -> OrgId {
        self.org
    }

    /// Goes on in another org, from the same snapshot: for the one question that is about several, a
    /// person's own orgs. Who asks must have found out that it is one.
    ///
    /// # Errors
    /// [`ReadError::Database`]
    pub async fn turn_to(&mut self, org: OrgId) -> Result<(), ReadError> {
        sqlx::query_scalar!("SELECT set_config('tga.org_id', $1, true)", org.to_string(),)
            .fetch_one(&mut *self.tx)
            .await?;
        self.org = org;
        Ok(())
    }

    /// The position that every answer of this reader is computed at: `Tga-Position`.
    pub const fn position(&self) -> GlobalPosition {
        self.position
    }
}

impl fmt::Debug for OrgReader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OrgReader")
            .field("org", &self.org)
            .field("position", &self.position)
            .finish_non_exhaustive()
    }
}

fn built(position: Option<i64>) -> Result<GlobalPosition, ReadError> {
    position
        .and_then(GlobalPosition::try_from_i64)
        .ok_or(ReadError::NotBuilt)
}

fn absent_is_not_built(error: sqlx::Error) -> ReadError {
    if is_undefined(&error) {
        ReadError::NotBuilt
    } else {
        ReadError::Database(error)
    }
}
