//! A durable for each key: two programs of one org, each with a key of its own, do not take each
//! other's events, and what a key leaves behind ends with it. It remembers what was acknowledged, and
//! no more is relied on: the subscriber owns its checkpoint.

use std::collections::HashSet;
use std::fmt;
use std::time::Duration;

use async_nats::jetstream::consumer::{AckPolicy, DeliverPolicy, pull};
use async_nats::jetstream::response::Response;
use async_nats::jetstream::stream::{ConsumerError, ConsumerErrorKind, DeleteStatus};
use async_nats::jetstream::{self, Context, ErrorCode};
use domain::ids::{KeyId, OrgId};
use domain::limits::{
    SUBSCRIBER_ACK_SECONDS, SUBSCRIBER_BATCH, SUBSCRIBER_IDLE_HOURS, SUBSCRIBER_UNACKNOWLEDGED,
    SUBSCRIBER_WAITING,
};
use event_log::{STREAM_NAME, subject_of_org};
use runtime::clock::Clock;
use serde::Deserialize;
use serde_json::json;
use thiserror::Error;

/// How long NATS may take over one of them; a client waits for it.
const WITHIN: Duration = Duration::from_secs(1);
/// Most pages of names that are read at a time; the server puts about a thousand on each.
const PAGES: usize = 256;

/// Why durables cannot be had.
#[derive(Debug, Error)]
pub enum DurableError {
    /// The server did not answer in time.
    #[error("JetStream did not answer in time")]
    Late,
    /// It answered that it does not.
    #[error("JetStream could not {what}")]
    Refused {
        /// What was asked of it.
        what: &'static str,
        /// Its answer.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

/// Makes them and takes them away; cheap to clone.
#[derive(Clone)]
pub struct Durables {
    context: Context,
    clock: Clock,
}

#[derive(Deserialize)]
struct Names {
    total: usize,
    #[serde(default)]
    consumers: Option<Vec<String>>,
}

/// The name of a key's durable.
pub fn name(org: OrgId, key: KeyId) -> String {
    format!("{org}-{key}")
}

/// Whose durable it is that has this name; none if it is none of a key's.
pub fn parse(name: &str) -> Option<(OrgId, KeyId)> {
    // Both are UUIDs of 36 characters.
    let (org, key) = name.split_at_checked(36)?;
    Some((org.parse().ok()?, key.strip_prefix('-')?.parse().ok()?))
}

impl Durables {
    /// Through this connection, which may make them.
    pub fn new(client: async_nats::Client, clock: Clock) -> Self {
        let context = jetstream::new(client);
        Self { context, clock }
    }

    /// Sees to it that a key has one. One that is there and cannot become like it is made anew.
    pub async fn ensure(&self, org: OrgId, key: KeyId) -> Result<(), DurableError> {
        let mut made = self.make(org, key).await?;
        if made.as_ref().is_err_and(is_unlike) {
            self.remove(&name(org, key)).await?;
            made = self.make(org, key).await?;
        }
        made.map_err(refused("make a durable"))
    }

    /// In memory: what a thousand of them acknowledge each second would keep the server writing their
    /// states to the disk (measured), and nobody may rely on what they remember.
    async fn make(
        &self,
        org: OrgId,
        key: KeyId,
    ) -> Result<Result<(), ConsumerError>, DurableError> {
        let name = name(org, key);
        let config = pull::Config {
            name: Some(name.clone()),
            durable_name: Some(name),
            description: Some("Events of one org, for one API key".to_owned()),
            deliver_policy: DeliverPolicy::All,
            ack_policy: AckPolicy::Explicit,
            ack_wait: Duration::from_secs(SUBSCRIBER_ACK_SECONDS),
            filter_subject: subject_of_org(org),
            max_ack_pending: SUBSCRIBER_UNACKNOWLEDGED,
            max_waiting: SUBSCRIBER_WAITING,
            max_batch: SUBSCRIBER_BATCH,
            inactive_threshold: Duration::from_hours(SUBSCRIBER_IDLE_HOURS),
            memory_storage: true,
            ..pull::Config::default()
        };
        let made = self.context.create_consumer_on_stream(config, STREAM_NAME);
        let made = self.clock.timeout(WITHIN, made).await;
        let made = made.map_err(|_| DurableError::Late)?;
        Ok(made.map(drop))
    }

    /// Takes one away, if it is there.
    pub async fn remove(&self, name: &str) -> Result<(), DurableError> {
        let subject = format!("CONSUMER.DELETE.{STREAM_NAME}.{name}");
        let nothing = json!({});
        let removed = self.context.request(subject, &nothing);
        let removed = self.clock.timeout(WITHIN, removed).await;
        let removed = removed.map_err(|_| DurableError::Late)?;
        match removed.map_err(refused("take a durable away"))? {
            Response::Ok::<DeleteStatus>(_) => Ok(()),
            // Another service was quicker.
            Response::Err { error } if is_gone(error.error_code()) => Ok(()),
            Response::Err { error } => Err(refused("take a durable away")(error)),
        }
    }

    /// The names of all consumers of the stream; those beyond a bound wait for the next time.
    pub async fn names(&self) -> Result<HashSet<String>, DurableError> {
        let mut names = HashSet::new();
        for _ in 0..PAGES {
            let subject = format!("CONSUMER.NAMES.{STREAM_NAME}");
            let offset = json!({"offset": names.len()});
            let asked = self.context.request(subject, &offset);
            let asked = self.clock.timeout(WITHIN, asked).await;
            let answer = asked.map_err(|_| DurableError::Late)?;
            let page = match answer.map_err(refused("list durables"))? {
                Response::Ok::<Names>(page) => page,
                Response::Err { error } => return Err(refused("list durables")(error)),
            };
            let consumers = page.consumers.unwrap_or_default();
            let is_last = consumers.is_empty();
            names.extend(consumers);
            if is_last || names.len() >= page.total {
                break;
            }
        }
        Ok(names)
    }
}

/// How the server says that one which is there is otherwise in what cannot be changed; it has the
/// number for other failures too.
fn is_unlike(error: &ConsumerError) -> bool {
    let ConsumerErrorKind::JetStream(error) = error.kind() else {
        return false;
    };
    let is_fixed = error.to_string().contains("can not be updated");
    error.error_code() == ErrorCode::CONSUMER_CREATE && is_fixed
}

fn is_gone(code: ErrorCode) -> bool {
    [ErrorCode::CONSUMER_NOT_FOUND, ErrorCode::STREAM_NOT_FOUND].contains(&code)
}

fn refused<E>(what: &'static str) -> impl FnOnce(E) -> DurableError
where
    E: std::error::Error + Send + Sync + 'static,
{
    move |error| DurableError::Refused {
        what,
        source: Box::new(error),
    }
}

impl fmt::Debug for Durables {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Durables")
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn a_name_tells_whose_durable_it_is() {
        let org = "0190163d-8694-739b-aea5-966c26f8ad90".parse().unwrap();
        let key = "0190163d-8694-739b-aea5-966c26f8ad91".parse().unwrap();
        assert_eq!(parse(&name(org, key)), Some((org, key)));
        let other = format!("{org}_{key}");
        for other in ["", "one", &org.to_string(), &other, &"é".repeat(40)] {
            assert_eq!(parse(other), None, "{other}");
        }
    }
}
