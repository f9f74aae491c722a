//! The form, and what it asked for.

use api::limits::BUCKET_DAYS_MAX;
use api::v1::{Analytics, Figure};
use askama::Template;
use axum::response::{Html, IntoResponse, Response};
use chrono::{Datelike, NaiveDate, TimeDelta};
use chrono_tz::Tz;
use http::StatusCode;

use super::choices::{self, GRANULARITIES, MODES};
use super::picture::{line, shown, span, title, told};
use super::table::Table;
use super::{Asked, Figures, Subject, value_of};
use crate::chart::{NARROW, WIDE};
use crate::client::Refusal;
use crate::page::{Errors, Framed, render};
use crate::routes::choice::Choice;
use crate::routes::program::names::NOTHING;
use crate::routes::question;
use crate::text;
use crate::visit::{VARY_HX, Visit, Who};

/// Marks that are listed below a chart.
const MARKS: usize = 20;

/// A chart with its form.
#[derive(Template)]
#[template(path = "program/chart.html")]
pub struct Panel {
    form: Form,
    presets: Vec<Preset>,
    errors: Errors,
    /// Why there is no chart, if a field is to blame or nothing else is known.
    refused: Option<String>,
    retention: Option<Retention>,
    drawn: Option<Drawn>,
    csv: String,
    status: StatusCode,
}

struct Form {
    place: String,
    metrics: Vec<Choice>,
    /// Of what growth is shown.
    bases: Option<Vec<Choice>>,
    modes: Option<Vec<Choice>>,
    granularities: Vec<Choice>,
    bucket_days: Option<String>,
    most_days: u16,
    from: String,
    to: String,
    tz: String,
    org_zone: &'static str,
    zones: Vec<&'static str>,
    compares: bool,
    /// Whether by video, where that can be.
    by_video: Option<bool>,
}

/// A range to choose at once.
struct Preset {
    label: &'static str,
    link: String,
    is_current: bool,
}

/// The plan keeps no figures from so long ago.
struct Retention {
    days: u64,
    earliest: String,
    link: String,
}

struct Drawn {
    title: String,
    span: String,
    wide: String,
    narrow: String,
    is_empty: bool,
    has_partial: bool,
    facts: Vec<(&'static str, String)>,
    legend: Vec<Entry>,
    marks: Vec<String>,
    more_marks: usize,
    table: Table,
}

/// A line in the legend.
struct Entry {
    swatch: String,
    label: String,
    link: Option<String>,
    total: String,
}

impl Panel {
    /// What is shown of an answer.
    pub fn new(
        visit: &Visit,
        who: &Who,
        subject: &Subject,
        asked: &Asked,
        figures: Figures,
    ) -> Self {
        let zone = asked.tz.trim().parse().unwrap_or(who.zone);
        let today = visit.app.clock.now().with_timezone(&zone).date_naive();
        let csv = asked.at(&format!("{}/analytics.csv", subject.place()));
        let mut panel = Self {
            form: Form::new(subject, asked, who.zone),
            presets: Vec::new(),
            errors: Errors::default(),
            refused: None,
            retention: None,
            drawn: None,
            csv,
            status: StatusCode::OK,
        };
        let mut range = None;
        match figures {
            Figures::Found(found) => {
                range = Some((found.from, found.to));
                panel.form.from = found.from.to_string();
                panel.form.to = found.to.to_string();
                panel.drawn = Some(Drawn::new(&found));
            }
            Figures::Refused(refusal) => panel.refuse(&refusal, subject, asked),
        }
        panel.presets = presets(subject, asked, today, range);
        panel
    }

    fn refuse(&mut self, refusal: &Refusal, subject: &Subject, asked: &Asked) {
        self.status = refusal.status;
        self.retention = Retention::of(refusal, subject, asked);
        if self.retention.is_some() {
            return;
        }
        self.errors = Errors::of_refusal(refusal);
        let names = asked.parameters().map(|(name, _)| name);
        self.refused = question::summary(&self.errors, &names);
    }

    /// As a part of a page.
    pub fn html(&self) -> String {
        self.render().unwrap_or_default()
    }

