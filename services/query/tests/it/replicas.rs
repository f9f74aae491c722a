//! Replicas beside each other, and the bad day.

use http::Method;
use runtime::lifecycle::{Outcome, ShutdownPolicy};
use testkit::{Direction, Proxy};

use crate::objects::ids;
use crate::support::{Database, PATIENCE, World, bearer};

/// Each in a process of its own, with the rights of a query service: whoever projects, both answer
/// at the position asked for, and when the one that projects goes, the other goes on.
#[tokio::test]
async fn whoever_projects_every_replica_answers() {
    let world = World::start().await;
    let org = world.org().await;
    let (one, _kept) = world.replica_apart(&["--projector", "false"]).await;
    let (two, ending) = world.replica_apart(&[]).await;
    let mut written = Vec::new();
    for round in 0..6 {
        written.insert(
            0,
            world.project(&org, &format!("P {round}")).await.as_uuid(),
        );
        let head = world.log.head().await.unwrap().position.to_string();
        let ask = [bearer(&org.key), ("tga-min-position", head.as_str())];
        for replica in [&one, &two, &world.replica] {
            let reply = replica.send(Method::GET, "/projects", &ask).await;
            assert_eq!(ids(&reply.data()), written);
            let again = replica.get(&org.key, "/projects").await;
            assert_eq!(
                ids(&again.data()),
                written,
                "an older answer after a newer one"
            );
        }
    }
    assert_eq!(
        ending.shutdown(ShutdownPolicy::default()).await,
        Outcome::Clean
    );
    written.insert(0, world.project(&org, "Last").await.as_uuid());
    let reply = world.get(&org.key, "/projects").await;
    assert_eq!(ids(&reply.data()), written);
}

/// Without the primary a replica answers for as long as its lease lasts, then says that it cannot;
/// afterwards it answers again, and nothing of before is given as if it were now.
#[tokio::test]
async fn a_replica_outlives_postgres() {
    let server = testkit::private_postgres().await;
    let mut world = World::start_on(Database::Own(Box::new(server))).await;
    let org = world.org().await;
    world.project(&org, "Before").await;
    world.get(&org.key, "/projects").await;
    world.database.server().stop().await;
    let bearer = [bearer(&org.key)];
    let replica = world.replica.clone();
    testkit::eventually(PATIENCE, "the lease runs out", async || {
        let reply = replica.send_once(Method::GET, "/projects", &bearer).await;
        match reply.status.as_u16() {
            200 => None,
            // What is kept is given up at about the same time.
            503 if reply.code() == "projection_unavailable" => None,
            503 if reply.code() == "verification_unavailable" => Some(()),
            _ => panic!("{reply:?}"),
        }
    })
    .await;
    world.database.server().start().await;
    testkit::eventually(PATIENCE, "it answers again", async || {
        let reply = replica.send_once(Method::GET, "/projects", &bearer).await;
        (reply.status == 200).then_some(())
    })
    .await;
    let after = testkit::eventually(PATIENCE, "the log takes events again", async || {
        let head = world.log.head().await;
        head.ok().map(|head| head.position)
    })
    .await;
    world.project(&org, "After").await;
    // The projector finds its way back at its own pace, and until then nothing older is given.
    let reply = testkit::eventually(PATIENCE, "the projection goes on", async || {
        let reply = world.get(&org.key, "/projects").await;
        let is_behind = reply.status == 503 && reply.code() == "projection_unavailable";
        (!is_behind).then_some(reply)
    })
    .await;
    assert_eq!(reply.data().as_array().unwrap().len(), 2);
    assert!(reply.position() > after.get());
}

/// A log that does not answer is not a log in which nothing happens.
#[tokio::test]
async fn a_replica_whose_log_is_stuck_gives_no_kept_answer_for_long() {
    let world = World::start().await;
    let org = world.org().await;
    world.project(&org, "Before").await;
    let proxy = Proxy::to(world.database.options().get_port()).await;
    let (replica, _running) = world.replica_behind(&proxy).await;
    let head = world.log.head().await.unwrap().position.to_string();
    let ask = [bearer(&org.key), ("tga-min-position", head.as_str())];
    replica.send(Method::GET, "/projects", &ask).await;

    proxy.stall(Direction::ToServer);
    world.project(&org, "After").await;
    // Once the projection has it, only a kept answer could be without it.
    world.get(&org.key, "/projects").await;
    testkit::eventually(PATIENCE, "what is kept is given up", async || {
        let reply = replica.get(&org.key, "/projects").await;
        (reply.data().as_array().unwrap().len() == 2).then_some(())
    })
    .await;
}
