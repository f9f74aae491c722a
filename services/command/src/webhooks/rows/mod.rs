//! The rows of `hooks.*` and of `auth.webhook_secrets`.

mod endpoints;
mod queue;
mod remains;

use domain::ids::{DeliveryId, EventId, GlobalPosition, OrgId, WebhookId, WebhookSecretId};
use domain::time::Timestamp;
use domain::webhook::{DeliveryError, DeliveryStatus};
use serde::de::DeserializeOwned;
use serde::de::value::{Error as NoName, StrDeserializer};
use sqlx::PgPool;
use uuid::Uuid;

pub use self::endpoints::{
    Endpoint, NewDelivery, ToDisable, add_deliveries_in_tx, advance_in_tx, cursor, endpoints_in_tx,
    is_judged, store_endpoint_in_tx, to_disable,
};
pub use self::queue::{Due, Room, Settled, due, settle};
pub use self::remains::{forget_in_tx, forget_unnamed, next_endpoint, prune};
use super::WebhookError;
use super::secret::WebhookSecret;

/// An event on its way to a webhook.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivery {
    /// The delivery.
    pub id: DeliveryId,
    /// To which webhook.
    pub webhook_id: WebhookId,
    /// The event's place in the log; none: a test.
    pub position: Option<GlobalPosition>,
    /// The event's id.
    pub event_id: EventId,
    /// The event's type, without the prefix of CloudEvents.
    pub event_type: String,
    /// What became of it.
    pub status: DeliveryStatus,
    /// How often it was sent.
    pub attempts: u32,
    /// When it is sent next, while it waits.
    pub next_attempt_at: Option<Timestamp>,
    /// When it was last sent.
    pub last_attempt_at: Option<Timestamp>,
    /// The HTTP status of the last answer.
    pub last_status: Option<u16>,
    /// Why the last attempt failed.
    pub last_error: Option<DeliveryError>,
    /// How the last answer begins.
    pub last_answer: Option<String>,
    /// When it was queued.
    pub created_at: Timestamp,
    /// When it was taken.
    pub delivered_at: Option<Timestamp>,
}

/// Keeps a secret.
pub async fn add_secret(
    pool: &PgPool,
    id: WebhookSecretId,
    webhook: WebhookId,
    secret: &WebhookSecret,
    now: Timestamp,
) -> Result<(), WebhookError> {
    sqlx::query!(
        "insert into auth.webhook_secrets (id, webhook_id, secret, created_at)
         values ($1, $2, $3, $4)",
        id.as_uuid(),
        webhook.as_uuid(),
        secret.as_stored(),
        now.datetime(),
    )
    .execute(pool)
    .await?;
    Ok(())
}

/// The secret of this id.
pub async fn secret(
    pool: &PgPool,
    id: WebhookSecretId,
) -> Result<Option<WebhookSecret>, WebhookError> {
    let found = sqlx::query_scalar!(
        "select secret from auth.webhook_secrets where id = $1",
        id.as_uuid(),
    )
    .fetch_optional(pool)
    .await?;
    Ok(found.map(WebhookSecret::stored))
}

/// Forgets a secret.
pub async fn remove_secret(pool: &PgPool, id: WebhookSecretId) -> Result<(), WebhookError> {
    sqlx::query!(
        "delete from auth.webhook_secrets where id = $1",
        id.as_uuid(),
    )
    .execute(pool)
    .await?;
    Ok(())
}

/// A delivery of the org.
pub async fn delivery(
    pool: &PgPool,
    org: OrgId,
    webhook: WebhookId,
    id: DeliveryId,
) -> Result<Option<Delivery>, WebhookError> {
    let row = sqlx::query!(
        "select position, event_id, event_type, status, attempts, next_attempt_at, last_attempt_at,
                last_status, last_error, last_answer, created_at, delivered_at
         from hooks.deliveries where delivery_id = $1 and webhook_id = $2 and org_id = $3",
        id.as_uuid(),
        webhook.as_uuid(),
        org.as_uuid(),
    )
    .fetch_optional(pool)
    .await?;
    let Some(row) = row else { return Ok(None) };
    let key = id.as_uuid();
    let error = row.last_error.as_deref();
    Ok(Some(Delivery {
        id,
        webhook_id: webhook,
        position: row.position.and_then(GlobalPosition::try_from_i64),
        event_id: EventId::from_uuid(row.event_id),
        event_type: row.event_type,
        status: named("hooks.deliveries", "status", key, &row.status)?,
        attempts: row.attempts.unsigned_abs(),
        next_attempt_at: row.next_attempt_at.map(Timestamp::from_datetime),
        last_attempt_at: row.last_attempt_at.map(Timestamp::from_datetime),
        last_status: row.last_status.map(i16::unsigned_abs),
        last_error: error
            .map(|error| named("hooks.deliveries", "last_error", key, error))
            .transpose()?,
        last_answer: row.last_answer,
        created_at: Timestamp::from_datetime(row.created_at),
        delivered_at: row.delivered_at.map(Timestamp::from_datetime),
    }))
}

/// Lets a delivery that is not pending be sent once more, outside the order: what came after it was
/// sent long ago.
pub async fn resend(pool: &PgPool, id: DeliveryId, now: Timestamp) -> Result<(), WebhookError> {
    sqlx::query!(
        "update hooks.deliveries
         set status = 'pending', ready = true, apart = true, next_attempt_at = $2
         where delivery_id = $1 and status <> 'pending' and position is not null",
        id.as_uuid(),
        now.datetime(),
    )
    .execute(pool)
    .await?;
    Ok(())
}

/// Keeps what became of a test.
pub async fn add_test(pool: &PgPool, org: OrgId, test: &Delivery) -> Result<(), WebhookError> {
    sqlx::query!(
        "insert into hooks.deliveries (delivery_id, webhook_id, org_id, event_id, event_type,
                subject, status, ready, apart, attempts, tries, last_attempt_at, last_status,
                last_error, last_answer, created_at, delivered_at)
         values ($1, $2, $3, $4, $5, $6, $7, false, true, 1, 1, $8, $9, $10, $11, $12, $13)",
        test.id.as_uuid(),
        test.webhook_id.as_uuid(),
        org.as_uuid(),
        test.event_id.as_uuid(),
        test.event_type,
        format!("webhooks/{}", test.webhook_id),
        test.status.name(),
        test.last_attempt_at.map(Timestamp::datetime),
        test.last_status.map(small),
        test.last_error.map(DeliveryError::name),
        test.last_answer,
        test.created_at.datetime(),
        test.delivered_at.map(Timestamp::datetime),
    )
    .execute(pool)
    .await?;
    Ok(())
}

/// A status of HTTP has three digits.
fn small(status: u16) -> i16 {
    i16::try_from(status).unwrap_or(i16::MAX)
}

/// Reads one of a closed list of names.
fn named<T: DeserializeOwned>(
    table: &'static str,
    column: &'static str,
    key: Uuid,
    text: &str,
) -> Result<T, WebhookError> {
    let name = StrDeserializer::<NoName>::new(text);
    T::deserialize(name).map_err(|_| WebhookError::Corrupt { table, column, key })
}
