//! Old partitions leave the database by the command line, and a query service reads them from the folder.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use chrono::TimeDelta;
use domain::event::{
    Actor, Event, ObservationRecorded, OrgCreated, ProjectAdded, Reading, VideoStats,
};
use domain::ids::{OrgId, ProjectId, VideoId};
use domain::plan::Plan;
use domain::text::{Metadata, Name, ProjectName};
use domain::time::Timestamp;
use event_log::{AppendRequest, Config, EventLog, Sweeper};
use reqwest::{Method, StatusCode};
use runtime::clock::Clock;
use runtime::entropy::Entropy;
use runtime::lifecycle::{Lifecycle, ShutdownPolicy, TaskKind};
use sqlx::{Connection, Executor, PgConnection, PgPool};
use testkit::eventually;

use crate::dev::{answer, client};
use crate::serve::{CURSOR_SECRET, Given, Service, text};

const SOON: Duration = Duration::from_mins(1);
/// Events of a partition: more than a tile of the tree, behind which all stay online.
pub const SIZE: i64 = 300;

/// Makes a log whose partitions are small; a connection that may do anything there.
pub async fn migrated(given: &Given) -> PgConnection {
    given.told(&["migrate"]).await;
    let mut administrator = PgConnection::connect(&given.operator_url()).await.unwrap();
    let resize = "select log.resize_partitions(300)";
    administrator.execute(resize).await.unwrap();
    administrator
}

/// What a command that must fail complained of.
pub async fn refused(given: &Given, arguments: &[&str]) -> String {
    let output = given.operate(arguments).await;
    assert!(!output.status.success(), "{arguments:?}: {}", text(&output));
    text(&output) + &String::from_utf8_lossy(&output.stderr)
}

/// A time so many days ago, which stands still.
pub fn days_ago(days: i64) -> Clock {
    let now = Clock::system().now();
    Clock::manual(now - TimeDelta::days(days)).0
}

/// An org with some more, projects of it, and readings of a video that it had, until a position is
/// reached; recorded at the time of a clock, and folded.
pub async fn fill(given: &Given, clock: Clock, org: OrgId, first: Vec<Event>, until: i64) {
    let entropy = Entropy::os();
    let pool = PgPool::connect(&given.operator_url()).await.unwrap();
    let (log, appender) = EventLog::new(pool.clone(), clock, entropy.clone(), Config::default());
    let lifecycle = Lifecycle::new(Clock::system());
    let tasks = lifecycle.handle();
    tasks.spawn(TaskKind::Critical, "appender", appender.run(tasks.clone()));
    let video_id = VideoId::from_uuid(entropy.uuid_v4());
    let mut last = 0;
    let mut events = first;
    while last <= until {
        let project = ProjectAdded {
            project_id: ProjectId::from_uuid(entropy.uuid_v4()),
            name: ProjectName::parse(&format!("Project {last}")).unwrap(),
            readme: None,
            metadata: Metadata::empty(),
        };
        events.extend([Event::ProjectAdded(project), reading(video_id)]);
        let request = AppendRequest {
            org_id: org,
            expected: None,
            events: std::mem::take(&mut events),
            actor: Actor::System,
            correlation_id: "test".to_owned(),
            idempotency: None,
            guard: None,
        };
        last = log.append(request).await.unwrap().last.as_i64();
    }
    drop(log);
    // Folding pauses, for which a time that stands still is too short.
    let (log, _) = EventLog::new(pool, Clock::system(), entropy, Config::default());
    Sweeper::new(log).fold().await.unwrap();
    lifecycle.shutdown(ShutdownPolicy::default()).await;
}

/// An org's first event.
pub fn goats() -> Event {
    let created = OrgCreated {
        name: Name::parse("Goats").unwrap(),
        plan: Plan::Ultra,
        timezone: "UTC".to_owned(),
    };
    created.into()
}

