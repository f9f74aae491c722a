//! From an endpoint's command to its answer.

use std::future::Future;

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
    shielded(&app.clone(), async move {
        let context = asked.context_in(org);
        let named = match once::enter(&app, &asked, fingerprint).await? {
            Entered::Unnamed => {
                return carry_out(app, org, &context, command, show).await;
            }
            Entered::Answered(answer, stored) => return once::again(&app, answer, &stored).await,
            Entered::Named(named) => named,
        };
        let refuse = |error| refusal(error, app.jitter());
        let (executed, is_replay) = match execute(&app, org, &context, &named, &command).await? {
            First(executed) => (executed, false),
            Earlier(Replay::Answer(answer, stored)) => {
                return once::again(&app, answer, &stored).await;
            }
            Earlier(Replay::Outcome(outcome, stored)) => {
                let recalled = app.commander().recall(org, outcome, &stored).await;
                (recalled.map_err(refuse)?, true)
            }
        };
        let position = executed.position;
        let shown = show(Done {
            app: app.clone(),
            org,
            executed,
            is_replay,
        });
        let answer = named.keep(&app, shown.await.map_err(refuse)?).await;
        answer.into_success(position, is_replay)
    })
    .await
}

/// What became of a request that the caller named.
enum Once {
    /// It was carried out now.
    First(Executed),
    /// It was carried out before.
    Earlier(Replay),
}

async fn execute(
    app: &App,
    org: OrgId,
    context: &CommandContext,
    named: &Named,
    command: &Command,
) -> Result<Once, ApiError> {
    if let Some(replay) = named.earlier(app).await? {
        return Ok(Earlier(replay));
    }
    let remember = named.remember(Kept::of);
    let commander = app.commander();
    let executed = commander.execute(org, command, context, Some(&remember));
    match executed.await {
        Ok(executed) => Ok(First(executed)),
        // Another process was quicker.
        Err(CommandError::Answered(stored)) => named.open(stored).map(Earlier),
        Err(error) => Err(refusal(error, app.jitter())),
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
        carry_out(app, org, &context, command, show).await
    })
    .await
}

async fn carry_out<F>(
    app: App,
    org: OrgId,
    context: &CommandContext,
    command: Command,
    show: impl FnOnce(Done) -> F,
) -> Result<Success, ApiError>
where
    F: Future<Output = Result<Answer, CommandError>>,
{
    let jitter = app.jitter();
    let refuse = |error| refusal(error, jitter);
    let executed = app.commander().execute(org, &command, context, None).await;
    let executed = executed.map_err(refuse)?;
    let position = executed.position;
    let shown = show(Done {
        app,
        org,
        executed,
        is_replay: false,
    });
    shown.await.map_err(refuse)?.into_success(position, false)
}

/// A caller who hangs up must not keep a barrier from running, or an answer from being kept.
pub(super) async fn shielded(
    app: &App,
    work: impl Future<Output = Result<Success, ApiError>> + Send + 'static,
) -> Result<Success, ApiError> {
    let done = app.tasks().shield("command", Box::pin(work)).await;
    done.unwrap_or_else(|lost| Err(ApiError::outcome_unknown(app.jitter()).because(lost)))
}
