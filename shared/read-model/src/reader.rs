//! The one door to the tables: a reader belongs to one org and one snapshot.

use std::fmt;

use domain::ids::{GlobalPosition, OrgId};
use sqlx::error::DatabaseError;
use sqlx::{PgPool, Postgres, Transaction};

use crate::error::ReadError;
use crate::schema::ProjectionVersion;

/// Postgres: a table, or a schema, that is not there.
const UNDEFINED: [&str; 2] = ["42P01", "3F000"];

/// The projection of this build; cheap to clone.
#[derive(Clone, Debug)]
pub struct ReadModel {
    pool: PgPool,
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
        let position = sqlx::query_scalar!(
            r#"SELECT position FROM read.versions,
                      LATERAL set_config('tga.org_id', $2, true) AS setting
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
        let position = sqlx::query_scalar!(
            "SELECT position FROM read.versions WHERE version = $1 AND caught_up_at IS NOT NULL",
            ProjectionVersion::CURRENT.get(),
        )
        .fetch_optional(&self.pool)
        .await
        .map_err(absent_is_not_built)?;
        built(position)
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
    let code = error.as_database_error().and_then(DatabaseError::code);
    if code.is_some_and(|code| UNDEFINED.contains(&code.as_ref())) {
        ReadError::NotBuilt
    } else {
        ReadError::Database(error)
    }
}