    /// The panel alone, into the page that shows it already.
    pub fn part(&self) -> Response {
        (self.status, [VARY_HX], Html(self.html())).into_response()
    }

    /// The page around it: what the chart lacks, the page's status says.
    pub fn respond(&self, page: &impl Framed) -> Response {
        render(self.status, page)
    }
}

impl Form {
    fn new(subject: &Subject, asked: &Asked, zone: Tz) -> Self {
        let (entity, metric) = (subject.entity, asked.metric());
        let bases = choices::bases(entity);
        let base = asked.base();
        Self {
            place: subject.place().to_owned(),
            metrics: Choice::all(choices::metrics(entity), metric),
            modes: choices::has_mode(metric).then(|| Choice::all(MODES, &asked.mode)),
            bases: base.map(|base| Choice::all(bases, base)),
            granularities: Choice::all(GRANULARITIES, &asked.granularity),
            bucket_days: asked.days().map(ToOwned::to_owned),
            most_days: BUCKET_DAYS_MAX,
            from: asked.from.clone(),
            to: asked.to.clone(),
            tz: asked.tz.clone(),
            org_zone: zone.name(),
            zones: text::zones(),
            compares: !asked.compare.is_empty(),
            by_video: choices::breaks_down(entity, metric).then_some(!asked.breakdown.is_empty()),
        }
    }
}

fn presets(
    subject: &Subject,
    asked: &Asked,
    today: NaiveDate,
    range: Option<(NaiveDate, NaiveDate)>,
) -> Vec<Preset> {
    let back = |days: i64| today - TimeDelta::days(days - 1);
    let presets = [
        ("7 days", back(7)),
        ("30 days", back(30)),
        ("90 days", back(90)),
        ("This month", today.with_day(1).unwrap_or(today)),
    ];
    let presets = presets.into_iter().map(|(label, from)| Preset {
        label,
        link: asked.over(from, Some(today)).at(subject.place()),
        is_current: range == Some((from, today)),
    });
    presets.collect()
}

impl Retention {
    fn of(refusal: &Refusal, subject: &Subject, asked: &Asked) -> Option<Self> {
        if refusal.code != "retention_exceeded" {
            return None;
        }
        let earliest = refusal.meta.get("earliest")?.as_str()?;
        let earliest: NaiveDate = earliest.parse().ok()?;
        // A range that is over before then becomes one from then to today.
        let to = asked.to.trim().parse().ok();
        let to = to.filter(|to: &NaiveDate| *to >= earliest);
        Some(Self {
            days: refusal.meta.get("tier_retention_days")?.as_u64()?,
            earliest: text::day(earliest),
            link: asked.over(earliest, to).at(subject.place()),
        })
    }
}

impl Drawn {
    fn new(found: &Analytics) -> Self {
        let unit = choices::unit(&found.unit);
        let shown = shown(found);
        let chart = line(found, &shown);
        let legend = shown.iter().map(|shown| {
            let entity = &shown.series.entity_ref;
            let is_part = found
                .breakdown_series
                .iter()
                .any(|part| part.entity_ref == *entity);
            let is_video = entity.id.parse::<uuid::Uuid>().is_ok();
            Entry {
                swatch: shown.style.swatch(),
                label: shown.label.clone(),
                link: (is_part && is_video).then(|| format!("/videos/{}", entity.id)),
                total: figure_or_nothing(shown.series.total, unit),
            }
        });
        let marks = found.annotations.iter().take(MARKS).map(told);
        Self {
            title: title(found),
            span: span(found),
            is_empty: chart
                .series
                .iter()
                .flat_map(|line| &line.values)
                .all(Option::is_none),
            has_partial: chart.buckets.iter().any(|bucket| bucket.is_partial),
            wide: chart.draw(&WIDE),
            narrow: chart.draw(&NARROW),
            facts: facts(found),
            legend: legend.collect(),
            marks: marks.collect(),
            more_marks: found.annotations.len().saturating_sub(MARKS),
            table: Table::new(found, &shown),
        }
    }
}

fn figure_or_nothing(figure: Option<Figure>, unit: crate::chart::Unit) -> String {
    figure.map_or_else(
        || NOTHING.to_owned(),
        |figure| choices::figure(figure, unit),
    )
}

/// What it comes to.
fn facts(found: &Analytics) -> Vec<(&'static str, String)> {
    let unit = choices::unit(&found.unit);
    let Some(main) = found.series.first() else {
        return Vec::new();
    };
    let total = match found.mode.as_deref() {
        Some("new") if found.metric != "posts" => "Gained in all",
        Some("new") => "In all",
        Some(_) => "At the end",
        None => "Over the whole range",
    };
    let mut facts = vec![(total, figure_or_nothing(main.total, unit))];
    if let Some(start) = main.start_value {
        facts.push(("Counted from", text::signed(start.into())));
    }
    if let Some(prior) = found.compare_series.first() {
        facts.push(("Period before", figure_or_nothing(prior.total, unit)));
        if let Some(change) = change(main.total, prior.total) {
            facts.push(("Change", change));
        }
    }
    facts
}

/// In percent of what was before; none where that says nothing.
fn change(now: Option<Figure>, before: Option<Figure>) -> Option<String> {
    let (now, before) = (value_of(now?), value_of(before?));
    if before <= 0.0 {
        return None;
    }
    let percent = (now - before) / before * 100.0;
    let sign = if percent > 0.0 { "+" } else { "" };
    Some(format!(
        "{sign}{}\u{202f}%",
        text::compact((percent * 10.0).round() / 10.0)
    ))
}

#[cfg(test)]
mod tests {
    use api::v1::Figure;
    use chrono::NaiveDate;
    use http::{HeaderMap, StatusCode};
    use uuid::Uuid;

