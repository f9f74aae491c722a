//! Where in an API, with what was asked for: every part is escaped here and nowhere else.

use std::fmt::Display;

use api::BASE_PATH;
use url::Url;

/// A path, and its parameters.
#[derive(Debug, Clone)]
pub struct Path {
    segments: Vec<String>,
    query: Vec<(&'static str, String)>,
}

impl Path {
    /// Below `/api/v1`.
    pub fn v1(segments: &[&str]) -> Self {
        let base = BASE_PATH.split('/').filter(|segment| !segment.is_empty());
        let segments = base.chain(segments.iter().copied());
        Self {
            segments: segments.map(ToOwned::to_owned).collect(),
            query: Vec::new(),
        }
    }

    /// Below `/auth`.
    pub fn auth(segments: &[&str]) -> Self {
        let segments = ["auth"].into_iter().chain(segments.iter().copied());
        Self {
            segments: segments.map(ToOwned::to_owned).collect(),
            query: Vec::new(),
        }
    }

    /// Whether the gate stands before what is there, which looks at a credential before anything is done.
    pub fn is_behind_gate(&self) -> bool {
        self.segments.first().is_some_and(|first| first != "auth")
    }

    /// What stands below, such as the thing with this id.
    #[must_use]
    pub fn join(mut self, segment: impl Display) -> Self {
        self.segments.push(segment.to_string());
        self
    }

    /// With a parameter.
    #[must_use]
    pub fn with(mut self, name: &'static str, value: impl Display) -> Self {
        self.query.push((name, value.to_string()));
        self
    }

    /// With a parameter, if it has a value.
    #[must_use]
    pub fn with_some(self, name: &'static str, value: Option<impl Display>) -> Self {
        match value {
            Some(value) => self.with(name, value),
            None => self,
        }
    }

    /// At that base.
    pub fn at(&self, base: &Url) -> Url {
        let mut url = base.clone();
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.pop_if_empty().extend(&self.segments);
        }
        if !self.query.is_empty() {
            url.query_pairs_mut().extend_pairs(&self.query);
        }
        url
    }
}

#[cfg(test)]
mod tests {
    use super::Path;

    #[test]
    fn whatever_stands_in_a_part_stays_in_it() {
        let base = "http://127.0.0.1:8080/".parse().expect("a base");
        let path = Path::v1(&["api-keys", "../orgs/self?x=y#z"]).with("search", "a&b=c d");
        assert_eq!(
            path.at(&base).as_str(),
            "http://127.0.0.1:8080/api/v1/api-keys/..%2Forgs%2Fself%3Fx=y%23z?search=a%26b%3Dc+d"
        );
        let joined = Path::v1(&["api-keys"]).join("../x").join("rotate");
        let joined = joined
            .with_some("search", Some("a"))
            .with_some("cursor", None::<&str>);
        assert_eq!(
            joined.at(&base).as_str(),
            "http://127.0.0.1:8080/api/v1/api-keys/..%2Fx/rotate?search=a"
        );
        let dots = Path::v1(&["api-keys", ".."]).at(&base);
        assert_eq!(dots.as_str(), "http://127.0.0.1:8080/api/v1/api-keys");
    }
}
