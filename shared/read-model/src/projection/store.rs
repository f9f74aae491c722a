//! Writing back what decisions changed, each table with one statement.

use chrono::{DateTime, NaiveDate, Utc};
use domain::event::{RevocationReason, TrackingDisabledReason};
use domain::ids::{CreatorId, KeyId, OrgId, ProjectId, UserId};
use domain::org::{Creator, CreatorStatus, Denial, Key, Project, Video};
use domain::text::Readme;
use domain::time::Timestamp;
use sqlx::PgConnection;
use uuid::Uuid;

use super::ApplyError;
use super::decisions::Decisions;
use super::keyring::SubjectKeyring;
use crate::queries::creators::status_name;
use crate::text::fold;

pub(super) type Instant = DateTime<Utc>;

impl Decisions {
    pub async fn store(
        &self,
        connection: &mut PgConnection,
        keys: &SubjectKeyring,
    ) -> Result<(), ApplyError> {
        self.store_orgs(connection).await?;
        self.store_people(connection).await?;
        self.store_keys(connection).await?;
        self.store_projects(connection).await?;
        self.store_creators(connection, keys).await?;
        self.store_videos(connection).await?;
        self.store_campaigns(connection).await?;
        self.store_goals(connection).await?;
        self.store_annotations(connection).await?;
        self.store_webhooks(connection).await?;
        self.store_creators_removed(connection).await
    }

