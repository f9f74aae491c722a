//! Webhooks: where events of the org are sent.

use serde::{Deserialize, Serialize};

use super::command::{NewWebhook, WebhookCommand, WebhookPatch};
use super::{Decision, Existing, OrgState, Outcome, Recorded, Rejection};
use crate::event::TypePattern;
use crate::event::{Actor, Event, WebhookAdded, WebhookChanged, WebhookDisabled, WebhookRemoved};
use crate::ids::{WebhookId, WebhookSecretId};
use crate::limits::WEBHOOKS_PER_ORG;
use crate::text::WebhookDescription;
use crate::time::Timestamp;
use crate::webhook::{DisabledReason, WebhookUrl};

/// Where events of the org are sent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "fields are those of the API's object")]
pub struct Webhook {
    pub url: WebhookUrl,
    pub description: Option<WebhookDescription>,
    pub types: Vec<TypePattern>,
    pub enabled: bool,
    /// Why and when the service switched it off; none once somebody switched it on or off since.
    pub disabled: Option<(DisabledReason, Timestamp)>,
    pub secret_id: WebhookSecretId,
    pub created_by: Actor,
    pub removed: bool,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
}

impl OrgState {
    /// A webhook that was not removed.
    pub fn webhook(&self, id: WebhookId) -> Option<&Webhook> {
        self.webhooks.get(&id).filter(|webhook| !webhook.removed)
    }
}

pub(super) fn decide(state: &OrgState, command: &WebhookCommand) -> Result<Decision, Rejection> {
    match command {
        WebhookCommand::Add(new) => add(state, new),
        WebhookCommand::Change { webhook_id, patch } => change(state, *webhook_id, patch),
        WebhookCommand::Remove { webhook_id } => remove(state, *webhook_id),
        WebhookCommand::Rotate {
            webhook_id,
            secret_id,
        } => rotate(state, *webhook_id, *secret_id),
        WebhookCommand::Test {
            webhook_id,
            delivery_id,
        } => {
            live(state, *webhook_id)?;
            Ok(Decision {
                events: vec![],
                outcome: Outcome::Created(delivery_id.as_uuid()),
            })
        }
        WebhookCommand::Resend { webhook_id } => resend(state, *webhook_id),
        WebhookCommand::Disable {
            webhook_id,
            reason,
            url,
        } => Ok(disable(state, *webhook_id, *reason, url)),
    }
}

fn live(state: &OrgState, id: WebhookId) -> Result<&Webhook, Rejection> {
    state.webhook(id).ok_or(Rejection::NotFound)
}

fn add(state: &OrgState, new: &NewWebhook) -> Result<Decision, Rejection> {
    let id = new.webhook_id.as_uuid();
    if state.webhooks.contains_key(&new.webhook_id) {
        let what = Existing::Webhook;
        return Err(Rejection::Duplicate { what, id });
    }
    let current = state.webhooks.values().filter(|it| !it.removed).count();
    // No plan sells more of them, so this is no limit of a plan.
    if current >= WEBHOOKS_PER_ORG {
        return Err(Rejection::StateConflict(
            "the org has as many webhooks as there may be: remove one first",
        ));
    }
    let added = WebhookAdded {
        webhook_id: new.webhook_id,
        url: new.url.clone(),
        description: new.description.clone(),
        types: new.types.clone(),
        secret_id: new.secret_id,
    };
    Ok(Decision {
        events: vec![added.into()],
        outcome: Outcome::Created(id),
    })
}

fn change(
    state: &OrgState,
    webhook_id: WebhookId,
    patch: &WebhookPatch,
) -> Result<Decision, Rejection> {
    let webhook = live(state, webhook_id)?;
    let changed = WebhookChanged {
        url: patch.url.clone().filter(|it| *it != webhook.url),
        description: patch
            .description
            .clone()
            .filter(|it| *it != webhook.description),
        types: patch.types.clone().filter(|it| *it != webhook.types),
        enabled: patch.enabled.filter(|it| *it != webhook.enabled),
        ..WebhookChanged::nothing(webhook_id)
    };
    let is_changed = changed != WebhookChanged::nothing(webhook_id);
    Ok(Decision::of(is_changed.then_some(changed)))
}

fn remove(state: &OrgState, webhook_id: WebhookId) -> Result<Decision, Rejection> {
    live(state, webhook_id)?;
    Ok(Decision::done(vec![WebhookRemoved { webhook_id }.into()]))
}

fn rotate(
    state: &OrgState,
    webhook_id: WebhookId,
    secret_id: WebhookSecretId,
) -> Result<Decision, Rejection> {
    live(state, webhook_id)?;
    let changed = WebhookChanged {
        secret_id: Some(secret_id),
        ..WebhookChanged::nothing(webhook_id)
    };
    Ok(Decision::done(vec![changed.into()]))
}

fn resend(state: &OrgState, webhook_id: WebhookId) -> Result<Decision, Rejection> {
    if live(state, webhook_id)?.enabled {
        Ok(Decision::done(vec![]))
    } else {
        Err(Rejection::StateConflict(
            "the webhook is switched off: switch it on first",
        ))
    }
}

/// What is off, or gone, stays so; and what a former URL answered says nothing about the new one.
fn disable(
    state: &OrgState,
    webhook_id: WebhookId,
    reason: DisabledReason,
    url: &WebhookUrl,
) -> Decision {
    let is_meant = |it: &Webhook| it.enabled && (it.url == *url || !reason.is_of_url());
    let is_meant = state.webhook(webhook_id).is_some_and(is_meant);
    Decision::of(is_meant.then_some(WebhookDisabled { webhook_id, reason }))
}

pub(super) fn evolve(state: &mut OrgState, recorded: &Recorded<'_>) {
    match recorded.event {
        Event::WebhookAdded(added) => {
            let webhook = Webhook {
                url: added.url.clone(),
                description: added.description.clone(),
                types: added.types.clone(),
                enabled: true,
                disabled: None,
                secret_id: added.secret_id,
                created_by: recorded.actor,
                removed: false,
                created_at: recorded.at,
                updated_at: recorded.at,
            };
            state.webhooks.insert(added.webhook_id, webhook);
        }
        Event::WebhookChanged(changed) => {
            if let Some(webhook) = state.webhooks.get_mut(&changed.webhook_id) {
                webhook.change(changed);
                webhook.updated_at = recorded.at;
            }
        }
        Event::WebhookRemoved(removed) => {
            if let Some(webhook) = state.webhooks.get_mut(&removed.webhook_id) {
                webhook.removed = true;
                webhook.updated_at = recorded.at;
            }
        }
        Event::WebhookDisabled(disabled) => {
            if let Some(webhook) = state.webhooks.get_mut(&disabled.webhook_id) {
                webhook.enabled = false;
                webhook.disabled = Some((disabled.reason, recorded.at));
                webhook.updated_at = recorded.at;
            }
        }
        _ => {}
    }
}

impl Webhook {
    fn change(&mut self, changed: &WebhookChanged) {
        let changed = changed.clone();
        if let Some(url) = changed.url {
            self.url = url;
        }
        if let Some(description) = changed.description {
            self.description = description;
        }
        if let Some(types) = changed.types {
            self.types = types;
        }
        if let Some(enabled) = changed.enabled {
            self.enabled = enabled;
            self.disabled = None;
        }
        if let Some(secret_id) = changed.secret_id {
            self.secret_id = secret_id;
        }
    }
}
