//! Who is let in, in the order of the checks (v1-contract.md 3, 4).

use domain::event::{KeyRevoked, OrgReinstated, OrgSuspended, RevocationReason};
use domain::scope::{Scope, Scopes};
use http::Method;
use read_model::ProjectionVersion;
use sqlx::{Connection, PgConnection};

use crate::support::{Reply, World, bearer};

const UNKNOWN: &str = "tga_0123456789abcdef0123456789abcdef0123456789abcdef012345671c637e5a";
const REFUSED: &[u8] =
    br#"{"data":null,"error":"Invalid or missing API key","meta":{"code":"invalid_api_key"}}"#;

#[tokio::test]
async fn a_stranger_gets_401_on_every_path_but_the_document() {
    let world = World::start().await;
    for (method, path) in [
        (Method::GET, "/projects"),
        (Method::GET, "/no/such/path"),
        (Method::GET, "/projects/nonsense?x=1"),
        (Method::GET, "/creators/1/stats"),
        (Method::POST, "/schema"),
        (Method::HEAD, "/limits"),
    ] {
        let reply = world.replica.send(method.clone(), path, &[]).await;
        assert_eq!(reply.status, 401, "{method} {path}");
        assert_eq!(
            reply.header("www-authenticate"),
            "Bearer realm=\"trackagoat\""
        );
        assert_eq!(reply.header("ratelimit"), "");
        if method != Method::HEAD {
            assert_eq!(reply.body, REFUSED);
        }
    }
    let presented = world.replica.get(UNKNOWN, "/projects").await;
    assert_eq!(
        (presented.status.as_u16(), &presented.body[..]),
        (401, REFUSED)
    );
    let challenge = presented.header("www-authenticate");
    assert_eq!(
        challenge,
        "Bearer realm=\"trackagoat\", error=\"invalid_token\""
    );

    let document = world.replica.send(Method::GET, "/openapi.json", &[]).await;
    assert_eq!(document.status, 200);
    assert_eq!(document.header("cache-control"), "private, no-store");
    let tag = document.header("etag").to_owned();
    let again = [("if-none-match", tag.as_str())];
    let again = world
        .replica
        .send(Method::GET, "/openapi.json", &again)
        .await;
    assert_eq!((again.status.as_u16(), again.body.len()), (304, 0));
    let posted = world.replica.send(Method::POST, "/openapi.json", &[]).await;
    assert_eq!(
        (posted.code().as_str(), posted.header("allow")),
        ("method_not_allowed", "GET, HEAD")
    );
}

#[tokio::test]
async fn the_first_failure_answers() {
    let world = World::start().await;
    let org = world.org().await;
    let writer = world.key(&org, Scopes::NONE.with(Scope::Write)).await;

    let unknown = world.get(&writer, "/nothing").await;
    assert_eq!(
        unknown.body,
        br#"{"data":null,"error":"Not found","meta":{"code":"not_found"}}"#[..]
    );
    let bearer = bearer(&writer);
    for (method, path, code, allow) in [
        (
            Method::PUT,
            "/projects",
            "method_not_allowed",
            "GET, HEAD, POST",
        ),
        (
            Method::GET,
            "/videos/1/review",
            "method_not_allowed",
            "POST",
        ),
        (Method::GET, "/projects?limit=x", "insufficient_scope", ""),
        (Method::GET, "/projects/nonsense", "insufficient_scope", ""),
        (Method::GET, "/admin/orgs", "insufficient_scope", ""),
    ] {
        let reply = world.replica.send(method, path, &[bearer]).await;
        assert_eq!(
            (reply.code().as_str(), reply.header("allow")),
            (code, allow),
            "{path}"
        );
        assert_ne!(reply.header("ratelimit"), "");
    }
    let lacking = world.get(&writer, "/projects").await.json();
    assert_eq!(
        lacking["error"],
        "This action requires the 'read' scope. Granted: [write]"
    );
    assert_eq!(lacking["meta"]["required"], "read");
    assert_eq!(lacking["meta"]["granted"], serde_json::json!(["write"]));

    let reader = world.key(&org, Scopes::NONE.with(Scope::Read)).await;
    assert_eq!(
        world.get(&reader, "/api-keys").await.code(),
        "insufficient_scope"
    );
    assert_eq!(world.get(&reader, "/api-keys/self").await.status, 200);
    assert_eq!(
        world.get(&reader, "/projects/nonsense").await.code(),
        "invalid_params"
    );
    assert_eq!(
        world.get(&reader, "/projects?limit=0").await.code(),
        "invalid_query"
    );
}

#[tokio::test]
async fn a_revoked_key_is_refused_on_the_next_request_and_a_suspended_org_too() {
    let world = World::start().await;
    let org = world.org().await;
    let (key_id, key, event) = world.new_key(Scopes::DEFAULT, 100);
    world.append(&org, vec![event]).await;
    assert_eq!(world.replica.get(&key, "/projects").await.status, 200);
    assert_eq!(
        world.replica.get(&key, "/projects").await.status,
        200,
        "from the cache"
    );
    let revoked = KeyRevoked {
        key_id,
        reason: RevocationReason::Requested,
    };
    let revoked = world.append(&org, vec![revoked.into()]).await.to_string();
    // Refused at once, but told only once it holds everywhere.
    let headers = [bearer(&key), ("tga-min-position", &revoked)];
    let early = world
        .replica
        .send_once(Method::GET, "/projects", &headers)
        .await;
    assert_eq!(early.status, 503);
    let reply = world.get(&key, "/projects").await;
    assert_eq!((reply.status.as_u16(), &reply.body[..]), (401, REFUSED));

    world
        .append(&org, vec![OrgSuspended { reason: None }.into()])
        .await;
    assert_eq!(
        world.get(&org.key, "/projects").await.code(),
        "org_suspended"
    );
    world.append(&org, vec![OrgReinstated {}.into()]).await;
    assert_eq!(world.get(&org.key, "/projects").await.status, 200);
}

