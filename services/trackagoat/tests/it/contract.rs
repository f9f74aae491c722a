//! The contract of events (`shared/domain/events/`): a version that was published gains optional fields
//! and loses nothing. Judged over the repository's own history, and between it and the work tree.

#![expect(clippy::unwrap_used, reason = "tests")]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Map, Value, json};

const FOLDER: &str = "shared/domain/events";
/// They say things to people, and promise nothing to programs.
const REMARKS: [&str; 5] = ["$schema", "title", "description", "examples", "$defs"];
/// A reader of the old version takes whatever is within the old bounds.
const UPPER_BOUNDS: [&str; 3] = ["maxLength", "maxItems", "maximum"];
const LOWER_BOUNDS: [&str; 3] = ["minLength", "minItems", "minimum"];

#[test]
fn no_published_version_of_an_event_has_changed_for_its_readers() {
    let ever = [
        "log",
        "--diff-filter=A",
        "--name-only",
        "--format=",
        "--",
        FOLDER,
    ];
    if !root().join(".git").exists() {
        // Sources without their history: what stands there is judged by the tests of `domain` alone.
        return;
    }
    // Of a history that was cut short the oldest commit that is there counts as the first.
    let files = git(&ever).expect("git tells of the files that there ever were");
    let files: BTreeSet<_> = files
        .lines()
        .filter(|file| file.ends_with(".schema.json"))
        .collect();
    assert!(
        !files.is_empty(),
        "nothing was found that could be compared"
    );
    let mut broken = Vec::new();
    for file in files {
        let commits = git(&["log", "--reverse", "--format=%H", "--", file]).unwrap_or_default();
        let mut versions: Vec<Value> = commits
            .lines()
            .filter_map(|commit| git(&["show", &format!("{commit}:{file}")]))
            .map(|text| serde_json::from_str(&text).unwrap())
            .collect();
        assert!(!versions.is_empty(), "git has no version of {file}");
        let Ok(current) = fs::read_to_string(root().join(file)) else {
            broken.push(format!("{file} is gone"));
            continue;
        };
        versions.push(serde_json::from_str(&current).unwrap());
        for pair in versions.windows(2) {
            let breaks = breaks(&pair[0], &pair[1]);
            broken.extend(breaks.into_iter().map(|one| format!("{file}: {one}")));
        }
    }
    assert!(
        broken.is_empty(),
        "what readers of events rely on has changed; raise the version of the type instead:\n{}",
        broken.join("\n")
    );
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// What git prints; none where there is no history, or no such thing in it.
fn git(arguments: &[&str]) -> Option<String> {
    let output = Command::new("git")
        .args(arguments)
        .current_dir(root())
        .output()
        .ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    (output.status.success() && !text.is_empty()).then_some(text)
}

/// Whatever a reader of `old` may stumble over in data of `new`, and whatever of the data that was
/// written as `old` does not fit `new`.
fn breaks(old: &Value, new: &Value) -> Vec<String> {
    let mut found = Vec::new();
    let sides = Sides { old, new };
    sides.compare(old, new, "data", &mut found);
    found
}

/// Two versions of one schema, for their definitions.
struct Sides<'a> {
    old: &'a Value,
    new: &'a Value,
}

impl Sides<'_> {
    fn compare(&self, old: &Value, new: &Value, place: &str, found: &mut Vec<String>) {
        let (old, new) = (resolve(self.old, old), resolve(self.new, new));
        let (Some(old), Some(new)) = (old.as_object(), new.as_object()) else {
            if old != new {
                found.push(format!("{place} is {new}, was {old}"));
            }
            return;
        };
        let names: BTreeSet<_> = old.keys().chain(new.keys()).collect();
        for name in names {
            if REMARKS.contains(&name.as_str()) {
                continue;
            }
            let (was, is) = (old.get(name), new.get(name));
            match (name.as_str(), was, is) {
                ("properties", was, is) => self.properties(was, is, place, found),
                ("required", was, is) => required(was, is, place, found),
                (bound, was, is) if UPPER_BOUNDS.contains(&bound) => {
                    narrower(was, is, |was, is| is <= was, bound, place, found);
                }
                (bound, was, is) if LOWER_BOUNDS.contains(&bound) => {
                    narrower(was, is, |was, is| is >= was, bound, place, found);
                }
                (keyword, Some(Value::Array(was)), Some(Value::Array(is)))
                    if was.len() == is.len() =>
                {
                    for (index, (was, is)) in was.iter().zip(is).enumerate() {
                        let place = format!("{place}.{keyword}[{index}]");
                        self.compare(was, is, &place, found);
                    }
                }
                (keyword, Some(was), Some(is)) if was.is_object() || was.is_boolean() => {
                    self.compare(was, is, &format!("{place}.{keyword}"), found);
                }
                (_, was, is) if was == is => {}
                (keyword, was, is) => {
                    let text =
                        |value: Option<&Value>| value.map_or("absent".to_owned(), Value::to_string);
                    let (was, is) = (text(was), text(is));
                    found.push(format!("{keyword} of {place} is {is}, was {was}"));
                }
            }
        }
    }

    fn properties(
        &self,
        old: Option<&Value>,
        new: Option<&Value>,
        place: &str,
        found: &mut Vec<String>,
    ) {
        let none = Map::new();
        let members =
            |value: Option<&Value>| value.and_then(Value::as_object).unwrap_or(&none).clone();
        let new = members(new);
        for (name, was) in &members(old) {
            let place = format!("{place}.{name}");
            match new.get(name) {
                Some(is) => self.compare(was, is, &place, found),
                None => found.push(format!("{place} is gone")),
            }
        }
    }
}

