//! `POST /projects/{id}/inbox`: a decision on one video, by its own button, or on all that are ticked.

use std::collections::HashSet;

use api::v1::BulkAnswer;
use axum::extract::Query;
use axum::response::Response;
use http::Method;
use serde_json::json;

use super::list;
use super::outcome::sentences;
use super::view::{Asked, Status};
use crate::client::Path;
use crate::form::{Fields, SignedForm};
use crate::page::{Notice, Problem, ok, tell};
use crate::routes::id::Id;
use crate::visit::see_other;

/// What was decided, and on which videos.
#[derive(Debug, PartialEq, Eq)]
struct Review<'a> {
    /// As the API takes it.
    decision: &'a str,
    video_ids: Vec<&'a str>,
    /// What was ticked, and is not decided by it.
    left: HashSet<&'a str>,
}

impl<'a> Review<'a> {
    fn of(fields: &'a Fields) -> Self {
        let ticked = fields.all("video_ids");
        match fields.text("one").split_once(' ') {
            Some((decision, id)) => Self {
                decision,
                video_ids: vec![id],
                left: ticked.filter(|ticked| *ticked != id).collect(),
            },
            None => Self {
                decision: fields.text("decision"),
                video_ids: ticked.collect(),
                left: HashSet::new(),
            },
        }
    }

    /// What the videos become.
    fn to(&self) -> Status {
        match self.decision {
            "exclude" => Status::Excluded,
            _ => Status::Approved,
        }
    }
}

pub(super) async fn review(
    Id(id): Id,
    Query(view): Asked,
    form: SignedForm,
) -> Result<Response, Problem> {
    let SignedForm { visit, fields } = form;
    let review = Review::of(&fields);
    let (mut visit, notice) = if review.video_ids.is_empty() {
        let text = "Nothing was decided, since no video is selected. Tick some first.";
        (visit, Notice::of(text))
    } else {
        let body = json!({"decision": review.decision, "video_ids": review.video_ids});
        let path = Path::v1(&["projects", &id.to_string(), "inbox", "review"]);
        let reviewed = visit.command::<BulkAnswer>(Method::POST, path, Some(&body), None);
        let reviewed = reviewed.await?;
        let notice = Notice::of(sentences(&reviewed.data, review.to()));
        (visit.seen(&reviewed), notice)
    };
    if visit.is_part {
        let mut page = Box::pin(list::page(&visit, id, view, &review.left)).await?;
        page.shell.notice = Some(notice);
        return Ok(ok(&page));
    }
    visit.jar = tell(visit.jar, &notice);
    Ok(see_other(&visit, &view.place(&id.to_string())))
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::Review;
    use crate::form::Fields;
    use crate::routes::inbox::view::Status;

    #[test]
    fn a_button_of_its_own_decides_on_one_and_leaves_what_is_ticked() {
        let fields = Fields::parse(b"video_ids=a&video_ids=b&one=exclude+b");
        let review = Review::of(&fields);
        assert_eq!(
            (review.decision, &review.video_ids[..]),
            ("exclude", &["b"][..])
        );
        assert_eq!(review.left, HashSet::from(["a"]));
        assert_eq!(review.to(), Status::Excluded);
    }

    #[test]
    fn the_other_buttons_decide_on_what_is_ticked() {
        let fields = Fields::parse(b"video_ids=a&video_ids=b&decision=include");
        let review = Review::of(&fields);
        assert_eq!(
            (review.decision, &review.video_ids[..]),
            ("include", &["a", "b"][..])
        );
        assert!(review.left.is_empty());
        assert_eq!(review.to(), Status::Approved);
    }
}
