//! One of several, in a form.

/// One thing to choose.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Choice {
    pub value: String,
    pub label: String,
    pub is_chosen: bool,
}

impl Choice {
    /// That one; it is chosen if it is what was asked for.
    pub fn new(value: impl Into<String>, label: impl Into<String>, asked: &str) -> Self {
        let value = value.into();
        Self {
            is_chosen: value == asked,
            label: label.into(),
            value,
        }
    }

    /// All of these, by value and label.
    pub fn all<'a>(of: impl IntoIterator<Item = (&'a str, &'a str)>, asked: &str) -> Vec<Self> {
        let of = of.into_iter();
        of.map(|(value, label)| Self::new(value, label, asked))
            .collect()
    }
}
