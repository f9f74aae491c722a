//! The HTTP side: one file per endpoint, and what they share.

mod annotations;
mod answer;
mod auth;
mod call;
mod campaigns;
mod carry;
mod creators;
mod edge;
mod error;
mod gate;
mod goals;
mod inbox;
mod ingest;
mod invitations;
mod keys;
mod members;
mod once;
mod orgs;
mod patience;
mod people;
mod projects;
mod sessions;
mod show;
mod show_people;
mod videos;
mod webhooks;

use std::sync::Arc;
use std::time::Duration;

use ::gate::Gate;
use api::BASE_PATH;
use api::envelope::may_compress;
use api::error::{ApiError, Jitter, negotiate};
use axum::Router;
use axum::middleware::{from_fn, from_fn_with_state};
use domain::time::Timestamp;
use runtime::clock::Clock;
use runtime::entropy::Entropy;
use runtime::lifecycle::Tasks;
use sqlx::PgPool;
use tokio::sync::watch;
use tower_http::compression::CompressionLayer;
use tower_http::compression::predicate::{Predicate, SizeAbove};
use utoipa::openapi::OpenApi;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use self::once::Running;
use crate::app::Commander;
use crate::oidc::Oidc;
use crate::people::{OneTimeToken, People};
use crate::webhooks::Webhooks;

/// How long a command waits for the service to open.
const OPEN_WITHIN: Duration = Duration::from_secs(1);

/// What endpoints rest on; cheap to clone.
#[derive(Clone)]
pub struct App(Arc<Inner>);

struct Inner {
    parts: Parts,
    running: Running,
}

/// What endpoints are made of.
pub struct Parts {
    /// Takes commands.
    pub commander: Commander,
    /// Signs people in.
    pub people: People,
    /// Signs people in with a provider, if there is one.
    pub oidc: Option<Oidc>,
    /// Keeps what signs, sends tests.
    pub webhooks: Webhooks,
    /// Lets callers in.
    pub gate: Gate,
    /// Where people reach the service, without a slash at its end.
    pub public_url: String,
    /// True once the log is known to have all that was taken away.
    pub open: watch::Receiver<bool>,
    /// The primary, for how keys were used.
    pub primary: PgPool,
    /// The time.
    pub clock: Clock,
    /// Where ids come from.
    pub entropy: Entropy,
    /// What callers began goes on here when they hang up.
    pub tasks: Tasks,
}

impl App {
    /// Of these parts.
    pub fn new(parts: Parts) -> Self {
        Self(Arc::new(Inner {
            parts,
            running: Running::default(),
        }))
    }

    fn commander(&self) -> &Commander {
        &self.0.parts.commander
    }

    fn people(&self) -> &People {
        &self.0.parts.people
    }

    fn oidc(&self) -> Option<&Oidc> {
        self.0.parts.oidc.as_ref()
    }

    fn webhooks(&self) -> &Webhooks {
        &self.0.parts.webhooks
    }

    /// The link of an invitation.
    fn accept_url(&self, token: &OneTimeToken) -> String {
        token.accept_url(&self.0.parts.public_url)
    }

    fn gate(&self) -> &Gate {
        &self.0.parts.gate
    }

    /// Whether commands are taken yet; one that comes while the service starts waits a moment.
    async fn is_open(&self) -> bool {
        let mut open = self.0.parts.open.clone();
        if *open.borrow() {
            return true;
        }
        let opened = open.wait_for(|open| *open);
        let opened = self.clock().timeout(OPEN_WITHIN, opened).await;
        opened.is_ok_and(|opened| opened.is_ok())
    }

    fn primary(&self) -> &PgPool {
        &self.0.parts.primary
    }

    fn tasks(&self) -> &Tasks {
        &self.0.parts.tasks
    }

    fn clock(&self) -> &Clock {
        &self.0.parts.clock
    }

    fn entropy(&self) -> &Entropy {
        &self.0.parts.entropy
    }

