#![expect(clippy::unwrap_used, reason = "tests")]

use std::collections::BTreeSet;

use serde_json::{Value, json};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::parts::{tag_of, tags};
use super::*;
use crate::route::ROUTES;
use crate::v1::request::{AddCreators, ChangeProject, CreateProject};
use crate::v1::{Analytics, ApiKeyRotated, Project, Receipt};

/// Lists projects, newest first.
#[utoipa::path(
    get,
    path = "/projects",
    operation_id = "list_projects",
    responses((status = 200, description = "A page of projects", body = Page<Project>))
)]
async fn list_projects() {}

/// Makes a project.
#[utoipa::path(
    post,
    path = "/projects",
    operation_id = "create_project",
    request_body = CreateProject,
    responses((status = 201, description = "The project", body = Answer<Project>))
)]
async fn create_project() {}

/// Changes a project.
#[utoipa::path(
    patch,
    path = "/projects/{id}",
    operation_id = "change_project",
    request_body = ChangeProject,
    responses((status = 200, description = "The project", body = Answer<Project>))
)]
async fn change_project() {}

/// Adds creators.
#[utoipa::path(
    post,
    path = "/projects/{id}/creators",
    operation_id = "add_creators",
    request_body = AddCreators,
    responses((status = 201, description = "The receipt", body = Answer<ApiKeyRotated>))
)]
async fn add_creators() {}

/// Ends a key.
#[utoipa::path(
    delete,
    path = "/api-keys/{id}",
    operation_id = "revoke_api_key",
    responses(
        (status = 200, description = "In force everywhere", body = Answer<Receipt>),
        (status = 202, description = "Recorded", body = Answer<Receipt>),
    )
)]
async fn revoke_api_key() {}

/// Reads series.
#[utoipa::path(
    get,
    path = "/analytics",
    operation_id = "read_analytics",
    responses((status = 200, description = "The series", body = Answer<Analytics>))
)]
async fn read_analytics() {}

/// This was removed.
#[utoipa::path(
    get,
    path = "/creators/{id}/stats",
    operation_id = "creator_stats",
    responses()
)]
async fn creator_stats() {}

fn written() -> (OpenApi, Value) {
    let query: OpenApiRouter = OpenApiRouter::default()
        .routes(routes!(list_projects))
        .routes(routes!(read_analytics))
        .routes(routes!(creator_stats));
    let command: OpenApiRouter = OpenApiRouter::default()
        .routes(routes!(create_project))
        .routes(routes!(change_project))
        .routes(routes!(add_creators))
        .routes(routes!(revoke_api_key));
    let document = document([query.into_openapi(), command.into_openapi()]);
    let json = serde_json::to_value(&document).unwrap();
    (document, json)
}

#[test]
fn an_operation_is_completed_from_the_table() {
    let (_, json) = written();
    assert_eq!(json["openapi"], "3.1.0");
    let list = &json["paths"]["/projects"]["get"];
    assert_eq!(list["x-scope"], "read");
    assert_eq!(list["summary"], "Lists projects, newest first.");
    assert_eq!(list["description"], "Needs scope `read`.");
    assert_eq!(list["tags"], json!(["Projects"]));
    assert_eq!(list["security"], json!([{"bearer": []}]));
    let answers: Vec<_> = list["responses"].as_object().unwrap().keys().collect();
    assert_eq!(
        answers,
        ["200", "304", "400", "401", "403", "429", "500", "503"]
    );
    let create = &json["paths"]["/projects"]["post"];
    assert!(
        create["responses"]["201"]["headers"]
            .get("Location")
            .is_some()
    );
    assert_eq!(
        json["paths"]["/api-keys/{id}"]["delete"]["parameters"][0]["schema"]["format"],
        "uuid"
    );
    let stats = &json["paths"]["/creators/{id}/stats"]["get"];
    assert_eq!(stats["deprecated"], true);
    assert!(stats["responses"].get("410").is_some());
}

