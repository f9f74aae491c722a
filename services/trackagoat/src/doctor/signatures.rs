//! Whether the log is signed, so that what it holds can be proven.

use sqlx::PgConnection;

use super::finding::Finding;

const WHAT: &str = "signatures";
/// Seconds; while a command service signs, the newest signature is at most 10 s old.
const OLD: i64 = 30;

pub async fn look(connection: &mut PgConnection) -> Result<Finding, sqlx::Error> {
    let newest = sqlx::query!(
        r#"select tree_size, extract(epoch from clock_timestamp() - signed_at)::bigint as "age!"
           from log.newest_checkpoint"#
    )
    .fetch_optional(connection)
    .await?;
    Ok(match newest {
        None => Finding::warning(WHAT, "none: what the log holds cannot be proven").mend(
            "trackagoat log new-signing-key --file log-signing.key, and name that file to command \
             services with TGA_LOG_SIGNING_KEY_FILE",
        ),
        Some(newest) if newest.age > OLD => Finding::warning(
            WHAT,
            format_args!(
                "the newest is {} s old, over {} events",
                newest.age, newest.tree_size
            ),
        )
        .mend("start a command service with the key; if one runs, trackagoat log verify"),
        Some(newest) => Finding::fine(WHAT, format_args!("over {} events", newest.tree_size)),
    })
}
