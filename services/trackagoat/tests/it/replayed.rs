//! `trackagoat log replay` and `log state` on a running system.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::collections::{HashSet, VecDeque};
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::process::{Output, Stdio};
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Bytes;
use axum::extract::{ConnectInfo, State};
use axum::http::header::RETRY_AFTER;
use axum::http::{HeaderMap, HeaderName, StatusCode};
use axum::routing::post;
use futures_util::StreamExt;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use crate::dev::{Dev, run};

async fn replay(dev: &Dev, arguments: &[&str]) -> Output {
    run(dev.operate(&[&["log", "replay"][..], arguments].concat())).await
}

/// The events that a replay printed.
async fn told(dev: &Dev, arguments: &[&str]) -> Vec<Value> {
    let output = replay(dev, arguments).await;
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{arguments:?}: {errors}");
    lines(&output.stdout)
}

async fn refused(dev: &Dev, arguments: &[&str]) -> String {
    let output = replay(dev, arguments).await;
    assert!(!output.status.success(), "{arguments:?}");
    assert_eq!(lines(&output.stdout).len(), 0, "{arguments:?}");
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn lines(text: &[u8]) -> Vec<Value> {
    let lines = text.split(|byte| *byte == b'\n');
    let lines = lines.filter(|line| !line.is_empty());
    lines
        .map(|line| serde_json::from_slice(line).unwrap())
        .collect()
}

fn positions(events: &[Value]) -> Vec<u64> {
    let position = |event: &Value| event["position"].as_str().unwrap().parse().unwrap();
    events.iter().map(position).collect()
}

#[tokio::test]
async fn what_happened_is_printed_as_far_as_it_is_asked_for() {
    let dev = Dev::start(&[]).await;
    let all = told(&dev, &[]).await;
    let count = all.len() as u64;
    assert_eq!(positions(&all)[..20], (1..=20).collect::<Vec<_>>());
    let part = told(&dev, &["--from", "3", "--to", "7"]).await;
    assert_eq!(part, all[2..7]);
    let fifth = all[4]["time"].as_str().unwrap();
    let from_then = told(&dev, &["--from", fifth, "--to", "9"]).await;
    assert!(
        from_then
            .iter()
            .all(|event| event["time"].as_str() >= Some(fifth))
    );
    assert!(positions(&from_then)[0] <= 5, "{from_then:?}");
    assert_eq!(
        told(&dev, &["--from", "2020-01-01", "--to", "9"]).await,
        all[..9]
    );

    let org = dev.ready["demo"]["org_id"].as_str().unwrap();
    let keys = told(&dev, &["--org", org, "--type", "key.*,org.created"]).await;
    let types: Vec<_> = keys
        .iter()
        .map(|event| event["type"].as_str().unwrap())
        .collect();
    assert!(
        types.contains(&"com.trackagoat.key.created.v1"),
        "{types:?}"
    );
    assert!(
        types.contains(&"com.trackagoat.org.created.v1"),
        "{types:?}"
    );
    let fit = |text: &&str| text.contains(".key.") || text.contains(".org.created.");
    assert!(types.iter().all(fit), "{types:?}");

    let none = replay(&dev, &["--type", "goal.removed"]).await;
    assert!(none.status.success() && none.stdout.is_empty());
    let said = String::from_utf8_lossy(&none.stderr);
    assert!(said.contains("nothing between positions 1 and"), "{said}");

    let far = (count + 1_000_000).to_string();
    let future = refused(&dev, &["--from", &far]).await;
    assert!(future.contains("the log ends at"), "{future}");
    let later = refused(&dev, &["--from", "2999-01-01"]).await;
    assert!(later.contains("in the future"), "{later}");
    let backwards = refused(&dev, &["--from", "7", "--to", "3"]).await;
    assert!(backwards.contains("nothing lies between"), "{backwards}");
    let early = refused(&dev, &["--to", "2020-01-01"]).await;
    assert!(early.contains("nothing lies between"), "{early}");
    let unknown = refused(&dev, &["--type", "key.*,unicorn.seen"]).await;
    assert!(
        unknown.contains("unicorn.seen") && unknown.contains("key.revoked"),
        "{unknown}"
    );
    let nobody = "00000000-0000-7000-8000-000000000000";
    let unknown = refused(&dev, &["--org", nobody]).await;
    assert!(unknown.contains("no org"), "{unknown}");
    for wrong in [
        &["--speed", "0"][..],
        &["--type", "key"],
        &["--from", "soon"],
        &["--nats-subject", "tga.events.x"],
        &["--http", "https://me:secret@example.com"],
    ] {
        refused(&dev, wrong).await;
    }
}

#[tokio::test]
async fn whoever_stops_is_told_where_to_go_on_and_a_closed_pipe_is_no_error() {
    let dev = Dev::start(&[]).await;
    // So slow that only the first event is due.
    let mut command = dev.operate(&["log", "replay", "--speed", "0.000001"]);
    let command = command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut output = BufReader::new(child.stdout.take().unwrap());
    let mut first = String::new();
    output.read_line(&mut first).unwrap();
    let pid = Pid::from_raw(i32::try_from(child.id()).unwrap()).unwrap();
    kill_process(pid, Signal::INT).unwrap();
    let mut all = lines(first.as_bytes());
    for line in output.lines() {
        all.extend(lines(line.unwrap().as_bytes()));
    }
    let ended = child.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&ended.stderr);
    let next = positions(&all).last().unwrap() + 1;
    assert!(!ended.status.success());
    assert!(
        said.contains(&format!("go on with --from {next}")),
        "{said}"
    );
    all.extend(told(&dev, &["--from", &next.to_string(), "--to", "9"]).await);
    assert_eq!(all, told(&dev, &["--to", "9"]).await);

    let mut command = dev.operate(&["log", "replay"]);
    let command = command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    drop(child.stdout.take());
    let ended = child.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&ended.stderr);
    assert!(ended.status.success() && said.is_empty(), "{said}");

    // Nobody hears why it was refused either, and it ends with its own code and not in a panic.
    let nobody = "00000000-0000-7000-8000-000000000000";
    let mut command = dev.operate(&["log", "replay", "--org", nobody]);
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let ended = command.stderr(writer).status().unwrap();
    assert_eq!(ended.code(), Some(1));
}

