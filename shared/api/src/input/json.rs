//! Reads JSON as strictly as v1 promises: no repeated key, at most 32 levels.

use std::cell::RefCell;
use std::fmt;

use domain::limits::JSON_DEPTH;
use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};

use super::issue::{Issues, Path};

/// Parses a whole document. A repeated key is one issue each; what is not JSON, or too deep, ends
/// the reading.
pub fn parse(bytes: &[u8]) -> Result<Value, Issues> {
    let issues = RefCell::new(Issues::default());
    let mut deserializer = serde_json::Deserializer::from_slice(bytes);
    let root = Strict {
        depth: 0,
        path: Path::Root,
        issues: &issues,
    };
    let parsed = root
        .deserialize(&mut deserializer)
        .and_then(|value| deserializer.end().map(|()| value));
    let mut issues = issues.into_inner();
    match parsed {
        Ok(value) if issues.is_empty() => Ok(value),
        Ok(_) => Err(issues),
        Err(error) => {
            issues.push("$", format!("is not valid JSON: {error}"));
            Err(issues)
        }
    }
}

#[derive(Clone, Copy)]
struct Strict<'a> {
    /// Levels around this value.
    depth: usize,
    path: Path<'a>,
    issues: &'a RefCell<Issues>,
}

impl Strict<'_> {
    fn inner_depth<E: Error>(&self) -> Result<usize, E> {
        if self.depth == JSON_DEPTH {
            return Err(E::custom(format_args!("deeper than {JSON_DEPTH} levels")));
        }
        Ok(self.depth + 1)
    }
}

impl<'de> DeserializeSeed<'de> for Strict<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Strict<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E: Error>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Value, E> {
        Ok(Value::from(value))
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Value, E> {
        Ok(Value::from(value))
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Value, E> {
        Number::from_f64(value)
            .map(Value::Number)
            .ok_or_else(|| E::custom("number out of range"))
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<Value, E> {
        Ok(Value::String(value.to_owned()))
    }

    fn visit_string<E: Error>(self, value: String) -> Result<Value, E> {
        Ok(Value::String(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let depth = self.inner_depth()?;
        let mut list = Vec::new();
        loop {
            let item = Strict {
                depth,
                path: Path::Item(&self.path, list.len()),
                issues: self.issues,
            };
            match items.next_element_seed(item)? {
                Some(value) => list.push(value),
                None => return Ok(Value::Array(list)),
            }
        }
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Value, A::Error> {
        let depth = self.inner_depth()?;
        let mut object = Map::new();
        while let Some(name) = members.next_key::<String>()? {
            let member = Strict {
                depth,
                path: Path::Member(&self.path, &name),
                issues: self.issues,
            };
            let value = members.next_value_seed(member)?;
            if object.contains_key(&name) {
                let path = Path::Member(&self.path, &name).to_string();
                self.issues.borrow_mut().push(path, "is repeated");
            } else {
                object.insert(name, value);
            }
        }
        Ok(Value::Object(object))
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn issues_of(text: &str) -> Vec<(String, String)> {
        let issues = parse(text.as_bytes()).unwrap_err();
        let list = issues.as_slice().iter();
        list.map(|issue| (issue.path.clone(), issue.message.to_string()))
            .collect()
    }

    #[test]
    fn every_repeated_key_is_named() {
        let issues = issues_of(r#"{"a":1,"b":[{"c":1,"c":2}],"a":3,"\u0061":4}"#);
        let paths: Vec<_> = issues.iter().map(|(path, _)| path.as_str()).collect();
        assert_eq!(paths, ["b[0].c", "a", "a"]);
        assert!(issues.iter().all(|(_, message)| message == "is repeated"));
    }

    #[test]
    fn thirty_two_levels_are_read_and_thirty_three_are_not() {
        let nested = |levels: usize| format!("{}{}", "[".repeat(levels), "]".repeat(levels));
        assert!(parse(nested(32).as_bytes()).is_ok());
        let issues = issues_of(&nested(33));
        assert!(issues[0].1.contains("deeper than 32 levels"), "{issues:?}");
        assert!(parse("[".repeat(1_000_000).as_bytes()).is_err());
        let objects = format!("{}1{}", r#"{"a":"#.repeat(33), "}".repeat(33));
        assert!(parse(objects.as_bytes()).is_err());
    }

    #[test]
    fn what_is_not_json_is_said_with_its_place() {
        for text in [
            "",
            " ",
            "{",
            "{} {}",
            "{'a':1}",
            "[1,]",
            "NaN",
            "01",
            "\u{feff}{}",
            r#""\ud800""#,
            "\"\n\"",
            "1e999",
        ] {
            let issues = issues_of(text);
            assert_eq!(issues[0].0, "$", "{text}");
            assert!(issues[0].1.starts_with("is not valid JSON: "), "{text}");
        }
        assert!(parse(b"\"\xc0\x80\"").is_err(), "overlong UTF-8");
    }

    #[test]
    fn integers_stay_integers_and_fractions_stay_fractions() {
        let value = parse(b"[148419,148419.0,-1,1e3,18446744073709551615]").unwrap();
        let is_integer: Vec<_> = value
            .as_array()
            .unwrap()
            .iter()
            .map(|number| number.is_i64() || number.is_u64())
            .collect();
        assert_eq!(is_integer, [true, false, true, false, true]);
    }

    fn any_json() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::Bool),
            any::<i64>().prop_map(Value::from),
            ".{0,8}".prop_map(Value::String),
        ];
        leaf.prop_recursive(6, 48, 6, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..6).prop_map(Value::Array),
                prop::collection::btree_map(".{0,4}", inner, 0..6)
                    .prop_map(|members| Value::Object(members.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn it_reads_what_serde_json_writes(value in any_json()) {
            let text = serde_json::to_vec(&value).unwrap();
            prop_assert_eq!(parse(&text), Ok(value));
        }

        #[test]
        fn it_accepts_no_bytes_that_serde_json_refuses(bytes in prop::collection::vec(any::<u8>(), 0..40)) {
            if parse(&bytes).is_ok() {
                prop_assert!(serde_json::from_slice::<Value>(&bytes).is_ok());
            }
        }
    }

    #[test]
    fn a_document_is_read_as_it_stands() {
        assert_eq!(
            parse(br#" {"a": [null, true, "x"]} "#).unwrap(),
            json!({"a": [null, true, "x"]})
        );
    }
}
