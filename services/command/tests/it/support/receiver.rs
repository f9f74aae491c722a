//! Whoever takes deliveries, or does not.

use std::sync::{Arc, Mutex};

use http::HeaderMap;
use runtime::clock::Clock;
use runtime::lifecycle::{Lifecycle, TaskKind, Tasks};
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// How a delivery is answered.
#[derive(Clone, Debug)]
pub enum Reply {
    /// With this status and body.
    Status(u16, &'static str),
    /// With a redirect to there.
    Redirect(String),
    /// With a body that has no end.
    Endless,
    /// With a status, and a body that stops before its end.
    Unfinished(u16),
    /// With what is not HTTP.
    Garbage,
    /// Never.
    Hang,
    /// By cutting the connection.
    Cut,
}

/// A delivery as it came.
#[derive(Clone, Debug)]
pub struct Received {
    pub path: String,
    pub headers: HeaderMap,
    pub body: String,
}

type Answering = Box<dyn Fn(&Received, usize) -> Reply + Send + Sync>;

struct Inner {
    received: Mutex<Vec<Received>>,
    answering: Mutex<Answering>,
}

/// A server on a port of its own on 127.0.0.1.
pub struct Receiver {
    port: u16,
    inner: Arc<Inner>,
    _lifecycle: Lifecycle,
}

impl Received {
    pub fn header(&self, name: &str) -> &str {
        self.headers[name].to_str().unwrap()
    }

    /// The event.
    pub fn event(&self) -> Value {
        serde_json::from_str(&self.body).unwrap()
    }

    /// The event's type, without prefix and version.
    pub fn event_type(&self) -> String {
        let event = self.event();
        let name = event["type"].as_str().unwrap();
        let name = name.strip_prefix("com.trackagoat.").unwrap();
        name.rsplit_once(".v").unwrap().0.to_owned()
    }

    pub fn subject(&self) -> String {
        self.event()["subject"].as_str().unwrap().to_owned()
    }

    pub fn position(&self) -> u64 {
        self.event()["position"].as_str().unwrap().parse().unwrap()
    }
}

impl Receiver {
    /// That takes everything.
    pub async fn new() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let inner = Arc::new(Inner {
            received: Mutex::default(),
            answering: Mutex::new(Box::new(|_, _| Reply::Status(200, "ok"))),
        });
        let lifecycle = Lifecycle::new(Clock::system());
        let tasks = lifecycle.handle();
        let accepting = accept(listener, Arc::clone(&inner), tasks.clone());
        tasks.spawn(TaskKind::Disposable, "receiver", accepting);
        Self {
            port,
            inner,
            _lifecycle: lifecycle,
        }
    }

    pub fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}/{path}", self.port)
    }

    pub fn https_url(&self) -> String {
        format!("https://127.0.0.1:{}/", self.port)
    }

    /// From now on answers like this; the number is how many came before.
    pub fn answer(&self, answering: impl Fn(&Received, usize) -> Reply + Send + Sync + 'static) {
        *self.inner.answering.lock().unwrap() = Box::new(answering);
    }

    /// From now on answers everything alike.
    pub fn answer_all(&self, reply: Reply) {
        self.answer(move |_, _| reply.clone());
    }

    pub fn received(&self) -> Vec<Received> {
        self.inner.received.lock().unwrap().clone()
    }

    pub fn types(&self) -> Vec<String> {
        self.received().iter().map(Received::event_type).collect()
    }
}

async fn accept(listener: TcpListener, inner: Arc<Inner>, tasks: Tasks) {
    while let Ok((stream, _)) = listener.accept().await {
        let serving = serve(stream, Arc::clone(&inner));
        tasks.spawn(TaskKind::Disposable, "delivery", serving);
    }
}

async fn serve(mut stream: TcpStream, inner: Arc<Inner>) {
    while let Some(received) = read(&mut stream).await {
        let reply = {
            let mut all = inner.received.lock().unwrap();
            let answering = inner.answering.lock().unwrap();
            let reply = answering(&received, all.len());
            all.push(received);
            reply
        };
        let head = |status: u16, more: &str| format!("HTTP/1.1 {status} X\r\n{more}\r\n");
        let text = match reply {
            Reply::Status(status, body) => {
                head(status, &format!("content-length: {}\r\n", body.len())) + body
            }
            Reply::Redirect(to) => head(302, &format!("location: {to}\r\ncontent-length: 0\r\n")),
            Reply::Garbage => "220 mail.example.com ESMTP\r\n".to_owned(),
            Reply::Endless => {
                let begun = stream.write_all(head(200, "").as_bytes()).await;
                let page = [b'a'; 4_096];
                let mut went = begun.is_ok();
                while went {
                    went = stream.write_all(&page).await.is_ok();
                }
                return;
            }
            Reply::Unfinished(status) => {
                let text = head(status, "content-length: 9\r\n") + "begun";
                let _ = stream.write_all(text.as_bytes()).await;
                std::future::pending().await
            }
            Reply::Hang => std::future::pending().await,
            Reply::Cut => return,
        };
        if stream.write_all(text.as_bytes()).await.is_err() {
            return;
        }
    }
}

/// A request with a body of a known length; none at the end.
async fn read(stream: &mut TcpStream) -> Option<Received> {
    let mut bytes = Vec::new();
    let end = loop {
        if let Some(at) = bytes.windows(4).position(|it| it == b"\r\n\r\n") {
            break at + 4;
        }
        if stream.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
        // Whoever begins with TLS is told so in plain text, as servers do.
        if bytes.first() == Some(&0x16) {
            let told = b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n";
            stream.write_all(told).await.ok()?;
            return None;
        }
    };
    let head = String::from_utf8(bytes[..end].to_vec()).ok()?;
    let mut lines = head.split("\r\n");
    let path = lines.next()?.split(' ').nth(1)?.to_owned();
    let mut headers = HeaderMap::new();
    for (name, value) in lines.filter_map(|line| line.split_once(": ")) {
        let name: http::HeaderName = name.parse().ok()?;
        headers.insert(name, value.parse().ok()?);
    }
    let length: usize = headers["content-length"].to_str().ok()?.parse().ok()?;
    while bytes.len() < end + length {
        if stream.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
    }
    let body = String::from_utf8(bytes[end..end + length].to_vec()).ok()?;
    Some(Received {
        path,
        headers,
        body,
    })
}
