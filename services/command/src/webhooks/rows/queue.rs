//! What is to be sent, and what became of it.

use domain::ids::{DeliveryId, EventId, GlobalPosition, WebhookId};
use domain::time::Timestamp;
use domain::webhook::{DeliveryError, DeliveryStatus, DisabledReason, WebhookUrl};
use sqlx::{Connection, PgConnection};
use uuid::Uuid;

use super::{WebhookError, small};
use crate::webhooks::courier::Sent;
use crate::webhooks::secret::WebhookSecret;

/// A delivery that is to be sent now.
pub struct Due {
    pub id: DeliveryId,
    pub webhook: WebhookId,
    pub position: GlobalPosition,
    pub event_id: EventId,
    pub subject: String,
    /// Sent outside the order, once.
    pub is_apart: bool,
    /// Attempts since it was queued, or since the webhook was switched on.
    pub tries: u32,
    pub url: WebhookUrl,
    /// Attempts of the webhook that failed since the last that did not.
    pub failures: i32,
    /// Each of them signs.
    pub secrets: Vec<WebhookSecret>,
}

/// What becomes of a delivery after an attempt.
pub struct Settled<'a> {
    pub due: &'a Due,
    pub sent: &'a Sent,
    pub status: DeliveryStatus,
    /// While it is pending.
    pub next_attempt_at: Option<Timestamp>,
    /// Whether the webhook is to be switched off for it.
    pub disable: Option<DisabledReason>,
    pub began: Timestamp,
    pub now: Timestamp,
}

/// Deliveries that are to be sent now, beside those under way: at most `per_webhook` of each webhook,
/// and one of a webhook whose last attempt failed.
pub async fn due(
    connection: &mut PgConnection,
    under_way: &[Uuid],
    per_webhook: i64,
    most: i64,
    now: Timestamp,
) -> Result<Vec<Due>, WebhookError> {
    let rows = sqlx::query!(
        r#"select d.delivery_id as "delivery_id!", e.webhook_id,
                  d.position as "position!", d.event_id as "event_id!", d.subject as "subject!",
                  d.apart as "apart!", d.tries as "tries!", e.url, e.failures,
                  s.secret as "secret?", f.secret as "former?"
           from hooks.endpoints e
           cross join lateral (
               select * from hooks.deliveries d
               where d.webhook_id = e.webhook_id and d.status = 'pending' and d.ready
                   and d.next_attempt_at <= $4 and d.delivery_id <> all ($1)
               order by d.next_attempt_at, d.position
               limit case when e.failures > 0 then 1 else $2::bigint end
           ) d
           left join auth.webhook_secrets s on s.id = e.secret_id
           left join auth.webhook_secrets f
               on f.id = e.former_secret_id and e.former_secret_until > $4
           where e.enabled and e.removed_at is null and e.to_disable is null
               and d.position is not null
           order by d.next_attempt_at, d.position
           limit $3::bigint"#,
        under_way,
        per_webhook,
        most,
        now.datetime(),
    )
    .fetch_all(connection)
    .await?;
    let mut found = Vec::with_capacity(rows.len());
    for row in rows {
        let corrupt = |column| WebhookError::Corrupt {
            table: "hooks",
            column,
            key: row.delivery_id,
        };
        let secrets = [row.secret, row.former];
        found.push(Due {
            id: DeliveryId::from_uuid(row.delivery_id),
            webhook: WebhookId::from_uuid(row.webhook_id),
            position: GlobalPosition::try_from_i64(row.position)
                .ok_or_else(|| corrupt("position"))?,
            event_id: EventId::from_uuid(row.event_id),
            subject: row.subject,
            is_apart: row.apart,
            tries: row.tries.unsigned_abs(),
            url: WebhookUrl::parse(&row.url).map_err(|_| corrupt("url"))?,
            failures: row.failures,
            secrets: secrets
                .into_iter()
                .flatten()
                .map(WebhookSecret::stored)
                .collect(),
        });
    }
    Ok(found)
}

/// Writes down what became of a delivery; if it waits no more, the next one of its subject is ready.
pub async fn settle(
    connection: &mut PgConnection,
    settled: &Settled<'_>,
) -> Result<(), WebhookError> {
    let (due, sent) = (settled.due, settled.sent);
    let is_over = settled.status != DeliveryStatus::Pending;
    let delivered_at = settled.now.datetime();
    let mut tx = connection.begin().await?;
    let row = sqlx::query!(
        "update hooks.deliveries
         set status = $2, attempts = attempts + 1, tries = tries + 1, next_attempt_at = $3,
             last_attempt_at = $4, last_status = $5, last_error = $6, last_answer = $7,
             delivered_at = coalesce($8, delivered_at), ready = ready and $9
         where delivery_id = $1 and status = 'pending'",
        due.id.as_uuid(),
        settled.status.name(),
        settled.next_attempt_at.map(Timestamp::datetime),
        settled.began.datetime(),
        sent.status.map(small),
        sent.error().map(DeliveryError::name),
        sent.answer,
        (settled.status == DeliveryStatus::Delivered).then_some(delivered_at),
        !is_over,
    )
    .execute(&mut *tx)
    .await?;
    // It may be gone with its webhook.
    let is_there = row.rows_affected() == 1;
    let leaves = i32::from(is_over && is_there && !due.is_apart);
    if leaves == 1 {
        ready_next_in_tx(&mut tx, due.webhook, &due.subject).await?;
    }
    sqlx::query!(
        "update hooks.endpoints
         set waiting = greatest(0, waiting - $2), failures = case when $3 then 0 else failures + 1 end,
             to_disable = coalesce(to_disable, $4)
         where webhook_id = $1",
        due.webhook.as_uuid(),
        leaves,
        sent.error().is_none(),
        settled.disable.map(DisabledReason::name),
    )
    .execute(&mut *tx)
    .await?;
    tx.commit().await?;
    Ok(())
}

/// Lets the first of those go that wait for a webhook and are about one thing.
async fn ready_next_in_tx(
    connection: &mut PgConnection,
    webhook: WebhookId,
    subject: &str,
) -> Result<(), WebhookError> {
    sqlx::query!(
        "update hooks.deliveries set ready = true
         where delivery_id = (
             select delivery_id from hooks.deliveries
             where webhook_id = $1 and subject = $2 and status = 'pending' and not apart
             order by position limit 1)",
        webhook.as_uuid(),
        subject,
    )
    .execute(connection)
    .await?;
    Ok(())
}
