//! Addresses of pages: what one asks for, and how one is written.

use std::convert::Infallible;

use axum::extract::FromRequestParts;
use http::request::Parts;
use url::form_urlencoded::{self, Serializer};

/// What a page was asked for, as it was typed: what cannot be is for the API to refuse.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Parameters(Vec<(String, String)>);

impl Parameters {
    /// Those of a query.
    pub fn parse(query: &str) -> Self {
        let pairs = form_urlencoded::parse(query.as_bytes());
        Self(pairs.into_owned().collect())
    }

    /// A parameter's text, trimmed; of several the first; empty if it is not there.
    pub fn get(&self, name: &str) -> &str {
        let found = self.0.iter().find(|(of, _)| of == name);
        found.map_or("", |(_, value)| value.trim())
    }
}

impl<S: Sync> FromRequestParts<S> for Parameters {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        Ok(Self::parse(parts.uri.query().unwrap_or_default()))
    }
}

/// What was filled in, if something was.
pub fn filled(text: &str) -> Option<&str> {
    Some(text.trim()).filter(|text| !text.is_empty())
}

/// The address of a page with these parameters, without the empty ones.
pub fn link<'a>(place: &str, parameters: impl IntoIterator<Item = (&'a str, &'a str)>) -> String {
    let mut query = Serializer::new(String::new());
    for (name, value) in parameters {
        if let Some(value) = filled(value) {
            query.append_pair(name, value);
        }
    }
    match query.finish() {
        query if query.is_empty() => place.to_owned(),
        query => format!("{place}?{query}"),
    }
}

#[cfg(test)]
mod tests {
    use super::{Parameters, link};

    #[test]
    fn an_address_has_what_was_filled_in() {
        assert_eq!(link("/x", []), "/x");
        let parameters = [("search", " a&b "), ("status", ""), ("cursor", "c=")];
        assert_eq!(link("/x", parameters), "/x?search=a%26b&cursor=c%3D");
    }

    #[test]
    fn whatever_stands_in_an_address_is_read() {
        let asked = Parameters::parse("search=+a%26b+&search=second&%ff=1&empty=");
        assert_eq!(asked.get("search"), "a&b");
        assert_eq!((asked.get("empty"), asked.get("missing")), ("", ""));
    }
}
