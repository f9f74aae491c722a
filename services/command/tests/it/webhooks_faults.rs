//! Whoever sends to webhooks is killed, stopped, or left without what it needs; and how it asks for
//! what is due.

use std::time::Duration;

use runtime::lifecycle::Outcome;
use testkit::{Direction, Proxy, eventually};

use crate::deliveries::names_in_order;
use crate::support::{Receiver, Reply, TestApp};
use crate::webhooks::SOON;

impl TestApp {
    /// Cuts off whoever holds the lock of the one that sends; how many that were.
    async fn kill_the_sender(&self) -> i64 {
        self.db_count(
            "select count(pg_terminate_backend(a.pid)) from pg_stat_activity a
             join pg_locks l on l.pid = a.pid and l.locktype = 'advisory' and l.granted
             where a.application_name = 'tga-webhooks' and a.datname = current_database()",
        )
        .await
    }
}

#[tokio::test]
async fn one_process_sends_and_another_goes_on_wherever_it_is_killed() {
    let app = TestApp::new().await;
    let neighbour = app.neighbour();
    let org = app.org().await;
    let server = Receiver::new().await;
    let projects = [
        app.project(&org).await,
        app.project(&org).await,
        app.project(&org).await,
    ];
    let (webhook, _) = app
        .webhook(&org, &server.url("in"), &["project.changed"])
        .await;
    app.rename(&org, projects[0], "0").await;
    eventually(SOON, "the first is taken", async || {
        app.deliveries(webhook)
            .await
            .iter()
            .any(|it| it.2 == "delivered")
    })
    .await;
    assert_eq!(server.received().len(), 1, "only one of the two sends");
    for round in 1..=15 {
        for project in projects {
            let by = if round % 2 == 0 { &app } else { &neighbour };
            by.rename(&org, project, &round.to_string()).await;
        }
        // Wherever it is just then; every second time it has begun with what is new.
        if round % 2 == 0 {
            let name = round.to_string();
            eventually(SOON, "the new ones come", async || {
                let received = server.received();
                received.iter().any(|it| it.event()["data"]["name"] == name)
            })
            .await;
        }
        eventually(SOON, "the one that sends is killed", async || {
            app.kill_the_sender().await == 1
        })
        .await;
    }
    eventually(Duration::from_mins(2), "all is taken", async || {
        let all = app.deliveries(webhook).await;
        let open = all.iter().filter(|it| it.2 != "delivered").count();
        (all.len() == 46 && open == 0)
            .then_some(())
            .ok_or((all.len(), open))
    })
    .await;
    let expected: Vec<String> = (1..=15).map(|round| round.to_string()).collect();
    for (index, project) in projects.into_iter().enumerate() {
        let mut names = names_in_order(&server.received(), project);
        if index == 0 {
            assert_eq!(names.remove(0), "0");
        }
        assert_eq!(names, expected);
    }
    // The one that is left goes on alone.
    let before = server.received().len();
    assert_eq!(neighbour.stop(SOON).await, Outcome::Clean);
    app.rename(&org, projects[1], "last").await;
    eventually(SOON, "the last comes", async || {
        server.received().len() > before
    })
    .await;
}

/// An app with a webhook whose first attempt never ends and is under way, and its receiver.
async fn in_mid_attempt() -> (TestApp, Receiver) {
    let app = TestApp::new().await;
    let org = app.org().await;
    let server = Receiver::new().await;
    app.webhook(&org, &server.url("in"), &["project.added"])
        .await;
    server.answer(|_, before| match before {
        0 => Reply::Hang,
        _ => Reply::Status(200, "ok"),
    });
    app.project(&org).await;
    eventually(SOON, "an attempt is under way", async || {
        server.received().len() == 1
    })
    .await;
    (app, server)
}

#[tokio::test]
async fn an_attempt_that_a_stop_breaks_off_is_made_again() {
    let (app, server) = in_mid_attempt().await;
    let next = app.neighbour();
    let stopped = app.stop(Duration::ZERO).await;
    assert!(matches!(stopped, Outcome::Forced { .. }), "{stopped:?}");
    eventually(SOON, "the next one sends it", async || {
        let taken =
            "select count(*) from hooks.deliveries where status = 'delivered' and attempts = 1";
        next.db_count(taken).await == 1
    })
    .await;
    let received = server.received();
    let ids: Vec<&str> = received.iter().map(|it| it.header("webhook-id")).collect();
    assert_eq!((ids.len(), ids[0]), (2, ids[1]), "it keeps its id");
}

#[tokio::test]
async fn an_attempt_that_ends_before_a_stop_does_is_written_down() {
    let (app, server) = in_mid_attempt().await;
    let next = app.neighbour();
    // It ends by its own deadline, which is shorter.
    assert_eq!(app.stop(SOON).await, Outcome::Clean);
    let written = "select count(*) from hooks.deliveries where attempts > 0";
    assert_eq!(next.db_count(written).await, 1);
    eventually(SOON, "the next one goes on with it", async || {
        let taken =
            "select count(*) from hooks.deliveries where status = 'delivered' and attempts = 2";
        next.db_count(taken).await == 1
    })
    .await;
    assert_eq!(server.received().len(), 2);
}