/// A required field may neither come nor go.
fn required(old: Option<&Value>, new: Option<&Value>, place: &str, found: &mut Vec<String>) {
    let names = |value: Option<&Value>| -> BTreeSet<String> {
        let names = value.and_then(Value::as_array).into_iter().flatten();
        names
            .filter_map(|name| Some(name.as_str()?.to_owned()))
            .collect()
    };
    let (old, new) = (names(old), names(new));
    for name in new.difference(&old) {
        found.push(format!(
            "{place}.{name} is required now, and older events lack it"
        ));
    }
    for name in old.difference(&new) {
        found.push(format!(
            "{place}.{name} may be absent now, and readers rely on it"
        ));
    }
}

fn narrower(
    old: Option<&Value>,
    new: Option<&Value>,
    fits: fn(f64, f64) -> bool,
    bound: &str,
    place: &str,
    found: &mut Vec<String>,
) {
    let number = |value: Option<&Value>| value.and_then(Value::as_f64);
    match (number(old), number(new)) {
        (None, _) => {}
        (Some(was), Some(is)) if fits(was, is) => {}
        (Some(was), is) => found.push(format!("{bound} of {place} is {is:?}, was {was}")),
    }
}

/// What a schema refers to, if it does.
fn resolve<'a>(root: &'a Value, schema: &'a Value) -> &'a Value {
    let Some(reference) = schema.get("$ref").and_then(Value::as_str) else {
        return schema;
    };
    let path = reference.strip_prefix('#').unwrap();
    root.pointer(path).unwrap()
}

#[test]
fn what_readers_would_stumble_over_is_found() {
    let old = json!({
        "title": "Old",
        "type": "object",
        "properties": {
            "id": { "$ref": "#/$defs/Id" },
            "role": { "enum": ["admin", "member"] },
            "note": { "type": ["string", "null"], "maxLength": 100 },
            "of": { "anyOf": [{ "const": "a" }, { "type": "null" }] },
        },
        "required": ["id", "role"],
        "$defs": { "Id": { "type": "string", "format": "uuid" } },
    });
    let changed = |path: &str, value: Value| {
        let mut new = old.clone();
        let (parent, name) = path.rsplit_once('/').unwrap();
        let parent = new.pointer_mut(parent).unwrap().as_object_mut().unwrap();
        if value == json!("remove it") {
            parent.remove(name);
        } else {
            parent.insert(name.to_owned(), value);
        }
        breaks(&old, &new)
    };
    let fine = [
        ("/title", json!("New")),
        ("/properties/more", json!({ "type": "integer" })),
        ("/properties/note/maxLength", json!(50)),
        ("/properties/id/description", json!("Which.")),
        (
            "/properties/id",
            json!({ "type": "string", "format": "uuid" }),
        ),
    ];
    for (path, value) in fine {
        assert_eq!(changed(path, value), [""; 0], "{path}");
    }
    let wrong = [
        ("/properties/note", json!("remove it")),
        ("/properties/note/maxLength", json!(200)),
        ("/properties/note/maxLength", json!("remove it")),
        ("/properties/note/type", json!("string")),
        ("/properties/role/enum", json!(["admin", "member", "guest"])),
        ("/properties/role/enum", json!(["admin", "guest"])),
        (
            "/properties/of/anyOf",
            json!([{ "const": "b" }, { "type": "null" }]),
        ),
        ("/required", json!(["id", "role", "note"])),
        ("/required", json!(["id"])),
        ("/$defs/Id/type", json!("integer")),
        ("/$defs/Id/format", json!("remove it")),
        ("/type", json!("array")),
    ];
    for (path, value) in wrong {
        assert_eq!(changed(path, value).len(), 1, "{path}");
    }
}
