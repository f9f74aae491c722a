//! `/auth`: setting up, signing in, another password, and guessing.

use std::time::Duration;

use command::people::{Password, PeopleError, SetupError};
use domain::email::Email;
use domain::event::Role;
use domain::org::Command;
use domain::plan::Plan;
use domain::text::Name;
use futures_util::future::{join_all, poll_immediate};
use http::Method;
use http::header::ALLOW;
use serde_json::{Value, json};

use crate::support::{Answer, PASSWORD, TestApp};

const OTHER: &str = "another long password";

fn setting_up(token: &str) -> Value {
    json!({"setup_token": token, "email": "Ada@Example.com", "password": PASSWORD,
        "name": "Ada", "org_name": "Goats & Co", "timezone": "Europe/Berlin"})
}

async fn setup_token(app: &TestApp) -> String {
    let token = app.service.people().new_setup_token().await.unwrap();
    token.reveal().to_owned()
}

async fn works(app: &TestApp, secret: &str) -> bool {
    let asked = app.call(&Method::POST, "/nowhere", secret, None).await;
    asked.status == 404
}

#[tokio::test]
async fn the_first_person_sets_the_service_up_once() {
    let app = TestApp::new().await;
    let former = setup_token(&app).await;
    let token = setup_token(&app).await;
    app.auth("/setup", &setting_up(&former))
        .await
        .refused(410, "gone");
    let made = app.auth("/setup", &setting_up(&token)).await;
    let session = made.data(201);
    assert_eq!(
        (&session["role"], &session["current"]),
        (&json!("admin"), &json!(true))
    );
    let secret = session["token"].as_str().unwrap();
    let key = json!({"name": "First"});
    let key = app
        .call(&Method::POST, "/api-keys", secret, Some(&key))
        .await;
    assert_eq!(key.data(201)["owner_id"], session["user_id"]);
    let again = app.auth("/setup", &setting_up(&token)).await;
    again.refused(410, "gone");
    let token = app.service.people().new_setup_token().await;
    assert!(matches!(token, Err(SetupError::Over)));
    let signed = app.sign_in("ada@example.com").await;
    let orgs = json!([{"id": session["org_id"], "name": "Goats & Co", "role": "admin"}]);
    assert_eq!(signed.data(201)["orgs"], orgs);
}

#[tokio::test]
async fn one_setup_token_used_by_many_at_once_makes_one_admin() {
    let app = TestApp::new().await;
    let other = app.neighbour();
    let token = setup_token(&app).await;
    let bodies = (0..6).map(|n| {
        let mut body = setting_up(&token);
        body["email"] = json!(format!("ada{n}@example.com"));
        body
    });
    let bodies: Vec<_> = bodies.collect();
    let asks = bodies.iter().enumerate().map(|(n, body)| {
        let through = if n.is_multiple_of(2) { &app } else { &other };
        through.auth("/setup", body)
    });
    let answers = join_all(asks).await;
    assert_eq!(
        answers.iter().filter(|answer| answer.status == 201).count(),
        1
    );
    for answer in answers.iter().filter(|answer| answer.status != 201) {
        let code = answer.body["meta"]["code"].as_str().unwrap();
        assert!(
            ["gone", "state_conflict"].contains(&code),
            "{}",
            answer.body
        );
    }
    assert_eq!(app.db_count("select count(*) from gate.members").await, 1);
    assert_eq!(app.db_count("select count(*) from auth.users").await, 1);
}

#[tokio::test]
async fn a_setup_token_that_a_request_has_for_itself_is_not_replaced() {
    let (app, hand) = TestApp::without_time(&[]).await;
    let token = setup_token(&app).await;
    app.db_execute("update auth.setup_tokens set claimed_until = now() + interval '30 seconds'")
        .await;
    let other = app.service.people().new_setup_token().await;
    assert!(matches!(other, Err(SetupError::InUse)));
    app.auth("/setup", &setting_up(&token))
        .await
        .refused(409, "state_conflict");
    hand.advance(Duration::from_mins(1));
    let other = setup_token(&app).await;
    app.auth("/setup", &setting_up(&token))
        .await
        .refused(410, "gone");
    app.auth("/setup", &setting_up(&other)).await.data(201);
}

#[tokio::test]
async fn a_setup_token_ends_after_an_hour_and_survives_a_refusal() {
    let (app, hand) = TestApp::without_time(&[]).await;
    let token = setup_token(&app).await;
    let mut bad = setting_up(&token);
    bad["timezone"] = json!("Mars/Olympus");
    let refused = app.auth("/setup", &bad).await;
    assert_eq!(
        refused.refused(400, "invalid_body")["issues"][0]["path"],
        "timezone"
    );
    for (field, value) in [
        ("setup_token", json!("x")),
        ("email", json!("ada")),
        ("password", json!("too short")),
        ("name", json!(" ")),
        ("org_name", Value::Null),
    ] {
        let mut bad = setting_up(&token);
        bad[field] = value;
        let refused = app.auth("/setup", &bad).await;
        assert_eq!(
            refused.refused(400, "invalid_body")["issues"][0]["path"],
            field
        );
    }
    let unknown = app.auth("/setup", &setting_up(&"0".repeat(64))).await;
    unknown.refused(410, "gone");
    hand.advance(Duration::from_hours(1));
    app.auth("/setup", &setting_up(&token))
        .await
        .refused(410, "gone");
}

