//! Forms that only ask: what is asked for stands in the address, and nothing is changed by it.

use crate::page::Errors;

/// What is said above a form whose question cannot be answered; of its fields `errors` says more.
pub fn summary(errors: &Errors, fields: &[&str]) -> Option<String> {
    let of_form = errors.summary()?;
    if fields.iter().any(|name| errors.of(name).is_some()) {
        return Some("This cannot be shown: see what is said beside the fields.".to_owned());
    }
    // What is wrong may be in the address alone.
    let elsewhere: Vec<_> = errors
        .fields()
        .iter()
        .map(|(_, text)| text.as_str())
        .collect();
    Some(if elsewhere.is_empty() {
        of_form.to_owned()
    } else {
        elsewhere.join(" ")
    })
}

#[cfg(test)]
mod tests {
    use super::summary;
    use crate::page::Errors;

    #[test]
    fn a_field_that_the_form_has_speaks_for_itself() {
        let errors = Errors::of_field("at", "Must not lie ahead");
        let beside = summary(&errors, &["at", "position"]).expect("a summary");
        assert!(beside.contains("beside the fields"), "{beside}");
        let elsewhere = Errors::of_form("The plan has no history");
        let whole = summary(&elsewhere, &["at"]);
        assert_eq!(whole.as_deref(), Some("The plan has no history"));
        let foreign = Errors::of_field("cursor", "Not a cursor of this list.");
        let said = summary(&foreign, &["at"]);
        assert_eq!(said.as_deref(), Some("Not a cursor of this list."));
        assert_eq!(summary(&Errors::default(), &["at"]), None);
    }
}
