//! What became of a decision, in words.

use api::error::ErrorCode;
use api::v1::{BulkAnswer, BulkResult, BulkStatus};

use super::view::Status;
use crate::text::plural;

/// What became of the videos that were to be decided.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    /// In sentences, what was done and what not.
    pub said: String,
    /// The videos that were left out, with why.
    pub left: Vec<Left>,
}

/// A video of which nothing was decided.
#[derive(Debug, PartialEq, Eq)]
pub struct Left {
    pub id: String,
    pub why: String,
}

impl Outcome {
    /// Of videos of which each was to be approved or excluded.
    pub fn new(answer: &BulkAnswer, asked: &[&str], to: Status) -> Self {
        let done = match to {
            Status::Excluded => "excluded",
            Status::Waiting | Status::Approved => "approved",
        };
        let count = |status| {
            let of_status = answer.results.iter().filter(|it| it.status == status);
            of_status.count()
        };
        let (changed, unchanged) = (count(BulkStatus::Changed), count(BulkStatus::Unchanged));
        let mut said = Vec::new();
        if changed > 0 {
            said.push(format!("{} {done}.", videos(changed)));
        }
        if unchanged > 0 {
            said.push(format!("{} {done} already.", videos(unchanged)));
        }
        said.extend(refusals(answer));
        if changed > 0 {
            said.push(format!("To undo it, look under {}.", to.label()));
        } else if unchanged == 0 {
            said.push("Nothing was changed.".to_owned());
        }
        let refused = answer.results.iter();
        let refused = refused.filter(|it| it.status == BulkStatus::Error);
        let left = refused.filter_map(|result| {
            let id = (*asked.get(result.index)?).to_owned();
            let why = why(result);
            Some(Left { id, why })
        });
        Self {
            said: said.join(" "),
            left: left.collect(),
        }
    }
}

/// Why one was left out, beside its title.
fn why(result: &BulkResult) -> String {
    match result.code {
        Some(ErrorCode::NotFound) => "removed meanwhile".to_owned(),
        Some(ErrorCode::StateConflict) => {
            "added by its URL meanwhile, and always counts: delete it instead".to_owned()
        }
        _ => reason(result).to_owned(),
    }
}

fn reason(result: &BulkResult) -> &str {
    result.message.as_deref().unwrap_or("it was refused")
}

/// Why some were left out: a sentence for each reason.
fn refusals(answer: &BulkAnswer) -> Vec<String> {
    let mut reasons: Vec<(Option<ErrorCode>, &str, usize)> = Vec::new();
    let refused = answer.results.iter();
    for result in refused.filter(|it| it.status == BulkStatus::Error) {
        if let Some((.., count)) = reasons.iter_mut().find(|(code, ..)| *code == result.code) {
            *count += 1;
        } else {
            reasons.push((result.code, reason(result), 1));
        }
    }
    let sentence = |(code, message, count): (_, &str, _)| match code {
        Some(ErrorCode::NotFound) => format!("{} removed meanwhile.", videos(count)),
        Some(ErrorCode::StateConflict) => format!(
            "{} added by its URL meanwhile and always counts: delete it instead.",
            videos(count)
        ),
        _ => format!("{} left out: {message}.", videos(count)),
    };
    reasons.into_iter().map(sentence).collect()
}

/// `1 video was`, `3 videos were`.
fn videos(count: usize) -> String {
    let verb = if count == 1 { "was" } else { "were" };
    let count = u64::try_from(count).unwrap_or(u64::MAX);
    format!("{} {verb}", plural(count, "video"))
}

#[cfg(test)]
mod tests {
    use api::error::ErrorCode;
    use api::v1::{BulkAnswer, BulkResult, BulkStatus, BulkSummary};

    use super::Outcome;
    use crate::routes::inbox::view::Status;

    const IDS: [&str; 4] = ["a", "b", "c", "d"];

    fn answer(items: &[(BulkStatus, Option<ErrorCode>)]) -> BulkAnswer {
        let results = items
            .iter()
            .enumerate()
            .map(|(index, (status, code))| BulkResult {
                index,
                status: *status,
                id: None,
                code: *code,
                message: code.map(|_| "too many of them".to_owned()),
            });
        BulkAnswer {
            results: results.collect(),
            summary: BulkSummary { ok: 0, error: 0 },
        }
    }

    #[test]
    fn what_became_of_each_is_said() {
        use BulkStatus::{Changed, Error, Unchanged};

        let gone = (Error, Some(ErrorCode::NotFound));
        let direct = (Error, Some(ErrorCode::StateConflict));
        let other = (Error, Some(ErrorCode::LimitReached));
        for (items, to, expected) in [
            (
                vec![(Changed, None), (Changed, None), (Changed, None), gone],
                Status::Approved,
                "3 videos were approved. 1 video was removed meanwhile. To undo it, look under Approved.",
            ),
            (
                vec![(Unchanged, None)],
                Status::Excluded,
                "1 video was excluded already.",
            ),
            (
                vec![direct, gone, gone, other],
                Status::Excluded,
                "1 video was added by its URL meanwhile and always counts: delete it instead. \
                 2 videos were removed meanwhile. 1 video was left out: too many of them. \
                 Nothing was changed.",
            ),
        ] {
            assert_eq!(Outcome::new(&answer(&items), &IDS, to).said, expected);
        }
    }

    #[test]
    fn what_was_left_out_is_named_with_its_reason() {
        use BulkStatus::{Changed, Error};

        let items = [
            (Error, Some(ErrorCode::NotFound)),
            (Changed, None),
            (Error, Some(ErrorCode::LimitReached)),
        ];
        let outcome = Outcome::new(&answer(&items), &IDS, Status::Approved);
        let left = outcome.left.iter();
        let left: Vec<_> = left.map(|it| (it.id.as_str(), it.why.as_str())).collect();
        assert_eq!(
            left,
            [("a", "removed meanwhile"), ("c", "too many of them")]
        );
    }
}
