use api::route::{Access, ROUTES, Route, Service, Verb};
use http::Method;
use serde_json::{Value, json};
use uuid::Uuid;

use super::{World, ingest_line};

/// A request that succeeds.
pub struct Good {
    pub method: Method,
    pub path: String,
    pub media_type: &'static str,
    pub body: Option<String>,
    pub status: u16,
}

/// Every route of the command service.
pub fn command_routes() -> impl Iterator<Item = &'static Route> {
    ROUTES
        .iter()
        .filter(|route| route.service() == Service::Command)
}

/// A request to the route that succeeds in a fresh world. A route that is not here has no test:
/// this panics, and with it every test of the matrix.
pub fn good(route: &Route, world: &World) -> Good {
    let (status, body) = match (route.verb.name(), route.path) {
        ("POST", "/api-keys") => (201, Some(json!({"name": "Reporting"}))),
        ("PATCH", "/api-keys/{id}") => (200, Some(json!({"name": "Renamed"}))),
        ("POST", "/api-keys/{id}/rotate") => (201, Some(json!({"overlap_seconds": 60}))),
        ("PATCH", "/orgs/self") => (200, Some(json!({"name": "Acme GmbH"}))),
        ("PATCH", "/members/{user_id}") => (200, Some(json!({"role": "admin"}))),
        ("POST", "/invitations") => (201, Some(json!({"email": "alan@example.com"}))),
        ("POST", "/invitations/{id}/accept" | "/invitations/{id}/decline") => {
            (200, Some(json!({})))
        }
        ("POST", "/sessions") => (201, Some(json!({"org_id": world.elsewhere}))),
        ("POST", "/projects") => (201, Some(json!({"name": "Another"}))),
        ("PATCH", "/projects/{id}") => (200, Some(json!({"readme": "Target: 1 M views"}))),
        ("POST", "/projects/{id}/creators") => (201, Some(json!({"handle": "somebody.new"}))),
        ("PATCH", "/creators/{id}") => (200, Some(json!({"tracking_mode": "selective"}))),
        ("POST", "/projects/{id}/creators/bulk-reenable") => {
            (200, Some(json!({"creator_ids": [world.disabled_creator]})))
        }
        ("POST", "/projects/{id}/creators/bulk-remove") => {
            (200, Some(json!({"creator_ids": [world.creator]})))
        }
        ("POST", "/projects/{id}/videos") => {
            let url = "https://www.youtube.com/watch?v=dQw4w9WgXcQ";
            (201, Some(json!({"url": url})))
        }
        ("PATCH", "/videos/{id}") => (200, Some(json!({"tracking_enabled": false}))),
        ("POST", "/videos/{id}/review") => (200, Some(json!({"decision": "include"}))),
        (
            "POST",
            "/videos/{id}/tracking-disable"
            | "/webhooks/{id}/rotate-secret"
            | "/webhooks/{id}/test",
        ) => (200, Some(json!({}))),
        ("POST", "/projects/{id}/videos/bulk-tracking-disable") => {
            (200, Some(json!({"video_ids": [world.direct_video]})))
        }
        ("POST", "/projects/{id}/inbox/review") => {
            let body = json!({"decision": "exclude", "video_ids": [world.pending_video]});
            (200, Some(body))
        }
        ("POST", "/projects/{id}/campaigns") => (
            201,
            Some(json!({"name": "Launch", "target_views": 1_000_000})),
        ),
        ("PATCH", "/campaigns/{id}") => (200, Some(json!({"target_at": "2026-06-01T00:00:00Z"}))),
        ("POST", "/campaigns/{id}/items") => {
            let item = json!({"item_type": "video", "item_id": world.direct_video});
            (201, Some(item))
        }
        ("POST", "/projects/{id}/goals") => {
            let goal = json!({"creator_id": world.creator, "metric": "views", "period": "weekly",
                "target_value": 5_000});
            (201, Some(goal))
        }
        ("PATCH", "/goals/{id}") => (200, Some(json!({"is_active": false}))),
        ("POST", "/analytics/annotations") => {
            let mark =
                json!({"project_id": world.project, "date": "2026-03-02", "label": "Spring"});
            (201, Some(mark))
        }
        ("PATCH", "/analytics/annotations/{id}") => (200, Some(json!({"label": "Summer"}))),
        ("POST", "/webhooks") => (
            201,
            Some(json!({"url": "https://hooks.example.com/in", "types": ["key.*"]})),
        ),
        ("PATCH", "/webhooks/{id}") => (200, Some(json!({"description": "To the pager"}))),
        ("POST", "/webhooks/{id}/deliveries/{delivery_id}/resend") => (202, Some(json!({}))),
        ("POST", "/ingest/observations")
        | (
            "DELETE",
            "/api-keys/self"
            | "/api-keys/{id}"
            | "/members/self"
            | "/members/{user_id}"
            | "/invitations/{id}"
            | "/sessions/self"
            | "/sessions/{id}"
            | "/projects/{id}"
            | "/creators/{id}"
            | "/videos/{id}"
            | "/campaigns/{id}"
            | "/campaigns/{id}/items"
            | "/goals/{id}"
            | "/analytics/annotations/{id}"
            | "/webhooks/{id}",
        ) => (200, None),
        (verb, path) => panic!("{verb} {path} has no test: say here how it succeeds"),
    };
    let (media_type, body) = if route.path == "/ingest/observations" {
        ("application/x-ndjson", Some(stats_line()))
    } else {
        ("application/json", body.as_ref().map(Value::to_string))
    };
    Good {
        method: method_of(route),
        path: path_with(route, world, &id_of(route, world).to_string()),
        media_type,
        body,
        status,
    }
}

