//! `/settings/api-keys/{id}`: one key, and how it is used.

use std::collections::BTreeSet;

use api::v1::{ApiKey, ApiKeyUsage, KeyStatus};
use askama::Template;
use axum::response::Response;
use chrono::{NaiveDate, TimeDelta};
use futures_util::future::join_all;

use super::rotated::Rotated;
use super::{at, grants};
use crate::chart::Bars;
use crate::page::{Framed, Nav, Problem, Shell, ok};
use crate::routes::id::Id;
use crate::routes::people::People;
use crate::text::{self, filters};
use crate::visit::{Signed, Visit};

/// Days of usage that are shown.
const DAYS: i64 = 30;

#[derive(Template)]
#[template(path = "keys/show.html")]
struct KeyPage {
    shell: Shell,
    key: ApiKey,
    maker: String,
    owner: Option<String>,
    revoker: Option<String>,
    is_live: bool,
    scopes: Vec<(&'static str, &'static str, String)>,
    chart: String,
    days: Vec<(String, u64, u64)>,
    /// Requests of all these days, and most of one.
    total: u64,
    peak: u64,
    usage: ApiKeyUsage,
    /// Percent of the last hour's requests that use the new one; none if there were none.
    new_share: Option<u64>,
    rotated: Option<Rotated>,
}

impl Framed for KeyPage {
    fn shell(&self) -> &Shell {
        &self.shell
    }
}

pub(super) async fn show(Signed(visit): Signed, Id(id): Id) -> Result<Response, Problem> {
    let now = visit.app.clock.now();
    let today = now.date_naive();
    let from = today - TimeDelta::days(DAYS - 1);
    let usage_at = at(id).join("usage").with("from", from).with("to", today);
    let key = visit.get::<ApiKey>(at(id));
    let usage = visit.get::<ApiKeyUsage>(usage_at);
    let (who, key, usage, people) = tokio::try_join!(visit.who(), key, usage, People::of(&visit))?;
    let (key, usage) = (key.data, usage.data);
    let rotated = Rotated::of(&visit, &key);
    let (people, rotated) = tokio::join!(with_makers(&visit, people, &key), rotated);
    let days = days(&usage, from, today);
    let bars = days
        .iter()
        .map(|(day, requests, _)| (day.clone(), *requests));
    let bars: Vec<_> = bars.collect();
    let chart = Bars::new(format!("Requests of the last {DAYS} days"), &bars);
    let scopes = key.scopes.iter().map(|scope| {
        let used = usage.by_scope.iter().find(|used| used.scope == scope);
        let used = used.and_then(|used| used.last_used_at);
        let used = used.map(|at| text::distance(at.datetime(), now));
        let used = used.unwrap_or_else(|| "not yet".to_owned());
        (scope.name(), grants(scope), used)
    });
    Ok(ok(&KeyPage {
        maker: people.actor(&key.created_by),
        owner: key.owner_id.map(|id| people.name(&id.to_string())),
        revoker: key.revoked_by.as_ref().map(|actor| people.actor(actor)),
        is_live: is_live(&key),
        scopes: scopes.collect(),
        chart: chart.render().unwrap_or_default(),
        new_share: key
            .rotation
            .as_ref()
            .and_then(|rotation| new_share(rotation.old_share_1h)),
        total: days.iter().map(|(_, requests, _)| requests).sum(),
        peak: days
            .iter()
            .map(|(_, requests, _)| *requests)
            .max()
            .unwrap_or_default(),
        days,
        rotated,
        shell: Shell::signed(&visit, who, Nav::Keys, key.name.clone()),
        usage,
        key,
    }))
}

/// With the names of the keys that made or ended this one, as far as they can be had.
async fn with_makers(visit: &Visit, people: People, key: &ApiKey) -> People {
    let actors = [Some(&key.created_by), key.revoked_by.as_ref()]
        .into_iter()
        .flatten();
    let keys = actors
        .filter(|actor| actor.kind == "key")
        .filter_map(|actor| actor.id);
    let keys: BTreeSet<_> = keys.collect();
    let known = keys.into_iter().map(|id| visit.get::<ApiKey>(at(id)));
    let known = join_all(known).await.into_iter().flatten();
    let known: Vec<_> = known.map(|key| key.data).collect();
    people.with_keys(&known)
}

/// Whether it is accepted.
pub fn is_live(key: &ApiKey) -> bool {
    matches!(key.status, KeyStatus::Active | KeyStatus::Rotating)
}

/// Every day, with what was asked and refused on it.
fn days(usage: &ApiKeyUsage, from: NaiveDate, to: NaiveDate) -> Vec<(String, u64, u64)> {
    let days = from.iter_days().take_while(|day| *day <= to);
    days.map(|day| {
        let found = usage.by_day.iter().find(|used| used.date == day);
        let (requests, refused) = found.map_or((0, 0), |used| (used.requests, used.refused));
        (text::day(day), requests, refused)
    })
    .collect()
}

/// Of the share that still uses the old key.
fn new_share(old: Option<f64>) -> Option<u64> {
    let percent = 100.0 - (old?.clamp(0.0, 1.0) * 100.0).round();
    // Between 0 and 100.
    format!("{percent:.0}").parse().ok()
}

#[cfg(test)]
mod tests {
    use super::new_share;

    #[test]
    fn what_has_left_the_old_key_uses_the_new_one() {
        assert_eq!(new_share(None), None);
        for (old, new) in [(0.0, 100), (0.251, 75), (1.0, 0), (7.0, 0)] {
            assert_eq!(new_share(Some(old)), Some(new), "{old}");
        }
    }
}
