//! `POST /projects/{id}/inbox`: a decision on one video, by its own button, or on all that are ticked.
//!
//! Whatever becomes of it, the list stays in sight: what failed is told above it, and what was ticked and is
//! not decided stays ticked.

use std::collections::{HashMap, HashSet};

use api::v1::BulkAnswer;
use axum::response::Response;
use http::{Method, StatusCode};
use runtime::files;
use serde_json::json;
use sha2::{Digest, Sha256};
use uuid::Uuid;

use super::list::{self, InboxPage, Told};
use super::outcome::Outcome;
use super::view::{Status, View};
use crate::client::Path;
use crate::form::{Fields, ONCE_FIELD, SignedForm};
use crate::page::{Notice, Problem, ok, render, tell};
use crate::routes::address::Parameters;
use crate::routes::id::Id;
use crate::visit::{Visit, see_other};

/// Of a decision that was sent again, whatever became of the videos since.
const REPLAYED: &str = "This was sent before, and is not done again. What was said then:";

/// What was decided, and on which videos.
#[derive(Debug, PartialEq, Eq)]
struct Review<'a> {
    /// As the API takes it.
    decision: &'a str,
    video_ids: Vec<&'a str>,
    /// What was ticked.
    ticked: HashSet<&'a str>,
    /// Titles of all videos of the page, by id.
    titles: HashMap<&'a str, &'a str>,
}

impl<'a> Review<'a> {
    fn of(fields: &'a Fields) -> Self {
        let ticked: Vec<_> = fields.all("video_ids").collect();
        let (decision, video_ids) = match fields.text("one").split_once(' ') {
            Some((decision, id)) => (decision, vec![id]),
            None => (fields.text("decision"), ticked.clone()),
        };
        Self {
            decision,
            video_ids,
            ticked: ticked.into_iter().collect(),
            titles: fields
                .all("title")
                .filter_map(|it| it.split_once(' '))
                .collect(),
        }
    }

    /// The same for the same decision from the same list, which may be sent twice; another decision from a list
    /// that stayed in sight is another.
    fn key(&self, once: &str) -> String {
        let mut hash = Sha256::new();
        for part in [once, self.decision].iter().chain(&self.video_ids) {
            hash.update(part);
            hash.update(" ");
        }
        files::hex(&hash.finalize())
    }

    /// What the videos become.
    fn to(&self) -> Status {
        match self.decision {
            "exclude" => Status::Excluded,
            _ => Status::Approved,
        }
    }

    /// What stays ticked after a decision: what it was not about, and what it left out.
    fn left<'b>(&self, outcome: &'b Outcome) -> HashSet<&'b str>
    where
        'a: 'b,
    {
        let decided: HashSet<_> = self.video_ids.iter().copied().collect();
        let others = self.ticked.difference(&decided).copied();
        let refused = outcome.left.iter().map(|left| left.id.as_str());
        others.chain(refused).collect()
    }
}

pub(super) async fn review(
    Id(id): Id,
    asked: Parameters,
    form: SignedForm,
) -> Result<Response, Problem> {
    let SignedForm { visit, fields } = form;
    let view = View::new(id, &asked);
    let review = Review::of(&fields);
    if review.video_ids.is_empty() {
        let text = "Nothing was decided, since no video is selected. Tick some first.";
        return refused(&visit, view, &review, StatusCode::BAD_REQUEST, text).await;
    }
    let body = json!({"decision": review.decision, "video_ids": review.video_ids});
    let path = Path::v1(&["projects", &id.to_string(), "inbox", "review"]);
    let key = fields.some(ONCE_FIELD).map(|once| review.key(once));
    let reviewed = visit.command::<BulkAnswer>(Method::POST, path, Some(&body), key.as_deref());
    match reviewed.await {
        Ok(reviewed) => {
            let mut outcome = Outcome::new(&reviewed.data, &review.video_ids, review.to());
            if reviewed.is_replay {
                outcome.said = format!("{REPLAYED} {}", outcome.said);
            }
            Ok(done(visit.seen(&reviewed), id, view, &review, outcome).await)
        }
        Err(problem) => match problem.in_words() {
            Some((status, text)) => refused(&visit, view, &review, status, &text)
                .await
                .map_err(|_| problem),
            None => Err(problem),
        },
    }
}

