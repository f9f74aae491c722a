//! Who may do what on a NATS server.

use std::path::Path;

use secrecy::SecretString;

use super::account::Account;
use super::{LocalError, secret_file};
use crate::entropy::Entropy;
use crate::nats_keys::SubscriberKeys;

/// What a query service may do on NATS: hear events and what gates tell each other, acknowledge, and
/// tell what it admitted; everything else is said by command services alone. For operators the same stands in
/// `deploy/nats.conf`.
pub const REPLICA_PERMISSIONS: &str = r#"{
        publish: { allow: ["tga.gate.ack.*", "tga.gate.counts.*"] }
        subscribe: { allow: ["tga.events.>", "tga.gate.*", "tga.gate.counts.*"] }
      }"#;

/// What whoever makes the durables of subscribers may do in the account of the events: make, list and take
/// away consumers that deliver one org's events, and nothing else. A consumer may be told to push them to any
/// subject, so that this stands apart from what every query service may do.
pub const DURABLES_PERMISSIONS: &str = r#"{
        publish: { allow: [
          "$JS.API.CONSUMER.CREATE.TGA_EVENTS.*.tga.events.*.>", "$JS.API.CONSUMER.DELETE.TGA_EVENTS.*",
          "$JS.API.CONSUMER.NAMES.TGA_EVENTS",
        ] }
        subscribe: { allow: ["_INBOX_durables.>"] }
      }"#;

/// What whoever lets subscribers in may do in the system account: answer who asks to connect, list
/// connections and end them.
pub const SUBSCRIBERS_PERMISSIONS: &str = r#"{
        publish: { allow: ["$SYS.REQ.SERVER.*.CONNZ", "$SYS.REQ.SERVER.*.KICK"] }
        subscribe: { allow: ["$SYS.REQ.USER.AUTH subscribers", "_INBOX_subscribers.>"] }
        allow_responses: { max: 1, expires: "5s" }
      }"#;

/// What the account of the events gives to that of subscribers: asking a durable, and acknowledging. A
/// server sends its answer wherever who asks wants it. In the account of the events that could be a subject of
/// the stream, which would take the answer for an event, or one by which streams are deleted; in an account of
/// its own it reaches nobody but subscribers.
pub const SUBSCRIBERS_EXPORTS: &str = r#"[
      { service: "$JS.API.CONSUMER.MSG.NEXT.TGA_EVENTS.*", response_type: stream, accounts: [SUBSCRIBERS] }
      { service: "$JS.API.CONSUMER.INFO.TGA_EVENTS.*", accounts: [SUBSCRIBERS] }
      { service: "$JS.ACK.TGA_EVENTS.>", accounts: [SUBSCRIBERS] }
    ]"#;

/// The same as the account of subscribers takes it. It has no users but those who are let in. Questions
/// stand under a prefix of ours: under its own the server tells that account that it has no streams.
pub const SUBSCRIBERS_IMPORTS: &str = r#"[
      { service: { account: TGA, subject: "$JS.API.CONSUMER.MSG.NEXT.TGA_EVENTS.*" }, to: "tga.api.CONSUMER.MSG.NEXT.TGA_EVENTS.*" }
      { service: { account: TGA, subject: "$JS.API.CONSUMER.INFO.TGA_EVENTS.*" }, to: "tga.api.CONSUMER.INFO.TGA_EVENTS.*" }
      { service: { account: TGA, subject: "$JS.ACK.TGA_EVENTS.>" } }
    ]"#;

/// By what subscribers are let in.
pub(super) struct Subscribers {
    pub durables_password: SecretString,
    pub password: SecretString,
    pub keys: SubscriberKeys,
}

impl Subscribers {
    /// What is kept in the folder, made on first use.
    pub fn kept(folder: &Path, account: &Account, entropy: &Entropy) -> Result<Self, LocalError> {
        let password = |name: &str| secret_file::password(&folder.join(name), account, entropy);
        let made = SubscriberKeys::generate(entropy);
        let seed =
            |name: &str, made: SecretString| secret_file::kept(&folder.join(name), made, account);
        let account_seed = seed("account.seed", made.account_seed())?;
        let curve_seed = seed("callout.seed", made.curve_seed())?;
        let keys = SubscriberKeys::from_seeds(&account_seed, &curve_seed).map_err(|error| {
            let error = std::io::Error::new(std::io::ErrorKind::InvalidData, error);
            LocalError::io("read the keys in", folder)(error)
        })?;
        Ok(Self {
            durables_password: password("durables.password")?,
            password: password("subscribers.password")?,
            keys,
        })
    }
}
