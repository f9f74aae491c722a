//! Changes of what others change too. A form carries what it showed, so only what a person changed is sent,
//! and what somebody else changed since is not overwritten unseen.
//!
//! What is, is what the read side shows. A change of the same field that it does not show yet is overwritten
//! all the same: commands name no version of a thing that they expect.

use crate::form::Fields;
use crate::page::Errors;

/// What the fields begin with that carry what a form showed.
const SHOWN: &str = "shown.";

/// One field of such a form; each text is the same for the same content.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Edit {
    pub name: &'static str,
    /// As it is: what the form shows, unless somebody entered something else.
    pub now: String,
    /// The same as people read it.
    reads: String,
    shown: String,
    entered: String,
}

impl Edit {
    /// Of a form that is opened: nobody has changed anything.
    pub fn opened(name: &'static str, now: impl Into<String>) -> Self {
        let now = now.into();
        Self {
            name,
            reads: now.clone(),
            shown: now.clone(),
            entered: now.clone(),
            now,
        }
    }

    /// How people read what is.
    #[must_use]
    pub fn reading(mut self, reads: impl Into<String>) -> Self {
        self.reads = reads.into();
        self
    }

    /// The same as a form was sent; nothing was entered where it was left as it is.
    #[must_use]
    pub fn sent(mut self, fields: &Fields, entered: Option<String>) -> Self {
        let carried = format!("{SHOWN}{}", self.name);
        if fields.has(&carried) {
            // Browsers send lines with CR LF.
            self.shown = fields.text(&carried).replace("\r\n", "\n");
        }
        self.entered = entered.unwrap_or_else(|| self.shown.clone());
        self
    }

    /// What the form holds when it is shown again: what was entered, else what is.
    pub fn holds(&self) -> &str {
        if self.is_entered() {
            &self.entered
        } else {
            &self.now
        }
    }

    fn is_entered(&self) -> bool {
        self.entered != self.shown
    }

    /// Whether it is to be sent.
    fn is_change(&self) -> bool {
        self.is_entered() && self.entered != self.now
    }

    fn is_overtaken(&self) -> bool {
        self.is_change() && self.shown != self.now
    }

    fn told(&self) -> String {
        let reads = &self.reads;
        format!(
            "Somebody else changed this since you opened the form: now it is “{reads}”. Here stands what \
             you entered; save again to put that in its place."
        )
    }
}

/// Names of the fields to send.
///
/// # Errors
/// What somebody else changed to something else meanwhile; then nothing is to be sent.
pub fn settle(edits: &[Edit]) -> Result<Vec<&'static str>, Errors> {
    let overtaken = edits.iter().filter(|edit| edit.is_overtaken());
    let overtaken: Vec<_> = overtaken.map(|edit| (edit.name, edit.told())).collect();
    if !overtaken.is_empty() {
        return Err(Errors::of_fields(overtaken));
    }
    let changed = edits.iter().filter(|edit| edit.is_change());
    Ok(changed.map(|edit| edit.name).collect())
}

#[cfg(test)]
mod tests {
    use super::{Edit, settle};
    use crate::form::Fields;

    /// A field that showed one text, into which another was entered, and which is a third by now.
    fn edit(shown: &str, entered: &str, now: &str) -> Edit {
        let mut carried = url::form_urlencoded::Serializer::new(String::new());
        carried.append_pair("shown.name", shown);
        let fields = Fields::parse(carried.finish().as_bytes());
        Edit::opened("name", now).sent(&fields, Some(entered.to_owned()))
    }

    #[test]
    fn only_what_a_person_changed_is_sent() {
        assert_eq!(settle(&[edit("a", "b", "a")]).ok(), Some(vec!["name"]));
        assert_eq!(settle(&[edit("a", "a", "a")]).ok(), Some(vec![]));
    }

    #[test]
    fn what_somebody_else_changed_stays_and_is_shown() {
        let left = edit("a", "a", "theirs");
        assert_eq!(left.holds(), "theirs");
        assert_eq!(settle(&[left]).ok(), Some(vec![]));
    }

    #[test]
    fn of_two_who_change_the_same_the_second_sees_both() {
        let overtaken = edit("a", "mine", "theirs");
        assert_eq!(overtaken.holds(), "mine");
        let errors = settle(std::slice::from_ref(&overtaken)).expect_err("somebody was first");
        assert!(
            errors
                .of("name")
                .is_some_and(|text| text.contains("“theirs”"))
        );
        // The form that tells of it shows what is, so saving again is meant.
        assert_eq!(
            settle(&[edit("theirs", "mine", "theirs")]).ok(),
            Some(vec!["name"])
        );
    }

    #[test]
    fn two_who_change_the_same_to_the_same_agree() {
        assert_eq!(settle(&[edit("a", "b", "b")]).ok(), Some(vec![]));
    }

    #[test]
    fn lines_are_compared_as_lines() {
        assert_eq!(settle(&[edit("a\r\nb", "a\nb", "a\nb")]).ok(), Some(vec![]));
    }

    #[test]
    fn a_form_that_carries_nothing_changes_what_differs() {
        let bare = Edit::opened("name", "a").sent(&Fields::default(), Some("b".to_owned()));
        assert_eq!(settle(&[bare]).ok(), Some(vec!["name"]));
    }
}
