//! What is deleted in time, a little at once.

use chrono::TimeDelta;
use domain::ids::WebhookId;
use domain::limits::{DELIVERIES_KEPT, DELIVERY_DAYS};
use domain::time::Timestamp;
use sqlx::{Connection, PgConnection};
use uuid::Uuid;

use super::WebhookError;

/// Rows that are deleted at once.
const AT_ONCE: i64 = 1_000;
/// How long a removed webhook's row stays at least: a test that was under way leaves one more.
const REMOVED_STAYS: TimeDelta = TimeDelta::days(1);
/// How long a secret may stand before the event that names it is recorded: no request takes so long.
const UNNAMED_STAYS: TimeDelta = TimeDelta::hours(1);

/// The webhook after this one, removed ones too.
pub async fn next_endpoint(
    connection: &mut PgConnection,
    after: Option<WebhookId>,
) -> Result<Option<WebhookId>, WebhookError> {
    let next = sqlx::query_scalar!(
        "select webhook_id from hooks.endpoints
         where $1::uuid is null or webhook_id > $1 order by webhook_id limit 1",
        after.map(WebhookId::as_uuid),
    )
    .fetch_optional(connection)
    .await?;
    Ok(next.map(WebhookId::from_uuid))
}

/// Deletes what of a webhook is not kept any more; true if there may be more of it.
pub async fn prune(
    connection: &mut PgConnection,
    webhook: WebhookId,
    now: Timestamp,
) -> Result<bool, WebhookError> {
    let outlived = now.minus(TimeDelta::days(DELIVERY_DAYS));
    let mut tx = connection.begin().await?;
    let deleted = sqlx::query!(
        r#"with gone as (
             delete from hooks.deliveries where delivery_id in (
                 select d.delivery_id from hooks.deliveries d
                 where d.webhook_id = $1
                     and d.created_at < (
                         select case when e.removed_at is null then greatest($2, (
                             select k.created_at from hooks.deliveries k where k.webhook_id = $1
                             order by k.created_at desc offset $3 limit 1))
                         else 'infinity' end
                         from hooks.endpoints e where e.webhook_id = $1)
                     and (d.status <> 'pending' or d.created_at < $2 or exists (
                         select from hooks.endpoints e
                         where e.webhook_id = $1 and e.removed_at is not null))
                 order by d.created_at limit $4)
             returning status
         )
         select count(*) as "rows!", count(*) filter (where status = 'pending') as "waited!"
         from gone"#,
        webhook.as_uuid(),
        outlived.datetime(),
        DELIVERIES_KEPT,
        AT_ONCE,
    )
    .fetch_one(&mut *tx)
    .await?;
    if deleted.waited > 0 {
        free_in_tx(&mut tx, webhook).await?;
    }
    sqlx::query!(
        "delete from auth.webhook_secrets where id in (
             select former_secret_id from hooks.endpoints
             where webhook_id = $1 and former_secret_until < $2)",
        webhook.as_uuid(),
        now.datetime(),
    )
    .execute(&mut *tx)
    .await?;
    sqlx::query!(
        "delete from hooks.endpoints e where webhook_id = $1 and removed_at < $2
             and not exists (select from hooks.deliveries d where d.webhook_id = $1)",
        webhook.as_uuid(),
        now.minus(REMOVED_STAYS).datetime(),
    )
    .execute(&mut *tx)
    .await?;
    tx.commit().await?;
    Ok(deleted.rows >= AT_ONCE)
}

/// Deletes secrets.
pub async fn forget_in_tx(
    connection: &mut PgConnection,
    secrets: &[Uuid],
) -> Result<(), WebhookError> {
    if secrets.is_empty() {
        return Ok(());
    }
    sqlx::query!(
        "delete from auth.webhook_secrets where id = any ($1)",
        secrets,
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// Deletes secrets that no event came to name, since a process died before it. `followed_to` is when
/// the last event was recorded that was followed: what is named later than that is not known yet.
pub async fn forget_unnamed(
    connection: &mut PgConnection,
    followed_to: Timestamp,
) -> Result<(), WebhookError> {
    sqlx::query!(
        "delete from auth.webhook_secrets where id in (
             select s.id from auth.webhook_secrets s
             where s.created_at < $1 and not exists (
                 select from hooks.endpoints e
                 where e.webhook_id = s.webhook_id
                     and s.id in (e.secret_id, e.former_secret_id))
             limit $2)",
        followed_to.minus(UNNAMED_STAYS).datetime(),
        AT_ONCE,
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// Of what waited, the first of each subject may be gone: then the next one is ready.
async fn free_in_tx(connection: &mut PgConnection, webhook: WebhookId) -> Result<(), WebhookError> {
    sqlx::query!(
        "update hooks.deliveries d set ready = true
         where d.webhook_id = $1 and d.status = 'pending' and not d.ready and not exists (
             select from hooks.deliveries p
             where p.webhook_id = $1 and p.subject = d.subject and p.status = 'pending'
                 and not p.apart and p.position < d.position)",
        webhook.as_uuid(),
    )
    .execute(&mut *connection)
    .await?;
    sqlx::query!(
        "update hooks.endpoints set waiting = (
             select count(*) from hooks.deliveries
             where webhook_id = $1 and status = 'pending' and not apart)
         where webhook_id = $1",
        webhook.as_uuid(),
    )
    .execute(connection)
    .await?;
    Ok(())
}
