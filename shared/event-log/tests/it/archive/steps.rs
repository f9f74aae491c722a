//! Step by step: broken off anywhere and begun again, refused while something has to come first, and
//! unnoticed by whoever reads and appends.

use event_log::FeedConfig;
use event_log::archive::{Behind, Step};
use sqlx::Connection;

use super::*;
use crate::support::request;

/// How far an archiver comes before it is killed.
const STEPS: usize = 5;

/// Takes so many steps with the first partition.
async fn steps(world: &World, count: usize) {
    let mut archiver = world.archiver().await;
    let after = archiver.resume().await.unwrap();
    let Next::Due(stretch) = due(&mut archiver, after).await else {
        return;
    };
    if count == 0 {
        return;
    }
    let written = archiver.write(stretch, |_, _| {}).await.unwrap();
    if count > 1 {
        archiver.keep(&written).await.unwrap();
    }
    if count > 2 {
        archiver.put_away(&written).await.unwrap();
    }
    if count > 3 {
        archiver.forget(stretch).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_may_be_broken_off_between_any_two_steps() {
    let world = World::new((STEPS as u64 + 1) * SIZE + 20).await;
    let whole = sound_log(world.log()).await;
    world.fold().await;
    let decisions = world.decisions().await;
    for count in 0..STEPS {
        steps(&world, count).await;
        assert_eq!(
            whole_log(&world.with_folder()).await,
            whole,
            "after {count}"
        );
        steps(&world, STEPS).await;
    }
    assert_eq!(world.archive().await, position((STEPS as u64 + 1) * SIZE));
    assert_eq!(whole_log(&world.with_folder()).await, whole);
    assert_eq!(world.decisions().await, decisions);
    let left: Vec<String> = sqlx::query_scalar(
        r"select relname::text from pg_class c join pg_namespace n on n.oid = relnamespace
          where nspname = 'log' and (relname like '%\_old%' or relname like '%\_kept%')",
    )
    .fetch_all(world.db.pool())
    .await
    .unwrap();
    assert_eq!(left, Vec::<String>::new());
}

/// The earlier archives stand there already.
#[tokio::test]
async fn a_log_is_archived_into_one_folder() {
    let world = World::new(SIZE + 1).await;
    world.archive().await;
    let other = tempfile::tempdir().unwrap();
    let begin = async || match Archiver::begin(world.log(), other.path().to_owned()).await {
        Err(ArchiveError::Busy) => None,
        begun => Some(begun.err()),
    };
    let refused = testkit::eventually(SOON, "nobody else archives", begin).await;
    assert!(
        matches!(refused, Some(ArchiveError::Elsewhere { .. })),
        "{refused:?}"
    );
    world.archiver().await;
}

/// What was put away is dropped only while the file is sound that has it.
#[tokio::test]
async fn the_only_sound_copy_is_not_dropped() {
    let world = World::new(SIZE + 1).await;
    let whole = sound_log(world.log()).await;
    world.fold().await;
    steps(&world, 3).await;
    let path = world.path().join(format!("events-1-{SIZE}.ndjson.zst"));
    let sound = fs::read(&path).unwrap();
    let mut bad = sound.clone();
    bad[100] ^= 1;
    fs::write(&path, bad).unwrap();
    let refused = world.archiver().await.resume().await.unwrap_err();
    assert!(
        matches!(refused, ArchiveError::NotDropped { .. }),
        "{refused}"
    );
    let old = "select count(*) from log.events_000000_old";
    let left: i64 = sqlx::query_scalar(old)
        .fetch_one(world.db.pool())
        .await
        .unwrap();
    assert_eq!(left.unsigned_abs(), SIZE);
    fs::write(&path, sound).unwrap();
    assert_eq!(world.archive().await, position(SIZE));
    assert_eq!(whole_log(&world.with_folder()).await, whole);
}

/// Half a file, half a copy.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_may_be_broken_off_within_a_step() {
    let world = World::new(SIZE + 1).await;
    let whole = sound_log(world.log()).await;
    world.fold().await;
    let name = format!("events-1-{SIZE}.ndjson.zst");
    for half in [name.clone(), format!("events-1-{SIZE}.json.new")] {
        fs::write(world.path().join(half), "half of it").unwrap();
    }
    let elsewhere = world.path().join("elsewhere");
    fs::write(&elsewhere, "of somebody else").unwrap();
    let partial = world.path().join(format!("{name}.part"));
    std::os::unix::fs::symlink(&elsewhere, partial).unwrap();
    for statement in [
        "select log.begin_kept(1, 300)",
        "select log.keep_decisions(1, 0, 100)",
    ] {
        sqlx::query(statement)
            .execute(world.db.pool())
            .await
            .unwrap();
    }
    assert_eq!(world.archive().await, position(SIZE));
    assert_eq!(whole_log(&world.with_folder()).await, whole);
    assert_eq!(fs::read_to_string(&elsewhere).unwrap(), "of somebody else");
    fs::remove_file(elsewhere).unwrap();
    let names = fs::read_dir(world.folder.path()).unwrap();
    let mut names: Vec<_> = names.map(|entry| entry.unwrap().file_name()).collect();
    names.sort_unstable();
    assert_eq!(
        names,
        [
            format!("events-1-{SIZE}.json").into(),
            std::ffi::OsString::from(name)
        ]
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn readers_and_appenders_go_on_meanwhile() {
    let world = World::new(4 * SIZE + 10).await;
    world.fold().await;
    let reader = world.with_folder();
    let mut feed = reader.subscribe(GlobalPosition::ZERO, FeedConfig::default());
    let goal = position(5 * SIZE);
    let follow = async {
        let mut seen = Vec::new();
        while feed.position() < goal {
            seen.extend(feed.next_batch().await.unwrap());
        }
        seen
    };
    let read_again = async {
        for _ in 0..10 {
            let all = whole_log(&reader).await;
            assert!(all.len() as u64 >= 4 * SIZE);
            assert_sound(&all);
        }
    };
    let all = async { tokio::join!(follow, read_again, world.fill(goal.get()), world.archive()) };
    let done = Clock::system().timeout(3 * SOON, Box::pin(all)).await;
    let (seen, (), (), archived) = done.unwrap();
    assert!(archived >= position(4 * SIZE), "{archived}");
    assert_sound(&seen);
    assert_eq!(seen, whole_log(&reader).await[..seen.len()]);
    sound_log(&reader).await;
}

/// Who holds a partition is not waited for longer than 20 ms at a time, and not passed over.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_partition_in_use_is_put_away_once_it_is_free() {
    let world = World::new(SIZE + 1).await;
    world.fold().await;
    let mut reader = world.db.pool().acquire().await.unwrap();
    let mut tx = reader.begin().await.unwrap();
    let count = "select count(*) from log.events";
    let before: i64 = sqlx::query_scalar(count).fetch_one(&mut *tx).await.unwrap();
    let appended = async {
        // It has been tried: then nobody waits behind it.
        let waits = "select count(*) from pg_stat_activity
            where datname = current_database() and query like '%log.put_away%'";
        testkit::eventually(SOON, "it is tried", async || {
            let tried: i64 = sqlx::query_scalar(waits)
                .fetch_one(world.db.pool())
                .await
                .unwrap();
            tried > 1
        })
        .await;
        append(world.log(), world.orgs[0], vec![event()]).await;
        let still: i64 = sqlx::query_scalar(count).fetch_one(&mut *tx).await.unwrap();
        assert_eq!(still, before + 1);
        tx.commit().await.unwrap();
    };
    let (archived, ()) = tokio::join!(world.archive(), appended);
    assert_eq!(archived, position(SIZE));
}

#[tokio::test]
async fn what_somebody_needs_online_stays() {
    let world = World::new(SIZE + 1).await;
    let (zero, far, all) = (GlobalPosition::ZERO, position(1_000_000), all());
    let behind = |error: ArchiveError| match error {
        ArchiveError::Behind { last, source } => (last.get(), source),
        other => panic!("{other}"),
    };
    let mut archiver = world.archiver().await;
    let unfolded = archiver.next(zero, all, far).await.unwrap_err();
    assert_eq!(behind(unfolded), (SIZE, Behind::Fold(zero)));
    world.fold().await;
    let late = position(SIZE - 1);
    let unprojected = archiver.next(zero, all, late).await.unwrap_err();
    assert_eq!(behind(unprojected), (SIZE, Behind::Projection(late)));
    // An observation that a webhook is still to get.
    let queue = "insert into hooks.deliveries (delivery_id, webhook_id, org_id, position, event_id,
            event_type, subject, status, ready, apart, attempts, tries, created_at)
        select event_id, event_id, org_id, position, event_id, type, subject, 'pending', true, false,
            0, 0, now() from log.events where stream = 1 and position > 100 order by position limit 1
        returning position";
    let waiting: i64 = sqlx::query_scalar(queue)
        .fetch_one(world.db.pool())
        .await
        .unwrap();
    let undelivered = archiver.next(zero, all, far).await.unwrap_err();
    let before = position(u64::try_from(waiting).unwrap() - 1);
    assert_eq!(behind(undelivered), (SIZE, Behind::Webhooks(before)));
    sqlx::query("update hooks.deliveries set status = 'delivered'")
        .execute(world.db.pool())
        .await
        .unwrap();
    for (signed, is_due) in [(SIZE - 1, false), (SIZE, true)] {
        sqlx::query(
            "insert into log.newest_checkpoint (epoch, tree_size, root, signed_at, public_key, note)
             values (gen_random_uuid(), $1, sha256(''), now(), '', '')
             on conflict (one) do update set tree_size = excluded.tree_size",
        )
        .bind(i64::try_from(signed).unwrap())
        .execute(world.db.pool())
        .await
        .unwrap();
        let next = archiver.next(zero, all, position(SIZE)).await;
        assert_eq!(next.is_ok(), is_due, "{next:?}");
    }

    let stretch = Stretch {
        first: position(1),
        last: position(SIZE),
    };
    let before = |at| Before {
        position: Some(position(at)),
        ..all
    };
    let instant = |offset| {
        let now = Timestamp::from_datetime(Clock::system().now());
        Before {
            position: None,
            instant: now.plus(TimeDelta::minutes(offset)),
        }
    };
    for (before, next) in [
        (before(SIZE), Next::Young(stretch)),
        (before(SIZE + 1), Next::Due(stretch)),
        (instant(-1), Next::Young(stretch)),
        (instant(1), Next::Due(stretch)),
    ] {
        assert_eq!(archiver.next(zero, before, far).await.unwrap(), next);
    }
    let second = archiver.next(position(SIZE), all, far).await.unwrap();
    assert_eq!(second, Next::Growing(position(SIZE + 1)));

    let other = Archiver::begin(world.log(), world.path()).await;
    assert!(matches!(other.err(), Some(ArchiveError::Busy)));
    drop(archiver);
    world.archiver().await;
}

/// The kept tree is grown over what leaves, and must be that of the events.
#[tokio::test]
async fn the_tree_is_whole_up_to_what_is_archived() {
    let world = World::new(2 * SIZE + 1).await;
    let wrong = "insert into log.merkle values (8, 1, sha256('wrong'))";
    sqlx::query(wrong).execute(world.db.pool()).await.unwrap();
    world.fold().await;
    let mut archiver = world.archiver().await;
    let zero = archiver.resume().await.unwrap();
    let Next::Due(first) = due(&mut archiver, zero).await else {
        panic!("it is full");
    };
    archive(&mut archiver, first).await;
    assert_eq!(
        world.count("log.merkle").await,
        2,
        "the first tile, and the wrong one"
    );
    let Next::Due(second) = due(&mut archiver, first.last).await else {
        panic!("it is full");
    };
    let refused = archiver.write(second, |_, _| {}).await.unwrap_err();
    assert!(
        matches!(refused, ArchiveError::Tree(position) if position.get() == 512),
        "{refused}"
    );
}

/// A database that was restored to an earlier moment has other events than the file of its former
/// life.
#[tokio::test]
async fn a_file_of_another_life_is_refused() {
    let world = World::new(SIZE + 1).await;
    world.archive().await;
    let other = World::new(SIZE + 1).await;
    for entry in fs::read_dir(world.folder.path()).unwrap() {
        let entry = entry.unwrap();
        fs::copy(entry.path(), other.path().join(entry.file_name())).unwrap();
    }
    other.fold().await;
    let mut archiver = other.archiver().await;
    let Next::Due(stretch) = due(&mut archiver, GlobalPosition::ZERO).await else {
        panic!("it is full");
    };
    let refused = archiver.write(stretch, |_, _| {}).await.unwrap_err();
    assert!(matches!(refused, ArchiveError::Foreign { .. }), "{refused}");
}

/// Nobody needs it yet: it says what to do.
#[tokio::test]
async fn an_earlier_file_that_is_damaged_is_refused() {
    let world = World::new(SIZE + 1).await;
    world.fold().await;
    steps(&world, 1).await;
    let path = world.path().join(format!("events-1-{SIZE}.ndjson.zst"));
    let mut bad = fs::read(&path).unwrap();
    bad[100] ^= 1;
    fs::write(&path, bad).unwrap();
    let mut archiver = world.archiver().await;
    let Next::Due(stretch) = due(&mut archiver, GlobalPosition::ZERO).await else {
        panic!("it is full");
    };
    let refused = archiver.write(stretch, |_, _| {}).await.unwrap_err();
    assert!(matches!(refused, ArchiveError::Unfit { .. }), "{refused}");
}

#[tokio::test]
async fn an_earlier_file_is_used_again_and_progress_is_told() {
    let world = World::new(SIZE + 1).await;
    world.fold().await;
    for was_there in [false, true] {
        let mut archiver = world.archiver().await;
        let Next::Due(stretch) = due(&mut archiver, GlobalPosition::ZERO).await else {
            panic!("it is full");
        };
        let (sender, told) = std::sync::mpsc::channel();
        let tell =
            move |step, position: GlobalPosition| sender.send((step, position.get())).unwrap();
        let written = archiver.write(stretch, tell).await.unwrap();
        assert_eq!(written.was_there, was_there);
        let told: Vec<_> = told.iter().collect();
        assert_eq!(told.last(), Some(&(Step::Read, SIZE)));
        assert_eq!(told.contains(&(Step::Write, SIZE)), !was_there);
    }
    let stale = world.log().append(event_log::AppendRequest {
        expected: Some(StreamVersion::new(1)),
        ..request(world.orgs[0], vec![event()])
    });
    assert!(stale.await.is_err());
}
