//! What must exist around the log before it can be migrated: the database and the logins.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};
use sqlx::{AssertSqlSafe, PgConnection};
use uuid::Uuid;

/// As many as Postgres takes by itself. Passwords here are random, so more would add nothing.
const SCRAM_ROUNDS: u32 = 4_096;

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
/// exists, and gives it a password. It acts as its group: what one login makes, the next may use.
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
    let verifier = scram_verifier(password, salt.as_bytes());
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

/// What Postgres keeps of a password: from this it cannot be had again, so the statement may stand
/// in a log, ours or the server's.
fn scram_verifier(password: &str, salt: &[u8]) -> String {
    let mut last = sign(password.as_bytes(), &[salt, &1_u32.to_be_bytes()].concat());
    let mut salted = last;
    for _ in 1..SCRAM_ROUNDS {
        last = sign(password.as_bytes(), &last);
        for (sum, byte) in salted.iter_mut().zip(last) {
            *sum ^= byte;
        }
    }
    let stored: [u8; 32] = Sha256::digest(sign(&salted, b"Client Key")).into();
    let server = sign(&salted, b"Server Key");
    format!(
        "SCRAM-SHA-256${SCRAM_ROUNDS}:{}${}:{}",
        STANDARD.encode(salt),
        STANDARD.encode(stored),
        STANDARD.encode(server)
    )
}

fn sign(key: &[u8], text: &[u8]) -> [u8; 32] {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("a key of any length will do");
    mac.update(text);
    mac.finalize().into_bytes().into()
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

#[cfg(test)]
mod tests {
    use super::scram_verifier;

    /// By the example of RFC 7677: salt and password are its, so are the keys that follow from them.
    #[test]
    fn the_verifier_is_that_of_the_standard() {
        let salt = b"\x5b\x6d\x99\x68\x9d\x12\x35\x8e\xec\xa0\x4b\x14\x12\x36\xfa\x81";
        assert_eq!(
            scram_verifier("pencil", salt),
            "SCRAM-SHA-256$4096:W22ZaJ0SNY7soEsUEjb6gQ==$\
             WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=:wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU="
        );
    }
}
