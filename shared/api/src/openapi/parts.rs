//! What operations have in common, by name: headers, parameters, errors and their examples.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::Value;
use utoipa::openapi::example::{Example, ExampleBuilder};
use utoipa::openapi::header::{Header, HeaderBuilder};
use utoipa::openapi::path::{Parameter, ParameterBuilder, ParameterIn};
use utoipa::openapi::schema::{ObjectBuilder, Type};
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::openapi::tag::{Tag, TagBuilder};
use utoipa::openapi::{ComponentsBuilder, RefOr, Required};
use utoipa::{PartialSchema, ToSchema};

use super::answer::null;
use super::sample::sample;
use crate::error::{ErrorCode, Rendering};
use crate::input::issue::Issue;
use crate::v1::{LimitKeyName, ScopeName};

/// Name of the security scheme.
pub(super) const BEARER: &str = "bearer";

/// `info.description`.
pub(super) const DESCRIPTION: &str = "\
Track creators and their videos, and read what they gained.

Every JSON answer is `{\"data\", \"error\", \"meta\"}`. Of a failure, branch on `meta.code` alone. \
Ids are UUIDs, instants are RFC 3339 in UTC, counts are integers up to 2^53 - 1, and what nobody \
reported is null. Unknown parameters and fields are refused; new fields may appear in answers.

An answer to a command carries `Tga-Position`: send it as `Tga-Min-Position` to read your own \
write. Send `Idempotency-Key` with every POST, so that it can be sent again safely.";

/// Every error but `internal_error` and `outcome_unknown` means that nothing was changed.
#[derive(Serialize, ToSchema)]
#[schema(as = ErrorAnswer)]
pub(super) struct ErrorAnswer {
    /// Always null.
    #[schema(schema_with = null)]
    data: (),
    /// A sentence for people.
    #[schema(example = "Not found")]
    error: String,
    meta: ErrorMeta,
}

/// What programs need to know of an error. Which members there are is up to `code`: each code has
/// an example.
#[derive(Serialize, ToSchema)]
#[schema(as = ErrorMeta)]
struct ErrorMeta {
    code: ErrorCode,
    /// What is wrong with the input, at most 20.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(max_items = 20)]
    issues: Vec<Issue>,
    #[serde(flatten)]
    more: MoreMeta,
}

/// Members that only some codes have.
#[derive(Serialize, ToSchema)]
#[schema(as = ErrorDetails)]
struct MoreMeta {
    /// `limit_reached`: which limit.
    #[serde(rename = "limitKey")]
    #[schema(value_type = LimitKeyName, required = false)]
    limit_key: String,
    /// `limit_reached`: what there is.
    #[schema(example = 5, required = false)]
    current: u64,
    /// `limit_reached`, `payload_too_large`: what there may be.
    #[schema(example = 5, required = false)]
    max: u64,
    /// `retention_exceeded`: days of history.
    #[schema(example = 365, required = false)]
    tier_retention_days: u64,
    /// `retention_exceeded`: the first day that can be asked for.
    #[schema(required = false)]
    earliest: chrono::NaiveDate,
    /// `insufficient_scope`: the scope lacking; `forbidden`: the kind of caller.
    #[schema(example = "write", required = false)]
    required: String,
    /// `insufficient_scope`: the scopes that the credential has.
    #[schema(value_type = Vec<ScopeName>, required = false)]
    granted: Vec<String>,
    /// `duplicate`: the existing object.
    #[schema(required = false)]
    id: uuid::Uuid,
    /// Where `error` is only the code: a sentence for people.
    #[schema(
        example = "another creator of the project has this handle",
        required = false
    )]
    detail: String,
    /// `campaign_cycle`: ids of the cycle.
    #[schema(required = false)]
    path: Vec<uuid::Uuid>,
    /// `member_has_keys`: how many.
    #[schema(example = 2, required = false)]
    active_keys: u64,
    /// `gone`: what to use.
    #[schema(example = "/api/v1/analytics", required = false)]
    replacement: String,
    /// `rate_limit_exceeded`: seconds to wait.
    #[serde(rename = "retryAfter")]
    #[schema(example = 12, required = false)]
    retry_after: u64,
    /// `rate_limit_exceeded`: which limit.
    #[schema(example = "key-minute", required = false)]
    policy: String,
    /// `rate_limit_exceeded`: its size.
    #[schema(example = 60, required = false)]
    limit: u64,
}