/// The list without what was decided, and what became of it.
async fn done(
    mut visit: Visit,
    project: Uuid,
    view: View,
    review: &Review<'_>,
    outcome: Outcome,
) -> Response {
    let place = view.list.here();
    if visit.is_part || !outcome.left.is_empty() {
        let ticked = review.left(&outcome);
        let page = Box::pin(list::page(&visit, project, view, &ticked)).await;
        match page {
            Ok(page) => return ok(&page.with(Told::outcome(&outcome, &review.titles))),
            Err(problem) if visit.is_part => {
                // What was done must not be lost behind a list that cannot be read again.
                let why = problem.in_words();
                let (status, why) = why.unwrap_or((StatusCode::UNAUTHORIZED, String::new()));
                let text = format!(
                    "{} The list could not be loaded anew, so it shows what was before. {why}",
                    outcome.said
                );
                return list::alert(&visit, status, &text);
            }
            Err(_) => {}
        }
    }
    visit.jar = tell(visit.jar, &Notice::of(outcome.said));
    see_other(&visit, &place)
}

/// The list as it was, and why nothing was decided.
async fn refused(
    visit: &Visit,
    view: View,
    review: &Review<'_>,
    status: StatusCode,
    text: &str,
) -> Result<Response, Problem> {
    if visit.is_part {
        return Ok(list::alert(visit, status, text));
    }
    let project = view.project();
    let page: InboxPage = Box::pin(list::page(visit, project, view, &review.ticked)).await?;
    Ok(render(status, &page.with(Told::alert(text))))
}

#[cfg(test)]
mod tests {
    use std::collections::{HashMap, HashSet};

    use super::Review;
    use crate::form::Fields;
    use crate::routes::inbox::outcome::{Left, Outcome};
    use crate::routes::inbox::view::Status;

    fn outcome(left: &[&str]) -> Outcome {
        let left = left.iter().map(|id| Left {
            id: (*id).to_owned(),
            why: String::new(),
        });
        Outcome {
            said: String::new(),
            left: left.collect(),
        }
    }

    #[test]
    fn a_button_of_its_own_decides_on_one_and_leaves_what_is_ticked() {
        let fields = Fields::parse(b"video_ids=a&video_ids=b&one=exclude+b");
        let review = Review::of(&fields);
        assert_eq!(
            (review.decision, &review.video_ids[..]),
            ("exclude", &["b"][..])
        );
        assert_eq!(review.left(&outcome(&[])), HashSet::from(["a"]));
        assert_eq!(review.to(), Status::Excluded);
    }

    #[test]
    fn a_decision_has_a_key_of_its_own_on_each_list() {
        let key = |once, body: &[u8]| Review::of(&Fields::parse(body)).key(once);
        let one = key("1", b"decision=include&video_ids=a&video_ids=b");
        assert_eq!(
            one,
            key("1", b"video_ids=a&title=a+A&video_ids=b&decision=include")
        );
        for (once, body) in [
            ("2", "decision=include&video_ids=a&video_ids=b"),
            ("1", "decision=exclude&video_ids=a&video_ids=b"),
            ("1", "decision=include&video_ids=a"),
        ] {
            assert_ne!(one, key(once, body.as_bytes()), "{once} {body}");
        }
    }

    #[test]
    fn the_other_buttons_decide_on_what_is_ticked() {
        let fields = Fields::parse(b"video_ids=a&video_ids=b&decision=include&title=a+A+goat");
        let review = Review::of(&fields);
        assert_eq!(
            (review.decision, &review.video_ids[..]),
            ("include", &["a", "b"][..])
        );
        assert!(review.left(&outcome(&[])).is_empty());
        assert_eq!(review.left(&outcome(&["b"])), HashSet::from(["b"]));
        assert_eq!(review.to(), Status::Approved);
        assert_eq!(review.titles, HashMap::from([("a", "A goat")]));
    }
}
