//! Providers that say what is not to be believed, or nothing.

use std::time::Duration;

use command::oidc::{CallError, OidcError};
use futures_util::future::join;
use runtime::clock::Clock;
use serde_json::json;

use crate::oidc::Scene;
use crate::support::{Fault, Signed, TestApp};

/// Longer than any call may take.
const TOO_LONG: Duration = Duration::from_secs(11);

#[tokio::test]
async fn an_id_token_with_a_wrong_claim_signs_nobody_in() {
    let scene = Scene::new().await;
    let now = scene.app.now().timestamp();
    for (name, value) in [
        ("nonce", json!("another")),
        ("nonce", json!(null)),
        ("aud", json!("another")),
        ("aud", json!(["trackagoat", "another"])),
        ("iss", json!("http://127.0.0.1:1")),
        ("iss", json!(format!("{}/", scene.provider.issuer()))),
        ("exp", json!(now)),
        ("exp", json!(now - 1)),
    ] {
        scene.provider.claims(move |claims| {
            if value.is_null() {
                claims.as_object_mut().unwrap().remove(name);
            } else {
                claims[name] = value.clone();
            }
        });
        let answer = scene.sign_in().await;
        answer.refused(401, "invalid_credentials");
    }
    scene.provider.claims(|_| ());
    scene.sign_in().await.data(201);
}

#[tokio::test]
async fn an_id_token_that_the_provider_did_not_sign_signs_nobody_in() {
    let scene = Scene::new().await;
    for signed in [Signed::Not, Signed::Forged, Signed::Secret] {
        scene.provider.sign(signed);
        let answer = scene.sign_in().await;
        answer.refused(401, "invalid_credentials");
    }
}

#[tokio::test]
async fn a_new_key_of_the_provider_is_seen_at_once() {
    let scene = Scene::new().await;
    scene.sign_in().await.data(201);
    scene.sign_in().await.data(201);
    assert_eq!(scene.provider.asked("/keys"), 1, "kept for a while");
    scene.provider.change_key();
    scene.sign_in().await.data(201);
    assert_eq!(scene.provider.asked("/keys"), 2);
    scene.hand.advance(Duration::from_mins(10));
    scene.sign_in().await.data(201);
    assert_eq!(scene.provider.asked("/keys"), 3);
}

#[tokio::test]
async fn a_provider_that_knows_secrets_in_bodies_alone_gets_it_there() {
    let scene = Scene::new().await;
    scene.provider.document(|document| {
        document["token_endpoint_auth_methods_supported"] = json!(["client_secret_post"]);
    });
    scene.sign_in().await.data(201);
}

/// Nobody is let in, nobody waits for long, and once it is well again everybody is.
#[tokio::test]
async fn a_provider_that_does_not_answer_as_it_should_is_503() {
    let scene = Scene::new().await;
    let inside = format!("{}/inside", scene.provider.issuer());
    let faults = [
        Fault::Redirect(inside),
        Fault::Endless,
        Fault::Garbage,
        Fault::Status(500),
        Fault::Status(404),
    ];
    for path in ["/.well-known/openid-configuration", "/keys"] {
        for fault in &faults {
            scene.provider.fail(path, fault.clone());
            let start = scene.app.auth("/oidc/start", &json!({})).await;
            start.refused(503, "verification_unavailable");
            let error = scene.oidc().begin().await.err().unwrap();
            let is_told = match fault {
                Fault::Redirect(_) => matches!(error, OidcError::Call(CallError::Redirect)),
                Fault::Endless => matches!(error, OidcError::Call(CallError::TooLong)),
                _ => matches!(error, OidcError::Provider(_)),
            };
            assert!(is_told, "{fault:?}: {error:?}");
        }
        scene.provider.fail(path, None);
    }
    for fault in faults {
        let body = scene.bring(&scene.begin().await);
        scene.provider.fail("/token", fault.clone());
        let answer = scene.finish(&body).await;
        answer.refused(503, "verification_unavailable");
        scene.provider.fail("/token", None);
        // Nothing came of it, so the same code is good as long as the provider says so.
        scene.finish(&body).await.data(201);
    }
    assert_eq!(scene.provider.asked("/inside"), 0, "nothing is followed");
}

#[tokio::test]
async fn a_slow_provider_is_not_waited_for() {
    let scene = Scene::new().await;
    let body = scene.bring(&scene.begin().await);
    scene.provider.fail("/token", Fault::Hang);
    let asked = async {
        testkit::eventually(
            Duration::from_mins(1),
            "the code is asked for",
            async || (scene.provider.asked("/token") > 0).then_some(()),
        )
        .await;
        scene.hand.advance(TOO_LONG);
    };
    let (answer, ()) = join(scene.finish(&body), asked).await;
    answer.refused(503, "verification_unavailable");
}

#[tokio::test]
async fn a_provider_that_is_not_there_is_503() {
    let (clock, _) = Clock::manual(Clock::system().now());
    // The port of discarded text: nobody listens there.
    let app = TestApp::with_provider(clock, "http://127.0.0.1:9").await;
    let start = app.auth("/oidc/start", &json!({})).await;
    start.refused(503, "verification_unavailable");
}

/// What it says of itself is followed only where the operator lets it.
#[tokio::test]
async fn a_provider_leads_nowhere_inside() {
    let scene = Scene::new().await;
    for (name, address) in [
        ("jwks_uri", "http://169.254.169.254/latest/meta-data/"),
        ("jwks_uri", "http://10.0.0.1/keys"),
        ("jwks_uri", "https://localhost/keys"),
        ("jwks_uri", "https://93.184.216.34:8443/keys"),
        ("jwks_uri", "http://0x7f000001/keys"),
        ("issuer", "http://127.0.0.1:1"),
        ("authorization_endpoint", "ftp://127.0.0.1/authorize"),
    ] {
        scene
            .provider
            .document(move |document| document[name] = json!(address));
        let start = scene.app.auth("/oidc/start", &json!({})).await;
        start.refused(503, "verification_unavailable");
        let error = scene.oidc().begin().await.err().unwrap();
        let is_told = match name {
            "jwks_uri" if address.contains("0x") => {
                matches!(error, OidcError::Call(CallError::Form(_)))
            }
            "jwks_uri" => matches!(error, OidcError::Call(CallError::NotAllowed(_))),
            _ => matches!(error, OidcError::Provider(_)),
        };
        assert!(is_told, "{address}: {error:?}");
    }
    let inside = "http://169.254.169.254/token";
    scene
        .provider
        .document(move |document| document["token_endpoint"] = json!(inside));
    scene
        .sign_in()
        .await
        .refused(503, "verification_unavailable");
}
