//! Completes operations from the table of routes.

use std::collections::{BTreeMap, BTreeSet};

use utoipa::openapi::content::Content;
use utoipa::openapi::extensions::Extensions;
use utoipa::openapi::header::Header;
use utoipa::openapi::path::{Operation, Parameter, ParameterBuilder, ParameterIn, PathItem};
use utoipa::openapi::response::{Response, ResponseBuilder};
use utoipa::openapi::schema::{
    ArrayItems, Components, KnownFormat, ObjectBuilder, Ref, Schema, SchemaFormat, Type,
};
use utoipa::openapi::security::SecurityRequirement;
use utoipa::openapi::{ContentBuilder, Deprecated, OpenApi, RefOr, Required};

use super::example::example_of;
use super::parts::{self, BEARER, tag_of};
use crate::error::ErrorCode;
use crate::header::APPLICATION_JSON;
use crate::route::{Access, BodyKind, ROUTES, Route, Service, Verb};

/// The operation of a route, if it is described.
fn operation(item: &mut PathItem, verb: Verb) -> Option<&mut Operation> {
    match verb {
        Verb::Get => &mut item.get,
        Verb::Post => &mut item.post,
        Verb::Patch => &mut item.patch,
        Verb::Delete => &mut item.delete,
    }
    .as_mut()
}

pub(super) fn complete(document: &mut OpenApi) {
    let mut components = document.components.take().unwrap_or_default();
    refer_to_objects(&mut components);
    for route in ROUTES {
        let item = document.paths.paths.get_mut(route.path);
        if let Some(operation) = item.and_then(|item| operation(item, route.verb)) {
            complete_operation(operation, route, &mut components);
        }
    }
    document.components = Some(components);
}

/// utoipa writes the object of a generic envelope out again: it is referred to instead.
fn refer_to_objects(components: &mut Components) {
    let names: BTreeSet<_> = components.schemas.keys().cloned().collect();
    for (name, schema) in &mut components.schemas {
        let Some((_, object)) = name.split_once('_') else {
            continue;
        };
        let RefOr::T(Schema::Object(envelope)) = schema else {
            continue;
        };
        if !names.contains(object) {
            continue;
        }
        let reference = RefOr::Ref(Ref::from_schema_name(object));
        match envelope.properties.get_mut("data") {
            Some(RefOr::T(Schema::Array(list))) => {
                list.items = ArrayItems::RefOrSchema(Box::new(reference));
            }
            Some(data) => *data = reference,
            None => {}
        }
    }
}

fn complete_operation(operation: &mut Operation, route: &Route, components: &mut Components) {
    operation.tags = tag_of(route.path).map(|tag| vec![tag.to_owned()]);
    let scope = scope_name(route.access);
    let needs = match route.access {
        Access::Public => "Needs no credential.".to_owned(),
        Access::Any => "Needs any valid credential.".to_owned(),
        Access::Session => "Needs a person's session.".to_owned(),
        Access::Scope(scope) => format!("Needs scope `{scope}`."),
    };
    operation.description = Some(match operation.description.take() {
        Some(own) if !own.is_empty() => format!("{own}\n\n{needs}"),
        _ => needs,
    });
    operation
        .extensions
        .get_or_insert_with(Extensions::default)
        .merge(Extensions::builder().add("x-scope", scope).build());
    operation.security = Some(if route.access == Access::Public {
        Vec::new()
    } else {
        vec![SecurityRequirement::new(BEARER, Vec::<String>::new())]
    });
    if route.replacement.is_some() {
        operation.deprecated = Some(Deprecated::True);
    }
    add_parameters(operation, route);
    complete_request(operation, route, components);
    complete_successes(operation, route, components);
    add_errors(operation, route, components);
}

const fn scope_name(access: Access) -> &'static str {
    match access {
        Access::Public => "none",
        Access::Any => "any",
        Access::Session => "session",
        Access::Scope(scope) => scope.name(),
    }
}

fn add_parameters(operation: &mut Operation, route: &Route) {
    let parameters = operation.parameters.get_or_insert_default();
    let mut of_path = Vec::new();
    for segment in route.path.split('/') {
        let name = segment
            .strip_prefix('{')
            .and_then(|rest| rest.strip_suffix('}'));
        let Some(name) = name else { continue };
        // Whatever utoipa made of the handler's arguments: an id is a UUID.
        parameters.retain(|known| !is_named(known, name, &ParameterIn::Path));
        of_path.push(RefOr::T(path_id(name)));
    }
    parameters.splice(0..0, of_path);
    let mut common = Vec::new();
    if route.access != Access::Public {
        common.push("Tga-Consistency");
    }
    match (route.service(), route.replacement) {
        (Service::Query, None) => {
            if route.access != Access::Public {
                common.push("Tga-Min-Position");
            }
            common.push("If-None-Match");
        }
        (Service::Command, _) if route.verb == Verb::Post => common.push("Idempotency-Key"),
        _ => {}
    }
    // What takes access away is waited for, unless the caller would rather not.
    if route.verb == Verb::Delete && operation.responses.responses.contains_key("202") {
        common.push("Prefer");
    }
    parameters.extend(
        common
            .iter()
            .map(|name| RefOr::Ref(Ref::new(format!("#/components/parameters/{name}")))),
    );
}

fn is_named(parameter: &RefOr<Parameter>, name: &str, place: &ParameterIn) -> bool {
    matches!(parameter, RefOr::T(known) if known.name == name && known.parameter_in == *place)
}

