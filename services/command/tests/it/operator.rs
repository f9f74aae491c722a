//! What operators do, without HTTP, and what of it callers meet.

use std::time::Duration;

use command::app::{CommandContext, CommandError};
use domain::ids::{OrgId, UserId};
use domain::org::{Caller, Command, Outcome, Rejection};
use domain::plan::{LimitKey, Plan};
use domain::scope::Scopes;
use domain::text::Name;
use http::Method;
use serde_json::json;
use testkit::eventually;
use uuid::Uuid;

use crate::support::TestApp;

const SOON: Duration = Duration::from_secs(30);

#[tokio::test]
async fn an_org_is_made_once_and_only_by_the_operator() {
    let app = TestApp::new().await;
    let commander = app.service.commander();
    let id = OrgId::from_uuid(Uuid::from_u128(1));
    let create = Command::CreateOrg {
        name: Name::parse("Acme").unwrap(),
        plan: Plan::Starter,
        timezone: "UTC".to_owned(),
    };
    let operator = CommandContext::operator("cli");
    let stranger = CommandContext {
        caller: Caller::Person {
            id: UserId::from_uuid(Uuid::from_u128(2)),
            session: None,
        },
        ..operator.clone()
    };
    let refused = commander.execute(id, &create, &stranger, None).await;
    assert!(matches!(
        refused,
        Err(CommandError::Rejected(Rejection::CallerInvalid))
    ));
    let made = commander
        .execute(id, &create, &operator, None)
        .await
        .unwrap();
    assert_eq!((made.position.get(), made.state().await.events), (1, 1));
    let again = commander.execute(id, &create, &operator, None).await;
    assert!(matches!(
        again,
        Err(CommandError::Rejected(Rejection::OrgExists))
    ));
    let nobody = OrgId::from_uuid(Uuid::from_u128(3));
    let refused = commander
        .execute(nobody, &Command::Reinstate, &operator, None)
        .await;
    assert!(matches!(
        refused,
        Err(CommandError::Rejected(Rejection::NoSuchOrg))
    ));
    assert_eq!(app.head().await.get(), 1);
    let event = &app
        .service
        .log()
        .read(
            made.position.get().checked_sub(1).map_or(
                domain::ids::GlobalPosition::ZERO,
                domain::ids::GlobalPosition::new,
            ),
            1,
        )
        .await
        .unwrap()[0];
    assert_eq!(
        (event.actor.to_string(), &*event.correlation_id),
        ("system".to_owned(), "cli")
    );
}

#[tokio::test]
async fn the_same_command_again_changes_nothing_and_runs_its_barrier_again() {
    let app = TestApp::new().await;
    let [org, other] = [app.org().await, app.org().await];
    let commander = app.service.commander();
    let operator = CommandContext::operator("cli");
    for (command, denies) in [
        (
            Command::Suspend {
                reason: Some("unpaid".to_owned()),
            },
            true,
        ),
        (Command::Reinstate, false),
        (Command::SetPlan { plan: Plan::Free }, true),
        (
            Command::SetLimit {
                limit_key: LimitKey::MaxApiRequestsPerDay,
                value: Some(7),
            },
            true,
        ),
        (
            Command::SetLimit {
                limit_key: LimitKey::MaxProjectsPerOrg,
                value: Some(7),
            },
            false,
        ),
    ] {
        let first = commander
            .execute(org.id, &command, &operator, None)
            .await
            .unwrap();
        assert_eq!(first.outcome, Outcome::Changed);
        assert_eq!(first.denial.is_some(), denies, "{command:?}");
        let of_other = commander
            .execute(other.id, &command, &operator, None)
            .await
            .unwrap();
        let again = commander
            .execute(org.id, &command, &operator, None)
            .await
            .unwrap();
        assert_eq!(
            (&again.outcome, again.position),
            (&Outcome::Unchanged, of_other.position)
        );
        let of = |done: &command::app::Executed| {
            let denial = done.denial.as_ref();
            denial.map(|denial| (denial.position, denial.at, denial.event_hash))
        };
        assert_eq!(of(&again), of(&first));
        if denies {
            let settled = |done: &command::app::Executed| {
                done.denial
                    .as_ref()
                    .unwrap()
                    .settled
                    .as_ref()
                    .unwrap()
                    .effective_at
            };
            assert!(settled(&again) > settled(&first));
        }
    }
}

#[tokio::test]
async fn a_suspended_org_and_a_banned_owner_are_refused() {
    let app = TestApp::new().await;
    let org = app.org().await;
    app.operate(org.id, Command::Suspend { reason: None }).await;
    let project = json!({"name": "P"});
    let answer = app.post(&org, "/projects", project.clone()).await;
    answer.refused(403, "org_suspended");
    assert!(!answer.headers.contains_key("RateLimit"));
    app.operate(org.id, Command::Reinstate).await;
    app.post(&org, "/projects", project.clone()).await.data(201);

    let person = app.person(org.id, domain::event::Role::Admin).await;
    let (user, session) = (person.id, person.session_id);
    // A person makes a key, which is theirs.
    let minted = app.service.commander().mint();
    let command = Command::CreateKey(domain::org::NewKey {
        key_id: minted.key_id,
        name: Name::parse("Theirs").unwrap(),
        prefix: minted.secret.prefix(),
        hash: minted.secret.hash(),
        scopes: Scopes::DEFAULT,
        expires_at: None,
        ip_allowlist: None,
        rate_limit_per_minute: None,
        strict: false,
    });
    let context = CommandContext {
        caller: Caller::Session { id: session, user },
        ..CommandContext::operator("console")
    };
    let commander = app.service.commander();
    commander
        .execute(org.id, &command, &context, None)
        .await
        .unwrap();
    let theirs = crate::support::Org {
        secret: minted.secret.reveal().to_owned(),
        ..org
    };
    app.post(&theirs, "/projects", project.clone())
        .await
        .data(201);
    let ban = Command::BanMember {
        user_id: user,
        reason: None,
    };
    app.operate(theirs.id, ban).await;
    app.post(&theirs, "/projects", project.clone())
        .await
        .refused(403, "user_suspended");
    app.ask(&person, Method::POST, "/projects", Some(project))
        .await
        .refused(403, "user_suspended");
    let again = app.sign_in(&person.email).await;
    again.refused(403, "user_suspended");
}

/// A log that was restored to an earlier moment lets keys in that were revoked since.
#[tokio::test]
async fn nobody_is_let_in_while_the_ledger_knows_more_than_the_log() {
    let ledger = tempfile::tempdir().unwrap();
    let former = TestApp::with_ledger(ledger.path()).await;
    let org = former.org().await;
    let made = former
        .post(&org, "/api-keys", json!({"name": "Lost"}))
        .await;
    let path = format!("/api-keys/{}", made.data(201)["id"].as_str().unwrap());
    // Where the disk is slow, an answer is given before; the same again writes it again.
    eventually(SOON, "it is in the ledger", async || {
        let receipt = former.delete(&org, &path).await.data(200).clone();
        let is_written = receipt["ledger"] == "written";
        is_written.then_some(()).ok_or(receipt)
    })
    .await;

    let restored = TestApp::with_ledger(ledger.path()).await;
    let org = restored.org().await;
    let project = json!({"name": "Launch"});
    let answer = restored.post(&org, "/projects", project).await;
    answer.refused(503, "verification_unavailable");
}
