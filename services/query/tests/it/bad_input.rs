//! Every parameter as its example has it, missing, of a wrong type, out of its range, and given twice,
//! as the document describes it.

use serde_json::Value;

use crate::furnished::{Furnished, ask, furnished, queries};
use crate::routes::query;
use crate::strings::encoded;
use crate::support::{Reply, World};

/// A parameter of a route.
struct Parameter {
    /// The route's path with an id in it.
    path: String,
    /// What else the route needs, with this parameter if it needs that.
    required: Vec<(String, String)>,
    name: String,
    is_required: bool,
    schema: Value,
    example: Option<String>,
}

fn all(of: &Furnished) -> Vec<Parameter> {
    let document = serde_json::to_value(api::openapi::document([query::openapi()])).unwrap();
    let mut all = Vec::new();
    for route in queries() {
        let path = if route.has_id() {
            let id = of.ids.of_path(route.path).to_string();
            route.path.replace("{id}", &id)
        } else {
            route.path.to_owned()
        };
        let query = match route.path {
            "/analytics/annotations" => format!("?project_id={}", of.ids.project),
            known => query(known, &of.ids.project.to_string()),
        };
        let pairs = query.trim_start_matches('?').split('&');
        let pairs = pairs.filter_map(|pair| pair.split_once('='));
        let required: Vec<_> = pairs
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect();
        let described = &document["paths"][route.path]["get"]["parameters"];
        for parameter in described.as_array().into_iter().flatten() {
            if parameter["in"] != "query" {
                continue;
            }
            let schema = resolved(&document, &parameter["schema"]);
            let examples = [&parameter["example"], &schema["example"]];
            let example = examples.into_iter().find(|example| !example.is_null());
            all.push(Parameter {
                path: path.clone(),
                required: required.clone(),
                name: parameter["name"].as_str().unwrap().to_owned(),
                is_required: parameter["required"] == true,
                example: example.map(shown),
                schema,
            });
        }
    }
    all
}

/// A value as a query has it.
fn shown(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Array(items) => items.iter().map(shown).collect::<Vec<_>>().join(","),
        other => other.to_string(),
    }
}

fn resolved(document: &Value, schema: &Value) -> Value {
    match schema["$ref"].as_str() {
        Some(reference) => {
            let described = document.pointer(reference.trim_start_matches('#'));
            resolved(document, described.unwrap())
        }
        None => schema.clone(),
    }
}

impl Parameter {
    /// The question with these values of it, in place of one that it may need.
    fn with(&self, values: &[String]) -> String {
        let others = self.required.iter().filter(|(name, _)| *name != self.name);
        let pairs: Vec<_> = others
            .map(|(name, value)| format!("{name}={value}"))
            .chain(values.iter().map(|value| format!("{}={value}", self.name)))
            .collect();
        format!("{}?{}", self.path, pairs.join("&"))
    }

    /// Values that it cannot have.
    fn wrong(&self) -> Vec<String> {
        let schema = &self.schema;
        let mut wrong = vec![String::new()];
        if schema["type"] == "integer" {
            wrong.extend(["x", "1.5", "1e3", "+1", "99999999999999999999"].map(str::to_owned));
            let beyond = |name: &str, by: i64| Some((schema[name].as_i64()? + by).to_string());
            wrong.extend(beyond("minimum", -1));
            wrong.extend(beyond("maximum", 1));
        }
        if schema["type"] == "boolean" {
            wrong.extend(["yes", "1", "TRUE"].map(str::to_owned));
        }
        if let Some(longest) = schema["maxLength"].as_u64() {
            wrong.push("x".repeat(usize::try_from(longest).unwrap() + 1));
        }
        if schema["format"] == "date" {
            wrong.extend(["2026-02-30", "2026-1-1", "20260101", "0001-01-01x"].map(str::to_owned));
        }
        if schema["format"] == "date-time" {
            wrong.extend(["2026-01-01", "2026-01-01T00:00:00", "1767225600"].map(str::to_owned));
        }
        if schema["format"] == "uuid" {
            wrong.extend(["1", "00000000000000000000000000000001"].map(str::to_owned));
        }
        if schema["enum"].is_array() {
            wrong.push("unknown".to_owned());
            let first = schema["enum"][0].as_str().unwrap();
            wrong.push(first.to_uppercase());
        }
        wrong
    }
}

#[track_caller]
fn is_refused(reply: &Reply, name: &str, path: &str) {
    assert_eq!(reply.status, 400, "{path}: {:?}", reply.body);
    assert_eq!(reply.code(), "invalid_query", "{path}");
    let issues = reply.json()["meta"]["issues"].clone();
    let is_named = |issue: &Value| issue["path"].as_str().unwrap().starts_with(name);
    let issues = issues.as_array().unwrap();
    assert!(issues.iter().any(is_named), "{path}: {issues:?}");
}

#[tokio::test]
async fn every_parameter_is_held_to_its_type_and_range_and_missed_where_it_is_needed() {
    let world = World::start().await;
    let of = furnished(&world, "ada").await;
    let (mut wrong, mut missing, mut examples) = (0, 0, 0);
    for parameter in all(&of) {
        let name = &parameter.name;
        if let Some(example) = &parameter.example {
            let mut path = parameter.with(&[encoded(example)]);
            // What it goes with.
            path += match name.as_str() {
                "bucket_days" => "&granularity=custom",
                "bins" => "&scale=linear",
                _ => "",
            };
            let reply = ask(&world, &of, &path).await;
            assert_eq!(reply.status, 200, "{path}: {:?}", reply.body);
            examples += 1;
        }
        for value in parameter.wrong() {
            let path = parameter.with(&[value]);
            is_refused(&ask(&world, &of, &path).await, name, &path);
            wrong += 1;
        }
        if parameter.is_required {
            let path = parameter.with(&[]);
            is_refused(&ask(&world, &of, &path).await, name, &path);
            missing += 1;
        }
        let example = parameter.required.iter().find(|(known, _)| known == name);
        let given = example.map_or("1", |(_, value)| value).to_owned();
        let path = parameter.with(&[given.clone(), given]);
        is_refused(&ask(&world, &of, &path).await, name, &path);
    }
    assert!(
        wrong > 300 && missing > 12 && examples > 50,
        "{wrong} wrong, {missing} missing, {examples} examples"
    );
}
