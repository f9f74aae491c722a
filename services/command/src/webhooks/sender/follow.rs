//! From the log to the queue.

use std::collections::{BTreeSet, HashMap, HashSet};

use chrono::TimeDelta;
use domain::event::{Event, EventType, WebhookChanged};
use domain::ids::{DeliveryId, OrgId, WebhookId};
use domain::limits::{DELIVERIES_WAITING, WEBHOOK_OVERLAP_HOURS};
use domain::time::Timestamp;
use domain::webhook::{DisabledReason, wants};
use event_log::StoredEvent;
use runtime::entropy::Entropy;
use sqlx::Connection;
use uuid::Uuid;

use super::{SendError, Session, in_time};
use crate::webhooks::rows::{self, Endpoint, NewDelivery};

/// What becomes of webhooks in a batch, and what is queued for them.
#[derive(Default)]
struct Batch<'a> {
    endpoints: HashMap<OrgId, Vec<Endpoint>>,
    changed: BTreeSet<WebhookId>,
    switched_on: HashSet<WebhookId>,
    /// What signs nothing any more.
    forgotten: Vec<Uuid>,
    new: Vec<NewDelivery<'a>>,
    begun: HashSet<(WebhookId, &'a str)>,
}

impl Session<'_> {
    /// Queues what a batch holds for webhooks, and moves the cursor with it.
    pub(super) async fn follow(&mut self, events: &[StoredEvent]) -> Result<(), SendError> {
        let Some(last) = events.last() else {
            return Ok(());
        };
        let now = self.sender.now();
        let orgs: BTreeSet<_> = events.iter().map(|event| event.org_id.as_uuid()).collect();
        let orgs: Vec<_> = orgs.into_iter().collect();
        let mut tx = in_time(self.connection.begin()).await?;
        let endpoints = in_time(rows::endpoints_in_tx(&mut tx, &orgs)).await?;
        let mut batch = Batch::default();
        for endpoint in endpoints {
            batch
                .endpoints
                .entry(endpoint.org)
                .or_default()
                .push(endpoint);
        }
        for event in events {
            batch.take(event, now, &self.sender.entropy)?;
        }
        for endpoint in batch.endpoints.values().flatten() {
            if batch.changed.contains(&endpoint.id) {
                let is_switched_on = batch.switched_on.contains(&endpoint.id);
                let storing = rows::store_endpoint_in_tx(&mut tx, endpoint, is_switched_on, now);
                in_time(storing).await?;
            }
        }
        in_time(rows::forget_in_tx(&mut tx, &batch.forgotten)).await?;
        in_time(rows::add_deliveries_in_tx(&mut tx, &batch.new, now)).await?;
        let (from, to) = (self.cursor, last.position);
        if !in_time(rows::advance_in_tx(&mut tx, from, to)).await? {
            return Err(SendError::Overtaken { expected: from });
        }
        in_time(tx.commit()).await?;
        self.cursor = to;
        self.followed_to = Some(last.recorded_at);
        Ok(())
    }
}

impl<'a> Batch<'a> {
    fn take(
        &mut self,
        event: &'a StoredEvent,
        now: Timestamp,
        entropy: &Entropy,
    ) -> Result<(), SendError> {
        if event.type_name.starts_with("webhook.") {
            self.fold(event)?;
        } else if event.type_name == EventType::OrgReinstated.name() {
            self.reinstate(event.org_id);
        }
        for endpoint in self.endpoints.get_mut(&event.org_id).into_iter().flatten() {
            let is_open =
                endpoint.enabled && endpoint.removed_at.is_none() && endpoint.to_disable.is_none();
            if !is_open || !wants(&endpoint.types, &event.type_name, event.stream) {
                continue;
            }
            self.changed.insert(endpoint.id);
            if endpoint.waiting >= DELIVERIES_WAITING {
                endpoint.to_disable = Some(DisabledReason::Backlog);
                continue;
            }
            endpoint.waiting += 1;
            self.new.push(NewDelivery {
                id: DeliveryId::generate(now, entropy.public_bytes()),
                webhook: endpoint.id,
                event,
                is_first: self.begun.insert((endpoint.id, &event.subject)),
            });
        }
        Ok(())
    }

    /// Nothing was sent to a suspended org's webhooks, so none of that time counts as a failure.
    fn reinstate(&mut self, org: OrgId) {
        for endpoint in self.endpoints.get_mut(&org).into_iter().flatten() {
            endpoint.failing_since = None;
            self.changed.insert(endpoint.id);
        }
    }

    fn fold(&mut self, stored: &StoredEvent) -> Result<(), SendError> {
        let decoded = stored.decode().map_err(|source| SendError::Undecodable {
            position: stored.position,
            source,
        })?;
        let at = stored.recorded_at;
        let own = self.endpoints.entry(stored.org_id).or_default();
        let id = match &decoded.event {
            Event::WebhookAdded(added) => {
                let endpoint = Endpoint {
                    id: added.webhook_id,
                    org: stored.org_id,
                    url: added.url.clone(),
                    types: added.types.clone(),
                    enabled: true,
                    secret: added.secret_id,
                    former_secret: None,
                    removed_at: None,
                    waiting: 0,
                    failures: 0,
                    failing_since: None,
                    to_disable: None,
                };
                own.push(endpoint);
                added.webhook_id
            }
            Event::WebhookChanged(changed) => {
                if let Some(endpoint) = find(own, changed.webhook_id) {
                    self.forgotten.extend(rotate(endpoint, changed, at));
                    if change(endpoint, changed) {
                        self.switched_on.insert(changed.webhook_id);
                    }
                }
                changed.webhook_id
            }
            Event::WebhookRemoved(removed) => {
                if let Some(endpoint) = find(own, removed.webhook_id) {
                    endpoint.removed_at = Some(at);
                }
                removed.webhook_id
            }
            Event::WebhookDisabled(disabled) => {
                if let Some(endpoint) = find(own, disabled.webhook_id) {
                    endpoint.enabled = false;
                    endpoint.to_disable = None;
                }
                disabled.webhook_id
            }
            _ => return Ok(()),
        };
        self.changed.insert(id);
        Ok(())
    }
}

fn find(endpoints: &mut [Endpoint], id: WebhookId) -> Option<&mut Endpoint> {
    endpoints.iter_mut().find(|it| it.id == id)
}

/// Takes a new secret, if that is the change; gives what a rotation shortly before had left.
fn rotate(endpoint: &mut Endpoint, changed: &WebhookChanged, at: Timestamp) -> Option<Uuid> {
    let secret = changed.secret_id?;
    let until = at.plus(TimeDelta::hours(WEBHOOK_OVERLAP_HOURS));
    let former = endpoint.former_secret.replace((endpoint.secret, until));
    endpoint.secret = secret;
    former.map(|(id, _)| id.as_uuid())
}

/// Whether it was switched on.
fn change(endpoint: &mut Endpoint, changed: &WebhookChanged) -> bool {
    if let Some(url) = &changed.url {
        if endpoint.url != *url && endpoint.to_disable != Some(DisabledReason::Backlog) {
            // What the former URL answered says nothing about this one.
            endpoint.to_disable = None;
        }
        endpoint.url = url.clone();
        endpoint.failures = 0;
        endpoint.failing_since = None;
    }
    if let Some(types) = &changed.types {
        endpoint.types.clone_from(types);
    }
    let Some(enabled) = changed.enabled else {
        return false;
    };
    endpoint.enabled = enabled;
    endpoint.to_disable = None;
    if enabled {
        endpoint.failures = 0;
        endpoint.failing_since = None;
    }
    enabled
}