/// The same as RFC 9457, for `Accept: application/problem+json`.
#[derive(Serialize, ToSchema)]
#[schema(as = Problem)]
pub(super) struct Problem {
    /// `/problems/<code>`.
    #[serde(rename = "type")]
    #[schema(example = "/problems/not_found")]
    kind: String,
    #[schema(example = "Not found")]
    title: String,
    #[schema(example = 404)]
    status: u16,
    /// A sentence for people.
    #[schema(example = "Not found")]
    detail: String,
    #[serde(flatten)]
    meta: ErrorMeta,
}

/// The groups of operations, in the contract's order.
const TAGS: [(&str, &str); 17] = [
    ("Schema", "The data model and this document"),
    ("Limits", "The org's plan and how far it is used"),
    ("API keys", "Credentials of programs"),
    ("Orgs", "The caller's org"),
    ("Members", "People of the org"),
    ("Invitations", "Who may become a member"),
    ("Sessions", "Where people are signed in"),
    ("Projects", "What creators and videos belong to"),
    ("Creators", "Followed accounts"),
    ("Videos", "Tracked videos and the inbox"),
    ("Ingest", "Readings from outside"),
    (
        "Campaigns",
        "Creators, videos and campaigns counted together",
    ),
    ("Annotations", "Marks on the time axis"),
    ("Analytics", "Every series, and summaries of a project"),
    ("Goals", "What creators are to reach, and how far they are"),
    ("Audit", "What happened in the org, and how it stood when"),
    ("Webhooks", "Where events are sent, and how that goes"),
];

pub(super) fn tags() -> Vec<Tag> {
    let tag = |(name, description): (&str, &str)| {
        TagBuilder::new()
            .name(name)
            .description(Some(description))
            .build()
    };
    TAGS.map(tag).into()
}

/// The group of a path: by its last word that names one.
pub(super) fn tag_of(path: &str) -> Option<&'static str> {
    let mut words = path.split('/').rev();
    let of_word = |word: &str| match word {
        "asyncapi.json" | "openapi.json" | "schema" | "stats" => Some("Schema"),
        "limits" => Some("Limits"),
        "api-keys" => Some("API keys"),
        "orgs" => Some("Orgs"),
        "members" => Some("Members"),
        "invitations" => Some("Invitations"),
        "sessions" => Some("Sessions"),
        "projects" => Some("Projects"),
        "creators" => Some("Creators"),
        "videos" | "inbox" => Some("Videos"),
        "ingest" => Some("Ingest"),
        "campaigns" => Some("Campaigns"),
        "annotations" => Some("Annotations"),
        "goals" | "goal-compliance" => Some("Goals"),
        "webhooks" => Some("Webhooks"),
        "analytics" => Some("Analytics"),
        "audit" => Some("Audit"),
        _ => None,
    };
    words.find_map(of_word)
}

/// Adds everything that operations refer to.
pub(super) fn add_to(components: ComponentsBuilder) -> ComponentsBuilder {
    let mut schemas = vec![
        ("ErrorAnswer".to_owned(), ErrorAnswer::schema()),
        ("Problem".to_owned(), Problem::schema()),
    ];
    ErrorAnswer::schemas(&mut schemas);
    Problem::schemas(&mut schemas);
    let bearer = HttpBuilder::new()
        .scheme(HttpAuthScheme::Bearer)
        .bearer_format("tga_ or tgs_ and 64 hexadecimal digits")
        .description(Some(
            "An API key (`tga_...`) or a person's session (`tgs_...`). Each operation names the \
             scope that it needs.",
        ))
        .build();
    let mut built = components
        .schemas_from_iter(schemas)
        .security_scheme(BEARER, SecurityScheme::Http(bearer))
        .build();
    built.headers = named(headers());
    built.parameters = named(parameters());
    built.into()
}

/// The answer that a code is shown with.
pub(super) fn example(code: ErrorCode) -> Example {
    let body = sample(code).body(Rendering::Envelope);
    ExampleBuilder::new()
        .summary(code.title())
        .value(serde_json::from_slice(&body).ok())
        .build()
}

