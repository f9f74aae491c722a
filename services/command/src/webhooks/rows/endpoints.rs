//! Webhooks as they are where the log was read to, and what is queued for them.

use domain::event::TypePattern;
use domain::ids::{DeliveryId, GlobalPosition, OrgId, WebhookId, WebhookSecretId};
use domain::time::Timestamp;
use domain::webhook::{DisabledReason, WebhookUrl};
use event_log::StoredEvent;
use sqlx::PgConnection;
use uuid::Uuid;

use super::{WebhookError, named};

/// A webhook as it is at the cursor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint {
    pub id: WebhookId,
    pub org: OrgId,
    pub url: WebhookUrl,
    pub types: Vec<TypePattern>,
    pub enabled: bool,
    pub secret: WebhookSecretId,
    /// What signs beside the secret, and until when.
    pub former_secret: Option<(WebhookSecretId, Timestamp)>,
    pub removed_at: Option<Timestamp>,
    /// Deliveries of events that wait.
    pub waiting: i64,
    /// Attempts that failed since the last that did not.
    pub failures: i32,
    /// When the first of them began, repetitions aside.
    pub failing_since: Option<Timestamp>,
    /// Why it is to be switched off, until the log says that it is.
    pub to_disable: Option<DisabledReason>,
}

/// An event to be queued for a webhook.
pub struct NewDelivery<'a> {
    pub id: DeliveryId,
    pub webhook: WebhookId,
    pub event: &'a StoredEvent,
    /// Whether no earlier one of this batch is for the same webhook and about the same thing.
    pub is_first: bool,
}

/// How far the log was read.
pub async fn cursor(connection: &mut PgConnection) -> Result<GlobalPosition, WebhookError> {
    let position = sqlx::query_scalar!("select position from hooks.cursor")
        .fetch_one(connection)
        .await?;
    Ok(GlobalPosition::try_from_i64(position).unwrap_or_default())
}

/// Moves the cursor. False if somebody else has: then the transaction must not be committed.
pub async fn advance_in_tx(
    connection: &mut PgConnection,
    from: GlobalPosition,
    to: GlobalPosition,
) -> Result<bool, WebhookError> {
    let moved = sqlx::query!(
        "update hooks.cursor set position = $2 where position = $1",
        from.as_i64(),
        to.as_i64(),
    )
    .execute(connection)
    .await?;
    Ok(moved.rows_affected() == 1)
}

/// The webhooks of these orgs that were not removed.
pub async fn endpoints_in_tx(
    connection: &mut PgConnection,
    orgs: &[Uuid],
) -> Result<Vec<Endpoint>, WebhookError> {
    let rows = sqlx::query!(
        "select webhook_id, org_id, url, types, enabled, secret_id, former_secret_id,
                former_secret_until, waiting, failures, failing_since, to_disable
         from hooks.endpoints where org_id = any ($1) and removed_at is null
         order by webhook_id",
        orgs,
    )
    .fetch_all(connection)
    .await?;
    let mut endpoints = Vec::with_capacity(rows.len());
    for row in rows {
        let key = row.webhook_id;
        let corrupt = |column| WebhookError::Corrupt {
            table: "hooks.endpoints",
            column,
            key,
        };
        let types: Result<Vec<TypePattern>, _> = row
            .types
            .iter()
            .map(|text| named("hooks.endpoints", "types", key, text))
            .collect();
        let former = row.former_secret_id.map(WebhookSecretId::from_uuid);
        let until = row.former_secret_until.map(Timestamp::from_datetime);
        let to_disable = row.to_disable.as_deref();
        endpoints.push(Endpoint {
            id: WebhookId::from_uuid(key),
            org: OrgId::from_uuid(row.org_id),
            url: WebhookUrl::parse(&row.url).map_err(|_| corrupt("url"))?,
            types: types?,
            enabled: row.enabled,
            secret: WebhookSecretId::from_uuid(row.secret_id),
            former_secret: former.zip(until),
            removed_at: None,
            waiting: i64::from(row.waiting),
            failures: row.failures,
            failing_since: row.failing_since.map(Timestamp::from_datetime),
            to_disable: to_disable
                .map(|reason| named("hooks.endpoints", "to_disable", key, reason))
                .transpose()?,
        });
    }
    Ok(endpoints)
}

