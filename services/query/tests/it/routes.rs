//! Every route of the table has an endpoint, needs its scope, and is described as it is.

use api::route::{Access, ROUTES, Service, Verb};
use domain::event::Role;
use domain::scope::{Scope, Scopes};
use utoipa::openapi::RefOr;
use utoipa::openapi::path::{Operation, ParameterIn};

use crate::objects::furnish;
use crate::support::{Reply, World, metric};

/// What each route is asked with beside its path.
pub fn query(path: &str, project: &str) -> String {
    match path {
        "/analytics" => format!("?entity=project&entity_id={project}&metric=views"),
        "/analytics/aggregate/goal-compliance" | "/analytics/aggregate/member-overlap" => {
            format!("?project_id={project}")
        }
        // The first event of all is that of the first org.
        "/audit/as-of" => "?position=1".to_owned(),
        "/audit/proof" => "?from_size=0&to_size=0".to_owned(),
        path if path.starts_with("/analytics/aggregate/") => {
            format!("?project_id={project}&from=2026-01-01&to=2026-01-31")
        }
        _ => String::new(),
    }
}

#[tokio::test]
async fn every_route_needs_its_scope_and_nothing_else() {
    let world = World::start().await;
    let org = world.org().await;
    let [project, creator, video, key, campaign] = furnish(&world, &org).await;
    let webhook = world.webhook(&org, "To the pager").await.as_uuid();
    let mut keys = Vec::new();
    for scope in Scope::ALL {
        keys.push((scope, world.key(&org, Scopes::NONE.with(scope)).await));
    }
    let routes = ROUTES
        .iter()
        .filter(|route| route.service() == Service::Query);
    for route in routes.filter(|route| route.access != Access::Public) {
        let id = match route.path.split('/').nth(1) {
            Some("projects") => project,
            Some("creators") => creator,
            Some("videos") => video,
            Some("campaigns") => campaign,
            Some("webhooks") => webhook,
            _ => key,
        };
        let path = route.path.replace("{id}", &id.to_string());
        let path = format!("{path}{}", query(route.path, &project.to_string()));
        for (scope, key) in &keys {
            let reply: Reply = world.get(key, &path).await;
            let is_let_in = match route.access {
                Access::Scope(needed) => needed == *scope,
                Access::Any | Access::Public => true,
                Access::Session => false,
            };
            let expected = match (is_let_in, route.replacement) {
                (true, None) => 200,
                (true, Some(_)) => 410,
                (false, _) => 403,
            };
            assert_eq!(
                reply.status, expected,
                "{path} with {scope}: {:?}",
                reply.body
            );
        }
    }
}

#[tokio::test]
async fn an_answer_is_counted_under_its_route() {
    let world = World::start().await;
    let org = world.org().await;
    let key = world.key(&org, Scopes::NONE.with(Scope::Read)).await;
    let counted = |route| {
        let labels = format!("service=\"query\",route=\"{route}\",status=\"200\"");
        metric(&format!("tga_http_requests_total{{{labels}}}"))
    };
    let before = counted("/schema");
    assert_eq!(world.get(&key, "/schema").await.status, 200);
    // Other tests count in the same process.
    assert!(counted("/schema") > before);
    assert!(counted("none") < 1.0);
}

#[test]
fn the_description_of_queries_is_whole() {
    let document = api::openapi::document([query::openapi()]);
    let gaps: Vec<_> = api::openapi::problems(&document)
        .into_iter()
        .filter(|gap| gap.starts_with("GET "))
        .collect();
    assert_eq!(gaps, [] as [&str; 0]);
}

/// What the document says of parameters is what is read: an unknown one is answered with the
/// known ones.
#[tokio::test]
async fn described_parameters_are_those_that_are_read() {
    let world = World::start().await;
    let org = world.org().await;
    let admin = world.person(&org, Role::Admin, "Ada").await;
    let document = api::openapi::document([query::openapi()]);
    for route in ROUTES {
        if route.verb != Verb::Get || route.access == Access::Public || route.replacement.is_some()
        {
            continue;
        }
        let operation = document.paths.paths[route.path].get.as_ref().unwrap();
        let described = parameters(operation);
        let id = org.key_id.to_string();
        let path = route.path.replace("{id}", &id);
        let path = format!("{path}?unknown=1");
        let secret = match route.access {
            Access::Session => &admin.secret,
            _ => &org.key,
        };
        let reply = world.get(secret, &path).await;
        assert_eq!(reply.code(), "invalid_query", "{path}");
        let issues = reply.json()["meta"]["issues"].clone();
        let unknown = issues
            .as_array()
            .unwrap()
            .iter()
            .find(|issue| issue["path"] == "unknown");
        let message = unknown.unwrap()["message"].as_str().unwrap().to_owned();
        let read = match message.split_once("allowed are ") {
            Some((_, names)) => names.split(", ").map(str::to_owned).collect(),
            None => Vec::new(),
        };
        let sorted = |mut names: Vec<String>| {
            names.sort();
            names
        };
        assert_eq!(sorted(read), sorted(described), "{path}");
    }
}

/// A default beside an enumeration of its own type makes a schema that nothing fits, and one that
/// is named but not described leads nowhere.
#[test]
fn something_fits_every_described_parameter() {
    let document = api::openapi::document([query::openapi()]);
    let json = serde_json::to_value(&document).unwrap();
    for (path, item) in &document.paths.paths {
        let get = item.get.iter();
        for parameter in get.flat_map(|get| get.parameters.iter().flatten()) {
            let parameter = serde_json::to_value(parameter).unwrap();
            let schema = &parameter["schema"];
            assert_eq!(
                schema["allOf"],
                serde_json::Value::Null,
                "{path}: {parameter}"
            );
            if let Some(reference) = schema["$ref"].as_str() {
                let pointer = reference.trim_start_matches('#');
                assert!(json.pointer(pointer).is_some(), "{path}: {parameter}");
            }
        }
    }
}

/// The names of an operation's parameters.
pub fn parameters(operation: &Operation) -> Vec<String> {
    let inline = operation
        .parameters
        .iter()
        .flatten()
        .filter_map(|parameter| match parameter {
            RefOr::T(parameter) => Some(parameter),
            RefOr::Ref(_) => None,
        });
    inline
        .filter(|parameter| parameter.parameter_in == ParameterIn::Query)
        .map(|parameter| parameter.name.clone())
        .collect()
}
