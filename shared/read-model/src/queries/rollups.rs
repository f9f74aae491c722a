//! Levels of creators and projects from roll-ups.

use std::collections::HashMap;

use domain::time::Timestamp;
use uuid::Uuid;

use crate::analytics::{Changes, Counter, Input, Inputs, Level, Levels};
use crate::error::{CorruptRow, ReadError};
use crate::projection::slots::slot_of;
use crate::reader::OrgReader;

/// Up to so many things are summed by a pass over the rows for each; of more, one pass sums all.
const FEW: usize = 2;

/// What changed of one thing between two edges. Sums of 64-bit columns come as text: they may be
/// longer.
struct SumRow {
    unit_id: Uuid,
    edge: i32,
    delta: Option<String>,
    base: Option<String>,
    firsts: Option<i64>,
}

/// The same of everything.
struct SumsRow {
    unit_id: Uuid,
    edge: i32,
    posts: i64,
    deltas: Vec<String>,
    bases: Vec<String>,
    firsts: Vec<i64>,
}

impl OrgReader {
    /// The levels of creators or projects at ascending edges, which must be quarter hours from
    /// 2005 on; of what is not among `inputs` they may be nothing. One that nothing was ever read
    /// of has levels too.
    pub async fn rolled_up(
        &mut self,
        units: &[Uuid],
        edges: &[Timestamp],
        inputs: Inputs,
    ) -> Result<HashMap<Uuid, Levels>, ReadError> {
        let slots: Vec<i32> = edges.iter().map(|edge| slot_of(*edge)).collect();
        let none = Changes::none(edges.len());
        let mut changes: HashMap<Uuid, Changes> =
            units.iter().map(|unit| (*unit, none.clone())).collect();
        if inputs.each().count() <= FEW {
            for input in inputs.each() {
                self.add_one(units, &slots, input, &mut changes).await?;
            }
        } else {
            self.add_all(units, &slots, &mut changes).await?;
        }
        Ok(changes
            .into_iter()
            .map(|(unit, changes)| (unit, changes.into_levels()))
            .collect())
    }

    /// One thing alone: a row's other columns are not touched.
    async fn add_one(
        &mut self,
        units: &[Uuid],
        slots: &[i32],
        input: Input,
        changes: &mut HashMap<Uuid, Changes>,
    ) -> Result<(), ReadError> {
        let rows = sqlx::query_as!(
            SumRow,
            r#"SELECT unit_id, width_bucket(slot, $3::integer[]) AS "edge!",
                      sum(CASE $5::integer WHEN 0 THEN views_delta WHEN 1 THEN likes_delta
                          WHEN 2 THEN comments_delta WHEN 3 THEN shares_delta
                          WHEN 4 THEN saves_delta WHEN 5 THEN followers_delta
                          WHEN 6 THEN posts END)::text AS delta,
                      sum(CASE $5::integer WHEN 0 THEN views_base WHEN 1 THEN likes_base
                          WHEN 2 THEN comments_base WHEN 3 THEN shares_base
                          WHEN 4 THEN saves_base WHEN 5 THEN followers_base END)::text AS base,
                      sum(CASE $5::integer WHEN 0 THEN views_firsts WHEN 1 THEN likes_firsts
                          WHEN 2 THEN comments_firsts WHEN 3 THEN shares_firsts
                          WHEN 4 THEN saves_firsts WHEN 5 THEN followers_firsts END) AS firsts
               FROM slots
               WHERE org_id = $1 AND unit_id = ANY ($2) AND slot < $4
               GROUP BY 1, 2"#,
            self.org.as_uuid(),
            units,
            slots,
            slots.last().copied().unwrap_or(i32::MIN),
            i32::try_from(input.place()).unwrap_or(i32::MAX),
        )
        .fetch_all(&mut *self.tx)
        .await?;
        for row in rows {
            let edge = place(row.edge);
            let Some(changes) = changes.get_mut(&row.unit_id) else {
                continue;
            };
            let delta = sum(row.delta.as_deref(), row.unit_id)?;
            match input {
                Input::Posts => changes.add_posts(edge, i64::try_from(delta).unwrap_or(i64::MAX)),
                Input::Counter(counter) => {
                    let base = sum(row.base.as_deref(), row.unit_id)?;
                    let change = Level {
                        value: delta + base,
                        base,
                        units: row.firsts.unwrap_or(0),
                    };
                    changes.add(edge, counter, change);
                }
            }
        }
        Ok(())
    }

    async fn add_all(
        &mut self,
        units: &[Uuid],
        slots: &[i32],
        changes: &mut HashMap<Uuid, Changes>,
    ) -> Result<(), ReadError> {
        let rows = sqlx::query_as!(
            SumsRow,
            r#"SELECT unit_id, width_bucket(slot, $3::integer[]) AS "edge!",
                      coalesce(sum(posts), 0) AS "posts!",
                      ARRAY[coalesce(sum(views_delta), 0), coalesce(sum(likes_delta), 0),
                            coalesce(sum(comments_delta), 0), coalesce(sum(shares_delta), 0),
                            coalesce(sum(saves_delta), 0),
                            coalesce(sum(followers_delta), 0)]::text[] AS "deltas!",
                      ARRAY[coalesce(sum(views_base), 0), coalesce(sum(likes_base), 0),
                            coalesce(sum(comments_base), 0), coalesce(sum(shares_base), 0),
                            coalesce(sum(saves_base), 0),
                            coalesce(sum(followers_base), 0)]::text[] AS "bases!",
                      ARRAY[coalesce(sum(views_firsts), 0), coalesce(sum(likes_firsts), 0),
                            coalesce(sum(comments_firsts), 0), coalesce(sum(shares_firsts), 0),
                            coalesce(sum(saves_firsts), 0),
                            coalesce(sum(followers_firsts), 0)] AS "firsts!"
               FROM slots
               WHERE org_id = $1 AND unit_id = ANY ($2) AND slot < $4
               GROUP BY 1, 2"#,
            self.org.as_uuid(),
            units,
            slots,
            slots.last().copied().unwrap_or(i32::MIN),
        )
        .fetch_all(&mut *self.tx)
        .await?;
        for row in rows {
            let edge = place(row.edge);
            let Some(changes) = changes.get_mut(&row.unit_id) else {
                continue;
            };
            changes.add_posts(edge, row.posts);
            let sums = row.deltas.iter().zip(&row.bases).zip(&row.firsts);
            for (counter, ((delta, base), firsts)) in Counter::ALL.into_iter().zip(sums) {
                let base = sum(Some(base), row.unit_id)?;
                let change = Level {
                    value: sum(Some(delta), row.unit_id)? + base,
                    base,
                    units: *firsts,
                };
                changes.add(edge, counter, change);
            }
        }
        Ok(())
    }
}

fn place(edge: i32) -> usize {
    usize::try_from(edge).unwrap_or(usize::MAX)
}

fn sum(text: Option<&str>, unit: Uuid) -> Result<i128, CorruptRow> {
    text.map_or(Ok(0), |text| {
        text.parse()
            .map_err(|_| CorruptRow::new("slots", "sum", unit))
    })
}
