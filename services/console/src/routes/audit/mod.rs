//! The audit trail: what happened, how it stood, and what proves both.

mod as_of;
mod event;
mod export;
mod filters;
mod head;
mod moment;
mod names;
mod sentence;
mod trail;

use axum::Router;
use axum::routing::get;

use crate::app::Shared;

/// Events of a page.
const PAGE: u16 = 50;

/// The pages.
pub fn pages() -> Router<Shared> {
    Router::new()
        .route("/audit", get(trail::show))
        .route("/audit/as-of", get(as_of::show))
        .route("/audit/export", get(export::download))
        .route("/audit/events/{position}", get(event::show))
}

/// Something that was filled in.
fn filled(text: &str) -> Option<&str> {
    Some(text.trim()).filter(|text| !text.is_empty())
}

/// A page with parameters, of which empty ones are left out.
fn place(path: &str, parameters: &[(&str, &str)]) -> String {
    let filled = parameters.iter().filter(|(_, value)| !value.is_empty());
    let mut query = url::form_urlencoded::Serializer::new(String::new());
    query.extend_pairs(filled);
    let query = query.finish();
    if query.is_empty() {
        return path.to_owned();
    }
    format!("{path}?{query}")
}

#[cfg(test)]
mod tests {
    use super::place;

    #[test]
    fn a_place_has_what_was_filled_in() {
        assert_eq!(place("/audit", &[("type", ""), ("to", "")]), "/audit");
        assert_eq!(
            place(
                "/audit",
                &[("type", "key.*"), ("to", ""), ("cursor", "a&b")]
            ),
            "/audit?type=key.*&cursor=a%26b"
        );
    }
}
