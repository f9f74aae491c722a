//! The limit: an axum handler that answers the same bytes and does nothing else.

use std::net::SocketAddr;

use axum::Router;
use axum::http::{HeaderMap, HeaderName, HeaderValue};
use axum::routing::get;
use axum::serve::ListenerExt;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use crate::bench::error::BenchError;
use crate::bench::load::Answer;
use crate::bench::worker::Parent;

/// Written by the server itself, for each answer.
const BY_THE_SERVER: [&str; 4] = ["connection", "content-length", "date", "transfer-encoding"];

/// Serves fixed answers until the parent has gone.
#[derive(Debug, Serialize, Deserialize)]
pub struct BareJob {
    pub answers: Vec<BareAnswer>,
}

/// A path and all that is answered there.
#[derive(Debug, Serialize, Deserialize)]
pub struct BareAnswer {
    path: String,
    headers: Vec<(String, String)>,
    body: String,
}

impl BareAnswer {
    /// What it answers, for the report.
    pub fn to_json(&self) -> Value {
        let names: Vec<_> = self.headers.iter().map(|(name, _)| name).collect();
        json!({ "body_bytes": self.body.len(), "headers": names })
    }

    /// As another server answered.
    pub fn like(path: &str, answer: &Answer) -> Self {
        let head = String::from_utf8_lossy(&answer.head);
        let headers = head.lines().skip(1).filter_map(|line| {
            let (name, value) = line.split_once(':')?;
            let name = name.to_ascii_lowercase();
            let is_its_own = !BY_THE_SERVER.contains(&name.as_str());
            is_its_own.then(|| (name, value.trim().to_owned()))
        });
        let (path, _) = path.split_once('?').unwrap_or((path, ""));
        Self {
            path: path.to_owned(),
            headers: headers.collect(),
            body: String::from_utf8_lossy(&answer.body).into_owned(),
        }
    }
}

impl BareJob {
    pub async fn run(self, parent: &mut Parent) -> Result<(), BenchError> {
        let mut router = Router::new();
        for answer in self.answers {
            let mut headers = HeaderMap::new();
            for (name, value) in &answer.headers {
                let name = HeaderName::try_from(name.as_str());
                let value = HeaderValue::try_from(value.as_str());
                if let (Ok(name), Ok(value)) = (name, value) {
                    headers.append(name, value);
                }
            }
            let body = axum::body::Bytes::from(answer.body);
            let handler = async move || (headers, body);
            router = router.route(&answer.path, get(handler));
        }
        let listener = TcpListener::bind("127.0.0.1:0")
            .await
            .map_err(BenchError::Talk)?;
        let address: SocketAddr = listener.local_addr().map_err(BenchError::Talk)?;
        let listener = listener.tap_io(|stream| {
            // Without it small answers may wait; that it cannot be set harms nobody.
            let _ = stream.set_nodelay(true);
        });
        let mut server = JoinSet::new();
        server.spawn(async move { axum::serve(listener, router).await });
        parent.report(&address)?;
        parent.until_done().await;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_takes_over_what_the_server_does_not_write_itself() {
        let answer = Answer {
            status: 200,
            head: b"HTTP/1.1 200 OK\r\nETag: \"a:b\"\r\nDate: now\r\ncontent-length: 2\r\n\r\n"
                .to_vec(),
            body: b"{}".to_vec(),
        };
        let bare = BareAnswer::like("/api/v1/analytics?a=b", &answer);
        assert_eq!(bare.path, "/api/v1/analytics");
        assert_eq!(bare.headers, [("etag".to_owned(), "\"a:b\"".to_owned())]);
        assert_eq!(bare.body, "{}");
    }
}
