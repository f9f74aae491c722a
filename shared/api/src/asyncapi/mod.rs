//! The AsyncAPI 3.0 document of what the service sends by itself: events on NATS, over server-sent
//! events, to webhooks and in exports. Made from the catalogue of events, so it has all of them.

mod apart;
mod parts;
#[cfg(test)]
mod tests;

use domain::event::EventType;
use serde_json::{Map, Value, json};

use crate::openapi::API_VERSION;

/// One version of one event type, by the name that channels and files know it by.
struct Versioned {
    event_type: EventType,
    version: u16,
}

/// The whole document.
pub fn document() -> Value {
    let versions: Vec<_> = versions().collect();
    let mut schemas = Map::from_iter([("CloudEvent".to_owned(), parts::cloud_event())]);
    let mut messages = apart::messages();
    for versioned in &versions {
        let name = versioned.name();
        let mut data = versioned.schema();
        take_definitions(&mut data, &mut schemas);
        messages.insert(name.clone(), versioned.message());
        schemas.insert(name, data);
    }
    json!({
        "asyncapi": "3.0.0",
        "info": parts::info(API_VERSION),
        "defaultContentType": parts::CLOUD_EVENT_TYPE,
        "servers": parts::servers(),
        "channels": parts::channels(&of_channel(&versions)),
        "operations": parts::operations(),
        "components": {
            "messages": messages,
            "schemas": schemas,
            "securitySchemes": parts::security_schemes(),
        },
    })
}

/// Every version of every type, the newest first.
fn versions() -> impl Iterator<Item = Versioned> {
    EventType::ALL.iter().flat_map(|&event_type| {
        let versions = (1..=event_type.schema_version()).rev();
        versions.map(move |version| Versioned {
            event_type,
            version,
        })
    })
}

/// The messages of a channel that carries every event.
fn of_channel(versions: &[Versioned]) -> Value {
    let named = versions.iter().map(|versioned| {
        let name = versioned.name();
        let message = json!({ "$ref": format!("#/components/messages/{name}") });
        (name, message)
    });
    Value::Object(named.collect())
}

/// Definitions that types share stand once, among the components.
fn take_definitions(schema: &mut Value, schemas: &mut Map<String, Value>) {
    let Some(members) = schema.as_object_mut() else {
        return;
    };
    members.remove("$schema");
    let definitions = members.remove("$defs");
    point_to_components(schema);
    if let Some(Value::Object(definitions)) = definitions {
        for (name, mut definition) in definitions {
            point_to_components(&mut definition);
            schemas.insert(name, definition);
        }
    }
}

fn point_to_components(schema: &mut Value) {
    match schema {
        Value::Object(members) => {
            if let Some(Value::String(reference)) = members.get_mut("$ref") {
                *reference = reference.replace("#/$defs/", "#/components/schemas/");
            }
            members.values_mut().for_each(point_to_components);
        }
        Value::Array(items) => items.iter_mut().for_each(point_to_components),
        _ => {}
    }
}

impl Versioned {
    /// For example `key.revoked.v1`.
    fn name(&self) -> String {
        format!("{}.v{}", self.event_type.name(), self.version)
    }

    fn schema(&self) -> Value {
        let text = self.event_type.schema_text(self.version);
        let text = text.expect("every version up to the current one has its schema");
        serde_json::from_str(&text).expect("schemas are JSON")
    }

    fn message(&self) -> Value {
        let name = self.name();
        let schema = self.schema();
        json!({
            "name": format!("com.trackagoat.{name}"),
            "title": name,
            "summary": schema["description"],
            "contentType": parts::CLOUD_EVENT_TYPE,
            "payload": { "allOf": [
                { "$ref": "#/components/schemas/CloudEvent" },
                { "type": "object", "properties": {
                    "type": { "const": format!("com.trackagoat.{name}") },
                    "dataschema": { "const": format!("/schemas/events/{name}.json") },
                    "stream": { "const": self.event_type.stream().name() },
                    "data": { "$ref": format!("#/components/schemas/{name}") },
                } },
            ] },
        })
    }
}
