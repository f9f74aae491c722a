//! What the console keeps in a browser.

use api::limits::SESSION_DAYS;
use axum_extra::extract::CookieJar;
use axum_extra::extract::cookie::{Cookie, SameSite};
use cookie::time::Duration;
use secrecy::{ExposeSecret, SecretString};

/// The session credential of whoever is signed in.
const SESSION: &str = "__Host-tga_session";
/// A random text that stands for a browser in which nobody is signed in.
const BROWSER: &str = "__Host-tga_browser";
/// The log position of what the person did last, which pages must show.
const SEEN: &str = "__Host-tga_seen";
/// What the page after a command tells, once.
const TOLD: &str = "__Host-tga_told";

/// A sign-in that was begun and ends at a provider.
const FLOW: &str = "__Host-tga_flow";

/// Seconds for which a browser keeps a session: as long as it lasts. Closing the browser does not end one.
const SESSION_SECONDS: i64 = SESSION_DAYS * 24 * 60 * 60;
/// Seconds for which a page waits for what was just done; the read side is never so late.
const SEEN_SECONDS: i64 = 60;
/// Seconds in which the page after a command must be loaded, to tell what it came to.
const TOLD_SECONDS: i64 = 60;
/// Seconds that a sign-in may take at the provider, as the command service has it.
const FLOW_SECONDS: i64 = 600;
/// A cookie of more bytes is not taken by every browser.
const TOLD_BYTES: usize = 3_000;

/// The credential, if it could be one: what is longer is not sent on.
pub fn session(jar: &CookieJar) -> Option<SecretString> {
    let value = jar.get(SESSION)?.value();
    (value.len() <= 100 && value.bytes().all(|byte| byte.is_ascii_graphic()))
        .then(|| value.to_owned().into())
}

/// Signs somebody in: what was known of the browser before is forgotten, but for what pages must show.
pub fn sign_in(jar: CookieJar, credential: &SecretString) -> CookieJar {
    let jar = jar.remove(gone(TOLD)).remove(gone(BROWSER));
    let credential = credential.expose_secret().to_owned();
    jar.add(kept_for(SESSION, credential, SESSION_SECONDS))
}

/// Forgets all but the browser.
pub fn sign_out(jar: CookieJar) -> CookieJar {
    let jar = jar.remove(gone(SESSION)).remove(gone(SEEN));
    jar.remove(gone(TOLD)).remove(gone(BROWSER))
}

/// The text that stands for the browser.
pub fn browser(jar: &CookieJar) -> Option<String> {
    let value = jar.get(BROWSER)?.value();
    (value.len() == 32).then(|| value.to_owned())
}

/// Names the browser.
pub fn name_browser(jar: CookieJar, random: String) -> CookieJar {
    jar.add(ours(BROWSER, random))
}

/// The position that pages must show.
pub fn seen(jar: &CookieJar) -> Option<u64> {
    jar.get(SEEN)?.value().parse().ok()
}

/// Notes it.
pub fn see(jar: CookieJar, position: u64) -> CookieJar {
    jar.add(kept_for(SEEN, position.to_string(), SEEN_SECONDS))
}

/// What is to be told.
pub fn told(jar: &CookieJar) -> Option<String> {
    Some(jar.get(TOLD)?.value().to_owned())
}

/// Notes what is to be told; what is too long is not.
pub fn tell(jar: CookieJar, text: String) -> CookieJar {
    if text.len() > TOLD_BYTES {
        return jar;
    }
    jar.add(kept_for(TOLD, text, TOLD_SECONDS))
}

/// It was told.
pub fn untell(jar: CookieJar) -> CookieJar {
    jar.remove(gone(TOLD))
}

/// A sign-in that was begun.
pub fn flow(jar: &CookieJar) -> Option<String> {
    Some(jar.get(FLOW)?.value().to_owned())
}

/// Notes it. The browser brings it along when the provider sends it back.
pub fn begin_flow(jar: CookieJar, text: String) -> CookieJar {
    jar.add(kept_for(FLOW, text, FLOW_SECONDS))
}

/// It is over.
pub fn end_flow(jar: CookieJar) -> CookieJar {
    jar.remove(gone(FLOW))
}

fn ours(name: &'static str, value: String) -> Cookie<'static> {
    Cookie::build((name, value))
        .path("/")
        .secure(true)
        .http_only(true)
        .same_site(SameSite::Lax)
        .build()
}

fn kept_for(name: &'static str, value: String, seconds: i64) -> Cookie<'static> {
    let mut cookie = ours(name, value);
    cookie.set_max_age(Some(Duration::seconds(seconds)));
    cookie
}

fn gone(name: &'static str) -> Cookie<'static> {
    ours(name, String::new())
}

#[cfg(test)]
mod tests {
    use axum_extra::extract::CookieJar;
    use cookie::time::Duration;

    use super::{SESSION, sign_in};

    #[test]
    fn a_browser_keeps_a_session_for_as_long_as_it_lasts() {
        let jar = sign_in(CookieJar::new(), &"tgs_x".to_owned().into());
        let kept = jar.get(SESSION).expect("a session");
        assert_eq!(kept.max_age(), Some(Duration::days(7)));
    }
}