fn path_id(name: &str) -> Parameter {
    let schema = ObjectBuilder::new()
        .schema_type(Type::String)
        .format(Some(SchemaFormat::KnownFormat(KnownFormat::Uuid)))
        .examples(["0192f0c1-2b7e-7c00-8000-00000000abcd"]);
    ParameterBuilder::new()
        .name(name)
        .parameter_in(ParameterIn::Path)
        .required(Required::True)
        .description(Some("The object's id"))
        .schema(Some(schema))
        .build()
}

fn complete_request(operation: &mut Operation, route: &Route, components: &mut Components) {
    let Some(RefOr::T(body)) = operation.request_body.as_mut() else {
        return;
    };
    if route.body == BodyKind::None {
        return;
    }
    for content in body.content.values_mut() {
        let RefOr::T(content) = content else { continue };
        drop_null(content);
        add_example(content, components);
        if route.verb == Verb::Patch
            && let Some(RefOr::Ref(reference)) = &content.schema
            && let Some(name) = reference.ref_location.rsplit('/').next()
            && let Some(RefOr::T(Schema::Object(object))) = components.schemas.get_mut(name)
        {
            object.min_properties = Some(1);
        }
    }
}

/// A body may be left out, which is not a body of null.
fn drop_null(content: &mut Content) {
    let Some(RefOr::T(Schema::OneOf(one_of))) = &content.schema else {
        return;
    };
    let is_null = |schema: &RefOr<Schema>| matches!(schema, RefOr::T(Schema::Object(object)) if object.schema_type == Type::Null.into());
    let (nulls, others): (Vec<_>, Vec<_>) = one_of.items.iter().partition(|item| is_null(item));
    if let ([_], [body]) = (nulls.as_slice(), others.as_slice()) {
        content.schema = Some((*body).clone());
    }
}

fn add_example(content: &mut Content, components: &Components) {
    if content.example.is_none()
        && content.examples.is_empty()
        && let Some(schema) = &content.schema
    {
        content.example = Some(example_of(schema, components));
    }
}

fn complete_successes(operation: &mut Operation, route: &Route, components: &Components) {
    let is_query = route.service() == Service::Query;
    let responses = &mut operation.responses.responses;
    if is_query && route.replacement.is_none() {
        responses.entry("304".to_owned()).or_insert_with(|| {
            let unchanged = ResponseBuilder::new().description("The answer is the one you have");
            RefOr::T(unchanged.build())
        });
    }
    for (status, response) in responses {
        let RefOr::T(response) = response else {
            continue;
        };
        add_headers(response, &["X-Request-Id"]);
        if route.access != Access::Public {
            let metered = [
                "RateLimit",
                "RateLimit-Policy",
                "Tga-Key-Expires-At",
                "Tga-Position",
            ];
            add_headers(response, &metered);
        }
        if is_query {
            add_headers(response, &["ETag"]);
        }
        if route.verb == Verb::Post {
            add_headers(response, &["Idempotency-Replayed"]);
        }
        match status.as_str() {
            "201" => add_headers(response, &["Location"]),
            "202" if route.verb == Verb::Delete => add_headers(response, &["Preference-Applied"]),
            _ => {}
        }
        for (media_type, content) in &mut response.content {
            if let RefOr::T(content) = content
                && media_type == APPLICATION_JSON
            {
                add_example(content, components);
            }
        }
    }
}

fn add_headers(response: &mut Response, names: &[&str]) {
    for name in names {
        response
            .headers
            .entry((*name).to_owned())
            .or_insert_with(|| {
                RefOr::<Header>::Ref(Ref::new(format!("#/components/headers/{name}")))
            });
    }
}

/// One response per status, shared by all operations that refuse with the same codes.
fn add_errors(operation: &mut Operation, route: &Route, components: &mut Components) {
    let mut by_status: BTreeMap<u16, Vec<ErrorCode>> = BTreeMap::new();
    for code in route.codes() {
        by_status
            .entry(code.status().as_u16())
            .or_default()
            .push(code);
    }
    for (status, codes) in by_status {
        for code in &codes {
            components
                .examples
                .entry(code.name().to_owned())
                .or_insert_with(|| RefOr::T(parts::example(*code)));
        }
        let names: Vec<_> = codes.iter().map(|code| code.name()).collect();
        let name = format!("{status}-{}", names.join("-"));
        components
            .responses
            .entry(name.clone())
            .or_insert_with(|| RefOr::T(error_response(status, &codes)));
        operation.responses.responses.insert(
            status.to_string(),
            RefOr::Ref(Ref::from_response_name(name)),
        );
    }
}

fn error_response(status: u16, codes: &[ErrorCode]) -> Response {
    let lines: Vec<_> = codes
        .iter()
        .map(|code| format!("`{code}`: {}", code.title()))
        .collect();
    let mut envelope = ContentBuilder::new()
        .schema(Some(Ref::from_schema_name("ErrorAnswer")))
        .build();
    for code in codes {
        let example = Ref::new(format!("#/components/examples/{code}"));
        envelope
            .examples
            .insert(code.name().to_owned(), RefOr::Ref(example));
    }
    let problem = ContentBuilder::new()
        .schema(Some(Ref::from_schema_name("Problem")))
        .build();
    let mut response = ResponseBuilder::new()
        .description(lines.join("; "))
        .content(APPLICATION_JSON, envelope)
        .content("application/problem+json", problem)
        .build();
    add_headers(&mut response, &["X-Request-Id"]);
    match status {
        401 => add_headers(&mut response, &["WWW-Authenticate"]),
        429 => add_headers(
            &mut response,
            &["RateLimit", "RateLimit-Policy", "Retry-After"],
        ),
        503 => add_headers(&mut response, &["Retry-After"]),
        _ => {}
    }
    response
}
