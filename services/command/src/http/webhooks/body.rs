//! Fields that several calls on webhooks read alike.

use api::error::ApiError;
use api::input::issue::{Invalid, Issues};
use api::input::node::Node;
use domain::event::TypePattern;
use domain::limits::WEBHOOK_TYPES;
use domain::webhook::WebhookUrl;

use crate::http::App;

/// Patterns of event types; one that is repeated counts once.
pub(super) fn types(node: Node<'_>) -> Result<Vec<TypePattern>, Invalid> {
    let mut types = node.list(0..=WEBHOOK_TYPES, |item| item.parse(TypePattern::parse))?;
    let mut seen = std::collections::HashSet::new();
    types.retain(|pattern| seen.insert(pattern.clone()));
    Ok(types)
}

/// Refuses an address that nothing may be sent to.
pub(super) fn judge(app: &App, url: Option<&WebhookUrl>) -> Result<(), ApiError> {
    let judged = url.map_or(Ok(()), |url| app.webhooks().judge(url));
    judged.map_err(|why| ApiError::invalid_body(&Issues::one("url", why.to_string())))
}
