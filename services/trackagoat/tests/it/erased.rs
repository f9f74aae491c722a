//! `trackagoat erase` on a running system: afterwards nothing tells of who was erased.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::time::Duration;

use async_nats::jetstream;
use async_nats::jetstream::consumer::pull;
use domain::event::{Actor, CommentId, CommentReading, ObservationRecorded, Reading};
use domain::ids::{OrgId, VideoId};
use domain::time::Timestamp;
use event_log::{AppendRequest, Config, EventLog, StoredEvent};
use futures_util::StreamExt;
use reqwest::{Method, StatusCode};
use runtime::clock::Clock;
use runtime::entropy::Entropy;
use runtime::lifecycle::{Lifecycle, ShutdownPolicy, TaskKind};
use serde_json::{Value, json};
use sqlx::{AssertSqlSafe, Connection, PgConnection, PgPool};
use testkit::eventually;

use crate::dev::{Answer, Dev, answer, client, run};

const SOON: Duration = Duration::from_secs(20);
pub const CHANNEL: &str = "UCuAXFkgsw1L7xaCfnd5JJOw";
/// What must not be found afterwards, each from another door.
pub const CANARIES: [&str; 4] = [
    "Given Canary",
    "Reported Canary",
    "example.com/canary.png",
    "canary said this",
];

async fn operate(dev: &Dev, arguments: &[&str]) -> Result<String, String> {
    let output = run(dev.operate(arguments)).await;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    if output.status.success() {
        Ok(text(&output.stdout))
    } else {
        Err(text(&output.stderr))
    }
}

/// Rows of any table in which a text stands.
async fn rows_with(dev: &Dev, text: &str) -> Vec<String> {
    rows_in(dev.ready["database_url"].as_str().unwrap(), text).await
}

/// Rows of any table of a database in which a text stands. A projection that is made anew takes its
/// tables with it: then all is read again.
pub async fn rows_in(url: &str, text: &str) -> Vec<String> {
    let read = async || match read_rows(url, text).await {
        Err(error) if is_of_a_dropped_table(&error) => Err(error),
        read => Ok(read.unwrap()),
    };
    eventually(SOON, "no table is dropped while it is read", read).await
}

fn is_of_a_dropped_table(error: &sqlx::Error) -> bool {
    error
        .as_database_error()
        .is_some_and(|error| error.code().as_deref() == Some("42P01"))
}

async fn read_rows(url: &str, text: &str) -> sqlx::Result<Vec<String>> {
    let mut connection = PgConnection::connect(url).await?;
    let tables: Vec<(String, String)> = sqlx::query_as(
        "select table_schema, table_name from information_schema.tables
         where table_type = 'BASE TABLE' and table_schema not in ('pg_catalog', 'information_schema')",
    )
    .fetch_all(&mut connection)
    .await?;
    assert!(tables.len() > 30, "{tables:?}");
    let mut found = Vec::new();
    for (schema, table) in tables {
        // Bytes as text too: answers are kept as such. Names of tables cannot be parameters.
        let query = format!(
            "select t::text from {schema}.{table} t
             where strpos(t::text, $1) > 0 or strpos(t::text, encode($1::bytea, 'hex')) > 0"
        );
        let rows: Vec<String> = sqlx::query_scalar(AssertSqlSafe(query))
            .bind(text)
            .fetch_all(&mut connection)
            .await?;
        found.extend(
            rows.into_iter()
                .map(|row| format!("{schema}.{table}: {row}")),
        );
    }
    Ok(found)
}

/// What NATS keeps.
async fn mirrored(dev: &Dev) -> String {
    let url: runtime::nats::NatsUrl = dev.ready["nats_url"].as_str().unwrap().parse().unwrap();
    let jetstream = jetstream::new(url.connect().await.unwrap());
    let stream = jetstream.get_stream("TGA_EVENTS").await.unwrap();
    let count = usize::try_from(stream.cached_info().state.messages).unwrap();
    let consumer = stream.create_consumer(pull::OrderedConfig::default());
    let messages = consumer.await.unwrap().messages().await.unwrap();
    let messages = messages.take(count).map(|message| message.unwrap());
    let text = messages.map(|message| String::from_utf8_lossy(&message.payload).into_owned());
    text.collect::<Vec<_>>().await.concat()
}

async fn post(dev: &Dev, path: &str, body: Value) -> Answer {
    let url = format!("{}{path}", dev.api());
    let request = client().post(url).bearer_auth(dev.demo_key()).json(&body);
    answer(request.header(
        "idempotency-key",
        format!("erased-{}", body.to_string().len()),
    ))
    .await
}

