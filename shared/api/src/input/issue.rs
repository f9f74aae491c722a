//! What is wrong with an input, and where: collected, so that one answer names all of it.

use std::borrow::Cow;
use std::fmt::{self, Write as _};

use serde::Serialize;
use utoipa::ToSchema;

/// Most issues of one answer.
pub const MAX_ISSUES: usize = 20;
/// Longest name of a caller's own that a path repeats, in characters.
const MAX_SEGMENT_CHARS: usize = 64;

/// One thing that is wrong with an input.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Issue {
    /// Where: `creators[3].handle` in a body (`$` is the whole of it), the name of a parameter or
    /// header elsewhere.
    #[schema(example = "name")]
    pub path: String,
    /// What is allowed there.
    #[schema(value_type = String, example = "must not be empty")]
    pub message: Cow<'static, str>,
}

/// Issues in the order in which they were found; those after the 20th are only counted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Issues {
    first: Vec<Issue>,
    count: usize,
}

/// Stands for a value that is not there because an issue was recorded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Invalid;

impl Issues {
    /// A single issue.
    pub fn one(path: impl Into<String>, message: impl Into<Cow<'static, str>>) -> Self {
        let mut issues = Self::default();
        issues.push(path, message);
        issues
    }

    /// Adds one.
    pub fn push(&mut self, path: impl Into<String>, message: impl Into<Cow<'static, str>>) {
        if self.first.len() < MAX_ISSUES {
            self.first.push(Issue {
                path: path.into(),
                message: message.into(),
            });
        }
        self.count += 1;
    }

    /// Whether nothing is wrong.
    pub const fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// The first 20.
    pub fn as_slice(&self) -> &[Issue] {
        &self.first
    }

    /// One sentence for people: the first issue and how many more there are.
    pub fn sentence(&self, what: &str) -> String {
        let mut sentence = format!("Invalid {what}");
        if let Some(Issue { path, message }) = self.first.first() {
            let _ = write!(sentence, ": {path}: {message}");
        }
        if self.count > 1 {
            let _ = write!(sentence, " (and {} more)", self.count - 1);
        }
        sentence
    }
}

/// A place in a JSON document, kept on the stack while it is read.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Path<'a> {
    Root,
    Member(&'a Path<'a>, &'a str),
    Item(&'a Path<'a>, usize),
}

impl fmt::Display for Path<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Root => f.write_str("$"),
            Self::Member(parent, name) => {
                if !matches!(parent, Path::Root) {
                    write!(f, "{parent}.")?;
                }
                write_name(f, name)
            }
            Self::Item(parent, index) => write!(f, "{parent}[{index}]"),
        }
    }
}

/// A name as it may be repeated in an answer: short, and without control characters.
pub(crate) fn shown(name: &str) -> String {
    struct Shown<'a>(&'a str);
    impl fmt::Display for Shown<'_> {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            write_name(f, self.0)
        }
    }
    Shown(name).to_string()
}

fn write_name(f: &mut fmt::Formatter<'_>, name: &str) -> fmt::Result {
    for (count, character) in name.chars().enumerate() {
        if count == MAX_SEGMENT_CHARS {
            return f.write_char('…');
        }
        f.write_char(if character.is_control() {
            '\u{fffd}'
        } else {
            character
        })?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_names_members_and_items() {
        let root = Path::Root;
        let creators = Path::Member(&root, "creators");
        let third = Path::Item(&creators, 3);
        assert_eq!(root.to_string(), "$");
        assert_eq!(creators.to_string(), "creators");
        assert_eq!(
            Path::Member(&third, "handle").to_string(),
            "creators[3].handle"
        );
        assert_eq!(Path::Item(&root, 0).to_string(), "$[0]");
        assert_eq!(
            Path::Member(&root, &"x".repeat(1_000)).to_string(),
            format!("{}…", "x".repeat(64))
        );
        assert_eq!(shown("a\u{1b}[2J"), "a\u{fffd}[2J");
    }

    #[test]
    fn only_the_first_twenty_are_kept_and_the_rest_counted() {
        let mut issues = Issues::default();
        for index in 0..25 {
            issues.push(format!("ids[{index}]"), "not a UUID");
        }
        assert_eq!(issues.as_slice().len(), 20);
        assert_eq!(
            issues.sentence("body"),
            "Invalid body: ids[0]: not a UUID (and 24 more)"
        );
    }
}