    use super::{Asked, Retention, Subject, change, presets};
    use crate::client::Failure;
    use crate::routes::program::analytics::Entity;

    fn day(text: &str) -> NaiveDate {
        text.parse().expect("a day")
    }

    #[test]
    fn presets_end_today_and_the_one_that_is_shown_is_marked() {
        let subject = Subject::new(Entity::Project, Uuid::nil());
        let range = Some((day("2026-03-01"), day("2026-03-07")));
        let presets = presets(&subject, &Asked::default(), day("2026-03-07"), range);
        let current: Vec<_> = presets
            .iter()
            .filter(|it| it.is_current)
            .map(|it| it.label)
            .collect();
        assert_eq!(current, ["7 days", "This month"]);
        assert!(
            presets[2].link.ends_with("?from=2025-12-08&to=2026-03-07"),
            "{}",
            presets[2].link
        );
    }

    #[test]
    fn a_range_before_the_plans_history_is_cut_to_it() {
        let subject = Subject::new(Entity::Project, Uuid::nil());
        let body = br#"{"data":null,"error":"x","meta":{"code":"retention_exceeded","tier_retention_days":30,"earliest":"2026-02-05"}}"#;
        let failure = Failure::refused(StatusCode::PAYMENT_REQUIRED, &HeaderMap::new(), body);
        let refusal = failure.refusal("retention_exceeded").expect("a refusal");
        for (to, expected) in [
            ("2026-02-20", "?from=2026-02-05&to=2026-02-20"),
            ("2026-01-20", "?from=2026-02-05"),
            ("", "?from=2026-02-05"),
        ] {
            let asked = Asked {
                from: "2026-01-01".to_owned(),
                to: to.to_owned(),
                ..Asked::default()
            };
            let retention = Retention::of(refusal, &subject, &asked).expect("a range");
            assert!(retention.link.ends_with(expected), "{}", retention.link);
            assert_eq!(
                (retention.days, retention.earliest.as_str()),
                (30, "5 Feb 2026")
            );
        }
    }

    #[test]
    fn a_change_is_told_in_percent_of_what_was() {
        let count = |count| Some(Figure::Count(count));
        assert_eq!(
            change(count(150), count(100)).as_deref(),
            Some("+50\u{202f}%")
        );
        assert_eq!(
            change(count(50), count(100)).as_deref(),
            Some("\u{2212}50\u{202f}%")
        );
        assert_eq!(change(count(50), count(0)), None);
        assert_eq!(change(None, count(1)), None);
    }
}