#[tokio::test]
async fn a_person_signs_in_where_they_were_last_or_where_they_wish() {
    let app = TestApp::new().await;
    let (one, other) = (
        app.bare_org(Plan::Ultra).await,
        app.bare_org(Plan::Ultra).await,
    );
    let person = app.person(one, Role::Admin).await;
    let join = Command::JoinMember {
        user_id: person.id,
        role: Role::Member,
    };
    app.operate(other, join).await;
    let signed = app.sign_in(&person.email).await;
    assert_eq!(signed.data(201)["org_id"], one.to_string());
    assert_eq!(signed.data(201)["orgs"].as_array().unwrap().len(), 2);
    assert!(signed.header("Cache-Control").contains("no-store"));
    let wished = json!({"email": person.email, "password": PASSWORD, "org_id": other.to_string()});
    let wished = app.auth("/sessions", &wished).await;
    assert_eq!(
        (&wished.data(201)["role"], &wished.data(201)["org_id"]),
        (&json!("member"), &json!(other.to_string()))
    );
    let signed = app.sign_in(&person.email).await;
    assert_eq!(signed.data(201)["org_id"], other.to_string());
    let foreign = app.bare_org(Plan::Ultra).await;
    let foreign =
        json!({"email": person.email, "password": PASSWORD, "org_id": foreign.to_string()});
    app.auth("/sessions", &foreign)
        .await
        .refused(403, "no_membership");
    let secret = signed.data(201)["token"].as_str().unwrap();
    assert!(works(&app, secret).await);
    assert!(works(&app, &person.secret).await, "others live on");
}

/// Who was last where they are not let in any more is signed in elsewhere, unless they wish it so.
#[tokio::test]
async fn nobody_is_signed_in_by_default_where_they_are_not_let_in() {
    let app = TestApp::new().await;
    let orgs = [
        app.bare_org(Plan::Ultra).await,
        app.bare_org(Plan::Ultra).await,
        app.bare_org(Plan::Ultra).await,
    ];
    let [banning, suspended, open] = orgs;
    let person = app.person(banning, Role::Member).await;
    for org in [suspended, open] {
        let join = Command::JoinMember {
            user_id: person.id,
            role: Role::Member,
        };
        app.operate(org, join).await;
    }
    app.session(suspended, person.id).await;
    let ban = Command::BanMember {
        user_id: person.id,
        reason: None,
    };
    app.operate(banning, ban.clone()).await;
    app.operate(suspended, Command::Suspend { reason: None })
        .await;
    let signed = app.sign_in(&person.email).await;
    assert_eq!(signed.data(201)["org_id"], open.to_string());
    assert_eq!(signed.data(201)["orgs"].as_array().unwrap().len(), 3);
    for (org, code) in [(banning, "user_suspended"), (suspended, "org_suspended")] {
        let wished =
            json!({"email": person.email, "password": PASSWORD, "org_id": org.to_string()});
        app.auth("/sessions", &wished).await.refused(403, code);
    }
    app.operate(open, ban).await;
    let nowhere = app.sign_in(&person.email).await;
    nowhere.refused(403, "user_suspended");
}

fn without_id(answer: &Answer) -> (u16, Vec<u8>, Vec<String>) {
    let mut headers: Vec<_> = answer
        .headers
        .iter()
        .map(|(name, value)| format!("{name}: {value:?}"))
        .collect();
    headers.retain(|header| !header.starts_with("x-request-id"));
    headers.sort();
    (answer.status.as_u16(), answer.bytes.clone(), headers)
}

#[tokio::test]
async fn nobody_can_tell_a_wrong_password_from_an_unknown_person() {
    let app = TestApp::new().await;
    let person = app
        .person(app.bare_org(Plan::Ultra).await, Role::Admin)
        .await;
    let wrong = app
        .auth(
            "/sessions",
            &json!({"email": person.email, "password": OTHER}),
        )
        .await;
    let nobody = app
        .auth(
            "/sessions",
            &json!({"email": "nobody@example.com", "password": OTHER}),
        )
        .await;
    wrong.refused(401, "invalid_credentials");
    assert_eq!(without_id(&wrong), without_id(&nobody));
    for (body, path) in [
        (json!({"password": OTHER}), "email"),
        (json!({"email": person.email}), "password"),
        (json!({"email": person.email, "password": ""}), "password"),
        (
            json!({"email": person.email, "password": "x".repeat(129)}),
            "password",
        ),
        (
            json!({"email": person.email, "password": OTHER, "org_id": 7}),
            "org_id",
        ),
        (
            json!({"email": person.email, "password": OTHER, "otp": "1"}),
            "otp",
        ),
    ] {
        let answer = app.auth("/sessions", &body).await;
        assert_eq!(
            answer.refused(400, "invalid_body")["issues"][0]["path"],
            path
        );
    }
}

