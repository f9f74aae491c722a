//! The rows of roll-ups.

use domain::time::Timestamp;
use sqlx::PgConnection;
use uuid::Uuid;

use super::ApplyError;
use super::changes::{SlotChanges, Sums};
use super::figures::Change;
use crate::analytics::Counter;

const SLOT_MICROS: i64 = 15 * 60 * 1_000_000;

/// The quarter hour of an instant, counted from 1970. Equally, for an instant at which one begins:
/// the first that does not lie before it.
pub(crate) fn slot_of(at: Timestamp) -> i32 {
    let slot = at.micros().div_euclid(SLOT_MICROS);
    i32::try_from(slot).unwrap_or(if slot < 0 { i32::MIN } else { i32::MAX })
}

/// Adds changes to the stored rows. Zero is stored as null, which takes no room.
pub(super) async fn store(
    connection: &mut PgConnection,
    changes: SlotChanges,
) -> Result<u64, ApplyError> {
    let rows = changes.into_sorted();
    if rows.is_empty() {
        return Ok(0);
    }
    let units: Vec<Uuid> = rows.iter().map(|(unit, ..)| *unit).collect();
    let slots: Vec<i32> = rows.iter().map(|(_, slot, _)| *slot).collect();
    let orgs: Vec<Uuid> = rows.iter().map(|(.., sums)| sums.org.as_uuid()).collect();
    let posts = column(&rows, |sums| sums.posts);
    let firsts = |counter| counts(&rows, counter, |change| change.firsts);
    let deltas = |counter| counts(&rows, counter, |change| change.delta);
    let bases = |counter| counts(&rows, counter, |change| change.base);
    sqlx::query!(
        "INSERT INTO slots AS s (unit_id, slot, org_id, posts, views_firsts, likes_firsts,
                comments_firsts, shares_firsts, saves_firsts, followers_firsts, views_delta,
                views_base, likes_delta, likes_base, comments_delta, comments_base, shares_delta,
                shares_base, saves_delta, saves_base, followers_delta, followers_base)
         SELECT * FROM unnest($1::uuid[], $2::integer[], $3::uuid[], $4::integer[], $5::integer[],
                $6::integer[], $7::integer[], $8::integer[], $9::integer[], $10::integer[],
                $11::bigint[], $12::bigint[], $13::bigint[], $14::bigint[], $15::bigint[],
                $16::bigint[], $17::bigint[], $18::bigint[], $19::bigint[], $20::bigint[],
                $21::bigint[], $22::bigint[])
         ON CONFLICT (unit_id, slot) DO UPDATE SET
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
        &units,
        &slots,
        &orgs,
        &posts as &[Option<i32>],
        &firsts(Counter::Views) as &[Option<i32>],
        &firsts(Counter::Likes) as &[Option<i32>],
        &firsts(Counter::Comments) as &[Option<i32>],
        &firsts(Counter::Shares) as &[Option<i32>],
        &firsts(Counter::Saves) as &[Option<i32>],
        &firsts(Counter::Followers) as &[Option<i32>],
        &deltas(Counter::Views) as &[Option<i64>],
        &bases(Counter::Views) as &[Option<i64>],
        &deltas(Counter::Likes) as &[Option<i64>],
        &bases(Counter::Likes) as &[Option<i64>],
        &deltas(Counter::Comments) as &[Option<i64>],
        &bases(Counter::Comments) as &[Option<i64>],
        &deltas(Counter::Shares) as &[Option<i64>],
        &bases(Counter::Shares) as &[Option<i64>],
        &deltas(Counter::Saves) as &[Option<i64>],
        &bases(Counter::Saves) as &[Option<i64>],
        &deltas(Counter::Followers) as &[Option<i64>],
        &bases(Counter::Followers) as &[Option<i64>],
    )
    .execute(connection)
    .await?;
    Ok(rows.len() as u64)
}

type Rows = [(Uuid, i32, Sums)];

fn column<T: Default + PartialEq>(rows: &Rows, of: impl Fn(&Sums) -> T) -> Vec<Option<T>> {
    let nonzero = |sums| Some(of(sums)).filter(|value| *value != T::default());
    rows.iter().map(|(.., sums)| nonzero(sums)).collect()
}

fn counts<T: Default + PartialEq>(
    rows: &Rows,
    counter: Counter,
    of: impl Fn(&Change) -> T,
) -> Vec<Option<T>> {
    column(rows, |sums| of(&sums.counters[counter.index()]))
}
