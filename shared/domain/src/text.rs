//! Texts that people and programs give us, parsed once (v1-contract.md 1.2).

use serde::{Deserialize, Serialize};
use serde_json::{Number, Value};
use thiserror::Error;

use crate::jcs;
use crate::limits::{
    ANNOTATION_BODY_CHARS, CAMPAIGN_NAME_CHARS, LABEL_CHARS, METADATA_BYTES, METADATA_DEPTH,
    NAME_CHARS, PROJECT_NAME_CHARS, README_CHARS, WEBHOOK_DESCRIPTION_CHARS,
};

/// Why a text is not accepted; the message says what is allowed.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum TextError {
    /// Nothing but spaces.
    #[error("must not be empty")]
    Empty,
    /// Longer than allowed.
    #[error("must have at most {max} characters")]
    TooLong {
        /// Most characters.
        max: usize,
    },
    /// A character that could disturb how the text is shown.
    #[error("must not contain control characters, line breaks or bidirectional overrides")]
    Forbidden,
    /// The same where line breaks are welcome.
    #[error("must not contain control characters or bidirectional overrides")]
    ForbiddenInProse,
    /// Not an object, too large or too deep.
    #[error("must be a JSON object of at most {METADATA_BYTES} bytes and {METADATA_DEPTH} levels")]
    Metadata,
    /// A number that might come back as another one.
    #[error("number at {path} is not exactly representable: send it as a string")]
    Inexact {
        /// Where in the object: `videos[3].id`.
        path: String,
    },
}

/// A one-line name of 1 to `MAX` characters, trimmed.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(transparent)]
pub struct Line<const MAX: usize>(String);

/// A name of 1 to 100 characters.
pub type Name = Line<NAME_CHARS>;
/// A project's name, 1 to 200 characters.
pub type ProjectName = Line<PROJECT_NAME_CHARS>;
/// A campaign's name, 1 to 200 characters.
pub type CampaignName = Line<CAMPAIGN_NAME_CHARS>;
/// An annotation's label, 1 to 200 characters.
pub type Label = Line<LABEL_CHARS>;
/// What a webhook is for, 1 to 200 characters.
pub type WebhookDescription = Line<WEBHOOK_DESCRIPTION_CHARS>;

