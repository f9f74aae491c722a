//! Where events of the audit trail stand. Every question is answered by as many short walks along an
//! index as there are types to look for, so that one which finds little is as quick as one that finds
//! much, however much there is beside.

use domain::event::{Actor, EventType, Stream};
use domain::ids::GlobalPosition;

use crate::error::ReadError;
use crate::reader::OrgReader;

/// Which types of events.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TypeFilter {
    /// One, by its stable name.
    Type(String),
    /// All of one entity, of newer builds too.
    Entity(String),
}

/// Which events; what is `None` does not restrict.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditFilter {
    /// Of these streams.
    pub streams: Vec<Stream>,
    /// Of any of these types.
    pub types: Option<Vec<TypeFilter>>,
    /// Caused by whom.
    pub actor: Option<Actor>,
    /// About what.
    pub subject: Option<String>,
    /// After this position.
    pub after: GlobalPosition,
    /// Up to this position.
    pub to: GlobalPosition,
}

impl TypeFilter {
    /// Whether it means a type.
    pub fn covers(&self, type_name: &str) -> bool {
        match self {
            Self::Type(name) => name == type_name,
            Self::Entity(entity) => type_name
                .strip_prefix(entity.as_str())
                .is_some_and(|rest| rest.starts_with('.')),
        }
    }
}

impl AuditFilter {
    /// Everything.
    pub fn all() -> Self {
        Self {
            streams: vec![Stream::Decisions, Stream::Observations],
            types: None,
            actor: None,
            subject: None,
            after: GlobalPosition::ZERO,
            to: GlobalPosition::new(i64::MAX.unsigned_abs()),
        }
    }

    fn covers_type(&self, name: &str) -> bool {
        let in_stream =
            EventType::from_name(name).is_none_or(|known| self.streams.contains(&known.stream()));
        let is_asked = |types: &Vec<TypeFilter>| types.iter().any(|one| one.covers(name));
        in_stream && self.types.as_ref().is_none_or(is_asked)
    }
}

impl OrgReader {
    /// Up to `limit` positions of events that the filter lets through: the first after
    /// [`AuditFilter::after`], or the last up to [`AuditFilter::to`] for `newest_first`; in that order.
    pub async fn audit_positions(
        &mut self,
        filter: &AuditFilter,
        newest_first: bool,
        limit: u16,
    ) -> Result<Vec<GlobalPosition>, ReadError> {
        let rows = match (&filter.subject, filter.actor) {
            (None, None) if filter.types.is_none() => {
                self.of_streams(filter, newest_first, limit).await
            }
            (None, None) => {
                let types = self.types_of_org().await?;
                self.of_types(filter, &types, newest_first, limit).await
            }
            (None, Some(actor)) => {
                let types = self.types_of_actor(actor).await?;
                self.of_actor(filter, &types, newest_first, limit).await
            }
            (Some(subject), actor) => {
                let types = self.types_of_subject(subject).await?;
                // Much is about the org itself: who did it says more.
                let is_org = *subject == format!("orgs/{}", self.org);
                if actor.is_some() && is_org {
                    self.of_actor(filter, &types, newest_first, limit).await
                } else {
                    self.of_subject(filter, &types, newest_first, limit).await
                }
            }
        };
        let positions = rows?.into_iter().filter_map(GlobalPosition::try_from_i64);
        Ok(positions.collect())
    }

    async fn of_streams(
        &mut self,
        filter: &AuditFilter,
        newest_first: bool,
        limit: u16,
    ) -> Result<Vec<i64>, ReadError> {
        Ok(sqlx::query_scalar!(
            r#"SELECT e.position AS "position!"
               FROM unnest($2::smallint[]) AS s (stream), LATERAL (
                   (SELECT position FROM audit_events
                    WHERE $5 AND org_id = $1 AND stream = s.stream AND position > $3 AND position <= $4
                    ORDER BY position DESC LIMIT $6)
                   UNION ALL
                   (SELECT position FROM audit_events
                    WHERE NOT $5 AND org_id = $1 AND stream = s.stream AND position > $3
                      AND position <= $4
                    ORDER BY position LIMIT $6)
               ) e
               ORDER BY CASE WHEN $5 THEN -e.position ELSE e.position END LIMIT $6"#,
            self.org.as_uuid(),
            &streams(filter),
            filter.after.as_i64(),
            filter.to.as_i64(),
            newest_first,
            i64::from(limit),
        )
        .fetch_all(&mut *self.tx)
        .await?)
    }

    async fn of_types(
        &mut self,
        filter: &AuditFilter,
        types: &[String],
        newest_first: bool,
        limit: u16,
    ) -> Result<Vec<i64>, ReadError> {
        Ok(sqlx::query_scalar!(
            r#"SELECT e.position AS "position!"
               FROM unnest($2::text[]) AS t (type), LATERAL (
                   (SELECT position FROM audit_events
                    WHERE $5 AND org_id = $1 AND type = t.type AND position > $3 AND position <= $4
                      AND stream = ANY ($7)
                    ORDER BY position DESC LIMIT $6)
                   UNION ALL
                   (SELECT position FROM audit_events
                    WHERE NOT $5 AND org_id = $1 AND type = t.type AND position > $3
                      AND position <= $4 AND stream = ANY ($7)
                    ORDER BY position LIMIT $6)
               ) e
               ORDER BY CASE WHEN $5 THEN -e.position ELSE e.position END LIMIT $6"#,
            self.org.as_uuid(),
            &asked(filter, types) as &[&str],
            filter.after.as_i64(),
            filter.to.as_i64(),
            newest_first,
            i64::from(limit),
            &streams(filter),
        )
        .fetch_all(&mut *self.tx)
        .await?)
    }

