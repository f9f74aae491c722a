#![expect(clippy::unwrap_used, reason = "tests")]

use std::time::Duration;

use sqlx::{Connection, Executor, PgConnection, PgPool, Row};
use testkit::{Direction, Proxy, eventually};

const SOON: Duration = Duration::from_secs(10);

async fn one(pool: &PgPool, query: &'static str) -> String {
    pool.fetch_one(query).await.unwrap().get(0)
}

#[tokio::test]
async fn databases_are_migrated_and_do_not_see_each_other() {
    let (first, second) = tokio::join!(testkit::postgres(), testkit::postgres());
    let head = "SELECT position::text FROM log.head";
    assert_eq!(one(first.pool(), head).await, "0");
    let plain =
        "SELECT relnamespace::regnamespace::text FROM pg_class WHERE oid = 'projects'::regclass";
    assert!(one(first.pool(), plain).await.starts_with("read_"));
    first
        .pool()
        .execute("CREATE TABLE public.mine (n int)")
        .await
        .unwrap();
    second
        .pool()
        .execute("SELECT n FROM public.mine")
        .await
        .expect_err("it is the other's");
    assert_ne!(first.url(), second.url());
}

#[tokio::test]
async fn a_role_can_do_what_it_may_and_no_more() {
    let database = testkit::postgres().await;
    let pool = database.pool_as("tga_query");
    assert_eq!(one(&pool, "SELECT session_user::text").await, "tga_query");
    let error = pool.execute("DELETE FROM log.head").await.unwrap_err();
    let code = error
        .as_database_error()
        .unwrap()
        .code()
        .unwrap()
        .into_owned();
    assert_eq!(code, "42501");
}

#[tokio::test]
async fn a_private_postgres_dies_and_comes_back() {
    let mut postgres = testkit::private_postgres().await;
    let pool = postgres.pool();
    pool.execute("CREATE TABLE public.t (n int)").await.unwrap();
    postgres.kill().await;
    PgConnection::connect(&postgres.url()).await.unwrap_err();
    postgres.start().await;
    eventually(SOON, "the table is back", async || {
        pool.execute("SELECT n FROM public.t").await
    })
    .await;
    postgres.restart().await;
    eventually(SOON, "the table is back", async || {
        pool.execute("SELECT n FROM public.t").await
    })
    .await;
}

#[tokio::test]
async fn a_commit_whose_answer_is_lost_is_committed() {
    let database = testkit::private_postgres().await;
    let proxy = Proxy::to(database.port()).await;
    let through = PgPool::connect(&proxy.url(&database.url())).await.unwrap();
    let mut transaction = through.begin().await.unwrap();
    transaction
        .execute("CREATE TABLE public.t (n int)")
        .await
        .unwrap();
    let cut = proxy.cut_after(Direction::ToServer, b"COMMIT");
    transaction.commit().await.expect_err("the answer is lost");
    cut.await;
    let direct = database.pool();
    eventually(SOON, "the table is there", async || {
        direct.execute("SELECT n FROM public.t").await
    })
    .await;
}

#[tokio::test]
async fn a_nats_server_forgets_all_only_when_wiped() {
    let mut nats = testkit::nats().await;
    let make = async |nats: &testkit::TestNats| {
        let config = async_nats::jetstream::stream::Config {
            name: "S".to_owned(),
            ..Default::default()
        };
        nats.jetstream().await.create_stream(config).await.unwrap();
    };
    let has = async |nats: &testkit::TestNats| nats.jetstream().await.get_stream("S").await.is_ok();
    make(&nats).await;
    nats.restart().await;
    assert!(has(&nats).await);
    nats.kill().await;
    nats.start().await;
    assert!(has(&nats).await);
    nats.wipe().await;
    assert!(!has(&nats).await);
    nats.pause();
    nats.resume();
    make(&nats).await;
}
