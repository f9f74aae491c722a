//! Bodies of posts, and the token without which none is taken.
//!
//! The token is a hash of what the browser keeps for us and no other site can read: the session
//! credential, or, before anybody is signed in, a random text. So nothing has to be stored, and a token is
//! worth nothing with another session.

use std::time::Duration;

use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{FromRequest, Request};
use http::header::ORIGIN;
use http::{HeaderMap, HeaderValue};
use runtime::files;
use secrecy::ExposeSecret;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use crate::app::Shared;
use crate::cookies;
use crate::page::Problem;
use crate::visit::Visit;

/// Most bytes of a form's body.
pub const FORM_BYTES: usize = 64 * 1024;
/// How long the body of a form may take to come.
const FORM_WITHIN: Duration = Duration::from_secs(30);
/// The field that carries the token.
pub const TOKEN_FIELD: &str = "form_token";
/// The field that makes of a form sent twice one command.
pub const ONCE_FIELD: &str = "once";

/// Separates this use of the credential from every other.
const PURPOSE: &[u8] = b"trackagoat console form\n";

/// The token of a visit's forms; empty if the browser keeps nothing for us yet.
pub fn token(visit: &Visit) -> String {
    let kept = visit.credential().map(|it| it.expose_secret().to_owned());
    let kept = kept.or_else(|| cookies::browser(&visit.jar));
    kept.map(|kept| hash(&kept)).unwrap_or_default()
}

fn hash(kept: &str) -> String {
    let mut hash = Sha256::new();
    hash.update(PURPOSE);
    hash.update(kept);
    files::hex(&hash.finalize())
}

/// What was filled in.
#[derive(Debug, Clone, Default)]
pub struct Fields(Vec<(String, String)>);

impl Fields {
    /// A field's text, trimmed; empty if it is not there.
    pub fn text(&self, name: &str) -> &str {
        let found = self.0.iter().find(|(field, _)| field == name);
        found.map_or("", |(_, value)| value.trim())
    }

    /// A field's text exactly as it was typed, for passwords.
    pub fn exact(&self, name: &str) -> &str {
        let found = self.0.iter().find(|(field, _)| field == name);
        found.map_or("", |(_, value)| value)
    }

    /// The same, if something was filled in.
    pub fn some(&self, name: &str) -> Option<&str> {
        Some(self.text(name)).filter(|text| !text.is_empty())
    }

    /// Whether a box was ticked.
    pub fn is_ticked(&self, name: &str) -> bool {
        !self.text(name).is_empty()
    }

    /// All values of boxes or lists with this name.
    pub fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        let of_name = self.0.iter().filter(move |(field, _)| field == name);
        of_name.map(|(_, value)| value.as_str())
    }

    pub(crate) fn parse(body: &[u8]) -> Self {
        Self(url::form_urlencoded::parse(body).into_owned().collect())
    }
}

/// A post that came from one of our own forms.
pub struct Form {
    pub visit: Visit,
    pub fields: Fields,
}

impl FromRequest<Shared> for Form {
    type Rejection = Problem;

    async fn from_request(request: Request, app: &Shared) -> Result<Self, Problem> {
        use axum::extract::FromRequestParts;

        let (mut parts, body) = request.into_parts();
        let Ok(visit) = Visit::from_request_parts(&mut parts, app).await;
        let is_plain = is_plain(&parts.headers);
        let request = Request::from_parts(parts, body);
        let reading = Bytes::from_request(request, app);
        let body = app.clock.timeout(FORM_WITHIN, reading).await;
        let body: Result<Bytes, BytesRejection> = body.map_err(|_| Problem::form_late(&visit))?;
        let body = body.map_err(|_| Problem::form_too_large(&visit))?;
        let fields = Fields::parse(&body);
        let expected = token(&visit);
        if expected.is_empty() {
            return Err(Problem::no_cookies(&visit, is_plain));
        }
        let is_ours = expected
            .as_bytes()
            .ct_eq(fields.text(TOKEN_FIELD).as_bytes());
        if !bool::from(is_ours) {
            return Err(Problem::not_our_form(&visit));
        }
        Ok(Self { visit, fields })
    }
}

/// Whether the form was opened by an address without TLS, with which browsers keep no cookie of ours.
fn is_plain(headers: &HeaderMap) -> bool {
    let origin = headers.get(ORIGIN).map(HeaderValue::as_bytes);
    origin.is_some_and(|origin| origin.starts_with(b"http://"))
}

/// A post of somebody who is signed in.
pub struct SignedForm {
    pub visit: Visit,
    pub fields: Fields,
}

impl FromRequest<Shared> for SignedForm {
    type Rejection = Problem;

    async fn from_request(request: Request, app: &Shared) -> Result<Self, Problem> {
        let Form { visit, fields } = match Form::from_request(request, app).await {
            Ok(form) => form,
            Err(problem) => return Err(problem),
        };
        if visit.credential().is_none() {
            return Err(Problem::signed_out(&visit));
        }
        Ok(Self { visit, fields })
    }
}

#[cfg(test)]
mod tests {
    use super::{Fields, hash};

    #[test]
    fn a_token_is_of_one_session_alone() {
        assert_eq!(hash("a").len(), 64);
        assert_ne!(hash("a"), hash("b"));
        // Not the stored form of the credential.
        let stored = "ca978112ca1bbdcafac231b39a23dc4da786eff8147c4e72b9807785afee48bb";
        assert_ne!(hash("a"), stored);
    }

    #[test]
    fn fields_are_read_as_browsers_write_them() {
        let fields = Fields::parse(b"name=+A%26B+&scopes=read&scopes=write&list=a%0D%0A%0D%0A+b");
        assert_eq!(fields.text("name"), "A&B");
        assert_eq!(fields.exact("name"), " A&B ");
        assert_eq!(fields.all("scopes").collect::<Vec<_>>(), ["read", "write"]);
        assert_eq!(fields.some("missing"), None);
        assert!(!fields.is_ticked("missing"));
    }
}