/// The path of the route for a thing, with the parameters that it needs.
pub fn path_with(route: &Route, world: &World, id: &str) -> String {
    let delivery = world.delivery.to_string();
    let path = in_path(&route.path.replace("{delivery_id}", &delivery), id);
    match (route.verb, route.path) {
        (Verb::Delete, "/campaigns/{id}/items") => {
            format!("{path}?item_type=creator&item_id={}", world.creator)
        }
        _ => path,
    }
}

pub fn method_of(route: &Route) -> Method {
    match route.verb {
        Verb::Get => Method::GET,
        Verb::Post => Method::POST,
        Verb::Patch => Method::PATCH,
        Verb::Delete => Method::DELETE,
    }
}

/// The route's path with this id in it.
pub fn with_id(route: &Route, id: &str) -> String {
    in_path(&route.path.replace("{delivery_id}", id), id)
}

fn in_path(path: &str, id: &str) -> String {
    path.replace("{id}", id).replace("{user_id}", id)
}

/// The credential that a route is for.
pub fn secret_of<'a>(route: &Route, world: &'a World) -> &'a str {
    match (route.access, route.path) {
        // The other admin may not leave alone.
        (Access::Session, "/members/self") => &world.member.secret,
        (Access::Session, _) => &world.admin.secret,
        _ => &world.org.secret,
    }
}

/// What the id in the path names.
fn id_of(route: &Route, world: &World) -> Uuid {
    match route.path.split('/').nth(1) {
        Some("api-keys") => world.key,
        Some("members") => world.member.id.as_uuid(),
        Some("invitations") if route.access == Access::Session => world.received,
        Some("invitations") => world.invitation,
        Some("sessions") => world.session,
        Some("creators") => world.creator,
        Some("campaigns") => world.campaign,
        Some("goals") => world.goal,
        Some("webhooks") => world.webhook,
        Some("analytics") => world.annotation,
        Some("videos") if route.path.ends_with("/review") => world.pending_video,
        Some("videos") => world.direct_video,
        _ => world.project,
    }
}

fn stats_line() -> String {
    ingest_line(&json!({"kind": "video_stats", "platform": "tiktok",
        "platform_video_id": "7000000000000000003", "observed_at": "2026-01-05T05:00:00Z",
        "view_count": 5}))
}
