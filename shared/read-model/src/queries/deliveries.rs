//! Deliveries to webhooks: they stand on the primary, where the sender keeps them, and not in the
//! projection, since they are no events.

use domain::ids::{DeliveryId, EventId, GlobalPosition, OrgId, WebhookId};
use domain::time::Timestamp;
use domain::webhook::{DeliveryError, DeliveryStatus};
use sqlx::PgPool;

use super::columns::{Row, timestamp};
use super::page::{Cursor, Listed, Page};
use crate::error::ReadError;

/// An event on its way to a webhook.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivery {
    /// The delivery's id.
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

/// A page of the deliveries to a webhook of the org, of these statuses; that the webhook is there is
/// for the caller to ask.
///
/// # Errors
/// [`ReadError`]
pub async fn deliveries(
    primary: &PgPool,
    org: OrgId,
    webhook: WebhookId,
    statuses: Option<&[DeliveryStatus]>,
    page: Page,
) -> Result<Listed<Delivery>, ReadError> {
    let statuses: Option<Vec<String>> =
        statuses.map(|all| all.iter().map(|it| it.name().to_owned()).collect());
    let rows = sqlx::query!(
        r#"SELECT delivery_id AS "delivery_id!", webhook_id AS "webhook_id!", position,
                  event_id AS "event_id!", event_type AS "event_type!", status AS "status!",
                  attempts AS "attempts!", next_attempt_at, last_attempt_at, last_status,
                  last_error, last_answer, created_at AS "created_at!", delivered_at
           FROM set_config('tga.org_id', $1, true) AS setting,
                LATERAL hooks.page_of_deliveries(setting::uuid, $2, $3,
                    coalesce($4, 'infinity'::timestamptz),
                    coalesce($5, 'ffffffff-ffff-ffff-ffff-ffffffffffff'::uuid), $6)"#,
        org.to_string(),
        webhook.as_uuid(),
        statuses.as_deref(),
        page.after_created_at(),
        page.after_id(),
        page.fetched(),
    )
    .fetch_all(primary)
    .await?;
    let mut found = Vec::with_capacity(rows.len());
    for it in rows {
        let row = Row {
            table: "hooks.deliveries",
            key: it.delivery_id,
        };
        found.push(Delivery {
            id: DeliveryId::from_uuid(it.delivery_id),
            webhook_id: WebhookId::from_uuid(it.webhook_id),
            position: it.position.and_then(GlobalPosition::try_from_i64),
            event_id: EventId::from_uuid(it.event_id),
            event_type: it.event_type,
            status: row.named("status", &it.status)?,
            attempts: it.attempts.unsigned_abs(),
            next_attempt_at: it.next_attempt_at.map(timestamp),
            last_attempt_at: it.last_attempt_at.map(timestamp),
            last_status: it.last_status.map(i16::unsigned_abs),
            last_error: row.named_optional("last_error", it.last_error.as_deref())?,
            last_answer: it.last_answer,
            created_at: timestamp(it.created_at),
            delivered_at: it.delivered_at.map(timestamp),
        });
    }
    Ok(page.listed(found, |one| Cursor {
        created_at: one.created_at,
        id: one.id.as_uuid(),
    }))
}
