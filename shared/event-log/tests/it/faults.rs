//! faults.md, rows 9, 20 to 22 and 27: whatever happens to Postgres and the way to it, what was
//! answered is true, and nothing is appended twice.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use domain::ids::EventId;
use event_log::{AppendError, AppendRequest, Appended, EventLog, IdempotencyRecord, StoredEvent};
use runtime::clock::Clock;
use runtime::entropy::Entropy;
use sqlx::PgPool;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use testkit::{Direction, Proxy, TestDatabase, eventually, postgres, private_postgres};
use tokio::task::JoinSet;

use crate::support::{Process, SOON, append, event, org, request, sound_log};

type Answer = Result<Appended, AppendError>;

/// A process that reaches the database through a proxy.
async fn behind_proxy(db: &TestDatabase) -> (Process, Proxy) {
    let proxy = Proxy::to(db.options().get_port()).await;
    let process = Process::start(lazy(db.options().clone().port(proxy.port())));
    // The connection is warm, and the next append is one statement.
    append(&process.log, org(), vec![event()]).await;
    (process, proxy)
}

fn lazy(options: PgConnectOptions) -> PgPool {
    PgPoolOptions::new()
        .max_connections(4)
        .connect_lazy_with(options)
}

fn remembered(request: AppendRequest) -> AppendRequest {
    AppendRequest {
        idempotency: Some(IdempotencyRecord {
            org_id: request.org_id,
            key: "k".to_owned(),
            route: "POST /".to_owned(),
            fingerprint: [0; 32],
            status: 200,
            answer: vec![],
        }),
        ..request
    }
}

/// Appends once to a known stream while something is about to happen.
async fn append_once(
    db: &TestDatabase,
    process: &Process,
    set: impl FnOnce(&Proxy),
    proxy: &Proxy,
    in_tx: bool,
) {
    let org = org();
    append(&process.log, org, vec![event()]).await;
    let before = db_log(db).await.len();
    set(proxy);
    let one = request(org, vec![event(), event()]);
    let answer = process
        .log
        .append(if in_tx { remembered(one) } else { one })
        .await;
    let appended = answer.unwrap();
    proxy.heal();
    let all = db_log(db).await;
    assert_eq!(all.len(), before + 2);
    assert_eq!(all.last().unwrap().position, appended.last);
    assert_eq!(Some(&all.last().unwrap().hash), appended.hashes.last());
    append(&process.log, org, vec![event()]).await;
}

async fn db_log(db: &TestDatabase) -> Vec<StoredEvent> {
    let direct = Process::start(db.pool().clone());
    sound_log(&direct.log).await
}

#[tokio::test]
async fn a_lost_answer_is_looked_up() {
    let db = postgres().await;
    let (process, proxy) = behind_proxy(&db).await;
    for (direction, pattern, in_tx) in LAST_ANSWERS {
        let set = |proxy: &Proxy| drop(proxy.cut_before(direction, pattern));
        append_once(&db, &process, set, &proxy, in_tx).await;
    }
}

#[tokio::test]
async fn a_connection_cut_after_the_commit_was_sent_loses_nothing() {
    let db = postgres().await;
    let (process, proxy) = behind_proxy(&db).await;
    for (pattern, in_tx) in [(&b"project.removed"[..], false), (&b"commit"[..], true)] {
        let set = |proxy: &Proxy| drop(proxy.cut_after(Direction::ToServer, pattern));
        append_once(&db, &process, set, &proxy, in_tx).await;
    }
}

/// What passes between us and Postgres during an append, before its last answer: direction, what the
/// message holds, and whether the append takes a transaction or one statement.
const STEPS: [(Direction, &[u8], bool); 8] = [
    (Direction::ToServer, b"project.removed", false),
    (Direction::ToServer, b"begin isolation", true),
    (Direction::ToClient, b"BEGIN", true),
    (Direction::ToServer, b"project.removed", true),
    (Direction::ToClient, b"SELECT 1", true),
    (Direction::ToServer, b"POST /", true),
    (Direction::ToClient, b"INSERT 0 1", true),
    (Direction::ToServer, b"commit", true),
];
const LAST_ANSWERS: [(Direction, &[u8], bool); 2] = [
    (Direction::ToClient, b"SELECT 1", false),
    (Direction::ToClient, b"COMMIT", true),
];

