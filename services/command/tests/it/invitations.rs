//! Invitations: made, taken back, accepted, declined.

use std::time::Duration;

use domain::event::Role;
use domain::org::Command;
use domain::plan::{LimitKey, Plan};
use futures_util::future::{Either, join_all, select};
use http::Method;
use serde_json::{Value, json};
use testkit::eventually;

use crate::support::{PASSWORD, Person, TestApp};

const SOON: Duration = Duration::from_secs(30);

fn accepting(token: &str, password: &str) -> Value {
    json!({"token": token, "name": "Grace Hopper", "password": password})
}

async fn answer_to(app: &TestApp, by: &Person, id: &str, what: &str) -> crate::support::Answer {
    let path = format!("/invitations/{id}/{what}");
    app.ask(by, Method::POST, &path, Some(json!({}))).await
}

#[tokio::test]
async fn who_is_invited_makes_an_account_joins_and_is_signed_in() {
    let app = TestApp::new().await;
    let org = app.bare_org(Plan::Ultra).await;
    let admin = app.person(org, Role::Admin).await;
    let body = json!({"email": " Grace@Example.com "});
    let made = app
        .ask(&admin, Method::POST, "/invitations", Some(body))
        .await;
    let made_data = made.data(201);
    assert_eq!(made_data["email"], "grace@example.com");
    assert_eq!(
        (&made_data["role"], &made_data["status"]),
        (&json!("member"), &json!("pending"))
    );
    assert_eq!(
        made_data["invited_by"],
        json!({"type": "user", "id": admin.id.to_string()})
    );
    let location = format!("/api/v1/invitations/{}", made_data["id"].as_str().unwrap());
    assert_eq!(made.header("Location"), location);
    assert!(!made.headers.contains_key("Content-Encoding"));
    let url = made_data["accept_url"].as_str().unwrap();
    let token = url
        .strip_prefix("http://127.0.0.1:8080/invitations/accept?token=")
        .unwrap();
    assert_eq!(token.len(), 64);

    let joined = app
        .auth("/invitations/accept", &accepting(token, PASSWORD))
        .await;
    let session = joined.data(201).clone();
    assert_eq!(
        (&session["role"], &session["current"]),
        (&json!("member"), &json!(true))
    );
    assert_eq!(session["org_id"], org.to_string());
    let secret = session["token"].as_str().unwrap();
    let project = json!({"name": "Launch"});
    app.call(&Method::POST, "/projects", secret, Some(&project))
        .await
        .data(201);
    let again = app
        .auth("/invitations/accept", &accepting(token, PASSWORD))
        .await;
    again.refused(409, "invitation_closed");
    app.sign_in("grace@example.com").await.data(201);
    let member = app
        .ask(
            &admin,
            Method::POST,
            "/invitations",
            Some(json!({"email": "grace@example.com"})),
        )
        .await;
    member.refused(409, "already_member");
}

#[tokio::test]
async fn who_has_an_account_accepts_when_signed_in_wherever() {
    let app = TestApp::new().await;
    let (org, home) = (
        app.bare_org(Plan::Ultra).await,
        app.bare_org(Plan::Ultra).await,
    );
    let admin = app.person(org, Role::Admin).await;
    let guest = app.person(home, Role::Admin).await;
    let (id, token) = app.invite(&admin, &guest.email, "admin").await;
    let by_link = app
        .auth("/invitations/accept", &accepting(token.reveal(), PASSWORD))
        .await;
    by_link.refused(409, "state_conflict");
    let stranger = app.person(home, Role::Member).await;
    for what in ["accept", "decline"] {
        let refused = answer_to(&app, &stranger, &id, what).await;
        assert_eq!(refused.refused(403, "forbidden")["required"], "invitee");
    }
    let accepted = answer_to(&app, &guest, &id, "accept").await;
    assert_eq!(
        accepted.data(200),
        &json!({"org_id": org.to_string(), "role": "admin"})
    );
    answer_to(&app, &guest, &id, "accept")
        .await
        .refused(409, "invitation_closed");
    // From one org into the other.
    let body = json!({"org_id": org.to_string()});
    let opened = app.ask(&guest, Method::POST, "/sessions", Some(body)).await;
    let opened = opened.data(201);
    assert_eq!(opened["role"], "admin");
    let secret = opened["token"].as_str().unwrap();
    let renamed = json!({"name": "Ours"});
    app.call(&Method::PATCH, "/orgs/self", secret, Some(&renamed))
        .await
        .data(200);
    let unknown = "0192f0c1-2b7e-7c00-8000-00000000abcd";
    answer_to(&app, &guest, unknown, "accept")
        .await
        .refused(404, "not_found");
}

