//! Every field of every body with texts that are trouble elsewhere, and every id in a body that names
//! what is another org's.

use std::collections::BTreeSet;

use api::route::{BodyKind, Route};
use serde_json::{Map, Value, json};
use testkit::TROUBLE;
use uuid::Uuid;

use crate::support::{Answer, TestApp, World, command_routes, good, secret_of};

/// Names of one thing: a body has one of them.
const ALIASES: [[&str; 2]; 2] = [["readme", "description"], ["handle", "tiktok_handle"]];

fn with_json_body() -> impl Iterator<Item = &'static Route> {
    command_routes().filter(|route| route.body == BodyKind::Json)
}

fn good_body(route: &Route, world: &World) -> Map<String, Value> {
    let body = good(route, world).body.unwrap_or_else(|| "{}".to_owned());
    serde_json::from_str(&body).unwrap()
}

/// The names of all fields that a body may have, of whatever form it is.
fn fields(document: &Value, schema: &Value, names: &mut BTreeSet<String>) {
    if let Some(reference) = schema["$ref"].as_str() {
        let described = document.pointer(reference.trim_start_matches('#'));
        fields(document, described.unwrap(), names);
    }
    let properties = schema["properties"].as_object();
    names.extend(
        properties
            .into_iter()
            .flatten()
            .map(|(name, _)| name.clone()),
    );
    for forms in ["oneOf", "allOf", "anyOf"] {
        for form in schema[forms].as_array().into_iter().flatten() {
            fields(document, form, names);
        }
    }
}

fn fields_of(document: &Value, route: &Route) -> BTreeSet<String> {
    let operation = &document["paths"][route.path][route.verb.name().to_lowercase()];
    let schema = &operation["requestBody"]["content"]["application/json"]["schema"];
    let mut names = BTreeSet::new();
    fields(document, schema, &mut names);
    names
}

/// A good body but for one field.
fn body_with(good: &Map<String, Value>, name: &str, value: Value) -> Value {
    let mut body = good.clone();
    for pair in ALIASES.iter().filter(|pair| pair.contains(&name)) {
        body.retain(|other, _| !pair.contains(&other.as_str()));
    }
    body.insert(name.to_owned(), value);
    Value::Object(body)
}

/// What was said of the field: that it is wrong, or what it is now.
fn judge(answer: &Answer, name: &str, sent: &Value, about: &str) {
    match answer.status.as_u16() {
        200 | 201 => {
            let kept = &answer.body["data"][name];
            assert!(kept.is_null() || kept == sent, "{about}: {kept} of {sent}");
        }
        400 => {
            let meta = answer.refused(400, "invalid_body");
            let issues = meta["issues"].as_array().unwrap();
            let is_named = |issue: &Value| issue["path"].as_str().unwrap().starts_with(name);
            assert!(issues.iter().any(is_named), "{about}: {meta}");
        }
        // What a rename makes impossible has a code of its own.
        409 => {
            answer.refused(409, "invalid_handle");
        }
        status => panic!("{about} is answered {status}: {}", answer.body),
    }
}

fn is_own_refusal(answer: &Answer) -> bool {
    answer.body["meta"]["code"] == "invalid_handle"
}

/// Sends a good body but for one field; the answer, and what was asked.
async fn send(
    app: &TestApp,
    route: &Route,
    world: &World,
    name: &str,
    value: &Value,
) -> (Answer, String) {
    let good = good(route, world);
    let body = body_with(&good_body(route, world), name, value.clone());
    let ask = app.request(&good.method, &good.path);
    let ask = ask.with_key(secret_of(route, world)).json(&body);
    let about = format!("{} {}: {body}", good.method, good.path);
    (ask.send_patiently().await, about)
}

