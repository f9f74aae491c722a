//! `/auth/oidc`: signing in with a provider, and whom it lets in.

use std::time::Duration;

use command::oidc::{FLOW_SECONDS, Oidc};
use domain::event::Role;
use domain::org::Command;
use domain::plan::Plan;
use futures_util::future::join;
use http::Method;
use runtime::clock::{Clock, ManualClock};
use serde_json::{Value, json};

use crate::support::{Answer, Person, Provider, Signed, TestApp};

/// A service, a provider, and somebody whom both know.
pub struct Scene {
    pub app: TestApp,
    pub hand: ManualClock,
    pub provider: Provider,
    pub person: Person,
}

/// A sign-in that was begun.
pub struct Begun {
    pub url: String,
    pub flow: String,
}

impl Scene {
    pub async fn new() -> Self {
        let (clock, hand) = Clock::manual(Clock::system().now());
        let provider = Provider::new("nobody@example.com", clock.clone()).await;
        let app = TestApp::with_provider(clock, provider.issuer()).await;
        let org = app.bare_org(Plan::Ultra).await;
        let person = app.person(org, Role::Admin).await;
        provider.person(json!({"sub": "1", "email": person.email, "email_verified": true}));
        Self {
            app,
            hand,
            provider,
            person,
        }
    }

    /// The same provider, as a process that knows nothing of it yet.
    pub fn oidc(&self) -> Oidc {
        self.app.oidc().unwrap()
    }

    /// Begins a sign-in.
    pub async fn begin(&self) -> Begun {
        let started = self.app.auth("/oidc/start", &json!({})).await;
        assert_eq!(started.status, 200, "{}", started.body);
        let told = |name: &str| started.body["data"][name].as_str().unwrap().to_owned();
        Begun {
            url: told("authorization_url"),
            flow: told("flow"),
        }
    }

    /// What the browser brings back from the provider.
    pub fn bring(&self, begun: &Begun) -> Value {
        let returned = self.provider.visit(&begun.url);
        json!({"code": returned.code, "state": returned.state, "flow": begun.flow})
    }

    pub async fn finish(&self, body: &Value) -> Answer {
        self.app.auth("/oidc/finish", body).await
    }

    /// Signs in from beginning to end.
    pub async fn sign_in(&self) -> Answer {
        let begun = self.begin().await;
        self.finish(&self.bring(&begun)).await
    }
}

async fn works(app: &TestApp, secret: &str) -> bool {
    let asked = app.call(&Method::POST, "/nowhere", secret, None).await;
    asked.status == 404
}

#[tokio::test]
async fn whose_address_the_provider_verified_gets_a_session_as_for_a_password() {
    let scene = Scene::new().await;
    let started = scene.app.auth("/oidc/start", &json!({})).await;
    assert!(started.header("Cache-Control").contains("no-store"));
    let url = started.body["data"]["authorization_url"].as_str().unwrap();
    let issuer = scene.provider.issuer();
    assert!(url.starts_with(&format!("{issuer}/authorize?")), "{url}");
    let redirect = "redirect_uri=http%3A%2F%2F127.0.0.1%3A8080%2Flogin%2Foidc%2Fcallback";
    assert!(url.contains(redirect), "{url}");

    let signed = scene.sign_in().await;
    let password = scene.app.sign_in(&scene.person.email).await;
    let (signed, password) = (signed.data(201), password.data(201));
    assert_eq!(signed["user_id"], scene.person.id.to_string());
    for same in ["user_id", "org_id", "role", "current", "orgs", "ip"] {
        assert_eq!(signed[same], password[same], "{same}");
    }
    let names = |it: &Value| it.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
    assert_eq!(names(signed), names(password));
    let secret = signed["token"].as_str().unwrap();
    assert!(works(&scene.app, secret).await);

    let ended = scene
        .app
        .call(&Method::DELETE, "/sessions/self", secret, None);
    ended.await.data(200);
    assert!(!works(&scene.app, secret).await);
    assert!(!works(&scene.app.neighbour(), secret).await);
}

#[tokio::test]
async fn a_sign_in_may_end_at_another_process_than_it_began_at() {
    let scene = Scene::new().await;
    let begun = scene.begin().await;
    let other = scene.app.neighbour();
    let signed = other.auth("/oidc/finish", &scene.bring(&begun)).await;
    assert_eq!(signed.data(201)["user_id"], scene.person.id.to_string());
}

