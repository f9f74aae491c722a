//! JSON in the canonical form of RFC 8785, so that equal values have equal bytes and hashes.

use serde::Serialize;
use serde_json::{Number, Value};

/// The canonical text of a serialisable value.
///
/// # Panics
/// If the value does not serialise to JSON (a map with keys that are not strings): our event
/// types never do that.
pub fn to_string<T: Serialize>(value: &T) -> String {
    let value = serde_json::to_value(value).expect("event types serialise to JSON");
    from_value(&value)
}

/// The canonical text of a JSON value.
pub fn from_value(value: &Value) -> String {
    let mut out = String::with_capacity(256);
    write_value(&mut out, value);
    out
}

/// Writes a string as RFC 8785 3.2.2.2 has it: the shortest escapes, everything else as it is.
pub fn write_string(out: &mut String, text: &str) {
    out.push('"');
    write_escaped(out, text);
    out.push('"');
}

/// The same without the quotes.
pub(crate) fn write_escaped(out: &mut String, text: &str) {
    let mut plain_from = 0;
    for (index, byte) in text.bytes().enumerate() {
        let escape = match byte {
            b'"' => "\\\"",
            b'\\' => "\\\\",
            0x08 => "\\b",
            0x09 => "\\t",
            0x0a => "\\n",
            0x0c => "\\f",
            0x0d => "\\r",
            0x00..=0x1f => "",
            _ => continue,
        };
        out.push_str(&text[plain_from..index]);
        plain_from = index + 1;
        if escape.is_empty() {
            const HEX: &[u8; 16] = b"0123456789abcdef";
            out.push_str("\\u00");
            out.push(char::from(HEX[usize::from(byte >> 4)]));
            out.push(char::from(HEX[usize::from(byte & 15)]));
        } else {
            out.push_str(escape);
        }
    }
    out.push_str(&text[plain_from..]);
}

fn write_value(out: &mut String, value: &Value) {
    match value {
        Value::Null => out.push_str("null"),
        Value::Bool(true) => out.push_str("true"),
        Value::Bool(false) => out.push_str("false"),
        Value::Number(number) => write_number(out, number),
        Value::String(text) => write_string(out, text),
        Value::Array(items) => {
            out.push('[');
            for (index, item) in items.iter().enumerate() {
                if index > 0 {
                    out.push(',');
                }
                write_value(out, item);
            }
            out.push(']');
        }
        Value::Object(members) => {
            let mut members: Vec<_> = members.iter().collect();
            if members.iter().any(|(key, _)| !key.is_ascii()) {
                members.sort_by(|(a, _), (b, _)| a.encode_utf16().cmp(b.encode_utf16()));
            }
            out.push('{');
            for (index, (key, member)) in members.into_iter().enumerate() {
                if index > 0 {
                    out.push(',');
                }
                write_string(out, key);
                out.push(':');
                write_value(out, member);
            }
            out.push('}');
        }
    }
}

/// Numbers are IEEE doubles in RFC 8785; integers that a double keeps need no conversion.
fn write_number(out: &mut String, number: &Number) {
    const EXACT: u64 = 1 << 53;
    if let Some(integer) = number.as_u64().filter(|integer| *integer <= EXACT) {
        out.push_str(&integer.to_string());
    } else if let Some(integer) = number
        .as_i64()
        .filter(|integer| integer.unsigned_abs() <= EXACT)
    {
        out.push_str(&integer.to_string());
    } else {
        let double = number.as_f64().unwrap_or(0.0);
        out.push_str(ryu_js::Buffer::new().format_finite(double));
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use proptest::prelude::*;

    use super::*;

    fn canonical(text: &str) -> String {
        from_value(&serde_json::from_str(text).unwrap())
    }

    #[test]
    fn the_example_of_rfc_8785_comes_out_as_printed_there() {
        let input = r#"{
            "numbers": [333333333.33333329, 1E30, 4.50, 2e-3, 0.000000000000000000000000001],
            "string": "\u20ac$\u000F\u000aA'\u0042\u0022\u005c\\\"\/",
            "literals": [null, true, false]
        }"#;
        let expected = "{\"literals\":[null,true,false],\"numbers\":[333333333.3333333,1e+30,4.5,\
                        0.002,1e-27],\"string\":\"€$\\u000f\\nA'B\\\"\\\\\\\\\\\"/\"}";
        assert_eq!(canonical(input), expected);
    }

    #[test]
    fn members_are_sorted_by_utf_16_units() {
        let input =
            r#"{"\u20ac":1,"\r":2,"\ufb33":3,"1":4,"\ud83d\ude00":5,"\u0080":6,"\u00f6":7}"#;
        let expected = "{\"\\r\":2,\"1\":4,\"\u{80}\":6,\"ö\":7,\"€\":1,\"😀\":5,\"\u{fb33}\":3}";
        assert_eq!(canonical(input), expected);
    }

    #[test]
    fn numbers_are_written_as_ecmascript_does() {
        for (input, expected) in [
            ("1.0", "1"),
            ("-0.0", "0"),
            ("9007199254740993", "9007199254740992"),
            ("18446744073709551615", "18446744073709552000"),
            ("-5", "-5"),
            ("1e21", "1e+21"),
        ] {
            assert_eq!(canonical(input), expected);
        }
    }

    proptest! {
        #[test]
        fn canonical_text_is_a_fixed_point(text in ".{0,40}", number in any::<f64>()) {
            let value = serde_json::json!({ "text": text, "number": number });
            let once = from_value(&value);
            prop_assert_eq!(canonical(&once), once);
        }
    }
}