async fn ingest(dev: &Dev, lines: &[Value]) -> Answer {
    let lines: Vec<_> = lines.iter().map(Value::to_string).collect();
    let url = format!(
        "{}/ingest/observations?project_id={}",
        dev.api(),
        dev.project()
    );
    let request = client().post(url).bearer_auth(dev.demo_key());
    let request = request.header("content-type", "application/x-ndjson");
    let answer = answer(request.body(lines.join("\n"))).await;
    assert!(answer.status.is_success(), "{}", answer.body);
    answer
}

/// What platforms say of the account, and under its video.
pub fn lines(day: u8) -> [Value; 3] {
    let at = format!("2026-01-{day:02}T10:00:00Z");
    [
        json!({"kind": "creator_profile", "platform": "youtube", "handle": CHANNEL,
            "observed_at": at, "display_name": CANARIES[1], "follower_count": 10,
            "avatar_url": format!("https://{}", CANARIES[2])}),
        json!({"kind": "video", "platform": "youtube", "platform_video_id": "dQw4w9WgXcQ",
            "creator_handle": CHANNEL, "observed_at": at, "posted_at": "2026-01-01T09:00:00Z"}),
        json!({"kind": "comment", "platform": "youtube", "platform_video_id": "dQw4w9WgXcQ",
            "platform_comment_id": "c1", "observed_at": at, "posted_at": at,
            "text": CANARIES[3]}),
    ]
}

/// A creator of that name with a video, under which there is a comment.
async fn commented_creator(dev: &Dev) -> String {
    let creators = format!("/projects/{}/creators", dev.project());
    let new = json!({"platform": "youtube", "handle": CHANNEL, "tracking_start_date": null,
        "display_name": CANARIES[0]});
    let added = post(dev, &creators, new).await;
    assert_eq!(added.status, StatusCode::CREATED, "{}", added.body);
    let id = added.body["data"]["id"].as_str().unwrap().to_owned();
    ingest(dev, &lines(2)).await;
    id
}

#[tokio::test]
async fn of_an_erased_creator_nothing_sealed_can_be_read_anywhere_again() {
    let dev = Dev::start(&[]).await;
    let creators = format!("/projects/{}/creators", dev.project());
    let id = commented_creator(&dev).await;
    let path = format!("/creators/{id}");
    eventually(SOON, "the creator is answered by its name", async || {
        let answer = dev.get(&path).await;
        let is_there = answer.body["data"]["follower_count"] == 10
            && answer.body["data"]["display_name"] == CANARIES[0];
        is_there.then_some(()).ok_or(answer.body)
    })
    .await;
    assert!(!rows_with(&dev, CANARIES[0]).await.is_empty());
    assert!(!rows_with(&dev, CANARIES[1]).await.is_empty());

    // Even while a build stands beside to which nobody writes.
    operate(&dev, &["projections", "rebuild"]).await.unwrap();
    let org = dev.ready["demo"]["org_id"].as_str().unwrap();
    let said = operate(&dev, &["erase", "creator", org, &id])
        .await
        .unwrap();
    assert!(said.contains("and 1 comments"), "{said}");
    let again = operate(&dev, &["erase", "creator", org, &id])
        .await
        .unwrap();
    assert!(again.contains(&id), "{again}");
    assert_eq!(dev.get(&path).await.status, StatusCode::NOT_FOUND);
    let is_nowhere = async || {
        for canary in CANARIES {
            eventually(SOON, "no row tells", async || {
                let rows = rows_with(&dev, canary).await;
                rows.is_empty().then_some(()).ok_or(rows)
            })
            .await;
        }
        let told = operate(&dev, &["log", "replay"]).await.unwrap();
        let (written, mirrored) = (dev.written(), mirrored(&dev).await);
        for canary in CANARIES {
            for place in [&told, &written, &mirrored] {
                assert!(!place.contains(canary), "{canary}");
            }
        }
        for line in told.lines() {
            let event = StoredEvent::from_public(line.as_bytes(), None);
            assert!(event.is_some(), "the chain is broken: {line}");
        }
    };
    is_nowhere().await;

    // Taken up again it is the same creator, of which no name is kept.
    let named = json!({"platform": "youtube", "handle": CHANNEL, "display_name": CANARIES[0]});
    let refused = post(&dev, &creators, named).await;
    assert_eq!(refused.status, StatusCode::BAD_REQUEST, "{}", refused.body);
    let unnamed = json!({"platform": "youtube", "handle": CHANNEL});
    let back = post(&dev, &creators, unnamed).await;
    assert!(back.status.is_success(), "{}", back.body);
    assert_eq!(back.body["data"]["id"], *id);
    ingest(&dev, &lines(3)).await;
    eventually(SOON, "its figures are answered", async || {
        let answer = dev.get(&path).await;
        let is_there = answer.body["data"]["profile_at"] == "2026-01-03T10:00:00.000000Z"
            || answer.body.to_string().contains("2026-01-03T10:00:00");
        (answer.status == StatusCode::OK && is_there)
            .then_some(())
            .ok_or(answer.body)
    })
    .await;
    let answer = dev.get(&path).await;
    assert_eq!(
        answer.body["data"]["display_name"],
        Value::Null,
        "{}",
        answer.body
    );
    is_nowhere().await;
    operate(&dev, &["projections", "switch", "read_4_b2"])
        .await
        .unwrap();
    is_nowhere().await;
    let nobody = "00000000-0000-7000-8000-000000000000";
    let unknown = operate(&dev, &["erase", "creator", org, nobody])
        .await
        .unwrap_err();
    assert!(unknown.contains("there is no creator"), "{unknown}");
}

