//! Answers to lists (v1-contract.md 1.5).

use domain::org::ItemStatus;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::error::{ApiError, ErrorCode};

/// What became of the items of a list, in their order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct BulkAnswer {
    /// One per item.
    pub results: Vec<BulkResult>,
    /// How many of each kind.
    pub summary: BulkSummary,
}

/// What became of one item.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct BulkResult {
    /// Which item, counted from 0.
    #[schema(example = 0)]
    pub index: usize,
    /// What became of it.
    pub status: BulkStatus,
    /// The object concerned, where there is one.
    #[schema(required)]
    pub id: Option<Uuid>,
    /// Of an error: what programs branch on.
    #[schema(example = json!(null), required)]
    pub code: Option<ErrorCode>,
    /// Of an error: a sentence for people.
    #[schema(example = json!(null), required)]
    pub message: Option<String>,
}

/// What became of an item.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum BulkStatus {
    /// A new object exists.
    Created,
    /// A removed object is back.
    Reactivated,
    /// It is so now.
    Changed,
    /// It was already so.
    Unchanged,
    /// It is refused; the others are not.
    Error,
}

/// How many items were good and how many not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct BulkSummary {
    /// Good items.
    #[schema(example = 49)]
    pub ok: usize,
    /// Refused items.
    #[schema(example = 1)]
    pub error: usize,
}

impl From<ItemStatus> for BulkStatus {
    fn from(status: ItemStatus) -> Self {
        match status {
            ItemStatus::Created => Self::Created,
            ItemStatus::Reactivated => Self::Reactivated,
            ItemStatus::Changed => Self::Changed,
            ItemStatus::Unchanged => Self::Unchanged,
        }
    }
}

impl FromIterator<(Option<Uuid>, Result<ItemStatus, ApiError>)> for BulkAnswer {
    /// The answer to a list, of what became of its items in their order.
    fn from_iter<I>(items: I) -> Self
    where
        I: IntoIterator<Item = (Option<Uuid>, Result<ItemStatus, ApiError>)>,
    {
        let results: Vec<_> = items
            .into_iter()
            .enumerate()
            .map(|(index, (id, result))| {
                let error = result.as_ref().err();
                BulkResult {
                    index,
                    id,
                    code: error.map(ApiError::code),
                    message: error.map(|error| error.message().to_owned()),
                    status: result.map_or(BulkStatus::Error, BulkStatus::from),
                }
            })
            .collect();
        let error = results
            .iter()
            .filter(|result| result.status == BulkStatus::Error)
            .count();
        Self {
            summary: BulkSummary {
                ok: results.len() - error,
                error,
            },
            results,
        }
    }
}
