//! As much of a browser as signing in and loading pages needs.

use std::time::Duration;

use reqwest::header::{ACCEPT_ENCODING, COOKIE, LOCATION, ORIGIN, SET_COOKIE};
use reqwest::{Client, Response, redirect};
use runtime::clock::Clock;

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
    /// Style, scripts and pictures that it names.
    pub assets: Vec<String>,
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
            .header("content-type", "application/x-www-form-urlencoded")
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

    /// Loads it as a browser does that takes compressed answers.
    pub async fn load(&self, path: &str, cookie: &str) -> Result<Loaded, BenchError> {
        let request = self.client.get(self.at(path)).header(COOKIE, cookie);
        // Nothing here unpacks: what is compressed is loaded once more, to see what it names.
        let plain = request.try_clone();
        let began = self.clock.monotonic();
        let answer = request.header(ACCEPT_ENCODING, "gzip").send().await;
        let answer = found(path, answer.map_err(|error| wrong(&error))?)?;
        let body = answer.bytes().await.map_err(|error| wrong(&error))?;
        let took = self.clock.monotonic().saturating_since(began);
        Ok(Loaded {
            nanos: u64::try_from(took.as_nanos()).unwrap_or(u64::MAX),
            bytes: body.len() as u64,
            assets: match plain {
                Some(plain) if !path.starts_with("/assets") => {
                    let answer = plain.send().await.map_err(|error| wrong(&error))?;
                    assets(&answer.text().await.map_err(|error| wrong(&error))?)
                }
                _ => Vec::new(),
            },
        })
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

fn assets(page: &str) -> Vec<String> {
    let parts = page.split('"').filter(|part| part.starts_with("/assets/"));
    parts.map(ToOwned::to_owned).collect()
}

fn between<'a>(text: &'a str, before: &str, after: &str) -> Option<&'a str> {
    let (_, rest) = text.split_once(before)?;
    rest.split_once(after).map(|(found, _)| found)
}
