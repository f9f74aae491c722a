//! Writing the rows of `gate.*` that an append changes, under the head's lock. What comes in numbers
//! (new credentials, those that a leaving member's keys end or pass on) takes one statement a run;
//! the rest is rare and written one by one.
//!
//! An update that finds no row is no error: a revocation must never fail because of what is absent.

use std::collections::HashSet;
use std::mem;

use domain::credential::CredentialHash;
use domain::event::{KeyChanged, KeyCreated};
use domain::ids::{GlobalPosition, OrgId, UserId};
use domain::time::Timestamp;
use sqlx::PgConnection;
use uuid::Uuid;

use super::gate_people;
use super::settle::PlacedChange;
use crate::inline::Change;

/// Stored numbers of a credential's kind and status; stable.
const KIND_API_KEY: i16 = 1;
pub(crate) const KIND_SESSION: i16 = 2;
pub(crate) const ACTIVE: i16 = 1;
pub(crate) const ROTATING: i16 = 2;
pub(super) const ENDED: i16 = 3;

/// Applies changes in their order, in the caller's transaction.
pub async fn changes_in_tx(
    connection: &mut PgConnection,
    changes: &[PlacedChange],
) -> Result<(), sqlx::Error> {
    for run in runs(changes) {
        match &*run[0].change {
            Change::Made(..) => {
                let made: Vec<_> = run.iter().filter_map(Made::of).collect();
                credentials_in_tx(connection, &made).await?;
            }
            Change::Altered(_) => {
                let altered: Vec<_> = run.iter().filter_map(Altered::of).collect();
                alter_in_tx(connection, &altered).await?;
            }
            Change::Ended { .. } => end_in_tx(connection, run).await?,
            _ => change_in_tx(connection, &run[0]).await?,
        }
    }
    Ok(())
}

/// Cuts changes into runs that one statement applies: of one kind, and no credential twice.
fn runs(changes: &[PlacedChange]) -> Vec<&[PlacedChange]> {
    let mut runs = Vec::new();
    let mut seen = HashSet::new();
    let mut first = 0;
    for (index, placed) in changes.iter().enumerate() {
        let same = mem::discriminant(&*changes[first].change) == mem::discriminant(&*placed.change);
        let fits = same && key_of(&placed.change).is_some_and(|key| !seen.contains(&key));
        if index > first && !fits {
            runs.push(&changes[first..index]);
            first = index;
            seen.clear();
        }
        seen.extend(key_of(&placed.change));
    }
    if first < changes.len() {
        runs.push(&changes[first..]);
    }
    runs
}

/// The credential of a change of which many are written at once.
fn key_of(change: &Change) -> Option<Uuid> {
    match change {
        Change::Made(created, _) => Some(created.key_id.as_uuid()),
        Change::Altered(changed) => Some(changed.key_id.as_uuid()),
        Change::Ended { credential } => Some(*credential),
        _ => None,
    }
}

struct Altered<'a> {
    org_id: OrgId,
    position: GlobalPosition,
    to: &'a KeyChanged,
}

impl<'a> Altered<'a> {
    fn of(placed: &'a PlacedChange) -> Option<Self> {
        match &*placed.change {
            Change::Altered(to) => Some(Self {
                org_id: placed.org_id,
                position: placed.position,
                to,
            }),
            _ => None,
        }
    }
}

struct Made<'a> {
    org_id: OrgId,
    position: GlobalPosition,
    key: &'a KeyCreated,
    hash: &'a CredentialHash,
}

impl<'a> Made<'a> {
    fn of(placed: &'a PlacedChange) -> Option<Self> {
        match &*placed.change {
            Change::Made(key, hash) => Some(Self {
                org_id: placed.org_id,
                position: placed.position,
                key,
                hash,
            }),
            _ => None,
        }
    }
}

