//! `GET /audit/proof` (v1-contract.md 19.2).

use api::envelope::{Meta, Rendered};
use api::error::ApiError;
use api::header::QueryHeaders;
use api::input::issue::{Invalid, Issues};
use api::input::query::{FromQuery, Params, StrictQuery};
use api::openapi;
use api::v1::{ConsistencyProof, InclusionProof, Proof};
use axum::extract::State;
use axum::response::Response;
use domain::ids::{GlobalPosition, TreeSize};
use domain::limits::MAX_COUNT;
use domain::merkle::NodeHash;
use read_model::AuditFilter;
use utoipa::IntoParams;

use crate::app::{Answer, Question, Shared, Snapshot};
use crate::cache::Topics;
use crate::call::Call;

/// What is to be proven.
pub enum Asked {
    /// That an event is in a tree; the newest signed one unless a size is given.
    Inclusion(GlobalPosition, Option<TreeSize>),
    /// That one tree is the beginning of another.
    Consistency(TreeSize, TreeSize),
}

/// The parameters, for the document.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "only described here")]
struct Described {
    /// Position of one of the org's own events, for a proof that it is in the log.
    #[param(minimum = 1, maximum = 9_007_199_254_740_991_u64)]
    position: Option<u64>,
    /// With `position`: events of the tree; the newest checkpoint's unless given.
    #[param(minimum = 1, maximum = 9_007_199_254_740_991_u64)]
    tree_size: Option<u64>,
    /// In place of `position`, with `to_size`: events of a tree, for a proof that it is the beginning of
    /// the other.
    #[param(minimum = 0, maximum = 9_007_199_254_740_991_u64)]
    from_size: Option<u64>,
    /// Events of the larger tree; at most the newest checkpoint's.
    #[param(minimum = 0, maximum = 9_007_199_254_740_991_u64)]
    to_size: Option<u64>,
}

impl FromQuery for Asked {
    fn read(params: &mut Params<'_>) -> Result<Self, Invalid> {
        let position = params.optional("position", |it| it.decimal(1..=MAX_COUNT));
        let tree_size = params.optional("tree_size", |it| it.decimal(1..=MAX_COUNT));
        let from = params.optional("from_size", |it| it.decimal(0..=MAX_COUNT));
        let to = params.optional("to_size", |it| it.decimal(0..=MAX_COUNT));
        let (position, tree_size, from, to) = (position?, tree_size?, from?, to?);
        match (position, from, to) {
            (Some(position), None, None) => {
                if tree_size.is_some_and(|size| size < position) {
                    return Err(params.invalid("tree_size", "must not be below position"));
                }
                let position = GlobalPosition::new(position);
                Ok(Self::Inclusion(position, tree_size.map(TreeSize::new)))
            }
            (None, Some(from), Some(to)) if tree_size.is_none() => {
                if from > to {
                    return Err(params.invalid("from_size", "must not be above to_size"));
                }
                Ok(Self::Consistency(TreeSize::new(from), TreeSize::new(to)))
            }
            (None, Some(_), None) => Err(params.invalid("to_size", "is required with from_size")),
            (None, None, Some(_)) => Err(params.invalid("from_size", "is required with to_size")),
            _ => Err(params.invalid(
                "position",
                "give either position, with tree_size if need be, or from_size and to_size",
            )),
        }
    }
}

/// Proves that an event is in the log, or that the log has only grown.
///
/// Hashes are those of RFC 6962: a leaf's data are the 32 bytes of an event's `hash`, its index is the
/// position less one.
#[utoipa::path(
    get,
    path = "/audit/proof",
    operation_id = "get_proof",
    params(Described),
    responses((status = 200, description = "The proof", body = openapi::Answer<Proof>))
)]
pub async fn handle(
    State(app): State<Shared>,
    call: Call,
    query: StrictQuery<Asked>,
    asked: QueryHeaders,
) -> Result<Response, ApiError> {
    app.answer(&call, &asked, query.value).await
}

