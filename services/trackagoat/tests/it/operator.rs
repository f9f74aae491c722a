//! What an operator does to a running system, by the command line alone.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::time::Duration;

use reqwest::{Method, StatusCode};
use serde_json::json;
use testkit::eventually;

use crate::dev::{Dev, client, run};

const SOON: Duration = Duration::from_secs(20);

/// What a command printed, which must have succeeded with nothing to remark.
async fn told(dev: &Dev, arguments: &[&str]) -> String {
    let output = run(dev.operate(arguments)).await;
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success() && errors.is_empty(),
        "{arguments:?}: {errors}"
    );
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

/// What a command that must fail complained of.
async fn refused(dev: &Dev, arguments: &[&str]) -> String {
    let output = run(dev.operate(arguments)).await;
    assert!(!output.status.success(), "{arguments:?}");
    String::from_utf8_lossy(&output.stderr).into_owned()
}

async fn status_of(dev: &Dev, key: &str) -> (StatusCode, String) {
    let answer = dev.call(Method::GET, "/projects", key, None).await;
    let code = answer.body["meta"]["code"].as_str().unwrap_or_default();
    (answer.status, code.to_owned())
}

/// What is granted reaches a replica soon; only what is taken away is waited for.
async fn let_in(dev: &Dev, key: &str) {
    eventually(SOON, "the key is let in", async || {
        let (status, code) = status_of(dev, key).await;
        (status == StatusCode::OK).then_some(()).ok_or(code)
    })
    .await;
}

#[tokio::test]
async fn plans_limits_and_suspensions_hold_when_the_command_returns() {
    let dev = Dev::start(&[]).await;
    let org = told(
        &dev,
        &[
            "orgs",
            "create",
            "--name",
            "Goat & Sons",
            "--plan",
            "starter",
        ],
    )
    .await;
    let org = org.as_str();
    let listed = told(&dev, &["orgs", "list"]).await;
    assert!(
        listed.contains(org) && listed.contains("Goat & Sons"),
        "{listed}"
    );
    assert!(listed.contains("starter"), "{listed}");

    let key = told(
        &dev,
        &[
            "keys",
            "create",
            org,
            "--name",
            "Script",
            "--scopes",
            "read,write",
        ],
    )
    .await;
    let_in(&dev, &key).await;
    told(&dev, &["orgs", "set-plan", org, "free"]).await;
    let (status, code) = status_of(&dev, &key).await;
    assert_eq!(
        (status, code.as_str()),
        (StatusCode::TOO_MANY_REQUESTS, "rate_limit_exceeded")
    );
    let useless = run(dev.operate(&["keys", "create", org, "--name", "Early"])).await;
    let warned = String::from_utf8_lossy(&useless.stderr);
    assert!(
        warned.contains(&format!("trackagoat orgs set-plan {org} starter")),
        "{warned}"
    );
    assert_eq!(String::from_utf8_lossy(&useless.stdout).lines().count(), 1);
    told(&dev, &["orgs", "set-plan", org, "ultra"]).await;
    let_in(&dev, &key).await;

    let quick = ["keys", "create", org, "--name", "Quick"];
    let quick = [&quick[..], &["--rate-limit-per-minute", "6000"]].concat();
    let too_quick = refused(&dev, &quick).await;
    let raise = format!("orgs set-limit {org} max_requests_per_minute_per_key");
    assert!(
        too_quick.contains("is 60") && too_quick.contains(&raise),
        "{too_quick}"
    );

    for value in ["1", "plan", "1"] {
        let set = ["orgs", "set-limit", org, "max_projects_per_org", value];
        let said = told(&dev, &set).await;
        let now = said.strip_prefix("max_projects_per_org=").unwrap();
        assert_eq!(now == "1", value == "1", "{said}");
    }
    for (name, status) in [
        ("One", StatusCode::CREATED),
        ("Two", StatusCode::PAYMENT_REQUIRED),
    ] {
        let made = dev
            .call(Method::POST, "/projects", &key, Some(json!({"name": name})))
            .await;
        assert_eq!(made.status, status, "{}", made.body);
    }

    let said = told(&dev, &["orgs", "suspend", org, "--reason", "unpaid"]).await;
    assert!(said.contains("in force everywhere"), "{said}");
    assert_eq!(status_of(&dev, &key).await.1, "org_suspended");
    told(&dev, &["orgs", "reinstate", org]).await;
    let_in(&dev, &key).await;
    assert!(
        !refused(&dev, &["orgs", "set-plan", org, "gold"])
            .await
            .is_empty()
    );
}

#[tokio::test]
async fn keys_handles_and_persons_are_shut_out_by_command() {
    let dev = Dev::start(&[]).await;
    let org = dev.ready["demo"]["org_id"].as_str().unwrap().to_owned();
    let org = org.as_str();

    let key = told(&dev, &["keys", "create", org, "--name", "Short life"]).await;
    let own = dev.call(Method::GET, "/api-keys/self", &key, None).await;
    let id = own.body["data"]["id"].as_str().unwrap().to_owned();
    let listed = told(&dev, &["keys", "list", org]).await;
    assert!(listed.contains(&id) && !listed.contains(&key), "{listed}");
    let said = told(&dev, &["keys", "revoke", org, &id]).await;
    assert!(said.contains("in force everywhere"), "{said}");
    assert_eq!(status_of(&dev, &key).await.0, StatusCode::UNAUTHORIZED);

    let handle = ["tiktok", "goat.outlaw"];
    let banned = [
        &["orgs", "ban-handle", org][..],
        &handle,
        &["--reason", "asked to"],
    ]
    .concat();
    told(&dev, &banned).await;
    let path = format!("/projects/{}/creators", dev.project());
    let body = json!({"handle": "goat.outlaw", "tracking_start_date": null});
    let add = async || {
        dev.call(Method::POST, &path, dev.demo_key(), Some(body.clone()))
            .await
    };
    let kept_out = add().await;
    assert_eq!(
        kept_out.body["meta"]["code"], "creator_banned",
        "{}",
        kept_out.body
    );
    told(
        &dev,
        &[&["orgs", "unban-handle", org][..], &handle].concat(),
    )
    .await;
    assert_eq!(add().await.status, StatusCode::CREATED);

    let nobody = "00000000-0000-7000-8000-000000000000";
    let said = told(&dev, &["members", "ban", org, nobody, "--reason", "left"]).await;
    assert!(said.contains("in force everywhere"), "{said}");
    told(&dev, &["members", "unban", org, nobody]).await;
    let unknown = refused(&dev, &["keys", "revoke", org, nobody]).await;
    let list = format!("no key {nobody}, list them with `trackagoat keys list {org}`");
    assert!(unknown.contains(&list), "{unknown}");
    let no_org = refused(&dev, &["keys", "list", nobody]).await;
    assert!(no_org.contains("the org does not exist"), "{no_org}");
}

#[tokio::test]
async fn a_longer_lease_holds_where_it_was_allowed() {
    let dev = Dev::start(&["--lease", "3"]).await;
    let url = format!("{}/metrics", dev.ready["admin"].as_str().unwrap());
    eventually(SOON, "the lease is held", async || {
        let metrics = client()
            .get(&url)
            .send()
            .await
            .unwrap()
            .text()
            .await
            .unwrap();
        let is_held = metrics.lines().any(|line| line == "tga_gate_leased 1");
        is_held.then_some(()).ok_or(metrics)
    })
    .await;
    let said = told(&dev, &["leases", "allow", "4.5"]).await;
    assert!(said.contains("--lease 4.5"), "{said}");
    refused(&dev, &["leases", "allow", "61"]).await;
}
