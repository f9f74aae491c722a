//! What is to be sent, and what became of it.

use domain::ids::{DeliveryId, EventId, GlobalPosition, OrgId, WebhookId};
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
    pub org: OrgId,
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
    /// When the first of them began, repetitions aside.
    pub failing_since: Option<Timestamp>,
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

/// What is under way, and how much more may be.
pub struct Room<'a> {
    /// Deliveries under way.
    pub under_way: &'a [Uuid],
    /// How many of them go to each webhook that gets any.
    pub of_webhooks: &'a [(Uuid, i64)],
    /// How many of them are of each org that has any.
    pub of_orgs: &'a [(Uuid, i64)],
    /// Most of one webhook at once; of one whose last attempt failed, one.
    pub per_webhook: i64,
    /// Most of one org at once.
    pub per_org: i64,
    /// How many more may go to webhooks whose last attempt failed.
    pub failing: i64,
    /// How many more there may be in all.
    pub most: i64,
}

/// Deliveries that are to be sent now, beside those under way: orgs take turns, and who has the fewest
/// under way is first. A suspended org's wait.
pub async fn due(
    connection: &mut PgConnection,
    room: &Room<'_>,
    now: Timestamp,
) -> Result<Vec<Due>, WebhookError> {
    let (webhooks, webhook_counts): (Vec<_>, Vec<_>) = room.of_webhooks.iter().copied().unzip();
    let (orgs, org_counts): (Vec<_>, Vec<_>) = room.of_orgs.iter().copied().unzip();
    let rows = sqlx::query!(
        r#"with ready as (
               select d.delivery_id, d.position, d.event_id, d.subject, d.apart, d.tries,
                      d.next_attempt_at, e.webhook_id, e.org_id, e.url, e.failures,
                      e.failing_since, e.secret_id, e.former_secret_id, e.former_secret_until,
                      coalesce(o.under_way, 0) + row_number() over (
                          partition by e.org_id order by d.next_attempt_at, d.position) as turn
               from hooks.endpoints e
               left join unnest($2::uuid[], $3::bigint[]) as w (webhook_id, under_way)
                   on w.webhook_id = e.webhook_id
               left join unnest($4::uuid[], $5::bigint[]) as o (org_id, under_way)
                   on o.org_id = e.org_id
               cross join lateral (
                   select * from hooks.deliveries d
                   where d.webhook_id = e.webhook_id and d.status = 'pending' and d.ready
                       and d.next_attempt_at <= $10 and d.delivery_id <> all ($1)
                   order by d.next_attempt_at, d.position
                   limit greatest(0, case when e.failures > 0 then 1 else $6::bigint end
                       - coalesce(w.under_way, 0))
               ) d
               where e.enabled and e.removed_at is null and e.to_disable is null
                   and d.position is not null
                   and not exists (
                       select from gate.orgs g where g.org_id = e.org_id and g.suspended)
           ), turns as (
               select r.*, row_number() over (
                   partition by r.failures > 0 order by r.turn, r.next_attempt_at, r.position) as nth
               from ready r where r.turn <= $7::bigint
           )
           select t.delivery_id as "delivery_id!", t.webhook_id as "webhook_id!",
                  t.org_id as "org_id!", t.position as "position!", t.event_id as "event_id!",
                  t.subject as "subject!", t.apart as "apart!", t.tries as "tries!",
                  t.url as "url!", t.failures as "failures!",
                  t.failing_since as "failing_since?", s.secret as "secret?",
                  f.secret as "former?"
           from turns t
           left join auth.webhook_secrets s on s.id = t.secret_id
           left join auth.webhook_secrets f
               on f.id = t.former_secret_id and t.former_secret_until > $10
           where t.failures = 0 or t.nth <= $8::bigint
           order by t.turn, t.next_attempt_at, t.position
           limit $9::bigint"#,
        room.under_way,
        &webhooks,
        &webhook_counts,
        &orgs,
        &org_counts,
        room.per_webhook,
        room.per_org,
        room.failing,
        room.most,
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
            org: OrgId::from_uuid(row.org_id),
            position: GlobalPosition::try_from_i64(row.position)
                .ok_or_else(|| corrupt("position"))?,
            event_id: EventId::from_uuid(row.event_id),
            subject: row.subject,
            is_apart: row.apart,
            tries: row.tries.unsigned_abs(),
            url: WebhookUrl::parse(&row.url).map_err(|_| corrupt("url"))?,
            failures: row.failures,
            failing_since: row.failing_since.map(Timestamp::from_datetime),
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
/// If the webhook's URL has changed meanwhile, no failure counts: it is tried there at once.
pub async fn settle(
    connection: &mut PgConnection,
    settled: &Settled<'_>,
) -> Result<(), WebhookError> {
    let (due, sent) = (settled.due, settled.sent);
    let delivered_at = settled.now.datetime();
    let mut tx = connection.begin().await?;
    let is_elsewhere = sqlx::query_scalar!(
        r#"select url <> $2 as "elsewhere!" from hooks.endpoints where webhook_id = $1"#,
        due.webhook.as_uuid(),
        due.url.as_str(),
    )
    .fetch_optional(&mut *tx)
    .await?
    .unwrap_or_default();
    let (status, next_attempt_at) = if is_elsewhere && sent.error().is_some() {
        (DeliveryStatus::Pending, Some(settled.now))
    } else {
        (settled.status, settled.next_attempt_at)
    };
    let is_over = status != DeliveryStatus::Pending;
    let row = sqlx::query!(
        "update hooks.deliveries
         set status = $2, attempts = attempts + 1,
             tries = case when $10 then tries else tries + 1 end, next_attempt_at = $3,
             last_attempt_at = $4, last_status = $5, last_error = $6, last_answer = $7,
             delivered_at = coalesce($8, delivered_at), ready = ready and $9
         where delivery_id = $1 and status = 'pending'",
        due.id.as_uuid(),
        status.name(),
        next_attempt_at.map(Timestamp::datetime),
        settled.began.datetime(),
        sent.status.map(small),
        sent.error().map(DeliveryError::name),
        sent.answer,
        (status == DeliveryStatus::Delivered).then_some(delivered_at),
        !is_over,
        is_elsewhere,
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
         set waiting = greatest(0, waiting - $2),
             failures = case when $6 then failures when $3 then 0 else failures + 1 end,
             failing_since = case
                 when $6 then failing_since when not $3 then coalesce(failing_since, $5) end,
             to_disable = case when $6 then to_disable else coalesce(to_disable, $4) end
         where webhook_id = $1",
        due.webhook.as_uuid(),
        leaves,
        sent.error().is_none(),
        settled.disable.map(DisabledReason::name),
        // A repetition is tried once: nothing would follow for three days.
        (!due.is_apart).then_some(settled.began.datetime()),
        is_elsewhere,
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
