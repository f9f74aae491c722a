//! People on a running system, from the first to the last: two query replicas, real servers.
#![expect(clippy::unwrap_used, reason = "tests")]

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use testkit::eventually;

use crate::dev::{Answer, Dev, answer, client, run};

const SOON: std::time::Duration = std::time::Duration::from_secs(20);

/// What every replica says to a credential.
struct Everywhere<'a> {
    dev: &'a Dev,
}

impl Everywhere<'_> {
    async fn ask(&self, path: &str, token: &str) -> Vec<Answer> {
        let mut answers = Vec::new();
        for replica in self.replicas() {
            let url = format!("{replica}/api/v1{path}");
            answers.push(answer(client().get(url).bearer_auth(token)).await);
        }
        answers
    }

    fn replicas(&self) -> impl Iterator<Item = &str> {
        let replicas = self.dev.ready["query_replicas"].as_array().unwrap();
        assert_eq!(replicas.len(), 2);
        replicas
            .iter()
            .map(|replica| replica["url"].as_str().unwrap())
    }

    /// What is given reaches replicas soon.
    async fn lets_in(&self, token: &str) {
        eventually(SOON, "every replica lets it in", async || {
            let answers = self.ask("/members", token).await;
            let refused = answers
                .into_iter()
                .find(|answer| answer.status != StatusCode::OK);
            refused.map_or(Ok(()), |answer| Err(answer.body))
        })
        .await;
    }

    /// What all processes wrote, once each replica has told there of a request that no other had.
    async fn written(&self, token: &str) -> String {
        for (n, replica) in self.replicas().enumerate() {
            let id = format!("asked-of-replica-{n}");
            let request = client().get(format!("{replica}/api/v1/members"));
            answer(request.bearer_auth(token).header("x-request-id", &id)).await;
            eventually(SOON, "the replica's log tells of it", async || {
                let tells = |line: &str| line.contains(&id) && line.contains("/api/v1/members");
                self.dev.written().lines().any(tells)
            })
            .await;
        }
        self.dev.written()
    }

    /// What was taken away is refused by every replica, on the very next request.
    async fn refuses(&self, token: &str) {
        for path in ["/members", "/projects", "/sessions/self"] {
            for answer in self.ask(path, token).await {
                assert_eq!(answer.status, StatusCode::UNAUTHORIZED, "{}", answer.body);
                assert_eq!(answer.body["meta"]["code"], "invalid_api_key");
            }
        }
    }
}

/// Asks something of `/auth`.
async fn auth(dev: &Dev, path: &str, body: Value) -> Answer {
    let origin = dev.api().strip_suffix("/api/v1").unwrap();
    answer(client().post(format!("{origin}/auth{path}")).json(&body)).await
}

#[track_caller]
fn data(answer: &Answer, status: StatusCode) -> Value {
    assert_eq!(answer.status, status, "{}", answer.body);
    answer.body["data"].clone()
}

fn text(value: &Value) -> String {
    value.as_str().unwrap().to_owned()
}

/// A query after everything that was decided.
async fn read(dev: &Dev, token: &str, path: &str, after: &Answer) -> Value {
    let position = after.headers["tga-position"].to_str().unwrap();
    let url = format!("{}{path}", dev.api());
    let request = client().get(url).bearer_auth(token);
    let answered = answer(request.header("tga-min-position", position)).await;
    data(&answered, StatusCode::OK)
}

async fn sign_in(dev: &Dev, email: &str, password: &str) -> String {
    let body = json!({"email": email, "password": password});
    text(&data(&auth(dev, "/sessions", body).await, StatusCode::CREATED)["token"])
}

const PASSWORD: &str = "correct horse battery";

