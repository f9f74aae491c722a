//! `/settings/sessions/end-all`: all of a person's sessions in this org, but the one that asks.

use std::time::Duration;

use api::v1::{Receipt, Session};
use askama::Template;
use axum::extract::Query;
use axum::response::Response;
use futures_util::{StreamExt, stream};
use runtime::clock::Clock;

use super::{Asked, device};
use crate::client::{Answer, Failure, Path};
use crate::form::SignedForm;
use crate::page::{Framed, Nav, Notice, Problem, Shell, ok, tell};
use crate::text;
use crate::visit::{Signed, Visit, see_other};

/// Sessions that are ended at a time: all are changes of one org, of which too many at once get into each
/// other's way.
const AT_ONCE: usize = 4;
/// How long ending them all may take: whoever waits for a page does not wait longer.
const ALL_WITHIN: Duration = Duration::from_secs(25);

#[derive(Template)]
#[template(path = "settings/sessions/end_all.html")]
struct EndAllPage {
    shell: Shell,
    count: String,
    /// Whose they are, if not the person's own.
    other: Option<String>,
    user_id: String,
    back: String,
}

impl Framed for EndAllPage {
    fn shell(&self) -> &Shell {
        &self.shell
    }
}

pub(super) async fn show(
    Signed(visit): Signed,
    Query(asked): Query<Asked>,
) -> Result<Response, Problem> {
    let (who, sessions) = tokio::try_join!(visit.who(), asked.sessions(&visit))?;
    let count = but_this(sessions).count() as u64;
    if count == 0 {
        return Ok(see_other(&visit, &asked.place()));
    }
    let other = asked.other(&visit, &who).await?;
    Ok(ok(&EndAllPage {
        shell: Shell::signed(&visit, who, Nav::Sessions, "End sessions"),
        count: text::plural(count, "session"),
        other,
        back: asked.place(),
        user_id: asked.user_id,
    }))
}

pub(super) async fn end_all(form: SignedForm) -> Result<Response, Problem> {
    let SignedForm { visit, fields } = form;
    let asked = Asked::of(&fields);
    let (mut visit, notice) = end_each(visit, &asked).await?;
    visit.jar = tell(visit.jar, &notice);
    Ok(see_other(&visit, &asked.place()))
}

/// Ends as many as there are now: those that are opened meanwhile stay.
async fn end_each(mut visit: Visit, asked: &Asked) -> Result<(Visit, Notice), Problem> {
    let sessions: Vec<_> = but_this(asked.sessions(&visit).await?).collect();
    let ends = sessions.iter().map(|session| end(&visit, session));
    let outcomes = together(&visit.app.clock, ends).await;
    let mut told = Outcomes::default();
    let mut answers = Vec::new();
    let mut first_problem = None;
    for (session, outcome) in sessions.iter().zip(outcomes) {
        let name = name(session);
        match outcome {
            Some(Ok(answer)) => {
                answers.push(answer);
                told.ended.push(name);
            }
            Some(Err(problem)) => {
                told.of(&problem).push(name);
                first_problem.get_or_insert(problem);
            }
            None => told.unknown.push(name),
        }
    }
    if answers.is_empty() && !sessions.is_empty() {
        return Err(first_problem.unwrap_or_else(|| Problem::call(&visit, Failure::Late)));
    }
    answers.sort_by_key(|answer| answer.position);
    visit = answers.iter().fold(visit, Visit::seen);
    let newest = answers.last().map(|answer| &answer.data);
    Ok((visit, Notice::with(told.sentences(), newest)))
}

async fn end(visit: &Visit, session: &Session) -> Result<Answer<Receipt>, Problem> {
    let path = Path::v1(&["sessions"]).join(session.id);
    visit.delete(path).await
}

/// Does some things, a few at a time, as long as there is time: what came of each, nothing if it was late.
async fn together<T>(
    clock: &Clock,
    things: impl Iterator<Item = impl Future<Output = T>>,
) -> Vec<Option<T>> {
    let things: Vec<_> = things.enumerate().collect();
    let mut done: Vec<_> = things.iter().map(|_| None).collect();
    let things = things
        .into_iter()
        .map(async |(place, thing)| (place, thing.await));
    let mut doing = stream::iter(things).buffer_unordered(AT_ONCE);
    let all = async {
        while let Some((place, outcome)) = doing.next().await {
            done[place] = Some(outcome);
        }
    };
    // What is not done then stays as it is.
    let _ = clock.timeout(ALL_WITHIN, all).await;
    done
}

