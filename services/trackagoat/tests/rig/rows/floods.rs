//! Row 46: clients that take as much as they can and give nothing (security.md 13).

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use futures_util::future::join_all;
use futures_util::stream::{self, Stream, StreamExt};
use reqwest::{Body, Method, StatusCode};
use runtime::clock::Clock;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use testkit::eventually;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};

use super::done;
use crate::client::{Answer, Key, Target, answer, client, now};
use crate::counters::value;
use crate::limits::SOON;
use crate::rig::Rig;
use crate::watch::Seen;

/// Connections that say nothing, and such that say a byte a second.
const SILENT: usize = 1_500;
const SLOW: usize = 500;
/// Beyond what one address may have (`HttpLimits::connections_per_address`), with those.
const TOO_MANY: usize = 200;
const PER_ADDRESS: usize = 2_048;
/// Connections of HTTP/2, each kind.
const FLOODS: usize = 20;
/// Requests whose bodies do not end, and how long one may take at most until it is given up.
const BODIES: usize = 100;
const BODY_WITHIN: Duration = Duration::from_mins(1);
/// Connections begun at once.
const AT_ONCE: usize = 50;
const DESCRIPTORS: u64 = 8_192;
/// Between two bytes.
const DRIP: Duration = Duration::from_secs(1);
/// A first byte, and a head, must have come after 10 s; a connection is looked at that often.
const CLOSED_WITHIN: Duration = Duration::from_secs(30);
/// By how much the process may have grown.
const GROWTH: u64 = 256 << 20;

/// How HTTP/2 begins, with no settings.
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";
/// `GET http://a/`, as a block of headers.
const HEAD: [u8; 6] = [0x82, 0x86, 0x84, 0x41, 0x01, b'a'];
/// A header that is not kept: the length of its name, its name, its value.
const FILL: &[u8] = b"\x10\x04fill\x04fill";
const HEADERS: u8 = 1;
const RESET: u8 = 3;
const CONTINUATION: u8 = 9;
const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;
const CANCEL: [u8; 4] = [0, 0, 0, 8];
/// Frames sent at once.
const BURST: u32 = 100;

/// Row 46: all of it at one replica, whose other callers must not notice.
pub async fn hostile(rig: &mut Rig) {
    raise_descriptors();
    let watch = rig.round().await;
    let calm = rig.judged(watch, &[]).await;
    let before = metrics(rig).await;

    let watch = rig.round().await;
    let q3 = rig.target("q3").url.get();
    let address = q3.trim_start_matches("http://").trim_end_matches("/api/v1");
    let address: SocketAddr = address.parse().expect("services tell their address");
    let from = rig.net.hub();
    let silent = crowd(from, address, SILENT).await;
    let slow = crowd(from, address, SLOW).await;
    let dripping = tokio_util::task::AbortOnDropHandle::new(watch_tasks().spawn(drip(slow)));
    let more = crowd(from, address, TOO_MANY).await;
    let c2 = rig.target("c2");
    let bodies = (0..BODIES).map(|_| slow_body(&rig.control, &c2));
    let floods = (0..FLOODS).map(|_| flood(from, address, resets));
    let more_floods = (0..FLOODS).map(|_| flood(from, address, continuations));
    let revoking = watch.revoke();
    let (ended, more_ended, bodies) =
        tokio::join!(join_all(floods), join_all(more_floods), join_all(bodies));
    done(revoking).await;
    let acted = limits_act(rig, &before).await;
    let after = metrics(rig).await;
    drop((silent, dripping, more));
    let seen = rig.judged(watch, &[]).await;

    rig.found.note(acted);
    for (what, ended) in [("resets", ended), ("continuations", more_ended)] {
        let count = ended.iter().filter(|ended| **ended).count();
        rig.found.expect(count == FLOODS, || {
            format!("{count} of {FLOODS} floods of {what} were ended by the replica")
        });
    }
    let mut told = BTreeMap::<String, u32>::new();
    for body in &bodies {
        *told.entry(body.told()).or_default() += 1;
    }
    rig.found.note(format!("slow bodies: {told:?}"));
    let in_time = bodies
        .iter()
        .filter(|one| one.is(StatusCode::REQUEST_TIMEOUT));
    let in_time = in_time.count();
    rig.found.expect(in_time == BODIES, || {
        format!("{in_time} of {BODIES} slow bodies were given up")
    });
    let resident = |text: &str| value(text, "process_resident_memory_bytes");
    let grown = resident(&after).saturating_sub(resident(&before));
    rig.found
        .expect(grown <= GROWTH, || format!("it grew by {} MB", grown >> 20));
    rig.found.note(format!(
        "p99 of q3's other callers {} ms, {} ms before; it grew by {} MB",
        p99(&seen).as_millis(),
        p99(&calm).as_millis(),
        grown >> 20
    ));
}

fn watch_tasks() -> tokio_util::task::TaskTracker {
    tokio_util::task::TaskTracker::new()
}

/// The rig holds the other end of every connection.
fn raise_descriptors() {
    let limits = getrlimit(Resource::Nofile);
    if limits.current.is_some_and(|now| now < DESCRIPTORS) {
        let wanted = Rlimit {
            current: limits
                .maximum
                .map_or(Some(DESCRIPTORS), |most| Some(most.min(DESCRIPTORS))),
            maximum: limits.maximum,
        };
        setrlimit(Resource::Nofile, wanted).expect("what is below the maximum may be had");
    }
}

