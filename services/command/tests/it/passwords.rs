//! `/auth/password`: another password, and what was opened with the former.

use domain::event::Role;
use domain::ids::OrgId;
use domain::org::Command;
use domain::plan::Plan;
use futures_util::future::join_all;
use http::Method;
use serde_json::{Value, json};
use testkit::Direction;

use crate::support::{Answer, PASSWORD, Person, TestApp};

const OTHER: &str = "another long password";

async fn works(app: &TestApp, secret: &str) -> bool {
    let asked = app.call(&Method::POST, "/nowhere", secret, None).await;
    asked.status == 404
}

async fn change(app: &TestApp, person: &Person, current: &str, new: &str) -> Answer {
    let ask = app
        .request_to(&Method::POST, "/auth/password")
        .with_key(&person.secret);
    ask.json(&json!({"current": current, "new": new}))
        .send()
        .await
}

/// Two orgs, and somebody who belongs to both; in the first one in this role.
async fn member_of_two(app: &TestApp, role: Role) -> (OrgId, OrgId, Person) {
    let first = app.bare_org(Plan::Ultra).await;
    let second = app.bare_org(Plan::Ultra).await;
    let person = app.person(first, role).await;
    let join = Command::JoinMember {
        user_id: person.id,
        role: Role::Member,
    };
    app.operate(second, join).await;
    (first, second, person)
}

#[tokio::test]
async fn another_password_ends_all_other_sessions_in_all_orgs() {
    let app = TestApp::new().await;
    let (org, other, person) = member_of_two(&app, Role::Admin).await;
    let elsewhere = [
        app.session(org, person.id).await,
        app.session(other, person.id).await,
    ];
    let stranger = app.person(org, Role::Member).await;
    let wrong = change(&app, &person, OTHER, "yet another password").await;
    wrong.refused(401, "invalid_credentials");
    let changed = change(&app, &person, PASSWORD, OTHER).await;
    let receipt = &changed.data(200)["receipt"];
    assert_eq!(receipt["id"], person.id.to_string());
    assert!(receipt["barrier"].is_object());
    assert!(changed.headers.contains_key("RateLimit"));
    for (_, secret) in &elsewhere {
        assert!(!works(&app, secret).await);
    }
    assert!(works(&app, &person.secret).await && works(&app, &stranger.secret).await);
    app.sign_in(&person.email)
        .await
        .refused(401, "invalid_credentials");
    let signed = app
        .auth(
            "/sessions",
            &json!({"email": person.email, "password": OTHER}),
        )
        .await;
    signed.data(201);
    // Whoever did not hear the answer sends it again.
    let again = change(&app, &person, OTHER, OTHER).await;
    assert!(again.data(200)["receipt"]["position"].as_u64() > receipt["position"].as_u64());
    let secret = signed.data(201)["token"].as_str().unwrap();
    assert!(!works(&app, secret).await);
}

#[tokio::test]
async fn a_password_is_changed_by_its_person_in_a_session() {
    let app = TestApp::new().await;
    let org = app.org().await;
    let person = app.person(org.id, Role::Member).await;
    let body = json!({"current": PASSWORD, "new": OTHER});
    app.auth("/password", &body)
        .await
        .refused(401, "invalid_api_key");
    let ask = app
        .request_to(&Method::POST, "/auth/password")
        .with_key(&org.secret);
    let key = ask.json(&body).send().await;
    assert_eq!(key.refused(403, "forbidden")["required"], "session");
    for (body, path) in [
        (json!({"new": OTHER}), "current"),
        (json!({"current": PASSWORD, "new": "short"}), "new"),
    ] {
        let ask = app
            .request_to(&Method::POST, "/auth/password")
            .with_key(&person.secret);
        let answer = ask.json(&body).send().await;
        assert_eq!(
            answer.refused(400, "invalid_body")["issues"][0]["path"],
            path
        );
    }
    let alone = change(&app, &person, PASSWORD, OTHER).await;
    assert_eq!(
        alone.data(200)["receipt"],
        Value::Null,
        "there was no other session"
    );
}

