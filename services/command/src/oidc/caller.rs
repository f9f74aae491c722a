//! Calls of the provider: judged addresses, nothing followed, and no more read than such answers have.

use std::future::Future;
use std::pin::Pin;

use domain::webhook::{WebhookUrl, WebhookUrlError};
use futures_util::StreamExt;
use openidconnect::{AsyncHttpClient, HttpRequest, HttpResponse};

use crate::outgoing::{Guard, NotAllowed, same_host};

/// Most bytes of an answer: sets of keys have a few thousand.
const ANSWER_BYTES: usize = 256 * 1024;

/// Calls the provider for the library that knows what to ask.
#[derive(Clone)]
pub struct ProviderCaller {
    pub client: reqwest::Client,
    pub guard: Guard,
}

/// Why a call came to nothing.
#[derive(Debug, thiserror::Error)]
pub enum CallError {
    /// The provider names an address that cannot be read in one way only.
    #[error("the provider names an address that is none")]
    Form(#[source] Option<WebhookUrlError>),
    /// The provider names an address that the operator does not allow.
    #[error("the provider names an address that is not connected to")]
    NotAllowed(#[source] NotAllowed),
    /// There was no answer, or none to its end.
    #[error("the provider cannot be reached")]
    Away(#[source] reqwest::Error),
    /// Nothing is followed.
    #[error("the provider answers that it is elsewhere")]
    Redirect,
    /// More than any such answer has.
    #[error("the provider's answer has more than {ANSWER_BYTES} bytes")]
    TooLong,
    /// What came is no answer of HTTP.
    #[error("the provider's answer cannot be read")]
    Unreadable(#[from] http::Error),
}

impl ProviderCaller {
    async fn call(&self, request: HttpRequest) -> Result<HttpResponse, CallError> {
        let (parts, body) = request.into_parts();
        let url = WebhookUrl::parse(&parts.uri.to_string());
        let url = url.map_err(|error| CallError::Form(Some(error)))?;
        self.guard.judge(&url).map_err(CallError::NotAllowed)?;
        let target = same_host(&url).ok_or(CallError::Form(None))?;
        let call = self.client.request(parts.method, target);
        let answer = call.headers(parts.headers).body(body).send().await;
        let answer = answer.map_err(away)?;
        if answer.status().is_redirection() {
            return Err(CallError::Redirect);
        }
        let mut response = http::Response::builder().status(answer.status());
        if let Some(headers) = response.headers_mut() {
            headers.clone_from(answer.headers());
        }
        let mut body = Vec::new();
        let mut chunks = answer.bytes_stream();
        while let Some(chunk) = chunks.next().await {
            let chunk = chunk.map_err(away)?;
            if body.len() + chunk.len() > ANSWER_BYTES {
                return Err(CallError::TooLong);
            }
            body.extend_from_slice(&chunk);
        }
        Ok(response.body(body)?)
    }
}

/// What is told of it goes to the log, where no address belongs that somebody else wrote.
fn away(error: reqwest::Error) -> CallError {
    CallError::Away(error.without_url())
}

impl<'c> AsyncHttpClient<'c> for ProviderCaller {
    type Error = CallError;
    type Future = Pin<Box<dyn Future<Output = Result<HttpResponse, CallError>> + Send + 'c>>;

    fn call(&'c self, request: HttpRequest) -> Self::Future {
        Box::pin(Self::call(self, request))
    }
}
