//! Parameters that are one of a few names, for the document.

/// A type that is only described: one of these names, and which it is unless given. Written in place
/// (`inline`), so that its default is a part of it: beside an enumeration it would be a schema that
/// nothing fits.
macro_rules! choices {
    ($($type:ident: $names:expr, $default:expr;)+) => {$(
        enum $type {}

        impl utoipa::PartialSchema for $type {
            fn schema() -> utoipa::openapi::RefOr<utoipa::openapi::schema::Schema> {
                api::openapi::choice($names, $default).into()
            }
        }

        impl utoipa::ToSchema for $type {}
    )+};
}

pub(super) use choices;
