//! Letting subscribers in on NATS: what a query service needs for it, all of it or nothing.

use clap::Args;
use query::subscribers::{DURABLES_INBOX, SYSTEM_INBOX, Subscribers};
use runtime::config::SecretError;
use runtime::local::NatsServer;
use runtime::nats_keys::{InvalidSeed, SubscriberKeys};
use secrecy::SecretString;

use crate::arguments::{
    NatsAccountKey, NatsCalloutXkey, NatsDurablesUrl, NatsSystemUrl, SecretArgument,
};
use crate::nats::{self, NatsError};

/// The secrets; without them the service answers for no subscribers.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Subscribers over NATS")]
pub struct SubscriberArgs {
    #[command(flatten)]
    system_url: NatsSystemUrl,
    #[command(flatten)]
    durables_url: NatsDurablesUrl,
    #[command(flatten)]
    account_key: NatsAccountKey,
    #[command(flatten)]
    callout_xkey: NatsCalloutXkey,
}

/// The secrets, read.
#[derive(Clone)]
pub struct SubscriberAccess {
    pub system_url: SecretString,
    pub durables_url: SecretString,
    pub account_key: SecretString,
    pub callout_xkey: SecretString,
}

/// Why subscribers cannot be let in.
#[derive(Debug, thiserror::Error)]
pub enum SubscriberError {
    #[error(transparent)]
    Secret(#[from] SecretError),
    #[error("subscribers need all of {}, and {missing} is missing", VARIABLES.join(", "))]
    Incomplete { missing: &'static str },
    #[error(transparent)]
    Seed(#[from] InvalidSeed),
    #[error(transparent)]
    Nats(#[from] NatsError),
}

/// Their environment variables, in the order of [`SubscriberAccess`].
const VARIABLES: [&str; 4] = [
    NatsSystemUrl::VARIABLE,
    NatsDurablesUrl::VARIABLE,
    NatsAccountKey::VARIABLE,
    NatsCalloutXkey::VARIABLE,
];

impl SubscriberArgs {
    /// What was given; none if nothing was.
    pub fn access(&self) -> Result<Option<SubscriberAccess>, SubscriberError> {
        let secrets = [
            self.system_url.optional()?,
            self.durables_url.optional()?,
            self.account_key.optional()?,
            self.callout_xkey.optional()?,
        ];
        if secrets.iter().all(Option::is_none) {
            return Ok(None);
        }
        let mut given = secrets.into_iter().zip(VARIABLES);
        let mut next = || match given.next() {
            Some((Some(secret), _)) => Ok(secret),
            Some((None, missing)) => Err(SubscriberError::Incomplete { missing }),
            None => Err(SubscriberError::Incomplete { missing: "one" }),
        };
        Ok(Some(SubscriberAccess {
            system_url: next()?,
            durables_url: next()?,
            account_key: next()?,
            callout_xkey: next()?,
        }))
    }
}

impl SubscriberAccess {
    /// That of a private server.
    pub fn of(server: &NatsServer) -> Self {
        let keys = server.subscriber_keys();
        Self {
            system_url: server.subscribers_url().into(),
            durables_url: server.durables_url().into(),
            account_key: keys.account_seed(),
            callout_xkey: keys.curve_seed(),
        }
    }

    /// The variables in which another query service takes the same.
    pub fn variables(&self) -> [(&'static str, &SecretString); 4] {
        let [system, durables, account, callout] = VARIABLES;
        [
            (system, &self.system_url),
            (durables, &self.durables_url),
            (account, &self.account_key),
            (callout, &self.callout_xkey),
        ]
    }

    /// The keys.
    pub fn keys(&self) -> Result<SubscriberKeys, InvalidSeed> {
        SubscriberKeys::from_seeds(&self.account_key, &self.callout_xkey)
    }

    /// For the query service. NATS need not be there yet.
    pub async fn connect(&self) -> Result<Subscribers, SubscriberError> {
        Ok(Subscribers {
            system: nats::connect_apart(&self.system_url, SYSTEM_INBOX).await?,
            durables: nats::connect_apart(&self.durables_url, DURABLES_INBOX).await?,
            keys: self.keys()?,
        })
    }
}
