//! Roles, removals, and what becomes of a person's keys and sessions.

use domain::event::Role;
use domain::plan::Plan;
use futures_util::future::join_all;
use http::Method;
use serde_json::{Value, json};

use crate::support::{Person, TestApp};

fn path_of(person: &Person) -> String {
    format!("/members/{}", person.id)
}

async fn key_of(app: &TestApp, person: &Person) -> (String, String) {
    let body = json!({"name": "Theirs"});
    let made = app.ask(person, Method::POST, "/api-keys", Some(body)).await;
    let text = |name: &str| made.data(201)[name].as_str().unwrap().to_owned();
    (text("id"), text("key"))
}

async fn is_accepted(app: &TestApp, secret: &str) -> bool {
    let body = json!({"name": "P"});
    let asked = app
        .call(&Method::POST, "/projects", secret, Some(&body))
        .await;
    match asked.status.as_u16() {
        201 => true,
        401 => false,
        _ => panic!("{}", asked.body),
    }
}

#[tokio::test]
async fn a_demotion_ends_sessions_and_says_when_that_holds() {
    let app = TestApp::new().await;
    let org = app.bare_org(Plan::Ultra).await;
    let admin = app.person(org, Role::Admin).await;
    let other = app.person(org, Role::Admin).await;
    let demote = async || {
        let body = json!({"role": "member"});
        let answer = app
            .ask(&admin, Method::PATCH, &path_of(&other), Some(body))
            .await;
        answer.data(200).clone()
    };
    let first = demote().await;
    assert_eq!(first["user_id"], other.id.to_string());
    assert_eq!(
        (&first["role"], &first["name"]),
        (&json!("member"), &json!("Ada Lovelace"))
    );
    assert_eq!(
        (&first["email"], &first["active_keys"]),
        (&json!(other.email), &json!(0))
    );
    let receipt = &first["receipt"];
    assert_eq!(receipt["id"], other.id.to_string());
    assert!(receipt["barrier"].is_object() && receipt["effective_at"].is_string());
    assert!(!is_accepted(&app, &other.secret).await);
    // Sent again it waits again, for the same denial.
    let again = demote().await["receipt"].clone();
    assert_eq!(again["position"], receipt["position"]);
    assert!(again["effective_at"].as_str() > receipt["effective_at"].as_str());

    let (_, fresh) = app.session(org, other.id).await;
    let promote = json!({"role": "admin"});
    let answer = app
        .ask(&admin, Method::PATCH, &path_of(&other), Some(promote))
        .await;
    assert_eq!(answer.data(200)["receipt"], Value::Null);
    // The session that there is may do at once what its person may.
    let body = json!({"name": "Acme GmbH"});
    let renamed = app
        .call(&Method::PATCH, "/orgs/self", &fresh, Some(&body))
        .await;
    assert_eq!(renamed.data(200)["name"], "Acme GmbH");
}

#[tokio::test]
async fn an_org_keeps_an_admin() {
    let app = TestApp::new().await;
    let org = app.bare_org(Plan::Ultra).await;
    let admin = app.person(org, Role::Admin).await;
    let member = app.person(org, Role::Member).await;
    let demote = Some(json!({"role": "member"}));
    let answer = app
        .ask(&admin, Method::PATCH, &path_of(&admin), demote)
        .await;
    answer.refused(409, "last_admin");
    for path in [path_of(&admin), "/members/self".to_owned()] {
        let answer = app.ask(&admin, Method::DELETE, &path, None).await;
        answer.refused(409, "last_admin");
    }
    let answer = app
        .ask(&member, Method::DELETE, "/members/self", None)
        .await;
    let left = answer.data(200);
    assert_eq!(left["id"], member.id.to_string());
    let nothing = json!({"revoked": [], "transferred": [], "kept": []});
    assert_eq!(left["keys"], nothing);
    assert!(!is_accepted(&app, &member.secret).await);
    app.sign_in(&member.email)
        .await
        .refused(403, "no_membership");
}

/// Each would leave the other alone.
#[tokio::test]
async fn of_the_last_two_admins_who_demote_each_other_one_stays() {
    let app = TestApp::new().await;
    let others = [app.neighbour(), app.neighbour()];
    for round in 0..5 {
        let org = app.bare_org(Plan::Ultra).await;
        let pair = [
            app.person(org, Role::Admin).await,
            app.person(org, Role::Admin).await,
        ];
        let asks = [(0, 1), (1, 0)].map(|(by, whom): (usize, usize)| {
            let (by, path) = (&pair[by], path_of(&pair[whom]));
            let through = &others[usize::from(by.id == pair[0].id) * (round % 2)];
            async move {
                let body = Some(json!({"role": "member"}));
                through.ask(by, Method::PATCH, &path, body).await
            }
        });
        let mut statuses: Vec<_> = join_all(asks)
            .await
            .iter()
            .map(|it| it.status.as_u16())
            .collect();
        statuses.sort_unstable();
        // The loser is told that nobody else is left, or finds their session ended.
        assert_eq!(statuses[0], 200);
        assert!([401, 403, 409].contains(&statuses[1]), "{statuses:?}");
        let admins = app.service.commander().inspect(org, |state| {
            let admins = state.members.values();
            admins.filter(|member| member.role == Role::Admin).count()
        });
        assert_eq!(admins.await.unwrap(), 1);
    }
}