/// Writes a webhook as it is now. One that was removed loses its secrets at once; one that was just
/// switched on begins anew with what waits.
pub async fn store_endpoint_in_tx(
    connection: &mut PgConnection,
    endpoint: &Endpoint,
    is_switched_on: bool,
    now: Timestamp,
) -> Result<(), WebhookError> {
    let types: Vec<String> = endpoint
        .types
        .iter()
        .map(|it| it.as_str().to_owned())
        .collect();
    sqlx::query!(
        "insert into hooks.endpoints as e (webhook_id, org_id, url, types, enabled, secret_id,
                former_secret_id, former_secret_until, removed_at, waiting, failures, failing_since,
                to_disable)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)
         on conflict (webhook_id) do update set
                url = excluded.url, types = excluded.types, enabled = excluded.enabled,
                secret_id = excluded.secret_id, former_secret_id = excluded.former_secret_id,
                former_secret_until = excluded.former_secret_until,
                removed_at = excluded.removed_at, waiting = excluded.waiting,
                failures = excluded.failures, failing_since = excluded.failing_since,
                to_disable = excluded.to_disable",
        endpoint.id.as_uuid(),
        endpoint.org.as_uuid(),
        endpoint.url.as_str(),
        &types,
        endpoint.enabled,
        endpoint.secret.as_uuid(),
        endpoint.former_secret.map(|(id, _)| id.as_uuid()),
        endpoint.former_secret.map(|(_, until)| until.datetime()),
        endpoint.removed_at.map(Timestamp::datetime),
        i32::try_from(endpoint.waiting).unwrap_or(i32::MAX),
        endpoint.failures,
        endpoint.failing_since.map(Timestamp::datetime),
        endpoint.to_disable.map(DisabledReason::name),
    )
    .execute(&mut *connection)
    .await?;
    if endpoint.removed_at.is_some() {
        sqlx::query!(
            "delete from auth.webhook_secrets where webhook_id = $1",
            endpoint.id.as_uuid(),
        )
        .execute(&mut *connection)
        .await?;
    }
    if is_switched_on {
        sqlx::query!(
            "update hooks.deliveries set tries = 0, next_attempt_at = $2
             where webhook_id = $1 and status = 'pending' and ready and tries > 0",
            endpoint.id.as_uuid(),
            now.datetime(),
        )
        .execute(connection)
        .await?;
    }
    Ok(())
}

/// Queues events. One of whose subject another waits is not ready.
pub async fn add_deliveries_in_tx(
    connection: &mut PgConnection,
    new: &[NewDelivery<'_>],
    now: Timestamp,
) -> Result<(), WebhookError> {
    if new.is_empty() {
        return Ok(());
    }
    let ids: Vec<Uuid> = new.iter().map(|it| it.id.as_uuid()).collect();
    let webhooks: Vec<Uuid> = new.iter().map(|it| it.webhook.as_uuid()).collect();
    let orgs: Vec<Uuid> = new.iter().map(|it| it.event.org_id.as_uuid()).collect();
    let positions: Vec<i64> = new.iter().map(|it| it.event.position.as_i64()).collect();
    let events: Vec<Uuid> = new.iter().map(|it| it.event.event_id.as_uuid()).collect();
    let types: Vec<String> = new
        .iter()
        .map(|it| it.event.type_name.to_string())
        .collect();
    let subjects: Vec<String> = new.iter().map(|it| it.event.subject.to_string()).collect();
    let first: Vec<bool> = new.iter().map(|it| it.is_first).collect();
    sqlx::query!(
        "insert into hooks.deliveries (delivery_id, webhook_id, org_id, position, event_id,
                event_type, subject, status, ready, apart, attempts, tries, next_attempt_at,
                created_at)
         select u.id, u.webhook, u.org, u.position, u.event, u.type, u.subject, 'pending',
                u.is_first and not exists (
                    select from hooks.deliveries p
                    where p.webhook_id = u.webhook and p.subject = u.subject
                        and p.status = 'pending' and not p.apart),
                false, 0, 0, $9, $9
         from unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::bigint[], $5::uuid[], $6::text[],
                $7::text[], $8::boolean[])
                as u (id, webhook, org, position, event, type, subject, is_first)
         on conflict (webhook_id, position) do nothing",
        &ids,
        &webhooks,
        &orgs,
        &positions,
        &events,
        &types,
        &subjects,
        &first,
        now.datetime(),
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// A webhook to be switched off.
pub struct ToDisable {
    pub id: WebhookId,
    pub org: OrgId,
    pub reason: DisabledReason,
    /// Where the reason was found.
    pub url: WebhookUrl,
}

/// Webhooks to be switched off, by id after this one: whoever goes on after the last of them comes
/// to all, also past those that cannot be switched off just now.
pub async fn to_disable(
    connection: &mut PgConnection,
    after: Option<WebhookId>,
    most: i64,
) -> Result<Vec<ToDisable>, WebhookError> {
    let rows = sqlx::query!(
        r#"select webhook_id, org_id, url, to_disable as "to_disable!" from hooks.endpoints
           where to_disable is not null and removed_at is null
               and ($1::uuid is null or webhook_id > $1)
           order by webhook_id limit $2"#,
        after.map(WebhookId::as_uuid),
        most,
    )
    .fetch_all(connection)
    .await?;
    let mut found = Vec::with_capacity(rows.len());
    for row in rows {
        let (table, key) = ("hooks.endpoints", row.webhook_id);
        let column = "url";
        let corrupt = |_| WebhookError::Corrupt { table, column, key };
        found.push(ToDisable {
            id: WebhookId::from_uuid(key),
            org: OrgId::from_uuid(row.org_id),
            reason: named(table, "to_disable", key, &row.to_disable)?,
            url: WebhookUrl::parse(&row.url).map_err(corrupt)?,
        });
    }
    Ok(found)
}

/// The log says whether a webhook is on; what it says later is read later.
pub async fn is_judged(
    connection: &mut PgConnection,
    id: WebhookId,
    is_on: bool,
) -> Result<(), WebhookError> {
    sqlx::query!(
        "update hooks.endpoints set enabled = enabled and $2, to_disable = null
         where webhook_id = $1",
        id.as_uuid(),
        is_on,
    )
    .execute(connection)
    .await?;
    Ok(())
}
