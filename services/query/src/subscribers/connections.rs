//! The connections of subscribers on all servers, as these list them, and how one is ended.

use std::net::IpAddr;
use std::time::Duration;

use async_nats::{Client, Subscriber};
use domain::ids::{KeyId, OrgId};
use futures_util::StreamExt;
use runtime::clock::Clock;
use serde::Deserialize;
use serde_json::json;
use thiserror::Error;

use super::grant::{ACCOUNT, Grant};

/// Connections on a page.
const PAGE: usize = 512;
/// Most pages that are read at a time, of all servers together.
const PAGES: usize = 512;
/// How long a server may take over a page; then it is taken for one that is gone.
const QUIET: Duration = Duration::from_millis(500);

/// Servers cannot be asked.
#[derive(Debug, Error)]
pub enum ConnectionsError {
    /// Not even the question was taken.
    #[error("the system account of NATS cannot be asked")]
    Ask(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// No server says anything.
    #[error("no server lists its connections")]
    Silence,
}

/// A connection that was let in with a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Connection {
    /// The server's own number of it.
    pub id: u64,
    /// From where it comes; none: the server does not say.
    pub peer: Option<IpAddr>,
    /// Whose events it reads.
    pub org: OrgId,
    /// The key.
    pub key: KeyId,
}

/// Connections of one server.
#[derive(Debug)]
pub struct Page {
    /// The server.
    pub server: String,
    /// Some of its connections.
    pub connections: Vec<Connection>,
}

/// Lists connections and ends them.
pub struct Connections {
    system: Client,
    clock: Clock,
}

/// What servers answer, page by page.
pub struct Listing<'a> {
    connections: &'a Connections,
    inbox: String,
    pages: Subscriber,
    left: usize,
    heard: bool,
}

#[derive(Deserialize)]
struct Reply {
    server: Server,
    data: Data,
}

#[derive(Deserialize)]
struct Server {
    id: String,
}

#[derive(Deserialize)]
struct Data {
    total: usize,
    offset: usize,
    #[serde(default)]
    connections: Option<Vec<Listed>>,
}

#[derive(Deserialize)]
struct Listed {
    cid: u64,
    #[serde(default)]
    ip: String,
    #[serde(default)]
    authorized_user: String,
}

impl Connections {
    /// Through a connection to the system account.
    pub const fn new(system: Client, clock: Clock) -> Self {
        Self { system, clock }
    }

    /// Asks all servers.
    pub async fn list(&self) -> Result<Listing<'_>, ConnectionsError> {
        let inbox = self.system.new_inbox();
        let pages = self.system.subscribe(inbox.clone()).await;
        let pages = pages.map_err(|error| ConnectionsError::Ask(Box::new(error)))?;
        let listing = Listing {
            connections: self,
            inbox,
            pages,
            left: PAGES,
            heard: false,
        };
        listing.ask("PING", 0).await?;
        Ok(listing)
    }

    /// Ends a connection. That it is gone already is no error, and whether it is gone the next list
    /// says.
    pub async fn end(&self, server: &str, connection: u64) -> Result<(), ConnectionsError> {
        let subject = format!("$SYS.REQ.SERVER.{server}.KICK");
        let body = json!({ "cid": connection }).to_string();
        // A server does nothing for who wants no answer.
        let nowhere = self.system.new_inbox();
        let sent = self
            .system
            .publish_with_reply(subject, nowhere, body.into())
            .await;
        sent.map_err(|error| ConnectionsError::Ask(Box::new(error)))
    }
}

impl Listing<'_> {
    /// What comes next; none once every server has said all.
    ///
    /// # Errors
    /// If no server said anything, or NATS is gone.
    pub async fn next(&mut self) -> Result<Option<Page>, ConnectionsError> {
        let clock = &self.connections.clock;
        while self.left > 0 {
            let message = match clock.timeout(QUIET, self.pages.next()).await {
                Ok(Some(message)) => message,
                Ok(None) | Err(_) if self.heard => return Ok(None),
                Ok(None) | Err(_) => return Err(ConnectionsError::Silence),
            };
            self.left -= 1;
            let Ok(Reply { server, data }) = serde_json::from_slice(&message.payload) else {
                // That nobody has the right to ask, or nobody is there, looks like this.
                continue;
            };
            self.heard = true;
            let listed = data.connections.unwrap_or_default();
            let seen = data.offset + listed.len();
            if !listed.is_empty() && seen < data.total {
                self.ask(&server.id, seen).await?;
            }
            return Ok(Some(Page {
                server: server.id,
                connections: listed.iter().filter_map(Listed::read).collect(),
            }));
        }
        tracing::warn!("more connections than are looked at: the rest ends by itself");
        Ok(None)
    }

    async fn ask(&self, server: &str, offset: usize) -> Result<(), ConnectionsError> {
        let subject = format!("$SYS.REQ.SERVER.{server}.CONNZ");
        let asked = json!({"auth": true, "acc": ACCOUNT, "offset": offset, "limit": PAGE});
        let (system, inbox) = (&self.connections.system, self.inbox.clone());
        let body = asked.to_string().into();
        let sent = system.publish_with_reply(subject, inbox, body).await;
        sent.map_err(|error| ConnectionsError::Ask(Box::new(error)))
    }
}

impl Listed {
    /// None if it is none of a subscriber's.
    fn read(&self) -> Option<Connection> {
        let (org, key) = Grant::parse_name(&self.authorized_user)?;
        Some(Connection {
            id: self.cid,
            peer: self.ip.parse().ok(),
            org,
            key,
        })
    }
}