#[tokio::test]
async fn a_connection_cut_between_any_two_steps_is_made_up_for() {
    let db = postgres().await;
    let (process, proxy) = behind_proxy(&db).await;
    for (direction, pattern, in_tx) in STEPS {
        let set = |proxy: &Proxy| drop(proxy.cut_before(direction, pattern));
        append_once(&db, &process, set, &proxy, in_tx).await;
    }
}

/// The one statement of an append is still under way when its sender gives up and asks what became
/// of it. Whatever the answer was, it stays true once the statement arrives.
#[tokio::test]
async fn a_statement_that_comes_after_the_answer_does_nothing() {
    let db = postgres().await;
    let proxy = Proxy::to(db.options().get_port()).await;
    let options = db.options().clone().port(proxy.port());
    // Once it is refused for good, once it is tried again and succeeds.
    for (is_refused, deadline) in [(true, Duration::from_millis(900)), (false, SOON)] {
        let config = event_log::Config {
            deadline,
            step: Duration::from_millis(400),
            ..event_log::Config::default()
        };
        let process = Process::start_with(lazy(options.clone()), config);
        let (log, org) = (&process.log, org());
        // The second is the one statement that the third will be.
        append(log, org, vec![event()]).await;
        append(log, org, vec![event()]).await;
        let before = db_log(&db).await.len();
        let mut late = proxy.hold(Direction::ToServer, b"project.removed");
        let meddling = async {
            late.caught().await;
            // Lets it look, and never write.
            if !is_refused {
                std::future::pending::<()>().await;
            }
            loop {
                let again = proxy.cut_before(Direction::ToServer, b"project.removed");
                again.await;
            }
        };
        let answer = tokio::select! {
            answer = log.append(request(org, vec![event()])) => answer,
            never = meddling => never,
        };
        assert_eq!(
            matches!(answer, Err(AppendError::NotCommitted(_))),
            is_refused,
            "{answer:?}"
        );
        // Nothing is left but the late statement.
        process.stop().await;
        proxy.heal();
        let connections = async |count| {
            let are = || (proxy.connections() == count).then_some(());
            eventually(SOON, "connections end", async || are()).await;
        };
        connections(1).await;
        late.release();
        connections(0).await;
        let rest = usize::from(!is_refused);
        assert_eq!(db_log(&db).await.len(), before + rest);
    }
}

#[tokio::test]
async fn a_half_open_connection_is_given_up() {
    let db = postgres().await;
    let (process, proxy) = behind_proxy(&db).await;
    for direction in [Direction::ToServer, Direction::ToClient] {
        let org = org();
        append(&process.log, org, vec![event()]).await;
        let before = db_log(&db).await.len();
        proxy.stall(direction);
        let heal = async {
            Clock::system().sleep(Duration::from_millis(2_500)).await;
            proxy.cut_connections();
            proxy.heal();
        };
        let (answer, ()) = tokio::join!(process.log.append(request(org, vec![event()])), heal);
        answer.unwrap();
        assert_eq!(db_log(&db).await.len(), before + 1);
    }
}

/// One append whose rows take too long to write fails alone.
#[tokio::test]
async fn a_slow_append_does_not_take_its_neighbours_along() {
    let db = postgres().await;
    for statement in [
        "create function public.dawdle() returns trigger language plpgsql as $$
         begin
             if new.key = 'slow' then perform pg_sleep(20); end if;
             return new;
         end $$",
        "create trigger dawdle before insert on log.idempotency
         for each row execute function public.dawdle()",
    ] {
        sqlx::query(statement).execute(db.pool()).await.unwrap();
    }
    let config = event_log::Config {
        deadline: Duration::from_secs(2),
        step: Duration::from_millis(300),
        ..event_log::Config::default()
    };
    let process = Process::start_with(db.pool().clone(), config);
    append(&process.log, org(), vec![event()]).await;
    let named = |key: &str| {
        let mut request = remembered(request(org(), vec![event()]));
        let record = request.idempotency.as_mut().unwrap();
        record.key = key.to_owned();
        process.log.append(request)
    };
    let (one, slow, other) = tokio::join!(named("one"), named("slow"), named("other"));
    assert!(one.is_ok() && other.is_ok(), "{one:?} {other:?}");
    assert!(
        matches!(slow, Err(AppendError::NotCommitted(_))),
        "{slow:?}"
    );
    assert_eq!(sound_log(&process.log).await.len(), 3);
}

