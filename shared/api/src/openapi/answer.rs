//! The envelope in the document: `body = Answer<Project>`, `body = Page<Project>`.

use domain::time::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;
use utoipa::openapi::schema::{ObjectBuilder, Type};

/// An answer with one object.
#[derive(Debug, Serialize, ToSchema)]
pub struct Answer<T> {
    /// What was asked for.
    data: T,
    /// Always null.
    #[schema(schema_with = null)]
    error: (),
    #[schema(required)]
    meta: Option<AnswerMeta>,
}

/// An answer with a page of objects.
#[derive(Debug, Serialize, ToSchema)]
pub struct Page<T> {
    /// The page.
    data: Vec<T>,
    /// Always null.
    #[schema(schema_with = null)]
    error: (),
    meta: PageMeta,
}

/// An answer with a list that has no pages.
#[derive(Debug, Serialize, ToSchema)]
pub struct List<T> {
    /// All of it.
    data: Vec<T>,
    /// Always null.
    #[schema(schema_with = null)]
    error: (),
    #[schema(required)]
    meta: Option<AnswerMeta>,
}

/// An answer with rows of a summary.
#[derive(Debug, Serialize, ToSchema)]
pub struct Rows<T> {
    /// The rows asked for.
    data: Vec<T>,
    /// Always null.
    #[schema(schema_with = null)]
    error: (),
    meta: RowsMeta,
}

/// An answer with one object and a count.
#[derive(Debug, Serialize, ToSchema)]
pub struct Counted<T> {
    /// What was asked for.
    data: T,
    /// Always null.
    #[schema(schema_with = null)]
    error: (),
    meta: RowsMeta,
}

/// An answer with rows of a summary that were found in groups.
#[derive(Debug, Serialize, ToSchema)]
pub struct GroupedRows<T> {
    /// The rows asked for.
    data: Vec<T>,
    /// Always null.
    #[schema(schema_with = null)]
    error: (),
    meta: GroupedRowsMeta,
}

/// What there is to say of an answer; mostly null.
#[derive(Debug, Serialize, ToSchema)]
struct AnswerMeta {
    /// When the answer can next change by time alone; null: never.
    #[serde(rename = "validUntil", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<DateTime<Utc>>, example = json!(null))]
    valid_until: Option<Timestamp>,
}

/// What there is to say of a page.
#[derive(Debug, Serialize, ToSchema)]
#[schema(example = json!({"nextCursor": null}))]
struct PageMeta {
    /// `cursor` of the next page; null at the end.
    #[serde(rename = "nextCursor")]
    #[schema(max_length = 512, required, example = json!(null))]
    next_cursor: Option<String>,
    /// When the answer can next change by time alone; null: never.
    #[serde(rename = "validUntil", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<DateTime<Utc>>, example = json!(null))]
    valid_until: Option<Timestamp>,
}

/// What there is to say of rows.
#[derive(Debug, Serialize, ToSchema)]
struct RowsMeta {
    /// When the answer can next change by time alone; null: never.
    #[serde(rename = "validUntil")]
    #[schema(value_type = Option<DateTime<Utc>>, required, example = json!(null))]
    valid_until: Option<Timestamp>,
    /// How many rows there are, before `limit` and `offset`.
    #[schema(example = 120)]
    total_count: u64,
}

/// What there is to say of rows that were found in groups.
#[derive(Debug, Serialize, ToSchema)]
struct GroupedRowsMeta {
    /// When the answer can next change by time alone; null: never.
    #[serde(rename = "validUntil")]
    #[schema(value_type = Option<DateTime<Utc>>, required, example = json!(null))]
    valid_until: Option<Timestamp>,
    /// How many rows there are, before `limit` and `offset`.
    #[schema(example = 120)]
    total_count: u64,
    /// How many groups nothing could be said of.
    #[schema(example = 3)]
    skipped_groups: u64,
}

pub(super) fn null() -> ObjectBuilder {
    ObjectBuilder::new().schema_type(Type::Null)
}