/// A comment that was judged before.
pub fn late_comment(video_id: VideoId) -> CommentReading {
    let at = Timestamp::parse("2026-01-02T11:00:00Z").unwrap();
    CommentReading {
        comment_id: CommentId::of(video_id, "c2"),
        video_id,
        platform_comment_id: "c2".to_owned(),
        observed_at: at,
        posted_at: at,
        text: domain::sealed::SubjectKey::from_bytes([7; 32]).seal("text", CANARIES[3]),
        author_handle: None,
        parent_comment_id: None,
        like_count: None,
        reply_count: None,
    }
}

#[tokio::test]
async fn a_comment_that_is_recorded_after_the_look_for_comments_is_erased_too() {
    let dev = Dev::start(&[]).await;
    let id = commented_creator(&dev).await;
    let video = eventually(SOON, "its video is answered", async || {
        let videos = dev.get("/videos").await.body;
        let mut videos = videos["data"].as_array().cloned().unwrap_or_default();
        videos.retain(|video| video["creator_id"] == id);
        let video = videos.first()?["id"].as_str()?;
        video.parse::<VideoId>().ok()
    })
    .await;
    let pool = PgPool::connect(dev.ready["database_url"].as_str().unwrap())
        .await
        .unwrap();
    let (clock, entropy) = (Clock::system(), Entropy::os());
    let lifecycle = Lifecycle::new(clock.clone());
    let tasks = lifecycle.handle();
    let (log, appender) = EventLog::new(pool.clone(), clock, entropy, Config::default());
    tasks.spawn(TaskKind::Critical, "appender", appender.run(tasks.clone()));
    let org = dev.ready["demo"]["org_id"].as_str().unwrap();
    let comment = late_comment(video);
    let subject = comment.comment_id.as_uuid();
    let org_id: OrgId = org.parse().unwrap();
    log.subject_keys(org_id, &[subject]).await.unwrap();

    let mut held = pool.begin().await.unwrap();
    let lock = "lock table auth.subject_keys in share mode";
    sqlx::query(lock).execute(&mut *held).await.unwrap();
    let recording = async {
        eventually(SOON, "keys are about to be destroyed", async || {
            let waits = "select exists (select from pg_locks
                where relation = 'auth.subject_keys'::regclass and not granted)";
            let waits = sqlx::query_scalar::<_, bool>(waits).fetch_one(&pool).await;
            waits.unwrap().then_some(())
        })
        .await;
        let readings = vec![Reading::Comment(comment)];
        let request = AppendRequest {
            org_id,
            expected: None,
            events: vec![ObservationRecorded { readings }.into()],
            actor: Actor::System,
            correlation_id: "test".to_owned(),
            idempotency: None,
            guard: None,
        };
        log.append(request).await.unwrap();
        held.rollback().await.unwrap();
    };
    let arguments = ["erase", "creator", org, &id];
    let (said, ()) = tokio::join!(operate(&dev, &arguments), recording);
    let said = said.unwrap();
    assert!(said.contains("and 2 comments"), "{said}");
    let keys = log.find_subject_keys(org_id, &[subject]).await.unwrap();
    assert!(keys.is_empty());
    lifecycle.shutdown(ShutdownPolicy::default()).await;
}

const EMAIL: &str = "grace.canary@example.com";
const PASSWORD: &str = "correct horse battery";

/// Has her invited to the demo's org, and accept.
async fn join(dev: &Dev) -> Answer {
    let org = dev.ready["demo"]["org_id"].as_str().unwrap();
    let origin = dev.api().strip_suffix("/api/v1").unwrap();
    let invite = ["members", "invite", org, EMAIL, "--role", "admin"];
    let link = operate(dev, &invite).await.unwrap();
    let (_, token) = link.trim().split_once("token=").unwrap();
    let accept = json!({"token": token, "name": "Grace Canary", "password": PASSWORD});
    let accepted = client()
        .post(format!("{origin}/auth/invitations/accept"))
        .json(&accept);
    let joined = answer(accepted).await;
    assert_eq!(joined.status, StatusCode::CREATED, "{}", joined.body);
    joined
}

