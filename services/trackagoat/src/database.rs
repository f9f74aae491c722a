//! How this program connects to Postgres.

use std::time::Duration;

use secrecy::{ExposeSecret, SecretString};
use sqlx::PgPool;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};

/// Connections of one service to the primary.
const CONNECTIONS: u32 = 16;
const ACQUIRE_WITHIN: Duration = Duration::from_secs(3);

/// The options of a URL. Plans are not compiled: those of tables that were not analysed yet are
/// thought dear, and compiling them takes a hundred times as long as they do.
///
/// # Errors
/// If the URL cannot be read.
pub fn connect_options(url: &SecretString) -> Result<PgConnectOptions, sqlx::Error> {
    let options: PgConnectOptions = url.expose_secret().parse()?;
    Ok(options.options([("jit", "off")]))
}

/// The connections of a service, none of which is made yet.
///
/// # Errors
/// If the URL cannot be read.
pub fn pool(url: &SecretString) -> Result<PgPool, sqlx::Error> {
    Ok(pool_options().connect_lazy_with(connect_options(url)?))
}

/// So many connections, and so long until one is free.
pub fn pool_options() -> PgPoolOptions {
    PgPoolOptions::new()
        .max_connections(CONNECTIONS)
        .acquire_timeout(ACQUIRE_WITHIN)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn plans_are_not_compiled_whatever_else_the_url_asks_for() -> Result<(), sqlx::Error> {
        let url = "postgres://ada@localhost/goats?options=-c%20statement_timeout%3D5s";
        let pool = pool(&url.into())?;
        let options = pool.connect_options();
        let asked = options.get_options().unwrap_or_default();
        assert!(
            asked.contains("jit=off") && asked.contains("statement_timeout"),
            "{asked}"
        );
        Ok(())
    }
}
