//! How this program connects to Postgres.

use secrecy::{ExposeSecret, SecretString};
use sqlx::postgres::PgConnectOptions;

/// The options of a URL. Plans are not compiled: those of tables that were not analysed yet are
/// thought dear, and compiling them takes a hundred times as long as they do.
///
/// # Errors
/// If the URL cannot be read.
pub fn connect_options(url: &SecretString) -> Result<PgConnectOptions, sqlx::Error> {
    let options: PgConnectOptions = url.expose_secret().parse()?;
    Ok(options.options([("jit", "off")]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plans_are_not_compiled_whatever_else_the_url_asks_for() -> Result<(), sqlx::Error> {
        let url = "postgres://ada@localhost/goats?options=-c%20statement_timeout%3D5s";
        let options = connect_options(&url.into())?;
        let asked = options.get_options().unwrap_or_default();
        assert!(
            asked.contains("jit=off") && asked.contains("statement_timeout"),
            "{asked}"
        );
        Ok(())
    }
}
