//! Versions of events: lifts data of former ones to the form that is written today. The log keeps what was written,
//! byte for byte; only what is read of it is lifted.

use std::borrow::Cow;

use serde_json::Value;

use super::{DecodeError, EventType};

/// A version that is read but not written any more. Its sample and its schema stay in `events/`.
pub struct Former {
    /// The type.
    pub event_type: EventType,
    /// The version, one below that to which it is lifted.
    pub version: u16,
    /// Its schema, as it was published.
    pub schema: &'static str,
    /// Makes data of the next version of it.
    pub lift: fn(Value) -> Value,
}

/// Every former version of every type. Whoever raises a version in the catalogue adds the one that
/// it leaves; a test compares both.
pub static FORMER: &[Former] = &[];

impl EventType {
    /// The published JSON schema of the data of one of its versions, as it stands in `events/`; none
    /// of a version that was never written.
    pub fn schema_text(self, version: u16) -> Option<Cow<'static, str>> {
        if version == self.schema_version() {
            let schema = serde_json::to_string_pretty(&self.data_schema());
            return Some(Cow::Owned(schema.expect("a schema is plain JSON") + "\n"));
        }
        let is_it = |one: &&Former| one.event_type == self && one.version == version;
        let former = FORMER.iter().find(is_it)?;
        Some(Cow::Borrowed(former.schema))
    }
}

/// The data as the current version of its type has it: one step after the other.
///
/// # Errors
/// If the version is newer than this build, or was never written, or if its data is not JSON.
pub fn lift<'a>(
    former: &[Former],
    event_type: EventType,
    current: u16,
    version: u16,
    data: &'a str,
) -> Result<Cow<'a, str>, DecodeError> {
    if version == current {
        return Ok(Cow::Borrowed(data));
    }
    let name = event_type.name();
    let unknown = DecodeError::UnknownVersion { name, version };
    if version > current {
        return Err(unknown);
    }
    let invalid = |source| DecodeError::Invalid {
        name,
        version,
        source,
    };
    let mut value: Value = serde_json::from_str(data).map_err(invalid)?;
    for step in version..current {
        let is_step = |one: &&Former| one.event_type == event_type && one.version == step;
        let Some(one) = former.iter().find(is_step) else {
            return Err(unknown);
        };
        value = (one.lift)(value);
    }
    Ok(Cow::Owned(value.to_string()))
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use serde_json::json;

    use super::*;

    /// Versions of an imagined type: a name became two, then one of them may be absent.
    const IMAGINED: &[Former] = &[
        Former {
            event_type: EventType::KeyRevoked,
            version: 1,
            schema: "",
            lift: |mut data| {
                let name = data["name"].take();
                json!({ "given": name, "family": "" })
            },
        },
        Former {
            event_type: EventType::KeyRevoked,
            version: 2,
            schema: "",
            lift: |mut data| {
                data.as_object_mut().unwrap().retain(|_, value| value != "");
                data
            },
        },
    ];

    #[test]
    fn every_step_between_is_taken_in_order() {
        let lifted = |version, data| lift(IMAGINED, EventType::KeyRevoked, 3, version, data);
        assert_eq!(
            lifted(1, r#"{"name":"Ada"}"#).unwrap(),
            r#"{"given":"Ada"}"#
        );
        let of_two = r#"{"given":"Ada","family":"Byron"}"#;
        let read = |text: &str| serde_json::from_str::<Value>(text).unwrap();
        assert_eq!(read(&lifted(2, of_two).unwrap()), read(of_two));
        assert!(matches!(
            lifted(3, "not looked at").unwrap(),
            Cow::Borrowed("not looked at")
        ));
    }

    #[test]
    fn a_version_without_a_step_is_unknown() {
        for (former, version) in [(IMAGINED, 0), (IMAGINED, 4), (&IMAGINED[1..], 1)] {
            let lifted = lift(former, EventType::KeyRevoked, 3, version, "{}");
            assert!(matches!(
                lifted,
                Err(DecodeError::UnknownVersion { version: named, .. }) if named == version
            ));
        }
        let torn = lift(IMAGINED, EventType::KeyRevoked, 3, 1, "{");
        assert!(matches!(torn, Err(DecodeError::Invalid { version: 1, .. })));
    }
}
