//! Reaching NATS, the same for services, operators and benchmarks.

use std::time::Duration;

use async_nats::Client;
use runtime::clock::Clock;
use runtime::nats::{InvalidNatsUrl, NatsUrl};
use secrecy::{ExposeSecret, SecretString};

const ANSWER_WITHIN: Duration = Duration::from_secs(5);

/// Why NATS is not reached.
#[derive(Debug, thiserror::Error)]
pub enum NatsError {
    #[error("the address of NATS cannot be read")]
    Url(#[from] InvalidNatsUrl),
    #[error("NATS cannot be reached, or refuses this process")]
    Connect(#[source] async_nats::ConnectError),
}

/// Connects now, or not at all.
pub async fn connect(url: &SecretString) -> Result<Client, NatsError> {
    let url: NatsUrl = url.expose_secret().parse()?;
    url.connect().await.map_err(NatsError::Connect)
}

/// The same, and says what else the server says.
pub async fn connect_and_hear<Heard: Future<Output = ()> + Send + Sync + 'static>(
    url: &SecretString,
    hear: impl Fn(async_nats::Event) -> Heard + Send + Sync + 'static,
) -> Result<Client, NatsError> {
    let url: NatsUrl = url.expose_secret().parse()?;
    let options = url.options().event_callback(hear);
    let connected = options.connect(url.addresses()).await;
    connected.map_err(NatsError::Connect)
}

/// Connects as soon as it answers, with inboxes of its own.
pub async fn connect_apart(url: &SecretString, inbox: &str) -> Result<Client, NatsError> {
    let url: NatsUrl = url.expose_secret().parse()?;
    let options = url
        .options()
        .retry_on_initial_connect()
        .custom_inbox_prefix(inbox);
    options
        .connect(url.addresses())
        .await
        .map_err(NatsError::Connect)
}

/// Connects if it answers in time: a service never needs it to begin, and finds it again when it
/// is back.
pub async fn connect_if_there(
    url: &SecretString,
    clock: &Clock,
) -> Result<Option<Client>, NatsError> {
    let url: NatsUrl = url.expose_secret().parse()?;
    let options = url.options().retry_on_initial_connect();
    let connecting = clock.timeout(ANSWER_WITHIN, options.connect(url.addresses()));
    let Ok(connected) = connecting.await else {
        tracing::warn!("NATS cannot be reached, going on without it");
        return Ok(None);
    };
    connected.map(Some).map_err(NatsError::Connect)
}
