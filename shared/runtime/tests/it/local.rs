#![expect(clippy::unwrap_used, reason = "tests")]

use std::env;
use std::fs;
use std::io::Read as _;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use runtime::clock::Clock;
use runtime::entropy::Entropy;
use runtime::local::{
    Durability, LocalError, NatsConfig, NatsServer, PostgresConfig, PostgresServer,
};
use runtime::nats::NatsUrl;
use rustix::process::{Pid, Signal, kill_process};
use sqlx::{Connection, Executor, PgConnection, Row};
use tempfile::TempDir;

/// Names the folder in which the helper process starts its server.
const HELPER: &str = "TGA_TEST_HELPER_FOLDER";

/// A folder that an unprivileged account may reach.
fn folder() -> TempDir {
    tempfile::Builder::new()
        .permissions(fs::Permissions::from_mode(0o755))
        .tempdir()
        .unwrap()
}

fn postgres_config(folder: &Path) -> PostgresConfig {
    PostgresConfig {
        durability: Durability::None,
        ..PostgresConfig::new(folder.join("postgres"))
    }
}

async fn postgres(folder: &Path) -> PostgresServer {
    let config = postgres_config(folder);
    PostgresServer::init(config, &Clock::system(), &Entropy::os())
        .await
        .unwrap()
}

async fn nats(folder: &Path) -> NatsServer {
    let config = NatsConfig::new(folder.join("nats"));
    NatsServer::init(config, &Clock::system(), &Entropy::os())
        .await
        .unwrap()
}

async fn nats_client(url: &str) -> Result<async_nats::Client, async_nats::ConnectError> {
    url.parse::<NatsUrl>().unwrap().connect().await
}

async fn until(what: &str, condition: impl Fn() -> bool) {
    let clock = Clock::system();
    let deadline = clock.monotonic() + Duration::from_secs(20);
    while !condition() {
        assert!(clock.monotonic() < deadline, "not within 20 s: {what}");
        clock.sleep(Duration::from_millis(10)).await;
    }
}

fn alive(pid: u32) -> bool {
    fs::read_link(format!("/proc/{pid}/cwd")).is_ok()
}

#[tokio::test]
async fn postgres_keeps_its_data_through_stop_kill_and_a_new_process_of_ours() {
    let folder = folder();
    let mut server = postgres(folder.path()).await;
    let mut connection = PgConnection::connect(&server.url("postgres"))
        .await
        .unwrap();
    connection
        .execute("CREATE TABLE t (n int); INSERT INTO t VALUES (7)")
        .await
        .unwrap();
    let (port, first) = (server.port(), server.pid().unwrap());

    server.kill().await.unwrap();
    assert!(!server.is_running());
    connection
        .execute("SELECT 1")
        .await
        .expect_err("the server is gone");
    server.start().await.unwrap();
    server.stop().await.unwrap();
    server
        .stop()
        .await
        .expect("stopping twice is stopping once");
    server.start().await.unwrap();
    assert_eq!(server.port(), port);
    assert_ne!(server.pid(), Some(first));
    server.shut_down().await.unwrap();

    let server = postgres(folder.path()).await;
    let mut connection = PgConnection::connect(&server.url("postgres"))
        .await
        .unwrap();
    let row = connection
        .fetch_one("SELECT n, current_setting('data_checksums') FROM t")
        .await;
    let row = row.unwrap();
    assert_eq!((row.get::<i32, _>(0), row.get::<&str, _>(1)), (7, "on"));
    server.shut_down().await.unwrap();
}