#[tokio::test]
async fn an_erasure_that_is_killed_leaves_no_answer_behind_that_names_its_person() {
    let dev = Dev::start(&[]).await;
    let joined = join(&dev).await;
    let person = joined.body["data"]["user_id"].as_str().unwrap();
    let pool = PgPool::connect(dev.ready["database_url"].as_str().unwrap())
        .await
        .unwrap();
    let kept = format!("{{\"email\":\"{EMAIL}\"}}");
    sqlx::query(
        "insert into log.idempotency (org_id, key, route, fingerprint, status, answer,
                first_position, last_position, recorded_at)
         values ($1::uuid, 'k', 'POST /members', '', 201, $2, 1, 1, now())",
    )
    .bind(dev.ready["demo"]["org_id"].as_str())
    .bind(kept.as_bytes())
    .execute(&pool)
    .await
    .unwrap();

    // Nothing can be deleted of her meanwhile.
    let mut held = pool.begin().await.unwrap();
    let lock = "select from auth.users where id = $1::uuid for no key update";
    let locked = sqlx::query(lock).bind(person).execute(&mut *held);
    assert_eq!(locked.await.unwrap().rows_affected(), 1);
    let mut erasing = dev.operate(&["erase", "user", EMAIL]).spawn().unwrap();
    eventually(SOON, "she is about to be deleted", async || {
        let waits = "select exists (select from pg_stat_activity where wait_event_type = 'Lock'
            and query like 'select id from auth.users%for update')";
        let waits = sqlx::query_scalar::<_, bool>(waits).fetch_one(&pool).await;
        waits.unwrap().then_some(())
    })
    .await;
    erasing.kill().unwrap();
    erasing.wait().unwrap();
    let answers = "select count(*) from log.idempotency where position($1::bytea in answer) > 0";
    let answers = sqlx::query_scalar::<_, i64>(answers).bind(EMAIL.as_bytes());
    assert_eq!(answers.fetch_one(&pool).await.unwrap(), 0);
    held.rollback().await.unwrap();

    let said = operate(&dev, &["erase", "user", EMAIL]).await.unwrap();
    assert!(said.contains(person), "{said}");
    let rows = rows_with(&dev, EMAIL).await;
    assert!(rows.is_empty(), "{rows:?}");
}

#[tokio::test]
async fn an_erased_person_leaves_an_id_that_nothing_else_knows() {
    let dev = Dev::start(&[]).await;
    let joined = join(&dev).await;
    let session = joined.body["data"]["token"].as_str().unwrap().to_owned();
    let person = joined.body["data"]["user_id"].as_str().unwrap().to_owned();
    let key = eventually(SOON, "her session is let in", async || {
        let body = json!({"name": "Hers", "scopes": ["read"]});
        let made = dev
            .call(Method::POST, "/api-keys", &session, Some(body))
            .await;
        let key = made.body["data"]["key"].as_str().map(str::to_owned);
        key.ok_or(made.body)
    })
    .await;
    // Another org invites her, and is not answered.
    let other = operate(
        &dev,
        &["orgs", "create", "--name", "Other", "--plan", "ultra"],
    )
    .await;
    let other = other.unwrap().trim().to_owned();
    operate(&dev, &["members", "invite", &other, EMAIL])
        .await
        .unwrap();
    assert!(!rows_with(&dev, EMAIL).await.is_empty());

    let owns = operate(&dev, &["erase", "user", EMAIL]).await.unwrap_err();
    assert!(
        owns.contains("--keys revoke|keep") && owns.contains("Hers"),
        "{owns}"
    );
    assert_eq!(
        dev.get_as("/members", &session).await.status,
        StatusCode::OK
    );
    let said = operate(&dev, &["erase", "user", EMAIL, "--keys", "revoke"])
        .await
        .unwrap();
    assert!(
        said.contains(&person) && said.contains("in force everywhere"),
        "{said}"
    );
    for credential in [&session, &key] {
        let dead = dev.get_as("/projects", credential).await;
        assert_eq!(dead.status, StatusCode::UNAUTHORIZED, "{}", dead.body);
    }
    for personal in [EMAIL, "Grace Canary"] {
        let rows = rows_with(&dev, personal).await;
        assert!(rows.is_empty(), "{rows:?}");
        assert!(!dev.written().contains(personal));
    }
    let members = dev.get("/members").await;
    assert!(
        !members.body.to_string().contains("Canary"),
        "{}",
        members.body
    );
    let twice = operate(&dev, &["erase", "user", &person])
        .await
        .unwrap_err();
    assert!(twice.contains("nobody has this address or id"), "{twice}");

    let admin = dev.ready["demo"]["admin_email"].as_str().unwrap();
    let only = operate(&dev, &["erase", "user", admin]).await.unwrap_err();
    assert!(
        only.contains("only admin") && only.contains("members invite"),
        "{only}"
    );
}
