//! From the queue to whoever takes it.

use std::collections::HashMap;
use std::time::Duration;

use domain::ids::{GlobalPosition, OrgId, WebhookId};
use domain::org::{Command, WebhookCommand};
use domain::time::Timestamp;
use domain::webhook::{DeliveryStatus, DisabledReason};
use event_log::{ReadError, StoredEvent};
use runtime::telemetry::chain;
use uuid::Uuid;

use super::{SendError, Sender, Session, in_time};
use crate::app::CommandContext;
use crate::metrics;
use crate::webhooks::courier::{Message, Outcome, Sent};
use crate::webhooks::rows::{self, Due, Room, Settled, ToDisable};
use crate::webhooks::schedule::{GIVEN_UP_AFTER, wait_after};

/// Deliveries under way at once.
pub(in crate::webhooks) const PLACES: usize = 128;
/// Of these, most to one webhook; to one whose last attempt failed, one.
const PLACES_PER_WEBHOOK: i64 = 8;
/// Of these, most of one org: whoever answers slowly there keeps no more.
const PLACES_PER_ORG: i64 = 16;
/// Of these, most to webhooks whose last attempt failed, of all orgs.
const PLACES_FAILING: usize = 64;
/// Webhooks that are switched off in one go.
const DISABLE_AT_ONCE: usize = 16;
/// Deliveries begun in one go.
const PAGE: usize = 32;

/// What a delivery under way keeps from others.
pub(super) struct Place {
    webhook: WebhookId,
    org: OrgId,
    /// Whether the webhook's last attempt had failed when it began.
    is_failing: bool,
}

/// An attempt that is over.
pub(super) struct Done {
    due: Due,
    sent: Sent,
    began: Timestamp,
    took: Duration,
}

impl Session<'_> {
    /// Begins what is due, as far as there is room.
    pub(super) async fn dispatch(&mut self) -> Result<(), SendError> {
        while self.dispatch_page().await? {}
        Ok(())
    }

    /// Begins a page of what is due; true if there may be more.
    async fn dispatch_page(&mut self) -> Result<bool, SendError> {
        let room = PLACES.saturating_sub(self.places.len()).min(PAGE);
        if room == 0 {
            return Ok(false);
        }
        let under_way: Vec<Uuid> = self.places.keys().map(|id| id.as_uuid()).collect();
        let failing = self.places.values().filter(|it| it.is_failing).count();
        let most = room;
        let room = Room {
            under_way: &under_way,
            of_webhooks: &counted(self.places.values().map(|it| it.webhook.as_uuid())),
            of_orgs: &counted(self.places.values().map(|it| it.org.as_uuid())),
            per_webhook: PLACES_PER_WEBHOOK,
            per_org: PLACES_PER_ORG,
            failing: as_i64(PLACES_FAILING.saturating_sub(failing)),
            most: as_i64(most),
        };
        let due = in_time(rows::due(&mut self.connection, &room, self.sender.now())).await?;
        if due.is_empty() {
            return Ok(false);
        }
        let is_full = due.len() == most;
        let positions: Vec<GlobalPosition> = due.iter().map(|due| due.position).collect();
        let log = self.sender.commander.log();
        let events = log.read_online_at(&positions).await?;
        let events: HashMap<_, _> = events.into_iter().map(|it| (it.position, it)).collect();
        for due in due {
            let event = events.get(&due.position).cloned();
            let place = Place {
                webhook: due.webhook,
                org: due.org,
                is_failing: due.failures > 0,
            };
            self.places.insert(due.id, place);
            let sender = self.sender;
            self.under_way.push(Box::pin(sender.attempt(due, event)));
        }
        Ok(is_full)
    }

    /// Writes down what became of an attempt.
    pub(super) async fn settle(&mut self, done: Done) -> Result<(), SendError> {
        let Done {
            due,
            sent,
            began,
            took,
        } = done;
        self.places.remove(&due.id);
        let now = self.sender.now();
        let tries = due.tries.saturating_add(1);
        let (status, wait, disable) = self.sender.verdict(&due, &sent, tries);
        let disable = disable.or_else(|| given_up(&due, &sent, now));
        metrics::count_delivery(&sent, took);
        let settled = Settled {
            next_attempt_at: wait.map(|wait| later(now, wait)),
            due: &due,
            sent: &sent,
            status,
            disable,
            began,
            now,
        };
        in_time(rows::settle(&mut self.connection, &settled)).await?;
        if disable.is_some() {
            self.disable().await?;
        }
        Ok(())
    }

    /// Switches off some of what is to be switched off: the event says so to everybody.
    pub(super) async fn disable(&mut self) -> Result<(), SendError> {
        let most = as_i64(DISABLE_AT_ONCE);
        let off = rows::to_disable(&mut self.connection, self.disabled, most);
        let off = in_time(off).await?;
        let may_be_more = off.len() == DISABLE_AT_ONCE;
        self.disabled = off.last().map(|it| it.id).filter(|_| may_be_more);
        for ToDisable {
            id,
            org,
            reason,
            url,
        } in off
        {
            let command = Command::Webhook(WebhookCommand::Disable {
                webhook_id: id,
                reason,
                url,
            });
            let context = CommandContext::operator("webhooks");
            let commander = &self.sender.commander;
            match commander.execute(org, &command, &context, None).await {
                Ok(done) => {
                    // It stays on if it leads elsewhere since.
                    let is_on = done.state().await.webhook(id).is_some_and(|it| it.enabled);
                    in_time(rows::is_judged(&mut self.connection, id, is_on)).await?;
                }
                // It stays to be done.
                Err(error) => {
                    tracing::warn!(error = %chain(&error), "a webhook could not be switched off");
                }
            }
        }
        Ok(())
    }
}

