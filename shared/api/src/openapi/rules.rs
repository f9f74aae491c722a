//! Rules of texts that readers check and a derive does not know: what is refused must be refused by
//! the document too.

use utoipa::openapi::path::{Operation, Parameter};
use utoipa::openapi::schema::{AdditionalProperties, Components, Object, Schema};
use utoipa::openapi::{OpenApi, RefOr};

use crate::header::APPLICATION_NDJSON;

/// No control character, line break or bidirectional override, and something beside spaces
/// ([`domain::text::Line`]).
const LINE: &str = r"^[^\u0000-\u001f\u007f-\u009f\u2028\u2029\u202a-\u202e\u2066-\u2069]*[^\u0000-\u001f\u007f-\u009f\u2028\u2029\u202a-\u202e\u2066-\u2069\s][^\u0000-\u001f\u007f-\u009f\u2028\u2029\u202a-\u202e\u2066-\u2069]*$";
/// The same with line breaks and tabs ([`domain::text::Prose`]).
const PROSE: &str =
    r"^([\t\n\r\u000b\u000c\u0085]|[^\u0000-\u001f\u007f-\u009f\u202a-\u202e\u2066-\u2069])*$";
/// No control character (`input::text::Text::search`).
const SEARCH: &str = r"^[^\u0000-\u001f\u007f-\u009f]*$";
/// At least one line that is not blank.
const LINES: &str = r"[^ \t\r\n]";
/// Filters of the audit trail, by their parameters.
const FILTERS: [(&str, &str); 5] = [
    ("type", TYPES),
    ("actor", ACTOR),
    ("subject", SUBJECT),
    ("from", MOMENT),
    ("to", MOMENT),
];
/// Up to [`domain::limits::AUDIT_TYPES`] types, or `<entity>.*`.
const TYPES: &str = r"^[a-z]+\.(\*|[a-z_]+)(,[a-z]+\.(\*|[a-z_]+)){0,19}$";
const _: () = assert!(domain::limits::AUDIT_TYPES == 1 + 19);
/// As the log writes who caused something.
const ACTOR: &str = r"^(system|(user|key):[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12})$";
/// As the log writes what something is about.
const SUBJECT: &str = r"^[a-z]+/[^/]+(/[^/]+)?$";
/// A day, or an instant.
const MOMENT: &str = r"^[0-9]{4}-[0-9]{2}-[0-9]{2}([Tt][0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,9})?([Zz]|[+-][0-9]{2}:[0-9]{2}))?$";

const NAMES: [&str; 4] = ["name", "org_name", "label", "display_name"];
const NOTES: [&str; 3] = ["readme", "description", "body"];
/// Whose `description` is one line, not notes.
const WITH_LABELS: [&str; 2] = ["CreateWebhook", "ChangeWebhook"];

/// Adds them to a document.
pub(super) fn add(document: &mut OpenApi) {
    if let Some(components) = &mut document.components {
        add_to_objects(components);
    }
    for (path, item) in &mut document.paths.paths {
        let is_trail = path.starts_with("/audit/");
        let operations = [&mut item.get, &mut item.post];
        for operation in operations.into_iter().flatten() {
            add_to_parameters(operation, is_trail);
            add_to_body(operation);
        }
    }
}

fn add_to_objects(components: &mut Components) {
    for (name, schema) in &mut components.schemas {
        let has_label = WITH_LABELS.contains(&name.as_str());
        let RefOr::T(Schema::Object(object)) = schema else {
            continue;
        };
        // What callers write knows no further fields.
        let is_request = matches!(
            object.additional_properties.as_deref(),
            Some(AdditionalProperties::FreeForm(false))
        );
        for (name, property) in &mut object.properties {
            let RefOr::T(Schema::Object(property)) = property else {
                continue;
            };
            add_to_property(name, property, is_request);
            if has_label && name == "description" {
                property.pattern = Some(LINE.to_owned());
            }
        }
    }
}

fn add_to_property(name: &str, property: &mut Object, is_request: bool) {
    if name == "metadata" {
        // Else some readers take it for an object without members.
        property.additional_properties = Some(Box::new(AdditionalProperties::FreeForm(true)));
    }
    if is_request && NAMES.contains(&name) {
        property.pattern = Some(LINE.to_owned());
    }
    if is_request && NOTES.contains(&name) {
        property.pattern = Some(PROSE.to_owned());
    }
}

fn add_to_parameters(operation: &mut Operation, is_trail: bool) {
    for parameter in operation.parameters.iter_mut().flatten() {
        let RefOr::T(Parameter {
            name,
            schema: Some(RefOr::T(Schema::Object(schema))),
            ..
        }) = parameter
        else {
            continue;
        };
        if name == "search" {
            schema.pattern = Some(SEARCH.to_owned());
        }
        let filter = FILTERS.iter().find(|(of, _)| is_trail && of == name);
        if let Some((_, pattern)) = filter {
            schema.pattern = Some((*pattern).to_owned());
        }
    }
}

fn add_to_body(operation: &mut Operation) {
    let Some(RefOr::T(body)) = operation.request_body.as_mut() else {
        return;
    };
    let Some(RefOr::T(lines)) = body.content.get_mut(APPLICATION_NDJSON) else {
        return;
    };
    if let Some(RefOr::T(Schema::Object(schema))) = &mut lines.schema {
        schema.min_length = Some(1);
        schema.pattern = Some(LINES.to_owned());
    }
}
