use super::*;

fn route(method: &Method, path: &str) -> Found {
    find(method, &format!("{BASE_PATH}{path}"))
}

fn text_of(found: Found) -> Option<&'static str> {
    match found {
        Found::Route(route) => Some(route.path),
        Found::MethodNotAllowed(_) | Found::Nothing { .. } => None,
    }
}

#[test]
fn a_literal_path_comes_before_one_with_an_id() {
    assert_eq!(
        text_of(route(&Method::GET, "/api-keys/self")),
        Some("/api-keys/self")
    );
    assert_eq!(
        text_of(route(&Method::GET, "/api-keys/0192f0c1")),
        Some("/api-keys/{id}")
    );
    assert_eq!(
        text_of(route(&Method::GET, "/videos/1/stats")),
        Some("/videos/{id}/stats")
    );
    for (index, early) in ROUTES.iter().enumerate() {
        for late in &ROUTES[index + 1..] {
            assert!(
                early.path == late.path || !early.matches(late.path),
                "{} hides {}",
                early.path,
                late.path
            );
        }
    }
}

#[test]
fn another_method_is_405_with_those_of_the_path() {
    assert_eq!(
        route(&Method::PUT, "/projects/1"),
        Found::MethodNotAllowed("GET, HEAD, PATCH, DELETE")
    );
    assert_eq!(
        route(&Method::PATCH, "/api-keys/self"),
        Found::MethodNotAllowed("GET, HEAD, DELETE")
    );
    assert_eq!(
        route(&Method::OPTIONS, "/analytics"),
        Found::MethodNotAllowed("GET, HEAD")
    );
    assert_eq!(
        text_of(route(&Method::HEAD, "/projects")),
        Some("/projects")
    );
}

#[test]
fn unknown_paths_are_404_and_admin_needs_its_scope() {
    for path in [
        "",
        "/",
        "/project",
        "/projects/",
        "/projects/1/",
        "/projects//creators",
        "//projects",
        "/Projects",
        "/%70rojects",
        "/projects/1/creators/2",
        "/administration",
    ] {
        assert_eq!(
            route(&Method::GET, path),
            Found::Nothing { required: None },
            "{path}"
        );
    }
    assert_eq!(
        find(&Method::GET, "/projects"),
        Found::Nothing { required: None }
    );
    for path in ["/admin", "/admin/orgs/1"] {
        assert_eq!(
            route(&Method::POST, path),
            Found::Nothing {
                required: Some(Scope::Admin)
            }
        );
    }
}

#[test]
fn each_route_stands_once_and_allow_names_its_bits() {
    for (index, route) in ROUTES.iter().enumerate() {
        assert!(
            !ROUTES[..index]
                .iter()
                .any(|before| before.verb == route.verb && before.path == route.path),
            "{} {}",
            route.verb.name(),
            route.path
        );
    }
    for (bits, text) in ALLOW.iter().enumerate() {
        for verb in Verb::ALL {
            assert_eq!(
                text.split(", ").any(|name| name == verb.name()),
                bits & verb.bit() != 0,
                "{text}"
            );
        }
    }
}

#[test]
fn codes_are_complete_and_alphabetical() {
    let codes_of = |verb: Verb, path: &str| {
        let found = ROUTES
            .iter()
            .find(|route| route.verb == verb && route.path == path);
        found.map(Route::codes).unwrap_or_default()
    };
    assert_eq!(
        codes_of(Verb::Get, "/openapi.json"),
        [ErrorCode::InternalError]
    );
    let names: Vec<_> = codes_of(Verb::Post, "/projects")
        .into_iter()
        .map(ErrorCode::name)
        .collect();
    assert_eq!(
        names,
        [
            "conflict",
            "idempotency_in_progress",
            "idempotency_key_reused",
            "idempotency_mismatch",
            "insufficient_scope",
            "internal_error",
            "invalid_api_key",
            "invalid_body",
            "invalid_params",
            "invalid_query",
            "ip_not_allowed",
            "key_revocation_in_progress",
            "limit_reached",
            "not_committed",
            "org_suspended",
            "outcome_unknown",
            "payload_too_large",
            "precondition_failed",
            "rate_limit_exceeded",
            "request_timeout",
            "unsupported_media_type",
            "user_suspended",
            "verification_unavailable",
        ]
    );
}

#[test]
fn commands_write_and_queries_read() {
    for route in ROUTES {
        let (is_get, path) = (route.verb == Verb::Get, route.path);
        assert_eq!(route.service() == Service::Query, is_get, "{path}");
        assert!(
            !is_get || route.access != Access::Scope(Scope::Write),
            "{path}"
        );
        assert!(
            is_get || route.access != Access::Scope(Scope::Read),
            "{path}"
        );
    }
}

#[test]
fn after_the_route_come_scope_and_kind_of_caller() {
    let admit = |method: &Method, path: &str, scopes: Scopes| {
        route(method, path)
            .admit(scopes, false)
            .map(|route| route.path)
    };
    let read = Scopes::NONE.with(Scope::Read);
    assert_eq!(
        admit(&Method::GET, "/projects", read).ok(),
        Some("/projects")
    );
    assert_eq!(
        admit(&Method::GET, "/api-keys/self", Scopes::NONE).ok(),
        Some("/api-keys/self")
    );
    for (method, path, scopes, code) in [
        (
            Method::POST,
            "/projects",
            read,
            ErrorCode::InsufficientScope,
        ),
        (
            Method::PUT,
            "/projects",
            Scopes::NONE,
            ErrorCode::MethodNotAllowed,
        ),
        (Method::GET, "/nowhere", Scopes::NONE, ErrorCode::NotFound),
        (
            Method::GET,
            "/admin/x",
            Scopes::ORG_ADMIN,
            ErrorCode::InsufficientScope,
        ),
        (Method::GET, "/admin/x", Scopes::ALL, ErrorCode::NotFound),
    ] {
        let refused = admit(&method, path, scopes).map_err(|error| error.code());
        assert_eq!(refused, Err(code), "{method} {path}");
    }
}
