//! Operator commands: the same decisions as everyone's, made by the operator, straight on the log.

mod connection;
mod erase;
mod keys;
mod log;
mod members;
mod orgs;
mod show;

use command::app::{CommandContext, CommandError, Executed};
use command::people::SetupError;
use domain::ids::{InvitationId, KeyId, OrgId};
use domain::org::{Command, Existing, Rejection};
use domain::plan::LimitKey;
use runtime::clock::Clock;
use runtime::entropy::Entropy;

use self::connection::Operator;
pub use self::connection::{ConnectError, DEV_FILE, DevFile, Place, Target, connect, open_log};
pub use self::erase::Erase;
pub use self::keys::Keys;
pub use self::log::Log;
pub use self::members::Members;
use self::orgs::OrgAction;
pub use self::orgs::Orgs;
use crate::terminal::say;

/// What to do.
#[derive(Debug)]
pub enum Action {
    Orgs(Orgs),
    Members(Members),
    /// A token for the first admin.
    SetupToken,
    Keys(Keys),
    Restored(log::Restored, log::Lives),
    Archive(log::ArchiveLog),
    Erase(Erase),
}

/// Why an operator command came to nothing.
#[derive(Debug, thiserror::Error)]
pub enum OperatorError {
    #[error(transparent)]
    Connect(#[from] ConnectError),
    #[error(transparent)]
    Command(#[from] CommandError),
    #[error("no key {key}, list them with `trackagoat keys list {org}`")]
    NoKey { org: OrgId, key: KeyId },
    #[error(
        "limit reached: {limit_key} is {max}, raise it with `trackagoat orgs set-limit {org} {limit_key} <number>`"
    )]
    Limit {
        org: OrgId,
        limit_key: LimitKey,
        max: u64,
    },
    #[error(
        "an invitation to this address is pending; its link works until it is withdrawn, for a new one: `trackagoat members withdraw {org} {invitation}`, then invite again"
    )]
    Invited {
        org: OrgId,
        invitation: InvitationId,
    },
    #[error(transparent)]
    Handle(#[from] domain::platform::PlatformError),
    #[error(transparent)]
    Members(#[from] members::MembersError),
    #[error(
        "somebody belongs to an org already: let them invite others, or use `trackagoat members invite`"
    )]
    SetUp,
    #[error(transparent)]
    SetupToken(#[from] SetupError),
    #[error(transparent)]
    Log(#[from] log::Failure),
    #[error(transparent)]
    Archive(#[from] log::ArchiveFailure),
    #[error(transparent)]
    Erase(#[from] erase::EraseError),
    #[error("the orgs could not be listed")]
    List(#[source] event_log::ReadError),
}

impl Action {
    /// Carries it out; what took access away is in force everywhere when this returns.
    pub async fn run(
        self,
        target: &Target,
        clock: Clock,
        entropy: Entropy,
    ) -> Result<(), OperatorError> {
        let operator = Operator::connect(target, &clock, &entropy).await?;
        let done = self.carry_out(&operator, &clock, &entropy).await;
        operator.close().await;
        done
    }

    async fn carry_out(
        self,
        operator: &Operator,
        clock: &Clock,
        entropy: &Entropy,
    ) -> Result<(), OperatorError> {
        match self {
            Self::Orgs(action) => match action.action()? {
                OrgAction::Create(command) => {
                    let org = OrgId::generate(operator.commander.now(), entropy.bytes());
                    decide(operator, org, &command).await?;
                    say(org);
                }
                OrgAction::List => list_orgs(operator).await?,
                OrgAction::Decide(org, command) => {
                    let decided = decide(operator, org, &command).await?;
                    if let Command::SetLimit { limit_key, .. } = command {
                        show::limit(limit_key, decided.state().await.limits());
                    }
                }
            },
            Self::Restored(restored, lives) => restored.run(operator, &lives, clock).await?,
            Self::Archive(archive) => archive.run(operator, clock).await?,
            Self::Erase(erase) => erase.run(operator).await?,
            Self::Members(action) => action.run(operator, entropy).await?,
            Self::SetupToken => setup_token(operator).await?,
            Self::Keys(Keys::Create(create)) => {
                let org = create.org;
                let (command, secret) = create.command(operator.commander.now(), entropy);
                let made = decide(operator, org, &command).await?;
                say(secret.reveal());
                show::useless_key(org, made.state().await.limits());
            }
            Self::Keys(Keys::List { org }) => {
                let keys = operator
                    .commander
                    .inspect(org, |state| {
                        let keys = || state.keys.clone();
                        state.profile.as_ref().map(|_| keys())
                    })
                    .await?;
                let keys = keys.ok_or(CommandError::Rejected(Rejection::NoSuchOrg))?;
                show::keys(keys.iter(), operator.commander.now());
            }
            Self::Keys(Keys::Revoke { org, key }) => {
                let revoked = decide(operator, org, &Command::RevokeKey { key_id: key }).await;
                revoked.map_err(|error| match error {
                    OperatorError::Command(CommandError::Rejected(Rejection::NotFound)) => {
                        OperatorError::NoKey { org, key }
                    }
                    other => other,
                })?;
            }
        }
        Ok(())
    }
}

async fn decide(
    operator: &Operator,
    org: OrgId,
    command: &Command,
) -> Result<Executed, OperatorError> {
    let context = CommandContext::operator("cli");
    let executed = operator
        .commander
        .execute(org, command, &context, None)
        .await
        .map_err(|error| refusal(org, error))?;
    show::denial(executed.denial.as_ref());
    Ok(executed)
}

/// The operator is told what to do about it.
fn refusal(org: OrgId, error: CommandError) -> OperatorError {
    match error {
        CommandError::Rejected(Rejection::LimitReached { limit_key, max, .. }) => {
            OperatorError::Limit {
                org,
                limit_key,
                max,
            }
        }
        CommandError::Rejected(Rejection::Duplicate {
            what: Existing::Invitation,
            id,
        }) => OperatorError::Invited {
            org,
            invitation: InvitationId::from_uuid(id),
        },
        other => other.into(),
    }
}

/// Prints a token for `POST /auth/setup`.
async fn setup_token(operator: &Operator) -> Result<(), OperatorError> {
    match operator.people.new_setup_token().await {
        Err(SetupError::Over) => Err(OperatorError::SetUp),
        token => {
            say(token?.reveal());
            Ok(())
        }
    }
}

async fn list_orgs(operator: &Operator) -> Result<(), OperatorError> {
    let ids = operator
        .commander
        .log()
        .orgs()
        .await
        .map_err(OperatorError::List)?;
    let mut orgs = Vec::with_capacity(ids.len());
    for id in ids {
        let profile = operator
            .commander
            .inspect(id, |state| state.profile.clone())
            .await?;
        if let Some(profile) = profile {
            orgs.push((id, profile));
        }
    }
    show::orgs(&orgs);
    Ok(())
}
