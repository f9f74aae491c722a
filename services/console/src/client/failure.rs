//! What a call ends in if not in an answer.

use http::header::RETRY_AFTER;
use http::{HeaderMap, StatusCode};
use serde::Deserialize;
use serde_json::{Map, Value};

/// Why there is no answer.
#[derive(Debug)]
pub enum Failure {
    /// The API said no, and why.
    Refused(Box<Refusal>),
    /// It could not be reached.
    Away(reqwest::Error),
    /// It did not answer in time. A command may have been carried out all the same.
    Late,
    /// The browser's address is not known, so nothing was asked.
    NoPeer,
    /// What it answered is none of v1.
    Unreadable,
}

/// An error as v1 tells it.
#[derive(Debug, Clone)]
pub struct Refusal {
    pub status: StatusCode,
    /// For programs.
    pub code: String,
    /// For people.
    pub message: String,
    pub meta: Map<String, Value>,
    /// Seconds after which it may go better.
    pub retry_after: Option<u64>,
    /// Under which id the request is known; told of what is no fault of whoever asked.
    pub request_id: Option<String>,
}

/// What is wrong with one field.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Issue {
    pub path: String,
    pub message: String,
}

#[derive(Deserialize)]
struct Body {
    error: String,
    meta: Map<String, Value>,
}

impl Failure {
    /// Of a call; where it went may hold what people searched for.
    pub fn away(error: reqwest::Error) -> Self {
        Self::Away(error.without_url())
    }

    /// What an answer that is no success says.
    pub fn refused(status: StatusCode, headers: &HeaderMap, body: &[u8]) -> Self {
        let Ok(body) = serde_json::from_slice::<Body>(body) else {
            return Self::Unreadable;
        };
        let code = body.meta.get("code").and_then(Value::as_str);
        let retry_after = headers.get(RETRY_AFTER);
        Self::Refused(Box::new(Refusal {
            status,
            code: code.unwrap_or_default().to_owned(),
            message: body.error,
            retry_after: retry_after.and_then(|value| value.to_str().ok()?.parse().ok()),
            meta: body.meta,
            request_id: None,
        }))
    }

    /// The refusal, if it is one with this code.
    pub fn refusal(&self, code: &str) -> Option<&Refusal> {
        match self {
            Self::Refused(refusal) if refusal.code == code => Some(refusal),
            _ => None,
        }
    }
}

impl Refusal {
    /// What is wrong with which field.
    pub fn issues(&self) -> Vec<Issue> {
        let issues = self.meta.get("issues").cloned();
        let issues = issues.and_then(|issues| serde_json::from_value(issues).ok());
        issues.unwrap_or_default()
    }
}