    fn running(&self) -> &Running {
        &self.0.running
    }

    /// A new id, of the present.
    fn new_id<T>(&self, generate: impl Fn(Timestamp, [u8; 10]) -> T) -> T {
        generate(self.commander().now(), self.entropy().bytes())
    }

    fn jitter(&self) -> Jitter {
        let [byte] = self.entropy().bytes();
        Jitter::from_random(byte)
    }
}

/// Smaller answers are not worth compressing, in bytes.
const COMPRESS_ABOVE: u64 = 512;

/// Every command of v1 behind the gate, under [`BASE_PATH`], and `/auth` beside them.
pub fn router(app: App) -> Router {
    let (commands, _) = commands().split_for_parts();
    let worth_it = SizeAbove::new(COMPRESS_ABOVE).and(may_compress);
    let compression = CompressionLayer::new().compress_when(worth_it);
    let routes: Router = Router::new()
        .nest(BASE_PATH, commands)
        .fallback(async || ApiError::not_found())
        .with_state(app.clone());
    // Around all of them together: around each, a stranger would be told a path's methods.
    let behind_gate = Router::new()
        .fallback_service(routes)
        .layer(from_fn_with_state(app.clone(), gate::check));
    Router::new()
        .merge(auth::router(app.clone()))
        .fallback_service(behind_gate)
        .layer(from_fn(negotiate))
        .layer(compression)
        .layer(from_fn_with_state(app, edge::identify))
}

/// The command service's part of the document ([`api::openapi::document`]).
pub fn openapi() -> OpenApi {
    commands().into_openapi()
}

fn commands() -> OpenApiRouter<App> {
    OpenApiRouter::default()
        .routes(routes!(keys::create::handle))
        .routes(routes!(keys::revoke::handle_self))
        .routes(routes!(keys::change::handle, keys::revoke::handle))
        .routes(routes!(keys::rotate::handle))
        .routes(routes!(orgs::change::handle))
        .routes(routes!(members::remove::handle_self))
        .routes(routes!(members::change::handle, members::remove::handle))
        .routes(routes!(invitations::create::handle))
        .routes(routes!(invitations::revoke::handle))
        .routes(routes!(invitations::answer::accept))
        .routes(routes!(invitations::answer::decline))
        .routes(routes!(sessions::create::handle))
        .routes(routes!(sessions::end::handle_self))
        .routes(routes!(sessions::end::handle))
        .routes(routes!(projects::create::handle))
        .routes(routes!(projects::change::handle, projects::remove::handle))
        .routes(routes!(creators::change::handle, creators::remove::handle))
        .routes(routes!(creators::add::handle))
        .routes(routes!(creators::bulk::reenable))
        .routes(routes!(creators::bulk::remove))
        .routes(routes!(videos::change::handle, videos::remove::handle))
        .routes(routes!(videos::review::handle))
        .routes(routes!(videos::disable::handle))
        .routes(routes!(videos::add::handle))
        .routes(routes!(videos::bulk_disable::handle))
        .routes(routes!(inbox::review::handle))
        .routes(routes!(campaigns::create::handle))
        .routes(routes!(
            campaigns::change::handle,
            campaigns::remove::handle
        ))
        .routes(routes!(
            campaigns::add_items::handle,
            campaigns::remove_item::handle
        ))
        .routes(routes!(annotations::create::handle))
        .routes(routes!(
            annotations::change::handle,
            annotations::remove::handle
        ))
        .routes(routes!(goals::create::handle))
        .routes(routes!(goals::change::handle, goals::remove::handle))
        .routes(routes!(webhooks::create::handle))
        .routes(routes!(webhooks::change::handle, webhooks::remove::handle))
        .routes(routes!(webhooks::rotate::handle))
        .routes(routes!(webhooks::test::handle))
        .routes(routes!(webhooks::resend::handle))
        .routes(routes!(ingest::observations::handle))
}
