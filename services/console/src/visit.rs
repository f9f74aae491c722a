//! One request of a browser: who is signed in, and the calls that are made for them.

use std::convert::Infallible;
use std::sync::Arc;

use api::limits::PAGE_MAX;
use api::v1::{LimitsAnswer, Org, Scope, SessionSelf};
use axum::extract::FromRequestParts;
use axum_extra::extract::CookieJar;
use chrono_tz::Tz;
use http::header::{REFERER, USER_AGENT, VARY};
use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use runtime::http::{PeerAddr, RequestId};
use runtime::telemetry::chain;
use secrecy::SecretString;
use serde::Serialize;
use serde::de::DeserializeOwned;
use url::Url;

use crate::app::Shared;
use crate::client::{Answer, Caller, Download, Failure, Path};
use crate::cookies;
use crate::form::Sent;
use crate::page::Problem;

/// htmx asks for a part of a page.
pub const HX_REQUEST: HeaderName = HeaderName::from_static("hx-request");
/// What tells htmx to load another page.
pub const HX_REDIRECT: HeaderName = HeaderName::from_static("hx-redirect");

/// A request, whether or not somebody is signed in.
#[derive(Clone)]
pub struct Visit {
    pub app: Shared,
    pub jar: CookieJar,
    caller: Caller,
    /// The page that was asked for, or from which a form came: where to come back to.
    pub place: String,
    /// Whether a part of the page is enough.
    pub is_part: bool,
    /// Whether something was sent to be done.
    pub is_post: bool,
    /// The form that was sent, if it can be sent again.
    sent: Option<Arc<Sent>>,
}

/// A request of somebody who has a session credential; whether it holds, the APIs say.
#[derive(Clone)]
pub struct Signed(pub Visit);

/// Who is signed in, and where.
#[derive(Debug, Clone)]
pub struct Who {
    pub session: SessionSelf,
    pub org: Org,
    /// The org's zone, in which pages show times.
    pub zone: Tz,
}

impl Who {
    /// Whether they may do what needs this scope.
    pub fn may(&self, scope: Scope) -> bool {
        self.session.scopes.contains(scope)
    }

    /// Whether they administer the org.
    pub fn is_admin(&self) -> bool {
        self.may(Scope::Keys)
    }

    /// Whether they may read the audit trail.
    pub fn may_audit(&self) -> bool {
        self.may(Scope::Audit)
    }

    /// What others call them.
    pub fn name(&self) -> &str {
        self.session.user.name.as_deref().unwrap_or("you")
    }
}

impl Visit {
    fn new(app: &Shared, parts: &Parts) -> Self {
        let jar = CookieJar::from_headers(&parts.headers);
        let peer = parts.extensions.get::<PeerAddr>().map(|peer| peer.0);
        let id = parts.extensions.get::<RequestId>().cloned();
        let id = id.unwrap_or_else(|| RequestId::of(&parts.headers, &app.clock, &app.entropy));
        let caller = Caller {
            credential: cookies::session(&jar),
            peer,
            request_id: id.header_value(),
            user_agent: parts.headers.get(USER_AGENT).cloned(),
            min_position: cookies::seen(&jar),
        };
        Self {
            app: Arc::clone(app),
            jar,
            caller,
            place: place(parts),
            is_part: parts.headers.contains_key(&HX_REQUEST),
            is_post: !is_read(&parts.method),
            sent: None,
        }
    }

    /// The credential, if there is one.
    pub fn credential(&self) -> Option<&SecretString> {
        self.caller.credential.as_ref()
    }

    /// The same, with the form that was sent.
    #[must_use]
    pub fn of_form(mut self, sent: Option<Sent>) -> Self {
        self.sent = sent.map(Arc::new);
        self
    }

    /// The form that was sent, if it can be sent again.
    pub fn sent(&self) -> Option<&Arc<Sent>> {
        self.sent.as_ref()
    }

    /// The id under which the APIs know this request, for whoever asks for help.
    pub fn request_id(&self) -> &str {
        self.caller.request_id.to_str().unwrap_or_default()
    }

    /// Asks for something.
    pub async fn get<T: DeserializeOwned>(&self, path: Path) -> Result<Answer<T>, Problem> {
        let answer = self.app.api.get(&self.caller, &path).await;
        answer.map_err(|failure| self.problem(failure))
    }

    /// Asks for a list page by page, for so many pages at most, and whether that is all of it.
    pub async fn get_pages<T: DeserializeOwned>(
        &self,
        path: &Path,
        pages: u16,
    ) -> Result<(Vec<T>, bool), Problem> {
        let mut all = Vec::new();
        let mut cursor = None;
        for _ in 0..pages {
            let path = path.clone().with("limit", PAGE_MAX);
            let page = self.get::<Vec<T>>(path.with_some("cursor", cursor)).await?;
            all.extend(page.data);
            cursor = page.next_cursor;
            if cursor.is_none() {
                return Ok((all, true));
            }
        }
        Ok((all, false))
    }

    /// Asks for a file.
    pub async fn download(&self, path: Path) -> Result<Download, Problem> {
        let answer = self.app.api.download(&self.caller, &path).await;
        answer.map_err(|failure| self.problem(failure))
    }

