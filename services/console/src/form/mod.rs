//! Bodies of posts, and the token without which none is taken.
//!
//! The token is a hash of what the browser keeps for us and no other site can read: the session
//! credential, or, before anybody is signed in, a random text. So nothing has to be stored, and a token is
//! worth nothing with another session. It is masked anew in every answer: answers are compressed, and
//! their lengths would tell a text that stands in all of them.

mod token;

use std::fmt;
use std::time::Duration;

use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{FromRequest, FromRequestParts, Request};
use http::header::ORIGIN;
use http::{HeaderMap, HeaderValue};
use secrecy::ExposeSecret;

use self::token::Token;
use crate::app::Shared;
use crate::cookies;
use crate::page::Problem;
use crate::visit::{Signed, Visit};

/// Most bytes of a form's body.
pub const FORM_BYTES: usize = 64 * 1024;
/// How long the body of a form may take to come.
const FORM_WITHIN: Duration = Duration::from_secs(30);
/// The field that carries the token.
pub const TOKEN_FIELD: &str = "form_token";
/// The field that makes of a form sent twice one command.
pub const ONCE_FIELD: &str = "once";

/// Fields whose text is shown to nobody again and not sent again by itself.
const SECRET_FIELDS: [&str; 4] = ["password", "current", "new", "setup_token"];

/// The token of a visit's forms, as this answer writes it; empty if the browser keeps nothing for us yet.
pub fn token(visit: &Visit) -> String {
    let token = expected(visit);
    token.map_or_else(String::new, |token| token.masked(&visit.app.entropy))
}

fn expected(visit: &Visit) -> Option<Token> {
    let kept = visit.credential().map(|it| it.expose_secret().to_owned());
    let kept = kept.or_else(|| cookies::browser(&visit.jar));
    kept.map(|kept| Token::of(&kept))
}

/// What was filled in.
#[derive(Clone, Default)]
pub struct Fields(Vec<(String, String)>);

/// Names alone: passwords are among the texts.
impl fmt::Debug for Fields {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list()
            .entries(self.0.iter().map(|(name, _)| name))
            .finish()
    }
}

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

    /// Whether the field was there, filled in or not.
    pub fn has(&self, name: &str) -> bool {
        self.0.iter().any(|(field, _)| field == name)
    }

    /// All that was sent but the token, to be sent once more; nothing if a secret is among it.
    fn again(&self) -> Option<Self> {
        if SECRET_FIELDS.iter().any(|name| self.has(name)) {
            return None;
        }
        let fields = self.0.iter().filter(|(name, _)| name != TOKEN_FIELD);
        Some(Self(fields.cloned().collect()))
    }

    /// Names and texts, as they were sent.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        let fields = self.0.iter();
        fields.map(|(name, text)| (name.as_str(), text.as_str()))
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

/// A form that was sent, as it can be sent again.
#[derive(Debug)]
pub struct Sent {
    /// Where to.
    pub action: String,
    pub fields: Fields,
}

/// A post that came from one of our own forms.
pub struct Form {
    pub visit: Visit,
    pub fields: Fields,
}

impl FromRequest<Shared> for Form {
    type Rejection = Problem;

    async fn from_request(request: Request, app: &Shared) -> Result<Self, Problem> {
        let (mut parts, body) = request.into_parts();
        let Ok(visit) = Visit::from_request_parts(&mut parts, app).await;
        let is_plain = is_plain(&parts.headers);
        let action = parts.uri.path_and_query().map(ToString::to_string);
        let request = Request::from_parts(parts, body);
        let reading = Bytes::from_request(request, app);
        let body = app.clock.timeout(FORM_WITHIN, reading).await;
        let body: Result<Bytes, BytesRejection> = body.map_err(|_| Problem::form_late(&visit))?;
        let body = body.map_err(|_| Problem::form_too_large(&visit))?;
        let fields = Fields::parse(&body);
        let Some(expected) = expected(&visit) else {
            return Err(Problem::no_cookies(&visit, is_plain));
        };
        if !expected.is(fields.text(TOKEN_FIELD)) {
            return Err(Problem::not_our_form(&visit));
        }
        let sent = action.zip(fields.again());
        let sent = sent.map(|(action, fields)| Sent { action, fields });
        let visit = visit.of_form(sent);
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
        let (mut parts, body) = request.into_parts();
        // Before its token is looked at: who is signed out has none, and is to hear of that.
        Signed::from_request_parts(&mut parts, app).await?;
        let form = Form::from_request(Request::from_parts(parts, body), app);
        let Form { visit, fields } = form.await?;
        Ok(Self { visit, fields })
    }
}

#[cfg(test)]
mod tests;

#[cfg(test)]
mod fields {
    use super::Fields;

    #[test]
    fn fields_are_read_as_browsers_write_them() {
        let fields = Fields::parse(b"name=+A%26B+&scopes=read&scopes=write&list=a%0D%0A%0D%0A+b");
        assert_eq!(fields.text("name"), "A&B");
        assert_eq!(fields.exact("name"), " A&B ");
        assert_eq!(fields.all("scopes").collect::<Vec<_>>(), ["read", "write"]);
        assert_eq!(fields.some("missing"), None);
        assert!(!fields.is_ticked("missing"));
    }

    #[test]
    fn what_was_filled_in_is_not_printed() {
        let printed = format!(
            "{:?}",
            Fields::parse(b"email=a@b.example&password=correct-horse")
        );
        assert_eq!(printed, r#"["email", "password"]"#);
    }

    #[test]
    fn a_form_is_sent_again_without_its_token_and_not_with_a_secret() {
        let again = |body: &[u8]| Fields::parse(body).again();
        let fields = again(b"form_token=x&once=1&scopes=read&scopes=write").expect("fields");
        let fields: Vec<_> = fields.iter().collect();
        assert_eq!(
            fields,
            [("once", "1"), ("scopes", "read"), ("scopes", "write")]
        );
        for secret in ["password", "current", "new", "setup_token"] {
            let body = format!("name=a&{secret}=b");
            assert!(again(body.as_bytes()).is_none(), "{secret}");
        }
    }
}
