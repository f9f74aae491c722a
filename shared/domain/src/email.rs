//! E-mail addresses, parsed once.

use std::fmt;

use thiserror::Error;

use crate::limits::EMAIL_CHARS;

/// A text that is no e-mail address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("must be an e-mail address of at most {EMAIL_CHARS} characters")]
pub struct InvalidEmail;

/// An e-mail address, folded: one person has one, whatever its case. It is personal data, so it is
/// not printed.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Email(String);

impl Email {
    /// Trims, checks and folds. What a mail server would say of it, only mail can tell.
    ///
    /// # Errors
    /// [`InvalidEmail`]
    pub fn parse(text: &str) -> Result<Self, InvalidEmail> {
        let folded = text.trim().to_lowercase();
        let (local, domain) = folded.rsplit_once('@').ok_or(InvalidEmail)?;
        let is_plain = |c: char| !c.is_whitespace() && !c.is_control() && !is_structure(c);
        let is_label = |label: &str| {
            !label.is_empty()
                && !label.starts_with('-')
                && !label.ends_with('-')
                && label.chars().all(|c| c.is_alphanumeric() || c == '-')
        };
        let is_valid = folded.chars().count() <= EMAIL_CHARS
            && !local.is_empty()
            && !local.starts_with('.')
            && !local.ends_with('.')
            && !local.contains("..")
            && local.chars().all(is_plain)
            && domain.contains('.')
            && domain.split('.').all(is_label);
        if is_valid {
            Ok(Self(folded))
        } else {
            Err(InvalidEmail)
        }
    }

    /// The folded address.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Email {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Email(…)")
    }
}

/// What separates addresses and their parts, and what shows text in another order.
const fn is_structure(c: char) -> bool {
    matches!(
        c,
        '@' | ',' | ';' | ':' | '<' | '>' | '(' | ')' | '[' | ']' | '"' | '\\'
            | '\u{202a}'..='\u{202e}'
            | '\u{2066}'..='\u{2069}'
    )
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn an_address_is_trimmed_and_folded() {
        for (text, folded) in [
            (" Ada.Lovelace@Example.COM ", "ada.lovelace@example.com"),
            ("a+b_c-d@sub.example.org", "a+b_c-d@sub.example.org"),
            ("jürgen@müller.example", "jürgen@müller.example"),
            ("o'neill@example.com", "o'neill@example.com"),
        ] {
            assert_eq!(Email::parse(text).unwrap().as_str(), folded);
        }
    }

    #[test]
    fn what_is_no_address_is_refused() {
        let long = format!("{}@example.com", "a".repeat(250));
        for text in [
            "",
            "@",
            "ada",
            "ada@",
            "@example.com",
            "ada@example",
            "ada@-example.com",
            "ada@exam ple.com",
            "ada@example..com",
            "ada@example.com.",
            ".ada@example.com",
            "ada.@example.com",
            "a..da@example.com",
            "a da@example.com",
            "a\nda@example.com",
            "ada@home@example.com",
            "Ada <ada@example.com>",
            "ada@example.com,bob@example.com",
            "a\u{202e}da@example.com",
            &long,
        ] {
            assert_eq!(Email::parse(text), Err(InvalidEmail), "{text:?}");
        }
    }

    #[test]
    fn an_address_is_not_printed() {
        let email = Email::parse("ada@example.com").unwrap();
        assert_eq!(format!("{email:?}"), "Email(…)");
    }
}