    /// Commands; `key` makes of a form that is sent twice one command.
    pub async fn command<T: DeserializeOwned>(
        &self,
        method: Method,
        path: Path,
        body: Option<&(impl Serialize + ?Sized + Sync)>,
        key: Option<&str>,
    ) -> Result<Answer<T>, Problem> {
        let api = &self.app.api;
        let answer = api.command(&self.caller, method, &path, body, key).await;
        answer.map_err(|failure| self.problem(failure))
    }

    /// Commands with nothing but a path.
    pub async fn delete<T: DeserializeOwned>(&self, path: Path) -> Result<Answer<T>, Problem> {
        self.command(Method::DELETE, path, None::<&()>, None).await
    }

    /// Who is signed in.
    pub async fn who(&self) -> Result<Who, Problem> {
        let session = self.get::<SessionSelf>(Path::v1(&["sessions", "self"]));
        let org = self.get::<Org>(Path::v1(&["orgs", "self"]));
        let (session, org) = tokio::try_join!(session, org)?;
        let zone = org.data.timezone.parse().unwrap_or(Tz::UTC);
        Ok(Who {
            session: session.data,
            org: org.data,
            zone,
        })
    }

    /// Notes the position of a command, so that the next page shows it.
    #[must_use]
    pub fn seen<T>(mut self, answer: &Answer<T>) -> Self {
        if let Some(position) = answer.position {
            self.jar = cookies::see(self.jar, position);
            self.caller.min_position = Some(position);
        }
        self
    }

    /// The same request, made with another session.
    #[must_use]
    pub fn with_session(mut self, credential: SecretString) -> Self {
        self.caller.credential = Some(credential);
        self
    }

    /// Who is signed in, and what the org's limits are.
    pub async fn who_and_limits(&self) -> Result<(Who, LimitsAnswer), Problem> {
        let limits = self.get::<LimitsAnswer>(Path::v1(&["limits"]));
        let (who, limits) = tokio::try_join!(self.who(), limits)?;
        Ok((who, limits.data))
    }

    fn problem(&self, failure: Failure) -> Problem {
        let request_id = self.request_id();
        match &failure {
            Failure::Away(error) => {
                tracing::error!(request_id, error = %chain(error), "the API cannot be reached");
            }
            Failure::Late => tracing::error!(request_id, "the API did not answer in time"),
            Failure::Unreadable => {
                tracing::error!(request_id, "the API answered what is none of v1");
            }
            Failure::Refused(_) | Failure::NoPeer => {}
        }
        if self.credential().is_some() && failure.refusal("invalid_api_key").is_some() {
            return Problem::signed_out(self);
        }
        Problem::call(self, failure)
    }
}

impl FromRequestParts<Shared> for Visit {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, app: &Shared) -> Result<Self, Infallible> {
        Ok(Self::new(app, parts))
    }
}

impl FromRequestParts<Shared> for Signed {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &Shared) -> Result<Self, Problem> {
        let visit = Visit::new(app, parts);
        if visit.credential().is_none() {
            return Err(Problem::signed_out(&visit));
        }
        Ok(Self(visit))
    }
}

/// The page asked for; of anything that changes something, the page it was sent from.
fn place(parts: &Parts) -> String {
    if is_read(&parts.method) && !parts.headers.contains_key(&HX_REQUEST) {
        let target = parts.uri.path_and_query();
        return target.map_or("/", |target| target.as_str()).to_owned();
    }
    came_from(&parts.headers).unwrap_or_else(|| "/".to_owned())
}

fn is_read(method: &Method) -> bool {
    matches!(*method, Method::GET | Method::HEAD)
}

fn came_from(headers: &HeaderMap) -> Option<String> {
    let referer: Url = headers.get(REFERER)?.to_str().ok()?.parse().ok()?;
    let place = match referer.query() {
        Some(query) => format!("{}?{query}", referer.path()),
        None => referer.path().to_owned(),
    };
    is_place(&place).then_some(place)
}

/// Whether a text is a page of ours and leads nowhere else.
pub fn is_place(text: &str) -> bool {
    let is_path = text.starts_with('/') && !text.starts_with("//");
    is_path && text.len() <= 2_000 && !text.contains(['\\', '\n', '\r', '\t'])
}

/// What tells caches that parts and pages share an address.
pub const VARY_HX: (HeaderName, HeaderValue) = (VARY, HeaderValue::from_static("hx-request"));

/// 303: the browser gets another page.
pub fn see_other(visit: &Visit, place: &str) -> axum::response::Response {
    use axum::response::IntoResponse;

    let value = HeaderValue::try_from(place).unwrap_or(HeaderValue::from_static("/"));
    if visit.is_part {
        return (visit.jar.clone(), [(HX_REDIRECT, value)]).into_response();
    }
    let location = [(http::header::LOCATION, value)];
    (StatusCode::SEE_OTHER, visit.jar.clone(), location).into_response()
}

#[cfg(test)]
mod tests {
    use super::is_place;

    #[test]
    fn a_place_is_a_page_of_ours() {
        for place in ["/", "/settings/api-keys?status=revoked", "/audit#x"] {
            assert!(is_place(place), "{place}");
        }
        for place in [
            "",
            "settings",
            "//example.com",
            "/\\example.com",
            "https://example.com",
            "/a\r\nset-cookie: b",
        ] {
            assert!(!is_place(place), "{place}");
        }
    }
}