fn reading(video_id: VideoId) -> Event {
    Event::ObservationRecorded(ObservationRecorded {
        readings: vec![Reading::VideoStats(VideoStats {
            video_id,
            observed_at: Timestamp::from_datetime(Clock::system().now()),
            view_count: Some(1),
            like_count: None,
            comment_count: None,
            share_count: None,
            save_count: None,
        })],
    })
}

/// What doctor says of the archive.
async fn doctor(given: &Given, folder: Option<&PathBuf>) -> String {
    let mut doctor = given.command(&given.operator_url());
    doctor.arg("doctor");
    if let Some(folder) = folder {
        doctor.env("TGA_ARCHIVE_DIR", folder);
    }
    let said = text(&crate::dev::run(doctor).await);
    let line = said.lines().find(|line| line.contains("log archive"));
    line.unwrap_or_default().to_owned()
}

/// A query service, with the folder or without.
async fn query(given: &Given, projector: &str, archive: Option<&PathBuf>) -> (Service, String) {
    let mut query = given.command(&given.login("tga_query").await);
    query
        .env("TGA_PROJECTOR_DATABASE_URL", projector)
        .env("TGA_CURSOR_SECRET", CURSOR_SECRET)
        .stdout(Stdio::null());
    if let Some(folder) = archive {
        query.env("TGA_ARCHIVE_DIR", folder);
    }
    given.serve("query", query).await
}

/// What is told again, with the folder and without.
async fn told_again(given: &Given, folder: &Path) {
    let folder = folder.to_str().unwrap();
    let with_folder = ["log", "replay", "--archive-dir", folder];
    let all = given.told(&with_folder).await;
    let all: Vec<_> = all.lines().collect();
    let position = |line: &str| -> usize {
        let event: serde_json::Value = serde_json::from_str(line).unwrap();
        event["position"].as_str().unwrap().parse().unwrap()
    };
    assert!(all.len() > 600, "{}", all.len());
    assert!(all.iter().zip(1..).all(|(line, at)| position(line) == at));
    let part = [&with_folder[..], &["--from", "290", "--to", "310"]].concat();
    let part = given.told(&part).await;
    assert_eq!(part.lines().collect::<Vec<_>>(), all[289..310]);
    let hundredth: serde_json::Value = serde_json::from_str(all[99]).unwrap();
    let instant = hundredth["time"].as_str().unwrap();
    for from in [&[][..], &["--from", "600"], &["--from", instant]] {
        let replay = [&["log", "replay"][..], from].concat();
        let error = refused(given, &replay).await;
        let is_told = error.contains("is archived") && error.contains("begin with 601");
        assert!(is_told, "{from:?}: {error}");
    }
    let org = hundredth["source"]
        .as_str()
        .unwrap()
        .trim_start_matches("/orgs/");
    let state = given
        .told(&["log", "state", "--org", org, "--at", "100"])
        .await;
    assert!(state.contains("Goats"), "{state}");
    let rest = given.told(&["log", "replay", "--from", "601"]).await;
    assert_eq!(rest.lines().collect::<Vec<_>>(), all[600..]);
}

