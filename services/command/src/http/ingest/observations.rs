//! `POST /ingest/observations` (v1-contract.md 12).

use api::envelope::Success;
use api::error::ApiError;
use api::input::body::Ndjson;
use api::input::issue::Invalid;
use api::input::query::{FromQuery, Params, StrictQuery};
use api::input::text::Text;
use api::v1::IngestAnswer;
use axum::extract::State;
use domain::ids::ProjectId;

use crate::app::{CommandError, Ingested};
use crate::http::App;
use crate::http::answer::Answer;
use crate::http::call::Asked;
use crate::http::carry;
use crate::http::error::refusal;
use crate::http::once::{self, Entered, Kept, Replay};

/// Where the lines belong.
#[derive(Debug)]
pub(in crate::http) struct Target {
    project_id: Option<ProjectId>,
}

impl FromQuery for Target {
    fn read(params: &mut Params<'_>) -> Result<Self, Invalid> {
        let project_id = params.optional("project_id", Text::from_str::<ProjectId>);
        Ok(Self {
            project_id: project_id?,
        })
    }
}

/// Takes readings in, one JSON object a line. Good lines are kept, every bad one is named.
#[utoipa::path(
    post,
    path = "/ingest/observations",
    operation_id = "ingest_observations",
    params(
        ("project_id" = Option<uuid::Uuid>, Query, description = "Only this project's creators and videos; by default those of all projects"),
    ),
    request_body(
        content = String,
        content_type = "application/x-ndjson",
        description = "At most 5,000 lines and 4 MiB, each line at most 16 KiB",
        example = "{\"kind\":\"video_stats\",\"platform\":\"youtube\",\"platform_video_id\":\"dQw4w9WgXcQ\",\"observed_at\":\"2026-01-05T05:37:52.685771Z\",\"view_count\":148419,\"like_count\":9120,\"comment_count\":311}\n",
    ),
    responses((status = 200, description = "What became of the lines", body = api::openapi::Answer<IngestAnswer>))
)]
pub(in crate::http) async fn handle(
    State(app): State<App>,
    asked: Asked,
    query: StrictQuery<Target>,
    body: Ndjson,
) -> Result<Success, ApiError> {
    let project = query.value.project_id;
    // The same lines for another project are another request.
    let asked = Asked {
        route: match project {
            Some(project) => format!("{}?project_id={project}", asked.route),
            None => asked.route,
        },
        ..asked
    };
    carry::shielded(&app.clone(), async move {
        let refuse = |error| match error {
            CommandError::TooLarge { what, size, max } => {
                ApiError::too_much_at_once(size, max, what)
            }
            error => refusal(error, app.jitter()),
        };
        let named = match once::enter(&app, &asked, body.fingerprint).await? {
            Entered::Unnamed => None,
            Entered::Answered(answer, stored) => return answer.into_success(stored.last, true),
            Entered::Named(named) => Some(named),
        };
        if let Some(named) = &named
            && let Some(earlier) = named.earlier(&app).await?
        {
            return again(earlier);
        }
        let remember = named.as_ref().map(|named| named.remember(keep));
        let context = asked.context();
        let taken = app
            .commander()
            .ingest(asked.org, project, body.bytes, &context, remember.as_ref())
            .await;
        match (taken, named) {
            (Ok(Ingested { answer, position }), _) => answered(&answer)
                .map_err(refuse)?
                .into_success(position, false),
            (Err(CommandError::Answered(stored)), Some(named)) => again(named.open(stored)?),
            (Err(error), _) => Err(refuse(error)),
        }
    })
    .await
}

fn again(earlier: Replay) -> Result<Success, ApiError> {
    match earlier {
        Replay::Answer(answer, stored) => answer.into_success(stored.last, true),
        Replay::Outcome(..) => Err(ApiError::internal("an ingest was kept as a command")),
    }
}

fn answered(answer: &IngestAnswer) -> Result<Answer, CommandError> {
    Answer::ok(answer)
}

fn keep(answer: &IngestAnswer) -> Result<Kept, CommandError> {
    answered(answer).map(Kept::Answer)
}
