//! CloudEvents that are sent and are no events of the log: they have no place in it, and no chain.

use serde_json::{Map, Value, json};

use super::parts::CLOUD_EVENT_TYPE;

/// What is sent for a test of a webhook.
pub const WEBHOOK_TEST: &str = "webhook.test.v1";
/// What a sealed export ends with.
pub const EXPORT_SEALED: &str = "export.sealed.v1";

/// Both messages, by their names.
pub fn messages() -> Map<String, Value> {
    let id = json!({ "type": "string", "format": "uuid", "description": "The webhook." });
    let mut test = message(
        WEBHOOK_TEST,
        "What `POST /webhooks/{id}/test` sends. It happened nowhere: `webhook-id` is its own id.",
        &json!({ "webhook_id": id }),
    );
    let subject = json!({ "type": "string", "description": "`webhooks/` and the webhook's id." });
    test["payload"]["properties"]["subject"] = subject;
    if let Some(required) = test["payload"]["required"].as_array_mut() {
        required.push(json!("subject"));
    }
    let note = |description: &str| json!({ "type": "string", "description": description });
    let sealed = message(
        EXPORT_SEALED,
        "The last line of an export that was asked for with `seal=true`.",
        &json!({
            "seal": note("A signed note: where each of the org's two streams ends."),
            "checkpoint": note("A signed note: the log's tree that the seal is of."),
        }),
    );
    Map::from_iter([
        (WEBHOOK_TEST.to_owned(), test),
        (EXPORT_SEALED.to_owned(), sealed),
    ])
}

/// A message whose data has these members, all of them always.
fn message(name: &str, summary: &str, data: &Value) -> Value {
    let required: Vec<_> = data.as_object().into_iter().flat_map(Map::keys).collect();
    json!({
        "name": format!("com.trackagoat.{name}"),
        "title": name,
        "summary": summary,
        "contentType": CLOUD_EVENT_TYPE,
        "payload": {
            "type": "object",
            "required": [
                "specversion", "id", "source", "type", "time", "datacontenttype", "data",
            ],
            "properties": {
                "specversion": { "const": "1.0" },
                "id": { "type": "string", "format": "uuid", "description": "Its own." },
                "source": { "type": "string", "description": "`/orgs/` and the org's id." },
                "type": { "const": format!("com.trackagoat.{name}") },
                "time": { "type": "string", "format": "date-time", "description": "When it was made." },
                "datacontenttype": { "const": "application/json" },
                "data": { "type": "object", "required": required, "properties": data },
            },
        },
    })
}
