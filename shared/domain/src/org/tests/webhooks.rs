use super::harness::{Given, key, scopes};
use crate::event::TypePattern;
use crate::event::{Event, WebhookChanged, WebhookDisabled};
use crate::ids::{WebhookId, WebhookSecretId};
use crate::limits::WEBHOOKS_PER_ORG;
use crate::org::{Caller, Command, NewWebhook, Outcome, Rejection, WebhookCommand, WebhookPatch};
use crate::plan::Plan;
use crate::scope::{Scope, Scopes};
use crate::webhook::{DisabledReason, WebhookUrl};

fn webhook(n: u8) -> WebhookId {
    WebhookId::from_uuid(uuid::Uuid::from_bytes([n; 16]))
}

fn secret(n: u8) -> WebhookSecretId {
    WebhookSecretId::from_uuid(uuid::Uuid::from_bytes([n; 16]))
}

fn url(path: &str) -> WebhookUrl {
    WebhookUrl::parse(&format!("https://hooks.example.com/{path}")).unwrap()
}

fn add(n: u8) -> Command {
    Command::Webhook(WebhookCommand::Add(NewWebhook {
        webhook_id: webhook(n),
        url: url("in"),
        description: None,
        types: vec![TypePattern::parse("key.*").unwrap()],
        secret_id: secret(n),
    }))
}

fn change(n: u8, patch: WebhookPatch) -> Command {
    let webhook_id = webhook(n);
    Command::Webhook(WebhookCommand::Change { webhook_id, patch })
}

fn enabled(is_on: bool) -> WebhookPatch {
    WebhookPatch {
        enabled: Some(is_on),
        ..WebhookPatch::default()
    }
}

fn disable(n: u8) -> Command {
    disable_at("in", n, DisabledReason::Failing)
}

fn disable_at(path: &str, n: u8, reason: DisabledReason) -> Command {
    Command::Webhook(WebhookCommand::Disable {
        webhook_id: webhook(n),
        reason,
        url: url(path),
    })
}

fn resend(n: u8) -> Command {
    Command::Webhook(WebhookCommand::Resend {
        webhook_id: webhook(n),
    })
}

fn remove(n: u8) -> Command {
    Command::Webhook(WebhookCommand::Remove {
        webhook_id: webhook(n),
    })
}

#[test]
fn only_what_changes_is_recorded() {
    let mut given = Given::org(Plan::Free);
    let made = given.when(&add(1)).unwrap();
    assert_eq!(made.outcome, Outcome::Created(webhook(1).as_uuid()));
    assert_eq!(given.then(&change(1, enabled(true))), []);
    let patch = WebhookPatch {
        url: Some(url("other")),
        types: Some(vec![TypePattern::parse("key.*").unwrap()]),
        ..enabled(true)
    };
    let expected = WebhookChanged {
        url: Some(url("other")),
        ..WebhookChanged::nothing(webhook(1))
    };
    assert_eq!(given.then(&change(1, patch)), [expected.into()]);
    assert_eq!(given.state.webhooks[&webhook(1)].url, url("other"));
}

#[test]
fn an_org_has_only_so_many_and_a_removed_one_makes_room() {
    let mut given = Given::org(Plan::Ultra);
    let most = u8::try_from(WEBHOOKS_PER_ORG).unwrap();
    for n in 1..=most {
        given.then(&add(n));
    }
    let again = given.refused(&add(1));
    assert!(matches!(again, Rejection::Duplicate { .. }), "{again:?}");
    let full = given.refused(&add(most + 1));
    assert!(matches!(full, Rejection::StateConflict(_)), "{full:?}");
    given.then(&remove(1));
    assert_eq!(given.refused(&remove(1)), Rejection::NotFound);
    assert_eq!(
        given.refused(&change(1, enabled(false))),
        Rejection::NotFound
    );
    let reloaded = given.reloaded();
    assert!(reloaded.decide(&add(most + 1)).is_ok());
}

#[test]
fn what_the_service_switched_off_somebody_switches_on() {
    let mut given = Given::org(Plan::Free);
    given.then(&add(1));
    assert_eq!(given.then(&resend(1)), []);
    let reason = DisabledReason::Failing;
    let webhook_id = webhook(1);
    let expected = WebhookDisabled { webhook_id, reason };
    assert_eq!(given.then(&disable(1)), [Event::from(expected)]);
    assert_eq!(given.then(&disable(1)), [], "it is off already");
    let disabled = given.state.webhooks[&webhook_id].disabled;
    assert_eq!(disabled.map(|(reason, _)| reason), Some(reason));
    let refused = given.refused(&resend(1));
    assert!(
        matches!(refused, Rejection::StateConflict(_)),
        "{refused:?}"
    );
    assert_eq!(given.then(&change(1, enabled(true))).len(), 1);
    assert_eq!(given.state.webhooks[&webhook_id].disabled, None);
    given.then(&remove(1));
    assert_eq!(given.then(&disable(1)), [], "it is gone");
}

#[test]
fn what_a_former_url_answered_switches_nothing_off() {
    let mut given = Given::org(Plan::Free);
    given.then(&add(1));
    let patch = WebhookPatch {
        url: Some(url("moved")),
        ..WebhookPatch::default()
    };
    given.then(&change(1, patch));
    for reason in [DisabledReason::Failing, DisabledReason::Gone] {
        assert_eq!(given.then(&disable_at("in", 1, reason)), []);
        assert!(given.decide(&disable_at("moved", 1, reason)).is_ok());
    }
    // What waits is the same wherever it is to go.
    let backlog = disable_at("in", 1, DisabledReason::Backlog);
    assert_eq!(given.then(&backlog).len(), 1);
}

#[test]
fn a_rotation_names_the_new_secret() {
    let mut given = Given::org(Plan::Free);
    given.then(&add(1));
    let rotate = Command::Webhook(WebhookCommand::Rotate {
        webhook_id: webhook(1),
        secret_id: secret(9),
    });
    let expected = WebhookChanged {
        secret_id: Some(secret(9)),
        ..WebhookChanged::nothing(webhook(1))
    };
    assert_eq!(given.then(&rotate), [expected.into()]);
    assert_eq!(given.state.webhooks[&webhook(1)].secret_id, secret(9));
}

#[test]
fn webhooks_need_the_scope_and_only_the_service_disables() {
    let given = Given::org(Plan::Free)
        .and_key(1, Scopes::DEFAULT)
        .and_key(2, scopes(&[Scope::Keys]));
    let required = Scope::Keys;
    let refused = given.by(Caller::Key(key(1)));
    let rejection = refused.refused(&add(1));
    assert!(
        matches!(rejection, Rejection::InsufficientScope { required: it, .. } if it == required)
    );
    let mut allowed = refused.by(Caller::Key(key(2)));
    allowed.then(&add(1));
    let rejection = allowed.refused(&disable(1));
    let admin = Scope::Admin;
    assert!(matches!(rejection, Rejection::InsufficientScope { required: it, .. } if it == admin));
}
