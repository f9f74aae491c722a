//! What a refusal gives away: nothing but that there was one. And where a key counts: in its header.

use chrono::TimeDelta;
use domain::event::{Event, KeyCreated, KeyRevoked, RevocationReason};
use domain::scope::Scopes;
use domain::time::Timestamp;
use http::Method;

use crate::support::{Org, PATIENCE, Reply, World, bearer};

const REFUSED: &[u8] =
    br#"{"data":null,"error":"Invalid or missing API key","meta":{"code":"invalid_api_key"}}"#;
/// Every header of a refusal; the request's id is the caller's own.
const HEADERS: &str = "cache-control: private, no-store
content-length: 84
content-type: application/json
www-authenticate: Bearer realm=\"trackagoat\", error=\"invalid_token\"
x-request-id: one";
/// So many of each kind of key that ended.
const EACH: usize = 2;
const SOON: TimeDelta = TimeDelta::milliseconds(200);

/// A key of the org that ends by itself in a moment.
async fn expiring(world: &World, org: &Org) -> String {
    let (_, key, event) = world.new_key(Scopes::DEFAULT, 100);
    let Event::KeyCreated(created) = event else {
        panic!("a new key is made by its event");
    };
    let end = Timestamp::from_datetime(world.clock.now() + SOON);
    let created = KeyCreated {
        expires_at: Some(end),
        ..created
    };
    world.append(org, vec![created.into()]).await;
    key
}

async fn revoked(world: &World, org: &Org) -> String {
    let (key_id, key, event) = world.new_key(Scopes::DEFAULT, 100);
    let revoked = KeyRevoked {
        key_id,
        reason: RevocationReason::Requested,
    };
    world.append(org, vec![event, revoked.into()]).await;
    key
}

/// Keys that were never any, or are none any more, each with what it is called.
async fn bad_keys(world: &World, org: &Org) -> Vec<(&'static str, String)> {
    let (_, unknown, _) = world.new_key(Scopes::DEFAULT, 100);
    let (kept, last) = unknown.split_at(unknown.len() - 1);
    let miswritten = format!("{kept}{}", if last == "0" { '1' } else { '0' });
    let mut keys = vec![
        ("malformed", "tga_nonsense".to_owned()),
        ("empty", String::new()),
        ("of another kind", unknown.replace("tga_", "tgs_")),
        ("with a wrong checksum", miswritten),
        ("unknown", unknown),
    ];
    for _ in 0..EACH {
        keys.push(("expired", expiring(world, org).await));
        keys.push(("revoked", revoked(world, org).await));
    }
    keys
}

/// The answer once the key is known to have ended, here and everywhere.
async fn refusal(world: &World, method: &Method, path: &str, key: &str) -> Reply {
    let headers = [bearer(key), ("x-request-id", "one")];
    testkit::eventually(PATIENCE, "the key is refused", async || {
        let reply = world.replica.send(method.clone(), path, &headers).await;
        (reply.status == 401).then_some(reply)
    })
    .await
}

#[tokio::test]
async fn every_bad_key_is_answered_with_the_same_bytes() {
    let world = World::start().await;
    let org = world.org().await;
    let keys = bad_keys(&world, &org).await;
    for (method, path) in [
        (Method::GET, "/projects"),
        (Method::GET, "/api-keys/self"),
        (Method::GET, "/nowhere"),
        (Method::POST, "/projects"),
    ] {
        for (kind, key) in &keys {
            // The first answer may come from the primary, the second from memory.
            for _ in 0..2 {
                let reply = refusal(&world, &method, path, key).await;
                let mut headers: Vec<_> = reply
                    .headers
                    .iter()
                    .map(|(name, value)| format!("{name}: {}", value.to_str().unwrap()))
                    .collect();
                headers.sort_unstable();
                assert_eq!(headers.join("\n"), HEADERS, "{kind}");
                assert_eq!(reply.body, REFUSED, "{kind}");
            }
        }
    }
}

#[tokio::test]
async fn a_key_counts_in_its_header_alone() {
    let world = World::start().await;
    let org = world.org().await;
    let key = org.key.as_str();
    assert_eq!(world.get(key, "/projects").await.status, 200);
    for name in ["api_key", "key", "access_token", "token", "authorization"] {
        let path = format!("/projects?{name}={key}");
        let reply = world.replica.send(Method::GET, &path, &[]).await;
        assert_eq!((reply.status.as_u16(), &reply.body[..]), (401, REFUSED));
        // Beside the header it is a parameter like any other that there is not, and is not repeated.
        let both = world.replica.get(key, &path).await;
        assert_eq!(both.code(), "invalid_query");
        assert!(!holds(&both, key));
    }
    let cookie = format!("key={key}; __Host-session={key}");
    let bearer = format!("Bearer {key}");
    for (name, value) in [
        ("cookie", cookie.as_str()),
        ("x-api-key", key),
        ("proxy-authorization", &bearer),
        ("authorization", key),
        ("authorization", &format!("Basic {key}")),
    ] {
        let reply = world
            .replica
            .send(Method::GET, "/projects", &[(name, value)])
            .await;
        assert_eq!((reply.status.as_u16(), &reply.body[..]), (401, REFUSED));
        // No credential was presented at all.
        let challenge = reply.header("www-authenticate");
        assert_eq!(challenge, "Bearer realm=\"trackagoat\"", "{name}");
    }
}

#[tokio::test]
async fn two_authorizations_are_one_too_many_even_if_both_are_good() {
    let world = World::start().await;
    let org = world.org().await;
    assert_eq!(world.get(&org.key, "/projects").await.status, 200);
    let good = bearer(&org.key);
    for other in [good, ("authorization", "Basic x"), ("authorization", "")] {
        for two in [[good, other], [other, good]] {
            let reply = world.replica.send(Method::GET, "/projects", &two).await;
            assert_eq!(
                (reply.status.as_u16(), reply.code().as_str()),
                (400, "invalid_params")
            );
            assert!(!holds(&reply, &org.key));
        }
    }
}

fn holds(reply: &Reply, text: &str) -> bool {
    let mut parts = reply.body.windows(text.len());
    parts.any(|part| part == text.as_bytes())
}
