//! `GET /audit/as-of`: the org, its keys and its members as they stood.

use api::envelope::{Meta, Rendered};
use api::error::ApiError;
use api::header::QueryHeaders;
use api::input::issue::Invalid;
use api::input::query::{FromQuery, Params, StrictQuery};
use api::input::text::Text;
use api::openapi;
use api::v1::{AsOf, KeyAsOf, MemberAsOf, OrgAsOf};
use axum::extract::State;
use axum::response::Response;
use domain::event::Stream;
use domain::ids::GlobalPosition;
use domain::org::{KeyStatus, OrgState, Recorded, evolve};
use domain::time::Timestamp;
use read_model::{AuditFilter, TypeFilter};
use utoipa::IntoParams;

use super::params;
use super::{refused, require_reached};
use crate::app::{Answer, Question, Shared, Snapshot};
use crate::cache::Topics;
use crate::call::Call;

/// Entities whose events say how the org, its keys and its members stand.
const FOLDED: [&str; 3] = ["org", "member", "key"];
/// Events that are read at once.
const READ_AT_ONCE: u16 = 500;

#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "it describes what `When` reads")]
pub struct AsOfWhen {
    /// At this instant, which must not lie ahead.
    #[param(value_type = Option<chrono::DateTime<chrono::Utc>>)]
    at: Option<Timestamp>,
    /// After the event at this position, or the org's last one before it. Either this or `at`.
    #[param(value_type = Option<u64>, minimum = 0, maximum = 9_007_199_254_740_991_u64, example = 1)]
    position: Option<GlobalPosition>,
}

/// The same, as it came.
pub enum When {
    At(Timestamp),
    After(GlobalPosition),
}

impl FromQuery for When {
    fn read(params: &mut Params<'_>) -> Result<Self, Invalid> {
        let at = params.optional("at", Text::instant);
        let position = params::position(params, "position");
        match (at?, position?) {
            (Some(at), None) => Ok(Self::At(at)),
            (None, Some(position)) => Ok(Self::After(position)),
            (Some(_), Some(_)) => Err(params.invalid("at", "must not be given beside position")),
            (None, None) => Err(params.invalid("at", "is required, unless position is given")),
        }
    }
}

/// Gets the org, the keys that were accepted and the members, as they stood at an instant or a
/// position.
///
/// It is made of the org's own events up to then and of nothing else. Before the org was made there
/// is nothing: 404.
#[utoipa::path(
    get,
    path = "/audit/as-of",
    operation_id = "get_audit_as_of",
    params(AsOfWhen),
    responses((status = 200, description = "How it stood", body = openapi::Answer<AsOf>))
)]
pub async fn handle(
    State(app): State<Shared>,
    call: Call,
    query: StrictQuery<When>,
    mut asked: QueryHeaders,
) -> Result<Response, ApiError> {
    let head = app.head().await?.position;
    let question = match query.value {
        When::After(position) => {
            require_reached("position", Some(position), head)?;
            Stood {
                up_to: position,
                at: None,
            }
        }
        When::At(at) if at > app.now() => return Err(refused("at", "must not lie ahead")),
        When::At(at) => Stood {
            up_to: app.moment(at).await?.at_least,
            at: Some(at),
        },
    };
    asked.min_position = asked.min_position.max(question.up_to);
    app.answer(&call, &asked, question).await
}

/// How things stood after the org's last event up to a position.
struct Stood {
    up_to: GlobalPosition,
    /// The instant that was asked for.
    at: Option<Timestamp>,
}

impl Question for Stood {
    /// It never changes, so whoever needs it often keeps it.
    const RESTS_ON: Option<Topics> = None;

    async fn answer(self, snapshot: &mut Snapshot<'_>) -> Result<Answer, ApiError> {
        let mut filter = AuditFilter {
            to: self.up_to,
            ..AuditFilter::all()
        };
        let mut found = last(snapshot, &filter).await?;
        filter.streams = vec![Stream::Decisions];
        if found.is_none() {
            // An observation that is archived, and not at hand; it changed nothing that is asked for.
            found = last(snapshot, &filter).await?;
        }
        let (position, recorded_at) = found.ok_or_else(ApiError::not_yet_founded)?;
        let at = self.at.unwrap_or(recorded_at);
        filter.types = Some(FOLDED.map(|it| TypeFilter::Entity(it.to_owned())).to_vec());
        let state = fold(snapshot, filter).await?;
        let profile = state.profile.as_ref();
        let profile = profile.ok_or_else(ApiError::not_yet_founded)?;
        let accepted =
            |status: KeyStatus| matches!(status, KeyStatus::Active | KeyStatus::Rotating);
        let keys = state
            .keys
            .iter()
            .filter(|(_, key)| accepted(key.status(at)));
        let wire = AsOf {
            position,
            at,
            org: OrgAsOf::from(profile),
            keys: keys.map(|(id, key)| KeyAsOf::new(*id, key)).collect(),
            members: state
                .members
                .iter()
                .map(|(user_id, member)| MemberAsOf {
                    user_id: *user_id,
                    role: member.role,
                })
                .collect(),
        };
        Ok(Answer::lasting(Rendered::json(&wire, &Meta::none())?))
    }
}

/// Where the last event stands that the filter lets through, and when it was recorded; none if there
/// is none, or it is not at hand.
async fn last(
    snapshot: &mut Snapshot<'_>,
    filter: &AuditFilter,
) -> Result<Option<(GlobalPosition, Timestamp)>, ApiError> {
    let last = snapshot.reader.audit_positions(filter, true, 1).await;
    let last = last.map_err(|error| snapshot.read_error(error))?;
    let (app, org) = (snapshot.app, snapshot.call.org());
    let found = app.events_at(org, &filter.streams, &last).await?;
    Ok(found
        .first()
        .map(|event| (event.position, event.recorded_at)))
}

/// Folds the decisions that the filter lets through, as those who decide do.
async fn fold(snapshot: &mut Snapshot<'_>, mut filter: AuditFilter) -> Result<OrgState, ApiError> {
    let org = snapshot.call.org();
    let mut state = OrgState::default();
    loop {
        let page = snapshot
            .reader
            .audit_positions(&filter, false, READ_AT_ONCE);
        let page = page.await.map_err(|error| snapshot.read_error(error))?;
        let app = snapshot.app;
        let events = app.events_at(org, &filter.streams, &page).await?;
        for event in &events {
            // One of a newer build, which this one cannot judge.
            let recorded = event.decode();
            let recorded = recorded.map_err(|error| snapshot.app.unavailable().because(error))?;
            evolve(&mut state, &Recorded::from(&recorded));
        }
        match page.last() {
            Some(last) if page.len() == usize::from(READ_AT_ONCE) => filter.after = *last,
            _ => return Ok(state),
        }
    }
}
