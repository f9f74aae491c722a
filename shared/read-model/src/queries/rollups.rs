//! Levels of creators and projects from roll-ups.

use std::collections::HashMap;

use domain::time::Timestamp;
use uuid::Uuid;

use crate::analytics::{Changes, Counter, Level, Levels};
use crate::error::{CorruptRow, ReadError};
use crate::projection::slots::slot_of;
use crate::reader::OrgReader;

/// Sums of 64-bit columns come as text: they may be longer.
struct SumRow {
    unit_id: Uuid,
    edge: i32,
    posts: i64,
    views_delta: Option<String>,
    views_base: Option<String>,
    views_firsts: Option<i64>,
    likes_delta: Option<String>,
    likes_base: Option<String>,
    likes_firsts: Option<i64>,
    comments_delta: Option<String>,
    comments_base: Option<String>,
    comments_firsts: Option<i64>,
    shares_delta: Option<String>,
    shares_base: Option<String>,
    shares_firsts: Option<i64>,
    saves_delta: Option<String>,
    saves_base: Option<String>,
    saves_firsts: Option<i64>,
    followers_delta: Option<String>,
    followers_base: Option<String>,
    followers_firsts: Option<i64>,
}

impl OrgReader {
    /// The levels of creators or projects at ascending edges, which must be quarter hours from
    /// 2005 on. One that nothing was ever read of has levels too.
    pub async fn rolled_up(
        &mut self,
        units: &[Uuid],
        edges: &[Timestamp],
    ) -> Result<HashMap<Uuid, Levels>, ReadError> {
        let slots: Vec<i32> = edges.iter().map(|edge| slot_of(*edge)).collect();
        let rows = sqlx::query_as!(
            SumRow,
            r#"SELECT unit_id, width_bucket(slot, $3::integer[]) AS "edge!",
                      coalesce(sum(posts), 0) AS "posts!",
                      sum(views_delta)::text AS views_delta, sum(views_base)::text AS views_base,
                      sum(views_firsts) AS views_firsts,
                      sum(likes_delta)::text AS likes_delta, sum(likes_base)::text AS likes_base,
                      sum(likes_firsts) AS likes_firsts,
                      sum(comments_delta)::text AS comments_delta,
                      sum(comments_base)::text AS comments_base,
                      sum(comments_firsts) AS comments_firsts,
                      sum(shares_delta)::text AS shares_delta, sum(shares_base)::text AS shares_base,
                      sum(shares_firsts) AS shares_firsts,
                      sum(saves_delta)::text AS saves_delta, sum(saves_base)::text AS saves_base,
                      sum(saves_firsts) AS saves_firsts,
                      sum(followers_delta)::text AS followers_delta,
                      sum(followers_base)::text AS followers_base,
                      sum(followers_firsts) AS followers_firsts
               FROM slots
               WHERE org_id = $1 AND unit_id = ANY ($2) AND slot < $4
               GROUP BY 1, 2"#,
            self.org.as_uuid(),
            units,
            &slots,
            slots.last().copied().unwrap_or(i32::MIN),
        )
        .fetch_all(&mut *self.tx)
        .await?;
        let none = Changes::none(edges.len());
        let mut changes: HashMap<Uuid, Changes> =
            units.iter().map(|unit| (*unit, none.clone())).collect();
        for row in rows {
            if let Some(changes) = changes.get_mut(&row.unit_id) {
                row.add_to(changes)?;
            }
        }
        Ok(changes
            .into_iter()
            .map(|(unit, changes)| (unit, changes.into_levels()))
            .collect())
    }
}

impl SumRow {
    fn add_to(&self, changes: &mut Changes) -> Result<(), CorruptRow> {
        let edge = usize::try_from(self.edge).unwrap_or(usize::MAX);
        changes.add_posts(edge, self.posts);
        for (counter, delta, base, firsts) in [
            (
                Counter::Views,
                &self.views_delta,
                &self.views_base,
                self.views_firsts,
            ),
            (
                Counter::Likes,
                &self.likes_delta,
                &self.likes_base,
                self.likes_firsts,
            ),
            (
                Counter::Comments,
                &self.comments_delta,
                &self.comments_base,
                self.comments_firsts,
            ),
            (
                Counter::Shares,
                &self.shares_delta,
                &self.shares_base,
                self.shares_firsts,
            ),
            (
                Counter::Saves,
                &self.saves_delta,
                &self.saves_base,
                self.saves_firsts,
            ),
            (
                Counter::Followers,
                &self.followers_delta,
                &self.followers_base,
                self.followers_firsts,
            ),
        ] {
            let (delta, base) = (self.sum(delta.as_ref())?, self.sum(base.as_ref())?);
            let change = Level {
                value: delta + base,
                base,
                units: firsts.unwrap_or(0),
            };
            changes.add(edge, counter, change);
        }
        Ok(())
    }

    fn sum(&self, text: Option<&String>) -> Result<i128, CorruptRow> {
        text.map_or(Ok(0), |text| {
            text.parse()
                .map_err(|_| CorruptRow::new("slots", "sum", self.unit_id))
        })
    }
}
