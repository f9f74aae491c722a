//! What is shown when something fails: what it is, whether anything was done, and what to do.

use std::sync::Arc;

use askama::Template;
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use http::header::RETRY_AFTER;
use serde_json::Map;

use super::{Framed, Next, Shell, render};
use crate::client::{Failure, Refusal};
use crate::cookies;
use crate::form::Sent;
use crate::text::capitalized;
use crate::visit::{Visit, see_other};

/// A request that came to nothing, and for which page.
pub struct Problem(Box<Inner>);

struct Inner {
    visit: Visit,
    what: What,
    /// The same for a form that is shown again.
    on_form: Option<Refusal>,
}

enum What {
    /// The session is over, or there is none.
    SignedOut,
    NotOurForm,
    /// The browser kept nothing for us: because there was no TLS, or because it may not.
    NoCookies {
        is_plain: bool,
    },
    FormTooLarge,
    FormLate,
    NotFound,
    Call(Failure),
}

impl Problem {
    pub fn signed_out(visit: &Visit) -> Self {
        Self::new(visit, What::SignedOut)
    }

    pub fn not_our_form(visit: &Visit) -> Self {
        Self::new(visit, What::NotOurForm)
    }

    pub fn no_cookies(visit: &Visit, is_plain: bool) -> Self {
        Self::new(visit, What::NoCookies { is_plain })
    }

    pub fn form_late(visit: &Visit) -> Self {
        Self::new(visit, What::FormLate)
    }

    pub fn form_too_large(visit: &Visit) -> Self {
        Self::new(visit, What::FormTooLarge)
    }

    pub fn not_found(visit: &Visit) -> Self {
        Self::new(visit, What::NotFound)
    }

    pub fn call(visit: &Visit, failure: Failure) -> Self {
        Self::new(visit, What::Call(failure))
    }

    fn new(visit: &Visit, what: What) -> Self {
        let on_form = match &what {
            What::Call(failure) if visit.is_post => Some(on_form(visit, failure)),
            _ => None,
        };
        Self(Box::new(Inner {
            visit: visit.clone(),
            what,
            on_form,
        }))
    }

    /// Why a page is to be shown again, with what was asked or entered, and this beside it: because the API
    /// refused that, or, of a form, because the call of it failed in whichever way.
    pub fn refusal(&self) -> Option<&Refusal> {
        let told = self.told();
        let told = told.filter(|refusal| refusal.status.is_client_error());
        told.or(self.0.on_form.as_ref())
    }

    /// Whether the session is over.
    pub fn is_signed_out(&self) -> bool {
        matches!(self.0.what, What::SignedOut)
    }

    /// Why the API did not do it, if it told.
    pub fn told(&self) -> Option<&Refusal> {
        match &self.0.what {
            What::Call(Failure::Refused(refusal)) => Some(refusal),
            _ => None,
        }
    }

    /// In words, for a page that goes on all the same, with the status it then has; none where whoever asks
    /// must sign in first.
    pub fn in_words(&self) -> Option<(StatusCode, String)> {
        let what = &self.0.what;
        if matches!(what, What::SignedOut) {
            return None;
        }
        let said = Said::of(what);
        Some((said.status, said.in_words()))
    }

    /// The code of the API's refusal, whoever is to blame; empty if it did not refuse.
    pub fn code(&self) -> &str {
        match &self.0.what {
            What::Call(Failure::Refused(refusal)) => &refusal.code,
            _ => "",
        }
    }
}

#[derive(Template)]
#[template(path = "problem.html")]
struct ProblemPage {
    shell: Shell,
    status: u16,
    /// What is wrong.
    text: String,
    /// What to do.
    advice: String,
    code: String,
    request_id: String,
    /// Where to try again.
    again: Option<String>,
    /// What to send again: what was entered is not lost.
    sent: Option<Arc<Sent>>,
}

impl Framed for ProblemPage {
    fn shell(&self) -> &Shell {
        &self.shell
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let Inner {
            mut visit, what, ..
        } = *self.0;
        let failure = match what {
            What::SignedOut => {
                let next = Next::new(&visit.place, visit.is_post);
                visit.jar = cookies::sign_out(visit.jar);
                return see_other(&visit, &next.after("/login"));
            }
            what => what,
        };
        let said = Said::of(&failure);
        let page = ProblemPage {
            shell: Shell::unknown(&visit, said.title),
            status: said.status.as_u16(),
            text: said.in_addition(),
            advice: said.advice,
            code: said.code,
            request_id: visit.request_id().to_owned(),
            again: said.may_repeat.then(|| visit.place.clone()),
            sent: visit.sent().filter(|_| said.may_repeat).cloned(),
        };
        let mut response = render(said.status, &page);
        if let Some(seconds) = said.retry_after {
            response.headers_mut().insert(RETRY_AFTER, seconds.into());
        }
        response
    }
}

/// With a capital and a full stop.
fn sentence(text: &str) -> String {
    let mut sentence = capitalized(text);
    if !sentence.ends_with(['.', '!', '?']) {
        sentence.push('.');
    }
    sentence
}

/// What a form is shown again with.
fn on_form(visit: &Visit, failure: &Failure) -> Refusal {
    let said = Said::of_call(failure);
    Refusal {
        status: said.status,
        message: said.in_words(),
        code: said.code,
        meta: Map::new(),
        retry_after: said.retry_after,
        request_id: Some(visit.request_id().to_owned()),
    }
}