impl Question for Asked {
    /// The tree that it is about by default grows without the projection.
    const RESTS_ON: Option<Topics> = None;

    async fn answer(self, snapshot: &mut Snapshot<'_>) -> Result<Answer, ApiError> {
        let newest = snapshot.app.newest_checkpoint().await?.size;
        let wire = match self {
            Self::Inclusion(position, size) => {
                let size = within("tree_size", size.unwrap_or(newest), newest)?;
                let beyond = position.get() > size.get();
                if beyond {
                    let text = format!("is beyond the newest signed head, over {newest} events");
                    return Err(ApiError::invalid_query(&Issues::one("position", text)));
                }
                Proof::Inclusion(inclusion(snapshot, position, size).await?)
            }
            Self::Consistency(from, to) => {
                let to = within("to_size", to, newest)?;
                Proof::Consistency(consistency(snapshot, from, to).await?)
            }
        };
        Ok(Answer::lasting(Rendered::json(&wire, &Meta::none())?))
    }
}

fn within(name: &'static str, size: TreeSize, newest: TreeSize) -> Result<TreeSize, ApiError> {
    if size <= newest {
        return Ok(size);
    }
    let text = format!("must not be above {newest}, the size of the newest signed head");
    Err(ApiError::invalid_query(&Issues::one(name, text)))
}

async fn inclusion(
    snapshot: &mut Snapshot<'_>,
    position: GlobalPosition,
    size: TreeSize,
) -> Result<InclusionProof, ApiError> {
    let (app, own) = (snapshot.app, snapshot.call.org());
    let event = app.log.read_org_at(own, &[position]).await;
    let event = event.map_err(|error| app.log_error(error))?;
    if event.is_empty() {
        require_own(snapshot, position).await?;
        return Err(ApiError::gone_position(app.earliest().await?));
    }
    let proof = app.log.inclusion_proof(position, size).await;
    let proof = proof.map_err(|error| app.log_error(error))?;
    let Some(proof) = proof else {
        return Err(ApiError::gone_position(app.earliest().await?));
    };
    Ok(InclusionProof {
        leaf_index: proof.leaf_index,
        leaf_hash: proof.leaf.to_string(),
        tree_size: size.get(),
        root_hash: proof.root.to_string(),
        hashes: hex(&proof.hashes),
    })
}

/// 404 for the position of an event that is not the caller's org's, wherever that stands; 500 for one
/// of its own that should be online. It must not have been found in the log.
async fn require_own(
    snapshot: &mut Snapshot<'_>,
    position: GlobalPosition,
) -> Result<(), ApiError> {
    let one = AuditFilter {
        after: GlobalPosition::new(position.get().saturating_sub(1)),
        to: position,
        ..AuditFilter::all()
    };
    let own = snapshot.reader.audit_positions(&one, false, 1).await;
    let own = own.map_err(|error| snapshot.read_error(error))?;
    let position = own.first().ok_or_else(ApiError::not_found)?;
    let (app, org) = (snapshot.app, snapshot.call.org());
    app.events_at(org, &one.streams, &[*position]).await?;
    Ok(())
}

async fn consistency(
    snapshot: &Snapshot<'_>,
    from: TreeSize,
    to: TreeSize,
) -> Result<ConsistencyProof, ApiError> {
    let app = snapshot.app;
    let proof = app.log.consistency_proof(from, to).await;
    let proof = proof.map_err(|error| app.log_error(error))?;
    let Some(hashes) = proof else {
        return Err(ApiError::gone_position(app.earliest().await?));
    };
    Ok(ConsistencyProof {
        from_size: from.get(),
        to_size: to.get(),
        hashes: hex(&hashes),
    })
}

fn hex(hashes: &[NodeHash]) -> Vec<String> {
    hashes.iter().map(NodeHash::to_string).collect()
}