async fn connect(from: Ipv4Addr, to: SocketAddr) -> Option<TcpStream> {
    let socket = TcpSocket::new_v4().ok()?;
    socket.bind((from, 0).into()).ok()?;
    socket.connect(to).await.ok()
}

async fn crowd(from: Ipv4Addr, to: SocketAddr, count: usize) -> Vec<TcpStream> {
    let connections = stream::iter(0..count).map(|_| connect(from, to));
    let connections = connections.buffer_unordered(AT_ONCE);
    connections.filter_map(std::future::ready).collect().await
}

/// A head that never ends, on each.
async fn drip(mut slow: Vec<TcpStream>) {
    let clock = Clock::system();
    for byte in b"GET /api/v1/creators HTTP/1.1\r\nHost: rig\r\nX-Fill: "
        .iter()
        .cycle()
    {
        for one in &mut slow {
            // It may have been ended.
            let _ = one.write_all(&[*byte]).await;
        }
        clock.sleep(DRIP).await;
    }
}

/// A body that takes for ever, to a service that takes bodies, by somebody who may send it one.
async fn slow_body(key: &Key, command: &Target) -> Answer {
    loop {
        let request = key.request(command, Method::POST, "/projects");
        let request = request.header("content-type", "application/json");
        let request = request.body(Body::wrap_stream(dripping()));
        let answer = answer(request.timeout(BODY_WITHIN)).await;
        // In a crowd some are not let in at first, with a body or without.
        if !answer.is(StatusCode::SERVICE_UNAVAILABLE) {
            return answer;
        }
    }
}

fn dripping() -> impl Stream<Item = std::io::Result<&'static str>> {
    stream::repeat(()).then(|()| async {
        Clock::system().sleep(DRIP).await;
        Ok(" ")
    })
}

/// Waits until the limits have ended what they are there for.
async fn limits_act(rig: &mut Rig, before: &str) -> String {
    let wanted = [
        (
            "tga_http_connections_closed_total{reason=\"first byte\"",
            SILENT,
        ),
        ("tga_http_connections_closed_total{reason=\"head\"", SLOW),
        (
            "tga_http_connections_refused_total{reason=\"address\"",
            SILENT + SLOW + TOO_MANY - PER_ADDRESS,
        ),
    ];
    let what = "the limits end hostile connections";
    let counts = eventually(CLOSED_WITHIN, what, async || {
        let text = metrics(rig).await;
        let counts = wanted.map(|(series, _)| value(&text, series) - value(before, series));
        let reached = counts
            .iter()
            .zip(wanted)
            .all(|(count, (_, least))| usize::try_from(*count).unwrap_or(usize::MAX) >= least);
        reached
            .then_some(counts)
            .ok_or(format!("{counts:?} of {wanted:?}"))
    })
    .await;
    format!(
        "ended: {} without a first byte, {} without a whole head; {} beyond what an address may have",
        counts[0], counts[1], counts[2]
    )
}

/// What the replica counts, which it must say even now.
async fn metrics(rig: &mut Rig) -> String {
    let client = client(rig.net.hub());
    let text = rig.service("q3").metrics(&client).await;
    text.unwrap_or_default()
}

/// Sends frames until the server ends the connection; whether it does in time.
async fn flood(from: Ipv4Addr, to: SocketAddr, frames: fn(u32) -> Vec<u8>) -> bool {
    let flooding = async {
        let Some(mut connection) = connect(from, to).await else {
            return;
        };
        let (mut reader, mut writer) = connection.split();
        let write = async {
            writer.write_all(PREFACE).await?;
            for turn in 0.. {
                writer.write_all(&frames(turn)).await?;
            }
            std::io::Result::Ok(())
        };
        let read = async {
            let mut buffer = vec![0; 16 * 1024];
            while reader
                .read(&mut buffer)
                .await
                .is_ok_and(|length| length > 0)
            {}
        };
        // What was answered is of no interest, that it ends is.
        tokio::select! {
            _ = write => {}
            () = read => {}
        }
    };
    let clock = Clock::system();
    clock.timeout(SOON, flooding).await.is_ok()
}

/// Requests that are taken back at once.
fn resets(turn: u32) -> Vec<u8> {
    let mut frames = Vec::new();
    for number in 0..BURST {
        let stream = 2 * (turn * BURST + number) + 1;
        frames.extend(frame(HEADERS, END_STREAM | END_HEADERS, stream, &HEAD));
        frames.extend(frame(RESET, 0, stream, &CANCEL));
    }
    frames
}

/// One request whose headers never end.
fn continuations(turn: u32) -> Vec<u8> {
    let mut frames = Vec::new();
    if turn == 0 {
        frames.extend(frame(HEADERS, END_STREAM, 1, &HEAD));
    }
    let block = FILL.repeat(500);
    for _ in 0..BURST {
        frames.extend(frame(CONTINUATION, 0, 1, &block));
    }
    frames
}

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).expect("it is short");
    let mut frame = length.to_be_bytes()[1..].to_vec();
    frame.extend([kind, flags]);
    frame.extend(stream.to_be_bytes());
    frame.extend(payload);
    frame
}

/// Of the replica's requests that were answered.
fn p99(seen: &Seen) -> Duration {
    let own = seen.requests.iter().filter(|(name, ..)| name == "q3");
    let mut took: Vec<_> = own.map(|(.., one)| one.ended - one.begun).collect();
    took.sort_unstable();
    let at = took.len() * 99 / 100;
    Duration::from_nanos(took.get(at).copied().unwrap_or(now()))
}
