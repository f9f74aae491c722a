//! One spelling of what is asked for.

use std::borrow::Cow;

/// Path and query with the parameters in order: what an answer is kept by.
///
/// Nothing is decoded, so two spellings of one request may be kept twice; but two requests with
/// one target have the same parameters, and are answered alike.
pub fn target_of<'a>(path: &str, query: Option<&str>, path_and_query: &'a str) -> Cow<'a, str> {
    let Some(query) = query else {
        return Cow::Borrowed(path_and_query);
    };
    if query.split('&').is_sorted() {
        return Cow::Borrowed(path_and_query);
    }
    let mut pairs: Vec<&str> = query.split('&').collect();
    pairs.sort_unstable();
    let mut target = String::with_capacity(path_and_query.len());
    target.push_str(path);
    for (index, pair) in pairs.into_iter().enumerate() {
        target.push(if index == 0 { '?' } else { '&' });
        target.push_str(pair);
    }
    Cow::Owned(target)
}

#[cfg(test)]
mod tests {
    use std::borrow::Cow;

    use super::target_of;

    fn canonical(text: &str) -> Cow<'_, str> {
        match text.split_once('?') {
            Some((path, query)) => target_of(path, Some(query), text),
            None => target_of(text, None, text),
        }
    }

    #[test]
    fn the_order_of_parameters_does_not_matter() {
        assert_eq!(canonical("/p?b=1&a=2"), "/p?a=2&b=1");
        assert_eq!(canonical("/p?a=2&b=1"), "/p?a=2&b=1");
        assert_eq!(canonical("/p?b&a&"), "/p?&a&b");
    }

    #[test]
    fn what_is_in_order_is_not_copied() {
        for text in ["/p", "/p?", "/p?a=1", "/p?a=1&b=2", "/p?a=1&a=2"] {
            assert!(matches!(canonical(text), Cow::Borrowed(same) if same == text));
        }
    }
}
