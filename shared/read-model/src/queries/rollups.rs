//! Levels of creators, campaigns and projects from roll-ups.

use std::collections::HashMap;

use domain::time::Timestamp;
use uuid::Uuid;

use super::cover::Cover;
use crate::analytics::{Changes, Counter, Input, Inputs, Level, Levels};
use crate::error::{CorruptRow, ReadError};
use crate::projection::slots::slot_of;
use crate::reader::OrgReader;

/// Up to so many things are summed by a pass over the rows for each; of more, one pass sums all.
const FEW: usize = 2;

/// What changed of one thing at a place: an edge, before which days are summed, or behind all edges a
/// rest of quarter hours. Sums of 64-bit columns come as text: they may be longer.
struct SumRow {
    unit_id: Uuid,
    place: i32,
    delta: Option<String>,
    base: Option<String>,
    firsts: Option<i64>,
}

/// The same of everything.
struct SumsRow {
    unit_id: Uuid,
    place: i32,
    posts: i64,
    deltas: Vec<String>,
    bases: Vec<String>,
    firsts: Vec<i64>,
}

/// What is asked of the database.
struct Asked<'a> {
    units: &'a [Uuid],
    cover: Cover,
    /// The quarter hours of the cover's rests.
    from: Vec<i32>,
    until: Vec<i32>,
}

/// What happened between edges, by unit.
struct Found<'a> {
    asked: &'a Asked<'a>,
    changes: HashMap<Uuid, Changes>,
}

impl<'a> Asked<'a> {
    fn of(units: &'a [Uuid], edges: &[Timestamp]) -> Self {
        let slots: Vec<i32> = edges.iter().map(|edge| slot_of(*edge)).collect();
        let cover = Cover::of(&slots);
        let (from, until) = cover
            .rests()
            .iter()
            .map(|rest| (rest.from, rest.until))
            .unzip();
        Self {
            units,
            cover,
            from,
            until,
        }
    }

    /// The day before which the last edge ends.
    fn last_day(&self) -> i32 {
        self.cover.days().last().copied().unwrap_or(i32::MIN)
    }

    fn edges(&self) -> usize {
        self.cover.days().len()
    }
}

impl<'a> Found<'a> {
    fn none(asked: &'a Asked<'a>) -> Self {
        let none = Changes::none(asked.edges());
        let changes = asked.units.iter().map(|unit| (*unit, none.clone()));
        Self {
            asked,
            changes: changes.collect(),
        }
    }

    fn add(&mut self, unit: Uuid, place: i32, counter: Counter, change: Level) {
        self.at(unit, place, |changes, edge, is_added| {
            let change = if is_added { change } else { change.negated() };
            changes.add(edge, counter, change);
        });
    }

    fn add_posts(&mut self, unit: Uuid, place: i32, posts: i64) {
        self.at(unit, place, |changes, edge, is_added| {
            changes.add_posts(edge, if is_added { posts } else { -posts });
        });
    }

    /// Calls for every edge at which what was found at a place begins to count or ceases to.
    fn at(&mut self, unit: Uuid, place: i32, mut add: impl FnMut(&mut Changes, usize, bool)) {
        let Some(changes) = self.changes.get_mut(&unit) else {
            return;
        };
        let place = usize::try_from(place).unwrap_or(usize::MAX);
        let Some(rest) = place.checked_sub(self.asked.edges()) else {
            add(changes, place, true);
            return;
        };
        if let Some(rest) = self.asked.cover.rests().get(rest) {
            add(changes, rest.edge, rest.is_added);
            add(changes, rest.end, !rest.is_added);
        }
    }

    fn into_levels(self) -> HashMap<Uuid, Levels> {
        let levels = self.changes.into_iter();
        levels
            .map(|(unit, changes)| (unit, changes.into_levels()))
            .collect()
    }
}

impl OrgReader {
    /// The levels of creators, campaigns or projects at ascending edges, which must be quarter hours
    /// from 2005 on; of what is not among `inputs` they may be nothing. One that nothing was ever
    /// read of has levels too.
    pub async fn rolled_up(
        &mut self,
        units: &[Uuid],
        edges: &[Timestamp],
        inputs: Inputs,
    ) -> Result<HashMap<Uuid, Levels>, ReadError> {
        let asked = Asked::of(units, edges);
        let mut found = Found::none(&asked);
        if inputs.each().count() <= FEW {
            for input in inputs.each() {
                self.add_one(input, &mut found).await?;
            }
        } else {
            self.add_all(&mut found).await?;
        }
        Ok(found.into_levels())
    }