#[tokio::test]
async fn without_nats_webhooks_are_sent_all_the_same() {
    let mut nats = testkit::nats().await;
    let app = TestApp::mirrored(&nats).await;
    let org = app.org().await;
    let server = Receiver::new().await;
    let (webhook, _) = app
        .webhook(&org, &server.url("in"), &["project.changed"])
        .await;
    let project = app.project(&org).await;
    let renamed = async |name: &str| {
        app.rename(&org, project, name).await;
        eventually(SOON, name, async || {
            names_in_order(&server.received(), project).contains(&name.to_owned())
        })
        .await;
    };
    renamed("with").await;
    nats.kill().await;
    for round in 0..5 {
        renamed(&format!("without {round}")).await;
    }
    nats.start().await;
    renamed("with again").await;
    let all = app.deliveries(webhook).await;
    assert_eq!(all.len(), 7);
    let names = names_in_order(&server.received(), project);
    assert_eq!((names.len(), names[6].as_str()), (7, "with again"));
}

#[tokio::test]
async fn a_connection_that_hangs_is_let_go() {
    let (app, proxy) = TestApp::behind(Proxy::to).await;
    // What webhooks the primary says there are does not arrive, nor anything after it.
    let mut held = proxy.hold(Direction::ToClient, b"former_secret_until");
    let org = app.org().await;
    let server = Receiver::new().await;
    app.webhook(&org, &server.url("in"), &["project.added"])
        .await;
    held.caught().await;
    app.project(&org).await;
    eventually(SOON, "it is sent over another connection", async || {
        server.received().len() == 1
    })
    .await;
    held.release();
}

#[tokio::test]
async fn who_cannot_be_switched_off_keeps_nobody_on() {
    let app = TestApp::new().await;
    let org = app.org().await;
    // Of a newer build, far ahead: nothing is decided in that org here.
    app.db_execute(
        "insert into log.events select 9000000, 1, null, now(), 0, 1, gen_random_uuid(),
             '00000000-0000-7000-8000-000000000000', 'imagined.later', 's', 'system', 'c',
             sha256(''), sha256(''), null, '{}';
         insert into hooks.endpoints (webhook_id, org_id, url, types, enabled, secret_id, waiting,
             failures, to_disable)
         select ('00000000-0000-7000-8000-' || lpad(n::text, 12, '0'))::uuid,
             '00000000-0000-7000-8000-000000000000', 'https://hooks.example.com/', '{}', true,
             gen_random_uuid(), 0, 1, 'failing'
         from generate_series(1, 16) n",
    )
    .await;
    let server = Receiver::new().await;
    server.answer_all(Reply::Status(410, "gone"));
    let (webhook, _) = app
        .webhook(&org, &server.url("in"), &["project.added"])
        .await;
    app.project(&org).await;
    app.is_switched_off(&org, webhook, "gone").await;
    let others = "select count(*) from hooks.endpoints where to_disable is not null";
    assert_eq!(app.db_count(others).await, 16);
}

#[tokio::test]
async fn what_is_due_is_found_by_index_however_much_waits() {
    let app = TestApp::new().await;
    let org = app.org().await;
    // Before there is any webhook nobody looks at deliveries.
    app.db_execute(
        "insert into hooks.endpoints (webhook_id, org_id, url, types, enabled, secret_id, waiting,
             failures)
         select md5(n::text)::uuid, md5((n % 20)::text)::uuid, 'https://hooks.example.com/', '{}',
             true, gen_random_uuid(), 500, 0
         from generate_series(1, 100) n;
         insert into hooks.deliveries (delivery_id, webhook_id, org_id, position, event_id,
             event_type, subject, status, ready, apart, attempts, tries, next_attempt_at, created_at)
         select gen_random_uuid(), md5((n % 100 + 1)::text)::uuid, md5((n % 20)::text)::uuid, n,
             gen_random_uuid(), 't', 's' || n, case when n % 2 = 0 then 'pending' else 'delivered' end,
             true, false, 0, 0, now() + interval '1 day', now()
         from generate_series(1, 50000) n;
         analyze hooks.endpoints, hooks.deliveries",
    )
    .await;
    let server = Receiver::new().await;
    let (webhook, _) = app
        .webhook(&org, &server.url("in"), &["project.changed"])
        .await;
    let project = app.project(&org).await;
    // More often than a statement is planned for what is asked.
    for round in 1..=12 {
        app.rename(&org, project, &round.to_string()).await;
        eventually(SOON, "it is taken", async || {
            server.received().len() == round
        })
        .await;
    }
    eventually(SOON, "that is counted", async || {
        let looks = "select coalesce(idx_scan, 0) from pg_stat_user_indexes
                     where indexrelname = 'deliveries_due'";
        app.db_count(looks).await >= 12
    })
    .await;
    let walks = "select seq_scan from pg_stat_user_tables
                 where schemaname = 'hooks' and relname = 'deliveries'";
    assert_eq!(app.db_count(walks).await, 0);
    assert_eq!(app.deliveries(webhook).await.len(), 12);
}
