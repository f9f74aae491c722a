//! Query services on one database and one NATS, as `serve query` runs them, and keys to call them
//! with. The rows of an org and its keys are written before the services load them.

use std::net::SocketAddr;
use std::time::Duration;

use domain::credential::{CredentialKind, CredentialSecret};
use domain::scope::{Scope, Scopes};
use runtime::clock::Clock;
use runtime::local::NatsServer;
use sqlx::{Connection, PgConnection};
use uuid::Uuid;

use super::Setting;
use super::error::BenchError;
use super::folder::Database;
use super::load;
use super::product::{Serve, Service};

/// What nothing measured here reaches.
const FAR: i64 = 1_000_000_000;
/// What is asked for.
pub const PATH: &str = "/api/v1/projects";
const SETTLED_WITHIN: Duration = Duration::from_secs(30);
/// Between two looks: replicas tell each other every 50 ms.
const LOOK: Duration = Duration::from_millis(120);

const ORG: &str = "insert into gate.orgs (org_id, plan, requests_per_day,
        requests_per_minute_per_key, suspended, position)
    values ($1, 'ultra', $2, $3, false, 0)";
const KEY: &str = "insert into gate.credentials (hash, id, org_id, kind, status, scopes, strict,
        owner_banned, rate_limit_per_minute, position)
    values ($1, $2, $3, 1, 1, $5, false, false, $4, 0)";

/// An org that is not there yet, and its limits.
#[derive(Clone, Copy, Debug)]
pub struct Org {
    pub id: Uuid,
    /// None: more than is asked for.
    pub requests_per_day: Option<u32>,
    pub requests_per_minute: Option<u32>,
}

/// A key that was written.
pub struct Key {
    pub id: Uuid,
    pub secret: String,
}

/// Servers, and services that use them.
pub struct Fleet {
    pub services: Vec<Service>,
    pub database: Database,
    pub url: String,
    nats: NatsServer,
    started: usize,
}

impl Org {
    pub fn new(setting: &Setting) -> Self {
        Self {
            id: setting.entropy.uuid_v4(),
            requests_per_day: None,
            requests_per_minute: None,
        }
    }

    /// Writes it, with so many keys that may read; those.
    pub async fn write(
        self,
        url: &str,
        keys: usize,
        setting: &Setting,
    ) -> Result<Vec<String>, BenchError> {
        let scopes = Scopes::from_iter([Scope::Read]);
        let keys = self.write_with(scopes, url, keys, setting).await?;
        Ok(keys.into_iter().map(|key| key.secret).collect())
    }

    /// Writes it, with so many keys of these scopes; those.
    pub async fn write_with(
        self,
        scopes: Scopes,
        url: &str,
        keys: usize,
        setting: &Setting,
    ) -> Result<Vec<Key>, BenchError> {
        let or_far = |limit: Option<u32>| limit.map_or(FAR, i64::from);
        let per_minute = or_far(self.requests_per_minute);
        let mut connection = PgConnection::connect(url).await?;
        // Run at run time, as all SQL of benchmarks: it is no part of the product.
        sqlx::query(ORG)
            .bind(self.id)
            .bind(or_far(self.requests_per_day))
            .bind(per_minute)
            .execute(&mut connection)
            .await?;
        let mut made = Vec::new();
        for _ in 0..keys {
            let entropy = &setting.entropy;
            let id = entropy.uuid_v4();
            let secret = CredentialSecret::generate(CredentialKind::ApiKey, &entropy.bytes());
            sqlx::query(KEY)
                .bind(secret.hash().as_bytes().to_vec())
                .bind(id)
                .bind(self.id)
                .bind(per_minute)
                .bind(i16::from(scopes.bits()))
                .execute(&mut connection)
                .await?;
            let secret = secret.reveal().to_owned();
            made.push(Key { id, secret });
        }
        connection.close().await?;
        Ok(made)
    }
}

impl Fleet {
    /// Starts the servers alone.
    pub async fn of_none(setting: &Setting) -> Result<Self, BenchError> {
        let Setting {
            folder,
            clock,
            entropy,
        } = setting;
        let nats = folder.nats(clock, entropy).await?;
        let mut database = Database::start(folder, clock, entropy).await?;
        Ok(Self {
            url: database.ours().await?,
            services: Vec::new(),
            database,
            nats,
            started: 0,
        })
    }

    /// Starts one more.
    pub async fn add(&mut self, setting: &Setting) -> Result<(), BenchError> {
        let new = self.start_one(setting).await?;
        self.services.push(new);
        Ok(())
    }

    /// Kills one, as `kill -9` does, and starts another in its place.
    pub async fn replace(&mut self, index: usize, setting: &Setting) -> Result<(), BenchError> {
        self.services.remove(index).kill().await?;
        let new = self.start_one(setting).await?;
        self.services.insert(index, new);
        Ok(())
    }

    /// Stops one in order, and starts another in its place.
    pub async fn restart(&mut self, index: usize, setting: &Setting) -> Result<(), BenchError> {
        self.services.remove(index).stop().await?;
        let new = self.start_one(setting).await?;
        self.services.insert(index, new);
        Ok(())
    }

    async fn start_one(&mut self, setting: &Setting) -> Result<Service, BenchError> {
        self.started += 1;
        let (name, nats_url) = (format!("query-{}", self.started), self.nats.url());
        let serve = Serve {
            role: "query",
            name: &name,
            database_url: &self.url,
            nats_url: Some(&nats_url),
        };
        Service::start(setting.folder.path(), serve, &setting.clock).await
    }

    /// Where they listen.
    pub fn targets(&self) -> Result<Vec<SocketAddr>, BenchError> {
        self.services
            .iter()
            .map(|one| one.ready.address())
            .collect()
    }

    pub async fn stop(self) -> Result<(), BenchError> {
        for service in self.services {
            service.stop().await?;
        }
        self.database.shut_down().await?;
        self.nats.shut_down().await.map_err(BenchError::Server)
    }
}

/// Waits until each of these knows to the last one what all of them admit, asking with a key that
/// nothing limits.
pub async fn settle(targets: &[SocketAddr], key: &str, clock: &Clock) -> Result<(), BenchError> {
    let settling = async {
        let mut admitted = 0;
        let mut known = 0;
        while known < 2 * targets.len() {
            let target = targets[known % targets.len()];
            let answer = load::once(target, &load::get(target, PATH, key)).await?;
            admitted += 1;
            let left = remaining(&answer.head);
            known = if left == Some(FAR - admitted) {
                known + 1
            } else {
                0
            };
            clock.sleep(LOOK).await;
        }
        Ok(())
    };
    let settled = clock.timeout(SETTLED_WITHIN, settling).await;
    settled.map_err(|source| BenchError::Late {
        what: "replicas that know each other",
        source,
    })?
}

/// What is left of the key's window, as the answer's head says.
fn remaining(head: &[u8]) -> Option<i64> {
    let text = std::str::from_utf8(head).ok()?;
    let (_, rest) = text.split_once("\"key-minute\";r=")?;
    let digits = rest.split(|letter: char| !letter.is_ascii_digit()).next()?;
    digits.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::remaining;

    #[test]
    fn what_is_left_stands_in_the_head() {
        let head = b"HTTP/1.1 200 OK\r\nratelimit-policy: \"key-minute\";q=60;w=60\r\nratelimit: \"key-minute\";r=57;t=12\r\n\r\n";
        assert_eq!(remaining(head), Some(57));
        assert_eq!(remaining(b"HTTP/1.1 200 OK\r\n\r\n"), None);
    }
}
