//! Mirroring that begins while a part of the log is archived: it goes on from wherever the stream ends,
//! or from where the archives end, and never stands still.

use async_nats::jetstream::stream::{Config, Info};
use event_log::{Mirror, MirrorConfig};
use runtime::lifecycle::TaskKind;
use testkit::TestNats;

use super::*;
use crate::mirror::{keep_first, lose, mirrored};

/// Mirrors what there is, and ends.
async fn mirror_once(world: &World, nats: &TestNats) -> Info {
    let process = Process::start(world.db.pool().clone());
    process.mirror(nats.client().await);
    let info = mirrored(nats, world.log()).await;
    process.stop().await;
    info
}

/// The first event on the stream, which holds all after it.
async fn first(world: &World, nats: &TestNats) -> u64 {
    let state = mirrored(nats, world.log()).await.state;
    assert_eq!(
        state.messages,
        state.last_sequence + 1 - state.first_sequence
    );
    state.first_sequence
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_that_ends_within_archives_begins_anew_where_they_end() {
    let (world, nats) = (World::new(100).await, testkit::nats().await);
    // A decision stays online, so what follows on the stream is all that is not at hand.
    append(world.log(), world.orgs[0], vec![event()]).await;
    mirror_once(&world, &nats).await;
    world.fill(SIZE + 10).await;
    assert_eq!(world.archive().await, position(SIZE));
    world.process.mirror(nats.client().await);
    assert_eq!(first(&world, &nats).await, SIZE + 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_the_folder_it_goes_on_where_it_ended() {
    let (world, nats) = (World::new(100).await, testkit::nats().await);
    mirror_once(&world, &nats).await;
    world.fill(SIZE + 10).await;
    assert_eq!(world.archive().await, position(SIZE));
    let (log, client) = (world.with_folder(), nats.client().await);
    let mirror = Mirror::new(log, client, MirrorConfig::default());
    let tasks = &world.process.tasks;
    tasks.spawn(TaskKind::Critical, "mirror", mirror.run(tasks.clone()));
    assert_eq!(first(&world, &nats).await, 1);
}

/// Its newest messages are lost, and what the one before is to be compared with is archived.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_that_cannot_be_compared_begins_anew() {
    let (world, nats) = (World::new(SIZE + 10).await, testkit::nats().await);
    let allows_it = Config {
        deny_delete: false,
        ..mirror_once(&world, &nats).await.config
    };
    assert_eq!(world.archive().await, position(SIZE));
    keep_first(&nats, &allows_it, SIZE).await;
    let gone = "select max(p) from generate_series(1, $1::bigint) p
                where not exists (select from log.events e where e.position = p)";
    let gone = sqlx::query_scalar::<_, i64>(gone).bind(position(SIZE).as_i64());
    let gone = gone.fetch_one(world.db.pool()).await.unwrap();
    for sequence in u64::try_from(gone).unwrap() + 1..=SIZE {
        lose(&nats, sequence).await;
    }
    let epoch = world.log().head().await.unwrap().epoch;
    world.process.mirror(nats.client().await);
    assert_eq!(first(&world, &nats).await, SIZE + 1);
    // It is not taken for another history.
    assert_eq!(world.log().head().await.unwrap().epoch, epoch);
}
