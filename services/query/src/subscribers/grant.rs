//! What a connection may do that was let in.

use std::time::Duration;

use chrono::TimeDelta;
use domain::ids::{KeyId, OrgId};
use domain::limits::{SUBSCRIBER_MESSAGE_BYTES, SUBSCRIPTION_SECONDS, SUBSCRIPTIONS};
use domain::time::Timestamp;
use event_log::STREAM_NAME;
use runtime::entropy::Entropy;
use runtime::files::hex;
use runtime::nats_keys::SubscriberKeys;
use serde::Serialize;
use sha2::{Digest, Sha256};

use super::durables;
use super::jwt::{self, Claims};
use super::request::{AuthRequest, Presented};

/// The account of subscribers, by its name in the server's configuration. It is none in which events
/// are kept: the server answers to wherever a question says, and there that could be the stream.
pub const ACCOUNT: &str = "SUBSCRIBERS";
/// The prefix under which that account takes what JetStream is asked.
pub const API: &str = "tga.api";
/// What stands before org and key in the name under which a connection is listed.
const PREFIX: &str = "tga";

/// What stands before a key where the prefix of its inboxes is made of both: the hash is then none
/// by which keys are found.
const OF_INBOXES: &[u8] = b"inbox:";
/// Bytes of that hash which stand in the prefix.
const INBOX_BYTES: usize = 16;

/// A key that was let in.
#[derive(Clone, PartialEq, Eq)]
pub struct Grant {
    /// Whose events it reads.
    pub org: OrgId,
    /// The key.
    pub key: KeyId,
    /// When the server ends the connection.
    pub until: Timestamp,
    /// What its inboxes begin with, which is told to nobody.
    inboxes: String,
}

#[derive(Serialize)]
struct User {
    #[serde(rename = "type")]
    kind: &'static str,
    version: u8,
    #[serde(rename = "pub")]
    publish: Allowed,
    #[serde(rename = "sub")]
    subscribe: Allowed,
    /// Most subscriptions.
    subs: i64,
    /// Most bytes in all; -1: any.
    data: i64,
    /// Most bytes of a message.
    payload: i64,
    allowed_connection_types: [&'static str; 2],
}

#[derive(Serialize)]
struct Allowed {
    allow: Vec<String>,
}

#[derive(Serialize)]
struct Answer {
    #[serde(rename = "type")]
    kind: &'static str,
    version: u8,
    #[serde(skip_serializing_if = "Option::is_none")]
    jwt: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<&'static str>,
}

impl Grant {
    /// Until the next look at the key is due, or its end. Those that were let in together do not all
    /// come back together.
    pub fn new(
        org: OrgId,
        key: KeyId,
        presented: &Presented,
        ends: Option<Timestamp>,
        now: Timestamp,
        entropy: &Entropy,
    ) -> Self {
        let longest = Duration::from_secs(SUBSCRIPTION_SECONDS.unsigned_abs());
        let lasts = entropy.jitter(longest * 9 / 10, 0.1);
        let lasts = TimeDelta::from_std(lasts.min(longest)).unwrap_or_default();
        let until = now.plus(lasts);
        Self {
            org,
            key,
            until: ends.map_or(until, |ends| ends.min(until)),
            inboxes: inbox_prefix(presented.reveal()),
        }
    }

    /// As which the server lists the connection.
    fn name(&self) -> String {
        format!("{PREFIX}:{}:{}", self.org, self.key)
    }

    /// Whose connection it is that is listed under a name; none if it is none of a subscriber's.
    pub fn parse_name(name: &str) -> Option<(OrgId, KeyId)> {
        let (org, key) = name
            .strip_prefix(PREFIX)?
            .strip_prefix(':')?
            .split_once(':')?;
        Some((org.parse().ok()?, key.parse().ok()?))
    }

