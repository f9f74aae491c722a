use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use chrono::DateTime;
use http::{HeaderValue, Method};
use runtime::clock::{Clock, ManualClock};
use serde_json::Value;
use tokio::sync::mpsc::{Receiver, channel};

use super::{AGAIN_AFTER, Api, Caller, Failure, Path, READ_WITHIN, forwarded_for, passing};

/// How long a busy machine may take.
const SOON: Duration = Duration::from_secs(20);

const ANSWER: &str = r#"{"data":[1],"error":null,"meta":null}"#;

/// An API whose answers a test writes, onto the connections that come.
struct Slow {
    api: Arc<Api>,
    clock: ManualClock,
    requests: Receiver<Asked>,
}

/// A request, to be answered.
struct Asked {
    connection: TcpStream,
    head: Vec<String>,
}

impl Slow {
    fn new() -> Self {
        // Another test may have been first.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("an address");
        let (sender, requests) = channel(4);
        thread::spawn(move || {
            for connection in listener.incoming().flatten() {
                let head = head(&connection);
                if sender.blocking_send(Asked { connection, head }).is_err() {
                    return;
                }
            }
        });
        let (time, clock) = Clock::manual(DateTime::UNIX_EPOCH);
        let base: url::Url = format!("http://{address}/").parse().expect("a base");
        let api = Api::new(base.clone(), base, time).expect("a client");
        Self {
            api: Arc::new(api),
            clock,
            requests,
        }
    }

    async fn next(&mut self) -> Asked {
        self.requests.recv().await.expect("a request")
    }
}

fn head(connection: &TcpStream) -> Vec<String> {
    let lines = BufReader::new(connection).lines().map_while(Result::ok);
    lines.take_while(|line| !line.is_empty()).collect()
}

fn caller(peer: Option<&str>) -> Caller {
    Caller {
        credential: None,
        peer: peer.map(|peer| peer.parse().expect("an address")),
        request_id: HeaderValue::from_static("a-request"),
        user_agent: None,
        min_position: None,
    }
}