/// An account that belongs to nothing cannot sign in to accept by id, so it joins by the link; the link
/// alone is not enough.
#[tokio::test]
async fn who_was_removed_from_their_only_org_joins_again() {
    let app = TestApp::new().await;
    let org = app.bare_org(Plan::Ultra).await;
    let admin = app.person(org, Role::Admin).await;
    let guest = app.person(org, Role::Member).await;
    let path = format!("/members/{}", guest.id);
    let removed = app.ask(&admin, Method::DELETE, &path, None).await;
    removed.data(200);
    app.sign_in(&guest.email)
        .await
        .refused(403, "no_membership");
    let (_, token) = app.invite(&admin, &guest.email, "member").await;
    let before = app.head().await;
    let wrong = accepting(token.reveal(), "some other password");
    let wrong = app.auth("/invitations/accept", &wrong).await;
    wrong.refused(401, "invalid_credentials");
    assert_eq!(app.head().await, before);
    app.sign_in(&guest.email)
        .await
        .refused(403, "no_membership");
    let body = accepting(token.reveal(), PASSWORD);
    let joined = app.auth("/invitations/accept", &body).await;
    assert_eq!(joined.data(201)["user_id"], guest.id.to_string());
    assert_eq!(joined.data(201)["org_id"], org.to_string());
    app.sign_in(&guest.email).await.data(201);
    // What is refused does not take them away.
    app.auth("/invitations/accept", &body)
        .await
        .refused(409, "invitation_closed");
    app.sign_in(&guest.email).await.data(201);
}

/// Nor can one whose orgs are all suspended, or have banned them.
#[tokio::test]
async fn who_is_let_in_nowhere_joins_elsewhere_by_the_link() {
    let app = TestApp::new().await;
    let (suspended, host) = (
        app.bare_org(Plan::Ultra).await,
        app.bare_org(Plan::Ultra).await,
    );
    let guest = app.person(suspended, Role::Member).await;
    let admin = app.person(host, Role::Admin).await;
    let (_, token) = app.invite(&admin, &guest.email, "member").await;
    let body = accepting(token.reveal(), PASSWORD);
    let at_home = app.auth("/invitations/accept", &body).await;
    at_home.refused(409, "state_conflict");
    app.operate(suspended, Command::Suspend { reason: None })
        .await;
    let joined = app.auth("/invitations/accept", &body).await;
    assert_eq!(joined.data(201)["user_id"], guest.id.to_string());
    let signed = app.sign_in(&guest.email).await;
    assert_eq!(signed.data(201)["org_id"], host.to_string());
}

/// Wrong passwords count as guesses.
#[tokio::test]
async fn an_invitation_s_link_is_no_way_to_guess_a_password() {
    let app = TestApp::new().await;
    let org = app.bare_org(Plan::Ultra).await;
    let admin = app.person(org, Role::Admin).await;
    let guest = app.person(org, Role::Member).await;
    let path = format!("/members/{}", guest.id);
    app.ask(&admin, Method::DELETE, &path, None).await.data(200);
    let (_, token) = app.invite(&admin, &guest.email, "member").await;
    let wrong = accepting(token.reveal(), "some other password");
    for _ in 0..20 {
        let answer = app.auth("/invitations/accept", &wrong).await;
        answer.refused(401, "invalid_credentials");
    }
    let answer = app.auth("/invitations/accept", &wrong).await;
    answer.refused(503, "verification_unavailable");
}

