//! Orgs of a person, members, invitations and sessions, to who may see them.

use domain::event::{
    Event, InvitationRevoked, KeyCreated, MemberJoined, MemberRemoved, Role, SessionEndReason,
    SessionEnded,
};
use domain::scope::{Scope, Scopes};
use serde_json::{Value, json};

use crate::support::{Person, Reply, World};

fn ids(reply: &Reply, field: &str) -> Vec<String> {
    let data = reply.data();
    let items = data.as_array().unwrap().iter();
    items
        .map(|item| item[field].as_str().unwrap().to_owned())
        .collect()
}

fn texts<T: ToString>(ids: &[T]) -> Vec<String> {
    ids.iter().map(ToString::to_string).collect()
}

#[tokio::test]
async fn members_come_in_the_order_they_joined_and_addresses_are_for_admins() {
    let world = World::start().await;
    let org = world.org().await;
    let ada = world.person(&org, Role::Admin, "Ada").await;
    let grace = world.person(&org, Role::Member, "Grace").await;
    let (key_id, _, key) = world.new_key(Scopes::DEFAULT, 60);
    let Event::KeyCreated(key) = key else {
        panic!("a key")
    };
    let owned = KeyCreated {
        owner_id: Some(grace.id),
        ..key
    };
    assert_eq!(owned.key_id, key_id);
    world.append(&org, vec![owned.into()]).await;

    let listed = world.get(&ada.secret, "/members").await;
    assert_eq!(ids(&listed, "user_id"), texts(&[ada.id, grace.id]));
    let of_grace = &listed.data()[1];
    assert_eq!(of_grace["name"], "Grace");
    assert_eq!(
        (&of_grace["email"], &of_grace["active_keys"]),
        (&json!(grace.email), &json!(1))
    );
    assert_eq!(of_grace["role"], "member");
    let of_ada = &listed.data()[0];
    // Her own request was the first.
    assert!(of_ada["last_seen_at"].is_null() || of_ada["last_seen_at"].is_string());

    for secret in [
        &grace.secret,
        &world.key(&org, Scopes::NONE.with(Scope::Read)).await,
    ] {
        let listed = world.get(secret, "/members").await;
        assert_eq!(listed.data()[0]["email"], Value::Null);
        assert_eq!(listed.data()[0]["name"], "Ada");
    }
    let keys = Scopes::NONE.with(Scope::Read).with(Scope::Keys);
    let key = world.key(&org, keys).await;
    let listed = world.get(&key, "/members").await;
    assert_eq!(listed.data()[0]["email"], ada.email);
}

#[tokio::test]
async fn members_are_found_by_role_and_name_and_by_address_only_by_admins() {
    let world = World::start().await;
    let org = world.org().await;
    let ada = world.person(&org, Role::Admin, "Ada").await;
    let grace = world.person(&org, Role::Member, "Grace").await;
    let found = async |by: &Person, query: &str| {
        let listed = world.get(&by.secret, &format!("/members?{query}")).await;
        ids(&listed, "user_id")
    };
    assert_eq!(found(&grace, "role=admin").await, texts(&[ada.id]));
    assert_eq!(found(&grace, "search=GRA").await, texts(&[grace.id]));
    assert_eq!(found(&grace, "search=%25").await, Vec::<String>::new());
    let address = format!("search={}", ada.email);
    assert_eq!(found(&ada, &address).await, texts(&[ada.id]));
    assert_eq!(found(&grace, &address).await, Vec::<String>::new());
    assert_eq!(
        found(&ada, "search=ada&role=member").await,
        Vec::<String>::new()
    );
    for bad in ["role=owner", "search=", "role=", "limit=0", "cursor=x"] {
        let refused = world.get(&ada.secret, &format!("/members?{bad}")).await;
        assert_eq!(refused.code(), "invalid_query", "{bad}");
    }
    // Page by page they are the same, and none twice.
    let first = world.get(&ada.secret, "/members?limit=1").await;
    let cursor = first.json()["meta"]["nextCursor"]
        .as_str()
        .unwrap()
        .to_owned();
    let path = format!("/members?limit=1&cursor={cursor}");
    let second = world.get(&ada.secret, &path).await;
    assert_eq!(ids(&first, "user_id"), texts(&[ada.id]));
    assert_eq!(ids(&second, "user_id"), texts(&[grace.id]));
    let other = world
        .get(&ada.secret, &format!("/members?role=admin&cursor={cursor}"))
        .await;
    assert_eq!(other.code(), "invalid_query");
}

