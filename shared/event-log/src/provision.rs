//! What must exist around the log before it can be migrated: the database and the logins.

use runtime::local::scram::{FEWEST_ROUNDS, verifier};
use sqlx::{AssertSqlSafe, PgConnection};
use uuid::Uuid;

/// Creates a database unless it exists. The connection's user must be allowed to.
///
/// # Panics
/// If the name is no plain identifier: names of databases cannot be bound.
pub async fn create_database(connection: &mut PgConnection, name: &str) -> Result<(), sqlx::Error> {
    assert_plain(name);
    let exists = sqlx::query_scalar!(
        r#"select exists (select from pg_database where datname = $1) as "exists!""#,
        name
    )
    .fetch_one(&mut *connection)
    .await?;
    if !exists {
        sqlx::query(AssertSqlSafe(format!("create database {name}")))
            .execute(connection)
            .await?;
    }
    Ok(())
}

/// Creates a login in one of the groups `tga_command`, `tga_query`, `tga_projector` unless it
/// exists, and gives it a password, which must be random: what the server keeps of it would not slow
/// guesses down. It acts as its group: what one login makes, the next may use.
///
/// # Panics
/// If one of the texts is no plain identifier: neither names nor passwords can be bound.
pub async fn create_login(
    connection: &mut PgConnection,
    group: &str,
    login: &str,
    password: &str,
) -> Result<(), sqlx::Error> {
    for text in [group, login, password] {
        assert_plain(text);
    }
    let exists = sqlx::query_scalar!(
        r#"select exists (select from pg_roles where rolname = $1) as "exists!""#,
        login
    )
    .fetch_one(&mut *connection)
    .await?;
    if !exists {
        sqlx::query(AssertSqlSafe(format!(
            "create role {login} login in role {group}"
        )))
        .execute(&mut *connection)
        .await?;
    }
    let salt: Uuid = sqlx::query_scalar!(r#"select gen_random_uuid() as "salt!""#)
        .fetch_one(&mut *connection)
        .await?;
    let verifier = verifier(password, salt.as_bytes(), FEWEST_ROUNDS);
    for statement in [
        format!("alter role {login} password '{verifier}'"),
        format!("alter role {login} set role to {group}"),
    ] {
        sqlx::query(AssertSqlSafe(statement))
            .execute(&mut *connection)
            .await?;
    }
    Ok(())
}

fn assert_plain(text: &str) {
    let is_plain = text
        .bytes()
        .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    assert!(
        is_plain && !text.is_empty(),
        "only letters, digits and _ are put into statements"
    );
}