#[test]
fn examples_are_whole_answers() {
    let (_, json) = written();
    let example = |path: &str, verb: &str, status: &str| {
        let response = &json["paths"][path][verb]["responses"][status];
        response["content"]["application/json"]["example"].clone()
    };
    let project = example("/projects", "post", "201");
    assert_eq!(project["error"], Value::Null);
    assert_eq!(project["meta"], Value::Null);
    assert_eq!(project["data"]["name"], "Spring launch");
    let page = example("/projects", "get", "200");
    assert_eq!(page["data"][0]["name"], "Spring launch");
    assert_eq!(page["meta"]["nextCursor"], Value::Null);
    let receipt = example("/api-keys/{id}", "delete", "200");
    assert_eq!(receipt["data"]["barrier"]["replicas"][0]["state"], "acked");
    let body = &json["paths"]["/projects/{id}/creators"]["post"]["requestBody"];
    let body = &body["content"]["application/json"]["example"];
    assert_eq!(body["handle"], "charlidamelio");
    let change = &json["paths"]["/projects/{id}"]["patch"]["requestBody"];
    let change = &change["content"]["application/json"]["example"];
    let names: Vec<_> = change.as_object().unwrap().keys().collect();
    assert_eq!(names, ["metadata", "name", "readme"], "one name is enough");
    let series = example("/analytics", "get", "200");
    assert_eq!(series["data"]["series"][0]["points"][0]["value"], 1_200);
    let codes = &json["components"]["examples"];
    assert_eq!(codes["not_found"]["value"]["error"], "Not found");
}

#[test]
fn a_patch_wants_a_field_and_no_body_takes_unknown_ones() {
    let (_, json) = written();
    let change = &json["components"]["schemas"]["ChangeProject"];
    assert_eq!(change["minProperties"], 1);
    assert_eq!(change["additionalProperties"], false);
    let create = &json["components"]["schemas"]["CreateProject"];
    assert_eq!(create["required"], json!(["name"]));
}

#[test]
fn every_reference_leads_somewhere() {
    fn check(value: &Value, document: &Value) {
        match value {
            Value::Object(members) => {
                if let Some(Value::String(target)) = members.get("$ref") {
                    let pointer = target.strip_prefix('#').unwrap();
                    assert!(document.pointer(pointer).is_some(), "{target}");
                }
                members.values().for_each(|member| check(member, document));
            }
            Value::Array(items) => items.iter().for_each(|item| check(item, document)),
            _ => {}
        }
    }
    let (_, json) = written();
    check(&json, &json);
}

#[test]
fn gaps_are_named_both_ways() {
    /// Not in the table.
    #[utoipa::path(get, path = "/secret", operation_id = "secret", responses())]
    async fn secret() {}

    /// Without a success.
    #[utoipa::path(get, path = "/limits", operation_id = "limits", responses())]
    async fn limits() {}

    let (document, _) = written();
    let problems = problems(&document);
    assert!(
        problems
            .iter()
            .any(|line| line == "GET /schema: is not described")
    );
    assert!(
        problems
            .iter()
            .all(|line| line.ends_with(": is not described")),
        "{problems:?}"
    );

    let router: OpenApiRouter = OpenApiRouter::default()
        .routes(routes!(secret))
        .routes(routes!(limits));
    let problems = super::problems(&super::document([router.into_openapi()]));
    for expected in [
        "GET /secret: is not in the table",
        "GET /limits: no success described",
    ] {
        assert!(problems.iter().any(|line| line == expected), "{problems:?}");
    }
}

#[test]
fn every_operation_is_in_a_group_and_no_group_is_empty() {
    let of_routes: BTreeSet<_> = ROUTES
        .iter()
        .map(|route| tag_of(route.path).unwrap_or_else(|| panic!("{} has a group", route.path)))
        .collect();
    let described = tags();
    let described: BTreeSet<_> = described.iter().map(|tag| tag.name.as_str()).collect();
    assert_eq!(of_routes, described);
}
