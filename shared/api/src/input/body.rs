//! Bodies of commands: read once, checked wholly (v1-contract.md 1.1, 1.5).

use std::borrow::Cow;
use std::cell::RefCell;
use std::io;

use axum::body::Body;
use axum::body::HttpBody;
use axum::extract::{FromRequest, Request};
use bytes::Bytes;
use domain::event::{EntityRef, EntityType};
use domain::ids::ProjectId;
use domain::jcs;
use domain::limits::{BODY_BYTES, INGEST_BODY_BYTES};
use domain::text::{Metadata, Readme};
use http::HeaderMap;
use http::header::{CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

use super::issue::{Invalid, Issues, Path};
use super::json;
use super::node::Node;
use crate::error::ApiError;
use crate::header::{APPLICATION_JSON, APPLICATION_NDJSON};

/// A body, or an object inside one.
pub trait FromBody: Sized {
    /// Reads every field, then gives the value if all were acceptable. Fields that are not asked
    /// for are refused by the caller.
    fn read(fields: &mut Fields<'_>) -> Result<Self, Invalid>;
}

/// A field of a PATCH.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Patch<T> {
    /// Not in the body: it stays.
    Absent,
    /// `null`: it is cleared.
    Null,
    /// A new value.
    Value(T),
}

impl<T> Patch<T> {
    /// As the events have it: `None` stays, `Some(None)` clears.
    pub fn into_change(self) -> Option<Option<T>> {
        match self {
            Self::Absent => None,
            Self::Null => Some(None),
            Self::Value(value) => Some(Some(value)),
        }
    }

    /// As a POST has it, where absent and `null` are the same.
    pub fn into_option(self) -> Option<T> {
        self.into_change().flatten()
    }
}

/// The fields of one object of a body.
pub struct Fields<'a> {
    members: &'a Map<String, Value>,
    path: Path<'a>,
    issues: &'a RefCell<Issues>,
    known: Vec<&'static str>,
}

impl<'a> Fields<'a> {
    pub(super) fn new(
        members: &'a Map<String, Value>,
        path: Path<'a>,
        issues: &'a RefCell<Issues>,
    ) -> Self {
        Self {
            members,
            path,
            issues,
            known: Vec::with_capacity(8),
        }
    }

    /// A field that must be there and not null.
    pub fn required<'f, T>(
        &'f mut self,
        name: &'static str,
        reader: impl FnOnce(Node<'f>) -> Result<T, Invalid>,
    ) -> Result<T, Invalid> {
        match self.get(name) {
            None => Err(self.invalid(name, "is required")),
            Some(Value::Null) => Err(self.invalid(name, "must not be null")),
            Some(value) => self.node(name, value, reader),
        }
    }

    /// A field that may be absent but not null.
    pub fn optional<'f, T>(
        &'f mut self,
        name: &'static str,
        reader: impl FnOnce(Node<'f>) -> Result<T, Invalid>,
    ) -> Result<Option<T>, Invalid> {
        match self.get(name) {
            None => Ok(None),
            Some(Value::Null) => Err(self.invalid(name, "must not be null")),
            Some(value) => self.node(name, value, reader).map(Some),
        }
    }

    /// A field that may be absent or null, which mean the same.
    pub fn nullable<'f, T>(
        &'f mut self,
        name: &'static str,
        reader: impl FnOnce(Node<'f>) -> Result<T, Invalid>,
    ) -> Result<Option<T>, Invalid> {
        self.patch(name, reader).map(Patch::into_option)
    }

    /// A field of a PATCH that `null` clears.
    pub fn patch<'f, T>(
        &'f mut self,
        name: &'static str,
        reader: impl FnOnce(Node<'f>) -> Result<T, Invalid>,
    ) -> Result<Patch<T>, Invalid> {
        match self.get(name) {
            None => Ok(Patch::Absent),
            Some(Value::Null) => Ok(Patch::Null),
            Some(value) => self.node(name, value, reader).map(Patch::Value),
        }
    }