#[tokio::test]
async fn a_reader_gives_up_a_half_open_connection_and_goes_on_with_another() {
    let db = postgres().await;
    let proxy = Proxy::to(db.options().get_port()).await;
    let options = db.options().clone().port(proxy.port());
    let pool = PgPoolOptions::new()
        .max_connections(1)
        .connect_lazy_with(options);
    let (clock, hands) = Clock::manual(chrono::DateTime::UNIX_EPOCH);
    let (log, _) = EventLog::new(pool, clock, Entropy::os(), event_log::Config::default());
    let mut held = proxy.hold(Direction::ToClient, b"auth_position");
    let give_up = async {
        held.caught().await;
        hands.advance(Duration::from_mins(1));
    };
    let (answer, ()) = tokio::join!(log.head(), give_up);
    assert!(answer.is_err());
    // The pool has room for one connection only.
    let again = Clock::system().timeout(SOON, log.head()).await;
    assert_eq!(again.unwrap().unwrap().position.get(), 0);
}

#[tokio::test]
async fn a_head_lock_held_by_a_stopped_process_is_freed() {
    let db = postgres().await;
    let process = Process::start(db.pool().clone());
    append(&process.log, org(), vec![event()]).await;
    let stopped = lazy(
        db.options()
            .clone()
            .options([("idle_in_transaction_session_timeout", "1000")]),
    );
    let mut held = stopped.begin().await.unwrap();
    sqlx::query("select position from log.head for update")
        .fetch_one(&mut *held)
        .await
        .unwrap();
    // It neither commits nor goes away.
    append(&process.log, org(), vec![event()]).await;
    assert_eq!(sound_log(&process.log).await.len(), 2);
}

/// What writers were told, by the id of what they appended.
#[derive(Default)]
struct Told(Vec<(domain::event::Event, Answer)>);

impl Told {
    /// Nothing that was acknowledged is missing, nothing that was refused is there, nothing is
    /// there twice.
    async fn check(&self, log: &EventLog) {
        let all = sound_log(log).await;
        let mut found: HashMap<String, Vec<EventId>> = HashMap::new();
        for event in &all {
            found
                .entry(event.data.to_string())
                .or_default()
                .push(event.event_id);
        }
        let mut acknowledged = 0;
        for (event, answer) in &self.0 {
            let times = found.get(&event.data()).map_or(0, Vec::len);
            match answer {
                Ok(appended) => {
                    let index = usize::try_from(appended.last.get() - 1).unwrap();
                    assert_eq!((times, &*all[index].data), (1, &*event.data()));
                    acknowledged += 1;
                }
                Err(AppendError::OutcomeUnknown) => assert!(times <= 1),
                Err(AppendError::NotCommitted(_)) => assert_eq!(times, 0),
                Err(error) => panic!("{error:?}"),
            }
        }
        assert!(acknowledged > 0, "nothing was appended at all");
    }
}

/// Writers that go on until told to stop.
fn write_on(log: &EventLog, writers: usize, stop: &Arc<AtomicBool>) -> JoinSet<Told> {
    let mut tasks = JoinSet::new();
    for _ in 0..writers {
        let (log, stop) = (log.clone(), Arc::clone(stop));
        let org = org();
        tasks.spawn(async move {
            let mut told = Told::default();
            while !stop.load(Ordering::Relaxed) {
                let event = event();
                let answer = log.append(request(org, vec![event.clone()])).await;
                told.0.push((event, answer));
            }
            told
        });
    }
    tasks
}