/// What takes no time where there is no room for its work does none.
#[tokio::test]
async fn an_unknown_address_takes_the_work_of_a_known_one() {
    let app = TestApp::new().await;
    let person = app
        .person(app.bare_org(Plan::Ultra).await, Role::Admin)
        .await;
    let people = app.service.people();
    // Begun and not carried on, each keeps its room.
    let mut begun = Vec::new();
    loop {
        let email = Email::parse(&format!("ada{}@example.com", begun.len())).unwrap();
        let mut add = Box::pin(async move {
            let name = Name::parse("Ada").unwrap();
            let password = Password::chosen(PASSWORD).unwrap();
            people.add(&email, &name, password).await
        });
        match poll_immediate(&mut add).await {
            None => begun.push(add),
            Some(Err(PeopleError::Busy)) => break,
            Some(other) => panic!("{other:?}"),
        }
        assert!(begun.len() < 10_000, "there is always room");
    }
    for email in [&*person.email, "nobody@example.com"] {
        let answer = app.sign_in(email).await;
        answer.refused(503, "verification_unavailable");
    }
    drop(begun);
    app.sign_in(&person.email).await.data(201);
    let nobody = app.sign_in("nobody@example.com").await;
    nobody.refused(401, "invalid_credentials");
}

#[tokio::test]
async fn who_guesses_too_often_is_not_heard_and_locks_nobody_out() {
    let app = TestApp::new().await;
    let person = app
        .person(app.bare_org(Plan::Ultra).await, Role::Admin)
        .await;
    // Known here to be real, before anybody guesses from the same address.
    assert!(works(&app, &person.secret).await);
    let guess = json!({"email": person.email, "password": OTHER});
    let mut braked = 0;
    for _ in 0..25 {
        let answer = app.auth("/sessions", &guess).await;
        match answer.status.as_u16() {
            401 => assert_eq!(braked, 0, "nothing is looked at after the brake"),
            503 => {
                let code = answer.body["meta"]["code"].as_str();
                assert_eq!(code, Some("verification_unavailable"));
                assert!(answer.headers.contains_key("Retry-After"));
                braked += 1;
            }
            other => panic!("{other} {}", answer.body),
        }
    }
    assert_eq!(braked, 5);
    // From there not even the right password is looked at, but the session is real.
    assert_eq!(app.sign_in(&person.email).await.status, 503);
    assert!(works(&app, &person.secret).await);
    app.auth(
        "/invitations/accept",
        &json!({"token": "0".repeat(64), "name": "A", "password": PASSWORD}),
    )
    .await
    .refused(503, "verification_unavailable");
}

#[tokio::test]
async fn beside_v1_is_what_the_contract_names_and_nothing_else() {
    let app = TestApp::new().await;
    let get = app.request_to(&Method::GET, "/auth/sessions").send().await;
    get.refused(405, "method_not_allowed");
    assert_eq!(get.headers.get(ALLOW).unwrap(), "POST");
    for path in ["/auth", "/auth/", "/auth/logout", "/auth/sessions/x"] {
        let ask = app.request_to(&Method::POST, path);
        ask.send().await.refused(401, "invalid_api_key");
    }
    let text = app
        .request_to(&Method::POST, "/auth/sessions")
        .body("text/plain", "{}");
    text.send().await.refused(415, "unsupported_media_type");
    let document = serde_json::to_string(&api::openapi::document([command::openapi()])).unwrap();
    assert!(!document.contains("/auth/"));
}

/// Only what must be kept is, and in no form that lets anybody in.
#[tokio::test]
async fn no_password_no_token_and_no_credential_is_stored() {
    let app = TestApp::new().await;
    let token = setup_token(&app).await;
    let made = app.auth("/setup", &setting_up(&token)).await;
    let secret = made.data(201)["token"].as_str().unwrap().to_owned();
    let invite = json!({"email": "grace@example.com"});
    let invited = app
        .call(&Method::POST, "/invitations", &secret, Some(&invite))
        .await;
    let url = invited.data(201)["accept_url"].as_str().unwrap().to_owned();
    let (_, link) = url.split_once("token=").unwrap();
    let dump = app.dump().await;
    assert!(dump.contains("ada@example.com") && dump.contains("$argon2id$"));
    for secret in [PASSWORD, &token, &secret, link] {
        assert!(!dump.contains(secret));
    }
    // Of a person the log knows no more than an id.
    let log = app.dump_of("log").await;
    for personal in ["ada@example.com", "Ada", "grace@example.com", "127.0.0.1"] {
        assert!(!log.contains(personal), "{personal}");
    }
}
