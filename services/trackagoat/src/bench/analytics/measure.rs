//! Asking in turn, on one connection, what the cache has no answer to.

use std::net::SocketAddr;

use chrono::NaiveDate;
use serde_json::{Map, Value, json};
use sqlx::PgConnection;

use super::Effort;
use super::questions::{QUESTIONS, Question, range};
use super::subjects::Subjects;
use crate::bench::Setting;
use crate::bench::error::BenchError;
use crate::bench::load::{self, Connection};
use crate::bench::stats::Histogram;

/// The rows that the creator's days are told from, and nothing around them.
const BARE: &str = "select day, views_delta from days
    where unit_id = $1 and day >= $2 and day <= $3 order by day";
/// Metric of look-ups in the cache of answers.
const LOOKUPS: &str = "tga_query_cache_lookups_total";

/// What is asked in a turn of that number.
pub type Path<'a> = dyn Fn(usize) -> String + Sync + 'a;

/// Whoever asks.
pub struct Asker<'a> {
    pub setting: &'a Setting,
    pub effort: &'a Effort,
    pub subjects: &'a Subjects,
    pub key: &'a str,
    /// Of the query service, and of its port for operators.
    pub address: SocketAddr,
    pub admin: SocketAddr,
    /// Questions of each kind asked so far: none is asked twice.
    asked: usize,
}

/// What was measured at one size.
pub struct Measured {
    /// In the order of [`QUESTIONS`].
    pub answers: Vec<Histogram>,
    pub bare: Histogram,
    pub misses: u64,
}

/// What the cache was asked for.
struct Lookups {
    misses: u64,
    others: u64,
}

impl<'a> Asker<'a> {
    pub fn new(
        setting: &'a Setting,
        effort: &'a Effort,
        subjects: &'a Subjects,
        key: &'a str,
        (address, admin): (SocketAddr, SocketAddr),
    ) -> Self {
        Self {
            setting,
            effort,
            subjects,
            key,
            address,
            admin,
            asked: 0,
        }
    }

    /// Asks everything so many times, after a warm-up, with a bare statement in the same turn.
    pub async fn measure(&mut self, database: &mut PgConnection) -> Result<Measured, BenchError> {
        let mut connection = Connection::open(self.address).await?;
        for _ in 0..self.effort.warm_up {
            for question in &QUESTIONS {
                self.ask(&mut connection, question).await?;
                let answer = connection.last_answer(200);
                let body = serde_json::from_slice(&answer.body).map_err(BenchError::json)?;
                if !tells_something(&body) {
                    let text = format!("{} was answered {answer}", question.name);
                    return Err(BenchError::Wrong(text));
                }
            }
            self.ask_barely(database).await?;
            self.asked += 1;
        }
        let before = self.lookups().await?;
        let mut measured = Measured {
            answers: vec![Histogram::default(); QUESTIONS.len()],
            bare: Histogram::default(),
            misses: 0,
        };
        for turn in 0..self.effort.requests {
            for (question, answers) in QUESTIONS.iter().zip(&mut measured.answers) {
                // What grows takes seconds in the end.
                if question.is_fixed || turn < self.effort.growing_requests {
                    answers.record(self.ask(&mut connection, question).await?);
                }
            }
            measured.bare.record(self.ask_barely(database).await?);
            self.asked += 1;
        }
        let after = self.lookups().await?;
        let sent: u64 = measured.answers.iter().map(Histogram::total).sum();
        measured.misses = after.misses - before.misses;
        if after.others != before.others || measured.misses < sent {
            let text = format!("of {sent} questions {} were computed", measured.misses);
            return Err(BenchError::Wrong(text));
        }
        Ok(measured)
    }

