//! Every example of the document of both services fits the schema beside which it stands.
#![expect(clippy::unwrap_used, reason = "tests")]

use serde_json::{Map, Value, json};

/// Keywords that say nothing of a value, or what is checked where values are read.
const ANNOTATIONS: &[&str] = &[
    "default",
    "deprecated",
    "description",
    "discriminator",
    "example",
    "examples",
    "format",
    "pattern",
    "title",
];

#[test]
fn every_example_fits_its_schema() {
    let document = api::openapi::document([command::openapi(), query::openapi()]);
    let document = serde_json::to_value(&document).unwrap();
    let mut contents = Vec::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for (verb, operation) in item.as_object().unwrap() {
            contents_of(
                &document,
                operation,
                &format!("{verb} {path}"),
                &mut contents,
            );
        }
    }
    let mut wrong = Vec::new();
    let mut count = 0;
    for (place, content) in contents {
        for example in examples(&document, content) {
            count += 1;
            let checker = Checker(&document);
            if let Err(gap) = checker.fits(&content["schema"], example) {
                wrong.push(format!("{place}: {gap}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert!(count > api::route::ROUTES.len(), "{count}");
}

#[test]
fn what_does_not_fit_is_found() {
    let document = json!({"components": {"schemas": {"Name": {"type": "string", "maxLength": 3}}}});
    let checker = Checker(&document);
    let named = json!({"$ref": "#/components/schemas/Name"});
    let thing = json!({"type": "object", "required": ["name"], "additionalProperties": false,
        "properties": {"name": named, "size": {"type": ["integer", "null"], "minimum": 1}}});
    let either = json!({"oneOf": [{"type": "null"}, thing]});
    let list = json!({"type": "array", "items": thing, "maxItems": 1});
    for (schema, right) in [
        (&thing, json!({"name": "abc"})),
        (&thing, json!({"name": "abc", "size": null})),
        (&either, Value::Null),
        (&list, json!([{"name": "a", "size": 1}])),
    ] {
        assert_eq!(checker.fits(schema, &right), Ok(()));
    }
    for (schema, wrong) in [
        (&thing, json!({})),
        (&thing, json!([])),
        (&thing, json!({"name": "abcd"})),
        (&thing, json!({"name": "a", "other": 1})),
        (&thing, json!({"name": "a", "size": 0})),
        (&thing, json!({"name": "a", "size": 1.5})),
        (&either, json!({"name": 1})),
        (&list, json!([{"size": 1}])),
        (&list, json!([{"name": "a"}, {"name": "b"}])),
    ] {
        assert!(checker.fits(schema, &wrong).is_err(), "{wrong}");
    }
}

/// Wherever an operation has a schema with examples: parameters, its body, its answers.
fn contents_of<'a>(
    document: &'a Value,
    operation: &'a Value,
    name: &str,
    contents: &mut Vec<(String, &'a Value)>,
) {
    let parameters = operation["parameters"].as_array().into_iter().flatten();
    for parameter in parameters.map(|parameter| resolve(document, parameter)) {
        contents.push((format!("{name} {}", parameter["name"]), parameter));
    }
    let answers = operation["responses"].as_object().unwrap().iter();
    let answers = answers.map(|(status, answer)| (status.as_str(), answer));
    for (part, described) in answers.chain([("body", &operation["requestBody"])]) {
        let described = resolve(document, described);
        for (media_type, content) in described["content"].as_object().into_iter().flatten() {
            contents.push((format!("{name} {part} {media_type}"), content));
        }
    }
}

fn examples<'a>(document: &'a Value, content: &'a Value) -> Vec<&'a Value> {
    let named = content["examples"].as_object().into_iter().flatten();
    let named = named.map(|(_, example)| &resolve(document, example)["value"]);
    content.get("example").into_iter().chain(named).collect()
}

fn resolve<'a>(document: &'a Value, value: &'a Value) -> &'a Value {
    match value["$ref"].as_str() {
        Some(target) => {
            let found = document.pointer(target.trim_start_matches('#'));
            resolve(document, found.unwrap())
        }
        None => value,
    }
}

/// Checks values against schemas of this document: the keywords that it uses, and no others.
struct Checker<'a>(&'a Value);

impl Checker<'_> {
    fn fits(&self, schema: &Value, value: &Value) -> Result<(), String> {
        let Some(keywords) = schema.as_object() else {
            return Ok(());
        };
        for (keyword, wanted) in keywords {
            let holds = match keyword.as_str() {
                "$ref" => {
                    self.fits(resolve(self.0, schema), value)?;
                    true
                }
                "allOf" => {
                    for part in wanted.as_array().unwrap() {
                        self.fits(part, value)?;
                    }
                    true
                }
                "anyOf" => self.count(wanted, value) > 0,
                "oneOf" => self.count(wanted, value) == 1,
                "items" | "minItems" | "maxItems" => match value {
                    Value::Array(items) => self.fits_items(keyword, wanted, items)?,
                    _ => true,
                },
                "properties"
                | "required"
                | "additionalProperties"
                | "minProperties"
                | "propertyNames" => match value {
                    Value::Object(members) => self.fits_members(keyword, keywords, members)?,
                    _ => true,
                },
                _ => fits_scalar(keyword, wanted, value),
            };
            if !holds {
                return Err(format!("{keyword} {wanted} does not hold for {value}"));
            }
        }
        Ok(())
    }

    fn count(&self, schemas: &Value, value: &Value) -> usize {
        let schemas = schemas.as_array().unwrap().iter();
        schemas
            .filter(|schema| self.fits(schema, value).is_ok())
            .count()
    }

    fn fits_items(&self, keyword: &str, wanted: &Value, items: &[Value]) -> Result<bool, String> {
        let bound = usize::try_from(wanted.as_u64().unwrap_or(0)).unwrap();
        match keyword {
            "minItems" => return Ok(items.len() >= bound),
            "maxItems" => return Ok(items.len() <= bound),
            _ => {}
        }
        for item in items {
            self.fits(wanted, item)?;
        }
        Ok(true)
    }

    fn fits_members(
        &self,
        keyword: &str,
        keywords: &Map<String, Value>,
        members: &Map<String, Value>,
    ) -> Result<bool, String> {
        let wanted = &keywords[keyword];
        let described = keywords.get("properties").and_then(Value::as_object);
        let is_described = |name: &String| described.is_some_and(|all| all.contains_key(name));
        let mut others = members.iter().filter(|(name, _)| !is_described(name));
        match keyword {
            "required" => {
                let mut names = wanted.as_array().unwrap().iter();
                return Ok(names.all(|name| members.contains_key(name.as_str().unwrap())));
            }
            "minProperties" => return Ok(members.len() as u64 >= wanted.as_u64().unwrap()),
            "propertyNames" => {
                for name in members.keys() {
                    self.fits(wanted, &json!(name))?;
                }
            }
            "additionalProperties" if *wanted == json!(false) => {
                return Ok(others.next().is_none());
            }
            "additionalProperties" => {
                for (_, value) in others {
                    self.fits(wanted, value)?;
                }
            }
            _ => {
                for (name, value) in members {
                    self.fits(&wanted[name], value)
                        .map_err(|gap| format!("{name}: {gap}"))?;
                }
            }
        }
        Ok(true)
    }
}

fn fits_scalar(keyword: &str, wanted: &Value, value: &Value) -> bool {
    let number = |holds: fn(f64, f64) -> bool| {
        value
            .as_f64()
            .is_none_or(|value| holds(value, wanted.as_f64().unwrap()))
    };
    let length = |holds: fn(u64, u64) -> bool| {
        value.as_str().is_none_or(|text| {
            let length = text.chars().count() as u64;
            holds(length, wanted.as_u64().unwrap())
        })
    };
    match keyword {
        "type" => match wanted {
            Value::Array(names) => names.iter().any(|name| is_a(name, value)),
            name => is_a(name, value),
        },
        "enum" => wanted.as_array().unwrap().contains(value),
        "const" => wanted == value,
        "minimum" => number(|value, least| value >= least),
        "maximum" => number(|value, most| value <= most),
        "minLength" => length(|length, least| length >= least),
        "maxLength" => length(|length, most| length <= most),
        known if ANNOTATIONS.contains(&known) || known.starts_with("x-") => true,
        unknown => panic!("{unknown} is used in the document: say here what it means"),
    }
}

fn is_a(name: &Value, value: &Value) -> bool {
    match name.as_str().unwrap() {
        "null" => value.is_null(),
        "boolean" => value.is_boolean(),
        "integer" => value.as_f64().is_some_and(|number| number.fract() == 0.0),
        "number" => value.is_number(),
        "string" => value.is_string(),
        "array" => value.is_array(),
        "object" => value.is_object(),
        other => panic!("{other} is no type"),
    }
}
