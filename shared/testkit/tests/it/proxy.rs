#![expect(clippy::unwrap_used, reason = "tests")]

use std::net::Ipv4Addr;
use std::time::Duration;

use runtime::clock::Clock;
use testkit::{Direction, Proxy, eventually};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio_util::task::TaskTracker;

const SOON: Duration = Duration::from_secs(10);
const A_WHILE: Duration = Duration::from_millis(150);

/// A server that sends back what it gets; it remembers nothing.
async fn echo() -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let tasks = TaskTracker::new();
    tasks.clone().spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            tasks.spawn(async move {
                let (mut read, mut write) = stream.split();
                let _ = tokio::io::copy(&mut read, &mut write).await;
            });
        }
    });
    port
}

async fn connect(proxy: &Proxy) -> TcpStream {
    TcpStream::connect((Ipv4Addr::LOCALHOST, proxy.port()))
        .await
        .unwrap()
}

/// Sends and gets back as much as was sent.
async fn exchange(stream: &mut TcpStream, text: &[u8]) -> std::io::Result<Vec<u8>> {
    stream.write_all(text).await?;
    receive(stream, text.len()).await
}

async fn receive(stream: &mut TcpStream, length: usize) -> std::io::Result<Vec<u8>> {
    let mut back = vec![0; length];
    stream.read_exact(&mut back).await?;
    Ok(back)
}

#[tokio::test]
async fn it_forwards_both_ways_and_passes_on_the_end() {
    let proxy = Proxy::to(echo().await).await;
    let mut stream = connect(&proxy).await;
    let large = vec![b'x'; 1 << 20];
    let (mut read, mut write) = stream.split();
    let mut back = Vec::new();
    let sending = async {
        write.write_all(&large).await.unwrap();
        write.shutdown().await.unwrap();
    };
    let ((), read) = tokio::join!(sending, read.read_to_end(&mut back));
    assert_eq!(read.unwrap(), large.len());
    eventually(SOON, "the connection is over", async || {
        proxy.connections() == 0
    })
    .await;
}

#[tokio::test]
async fn a_delay_holds_back_one_direction() {
    let proxy = Proxy::to(echo().await).await;
    let mut stream = connect(&proxy).await;
    exchange(&mut stream, b"warm").await.unwrap();
    let clock = Clock::system();
    for direction in [Direction::ToServer, Direction::ToClient] {
        proxy.delay(direction, A_WHILE);
        let before = clock.monotonic();
        assert_eq!(exchange(&mut stream, b"slow").await.unwrap(), b"slow");
        assert!(clock.monotonic().saturating_since(before) >= A_WHILE);
        proxy.heal();
    }
    proxy.delay(Direction::ToServer, Duration::from_hours(1));
    stream.write_all(b"late").await.unwrap();
    proxy.heal();
    assert_eq!(receive(&mut stream, 4).await.unwrap(), b"late");
}

#[tokio::test]
async fn a_stall_keeps_the_connection_and_loses_nothing() {
    let proxy = Proxy::to(echo().await).await;
    let mut stream = connect(&proxy).await;
    proxy.stall(Direction::ToClient);
    stream.write_all(b"one").await.unwrap();
    let silence = Clock::system()
        .timeout(A_WHILE, receive(&mut stream, 3))
        .await;
    assert!(silence.is_err());
    assert_eq!(proxy.connections(), 1);
    proxy.heal();
    assert_eq!(receive(&mut stream, 3).await.unwrap(), b"one");
}

#[tokio::test]
async fn a_cut_resets_what_is_there_and_refuses_what_comes() {
    let proxy = Proxy::to(echo().await).await;
    let mut stream = connect(&proxy).await;
    exchange(&mut stream, b"one").await.unwrap();
    proxy.cut();
    exchange(&mut stream, b"two").await.unwrap_err();
    exchange(&mut connect(&proxy).await, b"two")
        .await
        .unwrap_err();
    proxy.heal();
    exchange(&mut stream, b"three")
        .await
        .expect_err("what was cut stays cut");
    exchange(&mut connect(&proxy).await, b"three")
        .await
        .unwrap();
    proxy.cut_connections();
    exchange(&mut connect(&proxy).await, b"four").await.unwrap();
}

#[tokio::test]
async fn a_trap_cuts_the_one_connection_that_springs_it_once() {
    let proxy = Proxy::to(echo().await).await;
    let (mut one, mut other) = (connect(&proxy).await, connect(&proxy).await);
    let sprung = proxy.cut_after(Direction::ToServer, b"COMMIT");
    assert_eq!(exchange(&mut one, b"COM").await.unwrap(), b"COM");
    exchange(&mut one, b"MIT")
        .await
        .expect_err("the pattern is whole");
    sprung.await;
    exchange(&mut other, b"COMMIT")
        .await
        .expect("it springs once");

    let sprung = proxy.cut_after(Direction::ToClient, b"42");
    assert_eq!(exchange(&mut other, b"42").await.unwrap(), b"42");
    sprung.await;
    exchange(&mut other, b"43")
        .await
        .expect_err("cut after the answer");

    let sprung = proxy.cut_before(Direction::ToClient, b"44");
    exchange(&mut connect(&proxy).await, b"44")
        .await
        .expect_err("cut before the answer");
    sprung.await;
}

#[tokio::test]
async fn a_dropped_proxy_takes_its_connections_along() {
    let proxy = Proxy::to(echo().await).await;
    let mut stream = connect(&proxy).await;
    exchange(&mut stream, b"one").await.unwrap();
    drop(proxy);
    exchange(&mut stream, b"two").await.unwrap_err();
}

#[tokio::test]
async fn what_is_held_goes_on_when_released_though_its_sender_is_gone() {
    let (mut heard, port) = listener().await;
    let proxy = Proxy::to(port).await;
    let mut held = proxy.hold(Direction::ToServer, b"late");
    let mut stream = connect(&proxy).await;
    stream.write_all(b"early;").await.unwrap();
    assert_eq!(heard.recv().await.unwrap(), b"early;");
    stream.write_all(b"late;").await.unwrap();
    held.caught().await;
    drop(stream);
    let silence = Clock::system().timeout(A_WHILE, heard.recv()).await;
    assert!(silence.is_err());
    held.release();
    assert_eq!(heard.recv().await.unwrap(), b"late;");
}

/// A server that tells what it reads.
async fn listener() -> (mpsc::UnboundedReceiver<Vec<u8>>, u16) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let (sender, receiver) = mpsc::unbounded_channel();
    TaskTracker::new().spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut read = Vec::new();
        while stream
            .read_buf(&mut read)
            .await
            .is_ok_and(|count| count > 0)
        {
            if sender.send(std::mem::take(&mut read)).is_err() {
                return;
            }
        }
    });
    (receiver, port)
}