#[tokio::test]
async fn what_becomes_of_a_leaving_persons_keys_is_told_before_and_after() {
    let app = TestApp::new().await;
    let org = app.bare_org(Plan::Ultra).await;
    app.operate(
        org,
        domain::org::Command::SetLimit {
            limit_key: domain::plan::LimitKey::MaxApiRequestsPerDay,
            value: Some(1_000_000),
        },
    )
    .await;
    let admin = app.person(org, Role::Admin).await;
    let heir = app.person(org, Role::Member).await;
    for (query, fate, lives) in [
        ("keys=revoke".to_owned(), "revoked", false),
        (
            format!("keys=transfer&transfer_to={}", heir.id),
            "transferred",
            true,
        ),
        ("keys=keep".to_owned(), "kept", true),
    ] {
        let leaving = app.person(org, Role::Admin).await;
        let keys = [key_of(&app, &leaving).await, key_of(&app, &leaving).await];
        let path = path_of(&leaving);
        let unsaid = app.ask(&admin, Method::DELETE, &path, None).await;
        assert_eq!(unsaid.refused(409, "member_has_keys")["active_keys"], 2);
        assert!(is_accepted(&app, &leaving.secret).await, "nothing was done");
        let said = format!("{path}?{query}");
        let first = app.ask(&admin, Method::DELETE, &said, None).await;
        let first = first.data(200).clone();
        let mut ids: Vec<_> = keys.iter().map(|(id, _)| id.clone()).collect();
        ids.sort_unstable();
        assert_eq!(first["keys"][fate], json!(ids), "{query}");
        for (_, key) in &keys {
            assert_eq!(is_accepted(&app, key).await, lives, "{query}");
        }
        assert!(!is_accepted(&app, &leaving.secret).await);
        // Whoever did not hear the answer asks again, however they ask.
        for path in [&said, &path] {
            let again = app.ask(&admin, Method::DELETE, path, None).await;
            let again = again.data(200).clone();
            assert_eq!(again["keys"], first["keys"]);
            assert_eq!(again["event_hash"], first["event_hash"]);
        }
    }
}

#[tokio::test]
async fn whom_keys_go_to_must_be_a_member_and_the_query_must_fit() {
    let app = TestApp::new().await;
    let org = app.bare_org(Plan::Ultra).await;
    let admin = app.person(org, Role::Admin).await;
    let leaving = app.person(org, Role::Admin).await;
    key_of(&app, &leaving).await;
    let stranger = app
        .person(app.bare_org(Plan::Ultra).await, Role::Admin)
        .await;
    let before = app.head().await;
    let delete = async |query: &str| {
        let path = format!("{}?{query}", path_of(&leaving));
        app.ask(&admin, Method::DELETE, &path, None).await
    };
    for heir in [&stranger, &leaving] {
        let query = format!("keys=transfer&transfer_to={}", heir.id);
        delete(&query).await.refused(404, "not_found");
    }
    for (query, path) in [
        ("keys=burn", "keys"),
        ("keys=", "keys"),
        ("keys=keep&keys=keep", "keys"),
        ("keys=transfer", "transfer_to"),
        ("keys=transfer&transfer_to=me", "transfer_to"),
        (
            "keys=keep&transfer_to=0192f0c1-2b7e-7c00-8000-00000000abcd",
            "transfer_to",
        ),
        (
            "transfer_to=0192f0c1-2b7e-7c00-8000-00000000abcd",
            "transfer_to",
        ),
    ] {
        let answer = delete(query).await;
        let meta = answer.refused(400, "invalid_query");
        assert_eq!(meta["issues"][0]["path"], path, "{query}");
    }
    let wrong = async |body: Value| {
        let path = path_of(&leaving);
        let answer = app.ask(&admin, Method::PATCH, &path, Some(body)).await;
        answer.refused(400, "invalid_body").clone()
    };
    for body in [
        json!({}),
        json!({"role": "owner"}),
        json!({"role": null}),
        json!({"role": 1}),
    ] {
        wrong(body).await;
    }
    assert_eq!(
        wrong(json!({"name": "x"})).await["issues"][0]["path"],
        "name"
    );
    let nobody = "/members/0192f0c1-2b7e-7c00-8000-00000000abcd";
    for (method, body) in [
        (Method::DELETE, None),
        (Method::PATCH, Some(json!({"role": "admin"}))),
    ] {
        let answer = app.ask(&admin, method, nobody, body).await;
        answer.refused(404, "not_found");
    }
    assert_eq!(app.head().await, before);
}

#[tokio::test]
async fn nobody_gives_a_role_whose_scopes_they_lack() {
    let app = TestApp::new().await;
    let org = app.org().await;
    let member = app.person(org.id, Role::Member).await;
    let keys = domain::scope::Scopes::DEFAULT.with(domain::scope::Scope::Keys);
    let (_, secret) = app.key(org.id, keys).await;
    let promote = json!({"role": "admin"});
    let path = path_of(&member);
    let answer = app
        .call(&Method::PATCH, &path, &secret, Some(&promote))
        .await;
    assert_eq!(
        answer.refused(403, "insufficient_scope")["required"],
        "ingest"
    );
    let invite = json!({"email": "new@example.com", "role": "admin"});
    let answer = app
        .call(&Method::POST, "/invitations", &secret, Some(&invite))
        .await;
    assert_eq!(
        answer.refused(403, "insufficient_scope")["required"],
        "ingest"
    );
    // Whoever calls as a member administers nothing.
    let answer = app.ask(&member, Method::PATCH, &path, Some(promote)).await;
    assert_eq!(
        answer.refused(403, "insufficient_scope")["required"],
        "keys"
    );
}
