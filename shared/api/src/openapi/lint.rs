//! What a document still lacks of what v1 promises of it.

use std::collections::BTreeSet;

use utoipa::openapi::path::{Operation, PathItem};
use utoipa::openapi::response::Response;
use utoipa::openapi::schema::Components;
use utoipa::openapi::{OpenApi, RefOr};

use crate::route::{BodyKind, ROUTES, Route, Verb};

/// Every gap, one line each; empty for a document that may be served. Both ways: a route that is
/// not described, and an operation that is no route.
pub fn problems(document: &OpenApi) -> Vec<String> {
    let mut problems = Vec::new();
    let mut ids = BTreeSet::new();
    let components = document.components.clone().unwrap_or_default();
    for route in ROUTES {
        let item = document.paths.paths.get(route.path);
        match item.and_then(|item| described(item, route.verb)) {
            None => problems.push(format!("{}: is not described", name(route))),
            Some(operation) => {
                let gaps = gaps(operation, route, &components);
                problems.extend(
                    gaps.into_iter()
                        .map(|gap| format!("{}: {gap}", name(route))),
                );
                if let Some(id) = &operation.operation_id
                    && !ids.insert(id.clone())
                {
                    problems.push(format!("{}: operation id {id} is taken", name(route)));
                }
            }
        }
    }
    for (path, item) in &document.paths.paths {
        for verb in [Verb::Get, Verb::Post, Verb::Patch, Verb::Delete] {
            let is_route = ROUTES
                .iter()
                .any(|route| route.path == path && route.verb == verb);
            if described(item, verb).is_some() && !is_route {
                problems.push(format!("{} {path}: is not in the table", verb.name()));
            }
        }
    }
    problems
}

fn name(route: &Route) -> String {
    format!("{} {}", route.verb.name(), route.path)
}

fn described(item: &PathItem, verb: Verb) -> Option<&Operation> {
    match verb {
        Verb::Get => item.get.as_ref(),
        Verb::Post => item.post.as_ref(),
        Verb::Patch => item.patch.as_ref(),
        Verb::Delete => item.delete.as_ref(),
    }
}

fn gaps(operation: &Operation, route: &Route, components: &Components) -> Vec<String> {
    let mut gaps = Vec::new();
    let mut want = |is_there: bool, gap: &str| {
        if !is_there {
            gaps.push(gap.to_owned());
        }
    };
    want(operation.operation_id.is_some(), "no operation id");
    want(operation.summary.is_some(), "no summary");
    want(
        operation.security.is_some(),
        "no security: was it completed?",
    );
    want(
        operation.request_body.is_some() == (route.body != BodyKind::None),
        "request body described where there is none, or missing",
    );
    for parameter in operation.parameters.iter().flatten() {
        if let RefOr::T(parameter) = parameter {
            let is_described = parameter.description.is_some() && parameter.schema.is_some();
            want(
                is_described,
                &format!("parameter {} is not described", parameter.name),
            );
        }
    }
    if let Some(RefOr::T(body)) = &operation.request_body {
        let has_example = body.content.values().any(|content| {
            matches!(content, RefOr::T(content) if content.example.is_some() || !content.examples.is_empty())
        });
        want(has_example, "no example of the request body");
    }
    let responses = &operation.responses.responses;
    let success = responses
        .iter()
        .filter(|(status, _)| status.starts_with('2'));
    want(
        route.replacement.is_some() || success.clone().count() > 0,
        "no success described",
    );
    for (status, response) in success {
        want(
            has_example(response),
            &format!("no example of the answer {status}"),
        );
    }
    for code in route.codes() {
        let status = code.status().as_u16().to_string();
        let names_it = responses
            .get(&status)
            .and_then(|response| resolve(response, components))
            .is_some_and(|response| response.description.contains(&format!("`{code}`")));
        want(names_it, &format!("code {code} is not described"));
    }
    gaps
}

fn resolve<'a>(response: &'a RefOr<Response>, components: &'a Components) -> Option<&'a Response> {
    match response {
        RefOr::T(response) => Some(response),
        RefOr::Ref(reference) => {
            let name = reference.ref_location.rsplit('/').next()?;
            resolve(components.responses.get(name)?, components)
        }
    }
}

fn has_example(response: &RefOr<Response>) -> bool {
    let RefOr::T(response) = response else {
        return false;
    };
    response.content.is_empty()
        || response.content.values().all(|content| {
            matches!(content, RefOr::T(content) if content.example.is_some() || !content.examples.is_empty())
        })
}
