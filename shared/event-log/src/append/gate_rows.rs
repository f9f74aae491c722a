//! Writing the rows of `gate.*` that an append changes. Changes of who may call are rare beside
//! everything else, so they are written one by one; only new credentials come in thousands.
//!
//! An update that finds no row is no error: a revocation must never fail because of what is absent.

use domain::credential::CredentialHash;
use domain::event::{KeyChanged, KeyCreated};
use domain::ids::{GlobalPosition, OrgId, UserId};
use domain::time::Timestamp;
use sqlx::PgConnection;
use uuid::Uuid;

use super::settle::PlacedChange;
use crate::inline::Change;

/// Stored numbers of a credential's kind and status; stable.
const KIND_API_KEY: i16 = 1;
const ACTIVE: i16 = 1;
const ROTATING: i16 = 2;
const ENDED: i16 = 3;

/// Applies changes in their order, in the caller's transaction.
pub async fn changes_in_tx(
    connection: &mut PgConnection,
    changes: &[PlacedChange],
) -> Result<(), sqlx::Error> {
    let is_made = |placed: &PlacedChange| matches!(*placed.change, Change::Made(..));
    for run in changes.chunk_by(|a, b| is_made(a) && is_made(b)) {
        let made: Vec<_> = run.iter().filter_map(Made::of).collect();
        if made.is_empty() {
            for placed in run {
                change_in_tx(connection, placed).await?;
            }
        } else {
            credentials_in_tx(connection, &made).await?;
        }
    }
    Ok(())
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
        Change::Made(..) => match Made::of(placed) {
            Some(made) => credentials_in_tx(connection, &[made]).await,
            None => Ok(()),
        },
        Change::Altered(changed) => alter_in_tx(connection, changed, org, position).await,
        Change::Replaced { key, ends_at } => sqlx::query!(
            "update gate.credentials set status = $4, overlap_ends_at = $5, position = $3
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
        Change::Ended { key } => sqlx::query!(
            "update gate.credentials set status = $4, position = $3 where id = $2 and org_id = $1",
            org,
            key.as_uuid(),
            position,
            ENDED
        )
        .execute(connection)
        .await
        .map(drop),
        Change::Banned { user, banned } => {
            ban_in_tx(connection, org, *user, *banned, position).await
        }
        Change::OrgMade { .. }
        | Change::Plan { .. }
        | Change::RequestsPerDay(_)
        | Change::RequestsPerMinutePerKey(_)
        | Change::Suspended(_) => org_in_tx(connection, &placed.change, org, position).await,
    }
}

/// Columns that the event does not name stay; a doubled option tells "cleared" from "not named".
async fn alter_in_tx(
    connection: &mut PgConnection,
    changed: &KeyChanged,
    org: Uuid,
    position: i64,
) -> Result<(), sqlx::Error> {
    let expires_at = changed.expires_at.map(|at| at.map(Timestamp::datetime));
    let relists = changed.ip_allowlist.is_some();
    let networks = changed.ip_allowlist.iter().flatten().next();
    let networks = networks.map(|networks| joined(networks));
    sqlx::query!(
        "update gate.credentials set
             position = $3,
             scopes = coalesce($4, scopes),
             strict = coalesce($5, strict),
             rate_limit_per_minute = coalesce($6, rate_limit_per_minute),
             expires_at = case when $7 then $8::timestamptz else expires_at end,
             ip_allowlist = case when $9 then string_to_array($10::text, ',')::cidr[]
                 else ip_allowlist end,
             owner_id = case when $11 then $12::uuid else owner_id end,
             owner_banned = case when $11 then exists (
                     select from gate.bans b where b.org_id = $1 and b.user_id = $12::uuid
                 ) else owner_banned end
         where id = $2 and org_id = $1",
        org,
        changed.key_id.as_uuid(),
        position,
        changed.scopes.map(|scopes| i16::from(scopes.bits())),
        changed.strict,
        changed.rate_limit_per_minute.map(as_bigint),
        expires_at.is_some(),
        expires_at.flatten(),
        relists,
        networks,
        changed.owner_id.is_some(),
        changed.owner_id.flatten().map(UserId::as_uuid)
    )
    .execute(connection)
    .await
    .map(drop)
}

async fn ban_in_tx(
    connection: &mut PgConnection,
    org: Uuid,
    user: UserId,
    banned: bool,
    position: i64,
) -> Result<(), sqlx::Error> {
    if banned {
        sqlx::query!(
            "insert into gate.bans (org_id, user_id) values ($1, $2) on conflict do nothing",
            org,
            user.as_uuid()
        )
        .execute(&mut *connection)
        .await?;
    } else {
        sqlx::query!(
            "delete from gate.bans where org_id = $1 and user_id = $2",
            org,
            user.as_uuid()
        )
        .execute(&mut *connection)
        .await?;
    }
    sqlx::query!(
        "update gate.credentials set owner_banned = $3, position = $4
         where org_id = $1 and owner_id = $2",
        org,
        user.as_uuid(),
        banned,
        position
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
        Change::OrgMade { plan } => sqlx::query!(
            "insert into gate.orgs (org_id, plan, suspended, position) values ($1, $2, false, $3)
             on conflict (org_id) do update set plan = excluded.plan, position = excluded.position",
            org,
            plan.name(),
            position
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
            "update gate.orgs set suspended = $2, position = $3 where org_id = $1",
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
fn as_bigint(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}
