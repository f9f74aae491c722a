//! Webhooks.

use chrono::{DateTime, Utc};
use domain::event::TypePattern;
use domain::ids::{WebhookId, WebhookSecretId};
use domain::org;
use domain::text::WebhookDescription;
use domain::webhook::WebhookUrl;
use sqlx::PgConnection;
use uuid::Uuid;

use super::columns::{Row, timestamp};
use super::page::{Cursor, Listed, Page};
use crate::error::{CorruptRow, ReadError};
use crate::reader::OrgReader;

/// A webhook with its id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Webhook {
    /// The webhook's id.
    pub id: WebhookId,
    /// The webhook, as the write side folds it.
    pub webhook: org::Webhook,
}

pub(crate) struct WebhookRow {
    pub webhook_id: Uuid,
    pub org_id: Uuid,
    pub url: String,
    pub description: Option<String>,
    pub types: Vec<String>,
    pub enabled: bool,
    pub disabled_reason: Option<String>,
    pub disabled_at: Option<DateTime<Utc>>,
    pub secret_id: Uuid,
    pub created_by: String,
    pub removed: bool,
    pub created_at: DateTime<Utc>,
    pub updated_at: DateTime<Utc>,
}

impl OrgReader {
    /// A page of the org's webhooks.
    pub async fn webhooks(&mut self, page: Page) -> Result<Listed<Webhook>, ReadError> {
        let rows = sqlx::query_as!(
            WebhookRow,
            "SELECT webhook_id, org_id, url, description, types, enabled, disabled_reason,
                    disabled_at, secret_id, created_by, removed, created_at, updated_at
             FROM webhooks
             WHERE org_id = $1 AND NOT removed
               AND (created_at, webhook_id) <
                   (coalesce($2, 'infinity'::timestamptz),
                    coalesce($3, 'ffffffff-ffff-ffff-ffff-ffffffffffff'::uuid))
             ORDER BY created_at DESC, webhook_id DESC
             LIMIT $4",
            self.org.as_uuid(),
            page.after_created_at(),
            page.after_id(),
            page.fetched(),
        )
        .fetch_all(&mut *self.tx)
        .await?;
        let found: Result<Vec<_>, _> = rows.into_iter().map(WebhookRow::into_webhook).collect();
        Ok(page.listed(found?, |found| Cursor {
            created_at: found.webhook.created_at,
            id: found.id.as_uuid(),
        }))
    }

    /// A webhook of the org that was not removed.
    pub async fn webhook(&mut self, id: WebhookId) -> Result<Option<Webhook>, ReadError> {
        let row = sqlx::query_as!(
            WebhookRow,
            "SELECT webhook_id, org_id, url, description, types, enabled, disabled_reason,
                    disabled_at, secret_id, created_by, removed, created_at, updated_at
             FROM webhooks WHERE webhook_id = $1 AND org_id = $2 AND NOT removed",
            id.as_uuid(),
            self.org.as_uuid(),
        )
        .fetch_optional(&mut *self.tx)
        .await?;
        Ok(row.map(WebhookRow::into_webhook).transpose()?)
    }
}

/// The rows of webhooks, removed ones too.
pub(crate) async fn rows(
    connection: &mut PgConnection,
    ids: &[Uuid],
) -> Result<Vec<WebhookRow>, sqlx::Error> {
    sqlx::query_as!(
        WebhookRow,
        "SELECT webhook_id, org_id, url, description, types, enabled, disabled_reason, disabled_at,
                secret_id, created_by, removed, created_at, updated_at
         FROM webhooks WHERE webhook_id = ANY ($1)",
        ids,
    )
    .fetch_all(connection)
    .await
}

impl WebhookRow {
    pub fn into_webhook(self) -> Result<Webhook, CorruptRow> {
        let row = Row {
            table: "webhooks",
            key: self.webhook_id,
        };
        let reason = row.named_optional("disabled_reason", self.disabled_reason.as_deref())?;
        // A type that a newer build wrote stays as it is.
        let types: Result<Vec<TypePattern>, _> = self
            .types
            .iter()
            .map(|text| row.named("types", text))
            .collect();
        let description = self.description.as_deref();
        let webhook = org::Webhook {
            url: row.read("url", &self.url, WebhookUrl::parse)?,
            description: row.read_optional(
                "description",
                description,
                WebhookDescription::parse,
            )?,
            types: types?,
            enabled: self.enabled,
            disabled: reason.zip(self.disabled_at.map(timestamp)),
            secret_id: WebhookSecretId::from_uuid(self.secret_id),
            created_by: row.read("created_by", &self.created_by, str::parse)?,
            removed: self.removed,
            created_at: timestamp(self.created_at),
            updated_at: timestamp(self.updated_at),
        };
        Ok(Webhook {
            id: WebhookId::from_uuid(self.webhook_id),
            webhook,
        })
    }
}