async fn credentials_in_tx(
    connection: &mut PgConnection,
    made: &[Made<'_>],
) -> Result<(), sqlx::Error> {
    macro_rules! column {
        ($made:ident => $value:expr) => {
            made.iter().map(|$made| $value).collect::<Vec<_>>()
        };
    }
    // Arrays of arrays must be rectangular in Postgres, so lists of addresses travel as one text.
    let allowlists = column!(m => m.key.ip_allowlist.as_deref().map(joined));
    sqlx::query!(
        "insert into gate.credentials (hash, id, org_id, kind, status, scopes, strict, owner_id,
             owner_banned, rate_limit_per_minute, ip_allowlist, expires_at, position)
         select m.hash, m.id, m.org_id, $11, $12, m.scopes, m.strict, m.owner_id,
             exists (select from gate.bans b where b.org_id = m.org_id and b.user_id = m.owner_id),
             m.rate, string_to_array(m.allowlist, ',')::cidr[], m.expires_at, m.position
         from unnest($1::bytea[], $2::uuid[], $3::uuid[], $4::smallint[], $5::boolean[], $6::uuid[],
             $7::bigint[], $8::text[], $9::timestamptz[], $10::bigint[])
             as m (hash, id, org_id, scopes, strict, owner_id, rate, allowlist, expires_at, position)",
        &column!(m => &m.hash.as_bytes()[..]) as _,
        &column!(m => m.key.key_id.as_uuid()),
        &column!(m => m.org_id.as_uuid()),
        &column!(m => i16::from(m.key.scopes.bits())),
        &column!(m => m.key.strict),
        &column!(m => m.key.owner_id.map(UserId::as_uuid)) as _,
        &column!(m => as_bigint(m.key.rate_limit_per_minute)),
        &allowlists as _,
        &column!(m => m.key.expires_at.map(Timestamp::datetime)) as _,
        &column!(m => m.position.as_i64()),
        KIND_API_KEY,
        ACTIVE
    )
    .execute(connection)
    .await
    .map(drop)
}

async fn change_in_tx(
    connection: &mut PgConnection,
    placed: &PlacedChange,
) -> Result<(), sqlx::Error> {
    let org = placed.org_id.as_uuid();
    let position = placed.position.as_i64();
    match &*placed.change {
        // Written as runs.
        Change::Made(..) | Change::Altered(_) | Change::Ended { .. } => Ok(()),
        Change::Replaced { key, ends_at } => sqlx::query!(
            "update gate.credentials set status = $4, overlap_ends_at = $5, position = $3,
                 denied_position = $3
             where id = $2 and org_id = $1 and status < $6",
            org,
            key.as_uuid(),
            position,
            ROTATING,
            ends_at.datetime(),
            ENDED
        )
        .execute(connection)
        .await
        .map(drop),
        Change::Opened(session, hash) => {
            gate_people::session_in_tx(connection, org, session, hash, position).await
        }
        Change::Member {
            user,
            role,
            demoted,
        } => gate_people::member_in_tx(connection, org, *user, *role, *demoted, position).await,
        Change::Left { user } => gate_people::left_in_tx(connection, org, *user, position).await,
        Change::Banned { user, banned } => {
            gate_people::ban_in_tx(connection, org, *user, *banned, position).await
        }
        Change::OrgMade { .. }
        | Change::OrgNamed(_)
        | Change::Plan { .. }
        | Change::RequestsPerDay(_)
        | Change::RequestsPerMinutePerKey(_)
        | Change::Suspended(_) => org_in_tx(connection, &placed.change, org, position).await,
    }
}

async fn end_in_tx(
    connection: &mut PgConnection,
    ended: &[PlacedChange],
) -> Result<(), sqlx::Error> {
    macro_rules! column {
        ($placed:ident => $value:expr) => {
            ended.iter().map(|$placed| $value).collect::<Vec<_>>()
        };
    }
    sqlx::query!(
        "update gate.credentials c set status = $4, position = e.position,
             denied_position = e.position
         from unnest($1::uuid[], $2::uuid[], $3::bigint[]) as e (org_id, id, position)
         where c.id = e.id and c.org_id = e.org_id",
        &column!(e => e.org_id.as_uuid()),
        &column!(e => key_of(&e.change)) as _,
        &column!(e => e.position.as_i64()),
        ENDED
    )
    .execute(connection)
    .await
    .map(drop)
}