    /// One by one: they are few.
    async fn store_orgs(&self, connection: &mut PgConnection) -> Result<(), ApplyError> {
        for id in &self.orgs {
            let org = OrgId::from_uuid(*id);
            let profile = self
                .states
                .get(&org)
                .and_then(|state| state.profile.as_ref());
            let Some(profile) = profile else { continue };
            let kept = self.kept_history.get(&org);
            sqlx::query!(
                "INSERT INTO orgs (org_id, name, plan, timezone, suspended, created_at, updated_at,
                        kept_history_days, kept_history_until)
                 VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
                 ON CONFLICT (org_id) DO UPDATE SET
                        name = excluded.name, plan = excluded.plan,
                        timezone = excluded.timezone, suspended = excluded.suspended,
                        updated_at = excluded.updated_at,
                        kept_history_days = excluded.kept_history_days,
                        kept_history_until = excluded.kept_history_until",
                id,
                profile.name.as_str(),
                profile.limits.plan.name(),
                profile.timezone,
                profile.suspended,
                profile.created_at.datetime(),
                profile.updated_at.datetime(),
                kept.and_then(|kept| kept.days).map(bounded),
                kept.map(|kept| kept.until.datetime()),
            )
            .execute(&mut *connection)
            .await?;
            let (names, values): (Vec<String>, Vec<i64>) = profile
                .limits
                .overrides
                .iter()
                .map(|(key, value)| (key.name().to_owned(), bounded(*value)))
                .unzip();
            sqlx::query!(
                "WITH dropped AS (
                     DELETE FROM org_limits WHERE org_id = $1 AND NOT limit_key = ANY ($2)
                 )
                 INSERT INTO org_limits (org_id, limit_key, value)
                 SELECT $1, * FROM unnest($2::text[], $3::bigint[])
                 ON CONFLICT (org_id, limit_key) DO UPDATE SET value = excluded.value",
                id,
                &names,
                &values,
            )
            .execute(&mut *connection)
            .await?;
        }
        Ok(())
    }

    async fn store_keys(&self, connection: &mut PgConnection) -> Result<(), ApplyError> {
        let mut rows = KeyColumns::default();
        for (id, org) in &self.keys {
            let state = self.states.get(org);
            if let Some(key) = state.and_then(|state| state.keys.get(&KeyId::from_uuid(*id))) {
                rows.push(*id, *org, key);
            }
        }
        rows.write(connection).await
    }

    async fn store_projects(&self, connection: &mut PgConnection) -> Result<(), ApplyError> {
        let mut rows: Vec<(Uuid, Uuid, &Project)> = Vec::new();
        for (id, org) in &self.projects {
            let state = self.states.get(org);
            let project = state.and_then(|state| state.projects.get(&ProjectId::from_uuid(*id)));
            rows.extend(project.map(|project| (*id, org.as_uuid(), project)));
        }
        if rows.is_empty() {
            return Ok(());
        }
        sqlx::query!(
            "INSERT INTO projects (project_id, org_id, name, search, readme, metadata, removed,
                    created_at, updated_at)
             SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::text[], $4::text[], $5::text[],
                    $6::text[], $7::bool[], $8::timestamptz[], $9::timestamptz[])
             ON CONFLICT (project_id) DO UPDATE SET
                    name = excluded.name, search = excluded.search, readme = excluded.readme,
                    metadata = excluded.metadata, removed = excluded.removed,
                    updated_at = excluded.updated_at",
            &each(&rows, |(id, ..)| *id),
            &each(&rows, |(_, org, _)| *org),
            &each(&rows, |(.., p)| p.name.as_str()) as &[&str],
            &each(&rows, |(.., p)| fold(p.name.as_str())),
            &each(&rows, |(.., p)| p.readme.as_ref().map(Readme::as_str)) as &[Option<&str>],
            &each(&rows, |(.., p)| p.metadata.as_json()) as &[&str],
            &each(&rows, |(.., p)| p.removed),
            &each(&rows, |(.., p)| p.created_at.datetime()),
            &each(&rows, |(.., p)| p.updated_at.datetime()),
        )
        .execute(connection)
        .await?;
        Ok(())
    }

    async fn store_creators(
        &self,
        connection: &mut PgConnection,
        keys: &SubjectKeyring,
    ) -> Result<(), ApplyError> {
        let mut rows: Vec<(Uuid, Uuid, &Creator, Option<String>)> = Vec::new();
        for (id, org) in &self.creators {
            if let Some(creator) = self.creator(*id, *org) {
                let sealed = creator.display_name.as_ref();
                let name = sealed.and_then(|sealed| keys.open(*org, *id, "display_name", sealed));
                rows.push((*id, org.as_uuid(), creator, name));
            }
        }
        if rows.is_empty() {
            return Ok(());
        }
        let sealed =
            |creator: &Creator| creator.display_name.as_ref().map(|s| s.as_str().to_owned());
        sqlx::query!(
            "INSERT INTO creators (creator_id, org_id, project_id, platform, handle,
                    display_name_sealed, display_name, search, readme, metadata, tracking_mode,
                    tracking_start_date, status, disabled_reason, disabled_at, created_at,
                    updated_at)
             SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::text[], $5::text[],
                    $6::text[], $7::text[], $8::text[], $9::text[], $10::text[], $11::text[],
                    $12::date[], $13::text[], $14::text[], $15::timestamptz[],
                    $16::timestamptz[], $17::timestamptz[])
             ON CONFLICT (creator_id) DO UPDATE SET
                    handle = excluded.handle,
                    display_name_sealed = excluded.display_name_sealed,
                    display_name = excluded.display_name, search = excluded.search,
                    readme = excluded.readme, metadata = excluded.metadata,
                    tracking_mode = excluded.tracking_mode,
                    tracking_start_date = excluded.tracking_start_date,
                    status = excluded.status, disabled_reason = excluded.disabled_reason,
                    disabled_at = excluded.disabled_at, updated_at = excluded.updated_at",
            &each(&rows, |(id, ..)| *id),
            &each(&rows, |(_, org, ..)| *org),
            &each(&rows, |(.., c, _)| c.project_id.as_uuid()),
            &each(&rows, |(.., c, _)| c.platform.name()) as &[&str],
            &each(&rows, |(.., c, _)| c.handle.as_str()) as &[&str],
            &each(&rows, |(.., c, _)| sealed(c)) as &[Option<String>],
            &each(&rows, |(.., name)| name.clone()) as &[Option<String>],
            &each(&rows, |(.., c, name)| creator_search(c, name.as_deref())),
            &each(&rows, |(.., c, _)| c.readme.as_ref().map(Readme::as_str)) as &[Option<&str>],
            &each(&rows, |(.., c, _)| c.metadata.as_json()) as &[&str],
            &each(&rows, |(.., c, _)| c.tracking_mode.name()) as &[&str],
            &each(&rows, |(.., c, _)| c.tracking_start_date) as &[Option<NaiveDate>],
            &each(&rows, |(.., c, _)| status_name(c.status)) as &[&str],
            &each(&rows, |(.., c, _)| c.disabled_reason.as_deref()) as &[Option<&str>],
            &each(&rows, |(.., c, _)| c.disabled_at.map(Timestamp::datetime))
                as &[Option<Instant>],
            &each(&rows, |(.., c, _)| c.created_at.datetime()),
            &each(&rows, |(.., c, _)| c.updated_at.datetime()),
        )
        .execute(connection)
        .await?;
        Ok(())
    }

    async fn store_videos(&self, connection: &mut PgConnection) -> Result<(), ApplyError> {
        let mut rows: Vec<(Uuid, Uuid, &Video, bool)> = Vec::new();
        for (id, org) in &self.videos {
            if let Some(video) = self.video(*id, *org) {
                let creator = video.creator_id.map(CreatorId::as_uuid);
                let creator = creator.and_then(|creator| self.creator(creator, *org));
                let gone = creator.is_some_and(|c| c.status == CreatorStatus::Removed);
                rows.push((*id, org.as_uuid(), video, gone));
            }
        }
        if rows.is_empty() {
            return Ok(());
        }
        sqlx::query!(
            "INSERT INTO videos (video_id, org_id, project_id, creator_id, platform,
                    platform_video_id, url, media_type, posted_at, readme, metadata,
                    tracking_status, tracking_disabled_reason, removed, creator_removed,
                    reviewed_at, reviewed_by, created_at, updated_at)
             SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::uuid[], $5::text[],
                    $6::text[], $7::text[], $8::text[], $9::timestamptz[], $10::text[],
                    $11::text[], $12::text[], $13::text[], $14::bool[], $15::bool[],
                    $16::timestamptz[], $17::text[], $18::timestamptz[], $19::timestamptz[])
             ON CONFLICT (video_id) DO UPDATE SET
                    creator_id = excluded.creator_id, readme = excluded.readme,
                    metadata = excluded.metadata, tracking_status = excluded.tracking_status,
                    tracking_disabled_reason = excluded.tracking_disabled_reason,
                    removed = excluded.removed, creator_removed = excluded.creator_removed,
                    reviewed_at = excluded.reviewed_at, reviewed_by = excluded.reviewed_by,
                    updated_at = excluded.updated_at",
            &each(&rows, |(id, ..)| *id),
            &each(&rows, |(_, org, ..)| *org),
            &each(&rows, |(.., v, _)| v.project_id.as_uuid()),
            &each(&rows, |(.., v, _)| v.creator_id.map(CreatorId::as_uuid)) as &[Option<Uuid>],
            &each(&rows, |(.., v, _)| v.platform.name()) as &[&str],
            &each(&rows, |(.., v, _)| v.platform_video_id.as_str()) as &[&str],
            &each(&rows, |(.., v, _)| v.url.as_str()) as &[&str],
            &each(&rows, |(.., v, _)| v.media_type.name()) as &[&str],
            &each(&rows, |(.., v, _)| v.posted_at.map(Timestamp::datetime)) as &[Option<Instant>],
            &each(&rows, |(.., v, _)| v.readme.as_ref().map(Readme::as_str)) as &[Option<&str>],
            &each(&rows, |(.., v, _)| v.metadata.as_json()) as &[&str],
            &each(&rows, |(.., v, _)| v.tracking_status.name()) as &[&str],
            &each(&rows, |(.., v, _)| v
                .tracking_disabled
                .map(TrackingDisabledReason::name)) as &[Option<&str>],
            &each(&rows, |(.., v, _)| v.removed),
            &each(&rows, |(.., gone)| *gone),
            &each(&rows, |(.., v, _)| v
                .review
                .map(|review| review.at.datetime())) as &[Option<Instant>],
            &each(&rows, |(.., v, _)| v
                .review
                .map(|review| review.by.to_string())) as &[Option<String>],
            &each(&rows, |(.., v, _)| v.created_at.datetime()),
            &each(&rows, |(.., v, _)| v.updated_at.datetime()),
        )
        .execute(connection)
        .await?;
        Ok(())
    }

    /// A creator's videos go and come back with the creator.
    async fn store_creators_removed(
        &self,
        connection: &mut PgConnection,
    ) -> Result<(), ApplyError> {
        let (mut ids, mut removed) = (vec![], vec![]);
        for (id, org) in &self.creators {
            let before = self
                .creators_before
                .get(&CreatorId::from_uuid(*id))
                .copied();
            let Some(creator) = self.creator(*id, *org) else {
                continue;
            };
            let after = creator.status == CreatorStatus::Removed;
            if before.unwrap_or(false) != after {
                ids.push(*id);
                removed.push(after);
            }
        }
        if ids.is_empty() {
            return Ok(());
        }
        sqlx::query!(
            "UPDATE videos v SET creator_removed = u.removed
             FROM unnest($1::uuid[], $2::bool[]) AS u (creator_id, removed)
             WHERE v.creator_id = u.creator_id AND v.creator_removed <> u.removed",
            &ids,
            &removed,
        )
        .execute(connection)
        .await?;
        Ok(())
    }
}