/// What stands beside the log is taken back whether or not the caller stays.
#[tokio::test]
async fn of_a_refused_invitation_nothing_is_kept_though_the_caller_hangs_up() {
    let app = TestApp::new().await;
    let org = app.bare_org(Plan::Ultra).await;
    let admin = app.person(org, Role::Admin).await;
    app.invite(&admin, "ada@example.com", "member").await;
    // Before it is refused, the log is looked at for what others decided.
    let mut held = app.pool().begin().await.unwrap();
    sqlx::raw_sql("lock table log.events in access exclusive mode")
        .execute(&mut *held)
        .await
        .unwrap();
    let rows = async || app.db_count("select count(*) from auth.invitations").await;
    {
        let body = json!({"email": "ada@example.com"});
        let ask = app.ask(&admin, Method::POST, "/invitations", Some(body));
        let seen = eventually(SOON, "its row is there", async || rows().await == 2);
        let first = select(Box::pin(ask), Box::pin(seen)).await;
        assert!(matches!(first, Either::Right(_)), "it is not refused yet");
    }
    held.rollback().await.unwrap();
    eventually(SOON, "its row is gone", async || rows().await == 1).await;
}

/// However often an org invites somebody, what they are told stays small, and the open one is told.
#[tokio::test]
async fn invitations_received_are_bounded() {
    let app = TestApp::new().await;
    let home = app.bare_org(Plan::Ultra).await;
    let guest = app.person(home, Role::Member).await;
    let host = app
        .person(app.bare_org(Plan::Ultra).await, Role::Admin)
        .await;
    let (open, _) = app.invite(&host, &guest.email, "member").await;
    app.db_execute(
        "insert into auth.invitations (id, invitee_id, token_hash, created_at)
         select gen_random_uuid(), i.invitee_id, sha256(n::text::bytea), i.created_at - n * interval '1 minute'
         from auth.invitations i, generate_series(1, 150) n",
    )
    .await;
    let received = async || gate::received(app.pool(), guest.id).await.unwrap();
    let told = received().await;
    assert_eq!(told.len(), 20);
    assert!(told.iter().any(|told| told.id.to_string() == open));
    app.db_execute("update auth.invitations set created_at = created_at - interval '8 days'")
        .await;
    assert_eq!(received().await.len(), 0);
}

#[tokio::test]
async fn an_invitation_is_closed_once() {
    let app = TestApp::new().await;
    let org = app.bare_org(Plan::Ultra).await;
    let admin = app.person(org, Role::Admin).await;
    let guest = app
        .person(app.bare_org(Plan::Ultra).await, Role::Admin)
        .await;
    let (declined, _) = app.invite(&admin, &guest.email, "member").await;
    let twice = json!({"email": guest.email});
    let twice = app
        .ask(&admin, Method::POST, "/invitations", Some(twice))
        .await;
    assert_eq!(twice.refused(409, "duplicate")["id"], declined);
    let answer = answer_to(&app, &guest, &declined, "decline").await;
    assert_eq!(answer.data(200)["status"], "declined");
    assert_eq!(answer.data(200)["email"], guest.email);
    let path = format!("/invitations/{declined}");
    let late = app.ask(&admin, Method::DELETE, &path, None).await;
    late.refused(409, "invitation_closed");

    let (revoked, token) = app.invite(&admin, "late@example.com", "member").await;
    let path = format!("/invitations/{revoked}");
    let answer = app.ask(&admin, Method::DELETE, &path, None).await;
    assert_eq!(answer.data(200)["status"], "revoked");
    app.ask(&admin, Method::DELETE, &path, None)
        .await
        .refused(409, "invitation_closed");
    let late = app
        .auth("/invitations/accept", &accepting(token.reveal(), PASSWORD))
        .await;
    late.refused(409, "invitation_closed");
    let none = app
        .db_count("select count(*) from auth.users where email = 'late@example.com'")
        .await;
    assert_eq!(none, 0, "nobody was made");
    let unknown = app
        .auth("/invitations/accept", &accepting(&"0".repeat(64), PASSWORD))
        .await;
    unknown.refused(404, "not_found");
}

