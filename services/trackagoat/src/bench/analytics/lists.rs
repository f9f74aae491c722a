//! The same kinds of question about the project that the real lists make.

use std::path::Path;

use chrono::{NaiveDate, TimeDelta};
use serde_json::{Map, Value, json};
use sqlx::PgConnection;
use uuid::Uuid;

use super::measure::{Asker, Path as PathOf};
use super::questions::{range, spelled};
use crate::bench::error::BenchError;
use crate::bench::import;
use crate::bench::product::Product;
use crate::bench::stats::Histogram;

const DAYS: usize = 365;
const MONTH: usize = 30;

/// The day of the last reading, and the creator that has the most.
const LAST_DAY: &str = "select max(day) from days where unit_id = $1";
const BUSIEST: &str = "select c.creator_id from creators c join slots s on s.unit_id = c.creator_id
    where c.project_id = $1 group by 1 order by count(*) desc, 1 limit 1";

/// Imports the lists as a client does and asks about them.
pub async fn measure(
    product: &Product,
    data: &Path,
    quick: bool,
    asker: &Asker<'_>,
    database: &mut PgConnection,
) -> Result<Value, BenchError> {
    let mut files = import::lists(data)?;
    if quick {
        files.truncate(1);
    }
    if files.is_empty() {
        let text = format!("{} holds no lists", data.display());
        return Err(BenchError::Wrong(text));
    }
    let id = product.make_project("real lists").await?;
    import::import(product, &id, &files, asker.setting).await?;
    sqlx::query("vacuum analyze")
        .execute(&mut *database)
        .await?;
    let wrong = |_| BenchError::Wrong(format!("{id} is no id"));
    let project: Uuid = id.parse().map_err(wrong)?;
    let day: i32 = sqlx::query_scalar(LAST_DAY)
        .bind(project)
        .fetch_one(&mut *database)
        .await?;
    let creator: Uuid = sqlx::query_scalar(BUSIEST)
        .bind(project)
        .fetch_one(&mut *database)
        .await?;
    let last_day = NaiveDate::default() + TimeDelta::days(day.into());
    let series = |entity: &str, id: Uuid, number| {
        let (from, to) = range(last_day, DAYS, 0);
        let id = spelled(id, number);
        format!(
            "/api/v1/analytics?entity={entity}&entity_id={id}&metric=views&from={from}&to={to}&tz=UTC"
        )
    };
    let ranks = |whose: &str, number| {
        let (from, to) = range(last_day, MONTH, 0);
        let id = spelled(project, number);
        format!(
            "/api/v1/analytics/aggregate/{whose}-leaderboard?project_id={id}&from={from}&to={to}\
             &tz=UTC"
        )
    };
    let questions: [(&str, &PathOf<'_>); 4] = [
        ("project, views by days of UTC, 365 days", &|number| {
            series("project", project, number)
        }),
        (
            "the creator read most, views by days of UTC, 365 days",
            &|number| series("creator", creator, number),
        ),
        ("creators of the project, 30 days", &|number| {
            ranks("creator", number)
        }),
        ("videos of the project, 30 days", &|number| {
            ranks("video", number)
        }),
    ];
    let paths: Vec<_> = questions.iter().map(|(_, path)| *path).collect();
    let found = asker.ask_in_turn(&paths).await?;
    let named = questions.iter().map(|(name, _)| (*name).to_owned());
    let answers: Map<String, Value> = named.zip(found.iter().map(Histogram::to_json)).collect();
    Ok(json!({ "files": files.len(), "answers": answers }))
}
