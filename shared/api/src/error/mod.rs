//! Every refusal that v1 can answer, with its public text and, apart from it, its inner cause.

mod code;
mod public;
mod rejection;
mod render;
#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::error::Error;
use std::fmt;

use domain::ids::GlobalPosition;
use http::{HeaderName, HeaderValue, StatusCode};
use serde_json::Value;

use crate::header::TGA_POSITION;
use crate::input::issue::Issue;

pub use self::code::{ErrorCode, UnknownCode};
pub use self::public::{Caller, HandleRefusal, Jitter, Presented};
pub use self::render::{Rendering, negotiate, rendered};

/// One refusal: a code and public members for the body, and a cause that only logs see.
///
/// The constructors are the sentences of v1-contract.md 5; `?` in a handler ends in one of them.
pub struct ApiError(Box<Parts>);

struct Parts {
    code: ErrorCode,
    message: Cow<'static, str>,
    /// `meta.issues`, the first member after `code`.
    issues: Vec<Issue>,
    /// Further members of `meta`, in the contract's order.
    meta: Vec<(&'static str, Value)>,
    headers: Vec<(HeaderName, HeaderValue)>,
    cause: Option<Box<dyn Error + Send + Sync>>,
}

impl ApiError {
    fn new(code: ErrorCode, message: impl Into<Cow<'static, str>>) -> Self {
        Self(Box::new(Parts {
            code,
            message: message.into(),
            issues: Vec::new(),
            meta: Vec::new(),
            headers: Vec::new(),
            cause: None,
        }))
    }

    /// Adds a member of `meta`.
    #[must_use]
    pub fn with(mut self, name: &'static str, value: impl Into<Value>) -> Self {
        self.0.meta.push((name, value.into()));
        self
    }

    /// Adds a header of the answer.
    #[must_use]
    pub fn with_header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.0.headers.push((name, value));
        self
    }

    /// Remembers why, for the log; it never reaches a body.
    #[must_use]
    pub fn because(mut self, cause: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        self.0.cause = Some(cause.into());
        self
    }

    /// Says at which log position this is the answer.
    #[must_use]
    pub fn at(mut self, position: GlobalPosition) -> Self {
        let position = HeaderValue::from(position.get());
        self.0.headers.push((TGA_POSITION, position));
        self
    }

    /// The code.
    pub fn code(&self) -> ErrorCode {
        self.0.code
    }

    /// The HTTP status.
    pub fn status(&self) -> StatusCode {
        self.0.code.status()
    }

    /// The sentence for people.
    pub fn message(&self) -> &str {
        &self.0.message
    }

    /// What is wrong with the input, at most 20.
    pub fn issues(&self) -> &[Issue] {
        &self.0.issues
    }

    /// Another member of `meta`.
    pub fn meta(&self, name: &str) -> Option<&Value> {
        let members = self.0.meta.iter();
        members
            .filter(|(member, _)| *member == name)
            .map(|(_, value)| value)
            .next()
    }
}

impl fmt::Display for ApiError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.code.name())
    }
}

impl fmt::Debug for ApiError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ApiError")
            .field("code", &self.0.code)
            .field("message", &self.0.message)
            .field("meta", &self.0.meta)
            .field("cause", &self.0.cause)
            .finish_non_exhaustive()
    }
}

impl Error for ApiError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        let cause = self.0.cause.as_deref()?;
        Some(cause)
    }
}
