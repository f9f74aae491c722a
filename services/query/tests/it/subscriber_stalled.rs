//! A subscriber over NATS that asks for events and takes none.

use domain::limits::SUBSCRIBER_BATCH;
use domain::scope::Scopes;
use event_log::STREAM_NAME;
use testkit::eventually;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpSocket, TcpStream};

use crate::audit_export::large;
use crate::subscriber::{Scene, inboxes, positions};
use crate::support::{Org, PATIENCE};

/// A connection with an org's key, through which all that may be had at once is asked for.
async fn asks_and_takes_nothing(scene: &Scene, org: &Org) -> TcpStream {
    let url = scene.nats.open_url();
    let address = url.rsplit_once("//").unwrap().1.parse().unwrap();
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(16 * 1024).unwrap();
    let mut stream = BufReader::new(socket.connect(address).await.unwrap());
    let mut line = String::new();
    stream.read_line(&mut line).await.unwrap();
    assert!(line.starts_with("INFO "), "{line}");
    let connect = format!(
        "CONNECT {{\"verbose\":false,\"pedantic\":false,\"headers\":true,\"no_responders\":true,\
         \"auth_token\":\"{}\"}}\r\nPING\r\n",
        org.key
    );
    stream.write_all(connect.as_bytes()).await.unwrap();
    while line != "PONG\r\n" {
        line.clear();
        let read = stream.read_line(&mut line).await.unwrap();
        assert!(read > 0 && !line.starts_with("-ERR"), "{line}");
    }
    let (inbox, durable) = (inboxes(&org.key), format!("{}-{}", org.id, org.key_id));
    let ask = format!("{{\"batch\":{SUBSCRIBER_BATCH},\"expires\":60000000000}}");
    let ask = format!(
        "SUB {inbox}.all 1\r\nPUB tga.api.CONSUMER.MSG.NEXT.{STREAM_NAME}.{durable} {inbox}.all {}\r\n{ask}\r\n",
        ask.len()
    );
    stream.write_all(ask.as_bytes()).await.unwrap();
    stream.into_inner()
}

#[tokio::test(flavor = "multi_thread")]
async fn it_is_ended_by_the_server_and_costs_nobody_else_anything() {
    let scene = Scene::start().await;
    let (stalled, other) = (scene.org().await, scene.org().await);
    // More than the server keeps for one connection, and the two sockets together.
    for _ in 0..18 {
        let events = (0..20).map(|_| large(&scene.world)).collect();
        scene.world.append(&stalled, events).await;
    }
    scene.mirrored().await;
    // Its durable is there once a first one was let in.
    let first = scene.subscriber(&stalled).await;
    first.described().await;
    let mut connection = asks_and_takes_nothing(&scene, &stalled).await;
    let mut reader = scene.subscriber(&other).await;
    let before = reader.read(4).await;
    assert_eq!(before.len(), 4);
    eventually(PATIENCE, "its connection is ended", async || {
        connection.write_all(b"PING\r\n").await.is_err()
    })
    .await;

    let last = scene
        .world
        .append(&other, vec![scene.world.new_key(Scopes::DEFAULT, 1).2]);
    let last = last.await.get();
    assert_eq!(positions(&reader.read(1).await), [last]);
    assert!(reader.was_never_ended());
    let replica = &scene.world.replica;
    assert_eq!(replica.get(&other.key, "/projects").await.status, 200);
    // What it did not take is there for the next connection.
    assert_eq!(first.read(20).await.len(), 20);
}