#[tokio::test]
async fn nobody_sees_anybody_of_another_org() {
    let world = World::start().await;
    let (org, other) = (world.org().await, world.org().await);
    let ada = world.person(&org, Role::Admin, "Ada").await;
    let eve = world.person(&other, Role::Admin, "Eve").await;
    world.invite(&other, "secret.guest@example.com").await;
    let own = world.invite(&org, "guest@example.com").await;
    for path in [
        "/members",
        "/members?search=eve",
        "/invitations",
        "/invitations/received",
        "/sessions",
        "/sessions/self",
        "/orgs",
    ] {
        let reply = world.get(&ada.secret, path).await;
        assert_eq!(reply.status, 200, "{path}");
        let text = String::from_utf8_lossy(&reply.body).into_owned();
        for foreign in [
            eve.email.as_str(),
            "Eve",
            "secret.guest",
            &eve.id.to_string(),
            &other.id.to_string(),
        ] {
            assert!(!text.contains(foreign), "{path} shows {foreign}");
        }
    }
    let invited = world.get(&ada.secret, "/invitations").await;
    assert_eq!(ids(&invited, "id"), texts(&[own]));
    let sessions = world
        .get(&ada.secret, &format!("/sessions?user_id={}", eve.id))
        .await;
    assert_eq!(sessions.data(), json!([]));
}

#[tokio::test]
async fn invitations_are_listed_by_status_with_their_addresses() {
    let world = World::start().await;
    let org = world.org().await;
    let ada = world.person(&org, Role::Admin, "Ada").await;
    let first = world.invite(&org, "first@example.com").await;
    let second = world.invite(&org, "second@example.com").await;
    let revoked = InvitationRevoked {
        invitation_id: first,
    };
    world.append(&org, vec![revoked.into()]).await;
    let open = world.get(&ada.secret, "/invitations").await;
    let expected = &open.data()[0];
    assert_eq!(ids(&open, "id"), texts(&[second]));
    assert_eq!(expected["email"], "second@example.com");
    assert_eq!(
        (&expected["status"], &expected["role"]),
        (&json!("pending"), &json!("member"))
    );
    assert_eq!(
        expected["invited_by"],
        json!({"type": "system", "id": null})
    );
    assert_eq!(open.json()["meta"]["validUntil"], expected["expires_at"]);
    let closed = world.get(&ada.secret, "/invitations?status=revoked").await;
    assert_eq!(ids(&closed, "id"), texts(&[first]));
    let none = world.get(&ada.secret, "/invitations?status=expired").await;
    assert_eq!(none.data(), json!([]));
    assert_eq!(
        none.json()["meta"]["validUntil"],
        expected["expires_at"],
        "then the open one is in this list"
    );
    assert_eq!(closed.json()["meta"]["validUntil"], Value::Null);
    let bad = world.get(&ada.secret, "/invitations?status=open").await;
    assert_eq!(bad.code(), "invalid_query");
}

#[tokio::test]
async fn a_person_sees_invitations_and_orgs_wherever_they_are_signed_in() {
    let world = World::start().await;
    let (home, host, other) = (world.org().await, world.org().await, world.org().await);
    let ada = world.person(&home, Role::Admin, "Ada").await;
    let open = world.invite(&host, &ada.email).await;
    let closed = world.invite(&other, &ada.email).await;
    let revoked = InvitationRevoked {
        invitation_id: closed,
    };
    world.append(&other, vec![revoked.into()]).await;
    let received = world.get(&ada.secret, "/invitations/received").await;
    assert_eq!(ids(&received, "id"), texts(&[open]));
    let org = &received.data()[0]["org"];
    assert_eq!(org["id"], host.id.to_string());
    assert!(!org["name"].as_str().unwrap().is_empty());

    let joined = MemberJoined {
        user_id: ada.id,
        role: Role::Member,
    };
    world.append(&host, vec![joined.into()]).await;
    let orgs = world.get(&ada.secret, "/orgs").await;
    assert_eq!(ids(&orgs, "id"), texts(&[host.id, home.id]), "newest first");
    assert_eq!(orgs.data()[0]["role"], "member");
    assert_eq!(orgs.data()[1]["role"], "admin");
    let first = world.get(&ada.secret, "/orgs?limit=1").await;
    let cursor = first.json()["meta"]["nextCursor"]
        .as_str()
        .unwrap()
        .to_owned();
    let second = world
        .get(&ada.secret, &format!("/orgs?limit=1&cursor={cursor}"))
        .await;
    assert_eq!(ids(&second, "id"), texts(&[home.id]));
    let of_key = world.get(&home.key, "/orgs").await;
    assert_eq!(ids(&of_key, "id"), texts(&[home.id]));
    assert_eq!(of_key.data()[0]["role"], Value::Null);

    world
        .append(&host, vec![MemberRemoved { user_id: ada.id }.into()])
        .await;
    let orgs = world.get(&ada.secret, "/orgs").await;
    assert_eq!(ids(&orgs, "id"), texts(&[home.id]));
}