fn named<T>(parts: impl IntoIterator<Item = (&'static str, T)>) -> BTreeMap<String, RefOr<T>> {
    parts
        .into_iter()
        .map(|(name, part)| (name.to_owned(), RefOr::T(part)))
        .collect()
}

/// Response headers: name, what it says, example.
const TEXT_HEADERS: [(&str, &str, &str); 9] = [
    (
        "ETag",
        "Weak tag of `data`; send it as `If-None-Match`.",
        "W/\"4f53cda18c2baa0c0354bb5f9a3ecbe5\"",
    ),
    (
        "Idempotency-Replayed",
        "`true`: the answer of an earlier request, sent again.",
        "true",
    ),
    (
        "Location",
        "The new object.",
        "/api/v1/projects/0192f0c1-2b7e-7c00-8000-00000000abcd",
    ),
    (
        "Preference-Applied",
        "`respond-async`, if that was preferred.",
        "respond-async",
    ),
    (
        "RateLimit",
        "What is left of each limit (`r`) and seconds until there is more (`t`).",
        "\"key-minute\";r=59;t=60, \"org-day\";r=49120;t=40211",
    ),
    (
        "RateLimit-Policy",
        "The limits that hold: requests (`q`) in seconds (`w`).",
        "\"key-minute\";q=60;w=60, \"org-day\";q=50000;w=86400",
    ),
    (
        "Tga-Key-Expires-At",
        "When the calling key ends, if it is rotating or that is within 7 days.",
        "2026-01-05T05:37:52.685771Z",
    ),
    (
        "WWW-Authenticate",
        "What is missing.",
        "Bearer realm=\"trackagoat\", error=\"invalid_token\"",
    ),
    (
        "X-Request-Id",
        "Name of the request, yours if you sent one.",
        "0192f0c1-2b7e-7c00-8000-00000000abcd",
    ),
];

const NUMBER_HEADERS: [(&str, &str, u64); 2] = [
    ("Retry-After", "Seconds to wait.", 1),
    ("Tga-Position", "The log position of the answer.", 184_467),
];

fn headers() -> impl Iterator<Item = (&'static str, Header)> {
    let header = |schema: ObjectBuilder, description: &str, example: Value| {
        HeaderBuilder::new()
            .schema(Some(schema))
            .description(Some(description))
            .example(Some(example))
            .build()
    };
    let texts = TEXT_HEADERS
        .into_iter()
        .map(move |(name, description, example)| {
            let schema = ObjectBuilder::new().schema_type(Type::String);
            (name, header(schema, description, example.into()))
        });
    let numbers = NUMBER_HEADERS
        .into_iter()
        .map(move |(name, description, example)| {
            let schema = ObjectBuilder::new()
                .schema_type(Type::Integer)
                .minimum(Some(0));
            (name, header(schema, description, example.into()))
        });
    texts.chain(numbers)
}

fn parameters() -> [(&'static str, Parameter); 5] {
    let header = |name: &str, description: &str, schema: ObjectBuilder| {
        ParameterBuilder::new()
            .name(name)
            .parameter_in(ParameterIn::Header)
            .required(Required::False)
            .description(Some(description))
            .schema(Some(schema))
            .build()
    };
    let text = || ObjectBuilder::new().schema_type(Type::String);
    [
        (
            "Idempotency-Key",
            header(
                "Idempotency-Key",
                "1 to 255 visible ASCII characters. The same request with the same key within 24 \
                 hours is answered with the first answer.",
                text()
                    .min_length(Some(1))
                    .max_length(Some(255))
                    .pattern(Some("^[!-~]+$"))
                    .examples(["9c2f6a3e-import-17"]),
            ),
        ),
        (
            "If-None-Match",
            header(
                "If-None-Match",
                "The `ETag` of an earlier answer: 304 if it is still the answer.",
                text().examples(["W/\"4f53cda18c2baa0c0354bb5f9a3ecbe5\""]),
            ),
        ),
        (
            "Prefer",
            header(
                "Prefer",
                "`respond-async`: answer 202 at once, before the change holds everywhere.",
                text().examples(["respond-async"]),
            ),
        ),
        (
            "Tga-Consistency",
            header(
                "Tga-Consistency",
                "`strict`: check the credential against the primary for this request.",
                text().enum_values(Some(["strict"])),
            ),
        ),
        (
            "Tga-Min-Position",
            header(
                "Tga-Min-Position",
                "A `Tga-Position`: wait up to 2 seconds until the answer is at least that new.",
                ObjectBuilder::new()
                    .schema_type(Type::Integer)
                    .minimum(Some(0))
                    .maximum(Some(i64::MAX))
                    .examples([184_467]),
            ),
        ),
    ]
}
