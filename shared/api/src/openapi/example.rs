//! Examples of whole bodies, put together from those of their fields.

use serde_json::{Map, Value, json};
use utoipa::openapi::RefOr;
use utoipa::openapi::schema::{
    ArrayItems, Components, KnownFormat, Object, Schema, SchemaFormat, SchemaType, Type,
};

/// How deep schemas may hang together; ours are flat.
const MAX_DEPTH: usize = 12;

/// Marks a member that is only another name of the one it says: callers send one of them.
const ALIAS_OF: &str = "x-alias-of";

/// A value that fits the schema.
pub(super) fn example_of(schema: &RefOr<Schema>, components: &Components) -> Value {
    of_ref(schema, components, MAX_DEPTH)
}

/// The schema that a reference means.
pub(super) fn resolve<'a>(
    schema: &'a RefOr<Schema>,
    components: &'a Components,
) -> Option<&'a Schema> {
    match schema {
        RefOr::T(schema) => Some(schema),
        RefOr::Ref(reference) => {
            let name = reference.ref_location.rsplit('/').next()?;
            resolve(components.schemas.get(name)?, components)
        }
    }
}

fn of_ref(schema: &RefOr<Schema>, components: &Components, depth: usize) -> Value {
    match resolve(schema, components) {
        Some(schema) if depth > 0 => of_schema(schema, components, depth - 1),
        _ => Value::Null,
    }
}

fn of_schema(schema: &Schema, components: &Components, depth: usize) -> Value {
    let of_ref = |schema: &RefOr<Schema>| of_ref(schema, components, depth);
    match schema {
        Schema::Object(object) => of_object(object, of_ref),
        Schema::Array(array) => {
            given(array.example.as_ref(), &array.examples).unwrap_or_else(|| {
                let ArrayItems::RefOrSchema(items) = &array.items else {
                    return json!([]);
                };
                Value::Array(vec![of_ref(items)])
            })
        }
        Schema::OneOf(one) => given(one.example.as_ref(), &one.examples).unwrap_or_else(|| {
            let may_be_null = one.items.iter().any(|item| of_ref(item).is_null());
            let has_value = |item: &&RefOr<Schema>| {
                let shows_null = may_be_null && is_all_optional(item, components);
                !shows_null && !of_ref(item).is_null()
            };
            let first = one.items.iter().find(has_value);
            first.map_or(Value::Null, of_ref)
        }),
        Schema::AnyOf(any) => given(any.example.as_ref(), &any.examples)
            .unwrap_or_else(|| any.items.first().map_or(Value::Null, of_ref)),
        Schema::AllOf(all) => given(all.example.as_ref(), &all.examples).unwrap_or_else(|| {
            let mut members = Map::new();
            for item in &all.items {
                if let Value::Object(part) = of_ref(item) {
                    members.extend(part);
                }
            }
            Value::Object(members)
        }),
        _ => Value::Null,
    }
}

/// An object that may as well be null, where null is allowed: none of its members is required.
fn is_all_optional(schema: &RefOr<Schema>, components: &Components) -> bool {
    match resolve(schema, components) {
        Some(Schema::Object(object)) => !object.properties.is_empty() && object.required.is_empty(),
        _ => false,
    }
}

fn of_object(object: &Object, of_ref: impl Fn(&RefOr<Schema>) -> Value) -> Value {
    if let Some(given) = given(object.example.as_ref(), &object.examples) {
        return given;
    }
    if let Some(first) = object
        .enum_values
        .as_ref()
        .and_then(|values| values.first())
    {
        return first.clone();
    }
    match main_type(&object.schema_type) {
        Some(Type::Object) => {
            let members = object.properties.iter();
            let members = members.filter(|(_, schema)| !is_alias(schema));
            Value::Object(
                members
                    .map(|(name, schema)| (name.clone(), of_ref(schema)))
                    .collect(),
            )
        }
        Some(Type::String) => of_format(object.format.as_ref()),
        Some(Type::Integer | Type::Number) => json!(1),
        Some(Type::Boolean) => json!(true),
        _ => Value::Null,
    }
}

/// Another name of a member that the example has already.
fn is_alias(schema: &RefOr<Schema>) -> bool {
    let RefOr::T(Schema::Object(object)) = schema else {
        return false;
    };
    let extensions = object.extensions.as_ref();
    extensions.is_some_and(|extensions| extensions.contains_key(ALIAS_OF))
}

fn of_format(format: Option<&SchemaFormat>) -> Value {
    json!(match format {
        Some(SchemaFormat::KnownFormat(KnownFormat::DateTime)) => "2026-01-05T05:37:52.685771Z",
        Some(SchemaFormat::KnownFormat(KnownFormat::Date)) => "2026-01-05",
        Some(SchemaFormat::KnownFormat(KnownFormat::Uuid)) => {
            "0192f0c1-2b7e-7c00-8000-00000000abcd"
        }
        _ => "text",
    })
}

fn given(example: Option<&Value>, examples: &[Value]) -> Option<Value> {
    example.or(examples.first()).cloned()
}

/// The first type that is not null.
fn main_type(schema_type: &SchemaType) -> Option<&Type> {
    match schema_type {
        SchemaType::Type(one) => Some(one),
        SchemaType::Array(several) => several.iter().find(|one| **one != Type::Null),
        SchemaType::AnyValue => None,
    }
}
