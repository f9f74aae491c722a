//! Event stores that are not ours, made ready by `deploy/bench`: where they are, and how their
//! programs are run (deploy/README.md).

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use runtime::clock::Clock;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use sqlx::{Connection, Executor, PgConnection};
use tokio::process::Command;

use super::error::BenchError;
use super::folder::Database;

/// An event store that is not ours; their names are those of their folders.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Peer {
    MessageDb,
    Emmett,
    UmaDb,
    Eventsourcing,
    PostgresEs,
}

/// Where those are that were made ready.
#[derive(Clone, Debug)]
pub struct Peers(Option<PathBuf>);

/// What a peer's program prints.
#[derive(Debug, Deserialize)]
pub struct Printed<T> {
    pub version: String,
    #[serde(flatten)]
    pub figures: T,
}

impl Peer {
    pub const ALL: [Self; 5] = [
        Self::UmaDb,
        Self::MessageDb,
        Self::Emmett,
        Self::Eventsourcing,
        Self::PostgresEs,
    ];

    pub const fn name(self) -> &'static str {
        match self {
            Self::MessageDb => "message-db",
            Self::Emmett => "emmett",
            Self::UmaDb => "umadb",
            Self::Eventsourcing => "eventsourcing",
            Self::PostgresEs => "postgres-es",
        }
    }

    const fn needs(self) -> &'static str {
        match self {
            Self::MessageDb => "schema.sql",
            Self::Emmett | Self::UmaDb | Self::Eventsourcing | Self::PostgresEs => "run",
        }
    }

    /// Runs a command of its program, which prints one JSON object.
    pub async fn run<T: DeserializeOwned>(
        self,
        mut command: Command,
        limit: Duration,
        clock: &Clock,
    ) -> Result<Printed<T>, BenchError> {
        command.stdin(Stdio::null()).kill_on_drop(true);
        let output = clock
            .timeout(limit, command.output())
            .await
            .map_err(|source| BenchError::Late {
                what: "a peer's figures",
                source,
            })?
            .map_err(BenchError::Talk)?;
        if !output.status.success() {
            let reason = reason(&String::from_utf8_lossy(&output.stderr));
            return Err(BenchError::Child {
                program: self.name().into(),
                reason,
            });
        }
        serde_json::from_slice(&output.stdout).map_err(BenchError::json)
    }
}

impl Peers {
    pub fn new(folder: Option<PathBuf>) -> Self {
        Self(folder)
    }

    /// The folder of a peer, if it is there.
    pub fn folder(&self, peer: Peer) -> Option<PathBuf> {
        let folder = self.0.as_ref()?.join(peer.name());
        folder.join(peer.needs()).is_file().then_some(folder)
    }
}

/// A new database with message-db's tables and functions; its URL and message-db's version.
pub async fn make_message_db(
    database: &mut Database,
    folder: &Path,
) -> Result<(String, String), BenchError> {
    let read = |name| {
        let path = folder.join(name);
        std::fs::read_to_string(&path).map_err(BenchError::io("read", &path))
    };
    let url = database.empty().await?;
    let mut connection = PgConnection::connect(&url).await?;
    // The peer's own file, in a database of its own.
    connection
        .execute(sqlx::AssertSqlSafe(read("schema.sql")?))
        .await?;
    connection.close().await?;
    Ok((url, read("version")?.trim().to_owned()))
}

/// The line that names the error, in what a program said at its end.
fn reason(said: &str) -> String {
    let named = said.lines().find(|line| line.contains("rror:"));
    let reason = named.or(said.lines().last());
    reason.unwrap_or("it gave no reason").trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::reason;

    #[test]
    fn the_line_that_names_the_error_is_shown() {
        let said = "driver.mjs:20\n\nError: no database\n    at driver.mjs:20\n\nNode.js v20";
        assert_eq!(reason(said), "Error: no database");
        assert_eq!(reason("it broke"), "it broke");
        assert_eq!(reason(""), "it gave no reason");
    }
}