#[tokio::test]
async fn from_the_first_admin_to_a_member_who_leaves_and_is_dead_everywhere() {
    let dev = Dev::start_bare(&["--query-replicas", "2"]).await;
    assert_eq!(dev.ready["demo"], Value::Null);
    let everywhere = Everywhere { dev: &dev };
    let setup = json!({"setup_token": dev.ready["setup_token"], "email": "ada@example.com",
        "password": PASSWORD, "name": "Ada", "org_name": "Goats", "timezone": "Europe/Berlin"});
    let first = data(
        &auth(&dev, "/setup", setup.clone()).await,
        StatusCode::CREATED,
    );
    let again = auth(&dev, "/setup", setup).await;
    assert_eq!(
        (again.status, &again.body["meta"]["code"]),
        (StatusCode::GONE, &json!("gone"))
    );
    let admin = text(&first["token"]);
    everywhere.lets_in(&admin).await;
    // A person is no key: on plan free a key may call for nothing.
    let other = sign_in(&dev, "ada@example.com", PASSWORD).await;
    everywhere.lets_in(&other).await;
    let out = dev
        .call(Method::DELETE, "/sessions/self", &other, None)
        .await;
    let receipt = data(&out, StatusCode::OK);
    assert_eq!(
        receipt["barrier"]["acked"].as_u64().unwrap()
            + receipt["barrier"]["lease_expired"].as_u64().unwrap(),
        2
    );
    everywhere.refuses(&other).await;
    everywhere.lets_in(&admin).await;

    let body = json!({"email": "grace@example.com", "role": "admin"});
    let invited = dev
        .call(Method::POST, "/invitations", &admin, Some(body))
        .await;
    let url = text(&invited.body["data"]["accept_url"]);
    let origin = dev.api().strip_suffix("/api/v1").unwrap();
    let token = url
        .strip_prefix(&format!("{origin}/invitations/accept?token="))
        .unwrap();
    let listed = read(&dev, &admin, "/invitations", &invited).await;
    assert_eq!(listed[0]["email"], "grace@example.com");
    let accept = json!({"token": token, "name": "Grace", "password": PASSWORD});
    let joined = auth(&dev, "/invitations/accept", accept).await;
    let grace = data(&joined, StatusCode::CREATED);
    let (grace_id, of_grace) = (text(&grace["user_id"]), text(&grace["token"]));
    everywhere.lets_in(&of_grace).await;
    let project = json!({"name": "Hers"});
    let made = dev
        .call(Method::POST, "/projects", &of_grace, Some(project))
        .await;
    let projects = read(&dev, &of_grace, "/projects", &made).await;
    assert_eq!(projects[0]["name"], "Hers");
    let members = read(&dev, &of_grace, "/members", &made).await;
    let names: Vec<_> = members
        .as_array()
        .unwrap()
        .iter()
        .map(|it| text(&it["name"]))
        .collect();
    assert_eq!(names, ["Ada", "Grace"]);

    let path = format!("/members/{grace_id}");
    let demote = Some(json!({"role": "member"}));
    let demoted = data(
        &dev.call(Method::PATCH, &path, &admin, demote).await,
        StatusCode::OK,
    );
    assert!(demoted["receipt"]["effective_at"].is_string());
    everywhere.refuses(&of_grace).await;
    let as_member = sign_in(&dev, "grace@example.com", PASSWORD).await;
    everywhere.lets_in(&as_member).await;
    let lacking = dev.get_as("/api-keys", &as_member).await;
    assert_eq!(lacking.body["meta"]["code"], "insufficient_scope");

    let removed = data(
        &dev.call(Method::DELETE, &path, &admin, None).await,
        StatusCode::OK,
    );
    assert!(removed["effective_at"].is_string());
    everywhere.refuses(&as_member).await;
    let gone = auth(
        &dev,
        "/sessions",
        json!({"email": "grace@example.com", "password": PASSWORD}),
    )
    .await;
    assert_eq!(gone.body["meta"]["code"], "no_membership");
    // Of what was secret nothing stands in what the services wrote.
    let written = everywhere.written(&admin).await;
    for secret in [PASSWORD, &admin, &other, &of_grace, &as_member, token] {
        assert!(!written.contains(secret));
    }
    for personal in ["grace@example.com", "ada@example.com"] {
        assert!(!written.contains(personal), "{personal}");
    }
}