/// An invitation holds a place, so nobody is invited in vain, and never one too many.
#[tokio::test]
async fn of_those_invited_to_the_last_place_one_is() {
    let app = TestApp::new().await;
    let other = app.neighbour();
    let org = app.bare_org(Plan::Ultra).await;
    let admin = app.person(org, Role::Admin).await;
    let limit_key = LimitKey::MaxMembersPerOrg;
    app.operate(
        org,
        Command::SetLimit {
            limit_key,
            value: Some(3),
        },
    )
    .await;
    let (_, token) = app.invite(&admin, "first@example.com", "member").await;
    let asks = (0..4).map(|n: usize| {
        let through = if n.is_multiple_of(2) { &app } else { &other };
        let body = json!({"email": format!("guest{n}@example.com")});
        through.ask(&admin, Method::POST, "/invitations", Some(body))
    });
    let answers = join_all(asks).await;
    let made = answers.iter().filter(|answer| answer.status == 201).count();
    assert_eq!(made, 1);
    for answer in answers.iter().filter(|answer| answer.status != 201) {
        let meta = answer.refused(402, "limit_reached");
        assert_eq!(
            (&meta["limitKey"], &meta["max"]),
            (&json!("max_members_per_org"), &json!(3))
        );
    }
    // Two acceptances of one place: one joins, and one account is made.
    let body = accepting(token.reveal(), PASSWORD);
    let answers =
        join_all([&app, &other, &app].map(|app| app.auth("/invitations/accept", &body))).await;
    let mut statuses: Vec<_> = answers
        .iter()
        .map(|answer| answer.status.as_u16())
        .collect();
    statuses.sort_unstable();
    assert_eq!(statuses, [201, 409, 409]);
    app.sign_in("first@example.com").await.data(201);
    let rows = app.db_count("select count(*) from auth.invitations").await;
    assert_eq!(rows, 2, "of those refused nothing is kept");
    let rows = app.db_count("select count(*) from auth.invitees").await;
    assert_eq!(rows, 2, "nor are their addresses");
}

/// Whatever the invited person's account is worth, an address is invited once.
#[tokio::test]
async fn an_address_that_is_invited_by_many_at_once_is_invited_once() {
    let app = TestApp::new().await;
    let other = app.neighbour();
    let org = app.bare_org(Plan::Ultra).await;
    let admin = app.person(org, Role::Admin).await;
    let asks = (0..4).map(|n: usize| {
        let through = if n.is_multiple_of(2) { &app } else { &other };
        let body = json!({"email": "ada@example.com"});
        through.ask(&admin, Method::POST, "/invitations", Some(body))
    });
    let answers = join_all(asks).await;
    let mut statuses: Vec<_> = answers
        .iter()
        .map(|answer| answer.status.as_u16())
        .collect();
    statuses.sort_unstable();
    assert_eq!(statuses, [201, 409, 409, 409]);
}

#[tokio::test]
async fn a_link_is_told_once() {
    let app = TestApp::new().await;
    let org = app.bare_org(Plan::Ultra).await;
    let admin = app.person(org, Role::Admin).await;
    let send = async || {
        let ask = app
            .request(&Method::POST, "/invitations")
            .with_key(&admin.secret);
        let ask = ask.header(api::header::IDEMPOTENCY_KEY, "once");
        ask.json(&json!({"email": "ada@example.com"})).send().await
    };
    let first = send().await;
    let replay = send().await;
    assert!(first.data(201)["accept_url"].is_string());
    assert_eq!(replay.data(201)["accept_url"], Value::Null);
    assert_eq!(replay.header("Idempotency-Replayed"), "true");
    assert_eq!(replay.data(201)["id"], first.data(201)["id"]);
    let rows = app.db_count("select count(*) from auth.invitations").await;
    assert_eq!(rows, 1);
}

#[tokio::test]
async fn a_bad_invitation_is_named() {
    let app = TestApp::new().await;
    let org = app.bare_org(Plan::Ultra).await;
    let admin = app.person(org, Role::Admin).await;
    for (body, path) in [
        (json!({}), "email"),
        (json!({"email": "nobody"}), "email"),
        (json!({"email": null}), "email"),
        (json!({"email": "a@example.com", "role": "owner"}), "role"),
        (json!({"email": "a@example.com", "name": "A"}), "name"),
    ] {
        let answer = app
            .ask(&admin, Method::POST, "/invitations", Some(body))
            .await;
        assert_eq!(
            answer.refused(400, "invalid_body")["issues"][0]["path"],
            path
        );
    }
    for (body, path) in [
        (json!({"name": "A", "password": PASSWORD}), "token"),
        (accepting("x", PASSWORD), "token"),
        (accepting(&"0".repeat(64), "short"), "password"),
    ] {
        let answer = app.auth("/invitations/accept", &body).await;
        assert_eq!(
            answer.refused(400, "invalid_body")["issues"][0]["path"],
            path
        );
    }
}