#[tokio::test]
async fn a_subject_gets_every_event_with_its_position() {
    let dev = Dev::start(&[]).await;
    let url: runtime::nats::NatsUrl = dev.ready["nats_url"].as_str().unwrap().parse().unwrap();
    let client = url.connect().await.unwrap();
    let mut heard = client.subscribe("replay.test").await.unwrap();
    client.flush().await.unwrap();
    let sent = replay(&dev, &["--nats-subject", "replay.test", "--to", "12"]).await;
    let said = String::from_utf8_lossy(&sent.stderr);
    assert!(sent.status.success(), "{said}");
    assert!(String::from_utf8_lossy(&sent.stdout).starts_with("12 events sent"));
    for expected in told(&dev, &["--to", "12"]).await {
        let message = heard.next().await.unwrap();
        let headers = message.headers.unwrap();
        let event: Value = serde_json::from_slice(&message.payload).unwrap();
        assert_eq!(event, expected);
        let header = |name: &str| headers.get(name).unwrap().as_str().to_owned();
        assert_eq!(header("Tga-Position"), event["position"].as_str().unwrap());
        assert_eq!(header("Tga-Hash"), event["hash"].as_str().unwrap());
        assert_eq!(header("Tga-Epoch").len(), 36);
    }
}

/// What an endpoint answers next, and what it was sent.
#[derive(Clone, Default)]
struct Endpoint {
    answers: Arc<Mutex<VecDeque<StatusCode>>>,
    requests: Arc<Mutex<Vec<(HeaderMap, Value)>>>,
    connections: Arc<Mutex<HashSet<SocketAddr>>>,
}

