//! Which partition may be archived next.

use domain::event::Stream;
use domain::ids::{GlobalPosition, TreeSize};
use domain::time::Timestamp;

use super::archiver::Archiver;
use super::error::{ArchiveError, Behind};
use super::manifest::Stretch;
use crate::error::CorruptRow;

/// What is old enough: both must hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Before {
    /// Partitions that end before this position; any where there is none.
    pub position: Option<GlobalPosition>,
    /// Partitions whose last event was recorded before this instant.
    pub instant: Timestamp,
}

/// What stands next in the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// A partition that may be archived.
    Due(Stretch),
    /// A partition that is not old enough.
    Young(Stretch),
    /// The partition that begins there is not full.
    Growing(GlobalPosition),
}

impl Archiver {
    /// What comes after a position that is archived, or is going to be: a partition that is full, old
    /// enough, and needed online by nobody any more. Every projection must have `passed` it.
    ///
    /// # Errors
    /// [`ArchiveError::Behind`] if something has to come first.
    pub async fn next(
        &mut self,
        after: GlobalPosition,
        before: Before,
        passed: GlobalPosition,
    ) -> Result<Next, ArchiveError> {
        let state = sqlx::query!(
            r#"select s.partition_size as "size!", f.position as "folded!", h.position as "head!",
                   (select max(tree_size) from log.newest_checkpoint) as signed,
                   least(c.position, (select min(d.position) - 1 from hooks.deliveries d
                                      join log.events e using (position)
                                      where d.status = 'pending' and e.stream = $1)) as "hooked!"
               from log.settings s, log.folded f, log.head h, hooks.cursor c"#,
            Stream::Observations.number()
        )
        .fetch_one(&mut self.connection)
        .await?;
        let count = |value: i64| u64::try_from(value).unwrap_or_default();
        let (first, last) = (after.next(), after.plus(count(state.size)));
        if count(state.head) < last.get() {
            return Ok(Next::Growing(first));
        }
        let stretch = Stretch { first, last };
        let is_before = before.position.is_none_or(|position| last < position);
        if !is_before || self.recorded_at(last).await? >= before.instant {
            return Ok(Next::Young(stretch));
        }
        let folded = GlobalPosition::new(count(state.folded));
        let hooked = GlobalPosition::new(count(state.hooked));
        let signed = state.signed.map(|signed| TreeSize::new(count(signed)));
        let behind = if folded < last {
            Some(Behind::Fold(folded))
        } else if passed < last {
            Some(Behind::Projection(passed))
        } else if hooked < last {
            Some(Behind::Webhooks(hooked))
        } else {
            let behind = signed.filter(|signed| signed.get() < last.get());
            behind.map(Behind::Tree)
        };
        match behind {
            Some(source) => Err(ArchiveError::Behind { last, source }),
            None => Ok(Next::Due(stretch)),
        }
    }

    /// When an event was recorded that is online.
    pub(super) async fn recorded_at(
        &mut self,
        position: GlobalPosition,
    ) -> Result<Timestamp, ArchiveError> {
        let recorded_at = sqlx::query_scalar!(
            "select recorded_at from log.events where position = $1",
            position.as_i64()
        )
        .fetch_optional(&mut self.connection)
        .await?;
        let recorded_at = recorded_at.map(Timestamp::from_datetime);
        recorded_at.ok_or_else(|| {
            let missing = CorruptRow::new("log.events", "position", position, "is missing");
            ArchiveError::Read(missing.into())
        })
    }
}