#[tokio::test]
async fn a_person_sees_their_sessions_and_an_admin_everybodys() {
    let world = World::start().await;
    let org = world.org().await;
    let ada = world.person(&org, Role::Admin, "Ada").await;
    let grace = world.person(&org, Role::Member, "Grace").await;
    let (second, _) = world.session(&org, grace.id, Role::Member).await;
    let own = world.get(&grace.secret, "/sessions").await;
    assert_eq!(ids(&own, "id"), texts(&[second, grace.session_id]));
    let (newest, oldest) = (&own.data()[0], &own.data()[1]);
    assert_eq!(
        (&newest["current"], &oldest["current"]),
        (&json!(false), &json!(true))
    );
    assert_eq!(
        (&newest["ip"], &newest["user_agent"]),
        (&json!("203.0.113.7"), &json!("test"))
    );
    assert_eq!(newest["role"], "member");
    let path = format!("/sessions?user_id={}", grace.id);
    let by_admin = world.get(&ada.secret, &path).await;
    assert_eq!(ids(&by_admin, "id"), texts(&[second, grace.session_id]));
    let path = format!("/sessions?user_id={}", ada.id);
    let refused = world.get(&grace.secret, &path).await;
    assert_eq!(
        refused.json()["meta"],
        json!({"code": "forbidden", "required": "org_admin"})
    );
    let ended = SessionEnded {
        session_id: second,
        user_id: grace.id,
        reason: SessionEndReason::Requested,
    };
    world.append(&org, vec![ended.into()]).await;
    let left = world.get(&grace.secret, "/sessions").await;
    assert_eq!(ids(&left, "id"), texts(&[grace.session_id]));
    assert_eq!(
        world.get(&ada.secret, "/sessions?user_id=me").await.code(),
        "invalid_query"
    );
}

#[tokio::test]
async fn the_calling_session_says_who_calls_and_a_key_is_no_session() {
    let world = World::start().await;
    let org = world.org().await;
    let grace = world.person(&org, Role::Member, "Grace").await;
    let own = world.get(&grace.secret, "/sessions/self").await;
    let data = own.data();
    let user = json!({"id": grace.id.to_string(), "name": "Grace", "email": grace.email});
    assert_eq!(data["user"], user);
    assert_eq!(
        (&data["scopes"], &data["current"]),
        (&json!(["read", "write"]), &json!(true))
    );
    assert!(own.header("ratelimit-policy").contains("session-minute"));
    for path in ["/sessions", "/sessions/self", "/invitations/received"] {
        let refused = world.get(&org.key, path).await;
        assert_eq!(refused.json()["meta"]["required"], "session", "{path}");
    }
    let refused = world.get(&grace.secret, "/api-keys/self").await;
    assert_eq!(refused.json()["meta"]["required"], "key");
    let refused = world.get(&grace.secret, "/invitations").await;
    assert_eq!(refused.json()["meta"]["required"], "keys");
}

/// Who was erased is still a member, of whom nothing is known.
#[tokio::test]
async fn of_an_erased_person_an_id_is_left() {
    let world = World::start().await;
    let org = world.org().await;
    let ada = world.person(&org, Role::Admin, "Ada").await;
    let grace = world.person(&org, Role::Member, "Grace").await;
    sqlx::query("delete from auth.users where id = $1")
        .bind(grace.id.as_uuid())
        .execute(&world.database.pool_as("tga_command"))
        .await
        .unwrap();
    let listed = world.get(&ada.secret, "/members").await;
    let of_grace = &listed.data()[1];
    assert_eq!(of_grace["user_id"], grace.id.to_string());
    assert_eq!(
        (&of_grace["name"], &of_grace["email"]),
        (&Value::Null, &Value::Null)
    );
    let own = world.get(&grace.secret, "/sessions/self").await;
    assert_eq!(
        (&own.data()["user"]["email"], &own.data()["ip"]),
        (&Value::Null, &Value::Null)
    );
}

/// A query service learns of people through functions alone.
#[tokio::test]
async fn a_query_service_reads_no_table_about_people() {
    let world = World::start().await;
    let pool = world.database.pool_as("tga_query");
    for statement in [
        "select * from auth.users",
        "select password_hash from auth.users",
        "select * from auth.invitees",
        "select * from auth.invitations",
        "select * from auth.sessions",
        "select * from auth.setup_tokens",
        "select * from gate.members",
        "update auth.users set name = ''",
        "delete from auth.sessions",
    ] {
        let refused = sqlx::query(statement).execute(&pool).await.unwrap_err();
        let code = refused
            .as_database_error()
            .and_then(sqlx::error::DatabaseError::code);
        assert_eq!(code.as_deref(), Some("42501"), "{statement}");
    }
}
