//! Lists in pages, with filters that stand in the address.

/// Rows of a page.
pub const PAGE: u16 = 50;

/// What a filter has, if it has something.
pub fn filled(text: &str) -> Option<&str> {
    Some(text.trim()).filter(|text| !text.is_empty())
}

/// The address of a list with these filters, without the empty ones.
pub fn link(place: &str, filters: &[(&str, &str)]) -> String {
    let mut query = url::form_urlencoded::Serializer::new(String::new());
    for (name, value) in filters {
        if let Some(value) = filled(value) {
            query.append_pair(name, value);
        }
    }
    match query.finish() {
        query if query.is_empty() => place.to_owned(),
        query => format!("{place}?{query}"),
    }
}

/// The same, from a cursor on.
pub fn next(place: &str, filters: &[(&str, &str)], cursor: Option<&str>) -> Option<String> {
    let cursor = ("cursor", cursor?);
    let filters: Vec<_> = filters.iter().copied().chain([cursor]).collect();
    Some(link(place, &filters))
}

/// One thing to choose in a form.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Choice {
    pub value: &'static str,
    pub label: &'static str,
    pub is_chosen: bool,
}

/// All of them, with the one that is chosen.
pub fn choices(of: &[(&'static str, &'static str)], chosen: &str) -> Vec<Choice> {
    let choices = of.iter().map(|(value, label)| Choice {
        value,
        label,
        is_chosen: *value == chosen,
    });
    choices.collect()
}

#[cfg(test)]
mod tests {
    use super::{link, next};

    #[test]
    fn an_address_has_the_filters_that_are_set() {
        let filters = [("search", " a&b "), ("status", "")];
        assert_eq!(link("/x", &[]), "/x");
        assert_eq!(link("/x", &filters), "/x?search=a%26b");
        assert_eq!(
            next("/x", &filters, Some("c=")).as_deref(),
            Some("/x?search=a%26b&cursor=c%3D")
        );
        assert_eq!(next("/x", &filters, None), None);
    }
}