/// Columns that the event does not name stay; a flag tells "cleared" from "not named".
async fn alter_in_tx(
    connection: &mut PgConnection,
    altered: &[Altered<'_>],
) -> Result<(), sqlx::Error> {
    macro_rules! column {
        ($row:ident => $value:expr) => {
            altered.iter().map(|$row| $value).collect::<Vec<_>>()
        };
    }
    let networks = column!(a => a.to.ip_allowlist.iter().flatten().next().map(|n| joined(n)));
    let ends = column!(a => a.to.expires_at.flatten().map(Timestamp::datetime));
    sqlx::query!(
        "update gate.credentials c set
             position = a.position,
             denied_position = case when a.narrowed then a.position else c.denied_position end,
             scopes = coalesce(a.scopes, c.scopes),
             strict = coalesce(a.strict, c.strict),
             rate_limit_per_minute = coalesce(a.rate, c.rate_limit_per_minute),
             expires_at = case when a.dates then a.expires_at else c.expires_at end,
             ip_allowlist = case when a.lists then string_to_array(a.allowlist, ',')::cidr[]
                 else c.ip_allowlist end,
             owner_id = case when a.owns then a.owner_id else c.owner_id end,
             owner_banned = case when a.owns then exists (
                     select from gate.bans b where b.org_id = a.org_id and b.user_id = a.owner_id
                 ) else c.owner_banned end
         from unnest($1::uuid[], $2::uuid[], $3::bigint[], $4::smallint[], $5::boolean[],
             $6::bigint[], $7::boolean[], $8::timestamptz[], $9::boolean[], $10::text[],
             $11::boolean[], $12::uuid[], $13::boolean[])
             as a (org_id, id, position, scopes, strict, rate, dates, expires_at, lists, allowlist,
                 owns, owner_id, narrowed)
         where c.id = a.id and c.org_id = a.org_id",
        &column!(a => a.org_id.as_uuid()),
        &column!(a => a.to.key_id.as_uuid()),
        &column!(a => a.position.as_i64()),
        &column!(a => a.to.scopes.map(|scopes| i16::from(scopes.bits()))) as _,
        &column!(a => a.to.strict) as _,
        &column!(a => a.to.rate_limit_per_minute.map(as_bigint)) as _,
        &column!(a => a.to.expires_at.is_some()),
        &ends as _,
        &column!(a => a.to.ip_allowlist.is_some()),
        &networks as _,
        &column!(a => a.to.owner_id.is_some()),
        &column!(a => a.to.owner_id.flatten().map(UserId::as_uuid)) as _,
        &column!(a => a.to.narrowed)
    )
    .execute(connection)
    .await
    .map(drop)
}

async fn org_in_tx(
    connection: &mut PgConnection,
    change: &Change,
    org: Uuid,
    position: i64,
) -> Result<(), sqlx::Error> {
    let query = match change {
        Change::OrgMade { name, plan } => sqlx::query!(
            "insert into gate.orgs (org_id, plan, suspended, position, name)
             values ($1, $2, false, $3, $4)
             on conflict (org_id) do update set plan = excluded.plan, position = excluded.position,
                 name = excluded.name",
            org,
            plan.name(),
            position,
            name.as_str()
        ),
        // No auth event, so the position, which speaks of those, stays.
        Change::OrgNamed(name) => sqlx::query!(
            "update gate.orgs set name = $2 where org_id = $1",
            org,
            name.as_str()
        ),
        Change::Plan { plan } => sqlx::query!(
            "update gate.orgs set plan = $2, position = $3 where org_id = $1",
            org,
            plan.name(),
            position
        ),
        Change::RequestsPerDay(value) => sqlx::query!(
            "update gate.orgs set requests_per_day = $2, position = $3 where org_id = $1",
            org,
            value.map(as_bigint),
            position
        ),
        Change::RequestsPerMinutePerKey(value) => sqlx::query!(
            "update gate.orgs set requests_per_minute_per_key = $2, position = $3 where org_id = $1",
            org,
            value.map(as_bigint),
            position
        ),
        Change::Suspended(suspended) => sqlx::query!(
            "update gate.orgs set suspended = $2, position = $3,
                 denied_position = case when $2 then $3 else denied_position end
             where org_id = $1",
            org,
            suspended,
            position
        ),
        _ => return Ok(()),
    };
    query.execute(connection).await.map(drop)
}

fn joined(networks: &[ipnet::IpNet]) -> String {
    let texts: Vec<_> = networks.iter().map(ToString::to_string).collect();
    texts.join(",")
}

/// Numbers of the contract stay far below 2^63; one that does not means "no bound".
pub(super) fn as_bigint(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}