impl Endpoint {
    /// Answers for as long as the set lives.
    async fn start(self) -> (String, JoinSet<std::io::Result<()>>) {
        async fn take(
            State(endpoint): State<Endpoint>,
            ConnectInfo(peer): ConnectInfo<SocketAddr>,
            headers: HeaderMap,
            body: Bytes,
        ) -> (StatusCode, [(HeaderName, &'static str); 1]) {
            endpoint.connections.lock().unwrap().insert(peer);
            let answer = endpoint.answers.lock().unwrap().pop_front();
            let answer = answer.unwrap_or(StatusCode::ACCEPTED);
            if answer.is_success() {
                let body = serde_json::from_slice(&body).unwrap();
                endpoint.requests.lock().unwrap().push((headers, body));
            }
            (answer, [(RETRY_AFTER, "1")])
        }
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let router = Router::new().route("/events", post(take)).with_state(self);
        let service = router.into_make_service_with_connect_info::<SocketAddr>();
        let mut tasks = JoinSet::new();
        tasks.spawn(async move { axum::serve(listener, service).await });
        (format!("http://{address}/events"), tasks)
    }
}

#[tokio::test]
async fn an_endpoint_gets_every_event_though_it_fails_now_and_then() {
    let dev = Dev::start(&[]).await;
    let all = told(&dev, &["--to", "7"]).await;
    let endpoint = Endpoint::default();
    let failures = [
        StatusCode::BAD_GATEWAY,
        StatusCode::OK,
        StatusCode::TOO_MANY_REQUESTS,
    ];
    endpoint.answers.lock().unwrap().extend(failures);
    let (url, _answering) = endpoint.clone().start().await;
    let secret = dev.folder().join("authorization");
    std::fs::write(&secret, "Bearer goats-only\n").unwrap();
    let secret = secret.to_str().unwrap();
    let to_endpoint = ["--http", &url, "--to", "7", "--authorization-file", secret];
    let sent = replay(&dev, &to_endpoint).await;
    let said = String::from_utf8_lossy(&sent.stderr);
    assert!(sent.status.success(), "{said}");
    let watched = "not taken position 2 yet, tried again in 1 s: it answers 429";
    assert!(said.contains(watched), "{said}");
    let one_by_one = std::mem::take(&mut *endpoint.requests.lock().unwrap());
    for (headers, _) in &one_by_one {
        let kind = headers["content-type"].to_str().unwrap();
        assert!(kind.starts_with("application/cloudevents+json"), "{kind}");
        assert_eq!(headers["authorization"], "Bearer goats-only");
    }
    let bodies = |requests: Vec<(HeaderMap, Value)>| requests.into_iter().map(|(_, body)| body);
    assert_eq!(bodies(one_by_one).collect::<Vec<_>>(), all);
    // Nor does a receiver that serves one connection at a time wait for one that was kept.
    let connections = endpoint.connections.lock().unwrap().len();
    assert_eq!(connections, all.len() + failures.len() - 1);

    let in_threes = [&to_endpoint[..4], &["--batch", "3"]].concat();
    assert!(replay(&dev, &in_threes).await.status.success());
    let batches = std::mem::take(&mut *endpoint.requests.lock().unwrap());
    let kind = batches[0].0["content-type"].to_str().unwrap();
    assert!(
        kind.starts_with("application/cloudevents-batch+json"),
        "{kind}"
    );
    let batches: Vec<_> = bodies(batches).collect();
    let lengths: Vec<_> = batches
        .iter()
        .map(|it| it.as_array().unwrap().len())
        .collect();
    assert_eq!(lengths, [3, 3, 1]);
    let events = batches.iter().flat_map(|it| it.as_array().unwrap().clone());
    assert_eq!(events.collect::<Vec<_>>(), all);

    let refusal = [StatusCode::OK, StatusCode::OK, StatusCode::GONE];
    endpoint.answers.lock().unwrap().extend(refusal);
    let stopped = refused(&dev, &to_endpoint[..4]).await;
    assert!(stopped.contains("go on with --from 3"), "{stopped}");
    assert!(stopped.contains("410"), "{stopped}");
}

#[tokio::test]
async fn an_org_is_shown_as_it_was() {
    let dev = Dev::start(&[]).await;
    let org = dev.ready["demo"]["org_id"].as_str().unwrap();
    let state = async |at: &[&str]| -> Value {
        let asked = [&["log", "state", "--org", org][..], at].concat();
        let output = run(dev.operate(&asked)).await;
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{errors}");
        assert!(!String::from_utf8_lossy(&output.stdout).contains("hash"));
        serde_json::from_slice(&output.stdout).unwrap()
    };
    let now = state(&[]).await;
    let project = dev.project();
    let has_project = |state: &Value| {
        let projects = state["projects"].as_array().unwrap();
        projects.iter().any(|it| it["id"] == project)
    };
    assert!(has_project(&now), "{now}");
    assert_eq!(now["profile"]["limits"]["plan"], "ultra", "{now}");
    assert!(
        now["counts"]["creators"]["active"].as_u64() > Some(100),
        "{now}"
    );
    assert!(
        now["keys"]
            .as_array()
            .unwrap()
            .iter()
            .any(|key| key["status"] == "active")
    );

    let created = told(&dev, &["--org", org, "--type", "org.created"]).await;
    let first = created[0]["position"].as_str().unwrap();
    let then = state(&["--at", first]).await;
    assert!(!has_project(&then), "{then}");
    assert_eq!(then["stream_version"], 1);
    assert_eq!(then["counts"]["videos"]["present"], 0);
    assert_eq!(
        state(&["--at", created[0]["time"].as_str().unwrap()]).await["profile"],
        then["profile"]
    );

    let nobody = "00000000-0000-7000-8000-000000000000";
    let unknown = run(dev.operate(&["log", "state", "--org", nobody])).await;
    assert!(String::from_utf8_lossy(&unknown.stderr).contains("no org"));
    for (at, why) in [
        ("2999-01-01", "in the future"),
        ("2020-01-01", "begins after"),
    ] {
        let refused = run(dev.operate(&["log", "state", "--org", org, "--at", at])).await;
        let said = String::from_utf8_lossy(&refused.stderr).into_owned();
        assert!(!refused.status.success() && said.contains(why), "{said}");
    }
}