/// Keys by column, for one statement.
#[derive(Default)]
struct KeyColumns<'a> {
    key_id: Vec<Uuid>,
    org_id: Vec<Uuid>,
    keys: Vec<&'a Key>,
}

impl<'a> KeyColumns<'a> {
    fn push(&mut self, id: Uuid, org: OrgId, key: &'a Key) {
        self.key_id.push(id);
        self.org_id.push(org.as_uuid());
        self.keys.push(key);
    }

    async fn write(self, connection: &mut PgConnection) -> Result<(), ApplyError> {
        let keys = &self.keys;
        if keys.is_empty() {
            return Ok(());
        }
        let allowed = |key: &Key| {
            let list = key.ip_allowlist.as_ref()?;
            // The array of an array cannot have rows of different lengths; text can.
            Some(
                list.iter()
                    .map(ToString::to_string)
                    .collect::<Vec<_>>()
                    .join(","),
            )
        };
        let search = |key: &Key| fold(&format!("{}\n{}", key.name.as_str(), key.prefix));
        sqlx::query!(
            "INSERT INTO api_keys (key_id, org_id, name, prefix, search, scopes, strict, created_at,
                    created_by, owner_id, expires_at, ip_allowlist, rate_limit_per_minute,
                    replaced_by, overlap_ends_at, replaces, revoked_at, revoked_position,
                    revoked_by, revoked_reason, narrowed_at, narrowed_position, narrowed_by)
             SELECT key_id, org_id, name, prefix, search, scopes, strict, created_at, created_by,
                    owner_id, expires_at, string_to_array(ip_allowlist, ','),
                    rate_limit_per_minute, replaced_by, overlap_ends_at, replaces, revoked_at,
                    revoked_position, revoked_by, revoked_reason, narrowed_at, narrowed_position,
                    narrowed_by
             FROM unnest($1::uuid[], $2::uuid[], $3::text[], $4::text[], $5::text[],
                    $6::smallint[], $7::bool[], $8::timestamptz[], $9::text[], $10::uuid[],
                    $11::timestamptz[], $12::text[], $13::bigint[], $14::uuid[],
                    $15::timestamptz[], $16::uuid[], $17::timestamptz[], $18::bigint[],
                    $19::text[], $20::text[], $21::timestamptz[], $22::bigint[], $23::text[])
                    AS k (key_id, org_id, name, prefix, search, scopes, strict, created_at,
                    created_by, owner_id, expires_at, ip_allowlist, rate_limit_per_minute,
                    replaced_by, overlap_ends_at, replaces, revoked_at, revoked_position,
                    revoked_by, revoked_reason, narrowed_at, narrowed_position, narrowed_by)
             ON CONFLICT (key_id) DO UPDATE SET
                    name = excluded.name, search = excluded.search, scopes = excluded.scopes,
                    strict = excluded.strict, owner_id = excluded.owner_id,
                    expires_at = excluded.expires_at, ip_allowlist = excluded.ip_allowlist,
                    rate_limit_per_minute = excluded.rate_limit_per_minute,
                    replaced_by = excluded.replaced_by,
                    overlap_ends_at = excluded.overlap_ends_at,
                    revoked_at = excluded.revoked_at,
                    revoked_position = excluded.revoked_position,
                    revoked_by = excluded.revoked_by, revoked_reason = excluded.revoked_reason,
                    narrowed_at = excluded.narrowed_at,
                    narrowed_position = excluded.narrowed_position,
                    narrowed_by = excluded.narrowed_by",
            &self.key_id,
            &self.org_id,
            &each(keys, |k| k.name.as_str()) as &[&str],
            &each(keys, |k| k.prefix.as_str()) as &[&str],
            &each(keys, |k| search(k)),
            &each(keys, |k| i16::from(k.scopes.bits())),
            &each(keys, |k| k.strict),
            &each(keys, |k| k.created_at.datetime()),
            &each(keys, |k| k.created_by.to_string()),
            &each(keys, |k| k.owner_id.map(UserId::as_uuid)) as &[Option<Uuid>],
            &each(keys, |k| k.expires_at.map(Timestamp::datetime)) as &[Option<Instant>],
            &each(keys, |k| allowed(k)) as &[Option<String>],
            &each(keys, |k| bounded(k.rate_limit_per_minute)),
            &each(keys, |k| k.replaced_by.map(|(id, _)| id.as_uuid())) as &[Option<Uuid>],
            &each(keys, |k| k.replaced_by.map(|(_, end)| end.datetime())) as &[Option<Instant>],
            &each(keys, |k| k.replaces.map(KeyId::as_uuid)) as &[Option<Uuid>],
            &each(keys, |k| k.revoked.map(at)) as &[Option<Instant>],
            &each(keys, |k| k.revoked.map(position)) as &[Option<i64>],
            &each(keys, |k| k.revoked.map(by)) as &[Option<String>],
            &each(keys, |k| k.revoked.and_then(|d| d.reason).map(reason_name)) as &[Option<&str>],
            &each(keys, |k| k.narrowed.map(at)) as &[Option<Instant>],
            &each(keys, |k| k.narrowed.map(position)) as &[Option<i64>],
            &each(keys, |k| k.narrowed.map(by)) as &[Option<String>],
        )
        .execute(connection)
        .await?;
        Ok(())
    }
}

pub(super) fn each<R, T>(rows: &[R], column: impl FnMut(&R) -> T) -> Vec<T> {
    rows.iter().map(column).collect()
}

fn at(denial: Denial) -> Instant {
    denial.at.datetime()
}

fn position(denial: Denial) -> i64 {
    denial.position.as_i64()
}

fn by(denial: Denial) -> String {
    denial.by.to_string()
}

const fn reason_name(reason: RevocationReason) -> &'static str {
    match reason {
        RevocationReason::Requested => "requested",
        RevocationReason::SelfRevoked => "self_revoked",
        RevocationReason::Rotated => "rotated",
        RevocationReason::MemberRemoved => "member_removed",
    }
}

fn creator_search(creator: &Creator, name: Option<&str>) -> String {
    let handle = creator.handle.as_str();
    fold(&name.map_or_else(|| handle.to_owned(), |name| format!("{handle}\n{name}")))
}

/// Limits beyond 2^63 cannot be told from it.
pub(super) fn bounded(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}