/// Somebody who has the former password signs in while it is changed: what they get dies with it.
#[tokio::test]
async fn no_session_of_a_former_password_outlives_its_change() {
    let app = TestApp::new().await;
    let other = app.neighbour();
    let org = app.bare_org(Plan::Ultra).await;
    for _ in 0..4 {
        let person = app.person(org, Role::Member).await;
        let body = json!({"email": person.email, "password": PASSWORD});
        let signing = join_all((0..4).map(|n: usize| {
            let through = if n.is_multiple_of(2) { &app } else { &other };
            through.auth("/sessions", &body)
        }));
        let (signed, changed) = tokio::join!(signing, change(&app, &person, PASSWORD, OTHER));
        changed.data(200);
        for answer in signed {
            if answer.status == 201 {
                let secret = answer.data(201)["token"].as_str().unwrap();
                assert!(!works(&app, secret).await);
            } else {
                answer.refused(401, "invalid_credentials");
            }
        }
    }
}

/// Nor does one that the session of a thief opens in an org where all have ended.
#[tokio::test]
async fn no_session_that_another_opened_outlives_the_change_of_a_password() {
    for _ in 0..4 {
        let app = TestApp::new().await;
        let other = app.neighbour();
        let (first, last, person) = member_of_two(&app, Role::Member).await;
        let (_, stolen) = app.session(last, person.id).await;
        let body = json!({"org_id": first.to_string()});
        let opening = join_all((0..8).map(|n: usize| {
            let through = if n.is_multiple_of(2) { &app } else { &other };
            through.call(&Method::POST, "/sessions", &stolen, Some(&body))
        }));
        let (_, changed) = tokio::join!(opening, change(&app, &person, PASSWORD, OTHER));
        changed.data(200);
        let live = "select count(*) from gate.credentials where kind = 2 and status < 3";
        assert_eq!(app.db_count(live).await, 1, "the one that changed it");
        assert!(works(&app, &person.secret).await);
    }
}

/// The stolen session is the last to end, and opens another where all have ended.
#[tokio::test]
async fn a_session_opened_where_all_had_ended_ends_too() {
    let app = TestApp::new().await;
    let (first, last, person) = member_of_two(&app, Role::Member).await;
    let (_, stolen) = app.session(last, person.id).await;
    let (slow, proxy) = app.neighbour_held_up().await;
    // Orgs of one name come in the order of their ids.
    let mut held = proxy.hold(Direction::ToServer, last.as_uuid().as_bytes());
    let meanwhile = async {
        held.caught().await;
        let body = json!({"org_id": first.to_string()});
        let opened = app.call(&Method::POST, "/sessions", &stolen, Some(&body));
        let secret = opened.await.data(201)["token"].as_str().unwrap().to_owned();
        held.release();
        secret
    };
    let (changed, opened) = tokio::join!(change(&slow, &person, PASSWORD, OTHER), meanwhile);
    changed.data(200);
    for secret in [&stolen, &opened] {
        assert!(!works(&app, secret).await);
    }
    assert!(works(&app, &person.secret).await);
}

/// Once the password is written, no error says that nothing was changed.
#[tokio::test]
async fn a_password_that_is_changed_is_never_said_not_to_be() {
    let app = TestApp::new().await;
    let person = app
        .person(app.bare_org(Plan::Ultra).await, Role::Admin)
        .await;
    app.db_execute("alter table gate.members rename to members_elsewhere")
        .await;
    let changed = change(&app, &person, PASSWORD, OTHER).await;
    changed.refused(503, "outcome_unknown");
    app.db_execute("alter table gate.members_elsewhere rename to members")
        .await;
    app.sign_in(&person.email)
        .await
        .refused(401, "invalid_credentials");
    change(&app, &person, OTHER, OTHER).await.data(200);
}