fn but_this(sessions: Vec<Session>) -> impl Iterator<Item = Session> {
    sessions.into_iter().filter(|session| !session.current)
}

fn name(session: &Session) -> String {
    let device = device::name(session.user_agent.as_deref());
    match &session.ip {
        Some(ip) => format!("{device} at {ip}"),
        None => device,
    }
}

/// Which sessions ended, and which did not.
#[derive(Debug, Default)]
struct Outcomes {
    ended: Vec<String>,
    /// That were refused to be ended.
    live: Vec<String>,
    /// Of which nobody answered in time.
    unknown: Vec<String>,
}

impl Outcomes {
    /// Those with which the same went wrong.
    fn of(&mut self, problem: &Problem) -> &mut Vec<String> {
        let is_told = problem.told().is_some() && problem.code() != "outcome_unknown";
        if is_told {
            &mut self.live
        } else {
            &mut self.unknown
        }
    }

    fn sentences(&self) -> String {
        let Self {
            ended,
            live,
            unknown,
        } = self;
        let mut told = match ended.len() {
            0 => "There was no other session to end.".to_owned(),
            1 => "1 session ended: no replica accepts it any more.".to_owned(),
            more => {
                let sessions = text::plural(more as u64, "session");
                format!("{sessions} ended: no replica accepts them any more.")
            }
        };
        if live.is_empty() && unknown.is_empty() {
            return told;
        }
        let lists = [
            (" Ended", ended),
            (" Still live", live),
            (" Not known whether they ended", unknown),
        ];
        for (what, sessions) in lists.into_iter().filter(|(_, of)| !of.is_empty()) {
            told.extend([what, ": ", &sessions.join(", "), "."]);
        }
        told.push_str(" What the list still has can be ended again.");
        told
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::future::{pending, ready};

    use chrono::DateTime;
    use futures_util::FutureExt;
    use futures_util::future::Either;
    use runtime::clock::Clock;

    use super::{ALL_WITHIN, AT_ONCE, Outcomes, together};

    #[test]
    fn what_is_late_is_not_waited_for_and_nothing_is_taken_for_done() {
        let (clock, time) = Clock::manual(DateTime::UNIX_EPOCH);
        let things = [
            Either::Left(ready("a")),
            Either::Right(pending()),
            Either::Left(ready("b")),
        ];
        let mut done = Box::pin(together(&clock, things.into_iter()));
        assert!(done.as_mut().now_or_never().is_none());
        time.advance(ALL_WITHIN);
        let done = done.now_or_never().expect("its time is over");
        assert_eq!(done, [Some("a"), None, Some("b")]);
    }

    #[test]
    fn a_few_are_done_at_a_time() {
        let (clock, _time) = Clock::manual(DateTime::UNIX_EPOCH);
        let begun = Cell::new(0);
        let things = (0..3 * AT_ONCE).map(|_| async {
            begun.set(begun.get() + 1);
            pending::<()>().await;
        });
        assert!(together(&clock, things).now_or_never().is_none());
        assert_eq!(begun.get(), AT_ONCE);
    }

    #[test]
    fn it_is_told_which_ended_and_which_did_not() {
        let names = |names: &[&str]| names.iter().map(ToString::to_string).collect();
        let of = |ended, live, unknown| {
            let outcomes = Outcomes {
                ended: names(ended),
                live: names(live),
                unknown: names(unknown),
            };
            outcomes.sentences()
        };
        assert_eq!(
            of(&["a"], &[], &[]),
            "1 session ended: no replica accepts it any more."
        );
        assert_eq!(
            of(&["a", "b"], &["c"], &["d"]),
            "2 sessions ended: no replica accepts them any more. Ended: a, b. Still live: c. Not known \
             whether they ended: d. What the list still has can be ended again."
        );
        assert_eq!(of(&[], &[], &[]), "There was no other session to end.");
    }
}
