//! Figures and creators as v1 writes them.

use api::v1::{CreatorCard, Figure};
use domain::platform::Platform;
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
    let handle = found.handle.as_str().to_owned();
    CreatorCard {
        id: found.id,
        platform: found.platform,
        tiktok_handle: (found.platform == Platform::Tiktok).then(|| handle.clone()),
        handle,
        display_name: found.display_name.clone(),
        avatar_url: found.avatar_url.clone(),
    }
}