#[tokio::test]
async fn malformed_headers_are_400_and_strict_asks_the_primary() {
    let world = World::start().await;
    let org = world.org().await;
    let bearer = bearer(&org.key);
    for header in [
        ("tga-min-position", "soon"),
        ("tga-min-position", "-1"),
        ("tga-consistency", "eventual"),
        ("authorization", "Bearer x"),
    ] {
        let reply = world
            .replica
            .send(Method::GET, "/projects", &[bearer, header])
            .await;
        assert_eq!(reply.code(), "invalid_params", "{header:?}");
    }
    let strict = [bearer, ("tga-consistency", "strict")];
    for _ in 0..2 {
        let reply = world.replica.send(Method::GET, "/projects", &strict).await;
        assert_eq!(reply.status, 200);
        // Also when the answer is kept.
        for header in [
            ("tga-min-position", "soon"),
            ("tga-consistency", "eventual"),
        ] {
            let reply = world
                .replica
                .send(Method::GET, "/projects", &[bearer, header])
                .await;
            assert_eq!(reply.code(), "invalid_params", "{header:?}");
        }
    }
}

#[tokio::test]
async fn limits_are_told_on_every_answer_and_kept() {
    let world = World::start().await;
    let org = world.org().await;
    let (_, key, event) = world.new_key(Scopes::DEFAULT, 20);
    world.append(&org, vec![event]).await;
    let first = world.replica.get(&key, "/projects").await;
    assert_eq!(
        first.header("ratelimit-policy"),
        "\"key-minute\";q=20;w=60, \"org-day\";q=1000000;w=86400"
    );
    // A request whose quota could not be asked for in time has taken its place.
    let left = remaining(&first);
    assert!((10..20).contains(&left), "{first:?}");
    let tag = [bearer(&key), ("if-none-match", first.header("etag"))];
    for (path, status, taken) in [
        ("/projects", 304, 1),
        ("/nothing", 404, 2),
        ("/limits?x=1", 400, 3),
    ] {
        let reply = world.replica.send(Method::GET, path, &tag).await;
        assert_eq!(reply.status, status);
        assert_eq!(remaining(&reply), left - taken, "{reply:?}");
    }
    for _ in 3..left {
        assert_eq!(world.replica.get(&key, "/projects").await.status, 200);
    }
    let refused = world.replica.get(&key, "/projects").await;
    assert_eq!((refused.status.as_u16(), remaining(&refused)), (429, 0));
    let meta = refused.json()["meta"].clone();
    assert_eq!(meta["policy"], "key-minute");
    assert_eq!(meta["limit"], 20);
    assert_eq!(
        refused.header("retry-after"),
        meta["retryAfter"].to_string()
    );
}

/// What is left of the window.
fn remaining(reply: &Reply) -> u32 {
    let window = reply.header("ratelimit").strip_prefix("\"key-minute\";r=");
    let left = window.and_then(|rest| rest.split(';').next());
    left.unwrap().parse().unwrap()
}

#[tokio::test]
async fn refusals_are_problems_where_that_is_asked_for() {
    let world = World::start().await;
    let org = world.org().await;
    let accept = ("accept", "application/problem+json");
    for (path, key, status) in [
        ("/projects", UNKNOWN, 401),
        ("/nothing", org.key.as_str(), 404),
        ("/projects?limit=x", &org.key, 400),
    ] {
        let reply = world
            .replica
            .send(Method::GET, path, &[bearer(key), accept])
            .await;
        assert_eq!(reply.header("content-type"), "application/problem+json");
        assert_eq!(reply.json()["status"], status);
        assert_eq!(reply.status, status);
    }
    let found = world
        .replica
        .send(Method::GET, "/projects", &[bearer(&org.key), accept])
        .await;
    assert_eq!(found.header("content-type"), "application/json");
}

/// The gate hears of a key before the projection does; whoever uses it at once waits a moment.
#[tokio::test]
async fn a_new_key_is_answered_once_the_projection_knows_it() {
    let world = World::start().await;
    let org = world.org().await;
    world.get(&org.key, "/projects").await;
    let schema = ProjectionVersion::CURRENT.in_schema(world.database.options());
    let mut projector_held = PgConnection::connect_with(&schema).await.unwrap();
    for statement in ["BEGIN", "LOCK TABLE api_keys IN EXCLUSIVE MODE"] {
        sqlx::query(statement)
            .execute(&mut projector_held)
            .await
            .unwrap();
    }
    let key = world.key(&org, Scopes::DEFAULT).await;
    assert_eq!(world.replica.get(&key, "/projects").await.status, 200);
    let began = world.clock.monotonic();
    let early = world.replica.get(&key, "/api-keys/self").await;
    assert_eq!(early.code(), "projection_unavailable");
    let waited = world.clock.monotonic().saturating_since(began);
    assert!(waited.as_millis() >= 2_000, "{waited:?}");
    projector_held.close().await.unwrap();
    let own = world.replica.get(&key, "/api-keys/self").await;
    assert_eq!(own.status, 200, "{own:?}");
}
