//! Figures over time, on the page of whatever they are of: a form, a chart, totals, and a table.

mod asked;
mod choices;
mod panel;
mod picture;
mod table;

use api::v1::{Analytics, Figure, Series};
use askama::Template;
use axum::Router;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use uuid::Uuid;

pub use self::asked::Asked;
pub use self::panel::Panel;
use crate::app::Shared;
use crate::chart::Spark;
use crate::client::Refusal;
use crate::page::Problem;
use crate::routes::id::Id;
use crate::visit::{Signed, Visit};

/// Of what figures are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Entity {
    Project,
    Creator,
    Video,
    Campaign,
}

/// One thing and its page.
pub struct Subject {
    entity: Entity,
    id: Uuid,
    place: String,
}

/// The figures, or why there are none: what was asked for can be corrected.
pub enum Figures {
    Found(Box<Analytics>),
    Refused(Refusal),
}

impl Entity {
    /// As the API calls it.
    const fn name(self) -> &'static str {
        match self {
            Self::Project => "project",
            Self::Creator => "creator",
            Self::Video => "video",
            Self::Campaign => "campaign",
        }
    }

    /// Whether its figures can be shown by video.
    const fn breaks_down(self) -> bool {
        matches!(self, Self::Creator | Self::Campaign)
    }
}

impl Subject {
    /// That one.
    pub fn new(entity: Entity, id: Uuid) -> Self {
        let place = format!("/{}s/{id}", entity.name());
        Self { entity, id, place }
    }

    /// Its page.
    pub fn place(&self) -> &str {
        &self.place
    }

    /// The chart alone, into the page that shows it already.
    pub async fn part(&self, visit: &Visit, asked: &Asked) -> Result<Response, Problem> {
        let (who, figures) = tokio::try_join!(visit.who(), self.ask(visit, asked))?;
        Ok(Panel::new(visit, &who, self, asked, figures).part())
    }

    /// Asks for its figures.
    pub async fn ask(&self, visit: &Visit, asked: &Asked) -> Result<Figures, Problem> {
        match visit.get::<Analytics>(asked.path(self)).await {
            Ok(answer) => Ok(Figures::Found(Box::new(answer.data))),
            Err(problem) => match problem.refusal() {
                Some(refusal) if matches!(refusal.status.as_u16(), 400 | 402) => {
                    Ok(Figures::Refused(refusal.clone()))
                }
                _ => Err(problem),
            },
        }
    }
}

/// The same figures as files.
pub fn files() -> Router<Shared> {
    let of = |entity| get(move |visit, id, asked| file(entity, visit, id, asked));
    Router::new()
        .route("/projects/{id}/analytics.csv", of(Entity::Project))
        .route("/creators/{id}/analytics.csv", of(Entity::Creator))
        .route("/videos/{id}/analytics.csv", of(Entity::Video))
        .route("/campaigns/{id}/analytics.csv", of(Entity::Campaign))
}

async fn file(
    entity: Entity,
    Signed(visit): Signed,
    Id(id): Id,
    asked: Asked,
) -> Result<Response, Problem> {
    let subject = Subject::new(entity, id);
    let path = asked.path(&subject).with("format", "csv");
    Ok(visit.download(path).await?.into_response())
}

/// A figure as charts place it.
#[expect(
    clippy::cast_precision_loss,
    reason = "a picture has fewer places than a float"
)]
pub fn value_of(figure: Figure) -> f64 {
    match figure {
        Figure::Count(count) => count as f64,
        Figure::Decimal(scaled) => scaled as f64 / 10_000.0,
    }
}

/// A series as a small line.
pub fn spark_of(title: String, series: &Series) -> String {
    let values = series.points.iter().map(|point| point.value.map(value_of));
    let spark = Spark::new(title, &values.collect::<Vec<_>>());
    spark.render().unwrap_or_default()
}