impl Asked {
    fn refuse(&mut self, code: &str) {
        let body = format!(r#"{{"data":null,"error":"Not now","meta":{{"code":"{code}"}}}}"#);
        self.say("503 Later", &body);
    }

    fn say(&mut self, status: &str, body: &str) {
        let length = body.len();
        let head = format!("HTTP/1.1 {status}\r\nconnection: close\r\ncontent-length: {length}");
        let said = write!(self.connection, "{head}\r\n\r\n{body}");
        said.expect("an open connection");
    }
}

/// Until the call waits to ask again, within its deadline.
async fn waits(clock: &ManualClock) {
    let waits = async {
        while clock.sleepers() < 2 {
            tokio::task::yield_now().await;
        }
    };
    let waited = Clock::system().timeout(SOON, waits).await;
    waited.expect("the call waits");
}

async fn asked(api: &Api, peer: Option<&str>) -> Result<Value, Failure> {
    let (caller, path) = (caller(peer), Path::v1(&["projects"]));
    Ok(api.get::<Value>(&caller, &path).await?.data)
}

#[tokio::test]
async fn whatever_is_asked_again_and_read_has_one_deadline() {
    let mut slow = Slow::new();
    let (api, clock) = (Arc::clone(&slow.api), slow.clock.clone());
    let [again, _] = AGAIN_AFTER;
    let answering = async {
        let mut first = slow.next().await;
        // Near its end the first answer says to ask again, and the second begins in time.
        clock.advance(READ_WITHIN.saturating_sub(again * 2));
        first.refuse("verification_unavailable");
        waits(&clock).await;
        clock.advance(again);
        let mut second = slow.next().await;
        let said = second
            .connection
            .write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{\"data\":");
        said.expect("an open connection");
        clock.advance(again);
        second
    };
    let both = async { tokio::join!(asked(&api, Some("192.0.2.1")), answering) };
    let both = Clock::system().timeout(SOON, both).await;
    let (asked, _open) = both.expect("the call ends");
    assert!(matches!(asked, Err(Failure::Late)), "{asked:?}");
}

#[tokio::test]
async fn what_was_merely_late_is_asked_again() {
    for (code, min_position) in [
        ("verification_unavailable", None),
        ("projection_unavailable", Some(7)),
    ] {
        let mut slow = Slow::new();
        let (api, clock) = (Arc::clone(&slow.api), slow.clock.clone());
        let answering = async {
            slow.next().await.refuse(code);
            waits(&clock).await;
            clock.advance(AGAIN_AFTER[0]);
            slow.next().await.say("200 OK", ANSWER);
        };
        let caller = Caller {
            min_position,
            ..caller(Some("192.0.2.1"))
        };
        let path = Path::v1(&["projects"]);
        let both = async { tokio::join!(api.get::<Value>(&caller, &path), answering) };
        let both = Clock::system().timeout(SOON, both).await;
        let (answered, ()) = both.expect("the call ends");
        let data = answered.expect("an answer").data;
        assert_eq!(data, serde_json::json!([1]), "{code}");
    }
}

#[tokio::test]
async fn a_command_that_is_sent_again_is_the_same_command() {
    let mut slow = Slow::new();
    let (api, clock) = (Arc::clone(&slow.api), slow.clock.clone());
    let answering = async {
        let mut first = slow.next().await;
        first.refuse("verification_unavailable");
        waits(&clock).await;
        clock.advance(AGAIN_AFTER[0]);
        let mut second = slow.next().await;
        second.say("200 OK", ANSWER);
        (first.head, second.head)
    };
    let (caller, path) = (caller(Some("192.0.2.1")), Path::v1(&["api-keys"]));
    let body = serde_json::json!({"name": "Goats"});
    let commanding = api.command::<Value>(&caller, Method::POST, &path, Some(&body), Some("once"));
    let both = async { tokio::join!(commanding, answering) };
    let both = Clock::system().timeout(SOON, both).await;
    let (commanded, (first, second)) = both.expect("the call ends");
    assert!(commanded.is_ok(), "{commanded:?}");
    assert_eq!(first, second);
    for line in ["POST /api/v1/api-keys HTTP/1.1", "idempotency-key: once"] {
        assert!(first.iter().any(|it| it == line), "{line}: {first:?}");
    }
}

#[tokio::test]
async fn what_counts_as_a_guess_is_asked_once() {
    let mut slow = Slow::new();
    let api = Arc::clone(&slow.api);
    let (caller, path) = (caller(Some("192.0.2.1")), Path::auth(&["sessions"]));
    let body = serde_json::json!({"email": "a@b.example"});
    let commanding = api.command::<Value>(&caller, Method::POST, &path, Some(&body), None);
    let answering = async { slow.next().await.refuse("verification_unavailable") };
    let both = async { tokio::join!(commanding, answering) };
    let both = Clock::system().timeout(SOON, both).await;
    let (commanded, ()) = both.expect("the call ends");
    assert!(
        matches!(commanded, Err(Failure::Refused(_))),
        "{commanded:?}"
    );
}

#[test]
fn what_nobody_is_late_with_is_asked_once() {
    // No projection at all, or nothing signed: asking at once again helps nobody.
    let gate_alone = passing(&Path::v1(&["audit", "checkpoint"]), false);
    assert_eq!(gate_alone, ["verification_unavailable"]);
}

#[tokio::test]
async fn nothing_is_asked_for_somebody_whose_address_nobody_knows() {
    let mut slow = Slow::new();
    let asked = asked(&slow.api, None).await;
    assert!(matches!(asked, Err(Failure::NoPeer)), "{asked:?}");
    assert!(slow.requests.try_recv().is_err());
}

#[test]
fn an_address_is_written_as_the_standard_says() {
    let written = |text: &str| forwarded_for(text.parse().expect("an address"));
    assert_eq!(written("192.0.2.43"), "for=192.0.2.43");
    assert_eq!(written("2001:db8::1"), "for=\"[2001:db8::1]\"");
}
