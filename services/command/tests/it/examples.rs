//! The examples of the document, sent as they stand there but for the ids.

use std::collections::BTreeMap;

use api::route::{BodyKind, Route};
use serde_json::Value;
use uuid::Uuid;

use crate::support::{TestApp, World, command_routes, good, secret_of};

#[tokio::test]
async fn every_example_of_a_body_is_a_request_that_succeeds() {
    let app = TestApp::new().await;
    let document = serde_json::to_value(api::openapi::document([command::openapi()])).unwrap();
    let (mut sent, mut refused) = (0, Vec::new());
    for route in command_routes().filter(|route| route.body != BodyKind::None) {
        for (media_type, example) in examples(&document, route) {
            let world = app.world().await;
            let good = good(route, &world);
            let body = match example {
                // Lines.
                Value::String(text) => text.clone(),
                value => placed(value, route, &world).to_string(),
            };
            let ask = app.request(&good.method, &good.path);
            let ask = ask.body(media_type, body.clone());
            let answer = ask
                .with_key(secret_of(route, &world))
                .send_patiently()
                .await;
            if answer.status != good.status {
                let (path, answer) = (route.path, answer.body);
                refused.push(format!("{} {path} {body}: {answer}", good.method));
            }
            sent += 1;
        }
    }
    assert!(refused.is_empty(), "{refused:#?}");
    let bodies = command_routes().filter(|route| route.body != BodyKind::None);
    assert!(sent >= bodies.count());
}

/// Every example of a route's body, with its media type.
fn examples<'a>(document: &'a Value, route: &Route) -> Vec<(&'a str, &'a Value)> {
    let operation = &document["paths"][route.path][route.verb.name().to_lowercase()];
    let content = operation["requestBody"]["content"].as_object().unwrap();
    let mut examples = Vec::new();
    for (media_type, content) in content {
        examples.extend(content.get("example").map(|one| (media_type.as_str(), one)));
        let named = content.get("examples").and_then(Value::as_object);
        let named = named.into_iter().flat_map(|named| named.values());
        examples.extend(named.map(|one| (media_type.as_str(), &one["value"])));
    }
    assert!(!examples.is_empty(), "{} has no example", route.path);
    examples
}

/// The example with ids of the world in place of its own.
fn placed(example: &Value, route: &Route, world: &World) -> Value {
    let names = BTreeMap::from([
        ("org_id", world.elsewhere),
        ("project_id", world.project),
        ("creator_id", world.creator),
        ("creator_ids", creator_for(route, world)),
        ("video_ids", video_for(route, world)),
        // Of campaigns and of marks; the creator of the world is in the campaign already.
        ("item_id", world.disabled_creator),
        ("id", world.creator),
    ]);
    place("", example, &names)
}

fn creator_for(route: &Route, world: &World) -> Uuid {
    match route.path {
        "/projects/{id}/creators/bulk-reenable" => world.disabled_creator,
        _ => world.creator,
    }
}

fn video_for(route: &Route, world: &World) -> Uuid {
    match route.path {
        "/projects/{id}/inbox/review" => world.pending_video,
        _ => world.direct_video,
    }
}

/// Replaces the ids in the member of this name.
fn place(name: &str, value: &Value, names: &BTreeMap<&str, Uuid>) -> Value {
    match value {
        Value::Object(members) => members
            .iter()
            .map(|(name, value)| (name.clone(), place(name, value, names)))
            .collect(),
        Value::Array(items) => items.iter().map(|item| place(name, item, names)).collect(),
        Value::String(text) if text.parse::<Uuid>().is_ok() => match names.get(name) {
            Some(id) => id.to_string().into(),
            None => panic!("{name} names something: say here what"),
        },
        other => other.clone(),
    }
}
