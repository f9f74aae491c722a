//! Searching text: a case-blind substring, the same on every server whatever its locale.

/// The form in which two texts that differ in case alone are equal.
pub(crate) fn fold(text: &str) -> String {
    let lower = text.chars().flat_map(char::to_lowercase);
    lower.map(|c| if c == 'ς' { 'σ' } else { c }).collect()
}

/// The pattern for SQL's LIKE of what contains `text`; everything, for none. `%` and `_` mean
/// themselves.
pub(crate) fn containing(text: Option<&str>) -> String {
    let mut pattern = String::from("%");
    for c in fold(text.unwrap_or_default()).chars() {
        if matches!(c, '%' | '_' | '\\') {
            pattern.push('\\');
        }
        pattern.push(c);
    }
    if pattern.len() > 1 {
        pattern.push('%');
    }
    pattern
}

#[cfg(test)]
mod tests {
    use super::{containing, fold};

    #[test]
    fn folding_is_blind_to_case_alone() {
        assert_eq!(fold("ÉLAN Straße ΟΔΟΣ"), fold("élan straße οδος"));
        assert_ne!(fold("elan"), fold("élan"));
    }

    #[test]
    fn wildcards_mean_themselves() {
        assert_eq!(containing(Some("50%_\\A")), "%50\\%\\_\\\\a%");
        assert_eq!(containing(None), "%");
        assert_eq!(containing(Some("")), "%");
    }
}
