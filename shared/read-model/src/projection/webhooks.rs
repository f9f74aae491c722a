//! Webhooks.

use domain::ids::{OrgId, WebhookId};
use domain::org::Webhook;
use domain::text::WebhookDescription;
use sqlx::PgConnection;
use uuid::Uuid;

use super::ApplyError;
use super::decisions::Decisions;
use super::touched::{Touched, ids};
use crate::queries::webhooks;

impl Decisions {
    pub(super) async fn load_webhooks(
        &mut self,
        connection: &mut PgConnection,
        touched: &Touched,
    ) -> Result<(), ApplyError> {
        if touched.webhooks.is_empty() {
            return Ok(());
        }
        for row in webhooks::rows(connection, &ids(&touched.webhooks)).await? {
            let org = OrgId::from_uuid(row.org_id);
            let found = row.into_webhook()?;
            let state = self.states.entry(org).or_default();
            state.webhooks.insert(found.id, found.webhook);
        }
        Ok(())
    }

    /// One by one: they are few.
    pub(super) async fn store_webhooks(
        &self,
        connection: &mut PgConnection,
    ) -> Result<(), ApplyError> {
        for (id, org) in &self.webhooks {
            let state = self.states.get(org);
            let webhook = state.and_then(|it| it.webhooks.get(&WebhookId::from_uuid(*id)));
            if let Some(webhook) = webhook {
                store(connection, *id, *org, webhook).await?;
            }
        }
        Ok(())
    }
}

async fn store(
    connection: &mut PgConnection,
    id: Uuid,
    org: OrgId,
    webhook: &Webhook,
) -> Result<(), ApplyError> {
    let types: Vec<String> = webhook
        .types
        .iter()
        .map(|it| it.as_str().to_owned())
        .collect();
    sqlx::query!(
        "INSERT INTO webhooks (webhook_id, org_id, url, description, types, enabled,
                disabled_reason, disabled_at, secret_id, created_by, removed, created_at, updated_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)
         ON CONFLICT (webhook_id) DO UPDATE SET
                url = excluded.url, description = excluded.description, types = excluded.types,
                enabled = excluded.enabled, disabled_reason = excluded.disabled_reason,
                disabled_at = excluded.disabled_at, secret_id = excluded.secret_id,
                removed = excluded.removed, updated_at = excluded.updated_at",
        id,
        org.as_uuid(),
        webhook.url.as_str(),
        webhook
            .description
            .as_ref()
            .map(WebhookDescription::as_str),
        &types,
        webhook.enabled,
        webhook.disabled.map(|(reason, _)| reason.name()),
        webhook.disabled.map(|(_, at)| at.datetime()),
        webhook.secret_id.as_uuid(),
        webhook.created_by.to_string(),
        webhook.removed,
        webhook.created_at.datetime(),
        webhook.updated_at.datetime(),
    )
    .execute(connection)
    .await?;
    Ok(())
}
