//! Which page follows when somebody has signed in.

use serde::{Deserialize, Serialize};

use crate::form::Fields;
use crate::visit::is_place;

/// What is said where something was sent without a session, and again once there is one.
const UNSENT: &str = "Your session had ended, so what you sent just now was not done.";

/// Where a sign-in leads.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(default)]
pub struct Next {
    /// A page of ours; empty for the start page.
    #[serde(rename = "next")]
    place: String,
    /// Something unless nothing was sent there in vain.
    unsent: String,
}

impl Next {
    /// The page from which somebody is sent to sign in, and whether they had sent something there.
    pub fn new(place: &str, is_unsent: bool) -> Self {
        Self {
            place: place.to_owned(),
            unsent: if is_unsent { "1" } else { "" }.to_owned(),
        }
    }

    /// As a form carries it.
    pub fn sent(fields: &Fields) -> Self {
        Self::new(fields.text("next"), fields.is_ticked("unsent"))
    }

    /// The page of ours; none for the start page.
    pub fn place(&self) -> Option<&str> {
        let place = Some(self.place.as_str());
        place.filter(|place| *place != "/" && is_place(place))
    }

    /// Whether something was sent in vain.
    pub fn is_unsent(&self) -> bool {
        !self.unsent.is_empty()
    }

    /// What whoever is to sign in is told of what they sent.
    pub fn warning(&self) -> Option<String> {
        self.is_unsent()
            .then(|| format!("{UNSENT} Sign in, and send it once more, unless it was done before."))
    }

    /// What they are told once they have.
    pub fn reminder(&self) -> Option<String> {
        self.is_unsent().then(|| {
            format!(
                "{UNSENT} You are signed in again: send it once more, unless it was done before."
            )
        })
    }

    /// The address of a page that signs in and leads on to this one.
    pub fn after(&self, path: &str) -> String {
        let mut query = url::form_urlencoded::Serializer::new(String::new());
        if let Some(place) = self.place() {
            query.append_pair("next", place);
        }
        if self.is_unsent() {
            query.append_pair("unsent", "1");
        }
        match query.finish() {
            query if query.is_empty() => path.to_owned(),
            query => format!("{path}?{query}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Next;

    #[test]
    fn the_page_that_follows_is_kept_whole() {
        let after = |place, is_unsent| Next::new(place, is_unsent).after("/login");
        assert_eq!(after("", false), "/login");
        assert_eq!(after("/", true), "/login?unsent=1");
        assert_eq!(
            after("/audit?type=key.*&from=2026-01-01#x", true),
            "/login?next=%2Faudit%3Ftype%3Dkey.*%26from%3D2026-01-01%23x&unsent=1"
        );
    }

    #[test]
    fn nobody_is_led_elsewhere() {
        for place in ["//example.com", "https://example.com", "/\\example.com"] {
            assert_eq!(Next::new(place, false).place(), None);
            assert_eq!(Next::new(place, false).after("/login"), "/login");
        }
    }

    #[test]
    fn only_who_sent_something_hears_that_it_was_not_done() {
        assert_eq!(Next::new("/x", false).warning(), None);
        assert_eq!(Next::new("/x", false).reminder(), None);
        let sent = Next::new("/x", true);
        for said in [sent.warning(), sent.reminder()] {
            assert!(said.is_some_and(|said| said.contains("was not done")));
        }
    }
}
