//! What was carried out before: told again, its barrier run again (pitfall 12).

use std::error::Error;

use domain::event::Event;
use domain::ids::{GlobalPosition, OrgId};
use domain::org::{Command, Outcome, Rejection};
use event_log::StoredAnswer;

use super::commander::{Commander, Executed, Inner};
use super::context::Remember;
use super::denial::{self, Denial, Earlier};
use super::error::CommandError;
use super::orgs::Org;

impl Commander {
    /// What a command came to that was carried out earlier, by the events it made; the barrier of
    /// what it took away runs again.
    pub async fn recall(
        &self,
        org: OrgId,
        outcome: Outcome,
        stored: &StoredAnswer,
    ) -> Result<Executed, CommandError> {
        let org = self.inner().org(org);
        // The state may be older than those events if another process made them.
        let caught_up = self.inner().catch_up(&org).await;
        caught_up.map_err(unanswered)?;
        let denial = self.recall_denial(stored).await?;
        Ok(Executed {
            outcome,
            position: stored.last,
            denial,
            org,
        })
    }

    /// What an earlier command took away, settled anew.
    pub async fn recall_denial(
        &self,
        stored: &StoredAnswer,
    ) -> Result<Option<Denial>, CommandError> {
        let positions: Vec<_> = (stored.first.get()..=stored.last.get())
            .map(GlobalPosition::new)
            .collect();
        let events = self.inner().log.read_at(&positions).await;
        let events = events.map_err(unanswered)?;
        let decoded: Vec<_> = events
            .iter()
            .map_while(|stored| Some(stored.decode().ok()?.event))
            .collect();
        let Some(index) = denial::newest(&decoded) else {
            return Ok(None);
        };
        let head = self.inner().log.head().await.map_err(unanswered)?;
        let mut denial = Denial {
            position: events[index].position,
            first: stored.first,
            at: events[index].recorded_at,
            epoch: head.epoch,
            event_hash: events[index].hash,
            settled: None,
        };
        self.settle(&mut denial, true).await?;
        Ok(Some(denial))
    }
}

/// Events read at once of an append that is looked at again.
const PAGE: u16 = 500;

impl Commander {
    /// The events of the append that begins there, as far as this build reads them.
    pub async fn appended_from(&self, first: GlobalPosition) -> Result<Vec<Event>, CommandError> {
        let mut events = Vec::new();
        let mut after = GlobalPosition::new(first.get().saturating_sub(1));
        let mut of = None;
        loop {
            let page = self.inner().log.read(after, PAGE).await;
            let page = page.map_err(unanswered)?;
            for stored in &page {
                let own = (
                    stored.org_id,
                    stored.recorded_at,
                    stored.correlation_id.clone(),
                );
                let Ok(decoded) = stored.decode() else {
                    return Ok(events);
                };
                // Two requests of one name may stand side by side.
                let begins = matches!(decoded.event, Event::MemberRemoved(_));
                let is_next = of.get_or_insert_with(|| own.clone()) == &own;
                if !is_next || begins && !events.is_empty() {
                    return Ok(events);
                }
                events.push(decoded.event);
                after = stored.position;
            }
            if page.len() < usize::from(PAGE) {
                return Ok(events);
            }
        }
    }
}

impl Inner {
    /// What a rejection comes to. Another process may have carried the same request out since its
    /// answer was looked for; then what that made may be the very thing that stands in the way.
    pub(super) async fn rejected<T>(
        &self,
        rejection: Rejection,
        remember: Option<&Remember<T>>,
    ) -> CommandError {
        let Some(remember) = remember.filter(|_| !concerns_caller(&rejection)) else {
            return rejection.into();
        };
        match self
            .log
            .idempotent_answer(remember.org_id, &remember.key)
            .await
        {
            Ok(None) => rejection.into(),
            Ok(Some(stored)) => CommandError::Answered(Box::new(stored)),
            Err(error) => CommandError::Unread(error),
        }
    }

    /// What the same command took away before: its barrier runs again (pitfall 12).
    pub(super) async fn earlier_denial(
        &self,
        org: &Org,
        command: &Command,
    ) -> Result<Option<Denial>, CommandError> {
        let earlier = denial::earlier(&org.state.read().await.state, command);
        let Some(Earlier {
            first,
            last: position,
        }) = earlier
        else {
            return Ok(None);
        };
        let head = self.log.head().await.map_err(unanswered)?;
        let stored = self.log.read_at(&[position]).await;
        let stored = stored.map_err(unanswered)?;
        Ok(stored.first().map(|stored| Denial {
            position,
            first,
            at: stored.recorded_at,
            epoch: head.epoch,
            event_hash: stored.hash,
            #[cfg(not(feature = "mutants"))]
            settled: None,
            #[cfg(feature = "mutants")]
            settled: denial::unwaited(position, head.epoch, self.clock.now()),
        }))
    }
}

/// Who may not act learns nothing of earlier answers either.
const fn concerns_caller(rejection: &Rejection) -> bool {
    matches!(
        rejection,
        Rejection::CallerInvalid
            | Rejection::OrgSuspended
            | Rejection::UserSuspended
            | Rejection::InsufficientScope { .. }
    )
}

/// It was carried out before, so "nothing was changed" would be wrong.
fn unanswered(error: impl Into<Box<dyn Error + Send + Sync>>) -> CommandError {
    CommandError::Unanswered(error.into())
}
