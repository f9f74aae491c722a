//! The frame around every page.

mod errors;
mod next;
mod notice;
mod problem;

use api::v1::Org;
use askama::Template;
use axum::response::{Html, IntoResponse, Response};
use axum_extra::extract::CookieJar;
use chrono::{DateTime, Utc};
use chrono_tz::Tz;
use http::StatusCode;
use http::header::RETRY_AFTER;

pub use self::errors::Errors;
pub use self::next::Next;
pub use self::notice::{Notice, take as take_notice, tell};
pub use self::problem::Problem;
use crate::assets::Assets;
use crate::client::Refusal;
use crate::form;
use crate::visit::{VARY_HX, Visit, Who};

/// Where in the navigation a page stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Nav {
    Projects,
    Audit,
    General,
    Keys,
    Members,
    Limits,
    Sessions,
    Account,
    /// Nowhere: nobody is signed in.
    Outside,
}

impl Nav {
    /// As templates ask for it.
    const fn name(self) -> &'static str {
        match self {
            Self::Projects => "projects",
            Self::Audit => "audit",
            Self::General => "general",
            Self::Keys => "keys",
            Self::Members => "members",
            Self::Limits => "limits",
            Self::Sessions => "sessions",
            Self::Account => "account",
            Self::Outside => "outside",
        }
    }

    const fn is_settings(self) -> bool {
        !matches!(self, Self::Projects | Self::Audit | Self::Outside)
    }
}

/// What every page's frame shows.
pub struct Shell {
    pub title: String,
    pub nav: Nav,
    pub who: Option<Who>,
    /// Whether whoever asks has a session, of which nothing is known here: the ways on are shown without names.
    pub has_session: bool,
    /// The token of this page's forms.
    pub token: String,
    pub assets: Assets,
    pub notice: Option<Notice>,
    now: DateTime<Utc>,
    is_part: bool,
    jar: CookieJar,
}

impl Shell {
    /// Around a page of somebody who is signed in; a whole one tells what there is to tell.
    pub fn signed(visit: &Visit, who: Who, nav: Nav, title: impl Into<String>) -> Self {
        let shell = Self {
            who: Some(who),
            ..Self::outside(visit, nav, title)
        };
        if visit.is_part {
            return shell;
        }
        shell.with_notice()
    }

    /// Around a page for everybody.
    pub fn outside(visit: &Visit, nav: Nav, title: impl Into<String>) -> Self {
        Self {
            title: title.into(),
            nav,
            who: None,
            has_session: false,
            token: form::token(visit),
            assets: visit.app.assets.clone(),
            notice: None,
            now: visit.app.clock.now(),
            is_part: visit.is_part,
            jar: visit.jar.clone(),
        }
    }

    /// Around a page of which it is not known for whom it is, since that could not be asked.
    pub fn unknown(visit: &Visit, title: impl Into<String>) -> Self {
        Self {
            has_session: visit.credential().is_some(),
            ..Self::outside(visit, Nav::Outside, title)
        }
    }

    /// With what the last command came to, if it is told on this page; it is told once.
    #[must_use]
    pub fn with_notice(mut self) -> Self {
        let (notice, jar) = take_notice(self.jar);
        self.notice = self.notice.or(notice);
        self.jar = jar;
        self
    }

    /// The zone in which times are shown.
    pub fn zone(&self) -> Tz {
        self.who.as_ref().map_or(Tz::UTC, |who| who.zone)
    }

    /// Their org, if its plan lets keys make no requests, but for what an operator allowed.
    pub fn without_requests(&self) -> Option<&Org> {
        let org = self.who.as_ref().map(|who| &who.org);
        org.filter(|org| org.plan.name() == "free")
    }

    /// When the page was made.
    pub fn now(&self) -> DateTime<Utc> {
        self.now
    }

    /// Whether the page stands there.
    pub fn is_at(&self, name: &str) -> bool {
        self.nav.name() == name
    }

    /// Whether the settings' own navigation is shown.
    pub fn is_settings(&self) -> bool {
        self.nav.is_settings()
    }

    /// Whether only the part below the frame was asked for.
    pub fn is_part(&self) -> bool {
        self.is_part
    }

    /// Whether they administer the org.
    pub fn is_admin(&self) -> bool {
        self.who.as_ref().is_some_and(Who::is_admin)
    }
}

/// A template that stands in a frame.
pub trait Framed: Template {
    fn shell(&self) -> &Shell;
}

/// A page, with its status.
pub fn render(status: StatusCode, page: &impl Framed) -> Response {
    let jar = page.shell().jar.clone();
    let text = match page.render() {
        Ok(text) => text,
        Err(error) => {
            tracing::error!(%error, "a page cannot be written");
            return StatusCode::INTERNAL_SERVER_ERROR.into_response();
        }
    };
    (status, [VARY_HX], jar, Html(text)).into_response()
}

/// A page that is shown again, with why.
pub fn refused(refusal: &Refusal, page: &impl Framed) -> Response {
    let mut response = render(refusal.status, page);
    if let Some(seconds) = refusal.retry_after {
        response.headers_mut().insert(RETRY_AFTER, seconds.into());
    }
    response
}

/// A page that was found.
pub fn ok(page: &impl Framed) -> Response {
    render(StatusCode::OK, page)
}