#[tokio::test]
async fn postgres_is_private() {
    let folder = folder();
    let server = postgres(folder.path()).await;
    let url = server
        .url("postgres")
        .replace("://postgres:", "://postgres:x");
    let refused = PgConnection::connect(&url)
        .await
        .expect_err("a wrong password");
    assert!(refused.to_string().contains("password"), "{refused}");

    let home = folder.path().join("postgres");
    assert_eq!(home.metadata().unwrap().mode() & 0o777, 0o700);
    let password = home.join("superuser.password").metadata().unwrap();
    assert_eq!(password.mode() & 0o777, 0o600);
    assert_ne!(
        home.metadata().unwrap().uid(),
        0,
        "the server must not own root's files"
    );
    let secret = fs::read_to_string(home.join("superuser.password")).unwrap();
    assert!(!format!("{server:?}").contains(&secret));
    assert!(!home.join("data.verifier").exists());
    let pid = server.pid().unwrap();
    for place in ["cmdline", "environ"] {
        let text = fs::read(format!("/proc/{pid}/{place}")).unwrap();
        assert!(!String::from_utf8_lossy(&text).contains(&secret), "{place}");
    }
}

#[tokio::test]
async fn a_folder_in_use_is_refused() {
    let folder = folder();
    let _server = postgres(folder.path()).await;
    let config = postgres_config(folder.path());
    let error = PostgresServer::init(config, &Clock::system(), &Entropy::os())
        .await
        .expect_err("the first still runs");
    assert!(matches!(error, LocalError::InUse { .. }), "{error}");
}

#[tokio::test]
async fn a_server_that_does_not_come_up_says_why() {
    let folder = folder();
    let config = PostgresConfig {
        settings: vec![("no_such_setting", "1".to_owned())],
        ..postgres_config(folder.path())
    };
    let error = PostgresServer::init(config, &Clock::system(), &Entropy::os())
        .await
        .expect_err("the setting does not exist")
        .to_string();
    assert!(error.contains("no_such_setting"), "{error}");
}

#[tokio::test]
async fn an_interrupted_initdb_is_begun_anew() {
    let folder = folder();
    let home = folder.path().join("postgres");
    fs::create_dir_all(home.join("data.new/base")).unwrap();
    fs::write(home.join("data.verifier"), "half").unwrap();
    postgres(folder.path()).await.shut_down().await.unwrap();
}

#[tokio::test]
async fn a_dropped_server_is_stopped_and_its_folder_deleted() {
    let folder = folder().keep();
    let config = PostgresConfig {
        delete: Some(folder.clone()),
        ..postgres_config(&folder)
    };
    let server = PostgresServer::init(config, &Clock::system(), &Entropy::os())
        .await
        .unwrap();
    let pid = server.pid().unwrap();
    drop(server);
    until("the server stops", || !alive(pid)).await;
    until("the folder is deleted", || !folder.exists()).await;
}

#[tokio::test]
async fn a_paused_postgres_answers_again_when_resumed() {
    let folder = folder();
    let server = postgres(folder.path()).await;
    let mut connection = PgConnection::connect(&server.url("postgres"))
        .await
        .unwrap();
    server.pause();
    let stuck = Clock::system()
        .timeout(Duration::from_millis(100), connection.execute("SELECT 1"))
        .await;
    assert!(stuck.is_err(), "a stopped server answered");
    server.resume();
    let mut connection = PgConnection::connect(&server.url("postgres"))
        .await
        .unwrap();
    connection.execute("SELECT 1").await.unwrap();
}

#[tokio::test]
async fn nats_keeps_its_streams_until_it_is_wiped() {
    let folder = folder();
    let mut server = nats(folder.path()).await;
    let stream = async |server: &NatsServer| {
        let client = nats_client(&server.url()).await.unwrap();
        let context = async_nats::jetstream::new(client);
        let config = async_nats::jetstream::stream::Config {
            name: "S".to_owned(),
            subjects: vec!["s".to_owned()],
            ..Default::default()
        };
        let stream = context.get_or_create_stream(config).await.unwrap();
        context
            .publish("s", "one".into())
            .await
            .unwrap()
            .await
            .unwrap();
        stream.get_info().await.unwrap().state.messages
    };
    assert_eq!(stream(&server).await, 1);
    let port = server.port();
    server.stop().await.unwrap();
    server.start().await.unwrap();
    assert_eq!((stream(&server).await, server.port()), (2, port));
    server.kill().await.unwrap();
    server.wipe().unwrap();
    server.start().await.unwrap();
    assert_eq!(stream(&server).await, 1);
    server.shut_down().await.unwrap();
}