#[tokio::test]
async fn an_address_is_the_same_in_any_case_and_signed_by_any_key_of_the_provider() {
    let scene = Scene::new().await;
    let shouted = scene.person.email.to_uppercase();
    scene
        .provider
        .person(json!({"sub": "1", "email": shouted, "email_verified": "true"}));
    for signed in [Signed::Ed25519, Signed::Rsa] {
        scene.provider.sign(signed);
        scene.sign_in().await.data(201);
    }
}

#[tokio::test]
async fn an_address_that_the_id_token_does_not_tell_is_asked_for() {
    let scene = Scene::new().await;
    scene.provider.claims(|claims| {
        let claims = claims.as_object_mut().unwrap();
        claims.remove("email");
        claims.remove("email_verified");
    });
    scene.sign_in().await.data(201);
    assert_eq!(scene.provider.asked("/userinfo"), 1);
    // Somebody else's word is not taken.
    scene.provider.claims(|claims| {
        claims["sub"] = json!("2");
        claims.as_object_mut().unwrap().remove("email");
    });
    scene.sign_in().await.refused(401, "invalid_credentials");
    // Where nobody can be asked, nobody is known.
    scene.provider.claims(|claims| {
        claims.as_object_mut().unwrap().remove("email_verified");
    });
    scene.provider.document(|document| {
        document
            .as_object_mut()
            .unwrap()
            .remove("userinfo_endpoint");
    });
    scene.hand.advance(Duration::from_mins(10));
    scene.sign_in().await.refused(403, "no_membership");
}

/// Nobody learns from it who has an account here.
#[tokio::test]
async fn who_is_unknown_unverified_or_in_no_org_gets_the_same_answer() {
    let scene = Scene::new().await;
    let email = scene.person.email.clone();
    let mut answers = Vec::new();
    for person in [
        json!({"sub": "2", "email": "stranger@example.com", "email_verified": true}),
        json!({"sub": "3", "email": email, "email_verified": false}),
        json!({"sub": "4", "email": email}),
        json!({"sub": "5", "email_verified": true}),
        json!({"sub": "6", "email": "no address", "email_verified": true}),
    ] {
        scene.provider.person(person);
        let answer = scene.sign_in().await;
        answer.refused(403, "no_membership");
        answers.push(answer.bytes);
    }
    let other = scene.app.bare_org(Plan::Ultra).await;
    let loner = scene.app.person(other, Role::Member).await;
    let heir = scene.app.person(other, Role::Admin).await;
    let path = format!("/members/{}?keys=revoke", loner.id);
    scene
        .app
        .ask(&heir, Method::DELETE, &path, None)
        .await
        .data(200);
    let person = json!({"sub": "7", "email": loner.email, "email_verified": true});
    scene.provider.person(person);
    let answer = scene.sign_in().await;
    answer.refused(403, "no_membership");
    answers.push(answer.bytes);
    answers.dedup();
    assert_eq!(answers.len(), 1);
    assert_eq!(
        scene.app.db_count("select count(*) from auth.users").await,
        3
    );
}

#[tokio::test]
async fn who_is_suspended_everywhere_is_told_so() {
    let scene = Scene::new().await;
    let org = scene.app.sign_in(&scene.person.email).await;
    let org = org.data(201)["org_id"].as_str().unwrap().parse().unwrap();
    scene
        .app
        .operate(org, Command::Suspend { reason: None })
        .await;
    scene.sign_in().await.refused(403, "org_suspended");
}

#[tokio::test]
async fn a_sign_in_opens_one_session_and_no_second_one() {
    let scene = Scene::new().await;
    let body = scene.bring(&scene.begin().await);
    scene.finish(&body).await.data(201);
    // The provider gave its token already.
    scene
        .finish(&body)
        .await
        .refused(401, "invalid_credentials");
    assert_eq!(scene.provider.asked("/token"), 2);

    // Even with a provider that gives it again and again, at once and at several services.
    scene.provider.give_again();
    let begun = scene.begin().await;
    let body = scene.bring(&begun);
    let other = scene.app.neighbour();
    let (one, another) = join(scene.finish(&body), other.auth("/oidc/finish", &body)).await;
    let mut statuses = [one.status.as_u16(), another.status.as_u16()];
    statuses.sort_unstable();
    assert_eq!(statuses, [201, 401], "{} {}", one.body, another.body);
    scene
        .finish(&body)
        .await
        .refused(401, "invalid_credentials");
    // And with another code for the same flow, in another org.
    let elsewhere = scene.app.bare_org(Plan::Ultra).await;
    let join = Command::JoinMember {
        user_id: scene.person.id,
        role: Role::Member,
    };
    scene.app.operate(elsewhere, join).await;
    scene.app.session(elsewhere, scene.person.id).await;
    let again = scene.finish(&scene.bring(&begun)).await;
    again.refused(401, "invalid_credentials");
    // Of a session that has ended too.
    let sessions = "select count(*) from auth.sessions where user_agent is null";
    assert_eq!(scene.app.db_count(sessions).await, 2);
}

