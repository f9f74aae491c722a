//! `/docs/`: the reference for people, made in the browser of the host's own document. Without a
//! credential and unmetered, like the document; nothing of it comes from another host, and its
//! policy lets it ask none.

use std::borrow::Cow;
use std::sync::{Arc, LazyLock};

use api::error::{ApiError, Rendering};
use axum::body::Body;
use axum::response::Response;
use bytes::Bytes;
use http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, LOCATION, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS,
};
use http::{HeaderMap, HeaderValue, Method, StatusCode};
use utoipa_swagger_ui::Config;

use crate::http::fixed::Fixed;
use crate::http::packed::Coding;

/// Where the reference is, without the slash that its own addresses are relative to.
const ROOT: &str = "/docs";
const PAGE: &str = "index.html";

/// The files of ours: name, media type, text.
const OWN: [(&str, &str, &str); 2] = [
    (PAGE, "text/html; charset=utf-8", include_str!("index.html")),
    (
        "start.js",
        "text/javascript; charset=utf-8",
        include_str!("start.js"),
    ),
];
/// What they load of Swagger UI's: name, media type.
const VENDORED: [(&str, &str); 3] = [
    ("favicon-32x32.png", "image/png"),
    ("swagger-ui-bundle.js", "text/javascript; charset=utf-8"),
    ("swagger-ui.css", "text/css; charset=utf-8"),
];

/// Styles are set by script, which no policy of styles forbids; icons in style sheets are `data:`.
const POLICY: HeaderValue = HeaderValue::from_static(
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; \
     connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
);
/// May be kept, and is asked for again each time: a new release is seen at once.
const NO_CACHE: HeaderValue = HeaderValue::from_static("no-cache");

/// The files are the same in every service of the process.
static FILES: LazyLock<Vec<File>> = LazyLock::new(|| {
    let own = OWN.iter().map(|(name, media_type, text)| {
        let body = Bytes::from_static(text.as_bytes());
        let text = Fixed::new(media_type, NO_CACHE, body);
        File { name, text }
    });
    let config = Arc::new(Config::default());
    let vendored = VENDORED.iter().filter_map(|(name, media_type)| {
        let file = utoipa_swagger_ui::serve(name, Arc::clone(&config)).ok()??;
        let body = match file.bytes {
            Cow::Borrowed(bytes) => Bytes::from_static(bytes),
            Cow::Owned(bytes) => Bytes::from(bytes),
        };
        let text = Fixed::new(media_type, NO_CACHE, body);
        Some(File { name, text })
    });
    own.chain(vendored).collect()
});

/// One file, as it is sent.
#[derive(Debug)]
struct File {
    name: &'static str,
    text: Fixed,
}

/// Whether a path is the reference's.
pub fn has(path: &str) -> bool {
    path.strip_prefix(ROOT)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// Answers; only GET and HEAD.
pub async fn respond(
    method: &Method,
    path: &str,
    headers: &HeaderMap,
    coding: Option<Coding>,
) -> Response {
    let mut response = if !matches!(*method, Method::GET | Method::HEAD) {
        ApiError::method_not_allowed("GET, HEAD").into_rendered(Rendering::wanted_by(headers))
    } else if path == ROOT {
        redirect()
    } else if let Some(file) = find(path) {
        let mut response = file.text.respond(headers);
        if let Some(coding) = coding {
            file.text.pack(&mut response, coding).await;
        }
        response
    } else {
        ApiError::not_found().into_rendered(Rendering::wanted_by(headers))
    };
    let headers = response.headers_mut();
    headers.insert(CONTENT_SECURITY_POLICY, POLICY);
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    response
}

fn redirect() -> Response {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::PERMANENT_REDIRECT;
    let headers = response.headers_mut();
    headers.insert(LOCATION, HeaderValue::from_static("/docs/"));
    headers.insert(CACHE_CONTROL, NO_CACHE);
    response
}

fn find(path: &str) -> Option<&'static File> {
    let name = path.strip_prefix(ROOT)?.strip_prefix('/')?;
    let name = if name.is_empty() { PAGE } else { name };
    FILES.iter().find(|file| file.name == name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_file_that_is_named_is_there() {
        let names: Vec<_> = FILES.iter().map(|file| file.name).collect();
        let own = OWN.map(|(name, ..)| name);
        let vendored = VENDORED.map(|(name, _)| name);
        assert_eq!(names, [&own[..], &vendored[..]].concat());
    }

    #[test]
    fn only_what_is_under_it_is_its_own() {
        for path in ["/docs", "/docs/", "/docs/start.js", "/docs/../docs"] {
            assert!(has(path), "{path}");
        }
        for path in ["/", "/doc", "/docsx", "/api/v1/docs", "/api/v1/projects"] {
            assert!(!has(path), "{path}");
        }
    }
}
