//! Compressed answers. What is kept is compressed once, not for everyone who takes it so.

use std::convert::Infallible;
use std::sync::OnceLock;

use api::envelope::may_compress;
use axum::body::Body;
use axum::extract::Request;
use axum::response::Response;
use bytes::Bytes;
use http::header::{ACCEPT_ENCODING, CONTENT_ENCODING, CONTENT_LENGTH, VARY};
use http::{HeaderMap, HeaderValue, StatusCode};
use http_body_util::BodyExt;
use tower::{ServiceBuilder, ServiceExt};
use tower_http::compression::CompressionLayer;
use tower_http::compression::predicate::{Predicate, SizeAbove};

/// Smaller answers are not worth compressing, in bytes.
const COMPRESS_ABOVE: usize = 512;

/// How an answer is compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Coding {
    /// RFC 8878.
    Zstd,
    /// RFC 1952.
    Gzip,
}

/// The compressed forms of one body, made when first asked for.
#[derive(Debug, Default)]
pub struct Packed {
    zstd: OnceLock<Bytes>,
    gzip: OnceLock<Bytes>,
}

impl Coding {
    /// The best that a request takes; `None` for an answer as it is.
    pub fn wanted_by(headers: &HeaderMap) -> Option<Self> {
        let (mut zstd, mut gzip, mut any) = (None, None, None);
        for value in headers.get_all(ACCEPT_ENCODING) {
            for item in value.to_str().unwrap_or_default().split(',') {
                let (name, quality) = coding(item);
                match name.to_ascii_lowercase().as_str() {
                    "zstd" => zstd = quality,
                    "gzip" | "x-gzip" => gzip = quality,
                    "*" => any = quality,
                    _ => {}
                }
            }
        }
        let (zstd, gzip) = (zstd.unwrap_or(0.0), gzip.or(any).unwrap_or(0.0));
        if zstd > 0.0 && zstd >= gzip {
            Some(Self::Zstd)
        } else {
            (gzip > 0.0).then_some(Self::Gzip)
        }
    }

    const fn name(self) -> HeaderValue {
        HeaderValue::from_static(match self {
            Self::Zstd => "zstd",
            Self::Gzip => "gzip",
        })
    }
}

/// A coding and its quality; none if it is malformed.
fn coding(item: &str) -> (&str, Option<f32>) {
    let mut parts = item.split(';').map(str::trim);
    let name = parts.next().unwrap_or_default();
    let quality = parts.next().map_or(Some(1.0), |part| {
        let digits = part.strip_prefix("q=").or(part.strip_prefix("Q="));
        digits.and_then(|digits| digits.parse().ok())
    });
    (
        name,
        quality.filter(|quality| (0.0..=1.0).contains(quality)),
    )
}

/// The answer, compressed if it is worth it and holds no secret.
pub async fn compress(response: Response, coding: Coding) -> Response {
    let predicate = SizeAbove::new(COMPRESS_ABOVE as u64).and(may_compress);
    let layer = CompressionLayer::new().compress_when(predicate);
    let mut response = Some(response);
    let answered = tower::service_fn(move |_: Request| {
        let response = response.take().unwrap_or_default();
        std::future::ready(Ok::<_, Infallible>(response))
    });
    let mut asked = Request::default();
    asked.headers_mut().insert(ACCEPT_ENCODING, coding.name());
    match ServiceBuilder::new()
        .layer(layer)
        .service(answered)
        .oneshot(asked)
        .await
    {
        Ok(response) => response.map(Body::new),
        Err(never) => match never {},
    }
}

impl Packed {
    /// Puts the compressed form of `body` in its place in an answer that holds it.
    pub async fn put(&self, response: &mut Response, body: &Bytes, coding: Coding) {
        if response.status() != StatusCode::OK || body.len() <= COMPRESS_ABOVE {
            return;
        }
        let form = match coding {
            Coding::Zstd => &self.zstd,
            Coding::Gzip => &self.gzip,
        };
        let packed = if let Some(packed) = form.get() {
            packed.clone()
        } else {
            let plain = Response::new(Body::from(body.clone()));
            let packed = compress(plain, coding).await.into_body().collect().await;
            // It cannot fail in memory; then the answer stays as it is.
            let Ok(packed) = packed else { return };
            form.get_or_init(|| packed.to_bytes()).clone()
        };
        *response.body_mut() = Body::from(packed);
        let headers = response.headers_mut();
        headers.remove(CONTENT_LENGTH);
        headers.insert(CONTENT_ENCODING, coding.name());
        headers.insert(VARY, HeaderValue::from_static("accept-encoding"));
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;

    fn wanted(accept: &[&str]) -> Option<Coding> {
        let mut headers = HeaderMap::new();
        for value in accept {
            headers.append(ACCEPT_ENCODING, HeaderValue::from_str(value).unwrap());
        }
        Coding::wanted_by(&headers)
    }

    #[test]
    fn the_best_coding_that_is_taken_is_chosen() {
        for accept in [
            &["gzip"][..],
            &["GZIP;q=0.5, br"],
            &["*"],
            &["zstd;q=0.2", "gzip;q=0.3"],
        ] {
            assert_eq!(wanted(accept), Some(Coding::Gzip), "{accept:?}");
        }
        for accept in [
            &["zstd"][..],
            &["gzip, deflate, br, zstd"],
            &["gzip;q=0, zstd;q=0.1"],
        ] {
            assert_eq!(wanted(accept), Some(Coding::Zstd), "{accept:?}");
        }
        for accept in [
            &[][..],
            &[""],
            &["identity"],
            &["br, deflate"],
            &["gzip;q=0"],
            &["gzip;q=0, *"],
            &["gzip;q=2"],
            &["gzip;x"],
        ] {
            assert_eq!(wanted(accept), None, "{accept:?}");
        }
    }

    #[tokio::test]
    async fn a_kept_body_is_compressed_once() {
        let body = Bytes::from(vec![b'x'; 4_096]);
        let packed = Packed::default();
        let mut sent = Vec::new();
        for _ in 0..2 {
            let mut response = Response::new(Body::from(body.clone()));
            packed.put(&mut response, &body, Coding::Zstd).await;
            assert_eq!(response.headers()[CONTENT_ENCODING], "zstd");
            sent.push(response.into_body().collect().await.unwrap().to_bytes());
        }
        assert!(sent[0].len() < 100);
        assert_eq!(sent[0].as_ptr(), sent[1].as_ptr(), "the same bytes");
        let small = Bytes::from_static(b"small");
        let mut response = Response::new(Body::from(small.clone()));
        packed.put(&mut response, &small, Coding::Gzip).await;
        assert!(!response.headers().contains_key(CONTENT_ENCODING));
    }
}
