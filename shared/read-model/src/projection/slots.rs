//! The rows of roll-ups: quarter hours of UTC, and the same summed by day.

use domain::time::Timestamp;
use sqlx::PgConnection;
use uuid::Uuid;

use super::ApplyError;
use super::changes::{SlotChanges, Sums};
use crate::analytics::Counter;

const SLOT_MICROS: i64 = 15 * 60 * 1_000_000;
/// Quarter hours of a day of UTC.
pub(crate) const SLOTS_A_DAY: i32 = 96;

/// The quarter hour of an instant, counted from 1970. Equally, for an instant at which one begins:
/// the first that does not lie before it.
pub(crate) fn slot_of(at: Timestamp) -> i32 {
    let slot = at.micros().div_euclid(SLOT_MICROS);
    i32::try_from(slot).unwrap_or(if slot < 0 { i32::MIN } else { i32::MAX })
}

/// A row as it is sent, whose `slot` may be a day: the type `slot_row`. Zero is sent and stored as null, which takes no
/// room.
#[derive(Debug, sqlx::Type)]
#[sqlx(type_name = "slot_row")]
struct SentSlot {
    unit_id: Uuid,
    slot: i32,
    org_id: Uuid,
    posts: Option<i32>,
    views_firsts: Option<i32>,
    likes_firsts: Option<i32>,
    comments_firsts: Option<i32>,
    shares_firsts: Option<i32>,
    saves_firsts: Option<i32>,
    followers_firsts: Option<i32>,
    views_delta: Option<i64>,
    views_base: Option<i64>,
    likes_delta: Option<i64>,
    likes_base: Option<i64>,
    comments_delta: Option<i64>,
    comments_base: Option<i64>,
    shares_delta: Option<i64>,
    shares_base: Option<i64>,
    saves_delta: Option<i64>,
    saves_base: Option<i64>,
    followers_delta: Option<i64>,
    followers_base: Option<i64>,
}

impl SentSlot {
    fn of(unit_id: Uuid, slot: i32, sums: &Sums) -> Self {
        let firsts = |counter: Counter| nonzero(sums.counters[counter.index()].firsts);
        let delta = |counter: Counter| nonzero(sums.counters[counter.index()].delta);
        let base = |counter: Counter| nonzero(sums.counters[counter.index()].base);
        Self {
            unit_id,
            slot,
            org_id: sums.org.as_uuid(),
            posts: nonzero(sums.posts),
            views_firsts: firsts(Counter::Views),
            likes_firsts: firsts(Counter::Likes),
            comments_firsts: firsts(Counter::Comments),
            shares_firsts: firsts(Counter::Shares),
            saves_firsts: firsts(Counter::Saves),
            followers_firsts: firsts(Counter::Followers),
            views_delta: delta(Counter::Views),
            views_base: base(Counter::Views),
            likes_delta: delta(Counter::Likes),
            likes_base: base(Counter::Likes),
            comments_delta: delta(Counter::Comments),
            comments_base: base(Counter::Comments),
            shares_delta: delta(Counter::Shares),
            shares_base: base(Counter::Shares),
            saves_delta: delta(Counter::Saves),
            saves_base: base(Counter::Saves),
            followers_delta: delta(Counter::Followers),
            followers_base: base(Counter::Followers),
        }
    }
}

/// Adds rows to a table of roll-ups by unit and `$place`.
macro_rules! add_rows {
    ($connection:expr, $rows:expr, $table:tt, $place:tt) => {
        sqlx::query!(
            "INSERT INTO " + $table + " AS s (unit_id, " + $place + ", org_id, posts, views_firsts,
                    likes_firsts, comments_firsts, shares_firsts, saves_firsts, followers_firsts,
                    views_delta, views_base, likes_delta, likes_base, comments_delta, comments_base,
                    shares_delta, shares_base, saves_delta, saves_base, followers_delta,
                    followers_base)
             SELECT * FROM unnest($1::slot_row[])
             ON CONFLICT (unit_id, " + $place + ") DO UPDATE SET
                    posts = slot_sum(s.posts, excluded.posts),
                    views_firsts = slot_sum(s.views_firsts, excluded.views_firsts),
                    likes_firsts = slot_sum(s.likes_firsts, excluded.likes_firsts),
                    comments_firsts = slot_sum(s.comments_firsts, excluded.comments_firsts),
                    shares_firsts = slot_sum(s.shares_firsts, excluded.shares_firsts),
                    saves_firsts = slot_sum(s.saves_firsts, excluded.saves_firsts),
                    followers_firsts = slot_sum(s.followers_firsts, excluded.followers_firsts),
                    views_delta = slot_sum(s.views_delta, excluded.views_delta),
                    views_base = slot_sum(s.views_base, excluded.views_base),
                    likes_delta = slot_sum(s.likes_delta, excluded.likes_delta),
                    likes_base = slot_sum(s.likes_base, excluded.likes_base),
                    comments_delta = slot_sum(s.comments_delta, excluded.comments_delta),
                    comments_base = slot_sum(s.comments_base, excluded.comments_base),
                    shares_delta = slot_sum(s.shares_delta, excluded.shares_delta),
                    shares_base = slot_sum(s.shares_base, excluded.shares_base),
                    saves_delta = slot_sum(s.saves_delta, excluded.saves_delta),
                    saves_base = slot_sum(s.saves_base, excluded.saves_base),
                    followers_delta = slot_sum(s.followers_delta, excluded.followers_delta),
                    followers_base = slot_sum(s.followers_base, excluded.followers_base)",
            $rows as &[SentSlot],
        )
        .execute($connection)
        .await
    };
}

/// Adds changes to the stored rows; returns how many slots.
pub(super) async fn store(
    connection: &mut PgConnection,
    changes: SlotChanges,
) -> Result<u64, ApplyError> {
    let days = sent(changes.by_day());
    let slots = sent(changes);
    if !slots.is_empty() {
        add_rows!(&mut *connection, &slots, "slots", "slot")?;
        add_rows!(&mut *connection, &days, "days", "day")?;
    }
    Ok(slots.len() as u64)
}

fn sent(changes: SlotChanges) -> Vec<SentSlot> {
    changes
        .into_sorted()
        .iter()
        .map(|(unit, slot, sums)| SentSlot::of(*unit, *slot, sums))
        .collect()
}

fn nonzero<T: Default + PartialEq>(value: T) -> Option<T> {
    (value != T::default()).then_some(value)
}