async fn collect(tasks: JoinSet<Told>) -> Told {
    Told(
        tasks
            .join_all()
            .await
            .into_iter()
            .flat_map(|told| told.0)
            .collect(),
    )
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn postgres_killed_and_restarted_loses_nothing_acknowledged() {
    let mut server = private_postgres().await;
    let process = Process::start(server.pool());
    let stop = Arc::new(AtomicBool::new(false));
    let writers = write_on(&process.log, 16, &stop);
    let clock = Clock::system();
    for round in 0..3 {
        clock.sleep(Duration::from_millis(300)).await;
        if round == 1 {
            server.restart().await;
        } else {
            server.kill().await;
            server.start().await;
        }
    }
    clock.sleep(Duration::from_millis(300)).await;
    stop.store(true, Ordering::Relaxed);
    let told = collect(writers).await;
    told.check(&Process::start(server.pool()).log).await;
}

/// Each message of an append is held until Postgres was killed and has come up again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn postgres_killed_between_any_two_steps_loses_nothing_acknowledged() {
    let mut server = private_postgres().await;
    let proxy = Proxy::to(server.options().get_port()).await;
    let process = Process::start(lazy(server.options().port(proxy.port())));
    let mut told = Told::default();
    for (direction, pattern, in_tx) in STEPS.into_iter().chain(LAST_ANSWERS) {
        let org = org();
        append(&process.log, org, vec![event()]).await;
        let mut held = proxy.hold(direction, pattern);
        let kill = async {
            held.caught().await;
            server.kill().await;
            proxy.cut_connections();
            server.start().await;
            proxy.heal();
        };
        let event = event();
        let one = request(org, vec![event.clone()]);
        let one = if in_tx { remembered(one) } else { one };
        let (answer, ()) = tokio::join!(process.log.append(one), kill);
        told.0.push((event, answer));
    }
    told.check(&Process::start(server.pool()).log).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn postgres_standing_still_delays_and_changes_nothing() {
    let server = private_postgres().await;
    let process = Process::start(server.pool());
    append(&process.log, org(), vec![event()]).await;
    let stop = Arc::new(AtomicBool::new(false));
    let writers = write_on(&process.log, 8, &stop);
    let clock = Clock::system();
    for pause in [500, 2_500] {
        clock.sleep(Duration::from_millis(200)).await;
        server.pause();
        clock.sleep(Duration::from_millis(pause)).await;
        server.resume();
    }
    clock.sleep(Duration::from_millis(200)).await;
    stop.store(true, Ordering::Relaxed);
    let told = collect(writers).await;
    told.check(&process.log).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_processes_with_flapping_links_stay_truthful() {
    let db = postgres().await;
    let (one, proxy) = behind_proxy(&db).await;
    let other = Process::start(db.pool().clone());
    let stop = Arc::new(AtomicBool::new(false));
    let mut writers = write_on(&one.log, 8, &stop);
    let others = write_on(&other.log, 8, &stop);
    let clock = Clock::system();
    for gap in [20, 50, 80, 110, 30, 60, 90, 120, 40, 70] {
        clock.sleep(Duration::from_millis(gap)).await;
        proxy.cut_connections();
    }
    stop.store(true, Ordering::Relaxed);
    let mut told = collect(others).await;
    while let Some(more) = writers.join_next().await {
        told.0.extend(more.unwrap().0);
    }
    told.check(&other.log).await;
}

#[tokio::test]
async fn while_postgres_is_gone_appends_are_refused_and_later_work_again() {
    let mut server = private_postgres().await;
    let process = Process::start_with(
        server.pool(),
        event_log::Config {
            deadline: Duration::from_millis(700),
            step: Duration::from_millis(300),
            ..event_log::Config::default()
        },
    );
    append(&process.log, org(), vec![event()]).await;
    server.kill().await;
    let refused = process.log.append(request(org(), vec![event()])).await;
    assert!(
        matches!(
            refused,
            Err(AppendError::NotCommitted(_) | AppendError::OutcomeUnknown)
        ),
        "{refused:?}"
    );
    let refused = process.log.append(request(org(), vec![event()])).await;
    assert!(
        matches!(refused, Err(AppendError::NotCommitted(_))),
        "{refused:?}"
    );
    server.start().await;
    append(&process.log, org(), vec![event()]).await;
    assert_eq!(sound_log(&process.log).await.len(), 2);
}