struct Said {
    status: StatusCode,
    title: &'static str,
    text: String,
    advice: String,
    code: String,
    retry_after: Option<u64>,
    may_repeat: bool,
}

impl Said {
    fn new(status: StatusCode, title: &'static str, text: &str, advice: &str) -> Self {
        Self {
            status,
            title,
            text: text.to_owned(),
            advice: advice.to_owned(),
            code: String::new(),
            retry_after: None,
            may_repeat: false,
        }
    }

    /// All of it, in sentences.
    fn in_words(&self) -> String {
        let parts = [
            sentence(self.title),
            self.in_addition(),
            self.advice.clone(),
        ];
        let parts = parts.iter().filter(|part| !part.is_empty());
        parts.map(String::as_str).collect::<Vec<_>>().join(" ")
    }

    /// What is said beside the title, in a sentence; nothing if that says it all.
    fn in_addition(&self) -> String {
        if self.text.eq_ignore_ascii_case(self.title) {
            return String::new();
        }
        sentence(&self.text)
    }

    fn of(what: &What) -> Self {
        match what {
            What::SignedOut | What::NotOurForm => Self::new(
                StatusCode::FORBIDDEN,
                "This form is out of date",
                "The form was not sent from this console, or you signed in or out since it was opened.",
                "Nothing was done. Go back, load the page again, and send it once more.",
            ),
            What::NoCookies { is_plain: true } => Self::new(
                StatusCode::FORBIDDEN,
                "This console needs HTTPS",
                "You opened it by an address that begins with http://. Browsers keep its cookies only with https://, and without them nobody stays signed in.",
                "Nothing was done. Open the console by its https:// address, or ask your operator for one.",
            ),
            What::NoCookies { is_plain: false } => Self::new(
                StatusCode::FORBIDDEN,
                "Your browser keeps no cookies for this console",
                "The form came without the cookie that was sent with it. Without cookies nobody stays signed in.",
                "Nothing was done. Allow cookies for this site, load the page again, and send it once more.",
            ),
            What::FormLate => Self::new(
                StatusCode::REQUEST_TIMEOUT,
                "That took too long",
                "The form did not arrive within 30 seconds.",
                "Nothing was done. Go back, and send it once more.",
            ),
            What::FormTooLarge => Self::new(
                StatusCode::PAYLOAD_TOO_LARGE,
                "That is too much",
                "A form takes at most 64 KiB.",
                "Nothing was done. Shorten what you filled in.",
            ),
            What::NotFound => Self::new(
                StatusCode::NOT_FOUND,
                "Not found",
                "There is no such page, or it belongs to another organization.",
                "Check the address, or the organization you are signed in to.",
            ),
            What::Call(failure) => Self::of_call(failure),
        }
    }

    fn of_call(failure: &Failure) -> Self {
        match failure {
            Failure::Refused(refusal) => Self::of_refusal(refusal),
            Failure::Away(_) => Self {
                may_repeat: true,
                retry_after: Some(2),
                ..Self::new(
                    StatusCode::BAD_GATEWAY,
                    "The service cannot be reached",
                    "The console could not reach the API.",
                    "Try again in a moment. If you just changed something, look first whether it was done.",
                )
            },
            Failure::Late => Self {
                may_repeat: true,
                ..Self::new(
                    StatusCode::GATEWAY_TIMEOUT,
                    "That took too long",
                    "The API did not answer in time.",
                    "Try again. If you just changed something, look first whether it was done.",
                )
            },
            Failure::NoPeer => Self::new(
                StatusCode::INTERNAL_SERVER_ERROR,
                "Something went wrong",
                "The console does not know from which address you came, so it asked for nothing.",
                "Nothing was done. Tell your operator the request below.",
            ),
            Failure::Unreadable => Self::new(
                StatusCode::BAD_GATEWAY,
                "Something went wrong",
                "The API answered in a way this console does not understand.",
                "If it happens again, tell your operator the request below.",
            ),
        }
    }

    fn of_refusal(refusal: &Refusal) -> Self {
        let (title, advice) = match (refusal.status.as_u16(), refusal.code.as_str()) {
            (404, _) => (
                "Not found",
                "It may have been removed, or belong to another organization.",
            ),
            (403, "org_suspended") => (
                "This organization is suspended",
                "Your operator suspended it. Ask them what is to be done.",
            ),
            (403, "user_suspended") => (
                "Your account is suspended",
                "Your operator suspended it. Ask them what is to be done.",
            ),
            (403, _) => (
                "You may not do that",
                "Ask an admin of the organization, or sign in as one.",
            ),
            (409, "idempotency_in_progress") => (
                "This was sent twice",
                "It is done once all the same: look in a moment.",
            ),
            (402, _) => (
                "The plan's limit is reached",
                "Make room, or ask your operator for more. Plan and limits shows what is used.",
            ),
            (429, _) => (
                "Too many requests",
                "Wait a moment, then load the page again.",
            ),
            (503, "outcome_unknown") => (
                "It is unknown whether that was done",
                "Look first whether it was, then try again.",
            ),
            (503, _) => ("Not just now", "Nothing was done. Try again in a moment."),
            (500, _) => (
                "Something went wrong",
                "If it happens again, tell your operator the request below.",
            ),
            _ => ("That did not work", "Nothing was done."),
        };
        Self {
            code: refusal.code.clone(),
            retry_after: refusal.retry_after,
            may_repeat: refusal.status.is_server_error() || refusal.status.as_u16() == 429,
            ..Self::new(refusal.status, title, &refusal.message, advice)
        }
    }
}