    fn user(&self) -> User {
        let durable = durables::name(self.org, self.key);
        let publish = vec![
            format!("{API}.CONSUMER.MSG.NEXT.{STREAM_NAME}.{durable}"),
            format!("{API}.CONSUMER.INFO.{STREAM_NAME}.{durable}"),
            format!("$JS.ACK.{STREAM_NAME}.{durable}.>"),
        ];
        User {
            kind: "user",
            version: 2,
            publish: Allowed { allow: publish },
            subscribe: Allowed {
                allow: vec![format!("{}.>", self.inboxes)],
            },
            subs: SUBSCRIPTIONS,
            data: -1,
            payload: SUBSCRIBER_MESSAGE_BYTES,
            allowed_connection_types: ["STANDARD", "WEBSOCKET"],
        }
    }
}

/// What the inboxes of a connection must begin with that presents this key. A server sends an answer
/// wherever who asks wants it, also to what another one listens to. So nobody may listen where
/// others can guess it, and only who has the key can tell this.
pub fn inbox_prefix(key: &str) -> String {
    let hash = Sha256::new()
        .chain_update(OF_INBOXES)
        .chain_update(key)
        .finalize();
    format!("_INBOX_{}", hex(&hash[..INBOX_BYTES]))
}

/// The answer to a server, sealed for it: what the connection may do, or that it may not be.
pub fn answer(
    request: &AuthRequest,
    grant: Option<&Grant>,
    keys: &SubscriberKeys,
    now: Timestamp,
    entropy: &Entropy,
) -> Option<Vec<u8>> {
    let seconds = |at: Timestamp| at.datetime().timestamp();
    let token = match grant {
        Some(grant) => {
            let user = Claims {
                jti: entropy.uuid_v4().to_string(),
                iat: seconds(now),
                exp: Some(seconds(grant.until)),
                iss: keys.issuer(),
                sub: request.user.clone(),
                aud: ACCOUNT.to_owned(),
                name: Some(grant.name()),
                nats: grant.user(),
            };
            Some(jwt::sign(&user, keys.account())?)
        }
        None => None,
    };
    let answer = Claims {
        jti: entropy.uuid_v4().to_string(),
        iat: seconds(now),
        exp: None,
        iss: keys.issuer(),
        sub: request.user.clone(),
        aud: request.server.clone(),
        name: None,
        nats: Answer {
            kind: "authorization_response",
            version: 2,
            error: token.is_none().then_some("refused"),
            jwt: token,
        },
    };
    let token = jwt::sign(&answer, keys.account())?;
    keys.curve().seal(token.as_bytes(), &request.curve).ok()
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;

    fn ids() -> (OrgId, KeyId) {
        let org = "0190163d-8694-739b-aea5-966c26f8ad90".parse().unwrap();
        (org, "0190163d-8694-739b-aea5-966c26f8ad91".parse().unwrap())
    }

    fn presented() -> Presented {
        serde_json::from_value("tga_x".into()).unwrap()
    }

    #[test]
    fn a_name_tells_whose_connection_it_is() {
        let (org, key) = ids();
        let now = Timestamp::parse("2026-01-05T05:37:52Z").unwrap();
        let grant = Grant::new(org, key, &presented(), None, now, &Entropy::seeded(1));
        assert_eq!(Grant::parse_name(&grant.name()), Some((org, key)));
        for other in ["command", "", "tga:", "tga:a:b", &format!("tga:{org}")] {
            assert_eq!(Grant::parse_name(other), None, "{other}");
        }
    }

    #[test]
    fn it_never_lasts_longer_than_is_said_nor_than_the_key() {
        let (org, key) = ids();
        let now = Timestamp::parse("2026-01-05T05:37:52Z").unwrap();
        let entropy = Entropy::seeded(1);
        let most = now.plus(TimeDelta::seconds(SUBSCRIPTION_SECONDS));
        let least = now.plus(TimeDelta::seconds(SUBSCRIPTION_SECONDS * 8 / 10));
        for _ in 0..1_000 {
            let until = Grant::new(org, key, &presented(), None, now, &entropy).until;
            assert!(until <= most && until >= least, "{until}");
        }
        let soon = now.plus(TimeDelta::seconds(5));
        let grant = Grant::new(org, key, &presented(), Some(soon), now, &entropy);
        assert_eq!(grant.until, soon);
    }

    /// What is granted is a promise to others: it stands here word by word.
    #[test]
    fn a_connection_may_read_its_own_and_nothing_else() {
        let (org, key) = ids();
        let now = Timestamp::parse("2026-01-05T05:37:52Z").unwrap();
        let user = Grant::new(org, key, &presented(), None, now, &Entropy::seeded(1)).user();
        let d = format!("{org}-{key}");
        // printf inbox:tga_x | sha256sum | cut -c -32
        let inboxes = "_INBOX_cf9064a95faad0acb0b06beecde8b511.>";
        assert_eq!(user.subscribe.allow, [inboxes]);
        assert_eq!(
            user.publish.allow,
            [
                format!("tga.api.CONSUMER.MSG.NEXT.TGA_EVENTS.{d}"),
                format!("tga.api.CONSUMER.INFO.TGA_EVENTS.{d}"),
                format!("$JS.ACK.TGA_EVENTS.{d}.>"),
            ]
        );
    }
}
