//! An org with a long trail, and a query service that has projected it.

use std::time::Duration;

use domain::ids::{GlobalPosition, OrgId};
use domain::scope::{Scope, Scopes};
use runtime::clock::Clock;
use sqlx::{Connection, Executor, PgConnection};

use super::Setting;
use super::error::BenchError;
use super::fleet::Org;
use super::load;
use super::open_log::OpenLog;
use super::product::Service;
use super::zipf::Random;

const PROJECTED_WITHIN: Duration = Duration::from_hours(1);
const LOOK: Duration = Duration::from_millis(250);

/// The service, and what it is asked for.
pub struct Trail {
    pub service: Service,
    pub url: String,
    pub org: Org,
    /// A key that may read the trail.
    pub key: String,
    pub events: u64,
    /// The last of them.
    pub head: GlobalPosition,
}

impl Trail {
    /// So many events of `payload_bytes`, in an empty database of ours.
    pub async fn make(
        url: String,
        events: u64,
        payload_bytes: usize,
        setting: &Setting,
    ) -> Result<Self, BenchError> {
        let Setting {
            folder,
            clock,
            entropy,
        } = setting;
        let org = Org::new(setting);
        let scopes = Scopes::from_iter([Scope::Read, Scope::Audit]);
        let mut keys = org.write_with(scopes, &url, 1, setting).await?;
        let open_log = OpenLog::open(&url, clock, entropy).await?;
        let mut random = Random::new(entropy.u64());
        let id = OrgId::from_uuid(org.id);
        let head = open_log
            .fill_org(id, events, payload_bytes, &mut random)
            .await?;
        open_log.close().await;
        let trail = Self {
            service: Service::query(folder.path(), &url, clock).await?,
            url,
            org,
            key: keys.pop().map(|key| key.secret).unwrap_or_default(),
            events,
            head,
        };
        let projected = clock.timeout(PROJECTED_WITHIN, trail.until_projected(clock));
        projected.await.map_err(|source| BenchError::Late {
            what: "the projection of an org's events",
            source,
        })??;
        let mut connection = PgConnection::connect(&trail.url).await?;
        connection.execute("vacuum analyze").await?;
        connection.close().await?;
        Ok(trail)
    }

    /// Asks for what is as new as the log, until that is there.
    async fn until_projected(&self, clock: &Clock) -> Result<(), BenchError> {
        let address = self.service.ready.address()?;
        let (head, key) = (self.head, &self.key);
        let request = format!(
            "GET /api/v1/projects?limit=1 HTTP/1.1\r\nhost: {address}\r\n\
             authorization: Bearer {key}\r\ntga-min-position: {head}\r\n\r\n"
        );
        loop {
            let answer = load::once(address, request.as_bytes()).await?;
            match answer.status {
                200 => return Ok(()),
                503 => clock.sleep(LOOK).await,
                _ => {
                    let text = format!("the projects were answered {answer}");
                    return Err(BenchError::Wrong(text));
                }
            }
        }
    }
}
