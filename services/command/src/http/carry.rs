//! From an endpoint's command to its answer.

use std::future::{Future, ready};

use api::envelope::Success;
use api::error::ApiError;
use api::input::body::Fingerprint;
use domain::ids::OrgId;
use domain::org::{Command, Outcome};
use uuid::Uuid;

use self::Once::{Earlier, First};
use super::App;
use super::answer::{Answer, unanswered};
use super::call::Asked;
use super::error::refusal;
use super::once::{self, Entered, Kept, Named, Replay};
use crate::app::{CommandContext, CommandError, Executed};

/// What an endpoint shows its answer from.
pub(super) struct Done {
    pub(super) app: App,
    pub(super) org: OrgId,
    pub(super) executed: Executed,
    /// Whether the answer is that of an earlier request: then there is no secret to tell.
    pub(super) is_replay: bool,
}

impl Done {
    /// The id of what was made.
    pub(super) const fn created(&self) -> Option<Uuid> {
        match self.executed.outcome {
            Outcome::Created(id) => Some(id),
            _ => None,
        }
    }

    /// What became of each item of a list.
    pub(super) fn bulk(&self) -> Result<Answer, CommandError> {
        match &self.executed.outcome {
            Outcome::Items(items) => once::bulk(items),
            _ => Err(unanswered("a list came to something else")),
        }
    }
}

/// Carries a POST out, whether or not the caller stays, and answers with what `show` makes of it;
/// if the caller named the request, only once.
pub(super) async fn once<F>(
    app: App,
    asked: Asked,
    fingerprint: Fingerprint,
    command: Command,
    show: impl FnOnce(Done) -> F + Send + 'static,
) -> Result<Success, ApiError>
where
    F: Future<Output = Result<Answer, CommandError>> + Send + 'static,
{
    let org = asked.org;
    once_in(app, asked, org, fingerprint, command, show).await
}

/// What a command needs that stands outside the log: written before the append that names it, so that
/// nothing names what is not there, and forgotten if it is certain that no event does.
pub(super) trait Beside: Send + Sized + 'static {
    /// Takes it back.
    fn forget(self, app: &App) -> impl Future<Output = ()> + Send;
}

impl Beside for () {
    async fn forget(self, _: &App) {}
}

/// The same in an org that may be another than the caller's.
pub(super) async fn once_in<F>(
    app: App,
    asked: Asked,
    org: OrgId,
    fingerprint: Fingerprint,
    command: Command,
    show: impl FnOnce(Done) -> F + Send + 'static,
) -> Result<Success, ApiError>
where
    F: Future<Output = Result<Answer, CommandError>> + Send + 'static,
{
    let prepare = ready(Ok((command, ())));
    let show = |done, _| show(done);
    once_beside(app, asked, org, fingerprint, prepare, show).await
}

/// The same with a command that `prepare` makes once it is known that the request has no answer yet. `show` gets what stands beside the log if
/// this request made it.
pub(super) async fn once_beside<B: Beside, F>(
    app: App,
    asked: Asked,
    org: OrgId,
    fingerprint: Fingerprint,
    prepare: impl Future<Output = Result<(Command, B), ApiError>> + Send + 'static,
    show: impl FnOnce(Done, Option<B>) -> F + Send + 'static,
) -> Result<Success, ApiError>
where
    F: Future<Output = Result<Answer, CommandError>> + Send + 'static,
{
    shielded(&app.clone(), async move {
        let context = asked.context_in(org);
        let named = match once::enter(&app, &asked, fingerprint).await? {
            Entered::Unnamed => None,
            Entered::Answered(answer, stored) => return once::again(&app, answer, &stored).await,
            Entered::Named(named) => Some(named),
        };
        let refuse = |error| refusal(error, app.jitter());
        let (executed, beside) = match execute(&app, org, &context, named.as_ref(), prepare).await?
        {
            First(executed, beside) => (executed, Some(beside)),
            Earlier(Replay::Answer(answer, stored)) => {
                return once::again(&app, answer, &stored).await;
            }
            Earlier(Replay::Outcome(outcome, stored)) => {
                let recalled = app.commander().recall(org, outcome, &stored).await;
                (recalled.map_err(refuse)?, None)
            }
        };
        let (position, is_replay) = (executed.position, beside.is_none());
        let done = Done {
            app: app.clone(),
            org,
            executed,
            is_replay,
        };
        let answer = show(done, beside).await.map_err(refuse)?;
        let answer = match named {
            Some(named) => named.keep(&app, answer).await,
            None => answer,
        };
        answer.into_success(position, is_replay)
    })
    .await
}

/// What became of a request.
enum Once<B> {
    /// It was carried out now.
    First(Executed, B),
    /// It was carried out before.
    Earlier(Replay),
}

async fn execute<B: Beside>(
    app: &App,
    org: OrgId,
    context: &CommandContext,
    named: Option<&Named>,
    prepare: impl Future<Output = Result<(Command, B), ApiError>> + Send,
) -> Result<Once<B>, ApiError> {
    if let Some(named) = named
        && let Some(replay) = named.earlier(app).await?
    {
        return Ok(Earlier(replay));
    }
    let (command, beside) = prepare.await?;
    let remember = named.map(|named| named.remember(Kept::of));
    let commander = app.commander();
    let executed = commander.execute(org, &command, context, remember.as_ref());
    let error = match executed.await {
        Ok(executed) => return Ok(First(executed, beside)),
        Err(error) => error,
    };
    if error.is_certain() {
        beside.forget(app).await;
    }
    match (error, named) {
        // Another process was quicker.
        (CommandError::Answered(stored), Some(named)) => named.open(stored).map(Earlier),
        (error, _) => Err(refusal(error, app.jitter())),
    }
}

/// Carries a PATCH or DELETE out, which may be repeated by themselves, whether or not the caller
/// stays.
pub(super) async fn each_time<F>(
    app: App,
    org: OrgId,
    context: CommandContext,
    command: Command,
    show: impl FnOnce(Done) -> F + Send + 'static,
) -> Result<Success, ApiError>
where
    F: Future<Output = Result<Answer, CommandError>> + Send + 'static,
{
    shielded(&app.clone(), async move {
        let refuse = |error| refusal(error, app.jitter());
        let executed = app.commander().execute(org, &command, &context, None).await;
        let executed = executed.map_err(refuse)?;
        let position = executed.position;
        let done = Done {
            app: app.clone(),
            org,
            executed,
            is_replay: false,
        };
        let answer = show(done).await.map_err(refuse)?;
        answer.into_success(position, false)
    })
    .await
}

/// A caller who hangs up must not keep a barrier from running, or an answer from being kept.
pub(super) async fn shielded(
    app: &App,
    work: impl Future<Output = Result<Success, ApiError>> + Send + 'static,
) -> Result<Success, ApiError> {
    let done = app.tasks().shield("command", Box::pin(work)).await;
    done.unwrap_or_else(|lost| Err(ApiError::outcome_unknown(app.jitter()).because(lost)))
}
