//! Row 46: clients that take as much as they can and give nothing (security.md 13).

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use futures_util::future::join_all;
use futures_util::stream::{self, Stream, StreamExt};
use reqwest::{Body, Method, StatusCode};
use runtime::clock::Clock;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use testkit::eventually;
use testkit::history::Outcome;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio_util::task::{AbortOnDropHandle, TaskTracker};

use super::done;
use crate::client::{Answer, Key, Target, answer, now};
use crate::counters::{metrics, value};
use crate::limits::SOON;
use crate::rig::Rig;
use crate::seen::Seen;

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
/// By how many megabytes the process may have grown at its worst.
const GROWTH: u64 = 256;
const RESIDENT: &str = "VmRSS:";
const MOST_RESIDENT: &str = "VmHWM:";
/// So quick an answer is no complaint, whatever it took before.
const QUICK: Duration = Duration::from_millis(50);

/// How HTTP/2 begins, with no settings.
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";
/// `GET http://a/`, as a block of headers.
const HEAD: [u8; 6] = [0x82, 0x86, 0x84, 0x41, 0x01, b'a'];
/// A header that is not kept: the length of its name, its name, its value.
const FILL: &[u8] = b"\x10\x04fill\x04fill";
const HEADERS: u8 = 1;
const RESET: u8 = 3;
const SETTINGS: u8 = 4;
const GOAWAY: u8 = 7;
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
    let before = metrics(rig, "q3").await;
    let resident = kilobytes(rig, RESIDENT);

    let watch = rig.round().await;
    let address = rig.target("q3").url.address();
    let from = rig.net.hub();
    let silent = crowd(from, address, SILENT).await;
    let slow = crowd(from, address, SLOW).await;
    let tasks = TaskTracker::new();
    let dripping = AbortOnDropHandle::new(tasks.spawn(drip(slow)));
    let more = crowd(from, address, TOO_MANY).await;
    let c2 = rig.target("c2");
    let bodies = (0..BODIES).map(|_| slow_body(&rig.control, &c2));
    // The crowd's address may have no more connections.
    let floods = (0..FLOODS).map(|n| flood(rig.net.source(n), address, resets));
    let more_floods =
        (FLOODS..2 * FLOODS).map(|n| flood(rig.net.source(n), address, continuations));
    let revoking = watch.revoke();
    let (ended, more_ended, bodies) =
        tokio::join!(join_all(floods), join_all(more_floods), join_all(bodies));
    done(revoking).await;
    let acted = limits_act(rig, &before).await;
    drop((silent, dripping, more));
    tasks.close();
    tasks.wait().await;
    let seen = rig.judged(watch, &[]).await;

    rig.found.note(acted);
    for (what, ended) in [("resets", ended), ("continuations", more_ended)] {
        let count = ended.iter().filter(|ended| ended.is_ok()).count();
        rig.found.note(format!(
            "floods of {what}: {}",
            tally(ended.iter().map(|one| format!("{one:?}")))
        ));
        rig.found.expect(count == FLOODS, || {
            format!("{count} of {FLOODS} floods of {what} were ended by the replica")
        });
    }
    let told = tally(bodies.iter().map(Answer::told));
    rig.found.note(format!("slow bodies: {told}"));
    let in_time = bodies
        .iter()
        .filter(|one| one.is(StatusCode::REQUEST_TIMEOUT));
    let in_time = in_time.count();
    rig.found.expect(in_time == BODIES, || {
        format!("{in_time} of {BODIES} slow bodies were given up")
    });
    judge_growth(rig, resident);
    judge_others(rig, p99(&calm), p99(&seen));
}

fn judge_growth(rig: &mut Rig, before: u64) {
    let grown = kilobytes(rig, MOST_RESIDENT).saturating_sub(before) >> 10;
    rig.found
        .expect(grown <= GROWTH, || format!("it grew by {grown} MB"));
    rig.found.note(format!("it grew by {grown} MB"));
}

/// What the kernel says of the replica's memory.
fn kilobytes(rig: &mut Rig, field: &str) -> u64 {
    let file = format!("/proc/{}/status", rig.service("q3").pid());
    let status = fs::read_to_string(file).expect("it lives");
    let line = status.lines().find_map(|line| line.strip_prefix(field));
    let number = line.and_then(|line| line.split_whitespace().next()?.parse().ok());
    number.expect("the kernel tells it")
}

fn judge_others(rig: &mut Rig, calm: Duration, amid: Duration) {
    let text = format!(
        "p99 of q3's other callers {} ms, {} ms before",
        amid.as_millis(),
        calm.as_millis()
    );
    rig.found
        .expect_speed(amid < 2 * calm || amid <= QUICK, || text.clone());
    rig.found.note(text);
}

/// How often each came.
fn tally(all: impl Iterator<Item = String>) -> String {
    let mut counts = BTreeMap::<String, u32>::new();
    for one in all {
        *counts.entry(one).or_default() += 1;
    }
    format!("{counts:?}")
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

fn dripping() -> impl Stream<Item = io::Result<&'static str>> {
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
        let text = metrics(rig, "q3").await;
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

/// How the replica ended a connection of HTTP/2 that flooded it.
#[derive(Debug)]
enum End {
    Goodbye,
    /// Without a word, or one that was lost.
    Reset,
}

/// Sends frames on a connection that is known to speak HTTP/2, until the server ends it; or why that
/// was not seen.
async fn flood(
    from: Ipv4Addr,
    to: SocketAddr,
    frames: fn(u32) -> Vec<u8>,
) -> Result<End, &'static str> {
    let flooding = async {
        let connection = connect(from, to).await;
        let mut connection = connection.ok_or("it was not let in")?;
        let (mut reader, mut writer) = connection.split();
        let begun = writer.write_all(PREFACE).await;
        begun.map_err(|_| "it ended before it began")?;
        let first = next_frame(&mut reader).await;
        if first.map_err(|_| "it was not answered")? != SETTINGS {
            return Err("it does not speak HTTP/2");
        }
        let write = async {
            let mut turn = 0;
            while writer.write_all(&frames(turn)).await.is_ok() {
                turn += 1;
            }
        };
        let mut read = std::pin::pin!(end(&mut reader));
        // Where nothing can be sent any more, there may be something left to read.
        tokio::select! {
            end = &mut read => return Ok(end),
            () = write => {}
        }
        Ok(read.await)
    };
    let ended = Clock::system().timeout(SOON, flooding).await;
    ended.unwrap_or(Err("it goes on"))
}

async fn end(reader: &mut (impl AsyncRead + Unpin)) -> End {
    loop {
        match next_frame(reader).await {
            Ok(GOAWAY) => return End::Goodbye,
            Ok(_) => {}
            Err(_) => return End::Reset,
        }
    }
}

/// Reads a frame; of which kind it is.
async fn next_frame(reader: &mut (impl AsyncRead + Unpin)) -> io::Result<u8> {
    let mut head = [0; 9];
    reader.read_exact(&mut head).await?;
    let length = u32::from_be_bytes([0, head[0], head[1], head[2]]);
    let mut payload = reader.take(length.into());
    tokio::io::copy(&mut payload, &mut tokio::io::sink()).await?;
    Ok(head[3])
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
    let own = seen
        .requests
        .iter()
        .filter(|(name, _, one)| name == "q3" && one.outcome != Outcome::Unknown);
    let mut took: Vec<_> = own.map(|(.., one)| one.ended - one.begun).collect();
    took.sort_unstable();
    let at = took.len() * 99 / 100;
    Duration::from_nanos(took.get(at).copied().unwrap_or(now()))
}
