//! Every field of every body missing, of a wrong type and out of its range, as the document describes it.

use std::collections::BTreeMap;

use api::route::{BodyKind, Route};
use serde_json::{Map, Value, json};

use crate::support::{TestApp, World, command_routes, good, secret_of};

/// A field of a body's form.
struct Field {
    schema: Value,
    /// Whether its form needs it, and is the only one.
    is_required: bool,
}

/// What a body may hold, by name, of all its forms.
fn fields(document: &Value, schema: &Value, is_only: bool, found: &mut BTreeMap<String, Field>) {
    let schema = resolved(document, schema);
    let required: Vec<&str> = schema["required"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .collect();
    for (name, property) in schema["properties"].as_object().into_iter().flatten() {
        let field = Field {
            schema: resolved(document, property),
            is_required: is_only && required.contains(&name.as_str()),
        };
        found.insert(name.clone(), field);
    }
    for form in schema["oneOf"].as_array().into_iter().flatten() {
        fields(document, form, false, found);
    }
}

/// The schema that a reference leads to, or the one of two that is not null's.
fn resolved(document: &Value, schema: &Value) -> Value {
    if let Some(reference) = schema["$ref"].as_str() {
        let described = document.pointer(reference.trim_start_matches('#'));
        return resolved(document, described.unwrap());
    }
    let forms = schema["oneOf"].as_array().into_iter().flatten();
    let mut other: Vec<_> = forms.filter(|form| form["type"] != "null").collect();
    match (schema["oneOf"].as_array().map(Vec::len), other.pop()) {
        (Some(2), Some(form)) if other.is_empty() => {
            let mut form = resolved(document, form);
            form["may_be_null"] = json!(true);
            form
        }
        _ => schema.clone(),
    }
}

impl Field {
    fn is_a(&self, name: &str) -> bool {
        match &self.schema["type"] {
            Value::Array(names) => names.contains(&json!(name)),
            other => other == name || name == "null" && self.schema["may_be_null"] == true,
        }
    }

    /// Values that it cannot have.
    fn wrong(&self) -> Vec<Value> {
        let schema = &self.schema;
        let mut wrong = Vec::new();
        for (name, value) in [
            ("null", json!(null)),
            ("boolean", json!(true)),
            ("string", json!("x x")),
            ("array", json!([])),
            ("object", json!({})),
        ] {
            if !self.is_a(name) {
                wrong.push(value);
            }
        }
        if self.is_a("integer") {
            wrong.extend([json!(1.5), json!(1e300)]);
            let beyond = |name: &str, by: i64| Some(json!(schema[name].as_i64()? + by));
            wrong.extend(beyond("minimum", -1));
            wrong.extend(beyond("maximum", 1));
        } else if !self.is_a("number") {
            wrong.push(json!(7));
        }
        if self.is_a("string") {
            let longest = schema["maxLength"].as_u64();
            wrong.extend(longest.map(|most| json!("x".repeat(usize::try_from(most).unwrap() + 1))));
            wrong.extend(
                schema["minLength"]
                    .as_u64()
                    .filter(|least| *least > 0)
                    .map(|_| json!("")),
            );
            match schema["format"].as_str() {
                Some("date") => wrong.extend([json!("2026-02-30"), json!("1.3.2026")]),
                Some("date-time") => wrong.extend([json!("2026-01-01"), json!("now")]),
                Some("uuid") => wrong.push(json!("00000000000000000000000000000001")),
                Some("email") => {
                    wrong.extend([json!("ada"), json!("@example.com"), json!("a@b@c")]);
                }
                _ => {}
            }
            if schema["enum"].is_array() {
                wrong.extend([json!("unknown"), json!("")]);
            }
        }
        if self.is_a("array") {
            let filled = |count: u64| {
                let items = 0..count;
                let id = |n| json!(uuid::Uuid::from_u128(u128::from(n) + 1));
                Value::Array(items.map(id).collect())
            };
            wrong.extend(schema["maxItems"].as_u64().map(|most| filled(most + 1)));
            wrong.extend(
                schema["minItems"]
                    .as_u64()
                    .filter(|least| *least > 0)
                    .map(|_| json!([])),
            );
            wrong.push(json!([null]));
        }
        wrong
    }
}

fn fields_of(document: &Value, route: &Route) -> BTreeMap<String, Field> {
    let operation = &document["paths"][route.path][route.verb.name().to_lowercase()];
    let schema = &operation["requestBody"]["content"]["application/json"]["schema"];
    let mut found = BTreeMap::new();
    fields(document, schema, true, &mut found);
    found
}

fn good_body(route: &Route, world: &World) -> Map<String, Value> {
    let body = good(route, world).body.unwrap_or_else(|| "{}".to_owned());
    serde_json::from_str(&body).unwrap()
}

#[tokio::test]
async fn every_field_is_held_to_its_type_and_range_and_missed_where_it_is_needed() {
    let app = TestApp::new().await;
    let document = serde_json::to_value(api::openapi::document([command::openapi()])).unwrap();
    let world = app.world().await;
    let before = app.head().await;
    let (mut wrong, mut missing) = (0, 0);
    for route in command_routes().filter(|route| route.body == BodyKind::Json) {
        let good = good(route, &world);
        let refused = async |body: &Map<String, Value>, name: &str| {
            let ask = app.request(&good.method, &good.path);
            let ask = ask.with_key(secret_of(route, &world));
            let answer = ask
                .json(&Value::Object(body.clone()))
                .send_patiently()
                .await;
            let about = format!("{} {}: {body:?}", good.method, route.path);
            assert_eq!(answer.status, 400, "{about} {}", answer.body);
            let issues = answer.refused(400, "invalid_body")["issues"].clone();
            let is_named = |issue: &Value| issue["path"].as_str().unwrap().starts_with(name);
            let issues = issues.as_array().unwrap();
            assert!(issues.iter().any(is_named), "{about}: {issues:?}");
        };
        for (name, field) in fields_of(&document, route) {
            for value in field.wrong() {
                let mut body = good_body(route, &world);
                body.insert(name.clone(), value);
                refused(&body, &name).await;
                wrong += 1;
            }
            if field.is_required {
                let mut body = good_body(route, &world);
                body.remove(&name);
                refused(&body, &name).await;
                missing += 1;
            }
        }
    }
    assert!(
        wrong > 300 && missing > 15,
        "{wrong} wrong, {missing} missing"
    );
    assert_eq!(app.head().await, before, "nothing was done");
}
