//! What a chart is asked to show. All of it stands in the address, so that a chart can be shared.

use std::convert::Infallible;

use axum::extract::FromRequestParts;
use chrono::NaiveDate;
use http::request::Parts;

use super::Subject;
use super::choices::{CUSTOM, GROWTH, breaks_down, has_mode};
use crate::client::Path;
use crate::routes::address::{Parameters, filled, link};

/// Shown unless something else is asked for; of it growth is shown, too.
const METRIC: &str = "views";
/// Days of a bucket, unless others are asked for.
const DAYS: &str = "7";

/// The form's fields, as the address has them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Asked {
    pub metric: String,
    pub base_metric: String,
    pub mode: String,
    pub granularity: String,
    pub bucket_days: String,
    pub from: String,
    pub to: String,
    pub tz: String,
    pub compare: String,
    pub breakdown: String,
}

impl Asked {
    /// What is measured.
    pub fn metric(&self) -> &str {
        filled(&self.metric).unwrap_or(METRIC)
    }

    /// Of what growth is shown, if it is.
    pub fn base(&self) -> Option<&str> {
        let base = filled(&self.base_metric).unwrap_or(METRIC);
        (self.metric() == GROWTH).then_some(base)
    }

    /// Days of a bucket, if they are no days, weeks or months of the calendar.
    pub fn days(&self) -> Option<&str> {
        let days = filled(&self.bucket_days).unwrap_or(DAYS);
        (self.granularity == CUSTOM).then_some(days)
    }

    /// The question. Fields that belong to a choice that was not made are left out of it.
    pub fn path(&self, subject: &Subject) -> Path {
        let breakdown = filled(&self.breakdown);
        let breakdown = breakdown.filter(|_| breaks_down(subject.entity, self.metric()));
        let mode = filled(&self.mode).filter(|_| has_mode(self.metric()));
        let path = Path::v1(&["analytics"])
            .with("entity", subject.entity.name())
            .with("entity_id", subject.id)
            .with("metric", self.metric())
            .with_some("base_metric", self.base())
            .with_some("mode", mode)
            .with_some("granularity", filled(&self.granularity))
            .with_some("bucket_days", self.days())
            .with_some("compare", filled(&self.compare))
            .with_some("breakdown", breakdown);
        self.range(path)
    }

    /// The range alone, for what is summed up over it.
    pub fn range(&self, path: Path) -> Path {
        path.with_some("from", filled(&self.from))
            .with_some("to", filled(&self.to))
            .with_some("tz", filled(&self.tz))
    }

    /// As in the address.
    pub fn parameters(&self) -> [(&'static str, &str); 10] {
        [
            ("metric", &self.metric),
            ("base_metric", &self.base_metric),
            ("mode", &self.mode),
            ("granularity", &self.granularity),
            ("bucket_days", &self.bucket_days),
            ("from", &self.from),
            ("to", &self.to),
            ("tz", &self.tz),
            ("compare", &self.compare),
            ("breakdown", &self.breakdown),
        ]
    }

    /// The same at another place.
    pub fn at(&self, place: &str) -> String {
        link(place, self.parameters())
    }

    /// The same over other days; without a last one, up to today.
    pub fn over(&self, from: NaiveDate, to: Option<NaiveDate>) -> Self {
        Self {
            from: from.to_string(),
            to: to.map(|to| to.to_string()).unwrap_or_default(),
            ..self.clone()
        }
    }
}

impl From<&Parameters> for Asked {
    fn from(asked: &Parameters) -> Self {
        let of = |name| asked.get(name).to_owned();
        Self {
            metric: of("metric"),
            base_metric: of("base_metric"),
            mode: of("mode"),
            granularity: of("granularity"),
            bucket_days: of("bucket_days"),
            from: of("from"),
            to: of("to"),
            tz: of("tz"),
            compare: of("compare"),
            breakdown: of("breakdown"),
        }
    }
}

impl<S: Sync> FromRequestParts<S> for Asked {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Infallible> {
        let Ok(asked) = Parameters::from_request_parts(parts, state).await;
        Ok(Self::from(&asked))
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::Asked;
    use crate::routes::program::analytics::{Entity, Subject};

    #[test]
    fn the_question_has_what_was_filled_in_and_fits_together() {
        let base = "http://api/".parse().expect("a base");
        let subject = Subject::new(Entity::Creator, Uuid::nil());
        let query = |asked: &Asked| {
            asked
                .path(&subject)
                .at(&base)
                .query()
                .map(ToOwned::to_owned)
        };
        let start = "entity=creator&entity_id=00000000-0000-0000-0000-000000000000";
        let mut asked = Asked {
            base_metric: "likes".to_owned(),
            bucket_days: "7".to_owned(),
            breakdown: "video".to_owned(),
            from: " 2026-01-01 ".to_owned(),
            ..Asked::default()
        };
        let views = format!("{start}&metric=views&breakdown=video&from=2026-01-01");
        assert_eq!(query(&asked), Some(views));
        asked.metric = "growth_rate_pop".to_owned();
        asked.granularity = "custom".to_owned();
        let growth = format!(
            "{start}&metric=growth_rate_pop&base_metric=likes&granularity=custom&bucket_days=7&from=2026-01-01"
        );
        assert_eq!(query(&asked), Some(growth));
    }

    #[test]
    fn a_chart_over_other_days_keeps_the_rest() {
        let asked = Asked {
            metric: "likes".to_owned(),
            to: "2026-01-31".to_owned(),
            ..Asked::default()
        };
        let day = |text: &str| text.parse().expect("a day");
        assert_eq!(
            asked
                .over(day("2026-02-01"), Some(day("2026-02-07")))
                .at("/projects/x"),
            "/projects/x?metric=likes&from=2026-02-01&to=2026-02-07"
        );
    }
}