#[tokio::test]
async fn nats_is_private() {
    let folder = folder();
    let server = nats(folder.path()).await;
    let anonymous = format!("nats://127.0.0.1:{}", server.port());
    assert!(async_nats::connect(anonymous).await.is_err());
    nats_client(&server.system_url()).await.unwrap();
    let file = folder.path().join("nats/nats.conf").metadata().unwrap();
    assert_eq!(file.mode() & 0o777, 0o600);
    assert_ne!(file.uid(), 0);
}

/// Not a test by itself: the process that the two tests below kill.
#[tokio::test]
async fn helper() {
    let Some(folder) = env::var_os(HELPER).map(PathBuf::from) else {
        return;
    };
    let (postgres, nats) = (postgres(&folder).await, nats(&folder).await);
    let pids = format!("{} {}", postgres.pid().unwrap(), nats.pid().unwrap());
    fs::write(folder.join("half"), pids).unwrap();
    fs::rename(folder.join("half"), folder.join("ready")).unwrap();
    // Until it is killed, or the test that started it is gone.
    std::io::stdin().read_to_end(&mut Vec::new()).unwrap();
}

/// Starts the helper; gives it, and the processes of its Postgres and its NATS.
async fn start_helper(folder: &Path) -> (Child, [u32; 2]) {
    let helper = Command::new(env::current_exe().unwrap())
        .args(["--exact", "local::helper"])
        .env(HELPER, folder)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    until("the helper is ready", || folder.join("ready").exists()).await;
    let text = fs::read_to_string(folder.join("ready")).unwrap();
    let mut pids = text.split(' ').map(|pid| pid.parse().unwrap());
    let pids = [pids.next().unwrap(), pids.next().unwrap()];
    assert!(pids.into_iter().all(alive));
    (helper, pids)
}

fn kill(mut helper: Child) {
    helper.kill().unwrap();
    helper.wait().unwrap();
}

/// The shells that watch over the servers in `folder`.
fn watchdogs(folder: &Path) -> Vec<i32> {
    let name = folder.to_str().unwrap();
    let watches = |pid: &i32| {
        let arguments = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        let text = String::from_utf8_lossy(&arguments).into_owned();
        text.starts_with("/bin/sh") && text.contains(name)
    };
    let entries = fs::read_dir("/proc").unwrap().flatten();
    let processes = entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    processes.filter(watches).collect()
}

#[tokio::test]
async fn servers_of_a_killed_process_are_stopped() {
    let folder = folder();
    let (helper, pids) = start_helper(folder.path()).await;
    kill(helper);
    until("postgres stops", || !alive(pids[0])).await;
    until("nats stops", || !alive(pids[1])).await;
    until("the watchdogs end", || watchdogs(folder.path()).is_empty()).await;
    // Cleanly: what is stopped in order leaves no pid file.
    assert!(!folder.path().join("postgres/data/postmaster.pid").exists());
}

#[tokio::test]
async fn servers_left_behind_are_replaced_at_the_next_start() {
    let folder = folder();
    let (helper, pids) = start_helper(folder.path()).await;
    let watchdogs = watchdogs(folder.path());
    assert_eq!(watchdogs.len(), 2);
    for pid in watchdogs {
        kill_process(Pid::from_raw(pid).unwrap(), Signal::KILL).unwrap();
    }
    kill(helper);
    assert!(pids.into_iter().all(alive));
    let (postgres, nats) = (postgres(folder.path()).await, nats(folder.path()).await);
    assert!(!pids.into_iter().any(alive));
    PgConnection::connect(&postgres.url("postgres"))
        .await
        .unwrap();
    nats_client(&nats.url()).await.unwrap();
}
