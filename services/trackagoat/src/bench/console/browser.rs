//! As much of a browser as signing in and loading pages needs.

use std::time::Duration;

use reqwest::header::{
    ACCEPT_ENCODING, CONTENT_TYPE, COOKIE, HeaderName, LOCATION, ORIGIN, RETRY_AFTER, SET_COOKIE,
};
use reqwest::{Client, Response, StatusCode, redirect};
use runtime::clock::{Clock, Monotonic};

use crate::bench::error::BenchError;

const ANSWER_WITHIN: Duration = Duration::from_secs(30);

/// Loads pages of one console.
pub struct Browser {
    client: Client,
    console: String,
    clock: Clock,
}

/// A page, or what it names.
pub struct Loaded {
    /// From the request until all of it was there.
    pub nanos: u64,
    /// As sent, without headers.
    pub bytes: u64,
}

/// What is behind an address.
pub enum Found {
    /// A page, as it is without compression.
    Page(String),
    /// Another place.
    Elsewhere(String),
    /// What is no page, and is not loaded.
    File,
}

impl Browser {
    /// Of the console there.
    pub fn new(console: &str, clock: &Clock) -> Result<Self, BenchError> {
        let client = Client::builder()
            .no_proxy()
            .redirect(redirect::Policy::none())
            .timeout(ANSWER_WITHIN)
            .build()
            .map_err(|error| wrong(&error))?;
        Ok(Self {
            client,
            console: console.trim_end_matches('/').to_owned(),
            clock: clock.clone(),
        })
    }

    /// Signs in; the cookies of the session.
    pub async fn sign_in(&self, email: &str, password: &str) -> Result<String, BenchError> {
        let page = self
            .client
            .get(self.at("/login"))
            .send()
            .await
            .map_err(|error| wrong(&error))?;
        let cookie = cookies(&page);
        let text = page.text().await.map_err(|error| wrong(&error))?;
        let token = between(&text, "name=\"form_token\" value=\"", "\"");
        let token = token.ok_or_else(|| BenchError::Wrong("the form has no token".to_owned()))?;
        let body = url::form_urlencoded::Serializer::new(String::new())
            .append_pair("form_token", token)
            .append_pair("email", email)
            .append_pair("password", password)
            .finish();
        let answer = self
            .client
            .post(self.at("/login"))
            .header(ORIGIN, &self.console)
            .header(COOKIE, cookie)
            .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
            .body(body)
            .send()
            .await
            .map_err(|error| wrong(&error))?;
        if !answer.headers().contains_key(LOCATION) {
            let status = answer.status();
            return Err(BenchError::Wrong(format!(
                "signing in was answered {status}"
            )));
        }
        Ok(cookies(&answer))
    }

    /// Looks at what is there.
    pub async fn find(&self, path: &str, cookie: &str) -> Result<Found, BenchError> {
        let (_, answer) = self.get(path, cookie, "identity").await?;
        if let Some(place) = header(&answer, &LOCATION) {
            return Ok(Found::Elsewhere(place.to_owned()));
        }
        let answer = found(path, answer)?;
        if !header(&answer, &CONTENT_TYPE).is_some_and(|kind| kind.starts_with("text/html")) {
            return Ok(Found::File);
        }
        let text = answer.text().await.map_err(|error| wrong(&error))?;
        Ok(Found::Page(text))
    }

    /// Loads it as a browser does that takes compressed answers; nothing is unpacked.
    pub async fn load(&self, path: &str, cookie: &str) -> Result<Loaded, BenchError> {
        let (began, answer) = self.get(path, cookie, "gzip").await?;
        let answer = found(path, answer)?;
        let body = answer.bytes().await.map_err(|error| wrong(&error))?;
        let took = self.clock.monotonic().saturating_since(began);
        Ok(Loaded {
            nanos: u64::try_from(took.as_nanos()).unwrap_or(u64::MAX),
            bytes: body.len() as u64,
        })
    }

    /// Asks for it, once the session may make requests, and says when that was.
    async fn get(
        &self,
        path: &str,
        cookie: &str,
        encoding: &str,
    ) -> Result<(Monotonic, Response), BenchError> {
        loop {
            let request = self.client.get(self.at(path)).header(COOKIE, cookie);
            let began = self.clock.monotonic();
            let answer = request.header(ACCEPT_ENCODING, encoding).send().await;
            let answer = answer.map_err(|error| wrong(&error))?;
            if answer.status() != StatusCode::TOO_MANY_REQUESTS {
                return Ok((began, answer));
            }
            let seconds = header(&answer, &RETRY_AFTER).and_then(|text| text.parse().ok());
            let wait = Duration::from_secs(seconds.unwrap_or(1));
            self.clock.sleep(wait).await;
        }
    }

    fn at(&self, path: &str) -> String {
        format!("{}{path}", self.console)
    }
}

fn found(path: &str, answer: Response) -> Result<Response, BenchError> {
    let status = answer.status();
    if status.is_success() {
        return Ok(answer);
    }
    Err(BenchError::Wrong(format!("{path} was answered {status}")))
}

fn header<'a>(answer: &'a Response, name: &HeaderName) -> Option<&'a str> {
    answer.headers().get(name)?.to_str().ok()
}

fn wrong(error: &reqwest::Error) -> BenchError {
    BenchError::Wrong(error.to_string())
}

/// What an answer has the browser keep.
fn cookies(answer: &Response) -> String {
    let set = answer.headers().get_all(SET_COOKIE).iter();
    let set = set.filter_map(|value| value.to_str().ok()?.split(';').next());
    let kept = set.filter(|pair| !pair.ends_with('='));
    kept.collect::<Vec<_>>().join("; ")
}

fn between<'a>(text: &'a str, before: &str, after: &str) -> Option<&'a str> {
    let (_, rest) = text.split_once(before)?;
    rest.split_once(after).map(|(found, _)| found)
}
