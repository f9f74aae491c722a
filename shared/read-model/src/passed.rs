//! Which part of the log no projection needs any more.

use domain::ids::GlobalPosition;
use sqlx::PgConnection;

/// The position that every build of every version of the projection in this database has passed, finished
/// or not; none if there is no projection, or only such as were made before builds were kept apart. A
/// version that is made later begins with the first event.
///
/// # Errors
/// If the database does not answer.
pub async fn passed_by_all(
    connection: &mut PgConnection,
) -> Result<Option<GlobalPosition>, sqlx::Error> {
    let is_there =
        sqlx::query_scalar!(r#"SELECT to_regclass('read.builds') IS NOT NULL AS "is_there!""#)
            .fetch_one(&mut *connection)
            .await?;
    if !is_there {
        return Ok(None);
    }
    let least = sqlx::query_scalar!(
        "SELECT min(position) FROM (SELECT position FROM read.versions
                                    UNION ALL SELECT position FROM read.builds) AS builds"
    )
    .fetch_one(connection)
    .await?;
    Ok(least.and_then(GlobalPosition::try_from_i64))
}
