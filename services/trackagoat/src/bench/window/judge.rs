//! What is to be said of the answers to one trace. A request was judged between its sending and its
//! answer, nobody outside knows when: so what is counted against a limiter is what is certain.

use serde::Deserialize;
use serde_json::{Value, json};

use super::trace::{Trace, ideal};

/// One answer: sent and received, in windows, and whether the request was admitted.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
#[serde(from = "(f64, f64, bool)")]
pub struct Answer {
    pub sent: f64,
    pub received: f64,
    pub admitted: bool,
}

/// What became of one trace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Verdict {
    pub requests: usize,
    /// The most that were admitted in any trailing window.
    pub most: usize,
    pub total: usize,
    pub ideal: usize,
    /// Refused though fewer than the limit were admitted in the window before.
    pub false_refusals: usize,
    /// The most requests that were sent within the time in which replicas hear of each other.
    pub unheard: usize,
}

impl From<(f64, f64, bool)> for Answer {
    fn from((sent, received, admitted): (f64, f64, bool)) -> Self {
        Self {
            sent,
            received,
            admitted,
        }
    }
}

impl Verdict {
    /// `heard_within` is in windows.
    pub fn of(answers: &[Answer], trace: &Trace, limit: usize, heard_within: f64) -> Self {
        let admitted: Vec<_> = answers.iter().filter(|answer| answer.admitted).collect();
        let certain = |from: f64| {
            let within = |answer: &&&Answer| answer.sent >= from && answer.received < from + 1.0;
            admitted.iter().filter(within).count()
        };
        let possible = |refused: &Answer| {
            let before = |answer: &&&Answer| {
                answer.received > refused.sent - 1.0 && answer.sent <= refused.received
            };
            admitted.iter().filter(before).count()
        };
        let refused = answers.iter().filter(|answer| !answer.admitted);
        let together = |from: f64| {
            let within = |answer: &&Answer| (from..=from + heard_within).contains(&answer.sent);
            answers.iter().filter(within).count()
        };
        let most = admitted.iter().map(|answer| certain(answer.sent)).max();
        let unheard = answers.iter().map(|answer| together(answer.sent)).max();
        Self {
            requests: answers.len(),
            most: most.unwrap_or(0),
            total: admitted.len(),
            ideal: ideal(&trace.at, limit),
            false_refusals: refused.filter(|refused| possible(refused) < limit).count(),
            unheard: unheard.unwrap_or(0),
        }
    }

    pub fn to_json(self) -> Value {
        json!({
            "requests": self.requests,
            "most_in_a_trailing_window": self.most,
            "admitted": self.total,
            "ideal": self.ideal,
            "refused_without_need": self.false_refusals,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answers(all: &[(f64, f64, bool)]) -> Vec<Answer> {
        all.iter().copied().map(Answer::from).collect()
    }

    fn verdict(all: &[(f64, f64, bool)]) -> Verdict {
        let at = all.iter().map(|(sent, _, _)| *sent).collect();
        let trace = Trace { name: "test", at };
        Verdict::of(&answers(all), &trace, 2, 0.25)
    }

    #[test]
    fn only_what_is_certain_counts() {
        let found = verdict(&[
            (0.0, 0.1, true),
            (0.2, 0.3, true),
            // It may have been admitted at 1.05, when the first had left.
            (0.95, 1.05, true),
            (1.1, 1.15, true),
        ]);
        assert_eq!((found.most, found.total, found.ideal), (3, 4, 3));
        assert_eq!(found.unheard, 2);
    }

    #[test]
    fn a_refusal_is_false_only_if_there_surely_was_room() {
        let found = verdict(&[
            (0.0, 0.1, true),
            (0.5, 0.6, true),
            (0.7, 0.8, false),
            // The first may still have counted.
            (1.05, 1.06, false),
            (1.2, 1.3, false),
        ]);
        assert_eq!(found.false_refusals, 1);
        assert_eq!((found.most, found.requests), (2, 5));
    }
}
