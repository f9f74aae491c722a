//! Figures and creators as v1 writes them.

use api::v1::{CreatorCard, Figure};
use read_model::analytics::{Decimal4, Value};

/// A figure.
pub fn figure(value: Value) -> Figure {
    match value {
        Value::Count(count) => Figure::Count(count),
        Value::Decimal(decimal) => decimal_figure(decimal),
    }
}

/// A derived figure.
pub fn decimal_figure(decimal: Decimal4) -> Figure {
    let scaled = decimal.scaled();
    let bound = if scaled < 0 { i64::MIN } else { i64::MAX };
    Figure::Decimal(i64::try_from(scaled).unwrap_or(bound))
}

/// A creator in a row.
pub fn creator_card(found: &read_model::CreatorCard) -> CreatorCard {
    CreatorCard::new(
        found.id,
        found.platform,
        found.handle.as_str(),
        found.display_name.clone(),
        found.avatar_url.clone(),
    )
}