    /// One thing alone: a row's other columns are not touched.
    async fn add_one(&mut self, input: Input, found: &mut Found<'_>) -> Result<(), ReadError> {
        let asked = found.asked;
        // Each rest is looked up for itself (`OFFSET 0` says so), by the key.
        let rows = sqlx::query_as!(
            SumRow,
            r#"SELECT unit_id AS "unit_id!", place AS "place!",
                      sum(CASE $7::integer WHEN 0 THEN views_delta WHEN 1 THEN likes_delta
                          WHEN 2 THEN comments_delta WHEN 3 THEN shares_delta
                          WHEN 4 THEN saves_delta WHEN 5 THEN followers_delta
                          WHEN 6 THEN posts END)::text AS delta,
                      sum(CASE $7::integer WHEN 0 THEN views_base WHEN 1 THEN likes_base
                          WHEN 2 THEN comments_base WHEN 3 THEN shares_base
                          WHEN 4 THEN saves_base WHEN 5 THEN followers_base END)::text AS base,
                      sum(CASE $7::integer WHEN 0 THEN views_firsts WHEN 1 THEN likes_firsts
                          WHEN 2 THEN comments_firsts WHEN 3 THEN shares_firsts
                          WHEN 4 THEN saves_firsts WHEN 5 THEN followers_firsts END) AS firsts
               FROM (
                   SELECT width_bucket(day, $3::integer[]) AS place, days.* FROM days
                   WHERE org_id = $1 AND unit_id = ANY ($2) AND day < $4
                   UNION ALL
                   SELECT cardinality($3::integer[]) + rest.place::integer - 1, s.*
                   FROM unnest($5::integer[], $6::integer[]) WITH ORDINALITY
                       AS rest (starts, ends, place)
                   CROSS JOIN unnest($2::uuid[]) AS u (unit_id)
                   CROSS JOIN LATERAL (
                       SELECT * FROM slots WHERE org_id = $1 AND unit_id = u.unit_id
                           AND slot >= rest.starts AND slot < rest.ends OFFSET 0
                   ) AS s
               ) AS sums
               GROUP BY 1, 2"#,
            self.org.as_uuid(),
            asked.units,
            asked.cover.days(),
            asked.last_day(),
            &asked.from,
            &asked.until,
            i32::try_from(input.place()).unwrap_or(i32::MAX),
        )
        .fetch_all(&mut *self.tx)
        .await?;
        for row in rows {
            let delta = sum(row.delta.as_deref(), row.unit_id)?;
            match input {
                Input::Posts => {
                    let posts = i64::try_from(delta).unwrap_or(i64::MAX);
                    found.add_posts(row.unit_id, row.place, posts);
                }
                Input::Counter(counter) => {
                    let base = sum(row.base.as_deref(), row.unit_id)?;
                    let change = Level {
                        value: delta + base,
                        base,
                        units: row.firsts.unwrap_or(0),
                    };
                    found.add(row.unit_id, row.place, counter, change);
                }
            }
        }
        Ok(())
    }

    async fn add_all(&mut self, found: &mut Found<'_>) -> Result<(), ReadError> {
        let asked = found.asked;
        let rows = sqlx::query_as!(
            SumsRow,
            r#"SELECT unit_id AS "unit_id!", place AS "place!",
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
               FROM (
                   SELECT width_bucket(day, $3::integer[]) AS place, days.* FROM days
                   WHERE org_id = $1 AND unit_id = ANY ($2) AND day < $4
                   UNION ALL
                   SELECT cardinality($3::integer[]) + rest.place::integer - 1, s.*
                   FROM unnest($5::integer[], $6::integer[]) WITH ORDINALITY
                       AS rest (starts, ends, place)
                   CROSS JOIN unnest($2::uuid[]) AS u (unit_id)
                   CROSS JOIN LATERAL (
                       SELECT * FROM slots WHERE org_id = $1 AND unit_id = u.unit_id
                           AND slot >= rest.starts AND slot < rest.ends OFFSET 0
                   ) AS s
               ) AS sums
               GROUP BY 1, 2"#,
            self.org.as_uuid(),
            asked.units,
            asked.cover.days(),
            asked.last_day(),
            &asked.from,
            &asked.until,
        )
        .fetch_all(&mut *self.tx)
        .await?;
        for row in rows {
            found.add_posts(row.unit_id, row.place, row.posts);
            let sums = row.deltas.iter().zip(&row.bases).zip(&row.firsts);
            for (counter, ((delta, base), firsts)) in Counter::ALL.into_iter().zip(sums) {
                let base = sum(Some(base), row.unit_id)?;
                let change = Level {
                    value: sum(Some(delta), row.unit_id)? + base,
                    base,
                    units: *firsts,
                };
                found.add(row.unit_id, row.place, counter, change);
            }
        }
        Ok(())
    }
}

fn sum(text: Option<&str>, unit: Uuid) -> Result<i128, CorruptRow> {
    text.map_or(Ok(0), |text| {
        text.parse()
            .map_err(|_| CorruptRow::new("days and slots", "sum", unit))
    })
}
