//! What is wrong with a form, beside its fields.

use crate::client::Refusal;
use crate::text::{capitalized, words};

/// What was wrong with what was sent; nothing on a new form.
#[derive(Debug, Clone, Default)]
pub struct Errors {
    summary: Option<String>,
    fields: Vec<(String, String)>,
    request_id: Option<String>,
    look: Option<(&'static str, &'static str)>,
}

const OF_FIELDS: &str = "Some of it cannot be taken. Nothing was changed.";

impl Errors {
    /// What the API refused, and why.
    pub fn of_refusal(refusal: &Refusal) -> Self {
        let issues = refusal.issues().into_iter();
        let mut fields: Vec<_> = issues
            .map(|issue| {
                (
                    field_of(&issue.path).to_owned(),
                    capitalized(&issue.message),
                )
            })
            .collect();
        // What is wrong with several parts of a field stands beside it once.
        fields.dedup();
        let summary = if fields.is_empty() {
            capitalized(&refusal.message)
        } else {
            OF_FIELDS.to_owned()
        };
        Self {
            summary: Some(summary),
            fields,
            request_id: refusal.request_id.clone(),
            look: None,
        }
    }

    /// That one field cannot be taken.
    pub fn of_field(field: &str, text: impl Into<String>) -> Self {
        Self::of_fields([(field, text.into())])
    }

    /// That these fields cannot be taken.
    pub fn of_fields<'a>(fields: impl IntoIterator<Item = (&'a str, String)>) -> Self {
        let fields = fields.into_iter();
        Self {
            summary: Some(OF_FIELDS.to_owned()),
            fields: fields.map(|(name, text)| (name.to_owned(), text)).collect(),
            ..Self::default()
        }
    }

    /// That the whole cannot be taken.
    pub fn of_form(text: impl Into<String>) -> Self {
        Self {
            summary: Some(text.into()),
            ..Self::default()
        }
    }

    /// That the form was sent before, and that is not done yet; what it makes stands at a place with a name.
    /// `lost` says what to do if nobody saw the answer that showed it.
    pub fn sent_twice(place: &'static str, name: &'static str, lost: &str) -> Self {
        Self {
            look: Some((place, name)),
            ..Self::of_form(format!(
                "This form was sent twice, and the first time is still being worked on. It is done once \
                 all the same: look in a moment. {lost}"
            ))
        }
    }

    /// What is wrong with a field.
    pub fn of(&self, name: &str) -> Option<&str> {
        let found = self.fields.iter().find(|(field, _)| field == name);
        found.map(|(_, text)| text.as_str())
    }

    /// What is wrong with the whole.
    pub fn summary(&self) -> Option<&str> {
        self.summary.as_deref()
    }

    /// The same as a list: each field, what it is called (`Rate limit per minute`), and what is wrong with it.
    pub fn listed(&self) -> Vec<(&str, String, &str)> {
        let fields = self.fields.iter();
        fields
            .map(|(name, text)| (name.as_str(), capitalized(&words(name)), text.as_str()))
            .collect()
    }

    /// What is wrong with which field, to go there.
    pub fn fields(&self) -> &[(String, String)] {
        &self.fields
    }

    /// Where to look what was done, and what that is called.
    pub fn look(&self) -> Option<(&'static str, &'static str)> {
        self.look
    }

    /// Under which id the request is known, for whoever asks for help.
    pub fn request_id(&self) -> Option<&str> {
        self.request_id.as_deref()
    }

    /// Attributes of a control, or of a group of them, that tie it to its help and to what is wrong with it.
    pub fn ties(&self, name: &str, has_help: bool) -> String {
        let is_wrong = self.of(name).is_some();
        let help = has_help.then(|| format!("{name}-help"));
        let error = is_wrong.then(|| format!("{name}-error"));
        let said: Vec<_> = error.into_iter().chain(help).collect();
        let invalid = if is_wrong {
            " aria-invalid=\"true\""
        } else {
            ""
        };
        match said.join(" ") {
            said if said.is_empty() => format!("id=\"{name}\"{invalid}"),
            said => format!("id=\"{name}\"{invalid} aria-describedby=\"{said}\""),
        }
    }
}

/// `ip_allowlist[2]` is about `ip_allowlist`.
fn field_of(path: &str) -> &str {
    path.split(['.', '['])
        .find(|part| !part.is_empty() && *part != "$")
        .unwrap_or("")
}

#[cfg(test)]
mod tests {
    use super::{Errors, field_of};

    #[test]
    fn an_issue_is_about_a_field() {
        for path in ["ip_allowlist", "ip_allowlist[2]", "$.ip_allowlist[2]"] {
            assert_eq!(field_of(path), "ip_allowlist", "{path}");
        }
    }

    #[test]
    fn a_field_is_called_by_its_name() {
        let errors = Errors::of_field("ip_allowlist", "Not a range.");
        let listed = errors.listed();
        let expected = ("ip_allowlist", "Ip allowlist".to_owned(), "Not a range.");
        assert_eq!(listed, [expected]);
    }

    #[test]
    fn a_control_is_tied_to_what_is_said_of_it() {
        let errors = Errors::of_field("email", "Taken.");
        assert_eq!(
            errors.ties("email", true),
            "id=\"email\" aria-invalid=\"true\" aria-describedby=\"email-error email-help\""
        );
        assert_eq!(
            errors.ties("name", true),
            "id=\"name\" aria-describedby=\"name-help\""
        );
        assert_eq!(errors.ties("name", false), "id=\"name\"");
    }
}