async fn projects(reads: &str, key: &str) -> (StatusCode, usize) {
    let url = format!("{reads}/projects?limit=100");
    let request = client().request(Method::GET, url).bearer_auth(key);
    let answer = answer(request).await;
    let items = answer.body["data"].as_array();
    (answer.status, items.map_or(0, Vec::len))
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_old_moves_into_a_folder_and_is_read_from_there() {
    let given = Given::new("archived").await;
    let mut administrator = migrated(&given).await;
    let id = OrgId::from_uuid(Entropy::os().uuid_v4());
    let org = id.to_string();
    // Older than what stays in any case, younger than what goes if nothing is said.
    fill(&given, days_ago(5), id, vec![goats()], 2 * SIZE).await;
    let make = [
        "keys", "create", &org, "--name", "Script", "--scopes", "read",
    ];
    let key = given.told(&make).await;

    let folder = given.folder.path().join("archive");
    let to = ["log", "archive", "--to", folder.to_str().unwrap()];
    let archive = [&to[..], &["--before", "1000"]].concat();
    let error = refused(&given, &archive).await;
    assert!(error.contains("no projection is known"), "{error}");
    let projector = given.login("tga_projector").await;
    let (service, reads) = query(&given, &projector, None).await;
    let before = eventually(SOON, "projects are read", async || {
        let read = projects(&reads, &key).await;
        (read.0 == StatusCode::OK).then_some(read)
    })
    .await;
    assert_eq!(before.1, 100, "a page");
    service.terminate().await;
    let error = refused(&given, &archive).await;
    assert!(
        error.contains("webhooks were given events up to 0"),
        "{error}"
    );
    // What a command service does.
    administrator
        .execute("update hooks.cursor set position = (select position from log.head)")
        .await
        .unwrap();

    assert!(doctor(&given, None).await.contains("nothing is archived"));
    let said = given.told(&to).await;
    assert!(said.starts_with("1 to 300 stay: "), "{said}");
    let rehearse = [&archive[..], &["--dry-run"]].concat();
    let said = given.told(&rehearse).await;
    assert_eq!(
        said,
        "would archive 1 to 300: events-1-300.ndjson.zst\n\
         would archive 301 to 600: events-301-600.ndjson.zst\n\
         the partition from 601 on is not full"
    );
    assert!(!folder.exists());
    let said = given.told(&archive).await;
    assert!(
        said.contains("archived 1 to 300: events-1-300.ndjson.zst ("),
        "{said}"
    );
    assert!(said.contains("archived 301 to 600"), "{said}");
    let again = given.told(&archive).await;
    assert_eq!(again, "the partition from 601 on is not full");
    fill(&given, Clock::system(), id, Vec::new(), 3 * SIZE).await;
    let young = given.told(&archive).await;
    assert!(young.starts_with("601 to 900 stay: "), "{young}");
    let said = doctor(&given, None).await;
    assert!(
        said.contains("up to 600 are archived, and no folder"),
        "{said}"
    );
    let said = doctor(&given, Some(&folder)).await;
    assert!(said.contains("2 files in"), "{said}");

    let files = ["events-301-600.ndjson.zst", "events-1-300.ndjson.zst"];
    let files = files.map(|name| folder.join(name));
    let names: Vec<_> = files.iter().map(|file| file.to_str().unwrap()).collect();
    let verify = [&["log", "verify", "--archive"][..], &names].concat();
    // No database is asked.
    let mut command = given.command("postgres://nobody@127.0.0.1:1/nothing");
    command.args(&verify);
    let sound = text(&crate::dev::run(command).await);
    assert_eq!(sound.matches(": sound, events").count(), 2, "{sound}");
    assert!(sound.contains("name a signed head"), "{sound}");
    let bytes = fs::read(&files[0]).unwrap();
    fs::write(&files[0], &bytes[..bytes.len() / 2]).unwrap();
    let said = doctor(&given, Some(&folder)).await;
    assert!(said.contains("1 of 2 files are wrong"), "{said}");
    let error = refused(&given, &verify).await;
    assert!(
        error.contains("WRONG at position") && error.contains("is damaged"),
        "{error}"
    );
    fs::write(&files[0], &bytes).unwrap();
    told_again(&given, &folder).await;

    // The read model is lost, and built anew from decisions that stayed and from the folder.
    let schemas: Vec<String> =
        sqlx::query_scalar("select nspname::text from pg_namespace where nspname like 'read%'")
            .fetch_all(&mut administrator)
            .await
            .unwrap();
    for schema in schemas {
        let drop = format!("drop schema {schema} cascade");
        // Names of schemas cannot be bound.
        let drop = sqlx::AssertSqlSafe(drop);
        administrator.execute(drop).await.unwrap();
    }
    let (service, reads) = query(&given, &projector, Some(&folder)).await;
    assert_eq!(projects(&reads, &key).await, before);
    service.terminate().await;
}