impl Sender {
    /// Sends, or says why not: what is archived and not at hand fails its own delivery. It is looked for
    /// here, so that a folder that answers slowly holds up no other.
    async fn attempt(&self, due: Due, online: Option<StoredEvent>) -> Done {
        let (began, start) = (self.now(), self.clock.monotonic());
        let event = match online {
            Some(event) => Ok(Some(event)),
            None => self.archived(due.position).await,
        };
        let sent = match event {
            Ok(Some(event)) if !due.secrets.is_empty() => {
                let message = Message {
                    id: due.event_id,
                    body: event.to_cloud_event(),
                    secrets: &due.secrets,
                };
                self.courier.send(&due.url, &message).await
            }
            Ok(_) => {
                tracing::error!(delivery = %due.id, "a delivery's event or secret is not there");
                Sent::internal()
            }
            Err(error) => {
                tracing::warn!(delivery = %due.id, error = %chain(&error), "a delivery's event cannot be read");
                Sent::internal()
            }
        };
        Done {
            due,
            sent,
            began,
            took: self.clock.monotonic().saturating_since(start),
        }
    }

    async fn archived(&self, position: GlobalPosition) -> Result<Option<StoredEvent>, ReadError> {
        let events = self.commander.log().read_at(&[position]).await?;
        Ok(events.into_iter().next())
    }

    /// What becomes of a delivery, when it is tried again, and whether its webhook is switched off.
    fn verdict(
        &self,
        due: &Due,
        sent: &Sent,
        tries: u32,
    ) -> (DeliveryStatus, Option<Duration>, Option<DisabledReason>) {
        match sent.outcome {
            Outcome::Taken => (DeliveryStatus::Delivered, None, None),
            Outcome::Gone if due.is_apart => {
                (DeliveryStatus::Failed, None, Some(DisabledReason::Gone))
            }
            Outcome::Gone => (DeliveryStatus::Abandoned, None, Some(DisabledReason::Gone)),
            Outcome::Failed(_) if due.is_apart => (DeliveryStatus::Failed, None, None),
            Outcome::Failed(_) => match wait_after(tries, &self.entropy) {
                Some(wait) => (DeliveryStatus::Pending, Some(wait), None),
                None => (
                    DeliveryStatus::Abandoned,
                    None,
                    Some(DisabledReason::Failing),
                ),
            },
        }
    }
}

/// Whether nothing was taken for so long that nothing is expected any more. What is not tried ten times
/// by then, since whoever never answers is slow to refuse, waits until the webhook is switched on.
fn given_up(due: &Due, sent: &Sent, now: Timestamp) -> Option<DisabledReason> {
    let is_over = due.failing_since? <= now.minus(GIVEN_UP_AFTER);
    (is_over && sent.error().is_some()).then_some(DisabledReason::Failing)
}

/// How often each one comes.
fn counted(all: impl Iterator<Item = Uuid>) -> Vec<(Uuid, i64)> {
    let mut counts: HashMap<Uuid, i64> = HashMap::new();
    for one in all {
        *counts.entry(one).or_default() += 1;
    }
    counts.into_iter().collect()
}

fn later(now: Timestamp, wait: Duration) -> Timestamp {
    let wait = chrono::TimeDelta::from_std(wait).unwrap_or(chrono::TimeDelta::MAX);
    now.plus(wait)
}

fn as_i64(count: usize) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}
