//! Where replayed events go.

use std::path::PathBuf;

use domain::ids::GlobalPosition;
use event_log::StoredEvent;
use reqwest::StatusCode;
use runtime::clock::Clock;
use runtime::config::SecretError;

use super::http::Http;
use super::nats::Nats;
use super::stdout::Stdout;
use crate::nats::NatsError;

/// One of the places.
pub enum Sink {
    Stdout(Stdout),
    Nats(Nats),
    Http(Http),
}

/// Why events did not get there.
#[derive(Debug, thiserror::Error)]
pub enum SinkError {
    /// Nobody reads any more.
    #[error("the output was closed")]
    Closed,
    #[error("the output cannot be written")]
    Output(#[source] std::io::Error),
    #[error("the log could not be read")]
    Log(#[source] event_log::ReadError),
    #[error("no NATS is named: set TGA_NATS_URL or TGA_NATS_URL_FILE")]
    NoNats,
    #[error(transparent)]
    Secret(#[from] SecretError),
    #[error(transparent)]
    Nats(#[from] NatsError),
    #[error("NATS did not take the events within {0} s")]
    NatsSilent(u64),
    #[error("NATS refused the events: {0}")]
    NatsRefused(String),
    #[error("events could not be published")]
    Publish(#[source] async_nats::PublishError),
    #[error("replies of NATS could not be subscribed to")]
    Replies(#[source] async_nats::SubscribeError),
    #[error("the file {path} cannot be used")]
    File {
        path: PathBuf,
        #[source]
        source: std::io::Error,
    },
    #[error("the file {0} does not hold the value of a header")]
    Authorization(PathBuf),
    #[error("the client cannot be made")]
    Client(#[source] reqwest::Error),
    #[error("the endpoint answered {status} to the events from position {position} on")]
    Refused {
        status: StatusCode,
        position: GlobalPosition,
    },
    #[error("the endpoint still answered {status} after {attempts} tries")]
    Unavailable { status: StatusCode, attempts: u32 },
    #[error("the endpoint could not be reached in {attempts} tries")]
    Unreachable {
        attempts: u32,
        #[source]
        source: reqwest::Error,
    },
}

impl Sink {
    /// Whether it prints to where the terminal may be.
    pub const fn prints(&self) -> bool {
        matches!(self, Self::Stdout(_))
    }

    /// Sends events, in order. They may have got there though it failed, or was dropped.
    pub async fn send(&mut self, events: &[StoredEvent]) -> Result<(), SinkError> {
        match self {
            Self::Stdout(stdout) => stdout.send(events).await,
            Self::Nats(nats) => nats.send(events).await,
            Self::Http(http) => http.send(events).await,
        }
    }

    /// Waits until everything has got there.
    pub async fn finish(&mut self) -> Result<(), SinkError> {
        match self {
            Self::Stdout(stdout) => stdout.finish().await,
            Self::Nats(_) | Self::Http(_) => Ok(()),
        }
    }

    /// The newest event that is known to have got there, once what is under way has been waited
    /// for a moment; none if none is.
    pub async fn taken_in_the_end(&mut self, clock: &Clock) -> Option<GlobalPosition> {
        match self {
            Self::Stdout(stdout) => stdout.taken_in_the_end(clock).await,
            Self::Nats(nats) => nats.taken(),
            Self::Http(http) => http.taken(),
        }
    }

    /// Whether all that it was given has got there.
    pub fn has_all(&self) -> bool {
        match self {
            Self::Stdout(stdout) => stdout.has_all(),
            Self::Nats(nats) => nats.has_all(),
            Self::Http(http) => http.has_all(),
        }
    }
}