#[tokio::test]
async fn the_demo_has_an_admin_whose_sessions_end_with_each_start() {
    let mut dev = Dev::start(&[]).await;
    assert_eq!(dev.ready["setup_token"], Value::Null);
    let credentials = |dev: &Dev| {
        let demo = &dev.ready["demo"];
        (text(&demo["admin_email"]), text(&demo["admin_password"]))
    };
    let (email, former) = credentials(&dev);
    let token = sign_in(&dev, &email, &former).await;
    let own = dev.get_as("/sessions/self", &token).await;
    let own = data(&own, StatusCode::OK);
    assert_eq!(
        (&own["role"], &own["user"]["email"]),
        (&json!("admin"), &json!(email))
    );
    assert_eq!(own["org_id"], dev.ready["demo"]["org_id"]);
    dev.interrupt().await;
    dev.restart(&[]).await;
    let (email, password) = credentials(&dev);
    assert_ne!(password, former);
    let dead = dev.get_as("/sessions/self", &token).await;
    assert_eq!(dead.status, StatusCode::UNAUTHORIZED);
    let refused = auth(
        &dev,
        "/sessions",
        json!({"email": email, "password": former}),
    )
    .await;
    assert_eq!(refused.body["meta"]["code"], "invalid_credentials");
    sign_in(&dev, &email, &password).await;
}

#[tokio::test]
async fn an_operator_invites_lists_and_resets_by_the_command_line() {
    let dev = Dev::start(&[]).await;
    let told = async |arguments: &[&str]| {
        let output = run(dev.operate(arguments)).await;
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{arguments:?}: {errors}");
        String::from_utf8_lossy(&output.stdout).trim().to_owned()
    };
    let org = text(&dev.ready["demo"]["org_id"]);
    let told_where = ["--public-url", "https://goats.example"];
    let told_where = [
        &["members", "invite", &org, "ada@example.com"],
        &told_where[..],
    ]
    .concat();
    let link = told(&told_where).await;
    let elsewhere = "https://goats.example/invitations/accept?token=";
    assert!(link.starts_with(elsewhere), "{link}");
    let grace = ["members", "invite", &org, "grace@example.com"];
    let link = told(&[&grace[..], &["--role", "admin"]].concat()).await;
    // Where this system listens, which nobody told.
    let origin = dev.api().strip_suffix("/api/v1").unwrap();
    let token = link
        .strip_prefix(&format!("{origin}/invitations/accept?token="))
        .unwrap();
    let accept = json!({"token": token, "name": "Grace", "password": PASSWORD});
    let session = data(
        &auth(&dev, "/invitations/accept", accept).await,
        StatusCode::CREATED,
    );
    let invite = ["members", "invite", &org, "linus@example.com"];
    told(&invite).await;
    let pending = run(dev.operate(&invite)).await;
    let errors = String::from_utf8_lossy(&pending.stderr).into_owned();
    assert!(!pending.status.success());
    let withdraw = format!("`trackagoat members withdraw {org} ");
    let (_, id) = errors.split_once(&withdraw).expect(&errors);
    let (id, _) = id.split_once('`').unwrap();
    told(&["members", "withdraw", &org, id]).await;
    told(&invite).await;
    let listed = told(&["members", "list", &org]).await;
    assert!(
        listed.contains("grace@example.com") && listed.contains("Demo admin"),
        "{listed}"
    );
    let password = told(&["members", "reset-password", "grace@example.com"]).await;
    let dead = dev
        .get_as("/sessions/self", session["token"].as_str().unwrap())
        .await;
    assert_eq!(dead.status, StatusCode::UNAUTHORIZED);
    sign_in(&dev, "grace@example.com", &password).await;
    for wrong in [
        &["setup-token"][..],
        &["members", "reset-password", "nobody@example.com"],
        &["members", "invite", &org, "grace@example.com"],
        &["members", "invite", &org, "nobody"],
    ] {
        let output = run(dev.operate(wrong)).await;
        assert!(!output.status.success(), "{wrong:?}");
    }
}