#[tokio::test]
async fn what_does_not_belong_together_signs_nobody_in() {
    let scene = Scene::new().await;
    let (one, other) = (scene.begin().await, scene.begin().await);
    let mine = scene.bring(&one);
    let with = |name: &str, value: Value| {
        let mut body = mine.clone();
        body[name] = value;
        body
    };
    let theirs = scene.bring(&other);
    for body in [
        // Somebody else's answer, brought to the browser that began this.
        with("flow", theirs["flow"].clone()),
        with("state", theirs["state"].clone()),
        with("state", json!("x")),
        with("flow", json!("x")),
        with("code", json!("x")),
        // With their state, but not their code: the verifier is another.
        json!({"code": theirs["code"], "state": mine["state"], "flow": mine["flow"]}),
    ] {
        let answer = scene.finish(&body).await;
        answer.refused(401, "invalid_credentials");
    }
    for (body, path) in [
        (json!({"state": "x", "flow": "x"}), "code"),
        (json!({"code": "x", "flow": "x"}), "state"),
        (json!({"code": "x", "state": "x"}), "flow"),
        (with("code", json!("x".repeat(4_097))), "code"),
        (with("flow", json!("x".repeat(1_025))), "flow"),
        (with("org_id", json!("x")), "org_id"),
    ] {
        let refused = scene.finish(&body).await;
        let issues = &refused.refused(400, "invalid_body")["issues"];
        assert_eq!(issues[0]["path"], path);
    }
    scene.finish(&mine).await.data(201);
}

#[tokio::test]
async fn a_sign_in_takes_ten_minutes_at_most() {
    let scene = Scene::new().await;
    let body = scene.bring(&scene.begin().await);
    let late = scene.bring(&scene.begin().await);
    let almost = Duration::from_secs(FLOW_SECONDS.unsigned_abs() - 1);
    scene.hand.advance(almost);
    scene.finish(&body).await.data(201);
    scene.hand.advance(Duration::from_secs(1));
    scene
        .finish(&late)
        .await
        .refused(401, "invalid_credentials");
}

#[tokio::test]
async fn wrong_ends_of_sign_ins_are_guesses_and_are_braked() {
    let scene = Scene::new().await;
    let begun = scene.begin().await;
    let good = scene.bring(&begun);
    let wrong = json!({"code": "x", "state": "x", "flow": "x"});
    for _ in 0..20 {
        scene
            .finish(&wrong)
            .await
            .refused(401, "invalid_credentials");
    }
    let asked = scene.provider.asked("/token");
    scene
        .finish(&good)
        .await
        .refused(503, "verification_unavailable");
    let start = scene.app.auth("/oidc/start", &json!({})).await;
    start.refused(503, "verification_unavailable");
    assert_eq!(scene.provider.asked("/token"), asked);
}

#[tokio::test]
async fn without_a_provider_there_is_nothing() {
    let app = TestApp::new().await;
    let start = app.auth("/oidc/start", &json!({})).await;
    start.refused(404, "not_found");
    let body = json!({"code": "x", "state": "x", "flow": "x"});
    app.auth("/oidc/finish", &body)
        .await
        .refused(404, "not_found");
    let get = app
        .request_to(&Method::GET, "/auth/oidc/start")
        .send()
        .await;
    get.refused(405, "method_not_allowed");
}

#[tokio::test]
async fn nothing_of_a_sign_in_is_stored() {
    let scene = Scene::new().await;
    let begun = scene.begin().await;
    let body = scene.bring(&begun);
    let signed = scene.finish(&body).await;
    let secret = signed.data(201)["token"].as_str().unwrap();
    let dump = scene.app.dump().await;
    let told = ["code", "state", "flow"].map(|name| body[name].as_str().unwrap());
    for one in [secret, "an-access-token"].iter().chain(&told) {
        assert!(!dump.contains(one));
    }
}