    /// The notes, as `readme` or `description`; both are accepted if they are equal.
    pub fn notes(&mut self) -> Result<Patch<Readme>, Invalid> {
        let readme = self.patch("readme", |it| it.parse(Readme::parse));
        let description = self.patch("description", |it| it.parse(Readme::parse));
        match (readme?, description?) {
            (Patch::Absent, notes) | (notes, Patch::Absent) => Ok(notes),
            (readme, description) if readme == description => Ok(readme),
            _ => Err(self.invalid(
                "description",
                "is another name of readme: send one of them, or both with the same text",
            )),
        }
    }

    /// `metadata`, replaced whole.
    pub fn metadata(&mut self) -> Result<Option<Metadata>, Invalid> {
        self.optional("metadata", Node::metadata)
    }

    /// Something of a project, by what it is and its id.
    pub fn entity(&mut self, kind: &'static str, id: &'static str) -> Result<EntityRef, Invalid> {
        let kind = self.required(kind, |it| it.one_of(&EntityType::ALL, EntityType::name));
        // Whatever it is, its id has the form of every id.
        let id = self.required(id, Node::from_str::<ProjectId>);
        Ok(kind?.of(id?.as_uuid()))
    }

    /// Whether the field is in the body, `null` included. It does not count as asked for.
    pub fn has(&self, name: &str) -> bool {
        self.members.contains_key(name)
    }

    /// Refuses a PATCH without any field.
    pub fn refuse_empty(&self) -> Result<(), Invalid> {
        if self.members.is_empty() {
            let path = self.path.to_string();
            self.issues
                .borrow_mut()
                .push(path, "must have at least one field");
            return Err(Invalid);
        }
        Ok(())
    }

    /// Records what is wrong with a field, or with two that do not fit together.
    pub fn invalid(&self, name: &str, message: impl Into<Cow<'static, str>>) -> Invalid {
        let path = Path::Member(&self.path, name).to_string();
        self.issues.borrow_mut().push(path, message);
        Invalid
    }

    /// Names every field that was not asked for.
    pub(super) fn refuse_unknown(&self) -> Result<(), Invalid> {
        let mut result = Ok(());
        for name in self.members.keys() {
            if !self.known.contains(&name.as_str()) {
                let known = self.known.join(", ");
                let message = if known.is_empty() {
                    "is unknown: no field is allowed here".to_owned()
                } else {
                    format!("is unknown; allowed are {known}")
                };
                result = Err(self.invalid(name, message));
            }
        }
        result
    }

    fn get(&mut self, name: &'static str) -> Option<&'a Value> {
        if !self.known.contains(&name) {
            self.known.push(name);
        }
        self.members.get(name)
    }

    fn node<'f, T>(
        &'f self,
        name: &'static str,
        value: &'f Value,
        reader: impl FnOnce(Node<'f>) -> Result<T, Invalid>,
    ) -> Result<T, Invalid> {
        reader(Node::new(
            value,
            Path::Member(&self.path, name),
            self.issues,
        ))
    }
}

/// What makes two bodies the same for an `Idempotency-Key`: SHA-256 of the canonical JSON, or of
/// the bytes of an ingest.
pub type Fingerprint = [u8; 32];

/// Reads a whole JSON body.
pub fn from_json<T: FromBody>(bytes: &[u8]) -> Result<(T, Fingerprint), ApiError> {
    let refuse = |issues: &Issues| ApiError::invalid_body(issues);
    let value = json::parse(bytes).map_err(|issues| refuse(&issues))?;
    let issues = RefCell::new(Issues::default());
    let read = Node::new(&value, Path::Root, &issues).object();
    let issues = issues.into_inner();
    match read {
        Ok(read) if issues.is_empty() => {
            let fingerprint = Sha256::digest(jcs::from_value(&value)).into();
            Ok((read, fingerprint))
        }
        _ => Err(refuse(&issues)),
    }
}

/// A JSON body, which must be there.
#[derive(Debug)]
pub struct StrictJson<T> {
    /// What was read.
    pub value: T,
    /// Of the whole body.
    pub fingerprint: Fingerprint,
}

/// A JSON body whose fields are all optional: no body at all is `{}`.
#[derive(Debug)]
pub struct OptionalJson<T> {
    /// What was read.
    pub value: T,
    /// Of the whole body.
    pub fingerprint: Fingerprint,
}

/// No field at all, for commands that say everything in their path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NoFields;

impl FromBody for NoFields {
    fn read(_: &mut Fields<'_>) -> Result<Self, Invalid> {
        Ok(Self)
    }
}

/// The lines of an ingest, not read yet.
#[derive(Debug)]
pub struct Ndjson {
    /// The bytes, at most 4 MiB.
    pub bytes: Bytes,
    /// Of these bytes.
    pub fingerprint: Fingerprint,
}

impl<S: Sync, T: FromBody> FromRequest<S> for StrictJson<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, _: &S) -> Result<Self, ApiError> {
        let bytes = read_bytes(request, APPLICATION_JSON, BODY_BYTES).await?;
        if bytes.is_empty() {
            let issues = Issues::one("$", "must be a JSON object: there is no body");
            return Err(ApiError::invalid_body(&issues));
        }
        let (value, fingerprint) = from_json(&bytes)?;
        Ok(Self { value, fingerprint })
    }
}