    /// Asks whatever has these paths, each by the number of the turn.
    pub async fn ask_in_turn(&self, paths: &[&Path<'_>]) -> Result<Vec<Histogram>, BenchError> {
        let mut connection = Connection::open(self.address).await?;
        let mut found = vec![Histogram::default(); paths.len()];
        for turn in 0..self.effort.warm_up + self.effort.requests {
            for (path, answers) in paths.iter().zip(&mut found) {
                let nanos = self.ask_for(&mut connection, &path(turn)).await?;
                if turn >= self.effort.warm_up {
                    answers.record(nanos);
                }
            }
        }
        Ok(found)
    }

    async fn ask(
        &self,
        connection: &mut Connection,
        question: &Question,
    ) -> Result<u64, BenchError> {
        let path = question.path(self.subjects, self.effort.days, self.asked);
        self.ask_for(connection, &path).await
    }

    /// Nanoseconds from the request until all of its answer is there.
    async fn ask_for(&self, connection: &mut Connection, path: &str) -> Result<u64, BenchError> {
        let request = load::get(self.address, path, self.key);
        let began = self.setting.clock.monotonic();
        let status = connection.exchange(&request).await?;
        let nanos = self.setting.clock.monotonic().as_nanos() - began.as_nanos();
        if status != 200 {
            let answer = connection.last_answer(status);
            return Err(BenchError::Wrong(format!("{path} was answered {answer}")));
        }
        if connection.is_last() {
            *connection = Connection::open(self.address).await?;
        }
        Ok(nanos)
    }

    async fn ask_barely(&self, database: &mut PgConnection) -> Result<u64, BenchError> {
        let (from, to) = range(self.subjects.place.last_day, self.effort.days, 0);
        let day = |date: NaiveDate| {
            let days = date.signed_duration_since(NaiveDate::default());
            i32::try_from(days.num_days()).unwrap_or(i32::MAX)
        };
        let began = self.setting.clock.monotonic();
        sqlx::query(BARE)
            .bind(self.subjects.creator.as_uuid())
            .bind(day(from))
            .bind(day(to))
            .fetch_all(database)
            .await?;
        Ok(self.setting.clock.monotonic().as_nanos() - began.as_nanos())
    }

    async fn lookups(&self) -> Result<Lookups, BenchError> {
        let request = format!("GET /metrics HTTP/1.1\r\nhost: {}\r\n\r\n", self.admin);
        let answer = load::once(self.admin, request.as_bytes()).await?;
        let text = String::from_utf8_lossy(&answer.body).into_owned();
        Ok(Lookups::read(&text))
    }
}

impl Lookups {
    fn read(metrics: &str) -> Self {
        let (mut misses, mut others) = (0, 0);
        for line in metrics.lines().filter(|line| line.starts_with(LOOKUPS)) {
            let count = line.rsplit(' ').next().and_then(|word| word.parse().ok());
            let count: u64 = count.unwrap_or(0);
            if line.contains("outcome=\"miss\"") {
                misses += count;
            } else {
                others += count;
            }
        }
        Self { misses, others }
    }
}

impl Measured {
    /// Of the question of that name.
    pub fn of(&self, name: &str) -> &Histogram {
        let named = QUESTIONS.iter().position(|question| question.name == name);
        named
            .and_then(|place| self.answers.get(place))
            .unwrap_or(&self.bare)
    }

    pub fn to_json(&self) -> Value {
        let mut all = Map::new();
        for (question, answers) in QUESTIONS.iter().zip(&self.answers) {
            all.insert(question.name.to_owned(), answers.to_json());
        }
        json!({
            "answers": all,
            "bare_statement_of_the_creators_days": self.bare.to_json(),
            "computed": self.misses,
        })
    }
}

/// Whether anything was gained, or anybody ranked.
fn tells_something(body: &Value) -> bool {
    let data = &body["data"];
    let total = &data["series"][0]["total"];
    total.as_f64().is_some_and(|total| total > 0.0)
        || data.as_array().is_some_and(|rows| !rows.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_tells_something() {
        let series = |total: Value| json!({ "data": { "series": [{ "total": total }] } });
        assert!(tells_something(&series(json!(1))));
        assert!(!tells_something(&series(json!(0))));
        assert!(!tells_something(&series(Value::Null)));
        assert!(tells_something(&json!({ "data": [1] })));
        assert!(!tells_something(&json!({ "data": [] })));
    }

    #[test]
    fn look_ups_are_told_apart() {
        let text = "# TYPE tga_query_cache_lookups_total counter\n\
                    tga_query_cache_lookups_total{outcome=\"hit\"} 3\n\
                    tga_query_cache_lookups_total{outcome=\"joined\"} 1\n\
                    tga_query_cache_lookups_total{outcome=\"miss\"} 40\n";
        let found = Lookups::read(text);
        assert_eq!((found.misses, found.others), (40, 4));
    }
}
