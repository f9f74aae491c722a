//! Subscribers over NATS. Whoever connects there with an API key is let in by a query service: the
//! server asks (auth callout), the gate decides as about any request, and the answer says what that
//! one connection may do: read its org's events, and ask its own durable for them.
//!
//! What a key may do is looked at again for as long as a connection lasts: a warden lists the
//! connections and ends those whose key may not have them any more, whoever let them in. A
//! connection ends by itself after [`SUBSCRIPTION_SECONDS`], however little of us is left.
//!
//! [`SUBSCRIPTION_SECONDS`]: domain::limits::SUBSCRIPTION_SECONDS

mod callout;
mod connections;
mod durables;
mod grant;
mod held;
mod jwt;
mod queue;
mod request;
mod warden;

use std::sync::Arc;

use gate::Gate;
use runtime::clock::Clock;
use runtime::entropy::Entropy;
use runtime::lifecycle::{TaskKind, Tasks};
use runtime::nats_keys::SubscriberKeys;
use sqlx::PgPool;
use tokio::sync::Notify;

use self::callout::Callout;
use self::connections::Connections;
use self::durables::Durables;
pub use self::durables::name as durable_name;
pub use self::grant::{API, inbox_prefix};
use self::held::Held;
use self::warden::Warden;

/// Of the inboxes of [`Subscribers::system`]; it may use no others.
pub const SYSTEM_INBOX: &str = "_INBOX_subscribers";
/// Of the inboxes of [`Subscribers::durables`]; it may use no others.
pub const DURABLES_INBOX: &str = "_INBOX_durables";

/// By what subscribers are let in and looked after.
pub struct Subscribers {
    /// In the system account, where the server asks, lists connections and ends them.
    pub system: async_nats::Client,
    /// In the account of the events, where durables are made.
    pub durables: async_nats::Client,
    /// Under which the server takes answers, and asks.
    pub keys: SubscriberKeys,
}

/// What the service has for it.
pub struct Means {
    /// Who may call.
    pub gate: Gate,
    /// The primary, as a role that may ask about keys.
    pub primary: PgPool,
    /// Told whenever an event changed who may call.
    pub changed: Arc<Notify>,
    /// Time.
    pub clock: Clock,
    /// Chance.
    pub entropy: Entropy,
}

impl Subscribers {
    /// Answers for subscribers, and looks after them, until the stage stops.
    pub fn start(self, means: Means, tasks: &Tasks) {
        let durables = Durables::new(self.durables, means.clock.clone());
        let connections = Connections::new(self.system.clone(), means.clock.clone());
        let held = Arc::new(Held::default());
        let callout = Callout {
            gate: means.gate,
            system: self.system,
            durables: durables.clone(),
            held: Arc::clone(&held),
            keys: self.keys,
            clock: means.clock.clone(),
            entropy: means.entropy.clone(),
        };
        tasks.spawn(
            TaskKind::Critical,
            "subscribers",
            callout.run(tasks.clone()),
        );
        let warden = Warden {
            connections,
            durables,
            held,
            primary: means.primary,
            changed: means.changed,
            clock: means.clock,
            entropy: means.entropy,
        };
        tasks.spawn(
            TaskKind::Critical,
            "subscribers' warden",
            warden.run(tasks.clone()),
        );
    }
}