impl<const MAX: usize> Line<MAX> {
    /// Trims and checks.
    pub fn parse(text: &str) -> Result<Self, TextError> {
        let text = text.trim();
        if text.is_empty() {
            return Err(TextError::Empty);
        }
        if text.chars().any(|c| is_line_break(c) || is_forbidden(c)) {
            return Err(TextError::Forbidden);
        }
        within(text, MAX)?;
        Ok(Self(text.to_owned()))
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Text of at most `MAX` characters in which line breaks and tabs are allowed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Prose<const MAX: usize>(String);

/// Markdown notes of people to agents, at most 20,000 characters.
pub type Readme = Prose<README_CHARS>;
/// What an annotation says beside its label, at most 2,000 characters.
pub type AnnotationBody = Prose<ANNOTATION_BODY_CHARS>;

impl<const MAX: usize> Prose<MAX> {
    /// Checks; keeps spaces as they are.
    pub fn parse(text: &str) -> Result<Self, TextError> {
        let breaks = |c| matches!(c, '\n' | '\r' | '\t') || is_line_break(c);
        if text.chars().any(|c| is_forbidden(c) && !breaks(c)) {
            return Err(TextError::ForbiddenInProse);
        }
        within(text, MAX)?;
        Ok(Self(text.to_owned()))
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl<const MAX: usize> schemars::JsonSchema for Prose<MAX> {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        if MAX == README_CHARS {
            "Readme".into()
        } else {
            "Body".into()
        }
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({"type": "string", "maxLength": MAX})
    }
}

/// The agents' own space: a JSON object, kept in its canonical form (RFC 8785). Whoever reads it
/// with serde reads what an event or a row holds; what a caller sends comes in by
/// [`Metadata::parse`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Value", into = "Value")]
pub struct Metadata(String);

impl Metadata {
    /// The empty object.
    pub fn empty() -> Self {
        Self("{}".to_owned())
    }

    /// Checks size, depth and that every integer comes back as it was sent.
    pub fn parse(value: &Value) -> Result<Self, TextError> {
        let metadata = Self::stored(value)?;
        match inexact(value) {
            None => Ok(metadata),
            Some(path) => Err(TextError::Inexact {
                path: path.strip_prefix('.').unwrap_or(&path).to_owned(),
            }),
        }
    }

    /// What was once accepted, also before numbers were checked.
    fn stored(value: &Value) -> Result<Self, TextError> {
        if !value.is_object() || depth(value) > METADATA_DEPTH {
            return Err(TextError::Metadata);
        }
        let canonical = jcs::from_value(value);
        if canonical.len() > METADATA_BYTES {
            Err(TextError::Metadata)
        } else {
            Ok(Self(canonical))
        }
    }

    /// The canonical JSON text.
    pub fn as_json(&self) -> &str {
        &self.0
    }
}

impl TryFrom<Value> for Metadata {
    type Error = TextError;

    fn try_from(value: Value) -> Result<Self, TextError> {
        Self::stored(&value)
    }
}

impl From<Metadata> for Value {
    fn from(metadata: Metadata) -> Self {
        serde_json::from_str(&metadata.0).unwrap_or(Self::Null)
    }
}

impl schemars::JsonSchema for Metadata {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Metadata".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({"type": "object"})
    }
}

/// Cleans text from outside: line breaks and tabs become spaces, other control characters and
/// bidirectional overrides go, spaces around go. `None` if nothing is left.
pub fn clean(text: &str) -> Option<String> {
    let cleaned: String = text
        .chars()
        .filter_map(|c| match c {
            c if is_line_break(c) || c == '\t' => Some(' '),
            c if is_forbidden(c) => None,
            c => Some(c),
        })
        .collect();
    let cleaned = cleaned.trim();
    (!cleaned.is_empty()).then(|| cleaned.to_owned())
}

fn within(text: &str, max: usize) -> Result<(), TextError> {
    // A scalar value has at most four bytes, so most texts need no counting.
    if text.len() > max && text.chars().count() > max {
        return Err(TextError::TooLong { max });
    }
    Ok(())
}

const fn is_line_break(c: char) -> bool {
    matches!(
        c,
        '\n' | '\r' | '\u{b}' | '\u{c}' | '\u{85}' | '\u{2028}' | '\u{2029}'
    )
}

fn is_forbidden(c: char) -> bool {
    c.is_control() || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

fn depth(value: &Value) -> usize {
    match value {
        Value::Array(items) => 1 + items.iter().map(depth).max().unwrap_or(0),
        Value::Object(members) => 1 + members.values().map(depth).max().unwrap_or(0),
        _ => 0,
    }
}

/// Where the first number stands whose digits the canonical form does not keep: numbers are IEEE
/// doubles there, so an id above 2^53 would become its neighbour.
fn inexact(value: &Value) -> Option<String> {
    match value {
        Value::Number(number) => (!keeps_digits(number)).then(String::new),
        Value::Array(items) => items
            .iter()
            .enumerate()
            .find_map(|(index, item)| Some(format!("[{index}]{}", inexact(item)?))),
        Value::Object(members) => members
            .iter()
            .find_map(|(name, member)| Some(format!(".{}{}", shown(name), inexact(member)?))),
        _ => None,
    }
}

/// An integer must come out with its digits. One that the parser had no room for arrives as a
/// double, its digits gone.
fn keeps_digits(number: &Number) -> bool {
    const I64_MIN: f64 = -9_223_372_036_854_775_808.0;
    const U64_END: f64 = 18_446_744_073_709_551_616.0;
    if number.is_f64() {
        let in_integers = |double| double > I64_MIN && double < U64_END;
        return number.as_f64().is_some_and(in_integers);
    }
    jcs::from_value(&Value::Number(number.clone())) == number.to_string()
}

/// A caller's name as it may be repeated: short, and without control characters.
fn shown(name: &str) -> String {
    let printable = |c: char| if is_forbidden(c) { '\u{fffd}' } else { c };
    name.chars().take(SHOWN_CHARS).map(printable).collect()
}

/// Longest part of a caller's own name that an error repeats, in characters.
const SHOWN_CHARS: usize = 64;

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    #[test]
    fn a_name_is_trimmed_and_counted_in_characters() {
        assert_eq!(Name::parse("  Élan 🐐 ").unwrap().as_str(), "Élan 🐐");
        assert!(Name::parse(&"🐐".repeat(100)).is_ok());
        assert_eq!(
            Name::parse(&"🐐".repeat(101)),
            Err(TextError::TooLong { max: 100 })
        );
        assert_eq!(Name::parse(" \u{3000}"), Err(TextError::Empty));
        for bad in [
            "a\nb",
            "a\u{0}b",
            "a\u{202e}b",
            "a\u{2066}b",
            "a\u{2028}b",
            "a\tb",
        ] {
            assert_eq!(Name::parse(bad), Err(TextError::Forbidden), "{bad:?}");
        }
    }

    #[test]
    fn a_readme_keeps_line_breaks_but_no_other_control_characters() {
        assert_eq!(
            Readme::parse("# A\n\tb\r\n").unwrap().as_str(),
            "# A\n\tb\r\n"
        );
        assert_eq!(
            Readme::parse("a\u{1b}[0m"),
            Err(TextError::ForbiddenInProse)
        );
        assert_eq!(
            Readme::parse(&"a".repeat(20_001)),
            Err(TextError::TooLong { max: 20_000 })
        );
    }

    #[test]
    fn metadata_is_a_small_shallow_object_in_canonical_form() {
        let metadata = Metadata::parse(&json!({"b": 1, "a": [1.0, null]})).unwrap();
        assert_eq!(metadata.as_json(), r#"{"a":[1,null],"b":1}"#);
        let deep = (0..8).fold(json!(1), |inner, _| json!({"a": inner}));
        assert!(Metadata::parse(&deep).is_ok());
        for bad in [
            json!([]),
            json!("x"),
            json!({ "a": deep }),
            json!({"a": "x".repeat(16_385)}),
        ] {
            assert_eq!(Metadata::parse(&bad), Err(TextError::Metadata));
        }
    }

    fn path_of_inexact(json: &str) -> Option<String> {
        match Metadata::parse(&serde_json::from_str(json).unwrap()) {
            Ok(metadata) => {
                let canonical: Value = serde_json::from_str(metadata.as_json()).unwrap();
                assert_eq!(Metadata::parse(&canonical), Ok(metadata), "{json}");
                None
            }
            Err(TextError::Inexact { path }) => Some(path),
            Err(error) => panic!("{json}: {error}"),
        }
    }

    #[test]
    fn a_number_that_would_come_back_as_another_is_refused_with_its_place() {
        for (json, path) in [
            (r#"{"video":7301234567890123456}"#, "video"),
            (r#"{"a":{"b":[1,{"c":9007199254740993}]}}"#, "a.b[1].c"),
            (r#"{"a":[[0,-9007199254740993]]}"#, "a[0][1]"),
            // Held by a double, but written with other digits.
            (r#"{"a":1152921504606846976}"#, "a"),
            (r#"{"a":18446744073709551615}"#, "a"),
            // Beyond what the parser keeps as an integer.
            (r#"{"a":73012345678901234567}"#, "a"),
            (r#"{"a":-9223372036854775809}"#, "a"),
            (r#"{"a\u0000":1e23}"#, "a\u{fffd}"),
        ] {
            assert_eq!(path_of_inexact(json).as_deref(), Some(path), "{json}");
        }
        let long = format!(r#"{{"{}":9007199254740993}}"#, "x".repeat(1_000));
        assert_eq!(path_of_inexact(&long), Some("x".repeat(64)));
        let path = "video".to_owned();
        assert_eq!(
            TextError::Inexact { path }.to_string(),
            "number at video is not exactly representable: send it as a string"
        );
    }

    #[test]
    fn a_number_that_comes_back_as_it_was_sent_is_kept() {
        for json in [
            r#"{"video":"7301234567890123456"}"#,
            r#"{"a":[0,-1,0.1,1e-9,9007199254740992,-9007199254740992,9007199254740994]}"#,
            // What an answer showed before numbers were checked may be sent back.
            r#"{"a":7301234567890124000}"#,
            r#"{"a":1e19}"#,
        ] {
            assert_eq!(path_of_inexact(json), None, "{json}");
        }
    }

    #[test]
    fn what_was_stored_before_numbers_were_checked_is_read() {
        for json in [r#"{"a":73012345678901230000}"#, r#"{"a":1e+23}"#] {
            let read: Metadata = serde_json::from_str(json).unwrap();
            assert_eq!(read.as_json(), json);
        }
    }

    proptest! {
        #[test]
        fn an_integer_is_kept_or_refused_never_changed(
            sign in prop::sample::select(vec!["", "-"]),
            number in any::<u64>(),
        ) {
            let json = format!(r#"{{"a":{sign}{number}}}"#);
            let sent = Metadata::parse(&serde_json::from_str(&json).unwrap());
            if let Ok(metadata) = sent {
                prop_assert!(metadata.as_json() == json || number == 0);
            } else {
                prop_assert!(number > 1 << 53);
            }
        }

        #[test]
        fn cleaned_text_is_accepted_as_it_is(text in ".{0,80}") {
            if let Some(cleaned) = clean(&text) {
                prop_assert_eq!(clean(&cleaned), Some(cleaned.clone()));
                prop_assert!(Name::parse(&cleaned).is_ok());
            }
        }
    }
}
