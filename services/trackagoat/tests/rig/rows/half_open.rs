//! Row 19: connections of which one end hears nothing more, and no word that they are over.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use api::v1::ReplicaState;
use reqwest::StatusCode;
use testkit::eventually;

use super::partitions::recovers;
use super::{done, expect_state, lasts, lease};
use crate::client::now;
use crate::judge::POSTGRES;
use crate::limits::{BY_RENEWALS, RECOVERS_WITHIN, SOON};
use crate::net::Connection;
use crate::rig::Rig;

/// Longer than the lease, so that whoever hangs on a dead connection is seen to.
const LONGER_THAN_A_LEASE: Duration = Duration::from_secs(4);
/// A client of NATS asks every 2 s whether the server is there, and twice in vain.
const NATS_NOTICED_WITHIN: Duration = Duration::from_secs(15);
/// What the head's lock may be held for by somebody who has gone: a second idle in a transaction.
const LOCK_FREED_WITHIN: Duration = Duration::from_secs(3);

/// Row 19: a replica's connections to Postgres, those to NATS, then a command service's to Postgres. New ones can
/// be made all the time: what is asked for is that somebody makes them.
pub async fn half_open(rig: &mut Rig) {
    replica_and_postgres(rig).await;
    rig.mend().await;
    replica_and_nats(rig).await;
    rig.mend().await;
    command_and_postgres(rig).await;
}

async fn replica_and_postgres(rig: &mut Rig) {
    let watch = rig.round().await;
    let postgres = rig.postgres.address();
    let silenced = silence(rig, "q3", postgres);
    rig.found.note(format!(
        "{} connections to Postgres half open",
        silenced.len()
    ));
    let revoking = watch.revoke();
    lasts(LONGER_THAN_A_LEASE).await;
    done(revoking).await;
    // Nothing has healed yet: it must have made other connections by itself.
    let back = recovers(rig, "q3").await;
    let is_leased = !rig.incarnations("q3").await.is_empty();
    rig.service("q3").recipe.place.heal();
    rig.end(watch, &["q3"]).await;
    rig.found.expect(is_leased, || {
        "it lost its lease to connections that are gone".to_owned()
    });
    rig.found.expect_speed(back <= RECOVERS_WITHIN, || {
        format!("L2: back {} ms after a lease's time", back.as_millis())
    });
}

async fn replica_and_nats(rig: &mut Rig) {
    let deaf = lease(rig, "q3").await;
    let watch = rig.round().await;
    let nats = rig.nats.address();
    let silenced = silence(rig, "q3", nats);
    let began = now();
    rig.found.expect(!silenced.is_empty(), || {
        "there was no connection to NATS to lose".to_owned()
    });
    let revoked = done(watch.revoke()).await;
    rig.end(watch, &[]).await;
    expect_state(rig, &revoked, deaf, &[ReplicaState::Acked]);
    for one in &revoked {
        let waited = one.waited();
        rig.found.expect_speed(waited <= BY_RENEWALS, || {
            format!("through renewals it took {} ms", waited.as_millis())
        });
    }
    eventually(SOON, "it connects to NATS anew", async || {
        let now = connections(rig, "q3", nats);
        let is_anew = now.iter().any(|one| !silenced.contains(one));
        is_anew.then_some(())
    })
    .await;
    let noticed = Duration::from_nanos(now() - began);
    rig.service("q3").recipe.place.heal();
    rig.found
        .note(format!("NATS anew after {} ms", noticed.as_millis()));
    rig.found.expect_speed(noticed <= NATS_NOTICED_WITHIN, || {
        format!("NATS anew only after {} ms", noticed.as_millis())
    });
}

async fn command_and_postgres(rig: &mut Rig) {
    let watch = rig.round().await;
    let c2 = rig.target("c2");
    let doomed = watch.begin_at(&c2);
    let postgres = rig.postgres.address();
    let silenced = silence(rig, "c2", postgres);
    rig.found.expect(!silenced.is_empty(), || {
        "c2 had no connection to Postgres".to_owned()
    });
    let began = now();
    let revoked = done(watch.revoke_at(&[rig.target("c1")])).await;
    let took = Duration::from_nanos(now() - began);
    let _ = doomed.await;
    let control = rig.control.clone();
    eventually(SOON, "c2 appends again", async || {
        let answer = control.ask(&c2).await;
        answer
            .is(StatusCode::CREATED)
            .then_some(())
            .ok_or(answer.told())
    })
    .await;
    rig.service("c2").recipe.place.heal();
    rig.end(watch, &[POSTGRES]).await;
    rig.found
        .expect(revoked.len() == 3, || "a retry did not return".to_owned());
    rig.found.expect_speed(took <= LOCK_FREED_WITHIN, || {
        format!("others revoked only after {} ms", took.as_millis())
    });
}

/// Loses all packets of the connections that a service has to a server now, and names them.
fn silence(rig: &mut Rig, name: &str, server: SocketAddr) -> Vec<Connection> {
    let connections = connections(rig, name, server);
    let place = rig.service(name).recipe.place.clone();
    let cut = place.half_open(&connections);
    cut.expect("rules could be set when the rig began");
    connections
}

/// The connections that a service has to a server.
fn connections(rig: &mut Rig, name: &str, server: SocketAddr) -> Vec<Connection> {
    let table = format!("/proc/{}/net/tcp", rig.service(name).pid());
    let table = fs::read_to_string(table).expect("the process lives");
    let all = table.lines().skip(1).filter_map(established);
    all.filter(|one| one.peer == server).collect()
}

/// A line of the kernel's table, if it is of a connection that both ends believe in.
fn established(line: &str) -> Option<Connection> {
    let mut fields = line.split_whitespace().skip(1);
    let (own, peer, state) = (fields.next()?, fields.next()?, fields.next()?);
    let is_established = state == "01";
    is_established.then_some(Connection {
        port: address(own)?.port(),
        peer: address(peer)?,
    })
}

/// An address as the kernel writes it: in the host's order of bytes.
fn address(text: &str) -> Option<SocketAddr> {
    let (address, port) = text.split_once(':')?;
    let address = u32::from_str_radix(address, 16).ok()?;
    let port = u16::from_str_radix(port, 16).ok()?;
    Some((Ipv4Addr::from(address.to_ne_bytes()), port).into())
}