    async fn of_actor(
        &mut self,
        filter: &AuditFilter,
        types: &[String],
        newest_first: bool,
        limit: u16,
    ) -> Result<Vec<i64>, ReadError> {
        Ok(sqlx::query_scalar!(
            r#"SELECT e.position AS "position!"
               FROM unnest($2::text[]) AS t (type), LATERAL (
                   (SELECT position FROM audit_events
                    WHERE $5 AND org_id = $1 AND actor = $8 AND type = t.type AND position > $3
                      AND position <= $4 AND stream = ANY ($7) AND ($9::text IS NULL OR subject = $9)
                    ORDER BY position DESC LIMIT $6)
                   UNION ALL
                   (SELECT position FROM audit_events
                    WHERE NOT $5 AND org_id = $1 AND actor = $8 AND type = t.type AND position > $3
                      AND position <= $4 AND stream = ANY ($7) AND ($9::text IS NULL OR subject = $9)
                    ORDER BY position LIMIT $6)
               ) e
               ORDER BY CASE WHEN $5 THEN -e.position ELSE e.position END LIMIT $6"#,
            self.org.as_uuid(),
            &asked(filter, types) as &[&str],
            filter.after.as_i64(),
            filter.to.as_i64(),
            newest_first,
            i64::from(limit),
            &streams(filter),
            filter.actor.map(|actor| actor.to_string()),
            filter.subject.as_deref(),
        )
        .fetch_all(&mut *self.tx)
        .await?)
    }

    async fn of_subject(
        &mut self,
        filter: &AuditFilter,
        types: &[String],
        newest_first: bool,
        limit: u16,
    ) -> Result<Vec<i64>, ReadError> {
        Ok(sqlx::query_scalar!(
            r#"SELECT e.position AS "position!"
               FROM unnest($2::text[]) AS t (type), LATERAL (
                   (SELECT position FROM audit_events
                    WHERE $5 AND org_id = $1 AND subject = $8 AND type = t.type AND position > $3
                      AND position <= $4 AND stream = ANY ($7) AND ($9::text IS NULL OR actor = $9)
                    ORDER BY position DESC LIMIT $6)
                   UNION ALL
                   (SELECT position FROM audit_events
                    WHERE NOT $5 AND org_id = $1 AND subject = $8 AND type = t.type
                      AND position > $3 AND position <= $4 AND stream = ANY ($7)
                      AND ($9::text IS NULL OR actor = $9)
                    ORDER BY position LIMIT $6)
               ) e
               ORDER BY CASE WHEN $5 THEN -e.position ELSE e.position END LIMIT $6"#,
            self.org.as_uuid(),
            &asked(filter, types) as &[&str],
            filter.after.as_i64(),
            filter.to.as_i64(),
            newest_first,
            i64::from(limit),
            &streams(filter),
            filter.subject.as_deref(),
            filter.actor.map(|actor| actor.to_string()),
        )
        .fetch_all(&mut *self.tx)
        .await?)
    }

    /// Every type that the org has an event of: one look-up each.
    async fn types_of_org(&mut self) -> Result<Vec<String>, ReadError> {
        Ok(sqlx::query_scalar!(
            r#"WITH RECURSIVE known AS (
                   (SELECT type FROM audit_events WHERE org_id = $1 ORDER BY type LIMIT 1)
                   UNION ALL
                   SELECT (SELECT type FROM audit_events
                           WHERE org_id = $1 AND type > known.type ORDER BY type LIMIT 1)
                   FROM known WHERE known.type IS NOT NULL
               )
               SELECT type AS "type!" FROM known WHERE type IS NOT NULL"#,
            self.org.as_uuid(),
        )
        .fetch_all(&mut *self.tx)
        .await?)
    }

    /// The same of one actor. The order says which index is walked: by `actor = $2` the one by type
    /// would do as well, and be read to its end for whoever did nothing.
    async fn types_of_actor(&mut self, actor: Actor) -> Result<Vec<String>, ReadError> {
        Ok(sqlx::query_scalar!(
            r#"WITH RECURSIVE known AS (
                   SELECT ''::text COLLATE "C" AS type
                   UNION ALL
                   SELECT (SELECT type FROM audit_events
                           WHERE org_id = $1 AND (actor, type) > ($2, known.type) AND actor <= $2
                           ORDER BY actor, type LIMIT 1)
                   FROM known WHERE known.type IS NOT NULL
               )
               SELECT type AS "type!" FROM known WHERE type <> ''"#,
            self.org.as_uuid(),
            actor.to_string(),
        )
        .fetch_all(&mut *self.tx)
        .await?)
    }

    async fn types_of_subject(&mut self, subject: &str) -> Result<Vec<String>, ReadError> {
        Ok(sqlx::query_scalar!(
            r#"WITH RECURSIVE known AS (
                   SELECT ''::text COLLATE "C" AS type
                   UNION ALL
                   SELECT (SELECT type FROM audit_events
                           WHERE org_id = $1 AND (subject, type) > ($2, known.type) AND subject <= $2
                           ORDER BY subject, type LIMIT 1)
                   FROM known WHERE known.type IS NOT NULL
               )
               SELECT type AS "type!" FROM known WHERE type <> ''"#,
            self.org.as_uuid(),
            subject,
        )
        .fetch_all(&mut *self.tx)
        .await?)
    }
}

fn streams(filter: &AuditFilter) -> Vec<i16> {
    let streams = filter.streams.iter();
    streams.map(|stream| stream.number()).collect()
}

/// Those of the types that there are which are asked for.
fn asked<'a>(filter: &AuditFilter, types: &'a [String]) -> Vec<&'a str> {
    let types = types.iter().map(String::as_str);
    types.filter(|name| filter.covers_type(name)).collect()
}
