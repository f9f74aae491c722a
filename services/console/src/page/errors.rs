//! What is wrong with a form, beside its fields.

use crate::client::Refusal;

/// What was wrong with what was sent; nothing on a new form.
#[derive(Debug, Clone, Default)]
pub struct Errors {
    summary: Option<String>,
    fields: Vec<(String, String)>,
}

impl Errors {
    /// What the API refused, and why.
    pub fn of_refusal(refusal: &Refusal) -> Self {
        let issues = refusal.issues().into_iter();
        let fields: Vec<_> = issues
            .map(|issue| (field_of(&issue.path).to_owned(), sentence(&issue.message)))
            .collect();
        let summary = if fields.is_empty() {
            sentence(&refusal.message)
        } else {
            "Some of it cannot be taken: see below. Nothing was changed.".to_owned()
        };
        Self {
            summary: Some(summary),
            fields,
        }
    }

    /// That one field cannot be taken.
    pub fn of_field(field: &str, text: &str) -> Self {
        Self {
            summary: Some("Some of it cannot be taken: see below. Nothing was changed.".to_owned()),
            fields: vec![(field.to_owned(), text.to_owned())],
        }
    }

    /// That the whole cannot be taken.
    pub fn of_form(text: impl Into<String>) -> Self {
        Self {
            summary: Some(text.into()),
            fields: Vec::new(),
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
}

/// `ip_allowlist[2]` is about `ip_allowlist`.
fn field_of(path: &str) -> &str {
    path.split(['.', '['])
        .find(|part| !part.is_empty() && *part != "$")
        .unwrap_or("")
}

fn sentence(text: &str) -> String {
    let mut letters = text.chars();
    match letters.next() {
        Some(first) => first.to_uppercase().chain(letters).collect(),
        None => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::field_of;

    #[test]
    fn an_issue_is_about_a_field() {
        for path in ["ip_allowlist", "ip_allowlist[2]", "$.ip_allowlist[2]"] {
            assert_eq!(field_of(path), "ip_allowlist", "{path}");
        }
    }
}