#[tokio::test]
async fn no_text_in_a_body_is_more_than_a_text() {
    let app = TestApp::new().await;
    let document = serde_json::to_value(api::openapi::document([command::openapi()])).unwrap();
    let (mut refused, mut taken) = (0, 0);
    for route in with_json_body() {
        let mut world = app.world().await;
        for name in fields_of(&document, route) {
            for text in TROUBLE {
                let mut values = vec![json!(text)];
                if name == "metadata" {
                    values.push(json!({"key": text}));
                    values.push(json!({text: "value"}));
                }
                for value in values {
                    let mut before = app.head().await;
                    let (mut answer, mut about) = send(&app, route, &world, &name, &value).await;
                    // What can be done once was done before.
                    if [402, 409].contains(&answer.status.as_u16()) && !is_own_refusal(&answer) {
                        world = app.world().await;
                        before = app.head().await;
                        (answer, about) = send(&app, route, &world, &name, &value).await;
                    }
                    judge(&answer, &name, &value, &about);
                    if answer.status.is_success() {
                        taken += 1;
                    } else {
                        refused += 1;
                        assert_eq!(app.head().await, before, "{about}");
                    }
                }
            }
        }
    }
    assert!(
        refused > 500 && taken > 50,
        "{refused} refused, {taken} taken"
    );
}

/// Where ids stand in a body.
fn ids(at: &str, value: &Value, found: &mut Vec<String>) {
    match value {
        Value::String(text) if text.parse::<Uuid>().is_ok() => found.push(at.to_owned()),
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                ids(&format!("{at}/{index}"), item, found);
            }
        }
        Value::Object(fields) => {
            for (name, field) in fields {
                ids(&format!("{at}/{name}"), field, found);
            }
        }
        _ => {}
    }
}

/// Good bodies that name more than those of the routes' table.
fn bodies(route: &Route, world: &World) -> Vec<Value> {
    let mut bodies = vec![Value::Object(good_body(route, world))];
    match route.path {
        "/analytics/annotations" => {
            for (kind, id) in [
                ("creator", world.creator),
                ("video", world.direct_video),
                ("campaign", world.campaign),
            ] {
                bodies.push(json!({"project_id": world.project, "date": "2026-03-02",
                    "label": "Spring", "entity": {"type": kind, "id": id}}));
            }
        }
        "/campaigns/{id}/items" => {
            for (kind, id) in [
                ("creator", world.disabled_creator),
                ("video", world.auto_video),
                ("campaign", world.campaign),
            ] {
                bodies.push(json!({"item_type": kind, "item_id": id}));
            }
        }
        _ => {}
    }
    bodies
}

#[tokio::test]
async fn what_is_another_orgs_in_a_body_is_answered_as_what_is_missing() {
    let app = TestApp::new().await;
    let (world, other) = (app.world().await, app.world().await);
    let before = app.head().await;
    let missing = Uuid::from_u128(7).to_string();
    let mut compared = 0;
    for route in with_json_body() {
        let own = good(route, &world);
        for (body, foreign) in bodies(route, &world).iter().zip(bodies(route, &other)) {
            let mut places = Vec::new();
            ids("", body, &mut places);
            for place in places {
                let theirs = foreign
                    .pointer(&place)
                    .unwrap()
                    .as_str()
                    .unwrap()
                    .to_owned();
                let mut answers = Vec::new();
                for id in [&theirs, &missing] {
                    let mut body = body.clone();
                    *body.pointer_mut(&place).unwrap() = json!(id);
                    let ask = app.request(&own.method, &own.path);
                    let ask = ask.with_key(secret_of(route, &world)).json(&body);
                    let answer = ask.send_patiently().await;
                    let text = String::from_utf8(answer.bytes.clone()).unwrap();
                    // The id itself may be repeated.
                    answers.push((answer.status, text.replace(id.as_str(), "…")));
                }
                assert_eq!(answers[0], answers[1], "{} {place}", route.path);
                let (status, text) = &answers[0];
                assert!(
                    text.contains("ot found") || text.contains("not_found"),
                    "{status}: {text}"
                );
                compared += 1;
            }
        }
    }
    assert!(compared > 15, "{compared}");
    assert_eq!(app.head().await, before, "nothing was done");
}