impl<S: Sync, T: FromBody> FromRequest<S> for OptionalJson<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, _: &S) -> Result<Self, ApiError> {
        let bytes = read_bytes(request, APPLICATION_JSON, BODY_BYTES).await?;
        let json = if bytes.is_empty() { b"{}" } else { &bytes[..] };
        let (value, fingerprint) = from_json(json)?;
        Ok(Self { value, fingerprint })
    }
}

impl<S: Sync> FromRequest<S> for Ndjson {
    type Rejection = ApiError;

    async fn from_request(request: Request, _: &S) -> Result<Self, ApiError> {
        let bytes = read_bytes(request, APPLICATION_NDJSON, INGEST_BODY_BYTES).await?;
        let fingerprint = Sha256::digest(&bytes).into();
        Ok(Self { bytes, fingerprint })
    }
}

/// Reads at most `max` bytes of the given media type. No body is no bytes, whatever its type.
async fn read_bytes(request: Request, media_type: &str, max: usize) -> Result<Bytes, ApiError> {
    let (parts, body) = request.into_parts();
    if parts.headers.contains_key(CONTENT_ENCODING) {
        return Err(ApiError::unsupported_encoding());
    }
    let too_large = || ApiError::payload_too_large(max, "bytes");
    if declared_length(&parts.headers).is_some_and(|length| length > max as u64) {
        return Err(too_large());
    }
    if !is_of_type(&parts.headers, media_type) && !body.is_end_stream() {
        return Err(ApiError::unsupported_media_type(media_type));
    }
    match Limited::new(body, max).collect().await {
        Ok(collected) => Ok(collected.to_bytes()),
        Err(error) if error.is::<LengthLimitError>() => Err(too_large()),
        Err(error) if is_timeout(&*error) => Err(ApiError::request_timeout()),
        Err(_) => {
            let issues = Issues::one("$", "did not arrive whole");
            Err(ApiError::invalid_body(&issues))
        }
    }
}

fn declared_length(headers: &HeaderMap) -> Option<u64> {
    headers.get(CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

/// Whether there is one `Content-Type`, it is the expected one, and its charset, if any, UTF-8.
fn is_of_type(headers: &HeaderMap, expected: &str) -> bool {
    let mut values = headers.get_all(CONTENT_TYPE).iter();
    let (Some(value), None) = (values.next(), values.next()) else {
        return false;
    };
    let mut parts = value.to_str().unwrap_or_default().split(';').map(str::trim);
    parts
        .next()
        .is_some_and(|name| name.eq_ignore_ascii_case(expected))
        && parts.all(|parameter| {
            let (name, value) = parameter.split_once('=').unwrap_or((parameter, ""));
            !name.eq_ignore_ascii_case("charset")
                || value.trim_matches('"').eq_ignore_ascii_case("utf-8")
        })
}

/// The accept loop ends a body that is too slow with an I/O error of kind `TimedOut`.
fn is_timeout(error: &(dyn std::error::Error + 'static)) -> bool {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(error) = error.downcast_ref::<io::Error>()
            && error.kind() == io::ErrorKind::TimedOut
        {
            return true;
        }
        next = error.source();
    }
    false
}

/// The whole of a body as bytes, for tests and for what forwards answers.
pub async fn collect(body: Body) -> Result<Bytes, axum::Error> {
    body.collect()
        .await
        .map(http_body_util::Collected::to_bytes)
}
